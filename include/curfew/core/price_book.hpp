// What a machine type costs an hour and an add-on a month. Data, not code: the shipped tables plus the user's
// overrides. Rows of one type with different dates are its price over time.
#pragma once

#include "curfew/core/add_on.hpp"
#include "curfew/core/ledger.hpp"
#include "curfew/core/money.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

struct Price {
    Rate rate;
    int gpus = 0;
    std::string gpu;
    std::string as_of;  // "2025-11-14", a bare year, or a time
    std::string note;
    bool override_of_user = false;
    WallTime since;  // `as_of` as a time; without one it holds from the beginning
};

/// What one add-on costs, and the words for it on its rows.
struct AddOnPrice {
    std::string sku;  // "block storage 50 GB"
    Tariff tariff;    // unpriced where no step of the table holds the size
    std::string as_of;
    bool override_of_user = false;
};

class PriceBook {
public:
    /// Reads CSV text as shipped (`#` comments, header
    /// `machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note`; the note may hold no comma-
    /// free guarantee: it is the rest of the line). Rates 0 … 1000 $/h. `as_of` is a date, a bare year or
    /// an RFC 3339 time (dates in UTC), or empty. A type may have several rows, with different `as_of`.
    /// Errors name `source:line`.
    static Result<PriceBook> parse_csv(std::string_view text, std::string_view source);

    /// Adds the rows of a table of add-ons: header `kind,gb,usd_per_month,usd_per_hour,as_of,note`. `gb` (of
    /// 2^30 bytes) is the largest size that a row is for; empty where size is no matter, and for `overage`,
    /// whose price is of one GB of 10^9 bytes. A row without a price says that sizes up to its own, beyond the
    /// row before, are not known: they are unpriced. `usd_per_hour` is for display. Prices 0 … 100000 $/month,
    /// of a GB above the plan 0 … 100.
    Result<void> read_add_ons(std::string_view text, std::string_view source);

    /// Rows of `overrides` win: from their own date on, where they have one.
    void merge(const PriceBook& overrides);

    /// What holds at `at`: the newest row of the user's that is not later; else the newest such row of the shipped
    /// table; before all of them, the oldest. nullptr = unpriced: shown loudly, never taken for 0. Types that
    /// begin with "Free-" cost 0.
    const Price* find(std::string_view machine_type, WallTime at) const;
    AddOnPrice find(AddOnKind kind, std::int64_t bytes, WallTime at) const;

    /// The instants in (after, until] at which another row may begin to hold, rising.
    std::vector<WallTime> changes(std::string_view machine_type, WallTime after, WallTime until) const;
    std::vector<WallTime> changes(AddOnKind kind, WallTime after, WallTime until) const;

    /// The newest row of every type, the user's before others.
    const std::map<std::string, Price, std::less<>>& rows() const { return newest_; }

private:
    struct Step {  // of an add-on
        std::optional<std::int64_t> gb;
        std::optional<Money> per_month;  // absent = not known
        std::optional<Rate> per_hour;
        std::string as_of;
        bool override_of_user = false;
        WallTime since;
    };
    struct History {  // of one type, each oldest first
        std::vector<Price> own;
        std::vector<Price> shipped;
    };
    static Result<Step> parse_step(std::string_view line, AddOnKind& kind, const std::string& where);
    void note_newest(const std::string& type, const History& history);

    std::map<std::string, History, std::less<>> prices_;
    std::map<std::string, Price, std::less<>> newest_;
    std::map<AddOnKind, std::vector<Step>> steps_;
};

}  // namespace curfew
