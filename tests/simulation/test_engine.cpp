// The engine of the simulation itself: what it says of a life is worth nothing unless time, chance, the disk and death
// behave as they are said to.
#include "simulation/clock.hpp"
#include "simulation/disk.hpp"
#include "simulation/fleet.hpp"
#include "simulation/life.hpp"
#include "simulation/stage.hpp"

#include <catch2/catch.hpp>
#include <sqlite3.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::simulation;

namespace {

LifeReport short_life(std::uint64_t seed, bool faults, bool crashes) {
    LifeOptions options;
    options.seed = seed;
    options.chaos = hours{14};
    options.calm = hours{10};
    options.faults = faults;
    options.crashes = crashes;
    return live(options);
}

std::vector<int> order_of(std::uint64_t seed) {
    Clock clock({0}, Dice{seed});
    std::vector<int> order;
    for (int i = 0; i < 8; ++i) {
        clock.at(Instant{1000}, [&order, i] { order.push_back(i); });
    }
    while (clock.next()) {
        clock.step_on();
    }
    return order;
}

}  // namespace

TEST_CASE("the same seed lives the same life", "[simulation]") {
    const LifeReport first = short_life(2, true, true);
    const LifeReport second = short_life(2, true, true);
    CHECK(first.trace_hash == second.trace_hash);
    CHECK(first.counts.marks == second.counts.marks);
    CHECK(first.counts.instance_ms == second.counts.instance_ms);
    CHECK(first.counts.crashes > 0);
    CHECK(first.counts.faults > 0);
    CHECK(short_life(3, true, true).trace_hash != first.trace_hash);
}

TEST_CASE("without faults and crashes there are none", "[simulation]") {
    const LifeReport life = short_life(2, false, false);
    CHECK(life.counts.faults == 0);
    CHECK(life.counts.crashes == 0);
    CHECK(life.counts.commits > 0);
}

TEST_CASE("what is due at one moment comes in an order of the seed", "[simulation]") {
    CHECK(order_of(1) == order_of(1));
    bool differs = false;
    for (std::uint64_t seed = 2; seed < 10; ++seed) {
        differs = differs || order_of(seed) != order_of(1);
    }
    CHECK(differs);
}

TEST_CASE("a host that sleeps lets time pass and calls nobody", "[simulation]") {
    Clock clock({1'000'000}, Dice{1});
    boost::asio::io_context loop;
    VirtualScheduler scheduler(clock, loop);
    std::vector<std::string> happened;
    const Scheduler::Alarm alarm = scheduler.at(scheduler.mono() + seconds{10},
                                                [&] { happened.emplace_back("alarm"); });
    clock.after(seconds{5}, [&] { clock.suspend(); });
    clock.after(seconds{20}, [&] { happened.emplace_back("world"); });
    clock.after(minutes{10}, [&] {
        happened.emplace_back("wake");
        clock.wake();
    });
    const Now before = scheduler.now();
    while (clock.next()) {
        clock.step_on();
    }
    CHECK(happened == std::vector<std::string>{"world", "wake", "alarm"});
    CHECK(scheduler.mono() - before.mono == minutes{10});
    CHECK(scheduler.wall() - before.wall == minutes{10});
}

TEST_CASE("a wall clock that is set moves no other", "[simulation]") {
    Clock clock({1'000'000}, Dice{1});
    boost::asio::io_context loop;
    const VirtualScheduler scheduler(clock, loop);
    const Now before = scheduler.now();
    clock.step(hours{2});
    CHECK(scheduler.mono() == before.mono);
    CHECK(scheduler.wall() - before.wall == hours{2});
    CHECK(clock.moment().utc == WallTime{1'000'000});
    clock.drift(40);
    clock.pass_to(clock.now() + hours{10});
    CHECK(scheduler.wall() - before.wall == hours{12} + Duration{1440});
    CHECK(clock.set_right() == -(hours{2} + Duration{1440}));
    CHECK(scheduler.wall() == clock.utc());
}

TEST_CASE("an alarm that was let go of does not ring", "[simulation]") {
    Clock clock({0}, Dice{1});
    boost::asio::io_context loop;
    VirtualScheduler scheduler(clock, loop);
    bool rang = false;
    {
        const Scheduler::Alarm alarm = scheduler.at(Instant{70'000}, [&] { rang = true; });
    }
    while (clock.next()) {
        clock.step_on();
    }
    CHECK_FALSE(rang);
}

TEST_CASE("after a reboot the instants of the host begin anew", "[simulation]") {
    Clock clock({0}, Dice{1});
    clock.pass_to(Instant{5'000'000});
    const std::string boot = clock.boot_id();
    const Instant before = clock.host_mono();
    clock.reboot();
    CHECK(clock.boot_id() != boot);
    CHECK(clock.host_mono() < before);
    CHECK(clock.from_host(clock.host_mono()) == clock.now());
}

TEST_CASE("the provider bills by itself, by true time and by the price of the time", "[simulation]") {
    Stage stage(1, false);
    Fleet fleet(stage);
    fleet.rates["A4000"] = Money{760'000'000};
    SimResource made;
    made.id = ResourceId{"r"};
    made.account = AccountName{"me"};
    made.machine_type = "A4000";
    SimResource& r = fleet.add(std::move(made));
    stage.clock.pass_to(Instant{} + minutes{1});
    fleet.start(r);
    stage.clock.pass_to(stage.clock.now() + minutes{30});
    CHECK(fleet.month_to_date(AccountName{"me"}) == Money{380'000'000});
    fleet.price_change("A4000", Money{1'520'000'000}, false);
    stage.clock.pass_to(stage.clock.now() + minutes{30});
    stage.clock.step(hours{5});  // nobody's wall clock is asked
    CHECK(fleet.month_to_date(AccountName{"me"}) == Money{1'140'000'000});
    fleet.end(r, r.runs.back(), "user");
    stage.clock.pass_to(stage.clock.now() + hours{9});
    CHECK(fleet.month_to_date(AccountName{"me"}) == Money{1'140'000'000});
    CHECK(fleet.instance_ms() == 3'600'000);
}

TEST_CASE("a transaction is durable or it is not, whenever its process dies", "[simulation]") {
    bool lost = false;
    bool kept = false;
    for (std::int64_t writes = 0; writes < 12; ++writes) {
        Disk disk;
        int durable = 0;
        const auto open = [&](sqlite3*& db) {
            REQUIRE(sqlite3_open_v2("test.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                    disk.name()) == SQLITE_OK);
            sqlite3_exec(
                db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
                nullptr, nullptr, nullptr);
        };
        sqlite3* db = nullptr;
        open(db);
        REQUIRE(sqlite3_exec(db, "CREATE TABLE t (a, b)", nullptr, nullptr, nullptr) == SQLITE_OK);
        disk.on_durable([&] { ++durable; });
        disk.freeze_after(writes);
        sqlite3_exec(db,
                     "BEGIN; INSERT INTO t VALUES (1, zeroblob(9000)); INSERT INTO t VALUES (2, 2); COMMIT",
                     nullptr, nullptr, nullptr);
        disk.freeze();
        const bool told = durable > 0;
        disk.on_durable([] {});
        sqlite3_close(db);
        disk.thaw();
        open(db);
        sqlite3_stmt* count = nullptr;
        REQUIRE(sqlite3_prepare_v2(db, "SELECT COUNT(*) FROM t", -1, &count, nullptr) == SQLITE_OK);
        REQUIRE(sqlite3_step(count) == SQLITE_ROW);
        const int rows = sqlite3_column_int(count, 0);
        sqlite3_finalize(count);
        sqlite3_close(db);
        INFO("after " << writes << " writes");
        CHECK(rows == (told ? 2 : 0));
        lost = lost || rows == 0;
        kept = kept || rows == 2;
    }
    CHECK(lost);
    CHECK(kept);
}

TEST_CASE("every kind of fault is in a few lives", "[simulation]") {
    std::map<std::string, std::int64_t> marks;
    std::int64_t crashes = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        LifeOptions options;
        options.seed = seed;
        options.chaos = hours{30};
        options.calm = hours{1};
        const LifeReport life = live(options);
        for (const auto& [mark, count] : life.counts.marks) {
            marks[mark] += count;
        }
        crashes += life.counts.crashes;
    }
    for (const char* kind :
         {"lost_request",  "lost_reply",    "latency",    "refused",      "broken",        "garbage",
          "partial_list",  "absent_once",   "stale_list", "lagging_list", "doubled_list",  "odd_state",
          "guest_hangs",   "guest_refuses", "guest_late", "probe_fails",  "work_underway", "restart_underway",
          "receiver_slow", "receiver_5xx",  "lost_ack",   "clock_set",    "suspend"}) {
        INFO(kind);
        CHECK(marks[std::string{"fault."} + kind] > 0);
    }
    for (const char* way : {"crash.at any await", "crash.at a point", "crash.inside a commit"}) {
        INFO(way);
        CHECK(marks[way] > 0);
    }
    CHECK(crashes > 50);
}
