// TOML text as a plain tree with positions, so that only one file knows the TOML library.
#pragma once

#include "adapters/config/faults.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::config {

enum class Kind : std::uint8_t { table, array, string, integer, decimal, boolean, date };

/// "a table", "an array", "a string", …
std::string_view with_article(Kind kind);

struct Entry;

struct Node {
    Kind kind = Kind::table;
    Place place;
    bool boolean = false;
    std::int64_t integer = 0;
    std::string string;
    std::vector<Node> elements;  // of an array
    std::vector<Entry> entries;  // of a table, by name
};

struct Entry {
    std::string name;
    Place place;  // of the name
    Node node;
};

/// The tree of `text`, or nullopt and a fault. Bounded: 1 MiB of text, nesting that no configuration
/// needs is refused before the library sees it.
std::optional<Node> read_document(std::string_view text, int file, Faults& faults);

}  // namespace curfew::config
