// Teams, notebooks with their runs, machines with their events: what exists and how it lives.
#pragma once

#include "billing.hpp"
#include "clock.hpp"
#include "guests.hpp"
#include "http.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace emulator {

inline constexpr const char* cluster_id = "clg07azjl";
inline constexpr const char* cluster_domain = "clg07azjl.paperspacegradient.com";

struct Team {
    std::string id;
    std::string name;
    std::string space;  // the team's namespace
    std::string key;
    std::string user_id;
    std::string email;
    std::string first_name;
    std::string last_name;
    std::string project_id;
};

enum class RunState { pending, provisioned, running, stopped, cancelled, error, failed, preempted };
std::string_view state_name(RunState state);
std::optional<RunState> parse_state(std::string_view name);
bool terminal(RunState state);

struct Sample {
    Millis at;
    double cores;
    std::int64_t resident_bytes;
};

struct Notebook;

struct Run {
    std::string id;
    std::string token;  // empty: never started
    std::string fqdn;
    std::string machine_type;
    std::string job_handle;
    std::int64_t job_id = 0;
    RunState state = RunState::pending;
    bool stopping = false;
    RunState end_state = RunState::cancelled;
    Millis created = 0;
    Millis modified = 0;
    std::optional<Millis> provisioning_started;
    std::optional<Millis> provisioning_finished;
    std::optional<Millis> started;
    std::optional<Millis> finished;
    std::optional<Millis> teardown_started;
    std::optional<Millis> teardown_finished;
    std::optional<double> timeout_hours;
    std::string error;

    bool standin = false;
    bool busy = false;  // of a stand-in, as the tests say
    Millis verdict_since = 0;
    Millis last_activity = 0;  // for the inactivity limit of free machines
    std::shared_ptr<Guest> guest;
    int launches = 0;
    std::deque<Sample> samples;
    double last_cpu_seconds = -1;
    Millis last_sample_real = 0;
};

struct Notebook {
    std::string repo_id;
    std::int64_t row_id = 0;
    std::size_t team = 0;
    std::string name;
    std::string project_id;
    std::string machine_type;
    std::string container;
    bool container_root = false;
    bool jupyter_first = false;             // Jupyter is the container's first process
    std::vector<std::string> jupyter_args;  // more of them, from the next start on
    std::vector<std::string> environment;   // NAME=VALUE, besides the usual
    bool standin = false;
    bool is_public = false;
    bool is_preemptible = false;
    std::optional<double> timeout_hours;
    std::vector<std::string> tags;
    Millis created = 0;
    std::optional<Millis> deleted;
    std::filesystem::path folder;  // empty for stand-ins
    std::vector<std::shared_ptr<Run>> runs;
    // Values that the tests set: constant from then on; a null hides the chart.
    struct Chart {
        Millis since;
        std::optional<double> value;
    };
    std::map<std::string, Chart> charts;

    [[nodiscard]] Run& run() const { return *runs.back(); }
};

struct NotebookSpec {
    std::size_t team = 0;
    std::string name;
    std::string machine_type;
    std::string project_id;
    std::string container = "paperspace/nb-pytorch:22.02-py3";
    bool container_root = false;
    bool jupyter_first = false;             // Jupyter is the container's first process
    std::vector<std::string> jupyter_args;  // more of them, from the next start on
    std::vector<std::string> environment;   // NAME=VALUE, besides the usual
    bool standin = false;
    bool is_public = false;
    bool is_preemptible = false;
    std::optional<double> timeout_hours;
    std::vector<std::string> tags;
};

struct MachineEvent {
    std::string id;
    std::string name;
    std::string state;
    Millis created;
    std::optional<Millis> started;
    std::optional<Millis> finished;
};

struct Machine {
    std::string id;
    std::size_t number = 0;  // of its kind in this world
    std::size_t team = 0;
    std::string name;
    std::string machine_type;
    std::string state;
    std::string region;  // the short code
    std::string public_ip_type = "dynamic";
    std::int64_t disk_gb = 50;
    bool auto_shutdown = false;
    std::optional<std::int64_t> auto_shutdown_timeout;
    bool auto_shutdown_force = false;
    Millis created = 0;
    Millis modified = 0;
    std::optional<Millis> deleted;
    struct Power {
        Millis from;
        std::optional<Millis> to;
        std::string machine_type;
    };
    std::vector<Power> power;  // when it was anything but off
    std::vector<MachineEvent> events;
    json extra = json::object();  // members that tests set on the object as it is sent
};

/// What a team pays for besides notebooks and machines.
struct Extra {
    enum class Kind { address, snapshot, shared_drive, custom_template, private_network };
    Kind kind = Kind::address;
    std::string id;  // of an address itself
    std::size_t team = 0;
    std::string name;
    std::string region = "ny2";  // the short code
    std::string machine;         // of a snapshot or template
    std::string network;         // of a shared drive
    std::int64_t size_gb = 0;
    Millis created = 0;
    std::optional<Millis> deleted;
    json extra = json::object();  // members that tests set on the object as it is sent
};

struct WorldOptions {
    std::filesystem::path state_dir;
    bool real_guests = true;
    bool isolated = false;  // real notebooks live in namespaces of their own
    Millis boot_ms = 3000;
    Millis teardown_ms = 5000;
};

struct Found {
    Notebook* notebook = nullptr;
    Run* run = nullptr;
    explicit operator bool() const { return run != nullptr; }
};

class World {
public:
    World(boost::asio::any_io_executor executor, const VirtualClock& clock, PriceBook& prices,
          WorldOptions options);

    void add_team(const std::string& key);
    [[nodiscard]] const std::vector<Team>& teams() const { return teams_; }
    [[nodiscard]] std::optional<std::size_t> team_of_key(std::string_view key) const;

    /// A notebook that was never started; its one run is Stopped and has no token.
    Notebook& create(const NotebookSpec& spec);
    /// A new run with a new id, fqdn and token.
    Run& start(Notebook& notebook);
    /// A stand-in that runs at once.
    Run& start_standin_now(Notebook& notebook, bool busy);
    /// Begins the teardown; the run ends as Cancelled when that is over.
    void stop(Notebook& notebook) { begin_teardown(notebook, RunState::cancelled); }
    void begin_teardown(Notebook& notebook, RunState end_state);
    void erase(Notebook& notebook);
    Notebook& fork(const Notebook& source, const std::string& project_id, std::size_t team);

    [[nodiscard]] Found find_run(std::string_view id) const;
    [[nodiscard]] Notebook* find_repo(std::string_view repo_id) const;
    [[nodiscard]] const std::vector<std::unique_ptr<Notebook>>& notebooks() const { return notebooks_; }
    [[nodiscard]] std::filesystem::path log_of(const Run& run) const;

    Machine& create_machine(std::size_t team, const std::string& name, const std::string& type,
                            std::int64_t disk_gb, const std::string& region, bool start);
    /// Each begins an event and gives it back; nothing when the machine's state forbids it.
    MachineEvent* machine_start(Machine& machine);
    MachineEvent* machine_stop(Machine& machine);
    MachineEvent* machine_restart(Machine& machine);
    /// A fault: an event that says a stop is under way, and is cancelled in the end.
    MachineEvent& machine_pretend_stop(Machine& machine);
    MachineEvent& machine_destroy(Machine& machine);
    /// Another type from now on; the caller has seen that it is off.
    void machine_upgrade(Machine& machine, const std::string& type);
    /// Events end with the state error and without an error, as some do although all went well.
    bool events_end_as_error = false;
    /// What notebooks and machines have begun, starts and stops, does not end for as long as this is so.
    bool hold = false;
    [[nodiscard]] Machine* find_machine(std::string_view id) const;
    [[nodiscard]] const std::vector<std::unique_ptr<Machine>>& machines() const { return machines_; }

    /// Made now, with an id of its kind.
    Extra& create_extra(Extra extra);
    [[nodiscard]] Extra* find_extra(std::string_view id) const;
    [[nodiscard]] const std::vector<std::unique_ptr<Extra>>& extras() const { return extras_; }

    std::string random_text(std::size_t length, std::string_view alphabet);
    std::string new_id(char prefix, std::size_t length);
    /// Machine types without free capacity, as the tests say.
    std::set<std::string> unavailable;
    void set_verdict(Notebook& notebook, bool busy) const;
    [[nodiscard]] const WorldOptions& options() const { return options_; }

    void kill_all() const;
    [[nodiscard]] bool all_exited() const;
    /// Looks at the process trees once a real second, for ever.
    boost::asio::awaitable<void> sample_guests();

private:
    Run& add_run(Notebook& notebook);
    void launch(Notebook& notebook, const std::shared_ptr<Run>& run);
    /// Until then, and until nothing holds it.
    boost::asio::awaitable<void> due(Millis at);
    boost::asio::awaitable<void> boot(Notebook& notebook, std::shared_ptr<Run> run);
    boost::asio::awaitable<void> tear_down(Notebook& notebook, std::shared_ptr<Run> run);
    boost::asio::awaitable<void> limits(Notebook& notebook, std::shared_ptr<Run> run);
    void enter_running(Notebook& notebook, const std::shared_ptr<Run>& run);
    boost::asio::awaitable<void> machine_step(Machine& machine, std::string event_id, std::string during,
                                              std::string after, Millis at);
    boost::asio::awaitable<void> machine_timer(Machine& machine, std::size_t power, Millis at);
    MachineEvent* machine_event(Machine& machine, const std::string& name, const std::string& during,
                                const std::string& after, Millis now, Millis takes);

    boost::asio::any_io_executor executor_;
    const VirtualClock& clock_;
    PriceBook& prices_;
    WorldOptions options_;
    std::vector<Team> teams_;
    std::vector<std::unique_ptr<Notebook>> notebooks_;  // in the order of their creation
    std::unordered_map<std::string, Notebook*> by_repo_;
    std::unordered_map<std::string, Found> by_run_;
    std::vector<std::unique_ptr<Machine>> machines_;
    std::unordered_map<std::string, Machine*> by_machine_;
    std::vector<std::unique_ptr<Extra>> extras_;  // in the order of their creation
    std::vector<std::weak_ptr<Guest>> guests_;
    std::mt19937_64 random_{std::random_device{}()};
    std::int64_t next_row_ = 1000;
};

}  // namespace emulator
