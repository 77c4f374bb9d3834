#include "curfew/core/money_sum.hpp"

#include <limits>

namespace curfew {

namespace {

constexpr std::int64_t ms_per_hour = 3'600'000;
constexpr std::int64_t nanos_max = std::numeric_limits<std::int64_t>::max();

}  // namespace

void MoneySum::add(Money amount) {
    add(Wide{amount.nanos} * ms_per_hour, amount.currency);
}

void MoneySum::add(Rate rate, Duration d) {
    add(Wide{rate.per_hour.nanos} * d.count(), rate.per_hour.currency);
}

void MoneySum::add(Wide nano_ms, Currency currency) {
    mixed_ = mixed_ || (nano_ms != 0 && currency != currency_);
    Wide sum = 0;
    if (overflow_ || __builtin_add_overflow(nano_ms_, nano_ms, &sum)) {
        overflow_ = true;  // the sign stays that of the sum so far
        return;
    }
    nano_ms_ = sum;
}

Result<Money> MoneySum::total() const {
    if (mixed_) {
        return fail(Errc::invalid, "amounts of two currencies cannot be added");
    }
    Wide nanos = nano_ms_ / ms_per_hour;
    const Wide rest = nano_ms_ % ms_per_hour;
    const Wide twice = (rest < 0 ? -rest : rest) * 2;
    if (twice > ms_per_hour || (twice == ms_per_hour && nanos % 2 != 0)) {
        nanos += nano_ms_ < 0 ? -1 : 1;
    }
    if (overflow_ || nanos > nanos_max || nanos < -Wide{nanos_max}) {
        return fail(Errc::too_large, "a sum beyond 9.2 billion");
    }
    return Money{static_cast<std::int64_t>(nanos), currency_};
}

}  // namespace curfew
