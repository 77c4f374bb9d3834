#include "curfew/app/bookkeeper.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

Bookkeeper::Bookkeeper(PriceBook prices) : prices_(std::move(prices)) {}

void Bookkeeper::add_rows(std::vector<CostRow> rows, Batch& batch) {
    for (CostRow& row : rows) {
        cut_.push_back(row);
        batch.emplace_back(std::move(row));
    }
}

void Bookkeeper::bills(const LiveResource& live, LiveRun& run, WallTime now, Batch& batch,
                       std::optional<WallTime> counted) {
    const Price* price = prices_.find(run.run.machine_type);
    const Tariff tariff{.rate = price != nullptr ? std::optional{price->rate} : std::nullopt,
                        .monthly_cap = std::nullopt};
    bool changed = false;
    if (!run.meter) {
        const WallTime started = run.run.started_at.value_or(now);
        const WallTime from = std::max(started, counted.value_or(started));
        run.meter = Meter{.resource = live.resource.id,
                          .run = run.run.id,
                          .sku = run.run.machine_type,
                          .tariff = tariff,
                          .started = started,
                          .counted_to = from < now ? from : now,
                          .last_seen_billing = now};
        changed = true;
    }
    Meter& meter = *run.meter;
    meter.rule = live.rule;
    auto rows = advance(meter, now);
    if (meter.sku != run.run.machine_type || meter.tariff != tariff) {
        auto cut = reprice(meter, now, run.run.machine_type, tariff);
        rows.insert(rows.end(), cut.begin(), cut.end());
        changed = true;
    }
    changed = changed || !rows.empty();
    meter.last_seen_billing = now;
    add_rows(std::move(rows), batch);
    if (changed) {
        batch.emplace_back(meter);
    }
}

void Bookkeeper::ended(const LiveResource& live, LiveRun& run, std::optional<WallTime> ended_at, WallTime now,
                       Batch& batch) {
    if (!run.meter) {
        return;
    }
    CURFEW_ASSERT(run.meter->resource == live.resource.id, "I6: a meter belongs to its resource");
    Meter meter = *std::exchange(run.meter, std::nullopt);
    // A stamp of the future is not believed: nothing may be billed before it happened.
    const bool believed = ended_at && *ended_at <= now + minutes{5};
    const WallTime at = believed ? *ended_at : now;
    // Between the last sight of it and `now`, whichever of the two is later.
    const Duration bar = believed ? Duration{0} : std::chrono::abs(now - meter.last_seen_billing);
    add_rows(close(meter, at, !believed, bar), batch);
    batch.emplace_back(std::move(meter));
}

std::vector<CostRow> Bookkeeper::take_rows() {
    return std::exchange(cut_, {});
}

}  // namespace curfew
