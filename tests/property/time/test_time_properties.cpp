// Round trips of stamps and durations, and periods that cover all of time without hole or overlap.
#include "curfew/core/time.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>

using namespace curfew;

namespace {

constexpr std::int64_t ms_per_day = 86'400'000;

std::mt19937_64 generator() {
    return std::mt19937_64{static_cast<std::uint64_t>(Catch::rngSeed())};
}

std::int64_t below(std::mt19937_64& g, std::int64_t bound) {
    return static_cast<std::int64_t>(g() % static_cast<std::uint64_t>(bound));
}

/// Any zone at all: up to 40 changes, days to years apart, of up to two hours, around any offset.
Zone any_zone(std::mt19937_64& g) {
    Zone zone;
    zone.name = "Random/Zone";
    const std::int64_t base = (below(g, 27) - 12) * 3'600'000;
    zone.first_offset = Duration{base};
    WallTime at{below(g, 30 * 365 * ms_per_day)};
    const auto count = below(g, 40);
    for (std::int64_t i = 0; i < count; ++i) {
        at = at + Duration{3 * ms_per_day + below(g, 300 * ms_per_day)};
        zone.transitions.push_back({at, Duration{base + (below(g, 9) - 4) * 1'800'000}});
    }
    return zone;
}

/// An instant that is as likely to lie near a change as anywhere.
WallTime any_time(std::mt19937_64& g, const Zone& zone) {
    if (!zone.transitions.empty() && g() % 2 == 0) {
        const auto& near = zone.transitions[g() % zone.transitions.size()];
        return near.at + Duration{below(g, 4 * ms_per_day) - 2 * ms_per_day};
    }
    return WallTime{below(g, 60 * 365 * ms_per_day)};
}

}  // namespace

TEST_CASE("stamps that are printed are read back") {
    auto g = generator();
    for (int i = 0; i < 100'000; ++i) {
        const WallTime t{below(g, 7'289'654'400'000)};
        REQUIRE(parse_wall_time(to_string(t)).value() == t);
    }
}

TEST_CASE("durations that are printed are read back to the second") {
    auto g = generator();
    for (int i = 0; i < 100'000; ++i) {
        const Duration d{below(g, 316'224'000'000) >> (g() % 38)};
        const Duration expected = d < seconds{1} ? d : Duration{std::chrono::floor<seconds>(d)};
        REQUIRE(parse_duration(to_string(d)).value() == expected);
    }
}

TEST_CASE("dates and day numbers are each other's inverse, one day at a time") {
    Date last = civil_from_days(-800'000);
    for (std::int64_t day = -799'999; day < 200'000; ++day) {
        const Date date = civil_from_days(day);
        REQUIRE(days_from_civil(date) == day);
        REQUIRE(last < date);
        REQUIRE((date.day == last.day + 1 || date.day == 1));
        last = date;
    }
}

TEST_CASE("a local time is found again, at its first occurrence") {
    auto g = generator();
    for (int i = 0; i < 20'000; ++i) {
        const Zone zone = any_zone(g);
        const WallTime t = any_time(g, zone);
        const std::int64_t local_ms = t.ms + zone.offset_at(t).count();
        const WallTime found = zone.from_local(local_ms);
        REQUIRE(found <= t);
        REQUIRE(found.ms + zone.offset_at(found).count() == local_ms);
    }
}

TEST_CASE("before the instant of a local time no clock has shown it") {
    auto g = generator();
    for (int i = 0; i < 20'000; ++i) {
        const Zone zone = any_zone(g);
        const std::int64_t local_ms = any_time(g, zone).ms;
        const WallTime found = zone.from_local(local_ms);
        REQUIRE(found.ms + zone.offset_at(found).count() >= local_ms);
        const WallTime before = found - Duration{1};
        REQUIRE(before.ms + zone.offset_at(before).count() < local_ms);
    }
}

TEST_CASE("every instant is in exactly one day and one month") {
    auto g = generator();
    for (int i = 0; i < 20'000; ++i) {
        const Zone zone = any_zone(g);
        const WallTime t = any_time(g, zone);
        for (auto* const period_of : {&day_of, &month_of}) {
            const Period period = period_of(t, zone);
            REQUIRE(period.from <= t);
            REQUIRE(t < period.to);
            REQUIRE(period_of(period.from, zone) == period);
            REQUIRE(period_of(period.to - Duration{1}, zone) == period);
            const Period next = period_of(period.to, zone);
            REQUIRE(next.from == period.to);
            REQUIRE(next.id != period.id);
        }
    }
}

TEST_CASE("no bytes crash the parsers") {
    auto g = generator();
    const std::string_view alphabet = "0123456789.-+:TZthmsd \0\xff";
    for (int i = 0; i < 200'000; ++i) {
        std::string text(g() % 30, '\0');
        std::ranges::generate(text, [&] { return alphabet[g() % alphabet.size()]; });
        if (const auto d = parse_duration(text)) {
            REQUIRE(*d >= Duration{0});
        }
        if (const auto t = parse_wall_time(text)) {
            REQUIRE(parse_wall_time(to_string(*t)).value() == *t);
        }
    }
}

TEST_CASE("one wrong byte in a stamp is refused or means another time") {
    auto g = generator();
    const std::string stamp = "2026-10-25T01:02:03.004Z";
    const WallTime right = parse_wall_time(stamp).value();
    for (int i = 0; i < 50'000; ++i) {
        std::string text = stamp;
        const auto at = g() % text.size();
        text[at] = static_cast<char>(g() % 256);
        const auto t = parse_wall_time(text);
        if (t && *t == right) {
            // Only the letters may change their case.
            REQUIRE((text == stamp || text[at] == 't' || text[at] == 'z'));
        }
    }
}
