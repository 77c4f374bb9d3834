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
    for (const auto& [id, live] : picture.add_ons) {
        const auto owner = picture.resources.find(live.add_on.resource);
        const Resource* resource = owner == picture.resources.end() ? nullptr : &owner->second.resource;
        for (CostRow& row : open_rows(live.meter, now)) {
            rows.push_back({.row = std::move(row),
                            .account = live.account,
                            .kind = resource != nullptr ? resource->kind : ResourceKind::machine,
                            .name = resource != nullptr ? resource->name : live.add_on.name,
                            .project = resource != nullptr ? resource->project : std::string{},
                            .owner = resource != nullptr ? resource->owner : std::string{}});
        }
    }
    return rows;
}

}  // namespace curfew
