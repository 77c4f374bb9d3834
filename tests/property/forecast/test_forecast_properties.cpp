// Whatever comes in: a forecast is a rising range above what is spent or a clear refusal, and a credit is never
// used twice.
#include "curfew/core/credit.hpp"
#include "curfew/core/forecast.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr std::int64_t day_ms = 86'400'000;

std::mt19937_64 generator() {
    return std::mt19937_64{static_cast<std::uint64_t>(Catch::rngSeed())};
}

std::int64_t below(std::mt19937_64& g, std::int64_t bound) {
    return static_cast<std::int64_t>(g() % static_cast<std::uint64_t>(bound));
}

/// From any part of the range, often an end of it.
std::int64_t any_number(std::mt19937_64& g) {
    switch (below(g, 8)) {
        case 0:
            return std::numeric_limits<std::int64_t>::max();
        case 1:
            return std::numeric_limits<std::int64_t>::min();
        case 2:
            return 0;
        default:
            return static_cast<std::int64_t>(g()) >> below(g, 63);
    }
}

/// Sound amounts, at any time of a month in one of four zones.
ForecastInput any_input(std::mt19937_64& g) {
    static const std::array<Zone, 4> zones{Zone{}, rome, new_york, lord_howe};
    ForecastInput in;
    in.zone = zones.at(static_cast<std::size_t>(below(g, 4)));
    in.now = utc("2026-01-05T00:00:00Z") + Duration{below(g, 600 * day_ms)};
    // Now and then of the month that comes.
    in.period = month_of(in.now + (below(g, 5) == 0 ? hours{24} * 31 : hours{0}), in.zone);
    in.accrued = Money{below(g, 1'000 * nanos_per_unit)};
    in.fixed_per_hour = Money{below(g, nanos_per_unit)};
    for (std::int64_t n = below(g, 4); n > 0; --n) {
        RunningCost run{.per_hour = Money{below(g, 50 * nanos_per_unit)},
                        .age = Duration{below(g, 9 * day_ms)},
                        .ends_in = {}};
        if (below(g, 2) == 0) {
            run.ends_in = Duration{below(g, 9 * day_ms)};
        }
        in.running.push_back(run);
    }
    const std::int64_t today = days_from_civil(local_date(in.now, in.zone));
    const std::int64_t scale = 1 + below(g, 100 * nanos_per_unit);
    for (std::int64_t ago = 1 + below(g, 70); ago > 0; --ago) {
        if (below(g, 10) != 0) {
            in.history.push_back(
                {civil_from_days(today - ago), Money{below(g, 3) == 0 ? 0 : below(g, scale)}});
        }
    }
    return in;
}

bool rising(const Forecast& made) {
    const ForecastRange& range = *made.expected;
    return range.p10 <= range.p50 && range.p50 <= range.p90 && made.accrued <= made.committed &&
           made.committed <= range.p10 && range.p10 >= Money{0, range.p10.currency};
}

/// In nanos. Half of one rounds to the even neighbour, so an amount more may move it the other way.
std::int64_t off_by(Money a, Money b) {
    return a < b ? (b - a).nanos : (a - b).nanos;
}

}  // namespace

TEST_CASE("a forecast rises from what is spent; the same input gives the same answer in any order") {
    auto g = generator();
    int said = 0;
    for (int round = 0; round < 2'000; ++round) {
        ForecastInput in = any_input(g);
        const auto made = forecast(in);
        REQUIRE(made);
        REQUIRE(made->expected.has_value() == made->insufficient.empty());
        REQUIRE(made->expected.has_value() == (made->sample >= forecast_days_min));
        std::ranges::shuffle(in.history, g);
        std::ranges::shuffle(in.running, g);
        const auto again = forecast(in);
        REQUIRE(again->expected == made->expected);
        REQUIRE(again->method == made->method);
        if (made->expected) {
            REQUIRE(rising(*made));
            ++said;
        }
    }
    CHECK(said > 1'000);
}

TEST_CASE("more accrued raises a forecast by as much, more that runs never lowers it") {
    auto g = generator();
    for (int round = 0; round < 1'000; ++round) {
        ForecastInput in = any_input(g);
        const auto made = forecast(in);
        REQUIRE(made);
        if (!made->expected) {
            continue;
        }
        const Money more{below(g, 100 * nanos_per_unit)};
        in.accrued += more;
        const auto shifted = forecast(in);
        REQUIRE(off_by(shifted->expected->p10, made->expected->p10 + more) <= 1);
        REQUIRE(off_by(shifted->expected->p50, made->expected->p50 + more) <= 1);
        REQUIRE(off_by(shifted->expected->p90, made->expected->p90 + more) <= 1);

        in.running.push_back(
            {.per_hour = Money{below(g, 9 * nanos_per_unit)}, .age = {}, .ends_in = hours{below(g, 500)}});
        const auto busier = forecast(in);
        REQUIRE(busier->expected->p10 >= shifted->expected->p10);
        REQUIRE(busier->expected->p50 >= shifted->expected->p50);
        REQUIRE(busier->expected->p90 >= shifted->expected->p90);
        REQUIRE(rising(*busier));
    }
}

TEST_CASE("no amount and no time makes a forecast or the alarm abort") {
    auto g = generator();
    BurnWatch watch;
    for (int round = 0; round < 3'000; ++round) {
        ForecastInput in = any_input(g);
        const auto spoil = [&](auto& number) {
            if (below(g, 12) == 0) {
                number = any_number(g);
            }
        };
        spoil(in.accrued.nanos);
        spoil(in.fixed_per_hour.nanos);
        spoil(in.now.ms);
        spoil(in.period.from.ms);
        spoil(in.period.to.ms);
        for (RunningCost& run : in.running) {
            spoil(run.per_hour.nanos);
            run.age = Duration{any_number(g)};
            if (run.ends_in) {
                run.ends_in = Duration{any_number(g)};
            }
        }
        for (DaySpend& day : in.history) {
            spoil(day.spent.nanos);
        }
        const auto made = forecast(in);
        if (made && made->expected) {
            REQUIRE(made->expected->p10 <= made->expected->p50);
            REQUIRE(made->expected->p50 <= made->expected->p90);
        } else {
            REQUIRE_FALSE((made ? made->insufficient : made.error().text).empty());
        }

        std::vector<Money> hourly;
        for (const DaySpend& day : in.history) {
            hourly.push_back(day.spent);
        }
        const BurnRule rule{.factor_percent = any_number(g), .lasting = Duration{below(g, day_ms)}};
        const BurnLook look{.per_hour = Money{any_number(g)},
                            .usual = usual_per_hour(hourly),
                            .at = Instant{below(g, 1LL << 50)},
                            .max_gap = minutes{3}};
        watch = advance(rule, watch, look).next;
    }
}

TEST_CASE("a credit is used once: used, left and expired make its amount, and net is what they did not pay") {
    auto g = generator();
    const std::array<AccountName, 3> accounts{AccountName{"me"}, AccountName{"team-a"},
                                              AccountName{"team-b"}};
    for (int round = 0; round < 2'000; ++round) {
        std::vector<Credit> credits;
        for (std::int64_t n = below(g, 5); n > 0; --n) {
            const std::int64_t from = below(g, 40 * day_ms);
            credits.push_back({.name = std::to_string(n),
                               .amount = Money{1 + below(g, 20 * nanos_per_unit)},
                               .accounts = below(g, 2) == 0 ? std::vector<std::string>{}
                                                            : std::vector<std::string>{"team-*"},
                               .from = WallTime{from},
                               .until = WallTime{from + 1 + below(g, 40 * day_ms)}});
        }
        const WallTime now{below(g, 90 * day_ms)};
        std::vector<Charge> charges;
        std::int64_t gross = 0;
        for (std::int64_t n = below(g, 60); n > 0; --n) {
            charges.push_back({accounts.at(static_cast<std::size_t>(below(g, 3))),
                               WallTime{below(g, 90 * day_ms)}, Money{below(g, 3 * nanos_per_unit)}});
            gross += charges.back().at <= now ? charges.back().gross.nanos : 0;
        }
        const auto report = apply_credits(credits, charges, now, WallTime{0}, WallTime{90 * day_ms});
        REQUIRE(report);
        std::int64_t used = 0;
        for (const CreditStanding& standing : report->credits) {
            REQUIRE(standing.used + standing.left + standing.expired == standing.credit.amount);
            REQUIRE((standing.used >= Money{} && standing.left >= Money{} && standing.expired >= Money{}));
            used += standing.used.nanos;
        }
        REQUIRE(report->gross.nanos == gross);
        REQUIRE(report->net.nanos == gross - used);
        std::ranges::shuffle(credits, g);
        std::ranges::shuffle(charges, g);
        const auto again = apply_credits(credits, charges, now, WallTime{0}, WallTime{90 * day_ms});
        REQUIRE(again->net == report->net);
    }
}
