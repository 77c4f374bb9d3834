// The whole application on virtual time, with a world in memory.
#include "unit/app/rig.hpp"

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

TEST_CASE("nothing acts that is not on disk first") {
    Rig rig;
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{20});
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    rig.scheduler.run_for(hours{3});
    CHECK(rig.told().empty());
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
    CHECK(rig.told(AlertKind::stop_failed) == 1);
    rig.scheduler.run_for(minutes{30});
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

TEST_CASE("observe decides and records; warn also tells; neither acts") {
    for (const Mode mode : {Mode::observe, Mode::warn}) {
        Rig rig;
        rig.world.add("demo");
        rig.config->mode = mode;
        rig.begin();
        rig.scheduler.run_for(hours{5});
        CHECK(rig.world.stop_calls.empty());
        CHECK(rig.store.receipt_rows.empty());
        const auto would = std::ranges::count(rig.store.audits, std::string{"would.stop"}, &AuditRow::kind);
        CHECK(would == 1);
        CHECK(rig.told(AlertKind::stop_warning) == (mode == Mode::warn ? 3 : 0));
    }
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

TEST_CASE("a manual stop goes at once and a keep does not hold it") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    REQUIRE(rig.life->await(rig.life->daemon.keep(n.resource.id, hours{2}, "", "ana")));
    StopOptions options;
    const auto begun = rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana"));
    REQUIRE(begun);
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.store.receipt_rows.size() == 1);
}

TEST_CASE("a manual stop of a busy one needs the risk by name; without a pack another") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    n.kernel = "busy";
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    StopOptions options;
    auto refused = rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find("kills-busy-kernel") != std::string::npos);
    options.accepted_risks = {"kills-busy-kernel"};
    options.pack = false;
    refused = rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find("unpacked-outputs") != std::string::npos);
    options.accepted_risks.push_back("unpacked-outputs");
    REQUIRE(rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana")));
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.store.receipt_rows.empty());
    CHECK(rig.enforcement_of(n.resource.run.id)->override_->by == "ana");
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
