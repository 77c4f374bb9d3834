// The week in one message: what was spent on what, what Curfew saved, stopped and held, how the budgets stand,
// and what still needs somebody. Sent once a week at a local time; after a downtime at most once, late.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/money_reporter.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/world.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

/// What a summary is made of.
struct Week {
    WallTime from;
    WallTime to;
    Zone zone;
    std::vector<SpendLine> lines;  // by resource, costliest first
    SpendLine total;
    Saved saved;                       // by the stops of this week
    std::vector<BudgetItem> budgets;   // as they stand now
    std::vector<std::string> stopped;  // "demo (Mon 20:05 Europe/Rome, rule night)", oldest first
    std::vector<std::string> held;     // "demo by a keep of ana (uid 1000)"
    std::vector<std::string> alerts;   // titles of what fires, worst first
    std::int64_t dead_letters = 0;
};
Message summary_of(const Week& week);

class Summary {
public:
    Summary(World& world, Alarms& alarms, Outlook& outlook, const PriceBook& prices);

    /// Until `stop`. A failing store only delays it.
    Task<void> run();
    void stop();
    /// The configuration changed: look now.
    void wake();

private:
    Task<void> look();
    Task<Result<bool>> sent_near(WallTime due);
    Task<Result<Week>> week_until(WallTime due);
    Task<Result<void>> tell_of_acts(Week& week);

    World& world_;
    Alarms& alarms_;
    Reporter reporter_;
    MoneyReporter money_;
    Rest rest_;
    std::optional<WallTime> settled_;  // the newest time that needs nothing more
};

}  // namespace curfew
