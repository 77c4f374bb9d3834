// Words and times as columns and back.
#pragma once

#include "curfew/core/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace curfew::sqlite {

/// The value whose `to_string` is `word`; the first for a word of no value.
template <class Enum, std::size_t N>
Enum word_to(const std::array<Enum, N>& all, const std::string& word) {
    for (const Enum value : all) {
        if (to_string(value) == word) {
            return value;
        }
    }
    return all[0];
}

inline std::optional<std::int64_t> ms(const std::optional<WallTime>& t) {
    return t ? std::optional{t->ms} : std::nullopt;
}
inline std::optional<std::int64_t> ms(const std::optional<Instant>& t) {
    return t ? std::optional{t->ms} : std::nullopt;
}
inline std::optional<WallTime> wall(const std::optional<std::int64_t>& v) {
    return v ? std::optional{WallTime{*v}} : std::nullopt;
}
inline std::optional<Instant> instant(const std::optional<std::int64_t>& v) {
    return v ? std::optional{Instant{*v}} : std::nullopt;
}

}  // namespace curfew::sqlite
