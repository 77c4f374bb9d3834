// Where a request of a user's choosing may go: this host can reach things that the author of a URL must not.
// Pure: an address is judged after its name was resolved, and the connection goes to that very address.
#pragma once

#include "curfew/core/error.hpp"

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace curfew::http {

/// Addresses that begin with the same bits; IPv4 as it is mapped into IPv6.
struct Network {
    std::array<std::uint8_t, 16> address{};
    int bits = 128;
    bool operator==(const Network&) const = default;
};

/// "10.1.2.3", "10.0.0.0/8", "fd12::/16". Errc::invalid for names, short and numeric forms ("10.1", "0x0a000001"),
/// zones, bits beyond the prefix, IPv4 in IPv6 notation, and networks to which nothing is ever sent.
Result<Network> parse_network(std::string_view text);

enum class Reach : std::uint8_t {
    open,    // a public address
    near,    // loopback (127.0.0.0/8, ::1) and private (RFC 1918, unique local)
    listed,  // neither, and no service either: link-local, shared (RFC 6598), reserved, tunnels, documentation
    shut,    // unspecified, multicast, broadcast, and what clouds answer metadata and credentials on
};
/// IPv4 that comes mapped, or through the well-known NAT64 prefix, is judged as the IPv4 that it is.
Reach reach_of(const boost::asio::ip::address& address);

/// Open.
bool is_public(const boost::asio::ip::address& address);

struct AddressRule {
    bool allow_near = false;
    std::vector<Network> allowed;  // also when they are no open addresses; never shut ones
    bool plain = false;            // over http: to near and allowed addresses only, never into the open
    bool operator==(const AddressRule&) const = default;
};
/// Errc::unsafe with the reason in words.
Result<void> check_address(const boost::asio::ip::address& address, const AddressRule& rule);

}  // namespace curfew::http
