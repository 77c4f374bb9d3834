// One value of the file against its key: type, bounds and notation.
#pragma once

#include "adapters/config/document.hpp"
#include "adapters/config/schema.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/schedule.hpp"
#include "curfew/core/time.hpp"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace curfew::config {

using Value = std::variant<bool, std::int64_t, Duration, Money, std::string, std::vector<std::string>,
                           std::vector<Duration>, std::vector<OffHours>, std::vector<Date>>;

/// The value, or nullopt and one fault for each thing that is wrong with it. Relative files are
/// looked up in `config_dir`; when that is empty they are refused.
std::optional<Value> read_value(const Key& key, const Node& node, const std::string& config_dir,
                                Faults& faults);

/// The key's default, which is TOML in the table.
Value standard_value(const Key& key);

/// The bounds in words: "from 1s to 1h", "one of observe, warn, enforce", or "".
std::string bounds_of(const Key& key);

}  // namespace curfew::config
