// Asks everything that can say whether one run is at work, and judges the answers. Used by the
// watcher at every poll and by the enforcer right before it packs or stops.
#pragma once

#include "curfew/app/world.hpp"
#include "curfew/core/assess.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace curfew {

class Treasurer;

/// The weakest of the global mode and the account's.
Mode mode_in_force(const Config& config, const AccountConfig* account);
bool protected_by_name(const Config& config, const Resource& resource);
/// When the guest of a resource is asked and probed; nothing if no rule matches.
std::optional<LookPolicy> look_policy(const World& world, const LiveResource& live);
/// What the picture knows of one resource, for `assess`. Holds, breakers and budgets are left open.
AssessInput assess_input(const World& world, const LiveResource& live, Instant now);

class Looker {
public:
    /// `breaker_open` tells whether the breaker of a rule is open.
    Looker(World& world, const Treasurer& treasurer, std::function<bool(const std::string&)> breaker_open);

    enum class Depth : std::uint8_t {
        due,    // leaves out what could change no decision now
        whole,  // asks everything that is cheap
        last,   // right before a pack or a stop: leaves nothing out
    };
    /// How far a look at this run goes.
    struct Plan {
        LookOrder order;
        bool probe = false;          // unless the rest shows it at work
        bool probe_if_busy = false;  // a busy kernel is the only work known, and is due to be checked
        std::vector<std::string> watched;
        std::shared_ptr<const Probe> before;
        Duration probe_ttl{0};
        Duration active_ttl{0};  // of what a probe saw at work
        int step = 0;            // of the ladder
    };
    Plan plan(const LiveResource& live, Depth depth) const;

    /// One observation per source that was asked; a source that failed says unknown. Never fails.
    struct Look {
        std::vector<Observation> seen;
        std::shared_ptr<const Probe> probe;
        bool probed = false;         // it was tried
        bool probe_possible = true;  // false: this guest said that it has no way to run one
        int step = 0;
    };
    Task<Look> look(Resource resource, Run run, Plan plan, Deadline deadline);
    /// Does anybody wait for the answers of this run?
    bool asking(const RunId& run) const { return asking_.contains(run); }

    /// Puts a look into the run, judges it and ticks the clocks.
    void absorb(LiveResource& live, Look look) const;
    /// The account or the guest could not be asked at all.
    void absorb_nothing(LiveRun& run, const std::string& why, const AccountConfig& account) const;

    /// Every rule, hold and budget applied to one run. Updates what the picture shows of the resource.
    AssessResult assess_now(LiveResource& live, bool newest = true, bool gone = false) const;

private:
    Task<void> ask_guest(Guest& guest, const Run& run, const Plan& plan, Duration ttl, Look& look,
                         Deadline deadline);
    Task<void> probe(Guest& guest, const Run& run, const Plan& plan, Look& look, Deadline deadline);
    World& world_;
    const Treasurer& treasurer_;
    std::function<bool(const std::string&)> breaker_open_;
    std::multiset<RunId> asking_;
};

}  // namespace curfew
