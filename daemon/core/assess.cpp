#include "curfew/core/assess.hpp"

#include <algorithm>

namespace curfew {

namespace {

std::string hold_words(const Hold& hold) {
    const bool lease = hold.kind == HoldKind::lease;
    return "held by " + std::string{hold.kind == HoldKind::exemption ? "an " : "a "} +
           std::string{to_string(hold.kind)} + (lease ? " for job " + hold.job : std::string{}) + " of " +
           hold.by + " until " + to_string(hold.until);
}

/// The idle rule alone, as if nothing held it.
void apply_idle_rule(const AssessInput& in, AssessResult& out) {
    const Rule& rule = *in.rule;
    Assessment& a = out.assessment;
    const auto ladder = scaled_ladder(rule.ladder, rule.idle_limit);
    const Duration head = ladder.empty() ? Duration{0} : ladder.front();
    // A weak signal may delay a stop by at most one warning period.
    out.idle_limit = rule.idle_limit + (in.judgement.weak_activity ? head : Duration{0});
    out.mode = weakest(in.mode, rule.mode);
    // While it is unknown nothing is stopped anyway; that one look failed is no change of mode.
    if (in.judgement.verdict != Verdict::unknown && in.judgement.coverage != Coverage::full &&
        !rule.accept_partial) {
        out.mode = weakest(out.mode, Mode::warn);
    }
    a.mode = out.mode;
    a.min_notice = rule.min_notice;
    a.why = "quiet " + to_string(std::chrono::floor<seconds>(in.quiet)) + " of " + to_string(out.idle_limit) +
            ", rule " + rule.name.value;
    if (in.judgement.verdict == Verdict::active) {
        a.why = "active: " + in.judgement.step;
        return;
    }
    if (in.judgement.verdict == Verdict::unknown) {
        a.why = "unknown: " + in.judgement.step;
    }
    const Duration left = out.idle_limit - in.quiet;
    const Duration grace_left = rule.start_grace - in.seen_for;
    if (in.judgement.verdict == Verdict::quiet) {
        out.stops_in = std::max({left, grace_left, Duration{0}});
    }
    if (grace_left > Duration{0}) {
        a.why = "start grace, " + to_string(std::chrono::ceil<seconds>(grace_left)) + " left";
        return;
    }
    a.warn_step = steps_reached(ladder, left);
    a.time_is_up = left <= Duration{0} && in.judgement.verdict == Verdict::quiet;
    // By the plain limit: a weak signal that comes and goes delays, it does not cancel.
    if (steps_reached(ladder, rule.idle_limit - in.quiet) > 0 || a.time_is_up) {
        a.cause = Cause{CauseKind::idle, rule.name.value};
    }
}

void apply_budget(const AssessInput& in, AssessResult& out) {
    Assessment& a = out.assessment;
    a.cause = Cause{CauseKind::budget, *in.exhausted_budget};
    a.warn_step = 1;
    a.time_is_up = true;
    a.held_by.reset();  // a hard budget outranks keeps and exemptions
    out.mode = weakest(in.mode, in.budget_mode);
    a.mode = out.mode;
    a.min_notice = in.rule != nullptr ? in.rule->min_notice : Duration{minutes{10}};
    a.breaker_open = false;
    a.why = "budget " + *in.exhausted_budget + " is exhausted";
}

void apply_manual(const AssessInput& in, AssessResult& out) {
    Assessment& a = out.assessment;
    a.cause = Cause{CauseKind::manual, *in.manual_by};
    a.warn_step = 0;
    a.time_is_up = true;
    a.needs_notice = false;
    a.held_by.reset();
    a.breaker_open = false;
    a.mode = Mode::enforce;  // a person asked, in full knowledge of the mode
    a.why = "stop asked for by " + *in.manual_by;
}

}  // namespace

AssessResult assess(const AssessInput& in) {
    AssessResult out;
    Assessment& a = out.assessment;
    out.mode = in.mode;
    a.verdict = in.judgement.verdict;
    a.gone = in.gone || is_off(in.state);
    a.on = bills(in.state) && !in.gone;
    a.state_known = in.state != RunState::unknown;
    a.newest = in.newest;
    a.breaker_open = in.breaker_open;
    a.mode = in.mode;
    if (in.rule != nullptr) {
        apply_idle_rule(in, out);
    } else {
        a.why = "no rule matches";
    }
    if (in.hold != nullptr) {
        a.held_by = hold_words(*in.hold);
        out.beaten_by_hold = a.cause.has_value();
    }
    if (in.exhausted_budget) {
        apply_budget(in, out);
    }
    if (in.protected_) {
        a.held_by = "protected by the configuration";
        out.beaten_by_hold = a.cause.has_value();
    }
    if (in.manual_by) {
        apply_manual(in, out);
    }
    if (in.hold != nullptr && !a.held_by) {
        a.why += "; not " + hold_words(*in.hold) + ", since this is stronger";
    }
    if (a.gone || !a.on) {
        out.stops_in.reset();
        a.why = a.gone ? "off" : "not billing yet (" + std::string{to_string(in.state)} + ")";
    } else if (a.held_by) {
        out.stops_in.reset();
        a.why = *a.held_by + "; without it: " + a.why;
    }
    return out;
}

}  // namespace curfew
