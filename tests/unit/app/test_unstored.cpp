// What a poll has closed and not stored yet: no answer about money lacks it, and none counts it twice.
#include "curfew/app/money_reporter.hpp"
#include "support/life.hpp"
#include "support/zones.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

const WallTime full_hour = utc("2026-11-23T03:00:00Z");
constexpr Duration guest_limit = seconds{30};

/// A notebook since 02:10, and a poll that has closed the hour at 03:00 and waits for its guest.
struct Waiting : Rig {
    Waiting() {
        config->credits = {{.name = "welcome",
                            .amount = Money{15'000'000'000},
                            .accounts = {},
                            .from = utc("2026-11-01T00:00:00Z"),
                            .until = utc("2027-11-01T00:00:00Z")}};
        Budget team;
        team.name = BudgetName{"team"};
        team.amount = Money{100 * nanos_per_unit};
        config->budgets = {team};
        outside.assemble = [this]() -> Result<Parts> { return parts(); };
        FakeNotebook& n = world.add("demo");
        started = scheduler.wall();
        begin();
        scheduler.run_for(full_hour - seconds{10} - scheduler.wall());
        n.guest_hangs = true;
        while (live().meter->counted_to != full_hour) {
            REQUIRE(scheduler.wall() < full_hour + minutes{5});
            scheduler.run_for(seconds{1});
        }
        asked_until = *life->world.picture.accounts.at(AccountName{"me"}).last_attempt_mono + guest_limit;
        REQUIRE(store.costs.empty());
        reporter.emplace(life->world, life->daemon.prices());
        money.emplace(life->world, *reporter, life->daemon.outlook(), life->daemon.prices());
    }
    const LiveRun& live() { return life->world.picture.resources.at(ResourceId{"r-demo"}).current; }
    Money used() const { return cost_of(Rate{Money{760'000'000}}, scheduler.wall() - started).value(); }
    /// Rows are rounded one by one.
    bool right(Money seen) const { return std::abs(seen.nanos - used().nanos) <= 2; }
    /// How long what ran costs as much as this is off.
    Duration off(Money seen) const {
        return Duration{std::abs(seen.nanos - used().nanos) * 3'600'000 / 760'000'000};
    }
    Money spent(std::vector<SpendBy> by) {
        const auto report = life->await(money->spend(
            {.from = started - hours{1}, .to = scheduler.wall() + hours{1}, .by = by, .name = {}}));
        REQUIRE(report);
        return report->total.gross();
    }

    Money of_budget() const { return life->world.picture.budgets.at(BudgetName{"team"}).spend.spent; }
    void reload() { REQUIRE(life->await(life->daemon.reload("test"))); }

    WallTime started;
    Instant asked_until;
    std::optional<Reporter> reporter;
    std::optional<MoneyReporter> money;
};

}  // namespace

TEST_CASE("while a poll waits for its guest the hour that it closed is in every answer") {
    Waiting w;
    for (const auto& by : {std::vector<SpendBy>{}, {SpendBy::resource}, {SpendBy::account, SpendBy::hour}}) {
        CHECK(w.right(w.spent(by)));
    }
    const auto named = w.life->await(w.money->spend(
        {.from = w.started, .to = w.scheduler.wall(), .by = {SpendBy::resource}, .name = "demo"}));
    REQUIRE(named);
    CHECK(w.right(named->total.gross()));
    const auto status = w.life->await(w.reporter->status());
    REQUIRE(status);
    CHECK(w.right(status->today));
    CHECK(w.right(status->month));
    REQUIRE(status->items.size() == 1);
    CHECK(w.right(status->items.front().today));
    CHECK(w.right(status->items.front().month));
    const auto credits = w.life->await(w.money->credits());
    REQUIRE(credits);
    CHECK(w.right(credits->report.gross));
    const auto forecast = w.life->await(w.money->forecast());
    REQUIRE(forecast);
    REQUIRE(!forecast->items.empty());
    CHECK(w.right(forecast->items.front().forecast.accrued));
    w.scheduler.run_for(minutes{2});
    REQUIRE(!w.store.costs.empty());
    CHECK(w.right(w.spent({})));
}

TEST_CASE("answers that cross the transaction count the hour once") {
    int before = 0;
    for (int phase = 0; phase < 12; ++phase) {
        Waiting w;
        w.scheduler.together = true;  // the guest's silence ends as the first question comes
        std::vector<Money> spent;
        std::vector<Money> today;
        std::vector<Money> month;
        bool ended = false;
        const auto ask = [&]() -> Task<void> {
            co_await w.scheduler.sleep_until(w.asked_until);
            for (int i = 0; i < phase; ++i) {
                co_await turn(w.io);
            }
            while (w.store.costs.empty() || spent.size() < 10) {
                before += w.store.costs.empty() ? 1 : 0;
                const auto report = co_await w.money->spend({.from = w.started,
                                                             .to = w.scheduler.wall() + hours{1},
                                                             .by = {SpendBy::hour},
                                                             .name = {}});
                const auto status = co_await w.reporter->status();
                REQUIRE((report && status));
                spent.push_back(report->total.gross());
                today.push_back(status->today);
                month.push_back(status->month);
                REQUIRE(spent.size() < 1000);
            }
        };
        boost::asio::co_spawn(w.io, ask(), [&](const std::exception_ptr& bug) {
            REQUIRE_FALSE(bug);
            ended = true;
        });
        w.scheduler.run_for(w.asked_until - w.scheduler.mono());
        REQUIRE(ended);
        const auto right = [&](Money seen) { return w.right(seen); };
        CHECK(std::ranges::all_of(spent, right));
        CHECK(std::ranges::all_of(today, right));
        CHECK(std::ranges::all_of(month, right));
    }
    CHECK(before > 0);  // some questions came before the transaction and were answered after it
}

TEST_CASE("a transaction that fails keeps the hour in sight until one is taken") {
    Waiting w;
    w.store.failing = Error{Errc::disk_full, Retry::later(), "the disk is full", "database"};
    w.scheduler.run_for(minutes{3});
    REQUIRE(w.store.costs.empty());
    w.store.failing.reset();  // for reading; the next poll is a minute away
    CHECK(w.right(w.spent({})));
    w.scheduler.run_for(minutes{3});
    REQUIRE(!w.store.costs.empty());
    CHECK(w.right(w.spent({})));
}

TEST_CASE("a budget's sums that are read while the disk takes nothing hold what it did not take") {
    Waiting w;
    w.store.refusals = 1'000'000;
    w.scheduler.run_for(hours{3} + minutes{30});
    REQUIRE(w.store.costs.empty());
    REQUIRE(w.off(w.of_budget()) <= minutes{2});
    CHECK_FALSE(w.life->await(w.life->daemon.reload("test")));  // taken, but its audit row is not
    CHECK(w.of_budget() >= Money{3 * 760'000'000LL});
    w.scheduler.run_for(minutes{2});
    CHECK(w.off(w.of_budget()) <= minutes{2});
    w.store.refusals = 0;
    w.scheduler.run_for(hours{2});
    REQUIRE(w.store.costs.size() >= 5);
    CHECK(w.off(w.of_budget()) <= minutes{2});
    w.reload();
    w.scheduler.run_for(minutes{2});
    CHECK(w.off(w.of_budget()) <= minutes{2});
}

TEST_CASE("a budget's sums that are read while a poll waits for its guest count its hour once") {
    Waiting w;
    w.reload();
    CHECK(w.of_budget() >= Money{50 * 760'000'000LL / 60});
    w.scheduler.run_for(minutes{3});
    REQUIRE(!w.store.costs.empty());
    CHECK(w.off(w.of_budget()) <= minutes{2});
}

TEST_CASE("a budget's sums that are read while a transaction fails hold its hour") {
    for (int phase = 0; phase < 12; ++phase) {
        CAPTURE(phase);
        Waiting w;
        w.store.refusals = 1;
        w.scheduler.together = true;
        bool ended = false;
        const auto ask = [&]() -> Task<void> {
            co_await w.scheduler.sleep_until(w.asked_until);
            for (int i = 0; i < phase; ++i) {
                co_await turn(w.io);
            }
            static_cast<void>(co_await w.life->daemon.reload("test"));
            ended = true;
        };
        boost::asio::co_spawn(w.io, ask(), [&](const std::exception_ptr& bug) { REQUIRE_FALSE(bug); });
        w.scheduler.run_for(w.asked_until - w.scheduler.mono());
        w.scheduler.run_for(minutes{5});
        REQUIRE(ended);
        REQUIRE(!w.store.costs.empty());
        CHECK(w.off(w.of_budget()) <= minutes{2});
    }
}
