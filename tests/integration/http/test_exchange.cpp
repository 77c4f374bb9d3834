// Requests as they leave, connections that are kept, and connections that die.
#include "adapters/http/client.hpp"
#include "integration/http/loop.hpp"
#include "integration/http/server.hpp"
#include "support/port.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <string>

using namespace curfew;
using namespace curfew::http;
using namespace std::chrono_literals;
using support::answer;
using support::Loop;
using support::Peer;
using support::Server;

namespace {

/// Nothing but a deadline ends what is under way.
ClientOptions patient() {
    ClientOptions options;
    options.stall_timeout = hours{1};
    options.connect_timeout = hours{1};
    options.user_agent = "test/1";
    return options;
}

struct Bench {
    Loop loop;
    Client client{loop.context().get_executor(), loop.scheduler(), patient()};

    Result<Response> send(Request request, Duration limit = seconds{60}) {
        return loop.run(client.send(std::move(request), loop.scheduler().in(limit)));
    }
};

Request get(const std::string& url) {
    Request request;
    request.url = parse_url(url).value();
    return request;
}

Request post(const std::string& url, std::string body) {
    Request request = get(url);
    request.method = "POST";
    request.body = std::move(body);
    request.content_type = "application/json";
    request.idempotent = false;
    return request;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// Answers `good` requests on the first connection; reads one more there and goes without a word.
Server::Script dies_after(int good) {
    return [good](Peer& peer) {
        for (int i = 0; i < good || peer.number() > 1; ++i) {
            if (peer.request().empty() || !peer.send(answer("ok"))) {
                return;
            }
        }
        peer.request();
    };
}

}  // namespace

TEST_CASE("a request is written as it should be") {
    Server server(support::echo);
    Bench b;
    Request request = get(server.url("/a?b=c"));
    request.headers = {{"Accept", "application/json"}};
    request.credential = Request::Credential{
        .header = "Authorization", .prefix = "Bearer ", .secret = Secret{"s3cret"}};
    REQUIRE(b.send(request));
    const std::string text = server.requests().at(0);
    CHECK(text.starts_with("GET /a?b=c HTTP/1.1\r\n"));
    CHECK(has(text, "\r\nHost: " + server.address() + "\r\n"));
    CHECK(has(text, "\r\nUser-Agent: test/1\r\n"));
    CHECK(has(text, "\r\nAccept-Encoding: identity\r\n"));
    CHECK(has(text, "\r\nAccept: application/json\r\n"));
    CHECK(has(text, "\r\nAuthorization: Bearer s3cret\r\n"));
    CHECK_FALSE(has(text, "Content-"));

    Request asks = get(server.url());  // the legacy API wants a body on a GET
    asks.body = "{}";
    asks.content_type = "application/json";
    REQUIRE(b.send(asks));
    CHECK(has(server.requests().at(1), "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"));

    Request empty = get(server.url());  // an empty body with a JSON type is a 400 there
    empty.method = "POST";
    empty.content_type = "application/json";
    REQUIRE(b.send(empty));
    CHECK(has(server.requests().at(2), "\r\nContent-Length: 0\r\n"));
    CHECK_FALSE(has(server.requests().at(2), "Content-Type"));
}

TEST_CASE("nothing that could end a line leaves, and nothing is connected for it") {
    Server server(support::echo);
    Bench b;
    std::vector<Request> bad(8, get(server.url()));
    bad[0].headers = {{"X", "a\r\nEvil: 1"}};
    bad[1].headers = {{"X\nEvil", "a"}};
    bad[2].url.target = "/a\r\nEvil: 1";
    bad[3].url.target = "/a b";
    bad[4].method = "GET / HTTP/1.1\r\nEvil: 1\r\n\r\nGET";
    bad[5].credential = Request::Credential{
        .header = "X-API-Key", .prefix = "", .secret = Secret{"hidden\nvalue"}};
    bad[6].headers = {{"X", std::string{"a\0b", 3}}};
    bad[7].body = "x";
    bad[7].content_type = "text/plain\nEvil: 1";
    for (const Request& request : bad) {
        const auto response = b.send(request);
        REQUIRE_FALSE(response);
        CHECK(response.error().code == Errc::unsafe);
        CHECK_FALSE(has(to_string(response.error()), "hidden"));
    }
    CHECK(server.accepted() == 0);
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a credential is sent with its own request only") {
    Server server(support::echo);
    Server other(support::echo);
    Bench b;
    Request with = get(server.url());
    with.credential = Request::Credential{.header = "X-API-Key", .prefix = "", .secret = Secret{"s3cret"}};
    REQUIRE(b.send(with));
    REQUIRE(b.send(get(server.url())));
    REQUIRE(b.send(get(other.url())));
    CHECK(has(server.requests().at(0), "s3cret"));
    CHECK_FALSE(has(server.requests().at(1), "s3cret"));
    CHECK_FALSE(has(other.requests().at(0), "s3cret"));
}

TEST_CASE("a redirect is an answer, never followed") {
    Server other(support::echo);
    Server server([&](Peer& peer) {
        while (!peer.request().empty()) {
            peer.send("HTTP/1.1 302 Found\r\nLocation: " + other.url("/login") +
                      "\r\nContent-Length: 0\r\n\r\n");
        }
    });
    Bench b;
    Request request = get(server.url());
    request.credential = Request::Credential{
        .header = "Authorization", .prefix = "token ", .secret = Secret{"s3cret"}};
    const auto response = b.send(request);
    REQUIRE(response);
    CHECK(response->status == 302);
    const Error error = error_of(*response, "host");
    CHECK(error.code == Errc::unsafe);
    CHECK_FALSE(error.may_retry());
    CHECK(other.accepted() == 0);
    CHECK(server.requests().size() == 1);
}

TEST_CASE("connections are kept and used again") {
    Server server(support::echo);
    Bench b;
    for (const std::string path : {"/1", "/2", "/3"}) {
        const auto response = b.send(get(server.url(path)));
        REQUIRE(response);
        CHECK(response->body == path);
    }
    CHECK(server.accepted() == 1);
    CHECK(b.client.connections() == 1);
    b.loop.run(b.client.close());
    CHECK(b.client.connections() == 0);
    const auto refused = b.send(get(server.url()));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::cancelled);
}

TEST_CASE("a connection whose server says close is not kept") {
    Server server([](Peer& peer) {
        peer.request();
        peer.send(answer("bye", "Connection: close\r\n"));
        peer.await_close();
    });
    Bench b;
    REQUIRE(b.send(get(server.url())));
    CHECK(b.client.connections() == 0);
    REQUIRE(b.send(get(server.url())));
    CHECK(server.accepted() == 2);
}

TEST_CASE("a kept connection that died is replaced once, for what may be repeated") {
    Server server(dies_after(1));
    Bench b;
    REQUIRE(b.send(get(server.url())));
    const auto again = b.send(get(server.url()));
    REQUIRE(again);
    CHECK(again->body == "ok");
    CHECK(server.accepted() == 2);
    CHECK(server.requests().size() == 3);
}

TEST_CASE("a kept connection that was closed while idle is replaced as well") {
    Server server([](Peer& peer) {
        peer.request();
        peer.send(answer("ok"));
    });
    Bench b;
    REQUIRE(b.send(get(server.url())));
    REQUIRE(b.loop.until([&] { return server.open() == 0; }));
    REQUIRE(b.send(get(server.url())));
    CHECK(server.accepted() == 2);
}

TEST_CASE("a stop is not lost on a connection that was closed while idle") {
    Server server([](Peer& peer) {
        peer.request();
        peer.send(answer("ok"));
    });
    Bench b;
    REQUIRE(b.send(get(server.url())));
    REQUIRE(b.loop.until([&] { return server.open() == 0; }));
    CHECK(b.send(post(server.url("/stop"), "{}")));
    CHECK(server.requests().size() == 2);
}

TEST_CASE("it is tried again once, not more") {
    Server server([](Peer& peer) {
        peer.request();
        if (peer.number() == 1) {
            peer.send(answer("ok"));
            peer.request();
        }
    });
    Bench b;
    REQUIRE(b.send(get(server.url())));
    const auto gone = b.send(get(server.url()));
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == Errc::unavailable);
    CHECK(gone.error().may_retry());
    CHECK(server.accepted() == 2);
    CHECK(server.requests().size() == 3);
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a fresh connection that dies is not replaced") {
    Server server([](Peer& peer) { peer.request(); });
    Bench b;
    const auto gone = b.send(get(server.url()));
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == Errc::unavailable);
    CHECK(server.requests().size() == 1);
}

TEST_CASE("after the first byte of an answer nothing is repeated") {
    Server server([](Peer& peer) {
        peer.request();
        peer.send(answer("ok"));
        peer.request();
        peer.send("HTTP/1.1 2");
    });
    Bench b;
    REQUIRE(b.send(get(server.url())));
    CHECK_FALSE(b.send(get(server.url())));
    CHECK(server.requests().size() == 2);
}

TEST_CASE("what may not be repeated never is, and its loss is ambiguous") {
    Server server(dies_after(1));
    Bench b;
    REQUIRE(b.send(get(server.url())));
    const auto lost = b.send(post(server.url("/stop"), "{}"));
    REQUIRE_FALSE(lost);
    CHECK(lost.error().ambiguous());
    const auto requests = server.requests();
    CHECK(std::ranges::count_if(requests, [](const std::string& r) { return r.starts_with("POST"); }) == 1);
}

TEST_CASE("a lost answer on a fresh connection is ambiguous too") {
    Server server([](Peer& peer) { peer.request(); });
    Bench b;
    const auto lost = b.send(post(server.url(), "{}"));
    REQUIRE_FALSE(lost);
    CHECK(lost.error().ambiguous());
    CHECK(server.requests().size() == 1);
}

TEST_CASE("where nothing was sent nothing is ambiguous") {
    const support::Port deaf;
    Bench b;
    const auto refused = b.send(post("http://127.0.0.1:" + std::to_string(deaf.number()) + "/", "{}"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::unavailable);
    CHECK(refused.error().may_retry());
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a passed deadline discards the connection, so that no later answer is one late") {
    std::atomic<bool> passed = false;
    std::atomic<bool> answered = false;
    Server server([&](Peer& peer) {
        if (peer.number() == 1) {
            peer.request();
            while (!passed && peer.pause(10ms)) {
            }
            peer.send(answer("late"));
            answered = true;
            peer.await_close();
        } else {
            support::echo(peer);
        }
    });
    Bench b;
    const Instant begun = b.loop.scheduler().mono();
    const auto late = b.send(get(server.url("/1")), Duration{100});
    CHECK(b.loop.scheduler().mono() - begun >= Duration{100});
    REQUIRE_FALSE(late);
    CHECK(late.error().code == Errc::timeout);
    CHECK(b.client.connections() == 0);
    passed = true;
    REQUIRE(b.loop.until([&] { return answered.load(); }));
    const auto next = b.send(get(server.url("/2")));
    REQUIRE(next);
    CHECK(next->body == "/2");
    CHECK(server.accepted() == 2);
}

TEST_CASE("a stop without an answer in time is ambiguous and sent once") {
    Server server([](Peer& peer) {
        peer.request();
        peer.await_close();
    });
    Bench b;
    const auto lost = b.send(post(server.url(), "{}"), seconds{2});  // enough to send it
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == Errc::timeout);
    CHECK(lost.error().ambiguous());
    REQUIRE(b.loop.until([&] { return server.open() == 0; }));
    CHECK(server.requests().size() == 1);
}

TEST_CASE("a slow drip is cut by the total deadline") {
    Server server([](Peer& peer) {
        peer.request();
        const std::string text = answer(std::string(1000, 'x'));
        for (std::size_t i = 0; i < text.size() && peer.send(text.substr(i, 1)); ++i) {
            if (!peer.pause(20ms)) {
                return;
            }
        }
    });
    Bench b;
    const Instant begun = b.loop.scheduler().mono();
    const auto cut = b.send(get(server.url()), Duration{500});
    CHECK(b.loop.scheduler().mono() - begun >= Duration{500});
    REQUIRE_FALSE(cut);
    CHECK(cut.error().code == Errc::timeout);
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a stall ends a transfer long before its deadline") {
    Server server([](Peer& peer) {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
        peer.await_close();
    });
    Loop loop;
    ClientOptions options = patient();
    options.stall_timeout = Duration{150};
    Client client{loop.context().get_executor(), loop.scheduler(), options};
    const auto stalled = loop.run(client.send(get(server.url()), loop.scheduler().in(hours{1})));
    REQUIRE_FALSE(stalled);
    CHECK(stalled.error().code == Errc::timeout);
    CHECK(client.connections() == 0);
}

TEST_CASE("an address that nobody answers at is left after the connect timeout") {
    Loop loop;
    ClientOptions options = patient();
    options.connect_timeout = Duration{150};
    Client client{loop.context().get_executor(), loop.scheduler(), options};
    const auto lost = loop.run(client.send(get("http://192.0.2.1:81/"), loop.scheduler().in(hours{1})));
    REQUIRE_FALSE(lost);
    CHECK(lost.error().may_retry());
    CHECK(client.connections() == 0);
}

TEST_CASE("names are resolved, unknown ones are unavailable") {
    Server server(support::echo);
    Bench b;
    CHECK(b.send(get("http://localhost:" + std::to_string(server.port()) + "/")));
    const auto unknown = b.send(get("http://no-such-host.invalid/"));
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == Errc::unavailable);
    CHECK(b.client.connections() == 1);
}

TEST_CASE("a user's address that is private is refused before anything is sent") {
    Server server(support::echo);
    Bench b;
    for (const std::string& host : {std::string{"127.0.0.1"}, std::string{"localhost"},
                                    std::string{"0x7f000001"}, std::string{"2130706433"}}) {
        CAPTURE(host);
        Request request = get("http://" + host + ":" + std::to_string(server.port()) + "/");
        request.route.check_addresses = true;
        const auto refused = b.send(request);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Errc::unsafe);
    }
    CHECK(server.accepted() == 0);
    Request allowed = get(server.url());
    allowed.route = {.connect_to = {}, .ca_file = {}, .check_addresses = true, .allow_private = true};
    CHECK(b.send(allowed));
    // A connection that was made without the check does not serve one that wants it.
    REQUIRE(b.send(get(server.url())));
    Request checked = get(server.url());
    checked.route.check_addresses = true;
    CHECK_FALSE(b.send(checked));
}

TEST_CASE("connect_to dials another address and keeps the name") {
    Server server(support::echo);
    Bench b;
    Request request = get("http://notebook.test/x");
    request.route.connect_to = server.address();
    const auto response = b.send(request);
    REQUIRE(response);
    CHECK(has(server.requests().at(0), "\r\nHost: notebook.test\r\n"));
    request.route.connect_to = "no address";
    const auto bad = b.send(request);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == Errc::invalid);
}
