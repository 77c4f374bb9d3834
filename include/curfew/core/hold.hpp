// Reasons not to act. Every hold ends (design § 4.2).
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace curfew {

enum class HoldKind : std::uint8_t { keep, exemption, lease };
std::string_view to_string(HoldKind kind);

struct Hold {
    HoldId id;
    HoldKind kind = HoldKind::keep;
    ResourceId resource;
    RunId run;  // keeps and leases belong to a run; empty for an exemption, which survives runs
    WallTime from;
    WallTime until;
    std::string reason;
    std::string by;  // who asked: "ana (uid 1000)"
    std::optional<WallTime> released_at;
    std::string job = {};   // of a lease: whose renewal replaces it
    std::string link = {};  // of a keep: the warning whose keep link was pressed; each places one hold

    /// From the moment it is placed: `from` is for the record, so that a wall clock which is set back lifts
    /// no hold (I14).
    bool in_force(WallTime now) const { return !released_at && now < until; }
};

struct KeepPolicy {
    Duration max_at_once = hours{12};
    Duration max_per_period = hours{48};  // per resource and calendar month
};

/// The price of a keep, or why it is refused. `left_in_budget` is what the tightest hard budget that
/// matches still has, if any; a keep that would break it is refused.
struct KeepOffer {
    Money price;  // rate × duration; meaningless when unpriced
    bool priced = true;
};
Result<KeepOffer> offer_keep(Duration asked, Duration used_this_period, const KeepPolicy& policy,
                             std::optional<Rate> rate, std::optional<Money> left_in_budget);

struct LeasePolicy {
    Duration max_at_once = hours{12};
};

/// A lease is priced and refused as a keep is, but has no monthly quota: it is renewed for as long as its
/// job runs, and a hard budget is its bound.
Result<KeepOffer> offer_lease(Duration asked, const LeasePolicy& policy, std::optional<Rate> rate,
                              std::optional<Money> left_in_budget);

/// Leases of different jobs that one run may hold at a time.
constexpr std::size_t leases_max = 32;
/// What a job may be called: 1 to 128 bytes without control characters.
Result<void> check_job(std::string_view job);

constexpr Duration exemption_max = hours{24} * 90;
/// May somebody exempt a resource for so long, for this reason? `invalid` says why not.
Result<void> check_exemption(Duration asked, std::string_view reason);

/// The hold that counts, or nullptr: an exemption before a keep or lease, then the one that ends last.
const Hold* strongest_hold(std::span<const Hold> holds, const ResourceId& resource, const RunId& run,
                           WallTime now);

}  // namespace curfew
