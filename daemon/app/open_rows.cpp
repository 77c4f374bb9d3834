#include "curfew/app/open_rows.hpp"

#include <utility>

namespace curfew {

std::vector<CostRow> open_rows(const Meter& meter, WallTime now) {
    if (!meter.open || meter.counted_to >= now) {
        return {};
    }
    Meter as_if = meter;
    return close(as_if, now, false, Duration{0});
}

namespace {

/// What is known of a resource that may be gone from the picture, or never was in it (an add-on of nothing).
LedgerRow ledger_row(const Picture& picture, const AccountName& account, CostRow row) {
    LedgerRow made{.row = std::move(row),
                   .account = account,
                   .kind = ResourceKind::machine,
                   .name = {},
                   .project = {},
                   .owner = {}};
    if (const auto owner = picture.resources.find(made.row.resource); owner != picture.resources.end()) {
        const Resource& resource = owner->second.resource;
        made.kind = resource.kind;
        made.name = resource.name;
        made.project = resource.project;
        made.owner = resource.owner;
    } else if (const auto add_on = picture.add_ons.find(made.row.run); add_on != picture.add_ons.end()) {
        made.name = add_on->second.add_on.name;
    }
    return made;
}

}  // namespace

std::vector<LedgerRow> open_rows(const Picture& picture, const Now& now) {
    std::vector<LedgerRow> rows;
    const auto take = [&](const AccountName& account, const Meter& meter, WallTime until) {
        for (CostRow& row : open_rows(meter, until)) {
            rows.push_back(ledger_row(picture, account, std::move(row)));
        }
    };
    for (const auto& [id, live] : picture.resources) {
        const AccountName& account = live.resource.account;
        each_metered_run(live, [&](const LiveRun& run) {
            take(account, *run.meter, picture.billed_to(account, run, now));
        });
    }
    for (const auto& [id, add_on] : picture.add_ons) {
        take(add_on.account, add_on.meter, now.wall);
    }
    for (const auto& [account, closed] : picture.unstored) {
        for (const CostRow& row : closed) {
            rows.push_back(ledger_row(picture, account, row));
        }
    }
    return rows;
}

}  // namespace curfew
