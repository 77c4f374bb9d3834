// Any off hours in any zone: boundaries are exactly where it changes, however the windows are written.
#include "curfew/core/schedule.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

using namespace curfew;
using namespace curfew::test;

namespace {

std::mt19937_64 generator() {
    return std::mt19937_64{static_cast<std::uint64_t>(Catch::rngSeed())};
}

int pick(std::mt19937_64& g, int bound) {
    return static_cast<int>(g() % static_cast<std::uint64_t>(bound));
}

OffHours any_hours(std::mt19937_64& g) {
    OffHours hours;
    hours.days = static_cast<std::uint8_t>(1 + pick(g, 127));
    if (pick(g, 4) != 0) {
        hours.from_minute = pick(g, 96) * 15;
        do {
            hours.to_minute = pick(g, 97) * 15;
        } while (hours.to_minute == hours.from_minute);
    }
    return hours;
}

const Zone& any_zone(std::mt19937_64& g) {
    static const Zone utc_zone;
    const std::vector<const Zone*> zones{&rome, &new_york, &lord_howe, &st_johns, &apia, &utc_zone};
    return *zones[g() % zones.size()];
}

/// As likely within two days of a clock change as anywhere in 2025 to 2027.
WallTime any_time(std::mt19937_64& g, const Zone& zone) {
    constexpr std::int64_t day_ms = 86'400'000;
    if (!zone.transitions.empty() && pick(g, 2) == 0) {
        const auto& change = zone.transitions[g() % zone.transitions.size()];
        return change.at + Duration{static_cast<std::int64_t>(g() % (4 * day_ms)) - 2 * day_ms};
    }
    return utc("2025-01-01T00:00:00Z") + Duration{static_cast<std::int64_t>(g() % (3 * 365 * day_ms))};
}

Schedule any_schedule(std::mt19937_64& g, const Zone& zone, WallTime near) {
    std::vector<OffHours> weekly;
    for (int i = 0, n = 1 + pick(g, 3); i < n; ++i) {
        weekly.push_back(any_hours(g));
    }
    std::vector<Date> holidays;
    for (int i = 0, n = pick(g, 4); i < n; ++i) {
        holidays.push_back(local_date(near + hours{24} * (pick(g, 14) - 4), zone));
    }
    return {zone, weekly, holidays};
}

}  // namespace

TEST_CASE("the next boundary is the first instant at which it changes") {
    auto g = generator();
    for (int round = 0; round < 1500; ++round) {
        const Zone& zone = any_zone(g);
        const WallTime t = any_time(g, zone);
        const Schedule s = any_schedule(g, zone, t);
        const bool off = s.off_at(t);
        const auto boundary = s.next_boundary(t);
        if (!boundary) {
            REQUIRE(s.covers_week());
            continue;
        }
        REQUIRE(*boundary > t);
        REQUIRE(s.off_at(*boundary) != off);
        REQUIRE(s.off_at(*boundary - Duration{1}) == off);
        // All changes lie on quarters of an hour, so looking at each of them misses none.
        constexpr std::int64_t quarter = 900'000;
        const WallTime until = std::min(*boundary, t + hours{24 * 9});
        for (std::int64_t q = t.ms / quarter + 1; q * quarter < until.ms; ++q) {
            REQUIRE(s.off_at({q * quarter}) == off);
        }
    }
}

TEST_CASE("a window's ends are boundaries, and the same from everywhere inside it") {
    auto g = generator();
    for (int round = 0; round < 3000; ++round) {
        const Zone& zone = any_zone(g);
        const WallTime t = any_time(g, zone);
        const Schedule s = any_schedule(g, zone, t);
        const auto window = s.window_at(t);
        REQUIRE(window.has_value() == s.off_at(t));
        if (!window || s.covers_week()) {
            continue;
        }
        REQUIRE(window->from <= t);
        REQUIRE(t < window->to);
        REQUIRE_FALSE(s.off_at(window->from - Duration{1}));
        REQUIRE_FALSE(s.off_at(window->to));
        REQUIRE(s.window_at(window->from) == window);
        REQUIRE(s.window_at(window->to - Duration{1}) == window);
        REQUIRE(s.next_boundary(window->from - Duration{1}) == window->from);
        REQUIRE(s.next_window(window->from - Duration{1}) == window->from);
        REQUIRE(s.next_boundary(t) == window->to);
    }
}

TEST_CASE("cutting a window in two or writing it twice changes nothing") {
    auto g = generator();
    for (int round = 0; round < 300; ++round) {
        const Zone& zone = any_zone(g);
        const WallTime t = any_time(g, zone);
        const Schedule s = any_schedule(g, zone, t);
        std::vector<OffHours> cut;
        for (const OffHours& hours : s.weekly()) {
            const int end = hours.to_minute + (hours.to_minute <= hours.from_minute ? 1440 : 0);
            const int middle = hours.from_minute + pick(g, end - hours.from_minute);
            if (middle > hours.from_minute && middle < 1440) {
                cut.push_back({hours.days, hours.from_minute, middle});
                cut.push_back({hours.days, middle, hours.to_minute});
            } else {
                cut.insert(cut.end(), 2, hours);
            }
        }
        std::shuffle(cut.begin(), cut.end(), g);
        const Schedule same{zone, cut, s.holidays()};
        for (int i = 0; i < 20; ++i) {
            const WallTime at = t + Duration{pick(g, 8 * 86'400'000)};
            REQUIRE(same.off_at(at) == s.off_at(at));
            REQUIRE(same.next_boundary(at) == s.next_boundary(at));
            REQUIRE(same.window_at(at) == s.window_at(at));
        }
    }
}

TEST_CASE("no bytes crash the parsers of off hours and dates") {
    auto g = generator();
    const std::string_view alphabet = "monfrisatudawely0123456789:-, \0\xff";
    for (int i = 0; i < 200'000; ++i) {
        std::string text(g() % 24, '\0');
        std::ranges::generate(text, [&] { return alphabet[g() % alphabet.size()]; });
        if (const auto hours = parse_off_hours(text)) {
            REQUIRE(hours->days != 0);
            REQUIRE(hours->from_minute != hours->to_minute);
        }
        (void)parse_date(text);
    }
}
