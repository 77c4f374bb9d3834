// Our webhooks, read by what receivers use: npm's standardwebhooks and cloudevents.
#include "adapters/webhook/http_channel.hpp"
#include "peers.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>

using namespace curfew;

namespace {

constexpr const char* new_key = "whsec_TkVXLUtFWS1ORVctS0VZLU5FVy1LRVktTkVXLUtFWTE=";
constexpr const char* old_key = "whsec_T0xELUtFWS1PTEQtS0VZLU9MRC1LRVktT0xELUtFWTE=";
constexpr const char* other_key = "whsec_T1RIRVItS0VZLU9USEVSLUtFWS1PVEhFUi1LRVktMTI=";

void require_packages() {
    const char* folder = std::getenv("CURFEW_NPM");  // NOLINT(concurrency-mt-unsafe): no other thread yet
    INFO("tests/integration/channels/npm/install.sh puts them there");
    REQUIRE(folder != nullptr);
    REQUIRE(std::filesystem::exists(std::string{folder} + "/node_modules/standardwebhooks/package.json"));
    REQUIRE(std::filesystem::exists(std::string{folder} + "/node_modules/cloudevents/package.json"));
}

struct Fixture {
    peers::Folder folder;
    peers::Certificates certificates{folder};
    peers::Loop loop;
    http::Client client{loop.context.get_executor(), loop.scheduler, {}};

    /// What a receiver that has `key` makes of it.
    nlohmann::json received(const std::string& key, webhook::FileContents files, const std::string& format,
                            const Message& message = peers::warning()) {
        const peers::Folder box;
        const peers::Server server("receiver.mjs", {box.path(), certificates.server, key});
        ChannelConfig c;
        c.name = ChannelName{"hook"};
        c.kind = "webhook";
        c.url = "https://localhost:" + std::to_string(server.port()) + "/hook";
        c.ca_file = certificates.ca;
        c.private_receivers = {"127.0.0.1", "::1"};
        c.format = format;
        auto channel = webhook::make_channel(c, std::move(files), "gpu-watch.example", client,
                                             loop.scheduler);
        REQUIRE(channel);
        const auto sent = loop.deliver(**channel, message, seconds{120});
        INFO((sent ? "" : to_string(sent.error())));
        REQUIRE(sent);
        const auto records = peers::records(box.path());
        REQUIRE(records.size() == 1);
        return records.front();
    }
};

Message hostile() {
    Message m = peers::warning();
    m.title = "<!here> \"q\" \\ caf\xC3\xA9 \xE6\x97\xA5\xE6\x9C\xAC \xF0\x9F\x98\x80 \xFF \r\nX: 1";
    m.body = {m.title, std::string(100'000, 'x')};
    m.resource_name = m.title;
    m.resource = ResourceId{m.title};
    return m;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "npm's standardwebhooks verifies our signatures", "[npm]") {
    require_packages();
    for (const Message& message : {peers::warning(), hostile()}) {
        const auto got = received(new_key, {.signing_key = Secret{new_key}}, "standard", message);
        CAPTURE(got["verified"].dump());
        CHECK(got["verified"]["error"].is_null());
        CHECK(got["verified"]["value"]["data"]["id"] == "msg_0123456789ab");
        CHECK_FALSE(got["tampered"]["error"].is_null());
    }
}

TEST_CASE_METHOD(Fixture, "npm's standardwebhooks verifies either key while one replaces the other",
                 "[npm]") {
    require_packages();
    const webhook::FileContents both = {.signing_key = Secret{new_key}, .old_signing_key = Secret{old_key}};
    CHECK(received(new_key, both, "standard")["verified"]["error"].is_null());
    CHECK(received(old_key, both, "standard")["verified"]["error"].is_null());
    CHECK_FALSE(received(other_key, both, "standard")["verified"]["error"].is_null());
    CHECK_FALSE(
        received(old_key, {.signing_key = Secret{new_key}}, "standard")["verified"]["error"].is_null());
    CHECK_FALSE(received(new_key, {}, "standard")["verified"]["error"].is_null());
}

TEST_CASE_METHOD(Fixture, "npm's cloudevents parses our events, and they are signed as well", "[npm]") {
    require_packages();
    for (const Message& message : {peers::warning(), hostile()}) {
        const auto got = received(new_key, {.signing_key = Secret{new_key}}, "cloudevents", message);
        CAPTURE(got["event"].dump());
        REQUIRE(got["event"]["error"].is_null());
        const nlohmann::json& event = got["event"]["value"];
        CHECK(event["specversion"] == "1.0");
        CHECK(event["id"] == "msg_0123456789ab");
        CHECK(event["source"] == "curfew://gpu-watch.example");
        CHECK(event["type"] == "curfew.stop_warning");
        CHECK(event["data"]["severity"] == "warning");
        CHECK(event["data"]["alert"] == "al_77");
        CHECK(got["verified"]["error"].is_null());
    }
    // The parser does say no.
    const auto plain = received(new_key, {}, "standard");
    CHECK_FALSE(plain["event"]["error"].is_null());
}
