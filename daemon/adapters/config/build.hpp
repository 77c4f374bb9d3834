// From checked values to curfew::Config, and what only shows when everything is known.
#pragma once

#include "adapters/config/check.hpp"

#include <optional>
#include <string_view>

namespace curfew::config {

Config build(const Block& root, const Defaults& defaults, const ZoneLoader& zones, Faults& faults);

/// Of a text that may hold one [[rule]] only.
Rule build_rule(const Block& root, Faults& faults);
/// Of a text that may hold one [[budget]] only, to be in force beside `config`.
Budget build_budget(const Block& root, const Config& config, const ZoneLoader& zones, Faults& faults);

/// From a word of the table of keys, and from a [….match].
Mode mode_of(const std::string& word);
Match match_of(const Block& block);
/// From a date of `zone`, which stands for its beginning, or a time with its own zone. Nullopt when it is
/// missing, or at fault: then that is among the faults.
std::optional<WallTime> moment_of(const Block& block, std::string_view key, const Zone& zone, Faults& faults);

}  // namespace curfew::config
