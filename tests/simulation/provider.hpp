// One account of the provider, as Curfew reaches it: what is true, with every way in which a network and an API
// spoil it.
#pragma once

#include "curfew/ports/cloud.hpp"
#include "simulation/fleet.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace curfew::simulation {

/// What of the account outlives every life of the daemon.
struct SimAccount {
    AccountName name;
    Dice dice;
    Duration poll = minutes{1};
    bool reports_ends = true;
    bool reports_money = false;
    bool lists_prices = false;  // a run is listed with its rate
    std::int64_t odd_ends = 0;  // ppm of runs: their end is told wrong
    bool metrics = true;
    std::optional<Instant> down_until;         // nobody answers
    std::optional<Instant> key_refused_until;  // 401
    struct Earlier {
        WallTime date;
        std::vector<Resource> resources;
    };
    std::deque<Earlier> earlier;  // lists, which a cache on the way gives out again as they were
    std::int64_t lists = 0;
    Dice denials{0};
    std::set<RunId> denied;
    Dice lags{0};
    Dice untold{0};
};

/// Told when a request is under way: people do things at the worst moment.
using WorstMoment = std::function<void(const ResourceId&)>;

class SimCloud final : public Cloud {
public:
    SimCloud(Fleet& fleet, SimAccount& account, Line line, WorstMoment worst_moment)
        : fleet_(fleet), stage_(fleet.stage), account_(account), line_(line),
          worst_moment_(std::move(worst_moment)) {}

    const AccountName& account() const override { return account_.name; }
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
    /// The way there: nullopt = it arrived.
    Task<std::optional<Error>> reach(const char* what, Deadline deadline);
    /// … and back.
    Task<std::optional<Error>> come_back(const char* what, Deadline deadline);
    Error refused();
    std::vector<Resource> everything() const;
    Run shown(const SimResource& r, const SimRun& run) const;
    std::optional<WallTime> told_end(const SimRun& run) const;
    bool told_truly(const ResourceId& resource, const Run& shown) const;
    void spoil(Listing& listing);
    bool lags(Resource& shown, WallTime date);

    Fleet& fleet_;
    Stage& stage_;
    SimAccount& account_;
    Line line_;
    WorstMoment worst_moment_;
};

}  // namespace curfew::simulation
