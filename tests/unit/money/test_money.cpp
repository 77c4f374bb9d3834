// Exact money by tables. Every branch of money.cpp is taken here.
#include "curfew/core/money.hpp"
#include "support/aborts.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace curfew;
using support::aborts;

namespace {

constexpr std::int64_t nanos_max = std::numeric_limits<std::int64_t>::max();
constexpr Currency eur{{'E', 'U', 'R'}};

}  // namespace

TEST_CASE("amounts are read exactly from the text of the number") {
    struct Row {
        const char* text;
        std::int64_t nanos;
    };
    const Row row = GENERATE(values<Row>({
        {"0", 0},
        {"-0", 0},
        {"0.0", 0},
        {"0e5", 0},
        {"0e-9999", 0},
        {"0.51", 510'000'000},
        {"5.1e-1", 510'000'000},
        {"5.1E-1", 510'000'000},
        {"51e-2", 510'000'000},
        {"0.051e+1", 510'000'000},
        {"47.60", 47'600'000'000},
        {"-3", -3'000'000'000},
        {"-3.25", -3'250'000'000},
        {"007", 7'000'000'000},
        {"0.000000001", 1},
        {"1e-9", 1},
        {"-1e-9", -1},
        {"0.100000000000000000000000", 100'000'000},
        {"100e-11", 1},
        {"0.000000000001e3", 1},
        {"9223372036.854775807", nanos_max},
        {"-9223372036.854775807", -nanos_max},
        {"9.223372036854775807e9", nanos_max},
        {"1e9", 1'000'000'000'000'000'000},
    }));
    CAPTURE(row.text);
    const auto money = parse_money(row.text);
    REQUIRE(money);
    CHECK(money->nanos == row.nanos);
    CHECK(money->currency == usd);
}

TEST_CASE("what is not an amount is refused, never guessed") {
    const char* text = GENERATE("", "-", "--1", "+1", ".5", "5.", "1.e3", "1e", "1e+", "1e-", "e5", " 1",
                                "1 ", "1,5", "$1", "1USD", "0x10", "inf", "nan", "NaN", "1..2", "1.2.3",
                                "1-2", "1e5e5", "1e5.0", "\xd9\xa1", "1_000");
    CAPTURE(text);
    const auto money = parse_money(text);
    REQUIRE_FALSE(money);
    CHECK(money.error().code == Errc::invalid);
    CHECK_FALSE(money.error().may_retry());
}

TEST_CASE("a NUL inside a number ends nothing") {
    CHECK_FALSE(parse_money(std::string_view{"1\0", 2}));
    CHECK_FALSE(parse_money(std::string_view{"\0001", 2}));
}

TEST_CASE("more than nine decimals are refused unless they are zeros") {
    CHECK(parse_money("0.0000000001").error().code == Errc::invalid);
    CHECK(parse_money("1e-10").error().code == Errc::invalid);
    CHECK(parse_money("1e-9999").error().code == Errc::invalid);
    CHECK(parse_money("1e-99999999999999999999").error().code == Errc::invalid);
    CHECK(parse_money("1e99999999999999999999").error().code == Errc::invalid);
    CHECK(parse_money("0.12345678900").value().nanos == 123'456'789);
}

TEST_CASE("amounts beyond the range are refused") {
    const char* text = GENERATE("9223372036.854775808", "-9223372036.854775808", "1e10", "99999999999",
                                "1e999", "1e9999");
    CAPTURE(text);
    const auto money = parse_money(text);
    REQUIRE_FALSE(money);
    CHECK(money.error().code == Errc::too_large);
}

TEST_CASE("a number of more than 64 characters is refused unread") {
    CHECK(parse_money(std::string(64, '0')).value().nanos == 0);
    CHECK(parse_money(std::string(65, '0')).error().code == Errc::invalid);
    CHECK(parse_money(std::string(10'000'000, '9')).error().text.size() < 100);
}

TEST_CASE("sums are exact and keep the currency") {
    const Money a{5, eur};
    const Money b{7, eur};
    CHECK((a + b) == Money{12, eur});
    CHECK((a - b) == Money{-2, eur});
    Money sum{1, eur};
    sum += b;
    CHECK(sum == Money{8, eur});
    CHECK(Money{nanos_max} + Money{-nanos_max} == Money{0});
    CHECK(Money{1}.positive());
    CHECK_FALSE(Money{0}.positive());
    CHECK_FALSE(Money{-1}.positive());
}

TEST_CASE("amounts of one currency are ordered") {
    CHECK(Money{1} < Money{2});
    CHECK_FALSE(Money{2} < Money{2});
    CHECK(Money{2} > Money{1});
    CHECK(Money{2} <= Money{2});
    CHECK(Money{2} >= Money{2});
    CHECK_FALSE(Money{1} >= Money{2});
    CHECK_FALSE(Money{3} <= Money{2});
}

TEST_CASE("overflow and mixed currencies are bugs and abort") {
    CHECK(aborts([] { static_cast<void>(Money{nanos_max} + Money{1}); }));
    CHECK(aborts([] { static_cast<void>(Money{-nanos_max} - Money{1}); }));
    CHECK(aborts([] { static_cast<void>(Money{1} + Money{1, eur}); }));
    CHECK(aborts([] { static_cast<void>(Money{1} - Money{1, eur}); }));
    CHECK(aborts([] { static_cast<void>(Money{1} < Money{1, eur}); }));
    CHECK_FALSE(aborts([] { static_cast<void>(Money{nanos_max} + Money{0}); }));
}

TEST_CASE("the cost of a time is rounded once, half to even") {
    struct Row {
        std::int64_t per_hour;
        std::int64_t ms;
        std::int64_t nanos;
    };
    const Row row = GENERATE(values<Row>({
        {510'000'000, 3'600'000, 510'000'000},  // $0.51 an hour for an hour
        {510'000'000, 1'000, 141'667},          // 141,666.67
        {8'000'000'000, 60'000, 133'333'333},   // 133,333,333.33
        {0, 3'600'000, 0},
        {510'000'000, 0, 0},
        {1, 1'800'000, 0},  // half: to the even 0
        {3, 1'800'000, 2},  // 1.5: to the even 2
        {5, 1'800'000, 2},  // 2.5: to the even 2
        {-1, 1'800'000, 0},
        {-3, 1'800'000, -2},
        {-5, 1'800'000, -2},
        {1, 1'800'001, 1},
        {1, 1'799'999, 0},
        {-1, 1'800'001, -1},
        {std::numeric_limits<std::int64_t>::max(), 3'600'000, std::numeric_limits<std::int64_t>::max()},
    }));
    CAPTURE(row.per_hour, row.ms);
    CHECK(cost_of(Rate{Money{row.per_hour}}, Duration{row.ms}).value().nanos == row.nanos);
}

TEST_CASE("a cost keeps the currency and refuses what it cannot hold") {
    CHECK(cost_of(Rate{Money{2, eur}}, hours{1}).value() == Money{2, eur});
    CHECK(cost_of(Rate{Money{1}}, Duration{-1}).error().code == Errc::invalid);
    CHECK(cost_of(Rate{Money{nanos_max}}, Duration{3'600'001}).error().code == Errc::too_large);
    CHECK(cost_of(Rate{Money{nanos_max}}, Duration::max()).error().code == Errc::too_large);
    CHECK(cost_of(Rate{Money{-nanos_max}}, Duration::max()).error().code == Errc::too_large);
}

TEST_CASE("the wire form has nine decimals") {
    CHECK(to_decimal(Money{0}) == "0.000000000");
    CHECK(to_decimal(Money{12'340'000'000}) == "12.340000000");
    CHECK(to_decimal(Money{1}) == "0.000000001");
    CHECK(to_decimal(Money{-1}) == "-0.000000001");
    CHECK(to_decimal(Money{-12'340'000'000}) == "-12.340000000");
    CHECK(to_decimal(Money{nanos_max}) == "9223372036.854775807");
    CHECK(to_decimal(Money{std::numeric_limits<std::int64_t>::min()}) == "-9223372036.854775808");
}

TEST_CASE("people see cents, and four decimals below one cent") {
    struct Row {
        std::int64_t nanos;
        const char* text;
    };
    const Row row = GENERATE(values<Row>({
        {0, "$0.00"},
        {12'340'000'000, "$12.34"},
        {4'200'000, "$0.0042"},
        {-3'000'000'000, "-$3.00"},
        {10'000'000, "$0.01"},
        {9'999'999, "$0.0100"},
        {9'949'999, "$0.0099"},
        {50'000, "$0.0000"},  // half to even
        {150'000, "$0.0002"},
        {1, "$0.0000"},
        {-1, "$0.0000"},  // a sign before zero says nothing
        {-4'200'000, "-$0.0042"},
        {15'000'000, "$0.02"},  // 1.5 cents
        {25'000'000, "$0.02"},  // 2.5 cents
        {995'000'000, "$1.00"},
        {1'005'000'000, "$1.00"},
        {nanos_max, "$9223372036.85"},
    }));
    CAPTURE(row.nanos);
    CHECK(to_string(Money{row.nanos}) == row.text);
}

TEST_CASE("other currencies are shown by their code") {
    CHECK(to_string(Money{3'000'000'000, eur}) == "EUR 3.00");
    CHECK(to_string(Money{-3'000'000'000, eur}) == "-EUR 3.00");
    CHECK(eur.view() == "EUR");
}

TEST_CASE("a percentage is exact and saturates where no amount can reach it") {
    CHECK(percent_of(Money{100}, 50) == Money{50});
    CHECK(percent_of(Money{1, eur}, 50) == Money{0, eur});
    CHECK(percent_of(Money{3}, 50) == Money{2});
    CHECK(percent_of(Money{-3}, 50) == Money{-2});
    CHECK(percent_of(Money{1'500'000'000'000}, 80) == Money{1'200'000'000'000});
    CHECK(percent_of(Money{nanos_max}, 100) == Money{nanos_max});
    CHECK(percent_of(Money{nanos_max}, 101) == Money{nanos_max});
    CHECK(percent_of(Money{-nanos_max}, 101) == Money{-nanos_max});
    CHECK(percent_of(Money{nanos_max}, nanos_max) == Money{nanos_max});
}
