// What is told together, as one message. Pure.
#pragma once

#include "curfew/ports/store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// How the end of an alert begins that has no words of its own.
constexpr std::string_view over_words = "Over: ";

/// One row: its message as it is, id and all. Several, in the order of their coming: a title that tells the whole,
/// one line per row, the worst severity, the earliest stop; an alert that began and ended says so. Where all but one
/// only end what that one ends as well ("is stopped", and over is "still billing"), it is that one, with their ends.
Message together(const std::vector<OutboxRow>& rows, const std::string& id, WallTime at);

/// What a cap by the hour put together: the named rows line by line, of the others how many of which kind.
/// `sums` counts all rows that no enforcement waits for, also those that are named.
Message digest(const std::vector<OutboxRow>& named, const std::vector<KindCount>& sums, const std::string& id,
               WallTime at);

/// How many rows a digest stands for.
std::int64_t rows_of(const std::vector<OutboxRow>& named, const std::vector<KindCount>& sums);

}  // namespace curfew
