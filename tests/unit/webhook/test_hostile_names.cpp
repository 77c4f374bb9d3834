// Names that want more than to be shown, in every target.
#include "adapters/webhook/words.hpp"
#include "sample.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <regex>

using namespace curfew;
using Catch::Matchers::Contains;

namespace {

const std::vector<std::string>& nasty_names() {
    static const std::vector<std::string> names = {
        "@everyone",
        "@here",
        "@channel",
        "@team",
        "<!channel>",
        "<!here>",
        "<!subteam^S123>",
        "<@U024BE7LH>",
        "<@&80351110224678912>",
        "<@80351110224678912>",
        "<#C123>",
        "<http://evil.example|click me>",
        "[click me](http://evil.example)",
        "![x](http://evil.example/x.png)",
        "<at>Boss</at>",
        "{{DATE(2026-01-01T00:00:00Z,SHORT)}}",
        "```\n@everyone\n```",
        "`code`",
        "**bold** _it_ ~~no~~ ||spoiler||",
        "# heading",
        "> quote",
        "\"},\"routing_key\":\"other\",\"x\":{\"",
        "\",\"allowed_mentions\":{\"parse\":[\"everyone\"]},\"x\":\"",
        "\\\",\\\"",
        "a\r\nX-Injected: 1\r\n\r\nbody",
        "a\nwebhook-signature: v1,forged",
        "\x1b[31mred\x07",
        std::string{"nul\0nul", 7},
        "\xFF\xFE not UTF-8 \xC0\xAF",
        "\xED\xA0\x80 surrogate",
        "right\xE2\x80\xAEto\xE2\x80\xAC left",
        "\xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x92\xBB",
        "${jndi:ldap://evil.example/a}",
        "@{outputs('x')}",
        "<script>alert(1)</script>",
        std::string(5000, '@'),
        std::string(5000, '<'),
        std::string(5000, '\\'),
        std::string(5000, '`'),
        "",
    };
    return names;
}

/// A parcel in which everything that a guest or a provider may choose is that name.
Parcel named(const std::string& name) {
    Parcel parcel = sample::warning(name);
    Message& m = parcel.message;
    m.body.push_back(name);
    m.cause = "rule " + name;
    m.account = AccountName{name};
    m.resource = ResourceId{name};
    m.run = RunId{name};
    m.owner = name;
    parcel.to = name;
    return parcel;
}

nlohmann::json skeleton(const nlohmann::json& json) {
    if (json.is_object()) {
        nlohmann::json keys = nlohmann::json::object();
        for (const auto& item : json.items()) {
            keys[item.key()] = skeleton(item.value());
        }
        return keys;
    }
    return json.is_array() ? nlohmann::json("array") : nlohmann::json(json.type_name());
}

bool pings(const std::string& text) {
    static const std::regex ping(R"(@(everyone|here|channel|team|all)\b|<[@!#]|</?at>)", std::regex::icase);
    return std::regex_search(text, ping);
}

bool has_controls(const std::string& text) {
    return std::ranges::any_of(
        text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F; });
}

/// Marks of Markdown that no backslash takes the meaning from.
bool marked_up(std::string text) {
    static const std::regex escaped(R"(\\[^0-9A-Za-z\s])");
    text = std::regex_replace(text, escaped, "");
    return text.find_first_of("*_~`|<>#[]") != std::string::npos;
}

}  // namespace

TEST_CASE("no name changes the shape of a request, ends a line or leaves control characters") {
    for (const sample::Named& t : sample::all_targets()) {
        Parcel plain = named("demo");
        plain.message.do_next = "curfew keep demo --for 2h";
        const nlohmann::json shape = skeleton(sample::body_of(*t.target, plain));
        for (const std::string& name : nasty_names()) {
            CAPTURE(t.name, name);
            const auto letter = t.target->letter(named(name));
            REQUIRE(letter);
            REQUIRE(nlohmann::json::accept(letter->body));
            const nlohmann::json got = nlohmann::json::parse(letter->body);
            for (const std::string& text : sample::strings_in(got)) {
                CHECK_FALSE(has_controls(text));
                CHECK(plain_lines(text) == text);
            }
            if (!name.empty() && name.size() < 5000) {
                nlohmann::json named_shape = skeleton(got);
                named_shape.erase("subject");
                nlohmann::json expected = shape;
                expected.erase("subject");
                CHECK(named_shape == expected);
            }
            CHECK(letter->content_type.find_first_of("\r\n") == std::string::npos);
            CHECK(letter->path.find_first_of("\r\n ") == std::string::npos);
        }
    }
}

TEST_CASE("no name pings anybody in a chat") {
    for (const sample::Named& t : sample::all_targets()) {
        if (t.name != "slack" && t.name != "discord" && t.name != "teams") {
            continue;  // the others show text as it is and know no mentions
        }
        for (const std::string& name : nasty_names()) {
            CAPTURE(t.name, name);
            const nlohmann::json got = sample::body_of(*t.target, named(name));
            for (const std::string& text : sample::strings_in(got)) {
                CAPTURE(text);
                CHECK_FALSE(pings(text));
            }
            if (t.name == "discord") {
                CHECK(got["allowed_mentions"] == nlohmann::json{{"parse", nlohmann::json::array()}});
            }
        }
    }
}

TEST_CASE("no name is markup: Slack") {
    const auto slack = webhook::slack_target();
    static const std::regex entity("&(amp|lt|gt);");
    for (const std::string& name : nasty_names()) {
        CAPTURE(name);
        const nlohmann::json got = sample::body_of(*slack, named(name));
        CHECK(got["mrkdwn"] == false);
        for (const std::string& text : sample::strings_in(got)) {
            CHECK_THAT(text, !Contains("<") && !Contains(">"));
            CHECK_THAT(std::regex_replace(text, entity, ""), !Contains("&"));
        }
        int commands = 0;
        for (const auto& block : got["blocks"]) {
            if (block.contains("text") && block["text"]["type"] == "mrkdwn") {
                const std::string text = block["text"]["text"].get<std::string>();
                CHECK(std::ranges::count(text, '`') == 6);  // the code block's own
                CHECK(text.starts_with("```"));
                CHECK(text.ends_with("```"));
                ++commands;
            }
        }
        CHECK(commands == 1);
    }
}

TEST_CASE("no name is markup: Discord") {
    const auto discord = webhook::discord_target();
    for (const std::string& name : nasty_names()) {
        CAPTURE(name);
        const nlohmann::json got = sample::body_of(*discord, named(name));
        CHECK_FALSE(marked_up(got["content"].get<std::string>()));
        CHECK_FALSE(marked_up(got["embeds"][0].value("description", "")));
        for (const auto& field : got["embeds"][0]["fields"]) {
            const std::string value = field["value"].get<std::string>();
            if (field["name"] == "To do") {
                CHECK(std::ranges::count(value, '`') == 6);
            } else {
                CHECK_FALSE(marked_up(value));
            }
        }
    }
}

TEST_CASE("no name is markup: Teams") {
    const auto teams = webhook::teams_target();
    for (const std::string& name : nasty_names()) {
        CAPTURE(name);
        const nlohmann::json card = sample::body_of(*teams, named(name))["attachments"][0]["content"];
        for (const auto& block : card["body"]) {
            CHECK(block["type"] == "RichTextBlock");
        }
        for (const std::string& text : sample::strings_in(card)) {
            CHECK_THAT(text, !Contains("{{"));
        }
    }
}

TEST_CASE("where nothing is markup, a name stays what it is") {
    const std::string name = "<!here> & @team `x` \"q\" \\";
    const nlohmann::json record = sample::body_of(*webhook::standard_target(), named(name))["data"];
    CHECK(record["resource_name"] == name);
    CHECK_THAT(sample::body_of(**webhook::ntfy_target("t"), named(name))["title"].get<std::string>(),
               Catch::Matchers::StartsWith(name));
    const auto duty = webhook::pagerduty_target(Secret{"K"}, "here", "/v2/enqueue");
    CHECK(sample::body_of(*duty, named(name))["payload"]["component"] == name);
}
