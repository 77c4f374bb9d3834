// Which certificates are trusted, and what TLS does at the end of a connection.
#include "adapters/http/client.hpp"
#include "adapters/http/websocket.hpp"
#include "integration/http/loop.hpp"
#include "integration/http/server.hpp"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

using namespace curfew;
using namespace curfew::http;
using support::answer;
using support::Loop;
using support::Peer;
using support::Server;
using support::ServerTls;

namespace {

namespace fs = std::filesystem;

/// A certificate authority of its own, made with the openssl command.
class Authority {
public:
    Authority() {
        std::string name = (fs::temp_directory_path() / "curfew-tls-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
        shell(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj "
            "'/CN=Test CA' -days 30");
        shell(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.pem "
            "-subj /CN=box.test "
            "-addext subjectAltName=DNS:box.test -days 30");
    }
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;
    ~Authority() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }

    std::string ca() const { return folder_ + "/ca.pem"; }
    ServerTls self_signed() const { return {folder_ + "/self.pem", folder_ + "/self.key"}; }
    /// Signed by the authority; `alternatives` as in "DNS:a,IP:1.2.3.4".
    ServerTls certificate(const std::string& common_name, const std::string& alternatives, int days = 30) {
        const std::string file = "leaf" + std::to_string(++made_);
        std::ofstream(folder_ + "/" + file + ".ext")
            << "basicConstraints=CA:FALSE\n"
            << (alternatives.empty() ? "" : "subjectAltName=" + alternatives + "\n");
        shell("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + file + ".key -out " + file +
              ".csr -subj /CN=" + common_name);
        shell("x509 -req -in " + file + ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -out " + file +
              ".pem -extfile " + file + ".ext -days " + std::to_string(days));
        return {folder_ + "/" + file + ".pem", folder_ + "/" + file + ".key"};
    }

private:
    void shell(const std::string& arguments) const {
        const std::string command = "cd '" + folder_ + "' && openssl " + arguments + " >openssl.log 2>&1";
        if (std::system(command.c_str()) != 0) {  // NOLINT(concurrency-mt-unsafe): before any server
            FAIL("openssl " << arguments);
        }
    }
    std::string folder_;
    int made_ = 0;
};

Authority& authority() {
    static Authority one;
    return one;
}

ServerTls good() {
    static const ServerTls one = authority().certificate(
        "ignored", "DNS:box.test,DNS:*.wild.test,DNS:par*.test,IP:127.0.0.1");
    return one;
}

struct Bench {
    Loop loop;
    Client client;

    explicit Bench(Duration connect_timeout = seconds{60})
        : client{loop.context().get_executor(),
                 loop.scheduler(),
                 {.connect_timeout = connect_timeout, .stall_timeout = hours{1}}} {}
    Result<Response> get(const Server& server, const std::string& host,
                         const std::string& ca = authority().ca()) {
        Request request;
        request.url = parse_url("https://" + host +
                                (host == "127.0.0.1" ? ":" + std::to_string(server.port()) : "") + "/x")
                          .value();
        request.route.connect_to = host == "127.0.0.1" ? "" : server.address();
        request.route.ca_file = ca;
        return loop.run(client.send(std::move(request), loop.scheduler().in(hours{1})));
    }
};

void check_distrusted(const Result<Response>& response) {
    REQUIRE_FALSE(response);
    CHECK(response.error().code == Errc::unsafe);
    CHECK_FALSE(response.error().may_retry());
    CHECK_FALSE(response.error().ambiguous());
}

}  // namespace

TEST_CASE("a certificate of the given authority for this name is trusted, over any address") {
    Server server(support::echo, good());
    Bench b;
    const auto response = b.get(server, "box.test");
    REQUIRE(response);
    CHECK(response->body == "/x");
    CHECK(server.names().at(0) == "box.test");
    REQUIRE(b.get(server, "box.test"));
    CHECK(server.accepted() == 1);  // kept
    CHECK(b.get(server, "BOX.test."));
    CHECK(server.accepted() == 1);
}

TEST_CASE("a WebSocket checks the same certificate, and keeps its secret from another") {
    Server server(
        [](support::Peer& peer) {
            const std::string asked = peer.request();
            if (!asked.empty()) {
                peer.send(support::upgrade(asked) + support::frame(support::text_frame, "hello"));
                peer.await_close();
            }
        },
        good());
    Bench b;
    const auto open = [&](const std::string& host) {
        Request request;
        request.url = parse_url("https://" + host + "/x").value();
        request.route = {.connect_to = server.address(), .ca_file = authority().ca()};
        request.credential = Request::Credential{"Authorization", "token ", Secret{"s3cret"}};
        return b.loop.run(WebSocket::open(b.client, b.loop.scheduler(), std::move(request), 1000,
                                          b.loop.scheduler().in(seconds{60})));
    };
    auto socket = open("box.test");
    REQUIRE(socket);
    const auto message = b.loop.run(socket->receive(b.loop.scheduler().in(seconds{60})));
    REQUIRE(message);
    CHECK(message->bytes == "hello");
    const auto other = open("other.test");
    REQUIRE_FALSE(other);
    CHECK(other.error().code == Errc::unsafe);
    CHECK_FALSE(other.error().may_retry());
    CHECK(server.requests().size() == 1);
}

TEST_CASE("names that a certificate is for, and is not for") {
    Server server(support::echo, good());
    Bench b;
    CHECK(b.get(server, "a.wild.test"));
    CHECK(b.get(server, "127.0.0.1"));
    CHECK(server.names().back().empty());  // an address has no name to show
    for (const std::string other : {"other.test", "wild.test", "a.b.wild.test", "parcel.test", "ignored",
                                    "box.test.evil", "abox.test", "a.box.test"}) {
        CAPTURE(other);
        check_distrusted(b.get(server, other));
    }
    CHECK(server.requests().size() == 2);
}

TEST_CASE("an address must be in the certificate as an address") {
    Server named(support::echo, authority().certificate("127.0.0.1", "DNS:127.0.0.1"));
    Bench b;
    check_distrusted(b.get(named, "127.0.0.1"));
}

TEST_CASE("the common name does not count") {
    Server server(support::echo, authority().certificate("box.test", ""));
    Bench b;
    check_distrusted(b.get(server, "box.test"));
}

TEST_CASE("an expired certificate is not trusted") {
    Server server(support::echo, authority().certificate("box.test", "DNS:box.test", -1));
    Bench b;
    check_distrusted(b.get(server, "box.test"));
}

TEST_CASE("a certificate that vouches for itself is not trusted") {
    Server server(support::echo, authority().self_signed());
    Bench b;
    check_distrusted(b.get(server, "box.test"));
}

TEST_CASE("an authority that was not given is not trusted") {
    Server server(support::echo, good());
    Bench b;
    check_distrusted(b.get(server, "box.test", ""));
    CHECK(b.get(server, "box.test"));  // and its refusal is not remembered for other routes
    CHECK(server.requests().size() == 1);
}

TEST_CASE("a missing file of authorities is said so") {
    Server server(support::echo, good());
    Bench b;
    const auto response = b.get(server, "box.test", "/nonexistent/ca.pem");
    REQUIRE_FALSE(response);
    CHECK(response.error().code == Errc::invalid);
    CHECK(response.error().where == "/nonexistent/ca.pem");
    CHECK(b.client.connections() == 0);
}

TEST_CASE("versions before TLS 1.2 are refused") {
    ServerTls old = good();
    old.version_max = TLS1_1_VERSION;
    Server server(support::echo, old);
    Bench b;
    CHECK_FALSE(b.get(server, "box.test"));
    CHECK(server.requests().empty());
}

TEST_CASE("there is no falling back to plain text") {
    Server server([](Peer& peer) {
        peer.pause(std::chrono::milliseconds{50});
        peer.send(answer("plain"));
        peer.await_close();
    });
    Bench b;
    CHECK_FALSE(b.get(server, "box.test"));
    CHECK(server.requests().empty());
    CHECK(b.client.connections() == 0);
}

TEST_CASE("a handshake without end is left after the connect timeout") {
    Server server([](Peer& peer) { peer.await_close(); });
    Bench b(Duration{300});
    const auto lost = b.get(server, "box.test");
    REQUIRE_FALSE(lost);
    CHECK(lost.error().code == Errc::timeout);
}

TEST_CASE("a body until close needs the good-bye of TLS, one with a length does not") {
    Bench b;
    const std::string open_ended = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it";
    const auto serve = [](std::string bytes, bool goodbye) {
        return [bytes = std::move(bytes), goodbye](Peer& peer) {
            peer.request();
            peer.send(bytes);
            if (goodbye) {
                peer.say_goodbye();
            }
        };
    };
    Server polite(serve(open_ended, true), good());
    const auto whole = b.get(polite, "box.test");
    REQUIRE(whole);
    CHECK(whole->body == "all of it");
    Server cut(serve(open_ended, false), good());
    CHECK_FALSE(b.get(cut, "box.test"));
    Server rude(serve(answer("all of it", "Connection: close\r\n"), false), good());
    CHECK(b.get(rude, "box.test"));
}

TEST_CASE("a kept TLS connection that died without good-bye is replaced") {
    Server server(
        [](Peer& peer) {
            peer.request();
            peer.send(answer("ok"));
        },
        good());
    Bench b;
    REQUIRE(b.get(server, "box.test"));
    REQUIRE(b.loop.until([&] { return server.open() == 0; }));
    REQUIRE(b.get(server, "box.test"));
    CHECK(server.accepted() == 2);
}
