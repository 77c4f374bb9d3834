#include "curfew/app/treasurer.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

Task<Result<void>> Treasurer::load(Store& store, const Config& config, WallTime now) {
    return reload(store, config, now);
}

Task<Result<void>> Treasurer::reload(Store& store, const Config& config, WallTime now) {
    std::erase_if(picture_.budgets, [&](const auto& entry) {
        return std::ranges::find(config.budgets, entry.first, &Budget::name) == config.budgets.end();
    });
    for (const Budget& budget : config.budgets) {
        auto summed = co_await sum_budget(store, budget, now);
        if (!summed) {
            co_return std::unexpected(summed.error());
        }
    }
    co_return Result<void>{};
}

Resource Treasurer::scope_of(const SpendRow& row, const std::map<ResourceId, ResourceRow>& known) const {
    Resource resource;
    resource.id = ResourceId{row.keys.at(0)};
    resource.name = resource.id.value;
    resource.run.machine_type = row.keys.at(1);
    if (const auto found = known.find(resource.id); found != known.end()) {
        resource.name = found->second.name;
        resource.account = found->second.account;
        resource.kind = found->second.kind;
        resource.project = found->second.project;
        resource.owner = found->second.owner;
    }
    return resource;
}

Task<Result<void>> Treasurer::sum_budget(Store& store, const Budget& budget, WallTime now) {
    const Period period = month_of(now, budget.zone);
    auto rows = co_await store.spend({.from = period.from,
                                      .to = period.to,
                                      .by = {SpendBy::resource, SpendBy::type},
                                      .zone = budget.zone});
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    auto resources = co_await store.resources();
    if (!resources) {
        co_return std::unexpected(resources.error());
    }
    std::map<ResourceId, ResourceRow> known;
    for (ResourceRow& row : *resources) {
        known.emplace(row.id, std::move(row));
    }
    Sums sums{.period = period.id, .closed = Money{0, budget.amount.currency}};
    for (const SpendRow& row : *rows) {
        if (matches(budget.scope, scope_of(row, known))) {
            sums.closed += row.gross;
        }
    }
    sums_[budget.name] = sums;
    LiveBudget& live = picture_.budgets[budget.name];
    if (live.period.id != period.id) {
        live.fired.clear();
    }
    live.period = period;
    live.spend.spent = sums.closed;
    co_return Result<void>{};
}

std::vector<Treasurer::Finding> Treasurer::judge(const Config& config, const std::vector<CostRow>& rows,
                                                 const Now& now, Duration lead, Batch& batch) {
    std::vector<Finding> findings;
    for (const Budget& budget : config.budgets) {
        LiveBudget& live = picture_.budgets[budget.name];
        Sums& sums = sums_[budget.name];
        const Period period = month_of(now.wall, budget.zone);
        if (sums.period != period.id) {
            // A new period begins at zero; rows that were cut in the old one stay there.
            sums = Sums{.period = period.id, .closed = Money{0, budget.amount.currency}};
            live.fired.clear();
        }
        live.period = period;
        for (const CostRow& row : rows) {
            const auto found = picture_.resources.find(row.resource);
            if (found == picture_.resources.end() || row.from < period.from || row.from >= period.to) {
                continue;
            }
            Resource scope = found->second.resource;
            scope.run.machine_type = row.sku;
            if (matches(budget.scope, scope)) {
                sums.closed += row.gross;
            }
        }
        BudgetSpend spend{.spent = sums.closed, .burn_per_hour = Money{0, budget.amount.currency}};
        for (const auto& [id, resource] : picture_.resources) {
            if (!matches(budget.scope, resource.resource)) {
                continue;
            }
            const auto add = [&](const LiveRun& run) {
                if (!run.meter) {
                    return;
                }
                spend.complete = spend.complete && run.meter->tariff.priced();
                spend.spent += accrued_open(*run.meter, now.wall);
                if (run.meter->tariff.rate) {
                    spend.burn_per_hour += run.meter->tariff.rate->per_hour;
                }
            };
            add(resource.current);
            std::ranges::for_each(resource.older, add);
        }
        live.spend = spend;
        for (ThresholdCrossing& crossing : crossings(budget, period, spend, lead, live.fired)) {
            live.fired.push_back(crossing.threshold.key());
            batch.emplace_back(FiredThresholdRow{
                .budget = budget.name, .period = period.id, .key = crossing.threshold.key(), .at = now.wall});
            findings.push_back({&budget, std::move(crossing), spend});
        }
    }
    return findings;
}

const Budget* Treasurer::exhausted(const Config& config, const Resource& resource) const {
    for (const Budget& budget : config.budgets) {
        const auto live = picture_.budgets.find(budget.name);
        if (live == picture_.budgets.end() || !matches(budget.scope, resource)) {
            continue;
        }
        for (const Threshold& threshold : budget.thresholds) {
            if (threshold.action == ThresholdAction::stop &&
                std::ranges::find(live->second.fired, threshold.key()) != live->second.fired.end()) {
                return &budget;
            }
        }
    }
    return nullptr;
}

std::optional<Treasurer::Left> Treasurer::left_for(const Config& config, const Resource& resource) const {
    std::optional<Left> least;
    for (const Budget& budget : config.budgets) {
        const auto live = picture_.budgets.find(budget.name);
        if (budget.hard() && live != picture_.budgets.end() && matches(budget.scope, resource)) {
            const Money left = left_of(budget, live->second.spend);
            if (!least || left < least->amount) {
                least = Left{budget.name, left};
            }
        }
    }
    return least;
}

}  // namespace curfew
