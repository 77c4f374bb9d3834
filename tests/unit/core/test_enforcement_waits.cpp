// What the enforcement machine waits for, how it begins, and when it does without.
#include "enforcement_bench.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace curfew;
using namespace enforcement_bench;

TEST_CASE("a wake-up asks again for what is waited for") {
    const auto woken = [](State state) {
        Enforcement e = in_state(state);
        e.next_at = t0;
        return step(e, event::Woken{}, t0, policy);
    };
    CHECK(woken(State::due).effects == std::vector{Effect::look_fresh});
    CHECK(woken(State::packed).effects == std::vector{Effect::fence});
    for (const State state : {State::confirming, State::stop_failed, State::stopped}) {
        CHECK(woken(state).effects == std::vector{Effect::look_up});
    }
    CHECK(woken(State::due).next.next_at == t0 + policy.confirm_every);
    const Transition warned = woken(State::warned);  // the polls decide
    CHECK(warned.effects.empty());
    CHECK(warned.next.state == State::warned);
    CHECK(warned.next.next_at == t0 + policy.look_again);
}

TEST_CASE("the first step of a ladder is taken when there is one, or when the time is up without one") {
    const auto at = [](int step_of_ladder, bool up) {
        const auto asked = assessed([&](Assessment& a) {
            a.warn_step = step_of_ladder;
            a.time_is_up = up;
        });
        return step(in_state(State::watching), asked, t0, policy).next;
    };
    CHECK(at(0, false).state == State::watching);
    CHECK(at(0, true).state == State::warned);  // never without a warning
    CHECK(at(0, true).warned_step == 1);
    CHECK(at(2, false).warned_step == 2);
    // What needs no notice is told all the same while its time is not up.
    const auto early = assessed([](Assessment& a) {
        a.needs_notice = false;
        a.time_is_up = false;
    });
    CHECK(step(in_state(State::watching), early, t0, policy).next.state == State::warned);
    const auto now = assessed([](Assessment& a) { a.needs_notice = false; });
    CHECK(step(in_state(State::watching), now, t0, policy).next.state == State::due);
    Enforcement untold = in_state(State::warned);
    untold.notice_at.reset();
    untold.warned_at = t0;
    CHECK(step(untold, now, t0, policy).next.state == State::due);
    CHECK_FALSE(step(untold, event::Assessed{quiet_and_up()}, t0 + minutes{9}, policy).changed);
    // Nothing to wait for, and nothing it may do: said as of now.
    const auto not_allowed = assessed([](Assessment& a) {
        a.needs_notice = false;
        a.mode = Mode::warn;
    });
    const Transition would = step(in_state(State::watching), not_allowed, t0, policy);
    CHECK(would.next.state == State::warned);
    CHECK(would.next.warned_at == t0);
    CHECK(would.effects == std::vector{Effect::record_would_stop});
}

TEST_CASE("while nothing has begun the strongest cause takes over, and one that is called off says why") {
    const auto budget = assessed([](Assessment& a) {
        a.cause = Cause{CauseKind::budget, "team"};
        a.time_is_up = false;
    });
    const Transition taken = step(in_state(State::warned), budget, t0, policy);
    CHECK(taken.next.state == State::warned);
    CHECK(taken.next.cause == Cause{CauseKind::budget, "team"});
    CHECK(taken.changed);
    const auto over = assessed([](Assessment& a) {
        a.cause.reset();
        a.why.clear();
    });
    CHECK(step(in_state(State::warned), over, t0, policy).next.reason == "nothing asks for a stop any more");
    // The other cause of the rule without a ladder: its time is up, and it has to warn first.
    const auto age = assessed([](Assessment& a) {
        a.cause->kind = CauseKind::age;
        a.warn_step = 0;
    });
    CHECK(step(in_state(State::warned), age, t0, policy).effects == std::vector{Effect::warn});
    // Nobody was warned, so nobody hears of the end.
    Enforcement silent = in_state(State::due, CauseKind::manual);
    silent.warned_at.reset();
    CHECK(step(silent, event::Cancelled{"not now"}, t0, policy).effects.empty());
}

TEST_CASE("who gave up the pack is not asked for one again") {
    Enforcement due = in_state(State::due);
    due.override_ = Override{"ana", "no need"};
    const Transition t = step(due, event::Looked{good_look()}, t0, policy);
    CHECK(t.next.state == State::packed);
    CHECK(t.effects == std::vector{Effect::fence});
    const auto changed = looked([](FreshLook& l) { l.files_unchanged = false; });
    CHECK(has(step(t.next, changed, t0, policy), Effect::call_stop));
}

TEST_CASE("a rule that may stop without a pack tries as often as any other first, with pauses that end") {
    EnforcementPolicy lenient = policy;
    lenient.override_when_pack_failed = true;
    for (int made = 1; made < lenient.pack_attempts_max; ++made) {
        Enforcement e = in_state(State::packing);
        e.pack_attempts = made;
        const Transition t = step(e, event::PackFailed{lost}, t0, lenient);
        CHECK(t.next.state == State::pack_failed);
        CHECK_FALSE(t.next.override_);
    }
    EnforcementPolicy patient = policy;
    patient.pack_attempts_max = 1000;
    Enforcement e = in_state(State::packing);
    e.pack_attempts = 999;
    CHECK(step(e, event::PackFailed{disk_full}, t0, patient).next.next_at == t0 + policy.pack_retry_max);
}

TEST_CASE("a failed stop of a run that ended by itself is over only where that is known") {
    const auto ended = [](bool newest, bool gone) {
        const auto seen = assessed([&](Assessment& a) {
            a.newest = newest;
            a.gone = gone;
        });
        return step(in_state(State::stop_failed), seen, t0, policy).next;
    };
    CHECK(ended(false, true).outcome == "restarted");
    CHECK(ended(false, false).state == State::stop_failed);  // a newer run, and this one may still bill
    CHECK(ended(true, true).state == State::stop_failed);    // its end is confirmed by looks of its own
}
