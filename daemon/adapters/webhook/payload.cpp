#include "adapters/webhook/payload.hpp"

#include <nlohmann/json.hpp>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace curfew::webhook {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view secret_prefix = "whsec_";
constexpr std::size_t key_bytes_min = 24;
constexpr std::size_t key_bytes_max = 64;

// Together below the whole bound even if every byte is escaped or replaced.
constexpr std::size_t title_bytes_max = 1000;
constexpr std::size_t do_next_bytes_max = 400;
constexpr std::size_t name_bytes_max = 200;
constexpr std::size_t paragraph_bytes_max = 2000;
constexpr std::size_t paragraphs_max = 32;

/// One line, cut between characters.
std::string cut(std::string_view text, std::size_t bytes_max) {
    std::size_t end = std::min(text.size(), bytes_max);
    while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
        --end;
    }
    std::string out{text.substr(0, end)};
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    return end < text.size() ? out + "…" : out;
}

Json money_of(const std::optional<Money>& amount) {
    if (!amount) {
        return nullptr;
    }
    return {{"amount", to_decimal(*amount)}, {"currency", std::string{amount->currency.view()}}};
}

std::string text_of(const Message& m, const std::vector<std::string>& body) {
    std::string text = cut(m.title, title_bytes_max);
    for (const std::string& paragraph : body) {
        text += "\n\n" + paragraph;
    }
    return m.do_next.empty() ? text : text + "\n\n" + cut(m.do_next, do_next_bytes_max);
}

std::string dump(const Message& m, const std::vector<std::string>& body) {
    const auto name = [](std::string_view text) { return cut(text, name_bytes_max); };
    Json data = {
        {"id", name(m.id)},
        {"alert", name(m.alert.value)},
        {"kind", std::string{to_string(m.kind)}},
        {"severity", std::string{to_string(m.severity)}},
        {"state", std::string{to_string(m.state)}},
        {"title", cut(m.title, title_bytes_max)},
        {"text", text_of(m, body)},
        {"body", body},
        {"do_next", cut(m.do_next, do_next_bytes_max)},
        {"account", name(m.account.value)},
        {"resource", name(m.resource.value)},
        {"resource_name", name(m.resource_name)},
        {"run", name(m.run.value)},
        {"cause", name(m.cause)},
        {"stops_at", m.stops_at ? Json(to_string(*m.stops_at)) : Json(nullptr)},
        {"cost_so_far", money_of(m.cost_so_far)},
        {"per_hour", money_of(m.per_hour)},
        {"saved", money_of(m.saved)},
    };
    const Json event = {{"type", "curfew." + std::string{to_string(m.kind)}},
                        {"timestamp", to_string(m.at)},
                        {"data", std::move(data)}};
    return event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<std::string> decode_base64(std::string_view text) {
    const auto digit = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
               c == '/';
    };
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    if (text.empty() || text.size() % 4 != 0 ||
        !std::ranges::all_of(text.substr(0, text.size() - padding), digit)) {
        return std::nullopt;
    }
    std::string out(text.size() / 4 * 3, '\0');
    const int got = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()));
    if (got < 0) {
        return std::nullopt;
    }
    out.resize(out.size() - padding);
    return out;
}

}  // namespace

std::string payload_of(const Message& message) {
    std::vector<std::string> kept;
    for (const std::string& paragraph : message.body) {
        if (kept.size() == paragraphs_max) {
            break;
        }
        kept.push_back(cut(paragraph, paragraph_bytes_max));
    }
    for (;;) {
        std::vector<std::string> body = kept;
        if (const std::size_t missing = message.body.size() - kept.size(); missing > 0) {
            body.push_back(std::to_string(missing) + (missing == 1 ? " paragraph was" : " paragraphs were") +
                           " cut here: a webhook holds less than 20 kB.");
        }
        std::string text = dump(message, body);
        if (text.size() < payload_bytes_max || kept.empty()) {
            return text;
        }
        kept.pop_back();
    }
}

Result<Secret> key_of(const Secret& signing_secret) {
    const std::string_view text = signing_secret.reveal();
    if (!text.starts_with(secret_prefix)) {
        return fail(Errc::invalid, "a signing key begins with whsec_");
    }
    auto key = decode_base64(text.substr(secret_prefix.size()));
    if (!key) {
        return fail(Errc::invalid, "after whsec_ comes base64");
    }
    Secret decoded(std::move(*key));
    if (decoded.reveal().size() < key_bytes_min || decoded.reveal().size() > key_bytes_max) {
        return fail(Errc::invalid, "a signing key has 24 to 64 bytes");
    }
    return decoded;
}

std::string signature_of(const Secret& key, std::string_view id, std::string_view timestamp,
                         std::string_view body) {
    std::string content{id};
    content.append(".").append(timestamp).append(".").append(body);
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned mac_size = 0;
    const std::string_view bytes = key.reveal();
    const unsigned char* made = HMAC(EVP_sha256(), bytes.data(), static_cast<int>(bytes.size()),
                                     reinterpret_cast<const unsigned char*>(content.data()), content.size(),
                                     mac.data(), &mac_size);
    CURFEW_ASSERT(made != nullptr, "SHA-256 is part of every OpenSSL");
    std::array<unsigned char, 2 * EVP_MAX_MD_SIZE> text{};
    const int length = EVP_EncodeBlock(text.data(), mac.data(), static_cast<int>(mac_size));
    return "v1," + std::string{reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length)};
}

}  // namespace curfew::webhook
