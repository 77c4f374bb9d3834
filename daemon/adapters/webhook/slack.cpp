// Slack's incoming webhooks. Words of ours and of others stand in plain_text only, where nothing is markup; the one
// mrkdwn block is the command, as code.
#include "adapters/http/json.hpp"
#include "adapters/webhook/target.hpp"
#include "adapters/webhook/words.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t header_max = 150;
constexpr std::size_t section_max = 2900;
constexpr std::size_t body_max = 12'000;
constexpr std::size_t paragraphs_max = 20;
constexpr std::size_t fact_max = 400;

std::string entities(std::string text) {
    std::string out;
    for (const char c : text) {
        out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string{c};
    }
    return out;
}

std::string escaped(std::string_view text) {
    return entities(without_pings(text));
}

std::string escaped_code(std::string_view text) {
    return entities(as_code(text));
}

Json plain(const std::string& text) {
    return {{"type", "plain_text"}, {"text", text}, {"emoji", false}};
}

Json section(Json text) {
    return {{"type", "section"}, {"text", std::move(text)}};
}

Json markup(const std::string& text) {
    return {{"type", "mrkdwn"}, {"text", text}, {"verbatim", true}};
}

bool is_member(std::string_view to) {
    return to.size() >= 5 && to.size() <= 24 && (to[0] == 'U' || to[0] == 'W') &&
           std::ranges::all_of(to, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

class Slack final : public Target {
public:
    Result<Letter> letter(const Parcel& parcel) const override {
        const Message& m = parcel.message;
        const bool member = is_member(parcel.to);
        const std::string mention = member ? "<@" + parcel.to + ">" : "";
        const std::string title = plain_line(m.title);
        Json blocks = Json::array();
        const std::string short_title = escaped(title);
        blocks.push_back(length_in(TextUnit::utf16, short_title) <= header_max
                             ? Json{{"type", "header"}, {"text", plain(short_title)}}
                             : section(plain(fitted(title, section_max, TextUnit::utf16, escaped))));
        if (member) {
            blocks.push_back(section(markup(mention)));
        }
        for (const std::string& paragraph :
             paragraphs_of(m, {section_max, body_max, paragraphs_max, TextUnit::utf16}, escaped)) {
            if (!paragraph.empty()) {
                blocks.push_back(section(plain(paragraph)));
            }
        }
        if (!m.do_next.empty()) {
            const std::string command = fitted(plain_line(m.do_next), section_max, TextUnit::utf16,
                                               escaped_code);
            blocks.push_back(section(markup("```" + command + "```")));
        }
        Json facts = Json::array();
        for (const Fact& fact : facts_of(m, member ? "" : parcel.to)) {
            facts.push_back(
                plain(fitted(fact.label + ": " + fact.value, fact_max, TextUnit::utf16, escaped)));
        }
        blocks.push_back({{"type", "context"}, {"elements", std::move(facts)}});
        const Json letter = {
            {"text", (member ? mention + " " : "") + fitted(title, section_max, TextUnit::utf16, escaped)},
            {"mrkdwn", member},  // a mention is markup
            {"unfurl_links", false},
            {"unfurl_media", false},
            {"blocks", std::move(blocks)},
        };
        return Letter{.body = dump(letter), .content_type = "application/json", .path = {}};
    }

    /// "ok", and what says the same in receivers that speak Slack's dialect.
    Result<std::string> said(const Answer& answer) const override {
        if (auto page = no_page(answer); !page) {
            return std::unexpected(page.error());
        }
        std::string text = plain_line(answer.body);
        text.erase(text.find_last_not_of(' ') + 1);
        if (text.empty() || text == "ok") {
            return text;
        }
        if (const auto json = json::parse(text)) {
            if ((*json)["ok"].boolean().value_or(false) || (*json)["success"].boolean().value_or(false)) {
                return std::string{"ok"};
            }
        }
        return fail(Errc::protocol, "HTTP " + std::to_string(answer.status) + ", but not \"ok\": " + text);
    }
};

}  // namespace

std::unique_ptr<Target> slack_target() {
    return std::make_unique<Slack>();
}

}  // namespace curfew::webhook
