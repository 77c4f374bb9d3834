// Two kinds of time that never mix. `Instant` is monotonic: every duration, deadline, grace and quiet
// time is measured with it, so that a jump of the wall clock changes no decision about a duration
// (I14). `WallTime` is UTC: records, stamps of providers, calendar budgets.
// Both arrive as arguments; nothing in core reads a clock.
#pragma once

#include "curfew/core/error.hpp"

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

using Duration = std::chrono::milliseconds;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

/// Milliseconds of a monotonic clock whose zero is arbitrary (per boot, per simulation).
struct Instant {
    std::int64_t ms = 0;
    constexpr auto operator<=>(const Instant&) const = default;
};
constexpr Instant operator+(Instant t, Duration d) {
    return {t.ms + d.count()};
}
constexpr Instant operator-(Instant t, Duration d) {
    return {t.ms - d.count()};
}
constexpr Duration operator-(Instant a, Instant b) {
    return Duration{a.ms - b.ms};
}
/// Stored, and of an earlier boot: nothing can be reckoned from it. No clock of a boot is negative.
constexpr Instant instant_of_earlier_boot{-1};
/// Later than everything; arithmetic on it is not allowed.
constexpr Instant instant_never{std::numeric_limits<std::int64_t>::max()};

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
struct WallTime {
    std::int64_t ms = 0;
    constexpr auto operator<=>(const WallTime&) const = default;
};
constexpr WallTime operator+(WallTime t, Duration d) {
    return {t.ms + d.count()};
}
constexpr WallTime operator-(WallTime t, Duration d) {
    return {t.ms - d.count()};
}
constexpr Duration operator-(WallTime a, WallTime b) {
    return Duration{a.ms - b.ms};
}

/// The beginning of the hour (UTC) that it lies in, also before 1970.
constexpr WallTime full_hour(WallTime t) {
    constexpr std::int64_t hour = 3'600'000;
    return {t.ms - (t.ms % hour + hour) % hour};
}

/// The moment that both clocks show.
struct Now {
    Instant mono;
    WallTime wall;
};

/// "2026-11-23T10:15:00Z", with ".123" only when the milliseconds are not zero.
std::string to_string(WallTime t);
/// RFC 3339 with a zone (Z or ±hh:mm) and up to 9 decimals (cut to ms). A stamp without a zone,
/// outside 1970–2200 or with trailing text is an error: a guess here would be money.
Result<WallTime> parse_wall_time(std::string_view text);

/// "41m", "5h9m20s", "2d", "0s": largest units first, milliseconds only below one second.
std::string to_string(Duration d);
/// "90s", "45m", "1h30m", "2d", "0.5h", "1500ms". A bare number is refused with a hint.
Result<Duration> parse_duration(std::string_view text);

/// A time zone as data: instants at which the offset from UTC changes, oldest first, made once by an
/// adapter from the system's tz database. `transitions` may be empty (UTC and fixed zones).
struct Zone {
    struct Transition {
        WallTime at;
        Duration offset;  // local = UTC + offset, from `at` on
    };
    std::string name = "UTC";
    Duration first_offset{0};  // before the first transition
    std::vector<Transition> transitions;

    Duration offset_at(WallTime t) const;
    /// UTC of a local time (ms as if local were UTC). A missing local time (spring) becomes the first
    /// instant after the gap, a repeated one (autumn) its first occurrence.
    WallTime from_local(std::int64_t local_ms) const;
};

/// A civil date, proleptic Gregorian.
struct Date {
    int year = 1970;
    unsigned month = 1;
    unsigned day = 1;
    constexpr auto operator<=>(const Date&) const = default;
};
std::int64_t days_from_civil(Date date);
Date civil_from_days(std::int64_t days);
/// The date that a calendar in `zone` shows at `t`.
Date local_date(WallTime t, const Zone& zone);

/// A half-open interval [from, to) of a calendar with its printable identity, e.g.
/// "2026-11@Europe/Rome". A budget's reset needs no job: another id is another period.
struct Period {
    std::string id;
    WallTime from;
    WallTime to;
    bool operator==(const Period&) const = default;
};
Period month_of(WallTime t, const Zone& zone);
Period day_of(WallTime t, const Zone& zone);
/// The first instant of the calendar month (UTC) that `t` lies in, and of the next one.
WallTime utc_month_begin(WallTime t);
WallTime utc_month_end(WallTime t);

}  // namespace curfew
