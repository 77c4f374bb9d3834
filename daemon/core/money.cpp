#include "curfew/core/money.hpp"

#include <fmt/format.h>

#include <limits>

namespace curfew {

namespace {

using Wide = __int128;

constexpr std::int64_t nanos_max = std::numeric_limits<std::int64_t>::max();

void same_currency(Money a, Money b) {
    CURFEW_ASSERT(a.currency == b.currency, "amounts of two currencies never meet");
}

Money checked(Wide nanos, Currency currency) {
    CURFEW_ASSERT(nanos <= nanos_max && nanos >= -Wide{nanos_max}, "money stays within 9.2 billion");
    return Money{static_cast<std::int64_t>(nanos), currency};
}

/// dividend / divisor, half to even; divisor > 0.
Wide divide_half_even(Wide dividend, Wide divisor) {
    Wide quotient = dividend / divisor;
    const Wide rest = dividend % divisor;
    const Wide twice = (rest < 0 ? -rest : rest) * 2;
    if (twice > divisor || (twice == divisor && quotient % 2 != 0)) {
        quotient += dividend < 0 ? -1 : 1;
    }
    return quotient;
}

}  // namespace

Money operator+(Money a, Money b) {
    same_currency(a, b);
    return checked(Wide{a.nanos} + b.nanos, a.currency);
}

Money operator-(Money a, Money b) {
    same_currency(a, b);
    return checked(Wide{a.nanos} - b.nanos, a.currency);
}

Money& operator+=(Money& a, Money b) {
    a = a + b;
    return a;
}

bool operator<(Money a, Money b) {
    same_currency(a, b);
    return a.nanos < b.nanos;
}

Result<Money> cost_of(Rate rate, Duration d) {
    if (d < Duration{0}) {
        return fail(Errc::invalid, "a cost is asked for a negative time");
    }
    constexpr Wide ms_per_hour = 3'600'000;
    const Wide nanos = divide_half_even(Wide{rate.per_hour.nanos} * d.count(), ms_per_hour);
    if (nanos > nanos_max || nanos < -Wide{nanos_max}) {
        return fail(Errc::too_large, "a cost beyond 9.2 billion");
    }
    return Money{static_cast<std::int64_t>(nanos), rate.per_hour.currency};
}

Money part_of(Money whole, std::int64_t part, std::int64_t of) {
    CURFEW_ASSERT(whole.nanos >= 0 && part >= 0 && of > 0, "a part is of something");
    return checked(divide_half_even(Wide{whole.nanos} * part, of), whole.currency);
}

namespace {

bool digit(char c) {
    return c >= '0' && c <= '9';
}

/// The parts of a decimal number: digits without the point, and the power of ten of the last one.
struct Decimal {
    bool negative = false;
    std::string digits;
    int exponent = 0;
};

Result<Decimal> split_decimal(std::string_view text) {
    const auto bad = [&] {
        return fail(Errc::invalid, fmt::format("not an amount: \"{}\"", text.substr(0, 40)));
    };
    if (text.empty() || text.size() > 64) {
        return bad();
    }
    Decimal d;
    std::size_t i = 0;
    if (text[i] == '-') {
        d.negative = true;
        ++i;
    }
    const std::size_t whole = i;
    while (i < text.size() && digit(text[i])) {
        d.digits += text[i++];
    }
    if (i == whole) {
        return bad();
    }
    if (i < text.size() && text[i] == '.') {
        const std::size_t fraction = ++i;
        while (i < text.size() && digit(text[i])) {
            d.digits += text[i++];
            --d.exponent;
        }
        if (i == fraction) {
            return bad();
        }
    }
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        bool minus = false;
        if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
            minus = text[i++] == '-';
        }
        const std::size_t power = i;
        int exponent = 0;
        while (i < text.size() && digit(text[i]) && exponent < 10'000) {
            exponent = exponent * 10 + (text[i++] - '0');
        }
        if (i == power) {
            return bad();
        }
        d.exponent += minus ? -exponent : exponent;
    }
    if (i != text.size()) {
        return bad();
    }
    return d;
}

}  // namespace

Result<Money> parse_money(std::string_view text, Currency currency) {
    const auto parts = split_decimal(text);
    if (!parts) {
        return std::unexpected(parts.error());
    }
    std::string digits = parts->digits;
    int exponent = parts->exponent + 9;  // of nanos
    while (exponent < 0 && digits.size() > 1 && digits.back() == '0') {
        digits.pop_back();
        ++exponent;
    }
    if (exponent < 0 && digits != "0") {
        return fail(Errc::invalid, fmt::format("more than nine decimals: \"{}\"", text.substr(0, 40)));
    }
    Wide nanos = 0;
    const auto too_large = [&] {
        return fail(Errc::too_large, fmt::format("too large: \"{}\"", text.substr(0, 40)));
    };
    for (const char c : digits) {
        nanos = nanos * 10 + (c - '0');
        if (nanos > nanos_max) {
            return too_large();
        }
    }
    for (; exponent > 0 && nanos != 0; --exponent) {
        nanos *= 10;
        if (nanos > nanos_max) {
            return too_large();
        }
    }
    return Money{static_cast<std::int64_t>(parts->negative ? -nanos : nanos), currency};
}

namespace {

std::uint64_t magnitude(std::int64_t nanos) {
    return nanos < 0 ? 0 - static_cast<std::uint64_t>(nanos) : static_cast<std::uint64_t>(nanos);
}

}  // namespace

std::string to_decimal(Money amount) {
    const std::uint64_t n = magnitude(amount.nanos);
    return fmt::format("{}{}.{:09}", amount.nanos < 0 ? "-" : "", n / nanos_per_unit, n % nanos_per_unit);
}

std::string to_string(Money amount) {
    const std::uint64_t n = magnitude(amount.nanos);
    const bool small = n != 0 && n < nanos_per_unit / 100;
    const Wide step = small ? nanos_per_unit / 10'000 : nanos_per_unit / 100;
    const auto shown = static_cast<std::uint64_t>(divide_half_even(Wide{n}, step));
    const std::uint64_t per_unit = small ? 10'000 : 100;
    const std::string sign = amount.nanos < 0 && shown != 0 ? "-" : "";
    const std::string unit = amount.currency == usd ? "$" : std::string{amount.currency.view()} + " ";
    return small ? fmt::format("{}{}{}.{:04}", sign, unit, shown / per_unit, shown % per_unit)
                 : fmt::format("{}{}{}.{:02}", sign, unit, shown / per_unit, shown % per_unit);
}

Money percent_of(Money amount, std::int64_t percent) {
    // Amounts come from the configuration: a threshold beyond the range of Money is one that is never
    // reached, not a bug of ours.
    const Wide nanos = divide_half_even(Wide{amount.nanos} * percent, 100);
    const bool fits = nanos <= nanos_max && nanos >= -Wide{nanos_max};
    return {fits ? static_cast<std::int64_t>(nanos) : (nanos < 0 ? -nanos_max : nanos_max), amount.currency};
}

}  // namespace curfew
