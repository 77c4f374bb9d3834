// The edge in front of the notebooks: picks the guest by the Host of a request and then moves bytes until a
// request names another; stand-ins are answered here.
#include "server.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/completion_condition.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

namespace emulator {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Tls = asio::ssl::stream<tcp::socket>;
using namespace asio::experimental::awaitable_operators;

constexpr std::size_t relay_bytes = 256 * 1024;
constexpr std::size_t head_limit = 64 * 1024;
constexpr std::size_t standin_body_limit = 1 << 20;

tcp::socket& bottom(tcp::socket& stream) {
    return stream;
}

tcp::socket& bottom(Tls& stream) {
    return stream.next_layer();
}

/// One connection: both ends live until both directions are done.
template <class Stream>
struct Pipe {
    Pipe(Stream&& from, const asio::any_io_executor& executor) : client{std::move(from)}, backend{executor} {}
    Stream client;
    tcp::socket backend;
    std::string next;  // the beginning of a request for another guest

    void close() {
        boost::system::error_code ignored;
        bottom(client).close(ignored);
        backend.close(ignored);
    }
};

struct Registration {
    Emulator& emulator;
    std::int64_t number;
    Registration(Emulator& owner, std::function<void()> close)
        : emulator{owner}, number{owner.next_connection++} {
        emulator.guest_connections[number] = std::move(close);
    }
    ~Registration() { emulator.guest_connections.erase(number); }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
};

/// Copies until the end of `from`.
template <class From, class To>
asio::awaitable<void> copy(From& from, To& to, std::size_t size) {
    const auto bytes = std::make_unique<char[]>(size);
    for (;;) {
        boost::system::error_code error;
        const std::size_t got = co_await from.async_read_some(
            asio::buffer(bytes.get(), size), asio::redirect_error(asio::use_awaitable, error));
        if (got > 0) {
            co_await asio::async_write(to, asio::buffer(bytes.get(), got), asio::use_awaitable);
        }
        if (error) {
            co_return;
        }
    }
}

struct Head {
    Request request;
    std::string version;
    std::string text;  // without the empty line
};

Head parse_head(std::string_view text) {
    Head head;
    head.text = std::string{text};
    const std::size_t line_end = text.find("\r\n");
    const std::string_view line = text.substr(0, line_end);
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    head.request.host = "guest";
    if (first != std::string_view::npos && last > first) {
        head.request.method = std::string{line.substr(0, first)};
        head.request.target = std::string{line.substr(first + 1, last - first - 1)};
        head.version = std::string{line.substr(last + 1)};
        parse_target(head.request);
    }
    std::string_view rest = line_end == std::string_view::npos ? std::string_view{}
                                                               : text.substr(line_end + 2);
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        const std::string_view field = rest.substr(0, end);
        const std::size_t colon = field.find(':');
        if (colon != std::string_view::npos) {
            std::string_view value = field.substr(colon + 1);
            while (!value.empty() && value.front() == ' ') {
                value.remove_prefix(1);
            }
            while (!value.empty() && value.back() == ' ') {
                value.remove_suffix(1);
            }
            head.request.headers.emplace_back(std::string{field.substr(0, colon)}, std::string{value});
        }
        rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 2);
    }
    return head;
}

std::string run_of_host(std::string host) {
    if (const std::size_t colon = host.find(':'); colon != std::string::npos) {
        host.resize(colon);
    }
    const std::size_t dot = host.find('.');
    if (dot == std::string::npos || !same_text(std::string_view{host}.substr(dot + 1), cluster_domain)) {
        return {};
    }
    host.resize(dot);
    if (host.starts_with("tensorboard-")) {
        return {};
    }
    return host;
}

/// Follows the requests of one connection, to see when one is for another guest than the first.
class RequestFollower {
public:
    RequestFollower(const Head& first, std::size_t body_seen)
        : run_{run_of_host(first.request.header("host"))} {
        begin(first);
        body_left_ -= std::min<std::uint64_t>(body_left_, body_seen);
    }

    /// The bytes to send on; what is held back waits for the rest of its head, or is for another guest.
    std::string take(std::string_view bytes) {
        held_ += bytes;
        std::string out;
        while (!held_.empty() && !other_) {
            if (opaque_ || body_left_ > 0) {
                const std::size_t size = opaque_ ? held_.size()
                                                 : std::min<std::uint64_t>(body_left_, held_.size());
                body_left_ -= opaque_ ? 0 : size;
                out += held_.substr(0, size);
                held_.erase(0, size);
                continue;
            }
            const std::size_t end = held_.find("\r\n\r\n");
            if (end == std::string::npos) {
                opaque_ = held_.size() > head_limit;
                break;
            }
            const Head head = parse_head(std::string_view{held_}.substr(0, end));
            other_ = run_of_host(head.request.header("host")) != run_;
            if (!other_) {
                begin(head);
                out += held_.substr(0, end + 4);
                held_.erase(0, end + 4);
            }
        }
        return out;
    }
    [[nodiscard]] bool other() const { return other_; }
    std::string held() { return std::move(held_); }

private:
    void begin(const Head& head) {
        const std::string length = head.request.header("content-length");
        std::from_chars(length.data(), length.data() + length.size(), body_left_);
        opaque_ = !head.request.header("upgrade").empty() ||
                  !head.request.header("transfer-encoding").empty();
    }

    std::string run_;
    std::string held_;
    std::uint64_t body_left_ = 0;
    bool opaque_ = false;
    bool other_ = false;
};

template <class Stream>
asio::awaitable<void> upstream(std::shared_ptr<Pipe<Stream>> pipe, RequestFollower requests) {
    const auto bytes = std::make_unique<char[]>(head_limit);
    try {
        for (;;) {
            const std::size_t got = co_await pipe->client.async_read_some(
                asio::buffer(bytes.get(), head_limit), asio::use_awaitable);
            const std::string out = requests.take({bytes.get(), got});
            co_await asio::async_write(pipe->backend, asio::buffer(out), asio::use_awaitable);
            if (requests.other()) {
                pipe->next = requests.held();
                boost::system::error_code ignored;
                pipe->backend.close(ignored);
                co_return;
            }
        }
    } catch (const std::exception&) {
        // The client or the backend is gone; the other direction notices by itself.
    }
    boost::system::error_code ignored;
    pipe->backend.shutdown(tcp::socket::shutdown_send, ignored);
}

/// Now, by the clock of a notebook, which is never hurried.
std::string http_date() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    std::array<char, 40> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT",
                                           ::gmtime_r(&now, &utc));
    return {text.data(), size};
}

Reply unavailable() {
    return Reply::raw(
        503,
        "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
        "<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n",
        "text/html");
}

json contents_root(const Run& run) {
    const std::string at = iso_micros(run.created);
    return {{"name", ""},
            {"path", ""},
            {"last_modified", at},
            {"created", at},
            {"content", json::array()},
            {"format", "json"},
            {"mimetype", nullptr},
            {"size", nullptr},
            {"writable", true},
            {"type", "directory"}};
}

Reply standin(Emulator& emulator, Notebook& notebook, const Request& request) {
    Run& run = notebook.run();
    const auto with_server = [](Reply reply) {
        reply.headers.emplace_back("Server", "TornadoServer/6.2");
        reply.content_type = "application/json";
        return reply;
    };
    const std::string credential = request.header("authorization");
    const bool allowed = request.param("token").value_or("") == run.token ||
                         (credential.size() > 6 &&
                          same_text(std::string_view{credential}.substr(0, 6), "token ") &&
                          credential.substr(6) == run.token);
    if (request.path == "/api") {
        return with_server(Reply::of({{"version", "1.23.3"}}));
    }
    if (!allowed) {
        return with_server(Reply::of({{"message", "Forbidden"}, {"reason", nullptr}}, 403));
    }
    const std::string clock = iso_micros(run.busy ? emulator.clock.now() : run.verdict_since);
    if (request.path == "/api/shutdown" && request.method == "POST") {
        emulator.world->begin_teardown(notebook, RunState::stopped);
        return with_server(Reply::raw(200, "", ""));
    }
    if (request.method != "GET") {
        return with_server(Reply::of({{"message", "Method Not Allowed"}, {"reason", nullptr}}, 405));
    }
    if (request.path == "/api/status") {
        return with_server(Reply::of({{"connections", 0},
                                      {"kernels", 1},
                                      {"last_activity", clock},
                                      {"started", iso_micros(run.started.value_or(run.created))}}));
    }
    if (request.path == "/api/kernels") {
        const std::string& id = notebook.repo_id;
        return with_server(Reply::of(json::array({{{"id", id},
                                                   {"name", "python3"},
                                                   {"last_activity", clock},
                                                   {"execution_state", run.busy ? "busy" : "idle"},
                                                   {"connections", 0}}})));
    }
    if (request.path == "/api/sessions" || request.path == "/api/terminals") {
        return with_server(Reply::of(json::array()));
    }
    if (request.path == "/api/contents") {
        return with_server(Reply::of(contents_root(run)));
    }
    return with_server(Reply::of({{"message", "Not Found"}, {"reason", nullptr}}, 404));
}

asio::awaitable<void> wait_for_end(tcp::socket& socket) {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    while (socket.is_open()) {
        timer.expires_after(std::chrono::milliseconds{200});
        co_await timer.async_wait(asio::use_awaitable);
        char byte = 0;
        boost::system::error_code error;
        socket.non_blocking(true);
        const std::size_t got = socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
        if ((!error && got == 0) || (error && error != asio::error::would_block)) {
            co_return;
        }
    }
}

template <class Stream>
asio::awaitable<void> finish(Stream& stream) {
    if constexpr (std::is_same_v<Stream, Tls>) {
        asio::steady_timer timer{co_await asio::this_coro::executor, std::chrono::milliseconds{500}};
        auto say_goodbye = [&stream]() -> asio::awaitable<void> {
            boost::system::error_code ignored;
            co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, ignored));
        };
        co_await (say_goodbye() || timer.async_wait(asio::use_awaitable));
    }
    boost::system::error_code ignored;
    bottom(stream).shutdown(tcp::socket::shutdown_both, ignored);
}

template <class Stream>
asio::awaitable<void> answer(Stream& stream, const Reply& reply, bool keep_alive) {
    const std::string head = reply_head(reply, reply.body.size(), keep_alive);
    const std::array<asio::const_buffer, 2> both{asio::buffer(head), asio::buffer(reply.body)};
    co_await asio::async_write(stream, both, asio::use_awaitable);
}

/// True: the connection goes on, with a request for another guest.
template <class Stream>
asio::awaitable<bool> relay(std::shared_ptr<Pipe<Stream>> pipe, Emulator& emulator, std::uint16_t port,
                            Head head, std::string rest) {
    boost::system::error_code error;
    co_await pipe->backend.async_connect({asio::ip::address_v4::loopback(), port},
                                         asio::redirect_error(asio::use_awaitable, error));
    if (error) {
        co_await answer(pipe->client, unavailable(), false);
        co_return false;
    }
    pipe->backend.set_option(tcp::no_delay{true});
    RequestFollower requests{head, rest.size()};
    std::string start = std::move(head.text);
    if (emulator.faults.touch_guests() && head.request.header("upgrade").empty()) {
        // While faults are meant for guests every request needs a connection of its own, or a fault would
        // only ever meet the first one.
        std::string lower = start;
        std::ranges::transform(lower, lower.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (const std::size_t at = lower.find("\r\nconnection:"); at != std::string::npos) {
            const std::size_t end = lower.find("\r\n", at + 2);
            start.erase(at, end == std::string::npos ? std::string::npos : end - at);
        }
        start += "\r\nConnection: close";
    }
    start += "\r\n\r\n";
    start += rest;
    const Registration registration{emulator, [pipe] { pipe->close(); }};
    co_await asio::async_write(pipe->backend, asio::buffer(start), asio::use_awaitable);
    asio::co_spawn(co_await asio::this_coro::executor, upstream(pipe, std::move(requests)), asio::detached);
    co_await copy(pipe->backend, pipe->client, relay_bytes);
    if (!pipe->next.empty()) {
        co_return true;
    }
    co_await finish(pipe->client);
    pipe->close();
    co_return false;
}

template <class Stream>
asio::awaitable<void> serve_guest(std::shared_ptr<Pipe<Stream>> pipe, Emulator& emulator) {
    std::string buffer;
    for (;;) {
        const std::size_t size = co_await asio::async_read_until(
            pipe->client, asio::dynamic_buffer(buffer, head_limit + standin_body_limit), "\r\n\r\n",
            asio::use_awaitable);
        Head head = parse_head(std::string_view{buffer}.substr(0, size - 4));
        buffer.erase(0, size);
        const std::string id = run_of_host(head.request.header("host"));
        const Found found = emulator.world->find_run(id);
        CallInfo call{"guest", head.request.method, head.request.target, id,
                      found ? found.notebook->repo_id : std::string{}};
        Faults& faults = emulator.faults;
        if (!faults.empty()) {
            if (faults.take("guest_hang", call) ||
                (!head.request.path.empty() && faults.take("hang", call))) {
                emulator.record(call, 0, "guest_hang");
                co_await wait_for_end(bottom(pipe->client));
                co_return;
            }
            if (faults.take("guest_503", call)) {
                emulator.record(call, 503, "guest_503");
                co_await answer(pipe->client, unavailable(), false);
                co_await finish(pipe->client);
                co_return;
            }
            if (faults.take("drop", call)) {
                emulator.record(call, 0, "drop");
                co_return;
            }
            if (const auto fault = faults.take("status", call)) {
                const json body = fault->params.value("body", json(""));
                Reply reply = Reply::raw(
                    static_cast<int>(fault->integer("status", 503)),
                    fault->text("html", body.is_string() ? body.get<std::string>() : body.dump()),
                    fault->params.contains("html") ? "text/html" : "application/json");
                reply.content_type = fault->text("content_type", reply.content_type);
                reply.headers.emplace_back("Date", http_date());
                if (fault->params.contains("location")) {
                    reply.headers.emplace_back("Location", fault->text("location", "/"));
                }
                emulator.record(call, reply.status, "status");
                co_await answer(pipe->client, reply, false);
                co_await finish(pipe->client);
                co_return;
            }
        }
        if (!found || found.run->state != RunState::running || found.run != &found.notebook->run() ||
            (!found.run->standin && (!found.run->guest || found.run->guest->exited()))) {
            emulator.record(call, 503, "");
            co_await answer(pipe->client, unavailable(), false);
            co_await finish(pipe->client);
            co_return;
        }
        if (!found.run->standin) {
            emulator.record(call, -1, "");
            if (!co_await relay(pipe, emulator, found.run->guest->port(), std::move(head),
                                std::move(buffer))) {
                co_return;
            }
            buffer = std::exchange(pipe->next, {});
            continue;
        }
        std::size_t body = 0;
        const std::string length = head.request.header("content-length");
        std::from_chars(length.data(), length.data() + length.size(), body);
        if (body > standin_body_limit) {
            co_return;
        }
        if (buffer.size() < body) {
            co_await asio::async_read(pipe->client, asio::dynamic_buffer(buffer),
                                      asio::transfer_exactly(body - buffer.size()), asio::use_awaitable);
        }
        buffer.erase(0, body);
        const bool keep_alive = head.version == "HTTP/1.1" &&
                                !same_text(head.request.header("connection"), "close");
        const Reply reply = standin(emulator, *found.notebook, head.request);
        emulator.record(call, reply.status, "");
        co_await answer(pipe->client, reply, keep_alive);
        if (!keep_alive) {
            co_await finish(pipe->client);
            co_return;
        }
    }
}

asio::awaitable<void> session(tcp::socket socket, Emulator& emulator, asio::ssl::context* tls) {
    try {
        socket.set_option(tcp::no_delay{true});
        const auto executor = co_await asio::this_coro::executor;
        if (tls == nullptr) {
            co_await serve_guest(std::make_shared<Pipe<tcp::socket>>(std::move(socket), executor), emulator);
        } else {
            Tls stream{std::move(socket), *tls};
            co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
            co_await serve_guest(std::make_shared<Pipe<Tls>>(std::move(stream), executor), emulator);
        }
    } catch (const std::exception&) {
        // One of the two ends went away: there is nobody to tell.
    }
}

asio::awaitable<void> listen(tcp::acceptor acceptor, Emulator& emulator, asio::ssl::context* tls) {
    for (;;) {
        boost::system::error_code error;
        tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            asio::steady_timer timer{acceptor.get_executor(), std::chrono::milliseconds{20}};
            co_await timer.async_wait(asio::use_awaitable);
            continue;
        }
        asio::co_spawn(acceptor.get_executor(), session(std::move(socket), emulator, tls), asio::detached);
    }
}

}  // namespace

std::uint16_t serve_guests(const asio::any_io_executor& executor, Emulator& emulator,
                           asio::ssl::context* tls) {
    tcp::acceptor acceptor{executor, {asio::ip::address_v4::loopback(), 0}};
    const std::uint16_t port = acceptor.local_endpoint().port();
    asio::co_spawn(executor, listen(std::move(acceptor), emulator, tls), asio::detached);
    return port;
}

}  // namespace emulator
