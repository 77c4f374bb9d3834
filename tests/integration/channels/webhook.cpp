// The webhook channel against a real HTTP server that verifies what it gets.
#include "adapters/webhook/http_channel.hpp"
#include "peers.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using Catch::Matchers::Contains;

namespace {

constexpr const char* secret = "whsec_Q0FOQVJZLUNBTkFSWS1DQU5BUlktQ0FOQVJZLTEyMzQ=";

struct Fixture {
    peers::Folder folder;
    peers::Certificates certificates{folder};
    peers::Loop loop;
    http::Client client{loop.context.get_executor(), loop.scheduler, {}};
    peers::Server server{"http_server.py", {folder.path(), "https", certificates.server, secret}};

    ChannelConfig config(const std::string& path) const {
        ChannelConfig c;
        c.name = ChannelName{"hook"};
        c.kind = "webhook";
        c.url = "https://localhost:" + std::to_string(server.port()) + path;
        c.ca_file = certificates.ca;
        c.allow_private = true;
        c.timeout = seconds{60};
        return c;
    }
    Result<Delivered> send(const ChannelConfig& config, std::optional<Secret> key = Secret{secret}) {
        auto channel = webhook::make_channel(config, {.signing_key = std::move(key)}, "here", client,
                                             loop.scheduler);
        return channel ? loop.deliver(**channel, peers::warning(), seconds{120})
                       : Result<Delivered>{std::unexpected(channel.error())};
    }
    Error refused(const std::string& path) {
        const auto sent = send(config(path));
        REQUIRE(!sent);
        INFO(to_string(sent.error()));
        CHECK_THAT(to_string(sent.error()), !Contains("CANARY") && !Contains(path));
        return sent.error();
    }
    std::vector<nlohmann::json> requests() const { return peers::records(folder.path()); }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a webhook is signed so that the receiver can verify it", "[webhook]") {
    const auto before = loop.scheduler.wall();
    const auto sent = send(config("/ok?token=1"));
    INFO((sent ? "" : to_string(sent.error())));
    REQUIRE(sent);
    REQUIRE(requests().size() == 1);
    const nlohmann::json got = requests()[0];
    CHECK(got["path"] == "/ok?token=1");
    CHECK(got["verified"] == true);
    CHECK(got["headers"]["webhook-id"] == "msg_0123456789ab");
    CHECK(got["headers"]["content-type"] == "application/json");
    const auto stamp = std::stoll(got["headers"]["webhook-timestamp"].get<std::string>());
    CHECK(stamp >= before.ms / 1000);
    CHECK(stamp <= loop.scheduler.wall().ms / 1000);
    CHECK(got["body"]["type"] == "curfew." + std::string{to_string(AlertKind::stop_warning)});
    CHECK(got["body"]["data"]["id"] == got["headers"]["webhook-id"]);
    CHECK(got["body"]["data"]["cost_so_far"]["amount"] == "12.340000000");
}

TEST_CASE_METHOD(Fixture, "another key does not verify, and none sends no signature", "[webhook]") {
    CHECK(send(config("/ok"), Secret{"whsec_" + std::string(32, 'B')}));
    CHECK(send(config("/ok"), std::nullopt));
    REQUIRE(requests().size() == 2);
    CHECK(requests()[0]["verified"] == false);
    CHECK(requests()[1]["verified"] == false);
    CHECK(!requests()[1]["headers"].contains("webhook-signature"));
    const auto broken = send(config("/ok"), Secret{"CANARY"});
    REQUIRE(!broken);
    CHECK(broken.error().code == Errc::invalid);
    CHECK_THAT(to_string(broken.error()), !Contains("CANARY"));
    CHECK(requests().size() == 2);
}

TEST_CASE_METHOD(Fixture, "statuses say how to go on", "[webhook]") {
    const Error gone = refused("/gone");
    CHECK(gone.code == Errc::forbidden);
    CHECK(gone.retry == Retry::never());

    const Error forbidden = refused("/forbidden");
    CHECK(forbidden.code == Errc::unauthorized);
    CHECK(forbidden.retry == Retry::never());

    const Error many = refused("/many");
    CHECK(many.code == Errc::rate_limited);
    CHECK(many.retry == Retry::after(seconds{120}));

    const Error down = refused("/down");
    CHECK(down.code == Errc::unavailable);
    CHECK(down.retry == Retry::later());

    const Error moved = refused("/moved");
    CHECK(moved.code == Errc::unsafe);
    CHECK(moved.retry == Retry::never());

    const Error unknown = refused("/echo?token=1");
    CHECK(unknown.retry == Retry::never());

    const Error lost = refused("/lost");
    CHECK(lost.ambiguous());
    CHECK(requests().size() == 7);
}

TEST_CASE_METHOD(Fixture, "a long answer of success is success", "[webhook]") {
    CHECK(send(config("/long")));
    CHECK(requests().size() == 1);
}

TEST_CASE_METHOD(Fixture, "private addresses, plain HTTP and strangers' certificates are refused",
                 "[webhook]") {
    ChannelConfig c = config("/ok");
    c.allow_private = false;
    const auto closed = send(c);
    REQUIRE(!closed);
    CHECK(closed.error().code == Errc::unsafe);
    CHECK(closed.error().retry == Retry::never());

    c.url = "http://localhost:" + std::to_string(server.port()) + "/ok";
    CHECK(send(c).error().code == Errc::unsafe);
    c.url = "https://user:CANARY@localhost/";
    const auto odd = send(c);
    REQUIRE(!odd);
    CHECK(odd.error().code == Errc::invalid);
    CHECK_THAT(to_string(odd.error()), !Contains("CANARY"));

    ChannelConfig stranger = config("/ok");
    stranger.ca_file.clear();
    CHECK(send(stranger).error().code == Errc::unsafe);
    CHECK(requests().empty());
}

TEST_CASE_METHOD(Fixture, "plain HTTP to this host is allowed on demand, and nobody there is tried later",
                 "[webhook]") {
    const peers::Folder box;
    const peers::Server plain("http_server.py", {box.path(), "http", certificates.server, secret});
    ChannelConfig c = config("/ok");
    c.url = "http://127.0.0.1:" + std::to_string(plain.port()) + "/ok";
    CHECK(send(c));
    CHECK(peers::records(box.path()).size() == 1);
    c.url = "http://127.0.0.1:" + std::to_string(peers::closed_port()) + "/ok";
    const auto sent = send(c);
    REQUIRE(!sent);
    CHECK(sent.error().code == Errc::unavailable);
    CHECK(sent.error().retry == Retry::later());
}
