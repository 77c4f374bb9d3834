#include "curfew/core/keep_link.hpp"

#include "curfew/core/error.hpp"
#include "curfew/core/secret.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace curfew {

namespace {

constexpr std::string_view version = "1";
constexpr char separator = '\n';
constexpr std::size_t field_bytes_max = 128;
constexpr std::size_t mac_bytes = 32;
/// Without a time of its own a warning is good for this long.
constexpr Duration valid_otherwise = hours{2};
constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encoded(std::string_view bytes) {
    std::string out;
    std::uint32_t held = 0;
    int bits = 0;
    for (const char c : bytes) {
        held = held << 8 | static_cast<unsigned char>(c);
        for (bits += 8; bits >= 6; bits -= 6) {
            out += digits[held >> (bits - 6) & 63U];
        }
        held &= (1U << bits) - 1;
    }
    if (bits > 0) {
        out += digits[held << (6 - bits) & 63U];
    }
    return out;
}

std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    std::uint32_t held = 0;
    int bits = 0;
    for (const char c : text) {
        const std::size_t digit = digits.find(c);
        if (digit == std::string_view::npos) {
            return std::nullopt;
        }
        held = held << 6 | static_cast<std::uint32_t>(digit);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>(held >> bits & 255U);
        }
        held &= (1U << bits) - 1;
    }
    return out;
}

bool fits(std::string_view field) {
    return !field.empty() && field.size() <= field_bytes_max &&
           std::ranges::all_of(field, [](char c) { return c > ' ' && c < 0x7F; });
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

std::string signature(std::string_view payload, const KeepMac& mac) {
    const std::string code = mac(payload);
    CURFEW_ASSERT(code.size() == mac_bytes, "a signature is never shorter than its hash");
    return encoded(code);
}

}  // namespace

std::optional<std::string> keep_payload(const KeepLink& link) {
    const bool whole = fits(link.resource.value) && fits(link.run.value) && fits(link.warning);
    if (!whole || link.length <= Duration{0}) {
        return std::nullopt;
    }
    std::string text{version};
    for (const std::string& field : {link.resource.value, link.run.value, std::to_string(link.valid_until.ms),
                                     std::to_string(link.length.count()), link.warning}) {
        text += separator + field;
    }
    return encoded(text);
}

std::optional<KeepLink> read_keep_payload(std::string_view payload) {
    const auto text = decoded(payload);
    std::array<std::string_view, 6> fields;
    std::string_view rest = text ? *text : std::string_view{};
    for (std::string_view& field : fields) {
        const std::size_t end = std::min(rest.find(separator), rest.size());
        field = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const auto until = number(fields[3]);
    const auto length = number(fields[4]);
    if (!until || !length) {
        return std::nullopt;
    }
    KeepLink link{.resource = ResourceId{std::string{fields[1]}},
                  .run = RunId{std::string{fields[2]}},
                  .valid_until = WallTime{*until},
                  .length = Duration{*length},
                  .warning = std::string{fields[5]}};
    // Other versions, padding bits, leading zeros, more fields: one text for one link.
    return keep_payload(link) == payload ? std::optional{std::move(link)} : std::nullopt;
}

std::string keep_token(std::string_view payload, const KeepMac& mac) {
    return std::string{payload} + "." + signature(payload, mac);
}

std::optional<KeepLink> read_keep_token(std::string_view token, const KeepMac& mac) {
    const std::size_t dot = token.find('.');
    if (token.size() > keep_token_bytes_max || dot == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view payload = token.substr(0, dot);
    const Secret wanted{signature(payload, mac)};
    return wanted.equals(token.substr(dot + 1)) ? read_keep_payload(payload) : std::nullopt;
}

std::string keep_url(const KeepLinkConfig& config, std::string_view token) {
    return config.public_url + std::string{keep_link_path} + std::string{token};
}

std::string_view token_of_keep_url(std::string_view url) {
    const std::size_t at = url.rfind(keep_link_path);
    return at == std::string_view::npos ? std::string_view{} : url.substr(at + keep_link_path.size());
}

std::optional<std::string> unsigned_keep_url(const KeepLinkConfig& config, const Message& warning,
                                             WallTime now) {
    if (config.listen.empty()) {
        return std::nullopt;
    }
    const WallTime until = std::min(warning.expires_at.value_or(now + valid_otherwise),
                                    now + keep_link_valid_max);
    const auto payload = keep_payload({.resource = warning.resource,
                                       .run = warning.run,
                                       .valid_until = until,
                                       .length = config.length,
                                       .warning = warning.id});
    return payload ? std::optional{keep_url(config, *payload)} : std::nullopt;
}

}  // namespace curfew
