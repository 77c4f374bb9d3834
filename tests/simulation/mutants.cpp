#include "simulation/mutants.hpp"

#include <array>

namespace curfew::simulation {

namespace {

using M = Mutant;
constexpr std::array cards{
    MutantCard{M::stop_without_receipt, "stop_without_receipt", "stops although the pack failed"},
    MutantCard{M::older_receipt_reused, "older_receipt_reused",
               "takes the receipt of an earlier run for this one's"},
    MutantCard{M::fence_skipped, "fence_skipped", "stops right after the pack without looking once more"},
    MutantCard{M::fence_ignored, "fence_ignored", "looks once more, and stops whatever was seen"},
    MutantCard{M::files_not_compared, "files_not_compared",
               "stops although files changed after they were packed"},
    MutantCard{M::hold_ignored_under_way, "hold_ignored_under_way",
               "does not see a keep that was placed once the stop was under way"},
    MutantCard{M::observe_acts, "observe_acts", "stops in modes observe and warn, too"},
    MutantCard{M::breaker_off_by_one, "breaker_off_by_one", "one stop too many before the breaker opens"},
    MutantCard{M::breaker_not_counted, "breaker_not_counted", "no stop counts for the breaker"},
    MutantCard{M::stop_by_resource, "stop_by_resource", "ends whatever run the resource has by then"},
    MutantCard{M::resent_after_lost_answer, "resent_after_lost_answer",
               "sends a stop again when its answer was lost"},
    MutantCard{M::confirmed_by_one_sighting, "confirmed_by_one_sighting",
               "believes in an end that was seen once"},
    MutantCard{M::stop_failed_never_retried, "stop_failed_never_retried",
               "gives up after a stop that failed"},
    MutantCard{M::effect_before_commit, "effect_before_commit", "acts before its intent is on disk"},
    MutantCard{M::outcome_not_written, "outcome_not_written", "forgets to write what became of an act"},
    MutantCard{M::unknown_is_quiet, "unknown_is_quiet", "takes a source that cannot be seen for a quiet one"},
    MutantCard{M::unknown_bridged, "unknown_bridged", "counts time as quiet in which nobody could see"},
    MutantCard{M::gap_bridged, "gap_bridged", "counts gaps of up to a day as quiet"},
    MutantCard{M::activity_keeps_clock, "activity_keeps_clock", "work does not set the quiet clock to 0"},
    MutantCard{M::clock_outlives_run, "clock_outlives_run",
               "a new run takes over the quiet time of the old one"},
    MutantCard{M::probes_not_counted, "probes_not_counted", "does not wait for three quiet probes"},
    MutantCard{M::keep_never_ends, "keep_never_ends", "a keep holds for ever"},
    MutantCard{M::partial_list_is_whole, "partial_list_is_whole", "what a partial list leaves out is gone"},
    MutantCard{M::stale_list_believed, "stale_list_believed",
               "goes back to the older run that a stale list shows"},
    MutantCard{M::warning_not_needed, "warning_not_needed", "stops without a warning that was delivered"},
    MutantCard{M::min_notice_ignored, "min_notice_ignored", "stops right after the first warning"},
    MutantCard{M::messages_apart, "messages_apart",
               "writes messages in another transaction than their cause"},
    MutantCard{M::resolve_untold, "resolve_untold", "tells nobody that an alert is over"},
    MutantCard{M::outbox_not_retried, "outbox_not_retried", "gives a message up after one failure"},
    MutantCard{M::outbox_retried_forever, "outbox_retried_forever", "never gives a message up"},
    MutantCard{M::delivered_on_ambiguous, "delivered_on_ambiguous",
               "takes a lost acknowledgement for a delivery"},
    MutantCard{M::delivery_not_remembered, "delivery_not_remembered",
               "does not write down what was delivered"},
    MutantCard{M::past_repriced, "past_repriced", "prices the open hour anew when a price changes"},
    MutantCard{M::rounded_every_poll, "rounded_every_poll", "closes a row at every poll, each rounded"},
    MutantCard{M::rows_over_the_hour, "rows_over_the_hour", "closes rows that are longer than an hour"},
    MutantCard{M::ended_billed_until_now, "ended_billed_until_now",
               "bills an ended run until the end was noticed"},
    MutantCard{M::no_error_bar, "no_error_bar", "estimates without saying how far it may be off"},
    MutantCard{M::counted_again, "counted_again", "counts the last minutes again after a restart"},
    MutantCard{M::threshold_fires_again, "threshold_fires_again", "a threshold fires again after a restart"},
    MutantCard{M::spend_forgotten, "spend_forgotten", "begins a budget at 0 after a restart"},
    MutantCard{M::age_by_wall_clock, "age_by_wall_clock", "measures the age of a run by the wall clock"},
    MutantCard{M::notice_by_wall_clock, "notice_by_wall_clock",
               "measures notice and pauses by the wall clock"},
    MutantCard{M::quiet_kept_over_gap, "quiet_kept_over_gap",
               "goes on after a long absence as if it had looked"},
    MutantCard{M::recover_resends, "recover_resends", "sends a stop again after a crash around it"},
    MutantCard{M::enforcement_forgotten, "enforcement_forgotten", "a restart forgets what was under way"},
    MutantCard{M::rows_lost_with_commit, "rows_lost_with_commit",
               "drops the rows of a poll that could not be written"},
    MutantCard{M::half_a_batch, "half_a_batch", "writes the rows of one step in several transactions"},
    MutantCard{M::failure_called_success, "failure_called_success",
               "says that a transaction is durable that failed"},
    MutantCard{M::hold_not_stored, "hold_not_stored", "does not write down a keep that it promised"},
};
static_assert(cards.size() + 1 == static_cast<std::size_t>(M::count_), "every variant has its line");

}  // namespace

std::span<const MutantCard> mutant_cards() {
    return cards;
}

}  // namespace curfew::simulation
