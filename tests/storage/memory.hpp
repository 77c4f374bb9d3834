// SQLite's memory, which can be refused: the n-th piece from now, or every one from there on.
#pragma once

#include <cstdint>

namespace curfew::storage {

class Memory {
public:
    /// Before anything is asked of SQLite; once.
    static void watch();
    static void plan(std::int64_t at, bool sticky);
    /// Nothing is refused any more; the counts stay.
    static void mend();
    /// What a test asks for itself neither counts nor fails.
    static void pause(bool on);
    /// Pieces since `plan`, and those that were refused.
    static std::int64_t asked();
    static std::int64_t refused();
};

}  // namespace curfew::storage
