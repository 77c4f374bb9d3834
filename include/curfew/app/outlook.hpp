// Looks ahead with money: what periods will have cost, whether money burns unusually fast, and how long credits
// last. Forecasts and what is usual are made anew every hour, the rest is judged every minute.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/world.hpp"
#include "curfew/core/credit.hpp"
#include "curfew/core/forecast.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

struct ForecastItem {
    std::optional<BudgetName> budget;  // absent: everything, in the calendar month
    Period period;
    std::optional<Money> amount;  // of the budget
    Forecast forecast;
};

/// What all accounts or one burn an hour now, by every meter that is open.
Money burn_of(const Picture& picture, const std::optional<AccountName>& account, WallTime now);

class Outlook {
public:
    Outlook(World& world, Alarms& alarms);

    /// Looks until `stop`. A failing store loses a look, nothing else.
    Task<void> run();
    void stop();
    /// The configuration changed: look now, at everything.
    void wake();

    /// The calendar month and every budget whose period has begun and ends. Their medians are left in the
    /// picture, for thresholds that hold against a forecast.
    Task<Result<std::vector<ForecastItem>>> forecasts();
    /// What credits paid since they began; gross and net are those of [from, now).
    Task<Result<CreditReport>> credits(WallTime from);

private:
    /// What one resource cost on one day, by its compute meter.
    struct PastDay {
        Date day;
        Resource scope;
        Money spent;
        Duration error_bar{0};
    };
    struct Past {
        std::vector<Date> days;  // whole ones that were watched
        std::vector<PastDay> costs;
    };
    Task<Result<Past>> past(Zone zone, WallTime now, const std::vector<ResourceRow>& known);
    ForecastInput input_of(const Match& scope, const Past& past, Period period, const Zone& zone,
                           Money accrued, WallTime now) const;
    Task<void> learn_usual();
    void judge_burn(Batch& batch);
    Task<std::optional<CreditReport>> credits_now();
    void judge_credits(const CreditReport& report, Batch& batch);
    Task<void> look();

    World& world_;
    Alarms& alarms_;
    Rest rest_;
    std::optional<Instant> learned_at_;
    std::map<AccountName, std::optional<Money>> usual_;  // an hour
    std::map<AccountName, BurnWatch> watches_;
};

}  // namespace curfew
