// Teams' Workflows webhooks: an Adaptive Card in a message. Words stand in text runs only: a TextBlock would read
// them as Markdown.
#include "adapters/webhook/target.hpp"
#include "adapters/webhook/words.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

// Together far below the 28 kB of a card, also when every character is escaped.
constexpr std::size_t title_max = 1000;
constexpr std::size_t paragraph_max = 2000;
constexpr std::size_t body_max = 7000;
constexpr std::size_t paragraphs_max = 20;
constexpr std::size_t command_max = 800;

/// Cards replace "{{DATE(…)}}"; pings are only for entities that a card lists, and names look like none.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : without_pings(text)) {
        if (c == '{' && out.ends_with('{')) {
            out += "\u200B";
        }
        out += c;
    }
    return out;
}

Json run(const std::string& text) {
    return {{"type", "TextRun"}, {"text", text}};
}

Json block(Json inlines) {
    return {{"type", "RichTextBlock"}, {"inlines", std::move(inlines)}};
}

const char* color_of(const Message& m) {
    if (m.telling != Telling::notice && m.state == AlertState::resolved) {
        return "good";
    }
    return m.severity == Severity::critical  ? "attention"
           : m.severity == Severity::warning ? "warning"
                                             : "default";
}

class Teams final : public Target {
public:
    Result<Letter> letter(const Parcel& parcel) const override {
        const Message& m = parcel.message;
        const std::string title = fitted(plain_line(m.title), title_max, TextUnit::bytes, escaped);
        Json head = run(title);
        head["weight"] = "bolder";
        head["size"] = "medium";
        head["color"] = color_of(m);
        Json body = Json::array({block(Json::array({std::move(head)}))});
        for (const std::string& paragraph :
             paragraphs_of(m, {paragraph_max, body_max, paragraphs_max, TextUnit::bytes}, escaped)) {
            body.push_back(block(Json::array({run(paragraph)})));
        }
        if (!m.do_next.empty()) {
            Json command = run(fitted(plain_line(m.do_next), command_max, TextUnit::bytes, escaped));
            command["fontType"] = "monospace";
            body.push_back(block(Json::array({std::move(command)})));
        }
        for (const Fact& fact : facts_of(m, parcel.to)) {
            Json label = run(fact.label + ": ");
            label["isSubtle"] = true;
            body.push_back(block(Json::array({std::move(label), run(escaped(fact.value))})));
        }
        const Json card = {{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
                           {"type", "AdaptiveCard"},
                           {"version", "1.4"},
                           {"fallbackText", title},
                           {"msteams", {{"width", "Full"}}},
                           {"body", std::move(body)}};
        const Json letter = {
            {"type", "message"},
            {"summary", title},
            {"attachments", Json::array({{{"contentType", "application/vnd.microsoft.card.adaptive"},
                                          {"contentUrl", nullptr},
                                          {"content", card}}})}};
        return Letter{.body = dump(letter), .content_type = "application/json", .path = {}};
    }

    /// 202 is what a flow says when it has started. Older connectors say 200 and then, in the text, that it failed.
    Result<std::string> said(const Answer& answer) const override {
        if (auto page = no_page(answer); !page) {
            return std::unexpected(page.error());
        }
        if (answer.body.find("delivery failed") != std::string::npos) {
            const bool busy = answer.body.find("429") != std::string::npos;
            return fail(busy ? Errc::rate_limited : Errc::protocol,
                        "HTTP " + std::to_string(answer.status) + ", but: " + answer.body, {},
                        Retry::later());
        }
        return answer.body;
    }
};

}  // namespace

std::unique_ptr<Target> teams_target() {
    return std::make_unique<Teams>();
}

}  // namespace curfew::webhook
