// What Paperspace sends, read into core types. Tolerant where sources disagree, strict where money or a
// stop depends on it. Wire facts: v1's OpenAPI (May 2024), the vendor's clients of the legacy API, and
// field reports of 2024 to 2026.
#pragma once

#include "adapters/http/json.hpp"
#include "curfew/core/activity.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/ports/cloud.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::paperspace {

/// Any case. A stop by the API ends in "Cancelled"; an unknown word is RunState::unknown.
RunState notebook_state(std::string_view word);
/// All but "off" bill.
RunState machine_state(std::string_view word);

/// A 2xx object that is an error all the same: at most three members, `code` and `message` among them.
std::optional<std::string> hidden_error(const json::Value& body);

/// One item of GET /v1/notebooks as one run; nullopt without an id.
struct NotebookItem {
    ResourceId resource;
    std::string name;
    std::string project;
    std::string owner;
    std::optional<WallTime> created_at;
    Run run;
};
std::optional<NotebookItem> notebook_item(const json::Value& item);

/// Items of one account as resources: one per notebookRepoId, the newest start as its run, older runs that
/// still bill beside it.
std::vector<Resource> notebooks_from(std::vector<NotebookItem> items, const AccountName& account);

/// Runs of the same items that are over and are listed beside a newer one: what came and went. By resource,
/// newest first, without what gives access.
std::map<ResourceId, std::vector<Run>> ended_beside(const std::vector<NotebookItem>& items);

struct MachineItem {
    ResourceId resource;
    std::string name;
    std::string machine_type;
    RunState state = RunState::unknown;
    std::string state_text;
    std::string region;
    std::string address;       // public; empty while it has none
    std::string address_type;  // "static", "dynamic", "none"
    std::string network;
    std::string modified;             // as text: changes with every event
    std::optional<Rate> listed_rate;  // usageRate, dollars an hour
    std::int64_t disk_bytes = 0;      // 0 = not told
    std::optional<WallTime> created_at;
    std::optional<WallTime> deleted_at;
};
std::optional<MachineItem> machine_item(const json::Value& item);

/// A start (or create), done or under way, and the stop after it, of GET /v1/machine-events.
struct MachineRun {
    std::string start_event;
    std::optional<WallTime> started_at;
    std::optional<WallTime> stopped_at;  // or of its destruction
    bool retyped = false;                // the machine's type was changed after this run
};
/// Of all events, in any order; oldest first.
std::vector<MachineRun> machine_runs(const std::vector<json::Value>& events);
std::optional<MachineRun> newest_run(const json::Value& events);
/// When the machine was destroyed, by its events.
std::optional<WallTime> destroyed_at(const json::Value& events);

/// GET /v2/customers/my/balance of DigitalOcean, where the bill is. Errc::protocol where anything is missing or
/// cannot be true at `now`.
Result<Reported> reported_of(const json::Value& body, WallTime now);

/// Does a machine of this type have no GPU, by the provider's naming (C1 … C10, Free-CPU)?
bool is_cpu_type(std::string_view machine_type);

struct MetricsReading {
    Verdict verdict = Verdict::unknown;
    std::string evidence;
};
/// cpuPercentage (mean ≥ 0.2 core is activity) and gpuUtilization (p95 ≥ 5 % in any series) of one run since
/// `from`. A null or empty chart is not measured, never 0: quiet needs the CPU and, on a GPU type, the GPU too.
MetricsReading read_metrics(const json::Value& body, WallTime from, bool percent_units, bool needs_gpu);

}  // namespace curfew::paperspace
