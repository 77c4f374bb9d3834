// What was seen of a run, kept compactly: one row per stretch in which a source said the same, never one
// row per look. A run is looked at as a whole, so a look has one time, whatever its sources; rows begin
// and end at looks.
#pragma once

#include "curfew/core/activity.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace curfew {

/// Rows are cut at this length, so that old ones can be dropped and a time be found without reading a life.
constexpr Duration history_row_max = hours{24};
/// While nothing changes a row is written again this often: after a crash its end is known to within that.
constexpr Duration history_refresh = minutes{10};

/// One stretch of looks. Two of them were never further apart than the largest gap of a quiet clock.
struct HistoryRow {
    RunId run;
    /// Absent: the looks themselves. Such a row says only when the run was looked at; `began` says why
    /// nobody could be asked, and is empty where they were.
    std::optional<Signal> source;
    WallTime from;  // first look
    WallTime to;    // last look
    Verdict verdict = Verdict::unknown;
    Strength strength = Strength::strong;
    Duration ttl{0};
    std::string began;  // evidence at the first look
    std::string last;   // and at the last
    bool operator==(const HistoryRow&) const = default;
};

/// The rows that one run is adding to. In memory; what `take` returns is written with the poll.
class HistoryRecorder {
public:
    /// A look of `now`. `observations` are the newest of each source; one that is not newer than at the
    /// look before was not seen again.
    void looked(const RunId& run, std::span<const Observation> observations, Now now, Duration max_gap);
    /// A look that could ask nobody, and why.
    void unseen(const RunId& run, const std::string& why, Now now, Duration max_gap);

    /// What has to be written: rows that began or ended, and those that go on and were not written for
    /// `history_refresh`. At most one row per source while nothing changes.
    std::vector<HistoryRow> take(Instant now);
    /// No look will follow: everything whose end is not written yet, and forgets all.
    std::vector<HistoryRow> finish();
    /// Rows as they stand, written or not; they replace stored ones of the same source and beginning.
    std::vector<HistoryRow> rows() const;

private:
    struct Open {
        HistoryRow row;
        Instant looked_at;
        Instant seen_at;  // of the newest observation
        std::optional<Instant> written_at;
        bool changed = true;  // since it was written
    };
    void add(HistoryRow row, Instant seen_at, const Now& now, Duration max_gap);
    void end_those_left(const Now& now, Duration max_gap);

    std::vector<Open> open_;         // one per source
    std::vector<HistoryRow> ended_;  // not yet taken
};

}  // namespace curfew
