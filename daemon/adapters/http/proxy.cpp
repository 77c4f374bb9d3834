#include "adapters/http/proxy.hpp"

#include "adapters/http/client.hpp"
#include "adapters/http/transport.hpp"
#include "adapters/http/wire.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace curfew::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t head_bytes_max = 8 * 1024;

std::string lowered(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t from = std::min(text.find_first_not_of(" \t"), text.size());
    return text.substr(from, text.find_last_not_of(" \t") + 1 - from);
}

bool is_this_host(const std::string& host) {
    boost::system::error_code no_address;
    const auto address = asio::ip::make_address(host, no_address);
    return no_address ? host == "localhost" || host.ends_with(".localhost") : address.is_loopback();
}

/// "HTTP/1.1 200 …" → 200; 0 for anything else.
int status_of(std::string_view head) {
    int status = 0;
    const bool named = head.size() >= 12 && head.starts_with("HTTP/1.") && head[8] == ' ';
    if (!named || (head.size() > 12 && head[12] != ' ' && head[12] != '\r')) {
        return 0;
    }
    const auto [end, error] = std::from_chars(head.data() + 9, head.data() + 12, status);
    return error == std::errc{} && end == head.data() + 12 ? status : 0;
}

Error refused(std::string text, const std::string& host) {
    return {Errc::unavailable, Retry::later(), "the proxy " + std::move(text), host};
}

Result<void> judge(std::string_view head, std::size_t beyond, const std::string& host) {
    const int status = status_of(head);
    if (status == 0) {
        return fail(Errc::protocol, "the proxy does not speak HTTP", host, Retry::later());
    }
    if (status == 407) {
        return std::unexpected(
            refused("wants to know who asks (407), and Curfew has no password for it", host));
    }
    if (status < 200 || status > 299) {
        return std::unexpected(refused("refuses the connection (" + std::to_string(status) + ")", host));
    }
    if (beyond > 0) {  // the far end speaks only when it is spoken to
        return fail(Errc::protocol, "the proxy sent more than an answer", host, Retry::later());
    }
    return {};
}

}  // namespace

bool Proxy::serves(const Origin& origin) const {
    if (origin.scheme != "https" || is_this_host(origin.host)) {
        return false;
    }
    return std::ranges::none_of(direct, [&](std::string_view name) {
        if (name.starts_with('.')) {
            return origin.host.ends_with(name);
        }
        return name == "*" || name == origin.host || origin.host.ends_with("." + std::string{name});
    });
}

Result<Proxy> parse_proxy(std::string_view address, std::string_view exceptions) {
    const std::string text = lowered(trimmed(address));
    auto url = parse_url(text.find("://") == std::string::npos ? "http://" + text : text);
    // Without a port other programs take 1080, 3128 or 80.
    const std::size_t authority = text.find("://") == std::string::npos ? 0 : text.find("://") + 3;
    const std::string_view end = std::string_view{text}.substr(authority);
    const std::size_t colon = end.substr(0, end.find('/')).rfind(':');
    const bool has_port = colon != std::string_view::npos && end.find(']', colon) == std::string_view::npos;
    if (end.find('@') != std::string_view::npos) {
        return fail(Errc::invalid, "a name or a password for a proxy is not supported");
    }
    if (!url || url->origin.scheme != "http" || url->target != "/" || !has_port) {
        return fail(Errc::invalid, "a proxy is given as http://host:port");
    }
    Proxy proxy{.host = url->origin.host, .port = url->origin.port, .direct = {}};
    while (!exceptions.empty()) {
        const std::size_t comma = std::min(exceptions.find(','), exceptions.size());
        if (const auto name = trimmed(exceptions.substr(0, comma)); !name.empty()) {
            proxy.direct.push_back(lowered(name));
        }
        exceptions.remove_prefix(std::min(comma + 1, exceptions.size()));
    }
    return proxy;
}

Task<Result<void>> open_tunnel(tcp::socket& socket, Scheduler& scheduler, Instant until, std::string host,
                               std::uint16_t port, std::string user_agent) {
    const std::string to = (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" +
                           std::to_string(port);
    const std::string asked = "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\nUser-Agent: " + user_agent +
                              "\r\n\r\n";
    bool late = false;
    const Scheduler::Alarm alarm = scheduler.at(until, [&] {
        late = true;
        boost::system::error_code ignored;
        socket.close(ignored);
    });
    const auto trouble = [&](const boost::system::error_code& error) {
        return std::unexpected(
            late ? Error{Errc::timeout, Retry::later(), "the proxy did not answer in time", host}
                 : network_error(error, host));
    };
    boost::system::error_code error;
    co_await asio::async_write(socket, asio::buffer(asked), asio::redirect_error(asio::use_awaitable, error));
    if (error) {
        co_return trouble(error);
    }
    std::string head;
    for (;;) {
        std::array<char, 1024> piece{};
        const std::size_t got = co_await socket.async_read_some(
            asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
        if (error && error != asio::error::eof) {
            co_return trouble(error);
        }
        if (got == 0) {
            co_return std::unexpected(refused("closed the connection without an answer", host));
        }
        head.append(piece.data(), got);
        const std::size_t end = head.find("\r\n\r\n");
        if (end != std::string::npos && end <= head_bytes_max) {
            co_return judge(std::string_view{head}.substr(0, end), head.size() - end - 4, host);
        }
        if (head.size() > head_bytes_max) {
            co_return fail(Errc::protocol, "the proxy's answer has no end", host, Retry::later());
        }
    }
}

}  // namespace curfew::http
