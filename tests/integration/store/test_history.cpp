// The history in a real file: rows, their extension, pruning, and a file of version 1.
#include "adapters/sqlite/schema.hpp"
#include "integration/store/bench.hpp"

#include <string>

using namespace curfew;
using support::Raw;
using support::StoreBench;

namespace {

HistoryRow row(const std::string& run, std::optional<Signal> source, std::int64_t from, std::int64_t to,
               Verdict verdict = Verdict::quiet) {
    return {.run = RunId{run},
            .source = source,
            .from = {from},
            .to = {to},
            .verdict = verdict,
            .strength = Strength::strong,
            .ttl = minutes{5},
            .began = source ? "no kernel" : "",
            .last = source ? "no kernel" : ""};
}

RunRow run_row(const std::string& id, std::int64_t first_seen, std::optional<WallTime> ended = std::nullopt) {
    return {.id = RunId{id},
            .resource = ResourceId{"r1"},
            .account = AccountName{"lab"},
            .machine_type = "A4000",
            .state = ended ? RunState::stopped : RunState::running,
            .state_text = "x",
            .started_at = WallTime{first_seen},
            .ended_at = ended,
            .first_seen = {first_seen},
            .last_seen = {first_seen}};
}

std::vector<HistoryRow> history(StoreBench& b, const std::string& run, std::int64_t until = 1LL << 50) {
    auto rows = b.loop.run(b.store->history_of(RunId{run}, {until}));
    if (!rows) {
        FAIL(to_string(rows.error()));
    }
    return std::move(*rows);
}

}  // namespace

TEST_CASE("every kind of row comes back as it was") {
    StoreBench b;
    b.open();
    std::vector<HistoryRow> rows;
    std::int64_t at = 1'795'399'800'123;
    for (int source = -1; source <= static_cast<int>(Signal::heartbeat); ++source) {
        for (const Verdict verdict : {Verdict::active, Verdict::quiet, Verdict::unknown}) {
            for (const Strength strength : {Strength::weak, Strength::strong}) {
                HistoryRow r = row("n1",
                                   source < 0 ? std::nullopt : std::optional{static_cast<Signal>(source)}, at,
                                   at + 61'007, verdict);
                r.strength = strength;
                r.began = "'; DROP TABLE history; --\n\x01 \xF0\x9F\x98\x80";
                r.last = strength == Strength::weak ? r.began : "0.01 cores";
                rows.push_back(r);
                at += 100'000;
            }
        }
    }
    Batch batch(rows.begin(), rows.end());
    REQUIRE(b.commit(std::move(batch)));
    CHECK(history(b, "n1") == rows);
    b.restart();
    CHECK(history(b, "n1") == rows);
    CHECK(history(b, "n1", rows[2].from.ms).size() == 3);
    CHECK(history(b, "n1", rows[0].from.ms - 1).empty());
    CHECK(history(b, "n2").empty());
}

TEST_CASE("a longer self replaces a row, and only that row") {
    StoreBench b;
    b.open();
    HistoryRow first = row("n1", Signal::kernels, 1000, 1000);
    REQUIRE(b.commit({first, row("n1", Signal::metrics, 1000, 1000), row("n2", Signal::kernels, 1000, 1000),
                      row("n1", std::nullopt, 1000, 1000)}));
    first.to = {601'000};
    first.last = "kernel 3f2a idle";
    REQUIRE(b.commit({first}));
    const auto rows = history(b, "n1");
    REQUIRE(rows.size() == 3);
    CHECK(rows[1] == first);
    CHECK(rows[0].to == WallTime{1000});
    CHECK(rows[2].to == WallTime{1000});
    CHECK(history(b, "n2")[0].to == WallTime{1000});
}

TEST_CASE("a row that ends before it begins is refused, and the whole poll with it") {
    StoreBench b;
    b.open();
    CHECK_FALSE(b.commit({row("n1", Signal::metrics, 1000, 1000), row("n1", Signal::kernels, 1000, 999)}));
    CHECK(history(b, "n1").empty());
}

TEST_CASE("old rows go in small steps, and runs without rows with them") {
    StoreBench b;
    b.open();
    Batch batch;
    for (std::int64_t i = 0; i < 700; ++i) {
        batch.emplace_back(row("old", Signal::kernels, i, i));
    }
    batch.emplace_back(row("long", Signal::kernels, 10, 10));
    batch.emplace_back(row("long", Signal::kernels, 5000, 9000));
    REQUIRE(b.commit(std::move(batch)));
    REQUIRE(b.commit({HistoryPrune{{1000}}}));
    CHECK(history(b, "old").size() == 201);  // the oldest 500, among them one of "long"
    CHECK(history(b, "long").size() == 1);
    REQUIRE(b.commit({HistoryPrune{{1000}}}));
    REQUIRE(b.commit({HistoryPrune{{1000}}}));
    CHECK(history(b, "old").empty());
    CHECK(history(b, "long").size() == 1);
    b.close();
    Raw raw(b.path);
    CHECK(raw.ask("SELECT run FROM history_run") == std::vector<std::string>{"long"});
}

TEST_CASE("recorded runs are those that had not ended, with what they cost") {
    StoreBench b;
    b.open();
    Meter meter{.resource = ResourceId{"r1"},
                .run = RunId{"n3"},
                .sku = "A4000",
                .tariff = {.rate = Rate{Money{760'000'000}}, .monthly_cap = std::nullopt},
                .counted_to = {300},
                .last_seen_billing = {300},
                .open = true};
    REQUIRE(b.commit({run_row("n1", 100, WallTime{200}), run_row("n2", 200, WallTime{900}),
                      run_row("n3", 300), run_row("n4", 400), meter, row("n1", Signal::kernels, 100, 200),
                      row("n2", Signal::kernels, 200, 900), row("n3", Signal::kernels, 300, 300)}));
    auto runs = b.loop.run(b.store->recorded_runs({500}, 10));
    REQUIRE(runs);
    REQUIRE(runs->size() == 2);  // n4 was never looked at
    CHECK((*runs)[0].run.id == RunId{"n2"});
    CHECK((*runs)[0].run.ended_at == WallTime{900});
    CHECK_FALSE((*runs)[0].rate);
    CHECK((*runs)[1].run.id == RunId{"n3"});
    CHECK((*runs)[1].rate == Rate{Money{760'000'000}});
    CHECK(b.loop.run(b.store->recorded_runs({0}, 2))->size() == 2);
}

TEST_CASE("a file of version 1 is brought up and keeps what it held") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(sqlite::schema_1).empty());
        REQUIRE(raw.run("PRAGMA application_id = " + std::to_string(sqlite::application_id) +
                        "; PRAGMA user_version = 1")
                    .empty());
        REQUIRE(raw.run("INSERT INTO resource VALUES ('r1','lab','notebook','kept','p','o',1,2,0)").empty());
        REQUIRE(raw.run("INSERT INTO observation VALUES ('n1','kernels',5,6,'quiet',NULL,'strong','e',7)")
                    .empty());
    }
    b.open();
    CHECK(b.recovered.empty());
    CHECK(b.load().resources.at(0).name == "kept");
    CHECK(b.loop.run(b.store->observations_of(RunId{"n1"}))->size() == 1);
    REQUIRE(b.commit({row("n1", Signal::kernels, 1, 2)}));
    b.restart();
    CHECK(history(b, "n1").size() == 1);
    b.close();
    Raw raw(b.path);
    CHECK(raw.ask("PRAGMA user_version") == std::vector<std::string>{std::to_string(sqlite::schema_version)});
}
