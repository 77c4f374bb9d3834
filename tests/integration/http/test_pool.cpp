// Bounds of the pool, waiting for a place, and the return to nothing (I13).
#include "adapters/http/client.hpp"
#include "integration/http/loop.hpp"
#include "integration/http/server.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::http;
using namespace std::chrono_literals;
using support::answer;
using support::Loop;
using support::Peer;
using support::Server;
using Waiting = Loop::Running<Result<Response>>;

namespace {

/// Takes its time for every answer.
void slow(Peer& peer) {
    while (!peer.request().empty() && peer.pause(60ms)) {
        peer.send(answer("ok"));
    }
}

/// Reads a request and goes without a word once it is told to.
class Silent {
    std::atomic<bool> going_ = false;

public:
    void go() { going_ = true; }
    Server server{[this](Peer& peer) {
        peer.request();
        while (!going_ && peer.pause(5ms)) {
        }
    }};
};

ClientOptions bounds(int per_endpoint, int total) {
    ClientOptions options;
    options.connections_per_endpoint_max = per_endpoint;
    options.connections_total_max = total;
    return options;
}

struct Bench {
    explicit Bench(ClientOptions options)
        : client(loop.context().get_executor(), loop.scheduler(), options) {}

    Waiting start(const Server& server, Duration limit = seconds{60}, Route route = {}) {
        Request request;
        request.url = parse_url(server.url()).value();
        request.route = std::move(route);
        return loop.start(client.send(std::move(request), loop.scheduler().in(limit)));
    }
    Result<Response> send(const Server& server) { return start(server).get(); }

    Loop loop;
    Client client;
};

}  // namespace

TEST_CASE("one endpoint gets no more connections than allowed, and everybody is served") {
    Server server(slow);
    Bench b(bounds(2, 100));
    std::vector<Waiting> waiting;
    for (int i = 0; i < 9; ++i) {
        waiting.push_back(b.start(server));
    }
    int most = 0;
    CHECK(b.loop.until([&] {
        most = std::max(most, b.client.connections());
        return std::ranges::all_of(waiting, &Waiting::ended);
    }));
    for (Waiting& w : waiting) {
        CHECK(w.get());
    }
    CHECK(most == 2);
    CHECK(server.accepted() == 2);
    CHECK(server.most_at_once() == 2);
    CHECK(server.requests().size() == 9);
}

TEST_CASE("the whole pool is bounded over all endpoints") {
    std::deque<Server> servers;
    for (int i = 0; i < 4; ++i) {
        servers.emplace_back(slow);
    }
    Bench b(bounds(5, 3));
    std::vector<Waiting> waiting;
    for (int i = 0; i < 16; ++i) {
        waiting.push_back(b.start(servers[static_cast<std::size_t>(i) % 4]));
    }
    int most = 0;
    CHECK(b.loop.until([&] {
        most = std::max(most, b.client.connections());
        return std::ranges::all_of(waiting, &Waiting::ended);
    }));
    for (Waiting& w : waiting) {
        CHECK(w.get());
    }
    CHECK(most == 3);
}

TEST_CASE("an idle connection makes place for another endpoint") {
    Server a(support::echo);
    Server b_server(support::echo);
    Bench b(bounds(4, 1));
    REQUIRE(b.send(a));
    REQUIRE(b.send(b_server));
    CHECK(b.client.connections() == 1);
    REQUIRE(b.send(a));
    CHECK(a.accepted() == 2);
}

TEST_CASE("who waits for a place waits no longer than its deadline") {
    Silent silent;
    Bench b(bounds(1, 10));
    Waiting first = b.start(silent.server, hours{1});
    REQUIRE(b.loop.until([&] { return silent.server.requests().size() == 1; }));
    Waiting second = b.start(silent.server, Duration{150});
    const auto late = second.get();
    REQUIRE_FALSE(late);
    CHECK(late.error().code == Errc::timeout);
    CHECK(late.error().may_retry());
    CHECK_FALSE(first.ended());
    silent.go();
    CHECK_FALSE(first.get());
    CHECK(silent.server.accepted() == 1);
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a place that becomes free by a failure goes to who waits") {
    Server server([](Peer& peer) {
        if (peer.number() == 1) {
            peer.request();
            peer.pause(80ms);
        } else {
            support::echo(peer);
        }
    });
    Bench b(bounds(1, 1));
    Waiting first = b.start(server);
    Waiting second = b.start(server);
    Waiting third = b.start(server);
    CHECK_FALSE(first.get());
    CHECK(second.get());
    CHECK(third.get());
    CHECK(server.accepted() == 2);
}

TEST_CASE("who waits is told at once when the client closes") {
    Silent silent;
    Server other(support::echo);
    Bench b(bounds(1, 1));
    Waiting busy = b.start(silent.server, hours{1});
    REQUIRE(b.loop.until([&] { return silent.server.requests().size() == 1; }));
    std::vector<Waiting> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.push_back(b.start(silent.server, hours{1}));
        waiting.push_back(b.start(other, hours{1}));
    }
    b.loop.wait(20ms);
    b.loop.run(b.client.close());
    CHECK(b.loop.until([&] { return std::ranges::all_of(waiting, &Waiting::ended); }));
    CHECK_FALSE(busy.ended());
    silent.go();
    for (Waiting& w : waiting) {
        const auto ended = w.get();
        REQUIRE_FALSE(ended);
        CHECK(ended.error().code == Errc::cancelled);
    }
    CHECK_FALSE(busy.get());
    CHECK(b.client.connections() == 0);
    CHECK(other.accepted() == 0);
}

TEST_CASE("after close nothing is open, what was under way included") {
    std::atomic<bool> closed = false;
    std::atomic<int> asked = 0;
    Server server([&](Peer& peer) {
        while (!peer.request().empty()) {
            ++asked;
            while (asked > 1 && !closed && peer.pause(5ms)) {
            }
            peer.send(answer("ok"));
        }
    });
    Bench b(bounds(4, 10));
    REQUIRE(b.send(server));
    Waiting under_way = b.start(server);
    Waiting another = b.start(server);
    REQUIRE(b.loop.until([&] { return asked == 3; }));
    CHECK(b.client.connections() == 2);
    b.loop.run(b.client.close());
    closed = true;
    CHECK(under_way.get());  // what was sent is answered
    CHECK(another.get());
    CHECK(b.client.connections() == 0);
}

TEST_CASE("idle connections go after their time") {
    ClientOptions options = bounds(4, 10);
    options.idle_max = Duration{150};
    Server server(support::echo);
    Bench b(options);
    REQUIRE(b.send(server));
    CHECK(b.client.connections() == 1);
    CHECK(b.loop.until([&] { return b.client.connections() == 0; }));
    REQUIRE(b.send(server));
    CHECK(server.accepted() == 2);
}

TEST_CASE("an old connection is not used again") {
    ClientOptions options = bounds(4, 10);
    options.age_max = seconds{3};  // two requests take less
    Server server(support::echo);
    Bench b(options);
    REQUIRE(b.send(server));
    REQUIRE(b.send(server));
    CHECK(server.accepted() == 1);
    b.loop.wait(options.age_max);
    REQUIRE(b.send(server));
    CHECK(server.accepted() == 2);
    CHECK(b.client.connections() == 1);
}

TEST_CASE("different routes share no connection") {
    Server server(support::echo);
    Bench b(bounds(4, 10));
    REQUIRE(b.start(server).get());
    REQUIRE(b.start(server, seconds{60}, Route{.connect_to = server.address(), .ca_file = {}}).get());
    CHECK(server.accepted() == 2);
    CHECK(b.client.connections() == 2);
}

TEST_CASE("a client may go while its connections are idle or busy") {
    Server server(slow);
    Loop loop;
    Waiting under_way = [&] {
        Client client{loop.context().get_executor(), loop.scheduler(), bounds(4, 10)};
        Request request;
        request.url = parse_url(server.url()).value();
        CHECK(loop.run(client.send(request, loop.scheduler().in(seconds{60}))));
        Waiting w = loop.start(client.send(request, loop.scheduler().in(seconds{60})));
        CHECK(loop.until([&] { return server.requests().size() == 2; }));
        return w;
    }();
    CHECK(under_way.get());
}
