// Asks everything that can say whether one run is at work, and judges the answers. Used by the
// watcher at every poll and by the enforcer right before it packs or stops.
#pragma once

#include "curfew/app/world.hpp"
#include "curfew/core/assess.hpp"

#include <functional>
#include <vector>

namespace curfew {

class Bookkeeper;

/// The weakest of the global mode and the account's.
Mode mode_in_force(const Config& config, const AccountConfig* account);
bool protected_by_name(const Config& config, const Resource& resource);
/// What the picture knows of one resource, for `assess`. Holds, breakers and budgets are left open.
AssessInput assess_input(const World& world, const LiveResource& live, Instant now);

class Looker {
public:
    /// `breaker_open` tells whether the breaker of a rule is open.
    Looker(World& world, const Bookkeeper& books, std::function<bool(const std::string&)> breaker_open);

    /// One observation per source that was asked; a source that failed says unknown. Never fails.
    Task<std::vector<Observation>> observe(Resource resource, Run run, Deadline deadline);

    /// Puts observations into the run, judges them and ticks the quiet clock.
    void absorb(LiveRun& run, std::vector<Observation> seen, const AccountConfig& account) const;

    /// Every rule, hold and budget applied to one run. Updates what the picture shows of the resource.
    AssessResult assess_now(LiveResource& live, bool newest = true, bool gone = false) const;

    /// Two looks further apart than this leave the quiet clock frozen.
    static Duration max_gap(const AccountConfig& account) { return account.poll_interval * 3; }

private:
    World& world_;
    const Bookkeeper& books_;
    std::function<bool(const std::string&)> breaker_open_;
};

}  // namespace curfew
