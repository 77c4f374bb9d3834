// [[channel]] and [heartbeat] blocks, and what contradicts itself in them.
#pragma once

#include "adapters/config/check.hpp"
#include "curfew/core/config.hpp"

#include <vector>

namespace curfew::config {

std::vector<ChannelConfig> channels_of(const std::vector<Block>& blocks, Faults& faults);
HeartbeatConfig heartbeat_of(const Block& block, Faults& faults);

/// Has it anybody to tell by itself? A mail channel without `to` is for owners alone.
bool has_receivers(const ChannelConfig& channel);

}  // namespace curfew::config
