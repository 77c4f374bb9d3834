// ntfy, published as JSON to the server's root. Its texts are plain: nothing in them is markup.
#include "adapters/http/json.hpp"
#include "adapters/webhook/target.hpp"
#include "adapters/webhook/words.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t letter_max = 4096;  // a larger one would become an attachment that nobody reads
constexpr std::size_t title_max = 500;
constexpr std::size_t command_max = 400;
constexpr std::size_t message_max = 2400;
constexpr std::size_t paragraphs_max = 20;
constexpr std::size_t keep_url_max = 1000;

bool is_topic(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    });
}

bool is_over(const Message& m) {
    return m.telling == Telling::resolved || m.telling == Telling::acknowledged;
}

int priority_of(const Message& m) {
    if (is_over(m)) {
        return 2;
    }
    return m.severity == Severity::critical ? 5 : m.severity == Severity::warning ? 4 : 3;
}

const char* sign_of(const Message& m) {
    if (is_over(m)) {
        return "white_check_mark";
    }
    return m.severity == Severity::critical  ? "rotating_light"
           : m.severity == Severity::warning ? "warning"
                                             : "information_source";
}

/// The button of a warning: one POST, once.
Json actions_for(const std::optional<std::string>& url) {
    Json actions = Json::array();
    if (url && url->size() <= keep_url_max) {
        actions.push_back(
            {{"action", "http"}, {"label", "Keep 1 h"}, {"method", "POST"}, {"url", *url}, {"clear", true}});
    }
    return actions;
}

class Ntfy final : public Target {
public:
    explicit Ntfy(std::string topic) : topic_(std::move(topic)) {}

    Result<Letter> letter(const Parcel& parcel) const override {
        for (std::size_t most = message_max;; most = most * 3 / 4) {
            Letter letter{.body = body_of(parcel, most), .content_type = "application/json", .path = {}};
            if (letter.body.size() <= letter_max || most < 16) {
                return letter;
            }
        }
    }

    Result<std::string> said(const Answer& answer) const override {
        if (auto page = no_page(answer); !page) {
            return std::unexpected(page.error());
        }
        const auto json = json::parse(answer.body);  // it repeats the topic and the button
        const std::string id = json ? (*json)["id"].text() : "";
        return id.empty() ? std::string{} : "message " + id;
    }

private:
    std::string body_of(const Parcel& parcel, std::size_t most) const {
        const Message& m = parcel.message;
        const bool own = is_topic(parcel.to);
        std::string text;
        for (const std::string& paragraph : paragraphs_of(m, {most, most, paragraphs_max, TextUnit::bytes})) {
            text += (text.empty() ? "" : "\n\n") + paragraph;
        }
        const std::string command = fitted(plain_line(m.do_next), command_max);
        if (!command.empty()) {
            text += (text.empty() ? "" : "\n\n") + command;
        }
        if (!own && !parcel.to.empty()) {
            text += (text.empty() ? "For: " : "\n\nFor: ") + fitted(plain_line(parcel.to), command_max);
        }
        const std::string title = fitted(plain_line(m.title), title_max);
        Json letter = {{"topic", own ? parcel.to : topic_},
                       {"title", title},
                       {"message", text.empty() ? title : text},  // an empty one is shown as "triggered"
                       {"priority", priority_of(m)},
                       {"tags", Json::array({sign_of(m), std::string{to_string(m.kind)}})}};
        if (Json actions = actions_for(m.keep_url); !actions.empty()) {
            letter["actions"] = std::move(actions);
        }
        return dump(letter);
    }

    std::string topic_;
};

}  // namespace

Result<std::unique_ptr<Target>> ntfy_target(std::string topic) {
    if (!is_topic(topic)) {
        return fail(Errc::invalid, "a topic has 1 to 64 letters, digits, - and _");
    }
    return std::make_unique<Ntfy>(std::move(topic));
}

}  // namespace curfew::webhook
