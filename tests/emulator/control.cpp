// What tests and the demo use to set the scene, to misbehave, and to ask for the truth.
#include "emulator.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <fstream>
#include <random>
#include <ranges>
#include <stdexcept>

namespace emulator {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_standins = 100'000;

struct Refused : std::runtime_error {
    int status;
    Refused(int code, const std::string& why) : std::runtime_error{why}, status{code} {}
};

std::string text_of(const json& body, const char* name, const std::string& otherwise = {}) {
    const auto found = body.find(name);
    if (found == body.end() || found->is_null()) {
        return otherwise;
    }
    if (!found->is_string()) {
        throw Refused{400, std::string{name} + " must be a string"};
    }
    return found->get<std::string>();
}

bool flag_of(const json& body, const char* name, bool otherwise) {
    const auto found = body.find(name);
    if (found == body.end()) {
        return otherwise;
    }
    if (!found->is_boolean()) {
        throw Refused{400, std::string{name} + " must be true or false"};
    }
    return found->get<bool>();
}

std::int64_t integer_of(const json& body, const char* name, std::int64_t otherwise) {
    const auto found = body.find(name);
    if (found == body.end()) {
        return otherwise;
    }
    if (!found->is_number_integer()) {
        throw Refused{400, std::string{name} + " must be a whole number"};
    }
    return found->get<std::int64_t>();
}

std::vector<std::string> texts_of(const json& body, const char* name) {
    std::vector<std::string> out;
    for (const json& text : body.value(name, json::array())) {
        if (!text.is_string()) {
            throw Refused{400, std::string{name} + " must be a list of texts"};
        }
        out.push_back(text.get<std::string>());
    }
    return out;
}

/// Below notebooks/ unless the name begins with another of the guest's folders.
void write_file(const fs::path& folder, const std::string& name, const json& content) {
    fs::path path{name.starts_with("/") ? name.substr(1) : name};
    for (const fs::path& part : path) {
        if (part == "..") {
            throw Refused{400, "files: " + name + " leaves the folder"};
        }
    }
    const std::string first = path.empty() ? "" : path.begin()->string();
    if (first != "notebooks" && first != "storage" && first != "home" && first != "tmp" && first != "bin") {
        path = "notebooks" / path;
    }
    path = folder / path;
    fs::create_directories(path.parent_path());
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    if (content.is_string()) {
        file << content.get_ref<const std::string&>();
    } else if (content.is_object() && content.contains("base64")) {
        file << base64_decode(text_of(content, "base64")).value_or("");
    } else if (content.is_object() && content.contains("bytes")) {
        // Incompressible bytes, the same for the same seed.
        std::mt19937_64 random{static_cast<std::uint64_t>(integer_of(content, "seed", 1))};
        std::vector<std::uint64_t> block(8192);
        for (auto left = static_cast<std::uint64_t>(integer_of(content, "bytes", 0)); left > 0;) {
            std::ranges::generate(block, std::ref(random));
            const std::uint64_t size = std::min<std::uint64_t>(left, block.size() * sizeof(std::uint64_t));
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of plain numbers
            file.write(reinterpret_cast<const char*>(block.data()), static_cast<std::streamsize>(size));
            left -= size;
        }
    } else {
        throw Refused{400, "files: " + name + " needs a text, {\"base64\":...} or {\"bytes\":N,\"seed\":N}"};
    }
    if (!file) {
        throw Refused{500, "cannot write " + path.string()};
    }
    if (first == "bin") {
        fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add);
    }
}

json brief(const Notebook& notebook) {
    const Run& run = notebook.run();
    return {{"id", run.id},
            {"notebookRepoId", notebook.repo_id},
            {"fqdn", run.fqdn.empty() ? json(nullptr) : json(run.fqdn)},
            {"token", run.token.empty() ? json(nullptr) : json(run.token)},
            {"state", state_name(run.state)},
            {"folder", notebook.folder.empty() ? json(nullptr) : json(notebook.folder.string())}};
}

std::size_t team_of(const Emulator& emulator, const json& body) {
    const std::string wanted = text_of(body, "team");
    for (std::size_t i = 0; i < emulator.world->teams().size(); ++i) {
        if (wanted.empty() || emulator.world->teams()[i].space == wanted) {
            return i;
        }
    }
    throw Refused{404, "no team " + wanted};
}

Notebook& notebook_of(const Emulator& emulator, const std::string& id) {
    if (Notebook* notebook = emulator.world->find_repo(id)) {
        return *notebook;
    }
    if (const Found found = emulator.world->find_run(id)) {
        return *found.notebook;
    }
    throw Refused{404, "no notebook " + id};
}

NotebookSpec spec_of(const Emulator& emulator, const json& body) {
    NotebookSpec spec;
    spec.team = team_of(emulator, body);
    spec.name = text_of(body, "name", "notebook");
    spec.machine_type = text_of(body, "machineType", "A4000");
    spec.container_root = text_of(body, "jupyterRoot", "notebooks") == "container";
    spec.jupyter_first = flag_of(body, "jupyterFirst", false);
    spec.jupyter_args = texts_of(body, "jupyterArgs");
    spec.environment = texts_of(body, "environment");
    spec.standin = text_of(body, "guest", "real") == "standin";
    spec.is_public = flag_of(body, "isPublic", false);
    if (const auto timeout = body.find("shutdownTimeout"); timeout != body.end() && !timeout->is_null()) {
        spec.timeout_hours = hours_of(*timeout);
    }
    if (body.contains("tags")) {
        for (const json& tag : body["tags"]) {
            spec.tags.push_back(tag.get<std::string>());
        }
    }
    return spec;
}

boost::asio::awaitable<void> wait_until_up(Notebook& notebook) {
    boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
    const auto run = notebook.runs.back();
    while (!terminal(run->state) && run->state != RunState::running) {
        timer.expires_after(std::chrono::milliseconds{10});
        co_await timer.async_wait(boost::asio::use_awaitable);
    }
}

boost::asio::awaitable<void> wait_until_down(Notebook& notebook) {
    boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
    const auto run = notebook.runs.back();
    while (!terminal(run->state)) {
        timer.expires_after(std::chrono::milliseconds{10});
        co_await timer.async_wait(boost::asio::use_awaitable);
    }
}

json state_of(const Emulator& emulator) {
    json notebooks = json::array();
    for (const auto& notebook : emulator.world->notebooks()) {
        const Run& run = notebook->run();
        json row = brief(*notebook);
        row["name"] = notebook->name;
        row["team"] = emulator.world->teams()[notebook->team].space;
        row["machineType"] = run.machine_type;
        row["guest"] = notebook->standin ? "standin" : "real";
        row["busy"] = run.busy;
        row["stopping"] = run.stopping;
        row["jupyter_port"] = run.guest ? json(run.guest->port()) : json(nullptr);
        row["pid"] = run.guest ? json(run.guest->pid()) : json(nullptr);
        row["dtCreated"] = iso(run.created);
        row["dtStarted"] = nullable(run.started);
        row["dtFinished"] = nullable(run.finished);
        row["dtDeleted"] = nullable(notebook->deleted);
        row["cpuCores"] = run.samples.empty() ? json(nullptr) : json(run.samples.back().cores);
        json runs = json::array();
        for (const auto& one : notebook->runs) {
            runs.push_back({{"id", one->id},
                            {"state", state_name(one->state)},
                            {"dtStarted", nullable(one->started)},
                            {"dtFinished", nullable(one->finished)}});
        }
        row["runs"] = std::move(runs);
        notebooks.push_back(std::move(row));
    }
    json machines = json::array();
    for (const auto& machine : emulator.world->machines()) {
        machines.push_back({{"id", machine->id},
                            {"name", machine->name},
                            {"machineType", machine->machine_type},
                            {"state", machine->state},
                            {"dtDeleted", nullable(machine->deleted)}});
    }
    json add_ons = json::array();
    for (const auto& extra : emulator.world->extras()) {
        add_ons.push_back({{"id", extra->id},
                           {"team", emulator.world->teams()[extra->team].space},
                           {"dtCreated", iso(extra->created)},
                           {"dtDeleted", nullable(extra->deleted)}});
    }
    json teams = json::array();
    for (const Team& team : emulator.world->teams()) {
        teams.push_back(
            {{"id", team.id}, {"namespace", team.space}, {"key", team.key}, {"projectId", team.project_id}});
    }
    return {{"now", iso(emulator.clock.now())},  {"now_ms", emulator.clock.now()},
            {"speed", emulator.clock.speed()},   {"teams", std::move(teams)},
            {"notebooks", std::move(notebooks)}, {"machines", std::move(machines)},
            {"add_ons", std::move(add_ons)}};
}

json calls_of(const Emulator& emulator, const Request& request) {
    std::vector<const Call*> rows;
    const auto consider = [&](const Call& call) {
        const auto differs = [&request](const char* name, const std::string& value) {
            const auto wanted = request.param(name);
            return wanted && *wanted != value;
        };
        const auto part = request.param("path");
        if (!differs("host", call.host) && !differs("method", call.method) && !differs("run", call.run) &&
            !differs("repo", call.repo) && (!part || call.target.contains(*part))) {
            rows.push_back(&call);
        }
    };
    for (const Call& call : emulator.calls) {
        consider(call);
    }
    for (const Call& call : emulator.guest_calls) {
        consider(call);
    }
    std::ranges::sort(rows, {}, [](const Call* call) { return call->number; });
    json list = json::array();
    if (!request.param("count")) {
        for (const Call* call : rows) {
            list.push_back({{"number", call->number},
                            {"time", iso(call->at)},
                            {"time_ms", call->at},
                            {"host", call->host},
                            {"method", call->method},
                            {"path", call->target},
                            {"run", call->run.empty() ? json(nullptr) : json(call->run)},
                            {"repo", call->repo.empty() ? json(nullptr) : json(call->repo)},
                            {"status", call->status > 0 ? json(call->status) : json(nullptr)},
                            {"fault", call->fault.empty() ? json(nullptr) : json(call->fault)}});
        }
    }
    return {{"total", emulator.calls_total}, {"count", rows.size()}, {"calls", std::move(list)}};
}

json make_standins(Emulator& emulator, const json& body) {
    NotebookSpec spec = spec_of(emulator, body);
    spec.standin = true;
    const std::string name = text_of(body, "name", "standin");
    const std::int64_t count = integer_of(body, "count", 1);
    if (count < 0 || count > most_standins) {
        throw Refused{400, "count is at most " + std::to_string(most_standins)};
    }
    const bool busy = flag_of(body, "busy", false);
    json list = json::array();
    for (std::int64_t i = 0; i < count; ++i) {
        spec.name = name + "-" + std::to_string(i + 1);
        Notebook& notebook = emulator.world->create(spec);
        emulator.world->start_standin_now(notebook, busy);
        list.push_back(brief(notebook));
    }
    return {{"count", count}, {"notebooks", std::move(list)}};
}

json set_metrics(Emulator& emulator, const json& body) {
    Notebook& notebook = notebook_of(emulator, text_of(body, "repo"));
    const Millis now = emulator.clock.now();
    const auto set = [&](const std::string& chart, const json& value) {
        if (value.is_null()) {
            notebook.charts[chart] = {now, std::nullopt};
        } else if (value.is_number()) {
            notebook.charts[chart] = {now, value.get<double>()};
        } else {
            throw Refused{400, chart + " must be a number or null"};
        }
    };
    if (flag_of(body, "null", false)) {
        for (const char* chart : {"cpuPercentage", "memoryUsage", "gpuMemoryFree", "gpuMemoryUsed",
                                  "gpuPowerDraw", "gpuTemp", "gpuUtilization", "gpuMemoryUtilization"}) {
            set(chart, nullptr);
        }
    }
    if (flag_of(body, "clear", false)) {
        notebook.charts.clear();
    }
    if (body.contains("gpu")) {
        set("gpuUtilization", body["gpu"]);
    }
    if (body.contains("cpu")) {
        set("cpuPercentage", body["cpu"]);
    }
    if (body.contains("charts")) {
        for (const auto& [chart, value] : body["charts"].items()) {
            set(chart, value);
        }
    }
    return {{"ok", true}};
}

json add_fault(Emulator& emulator, const json& body) {
    const std::string kind = text_of(body, "kind");
    if (!Faults::known(kind)) {
        throw Refused{400, "unknown fault kind \"" + kind + "\""};
    }
    if (body.contains("match") && !body["match"].is_object()) {
        throw Refused{400, "match must be an object"};
    }
    const auto fault = emulator.faults.add(body);
    if (kind == "stale_list") {
        json v1 = json::array();
        json legacy = json::array();
        for (std::size_t team = 0; team < emulator.world->teams().size(); ++team) {
            v1.push_back(json::array());
            legacy.push_back(json::array());
            for (const auto& notebook : emulator.world->notebooks() | std::views::reverse) {
                if (notebook->team == team && !notebook->deleted) {
                    v1.back().push_back(v1_notebook(emulator, *notebook, notebook->run()));
                    legacy.back().push_back(legacy_notebook(emulator, *notebook, notebook->run()));
                }
            }
        }
        fault->stale = {{"v1", std::move(v1)}, {"legacy", std::move(legacy)}};
    }
    if (emulator.faults.touch_guests()) {
        // Connections that are already pinned to a guest would never meet the fault.
        const auto connections = emulator.guest_connections;
        for (const auto& [number, close] : connections) {
            close();
        }
    }
    return {{"number", fault->number}};
}

json make_machine(Emulator& emulator, const json& body) {
    Machine& machine = emulator.world->create_machine(
        team_of(emulator, body), text_of(body, "name", "machine"), text_of(body, "machineType", "A4000"),
        std::clamp<std::int64_t>(integer_of(body, "diskSize", 50), 1, 2000), text_of(body, "region", "ny2"),
        flag_of(body, "start", true));
    machine.public_ip_type = text_of(body, "publicIpType", "dynamic");
    if (body.contains("set") && body["set"].is_object()) {
        machine.extra = body["set"];
    }
    return {{"id", machine.id}, {"state", machine.state}};
}

json extra_verb(const Emulator& emulator, const std::string& id, const std::string& verb, const json& body) {
    Extra* extra = emulator.world->find_extra(id);
    if (extra == nullptr || extra->deleted) {
        throw Refused{404, "no add-on " + id};
    }
    if (verb == "remove") {
        extra->deleted = emulator.clock.now();
    } else if (verb == "set") {
        extra->extra.update(body);
    } else {
        throw Refused{404, "no such verb"};
    }
    return {{"id", extra->id}};
}

/// The part of POST /settings that is about money.
void change_money(Emulator& emulator, const json& body) {
    if (body.contains("utilization")) {
        emulator.storage[team_of(emulator, body)].set(body["utilization"], emulator.clock.now());
    }
    if (const std::string unit = text_of(body, "storage_unit"); !unit.empty()) {
        emulator.storage_in_gibibytes = unit == "GiB";
    }
    emulator.balance_delay = integer_of(body, "balance_delay_ms", emulator.balance_delay);
    if (const std::string drift = text_of(body, "balance_drift"); !drift.empty()) {
        const bool less = drift.front() == '-';
        const auto nanos = parse_nanos(std::string_view{drift}.substr(less ? 1 : 0));
        if (!nanos) {
            throw Refused{400, "balance_drift must be a plain decimal"};
        }
        emulator.balance_drift = less ? -*nanos : *nanos;
    }
}

boost::asio::awaitable<Reply> notebook_verb(Emulator& emulator, const std::string& id,
                                            const std::string& verb, const json& body) {
    Notebook& notebook = notebook_of(emulator, id);
    World& world = *emulator.world;
    if (notebook.deleted) {
        throw Refused{404, "it is deleted"};
    }
    if (verb == "start") {
        if (!terminal(notebook.run().state)) {
            throw Refused{409, "it runs already"};
        }
        notebook.machine_type = text_of(body, "machineType", notebook.machine_type);
        if (const auto timeout = body.find("shutdownTimeout"); timeout != body.end()) {
            notebook.timeout_hours = hours_of(*timeout);
        }
        if (body.contains("jupyterArgs")) {
            notebook.jupyter_args = texts_of(body, "jupyterArgs");
        }
        world.start(notebook);
        if (flag_of(body, "wait", false)) {
            co_await wait_until_up(notebook);
        }
    } else if (verb == "stop" || verb == "end") {
        const auto state = parse_state(text_of(body, "state", "Cancelled"));
        if (!state || !terminal(*state)) {
            throw Refused{400, "state must be one in which a run can end"};
        }
        world.begin_teardown(notebook, *state);
        if (flag_of(body, "wait", false)) {
            co_await wait_until_down(notebook);
        }
    } else if (verb == "verdict") {
        const std::string verdict = text_of(body, "verdict", flag_of(body, "busy", false) ? "busy" : "idle");
        if (verdict != "busy" && verdict != "idle") {
            throw Refused{400, "verdict must be busy or idle"};
        }
        world.set_verdict(notebook, verdict == "busy");
    } else if (verb == "files") {
        if (notebook.folder.empty()) {
            throw Refused{409, "a stand-in has no files"};
        }
        const json& files = body.contains("files") ? body["files"] : body;
        for (const auto& [name, content] : files.items()) {
            write_file(notebook.folder, name, content);
        }
    } else if (verb == "delete") {
        if (!terminal(notebook.run().state)) {
            throw Refused{409, "it runs"};
        }
        world.erase(notebook);
    } else {
        throw Refused{404, "no such verb"};
    }
    co_return Reply::of(brief(notebook));
}

boost::asio::awaitable<Reply> route(Emulator& emulator, Request& request) {
    const std::vector<std::string> parts = path_parts(request.path);
    const std::string& method = request.method;
    const json body = request.body.empty() ? json::object() : request.parsed();
    if (!body.is_object()) {
        throw Refused{400, "the body must be a JSON object"};
    }
    World& world = *emulator.world;
    const bool post = method == "POST";
    const std::string first = parts.empty() ? "" : parts[0];
    if (method == "GET" && parts.size() == 1) {
        if (first == "state") {
            co_return Reply::of(state_of(emulator));
        }
        if (first == "calls") {
            co_return Reply::of(calls_of(emulator, request));
        }
        if (first == "invoice") {
            co_return Reply::of(invoice(emulator, request.param("month").value_or(""), emulator.clock.now()));
        }
        if (first == "faults") {
            co_return Reply::of({{"faults", emulator.faults.describe()}});
        }
        if (first == "now") {
            co_return Reply::of({{"now", iso(emulator.clock.now())}, {"now_ms", emulator.clock.now()}});
        }
    }
    if (method == "DELETE" && first == "faults") {
        if (parts.size() == 2) {
            emulator.faults.remove(std::atoll(parts[1].c_str()));
        } else {
            emulator.faults.clear();
        }
        co_return Reply::of({{"ok", true}});
    }
    if (!post || parts.empty()) {
        throw Refused{404, "no such control: " + method + " " + request.path};
    }
    if (parts.size() == 1) {
        if (first == "notebooks") {
            const NotebookSpec spec = spec_of(emulator, body);
            Notebook& notebook = world.create(spec);
            if (body.contains("files")) {
                for (const auto& [name, content] : body["files"].items()) {
                    if (notebook.folder.empty()) {
                        throw Refused{409, "a stand-in has no files"};
                    }
                    write_file(notebook.folder, name, content);
                }
            }
            if (flag_of(body, "start", true)) {
                world.start(notebook);
                if (flag_of(body, "wait", false)) {
                    co_await wait_until_up(notebook);
                }
            }
            co_return Reply::of(brief(notebook));
        }
        if (first == "machines") {
            co_return Reply::of(make_machine(emulator, body));
        }
        if (first == "add-ons") {
            co_return Reply::of(make_extra(emulator, body, team_of(emulator, body)));
        }
        if (first == "standins") {
            co_return Reply::of(make_standins(emulator, body));
        }
        if (first == "faults") {
            co_return Reply::of(add_fault(emulator, body));
        }
        if (first == "metrics") {
            co_return Reply::of(set_metrics(emulator, body));
        }
        if (first == "price") {
            const json price = body.value("usdPerHour", json(nullptr));
            const auto nanos = parse_nanos(price.is_string() ? price.get<std::string>() : price.dump());
            if (!nanos || text_of(body, "machineType").empty()) {
                throw Refused{400, "price needs machineType and usdPerHour, a plain decimal"};
            }
            const auto at = parse_iso(text_of(body, "at"));
            emulator.prices.set(text_of(body, "machineType"), *nanos, at.value_or(emulator.clock.now()));
            co_return Reply::of({{"ok", true}});
        }
        if (first == "availability") {
            const std::string type = text_of(body, "machineType");
            if (flag_of(body, "available", true)) {
                world.unavailable.erase(type);
            } else {
                world.unavailable.insert(type);
            }
            co_return Reply::of({{"ok", true}});
        }
        if (first == "settings") {
            const std::string reply = text_of(body, "stop_reply");
            if (!reply.empty()) {
                emulator.stop_answers_true = reply == "true";
            }
            if (const std::string next = text_of(body, "next_page"); !next.empty()) {
                emulator.last_page_without_next = next == "absent";
            }
            if (const std::string end = text_of(body, "event_end"); !end.empty()) {
                world.events_end_as_error = end == "error";
            }
            world.hold = flag_of(body, "hold", world.hold);
            change_money(emulator, body);
            co_return Reply::of({{"ok", true}});
        }
        if (first == "reset") {
            emulator.faults.clear();
            emulator.calls.clear();
            emulator.guest_calls.clear();
            co_return Reply::of({{"ok", true}});
        }
    }
    if (parts.size() == 3 && first == "notebooks") {
        co_return co_await notebook_verb(emulator, parts[1], parts[2], body);
    }
    if (parts.size() == 3 && first == "machines") {
        Machine* machine = world.find_machine(parts[1]);
        if (machine == nullptr) {
            throw Refused{404, "no machine " + parts[1]};
        }
        if (parts[2] == "start") {
            world.machine_start(*machine);
        } else if (parts[2] == "stop") {
            world.machine_stop(*machine);
        } else if (parts[2] == "restart") {
            world.machine_restart(*machine);
        } else if (parts[2] == "destroy") {
            world.machine_destroy(*machine);
        } else if (parts[2] == "upgrade") {
            if (machine->state != "off") {
                throw Refused{409, "it is not off"};
            }
            world.machine_upgrade(*machine, text_of(body, "machineType", machine->machine_type));
        } else if (parts[2] == "set") {
            machine->extra.update(body);
        } else {
            throw Refused{404, "no such verb"};
        }
        co_return Reply::of({{"id", machine->id}, {"state", machine->state}});
    }
    if (parts.size() == 3 && first == "add-ons") {
        co_return Reply::of(extra_verb(emulator, parts[1], parts[2], body));
    }
    throw Refused{404, "no such control: " + method + " " + request.path};
}

}  // namespace

boost::asio::awaitable<Reply> route_control(Emulator& emulator, Request& request) {
    try {
        co_return co_await route(emulator, request);
    } catch (const Refused& refused) {
        co_return Reply::of({{"error", refused.what()}}, refused.status);
    } catch (const json::exception& error) {
        co_return Reply::of({{"error", error.what()}}, 400);  // a member of another type than it must have
    } catch (const std::invalid_argument& error) {
        co_return Reply::of({{"error", error.what()}}, 400);
    } catch (const std::exception& error) {
        co_return Reply::of({{"error", error.what()}}, 500);
    }
}

}  // namespace emulator
