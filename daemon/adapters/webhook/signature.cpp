#include "adapters/webhook/signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace curfew::webhook {

namespace {

constexpr std::string_view secret_prefix = "whsec_";
constexpr std::size_t key_bytes_min = 24;
constexpr std::size_t key_bytes_max = 64;

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
