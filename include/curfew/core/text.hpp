// Text of strangers on its way to people: one line, valid, and within the bounds of where it is shown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace curfew {

/// Valid UTF-8 on one line: bytes that are none become U+FFFD; control characters, line separators and marks that
/// turn the direction of writing become spaces.
std::string plain_line(std::string_view text);

/// As `plain_line`, but line feeds stay.
std::string plain_lines(std::string_view text);

enum class TextUnit : std::uint8_t {
    bytes,
    utf16,  // what most chat services count as characters
};
std::size_t length_in(TextUnit unit, std::string_view utf8);

/// How text looks at its target. It is given whole characters, never less than a word where it fits.
using Escape = std::string (*)(std::string_view);
/// Nothing is changed.
std::string unescaped(std::string_view text);
/// For the text and the quoted attributes of HTML.
std::string escape_html(std::string_view text);

/// What a cut text ends with.
constexpr std::string_view cut_mark = "… (cut)";

/// `text` escaped, no longer than `most`. What does not fit is left out from a whole word on, and the text then
/// ends with `cut_mark`; only a first word that is longer than all of it is cut itself, between characters. The cut
/// is made before the escape, so that none is ever torn. "" where not even the mark fits.
std::string fitted(std::string_view text, std::size_t most, TextUnit unit = TextUnit::bytes,
                   Escape escape = unescaped);

}  // namespace curfew
