// Off hours, by a calendar of the judge's own: what a schedule stops it may stop, and what it should stop is stopped.
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <array>

namespace curfew::simulation {

namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_minutes = 1440;
constexpr std::int64_t week_minutes = 7 * day_minutes;
constexpr Duration around_a_change = hours{3};
constexpr Duration step = minutes{5};
constexpr Duration window_longest = hours{24 * 8};

/// By a clock that shows `offset` more than UTC. Day 0 was a Thursday; weeks begin on Mondays.
bool off_by(const Schedule& schedule, WallTime t, Duration offset) {
    const std::int64_t local = (t.ms + offset.count()) / minute_ms + 3 * day_minutes;
    const std::int64_t now = local % week_minutes;
    return std::ranges::any_of(schedule.weekly(), [&](const OffHours& hours) {
        std::int64_t length = hours.to_minute - hours.from_minute;
        length += length <= 0 ? day_minutes : 0;
        for (std::int64_t day = 0; day < 7; ++day) {
            const std::int64_t begins = day * day_minutes + hours.from_minute;
            if (((hours.days >> static_cast<unsigned>(day)) & 1U) != 0 &&
                (now - begins + week_minutes) % week_minutes < length) {
                return true;
            }
        }
        return false;
    });
}

std::array<bool, 3> readings(const Schedule& schedule, WallTime t) {
    const Zone& zone = schedule.zone();
    return {off_by(schedule, t, zone.offset_at(t)), off_by(schedule, t, zone.offset_at(t - around_a_change)),
            off_by(schedule, t, zone.offset_at(t + around_a_change))};
}

bool any(const std::array<bool, 3>& said) {
    return std::ranges::find(said, true) != said.end();
}

bool all(const std::array<bool, 3>& said) {
    return std::ranges::find(said, false) == said.end();
}

/// Where the hours around `t` that are off for certain began.
WallTime off_since(const Schedule& schedule, WallTime t) {
    WallTime from = t;
    while (t - from < window_longest && all(readings(schedule, from - step))) {
        from = from - step;
    }
    return from;
}

}  // namespace

/// Around a change of the clocks, and for as long as it takes to act, the kinder reading counts.
bool own_schedule_asks(const Rule& rule, const RunTruth& truth, WallTime wall) {
    if (!rule.schedule) {
        return false;
    }
    if (!rule.schedule->holidays().empty()) {
        return true;
    }
    const bool off = any(readings(*rule.schedule, wall)) ||
                     any(readings(*rule.schedule, wall - knowledge_lag));
    const bool inside = all(readings(*rule.schedule, wall)) &&
                        truth.began.utc > off_since(*rule.schedule, wall);
    return off && !inside;
}

/// Since when a schedule wants it off, for certain.
std::optional<Duration> own_overdue(const Rule& rule, const RunTruth& truth, WallTime wall) {
    if (!rule.schedule || !rule.schedule->holidays().empty() || !all(readings(*rule.schedule, wall))) {
        return std::nullopt;
    }
    const WallTime from = off_since(*rule.schedule, wall);
    const bool there = truth.began.utc + around_a_change < from;
    return there ? std::optional{wall - from} : std::nullopt;
}

}  // namespace curfew::simulation
