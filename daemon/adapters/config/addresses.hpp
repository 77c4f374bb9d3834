// Hosts and URLs as a configuration may write them. Nothing is resolved.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace curfew::config {

struct Url {
    std::string scheme;  // "http", "https"
    std::string host;    // without brackets
    int port = 0;        // 0 = the scheme's own
    bool has_query = false;
};

/// http and https only, without user names and fragments. The error says what is wrong and never
/// repeats the text, since a URL may carry a token.
std::expected<Url, std::string> split_url(std::string_view text);

/// A DNS name, an IPv4 or an IPv6 address (without brackets). "0x7f.1" and "2130706433" are not.
bool is_host(std::string_view text);
/// The host of "name:443" or "[::1]:443"; "" when the text is neither.
std::string host_of_endpoint(std::string_view text);
/// localhost, *.localhost, 127.0.0.0/8, ::1.
bool is_loopback(std::string_view host);
/// Loopback, or an address that is not of the public Internet. Names other than localhost are not.
bool is_private(std::string_view host);

}  // namespace curfew::config
