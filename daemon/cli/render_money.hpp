// The daemon's answers about money as text for people.
#pragma once

#include "answer.hpp"
#include "words.hpp"

#include <string>

namespace curfew::cli {

std::string spend_text(const Json& answer, const Style& style);
std::string budgets_text(const Json& answer, const Style& style);
std::string budget_text(const Json& answer, const Style& style);  // one, in full
std::string forecast_text(const Json& answer, const Style& style);
std::string credit_text(const Json& answer, const Style& style);
std::string advice_text(const Json& answer, const Style& style);

}  // namespace curfew::cli
