// The daily copy while the daemon goes on writing: it is whole, it holds one moment, and it takes a database's place.
#include "integration/store/bench.hpp"

#include <string>

using namespace curfew;
using support::Raw;
using support::StoreBench;

namespace {

namespace fs = std::filesystem;

/// Two rows that are only ever written together.
Batch pair(int number) {
    const std::string mark = std::to_string(number);
    return {AuditRow{.seq = 0,
                     .at = {number},
                     .kind = "test",
                     .account = AccountName{"lab"},
                     .resource = ResourceId{"r1"},
                     .run = RunId{"n" + mark},
                     .actor = "curfewd",
                     .text = std::string(3000, static_cast<char>('a' + number % 26))},
            CostRow{.resource = ResourceId{"r1"},
                    .run = RunId{"n" + mark},
                    .meter = MeterKind::compute,
                    .from = {number * 3'600'000LL},
                    .to = {(number + 1) * 3'600'000LL},
                    .sku = "A4000",
                    .rate = Rate{Money{760'000'000}},
                    .gross = Money{760'000'000},
                    .rule = {}}};
}

constexpr int before = 2000;  // some steps of the copy are needed for so much

}  // namespace

TEST_CASE(
    "a copy that is made under load is of one moment, and a daemon goes on from it as from the original") {
    StoreBench b;
    b.open();
    REQUIRE(b.loop.run(b.store->use_zone(Zone{})));
    b.wait_for_backup();
    Batch much;
    for (int i = 0; i < before; ++i) {
        for (Write& row : pair(i)) {
            much.push_back(std::move(row));
        }
    }
    REQUIRE(b.commit(std::move(much)));
    b.close();
    fs::remove(b.path + ".backup");
    b.open();
    REQUIRE(b.loop.run(b.store->use_zone(Zone{})));
    int number = before;
    int while_copying = 0;
    for (; !fs::exists(b.path + ".backup") && number < 100'000; ++number) {
        while_copying += fs::exists(b.path + ".backup.new") ? 1 : 0;
        REQUIRE(b.commit(pair(number)));
    }
    REQUIRE(fs::exists(b.path + ".backup"));
    CHECK(while_copying > 3);
    b.close();
    std::int64_t copied = 0;
    {
        Raw raw(b.path + ".backup");
        CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
        CHECK(raw.ask("PRAGMA foreign_key_check").empty());
        CHECK(raw.ask("SELECT COUNT(*) FROM audit") == raw.ask("SELECT COUNT(*) FROM cost"));
        CHECK(raw.ask("SELECT COUNT(*) FROM audit") == raw.ask("SELECT MAX(seq) FROM audit"));
        copied = std::stoll(raw.ask("SELECT COUNT(*) FROM audit").front());
        // The same rows as in the original, as far as it goes.
        const std::string all = "SELECT seq || hash FROM audit WHERE seq <= " + std::to_string(copied);
        Raw original(b.path);
        CHECK(raw.ask(all) == original.ask(all));
        CHECK(raw.ask("SELECT SUM(gross_nanos) FROM cost") ==
              original.ask("SELECT SUM(gross_nanos) FROM cost WHERE from_ms < " +
                           std::to_string(copied * 3'600'000)));
    }
    CHECK(copied >= before);
    CHECK(copied <= number);
    // The drill: the database is lost.
    std::ofstream(b.path, std::ios::binary | std::ios::trunc) << std::string(50'000, 'x');
    b.open();
    CHECK(b.recovered.find("backup took its place") != std::string::npos);
    REQUIRE(b.loop.run(b.store->use_zone(Zone{})));
    CHECK(b.loop.run(b.store->verify_audit()) == copied);
    CHECK(b.loop.run(b.store->check_rollups()) == 0);
    CHECK(b.loop.run(b.store->check_file())->empty());
    const auto spend = b.loop.run(b.store->spend({WallTime{0}, WallTime{1LL << 50}, {}, Zone{}}));
    REQUIRE(spend);
    REQUIRE(spend->size() == 1);
    CHECK(spend->at(0).gross == Money{760'000'000 * copied});
    CHECK(b.commit(pair(number)));
}

TEST_CASE("a copy that was cut off leaves the last one and the database alone") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit(pair(1)));
    b.wait_for_backup();
    b.close();
    // What a power cut or a kill leaves of a copy under way: any bytes under its temporary name.
    for (const std::string& left : {std::string{}, std::string(4096, '\x5a'), std::string(100, 'S')}) {
        std::ofstream(b.path + ".backup.new", std::ios::binary | std::ios::trunc) << left;
        fs::last_write_time(b.path + ".backup", fs::file_time_type::clock::now() - hours{25});
        const auto old = fs::last_write_time(b.path + ".backup");
        b.open();
        CHECK(b.recovered.empty());
        CHECK(b.loop.run(b.store->verify_audit()) == 1);
        for (int i = 0; i < 6000 && fs::last_write_time(b.path + ".backup") == old; ++i) {
            b.loop.run(b.loop.scheduler().sleep_for(Duration{10}));
        }
        CHECK(fs::last_write_time(b.path + ".backup") != old);
        b.close();
        Raw raw(b.path + ".backup");
        CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
        CHECK(raw.ask("SELECT COUNT(*) FROM audit") == std::vector<std::string>{"1"});
    }
}
