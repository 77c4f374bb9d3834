// What the daemon records while it watches, and the answers made from it.
#include "curfew/app/daemon.hpp"
#include "curfew/app/historian.hpp"
#include "support/fakes.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

namespace {

PriceBook prices() {
    return *PriceBook::parse_csv(
        "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\nA4000,0.60,1,A4000,16,2025-11-14,\n",
        "test");
}

Rule rule_of(const std::string& name, Duration limit, Mode mode) {
    Rule rule;
    rule.name = RuleName{name};
    rule.idle_limit = limit;
    rule.mode = mode;
    return rule;
}

std::shared_ptr<Config> config_of(Mode mode) {
    auto config = std::make_shared<Config>();
    config->mode = mode;
    AccountConfig account;
    account.name = AccountName{"me"};
    config->accounts = {account};
    config->vaults = {{.name = VaultName{"home"}, .kind = "folder", .path = "/vault", .required = true}};
    ChannelConfig channel;
    channel.name = ChannelName{"mail"};
    config->channels = {channel};
    config->routing.channels = {channel.name};
    config->rules = {rule_of("idle", hours{1}, mode)};
    return config;
}

/// One daemon over a world in memory; the store outlives it.
struct Watch {
    explicit Watch(Mode mode = Mode::observe) : config(config_of(mode)) {}
    ~Watch() { end(); }
    void begin() {
        life = std::make_unique<Life>(*this);
        await(life->daemon.start());
        life->daemon.run();
        scheduler.settle();
    }
    void end() {
        if (!life) {
            return;
        }
        bool ended = false;
        boost::asio::co_spawn(io, life->daemon.shut_down(), [&](const std::exception_ptr&) { ended = true; });
        for (int i = 0; i < 100 && !ended; ++i) {
            scheduler.run_for(seconds{1});
        }
        CHECK(ended);
        life.reset();
    }
    template <class T>
    T await(Task<T> task) {
        std::optional<T> out;
        boost::asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& bug, T value) {
            REQUIRE_FALSE(bug);
            out = std::move(value);
        });
        for (int i = 0; i < 500 && !out; ++i) {
            scheduler.settle();
        }
        REQUIRE(out);
        return std::move(*out);
    }
    Result<MomentReport> explain(const std::string& name, WallTime at) {
        return await(life->historian.explain_at(ResourceId{"r-" + name}, at));
    }
    ReplayReport test(const Rule& rule, Duration since = hours{24 * 30}) {
        auto report = await(life->historian.test_rule(rule, scheduler.wall() - since));
        REQUIRE(report);
        return std::move(*report);
    }
    int rows(std::optional<Signal> source) const {
        return static_cast<int>(
            std::ranges::count_if(store.history, [&](const auto& e) { return e.second.source == source; }));
    }

    struct Life {
        explicit Life(Watch& w)
            : door(w.world), cloud(std::make_shared<FakeCloud>(w.world)),
              tasks(w.io.get_executor(), [](const std::string& bug) { FAIL(bug); }),
              world{.loop = w.io.get_executor(),
                    .scheduler = w.scheduler,
                    .entropy = entropy,
                    .store = w.store,
                    .guests = door,
                    .clouds = {},
                    .config = {},
                    .picture = {}},
              daemon(
                  world,
                  Parts{.config = w.config,
                        .clouds = {{AccountName{"me"}, cloud}},
                        .channels = {std::make_shared<FakeChannel>(w.scheduler, "mail")},
                        .vaults = {std::make_shared<FakeVault>(w.scheduler)},
                        .prices = prices()},
                  supervisor, tasks, [] { return Result<Parts>{fail(Errc::invalid, "no file")}; },
                  [](std::string_view) { return true; },
                  [](const std::string&, const Config&) {
                      return Result<Budget>{fail(Errc::invalid, "none")};
                  }),
              reporter(world, daemon.prices()), historian(world, reporter) {}
        CountingEntropy entropy;
        FakeDoor door;
        std::shared_ptr<FakeCloud> cloud;
        FakeSupervisor supervisor;
        TaskGroup tasks;
        World world;
        Daemon daemon;
        Reporter reporter;
        Historian historian;
    };

    boost::asio::io_context io;
    ManualScheduler scheduler{io};
    FakeStore store{io};
    FakeWorld world{io, scheduler};
    std::shared_ptr<Config> config;
    std::unique_ptr<Life> life;
};

}  // namespace

TEST_CASE("a day of three work stretches is few rows, and few writes") {
    Watch w;
    FakeNotebook& n = w.world.add("demo");
    w.begin();
    for (int i = 0; i < 3; ++i) {
        w.scheduler.run_for(hours{6});
        n.kernel = "busy";
        w.scheduler.run_for(hours{2});
        n.kernel = "idle";
    }
    w.scheduler.run_for(hours{1});
    w.end();
    CHECK(w.rows(Signal::kernels) == 7);
    CHECK(w.rows(Signal::metrics) <= 2);  // nothing changed, but no row is longer than a day
    CHECK(w.rows(std::nullopt) <= 2);
    CHECK(w.store.history_writes < 3 * 25 * 6 + 30);  // three sources, the looks among them
    for (const auto& [key, row] : w.store.history) {
        CHECK(row.to - row.from <= history_row_max);
    }
}

TEST_CASE("a candidate stops when the daemon would have: the same world, recorded and enforced") {
    const auto live_through = [](Watch& w) {
        FakeNotebook& n = w.world.add("demo");
        w.begin();
        w.scheduler.run_for(minutes{40});
        n.kernel = "busy";
        w.scheduler.run_for(minutes{7});
        n.kernel = "idle";
        w.scheduler.run_for(minutes{20});
        n.guest_answers = false;
        w.scheduler.run_for(minutes{9});
        n.guest_answers = true;
        w.scheduler.run_for(minutes{10});
        w.world.list_fails = Error{Errc::unavailable, Retry::later(), "down", "cloud"};
        w.scheduler.run_for(minutes{4});
        w.world.list_fails.reset();
        w.scheduler.run_for(hours{3});
    };
    Watch enforced(Mode::enforce);
    live_through(enforced);
    REQUIRE(enforced.world.stop_calls.size() == 1);
    const WallTime stopped = *enforced.world.notebooks.at("demo").resource.run.ended_at;

    Watch recorded(Mode::observe);
    live_through(recorded);
    CHECK(recorded.world.stop_calls.empty());
    const ReplayReport report = recorded.test(rule_of("candidate", hours{1}, Mode::observe));
    REQUIRE(report.items.size() == 1);
    const ReplayStop& stop = *report.items[0].test.stop;
    const Duration apart = stop.at > stopped ? stop.at - stopped : stopped - stop.at;
    CHECK(apart <= minutes{2});  // polls keep time to 5 %, and packing takes a moment
    CHECK(report.runs == 1);
    CHECK(report.items[0].name == "demo");
    CHECK(stop.saved == cost_of(Rate{Money{600'000'000}}, recorded.scheduler.wall() - stop.at));
    CHECK_FALSE(stop.active_again);
    // Another rule, another answer; and one that matches nothing.
    CHECK(recorded.test(rule_of("long", hours{4}, Mode::observe)).items.empty());
    Rule other = rule_of("other", hours{1}, Mode::observe);
    other.match.names = {"x*"};
    CHECK(recorded.test(other).runs == 0);
    // A shorter limit stops before the work of the 40th minute: that would have been false.
    const ReplayReport hasty = recorded.test(rule_of("hasty", minutes{25}, Mode::observe));
    CHECK(hasty.suspect_soon == 1);
    CHECK(hasty.suspect_later == 1);
    CHECK(hasty.saved_before_use < hasty.saved);
}

TEST_CASE("how a run stood at a time") {
    Watch w;
    FakeNotebook& n = w.world.add("demo");
    const WallTime began = w.scheduler.wall();
    w.begin();
    w.scheduler.run_for(minutes{30});
    n.kernel = "busy";
    w.scheduler.run_for(minutes{30});
    n.kernel = "idle";
    w.scheduler.run_for(minutes{45});

    auto then = w.explain("demo", began + minutes{45});
    REQUIRE(then);
    CHECK(then->moment.judgement.verdict == Verdict::active);
    CHECK(then->moment.judgement.step == "kernels: kernel busy");
    CHECK(then->rule == "idle");
    CHECK(then->run_cost == cost_of(Rate{Money{600'000'000}}, minutes{45}));
    CHECK(then->would_stop.find("mode is observe") != std::string::npos);
    // Of this moment memory tells, though the store has not heard for ten minutes.
    then = w.explain("demo", w.scheduler.wall());
    REQUIRE(then);
    CHECK(then->moment.judgement.verdict == Verdict::quiet);
    CHECK(w.scheduler.wall() - *then->moment.looked_at <= minutes{2});
    CHECK(then->moment.clock.quiet >= minutes{42});

    then = w.explain("demo", w.scheduler.wall() + seconds{1});
    REQUIRE_FALSE(then);
    CHECK(then.error().code == Errc::invalid);
    then = w.explain("demo", began - hours{1});
    REQUIRE_FALSE(then);
    CHECK(then.error().code == Errc::not_found);
    CHECK(then.error().text.find(to_string(began)) != std::string::npos);
    CHECK(w.explain("nobody", began).error().code == Errc::not_found);

    // The end of a run is written at once, and afterwards it was off.
    w.world.end(n);
    w.scheduler.run_for(hours{2});
    then = w.explain("demo", w.scheduler.wall() - hours{1});
    REQUIRE(then);
    CHECK(then->off);
    CHECK(then->moment.result.assessment.why.starts_with("off since "));
    w.world.start(n);
    w.scheduler.run_for(minutes{20});
    then = w.explain("demo", began + minutes{45});
    REQUIRE(then);
    CHECK(then->moment.judgement.verdict == Verdict::active);
    CHECK(w.explain("demo", w.scheduler.wall())->run.id != then->run.id);
}

TEST_CASE("an orderly end loses nothing of the history, and a failed commit neither") {
    Watch w;
    w.world.add("demo");
    w.begin();
    w.scheduler.run_for(minutes{25});
    w.end();
    for (const auto& [key, row] : w.store.history) {
        CHECK(w.scheduler.wall() - row.to <= minutes{2});
    }
    w.scheduler.run_for(hours{1});
    w.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    w.begin();
    w.scheduler.run_for(minutes{30});
    CHECK(w.rows(Signal::kernels) == 1);
    w.store.failing.reset();
    w.scheduler.run_for(minutes{12});
    CHECK(w.rows(Signal::kernels) == 2);
    w.end();
    HistoryRow newest;
    for (const auto& [key, row] : w.store.history) {
        newest = row.from > newest.from ? row : newest;
    }
    CHECK(newest.to - newest.from >= minutes{38});
}

TEST_CASE("old history goes") {
    Watch w;
    w.config->history = hours{24 * 2};
    w.world.add("demo");
    w.begin();
    w.scheduler.run_for(hours{24 * 6});
    REQUIRE_FALSE(w.store.history.empty());
    for (const auto& [key, row] : w.store.history) {
        CHECK(w.scheduler.wall() - row.from <= hours{24 * 3} + minutes{2});
    }
    const auto before = w.explain("demo", w.scheduler.wall() - hours{24 * 5});
    REQUIRE_FALSE(before);
    CHECK(before.error().code == Errc::not_found);
    CHECK(before.error().text.find("2d") != std::string::npos);
}

TEST_CASE("the plan of the next day") {
    Watch w(Mode::enforce);
    w.world.add("quiet");
    w.world.add("busy").kernel = "busy";
    w.begin();
    w.scheduler.run_for(minutes{20});
    const PlanReport plan = w.life->historian.plan();
    REQUIRE(plan.items.size() == 2);
    const PlanItem& stop = plan.items[0];
    CHECK(stop.live->resource.name == "quiet");
    REQUIRE(stop.stop);
    CHECK(stop.stop->act == RuleWalk::Act::due);
    CHECK(stop.stop->cause == Cause{CauseKind::idle, "idle"});
    CHECK(stop.stop->in >= minutes{39});
    CHECK(stop.stop->in <= minutes{43});
    CHECK(stop.warnings.size() == 3);
    CHECK(stop.saves == cost_of(Rate{Money{600'000'000}}, hours{24} - stop.stop->in));
    CHECK(plan.saves == *stop.saves);
    CHECK(plan.without == Money{2 * 24 * 600'000'000LL});
    CHECK_FALSE(plan.items[1].stop);
    CHECK(plan.items[1].why.find("kernel busy") != std::string::npos);
    // It comes as planned.
    const WallTime planned = w.scheduler.wall() + stop.stop->in;
    w.scheduler.run_for(minutes{60});
    REQUIRE(w.world.stop_calls.size() == 1);
    const Duration late = *w.world.notebooks.at("quiet").resource.run.ended_at - planned;
    CHECK(late >= -minutes{2});
    CHECK(late <= minutes{2});
}

TEST_CASE("in mode observe the plan says what would be") {
    Watch w(Mode::observe);
    w.world.add("quiet");
    w.begin();
    w.scheduler.run_for(minutes{20});
    const PlanReport plan = w.life->historian.plan();
    REQUIRE(plan.items.size() == 1);
    REQUIRE(plan.items[0].stop);
    CHECK(plan.items[0].stop->act == RuleWalk::Act::would_stop);
    CHECK(plan.items[0].warnings.empty());
    CHECK(plan.saves == Money{});
    CHECK(plan.would_save > Money{});
}

TEST_CASE("a hard budget is in the plan of what works") {
    Watch w(Mode::enforce);
    w.world.add("busy").kernel = "busy";
    Budget budget;
    budget.name = BudgetName{"small"};
    budget.amount = Money{3 * nanos_per_unit};  // five hours
    budget.thresholds = {{100, ThresholdAction::stop}};
    budget.mode = Mode::enforce;
    w.config->budgets = {budget};
    w.begin();
    w.scheduler.run_for(hours{1});
    const PlanReport plan = w.life->historian.plan();
    REQUIRE(plan.items.size() == 1);
    REQUIRE(plan.items[0].stop);
    CHECK(plan.items[0].stop->cause == Cause{CauseKind::budget, "small"});
    CHECK(plan.items[0].stop->in > hours{3});
    CHECK(plan.items[0].stop->in < hours{4});
    const WallTime planned = w.scheduler.wall() + plan.items[0].stop->in;
    w.scheduler.run_for(hours{6});
    REQUIRE(w.world.stop_calls.size() == 1);
    const Duration late = *w.world.notebooks.at("busy").resource.run.ended_at - planned;
    CHECK(late >= -minutes{3});
    CHECK(late <= minutes{3});
}
