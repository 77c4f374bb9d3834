// What all routes share: reading requests, and answers that went well or not.
#pragma once

#include "codec.hpp"
#include "curfew/api/api.hpp"
#include "curfew/api/wire.hpp"

#include <string>
#include <string_view>

namespace curfew::api {

constexpr int page_max = 1000;
constexpr const char* time_hint =
    "a time with its zone as 2026-11-23T10:15:00Z, or how long ago as 90m or 30d";

Reply problem(int status, Exit exit, std::string_view code, const std::string& detail,
              const std::string& hint = {});
Reply problem(const Error& error);
Reply good(const Json& json);

/// A member of the query; empty where there is none.
std::string value_of(const Request& request, const std::string& key);
std::int64_t number_of(const Request& request, const std::string& key, std::int64_t otherwise);
/// The body of a change: a JSON object of bounded depth.
Result<Json> body_of(const Request& request);
std::string text_of(const Json& body, const char* key);
bool flag_of(const Json& body, const char* key, bool otherwise);

/// A time with its zone, or a length of time before now.
Result<WallTime> time_of(const std::string& text, WallTime now);
/// A time, or a date: its beginning in `zone`.
Result<WallTime> moment_of(const std::string& text, const Zone& zone);
/// The end that a body gives: "until" or "for", one of the two. `what` it is the end of: "an exemption".
Result<HoldEnd> end_of(const Json& body, const Zone& zone, const std::string& what);
/// The calendar month "2026-11" in UTC.
Result<Period> month_named(const std::string& text);

}  // namespace curfew::api
