// "Should it be off now?" (design § 4.3): weekly off hours and holidays in a time zone, as windows of
// absolute time. Pure calendar: the wall clock is the right one here, as it is for budgets.
//
// A local time that a clock change leaves out is the first instant after the gap, one that comes twice
// is its first occurrence (`Zone::from_local`). Windows that touch or overlap are one: between them is
// no boundary. A window that a clock change swallows whole does not exist.
#pragma once

#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// Off hours as they are written: on these days from one local time to another.
struct OffHours {
    std::uint8_t days = 0;  // bit 0 = Monday … bit 6 = Sunday; the days on which they begin
    int from_minute = 0;    // since midnight, 0 … 1439
    int to_minute = 1440;   // 0 … 1440; not after `from_minute` = on the next day
    bool operator==(const OffHours&) const = default;
};

/// "mon-fri 20:00-08:00", "sat-sun" (whole days), "daily 23:30-06:00", "mon,wed 12:00-24:00". Days may
/// run over the end of the week ("fri-mon"). Errors: invalid, naming the part that is wrong.
Result<OffHours> parse_off_hours(std::string_view text);

/// "2026-12-25". Errors: invalid; only dates that exist.
Result<Date> parse_date(std::string_view text);

/// A time of the week, by the clock on the wall.
struct WeeklyTime {
    int day = 0;       // 0 = Monday … 6 = Sunday
    int minute = 540;  // since midnight, 0 … 1439
    bool operator==(const WeeklyTime&) const = default;
};

/// "mon 09:00". Errors: invalid, naming the part that is wrong.
Result<WeeklyTime> parse_weekly_time(std::string_view text);
std::string to_string(WeeklyTime when);

/// The newest such time that is not after `t`, and the first one after it.
WallTime last_weekly(WeeklyTime when, WallTime t, const Zone& zone);
WallTime next_weekly(WeeklyTime when, WallTime t, const Zone& zone);

/// "Mon 20:00 Europe/Rome".
std::string local_words(WallTime t, const Zone& zone);

class Schedule {
public:
    /// Absolute, half-open, as long as it lasts without a break. `from` is its identity: a run that was
    /// started at or after it was started inside the window.
    struct Window {
        WallTime from;
        WallTime to;
        bool operator==(const Window&) const = default;
    };
    /// How far from an instant boundaries are looked for, each way.
    static constexpr std::int64_t days_searched = 400;

    Schedule() = default;
    /// Order and repetitions do not matter. A holiday is off for its whole local day.
    Schedule(Zone zone, std::vector<OffHours> weekly, std::vector<Date> holidays);

    bool off_at(WallTime t) const;
    /// The first instant after `t` at which `off_at` changes; nullopt when there is none within
    /// `days_searched`.
    std::optional<WallTime> next_boundary(WallTime t) const;
    /// The window that `t` is in. One that goes on beyond `days_searched` is cut there.
    std::optional<Window> window_at(WallTime t) const;
    /// The beginning of the first window after `t`, within `days_searched`.
    std::optional<WallTime> next_window(WallTime t) const;

    /// The off hours cover every minute of the week: nothing would ever be on.
    bool covers_week() const;

    const Zone& zone() const { return zone_; }
    const std::vector<OffHours>& weekly() const { return weekly_; }
    const std::vector<Date>& holidays() const { return holidays_; }

private:
    std::int64_t day_of(WallTime t) const { return days_from_civil(local_date(t, zone_)); }
    WallTime midnight(std::int64_t day) const;
    void add_day(std::int64_t day, std::vector<Window>& out) const;
    std::vector<Window> merged(std::int64_t first_day, std::int64_t last_day) const;

    Zone zone_;
    std::vector<OffHours> weekly_;
    std::vector<Date> holidays_;  // sorted
};

}  // namespace curfew
