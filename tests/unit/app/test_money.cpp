// The meter in the whole application, on virtual time: what the ledger holds at the end is what was used, exactly.
#include "support/books.hpp"

#include <functional>
#include <utility>

using namespace curfew;
using namespace curfew::test;

TEST_CASE("restarts and outages of the daemon change nothing of what a run costs") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    const std::string run = n.resource.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{95});
    b.restart(minutes{200});
    b.scheduler.run_for(minutes{13});
    b.world.list_fails = Error{Errc::unavailable, Retry::later(), "down", "provider"};
    b.scheduler.run_for(minutes{130});
    b.world.list_fails.reset();
    b.scheduler.run_for(minutes{20});
    b.life.reset();
    b.scheduler.run_for(minutes{31});
    const WallTime end = b.scheduler.wall();
    b.world.end(n);
    b.scheduler.run_for(minutes{50});
    b.begin();
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(run) == end - origin);
    CHECK(near(b.spent(run), at("0.76", end - origin), b.rows(run).size()));
    CHECK(b.meter(run).closed == b.spent(run));
    CHECK(b.bar(run) == Duration{0});
    CHECK(b.each_once());
}

TEST_CASE("a first start bills nothing from before it but what runs") {
    Books b;
    FakeNotebook& runs = b.world.add("runs");
    FakeNotebook& off = b.world.add("off");
    b.world.past_runs[runs.resource.id] = {off.resource.run};
    b.scheduler.run_for(hours{3});
    b.world.end(off);
    b.scheduler.run_for(hours{1});
    b.begin();
    b.scheduler.run_for(minutes{10});
    CHECK(b.rows(off.resource.run.id.value).empty());
    CHECK(b.metered(runs.resource.run.id.value) == utc("2026-11-23T06:00:00Z") - origin);  // full hours
}

TEST_CASE("runs that came and went while the daemon was down are billed by their own stamps") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    const std::string first = n.resource.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{10});
    b.life.reset();
    std::vector<Run>& past = b.world.past_runs[n.resource.id];
    const auto go = [&](Duration on, Duration pause) {
        b.scheduler.run_for(on);
        b.world.end(n);
        past.push_back(n.resource.run);
        b.scheduler.run_for(pause);
        b.world.start(n);
    };
    go(minutes{20}, minutes{30});  // the first one ends
    go(minutes{70}, minutes{5});
    go(minutes{33}, minutes{12});
    const std::string second = past[1].id.value;
    const std::string third = past[2].id.value;
    const std::string last = n.resource.run.id.value;
    b.scheduler.run_for(minutes{7});
    b.begin();
    b.scheduler.run_for(minutes{3});
    CHECK(b.metered(first) == *past[0].ended_at - origin);
    CHECK(b.metered(second) == minutes{70});
    CHECK(b.metered(third) == minutes{33});
    CHECK(near(b.spent(second), at("0.76", minutes{70}), 3));
    for (const std::string& run : {first, second, third}) {
        CHECK(b.bar(run) == Duration{0});
        CHECK(b.store.runs.at(RunId{run}).ended_at);
        CHECK_FALSE(b.meter(run).open);
    }
    b.world.end(n);
    b.scheduler.run_for(minutes{3});
    CHECK(b.metered(last) == minutes{10});
    CHECK(b.each_once());
}

TEST_CASE("what ran unseen before a resource was gone from the list is billed once it is back") {
    const bool restarted = GENERATE(false, true);
    CAPTURE(restarted);
    Books b;
    FakeNotebook& n = b.world.add("demo");
    b.begin();
    b.scheduler.run_for(minutes{10});
    const std::string first = n.resource.run.id.value;
    b.world.end(n);
    std::vector<Run>& past = b.world.past_runs[n.resource.id];
    past.push_back(n.resource.run);
    b.scheduler.run_for(minutes{10});
    b.life.reset();
    b.scheduler.run_for(minutes{5});
    b.world.start(n);
    b.scheduler.run_for(minutes{33});
    b.world.end(n);
    past.push_back(n.resource.run);
    auto away = b.world.notebooks.extract("demo");
    b.scheduler.run_for(minutes{10});
    b.begin();
    b.scheduler.run_for(minutes{20});
    CHECK(b.store.known.at(n.resource.id).gone);
    if (restarted) {
        b.restart(minutes{5});
        b.scheduler.run_for(minutes{20});
    }
    b.world.notebooks.insert(std::move(away));
    b.world.start(n);
    b.scheduler.run_for(minutes{5});
    CHECK(b.metered(first) == minutes{10});
    CHECK(b.metered(past[1].id.value) == minutes{33});
    CHECK(b.bar(past[1].id.value) == Duration{0});
    CHECK(b.each_once());
}

TEST_CASE("an end that nobody tells may be anywhere in the gap, whatever each hour of it costs") {
    Books b;
    auto cheaper = *PriceBook::parse_csv(
        "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\nA4000,0.10,1,A4000,16,2026-11-24,\n",
        "own.csv");
    b.prices.merge(cheaper);
    FakeNotebook& n = b.world.add("demo");
    const std::string run = n.resource.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{30});
    const Money seen = b.spent(run);
    b.life.reset();
    b.world.end(n);
    n.resource.run.ended_at.reset();
    b.run_to("2026-11-24T09:30:00Z");
    b.begin();
    b.scheduler.run_for(minutes{5});
    Money doubted;
    for (const CostRow& row : b.rows(run)) {
        doubted += row.rate ? cost_of(*row.rate, row.error_bar).value_or(Money{}) : Money{};
    }
    CHECK(doubted + seen + at("0.76", minutes{1}) >= b.spent(run));
    CHECK(doubted <= b.spent(run));
}

TEST_CASE("a run that was missed and whose end nobody tells ends before the next, and the bar says so") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    b.begin();
    b.scheduler.run_for(minutes{10});
    b.life.reset();
    b.world.end(n);
    b.world.past_runs[n.resource.id] = {n.resource.run};
    b.scheduler.run_for(minutes{20});
    b.world.start(n);
    Run missed = n.resource.run;
    b.world.past_runs[n.resource.id].push_back(missed);  // without an end
    b.scheduler.run_for(minutes{50});
    b.world.start(n);
    b.begin();
    b.scheduler.run_for(minutes{3});
    CHECK(b.metered(missed.id.value) == minutes{50});
    CHECK(b.bar(missed.id.value) == minutes{50});
    CHECK(b.rows(missed.id.value).back().estimated);
}

TEST_CASE(
    "of what a list names twice the end is asked for once: an answer that is lost does not outdo another") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    const RunId first = n.resource.run.id;
    b.begin();
    b.scheduler.run_for(minutes{10});
    b.world.listed_twice = true;
    b.world.list_complete = false;
    b.world.start(n);
    b.scheduler.run_for(minutes{1});
    CHECK(b.world.asked_ends[first] == 1);
    CHECK_FALSE(b.meter(first.value).open);
    CHECK(b.each_once());
}

TEST_CASE("a run that billed before it had a start is billed from its start, once that is known") {
    const Duration off = GENERATE(Duration{minutes{-2}}, Duration{minutes{2}});
    const bool restarted = GENERATE(false, true);
    CAPTURE(off.count(), restarted);
    Books b;
    b.begin();
    b.scheduler.run_for(minutes{10});
    FakeNotebook& n = b.world.add("demo");
    const std::string run = n.resource.run.id.value;
    const WallTime start = b.scheduler.wall() + off;
    n.resource.run.state = RunState::provisioned;
    n.resource.run.started_at.reset();
    b.scheduler.run_for(minutes{3});
    n.resource.run.state = RunState::running;
    n.resource.run.started_at = start;
    b.scheduler.run_for(minutes{3});
    if (restarted) {
        b.restart(minutes{1});
    }
    b.scheduler.run_for(minutes{100});
    const WallTime end = b.scheduler.wall();
    b.world.end(n);
    b.scheduler.run_for(minutes{3});
    CHECK(b.metered(run) == end - start);
    CHECK(b.bar(run) == Duration{0});
    CHECK(b.each_once());
}

TEST_CASE("past runs are asked for until the provider answers, also over a restart") {
    const bool restarted = GENERATE(false, true);
    CAPTURE(restarted);
    Books b;
    FakeNotebook& n = b.world.add("demo");
    b.begin();
    b.scheduler.run_for(minutes{10});
    const int before = static_cast<int>(b.store.costs.size());
    b.world.end(n);
    b.world.start(n);
    Run missed = n.resource.run;
    b.scheduler.run_for(seconds{20});
    missed.ended_at = b.scheduler.wall();
    missed.state = RunState::stopped;
    b.world.past_runs[n.resource.id] = {missed};
    b.world.past_runs_fail = true;
    b.world.start(n);
    b.scheduler.run_for(minutes{3});
    CHECK(b.rows(missed.id.value).empty());
    CHECK(b.store.gaps.size() == 1);
    if (restarted) {
        b.life.reset();
        b.begin();
    }
    b.world.past_runs_fail = false;
    b.scheduler.run_for(minutes{3});
    CHECK(b.metered(missed.id.value) == seconds{20});
    CHECK(static_cast<int>(b.store.costs.size()) >= before + 2);
    CHECK(b.store.gaps.empty());
    CHECK(b.each_once());
}

TEST_CASE(
    "what was new while a poll waited for its guest, and was not in its list, has its cost after a restart") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    b.begin();
    b.scheduler.run_for(minutes{10});
    n.guest_hangs = true;
    int lists = 0;  // until one has been listed that is not durable
    Instant before = instant_never;
    while (b.world.lists == lists || b.store.polls.at(AccountName{"me"}).mono != before) {
        lists = b.world.lists;
        before = b.store.polls.at(AccountName{"me"}).mono;
        b.scheduler.run_for(seconds{1});
    }
    FakeNotebook& late = b.world.add("late");
    b.scheduler.run_for(seconds{5});
    b.world.end(late);
    const Run missed = late.resource.run;
    b.world.past_runs[late.resource.id] = {missed};
    while (b.store.polls.at(AccountName{"me"}).mono == before) {
        b.scheduler.run_for(seconds{1});
    }
    b.life.reset();
    b.world.start(late);
    b.begin();
    b.scheduler.run_for(minutes{3});
    CHECK(b.metered(missed.id.value) == seconds{5});
    CHECK(b.each_once());
}

TEST_CASE("an end that the late answer to an earlier question tells is taken from there") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    b.begin();
    b.scheduler.run_for(minutes{10});
    b.world.past_runs_fail = true;
    std::vector<Run>& past = b.world.past_runs[n.resource.id];
    b.world.end(n);
    past.push_back(n.resource.run);
    b.world.start(n);
    b.scheduler.run_for(minutes{20} + seconds{17});
    b.world.end(n);
    const Run second = n.resource.run;
    past.push_back(second);
    n.resource.run.ended_at.reset();  // neither the list nor the question about its end says it
    b.world.past_runs_fail = false;
    b.scheduler.run_for(minutes{3});
    CHECK(b.metered(second.id.value) == minutes{20} + seconds{17});
    CHECK(b.bar(second.id.value) == Duration{0});
}

TEST_CASE("a dated price cuts at its own time, not at the poll, also when the daemon was down then") {
    for (const bool down : {false, true}) {
        CAPTURE(down);
        Books b;
        auto more = *PriceBook::parse_csv(
            "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n"
            "A4000,0.80,1,A4000,16,2026-11-23T03:17:21Z,\nA4000,0.90,1,A4000,16,2026-11-24,\n",
            "own.csv");
        b.prices.merge(more);
        FakeNotebook& n = b.world.add("demo");
        const std::string run = n.resource.run.id.value;
        b.begin();
        b.scheduler.run_for(minutes{30});
        if (down) {
            b.restart(hours{30});
        }
        b.run_to("2026-11-24T09:30:00Z");
        b.world.end(n);
        b.scheduler.run_for(minutes{5});
        const Money sum = at("0.76", utc("2026-11-23T03:17:21Z") - origin) +
                          at("0.80", utc("2026-11-24T00:00:00Z") - utc("2026-11-23T03:17:21Z")) +
                          at("0.90", hours{9} + minutes{30});
        CHECK(near(b.spent(run), sum, b.rows(run).size()));
        CHECK(std::ranges::count(b.rows(run), utc("2026-11-23T03:17:21Z"), &CostRow::from) == 1);
        CHECK(b.each_once());
    }
}

TEST_CASE("what old lists show again and again after an end that was told is given back once (I6)") {
    Books b;
    b.run_to("2026-11-23T05:10:00Z");
    FakeNotebook& n = b.world.add("demo");
    const std::string run = n.resource.run.id.value;
    b.begin();
    b.run_to("2026-11-23T05:50:00Z");
    b.world.end(n);
    const Run off = n.resource.run;
    b.run_to("2026-11-23T05:55:00Z");
    REQUIRE_FALSE(b.meter(run).open);
    b.run_to("2026-11-23T06:02:00Z");
    for (int again = 0; again < 3; ++again) {
        n.resource.run.state = RunState::running;
        n.resource.run.ended_at.reset();
        b.scheduler.run_for(minutes{4});
        CHECK(b.meter(run).open);
        n.resource.run = off;
        b.scheduler.run_for(minutes{4});
        CHECK_FALSE(b.meter(run).open);
        CHECK(near(b.spent(run), at("0.76", minutes{40}), b.rows(run).size()));
        if (again == 1) {
            b.life.reset();
            b.begin();
        }
    }
    CHECK(b.each_once());
}

TEST_CASE(
    "a price that the provider lists is that of its list, and dated ones before and after hold as well") {
    Books b;
    b.prices = *PriceBook::parse_csv(
        "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n"
        "A4000,0.76,1,A4000,16,2026-11-01,\nA4000,1.50,1,A4000,16,2026-11-23T05:20:00Z,\n"
        "A4000,0.60,1,A4000,16,2026-11-23T09:40:00Z,\n",
        "shipped.csv");
    FakeNotebook& n = b.world.add("demo");
    const std::string run = n.resource.run.id.value;
    n.resource.run.listed_rate = Rate{Money{760'000'000}};
    b.begin();
    b.scheduler.run_for(minutes{30});
    b.life.reset();
    Money sum = at("0.76", utc("2026-11-23T05:20:00Z") - origin);
    SECTION("two changes that nobody saw, and a list after them") {
        b.run_to("2026-11-23T12:05:00Z");
        n.resource.run.listed_rate = Rate{Money{600'000'000}};
        b.begin();
        b.run_to("2026-11-23T14:00:00Z");
        b.world.end(n);
        sum += at("1.50", hours{4} + minutes{20}) + at("0.60", hours{4} + minutes{20});
    }
    SECTION("two changes that nobody saw, and a start between them") {
        b.run_to("2026-11-23T06:00:00Z");
        b.world.list_fails = Error{Errc::unavailable, Retry::later(), "503", "api"};
        b.begin();
        b.run_to("2026-11-23T12:05:00Z");
        n.resource.run.listed_rate = Rate{Money{600'000'000}};
        b.world.list_fails.reset();
        b.run_to("2026-11-23T14:00:00Z");
        b.world.end(n);
        sum += at("1.50", hours{4} + minutes{20}) + at("0.60", hours{4} + minutes{20});
    }
    SECTION("a run that is first seen after both") {
        b.world.start(n);
        b.run_to("2026-11-23T12:05:00Z");
        n.resource.run.listed_rate = Rate{Money{600'000'000}};
        b.begin();
        b.scheduler.run_for(minutes{3});
        sum = at("0.76", utc("2026-11-23T05:20:00Z") - *n.resource.run.started_at) +
              at("1.50", hours{4} + minutes{20}) + at("0.60", hours{2} + minutes{20});
        CHECK(near(b.spent(n.resource.run.id.value), sum, 12));
        return;
    }
    SECTION("an end after a change that no list showed") {
        b.run_to("2026-11-23T05:30:00Z");
        b.world.end(n);
        b.run_to("2026-11-23T06:00:00Z");
        b.begin();
        sum += at("1.50", minutes{10});
    }
    SECTION("an own price of the provider's, which goes by no table") {
        n.resource.run.listed_rate = Rate{Money{700'000'000}};
        b.begin();
        b.run_to("2026-11-23T03:00:00Z");
        b.life.reset();
        b.run_to("2026-11-23T12:05:00Z");
        b.begin();
        b.run_to("2026-11-23T14:00:00Z");
        b.world.end(n);
        b.scheduler.run_for(minutes{5});
        const auto off = [&](const CostRow& row) { return row.rate != n.resource.run.listed_rate; };
        CHECK(std::ranges::count_if(b.rows(run), off) == 1);  // before it was
        return;
    }
    b.scheduler.run_for(minutes{5});
    CHECK(near(b.spent(run), sum, b.rows(run).size()));
    CHECK(b.each_once());
}

TEST_CASE("the provider's own price beats the shipped table, and the user's beats both") {
    Books b;
    FakeNotebook& listed = b.world.add("listed");
    listed.resource.run.listed_rate = Rate{Money{700'000'000}};
    FakeNotebook& strange = b.world.add("strange", "Strange-1");
    strange.resource.run.listed_rate = Rate{Money{1'000'000'000}};
    FakeNotebook& own = b.world.add("own", "A5000");
    own.resource.run.listed_rate = Rate{Money{1'380'000'000}};
    FakeNotebook& free = b.world.add("free", "Free-A4000");
    free.resource.run.listed_rate = Rate{Money{760'000'000}};
    b.prices.merge(
        *PriceBook::parse_csv("machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n"
                              "A5000,0.50,1,A5000,24,,\n",
                              "own.csv"));
    b.begin();
    b.run_to("2026-11-23T04:03:00Z");
    const auto hour = [&](const FakeNotebook& n) { return b.rows(n.resource.run.id.value).back().gross; };
    CHECK(hour(listed) == Money{700'000'000});
    CHECK(hour(strange) == Money{1'000'000'000});
    CHECK(hour(own) == Money{500'000'000});
    CHECK(hour(free) == Money{0});
    CHECK(b.told(AlertKind::unpriced) == 0);
    const LiveResource& seen = b.life->world.picture.resources.at(strange.resource.id);
    REQUIRE(seen.price != nullptr);
    CHECK(seen.price->rate.per_hour == Money{1'000'000'000});
    CHECK(seen.price->note == "listed by the provider");
}

TEST_CASE("a disk costs its cap, month after month, whatever happens to the daemon") {
    Books b;
    FakeNotebook& m = b.machine("box");
    b.run_to("2026-12-01T00:00:00Z");
    b.world.end(m);
    b.world.add_ons = {{b.disk(m, 50 * gb)}};
    const std::string disk = "disk/box";
    b.config->accounts[0].poll_interval = minutes{30};
    b.begin();
    b.run_to("2026-12-20T11:13:00Z");
    b.restart(hours{40});
    b.run_to("2026-12-30T00:00:00Z");
    CHECK(b.spent(disk) == Money{5'000'000'000});
    b.run_to("2027-01-01T00:10:00Z");
    CHECK(b.spent(disk) == Money{5'000'000'000});
    b.restart(minutes{25});
    b.run_to("2027-01-15T00:20:00Z");
    CHECK(b.spent(disk) == Money{7'500'000'000});
    const LiveAddOn& live = b.life->world.picture.add_ons.at(RunId{disk});
    CHECK(live.idle_since == utc("2026-12-01T00:00:00Z"));
    CHECK(live.add_on.name == "disk of box");
    CHECK(live.meter.kind == MeterKind::storage);
    CHECK(b.bar(disk) == Duration{0});
    CHECK(b.each_once());
}

TEST_CASE("of the first list an add-on is billed from the month's beginning, with its cap whole") {
    Books b;
    FakeNotebook& m = b.machine("box");
    b.world.add_ons = {{b.disk(m, 50 * gb)}};
    b.run_to("2026-12-10T00:00:00Z");
    b.config->accounts[0].poll_interval = minutes{30};
    b.begin();
    b.run_to("2026-12-31T00:10:00Z");
    CHECK(b.spent("disk/box") == Money{5'000'000'000});
    CHECK(b.rows("disk/box").front().from == utc("2026-12-01T00:00:00Z"));
}

TEST_CASE("an address that is on, off and on again fills one cap of the month") {
    Books b;
    FakeNotebook& m = b.machine("box");
    b.config->accounts[0].poll_interval = minutes{10};
    b.world.add_ons = {{b.address(m)}};
    b.begin();
    const std::string ip = "ip/203.0.113.9";
    b.scheduler.run_for(hours{10} + minutes{3});
    b.world.end(m);
    b.world.add_ons->front().billing = false;  // its end is that of the run
    b.scheduler.run_for(hours{7});
    CHECK(b.metered(ip) == hours{10} + minutes{3});
    CHECK(b.bar(ip) == Duration{0});
    b.world.start(m);
    b.world.add_ons->front() = b.address(m);
    const WallTime again = b.scheduler.wall();
    b.scheduler.run_for(minutes{30});
    b.restart(minutes{45});
    b.run_to("2026-11-30T23:59:59Z");
    b.world.end(m);
    b.world.add_ons->front().billing = false;
    b.world.add_ons->front().until = b.scheduler.wall();
    b.scheduler.run_for(minutes{20});
    const Duration used = hours{10} + minutes{3} + (utc("2026-11-30T23:59:59Z") - again);
    CHECK(b.metered(ip) == used);
    CHECK(b.spent(ip) == part_of(Money{3'000'000'000}, used.count(), Duration{hours{672}}.count()));
    CHECK(b.each_once());
    // In the same month it would go on; in the next it begins anew.
    b.world.start(m);
    b.world.add_ons->front() = b.address(m);
    b.scheduler.run_for(hours{2});
    CHECK(b.meter(ip).used_in_month < hours{3});
}

TEST_CASE("a machine that was off and on between two lists parts its address as well") {
    Books b;
    FakeNotebook& m = b.machine("box");
    b.config->accounts[0].poll_interval = minutes{30};
    b.world.add_ons = {{b.address(m)}};
    b.begin();
    b.scheduler.run_for(hours{2} + minutes{5});
    b.world.end(m);
    b.world.past_runs[m.resource.id] = {m.resource.run};
    const WallTime off = b.scheduler.wall();
    b.scheduler.run_for(minutes{4});
    b.world.start(m);
    b.world.add_ons->front() = b.address(m);
    b.scheduler.run_for(hours{2});
    const auto rows = b.rows("ip/203.0.113.9");
    CHECK(std::ranges::count(rows, off, &CostRow::to) == 1);
    CHECK(std::ranges::count(rows, off + minutes{4}, &CostRow::from) == 1);
    CHECK(b.bar("ip/203.0.113.9") == Duration{0});
}

TEST_CASE("an orphan is billed, named and known for what it is; once it is gone twice it has ended") {
    Books b;
    AddOn lost;
    lost.id = "ip/203.0.113.77";
    lost.kind = AddOnKind::public_ip;
    lost.resource = ResourceId{lost.id};
    lost.name = "203.0.113.77";
    lost.orphan = true;
    lost.since = origin;
    b.world.add_ons = {{lost}};
    b.begin();
    b.scheduler.run_for(hours{5});
    CHECK(b.life->world.picture.add_ons.at(RunId{lost.id}).add_on.orphan);
    CHECK(b.store.known.at(lost.resource).account == AccountName{"me"});
    CHECK(b.store.known.at(lost.resource).name == "203.0.113.77");
    b.restart(minutes{5});
    b.world.add_ons->clear();
    b.scheduler.run_for(minutes{4});
    CHECK(b.life->world.picture.add_ons.empty());
    const Meter& meter = b.meter(lost.id);
    CHECK_FALSE(meter.open);
    CHECK(b.rows(lost.id).back().estimated);
    CHECK(b.rows(lost.id).back().error_bar > Duration{0});
    CHECK(meter.counted_to - origin >= hours{5});
    // It was a slip of the provider's: nothing of the time is lost.
    b.world.add_ons = {{lost}};
    b.scheduler.run_for(hours{2});
    const Meter& again = b.meter(lost.id);
    CHECK(again.open);
    CHECK(b.metered(lost.id) == again.counted_to - origin);
    CHECK(b.each_once());
}

TEST_CASE("an address that outlives its machine costs on in its own name, towards the same cap") {
    Books b;
    FakeNotebook& m = b.machine("box");
    b.world.add_ons = {{b.address(m)}};
    b.begin();
    b.scheduler.run_for(hours{3});
    AddOn& address = b.world.add_ons->front();
    address.resource = ResourceId{address.id};
    address.name = "address 203.0.113.9";
    address.orphan = true;
    b.world.notebooks.clear();
    b.scheduler.run_for(hours{3});
    const auto rows = b.rows(address.id);
    CHECK(rows.front().resource == ResourceId{"r-box"});
    CHECK(rows.back().resource == ResourceId{address.id});
    CHECK(b.store.known.at(ResourceId{address.id}).name == "address 203.0.113.9");
    CHECK(b.metered(address.id) == b.meter(address.id).counted_to - origin);
    CHECK(b.meter(address.id).used_in_month == b.metered(address.id));
    CHECK(b.each_once());
}

TEST_CASE("an add-on whose price nobody knows is unpriced, loudly") {
    Books b;
    FakeNotebook& m = b.machine("box");
    AddOn drive = b.disk(m, 700 * gb);
    drive.kind = AddOnKind::shared_drive;
    b.world.add_ons = {{drive}};
    b.begin();
    b.scheduler.run_for(hours{2});
    CHECK(b.told(AlertKind::unpriced) == 1);
    CHECK(b.spent(drive.id) == Money{0});
    CHECK_FALSE(b.rows(drive.id).empty());
    CHECK_FALSE(b.rows(drive.id).front().rate);
}

TEST_CASE("a disk that grows is priced anew from the list that shows it") {
    Books b;
    FakeNotebook& m = b.machine("box");
    b.world.add_ons = {{b.disk(m, 50 * gb)}};
    b.begin();
    b.scheduler.run_for(hours{3});
    b.world.add_ons->front().bytes = 90 * gb;
    b.scheduler.run_for(hours{3});
    const auto rows = b.rows("disk/box");
    CHECK(rows.front().sku == "block storage 50 GB");
    CHECK(rows.back().sku == "block storage 100 GB");
    // It grew somewhere between two lists.
    CHECK(b.bar("disk/box") > Duration{0});
    CHECK(b.bar("disk/box") <= minutes{2});
    CHECK(b.each_once());
}

TEST_CASE("a flat machine costs its month, on or off, and is stopped by no rule and no budget") {
    Books b;
    Rule rule;
    rule.name = RuleName{"idle"};
    rule.mode = Mode::enforce;
    rule.idle_limit = hours{1};
    b.config->rules = {rule};
    b.config->flat = {{.match = {"render-*"}, .per_month = Money{269'000'000'000}}};
    b.config->accounts[0].poll_interval = minutes{10};
    b.run_to("2026-12-01T00:00:00Z");
    FakeNotebook& m = b.machine("render-1");
    b.begin();
    b.run_to("2026-12-04T10:20:00Z");
    CHECK(b.world.stop_calls.empty());
    const LiveResource& live = b.life->world.picture.resources.at(m.resource.id);
    CHECK(live.saves_nothing == "flat price of $269.00 a month, on or off: a stop saves nothing");
    CHECK(live.why.starts_with(live.saves_nothing));
    CHECK_FALSE(live.current.meter);
    b.world.end(m);
    b.run_to("2026-12-12T07:00:00Z");
    b.restart(hours{9});
    b.world.start(m);
    b.run_to("2027-01-01T00:30:00Z");
    const std::string standing = "machine/" + m.resource.id.value;
    Money december;
    for (const CostRow& row : b.rows(standing)) {
        december += row.from < utc("2027-01-01T00:00:00Z") ? row.gross : Money{};
    }
    CHECK(december == Money{269'000'000'000});
    CHECK(b.spent() == b.spent(standing));  // nothing beside it
    CHECK(b.world.stop_calls.empty());
    CHECK(burn(b.life->world.picture.add_ons.at(RunId{standing}).meter, b.scheduler.wall()) == Money{0});
    CHECK(b.each_once());
}

TEST_CASE("machines that are billed while off cost the same by the hour until they are gone") {
    Books b;
    b.config->accounts[0].bill_machines_off = true;
    FakeNotebook& m = b.machine("box");
    FakeNotebook& n = b.world.add("notebook");
    b.begin();
    b.scheduler.run_for(hours{2});
    b.world.end(m);
    b.world.end(n);
    b.scheduler.run_for(hours{3} + minutes{20});
    const std::string standing = "machine/" + m.resource.id.value;
    CHECK(b.metered(n.resource.run.id.value) == hours{2});
    b.restart(minutes{10});
    b.world.start(m);
    b.scheduler.run_for(minutes{30});
    b.world.notebooks.erase("box");
    b.scheduler.run_for(minutes{5});
    const Meter& meter = b.meter(standing);
    CHECK_FALSE(meter.open);
    const Duration real = hours{6};
    CHECK(b.metered(standing) >= real);
    CHECK(b.metered(standing) <= real + minutes{3});
    CHECK(b.bar(standing) >= b.metered(standing) - real);
    CHECK(near(b.spent(standing), at("0.76", b.metered(standing)), b.rows(standing).size()));
}

TEST_CASE("a machine that becomes flat, and one that is flat no more, is billed without a hole") {
    Books b;
    FakeNotebook& m = b.machine("box");
    const std::string run = m.resource.run.id.value;
    b.begin();
    b.scheduler.run_for(minutes{90});
    b.life.reset();
    b.config->flat = {{.match = {"box"}, .per_month = Money{269'000'000'000}}};
    b.begin();
    b.scheduler.run_for(minutes{90});
    b.life.reset();
    b.config->flat.clear();
    b.begin();
    b.scheduler.run_for(minutes{50});
    b.world.end(m);
    b.scheduler.run_for(minutes{2});
    const std::string standing = "machine/" + m.resource.id.value;
    CHECK(b.metered(run) + b.metered(standing) == *m.resource.run.ended_at - origin);
    CHECK(b.metered(standing) >= minutes{89});
    CHECK(b.each_once());
}

TEST_CASE("runs are rounded up to what the account bills by") {
    for (const auto& [increment, billed] : {std::pair{Increment::none, Duration{minutes{62} + seconds{10}}},
                                            std::pair{Increment::minute, Duration{minutes{63}}},
                                            std::pair{Increment::hour, Duration{hours{2}}}}) {
        Books b;
        b.config->accounts[0].billing_increment = increment;
        FakeNotebook& n = b.world.add("demo");
        b.begin();
        b.scheduler.run_for(minutes{62} + seconds{10});
        b.world.end(n);
        b.scheduler.run_for(minutes{5});
        CHECK(b.metered(n.resource.run.id.value) == billed);
    }
}

TEST_CASE("the provider's figure is kept beside ours, and a drift is told") {
    Books b;
    FakeNotebook& n = b.world.add("demo");
    b.config->accounts[0].poll_interval = minutes{10};
    b.begin();
    b.run_to("2026-11-24T00:00:00Z");
    const auto report = [&](std::string_view amount) {
        b.world.reported = Reported{.month = utc_month_begin(b.scheduler.wall()),
                                    .month_to_date = parse_money(amount).value(),
                                    .generated_at = b.scheduler.wall()};
        b.scheduler.run_for(hours{1} + minutes{20});
    };
    report("100.00");  // far off, but November was not watched from its first minute
    CHECK(b.told(AlertKind::drift) == 0);
    CHECK(b.store.reported.size() == 1);
    CHECK_FALSE(b.life->world.picture.accounts.at(AccountName{"me"}).accrued_then);
    b.run_to("2026-12-02T00:00:00Z");
    report("18.10");  // ours: 24 h at 0.76 = 18.24
    CHECK(b.store.reported.size() == 2);
    const LiveAccount& live = b.life->world.picture.accounts.at(AccountName{"me"});
    REQUIRE(live.accrued_then);
    CHECK(*live.accrued_then == at("0.76", hours{24}));
    CHECK(b.told(AlertKind::drift) == 0);
    report("25.00");
    CHECK(b.told(AlertKind::drift) == 1);
    b.scheduler.run_for(hours{5});
    CHECK(b.store.reported.size() == 3);  // each figure once
    CHECK(b.told(AlertKind::drift) == 1);
    CHECK(b.spent(n.resource.run.id.value).nanos > 0);
}

TEST_CASE("a month of everything at once is what the sums say, to half a nano a row") {
    Books b;
    b.config->accounts[0].poll_interval = minutes{20};
    b.run_to("2026-12-01T00:00:00Z");
    FakeNotebook& work = b.world.add("work");
    FakeNotebook& box = b.machine("box");
    b.world.add_ons = {{b.disk(box, 100 * gb), b.address(box)}};
    b.begin();
    std::uint64_t dice = 12345;
    const auto roll = [&](std::uint64_t sides) {
        return (dice = dice * 6364136223846793005U + 1) / 65536 % sides;
    };
    Duration work_on{0};
    Duration box_on{0};
    WallTime work_since = b.scheduler.wall();
    WallTime box_since = b.scheduler.wall();
    while (b.scheduler.wall() < utc("2027-01-01T00:00:00Z")) {
        const Duration step = minutes{static_cast<int>(7 + roll(300))};
        b.scheduler.run_for(std::min(step, utc("2027-01-01T00:00:00Z") - b.scheduler.wall()));
        const WallTime now = b.scheduler.wall();
        const auto flip = [&](FakeNotebook& n, WallTime& since, Duration& on) {
            if (is_off(n.resource.run.state)) {
                b.world.start(n);
                since = now;
            } else {
                b.world.end(n);
                b.world.past_runs[n.resource.id].push_back(n.resource.run);
                on += now - since;
            }
        };
        if (roll(3) == 0) {
            flip(work, work_since, work_on);
        }
        if (roll(4) == 0) {
            flip(box, box_since, box_on);
            AddOn& address = b.world.add_ons->at(1);
            address.billing = !is_off(box.resource.run.state);
            address.since = box.resource.run.started_at;
            address.until = address.billing ? std::nullopt : std::optional{now};
        }
        if (roll(20) == 0) {
            b.restart(minutes{static_cast<int>(roll(30))});
        }
    }
    for (auto& [n, since, on] :
         {std::tuple{&work, &work_since, &work_on}, std::tuple{&box, &box_since, &box_on}}) {
        if (!is_off(n->resource.run.state)) {
            *on += b.scheduler.wall() - *since;
            b.world.end(*n);
        }
    }
    AddOn& address = b.world.add_ons->at(1);
    if (address.billing) {
        address.billing = false;
        address.until = b.scheduler.wall();
    }
    b.scheduler.run_for(minutes{45});
    Money compute;
    std::size_t count = 0;
    for (const CostRow& row : b.store.costs) {
        compute += row.meter == MeterKind::compute ? row.gross : Money{};
        count += row.meter == MeterKind::compute ? 1 : 0;
        CHECK(row.gross.nanos >= 0);
    }
    CHECK(near(compute, at("0.76", work_on + box_on), count));
    Money disk;
    for (const CostRow& row : b.rows("disk/box")) {
        disk += row.from < utc("2027-01-01T00:00:00Z") ? row.gross : Money{};
    }
    CHECK(disk == Money{7'000'000'000});
    CHECK(b.spent("ip/203.0.113.9") == part_of(Money{3'000'000'000},
                                               std::min<Duration>(box_on, hours{672}).count(),
                                               Duration{hours{672}}.count()));
    CHECK(b.each_once());
}
