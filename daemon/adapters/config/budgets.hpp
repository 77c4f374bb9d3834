// [[budget]] blocks to budgets, and what contradicts itself in them.
#pragma once

#include "adapters/config/check.hpp"

#include <vector>

namespace curfew::config {

/// One block. `zone` is that of budgets which name none; `earlier` are those that it may not contradict.
Budget budget_of(const Block& block, const Zone& zone, const std::vector<Budget>& earlier,
                 const ZoneLoader& zones, Faults& faults);

}  // namespace curfew::config
