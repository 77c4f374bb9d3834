// The older API: https://api.paperspace.io, logs.paperspace.io and services.paperspace.io with an X-API-Key.
#include "emulator.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <fstream>

namespace emulator {
namespace {

constexpr Millis hour_ms = 3'600'000;
constexpr int first_vm_type = 100;  // types are numbered from the next one on

std::optional<std::size_t> team_of(const Emulator& emulator, const Request& request) {
    return emulator.world->team_of_key(request.header("x-api-key"));
}

json clusters(const Emulator& emulator) {
    json out = json::array();
    int number = first_vm_type;
    for (const std::string& type : emulator.prices.types()) {
        ++number;
        const bool available = !emulator.world->unavailable.contains(type);
        out.push_back({{"vmTypeId", number},
                       {"clusterId", 35},
                       {"isAvailable", available},
                       {"isPreemptible", false},
                       {"showDisabled", false},
                       {"numActiveNodes", "0"},
                       {"numAvailableNodes", available ? "4" : "0"},
                       {"id", std::to_string(number + 4000)},
                       {"cluster",
                        {{"name", "gradient01-ny2"},
                         {"type", "Kubernetes Processing Site"},
                         {"regionId", 2},
                         {"handle", cluster_id},
                         {"fqdn", cluster_domain}}},
                       {"vmType", {{"id", number}, {"label", type}}}});
    }
    return out;
}

/// `where` of the filter: equality of members, or {"inq":[...]} / {"neq":...}.
bool where_holds(const json& object, const json& where) {
    for (const auto& [name, wanted] : where.items()) {
        const json actual = object.contains(name) ? object[name] : json(nullptr);
        if (wanted.is_object()) {
            if (wanted.contains("inq") && std::ranges::find(wanted["inq"], actual) == wanted["inq"].end()) {
                return false;
            }
            if (wanted.contains("neq") && wanted["neq"] == actual) {
                return false;
            }
        } else if (wanted != actual) {
            return false;
        }
    }
    return true;
}

Reply get_notebooks(Emulator& emulator, const Request& request, const CallInfo& call, std::size_t team) {
    json filter = json::object();
    std::string text = request.param("filter").value_or("");
    if (text.empty() && !request.body.empty()) {
        const json body = request.parsed();
        if (body.is_object() && body.contains("filter")) {
            text = body["filter"].is_string() ? body["filter"].get<std::string>() : body.dump();
        }
    }
    if (!text.empty()) {
        filter = parse_json(text);
        if (!filter.is_object()) {
            return legacy_error(400, "Invalid filter");
        }
        if (filter.contains("filter") && filter["filter"].is_object()) {
            filter = json(filter["filter"]);
        }
    }
    std::vector<std::string> tags;
    for (const auto& [name, value] : request.query) {
        if (name.starts_with("tagFilter")) {
            tags.push_back(value);
        }
    }
    const json where = filter.contains("where") && filter["where"].is_object() ? json(filter["where"])
                                                                               : json::object();
    const auto number = [&filter](const char* name, std::size_t otherwise) {
        const auto found = filter.find(name);
        return found != filter.end() && found->is_number_integer() && *found >= 0 ? found->get<std::size_t>()
                                                                                  : otherwise;
    };
    const std::size_t limit = number("limit", 20);
    const std::size_t offset = number("offset", 0);
    std::int64_t running = 0;
    std::int64_t free_running = 0;
    std::vector<json> rows;
    const bool ascending = filter.contains("order") && filter["order"].is_string() &&
                           filter["order"].get<std::string>().ends_with(" asc");
    for (const auto& notebook : emulator.world->notebooks()) {
        if (notebook->team != team) {
            continue;
        }
        const Run& run = notebook->run();
        if (run.state == RunState::running && !notebook->deleted) {
            ++running;
            free_running += run.machine_type.starts_with("Free-") ? 1 : 0;
        }
        const bool tagged = tags.empty() || std::ranges::any_of(tags, [&](const std::string& tag) {
                                return std::ranges::find(notebook->tags, tag) != notebook->tags.end();
                            });
        if (!tagged || (notebook->deleted && !where.contains("dtDeleted"))) {
            continue;
        }
        json row = legacy_notebook(emulator, *notebook, run);
        if (where_holds(row, where)) {
            rows.push_back(std::move(row));
        }
    }
    std::ranges::sort(rows, [ascending](const json& a, const json& b) {
        const auto x = a["jobId"].get<std::int64_t>();
        const auto y = b["jobId"].get<std::int64_t>();
        return ascending ? x < y : x > y;
    });
    const auto total = static_cast<std::int64_t>(rows.size());
    json list = json::array();
    for (std::size_t i = offset; i < rows.size() && i - offset < limit; ++i) {
        list.push_back(std::move(rows[i]));
    }
    if (const auto stale = emulator.faults.take_list("stale_list", call); stale && stale->stale.is_object()) {
        list = stale->stale["legacy"][team];
    }
    const auto change = [&](const char* kind, const char* member, const char* otherwise) {
        if (const auto odd = emulator.faults.take_list(kind, call)) {
            for (json& item : list) {
                const Found found = emulator.world->find_run(item["handle"].get<std::string>());
                if (found && odd->meets_item(found.run->id, found.notebook->repo_id)) {
                    item[member] = odd->text(member == std::string_view{"vmType"} ? "machineType" : "state",
                                             otherwise);
                }
            }
        }
    };
    change("unknown_state", "state", "Hibernating");
    change("unknown_type", "vmType", "Z9000");
    if (const auto partial = emulator.faults.take_list("partial_list", call)) {
        const auto keep = static_cast<std::size_t>(
            std::max<std::int64_t>(0, partial->integer("keep", static_cast<std::int64_t>(list.size() / 2))));
        while (list.size() > keep) {
            list.erase(list.size() - 1);
        }
    }
    return Reply::of({{"notebookList", std::move(list)},
                      {"total", total},
                      {"runningTotal", running},
                      {"freeTierRunningTotal", free_running},
                      {"displayTotal", total},
                      {"availableMachines", clusters(emulator)}});
}

struct StartInput {
    std::optional<double> timeout;
    bool timeout_given = false;
    std::optional<std::string> refused;
};

StartInput timeout_of(const json& body) {
    StartInput input;
    const auto found = body.find("shutdownTimeout");
    if (found == body.end()) {
        input.timeout = 12;  // the platform's own default
        return input;
    }
    input.timeout_given = true;
    if (!found->is_null()) {
        input.timeout = hours_of(*found);
        if (!input.timeout || *input.timeout <= 0 || *input.timeout > most_hours) {
            input.refused = "Invalid shutdownTimeout";
        }
    }
    return input;
}

std::string text_of(const json& body, const char* name) {
    const auto found = body.find(name);
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

/// The type that a start or a create names: by its label, or as the clients may, by the number of clusters().
std::string machine_type_of(const Emulator& emulator, const json& body) {
    for (const char* name : {"machineType", "vmTypeLabel"}) {
        if (std::string label = text_of(body, name); !label.empty()) {
            return label;
        }
    }
    const auto number = body.find("vmTypeId");
    const std::vector<std::string> types = emulator.prices.types();
    if (number != body.end() && number->is_number_integer() && *number > first_vm_type &&
        *number <= first_vm_type + static_cast<std::int64_t>(types.size())) {
        return types[number->get<std::size_t>() - first_vm_type - 1];
    }
    return {};
}

/// As both verbs about tags give them.
json tag_rows(const Notebook& notebook) {
    json rows = json::array();
    for (const std::string& tag : notebook.tags) {
        const std::size_t number = rows.size() + 1;
        rows.push_back({{"tagId", number},
                        {"entity", "notebook"},
                        {"entityId", notebook.row_id},
                        {"dtCreated", iso(notebook.created)},
                        {"dtDeleted", nullptr},
                        {"userId", 1},
                        {"id", number},
                        {"entity_id", notebook.row_id},
                        {"tag", {{"name", tag}, {"dtCreated", iso(notebook.created)}, {"id", number}}}});
    }
    return rows;
}

Reply create_notebook(Emulator& emulator, const json& body, std::size_t team) {
    NotebookSpec spec;
    spec.team = team;
    spec.machine_type = machine_type_of(emulator, body);
    if (spec.machine_type.empty()) {
        return legacy_error(400, "machineType is required");
    }
    if (text_of(body, "projectId").empty() && text_of(body, "projectHandle").empty()) {
        return legacy_error(400, "projectId is required");
    }
    spec.project_id = text_of(body, text_of(body, "projectId").empty() ? "projectHandle" : "projectId");
    spec.name = text_of(body, "name");
    if (spec.name.empty()) {
        spec.name = "untitled";
    }
    if (!text_of(body, "container").empty()) {
        spec.container = text_of(body, "container");
    }
    if (const std::string command = text_of(body, "command"); !command.empty() && !base64_decode(command)) {
        return legacy_error(500, "Internal Server Error");
    }
    const StartInput input = timeout_of(body);
    if (input.refused) {
        return legacy_error(400, *input.refused);
    }
    spec.timeout_hours = input.timeout;
    spec.is_public = body.contains("isPublic") && body["isPublic"] == true;
    spec.is_preemptible = body.contains("isPreemptible") && body["isPreemptible"] == true;
    if (body.contains("tags") && body["tags"].is_array()) {
        for (const json& tag : body["tags"]) {
            if (tag.is_string()) {
                spec.tags.push_back(tag.get<std::string>());
            }
        }
    }
    if (!emulator.prices.rate(spec.machine_type, emulator.clock.now())) {
        return legacy_error(400, "Invalid machine type");
    }
    if (emulator.world->unavailable.contains(spec.machine_type)) {
        return legacy_error(429,
                            "We are currently out of capacity for the selected VM type. Try again in a few "
                            "minutes, or select a different instance.");
    }
    Notebook& notebook = emulator.world->create(spec);
    emulator.world->start(notebook);
    return Reply::of(legacy_notebook(emulator, notebook, notebook.run()));
}

Reply start_notebook(Emulator& emulator, Notebook& notebook, const json& body) {
    const std::string type = machine_type_of(emulator, body);
    if (type.empty()) {
        return legacy_error(400, "machineType is required");
    }
    const StartInput input = timeout_of(body);
    if (input.refused) {
        return legacy_error(400, *input.refused);
    }
    if (!terminal(notebook.run().state)) {
        return legacy_error(409, "Notebook is already running.");
    }
    if (!emulator.prices.rate(type, emulator.clock.now())) {
        return legacy_error(400, "Invalid machine type");
    }
    if (emulator.world->unavailable.contains(type)) {
        return legacy_error(429,
                            "We are currently out of capacity for the selected VM type. Try again in a few "
                            "minutes, or select a different instance.");
    }
    notebook.machine_type = type;
    notebook.timeout_hours = input.timeout;
    if (const std::string name = text_of(body, "notebookName"); !name.empty()) {
        notebook.name = name;
    }
    const Run& run = emulator.world->start(notebook);
    return Reply::of(legacy_notebook(emulator, notebook, run));
}

json artifacts(const Notebook& notebook, const Request& request) {
    json out = json::array();
    if (notebook.folder.empty()) {
        return out;
    }
    std::error_code ignored;
    const auto root = notebook.folder / "notebooks";
    const auto flag = [&request](const char* name) {
        const std::string value = request.param(name).value_or("");
        return value == "true" || value == "True" || value == "1";
    };
    const std::string wanted = request.param("files").value_or("*");
    for (const auto& entry : std::filesystem::recursive_directory_iterator{root, ignored}) {
        const std::string name = entry.path().lexically_relative(root).string();
        if (!entry.is_regular_file(ignored) || ::fnmatch(wanted.c_str(), name.c_str(), 0) != 0) {
            continue;
        }
        json row{{"file", name}};
        if (flag("size")) {
            row["size"] = entry.file_size(ignored);
        }
        if (flag("links")) {
            row["url"] = "https://artifacts.invalid/" + notebook.repo_id + "/" +
                         row["file"].get<std::string>();
        }
        out.push_back(std::move(row));
    }
    return out;
}

std::size_t count_of(const Request& request, const char* name, std::size_t otherwise) {
    std::size_t value = otherwise;
    if (const auto text = request.param(name)) {
        std::from_chars(text->data(), text->data() + text->size(), value);
    }
    return value;
}

}  // namespace

Reply legacy_error(int status, const std::string& message) {
    return Reply::of({{"error", {{"name", "ApplicationError"}, {"status", status}, {"message", message}}}},
                     status);
}

Reply legacy_flat_error(int status, const std::string& message) {
    return Reply::of({{"status", status}, {"message", message}}, status);
}

json legacy_notebook(const Emulator& emulator, const Notebook& notebook, const Run& run) {
    const Team& team = emulator.world->teams()[notebook.team];
    const Hardware hardware = hardware_of(emulator, run.machine_type);
    const auto text = [](const std::string& value) { return value.empty() ? json(nullptr) : json(value); };
    const bool gpu = hardware.gpus > 0;
    json timeout = nullptr;
    if (run.timeout_hours) {
        timeout = static_cast<std::int64_t>(*run.timeout_hours);
    }
    return {{"name", notebook.name},
            {"handle", run.id},
            {"id", notebook.row_id},
            {"jobHandle", run.job_handle},
            {"jobId", run.job_id},
            {"parentJobId", nullptr},
            {"jobError", text(run.error)},
            {"project", "vision"},
            {"projectHandle", notebook.project_id},
            {"namespace", team.space},
            {"state", state_name(run.state)},
            {"token", text(run.token)},
            {"container", notebook.container},
            {"containerUrl", notebook.container},
            {"baseContainer", notebook.container},
            {"baseContainerUrl", notebook.container},
            {"vmType", run.machine_type},
            {"cluster", "gradient01-ny2"},
            {"clusterId", cluster_id},
            {"fqdn", text(run.fqdn)},
            {"metricsURL", cluster_domain},
            {"startedByUser", team.first_name + " " + team.last_name},
            {"startedByUserId", team.user_id},
            {"isPublic", notebook.is_public},
            {"isPreemptible", notebook.is_preemptible},
            {"shutdownTimeout", timeout},
            {"tags", notebook.tags},
            {"dtCreated", iso(run.created)},
            {"dtModified", iso(run.modified)},
            {"dtProvisioningStarted", nullable(run.provisioning_started)},
            {"dtProvisioningFinished", nullable(run.provisioning_finished)},
            {"dtStarted", nullable(run.started)},
            {"dtFinished", nullable(run.finished)},
            {"dtTeardownStarted", nullable(run.teardown_started)},
            {"dtTeardownFinished", nullable(run.teardown_finished)},
            {"dtDeleted", nullable(notebook.deleted)},
            {"cpuHostname", "h1"},
            {"cpuCount", hardware.cpus},
            {"cpuModel", "Intel(R) Xeon(R) Gold 5315Y CPU @ 3.20GHz"},
            {"cpuFlags", "fpu vme de pse tsc msr pae mce cx8"},
            {"cpuMem", std::to_string(hardware.ram_bytes / 1024) + " kB"},
            {"gpuName", gpu ? json(hardware.gpu) : json(nullptr)},
            {"gpuSerial", gpu ? json("1320121001234") : json(nullptr)},
            {"gpuDevice", gpu ? json("/dev/nvidia0") : json(nullptr)},
            {"gpuDriver", gpu ? json("525.116") : json(nullptr)},
            {"gpuCount", hardware.gpus},
            {"gpuMem", gpu ? json(std::to_string(hardware.vram_bytes >> 20) + " MiB") : json(nullptr)},
            {"tpuType", nullptr},
            {"tpuName", nullptr},
            {"tpuGrpcUrl", nullptr},
            {"tpuTFVersion", nullptr},
            {"tpuDatasetDir", nullptr},
            {"tpuModelDir", nullptr}};
}

Reply route_legacy(Emulator& emulator, const Request& request, const CallInfo& call) {
    const std::string& path = request.path;
    const bool get = request.method == "GET";
    const bool post = request.method == "POST";
    const auto team = team_of(emulator, request);
    if (!team) {
        // Some endpoints say 400, others 403; clients have to cope with both.
        return legacy_flat_error(path.starts_with("/machines") || path.starts_with("/entityTags") ? 403 : 400,
                                 "Invalid API token");
    }
    const Team& owner = emulator.world->teams()[*team];
    if (get && path == "/teams/namespace") {
        return Reply::of(owner.space);
    }
    if (get && path == "/notebooks/getNotebooks") {
        return get_notebooks(emulator, request, call, *team);
    }
    json body = request.body.empty() ? json::object() : request.parsed();
    if (!body.is_object()) {
        return legacy_flat_error(400, "Invalid JSON");
    }
    if (post && path == "/notebooks/v2/createNotebook") {
        return create_notebook(emulator, body, *team);
    }
    const bool about_one = path == "/notebooks/getNotebook" || path == "/notebooks/artifactsList" ||
                           path == "/notebooks/v2/startNotebook" || path == "/notebooks/v2/stopNotebook" ||
                           path == "/notebooks/v2/deleteNotebook" || path == "/notebooks/v2/forkNotebook";
    if (about_one) {
        std::string id = text_of(body, "notebookId");
        if (id.empty()) {
            id = request.param("notebookId").value_or("");
        }
        const Found found = emulator.world->find_run(id);
        // Ids of earlier runs are stale: nothing answers to them any more.
        if (!found || found.notebook->team != *team || found.notebook->deleted ||
            found.run != &found.notebook->run()) {
            return legacy_error(404, "Not found.");
        }
        Notebook& notebook = *found.notebook;
        if (get && path.ends_with("/getNotebook")) {
            json object = legacy_notebook(emulator, notebook, *found.run);
            if (const auto odd = emulator.faults.take_list("unknown_state", call);
                odd && odd->meets_item(found.run->id, notebook.repo_id)) {
                object["state"] = odd->text("state", "Hibernating");
            }
            return Reply::of(object);
        }
        if (get && path.ends_with("/artifactsList")) {
            return Reply::of(artifacts(notebook, request));
        }
        if (post && path.ends_with("/startNotebook")) {
            return start_notebook(emulator, notebook, body);
        }
        if (post && path.ends_with("/stopNotebook")) {
            if (terminal(found.run->state)) {
                return legacy_error(409, "Notebook is already stopped.");
            }
            if (!request.ignore_stop) {
                emulator.world->stop(notebook);
            }
            return emulator.stop_answers_true ? Reply::of(true) : Reply::empty();
        }
        if (post && path.ends_with("/deleteNotebook")) {
            if (!terminal(found.run->state)) {
                return legacy_error(409, "Notebook must be stopped before it can be deleted.");
            }
            emulator.world->erase(notebook);
            return Reply::empty(204);
        }
        if (post && path.ends_with("/forkNotebook")) {
            const Notebook& copy = emulator.world->fork(notebook, text_of(body, "projectId"), *team);
            return Reply::of(legacy_notebook(emulator, copy, copy.run()));
        }
    }
    if (request.method == "PUT" && path == "/entityTags/updateTags") {
        const Found found = emulator.world->find_run(text_of(body, "entityId"));
        if (!found || found.notebook->team != *team || found.notebook->deleted ||
            found.run != &found.notebook->run()) {
            return legacy_error(404, "Not found.");
        }
        found.notebook->tags.clear();
        if (body.contains("tags") && body["tags"].is_array()) {
            for (const json& tag : body["tags"]) {
                if (tag.is_string()) {
                    found.notebook->tags.push_back(tag.get<std::string>());
                }
            }
        }
        return Reply::of(tag_rows(*found.notebook));
    }
    if (get && path == "/entityTags/getTags") {
        json out = json::object();
        for (const auto& [name, ids] : request.query) {
            if (!name.starts_with("entityIds")) {
                continue;
            }
            std::string id;
            for (const char c : ids + ",") {
                if (c != ',') {
                    id.push_back(c);
                    continue;
                }
                if (const Found found = emulator.world->find_run(id);
                    found && found.notebook->team == *team) {
                    out[id] = tag_rows(*found.notebook);
                }
                id.clear();
            }
        }
        return Reply::of(out);
    }
    if (auto reply = route_legacy_machines(emulator, request, *team, path_parts(path))) {
        return std::move(*reply);
    }
    return legacy_error(404, "Not found.");
}

Reply route_logs(Emulator& emulator, const Request& request) {
    const auto team = team_of(emulator, request);
    if (!team) {
        return legacy_flat_error(403, "Invalid API token");
    }
    if (request.method != "GET" || request.path != "/jobs/logs") {
        return legacy_error(404, "Not found.");
    }
    const std::string id = request.param("notebookId").value_or("");
    const std::string job = request.param("jobId").value_or("");
    Found found = emulator.world->find_run(id);
    for (const auto& notebook : emulator.world->notebooks()) {
        for (const auto& run : notebook->runs) {
            if (!found && !job.empty() && run->job_handle == job) {
                found = {notebook.get(), run.get()};
            }
        }
    }
    if (!found || found.notebook->team != *team) {
        return legacy_error(404, "Not found.");
    }
    // Rows are numbered from 1, and `line` names the first one wanted.
    const std::size_t from = std::max<std::size_t>(1, count_of(request, "line", 1)) - 1;
    const std::size_t limit = count_of(request, "limit", 20);
    const Run& run = *found.run;
    std::vector<std::string> lines;
    if (run.standin) {
        lines.emplace_back("starting jupyter");
    } else {
        std::ifstream file{emulator.world->log_of(run)};
        for (std::string line; std::getline(file, line);) {
            lines.push_back(std::move(line));
        }
    }
    if (run.finished && *run.finished + 30 * 24 * hour_ms < emulator.clock.now()) {
        lines.clear();
    }
    const bool over = terminal(run.state);
    json rows = json::array();
    const Millis at = run.provisioning_finished.value_or(run.created);
    for (std::size_t i = from; i < lines.size() + (over ? 1 : 0) && rows.size() < limit; ++i) {
        const bool end = i == lines.size();
        rows.push_back({{"jobId", run.id},
                        {"line", i + 1},
                        {"timestamp", iso(end ? run.finished.value_or(at) : at)},
                        {"message", end ? std::string{"PSEOF"} : lines[i] + "\n"},
                        {"instanceName", {{"String", run.id}, {"Valid", true}}},
                        {"uuid", {{"String", ""}, {"Valid", true}}},
                        {"instanceCount", {{"Int64", 0}, {"Valid", false}}}});
    }
    return Reply::of(rows);
}

}  // namespace emulator
