// Keeps the ledger and the budgets: opens, advances and closes the meters of runs as listings show
// them, and sums what each budget's scope has cost in its period. Every billed second ends up in
// exactly one row (I6).
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/ports/store.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace curfew {

class Bookkeeper {
public:
    Bookkeeper(Picture& picture, PriceBook prices);

    /// Stored meters go back to their runs; sums of the current periods are read from the store.
    Task<Result<void>> load(Store& store, const Config& config, WallTime now);

    /// The run is listed in a state that bills: its meter is opened or advanced. A change of machine
    /// type or price makes a new row from now on. `counted` is how far it was billed before, when it was
    /// taken for ended too early.
    void bills(const LiveResource& live, LiveRun& run, WallTime now, Batch& batch,
               std::optional<WallTime> counted = std::nullopt);

    /// The run does not bill any more. `ended_at` is the provider's stamp where it has one;
    /// otherwise the end lies between the last look that showed it billing and now.
    void ended(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at, WallTime now,
               Batch& batch);

    /// Sums every budget and returns the thresholds that are reached now; they are recorded as fired
    /// in `batch`. `lead` is how long a stop takes to take effect.
    struct Finding {
        const Budget* budget = nullptr;
        ThresholdCrossing crossing;
        BudgetSpend spend;
    };
    std::vector<Finding> judge_budgets(const Config& config, const Now& now, Duration lead, Batch& batch);

    /// The hard budget that matches and whose stop threshold has fired in this period, if any.
    const Budget* exhausted(const Config& config, const Resource& resource) const;
    /// What the tightest hard budget that matches has left, if any matches.
    struct Left {
        BudgetName budget;
        Money amount;
    };
    std::optional<Left> left_for(const Config& config, const Resource& resource) const;

    const PriceBook& prices() const { return prices_; }
    void replace_prices(PriceBook prices) { prices_ = std::move(prices); }
    /// A newly configured budget starts from what its period has cost so far.
    Task<Result<void>> reload(Store& store, const Config& config, WallTime now);

private:
    struct Sums {
        std::string period;
        Money closed;  // rows of the scope in the period
    };
    void add_rows(std::vector<CostRow> rows, Batch& batch);
    Task<Result<void>> sum_budget(Store& store, const Budget& budget, WallTime now);
    Resource scope_of(const SpendRow& row, const std::map<ResourceId, ResourceRow>& known) const;

    Picture& picture_;
    PriceBook prices_;
    std::map<BudgetName, Sums> sums_;
    std::vector<CostRow> unsummed_;  // closed in this cycle, not yet added to the budgets
};

}  // namespace curfew
