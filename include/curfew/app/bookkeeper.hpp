// Keeps the ledger: opens, advances and closes the meters of runs as listings show them. Every billed
// second ends up in exactly one row (I6).
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/ports/store.hpp"

#include <optional>
#include <vector>

namespace curfew {

class Bookkeeper {
public:
    explicit Bookkeeper(PriceBook prices);

    /// The run is listed in a state that bills: its meter is opened or advanced. A change of machine
    /// type or price makes a new row from now on. `counted` is how far it was billed before, when it was
    /// taken for ended too early.
    void bills(const LiveResource& live, LiveRun& run, WallTime now, Batch& batch,
               std::optional<WallTime> counted = std::nullopt);

    /// The run does not bill any more. `ended_at` is the provider's stamp where it has one;
    /// otherwise the end lies between the last look that showed it billing and now.
    void ended(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at, WallTime now,
               Batch& batch);

    /// Rows closed since the last call, for the sums of budgets.
    std::vector<CostRow> take_rows();

    const PriceBook& prices() const { return prices_; }
    void replace_prices(PriceBook prices) { prices_ = std::move(prices); }

private:
    void add_rows(std::vector<CostRow> rows, Batch& batch);

    PriceBook prices_;
    std::vector<CostRow> cut_;
};

}  // namespace curfew
