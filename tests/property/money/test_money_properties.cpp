// Random amounts against the definition of rounding in 128 bits, and round trips.
#include "curfew/core/money.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <string>

using namespace curfew;

namespace {

__extension__ typedef __int128 Wide;

std::mt19937_64 generator() {
    return std::mt19937_64{static_cast<std::uint64_t>(Catch::rngSeed())};
}

/// Amounts of every magnitude: as many of nine digits as of one.
std::int64_t any_size(std::mt19937_64& g) {
    const auto value = static_cast<std::int64_t>(g() >> (1 + g() % 63));
    return g() % 2 == 0 ? value : -value;
}

/// Is `got` value / divisor rounded half to even? By the definition, not by a division.
bool is_half_even(Wide value, Wide divisor, Wide got) {
    const Wide twice_off = 2 * (got * divisor - value);
    const Wide size = twice_off < 0 ? -twice_off : twice_off;
    return size < divisor || (size == divisor && got % 2 == 0);
}

}  // namespace

TEST_CASE("costs are the 128-bit product, rounded half to even") {
    auto g = generator();
    int fitting = 0;
    for (int i = 0; i < 200'000; ++i) {
        const std::int64_t per_hour = any_size(g);
        const auto ms = static_cast<std::int64_t>(g() >> (20 + g() % 43));
        const auto cost = cost_of(Rate{Money{per_hour}}, Duration{ms});
        const Wide product = Wide{per_hour} * ms;
        if (cost) {
            ++fitting;
            REQUIRE(is_half_even(product, 3'600'000, cost->nanos));
        } else {
            REQUIRE((product < 0 ? -product : product) / 3'600'000 >= INT64_MAX);
        }
    }
    CHECK(fitting > 100'000);
}

TEST_CASE("ties of a cost go to the even nano") {
    auto g = generator();
    for (int i = 0; i < 20'000; ++i) {
        const auto odd = static_cast<std::int64_t>(g() % 1'000'000'000) * 2 + 1;  // odd × half an hour
        const auto cost = cost_of(Rate{Money{odd}}, minutes{30}).value();
        REQUIRE(cost.nanos % 2 == 0);
        REQUIRE((cost.nanos * 2 == odd - 1 || cost.nanos * 2 == odd + 1));
    }
}

TEST_CASE("what is printed in the wire form is read back unchanged") {
    auto g = generator();
    for (int i = 0; i < 100'000; ++i) {
        const Money money{any_size(g)};
        REQUIRE(parse_money(to_decimal(money)).value() == money);
    }
}

TEST_CASE("every way of writing an amount means the same") {
    auto g = generator();
    for (int i = 0; i < 50'000; ++i) {
        const auto digits = static_cast<std::int64_t>(g() % 1'000'000'000);
        const int exponent = static_cast<int>(g() % 10);
        const auto money = parse_money(fmt::format("{}e-{}", digits, exponent));
        std::int64_t expected = digits;
        for (int k = 0; k < 9 - exponent; ++k) {
            expected *= 10;
        }
        REQUIRE(money.value().nanos == expected);
        std::string moved = fmt::format("{}", digits);
        moved.insert(1, moved.size() > 1 ? "." : "");
        const auto shift = static_cast<int>(fmt::format("{}", digits).size()) - 1 - exponent;
        REQUIRE(parse_money(fmt::format("{}E{:+}", moved, shift)).value() == money.value());
    }
}

TEST_CASE("no bytes crash the parser, and what it takes it can print") {
    auto g = generator();
    const std::string_view alphabet = "0123456789.-+eE \0x,$";
    int taken = 0;
    for (int i = 0; i < 200'000; ++i) {
        std::string text(g() % 14, '\0');
        for (char& c : text) {
            c = alphabet[g() % alphabet.size()];
        }
        if (const auto money = parse_money(text)) {
            ++taken;
            REQUIRE(parse_money(to_decimal(*money)).value() == *money);
        }
    }
    CHECK(taken > 0);
}

TEST_CASE("percentages are rounded half to even and rise with the percent") {
    auto g = generator();
    for (int i = 0; i < 100'000; ++i) {
        const std::int64_t amount = any_size(g) / 20;
        const auto percent = static_cast<std::int64_t>(g() % 1'001);
        const Money part = percent_of(Money{amount}, percent);
        REQUIRE(is_half_even(Wide{amount} * percent, 100, part.nanos));
    }
}
