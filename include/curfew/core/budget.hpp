// Amounts for a scope and a period, with thresholds that fire once per period (design § 4.4).
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace curfew {

enum class ThresholdAction : std::uint8_t { notify, warn, stop };
std::string_view to_string(ThresholdAction action);

struct Threshold {
    std::int64_t percent = 100;  // of the amount, 1 … 1000
    ThresholdAction action = ThresholdAction::notify;
    /// Tells it from the budget's others, also over a restart.
    std::string key() const;
};

struct Budget {
    BudgetName name;
    Money amount;
    Zone zone;                          // of the calendar month
    Match scope;                        // empty = everything
    std::vector<Threshold> thresholds;  // rising
    Mode mode = Mode::observe;
    /// Has it a threshold that stops? Then it is hard: a keep may not break it.
    bool hard() const;
};

/// What a budget's scope costs now.
struct BudgetSpend {
    Money spent;           // accrued in the period, own meter
    Money burn_per_hour;   // of what runs now
    bool complete = true;  // false: something is unpriced or a listing is missing
};

/// A threshold that is reached and has not fired in this period.
struct ThresholdCrossing {
    Threshold threshold;
    Money at;            // its amount
    std::string period;  // id
};

/// How long before its amount a hard budget begins to stop: a poll, the notice of 10 min, and what a stop
/// takes beyond it (decision, pack, teardown).
constexpr Duration hard_stop_lead(Duration poll_interval) {
    return poll_interval + minutes{16};
}

/// `fired` holds the keys of thresholds that fired in `period` already. `stop` thresholds are reached early by
/// `lead` × burn, so that spend ends at or below the amount; others at spend >= amount.
/// Missing data never clears anything: what fired stays fired.
std::vector<ThresholdCrossing> crossings(const Budget& budget, const Period& period, const BudgetSpend& spend,
                                         Duration lead, std::span<const std::string> fired);

/// What is left of a hard budget; negative when exceeded.
Money left_of(const Budget& budget, const BudgetSpend& spend);

/// Stop order of a hard budget: quiet ones first (longest quiet first), then the costliest.
struct StopCandidate {
    RunId run;
    bool quiet = false;
    Duration quiet_for{0};
    Money per_hour;
};
void sort_for_stopping(std::vector<StopCandidate>& candidates);

}  // namespace curfew
