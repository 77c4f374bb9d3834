// The daemon's answers as text for people.
#pragma once

#include "answer.hpp"
#include "words.hpp"

#include <string>

namespace curfew::cli {

std::string status_text(const Json& answer, const Style& style);
std::string explain_text(const Json& answer, const Style& style);
std::string plan_text(const Json& answer, const Style& style);
std::string replay_text(const Json& answer, const Style& style);
std::string receipts_text(const Json& answer, const Style& style);
std::string receipt_text(const Json& answer, const Style& style);
std::string event_line(const Json& event, const Style& style);
std::string doctor_text(const Json& answer);
std::string lease_text(const Json& answer, const Style& style);
std::string exempt_text(const Json& answer, const Style& style);
std::string release_text(const Json& answer);
std::string rules_text(const Json& answer, const Style& style);
std::string keep_text(const Json& answer, const Style& style);
std::string stop_text(const Json& answer, bool dry_run);

}  // namespace curfew::cli
