// Answers questions about money from the ledger, the picture and the configuration; never waits for a cloud.
// Every figure is our own meter's (accrued, gross) unless it says otherwise, up to now: what runs is counted in.
#pragma once

#include "curfew/app/adviser.hpp"
#include "curfew/app/outlook.hpp"
#include "curfew/app/reporter.hpp"
#include "curfew/core/focus.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

struct SpendAsk {
    WallTime from;
    WallTime to;
    std::vector<SpendBy> by;
    std::string name;  // glob of names, or an id; empty = everything
};

/// One sum. Compute stays apart from what is billed without running.
struct SpendLine {
    std::vector<std::string> keys;  // one for each of `by`
    std::string name;               // of the resource, where that is one of `by`
    Money compute;
    Money storage;          // storage, addresses and whatever else is billed beside compute
    Money error;            // by how much the sum may be off
    Duration time{0};       // metered compute time
    Duration error_bar{0};  // of all its rows, what may be wrong of their ends
    bool unpriced = false;  // something in it has no price and counts 0
    Money gross() const { return compute + storage; }
};

/// Which part of the figures was watched.
struct Watched {
    std::optional<WallTime> watched_since;  // of the ledger as a whole; before, the provider's stamps tell
    Duration metered{0};                    // time of all rows
    Duration estimated{0};                  // … and of it, what lies in gaps and is billed by estimate
};

/// What the provider reports for a month, beside ours; never mixed with it.
struct ReportedItem {
    ReportedRow row;
    std::optional<Money> accrued;  // ours for the same time; absent unless the month was watched as a whole
};

/// Something that is billed though what it belongs to is off, or belongs to nothing.
struct ParkedItem {
    std::string id;
    ResourceId resource;
    AccountName account;
    std::string name;
    std::string sku;
    std::optional<WallTime> since;   // off, or known
    std::optional<Money> per_month;  // absent = unpriced
    bool orphan = false;
};

struct SpendReport {
    Freshness freshness;
    SpendAsk ask;
    std::vector<SpendLine> lines;  // by time where a day or hour is asked for, else costliest first
    SpendLine total;
    Watched coverage;
    std::string prices_as_of;  // newest date of the price table
    std::vector<ReportedItem> reported;
    std::vector<ParkedItem> parked;  // costliest first
    Saved saved;
};

struct BudgetsReport {
    Freshness freshness;
    std::vector<BudgetItem> items;
};

struct ForecastReport {
    Freshness freshness;
    std::vector<ForecastItem> items;
};

/// What the usable credits of one account still pay for.
struct AccountRunway {
    AccountName account;
    CreditRunway runway;
    Money burn_per_hour;            // of the account
    std::optional<Duration> lasts;  // at that burn; absent when nothing burns
};
struct CreditsReport {
    Freshness freshness;
    Period month;
    CreditReport report;  // gross and net are those of the month so far
    std::vector<AccountRunway> accounts;
    std::string prices_as_of;
};

struct AdviceReport {
    Freshness freshness;
    WallTime since;
    std::vector<Advice> items;
    int unjudged_gpu_runs = 0;  // of which too little was seen to say that their GPUs did nothing
    std::string prices_as_of;
};

struct FocusPage {
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::string next;  // empty = there is no more
    std::int64_t unpriced = 0;
    std::int64_t estimated = 0;
};

class MoneyReporter {
public:
    MoneyReporter(World& world, Reporter& reporter, Outlook& outlook, const PriceBook& prices)
        : world_(world), reporter_(reporter), outlook_(outlook), prices_(prices), adviser_(world, prices) {}

    Task<Result<SpendReport>> spend(SpendAsk ask);
    /// All budgets, or the one of that name. Errors: not_found.
    Result<BudgetsReport> budgets(const std::string& name) const;
    Task<Result<ForecastReport>> forecast();
    Task<Result<CreditsReport>> credits();
    Task<Result<AdviceReport>> advice(WallTime since);
    /// Closed rows of the ledger from `from` on, a page at a time, in the columns of `focus_columns()`. What is
    /// not closed yet (less than an hour of each thing that bills) is in none of them.
    Task<Result<FocusPage>> focus(WallTime from, WallTime to, std::string after, int limit);

private:
    std::vector<ReportedItem> reported() const;
    std::vector<ParkedItem> parked() const;

    World& world_;
    Reporter& reporter_;
    Outlook& outlook_;
    const PriceBook& prices_;
    Adviser adviser_;
};

}  // namespace curfew
