// The judge on I7: budgets and their thresholds.
#include "curfew/core/period.hpp"
#include "simulation/history.hpp"
#include "simulation/judge_model.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

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
    const std::int64_t more = GENERATE(std::int64_t{0}, std::int64_t{5'000'000}, std::int64_t{50'000'000},
                                       std::int64_t{-50'000'000});
    const bool in_part = GENERATE(false, true);
    s.polls(minutes{90});
    OutboxRow row = s.message(AlertKind::budget_threshold);
    row.message.key = "budget/team/total/" + s.key();
    row.message.telling = Telling::firing;
    row.message.budget = s.budget.name;
    row.message.cost_so_far = Money{765'000'000 - more};
    if (in_part) {
        row.message.body.emplace_back("Something has no price or could not be seen, so it may be more.");
    }
    // Half an hour before it was armed under this amount, and the disk took nothing.
    const FiredThresholdRow armed{.budget = s.budget.name,
                                  .period = "total",
                                  .key = s.key() + " #0 armed",
                                  .at = s.at().wall - minutes{30}};
    s.judge.committed(
        {armed,
         FiredThresholdRow{.budget = s.budget.name, .period = "total", .key = s.key(), .at = s.at().wall},
         row},
        s.at());
    s.judge.ended({}, s.at());
    const bool too_little = more > 10'000'000 && !in_part;
    CHECK(s.all().contains("nano were spent, and") == (too_little || more < -10'000'000));
}

TEST_CASE(
    "I7: that a run had ended when a threshold fired is no fault where nobody knew it until the disk took "
    "it") {
    Budgeted s({1'530'000'000}, {.kind = PeriodKind::total},
               {.percent = 50, .action = ThresholdAction::notify});
    s.polls(minutes{60});
    s.pass(minutes{20});
    s.judge.run_ended(run, "user", s.at());
    const bool knew = GENERATE(false, true);
    s.pass(knew ? minutes{50} : minutes{20});
    const WallTime fired_at = s.at().wall;
    s.pass(knew ? Duration{0} : minutes{30});
    OutboxRow row = s.message(AlertKind::budget_threshold);
    row.message.key = "budget/team/total/" + s.key();
    row.message.telling = Telling::firing;
    row.message.budget = s.budget.name;
    row.message.cost_so_far = Money{850'000'000};
    s.judge.committed(
        {FiredThresholdRow{.budget = s.budget.name, .period = "total", .key = s.key(), .at = fired_at}, row,
         s.row(60, 80, 170'000'000),
         Meter{.resource = box,
               .run = run,
               .sku = "P4000",
               .tariff = {.rate = Rate{Money{510'000'000}}, .monthly_cap = {}},
               .started = midnight,
               .counted_to = midnight + minutes{80},
               .open = false}},
        s.at());
    s.judge.ended({}, s.at());
    CHECK(s.all().contains("nano were spent, and") == knew);
    CHECK(s.all().contains("fired in total, and") == knew);
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

TEST_CASE("I7: what fired under another amount stands under this one while nobody is seen") {
    Budgeted s({1'020'000'000}, {.kind = PeriodKind::total},
               {.percent = 50, .action = ThresholdAction::notify});
    s.polls(minutes{65});
    s.fires(s.budget.name, "total", s.key());
    s.config.budgets.front().amount = Money{510'000'000};
    s.use();
    const bool seen = GENERATE(true, false);
    for (int i = 0; i < 48; ++i) {
        s.pass(minutes{5});
        s.judge.committed({AccountPollRow{.account = account,
                                          .mono = s.at().mono,
                                          .wall = s.at().wall,
                                          .complete = true,
                                          .error = seen ? "" : "the key is refused"}},
                          s.at());
    }
    CHECK(s.breaks("I7") == seen);
}
