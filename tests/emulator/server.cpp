#include "server.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

namespace emulator {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using namespace asio::experimental::awaitable_operators;
using Parsed = http::request<http::string_body>;

constexpr std::uint64_t body_limit = 1ULL << 20;           // Fastify's own
constexpr std::uint64_t control_body_limit = 64ULL << 20;  // files for notebooks come this way
constexpr std::uint32_t head_limit = 65536;

asio::awaitable<void> pause(std::int64_t milliseconds) {
    asio::steady_timer timer{co_await asio::this_coro::executor, std::chrono::milliseconds{milliseconds}};
    co_await timer.async_wait(asio::use_awaitable);
}

/// Between two rounds of the metrics stream, in real time, however fast the clock.
constexpr std::int64_t least_pause_ms = 10;

/// A branch of || that throws would leave the other one running.
asio::awaitable<void> quietly(asio::awaitable<void> work) {
    try {
        co_await std::move(work);
    } catch (const std::exception&) {
        co_return;
    }
}

/// Until the client goes away.
template <class Stream>
asio::awaitable<void> hang(Stream& stream, std::int64_t milliseconds = 3'600'000) {
    std::array<char, 1024> bytes{};
    auto drain = [&stream, &bytes]() -> asio::awaitable<void> {
        for (;;) {
            co_await stream.async_read_some(asio::buffer(bytes), asio::use_awaitable);
        }
    };
    co_await (quietly(drain()) || pause(milliseconds));
}

template <class Stream>
asio::awaitable<void> send(Stream& stream, const Reply& reply, bool keep_alive, bool with_body, Millis now) {
    const std::string head = reply_head(reply, reply.body.size() + reply.filler_bytes, keep_alive, now);
    if (!with_body) {
        co_await asio::async_write(stream, asio::buffer(head), asio::use_awaitable);
        co_return;
    }
    if (reply.drip_bytes > 0) {
        co_await asio::async_write(stream, asio::buffer(head), asio::use_awaitable);
        const auto step = static_cast<std::size_t>(reply.drip_bytes);
        for (std::size_t at = 0; at < reply.body.size(); at += step) {
            co_await asio::async_write(
                stream, asio::buffer(reply.body.data() + at, std::min(step, reply.body.size() - at)),
                asio::use_awaitable);
            co_await pause(reply.drip_ms);
        }
    } else {
        const std::size_t size = reply.cut_after >= 0
                                     ? std::min(reply.body.size(), static_cast<std::size_t>(reply.cut_after))
                                     : reply.body.size();
        const std::array<asio::const_buffer, 2> both{asio::buffer(head),
                                                     asio::buffer(reply.body.data(), size)};
        co_await asio::async_write(stream, both, asio::use_awaitable);
    }
    if (reply.filler_bytes > 0) {
        const std::string filler(1 << 16, ' ');
        for (std::uint64_t left = reply.filler_bytes; left > 0;) {
            const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left, filler.size()));
            co_await asio::async_write(stream, asio::buffer(filler.data(), size), asio::use_awaitable);
            left -= size;
        }
    }
}

Request request_of(Parsed&& parsed, const std::string& host) {
    Request request;
    request.host = host;
    request.method = std::string{parsed.method_string()};
    request.target = std::string{parsed.target()};
    for (const auto& field : parsed) {
        request.headers.emplace_back(field.name_string(), field.value());
    }
    request.body = std::move(parsed.body());
    parse_target(request);
    return request;
}

template <class Stream>
asio::awaitable<void> metrics_stream(Stream& stream, Emulator& emulator, const Parsed& upgrade) {
    beast::websocket::stream<Stream&> socket{stream};
    co_await socket.async_accept(upgrade, asio::use_awaitable);
    beast::flat_buffer buffer;
    co_await socket.async_read(buffer, asio::use_awaitable);
    const json subscription = parse_json(beast::buffers_to_string(buffer.data()));
    const auto interval = parse_interval(subscription.is_object()
                                             ? subscription.value("poll_interval", std::string{"30s"})
                                             : "30s")
                              .value_or(30'000);
    auto push = [&]() -> asio::awaitable<void> {
        for (;;) {
            const auto frames = metrics_frames(emulator, subscription);
            for (const std::string& frame : frames) {
                socket.text(true);
                co_await socket.async_write(asio::buffer(frame), asio::use_awaitable);
            }
            co_await (emulator.clock.sleep_until(emulator.clock.now() + interval) && pause(least_pause_ms));
        }
    };
    auto drain = [&]() -> asio::awaitable<void> {
        beast::flat_buffer ignored;
        for (;;) {
            co_await socket.async_read(ignored, asio::use_awaitable);
            ignored.clear();
        }
    };
    co_await (quietly(push()) || quietly(drain()));
}

/// The answer to a request that could not be read; nothing when the client only went away.
std::optional<Reply> refusal(const std::string& host, const boost::system::error_code& error) {
    if (error == http::error::body_limit) {
        return host_error(host, 413, "Request body is too large");
    }
    if (error == http::error::header_limit) {
        return host_error(host, 431, "Exceeded maximum allowed HTTP header size");
    }
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error.category() != make_error_code(http::error::bad_method).category()) {
        return std::nullopt;
    }
    return host_error(host, 400, "Client Error");
}

/// Head, "100 Continue" where it is waited for, body.
template <class Stream>
asio::awaitable<boost::system::error_code> read_request(Stream& stream, beast::flat_buffer& buffer,
                                                        http::request_parser<http::string_body>& parser) {
    boost::system::error_code error;
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error || parser.is_done()) {
        co_return error;
    }
    if (same_text(std::string{parser.get()[http::field::expect]}, "100-continue")) {
        co_await asio::async_write(stream, asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25),
                                   asio::redirect_error(asio::use_awaitable, error));
    }
    if (!error) {
        co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    }
    co_return error;
}

template <class Stream>
asio::awaitable<void> serve(Stream& stream, Emulator& emulator, const std::string& host) {
    beast::flat_buffer buffer;
    for (;;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(host == "control" ? control_body_limit : body_limit);
        parser.header_limit(head_limit);
        if (const auto error = co_await read_request(stream, buffer, parser)) {
            if (const auto reply = refusal(host, error)) {
                co_await send(stream, *reply, false, true, emulator.clock.now());
                // What is still under way would make the kernel take the answer back.
                boost::system::error_code ignored;
                stream.lowest_layer().shutdown(tcp::socket::shutdown_send, ignored);
                co_await hang(stream, 1000);
            }
            co_return;
        }
        Parsed parsed = parser.release();
        const bool keep_alive = parsed.keep_alive();
        if (host == "metrics" && beast::websocket::is_upgrade(parsed) &&
            parsed.target().starts_with("/metrics/api/v1/stream")) {
            co_await metrics_stream(stream, emulator, parsed);
            co_return;
        }
        Request request = request_of(std::move(parsed), host);
        const Reply reply = co_await dispatch(emulator, request);
        if (reply.drop) {
            co_return;
        }
        if (reply.hang) {
            co_await hang(stream);
            co_return;
        }
        if (reply.delay_ms > 0) {
            co_await pause(reply.delay_ms);
        }
        co_await send(stream, reply, keep_alive, request.method != "HEAD", emulator.clock.now());
        if (!keep_alive || reply.cut_after >= 0) {
            co_return;
        }
    }
}

asio::awaitable<void> session(tcp::socket socket, Emulator& emulator, std::string host,
                              asio::ssl::context* tls) {
    try {
        socket.set_option(tcp::no_delay{true});
        if (tls == nullptr) {
            co_await serve(socket, emulator, host);
            boost::system::error_code ignored;
            socket.shutdown(tcp::socket::shutdown_both, ignored);
        } else {
            asio::ssl::stream<tcp::socket> stream{std::move(socket), *tls};
            co_await stream.async_handshake(asio::ssl::stream_base::server, asio::use_awaitable);
            co_await serve(stream, emulator, host);
            co_await (quietly(stream.async_shutdown(asio::use_awaitable)) || pause(500));
        }
    } catch (const std::exception&) {
        // The client went away or spoke no HTTP: there is nobody to tell.
    }
}

asio::awaitable<void> listen(tcp::acceptor acceptor, Emulator& emulator, std::string host,
                             asio::ssl::context* tls) {
    for (;;) {
        boost::system::error_code error;
        tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error) {
            co_await pause(20);  // out of file descriptors, most likely: some will close
            continue;
        }
        asio::co_spawn(acceptor.get_executor(), session(std::move(socket), emulator, host, tls),
                       asio::detached);
    }
}

const char* reason(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 204:
            return "No Content";
        case 302:
            return "Found";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Payload Too Large";
        case 431:
            return "Request Header Fields Too Large";
        case 499:
            return "Client Closed Request";
        case 429:
            return "Too Many Requests";
        case 500:
            return "Internal Server Error";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        default:
            return "Status";
    }
}

}  // namespace

std::string reply_head(const Reply& reply, std::uint64_t length, bool keep_alive,
                       std::optional<Millis> date) {
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " " + reason(reply.status) + "\r\n";
    if (date) {
        head += "Date: " + http_date(*date) + "\r\n";
    }
    if (!reply.content_type.empty()) {
        head += "Content-Type: " + reply.content_type + "\r\n";
    }
    for (const auto& [name, value] : reply.headers) {
        head += name + ": " + value + "\r\n";
    }
    if (reply.status != 204) {
        head += "Content-Length: " + std::to_string(length) + "\r\n";
    }
    head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return head;
}

std::uint16_t serve_api(const asio::any_io_executor& executor, Emulator& emulator, const std::string& host,
                        asio::ssl::context* tls) {
    tcp::acceptor acceptor{executor, {asio::ip::address_v4::loopback(), 0}};
    const std::uint16_t port = acceptor.local_endpoint().port();
    asio::co_spawn(executor, listen(std::move(acceptor), emulator, host, tls), asio::detached);
    return port;
}

}  // namespace emulator
