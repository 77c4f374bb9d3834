#include "words.hpp"

#include "curfew/core/money.hpp"
#include "table.hpp"

#include <algorithm>
#include <ctime>

namespace curfew::cli {

std::string money(const Json& value, const std::string& otherwise) {
    if (!member(value, "amount").is_string()) {
        return otherwise;
    }
    Currency currency;
    if (const std::string code = text_of(member(value, "currency"), "USD"); code.size() == 3) {
        std::ranges::copy(code, currency.code.begin());
    }
    const auto amount = parse_money(member(value, "amount").get<std::string>(), currency);
    return amount ? to_string(*amount) : otherwise;
}

std::int64_t nanos_of(const Json& value) {
    const Json& amount = member(value, "amount");
    const auto money = amount.is_string() ? parse_money(amount.get<std::string>()) : Result<Money>{Money{}};
    return money ? money->nanos : 0;
}

std::optional<WallTime> time_of(const Json& value) {
    const auto t = value.is_string() ? parse_wall_time(value.get<std::string>())
                                     : Result<WallTime>{fail(Errc::invalid, "no time")};
    return t ? std::optional{*t} : std::nullopt;
}

std::string moment(const Json& value, const Style& style) {
    const auto t = time_of(value);
    if (!t) {
        return "-";
    }
    const std::time_t seconds_since = t->ms / 1000;
    std::tm parts{};
    if (style.utc) {
        ::gmtime_r(&seconds_since, &parts);
    } else {
        ::localtime_r(&seconds_since, &parts);
    }
    char text[32];
    std::strftime(text, sizeof text, "%m-%d %H:%M:%S", &parts);
    return text;
}

std::string zone_name(const Style& style) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&now, &parts);
    return style.utc || parts.tm_zone == nullptr ? "UTC" : parts.tm_zone;
}

std::string left_until(const Json& when, const Json& answer) {
    const auto t = time_of(when);
    const auto now = time_of(member(answer, "now"));
    if (!t || !now) {
        return "-";
    }
    return to_string(std::max<Duration>(Duration{0}, std::chrono::floor<seconds>(*t - *now)));
}

std::string two_units(const Json& value) {
    // "5h9m20s" is more than a table needs.
    const std::string full = text_of(value);
    const auto parsed = parse_duration(full);
    if (!parsed) {
        return full;
    }
    if (*parsed >= hours{24}) {
        return to_string(std::chrono::floor<hours>(*parsed));
    }
    return to_string(*parsed >= hours{1} ? std::chrono::floor<minutes>(*parsed) : *parsed);
}

std::string footer(const Json& answer) {
    std::string out;
    const Json& stale = member(answer, "stale_for");
    out += stale.is_null() ? "nothing seen yet\n"
                           : "as of " + to_string(Duration{seconds{whole_number(stale)}}) + " ago\n";
    for (const Json& d : member(answer, "degraded")) {
        out += coloured("! ", "bad") + safe(text_of(member(d, "what"))) + ": " +
               safe(text_of(member(d, "why"))) + "\n";
    }
    return out;
}

std::string counted(const Json& number, const std::string& what) {
    return number.dump() + " " + what + (number == 1 ? "" : "s");
}

std::string saved_text(const Json& saved) {
    return money(saved, "$0.00") + " saved by " + counted(member(saved, "stops"), "stop") +
           " of Curfew (estimate)";
}

}  // namespace curfew::cli
