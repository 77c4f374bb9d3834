#include "curfew/core/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace curfew {

namespace {

constexpr std::int64_t day_ms = 86'400'000;

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

/// Reads exactly `width` digits at `at`.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t width) {
    if (at + width > text.size()) {
        return std::nullopt;
    }
    int value = 0;
    for (std::size_t i = at; i < at + width; ++i) {
        if (text[i] < '0' || text[i] > '9') {
            return std::nullopt;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

unsigned days_in_month(int year, unsigned month) {
    constexpr std::array<unsigned, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

}  // namespace

// Howard Hinnant's algorithms on the proleptic Gregorian calendar (public domain notes).
std::int64_t days_from_civil(Date date) {
    const std::int64_t y = date.year - (date.month <= 2 ? 1 : 0);
    const std::int64_t era = floor_div(y, 400);
    const std::int64_t yoe = y - era * 400;
    const std::int64_t month = (date.month + 9) % 12;
    const std::int64_t doy = (153 * month + 2) / 5 + date.day - 1;
    const std::int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146'097 + doe - 719'468;
}

Date civil_from_days(std::int64_t days) {
    const std::int64_t z = days + 719'468;
    const std::int64_t era = floor_div(z, 146'097);
    const std::int64_t doe = z - era * 146'097;
    const std::int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
    const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const std::int64_t mp = (5 * doy + 2) / 153;
    const auto day = static_cast<unsigned>(doy - (153 * mp + 2) / 5 + 1);
    const auto month = static_cast<unsigned>(mp < 10 ? mp + 3 : mp - 9);
    return {static_cast<int>(yoe + era * 400 + (month <= 2 ? 1 : 0)), month, day};
}

std::string to_string(WallTime t) {
    const std::int64_t days = floor_div(t.ms, day_ms);
    const std::int64_t ms = t.ms - days * day_ms;
    const Date date = civil_from_days(days);
    std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month, date.day,
                                   ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60);
    if (ms % 1000 != 0) {
        text += fmt::format(".{:03}", ms % 1000);
    }
    return text + "Z";
}

Result<WallTime> parse_wall_time(std::string_view text) {
    const auto bad = [&](std::string_view why) {
        return fail(Errc::invalid, fmt::format("not a time: \"{}\" ({})", text.substr(0, 40), why));
    };
    const auto year = digits(text, 0, 4);
    const auto month = digits(text, 5, 2);
    const auto day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2);
    const auto minute = digits(text, 14, 2);
    const auto second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second || text[4] != '-' || text[7] != '-' ||
        (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':') {
        return bad("expected YYYY-MM-DDThh:mm:ssZ");
    }
    if (*year < 1970 || *year >= 2200 || *month < 1 || *month > 12 || *day < 1 ||
        static_cast<unsigned>(*day) > days_in_month(*year, static_cast<unsigned>(*month)) || *hour > 23 ||
        *minute > 59 || *second > 60) {
        return bad("out of range");
    }
    std::size_t i = 19;
    std::int64_t ms = 0;
    if (i < text.size() && text[i] == '.') {
        const std::size_t first = ++i;
        std::int64_t scale = 100;
        for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, scale /= 10) {
            ms += (text[i] - '0') * scale;
        }
        if (i == first || i - first > 9) {
            return bad("bad fraction");
        }
    }
    std::int64_t offset_minutes = 0;
    if (i < text.size() && (text[i] == 'Z' || text[i] == 'z')) {
        ++i;
    } else if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
        const auto oh = digits(text, i + 1, 2);
        const auto om = digits(text, i + 4, 2);
        if (!oh || !om || text[i + 3] != ':' || *oh > 23 || *om > 59) {
            return bad("bad zone");
        }
        offset_minutes = (*oh * 60 + *om) * (text[i] == '-' ? -1 : 1);
        i += 6;
    } else {
        return bad("no zone");
    }
    if (i != text.size()) {
        return bad("trailing text");
    }
    const std::int64_t days =
        days_from_civil({*year, static_cast<unsigned>(*month), static_cast<unsigned>(*day)});
    return WallTime{days * day_ms + ((*hour * 60 + *minute - offset_minutes) * 60 + *second) * 1000 + ms};
}

std::string to_string(Duration d) {
    if (d < Duration{0}) {
        return "-" + to_string(Duration{-d.count()});
    }
    std::int64_t s = d.count() / 1000;
    if (s == 0 && d.count() != 0) {
        return fmt::format("{}ms", d.count());
    }
    std::string text;
    for (const auto& [unit, name] : {std::pair{86'400LL, 'd'}, {3'600LL, 'h'}, {60LL, 'm'}}) {
        if (s >= unit) {
            text += fmt::format("{}{}", s / unit, name);
            s %= unit;
        }
    }
    if (s != 0 || text.empty()) {
        text += fmt::format("{}s", s);
    }
    return text;
}

namespace {

std::optional<std::int64_t> unit_ms(std::string_view unit) {
    if (unit == "ms") {
        return 1;
    }
    if (unit == "s") {
        return 1000;
    }
    if (unit == "m" || unit == "min") {
        return 60'000;
    }
    if (unit == "h") {
        return 3'600'000;
    }
    if (unit == "d") {
        return day_ms;
    }
    return std::nullopt;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    constexpr std::int64_t most = 10LL * 366 * day_ms;
    const auto bad = [&](std::string_view hint) {
        return fail(Errc::invalid, fmt::format("not a duration: \"{}\"; {}", text.substr(0, 40), hint));
    };
    std::int64_t total = 0;
    std::size_t i = 0;
    while (i < text.size()) {
        const std::size_t first = i;
        std::int64_t whole = 0;
        std::int64_t fraction = 0;
        std::int64_t scale = 1;
        for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && i - first < 13; ++i) {
            whole = whole * 10 + (text[i] - '0');
        }
        if (i == first) {
            return bad("write it like 90s, 45m, 1h30m or 2d");
        }
        if (i < text.size() && text[i] == '.') {
            const std::size_t point = ++i;
            for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && i - point < 6; ++i) {
                fraction = fraction * 10 + (text[i] - '0');
                scale *= 10;
            }
            if (i == point) {
                return bad("a digit is missing after the point");
            }
        }
        const std::size_t unit = i;
        while (i < text.size() && text[i] >= 'a' && text[i] <= 'z') {
            ++i;
        }
        if (unit == i) {
            return bad(i == text.size() ? fmt::format("a unit is missing, did you mean {}m or {}s?", text, text)
                                        : std::string{"write it like 90s, 45m, 1h30m or 2d"});
        }
        const auto ms = unit_ms(text.substr(unit, i - unit));
        if (!ms) {
            return bad("units are ms, s, m, h and d");
        }
        const __int128 part = static_cast<__int128>(whole) * *ms + static_cast<__int128>(fraction) * *ms / scale;
        if (part + total > most) {
            return bad("longer than ten years");
        }
        total += static_cast<std::int64_t>(part);
    }
    if (text.empty()) {
        return bad("it is empty");
    }
    return Duration{total};
}

Duration Zone::offset_at(WallTime t) const {
    const auto after = std::ranges::upper_bound(transitions, t, {}, &Transition::at);
    return after == transitions.begin() ? first_offset : std::prev(after)->offset;
}

WallTime Zone::from_local(std::int64_t local_ms) const {
    // Walk the transitions around it: the first offset under which the local time exists wins; in a
    // gap it is the instant of the transition itself.
    Duration before = first_offset;
    for (const Transition& t : transitions) {
        const WallTime candidate{local_ms - before.count()};
        if (candidate < t.at) {
            return candidate;
        }
        if (local_ms - t.offset.count() < t.at.ms) {
            return t.at;
        }
        before = t.offset;
    }
    return {local_ms - before.count()};
}

Date local_date(WallTime t, const Zone& zone) {
    return civil_from_days(floor_div(t.ms + zone.offset_at(t).count(), day_ms));
}

Period month_of(WallTime t, const Zone& zone) {
    const Date date = local_date(t, zone);
    const Date first{date.year, date.month, 1};
    const Date next = date.month == 12 ? Date{date.year + 1, 1, 1} : Date{date.year, date.month + 1, 1};
    return {fmt::format("{:04}-{:02}@{}", date.year, date.month, zone.name),
            zone.from_local(days_from_civil(first) * day_ms), zone.from_local(days_from_civil(next) * day_ms)};
}

Period day_of(WallTime t, const Zone& zone) {
    const Date date = local_date(t, zone);
    const std::int64_t days = days_from_civil(date);
    return {fmt::format("{:04}-{:02}-{:02}@{}", date.year, date.month, date.day, zone.name),
            zone.from_local(days * day_ms), zone.from_local((days + 1) * day_ms)};
}

}  // namespace curfew
