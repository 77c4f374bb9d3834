// What an account pays for besides runs, gathered from one complete listing of its machines and the lists that
// belong to them. Wire facts: v1's OpenAPI (May 2024) and its description of March 2026.
#pragma once

#include "adapters/paperspace/wire.hpp"
#include "curfew/core/add_on.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace curfew::paperspace {

/// A listed machine with its newest run.
struct Machine {
    MachineItem item;
    MachineRun run;
};
using Machines = std::map<ResourceId, Machine>;

class AddOns {
public:
    explicit AddOns(const Machines& machines);

    /// Items of the lists, each in any order; false: something is there that we cannot name.
    /// An address is the machine's that it is assigned to, and an orphan where that is nobody.
    bool public_ip(const json::Value& item);
    /// The list tells neither size nor date: it is as large as its machine's disk.
    bool snapshot(const json::Value& item);
    bool shared_drive(const json::Value& item);
    bool custom_template(const json::Value& item);
    bool private_network(const json::Value& item);
    /// GET /v1/storage-providers/utilization: what lies above the plan. `gibibytes`: the price counts those,
    /// so 2^30 bytes are given as 10^9. False where the answer does not tell.
    bool overage(const json::Value& utilization, const std::string& team, bool gibibytes);

    /// All of them, with drives and networks in which nothing is as orphans.
    std::vector<AddOn> take();

private:
    void of_machine(const Machine& machine);
    AddOn& add(AddOnKind kind, const std::string& id, std::string name, const json::Value& item);
    bool belongs_to(AddOn& add_on, const std::string& machine) const;

    const Machines& machines_;
    std::vector<AddOn> all_;
    std::map<std::string, std::string> networks_of_drives_;  // by the add-on's id
    std::set<std::string> networks_with_machines_;
};

}  // namespace curfew::paperspace
