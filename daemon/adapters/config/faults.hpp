// Collects every fault of a set of files before anything is reported.
#pragma once

#include "adapters/config/config.hpp"

#include <compare>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::config {

/// A position in one of the files. A line of 0 is the file itself.
struct Place {
    int file = 0;
    int line = 0;
    int column = 0;
    auto operator<=>(const Place&) const = default;
};

class Faults {
public:
    /// The number by which places name the file.
    int add_file(std::string name);
    void add(Place place, std::string text, std::string suggestion = {});
    void warn(Place place, std::string text);

    bool any() const { return !faults_.empty(); }
    /// "curfew.toml:3:5".
    std::string at(Place place) const;
    /// In the order of files, lines and columns. More than a thousand are counted, not kept.
    std::vector<Fault> faults() const;
    std::vector<Fault> warnings() const { return sorted(warnings_); }

private:
    struct Entry {
        Place place;
        std::string text;
        std::string suggestion;
    };
    std::vector<Fault> sorted(std::vector<Entry> entries) const;

    std::vector<std::string> files_;
    std::vector<Entry> faults_;
    std::vector<Entry> warnings_;
    std::size_t left_out_ = 0;
};

/// The candidate that differs from `word` by the fewest typing slips, or "" when none is near.
std::string nearest(std::string_view word, std::span<const std::string_view> candidates);

/// Text of the file for a message: control characters replaced, cut to a readable length.
std::string shown(std::string_view text, std::size_t bytes_max = 80);

}  // namespace curfew::config
