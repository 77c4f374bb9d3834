#include "connection.hpp"

#include "adapters/http/client.hpp"
#include "answer.hpp"
#include "curfew/api/wire.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

namespace curfew::cli {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t answer_bytes_max = std::size_t{256} << 20;
constexpr int answer_seconds_max = 60;

Answer trouble(api::Exit exit, std::string text) {
    return {static_cast<int>(exit), {}, {}, std::move(text)};
}

Answer unreachable(const std::string& socket, const boost::system::error_code& error) {
    if (error == boost::system::errc::permission_denied) {
        return trouble(api::Exit::not_allowed,
                       "you may not use " + socket +
                           ". Reading needs the group `curfew`, changes need the group "
                           "`curfew-admin`: sudo adduser $USER curfew, then log in again.");
    }
    return trouble(api::Exit::unreachable, "no daemon answers at " + socket + " (" + error.message() +
                                               "). Is it running? systemctl status curfewd, or name its "
                                               "sockets with --socket and --admin-socket.");
}

http::verb method_of(Verb verb) {
    switch (verb) {
        case Verb::get:
            return http::verb::get;
        case Verb::post:
            return http::verb::post;
        case Verb::put:
            return http::verb::put;
        case Verb::remove:
            break;
    }
    return http::verb::delete_;
}

}  // namespace

std::string encoded(const std::string& text) {
    return curfew::http::percent_encode(text);
}

Answer ask(const std::string& socket, Verb verb, const std::string& target, const std::string& body,
           const std::string& idempotency_key) {
    asio::io_context io;
    asio::local::stream_protocol::socket connection(io);
    boost::system::error_code error;
    if (socket.empty() || socket.size() > 107) {
        return trouble(api::Exit::unreachable,
                       "no socket of a daemon was found; name it with --socket or --admin-socket");
    }
    connection.connect(asio::local::stream_protocol::endpoint(socket), error);
    if (error) {
        return unreachable(socket, error);
    }
    const timeval limit{answer_seconds_max, 0};
    ::setsockopt(connection.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    http::request<http::string_body> request(method_of(verb), target, 11);
    request.set(http::field::host, "localhost");
    request.set(http::field::user_agent, "curfew");
    request.keep_alive(false);
    if (verb != Verb::get) {
        request.set(http::field::content_type, "application/json");
        request.set("Idempotency-Key", idempotency_key);
        request.body() = body;
        request.prepare_payload();
    }
    http::write(connection, request, error);
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(answer_bytes_max);
    if (!error) {
        http::read(connection, buffer, parser, error);
    }
    if (error == boost::system::errc::resource_unavailable_try_again ||
        error == boost::system::errc::operation_would_block) {
        return trouble(api::Exit::timed_out, "the daemon did not answer within 60 s");
    }
    if (error && error != http::error::end_of_stream) {
        return trouble(api::Exit::unreachable, "the daemon broke off: " + error.message());
    }
    Answer answer;
    answer.raw = parser.get().body();
    answer.body = nlohmann::ordered_json::parse(answer.raw, nullptr, false);
    if (parser.get().result_int() == 200) {
        if (!answer.body.is_object()) {
            return trouble(api::Exit::failed, "the daemon's answer is not JSON");
        }
        return answer;
    }
    if (!answer.body.is_object() && parser.get().result() == http::status::service_unavailable) {
        return trouble(api::Exit::unreachable,
                       "curfewd cannot start; its log says why: journalctl -u curfewd -n 20");
    }
    answer.exit = answer.body.is_object() ? answer.body.value("exit", 1) : 1;
    answer.trouble = answer.body.is_object()
                         ? answer.body.value("detail", std::string{"failed"})
                         : "the daemon answered " + std::to_string(parser.get().result_int());
    if (const Json& hint = member(answer.body, "hint"); hint.is_string()) {
        answer.trouble += "\n" + text_of(hint);
    }
    return answer;
}

}  // namespace curfew::cli
