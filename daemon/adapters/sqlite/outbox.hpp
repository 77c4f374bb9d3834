// The outbox as rows: messages, the parcels that carry them, channels that said no. Belongs to the database
// thread.
#pragma once

#include "adapters/sqlite/database.hpp"
#include "curfew/ports/store.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace curfew::sqlite {

void write(Database& db, const OutboxRow& row);
void write(Database& db, const ParcelRow& row);
void write(Database& db, const ChannelStateRow& row);

Result<std::vector<OutboxRow>> read_due(Database& db, WallTime now, int limit);
std::map<OutboxState, std::int64_t> read_outbox_counts(Database& db);
std::vector<ChannelStateRow> read_disabled_channels(Database& db);

}  // namespace curfew::sqlite
