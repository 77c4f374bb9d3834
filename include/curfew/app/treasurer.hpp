// Keeps the budgets: sums what each one's scope has cost in its period, and finds the thresholds that are
// reached. Each fires once a period; what fired is durable with the rows that made it fire.
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/ports/store.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace curfew {

/// Does what is in this account belong to the scope, if the rest of it says so too?
bool covers(const Match& scope, const AccountConfig& account);

class Treasurer {
public:
    explicit Treasurer(Picture& picture) : picture_(picture) {}

    /// Before anything is judged: what fired is taken over, sums of the current periods are read from the store.
    /// Runs that are in the picture by now are no new ones.
    Task<Result<void>> load(Store& store, std::shared_ptr<const Config> config, const Now& now,
                            const std::vector<FiredThresholdRow>& fired);
    /// A budget that is new or was changed starts from what its period has cost so far. Until that is read its
    /// data is incomplete.
    Task<Result<void>> reload(Store& store, std::shared_ptr<const Config> config, const Now& now);
    /// Before anything is judged: sums that are not known are read. A clock that was set right, or a provider's that
    /// shows ours to be wrong, may have led back into an earlier period.
    Task<void> find_sums(Store& store, std::shared_ptr<const Config> config, const Now& now);
    /// How long stops took lately: at the start, and after every stop.
    Task<void> measure(Store& store);

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
    using RowKey = std::tuple<RunId, MeterKind, WallTime, CostSource>;  // as the store's
    using Rows = std::map<RowKey, CostRow>;
    struct Sums {
        Period period;
        Money closed;                     // rows of the scope in the period
        std::map<WallTime, Money> hours;  // of a rolling period instead, by full hours
        /// Rows of the scope that end after the period: stamps may lie ahead of our clock.
        Rows ahead;
        std::set<RowKey> early;  // counted when the sums were read: not once more when they are judged
        bool unpriced = false;   // some row is
        bool loaded = false;     // from the store; a period that began since needs no loading
    };
    /// What the store answered, what it had not been given or did not take until then, and how many rows had been
    /// judged when it was asked.
    struct Reading {
        std::vector<SpendRow> rows;
        Rows unstored;
        std::size_t judged = 0;
    };
    using Readings = std::map<std::string, Reading>;
    struct Times {
        WallTime today;  // what draws the calendar (`Picture::calendar`)
        Now now;         // ours: what is written down
    };
    /// One meter that bills now.
    struct Metered {
        Resource scope;  // with the meter's own type
        const Meter* meter = nullptr;
        const LiveResource* live = nullptr;
        WallTime billed_to;
        Duration notice{0};   // that a stop of it gives
        bool ending = false;  // its end is being asked for: it burns nothing any more
    };

    Task<Result<void>> sum(Store& store, const Budget& budget, WallTime today, Readings& readings);
    Task<Result<void>> edges(Store& store, const Budget& budget, const Reading& reading, Sums& sums);
    Task<Result<Reading>> read(Store& store, SpendQuery query, Readings& readings);
    void take_unstored(Rows& rows) const;
    Rows not_in(const Reading& reading) const;
    Resource resource_of(const ResourceId& id) const;
    Resource scope_of(const CostRow& row) const;
    void add(const Budget& budget, const CostRow& row, Sums& sums) const;
    void keep_ahead(const Budget& budget, const CostRow& row, Sums& sums) const;
    std::vector<Metered> metered(const Config& config, const Now& now) const;
    bool sees(const Config& config, const Budget& budget, const Now& now) const;
    std::optional<Money> reported(const Config& config, const Budget& budget, const Period& period) const;
    Lead lead_for(const Config& config, const Budget& budget, const std::vector<Metered>& meters) const;

    Period roll(const Budget& budget, Sums& sums, LiveBudget& live, const Times& times, Batch& batch);
    BudgetSpend spend_of(const Config& config, const Budget& budget, const Sums& sums, const LiveBudget& live,
                         const std::vector<Metered>& meters, const Times& times) const;
    void judge_whole(const Config& config, const Budget& budget, const std::vector<CostRow>& rows,
                     const std::vector<Metered>& meters, const Times& times, Batch& batch, Judgement& out);
    void judge_runs(const Config& config, const Budget& budget, const std::vector<Metered>& meters,
                    const Times& times, Batch& batch, Judgement& out);
    void fire(const Budget& budget, BudgetState& state, const Lead& lead, const LiveResource* resource,
              const Times& times, Batch& batch, Judgement& out);
    void note_overshoot(const Budget& budget, const LiveBudget& live, std::string_view when, WallTime at,
                        Batch& batch);
    void admit(const Config& config, const std::vector<Metered>& meters, Judgement& out);

    Picture& picture_;
    std::map<BudgetName, Sums> sums_;
    std::map<BudgetName, std::map<std::string, FiredLog>> logs_;  // by period
    std::set<std::pair<BudgetName, std::string>> overshot_;       // by period; recorded
    std::map<ResourceId, Resource> known_;                        // also those that are gone
    std::set<RunId> seen_;                                        // no new ones
    std::vector<Duration> packs_;                                 // how long they took
    std::vector<Duration> stops_;
    std::vector<CostRow> judged_;  // while sums are being read
    int loads_ = 0;
};

}  // namespace curfew
