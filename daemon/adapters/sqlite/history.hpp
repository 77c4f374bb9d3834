// The history's tables: codes that are never given anew, and pruning in small steps.
#pragma once

#include "adapters/sqlite/database.hpp"
#include "curfew/ports/store.hpp"

namespace curfew::sqlite {

/// A row of the same run, source and beginning is replaced by its longer self.
void write_history(Database& db, const HistoryRow& row);
/// At most 500 rows a call, with the runs that have none left.
void prune_history(Database& db, const HistoryPrune& prune);

}  // namespace curfew::sqlite
