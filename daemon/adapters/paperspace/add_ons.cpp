#include "adapters/paperspace/add_ons.hpp"

#include <algorithm>
#include <utility>

namespace curfew::paperspace {

namespace {

constexpr std::int64_t gibibyte = std::int64_t{1} << 30;
constexpr std::int64_t gigabyte = 1'000'000'000;
/// No size in bytes is smaller, none in gigabytes larger.
constexpr std::int64_t gigabytes_max = 1'000'000;

/// In bytes, or in gigabytes where it is that small; 0 = not told.
std::int64_t size_of(const json::Value& value) {
    const std::int64_t size = std::max<std::int64_t>(0, value.integer().value_or(0));
    return size < gigabytes_max ? size * gibibyte : size;
}

/// The same number of 10^9 bytes as there are of 2^30 in it.
std::int64_t as_decimal(std::int64_t bytes) {
    return bytes / gibibyte * gigabyte + bytes % gibibyte * gigabyte / gibibyte;
}

std::string id_of(std::string_view kind, const std::string& id) {
    return std::string{kind} + "/" + id;
}

std::string named(std::string_view what, const json::Value& item) {
    const std::string name = item["name"].text();
    return std::string{what} + " " + (name.empty() ? item["id"].text() : name);
}

}  // namespace

AddOns::AddOns(const Machines& machines) : machines_(machines) {
    for (const auto& [id, machine] : machines) {
        of_machine(machine);
    }
}

void AddOns::of_machine(const Machine& machine) {
    const MachineItem& m = machine.item;
    if (!m.deleted_at) {
        networks_with_machines_.insert(m.network);
    }
    AddOn disk{.id = id_of("disk", m.resource.value),
               .kind = AddOnKind::block_storage,
               .resource = m.resource,
               .name = "disk of " + m.name,
               .bytes = m.disk_bytes,
               .billing = !m.deleted_at,
               .since = m.created_at,
               .until = m.deleted_at};
    all_.push_back(std::move(disk));
    AddOn ip{.kind = AddOnKind::public_ip, .resource = m.resource, .name = "address of " + m.name};
    if (m.address_type == "static") {
        // By the address: it may outlive the machine, and is the same thing then.
        ip.id = id_of("ip", m.address.empty() ? m.resource.value : m.address);
        ip.billing = !m.deleted_at;
        ip.since = m.created_at;
        ip.until = m.deleted_at;
    } else if (m.address_type == "dynamic") {
        ip.id = id_of("ip", m.resource.value);
        ip.billing = !is_off(m.state);
        ip.since = machine.run.started_at;
        if (!ip.billing) {
            ip.until = machine.run.stopped_at ? machine.run.stopped_at : m.deleted_at;
        }
    } else {
        return;
    }
    all_.push_back(std::move(ip));
}

AddOn& AddOns::add(AddOnKind kind, const std::string& id, std::string name, const json::Value& item) {
    AddOn a{.id = id, .kind = kind, .resource = ResourceId{id}, .name = std::move(name)};
    a.since = item["dtCreated"].time();
    a.until = item["dtDeleted"].time();
    a.billing = !a.until;
    all_.push_back(std::move(a));
    return all_.back();
}

/// False where the machine is gone.
bool AddOns::belongs_to(AddOn& add_on, const std::string& machine) const {
    const auto found = machines_.find(ResourceId{machine});
    if (found == machines_.end() || found->second.item.deleted_at) {
        return false;
    }
    add_on.resource = found->first;
    add_on.name += " of " + found->second.item.name;
    return true;
}

bool AddOns::public_ip(const json::Value& item) {
    const std::string address = item["ip"].text();
    if (address.empty()) {
        return false;
    }
    const std::string id = id_of("ip", address);
    const auto known = std::ranges::find(all_, id, &AddOn::id);
    if (known != all_.end()) {
        if (const auto claimed = item["dtCreated"].time()) {
            known->since = claimed;
        }
        return true;
    }
    AddOn& a = add(AddOnKind::public_ip, id, "address " + address, item);
    a.orphan = !belongs_to(a, item["assignedMachineId"].text());
    return true;
}

bool AddOns::snapshot(const json::Value& item) {
    const std::string id = item["id"].text();
    if (id.empty()) {
        return false;
    }
    AddOn& a = add(AddOnKind::snapshot, id_of("snapshot", id), named("snapshot", item), item);
    a.bytes = size_of(item["size"]);
    const std::string machine = item["machineId"].text();
    if (belongs_to(a, machine)) {
        a.bytes = a.bytes > 0 ? a.bytes : machines_.at(a.resource).item.disk_bytes;
    } else {
        a.orphan = !machine.empty();
    }
    return true;
}

bool AddOns::shared_drive(const json::Value& item) {
    const std::string id = item["id"].text();
    if (id.empty()) {
        return false;
    }
    AddOn& a = add(AddOnKind::shared_drive, id_of("drive", id), named("shared drive", item), item);
    a.bytes = size_of(item["size"]);
    networks_of_drives_[a.id] = item["networkId"].text();
    return true;
}

bool AddOns::custom_template(const json::Value& item) {
    const std::string id = item["id"].text();
    if (id.empty()) {
        return false;
    }
    AddOn& a = add(AddOnKind::template_image, id_of("template", id), named("template", item), item);
    a.bytes = size_of(item["defaultSizeGb"]);
    const std::string machine = item["parentMachineId"].text();
    a.orphan = !belongs_to(a, machine) && !machine.empty();
    return true;
}

bool AddOns::private_network(const json::Value& item) {
    const std::string id = item["id"].text();
    if (id.empty()) {
        return false;
    }
    add(AddOnKind::private_network, id_of("network", id), named("private network", item), item);
    return true;
}

bool AddOns::overage(const json::Value& utilization, const std::string& team, bool gibibytes) {
    const auto used = utilization["totalUsage"].integer();
    const auto free = utilization["totalFreeStorage"].integer();
    if (!used || !free || *used < 0 || *free < 0) {
        return false;
    }
    AddOn& a = add(AddOnKind::overage, id_of("overage", team), "storage above the plan of team " + team, {});
    const std::int64_t above = std::max<std::int64_t>(0, *used - *free);
    a.bytes = gibibytes ? as_decimal(above) : above;
    a.billing = above > 0;
    return true;
}

std::vector<AddOn> AddOns::take() {
    std::set<std::string> used = networks_with_machines_;
    for (AddOn& a : all_) {
        const auto network = networks_of_drives_.find(a.id);
        if (network == networks_of_drives_.end()) {
            continue;
        }
        const bool listed = std::ranges::any_of(
            all_, [&](const AddOn& other) { return other.id == id_of("network", network->second); });
        a.orphan = !network->second.empty() && !listed && !used.contains(network->second);
    }
    for (const auto& [drive, network] : networks_of_drives_) {
        used.insert(network);
    }
    for (AddOn& a : all_) {
        if (a.kind == AddOnKind::private_network) {
            a.orphan = !used.contains(a.id.substr(a.id.find('/') + 1));
        }
    }
    return std::move(all_);
}

}  // namespace curfew::paperspace
