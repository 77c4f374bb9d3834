#include "curfew/core/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace curfew {

namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr WallTime end_of_2200{7'289'654'400'000};
// No zone was ever further from UTC than Manila's -15:56; a day and a bit bounds every search.
constexpr std::int64_t offset_ms_max = 26 * 3'600'000;

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
    if (*month < 1 || *month > 12 || *day < 1 ||
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
    const std::int64_t days = days_from_civil(
        {*year, static_cast<unsigned>(*month), static_cast<unsigned>(*day)});
    const WallTime t{days * day_ms + ((*hour * 60 + *minute - offset_minutes) * 60 + *second) * 1000 + ms};
    if (t < WallTime{0} || t >= end_of_2200) {
        return bad("the year is outside 1970–2200");
    }
    return t;
}

namespace {

struct Unit {
    std::string_view name;
    std::int64_t ms;
};
// Largest first: the order of printing, and the only order in which they may be written.
constexpr std::array<Unit, 5> units{{{"d", day_ms}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::int64_t duration_ms_max = 10LL * 366 * day_ms;

/// One part of a duration: "1", "5" and "h" of "1.5h".
struct Part {
    std::string_view whole;
    std::string_view decimals;
    std::string_view unit;
};

/// What of `text` from `at` on lies between `low` and `high`.
std::string_view take(std::string_view text, std::size_t& at, char low, char high) {
    const std::size_t first = at;
    while (at < text.size() && text[at] >= low && text[at] <= high) {
        ++at;
    }
    return text.substr(first, at - first);
}

std::optional<Part> next_part(std::string_view text, std::size_t& at) {
    Part part;
    part.whole = take(text, at, '0', '9');
    if (part.whole.empty()) {
        return std::nullopt;
    }
    if (at < text.size() && text[at] == '.') {
        part.decimals = take(text, ++at, '0', '9');
        if (part.decimals.empty()) {
            return std::nullopt;
        }
    }
    part.unit = take(text, at, 'a', 'z');
    return part;
}

std::int64_t number(std::string_view digits) {
    std::int64_t value = 0;
    for (const char c : digits) {
        value = value * 10 + (c - '0');
    }
    return value;
}

/// The part in ms, exactly; nullopt when it is too long or has a fraction of a millisecond.
std::optional<std::int64_t> ms_of(const Part& part, std::int64_t unit) {
    if (part.whole.size() > 12 || part.decimals.size() > 9 || number(part.whole) > duration_ms_max / unit) {
        return std::nullopt;
    }
    std::int64_t scale = 1;
    for (std::size_t i = 0; i < part.decimals.size(); ++i) {
        scale *= 10;
    }
    const std::int64_t fraction = number(part.decimals) * unit;  // below 10^9 · 10^8
    if (fraction % scale != 0) {
        return std::nullopt;
    }
    return number(part.whole) * unit + fraction / scale;
}

}  // namespace

std::string to_string(Duration d) {
    // Unsigned, since the magnitude of the smallest int64 is no int64.
    auto left = static_cast<std::uint64_t>(d.count());
    left = d < Duration{0} ? 0 - left : left;
    std::string text = d < Duration{0} ? "-" : "";
    if (left < 1000) {
        return left == 0 ? "0s" : text + fmt::format("{}ms", left);
    }
    for (const Unit& unit : units) {
        const auto size = static_cast<std::uint64_t>(unit.ms);
        if (size >= 1000 && left >= size) {
            text += fmt::format("{}{}", left / size, unit.name);
            left %= size;
        }
    }
    return text;
}

Result<Duration> parse_duration(std::string_view text) {
    const auto bad = [&](std::string_view hint) {
        return fail(Errc::invalid, fmt::format("not a duration: \"{}\"; {}", text.substr(0, 40), hint));
    };
    if (text.empty() || text.size() > 64) {
        return bad(text.empty() ? "it is empty" : "it is too long");
    }
    std::int64_t total = 0;
    std::size_t next_unit = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto part = next_part(text, at);
        if (!part || (part->unit.empty() && at < text.size())) {
            return bad("write it like 90s, 45m, 1h30m or 2d");
        }
        if (part->unit.empty()) {
            return bad(fmt::format("a unit is missing, did you mean {0}m or {0}s?", text));
        }
        const auto unit = std::ranges::find(units, part->unit == "min" ? "m" : part->unit, &Unit::name);
        if (unit == units.end()) {
            return bad("units are ms, s, m, h and d");
        }
        const auto index = static_cast<std::size_t>(unit - units.begin());
        if (index < next_unit) {
            return bad("units go from large to small, each once");
        }
        next_unit = index + 1;
        const auto ms = ms_of(*part, unit->ms);
        if (!ms || *ms > duration_ms_max - total) {
            return bad("it must be whole milliseconds, at most ten years");
        }
        total += *ms;
    }
    return Duration{total};
}

Duration Zone::offset_at(WallTime t) const {
    const auto after = std::ranges::upper_bound(transitions, t, {}, &Transition::at);
    return after == transitions.begin() ? first_offset : std::prev(after)->offset;
}

WallTime Zone::from_local(std::int64_t local_ms) const {
    // The first instant at which local clocks show `local_ms` or later: looked for stretch by
    // stretch, beginning with one in which they certainly still show less.
    auto next = std::ranges::upper_bound(transitions, WallTime{local_ms - offset_ms_max}, {},
                                         &Transition::at);
    Duration offset = next == transitions.begin() ? first_offset : std::prev(next)->offset;
    WallTime t{local_ms - offset.count()};
    for (; next != transitions.end() && t >= next->at; ++next) {
        offset = next->offset;
        t = std::max(next->at, WallTime{local_ms - offset.count()});
    }
    return t;
}

Date local_date(WallTime t, const Zone& zone) {
    return civil_from_days(floor_div(t.ms + zone.offset_at(t).count(), day_ms));
}

namespace {

WallTime midnight(Date date, const Zone& zone) {
    return zone.from_local(days_from_civil(date) * day_ms);
}

Date next_month(Date date) {
    return date.month == 12 ? Date{date.year + 1, 1, 1} : Date{date.year, date.month + 1, 1};
}

}  // namespace

// A clock that is set back over midnight shows the old date once more; the new period has begun all
// the same, so that periods follow each other without a hole and every instant is in exactly one.
Period month_of(WallTime t, const Zone& zone) {
    Date first = local_date(t, zone);
    first.day = 1;
    if (t >= midnight(next_month(first), zone)) {
        first = next_month(first);
    }
    return {fmt::format("{:04}-{:02}@{}", first.year, first.month, zone.name), midnight(first, zone),
            midnight(next_month(first), zone)};
}

WallTime utc_month_begin(WallTime t) {
    Date first = civil_from_days(floor_div(t.ms, day_ms));
    first.day = 1;
    return {days_from_civil(first) * day_ms};
}

WallTime utc_month_end(WallTime t) {
    return {days_from_civil(next_month(civil_from_days(floor_div(t.ms, day_ms)))) * day_ms};
}

Period day_of(WallTime t, const Zone& zone) {
    std::int64_t day = days_from_civil(local_date(t, zone));
    if (t >= zone.from_local((day + 1) * day_ms)) {
        ++day;
    }
    const Date date = civil_from_days(day);
    return {fmt::format("{:04}-{:02}-{:02}@{}", date.year, date.month, date.day, zone.name),
            zone.from_local(day * day_ms), zone.from_local((day + 1) * day_ms)};
}

}  // namespace curfew
