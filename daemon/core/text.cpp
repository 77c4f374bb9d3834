#include "curfew/core/text.hpp"

#include <array>
#include <cstdint>
#include <utility>

namespace curfew {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr char32_t no_character = 0xFFFFFFFF;

struct Character {
    char32_t code = no_character;
    std::size_t bytes = 1;
};

/// Of a text that is not empty.
Character first_of(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    static constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (lead < 0xC2 || lead > 0xF4) {
        return {};
    }
    char32_t code = lead & (0xFFU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xC0U) != 0x80U) {
            return {};
        }
        code = code << 6U | (byte(i) & 0x3FU);
    }
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < least[bytes] || code > 0x10FFFF || surrogate ? Character{} : Character{code, bytes};
}

/// Would it end a line, hide, or turn what stands beside it?
bool disturbs(char32_t c) {
    const bool control = c < 0x20 || (c >= 0x7F && c <= 0x9F);
    const bool line = c == 0x2028 || c == 0x2029;
    const bool direction = c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
                           (c >= 0x2066 && c <= 0x2069);
    return control || line || direction || (c >= 0xFFF9 && c <= 0xFFFB) || c == 0xFEFF;
}

std::string plain(std::string_view text, bool lines) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Character c = first_of(text);
        if (c.code == no_character) {
            out += replacement;
        } else if (disturbs(c.code) && !(lines && c.code == '\n')) {
            out += ' ';
        } else {
            out += text.substr(0, c.bytes);
        }
        text.remove_prefix(c.bytes);
    }
    return out;
}

/// A word with the white space before it.
std::string_view next_word(std::string_view text) {
    const std::size_t word = text.find_first_not_of(" \n");
    return text.substr(0, word == text.npos ? text.npos : text.find_first_of(" \n", word));
}

/// As many whole characters of a word as fit.
std::string part_of(std::string_view word, std::size_t most, TextUnit unit, Escape escape) {
    std::string kept;
    for (std::size_t end = first_of(word).bytes; end <= word.size();) {
        std::string longer = escape(word.substr(0, end));
        if (length_in(unit, longer) > most) {
            break;
        }
        kept = std::move(longer);
        if (end == word.size()) {
            break;
        }
        end += first_of(word.substr(end)).bytes;
    }
    return kept;
}

}  // namespace

std::string plain_line(std::string_view text) {
    return plain(text, false);
}

std::string plain_lines(std::string_view text) {
    return plain(text, true);
}

std::size_t length_in(TextUnit unit, std::string_view utf8) {
    if (unit == TextUnit::bytes) {
        return utf8.size();
    }
    std::size_t length = 0;
    for (const char c : utf8) {
        const auto byte = static_cast<unsigned char>(c);
        length += (byte & 0xC0U) == 0x80U ? 0 : byte >= 0xF0U ? 2 : 1;
    }
    return length;
}

std::string unescaped(std::string_view text) {
    return std::string{text};
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

std::string fitted(std::string_view text, std::size_t most, TextUnit unit, Escape escape) {
    const std::string whole = plain_lines(text);
    std::string out;
    std::string short_of_mark;  // the longest beginning that leaves room for the mark
    std::size_t used = 0;
    const std::size_t mark = length_in(unit, cut_mark);
    const std::size_t room = most > mark ? most - mark : 0;
    for (std::string_view rest = whole; !rest.empty();) {
        const std::string_view word = next_word(rest);
        std::string piece = escape(word);
        used += length_in(unit, piece);
        if (used > most) {
            if (room == 0) {
                return {};
            }
            if (short_of_mark.empty()) {
                short_of_mark = part_of(next_word(whole), room, unit, escape);
            }
            return short_of_mark.append(cut_mark);
        }
        out += piece;
        if (used <= room) {
            short_of_mark = out;
        }
        rest.remove_prefix(word.size());
    }
    return out;
}

}  // namespace curfew
