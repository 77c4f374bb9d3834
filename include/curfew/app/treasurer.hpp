// Keeps the budgets: sums what each one's scope has cost in its period, and finds the thresholds that are
// reached. Each fires once a period; what fired is durable with the rows that made it fire.
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/ports/store.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

class Treasurer {
public:
    explicit Treasurer(Picture& picture) : picture_(picture) {}

    /// Sums of the current periods are read from the store.
    Task<Result<void>> load(Store& store, const Config& config, WallTime now);
    /// A newly configured budget starts from what its period has cost so far.
    Task<Result<void>> reload(Store& store, const Config& config, WallTime now);

    /// Adds `rows`, closed since the last call, to the sums and returns the thresholds that are reached now;
    /// they are recorded as fired in `batch`. `lead` is how long a stop takes to take effect.
    struct Finding {
        const Budget* budget = nullptr;
        ThresholdCrossing crossing;
        BudgetSpend spend;
    };
    std::vector<Finding> judge(const Config& config, const std::vector<CostRow>& rows, const Now& now,
                               Duration lead, Batch& batch);

    /// The hard budget that matches and whose stop threshold has fired in this period, if any.
    const Budget* exhausted(const Config& config, const Resource& resource) const;
    /// What the tightest hard budget that matches has left, if any matches.
    struct Left {
        BudgetName budget;
        Money amount;
    };
    std::optional<Left> left_for(const Config& config, const Resource& resource) const;

private:
    struct Sums {
        std::string period;
        Money closed;  // rows of the scope in the period
    };
    Task<Result<void>> sum_budget(Store& store, const Budget& budget, WallTime now);
    Resource scope_of(const SpendRow& row, const std::map<ResourceId, ResourceRow>& known) const;

    Picture& picture_;
    std::map<BudgetName, Sums> sums_;
};

}  // namespace curfew
