#include "curfew/core/forecast.hpp"
#include "curfew/core/money_sum.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr Currency eur{{'E', 'U', 'R'}};
constexpr std::int64_t nanos_max = std::numeric_limits<std::int64_t>::max();

Money dollars(std::int64_t d) {
    return Money{d * nanos_per_unit};
}

/// `count` days before the local day of `now`; what each cost is asked of `cost(days ago)`.
template <class Cost>
std::vector<DaySpend> days_before(WallTime now, const Zone& zone, int count, Cost cost) {
    const std::int64_t today = days_from_civil(local_date(now, zone));
    std::vector<DaySpend> days;
    for (int ago = 1; ago <= count; ++ago) {
        days.push_back({civil_from_days(today - ago), cost(ago)});
    }
    return days;
}

/// November 2026, at the beginning of its 11th day, a Wednesday, with $2 on each of 28 days before.
ForecastInput november(const Zone& zone = {}) {
    const WallTime now = local(zone, "2026-11-11T00:00:00Z");
    return {.period = month_of(now, zone),
            .zone = zone,
            .now = now,
            .accrued = dollars(20),
            .fixed_per_hour = {},
            .running = {},
            .history = days_before(now, zone, 28, [](int) { return dollars(2); })};
}

ForecastRange expected(const ForecastInput& in) {
    const auto made = forecast(in);
    REQUIRE(made);
    CAPTURE(made->insufficient);
    REQUIRE(made->expected);
    return *made->expected;
}

}  // namespace

TEST_CASE("days that are all alike go on alike") {
    const auto made = forecast(november());
    REQUIRE(made);
    REQUIRE(made->expected);
    CHECK(*made->expected == ForecastRange{dollars(60), dollars(60), dollars(60)});
    CHECK(made->accrued == dollars(20));
    CHECK(made->committed == dollars(20));
    CHECK(made->sample == 28);
    CHECK(made->insufficient.empty());
    CHECK(made->method.find("28 whole days") != std::string::npos);
}

TEST_CASE("weekends stay weekends") {
    ForecastInput in = november();
    const std::int64_t today = days_from_civil({2026, 11, 11});
    in.history = days_before(in.now, in.zone, 28,
                             [&](int ago) { return (today - ago + 3) % 7 >= 5 ? Money{} : dollars(10); });
    // From Wednesday the 11th to Monday the 30th: 14 days from Monday to Friday.
    CHECK(expected(in).p50 == dollars(20 + 140));
}

TEST_CASE("what is left of today is a share of a day") {
    ForecastInput in = november();
    in.now = in.now + hours{18};
    CHECK(expected(in).p50 == dollars(20) + Money{nanos_per_unit / 2} + dollars(38));
}

TEST_CASE("too little history says nothing, and says why") {
    ForecastInput in = november();
    in.fixed_per_hour = dollars(1);
    in.history.resize(6);
    const auto made = forecast(in);
    REQUIRE(made);
    CHECK_FALSE(made->expected);
    CHECK(made->insufficient == "6 whole days of history in the last 56; at least 7 are needed");
    CHECK(made->sample == 6);
    CHECK(made->committed == dollars(20 + 20 * 24));  // this needs none

    in.history.clear();
    CHECK_FALSE(forecast(in)->expected);

    in.history = days_before(in.now, in.zone, 7, [](int) { return Money{}; });
    CHECK(expected(in).p50 == made->committed);  // seven days of 0 are known
}

TEST_CASE("today, the future and what is too old are no history") {
    ForecastInput in = november();
    in.history.push_back({{2026, 11, 11}, dollars(1'000'000)});
    in.history.push_back({{2026, 12, 1}, dollars(1'000'000)});
    in.history.push_back({{2026, 9, 15}, dollars(1'000'000)});  // 57 days ago
    const auto made = forecast(in);
    REQUIRE(made);
    CHECK(made->sample == 28);
    CHECK(made->expected->p90 == dollars(60));
}

TEST_CASE("a day that nobody watched is no free day") {
    ForecastInput in = november();
    in.history.erase(in.history.begin() + 3, in.history.begin() + 9);
    const auto made = forecast(in);
    REQUIRE(made);
    CHECK(made->sample == 22);
    CHECK(*made->expected == ForecastRange{dollars(60), dollars(60), dollars(60)});
}

TEST_CASE("storage costs on until the end, over the change of the clocks too") {
    ForecastInput in = november(rome);
    in.now = local(rome, "2026-10-24T00:00:00Z");  // 25 October has 25 hours
    in.period = month_of(in.now, rome);
    in.history = days_before(in.now, rome, 14, [](int) { return Money{}; });
    in.fixed_per_hour = dollars(1);
    CHECK(expected(in).p50 == dollars(20 + 8 * 24 + 1));

    in.history = days_before(in.now, rome, 14, [](int) { return dollars(3); });
    in.fixed_per_hour = {};
    CHECK(expected(in).p50 == dollars(20 + 8 * 3));  // a longer day is one day of history
}

TEST_CASE("what runs counts until its end, and never twice") {
    ForecastInput in = november();
    in.running = {{.per_hour = dollars(1), .age = hours{5}, .ends_in = hours{10}}};
    auto made = forecast(in);
    REQUIRE(made);
    CHECK(made->committed == dollars(30));
    // Today costs the 10 of the run instead of 2.
    CHECK(*made->expected == ForecastRange{dollars(68), dollars(68), dollars(68)});

    in.running[0].ends_in = hours{24 * 400};  // beyond the period
    made = forecast(in);
    CHECK(made->committed == dollars(20 + 20 * 24));
    CHECK(made->expected->p10 == dollars(20 + 20 * 24));

    // History has the like of it already.
    in.history = days_before(in.now, in.zone, 28, [](int) { return dollars(24); });
    CHECK(expected(in).p50 == dollars(20 + 20 * 24));
}

TEST_CASE("what runs with an unknown end goes on by its age") {
    ForecastInput in = november();
    in.history = days_before(in.now, in.zone, 28, [](int) { return Money{}; });
    in.running = {{.per_hour = dollars(1), .age = hours{19}, .ends_in = {}}};
    const auto made = forecast(in);
    REQUIRE(made);
    CHECK(made->committed == dollars(20));
    CHECK(made->expected->p10 == dollars(20 + 1));
    CHECK(made->expected->p50.nanos / nanos_per_unit == 20 + 15);   // 19 h × 9/11
    CHECK(made->expected->p90.nanos / nanos_per_unit == 20 + 107);  // 19 h × 17/3

    in.running[0].age = hours{-5};  // a clock that jumped
    CHECK(expected(in).p90 == dollars(20));
}

TEST_CASE("a change is believed after four days, but not wholly") {
    ForecastInput in = november();
    in.history = days_before(in.now, in.zone, 42,
                             [](int ago) { return ago <= 3 ? dollars(1) : dollars(20 + ago % 3); });
    CHECK(expected(in).p50 > dollars(300));
    in.history = days_before(in.now, in.zone, 42,
                             [](int ago) { return ago <= 4 ? dollars(1) : dollars(20 + ago % 3); });
    const auto made = forecast(in);
    REQUIRE(made);
    CHECK(made->expected->p50 < dollars(80));
    CHECK(made->expected->p90 > dollars(300));
    CHECK(made->method.find("the last 4 days are unlike those before") != std::string::npos);
}

TEST_CASE("weeks that grow go on growing in half of it") {
    ForecastInput in = november();
    in.history = days_before(in.now, in.zone, 28, [](int ago) { return dollars(10 + (28 - ago) / 7 * 10); });
    const ForecastRange range = expected(in);
    CHECK(range.p90 > dollars(20 + 20 * 40));
    CHECK(range.p10 < dollars(20 + 20 * 40));
}

TEST_CASE("at its first moment everything is ahead, at its last nothing") {
    ForecastInput in = november();
    in.accrued = {};
    in.now = in.period.from;
    in.history = days_before(in.now, in.zone, 10, [](int) { return dollars(2); });
    CHECK(expected(in).p50 == dollars(60));

    in.accrued = dollars(7);
    in.now = in.period.to;
    in.history.clear();
    in.running = {{.per_hour = dollars(9), .age = {}, .ends_in = {}}};
    in.fixed_per_hour = dollars(9);
    auto made = forecast(in);
    REQUIRE(made);
    CHECK(*made->expected == ForecastRange{dollars(7), dollars(7), dollars(7)});
    CHECK(made->method == "the period is over");

    in = november();
    in.now = in.period.to - Duration{1};
    in.history = days_before(in.now, in.zone, 10, [](int) { return dollars(2); });
    CHECK(expected(in).p90 - dollars(20) < Money{nanos_per_unit / 1000});

    in.now = in.period.from - hours{48};  // it has not begun
    in.accrued = {};
    in.fixed_per_hour = dollars(1);
    in.history = days_before(in.now, in.zone, 10, [](int) { return dollars(2); });
    CHECK(expected(in).p50 == dollars(60 + 30 * 24));
}

TEST_CASE("29 February, and days that a zone left out or began twice") {
    ForecastInput in = november();
    in.now = utc("2028-02-20T00:00:00Z");
    in.period = month_of(in.now, in.zone);
    in.history = days_before(in.now, in.zone, 14, [](int) { return dollars(2); });
    CHECK(expected(in).p50 == dollars(20 + 20));

    for (const Zone* zone : {&apia, &st_johns, &lord_howe, &new_york}) {
        CAPTURE(zone->name);
        for (const auto* when : {"2009-10-20T12:00:00Z", "2009-11-01T03:00:00Z", "2011-12-28T12:00:00Z",
                                 "2026-03-30T12:00:00Z", "2026-10-28T12:00:00Z"}) {
            in.now = utc(when);
            in.zone = *zone;
            in.period = month_of(in.now, *zone);
            in.history = days_before(in.now, *zone, 14, [](int) { return dollars(2); });
            const ForecastRange range = expected(in);
            CHECK(range.p10 == range.p90);
            CHECK(range.p50 >= in.accrued);
            CHECK(range.p50 <= in.accrued + dollars(64));
        }
    }
}

TEST_CASE("corrections below zero make nothing negative") {
    ForecastInput in = november();
    in.accrued = dollars(-500);
    in.history = days_before(in.now, in.zone, 14, [](int) { return dollars(-2); });
    const auto made = forecast(in);
    REQUIRE(made);
    CHECK(*made->expected == ForecastRange{dollars(0), dollars(0), dollars(0)});
    in.now = in.period.to;
    CHECK(expected(in).p10 == dollars(0));
}

TEST_CASE("what cannot be added is refused by name") {
    struct Row {
        const char* what;
        void (*spoil)(ForecastInput&);
        Errc code;
    };
    const auto row = GENERATE(values<Row>({
        {"ends before it begins", [](ForecastInput& in) { in.period.to = in.period.from - hours{1}; },
         Errc::invalid},
        {"empty", [](ForecastInput& in) { in.period.to = in.period.from; }, Errc::invalid},
        {"eleven years", [](ForecastInput& in) { in.period.to = in.period.from + hours{24} * 366 * 11; },
         Errc::invalid},
        {"before all time",
         [](ForecastInput& in) { in.period.from.ms = std::numeric_limits<std::int64_t>::min(); },
         Errc::invalid},
        {"after all time", [](ForecastInput& in) { in.now.ms = nanos_max; }, Errc::invalid},
        {"negative rate",
         [](ForecastInput& in) { in.running = {{.per_hour = Money{-1}, .age = {}, .ends_in = {}}}; },
         Errc::invalid},
        {"absurd rate", [](ForecastInput& in) { in.fixed_per_hour = Money{nanos_max}; }, Errc::invalid},
        {"two currencies", [](ForecastInput& in) { in.history[0].spent = Money{1, eur}; }, Errc::invalid},
        {"too much", [](ForecastInput& in) { in.accrued = Money{nanos_max}; }, Errc::too_large},
        {"too much a day",
         [](ForecastInput& in) {
             for (auto& day : in.history) {
                 day.spent = Money{nanos_max};
             }
         },
         Errc::too_large},
    }));
    CAPTURE(row.what);
    ForecastInput in = november();
    row.spoil(in);
    const auto made = forecast(in);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == row.code);
    CHECK_FALSE(made.error().text.empty());
}

TEST_CASE("another currency is as good") {
    ForecastInput in = november();
    in.accrued.currency = eur;
    for (auto& day : in.history) {
        day.spent.currency = eur;
    }
    CHECK(expected(in).p50 == Money{60 * nanos_per_unit, eur});
}

TEST_CASE("a sum is exact, rounds once and refuses what it cannot hold") {
    MoneySum sum;
    for (int i = 0; i < 3'600'000; ++i) {
        sum.add(Rate{Money{1}}, Duration{1});  // no millisecond of it is a whole nano
    }
    CHECK(sum.total().value() == Money{1});
    sum.add(Rate{Money{1}}, minutes{30});
    CHECK(sum.total().value() == Money{2});  // 1.5: half to even
    sum.add(Money{-3});
    CHECK(sum.total().value() == Money{-2});  // -1.5
    sum.add(Money{0, eur});
    CHECK(sum.total());
    MoneySum mixed = sum;
    mixed.add(Money{1, eur});
    CHECK(mixed.total().error().code == Errc::invalid);
    sum.add(Money{nanos_max});
    sum.add(Money{nanos_max});
    CHECK(sum.total().error().code == Errc::too_large);
    MoneySum huge;
    for (int i = 0; i < 5; ++i) {
        huge.add(Rate{Money{nanos_max}}, Duration::max());
    }
    CHECK(huge.total().error().code == Errc::too_large);
}
