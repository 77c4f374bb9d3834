// The daemon's answers about alerts and their way to people as text for people.
#pragma once

#include "answer.hpp"
#include "words.hpp"

#include <string>

namespace curfew::cli {

std::string alerts_text(const Json& answer, const Style& style);
std::string alert_text(const Json& answer, const Style& style);  // one, with its life
std::string silence_text(const Json& answer, const Style& style);
std::string silences_text(const Json& answer, const Style& style);
std::string outbox_text(const Json& answer, const Style& style);
std::string delivery_text(const Json& answer);
/// One line of the status; "" while nothing is wrong.
std::string alerts_line(const Json& alerts);

}  // namespace curfew::cli
