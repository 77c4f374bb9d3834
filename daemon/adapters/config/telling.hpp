// [alerts], [[escalation]], [[route]] and [[owner]]: who is told what, and how often.
#pragma once

#include "adapters/config/check.hpp"
#include "curfew/core/config.hpp"

namespace curfew::config {

/// Into `config`, whose channels, rules, budgets and accounts are known.
void tell(const Block& root, Config& config, Faults& faults);

}  // namespace curfew::config
