// Money, times and the like as people read them.
#pragma once

#include "answer.hpp"
#include "curfew/core/time.hpp"

#include <optional>
#include <string>

namespace curfew::cli {

struct Style {
    bool utc = false;
    bool all = false;  // also what is off
    bool verbose = false;
};

std::string money(const Json& value, const std::string& otherwise = "unpriced");
/// Of an amount; 0 where there is none.
std::int64_t nanos_of(const Json& value);
std::optional<WallTime> time_of(const Json& value);
/// Without the year, in the reader's zone.
std::string moment(const Json& value, const Style& style);
std::string zone_name(const Style& style);
/// How long from the answer's `now`.
std::string left_until(const Json& when, const Json& answer);
/// "5h9m20s" is more than a table needs.
std::string two_units(const Json& value);
/// How fresh the answer is, and what could not be seen.
std::string footer(const Json& answer);
std::string counted(const Json& number, const std::string& what);
std::string saved_text(const Json& saved);

}  // namespace curfew::cli
