#include "adapters/sqlite/history.hpp"

#include "adapters/sqlite/rows.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace curfew::sqlite {

namespace {

constexpr int rows_per_prune = 500;

// Stored for months: a code keeps its meaning for ever. 0 is the look itself.
constexpr std::array source_codes{std::pair{Signal::kernels, 1},      std::pair{Signal::terminals, 2},
                                  std::pair{Signal::server, 3},       std::pair{Signal::metrics, 4},
                                  std::pair{Signal::processes, 5},    std::pair{Signal::gpu, 6},
                                  std::pair{Signal::disk_network, 7}, std::pair{Signal::watched_paths, 8},
                                  std::pair{Signal::session, 9},      std::pair{Signal::heartbeat, 10}};
constexpr std::array verdict_codes{std::pair{Verdict::quiet, 0}, std::pair{Verdict::active, 1},
                                   std::pair{Verdict::unknown, 2}};

template <class Codes, class Value>
int code_of(const Codes& codes, Value value) {
    const auto found = std::ranges::find(codes, value, [](const auto& pair) { return pair.first; });
    CURFEW_ASSERT(found != codes.end(), "every word of the history has a code");
    return found->second;
}

std::optional<Signal> source_of(std::int64_t code) {
    const auto found = std::ranges::find(source_codes, code, [](const auto& pair) { return pair.second; });
    return found == source_codes.end() ? std::nullopt : std::optional{found->first};
}

Verdict verdict_of(std::int64_t code) {
    const auto found = std::ranges::find(verdict_codes, code, [](const auto& pair) { return pair.second; });
    return found == verdict_codes.end() ? Verdict::unknown : found->first;
}

}  // namespace

void write_history(Database& db, const HistoryRow& h) {
    const auto last = h.last == h.began ? std::nullopt : std::optional{h.last};
    Query(db, "INSERT OR IGNORE INTO history_run (run) VALUES (?)", h.run.value).run();
    Query(db,
          "INSERT INTO history SELECT no, ?,?,?,?,?,?,?,? FROM history_run WHERE run = ?"
          " ON CONFLICT (run, from_ms, source) DO UPDATE SET for_ms=excluded.for_ms,"
          " verdict=excluded.verdict, strength=excluded.strength, ttl_s=excluded.ttl_s, began=excluded.began,"
          " last=excluded.last",
          h.from.ms, h.source ? code_of(source_codes, *h.source) : 0, std::int64_t{(h.to - h.from).count()},
          code_of(verdict_codes, h.verdict), h.strength == Strength::strong,
          std::int64_t{std::chrono::ceil<seconds>(h.ttl).count()}, h.began, last, h.run.value)
        .run();
}

void prune_history(Database& db, const HistoryPrune& prune) {
    std::vector<std::int64_t> runs;
    {
        Query q(
            db,
            "SELECT DISTINCT run FROM (SELECT run FROM history INDEXED BY history_by_time WHERE from_ms < ?"
            " ORDER BY from_ms LIMIT ?)",
            prune.began_before.ms, rows_per_prune);
        while (q.row()) {
            runs.push_back(q.integer(0));
        }
    }
    if (runs.empty()) {
        return;
    }
    Query(db,
          "DELETE FROM history WHERE (run, from_ms, source) IN (SELECT run, from_ms, source FROM history"
          " INDEXED BY history_by_time WHERE from_ms < ? ORDER BY from_ms LIMIT ?)",
          prune.began_before.ms, rows_per_prune)
        .run();
    for (const std::int64_t run : runs) {
        Query(db,
              "DELETE FROM history_run WHERE no = ?1 AND NOT EXISTS (SELECT 1 FROM history WHERE run = ?1)",
              run)
            .run();
    }
}

std::vector<HistoryRow> read_history(Database& db, const RunId& run, WallTime until) {
    Query q(
        db,
        "SELECT from_ms, source, for_ms, verdict, strength, ttl_s, began, last FROM history"
        " WHERE run = (SELECT no FROM history_run WHERE run = ?) AND from_ms <= ? ORDER BY from_ms, source",
        run.value, until.ms);
    std::vector<HistoryRow> rows;
    while (q.row()) {
        const WallTime from{q.integer(0)};
        const std::int64_t code = q.integer(1);
        const auto source = source_of(code);
        if (code != 0 && !source) {
            continue;  // of a source that this version does not know
        }
        std::string began = q.text(6);
        std::string last = q.is_null(7) ? began : q.text(7);
        rows.push_back({.run = run,
                        .source = source,
                        .from = from,
                        .to = from + Duration{q.integer(2)},
                        .verdict = verdict_of(q.integer(3)),
                        .strength = q.integer(4) != 0 ? Strength::strong : Strength::weak,
                        .ttl = seconds{q.integer(5)},
                        .began = std::move(began),
                        .last = std::move(last)});
    }
    return rows;
}

}  // namespace curfew::sqlite
