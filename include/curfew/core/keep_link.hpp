// One-use links in warnings: what a link says, its form as text, and what proves that it is ours. Pure: the code
// over a text is an argument.
//
// A link is "PUBLIC_URL/k/TOKEN", a token "PAYLOAD.SIGNATURE": both base64url without padding. Only the signature
// makes a link work, so a payload may be stored and shown.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/config.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/time.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace curfew {

struct KeepLink {
    ResourceId resource;
    RunId run;             // another run of the resource is not kept by it
    WallTime valid_until;  // exclusive
    Duration length{0};    // of the keep
    std::string warning;   // id of the message that brings it; a warning's links place one hold in all
    bool operator==(const KeepLink&) const = default;
};

/// HMAC-SHA256 by a key that only this daemon knows: 32 bytes.
using KeepMac = std::function<std::string(std::string_view)>;

constexpr std::string_view keep_link_path = "/k/";
constexpr std::size_t keep_token_bytes_max = 1024;
/// The longest that a link is good for, whatever the warning says.
constexpr Duration keep_link_valid_max = hours{24};

/// Nullopt where an id has bytes that a link cannot carry (control characters, spaces, beyond ASCII), or is too
/// long or empty.
std::optional<std::string> keep_payload(const KeepLink& link);
/// Without a proof: of a payload that we stored ourselves.
std::optional<KeepLink> read_keep_payload(std::string_view payload);

std::string keep_token(std::string_view payload, const KeepMac& mac);
/// What a stranger says: nullopt unless every byte of it is as we wrote it. The signature is looked at first, in
/// constant time.
std::optional<KeepLink> read_keep_token(std::string_view token, const KeepMac& mac);

std::string keep_url(const KeepLinkConfig& config, std::string_view token);
/// What stands behind "/k/" of it; empty when there is nothing.
std::string_view token_of_keep_url(std::string_view url);
/// What the warning of a stop carries, unsigned: nullopt when no listener is configured. It is good for as long as
/// the warning is worth sending.
std::optional<std::string> unsigned_keep_url(const KeepLinkConfig& config, const Message& warning,
                                             WallTime now);

}  // namespace curfew
