// Budgets over the life of the daemon: what fires, what is stopped, what survives a restart and an edit.
#include "curfew/app/open_rows.hpp"
#include "curfew/core/schedule.hpp"
#include "support/life.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr std::int64_t cent = nanos_per_unit / 100;

Budget budget(std::int64_t cents, std::vector<Threshold> thresholds = {{100, ThresholdAction::stop}}) {
    Budget b;
    b.name = BudgetName{"team"};
    b.amount = Money{cents * cent};
    b.thresholds = std::move(thresholds);
    b.mode = Mode::enforce;
    return b;
}

/// A4000 at $0.76 an hour, at work, so that no idle rule ends it.
FakeNotebook& busy(Rig& rig, const std::string& name) {
    FakeNotebook& n = rig.world.add(name);
    n.kernel = "busy";
    return n;
}

const LiveBudget& live(const Rig& rig, const std::string& name = "team") {
    return rig.life->world.picture.budgets.at(BudgetName{name});
}

/// Of crossings, not of their ends.
std::vector<Message> threshold_mails(const Rig& rig) {
    std::vector<Message> found;
    std::ranges::copy_if(rig.mail->delivered, std::back_inserter(found), [](const Message& m) {
        return m.kind == AlertKind::budget_threshold && m.telling != Telling::resolved;
    });
    return found;
}

Money spent_of(const Rig& rig) {
    Money spent;
    for (const CostRow& row : rig.store.costs) {
        spent += row.gross;
    }
    return spent;
}

}  // namespace

TEST_CASE("a threshold fires once, over restarts, and again in the next month, which un-exhausts") {
    Rig rig;
    rig.config->budgets = {budget(300, {{50, ThresholdAction::notify}, {100, ThresholdAction::stop}})};
    FakeNotebook& n = busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(hours{2} + minutes{15});
    CHECK(threshold_mails(rig).size() == 1);
    rig.restart(minutes{1});
    rig.scheduler.run_for(minutes{10});
    CHECK(threshold_mails(rig).size() == 1);
    CHECK(live(rig).fired == std::vector<std::string>{"50% accrued notify at 1.50"});
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(threshold_mails(rig).size() == 2);
    CHECK(spent_of(rig) <= Money{3 * nanos_per_unit});
    CHECK(rig.store.audited("budget.overshoot") == 0);
    // Started again, also after a restart: exhausted at its start, so warned, packed and stopped.
    rig.world.start(n);
    rig.restart(seconds{30});
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.world.stop_calls.size() == 2);
    CHECK(rig.store.receipt_rows.size() == 2);
    CHECK(threshold_mails(rig).size() == 2);
    CHECK(rig.told(AlertKind::stop_warning) == 2);
    // The second stop began when the money was spent already, and that is on record.
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.store.audited("budget.overshoot") == (spent_of(rig) > Money{3 * nanos_per_unit} ? 1 : 0));
    // 2026-12-01, with nothing done for it.
    rig.scheduler.run_for(hours{24 * 8});
    rig.world.start(n);
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls.size() == 2);
    CHECK(live(rig).period.id == "2026-12@UTC");
    CHECK(live(rig).fired.empty());
    rig.scheduler.run_for(hours{1} + minutes{10});
    CHECK(threshold_mails(rig).size() == 3);
    rig.check_intents();
}

TEST_CASE("an exhausted budget in observe hides no other") {
    Rig rig;
    Budget watching = budget(1);
    watching.name = BudgetName{"a"};
    watching.mode = Mode::observe;
    rig.config->budgets = {watching, budget(1)};
    busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("a budget that is spent says that it stops what it covers where an account lets it") {
    Rig rig;
    rig.config->budgets = {budget(1)};
    const bool acts = GENERATE(true, false);
    rig.config->accounts.front().mode = acts ? "enforce" : "warn";
    busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(minutes{30});
    REQUIRE_FALSE(threshold_mails(rig).empty());
    CHECK(threshold_mails(rig).back().title.contains("packed and stopped now") == acts);
    CHECK(rig.world.stop_calls.empty() == !acts);
}

TEST_CASE("a budget for every run stops the run that has cost it, and no other") {
    Rig rig;
    Budget b = budget(200);
    b.period.kind = PeriodKind::run;
    rig.config->budgets = {b};
    FakeNotebook& early = busy(rig, "early");
    rig.begin();
    rig.scheduler.run_for(hours{1});
    FakeNotebook& late = busy(rig, "late");
    const RunId first = early.resource.run.id;
    rig.scheduler.run_for(hours{1});
    rig.restart(seconds{30});  // its own meter is stored
    rig.scheduler.run_for(minutes{40});
    REQUIRE(rig.world.stop_calls == std::vector{first});
    CHECK(live(rig).runs.size() == 1);
    CHECK(late.resource.run.state == RunState::running);
    CHECK(threshold_mails(rig).back().run == first);
    rig.world.start(early);  // a new run has an amount of its own
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.world.stop_calls.size() == 1);
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls == std::vector{first, late.resource.run.id});
}

TEST_CASE("a rolling budget counts the last hours only, and is free again below nine tenths") {
    Rig rig;
    Budget b = budget(300);
    b.period = {.kind = PeriodKind::rolling, .length = hours{6}};
    rig.config->budgets = {b};
    FakeNotebook& n = busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(hours{4});
    REQUIRE(rig.world.stop_calls.size() == 1);
    CHECK(live(rig).fired.size() == 1);
    rig.scheduler.run_for(hours{2});
    rig.restart(minutes{1});
    rig.scheduler.run_for(minutes{5});
    CHECK(live(rig).fired.size() == 1);  // the window still holds nearly all of it
    rig.scheduler.run_for(hours{2});
    CHECK(live(rig).fired.empty());
    CHECK(live(rig).spend.spent < Money{27 * nanos_per_unit / 10});
    rig.restart(minutes{1});
    rig.scheduler.run_for(hours{6});
    CHECK(live(rig).fired.empty());
    CHECK(live(rig).spend.spent == Money{});
    rig.world.start(n);
    rig.scheduler.run_for(hours{4});
    CHECK(rig.world.stop_calls.size() == 2);
    CHECK(threshold_mails(rig).size() >= 2);
}

TEST_CASE("a rolling budget forgets nothing when the daemon begins with a clock that is behind") {
    Rig rig;
    Budget b = budget(300);
    b.period = {.kind = PeriodKind::rolling, .length = hours{24}};
    rig.config->budgets = {b};
    busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(hours{4});
    REQUIRE(live(rig).fired.size() == 1);
    const Money spent = live(rig).spend.spent;
    rig.scheduler.step_wall(-hours{3});
    rig.restart(minutes{1});
    rig.scheduler.run_for(minutes{5});
    rig.scheduler.step_wall(hours{3});
    rig.scheduler.run_for(minutes{5});
    CHECK(live(rig).spend.spent == spent);
    CHECK(live(rig).fired.size() == 1);
}

TEST_CASE("storage of the rest of the period is held back from what may be spent") {
    Rig rig;
    rig.config->budgets = {budget(3000)};
    rig.config->budgets[0].reserve_storage = true;
    FakeNotebook& n = busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    CHECK(live(rig).spend.reserve == Money{});
    LiveAddOn disk;
    disk.account = AccountName{"me"};
    disk.meter.resource = n.resource.id;
    disk.meter.run = RunId{"disk/demo"};
    disk.meter.kind = MeterKind::storage;
    disk.meter.tariff.monthly_cap = Money{28 * nanos_per_unit};  // $1 a day
    disk.meter.started = disk.meter.counted_to = rig.scheduler.wall();
    const Period period = period_at({}, rig.scheduler.wall(), Zone{});
    const Money rest = rest_of(disk.meter, rig.scheduler.wall(), period.to);
    CHECK(rest > Money{7 * nanos_per_unit});
    CHECK(rest < Money{8 * nanos_per_unit});
    rig.life->world.picture.add_ons[disk.meter.run] = disk;
    // One of the team, of no machine; and one of another account than the scope's.
    disk.meter.resource = ResourceId{"drive/1"};
    disk.meter.run = RunId{"drive/1"};
    rig.life->world.picture.add_ons[disk.meter.run] = disk;
    Treasurer treasurer(rig.life->world.picture);
    const auto reserve = [&](Match scope, bool reserves) {
        rig.config->budgets[0].scope = std::move(scope);
        rig.config->budgets[0].reserve_storage = reserves;
        Batch batch;
        treasurer.judge(*rig.config, {}, rig.scheduler.now(), batch);
        return live(rig).spend.reserve;
    };
    CHECK(reserve({}, true) == rest + rest);
    CHECK(left_of(rig.config->budgets[0], live(rig).spend) ==
          rig.config->budgets[0].amount - live(rig).spend.spent - rest - rest);
    CHECK(reserve({.names = {"demo"}}, true) == rest);
    CHECK(reserve({.accounts = {"me"}}, true) == rest + rest);
    CHECK(reserve({.accounts = {"other"}}, true) == Money{});
    CHECK(reserve({}, false) == Money{});
    rig.life->world.picture.add_ons.clear();
}

TEST_CASE("who starts what a hard budget will soon end is told at once, and once") {
    Rig rig;
    rig.config->budgets = {budget(50)};
    rig.store.times_of_stops.assign(5, {.pack = seconds{30}, .stop = minutes{1}});
    FakeNotebook& n = rig.world.add("train-box");
    n.kernel = "busy";
    rig.world.end(n);
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    CHECK(threshold_mails(rig).empty());
    rig.world.start(n);
    rig.scheduler.run_for(minutes{3});
    REQUIRE(threshold_mails(rig).size() == 1);
    const Message m = threshold_mails(rig)[0];
    INFO(m.title);
    CHECK(m.title.starts_with("Budget team: $0.50 left, about 3"));
    CHECK(m.title.find(
              " minutes with train-box (A4000, $0.76 an hour); it will be packed and stopped at about ") !=
          std::string::npos);
    REQUIRE(m.stops_at);
    CHECK(m.title.ends_with(local_words(*m.stops_at, Zone{})));
    CHECK(rig.store.audited("budget.admission") == 1);
    rig.restart(seconds{30});
    rig.scheduler.run_for(minutes{5});
    CHECK(threshold_mails(rig).size() == 1);
    rig.scheduler.run_for(minutes{40});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(spent_of(rig) <= Money{50 * cent});
}

TEST_CASE("the lead is what stops took, and shows") {
    Rig rig;
    rig.config->budgets = {budget(300)};
    busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(minutes{2});
    CHECK(live(rig).lead == Lead{});
    rig.store.times_of_stops.assign(6, {.pack = minutes{3}, .stop = seconds{90}});
    rig.scheduler.run_for(minutes{5});
    CHECK(live(rig).lead == Lead{});  // asked for at the start and after a stop
    rig.restart(seconds{10});
    rig.scheduler.run_for(minutes{2});
    CHECK(live(rig).lead ==
          Lead{.poll = minutes{1}, .notice = minutes{10}, .pack = minutes{3}, .stop = seconds{90}});
    rig.scheduler.run_for(hours{4});
    REQUIRE(threshold_mails(rig).size() == 1);
    const Message told = threshold_mails(rig)[0];
    CHECK(std::ranges::any_of(told.body, [](const std::string& line) {
        return line.starts_with("Stopping begins 15m30s before the amount would be spent");
    }));
}

TEST_CASE("stop_now gives a minute, and goes on without a pack that hangs, by the budget's name") {
    Rig rig;
    Threshold now{100, ThresholdAction::stop_now};
    now.pack_within = minutes{4};
    rig.config->budgets = {budget(50, {now})};
    FakeNotebook& n = busy(rig, "demo");
    rig.vault->failing = Error{Errc::unavailable, Retry::later(), "the disk is away", "home"};
    rig.begin();
    rig.scheduler.run_for(minutes{60});
    REQUIRE(rig.world.stop_calls.size() == 1);
    const Enforcement* e = rig.enforcement_of(n.resource.run.id);
    REQUIRE(e != nullptr);
    REQUIRE(e->override_);
    CHECK(e->override_->by == "budget team");
    CHECK_FALSE(e->receipt);
    const auto at = [&](std::string_view kind) {
        const auto row = std::ranges::find(rig.store.audits, kind, &AuditRow::kind);
        REQUIRE(row != rig.store.audits.end());
        return row->at;
    };
    CHECK(at("enforcement.due") - at("enforcement.warned") >= minutes{1});
    CHECK(at("enforcement.due") - at("enforcement.warned") <= minutes{3});
    CHECK(at("stop.called") - at("enforcement.due") >= minutes{4});
    CHECK(at("stop.called") - at("enforcement.due") <= minutes{5});
    CHECK(rig.told(AlertKind::pack_failed) >= 1);
    CHECK(spent_of(rig) <= Money{50 * cent});
    rig.check_intents();
}

TEST_CASE("a run whose end is being asked for costs others no more than it was seen to, and burns nothing") {
    Rig rig;
    rig.config->budgets = {budget(100'000)};
    FakeNotebook& n = busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(minutes{10});
    rig.world.list_fails = Error{Errc::unavailable, Retry::later(), "down", "provider"};
    rig.scheduler.run_for(minutes{10});
    rig.world.start(n);  // another run took its place
    rig.scheduler.run_for(hours{5});
    rig.world.list_fails.reset();
    std::vector<BudgetSpend> meanwhile;
    rig.world.on_end_asked = [&] {
        // As the poll of another account would see it just now: what is open, without any row.
        Treasurer treasurer(rig.life->world.picture);
        Batch batch;
        treasurer.judge(*rig.config, {}, rig.scheduler.now(), batch);
        meanwhile.push_back(live(rig).spend);
    };
    rig.scheduler.run_for(minutes{30});
    REQUIRE(meanwhile.size() == 1);
    CHECK(meanwhile[0].spent <= Money{2 * 76 * cent});  // two open hours
    CHECK(meanwhile[0].burn_per_hour == Money{76 * cent});
}

TEST_CASE("a pack that needs a person, whoever waits for it, does not hold up a budget that stops now") {
    Rig rig;
    Threshold now{100, ThresholdAction::stop_now};
    now.pack_within = minutes{4};
    Budget lab = budget(150, {now});
    lab.name = BudgetName{"lab"};
    rig.config->budgets = {lab};
    const std::string who = GENERATE("idle", "team", "ana");
    if (who != "idle") {
        rig.config->rules.clear();
    }
    if (who == "team") {
        rig.config->budgets = {budget(50), lab};
    }
    FakeNotebook& n = who == "idle" ? rig.world.add("demo") : busy(rig, "demo");
    rig.vault->failing = Error{Errc::conflict, Retry::never(), "its key is wrong", "home"};
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    if (who == "ana") {
        StopOptions options;
        options.accepted_risks = {"kills-busy-kernel"};
        REQUIRE(rig.life->await(rig.life->daemon.stop(n.resource.id, options, who)));
    }
    rig.scheduler.run_for(minutes{95});
    REQUIRE(rig.enforcement_of(n.resource.run.id));
    CHECK(rig.enforcement_of(n.resource.run.id)->state == EnforcementState::held);
    CHECK(rig.enforcement_of(n.resource.run.id)->cause.name == who);
    CHECK(rig.world.stop_calls.empty());
    SECTION("it is stopped in time, after a warning in the name of that budget") {
        rig.scheduler.run_for(minutes{20});
        CHECK(rig.world.stop_calls.size() == 1);
        CHECK(spent_of(rig) <= Money{150 * cent});
        const auto stopped = std::ranges::find_if(
            rig.store.enforcements, [](const auto& entry) { return entry.second.stop_attempts > 0; });
        REQUIRE(stopped != rig.store.enforcements.end());
        const Enforcement& e = stopped->second;
        CHECK(e.cause == Cause{CauseKind::budget, "lab"});
        REQUIRE(e.override_);
        CHECK(e.override_->by == "budget lab");
        CHECK(e.notice_at.has_value());
        rig.check_intents();
    }
    SECTION("not where that budget only warns") {
        rig.config->budgets.back().mode = Mode::warn;
        rig.restart(minutes{1});
        rig.scheduler.run_for(hours{2});
        CHECK(rig.world.stop_calls.empty());
    }
}

TEST_CASE("a rule's stop does not go on for a budget that asks besides: that one warns for itself") {
    Rig rig;
    rig.config->budgets = {budget(150)};
    FakeNotebook& n = rig.world.add("demo");
    rig.vault->failing = Error{Errc::unavailable, Retry::later(), "the disk is away", "home"};
    rig.outside.assemble = [&]() -> Result<Parts> { return rig.parts(); };
    rig.begin();
    while (rig.enforcement_of(n.resource.run.id) == nullptr ||
           !rig.enforcement_of(n.resource.run.id)->at_pack()) {
        rig.scheduler.run_for(minutes{1});
    }
    REQUIRE(rig.enforcement_of(n.resource.run.id)->cause.kind == CauseKind::idle);
    while (spent_of(rig) < Money{150 * cent}) {
        rig.scheduler.run_for(minutes{1});
    }
    REQUIRE(rig.enforcement_of(n.resource.run.id)->cause.kind == CauseKind::idle);
    rig.config = std::make_shared<Config>(*rig.config);
    rig.config->rules.front().mode = Mode::warn;
    REQUIRE(rig.life->await(rig.life->daemon.reload("ana")));
    rig.vault->failing.reset();
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls.size() == 1);
    const auto stopped = std::ranges::find_if(
        rig.store.enforcements, [](const auto& entry) { return entry.second.stop_attempts > 0; });
    REQUIRE(stopped != rig.store.enforcements.end());
    CHECK(stopped->second.cause == Cause{CauseKind::budget, "team"});
    CHECK(stopped->second.notice_at.has_value());
}

TEST_CASE("a plain stop waits for its pack for ever, whatever that costs; the overshoot is recorded") {
    Rig rig;
    rig.config->budgets = {budget(50)};
    busy(rig, "demo");
    rig.vault->failing = Error{Errc::unavailable, Retry::later(), "the disk is away", "home"};
    rig.begin();
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.store.audited("budget.overshoot") == 0);  // it is not over yet
    rig.world.end(rig.world.notebooks.at("demo"));
    rig.scheduler.run_for(minutes{5});
    REQUIRE(rig.store.audited("budget.overshoot") == 1);
    rig.restart(minutes{1});
    rig.scheduler.run_for(hours{24 * 9});
    CHECK(rig.store.audited("budget.overshoot") == 1);
}

TEST_CASE("idle ones are warned and stopped before what works, then the costliest") {
    Rig rig;
    rig.config->rules.clear();
    rig.config->budgets = {budget(100)};
    const RunId works = busy(rig, "a-works").resource.run.id;
    const RunId quiet = rig.world.add("z-quiet").resource.run.id;
    rig.begin();
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls == std::vector{quiet, works});
}

TEST_CASE("set at run time: in force at once, over a restart and a reload, until it is removed") {
    Rig rig;
    rig.config->budgets = {budget(100'00)};
    rig.config->budgets[0].origin = "/etc/curfew/curfew.toml:14:1";
    FakeNotebook& n = busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(hours{2});
    const auto set = [&](const std::string& document) {
        return rig.life->await(rig.life->daemon.set_budget(document, "ana"));
    };
    CHECK(set("nonsense").error().code == Errc::invalid);
    const auto made = set("mine 2.00");
    REQUIRE(made);
    CHECK(made->origin.starts_with("set by ana at 2026-11-23T"));
    rig.scheduler.run_for(minutes{2});
    // What its period has cost so far counts.
    CHECK(live(rig, "mine").spend.spent > Money{150 * cent});
    CHECK(live(rig, "mine").fired == std::vector<std::string>{"50% accrued notify at 1.00"});
    rig.restart(seconds{30});
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.world.stop_calls == std::vector{n.resource.run.id});
    CHECK(rig.store.audited("budget.set") == 1);
    // Over one of the configuration, and back.
    REQUIRE(set("team 500.00"));
    CHECK(rig.life->world.config->budgets.at(0).amount == Money{500 * nanos_per_unit});
    const auto remove = [&](const std::string& name) {
        return rig.life->await(rig.life->daemon.remove_budget(BudgetName{name}, "ana"));
    };
    REQUIRE(remove("team"));
    CHECK(rig.life->world.config->budgets.at(0).amount == Money{100 * nanos_per_unit});
    const auto refused = remove("team");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::conflict);
    CHECK(refused.error().text.find("/etc/curfew/curfew.toml:14:1") != std::string::npos);
    CHECK(remove("none").error().code == Errc::not_found);
    REQUIRE(remove("mine"));
    CHECK(rig.store.audited("budget.removed") == 2);
    rig.restart(seconds{30});
    CHECK(rig.life->world.config->budgets.size() == 1);
    CHECK_FALSE(rig.life->world.picture.budgets.contains(BudgetName{"mine"}));
    // Nothing counts that is not on disk.
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    CHECK_FALSE(set("mine 2.00"));
    rig.store.failing.reset();
    CHECK(rig.life->world.config->budgets.size() == 1);
}

TEST_CASE("an account that was seen long ago, before its host slept, is not seen") {
    Rig rig;
    rig.config->budgets = {budget(100'00)};
    busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(hours{1});
    Treasurer treasurer(rig.life->world.picture);
    REQUIRE(rig.life->await(treasurer.reload(rig.store, rig.config, rig.scheduler.now())));
    const auto seen_after = [&](Duration d) {
        const Now now = rig.scheduler.now();
        Batch batch;
        treasurer.judge(*rig.config, {}, {.mono = now.mono + d, .wall = now.wall + d}, batch);
        return live(rig).spend.seen;
    };
    CHECK(seen_after(minutes{1}));
    CHECK_FALSE(seen_after(hours{13}));
}

TEST_CASE("a sum that was only read is not all: what runs is not in it until the next look") {
    for (const PeriodKind kind : {PeriodKind::month, PeriodKind::rolling, PeriodKind::run}) {
        CAPTURE(static_cast<int>(kind));
        Rig rig;
        Budget b = budget(100'00);
        b.period = {.kind = kind, .length = hours{24}};
        rig.config->budgets = {b};
        busy(rig, "demo");
        rig.begin();
        rig.scheduler.run_for(hours{2});
        REQUIRE(live(rig).spend.complete());
        Treasurer treasurer(rig.life->world.picture);
        REQUIRE(rig.life->await(treasurer.reload(rig.store, rig.config, rig.scheduler.now())));
        CHECK_FALSE(live(rig).spend.complete());
        if (kind != PeriodKind::run) {
            CHECK(live(rig).spend.spent == spent_of(rig));
        }
        rig.scheduler.run_for(minutes{2});
        CHECK(live(rig).spend.complete());
    }
}

TEST_CASE("a larger amount in mid-period frees what it stopped, and tells anew when that is spent") {
    Rig rig;
    FakeNotebook& n = busy(rig, "demo");
    rig.begin();
    REQUIRE(rig.life->await(rig.life->daemon.set_budget("mine 1.00", "ana")));
    rig.scheduler.run_for(hours{2});
    REQUIRE(rig.world.stop_calls.size() == 1);
    const auto told = threshold_mails(rig).size();
    const bool blind = GENERATE(false, true);  // just then nobody can tell what is spent
    if (blind) {
        rig.world.list_fails = Error{Errc::unavailable, Retry::later(), "503", "api"};
        rig.scheduler.run_for(minutes{5});
    }
    REQUIRE(rig.life->await(rig.life->daemon.set_budget("mine 4.00", "ana")));
    if (blind) {
        rig.scheduler.run_for(minutes{5});
        CHECK(live(rig, "mine").fired.size() == 4);
        rig.world.list_fails.reset();
    }
    rig.world.start(n);
    rig.scheduler.run_for(minutes{50});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(live(rig, "mine").fired ==
          std::vector<std::string>{"100% accrued stop at 1.00", "50% accrued notify at 0.50"});
    rig.restart(seconds{30});
    rig.scheduler.run_for(hours{4});
    CHECK(rig.world.stop_calls.size() == 2);
    CHECK(threshold_mails(rig).size() == told + 2);
    CHECK(spent_of(rig) <= Money{4 * nanos_per_unit});
}

TEST_CASE("an edit that the configuration does not take any more is not in force, and that is said") {
    Rig rig;
    rig.store.edits[BudgetName{"old"}] = {
        .budget = BudgetName{"old"}, .document = "unreadable", .by = "ana", .at = rig.scheduler.wall()};
    rig.begin();
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.life->world.config->budgets.empty());
    CHECK(rig.told(AlertKind::config) == 1);
    rig.restart(minutes{1});
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.told(AlertKind::config) == 1);
    REQUIRE(rig.life->await(rig.life->daemon.remove_budget(BudgetName{"old"}, "ana")));
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.told(AlertKind::config) == 2);
    CHECK(std::ranges::all_of(rig.store.alert_rows,
                              [](const auto& entry) { return entry.second.state == AlertState::resolved; }));
}

TEST_CASE("an account that cannot be seen makes its budgets incomplete, and clears nothing") {
    Rig rig;
    rig.config->budgets = {budget(100)};
    busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(hours{1});
    CHECK(live(rig).spend.complete());
    REQUIRE(live(rig).fired.size() == 1);
    rig.world.list_fails = Error{Errc::unavailable, Retry::later(), "503", "api"};
    rig.scheduler.run_for(minutes{10});
    CHECK_FALSE(live(rig).spend.complete());
    CHECK(live(rig).fired.size() == 1);
    rig.world.list_fails.reset();
    rig.scheduler.run_for(minutes{10});
    CHECK(live(rig).spend.complete());
}

TEST_CASE("a wall clock that is set back over the end of a period loses no sum and no threshold") {
    Rig rig;
    Budget b = budget(200, {{50, ThresholdAction::notify}});
    b.period.kind = PeriodKind::day;
    rig.config->budgets = {b};
    busy(rig, "demo");
    rig.begin();  // 02:10
    rig.scheduler.run_for(hours{21} + minutes{45});
    REQUIRE(live(rig).fired.size() == 1);
    const Money day = live(rig).spend.spent;
    rig.scheduler.run_for(minutes{10});
    CHECK(live(rig).period.id == "2026-11-24@UTC");
    CHECK(live(rig).fired.empty());
    rig.scheduler.step_wall(-minutes{20});
    rig.scheduler.run_for(minutes{3});
    CHECK(live(rig).period.id == "2026-11-23@UTC");
    CHECK(live(rig).spend.spent >= day - Money{20 * cent});
    CHECK(live(rig).fired.size() == 1);
    CHECK(threshold_mails(rig).size() == 1);
    rig.scheduler.run_for(minutes{30});
    CHECK(live(rig).period.id == "2026-11-24@UTC");
    CHECK(threshold_mails(rig).size() == 1);
}

TEST_CASE("what ended in a period that our clock had not reached counts in it") {
    Rig rig;
    Budget b = budget(400, {{30, ThresholdAction::notify}});
    b.period.kind = PeriodKind::day;
    rig.config->budgets = {b};
    rig.world.provider_ahead = seconds{50};  // too little to doubt ours
    FakeNotebook& n = busy(rig, "demo");
    rig.begin();  // 02:10
    rig.scheduler.run_for(hours{21} + minutes{49} + seconds{40});
    const WallTime midnight{rig.scheduler.wall().ms / 60'000 * 60'000 + 60'000};
    n.resource.run.started_at = midnight - hours{2};
    rig.world.end(n);
    n.resource.run.ended_at = midnight + seconds{30};
    rig.scheduler.run_for(seconds{12});
    SECTION("read anew from the store meanwhile") {
        rig.restart(seconds{1});
    }
    SECTION("without a restart") {}
    rig.scheduler.run_for(minutes{5});
    CHECK(live(rig).period.id == "2026-11-24@UTC");
    CHECK(live(rig).spend.spent == cost_of(Rate{Money{76 * cent}}, seconds{30}).value());
    CHECK(live(rig).fired.empty());
}

TEST_CASE(
    "what runs is counted while our clock is behind as well, and no more of it once that is set right") {
    Rig rig;
    Budget b = budget(200, {{50, ThresholdAction::notify}, {100, ThresholdAction::notify}});
    const auto kind = GENERATE(PeriodKind::month, PeriodKind::run);
    b.period.kind = kind;
    rig.config->budgets = {b};
    rig.world.provider_ahead = hours{5};
    rig.begin();
    FakeNotebook& n = busy(rig, "demo");
    n.resource.run.started_at = rig.scheduler.wall() + hours{5};
    rig.scheduler.run_for(hours{1} + minutes{30});
    CHECK(live(rig).spend.spent >= Money{110 * cent});
    CHECK(live(rig).spend.spent <= Money{114 * cent});
    CHECK(live(rig).fired.size() == 1);
    rig.scheduler.step_wall(hours{5});
    rig.world.provider_ahead = Duration{0};
    rig.world.list_fails = Error{Errc::unavailable, Retry::later(), "down", "provider"};
    rig.scheduler.run_for(minutes{10});
    rig.world.list_fails.reset();
    rig.scheduler.run_for(minutes{10});
    CHECK(live(rig).spend.spent <= Money{140 * cent});
    CHECK(live(rig).fired.size() == 1);
}

TEST_CASE("a budget goes by the provider's day where our clock is wrong by hours") {
    Rig rig;
    Budget b = budget(400, {{50, ThresholdAction::notify}});
    b.period.kind = PeriodKind::day;
    rig.config->budgets = {b};
    const Duration ahead = GENERATE(hours{12}, -hours{12});
    rig.world.provider_ahead = ahead;
    rig.scheduler.step_wall(hours{12});  // 14:10
    FakeNotebook& n = busy(rig, "demo");
    n.resource.run.started_at = rig.scheduler.wall() + ahead;
    rig.begin();
    const std::string today = ahead > Duration{0} ? "2026-11-24@UTC" : "2026-11-23@UTC";
    rig.scheduler.run_for(hours{3});
    CHECK(live(rig).period.id == today);
    CHECK(live(rig).fired.size() == 1);
    rig.restart(minutes{1});
    rig.scheduler.run_for(minutes{5});
    CHECK(live(rig).period.id == today);
    Money shown = spent_of(rig);  // as `curfew spend` reckons
    for (const LedgerRow& open : open_rows(rig.life->world.picture, rig.scheduler.now())) {
        shown += open.row.gross;
    }
    CHECK(shown >= live(rig).spend.spent);
    CHECK(shown <= live(rig).spend.spent + Money{2 * cent});
    CHECK(live(rig).fired.size() == 1);
    CHECK(threshold_mails(rig).size() == 1);
    rig.scheduler.run_for(hours{20});
    CHECK(live(rig).period.id == (ahead > Duration{0} ? "2026-11-25@UTC" : "2026-11-24@UTC"));
    CHECK(live(rig).spend.spent > Money{80 * cent});
    CHECK(live(rig).spend.spent < Money{110 * cent});
}

TEST_CASE("what runs costs no more while our clock is ahead of the provider's") {
    Rig rig;
    Budget b = budget(200, {{50, ThresholdAction::warn}, {100, ThresholdAction::stop}});
    b.period.kind = GENERATE(PeriodKind::total, PeriodKind::run, PeriodKind::day, PeriodKind::rolling);
    b.period.length = hours{7};
    rig.config->budgets = {b};
    rig.world.provider_ahead = -hours{8};
    rig.begin();
    FakeNotebook& n = busy(rig, "demo");
    const bool stamped = b.period.kind == PeriodKind::day || GENERATE(true, false);
    n.resource.run.started_at = stamped ? std::optional{rig.scheduler.wall() - hours{8}} : std::nullopt;
    rig.scheduler.run_for(hours{1});
    CHECK(live(rig).spend.spent >= Money{73 * cent});
    CHECK(live(rig).spend.spent <= Money{78 * cent});
    if (stamped) {  // nor before the first list after a restart
        rig.world.list_fails = Error{Errc::unavailable, Retry::later(), "503", "api"};
        rig.restart(seconds{30});
        rig.scheduler.run_for(minutes{5});
        rig.world.list_fails.reset();
        rig.scheduler.run_for(minutes{5});
    }
    CHECK(live(rig).fired.empty());
    CHECK(rig.world.stop_calls.empty());
}

TEST_CASE("a forecast and a reported figure are judged once somebody has them") {
    Rig rig;
    Threshold forecast{80, ThresholdAction::warn};
    forecast.basis = Basis::forecast;
    Threshold reported{90, ThresholdAction::warn};
    reported.basis = Basis::reported;
    rig.config->budgets = {budget(1000, {forecast, reported})};
    busy(rig, "demo");
    rig.begin();
    rig.scheduler.run_for(hours{1});
    CHECK(threshold_mails(rig).empty());
    LiveBudget& known = rig.life->world.picture.budgets.at(BudgetName{"team"});
    known.forecast = Money{8 * nanos_per_unit};
    known.reported = Money{899 * cent};
    rig.scheduler.run_for(minutes{2});
    REQUIRE(threshold_mails(rig).size() == 1);
    CHECK(threshold_mails(rig)[0].title.find("80 % (forecast) reached") != std::string::npos);
    known.forecast.reset();
    known.reported = Money{900 * cent};
    rig.scheduler.run_for(minutes{2});
    CHECK(threshold_mails(rig).size() == 2);
    CHECK(live(rig).fired.size() == 2);
}
