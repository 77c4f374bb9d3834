// Answers of a server that is broken or means harm.
#include "adapters/http/client.hpp"
#include "integration/http/loop.hpp"
#include "integration/http/server.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <string>
#include <variant>
#include <vector>

using namespace curfew;
using namespace curfew::http;
using namespace std::chrono_literals;
using support::answer;
using support::Loop;
using support::Peer;
using support::Server;

namespace {

constexpr std::size_t body_max = 64 * 1024;

struct Seen {
    Result<Response> response;
    int kept;
};

ClientOptions patient() {
    ClientOptions options;
    options.stall_timeout = seconds{60};
    return options;
}

Request get(const Server& server) {
    Request request;
    request.url = parse_url(server.url()).value();
    request.body_max = body_max;
    return request;
}

/// One request, answered with these bytes; then the server closes, or waits for the client to.
Seen exchange(const std::string& bytes, bool closes) {
    Server server([&](Peer& peer) {
        peer.request();
        peer.send(bytes);
        if (!closes) {
            peer.await_close();
        }
    });
    Loop loop;
    Client client{loop.context().get_executor(), loop.scheduler(), patient()};
    auto response = loop.run(client.send(get(server), loop.scheduler().in(seconds{60})));
    return {std::move(response), client.connections()};
}

std::string chunk(const std::string& data) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + data + "\r\n";
}

const std::string ok = "HTTP/1.1 200 OK\r\n";
const std::string chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";

std::string fields(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
        text += "X-" + std::to_string(i) + ": a\r\n";
    }
    return text;
}

}  // namespace

TEST_CASE("whole answers in every framing") {
    struct Row {
        std::string name;
        std::string bytes;
        int status;
        std::string body;
        bool closes;
        int kept;
    };
    const std::vector<Row> rows{
        {"length", answer("hello"), 200, "hello", false, 1},
        {"length 0", answer(""), 200, "", false, 1},
        {"chunked", chunked + chunk("hel") + chunk("lo") + "0\r\n\r\n", 200, "hello", false, 1},
        {"chunked, any case", ok + "transfer-encoding: CHUNKED\r\n\r\n" + chunk("x") + "0\r\n\r\n", 200, "x",
         false, 1},
        {"chunk extension and trailer", chunked + "3;name=value\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n", 200,
         "abc", false, 1},
        {"many small chunks",
         chunked +
             [] {
                 std::string text;
                 for (int i = 0; i < 5000; ++i) {
                     text += chunk("ab");
                 }
                 return text;
             }() +
             "0\r\n\r\n",
         200,
         [] {
             std::string text;
             for (int i = 0; i < 5000; ++i) {
                 text += "ab";
             }
             return text;
         }(),
         false, 1},
        {"one large chunk", chunked + chunk(std::string(50'000, 'z')) + "0\r\n\r\n", 200,
         std::string(50'000, 'z'), false, 1},
        {"204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false, 1},
        {"204 with length 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, "", false, 1},
        {"304", "HTTP/1.1 304 Not Modified\r\n\r\n", 304, "", false, 1},
        {"100 first", "HTTP/1.1 100 Continue\r\n\r\n" + answer("x"), 200, "x", false, 1},
        {"103 with fields first", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + answer("x"), 200, "x",
         false, 1},
        {"several interim ones",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" +
             answer("x"),
         200, "x", false, 1},
        {"until close", ok + "Connection: close\r\n\r\nall of it", 200, "all of it", true, 0},
        {"empty until close", ok + "Connection: close\r\n\r\n", 200, "", true, 0},
        {"HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", true, 0},
        {"identity", answer("x", "Content-Encoding: identity\r\n"), 200, "x", false, 1},
        {"exactly the limit", answer(std::string(body_max, 'b')), 200, std::string(body_max, 'b'), false, 1},
        {"64 fields", ok + fields(63) + "Content-Length: 1\r\n\r\nx", 200, "x", false, 1},
        {"error with a body", "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", 500, "oops", false, 1},
        {"odd but legal status", "HTTP/1.1 299 Hm\r\nContent-Length: 1\r\n\r\nx", 299, "x", false, 1},
        {"no reason", "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", 200, "x", false, 1},
        {"list of equal lengths", ok + "Content-Length: 3, 3\r\n\r\nabc", 200, "abc", false, 1},
        {"equal lengths twice", ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 200, "x", false, 1},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const Seen seen = exchange(row.bytes, row.closes);
        if (!seen.response) {
            FAIL_CHECK(to_string(seen.response.error()));
            continue;
        }
        CHECK(seen.response->status == row.status);
        CHECK(seen.response->body == row.body);
        CHECK(seen.kept == row.kept);
    }
}

TEST_CASE("answers that are refused, their connections with them") {
    struct Row {
        std::string name;
        std::string bytes;
        Errc code;
        bool closes = true;
    };
    const std::vector<Row> rows{
        {"nothing", "", Errc::unavailable},
        {"half a status line", "HTTP/1.1 2", Errc::unavailable},
        {"half a head", ok + "Content-Le", Errc::unavailable},
        {"body too short", ok + "Content-Length: 10\r\n\r\nabc", Errc::protocol},
        {"no body of several", ok + "Content-Length: 10\r\n\r\n", Errc::protocol},
        {"last chunk missing", chunked + chunk("abc"), Errc::protocol},
        {"cut inside a chunk", chunked + "ff\r\nabc", Errc::protocol},
        {"chunk size is no number", chunked + "zz\r\nabc\r\n0\r\n\r\n", Errc::protocol, false},
        {"chunk size too large for any number", chunked + "fffffffffffffffff\r\nabc\r\n", Errc::protocol,
         false},
        {"chunk without its line end", chunked + "3\r\nabcdef\r\n0\r\n\r\n", Errc::protocol, false},
        {"until close, unannounced", ok + "\r\nall of it", Errc::protocol},
        {"until close, HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nall of it", Errc::protocol},
        {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", Errc::protocol, false},
        {"HTML at once", "<html><body>hello</body></html>\r\n\r\n", Errc::protocol, false},
        {"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", Errc::protocol, false},
        {"lower case", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Errc::protocol, false},
        {"status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", Errc::protocol, false},
        {"status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", Errc::protocol, false},
        {"status below 100", "HTTP/1.1 029 OK\r\nContent-Length: 0\r\n\r\n", Errc::protocol, false},
        {"space before colon", ok + "Content-Length : 1\r\n\r\nx", Errc::protocol, false},
        {"NUL in a field", ok + std::string{"X: a\0b\r\n\r\n", 11}, Errc::protocol, false},
        {"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", Errc::protocol, false},
        {"gzip", answer("\x1f\x8b", "Content-Encoding: gzip\r\n"), Errc::protocol, false},
        {"gzip behind identity",
         answer("\x1f\x8b", "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"), Errc::protocol,
         false},
        {"br, in an error", "HTTP/1.1 500 X\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
         Errc::protocol, false},
        {"transfer gzip", ok + "Transfer-Encoding: gzip\r\n\r\nx", Errc::protocol},
        {"transfer gzip and chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
         Errc::protocol, false},
        {"transfer xchunked", ok + "Transfer-Encoding: xchunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", Errc::protocol,
         false},
        {"transfer chunked, then gzip",
         ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n1\r\nx\r\n0\r\n\r\n",
         Errc::protocol, false},
        {"transfer chunked twice",
         ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
         Errc::protocol, false},
        {"transfer and length",
         ok + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n", Errc::protocol,
         false},
        {"two lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy", Errc::protocol, false},
        {"signed length", ok + "Content-Length: +3\r\n\r\nabc", Errc::protocol, false},
        {"negative length", ok + "Content-Length: -3\r\n\r\nabc", Errc::protocol, false},
        {"overflowing length", ok + "Content-Length: 99999999999999999999\r\n\r\nabc", Errc::protocol, false},
        {"list of differing lengths", ok + "Content-Length: 3, 4\r\n\r\nabcd", Errc::protocol, false},
        {"head of 17 KiB", ok + "X: " + std::string(17 * 1024, 'a') + "\r\n\r\n", Errc::too_large, false},
        {"status line of 17 KiB", "HTTP/1.1 200 " + std::string(17 * 1024, 'a') + "\r\n\r\n", Errc::too_large,
         false},
        {"endless fields", ok + fields(3000), Errc::too_large, false},
        {"65 fields", ok + fields(64) + "Content-Length: 1\r\n\r\nx", Errc::too_large, false},
        {"body over the limit, announced", answer(std::string(body_max + 1, 'b')), Errc::too_large, false},
        {"body over the limit, huge", ok + "Content-Length: 9000000000000000000\r\n\r\nx", Errc::too_large,
         false},
        {"body over the limit, chunked",
         chunked + chunk(std::string(body_max, 'b')) + chunk("c") + "0\r\n\r\n", Errc::too_large, false},
        {"body over the limit, until close",
         ok + "Connection: close\r\n\r\n" + std::string(body_max + 1, 'b'), Errc::too_large},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const Seen seen = exchange(row.bytes, row.closes);
        if (seen.response) {
            FAIL_CHECK("accepted with status " << seen.response->status << " and "
                                               << seen.response->body.size() << " bytes");
            continue;
        }
        CAPTURE(to_string(seen.response.error()));
        CHECK(to_string(seen.response.error().code) == to_string(row.code));
        CHECK(seen.kept == 0);
    }
}

TEST_CASE("the body of an error is capped and never hides its status") {
    const std::string large(100'000, 'e');
    for (const std::string& bytes :
         {"HTTP/1.1 503 X\r\nRetry-After: 5\r\nContent-Length: 100000\r\n\r\n" + large,
          "HTTP/1.1 503 X\r\nRetry-After: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(large) +
              "0\r\n\r\n"}) {
        const Seen seen = exchange(bytes, false);
        REQUIRE(seen.response);
        CHECK(seen.response->status == 503);
        CHECK(seen.response->body.size() <= body_max);
        CHECK(error_of(*seen.response, "").retry == Retry::after(seconds{5}));
        CHECK(seen.kept == 0);
    }
}

TEST_CASE("bytes beyond an answer are not the next answer") {
    for (const std::string& first : std::vector<std::string>{
             answer("one") + answer("planted"), "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nplanted",
             "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("planted") +
                 "0\r\n\r\n"}) {
        CAPTURE(first);
        std::atomic<bool> sent = false;
        Server server([&](Peer& peer) {
            if (peer.number() == 1) {
                peer.request();
                const std::size_t head = first.find("\r\n\r\n") + 4;
                peer.send(first.substr(0, head));
                peer.pause(50ms);
                peer.send(first.substr(head));
                sent = true;
                peer.await_close();
            } else {
                support::echo(peer);
            }
        });
        Loop loop;
        Client client{loop.context().get_executor(), loop.scheduler(), patient()};
        REQUIRE(loop.run(client.send(get(server), loop.scheduler().in(seconds{60}))));
        REQUIRE(loop.until([&] { return sent.load(); }));
        const auto second = loop.run(client.send(get(server), loop.scheduler().in(seconds{60})));
        REQUIRE(second);
        CHECK(second->body == "/");
    }
}

TEST_CASE("interim answers without end are cut by the deadline") {
    Server server([](Peer& peer) {
        peer.request();
        while (peer.send("HTTP/1.1 100 Continue\r\n\r\n") && peer.pause(10ms)) {
        }
    });
    Loop loop;
    Client client{loop.context().get_executor(), loop.scheduler(), patient()};
    const auto cut = loop.run(client.send(get(server), loop.scheduler().in(Duration{300})));
    REQUIRE_FALSE(cut);
    CHECK(cut.error().code == Errc::timeout);
}

TEST_CASE("a head that comes byte by byte is read") {
    Server server([](Peer& peer) {
        peer.request();
        for (const char c : answer("x", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")) {
            peer.send({&c, 1});
        }
        peer.await_close();
    });
    Loop loop;
    Client client{loop.context().get_executor(), loop.scheduler(), patient()};
    const auto response = loop.run(client.send(get(server), loop.scheduler().in(seconds{60})));
    REQUIRE(response);
    CHECK(response->body == "x");
    CHECK(response->date == WallTime{784'111'777'000});
}

namespace {

struct Stream {
    std::size_t bytes = 0;
    unsigned sum = 0;
    int heads = 0;
    Result<Response> response = fail(Errc::internal, "not asked");
    int kept = 0;
};

Stream stream(const std::string& bytes, bool closes, bool accept = true, std::size_t sink_max = SIZE_MAX) {
    Server server([&](Peer& peer) {
        peer.request();
        peer.send(bytes);
        if (!closes) {
            peer.await_close();
        }
    });
    Loop loop;
    Client client{loop.context().get_executor(), loop.scheduler(), patient()};
    Stream seen;
    const HeadCheck check = [&](const Response&) -> Result<void> {
        ++seen.heads;
        return accept ? Result<void>{} : fail(Errc::unsafe, "not this one");
    };
    const BodySink sink = [&](std::span<const std::byte> piece) -> Task<Result<void>> {
        if (seen.bytes + piece.size() > sink_max) {
            co_return fail(Errc::disk_full, "full");
        }
        seen.bytes += piece.size();
        for (const std::byte b : piece) {
            seen.sum = seen.sum * 31 + std::to_integer<unsigned>(b);
        }
        co_return Result<void>{};
    };
    seen.response = loop.run(client.stream(get(server), check, sink, loop.scheduler().in(seconds{60})));
    seen.kept = client.connections();
    return seen;
}

unsigned sum_of(const std::string& text) {
    unsigned sum = 0;
    for (const char c : text) {
        sum = sum * 31 + static_cast<unsigned char>(c);
    }
    return sum;
}

std::string large_body() {
    std::string body(3U << 20, '\0');
    unsigned x = 1;
    for (char& c : body) {
        x = x * 1664525 + 1013904223;
        c = static_cast<char>(x >> 24U);
    }
    return body;
}

}  // namespace

TEST_CASE("a body is streamed as it is, whatever its framing and size") {
    const std::string body = large_body();
    std::string pieces = chunked;
    for (std::size_t i = 0; i < body.size(); i += 70'001) {
        pieces += chunk(body.substr(i, 70'001));
    }
    for (const std::string& bytes :
         {answer(body), pieces + "0\r\n\r\n", ok + "Connection: close\r\n\r\n" + body}) {
        const Stream seen = stream(bytes, bytes.find("Connection: close") < 100);
        REQUIRE(seen.response);
        CHECK(seen.heads == 1);
        CHECK(seen.bytes == body.size());
        CHECK(seen.sum == sum_of(body));
        CHECK(seen.response->body.empty());
    }
}

TEST_CASE("a refused head ends a stream before its body") {
    const Stream seen = stream(answer("secret page"), false, false);
    REQUIRE_FALSE(seen.response);
    CHECK(seen.response.error().code == Errc::unsafe);
    CHECK(seen.bytes == 0);
    CHECK(seen.kept == 0);
}

TEST_CASE("a sink that fails ends a stream with its error") {
    const Stream seen = stream(answer(std::string(1'000'000, 'x')), false, true, 300'000);
    REQUIRE_FALSE(seen.response);
    CHECK(seen.response.error().code == Errc::disk_full);
    CHECK(seen.kept == 0);
}

TEST_CASE("only the body of a success reaches the sink") {
    const Stream seen = stream("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope!", false);
    REQUIRE(seen.response);
    CHECK(seen.response->status == 404);
    CHECK(seen.response->body == "nope!");
    CHECK(seen.bytes == 0);
    CHECK(seen.heads == 0);
}

TEST_CASE("a streamed body that ends early is an error") {
    const Stream seen = stream(ok + "Content-Length: 1000\r\n\r\n" + std::string(999, 'x'), true);
    REQUIRE_FALSE(seen.response);
    CHECK(seen.response.error().code == Errc::protocol);
    CHECK(seen.response.error().may_retry());
    CHECK(seen.bytes == 999);
    CHECK(seen.kept == 0);
}
