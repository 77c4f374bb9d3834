#include "curfew/api/api.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

namespace curfew::api {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using asio::local::stream_protocol;
using Socket = asio::generic::stream_protocol::socket;
using Raw = http::request<http::string_body>;

namespace {

constexpr std::size_t header_bytes_max = 8 * 1024;
constexpr std::size_t body_bytes_max = 64 * 1024;
constexpr std::size_t press_bytes_max = 1024;  // of a body that nobody reads
constexpr std::size_t target_bytes_max = 2 * 1024;
constexpr std::ptrdiff_t fields_max = 64;
constexpr int connections_max = 64;
constexpr int connections_per_user_max = 16;
constexpr int keep_connections_max = 32;  // also of one address: behind a proxy there is only one
constexpr int requests_per_connection_max = 1000;
constexpr Duration request_limit = seconds{10};
constexpr Duration idle_limit = seconds{30};
constexpr Duration accept_pause = Duration{100};
constexpr int backlog = 64;

int hex_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_of(text[i + 1]) >= 0 && hex_of(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_of(text[i + 1]) * 16 + hex_of(text[i + 2]));
            i += 2;
        } else {
            out += text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

Request request_from(const Raw& raw) {
    Request request;
    request.method = std::string{raw.method_string()};
    const std::string_view target{raw.target().data(), raw.target().size()};
    const std::size_t question = std::min(target.find('?'), target.size());
    request.path = decoded(target.substr(0, question));
    std::string_view query = target.substr(std::min(question + 1, target.size()));
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        const std::size_t equals = std::min(pair.find('='), pair.size());
        request.query[decoded(pair.substr(0, equals))] = decoded(
            pair.substr(std::min(equals + 1, pair.size())));
        query.remove_prefix(std::min(end + 1, query.size()));
    }
    request.body = raw.body();
    request.idempotency_key = std::string{raw["Idempotency-Key"]};
    const auto [first, last] = raw.equal_range(http::field::host);
    for (auto host = first; host != last; ++host) {
        request.hosts.emplace_back(host->value());
    }
    request.origin = std::string{raw[http::field::origin]};
    request.accept = std::string{raw[http::field::accept]};
    return request;
}

/// Beast lets through what we do not want to argue about.
std::string malformed(const Raw& raw) {
    if (raw.target().size() > target_bytes_max || !raw.target().starts_with('/')) {
        return "the target must begin with / and have at most 2048 bytes";
    }
    if (std::distance(raw.begin(), raw.end()) > fields_max) {
        return "more than 64 header fields";
    }
    if (raw.method() == http::verb::get && !raw.body().empty()) {
        return "a GET has no body";
    }
    return {};
}

std::string not_for_a_browser(const Raw& raw) {
    if (raw.count(http::field::origin) > 0 || raw.count(http::field::referer) > 0) {
        return "requests of a browser are not answered here";
    }
    const auto type = raw[http::field::content_type];
    if (raw.method() == http::verb::post && !raw.body().empty() && !type.starts_with("application/json")) {
        return "the Content-Type of a change is application/json";
    }
    return {};
}

Reply problem(const std::string& detail) {
    return {.status = 400,
            .content_type = "application/problem+json",
            .body = "{\"schema\":\"curfew.problem/1\",\"status\":400,\"detail\":\"" + detail +
                    "\",\"exit\":2}\n"};
}

Reply plain_problem(const std::string& detail) {
    return {.status = 400, .content_type = "text/plain", .body = detail + "\n"};
}

std::string user_of(uid_t uid) {
    std::array<char, 1024> space{};
    passwd entry{};
    passwd* found = nullptr;
    const bool named = ::getpwuid_r(uid, &entry, space.data(), space.size(), &found) == 0 && found != nullptr;
    return (named ? std::string{entry.pw_name} : std::string{"somebody"}) + " (uid " + std::to_string(uid) +
           ")";
}

/// A descriptor to do without: who connects while there is none is told so by the end of the connection, and does not
/// wait for one.
class Spare {
public:
    Spare() { refill(); }
    Spare(const Spare&) = delete;
    Spare& operator=(const Spare&) = delete;
    ~Spare() { give_up(); }

    void turn_away(int listener) {
        give_up();
        for (int i = 0; i < backlog; ++i) {
            const int caller = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (caller < 0) {
                break;
            }
            ::close(caller);
            ++turned_away_;
        }
        refill();
    }
    /// Is there one? While callers were turned away another thread may have taken its number.
    bool held() {
        if (fd_ < 0) {
            refill();
        }
        return fd_ >= 0;
    }
    long turned_away() const { return turned_away_; }  // ever

private:
    void refill() { fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
    void give_up() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }
    int fd_ = -1;
    long turned_away_ = 0;
};

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    Impl(asio::any_io_executor executor, Scheduler& s, Answer a, TaskGroup& t, int p)
        : loop(std::move(executor)), scheduler(s), answer(std::move(a)), tasks(t), patience(p) {}

    /// What is answered behind a socket, and to how many.
    struct Room {
        std::string name;
        Answer answer;
        std::function<std::string(const Raw&)> refusal;
        std::function<Reply(const std::string& detail)> problem;
        std::size_t body_max = 0;
        int connections_max = 0;
        int per_peer_max = 0;
        int open = 0;
        std::map<std::string, int> by_peer;
    };
    struct Caller {
        std::string key;  // what its connections are counted by
        Peer peer;
    };

    Result<int> listen_at(const std::string& path, mode_t mode);
    Result<void> add(std::optional<int> inherited, const std::string& path, bool admin);
    Result<void> add(const std::string& address, Answer pages);
    static std::optional<Caller> caller(stream_protocol::socket& socket, bool admin);
    static std::optional<Caller> caller(tcp::socket& socket, bool admin);
    template <class Acceptor>
    Task<void> accept_from(std::shared_ptr<Acceptor> acceptor, std::shared_ptr<Room> room, bool admin);
    Task<void> serve(std::shared_ptr<Socket> socket, std::shared_ptr<Room> room, Caller caller);
    Task<bool> serve_one(Socket& socket, boost::beast::flat_buffer& buffer, const Room& room,
                         const Peer& peer);
    template <class Acceptor>
    void listen(Acceptor acceptor, const std::shared_ptr<Room>& room, bool admin, std::string path);

    asio::any_io_executor loop;
    Scheduler& scheduler;
    Answer answer;
    TaskGroup& tasks;
    int patience;
    std::shared_ptr<Room> local;              // of both Unix sockets
    std::vector<std::function<void()>> ends;  // of listeners
    std::set<std::shared_ptr<Socket>> sockets;
    decltype(sockets) fresh;  // those that have not asked anything yet
    Spare spare;
    bool stopping = false;
};

Result<int> Server::Impl::listen_at(const std::string& path, mode_t mode) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail(Errc::invalid, "the path of a socket may have 107 bytes at most", path);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const auto trouble = [&](const std::string& what) {
        const std::string text = what + ": " + std::strerror(errno);
        ::close(fd);
        return fail(Errc::disk, text, path);
    };
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) {
            ::close(fd);
            return fail(Errc::conflict, "something that is no socket is in the way", path);
        }
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
            ::close(fd);
            return fail(Errc::locked, "another daemon answers there", path);
        }
        ::unlink(path.c_str());
    }
    // Nobody may connect between bind and chmod.
    const mode_t before = ::umask(0777);
    const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::umask(before);
    if (bound != 0) {
        return trouble("cannot bind");
    }
    if (::chmod(path.c_str(), mode) != 0 || ::listen(fd, backlog) != 0) {
        return trouble("cannot listen");
    }
    return fd;
}

template <class Acceptor>
void Server::Impl::listen(Acceptor acceptor, const std::shared_ptr<Room>& room, bool admin,
                          std::string path) {
    auto shared = std::make_shared<Acceptor>(std::move(acceptor));
    ends.emplace_back([shared, path = std::move(path)] {
        boost::system::error_code ignored;
        shared->close(ignored);
        if (!path.empty()) {
            ::unlink(path.c_str());
        }
    });
    tasks.spawn(admin ? "admin socket" : room->name + " socket", accept_from(std::move(shared), room, admin));
}

Result<void> Server::Impl::add(std::optional<int> inherited, const std::string& path, bool admin) {
    int fd = inherited.value_or(-1);
    if (!inherited) {
        auto made = listen_at(path, 0600);
        if (!made) {
            return std::unexpected(made.error());
        }
        fd = *made;
    }
    stream_protocol::acceptor acceptor(loop);
    boost::system::error_code error;
    acceptor.assign(stream_protocol{}, fd, error);
    if (error) {
        return fail(Errc::disk, "cannot use the socket: " + error.message(), path);
    }
    if (!local) {
        local = std::make_shared<Room>();
        local->name = "api";
        local->answer = answer;
        local->refusal = not_for_a_browser;
        local->problem = problem;
        local->body_max = body_bytes_max;
        local->connections_max = connections_max;
        local->per_peer_max = connections_per_user_max;
    }
    // An inherited socket stays when we end.
    listen(std::move(acceptor), local, admin, inherited ? std::string{} : path);
    return {};
}

Result<void> Server::Impl::add(const std::string& address, Answer pages) {
    const std::size_t colon = std::min(address.rfind(':'), address.size());
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    const std::string port = address.substr(std::min(colon + 1, address.size()));
    std::uint16_t number = 0;
    const auto [end, bad] = std::from_chars(port.data(), port.data() + port.size(), number);
    boost::system::error_code error;
    const auto ip = asio::ip::make_address(host, error);
    if (error || bad != std::errc{} || end != port.data() + port.size()) {
        return fail(Errc::invalid, "is no address with a port", address);
    }
    const tcp::endpoint endpoint{ip, number};
    tcp::acceptor acceptor(loop);
    const auto done = [&](auto... step) { (..., (error ? void() : step())); };
    done([&] { acceptor.open(endpoint.protocol(), error); },
         [&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); },
         [&] { acceptor.bind(endpoint, error); }, [&] { acceptor.listen(backlog, error); });
    if (error) {
        return fail(Errc::conflict, "cannot listen: " + error.message(), address);
    }
    auto room = std::make_shared<Room>();
    room->name = "keep link";
    room->answer = std::move(pages);
    room->refusal = [](const Raw&) { return std::string{}; };  // by the pages, who know their own origin
    room->problem = plain_problem;
    room->body_max = press_bytes_max;
    room->connections_max = keep_connections_max;
    room->per_peer_max = keep_connections_max;
    listen(std::move(acceptor), room, false, {});
    return {};
}

std::optional<Server::Impl::Caller> Server::Impl::caller(stream_protocol::socket& socket, bool admin) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return std::nullopt;
    }
    return Caller{.key = std::to_string(peer.uid), .peer = {.actor = user_of(peer.uid), .admin = admin}};
}

std::optional<Server::Impl::Caller> Server::Impl::caller(tcp::socket& socket, bool) {
    boost::system::error_code error;
    const auto from = socket.remote_endpoint(error);
    return error ? std::nullopt : std::optional{Caller{.key = from.address().to_string(), .peer = {}}};
}

template <class Acceptor>
Task<void> Server::Impl::accept_from(std::shared_ptr<Acceptor> acceptor, std::shared_ptr<Room> room,
                                     bool admin) {
    const auto self = shared_from_this();
    bool failing = false;
    while (!stopping) {
        typename Acceptor::protocol_type::socket accepted(loop);
        boost::system::error_code error;
        co_await acceptor->async_accept(accepted, asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            if (stopping || error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
                break;
            }
            if (!std::exchange(failing, true)) {
                spdlog::warn("event=accept_failed socket=\"{}\" error=\"{}\"", room->name, error.message());
            }
            if (error == asio::error::no_descriptors || error.value() == ENFILE) {
                spare.turn_away(acceptor->native_handle());
            }
            co_await scheduler.sleep_for(accept_pause);  // no descriptors: do not spin
            continue;
        }
        if (!spare.held()) {
            // It took the last one: served, it would keep it, and everybody else would wait.
            accepted.close(error);
            spare.turn_away(acceptor->native_handle());
            continue;
        }
        if (std::exchange(failing, false)) {
            spdlog::info("event=accept_works socket=\"{}\" turned_away={}", room->name, spare.turned_away());
        }
        auto from = caller(accepted, admin);
        if (!from || room->open >= room->connections_max || room->by_peer[from->key] >= room->per_peer_max) {
            continue;  // it is closed
        }
        auto socket = std::make_shared<Socket>(std::move(accepted));
        sockets.insert(socket);
        fresh.insert(socket);
        ++room->open;
        ++room->by_peer[from->key];
        tasks.spawn(room->name + " connection", serve(std::move(socket), room, std::move(*from)));
    }
}

/// One request and its answer. False ends the connection.
Task<bool> Server::Impl::serve_one(Socket& socket, boost::beast::flat_buffer& buffer, const Room& room,
                                   const Peer& peer) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(header_bytes_max);
    parser.body_limit(room.body_max);
    boost::system::error_code error;
    {
        const Scheduler::Alarm idle = scheduler.at(scheduler.mono() + idle_limit * patience, [&socket] {
            boost::system::error_code ignored;
            socket.close(ignored);
        });
        if (buffer.size() == 0) {
            co_await socket.async_wait(Socket::wait_read, asio::redirect_error(asio::use_awaitable, error));
        }
    }
    if (error) {
        co_return false;
    }
    // Set once: a client that drips bytes gains nothing.
    const auto limited = [&] {
        return scheduler.at(scheduler.mono() + request_limit * patience, [&socket] {
            boost::system::error_code ignored;
            socket.close(ignored);
        });
    };
    Scheduler::Alarm limit = limited();
    co_await http::async_read_header(socket, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    // Nobody here needs chunks, and Beast asserts that the bytes of the last one come together.
    const bool without_length = !error && parser.get().count(http::field::transfer_encoding) > 0;
    if (!error && !without_length) {
        co_await http::async_read(socket, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    }
    http::response<http::string_body> response;
    bool keep_alive = false;
    if (error == http::error::end_of_stream || error == asio::error::operation_aborted ||
        error == asio::error::connection_reset) {
        co_return false;
    }
    Reply reply;
    if (error) {
        const bool large = error == http::error::body_limit || error == http::error::header_limit;
        reply = room.problem("not a request that is answered here");
        reply.status = large ? 413 : 400;
    } else if (without_length) {
        reply = room.problem("a body is sent with its Content-Length, not with a Transfer-Encoding");
        reply.status = 411;
    } else if (std::string why = malformed(parser.get()); !why.empty()) {
        reply = room.problem(why);
    } else if (why = room.refusal(parser.get()); !why.empty()) {
        reply = room.problem(why);
    } else {
        limit.cancel();  // a replay may take its time, and is bounded by itself
        reply = co_await room.answer(request_from(parser.get()), peer);
        limit = limited();
        keep_alive = parser.get().keep_alive();
    }
    response.result(static_cast<unsigned>(reply.status));
    response.set(http::field::content_type, reply.content_type);
    for (const auto& [name, value] : reply.headers) {
        response.set(name, value);
    }
    response.body() = std::move(reply.body);
    response.set(http::field::cache_control, "no-store");
    response.keep_alive(keep_alive);
    response.prepare_payload();
    co_await http::async_write(socket, response, asio::redirect_error(asio::use_awaitable, error));
    co_return keep_alive && !error;
}

Task<void> Server::Impl::serve(std::shared_ptr<Socket> socket, std::shared_ptr<Room> room, Caller caller) {
    const auto self = shared_from_this();
    struct Leave {
        Impl& impl;
        std::shared_ptr<Socket> socket;
        Room& room;
        const std::string& key;
        ~Leave() {
            boost::system::error_code ignored;
            socket->close(ignored);
            impl.sockets.erase(socket);
            impl.fresh.erase(socket);
            --room.open;
            if (--room.by_peer[key] == 0) {
                room.by_peer.erase(key);
            }
        }
    };
    const Leave leave{*this, socket, *room, caller.key};
    boost::beast::flat_buffer buffer;
    // Who was let in as the end began is answered as well.
    for (int i = 0; i < requests_per_connection_max && (i == 0 || !stopping); ++i) {
        const bool again = co_await serve_one(*socket, buffer, *room, caller.peer);
        fresh.erase(socket);
        if (!again) {
            break;
        }
    }
}

Server::Server(asio::any_io_executor loop, Scheduler& scheduler, Answer answer, TaskGroup& tasks,
               int patience)
    : impl_(std::make_shared<Impl>(std::move(loop), scheduler, std::move(answer), tasks, patience)) {}

Server::~Server() = default;

Result<void> Server::start(const Sockets& sockets) {
    if (auto added = impl_->add(sockets.api_fd, sockets.api_path, false); !added) {
        return added;
    }
    return impl_->add(sockets.admin_fd, sockets.admin_path, true);
}

Result<void> Server::start_keep_links(const std::string& address, Answer pages) {
    return impl_->add(address, std::move(pages));
}

void Server::stop() {
    impl_->stopping = true;
    for (const auto& end : impl_->ends) {
        end();
    }
    boost::system::error_code ignored;
    for (const auto& socket : impl_->sockets) {
        if (!impl_->fresh.contains(socket)) {
            socket->shutdown(Socket::shutdown_receive, ignored);
        }
    }
}

bool Server::busy() const {
    return !impl_->sockets.empty();
}

}  // namespace curfew::api
