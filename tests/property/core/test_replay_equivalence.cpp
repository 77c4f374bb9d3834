// A replay of the recorded rows decides what the live path decided, look by look.
#include "curfew/core/replay.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <tuple>
#include <vector>

using namespace curfew;

namespace {

constexpr Duration poll = seconds{60};
constexpr Duration widest_gap = poll * 3;
constexpr std::array sources{Signal::kernels, Signal::metrics, Signal::server, Signal::terminals,
                             Signal::processes};

int pick(std::mt19937_64& g, int bound) {
    return static_cast<int>(g() % static_cast<std::uint64_t>(bound));
}

struct Look {
    WallTime at;
    Verdict verdict = Verdict::unknown;
    QuietClock clock;
    Judgement judgement;
};

/// The live path: what the watcher and the looker do with each look, and what is stored of it.
struct Live {
    std::vector<Observation> observations;
    QuietClock clock;
    HistoryRecorder recorder;
    std::map<std::tuple<std::optional<Signal>, WallTime>, HistoryRow> stored;
    std::vector<Look> looks;
    std::int64_t writes = 0;

    void look(const std::vector<Observation>& seen, Now now) {
        take_in(observations, seen, now.mono);
        judged(combine(observations, now.mono), now);
        recorder.looked(RunId{"n"}, observations, now, widest_gap);
        store(recorder.take(now.mono));
    }
    void unseen(Now now) {
        judged(unseen_judgement("the account cannot be seen"), now);
        recorder.unseen(RunId{"n"}, "the account cannot be seen", now, widest_gap);
        store(recorder.take(now.mono));
    }
    void judged(Judgement judgement, Now now) {
        clock = tick(clock, judgement.verdict, now.mono, widest_gap);
        looks.push_back({now.wall, judgement.verdict, clock, std::move(judgement)});
    }
    void store(std::vector<HistoryRow> rows) {
        for (HistoryRow& row : rows) {
            ++writes;
            stored[{row.source, row.from}] = row;
        }
    }
    RecordedRun recorded() {
        store(recorder.finish());
        RecordedRun run;
        run.run = RunId{"n"};
        run.resource = ResourceId{"r"};
        run.first_seen = looks.front().at;
        run.poll_interval = poll;
        for (const auto& [key, row] : stored) {
            run.rows.push_back(row);
        }
        return run;
    }
};

/// Sources that go on saying the same for a while, and are left out for a while.
struct World {
    std::mt19937_64& g;
    std::array<Verdict, sources.size()> says{};
    std::array<int, sources.size()> silent{};

    std::vector<Observation> see(Now now, bool all) {
        std::vector<Observation> seen;
        for (std::size_t i = 0; i < sources.size(); ++i) {
            if (pick(g, 25) == 0) {
                says[i] = pick(g, 3) != 0 ? Verdict::quiet : static_cast<Verdict>(pick(g, 3));
            }
            if (silent[i] == 0 && pick(g, 60) == 0) {
                silent[i] = pick(g, 12);
            }
            // Terminals are asked whenever kernels are not at work; else the look ends with those.
            if (sources[i] == Signal::terminals) {
                if (!seen.empty() && seen.front().source == Signal::kernels &&
                    seen.front().verdict == Verdict::active) {
                    continue;
                }
            } else if (!all && silent[i] > 0) {
                --silent[i];
                continue;
            }
            seen.push_back({.source = sources[i],
                            .run = RunId{"n"},
                            .at = now.mono,
                            .wall = now.wall,
                            .verdict = says[i],
                            .last_active_at = std::nullopt,
                            .strength = sources[i] == Signal::server ? Strength::weak : Strength::strong,
                            .evidence = {},
                            .ttl = observation_ttl(poll)});
        }
        return seen;
    }
};

Live live_life(std::mt19937_64& g, int looks, bool keeps_time) {
    Live live;
    World world{g, {}, {}};
    world.says.fill(Verdict::quiet);
    Now now{Instant{1'000'000}, WallTime{1'795'399'800'000 + pick(g, 1000)}};
    for (int i = 0; i < looks; ++i) {
        if (pick(g, 40) == 0) {
            live.unseen(now);
        } else {
            live.look(world.see(now, !keeps_time), now);
        }
        Duration pause = poll;
        if (!keeps_time) {
            pause = poll * (95 + pick(g, 11)) / 100 + Duration{pick(g, 500)};
        }
        if (pick(g, 100) == 0) {
            pause = poll * (4 + pick(g, 30));  // the daemon was off
        }
        now = {now.mono + pause, now.wall + pause};
    }
    return live;
}

Rule any_rule(std::mt19937_64& g) {
    Rule rule;
    rule.name = RuleName{"candidate"};
    rule.mode = Mode::enforce;
    rule.idle_limit = minutes{3 + pick(g, 60)};
    rule.ladder.clear();
    for (int i = pick(g, 4); i > 0; --i) {
        rule.ladder.emplace_back(minutes{1 + pick(g, 40)});
    }
    rule.min_notice = minutes{pick(g, 12)};
    rule.start_grace = minutes{pick(g, 40)};
    rule.accept_partial = pick(g, 2) == 0;
    rule.probe.enabled = pick(g, 2) == 0;
    return rule;
}

/// Every look, one by one, with nothing left out.
std::optional<WallTime> due_live(const Live& live, const Rule& rule, const std::vector<Hold>& holds) {
    Enforcement e;
    for (const Look& look : live.looks) {
        AssessInput in;
        in.state = RunState::running;
        in.judgement = look.judgement;
        in.quiet = look.clock.quiet;
        in.seen_for = look.at - live.looks.front().at;
        in.rule = &rule;
        in.mode = Mode::enforce;
        in.probing = rule.probe.enabled;  // a replay takes it that its probes would have been run
        in.probed_enough = true;
        in.hold = strongest_hold(holds, ResourceId{"r"}, RunId{"n"}, look.at);
        const Instant at = replay_instant(look.at);
        const Transition t = step(e, event::Assessed{assess(in).assessment}, at, {});
        e = t.next;
        if (std::ranges::find(t.effects, Effect::warn) != t.effects.end()) {
            e = step(e, event::WarningDelivered{e.warned_step}, at, {}).next;
        }
        if (e.state == EnforcementState::over) {
            e = Enforcement{};
        }
        if (e.state == EnforcementState::due) {
            return look.at;
        }
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("a replay sees every look as the live path saw it") {
    std::mt19937_64 g{static_cast<std::uint64_t>(Catch::rngSeed())};
    int stops = 0;
    for (int round = 0; round < 150; ++round) {
        Live live = live_life(g, 400, true);
        RecordedRun run = live.recorded();
        Replay replay(run);
        for (const Look& look : live.looks) {
            REQUIRE(replay.next());
            REQUIRE(replay.at() == look.at);
            REQUIRE(replay.judgement().verdict == look.verdict);
            REQUIRE(replay.judgement().coverage == look.judgement.coverage);
            REQUIRE(replay.judgement().weak_activity == look.judgement.weak_activity);
            REQUIRE(replay.clock() ==
                    QuietClock{look.clock.quiet, look.clock.last_quiet_at
                                                     ? std::optional{replay_instant(look.at)}
                                                     : std::nullopt});
        }
        CHECK_FALSE(replay.next());
        for (int i = 0; i < 5; ++i) {
            const Rule rule = any_rule(g);
            run.holds.clear();
            if (pick(g, 2) == 0) {
                const WallTime from = live.looks.front().at + minutes{pick(g, 300)};
                run.holds = {{.id = HoldId{"h"},
                              .kind = HoldKind::keep,
                              .resource = run.resource,
                              .run = run.run,
                              .from = from,
                              .until = from + minutes{1 + pick(g, 300)},
                              .reason = {},
                              .by = "ana",
                              .released_at = std::nullopt}};
            }
            const auto due = due_live(live, rule, run.holds);
            const RuleTest test = test_rule(run, rule, {0}, live.looks.back().at, std::nullopt);
            REQUIRE(test.stop.has_value() == due.has_value());
            if (due) {
                REQUIRE(test.stop->at == *due);
                ++stops;
            }
        }
    }
    CHECK(stops > 50);  // otherwise nothing was shown
}

TEST_CASE("where polls do not keep time the quiet clock is exact at every change") {
    std::mt19937_64 g{static_cast<std::uint64_t>(Catch::rngSeed())};
    for (int round = 0; round < 150; ++round) {
        Live live = live_life(g, 400, false);
        const RecordedRun run = live.recorded();
        std::map<WallTime, const Look*> looks;
        for (const Look& look : live.looks) {
            looks[look.at] = &look;
        }
        std::vector<WallTime> changes;
        for (const HistoryRow& row : run.rows) {
            changes.push_back(row.from);
            changes.push_back(row.to);
        }
        Replay replay(run);
        std::size_t met = 0;
        while (replay.next()) {
            if (std::ranges::find(changes, replay.at()) != changes.end()) {
                REQUIRE(looks.contains(replay.at()));
                const Look& look = *looks.at(replay.at());
                REQUIRE(replay.judgement().verdict == look.verdict);
                REQUIRE(replay.clock().quiet == look.clock.quiet);
                ++met;
            }
        }
        CHECK(met > 10);
    }
}

TEST_CASE("rows are few") {
    std::mt19937_64 g{static_cast<std::uint64_t>(Catch::rngSeed())};
    Live live = live_life(g, 2000, true);
    const std::size_t rows = live.recorded().rows.size();
    CHECK(rows < live.looks.size());
    CHECK(live.writes < static_cast<std::int64_t>(live.looks.size() * sources.size()));
}
