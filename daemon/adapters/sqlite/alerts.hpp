// Alerts, their lives and the silences as rows. Belongs to the database thread.
#pragma once

#include "adapters/sqlite/database.hpp"
#include "curfew/ports/store.hpp"

#include <optional>
#include <vector>

namespace curfew::sqlite {

void write(Database& db, const Alert& alert);
void write(Database& db, const AlertEvent& event);
void write(Database& db, const Silence& silence);
void write(Database& db, const AlertPrune& prune);

/// Newest first.
Result<std::vector<Alert>> read_alerts(Database& db, bool with_resolved, int limit);
Result<std::optional<Alert>> read_alert(Database& db, const AlertId& id);
/// Oldest first.
std::vector<AlertEvent> read_alert_events(Database& db, const AlertId& id, int limit);
/// Newest first.
Result<std::vector<Silence>> read_silences(Database& db, bool with_ended, int limit);

}  // namespace curfew::sqlite
