// Where a request of a user's choosing may go, by tables, and over a resolver that changes its mind.
#include "adapters/http/addresses.hpp"
#include "adapters/http/client.hpp"
#include "loop.hpp"
#include "server.hpp"

#include <boost/asio/ip/address.hpp>
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::http;
using Catch::Matchers::Contains;

namespace {

/// What the names of these tests resolve to: one answer per lookup, the last one for ever.
struct Answers {
    std::mutex mutex;
    std::map<std::string, std::vector<std::vector<std::string>>> of;
    std::map<std::string, std::size_t> asked;
};
Answers& answers() {
    static Answers all;
    return all;
}

void resolves(const std::string& name, std::vector<std::vector<std::string>> to) {
    const std::lock_guard lock(answers().mutex);
    answers().of[name] = std::move(to);
    answers().asked[name] = 0;
}
std::size_t lookups_of(const std::string& name) {
    const std::lock_guard lock(answers().mutex);
    return answers().asked[name];
}

boost::asio::ip::address address(const std::string& text) {
    return boost::asio::ip::make_address(text);
}

std::vector<Network> networks(const std::vector<std::string>& texts) {
    std::vector<Network> all;
    for (const std::string& text : texts) {
        const auto network = parse_network(text);
        INFO(text);
        REQUIRE(network);
        all.push_back(*network);
    }
    return all;
}

}  // namespace

// The resolver of this whole program: names that a test has set are answered from its list.
extern "C" int getaddrinfo(const char* node, const char* service, const struct addrinfo* hints,
                           struct addrinfo** result) {
    using Real = int (*)(const char*, const char*, const struct addrinfo*, struct addrinfo**);
    static const auto real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    const std::string name = node != nullptr ? node : "";
    std::vector<std::string> found;
    {
        const std::lock_guard lock(answers().mutex);
        const auto known = answers().of.find(name);
        if (known != answers().of.end()) {
            std::size_t& asked = answers().asked[name];
            found = known->second.at(std::min(asked, known->second.size() - 1));
            ++asked;
        }
    }
    if (found.empty()) {
        return real(node, service, hints, result);
    }
    struct addrinfo numeric = {};
    numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    numeric.ai_socktype = SOCK_STREAM;
    *result = nullptr;
    struct addrinfo** end = result;
    for (const std::string& one : found) {  // freed as one list: the system's own makes the entries
        if (const int failed = real(one.c_str(), service, &numeric, end); failed != 0) {
            return failed;
        }
        while (*end != nullptr) {
            end = &(*end)->ai_next;
        }
    }
    return 0;
}

TEST_CASE("a request of a user's choosing goes to public addresses only") {
    for (const std::string open :
         {"1.1.1.1",        "8.8.8.8",         "100.63.255.255",  "100.128.0.0",     "172.15.255.255",
          "172.32.0.0",     "169.253.255.255", "169.255.0.0",     "192.167.255.255", "192.169.0.0",
          "198.17.255.255", "198.20.0.0",      "223.255.255.255", "168.63.129.15",   "168.63.129.17",
          "11.0.0.0",       "9.255.255.255",   "126.255.255.255", "128.0.0.0",       "2606:4700::1111",
          "2a00:1450::1",   "::ffff:8.8.8.8",  "64:ff9b::808:808"}) {
        CAPTURE(open);
        CHECK(is_public(boost::asio::ip::make_address(open)));
    }
    for (const std::string closed : {"0.0.0.0",
                                     "0.1.2.3",
                                     "10.0.0.1",
                                     "10.255.255.255",
                                     "100.64.0.0",
                                     "100.127.255.255",
                                     "127.0.0.1",
                                     "127.255.255.254",
                                     "169.254.169.254",
                                     "172.16.0.1",
                                     "172.31.255.255",
                                     "192.0.0.8",
                                     "192.0.2.1",
                                     "192.168.0.1",
                                     "192.168.255.255",
                                     "198.18.0.0",
                                     "198.19.255.255",
                                     "224.0.0.1",
                                     "239.255.255.255",
                                     "240.0.0.1",
                                     "255.255.255.255",
                                     "168.63.129.16",
                                     "::",
                                     "::1",
                                     "::7f00:1",
                                     "fc00::1",
                                     "fdff::1",
                                     "fe80::1",
                                     "febf::1",
                                     "fec0::1",
                                     "feff::1",
                                     "ff02::1",
                                     "2002:7f00:1::",
                                     "64:ff9b::7f00:1",
                                     "64:ff9b:1::1",
                                     "2001:db8::1",
                                     "::ffff:127.0.0.1",
                                     "::ffff:10.1.2.3",
                                     "::ffff:169.254.169.254",
                                     "::ffff:0.0.0.0",
                                     "100.100.100.200",
                                     "169.254.170.2",
                                     "198.51.100.7",
                                     "203.0.113.7",
                                     "192.88.99.1",
                                     "::ffff:100.64.0.1",
                                     "64:ff9b::a9fe:a9fe",
                                     "64:ff9b::a00:1",
                                     "2001::1",
                                     "3fff::1",
                                     "fd00:ec2::254",
                                     "4000::1",
                                     "::8.8.8.8"}) {
        CAPTURE(closed);
        CHECK_FALSE(is_public(boost::asio::ip::make_address(closed)));
    }
}

TEST_CASE("what a user allows is reachable, and nothing else") {
    struct Case {
        std::string address;
        bool near;
        std::vector<std::string> allowed;
        bool plain;
        bool good;
    };
    const std::vector<Case> table = {
        {"8.8.8.8", false, {}, false, true},
        {"8.8.8.8", true, {}, true, false},  // never in plain text into the open
        {"127.0.0.1", false, {}, false, false},
        {"127.0.0.1", true, {}, true, true},
        {"::1", true, {}, true, true},
        {"10.1.2.3", true, {}, false, true},
        {"fd12::1", true, {}, false, true},
        {"::ffff:10.1.2.3", true, {}, false, true},
        {"100.64.0.1", true, {}, false, false},
        {"169.254.1.1", true, {}, false, false},
        {"fe80::1", true, {}, false, false},
        {"169.254.169.254", true, {"0.0.0.0/0"}, false, false},
        {"::ffff:169.254.169.254", true, {"169.254.0.0/16"}, false, false},
        {"64:ff9b::a9fe:a9fe", true, {"64:ff9b::/96"}, false, false},
        {"100.100.100.200", true, {"100.64.0.0/10"}, false, false},
        {"fd00:ec2::254", true, {"fd00::/8"}, false, false},
        {"0.0.0.0", true, {"0.0.0.0/0"}, false, false},
        {"::", true, {"::/0"}, false, false},
        {"224.0.0.1", true, {"0.0.0.0/0"}, false, false},
        {"ff02::1", true, {"::/0"}, false, false},
        {"100.64.0.1", false, {"100.64.0.0/10"}, false, true},
        {"169.254.7.7", false, {"169.254.0.0/16"}, true, true},
        {"10.0.0.5", false, {"10.0.0.5"}, true, true},
        {"::ffff:10.0.0.5", false, {"10.0.0.5"}, true, true},
        {"10.0.0.6", false, {"10.0.0.5"}, false, false},
        {"10.0.0.5", false, {"10.0.0.4/31"}, false, true},
        {"10.0.0.6", false, {"10.0.0.4/31"}, false, false},
        {"127.0.0.1", false, {"10.0.0.0/8"}, false, false},
        {"fd12:3456::1", false, {"fd12:3456::/32"}, false, true},
        {"fd12:3457::1", false, {"fd12:3456::/32"}, false, false},
        {"fe81::1", false, {"fe80::/10"}, false, true},
        {"2002:a00:1::", false, {"10.0.0.0/8"}, false, false},
        {"8.8.8.8", false, {"8.8.8.8"}, true, true},
    };
    for (const Case& c : table) {
        CAPTURE(c.address, c.near, c.plain);
        const auto checked = check_address(
            address(c.address), {.allow_near = c.near, .allowed = networks(c.allowed), .plain = c.plain});
        CHECK(checked.has_value() == c.good);
        CHECK((checked || checked.error().code == Errc::unsafe));
    }
}

TEST_CASE("networks are read strictly") {
    for (const std::string good : {"10.0.0.0/8", "10.1.2.3", "10.1.2.3/32", "0.0.0.0/0", "fd00::/8", "::1",
                                   "::/0", "192.168.0.0/16", "fd12:3456:789a::1/128"}) {
        CAPTURE(good);
        CHECK(parse_network(good));
    }
    for (const std::string bad : {"",
                                  " ",
                                  "10.0.0.0/",
                                  "/8",
                                  "10.0.0.0/33",
                                  "10.0.0.0/-1",
                                  "10.0.0.0/+8",
                                  "10.0.0.0/08",
                                  "10.0.0.0/8 ",
                                  " 10.0.0.0/8",
                                  "10.0.0.0/8/8",
                                  "10.0.0.1/8",
                                  "10.1",
                                  "10",
                                  "0x0a000001",
                                  "010.0.0.1",
                                  "10.0.0.256",
                                  "10.0.0.0/255.0.0.0",
                                  "localhost",
                                  "example.org",
                                  "fd00::/129",
                                  "fd00::1/8",
                                  "fe80::1%eth0",
                                  "[fd00::1]",
                                  "::ffff:10.0.0.1",
                                  "::ffff:10.0.0.0/104",
                                  "169.254.169.254",
                                  "224.0.0.0/4",
                                  "239.1.1.1",
                                  "0.0.0.0",
                                  "::",
                                  "ff00::/8",
                                  "fd00:ec2::254",
                                  "255.255.255.255",
                                  "10.0.0.0/8,11.0.0.0/8"}) {
        CAPTURE(bad);
        const auto network = parse_network(bad);
        REQUIRE_FALSE(network);
        CHECK(network.error().code == Errc::invalid);
    }
    CHECK_FALSE(parse_network(std::string{"10.0.0.1\0x", 10}));
}

namespace {

struct Bench {
    support::Loop loop;
    Client client{loop.context().get_executor(), loop.scheduler(), {}};

    Result<Response> get(const std::string& url, Route route) {
        Request request;
        request.url = *parse_url(url);
        request.route = std::move(route);
        return loop.run(client.send(std::move(request), loop.scheduler().in(seconds{10})));
    }
};

Route only(const std::vector<std::string>& allowed) {
    Route route;
    route.check_addresses = true;
    route.allowed = networks(allowed);
    return route;
}

}  // namespace

TEST_CASE("one bad address among good ones refuses them all, before a connection") {
    support::Server server(support::echo);
    Bench b;
    const std::string port = ":" + std::to_string(server.port()) + "/";
    resolves("mixed.test", {{"93.184.215.14", "127.0.0.1"}});
    const auto mixed = b.get("https://mixed.test" + port, only({}));
    REQUIRE_FALSE(mixed);
    CHECK(mixed.error().code == Errc::unsafe);
    CHECK_THAT(mixed.error().text, Contains("127.0.0.1"));
    resolves("mapped.test", {{"::ffff:169.254.169.254"}});
    Route near = only({});
    near.allow_private = true;
    CHECK(b.get("http://mapped.test" + port, near).error().code == Errc::unsafe);
    resolves("plain.test", {{"93.184.215.14"}});
    CHECK(b.get("http://plain.test" + port, near).error().code == Errc::unsafe);
    CHECK(server.accepted() == 0);
    CHECK(b.client.connections() == 0);
}

TEST_CASE("the address that was checked is the one that is dialled: no name is asked for twice") {
    support::Server server(support::echo);
    Bench b;
    const std::string port = ":" + std::to_string(server.port()) + "/";
    // A second lookup would lead to where nobody listens, and where nothing is allowed.
    resolves("rebind.test", {{"127.0.0.1"}, {"169.254.169.254"}});
    const auto answer = b.get("http://rebind.test" + port, only({"127.0.0.1"}));
    INFO((answer ? "" : to_string(answer.error())));
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(lookups_of("rebind.test") == 1);
    CHECK(server.accepted() == 1);
    // The name that first points at something allowed and later here is judged anew with each connection.
    resolves("turned.test", {{"127.0.0.1"}});
    const auto turned = b.get("http://turned.test" + port, only({"127.0.0.2"}));
    REQUIRE_FALSE(turned);
    CHECK(turned.error().code == Errc::unsafe);
    CHECK(server.accepted() == 1);
    // A kept connection of a wider rule does not serve a narrower one.
    CHECK(b.get("http://rebind.test" + port, only({"127.0.0.1"})));
    CHECK_FALSE(b.get("http://rebind.test" + port, only({"127.0.0.9"})));
    CHECK(server.accepted() == 1);
}

TEST_CASE("a proxy of the environment is not used") {
    support::Server server(support::echo);
    support::Server proxy(support::echo);
    const std::string url = "http://127.0.0.1:" + std::to_string(proxy.port());
    const std::vector<std::string> names = {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY",
                                            "ALL_PROXY"};
    for (const std::string& name : names) {
        ::setenv(name.c_str(), url.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): no other thread reads it
    }
    Bench b;
    Route near = only({});
    near.allow_private = true;
    CHECK(b.get("http://127.0.0.1:" + std::to_string(server.port()) + "/", near));
    CHECK(server.accepted() == 1);
    CHECK(proxy.accepted() == 0);
    for (const std::string& name : names) {
        ::unsetenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): as above
    }
}
