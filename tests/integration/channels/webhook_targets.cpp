// Every kind of receiver over real HTTPS: what it is sent, what its answers mean, and what is never shown.
#include "adapters/webhook/http_channel.hpp"
#include "peers.hpp"

#include <catch2/catch.hpp>

#include <fstream>

using namespace curfew;
using Catch::Matchers::Contains;

namespace {

constexpr const char* secret = "whsec_Q0FOQVJZLUNBTkFSWS1DQU5BUlktQ0FOQVJZLTEyMzQ=";
constexpr const char* old_secret = "whsec_T0xELUNBTkFSWS1PTEQtQ0FOQVJZLU9MRC1DQU5BUlk=";

struct Kind {
    std::string name;
    std::string path;
    int status;
    std::string body;
};

/// As these services answer when they take a message.
const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all = {
        {"webhook", "/hooks/CANARYHOOK", 204, ""},
        {"slack", "/services/T0CANARY1/B0CANARY2/CANARYCANARYCANARY", 200, "ok"},
        {"discord", "/api/webhooks/1234567890/CANARY-TOKEN_canary", 200,
         R"({"id":"4711","webhook_id":"1234567890"})"},
        {"teams", "/workflows/CANARYFLOW/triggers/manual/paths/invoke?sig=CANARYSIGNATURE", 202, ""},
        {"ntfy", "/", 200, R"({"id":"Xy12","topic":"CANARY-topic","event":"message"})"},
        {"pagerduty", "/v2/enqueue", 202,
         R"({"status":"success","message":"Event processed","dedup_key":"stop/demo"})"},
    };
    return all;
}

struct Fixture {
    peers::Folder folder;
    peers::Certificates certificates{folder};
    peers::Loop loop;
    http::Client client{loop.context.get_executor(), loop.scheduler, {}};
    peers::Server server{"http_server.py", {folder.path(), "https", certificates.server, secret}};

    ChannelConfig config(const Kind& kind) const {
        ChannelConfig c;
        c.name = ChannelName{"team"};
        c.kind = kind.name;
        c.url = "https://localhost:" + std::to_string(server.port()) + kind.path;
        c.ca_file = certificates.ca;
        c.private_receivers = {"127.0.0.1", "::1"};
        c.topic = kind.name == "ntfy" ? "CANARY-topic" : "";
        c.timeout = seconds{60};
        return c;
    }
    static webhook::FileContents files(const Kind& kind) {
        webhook::FileContents f;
        if (kind.name == "ntfy" || kind.name == "pagerduty") {
            f.token = Secret{"CANARY-token"};
        }
        return f;
    }
    void answers(const nlohmann::json& script) const {
        const std::string path = folder / "answer";
        std::ofstream(path + ".new") << script;
        std::filesystem::rename(path + ".new", path);
    }
    static Message message() {
        Message m = peers::warning();
        m.telling = Telling::firing;
        m.key = "stop/demo";
        return m;
    }
    Result<Delivered> send(const ChannelConfig& config, webhook::FileContents files,
                           const Message& m = message()) {
        auto channel = webhook::make_channel(config, std::move(files), "here.example", client,
                                             loop.scheduler);
        INFO((channel ? "" : to_string(channel.error())));
        REQUIRE(channel);
        return loop.deliver(**channel, m, seconds{120});
    }
    Result<Delivered> send(const Kind& kind) { return send(config(kind), files(kind)); }
    Error refused(const Kind& kind, const nlohmann::json& script) {
        answers(script);
        const auto sent = send(kind);
        REQUIRE(!sent);
        INFO(to_string(sent.error()));
        CHECK_THAT(to_string(sent.error()), !Contains("CANARY") && !Contains("canary"));
        CHECK_THAT(to_string(sent.error()), Contains("localhost"));
        return sent.error();
    }
    std::vector<nlohmann::json> requests() const { return peers::records(folder.path()); }
};

Result<std::shared_ptr<Channel>> made(Fixture& f, const ChannelConfig& config, webhook::FileContents files) {
    return webhook::make_channel(config, std::move(files), "here", f.client, f.loop.scheduler);
}

}  // namespace

TEST_CASE_METHOD(Fixture, "each receiver gets its own form, and its answer is told", "[targets]") {
    for (const Kind& kind : kinds()) {
        CAPTURE(kind.name);
        answers({{"status", kind.status},
                 {"headers", {{"Content-Type", "application/json"}}},
                 {"body", kind.body}});
        const auto sent = send(kind);
        INFO((sent ? sent->answer : to_string(sent.error())));
        REQUIRE(sent);
        CHECK_THAT(sent->answer, Contains("HTTP " + std::to_string(kind.status)));
        CHECK_THAT(sent->answer, !Contains("CANARY") && !Contains("canary") && !Contains(kind.path + " "));
        const nlohmann::json got = requests().back();
        CHECK(got["headers"]["content-type"] == "application/json");
        CHECK(got["headers"].contains("webhook-id") == (kind.name == "webhook"));
        CHECK(got["path"] == kind.path + (kind.name == "discord" ? "?wait=true" : ""));
        const nlohmann::json& body = got["body"];
        if (kind.name == "webhook") {
            CHECK(body["type"] == "curfew.stop_warning");
        } else if (kind.name == "slack") {
            CHECK(body["blocks"].is_array());
            CHECK(sent->answer == "HTTP 200 ok");
        } else if (kind.name == "discord") {
            CHECK(body["allowed_mentions"]["parse"].empty());
            CHECK(sent->answer == "HTTP 200 message 4711");
        } else if (kind.name == "teams") {
            CHECK(body["attachments"][0]["content"]["type"] == "AdaptiveCard");
            CHECK(sent->answer == "HTTP 202");
        } else if (kind.name == "ntfy") {
            CHECK(body["topic"] == "CANARY-topic");
            CHECK(got["headers"]["authorization"] == "Bearer CANARY-token");
            CHECK(sent->answer == "HTTP 200 message Xy12");
        } else {
            CHECK(body["routing_key"] == "CANARY-token");
            CHECK(body["event_action"] == "trigger");
            CHECK(sent->answer == "HTTP 202 success");
        }
    }
    CHECK(requests().size() == kinds().size());
}

TEST_CASE_METHOD(Fixture, "PagerDuty's incident is acknowledged and resolved, a notice is a change event",
                 "[targets]") {
    const Kind& kind = kinds().back();
    answers({{"status", 202}, {"body", kind.body}});
    Message m = message();
    for (const Telling telling :
         {Telling::firing, Telling::acknowledged, Telling::resolved, Telling::notice}) {
        m.telling = telling;
        REQUIRE(send(config(kind), files(kind), m));
    }
    const auto got = requests();
    REQUIRE(got.size() == 4);
    CHECK(got[0]["body"]["event_action"] == "trigger");
    CHECK(got[1]["body"]["event_action"] == "acknowledge");
    CHECK(got[2]["body"]["event_action"] == "resolve");
    for (int i = 0; i < 3; ++i) {
        CHECK(got[static_cast<std::size_t>(i)]["body"]["dedup_key"] == "stop/demo");
        CHECK(got[static_cast<std::size_t>(i)]["path"] == "/v2/enqueue");
    }
    CHECK(got[3]["path"] == "/v2/change/enqueue");
}

TEST_CASE_METHOD(Fixture, "ntfy's button is one POST, and its link is shown to nobody else", "[targets]") {
    const Kind kind = kinds()[4];
    Message m = message();
    m.keep_url = "https://curfew.example/k/PAYLOAD.SIGNATURECANARY";
    answers({{"status", 200},
             {"body",
              R"({"id":"Xy12","actions":[{"url":"https://curfew.example/k/PAYLOAD.SIGNATURECANARY"}]})"}});
    const auto sent = send(config(kind), files(kind), m);
    REQUIRE(sent);
    CHECK(sent->answer == "HTTP 200 message Xy12");
    CHECK(requests().back()["body"]["actions"] ==
          nlohmann::json::array({{{"action", "http"},
                                  {"label", "Keep 1 h"},
                                  {"method", "POST"},
                                  {"url", "https://curfew.example/k/PAYLOAD.SIGNATURECANARY"},
                                  {"clear", true}}}));
    answers({{"status", 400},
             {"body", R"({"error":"bad action https:\/\/curfew.example\/k\/PAYLOAD.SIGNATURECANARY"})"}});
    const auto bad = send(config(kind), files(kind), m);
    REQUIRE(!bad);
    CHECK_THAT(to_string(bad.error()), Contains("bad action") && !Contains("CANARY"));
    for (const Kind& other : kinds()) {
        if (other.name != "ntfy") {
            answers({{"status", other.status}, {"body", other.body}});
            REQUIRE(send(config(other), files(other), m));
            CHECK_THAT(requests().back().dump(), !Contains("SIGNATURECANARY"));
        }
    }
}

TEST_CASE_METHOD(Fixture, "statuses of failure, for every kind", "[targets]") {
    for (const Kind& kind : kinds()) {
        CAPTURE(kind.name);
        const auto status = [&](int code) { return refused(kind, {{"status", code}, {"body", "no, PATH"}}); };
        CHECK(status(410).code == Errc::forbidden);  // it disables the channel, and nothing else does
        CHECK(status(403).code == Errc::unauthorized);
        for (const int code : {400, 401, 403, 404, 410, 413, 422, 301, 302, 307, 308}) {
            CAPTURE(code);
            CHECK(status(code).retry == Retry::never());
        }
        for (const int code : {408, 425, 429, 500, 502, 503, 504}) {
            CAPTURE(code);
            CHECK(status(code).retry == Retry::later());
        }
        const std::size_t before = requests().size();
        CHECK(refused(kind, {{"status", 302},
                             {"headers",
                              {{"Location", "https://localhost:" + std::to_string(server.port()) + "/ok"}}}})
                  .code == Errc::unsafe);
        CHECK(requests().size() == before + 1);
    }
}

TEST_CASE_METHOD(Fixture, "Retry-After is honoured in both forms, and absurd values do not silence a channel",
                 "[targets]") {
    const std::string date = "Mon, 23 Nov 2026 10:00:00 GMT";
    struct Case {
        nlohmann::json headers;
        Retry retry;
    };
    const std::vector<Case> table = {
        {{{"Retry-After", "120"}}, Retry::after(seconds{120})},
        {{{"Retry-After", "0"}}, Retry::after(seconds{0})},
        {{{"Retry-After", "Mon, 23 Nov 2026 10:02:30 GMT"}, {"Date", date}}, Retry::after(seconds{150})},
        {{{"Retry-After", "Mon, 23 Nov 2020 10:00:00 GMT"}, {"Date", date}}, Retry::after(seconds{0})},
        {{{"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}, {"Date", date}}, Retry::after(hours{24})},
        {{{"Retry-After", "3600"}}, Retry::after(hours{1})},
        {{{"Retry-After", "2000000000"}}, Retry::after(hours{24})},
        {{{"Retry-After", "-5"}}, Retry::later()},
        {{{"Retry-After", "99999999999999999999"}}, Retry::later()},
        {{{"Retry-After", "soon"}}, Retry::later()},
        {{{"Retry-After", "1.5"}}, Retry::later()},
        {{{"Retry-After", ""}}, Retry::later()},
        {nlohmann::json::object(), Retry::later()},
    };
    for (const Kind& kind : {kinds()[0], kinds()[1], kinds()[5]}) {
        for (const int status : {429, 503}) {
            for (const Case& c : table) {
                CAPTURE(kind.name, status, c.headers.dump());
                CHECK(refused(kind, {{"status", status}, {"headers", c.headers}}).retry == c.retry);
            }
        }
    }
    // A date without the receiver's own clock is read by ours.
    const Retry by_ours = refused(kinds()[0],
                                  {{"status", 429},
                                   {"headers", {{"Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"}}}})
                              .retry;
    CHECK(by_ours == Retry::after(hours{24}));
}

TEST_CASE_METHOD(Fixture, "Discord says in the body how long to wait", "[targets]") {
    const Kind kind = kinds()[2];
    const auto wait = [&](const std::string& body, const std::string& header) {
        return refused(kind, {{"status", 429}, {"headers", {{"Retry-After", header}}}, {"body", body}}).retry;
    };
    CHECK(wait(R"({"message":"You are being rate limited.","retry_after":64.57,"global":false})", "65") ==
          Retry::after(Duration{64'570}));
    CHECK(wait(R"({"retry_after":1000000000})", "3") == Retry::after(hours{24}));
    CHECK(wait(R"({"retry_after":-1})", "3") == Retry::after(seconds{3}));
    CHECK(wait("<html>", "3") == Retry::after(seconds{3}));
}

TEST_CASE_METHOD(Fixture, "a 2xx that did not come from the receiver is none", "[targets]") {
    const nlohmann::json page = {{"status", 200},
                                 {"headers", {{"Content-Type", "text/html"}}},
                                 {"body", "<html><title>Sign in</title>PATH</html>"}};
    for (const Kind& kind : kinds()) {
        CAPTURE(kind.name);
        if (kind.name == "webhook") {  // its contract is the status alone
            answers(page);
            const auto sent = send(kind);
            REQUIRE(sent);
            CHECK(sent->answer == "HTTP 200");
            continue;
        }
        const Error error = refused(kind, page);
        CHECK(error.code == Errc::protocol);
        CHECK(error.retry == Retry::later());
    }
    CHECK(refused(kinds()[1], {{"status", 200}, {"body", "invalid_token PATH"}}).retry == Retry::never());
    CHECK(
        refused(kinds()[3], {{"status", 200},
                             {"body",
                              "Webhook message delivery failed with error: Microsoft Teams endpoint returned "
                              "HTTP error 429 with ContextId CANARYSIGNATURE"}})
            .retry == Retry::later());
    CHECK(refused(kinds()[5],
                  {{"status", 202}, {"body", R"({"status":"invalid event","errors":["CANARY-token"]})"}})
              .retry == Retry::never());
}

TEST_CASE_METHOD(Fixture, "what a receiver says is shown in a line, and never a secret", "[targets]") {
    const Kind kind = kinds()[0];
    answers({{"status", 200}, {"body", "  taken\r\n\x1b[31mred " + std::string(500, 'x')}});
    auto sent = send(kind);
    REQUIRE(sent);
    CHECK(sent->answer.starts_with("HTTP 200 taken   [31mred xxx"));
    CHECK(sent->answer.size() == 9 + 200);
    answers({{"status", 200}, {"body", "you asked for PATH with CANARY"}});
    sent = send(kind);
    REQUIRE(sent);
    CHECK(sent->answer == "HTTP 200 you asked for [secret] with CANARY");
    for (const Kind& other : kinds()) {
        CAPTURE(other.name);
        const bool ntfy = other.name == "ntfy";
        const std::string own = ntfy                        ? "CANARY-token CANARY-topic"
                                : other.name == "pagerduty" ? "CANARY-token"
                                                            : other.path;
        (void)refused(other, {{"status", 400}, {"body", "bad: PATH, " + own}});
    }
    // An answer that ends early still came.
    answers({{"status", 200}, {"body", "ok"}, {"announced", 100}});
    CHECK(send(kinds()[1]));
}

TEST_CASE_METHOD(Fixture, "a request has the signatures of both keys while one replaces the other",
                 "[targets]") {
    const Kind kind = kinds()[0];
    answers({{"status", 204}});
    REQUIRE(send(config(kind), {.signing_key = Secret{old_secret}, .old_signing_key = Secret{secret}}));
    const nlohmann::json got = requests().back();
    CHECK(got["verified"] == true);  // by a receiver that still has the old key
    const std::string signatures = got["headers"]["webhook-signature"].get<std::string>();
    CHECK(std::ranges::count(signatures, ' ') == 1);
    CHECK(signatures.starts_with("v1,"));
    REQUIRE(send(config(kind), {.signing_key = Secret{old_secret}}));
    CHECK(requests().back()["verified"] == false);
}

TEST_CASE_METHOD(Fixture, "formats of a webhook", "[targets]") {
    answers({{"status", 204}});
    ChannelConfig c = config(kinds()[0]);
    c.format = "template";
    c.content_type = "application/vnd.example+json";
    REQUIRE(send(c, {.signing_key = Secret{secret}, .template_text = R"({"say":"{{title}}"})"}));
    CHECK(requests().back()["headers"]["content-type"] == "application/vnd.example+json");
    CHECK(requests().back()["body"] == nlohmann::json{{"say", peers::warning().title}});
    CHECK(requests().back()["verified"] == true);
    c.format = "cloudevents";
    REQUIRE(send(c, {}));
    CHECK(requests().back()["headers"]["content-type"] == "application/cloudevents+json");
    CHECK(requests().back()["body"]["source"] == "curfew://here.example");
}

TEST_CASE_METHOD(Fixture, "a channel that cannot work is refused when it is made, in words without a secret",
                 "[targets]") {
    const auto fault = [&](const std::string& kind, auto change, webhook::FileContents files = {}) {
        ChannelConfig c = config({kind, "/CANARYPATH", 200, ""});
        change(c);
        const auto channel = made(*this, c, std::move(files));
        REQUIRE_FALSE(channel);
        const std::string text = to_string(channel.error());
        CHECK_THAT(text, !Contains("CANARY"));
        return text;
    };
    const auto nothing = [](ChannelConfig&) {};
    CHECK_THAT(fault("slack", [](ChannelConfig& c) { c.url.clear(); }), Contains("url"));
    CHECK_THAT(fault("slack", [](ChannelConfig& c) { c.url = "https://user:CANARY@x/"; }), Contains("url"));
    CHECK_THAT(fault("slack", nothing, {.url = Secret{"not a url CANARY"}}), Contains("url_file"));
    CHECK_THAT(fault("slack",
                     [](ChannelConfig& c) {
                         c.private_receivers.clear();
                         c.url = "http://hooks.example/CANARY";
                     }),
               Contains("https"));
    CHECK_THAT(fault("webhook", [](ChannelConfig& c) { c.private_receivers = {"10.0.0.1/8"}; }),
               Contains("private_receivers"));
    CHECK_THAT(fault("webhook", nothing, {.signing_key = Secret{"CANARY"}}), Contains("secret_file"));
    CHECK_THAT(
        fault("webhook", nothing, {.signing_key = Secret{secret}, .old_signing_key = Secret{"whsec_CANARY"}}),
        Contains("old_secret_file"));
    CHECK_THAT(fault("ntfy", [](ChannelConfig& c) { c.topic = "CANARY/topic"; }), Contains("topic"));
    CHECK_THAT(fault("pagerduty", nothing), Contains("token_file"));
    CHECK_THAT(fault("webhook",
                     [](ChannelConfig& c) {
                         c.format = "template";
                         c.template_file = "/etc/curfew/hook.mustache";
                     },
                     {.template_text = "{\"a\":{{title}}}"}),
               Contains("hook.mustache") && Contains("does not make JSON"));
    CHECK_THAT(fault("pigeon", nothing), Contains("pigeon"));
    ChannelConfig preset;
    preset.kind = "ntfy";
    preset.topic = "t";
    CHECK(made(*this, preset, {}));
    preset.kind = "pagerduty";
    CHECK(made(*this, preset, {.token = Secret{"k"}}));
}

TEST_CASE_METHOD(Fixture, "private receivers are those of the list, in plain text too, and no others",
                 "[targets]") {
    const peers::Folder box;
    const peers::Server plain("http_server.py", {box.path(), "http", certificates.server, secret});
    ChannelConfig c = config(kinds()[0]);
    c.url = "http://127.0.0.1:" + std::to_string(plain.port()) + "/ok";
    CHECK(send(c, {}));
    c.private_receivers = {"10.0.0.0/8"};
    const auto other = send(c, {});
    REQUIRE_FALSE(other);
    CHECK(other.error().code == Errc::unsafe);
    CHECK(other.error().retry == Retry::never());
    c.private_receivers.clear();
    c.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/ok";
    CHECK(send(c, {}).error().code == Errc::unsafe);
    c.allow_private = true;
    c.url = "http://169.254.169.254/latest/meta-data/";
    CHECK(send(c, {}).error().code == Errc::unsafe);
    CHECK(peers::records(box.path()).size() == 1);
    CHECK(requests().empty());
}

TEST_CASE_METHOD(Fixture, "a certificate that is not trusted is tried again: they are renewed", "[targets]") {
    const peers::Folder box;
    const peers::Server wrong("http_server.py", {box.path(), "https", certificates.other, secret});
    ChannelConfig c = config(kinds()[1]);
    c.url = "https://localhost:" + std::to_string(wrong.port()) + "/services/CANARY";
    const auto sent = send(c, {});
    REQUIRE_FALSE(sent);
    CHECK(sent.error().code == Errc::unsafe);
    CHECK(sent.error().retry == Retry::later());
    CHECK_THAT(to_string(sent.error()), !Contains("CANARY"));
    CHECK(peers::records(box.path()).empty());
}
