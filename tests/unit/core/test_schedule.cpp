// Off hours: how they are written, and when it is off over midnight, weekends, clock changes and holidays.
#include "curfew/core/schedule.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::test;

namespace {

Schedule made(const Zone& zone, const std::vector<std::string>& weekly,
              const std::vector<std::string>& holidays = {}) {
    std::vector<OffHours> hours;
    for (const std::string& text : weekly) {
        hours.push_back(parse_off_hours(text).value());
    }
    std::vector<Date> dates;
    for (const std::string& text : holidays) {
        dates.push_back(parse_date(text).value());
    }
    return {zone, hours, dates};
}

Schedule::Window window(std::string_view from, std::string_view to) {
    return {utc(from), utc(to)};
}

/// 2026-11-23 is a Monday.
constexpr std::string_view monday_noon = "2026-11-23T12:00:00Z";

std::string fault_of(std::string_view text) {
    const auto parsed = parse_off_hours(text);
    return parsed ? "none" : parsed.error().text;
}

}  // namespace

TEST_CASE("off hours as they are written") {
    struct Row {
        std::string_view text;
        OffHours hours;
    };
    const std::vector<Row> rows{
        {"mon-fri 20:00-08:00", {0b0011111, 1200, 480}}, {"sat-sun", {0b1100000, 0, 1440}},
        {"daily 23:30-06:00", {0b1111111, 1410, 360}},   {"daily", {0b1111111, 0, 1440}},
        {"mon,wed 12:00-24:00", {0b0000101, 720, 1440}}, {"fri-mon", {0b1110001, 0, 1440}},
        {"mon-wed,sun 00:00-00:01", {0b1000111, 0, 1}},  {"tue-tue 20:00-00:00", {0b0000010, 1200, 0}},
        {"sun-sat 01:00-00:59", {0b1111111, 60, 59}},    {"mon,mon", {0b0000001, 0, 1440}},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const auto parsed = parse_off_hours(row.text);
        REQUIRE(parsed);
        CHECK(*parsed == row.hours);
    }
}

TEST_CASE("what is no off hours says what is wrong") {
    const std::string like = R"(write them like "mon-fri 20:00-08:00", "sat-sun" or "daily 23:30-06:00")";
    CHECK(fault_of("") == "not off hours: \"\"; " + like);
    CHECK(fault_of("mon 20:00") == "not off hours: \"mon 20:00\"; " + like);
    CHECK(fault_of(std::string(61, 'x')) == "not off hours: \"" + std::string(60, 'x') + "\"; " + like);
    const std::string days = "\" is no day: days are mon, tue, wed, thu, fri, sat, sun and daily";
    CHECK(fault_of("Mon 20:00-08:00") == "not off hours: \"Mon 20:00-08:00\"; \"Mon" + days);
    CHECK(fault_of("mon-fry") == "not off hours: \"mon-fry\"; \"fry" + days);
    CHECK(fault_of("mon,") == "not off hours: \"mon,\"; \"" + days);
    CHECK(fault_of(" mon") == "not off hours: \" mon\"; \"" + days);
    CHECK(fault_of("mon-tue-wed") == "not off hours: \"mon-tue-wed\"; \"tue-wed" + days);
    CHECK(fault_of("daily-mon") == "not off hours: \"daily-mon\"; \"daily" + days);
    CHECK(fault_of("20:00-08:00") == "not off hours: \"20:00-08:00\"; \"20:00" + days);
    const std::string end = "\" is no end: ends go from 00:00 to 24:00";
    const std::string beginning = "\" is no beginning: beginnings go from 00:00 to 23:59";
    CHECK(fault_of("mon 24:00-08:00") == "not off hours: \"mon 24:00-08:00\"; \"24:00" + beginning);
    CHECK(fault_of("mon 8:00-20:00") == "not off hours: \"mon 8:00-20:00\"; \"8:00" + beginning);
    CHECK(fault_of("mon  08:00-20:00") == "not off hours: \"mon  08:00-20:00\"; \" 08:00" + beginning);
    CHECK(fault_of("mon 08:60-20:00") == "not off hours: \"mon 08:60-20:00\"; \"08:60" + beginning);
    CHECK(fault_of("mon 08:00-24:01") == "not off hours: \"mon 08:00-24:01\"; \"24:01" + end);
    CHECK(fault_of("mon 08:00-20:00 ") == "not off hours: \"mon 08:00-20:00 \"; \"20:00 " + end);
    CHECK(fault_of("mon 08:00-") == "not off hours: \"mon 08:00-\"; \"" + end);
    CHECK(fault_of("mon 08:00-20-00") == "not off hours: \"mon 08:00-20-00\"; \"20-00" + end);
    CHECK(fault_of("mon 08:00-08:00") ==
          "not off hours: \"mon 08:00-08:00\"; they end when they begin; leave the times out for whole days");
}

TEST_CASE("dates exist or are refused") {
    CHECK(parse_date("2026-12-25").value() == Date{2026, 12, 25});
    CHECK(parse_date("2028-02-29").value() == Date{2028, 2, 29});
    for (const std::string_view bad : {"2026-02-29", "2100-02-29", "2026-13-01", "2026-1-1", "25.12.2026",
                                       "2026-12-25T00", "", "2026-12-00", "1969-12-31"}) {
        INFO(bad);
        const auto parsed = parse_date(bad);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().text == "not a date: \"" + std::string(bad) + "\"; write it like 2026-12-25");
    }
}

TEST_CASE("a window over midnight begins and ends to the millisecond") {
    const Schedule s = made(Zone{}, {"mon-fri 20:00-08:00"});
    CHECK_FALSE(s.off_at(utc("2026-11-23T07:59:59Z")));  // Sunday has no window
    CHECK_FALSE(s.off_at(utc("2026-11-23T19:59:59.999Z")));
    CHECK(s.off_at(utc("2026-11-23T20:00:00Z")));
    CHECK(s.off_at(utc("2026-11-24T00:00:00Z")));
    CHECK(s.off_at(utc("2026-11-24T07:59:59.999Z")));
    CHECK_FALSE(s.off_at(utc("2026-11-24T08:00:00Z")));
    CHECK(s.off_at(utc("2026-11-28T07:00:00Z")));        // Friday's goes into Saturday
    CHECK_FALSE(s.off_at(utc("2026-11-28T20:00:00Z")));  // Saturday
    CHECK(s.next_boundary(utc(monday_noon)) == utc("2026-11-23T20:00:00Z"));
    CHECK(s.next_boundary(utc("2026-11-23T20:00:00Z")) == utc("2026-11-24T08:00:00Z"));
    CHECK(s.next_boundary(utc("2026-11-28T08:00:00Z")) == utc("2026-11-30T20:00:00Z"));
    CHECK(s.window_at(utc("2026-11-24T03:00:00Z")) == window("2026-11-23T20:00:00Z", "2026-11-24T08:00:00Z"));
    CHECK_FALSE(s.window_at(utc(monday_noon)));
}

TEST_CASE("windows that touch or overlap have one beginning and one end") {
    const Schedule s = made(Zone{}, {"daily 20:00-08:00", "sat-sun", "sat 07:00-21:00"});
    const auto weekend = window("2026-11-27T20:00:00Z", "2026-11-30T08:00:00Z");
    for (const std::string_view t : {"2026-11-27T20:00:00Z", "2026-11-28T08:00:00Z", "2026-11-29T12:00:00Z",
                                     "2026-11-30T07:59:59.999Z"}) {
        CHECK(s.window_at(utc(t)) == weekend);
        CHECK(s.next_boundary(utc(t)) == weekend.to);
    }
    CHECK(s.next_window(utc("2026-11-28T12:00:00Z")) == utc("2026-11-30T20:00:00Z"));
    const Schedule two = made(Zone{}, {"daily 12:00-13:00", "daily 13:00-14:00"});
    CHECK(two.window_at(utc("2026-11-23T12:30:00Z")) ==
          window("2026-11-23T12:00:00Z", "2026-11-23T14:00:00Z"));
    const Schedule apart = made(Zone{}, {"daily 12:00-13:00", "daily 13:01-14:00"});
    CHECK(apart.next_boundary(utc("2026-11-23T12:30:00Z")) == utc("2026-11-23T13:00:00Z"));
}

TEST_CASE("a holiday is off for its whole local day and joins what it touches") {
    const Schedule s = made(rome, {"daily 20:00-08:00"}, {"2026-12-25", "2026-12-26", "2026-12-25"});
    CHECK(s.holidays().size() == 2);
    CHECK(s.window_at(utc("2026-12-25T12:00:00Z")) == window("2026-12-24T19:00:00Z", "2026-12-27T07:00:00Z"));
    const Schedule only = made(rome, {}, {"2027-12-25"});
    CHECK_FALSE(only.off_at(utc("2027-12-24T22:59:59.999Z")));
    CHECK(only.off_at(utc("2027-12-24T23:00:00Z")));
    CHECK(only.off_at(utc("2027-12-25T22:59:59.999Z")));
    CHECK_FALSE(only.off_at(utc("2027-12-25T23:00:00Z")));
    CHECK(only.next_boundary(utc("2026-12-25T00:00:00Z")) == utc("2027-12-24T23:00:00Z"));  // 364 days
    CHECK_FALSE(only.next_boundary(utc("2026-11-10T00:00:00Z")));  // more than 400 days ahead
    CHECK_FALSE(only.next_boundary(utc("2027-12-26T00:00:00Z")));
    const Schedule leap = made(new_york, {}, {"2028-02-29"});
    CHECK(leap.window_at(utc("2028-02-29T12:00:00Z")) ==
          window("2028-02-29T05:00:00Z", "2028-03-01T05:00:00Z"));
}

TEST_CASE("the leap day is a day of its week in every zone") {
    // 2028-02-29 is a Tuesday, 2024-02-29 a Thursday.
    for (const Zone& zone : {rome, new_york, lord_howe}) {
        INFO(zone.name);
        const Schedule s = made(zone, {"tue"});
        CHECK(s.window_at(local(zone, "2028-02-29T12:00:00Z")) ==
              Schedule::Window{local(zone, "2028-02-29T00:00:00Z"), local(zone, "2028-03-01T00:00:00Z")});
        CHECK_FALSE(s.off_at(local(zone, "2028-03-01T12:00:00Z")));
        const Schedule night = made(zone, {"tue 22:00-06:00"});
        CHECK(night.next_boundary(local(zone, "2028-02-29T23:00:00Z")) ==
              local(zone, "2028-03-01T06:00:00Z"));
    }
}

TEST_CASE("clock changes: a missing time is the first after the gap, a repeated one its first occurrence") {
    struct Row {
        const Zone* zone;
        std::string_view text;
        std::string_view at;  // inside
        std::string_view from;
        std::string_view to;
    };
    const std::vector<Row> rows{
        // Spring: 02:00 becomes 03:00 on 2026-03-29 (Rome), 2026-03-08 (New York); 02:00 becomes 02:30 on
        // 2026-10-04 (Lord Howe).
        {&rome, "sun 02:30-06:00", "2026-03-29T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T04:00:00Z"},
        {&rome, "sat 20:00-02:30", "2026-03-29T00:30:00Z", "2026-03-28T19:00:00Z", "2026-03-29T01:00:00Z"},
        {&rome, "daily 20:00-08:00", "2026-03-29T01:00:00Z", "2026-03-28T19:00:00Z", "2026-03-29T06:00:00Z"},
        {&new_york, "sun 02:30-06:00", "2026-03-08T08:00:00Z", "2026-03-08T07:00:00Z",
         "2026-03-08T10:00:00Z"},
        {&new_york, "sat 20:00-08:00", "2026-03-08T07:00:00Z", "2026-03-08T01:00:00Z",
         "2026-03-08T12:00:00Z"},
        {&lord_howe, "sun 02:10-06:00", "2026-10-03T16:00:00Z", "2026-10-03T15:30:00Z",
         "2026-10-03T19:00:00Z"},
        {&lord_howe, "sun", "2026-10-03T16:00:00Z", "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z"},
        // Autumn: 03:00 becomes 02:00 on 2026-10-25 (Rome), 02:00 becomes 01:00 on 2026-11-01 (New York),
        // 02:00 becomes 01:30 on 2026-04-05 (Lord Howe).
        {&rome, "sun 02:30-06:00", "2026-10-25T01:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T05:00:00Z"},
        {&rome, "sat 20:00-02:30", "2026-10-25T00:15:00Z", "2026-10-24T18:00:00Z", "2026-10-25T00:30:00Z"},
        {&rome, "daily 20:00-08:00", "2026-10-25T01:00:00Z", "2026-10-24T18:00:00Z", "2026-10-25T07:00:00Z"},
        {&new_york, "sun 01:30-06:00", "2026-11-01T06:00:00Z", "2026-11-01T05:30:00Z",
         "2026-11-01T11:00:00Z"},
        {&new_york, "sat 20:00-01:30", "2026-11-01T05:15:00Z", "2026-11-01T00:00:00Z",
         "2026-11-01T05:30:00Z"},
        {&lord_howe, "sun 01:45-06:00", "2026-04-04T15:00:00Z", "2026-04-04T14:45:00Z",
         "2026-04-04T19:30:00Z"},
        {&lord_howe, "sun", "2026-04-04T15:00:00Z", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"},
    };
    for (const Row& row : rows) {
        INFO(row.zone->name << " " << row.text << " " << row.at);
        const Schedule s = made(*row.zone, {std::string{row.text}});
        CHECK(s.window_at(utc(row.at)) == window(row.from, row.to));
        CHECK_FALSE(s.off_at(utc(row.from) - Duration{1}));
        CHECK(s.off_at(utc(row.from)));
        CHECK(s.off_at(utc(row.to) - Duration{1}));
        CHECK_FALSE(s.off_at(utc(row.to)));
    }
}

TEST_CASE("a window that a clock change swallows does not exist") {
    const Schedule s = made(rome, {"daily 02:10-02:50"});
    CHECK_FALSE(s.off_at(utc("2026-03-29T01:00:00Z")));
    CHECK(s.next_boundary(utc("2026-03-28T03:00:00Z")) == utc("2026-03-30T00:10:00Z"));
    // And it leaves no seam where it would have been.
    const Schedule within = made(rome, {"daily 02:10-02:50", "daily 01:00-05:00"});
    CHECK(within.window_at(utc("2026-03-29T01:00:00Z")) ==
          window("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z"));
}

TEST_CASE("what never changes has no boundary") {
    CHECK_FALSE(Schedule{}.next_boundary(utc(monday_noon)));
    CHECK_FALSE(Schedule{}.off_at(utc(monday_noon)));
    const Schedule always = made(rome, {"mon-fri", "sat-sun"});
    CHECK(always.covers_week());
    CHECK(always.off_at(utc(monday_noon)));
    CHECK_FALSE(always.next_boundary(utc(monday_noon)));
    CHECK_FALSE(always.next_window(utc(monday_noon)));
    CHECK(made(rome, {"daily 08:00-20:00", "daily 20:00-08:00"}).covers_week());
    CHECK_FALSE(made(rome, {"daily 08:00-20:00", "daily 20:00-07:59"}).covers_week());
    CHECK_FALSE(made(rome, {"mon-sat"}).covers_week());
    CHECK_FALSE(made(rome, {}, {"2026-12-25"}).covers_week());
}

TEST_CASE("local times in words") {
    CHECK(local_words(utc("2026-11-23T19:00:00Z"), rome) == "Mon 20:00 Europe/Rome");
    CHECK(local_words(utc("2026-11-23T23:30:00Z"), rome) == "Tue 00:30 Europe/Rome");
    CHECK(local_words(utc("2026-11-23T04:05:00Z"), new_york) == "Sun 23:05 America/New_York");
}

TEST_CASE("a time of the week is written as a day and a time", "[schedule]") {
    CHECK(parse_weekly_time("mon 09:00").value() == WeeklyTime{.day = 0, .minute = 540});
    CHECK(parse_weekly_time("sun 23:59").value() == WeeklyTime{.day = 6, .minute = 1439});
    CHECK(to_string(WeeklyTime{}) == "mon 09:00");
    CHECK(to_string(WeeklyTime{.day = 4, .minute = 5}) == "fri 00:05");
    for (const char* bad : {"", "mon", "mon ", "monday 09:00", "09:00", "mon 24:00", "mon 9:00", "mon  09:00",
                            "mon 09:00 ", "daily 09:00", "mon-fri 09:00"}) {
        INFO(bad);
        CHECK(!parse_weekly_time(bad));
    }
}

TEST_CASE("a time of the week is found by the clock on the wall, over clock changes", "[schedule]") {
    const WeeklyTime monday;
    CHECK(last_weekly(monday, utc("2026-11-23T08:00:00Z"), rome) == utc("2026-11-23T08:00:00Z"));
    CHECK(next_weekly(monday, utc("2026-11-23T08:00:00Z"), rome) == utc("2026-11-30T08:00:00Z"));
    CHECK(last_weekly(monday, utc("2026-11-23T07:59:59Z"), rome) == utc("2026-11-16T08:00:00Z"));
    CHECK(next_weekly(monday, utc("2026-11-23T07:59:59Z"), rome) == utc("2026-11-23T08:00:00Z"));
    // Summer time ends on 25 October: the week before is an hour longer.
    CHECK(next_weekly(monday, utc("2026-10-20T00:00:00Z"), rome) == utc("2026-10-26T08:00:00Z"));
    CHECK(last_weekly(monday, utc("2026-10-25T12:00:00Z"), rome) == utc("2026-10-19T07:00:00Z"));
    // 02:30 on 29 March does not exist: the first instant after the gap.
    const WeeklyTime gap{.day = 6, .minute = 150};
    CHECK(next_weekly(gap, utc("2026-03-28T12:00:00Z"), rome) == utc("2026-03-29T01:00:00Z"));
    CHECK(last_weekly(gap, utc("2026-03-29T00:59:59Z"), rome) == utc("2026-03-22T01:30:00Z"));
    // On 25 October it comes twice: the first time counts.
    CHECK(last_weekly(gap, utc("2026-10-25T01:45:00Z"), rome) == utc("2026-10-25T00:30:00Z"));
    // Around the date line the day is the local one.
    const Zone east{"Pacific/Tongatapu", minutes{780}, {}};
    CHECK(next_weekly(monday, utc("2026-11-22T19:00:00Z"), east) == utc("2026-11-22T20:00:00Z"));
}
