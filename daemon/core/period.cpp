#include "curfew/core/period.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace curfew {

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t day_ms = 24 * hour_ms;
constexpr WallTime end_of_time{7'289'654'400'000};  // of what parse_wall_time takes: the end of 2200

constexpr std::array words{
    std::pair{PeriodKind::hour, "hour"},       std::pair{PeriodKind::day, "day"},
    std::pair{PeriodKind::week, "week"},       std::pair{PeriodKind::month, "month"},
    std::pair{PeriodKind::quarter, "quarter"}, std::pair{PeriodKind::year, "year"},
    std::pair{PeriodKind::fixed, "fixed"},     std::pair{PeriodKind::rolling, "rolling"},
    std::pair{PeriodKind::run, "run"},         std::pair{PeriodKind::total, "total"},
};

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::int64_t local_ms(WallTime t, const Zone& zone) {
    return t.ms + zone.offset_at(t).count();
}

unsigned last_day(int year, unsigned month) {
    const Date next = month == 12 ? Date{year + 1, 1, 1} : Date{year, month + 1, 1};
    return civil_from_days(days_from_civil(next) - 1).day;
}

/// Months since year 0, cut into pieces of `months`.
struct Months {
    int months = 1;
    int anchor = 1;

    Date first(std::int64_t piece) const {
        const std::int64_t month = piece * months;
        const int year = static_cast<int>(floor_div(month, 12));
        const auto of_year = static_cast<unsigned>(month - std::int64_t{year} * 12 + 1);
        return {year, of_year, std::min(static_cast<unsigned>(anchor), last_day(year, of_year))};
    }
    WallTime begins(std::int64_t piece, const Zone& zone) const {
        return zone.from_local(days_from_civil(first(piece)) * day_ms);
    }
    std::int64_t piece_at(WallTime t, const Zone& zone) const {
        const Date date = local_date(t, zone);
        std::int64_t piece = floor_div(std::int64_t{date.year} * 12 + date.month - 1, months);
        while (t < begins(piece, zone)) {
            --piece;
        }
        // A clock that is set back over midnight shows the old date once more; the new period has begun.
        while (t >= begins(piece + 1, zone)) {
            ++piece;
        }
        return piece;
    }
};

Period by_months(const PeriodSpec& spec, WallTime t, const Zone& zone) {
    const Months cut{spec.kind == PeriodKind::year      ? 12
                     : spec.kind == PeriodKind::quarter ? 3
                                                        : 1,
                     spec.anchor};
    const std::int64_t piece = cut.piece_at(t, zone);
    const Date first = cut.first(piece);
    std::string id = fmt::format("{:04}", first.year);
    if (spec.kind == PeriodKind::quarter) {
        id += fmt::format("-Q{}", (first.month - 1) / 3 + 1);
    } else if (spec.kind == PeriodKind::month) {
        id += fmt::format("-{:02}", first.month);
    }
    if (spec.anchor != 1) {
        id += fmt::format("/{}", spec.anchor);
    }
    return {id + "@" + zone.name, cut.begins(piece, zone), cut.begins(piece + 1, zone)};
}

/// "2026-W48": the ISO week in which most of its days lie. A week of ISO 8601 is of its Thursday's year.
std::string week_name(std::int64_t first_day) {
    const std::int64_t fourth = first_day + 3;
    const std::int64_t thursday = fourth + 3 - ((fourth + 3) % 7 + 7) % 7;
    const int year = civil_from_days(thursday).year;
    const std::int64_t of_year = thursday - days_from_civil({year, 1, 1});
    return fmt::format("{:04}-W{:02}", year, of_year / 7 + 1);
}

Period week_at(const PeriodSpec& spec, WallTime t, const Zone& zone) {
    const std::int64_t today = days_from_civil(local_date(t, zone));
    // Day 0, 1 January 1970, was a Thursday.
    std::int64_t first = today - ((today + 4 - spec.week_start) % 7 + 7) % 7;
    if (t >= zone.from_local((first + 7) * day_ms)) {
        first += 7;
    }
    std::string id = week_name(first);
    if (spec.week_start != 1) {
        id += fmt::format("/{}", spec.week_start);
    }
    return {id + "@" + zone.name, zone.from_local(first * day_ms), zone.from_local((first + 7) * day_ms)};
}

Period hour_at(WallTime t, const Zone& zone) {
    std::int64_t hour = floor_div(local_ms(t, zone), hour_ms);
    while (t < zone.from_local(hour * hour_ms)) {
        --hour;
    }
    while (t >= zone.from_local((hour + 1) * hour_ms)) {
        ++hour;
    }
    const Date date = civil_from_days(floor_div(hour, 24));
    return {fmt::format("{:04}-{:02}-{:02}T{:02}@{}", date.year, date.month, date.day,
                        hour - floor_div(hour, 24) * 24, zone.name),
            zone.from_local(hour * hour_ms), zone.from_local((hour + 1) * hour_ms)};
}

}  // namespace

std::string_view to_string(PeriodKind kind) {
    for (const auto& [k, word] : words) {
        if (k == kind) {
            return word;
        }
    }
    return "total";
}

std::optional<PeriodKind> period_kind_from(std::string_view word) {
    for (const auto& [kind, w] : words) {
        if (word == w) {
            return kind;
        }
    }
    return std::nullopt;
}

Period period_at(const PeriodSpec& spec, WallTime t, const Zone& zone) {
    switch (spec.kind) {
        case PeriodKind::hour:
            return hour_at(t, zone);
        case PeriodKind::day:
            return day_of(t, zone);
        case PeriodKind::week:
            return week_at(spec, t, zone);
        case PeriodKind::month:
        case PeriodKind::quarter:
        case PeriodKind::year:
            return by_months(spec, t, zone);
        case PeriodKind::fixed:
            return {"fixed:" + to_string(spec.from) + "/" + to_string(spec.until), spec.from, spec.until};
        case PeriodKind::rolling: {
            const WallTime full{floor_div(t.ms, hour_ms) * hour_ms};
            return {"rolling:" + to_string(spec.length), full - spec.length, full + hours{1}};
        }
        case PeriodKind::run:
            return {"run", WallTime{0}, end_of_time};
        case PeriodKind::total:
            break;
    }
    return {"total", WallTime{0}, end_of_time};
}

Period period_of(const RunId& run) {
    return {"run:" + run.value, WallTime{0}, end_of_time};
}

}  // namespace curfew
