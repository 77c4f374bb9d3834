#include "curfew/core/ledger.hpp"

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

WallTime next_full_hour(WallTime t) {
    const std::int64_t into = ((t.ms % hour_ms) + hour_ms) % hour_ms;
    return {t.ms - into + hour_ms};
}

Money priced(const std::optional<Rate>& rate, Duration d) {
    if (!rate) {
        return {};
    }
    const auto cost = cost_of(*rate, d);
    CURFEW_ASSERT(cost, "I6: an hour at a checked price fits into money");
    return *cost;
}

CostRow row(const Meter& meter, WallTime from, WallTime to) {
    return {.resource = meter.resource,
            .run = meter.run,
            .meter = meter.kind,
            .from = from,
            .to = to,
            .sku = meter.sku,
            .rate = meter.tariff.rate,
            .gross = priced(meter.tariff.rate, to - from),
            .source = CostSource::own,
            .estimated = false,
            .error_bar = Duration{0},
            .rule = meter.rule};
}

/// Rows from what is counted to `until`, none across a full hour, the last one possibly shorter.
std::vector<CostRow> cut(Meter& meter, WallTime until) {
    std::vector<CostRow> rows;
    while (meter.counted_to < until) {
        const WallTime to = std::min(next_full_hour(meter.counted_to), until);
        rows.push_back(row(meter, meter.counted_to, to));
        meter.counted_to = to;
    }
    return rows;
}

}  // namespace

std::vector<CostRow> advance(Meter& meter, WallTime now) {
    CURFEW_ASSERT(meter.open, "I6: a closed meter counts no more");
    const WallTime full{next_full_hour(now).ms - hour_ms};
    const WallTime most{next_full_hour(meter.counted_to).ms + advance_ms_max - hour_ms};
    return cut(meter, std::min(full, most));
}

std::vector<CostRow> reprice(Meter& meter, WallTime at, std::string sku, Tariff tariff) {
    CURFEW_ASSERT(meter.open, "I6: a closed meter counts no more");
    auto rows = cut(meter, at);
    meter.sku = std::move(sku);
    meter.tariff = tariff;
    return rows;
}

std::vector<CostRow> close(Meter& meter, WallTime ended_at, bool estimated, Duration error_bar) {
    CURFEW_ASSERT(meter.open, "I6: a meter is closed once");
    meter.open = false;
    if (ended_at < meter.counted_to) {
        // The provider corrects itself: what was counted too much comes back as one row, at the rate
        // in force. Rows of the past stay as they are.
        CostRow back = row(meter, ended_at, meter.counted_to);
        back.gross = Money{0, back.gross.currency} - back.gross;
        back.source = CostSource::adjustment;
        back.estimated = estimated;
        back.error_bar = error_bar;
        return {back};
    }
    auto rows = cut(meter, ended_at);
    if (!rows.empty()) {
        rows.back().estimated = estimated;
        rows.back().error_bar = error_bar;
    }
    return rows;
}

Money accrued_open(const Meter& meter, WallTime now) {
    return meter.open && meter.counted_to < now ? priced(meter.tariff.rate, now - meter.counted_to) : Money{};
}

}  // namespace curfew
