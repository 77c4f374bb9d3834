// Adds amounts and costs exactly, in 128 bits, and rounds once at the end. For sums over what users and
// providers say, where an overflow is an answer and no bug.
#pragma once

#include "curfew/core/money.hpp"

namespace curfew {

class MoneySum {
public:
    explicit MoneySum(Currency currency = usd) : currency_(currency) {}

    /// Amounts of 0 have any currency; another currency is refused by the total.
    void add(Money amount);
    /// rate × d. `d` may be negative, and so may the cost.
    void add(Rate rate, Duration d);

    /// Rounded half to even. Errc::too_large beyond 9.2 billion, Errc::invalid for two currencies.
    Result<Money> total() const;

private:
    __extension__ typedef __int128 Wide;
    void add(Wide nano_ms, Currency currency);

    Wide nano_ms_ = 0;  // nanos per hour × ms
    Currency currency_;
    bool mixed_ = false;
    bool overflow_ = false;
};

}  // namespace curfew
