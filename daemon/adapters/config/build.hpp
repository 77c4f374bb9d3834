// From checked values to curfew::Config, and what only shows when everything is known.
#pragma once

#include "adapters/config/check.hpp"

namespace curfew::config {

Config build(const Block& root, const Defaults& defaults, const ZoneLoader& zones, Faults& faults);

/// Of a text that may hold one [[rule]] only.
Rule build_rule(const Block& root, Faults& faults);
/// Of a text that may hold one [[budget]] only, to be in force beside `config`.
Budget build_budget(const Block& root, const Config& config, const ZoneLoader& zones, Faults& faults);

/// From a word of the table of keys, and from a [….match].
Mode mode_of(const std::string& word);
Match match_of(const Block& block);

}  // namespace curfew::config
