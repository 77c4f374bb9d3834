#include "curfew/core/ledger.hpp"

#include "curfew/core/mutant.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

std::string_view to_string(MeterKind kind) {
    switch (kind) {
        case MeterKind::compute:
            return "compute";
        case MeterKind::storage:
            return "storage";
        case MeterKind::ip:
            return "ip";
        case MeterKind::other:
            break;
    }
    return "other";
}

std::string_view to_string(CostSource source) {
    switch (source) {
        case CostSource::own:
            return "own";
        case CostSource::provider:
            return "provider";
        case CostSource::adjustment:
            break;
    }
    return "adjustment";
}

std::string_view to_string(Increment increment) {
    switch (increment) {
        case Increment::none:
            return "none";
        case Increment::minute:
            return "minute";
        case Increment::hour:
            break;
    }
    return "hour";
}

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
// A stamp of 1970 must not become half a million rows at once: the meter catches up over several
// calls, and `accrued_open` prices what is still open in the meantime.
constexpr std::int64_t advance_ms_max = 400 * 24 * hour_ms;
// Every printed add-on rate is its cap / 672: the cap is reached after 28 days (paperspace-api § 5.3).
constexpr Duration cap_reached_after = hours{672};

WallTime next_full_hour(WallTime t) {
    return full_hour(t) + hours{1};
}

Money priced(const std::optional<Rate>& rate, Duration d) {
    if (!rate) {
        return {};
    }
    const auto cost = cost_of(*rate, d);
    CURFEW_ASSERT(cost, "I6: an hour at a checked price fits into money");
    return *cost;
}

/// How long the price of the month that begins at `month` is spread over.
Duration spread(const Meter& meter, WallTime month) {
    return flat(meter) ? utc_month_end(month) - month : cap_reached_after;
}

/// What `used` time costs in the month that begins at `month`: the one sum whose differences are the rows.
Money month_sum(const Meter& meter, Duration used, WallTime month) {
    const Duration whole = spread(meter, month);
    const Money cap = *meter.tariff.monthly_cap;
    return used >= whole ? cap : part_of(cap, used.count(), whole.count());
}

/// Of what is not counted yet, all up to `until`.
Money uncounted(const Meter& meter, WallTime until) {
    if (until <= meter.counted_to) {
        return {};
    }
    if (!meter.tariff.monthly_cap) {
        return priced(meter.tariff.rate, until - meter.counted_to);
    }
    Money sum{0, meter.tariff.monthly_cap->currency};
    Duration used = meter.used_in_month;
    for (WallTime from = meter.counted_to; from < until;) {
        const WallTime month = utc_month_begin(from);
        const WallTime to = std::min(utc_month_end(from), until);
        sum += month_sum(meter, used + (to - from), month) - month_sum(meter, used, month);
        used = Duration{0};
        from = to;
    }
    return sum;
}

/// Of what is counted, all from `since` on. Of earlier months it is only known that it billed without a break.
Money counted_since(const Meter& meter, WallTime since) {
    if (!meter.tariff.monthly_cap) {
        return priced(meter.tariff.rate, meter.counted_to - since);
    }
    Money sum{0, meter.tariff.monthly_cap->currency};
    for (WallTime to = meter.counted_to; since < to;) {
        const WallTime month = utc_month_begin(to - Duration{1});
        const WallTime from = std::max(month, since);
        const bool newest = to == meter.counted_to && utc_month_begin(to) == month;
        const Duration used = newest ? meter.used_in_month
                                     : std::max(Duration{0}, to - std::max(month, meter.started));
        const Duration before = std::max(Duration{0}, used - (to - from));
        sum += month_sum(meter, used, month) - month_sum(meter, before, month);
        to = from;
    }
    return sum;
}

/// The rate that a row shows.
std::optional<Rate> shown_rate(const Meter& meter, WallTime at) {
    if (meter.tariff.rate || !meter.tariff.monthly_cap) {
        return meter.tariff.rate;
    }
    return Rate{part_of(*meter.tariff.monthly_cap, 1, spread(meter, utc_month_begin(at)).count() / hour_ms)};
}

CostRow row(const Meter& meter, WallTime from, WallTime to) {
    return {.resource = meter.resource,
            .run = meter.run,
            .meter = meter.kind,
            .from = from,
            .to = to,
            .sku = meter.sku,
            .rate = shown_rate(meter, from),
            .gross = uncounted(meter, to),
            .source = CostSource::own,
            .estimated = false,
            .error_bar = Duration{0},
            .rule = meter.rule};
}

/// Rows from what is counted to `until`, none across a full hour, the last one possibly shorter.
std::vector<CostRow> cut(Meter& meter, WallTime until) {
    std::vector<CostRow> rows;
    while (meter.counted_to < until) {
        const WallTime to = mutant(Mutant::rows_over_the_hour)
                                ? until
                                : std::min(next_full_hour(meter.counted_to), until);
        rows.push_back(row(meter, meter.counted_to, to));
        meter.closed += rows.back().gross;
        if (meter.tariff.monthly_cap) {
            meter.used_in_month += to - meter.counted_to;
        }
        if (utc_month_begin(to) == to) {
            meter.used_in_month = Duration{0};
        }
        meter.counted_to = to;
    }
    return rows;
}

/// Where billing ends for a run that ends at `at`.
WallTime rounded_up(const Meter& meter, WallTime at) {
    const Duration step = meter.increment == Increment::hour     ? Duration{hours{1}}
                          : meter.increment == Increment::minute ? Duration{minutes{1}}
                                                                 : Duration{1};
    const Duration ran = at - meter.started;
    return ran <= Duration{0} ? at : meter.started + (ran + step - Duration{1}) / step * step;
}

/// What was counted too much comes back as one row, at the price in force. Rows of the past stay as they are, and what
/// bills after all is a stretch of its own: nothing comes back twice.
CostRow give_back(Meter& meter, WallTime end) {
    CostRow back = row(meter, end, meter.counted_to);
    const Money too_much = std::min(counted_since(meter, end), meter.closed);
    back.gross = Money{0, too_much.currency} - too_much;
    back.source = CostSource::adjustment;
    meter.closed += back.gross;
    const bool same_month = utc_month_begin(end) == utc_month_begin(meter.counted_to);
    meter.used_in_month = same_month ? std::max(Duration{0}, meter.used_in_month - (meter.counted_to - end))
                                     : Duration{0};
    meter.started = meter.counted_to;
    return back;
}

}  // namespace

std::vector<CostRow> advance(Meter& meter, WallTime now) {
    CURFEW_ASSERT(meter.open, "I6: a closed meter counts no more");
    const WallTime most = full_hour(meter.counted_to) + Duration{advance_ms_max};
    return cut(meter, std::min(mutant(Mutant::rounded_every_poll) ? now : full_hour(now), most));
}

std::vector<CostRow> reprice(Meter& meter, WallTime at, std::string sku, Tariff tariff) {
    CURFEW_ASSERT(meter.open, "I6: a closed meter counts no more");
    auto rows = cut(meter, mutant(Mutant::past_repriced) ? meter.counted_to : at);
    meter.sku = std::move(sku);
    meter.tariff = tariff;
    return rows;
}

std::vector<CostRow> close(Meter& meter, WallTime ended_at, bool estimated, Duration error_bar) {
    CURFEW_ASSERT(meter.open, "I6: a meter is closed once");
    const WallTime end = rounded_up(meter, ended_at);
    // A little sooner or later may be an increment less or more.
    error_bar = std::max(end - rounded_up(meter, ended_at - error_bar),
                         rounded_up(meter, ended_at + error_bar) - end);
    auto rows = end < meter.counted_to ? std::vector{give_back(meter, end)} : cut(meter, end);
    meter.open = false;
    if (rows.empty() && estimated && error_bar > Duration{0}) {
        // All of it is counted already; how surely has to stand somewhere.
        const WallTime at = std::min(meter.last_seen_billing, meter.counted_to);
        rows.push_back(row(meter, at, at));
        rows.back().source = CostSource::adjustment;
    }
    if (!rows.empty()) {
        rows.back().estimated = estimated;
        rows.back().error_bar = error_bar;
    }
    return rows;
}

void spread_doubt(std::vector<CostRow>& rows, Duration beyond) {
    if (rows.empty()) {
        return;
    }
    CostRow& last = rows.back();
    const WallTime from = last.to - last.error_bar;
    for (CostRow& row : rows) {
        const Duration doubted = row.to - std::max(row.from, from);
        if (&row != &last && doubted > Duration{0}) {
            row.estimated = true;
            row.error_bar = doubted;
            last.error_bar = std::max(last.error_bar - doubted, std::min(last.error_bar, beyond));
        }
    }
}

void reopen(Meter& meter, WallTime at) {
    CURFEW_ASSERT(!meter.open, "I6: only a closed meter is opened again");
    at = std::max(at, meter.counted_to);
    if (utc_month_begin(at) != utc_month_begin(meter.counted_to)) {
        meter.used_in_month = Duration{0};
    }
    meter.open = true;
    meter.started = at;
    meter.counted_to = at;
    meter.last_seen_billing = at;
}

Money accrued_open(const Meter& meter, WallTime now) {
    return meter.open && meter.counted_to <= now ? uncounted(meter, rounded_up(meter, now)) : Money{};
}

Money accrued_since(const Meter& meter, WallTime from, WallTime now) {
    const Money all = accrued_open(meter, now);
    const Money before = uncounted(meter, from);
    return before < all ? all - before : Money{0, all.currency};
}

Money burn(const Meter& meter, WallTime now) {
    if (!meter.open || !meter.tariff.priced() || flat(meter)) {
        return {};
    }
    return meter.tariff.monthly_cap ? rest_of(meter, now, now + hours{1}) : meter.tariff.rate->per_hour;
}

Money rest_of(const Meter& meter, WallTime from, WallTime to) {
    from = std::max(from, meter.counted_to);
    return meter.open && from < to ? uncounted(meter, to) - uncounted(meter, from) : Money{};
}

}  // namespace curfew
