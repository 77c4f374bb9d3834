// The meter where stamps lie, lists are old or leave something out, and our clock is wrong.
#include "support/books.hpp"

#include <map>
#include <utility>

using namespace curfew;
using namespace curfew::test;

TEST_CASE("a start that is to come is not billed by; our own sight is, and people are told once") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    n.resource.run.started_at = b.scheduler.wall() + hours{3};
    b.begin();
    b.scheduler.run_for(hours{2});
    REQUIRE(b.store.quarantined.size() == 1);
    CHECK(b.store.quarantined[0].run == n.resource.run.id);
    CHECK(b.told(AlertKind::bad_stamp) == 1);
    b.scheduler.run_for(hours{4});  // what was to come is past, and still not believed
    b.world.end(n);
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(n.resource.run.id.value) == hours{6});
    CHECK(b.spent().nanos > 0);
    CHECK(b.store.quarantined.size() == 1);
}

TEST_CASE("a start that moves back changes nothing") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    const auto started = n.resource.run.started_at;
    b.begin();
    b.scheduler.run_for(hours{1});
    n.resource.run.started_at = *started - hours{5};
    b.scheduler.run_for(hours{1});
    CHECK(b.store.quarantined.size() == 1);
    CHECK(b.told(AlertKind::bad_stamp) == 1);
    CHECK(b.life->world.picture.resources.at(n.resource.id).current.run.started_at == started);
    b.world.end(n);
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(n.resource.run.id.value) == hours{2});
}

TEST_CASE("an end before its start is not billed by: the end lies between two looks of ours") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    b.begin();
    b.scheduler.run_for(hours{2});
    b.world.end(n);
    n.resource.run.ended_at = *n.resource.run.started_at - hours{1};
    b.scheduler.run_for(minutes{5});
    const std::string run = n.resource.run.id.value;
    CHECK(b.store.quarantined.size() == 1);
    CHECK(b.metered(run) >= hours{2});
    CHECK(b.metered(run) <= hours{2} + minutes{2});
    CHECK(b.rows(run).back().estimated);
    CHECK(b.bar(run) > Duration{0});
    CHECK(b.spent(run).nanos > 0);
}

namespace {

/// A notebook that was watched for 50 minutes, by a provider whose answers have a date.
struct WatchedBooks : Books {
    WatchedBooks() {
        world.provider_ahead = Duration{0};
        begin();
        scheduler.run_for(minutes{50});
    }
    FakeNotebook& demo = world.add("demo");
    const std::string run = demo.resource.run.id.value;
};

/// A cache on the way answers with the list of so long ago, once. Where the daemon is down, it is started before.
void answer_old(Books& b, const std::map<std::string, FakeNotebook>& then, Duration ago) {
    const auto now = std::exchange(b.world.notebooks, then);
    b.world.provider_ahead = -ago;
    const int before = b.world.lists;
    if (b.life == nullptr) {
        b.begin();
    }
    while (b.world.lists == before) {
        b.scheduler.run_for(seconds{1});
    }
    b.world.notebooks = now;
    b.world.provider_ahead = Duration{0};
}

/// A notebook that begins as the daemon does, whose clock is so far ahead of the provider's.
FakeNotebook& begin_ahead(Books& b, Duration by) {
    b.world.provider_ahead = -by;
    FakeNotebook& n = b.world.add("demo");
    n.resource.run.started_at = b.scheduler.wall() - by;
    b.begin();
    return n;
}

const Rate doubled{Money{1'520'000'000}};

/// The user's own file has another price from the next start on.
void double_the_price(Books& b) {
    b.prices.merge(
        *PriceBook::parse_csv("machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n"
                              "A4000,1.52,1,A4000,16,,\n",
                              "own.csv"));
}

}  // namespace

TEST_CASE("an older list than the one before changes nothing, and what has ended costs no more") {
    WatchedBooks b;
    FakeNotebook& n = b.demo;
    const std::string& run = b.run;
    const auto then = b.world.notebooks;
    b.world.end(n);
    n.resource.run.ended_at.reset();
    b.scheduler.run_for(minutes{10});
    const Duration billed = b.metered(run);
    CHECK(billed <= minutes{52});
    answer_old(b, then, minutes{10});
    CHECK_FALSE(b.meter(run).open);
    b.scheduler.run_for(hours{2});
    CHECK(b.metered(run) == billed);
    SECTION("but a clock of the provider's that is set right is followed") {
        b.world.provider_ahead = -hours{1};
        b.world.start(b.world.notebooks["demo"]);
        b.scheduler.run_for(hours{2});
        CHECK(b.meter(b.world.notebooks["demo"].resource.run.id.value).open);
    }
}

TEST_CASE("an older list than one of before a restart changes nothing either") {
    WatchedBooks b;
    FakeNotebook& n = b.demo;
    const auto then = b.world.notebooks;
    b.scheduler.run_for(minutes{5});
    SECTION("what ended meanwhile costs no more") {
        b.world.end(n);
        n.resource.run.ended_at.reset();
        b.scheduler.run_for(minutes{5});
        REQUIRE_FALSE(b.meter(b.run).open);
        const Duration billed = b.metered(b.run);
        b.life.reset();
        answer_old(b, then, minutes{10});
        CHECK_FALSE(b.meter(b.run).open);
        b.scheduler.run_for(hours{1});
        CHECK(b.metered(b.run) == billed);
    }
    SECTION("nor does a machine type come back") {
        n.resource.run.machine_type = "A100";
        b.scheduler.run_for(minutes{5});
        REQUIRE(b.meter(b.run).sku == "A100");
        b.life.reset();
        answer_old(b, then, minutes{10});
        CHECK(b.meter(b.run).sku == "A100");
    }
    SECTION("but a clock of the provider's that was set back meanwhile is followed") {
        b.life.reset();
        b.world.provider_ahead = -hours{1};
        b.begin();
        b.scheduler.run_for(hours{2});
        b.world.end(n);
        b.scheduler.run_for(minutes{5});
        CHECK_FALSE(b.meter(b.run).open);
        CHECK(b.metered(b.run) >= hours{2});
    }
}

TEST_CASE("a price counts from the list on that shows it, however far our clock is ahead") {
    Books b;
    FakeNotebook& n = begin_ahead(b, hours{3});
    b.scheduler.run_for(hours{2});
    n.resource.run.listed_rate = Rate{Money{9'000'000'000}};
    b.scheduler.run_for(minutes{5});
    CHECK(b.meter(n.resource.run.id.value).tariff.rate == n.resource.run.listed_rate);
    CHECK(b.each_once());
}

TEST_CASE("the user's price holds from when it was read, not from an old list on") {
    WatchedBooks b;
    const auto then = b.world.notebooks;
    b.scheduler.run_for(minutes{25});
    b.life.reset();
    double_the_price(b);
    const WallTime read = b.scheduler.wall();
    answer_old(b, then, minutes{20});
    const bool ended = GENERATE(false, true);
    if (!ended) {
        b.scheduler.run_for(hours{1});
    }
    b.world.end(b.world.notebooks["demo"]);
    b.scheduler.run_for(minutes{10});
    const std::vector<CostRow> rows = b.rows(b.run);
    CHECK(std::ranges::none_of(rows,
                               [&](const CostRow& row) { return row.rate == doubled && row.from < read; }));
    CHECK(std::ranges::any_of(rows, [](const CostRow& row) { return row.rate == doubled; }) != ended);
}

TEST_CASE("the user's price holds from when it was read, however far our clock is ahead") {
    Books b;
    FakeNotebook& n = begin_ahead(b, hours{5});
    b.scheduler.run_for(minutes{50});
    b.life.reset();
    double_the_price(b);
    const WallTime read = b.scheduler.wall() - hours{5};
    b.begin();
    b.scheduler.run_for(minutes{10});
    const Meter meter = b.meter(n.resource.run.id.value);
    CHECK(meter.tariff.rate == doubled);
    CHECK(meter.counted_to - read <= seconds{1});
    CHECK(read - meter.counted_to <= seconds{1});
}

TEST_CASE("what the first list shows is as old as the list, and the bar says so") {
    WatchedBooks b;
    FakeNotebook& n = b.demo;
    const std::string& run = b.run;
    b.life.reset();
    const auto then = b.world.notebooks;
    b.world.end(n);
    n.resource.run.ended_at.reset();
    b.scheduler.run_for(minutes{30});
    answer_old(b, then, minutes{30});
    b.scheduler.run_for(minutes{10});
    CHECK_FALSE(b.meter(run).open);
    CHECK(b.rows(run).back().estimated);
    CHECK(b.metered(run) - b.bar(run) <= minutes{50} + seconds{1});  // the date of the old list
}

TEST_CASE("a run may have billed beside the one that took its place, and the bar says so") {
    Books b;
    b.world.add("demo");
    FakeNotebook& n = b.world.notebooks["demo"];
    const std::string run = n.resource.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{10});
    b.scheduler.run_for(seconds{20});
    b.world.start(n);  // the old one goes on for a while, and no list shows it
    const WallTime next = b.scheduler.wall();
    const int before = b.world.lists;
    while (b.world.lists == before) {
        b.scheduler.run_for(seconds{1});
    }
    const WallTime not_seen = b.scheduler.wall();
    b.scheduler.run_for(minutes{10});
    const CostRow last = b.rows(run).back();
    CHECK(last.to == next);
    CHECK(last.estimated);
    CHECK(last.to - last.error_bar <= next - seconds{20});  // the list before
    CHECK(last.to + last.error_bar >= not_seen - seconds{1});
    CHECK(last.to + last.error_bar <= not_seen);
}

TEST_CASE("a clock of ours that was set back makes no lie of what was believed") {
    Books b;
    b.world.add("demo");
    b.begin();
    b.scheduler.run_for(minutes{20});
    b.scheduler.step_wall(-hours{1});
    b.scheduler.run_for(hours{2});
    CHECK(b.store.quarantined.empty());
}

namespace {

/// Our clock is set, and the provider's is not.
void set_clock(Books& b, Duration by) {
    b.scheduler.step_wall(by);
    b.world.provider_ahead = b.world.provider_ahead.value_or(Duration{0}) - by;
}

/// Two lists leave it out, and it goes on.
void leave_out_twice(Books& b, const std::string& name) {
    const auto all = b.world.notebooks;
    b.world.notebooks.erase(name);
    b.scheduler.run_for(minutes{3});
    b.world.notebooks = all;
}

bool overlap(std::vector<CostRow> rows) {
    std::erase_if(rows, [](const CostRow& row) { return row.source == CostSource::adjustment; });
    std::ranges::sort(rows, {}, &CostRow::from);
    return std::ranges::adjacent_find(
               rows, [](const CostRow& a, const CostRow& b) { return b.from < a.to; }) != rows.end();
}

}  // namespace

TEST_CASE(
    "a run that came and went while our clock was hours behind has its cost, and the bar says how surely") {
    Books b;
    b.world.provider_ahead = Duration{0};
    FakeNotebook& n = b.world.add("demo");
    b.begin();
    b.scheduler.run_for(minutes{20});
    b.world.end(n);
    b.scheduler.run_for(minutes{5});
    b.world.list_fails = Error{Errc::unavailable, Retry::later(), "down", "provider"};
    const WallTime began = b.scheduler.wall();
    set_clock(b, -hours{10});
    b.world.start(n);
    n.resource.run.started_at = began;
    const std::string run = n.resource.run.id.value;
    b.scheduler.run_for(hours{2});
    b.world.end(n);
    n.resource.run.ended_at.reset();
    b.scheduler.run_for(hours{1});
    b.world.list_fails.reset();
    b.scheduler.run_for(minutes{10});
    REQUIRE_FALSE(b.rows(run).empty());
    CHECK_FALSE(b.meter(run).open);
    CHECK(b.metered(run) >= hours{2});
    CHECK(b.metered(run) - b.bar(run) <= hours{2});
    CHECK(b.metered(run) <= hours{3} + minutes{10});
}

TEST_CASE("where our clock is behind, an end that nobody tells is of the provider's clock, as the start is") {
    Books b;
    b.world.provider_ahead = hours{2};
    FakeNotebook& n = b.world.add("demo");
    n.resource.run.started_at = b.scheduler.wall() + hours{2};
    const std::string run = n.resource.run.id.value;
    b.begin();
    b.scheduler.run_for(hours{3});
    b.world.end(n);
    n.resource.run.ended_at.reset();
    b.scheduler.run_for(minutes{3});
    REQUIRE_FALSE(b.meter(run).open);
    CHECK(std::chrono::abs(b.metered(run) - hours{3}) <= minutes{1});
    CHECK(b.bar(run) >= std::chrono::abs(b.metered(run) - hours{3}));
}

TEST_CASE("what came and went unseen has its cost also where our clock is ahead") {
    Books b;
    b.world.provider_ahead = -hours{5};
    b.begin();
    b.scheduler.run_for(minutes{20});
    const std::string boot = GENERATE("boot-1", "boot-2");
    b.life.reset();
    b.scheduler.boot = boot;
    b.scheduler.run_for(minutes{30});
    const auto theirs = [&] { return b.scheduler.wall() - hours{5}; };
    FakeNotebook& n = b.world.add("demo");  // made while nobody looked
    n.resource.run.started_at = theirs();
    b.scheduler.run_for(minutes{90});
    b.world.end(n);
    n.resource.run.ended_at = theirs();
    b.world.past_runs[n.resource.id].push_back(n.resource.run);
    const std::string missed = n.resource.run.id.value;
    b.scheduler.run_for(minutes{10});
    b.world.start(n);
    n.resource.run.started_at = theirs();
    b.begin();
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(missed) == minutes{90});
    CHECK(b.bar(missed) == Duration{0});
}

TEST_CASE("what is told late of what came and went has its cost also where our clock is behind") {
    Books b;
    b.world.provider_ahead = hours{5};
    FakeNotebook& n = b.world.add("demo");
    const auto start = [&] {
        b.world.start(n);
        n.resource.run.started_at = b.scheduler.wall() + hours{5};
    };
    const auto end = [&] {
        b.world.end(n);
        n.resource.run.ended_at = b.scheduler.wall() + hours{5};
        b.world.past_runs[n.resource.id].push_back(n.resource.run);
    };
    n.resource.run.started_at = b.scheduler.wall() + hours{5};
    b.begin();
    b.scheduler.run_for(minutes{10});
    end();
    b.life.reset();
    start();
    const std::string missed = n.resource.run.id.value;
    b.scheduler.run_for(minutes{30});
    end();
    start();
    b.world.past_runs_fail = true;
    b.begin();
    b.scheduler.run_for(minutes{10});
    end();
    start();
    b.scheduler.run_for(minutes{10});
    b.world.past_runs_fail = false;
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(missed) == minutes{30});
    CHECK(b.bar(missed) == Duration{0});
}

TEST_CASE("a run that begins while our clock is behind is billed from its own start") {
    Books b;
    const auto [behind, dated] = GENERATE(table<Duration, bool>(
        {{Duration{93}, false}, {Duration{93}, true}, {minutes{4}, false}, {hours{3}, true}}));
    if (dated) {
        b.world.provider_ahead = behind;
    }
    b.begin();
    b.scheduler.run_for(minutes{20});
    FakeNotebook& n = b.world.add("demo");
    const std::string run = n.resource.run.id.value;
    const WallTime began = b.scheduler.wall() + behind;
    n.resource.run.started_at = began;
    b.scheduler.run_for(hours{2});
    CHECK(b.store.quarantined.empty());
    SECTION("it ends while our clock is behind") {
        b.world.end(n);
        n.resource.run.ended_at = began + hours{2};
        b.scheduler.run_for(minutes{5});
    }
    SECTION("it ends when our clock is right") {
        b.scheduler.step_wall(behind);
        b.world.provider_ahead = dated ? std::optional{Duration{0}} : std::nullopt;
        b.scheduler.run_for(minutes{30});
        b.world.end(n);
        n.resource.run.ended_at = began + hours{2} + minutes{30};
        b.scheduler.run_for(minutes{5});
    }
    REQUIRE_FALSE(b.rows(run).empty());
    CHECK(b.rows(run).front().from == began);
    CHECK(b.metered(run) == *n.resource.run.ended_at - began);
    CHECK(b.bar(run) == Duration{0});
    CHECK(b.each_once());
}

TEST_CASE("a run that goes on after it seemed to have ended is billed once, whatever our clock does") {
    Books b;
    const std::string run = b.world.add("demo").resource.run.id.value;
    const auto dated = GENERATE(true, false);
    if (dated) {
        b.world.provider_ahead = Duration{0};
    }
    const auto set = [&](Duration by) { dated ? set_clock(b, by) : b.scheduler.step_wall(by); };
    b.begin();
    b.scheduler.run_for(minutes{90});
    SECTION("set back behind what is counted") {
        leave_out_twice(b, "demo");
        set(-minutes{50});
        b.scheduler.run_for(minutes{30});
        set(minutes{50});
        b.scheduler.run_for(minutes{20});
    }
    SECTION("it costs what it has cost before as well") {
        leave_out_twice(b, "demo");
    }
    b.scheduler.run_for(hours{3});
    CHECK_FALSE(overlap(b.rows(run)));
    CHECK(b.each_once());
    CHECK(b.meter(run).closed == b.spent(run));
    CHECK(b.meter(run).counted_to - origin == b.metered(run));
}

TEST_CASE("what two lists left out while its stop was under way is known over a restart, and billed once") {
    Books b;
    b.config->rules = basic_config()->rules;
    const Resource demo = b.world.add("demo").resource;
    const std::string run = demo.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{40});
    REQUIRE(b.life->world.picture.resources.at(demo.id).enforcement);
    const auto all = b.world.notebooks;
    b.world.notebooks.erase("demo");
    const int before = b.world.lists;
    while (b.world.lists < before + 2) {
        b.scheduler.run_for(seconds{1});
    }
    b.world.notebooks = all;
    b.scheduler.run_for(minutes{2});
    b.life.reset();
    b.begin();
    b.scheduler.run_for(minutes{10});
    b.world.end(b.world.notebooks.at("demo"));
    const Duration lasted = b.scheduler.wall() - origin;
    b.scheduler.run_for(minutes{5});
    CHECK(b.each_once());
    CHECK_FALSE(overlap(b.rows(run)));
    CHECK(b.metered(run) == lasted);
}

TEST_CASE("no hour is closed that the provider's clock has not passed, and none is given back and lost") {
    Books b;
    b.world.provider_ahead = Duration{0};
    const std::string run = b.world.add("demo").resource.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{100});
    set_clock(b, hours{5});
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(run) <= minutes{105});
    set_clock(b, -hours{5});
    leave_out_twice(b, "demo");
    b.scheduler.run_for(hours{8});
    b.world.end(b.world.notebooks.at("demo"));
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(run) == minutes{100} + minutes{5} + minutes{3} + hours{8});
    CHECK(b.meter(run).closed == b.spent(run));
    CHECK(b.each_once());
    CHECK_FALSE(overlap(b.rows(run)));
}

TEST_CASE(
    "no hour is given back and lost where the provider says no time, and the bar covers what may be too "
    "much") {
    Books b;
    const std::string run = b.world.add("demo").resource.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{100});
    b.scheduler.step_wall(hours{5});
    b.scheduler.run_for(minutes{5});  // nobody can tell that these hours are to come
    b.scheduler.step_wall(-hours{5});
    leave_out_twice(b, "demo");
    const Duration gone = minutes{100} + minutes{5} + minutes{3};
    CHECK_FALSE(b.meter(run).open);
    CHECK(b.metered(run) - b.bar(run) <= gone);
    SECTION("it goes on") {
        b.scheduler.run_for(hours{8});
        b.world.end(b.world.notebooks.at("demo"));
        b.scheduler.run_for(minutes{5});
        CHECK(b.metered(run) == gone + hours{8});
    }
    SECTION("it goes on, and ends before our clock has caught up") {
        b.scheduler.run_for(hours{1});
        b.world.end(b.world.notebooks.at("demo"));
        b.scheduler.run_for(minutes{5});
        CHECK(b.metered(run) == gone + hours{1});
    }
    SECTION("it goes on, and is left out once more") {
        b.scheduler.run_for(hours{1});
        leave_out_twice(b, "demo");
        b.scheduler.run_for(hours{8});
        b.world.end(b.world.notebooks.at("demo"));
        b.scheduler.run_for(minutes{5});
        CHECK(b.metered(run) == gone + hours{9} + minutes{3});
    }
    CHECK(b.meter(run).closed == b.spent(run));
    CHECK(b.each_once());
    CHECK_FALSE(overlap(b.rows(run)));
}

TEST_CASE("a disk costs the same though our clock is set back to before it was made, and forward again") {
    Books b;
    FakeNotebook& m = b.machine("box");
    b.world.end(m);
    b.begin();
    b.scheduler.run_for(minutes{20});
    b.world.add_ons = {{b.disk(m, 50 * gb)}};
    b.scheduler.run_for(hours{5});
    b.scheduler.step_wall(-hours{24 * 40});
    b.scheduler.run_for(hours{3});
    b.scheduler.step_wall(hours{24 * 40});
    b.scheduler.run_for(hours{2});
    for (const CostRow& row : b.rows("disk/box")) {
        CHECK(row.source == CostSource::own);
        CHECK(row.to - row.from <= hours{1});
    }
    CHECK(b.metered("disk/box") == hours{9} + minutes{30});  // to the last full hour
    CHECK(b.each_once());
}
