// The outbox as rows: messages, the parcels that carry them, channels that said no. Belongs to the database
// thread. What changes rows runs within the caller's transaction.
#pragma once

#include "adapters/sqlite/database.hpp"
#include "curfew/ports/store.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace curfew::sqlite {

void write(Database& db, const OutboxRow& row);
void write(Database& db, const ParcelRow& row);
void write(Database& db, const ChannelStateRow& row);
void write(Database& db, const ParcelFill& fill);
void write(Database& db, const OutboxEnd& end);
void write(Database& db, const OutboxBury& bury);
void write(Database& db, const FailoverDone& done);

Result<std::vector<OutboxRow>> read_outbox(Database& db, const OutboxQuery& query);
std::map<OutboxState, std::int64_t> read_outbox_counts(Database& db);
std::optional<WallTime> read_outbox_oldest(Database& db);
std::vector<ChannelStateRow> read_disabled_channels(Database& db);

/// See Store for each.
Result<OutboxLook> look_at_outbox(Database& db, const ChannelName& channel, WallTime now, WallTime horizon,
                                  int limit);
Result<std::vector<OutboxRow>> read_heap(Database& db, const Heap& heap, bool worst_first, int limit);
std::vector<KindCount> sum_heap(Database& db, const Heap& heap);
Result<std::vector<OutboxRow>> read_warnings(Database& db, const ParcelRow& parcel);
ParcelPlaces read_places(Database& db, const ChannelName& channel, const std::string& to, WallTime since,
                         WallTime now);
Result<OutboxOverdue> find_overdue(Database& db, WallTime now, int limit);
Result<std::vector<OutboxRow>> find_strays(Database& db, const std::vector<ChannelName>& known, WallTime now,
                                           int limit);
std::int64_t retry_dead(Database& db, const std::string& id, WallTime now);
void shift_waits(Database& db, Duration by);
std::int64_t prune_outbox(Database& db, WallTime before, int limit);

}  // namespace curfew::sqlite
