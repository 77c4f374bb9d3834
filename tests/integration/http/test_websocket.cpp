// WebSockets: messages whole and bounded, every trouble a typed error, nothing left open.
#include "adapters/http/websocket.hpp"
#include "adapters/http/wire.hpp"
#include "integration/http/loop.hpp"
#include "integration/http/server.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <mutex>

using namespace curfew;
using namespace curfew::http;
using namespace support;

namespace {

struct Bench {
    Loop loop;
    Client client{loop.context().get_executor(),
                  loop.scheduler(),
                  {.connect_timeout = hours{1}, .stall_timeout = hours{1}, .user_agent = "test/1"}};

    Result<WebSocket> open(const std::string& url, std::size_t message_max = 1 << 20,
                           Duration limit = seconds{60}) {
        return loop.run(
            WebSocket::open(client, loop.scheduler(), request(url), message_max, loop.scheduler().in(limit)));
    }
    Result<WebSocket::Message> receive(WebSocket& socket, Duration limit = seconds{60}) {
        return loop.run(socket.receive(loop.scheduler().in(limit)));
    }
    void close(WebSocket& socket) { loop.run(socket.close()); }

    static Request request(const std::string& url) {
        Request request;
        request.url = parse_url(url).value();
        request.headers = {{"X-Extra", "yes"}};
        request.credential = Request::Credential{"Authorization", "token ", Secret{"s3cret"}};
        return request;
    }
};

/// Shakes hands and then does as told.
Server::Script after_handshake(std::function<void(Peer&)> then) {
    return [then = std::move(then)](Peer& peer) {
        const std::string asked = peer.request();
        if (!asked.empty() && peer.send(upgrade(asked))) {
            then(peer);
        }
    };
}

std::string text_of(const Result<WebSocket::Message>& message) {
    INFO((message ? std::string{} : to_string(message.error())));
    REQUIRE(message);
    return message->bytes;
}

}  // namespace

TEST_CASE("a WebSocket asks as it should, and messages go both ways") {
    Server server(after_handshake([](Peer& peer) {
        for (ClientFrame got = next_frame(peer); got.kind == text_frame; got = next_frame(peer)) {
            peer.send(frame(text_frame, (got.masked ? "masked " : "bare ") + got.body));
        }
    }));
    Bench bench;
    const Origin origin{"http", "127.0.0.1", server.port()};
    CHECK(bench.client.bytes_exchanged(origin) == 0);
    {
        auto socket = bench.open(server.url("/terminals/websocket/1?a=b"));
        REQUIRE(socket);
        CHECK(bench.client.connections() == 1);
        REQUIRE(socket->send("one"));
        REQUIRE(socket->send(std::string(200'000, 'x')));
        CHECK(text_of(bench.receive(*socket)) == "masked one");
        CHECK(text_of(bench.receive(*socket)) == "masked " + std::string(200'000, 'x'));
        REQUIRE(socket->send("three"));
        CHECK(text_of(bench.receive(*socket)) == "masked three");
        bench.close(*socket);
        CHECK_FALSE(socket->send("four"));
    }
    CHECK(bench.client.bytes_exchanged(origin) > 400'000);
    CHECK(bench.client.bytes_exchanged(origin) < 402'000);
    CHECK(bench.loop.until([&] { return bench.client.connections() == 0; }));
    const std::string asked = server.requests().at(0);
    CHECK(asked.starts_with("GET /terminals/websocket/1?a=b HTTP/1.1\r\n"));
    CHECK(header(asked, "Host") == server.address());
    CHECK(header(asked, "User-Agent") == "test/1");
    CHECK(header(asked, "Authorization") == "token s3cret");
    CHECK(header(asked, "X-Extra") == "yes");
    CHECK(header(asked, "Sec-WebSocket-Version") == "13");
    CHECK(header(asked, "Sec-WebSocket-Extensions").empty());
    CHECK(header(asked, "Origin").empty());
}

TEST_CASE("a message in pieces with pings between them is one message") {
    std::mutex mutex;
    std::vector<ClientFrame> got;
    Server server(after_handshake([&](Peer& peer) {
        std::string bytes = frame(text_frame, "one ", false) + frame(ping_frame, "are you there") +
                            frame(0, "two ", false) + frame(0, "", false) + frame(0, "three");
        for (const char c : bytes) {  // and each byte alone
            peer.send(std::string(1, c));
        }
        const ClientFrame answer = next_frame(peer);
        const std::lock_guard guard(mutex);
        got.push_back(answer);
    }));
    Bench bench;
    auto socket = bench.open(server.url());
    REQUIRE(socket);
    CHECK(text_of(bench.receive(*socket)) == "one two three");
    CHECK(bench.loop.until([&] {
        const std::lock_guard guard(mutex);
        return !got.empty();
    }));
    CHECK(got.at(0).kind == pong_frame);
    CHECK(got.at(0).body == "are you there");
}

TEST_CASE("a message larger than asked for is refused before it is taken") {
    const bool in_pieces = GENERATE(true, false);
    Server server(after_handshake([&](Peer& peer) {
        if (!in_pieces) {
            peer.send(frame(text_frame, std::string(1001, 'x')));
        } else {
            for (int i = 0; i < 11; ++i) {
                peer.send(frame(i == 0 ? text_frame : 0, std::string(100, 'x'), i == 10));
            }
        }
        peer.await_close();
    }));
    Bench bench;
    auto socket = bench.open(server.url(), 1000);
    REQUIRE(socket);
    const auto message = bench.receive(*socket);
    REQUIRE_FALSE(message);
    CAPTURE(in_pieces, to_string(message.error()));
    CHECK(message.error().code == Errc::too_large);
    CHECK_FALSE(socket->send("more"));
}

TEST_CASE("what is no sound handshake is a protocol error") {
    const int what = GENERATE(0, 1, 2, 3, 4, 5);
    Server server([&](Peer& peer) {
        const std::string asked = peer.request();
        std::string good = upgrade(asked);
        if (what == 0) {
            good = upgrade(asked, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        } else if (what == 1) {
            good = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        } else if (what == 2) {
            good.replace(good.find("Upgrade: websocket"), 18, "Upgrade: h2c");
        } else if (what == 3) {
            good = "220 smtp ready\r\n\r\n";
        } else if (what == 4) {
            good = "HTTP/1.1 101 X\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n";
        } else {
            good.replace(good.find("Connection: Upgrade"), 19, "Connection: close");
        }
        peer.send(good);
        peer.await_close();
    });
    Bench bench;
    const auto socket = bench.open(server.url());
    REQUIRE_FALSE(socket);
    CAPTURE(to_string(socket.error()));
    CHECK(socket.error().code == Errc::protocol);
    CHECK(bench.client.connections() == 0);
}

TEST_CASE("a server that does not upgrade is the error of its status") {
    const auto [said, code] = GENERATE(table<int, Errc>({{403, Errc::forbidden},
                                                         {401, Errc::unauthorized},
                                                         {404, Errc::not_found},
                                                         {302, Errc::unsafe},
                                                         {500, Errc::unavailable},
                                                         {200, Errc::protocol}}));
    Server server([status = said](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 " + std::to_string(status) +
                  " X\r\nLocation: /login\r\nContent-Length: 16\r\n\r\nnot with s3cret!");
        peer.await_close();
    });
    Bench bench;
    const auto socket = bench.open(server.url());
    REQUIRE_FALSE(socket);
    CAPTURE(to_string(socket.error()));
    CHECK(socket.error().code == code);
    CHECK(to_string(socket.error()).find("s3cret") == std::string::npos);
    CHECK(bench.client.connections() == 0);
}

TEST_CASE("a peer that goes, with or without a farewell, is unavailable") {
    const bool farewell = GENERATE(true, false);
    Server server(after_handshake([&](Peer& peer) {
        peer.send(frame(text_frame, "last words"));
        peer.send(farewell ? frame(close_frame, "\x03\xE8") : frame(text_frame, "half", false).substr(0, 3));
        peer.pause(std::chrono::milliseconds{50});
    }));
    Bench bench;
    auto socket = bench.open(server.url());
    REQUIRE(socket);
    CHECK(text_of(bench.receive(*socket)) == "last words");
    const auto message = bench.receive(*socket);
    REQUIRE_FALSE(message);
    CHECK(message.error().code == Errc::unavailable);
    CHECK(message.error().may_retry());
}

TEST_CASE("what is no frame is a protocol error") {
    const std::string bytes = GENERATE(values<std::string>({
        std::string("\x83\x01x", 3),  // an unknown kind
        std::string("\xC1\x01x", 3),  // a reserved bit: compression that was not agreed on
        std::string("\x81\x81"
                    "abcdx",
                    7),                      // masked by a server
        std::string("\x80\x01x", 3),         // goes on with nothing
        std::string("\x81\x02\xFF\xFF", 4),  // no UTF-8
        std::string("\x89\x7E\x00\x7E", 4),  // a ping that is too long
    }));
    Server server(after_handshake([&](Peer& peer) {
        peer.send(bytes);
        peer.await_close();
    }));
    Bench bench;
    auto socket = bench.open(server.url());
    REQUIRE(socket);
    const auto message = bench.receive(*socket);
    REQUIRE_FALSE(message);
    CAPTURE(to_string(message.error()));
    CHECK(message.error().code == Errc::protocol);
}

TEST_CASE("a deadline ends a handshake and a wait, and then the connection") {
    const bool shakes = GENERATE(true, false);
    Server server([&](Peer& peer) {
        const std::string asked = peer.request();
        if (shakes) {
            peer.send(upgrade(asked) + frame(ping_frame, "alive"));
        }
        peer.await_close();
    });
    Bench bench;
    auto socket = bench.open(server.url(), 1000, shakes ? seconds{60} : Duration{300});
    if (!shakes) {
        REQUIRE_FALSE(socket);
        CHECK(socket.error().code == Errc::timeout);
    } else {
        REQUIRE(socket);
        const auto message = bench.receive(*socket, Duration{300});
        REQUIRE_FALSE(message);
        CHECK(message.error().code == Errc::timeout);
        CHECK(bench.receive(*socket, hours{1}).error().code == Errc::timeout);  // at once
    }
}

TEST_CASE("a farewell that is not answered ends all the same") {
    Server server(after_handshake([](Peer& peer) {
        while (peer.pause(std::chrono::milliseconds{100}) && peer.send(frame(ping_frame, "x"))) {
        }
    }));
    Bench bench;
    {
        auto socket = bench.open(server.url());
        REQUIRE(socket);
        bench.close(*socket);
        bench.close(*socket);
    }
    CHECK(bench.loop.until([&] { return bench.client.connections() == 0; }));
}

TEST_CASE("what is not sent is bounded") {
    Server server(after_handshake([](Peer& peer) { peer.pause(std::chrono::minutes{5}); }));
    Bench bench;
    auto socket = bench.open(server.url());
    REQUIRE(socket);
    Result<void> sent;
    for (int i = 0; i < 20 && sent; ++i) {
        sent = socket->send(std::string(100'000, 'x'));
    }
    REQUIRE_FALSE(sent);
    CHECK(sent.error().code == Errc::overloaded);
}

TEST_CASE("a line break in a request of a WebSocket is refused before anything is sent") {
    Server server(echo);
    Bench bench;
    Request request = Bench::request(server.url());
    const int what = GENERATE(0, 1, 2);
    if (what == 0) {
        request.url.target = "/a\r\nX: y";
    } else if (what == 1) {
        request.headers = {{"X", "a\nb"}};
    } else {
        request.credential->secret = Secret{"a\r\nb"};
    }
    const auto socket = bench.loop.run(WebSocket::open(bench.client, bench.loop.scheduler(), request, 100,
                                                       bench.loop.scheduler().in(seconds{60})));
    REQUIRE_FALSE(socket);
    CHECK(socket.error().code == Errc::unsafe);
    CHECK(server.accepted() == 0);
}

TEST_CASE("bytes are counted per origin, with heads") {
    Server server(echo);
    Server other(echo);
    Bench bench;
    const auto get = [&](const Server& where, const std::string& path) {
        Request request;
        request.url = parse_url(where.url(path)).value();
        REQUIRE(
            bench.loop.run(bench.client.send(std::move(request), bench.loop.scheduler().in(seconds{60}))));
    };
    get(server, "/abc");
    const Origin origin{"http", "127.0.0.1", server.port()};
    const std::int64_t one = bench.client.bytes_exchanged(origin);
    const std::string asked = server.requests().at(0);
    CHECK(one == static_cast<std::int64_t>(asked.size() + answer("/abc").size()));
    get(server, "/abc");  // over the same connection
    CHECK(bench.client.bytes_exchanged(origin) == 2 * one);
    get(other, "/abc");
    CHECK(bench.client.bytes_exchanged(origin) == 2 * one);
    CHECK(bench.client.bytes_exchanged({"http", "127.0.0.1", other.port()}) > 0);
    CHECK(bench.client.bytes_exchanged({"https", "127.0.0.1", server.port()}) == 0);
}

TEST_CASE("counts of origins are bounded, and forgotten when idle") {
    Traffic traffic;
    const Instant start{1'000'000'000};
    const auto origin = [](int i) { return Origin{"http", "h" + std::to_string(i), 80}; };
    const auto kept = traffic.of(origin(0), start);
    *kept += 7;
    for (int i = 1; i < static_cast<int>(Traffic::origins_max); ++i) {
        *traffic.of(origin(i), start + minutes{1}) += i;
    }
    CHECK(*traffic.of(origin(0), start + minutes{2}) == 7);
    *traffic.of(origin(1'000'000), start + minutes{2}) += 5;
    CHECK(traffic.bytes(origin(0)) == 7);  // the idlest went
    CHECK(traffic.bytes(origin(1)) == 0);
    CHECK(traffic.bytes(origin(2)) == 2);
    CHECK(traffic.bytes(origin(4096)) == 4096);
    traffic.of(origin(2'000'000), start + hours{25});
    CHECK(traffic.bytes(origin(0)) == 0);
    CHECK(traffic.bytes(origin(4096)) == 0);
    *kept += 1;  // whoever still holds it
}
