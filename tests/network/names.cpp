// Name servers that hang, fail, answer late and change their minds. The system's resolver is replaced in this
// program; everything above it is real.
#include "network/bench.hpp"

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

using namespace curfew;
using namespace curfew::http;
using namespace network;
using support::Server;

namespace {

/// What a name is, and how it is asked for.
struct Answer {
    std::string address;  // empty: the resolver fails
    bool hangs = false;   // until `let_go`
};

struct NameServer {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, Answer> answers;
    std::map<std::string, int> asked;
    int at_once = 0;
    int most = 0;
    bool free = false;

    void say(const std::string& name, Answer answer) {
        const std::lock_guard guard(mutex);
        answers[name] = std::move(answer);
        changed.notify_all();
    }
    int times(const std::string& name) {
        const std::lock_guard guard(mutex);
        return asked[name];
    }
    int now() {
        const std::lock_guard guard(mutex);
        return at_once;
    }
};

/// Never destroyed: a lookup that hangs outlives the test that made it.
NameServer& names() {
    static auto* one = new NameServer;
    return *one;
}

/// Lets all lookups of a test go at its end.
struct Calm {
    Calm() = default;
    Calm(const Calm&) = delete;
    Calm& operator=(const Calm&) = delete;
    ~Calm() {
        NameServer& n = names();
        std::unique_lock guard(n.mutex);
        n.free = true;
        n.changed.notify_all();
        n.changed.wait(guard, [&] { return n.at_once == 0; });
        n.free = false;
        n.most = 0;
    }
};

}  // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
    using Real = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    const std::string name = node != nullptr ? node : "";
    if (!name.ends_with(".fake")) {
        return real(node, service, hints, result);
    }
    NameServer& n = names();
    std::unique_lock guard(n.mutex);
    ++n.asked[name];
    n.most = std::max(n.most, ++n.at_once);
    n.changed.notify_all();
    n.changed.wait(guard, [&] { return n.free || !n.answers[name].hangs; });
    const std::string address = n.answers[name].address;
    --n.at_once;
    n.changed.notify_all();
    guard.unlock();
    if (address.empty()) {
        return EAI_AGAIN;
    }
    addrinfo numeric{};
    numeric.ai_family = hints->ai_family;
    numeric.ai_socktype = hints->ai_socktype;
    numeric.ai_flags = AI_NUMERICHOST;
    return real(address.c_str(), service, &numeric, result);
}

namespace {

std::string url(const std::string& name, const Server& server) {
    return "http://" + name + ".fake:" + std::to_string(server.port()) + "/";
}

}  // namespace

TEST_CASE("a name server that says nothing keeps nobody else waiting") {
    const Calm calm;
    Server server(support::echo);
    Bench b;
    std::vector<support::Loop::Running<Result<Response>>> hung;
    for (const std::string name : {"hang1", "hang2", "hang3", "hang4"}) {
        names().say(name + ".fake", {.address = "127.0.0.1", .hangs = true});
        hung.push_back(b.loop.start(b.client.send(get(url(name, server)), b.loop.scheduler().in(hours{1}))));
    }
    REQUIRE(b.loop.until([&] { return names().now() == 4; }));
    names().say("good.fake", {.address = "127.0.0.1"});
    CHECK(b.send(get(url("good", server))));
    CHECK(b.send(get(server.url())));  // no name at all
    CHECK(std::ranges::none_of(hung, [](const auto& h) { return h.ended(); }));
    names().say("hang1.fake", {.address = "127.0.0.1"});
    CHECK(hung.at(0).get());
    for (std::size_t i = 1; i < hung.size(); ++i) {
        names().say("hang" + std::to_string(i + 1) + ".fake", {});
        const auto lost = hung.at(i).get();
        REQUIRE_FALSE(lost);
        CHECK(lost.error().code == Errc::unavailable);
        CHECK(lost.error().may_retry());
    }
    CHECK(b.client.connections() == 3);  // one for each origin that was reached
}

TEST_CASE("the end of the process does not wait for a name server") {
    const Calm calm;
    Server server(support::echo);
    names().say("dead.fake", {.address = "127.0.0.1", .hangs = true});
    {
        Bench b;
        const auto lost = b.send(get(url("dead", server)), Duration{300});
        REQUIRE_FALSE(lost);
        CHECK(names().now() == 1);
        b.loop.run(b.client.close());
    }
    CHECK(names().now() == 1);  // it still hangs, and the client and the loop have gone
    {
        Bench b;
        auto lost = b.loop.start(b.client.send(get(url("dead", server)), b.loop.scheduler().in(hours{1})));
        REQUIRE(b.loop.until([] { return names().now() == 2; }));
    }
    CHECK(names().now() == 2);
    names().say("dead.fake", {.address = "127.0.0.1"});  // answers that nobody listens to
    while (names().now() > 0) {
        std::this_thread::yield();
    }
}

TEST_CASE("one name is asked for once at a time, and a late answer serves the next") {
    const Calm calm;
    Server server(support::echo);
    Bench b;
    names().say("late.fake", {.address = "127.0.0.1", .hangs = true});
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(b.send(get(url("late", server)), Duration{100}));
    }
    CHECK(names().times("late.fake") == 1);
    names().say("late.fake", {.address = "127.0.0.1"});
    REQUIRE(b.loop.until([&] { return b.client.names() == 1; }));
    CHECK(b.send(get(url("late", server))));
    CHECK(names().times("late.fake") == 1);
}

TEST_CASE("however many names hang, no more than eight threads do") {
    const Calm calm;
    Server server(support::echo);
    Bench b;
    std::vector<support::Loop::Running<Result<Response>>> hung;
    for (int i = 0; i < 50; ++i) {
        const std::string name = "many" + std::to_string(i);
        names().say(name + ".fake", {.address = "127.0.0.1", .hangs = true});
        hung.push_back(
            b.loop.start(b.client.send(get(url(name, server)), b.loop.scheduler().in(minutes{5}))));
    }
    REQUIRE(b.loop.until([&] { return names().now() == 8; }));
    for (int i = 0; i < 50; ++i) {
        names().say("many" + std::to_string(i) + ".fake", {.address = "127.0.0.1"});
    }
    for (auto& one : hung) {
        CHECK(one.get());
    }
    CHECK(names().most == 8);
}

TEST_CASE("a resolver that fails is told, and an address that is known is used meanwhile") {
    const Calm calm;
    Server server([](support::Peer& peer) {
        peer.request();
        peer.send(support::answer("ok", "Connection: close\r\n"));
    });
    // An hour of the addresses' age passes in about a second.
    support::Loop loop;
    clock::RealScheduler fast(loop.context().get_executor(), {.speed = 3000, .origin = {}, .start_real = {}});
    ClientOptions options = patient();
    options.connect_timeout = minutes{10};
    Client client{loop.context().get_executor(), fast, options};
    const auto ask = [&](const std::string& name) {
        return loop.run(client.send(get(url(name, server)), fast.in(hours{20})));
    };
    names().say("known.fake", {.address = "127.0.0.1"});
    REQUIRE(ask("known"));
    REQUIRE(ask("known"));
    CHECK(names().times("known.fake") == 1);
    names().say("known.fake", {});
    loop.run(fast.sleep_for(minutes{6}));
    CHECK(ask("known"));
    CHECK(names().times("known.fake") == 2);
    names().say("known.fake", {.address = "127.0.0.1", .hangs = true});
    CHECK(ask("known"));  // silence is a failure as well
    CHECK(names().times("known.fake") == 3);
    loop.run(fast.sleep_for(minutes{61}));
    const auto lost = ask("known");
    REQUIRE_FALSE(lost);
    CHECK(lost.error().may_retry());
    names().say("unknown.fake", {});
    const auto unknown = ask("unknown");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == Errc::unavailable);
    CHECK(unknown.error().text.starts_with("cannot find the host"));
}

TEST_CASE("a name that moves is found again when nobody answers at its old address") {
    const Calm calm;
    Server server([](support::Peer& peer) {
        peer.request();
        peer.send(support::answer("ok", "Connection: close\r\n"));
    });
    Bench b;
    names().say("moving.fake", {.address = "127.0.0.9"});  // this network's, and nobody listens
    CHECK_FALSE(b.send(get(url("moving", server))));
    names().say("moving.fake", {.address = "127.0.0.1"});
    CHECK(b.send(get(url("moving", server))));
    CHECK(b.send(get(url("moving", server))));
    CHECK(names().times("moving.fake") == 2);
}

TEST_CASE("names of runs that ended long ago are forgotten") {
    const Calm calm;
    Server server([](support::Peer& peer) {
        peer.request();
        peer.send(support::answer("ok", "Connection: close\r\n"));
    });
    support::Loop loop;
    clock::RealScheduler fast(loop.context().get_executor(),
                              {.speed = 30'000, .origin = {}, .start_real = {}});
    ClientOptions options = patient();
    options.connect_timeout = hours{10};
    Client client{loop.context().get_executor(), fast, options};
    for (int i = 0; i < 200; ++i) {
        const std::string name = "run" + std::to_string(i);
        names().say(name + ".fake", {.address = "127.0.0.1"});
        REQUIRE(loop.run(client.send(get(url(name, server)), fast.in(hours{100}))));
        loop.run(fast.sleep_for(minutes{4}));
    }
    CHECK(client.names() <= 20);  // of the last hour
}
