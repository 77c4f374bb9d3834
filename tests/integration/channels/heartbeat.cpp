// The heartbeat against a real HTTPS server.
#include "adapters/heartbeat/http_heartbeat.hpp"
#include "peers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>

using namespace curfew;
using Catch::Matchers::Contains;

namespace {

struct Fixture {
    peers::Folder folder;
    peers::Certificates certificates{folder};
    peers::Loop loop;
    http::Client client{loop.context.get_executor(), loop.scheduler, {}};
    peers::Server server{"heartbeat_server.py", {folder.path(), "https", certificates.server}};
    HeartbeatConfig config{.url = {},
                           .url_file = {},
                           .ca_file = certificates.ca,
                           .allow_private = false,
                           .private_receivers = {"127.0.0.0/8", "::1"}};
    Duration timeout = seconds{30};

    std::string url(const std::string& path) const {
        return "https://localhost:" + std::to_string(server.port()) + path;
    }
    Result<void> beat(const std::string& url, const std::string& bad = {}) {
        auto heartbeat = heartbeat::make_heartbeat(config, Secret{url}, timeout, client, loop.scheduler);
        if (!heartbeat) {
            return std::unexpected(heartbeat.error());
        }
        std::optional<Result<void>> out;
        boost::asio::co_spawn(loop.context, (*heartbeat)->beat(bad),
                              [&](const std::exception_ptr& bug, Result<void> result) {
                                  REQUIRE_FALSE(bug);
                                  out = std::move(result);
                              });
        loop.context.restart();
        while (!out) {
            loop.context.run_one();
        }
        return *out;
    }
    /// The error; it never says where to.
    Error refused(const std::string& url, const std::string& bad = {}) {
        const auto heard = beat(url, bad);
        REQUIRE(!heard);
        INFO(to_string(heard.error()));
        CHECK_THAT(to_string(heard.error()), !Contains("CANARY"));
        return heard.error();
    }
    std::vector<nlohmann::json> requests() const { return peers::records(folder.path()); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "all is well is a GET, what is not is a POST on /fail", "[heartbeat]") {
    CHECK(beat(url("/ok/CANARY")));
    CHECK(beat(url("/ok/CANARY"), "account me: HTTP 503\nthe disk is full: größer"));
    CHECK(beat(url("/ok/CANARY/?create=1"), "x"));
    const auto got = requests();
    REQUIRE(got.size() == 3);
    CHECK(got[0]["method"] == "GET");
    CHECK(got[0]["path"] == "/ok/CANARY");
    CHECK(got[0]["body"] == "");
    CHECK(got[1]["method"] == "POST");
    CHECK(got[1]["path"] == "/ok/CANARY/fail");
    CHECK(got[1]["body"] == "account me: HTTP 503\nthe disk is full: größer");
    CHECK(got[1]["type"] == "text/plain; charset=utf-8");
    CHECK(got[2]["path"] == "/ok/CANARY/fail?create=1");
}

TEST_CASE_METHOD(Fixture, "other answers are errors without the address, and nothing is followed",
                 "[heartbeat]") {
    CHECK(refused(url("/down/CANARY")).code == Errc::unavailable);
    CHECK(refused(url("/gone/CANARY"), "bad").code == Errc::not_found);
    CHECK(refused(url("/moved/CANARY")).code == Errc::unsafe);
    refused(url("/echo/CANARY"));
    refused(url("/echo/CANARY?create=1"), "bad");
    CHECK(requests().size() == 5);
    refused("https://localhost:" + std::to_string(peers::closed_port()) + "/CANARY");
}

TEST_CASE_METHOD(Fixture, "who does not answer is given up after its time", "[heartbeat]") {
    timeout = Duration{300};
    CHECK(refused(url("/hang/CANARY")).code == Errc::timeout);
}

TEST_CASE_METHOD(Fixture, "the rules of a webhook: https, known certificates, no private addresses",
                 "[heartbeat]") {
    CHECK(refused("CANARY").code == Errc::invalid);
    CHECK(refused("https://user:CANARY@localhost/").code == Errc::invalid);
    config.private_receivers.clear();
    CHECK(refused(url("/ok/CANARY")).code == Errc::unsafe);
    CHECK(refused("http://localhost:" + std::to_string(server.port()) + "/ok/CANARY").code == Errc::unsafe);
    config.private_receivers = {"not a network"};
    CHECK(refused(url("/ok/CANARY")).code == Errc::invalid);
    config.private_receivers.clear();
    config.allow_private = true;
    CHECK(beat(url("/ok/CANARY")));
    config.ca_file.clear();
    CHECK(refused(url("/ok/CANARY")).code == Errc::unsafe);
    CHECK(requests().size() == 1);
}
