// Answers questions about money from the ledger, the picture and the configuration; never waits for a cloud.
// Every figure is our own meter's (accrued, gross) unless it says otherwise, up to now: what runs is counted in.
#pragma once

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

struct SpendReport {
    Freshness freshness;
    SpendAsk ask;
    std::vector<SpendLine> lines;  // by time where a day or hour is asked for, else costliest first
    SpendLine total;
    Watched coverage;
    std::string prices_as_of;  // newest date of the price table
    Saved saved;
};

struct FocusPage {
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::string next;  // empty = there is no more
    std::int64_t unpriced = 0;
    std::int64_t estimated = 0;
};

class MoneyReporter {
public:
    MoneyReporter(World& world, Reporter& reporter, const PriceBook& prices)
        : world_(world), reporter_(reporter), prices_(prices) {}

    Task<Result<SpendReport>> spend(SpendAsk ask);
    /// Closed rows of the ledger from `from` on, a page at a time, in the columns of `focus_columns()`. What is
    /// not closed yet (less than an hour of each thing that bills) is in none of them.
    Task<Result<FocusPage>> focus(WallTime from, WallTime to, std::string after, int limit);

private:
    World& world_;
    Reporter& reporter_;
    const PriceBook& prices_;
};

}  // namespace curfew
