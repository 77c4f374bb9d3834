// Answers questions from the picture and the store; never waits for a cloud. Every answer says how fresh
// it is and what could not be seen.
#pragma once

#include "curfew/app/world.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// Something that cannot be seen or done, since when, in words.
struct Degraded {
    std::string what;  // "account me", "notebook demo", "outbox"
    std::string why;
    std::optional<WallTime> since;
};

struct Freshness {
    std::optional<WallTime> as_of;  // the oldest account's last good poll; absent before the first
    WallTime now;
    std::vector<Degraded> degraded;
};

/// Money that Curfew's stops saved: rate × time from the stop to the next start or now, at most 12 h a
/// stop (when the provider's own timer would have ended it). An estimate. Free machine types save nothing.
struct Saved {
    Money total;
    std::int64_t stops = 0;
    std::int64_t unpriced = 0;  // stops of what has no price: what they saved is not known
};

/// A rule as it stands: what it may do now and why not more, and what came of it.
struct RuleItem {
    Rule rule;
    Mode mode = Mode::observe;  // weakest(global, rule), on trial observe, with its breaker open warn
    std::optional<WallTime> trial_until;  // if Curfew watches without a break
    Duration trial_left{0};
    int would_stop = 0;              // on trial
    std::optional<Breaker> breaker;  // open
    int matches = 0;                 // resources that it decides about
    int running = 0;                 // … which bill now
    int stops = 0;                   // in 7 days
    int false_stops = 0;             // in 7 days, suspected
    bool flagged = false;
    bool needs_a_look() const { return trial_until || breaker || flagged; }
};
struct RulesReport {
    Freshness freshness;
    std::vector<RuleItem> items;  // in the order of the configuration
};

struct StatusItem {
    const LiveResource* live = nullptr;  // valid until the loop runs on
    Money today;
    Money month;
    std::optional<Money> run_cost;  // of the current run so far; absent when unpriced
    bool exact = true;              // false: some rows are estimates
};
struct BudgetItem {
    Budget budget;
    LiveBudget live;
    Money left;
    int elapsed_thousandths = 0;  // of the period; 0 where it has no end
    int spent_thousandths = 0;    // of the amount, at most a thousand times it
    std::optional<WallTime> ends_at =
        {};  // it is spent then, at the present burn; absent: not within the period
};
struct StatusReport {
    Freshness freshness;
    std::vector<StatusItem> items;  // billing ones first, then by name
    std::vector<BudgetItem> budgets;
    Money per_hour;
    Money today;
    Money month;
    Saved saved;
    std::int64_t unpriced = 0;
    std::vector<RuleItem> rules;  // on trial, flagged, or with an open breaker
    std::int64_t alerts_firing = 0;
    std::int64_t alerts_critical = 0;  // of these, and nobody acknowledged them
    std::int64_t dead_letters = 0;
};

struct ExplainReport {
    Freshness freshness;
    const LiveResource* live = nullptr;
    std::vector<Observation> observations;  // newest of each source
    Instant mono;                           // to tell their ages
    std::vector<Enforcement> history;       // live one first
    std::optional<Money> run_cost;
    std::vector<BudgetItem> budgets;  // that match
    const Rule* rule = nullptr;
    std::optional<RuleItem> rule_now;  // how that rule stands
    std::string next;                  // what happens next, and when
    std::string would_stop;            // what would make Curfew stop it
    std::string would_keep;            // what would keep it
};

struct DoctorFinding {
    bool good = false;
    std::string what;
    std::string text;
};

/// What would make Curfew stop it, in words: for `explain`, of now or of then.
std::string what_would_stop(const Rule* rule, Mode mode, Duration limit, Duration quiet,
                            const Judgement& judgement);

class Reporter {
public:
    /// `prices` as they are in force, also after a reload.
    Reporter(World& world, const PriceBook& prices) : world_(world), prices_(prices) {}

    Freshness freshness() const;
    /// A name, an id or a unique prefix of one. Errors: not_found; conflict with the candidates.
    Result<ResourceId> resolve(std::string_view noun) const;

    Task<Result<StatusReport>> status();
    Task<Result<RulesReport>> rules();
    Task<Result<ExplainReport>> explain(ResourceId resource);
    /// Every budget as it stands.
    std::vector<BudgetItem> budgets() const { return budgets_of(nullptr); }
    /// What all stops by Curfew saved, or those since a time.
    Task<Result<Saved>> saved(std::optional<WallTime> since = std::nullopt);
    /// What a person should know when something seems wrong: accounts, channels, vaults, prices, outbox,
    /// audit chain.
    Task<Result<std::vector<DoctorFinding>>> doctor();
    /// Is what was stored still what was stored? The file, the audit's chain, the ledger's sums; each read anew.
    Task<Result<std::vector<DoctorFinding>>> verify();

private:
    RuleItem item_of(const Rule& rule) const;
    std::vector<RuleItem> items_of(const std::vector<RuleEvent>& events) const;
    std::vector<BudgetItem> budgets_of(const Resource* resource) const;
    void tell_what_next(ExplainReport& report) const;

    World& world_;
    const PriceBook& prices_;
};

}  // namespace curfew
