// Lines of CSV as RFC 4180 has them: commas, CRLF, quotes where a value needs them. Data for programs: nothing
// is escaped or rounded.
#pragma once

#include "answer.hpp"

#include <string>
#include <vector>

namespace curfew::cli {

std::string csv_line(const std::vector<std::string>& values);

/// Rows of an answer with a heading: amounts as decimals and their currency in a column of its own, members of
/// members as "outer.inner", lists joined with "; ". Nothing at all when there is no row.
std::string csv_of(const Json& items);

}  // namespace curfew::cli
