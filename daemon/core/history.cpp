#include "curfew/core/history.hpp"

#include "curfew/core/metrics.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace curfew {

namespace {

bool same_story(const HistoryRow& a, const HistoryRow& b) {
    if (a.verdict != b.verdict || a.strength != b.strength) {
        return false;
    }
    // Of looks the words count; of a source only what it means, which of the series is two things.
    if (!a.source) {
        return a.began == b.began;
    }
    return a.source != Signal::metrics || gpu_worked(a.began) == gpu_worked(b.began);
}

}  // namespace

void HistoryRecorder::looked(const RunId& run, std::span<const Observation> observations, Now now,
                             Duration max_gap) {
    add({.run = run, .source = std::nullopt, .from = now.wall, .to = now.wall}, now.mono, now, max_gap);
    for (const Observation& o : observations) {
        const auto open = std::ranges::find_if(open_,
                                               [&](const Open& e) { return e.row.source == o.source; });
        if (open != open_.end() && o.at <= open->seen_at) {
            continue;
        }
        add({.run = run,
             .source = o.source,
             .from = now.wall,
             .to = now.wall,
             .verdict = o.verdict,
             .strength = o.strength,
             .ttl = o.ttl,
             .began = o.evidence,
             .last = o.evidence},
            o.at, now, max_gap);
    }
    end_those_left(now, max_gap);
}

void HistoryRecorder::unseen(const RunId& run, const std::string& why, Now now, Duration max_gap) {
    add({.run = run, .source = std::nullopt, .from = now.wall, .to = now.wall, .began = why, .last = why},
        now.mono, now, max_gap);
    end_those_left(now, max_gap);
}

void HistoryRecorder::add(HistoryRow row, Instant seen_at, const Now& now, Duration max_gap) {
    const auto open = std::ranges::find_if(open_, [&](const Open& e) { return e.row.source == row.source; });
    if (open == open_.end()) {
        open_.push_back({.row = std::move(row), .looked_at = now.mono, .seen_at = seen_at, .written_at = {}});
        return;
    }
    // The wall clock may have been set meanwhile: then the row ends, as with any gap.
    const Duration step = now.wall - open->row.to;
    const bool goes_on = open->row.run == row.run && same_story(open->row, row) &&
                         now.mono - open->looked_at <= max_gap && step >= Duration{0} && step <= max_gap &&
                         now.wall - open->row.from <= history_row_max;
    if (goes_on) {
        open->row.to = row.to;
        open->row.ttl = row.ttl;
        open->row.last = std::move(row.last);
        open->changed = true;
    } else {
        if (open->changed) {
            ended_.push_back(std::move(open->row));
        }
        open->row = std::move(row);
        open->written_at.reset();
        open->changed = true;
    }
    open->looked_at = now.mono;
    open->seen_at = seen_at;
}

void HistoryRecorder::end_those_left(const Now& now, Duration max_gap) {
    for (Open& open : open_) {
        if (open.changed && open.written_at && now.mono - open.looked_at > max_gap) {
            ended_.push_back(open.row);
            open.written_at = now.mono;
            open.changed = false;
        }
    }
}

std::vector<HistoryRow> HistoryRecorder::take(Instant now) {
    std::vector<HistoryRow> rows = std::exchange(ended_, {});
    for (Open& open : open_) {
        if (open.changed && (!open.written_at || now - *open.written_at >= history_refresh)) {
            rows.push_back(open.row);
            open.written_at = now;
            open.changed = false;
        }
    }
    return rows;
}

std::vector<HistoryRow> HistoryRecorder::finish() {
    std::vector<HistoryRow> rows = std::exchange(ended_, {});
    for (Open& open : open_) {
        if (open.changed) {
            rows.push_back(std::move(open.row));
        }
    }
    open_.clear();
    return rows;
}

std::vector<HistoryRow> HistoryRecorder::rows() const {
    std::vector<HistoryRow> rows = ended_;
    std::ranges::transform(open_, std::back_inserter(rows), &Open::row);
    return rows;
}

}  // namespace curfew
