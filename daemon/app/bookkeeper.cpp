#include "curfew/app/bookkeeper.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

Bookkeeper::Bookkeeper(Picture& picture, PriceBook prices) : picture_(picture), prices_(std::move(prices)) {}

Task<Result<void>> Bookkeeper::load(Store& store, const Config& config, WallTime now) {
    return reload(store, config, now);
}

Task<Result<void>> Bookkeeper::reload(Store& store, const Config& config, WallTime now) {
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

Resource Bookkeeper::scope_of(const SpendRow& row, const std::map<ResourceId, ResourceRow>& known) const {
    Resource resource;
    resource.id = row.key.resource;
    resource.name = row.name;
    resource.run.machine_type = row.machine_type;
    if (const auto found = known.find(row.key.resource); found != known.end()) {
        resource.account = found->second.account;
        resource.kind = found->second.kind;
        resource.project = found->second.project;
        resource.owner = found->second.owner;
    }
    return resource;
}

Task<Result<void>> Bookkeeper::sum_budget(Store& store, const Budget& budget, WallTime now) {
    const Period period = month_of(now, budget.zone);
    auto rows = co_await store.spend(period.from, period.to, SpendBy::type, budget.zone);
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

void Bookkeeper::add_rows(std::vector<CostRow> rows, Batch& batch) {
    for (CostRow& row : rows) {
        unsummed_.push_back(row);
        batch.emplace_back(std::move(row));
    }
}

void Bookkeeper::bills(const LiveResource& live, LiveRun& run, WallTime now, Batch& batch,
                       std::optional<WallTime> counted) {
    const Price* price = prices_.find(run.run.machine_type);
    const std::optional<Rate> rate = price != nullptr ? std::optional{price->rate} : std::nullopt;
    bool changed = false;
    if (!run.meter) {
        const WallTime started = run.run.started_at.value_or(now);
        const WallTime from = std::max(started, counted.value_or(started));
        run.meter = Meter{.resource = live.resource.id,
                          .run = run.run.id,
                          .machine_type = run.run.machine_type,
                          .rate = rate,
                          .counted_to = from < now ? from : now,
                          .last_seen_billing = now};
        changed = true;
    }
    Meter& meter = *run.meter;
    auto rows = advance(meter, now);
    if (meter.machine_type != run.run.machine_type || meter.rate != rate) {
        auto cut = reprice(meter, now, run.run.machine_type, rate);
        rows.insert(rows.end(), cut.begin(), cut.end());
        changed = true;
    }
    changed = changed || !rows.empty();
    meter.last_seen_billing = now;
    add_rows(std::move(rows), batch);
    if (changed) {
        batch.emplace_back(meter);
    }
}

void Bookkeeper::ended(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at, WallTime now,
                       Batch& batch) {
    if (!run.meter) {
        return;
    }
    CURFEW_ASSERT(run.meter->resource == live.resource.id, "I6: a meter belongs to its resource");
    Meter meter = *std::exchange(run.meter, std::nullopt);
    // A stamp of the future is not believed: nothing may be billed before it happened.
    const bool believed = ended_at && *ended_at <= now + minutes{5};
    const WallTime at = believed ? *ended_at : now;
    // Between the last sight of it and `now`, whichever of the two is later.
    const Duration bar = believed ? Duration{0} : std::chrono::abs(now - meter.last_seen_billing);
    add_rows(close(meter, at, !believed, bar), batch);
    batch.emplace_back(std::move(meter));
}

std::vector<Bookkeeper::Finding> Bookkeeper::judge_budgets(const Config& config, const Now& now,
                                                           Duration lead, Batch& batch) {
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
        for (const CostRow& row : unsummed_) {
            const auto found = picture_.resources.find(row.resource);
            if (found == picture_.resources.end() || row.from < period.from || row.from >= period.to) {
                continue;
            }
            Resource scope = found->second.resource;
            scope.run.machine_type = row.machine_type;
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
                spend.complete = spend.complete && run.meter->rate.has_value();
                spend.spent += accrued_open(*run.meter, now.wall);
                if (run.meter->rate) {
                    spend.burn_per_hour += run.meter->rate->per_hour;
                }
            };
            add(resource.current);
            std::ranges::for_each(resource.older, add);
        }
        live.spend = spend;
        for (ThresholdCrossing& crossing : crossings(budget, period, spend, lead, live.fired)) {
            live.fired.push_back(crossing.threshold.percent);
            batch.emplace_back(FiredThresholdRow{.budget = budget.name,
                                                 .period = period.id,
                                                 .percent = crossing.threshold.percent,
                                                 .at = now.wall});
            findings.push_back({&budget, std::move(crossing), spend});
        }
    }
    unsummed_.clear();
    return findings;
}

const Budget* Bookkeeper::exhausted(const Config& config, const Resource& resource) const {
    for (const Budget& budget : config.budgets) {
        const auto live = picture_.budgets.find(budget.name);
        if (live == picture_.budgets.end() || !matches(budget.scope, resource)) {
            continue;
        }
        for (const Threshold& threshold : budget.thresholds) {
            if (threshold.action == ThresholdAction::stop &&
                std::ranges::find(live->second.fired, threshold.percent) != live->second.fired.end()) {
                return &budget;
            }
        }
    }
    return nullptr;
}

std::optional<Bookkeeper::Left> Bookkeeper::left_for(const Config& config, const Resource& resource) const {
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
