#include "adapters/http/addresses.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <string>

namespace curfew::http {

namespace asio = boost::asio;

namespace {

using Bytes = std::array<std::uint8_t, 16>;

constexpr int mapped_bits = 96;

constexpr Bytes mapped(std::uint32_t v4) {
    return {0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0xFF,
            0xFF,
            static_cast<std::uint8_t>(v4 >> 24U),
            static_cast<std::uint8_t>(v4 >> 16U),
            static_cast<std::uint8_t>(v4 >> 8U),
            static_cast<std::uint8_t>(v4)};
}

constexpr Network v4(std::uint32_t address, int bits) {
    return {mapped(address), mapped_bits + bits};
}

/// The first 64 bits say it all, but for single addresses.
constexpr Network v6(std::uint64_t high, int bits, std::uint64_t low = 0) {
    Network network{{}, bits};
    for (std::size_t i = 0; i < 8; ++i) {
        network.address[i] = static_cast<std::uint8_t>(high >> (56U - 8U * i));
        network.address[8 + i] = static_cast<std::uint8_t>(low >> (56U - 8U * i));
    }
    return network;
}

constexpr std::array<Network, 11> shut_networks{{
    v4(0x00000000, 8),                        // "this network"
    v4(0xE0000000, 4),                        // multicast
    v4(0xFFFFFFFF, 32),                       // broadcast
    v4(0xA9FEA9FE, 32),                       // 169.254.169.254, metadata of most clouds
    v4(0xA9FEAA02, 32),                       // 169.254.170.2, credentials of containers
    v4(0xA9FEAA17, 32),                       // 169.254.170.23, likewise
    v4(0x646464C8, 32),                       // 100.100.100.200, metadata
    v4(0xA83F8110, 32),                       // 168.63.129.16, metadata
    v6(0, 128),                               // unspecified
    v6(0xFF00000000000000, 8),                // multicast
    v6(0xFD000EC200000000, 128, 0x00000254),  // metadata
}};
constexpr std::array<Network, 6> near_networks{{
    v4(0x7F000000, 8),
    v4(0x0A000000, 8),
    v4(0xAC100000, 12),
    v4(0xC0A80000, 16),
    v6(0, 128, 1),
    v6(0xFC00000000000000, 7),
}};
constexpr std::array<Network, 12> special_networks{{
    v4(0x64400000, 10),          // shared: carriers, overlay networks
    v4(0xA9FE0000, 16),          // link-local
    v4(0xC0000000, 24),          // IETF protocols
    v4(0xC0000200, 24),          // documentation, and the next two
    v4(0xC6336400, 24),          //
    v4(0xCB007100, 24),          //
    v4(0xC0586300, 24),          // relays of 6to4
    v4(0xC6120000, 15),          // benchmarks
    v4(0xF0000000, 4),           // reserved
    v6(0x2001000000000000, 23),  // IETF protocols; Teredo
    v6(0x20010DB800000000, 32),  // documentation
    v6(0x2002000000000000, 16),  // 6to4
}};
constexpr Network mapped_v4 = v6(0, mapped_bits, 0x0000FFFF00000000);
constexpr Network nat64 = v6(0x0064FF9B00000000, mapped_bits);
constexpr Network global_unicast = v6(0x2000000000000000, 3);
constexpr Network documentation_v6 = v6(0x3FFF000000000000, 20);

bool contains(const Network& network, const Bytes& address) {
    const std::size_t whole = static_cast<std::size_t>(network.bits) / 8;
    const unsigned rest = static_cast<unsigned>(network.bits) % 8;
    if (!std::equal(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(whole),
                    network.address.begin())) {
        return false;
    }
    return rest == 0 || (address[whole] ^ network.address[whole]) >> (8U - rest) == 0;
}

bool any_contains(std::span<const Network> networks, const Bytes& address) {
    return std::ranges::any_of(networks, [&](const Network& n) { return contains(n, address); });
}

Bytes bytes_of(const asio::ip::address& address) {
    if (address.is_v4()) {
        return mapped(address.to_v4().to_uint());
    }
    Bytes bytes = address.to_v6().to_bytes();
    if (contains(nat64, bytes)) {
        std::fill_n(bytes.begin(), 10, std::uint8_t{0});
        bytes[10] = bytes[11] = 0xFF;
    }
    return bytes;
}

Reach reach_of(const Bytes& bytes) {
    if (any_contains(shut_networks, bytes)) {
        return Reach::shut;
    }
    if (any_contains(near_networks, bytes)) {
        return Reach::near;
    }
    const bool outside = !contains(mapped_v4, bytes) && !contains(global_unicast, bytes);
    return outside || any_contains(special_networks, bytes) || contains(documentation_v6, bytes)
               ? Reach::listed
               : Reach::open;
}

std::optional<int> prefix_of(std::string_view text, int most) {
    int bits = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
    const bool digits = !text.empty() && text.size() <= 3 && (text.size() == 1 || text.front() != '0') &&
                        text.front() != '-';
    return digits && error == std::errc{} && end == text.data() + text.size() && bits <= most
               ? std::optional{bits}
               : std::nullopt;
}

bool ends_with_zeros(const Network& network) {
    for (int bit = network.bits; bit < 128; ++bit) {
        const auto byte = static_cast<unsigned>(network.address[static_cast<std::size_t>(bit) / 8]);
        if ((byte >> (7U - static_cast<unsigned>(bit) % 8)) % 2 != 0) {
            return false;
        }
    }
    return true;
}

}  // namespace

Result<Network> parse_network(std::string_view text) {
    const auto refuse = [&](const char* why) {
        return fail(Errc::invalid, why, std::string{text.substr(0, 64)});
    };
    const std::size_t slash = text.find('/');
    const std::string address{text.substr(0, slash)};
    Network network;
    std::array<std::uint8_t, 4> four{};
    int most = 128;
    if (::inet_pton(AF_INET, address.c_str(), four.data()) == 1) {
        network.address = mapped(static_cast<std::uint32_t>(four[0]) << 24U |
                                 static_cast<std::uint32_t>(four[1]) << 16U |
                                 static_cast<std::uint32_t>(four[2]) << 8U | four[3]);
        most = 32;
    } else if (::inet_pton(AF_INET6, address.c_str(), network.address.data()) != 1) {
        return refuse("an address or a network is written like 10.1.2.3, 10.0.0.0/8 or fd12::/16");
    } else if (contains(mapped_v4, network.address)) {
        return refuse("an IPv4 address is written as such");
    }
    std::optional<int> bits{most};
    if (slash != std::string_view::npos) {
        bits = prefix_of(text.substr(slash + 1), most);
    }
    if (address.find('\0') != std::string::npos || !bits) {
        return refuse("after the slash comes the number of bits");
    }
    network.bits = *bits + 128 - most;
    if (!ends_with_zeros(network)) {
        return refuse("the address has bits beyond its prefix");
    }
    const bool shut = std::ranges::any_of(shut_networks, [&](const Network& n) {
        return n.bits <= network.bits && contains(n, network.address);
    });
    if (shut) {
        return refuse("nothing is ever sent there");
    }
    return network;
}

Reach reach_of(const asio::ip::address& address) {
    return reach_of(bytes_of(address));
}

bool is_public(const asio::ip::address& address) {
    return reach_of(address) == Reach::open;
}

Result<void> check_address(const asio::ip::address& address, const AddressRule& rule) {
    const Bytes bytes = bytes_of(address);
    const Reach reach = reach_of(bytes);
    const std::string name = "its address " + address.to_string();
    if (reach == Reach::shut) {
        return fail(Errc::unsafe, name + " is one to which nothing is ever sent");
    }
    if (any_contains(rule.allowed, bytes) || (reach == Reach::near && rule.allow_near)) {
        return {};
    }
    if (reach != Reach::open) {
        return fail(Errc::unsafe, name + " is private or special; private_receivers can allow it");
    }
    if (rule.plain) {
        return fail(Errc::unsafe, name + " is public: only https goes there");
    }
    return {};
}

}  // namespace curfew::http
