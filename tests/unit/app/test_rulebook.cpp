// What becomes of rules: modes, trials, the false-stop meter, the reset of a breaker.
#include "curfew/app/reporter.hpp"
#include "support/life.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr Duration day = hours{24};

RuleItem rule_now(Rig& rig) {
    Reporter reporter(rig.life->world, rig.life->daemon.prices());
    auto report = rig.life->await(reporter.rules());
    REQUIRE(report);
    REQUIRE_FALSE(report->items.empty());
    return report->items.front();
}

int events(const Rig& rig, RuleEventKind kind) {
    return static_cast<int>(std::ranges::count(rig.store.rule_rows, kind, &RuleEvent::kind));
}

/// Until the next stop call, in steps of a minute.
void run_until_stopped(Rig& rig) {
    const std::size_t before = rig.world.stop_calls.size();
    for (int i = 0; i < 200 && rig.world.stop_calls.size() == before; ++i) {
        rig.scheduler.run_for(minutes{1});
    }
    REQUIRE(rig.world.stop_calls.size() == before + 1);
    rig.scheduler.run_for(minutes{1});
}

}  // namespace

TEST_CASE("observe decides and records; warn also tells; neither acts") {
    for (const Mode mode : {Mode::observe, Mode::warn}) {
        Rig rig;
        rig.world.add("demo");
        rig.config->mode = mode;
        rig.begin();
        rig.scheduler.run_for(hours{5});
        CHECK(rig.world.stop_calls.empty());
        CHECK(rig.store.receipt_rows.empty());
        const auto would = rig.store.audited("would.stop");
        CHECK(would == 1);
        CHECK(rig.told(AlertKind::stop_warning) == (mode == Mode::warn ? 3 : 0));
        for (const Message& m : rig.mail->delivered) {
            CHECK_FALSE(m.title.contains("will be packed and stopped"));
            CHECK((m.kind != AlertKind::stop_warning ||
                   m.title.contains("would be packed and stopped if its mode were enforce")));
        }
    }
}

TEST_CASE("what was only watched or warned of is warned of anew once it may be stopped") {
    const Mode before = GENERATE(Mode::observe, Mode::warn);
    Rig rig;
    rig.world.add("demo");
    rig.config->mode = before;
    rig.outside.assemble = [&]() -> Result<Parts> { return rig.parts(); };
    rig.begin();
    rig.scheduler.run_for(hours{5});
    const int told = rig.told(AlertKind::stop_warning);
    rig.config = std::make_shared<Config>(*rig.config);
    rig.config->mode = Mode::enforce;
    REQUIRE(rig.life->await(rig.life->daemon.reload("ana")));
    rig.scheduler.run_for(minutes{3});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::stop_warning) == told + 1);
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("a new rule is on trial for 7 days of watching; restarts and clock jumps do not shorten it") {
    Rig rig;
    rig.config->rules[0].observe_first = day * 7;
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(day * 3);
    CHECK(rig.told().empty());
    RuleItem now = rule_now(rig);
    CHECK(now.mode == Mode::observe);
    CHECK(now.rule.mode == Mode::enforce);
    CHECK(now.would_stop == 1);
    REQUIRE(now.trial_until);
    CHECK(now.needs_a_look());
    CHECK(rig.life->world.picture.resources.begin()->second.on_trial);
    rig.scheduler.step_wall(day * 30);  // I14
    rig.scheduler.run_for(hours{1});
    rig.restart(day);  // nobody watched
    CHECK(rig.life->world.picture.trials.at(RuleName{"idle"}).tried > day * 3);
    rig.scheduler.run_for(day * 3 + hours{22});
    CHECK(rig.told(AlertKind::trial_over) == 0);
    CHECK(rig.world.stop_calls.empty());
    for (int i = 0; i < 200 && rig.told(AlertKind::trial_over) == 0; ++i) {
        rig.scheduler.run_for(minutes{1});
    }
    REQUIRE(rig.told(AlertKind::trial_over) == 1);
    CHECK(rig.mail->delivered.back().title.find("would have made 1 stop; from now on it stops") !=
          std::string::npos);
    CHECK(rig.mail->delivered.back().body.front().find("demo") != std::string::npos);
    CHECK(rig.store.audited("rule.trial_over") == 1);
    // What was quiet for days gets the whole ladder all the same.
    rig.scheduler.run_for(minutes{29});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::stop_warning) >= 2);
    rig.scheduler.run_for(minutes{10});
    CHECK(rig.world.stop_calls.size() == 1);
    now = rule_now(rig);
    CHECK(now.mode == Mode::enforce);
    CHECK_FALSE(now.trial_until);
    rig.restart(minutes{1});
    rig.scheduler.run_for(hours{2});
    CHECK(rig.told(AlertKind::trial_over) == 1);  // once
}

TEST_CASE("a trial is the rule's: budgets and people act, and a rule under its old name is not new") {
    Rig rig;
    rig.config->rules[0].observe_first = day * 7;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(hours{2});
    REQUIRE(rig.life->await(rig.life->daemon.stop(n.resource.id, {}, "ana")));
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.world.stop_calls.size() == 1);
    const Duration tried = rig.life->world.picture.trials.at(RuleName{"idle"}).tried;
    CHECK(tried > hours{2});
    rig.config->rules[0].idle_limit = hours{3};
    rig.restart(Duration{0});
    CHECK(rig.life->world.picture.trials.at(RuleName{"idle"}).tried >= tried);
    rig.config->rules[0].name = RuleName{"other"};
    rig.restart(Duration{0});
    CHECK(rig.life->world.picture.trials.at(RuleName{"other"}).tried == Duration{0});
}

TEST_CASE("a trial whose end cannot be written goes on") {
    Rig rig;
    rig.config->rules[0].observe_first = hours{3};
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(hours{2});
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    rig.scheduler.run_for(hours{3});
    CHECK(rule_now(rig).trial_until);
    rig.store.failing.reset();
    rig.scheduler.run_for(minutes{40});
    CHECK(rule_now(rig).trial_until);  // what nobody could write was not watched
    rig.scheduler.run_for(hours{3});
    CHECK(rig.told(AlertKind::trial_over) == 1);
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE(
    "what is used again within 15 minutes of a stop is counted once; the third in 7 days flags the rule") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    for (int i = 1; i <= 3; ++i) {
        run_until_stopped(rig);
        CHECK(events(rig, RuleEventKind::stop) == i);
        rig.scheduler.run_for(minutes{5});
        rig.world.start(n);
        if (i == 2) {
            rig.restart(minutes{1});  // seen by the next daemon
        }
        rig.scheduler.run_for(minutes{10});
        CHECK(events(rig, RuleEventKind::false_stop) == i);
        CHECK(rig.store.audited("suspected.false_stop") == i);
        CHECK(rule_now(rig).flagged == (i == 3));
    }
    CHECK(rig.told(AlertKind::false_stops) == 1);
    CHECK(rule_now(rig).false_stops == 3);
    CHECK(rule_now(rig).mode == Mode::enforce);  // told, not disarmed
    // 20 minutes are not "soon".
    run_until_stopped(rig);
    rig.scheduler.run_for(minutes{20});
    rig.world.start(n);
    rig.scheduler.run_for(minutes{20});
    CHECK(events(rig, RuleEventKind::stop) == 4);
    CHECK(events(rig, RuleEventKind::false_stop) == 3);
    n.kernel = "busy";
    rig.scheduler.run_for(day * 7);
    CHECK_FALSE(rule_now(rig).flagged);
    CHECK(std::ranges::count(rig.store.alert_rows, AlertState::resolved,
                             [](const auto& row) { return row.second.state; }) >= 1);
    CHECK(rig.told(AlertKind::false_stops) == 2);  // and that it is over
    CHECK(rig.mail->delivered.back().telling == Telling::resolved);
}

TEST_CASE(
    "a restart by a person's own stop is no false stop, and one that jumps with the clock is none either") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    REQUIRE(rig.life->await(rig.life->daemon.stop(n.resource.id, {}, "ana")));
    rig.scheduler.run_for(minutes{2});
    REQUIRE(rig.world.stop_calls.size() == 1);
    rig.world.start(n);
    rig.scheduler.run_for(minutes{10});
    CHECK(events(rig, RuleEventKind::stop) == 0);
    CHECK(events(rig, RuleEventKind::false_stop) == 0);
}

TEST_CASE("after a reset by hand a restart does not count the stops of before again") {
    Rig rig;
    for (int i = 0; i < 20; ++i) {
        rig.world.add("n" + std::to_string(i));
    }
    rig.begin();
    rig.scheduler.run_for(minutes{75});
    const std::size_t before = rig.world.stop_calls.size();
    REQUIRE(before >= 3);
    REQUIRE(rule_now(rig).breaker);
    REQUIRE(*rig.life->await(rig.life->daemon.reset_rule(RuleName{"idle"}, "ana")));
    rig.restart(seconds{5});
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls.size() >= before + 3);
}

TEST_CASE("an open breaker stays open over restarts until it is reset by hand") {
    Rig rig;
    for (int i = 0; i < 20; ++i) {
        rig.world.add("n" + std::to_string(i));
    }
    rig.begin();
    rig.scheduler.run_for(hours{2});
    const std::size_t before = rig.world.stop_calls.size();
    REQUIRE(before <= 5);
    REQUIRE(rule_now(rig).breaker);
    CHECK(rule_now(rig).mode == Mode::warn);
    const auto alert = std::ranges::find(rig.mail->delivered, AlertKind::breaker, &Message::kind);
    REQUIRE(alert != rig.mail->delivered.end());
    CHECK(alert->do_next == "curfew rule reset idle");
    rig.restart(minutes{1});
    rig.scheduler.run_for(hours{2});
    CHECK(rule_now(rig).breaker);
    CHECK(rig.world.stop_calls.size() == before);
    Daemon& daemon = rig.life->daemon;
    CHECK(rig.life->await(daemon.reset_rule(RuleName{"none"}, "ana")).error().code == Errc::not_found);
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    CHECK_FALSE(rig.life->await(daemon.reset_rule(RuleName{"idle"}, "ana")));
    CHECK(rule_now(rig).breaker);
    rig.store.failing.reset();
    CHECK(*rig.life->await(daemon.reset_rule(RuleName{"idle"}, "ana")));
    CHECK_FALSE(*rig.life->await(daemon.reset_rule(RuleName{"idle"}, "ana")));
    CHECK_FALSE(rule_now(rig).breaker);
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.told(AlertKind::breaker) >= 2);  // that it opened, and that it was reset
    CHECK(rig.store.audited("breaker.reset") == 1);
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() > before);
}

TEST_CASE(
    "a step of an enforcement that the disk does not take leaves a breaker reset that was reset meanwhile") {
    Rig rig;
    for (int i = 0; i < 20; ++i) {
        rig.world.add("n" + std::to_string(i));
    }
    rig.begin();
    rig.scheduler.run_for(hours{2});
    Daemon& daemon = rig.life->daemon;
    REQUIRE(daemon.alarms().firing("breaker/idle"));
    int refused = 0;
    rig.store.on_commit = [&](const Batch& batch) -> Task<void> {
        const bool step = std::ranges::any_of(
            batch, [](const Write& row) { return std::holds_alternative<Enforcement>(row); });
        if (step && refused++ == 0) {
            co_await rig.scheduler.sleep_for(seconds{10});
            rig.store.refusals = 1;
        }
    };
    rig.world.add("late");
    while (refused == 0) {
        rig.scheduler.run_for(seconds{1});
    }
    REQUIRE(*rig.life->await(daemon.reset_rule(RuleName{"idle"}, "ana")));
    rig.scheduler.run_for(seconds{11});
    CHECK(rig.store.refusals == 0);
    // It has stopped more since, and has opened again: that is another alert.
    const Alert* alert = daemon.alarms().alive("breaker/idle");
    REQUIRE(alert != nullptr);
    CHECK(rig.store.alert_rows.at(alert->id.value).state == AlertState::firing);
}
