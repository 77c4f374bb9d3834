#include "adapters/http/websocket.hpp"

#include "adapters/http/transport.hpp"
#include "adapters/http/wire.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <deque>
#include <optional>
#include <span>
#include <utility>

namespace curfew::http {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

namespace {

constexpr Duration farewell_max = seconds{1};

/// A Transport as Beast wants a stream.
class Pipe {
public:
    using executor_type = asio::any_io_executor;

    Pipe(asio::any_io_executor loop, std::unique_ptr<Transport> transport)
        : loop_(std::move(loop)), transport_(std::move(transport)) {}

    executor_type get_executor() const { return loop_; }
    void close() { transport_->close(); }
    /// Why it failed, where Beast knows only that it did.
    const std::optional<Error>& trouble() const { return trouble_; }

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, asio::mutable_buffer into) {
                start(read({static_cast<std::byte*>(into.data()), into.size()}), std::move(handler));
            },
            token, first<asio::mutable_buffer>(buffers));
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return asio::async_initiate<Token, void(error_code, std::size_t)>(
            [this](auto handler, asio::const_buffer from) {
                start(write({static_cast<const char*>(from.data()), from.size()}), std::move(handler));
            },
            token, first<asio::const_buffer>(buffers));
    }

private:
    struct Outcome {
        error_code error;
        std::size_t bytes = 0;
    };

    template <class Buffer, class Buffers>
    static Buffer first(const Buffers& buffers) {
        for (auto i = asio::buffer_sequence_begin(buffers); i != asio::buffer_sequence_end(buffers); ++i) {
            if (Buffer(*i).size() > 0) {
                return *i;
            }
        }
        return {};
    }

    Task<Outcome> read(std::span<std::byte> into) {
        if (into.empty()) {
            co_return Outcome{};
        }
        auto got = co_await transport_->read_some(into);
        if (!got) {
            co_return failed(got.error());
        }
        co_return Outcome{*got == 0 ? error_code{asio::error::eof} : error_code{}, *got};
    }
    Task<Outcome> write(std::string_view from) {
        if (auto sent = co_await transport_->write(from); !sent) {
            co_return failed(sent.error());
        }
        co_return Outcome{{}, from.size()};
    }
    Outcome failed(Error error) {
        trouble_ = std::move(error);
        return {asio::error::connection_reset, 0};
    }

    template <class Handler>
    void start(Task<Outcome> task, Handler handler) {
        const auto executor = asio::get_associated_executor(handler, loop_);
        const auto slot = asio::get_associated_cancellation_slot(handler);
        asio::co_spawn(
            loop_, std::move(task),
            asio::bind_cancellation_slot(slot, [executor, handler = std::move(handler)](
                                                   const std::exception_ptr& ended, Outcome outcome) mutable {
                if (ended) {  // cancelled before it began
                    outcome = {asio::error::operation_aborted, 0};
                }
                asio::dispatch(executor, [handler = std::move(handler), outcome]() mutable {
                    std::move(handler)(outcome.error, outcome.bytes);
                });
            }));
    }

    asio::any_io_executor loop_;
    std::unique_ptr<Transport> transport_;
    std::optional<Error> trouble_;
};

// How Beast ends a stream; found by the type of the argument.
void beast_close_socket(Pipe& pipe) {
    pipe.close();
}

template <class Handler>
void async_teardown(boost::beast::role_type /*role*/, Pipe& pipe, Handler&& handler) {
    pipe.close();
    asio::dispatch(pipe.get_executor(), [handler = std::forward<Handler>(handler)]() mutable {
        std::move(handler)(error_code{});
    });
}

Response response_of(const websocket::response_type& answer) {
    Response response;
    response.status = static_cast<int>(answer.result_int());
    for (const auto& field : answer) {
        response.headers.emplace_back(std::string{field.name_string()}, std::string{field.value()});
    }
    response.body = answer.body();
    response.date = parse_http_date(response.header("Date"));
    return response;
}

bool is_sound(const Request& request) {
    bool clean = is_clean(request.url.target) && request.url.target.find(' ') == std::string::npos;
    for (const auto& [name, value] : request.headers) {
        clean = clean && is_clean(name) && is_clean(value);
    }
    const auto& credential = request.credential;
    return clean && (!credential || (is_clean(credential->header) && is_clean(credential->prefix) &&
                                     is_clean(credential->secret.reveal())));
}

}  // namespace

struct WebSocket::Impl : std::enable_shared_from_this<WebSocket::Impl> {
    Impl(const asio::any_io_executor& loop, Scheduler& s, std::unique_ptr<Transport> transport,
         std::string host)
        : scheduler(s), where(std::move(host)), stream(loop, std::move(transport)) {}

    void end() { stream.next_layer().close(); }

    /// Ends the connection when the time is up.
    Scheduler::Alarm watch(Instant until) {
        return scheduler.at(until, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->late = true;
                self->end();
            }
        });
    }

    void write_next() {
        stream.async_write(asio::buffer(unsent.front()),
                           [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
                               self->unsent_bytes -= self->unsent.front().size();
                               self->unsent.pop_front();
                               if (error) {
                                   self->broken = true;
                                   self->end();
                               } else if (!self->unsent.empty()) {
                                   self->write_next();
                               }
                           });
    }

    Error explain(const error_code& error) const {
        if (late) {
            return {Errc::timeout, Retry::later(), "no answer over the WebSocket in time", where};
        }
        if (error == websocket::error::message_too_big || error == websocket::error::buffer_overflow) {
            return {Errc::too_large, Retry::later(), "a message larger than asked for", where};
        }
        if (error == websocket::error::closed || error == asio::error::eof ||
            error == boost::beast::http::error::end_of_stream ||
            error == boost::beast::http::error::partial_message) {
            return {Errc::unavailable, Retry::later(), "the WebSocket was closed", where};
        }
        const auto& trouble = stream.next_layer().trouble();
        if (error == asio::error::connection_reset && trouble) {
            return {trouble->code, trouble->retry, trouble->text, where};
        }
        if (error == asio::error::operation_aborted) {
            return {Errc::cancelled, Retry::later(), "given up", where};
        }
        return {Errc::protocol, Retry::later(), "no WebSocket as it should be: " + error.message(), where};
    }

    Scheduler& scheduler;
    std::string where;
    std::deque<std::string> unsent;
    std::size_t unsent_bytes = 0;
    bool late = false;
    bool broken = false;
    boost::beast::flat_buffer buffer;
    websocket::stream<Pipe, false> stream;
};

WebSocket::WebSocket(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

WebSocket::WebSocket(WebSocket&&) noexcept = default;

WebSocket::~WebSocket() {
    if (impl_) {
        impl_->broken = true;
        impl_->end();
    }
}

Task<Result<WebSocket>> WebSocket::open(Client& client, Scheduler& scheduler, Request request,
                                        std::size_t message_max, Deadline deadline) {
    const std::string host = request.url.origin.host;
    if (!is_sound(request)) {
        co_return fail(Errc::unsafe, "a control character in a request", host);
    }
    const std::string agent = client.user_agent();
    auto transport = co_await client.dial(request, deadline);
    if (!transport) {
        co_return std::unexpected(transport.error());
    }
    const auto impl = std::make_shared<Impl>(co_await asio::this_coro::executor, scheduler,
                                             std::move(*transport), host);
    WebSocket socket(impl);
    impl->stream.read_message_max(message_max);
    impl->stream.auto_fragment(false);
    impl->stream.set_option(
        websocket::stream_base::decorator([&request, &agent](websocket::request_type& asked) {
            asked.set(boost::beast::http::field::user_agent, agent);
            for (const auto& [name, value] : request.headers) {
                asked.set(name, value);
            }
            if (const auto& credential = request.credential) {
                asked.set(credential->header, credential->prefix + std::string{credential->secret.reveal()});
            }
        }));
    websocket::response_type answer;
    error_code error;
    {
        const Scheduler::Alarm alarm = impl->watch(deadline.at);
        co_await impl->stream.async_handshake(answer, host_header(request.url.origin), request.url.target,
                                              asio::redirect_error(asio::use_awaitable, error));
    }
    impl->stream.set_option(websocket::stream_base::decorator([](websocket::request_type&) {}));
    if (error == websocket::error::upgrade_declined) {
        Response response = response_of(answer);
        if (request.credential) {  // it ends in errors that are shown (I12)
            response.body = request.credential->secret.hidden_in(std::move(response.body));
        }
        co_return std::unexpected(error_of(response, host));
    }
    if (error) {
        co_return std::unexpected(impl->explain(error));
    }
    impl->stream.text(true);
    co_return socket;
}

Result<void> WebSocket::send(std::string text) {
    if (impl_->broken) {
        return fail(Errc::unavailable, "the WebSocket was closed", impl_->where, Retry::later());
    }
    if (impl_->unsent_bytes + text.size() > unsent_max) {
        return fail(Errc::overloaded, "too much that has not been sent", impl_->where, Retry::later());
    }
    const bool idle = impl_->unsent.empty();
    impl_->unsent_bytes += text.size();
    impl_->unsent.push_back(std::move(text));
    if (idle) {
        impl_->write_next();
    }
    return {};
}

Task<Result<WebSocket::Message>> WebSocket::receive(Deadline deadline) {
    const std::shared_ptr<Impl> impl = impl_;
    impl->buffer.clear();
    error_code error;
    {
        const Scheduler::Alarm alarm = impl->watch(deadline.at);
        co_await impl->stream.async_read(impl->buffer, asio::redirect_error(asio::use_awaitable, error));
    }
    if (error) {
        impl->broken = true;
        impl->end();
        co_return std::unexpected(impl->explain(error));
    }
    const auto data = impl->buffer.cdata();
    co_return Message{{static_cast<const char*>(data.data()), data.size()}, impl->stream.got_text()};
}

Task<void> WebSocket::close() {
    const std::shared_ptr<Impl> impl = impl_;
    if (!std::exchange(impl->broken, true)) {
        const Scheduler::Alarm alarm = impl->watch(impl->scheduler.mono() + farewell_max);
        error_code ignored;
        co_await impl->stream.async_close(websocket::close_code::normal,
                                          asio::redirect_error(asio::use_awaitable, ignored));
    }
    impl->end();
}

}  // namespace curfew::http
