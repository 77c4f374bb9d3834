#include "adapters/config/addresses.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace curfew::config {

namespace {

std::optional<std::uint32_t> ipv4(std::string_view text) {
    in_addr address{};
    if (::inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) {
        return std::nullopt;
    }
    return ntohl(address.s_addr);
}

std::optional<std::array<std::uint8_t, 16>> ipv6(std::string_view text) {
    std::array<std::uint8_t, 16> address{};
    if (::inet_pton(AF_INET6, std::string(text).c_str(), address.data()) != 1) {
        return std::nullopt;
    }
    return address;
}

/// The IPv4 address of "192.0.2.1" and of "::ffff:192.0.2.1".
std::optional<std::uint32_t> ipv4_within(std::string_view host) {
    if (const auto six = ipv6(host)) {
        const auto& a = *six;
        const bool mapped = std::all_of(a.begin(), a.begin() + 10, [](std::uint8_t b) { return b == 0; }) &&
                            a[10] == 0xff && a[11] == 0xff;
        if (!mapped) {
            return std::nullopt;
        }
        return std::uint32_t{a[12]} << 24 | std::uint32_t{a[13]} << 16 | std::uint32_t{a[14]} << 8 | a[15];
    }
    return ipv4(host);
}

bool within(std::uint32_t address, std::uint32_t network, int bits) {
    return address >> (32 - bits) == network >> (32 - bits);
}

bool letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) {
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::ranges::all_of(label, [](char c) { return letter_or_digit(c) || c == '-' || c == '_'; });
}

/// Old resolvers read "2130706433", "127.1" and "0x7f.1" as addresses, past every check of ours.
bool looks_numeric(std::string_view label) {
    return label.starts_with("0x") || std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_dns_name(std::string_view text) {
    if (text.ends_with('.')) {
        text.remove_suffix(1);
    }
    if (text.empty() || text.size() > 253) {
        return false;
    }
    std::string_view last;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('.'), text.size());
        last = text.substr(0, end);
        if (!is_label(last) || end + 1 == text.size()) {
            return false;
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return !looks_numeric(last);
}

std::optional<int> port_of(std::string_view text) {
    int port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port < 1 || port > 65'535) {
        return std::nullopt;
    }
    return port;
}

struct Authority {
    std::string host;
    int port = 0;
};

std::optional<Authority> split_authority(std::string_view text) {
    std::string_view host = text;
    std::string_view rest;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || !ipv6(text.substr(1, end - 1))) {
            return std::nullopt;
        }
        host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        host = text.substr(0, colon);
        rest = text.substr(colon);
        if (!is_host(host)) {
            return std::nullopt;
        }
    }
    if (rest.empty()) {
        return Authority{std::string(host), 0};
    }
    const auto port = rest.starts_with(':') ? port_of(rest.substr(1)) : std::nullopt;
    return port ? std::optional(Authority{std::string(host), *port}) : std::nullopt;
}

}  // namespace

std::expected<Url, std::string> split_url(std::string_view text) {
    Url url;
    const std::size_t scheme = text.find("://");
    url.scheme = text.substr(0, std::min(scheme, text.size()));
    if (scheme == std::string_view::npos || (url.scheme != "http" && url.scheme != "https")) {
        return std::unexpected("it must begin with https://");
    }
    text.remove_prefix(scheme + 3);
    const bool printable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
    if (!printable || text.find_first_of("\\<>\"`^|") != std::string_view::npos) {
        return std::unexpected("it holds characters that must be written as %XX");
    }
    if (text.find('#') != std::string_view::npos) {
        return std::unexpected("it must not have a #fragment");
    }
    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    url.has_query = text.find('?') != std::string_view::npos;
    const std::string_view authority = text.substr(0, end);
    if (authority.find('@') != std::string_view::npos) {
        return std::unexpected("it must not hold a user name or password");
    }
    const auto parts = split_authority(authority);
    if (!parts) {
        return std::unexpected("its host or port is not one");
    }
    url.host = parts->host;
    url.port = parts->port;
    return url;
}

bool is_host(std::string_view text) {
    return ipv4(text) || ipv6(text) || is_dns_name(text);
}

std::string host_of_endpoint(std::string_view text) {
    const auto parts = split_authority(text);
    return parts && parts->port != 0 ? parts->host : std::string{};
}

bool is_loopback(std::string_view host) {
    if (const auto four = ipv4_within(host)) {
        return within(*four, 0x7f000000, 8);
    }
    if (const auto six = ipv6(host)) {
        return std::equal(six->begin(), six->end(), in6addr_loopback.s6_addr);
    }
    std::string name(host);
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return name == "localhost" || name.ends_with(".localhost");
}

bool is_private(std::string_view host) {
    if (is_loopback(host)) {
        return true;
    }
    if (const auto four = ipv4_within(host)) {
        return within(*four, 0, 8) || within(*four, 0x0a000000, 8) || within(*four, 0xac100000, 12) ||
               within(*four, 0xc0a80000, 16) || within(*four, 0xa9fe0000, 16) ||
               within(*four, 0x64400000, 10) || within(*four, 0xe0000000, 3);
    }
    const auto six = ipv6(host);
    // Unspecified and reserved, unique local fc00::/7, link local fe80::/10, multicast ff00::/8.
    return six && ((*six)[0] == 0 || ((*six)[0] & 0xfe) == 0xfc || (*six)[0] == 0xff ||
                   ((*six)[0] == 0xfe && ((*six)[1] & 0xc0) == 0x80));
}

}  // namespace curfew::config
