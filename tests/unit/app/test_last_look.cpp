// The last look before a stop, and what comes between it and the call: the whole application on virtual time.
#include "support/life.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

namespace {

/// A notebook that is quiet from its start, and a database that takes its time over the intent of the first stop.
struct Story {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    RunId run = n.resource.run.id;
    Duration takes{0};
    std::function<void()> meanwhile = [] {};
    bool intended = false;

    Story() {
        n.inside.emplace();
        rig.store.on_commit = [this](const Batch& batch) -> Task<void> {
            const bool intent = std::ranges::any_of(batch, [](const Write& row) {
                const auto* act = std::get_if<IntentRow>(&row);
                return act != nullptr && act->act.starts_with("stop:");
            });
            if (intent && !std::exchange(intended, true)) {
                meanwhile();
                co_await rig.scheduler.sleep_for(takes);
            }
        };
    }
    /// Up to that commit, and no further.
    void until_intended() {
        rig.begin();
        rig.scheduler.run_for(minutes{59});
        for (int i = 0; i < 900 && !intended; ++i) {
            rig.scheduler.run_for(seconds{1});
        }
        REQUIRE(intended);
    }
    std::string outcomes() const {
        std::string text;
        for (const auto& [id, outcome] : rig.store.outcomes) {
            text += outcome.outcome + "\n";
        }
        return text;
    }
};

}  // namespace

TEST_CASE("a stop is not sent on a last look that has grown old while its intent was written") {
    Story s;
    s.takes = minutes{5};  // or the machine slept
    bool works = false;
    SECTION("nothing has changed: it is looked at once more, and stopped") {}
    SECTION("the user is back at work") {
        works = true;
    }
    s.until_intended();
    s.n.kernel = works ? "busy" : "idle";
    const int looks = s.n.looks;
    s.rig.scheduler.run_for(minutes{5});
    CHECK(s.rig.world.stop_calls.empty());
    CHECK(s.outcomes().find("not sent: the last look is older than 30s") != std::string::npos);
    s.rig.scheduler.run_for(minutes{1});
    CHECK(s.n.looks > looks);
    CHECK(s.rig.world.stop_calls.size() == (works ? 0 : 1));
    CHECK(s.rig.told(AlertKind::stop_cancelled) == (works ? 1 : 0));
    s.rig.scheduler.run_for(hours{2});
    CHECK(s.rig.world.stop_calls.size() == (works ? 0 : 1));
    s.rig.check_intents();
}

TEST_CASE(
    "what does not look at activity is not sent on an old look either: files and the run may have changed") {
    Story s;
    s.rig.config->rules.front().max_age = hours{1};
    s.rig.config->rules.front().idle_limit = hours{24};
    s.n.kernel = "busy";
    s.takes = minutes{5};
    s.until_intended();
    s.n.files["later.txt"] = {"more", 2'000'000};
    s.rig.scheduler.run_for(minutes{20});
    CHECK(s.rig.world.stop_calls == std::vector{s.run});
    REQUIRE(s.rig.enforcement_of(s.run) != nullptr);
    const auto receipt = s.rig.store.receipt_rows.find(s.rig.enforcement_of(s.run)->receipt->value);
    REQUIRE(receipt != s.rig.store.receipt_rows.end());
    CHECK(receipt->second.files == 2);
    s.rig.check_intents();
}

TEST_CASE("work that a poll saw after the last look is heard before the stop is sent") {
    Story s;
    s.takes = seconds{10};
    s.meanwhile = [&] {
        s.n.kernel = "busy";
        s.rig.life->daemon.poll_now();
    };
    s.until_intended();
    s.rig.scheduler.run_for(seconds{30});
    CHECK(s.rig.world.stop_calls.empty());
    s.rig.scheduler.run_for(minutes{3});
    CHECK(s.rig.told(AlertKind::stop_cancelled) == 1);
    s.rig.check_intents();
}

TEST_CASE("no stop is sent while a poll waits for the answer of its guest") {
    Story s;
    s.takes = seconds{10};
    s.meanwhile = [&] {
        s.n.guest_hangs = true;
        s.rig.life->daemon.poll_now();
    };
    s.until_intended();
    s.rig.scheduler.run_for(seconds{15});
    CHECK(s.rig.world.stop_calls.empty());
    s.n.guest_hangs = false;
    s.rig.scheduler.run_for(hours{2});
    CHECK(s.rig.world.stop_calls == std::vector{s.run});
    s.rig.check_intents();
}

TEST_CASE("a poll does not ask a guest that is just being asked before a pack or a stop") {
    Story s;
    s.n.inside->takes = seconds{20};
    s.rig.begin();
    s.rig.scheduler.run_for(minutes{59});
    for (int i = 0; i < 900; ++i) {
        s.rig.scheduler.run_for(seconds{1});
        const Enforcement* e = s.rig.enforcement_of(s.run);
        if (e != nullptr && e->state == EnforcementState::packed) {
            break;
        }
    }
    REQUIRE(s.rig.enforcement_of(s.run)->state == EnforcementState::packed);
    const int looks = s.n.looks;
    const int probes = s.n.inside->probes;
    s.rig.life->daemon.poll_now();
    s.rig.scheduler.run_for(seconds{5});
    CHECK(s.n.looks == looks);
    CHECK(s.n.inside->probes == probes);
    s.rig.scheduler.run_for(seconds{20});
    CHECK(s.rig.world.stop_calls == std::vector{s.run});
}

TEST_CASE("an age that was taken from a wrong clock until the first list stops nothing before its time") {
    const bool exhausted = GENERATE(false, true);  // a budget, meanwhile: that one stops it, as its own stop
    CAPTURE(exhausted);
    Rig rig;
    Budget team;
    team.name = BudgetName{"team"};
    team.amount = Money{nanos_per_unit * 15};
    team.period.kind = PeriodKind::total;
    team.mode = Mode::enforce;
    team.thresholds = {{100, ThresholdAction::stop}};
    if (exhausted) {
        rig.config->budgets = {team};
    }
    rig.config->rules.front().idle_limit = hours{72};
    rig.config->rules.front().max_age = hours{24};
    rig.world.provider_ahead = -hours{12};  // our clock is half a day ahead
    FakeNotebook& n = rig.world.add("demo");
    n.resource.run.started_at = rig.scheduler.wall() - hours{12};
    const RunId run = n.resource.run.id;
    rig.begin();
    rig.scheduler.run_for(hours{13});
    REQUIRE(rig.told(AlertKind::stop_warning) == 0);
    rig.world.list_fails = Error{Errc::unavailable, Retry::later(), "down", "list"};
    rig.restart(seconds{30});
    rig.scheduler.run_for(hours{10} + minutes{40});
    rig.world.list_fails.reset();
    rig.scheduler.run_for(minutes{10});
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(minutes{25});
    CHECK(rig.world.stop_calls == std::vector{run});
    for (const auto& [id, e] : rig.store.enforcements) {
        if (e.stop_attempts > 0) {
            CHECK(e.cause.kind == (exhausted ? CauseKind::budget : CauseKind::age));
        }
    }
    rig.check_intents();
}
