#include "curfew/core/alert.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

namespace curfew {

std::string_view to_string(Severity severity) {
    switch (severity) {
        case Severity::info:
            return "info";
        case Severity::warning:
            return "warning";
        case Severity::critical:
            break;
    }
    return "critical";
}

std::string_view to_string(AlertState state) {
    switch (state) {
        case AlertState::firing:
            return "firing";
        case AlertState::acknowledged:
            return "acknowledged";
        case AlertState::resolved:
            return "resolved";
        case AlertState::pending:
            break;
    }
    return "pending";
}

std::string_view to_string(AlertKind kind) {
    switch (kind) {
        case AlertKind::stop_warning:
            return "stop_warning";
        case AlertKind::stop_cancelled:
            return "stop_cancelled";
        case AlertKind::stopped:
            return "stopped";
        case AlertKind::stop_failed:
            return "stop_failed";
        case AlertKind::pack_failed:
            return "pack_failed";
        case AlertKind::budget_threshold:
            return "budget_threshold";
        case AlertKind::key_rejected:
            return "key_rejected";
        case AlertKind::blind:
            return "blind";
        case AlertKind::unpriced:
            return "unpriced";
        case AlertKind::undelivered:
            return "undelivered";
        case AlertKind::breaker:
            return "breaker";
        case AlertKind::disk:
            return "disk";
        case AlertKind::config:
            return "config";
        case AlertKind::would_stop:
            return "would_stop";
        case AlertKind::trial_over:
            return "trial_over";
        case AlertKind::false_stops:
            return "false_stops";
        case AlertKind::bad_stamp:
            return "bad_stamp";
        case AlertKind::drift:
            return "drift";
        case AlertKind::burn_rate:
            return "burn_rate";
        case AlertKind::credit:
            return "credit";
        case AlertKind::stale:
            return "stale";
        case AlertKind::backlog:
            return "backlog";
        case AlertKind::dead_letter:
            return "dead_letter";
        case AlertKind::database:
            return "database";
        case AlertKind::clock:
            return "clock";
        case AlertKind::cycles:
            return "cycles";
        case AlertKind::digest:
            return "digest";
        case AlertKind::summary:
            return "summary";
        case AlertKind::test:
            break;
    }
    return "test";
}

std::optional<AlertKind> alert_kind_from(std::string_view word) {
    for (int i = 0; i <= static_cast<int>(AlertKind::test); ++i) {
        if (to_string(static_cast<AlertKind>(i)) == word) {
            return static_cast<AlertKind>(i);
        }
    }
    return std::nullopt;
}

std::string_view to_string(Telling telling) {
    switch (telling) {
        case Telling::notice:
            return "notice";
        case Telling::firing:
            return "firing";
        case Telling::rise:
            return "rise";
        case Telling::repeat:
            return "repeat";
        case Telling::escalation:
            return "escalation";
        case Telling::acknowledged:
            return "acknowledged";
        case Telling::resolved:
            break;
    }
    return "resolved";
}

std::optional<Duration> retry_delay(int attempts_made, unsigned jitter) {
    static constexpr std::array<Duration, 10> schedule{seconds{0},  seconds{5},  seconds{30}, minutes{2},
                                                       minutes{10}, minutes{30}, hours{2},    hours{6},
                                                       hours{12},   hours{24}};
    if (attempts_made < 0 ||
        attempts_made >= (mutant(Mutant::given_up_early) ? 5 : static_cast<int>(schedule.size()))) {
        return mutant(Mutant::outbox_retried_forever) ? std::optional{Duration{hours{1}}} : std::nullopt;
    }
    const std::int64_t base = schedule[static_cast<std::size_t>(attempts_made)].count();
    const std::int64_t thousandths = 800 + static_cast<std::int64_t>(jitter % 1000) * 400 / 1000;
    return Duration{base * thousandths / 1000};
}

// ---- the life ------------------------------------------------------------------------------------

Duration pending_of(AlertKind kind) {
    return kind == AlertKind::backlog ? minutes{1} : Duration{0};
}

namespace {

/// What has happened does not become truer by repeating it; a warning is repeated by its own ladder.
bool repeats(AlertKind kind) {
    return kind != AlertKind::budget_threshold && kind != AlertKind::stop_warning;
}

/// A warning that nobody hears is a stop without notice, and a failed stop is told whatever it does.
bool may_flap(AlertKind kind) {
    return kind != AlertKind::stop_warning && kind != AlertKind::stop_failed;
}

std::optional<Duration> repeat_after(const Alert& a, const AlertPolicy& policy) {
    if (!repeats(a.kind) || a.severity == Severity::info) {
        return std::nullopt;
    }
    return a.severity == Severity::critical ? policy.repeat_critical : policy.repeat_warning;
}

bool held_back(const Alert& a) {
    return !a.silenced_by.empty() || !a.inhibited_by.empty();
}

std::optional<WallTime> calm_at(const Alert& a, const AlertPolicy& policy) {
    return a.flapping ? std::optional{(a.turns.empty() ? a.changed_at : a.turns.back()) + policy.flap_calm}
                      : std::nullopt;
}

std::optional<WallTime> repeat_at(const Alert& a, const AlertPolicy& policy) {
    const auto after = repeat_after(a, policy);
    return after && a.told_at ? std::optional{*a.told_at + *after} : std::nullopt;
}

std::optional<WallTime> escalation_at(const Alert& a, const AlertPolicy& policy) {
    const auto next = static_cast<std::size_t>(std::max(0, a.escalated));
    return a.severity == Severity::critical && next < policy.escalation.size()
               ? std::optional{a.changed_at + policy.escalation[next].after}
               : std::nullopt;
}

/// May time make it speak again? For what flaps, see `calm_at` first.
bool speaks_by_itself(const Alert& a) {
    return a.state == AlertState::firing && !held_back(a);
}

/// One row of the table.
class Decision {
public:
    Decision(const Alert& current, const AlertPolicy& policy, WallTime now)
        : policy_(policy), now_(now), a_(current) {}

    void operator()(const alert_input::Holds& in) {
        switch (a_.state) {
            case AlertState::resolved:
                return begin(in.severity);
            case AlertState::pending:
                return holds_while_pending(in.severity);
            case AlertState::firing:
            case AlertState::acknowledged:
                break;
        }
        if (in.severity > a_.severity) {
            return rise(in.severity);
        }
        if (in.again) {
            tell(Telling::repeat, "told again", "the next warning of its ladder");
        }
    }

    void operator()(const alert_input::Over&) {
        if (a_.state == AlertState::resolved || (a_.state == AlertState::pending && a_.flapping)) {
            return;
        }
        if (a_.state == AlertState::pending) {
            change(AlertState::resolved);
            return note("resolved", "over before it had held for " + to_string(pending_of(a_.kind)));
        }
        const bool flaps = turn();
        if (!flaps && !a_.flapping) {
            return resolve("over");
        }
        change(AlertState::pending);
        if (flaps) {
            return tell_flapping();
        }
        note("held back", "over for now; it flaps, so nobody is told until it is calm");
    }

    void operator()(const alert_input::TimePassed&) {
        if (const auto calm = calm_at(a_, policy_)) {
            return now_ >= *calm ? calm_down() : void();
        }
        if (a_.state == AlertState::pending) {
            return now_ - a_.since >= pending_of(a_.kind) ? fire() : void();
        }
        if (!speaks_by_itself(a_)) {
            return;
        }
        if (const auto at = escalation_at(a_, policy_); at && now_ >= *at) {
            const EscalationStep& step = policy_.escalation[static_cast<std::size_t>(a_.escalated)];
            ++a_.escalated;
            out_.telling = Telling::escalation;
            return note("escalated", "critical, and nobody acknowledged it for " + to_string(step.after));
        }
        if (const auto at = repeat_at(a_, policy_); at && now_ >= *at) {
            tell(Telling::repeat, "told again",
                 "it still holds, " + to_string(*repeat_after(a_, policy_)) + " after it was told");
        }
    }

    void operator()(const alert_input::Acknowledged& in) {
        if (a_.state != AlertState::firing && a_.state != AlertState::acknowledged) {
            return;
        }
        const bool first = a_.state == AlertState::firing;
        a_.acknowledged_by = in.by;
        a_.note = in.note;
        by_ = in.by;
        if (first) {
            change(AlertState::acknowledged);
            if (!a_.told.empty() && !a_.flapping && !held_back(a_)) {
                out_.telling = Telling::acknowledged;
            }
        }
        note("acknowledged", in.note.empty() ? "no repeats until it gets worse" : in.note);
    }

    void operator()(const alert_input::Silenced& in) {
        if (a_.silenced_by != in.silence && a_.state != AlertState::resolved) {
            a_.silenced_by = in.silence;
            note("silenced", "covered by silence " + in.silence.value);
        }
    }

    void operator()(const alert_input::Unsilenced&) {
        if (!a_.silenced_by.empty()) {
            const std::string silence = std::exchange(a_.silenced_by, {}).value;
            shown_again("unsilenced", "silence " + silence + " ended");
        }
    }

    void operator()(const alert_input::Inhibited& in) {
        if (a_.inhibited_by != in.key && a_.state != AlertState::resolved) {
            a_.inhibited_by = in.key;
            note("inhibited", in.key + " says it all");
        }
    }

    void operator()(const alert_input::Uninhibited&) {
        if (!a_.inhibited_by.empty()) {
            const std::string key = std::exchange(a_.inhibited_by, {});
            shown_again("uninhibited", key + " is over");
        }
    }

    AlertStep done() && {
        out_.next = std::move(a_);
        return std::move(out_);
    }

private:
    void change(AlertState state) {
        a_.state = state;
        a_.changed_at = now_;
    }

    void note(std::string what, std::string reason) {
        a_.reason = reason;
        out_.event = AlertEvent{.alert = a_.id,
                                .at = now_,
                                .state = a_.state,
                                .what = std::move(what),
                                .reason = std::move(reason),
                                .by = by_};
    }

    /// Told, unless something is laid over it.
    void tell(Telling telling, std::string what, std::string reason) {
        if (!a_.silenced_by.empty()) {
            return note("held back", what + ": " + reason + "; silence " + a_.silenced_by.value +
                                         " covers it, so nobody is told");
        }
        if (!a_.inhibited_by.empty()) {
            return note("held back",
                        what + ": " + reason + "; " + a_.inhibited_by + " says it all, so nobody is told");
        }
        a_.told_at = now_;
        out_.telling = telling;
        note(std::move(what), std::move(reason));
    }

    void tell_flapping() {
        tell(Telling::firing, "flapping",
             "it came and went " + std::to_string(a_.turns.size()) + " times within " +
                 to_string(policy_.flap_window) + "; told again once it is calm for " +
                 to_string(policy_.flap_calm));
    }

    /// One more coming or going; true when that makes it flap.
    bool turn() {
        a_.turns.push_back(now_);
        std::erase_if(a_.turns, [&](WallTime at) { return now_ - at > policy_.flap_window; });
        const int enough = mutant(Mutant::flaps_at_once) ? 2 : policy_.flap_turns;
        const auto most = static_cast<std::size_t>(std::max(1, enough));
        if (a_.turns.size() > most) {
            a_.turns.erase(a_.turns.begin(), a_.turns.end() - static_cast<std::ptrdiff_t>(most));
        }
        const bool flaps = !a_.flapping && policy_.flap_turns > 1 && a_.turns.size() == most &&
                           may_flap(a_.kind);
        a_.flapping = a_.flapping || flaps;
        return flaps;
    }

    void begin(Severity severity) {
        a_.severity = severity;
        a_.since = now_;
        a_.told.clear();
        a_.told_at.reset();
        a_.acknowledged_by.clear();
        a_.note.clear();
        a_.escalated = 0;
        a_.flapping = false;
        if (const Duration wait = pending_of(a_.kind); wait > Duration{0}) {
            change(AlertState::pending);
            return note("pending", "told if it still holds in " + to_string(wait));
        }
        fire();
    }

    void holds_while_pending(Severity severity) {
        const bool worse = severity > a_.severity;
        a_.severity = std::max(severity, a_.severity);
        if (!a_.flapping) {
            return now_ - a_.since >= pending_of(a_.kind) ? fire() : void();
        }
        turn();
        change(AlertState::firing);
        if (worse) {
            a_.escalated = 0;
            return tell(Telling::rise, "rose", "worse than before: " + std::string{to_string(severity)});
        }
        note("held back", "holds again; it flaps, so nobody is told until it is calm");
    }

    void fire() {
        const bool flaps = turn();
        change(AlertState::firing);
        return flaps ? tell_flapping() : tell(Telling::firing, "fired", "the condition holds");
    }

    void rise(Severity severity) {
        const std::string ends = a_.state == AlertState::acknowledged
                                     ? ", which ends the acknowledgement of " + a_.acknowledged_by
                                     : std::string{};
        a_.severity = severity;
        a_.escalated = 0;
        a_.acknowledged_by.clear();
        a_.note.clear();
        change(AlertState::firing);
        tell(Telling::rise, "rose", "worse than before: " + std::string{to_string(severity)} + ends);
    }

    void resolve(const std::string& why) {
        change(AlertState::resolved);
        if (a_.told.empty()) {
            return note("resolved", why + "; nobody had been told of it");
        }
        if (!a_.silenced_by.empty()) {
            return note("resolved",
                        why + " while silence " + a_.silenced_by.value + " covered it, so nobody is told");
        }
        if (!a_.inhibited_by.empty()) {
            return note("resolved", why + " while " + a_.inhibited_by + " said it all, so nobody is told");
        }
        out_.telling = Telling::resolved;
        note("resolved", why);
    }

    void calm_down() {
        a_.flapping = false;
        a_.turns.clear();
        if (a_.state == AlertState::pending) {
            return resolve("calm again, and over");
        }
        if (a_.state == AlertState::acknowledged) {
            return note("calm", "calm again; it holds, and is acknowledged");
        }
        a_.changed_at = now_;
        tell(Telling::firing, "calm", "calm again, and it holds");
    }

    void shown_again(std::string what, std::string why) {
        if (a_.state != AlertState::firing || a_.flapping) {
            return note(std::move(what), std::move(why));
        }
        a_.changed_at = now_;  // nobody could acknowledge it before
        tell(a_.told.empty() ? Telling::firing : Telling::repeat, std::move(what),
             std::move(why) + ", and it still holds");
    }

    const AlertPolicy& policy_;
    WallTime now_;
    Alert a_;
    AlertStep out_;
    std::string by_;
};

}  // namespace

AlertStep decide(const Alert& current, const AlertInput& input, const AlertPolicy& policy, WallTime now) {
    Decision decision(current, policy, now);
    std::visit(decision, input);
    return std::move(decision).done();
}

std::optional<WallTime> next_due(const Alert& a, const AlertPolicy& policy) {
    if (a.state == AlertState::resolved) {
        return std::nullopt;
    }
    if (const auto calm = calm_at(a, policy)) {
        return calm;
    }
    if (a.state == AlertState::pending) {
        return a.since + pending_of(a.kind);
    }
    if (!speaks_by_itself(a)) {
        return std::nullopt;
    }
    const auto repeat = repeat_at(a, policy);
    const auto escalation = escalation_at(a, policy);
    return repeat && escalation ? std::min(*repeat, *escalation) : repeat ? repeat : escalation;
}

namespace {

/// "budget/team/2026-11@Europe/Rome/80 % …" without the threshold.
std::string crossing_of(const std::string& key) {
    return key.substr(0, key.rfind('/'));
}

}  // namespace

std::string hides(const Alert& a) {
    if (a.state != AlertState::firing && a.state != AlertState::acknowledged) {
        return {};
    }
    if (a.kind == AlertKind::budget_threshold) {
        return a.severity == Severity::critical ? crossing_of(a.key) : std::string{};
    }
    const bool account_down = a.kind == AlertKind::key_rejected || a.kind == AlertKind::stale ||
                              (a.kind == AlertKind::blind && a.resource.empty());
    return account_down && !a.account.empty() ? "account/" + a.account.value : std::string{};
}

std::string hidden_by(const Alert& a) {
    if (a.kind == AlertKind::budget_threshold) {
        return a.severity < Severity::critical ? crossing_of(a.key) : std::string{};
    }
    return a.kind == AlertKind::blind && !a.resource.empty() ? "account/" + a.account.value : std::string{};
}

const Alert* inhibitor(const Alert& alert, const std::vector<const Alert*>& firing) {
    const std::string hidden = hidden_by(alert);
    if (hidden.empty()) {
        return nullptr;
    }
    const auto found = std::ranges::find_if(firing, [&](const Alert* a) { return hides(*a) == hidden; });
    return found == firing.end() ? nullptr : *found;
}

std::string group_of(const Message& m) {
    const std::string what = !m.rule.empty()     ? "rule " + m.rule.value
                             : !m.budget.empty() ? "budget " + m.budget.value
                                                 : std::string{to_string(m.kind)};
    return what + (m.account.empty() ? std::string{} : ", account " + m.account.value);
}

Duration wait_of(const Message& message, std::optional<Instant> told, const AlertPolicy& policy,
                 Instant now) {
    const bool quiet = !told || *told + policy.group_interval <= now;
    const Duration wait = quiet ? policy.group_wait
                                : (*told > now ? *told : *told + policy.group_interval) - now;
    const bool urgent = message.severity == Severity::critical || message.stops_at;
    return urgent ? std::min(wait, policy.group_wait) : wait;
}

}  // namespace curfew
