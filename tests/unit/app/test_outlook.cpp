// What lies ahead: forecasts in the picture, the burn alarm, credits that run out; and the reports on them.
#include "curfew/app/money_reporter.hpp"
#include "support/life.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr Duration day = hours{24};

/// A rig in which nothing is stopped and everybody works.
struct Burning : Rig {
    Burning() {
        config->mode = Mode::observe;
        config->burn = {.factor_percent = 300, .lasting = minutes{30}};
    }
    FakeNotebook& busy(const std::string& name) {
        FakeNotebook& n = world.add(name);
        n.kernel = "busy";
        return n;
    }
    /// Closed hours of the past, of a notebook that was there then.
    void past(int hours_ago, int until_hours_ago, std::int64_t nanos) {
        const std::int64_t hour = scheduler.wall().ms / 3'600'000 * 3'600'000;
        for (int h = hours_ago; h > until_hours_ago; --h) {
            const WallTime from{hour - h * 3'600'000LL};
            store.costs.push_back({.resource = ResourceId{"old"},
                                   .run = RunId{"old-run"},
                                   .from = from,
                                   .to = from + hours{1},
                                   .sku = "A4000",
                                   .rate = Rate{Money{nanos}},
                                   .gross = Money{nanos}});
        }
        const WallTime first{hour - hours_ago * 3'600'000LL};
        store.known.emplace(ResourceId{"old"}, ResourceRow{.id = ResourceId{"old"},
                                                           .account = AccountName{"me"},
                                                           .name = "old",
                                                           .first_seen = first,
                                                           .last_seen = first});
    }
    MoneyReporter& money() {
        if (!reporter_) {
            reporter_.emplace(life->world, life->daemon.prices());
            money_.emplace(life->world, *reporter_, life->daemon.outlook(), life->daemon.prices());
        }
        return *money_;
    }

private:
    std::optional<Reporter> reporter_;
    std::optional<MoneyReporter> money_;
};

}  // namespace

TEST_CASE("money that burns three times as fast as usual is told of after half an hour, once, with names") {
    Burning rig;
    rig.past(24 * 3, 0, 500'000'000);
    rig.busy("one");
    rig.begin();
    rig.scheduler.run_for(hours{2});
    CHECK(rig.told(AlertKind::burn_rate) == 0);  // 0.76 is not three times 0.50
    rig.busy("two");
    rig.busy("three");
    rig.scheduler.run_for(minutes{25});
    CHECK(rig.told(AlertKind::burn_rate) == 0);
    rig.scheduler.run_for(minutes{15});
    REQUIRE(rig.told(AlertKind::burn_rate) == 1);
    const auto told = std::ranges::find(rig.mail->delivered, AlertKind::burn_rate, &Message::kind);
    CHECK(told->title.find("$2.28") != std::string::npos);
    CHECK(told->body.at(0).find("three") != std::string::npos);
    rig.scheduler.run_for(hours{1});
    CHECK(rig.told(AlertKind::burn_rate) == 1);
}

TEST_CASE("without a day of history nothing is usual, and factor 0 asks nobody") {
    Burning rig;
    rig.busy("one");
    rig.busy("two");
    rig.begin();
    rig.scheduler.run_for(hours{3});
    CHECK(rig.told(AlertKind::burn_rate) == 0);

    Burning off;
    off.config->burn.factor_percent = 0;
    off.past(24 * 3, 0, 1'000'000);
    off.busy("one");
    off.begin();
    off.scheduler.run_for(hours{3});
    CHECK(off.told(AlertKind::burn_rate) == 0);
}

TEST_CASE("a credit that lasts less than a day, or ends within a week, is told of once each") {
    Burning rig;
    rig.config->credits = {{.name = "welcome",
                            .amount = Money{10'000'000'000},
                            .accounts = {},
                            .from = rig.scheduler.wall() - day,
                            .until = rig.scheduler.wall() + day * 30}};
    rig.busy("one");
    rig.begin();
    rig.scheduler.run_for(hours{6});
    REQUIRE(rig.told(AlertKind::credit) == 1);  // $10 at $0.76 an hour
    rig.scheduler.run_for(hours{2});
    CHECK(rig.told(AlertKind::credit) == 1);
    const auto report = rig.life->await(rig.money().credits());
    REQUIRE(report);
    REQUIRE(report->report.credits.size() == 1);
    const CreditStanding& standing = report->report.credits[0];
    CHECK(standing.used + standing.left == Money{10'000'000'000});
    CHECK(standing.used > Money{5'900'000'000});
    REQUIRE(report->accounts.size() == 1);
    CHECK(report->accounts[0].burn_per_hour == Money{760'000'000});
    REQUIRE(report->accounts[0].lasts);
    CHECK(*report->accounts[0].lasts < hours{6});
    REQUIRE_FALSE(report->accounts[0].runway.runways.empty());
    CHECK(report->accounts[0].runway.runways[0].machine_type == "A4000");

    Burning ending;
    ending.config->credits = {{.name = "gift",
                               .amount = Money{500'000'000'000},
                               .accounts = {"other"},
                               .from = ending.scheduler.wall() - day,
                               .until = ending.scheduler.wall() + day * 2}};
    ending.busy("one");
    ending.begin();
    ending.scheduler.run_for(hours{3});
    CHECK(ending.told(AlertKind::credit) == 1);
}

TEST_CASE("the alert of a credit that was removed ends also where the disk did not take its end at once") {
    Burning rig;
    rig.outside.assemble = [&]() -> Result<Parts> { return rig.parts(); };
    rig.config->credits = {{.name = "gift",
                            .amount = Money{500'000'000'000},
                            .accounts = {"other"},
                            .from = rig.scheduler.wall() - day,
                            .until = rig.scheduler.wall() + day * 2}};
    rig.begin();
    rig.scheduler.run_for(hours{3});
    REQUIRE(rig.told(AlertKind::credit) == 1);
    const auto resolves = [](const Write& write) {
        const auto* alert = std::get_if<Alert>(&write);
        return alert != nullptr && alert->kind == AlertKind::credit && alert->state == AlertState::resolved;
    };
    int refused = 0;
    rig.store.on_commit = [&](const Batch& batch) -> Task<void> {
        rig.store.refusals = refused == 0 && std::ranges::any_of(batch, resolves) ? ++refused : 0;
        co_return;
    };
    rig.config = std::make_shared<Config>(*rig.config);
    rig.config->credits.clear();
    REQUIRE(rig.life->await(rig.life->daemon.reload("ana")));
    rig.scheduler.run_for(hours{1});
    CHECK(refused == 1);
    CHECK(rig.told(AlertKind::credit) == 2);
}

TEST_CASE("the median is left for the budgets once there is enough to say, and the month is forecast") {
    Burning rig;
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = Money{500'000'000'000};
    budget.thresholds = {{90, ThresholdAction::notify}};
    rig.config->budgets = {budget};
    rig.busy("one");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    const LiveBudget& live = rig.life->world.picture.budgets.at(BudgetName{"team"});
    CHECK_FALSE(live.forecast);
    auto report = rig.life->await(rig.money().forecast());
    REQUIRE(report);
    REQUIRE(report->items.size() == 2);
    CHECK_FALSE(report->items[0].budget);
    CHECK_FALSE(report->items[0].forecast.expected);
    CHECK_FALSE(report->items[0].forecast.insufficient.empty());

    Burning later;
    later.config->budgets = {budget};
    later.past(24 * 21, 0, 300'000'000);
    later.busy("one");
    later.begin();
    later.scheduler.run_for(minutes{5});
    const LiveBudget& known = later.life->world.picture.budgets.at(BudgetName{"team"});
    REQUIRE(known.forecast);
    CHECK(*known.forecast > Money{0});
    report = later.life->await(later.money().forecast());
    REQUIRE(report);
    for (const ForecastItem& item : report->items) {
        REQUIRE(item.forecast.expected);
        CHECK(item.forecast.sample >= 14);
        CHECK(item.forecast.accrued <= item.forecast.expected->p10);
        CHECK(item.forecast.expected->p10 <= item.forecast.expected->p50);
        CHECK(item.forecast.expected->p50 <= item.forecast.expected->p90);
    }
}

TEST_CASE("what runs is in the spend, by every dimension, and its hours are those of the clock") {
    Burning rig;
    rig.busy("one");
    rig.busy("two");
    rig.begin();
    rig.scheduler.run_for(hours{5} + minutes{20});
    const WallTime now = rig.scheduler.wall();
    std::optional<Money> total;
    for (const std::vector<SpendBy>& by :
         {std::vector<SpendBy>{},
          {SpendBy::resource},
          {SpendBy::hour, SpendBy::type},
          {SpendBy::day},
          {SpendBy::account, SpendBy::project, SpendBy::user, SpendBy::rule}}) {
        auto report = rig.life->await(
            rig.money().spend({.from = now - day, .to = now, .by = by, .name = {}}));
        REQUIRE(report);
        Money sum;
        for (const SpendLine& line : report->lines) {
            CHECK(line.keys.size() == by.size());
            sum += line.gross();
        }
        CHECK(sum == report->total.gross());
        CHECK(report->total.storage == Money{});
        CHECK(total.value_or(sum) == sum);
        total = sum;
    }
    CHECK(*total > Money{8'000'000'000});
    auto report = rig.life->await(
        rig.money().spend({.from = now - day, .to = now, .by = {SpendBy::type}, .name = "tw*"}));
    REQUIRE(report);
    REQUIRE(report->lines.size() == 1);
    const std::int64_t apart = report->total.gross().nanos - total->nanos / 2;
    CHECK(std::abs(apart) <= 1);
    report = rig.life->await(
        rig.money().spend({.from = now - day, .to = now, .by = {SpendBy::hour}, .name = {}}));
    REQUIRE(report);
    CHECK(report->lines.size() >= 6);
    CHECK(std::ranges::is_sorted(report->lines, {}, &SpendLine::keys));
}
