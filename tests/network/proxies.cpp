// The way out through a proxy: when it is taken, what it may do wrong, and what it never sees.
#include "adapters/http/proxy.hpp"
#include "adapters/http/websocket.hpp"
#include "network/bench.hpp"
#include "network/certificates.hpp"
#include "network/relay.hpp"

#include <catch2/catch.hpp>

#include <atomic>

using namespace curfew;
using namespace curfew::http;
using namespace network;
using namespace std::chrono_literals;
using support::Peer;
using support::Server;

namespace {

struct Far : Identity {
    Far() : Identity("DNS:far.test,IP:192.0.2.7") {}
    Request ask(const std::string& url = "https://far.test/x") const {
        Request request = get(url);
        request.route.ca_file = ca_file();
        request.credential = Request::Credential{"Authorization", "Bearer ", Secret{"CANARY-of-proxy"}};
        return request;
    }
};

ClientOptions by(const std::string& address, const std::string& exceptions = {}) {
    ClientOptions options = patient();
    options.connect_timeout = minutes{1};
    options.proxy = parse_proxy("http://" + address, exceptions).value();
    return options;
}

}  // namespace

TEST_CASE("addresses of proxies and their exceptions") {
    for (const std::string good : {"http://proxy.test:3128", "HTTP://Proxy.Test:3128/", "proxy.test:3128"}) {
        CAPTURE(good);
        const auto proxy = parse_proxy(good, " .Inner.test, box.test ,, 10.0.0.1");
        REQUIRE(proxy);
        CHECK(proxy->host == "proxy.test");
        CHECK(proxy->port == 3128);
        const auto serves = [&](const std::string& url) { return proxy->serves(parse_url(url)->origin); };
        CHECK(serves("https://api.test/"));
        CHECK(serves("https://inner.test/"));
        CHECK(serves("https://abox.test/"));
        CHECK(serves("https://10.0.0.2/"));
        for (const std::string direct :
             {"http://api.test/", "https://a.inner.test/", "https://box.test/", "https://a.box.test/",
              "https://10.0.0.1/", "https://localhost/", "https://a.localhost/", "https://127.0.0.1/",
              "https://127.8.8.8/", "https://[::1]/"}) {
            CAPTURE(direct);
            CHECK_FALSE(serves(direct));
        }
    }
    CHECK_FALSE(parse_proxy("proxy.test:1", "*")->serves(parse_url("https://api.test/")->origin));
    CHECK(parse_proxy("http://[::1]:3128", "")->host == "::1");
    for (const std::string bad : {"", "http://proxy.test", "proxy.test", "[::1]", "https://proxy.test:3128",
                                  "socks5://proxy.test:1080", "http://me:hunter2@proxy.test:3128",
                                  "http://proxy.test:3128/path", "http://proxy.test:99999", "http://:3128"}) {
        CAPTURE(bad);
        const auto proxy = parse_proxy(bad, "");
        REQUIRE_FALSE(proxy);
        CHECK(proxy.error().code == Errc::invalid);
        CHECK(to_string(proxy.error()).find("hunter2") == std::string::npos);
    }
}

TEST_CASE("a proxy carries https, sees the name and the port, and never a request") {
    const Far far;
    Server server(support::echo, far.tls());
    Relay proxy(server.port());
    proxy.be_proxy("HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\n");
    Bench b(by(proxy.address()));
    for (int i = 0; i < 2; ++i) {
        const auto response = b.send(far.ask());
        INFO(told(response));
        REQUIRE(response);
        CHECK(response->body == "/x");
    }
    CHECK(proxy.accepted() == 1);  // kept as any other
    CHECK(proxy.heads() ==
          "CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\nUser-Agent: curfew/0.1\r\n\r\n");
    CHECK(server.requests().at(0).find("CANARY-of-proxy") != std::string::npos);
    CHECK(server.requests().at(0).find("\r\nHost: far.test\r\n") != std::string::npos);
    // Plain http, this host, what is excepted and what is dialled elsewhere go straight.
    Server plain(support::echo);
    CHECK(b.send(get(plain.url())));
    Request dialled = far.ask();
    dialled.route.connect_to = server.address();
    CHECK(b.send(dialled));
    CHECK(proxy.accepted() == 1);
}

TEST_CASE(
    "the far end's certificate is judged through the tunnel, and a proxy that plays the far end is not") {
    const Far far;
    const Far impostor;
    Server server(support::echo, impostor.tls());
    Relay proxy(server.port());
    proxy.be_proxy("HTTP/1.1 200 OK\r\n\r\n");
    Bench b(by(proxy.address()));
    const auto caught = b.send(far.ask());
    REQUIRE_FALSE(caught);
    CHECK(caught.error().code == Errc::unsafe);
    CHECK(server.requests().empty());
}

TEST_CASE("where addresses are judged the proxy is given one that was, and no name") {
    const Far far;
    Server server(support::echo, far.tls());
    Relay proxy(server.port());
    proxy.be_proxy("HTTP/1.1 200 OK\r\n\r\n");
    Bench b(by(proxy.address()));
    Request inner = far.ask("https://192.168.7.7/x");
    inner.route.check_addresses = true;
    const auto refused = b.send(inner);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::unsafe);
    CHECK(proxy.accepted() == 0);
    Request listed = far.ask("https://192.0.2.7/x");
    listed.route.check_addresses = true;
    listed.route.allowed = {parse_network("192.0.2.7").value()};
    const auto response = b.send(listed);
    INFO(told(response));
    CHECK(response);
    CHECK(proxy.heads().starts_with("CONNECT 192.0.2.7:443 "));
}

TEST_CASE(
    "a proxy that refuses, lies, hangs or goes is trouble of the way: tried again, and nothing was sent") {
    struct Case {
        std::string what;
        std::string answer;
        Errc code = Errc::unavailable;
        bool hangs = false;
    };
    const std::vector<Case> cases = {
        {"refuses", "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"},
        {"asks who it is", "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"},
        {"cannot reach it", "HTTP/1.1 502 Bad Gateway\r\n\r\n"},
        {"redirects", "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\n\r\n"},
        {"asks for TLS", "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
        {"says nothing and goes", ""},
        {"breaks off", "HTTP/1.1 200 O"},
        {"closes after 200", "HTTP/1.1 200 OK\r\n\r\n"},
        {"a huge head", "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'a'), Errc::protocol},
        {"a huge head with an end", "HTTP/1.1 200 OK\r\nX: " + std::string(9'000, 'a') + "\r\n\r\n",
         Errc::protocol},
        {"garbage", std::string("\xFF\xFE\x00\x01", 4) + "\r\n\r\n", Errc::protocol},
        {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", Errc::protocol},
        {"no status", "HTTP/1.1 OK\r\n\r\n", Errc::protocol},
        {"a longer status", "HTTP/1.1 2000 OK\r\n\r\n", Errc::protocol},
        {"more than an answer", "HTTP/1.1 200 OK\r\n\r\nhello", Errc::protocol},
        {"garbage instead of the far end", "HTTP/1.1 200 OK\r\n\r\n", Errc::unavailable},
        {"hangs", "", Errc::timeout, true},
        {"hangs within its head", "HTTP/1.1 200 OK\r\nX: ", Errc::timeout, true},
        {"hangs after 200", "HTTP/1.1 200 OK\r\n\r\n", Errc::timeout, true},
    };
    const Far far;
    for (const Case& c : cases) {
        CAPTURE(c.what);
        std::atomic<bool> told_secret = false;
        Server proxy([&](Peer& peer) {
            if (peer.request().find("CANARY") != std::string::npos) {
                told_secret = true;
            }
            peer.send(c.answer);
            if (c.what == "garbage instead of the far end") {
                peer.bytes(5);
                peer.send("not TLS at all");
            }
            if (c.hangs) {
                peer.await_close();
            }
        });
        ClientOptions options = by(proxy.address());
        options.connect_timeout = c.hangs ? Duration{250} : Duration{minutes{1}};
        Bench b(options);
        for (const bool stop : {false, true}) {
            Request request = far.ask();
            if (stop) {
                request.method = "POST";
                request.idempotent = false;
            }
            const auto lost = b.send(request);
            INFO(told(lost));
            REQUIRE_FALSE(lost);
            CHECK(lost.error().code == c.code);
            CHECK(lost.error().may_retry());
            CHECK_FALSE(lost.error().ambiguous());  // also for a stop: it was never sent
        }
        CHECK(b.client.connections() == 0);
        CHECK(proxy.accepted() == 2);
        CHECK_FALSE(told_secret);
    }
}

TEST_CASE("nobody is there to be the proxy") {
    const Far far;
    Bench b(by("127.0.0.1:1"));
    const auto lost = b.send(far.ask());
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == Errc::unavailable);
    CHECK(lost.error().where == "127.0.0.1");
}
