// What the adviser makes of what the daemon itself recorded: the whole application on virtual time, then the report.
#include "curfew/app/money_reporter.hpp"
#include "support/life.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr Duration month = hours{24} * 30;

/// Everything is metered, and nothing is stopped.
struct Advised : Rig {
    Advised() {
        config->mode = Mode::observe;
        prices = *PriceBook::parse_csv(
            "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n"
            "A4000,0.76,1,A4000,16,2025-11-14,\nC7,0.30,0,,0,2025-11-14,\n",
            "test");
        REQUIRE(
            prices.read_add_ons("kind,gb,usd_per_month,usd_per_hour,as_of,note\n"
                                "overage,,0.29,,2025-11-14,\n",
                                "add-ons.csv"));
    }
    FakeNotebook& measured(const std::string& name, FakeSeries series) {
        FakeNotebook& n = world.add(name);
        n.series = series;
        n.kernel = series.centicores >= 20 ? "busy" : "idle";
        return n;
    }
    AdviceReport report() {
        Reporter reporter(life->world, life->daemon.prices());
        MoneyReporter money(life->world, reporter, life->daemon.outlook(), life->daemon.prices());
        const auto told = life->await(money.advice(scheduler.wall() - month));
        REQUIRE(told);
        return *told;
    }
    std::vector<Advice> advice() { return report().items; }
    std::vector<Advice> advice_of(AdviceKind kind) {
        std::vector<Advice> all = advice();
        std::erase_if(all, [&](const Advice& a) { return a.kind != kind; });
        return all;
    }
    /// A whole life that a rule ends: work, perhaps a pause and work again, then nothing.
    void work_and_idle(FakeNotebook& n, Duration pause = {}) {
        const std::size_t stops = world.stop_calls.size();
        n.kernel = "busy";
        scheduler.run_for(minutes{30});
        if (pause > Duration{0}) {
            n.kernel = "idle";
            scheduler.run_for(pause);
            n.kernel = "busy";
            scheduler.run_for(minutes{10});
        }
        n.kernel = "idle";
        scheduler.run_for(minutes{75});
        REQUIRE(world.stop_calls.size() == stops + 1);
        scheduler.run_for(hours{1});
    }
};

bool within(Money a, Money b, std::string_view tolerance) {
    return std::abs(a.nanos - b.nanos) <= parse_money(tolerance).value().nanos;
}

}  // namespace

TEST_CASE("hours on a GPU that never worked are told of with their cost and the price of a CPU") {
    Advised rig;
    rig.measured("demo", {.centicores = 80, .gpu_percent = 0});  // at work all the time, on the CPU
    rig.begin();
    rig.scheduler.run_for(minutes{50});
    CHECK(rig.advice().empty());  // too short to say
    rig.scheduler.run_for(minutes{250});
    const auto all = rig.advice();
    REQUIRE(all.size() == 1);
    CHECK(all[0].kind == AdviceKind::gpu_without_work);
    CHECK(all[0].resources == std::vector{ResourceId{"r-demo"}});
    CAPTURE(all[0].text);
    // Five hours, less a look or two that nobody has seen the end of.
    CHECK((all[0].text.starts_with("demo ran 4h5") || all[0].text.starts_with("demo ran 5h on")));
    CHECK(all[0].text.find(" on A4000 without GPU work (1 of 1 run): $3.") != std::string::npos);
    CHECK(all[0].text.find("; the same hours on C7 would have cost $1.") != std::string::npos);
    CHECK(within(all[0].saving, Money{2'300'000'000},
                 "0.03"));  // 5 h × ($0.76 − $0.30), in a window of 30 days
    rig.restart(minutes{2});
    rig.scheduler.run_for(minutes{55});
    CHECK(within(rig.advice().at(0).saving, Money{2'760'000'000}, "0.05"));
}

TEST_CASE("a CPU that comes and goes, and a kernel that is silent, hide no GPU that does nothing") {
    Advised rig;
    FakeNotebook& n = rig.measured("demo", {.centicores = 0, .gpu_percent = 1});
    rig.begin();
    for (int i = 0; i < 60; ++i) {
        n.series->centicores = i % 2 == 0 ? 80 : 3;
        n.kernel = i % 3 == 0 ? "busy" : "idle";
        rig.scheduler.run_for(minutes{2});
    }
    const auto all = rig.advice();
    REQUIRE(all.size() == 1);
    CHECK(within(all[0].saving, Money{920'000'000}, "0.05"));
}

TEST_CASE("a GPU that worked for some minutes of a long life is not called idle") {
    Advised rig;
    FakeNotebook& n = rig.measured("demo", {.centicores = 80, .gpu_percent = 0});
    rig.begin();
    rig.scheduler.run_for(hours{3});
    REQUIRE(rig.advice().size() == 1);
    n.series->gpu_percent = 60;
    rig.scheduler.run_for(minutes{4});
    n.series->gpu_percent = 0;
    rig.scheduler.run_for(hours{30});
    CHECK(rig.advice().empty());
    CHECK(rig.report().unjudged_gpu_runs == 0);  // it is known
}

TEST_CASE("a GPU that nobody measured, or that was measured half of the time, is not called idle") {
    const auto advised = [](auto&& prepare, auto&& pass) {
        Advised rig;
        FakeNotebook& n = rig.measured("demo", {.centicores = 80, .gpu_percent = 0});
        prepare(rig, n);
        rig.begin();
        for (int i = 0; i < 10; ++i) {
            rig.scheduler.run_for(minutes{30});
            pass(rig, n, i);
        }
        const AdviceReport report = rig.report();
        CHECK(report.unjudged_gpu_runs == (report.items.empty() ? 1 : 0));  // and that is said
        return report.items.size();
    };
    const auto nothing = [](auto&&...) {};
    CHECK(advised(nothing, nothing) == 1);
    CHECK(advised([](Rig&, FakeNotebook& n) { n.series->gpu_percent.reset(); }, nothing) == 0);
    CHECK(advised([](Rig&, FakeNotebook& n) { n.series = FakeSeries{}; }, nothing) == 0);
    CHECK(advised([](Rig& rig, FakeNotebook&) { rig.world.metrics = false; }, nothing) == 0);
    CHECK(advised([](Rig& rig, FakeNotebook&) { rig.scheduler.run_for(hours{2}); }, nothing) ==
          0);  // before us
    CHECK(advised(nothing, [](Rig&, FakeNotebook& n, int i) {
              n.series->gpu_percent = i % 2 == 0 ? std::nullopt : std::optional{0};
          }) == 0);
    CHECK(advised(nothing, [](Rig& rig, FakeNotebook&, int i) {
              if (i == 5) {
                  rig.restart(minutes{90});
              }
          }) == 0);
}

TEST_CASE("a notebook that a rule stops again and again gets the limit that would have interrupted nothing") {
    Advised rig;
    rig.config->mode = Mode::enforce;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.work_and_idle(n);
    rig.world.start(n);
    rig.work_and_idle(n, minutes{20});
    CHECK(rig.advice_of(AdviceKind::shorter_limit).empty());  // two stops are no habit
    rig.world.start(n);
    rig.work_and_idle(n);
    const auto all = rig.advice_of(AdviceKind::shorter_limit);
    REQUIRE(all.size() == 1);
    CAPTURE(all[0].text);
    CHECK(all[0].text.starts_with(
        "demo always idles before rule idle stops it: with a limit of 30m instead of 1h it "
        "would have cost $1.14 less in 30d, with 0 interruptions (3 stops, 1 pause, the "
        "longest 2"));
    CHECK(all[0].saving == Money{1'140'000'000});  // three times half an hour at $0.76
    REQUIRE(all[0].limits.size() == 3);
    CHECK(all[0].limits[0].interruptions == 0);
    CHECK(all[0].limits[2].limit == minutes{15});
    CHECK(all[0].limits[2].interruptions == 1);
    CHECK(all[0].limits[2].saved == Money{1'710'000'000});
    rig.world.start(n);
    n.kernel = "busy";
    rig.scheduler.run_for(minutes{30});
    rig.world.end(n);  // by hand
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.advice_of(AdviceKind::shorter_limit).empty());  // not always
}

TEST_CASE("a pause as long as every shorter limit speaks against all of them") {
    Advised rig;
    rig.config->mode = Mode::enforce;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    for (int i = 0; i < 3; ++i) {
        rig.work_and_idle(n, i == 1 ? minutes{50} : minutes{5});
        rig.world.start(n);
    }
    CHECK(rig.advice_of(AdviceKind::shorter_limit).empty());
}

TEST_CASE("storage above the plan is told of with its price a month, and no longer than it lasts") {
    Advised rig;
    AddOn above;
    above.id = "overage/lab";
    above.kind = AddOnKind::overage;
    above.resource = ResourceId{above.id};
    above.name = "storage above the plan of team lab";
    above.bytes = 12'000'000'000;
    rig.world.add_ons = {{above}};
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    const auto all = rig.advice();
    REQUIRE(all.size() == 1);
    CHECK(all[0].kind == AdviceKind::storage_over_plan);
    CHECK(all[0].account == AccountName{"me"});
    CHECK(all[0].text == "account me stores 12.0 GB more than its plan holds: $3.48 a month");
    CHECK(all[0].saving == Money{3'480'000'000});
    rig.world.add_ons->front().bytes = 0;
    rig.world.add_ons->front().billing = false;
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.advice().empty());
}
