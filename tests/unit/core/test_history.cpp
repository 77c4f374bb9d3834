// Run-length rows of looks: when they begin, go on, end, and how often they are written.
#include "curfew/core/history.hpp"
#include "curfew/core/metrics.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

using namespace curfew;

namespace {

constexpr Duration poll = minutes{1};
constexpr Duration widest_gap = poll * 3;
const RunId run{"n1"};

struct Bench {
    HistoryRecorder recorder;
    Now now{Instant{5'000}, WallTime{1'000'000'000'000}};
    std::vector<HistoryRow> writes;

    void pass(Duration d) { now = {now.mono + d, now.wall + d}; }
    Observation seen(Signal source, Verdict verdict, std::string evidence = {}) const {
        return {.source = source,
                .run = run,
                .at = now.mono,
                .wall = now.wall,
                .verdict = verdict,
                .last_active_at = std::nullopt,
                .strength = Strength::strong,
                .evidence = std::move(evidence),
                .ttl = minutes{5}};
    }
    void look(const std::vector<Observation>& observations) {
        recorder.looked(run, observations, now, widest_gap);
        keep(recorder.take(now.mono));
    }
    void keep(std::vector<HistoryRow> rows) {
        for (HistoryRow& row : rows) {
            writes.push_back(std::move(row));
        }
    }
    /// As a store has them: of one source and beginning the newest.
    std::vector<HistoryRow> stored(std::optional<Signal> source) const {
        std::map<std::int64_t, HistoryRow> rows;
        for (const HistoryRow& row : writes) {
            if (row.source == source) {
                rows[row.from.ms] = row;
            }
        }
        std::vector<HistoryRow> out;
        for (const auto& [from, row] : rows) {
            out.push_back(row);
        }
        return out;
    }
};

}  // namespace

TEST_CASE("a row lasts while a source says the same") {
    Bench b;
    const WallTime begin = b.now.wall;
    for (int i = 0; i < 60; ++i, b.pass(poll)) {
        const bool busy = i >= 20 && i < 40;
        b.look(
            {b.seen(Signal::kernels, busy ? Verdict::active : Verdict::quiet, "look " + std::to_string(i))});
    }
    b.keep(b.recorder.finish());
    const auto rows = b.stored(Signal::kernels);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].from == begin);
    CHECK(rows[0].to == begin + poll * 19);
    CHECK(rows[0].verdict == Verdict::quiet);
    CHECK(rows[0].began == "look 0");
    CHECK(rows[0].last == "look 19");
    CHECK(rows[0].ttl == minutes{5});
    CHECK(rows[1].from == begin + poll * 20);
    CHECK(rows[1].to == begin + poll * 39);
    CHECK(rows[1].verdict == Verdict::active);
    CHECK(rows[2].from == begin + poll * 40);
    CHECK(rows[2].to == begin + poll * 59);
    // The looks themselves went on all the time.
    REQUIRE(b.stored(std::nullopt).size() == 1);
    CHECK(b.stored(std::nullopt)[0].to == begin + poll * 59);
    CHECK(b.recorder.rows().empty());
}

TEST_CASE("strength is part of what a source says") {
    Bench b;
    Observation weak = b.seen(Signal::server, Verdict::active);
    weak.strength = Strength::weak;
    b.look({weak});
    b.pass(poll);
    b.look({b.seen(Signal::server, Verdict::active)});
    CHECK(b.stored(Signal::server).size() == 2);
}

TEST_CASE("while nothing changes each source is written once in ten minutes") {
    Bench b;
    for (int i = 0; i < 600; ++i, b.pass(poll)) {
        b.look({b.seen(Signal::kernels, Verdict::quiet, "words " + std::to_string(i)),
                b.seen(Signal::metrics, Verdict::quiet)});
    }
    CHECK(b.writes.size() == 60U * 3);
    // So a crash loses at most the last ten minutes of a row.
    CHECK(b.now.wall - b.stored(Signal::kernels).back().to <= history_refresh + poll);
    // Memory knows better.
    for (const HistoryRow& row : b.recorder.rows()) {
        CHECK(row.to == b.now.wall - poll);
    }
}

TEST_CASE("a gap ends a row, a shorter one does not") {
    const auto [gap, rows] = GENERATE(
        table<Duration, std::size_t>({{widest_gap, 1}, {widest_gap + Duration{1}, 2}}));
    Bench b;
    b.look({b.seen(Signal::kernels, Verdict::quiet)});
    b.pass(gap);
    b.look({b.seen(Signal::kernels, Verdict::quiet)});
    b.keep(b.recorder.finish());
    CHECK(b.stored(Signal::kernels).size() == rows);
    CHECK(b.stored(std::nullopt).size() == rows);
}

TEST_CASE("a clock that is set ends a row") {
    const auto jump = GENERATE(Duration{hours{1}}, Duration{hours{-1}}, Duration{seconds{-61}});
    Bench b;
    b.look({b.seen(Signal::kernels, Verdict::quiet)});
    b.pass(poll);
    b.now.wall = b.now.wall + jump;
    b.look({b.seen(Signal::kernels, Verdict::quiet)});
    b.keep(b.recorder.finish());
    const auto rows = b.stored(Signal::kernels);
    REQUIRE(rows.size() == 2);
    for (const HistoryRow& row : rows) {
        CHECK(row.to == row.from);
    }
}

TEST_CASE("no row is longer than a day") {
    Bench b;
    for (int i = 0; i < 3 * 1440; ++i, b.pass(poll)) {
        b.look({b.seen(Signal::kernels, Verdict::quiet)});
    }
    b.keep(b.recorder.finish());
    const auto rows = b.stored(Signal::kernels);
    REQUIRE(rows.size() == 3);
    for (const HistoryRow& row : rows) {
        CHECK(row.to - row.from <= history_row_max);
    }
    CHECK(rows[1].from - rows[0].to == poll);
}

TEST_CASE("a source that is not seen again does not go on, and its end is written") {
    Bench b;
    const Observation once = b.seen(Signal::gpu, Verdict::quiet, "0 %");
    b.look({once});
    b.pass(poll);
    const Observation twice = b.seen(Signal::gpu, Verdict::quiet, "1 %");
    b.look({twice, b.seen(Signal::kernels, Verdict::quiet)});
    const WallTime end = b.now.wall;
    for (int i = 0; i < 20; ++i) {
        b.pass(poll);
        b.look({twice, b.seen(Signal::kernels, Verdict::quiet)});
    }
    REQUIRE(b.stored(Signal::gpu).size() == 1);
    CHECK(b.stored(Signal::gpu)[0].to == end);
    CHECK(b.stored(Signal::gpu)[0].last == "1 %");
    CHECK(std::ranges::count(b.writes, Signal::gpu, [](const HistoryRow& r) { return r.source; }) == 2);
}

TEST_CASE("a look that could ask nobody says why") {
    Bench b;
    b.look({b.seen(Signal::kernels, Verdict::quiet)});
    b.pass(poll);
    for (int i = 0; i < 3; ++i, b.pass(poll)) {
        b.recorder.unseen(run, "the account cannot be seen", b.now, widest_gap);
        b.keep(b.recorder.take(b.now.mono));
    }
    b.look({b.seen(Signal::kernels, Verdict::quiet)});
    b.keep(b.recorder.finish());
    const auto looks = b.stored(std::nullopt);
    REQUIRE(looks.size() == 3);
    CHECK(looks[0].began.empty());
    CHECK(looks[1].began == "the account cannot be seen");
    CHECK(looks[1].to - looks[1].from == poll * 2);
    CHECK(looks[2].began.empty());
}

TEST_CASE(
    "a row of the provider's series begins anew when a GPU begins or ends to work, whatever the CPU does") {
    Bench b;
    const auto measure = [&](Verdict verdict, const std::string& words, int looks) {
        for (int i = 0; i < looks; ++i) {
            b.look({b.seen(Signal::metrics, verdict, words), b.seen(Signal::gpu, Verdict::active, words)});
            b.pass(poll);
        }
    };
    measure(Verdict::active, "0.81 cores, GPU 0.00 %", 30);
    measure(Verdict::active, "0.40 cores, GPU 4.99 %", 30);
    measure(Verdict::active, "0.40 cores, GPU 5.00 %", 2);
    measure(Verdict::active, "0.81 cores, GPU 1.20 %", 30);
    measure(Verdict::active, "0.81 cores, the GPU was not measured", 5);
    b.keep(b.recorder.finish());
    const auto rows = b.stored(Signal::metrics);
    REQUIRE(rows.size() == 4);
    CHECK(rows[0].to - rows[0].from == poll * 59);
    CHECK(gpu_worked(rows[0].last) == false);
    CHECK(gpu_worked(rows[1].began) == true);
    CHECK(rows[1].to - rows[1].from == poll);
    CHECK(gpu_worked(rows[2].began) == false);
    CHECK_FALSE(gpu_worked(rows[3].began));
    CHECK(b.stored(Signal::gpu).size() == 1);
    CHECK_FALSE(gpu_worked("GPU "));
    CHECK_FALSE(gpu_worked("GPU -"));
    CHECK_FALSE(gpu_worked("GPU 99999999999999999999 %"));
    CHECK_FALSE(gpu_worked(""));
}
