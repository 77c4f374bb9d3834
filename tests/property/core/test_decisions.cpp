// Random sequences of looks, checked against what the design promises of every sequence.
#include "curfew/core/activity.hpp"
#include "curfew/core/assess.hpp"
#include "curfew/core/enforcement.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

using namespace curfew;

namespace {

/// The seed is printed by Catch2 and repeatable with --rng-seed.
std::mt19937_64 generator() {
    return std::mt19937_64{static_cast<std::uint64_t>(Catch::rngSeed())};
}

int pick(std::mt19937_64& g, int bound) {
    return static_cast<int>(g() % static_cast<std::uint64_t>(bound));
}

}  // namespace

TEST_CASE("no sequence with an active look inside the window can be due") {
    auto g = generator();
    for (int round = 0; round < 2000; ++round) {
        const Duration gap = minutes{1 + pick(g, 5)};
        const Duration limit = minutes{5 + pick(g, 60)};
        QuietClock clock;
        Instant at{1};
        Instant last_active = at;
        Duration observed_quiet{0};
        for (int i = 0; i < 200; ++i) {
            at = at + seconds{1 + pick(g, 400)};
            const auto verdict = static_cast<Verdict>(pick(g, 20) == 0 ? 0 : 1 + pick(g, 8) / 7);
            const Duration before = clock.quiet;
            clock = tick(clock, verdict, at, gap);
            if (verdict == Verdict::active) {
                last_active = at;
                observed_quiet = Duration{0};
            }
            if (verdict == Verdict::unknown) {
                REQUIRE(clock.quiet == before);  // unknown never shortens the time to a stop
            }
            observed_quiet += clock.quiet > before ? clock.quiet - before : Duration{0};
            REQUIRE(clock.quiet <= at - last_active);
            REQUIRE(clock.quiet == observed_quiet);
            if (clock.quiet >= limit) {
                REQUIRE(at - last_active >= limit);
            }
        }
    }
}

TEST_CASE("seeing less never brings a stop nearer: looks that turn unknown only put it off") {
    auto g = generator();
    for (int round = 0; round < 1000; ++round) {
        Rule rule;
        rule.name = RuleName{"r"};
        rule.mode = Mode::enforce;
        rule.idle_limit = minutes{5 + pick(g, 90)};
        rule.start_grace = minutes{pick(g, 20)};
        const int blind_in = 2 + pick(g, 30);
        std::vector<std::pair<Duration, Verdict>> looks;
        for (int i = 0; i < 300; ++i) {
            looks.emplace_back(seconds{30 + pick(g, 100)}, static_cast<Verdict>(pick(g, 60) == 0 ? 0 : 1));
        }
        const auto due = [&](bool blind) {
            std::mt19937_64 same{static_cast<std::uint64_t>(round)};
            QuietClock clock;
            Instant at{1};
            for (const auto& [pause, seen] : looks) {
                at = at + pause;
                const bool hidden = pick(same, blind_in) == 0 && blind && seen == Verdict::quiet;
                AssessInput in;
                in.state = RunState::running;
                in.rule = &rule;
                in.mode = Mode::enforce;
                in.judgement = {.verdict = hidden ? Verdict::unknown : seen, .coverage = Coverage::full};
                clock = tick(clock, in.judgement.verdict, at, minutes{3});
                in.quiet = clock.quiet;
                in.seen_for = at - Instant{1};
                if (assess(in).assessment.time_is_up) {
                    REQUIRE_FALSE(hidden);
                    return at;
                }
            }
            return instant_never;
        };
        REQUIRE(due(true) >= due(false));
    }
}

TEST_CASE("permuting the sources changes nothing") {
    auto g = generator();
    for (int round = 0; round < 2000; ++round) {
        std::vector<Observation> seen;
        for (int i = 0, n = pick(g, 12); i < n; ++i) {
            seen.push_back({.source = static_cast<Signal>(pick(g, 9)),
                            .run = RunId{"n"},
                            .at = Instant{1000 + pick(g, 3)},
                            .wall = {0},
                            .verdict = static_cast<Verdict>(pick(g, 3)),
                            .last_active_at = std::nullopt,
                            .strength = static_cast<Strength>(pick(g, 2)),
                            .evidence = std::string(1, static_cast<char>('a' + pick(g, 3))),
                            .ttl = Duration{pick(g, 1500)}});
        }
        const Judgement first = combine(seen, Instant{1500});
        for (int shuffles = 0; shuffles < 5; ++shuffles) {
            std::shuffle(seen.begin(), seen.end(), g);
            const Judgement again = combine(seen, Instant{1500});
            REQUIRE(again.verdict == first.verdict);
            REQUIRE(again.coverage == first.coverage);
            REQUIRE(again.weak_activity == first.weak_activity);
        }
    }
}

namespace {

EnforcementEvent any_event(std::mt19937_64& g) {
    Assessment a;
    if (pick(g, 4) != 0) {
        a.cause = Cause{static_cast<CauseKind>(pick(g, 5)), "x"};
    }
    a.warn_step = pick(g, 4);
    a.time_is_up = pick(g, 2) == 0;
    a.verdict = static_cast<Verdict>(pick(g, 3));
    a.gone = pick(g, 10) == 0;
    a.on = !a.gone;
    a.newest = pick(g, 10) != 0;
    a.mode = pick(g, 3) == 0 ? static_cast<Mode>(pick(g, 3)) : Mode::enforce;
    a.needs_notice = pick(g, 3) != 0;
    a.breaker_open = pick(g, 10) == 0;
    if (pick(g, 8) == 0) {
        a.held_by = "keep";
    }
    FreshLook look{.verdict = static_cast<Verdict>(pick(g, 3)),
                   .same_run_on = pick(g, 4) != 0,
                   .newest = pick(g, 10) != 0,
                   .gone = pick(g, 10) == 0,
                   .files_unchanged = pick(g, 4) != 0,
                   .held_by = std::nullopt,
                   .mode = a.mode,
                   .breaker_open = a.breaker_open,
                   .why = "w"};
    look.asked = pick(g, 10) != 0;
    if (pick(g, 8) == 0) {
        look.held_by = "keep";
    }
    switch (pick(g, 11)) {
        case 0:
            return event::WarningDelivered{1};
        case 1:
            return event::PackDone{ReceiptId{"rcp"}};
        case 2:
            return event::PackFailed{{Errc::timeout, Retry::later(), "slow", ""}};
        case 3:
            return event::PackFailed{{Errc::conflict, Retry::never(), "lost", ""}};
        case 4:
            return event::StopAnswered{static_cast<event::Answer>(pick(g, 6)), ""};
        case 5:
            return event::Seen{static_cast<event::Sighting>(pick(g, 3))};
        case 6:
            return event::Woken{};
        case 7:
            if (pick(g, 6) == 0) {
                return event::AskedByHand{
                    .by = "ana",
                    .without_pack = pick(g, 2) == 0 ? std::optional{Override{"ana", "x"}} : std::nullopt};
            }
            return event::Woken{};
        case 8:
            return event::Looked{look};
        case 9:
            return event::Looked{look};
        default:
            return event::Assessed{a};
    }
}

/// What brings an enforcement on, so that the walk reaches its end and not only its beginning.
EnforcementEvent helpful_event(EnforcementState state, CauseKind kind) {
    Assessment a;
    a.cause = Cause{kind, "x"};
    a.warn_step = 3;
    a.time_is_up = true;
    a.verdict = Verdict::quiet;
    a.mode = Mode::enforce;
    const FreshLook look{.verdict = Verdict::quiet, .same_run_on = true, .mode = Mode::enforce, .why = "w"};
    switch (state) {
        case EnforcementState::watching:
        case EnforcementState::warned:
            return event::Assessed{a};
        case EnforcementState::due:
        case EnforcementState::packed:
            return event::Looked{look};
        case EnforcementState::packing:
            return event::PackDone{ReceiptId{"rcp"}};
        case EnforcementState::stopping:
            return event::StopAnswered{event::Answer::refused, "no"};
        case EnforcementState::confirming:
        case EnforcementState::stop_failed:
        case EnforcementState::stopped:
            return event::Seen{event::Sighting::on};
        case EnforcementState::pack_failed:
        case EnforcementState::held:
        case EnforcementState::over:
            break;
    }
    return event::Woken{};
}

}  // namespace

TEST_CASE("no sequence of events breaks I1 to I4, crashes and recoveries included") {
    auto g = generator();
    EnforcementPolicy policy;
    int calls = 0;
    std::map<CauseKind, int> calls_by;
    for (int round = 0; round < 3000; ++round) {
        Enforcement e;
        e.id = EnforcementId{"enf"};
        e.run = RunId{"n1"};
        Instant now{1'000'000};
        std::optional<Instant> last_call;
        std::optional<Instant> call_before;
        const auto kind = static_cast<CauseKind>(pick(g, 3));
        policy.respect_activity = pick(g, 2) == 0;
        policy.override_when_pack_failed = pick(g, 4) == 0;
        for (int i = 0; i < 300 && e.state != EnforcementState::over; ++i) {
            now = now + seconds{pick(g, 200)};
            Transition t;
            EnforcementEvent event = pick(g, 3) == 0 ? any_event(g) : helpful_event(e.state, kind);
            if (pick(g, 30) == 0) {
                t = recover(e, now, pick(g, 2) == 0, policy);
                REQUIRE(std::ranges::find(t.effects, Effect::call_stop) == t.effects.end());
            } else {
                t = step(e, event, now, policy);
            }
            if (std::ranges::find(t.effects, Effect::call_stop) != t.effects.end()) {
                ++calls;
                const auto* looked = std::get_if<event::Looked>(&event);
                REQUIRE(looked != nullptr);
                REQUIRE(e.state == EnforcementState::packed);
                REQUIRE((t.next.receipt || t.next.override_));  // I1
                const bool by_activity = t.next.cause.kind == CauseKind::idle ||
                                         (t.next.cause.kind == CauseKind::schedule &&
                                          policy.respect_activity);
                if (by_activity) {
                    REQUIRE(looked->look.verdict == Verdict::quiet);  // I2
                }
                if (t.next.cause.kind != CauseKind::manual) {
                    REQUIRE(looked->look.mode == Mode::enforce);  // I3
                    REQUIRE_FALSE(looked->look.breaker_open);     // I3
                }
                ++calls_by[t.next.cause.kind];
                REQUIRE(looked->look.asked);
                REQUIRE_FALSE(looked->look.held_by);  // I3
                REQUIRE(looked->look.newest);         // I4
                REQUIRE(looked->look.same_run_on);    // I4
                if (last_call) {
                    REQUIRE(now - *last_call >= seconds{60});  // no two stop calls within a minute
                }
                call_before = std::exchange(last_call, now);
            }
            const auto* answered = std::get_if<event::StopAnswered>(&event);
            if (answered != nullptr && answered->answer == event::Answer::not_sent &&
                e.state == EnforcementState::stopping && t.next.state == EnforcementState::packed) {
                last_call = call_before;  // it never left
            }
            e = t.next;
        }
    }
    REQUIRE(calls > 100);  // the walk really reaches the end
    for (const CauseKind kind : {CauseKind::idle, CauseKind::schedule, CauseKind::age}) {
        INFO(to_string(kind));
        REQUIRE(calls_by[kind] > 20);
    }
}
