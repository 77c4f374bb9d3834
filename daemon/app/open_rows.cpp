#include "curfew/app/open_rows.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

std::vector<CostRow> open_rows(const Meter& meter, WallTime now) {
    if (!meter.open || meter.counted_to >= now) {
        return {};
    }
    Meter as_if = meter;
    return close(as_if, now, false, Duration{0});
}

std::vector<LedgerRow> open_rows(const Picture& picture, WallTime now) {
    std::vector<LedgerRow> rows;
    for (const auto& [id, live] : picture.resources) {
        const auto add = [&](const LiveRun& run) {
            for (CostRow& row : run.meter ? open_rows(*run.meter, now) : std::vector<CostRow>{}) {
                rows.push_back({.row = std::move(row),
                                .account = live.resource.account,
                                .kind = live.resource.kind,
                                .name = live.resource.name,
                                .project = live.resource.project,
                                .owner = live.resource.owner});
            }
        };
        add(live.current);
        std::ranges::for_each(live.older, add);
    }
    return rows;
}

}  // namespace curfew
