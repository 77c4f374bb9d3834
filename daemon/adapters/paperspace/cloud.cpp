#include "adapters/paperspace/cloud.hpp"

#include "adapters/paperspace/add_ons.hpp"
#include "adapters/paperspace/wire.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

namespace curfew::paperspace {

namespace {

constexpr int pages_max = 200;
constexpr int page_size = 100;
constexpr std::size_t list_body_max = std::size_t{8} << 20;
constexpr std::string_view json_type = "application/json";
constexpr Duration event_slack = hours{1};     // between an event's creation and its start
constexpr Duration vanished_kept = hours{24};  // the end of what went with a machine is told for so long

std::string stamp(WallTime t) {
    return to_string(WallTime{t.ms / 1000 * 1000});
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') {
            continue;  // ids hold none; a hostile one matches nothing then
        }
        out += c;
    }
    return out + "\"";
}

class PaperspaceCloud final : public Cloud {
public:
    PaperspaceCloud(const AccountConfig& account, Keys keys, http::Client& client, Scheduler& scheduler)
        : config_(account), key_(std::move(keys.key)), balance_key_(std::move(keys.balance_key)),
          client_(client), scheduler_(scheduler) {}

    const AccountName& account() const override { return config_.name; }
    Task<Result<std::string>> check_key(Deadline deadline) override;
    Task<Result<Listing>> list(Deadline deadline) override;
    Task<Result<RunLook>> look(RunRef ref, Deadline deadline) override;
    Task<StopReply> stop(RunRef ref, Deadline deadline) override;
    Task<Result<std::optional<RunEnd>>> ended_at(RunRef ref, Deadline deadline) override;
    Task<Result<std::vector<Run>>> past_runs(ResourceKind kind, ResourceId resource, WallTime since,
                                             Deadline deadline) override;
    Task<Result<std::optional<Reported>>> reported(Deadline deadline) override;
    Task<Result<std::vector<Observation>>> metrics(RunRef ref, Duration window, Deadline deadline) override;

private:
    /// `complete` as in Listing; `date` is that of the first page.
    struct Pages {
        bool complete = false;
        std::optional<WallTime> date;
    };
    /// Takes one item of a page; false: something is there that we cannot name.
    using TakeItem = std::function<bool(const json::Value&)>;

    Result<http::Request> v1(std::string method, const std::string& target) const;
    Result<http::Request> legacy(std::string method, const std::string& target) const;
    Task<Result<json::Value>> ask(http::Request request, Deadline deadline,
                                  std::optional<WallTime>* date = nullptr);
    /// Ends early once `enough` says so: then the rest is not wanted, and what came is complete.
    Task<Result<Pages>> all_pages(std::string path, TakeItem take, Deadline deadline,
                                  std::function<bool()> enough = {});
    Task<Result<Pages>> list_notebooks(std::vector<Resource>& into, Deadline deadline);
    Task<Result<bool>> list_machines(std::vector<Resource>& into, Deadline deadline);
    /// The newest page.
    Task<Result<json::Value>> machine_events(ResourceId machine, Deadline deadline);
    Task<Result<std::optional<MachineRun>>> machine_run(ResourceId machine, Deadline deadline);
    Task<Result<RunLook>> look_at_notebook(RunRef ref, Deadline deadline);
    Task<Result<RunLook>> look_at_machine(RunRef ref, Deadline deadline);
    Task<StopReply> stop_machine(RunRef ref, Deadline deadline);
    Task<Result<Resource>> machine_resource(MachineItem item, Deadline deadline);
    Task<std::optional<std::vector<AddOn>>> add_ons(Deadline deadline);
    Task<Result<std::vector<AddOn>>> ask_add_ons(Deadline deadline);
    Task<Result<void>> storage_of_team(AddOns& into, Deadline deadline);
    Task<Result<std::vector<MachineRun>>> machine_history(ResourceId machine, WallTime since,
                                                          Deadline deadline);
    Task<void> find_destroyed(std::set<ResourceId> gone, Deadline deadline);
    Task<Result<std::vector<Run>>> past_runs_of_machine(ResourceId machine, WallTime since,
                                                        Deadline deadline);
    Task<Result<std::vector<Run>>> past_runs_of_notebook(ResourceId notebook, WallTime since,
                                                         Deadline deadline);
    static RunId run_id(const ResourceId& machine, const std::string& start_event) {
        return RunId{machine.value + "@" + start_event};
    }
    StopReply judge_stop(const Result<http::Response>& answer) const;
    Error with_account(Error error) const;

    struct Guest {
        std::string address;
        std::string machine_type;
    };

    AccountConfig config_;
    Secret key_;
    Secret balance_key_;
    http::Client& client_;
    Scheduler& scheduler_;
    Machines machines_;
    bool machines_complete_ = false;                // machines_ is all there is
    std::map<ResourceId, std::vector<Run>> ended_;  // of notebooks, beside newer runs in the newest list
    std::string team_;                              // namespace, once it was asked for
    std::optional<Instant> add_ons_asked_;
    std::string add_ons_trouble_;           // as last logged
    std::map<ResourceId, Machine> listed_;  // machines of the newest list of add-ons
    std::map<ResourceId, Machine> vanished_;
    std::map<RunId, Guest> guests_;  // of the newest list, for the metrics host
};

Error PaperspaceCloud::with_account(Error error) const {
    error.where = "account " + config_.name.value + (error.where.empty() ? "" : ", " + error.where);
    return error;
}

Result<http::Request> PaperspaceCloud::v1(std::string method, const std::string& target) const {
    auto url = http::parse_url(config_.v1_url + target);
    if (!url) {
        return std::unexpected(url.error());
    }
    http::Request request;
    request.method = std::move(method);
    request.url = std::move(*url);
    request.route.ca_file = config_.ca_file;
    request.credential = {.header = "Authorization", .prefix = "Bearer ", .secret = key_};
    request.headers = {{"Accept", std::string{json_type}}};
    request.body_max = list_body_max;
    return request;
}

Result<http::Request> PaperspaceCloud::legacy(std::string method, const std::string& target) const {
    auto url = http::parse_url(config_.legacy_url + target);
    if (!url) {
        return std::unexpected(url.error());
    }
    http::Request request;
    request.method = std::move(method);
    request.url = std::move(*url);
    request.route.ca_file = config_.ca_file;
    request.credential = {.header = "X-API-Key", .prefix = "", .secret = key_};
    request.headers = {{"Accept", std::string{json_type}}};
    request.content_type = json_type;
    return request;
}

/// A bad key on legacy is 400 "Invalid API token", 401 or 403.
Error judged(const http::Response& response, const std::string& where) {
    Error error = http::error_of(response, where);
    if (response.status == 400 && response.body.find("Invalid API token") != std::string::npos) {
        error.code = Errc::unauthorized;
    }
    return error;
}

Task<Result<json::Value>> PaperspaceCloud::ask(http::Request request, Deadline deadline,
                                               std::optional<WallTime>* date) {
    const std::string host = request.url.origin.host;
    const Secret secret = request.credential ? request.credential->secret : Secret{};
    auto response = co_await client_.send(std::move(request), deadline);
    if (!response) {
        co_return std::unexpected(with_account(response.error()));
    }
    if (date != nullptr) {
        *date = response->date;
    }
    if (response->status < 200 || response->status > 299) {
        co_return std::unexpected(with_account(judged(*response, host)));
    }
    if (response->body.empty()) {
        co_return json::Value{};
    }
    auto body = json::parse(response->body);
    if (!body) {
        co_return std::unexpected(with_account({Errc::protocol, Retry::later(), body.error().text, host}));
    }
    if (auto hidden = hidden_error(*body)) {
        const bool key = hidden->starts_with("UNAUTHORIZED");
        co_return std::unexpected(
            with_account({key ? Errc::unauthorized : Errc::protocol, key ? Retry::never() : Retry::later(),
                          secret.hidden_in(*hidden), host}));
    }
    co_return std::move(*body);
}

Task<Result<std::string>> PaperspaceCloud::check_key(Deadline deadline) {
    auto request = v1("GET", "/auth/session");
    if (!request) {
        co_return std::unexpected(request.error());
    }
    auto body = co_await ask(std::move(*request), deadline);
    if (!body) {
        co_return std::unexpected(body.error());
    }
    const json::Value& user = (*body)["user"];
    if (user["id"].text().empty()) {  // a bad session is `null` with 200
        co_return std::unexpected(
            with_account({Errc::unauthorized, Retry::never(), "the provider does not know this key", {}}));
    }
    const std::string last = user["lastName"].text();
    co_return user["firstName"].text() + (last.empty() ? "" : " " + last) + ", team " +
        (*body)["team"]["namespace"].text();
}

/// Page by page, so that no more than one is in memory.
Task<Result<PaperspaceCloud::Pages>> PaperspaceCloud::all_pages(std::string path, TakeItem take,
                                                                Deadline deadline,
                                                                std::function<bool()> enough) {
    Pages all;
    bool named = true;
    std::string after;
    std::set<std::string> cursors;
    for (int page = 0; page < pages_max; ++page) {
        const std::string separator = path.find('?') == std::string::npos ? "?" : "&";
        std::string target = path + separator + "limit=" + std::to_string(page_size);
        if (!after.empty()) {
            target += "&after=" + http::percent_encode(after);
        }
        auto request = v1("GET", target);
        if (!request) {
            co_return std::unexpected(request.error());
        }
        auto body = co_await ask(std::move(*request), deadline, page == 0 ? &all.date : nullptr);
        if (!body || !(*body)["items"].is_array()) {
            const bool key_trouble = !body && (body.error().code == Errc::unauthorized ||
                                               body.error().code == Errc::forbidden);
            if (page > 0 && !key_trouble) {
                co_return all;  // what came is true; what did not is unknown
            }
            co_return std::unexpected(
                body ? with_account({Errc::protocol, Retry::later(), "a list without items", path})
                     : body.error());
        }
        for (const json::Value& item : (*body)["items"].items()) {
            named = take(item) && named;
        }
        after = (*body)["nextPage"].text();
        const bool more = (*body)["hasMore"].boolean().value_or(false);
        const bool wanted = !enough || !enough();
        if (!more || after.empty() || !wanted) {
            all.complete = (!more || !wanted) && named;
            co_return all;
        }
        if (!cursors.insert(after).second) {
            co_return all;  // a cursor that comes again leads nowhere
        }
    }
    co_return all;
}

Task<Result<PaperspaceCloud::Pages>> PaperspaceCloud::list_notebooks(std::vector<Resource>& into,
                                                                     Deadline deadline) {
    std::vector<NotebookItem> items;
    auto all = co_await all_pages(
        "/notebooks?orderBy=dtCreated&order=desc",
        [&items](const json::Value& value) {
            auto item = notebook_item(value);
            if (item) {
                items.push_back(std::move(*item));
            }
            return item.has_value();
        },
        deadline);
    if (all) {
        ended_ = ended_beside(items);
        into = notebooks_from(std::move(items), config_.name);
    }
    co_return all;
}

Task<Result<json::Value>> PaperspaceCloud::machine_events(ResourceId machine, Deadline deadline) {
    auto request = v1("GET", "/machine-events?machineId=" + http::percent_encode(machine.value) +
                                 "&limit=100&orderBy=dtCreated&order=desc");
    if (!request) {
        co_return std::unexpected(request.error());
    }
    co_return co_await ask(std::move(*request), deadline);
}

Task<Result<std::optional<MachineRun>>> PaperspaceCloud::machine_run(ResourceId machine, Deadline deadline) {
    auto events = co_await machine_events(std::move(machine), deadline);
    if (!events) {
        co_return std::unexpected(events.error());
    }
    co_return newest_run(*events);
}

Task<Result<Resource>> PaperspaceCloud::machine_resource(MachineItem item, Deadline deadline) {
    Machine& known = machines_[item.resource];
    // The list names no runs; the events do. They are read again only when something happened.
    if (known.item.modified != item.modified || known.item.state != item.state ||
        known.run.start_event.empty()) {
        known.run.start_event.clear();
        auto run = co_await machine_run(item.resource, deadline);
        if (!run) {
            co_return std::unexpected(run.error());
        }
        known.run = run->value_or(MachineRun{.start_event = "first", .started_at = {}, .stopped_at = {}});
    }
    Resource r;
    r.id = item.resource;
    r.account = config_.name;
    r.kind = ResourceKind::machine;
    r.name = item.name;
    r.run.id = run_id(item.resource, known.run.start_event);
    r.run.state = item.state;
    r.run.state_text = item.state_text;
    r.run.machine_type = item.machine_type;
    r.run.listed_rate = item.listed_rate;
    r.run.address = item.address;
    r.run.started_at = known.run.started_at;
    if (is_off(item.state)) {
        r.run.ended_at = known.run.stopped_at ? known.run.stopped_at : item.deleted_at;
    }
    known.item = std::move(item);
    co_return r;
}

Task<Result<bool>> PaperspaceCloud::list_machines(std::vector<Resource>& into, Deadline deadline) {
    std::vector<MachineItem> items;
    auto all = co_await all_pages(
        "/machines?orderBy=dtCreated&order=desc",
        [&items](const json::Value& value) {
            auto item = machine_item(value);
            if (item) {
                items.push_back(std::move(*item));
            }
            return item.has_value();
        },
        deadline);
    if (!all) {
        co_return std::unexpected(all.error());
    }
    bool complete = all->complete;
    std::set<ResourceId> seen;
    for (MachineItem& item : items) {
        if (!seen.insert(item.resource).second) {
            continue;
        }
        auto machine = co_await machine_resource(std::move(item), deadline);
        if (machine) {
            into.push_back(std::move(*machine));
        } else {
            complete = false;
        }
    }
    std::erase_if(machines_, [&](const auto& entry) { return complete && !seen.contains(entry.first); });
    machines_complete_ = complete;
    co_return complete;
}

Task<Result<Listing>> PaperspaceCloud::list(Deadline deadline) {
    Listing listing;
    listing.complete = true;
    if (config_.notebooks) {
        auto notebooks = co_await list_notebooks(listing.resources, deadline);
        if (!notebooks) {
            co_return std::unexpected(notebooks.error());
        }
        listing.complete = notebooks->complete;
        listing.provider_time = notebooks->date;
        if (notebooks->complete) {
            guests_.clear();
        }
        for (const Resource& r : listing.resources) {
            guests_[r.run.id] = {r.run.address, r.run.machine_type};
        }
    }
    if (config_.machines) {
        std::vector<Resource> machines;
        machines_complete_ = false;
        auto complete = co_await list_machines(machines, deadline);
        if (!complete && (!config_.notebooks || complete.error().code == Errc::unauthorized)) {
            co_return std::unexpected(complete.error());
        }
        listing.complete = listing.complete && complete && *complete;
        std::ranges::move(machines, std::back_inserter(listing.resources));
    }
    listing.add_ons = co_await add_ons(deadline);
    co_return listing;
}

// ---- what costs without running --------------------------------------------------------------------

Task<std::optional<std::vector<AddOn>>> PaperspaceCloud::add_ons(Deadline deadline) {
    const Instant now = scheduler_.mono();
    // Polls do not come to the millisecond: one that is nearly due is due.
    const Duration early = std::min(config_.add_on_interval, config_.poll_interval) / 10;
    const bool due = !add_ons_asked_ || now - *add_ons_asked_ >= config_.add_on_interval - early;
    if (!due || (config_.machines && !machines_complete_)) {
        co_return std::nullopt;
    }
    add_ons_asked_ = now;
    const Deadline soon = scheduler_.in(config_.request_timeout);
    auto list = co_await ask_add_ons(soon.at < deadline.at ? soon : deadline);
    const std::string trouble = list ? std::string{} : to_string(list.error());
    if (trouble != add_ons_trouble_ && !trouble.empty()) {
        spdlog::warn("event=add_ons_unknown account={} error=\"{}\"", config_.name.value, trouble);
    }
    add_ons_trouble_ = trouble;
    co_return list ? std::optional{std::move(*list)} : std::nullopt;
}

Task<Result<std::vector<AddOn>>> PaperspaceCloud::ask_add_ons(Deadline deadline) {
    std::set<ResourceId> gone;
    for (const auto& [id, machine] : listed_) {
        if (!machines_.contains(id)) {
            gone.insert(id);
        }
    }
    co_await find_destroyed(std::move(gone), deadline);
    Machines machines = config_.machines ? machines_ : Machines{};
    machines.insert(vanished_.begin(), vanished_.end());
    AddOns all{machines};
    struct List {
        const char* path;
        bool (AddOns::*take)(const json::Value&);
    };
    constexpr List lists[] = {{"/public-ips", &AddOns::public_ip},
                              {"/snapshots", &AddOns::snapshot},
                              {"/shared-drives", &AddOns::shared_drive},
                              {"/custom-templates", &AddOns::custom_template},
                              {"/private-networks", &AddOns::private_network}};
    for (const List& list : lists) {
        if (!config_.machines) {
            break;  // all of them are of Core
        }
        auto pages = co_await all_pages(
            list.path, [&](const json::Value& item) { return (all.*list.take)(item); }, deadline);
        if (!pages) {
            Error error = pages.error();
            error.where += error.where.ends_with(list.path) ? "" : std::string{" "} + list.path;
            co_return std::unexpected(std::move(error));
        }
        if (!pages->complete) {
            co_return std::unexpected(
                with_account({Errc::protocol, Retry::later(), "the list is incomplete", list.path}));
        }
    }
    if (config_.notebooks) {
        if (auto storage = co_await storage_of_team(all, deadline); !storage) {
            co_return std::unexpected(storage.error());
        }
    }
    listed_ = machines_;
    co_return all.take();
}

Task<Result<void>> PaperspaceCloud::storage_of_team(AddOns& into, Deadline deadline) {
    if (team_.empty()) {
        auto request = v1("GET", "/auth/session");
        if (!request) {
            co_return std::unexpected(request.error());
        }
        auto session = co_await ask(std::move(*request), deadline);
        if (!session) {
            co_return std::unexpected(session.error());
        }
        team_ = (*session)["team"]["namespace"].text();
    }
    auto request = v1("GET", "/storage-providers/utilization");
    if (!request) {
        co_return std::unexpected(request.error());
    }
    auto body = co_await ask(std::move(*request), deadline);
    if (!body) {
        co_return std::unexpected(body.error());
    }
    if (team_.empty() || !into.overage(*body, team_, config_.storage_unit == "GiB")) {
        co_return std::unexpected(
            with_account({Errc::protocol, Retry::later(),
                          team_.empty() ? "the session names no team" : "the answer tells no storage",
                          "storage-providers/utilization"}));
    }
    co_return Result<void>{};
}

/// The list leaves out what was destroyed, but its events tell when; with its machine went its disk.
Task<void> PaperspaceCloud::find_destroyed(std::set<ResourceId> gone, Deadline deadline) {
    const WallTime now = scheduler_.wall();
    std::erase_if(vanished_, [&](const auto& entry) {
        return machines_.contains(entry.first) || *entry.second.item.deleted_at < now - vanished_kept;
    });
    for (const ResourceId& id : gone) {
        const auto events = co_await machine_events(id, deadline);
        const auto destroyed = events ? destroyed_at(*events) : std::nullopt;
        if (!destroyed) {
            continue;  // then its end lies between two lists
        }
        Machine machine = listed_.at(id);
        machine.run = newest_run(*events).value_or(machine.run);
        machine.item.deleted_at = destroyed;
        machine.item.state = RunState::stopped;
        vanished_[id] = std::move(machine);
    }
}

// ---- what came and went ----------------------------------------------------------------------------

Task<Result<std::vector<MachineRun>>> PaperspaceCloud::machine_history(ResourceId machine, WallTime since,
                                                                       Deadline deadline) {
    std::vector<json::Value> events;
    const std::string path = "/machine-events?machineId=" + http::percent_encode(machine.value) +
                             "&orderBy=dtCreated&order=desc";
    auto pages = co_await all_pages(
        path,
        [&events](const json::Value& item) {
            events.push_back(item);
            return true;
        },
        deadline,
        [&events, since] {
            const auto oldest = events.empty() ? std::nullopt : events.back()["dtCreated"].time();
            return oldest && *oldest < since - event_slack;
        });
    if (!pages) {
        co_return std::unexpected(pages.error());
    }
    if (!pages->complete) {
        co_return std::unexpected(
            with_account({Errc::unavailable, Retry::later(), "the events are incomplete", machine.value}));
    }
    co_return machine_runs(events);
}

Task<Result<std::vector<Run>>> PaperspaceCloud::past_runs_of_machine(ResourceId machine, WallTime since,
                                                                     Deadline deadline) {
    auto history = co_await machine_history(machine, since, deadline);
    if (!history) {
        co_return std::unexpected(history.error());
    }
    const auto known = machines_.find(machine);
    std::vector<Run> runs;
    for (const MachineRun& past : *history) {
        if (!past.started_at || *past.started_at < since || !past.stopped_at) {
            continue;
        }
        Run run;
        run.id = run_id(machine, past.start_event);
        run.state = RunState::stopped;
        run.started_at = past.started_at;
        run.ended_at = past.stopped_at;
        // Events do not tell the type. It is today's unless it was changed; else it is not known, and no price.
        if (known != machines_.end() && !past.retyped) {
            run.machine_type = known->second.item.machine_type;
            run.listed_rate = known->second.item.listed_rate;
        }
        runs.push_back(std::move(run));
    }
    co_return runs;
}

Task<Result<std::vector<Run>>> PaperspaceCloud::past_runs_of_notebook(ResourceId notebook, WallTime since,
                                                                      Deadline deadline) {
    std::vector<Run> runs;
    if (const auto ended = ended_.find(notebook); ended != ended_.end()) {
        std::ranges::copy_if(ended->second, std::back_inserter(runs),
                             [since](const Run& run) { return run.started_at >= since; });
    }
    std::ranges::reverse(runs);
    for (Run& run : runs) {
        const auto end = co_await ended_at({ResourceKind::notebook, notebook, run.id}, deadline);
        if (end && *end) {
            run.ended_at = (*end)->at;  // the older API may say nothing, or be gone: then it is not known
        }
    }
    co_return runs;
}

Task<Result<std::vector<Run>>> PaperspaceCloud::past_runs(ResourceKind kind, ResourceId resource,
                                                          WallTime since, Deadline deadline) {
    if (kind == ResourceKind::machine) {
        return past_runs_of_machine(std::move(resource), since, deadline);
    }
    return past_runs_of_notebook(std::move(resource), since, deadline);
}

Task<Result<std::optional<Reported>>> PaperspaceCloud::reported(Deadline deadline) {
    if (config_.balance_url.empty()) {
        co_return std::optional<Reported>{};
    }
    auto url = http::parse_url(config_.balance_url);
    if (!url) {
        co_return std::unexpected(url.error());
    }
    http::Request request;
    request.url = std::move(*url);
    request.route.ca_file = config_.ca_file;
    request.credential = {.header = "Authorization", .prefix = "Bearer ", .secret = balance_key_};
    request.headers = {{"Accept", std::string{json_type}}};
    auto body = co_await ask(std::move(request), deadline);
    if (!body) {
        co_return std::unexpected(body.error());
    }
    auto figure = reported_of(*body, scheduler_.wall());
    if (!figure) {
        co_return std::unexpected(with_account(figure.error()));
    }
    co_return std::optional{*figure};
}

Task<Result<RunLook>> PaperspaceCloud::look_at_notebook(RunRef ref, Deadline deadline) {
    std::vector<Resource> resources;
    auto all = co_await list_notebooks(resources, deadline);
    if (!all) {
        co_return std::unexpected(all.error());
    }
    RunLook look;
    const auto resource = std::ranges::find(resources, ref.resource, &Resource::id);
    if (resource != resources.end()) {
        look.newest = resource->run.id == ref.run;
        if (look.newest) {
            look.listed = true;
            look.run = resource->run;
        }
        for (const Run& other : resource->other_runs) {
            if (other.id == ref.run) {
                look.listed = true;
                look.run = other;
            }
        }
    }
    if (!look.listed && !all->complete) {
        co_return fail(Errc::unavailable, "the list is incomplete and does not show it", ref.run.value,
                       Retry::later());
    }
    co_return look;
}

Task<Result<RunLook>> PaperspaceCloud::look_at_machine(RunRef ref, Deadline deadline) {
    auto request = v1("GET", "/machines/" + http::percent_encode(ref.resource.value));
    if (!request) {
        co_return std::unexpected(request.error());
    }
    auto body = co_await ask(std::move(*request), deadline);
    if (!body && body.error().code == Errc::not_found) {
        co_return RunLook{};
    }
    if (!body) {
        co_return std::unexpected(body.error());
    }
    auto item = machine_item(*body);
    if (!item) {
        co_return fail(Errc::protocol, "a machine without an id", ref.resource.value, Retry::later());
    }
    machines_.erase(item->resource);  // fresh: the events are read again
    auto machine = co_await machine_resource(std::move(*item), deadline);
    if (!machine) {
        co_return std::unexpected(machine.error());
    }
    const bool same = machine->run.id == ref.run;
    co_return RunLook{.listed = same, .newest = same, .run = machine->run};
}

Task<Result<RunLook>> PaperspaceCloud::look(RunRef ref, Deadline deadline) {
    if (ref.kind == ResourceKind::machine) {
        return look_at_machine(std::move(ref), deadline);
    }
    return look_at_notebook(std::move(ref), deadline);
}

StopReply PaperspaceCloud::judge_stop(const Result<http::Response>& answer) const {
    using event::Answer;
    if (!answer) {
        return {Answer::ambiguous, answer.error().text};  // sent or not: looked up, never resent
    }
    const int status = answer->status;
    if (status >= 200 && status < 300) {
        const auto body = answer->body.empty() ? Result<json::Value>{json::Value{}}
                                               : json::parse(answer->body);
        const auto hidden = body ? hidden_error(*body) : std::nullopt;
        return hidden ? StopReply{Answer::refused, key_.hidden_in(*hidden)} : StopReply{Answer::accepted, {}};
    }
    const Error error = judged(*answer, {});
    if (status == 409) {
        return {Answer::already_off, error.text};
    }
    if (error.code == Errc::unauthorized || error.code == Errc::forbidden) {
        return {Answer::unauthorized, error.text};
    }
    return {status >= 500 || status == 408 ? Answer::ambiguous : Answer::refused, error.text};
}

Task<StopReply> PaperspaceCloud::stop_machine(RunRef ref, Deadline deadline) {
    // A machine keeps its id over restarts, so the call itself cannot name the run: look right before it.
    auto now = co_await look_at_machine(ref, deadline);
    if (!now || !now->listed) {
        co_return StopReply{event::Answer::refused,
                            now ? "another run has begun, or it is gone" : now.error().text};
    }
    if (is_off(now->run.state)) {
        co_return StopReply{event::Answer::already_off, now->run.state_text};
    }
    auto request = v1("PATCH", "/machines/" + http::percent_encode(ref.resource.value) + "/stop");
    if (!request) {
        co_return StopReply{event::Answer::refused, request.error().text};
    }
    request->content_type = json_type;
    request->body = "{}";  // an empty body with this content type is a 400
    request->idempotent = false;
    const auto answer = co_await client_.send(std::move(*request), deadline);
    co_return judge_stop(answer);
}

Task<StopReply> PaperspaceCloud::stop(RunRef ref, Deadline deadline) {
    if (ref.kind == ResourceKind::machine) {
        co_return co_await stop_machine(std::move(ref), deadline);
    }
    auto request = legacy("POST", "/notebooks/v2/stopNotebook");
    if (!request) {
        co_return StopReply{event::Answer::refused, request.error().text};
    }
    request->body = "{\"notebookId\":" + quoted(ref.run.value) + "}";
    request->idempotent = false;
    const auto answer = co_await client_.send(std::move(*request), deadline);
    co_return judge_stop(answer);
}

Task<Result<std::optional<RunEnd>>> PaperspaceCloud::ended_at(RunRef ref, Deadline deadline) {
    if (ref.kind == ResourceKind::machine) {
        auto run = co_await machine_run(ref.resource, deadline);
        if (!run) {
            co_return std::unexpected(run.error());
        }
        const bool same = *run && run_id(ref.resource, (*run)->start_event) == ref.run && (*run)->stopped_at;
        co_return same ? std::optional{RunEnd{*(*run)->stopped_at}} : std::nullopt;
    }
    auto request = legacy("GET", "/notebooks/getNotebook");
    if (!request) {
        co_return std::unexpected(request.error());
    }
    request->body = "{\"notebookId\":" + quoted(ref.run.value) + "}";
    auto body = co_await ask(std::move(*request), deadline);
    if (!body) {
        if (body.error().code == Errc::not_found) {
            co_return std::optional<RunEnd>{};
        }
        co_return std::unexpected(body.error());
    }
    if ((*body)["handle"].text() != ref.run.value) {
        co_return std::optional<RunEnd>{};  // an answer about another run says nothing of this one
    }
    const auto finished = (*body)["dtFinished"].time();
    co_return finished ? std::optional{RunEnd{*finished}} : std::nullopt;
}

Task<Result<std::vector<Observation>>> PaperspaceCloud::metrics(RunRef ref, Duration window,
                                                                Deadline deadline) {
    const auto guest = guests_.find(ref.run);
    const std::size_t dot = guest == guests_.end() ? std::string::npos : guest->second.address.find('.');
    if (dot == std::string::npos) {
        co_return fail(Errc::not_found, "its metrics host is not known", ref.run.value, Retry::later());
    }
    const std::string host = guest->second.address.substr(dot + 1);
    const bool needs_gpu = !is_cpu_type(guest->second.machine_type);
    const Now asked = scheduler_.now();
    const WallTime from = asked.wall - window;
    auto url = http::parse_url(
        "https://" + host + "/metrics/api/v1/range?charts=cpuPercentage,gpuUtilization&start=" +
        http::percent_encode(stamp(from)) +
        "&interval=30s&objecttype=notebook&handle=" + http::percent_encode(ref.run.value));
    if (!url) {
        co_return std::unexpected(url.error());
    }
    http::Request request;
    request.url = std::move(*url);
    request.route = {.connect_to = config_.metrics_connect, .ca_file = config_.ca_file};
    request.credential = {.header = "X-API-Key", .prefix = "", .secret = key_};
    auto body = co_await ask(std::move(request), deadline);
    if (!body) {
        co_return std::unexpected(body.error());
    }
    const MetricsReading reading = read_metrics(*body, from, config_.cpu_unit == "percent", needs_gpu);
    const Now now = scheduler_.now();
    std::vector<Observation> seen;
    seen.push_back(
        {.source = Signal::metrics,
         .run = ref.run,
         .at = now.mono,
         .wall = now.wall,
         .verdict = reading.verdict,
         .last_active_at = reading.verdict == Verdict::active ? std::optional{now.wall} : std::nullopt,
         .strength = Strength::strong,
         .evidence = reading.evidence,
         .ttl = observation_ttl(config_.poll_interval)});
    co_return seen;
}

}  // namespace

std::shared_ptr<Cloud> make_cloud(const AccountConfig& account, Keys keys, http::Client& client,
                                  Scheduler& scheduler) {
    return std::make_shared<PaperspaceCloud>(account, std::move(keys), client, scheduler);
}

}  // namespace curfew::paperspace
