// Local time across the real clock changes of three zones, written down here from the tz database,
// so that neither the machine's zone files nor their parser decide what is right.
#include "support/zones.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

namespace {

Duration length(const Period& period) {
    return period.to - period.from;
}

}  // namespace

TEST_CASE("the offset changes exactly at the transition") {
    CHECK(rome.offset_at(utc("2020-01-01T00:00:00Z")) == hours{1});
    CHECK(rome.offset_at(utc("2026-03-29T00:59:59.999Z")) == hours{1});
    CHECK(rome.offset_at(utc("2026-03-29T01:00:00Z")) == hours{2});
    CHECK(rome.offset_at(utc("2026-10-25T00:59:59.999Z")) == hours{2});
    CHECK(rome.offset_at(utc("2026-10-25T01:00:00Z")) == hours{1});
    CHECK(rome.offset_at(utc("2099-01-01T00:00:00Z")) == hours{1});
    CHECK(lord_howe.offset_at(utc("2026-07-01T00:00:00Z")) == minutes{630});
    CHECK(Zone{}.offset_at(utc("2026-07-01T00:00:00Z")) == Duration{0});
}

TEST_CASE("ordinary local times") {
    CHECK(local(Zone{}, "2026-07-01T12:00:00Z") == utc("2026-07-01T12:00:00Z"));
    CHECK(local(Zone{"+02:00", hours{2}, {}}, "2026-07-01T12:00:00Z") == utc("2026-07-01T10:00:00Z"));
    CHECK(local(rome, "2026-07-01T12:00:00Z") == utc("2026-07-01T10:00:00Z"));
    CHECK(local(rome, "2026-12-01T12:00:00Z") == utc("2026-12-01T11:00:00Z"));
    CHECK(local(rome, "2020-12-01T12:00:00Z") == utc("2020-12-01T11:00:00Z"));
    CHECK(local(new_york, "2026-07-01T12:00:00Z") == utc("2026-07-01T16:00:00Z"));
    CHECK(local(lord_howe, "2026-01-01T12:00:00Z") == utc("2026-01-01T01:00:00Z"));
}

TEST_CASE("a local time that does not exist is the first instant after the gap") {
    CHECK(local(rome, "2026-03-29T01:59:59.999Z") == utc("2026-03-29T00:59:59.999Z"));
    CHECK(local(rome, "2026-03-29T02:00:00Z") == utc("2026-03-29T01:00:00Z"));
    CHECK(local(rome, "2026-03-29T02:30:00Z") == utc("2026-03-29T01:00:00Z"));
    CHECK(local(rome, "2026-03-29T02:59:59.999Z") == utc("2026-03-29T01:00:00Z"));
    CHECK(local(rome, "2026-03-29T03:00:00Z") == utc("2026-03-29T01:00:00Z"));
    CHECK(local(rome, "2026-03-29T03:00:01Z") == utc("2026-03-29T01:00:01Z"));
    CHECK(local(new_york, "2026-03-08T02:30:00Z") == utc("2026-03-08T07:00:00Z"));
    CHECK(local(lord_howe, "2026-10-04T02:10:00Z") == utc("2026-10-03T15:30:00Z"));
    CHECK(local(apia, "2011-12-30T12:00:00Z") == utc("2011-12-30T10:00:00Z"));
}

TEST_CASE("a local time that comes twice is its first occurrence") {
    CHECK(local(rome, "2026-10-25T01:59:59Z") == utc("2026-10-24T23:59:59Z"));
    CHECK(local(rome, "2026-10-25T02:00:00Z") == utc("2026-10-25T00:00:00Z"));
    CHECK(local(rome, "2026-10-25T02:30:00Z") == utc("2026-10-25T00:30:00Z"));
    CHECK(local(rome, "2026-10-25T03:00:00Z") == utc("2026-10-25T02:00:00Z"));
    CHECK(local(new_york, "2026-11-01T01:30:00Z") == utc("2026-11-01T05:30:00Z"));
    CHECK(local(new_york, "2026-11-01T02:00:00Z") == utc("2026-11-01T07:00:00Z"));
    CHECK(local(lord_howe, "2026-04-05T01:45:00Z") == utc("2026-04-04T14:45:00Z"));
    CHECK(local(lord_howe, "2026-04-05T02:00:00Z") == utc("2026-04-04T15:30:00Z"));
}

TEST_CASE("the date is the one that the local calendar shows") {
    CHECK(local_date(utc("2026-11-23T23:30:00Z"), rome) == Date{2026, 11, 24});
    CHECK(local_date(utc("2026-11-23T22:59:59Z"), rome) == Date{2026, 11, 23});
    CHECK(local_date(utc("2026-11-24T04:59:59Z"), new_york) == Date{2026, 11, 23});
    CHECK(local_date(utc("2024-02-29T12:00:00Z"), Zone{}) == Date{2024, 2, 29});
}

TEST_CASE("days are 23, 24 and 25 hours long, 23.5 and 24.5 on Lord Howe") {
    CHECK(length(day_of(utc("2026-03-29T12:00:00Z"), rome)) == hours{23});
    CHECK(length(day_of(utc("2026-03-30T12:00:00Z"), rome)) == hours{24});
    CHECK(length(day_of(utc("2026-10-25T12:00:00Z"), rome)) == hours{25});
    CHECK(length(day_of(utc("2026-03-08T12:00:00Z"), new_york)) == hours{23});
    CHECK(length(day_of(utc("2026-11-01T12:00:00Z"), new_york)) == hours{25});
    CHECK(length(day_of(utc("2026-04-04T20:00:00Z"), lord_howe)) == minutes{24 * 60 + 30});
    CHECK(length(day_of(utc("2026-10-03T20:00:00Z"), lord_howe)) == minutes{23 * 60 + 30});
}

TEST_CASE("periods carry an id that is another text in another period") {
    const Period day = day_of(utc("2026-11-23T10:00:00Z"), rome);
    CHECK(day.id == "2026-11-23@Europe/Rome");
    CHECK(day.from == utc("2026-11-22T23:00:00Z"));
    CHECK(day.to == utc("2026-11-23T23:00:00Z"));
    CHECK(day_of(day.from, rome) == day);
    CHECK(day_of(day.to, rome).id == "2026-11-24@Europe/Rome");
    CHECK(day_of(day.from - Duration{1}, rome).id == "2026-11-22@Europe/Rome");
}

TEST_CASE("months over clock changes and the end of the year") {
    const Period march = month_of(utc("2026-03-15T00:00:00Z"), rome);
    CHECK(march.id == "2026-03@Europe/Rome");
    CHECK(march.from == utc("2026-02-28T23:00:00Z"));
    CHECK(march.to == utc("2026-03-31T22:00:00Z"));
    CHECK(length(march) == hours{31 * 24 - 1});
    CHECK(length(month_of(utc("2026-10-15T00:00:00Z"), rome)) == hours{31 * 24 + 1});
    CHECK(length(month_of(utc("2026-11-15T00:00:00Z"), new_york)) == hours{30 * 24 + 1});
    CHECK(length(month_of(utc("2026-04-15T00:00:00Z"), lord_howe)) == minutes{30 * 24 * 60 + 30});
    const Period december = month_of(utc("2026-12-31T22:59:59.999Z"), rome);
    CHECK(december.id == "2026-12@Europe/Rome");
    CHECK(december.to == utc("2026-12-31T23:00:00Z"));
    CHECK(month_of(december.to, rome).id == "2027-01@Europe/Rome");
}

TEST_CASE("February has 29 days in leap years only") {
    CHECK(length(month_of(utc("2024-02-10T00:00:00Z"), Zone{})) == hours{29 * 24});
    CHECK(length(month_of(utc("2026-02-10T00:00:00Z"), Zone{})) == hours{28 * 24});
    CHECK(length(month_of(utc("2100-02-10T00:00:00Z"), Zone{})) == hours{28 * 24});
    CHECK(length(month_of(utc("2000-02-10T00:00:00Z"), Zone{})) == hours{29 * 24});
    CHECK(day_of(utc("2024-02-29T12:00:00Z"), Zone{}).id == "2024-02-29@UTC");
}

TEST_CASE("a clock set back over midnight does not open the old period again") {
    // 00:00:00 comes at 02:30Z; a minute later it is 23:01 of the day before once more.
    const WallTime first_midnight = utc("2009-11-01T02:30:00Z");
    const WallTime again_before = utc("2009-11-01T02:45:00Z");
    CHECK(local_date(again_before, st_johns) == Date{2009, 10, 31});
    CHECK(day_of(first_midnight, st_johns).id == "2009-11-01@America/St_Johns");
    CHECK(day_of(again_before, st_johns).id == "2009-11-01@America/St_Johns");
    CHECK(month_of(again_before, st_johns).id == "2009-11@America/St_Johns");
    CHECK(month_of(first_midnight - Duration{1}, st_johns).id == "2009-10@America/St_Johns");
    CHECK(month_of(first_midnight, st_johns).from == first_midnight);
}

TEST_CASE("a day that did not exist is no period") {
    CHECK(day_of(utc("2011-12-30T09:59:59Z"), apia).id == "2011-12-29@Pacific/Apia");
    CHECK(day_of(utc("2011-12-30T10:00:00Z"), apia).id == "2011-12-31@Pacific/Apia");
}
