// Reading the daemon's answers. A daemon of another version may leave out or add members; what is missing
// reads as null, never as a crash.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace curfew::cli {

using Json = nlohmann::ordered_json;

/// A member of an object; null where there is none.
inline const Json& member(const Json& object, std::string_view key) {
    static const Json nothing;
    if (!object.is_object()) {
        return nothing;
    }
    const auto found = object.find(key);
    return found == object.end() ? nothing : *found;
}

/// False for anything but true.
inline bool flag(const Json& value) {
    return value.is_boolean() && value.get<bool>();
}

inline std::int64_t whole_number(const Json& value) {
    return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

/// Texts, and numbers as they were written.
inline std::string text_of(const Json& value, const std::string& otherwise = "-") {
    return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : otherwise;
}

}  // namespace curfew::cli
