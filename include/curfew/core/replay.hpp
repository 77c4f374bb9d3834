// Recorded looks again, through the very functions of the live path: `combine`, `tick`, `assess` and
// `step`. For `explain --at`, `rule test` and `plan`.
//
// Rows tell of looks only where something changed. In between looks are taken at the poll interval, so a
// due time is exact where polls kept time and within one poll where they did not; the quiet clock is exact
// at every change either way. Restarts of the daemon are not in the rows: they count as the gap they left.
// A kernel that is busy for ever stays active here: stalls are not replayed.
// Times are wall times taken for monotonic ones, since rows outlive a boot.
#pragma once

#include "curfew/core/assess.hpp"
#include "curfew/core/budget.hpp"
#include "curfew/core/history.hpp"
#include "curfew/core/hold.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace curfew {

/// A wall time on the axis of a replay.
constexpr Instant replay_instant(WallTime t) {
    return {t.ms};
}

/// How a run is judged while its account cannot be listed.
Judgement unseen_judgement(std::string why);

/// Lays rows of memory over those of the store: they are newer, and longer.
void overlay(std::vector<HistoryRow>& rows, std::vector<HistoryRow> newer);

/// One run as it was recorded.
struct RecordedRun {
    RunId run;
    ResourceId resource;
    ResourceKind kind = ResourceKind::notebook;
    WallTime first_seen;
    std::optional<WallTime> started_at;  // the provider's stamp
    Duration poll_interval = seconds{60};
    std::vector<HistoryRow> rows;  // of this run, in any order
    std::vector<Hold> holds;       // of the resource, those that are over too

    Duration max_gap() const { return poll_interval * 3; }
};

/// Walks the looks of one run, oldest first. The run must outlive it.
class Replay {
public:
    explicit Replay(const RecordedRun& run);
    /// Goes to the next look; false when there is none.
    bool next();
    /// When the next look is, if there is one.
    std::optional<WallTime> peek() const;

    WallTime at() const { return at_; }
    const Judgement& judgement() const { return judgement_; }
    const QuietClock& clock() const { return clock_; }
    /// What the sources had said by this look: newest of each.
    std::vector<Observation> observations() const;
    /// Why nobody could be asked at this look; empty where they were.
    const std::string& unseen() const;

private:
    struct Track {  // the rows of one source, by their beginning
        std::vector<const HistoryRow*> rows;
        std::size_t at = 0;  // the last that has begun, when `begun`
        bool begun = false;
        std::optional<WallTime> last_active;
    };
    void judge();

    const RecordedRun& run_;
    std::vector<const HistoryRow*> looks_;
    std::size_t look_ = 0;  // the last that has begun
    std::vector<Track> tracks_;
    std::vector<WallTime> known_;  // where rows begin or end, rising
    std::size_t next_known_ = 0;
    bool begun_ = false;
    WallTime at_;
    std::optional<WallTime> good_until_;  // the judgement holds so far, unless a row begins or ends
    Judgement judgement_;
    QuietClock clock_;
};

/// Carries one rule over a row of assessments: when it warns, and when it would pack and stop. Warnings
/// are taken for delivered at once.
class RuleWalk {
public:
    enum class Act : std::uint8_t { none, warned, would_stop, due, called_off };

    explicit RuleWalk(Enforcement begin = {}) : enforcement_(std::move(begin)) {}
    /// Looks in order of time. After `due` nothing follows.
    Act feed(const AssessInput& in, Instant at);
    /// The decision behind the newest act, in words.
    const std::string& why() const { return why_; }
    const Cause& cause() const { return cause_; }
    const Enforcement& enforcement() const { return enforcement_; }

private:
    Enforcement enforcement_;
    std::string why_;
    Cause cause_;
};

/// The hold of `holds` that was in force at `t`, whatever became of it later.
std::optional<Hold> hold_at(std::span<const Hold> holds, const ResourceId& resource, const RunId& run,
                            WallTime t);

struct ReplayStop {
    WallTime at;
    std::string why;
    int warnings = 0;
    /// Strong activity of the same run after the stop: suspected false, surely so when soon.
    std::optional<WallTime> active_again;
    std::optional<Money> saved;             // until the run's real end; absent = unpriced
    std::optional<Money> saved_before_use;  // until it was active again, or its end
    bool suspect_soon() const { return active_again && *active_again - at <= false_stop_within; }
};

struct RuleTest {
    std::optional<ReplayStop> stop;  // the first; after it the run would not have gone on
    int warned = 0;                  // ladders begun, those called off too
    std::optional<WallTime> first;   // look that was replayed
    std::optional<WallTime> last;
};

/// `rule` as if in mode enforce, acting from `since` on, with the quiet time that had gathered by then.
/// `end` is when the run really ended, or now.
RuleTest test_rule(const RecordedRun& run, const Rule& rule, WallTime since, WallTime end,
                   const std::optional<Rate>& rate);

/// How a run stood at a time.
struct Moment {
    WallTime at;
    std::optional<WallTime> looked_at;  // the last look before; absent: before the first
    std::vector<Observation> observations;
    Judgement judgement;
    QuietClock clock;
    AssessResult result;
    std::optional<Hold> hold;
};

/// With `rule` and `mode` as given: what was in force then is not recorded.
Moment moment_at(const RecordedRun& run, const Rule* rule, Mode mode, bool protected_by_name, WallTime at);

/// What is known of a running resource, to be carried forward.
struct PlanInput {
    AssessInput now;  // `hold`, `quiet` and `seen_for` are filled in on the way
    QuietClock clock;
    ResourceId resource;
    RunId run;
    std::vector<Hold> holds;
    Enforcement enforcement;  // watching, or the live one while it is `warned`
    Duration poll_interval = seconds{60};
    std::optional<Duration> budget_in;  // until a hard budget that matches acts
    std::string budget;
    Now at;
};

struct PlannedAct {
    RuleWalk::Act act = RuleWalk::Act::none;
    Duration in{0};  // from now
    Cause cause;
    std::string why;
};

/// What happens within `ahead` if every signal stays as it is: warnings, and a stop at most.
std::vector<PlannedAct> plan_ahead(const PlanInput& input, Duration ahead);

/// When a hard budget begins to stop, if everything goes on as now: 0 when it does already, absent when
/// not before its period ends or within `ahead`.
std::optional<Duration> exhausted_in(const Budget& budget, const Period& period, const BudgetSpend& spend,
                                     std::span<const std::string> fired, WallTime now, const Lead& lead,
                                     Duration ahead);

}  // namespace curfew
