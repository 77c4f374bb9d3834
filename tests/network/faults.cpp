// Connections that break, drip or go silent at every place where they can.
#include "network/bench.hpp"
#include "network/certificates.hpp"
#include "network/relay.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <set>

using namespace curfew;
using namespace curfew::http;
using namespace network;
using namespace std::chrono_literals;
using support::answer;
using support::Peer;
using support::Server;
using support::ServerTls;

namespace {

/// What may come of a connection that broke: nothing that looks like an answer, and the truth about trying again.
void check_broken(const Result<Response>& response, bool idempotent) {
    INFO(told(response));
    REQUIRE_FALSE(response);
    const Errc code = response.error().code;
    CHECK((code == Errc::unavailable || code == Errc::protocol || code == Errc::timeout));
    CHECK(response.error().ambiguous() == !idempotent);
    CHECK((response.error().may_retry() || !idempotent));
}

/// A certificate for box.test in files.
struct Trust : Identity {
    Trust() : Identity("DNS:box.test") {}
    Request ask(const std::string& address) const {
        Request request = get("https://box.test/x");
        request.route = {.connect_to = address, .ca_file = ca_file()};
        return request;
    }
};

}  // namespace

TEST_CASE("an answer that breaks off at any byte is no answer, with a good-bye or a reset") {
    const std::vector<std::string> answers = {
        answer("twelve bytes", "X-More: yes\r\n"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n world!\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    };
    std::atomic<const std::string*> text = &answers.front();
    std::atomic<std::size_t> at = 0;
    std::atomic<bool> reset = false;
    Server server([&](Peer& peer) {
        peer.request();
        peer.send(std::string_view{*text}.substr(0, at));
        if (reset) {
            peer.reset_at_end();
        }
    });
    Bench b;
    for (const std::string& whole : answers) {
        text = &whole;
        for (const bool by_reset : {false, true}) {
            reset = by_reset;
            for (std::size_t byte = 0; byte < whole.size(); ++byte) {
                at = byte;
                const bool idempotent = byte % 2 == 0;
                CAPTURE(whole, byte, by_reset);
                check_broken(b.send(idempotent ? get(server.url()) : post(server.url(), "{}")), idempotent);
            }
        }
        at = whole.size();
        reset = false;
        REQUIRE(b.send(get(server.url())));
    }
    CHECK(b.client.connections() <= 1);  // of the last, whole answer
    std::printf("%d connections cut\n", server.accepted());
}

TEST_CASE("a TLS connection that breaks off at any place is no answer") {
    const Trust trust;
    Server server(
        [](Peer& peer) {
            peer.request();
            peer.send(answer("secret answer", "Connection: close\r\n"));
        },
        trust.tls());
    Relay relay(server.port());
    Bench b;
    REQUIRE(b.send(trust.ask(relay.address())));
    REQUIRE(b.loop.until([&] { return relay.last_answer() > 0; }));
    const std::size_t whole = relay.last_answer() - 60;  // the good-bye of TLS is not missed
    CHECK(whole > 500);
    int cuts = 0;
    for (const Cut cut : {Cut::farewell, Cut::reset}) {
        for (std::size_t byte = 0; byte < whole; byte += 13) {
            CAPTURE(byte, cut == Cut::reset);
            relay.next({.answer_bytes = byte, .cut = cut});
            check_broken(b.send(trust.ask(relay.address())), true);
            ++cuts;
        }
        for (std::size_t byte = 0; byte < 300; byte += 13) {
            CAPTURE(byte, cut == Cut::reset);
            relay.next({.request_bytes = byte, .cut = cut});
            check_broken(b.send(trust.ask(relay.address())), true);
            ++cuts;
        }
    }
    relay.next({});
    CHECK(b.send(trust.ask(relay.address())));
    std::printf("%d TLS connections cut\n", cuts);
}

TEST_CASE("a TLS handshake that goes silent anywhere ends at its deadline, all at the same time") {
    const Trust trust;
    Server server(support::echo, trust.tls());
    Relay relay(server.port());
    Bench b;
    std::vector<support::Loop::Running<Result<Response>>> silent;
    for (std::size_t byte = 0; byte < 600; byte += 40) {
        relay.next({.answer_bytes = byte, .cut = Cut::silence});
        const int before = relay.accepted();
        silent.push_back(
            b.loop.start(b.client.send(trust.ask(relay.address()), b.loop.scheduler().in(seconds{4}))));
        REQUIRE(b.loop.until([&] { return relay.accepted() > before; }));
    }
    // Meanwhile the loop is everybody's.
    Server other(support::echo);
    CHECK(b.send(get(other.url())));
    CHECK(std::ranges::none_of(silent, [](const auto& s) { return s.ended(); }));
    for (auto& one : silent) {
        const auto lost = one.get();
        REQUIRE_FALSE(lost);
        CHECK(lost.error().code == Errc::timeout);
        CHECK(lost.error().may_retry());
    }
    CHECK(b.client.connections() == 1);
}

TEST_CASE("what is no TLS is no answer") {
    const Trust trust;
    const std::vector<std::string> noises = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        std::string("\x15\x03\x03\x00\x02\x02\x28", 7),          // an alert
        std::string("\x16\x03\x03\xFF\xFF\x02", 6),              // a record that is too long
        std::string("\x17\x03\x03\x00\x05hello", 10),            // data before the handshake
        std::string("\x16\x03\x03\x00\x04\x02\x00\x00\x00", 9),  // an empty hello
        std::string(5000, '\0'),
        std::string(5000, '\xFF'),
    };
    std::atomic<std::size_t> now = 0;
    Server server([&](Peer& peer) {
        peer.bytes(5);
        peer.send(noises.at(now));
        peer.await_close();
    });
    Bench b;
    for (std::size_t i = 0; i < noises.size(); ++i) {
        now = i;
        CAPTURE(i);
        const auto broken = b.send(trust.ask(server.address()), seconds{30});
        REQUIRE_FALSE(broken);
        CHECK(broken.error().code == Errc::unavailable);
        CHECK(broken.error().may_retry());
    }
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a large request that is reset, or that nobody reads, ends and is sent once") {
    const std::string large(8U << 20, 'x');
    Server reset([](Peer& peer) {
        peer.bytes(100'000);
        peer.reset_at_end();
    });
    Bench b;
    const auto broken = b.send(post(reset.url(), large));
    REQUIRE_FALSE(broken);
    CHECK(broken.error().ambiguous());
    CHECK(reset.accepted() == 1);
    Server deaf([](Peer& peer) { peer.pause(60s); });
    const auto unread = b.send(post(deaf.url(), large), Duration{500});
    REQUIRE_FALSE(unread);
    CHECK(unread.error().code == Errc::timeout);
    CHECK(unread.error().ambiguous());
    CHECK(b.client.connections() == 0);
}

TEST_CASE("many answers that drip byte by byte hold nobody up, and none outlives its deadline") {
    Server drips([](Peer& peer) {
        peer.request();
        const std::string text = peer.number() % 2 == 0
                                     ? "HTTP/1.1 200 OK\r\nX-Slow: " + std::string(10'000, 'a')
                                     : answer(std::string(10'000, 'x'));
        for (std::size_t i = 0; i < text.size() && peer.send(text.substr(i, 1)) && peer.pause(20ms); ++i) {
        }
    });
    Server other(support::echo);
    ClientOptions options = patient();
    options.stall_timeout = seconds{60};
    options.connections_per_endpoint_max = 64;
    Bench b(options);
    const Instant begun = b.loop.scheduler().mono();
    std::vector<support::Loop::Running<Result<Response>>> slow;
    for (int i = 0; i < 40; ++i) {
        slow.push_back(b.loop.start(b.client.send(get(drips.url()), {begun + seconds{4}})));
    }
    int served = 0;
    while (std::ranges::none_of(slow, [](const auto& s) { return s.ended(); }) && served < 200) {
        REQUIRE(b.send(get(other.url())));
        ++served;
    }
    CHECK(served >= 20);
    for (auto& one : slow) {
        const auto cut = one.get();
        REQUIRE_FALSE(cut);
        CHECK(cut.error().code == Errc::timeout);
    }
    CHECK(b.loop.scheduler().mono() - begun >= seconds{4});
    CHECK(b.client.connections() == 1);
    std::printf("%d answers during 40 drips\n", served);
}

TEST_CASE(
    "a server that closes just as it is asked again: what may be repeated succeeds, what may not is sent "
    "once") {
    std::atomic<bool> reset = false;
    std::atomic<bool> hear = false;
    Server server([&](Peer& peer) {
        if (!peer.request().empty()) {
            peer.send(answer("ok"));
            if (peer.number() % 3 == 0) {
                peer.pause(1ms);
            }
            if (hear) {
                peer.request();  // is heard, and gets no answer
            }
            if (reset) {
                peer.reset_at_end();
            }
        }
    });
    Bench b;
    std::multiset<std::string> sure;
    int lost = 0;
    for (int round = 0; round < 600; ++round) {
        reset = round % 4 == 0;
        hear = round % 6 == 0;  // half of the stops
        REQUIRE(b.send(get(server.url())));
        if (round % 5 == 0) {
            b.loop.wait(Duration{1});
        }
        if (round % 3 == 0) {
            const std::string id = "stop-" + std::to_string(round) + ".";
            const auto stopped = b.send(post(server.url(), id));
            CHECK((stopped || stopped.error().ambiguous()));
            lost += stopped ? 0 : 1;
            sure.insert(stopped ? id : "");
        } else {
            REQUIRE(b.send(get(server.url())));
        }
    }
    CHECK(lost >= 100);
    std::map<std::string, int> seen;
    for (const std::string& request : server.requests()) {
        if (const auto at = request.find("stop-"); at != std::string::npos) {
            ++seen[request.substr(at)];
        }
    }
    for (const auto& [id, times] : seen) {
        CAPTURE(id);
        CHECK(times == 1);
    }
    for (const std::string& id : sure) {
        CHECK((id.empty() || seen[id] == 1));
    }
    std::printf("200 stops raced with a close: %d lost and said so, none sent twice; %d connections\n", lost,
                server.accepted());
}
