#include "curfew/core/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <utility>

namespace curfew {

namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_ms = 86'400'000;
constexpr int minutes_per_day = 1440;
constexpr unsigned days_per_week = 7;
constexpr std::uint8_t every_day = 0x7F;
constexpr std::size_t text_bytes_max = 60;
constexpr std::array<std::string_view, days_per_week> day_names{"mon", "tue", "wed", "thu",
                                                                "fri", "sat", "sun"};
// Nearly every boundary lies within a week; only rows of holidays need more.
constexpr std::array<std::int64_t, 3> reaches{8, 64, Schedule::days_searched};

/// 0 = Monday. Day 0 was a Thursday.
unsigned weekday(std::int64_t day) {
    return static_cast<unsigned>(((day + 3) % 7 + 7) % 7);
}

std::optional<unsigned> day_named(std::string_view name) {
    const auto found = std::ranges::find(day_names, name);
    return found == day_names.end() ? std::nullopt
                                    : std::optional{static_cast<unsigned>(found - day_names.begin())};
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// "20:00" in minutes; at most `most`.
std::optional<int> minute_of(std::string_view text, int most) {
    if (text.size() != 5 || text[2] != ':' || !is_digit(text[0]) || !is_digit(text[1]) ||
        !is_digit(text[3]) || !is_digit(text[4])) {
        return std::nullopt;
    }
    const int hour = (text[0] - '0') * 10 + (text[1] - '0');
    const int minute = (text[3] - '0') * 10 + (text[4] - '0');
    const int all = hour * 60 + minute;
    return minute < 60 && all <= most ? std::optional{all} : std::nullopt;
}

/// "mon", "mon-fri" or "daily" as bits; the word that is no day on failure.
std::expected<std::uint8_t, std::string_view> days_of(std::string_view item) {
    if (item == "daily") {
        return every_day;
    }
    const std::size_t dash = item.find('-');
    const std::string_view first_name = item.substr(0, dash);
    const std::string_view last_name = dash == std::string_view::npos ? first_name : item.substr(dash + 1);
    const auto first = day_named(first_name);
    const auto last = day_named(last_name);
    if (!first || !last) {
        return std::unexpected(first ? last_name : first_name);
    }
    std::uint8_t days = 0;
    for (unsigned day = *first;; day = (day + 1) % days_per_week) {
        days = static_cast<std::uint8_t>(days | (1U << day));
        if (day == *last) {
            return days;
        }
    }
}

}  // namespace

Result<OffHours> parse_off_hours(std::string_view text) {
    const auto bad = [&](std::string_view hint) {
        return fail(Errc::invalid,
                    fmt::format("not off hours: \"{}\"; {}", text.substr(0, text_bytes_max), hint));
    };
    constexpr std::string_view like =
        R"(write them like "mon-fri 20:00-08:00", "sat-sun" or "daily 23:30-06:00")";
    if (text.empty() || text.size() > text_bytes_max) {
        return bad(like);
    }
    const std::size_t space = text.find(' ');
    OffHours hours;
    std::string_view days = text.substr(0, space);
    while (true) {
        const std::size_t comma = days.find(',');
        const auto some = days_of(days.substr(0, comma));
        if (!some) {
            return bad(fmt::format("\"{}\" is no day: days are mon, tue, wed, thu, fri, sat, sun and daily",
                                   some.error()));
        }
        hours.days = static_cast<std::uint8_t>(hours.days | *some);
        if (comma == std::string_view::npos) {
            break;
        }
        days.remove_prefix(comma + 1);
    }
    if (space == std::string_view::npos) {
        return hours;
    }
    const std::string_view times = text.substr(space + 1);
    const std::size_t dash = times.find('-');
    if (dash == std::string_view::npos) {
        return bad(like);
    }
    const std::string_view from_text = times.substr(0, dash);
    const std::string_view to_text = times.substr(dash + 1);
    const auto from = minute_of(from_text, minutes_per_day - 1);
    const auto to = minute_of(to_text, minutes_per_day);
    if (!from || !to) {
        return bad(fmt::format(
            "\"{}\" is no {}", from ? to_text : from_text,
            from ? "end: ends go from 00:00 to 24:00" : "beginning: beginnings go from 00:00 to 23:59"));
    }
    if (*from == *to) {
        return bad("they end when they begin; leave the times out for whole days");
    }
    hours.from_minute = *from;
    hours.to_minute = *to;
    return hours;
}

Result<Date> parse_date(std::string_view text) {
    const auto midnight = text.size() == 10 ? parse_wall_time(std::string{text} + "T00:00:00Z")
                                            : Result<WallTime>{fail(Errc::invalid, "")};
    if (!midnight) {
        return fail(Errc::invalid, fmt::format("not a date: \"{}\"; write it like 2026-12-25",
                                               text.substr(0, text_bytes_max)));
    }
    return civil_from_days(midnight->ms / day_ms);
}

Result<WeeklyTime> parse_weekly_time(std::string_view text) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const auto day = day_named(text.substr(0, space));
    const auto minute = minute_of(text.substr(std::min(space + 1, text.size())), minutes_per_day - 1);
    if (!day || !minute) {
        return fail(Errc::invalid,
                    fmt::format("not a time of the week: \"{}\"; {}", text.substr(0, text_bytes_max),
                                day ? "times go from 00:00 to 23:59" : R"(write it like "mon 09:00")"));
    }
    return WeeklyTime{.day = static_cast<int>(*day), .minute = *minute};
}

std::string to_string(WeeklyTime when) {
    return fmt::format("{} {:02}:{:02}", day_names.at(static_cast<std::size_t>(when.day)), when.minute / 60,
                       when.minute % 60);
}

namespace {

/// On or before the local day `day`, `weeks` later.
WallTime weekly_near(WeeklyTime when, std::int64_t day, int weeks, const Zone& zone) {
    const auto back = (static_cast<std::int64_t>(weekday(day)) - when.day + days_per_week) % days_per_week;
    return zone.from_local((day - back + weeks * std::int64_t{days_per_week}) * day_ms +
                           when.minute * minute_ms);
}

}  // namespace

WallTime last_weekly(WeeklyTime when, WallTime t, const Zone& zone) {
    const std::int64_t day = days_from_civil(local_date(t, zone));
    const WallTime here = weekly_near(when, day, 0, zone);
    return here <= t ? here : weekly_near(when, day, -1, zone);
}

WallTime next_weekly(WeeklyTime when, WallTime t, const Zone& zone) {
    const std::int64_t day = days_from_civil(local_date(t, zone));
    const WallTime here = weekly_near(when, day, 0, zone);
    return here > t ? here : weekly_near(when, day, 1, zone);
}

std::string local_words(WallTime t, const Zone& zone) {
    constexpr std::array<std::string_view, days_per_week> shown{"Mon", "Tue", "Wed", "Thu",
                                                                "Fri", "Sat", "Sun"};
    const std::int64_t day = days_from_civil(local_date(t, zone));
    const std::int64_t minute = (t.ms + zone.offset_at(t).count() - day * day_ms) / minute_ms;
    return fmt::format("{} {:02}:{:02} {}", shown[weekday(day)], minute / 60, minute % 60, zone.name);
}

Schedule::Schedule(Zone zone, std::vector<OffHours> weekly, std::vector<Date> holidays)
    : zone_(std::move(zone)), weekly_(std::move(weekly)), holidays_(std::move(holidays)) {
    std::ranges::sort(holidays_);
    const auto doubles = std::ranges::unique(holidays_);
    holidays_.erase(doubles.begin(), doubles.end());
}

WallTime Schedule::midnight(std::int64_t day) const {
    return zone_.from_local(day * day_ms);
}

/// What begins on this local day.
void Schedule::add_day(std::int64_t day, std::vector<Window>& out) const {
    const auto add = [&](int from_minute, int to_minute) {
        const Window window{zone_.from_local(day * day_ms + from_minute * minute_ms),
                            zone_.from_local(day * day_ms + to_minute * minute_ms)};
        if (window.from < window.to) {
            out.push_back(window);
        }
    };
    for (const OffHours& hours : weekly_) {
        if (((hours.days >> weekday(day)) & 1U) != 0) {
            const bool next_day = hours.to_minute <= hours.from_minute;
            add(hours.from_minute, hours.to_minute + (next_day ? minutes_per_day : 0));
        }
    }
    if (std::ranges::binary_search(holidays_, civil_from_days(day))) {
        add(0, minutes_per_day);
    }
}

/// All that begin on these days, in order, touching and overlapping ones joined.
std::vector<Schedule::Window> Schedule::merged(std::int64_t first_day, std::int64_t last_day) const {
    std::vector<Window> all;
    for (std::int64_t day = first_day; day <= last_day; ++day) {
        add_day(day, all);
    }
    std::ranges::sort(all, {}, &Window::from);
    std::vector<Window> out;
    for (const Window& window : all) {
        if (!out.empty() && window.from <= out.back().to) {
            out.back().to = std::max(out.back().to, window.to);
        } else {
            out.push_back(window);
        }
    }
    return out;
}

bool Schedule::off_at(WallTime t) const {
    const std::int64_t day = day_of(t);
    std::vector<Window> near;
    // A window lasts a day at most; one day more for a calendar that leaves a day out or repeats one.
    for (std::int64_t d = day - 2; d <= day + 1; ++d) {
        add_day(d, near);
    }
    return std::ranges::any_of(near, [&](const Window& w) { return w.from <= t && t < w.to; });
}

std::optional<Schedule::Window> Schedule::window_at(WallTime t) const {
    if (!off_at(t)) {
        return std::nullopt;
    }
    const std::int64_t day = day_of(t);
    std::optional<Window> found;
    for (const std::int64_t reach : reaches) {
        const auto windows = merged(day - reach, day + reach);
        const auto here = std::ranges::find_if(windows,
                                               [&](const Window& w) { return w.from <= t && t < w.to; });
        CURFEW_ASSERT(here != windows.end(), "it is off, so it is in a window");
        found = *here;
        // What begins before the first day ends before the second; what begins after the last, after it.
        if (found->from > midnight(day - reach + 1) && found->to < midnight(day + reach + 1)) {
            break;
        }
    }
    return found;
}

std::optional<WallTime> Schedule::next_window(WallTime t) const {
    const std::int64_t day = day_of(t);
    for (const std::int64_t reach : reaches) {
        const auto windows = merged(day - 2, day + reach);
        const auto next = std::ranges::find_if(windows, [&](const Window& w) { return w.from > t; });
        if (next != windows.end()) {
            return next->from;
        }
    }
    return std::nullopt;
}

std::optional<WallTime> Schedule::next_boundary(WallTime t) const {
    if (const auto window = window_at(t)) {
        const bool ends = window->to < midnight(day_of(t) + days_searched + 1);
        return ends ? std::optional{window->to} : std::nullopt;
    }
    return next_window(t);
}

bool Schedule::covers_week() const {
    constexpr std::size_t week = static_cast<std::size_t>(minutes_per_day) * days_per_week;
    std::bitset<week> off;
    for (const OffHours& hours : weekly_) {
        const bool next_day = hours.to_minute <= hours.from_minute;
        const int length = hours.to_minute - hours.from_minute + (next_day ? minutes_per_day : 0);
        for (std::size_t day = 0; day < days_per_week; ++day) {
            for (int i = 0; ((hours.days >> day) & 1U) != 0 && i < length; ++i) {
                off.set((day * minutes_per_day + static_cast<std::size_t>(hours.from_minute + i)) % week);
            }
        }
    }
    return off.all();
}

}  // namespace curfew
