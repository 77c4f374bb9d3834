// I7: a threshold fires when what is durably known to be spent reaches it, not before, and not much later.
#include "curfew/core/period.hpp"
#include "simulation/judge_model.hpp"

#include <algorithm>

namespace curfew::simulation {

namespace {

constexpr Duration between_checks = minutes{20};
constexpr int checks_needed = 3;
constexpr Duration steady_for = hours{1};
constexpr Wide late_permille = 1010;
constexpr Wide early_permille = 990;

bool counted_by_us(const Budget& budget, const Threshold& threshold) {
    return threshold.percent && threshold.basis == Basis::accrued &&
           budget.period.kind != PeriodKind::rolling && budget.period.kind != PeriodKind::run &&
           budget.period.kind != PeriodKind::fixed;
}

Wide limit_of(const Budget& budget, const Threshold& threshold) {
    return Wide{budget.amount.nanos} * *threshold.percent / 100;
}

}  // namespace

/// Asked after a poll that saw everything. Late only counts where several polls have come since.
void Judge::judge_late(Moment at) {
    Model& m = *model_;
    const Config* config = m.config();
    if (config == nullptr || at.mono - m.configs.back().first < steady_for ||
        (m.thresholds_checked && at.mono - *m.thresholds_checked < between_checks)) {
        return;
    }
    m.thresholds_checked = at.mono;
    std::map<std::string, int> late;
    for (const Budget& budget : config->budgets) {
        if (m.edited.contains(budget.name)) {
            continue;  // by hand: the file does not say what is in force
        }
        const bool counts = std::ranges::any_of(
            budget.thresholds, [&](const Threshold& each) { return counted_by_us(budget, each); });
        if (!counts) {
            continue;
        }
        const Period period = period_at(budget.period, at.wall, budget.zone);
        const Wide spent = known_spend(budget, period, at.wall);
        for (const Threshold& threshold : budget.thresholds) {
            if (!counted_by_us(budget, threshold) ||
                spent * 1000 < limit_of(budget, threshold) * late_permille) {
                continue;
            }
            const auto rows = m.fired.find({budget.name.value, period.id});
            const std::string key = threshold.key(budget.amount);
            const bool fired = rows != m.fired.end() && rows->second.contains(key);
            if (fired) {
                continue;
            }
            const std::string name = budget.name.value + "/" + period.id + "/" + key;
            const int times = m.late[name] + 1;
            late[name] = times;
            if (times == checks_needed) {
                violated("I7", at,
                         "threshold " + key + " of budget " + budget.name.value + " has not fired in " +
                             period.id + ", and " + std::to_string(static_cast<std::int64_t>(spent)) +
                             " nano are spent of " +
                             std::to_string(static_cast<std::int64_t>(limit_of(budget, threshold))));
            }
        }
    }
    m.late = std::move(late);
}

/// What only notifies waits for the figure itself; what warns and stops is ahead of it.
void Judge::judge_early(const FiredThresholdRow& row, Moment at) {
    Model& m = *model_;
    const Config* config = m.config();
    if (config == nullptr || m.edited.contains(row.budget)) {
        return;
    }
    const auto budget = std::ranges::find(config->budgets, row.budget, &Budget::name);
    if (budget == config->budgets.end()) {
        return;
    }
    for (const Threshold& threshold : budget->thresholds) {
        if (threshold.action != ThresholdAction::notify || !counted_by_us(*budget, threshold) ||
            threshold.key(budget->amount) != row.key) {
            continue;
        }
        const Period period = period_at(budget->period, at.wall, budget->zone);
        tally_.mark("budget.fired.exactly");
        if (period.id == row.period) {
            doubt({.text = "threshold " + row.key + " of budget " + row.budget.value + " fired in " +
                           row.period,
                   .budget = *budget,
                   .period = period,
                   .at = at,
                   .least = limit_of(*budget, threshold) * early_permille / 1000,
                   .below = Wide{1} << 100});
        }
    }
}

}  // namespace curfew::simulation
