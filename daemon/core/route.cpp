#include "curfew/core/route.hpp"

namespace curfew {

std::vector<Destination> destinations(const Message&, const Routing& routing) {
    std::vector<Destination> all;
    for (const ChannelName& channel : routing.channels) {
        all.push_back({.channel = channel, .to = {}});
    }
    return all;
}

}  // namespace curfew
