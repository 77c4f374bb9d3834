#include "curfew/core/health.hpp"

#include <algorithm>

namespace curfew {

namespace {

constexpr std::int64_t gibibyte = std::int64_t{1} << 30;
constexpr Duration step_min = seconds{2};
constexpr Duration skew_max = seconds{60};
constexpr Duration skew_calm = seconds{30};
constexpr Duration stale_min = minutes{15};
constexpr int stale_polls = 5;

/// Both by share and by size: 5 % of a large disk is room enough, and a small one need not have gibibytes.
bool below(const Space& space, std::int64_t percent, std::int64_t bytes) {
    return space.free < space.total / 100 * percent && space.free < bytes;
}

Duration size(Duration d) {
    return d < Duration{0} ? -d : d;
}

}  // namespace

SpaceLevel level_of(const Space& space, SpaceLevel before) {
    const std::int64_t more = before == SpaceLevel::critical ? 2 : 0;
    const std::int64_t more_low = before == SpaceLevel::good ? 0 : 2;
    if (below(space, 5 + more, gibibyte + more * gibibyte / 2)) {
        return SpaceLevel::critical;
    }
    return below(space, 10 + more_low, 10 * gibibyte + more_low * gibibyte / 2) ? SpaceLevel::low
                                                                                : SpaceLevel::good;
}

Duration stale_after(Duration poll_interval) {
    return std::max<Duration>(stale_min, poll_interval * stale_polls);
}

bool clock_stepped(Duration moved) {
    return size(moved) > step_min;
}

bool clock_skewed(Duration ahead, bool before) {
    return size(ahead) > (before ? skew_calm : skew_max);
}

std::vector<Destination> self_paths(std::vector<Destination> routed, const Message& message,
                                    const std::vector<ChannelName>& channels, const ChannelName& failover) {
    const ChannelName& broken = message.channel;
    if (!broken.empty()) {
        std::erase_if(routed, [&](const Destination& d) { return d.channel == broken; });
        if (routed.empty()) {
            for (const ChannelName& channel : channels) {
                if (channel != broken) {
                    routed.push_back({.channel = channel, .to = {}});
                }
            }
        }
    }
    const bool both = !broken.empty() || message.kind == AlertKind::cycles ||
                      (message.kind == AlertKind::database && message.severity == Severity::critical);
    const Destination second{.channel = failover, .to = {}};
    const bool told = std::ranges::find(routed, second) != routed.end();
    if (both && !failover.empty() && failover != broken && !told) {
        routed.push_back(second);
    }
    return routed;
}

}  // namespace curfew
