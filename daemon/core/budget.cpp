#include "curfew/core/budget.hpp"

#include <algorithm>
#include <tuple>

namespace curfew {

std::string_view to_string(ThresholdAction action) {
    switch (action) {
        case ThresholdAction::notify:
            return "notify";
        case ThresholdAction::warn:
            return "warn";
        case ThresholdAction::stop:
            break;
    }
    return "stop";
}

std::string Threshold::key() const {
    return std::to_string(percent) + "%";
}

bool Budget::hard() const {
    return std::ranges::any_of(thresholds,
                               [](const Threshold& t) { return t.action == ThresholdAction::stop; });
}

std::vector<ThresholdCrossing> crossings(const Budget& budget, const Period& period, const BudgetSpend& spend,
                                         Duration lead, std::span<const std::string> fired) {
    std::vector<ThresholdCrossing> reached;
    for (const Threshold& threshold : budget.thresholds) {
        if (std::ranges::find(fired, threshold.key()) != fired.end()) {
            continue;
        }
        const Money at = percent_of(budget.amount, threshold.percent);
        Money judged = spend.spent;
        if (threshold.action == ThresholdAction::stop && spend.burn_per_hour.positive()) {
            // What will be spent until a stop begun now has taken effect. An overflow is certainly
            // beyond any threshold.
            const auto ahead = cost_of(Rate{spend.burn_per_hour}, lead);
            judged = ahead ? spend.spent + *ahead : at;
        }
        if (judged >= at) {
            reached.push_back({threshold, at, period.id});
        }
    }
    return reached;
}

Money left_of(const Budget& budget, const BudgetSpend& spend) {
    return budget.amount - spend.spent;
}

void sort_for_stopping(std::vector<StopCandidate>& candidates) {
    std::ranges::sort(candidates, [](const StopCandidate& a, const StopCandidate& b) {
        if (a.quiet != b.quiet) {
            return a.quiet;
        }
        if (a.quiet && a.quiet_for != b.quiet_for) {
            return a.quiet_for > b.quiet_for;
        }
        return std::tuple(-a.per_hour.nanos, a.run.value) < std::tuple(-b.per_hour.nanos, b.run.value);
    });
}

}  // namespace curfew
