// Outgoing HTTP/1.1 for every adapter, at the level of messages. One client per loop; connections are
// pooled per endpoint and TLS name. Nothing is ever redirected, nothing is sent twice: a request is
// retried once only when it is idempotent and its kept connection died before any byte of an answer.
#pragma once

#include "adapters/http/addresses.hpp"
#include "adapters/http/proxy.hpp"
#include "curfew/core/error.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/core/time.hpp"
#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace curfew::http {

class Transport;

/// scheme + host + port: what a credential may be shown to.
struct Origin {
    std::string scheme;  // "http" or "https"
    std::string host;    // lower case, no trailing dot, no brackets
    std::uint16_t port = 0;
    bool operator==(const Origin&) const = default;
};
/// Splits "https://host:port/path?query" into origin and target. Errc::invalid for anything else:
/// user info, fragments, control characters, spaces, other schemes.
struct Url {
    Origin origin;
    std::string target;  // "/path?query", at least "/"
};
Result<Url> parse_url(std::string_view text);

/// Percent-encodes one path segment or query value (unreserved characters stay).
std::string percent_encode(std::string_view raw);

/// How a connection is made. Equal routes share connections.
struct Route {
    std::string connect_to;  // "host:port" to dial instead of the URL's host; TLS name stays the URL's
    std::string ca_file;     // trusted in addition to the system's store
    bool check_addresses =
        false;                   // refuse private, loopback and special addresses, and plain http to the rest
    bool allow_private = false;  // … but not loopback and private ones
    std::vector<Network> allowed;  // … and not these (channels)
    bool operator==(const Route&) const = default;
};

struct Request {
    std::string method = "GET";
    Url url;
    Route route;
    std::vector<std::pair<std::string, std::string>> headers;
    /// One header whose value is a secret, e.g. {"Authorization", "Bearer ", key}. Revealed only into
    /// the bytes for this request's origin.
    struct Credential {
        std::string header;
        std::string prefix;
        Secret secret;
    };
    std::optional<Credential> credential;
    std::string body;
    std::string content_type;  // sent with a body; never with an empty one
    bool idempotent = true;    // false: a lost answer is Retry::ambiguous and is never resent
    std::size_t body_max = std::size_t{1} << 20;  // of the answer; beyond it Errc::too_large
};

struct Response {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    std::optional<WallTime> date;  // the server's clock
    /// Case-insensitive; empty when absent.
    std::string_view header(std::string_view name) const;
};

/// Takes the body of a 2xx answer as it comes; may suspend. An error ends the transfer with it.
using BodySink = std::function<Task<Result<void>>(std::span<const std::byte>)>;
/// Sees status and headers before any body; an error refuses the body (and drops the connection).
using HeadCheck = std::function<Result<void>(const Response& head)>;

struct ClientOptions {
    int connections_per_endpoint_max = 16;
    int connections_total_max = 256;
    Duration idle_max = seconds{30};
    Duration age_max = hours{1};
    Duration connect_timeout = seconds{10};
    Duration stall_timeout = seconds{30};  // no progress for so long ends a transfer
    std::string user_agent = "curfew/0.1";
    /// For https requests that say nothing of where to connect to. The environment is the caller's to read.
    std::optional<Proxy> proxy = {};
};

class Client {
public:
    Client(boost::asio::any_io_executor loop, Scheduler& scheduler, ClientOptions options);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Whole answer, any status. Network trouble, a passed deadline, a body beyond `body_max`, an
    /// answer that is not HTTP or has a Content-Encoding are errors; a status is not.
    Task<Result<Response>> send(Request request, Deadline deadline);

    /// Streams the body of a 2xx answer into `sink` after `check` accepted the head. For other
    /// statuses the body (capped) is in the returned Response and `sink` sees nothing. A body shorter
    /// than Content-Length is Errc::protocol.
    Task<Result<Response>> stream(Request request, HeadCheck check, BodySink sink, Deadline deadline);

    /// A connection to the request's origin that is not shared, for another protocol. It has its place among
    /// the others (as many again per endpoint) and is counted as theirs until it is destroyed.
    Task<Result<std::unique_ptr<Transport>>> dial(Request request, Deadline deadline);

    /// Sent to and received from this origin, heads and bodies, until now. Starts at 0, and again at 0 when
    /// an origin was idle for a day.
    std::int64_t bytes_exchanged(const Origin& origin) const;

    const std::string& user_agent() const;

    /// Open connections, for /v1/status and leak tests (I13).
    int connections() const;
    /// Names of hosts whose addresses are remembered, likewise.
    std::size_t names() const;
    /// Closes idle connections, refuses new requests and those that wait for a connection.
    Task<void> close();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// The one place where statuses become errors: 401 → unauthorized, 403 → forbidden, 404, 408, 409,
/// 425, 429 (with Retry-After in both forms, at most `longest_wait`, odd values → later), 5xx →
/// unavailable/later, 3xx → unsafe (redirects are never followed), others → protocol. The text holds
/// the status and at most 200 printable characters of the body.
Error error_of(const Response& response, std::string where, Duration longest_wait = minutes{10});

/// "Sun, 06 Nov 1994 08:49:37 GMT"; nullopt for any other form.
std::optional<WallTime> parse_http_date(std::string_view text);

/// Retry-After: seconds or an HTTP date, relative to the answer's own Date (or `wall`).
std::optional<Duration> retry_after_of(const Response& response, WallTime wall,
                                       Duration longest_wait = minutes{10});

}  // namespace curfew::http
