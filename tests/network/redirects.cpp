// A credential is for one origin. Whatever an answer says, it goes to no other: the table of T3.
#include "adapters/http/websocket.hpp"
#include "network/bench.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>
#include <mutex>

using namespace curfew;
using namespace curfew::http;
using namespace network;
using support::Peer;
using support::Server;

TEST_CASE("no answer carries a credential to another origin") {
    Server other(support::echo);
    const std::string there = other.address();
    const std::string port = std::to_string(other.port());
    const std::vector<std::pair<std::string, std::string>> answers = {
        {"301 Moved Permanently", "Location: http://" + there + "/"},
        {"302 Found", "Location: http://" + there + "/"},
        {"303 See Other", "Location: http://" + there + "/"},
        {"307 Temporary Redirect", "Location: http://" + there + "/"},
        {"308 Permanent Redirect", "Location: http://" + there + "/"},
        {"300 Multiple Choices", "Location: http://" + there + "/"},
        {"304 Not Modified", "Location: http://" + there + "/"},
        {"305 Use Proxy", "Location: http://" + there + "/"},
        {"306 Switch Proxy", "Location: http://" + there + "/"},
        {"399 Odd", "Location: http://" + there + "/"},
        {"302 Found", "Location: //" + there + "/"},
        {"302 Found", "Location: https://" + there + "/"},
        {"302 Found", "Location: http://localhost:" + port + "/"},
        {"302 Found", "Location: http://[::ffff:127.0.0.1]:" + port + "/"},
        {"302 Found", "Location: http://me@" + there + "/"},
        {"302 Found", "Location: \\\\" + there + "\\x"},
        {"302 Found", "Location: HTTP:" + there},
        {"302 Found", "LOCATION:\thttp://" + there + "/"},
        {"302 Found", "Location: /same\r\nLocation: http://" + there + "/"},
        {"200 OK", "Location: http://" + there + "/"},
        {"200 OK", "Refresh: 0; url=http://" + there + "/"},
        {"200 OK", "Content-Location: http://" + there + "/"},
        {"200 OK", "Link: <http://" + there + "/>; rel=next"},
        {"200 OK", "Alt-Svc: http/1.1=\"" + there + "\""},
        {"201 Created", "Location: http://" + there + "/"},
        {"202 Accepted", "Location: http://" + there + "/"},
        {"401 Unauthorized", "WWW-Authenticate: Bearer realm=\"http://" + there + "/token\""},
        {"407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"http://" + there + "/\""},
        {"421 Misdirected Request", "Location: http://" + there + "/"},
        {"503 Service Unavailable", "Retry-After: 0\r\nLocation: http://" + there + "/"},
    };
    std::mutex mutex;
    std::string head;
    Server server([&](Peer& peer) {
        while (!peer.request().empty()) {
            const std::lock_guard guard(mutex);
            peer.send("HTTP/1.1 " + head + "\r\nContent-Length: 0\r\n\r\n");
        }
    });
    Bench b;
    int asked = 0;
    for (const auto& [status, fields] : answers) {
        CAPTURE(status, fields);
        {
            const std::lock_guard guard(mutex);
            head = status + "\r\nSet-Cookie: session=1; Domain=127.0.0.1\r\n" + fields;
        }
        for (const int way : {0, 1, 2, 3}) {
            Request request = way == 1 ? post(server.url("/key"), "{}") : get(server.url("/key"));
            request.credential = Request::Credential{way == 0 ? "X-API-Key" : "Authorization",
                                                     way == 0 ? "" : "Bearer ", Secret{"CANARY-credential"}};
            const Deadline deadline = b.loop.scheduler().in(minutes{1});
            ++asked;
            if (way == 2) {
                const auto accept = [](const Response&) { return Result<void>{}; };
                const auto sink = [](std::span<const std::byte>) -> Task<Result<void>> {
                    co_return Result<void>{};
                };
                CHECK(b.loop.run(b.client.stream(std::move(request), accept, sink, deadline)));
            } else if (way == 3) {
                CHECK_FALSE(b.loop.run(
                    WebSocket::open(b.client, b.loop.scheduler(), std::move(request), 1000, deadline)));
            } else {
                const auto response = b.send(std::move(request));
                REQUIRE(response);
                if (response->status / 100 == 3) {
                    CHECK(error_of(*response, "here").code == Errc::unsafe);
                }
            }
        }
    }
    CHECK(other.accepted() == 0);
    const auto requests = server.requests();
    CHECK(static_cast<int>(requests.size()) == asked);
    CHECK(std::ranges::all_of(requests, [](const std::string& r) {
        return r.find(" /key HTTP/1.1\r\n") != std::string::npos &&
               r.find("CANARY-credential") != std::string::npos && r.find("Cookie") == std::string::npos;
    }));
    std::printf("%zu answers asked for in 4 ways: %d requests, all to their own origin\n", answers.size(),
                asked);
    CHECK(answers.size() >= 20);
}
