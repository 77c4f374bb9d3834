// Any life of an alert, and of its group and its retries, judged by somebody who notes what was told.
#include "curfew/core/alert.hpp"
#include "fuzz/fuzzed_data.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

using namespace curfew;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

AlertPolicy some_policy(FuzzedData& in) {
    AlertPolicy policy;
    policy.flap_turns = static_cast<int>(in.up_to(8));
    policy.flap_window = minutes{1 + in.byte()};
    policy.flap_calm = minutes{1 + in.byte()};
    policy.repeat_critical = minutes{1 + in.byte()};
    policy.repeat_warning = minutes{1 + in.byte() * 4};
    const unsigned steps = in.up_to(3);
    for (unsigned i = 0; i < steps; ++i) {
        policy.escalation.push_back({.after = minutes{5 * (i + 1)}, .channels = {ChannelName{"pager"}}});
    }
    policy.group_wait = seconds{in.byte()};
    policy.group_interval = seconds{in.byte() * 8};
    return policy;
}

AlertInput some_input(FuzzedData& in) {
    switch (in.up_to(9)) {
        case 0:
        case 1:
            return alert_input::Holds{.severity = in.word<Severity>(3), .again = in.up_to(3) == 3};
        case 2:
        case 3:
            return alert_input::Over{};
        case 4:
            return alert_input::Acknowledged{.by = "ana", .note = "n"};
        case 5:
            return alert_input::Silenced{SilenceId{in.flag() ? "sil_1" : "sil_2"}};
        case 6:
            return alert_input::Unsilenced{};
        case 7:
            return alert_input::Inhibited{"account/main"};
        case 8:
            return alert_input::Uninhibited{};
        default:
            return alert_input::TimePassed{};
    }
}

bool covered(const Alert& a) {
    return !a.silenced_by.empty() || !a.inhibited_by.empty();
}

/// What those know who were told, in one life of the alert.
struct Audience {
    bool told = false;
    std::optional<Severity> known;

    void judge(const Alert& before, const AlertInput& input, const AlertStep& step,
               const AlertPolicy& policy);
};

void Audience::judge(const Alert& before, const AlertInput& input, const AlertStep& step,
                     const AlertPolicy& policy) {
    const Alert& after = step.next;
    if (before.state == AlertState::resolved) {
        *this = {};
    }
    must(after.id == before.id && after.key == before.key && after.kind == before.kind);
    must(step.event ||
         (!step.telling && after.state == before.state && after.changed_at == before.changed_at));
    if (step.event) {
        must(!step.event->reason.empty() && step.event->alert == after.id &&
             step.event->state == after.state);
    }
    if (step.telling) {
        must(!covered(after));
        must(told || (step.telling != Telling::resolved && step.telling != Telling::acknowledged));
        must(step.telling != Telling::escalation || after.severity == Severity::critical);
        must(before.state != AlertState::acknowledged || step.telling != Telling::escalation);
        told = true;
        known = after.severity;
    }
    const auto* holds = std::get_if<alert_input::Holds>(&input);
    const bool alive = before.state == AlertState::firing || before.state == AlertState::acknowledged;
    if (holds != nullptr && alive && holds->severity > before.severity) {
        must(after.state == AlertState::firing && (step.telling == Telling::rise || covered(after)));
    }
    if (after.state == AlertState::firing && !covered(after) && !after.flapping) {
        must(told && known == after.severity);  // nothing is held back for ever
    }
    must(after.turns.size() <= static_cast<std::size_t>(std::max(1, policy.flap_turns)));
    must(after.state != AlertState::resolved || !next_due(after, policy));
}

/// What was told, if anything happened at all.
struct Happened {
    bool something = false;
    std::optional<Telling> telling;
};

Happened happen(Alert& alert, Audience& audience, const AlertInput& input, const AlertPolicy& policy,
                WallTime now) {
    AlertStep step = decide(alert, input, policy, now);
    audience.judge(alert, input, step, policy);
    const bool first = step.telling && *step.telling != Telling::resolved &&
                       *step.telling != Telling::acknowledged && step.next.told.empty();
    alert = std::move(step.next);
    if (first) {
        alert.told.push_back({.channel = ChannelName{"mail"}, .to = {}});
    }
    return {step.event.has_value(), step.telling};
}

/// What is over ends, whatever came before.
void end(Alert alert, Audience audience, const AlertPolicy& policy, WallTime now) {
    const bool owed = alert.state != AlertState::resolved && !alert.told.empty() && !covered(alert);
    bool heard = happen(alert, audience, alert_input::Over{}, policy, now).telling == Telling::resolved;
    for (int i = 0; i < 3 && alert.state != AlertState::resolved; ++i) {
        const auto due = next_due(alert, policy);
        must(due.has_value());
        now = std::max(now, *due);
        heard = happen(alert, audience, alert_input::TimePassed{}, policy, now).telling ==
                    Telling::resolved ||
                heard;
    }
    must(alert.state == AlertState::resolved && (!owed || heard));
}

void group(FuzzedData& in, const AlertPolicy& policy) {
    Message m;
    m.severity = in.word<Severity>(3);
    m.stops_at = in.flag() ? std::optional{WallTime{1}} : std::nullopt;
    const Instant now{10'000'000};
    std::optional<Instant> told;
    if (in.flag()) {
        told = now + seconds{in.byte() * 8} - seconds{in.byte() * 8};
    }
    const Duration wait = wait_of(m, told, policy, now);
    must(wait >= Duration{0});
    must((m.severity != Severity::critical && !m.stops_at) || wait <= policy.group_wait);
    const int attempts = static_cast<int>(in.up_to(12));
    const auto retry = retry_delay(attempts, in.byte() * 5);
    must(retry.has_value() == (attempts < 10) && (!retry || (*retry >= Duration{0} && *retry < hours{29})));
}

}  // namespace

CURFEW_FUZZ_TARGET(alert) {
    FuzzedData in(data);
    AlertPolicy policy = some_policy(in);
    Alert alert;
    alert.id = AlertId{"alr"};
    alert.kind = in.word<AlertKind>(static_cast<unsigned>(AlertKind::test) + 1);
    alert.key = std::string{to_string(alert.kind)} + "/n";
    alert.account = AccountName{"main"};
    alert.state = AlertState::resolved;
    must(alert_kind_from(to_string(alert.kind)) == alert.kind);
    Audience audience;
    WallTime now{1'000'000'000'000};
    group(in, policy);
    for (int steps = 0; !in.empty() && steps < 80; ++steps) {
        now = now + seconds{in.byte() * 20};
        const auto due = next_due(alert, policy);
        if (due && *due > now) {
            must(!decide(alert, alert_input::TimePassed{}, policy, now).event);
        } else if (due) {
            must(happen(alert, audience, alert_input::TimePassed{}, policy, now).something);
        }
        happen(alert, audience, some_input(in), policy, now);
        must(inhibitor(alert, {&alert}) == nullptr);
    }
    end(alert, audience, policy, now);
}
