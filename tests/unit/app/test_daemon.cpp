// The whole application on virtual time, with a world in memory.
#include "support/life.hpp"
#include "support/zones.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

TEST_CASE("a quiet notebook is warned three times, packed, stopped once, looked at again, and over") {
    Rig rig;
    const RunId run = rig.world.add("demo").resource.run.id;
    rig.begin();
    rig.scheduler.run_for(minutes{29});
    CHECK(rig.told().empty());
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.told(AlertKind::stop_warning) == 3);
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.world.stop_calls == std::vector{run});
    REQUIRE(rig.enforcement_of(run) != nullptr);
    CHECK(rig.enforcement_of(run)->state == EnforcementState::stopped);
    CHECK(rig.store.receipt_rows.size() == 1);
    CHECK(rig.told(AlertKind::stopped) == 1);
    rig.scheduler.run_for(hours{2});
    CHECK(rig.enforcement_of(run)->state == EnforcementState::over);
    CHECK(rig.enforcement_of(run)->outcome == "stopped");
    CHECK(rig.world.stop_calls.size() == 1);
    rig.check_intents();
}

TEST_CASE("activity takes it back, and those who were told are told") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{45});
    REQUIRE(rig.told(AlertKind::stop_warning) == 1);
    n.kernel = "busy";
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.told(AlertKind::stop_cancelled) == 1);
    rig.scheduler.run_for(hours{10});
    CHECK(rig.world.stop_calls.empty());
}

TEST_CASE("what cannot be seen is never stopped; it is shouted about") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    n.guest_answers = false;
    rig.begin();
    rig.scheduler.run_for(minutes{20});
    CHECK(rig.told(AlertKind::blind) == 1);
    rig.scheduler.run_for(hours{24});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::blind) == 2);  // and once more, critical, after 6 h
    CHECK(rig.mail->delivered.back().severity == Severity::critical);
}

TEST_CASE("a jump of the wall clock stops nothing early and nothing late (I14)") {
    for (const Duration jump : {Duration{hours{1}}, Duration{-hours{1}}, Duration{hours{24}}}) {
        Rig rig;
        rig.world.add("demo");
        rig.begin();
        rig.scheduler.run_for(minutes{20});
        rig.scheduler.step_wall(jump);
        rig.scheduler.run_for(minutes{38});
        CHECK(rig.world.stop_calls.empty());
        rig.scheduler.run_for(minutes{6});
        CHECK(rig.world.stop_calls.size() == 1);
    }
}

TEST_CASE("a wall clock that is set, and a restart, do not shorten the start grace (I2, I14)") {
    Rig rig;
    rig.config->rules.at(0).start_grace = hours{3};
    FakeNotebook& n = rig.world.add("demo");
    n.resource.run.started_at = rig.scheduler.wall();
    rig.world.provider_ahead = Duration{0};
    rig.begin();
    rig.scheduler.run_for(minutes{30});
    rig.scheduler.step_wall(hours{7});
    rig.world.provider_ahead = -hours{7};
    rig.scheduler.run_for(minutes{10});
    rig.restart(seconds{5});
    rig.scheduler.run_for(minutes{135});
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(minutes{40});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE(
    "a limit that is shorter after a restart or a reload stops nothing sooner than one full ladder from then "
    "(I2)") {
    Rig rig;
    const bool warned = GENERATE(false, true);
    const bool reload = GENERATE(false, true);
    rig.outside.assemble = [&]() -> Result<Parts> { return rig.parts(); };
    rig.config->rules.at(0).idle_limit = hours{4};
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(warned ? hours{3} + minutes{38} : hours{2});
    REQUIRE(rig.told(AlertKind::stop_warning) == (warned ? 1 : 0));
    rig.config = std::make_shared<Config>(*rig.config);
    rig.config->rules.at(0).idle_limit = hours{1};  // ladder 30, 10 and 5 min
    if (reload) {
        REQUIRE(rig.life->await(rig.life->daemon.reload("ana")));
    } else {
        rig.restart(seconds{5});
    }
    rig.scheduler.run_for(minutes{30} - seconds{1});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::stop_warning) >= 1);
    rig.scheduler.run_for(minutes{4});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.told(AlertKind::stop_warning) == (warned && reload ? 4 : 3));
}

TEST_CASE("after its end nothing begins, whatever was due next (I13)") {
    Rig rig;
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{64});
    REQUIRE(rig.world.stop_calls.size() == 1);  // to be looked at again after 10 and 60 minutes
    bool ended = false;
    boost::asio::co_spawn(rig.io, rig.life->daemon.shut_down(),
                          [&](const std::exception_ptr&) { ended = true; });
    for (int i = 0; i < 100 && !ended; ++i) {
        rig.scheduler.run_for(seconds{1});
    }
    REQUIRE(ended);
    int points = 0;
    rig.life->world.at_point = [&](std::string_view) { ++points; };
    rig.scheduler.run_for(hours{2});
    CHECK(points == 0);
}

TEST_CASE("nothing acts that is not on disk first") {
    Rig rig;
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{20});
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    rig.scheduler.run_for(hours{3});
    CHECK(std::ranges::all_of(rig.told(), [](AlertKind kind) { return kind == AlertKind::database; }));
    CHECK(rig.world.stop_calls.empty());
    const std::size_t rows = rig.store.costs.size();
    rig.store.failing.reset();
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.store.costs.size() > rows);
    // Every hour of the outage is in the ledger, once (I6).
    Duration billed{0};
    for (const CostRow& row : rig.store.costs) {
        billed += row.to - row.from;
    }
    CHECK(billed == *rig.world.notebooks.at("demo").resource.run.ended_at - WallTime{1'795'399'800'000});
}

TEST_CASE("a lost stop answer is looked up and not sent again") {
    Rig rig;
    rig.world.add("demo");
    rig.world.on_stop = [&](FakeNotebook& n) {
        rig.world.end(n);
        return StopReply{event::Answer::ambiguous, "no answer"};
    };
    rig.begin();
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.told(AlertKind::stopped) == 1);
    rig.check_intents();
}

TEST_CASE("a stop that does not stop is shouted about, and the other way is taken") {
    Rig rig;
    rig.world.add("demo");
    rig.world.on_stop = [](FakeNotebook&) {
        return StopReply{event::Answer::accepted, {}};
    };  // says yes, goes on billing
    rig.begin();
    rig.scheduler.run_for(minutes{75});
    REQUIRE(rig.told(AlertKind::stop_failed) >= 1);
    const auto failed = std::ranges::find(rig.mail->delivered, AlertKind::stop_failed, &Message::kind);
    CHECK(failed->telling == Telling::firing);
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.told(AlertKind::stop_failed) == 2);  // and that it is over
    CHECK(is_off(rig.world.notebooks.at("demo").resource.run.state));
    CHECK(rig.told(AlertKind::stopped) == 1);
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("a user who restarts it during the pack keeps his new run (I4)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    const RunId old_run = n.resource.run.id;
    rig.world.on_read = [&] {
        if (n.resource.run.id == old_run) {
            rig.world.start(n);
        }
    };
    rig.begin();
    rig.scheduler.run_for(minutes{100});
    CHECK(rig.world.stop_calls.empty());
    CHECK(n.resource.run.state == RunState::running);
    rig.scheduler.run_for(hours{2});  // the new run has its own clock and its own warnings
    REQUIRE(rig.world.stop_calls.size() == 1);
    CHECK(rig.world.stop_calls[0] == n.resource.run.id);
}

TEST_CASE("files that change while they are packed mean that something is at work") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    std::int64_t tick = 2'000'000;
    rig.world.on_read = [&] { n.files["notes.txt"].second = tick += 1000; };
    rig.begin();
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.store.receipt_rows.empty());
}

TEST_CASE("a pack that fails holds the stop and tells a person") {
    Rig rig;
    rig.world.add("demo");
    rig.vault->failing = Error{Errc::disk_full, Retry::later(), "full", "vault"};
    rig.begin();
    rig.scheduler.run_for(hours{8});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::pack_failed) >= 1);
    CHECK(rig.store.receipt_rows.empty());
}

TEST_CASE("a keep holds it, states its price, ends by itself") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{40});
    auto kept = rig.life->await(rig.life->daemon.keep(n.resource.id, hours{2}, "thinking", "ana (uid 1000)"));
    REQUIRE(kept);
    CHECK(to_string(kept->offer.price) == "$1.52");
    CHECK(rig.life->await(rig.life->daemon.keep(n.resource.id, hours{13}, "", "ana")).error().code ==
          Errc::invalid);
    rig.scheduler.run_for(minutes{119});
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("a rule that would stop too many at once only warns from then on") {
    Rig rig;
    for (int i = 0; i < 20; ++i) {
        rig.world.add("n" + std::to_string(i));
    }
    rig.begin();
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() <= 5);  // max(2, 25 %)
    CHECK(rig.world.stop_calls.size() >= 2);
    CHECK(rig.told(AlertKind::breaker) == 1);
}

TEST_CASE("a restart does not let a rule stop its quarter of everything once more (I3)") {
    Rig rig;
    for (int i = 0; i < 3; ++i) {
        rig.world.add("a" + std::to_string(i));
    }
    rig.begin();
    rig.scheduler.run_for(minutes{20});
    for (int i = 0; i < 17; ++i) {
        rig.world.add("b" + std::to_string(i));
    }
    rig.scheduler.run_for(minutes{50});
    REQUIRE(rig.world.stop_calls.size() == 3);
    rig.restart(seconds{5});
    rig.scheduler.run_for(minutes{45});
    CHECK(rig.world.stop_calls.size() <= 5);  // 25 % of 20
    CHECK(rig.told(AlertKind::breaker) == 1);
}

TEST_CASE("a stop that was called twice counts for the breaker from its last call (I3)") {
    Rig rig;
    rig.world.add("a");
    rig.world.on_stop = [&](FakeNotebook& n) {
        if (rig.world.stop_calls.size() > 1) {
            rig.world.end(n);  // not for the first one
        }
        return StopReply{event::Answer::accepted, "ok"};
    };
    rig.begin();
    rig.scheduler.run_for(minutes{63});
    REQUIRE(rig.store.audited("stop.called") == 1);
    // Three more, whose time comes when an hour has passed since the first call of that stop, not since its second.
    for (int i = 0; i < 3; ++i) {
        rig.world.add("b" + std::to_string(i));
    }
    rig.scheduler.run_for(minutes{7});
    REQUIRE(rig.store.audited("stop.called") == 2);
    rig.scheduler.run_for(minutes{57});
    CHECK(rig.store.audited("stop.called") == 3);
    CHECK(rig.told(AlertKind::breaker) == 1);
}

TEST_CASE("after an absence in the middle of a stop the whole ladder is given again (I2)") {
    for (const Duration off : {Duration{seconds{30}}, Duration{minutes{40}}}) {
        Rig rig;
        FakeNotebook& n = rig.world.add("demo");
        rig.vault->failing = Error{Errc::unavailable, Retry::later(), "not mounted", "home"};
        rig.begin();
        rig.scheduler.run_for(minutes{64});
        REQUIRE(rig.enforcement_of(n.resource.run.id)->state == EnforcementState::pack_failed);
        rig.vault->failing.reset();
        rig.restart(off);
        rig.scheduler.run_for(minutes{20});
        CHECK(rig.world.stop_calls.empty() == (off > minutes{3}));
        rig.scheduler.run_for(minutes{60});
        CHECK(rig.world.stop_calls.size() == 1);
        rig.check_intents();
    }
}

TEST_CASE("an act that a restart cut short and nobody goes on with has an outcome (I5)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    // A pack without a stop: no enforcement picks it up again.
    rig.store.intents["int_1"] = IntentRow{
        .id = "int_1", .enforcement = {}, .run = n.resource.run.id, .act = "pack", .at = {}};
    rig.store.refusals = 1;
    rig.begin();
    rig.scheduler.run_for(minutes{1});
    rig.check_intents();
}

TEST_CASE("a refused key is critical at once, and hardly asked any more") {
    Rig rig;
    rig.world.add("demo");
    rig.world.list_fails = Error{Errc::unauthorized, Retry::never(), "401", "account me"};
    rig.begin();
    rig.scheduler.run_for(seconds{5});
    REQUIRE(rig.told(AlertKind::key_rejected) == 1);
    CHECK(rig.mail->delivered[0].severity == Severity::critical);
    CHECK(rig.mail->delivered[0].title.find("me") != std::string::npos);
    rig.world.lists = 0;
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.lists <= 14);
    CHECK(rig.told(AlertKind::key_rejected) == 1);
    rig.world.list_fails.reset();
    rig.scheduler.run_for(minutes{10});
    CHECK(rig.told(AlertKind::key_rejected) == 2);  // and that it works again
}

TEST_CASE("an incomplete list makes nothing absent, a complete one only the second time") {
    Rig rig;
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    const FakeNotebook kept = rig.world.notebooks.at("demo");
    rig.world.notebooks.clear();
    rig.world.list_complete = false;
    rig.scheduler.run_for(minutes{10});
    CHECK(rig.store.meters.begin()->second.open);
    rig.world.list_complete = true;
    rig.scheduler.run_for(minutes{5});
    CHECK_FALSE(rig.store.meters.begin()->second.open);
}

TEST_CASE("a run that lists left out by mistake is billed on from there, also after a restart (I6)") {
    for (const bool restarted : {false, true}) {
        CAPTURE(restarted);
        Rig rig;
        FakeNotebook& n = rig.world.add("demo");
        n.kernel = "busy";
        const RunId run = n.resource.run.id;
        rig.begin();
        rig.scheduler.run_for(hours{3});
        const auto kept = rig.world.notebooks.extract("demo");
        rig.scheduler.run_for(minutes{5});
        REQUIRE_FALSE(rig.store.meters.at({run, MeterKind::compute}).open);
        if (restarted) {
            rig.restart(minutes{1});
        }
        rig.world.notebooks.insert({kept.key(), kept.mapped()});
        rig.scheduler.run_for(hours{2});
        std::vector<CostRow> rows;
        std::ranges::copy_if(rig.store.costs, std::back_inserter(rows),
                             [&](const CostRow& row) { return row.run == run; });
        std::ranges::sort(rows, {}, &CostRow::from);
        REQUIRE(rows.size() > 3);
        for (std::size_t i = 1; i < rows.size(); ++i) {
            CHECK(rows[i].from == rows[i - 1].to);
        }
        CHECK(rows.back().to - rows.front().from > hours{4});
    }
}

TEST_CASE("two runs at once are billed once each, whichever is shown as the newest (I6)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    n.kernel = "busy";
    Run other = n.resource.run;
    other.id = RunId{"twin"};
    n.resource.other_runs = {other};
    rig.begin();
    for (int i = 0; i < 6; ++i) {
        rig.scheduler.run_for(minutes{50});
        FakeNotebook& now = rig.world.notebooks.at("demo");
        std::swap(now.resource.run, now.resource.other_runs.front());
        if (i % 2 == 0) {
            rig.restart(minutes{1});
        }
    }
    rig.scheduler.run_for(minutes{50});
    std::map<RunId, std::vector<CostRow>> rows;
    for (const CostRow& row : rig.store.costs) {
        rows[row.run].push_back(row);
    }
    REQUIRE(rows.size() == 2);
    for (auto& [run, of_run] : rows) {
        CAPTURE(run.value);
        std::ranges::sort(of_run, {}, &CostRow::from);
        REQUIRE(of_run.size() >= 5);
        for (std::size_t i = 1; i < of_run.size(); ++i) {
            CHECK(of_run[i].from == of_run[i - 1].to);
        }
        CHECK(rig.store.meters.at({run, MeterKind::compute}).open);
    }
}

TEST_CASE("a restart in mid-life changes only timing (I10)") {
    for (const Duration off : {Duration{seconds{30}}, Duration{minutes{30}}}) {
        Rig rig;
        FakeNotebook& n = rig.world.add("demo");
        rig.begin();
        rig.scheduler.run_for(minutes{40});
        rig.restart(off);
        const std::size_t warned = rig.mail->delivered.size();
        rig.scheduler.run_for(minutes{18});
        CHECK(rig.world.stop_calls.empty());
        rig.scheduler.run_for(minutes{60});
        CHECK(rig.world.stop_calls == std::vector{n.resource.run.id});
        CHECK(rig.mail->delivered.size() > warned);
        rig.check_intents();
    }
}

TEST_CASE("hours that nobody saw are not quiet after two restarts either (I2)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{40});
    rig.world.list_fails = Error{Errc::unauthorized, Retry::never(), "HTTP 401", "provider"};
    rig.restart(minutes{30});
    rig.scheduler.run_for(seconds{40});
    rig.world.list_fails.reset();
    rig.restart(seconds{30});
    rig.scheduler.run_for(minutes{25});
    CHECK(rig.world.stop_calls.empty());  // the ladder is given again
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.world.stop_calls == std::vector{n.resource.run.id});
}

TEST_CASE("polls that did not look at a run are not quiet time of it after a restart (I2)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{20});
    n.resource.run.state = RunState::unknown;
    n.resource.run.state_text = "Migrating";
    rig.scheduler.run_for(minutes{30});
    rig.restart(seconds{30});
    n.resource.run.state = RunState::running;
    n.resource.run.state_text = "Running";
    rig.scheduler.run_for(minutes{34});
    CHECK(rig.world.stop_calls.empty());  // 20 min and these were seen
    rig.scheduler.run_for(minutes{20});
    CHECK(rig.world.stop_calls == std::vector{n.resource.run.id});
}

TEST_CASE("a hard budget ends even what works, after a warning, the quiet one first") {
    Rig rig;
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = Money{3'000'000'000};
    budget.thresholds = {{50, ThresholdAction::notify}, {100, ThresholdAction::stop}};
    budget.mode = Mode::enforce;
    rig.config->budgets = {budget};
    rig.config->rules.clear();
    rig.world.add("works").kernel = "busy";
    rig.begin();
    rig.scheduler.run_for(hours{2} + minutes{15});
    CHECK(rig.told(AlertKind::budget_threshold) == 1);
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.told(AlertKind::budget_threshold) == 2);
    Money spent;
    for (const CostRow& row : rig.store.costs) {
        spent += row.gross;
    }
    CHECK(spent <= budget.amount);  // started early enough to end below (I7)
}

TEST_CASE("the watchdog is fed while polls are attempted and the database answers") {
    Rig rig;
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.life->supervisor.lives >= 15);
}

TEST_CASE("an alert whose transaction failed is not taken for told (I8)") {
    Rig rig;
    rig.world.add("demo");
    rig.world.on_stop = [](FakeNotebook&) {
        return StopReply{event::Answer::accepted, {}};
    };  // goes on billing
    rig.begin();
    while (rig.world.stop_calls.empty()) {
        rig.scheduler.run_for(seconds{10});
    }
    rig.scheduler.run_for(minutes{5});
    REQUIRE(rig.told(AlertKind::stop_failed) == 0);
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    rig.scheduler.run_for(minutes{3});  // the confirmation's limit passes meanwhile
    rig.store.failing.reset();
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.told(AlertKind::stop_failed) == 1);
    CHECK(std::ranges::count(rig.store.alert_rows, AlertKind::stop_failed,
                             [](const auto& row) { return row.second.kind; }) == 1);
    rig.scheduler.run_for(hours{2});
    rig.check_intents();
}

TEST_CASE("a look before the stop that could not be stored is taken anew, not used late (I2)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    bool failed_once = false;
    rig.life->world.at_point = [&](std::string_view point) {
        if (point == "decided stopping" && !std::exchange(failed_once, true)) {
            rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
        }
    };
    rig.scheduler.run_for(minutes{70});
    REQUIRE(failed_once);
    REQUIRE(rig.world.stop_calls.empty());
    n.kernel = "busy";  // somebody came back while the disk was full
    rig.store.failing.reset();
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::stop_cancelled) == 1);
}

TEST_CASE(
    "a stop that could not be stored does not count for the breaker, and leaves another rule's as it is "
    "(I3)") {
    Rig rig;
    Rule other = rig.config->rules.at(0);
    other.name = RuleName{"other"};
    other.match.names = {"b*"};
    rig.config->rules.insert(rig.config->rules.begin(), other);
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    const Breaker beside{.rule = RuleName{"other"}, .why = "3 stops", .at = {}, .open = true};
    bool failed_once = false;
    rig.life->world.at_point = [&](std::string_view point) {
        if (point == "decided stopping" && !std::exchange(failed_once, true)) {
            rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
            rig.life->world.picture.breakers[beside.rule] = beside;
        }
    };
    rig.scheduler.run_for(minutes{30});
    rig.world.add("next");
    rig.scheduler.run_for(minutes{40});
    REQUIRE(failed_once);
    REQUIRE(rig.world.stop_calls.empty());
    CHECK(rig.life->world.picture.breakers.contains(beside.rule));
    n.kernel = "busy";
    rig.store.failing.reset();
    rig.scheduler.run_for(minutes{50});
    REQUIRE(rig.world.stop_calls.size() == 1);
    CHECK_FALSE(rig.life->world.picture.breakers.contains(RuleName{"idle"}));
}

namespace {

/// Off from 20:00 to 08:00 in Rome. Virtual time begins on a Monday at 03:10 there; the daemon begins at
/// `hour` of Rome's clock (UTC + 1) of that day. Nothing is idle for long enough to matter.
struct NightRig : Rig {
    explicit NightRig(int hour = 12) {
        Rule& rule = config->rules.at(0);
        rule.name = RuleName{"night"};
        rule.idle_limit = hours{24 * 6};
        rule.schedule = Schedule{rome, {parse_off_hours("daily 20:00-08:00").value()}, {}};
        scheduler.run_for(clock("2026-11-23T00:00:00Z") + hours{hour - 1} - scheduler.wall());
    }
    static WallTime clock(std::string_view text) { return utc(text); }
    void run_until(std::string_view text) { scheduler.run_for(clock(text) - scheduler.wall()); }
    Rule& rule() { return config->rules.at(0); }
    const Message& last_told(AlertKind kind) const {
        const auto found = std::find_if(mail->delivered.rbegin(), mail->delivered.rend(),
                                        [&](const Message& m) { return m.kind == kind; });
        REQUIRE(found != mail->delivered.rend());
        return *found;
    }
};

bool says(const Message& m, std::string_view text) {
    return m.title.find(text) != std::string::npos ||
           std::ranges::any_of(m.body, [&](const std::string& line) { return line.find(text) != line.npos; });
}

}  // namespace

TEST_CASE(
    "off hours: warned before 20:00, stopped after it; a manual restart holds until the next boundary") {
    NightRig rig;
    FakeNotebook& n = rig.world.add("demo");
    const RunId first = n.resource.run.id;
    rig.begin();
    rig.run_until("2026-11-23T18:29:00Z");
    CHECK(rig.told().empty());
    rig.run_until("2026-11-23T18:32:00Z");
    REQUIRE(rig.told(AlertKind::stop_warning) == 1);
    const Message& warning = rig.last_told(AlertKind::stop_warning);
    CHECK(warning.cause == "off hours of rule night");
    CHECK(says(warning, "at Mon 19:00 UTC"));
    CHECK(says(warning, "Mon 20:00 Europe/Rome"));
    CHECK(says(warning, "As long as it is at work nothing happens."));
    CHECK(warning.do_next == "curfew keep r-demo --for 2h");
    rig.run_until("2026-11-23T18:59:30Z");
    CHECK(rig.told(AlertKind::stop_warning) == 3);
    CHECK(rig.world.stop_calls.empty());
    rig.run_until("2026-11-23T19:03:00Z");
    CHECK(rig.world.stop_calls == std::vector{first});
    CHECK(rig.store.receipt_rows.size() == 1);
    REQUIRE(rig.enforcement_of(first) != nullptr);
    CHECK(rig.enforcement_of(first)->cause == Cause{CauseKind::schedule, "night"});

    rig.run_until("2026-11-23T21:00:00Z");
    rig.world.start(n);
    const RunId second = n.resource.run.id;
    rig.run_until("2026-11-24T18:29:00Z");
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.told(AlertKind::stop_warning) == 3);
    rig.run_until("2026-11-24T19:03:00Z");
    CHECK(rig.world.stop_calls == std::vector{first, second});
    CHECK(rig.told(AlertKind::stop_warning) == 6);
    rig.check_intents();
}

TEST_CASE("off hours: what is at work is left alone until it is quiet, and then warned first") {
    NightRig rig;
    FakeNotebook& n = rig.world.add("demo");
    n.kernel = "busy";
    rig.begin();
    rig.run_until("2026-11-24T01:00:00Z");
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::stop_warning) == 0);
    n.kernel = "idle";
    rig.run_until("2026-11-24T01:04:00Z");
    CHECK(rig.told(AlertKind::stop_warning) == 0);
    rig.run_until("2026-11-24T01:15:00Z");
    CHECK(rig.told(AlertKind::stop_warning) == 1);
    CHECK(rig.world.stop_calls.empty());
    rig.run_until("2026-11-24T01:22:00Z");
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("off hours: activity after the warning takes it back") {
    NightRig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.run_until("2026-11-23T18:55:00Z");
    REQUIRE(rig.told(AlertKind::stop_warning) == 2);
    n.kernel = "busy";
    rig.run_until("2026-11-24T06:00:00Z");
    CHECK(rig.told(AlertKind::stop_cancelled) == 1);
    CHECK(rig.world.stop_calls.empty());
}

TEST_CASE("off hours: what cannot be seen is not stopped; without respect for activity even work is") {
    for (const bool respect : {true, false}) {
        NightRig rig;
        rig.rule().respect_activity = respect;
        FakeNotebook& n = rig.world.add("demo");
        rig.begin();
        rig.run_until("2026-11-23T18:00:00Z");
        n.kernel = respect ? "idle" : "busy";
        n.guest_answers = !respect;
        rig.run_until("2026-11-23T23:00:00Z");
        CHECK(rig.world.stop_calls.size() == (respect ? 0 : 1));
        if (!respect) {
            CHECK(says(rig.last_told(AlertKind::stop_warning), "It is stopped even if it is at work."));
        }
    }
}

TEST_CASE("off hours: work that begins during the pack calls the stop off (I2)") {
    NightRig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.world.on_read = [&] { n.kernel = "busy"; };
    rig.begin();
    rig.run_until("2026-11-24T06:00:00Z");
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::stop_cancelled) == 1);
}

TEST_CASE("off hours: a keep holds them, and they act when it ends") {
    NightRig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.run_until("2026-11-23T18:35:00Z");
    REQUIRE(rig.life->await(rig.life->daemon.keep(n.resource.id, hours{2}, "", "ana")));
    rig.run_until("2026-11-23T20:34:00Z");
    CHECK(rig.world.stop_calls.empty());
    const std::size_t warnings = static_cast<std::size_t>(rig.told(AlertKind::stop_warning));
    rig.run_until("2026-11-23T20:44:00Z");
    CHECK(static_cast<std::size_t>(rig.told(AlertKind::stop_warning)) == warnings + 1);
    CHECK(rig.world.stop_calls.empty());
    rig.run_until("2026-11-23T20:50:00Z");
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("off hours: after downtime over the boundary the rule acts after a full notice") {
    for (const bool same_boot : {true, false}) {
        NightRig rig;
        rig.world.add("demo");
        rig.begin();
        rig.run_until("2026-11-23T16:00:00Z");
        rig.life.reset();
        rig.run_until("2026-11-23T22:00:00Z");
        rig.scheduler.boot = same_boot ? "boot-1" : "boot-2";
        rig.begin();
        CHECK(rig.told(AlertKind::stop_warning) == 0);
        rig.run_until("2026-11-23T22:09:30Z");
        CHECK(rig.world.stop_calls.empty());
        const auto warned = std::ranges::find(rig.mail->delivered, AlertKind::stop_warning, &Message::kind);
        REQUIRE(warned != rig.mail->delivered.end());
        CHECK(warned->at >= test::utc("2026-11-23T22:00:00Z"));
        rig.scheduler.run_for(warned->at + minutes{9} + seconds{50} - rig.scheduler.wall());
        CHECK(rig.world.stop_calls.empty());
        rig.run_until("2026-11-23T22:20:00Z");
        CHECK(rig.world.stop_calls.size() == 1);
    }
}

TEST_CASE("off hours that end while a stop waits call it off") {
    NightRig rig;
    rig.world.add("demo");
    rig.vault->failing = Error{Errc::disk_full, Retry::later(), "full", "vault"};
    rig.begin();
    rig.run_until("2026-11-24T06:59:00Z");
    REQUIRE(rig.told(AlertKind::pack_failed) >= 1);
    rig.vault->failing.reset();
    rig.run_until("2026-11-24T12:00:00Z");
    CHECK(rig.world.stop_calls.empty());
}

TEST_CASE("off hours that end while a stop is tried again and again end the trying") {
    NightRig rig;
    rig.world.add("demo");
    rig.world.on_stop = [](FakeNotebook&) { return StopReply{event::Answer::refused, "not now"}; };
    rig.world.guest_refuses = true;
    rig.begin();
    rig.run_until("2026-11-24T06:58:00Z");
    const std::size_t tries = rig.world.stop_calls.size();
    CHECK(tries > 5);
    rig.run_until("2026-11-24T07:12:00Z");
    const std::size_t last = rig.world.stop_calls.size();
    rig.run_until("2026-11-24T17:00:00Z");
    CHECK(rig.world.stop_calls.size() == last);
    CHECK(last <= tries + 1);
    CHECK(rig.world.notebooks.at("demo").resource.run.state == RunState::running);
}

TEST_CASE("a maximum age stops a busy run after warning and pack; no keep holds it") {
    NightRig rig(0);
    rig.rule().schedule.reset();
    rig.rule().max_age = hours{6};
    FakeNotebook& n = rig.world.add("demo");
    n.kernel = "busy";
    const RunId run = n.resource.run.id;
    rig.begin();
    rig.scheduler.run_for(hours{5} + minutes{29});
    CHECK(rig.told().empty());
    auto refused = rig.life->await(rig.life->daemon.keep(n.resource.id, hours{2}, "", "ana"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::conflict);
    CHECK(refused.error().text.starts_with(
        "nothing holds its maximum age (rule night), which it reaches in 3"));
    REQUIRE(rig.life->await(rig.life->daemon.keep(n.resource.id, minutes{20}, "", "ana")));
    rig.scheduler.run_for(minutes{3});
    REQUIRE(rig.told(AlertKind::stop_warning) == 1);
    const Message& warning = rig.last_told(AlertKind::stop_warning);
    CHECK(warning.cause == "maximum age of rule night");
    CHECK(says(warning, "a keep cannot put off a maximum age"));
    CHECK(warning.do_next == "curfew explain r-demo");
    rig.scheduler.run_for(minutes{27});
    CHECK(rig.told(AlertKind::stop_warning) == 3);
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(minutes{4});
    CHECK(rig.world.stop_calls == std::vector{run});
    CHECK(rig.store.receipt_rows.size() == 1);
    CHECK(rig.enforcement_of(run)->cause == Cause{CauseKind::age, "night"});
    rig.check_intents();
}

TEST_CASE("an age counts from the provider's stamp, through restarts, and not by the wall clock (I14)") {
    struct Case {
        Duration wrong{0};  // our clock, when the daemon begins
        Duration jump{0};
        bool restarts = false;
        bool reboots = false;
    };
    for (const Case c : {Case{.restarts = true}, Case{.jump = hours{5}}, Case{.jump = -hours{5}},
                         Case{.wrong = hours{2}}, Case{.wrong = -hours{2}, .restarts = true},
                         Case{.jump = hours{2}, .restarts = true, .reboots = true}}) {
        NightRig rig(0);
        rig.rule().schedule.reset();
        rig.rule().max_age = hours{6};
        FakeNotebook& n = rig.world.add("demo");
        n.kernel = "busy";
        const auto step = [&](Duration by) {
            rig.scheduler.step_wall(by);
            rig.world.provider_ahead = rig.world.provider_ahead.value_or(Duration{0}) - by;
        };
        rig.scheduler.run_for(hours{2});  // it runs before the daemon does
        step(c.wrong);
        rig.begin();
        rig.scheduler.run_for(hours{1});
        step(c.jump);
        if (c.reboots) {
            rig.scheduler.boot = "boot-2";
        }
        if (c.restarts) {
            rig.restart(hours{1});
        } else {
            rig.scheduler.run_for(hours{1});
        }
        rig.scheduler.run_for(hours{1} + minutes{28});
        CHECK(rig.told(AlertKind::stop_warning) == 0);
        rig.scheduler.run_for(minutes{31});
        CHECK(rig.told(AlertKind::stop_warning) == 3);
        CHECK(rig.world.stop_calls.empty());
        rig.scheduler.run_for(minutes{5});
        CHECK(rig.world.stop_calls.size() == 1);
    }
}

TEST_CASE("the breaker counts what a schedule stops") {
    NightRig rig;
    for (int i = 0; i < 20; ++i) {
        rig.world.add("n" + std::to_string(i));
    }
    rig.begin();
    rig.run_until("2026-11-23T21:00:00Z");
    CHECK(rig.world.stop_calls.size() <= 5);
    CHECK(rig.world.stop_calls.size() >= 2);
    CHECK(rig.told(AlertKind::breaker) == 1);
}

TEST_CASE("the service manager is told what is in force, also after reloads") {
    Rig rig;
    bool faulty = true;
    rig.outside.assemble = [&]() -> Result<Parts> {
        if (faulty) {
            return fail(Errc::invalid, "curfew.toml:3:1: unknown key");
        }
        return rig.parts();
    };
    rig.begin();
    const std::string& said = rig.life->supervisor.said;
    CHECK(said == "watching 1 account");
    CHECK_FALSE(rig.life->await(rig.life->daemon.reload("ana")));
    CHECK(said == "the configuration has faults; the old one is in force");
    faulty = false;
    CHECK(rig.life->await(rig.life->daemon.reload("ana")));
    CHECK(said == "watching 1 account");
}
