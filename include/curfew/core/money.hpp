// Exact money: int64 nano-units and a currency. Products run through 128 bits, are checked, and are
// rounded once, half to even, when a row closes. Prices and rates are read from the raw text of the
// number; floating point is banned from this file and from everything that uses it.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/core/time.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace curfew {

/// ISO 4217, three capital letters.
struct Currency {
    std::array<char, 3> code{'U', 'S', 'D'};
    constexpr auto operator<=>(const Currency&) const = default;
    std::string_view view() const { return {code.data(), code.size()}; }
};
constexpr Currency usd{};

constexpr std::int64_t nanos_per_unit = 1'000'000'000;

struct Money {
    std::int64_t nanos = 0;
    Currency currency{};
    bool operator==(const Money&) const = default;
    bool positive() const { return nanos > 0; }
};

/// Sum and difference. Overflow (above 9.2 billion) and mixed currencies are bugs and abort.
Money operator+(Money a, Money b);
Money operator-(Money a, Money b);
Money& operator+=(Money& a, Money b);
/// Comparison of two amounts of one currency; mixed currencies abort.
bool operator<(Money a, Money b);
inline bool operator>(Money a, Money b) {
    return b < a;
}
inline bool operator<=(Money a, Money b) {
    return !(b < a);
}
inline bool operator>=(Money a, Money b) {
    return !(a < b);
}

/// A price per hour.
struct Rate {
    Money per_hour;
    bool operator==(const Rate&) const = default;
};

/// rate × d, exact in 128 bits, rounded once half to even to a nano. `d` must not be negative.
/// An amount above the range of Money is Errc::too_large.
Result<Money> cost_of(Rate rate, Duration d);

/// whole × part / of, exact in 128 bits, rounded once half to even to a nano; none of the three may be negative,
/// and `of` not 0. A result above the range of Money is a bug and aborts.
Money part_of(Money whole, std::int64_t part, std::int64_t of);

/// "0.51", "5.1e-1", "47.60", "-3": exact; more than 9 decimals that are not zeros, or an amount
/// beyond ±9.2 billion, is an error. No currency sign, no spaces, no locale.
Result<Money> parse_money(std::string_view text, Currency currency = usd);

/// All nine decimals: "12.340000000". The wire and database form.
std::string to_decimal(Money amount);
/// For people: "$12.34", "$0.0042" (four decimals below one cent), "-$3.00", "EUR 3.00".
std::string to_string(Money amount);
/// amount × percent / 100, rounded half to even. For thresholds.
Money percent_of(Money amount, std::int64_t percent);

}  // namespace curfew
