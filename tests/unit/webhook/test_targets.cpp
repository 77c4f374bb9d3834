// What each receiver is sent, read back as the receiver would.
#include "curfew/core/text.hpp"
#include "sample.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::webhook;
using Catch::Matchers::Contains;
using Json = nlohmann::json;
using sample::body_of;

namespace {

Parcel with_telling(Telling telling, AlertState state) {
    Parcel parcel = sample::warning();
    parcel.message.telling = telling;
    parcel.message.state = state;
    return parcel;
}

Parcel long_one() {
    Parcel parcel = sample::warning();
    std::string words;
    while (words.size() < 30'000) {
        words += "R&D_*caf\xC3\xA9 \xF0\x9F\x98\x80 \"quoted\" ";
    }
    parcel.message.title = words;
    parcel.message.body.assign(60, words);
    parcel.message.do_next = words;
    parcel.message.cause = words;
    parcel.message.resource_name = words;
    return parcel;
}

std::string text_of(const Answer& answer, const Target& target) {
    const auto said = target.said(answer);
    return said ? "ok:" + *said : std::string{said.error().may_retry() ? "later" : "never"};
}

std::size_t utf16(const Json& text) {
    return length_in(TextUnit::utf16, text.get<std::string>());
}

}  // namespace

TEST_CASE("Slack gets a fallback and blocks in which only the command is markup") {
    const Json got = body_of(*slack_target(), sample::warning("R&D <x>"));
    CHECK(got["text"] ==
          "R&amp;D &lt;x&gt; (A4000, $0.76/h, $12.34 so far) will be packed and stopped at 10:45 UTC");
    CHECK(got["mrkdwn"] == false);
    CHECK(got["unfurl_links"] == false);
    const Json& blocks = got["blocks"];
    CHECK(blocks[0]["type"] == "header");
    CHECK(blocks[0]["text"]["text"] == got["text"]);
    CHECK(blocks[1]["text"] ==
          Json{{"type", "plain_text"}, {"text", "Why: quiet for 1h. No kernel, no GPU."}, {"emoji", false}});
    CHECK(blocks[3]["text"]["type"] == "mrkdwn");
    CHECK(blocks[3]["text"]["text"] == "```curfew keep R&amp;D &lt;x&gt; --for 2h```");
    CHECK(blocks[3]["text"]["verbatim"] == true);
    const Json& facts = blocks[4]["elements"];
    CHECK(blocks[4]["type"] == "context");
    CHECK(facts.size() <= 10);
    CHECK(facts[0]["text"] == "Severity: warning, firing");
    CHECK(facts[2]["text"] == "Resource: R&amp;D &lt;x&gt; (n8k2)");
    for (const Json& fact : facts) {
        CHECK(fact["type"] == "plain_text");
    }
    Parcel to = sample::warning();
    to.to = "U024BE7LH";
    CHECK_THAT(body_of(*slack_target(), to)["text"].get<std::string>(),
               Catch::Matchers::StartsWith("<@U024BE7LH> demo"));
    to.to = "<!channel>";
    CHECK_THAT(body_of(*slack_target(), to).dump(), !Contains("<!channel>") && Contains("!channel&gt;"));
}

TEST_CASE("Slack's bounds hold, and its answers are read") {
    const Json got = body_of(*slack_target(), long_one());
    CHECK(got["blocks"].size() <= 50);
    for (const Json& block : got["blocks"]) {
        if (block.contains("text")) {
            CHECK(utf16(block["text"]["text"]) <= 3000);
        }
    }
    CHECK_THAT(got["text"].get<std::string>(), Catch::Matchers::EndsWith("… (cut)"));
    CHECK_THAT(got.dump(), Contains("more paragraphs (cut)"));
    const auto slack = slack_target();
    CHECK(text_of({200, "text/html", "ok"}, *slack) == "later");
    CHECK(text_of({200, "text/plain", "ok"}, *slack) == "ok:ok");
    CHECK(text_of({200, "", "ok\n"}, *slack) == "ok:ok");
    CHECK(text_of({200, "", ""}, *slack) == "ok:");
    CHECK(text_of({200, "application/json", R"({"ok":true})"}, *slack) == "ok:ok");
    CHECK(text_of({200, "application/json", R"({"ok":false,"error":"no_text"})"}, *slack) == "never");
    CHECK(text_of({200, "text/plain", "invalid_payload"}, *slack) == "never");
    CHECK(text_of({200, "", " <!DOCTYPE html><title>Sign in</title>"}, *slack) == "later");
}

TEST_CASE("Discord gets Markdown that says what it says, and pings nobody") {
    const Json got = body_of(*discord_target(), sample::warning("a_b*c"));
    CHECK(got["allowed_mentions"] == Json{{"parse", Json::array()}});
    CHECK_THAT(got["content"].get<std::string>(), Catch::Matchers::StartsWith("a\\_b\\*c \\(A4000, $0.76/h"));
    const Json& embed = got["embeds"][0];
    CHECK(embed["color"] == 0xF1C40F);
    CHECK(embed["timestamp"] == "2026-11-23T10:15:00Z");
    CHECK(embed["description"] ==
          "Why: quiet for 1h. No kernel, no GPU.\n\nThe outputs of a\\_b\\*c go to vault main.");
    CHECK(embed["fields"][0]["value"] == "```\ncurfew keep a_b*c --for 2h\n```");
    CHECK(embed["fields"].size() <= 25);
    Parcel to = sample::warning();
    to.to = "80351110224678912";
    const Json told = body_of(*discord_target(), to);
    CHECK(told["allowed_mentions"] == Json{{"parse", Json::array()}, {"users", {"80351110224678912"}}});
    CHECK_THAT(told["content"].get<std::string>(), Catch::Matchers::StartsWith("<@80351110224678912> demo"));
    CHECK(body_of(*discord_target(),
                  with_telling(Telling::resolved, AlertState::resolved))["embeds"][0]["color"] == 0x2ECC71);
}

TEST_CASE("Discord's bounds hold, and its answers are read") {
    const Json got = body_of(*discord_target(), long_one());
    CHECK(utf16(got["content"]) <= 2000);
    const Json& embed = got["embeds"][0];
    CHECK(utf16(embed["description"]) <= 4096);
    std::size_t all = utf16(embed["description"]);
    for (const Json& field : embed["fields"]) {
        CHECK(utf16(field["value"]) <= 1024);
        CHECK(utf16(field["name"]) <= 256);
        all += utf16(field["value"]) + utf16(field["name"]);
    }
    CHECK(all <= 6000);
    const auto discord = discord_target();
    CHECK(discord->wait_in(R"({"message":"slow down","retry_after":0.65,"global":false})") == Duration{650});
    CHECK(discord->wait_in(R"({"retry_after":64})") == seconds{64});
    CHECK_FALSE(discord->wait_in(R"({"retry_after":-1})"));
    CHECK_FALSE(discord->wait_in(R"({"retry_after":1e300})"));
    CHECK_FALSE(discord->wait_in(R"({"retry_after":"soon"})"));
    CHECK_FALSE(discord->wait_in("<html>"));
    CHECK(text_of({200, "application/json", R"({"id":"1234","webhook_id":"99"})"}, *discord) ==
          "ok:message 1234");
    CHECK(text_of({204, "", ""}, *discord) == "ok:");
    CHECK(text_of({200, "text/html; charset=utf-8", "x"}, *discord) == "later");
}

TEST_CASE("Teams gets an Adaptive Card whose words are no Markdown") {
    const Json got = body_of(*teams_target(), sample::warning("[x](http://evil)"));
    CHECK(got["type"] == "message");
    const Json& attachment = got["attachments"][0];
    CHECK(attachment["contentType"] == "application/vnd.microsoft.card.adaptive");
    const Json& card = attachment["content"];
    CHECK(card["type"] == "AdaptiveCard");
    CHECK(card["version"] == "1.4");
    for (const Json& block : card["body"]) {
        CHECK(block["type"] == "RichTextBlock");  // a TextBlock would read Markdown
        for (const Json& run : block["inlines"]) {
            CHECK(run["type"] == "TextRun");
        }
    }
    CHECK(card["body"][0]["inlines"][0]["text"] ==
          "[x](http://evil) (A4000, $0.76/h, $12.34 so far) will be packed and stopped at 10:45 UTC");
    CHECK(card["body"][3]["inlines"][0]["text"] == "curfew keep [x](http://evil) --for 2h");
    CHECK(card["body"][3]["inlines"][0]["fontType"] == "monospace");
    CHECK_FALSE(card["msteams"].contains("entities"));
    CHECK(teams_target()->letter(long_one())->body.size() < 28'000);
    const auto teams = teams_target();
    CHECK(text_of({202, "", ""}, *teams) == "ok:");
    CHECK(text_of({200, "text/plain", "1"}, *teams) == "ok:1");
    CHECK(
        text_of(
            {200, "text/plain",
             "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"},
            *teams) == "later");
    CHECK(text_of({200, "text/html", "<html>sign in</html>"}, *teams) == "later");
}

TEST_CASE("ntfy gets JSON below its bound, with a priority and tags") {
    const auto ntfy = ntfy_target("curfew-team");
    REQUIRE(ntfy);
    const Json got = body_of(**ntfy, sample::warning());
    CHECK(got["topic"] == "curfew-team");
    CHECK(got["title"] == sample::warning().message.title);
    CHECK(got["message"] ==
          "Why: quiet for 1h. No kernel, no GPU.\n\nThe outputs of demo go to vault main.\n\n"
          "curfew keep demo --for 2h");
    CHECK(got["priority"] == 4);
    CHECK(got["tags"] == Json{"warning", "stop_warning"});
    CHECK_FALSE(got.contains("actions"));
    CHECK_FALSE(got.contains("markdown"));
    Parcel critical = sample::warning();
    critical.message.severity = Severity::critical;
    CHECK(body_of(**ntfy, critical)["priority"] == 5);
    CHECK(body_of(**ntfy, with_telling(Telling::resolved, AlertState::resolved))["priority"] == 2);
    Parcel own = sample::warning();
    own.to = "ana-phone";
    CHECK(body_of(**ntfy, own)["topic"] == "ana-phone");
    own.to = "ana@example.org";
    CHECK(body_of(**ntfy, own)["topic"] == "curfew-team");
    CHECK_THAT(body_of(**ntfy, own)["message"].get<std::string>(), Contains("For: ana@example.org"));
    Parcel bare = sample::warning();
    bare.message.body.clear();
    bare.message.do_next.clear();
    CHECK(body_of(**ntfy, bare)["message"] == bare.message.title);
    const auto letter = (*ntfy)->letter(long_one());
    REQUIRE(letter);
    CHECK(letter->body.size() <= 4096);
    CHECK_THAT(Json::parse(letter->body)["message"].get<std::string>(), Contains("(cut)"));
    for (const std::string bad : {"", "a/b", "a b", "caf\xC3\xA9", "a?b"}) {
        CHECK_FALSE(ntfy_target(bad));
    }
    CHECK_FALSE(ntfy_target(std::string(65, 'x')));
    CHECK(text_of({200, "application/json", R"({"id":"x1","topic":"curfew-team"})"}, **ntfy) ==
          "ok:message x1");
}

TEST_CASE("PagerDuty has one incident per alert, from its beginning to its end") {
    const auto duty = pagerduty_target(Secret{"R0UT1NGKEY"}, "gpu-watch.example", "/v2/enqueue");
    struct Case {
        Telling telling;
        AlertState state;
        const char* action;
    };
    for (const Case& c : {Case{Telling::firing, AlertState::firing, "trigger"},
                          Case{Telling::rise, AlertState::firing, "trigger"},
                          Case{Telling::repeat, AlertState::firing, "trigger"},
                          Case{Telling::escalation, AlertState::firing, "trigger"},
                          Case{Telling::acknowledged, AlertState::acknowledged, "acknowledge"},
                          Case{Telling::resolved, AlertState::resolved, "resolve"}}) {
        CAPTURE(c.action);
        const auto letter = duty->letter(with_telling(c.telling, c.state));
        REQUIRE(letter);
        CHECK(letter->path.empty());
        const Json got = Json::parse(letter->body);
        CHECK(got["routing_key"] == "R0UT1NGKEY");
        CHECK(got["event_action"] == c.action);
        CHECK(got["dedup_key"] == "stop/demo");
        CHECK(got.contains("payload") == (std::string{c.action} == "trigger"));
    }
    const Json got = body_of(*duty, sample::warning());
    CHECK(got["payload"]["summary"] == sample::warning().message.title);
    CHECK(got["payload"]["source"] == "gpu-watch.example");
    CHECK(got["payload"]["severity"] == "warning");
    CHECK(got["payload"]["timestamp"] == "2026-11-23T10:15:00Z");
    CHECK(got["payload"]["component"] == "demo");
    CHECK(got["payload"]["custom_details"]["to do"] == "curfew keep demo --for 2h");
}

TEST_CASE("PagerDuty's keys are stable and bounded, and what has no life is a change event") {
    const auto duty = pagerduty_target(Secret{"R0UT1NGKEY"}, "here", "/v2/enqueue");
    Parcel parcel = sample::warning();
    const auto key_for = [&](const std::string& key) {
        parcel.message.key = key;
        return body_of(*duty, parcel)["dedup_key"].get<std::string>();
    };
    CHECK(key_for(std::string(255, 'k')) == std::string(255, 'k'));
    const std::string hashed = key_for(std::string(256, 'k'));
    CHECK(hashed.size() == 71);
    CHECK(hashed.starts_with("sha256:"));
    CHECK(key_for(std::string(256, 'k')) == hashed);
    CHECK(key_for(std::string(256, 'k') + "l") != hashed);
    CHECK(key_for("budget/caf\xC3\xA9").starts_with("sha256:"));
    CHECK(key_for("two words").starts_with("sha256:"));
    for (const bool keyless : {true, false}) {
        Parcel notice = sample::warning();
        notice.message.telling = keyless ? Telling::firing : Telling::notice;
        notice.message.key = keyless ? "" : "stop/demo";
        const auto letter = duty->letter(notice);
        REQUIRE(letter);
        CHECK(letter->path == "/v2/change/enqueue");
        const Json got = Json::parse(letter->body);
        CHECK_FALSE(got.contains("event_action"));
        CHECK_FALSE(got["payload"].contains("severity"));
        CHECK(got["payload"]["summary"] == notice.message.title);
    }
    CHECK(utf16(body_of(*duty, long_one())["payload"]["summary"]) <= 1024);
    CHECK(text_of({202, "application/json", R"({"status":"success","message":"Event processed"})"}, *duty) ==
          "ok:success");
    CHECK(text_of({202, "application/json", R"({"status":"invalid event","errors":["x"]})"}, *duty) ==
          "never");
}

TEST_CASE("CloudEvents are in structured mode, and no attribute is empty") {
    const auto events = cloudevents_target("gpu watch");
    const auto letter = events->letter(sample::warning());
    REQUIRE(letter);
    CHECK(letter->content_type == "application/cloudevents+json");
    const Json got = Json::parse(letter->body);
    CHECK(got["specversion"] == "1.0");
    CHECK(got["id"] == "msg_0123456789ab");
    CHECK(got["source"] == "curfew://gpu%20watch");
    CHECK(got["type"] == "curfew.stop_warning");
    CHECK(got["time"] == "2026-11-23T10:15:00Z");
    CHECK(got["subject"] == "n8k2");
    CHECK(got["data"]["title"] == sample::warning().message.title);
    Parcel bare = sample::warning();
    bare.message.resource = {};
    CHECK(body_of(*events, bare)["subject"] == "stop/demo");
    bare.message.key.clear();
    CHECK_FALSE(body_of(*events, bare).contains("subject"));
}

TEST_CASE("tables are told as lines, in every target that shows words") {
    Parcel parcel = sample::warning();
    parcel.message.tables = {
        {.title = "This week", .rows = {{"team", "$45.00 of $50.00", 900}, {"ana\nx", "$5.00", {}}}}};
    for (const sample::Named& t : sample::all_targets()) {
        CAPTURE(t.name);
        const std::string all = body_of(*t.target, parcel).dump();
        CHECK_THAT(all, Contains("This week\\nteam: $45.00 of $50.00\\nana x: $5.00"));
    }
}

TEST_CASE("a keep link is in ntfy's button and nowhere else") {
    Parcel parcel = sample::warning();
    parcel.message.keep_url = "https://curfew.example/k/PAYLOAD.SIGNATURE";
    for (const sample::Named& t : sample::all_targets()) {
        CAPTURE(t.name);
        const Json got = body_of(*t.target, parcel);
        CHECK((got.dump().find("SIGNATURE") != std::string::npos) == (t.name == "ntfy"));
        if (t.name == "ntfy") {
            CHECK(got["actions"][0]["url"] == *parcel.message.keep_url);
            CHECK(got["actions"][0]["method"] == "POST");
        }
    }
    parcel.message.keep_url = "https://curfew.example/k/" + std::string(2000, 'x');
    CHECK_FALSE(body_of(**ntfy_target("t"), parcel).contains("actions"));
}
