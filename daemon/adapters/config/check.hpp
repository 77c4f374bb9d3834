// Documents against the table of keys: what is unknown, missing, doubled or of the wrong type becomes
// a fault; what is left is a tree of checked values with every default filled in.
#pragma once

#include "adapters/config/values.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace curfew::config {

struct Item {
    Value value;
    Place place;
    bool given = false;             // in the file; otherwise the default
    std::vector<Place> elements{};  // of a list
};

/// One table of the configuration. Asking for a key that the table of keys lacks is a bug.
class Block {
public:
    explicit Block(const Section& section, Place place) : section_(&section), place_(place) {}

    bool given(std::string_view key) const;
    /// Given, and not at fault itself.
    bool sound(std::string_view key) const;
    /// Of the value, or of the block when it is not given.
    Place place_of(std::string_view key) const;
    Place place() const { return place_; }
    /// Of the element `index` of a list.
    Place place_of(std::string_view key, std::size_t index) const;

    /// The value, the default, or an empty value where there is neither or where it was at fault.
    template <class T>
    T get(std::string_view key) const {
        const Item* item = find(key);
        return item == nullptr ? T{} : std::get<T>(item->value);
    }
    std::string text(std::string_view key) const { return get<std::string>(key); }
    bool flag(std::string_view key) const { return get<bool>(key); }
    std::int64_t number(std::string_view key) const { return get<std::int64_t>(key); }
    Duration duration(std::string_view key) const { return get<Duration>(key); }
    std::vector<std::string> list(std::string_view key) const { return get<std::vector<std::string>>(key); }

    const std::vector<Block>& blocks(std::string_view name) const;
    /// Of a section that may appear once.
    const Block& only(std::string_view name) const { return blocks(name).front(); }

private:
    friend class Checker;
    const Item* find(std::string_view key) const;

    const Section* section_;
    Place place_;
    std::map<std::string_view, Item> items_;
    std::map<std::string_view, Place> at_fault_;  // given, and no good
    std::map<std::string_view, std::vector<Block>> children_;
};

/// The merged, checked tree of all documents. Only with `complete` is it looked at as a whole: what is
/// missing or double, and the defaults.
Block check(const std::vector<Node>& documents, const std::string& config_dir, bool complete, Faults& faults);

}  // namespace curfew::config
