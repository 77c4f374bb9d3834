// Credits: amounts that a provider gives, a promotional $15, say. Budgets count gross; a credit has its own
// runway (design § 4.4).
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/price_book.hpp"
#include "curfew/core/time.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

struct Credit {
    std::string name;
    Money amount;                       // above 0
    std::vector<std::string> accounts;  // globs; empty = every account
    WallTime from;                      // valid in [from, until)
    WallTime until;

    bool covers(const AccountName& account) const;
    bool operator==(const Credit&) const = default;
};
/// Errc::invalid: no name, the same name twice, an amount of 0 or less, an end that is not after the beginning.
Result<void> check(std::span<const Credit> credits);

/// What one account was charged, as of a time: a row of the ledger, or the sum of a day at its beginning. The
/// finer, the more exact a credit that begins or ends within it.
struct Charge {
    AccountName account;
    WallTime at;
    Money gross;
};

enum class CreditState : std::uint8_t { pending, usable, used_up, expired };
std::string_view to_string(CreditState state);

struct CreditStanding {
    Credit credit;
    Money used;
    Money left;     // usable now or later; 0 once it is over
    Money expired;  // what was left at its end
    CreditState state = CreditState::usable;
};

struct CreditReport {
    std::vector<CreditStanding> credits;  // in the order of use: by end, then beginning, then name
    Money gross;                          // of the charges within the interval
    Money net;                            // … less what credits paid of them
};

/// Each charge is paid by the credits that are valid at its time and cover its account, the one that ends first
/// first. Charges below 0 (corrections) lower gross and net alike and give nothing back to a credit.
/// `charges` in any order, all since the first credit began; `from` and `to` bound gross and net.
/// Errors: those of `check`; invalid (two currencies), too_large (a sum beyond 9.2 billion).
Result<CreditReport> apply_credits(std::span<const Credit> credits, std::vector<Charge> charges, WallTime now,
                                   WallTime from, WallTime to);

/// For how long the usable credits of an account pay for one machine of a type.
struct Runway {
    std::string machine_type;
    Rate rate;
    std::int64_t hours = 0;  // whole ones, rounded down; no credit pays beyond its end
};

struct CreditRunway {
    Money left;                   // usable now on the account
    std::vector<Runway> runways;  // at least one hour each
};
/// Types that cost nothing or are in another currency are left out. Those of `recent` come first, in its order
/// (what runs now, then what ran lately), then the others from the costliest down.
CreditRunway runway(const CreditReport& report, const AccountName& account, WallTime now,
                    const PriceBook& prices, std::span<const std::string> recent);
/// "$6.12 left: 12 h on P4000, 8 h on A4000, 340 h on C3"; of the first `at_most` types.
std::string to_string(const CreditRunway& runway, std::size_t at_most);

}  // namespace curfew
