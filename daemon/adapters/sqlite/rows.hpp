// Rows to core types and back, one pair of functions per table; those of the ledger, the alerts
// and the outbox are in headers of their own.
#pragma once

#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/ledger.hpp"
#include "curfew/ports/store.hpp"

#include <string>

namespace curfew::sqlite {

/// Writes one row. A message or a receipt that cannot be stored is an error of the database.
void write(Database& db, Ledger& ledger, const Write& row);

Result<StoredState> read_state(Database& db);
std::vector<StoppedRun> read_stopped(Database& db);
std::vector<ResourceRow> read_resources(Database& db);
std::vector<RunRow> read_runs_of(Database& db, const ResourceId& resource, int limit);
std::vector<Observation> read_observations(Database& db, const RunId& run);
std::vector<HistoryRow> read_history(Database& db, const RunId& run, WallTime until);
std::vector<PastRun> read_recorded(Database& db, WallTime since, int limit);
std::vector<Enforcement> read_enforcements_of(Database& db, const ResourceId& resource, int limit);
std::vector<AuditRow> read_audit(Database& db, std::int64_t after, int limit,
                                 const std::optional<ResourceId>& resource);
Result<std::vector<Receipt>> read_receipts(Database& db, const std::optional<ResourceId>& resource,
                                           int limit);
Result<std::optional<Receipt>> read_receipt(Database& db, const ReceiptId& id);
std::vector<Hold> read_holds(Database& db, const std::optional<ResourceId>& resource, WallTime since);
std::vector<RuleEvent> read_rule_events(Database& db, WallTime since, int limit);
std::optional<IdempotencyRow> read_idempotent(Database& db, const std::string& key);
std::vector<QuarantineRow> read_quarantine(Database& db, WallTime since, int limit);
std::vector<StopTimes> read_stop_times(Database& db, int limit);
/// Rows walked, or Errc::corrupt naming the first that does not fit.
Result<std::int64_t> verify_chain(Database& db);

}  // namespace curfew::sqlite
