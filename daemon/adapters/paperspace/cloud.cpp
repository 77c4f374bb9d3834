#include "adapters/paperspace/cloud.hpp"

#include "adapters/paperspace/wire.hpp"

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
    PaperspaceCloud(const AccountConfig& account, Secret key, http::Client& client, Scheduler& scheduler)
        : config_(account), key_(std::move(key)), client_(client), scheduler_(scheduler) {}

    const AccountName& account() const override { return config_.name; }
    Task<Result<std::string>> check_key(Deadline deadline) override;
    Task<Result<Listing>> list(Deadline deadline) override;
    Task<Result<RunLook>> look(RunRef ref, Deadline deadline) override;
    Task<StopReply> stop(RunRef ref, Deadline deadline) override;
    Task<Result<std::optional<RunEnd>>> ended_at(RunRef ref, Deadline deadline) override;
    Task<Result<std::vector<Run>>> past_runs(ResourceKind, ResourceId, WallTime, Deadline) override {
        co_return std::vector<Run>{};
    }
    Task<Result<std::optional<Reported>>> reported(Deadline) override { co_return std::nullopt; }
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
    Task<Result<Pages>> all_pages(std::string path, TakeItem take, Deadline deadline);
    Task<Result<Pages>> list_notebooks(std::vector<Resource>& into, Deadline deadline);
    Task<Result<bool>> list_machines(std::vector<Resource>& into, Deadline deadline);
    Task<Result<std::optional<MachineRun>>> machine_run(ResourceId machine, Deadline deadline);
    Task<Result<RunLook>> look_at_notebook(RunRef ref, Deadline deadline);
    Task<Result<RunLook>> look_at_machine(RunRef ref, Deadline deadline);
    Task<StopReply> stop_machine(RunRef ref, Deadline deadline);
    Task<Result<Resource>> machine_resource(MachineItem item, Deadline deadline);
    static RunId run_id(const ResourceId& machine, const std::string& start_event) {
        return RunId{machine.value + "@" + start_event};
    }
    StopReply judge_stop(const Result<http::Response>& answer) const;
    Error with_account(Error error) const;

    struct KnownMachine {
        std::string modified;
        RunState state = RunState::unknown;
        MachineRun run;
    };
    struct Guest {
        std::string address;
        std::string machine_type;
    };

    AccountConfig config_;
    Secret key_;
    http::Client& client_;
    Scheduler& scheduler_;
    std::map<ResourceId, KnownMachine> machines_;
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
                          key_.hidden_in(*hidden), host}));
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
                                                                Deadline deadline) {
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
        if (!more || after.empty()) {
            all.complete = !more && named;
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
        into = notebooks_from(std::move(items), config_.name);
    }
    co_return all;
}

Task<Result<std::optional<MachineRun>>> PaperspaceCloud::machine_run(ResourceId machine, Deadline deadline) {
    auto request = v1("GET", "/machine-events?machineId=" + http::percent_encode(machine.value) +
                                 "&limit=100&orderBy=dtCreated&order=desc");
    if (!request) {
        co_return std::unexpected(request.error());
    }
    auto body = co_await ask(std::move(*request), deadline);
    if (!body) {
        co_return std::unexpected(body.error());
    }
    co_return newest_run(*body);
}

Task<Result<Resource>> PaperspaceCloud::machine_resource(MachineItem item, Deadline deadline) {
    KnownMachine& known = machines_[item.resource];
    // The list names no runs; the events do. They are read again only when something happened.
    if (known.modified != item.modified || known.state != item.state || known.run.start_event.empty()) {
        auto run = co_await machine_run(item.resource, deadline);
        if (!run) {
            co_return std::unexpected(run.error());
        }
        known = {item.modified, item.state,
                 run->value_or(MachineRun{.start_event = "first", .started_at = {}, .stopped_at = {}})};
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
    r.run.address = item.address;
    r.run.started_at = known.run.started_at;
    r.run.ended_at = is_off(item.state) ? known.run.stopped_at : std::nullopt;
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
        auto complete = co_await list_machines(machines, deadline);
        if (!complete && (!config_.notebooks || complete.error().code == Errc::unauthorized)) {
            co_return std::unexpected(complete.error());
        }
        listing.complete = listing.complete && complete && *complete;
        std::ranges::move(machines, std::back_inserter(listing.resources));
    }
    co_return listing;
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

std::shared_ptr<Cloud> make_cloud(const AccountConfig& account, Secret key, http::Client& client,
                                  Scheduler& scheduler) {
    return std::make_shared<PaperspaceCloud>(account, std::move(key), client, scheduler);
}

}  // namespace curfew::paperspace
