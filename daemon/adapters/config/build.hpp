// From checked values to curfew::Config, and what only shows when everything is known.
#pragma once

#include "adapters/config/check.hpp"

namespace curfew::config {

Config build(const Block& root, const Defaults& defaults, const ZoneLoader& zones, Faults& faults);

/// Of a text that may hold one [[rule]] only.
Rule build_rule(const Block& root, Faults& faults);

}  // namespace curfew::config
