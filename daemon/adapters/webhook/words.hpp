// The parts of a message that every target shows, and the escapes that several of them need.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/text.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::webhook {

struct Fact {
    std::string label;
    std::string value;
};
/// What is known beside the words, empty things left out. Unescaped, each on one line and of bounded length. `to` is
/// named where the target cannot address it.
std::vector<Fact> facts_of(const Message& message, std::string_view to);

/// The body, and behind it each table as one paragraph of lines.
std::vector<std::string> told_in(const Message& message);

struct Room {
    std::size_t each = 0;   // of one paragraph
    std::size_t all = 0;    // of them together
    std::size_t count = 0;  // with the last one, which says what was cut
    TextUnit unit = TextUnit::bytes;
};
/// What is told, escaped and within the room; where paragraphs are missing, the last one says so.
std::vector<std::string> paragraphs_of(const Message& message, const Room& room, Escape escape = unescaped);

/// A zero-width space after every '@', and after a '<' that begins a mention: "@everyone", "@team", "<!here>" and
/// "<at>" are none any more.
std::string without_pings(std::string_view text);
/// `without_pings`, and no backtick, so that it cannot leave a code block.
std::string as_code(std::string_view text);

/// JSON as text; what is not UTF-8 in it was replaced.
template <class Json>
std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace curfew::webhook
