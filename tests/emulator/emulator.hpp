// Everything the routes share.
#pragma once

#include "billing.hpp"
#include "clock.hpp"
#include "faults.hpp"
#include "http.hpp"
#include "world.hpp"

#include <boost/asio/awaitable.hpp>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace emulator {

struct Call {
    std::int64_t number;
    Millis at;
    std::string host;
    std::string method;
    std::string target;
    std::string run;
    std::string repo;
    int status;  // 0: no answer was sent
    std::string fault;
};

/// What /storage-providers/utilization says of one team, and how far above its plan it has been since when.
struct TeamStorage {
    json figures;
    std::vector<std::pair<Millis, std::int64_t>> overage;  // bytes

    /// Takes members of `change` over, from `now` on.
    void set(const json& change, Millis now);
};

struct Emulator {
    VirtualClock clock;
    PriceBook prices;
    Faults faults;
    World* world = nullptr;
    std::deque<Call> calls;
    std::deque<Call> guest_calls;
    std::int64_t calls_total = 0;
    std::map<std::string, std::string> hosts;  // as printed at the start
    bool stop_answers_true = false;
    bool last_page_without_next = false;  // else nextPage is null there
    std::vector<TeamStorage> storage;     // one for each team
    bool storage_in_gibibytes = false;
    std::string balance_key;
    Millis balance_delay = 0;  // how old the figures of the balance are
    Nanos balance_drift = 0;   // a lie of the balance
    /// Ends the connections that are pinned to guests; by number.
    std::map<std::int64_t, std::function<void()>> guest_connections;
    std::int64_t next_connection = 1;

    void record(const CallInfo& call, int status, const std::string& fault);
};

inline constexpr std::size_t kept_calls = 200'000;
inline constexpr std::size_t kept_guest_calls = 20'000;

/// Faults, routes, the record of calls.
boost::asio::awaitable<Reply> dispatch(Emulator& emulator, Request& request);

Reply route_v1(Emulator& emulator, const Request& request, const CallInfo& call);
Reply route_legacy(Emulator& emulator, const Request& request, const CallInfo& call);
Reply route_logs(Emulator& emulator, const Request& request);
Reply route_metrics(Emulator& emulator, const Request& request);
Reply route_balance(const Emulator& emulator, const Request& request);
boost::asio::awaitable<Reply> route_control(Emulator& emulator, Request& request);
/// The frames of the metrics stream for one subscription, now; throws on nonsense.
std::vector<std::string> metrics_frames(Emulator& emulator, const json& subscription);

// machines.cpp: both APIs' forms of machines; nothing when the path is not theirs.
std::optional<Reply> route_v1_machines(Emulator& emulator, const Request& request, std::size_t team,
                                       const std::vector<std::string>& parts);
std::optional<Reply> route_legacy_machines(Emulator& emulator, const Request& request, std::size_t team,
                                           const std::vector<std::string>& parts);

// add_ons.cpp: addresses, snapshots, shared drives, templates, networks; nothing when the path is not theirs.
std::optional<Reply> route_v1_extras(const Emulator& emulator, const Request& request, std::size_t team,
                                     const std::vector<std::string>& parts);
/// POST /add-ons of the control; throws std::invalid_argument with the reason.
json make_extra(Emulator& emulator, const json& body, std::size_t team);
/// The short code of either form of a region; empty for nonsense.
std::string region_code(const std::string& text);
std::string region_name(const std::string& code);
/// Null while it has none.
json public_ip_of(const Machine& machine);
json available_types(const Emulator& emulator);

// Shared by the routes.
json v1_notebook(const Emulator& emulator, const Notebook& notebook, const Run& run);
json legacy_notebook(const Emulator& emulator, const Notebook& notebook, const Run& run);
Reply v1_error(int status, const std::string& message, const std::vector<std::string>& issues = {});
Reply legacy_error(int status, const std::string& message);       // {"error":{...}}
Reply legacy_flat_error(int status, const std::string& message);  // {"status","message"}
json nullable(const std::optional<Millis>& at);
/// What `month` ("2026-11", UTC) or, if it is empty, all time has cost up to `at`.
json invoice(const Emulator& emulator, const std::string& month, Millis at);
/// The error in the form of that host's API.
Reply host_error(const std::string& host, int status, const std::string& message);
/// `limit`, `after` and so on over the items of a v1 list, oldest first. `orders` are
/// what `orderBy` may say, the first is the default; `key` is the member that tells items apart.
Reply v1_page(const Emulator& emulator, const Request& request, const std::vector<json>& items,
              const std::vector<std::string>& orders, const char* key = "id");
/// Hours as a finite number, also in a string; nothing for anything else.
std::optional<double> hours_of(const json& value);
inline constexpr double most_hours = 168;  // a week
struct Hardware {
    int cpus;
    std::int64_t ram_bytes;
    int gpus;
    std::string gpu;
    std::int64_t vram_bytes;
};
Hardware hardware_of(const Emulator& emulator, const std::string& type);

}  // namespace emulator
