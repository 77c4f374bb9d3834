// Keeps the budgets: sums what each one's scope has cost in its period, and finds the thresholds that are
// reached. Each fires once a period; what fired is durable with the rows that made it fire.
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/ports/store.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace curfew {

class Treasurer {
public:
    explicit Treasurer(Picture& picture) : picture_(picture) {}

    /// Before anything is judged: what fired is taken over, sums of the current periods are read from the store.
    /// Runs that are in the picture by now are no new ones.
    Task<Result<void>> load(Store& store, std::shared_ptr<const Config> config, WallTime now,
                            const std::vector<FiredThresholdRow>& fired);
    /// A budget that is new or was changed starts from what its period has cost so far. Until that is read its
    /// data is incomplete.
    Task<Result<void>> reload(Store& store, std::shared_ptr<const Config> config, WallTime now);
    /// How long stops took lately: at the start, and after every stop.
    Task<void> measure(Store& store);
    /// What the provider's clock said, and when. What runs there has cost as much as that says.
    void provider_time(const AccountName& account, WallTime date, Instant at) {
        provider_times_.insert_or_assign(account, std::pair{date, at});
    }
    /// Called when sums must be read anew: the wall clock went back into an earlier period.
    void on_lost(std::function<void()> callback) { lost_ = std::move(callback); }

    struct Finding {
        const Budget* budget = nullptr;
        ThresholdCrossing crossing;
        BudgetSpend spend;
        Lead lead;
        const LiveResource* resource = nullptr;  // of a budget for every run: which one
    };
    /// A new run that a hard budget will soon end.
    struct Admission {
        const Budget* budget = nullptr;
        const LiveResource* resource = nullptr;
        Money left;
        Duration lasts{0};
    };
    struct Judgement {
        std::vector<Finding> findings;
        std::vector<Admission> admissions;
    };
    /// Adds `rows`, closed since the last call, to the sums and returns what is to be told; it is recorded in
    /// `batch`. Pointers are into `config` and the picture.
    Judgement judge(const Config& config, const std::vector<CostRow>& rows, const Now& now, Batch& batch);

    /// The hard budget that matches and whose stop threshold has fired in this period, if any; of several the
    /// most forceful.
    struct Exhausted {
        const Budget* budget = nullptr;
        const Threshold* threshold = nullptr;
    };
    std::optional<Exhausted> exhausted(const Config& config, const LiveResource& live) const;
    /// What the tightest hard budget that matches has left, if any matches.
    struct Left {
        BudgetName budget;
        Money amount;
    };
    std::optional<Left> left_for(const Config& config, const LiveResource& live) const;

private:
    struct Sums {
        Period period;
        Money closed;                     // rows of the scope in the period
        std::map<WallTime, Money> hours;  // of a rolling period instead, by full hours
        /// Rows of the scope that end after the period: stamps may lie ahead of our clock.
        std::map<std::tuple<RunId, MeterKind, WallTime, CostSource>, CostRow> ahead;
        bool unpriced = false;  // some row is
        bool loaded = false;    // from the store; a period that began since needs no loading
    };
    /// What the store answered, and how many rows had been judged when it was asked.
    struct Reading {
        std::vector<SpendRow> rows;
        std::size_t judged = 0;
    };
    using Readings = std::map<std::string, Reading>;
    /// One meter that bills now.
    struct Metered {
        Resource scope;  // with the meter's own type
        const Meter* meter = nullptr;
        const LiveResource* live = nullptr;
        WallTime now;         // by our clock, which draws the calendar, or the provider's: the later
        WallTime billed_to;   // by the provider's clock, where it is known
        Duration notice{0};   // that a stop of it gives
        bool ending = false;  // its end is being asked for: it burns nothing any more
    };

    Task<Result<void>> sum(Store& store, const Budget& budget, WallTime now, Readings& readings);
    Task<Result<void>> edges(Store& store, const Budget& budget, Sums& sums);
    Task<Result<Reading>> read(Store& store, SpendQuery query, Readings& readings);
    Resource resource_of(const ResourceId& id) const;
    Resource scope_of(const CostRow& row) const;
    void add(const Budget& budget, const CostRow& row, Sums& sums) const;
    void keep_ahead(const Budget& budget, const CostRow& row, Sums& sums) const;
    std::vector<Metered> metered(const Config& config, const Now& now) const;
    WallTime clock_of(const AccountName& account, const LiveRun& run, const Now& now) const;
    bool sees(const Config& config, const Budget& budget) const;
    std::optional<Money> reported(const Config& config, const Budget& budget, const Period& period) const;
    Lead lead_for(const Config& config, const Budget& budget, const std::vector<Metered>& meters) const;

    Period roll(const Budget& budget, Sums& sums, LiveBudget& live, const Now& now, Batch& batch);
    BudgetSpend spend_of(const Config& config, const Budget& budget, const Sums& sums, const LiveBudget& live,
                         const std::vector<Metered>& meters, WallTime now) const;
    void judge_whole(const Config& config, const Budget& budget, const std::vector<CostRow>& rows,
                     const std::vector<Metered>& meters, const Now& now, Batch& batch, Judgement& out);
    void judge_runs(const Config& config, const Budget& budget, const std::vector<Metered>& meters,
                    const Now& now, Batch& batch, Judgement& out);
    void fire(const Budget& budget, BudgetState& state, const Lead& lead, const LiveResource* resource,
              WallTime now, Batch& batch, Judgement& out);
    void note_overshoot(const Budget& budget, const LiveBudget& live, std::string_view when, WallTime now,
                        Batch& batch);
    void admit(const Config& config, const std::vector<Metered>& meters, Judgement& out);

    Picture& picture_;
    std::map<BudgetName, Sums> sums_;
    std::map<BudgetName, std::map<std::string, FiredLog>> logs_;  // by period
    std::set<std::pair<BudgetName, std::string>> overshot_;       // by period; recorded
    std::map<ResourceId, Resource> known_;                        // also those that are gone
    std::set<RunId> seen_;                                        // no new ones
    std::map<AccountName, std::pair<WallTime, Instant>> provider_times_;
    std::vector<Duration> packs_;  // how long they took
    std::vector<Duration> stops_;
    std::vector<CostRow> judged_;  // while sums are being read
    int loads_ = 0;
    std::function<void()> lost_ = [] {};
    bool led_back_ = false;  // the clock, into a period whose sums are not known any more
};

}  // namespace curfew
