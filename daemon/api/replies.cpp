#include "replies.hpp"

#include <charconv>
#include <utility>

namespace curfew::api {

namespace {

constexpr int body_depth_max = 8;

struct Trouble {
    int status;
    Exit exit;
};

Trouble trouble_of(Errc code) {
    switch (code) {
        case Errc::invalid:
        case Errc::unsafe:
        case Errc::too_large:
            return {400, Exit::usage};
        case Errc::not_found:
            return {404, Exit::not_found};
        case Errc::conflict:
            return {409, Exit::refused};
        case Errc::unauthorized:
        case Errc::forbidden:
            return {403, Exit::not_allowed};
        case Errc::rate_limited:
        case Errc::overloaded:
        case Errc::locked:
        case Errc::unavailable:
        case Errc::timeout:
        case Errc::cancelled:
            return {503, Exit::temporary};
        case Errc::protocol:
        case Errc::changing:
        case Errc::disk_full:
        case Errc::disk:
        case Errc::corrupt:
        case Errc::internal:
            break;
    }
    return {500, Exit::failed};
}

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Reply problem(int status, Exit exit, std::string_view code, const std::string& detail,
              const std::string& hint) {
    const Json json{{"schema", std::string{schema::problem}},
                    {"type", "about:blank"},
                    {"title", std::string{code}},
                    {"status", status},
                    {"detail", detail},
                    {"code", std::string{code}},
                    {"exit", static_cast<int>(exit)},
                    {"hint", hint.empty() ? Json(nullptr) : Json(hint)}};
    return {status, "application/problem+json", dump(json)};
}

Reply problem(const Error& error) {
    const Trouble trouble = trouble_of(error.code);
    return problem(trouble.status, trouble.exit, to_string(error.code), to_string(error));
}

Reply good(const Json& json) {
    return {200, "application/json", dump(json)};
}

std::string value_of(const Request& request, const std::string& key) {
    const auto found = request.query.find(key);
    return found == request.query.end() ? std::string{} : found->second;
}

std::int64_t number_of(const Request& request, const std::string& key, std::int64_t otherwise) {
    const std::string text = value_of(request, key);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size() && value >= 0
               ? value
               : otherwise;
}

/// Checked while it is read, so that nothing deep is ever built; what is too deep makes the whole body invalid.
Result<Json> body_of(const Request& request) {
    if (request.body.empty()) {
        return Json::object();
    }
    bool deep = false;
    const auto bounded = [&deep](int depth, Json::parse_event_t event, Json&) {
        const bool opens = event == Json::parse_event_t::object_start ||
                           event == Json::parse_event_t::array_start;
        deep = deep || (opens && depth >= body_depth_max);
        return !deep;
    };
    Json json = Json::parse(request.body, bounded, false);
    if (deep || !json.is_object()) {
        return fail(Errc::invalid, "the body must be a JSON object");
    }
    return json;
}

std::string text_of(const Json& body, const char* key) {
    const auto found = body.find(key);
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

bool flag_of(const Json& body, const char* key, bool otherwise) {
    const auto found = body.find(key);
    return found != body.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

/// A time with its zone, or a length of time before now.
Result<WallTime> time_of(const std::string& text, WallTime now) {
    auto stamp = parse_wall_time(text);
    const auto ago = parse_duration(text);
    return stamp || !ago ? stamp : Result<WallTime>{now - *ago};
}

/// A time, or a date: its beginning in the daemon's zone.
Result<WallTime> moment_of(const std::string& text, const Zone& zone) {
    const auto number = [&](std::size_t at, std::size_t size) {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + size, value);
        return error == std::errc{} && end == text.data() + at + size ? std::optional{value} : std::nullopt;
    };
    if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
        const auto year = number(0, 4);
        const auto month = number(5, 2);
        const auto day = number(8, 2);
        if (year && month && day) {
            const Date date{.year = static_cast<int>(*year), .month = *month, .day = *day};
            const std::int64_t days = days_from_civil(date);
            if (*year >= 1970 && *year < 2200 && civil_from_days(days) == date) {
                return zone.from_local(days * 24 * 3600 * 1000);
            }
        }
    }
    auto stamp = parse_wall_time(text);
    return stamp
               ? stamp
               : fail(Errc::invalid, "a date is written as 2026-12-24, a time as 2026-12-24T18:00:00Z", text);
}

Result<HoldEnd> end_of(const Json& body, const Zone& zone, const std::string& what) {
    const std::string until = text_of(body, "until");
    const std::string how_long = text_of(body, "for");
    if (until.empty() == how_long.empty()) {
        return fail(Errc::invalid, what + " has one end: \"until\" or \"for\"");
    }
    HoldEnd end;
    if (!until.empty()) {
        const auto moment = moment_of(until, zone);
        if (!moment) {
            return std::unexpected(moment.error());
        }
        end.until = *moment;
    } else {
        const auto length = parse_duration(how_long);
        if (!length) {
            return std::unexpected(length.error());
        }
        end.after = *length;
    }
    return end;
}

/// The calendar month "2026-11" in UTC.
Result<Period> month_named(const std::string& text) {
    const auto first = text.size() == 7 ? moment_of(text + "-01", Zone{}) : fail(Errc::invalid, "");
    return first ? Result<Period>{month_of(*first, Zone{})}
                 : fail(Errc::invalid, "a month is written as 2026-11", text);
}

}  // namespace curfew::api
