// The meter: turns what was seen of a run into append-only cost rows. Rows are no longer than an
// hour (cut at full UTC hours), half-open, rounded once when they close; the sum of any split of an
// interval equals the whole to within half a nano per row. The past is never re-priced. Rows of an add-on
// are differences of one cumulative sum a month, so that their sum is exact whatever the cuts. No row but an
// adjustment is negative.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

enum class MeterKind : std::uint8_t { compute, storage, ip, other };
enum class CostSource : std::uint8_t { own, provider, adjustment };
std::string_view to_string(MeterKind kind);
std::string_view to_string(CostSource source);

/// What an hour costs.
struct Tariff {
    /// Absent, and no cap either: unpriced; gross is then 0, and that is shown. Beside a cap it is the printed
    /// rate, for display only.
    std::optional<Rate> rate;
    /// Of an add-on: cap / 672 for each hour until the cap of the calendar month (UTC) is reached. Of compute
    /// it is a flat price, spread evenly over the month's own hours.
    std::optional<Money> monthly_cap;
    bool priced() const { return rate.has_value() || monthly_cap.has_value(); }
    bool operator==(const Tariff&) const = default;
};

/// How a provider charges the last part of an hour of a run: as it is, or rounded up.
enum class Increment : std::uint8_t { none, minute, hour };
std::string_view to_string(Increment increment);

/// Unique by (resource, run, meter, from, source).
struct CostRow {
    ResourceId resource;
    RunId run;  // of an add-on its id
    MeterKind meter = MeterKind::compute;
    WallTime from;
    WallTime to;
    std::string sku;           // machine type, or what the add-on is: "block storage 50 GB"
    std::optional<Rate> rate;  // absent = unpriced; gross is then 0 and `unpriced` is shown
    Money gross;
    CostSource source = CostSource::own;
    bool estimated = false;  // from or to is a poll of ours, or nobody saw it in between
    Duration error_bar{0};   // how much of it, or beyond `to`, may not be so, when estimated
    std::string rule;        // that matched the resource when the row was closed; may be empty
};

/// What the meter remembers of one billing run or add-on: everything before `counted_to` is in closed rows.
/// Unique by (run, kind).
struct Meter {
    ResourceId resource;
    RunId run;
    MeterKind kind = MeterKind::compute;
    std::string sku;
    Tariff tariff;
    Increment increment = Increment::none;
    std::string rule;
    WallTime started;  // of this stretch: from where increments are counted
    WallTime counted_to;
    WallTime last_seen_billing;  // wall time of the newest listing that showed it billing
    Duration used_in_month{0};   // closed, of an add-on, in the UTC month of `counted_to`
    Money closed;                // sum of all its closed rows
    bool open = true;
};

/// Is it a flat price of the month, which costs the same on or off?
inline bool flat(const Meter& meter) {
    return meter.kind == MeterKind::compute && meter.tariff.monthly_cap.has_value();
}

/// Closes full hours up to `now`. The current partial hour stays open; `accrued_open` prices it for display.
/// At most 400 days at once: what is older is caught up with over several calls.
std::vector<CostRow> advance(Meter& meter, WallTime now);
/// Cuts at `at` because price or machine type changes from then on; one in the closed past holds from
/// `counted_to` on.
std::vector<CostRow> reprice(Meter& meter, WallTime at, std::string sku, Tariff tariff);
/// Ends the meter, after rounding the end up to the increment. `estimated` when `ended_at` is only known to lie within
/// `error_bar`, of which the row tells what it comes to in increments. An end before `counted_to` (a provider that
/// corrects itself) yields one negative adjustment row, never of more than what the meter has cost, and a stretch that
/// goes on all the same begins at `counted_to`; an estimated one at `counted_to` one of nothing and no length, for its
/// error bar.
std::vector<CostRow> close(Meter& meter, WallTime ended_at, bool estimated, Duration error_bar);
/// Lays the doubt about an end, which `close` puts on the last row, on every row that it reaches back over, each at its
/// own rate. `beyond`: by how much the end may also lie later, which stays on the last row.
void spread_doubt(std::vector<CostRow>& rows, Duration beyond);
/// A closed meter bills again from `at` on, never from before what is counted. Within one month (UTC) it goes
/// on towards the same cap.
void reopen(Meter& meter, WallTime at);

/// What the open part costs at `now`, as if it ended then. 0 when unpriced or closed.
Money accrued_open(const Meter& meter, WallTime now);
/// Of that, what lies at or after `from`.
Money accrued_since(const Meter& meter, WallTime from, WallTime now);
/// What the next hour costs: 0 when the cap is reached, and of a flat price, which no stop would save.
Money burn(const Meter& meter, WallTime now);
/// What it will cost from `from` to `to` if it goes on billing; `from` before `counted_to` means that.
Money rest_of(const Meter& meter, WallTime from, WallTime to);

}  // namespace curfew
