// Who is told what: rules, budgets, owners and severities to channels. Pure.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/ids.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// [[route]]: matches what fits every list that is not empty. The first that matches is used, and those
/// after it if it says `go_on`.
struct Route {
    std::vector<std::string> rules;  // globs
    std::vector<std::string> budgets;
    std::vector<std::string> owners;
    std::vector<std::string> accounts;
    std::vector<AlertKind> kinds;
    Severity at_least = Severity::info;
    std::vector<ChannelName> channels;  // empty = the owner alone, or every channel where there is none
    bool go_on = false;
};

/// [[owner]]: where somebody wants to be told of what is his. `owner` is as the provider writes him.
struct OwnerContact {
    std::string owner;
    ChannelName channel;
    std::string to;  // "" = the channel's own receivers
};

/// The mail addresses that are among a channel's own receivers.
struct OwnReceivers {
    ChannelName channel;
    std::vector<std::string> addresses;
};

struct Routing {
    std::vector<Route> routes;
    std::vector<OwnerContact> contacts;
    std::vector<ChannelName> channels;  // all that carry messages, in the order of the configuration
    std::vector<OwnReceivers> receivers;
    ChannelName owner_channel;  // mail to the address that the provider tells; "" = owners are not told so
};

/// One plain mail address and nothing else: what the provider says of an owner is somebody else's text.
bool is_address(std::string_view text);
/// Is the owner told of it: of what happens to his notebook or machine?
bool concerns_owner(AlertKind kind);

/// Without a route that matches: every channel. The owner of what a message is about is told in addition, unless
/// he is among the receivers already. No destination twice; in a steady order; empty only where there is no
/// channel.
std::vector<Destination> destinations(const Message& message, const Routing& routing);

}  // namespace curfew
