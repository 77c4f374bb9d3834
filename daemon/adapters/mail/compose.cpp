#include "adapters/mail/compose.hpp"

#include "adapters/mail/rendering.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>

namespace curfew::mail {

namespace {

constexpr std::size_t subject_characters_max = 200;
constexpr std::size_t token_bytes_max = 200;
constexpr std::size_t encoded_word_bytes_max = 39;  // a line of 76 holds "Subject: " and one word
constexpr std::size_t address_bytes_max = 254;
constexpr std::size_t shown_address_max = 80;
constexpr std::size_t thread_bytes_max = 160;
constexpr std::size_t word_characters_max = 40;  // a longer one is cut in its middle
constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::string_view cut_mark = " … (cut)";
constexpr std::size_t cut_mark_characters = 8;

struct Character {
    char32_t code = 0xFFFD;
    std::size_t bytes = 1;
};

/// How many bytes a character with this first byte has; 0 when none begins with it.
std::size_t bytes_led_by(unsigned lead) {
    if (lead >= 0xF0 && lead <= 0xF4) {
        return 4;
    }
    if (lead >= 0xE0 && lead < 0xF0) {
        return 3;
    }
    return lead >= 0xC2 && lead < 0xE0 ? 2 : 0;
}

/// The first character of a text that is not empty; one byte and U+FFFD where it is not UTF-8.
Character first_of(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned>(static_cast<unsigned char>(text[i]));
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t length = bytes_led_by(lead);
    if (length == 0 || text.size() < length) {
        return {};
    }
    char32_t code = lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) {
            return {};
        }
        code = (code << 6U) | (byte(i) & 0x3FU);
    }
    constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < least.at(length) || surrogate || code > 0x10FFFF ? Character{} : Character{code, length};
}

/// Controls, separators of lines, and marks that turn the direction of what follows: a name could
/// forge a line or a sentence with them.
bool misleads(char32_t code) {
    return code < 0x20 || (code >= 0x7F && code <= 0x9F) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200B || code == 0x200E || code == 0x200F ||
           code == 0x061C || code == 0xFEFF;
}

std::string encoded_words(std::string_view text) {
    std::string out;
    std::string piece;
    const auto flush = [&] {
        out += (out.empty() ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?") + base64(piece) + "?=";
        piece.clear();
    };
    while (!text.empty()) {
        const std::size_t bytes = first_of(text).bytes;
        if (piece.size() + bytes > encoded_word_bytes_max) {
            flush();
        }
        piece += text.substr(0, bytes);
        text.remove_prefix(bytes);
    }
    flush();
    return out;
}

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// What all mails about one thing share: an alert, a budget and period, the end of a run.
std::string thread_of(const Message& m) {
    if (m.kind == AlertKind::budget_threshold && !m.budget.empty() && m.key.contains('/')) {
        return m.key.substr(0, m.key.rfind('/'));  // without the threshold
    }
    return !m.key.empty()    ? m.key
           : !m.run.empty()  ? "run/" + m.account.value + "/" + m.run.value
           : m.alert.empty() ? std::string{}
                             : "alert/" + m.alert.value;
}

/// Another text for another key, of letters that a Message-ID may hold.
std::string thread_token(std::string_view key) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a
    for (const char c : key) {
        const auto byte = static_cast<unsigned char>(c);
        hash = (hash ^ byte) * 0x100000001B3U;
        if (is_letter_or_digit(c) || c == '-' || c == '_') {
            out += c;
        } else {
            out += {'=', digits[byte >> 4U], digits[byte & 15U]};
        }
    }
    if (out.size() > thread_bytes_max) {
        out.resize(thread_bytes_max);
        for (unsigned shift = 64; shift > 0; shift -= 4) {
            out += digits[(hash >> (shift - 4)) & 15U];
        }
    }
    return out;
}

std::vector<std::string> headers_of(const Message& m, const std::string& from,
                                    const std::vector<std::string>& to, const std::string& host) {
    std::vector<std::string> headers;
    headers.push_back("From: Curfew <" + from + ">");
    std::string receivers = "To: ";
    for (const std::string& address : to) {
        receivers += (&address == &to.front() ? "" : ",\r\n ") + address;
    }
    headers.push_back(std::move(receivers));
    headers.push_back(header("Subject", m.title));
    headers.push_back("Date: " + mail_date(m.at));
    headers.push_back("Message-ID: <" + token(m.id) + "@" + host + ">");
    // The root is no mail: whichever comes first, or was never got, all answer the same one.
    if (const std::string thread = thread_of(m); !thread.empty()) {
        const std::string root = "<thread." + thread_token(thread) + "@" + host + ">";
        headers.push_back("In-Reply-To: " + root);
        headers.push_back("References: " + root);
    }
    headers.emplace_back("Auto-Submitted: auto-generated");
    headers.push_back("List-Id: Curfew alerts <curfew." + host + ">");
    headers.push_back("X-Curfew-Kind: " + std::string{to_string(m.kind)});
    headers.push_back("X-Curfew-Severity: " + std::string{to_string(m.severity)});
    return headers;
}

}  // namespace

bool is_address(std::string_view text) {
    static constexpr std::string_view besides = "!#$%&'*+-/=?^_`{|}~.";
    const std::size_t at = text.find('@');
    if (at == 0 || at == std::string_view::npos || text.size() > address_bytes_max) {
        return false;
    }
    const std::string_view domain = text.substr(at + 1);
    return std::ranges::all_of(text.substr(0, at),
                               [](char c) { return is_letter_or_digit(c) || besides.contains(c); }) &&
           !domain.empty() && is_letter_or_digit(domain.front()) && is_letter_or_digit(domain.back()) &&
           std::ranges::all_of(domain, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
}

std::string one_line(std::string_view raw, std::size_t characters_max) {
    std::string out;
    std::vector<std::size_t> begins;  // of each character
    while (!raw.empty() && begins.size() <= characters_max) {
        const Character c = first_of(raw);
        begins.push_back(out.size());
        if (misleads(c.code)) {
            out += ' ';
        } else if (c.code == 0xFFFD) {
            out += replacement;
        } else {
            out += raw.substr(0, c.bytes);
        }
        raw.remove_prefix(c.bytes);
    }
    if (begins.size() <= characters_max) {
        return out;
    }
    std::size_t keep = characters_max - std::min(characters_max, cut_mark_characters);
    const std::size_t least = keep - std::min(keep, word_characters_max);
    for (std::size_t i = keep; i > least; --i) {
        if (out[begins[i]] == ' ') {
            keep = i;
            break;
        }
    }
    out.resize(begins[keep]);
    while (out.ends_with(' ')) {
        out.pop_back();
    }
    return out.append(cut_mark);
}

std::string header(std::string_view name, std::string_view raw) {
    const std::string text = one_line(raw, subject_characters_max);
    const bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    // Text that looks like an encoded word would be decoded by the reader into something else.
    const bool plain = ascii && text.find("=?") == std::string::npos;
    return std::string{name} + ": " + (plain ? text : encoded_words(text));
}

std::string base64(std::string_view raw) {
    static constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < raw.size(); i += 3) {
        const std::size_t here = std::min<std::size_t>(3, raw.size() - i);
        std::uint32_t bits = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            bits = (bits << 8U) | (k < here ? static_cast<unsigned char>(raw[i + k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            out += k <= here ? digits[(bits >> (18U - 6U * k)) & 63U] : '=';
        }
    }
    return out;
}

std::string mail_date(WallTime t) {
    static constexpr std::array<const char*, 7> weekdays{"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    constexpr std::int64_t day_s = 86400;
    const std::int64_t s = std::max<std::int64_t>(0, t.ms / 1000);
    const Date date = civil_from_days(s / day_s);
    const auto clock = static_cast<int>(s % day_s);
    std::array<char, 64> out{};
    std::snprintf(out.data(), out.size(), "%s, %02u %s %04d %02d:%02d:%02d +0000",
                  weekdays.at(static_cast<std::size_t>(s / day_s % 7)), date.day, months.at(date.month - 1),
                  date.year, clock / 3600, clock / 60 % 60, clock % 60);
    return out.data();
}

std::string token(std::string_view raw) {
    std::string out;
    for (const char c : raw.substr(0, token_bytes_max)) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '-' || c == '_' || c == '.';
        out += good ? c : '-';
    }
    return out.empty() ? "localhost" : out;
}

Result<Mail> compose(const Message& message, const ChannelConfig& config, const std::vector<std::string>& to,
                     std::string_view host_name) {
    if (to.empty()) {
        return fail(Errc::invalid, "nobody to write to", config.name.value);
    }
    if (!is_address(config.from)) {
        return fail(Errc::invalid, "`from` must be one bare mail address", config.name.value);
    }
    for (const std::string& address : to) {
        if (!is_address(address)) {
            return fail(Errc::invalid,
                        "not one bare mail address: \"" + one_line(address, shown_address_max) + "\"",
                        config.name.value);
        }
    }
    const std::string host = token(host_name);
    const Content content = content_of(message, host);
    return Mail{headers_of(message, config.from, to, host), text_of(content), html_of(content)};
}

}  // namespace curfew::mail
