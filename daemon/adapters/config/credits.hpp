// [[credit]] blocks to credits.
#pragma once

#include "adapters/config/check.hpp"
#include "curfew/core/credit.hpp"

#include <vector>

namespace curfew::config {

/// Dates are those of `zone`.
std::vector<Credit> credits_of(const std::vector<Block>& blocks, const Zone& zone, Faults& faults);

}  // namespace curfew::config
