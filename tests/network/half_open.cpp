// A peer that vanishes without a word: its packets are dropped by the kernel, in a network of this program's own.
#include "network/bench.hpp"

#include <catch2/catch.hpp>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace curfew;
using namespace curfew::http;
using namespace network;
using support::answer;
using support::Peer;
using support::Server;

namespace {

bool shell(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT(concurrency-mt-unsafe)
}

/// A network of its own for this thread and all that it starts. Exits with 77 where that is not permitted.
void leave_for_own_network() {
    static bool done = false;
    if (done) {
        return;
    }
    done = true;
    const int fd = ::unshare(CLONE_NEWNET) == 0 ? ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    ifreq loopback{};
    std::strcpy(loopback.ifr_name, "lo");
    loopback.ifr_flags = IFF_UP | IFF_RUNNING;
    const bool up = fd >= 0 && ::ioctl(fd, SIOCSIFFLAGS, &loopback) == 0;
    ::close(fd);
    if (!up || !shell("nft add table inet vanish")) {
        std::printf("not run: a network namespace and nft need root (CAP_NET_ADMIN)\n");
        std::exit(77);  // NOLINT(concurrency-mt-unsafe)
    }
}

/// From its making to its end nothing passes to or from the port, and nobody is told.
class Vanished {
public:
    explicit Vanished(std::uint16_t port) {
        const std::string p = std::to_string(port);
        REQUIRE(
            shell("nft add chain inet vanish in '{ type filter hook input priority 0; }' && "
                  "nft add rule inet vanish in tcp dport " +
                  p +
                  " drop && "
                  "nft add rule inet vanish in tcp sport " +
                  p + " drop"));
    }
    Vanished(const Vanished&) = delete;
    Vanished& operator=(const Vanished&) = delete;
    ~Vanished() { shell("nft flush chain inet vanish in && nft delete chain inet vanish in"); }
};

}  // namespace

TEST_CASE("a peer that vanishes before the connection, and one that comes back") {
    leave_for_own_network();
    Server server(support::echo);
    Bench b;
    {
        const Vanished gone(server.port());
        const auto lost = b.send(get(server.url()), Duration{500});
        REQUIRE_FALSE(lost);
        CHECK(lost.error().code == Errc::timeout);
        const auto stop = b.send(post(server.url(), "{}"), Duration{500});
        REQUIRE_FALSE(stop);
        CHECK_FALSE(stop.error().ambiguous());  // it was never sent
        CHECK(b.client.connections() == 0);
    }
    CHECK(b.send(get(server.url())));
}

TEST_CASE("a kept connection whose peer has vanished ends at the deadline and is not used again") {
    leave_for_own_network();
    Server server(support::echo);
    Server other(support::echo);
    ClientOptions options = patient();
    options.stall_timeout = seconds{2};
    Bench b(options);
    for (const bool stop : {false, true}) {
        REQUIRE(b.send(get(server.url())));
        REQUIRE(b.client.connections() >= 1);
        const int before = server.accepted();
        {
            const Vanished gone(server.port());
            auto lost = b.loop.start(b.client.send(stop ? post(server.url(), "{}") : get(server.url()),
                                                   b.loop.scheduler().in(hours{1})));
            REQUIRE(b.send(get(other.url())));  // the loop is free meanwhile
            CHECK_FALSE(lost.ended());
            const auto ended = lost.get();  // by the stall, long before the deadline
            REQUIRE_FALSE(ended);
            CHECK(ended.error().code == Errc::timeout);
            CHECK(ended.error().ambiguous() == stop);
            CHECK(server.accepted() == before);  // no second try on another connection
        }
        CHECK(b.send(get(server.url())));
        CHECK(server.accepted() == before + 1);
    }
}

TEST_CASE("a peer that vanishes in the middle of an answer ends by the stall") {
    leave_for_own_network();
    std::atomic<bool> vanished = false;
    std::atomic<bool> half = false;
    Server server([&](Peer& peer) {
        peer.request();
        peer.send(answer(std::string(1000, 'x')).substr(0, 500));
        half = true;
        while (!vanished && peer.pause(std::chrono::milliseconds{5})) {
        }
        peer.send(std::string(600, 'x'));  // into nowhere
        peer.await_close();
    });
    ClientOptions options = patient();
    options.stall_timeout = seconds{1};
    Bench b(options);
    auto lost = b.loop.start(b.client.send(get(server.url()), b.loop.scheduler().in(hours{1})));
    REQUIRE(b.loop.until([&] { return half.load(); }));
    const Vanished gone(server.port());
    vanished = true;
    const auto ended = lost.get();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Errc::timeout);
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a network that refuses, or that loses every other packet") {
    leave_for_own_network();
    Server server(support::echo);
    Bench b;
    const std::string port = std::to_string(server.port());
    REQUIRE(
        shell("nft add chain inet vanish out '{ type filter hook output priority 0; }' && "
              "nft add rule inet vanish out tcp dport " +
              port + " reject with icmpx admin-prohibited"));
    const auto refused = b.send(get(server.url()), seconds{20});
    INFO(told(refused));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().may_retry());
    REQUIRE(shell("nft flush chain inet vanish out && nft add rule inet vanish out tcp dport " + port +
                  " numgen inc mod 2 0 drop"));
    int good = 0;
    for (int i = 0; i < 5; ++i) {
        good += b.send(get(server.url()), minutes{2}) ? 1 : 0;
    }
    CHECK(good == 5);
    shell("nft flush chain inet vanish out && nft delete chain inet vanish out");
}
