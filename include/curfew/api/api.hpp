// The local API: HTTP/1.1 with JSON under /v1 on two Unix sockets. The read socket answers GET, and the one
// question that is too long for an address (POST /v1/rules/test, which changes nothing). On the admin socket
// changes are made, each audited with the peer's user. Requests that come from a browser (Origin, Referer) are
// refused. Where it is configured a TCP listener answers keep links, by `KeepPages` alone.
#pragma once

#include "curfew/app/control.hpp"
#include "curfew/app/historian.hpp"
#include "curfew/app/money_reporter.hpp"
#include "curfew/app/reporter.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/world.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::api {

/// Who is at the other end of a connection.
struct Peer {
    std::string actor;   // "ana (uid 1000)"
    bool admin = false;  // came by the admin socket
};

struct Request {
    std::string method;
    std::string path;                          // decoded, without the query
    std::map<std::string, std::string> query;  // decoded
    std::string body;
    std::string idempotency_key;
    // As they came; the Unix sockets ignore the one and refuse the other.
    std::vector<std::string> hosts = {};
    std::string origin = {};
    std::string accept = {};
};

struct Reply {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers = {};
};

/// The text of one [[rule]] and the name of its file, read as the configuration is. The error's text lists
/// every fault with its place, one a line.
using RuleParser = std::function<Result<Rule>(const std::string& text, const std::string& file)>;

class MoneyRoutes;  // those about money
class AlertRoutes;  // those about alerts and their way to people

/// Routes and codecs without sockets.
class Handler {
public:
    Handler(World& world, Control& control, Reporter& reporter, MoneyReporter& money, Historian& historian,
            RuleParser parse_rule);
    ~Handler();
    Task<Reply> handle(Request request, Peer peer);

private:
    Task<Reply> read(const Request& request);
    Task<Reply> change(const Request& request, const Peer& peer);
    Task<Reply> status();
    Task<Reply> explain(Request request);
    Task<Reply> plan();
    Task<Reply> test_rule(Request request);
    Task<Reply> receipts(Request request);
    Task<Reply> receipt(std::string id);
    Task<Reply> events(Request request);
    Task<Reply> doctor();
    Task<Reply> verify();
    Task<Reply> verify_receipt(std::string id);
    Reply findings(std::string_view schema, const std::vector<DoctorFinding>& items) const;
    Task<Reply> rules();
    Task<Reply> lease(ResourceId resource, std::string how_long, std::string job, std::string reason,
                      std::string actor);
    Task<Reply> exempt(ResourceId resource, HoldEnd end, std::string reason, std::string actor);
    Task<Reply> release(ResourceId resource, ReleaseOptions options, std::string actor);
    Task<Reply> perform(Request request, Peer peer);

    World& world_;
    Control& control_;
    Reporter& reporter_;
    Historian& historian_;
    RuleParser parse_rule_;
    std::unique_ptr<MoneyRoutes> money_routes_;
    std::unique_ptr<AlertRoutes> alert_routes_;
};

/// What answers requests: a `Handler`, or the `KeepPages`.
using Answer = std::function<Task<Reply>(Request, Peer)>;

struct Sockets {
    std::string api_path;
    std::string admin_path;
    std::optional<int> api_fd;  // inherited from the manager, then the path is not touched
    std::optional<int> admin_fd;
};

/// Listens and serves until `stop`. A stale socket file is replaced, one that answers is not.
class Server {
public:
    /// `patience` stretches the time limits of requests; more than 1 only under an accelerated clock.
    Server(boost::asio::any_io_executor loop, Scheduler& scheduler, Answer answer, TaskGroup& tasks,
           int patience);
    ~Server();
    Result<void> start(const Sockets& sockets);
    /// Answers keep links at `address` ("127.0.0.1:8123", "[::1]:8123") as well, and nothing else there. Its
    /// connections are counted apart: who can reach it takes none from the Unix sockets.
    Result<void> start_keep_links(const std::string& address, Answer pages);
    /// No new connections; those that are open end with their request.
    void stop();
    /// Whether a connection is open. After `stop` not for long, but for clients that say nothing.
    bool busy() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace curfew::api
