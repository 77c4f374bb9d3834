#include "adapters/config/document.hpp"

#include <string_view>

namespace {

struct LibraryGaveUp {};

/// toml++ 3.3 asserts what the file can make false, and turns its assertions into undefined behaviour
/// under NDEBUG. The one about keys ("[=") is followed by a proper error, so it is let through; any
/// other becomes a fault instead of the end of the daemon.
void library_expects(bool holds, std::string_view what) {
    if (!holds && what != "is_bare_key_character(*cp) || is_string_delimiter(*cp)") {
        throw LibraryGaveUp{};
    }
}

}  // namespace

#undef NDEBUG
#define TOML_ASSERT(condition) library_expects(static_cast<bool>(condition), #condition)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

#include <algorithm>
#include <cstddef>
#include <expected>
#include <utility>

namespace curfew::config {

namespace {

constexpr std::size_t text_bytes_max = std::size_t{1} << 20;
constexpr std::size_t dots_per_line_max = 16;

Place place_of(const toml::source_region& region, int file) {
    return {file, static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

struct LineFault {
    std::size_t at;
    std::string_view text;
};

/// The end of the string that begins at `at` of a line, after `before`; or what is wrong with it.
std::expected<std::size_t, LineFault> end_of_string(std::string_view line, std::size_t at, char before) {
    const char quote = line[at];
    if (line.substr(at).starts_with(quote == '"' ? "\"\"\"" : "'''")) {
        return std::unexpected(LineFault{at, "strings of several lines are not used here"});
    }
    if (std::string_view{"=,.[{"}.find(before) == std::string_view::npos) {
        return std::unexpected(LineFault{at, "a string cannot begin here"});
    }
    std::size_t end = at + 1;
    while (end < line.size() && line[end] != quote) {
        end += quote == '"' && line[end] == '\\' ? 2 : 1;
    }
    return end < line.size() ? std::expected<std::size_t, LineFault>(end)
                             : std::unexpected(LineFault{at, "this string does not end"});
}

/// Keeps from the library what it cannot bear outside quotes and comments: dotted names nest there
/// without a bound, and a tree a million deep cannot even be destroyed; its tables of characters beyond
/// ASCII have holes that are undefined behaviour. So strings must be told from the rest exactly, which
/// is easy without those of several lines, and no key takes one.
std::optional<LineFault> line_fault(std::string_view line) {
    std::size_t dots = 0;
    char before = '=';  // the last that was no space; strings may begin a line
    for (std::size_t at = 0; at < line.size() && line[at] != '#'; ++at) {
        const char c = line[at];
        if (static_cast<unsigned char>(c) >= 0x80) {
            return LineFault{at, "only ASCII may stand outside quotes"};
        }
        if (c == '.' && ++dots > dots_per_line_max) {
            return LineFault{at, "too many dots outside quotes in one line"};
        }
        if (c == '"' || c == '\'') {
            const auto end = end_of_string(line, at, before);
            if (!end) {
                return end.error();
            }
            at = *end;
        }
        before = c == ' ' || c == '\t' ? before : c;
    }
    return std::nullopt;
}

/// In characters, from 1.
int column_of(std::string_view line, std::size_t at) {
    const auto first_bytes = std::ranges::count_if(
        line.substr(0, at), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
    return static_cast<int>(first_bytes) + 1;
}

bool bounded(std::string_view text, int file, Faults& faults) {
    if (text.size() > text_bytes_max) {
        faults.add({file, 0, 0}, "is larger than 1 MiB");
        return false;
    }
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        if (const auto fault = line_fault(line)) {
            faults.add({file, number, column_of(line, fault->at)}, std::string(fault->text));
            return false;
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return true;
}

Node converted(const toml::node& from, int file);

void convert_table(const toml::table& from, int file, Node& into) {
    for (const auto& [key, value] : from) {
        into.entries.push_back(
            {std::string(key.str()), place_of(key.source(), file), converted(value, file)});
    }
}

void convert_array(const toml::array& from, int file, Node& into) {
    for (const toml::node& element : from) {
        into.elements.push_back(converted(element, file));
    }
}

Node converted(const toml::node& from, int file) {
    Node node{.place = place_of(from.source(), file)};
    if (const auto* table = from.as_table()) {
        convert_table(*table, file, node);
    } else if (const auto* array = from.as_array()) {
        node.kind = Kind::array;
        convert_array(*array, file, node);
    } else if (const auto* string = from.as_string()) {
        node.kind = Kind::string;
        node.string = string->get();
    } else if (const auto* integer = from.as_integer()) {
        node.kind = Kind::integer;
        node.integer = integer->get();
    } else if (const auto* boolean = from.as_boolean()) {
        node.kind = Kind::boolean;
        node.boolean = boolean->get();
    } else {
        node.kind = from.is_floating_point() ? Kind::decimal : Kind::date;
    }
    return node;
}

}  // namespace

std::string_view with_article(Kind kind) {
    switch (kind) {
        case Kind::table: return "a table";
        case Kind::array: return "an array";
        case Kind::string: return "a string";
        case Kind::integer: return "a whole number";
        case Kind::decimal: return "a decimal number";
        case Kind::boolean: return "true or false";
        case Kind::date: break;
    }
    return "a date or time";
}

std::optional<Node> read_document(std::string_view text, int file, Faults& faults) try {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    text.remove_prefix(text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0);
    if (!bounded(text, file, faults)) {
        return std::nullopt;
    }
    const toml::parse_result parsed = toml::parse(text, std::string_view{});
    if (!parsed) {
        faults.add(place_of(parsed.error().source(), file),
                   "this is not TOML: " + shown(parsed.error().description()));
        return std::nullopt;
    }
    return converted(parsed.table(), file);
} catch (const LibraryGaveUp&) {
    faults.add({file, 0, 0}, "this is not TOML, and the parser cannot say where");
    return std::nullopt;
}

}  // namespace curfew::config
