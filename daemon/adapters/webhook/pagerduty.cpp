// PagerDuty's Events API v2.
#include "adapters/http/json.hpp"
#include "adapters/webhook/target.hpp"
#include "adapters/webhook/words.hpp"

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t summary_max = 1000;  // theirs: 1024 characters
constexpr std::size_t key_max = 255;
constexpr std::size_t paragraph_max = 4000;
constexpr std::size_t body_max = 16'000;
constexpr std::size_t paragraphs_max = 32;
constexpr std::size_t command_max = 400;
constexpr std::string_view enqueue = "/enqueue";

/// The same for the whole life of an alert. One that PagerDuty would not take is told by its hash.
std::string dedup_key_of(const std::string& key) {
    const bool plain = std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7F; });
    if (plain && key.size() <= key_max) {
        return key;
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
    unsigned size = 0;
    CURFEW_ASSERT(EVP_Digest(key.data(), key.size(), hash.data(), &size, EVP_sha256(), nullptr) == 1,
                  "SHA-256 is part of every OpenSSL");
    std::string text = "sha256:";
    for (unsigned i = 0; i < size; ++i) {
        text += "0123456789abcdef"[hash.at(i) >> 4U];
        text += "0123456789abcdef"[hash.at(i) & 15U];
    }
    return text;
}

const char* action_of(const Message& m) {
    return m.telling == Telling::resolved       ? "resolve"
           : m.telling == Telling::acknowledged ? "acknowledge"
                                                : "trigger";
}

class PagerDuty final : public Target {
public:
    PagerDuty(Secret routing_key, std::string source, std::string path)
        : routing_key_(std::move(routing_key)), source_(std::move(source)), change_path_(std::move(path)) {
        if (const std::size_t at = change_path_.rfind(enqueue); at != change_path_.npos) {
            change_path_.insert(at, "/change");
        }
    }

    Result<Letter> letter(const Parcel& parcel) const override {
        const Message& m = parcel.message;
        const bool incident = m.telling != Telling::notice && !m.key.empty();
        Json letter = {{"routing_key", std::string{routing_key_.reveal()}}};
        if (!incident) {
            letter["payload"] = payload_of(parcel);
            return Letter{.body = dump(letter), .content_type = "application/json", .path = change_path_};
        }
        const std::string action = action_of(m);
        letter["event_action"] = action;
        letter["dedup_key"] = dedup_key_of(m.key);
        if (action == "trigger") {
            letter["client"] = "Curfew";
            letter["payload"] = payload_of(parcel);
            letter["payload"]["severity"] = std::string{to_string(m.severity)};
            letter["payload"]["class"] = std::string{to_string(m.kind)};
            if (!m.resource_name.empty()) {
                letter["payload"]["component"] = fitted(plain_line(m.resource_name), command_max);
            }
            if (!m.account.value.empty()) {
                letter["payload"]["group"] = fitted(plain_line(m.account.value), command_max);
            }
        }
        return Letter{.body = dump(letter), .content_type = "application/json", .path = {}};
    }

    Result<std::string> said(const Answer& answer) const override {
        if (auto page = no_page(answer); !page) {
            return std::unexpected(page.error());
        }
        const auto json = json::parse(answer.body);
        const std::string status = json ? (*json)["status"].text() : "";
        if (!status.empty() && status != "success") {
            return fail(Errc::protocol,
                        "HTTP " + std::to_string(answer.status) + ", but: " + plain_line(answer.body));
        }
        return status;
    }

private:
    Json payload_of(const Parcel& parcel) const {
        const Message& m = parcel.message;
        Json details = {
            {"text", paragraphs_of(m, {paragraph_max, body_max, paragraphs_max, TextUnit::bytes})}};
        if (!m.do_next.empty()) {
            details["to do"] = fitted(plain_line(m.do_next), command_max);
        }
        for (const Fact& fact : facts_of(m, parcel.to)) {
            details[fact.label] = fact.value;
        }
        return {{"summary", fitted(plain_line(m.title), summary_max)},
                {"source", source_},
                {"timestamp", to_string(m.at)},
                {"custom_details", std::move(details)}};
    }

    Secret routing_key_;
    std::string source_;
    std::string change_path_;
};

}  // namespace

std::unique_ptr<Target> pagerduty_target(Secret routing_key, std::string source, std::string path) {
    return std::make_unique<PagerDuty>(std::move(routing_key), std::move(source), std::move(path));
}

}  // namespace curfew::webhook
