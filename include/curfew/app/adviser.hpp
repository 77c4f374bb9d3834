// Gathers the facts for advice: what GPUs were seen to do, what rules stopped, and what is parked.
#pragma once

#include "curfew/app/world.hpp"
#include "curfew/core/advice.hpp"

#include <map>
#include <vector>

namespace curfew {

class Adviser {
public:
    Adviser(World& world, const PriceBook& prices) : world_(world), prices_(prices) {}

    /// Of what happened since; from the records of looks, stops and the picture.
    Task<Result<AdviceInput>> facts(WallTime since);

private:
    /// What is stored of a run, and what is not written yet.
    Task<Result<std::vector<HistoryRow>>> looks_at(RunRow run, WallTime until);
    void add_parked(AdviceInput& in, WallTime now) const;

    World& world_;
    const PriceBook& prices_;
};

}  // namespace curfew
