#include "curfew/core/enforcement.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace curfew {

using State = EnforcementState;

namespace {

constexpr std::array state_words{
    std::pair{State::watching, "watching"},
    std::pair{State::warned, "warned"},
    std::pair{State::due, "due"},
    std::pair{State::packing, "packing"},
    std::pair{State::packed, "packed"},
    std::pair{State::stopping, "stopping"},
    std::pair{State::confirming, "confirming"},
    std::pair{State::stopped, "stopped"},
    std::pair{State::pack_failed, "pack_failed"},
    std::pair{State::held, "held"},
    std::pair{State::stop_failed, "stop_failed"},
    std::pair{State::over, "over"},
};

constexpr int off_sightings_needed = 2;
constexpr std::string_view would_stop = "would stop now";

Duration doubled(Duration first, int times, Duration most) {
    Duration d = first;
    for (int i = 0; i < times && d < most; ++i) {
        d *= 2;
    }
    return std::min(d, most);
}

/// One step of one enforcement: handlers by state, each saying what is next.
class Machine {
public:
    Machine(const Enforcement& current, Instant now, const EnforcementPolicy& policy)
        : now_(now), policy_(policy) {
        t_.next = current;
    }

    Transition take() { return std::move(t_); }

    void on(const event::Assessed& e) {
        const Assessment& a = e.assessment;
        switch (t_.next.state) {
            case State::watching:
                return assess_watching(a);
            case State::warned:
                return assess_warned(a);
            case State::due:
            case State::packing:
            case State::packed:
            case State::pack_failed:
            case State::held:
                return assess_before_stop(a);
            case State::stop_failed:
                return assess_stop_failed(a);
            case State::stopping:
            case State::confirming:
            case State::stopped:
            case State::over:
                return;  // Seen speaks here
        }
    }

    void on(const event::WarningDelivered& e) {
        const bool of_now = e.step / warning_round == t_.next.warned_step / warning_round;
        if (t_.next.live() && !t_.next.notice_at && of_now) {
            t_.next.notice_at = now_;
            t_.changed = true;
        }
    }

    void on(const event::Looked& e) {
        if (t_.next.state == State::due) {
            look_before_pack(e.look);
        } else if (t_.next.state == State::packed) {
            fence(e.look);
        }
    }

    void on(const event::PackDone& e) {
        if (t_.next.state != State::packing) {
            return;
        }
        t_.next.receipt = e.receipt;
        if (mutant(Mutant::fence_skipped)) {
            return fence({.verdict = Verdict::quiet,
                          .same_run_on = true,
                          .held_by = {},
                          .mode = Mode::enforce,
                          .mode_why = {},
                          .why = {}});
        }
        go(State::packed, "copy verified (" + e.receipt.value + ")", {Effect::fence});
    }

    void on(const event::PackFailed& e) {
        if (t_.next.state != State::packing) {
            return;
        }
        if (mutant(Mutant::stop_without_receipt)) {
            t_.next.receipt = ReceiptId{"rcp_none"};
            return go(State::packed, "the copy will do", {Effect::fence});
        }
        if (e.error.code == Errc::changing && by_activity(t_.next.cause.kind)) {
            return cancel("files are still changing, so it is in use: " + e.error.text);
        }
        if (policy_.override_when_pack_failed && t_.next.pack_attempts >= policy_.pack_attempts_max) {
            t_.next.override_ = Override{.by = "rule " + t_.next.cause.name,
                                         .reason = "pack failed: " + to_string(e.error)};
            return go(State::packed, "pack failed for good; the rule says to stop without it",
                      {Effect::alert_pack_failed, Effect::fence});
        }
        const bool for_good = (e.error.retry.kind == Retry::Kind::never && e.error.code != Errc::changing) ||
                              t_.next.pack_attempts >= policy_.pack_attempts_max;
        if (for_good && !policy_.override_when_pack_failed && !t_.next.pack_until) {
            return go(State::held, "pack failed: " + to_string(e.error), {Effect::alert_pack_failed});
        }
        wake_after(std::max(e.error.retry.delay, doubled(policy_.pack_retry_first, t_.next.pack_attempts - 1,
                                                         policy_.pack_retry_max)));
        bound_pack();
        go(State::pack_failed, "pack failed, will be tried again: " + to_string(e.error),
           t_.next.pack_attempts == 1 ? std::vector<Effect>{}
                                      : std::vector<Effect>{Effect::alert_pack_failed});
    }

    void on(const event::StopAnswered& e) {
        if (t_.next.state != State::stopping) {
            return;
        }
        switch (e.answer) {
            case event::Answer::accepted:
                return confirm("stop accepted" + detail(e.text));
            case event::Answer::already_off:
                return confirm("provider says it is already off" + detail(e.text));
            case event::Answer::ambiguous:
                if (mutant(Mutant::resent_after_lost_answer)) {
                    return go(State::stopping, "no answer; sending it again", {Effect::call_stop});
                }
                return confirm("no clear answer to the stop" + detail(e.text) + "; looking it up");
            case event::Answer::refused:
                return stop_failed("stop refused" + detail(e.text), {Effect::alert_stop_failed});
            case event::Answer::unauthorized:
                return stop_failed("the provider does not accept the key" + detail(e.text),
                                   {Effect::alert_unauthorized});
            case event::Answer::not_sent:
                --t_.next.stop_attempts;
                wake_after(policy_.confirm_every);
                return go(State::packed, "the stop was not sent" + detail(e.text) + "; looking again", {});
        }
    }

    void on(const event::Seen& e) {
        switch (t_.next.state) {
            case State::confirming:
                return seen_confirming(e.sighting);
            case State::stop_failed:
                return seen_stop_failed(e.sighting);
            case State::stopped:
                return seen_stopped(e.sighting);
            case State::watching:
            case State::warned:
            case State::due:
            case State::packing:
            case State::packed:
            case State::stopping:
            case State::pack_failed:
            case State::held:
            case State::over:
                return;
        }
    }

    void on(const event::Woken&) {
        if (!t_.next.next_at || now_ < *t_.next.next_at) {
            return;
        }
        switch (t_.next.state) {
            case State::packing:
            case State::held:
                if (pack_is_late()) {
                    return go_without_pack();
                }
                // The budget does not ask for it now any more: a time that is past would wake it for ever.
                t_.next.pack_until.reset();
                t_.next.next_at.reset();
                t_.changed = true;
                return;
            case State::pack_failed:
                return pack_is_late() ? go_without_pack() : begin_due("trying to pack again");
            case State::confirming:
                wake_after(policy_.confirm_every);
                return add({Effect::look_up});
            case State::stop_failed:
                // The run is looked up first; only if it is on is anything sent again.
                wake_after(policy_.confirm_every);
                return add({Effect::look_up});
            case State::stopped:
                wake_after(policy_.confirm_every);
                return add({Effect::look_up});
            case State::due:
                wake_after(policy_.confirm_every);
                return add({Effect::look_fresh});
            case State::packed:
                // A copy that nobody can compare in time is no whole one either.
                if (pack_is_late() && !t_.next.override_) {
                    return go_without_pack();
                }
                wake_after(policy_.confirm_every);
                return add({Effect::fence});
            case State::warned:
                // The polls decide. The time stays set, since it says that the missing notice was told of.
                return wake_after(policy_.look_again);
            case State::watching:
            case State::stopping:
            case State::over:
                return;
        }
    }

    void on(const event::AskedByHand& e) {
        const State s = t_.next.state;
        const bool begun = t_.next.live() && s != State::warned;
        if (s == State::over || sent() || (begun && mutant(Mutant::ask_left_to_another))) {
            return;
        }
        if (t_.next.cause.kind != CauseKind::manual) {
            t_.next.cause = Cause{CauseKind::manual, e.by};
            t_.next.pack_until.reset();  // a budget's
            t_.changed = t_.next.live();
        }
        if (e.without_pack) {
            t_.next.override_ = e.without_pack;
            t_.changed = t_.next.live();
        }
        go_on_by_hand(e);
    }

    void on(const event::Cancelled& e) {
        if (t_.next.live() && !sent()) {
            cancel(e.reason);
        }
    }

    void recover(bool same_boot) {
        if (!mutant(Mutant::old_boot_instants)) {
            begin_anew(t_.next.warned_at, same_boot);
            begin_anew(t_.next.notice_at, same_boot);
            begin_anew(t_.next.stop_called_at, same_boot);
            begin_anew(t_.next.next_at, same_boot);
        }
        switch (t_.next.state) {
            case State::due:
                return add({Effect::look_fresh});
            case State::packing:
                // What was cut short has not failed: only failures count for a rule that goes on without a pack.
                t_.next.pack_attempts = std::max(0, t_.next.pack_attempts - 1);
                // Signals may have changed while nobody looked: entering packing means looking first.
                return begin_due("daemon restarted in mid-pack");
            case State::packed:
                return add({Effect::fence});
            case State::stopping:
                if (mutant(Mutant::recover_resends)) {
                    return add({Effect::call_stop});
                }
                return confirm("daemon restarted around the stop call; looking it up");
            case State::confirming:
            case State::stop_failed:
                return add({Effect::look_up});
            case State::watching:
            case State::warned:
            case State::stopped:
            case State::pack_failed:
            case State::held:
            case State::over:
                return;
        }
    }

private:
    static std::string detail(const std::string& text) { return text.empty() ? text : " (" + text + ")"; }

    static std::string mode_words(const std::string& lead, Mode mode, const std::string& why) {
        return lead + std::string{to_string(mode)} + (why.empty() ? why : " (" + why + ")");
    }

    bool sent() const {
        const State s = t_.next.state;
        return s == State::stopping || s == State::confirming || s == State::stopped;
    }

    void add(std::vector<Effect> effects) {
        t_.effects.insert(t_.effects.end(), effects.begin(), effects.end());
        t_.changed = true;
    }

    void go(State state, std::string reason, std::vector<Effect> effects) {
        t_.next.state = state;
        t_.next.reason = std::move(reason);
        add(std::move(effects));
    }

    void wake_after(Duration d) { t_.next.next_at = now_ + d; }

    /// A wait that began in an earlier boot does so again now.
    void begin_anew(std::optional<Instant>& at, bool same_boot) {
        if (at && (!same_boot || *at == instant_of_earlier_boot)) {
            at = now_;
            t_.changed = true;
        }
    }

    void finish(std::string outcome, std::string reason, std::vector<Effect> effects) {
        t_.next.outcome = std::move(outcome);
        t_.next.next_at.reset();
        go(State::over, std::move(reason), std::move(effects));
    }

    /// Whoever leaves a pack that is under way ends it.
    std::vector<Effect> end_of_pack() const {
        return t_.next.state == State::packing ? std::vector{Effect::cancel_pack} : std::vector<Effect>{};
    }

    void cancel(const std::string& reason) {
        std::vector<Effect> effects = end_of_pack();
        if (t_.next.warned_at) {
            effects.push_back(Effect::tell_cancelled);
        }
        finish("cancelled", reason, std::move(effects));
    }

    void begin_due(std::string reason) {
        wake_after(policy_.confirm_every);
        go(State::due, std::move(reason), {Effect::look_fresh});
    }

    // ---- before anything was sent ------------------------------------------------------------

    bool by_activity(CauseKind kind) const { return curfew::by_activity(kind, policy_); }

    std::string asks_no_more() const {
        return std::string{to_string(t_.next.cause.kind)} + " " + t_.next.cause.name + " asks for it no more";
    }

    /// Another cause of the same rule than the one that this enforcement is for.
    bool other_cause_of_rule(const Assessment& a) const {
        return of_rule(a.cause->kind) && of_rule(t_.next.cause.kind) && a.cause->kind != t_.next.cause.kind;
    }

    /// Another budget, whose mode and notice are its own.
    bool other_budget(const Assessment& a) const {
        return a.cause->kind == CauseKind::budget && t_.next.cause.kind == CauseKind::budget &&
               a.cause->name != t_.next.cause.name;
    }

    /// Why this enforcement may not go on, or nullopt.
    std::optional<std::string> objection(const Assessment& a) const {
        if (a.gone || !a.on) {
            return "it is off already";
        }
        if (!a.newest) {
            return "a newer run was started";
        }
        if (!a.cause) {
            return a.why.empty() ? std::string{"nothing asks for a stop any more"} : a.why;
        }
        // Until a stop has begun the causes of a rule may take turns (`turn_to`); then only its own counts.
        const bool own = other_cause_of_rule(a) ? t_.next.state == State::warned
                                                : !stronger(t_.next.cause, *a.cause);
        if (t_.next.live() && !own) {
            return asks_no_more();
        }
        const bool under_way = t_.next.state != State::watching && t_.next.state != State::warned;
        if (a.held_by && !(under_way && mutant(Mutant::hold_ignored_under_way))) {
            return *a.held_by;
        }
        if (by_activity(t_.next.cause.kind) && by_activity(a.cause->kind) && a.verdict == Verdict::active) {
            return a.why;
        }
        return std::nullopt;
    }

    void assess_watching(const Assessment& a) {
        if (!a.cause || objection(a) || (a.warn_step == 0 && !a.time_is_up)) {
            return;
        }
        t_.next.cause = *a.cause;
        if (!a.needs_notice && a.time_is_up) {
            return begin_if_allowed(a);
        }
        t_.next.warned_step = std::max(1, a.warn_step);
        t_.next.warned_at = now_;
        go(State::warned, a.why, {Effect::warn});
    }

    void assess_warned(const Assessment& a) {
        if (const auto why = objection(a)) {
            return cancel(*why);
        }
        // Who came back to it was told that this ends the stop: what asks all the same is told of first.
        const bool works = by_activity(t_.next.cause.kind) && a.verdict == Verdict::active && a.needs_notice;
        if ((other_cause_of_rule(a) || other_budget(a) || works) && (a.warn_step > 0 || a.time_is_up)) {
            return turn_to(a);
        }
        if (stronger(*a.cause, t_.next.cause) && !other_cause_of_rule(a)) {
            t_.next.cause = *a.cause;
            t_.changed = true;
        }
        const int told = ladder_step(t_.next.warned_step);
        if (a.warn_step > told) {
            t_.next.warned_step += a.warn_step - told;
            return go(State::warned, a.why, {Effect::warn});
        }
        if (!a.time_is_up || a.verdict == Verdict::unknown) {
            // Unknown freezes a stop that looks at activity; for others the notice below still counts.
            if (!a.time_is_up || by_activity(t_.next.cause.kind)) {
                return;
            }
        }
        if (notice_given(a)) {
            begin_if_allowed(a);
        }
    }

    /// Those who were warned were told of another reason and another time: they are warned anew.
    void turn_to(const Assessment& a) {
        t_.next.cause = *a.cause;
        t_.next.warned_step += warning_round - ladder_step(t_.next.warned_step) + std::max(1, a.warn_step);
        t_.next.warned_at = now_;
        if (!mutant(Mutant::cause_turns_unwarned)) {
            t_.next.notice_at.reset();
        }
        t_.next.next_at.reset();
        go(State::warned, a.why, {Effect::warn});
    }

    /// At least one warning delivered `min_notice` ago; if every channel fails, an hour more.
    bool notice_given(const Assessment& a) {
        if (!a.needs_notice || a.mode == Mode::observe || mutant(Mutant::warning_not_needed)) {
            return true;  // nobody is told in observe mode; nothing will happen either
        }
        if (t_.next.notice_at) {
            return now_ - *t_.next.notice_at >= a.min_notice || mutant(Mutant::min_notice_ignored);
        }
        CURFEW_ASSERT(t_.next.warned_at, "a warned enforcement knows when it was warned");
        const Duration waited = now_ - *t_.next.warned_at;
        if (waited >= a.min_notice && !t_.next.next_at) {
            t_.next.next_at = *t_.next.warned_at + a.min_notice + policy_.undelivered_extra;
            add({Effect::alert_undelivered});
        }
        return waited >=
               a.min_notice + (mutant(Mutant::no_hour_more) ? Duration{0} : policy_.undelivered_extra);
    }

    void begin_if_allowed(const Assessment& a) {
        if (a.mode != Mode::enforce || a.breaker_open || !a.state_known) {
            const std::string why = a.breaker_open ? "breaker open"
                                    : !a.state_known
                                        ? "the provider's word for its state is unknown to Curfew"
                                        : mode_words("mode ", a.mode, a.mode_why);
            if (t_.next.reason.starts_with(would_stop)) {
                return;  // said once per enforcement, not once per poll
            }
            if (t_.next.state == State::watching) {
                t_.next.warned_at = now_;
            }
            return go(State::warned, std::string{would_stop} + " (" + why + "): " + a.why,
                      {Effect::record_would_stop});
        }
        begin_due(a.why);
    }

    void assess_before_stop(const Assessment& a) {
        if (const auto why = objection(a)) {
            return cancel(*why);
        }
        if (t_.next.cause.kind != CauseKind::manual) {
            if (a.mode != Mode::enforce) {
                return cancel(mode_words("mode is now ", a.mode, a.mode_why));
            }
            if (a.breaker_open) {
                return cancel("breaker open");
            }
        }
        const bool copied = t_.next.state == State::packed && !t_.next.override_;
        if (t_.next.at_pack() || copied) {
            bound_pack();  // the budget may stop now only since a moment ago, or the daemon was restarted
        }
    }

    std::optional<std::string> objection(const FreshLook& look) const {
        if (look.gone) {
            return "it is off already";
        }
        if (!look.newest) {
            return "a newer run was started";
        }
        if (!look.asked) {
            return asks_no_more();
        }
        if (look.held_by) {
            return *look.held_by;
        }
        if (t_.next.cause.kind != CauseKind::manual) {
            if (look.mode != Mode::enforce) {
                return mode_words("mode is now ", look.mode, look.mode_why);
            }
            if (look.breaker_open) {
                return std::string{"breaker open"};
            }
        }
        if (by_activity(t_.next.cause.kind) && look.verdict != Verdict::quiet) {
            return "last look: " + look.why;
        }
        return std::nullopt;
    }

    void pack(std::string reason) {
        ++t_.next.pack_attempts;
        t_.next.next_at.reset();
        bound_pack();
        go(State::packing, std::move(reason), {Effect::pack});
    }

    /// A budget that stops now waits for a pack only so long, and is woken when that is over.
    void bound_pack() {
        if (policy_.pack_within && !t_.next.pack_until) {
            t_.next.pack_until = now_ + *policy_.pack_within;
            t_.changed = true;
        }
        if (t_.next.pack_until && (!t_.next.next_at || *t_.next.pack_until < *t_.next.next_at)) {
            t_.next.next_at = t_.next.pack_until;
            t_.changed = true;
        }
    }

    bool pack_is_late() const {
        return policy_.pack_within && t_.next.pack_until && now_ >= *t_.next.pack_until;
    }

    void go_without_pack() {
        std::vector<Effect> effects = end_of_pack();
        effects.push_back(Effect::alert_pack_failed);
        effects.push_back(Effect::fence);
        t_.next.override_ = Override{.by = "budget " + t_.next.cause.name,
                                     .reason = "no whole pack within " + to_string(*policy_.pack_within) +
                                               ", and the budget is to be stopped now"};
        wake_after(policy_.confirm_every);
        go(State::packed, t_.next.override_->reason, std::move(effects));
    }

    /// Not seen is neither quiet nor a reason to call it off: nothing happens until it can be seen.
    void wait_for_answer(const FreshLook& look) {
        wake_after(policy_.look_again);
        go(t_.next.state, "waiting for a look: " + look.why, {});
    }

    void look_before_pack(const FreshLook& look) {
        if (!look.answered) {
            return wait_for_answer(look);
        }
        if (const auto why = objection(look)) {
            return cancel(*why);
        }
        if (!look.same_run_on) {
            return wake_after(policy_.confirm_every);  // the provider did not answer; look again
        }
        if (t_.next.override_) {
            return go(State::packed, "no pack wanted, by " + t_.next.override_->by, {Effect::fence});
        }
        pack(look.why);
    }

    void fence(const FreshLook& look) {
        if (!look.answered) {
            return wait_for_answer(look);
        }
        if (const auto why = objection(look); why && !mutant(Mutant::fence_ignored)) {
            return cancel(*why);
        }
        if (!look.same_run_on) {
            return wake_after(policy_.confirm_every);
        }
        if (!look.files_unchanged && !t_.next.override_ && !mutant(Mutant::files_not_compared)) {
            if (by_activity(t_.next.cause.kind)) {
                return cancel("files changed after they were packed");
            }
            t_.next.receipt.reset();
            t_.next.pack_attempts = 0;  // did not fail; a rule that goes on without a pack counts failures
            return pack("files changed after they were packed; packing again");
        }
        CURFEW_ASSERT(t_.next.receipt || t_.next.override_, "I1");
        CURFEW_ASSERT(!by_activity(t_.next.cause.kind) || look.verdict == Verdict::quiet, "I2");
        CURFEW_ASSERT(!look.held_by, "I3");
        CURFEW_ASSERT(
            t_.next.cause.kind == CauseKind::manual || (look.mode == Mode::enforce && !look.breaker_open),
            "I3");
        CURFEW_ASSERT(look.newest && look.same_run_on, "I4");
        // The first call goes to the provider; after a failure the methods take turns.
        t_.next.method = t_.next.stop_attempts % 2 == 0 ? StopMethod::provider : StopMethod::guest;
        ++t_.next.stop_attempts;
        t_.next.stop_called_at = now_;
        t_.next.off_sightings = 0;
        t_.next.next_at.reset();
        go(State::stopping,
           "everything looked at once more; stopping by the " + std::string{to_string(t_.next.method)},
           {Effect::call_stop});
    }

    /// A person waits for it: what waited for a look or another try does so no longer.
    void go_on_by_hand(const event::AskedByHand& e) {
        const State s = t_.next.state;
        const std::string who = (e.without_pack ? "stop without a pack, by " : "asked for by ") + e.by;
        if (t_.next.at_pack() && e.without_pack) {
            std::vector<Effect> effects = end_of_pack();
            effects.push_back(Effect::fence);
            return go(State::packed, who, std::move(effects));
        }
        if (s == State::pack_failed || s == State::held) {
            t_.next.pack_attempts = 0;
            return begin_due(who + "; trying to pack again");
        }
        if (s == State::due || s == State::packed) {
            return go(s, who, {s == State::due ? Effect::look_fresh : Effect::fence});
        }
        if (s == State::packing) {
            go(s, who + ", while it is packed", {});
        }
    }

    // ---- after the call ----------------------------------------------------------------------

    void confirm(std::string reason) {
        t_.next.off_sightings = 0;
        wake_after(policy_.confirm_every);
        go(State::confirming, std::move(reason), {Effect::look_up});
    }

    void stop_failed(std::string reason, std::vector<Effect> effects) {
        wake_after(doubled(policy_.stop_retry_first, t_.next.stop_attempts - 1, policy_.stop_retry_max));
        go(State::stop_failed, std::move(reason), std::move(effects));
    }

    void seen_confirming(event::Sighting sighting) {
        if (sighting == event::Sighting::off) {
            ++t_.next.off_sightings;
            t_.changed = true;
            if (t_.next.off_sightings >= off_sightings_needed || mutant(Mutant::confirmed_by_one_sighting)) {
                t_.next.relooks = 0;
                wake_after(policy_.first_relook);
                go(State::stopped, "confirmed off, seen twice", {Effect::tell_stopped});
            }
            return;
        }
        if (sighting == event::Sighting::on && t_.next.off_sightings != 0) {
            t_.next.off_sightings = 0;
            t_.changed = true;
        }
        CURFEW_ASSERT(t_.next.stop_called_at, "I5");
        if (now_ - *t_.next.stop_called_at >= policy_.confirm_limit) {
            stop_failed(sighting == event::Sighting::on ? "still on after " + to_string(policy_.confirm_limit)
                                                        : std::string{"cannot see whether it is off"},
                        {Effect::alert_stop_failed});
        }
    }

    void seen_stop_failed(event::Sighting sighting) {
        if (sighting == event::Sighting::off) {
            return confirm("seems to be off after all");
        }
        const Duration pause = doubled(policy_.stop_retry_first, t_.next.stop_attempts - 1,
                                       policy_.stop_retry_max);
        const bool rested = !t_.next.stop_called_at || now_ - *t_.next.stop_called_at >= pause;
        if (sighting == event::Sighting::on && rested && !mutant(Mutant::stop_failed_never_retried)) {
            if (mutant(Mutant::retried_without_a_look)) {
                ++t_.next.stop_attempts;
                t_.next.stop_called_at = now_;
                t_.next.next_at.reset();
                return go(State::stopping, "still on; once more", {Effect::call_stop});
            }
            // Signals and files are read again before anything is sent again.
            wake_after(policy_.confirm_every);
            go(State::packed, "still on; looking at everything again before the next try", {Effect::fence});
        }
    }

    void assess_stop_failed(const Assessment& a) {
        if (!a.newest && a.gone) {
            finish("restarted", "it ended, and a newer run was started", {});
        }
    }

    void seen_stopped(event::Sighting sighting) {
        if (sighting == event::Sighting::on) {
            return stop_failed("it is billing again under the same run", {Effect::alert_stop_failed});
        }
        if (sighting == event::Sighting::unclear) {
            return;
        }
        ++t_.next.relooks;
        t_.changed = true;
        if (t_.next.relooks >= 2) {
            return finish("stopped", "still off an hour later", {});
        }
        wake_after(policy_.second_relook - policy_.first_relook);
    }

    Instant now_;
    const EnforcementPolicy& policy_;
    Transition t_;
};

}  // namespace

std::string_view to_string(EnforcementState state) {
    const auto found = std::ranges::find(state_words, state, [](const auto& row) { return row.first; });
    CURFEW_ASSERT(found != state_words.end(), "every state has a word");
    return found->second;
}

std::optional<EnforcementState> enforcement_state_from(std::string_view word) {
    for (const auto& [state, w] : state_words) {
        if (word == w) {
            return state;
        }
    }
    return std::nullopt;
}

std::string_view to_string(CauseKind kind) {
    switch (kind) {
        case CauseKind::idle:
            return "idle";
        case CauseKind::schedule:
            return "schedule";
        case CauseKind::age:
            return "age";
        case CauseKind::budget:
            return "budget";
        case CauseKind::manual:
            break;
    }
    return "manual";
}

CauseKind cause_kind_from(std::string_view word) {
    for (const CauseKind kind : {CauseKind::schedule, CauseKind::age, CauseKind::budget, CauseKind::manual}) {
        if (to_string(kind) == word) {
            return kind;
        }
    }
    return CauseKind::idle;
}

bool stronger(const Cause& a, const Cause& b) {
    return a.kind > b.kind;
}

std::string_view to_string(StopMethod method) {
    return method == StopMethod::provider ? "provider" : "guest";
}

std::string_view to_string(Effect effect) {
    switch (effect) {
        case Effect::warn:
            return "warn";
        case Effect::tell_cancelled:
            return "tell_cancelled";
        case Effect::look_fresh:
            return "look_fresh";
        case Effect::pack:
            return "pack";
        case Effect::cancel_pack:
            return "cancel_pack";
        case Effect::fence:
            return "fence";
        case Effect::call_stop:
            return "call_stop";
        case Effect::look_up:
            return "look_up";
        case Effect::tell_stopped:
            return "tell_stopped";
        case Effect::alert_pack_failed:
            return "alert_pack_failed";
        case Effect::alert_stop_failed:
            return "alert_stop_failed";
        case Effect::alert_unauthorized:
            return "alert_unauthorized";
        case Effect::alert_undelivered:
            return "alert_undelivered";
        case Effect::record_would_stop:
            break;
    }
    return "record_would_stop";
}

Transition step(const Enforcement& current, const EnforcementEvent& event, Instant now,
                const EnforcementPolicy& policy) {
    Machine machine(current, now, policy);
    std::visit([&](const auto& e) { machine.on(e); }, event);
    Transition t = machine.take();
    CURFEW_ASSERT(t.next.run == current.run && t.next.resource == current.resource, "I4");
    CURFEW_ASSERT(std::ranges::count(t.effects, Effect::call_stop) == 0 ||
                      ((t.next.receipt || t.next.override_) && t.next.state == State::stopping),
                  "I1");
    return t;
}

Transition recover(const Enforcement& stored, Instant now, bool same_boot, const EnforcementPolicy& policy) {
    Machine machine(stored, now, policy);
    machine.recover(same_boot);
    return machine.take();
}

bool breaker_trips(int stopped_by_rule_last_hour, int running) {
    return stopped_by_rule_last_hour >
           std::max(2, running / 4) + (mutant(Mutant::breaker_off_by_one) ? 1 : 0);
}

}  // namespace curfew
