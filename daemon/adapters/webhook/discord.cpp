// Discord's webhooks. Everything is escaped as Markdown, and no mention is allowed but the one that was asked for.
#include "adapters/http/json.hpp"
#include "adapters/webhook/target.hpp"
#include "adapters/webhook/words.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

// Discord's own bounds are 2000 for the content, 4096 for a description, 1024 for a field, 6000 for an embed.
constexpr std::size_t content_max = 1900;
constexpr std::size_t description_max = 3000;
constexpr std::size_t paragraphs_max = 32;
constexpr std::size_t command_max = 800;
constexpr std::size_t fact_max = 150;

constexpr int color_info = 0x3498DB;
constexpr int color_warning = 0xF1C40F;
constexpr int color_critical = 0xE74C3C;
constexpr int color_over = 0x2ECC71;

std::string escaped(std::string_view text) {
    constexpr std::string_view marks = "\\*_~`|<>#[]()";
    std::string out;
    for (const char c : without_pings(text)) {
        if (marks.find(c) != marks.npos) {
            out += '\\';
        }
        out += c;
    }
    return out;
}

int color_of(const Message& m) {
    if (m.telling != Telling::notice && m.state == AlertState::resolved) {
        return color_over;
    }
    return m.severity == Severity::critical  ? color_critical
           : m.severity == Severity::warning ? color_warning
                                             : color_info;
}

bool is_user(std::string_view to) {
    return to.size() >= 5 && to.size() <= 20 &&
           std::ranges::all_of(to, [](char c) { return c >= '0' && c <= '9'; });
}

class Discord final : public Target {
public:
    Result<Letter> letter(const Parcel& parcel) const override {
        const Message& m = parcel.message;
        const bool user = is_user(parcel.to);
        std::string description;
        for (const std::string& paragraph : paragraphs_of(
                 m,
                 {description_max / 2, description_max - 2 * paragraphs_max, paragraphs_max, TextUnit::utf16},
                 escaped)) {
            description += (description.empty() ? "" : "\n\n") + paragraph;
        }
        Json fields = Json::array();
        if (!m.do_next.empty()) {
            const std::string command = fitted(plain_line(m.do_next), command_max, TextUnit::utf16, as_code);
            fields.push_back({{"name", "To do"}, {"value", "```\n" + command + "\n```"}, {"inline", false}});
        }
        for (const Fact& fact : facts_of(m, user ? "" : parcel.to)) {
            fields.push_back({{"name", fact.label},
                              {"value", fitted(fact.value, fact_max, TextUnit::utf16, escaped)},
                              {"inline", true}});
        }
        Json embed = {{"color", color_of(m)}, {"timestamp", to_string(m.at)}, {"fields", std::move(fields)}};
        if (!description.empty()) {
            embed["description"] = std::move(description);
        }
        Json mentions = {{"parse", Json::array()}};
        if (user) {
            mentions["users"] = Json::array({parcel.to});
        }
        const Json letter = {
            {"content", (user ? "<@" + parcel.to + "> " : "") +
                            fitted(plain_line(m.title), content_max, TextUnit::utf16, escaped)},
            {"embeds", Json::array({std::move(embed)})},
            {"allowed_mentions", std::move(mentions)},
        };
        return Letter{.body = dump(letter), .content_type = "application/json", .path = {}};
    }

    Result<std::string> said(const Answer& answer) const override {
        if (auto page = no_page(answer); !page) {
            return std::unexpected(page.error());
        }
        const auto json = json::parse(answer.body);
        const std::string id = json ? (*json)["id"].text() : "";
        return id.empty() ? std::string{} : "message " + id;
    }

    std::optional<Duration> wait_in(std::string_view body) const override {
        const auto json = json::parse(body);
        const auto wait = json ? (*json)["retry_after"].thousandths() : std::nullopt;
        return wait && *wait >= 0 ? std::optional{Duration{*wait}} : std::nullopt;
    }
};

}  // namespace

std::unique_ptr<Target> discord_target() {
    return std::make_unique<Discord>();
}

}  // namespace curfew::webhook
