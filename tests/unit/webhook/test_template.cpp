// Bodies of a user's own making.
#include "adapters/webhook/template.hpp"
#include "sample.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::webhook;
using Catch::Matchers::Contains;

namespace {

std::string filled(const std::string& text, const std::string& type, const Parcel& parcel) {
    const auto made = template_target(text, type);
    INFO((made ? "" : to_string(made.error())));
    REQUIRE(made);
    const auto letter = (*made)->letter(parcel);
    INFO((letter ? "" : to_string(letter.error())));
    REQUIRE(letter);
    CHECK(letter->content_type == type);
    return letter->body;
}

std::string refused(const std::string& text, const std::string& type = "application/json") {
    const auto made = template_target(text, type);
    REQUIRE_FALSE(made);
    CHECK_FALSE(made.error().may_retry());
    return made.error().text;
}

const std::string odd = "a\"b\\c\n<d>&\xE2\x82\xAC";

}  // namespace

TEST_CASE("in JSON every value stays within its quotes, also unescaped ones") {
    for (const std::string text : {R"({"name":"{{resource_name}}"})", R"({"name":"{{{resource_name}}}"})",
                                   R"({"name":"{{&resource_name}}"})"}) {
        CAPTURE(text);
        for (const std::string type :
             {"application/json", "application/vnd.example+json; charset=utf-8", "text/JSON"}) {
            const auto got = nlohmann::json::parse(filled(text, type, sample::warning(odd)));
            CHECK(got == nlohmann::json{{"name", "a\"b\\c <d>&\xE2\x82\xAC"}});
        }
    }
}

TEST_CASE("lists, money, what is missing, and the whole record") {
    const std::string text =
        R"({"rows":[{{#body}}"{{text}}"{{^last}},{{/last}}{{/body}}],)"
        R"("stop":{{#stops_at}}"{{stops_at}}"{{/stops_at}}{{^stops_at}}null{{/stops_at}},)"
        R"("cost":"{{cost_so_far}}","shown":"{{cost_so_far_text}}","saved":"{{saved}}",)"
        R"("record":{{record}}})";
    auto got = nlohmann::json::parse(filled(text, "application/json", sample::warning()));
    CHECK(got["rows"] == sample::warning().message.body);
    CHECK(got["stop"] == "2026-11-23T10:45:00Z");
    CHECK(got["cost"] == "12.340000000");
    CHECK(got["shown"] == "$12.34");
    CHECK(got["saved"] == "");
    CHECK(got["record"]["alert"] == "al_77");
    Parcel bare = sample::warning();
    bare.message.stops_at.reset();
    bare.message.body.clear();
    got = nlohmann::json::parse(filled(text, "application/json", bare));
    CHECK(got["stop"].is_null());
    CHECK(got["rows"].empty());
}

TEST_CASE("other forms have their own escapes") {
    CHECK(filled("<p>{{resource_name}}</p>", "text/html", sample::warning(odd)) ==
          "<p>a&quot;b\\c &lt;d&gt;&amp;\xE2\x82\xAC</p>");
    CHECK(filled("name={{resource_name}}", "application/x-www-form-urlencoded", sample::warning("a&b=c d")) ==
          "name=a%26b%3Dc%20d");
    CHECK(filled("{{resource_name}}", "text/plain", sample::warning("a&b <c>")) == "a&b <c>");
}

TEST_CASE("a template with a fault is refused, in words, before anything is sent") {
    CHECK_THAT(refused("{\"a\":\"{{title\"}"), Contains("does not parse"));
    CHECK_THAT(refused("{{#body}}x"), Contains("does not parse"));
    CHECK_THAT(refused("{{/body}}x"), Contains("does not parse"));
    CHECK_THAT(refused(R"({"a":"{{headline}}"})"), Contains("{{headline}}"));
    CHECK_THAT(refused(R"({"a":"{{#body}}{{.}}{{/body}}"})"), Contains("{{.}}"));
    CHECK_THAT(refused(R"({"a":"{{> other}}"})"), Contains("{{> other}}"));
    CHECK_THAT(refused(R"({"a":"{{^stops_at}}{{nothing}}{{/stops_at}}"})"), Contains("{{nothing}}"));
    CHECK_THAT(refused(R"({"a":{{title}}})"), Contains("does not make JSON"));
    CHECK_THAT(refused(R"({"a":"{{title}}",})"), Contains("does not make JSON"));
    CHECK_THAT(refused(R"({"rows":[{{#body}}"{{text}}",{{/body}}]})"), Contains("does not make JSON"));
    CHECK_THAT(refused(R"({"stop":{{#stops_at}}"{{stops_at}}"{{/stops_at}}})"),
               Contains("does not make JSON"));
    CHECK_THAT(refused("", "text/plain"), Contains("empty"));
    CHECK_THAT(refused(""), Contains("does not make JSON"));
    CHECK_THAT(refused("x", "text/plain\r\nX-Other: 1"), Contains("content_type"));
    CHECK_THAT(refused("x", "plain"), Contains("content_type"));
    CHECK_THAT(refused(std::string(70'000, 'x'), "text/plain"), Contains("64 KiB"));
}
