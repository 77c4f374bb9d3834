// Reasons not to act that people and jobs ask for: keeps, job leases, exemptions, and their ends. Each is
// durable and audited before it counts; a hold that cannot be written is not given.
#pragma once

#include "curfew/app/control.hpp"
#include "curfew/app/enforcer.hpp"
#include "curfew/app/looker.hpp"
#include "curfew/app/treasurer.hpp"
#include "curfew/app/world.hpp"
#include "curfew/core/keep_link.hpp"

#include <optional>
#include <string>
#include <vector>

namespace curfew {

class Holds {
public:
    Holds(World& world, const Treasurer& treasurer, const Looker& looker, Enforcer& enforcer);

    /// Stored exemptions, whether their resource is listed now or not.
    void load(const std::vector<Hold>& stored);

    /// The errors of these are Control's.
    Task<Result<KeepAnswer>> keep(ResourceId resource, Duration how_long, std::string reason,
                                  std::string actor);
    /// A keep by a warning's link, with the limits of every keep; the link is spent in the transaction that places
    /// the hold. Errors as of `keep`; also conflict for another run, and for a link
    /// that was used.
    Task<Result<KeepAnswer>> keep_by(KeepLink link);
    /// The hold that the link placed, if it was pressed.
    Task<Result<std::optional<Hold>>> placed_by(KeepLink link);
    Task<Result<KeepAnswer>> lease(ResourceId resource, Duration how_long, std::string job,
                                   std::string reason, std::string actor);
    Task<Result<Hold>> exempt(ResourceId resource, HoldEnd end, std::string reason, std::string actor);
    Task<Result<Released>> release(ResourceId resource, ReleaseOptions options, std::string actor);

private:
    struct Wish {
        ResourceId resource;
        Duration how_long{0};
        std::string reason;
        std::string actor;
        std::optional<KeepLink> link;
    };
    Task<Result<KeepAnswer>> keep(Wish wish);
    LiveResource* find(const ResourceId& id);
    LiveResource* running(const ResourceId& id);
    Hold hold_of(const LiveResource& live, HoldKind kind, WallTime until, std::string reason,
                 const std::string& actor) const;
    /// Writes the hold and ends those that it replaces; then both count.
    Task<Result<void>> place(Hold hold, std::vector<Hold> replaced, std::string text);
    void reassess(LiveResource& live);

    World& world_;
    const Treasurer& treasurer_;
    const Looker& looker_;
    Enforcer& enforcer_;
};

}  // namespace curfew
