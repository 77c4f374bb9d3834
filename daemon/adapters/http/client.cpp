#include "adapters/http/client.hpp"

#include "adapters/http/names.hpp"
#include "adapters/http/proxy.hpp"
#include "adapters/http/transport.hpp"
#include "adapters/http/wire.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <utility>

namespace curfew::http {

namespace asio = boost::asio;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using Parser = bhttp::response_parser<bhttp::buffer_body>;

namespace {

constexpr std::size_t header_bytes_max = 16 * 1024;
constexpr std::size_t headers_max = 64;
constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::size_t small_read_bytes = 16 * 1024;
constexpr std::size_t error_body_max = 64 * 1024;

/// Header names and values, methods and targets: nothing that could end a line (I12, request splitting).
Result<std::string> serialize(const Request& request, const std::string& user_agent) {
    const Origin& origin = request.url.origin;
    std::string out = request.method + " " + request.url.target + " HTTP/1.1\r\n";
    bool clean = is_clean(request.method) && is_clean(request.url.target) &&
                 request.url.target.find(' ') == std::string::npos;
    const auto add = [&](std::string_view name, std::string_view value) {
        clean = clean && is_clean(name) && is_clean(value);
        out.append(name).append(": ").append(value).append("\r\n");
    };
    add("Host", host_header(origin));
    add("User-Agent", user_agent);
    add("Accept-Encoding", "identity");
    for (const auto& [name, value] : request.headers) {
        add(name, value);
    }
    if (request.credential) {
        add(request.credential->header,
            request.credential->prefix + std::string{request.credential->secret.reveal()});
    }
    if (!request.body.empty()) {
        add("Content-Type", request.content_type);
        add("Content-Length", std::to_string(request.body.size()));
    } else if (request.method != "GET") {
        add("Content-Length", "0");
    }
    if (!clean) {
        return fail(Errc::unsafe, "a control character in a request", origin.host);
    }
    out += "\r\n";
    out += request.body;
    return out;
}

struct Connection {
    std::unique_ptr<Transport> transport;
    Instant made;
    Instant used;
    bool reused = false;
    Traffic::Count traffic;  // of the origin that is spoken with

    void count(std::size_t bytes) const { *traffic += static_cast<std::int64_t>(bytes); }
};

/// Ends a transfer by closing its connection: at the deadline, or when nothing moves for too long.
class Guard {
public:
    Guard(Scheduler& scheduler, Deadline deadline, Duration stall)
        : scheduler_(scheduler), deadline_(deadline), stall_(stall) {}

    void watch(Transport& transport) {
        transport_ = &transport;
        moved_ = scheduler_.mono();
        arm();
    }
    void moved() { moved_ = scheduler_.mono(); }
    void release() {
        alarm_.cancel();
        transport_ = nullptr;
    }
    bool fired() const { return fired_; }

    /// A closed connection is a timeout if it was us who closed it.
    Error explain(Error error) const {
        if (fired_) {
            const bool over = scheduler_.mono() >= deadline_.at;
            return {Errc::timeout, Retry::later(), over ? "no whole answer in time" : "the answer stalled",
                    error.where};
        }
        return error;
    }

private:
    void arm() {
        const Instant stalled = moved_ + stall_;
        alarm_ = scheduler_.at(std::min(stalled, deadline_.at), [this] {
            const Instant now = scheduler_.mono();
            if (transport_ == nullptr) {
                return;
            }
            if (now < deadline_.at && now < moved_ + stall_) {
                arm();
                return;
            }
            fired_ = true;
            transport_->close();
        });
    }

    Scheduler& scheduler_;
    Deadline deadline_;
    Duration stall_;
    Transport* transport_ = nullptr;
    Instant moved_;
    Scheduler::Alarm alarm_;
    bool fired_ = false;
};

}  // namespace

struct Client::Impl : std::enable_shared_from_this<Client::Impl> {
    struct Endpoint {
        std::deque<std::unique_ptr<Connection>> idle;
        int open = 0;
        std::deque<std::shared_ptr<asio::steady_timer>> waiting;
    };
    /// Gives the connection back, or its place, when the exchange ends in whatever way.
    class Lease {
    public:
        Lease(std::shared_ptr<Impl> pool, std::string key, std::unique_ptr<Connection> connection)
            : pool_(std::move(pool)), key_(std::move(key)), connection_(std::move(connection)) {}
        Lease(Lease&&) noexcept = default;
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (pool_) {
                pool_->give_back(key_, keep_ ? std::move(connection_) : nullptr);
            }
        }
        Connection& operator*() const { return *connection_; }
        Connection* operator->() const { return connection_.get(); }
        void put(std::unique_ptr<Connection> connection) { connection_ = std::move(connection); }
        bool connected() const { return connection_ != nullptr; }
        void keep() { keep_ = true; }

    private:
        std::shared_ptr<Impl> pool_;
        std::string key_;
        std::unique_ptr<Connection> connection_;
        bool keep_ = false;
    };

    /// A connection lent out whole.
    class Dialled final : public Transport {
    public:
        explicit Dialled(Lease lease) : lease_(std::move(lease)) {}
        Task<Result<std::size_t>> read_some(std::span<std::byte> into) override {
            auto got = co_await lease_->transport->read_some(into);
            lease_->count(got.value_or(0));
            co_return got;
        }
        Task<Result<void>> write(std::string_view bytes) override {
            lease_->count(bytes.size());
            co_return co_await lease_->transport->write(bytes);
        }
        bool quiet() override { return lease_->transport->quiet(); }
        void close() override { lease_->transport->close(); }

    private:
        Lease lease_;
    };

    Impl(asio::any_io_executor executor, Scheduler& s, ClientOptions o)
        : loop(std::move(executor)), scheduler(s), options(std::move(o)),
          names(loop, s, options.connect_timeout) {}

    /// A gateway dialled in plain http knows by each request's Host who is meant, so all hosts behind it
    /// share their connections.
    static bool through_gateway(const Request& request) {
        return request.url.origin.scheme == "http" && !request.route.connect_to.empty();
    }

    static std::string key_of(const Request& request) {
        const Origin& o = request.url.origin;
        const std::string host = through_gateway(request) ? "*" : o.host + "|" + std::to_string(o.port);
        return o.scheme + "|" + host + "|" + request.route.connect_to + "|" + request.route.ca_file + "|" +
               (request.route.check_addresses ? "c" : "-") + (request.route.allow_private ? "p" : "-") +
               text_of(request.route.allowed);
    }

    static std::string text_of(const std::vector<Network>& networks) {
        std::string text;
        for (const Network& network : networks) {
            text += "|";
            text.append(network.address.begin(), network.address.end());
            text += std::to_string(network.bits);
        }
        return text;
    }

    void give_back(const std::string& key, std::unique_ptr<Connection> connection) {
        Endpoint& endpoint = endpoints[key];
        if (connection && !closed) {
            connection->used = scheduler.mono();
            endpoint.idle.push_back(std::move(connection));
        } else {
            --endpoint.open;
            --open;
        }
        if (!endpoint.waiting.empty()) {
            endpoint.waiting.front()->cancel();
            endpoint.waiting.pop_front();
        } else if (endpoint.open == 0) {
            endpoints.erase(key);
        }
        wake_starved();
        arm_sweep();
    }

    /// Somebody of another endpoint may wait for a place in the whole pool.
    void wake_starved() {
        if (!starved.empty()) {
            starved.front()->cancel();
            starved.pop_front();
        }
    }

    void sweep() {
        const Instant now = scheduler.mono();
        for (auto entry = endpoints.begin(); entry != endpoints.end();) {
            Endpoint& endpoint = entry->second;
            while (!endpoint.idle.empty() && now - endpoint.idle.front()->used >= options.idle_max) {
                endpoint.idle.pop_front();
                --endpoint.open;
                --open;
            }
            entry = endpoint.open == 0 && endpoint.waiting.empty() ? endpoints.erase(entry)
                                                                   : std::next(entry);
        }
        sweeping = {};
        armed = false;
        arm_sweep();
    }

    void arm_sweep() {
        if (!armed && open > 0 && !closed) {
            armed = true;
            sweeping = scheduler.at(scheduler.mono() + options.idle_max, [weak = weak_from_this()] {
                if (const auto self = weak.lock()) {
                    self->sweep();
                }
            });
        }
    }

    bool evict_idle() {
        auto oldest = endpoints.end();
        for (auto entry = endpoints.begin(); entry != endpoints.end(); ++entry) {
            if (!entry->second.idle.empty() &&
                (oldest == endpoints.end() ||
                 entry->second.idle.front()->used < oldest->second.idle.front()->used)) {
                oldest = entry;
            }
        }
        if (oldest == endpoints.end()) {
            return false;
        }
        oldest->second.idle.pop_front();
        --oldest->second.open;
        --open;
        if (oldest->second.open == 0 && oldest->second.waiting.empty()) {
            endpoints.erase(oldest);
        }
        return true;
    }

    /// A connection of the pool, or a place for a new one.
    Task<Result<Lease>> acquire(std::string key, int at_once_max, bool fresh, Deadline deadline);
    Task<Result<Endpoints>> endpoints_of(const Request& request, std::string host, std::uint16_t port,
                                         Deadline deadline);
    Task<Result<tcp::socket>> reach(const Endpoints& among, const std::string& host, Deadline deadline);
    Task<Result<tcp::socket>> tunnel(const Request& request, Deadline deadline);
    Task<Result<std::unique_ptr<Connection>>> connect(const Request& request, Deadline deadline);
    Task<Result<Lease>> connected(const Request& request, std::string key, bool fresh, Deadline deadline);
    Task<Result<std::shared_ptr<TrustStore>>> trust(const std::string& ca_file);
    Task<Result<Response>> exchange(Request request, const HeadCheck* check, const BodySink* sink,
                                    Deadline deadline);
    Task<Result<Response>> converse(Lease& lease, const Request& request, const std::string& bytes,
                                    const HeadCheck* check, const BodySink* sink, Deadline deadline,
                                    bool& answered);
    Task<Result<void>> read_head(Connection& connection, Parser& parser, boost::beast::flat_buffer& buffer,
                                 Guard& guard, bool& answered);
    Task<Result<void>> read_body(Connection& connection, Parser& parser, boost::beast::flat_buffer& buffer,
                                 Guard& guard, const BodySink& take);

    asio::any_io_executor loop;
    Scheduler& scheduler;
    ClientOptions options;
    Names names;
    std::map<std::string, Endpoint> endpoints;
    std::deque<std::shared_ptr<asio::steady_timer>> starved;
    std::map<std::string, std::shared_ptr<TrustStore>> trusts;
    Traffic traffic;
    int open = 0;
    bool closed = false;
    bool armed = false;
    Scheduler::Alarm sweeping;
};

Task<Result<Client::Impl::Lease>> Client::Impl::acquire(std::string key, int at_once_max, bool fresh,
                                                        Deadline deadline) {
    for (;;) {
        if (closed) {
            co_return fail(Errc::cancelled, "shutting down", {}, Retry::later());
        }
        Endpoint& endpoint = endpoints[key];
        const Instant now = scheduler.mono();
        while (!endpoint.idle.empty()) {
            std::unique_ptr<Connection> connection = std::move(endpoint.idle.back());
            endpoint.idle.pop_back();
            const bool stale = now - connection->used >= options.idle_max ||
                               now - connection->made >= options.age_max;
            if (!fresh && !stale && connection->transport->quiet()) {
                connection->reused = true;
                co_return Lease(shared_from_this(), key, std::move(connection));
            }
            --endpoint.open;
            --open;
        }
        const bool room_here = endpoint.open < at_once_max;
        if (room_here && (open < options.connections_total_max || evict_idle())) {
            ++endpoints[key].open;  // evicting may have moved it
            ++open;
            co_return Lease(shared_from_this(), key, nullptr);
        }
        if (now >= deadline.at) {
            co_return fail(Errc::timeout, "no free connection in time", {}, Retry::later());
        }
        auto waiting = std::make_shared<asio::steady_timer>(loop, asio::steady_timer::time_point::max());
        auto& queue = room_here ? starved : endpoint.waiting;
        queue.push_back(waiting);
        const Scheduler::Alarm alarm = scheduler.at(deadline.at, [waiting] { waiting->cancel(); });
        boost::system::error_code ended;
        co_await waiting->async_wait(asio::redirect_error(asio::use_awaitable, ended));
        std::erase(starved, waiting);
        if (const auto again = endpoints.find(key); again != endpoints.end()) {
            std::erase(again->second.waiting, waiting);
        }
    }
}

Task<Result<std::shared_ptr<TrustStore>>> Client::Impl::trust(const std::string& ca_file) {
    std::shared_ptr<TrustStore>& known = trusts[ca_file];
    if (!known) {
        auto loaded = load_trust(ca_file);
        if (!loaded) {
            co_return std::unexpected(loaded.error());
        }
        known = std::move(*loaded);
    }
    co_return known;
}

/// The addresses of who is dialled for this request: judged where that is asked for.
Task<Result<Endpoints>> Client::Impl::endpoints_of(const Request& request, std::string host,
                                                   std::uint16_t port, Deadline deadline) {
    auto found = co_await names.resolve(host, port, deadline);
    if (!found || !request.route.check_addresses) {
        co_return found;
    }
    // All of them, and only these are dialled: a second lookup could say something else.
    const AddressRule rule{request.route.allow_private, request.route.allowed,
                           request.url.origin.scheme == "http"};
    for (const tcp::endpoint& endpoint : *found) {
        if (auto good = check_address(endpoint.address(), rule); !good) {
            co_return fail(good.error().code, good.error().text, host);
        }
    }
    co_return found;
}

/// A connection to the first address that takes one; all share the deadline.
Task<Result<tcp::socket>> Client::Impl::reach(const Endpoints& among, const std::string& host,
                                              Deadline deadline) {
    Error last{Errc::unavailable, Retry::later(), "it has no address", host};
    for (const tcp::endpoint& endpoint : among) {
        tcp::socket socket(loop);
        bool late = false;
        boost::system::error_code error;
        {
            const Instant until = std::min(deadline.at, scheduler.mono() + options.connect_timeout);
            const Scheduler::Alarm alarm = scheduler.at(until, [&] {
                late = true;
                boost::system::error_code ignored;
                socket.close(ignored);
            });
            co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, error));
        }
        if (!error) {
            boost::system::error_code ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            co_return socket;
        }
        last = late ? Error{Errc::timeout, Retry::later(), "no connection in time", host}
                    : network_error(error, host);
    }
    if (!among.empty()) {
        names.doubt(host, among.front().port());
    }
    co_return std::unexpected(last);
}

/// A tunnel to the request's host. Where its addresses are judged the proxy is not asked for a name, which it
/// would look up by itself.
Task<Result<tcp::socket>> Client::Impl::tunnel(const Request& request, Deadline deadline) {
    const Proxy& proxy = *options.proxy;
    const Origin& origin = request.url.origin;
    std::string target = origin.host;
    if (request.route.check_addresses) {
        auto judged = co_await endpoints_of(request, origin.host, origin.port, deadline);
        if (!judged) {
            co_return std::unexpected(judged.error());
        }
        target = judged->empty() ? target : judged->front().address().to_string();
    }
    auto found = co_await names.resolve(proxy.host, proxy.port, deadline);
    if (!found) {
        co_return std::unexpected(found.error());
    }
    auto socket = co_await reach(*found, proxy.host, deadline);
    if (!socket) {
        co_return std::unexpected(socket.error());
    }
    const Instant until = std::min(deadline.at, scheduler.mono() + options.connect_timeout);
    auto open_to = co_await open_tunnel(*socket, scheduler, until, target, origin.port, options.user_agent);
    if (!open_to) {
        co_return std::unexpected(open_to.error());
    }
    co_return socket;
}

Task<Result<std::unique_ptr<Connection>>> Client::Impl::connect(const Request& request, Deadline deadline) {
    const Origin& origin = request.url.origin;
    const bool by_proxy = options.proxy && request.route.connect_to.empty() && options.proxy->serves(origin);
    Result<tcp::socket> socket = std::unexpected(Error{});
    if (by_proxy) {
        socket = co_await tunnel(request, deadline);
    } else {
        std::string host = origin.host;
        std::uint16_t port = origin.port;
        if (!request.route.connect_to.empty()) {
            auto dial = parse_url("http://" + request.route.connect_to);
            if (!dial) {
                co_return fail(Errc::invalid, "connect_to is no host:port", request.route.connect_to);
            }
            host = dial->origin.host;
            port = dial->origin.port;
        }
        auto found = co_await endpoints_of(request, host, port, deadline);
        if (!found) {
            co_return std::unexpected(found.error());
        }
        socket = co_await reach(*found, host, deadline);
    }
    if (!socket) {
        co_return std::unexpected(socket.error());
    }
    auto connection = std::make_unique<Connection>();
    connection->made = scheduler.mono();
    if (origin.scheme == "http") {
        connection->transport = plain_transport(std::move(*socket));
        co_return connection;
    }
    auto anchors = co_await trust(request.route.ca_file);
    if (!anchors) {
        co_return std::unexpected(anchors.error());
    }
    auto tls = tls_transport(std::move(*socket), std::move(*anchors), origin.host);
    Guard guard(scheduler, deadline, options.connect_timeout);
    guard.watch(*tls);
    auto secured = co_await tls->handshake();
    if (!secured) {
        co_return std::unexpected(guard.explain(secured.error()));
    }
    guard.release();
    connection->transport = std::move(tls);
    co_return connection;
}

namespace {

/// What a message says of its own framing must be what we read. Beast accepts more than is safe.
Result<void> check_head(const Parser& parser) {
    const auto& head = parser.get();
    const auto [encoding, encodings_end] = head.equal_range(bhttp::field::content_encoding);
    for (auto field = encoding; field != encodings_end; ++field) {
        if (!boost::beast::iequals(field->value(), "identity") && !field->value().empty()) {
            return fail(Errc::protocol, "a compressed answer that was not asked for");
        }
    }
    const auto [transfer, transfers_end] = head.equal_range(bhttp::field::transfer_encoding);
    if (transfer != transfers_end &&
        (std::next(transfer) != transfers_end || !boost::beast::iequals(transfer->value(), "chunked"))) {
        return fail(Errc::protocol, "an unknown Transfer-Encoding");
    }
    if (static_cast<std::size_t>(std::distance(head.begin(), head.end())) > headers_max) {
        return fail(Errc::too_large, "more than 64 header fields");
    }
    if (head.result_int() < 100) {
        return fail(Errc::protocol, "a status below 100");
    }
    return {};
}

Response head_of(const Parser& parser) {
    Response response;
    response.status = static_cast<int>(parser.get().result_int());
    for (const auto& field : parser.get()) {
        response.headers.emplace_back(std::string{field.name_string()}, std::string{field.value()});
    }
    response.date = parse_http_date(response.header("Date"));
    return response;
}

Error parse_trouble(const boost::system::error_code& error) {
    const bool large = error == bhttp::error::header_limit || error == bhttp::error::body_limit;
    return {large ? Errc::too_large : Errc::protocol,
            Retry::later(),
            "not HTTP as it should be: " + error.message(),
            {}};
}

}  // namespace

Task<Result<void>> Client::Impl::read_head(Connection& connection, Parser& parser,
                                           boost::beast::flat_buffer& buffer, Guard& guard, bool& answered) {
    std::size_t bytes = 0;  // Beast's own limit forgets the fields that it has taken
    while (!parser.is_header_done()) {
        if (buffer.size() > 0) {
            boost::system::error_code error;
            const std::size_t used = parser.put(buffer.data(), error);
            buffer.consume(used);
            bytes += used;
            if (bytes + (parser.is_header_done() ? 0 : buffer.size()) > header_bytes_max) {
                co_return std::unexpected(parse_trouble(bhttp::error::header_limit));
            }
            if (error && error != bhttp::error::need_more) {
                co_return std::unexpected(parse_trouble(error));
            }
            if (parser.is_header_done()) {
                break;
            }
        }
        const auto space = buffer.prepare(small_read_bytes);
        auto got = co_await connection.transport->read_some(
            {static_cast<std::byte*>(space.data()), space.size()});
        if (!got) {
            co_return std::unexpected(guard.explain(got.error()));
        }
        if (*got == 0) {
            co_return fail(Errc::unavailable, "the connection ended before an answer", {}, Retry::later());
        }
        answered = true;
        connection.count(*got);
        guard.moved();
        buffer.commit(*got);
    }
    co_return Result<void>{};
}

Task<Result<void>> Client::Impl::read_body(Connection& connection, Parser& parser,
                                           boost::beast::flat_buffer& buffer, Guard& guard,
                                           const BodySink& take) {
    const auto bytes_of = [](const auto& b) {
        return std::span<const std::byte>{static_cast<const std::byte*>(b.data()), b.size()};
    };
    if (!parser.chunked() && parser.content_length()) {
        // Straight from the socket to the sink: a length says all there is to know.
        std::uint64_t left = parser.content_length_remaining().value_or(0);
        if (left > 0 && buffer.size() > 0) {
            const std::size_t here = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
            auto taken = co_await take(bytes_of(buffer.data()).first(here));
            if (!taken) {
                co_return taken;
            }
            buffer.consume(here);
            left -= here;
        }
        std::vector<std::byte> chunk(std::min<std::uint64_t>(left, read_bytes));
        while (left > 0) {
            const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk.size()));
            auto got = co_await connection.transport->read_some(std::span{chunk}.first(want));
            if (!got) {
                co_return std::unexpected(guard.explain(got.error()));
            }
            if (*got == 0) {
                co_return fail(Errc::protocol, "the answer ended " + std::to_string(left) + " bytes early",
                               {}, Retry::later());
            }
            connection.count(*got);
            guard.moved();
            left -= *got;
            auto taken = co_await take(std::span<const std::byte>{chunk}.first(*got));
            if (!taken) {
                co_return taken;
            }
        }
        co_return Result<void>{};
    }
    if (!parser.chunked() && parser.need_eof() &&
        !boost::beast::iequals(parser.get()[bhttp::field::connection], "close")) {
        co_return fail(Errc::protocol, "an answer without a length that does not end its connection");
    }
    // A header of a chunk that is not whole is put again when there is more. Of the last one Beast asserts then that
    // all its bytes are there, though a peer may send them one by one.
    constexpr std::size_t last_chunk_bytes = 5;  // "0", CR, LF, CR, LF: so many always follow
    std::size_t least = 1;
    std::vector<std::byte> piece(small_read_bytes);
    while (!parser.is_done()) {
        parser.get().body().data = piece.data();
        parser.get().body().size = piece.size();
        parser.get().body().more = true;
        boost::system::error_code error;
        if (buffer.size() >= least) {
            const std::size_t used = parser.put(buffer.data(), error);
            buffer.consume(used);
            least = error == bhttp::error::need_more && buffer.size() > 0 ? last_chunk_bytes : 1;
        } else {
            error = bhttp::error::need_more;
        }
        const std::size_t filled = piece.size() - parser.get().body().size;
        if (filled > 0) {
            auto taken = co_await take(std::span<const std::byte>{piece}.first(filled));
            if (!taken) {
                co_return taken;
            }
        }
        if (parser.is_done() || error == bhttp::error::need_buffer || !error) {
            continue;
        }
        if (error != bhttp::error::need_more) {
            co_return std::unexpected(parse_trouble(error));
        }
        const auto space = buffer.prepare(small_read_bytes);
        auto got = co_await connection.transport->read_some(
            {static_cast<std::byte*>(space.data()), space.size()});
        if (!got) {
            co_return std::unexpected(guard.explain(got.error()));
        }
        connection.count(*got);
        guard.moved();
        if (*got == 0) {
            boost::system::error_code ended;
            parser.put_eof(ended);
            if (ended || !parser.is_done()) {
                co_return fail(Errc::protocol, "the answer ended early", {}, Retry::later());
            }
            break;
        }
        buffer.commit(*got);
    }
    co_return Result<void>{};
}

Task<Result<Response>> Client::Impl::converse(Lease& lease, const Request& request, const std::string& bytes,
                                              const HeadCheck* check, const BodySink* sink, Deadline deadline,
                                              bool& answered) {
    Connection& connection = *lease;
    Guard guard(scheduler, deadline, options.stall_timeout);
    guard.watch(*connection.transport);
    connection.count(bytes.size());
    auto sent = co_await connection.transport->write(bytes);
    if (!sent) {
        co_return std::unexpected(guard.explain(sent.error()));
    }
    guard.moved();
    boost::beast::flat_buffer buffer;
    std::optional<Parser> parser;
    do {  // 100 Continue and the like are no answers
        parser.emplace();
        parser->header_limit(header_bytes_max);
        parser->body_limit(boost::none);
        parser->eager(false);
        auto head = co_await read_head(connection, *parser, buffer, guard, answered);
        if (!head) {
            co_return std::unexpected(head.error());
        }
    } while (parser->get().result_int() >= 100 && parser->get().result_int() < 200);
    if (auto sound = check_head(*parser); !sound) {
        co_return std::unexpected(sound.error());
    }
    parser->eager(true);
    Response response = head_of(*parser);
    const bool good = response.status >= 200 && response.status < 300;
    const bool streams = sink != nullptr && good;
    const bool no_body = response.status == 204 || response.status == 304;
    // It should not be there, and would be read as the next answer.
    const bool stray_body = no_body && (parser->chunked() || parser->content_length().value_or(0) > 0);
    if (streams && stray_body) {
        co_return fail(Errc::protocol, "it announces content, and has none by its status 204");
    }
    if (streams && check != nullptr) {
        if (auto accepted = (*check)(response); !accepted) {
            co_return std::unexpected(accepted.error());
        }
    }
    const std::size_t body_max = sink != nullptr ? error_body_max
                                 : good          ? request.body_max
                                                 : std::min(request.body_max, error_body_max);
    const BodySink collect = [&](std::span<const std::byte> piece) -> Task<Result<void>> {
        if (response.body.size() + piece.size() > body_max) {
            co_return fail(Errc::too_large,
                           "the answer is larger than " + std::to_string(body_max >> 10) + " KiB");
        }
        response.body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        co_return Result<void>{};
    };
    const bool too_long = !streams && parser->content_length() && *parser->content_length() > body_max;
    if (too_long && good) {
        co_return fail(Errc::too_large,
                       "the answer is larger than " + std::to_string(body_max >> 10) + " KiB");
    }
    if (!no_body && !too_long) {
        auto body = co_await read_body(connection, *parser, buffer, guard, streams ? *sink : collect);
        if (!body && (good || body.error().code != Errc::too_large)) {
            co_return std::unexpected(body.error());
        }
        if (!body) {
            guard.release();
            co_return response;
        }
    }
    guard.release();
    if (parser->keep_alive() && !too_long && !stray_body && buffer.size() == 0) {
        lease.keep();
    }
    co_return response;
}

/// A connection for this request, of the pool or made now.
Task<Result<Client::Impl::Lease>> Client::Impl::connected(const Request& request, std::string key, bool fresh,
                                                          Deadline deadline) {
    const int at_once_max = through_gateway(request) ? options.connections_total_max
                                                     : options.connections_per_endpoint_max;
    auto lease = co_await acquire(std::move(key), at_once_max, fresh, deadline);
    if (!lease) {
        Error error = lease.error();
        error.where = request.url.origin.host;
        co_return std::unexpected(std::move(error));
    }
    if (!lease->connected()) {
        auto made = co_await connect(request, deadline);
        if (!made) {
            co_return std::unexpected(made.error());
        }
        lease->put(std::move(*made));
    }
    (*lease)->traffic = traffic.of(request.url.origin, scheduler.mono());
    co_return std::move(*lease);
}

Task<Result<Response>> Client::Impl::exchange(Request request, const HeadCheck* check, const BodySink* sink,
                                              Deadline deadline) {
    const std::string& host = request.url.origin.host;
    auto bytes = serialize(request, options.user_agent);
    if (!bytes) {
        co_return std::unexpected(bytes.error());
    }
    for (bool fresh = false;; fresh = true) {
        auto lease = co_await connected(request, key_of(request), fresh, deadline);
        if (!lease) {
            co_return std::unexpected(lease.error());
        }
        bool answered = false;
        const bool reused = (*lease)->reused;
        auto response = co_await converse(*lease, request, *bytes, check, sink, deadline, answered);
        if (response) {
            co_return response;
        }
        Error error = response.error();
        error.where = error.where.empty() ? host : error.where;
        // A kept connection may have died while it was idle. Only what may be repeated is repeated.
        if (reused && !answered && request.idempotent && error.code == Errc::unavailable && !fresh) {
            continue;
        }
        if (!request.idempotent) {
            error.retry = Retry::ambiguous();
        }
        co_return std::unexpected(std::move(error));
    }
}

Client::Client(asio::any_io_executor loop, Scheduler& scheduler, ClientOptions options)
    : impl_(std::make_shared<Impl>(std::move(loop), scheduler, std::move(options))) {}

Client::~Client() = default;

Task<Result<Response>> Client::send(Request request, Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;
    const Secret secret = request.credential ? request.credential->secret : Secret{};
    auto response = co_await impl->exchange(std::move(request), nullptr, nullptr, deadline);
    if (response && (response->status < 200 || response->status > 299)) {
        response->body = secret.hidden_in(
            std::move(response->body));  // it ends in errors that are shown (I12)
    }
    co_return response;
}

Task<Result<Response>> Client::stream(Request request, HeadCheck check, BodySink sink, Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;
    const Secret secret = request.credential ? request.credential->secret : Secret{};
    auto response = co_await impl->exchange(std::move(request), &check, &sink, deadline);
    if (response && (response->status < 200 || response->status > 299)) {
        response->body = secret.hidden_in(std::move(response->body));
    }
    co_return response;
}

Task<Result<std::unique_ptr<Transport>>> Client::dial(Request request, Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;
    auto lease = co_await impl->connected(request, Impl::key_of(request) + "|dialled", false, deadline);
    if (!lease) {
        co_return std::unexpected(lease.error());
    }
    co_return std::make_unique<Impl::Dialled>(std::move(*lease));
}

std::int64_t Client::bytes_exchanged(const Origin& origin) const {
    return impl_->traffic.bytes(origin);
}

const std::string& Client::user_agent() const {
    return impl_->options.user_agent;
}

int Client::connections() const {
    return impl_->open;
}

std::size_t Client::names() const {
    return impl_->names.kept();
}

Task<void> Client::close() {
    impl_->closed = true;
    impl_->names.close();
    impl_->sweeping = {};
    for (const auto& waiting : impl_->starved) {
        waiting->cancel();
    }
    for (auto& [key, endpoint] : impl_->endpoints) {
        for (const auto& waiting : endpoint.waiting) {
            waiting->cancel();
        }
        impl_->open -= static_cast<int>(endpoint.idle.size());
        endpoint.open -= static_cast<int>(endpoint.idle.size());
        endpoint.idle.clear();
    }
    co_return;
}

}  // namespace curfew::http
