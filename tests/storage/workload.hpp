// What a daemon writes, in small: batches of every kind of row, in the order of one enforcement's life.
#pragma once

#include "curfew/ports/store.hpp"

#include <vector>

namespace curfew::storage {

/// Of one run; with another number everything is of another one. Every kind of `Write` is in them.
std::vector<Batch> batches(int number);

}  // namespace curfew::storage
