// Stamps and durations by tables, and what hostile text does to them.
#include "curfew/core/time.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>

using namespace curfew;

TEST_CASE("stamps are printed in UTC, with milliseconds only where there are any") {
    CHECK(to_string(WallTime{0}) == "1970-01-01T00:00:00Z");
    CHECK(to_string(WallTime{1'792'890'000'000}) == "2026-10-25T01:00:00Z");
    CHECK(to_string(WallTime{1'792'890'000'123}) == "2026-10-25T01:00:00.123Z");
    CHECK(to_string(WallTime{1'792'890'000'007}) == "2026-10-25T01:00:00.007Z");
    CHECK(to_string(WallTime{-1}) == "1969-12-31T23:59:59.999Z");
    CHECK(to_string(WallTime{951'782'400'000}) == "2000-02-29T00:00:00Z");
}

TEST_CASE("RFC 3339 stamps are read") {
    struct Row {
        const char* text;
        std::int64_t ms;
    };
    const Row row = GENERATE(values<Row>({
        {"1970-01-01T00:00:00Z", 0},
        {"2026-10-25T01:00:00Z", 1'792'890'000'000},
        {"2026-10-25t01:00:00z", 1'792'890'000'000},
        {"2026-10-25T00:59:60Z", 1'792'890'000'000},
        {"2026-10-25T01:00:00.5Z", 1'792'890'000'500},
        {"2026-10-25T01:00:00.123Z", 1'792'890'000'123},
        {"2026-10-25T01:00:00.123456789Z", 1'792'890'000'123},  // cut, not rounded
        {"2026-10-25T01:00:00.999999999Z", 1'792'890'000'999},
        {"2026-10-25T03:00:00+02:00", 1'792'890'000'000},
        {"2026-10-24T20:30:00-04:30", 1'792'890'000'000},
        {"2026-10-25T01:00:00+00:00", 1'792'890'000'000},
        {"2026-10-25T01:00:00-00:00", 1'792'890'000'000},
        {"1970-01-01T02:00:00+02:00", 0},
        {"1969-12-31T23:00:00-01:00", 0},
        {"2000-02-29T00:00:00Z", 951'782'400'000},
        {"2024-02-29T12:00:00Z", 1'709'208'000'000},
        {"2200-12-31T23:59:59.999Z", 7'289'654'399'999},
    }));
    CAPTURE(row.text);
    const auto t = parse_wall_time(row.text);
    REQUIRE(t);
    CHECK(t->ms == row.ms);
}

TEST_CASE("a stamp that would need a guess is an error") {
    const char* text = GENERATE(
        "", "Z", "2026", "2026-10-25", "2026-10-25T01:00:00",  // no zone
        "2026-10-25T01:00Z", "2026-10-25T1:00:00Z", "26-10-25T01:00:00Z", "2026-10-25T01:00:00 Z",
        "2026-10-25T01:00:00Zx", "2026-10-25T01:00:00Z ", " 2026-10-25T01:00:00Z", "2026-10-25T01:00:00.Z",
        "2026-10-25T01:00:00.1234567890Z", "2026-10-25T01:00:00,5Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-10-25T24:00:00Z", "2026-10-25T01:60:00Z",
        "2026-10-25T01:00:61Z", "2026-10-25 01:00:00Z", "2026-10-25T01:00:00+24:00",
        "2026-10-25T01:00:00+01:60", "2026-10-25T01:00:00+0100", "2026-10-25T01:00:00+1:00",
        "2026-10-25T01:00:00+", "2026-10-25T01:00:00+01:0", "2026-10-25T01:00:00 CET", "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01", "2201-01-01T00:00:00Z", "2200-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "-2026-10-25T01:00:00Z", "+2026-10-25T01:00:00Z",
        "1792890000",
        "2026-10-25T01:00:00\xe2\x88\x92"
        "01:00",
        "２０２６-10-25T01:00:00Z");
    CAPTURE(text);
    const auto t = parse_wall_time(text);
    REQUIRE_FALSE(t);
    CHECK(t.error().code == Errc::invalid);
    CHECK_FALSE(t.error().text.empty());
}

TEST_CASE("a stamp of a megabyte or with a NUL is refused") {
    CHECK_FALSE(parse_wall_time(std::string(1'000'000, '2')));
    CHECK_FALSE(parse_wall_time(std::string_view{"2026-10-25T01:00:00Z\0", 21}));
    CHECK_FALSE(parse_wall_time(std::string_view{"2026-10-25T01:00:00.\0Z", 22}));
}

TEST_CASE("durations are printed with the largest units first") {
    struct Row {
        std::int64_t ms;
        const char* text;
    };
    const Row row = GENERATE(values<Row>({
        {0, "0s"},
        {1, "1ms"},
        {999, "999ms"},
        {1'000, "1s"},
        {1'500, "1s"},  // milliseconds only below one second
        {59'999, "59s"},
        {60'000, "1m"},
        {41 * 60'000, "41m"},
        {3'600'000, "1h"},
        {((5 * 60 + 9) * 60 + 20) * 1'000, "5h9m20s"},
        {86'400'000, "1d"},
        {172'800'000, "2d"},
        {86'400'000 + 60'000, "1d1m"},
        {-90'000, "-1m30s"},
        {-5, "-5ms"},
        {std::numeric_limits<std::int64_t>::max(), "106751991167d7h12m55s"},
        {std::numeric_limits<std::int64_t>::min(), "-106751991167d7h12m55s"},
    }));
    CAPTURE(row.ms);
    CHECK(to_string(Duration{row.ms}) == row.text);
}

TEST_CASE("durations are read exactly") {
    struct Row {
        const char* text;
        std::int64_t ms;
    };
    const Row row = GENERATE(values<Row>({
        {"90s", 90'000},
        {"45m", 2'700'000},
        {"1h30m", 5'400'000},
        {"2d", 172'800'000},
        {"0.5h", 1'800'000},
        {"1500ms", 1'500},
        {"0s", 0},
        {"1d2h3m4s5ms", 93'784'005},
        {"1.5s", 1'500},
        {"0.001s", 1},
        {"1h0.5m", 3'630'000},
        {"3660d", 316'224'000'000},
        {"5min", 300'000},
        {"00090s", 90'000},
        {"1.000000000h", 3'600'000},
    }));
    CAPTURE(row.text);
    CHECK(parse_duration(row.text).value().count() == row.ms);
}

TEST_CASE("what is not a duration is refused with a hint") {
    const char* text = GENERATE("", "90", "0", "1.5", "s", "h1", "-5m", "+5m", "5 m", " 5m", "5m ", "5M",
                                "5mins", "5w", "5y", "1m1h", "1h1h", "1ms1s", "1h30", "1h-30m", ".5h", "5.h",
                                "1..5h", "1e3s", "0.0001s", "0.5ms", "3661d", "3660d1ms", "9999999999999999s",
                                "99999999999999999999999999d", "1.0000000001s", "∞", "5\xc2\xb5s", "1h,30m",
                                "1:30");
    CAPTURE(text);
    const auto d = parse_duration(text);
    REQUIRE_FALSE(d);
    CHECK(d.error().code == Errc::invalid);
    CHECK(d.error().text.starts_with("not a duration"));
    CHECK(d.error().text.size() < 200);
}

TEST_CASE("a bare number is told that it has no unit") {
    CHECK(parse_duration("90").error().text.find("did you mean 90m or 90s?") != std::string::npos);
}

TEST_CASE("a duration of a megabyte or with a NUL is refused") {
    CHECK(parse_duration(std::string(1'000'000, '1')).error().text.size() < 200);
    CHECK_FALSE(parse_duration(std::string_view{"5m\0", 3}));
}

TEST_CASE("civil dates and days since 1970 agree") {
    CHECK(days_from_civil({1970, 1, 1}) == 0);
    CHECK(days_from_civil({1969, 12, 31}) == -1);
    CHECK(days_from_civil({2000, 2, 29}) == 11'016);
    CHECK(days_from_civil({2000, 3, 1}) == 11'017);
    CHECK(days_from_civil({2026, 11, 23}) == 20'780);
    CHECK(days_from_civil({0, 1, 1}) == -719'528);
    CHECK(civil_from_days(0) == Date{1970, 1, 1});
    CHECK(civil_from_days(-719'528) == Date{0, 1, 1});
    CHECK(civil_from_days(11'016) == Date{2000, 2, 29});
    CHECK(days_from_civil({2100, 3, 1}) - days_from_civil({2100, 2, 28}) == 1);  // no leap year
    CHECK(days_from_civil({2000, 3, 1}) - days_from_civil({2000, 2, 28}) == 2);
}

TEST_CASE("instants and wall times do arithmetic of their own kind only") {
    CHECK((Instant{5} + Duration{7}).ms == 12);
    CHECK((Instant{5} - Duration{7}).ms == -2);
    CHECK(Instant{5} - Instant{7} == Duration{-2});
    CHECK((WallTime{5} + Duration{7}).ms == 12);
    CHECK((WallTime{5} - Duration{7}).ms == -2);
    CHECK(WallTime{5} - WallTime{7} == Duration{-2});
    CHECK(Instant{5} < instant_never);
}
