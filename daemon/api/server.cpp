#include "curfew/api/api.hpp"

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
#include <cstring>
#include <set>
#include <utility>

namespace curfew::api {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::local::stream_protocol;

namespace {

constexpr std::size_t header_bytes_max = 8 * 1024;
constexpr std::size_t body_bytes_max = 64 * 1024;
constexpr std::size_t target_bytes_max = 2 * 1024;
constexpr std::ptrdiff_t fields_max = 64;
constexpr int connections_max = 64;
constexpr int connections_per_user_max = 16;
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

Request request_from(const http::request<http::string_body>& raw) {
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
    return request;
}

/// Beast lets through what we do not want to argue about.
std::string refusal(const http::request<http::string_body>& raw) {
    if (raw.target().size() > target_bytes_max || !raw.target().starts_with('/')) {
        return "the target must begin with / and have at most 2048 bytes";
    }
    if (std::distance(raw.begin(), raw.end()) > fields_max) {
        return "more than 64 header fields";
    }
    if (raw.count(http::field::origin) > 0 || raw.count(http::field::referer) > 0) {
        return "requests of a browser are not answered here";
    }
    if (raw.count(http::field::transfer_encoding) > 0 &&
        !boost::beast::iequals(raw[http::field::transfer_encoding], "chunked")) {
        return "an unknown Transfer-Encoding";
    }
    if (raw.method() == http::verb::get && !raw.body().empty()) {
        return "a GET has no body";
    }
    const auto type = raw[http::field::content_type];
    if (raw.method() == http::verb::post && !raw.body().empty() && !type.starts_with("application/json")) {
        return "the Content-Type of a change is application/json";
    }
    return {};
}

std::string user_of(uid_t uid) {
    std::array<char, 1024> space{};
    passwd entry{};
    passwd* found = nullptr;
    const bool named = ::getpwuid_r(uid, &entry, space.data(), space.size(), &found) == 0 && found != nullptr;
    return (named ? std::string{entry.pw_name} : std::string{"somebody"}) + " (uid " + std::to_string(uid) +
           ")";
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    Impl(asio::any_io_executor executor, Scheduler& s, Handler& h, TaskGroup& t, int p)
        : loop(std::move(executor)), scheduler(s), handler(h), tasks(t), patience(p) {}

    struct Listener {
        explicit Listener(stream_protocol::acceptor a) : acceptor(std::move(a)) {}
        stream_protocol::acceptor acceptor;
        bool admin = false;
        std::string path;  // to remove at the end; empty for an inherited socket
    };

    Result<int> listen_at(const std::string& path, mode_t mode);
    Result<void> add(std::optional<int> inherited, const std::string& path, bool admin);
    Task<void> accept_from(std::shared_ptr<Listener> listener);
    Task<void> serve(std::shared_ptr<stream_protocol::socket> socket, bool admin, uid_t uid);
    Task<bool> serve_one(stream_protocol::socket& socket, boost::beast::flat_buffer& buffer,
                         const Peer& peer);

    asio::any_io_executor loop;
    Scheduler& scheduler;
    Handler& handler;
    TaskGroup& tasks;
    int patience;
    std::vector<std::shared_ptr<Listener>> listeners;
    std::set<std::shared_ptr<stream_protocol::socket>> sockets;
    std::map<uid_t, int> by_user;
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
    auto listener = std::make_shared<Listener>(std::move(acceptor));
    listener->admin = admin;
    listener->path = inherited ? std::string{} : path;
    listeners.push_back(listener);
    tasks.spawn(admin ? "admin socket" : "api socket", accept_from(listener));
    return {};
}

Task<void> Server::Impl::accept_from(std::shared_ptr<Listener> listener) {
    const auto self = shared_from_this();
    while (!stopping) {
        auto socket = std::make_shared<stream_protocol::socket>(loop);
        boost::system::error_code error;
        co_await listener->acceptor.async_accept(*socket, asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            if (stopping || error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
                break;
            }
            spdlog::warn("event=accept_failed error=\"{}\"", error.message());
            co_await scheduler.sleep_for(accept_pause);  // no descriptors: do not spin
            continue;
        }
        ucred peer{};
        socklen_t size = sizeof peer;
        const bool known = ::getsockopt(socket->native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
        const bool room = static_cast<int>(sockets.size()) < connections_max &&
                          by_user[peer.uid] < connections_per_user_max;
        if (!known || !room) {
            boost::system::error_code ignored;
            socket->close(ignored);
            continue;
        }
        sockets.insert(socket);
        ++by_user[peer.uid];
        tasks.spawn("api connection", serve(socket, listener->admin, peer.uid));
    }
}

/// One request and its answer. False ends the connection.
Task<bool> Server::Impl::serve_one(stream_protocol::socket& socket, boost::beast::flat_buffer& buffer,
                                   const Peer& peer) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(header_bytes_max);
    parser.body_limit(body_bytes_max);
    boost::system::error_code error;
    {
        const Scheduler::Alarm idle = scheduler.at(scheduler.mono() + idle_limit * patience, [&socket] {
            boost::system::error_code ignored;
            socket.close(ignored);
        });
        if (buffer.size() == 0) {
            co_await socket.async_wait(stream_protocol::socket::wait_read,
                                       asio::redirect_error(asio::use_awaitable, error));
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
    co_await http::async_read(socket, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    http::response<http::string_body> response;
    bool keep_alive = false;
    if (error == http::error::end_of_stream || error == asio::error::operation_aborted ||
        error == asio::error::connection_reset) {
        co_return false;
    }
    if (error) {
        const bool large = error == http::error::body_limit || error == http::error::header_limit;
        response.result(large ? 413U : 400U);
        response.body() =
            "{\"schema\":\"curfew.problem/1\",\"status\":400,\"detail\":\"not a request that this API "
            "answers\",\"exit\":2}\n";
    } else if (const std::string why = refusal(parser.get()); !why.empty()) {
        response.result(400U);
        response.body() = "{\"schema\":\"curfew.problem/1\",\"status\":400,\"detail\":\"" + why +
                          "\",\"exit\":2}\n";
    } else {
        limit.cancel();  // a replay may take its time, and is bounded by itself
        Reply reply = co_await handler.handle(request_from(parser.get()), peer);
        limit = limited();
        response.result(static_cast<unsigned>(reply.status));
        response.set(http::field::content_type, reply.content_type);
        response.body() = std::move(reply.body);
        keep_alive = parser.get().keep_alive();
    }
    if (response[http::field::content_type].empty()) {
        response.set(http::field::content_type, "application/problem+json");
    }
    response.set(http::field::cache_control, "no-store");
    response.keep_alive(keep_alive);
    response.prepare_payload();
    co_await http::async_write(socket, response, asio::redirect_error(asio::use_awaitable, error));
    co_return keep_alive && !error;
}

Task<void> Server::Impl::serve(std::shared_ptr<stream_protocol::socket> socket, bool admin, uid_t uid) {
    const auto self = shared_from_this();
    struct Leave {
        Impl& impl;
        std::shared_ptr<stream_protocol::socket> socket;
        uid_t uid;
        ~Leave() {
            boost::system::error_code ignored;
            socket->close(ignored);
            impl.sockets.erase(socket);
            if (--impl.by_user[uid] == 0) {
                impl.by_user.erase(uid);
            }
        }
    };
    const Leave leave{*this, socket, uid};
    const Peer peer{.actor = user_of(uid), .admin = admin};
    boost::beast::flat_buffer buffer;
    for (int i = 0; i < requests_per_connection_max && !stopping; ++i) {
        const bool again = co_await serve_one(*socket, buffer, peer);
        if (!again) {
            break;
        }
    }
}

Server::Server(asio::any_io_executor loop, Scheduler& scheduler, Handler& handler, TaskGroup& tasks,
               int patience)
    : impl_(std::make_shared<Impl>(std::move(loop), scheduler, handler, tasks, patience)) {}

Server::~Server() = default;

Result<void> Server::start(const Sockets& sockets) {
    if (auto added = impl_->add(sockets.api_fd, sockets.api_path, false); !added) {
        return added;
    }
    return impl_->add(sockets.admin_fd, sockets.admin_path, true);
}

void Server::stop() {
    impl_->stopping = true;
    boost::system::error_code ignored;
    for (const auto& listener : impl_->listeners) {
        listener->acceptor.close(ignored);
        if (!listener->path.empty()) {
            ::unlink(listener->path.c_str());
        }
    }
    for (const auto& socket : impl_->sockets) {
        socket->shutdown(stream_protocol::socket::shutdown_receive, ignored);
    }
}

}  // namespace curfew::api
