// The meter in the whole application, on virtual time: what the ledger holds, and what it should.
#pragma once

#include "support/life.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace curfew::test {

constexpr std::int64_t gb = std::int64_t{1} << 30;

/// 2026-11-23T02:10:00Z, where the virtual clock begins.
inline const WallTime origin{1'795'399'800'000};

struct Books : Rig {
    Books() {
        config->rules.clear();
        const auto read = prices.read_add_ons(
            "kind,gb,usd_per_month,usd_per_hour,as_of,note\n"
            "block_storage,50,5.00,0.0074,2025-11-14,\n"
            "block_storage,100,7.00,0.0104,2025-11-14,\n"
            "shared_drive,250,16.00,0.0238,2025-11-14,\n"
            "public_ip,,3.00,0.0045,2025-11-14,\n",
            "add-ons.csv");
        REQUIRE(read);
    }
    FakeNotebook& machine(const std::string& name) {
        FakeNotebook& m = world.add(name);
        m.resource.kind = ResourceKind::machine;
        return m;
    }
    AddOn disk(const FakeNotebook& of, std::int64_t size) const {
        AddOn add_on;
        add_on.id = "disk/" + of.resource.name;
        add_on.resource = of.resource.id;
        add_on.name = "disk of " + of.resource.name;
        add_on.bytes = size;
        add_on.since = scheduler.wall();
        return add_on;
    }
    AddOn address(const FakeNotebook& of) const {
        AddOn add_on;
        add_on.id = "ip/203.0.113.9";
        add_on.kind = AddOnKind::public_ip;
        add_on.resource = of.resource.id;
        add_on.name = "address of " + of.resource.name;
        add_on.since = of.resource.run.started_at;
        return add_on;
    }
    Duration at(const std::string& time) const { return utc(time) - scheduler.wall(); }
    void run_to(const std::string& time) { scheduler.run_for(at(time)); }

    std::vector<CostRow> rows(const std::string& run) const {
        std::vector<CostRow> found;
        for (const CostRow& row : store.costs) {
            if (row.run.value == run || run.empty()) {
                found.push_back(row);
            }
        }
        return found;
    }
    Money spent(const std::string& run = {}) const {
        Money sum;
        for (const CostRow& row : rows(run)) {
            CHECK((row.gross.nanos >= 0 || row.source == CostSource::adjustment));
            sum += row.gross;
        }
        return sum;
    }
    Duration metered(const std::string& run) const {
        Duration sum{0};
        for (const CostRow& row : rows(run)) {
            sum += row.source == CostSource::adjustment ? row.from - row.to : row.to - row.from;
        }
        return sum;
    }
    const Meter& meter(const std::string& run) const {
        const auto found = std::ranges::find_if(
            store.meters, [&](const auto& entry) { return entry.first.first.value == run; });
        REQUIRE(found != store.meters.end());
        return found->second;
    }
    Duration bar(const std::string& run) const {
        Duration sum{0};
        for (const CostRow& row : rows(run)) {
            sum += row.error_bar;
        }
        return sum;
    }
    bool each_once() const {
        std::set<std::tuple<ResourceId, RunId, MeterKind, WallTime, CostSource>> keys;
        return std::ranges::all_of(store.costs, [&](const CostRow& row) {
            return keys.emplace(row.resource, row.run, row.meter, row.from, row.source).second;
        });
    }
};

inline Money at(std::string_view per_hour, Duration d) {
    return cost_of(Rate{parse_money(per_hour).value()}, d).value();
}

/// Within half a nano a row.
inline bool near(Money a, Money b, std::size_t rows) {
    return 2 * std::abs(a.nanos - b.nanos) <= static_cast<std::int64_t>(rows) + 1;
}

}  // namespace curfew::test
