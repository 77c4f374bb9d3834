#include "adapters/config/host_keys.hpp"

#include "adapters/config/schema.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace curfew::config {

namespace {

struct KeyType {
    std::string_view name;
    std::size_t bytes_min;  // of the decoded key
    std::size_t bytes_max;
};
// RFC 4253 § 6.6, RFC 5656 § 3.1, RFC 8709 § 4. RSA from 2048 to 16384 bits.
constexpr KeyType types[] = {{"ssh-ed25519", 51, 51},
                             {"ecdsa-sha2-nistp256", 104, 104},
                             {"ecdsa-sha2-nistp384", 136, 136},
                             {"ecdsa-sha2-nistp521", 172, 172},
                             {"ssh-rsa", 275, 2200}};

const KeyType* type_named(std::string_view name) {
    const auto* found = std::ranges::find(types, name, &KeyType::name);
    return found == std::end(types) ? nullptr : found;
}

std::optional<std::string> from_base64(std::string_view text) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    while (text.ends_with('=') && text.size() % 4 != 2) {
        text.remove_suffix(1);
    }
    std::string bytes;
    unsigned bits = 0;
    int count = 0;
    for (const char c : text) {
        const std::size_t value = digits.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = (bits << 6U) | static_cast<unsigned>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            bytes += static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xffU);
        }
    }
    return bytes;
}

/// A key begins with its own type, and the length of that in four bytes.
bool begins_with_type(std::string_view bytes, std::string_view type) {
    return bytes.size() > type.size() + 4 && bytes.starts_with(std::string_view{"\0\0\0", 3}) &&
           static_cast<unsigned char>(bytes[3]) == type.size() && bytes.substr(4, type.size()) == type;
}

}  // namespace

std::expected<std::string, std::string> plain_host_key(std::string_view text) {
    std::vector<std::string_view> words = split(text, ' ');
    std::erase(words, std::string_view{});
    if (words.size() >= 3 && type_named(words[0]) == nullptr && type_named(words[1]) != nullptr) {
        return std::unexpected("leave out the host's name in front of the key");
    }
    const KeyType* type = words.empty() ? nullptr : type_named(words[0]);
    if (type == nullptr) {
        return std::unexpected(
            "it must be one line that begins with ssh-ed25519, ecdsa-sha2-nistp256, "
            "ecdsa-sha2-nistp384, ecdsa-sha2-nistp521 or ssh-rsa");
    }
    const auto bytes = words.size() < 2 ? std::nullopt : from_base64(words[1]);
    if (!bytes || !begins_with_type(*bytes, type->name) || bytes->size() < type->bytes_min ||
        bytes->size() > type->bytes_max) {
        return std::unexpected("what follows " + std::string{type->name} +
                               " is no such key; copy the whole line, it may have been cut");
    }
    return std::string{type->name} + " " + std::string{words[1]};
}

}  // namespace curfew::config
