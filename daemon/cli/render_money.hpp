// The daemon's answers about money as text for people.
#pragma once

#include "answer.hpp"
#include "words.hpp"

#include <string>

namespace curfew::cli {

std::string spend_text(const Json& answer, const Style& style);

}  // namespace curfew::cli
