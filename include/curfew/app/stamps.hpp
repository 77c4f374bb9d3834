// Which times of a provider are believed. What cannot be true is taken out before anything is billed by it,
// kept for people and told; billing goes on from our own sight.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/world.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace curfew {

class Stamps {
public:
    Stamps(World& world, Alarms& alarms, AccountName account);

    /// `seen` without what cannot be true: a start or an end more than 5 min ahead of our clock and of the
    /// provider's, a start that moved back, an end before its start. `known` is what was known of it before.
    Resource checked(Resource seen, const LiveResource* known, std::optional<WallTime> provider_time,
                     Batch& batch);
    std::vector<AddOn> checked(std::vector<AddOn> seen, Batch& batch);
    /// The same for a run that was asked for by itself; nullopt for an end that cannot be true.
    Run checked(Run run, const Resource& resource, Batch& batch);
    std::optional<WallTime> checked_end(const Run& run, const Resource& resource, std::optional<WallTime> end,
                                        Batch& batch);

    /// After a complete list, with add-ons or without: what it does not show any more is no alert any more.
    void settle(bool with_add_ons, Batch& batch);

private:
    void check(Run& run, const Run* before, const Resource& resource, Batch& batch);
    bool ahead(WallTime stamp) const;
    void refuse(const Resource& resource, const RunId& run, const std::string& what, const std::string& text,
                Batch& batch);

    World& world_;
    Alarms& alarms_;
    AccountName account_;
    std::optional<WallTime> provider_time_;       // of the newest list
    std::map<RunId, std::set<std::string>> bad_;  // what is not believed, by run
    std::set<RunId> add_ons_;                     // of these
    std::set<RunId> listed_;                      // since the last `settle`
};

}  // namespace curfew
