#include "adapters/mail/compose.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>

namespace curfew::mail {

namespace {

constexpr std::size_t subject_characters_max = 200;
constexpr std::size_t title_characters_max = 400;
constexpr std::size_t paragraph_characters_max = 4000;
constexpr std::size_t paragraphs_max = 50;
constexpr std::size_t fact_characters_max = 300;
constexpr std::size_t token_bytes_max = 200;
constexpr std::size_t encoded_word_bytes_max = 39;  // a line of 76 holds "Subject: " and one word
constexpr std::string_view replacement = "\xEF\xBF\xBD";

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
           (code >= 0x2066 && code <= 0x2069) || code == 0x200E || code == 0x200F || code == 0x061C;
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

bool is_address(std::string_view text) {
    const bool plain = std::ranges::all_of(
        text, [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7F; });
    const std::size_t at = text.find('@');
    return plain && at != 0 && at != std::string_view::npos && at + 1 < text.size() && text.size() <= 254 &&
           text.find_first_of("<>()[],;:\\\"") == std::string_view::npos;
}

using Facts = std::vector<std::pair<std::string, std::string>>;

/// The money first: it is why anybody reads this.
Facts facts_of(const Message& m) {
    Facts facts;
    const auto add = [&](std::string label, std::string_view value) {
        if (!value.empty()) {
            facts.emplace_back(std::move(label), one_line(value, fact_characters_max));
        }
    };
    const auto amount = [&](std::string label, const std::optional<Money>& money) {
        add(std::move(label), money ? to_string(*money) : std::string{});
    };
    amount("Cost so far", m.cost_so_far);
    amount("Per hour", m.per_hour);
    amount("Saved", m.saved);
    add("Stops at", m.stops_at ? to_string(*m.stops_at) : std::string{});
    add("Because of", m.cause);
    const bool named = !m.resource_name.empty() && m.resource_name != m.resource.value;
    add("Resource", named ? m.resource_name + " (" + m.resource.value + ")" : m.resource.value);
    add("Run", m.run.value);
    add("Account", m.account.value);
    add("As of", to_string(m.at));
    return facts;
}

struct Content {
    std::string title;
    std::vector<std::string> body;
    std::string do_next;
    Facts facts;
    std::string footer;
};

Content content_of(const Message& m, const std::string& host) {
    Content c;
    c.title = one_line(m.title, title_characters_max);
    for (const std::string& paragraph : m.body) {
        if (c.body.size() == paragraphs_max) {
            c.body.push_back(std::to_string(m.body.size() - paragraphs_max) + " more paragraphs were cut.");
            break;
        }
        c.body.push_back(one_line(paragraph, paragraph_characters_max));
    }
    c.do_next = one_line(m.do_next, title_characters_max);
    c.facts = facts_of(m);
    c.footer = "Curfew on " + host + ", " + std::string{to_string(m.severity)} + ", " +
               std::string{to_string(m.state)} +
               (m.alert.empty() ? "" : ", alert " + one_line(m.alert.value, fact_characters_max));
    return c;
}

std::string text_of(const Content& c) {
    std::string out = c.title + "\r\n\r\n";
    for (const std::string& paragraph : c.body) {
        out += paragraph + "\r\n\r\n";
    }
    if (!c.do_next.empty()) {
        out += c.do_next + "\r\n\r\n";
    }
    for (const auto& [label, value] : c.facts) {
        out += label + ": " + value + "\r\n";
    }
    return out + "\r\n-- \r\n" + c.footer + "\r\n";
}

std::string_view colour_of(Severity severity) {
    switch (severity) {
        case Severity::info:
            return "#2b6cb0";
        case Severity::warning:
            return "#b7791f";
        case Severity::critical:
            return "#c53030";
    }
    return "#2b6cb0";
}

std::string html_of(const Content& c, Severity severity) {
    std::string out =
        "<!DOCTYPE html>\r\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + escape_html(c.title) +
        "</title></head>\r\n<body "
        "style=\"margin:0;padding:16px;font-family:sans-serif;font-size:15px;color:#1a202c\">\r\n"
        "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" "
        "style=\"max-width:640px;width:100%\">\r\n"
        "<tr><td style=\"height:4px;background:" +
        std::string{colour_of(severity)} +
        "\"></td></tr>\r\n"
        "<tr><td style=\"padding:16px 0;font-size:18px;font-weight:bold\">" +
        escape_html(c.title) + "</td></tr>\r\n";
    for (const std::string& paragraph : c.body) {
        out += "<tr><td style=\"padding:0 0 12px\">" + escape_html(paragraph) + "</td></tr>\r\n";
    }
    if (!c.do_next.empty()) {
        out += "<tr><td style=\"padding:10px 12px;background:#edf2f7;font-family:monospace\">" +
               escape_html(c.do_next) + "</td></tr>\r\n";
    }
    out += "<tr><td style=\"padding:16px 0\"><table cellpadding=\"0\" cellspacing=\"0\">\r\n";
    for (const auto& [label, value] : c.facts) {
        out += "<tr><td style=\"padding:2px 16px 2px 0;color:#4a5568\">" + escape_html(label) + "</td><td>" +
               escape_html(value) + "</td></tr>\r\n";
    }
    return out + "</table></td></tr>\r\n<tr><td style=\"color:#718096;font-size:12px\">" +
           escape_html(c.footer) + "</td></tr>\r\n</table></body></html>\r\n";
}

std::vector<std::string> headers_of(const Message& m, const ChannelConfig& config, const std::string& host) {
    std::vector<std::string> headers;
    headers.push_back("From: Curfew <" + config.from + ">");
    std::string to = "To: ";
    for (const std::string& address : config.to) {
        to += (&address == &config.to.front() ? "" : ",\r\n ") + address;
    }
    headers.push_back(std::move(to));
    headers.push_back(header("Subject", m.title));
    headers.push_back("Date: " + mail_date(m.at));
    headers.push_back("Message-ID: <" + token(m.id) + "@" + host + ">");
    if (!m.alert.empty()) {
        const std::string thread = "<" + token(m.alert.value) + "@" + host + ">";
        headers.push_back("In-Reply-To: " + thread);
        headers.push_back("References: " + thread);
    }
    headers.emplace_back("Auto-Submitted: auto-generated");
    headers.push_back("List-Id: Curfew alerts <curfew." + host + ">");
    return headers;
}

}  // namespace

std::string one_line(std::string_view raw, std::size_t characters_max) {
    std::string out;
    std::size_t characters = 0;
    for (; !raw.empty(); ++characters) {
        if (characters == characters_max) {
            return out + "…";
        }
        const Character c = first_of(raw);
        if (misleads(c.code)) {
            out += ' ';
        } else if (c.code == 0xFFFD) {
            out += replacement;
        } else {
            out += raw.substr(0, c.bytes);
        }
        raw.remove_prefix(c.bytes);
    }
    return out;
}

std::string header(std::string_view name, std::string_view raw) {
    const std::string text = one_line(raw, subject_characters_max - 1);
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

std::string escape_html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
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

Result<Mail> compose(const Message& message, const ChannelConfig& config, std::string_view host_name) {
    if (config.to.empty()) {
        return fail(Errc::invalid, "nobody to write to", config.name.value);
    }
    if (!is_address(config.from) || !std::ranges::all_of(config.to, is_address)) {
        return fail(Errc::invalid, "`from` and `to` must be bare mail addresses", config.name.value);
    }
    const std::string host = token(host_name);
    const Content content = content_of(message, host);
    return Mail{headers_of(message, config, host), text_of(content), html_of(content, message.severity)};
}

}  // namespace curfew::mail
