// The true state of a provider's accounts: resources with their runs, work, files and price. It bills by itself, by
// true time, and tells the judge. People and faults move it; `SimCloud` and `SimGuest` only show it.
#pragma once

#include "curfew/ports/cloud.hpp"
#include "simulation/stage.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::simulation {

struct SimFile {
    std::uint64_t version = 0;
    std::int64_t size = 0;
    WallTime changed;  // UTC, as the guest's server has it
};

struct SimRun {
    RunId id;
    std::string machine_type;
    RunState state = RunState::provisioned;
    WallTime started;
    std::optional<WallTime> ended;
    bool bills() const { return !ended; }
};

/// How a resource's user works, drawn once.
struct Habits {
    Duration work_min{0};  // one stretch of work
    Duration work_max{0};
    Duration pause_min{0};  // between two stretches of one session
    Duration pause_max{0};
    int stretches = 3;               // of a session, at most
    int start_hour = 9;              // of the day, local to the user
    Duration away_max{0};            // until the next session
    std::int64_t stops_himself = 0;  // ppm: ends the run when done
    std::int64_t by_process = 0;     // ppm: of work that no kernel does
    std::int64_t stalls = 0;         // ppm: leaves a cell that waits for input
};

struct SimResource {
    ResourceId id;
    AccountName account;
    ResourceKind kind = ResourceKind::notebook;
    std::string name;
    std::string project;
    std::string owner;
    std::string machine_type;
    Habits habits;
    bool has_shell = true;    // a probe can be run
    bool has_metrics = true;  // the provider measures it
    bool listed = true;       // false: it vanished
    std::deque<SimRun> runs;  // newest last
    std::map<std::string, SimFile> files;

    // work, of the newest run
    bool kernel_works = false;
    bool process_works = false;
    bool stalled = false;     // a kernel says busy and does nothing
    std::int64_t cpu_ms = 0;  // of all work of this run, up to `counted`
    Instant counted;
    std::optional<Instant> worked_until;  // end of the newest work of the run
    std::uint64_t session = 0;            // what was planned for an earlier one is void
    bool works() const { return kernel_works || process_works; }
    SimRun* newest() { return runs.empty() ? nullptr : &runs.back(); }
    bool on() const { return !runs.empty() && runs.back().bills(); }
};

/// The files of prices that Curfew reads: what it comes with, and what its user knows better.
struct PriceTables {
    std::string shipped;
    std::string own;
};

class Fleet {
public:
    explicit Fleet(Stage& stage);

    Stage& stage;
    std::map<ResourceId, std::unique_ptr<SimResource>> resources;
    std::map<AccountName, std::vector<SimResource*>> of_account;
    std::map<std::string, Money> rates;  // of machine types, now
    std::int64_t moves = 0;              // ppm of starts, on another machine type than before

    SimResource& add(SimResource resource);
    SimResource* find(const ResourceId& id);
    SimRun* run(const ResourceId& resource, const RunId& run);

    // ---- by people and by the provider ---------------------------------------------------------
    /// Two runs are on at once only while the older one is being torn down: what starts is not on already.
    void start(SimResource& r);
    /// Ends billing now.
    void end(SimResource& r, SimRun& run, const std::string& by);
    void begin_work(SimResource& r, bool kernel);
    void end_work(SimResource& r);
    /// Some files get new content.
    void touch_files(SimResource& r, std::int64_t count);
    /// More than half of them go.
    void wipe_files(SimResource& r);
    /// What runs goes on on another machine type, at the price of that.
    void move(SimResource& r);
    /// `announced`: Curfew can know it to the minute.
    void price_change(const std::string& machine_type, Money per_hour, bool announced);

    /// A stop arrives: teardown begins. True where this ended a run that was on.
    bool begin_stop(const ResourceId& resource, const RunId& run, Duration teardown);

    Money rate_of(const std::string& machine_type) const;
    std::int64_t cpu_ms_of(const SimResource& r) const;
    TrueFiles true_files(const SimResource& r) const;
    /// What a month (UTC) has cost so far.
    Money month_to_date(const AccountName& account) const;
    std::int64_t instance_ms() const;
    Run shown(const SimResource& r, const SimRun& run) const;

private:
    struct Segment {  // of a price
        AccountName account;
        WallTime from;
        WallTime to;
        Money per_hour;
    };
    void settle_cpu(SimResource& r);
    void no_work(SimResource& r);

    const std::string& other_type(const std::string& machine_type);

    Dice dice_;
    Dice moves_;
    std::int64_t starts_ = 0;
    std::int64_t ended_ms_ = 0;
    std::uint64_t versions_ = 0;
    std::vector<Segment> billed_;
    std::map<RunId, WallTime> priced_since_;
    std::map<std::string, std::vector<std::pair<Moment, Money>>>
        unannounced_;  // by machine type, how much more
};

}  // namespace curfew::simulation
