// What costs without running: addresses, snapshots, shared drives, templates, networks, storage above the plan.
#include "emulator.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>

namespace emulator {
namespace {

struct List {
    Extra::Kind kind;
    const char* word;  // of the control
    const char* path;  // on v1
    const char* noun;
};
constexpr std::array lists{
    List{Extra::Kind::snapshot, "snapshot", "snapshots", "Snapshot"},
    List{Extra::Kind::shared_drive, "shared-drive", "shared-drives", "Shared drive"},
    List{Extra::Kind::custom_template, "template", "custom-templates", "Template"},
    List{Extra::Kind::private_network, "network", "private-networks", "Private network"},
    List{Extra::Kind::address, "ip", "public-ips", "Public IP"}};

json object_of(const Emulator& emulator, const Extra& extra) {
    json out;
    switch (extra.kind) {
        case Extra::Kind::address:  // assignedMachineId is absent: it belongs to nothing
            out = {
                {"ip", extra.id}, {"region", region_name(extra.region)}, {"dtCreated", iso(extra.created)}};
            break;
        case Extra::Kind::snapshot:
            out = {{"id", extra.id},
                   {"name", extra.name},
                   {"machineId", extra.machine},
                   {"isAutoSnapshot", false}};
            break;
        case Extra::Kind::shared_drive:
            out = {{"id", extra.id},
                   {"name", extra.name},
                   {"size", extra.size_gb << 30},
                   {"region", region_name(extra.region)},
                   {"networkId", extra.network},
                   {"mountPoint", "//10.1.0.2/" + extra.id},
                   {"username", "user-" + extra.id},
                   {"password", "password-of-" + extra.id},
                   {"dtCreated", iso(extra.created)},
                   {"dtDeleted", nullptr}};
            break;
        case Extra::Kind::custom_template:
            out = {{"id", extra.id},
                   {"name", extra.name},
                   {"agentType", "LinuxHeadless"},
                   {"operatingSystemLabel", "Ubuntu 22.04"},
                   {"defaultSizeGb", extra.size_gb},
                   {"parentMachineId", extra.machine},
                   {"region", region_name(extra.region)},
                   {"availableMachineTypes", available_types(emulator)},
                   {"dtCreated", iso(extra.created)},
                   {"dtDeleted", nullptr}};
            break;
        case Extra::Kind::private_network:
            out = {{"id", extra.id},
                   {"name", extra.name},
                   {"network", "10.2.0.0"},
                   {"netmask", "255.255.0.0"},
                   {"region", region_name(extra.region)},
                   {"dtCreated", iso(extra.created)},
                   {"dtDeleted", nullptr}};
            break;
    }
    out.update(extra.extra);
    return out;
}

/// Those of machines and those of nobody, the oldest first.
std::vector<json> addresses(const Emulator& emulator, std::size_t team,
                            const std::optional<std::string>& region) {
    std::vector<std::pair<std::pair<Millis, std::size_t>, json>> rows;
    const auto add = [&rows](Millis created, json row) {
        rows.emplace_back(std::make_pair(created, rows.size()), std::move(row));
    };
    for (const auto& machine : emulator.world->machines()) {
        if (machine->team == team && machine->public_ip_type == "static" && !machine->deleted &&
            (!region || region_code(*region) == machine->region)) {
            add(machine->created, json{{"ip", public_ip_of(*machine)},
                                       {"region", region_name(machine->region)},
                                       {"dtCreated", iso(machine->created)},
                                       {"assignedMachineId", machine->id}});
        }
    }
    for (const auto& extra : emulator.world->extras()) {
        if (extra->team == team && extra->kind == Extra::Kind::address && !extra->deleted &&
            (!region || region_code(*region) == extra->region)) {
            add(extra->created, object_of(emulator, *extra));
        }
    }
    std::ranges::sort(rows, {}, [](const auto& row) { return row.first; });
    std::vector<json> out;
    for (auto& [at, row] : rows) {
        out.push_back(std::move(row));
    }
    return out;
}

std::int64_t bytes_of(const json& figures, const char* name) {
    const auto found = figures.find(name);
    return found != figures.end() && found->is_string()
               ? std::atoll(found->get_ref<const std::string&>().c_str())
               : 0;
}

}  // namespace

void TeamStorage::set(const json& change, Millis now) {
    figures.update(change);
    const std::int64_t above = std::max<std::int64_t>(
        0, bytes_of(figures, "totalUsage") - bytes_of(figures, "totalFreeStorage"));
    if (overage.empty() || overage.back().second != above) {
        overage.emplace_back(now, above);
    }
}

std::optional<Reply> route_v1_extras(const Emulator& emulator, const Request& request, std::size_t team,
                                     const std::vector<std::string>& parts) {
    const auto list = std::ranges::find_if(
        lists, [&](const List& one) { return !parts.empty() && parts[0] == one.path; });
    if (list == lists.end() || request.method != "GET") {
        return std::nullopt;
    }
    if (parts.size() == 2) {
        const Extra* extra = emulator.world->find_extra(parts[1]);
        if (extra == nullptr || extra->kind != list->kind || extra->team != team || extra->deleted) {
            return v1_error(404, std::string{list->noun} + " not found.");
        }
        return Reply::of(object_of(emulator, *extra));
    }
    const auto region = request.param("region");
    if (list->kind == Extra::Kind::address) {
        return v1_page(emulator, request, addresses(emulator, team, region), {"dtCreated"}, "ip");
    }
    std::vector<json> items;
    for (const auto& extra : emulator.world->extras()) {
        const auto name = request.param("name");
        const auto machine = request.param("machineId");
        if (extra->kind == list->kind && extra->team == team && !extra->deleted &&
            (!name || *name == extra->name) && (!machine || *machine == extra->machine) &&
            (!region || region_code(*region) == extra->region)) {
            items.push_back(object_of(emulator, *extra));
        }
    }
    return v1_page(emulator, request, items, {"dtCreated", "name"});
}

json make_extra(Emulator& emulator, const json& body, std::size_t team) {
    const auto text = [&body](const char* name, const std::string& otherwise) {
        return body.value(name, otherwise);
    };
    const auto list = std::ranges::find_if(lists,
                                           [&](const List& one) { return text("kind", "") == one.word; });
    if (list == lists.end()) {
        throw std::invalid_argument{"kind must be ip, snapshot, shared-drive, template or network"};
    }
    Extra extra;
    extra.kind = list->kind;
    extra.team = team;
    extra.name = text("name", list->word);
    extra.region = text("region", "ny2");
    extra.machine = text("machine", "");
    extra.network = text("network", "neabcde1");
    extra.size_gb = body.value("sizeGb", std::int64_t{50});
    extra.extra = body.value("set", json::object());
    return {{"id", emulator.world->create_extra(std::move(extra)).id}};
}

}  // namespace emulator
