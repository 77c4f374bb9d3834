// Periods of budgets, in zones with clock changes both ways, with a half-hour offset, and where it hurts.
#include "curfew/core/period.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <string>
#include <string_view>

using namespace curfew;
using namespace curfew::test;

namespace {

const Zone kolkata{"Asia/Kolkata", minutes{330}, {}};
const Zone utc_zone{};

PeriodSpec of(PeriodKind kind, int anchor = 1, int week_start = 1) {
    return {.kind = kind, .anchor = anchor, .week_start = week_start};
}

struct Case {
    const Zone& zone;
    PeriodSpec spec;
    std::string_view at;
    std::string_view id;
    std::string_view from;
    std::string_view to;
};

void check(const Case& c) {
    INFO(c.zone.name << " at " << c.at);
    const Period period = period_at(c.spec, utc(c.at), c.zone);
    CHECK(period.id == c.id);
    CHECK(to_string(period.from) == c.from);
    CHECK(to_string(period.to) == c.to);
}

}  // namespace

TEST_CASE("hours, days and weeks of the calendar") {
    using enum PeriodKind;
    const Case cases[] = {
        {utc_zone, of(hour), "2026-11-26T14:59:59Z", "2026-11-26T14@UTC", "2026-11-26T14:00:00Z",
         "2026-11-26T15:00:00Z"},
        {kolkata, of(hour), "2026-11-26T14:15:00Z", "2026-11-26T19@Asia/Kolkata", "2026-11-26T13:30:00Z",
         "2026-11-26T14:30:00Z"},
        // Spring: 02:00 to 03:00 local does not exist. Autumn: it comes twice, and is one period.
        {rome, of(hour), "2026-03-29T00:59:59Z", "2026-03-29T01@Europe/Rome", "2026-03-29T00:00:00Z",
         "2026-03-29T01:00:00Z"},
        {rome, of(hour), "2026-03-29T01:00:00Z", "2026-03-29T03@Europe/Rome", "2026-03-29T01:00:00Z",
         "2026-03-29T02:00:00Z"},
        {rome, of(hour), "2026-10-25T00:30:00Z", "2026-10-25T02@Europe/Rome", "2026-10-25T00:00:00Z",
         "2026-10-25T02:00:00Z"},
        {rome, of(hour), "2026-10-25T01:30:00Z", "2026-10-25T02@Europe/Rome", "2026-10-25T00:00:00Z",
         "2026-10-25T02:00:00Z"},
        {rome, of(day), "2026-03-29T12:00:00Z", "2026-03-29@Europe/Rome", "2026-03-28T23:00:00Z",
         "2026-03-29T22:00:00Z"},  // 23 h
        {rome, of(day), "2026-10-25T12:00:00Z", "2026-10-25@Europe/Rome", "2026-10-24T22:00:00Z",
         "2026-10-25T23:00:00Z"},  // 25 h
        {new_york, of(day), "2026-03-08T12:00:00Z", "2026-03-08@America/New_York", "2026-03-08T05:00:00Z",
         "2026-03-09T04:00:00Z"},
        {kolkata, of(day), "2026-11-25T18:30:00Z", "2026-11-26@Asia/Kolkata", "2026-11-25T18:30:00Z",
         "2026-11-26T18:30:00Z"},
        {kolkata, of(day), "2026-11-25T18:29:59Z", "2026-11-25@Asia/Kolkata", "2026-11-24T18:30:00Z",
         "2026-11-25T18:30:00Z"},
        // ISO weeks: 2026-01-01 is a Thursday, so W01; 2027-01-01 a Friday, so the last week of 2026.
        {utc_zone, of(week), "2025-12-29T00:00:00Z", "2026-W01@UTC", "2025-12-29T00:00:00Z",
         "2026-01-05T00:00:00Z"},
        {utc_zone, of(week), "2025-12-28T23:59:59Z", "2025-W52@UTC", "2025-12-22T00:00:00Z",
         "2025-12-29T00:00:00Z"},
        {utc_zone, of(week), "2027-01-03T23:59:59Z", "2026-W53@UTC", "2026-12-28T00:00:00Z",
         "2027-01-04T00:00:00Z"},
        {rome, of(week), "2026-03-25T12:00:00Z", "2026-W13@Europe/Rome", "2026-03-22T23:00:00Z",
         "2026-03-29T22:00:00Z"},
        {new_york, of(week, 1, 7), "2026-11-01T12:00:00Z", "2026-W45/7@America/New_York",
         "2026-11-01T04:00:00Z", "2026-11-08T05:00:00Z"},
        {kolkata, of(week, 1, 6), "2026-11-26T12:00:00Z", "2026-W48/6@Asia/Kolkata", "2026-11-20T18:30:00Z",
         "2026-11-27T18:30:00Z"},
    };
    for (const Case& c : cases) {
        check(c);
    }
}

TEST_CASE("months, quarters and years, on any day") {
    using enum PeriodKind;
    const Case cases[] = {
        {rome, of(month), "2026-11-26T12:00:00Z", "2026-11@Europe/Rome", "2026-10-31T23:00:00Z",
         "2026-11-30T23:00:00Z"},
        {rome, of(month), "2026-10-31T22:59:59Z", "2026-10@Europe/Rome", "2026-09-30T22:00:00Z",
         "2026-10-31T23:00:00Z"},
        {new_york, of(month), "2026-03-08T12:00:00Z", "2026-03@America/New_York", "2026-03-01T05:00:00Z",
         "2026-04-01T04:00:00Z"},
        {kolkata, of(month), "2026-12-31T18:30:00Z", "2027-01@Asia/Kolkata", "2026-12-31T18:30:00Z",
         "2027-01-31T18:30:00Z"},
        // Anchors that a month lacks: its last day. 2028 is a leap year.
        {utc_zone, of(month, 31), "2026-02-27T12:00:00Z", "2026-01/31@UTC", "2026-01-31T00:00:00Z",
         "2026-02-28T00:00:00Z"},
        {utc_zone, of(month, 31), "2026-02-28T00:00:00Z", "2026-02/31@UTC", "2026-02-28T00:00:00Z",
         "2026-03-31T00:00:00Z"},
        {utc_zone, of(month, 30), "2028-02-29T12:00:00Z", "2028-02/30@UTC", "2028-02-29T00:00:00Z",
         "2028-03-30T00:00:00Z"},
        {utc_zone, of(month, 29), "2028-02-28T23:59:59Z", "2028-01/29@UTC", "2028-01-29T00:00:00Z",
         "2028-02-29T00:00:00Z"},
        {utc_zone, of(month, 29), "2026-03-01T00:00:00Z", "2026-02/29@UTC", "2026-02-28T00:00:00Z",
         "2026-03-29T00:00:00Z"},
        {rome, of(month, 29), "2026-03-29T12:00:00Z", "2026-03/29@Europe/Rome", "2026-03-28T23:00:00Z",
         "2026-04-28T22:00:00Z"},
        {kolkata, of(month, 15), "2026-01-01T00:00:00Z", "2025-12/15@Asia/Kolkata", "2025-12-14T18:30:00Z",
         "2026-01-14T18:30:00Z"},
        {rome, of(quarter), "2026-11-26T12:00:00Z", "2026-Q4@Europe/Rome", "2026-09-30T22:00:00Z",
         "2026-12-31T23:00:00Z"},
        {new_york, of(quarter, 31), "2026-01-15T12:00:00Z", "2025-Q4/31@America/New_York",
         "2025-10-31T04:00:00Z", "2026-01-31T05:00:00Z"},
        {rome, of(year), "2026-12-31T22:59:59Z", "2026@Europe/Rome", "2025-12-31T23:00:00Z",
         "2026-12-31T23:00:00Z"},
        {rome, of(year), "2026-12-31T23:00:00Z", "2027@Europe/Rome", "2026-12-31T23:00:00Z",
         "2027-12-31T23:00:00Z"},
        {new_york, of(year, 15), "2026-01-14T12:00:00Z", "2025/15@America/New_York", "2025-01-15T05:00:00Z",
         "2026-01-15T05:00:00Z"},
    };
    for (const Case& c : cases) {
        check(c);
    }
}

TEST_CASE("fixed, rolling, run and total") {
    const PeriodSpec fixed{
        .kind = PeriodKind::fixed, .from = utc("2026-11-01T00:00:00Z"), .until = utc("2026-12-15T00:00:00Z")};
    check({rome, fixed, "2027-06-01T00:00:00Z", "fixed:2026-11-01T00:00:00Z/2026-12-15T00:00:00Z",
           "2026-11-01T00:00:00Z", "2026-12-15T00:00:00Z"});
    const PeriodSpec rolling{.kind = PeriodKind::rolling, .length = hours{24 * 7}};
    check({kolkata, rolling, "2026-11-26T14:20:00Z", "rolling:7d", "2026-11-19T14:00:00Z",
           "2026-11-26T15:00:00Z"});
    CHECK(period_at(of(PeriodKind::total), utc("2026-11-26T14:20:00Z"), rome).id == "total");
    CHECK(period_of(RunId{"n1"}).id == "run:n1");
    for (const PeriodKind kind : {PeriodKind::hour, PeriodKind::fixed, PeriodKind::year}) {
        CHECK(has_end(kind));
    }
    for (const PeriodKind kind : {PeriodKind::rolling, PeriodKind::run, PeriodKind::total}) {
        CHECK_FALSE(has_end(kind));
    }
}

TEST_CASE("periods follow each other without a hole, whatever the zone and the anchor") {
    const Zone* zones[] = {&utc_zone, &rome, &new_york, &kolkata, &lord_howe, &st_johns, &apia};
    for (const Zone* zone : zones) {
        for (const PeriodKind kind : {PeriodKind::hour, PeriodKind::day, PeriodKind::week, PeriodKind::month,
                                      PeriodKind::quarter, PeriodKind::year}) {
            for (const int anchor : {1, 15, 29, 30, 31}) {
                const PeriodSpec spec = of(kind, anchor, anchor % 7 + 1);
                const bool ancient = zone->name == "America/St_Johns" || zone->name == "Pacific/Apia";
                WallTime t = utc(ancient ? "2009-10-31T00:00:00Z" : "2026-02-27T00:00:00Z");
                Period before = period_at(spec, t, *zone);
                for (int i = 0; i < 1500; ++i) {
                    const Period period = period_at(spec, t, *zone);
                    REQUIRE(period.from <= t);
                    REQUIRE(t < period.to);
                    REQUIRE((period.id == before.id) == (period.from == before.from));
                    REQUIRE((period == before || period.from == before.to));
                    REQUIRE(period_at(spec, period.from, *zone) == period);
                    REQUIRE(period_at(spec, period.to - Duration{1}, *zone) == period);
                    before = period;
                    t = kind == PeriodKind::hour ? t + minutes{17} : period.to;
                    if (t >= utc("2199-01-01T00:00:00Z")) {
                        break;
                    }
                }
            }
        }
    }
}

TEST_CASE("words of periods") {
    for (const std::string_view word :
         {"hour", "day", "week", "month", "quarter", "year", "fixed", "rolling", "run", "total"}) {
        const auto kind = period_kind_from(word);
        REQUIRE(kind);
        CHECK(to_string(*kind) == word);
    }
    CHECK_FALSE(period_kind_from("fortnight"));
}
