// The judge on I6 and I7: what things cost, and budgets.
#include "curfew/core/period.hpp"
#include "simulation/history.hpp"
#include "simulation/judge_model.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

TEST_CASE("I6: the ledger is what it cost") {
    History s;
    s.use();
    s.begin();
    s.pass(minutes{90});
    s.judge.run_ended(run, "user", s.at());
    SECTION("to the nano") {
        s.close({s.row(0, 60, 510'000'000), s.row(60, 90, 255'000'000)});
        CHECK(s.all().empty());
    }
    SECTION("half an hour is missing") {
        s.close({s.row(0, 60, 510'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("… and its error bar says so") {
        CostRow last = s.row(60, 61, 8'500'000);
        last.estimated = true;
        last.error_bar = minutes{29};
        s.close({s.row(0, 60, 510'000'000), last});
        CHECK(s.all().empty());
    }
    SECTION("a gap") {
        s.close({s.row(0, 60, 510'000'000), s.row(61, 90, 246'500'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("an overlap") {
        s.close({s.row(0, 60, 510'000'000), s.row(59, 60, 8'500'000), s.row(60, 90, 255'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a row of more than an hour") {
        s.close({s.row(0, 90, 765'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a row cut within the hour") {
        s.close({s.row(0, 20, 170'000'000), s.row(20, 60, 340'000'000), s.row(60, 90, 255'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a nano too much in a row") {
        s.close({s.row(0, 60, 510'000'001), s.row(60, 90, 255'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a row that changed") {
        s.judge.committed({s.row(0, 60, 510'000'000)}, s.at());
        CostRow other = s.row(0, 60, 600'000'000);
        other.rate = Rate{Money{600'000'000}};
        s.judge.committed({other}, s.at());
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I6: what was given back may be counted again, and nothing else") {
    History s;
    s.use();
    s.begin();
    s.pass(hours{2});
    s.judge.run_ended(run, "user", s.at());
    const std::vector<CostRow> first{s.row(0, 60, 510'000'000), s.row(60, 120, 510'000'000)};
    s.judge.committed({first[0], first[1]}, s.at());
    std::vector<CostRow> all = first;
    const bool given_back = GENERATE(false, true);
    if (given_back) {  // a clock that was ahead
        CostRow back = s.row(90, 120, -255'000'000);
        back.source = CostSource::adjustment;
        s.judge.committed({back}, s.at());
        all.push_back(back);
    }
    s.judge.committed({s.row(90, 120, 255'000'000)}, s.at());
    all.push_back(s.row(90, 120, 255'000'000));
    s.close(all);
    CHECK(s.breaks("I6") == !given_back);
}

TEST_CASE("I6: a price that changes counts from then on") {
    History s;
    s.use();
    s.begin();
    s.pass(minutes{20});
    const auto bill = [&](std::int64_t dearer_from) {
        s.pass(minutes{40});
        s.judge.run_ended(run, "user", s.at());
        CostRow cheap = s.row(0, dearer_from, dearer_from * 8'500'000);
        CostRow dear = s.row(dearer_from, 60, (60 - dearer_from) * 17'000'000);
        dear.rate = Rate{Money{1'020'000'000}};
        s.close({cheap, dear});
    };
    SECTION("announced, and counted to the minute") {
        s.judge.price_changed(run, Money{1'020'000'000}, true, s.at());
        bill(20);
        CHECK(s.all().empty());
    }
    SECTION("announced, and counted from a minute later") {
        s.judge.price_changed(run, Money{1'020'000'000}, true, s.at());
        bill(21);
        CHECK(s.breaks("I6"));
    }
    SECTION("unannounced, and counted from the next list on") {
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.pass(minutes{2});
        s.judge.listed(account, s.at());
        s.ms -= minutes{2} / Duration{1};
        bill(22);
        CHECK(s.all().empty());
    }
    SECTION("unannounced, of a run that nobody had seen before, and counted from its start on") {
        const bool seen = GENERATE(false, true);
        const Meter meter{
            .resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false};
        if (seen) {
            s.judge.committed({meter}, s.at());
        }
        s.pass(minutes{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.pass(minutes{1});
        s.judge.listed(account, s.at());
        s.judge.committed({meter}, s.at());
        s.pass(minutes{38});
        s.judge.run_ended(run, "user", s.at());
        CostRow dear = s.row(0, 60, 1'020'000'000);
        dear.rate = Rate{Money{1'020'000'000}};
        s.close({dear});
        CHECK(s.breaks("I6") == seen);
    }
    SECTION("unannounced, after the end of a run that is seen only then, or was seen before") {
        const bool seen = GENERATE(false, true);
        const Meter meter{
            .resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false};
        s.pass(minutes{40});
        s.judge.run_ended(run, "user", s.at());
        if (seen) {
            s.judge.committed({meter}, s.at());
        }
        s.pass(minutes{5});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.pass(minutes{1});
        s.judge.committed({meter}, s.at());
        CostRow dear = s.row(0, 60, 1'020'000'000);
        dear.rate = Rate{Money{1'020'000'000}};
        s.close({dear});
        CHECK(s.breaks("I6") == seen);
    }
    SECTION("unannounced, and counted from the second list on: a crash took the first, or none did") {
        const bool crash = GENERATE(true, false);
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.pass(seconds{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.judge.listed(account, s.at());
        s.pass(seconds{10});
        if (crash) {
            s.judge.crashed(s.at());
            s.judge.booted(s.at());
        }
        s.pass(minutes{20} - seconds{11});
        s.judge.listed(account, s.at());
        s.ms -= minutes{20} / Duration{1};
        bill(40);
        CHECK(s.breaks("I6") == !crash);
    }
    SECTION(
        "unannounced, and counted from the second list of a start on: by the first clock it was undated, or "
        "not") {
        const bool ahead = GENERATE(true, false);
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.judge.crashed(s.at());
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.pass(seconds{1});
        s.wall_ahead = ahead ? seconds{5} : Duration{0};
        s.judge.booted(s.at());
        s.use();
        s.judge.listed(account, s.at());
        s.pass(minutes{20} - seconds{1});
        s.judge.listed(account, s.at());
        s.wall_ahead = Duration{0};
        s.ms -= minutes{20} / Duration{1};
        bill(40);
        CHECK(s.breaks("I6") == !ahead);
    }
    SECTION("unannounced, and counted from the second list on: the disk took nothing of the first, or all") {
        const bool disk_full = GENERATE(true, false);
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.polled();
        s.pass(seconds{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.judge.listed(account, s.at());
        if (!disk_full) {
            s.polled();
        }
        s.pass(minutes{20} - seconds{1});
        s.judge.listed(account, s.at());
        s.polled();
        s.ms -= minutes{20} / Duration{1};
        bill(40);
        CHECK(s.breaks("I6") != disk_full);
    }
    SECTION("unannounced, and counted from the hour before on") {
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.pass(seconds{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.pass(minutes{2});
        s.judge.listed(account, s.at());
        s.ms -= minutes{2} / Duration{1};
        bill(10);
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I6: who was moved before anybody saw it may have been billed at each price of its new type") {
    History s;
    s.use();
    const bool seen = GENERATE(false, true);
    const bool changed = GENERATE(false, true);
    s.begin();
    const Meter meter{
        .resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false};
    if (seen) {
        s.judge.committed({meter}, s.at());
    }
    s.pass(minutes{40});
    s.judge.moved(run, Money{255'000'000}, s.at());
    s.pass(minutes{1});
    s.judge.listed(account, s.at());
    s.judge.committed({meter}, s.at());
    s.pass(minutes{19});
    s.judge.run_ended(run, "user", s.at());
    CostRow cheap = s.row(0, 30, 25'500'000);
    cheap.rate = Rate{Money{51'000'000}};
    CostRow rest = s.row(30, 60, changed ? 127'500'000 : 25'500'000);
    rest.rate = Rate{Money{changed ? 255'000'000 : 51'000'000}};
    rest.sku = changed ? rest.sku : "other";  // or it would be cut for no reason
    s.close({cheap, rest});
    CHECK(s.breaks("I6") == (seen || !changed));
}

TEST_CASE("I6: a run that began after its price rose unheard of costs the old one until that is heard") {
    const bool heard_before = GENERATE(false, true);
    History s;
    s.pass(-minutes{2});
    const Moment changed = s.at();
    const auto hear = [&] {
        s.use();
        s.judge.listed(account, s.at());
    };
    if (heard_before) {
        hear();
    }
    s.pass(minutes{2});
    s.begin();
    s.judge.began_at_unheard_price(run, Money{255'000'000}, changed);
    s.pass(minutes{20});
    if (!heard_before) {
        hear();
    }
    s.pass(minutes{40});
    s.judge.run_ended(run, "user", s.at());
    CostRow cheap = s.row(0, 20, 85'000'000);
    cheap.rate = Rate{Money{255'000'000}};
    s.close({cheap, s.row(20, 60, 340'000'000)});
    CHECK(s.breaks("I6") == heard_before);
}

TEST_CASE("I6: what a whole list shows is billed") {
    History s;
    s.use();
    s.polled();
    s.pass(minutes{5});
    s.begin();
    s.judge.listed(account, s.at(), {run});
    const Meter meter{.resource = box,
                      .run = run,
                      .sku = "P4000",
                      .tariff = {},
                      .started = s.at().wall,
                      .counted_to = s.at().wall,
                      .last_seen_billing = s.at().wall};
    SECTION("with the poll that showed it") {
        s.judge.committed({meter}, s.at());
        s.polled();
        CHECK(s.all().empty());
    }
    SECTION("a crash may come first") {
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
        s.polled();
        CHECK(s.all().empty());
    }
    SECTION("not at all") {
        s.polled();
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I7: a threshold fires when the figure is reached") {
    History s;
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = Money{1'020'000'000};  // two hours
    budget.period.kind = PeriodKind::total;
    budget.thresholds = {{.percent = 50, .action = ThresholdAction::notify}};
    s.config.budgets = {budget};
    s.use();
    s.begin();
    const auto spends = [&](std::int64_t hours_of_it) {
        for (std::int64_t h = 0; h < hours_of_it; ++h) {
            s.judge.committed({s.row(h * 60, h * 60 + 60, 510'000'000)}, s.at());
        }
    };
    const auto polls = [&](Duration d) {
        for (Duration gone{0}; gone < d; gone += minutes{5}) {
            s.pass(minutes{5});
            s.judge.committed(
                {AccountPollRow{.account = account, .mono = {}, .wall = {}, .complete = true, .error = {}}},
                s.at());
        }
    };
    const auto fires = [&] { s.fires(budget.name, "total", budget.thresholds.front().key(budget.amount)); };
    s.pass(hours{2});
    SECTION("half of it is spent, and it fires") {
        spends(1);
        fires();
        polls(hours{3});
        CHECK(s.all().empty());
    }
    SECTION("less is spent, and it does not fire") {
        polls(hours{3});
        CHECK(s.all().empty());
    }
    SECTION("… and it fires") {
        fires();
        s.judge.ended({}, s.at());
        CHECK(s.breaks("I7"));
    }
    SECTION("half of it is spent, and what another account cost is stored a moment later") {
        fires();
        s.pass(seconds{20});
        spends(1);
        s.judge.ended({}, s.at());
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("half of it is spent by the provider's stamps, which lie ahead of a clock that was set back") {
        s.wall_ahead = -hours{2};
        spends(1);
        fires();
        s.judge.ended({}, s.at());
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("… and what is spent later by every clock does not bear it out") {
        s.wall_ahead = -hours{2};
        fires();
        s.judge.committed({s.row(120, 180, 510'000'000)}, s.at());
        s.judge.ended({}, s.at());
        CHECK(s.breaks("I7"));
    }
    SECTION("what another account cost, as was known, died with the process before it was stored") {
        if (GENERATE(true, false)) {
            s.config.accounts.emplace_back().name = AccountName{"other"};
            s.use();
            fires();
            s.judge.crashed(s.at());
            s.judge.ended({}, s.at());
            CHECK_FALSE(s.breaks("I7"));
        } else {  // there is no other
            fires();
            s.judge.crashed(s.at());
            s.judge.ended({}, s.at());
            CHECK(s.breaks("I7"));
        }
    }
    SECTION("all of it is spent, and it does not fire") {
        spends(2);
        polls(hours{3});
        CHECK(s.breaks("I7"));
    }
}

TEST_CASE("I7: a hard budget is exceeded by no more than what a stop takes") {
    History s;
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = Money{1'020'000'000};  // two hours
    budget.period.kind = PeriodKind::total;
    budget.mode = Mode::enforce;
    budget.thresholds = {{.percent = 100, .action = ThresholdAction::stop_now}};
    const auto packs_for = [&](const std::string& name, EnforcementState state) {
        s.e.cause = {name == "night" ? CauseKind::idle : CauseKind::budget, name};
        s.store(EnforcementState::warned);
        s.store(EnforcementState::due);
        s.store(EnforcementState::packing);
        if (state != EnforcementState::packing) {
            s.store(state);
        }
    };
    const auto begin = [&](ThresholdAction action) {
        budget.thresholds.front().action = action;
        s.config.budgets = {budget};
        s.use();
        s.begin();
    };
    bool disk_full = false;
    bool over_at_last = false;
    const auto until = [&](Duration end) {
        while (Duration{s.ms} < end) {
            s.judge.listed(account, s.at());
            if (!disk_full) {
                s.polled();
            }
            s.pass(minutes{1});
        }
        if (over_at_last) {
            s.store(EnforcementState::over);
        }
        s.judge.run_ended(run, "user", s.at());
        std::vector<CostRow> rows;
        for (std::int64_t m = 0; m < end / minutes{1}; m += 60) {
            rows.push_back(s.row(m, m + 60, 510'000'000));
        }
        s.close(rows);
    };
    SECTION("off in time") {
        begin(ThresholdAction::stop_now);
        until(hours{2});
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("hours later") {
        begin(ThresholdAction::stop_now);
        until(hours{5});
        CHECK(s.breaks("I7"));
    }
    SECTION("hours later, and the disk took nothing until then") {
        disk_full = true;
        begin(ThresholdAction::stop_now);
        until(hours{5});
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("a day by a clock that is ahead ends before its time") {
        const bool ahead = GENERATE(false, true);
        budget.period.kind = PeriodKind::day;
        budget.amount = Money{4'080'000'000};  // eight hours, of the ten that are left of the day
        s.wall_ahead = ahead ? minutes{150} : minutes{0};
        begin(ThresholdAction::stop_now);
        until(hours{10});
        CHECK(s.breaks("I7") != ahead);
    }
    SECTION("a plain stop waits for its pack, also where another budget or a rule was first") {
        begin(ThresholdAction::stop);
        packs_for(GENERATE("team", "other", "night"), EnforcementState::held);
        until(hours{5});
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("… which a restart long before its end does not end") {
        begin(ThresholdAction::stop);
        packs_for("team", EnforcementState::held);
        s.pass(minutes{1});
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
        over_at_last = true;
        until(hours{5});
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("… but for no pack of an enforcement that is over") {
        begin(ThresholdAction::stop);
        packs_for(GENERATE("team", "other", "night"), EnforcementState::over);
        until(hours{5});
        CHECK(s.breaks("I7"));
    }
    SECTION("one that stops now waits for nobody's pack") {
        begin(ThresholdAction::stop_now);
        packs_for(GENERATE("other", "night"), EnforcementState::held);
        until(hours{5});
        CHECK(s.breaks("I7"));
    }
}

TEST_CASE("I7: a threshold fires once in a period") {
    History s;
    s.use();
    const FiredThresholdRow row{.budget = BudgetName{"team"}, .period = "total", .key = "80 %", .at = {}};
    s.fires(row.budget, row.period, row.key);
    CHECK(s.all().empty());
    s.fires(row.budget, row.period, row.key);
    CHECK(s.breaks("I7"));
}

TEST_CASE("I7: in a window that rolls a threshold fires again once the spend came down") {
    History s;
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = Money{1'000'000'000};
    budget.period = {.kind = PeriodKind::rolling, .length = hours{6}};
    budget.thresholds = {{.percent = 80, .action = ThresholdAction::warn}};
    s.config.budgets = {budget};
    s.use();
    s.begin();
    const std::string key = "80% accrued warn at 0.80";
    const auto fires = [&](const std::string& words) { s.fires(budget.name, "rolling:6h", words); };
    const auto told = [&] {
        OutboxRow row = s.message(AlertKind::budget_threshold);
        row.message.key = "budget/team/rolling:6h/" + key;
        row.message.telling = Telling::firing;
        s.judge.committed({row}, s.at());
        row.seq = s.messages;
        return row;
    };
    Judge::End end;
    s.pass(hours{2});
    s.judge.committed({s.row(0, 60, 510'000'000), s.row(60, 120, 510'000'000)}, s.at());
    fires(key);
    end.outbox.push_back(told());
    REQUIRE(s.all().empty());
    SECTION("as it may") {
        s.pass(hours{5});
        fires(key + " armed");
        s.pass(hours{1});
        s.judge.committed({s.row(360, 420, 510'000'000), s.row(420, 480, 510'000'000)}, s.at());
        fires(key + " #2");
        end.outbox.push_back(told());
        s.judge.ended(end, s.at());
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("told again, and it did not fire again") {
        s.pass(hours{5});
        fires(key + " armed");
        end.outbox.push_back(told());
        s.judge.ended(end, s.at());
        CHECK(s.breaks("I7"));
    }
    SECTION("not armed in between") {
        fires(key + " #2");
        CHECK(s.breaks("I7"));
    }
    SECTION("armed with the first hour gone, and too much still in the window") {
        s.judge.committed({Meter{.resource = box,
                                 .run = run,
                                 .tariff = {.rate = Rate{Money{60'000'000}}, .monthly_cap = {}},
                                 .started = midnight + hours{2},
                                 .counted_to = midnight + hours{2},
                                 .last_seen_billing = midnight + hours{2}}},
                          s.at());
        s.pass(hours{5});
        fires(key + " armed");
        s.judge.ended({}, s.at());
        CHECK(s.breaks("I7"));
    }
    SECTION("armed in a period of the calendar") {
        s.config.budgets.front().period.kind = PeriodKind::day;
        s.use();
        fires(key + " armed");
        CHECK(s.breaks("I7"));
    }
}

TEST_CASE("I6: an end that the provider tells is billed to the millisecond") {
    History s;
    s.use();
    s.judge.reports_ends(account);
    s.polled();
    s.begin();
    s.pass(hours{1});
    s.judge.run_ended(run, "user", s.at());
    s.pass(minutes{2});
    const auto closes = [&](bool estimated) {
        CostRow last = s.row(0, 60, 510'000'000);
        last.estimated = estimated;
        last.error_bar = estimated ? minutes{5} : minutes{0};
        s.judge.committed(
            {last,
             Meter{.resource = box, .run = run, .started = midnight, .counted_to = last.to, .open = false},
             AccountPollRow{.account = account,
                            .mono = s.at().mono,
                            .wall = s.at().wall,
                            .complete = true,
                            .error = {}}},
            s.at());
    };
    SECTION("told, and billed so") {
        s.judge.end_asked(run, true);
        closes(false);
        CHECK(s.all().empty());
    }
    SECTION("told, and estimated") {
        s.judge.end_asked(run, true);
        closes(true);
        CHECK(s.breaks("I6"));
    }
    SECTION("told to a life that wrote nothing of it, and asked again in vain") {
        s.judge.end_asked(run, true);
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
        s.judge.end_asked(run, false);
        closes(true);
        CHECK(s.all().empty());
    }
    SECTION("never asked for") {
        closes(true);
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I6: between two stamps a clock that is wrong is no excuse") {
    const bool estimated = GENERATE(true, false);
    History s;
    s.wall_ahead = hours{2};
    s.use();
    s.begin();
    s.pass(hours{1});
    s.judge.run_ended(run, "user", s.at());
    CostRow late = s.row(60, 120, 510'000'000);
    late.estimated = estimated;
    s.close({s.row(0, 60, 510'000'000), late});
    CHECK(s.breaks("I6") != estimated);
}

TEST_CASE("I7: a threshold that fires is told") {
    const bool alarms = GENERATE(true, false);
    History s;
    s.use();
    s.fires(BudgetName{"team"}, "total", "80% accrued warn at 0.80", alarms);
    CHECK(s.breaks("I7") != alarms);
}

namespace {

/// A budget in a world of one machine at 0.51 an hour, all of whose rows are written, and a poll every five minutes.
struct Budgeted : History {
    Budget budget;
    std::int64_t written = 0;  // hours

    Budgeted(Money amount, PeriodSpec period, Threshold threshold) {
        budget.name = BudgetName{"team"};
        budget.amount = amount;
        budget.period = period;
        budget.thresholds = {threshold};
        budget.mode = Mode::observe;
        config.budgets = {budget};
        use();
        begin();
        note(true);
    }
    void note(bool on) {
        judge.committed({Meter{.resource = box,
                               .run = run,
                               .sku = "P4000",
                               .tariff = {.rate = Rate{Money{510'000'000}}, .monthly_cap = {}},
                               .started = midnight,
                               .counted_to = midnight + hours{written},
                               .open = on}},
                        at());
    }
    void polls(Duration d, bool on = true) {
        for (Duration gone{0}; gone < d; gone += minutes{5}) {
            pass(minutes{5});
            while (on && Duration{ms} >= hours{written + 1}) {
                judge.committed({row(written * 60, written * 60 + 60, 510'000'000)}, at());
                ++written;
                note(true);
            }
            polled();
        }
    }
    std::string key() const { return budget.thresholds.front().key(budget.amount); }
};

}  // namespace

TEST_CASE("I7: in a window that rolls a threshold is armed again") {
    Budgeted s({2'040'000'000}, {.kind = PeriodKind::rolling, .length = hours{6}},
               {.percent = 50, .action = ThresholdAction::notify});
    s.polls(hours{2});
    s.fires(s.budget.name, "rolling:6h", s.key());
    s.note(false);
    s.polls(hours{5}, false);
    CHECK(s.all().empty());
    const bool armed = GENERATE(true, false);
    if (armed) {
        s.fires(s.budget.name, "rolling:6h", s.key() + " armed");
    }
    s.polls(hours{3}, false);
    CHECK(s.breaks("I7") != armed);
}

TEST_CASE("I7: what is not seen arms nothing") {
    Budgeted s({2'040'000'000}, {.kind = PeriodKind::rolling, .length = hours{6}},
               {.percent = 50, .action = ThresholdAction::notify});
    const bool whole = GENERATE(true, false);
    s.polls(hours{2});
    s.fires(s.budget.name, "rolling:6h", s.key());
    s.note(false);
    s.polls(hours{5}, false);
    s.judge.committed(
        {FiredThresholdRow{
             .budget = s.budget.name, .period = "rolling:6h", .key = s.key() + " armed", .at = s.at().wall},
         AccountPollRow{
             .account = account, .mono = s.at().mono, .wall = s.at().wall, .complete = whole, .error = {}}},
        s.at());
    CHECK(s.breaks("I7") != whole);
}

TEST_CASE("I7: what has no price arms nothing that it counts for") {
    Budgeted s({2'040'000'000}, {.kind = PeriodKind::rolling, .length = hours{6}},
               {.percent = 50, .action = ThresholdAction::notify});
    const bool priced = GENERATE(true, false);
    s.polls(hours{2});
    s.fires(s.budget.name, "rolling:6h", s.key());
    s.note(false);
    s.polls(hours{5}, false);
    Meter other{.resource = box, .run = RunId{"r2"}, .sku = "A100"};
    other.tariff.rate = priced ? std::optional{Rate{Money{1}}} : std::nullopt;
    other.counted_to = s.at().utc;
    s.judge.committed(
        {other,
         FiredThresholdRow{
             .budget = s.budget.name, .period = "rolling:6h", .key = s.key() + " armed", .at = s.at().wall},
         AccountPollRow{
             .account = account, .mono = s.at().mono, .wall = s.at().wall, .complete = true, .error = {}}},
        s.at());
    CHECK(s.breaks("I7") != priced);
}

TEST_CASE("I7: a run's own budget counts that run") {
    Budgeted s({1'020'000'000}, {.kind = PeriodKind::run}, {.percent = 100, .action = ThresholdAction::warn});
    SECTION("at its time") {
        s.polls(hours{2});
        s.fires(s.budget.name, "run:" + run.value, s.key());
        s.polls(hours{2});
        s.judge.ended({}, s.at());
        CHECK_FALSE(s.breaks("I7"));
    }
    SECTION("too early") {
        s.polls(hours{1});
        s.fires(s.budget.name, "run:" + run.value, s.key());
        s.judge.ended({}, s.at());
        CHECK(s.breaks("I7"));
    }
    SECTION("never") {
        s.polls(hours{4});
        CHECK(s.breaks("I7"));
    }
}

TEST_CASE("I7: a run counts for a budget of the machine type that it had then") {
    Budgeted s({1'020'000'000}, {.kind = PeriodKind::run}, {.percent = 100, .action = ThresholdAction::warn});
    s.budget.scope.machine_types = {"P4000"};
    s.config.budgets = {s.budget};
    s.use();
    const bool early = GENERATE(false, true);
    s.note(false);  // and that it bills is written down only after it was told
    s.pass(early ? hours{1} : hours{3});
    s.fires(s.budget.name, "run:" + run.value, s.key());
    s.polls(hours{1});
    CostRow after = s.row(s.written * 60, s.written * 60 + 60, 45'000'000);
    after.sku = "C3";
    s.judge.committed({after, Meter{.resource = box,
                                    .run = run,
                                    .sku = "C3",
                                    .tariff = {.rate = Rate{Money{45'000'000}}, .monthly_cap = {}},
                                    .started = midnight,
                                    .counted_to = midnight + hours{s.written + 1}}},
                      s.at());
    s.judge.ended({}, s.at());
    CHECK(s.all().contains("were spent") == early);
}

TEST_CASE("I7: what is on counts by the provider's clock, however far ours is off") {
    Budgeted s({1'020'000'000}, {.kind = PeriodKind::total},
               {.percent = 100, .action = ThresholdAction::warn});
    const bool reached = GENERATE(false, true);
    s.pass(reached ? hours{3} : hours{1});
    s.wall_ahead = reached ? -hours{2} : hours{GENERATE(0, 2)};
    s.fires(s.budget.name, "total", s.key());
    s.judge.ended({}, s.at());
    CHECK(s.breaks("I7") != reached);
}

TEST_CASE("I7: a threshold that stops is ahead of the money") {
    Budgeted s({1'020'000'000}, {.kind = PeriodKind::total},
               {.percent = 100, .action = ThresholdAction::stop});
    s.polls(minutes{100});
    const bool ahead = GENERATE(true, false);
    if (ahead) {
        s.fires(s.budget.name, "total", s.key());
    }
    s.polls(minutes{20});
    CHECK(s.breaks("I7") != ahead);
}

TEST_CASE("I7: what a threshold says was spent is what is known") {
    Budgeted s({1'020'000'000}, {.kind = PeriodKind::total},
               {.percent = 50, .action = ThresholdAction::notify});
    const std::int64_t more = GENERATE(std::int64_t{0}, std::int64_t{5'000'000}, std::int64_t{50'000'000});
    s.polls(minutes{90});
    OutboxRow row = s.message(AlertKind::budget_threshold);
    row.message.key = "budget/team/total/" + s.key();
    row.message.telling = Telling::firing;
    row.message.budget = s.budget.name;
    row.message.cost_so_far = Money{765'000'000 - more};
    s.judge.committed(
        {FiredThresholdRow{.budget = s.budget.name, .period = "total", .key = s.key(), .at = s.at().wall},
         row},
        s.at());
    s.judge.ended({}, s.at());
    CHECK(s.all().contains("nano were spent, and") == (more > 10'000'000));
}

TEST_CASE("I7: a hard budget that was exceeded is on record as such") {
    Budgeted s({1'020'000'000}, {.kind = PeriodKind::run}, {.percent = 100, .action = ThresholdAction::stop});
    bool broken = false;
    s.polls(minutes{90});
    s.fires(s.budget.name, "run:" + run.value, s.key());
    const auto records = [&] { s.fires(s.budget.name, "run:" + run.value, "overshoot"); };
    SECTION("it was not exceeded") {
        s.polls(minutes{30});
        s.note(false);
        s.polls(hours{2}, false);
    }
    SECTION("it was, and nobody says so") {
        s.polls(hours{2});
        s.note(false);
        s.polls(hours{2}, false);
        broken = true;
    }
    SECTION("it was, and that is recorded") {
        s.polls(hours{2});
        s.note(false);
        records();
        s.polls(hours{2}, false);
    }
    SECTION("it is, and goes on") {
        s.polls(hours{4});
    }
    SECTION("it was, and Curfew was not there when the run ended") {
        s.polls(hours{2});
        s.judge.crashed(s.at());
        s.pass(minutes{1});
        s.judge.booted(s.at());
        s.note(false);
        s.polls(hours{2}, false);
    }
    CHECK(s.all().contains("and nothing records it") == broken);
}

TEST_CASE("I7: the calendar of a budget") {
    const PeriodSpec day{.kind = PeriodKind::day};
    const PeriodSpec week{.kind = PeriodKind::week};
    const PeriodSpec month{.kind = PeriodKind::month};
    const WallTime sunday{1'790'546'399'000};  // 27 September 2026, 21:59:59 UTC
    const Zone plus_two{.name = "There", .first_offset = hours{2}, .transitions = {}};
    CHECK(own_period(day, sunday, plus_two).id == "2026-09-27@There");
    CHECK(own_period(day, sunday + seconds{1}, plus_two).id == "2026-09-28@There");
    CHECK(own_period(week, sunday, plus_two).id == "2026-W39@There");
    CHECK(own_period(week, sunday + seconds{1}, plus_two).id == "2026-W40@There");
    CHECK(own_period(month, sunday, plus_two).id == "2026-09@There");
    for (const PeriodSpec& spec : {day, week, month}) {
        for (std::int64_t hour = 0; hour < 24 * 400; hour += 7) {
            const WallTime t = sunday + hours{hour};
            CHECK(own_period(spec, t, plus_two) == period_at(spec, t, plus_two));
        }
    }
}

TEST_CASE("I6: what came and went while its account was known has rows") {
    History s;
    s.use();
    const bool known = GENERATE(false, true);
    const Duration length = GENERATE(Duration{minutes{20}}, Duration{minutes{40}}, Duration{hours{4}});
    if (known) {
        s.polled();
        s.pass(hours{2});
    }
    s.begin();
    s.pass(length);
    s.judge.run_ended(run, "user", s.at());
    s.polled();
    s.pass(hours{7});
    s.judge.ended({}, s.at());
    const bool long_enough = length > (known ? minutes{30} : hours{3});
    CHECK((s.all().find("and there is no row of it") != std::string::npos) == long_enough);
}
