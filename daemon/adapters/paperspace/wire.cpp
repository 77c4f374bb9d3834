#include "adapters/paperspace/wire.hpp"

#include <algorithm>
#include <compare>
#include <map>
#include <set>
#include <utility>

namespace curfew::paperspace {

namespace {

constexpr std::int64_t active_cpu = 200;                     // thousandths of a core
constexpr std::int64_t active_gpu = 5000;                    // thousandths of a percent
constexpr std::size_t ended_max = 200;                       // of one notebook
constexpr Money reported_max{100'000'000'000'000'000, usd};  // $100 million

std::string lower(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

/// The values since `from` of each series of one chart in which anything was measured.
std::vector<std::vector<std::int64_t>> series_of(const json::Value& chart, WallTime from) {
    std::vector<std::vector<std::int64_t>> all;
    for (const auto& [pod, series] : chart.members()) {
        std::vector<std::int64_t> values;
        for (const json::Value& point : series.items()) {
            const auto at = point["time_stamp"].integer();
            const auto value = point["value"].thousandths();
            if (at && value && *at >= from.ms / 1000) {
                values.push_back(*value);
            }
        }
        if (!values.empty()) {
            all.push_back(std::move(values));
        }
    }
    return all;
}

std::optional<std::int64_t> mean_of(const std::vector<std::vector<std::int64_t>>& all) {
    std::int64_t sum = 0;
    std::int64_t count = 0;
    for (const auto& values : all) {
        for (const std::int64_t value : values) {
            sum += value;
            ++count;
        }
    }
    return count == 0 ? std::nullopt : std::optional{sum / count};
}

/// Of the busiest series, by nearest rank: of two values the larger.
std::optional<std::int64_t> p95_of(std::vector<std::vector<std::int64_t>> all) {
    std::optional<std::int64_t> most;
    for (auto& values : all) {
        std::ranges::sort(values);
        const std::int64_t p95 = values[(values.size() * 95 + 99) / 100 - 1];
        most = most ? std::max(*most, p95) : p95;
    }
    return most;
}

std::string decimal(std::int64_t thousandths) {
    const std::string digits = std::to_string(1000 + thousandths % 1000).substr(1);
    return std::to_string(thousandths / 1000) + "." + digits.substr(0, 2);
}

bool newer(const NotebookItem& a, const NotebookItem& b) {
    const WallTime none{};
    if (a.run.started_at != b.run.started_at) {
        return a.run.started_at.value_or(none) > b.run.started_at.value_or(none);
    }
    if (a.created_at != b.created_at) {
        return a.created_at.value_or(none) > b.created_at.value_or(none);
    }
    return a.run.id > b.run.id;
}

}  // namespace

RunState notebook_state(std::string_view word) {
    static const std::map<std::string, RunState, std::less<>> states{
        {"pending", RunState::pending},   {"provisioned", RunState::provisioned},
        {"running", RunState::running},   {"stopped", RunState::stopped},
        {"cancelled", RunState::stopped}, {"cancel", RunState::stopped},
        {"error", RunState::failed},      {"failed", RunState::failed},
        {"preempted", RunState::failed}};
    const auto found = states.find(lower(word));
    return found == states.end() ? RunState::unknown : found->second;
}

RunState machine_state(std::string_view word) {
    static const std::map<std::string, RunState, std::less<>> states{{"off", RunState::stopped},
                                                                     {"starting", RunState::provisioned},
                                                                     {"provisioning", RunState::provisioned},
                                                                     {"restarting", RunState::running},
                                                                     {"serviceready", RunState::running},
                                                                     {"ready", RunState::running},
                                                                     {"upgrading", RunState::running},
                                                                     {"stopping", RunState::stopping}};
    const auto found = states.find(lower(word));
    return found == states.end() ? RunState::unknown : found->second;
}

std::optional<std::string> hidden_error(const json::Value& body) {
    if (!body.is_object() || body.members().size() > 3 || body["code"].is_null() ||
        !body["message"].string()) {
        return std::nullopt;
    }
    return body["code"].text() + ": " + body["message"].text();
}

std::optional<NotebookItem> notebook_item(const json::Value& item) {
    NotebookItem n;
    n.run.id = RunId{item["id"].text()};
    n.resource = ResourceId{item["notebookRepoId"].text()};
    if (n.run.id.empty()) {
        return std::nullopt;
    }
    if (n.resource.empty()) {
        n.resource = ResourceId{n.run.id.value};  // null for very old ones: then a run is all there is
    }
    n.name = item["name"].text();
    n.project = item["projectId"].text();
    n.owner = item["startedByUser"]["email"].text();
    n.created_at = item["dtCreated"].time();
    n.run.state_text = item["state"].text();
    n.run.state = notebook_state(n.run.state_text);
    n.run.machine_type = item["machineType"].text();
    n.run.started_at = item["dtStarted"].time();
    n.run.address = item["fqdn"].text();
    n.run.token = Secret{item["token"].text()};
    return n;
}

std::vector<Resource> notebooks_from(std::vector<NotebookItem> items, const AccountName& account) {
    std::map<ResourceId, std::vector<NotebookItem>> by_resource;
    for (NotebookItem& item : items) {
        auto& runs = by_resource[item.resource];
        const bool twice = std::ranges::any_of(
            runs, [&](const NotebookItem& r) { return r.run.id == item.run.id; });
        if (!twice) {
            runs.push_back(std::move(item));
        }
    }
    std::vector<Resource> resources;
    for (auto& [id, runs] : by_resource) {
        std::ranges::sort(runs, newer);
        Resource r;
        r.id = id;
        r.account = account;
        r.kind = ResourceKind::notebook;
        r.name = runs.front().name;
        r.project = runs.front().project;
        r.owner = runs.front().owner;
        r.run = std::move(runs.front().run);
        for (std::size_t i = 1; i < runs.size(); ++i) {
            if (bills(runs[i].run.state)) {
                r.other_runs.push_back(std::move(runs[i].run));
            }
        }
        resources.push_back(std::move(r));
    }
    return resources;
}

std::map<ResourceId, std::vector<Run>> ended_beside(const std::vector<NotebookItem>& items) {
    std::vector<const NotebookItem*> ordered;
    ordered.reserve(items.size());
    for (const NotebookItem& item : items) {
        ordered.push_back(&item);
    }
    std::ranges::sort(ordered, [](const NotebookItem* a, const NotebookItem* b) { return newer(*a, *b); });
    std::map<ResourceId, std::vector<Run>> ended;
    std::set<ResourceId> newest;
    std::set<RunId> seen;
    for (const NotebookItem* item : ordered) {
        const Run& run = item->run;
        if (!seen.insert(run.id).second || newest.insert(item->resource).second || !is_off(run.state) ||
            !run.started_at) {
            continue;
        }
        auto& runs = ended[item->resource];
        if (runs.size() < ended_max) {
            runs.push_back(run);
            runs.back().address.clear();
            runs.back().token = Secret{};
        }
    }
    return ended;
}

std::optional<MachineItem> machine_item(const json::Value& item) {
    MachineItem m;
    m.resource = ResourceId{item["id"].text()};
    if (m.resource.empty()) {
        return std::nullopt;
    }
    m.name = item["name"].text();
    m.machine_type = item["machineType"].text();
    m.state_text = item["state"].text();
    m.state = machine_state(m.state_text);
    m.region = item["region"].text();
    m.address = item["publicIp"].text();
    m.address_type = item["publicIpType"].text();
    m.network = item["networkId"].text();
    m.modified = item["dtModified"].text();
    const Money believable{1000 * nanos_per_unit};  // as in price files
    if (const auto rate = item["usageRate"].money(); rate && rate->nanos >= 0 && *rate <= believable) {
        m.listed_rate = Rate{*rate};
    }
    m.disk_bytes = std::max<std::int64_t>(0, item["storageTotal"].integer().value_or(0));
    m.created_at = item["dtCreated"].time();
    m.deleted_at = item["dtDeleted"].time();
    if (m.deleted_at) {
        m.state = RunState::stopped;
    }
    return m;
}

std::vector<MachineRun> machine_runs(const std::vector<json::Value>& events) {
    enum class What : std::uint8_t { stops, retypes, starts };  // the order of equal times
    struct Event {
        WallTime at;
        What what;
        std::string id;
        auto operator<=>(const Event&) const = default;
    };
    std::vector<Event> ordered;
    for (const json::Value& e : events) {
        const std::string name = e["name"].text();
        const std::string state = lower(e["state"].text());
        const auto finished = e["dtFinished"].time();
        // A finished event in state "error" without an error did happen.
        const bool succeeded = state == "done" || (state == "error" && e["error"].is_null());
        if (name == "start" || name == "create") {
            // A run begins, and costs, with its start, not when that is done: a stop meant for the run
            // before must not reach it meanwhile (I4). Cancelled while it booted, it was a run as well.
            const auto begun = e["dtStarted"].time();
            const auto at = begun ? begun : e["dtCreated"].time() ? e["dtCreated"].time() : finished;
            const bool failed = (state == "error" && !(succeeded && finished)) ||
                                (state == "cancelled" && !begun);
            if (at && !failed) {
                ordered.push_back({*at, What::starts, e["id"].text()});
            }
        } else if (!succeeded || !finished) {
            continue;
        } else if (name == "stop" || name == "vm-shutdown-force" || name == "deactivate") {
            ordered.push_back({*finished, What::stops, e["id"].text()});
        } else if (name == "vm-upgrade") {
            ordered.push_back({*finished, What::retypes, e["id"].text()});
        }
    }
    std::ranges::sort(ordered);
    std::vector<MachineRun> runs;
    for (const Event& e : ordered) {
        if (e.what == What::starts) {
            // Without an id two starts would be one run, and a stop meant for the first could reach the second.
            runs.push_back({.start_event = e.id.empty() ? to_string(e.at) : e.id,
                            .started_at = e.at,
                            .stopped_at = std::nullopt});
        } else if (e.what == What::retypes) {
            std::ranges::for_each(runs, [](MachineRun& run) { run.retyped = true; });
        } else if (!runs.empty() && !runs.back().stopped_at) {
            runs.back().stopped_at = e.at;
        }
    }
    return runs;
}

std::optional<MachineRun> newest_run(const json::Value& events) {
    auto runs = machine_runs(events["items"].items());
    return runs.empty() ? std::nullopt : std::optional{std::move(runs.back())};
}

std::optional<WallTime> destroyed_at(const json::Value& events) {
    for (const json::Value& e : events["items"].items()) {
        if (e["name"].text() == "deactivate" && lower(e["state"].text()) == "done") {
            return e["dtFinished"].time();
        }
    }
    return std::nullopt;
}

Result<Reported> reported_of(const json::Value& body, WallTime now) {
    const auto usage = body["month_to_date_usage"].money();
    const auto at = body["generated_at"].time();
    const auto wrong = [](const std::string& why) {
        return fail(Errc::protocol, "the balance cannot be used: " + why, {}, Retry::later());
    };
    if (!usage) {
        return wrong("month_to_date_usage is missing or no amount");
    }
    if (!at) {
        return wrong("generated_at is missing or no time");
    }
    if (usage->nanos < 0 || usage->nanos > reported_max.nanos) {
        return wrong("month_to_date_usage is " + to_string(*usage));
    }
    if (*at > now + hours{24}) {
        return wrong("generated_at lies in the future: " + to_string(*at));
    }
    return Reported{.month = utc_month_begin(*at), .month_to_date = *usage, .generated_at = *at};
}

bool is_cpu_type(std::string_view type) {
    if (type.starts_with("Free-")) {
        type.remove_prefix(5);
    }
    return type == "CPU" || (type.size() >= 2 && type[0] == 'C' && type[1] >= '0' && type[1] <= '9');
}

MetricsReading read_metrics(const json::Value& body, WallTime from, bool percent_units, bool needs_gpu) {
    const auto cpu = mean_of(series_of(body["charts"]["cpuPercentage"], from));
    const auto gpu = p95_of(series_of(body["charts"]["gpuUtilization"], from));
    const std::int64_t cores = percent_units ? cpu.value_or(0) / 100 : cpu.value_or(0);
    MetricsReading reading;
    if (cpu) {
        reading.evidence = decimal(cores) + " cores";
    }
    if (gpu) {
        reading.evidence += (reading.evidence.empty() ? "" : ", ") + std::string{"GPU "} + decimal(*gpu) +
                            " %";
    }
    const bool active = (cpu && cores >= active_cpu) || (gpu && *gpu >= active_gpu);
    if (active) {
        reading.verdict = Verdict::active;
    } else if (cpu && (gpu || !needs_gpu)) {
        reading.verdict = Verdict::quiet;
    } else {
        reading.evidence += !cpu && !gpu ? "nothing was measured"
                            : cpu        ? ", the GPU was not measured"
                                         : ", the CPU was not measured";
    }
    return reading;
}

}  // namespace curfew::paperspace
