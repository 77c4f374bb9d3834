// When Curfew itself is not well, and by which way that is told. Pure.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace curfew {

/// Of the file system that holds a folder.
struct Space {
    std::int64_t free = 0;  // bytes, for a program that is not root's
    std::int64_t total = 0;
    std::string volume;  // equal for folders of one file system
};

enum class SpaceLevel : std::uint8_t { good, low, critical };
/// Low below 10 % and 10 GiB, critical below 5 % and 1 GiB: then a vault refuses copies, and the database is next.
/// What is low is good again with 2 % (and 1 GiB) more, so that it does not come and go.
SpaceLevel level_of(const Space& space, SpaceLevel before);

/// What is known of an account is stale after five polls, and not before 15 min: a provider may ask for a pause
/// of 10 min.
Duration stale_after(Duration poll_interval);

/// Cycles that end badly one after another until somebody must know.
constexpr int failed_cycles_max = 3;

/// `moved` = how far the wall clock went against the monotonic one. A leap second is no step, and no slewing makes
/// 2 s between two looks.
bool clock_stepped(Duration moved);
/// `ahead` = of the provider's clock before ours, as far as the time of a request does not explain it. Above 1 min
/// hours and days of the ledger are wrong ones; it is over below 30 s.
bool clock_skewed(Duration ahead, bool before);

/// The ways of what is about Curfew itself, given those of its route. What is about a channel is told by every
/// other way: the route without that channel, and where that leaves nobody, all other channels. It, failed cycles
/// and a database that cannot be written go to the fail-over channel as well.
std::vector<Destination> self_paths(std::vector<Destination> routed, const Message& message,
                                    const std::vector<ChannelName>& channels, const ChannelName& failover);

}  // namespace curfew
