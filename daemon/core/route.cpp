#include "curfew/core/route.hpp"

#include "curfew/core/rule.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace curfew {

namespace {

/// What a message does not name is matched by no glob, not even by "*".
bool fits(const std::vector<std::string>& globs, std::string_view text) {
    return globs.empty() || (!text.empty() && std::ranges::any_of(globs, [&](const std::string& glob) {
               return glob_matches(glob, text);
           }));
}

bool matches(const Route& route, const Message& message) {
    const bool kind_fits = route.kinds.empty() ||
                           std::ranges::find(route.kinds, message.kind) != route.kinds.end();
    return kind_fits && message.severity >= route.at_least && fits(route.rules, message.rule.value) &&
           fits(route.budgets, message.budget.value) && fits(route.owners, message.owner) &&
           fits(route.accounts, message.account.value);
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool same_address(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

void add(std::vector<Destination>& told, Destination next) {
    if (std::ranges::find(told, next) == told.end()) {
        told.push_back(std::move(next));
    }
}

std::optional<Destination> owner_of(const Message& message, const Routing& routing) {
    if (!concerns_owner(message.kind) || message.resource.empty() || message.owner.empty()) {
        return std::nullopt;
    }
    const auto contact = std::ranges::find_if(
        routing.contacts, [&](const OwnerContact& each) { return same_address(each.owner, message.owner); });
    if (contact != routing.contacts.end()) {
        return Destination{contact->channel, contact->to};
    }
    return !routing.owner_channel.empty() && is_address(message.owner)
               ? std::optional{Destination{routing.owner_channel, message.owner}}
               : std::nullopt;
}

/// Does it reach the address through the channel's own receivers?
bool among_receivers(const Destination& owner, const std::vector<Destination>& told, const Routing& routing) {
    return std::ranges::find(told, Destination{owner.channel, ""}) != told.end() &&
           std::ranges::any_of(routing.receivers, [&](const OwnReceivers& own) {
               return own.channel == owner.channel &&
                      std::ranges::any_of(own.addresses, [&](const std::string& address) {
                          return same_address(address, owner.to);
                      });
           });
}

}  // namespace

bool is_address(std::string_view text) {
    constexpr std::size_t bytes_max = 254;
    const std::size_t at = text.find('@');
    const bool plain = std::ranges::all_of(text, [](unsigned char c) { return c > ' ' && c != 0x7F; }) &&
                       text.find_first_of("<>()[],;:\\\"") == std::string_view::npos;
    return plain && at != 0 && at < text.size() - 1 && text.find('@', at + 1) == std::string_view::npos &&
           text.size() <= bytes_max;
}

bool concerns_owner(AlertKind kind) {
    return kind == AlertKind::stop_warning || kind == AlertKind::stop_cancelled ||
           kind == AlertKind::stopped || kind == AlertKind::stop_failed || kind == AlertKind::pack_failed ||
           kind == AlertKind::would_stop;
}

std::vector<Destination> destinations(const Message& message, const Routing& routing) {
    std::vector<Destination> told;
    bool matched = false;
    for (const Route& route : routing.routes) {
        if (!matches(route, message)) {
            continue;
        }
        matched = true;
        for (const ChannelName& channel : route.channels) {
            add(told, {channel, ""});
        }
        if (!route.go_on) {
            break;
        }
    }
    const auto owner = owner_of(message, routing);
    if (!matched || (told.empty() && !owner)) {
        for (const ChannelName& channel : routing.channels) {
            add(told, {channel, ""});
        }
    }
    if (owner && !among_receivers(*owner, told, routing)) {
        add(told, *owner);
    }
    return told;
}

}  // namespace curfew
