#include "curfew/core/assess.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace curfew {

namespace {

constexpr std::string_view protected_words = "protected by the configuration";

std::string hold_words(const Hold& hold) {
    const bool lease = hold.kind == HoldKind::lease;
    return "held by " + std::string{hold.kind == HoldKind::exemption ? "an " : "a "} +
           std::string{to_string(hold.kind)} + (lease ? " for job " + hold.job : std::string{}) + " of " +
           hold.by + " until " + to_string(hold.until);
}

/// One cause of the rule that wants the run ended, or warned of.
struct Claim {
    CauseKind kind = CauseKind::idle;
    Duration left{0};  // until its time is up
    int warn_step = 0;
    bool up = false;
    Mode mode = Mode::observe;
    std::string why;
};

/// What the rule makes of the run, as if nothing held it.
struct Claims {
    std::vector<Claim> all;
    std::string why;  // when nothing is claimed
};

std::string whole_seconds(Duration d) {
    return to_string(std::chrono::floor<seconds>(d));
}

Duration head_of(const std::vector<Duration>& ladder) {
    return ladder.empty() ? Duration{0} : ladder.front();
}

/// Mode of a cause that does not look at activity.
Mode mode_of_rule(const AssessInput& in) {
    return weakest(in.mode, in.on_trial ? Mode::observe : in.rule->mode);
}

/// Mode of a cause that looks at activity. While it is unknown nothing is stopped anyway; that one look
/// failed is no change of mode. A probe will look inside before the time is up.
Mode mode_by_activity(const AssessInput& in) {
    const Mode mode = mode_of_rule(in);
    const bool partial = in.judgement.verdict != Verdict::unknown && in.judgement.coverage != Coverage::full;
    return partial && !in.rule->accept_partial && !in.probing ? weakest(mode, Mode::warn) : mode;
}

/// Seen quiet, and where it can be probed, by enough probes.
bool surely_quiet(const AssessInput& in) {
    return in.judgement.verdict == Verdict::quiet && (!in.probing || in.probed_enough);
}

/// The stop that comes first if everything stays as it is.
void stops_in(AssessResult& out, Duration left, CauseKind kind) {
    left = std::max(left, Duration{0});
    if (!out.stops_in || left <= *out.stops_in) {
        out.stops_in = left;
        out.stops_for = kind;
    }
}

void claim_idle(const AssessInput& in, AssessResult& out, Claims& claims) {
    const Rule& rule = *in.rule;
    const auto ladder = scaled_ladder(rule.ladder, rule.idle_limit);
    // A weak signal may delay a stop by at most one warning period.
    out.idle_limit = rule.idle_limit + (in.judgement.weak_activity ? head_of(ladder) : Duration{0});
    claims.why = (in.judgement.stalled ? "stalled and so quiet for " : "quiet ") + whole_seconds(in.quiet) +
                 " of " + to_string(out.idle_limit) + ", rule " + rule.name.value;
    if (in.judgement.verdict == Verdict::active) {
        claims.why = "active: " + in.judgement.step;
        return;
    }
    if (in.judgement.verdict == Verdict::unknown) {
        claims.why = "unknown: " + in.judgement.step;
    }
    const Duration left = out.idle_limit - in.quiet;
    const Duration grace_left = rule.start_grace - in.seen_for;
    if (in.judgement.verdict == Verdict::quiet) {
        stops_in(out, std::max(left, grace_left), CauseKind::idle);
    }
    if (grace_left > Duration{0}) {
        claims.why = "start grace, " + to_string(std::chrono::ceil<seconds>(grace_left)) + " left";
        return;
    }
    const bool up = left <= Duration{0} && surely_quiet(in);
    // By the plain limit: a weak signal that comes and goes delays, it does not cancel.
    if (up || steps_reached(ladder, rule.idle_limit - in.quiet) > 0) {
        claims.all.push_back({.kind = CauseKind::idle,
                              .left = std::max(left, Duration{0}),
                              .warn_step = steps_reached(ladder, left),
                              .up = up,
                              .mode = mode_by_activity(in),
                              .why = claims.why});
    }
}

/// The schedule alone. Inside a window it wants only runs off that were there when it began: who starts
/// one inside it knows what he does, and is left alone until the next boundary.
void claim_schedule(const AssessInput& in, AssessResult& out, Claims& claims) {
    const Rule& rule = *in.rule;
    const Schedule& schedule = *rule.schedule;
    const auto words = [&](WallTime t) { return local_words(t, schedule.zone()); };
    const auto window = schedule.window_at(in.now);
    const bool wants_off = window && in.started_at.value_or(in.now - in.seen_for) < window->from;
    const auto begins = wants_off ? std::optional{window->from} : schedule.next_window(in.now);
    if (window && !wants_off) {
        claims.why += "; started inside the off hours, which leave it alone until " + words(window->to);
    }
    if (!begins) {
        return;
    }
    std::string why = wants_off
                          ? "off hours until " + words(window->to)
                          : "off hours in " + whole_seconds(*begins - in.now) + " (" + words(*begins) + ")";
    out.limits.push_back((wants_off ? why : "off hours from " + words(*begins)) +
                         (rule.respect_activity ? ", unless it is at work or cannot be seen" : ""));
    const auto ladder = scaled_ladder(rule.ladder, Duration::max());
    const Duration plain = std::max(*begins - in.now, Duration{0});
    Duration left = plain;
    if (rule.respect_activity) {
        const Duration weak = in.judgement.weak_activity ? head_of(ladder) : Duration{0};
        const Duration settles = std::min(schedule_quiet, rule.idle_limit) - in.quiet;
        left = std::max({left, *begins + weak - in.now, rule.start_grace - in.seen_for});
        if (in.judgement.verdict == Verdict::quiet) {
            stops_in(out, std::max(left, settles), CauseKind::schedule);
        }
        if (in.judgement.verdict == Verdict::active || settles > Duration{0}) {
            claims.why += wants_off ? "; " + why + ", once it is quiet" : "";
            return;
        }
        why += in.judgement.verdict == Verdict::unknown ? ", but unknown: " + in.judgement.step : "";
    } else {
        stops_in(out, left, CauseKind::schedule);
    }
    const bool seen = !rule.respect_activity || surely_quiet(in);
    if (left <= Duration{0} || steps_reached(ladder, plain) > 0) {
        claims.all.push_back({.kind = CauseKind::schedule,
                              .left = left,
                              .warn_step = steps_reached(ladder, left),
                              .up = left <= Duration{0} && seen,
                              .mode = rule.respect_activity ? mode_by_activity(in) : mode_of_rule(in),
                              .why = why + ", rule " + rule.name.value});
    }
}

void claim_age(const AssessInput& in, AssessResult& out, Claims& claims) {
    const Rule& rule = *in.rule;
    const Duration left = std::max(*rule.max_age - in.age, Duration{0});
    const auto ladder = scaled_ladder(rule.ladder, *rule.max_age);
    const std::string of = whole_seconds(in.age) + " of at most " + to_string(*rule.max_age);
    out.limits.push_back("its age, at work or not (" + of + ")");
    stops_in(out, left, CauseKind::age);
    if (left <= Duration{0} || steps_reached(ladder, left) > 0) {
        claims.all.push_back({.kind = CauseKind::age,
                              .left = left,
                              .warn_step = steps_reached(ladder, left),
                              .up = left <= Duration{0},
                              .mode = mode_of_rule(in),
                              .why = "running for " + of + ", rule " + rule.name.value});
    }
}

/// The claim that is judged: the one that is pursued; else what no hold beats before what one does, then
/// what is up, then what is up first, then the stronger.
const Claim* chosen(const std::vector<Claim>& claims, const AssessInput& in) {
    const auto rank = [&](const Claim& c) {
        return std::tuple{c.kind == in.pursued, in.hold != nullptr && c.kind == CauseKind::age, c.up,
                          c.up ? Duration{0} : -c.left, c.kind};
    };
    const auto best = std::ranges::max_element(claims, {}, rank);
    return best == claims.end() ? nullptr : &*best;
}

void apply_rule(const AssessInput& in, AssessResult& out) {
    Assessment& a = out.assessment;
    Claims claims;
    claim_idle(in, out, claims);
    if (in.rule->schedule) {
        claim_schedule(in, out, claims);
    }
    if (in.rule->max_age) {
        claim_age(in, out, claims);
    }
    out.mode = mode_by_activity(in);
    a.min_notice = in.rule->min_notice;
    a.why = claims.why;
    if (const Claim* claim = chosen(claims.all, in)) {
        a.cause = Cause{claim->kind, in.rule->name.value};
        a.warn_step = claim->warn_step;
        a.time_is_up = claim->up;
        a.why = claim->why;
        out.mode = claim->mode;
    }
    a.mode = out.mode;
    out.beaten_by_hold = in.hold != nullptr && std::ranges::any_of(claims.all, [](const Claim& claim) {
                             return claim.kind != CauseKind::age;
                         });
}

/// A hold in force. Only an age outranks it.
void apply_hold(const AssessInput& in, AssessResult& out) {
    Assessment& a = out.assessment;
    out.stops_in.reset();
    if (in.rule != nullptr && in.rule->max_age) {
        stops_in(out, *in.rule->max_age - in.age, CauseKind::age);
    }
    if (!a.cause || a.cause->kind != CauseKind::age) {
        a.held_by = hold_words(*in.hold);
    }
}

void apply_budget(const AssessInput& in, AssessResult& out) {
    Assessment& a = out.assessment;
    a.cause = Cause{CauseKind::budget, *in.exhausted_budget};
    a.warn_step = 1;
    a.time_is_up = true;
    if (!mutant(Mutant::keep_beats_budget)) {
        a.held_by.reset();  // a hard budget outranks keeps and exemptions
    }
    out.mode = weakest(in.mode, in.budget_mode);
    a.mode = out.mode;
    a.min_notice = in.rule != nullptr ? in.rule->min_notice : Duration{minutes{10}};
    a.min_notice = std::min(a.min_notice, in.budget_notice.value_or(a.min_notice));
    a.breaker_open = false;
    a.why = "budget " + *in.exhausted_budget + " is exhausted";
}

void apply_manual(const AssessInput& in, AssessResult& out) {
    Assessment& a = out.assessment;
    a.cause = Cause{CauseKind::manual, *in.manual_by};
    a.warn_step = 0;
    a.time_is_up = true;
    a.needs_notice = false;
    // Asked for it would be refused; the name may be protected since.
    a.held_by = in.protected_ ? std::optional<std::string>{protected_words} : std::nullopt;
    a.breaker_open = false;
    a.mode_why.clear();
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
        apply_rule(in, out);
    } else {
        a.why = "no rule matches";
    }
    if (in.hold != nullptr) {
        apply_hold(in, out);
    }
    // A budget that may do less than the rule that asks leaves it to the rule: what only warns must save nothing
    // from being stopped.
    const Mode of_budget = weakest(in.mode, in.budget_mode);
    const bool rule_does_more = a.cause && !a.held_by && out.mode > of_budget;
    // A stop that has begun for a rule stays the rule's, with its mode, breaker and holds: who was told of that one
    // is told of the budget's first.
    const bool rule_pursued = in.pursued && of_rule(*in.pursued);
    if (in.exhausted_budget && !rule_does_more && !rule_pursued) {
        apply_budget(in, out);
    }
    const bool never = in.protected_ || !in.saves_nothing.empty();
    if (in.exhausted_budget && of_budget == Mode::enforce && !never && in.maintenance.empty()) {
        out.budget_acts = Cause{CauseKind::budget, *in.exhausted_budget};
    }
    if (never) {
        a.held_by = in.protected_ ? std::string{protected_words} : in.saves_nothing;
        out.beaten_by_hold = a.cause.has_value();
    }
    if (!in.maintenance.empty()) {
        out.mode = a.mode = Mode::observe;
        a.mode_why = in.maintenance;
        a.why += "; " + in.maintenance;
    }
    if (mutant(Mutant::observe_acts)) {
        out.mode = a.mode = Mode::enforce;
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
        if (never) {
            out.stops_in.reset();
        }
        a.why = *a.held_by + "; without it: " + a.why;
    }
    return out;
}

}  // namespace curfew
