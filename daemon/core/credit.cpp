#include "curfew/core/credit.hpp"

#include "curfew/core/money_sum.hpp"
#include "curfew/core/rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <tuple>

namespace curfew {

namespace {

using Wide = __int128;

constexpr std::int64_t ms_per_hour = 3'600'000;

/// The order of use.
bool sooner(const Credit& a, const Credit& b) {
    return std::tie(a.until, a.from, a.name) < std::tie(b.until, b.from, b.name);
}

bool valid_at(const Credit& credit, WallTime t) {
    return credit.from <= t && t < credit.until;
}

Result<void> one_currency(std::span<const Credit> credits, std::span<const Charge> charges) {
    std::optional<Currency> seen;
    const auto other = [&](Money amount) {
        if (amount.nanos == 0) {
            return false;
        }
        const bool differs = seen && *seen != amount.currency;
        seen = amount.currency;
        return differs;
    };
    for (const Credit& credit : credits) {
        if (other(credit.amount)) {
            return fail(Errc::invalid, "credits of two currencies", credit.name);
        }
    }
    for (const Charge& charge : charges) {
        if (other(charge.gross)) {
            return fail(Errc::invalid, "a charge in another currency than the credits", charge.account.value);
        }
    }
    return {};
}

/// What the credits pay of a charge above 0. No sum here leaves the range of its charge.
Money pay(std::span<CreditStanding> credits, const Charge& charge) {
    std::int64_t open = charge.gross.nanos;
    for (CreditStanding& standing : credits) {
        if (valid_at(standing.credit, charge.at) && standing.credit.covers(charge.account)) {
            const std::int64_t part = std::min(open, standing.left.nanos);
            standing.left.nanos -= part;
            standing.used.nanos += part;
            open -= part;
        }
    }
    return Money{charge.gross.nanos - open, charge.gross.currency};
}

void settle(CreditStanding& standing, WallTime now) {
    if (!standing.left.positive()) {
        standing.state = CreditState::used_up;
    } else if (now >= standing.credit.until) {
        standing.state = CreditState::expired;
        std::swap(standing.expired, standing.left);
    } else {
        standing.state = now < standing.credit.from ? CreditState::pending : CreditState::usable;
    }
}

}  // namespace

bool Credit::covers(const AccountName& account) const {
    return accounts.empty() ||
           std::ranges::any_of(accounts, [&](const auto& glob) { return glob_matches(glob, account.value); });
}

std::string_view to_string(CreditState state) {
    switch (state) {
        case CreditState::pending:
            return "pending";
        case CreditState::usable:
            return "usable";
        case CreditState::used_up:
            return "used up";
        case CreditState::expired:
            break;
    }
    return "expired";
}

Result<void> check(std::span<const Credit> credits) {
    std::set<std::string_view> names;
    for (const Credit& credit : credits) {
        if (credit.name.empty()) {
            return fail(Errc::invalid, "a credit without a name", "credit");
        }
        if (!names.insert(credit.name).second) {
            return fail(Errc::invalid, "there is another credit of this name", credit.name);
        }
        if (!credit.amount.positive()) {
            return fail(Errc::invalid, "the amount of a credit is above 0", credit.name);
        }
        if (credit.until <= credit.from) {
            return fail(Errc::invalid, "a credit ends after it begins", credit.name);
        }
    }
    return {};
}

Result<CreditReport> apply_credits(std::span<const Credit> credits, std::vector<Charge> charges, WallTime now,
                                   WallTime from, WallTime to) {
    if (auto good = check(credits); !good) {
        return std::unexpected(good.error());
    }
    if (auto good = one_currency(credits, charges); !good) {
        return std::unexpected(good.error());
    }
    CreditReport report;
    Currency currency = usd;
    for (const Credit& credit : credits) {
        currency = credit.amount.currency;
        const Money none{0, currency};
        report.credits.push_back({.credit = credit, .used = none, .left = credit.amount, .expired = none});
    }
    if (credits.empty()) {
        const auto first = std::ranges::find_if(charges, [](const Charge& c) { return c.gross.nanos != 0; });
        currency = first == charges.end() ? usd : first->gross.currency;
    }
    std::ranges::sort(report.credits, sooner, &CreditStanding::credit);
    // By amount too, so that the order in which the charges come in decides nothing.
    std::ranges::sort(charges, [](const Charge& a, const Charge& b) {
        return std::tie(a.at, a.account, a.gross.nanos) < std::tie(b.at, b.account, b.gross.nanos);
    });
    MoneySum gross{currency};
    MoneySum net{currency};
    for (const Charge& charge : charges) {
        if (charge.at > now) {
            continue;  // nothing is paid in advance
        }
        const Money paid = charge.gross.positive() ? pay(report.credits, charge) : Money{0, currency};
        if (from <= charge.at && charge.at < to) {
            gross.add(charge.gross);
            net.add(charge.gross);
            net.add(Money{-paid.nanos, currency});
        }
    }
    for (CreditStanding& standing : report.credits) {
        settle(standing, now);
    }
    const auto all = gross.total();
    const auto rest = net.total();
    if (!all || !rest) {
        return std::unexpected(all ? rest.error() : all.error());
    }
    report.gross = *all;
    report.net = *rest;
    return report;
}

namespace {

/// How long the credits last at a rate: used one after the other, none beyond its end.
Duration lasts(std::span<const CreditStanding* const> usable, Rate rate, WallTime now) {
    WallTime until = now;
    for (const CreditStanding* standing : usable) {
        const Wide ms = Wide{standing->left.nanos} * ms_per_hour / rate.per_hour.nanos;
        const Wide end = std::min<Wide>(standing->credit.until.ms, until.ms + ms);
        until = std::max(until, WallTime{static_cast<std::int64_t>(end)});
    }
    return until - now;
}

}  // namespace

CreditRunway runway(const CreditReport& report, const AccountName& account, WallTime now,
                    const PriceBook& prices, std::span<const std::string> recent) {
    std::vector<const CreditStanding*> usable;
    const Currency currency = report.credits.empty() ? usd : report.credits.front().credit.amount.currency;
    MoneySum sum{currency};
    for (const CreditStanding& standing : report.credits) {
        if (standing.state == CreditState::usable && standing.credit.covers(account)) {
            usable.push_back(&standing);
            sum.add(standing.left);
        }
    }
    CreditRunway found;
    const auto left = sum.total();
    found.left = left ? *left : Money{std::numeric_limits<std::int64_t>::max(), currency};
    for (const auto& [type, newest] : prices.rows()) {
        const Price* price = prices.find(type, now);
        if (price != nullptr && price->rate.per_hour.positive() &&
            price->rate.per_hour.currency == found.left.currency) {
            const auto hours = lasts(usable, price->rate, now) / Duration{ms_per_hour};
            if (hours >= 1) {
                found.runways.push_back({type, price->rate, hours});
            }
        }
    }
    const auto rank = [&](const Runway& r) {
        return std::tuple(std::ranges::find(recent, r.machine_type) - recent.begin(), -r.rate.per_hour.nanos,
                          std::string_view{r.machine_type});
    };
    std::ranges::sort(found.runways, {}, rank);
    return found;
}

std::string to_string(const CreditRunway& runway, std::size_t at_most) {
    if (!runway.left.positive()) {
        return "no credit left";
    }
    std::string text = fmt::format("{} left", to_string(runway.left));
    if (runway.runways.empty()) {
        return text + ": less than an hour on any type";
    }
    const std::size_t shown = std::min(at_most, runway.runways.size());
    for (std::size_t i = 0; i < shown; ++i) {
        const Runway& r = runway.runways[i];
        text += fmt::format("{} {} h on {}", i == 0 ? ":" : ",", r.hours, r.machine_type);
    }
    return text;
}

}  // namespace curfew
