// Deliberately wrong variants of Curfew, which the simulation must catch, every one of them (./dev simulate
// --mutants; what each does is in tests/simulation/mutants.cpp). Only the build of the simulation can switch one
// on, once, before anything runs; in every other build `mutant` is constant and the compiler leaves nothing of it.
#pragma once

#include <cstdint>

namespace curfew {

enum class Mutant : std::uint8_t {
    none,
    // stops
    stop_without_receipt,
    older_receipt_reused,
    fence_skipped,
    fence_ignored,
    files_not_compared,
    hold_ignored_under_way,
    observe_acts,
    breaker_off_by_one,
    breaker_not_counted,
    stop_by_resource,
    resent_after_lost_answer,
    confirmed_by_one_sighting,
    stop_failed_never_retried,
    effect_before_commit,
    outcome_not_written,
    // looks
    unknown_is_quiet,
    unknown_bridged,
    gap_bridged,
    activity_keeps_clock,
    clock_outlives_run,
    probes_not_counted,
    keep_never_ends,
    // lists
    partial_list_is_whole,
    stale_list_believed,
    // warnings and alerts
    warning_not_needed,
    min_notice_ignored,
    messages_apart,
    resolve_untold,
    outbox_not_retried,
    outbox_retried_forever,
    delivered_on_ambiguous,
    delivery_not_remembered,
    // money
    past_repriced,
    rounded_every_poll,
    rows_over_the_hour,
    ended_billed_until_now,
    no_error_bar,
    counted_again,
    threshold_fires_again,
    spend_forgotten,
    // time and restarts
    age_by_wall_clock,
    notice_by_wall_clock,
    quiet_kept_over_gap,
    recover_resends,
    enforcement_forgotten,
    rows_lost_with_commit,
    // the store
    half_a_batch,
    failure_called_success,
    hold_not_stored,
    // written later, without a look at what the worlds catch
    bar_halved,
    second_run_unbilled,
    came_and_went_unbilled,
    dated_price_ignored,
    metrics_not_heard,
    threshold_late,
    period_of_utc,
    keep_beats_budget,
    old_boot_instants,
    cause_turns_unwarned,
    ask_left_to_another,
    no_hour_more,
    retried_without_a_look,
    gone_after_one_list,
    protection_forgotten,
    breaker_forgotten,
    trial_skipped,
    maintenance_ignored,
    stops_not_counted_on,
    quiet_over_boots,
    given_up_early,
    call_unchecked,
    gaps_forgotten,
    of_an_older_run,
    billed_by_our_clock,
    flaps_at_once,
    count_,
};

#ifdef CURFEW_MUTANTS
inline Mutant mutant_in_force = Mutant::none;
inline bool mutant(Mutant which) {
    return which == mutant_in_force;
}
#else
constexpr bool mutant(Mutant) {
    return false;
}
#endif

}  // namespace curfew
