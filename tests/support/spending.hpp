// Made-up accounts, run by run, to judge forecasts by: what was spent is known to the nano, before and after
// the moment at which a forecast is asked for. Chance from a seed, in integers, so the same on every machine.
#pragma once

#include "curfew/core/forecast.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace curfew::test {

enum class Habit : std::uint8_t {
    steady,    // a machine that never stops, and a few hours of a notebook every day
    workweek,  // six to ten hours from Monday to Friday, rarely a weekend
    bursts,    // little, and now and then some days of a big GPU
    trend,     // one hour a day grows to ten
    ends,      // a project ends, up to two weeks before the period or within it
    begins,    // a project begins, likewise
    hobby,     // an evening a week
    holiday,   // a workweek with nine days off in the period
};
inline constexpr std::array habits{Habit::steady, Habit::workweek, Habit::bursts, Habit::trend,
                                   Habit::ends,   Habit::begins,   Habit::hobby,  Habit::holiday};

inline std::string_view to_string(Habit habit) {
    constexpr std::array<std::string_view, 8> words{"steady",       "workweek",       "bursts", "trend up",
                                                    "project ends", "project begins", "hobby",  "holiday"};
    return words.at(static_cast<std::size_t>(habit));
}

struct PastRun {
    WallTime from;
    WallTime to;
    Money per_hour;
};

/// The runs of one account from `since` to the end of `period`, and what its storage costs.
struct Spending {
    Zone zone;
    Period period;
    WallTime since;
    Money storage_per_hour;
    std::vector<PastRun> runs;

    Money compute(WallTime from, WallTime to) const {
        Money sum;
        for (const PastRun& run : runs) {
            const WallTime begin = std::max(run.from, from);
            const WallTime end = std::min(run.to, to);
            if (begin < end) {
                sum += cost_of(Rate{run.per_hour}, end - begin).value();
            }
        }
        return sum;
    }
    Money spent(WallTime from, WallTime to) const {
        return compute(from, to) + cost_of(Rate{storage_per_hour}, to - from).value();
    }
    /// What a daemon that watched all the time would know at `now`; it knows no end of what runs.
    ForecastInput known_at(WallTime now) const {
        ForecastInput in{.period = period,
                         .zone = zone,
                         .now = now,
                         .accrued = spent(period.from, now),
                         .fixed_per_hour = storage_per_hour,
                         .running = {},
                         .history = {}};
        for (const PastRun& run : runs) {
            if (run.from <= now && now < run.to) {
                in.running.push_back({.per_hour = run.per_hour, .age = now - run.from, .ends_in = {}});
            }
        }
        const WallTime today = day_of(now, zone).from;
        for (Period day = day_of(since, zone); day.from < today; day = day_of(day.to, zone)) {
            in.history.push_back({local_date(day.from, zone), compute(day.from, day.to)});
        }
        return in;
    }
};

/// One account of this habit: `history_days` before the month of 2026 that `seed` chooses, and that month.
inline Spending spending_of(Habit habit, std::uint64_t seed, int history_days, const Zone& zone) {
    std::mt19937_64 random{seed * 8 + static_cast<std::uint64_t>(habit)};
    const auto between = [&](std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
    };
    const auto cents = [](std::int64_t n) { return Money{n * nanos_per_unit / 100}; };
    const Date first{2026, static_cast<unsigned>(between(3, 12)), 1};
    Spending s{.zone = zone,
               .period = month_of(zone.from_local(days_from_civil(first) * 86'400'000), zone),
               .since = {},
               .storage_per_hour = cents(between(0, 2)),
               .runs = {}};
    const std::int64_t begin = days_from_civil(first) - history_days;
    const std::int64_t days = history_days + (s.period.to - s.period.from) / hours{24};
    s.since = zone.from_local(begin * 86'400'000);
    // The day on which a holiday or a project begins or ends. Projects do not know of our month.
    const std::int64_t turn = history_days + (habit == Habit::holiday ? between(5, 20) : between(-15, 25));
    const auto run = [&](std::int64_t day, std::int64_t from_minute, std::int64_t length, Money rate) {
        const WallTime from = zone.from_local((begin + day) * 86'400'000 + from_minute * 60'000);
        s.runs.push_back({from, from + minutes{length}, rate});
    };
    if (habit == Habit::steady) {
        run(0, 0, days * 1440 + 120, cents(51));
    }
    for (std::int64_t day = 0; day < days; ++day) {
        const bool weekend = (begin + day + 3) % 7 >= 5;
        const std::int64_t morning = between(8 * 60, 10 * 60);
        switch (habit) {
            case Habit::steady:
                run(day, morning, between(60, 240), cents(76));
                break;
            case Habit::holiday:
            case Habit::workweek:
                if ((weekend ? between(1, 8) == 1 : between(1, 20) != 1) &&
                    (habit != Habit::holiday || day < turn || day >= turn + 9)) {
                    run(day, morning, between(360, 600), cents(76));
                }
                break;
            case Habit::bursts:
                if (between(1, 12) == 1) {
                    run(day, morning, between(1440, 4 * 1440), cents(309));
                }
                if (!weekend) {
                    run(day, morning, between(60, 240), cents(51));
                }
                break;
            case Habit::trend:
                run(day, morning, 60 + 540 * day / days + between(0, 90), cents(76));
                break;
            case Habit::ends:
            case Habit::begins:
                if ((day < turn) == (habit == Habit::ends)) {
                    run(day, morning, between(300, 780), cents(189));
                }
                if (!weekend) {
                    run(day, morning, between(60, 180), cents(51));
                }
                break;
            case Habit::hobby:
                if (between(1, 7) <= (weekend ? 2 : 1)) {
                    run(day, between(17 * 60, 20 * 60), between(60, 300), cents(56));
                }
                break;
        }
    }
    return s;
}

/// Spent so far ÷ time gone × the whole period: what a forecast has to beat.
inline Money naive_forecast(const Spending& s, WallTime now) {
    const Money spent = s.spent(s.period.from, now);
    return Money{
        static_cast<std::int64_t>(static_cast<__int128>(spent.nanos) * (s.period.to - s.period.from).count() /
                                  (now - s.period.from).count())};
}

/// How the forecasts of some accounts went.
struct Judged {
    std::int64_t asked = 0;
    std::int64_t inside = 0;  // the truth lay within p10 … p90
    std::int64_t below = 0;   // below p10
    double error = 0;         // sum of |p50 - truth| / truth
    double naive_error = 0;

    Judged& operator+=(const Judged& other) {
        asked += other.asked;
        inside += other.inside;
        below += other.below;
        error += other.error;
        naive_error += other.naive_error;
        return *this;
    }
};

/// The forecast was built looking at seeds below 1000; it is judged by others.
inline constexpr std::uint64_t judged_seeds_from = 1000;
inline constexpr std::array<int, 4> judged_at{20, 40, 60, 80};  // percent of the period

inline Judged judge(const Spending& s, int percent) {
    const WallTime now = s.period.from + (s.period.to - s.period.from) * percent / 100;
    const Money truth = s.spent(s.period.from, s.period.to);
    Judged judged;
    const auto made = forecast(s.known_at(now));
    if (!made || !made->expected || !truth.positive()) {
        return judged;
    }
    const auto off = [&](Money figure) {
        const auto difference = static_cast<double>(figure.nanos - truth.nanos);
        return (difference < 0 ? -difference : difference) / static_cast<double>(truth.nanos);
    };
    judged.asked = 1;
    judged.inside = made->expected->p10 <= truth && truth <= made->expected->p90 ? 1 : 0;
    judged.below = truth < made->expected->p10 ? 1 : 0;
    judged.error = off(made->expected->p50);
    judged.naive_error = off(naive_forecast(s, now));
    return judged;
}

}  // namespace curfew::test
