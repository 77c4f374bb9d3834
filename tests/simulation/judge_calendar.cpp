// A second calendar: days, weeks and months of a zone, cut by the judge's own arithmetic.
#include "curfew/core/period.hpp"
#include "simulation/judge_model.hpp"

#include <fmt/format.h>

#include <array>

namespace curfew::simulation {

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t day_ms = 24 * hour_ms;

struct Day {
    int year = 1970;
    int month = 1;
    int day = 1;
};

bool leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int days_of(int year, int month) {
    constexpr std::array lengths{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap(year) ? 29 : lengths.at(static_cast<std::size_t>(month - 1));
}

/// Counted from 1 January 1970, a Thursday, by going there.
Day day_at(std::int64_t number) {
    Day d;
    while (number >= (leap(d.year) ? 366 : 365)) {
        number -= leap(d.year++) ? 366 : 365;
    }
    while (number >= days_of(d.year, d.month)) {
        number -= days_of(d.year, d.month++);
    }
    d.day += static_cast<int>(number);
    return d;
}

std::int64_t number_of(Day d) {
    std::int64_t number = d.day - 1;
    for (int year = 1970; year < d.year; ++year) {
        number += leap(year) ? 366 : 365;
    }
    for (int month = 1; month < d.month; ++month) {
        number += days_of(d.year, month);
    }
    return number;
}

/// Midnight of a day there: no zone of these worlds changes its clocks then.
WallTime begins(std::int64_t day, const Zone& zone) {
    const WallTime guess{day * day_ms};
    const WallTime once = guess - zone.offset_at(guess);
    return guess - zone.offset_at(once);
}

}  // namespace

Period own_period(const PeriodSpec& spec, WallTime t, const Zone& zone) {
    const std::int64_t today = (t.ms + zone.offset_at(t).count()) / day_ms;
    const auto of_days = [&](std::int64_t first, std::int64_t next, const std::string& name) {
        return Period{.id = name + "@" + zone.name, .from = begins(first, zone), .to = begins(next, zone)};
    };
    const Day date = day_at(today);
    switch (spec.kind) {
        case PeriodKind::day:
            return of_days(today, today + 1,
                           fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day));
        case PeriodKind::week: {
            if (spec.week_start != 1) {
                break;
            }
            const std::int64_t monday = today - (today + 3) % 7;
            // A week is of the year that its Thursday lies in.
            const Day thursday = day_at(monday + 3);
            const std::int64_t of_year = monday + 3 -
                                         number_of({.year = thursday.year, .month = 1, .day = 1});
            return of_days(monday, monday + 7, fmt::format("{:04}-W{:02}", thursday.year, of_year / 7 + 1));
        }
        case PeriodKind::month: {
            if (spec.anchor != 1) {
                break;
            }
            const std::int64_t first = today - (date.day - 1);
            return of_days(first, first + days_of(date.year, date.month),
                           fmt::format("{:04}-{:02}", date.year, date.month));
        }
        case PeriodKind::rolling: {
            const WallTime full{t.ms / hour_ms * hour_ms};
            return {
                .id = "rolling:" + to_string(spec.length), .from = full - spec.length, .to = full + hours{1}};
        }
        case PeriodKind::hour:
        case PeriodKind::quarter:
        case PeriodKind::year:
        case PeriodKind::fixed:
        case PeriodKind::run:
        case PeriodKind::total:
            break;
    }
    return period_at(spec, t, zone);
}

}  // namespace curfew::simulation
