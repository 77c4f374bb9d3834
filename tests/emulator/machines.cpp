// Core machines in the forms of both APIs.
#include "emulator.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace emulator {
namespace {

struct Region {
    const char* code;
    const char* name;
};
constexpr std::array regions{Region{"ny2", "East Coast (NY2)"}, Region{"ca1", "West Coast (CA1)"},
                             Region{"ams1", "Europe (AMS1)"}};

constexpr std::int64_t most_gigabytes = 2000;  // the largest disk of the price list

/// A rate as a JSON number; the shortest text that reads back the same is the printed one.
json number_of(Nanos amount) {
    return std::strtod(format_rate(amount).c_str(), nullptr);
}

/// Each machine has addresses of its own, from the ranges that are kept for examples.
std::string private_ip(const Machine& machine) {
    return "10.1." + std::to_string(machine.number / 250 % 250) + "." +
           std::to_string(machine.number % 250 + 3);
}

json v1_machine(const Emulator& emulator, const Machine& machine) {
    const Hardware hardware = hardware_of(emulator, machine.machine_type);
    json accelerators = json::array();
    if (hardware.gpus > 0) {
        accelerators.push_back({{"name", hardware.gpu},
                                {"memory", std::to_string(hardware.vram_bytes)},
                                {"count", hardware.gpus}});
    }
    const auto rate = emulator.prices.rate(machine.machine_type, emulator.clock.now());
    json out{{"id", machine.id},
             {"name", machine.name},
             {"state", machine.state},
             {"os", "Ubuntu 22.04"},
             {"agentType", "LinuxHeadless"},
             {"machineType", machine.machine_type},
             {"cpus", hardware.cpus},
             {"ram", std::to_string(hardware.ram_bytes)},
             {"storageTotal", std::to_string(machine.disk_gb << 30)},
             {"storageUsed", std::to_string((machine.disk_gb << 30) * 2 / 5)},
             {"accelerators", std::move(accelerators)},
             {"region", region_name(machine.region)},
             {"privateIp", private_ip(machine)},
             {"networkId", "neabcde1"},
             {"publicIp", public_ip_of(machine)},
             {"publicIpType", machine.public_ip_type},
             {"autoShutdownEnabled", machine.auto_shutdown},
             {"autoShutdownTimeout",
              machine.auto_shutdown_timeout ? json(*machine.auto_shutdown_timeout) : json(nullptr)},
             {"autoShutdownForce", machine.auto_shutdown_force},
             {"autoSnapshotEnabled", false},
             {"autoSnapshotFrequency", nullptr},
             {"autoSnapshotSaveCount", nullptr},
             {"updatesPending", false},
             {"restorePointEnabled", false},
             {"restorePointFrequency", nullptr},
             {"restorePointSnapshotId", nullptr},
             {"usageRate", rate ? number_of(*rate) : json(0)},
             {"storageRate", number_of(block_storage(machine.disk_gb).printed_per_hour)},
             {"dtCreated", iso(machine.created)},
             {"dtModified", iso(machine.modified)},
             {"dtDeleted", nullable(machine.deleted)},
             {"reservation", nullptr}};
    out.update(machine.extra);
    return out;
}

json event_json(const Machine& machine, const MachineEvent& event) {
    return {{"id", event.id},
            {"name", event.name},
            {"state", event.state},
            {"machineId", machine.id},
            {"dtCreated", iso(event.created)},
            {"dtStarted", nullable(event.started)},
            {"dtFinished", nullable(event.finished)},
            {"error", nullptr}};
}

/// What a single machine has besides: the newest first.
json legacy_events(const Machine& machine) {
    json events = json::array();
    for (auto event = machine.events.rbegin(); event != machine.events.rend(); ++event) {
        events.push_back({{"name", event->name},
                          {"state", event->state},
                          {"errorMsg", ""},
                          {"handle", event->id},
                          {"dtModified", iso(event->finished.value_or(event->created))},
                          {"dtFinished", nullable(event->finished)},
                          {"dtCreated", iso(event->created)}});
    }
    return events;
}

json legacy_machine(const Emulator& emulator, const Machine& machine) {
    const Hardware hardware = hardware_of(emulator, machine.machine_type);
    return {{"id", machine.id},
            {"name", machine.name},
            {"os", "Ubuntu 22.04"},
            {"ram", std::to_string(hardware.ram_bytes)},
            {"cpus", hardware.cpus},
            {"gpu", hardware.gpus > 0 ? json(hardware.gpu) : json("None")},
            {"storageTotal", std::to_string(machine.disk_gb << 30)},
            {"storageUsed", std::to_string((machine.disk_gb << 30) * 2 / 5)},
            {"usageRate", machine.machine_type + " Hourly"},
            {"machineType", machine.machine_type},
            {"shutdownTimeoutInHours",
             machine.auto_shutdown_timeout ? json(*machine.auto_shutdown_timeout) : json(nullptr)},
            {"shutdownTimeoutForces", machine.auto_shutdown_force},
            {"performAutoSnapshot", false},
            {"autoSnapshotFrequency", nullptr},
            {"autoSnapshotSaveCount", nullptr},
            {"dynamicPublicIp", machine.public_ip_type == "dynamic"},
            {"agentType", "LinuxHeadless"},
            {"dtCreated", iso(machine.created)},
            {"dtLastRun", machine.power.empty() ? json(nullptr) : json(iso(machine.power.back().from))},
            {"state", machine.state},
            {"updatesPending", false},
            {"networkId", "neabcde1"},
            {"privateIpAddress", private_ip(machine)},
            {"publicIpAddress", public_ip_of(machine)},
            {"region", region_name(machine.region)},
            {"userId", emulator.world->teams()[machine.team].user_id},
            {"teamId", emulator.world->teams()[machine.team].id},
            {"scriptId", nullptr}};
}

/// The Python client sends {"params":{...}} with its GET, the Node client a query, in the names of a request.
bool meets_filter(const json& machine, const Request& request, const json& body) {
    const auto member = [&machine](const std::string& name) {
        return machine.find(name == "machineId" ? "id" : name == "machineName" ? "name" : name);
    };
    for (const auto& [name, wanted] : request.query) {
        const auto found = member(name);
        if (found != machine.end() &&
            wanted != (found->is_string() ? found->get<std::string>() : found->dump())) {
            return false;
        }
    }
    const auto params = body.find("params");
    if (params == body.end() || !params->is_object()) {
        return true;
    }
    for (const auto& [name, wanted] : params->items()) {
        const auto found = member(name);
        if (found != machine.end() && *found != wanted) {
            return false;
        }
    }
    return true;
}

std::string text_of(const json& body, const char* name) {
    const auto found = body.find(name);
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

Reply create_machine(Emulator& emulator, const Request& request, std::size_t team) {
    const json body = request.parsed();
    if (!body.is_object()) {
        return v1_error(400, "Input validation failed", {"Expected object"});
    }
    std::vector<std::string> issues;
    for (const char* field : {"name", "machineType", "templateId", "region"}) {
        if (text_of(body, field).empty()) {
            issues.push_back(std::string{field} + ": Required");
        }
    }
    const auto bounded = [&body](const char* field, std::int64_t most) -> std::optional<std::int64_t> {
        const auto found = body.find(field);
        if (found == body.end() || !found->is_number()) {
            return std::nullopt;
        }
        const double value = found->get<double>();
        return value >= 1 && value <= static_cast<double>(most)
                   ? std::optional{static_cast<std::int64_t>(value)}
                   : std::nullopt;
    };
    const auto given = [&body](const char* field) { return body.contains(field) && !body[field].is_null(); };
    const auto disk = bounded("diskSize", most_gigabytes);
    if (!disk) {
        issues.emplace_back(given("diskSize") ? "diskSize: Number must be between 1 and 2000"
                                              : "diskSize: Required");
    }
    const auto timeout = bounded("autoShutdownTimeout", static_cast<std::int64_t>(most_hours));
    if (given("autoShutdownTimeout") && !timeout) {
        issues.emplace_back("autoShutdownTimeout: Number must be between 1 and 168");
    }
    const std::string ip = text_of(body, "publicIpType");
    if (given("publicIpType") && ip != "static" && ip != "dynamic" && ip != "none") {
        issues.emplace_back("publicIpType: Invalid enum value. Expected 'static' | 'dynamic' | 'none'");
    }
    const std::string region = region_code(text_of(body, "region"));
    if (region.empty() && issues.empty()) {
        issues.emplace_back("region: Invalid enum value");
    }
    if (!issues.empty()) {
        return v1_error(400, "Input validation failed", issues);
    }
    const std::string type = text_of(body, "machineType");
    if (!emulator.prices.rate(type, emulator.clock.now())) {
        return v1_error(400, "Machine type not found.");
    }
    if (emulator.world->unavailable.contains(type)) {
        return v1_error(429, "No capacity is available for this machine type.");
    }
    const bool start = !body.contains("startOnCreate") || body["startOnCreate"] != false;
    Machine& machine = emulator.world->create_machine(team, text_of(body, "name"), type, *disk, region,
                                                      start);
    if (!ip.empty()) {
        machine.public_ip_type = ip;
    }
    machine.auto_shutdown = body.contains("autoShutdownEnabled") && body["autoShutdownEnabled"] == true;
    machine.auto_shutdown_force = body.contains("autoShutdownForce") && body["autoShutdownForce"] == true;
    machine.auto_shutdown_timeout = timeout;
    return Reply::of(
        {{"event", event_json(machine, machine.events.back())}, {"data", v1_machine(emulator, machine)}});
}

/// As the Python and Node clients ask for it.
Reply create_legacy_machine(Emulator& emulator, const json& body, std::size_t team) {
    for (const char* field : {"region", "machineType", "billingType", "machineName", "templateId"}) {
        if (text_of(body, field).empty()) {
            return legacy_error(400, std::string{field} + " is required");
        }
    }
    const auto size = body.contains("size") ? hours_of(body["size"])
                                            : std::nullopt;  // a number, also in a string
    const std::string region = region_code(text_of(body, "region"));
    const std::string type = text_of(body, "machineType");
    if (!size || *size < 1 || *size > most_gigabytes || region.empty() ||
        !emulator.prices.rate(type, emulator.clock.now())) {
        return legacy_error(400, !size ? "size is required" : "Invalid size, region or machine type");
    }
    if (emulator.world->unavailable.contains(type)) {
        return legacy_error(429, "No capacity is available for this machine type.");
    }
    const auto yes = [&body](const char* name) { return body.contains(name) && body[name] == true; };
    Machine& machine = emulator.world->create_machine(team, text_of(body, "machineName"), type,
                                                      static_cast<std::int64_t>(*size), region, true);
    machine.public_ip_type = yes("dynamicPublicIp") ? "dynamic" : yes("assignPublicIp") ? "static" : "none";
    return Reply::of(legacy_machine(emulator, machine));
}

std::vector<json> events_of(const Emulator& emulator, std::size_t team, const std::string& machine_id) {
    std::vector<std::pair<std::pair<Millis, std::size_t>, json>> rows;
    for (const auto& machine : emulator.world->machines()) {
        if (machine->team == team && (machine_id.empty() || machine->id == machine_id)) {
            for (const MachineEvent& event : machine->events) {
                rows.emplace_back(std::make_pair(event.created, rows.size()), event_json(*machine, event));
            }
        }
    }
    std::ranges::sort(rows, {}, [](const auto& row) { return row.first; });
    std::vector<json> out;
    for (auto& [at, row] : rows) {
        out.push_back(std::move(row));
    }
    return out;
}

std::vector<json> os_templates(const Emulator& emulator) {
    json item{{"id", "tkni3aa4"},
              {"name", "Ubuntu 22.04"},
              {"agentType", "LinuxHeadless"},
              {"operatingSystemLabel", "Ubuntu 22.04"},
              {"defaultSizeGb", 50},
              {"availableMachineTypes", available_types(emulator)},
              {"dtCreated", "2022-06-01T00:00:00.000Z"}};
    std::vector<json> items;
    items.push_back(std::move(item));
    return items;
}

json utilization(const Emulator& emulator, const Machine& machine, const std::string& month) {
    const auto at = parse_iso(month + "-01");
    const Month range = at ? month_of(*at) : month_of(emulator.clock.now());
    const Millis now = std::min(emulator.clock.now(), range.to);
    Millis on = 0;
    for (const Machine::Power& power : machine.power) {
        const Millis from = std::max(power.from, range.from);
        const Millis to = std::min(power.to.value_or(now), now);
        on += std::max<Millis>(0, to - from);
    }
    const Millis kept = std::max<Millis>(
        0, std::min(machine.deleted.value_or(now), now) - std::max(machine.created, range.from));
    return {{"machineId", machine.id},
            {"utilization",
             {{"machineId", machine.id},
              {"secondsUsed", static_cast<double>(on) / 1000},
              {"hourlyRate", format_rate(emulator.prices.rate(machine.machine_type, now).value_or(0))},
              {"billingMonth", range.name}}},
            {"storageUtilization",
             {{"machineId", machine.id},
              {"secondsUsed", static_cast<double>(kept) / 1000},
              {"monthlyRate", format_rate(block_storage(machine.disk_gb).monthly_cap)},
              {"billingMonth", range.name}}}};
}

json vm_types(const Emulator& emulator) {
    json out = json::object();
    json rows = json::array();
    int id = 100;
    for (const std::string& type : emulator.prices.types()) {
        const Hardware hardware = hardware_of(emulator, type);
        const Nanos hourly = emulator.prices.rate(type, emulator.clock.now()).value_or(0);
        const bool gpu = hardware.gpus > 0;
        json clusters = json::array();
        clusters.push_back({{"id", cluster_id},
                            {"name", "gradient01-ny2"},
                            {"type", "Kubernetes Processing Site"},
                            {"region", "East Coast (NY2)"},
                            {"clusterId", 35},
                            {"isPrivate", false}});
        rows.push_back({{"showDisabled", false},
                        {"isAvailable", !emulator.world->unavailable.contains(type)},
                        {"isPreemptible", false},
                        {"vmTypeId", ++id},
                        {"clusters", std::move(clusters)},
                        {"vmType",
                         {{"id", id},
                          {"label", type},
                          {"kind", gpu ? "gpu" : "cpu"},
                          {"cpus", hardware.cpus},
                          {"ram", std::to_string(hardware.ram_bytes)},
                          {"gpuCount", hardware.gpus},
                          {"gpuModel",
                           {{"label", gpu ? hardware.gpu : "None"},
                            {"model", gpu ? hardware.gpu : "None"},
                            {"memInBytes", std::to_string(hardware.vram_bytes)}}},
                          {"defaultUsageRates", json::array({{{"type", "hourly"},
                                                              {"usageRate",
                                                               {{"label", type + " Hourly"},
                                                                {"type", "hourly"},
                                                                {"rate", format_rate(hourly)},
                                                                {"rateHourly", format_rate(hourly)},
                                                                {"rateMonthly", "0.00"}}}}})}}}});
    }
    out[cluster_id] = std::move(rows);
    return out;
}

}  // namespace

std::string region_name(const std::string& code) {
    for (const Region& region : regions) {
        if (code == region.code) {
            return region.name;
        }
    }
    return code;
}

std::string region_code(const std::string& text) {
    for (const Region& region : regions) {
        if (same_text(text, region.code) || text == region.name) {
            return region.code;
        }
    }
    return {};
}

json available_types(const Emulator& emulator) {
    json types = json::array();
    for (const std::string& type : emulator.prices.types()) {
        types.push_back(
            {{"machineTypeLabel", type}, {"isAvailable", !emulator.world->unavailable.contains(type)}});
    }
    return types;
}

json public_ip_of(const Machine& machine) {
    if (machine.public_ip_type != "static" &&
        (machine.public_ip_type != "dynamic" || machine.state == "off")) {
        return nullptr;
    }
    const std::size_t net = machine.number / 250;
    const std::string prefix = net == 0 ? "203.0.113." : "198.18." + std::to_string(net % 250) + ".";
    return prefix + std::to_string(machine.number % 250 + 3);
}

Hardware hardware_of(const Emulator& emulator, const std::string& type) {
    struct Size {
        const char* type;
        int cpus;
        std::int64_t ram_mib;
    };
    static constexpr Size sizes[] = {
        {"C1", 1, 512},      {"C2", 1, 1024},     {"C3", 2, 2048},      {"C4", 2, 4096},
        {"C5", 4, 8192},     {"C6", 8, 16384},    {"C7", 12, 30720},    {"C8", 16, 61440},
        {"C9", 24, 122880},  {"C10", 32, 249856}, {"A100", 12, 92160},  {"A4000", 8, 46080},
        {"A5000", 8, 46080}, {"A6000", 8, 46080}, {"H100", 20, 256000}, {"A100-80G", 12, 92160}};
    std::string base = type.starts_with("Free-") ? type.substr(5) : type;
    int times = 1;
    if (const std::size_t x = base.rfind('x'); x != std::string::npos && x + 1 < base.size()) {
        const int count = std::atoi(base.c_str() + x + 1);
        if (count > 0) {
            times = count;
            base.resize(x);
        }
    }
    Hardware out{8, 30720LL << 20, 0, "", 0};
    for (const Size& size : sizes) {
        if (base == size.type) {
            out.cpus = size.cpus;
            out.ram_bytes = size.ram_mib << 20;
        }
    }
    out.cpus *= times;
    out.ram_bytes *= times;
    if (const MachineType* row = emulator.prices.hardware(type)) {
        out.gpus = row->gpus;
        out.gpu = row->gpu;
        out.vram_bytes = std::atoll(row->vram.c_str()) << 30;
    }
    return out;
}

std::optional<Reply> route_v1_machines(Emulator& emulator, const Request& request, std::size_t team,
                                       const std::vector<std::string>& parts) {
    const std::string& method = request.method;
    World& world = *emulator.world;
    if (parts.size() == 1 && method == "GET") {
        if (parts[0] == "os-templates") {
            return v1_page(emulator, request, os_templates(emulator), {"name"});
        }
    }
    if (parts.empty() || (parts[0] != "machines" && parts[0] != "machine-events")) {
        return std::nullopt;
    }
    if (parts[0] == "machine-events" && method == "GET") {
        if (parts.size() == 1) {
            return v1_page(emulator, request,
                           events_of(emulator, team, request.param("machineId").value_or("")), {"dtCreated"});
        }
        for (const json& event : events_of(emulator, team, "")) {
            if (parts.size() == 2 && event["id"] == parts[1]) {
                return Reply::of(event);
            }
        }
        return v1_error(404, "Machine event not found.");
    }
    if (parts.size() == 1 && method == "GET") {
        std::vector<json> items;
        for (const auto& machine : world.machines()) {
            const auto differs = [&request](const char* name, const std::string& value) {
                const auto wanted = request.param(name);
                return wanted && *wanted != value;
            };
            const auto region = request.param("region");
            if (machine->team == team && !machine->deleted && !differs("name", machine->name) &&
                !differs("machineType", machine->machine_type) && !differs("agentType", "LinuxHeadless") &&
                (!region || region_code(*region) == machine->region)) {
                items.push_back(v1_machine(emulator, *machine));
            }
        }
        return v1_page(emulator, request, items, {"dtCreated", "name", "state"});
    }
    if (parts.size() == 1 && method == "POST") {
        return create_machine(emulator, request, team);
    }
    if (parts.size() < 2) {
        return std::nullopt;
    }
    Machine* machine = world.find_machine(parts[1]);
    if (machine == nullptr || machine->team != team || machine->deleted) {
        return v1_error(404, "Machine not found.");
    }
    if (parts.size() == 2 && method == "GET") {
        return Reply::of(v1_machine(emulator, *machine));
    }
    if (parts.size() == 2 && method == "PUT") {
        const json body = request.parsed();
        if (!body.is_object()) {
            return v1_error(400, "Input validation failed", {"Expected object"});
        }
        if (const std::string name = text_of(body, "name"); !name.empty()) {
            machine->name = name;
        }
        if (const std::string type = text_of(body, "machineType"); !type.empty()) {
            if (machine->state != "off") {
                return v1_error(409, "Machine must be off.");
            }
            world.machine_upgrade(*machine, type);
        }
        machine->modified = emulator.clock.now();
        return Reply::of({{"data", v1_machine(emulator, *machine)}});
    }
    const auto with_event = [&](const MachineEvent& event) {
        return Reply::of({{"event", event_json(*machine, event)}, {"data", v1_machine(emulator, *machine)}});
    };
    if (parts.size() == 2 && method == "DELETE") {
        return with_event(world.machine_destroy(*machine));
    }
    if (parts.size() == 3 && method == "GET" && parts[2] == "accessors") {
        return v1_page(emulator, request, {}, {"id"});
    }
    if (parts.size() == 3 && method == "PATCH") {
        MachineEvent* event = nullptr;
        if (parts[2] == "start") {
            event = world.machine_start(*machine);
        } else if (parts[2] == "stop") {
            event = request.ignore_stop ? &world.machine_pretend_stop(*machine)
                                        : world.machine_stop(*machine);
        } else if (parts[2] == "restart") {
            event = world.machine_restart(*machine);
        } else {
            return std::nullopt;
        }
        if (event == nullptr) {
            return v1_error(409, "Machine is " + machine->state + ".");
        }
        return with_event(*event);
    }
    return std::nullopt;
}

std::optional<Reply> route_legacy_machines(Emulator& emulator, const Request& request, std::size_t team,
                                           const std::vector<std::string>& parts) {
    World& world = *emulator.world;
    const std::string& method = request.method;
    if (request.path == "/vmTypes/getVmTypesByClusters" && method == "GET") {
        return Reply::of(vm_types(emulator));
    }
    if (parts.size() < 2 || parts[0] != "machines") {
        return std::nullopt;
    }
    const json body = request.body.empty() ? json::object() : request.parsed();
    const auto integer = [&request](const char* name, std::size_t otherwise) {
        std::size_t value = otherwise;
        if (const auto text = request.param(name)) {
            std::from_chars(text->data(), text->data() + text->size(), value);
        }
        return value;
    };
    if (method == "GET" && parts[1] == "getMachines") {
        const std::size_t limit = integer("limit", 1000);
        std::size_t skip = integer("skip", 0);
        json out = json::array();
        for (const auto& machine : world.machines()) {
            if (machine->team != team || machine->deleted) {
                continue;
            }
            json row = legacy_machine(emulator, *machine);
            if (!meets_filter(row, request, body)) {
                continue;
            }
            if (skip > 0) {
                --skip;
            } else if (out.size() < limit) {
                out.push_back(std::move(row));
            }
        }
        return Reply::of(out);
    }
    if (method == "POST" && parts[1] == "createSingleMachinePublic") {
        return create_legacy_machine(emulator, body, team);
    }
    if (method == "GET" && parts[1] == "getAvailability") {
        return Reply::of(
            {{"available", !world.unavailable.contains(request.param("machineType").value_or(""))}});
    }
    std::string id = request.param("machineId").value_or("");
    if (id.empty()) {
        id = text_of(body, "machineId");
    }
    if (id.empty() && parts.size() == 3) {
        id = parts[1];
    }
    Machine* machine = world.find_machine(id);
    if (machine == nullptr || machine->team != team || machine->deleted) {
        return legacy_error(404, "Machine not found");
    }
    if (method == "GET" && (parts[1] == "getMachinePublic" || parts[1] == "getMachinesPublic")) {
        json object = legacy_machine(emulator, *machine);
        object["events"] = legacy_events(*machine);
        return Reply::of(object);
    }
    if (method == "GET" && parts[1] == "getUtilization") {
        return Reply::of(utilization(emulator, *machine, request.param("billingMonth").value_or("")));
    }
    if (method != "POST") {
        return std::nullopt;
    }
    const std::string& verb = parts.back();
    if (verb == "updateMachinePublic") {
        for (const char* name : {"machineName", "name"}) {
            if (const std::string text = text_of(body, name); !text.empty()) {
                machine->name = text;
            }
        }
        if (body.contains("shutdownTimeoutInHours")) {
            const auto hours = hours_of(body["shutdownTimeoutInHours"]);
            machine->auto_shutdown = hours.has_value();
            machine->auto_shutdown_timeout = hours ? std::optional{static_cast<std::int64_t>(*hours)}
                                                   : std::nullopt;
        }
        machine->modified = emulator.clock.now();
        return Reply::empty(204);
    }
    if (verb == "destroyMachine") {
        world.machine_destroy(*machine);
        return Reply::empty(204);
    }
    MachineEvent* event = nullptr;
    if (verb == "start") {
        event = world.machine_start(*machine);
    } else if (verb == "stop") {
        if (request.ignore_stop) {
            return Reply::empty(204);
        }
        event = world.machine_stop(*machine);
    } else if (verb == "restart") {
        event = world.machine_restart(*machine);
    } else {
        return std::nullopt;
    }
    return event != nullptr ? Reply::empty(204) : legacy_error(409, "Machine is " + machine->state);
}

}  // namespace emulator
