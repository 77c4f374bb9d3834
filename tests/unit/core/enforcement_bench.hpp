// What the tables of the enforcement machine begin with: each state as it is reached, and answers to change.
#pragma once

#include "curfew/core/enforcement.hpp"

#include <algorithm>

namespace enforcement_bench {

using namespace curfew;
using State = EnforcementState;

inline const EnforcementPolicy policy{};
constexpr Instant t0{1'000'000'000};

inline Enforcement in_state(State state, CauseKind cause = CauseKind::idle) {
    Enforcement e;
    e.id = EnforcementId{"enf_1"};
    e.account = AccountName{"me"};
    e.resource = ResourceId{"r1"};
    e.run = RunId{"n1"};
    e.cause = {cause, "night"};
    e.state = state;
    if (state != State::watching) {
        e.warned_step = 3;
        e.warned_at = t0 - hours{1};
        e.notice_at = t0 - hours{1};
    }
    switch (state) {
        case State::packing:
        case State::pack_failed:
            e.pack_attempts = 1;
            break;
        case State::packed:
            e.pack_attempts = 1;
            e.receipt = ReceiptId{"rcp_1"};
            break;
        case State::stopping:
        case State::confirming:
        case State::stopped:
        case State::stop_failed:
            e.pack_attempts = 1;
            e.receipt = ReceiptId{"rcp_1"};
            e.stop_attempts = 1;
            e.stop_called_at = t0 - minutes{30};
            break;
        case State::watching:
        case State::warned:
        case State::due:
        case State::held:
        case State::over:
            break;
    }
    if (state == State::pack_failed || state == State::stop_failed || state == State::stopped ||
        state == State::confirming) {
        e.next_at = t0;
    }
    return e;
}

inline Assessment quiet_and_up() {
    Assessment a;
    a.cause = Cause{CauseKind::idle, "night"};
    a.warn_step = 3;
    a.time_is_up = true;
    a.verdict = Verdict::quiet;
    a.mode = Mode::enforce;
    a.why = "quiet 60m of 60m";
    return a;
}

template <class F>
event::Assessed assessed(F change) {
    Assessment a = quiet_and_up();
    change(a);
    return {a};
}

inline FreshLook good_look() {
    FreshLook look;
    look.verdict = Verdict::quiet;
    look.same_run_on = true;
    look.mode = Mode::enforce;
    look.why = "all quiet";
    return look;
}

template <class F>
event::Looked looked(F change) {
    FreshLook look = good_look();
    change(look);
    return {look};
}

inline const Error disk_full{Errc::disk_full, Retry::later(), "no space", "vault"};
inline const Error lost{Errc::conflict, Retry::never(), "listed files could not be read", "n1"};
inline const Error moving{Errc::changing, Retry::later(), "a.csv", "n1"};

inline bool has(const Transition& t, Effect effect) {
    return std::ranges::find(t.effects, effect) != t.effects.end();
}

}  // namespace enforcement_bench
