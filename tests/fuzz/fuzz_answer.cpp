// What servers answer to us: any bytes to the HTTP client that drives its parser by hand, to its WebSockets, and to
// every kind of channel over HTTP, whose verdict decides whether a message is sent again. A letter says to whom.
#include "adapters/http/client.hpp"
#include "adapters/http/websocket.hpp"
#include "adapters/webhook/http_channel.hpp"
#include "fuzz/fuzzed_data.hpp"
#include "fuzz/peer.hpp"
#include "support/manual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace curfew;
using curfew::fuzz::Descriptor;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

constexpr std::size_t body_max = 2048;
constexpr std::string_view key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view token = "tk_0123456789abcdef0123456789abcd";
constexpr std::string_view hidden_path = "hidden-part-of-the-path";

/// The one that answers, and the loop that both ends live on.
class Stage {
public:
    Stage() : listener_(fuzz::listen_anywhere(SOCK_NONBLOCK)), port_(fuzz::port_of(listener_.get())) {}

    std::string url() const {
        return "http://" + fuzz::host_text(fuzz::next_host()) + ":" + std::to_string(port_) + "/" +
               std::string{hidden_path};
    }

    /// Runs `task` while the pieces of `in` are said to whoever connected last.
    template <class T>
    T run(Task<T> task, FuzzedData& in, bool hangs_up) {
        std::optional<T> out;
        boost::asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& bug, T value) {
            must(!bug);
            out.emplace(std::move(value));
        });
        bool greeted = false;
        for (int i = 0; i < 64 && !out; ++i) {
            scheduler.settle();
            if (Descriptor next(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)); next) {
                peer_ = std::move(next);
                scheduler.settle();
            }
            fuzz::read_some(peer_, heard_);
            if (upgrade && !greeted) {
                greeted = greet();
                continue;
            }
            if (in.empty()) {
                break;
            }
            fuzz::write_some(peer_, in.piece());
        }
        if (hangs_up) {
            ::shutdown(peer_.get(), SHUT_WR);
        }
        scheduler.settle();
        scheduler.run_for(seconds{61});  // every deadline is over by then
        must(out.has_value());
        return std::move(*out);
    }
    void forget() {
        peer_ = {};
        heard_.clear();
        while (Descriptor{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)}) {
        }
    }

    boost::asio::io_context io{1};
    test::ManualScheduler scheduler{io};
    bool upgrade = false;  // a WebSocket is wanted: its handshake is answered as it should be

private:
    bool greet() {
        constexpr std::string_view field = "Sec-WebSocket-Key: ";
        const std::size_t at = heard_.find(field);
        const std::size_t end = heard_.find("\r\n", at == heard_.npos ? 0 : at);
        if (at == heard_.npos || end == heard_.npos) {
            return false;
        }
        const std::string text = heard_.substr(at + field.size(), end - at - field.size()) +
                                 "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
        unsigned size = 0;
        must(EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha1(), nullptr) == 1);
        std::array<unsigned char, 64> accept{};
        EVP_EncodeBlock(accept.data(), hash.data(), static_cast<int>(size));
        fuzz::write_some(peer_,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: " +
                             std::string{reinterpret_cast<const char*>(accept.data())} + "\r\n\r\n");
        return true;
    }

    Descriptor listener_;
    int port_;
    Descriptor peer_;
    std::string heard_;
};

http::Request request_to(const std::string& url) {
    http::Request request;
    request.url = *http::parse_url(url);
    request.body_max = body_max;
    return request;
}

bool is_harmless(std::string_view text) {
    return text.size() < 600 && std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

void check(const Error& error) {
    must(!error.text.empty() && is_harmless(error.text));
    must(error.retry.delay >= Duration{0} && error.retry.delay <= hours{24});
}

void check(const Result<http::Response>& response) {
    if (!response) {
        return check(response.error());
    }
    must(response->status >= 200 && response->status <= 999 && response->body.size() <= body_max);
    must(response->header("Content-Encoding").empty() || response->header("Content-Encoding") == "identity");
    const Error error = http::error_of(*response, "host");
    check(error);
    must(error.retry.delay <= minutes{10});
}

void whole(Stage& stage, http::Client& client, FuzzedData& in, bool hangs_up, bool idempotent) {
    const std::string url = stage.url();
    http::Request request = request_to(url);
    request.idempotent = idempotent;
    request.method = idempotent ? "GET" : "POST";
    const auto response = stage.run(client.send(request, stage.scheduler.in(seconds{20})), in, hangs_up);
    check(response);
    must(response || idempotent || response.error().ambiguous() || response.error().retry == Retry::never());
    // What came too much is never taken for the answer to the next one.
    FuzzedData nothing({});
    must(!stage.run(client.send(request_to(url), stage.scheduler.in(seconds{20})), nothing, true));
}

void streamed(Stage& stage, http::Client& client, FuzzedData& in, bool hangs_up) {
    std::size_t got = 0;
    bool headed = false;
    const http::HeadCheck head = [&](const http::Response& response) -> Result<void> {
        must(!headed && response.status >= 200 && response.status < 300);
        headed = true;
        return {};
    };
    const http::BodySink sink = [&](std::span<const std::byte> piece) -> Task<Result<void>> {
        must(headed && !piece.empty());
        got += piece.size();
        must(got <= body_max);
        co_return Result<void>{};
    };
    const auto response = stage.run(
        client.stream(request_to(stage.url()), head, sink, stage.scheduler.in(seconds{20})), in, hangs_up);
    check(response);
    if (response && response->status < 300) {
        const std::string_view length = response->header("Content-Length");
        std::size_t promised = got;
        std::from_chars(length.data(), length.data() + length.size(), promised);
        must(headed && promised == got);
    }
}

Task<Result<std::string>> talk(http::Client& client, Scheduler& scheduler, http::Request request) {
    auto socket = co_await http::WebSocket::open(client, scheduler, std::move(request), body_max,
                                                 scheduler.in(seconds{5}));
    if (!socket) {
        co_return std::unexpected(socket.error());
    }
    must(socket->send("hello").has_value());
    for (int i = 0; i < 32; ++i) {
        auto message = co_await socket->receive(scheduler.in(seconds{5}));
        if (!message) {
            co_return std::unexpected(message.error());
        }
        must(message->bytes.size() <= body_max);
    }
    co_await socket->close();
    co_return std::string{};
}

ChannelConfig channel_config(unsigned kind, const std::string& url) {
    static constexpr std::array kinds{"webhook", "webhook", "slack", "discord", "teams", "ntfy", "pagerduty"};
    ChannelConfig config;
    config.name = ChannelName{"c"};
    config.kind = kinds[kind % kinds.size()];
    config.format = kind % 2 == 0 ? "standard" : "cloudevents";
    config.url = url;
    config.allow_private = true;
    config.topic = "topic";
    return config;
}

/// What the outbox must do after each status, by the table in the documentation and not by the code.
void judge(const Error& error, int status) {
    const bool again = status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600);
    must(again == error.may_retry() && !error.ambiguous());
    must((status == 410) == (error.code == Errc::forbidden));
    must((status != 401 && status != 403) || error.code == Errc::unauthorized);
}

void channel(Stage& stage, http::Client& client, FuzzedData& in, unsigned kind, bool hangs_up) {
    webhook::FileContents files;
    const std::string url = stage.url();
    const ChannelConfig config = channel_config(kind, url);
    if (config.kind == "webhook") {
        files.signing_key = Secret{std::string{key}};
    }
    if (config.kind == "ntfy" || config.kind == "pagerduty") {
        files.token = Secret{std::string{token}};
    }
    const auto made = webhook::make_channel(config, std::move(files), "host", client, stage.scheduler);
    must(made.has_value());
    Parcel parcel;
    parcel.message.id = "msg_1";
    parcel.message.title = "title";
    parcel.message.at = stage.scheduler.wall();
    const auto taken = stage.run((*made)->deliver(parcel, stage.scheduler.in(seconds{30})), in, hangs_up);
    const std::string words = taken ? taken->answer : to_string(taken.error());
    must(is_harmless(words));
    const bool knows_token = config.kind == "ntfy" || config.kind == "pagerduty";
    must(!knows_token || words.find(token) == words.npos);  // I12
    must(words.find(hidden_path) == words.npos);
    if (taken) {
        must(words.starts_with("HTTP 2"));
        return;
    }
    check(taken.error());
    const std::string& text = taken.error().text;
    int status = 0;
    if (text.starts_with("HTTP ")) {
        std::from_chars(text.data() + 5, text.data() + text.size(), status);
    }
    if (status >= 300) {
        judge(taken.error(), status);
    }
}

}  // namespace

CURFEW_FUZZ_TARGET(answer) {
    static Stage& stage = *new Stage;
    FuzzedData in(data);
    const unsigned letter = in.byte();
    const bool hangs_up = (in.byte() & 1U) != 0;
    {
        http::Client client(stage.io.get_executor(), stage.scheduler, {});
        stage.upgrade = letter == 'w';
        switch (letter) {
            case 'g':
            case 'p':
                whole(stage, client, in, hangs_up, letter == 'g');
                break;
            case 's':
                streamed(stage, client, in, hangs_up);
                break;
            case 'u':
            case 'w': {
                const auto told = stage.run(talk(client, stage.scheduler, request_to(stage.url())), in,
                                            hangs_up);
                must(told || is_harmless(told.error().text));
                break;
            }
            default:
                channel(stage, client, in, letter, hangs_up);
        }
        boost::asio::co_spawn(stage.io, client.close(), [](const std::exception_ptr& bug) { must(!bug); });
        stage.scheduler.settle();
        must(client.connections() == 0);  // I13
    }
    stage.scheduler.settle();
    stage.forget();
}
