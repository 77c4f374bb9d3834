// What is spent and stands in no row of the store yet: the open parts of all meters of the picture, and rows that a
// poll has closed and not handed over. Who adds it to what the store says takes it right before he asks: what goes to
// the store meanwhile stands behind his question.
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/ports/store.hpp"

#include <vector>

namespace curfew {

/// The rows that this meter would be closed with at `now`: none across a full hour, in the order of time. Empty
/// when it is counted that far already.
std::vector<CostRow> open_rows(const Meter& meter, WallTime now);

/// Those of every open meter, each up to when it bills (`Picture::billed_to`), and those that are closed and not
/// stored, with what is known of their resources.
std::vector<LedgerRow> open_rows(const Picture& picture, const Now& now);

}  // namespace curfew
