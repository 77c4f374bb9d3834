// A mail server that hangs, drips, breaks off or babbles, at each stage of the conversation.
#include "adapters/mail/mail_channel.hpp"
#include "network/bench.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>

using namespace curfew;
using namespace network;
using namespace std::chrono_literals;
using support::Peer;
using support::Server;

namespace {

constexpr std::array<std::string_view, 7> stages = {"greeting", "EHLO",     "MAIL",   "RCPT",
                                                    "DATA",     "the body", "the end"};
constexpr std::array<std::string_view, 6> faults = {"silence", "drip",   "good-bye",
                                                    "reset",   "babble", "endless line"};

void misbehave(Peer& peer, std::string_view fault) {
    if (fault == "silence") {
        peer.await_close();
    } else if (fault == "drip") {
        while (peer.send("2") && peer.pause(50ms)) {
        }
    } else if (fault == "reset") {
        peer.reset_at_end();
    } else if (fault == "babble") {
        peer.send("HTTP/1.1 200 OK\r\n\xFF\xFE\x01\r\n\r\n");
        peer.await_close();
    } else if (fault == "endless line") {
        while (peer.send(std::string(64 * 1024, 'x')) && peer.pause(10ms)) {
        }
    } else {
        peer.send(fault);
        peer.await_close();
    }
}

std::string line(Peer& peer) {
    std::string text;
    while (!text.ends_with("\r\n")) {
        const std::string one = peer.bytes(1);
        if (one.empty()) {
            return {};
        }
        text += one;
    }
    return text;
}

/// Takes mail as it should until `stage`, and then does what `fault` says.
Server::Script script(std::size_t stage, std::string_view fault) {
    return [stage, fault](Peer& peer) {
        constexpr std::array<std::string_view, 6> replies = {
            "220 mail.test ready\r\n", "250 mail.test\r\n", "250 ok\r\n", "250 ok\r\n", "354 go on\r\n", ""};
        for (std::size_t now = 0; now < stages.size(); ++now) {
            if (now == stage) {
                if (now == 5) {
                    peer.bytes(200);
                }
                misbehave(peer, fault);
                return;
            }
            if (now < 5) {
                peer.send(replies.at(now));
            }
            if (now == 5) {
                std::string read;
                for (std::string one; !(one = line(peer)).empty() && one != ".\r\n";) {
                }
            } else if (now < 4 && line(peer).empty()) {
                return;
            }
        }
    };
}

struct Attempt {
    std::string what;
    bool sent = false;  // whole, so that it may have been taken
    std::unique_ptr<Server> server;
    std::unique_ptr<mail::MailChannel> channel;
    std::optional<support::Loop::Running<Result<Delivered>>> running;
};

Parcel parcel() {
    Parcel p;
    p.message.id = "msg_0123456789ab";
    p.message.alert = AlertId{"al_1"};
    p.message.at = WallTime{1'790'000'000'000};
    p.message.title = "demo will be stopped";
    p.message.body = {std::string(2000, 'x')};
    return p;
}

ChannelConfig config_for(const Server& server) {
    ChannelConfig config;
    config.name = ChannelName{"mail"};
    config.kind = "mail";
    config.host = "localhost";
    config.port = server.port();
    config.security = "none";
    config.from = "curfew@example.com";
    config.to = {"ana@example.com"};
    return config;
}

}  // namespace

TEST_CASE(
    "mail: silence, drips, breaks and babble at every stage end in time, and only what was sent is "
    "uncertain") {
    support::Loop loop;
    std::vector<Attempt> attempts;
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
        for (const std::string_view fault : faults) {
            Attempt one;
            one.what = std::string{fault} + " at " + std::string{stages.at(stage)};
            one.sent = stage >= 5;
            one.server = std::make_unique<Server>(script(stage, fault));
            ChannelConfig config = config_for(*one.server);
            config.timeout = seconds{4};
            one.channel = std::make_unique<mail::MailChannel>(
                config, std::nullopt, "host.example", loop.context().get_executor(), loop.scheduler());
            attempts.push_back(std::move(one));
        }
    }
    for (Attempt& one : attempts) {
        one.running = loop.start(one.channel->deliver(parcel(), loop.scheduler().in(minutes{2})));
    }
    // None of it is the loop's concern.
    Server other(support::echo);
    http::Client client{loop.context().get_executor(), loop.scheduler(), patient()};
    CHECK(loop.run(client.send(get(other.url()), loop.scheduler().in(minutes{1}))));
    for (Attempt& one : attempts) {
        const auto result = one.running->get();
        CAPTURE(one.what);
        INFO((result ? result->answer : to_string(result.error())));
        REQUIRE_FALSE(result);
        CHECK(result.error().ambiguous() == one.sent);
        CHECK((result.error().may_retry() || one.sent));
        CHECK(one.server->accepted() == 1);
        std::printf("%-28s %-10s %s\n", one.what.c_str(), one.sent ? "uncertain" : "again",
                    result.error().text.c_str());
    }
}

TEST_CASE("mail: what is told of an answer is the line that libcurl took for it") {
    support::Loop loop;
    struct Row {
        std::string_view end;
        std::string told;
    };
    for (const auto& [end, told] : {Row{"250-\n221 bye\r\n", "250-"}, Row{"250\r\n221 bye\r\n", "250"},
                                    Row{"550\tno\r\n250 yes\r\n221 bye\r\n", "250 yes"},
                                    Row{"250\r550 no\r\n250 yes\r\n221 bye\r\n", "250 yes"}}) {
        CAPTURE(told);
        Server server(script(6, end));
        mail::MailChannel channel(config_for(server), std::nullopt, "host.example",
                                  loop.context().get_executor(), loop.scheduler());
        const auto sent = loop.run(channel.deliver(parcel(), loop.scheduler().in(minutes{1})));
        REQUIRE(sent);
        CHECK(sent->answer == told);
    }
}

TEST_CASE("mail: a channel ends at once while its server is silent") {
    support::Loop loop;
    Server server(script(0, "silence"));
    ChannelConfig config = config_for(server);
    config.timeout = hours{1};
    auto channel = std::make_unique<mail::MailChannel>(config, std::nullopt, "host.example",
                                                       loop.context().get_executor(), loop.scheduler());
    auto lost = loop.start(channel->deliver(parcel(), loop.scheduler().in(hours{1})));
    REQUIRE(loop.until([&] { return server.accepted() == 1; }));
    channel.reset();  // would wait for the hour
    CHECK_FALSE(lost.get());
}
