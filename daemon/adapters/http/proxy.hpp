// A way out of networks that have only one: HTTPS through a proxy's CONNECT. The proxy sees the name and the port
// of the far end, never a request, so no credential either (I12). Plain http is never sent through one.
#pragma once

#include "curfew/core/error.hpp"
#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/task.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::http {

struct Origin;

struct Proxy {
    std::string host;
    std::uint16_t port = 0;
    std::vector<std::string>
        direct;  // lower case; "*", "example.org" (and what is below it), ".example.org", addresses

    /// https to anything but this host (loopback) and the exceptions.
    bool serves(const Origin& origin) const;
};

/// From HTTPS_PROXY and NO_PROXY as other programs read them: "http://host:port", "host:port"; exceptions by comma.
/// Errc::invalid for other schemes, a missing port and a password in the address; the text shows no address.
Result<Proxy> parse_proxy(std::string_view address, std::string_view exceptions);

/// Asks for a tunnel to host:port over a connection to the proxy. Errors are of the way, not of the far end, so they
/// may all be tried again: Errc::unavailable for every refusal, Errc::protocol for what is no answer, Errc::timeout.
Task<Result<void>> open_tunnel(boost::asio::ip::tcp::socket& socket, Scheduler& scheduler, Instant until,
                               std::string host, std::uint16_t port, std::string user_agent);

}  // namespace curfew::http
