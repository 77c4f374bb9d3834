// What the daemon knows right now, in memory, on the loop. Written by the watcher, the enforcer and
// the bookkeeper; read by the reporter. Rebuilt from the store at start (then everything is stale
// until the first poll).
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/add_on.hpp"
#include "curfew/core/budget.hpp"
#include "curfew/core/config.hpp"
#include "curfew/core/enforcement.hpp"
#include "curfew/core/history.hpp"
#include "curfew/core/hold.hpp"
#include "curfew/core/ledger.hpp"
#include "curfew/core/price_book.hpp"
#include "curfew/core/probe.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/silence.hpp"
#include "curfew/ports/store.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace curfew {

/// One run that bills, or the last run of a resource that is off.
struct LiveRun {
    Run run;
    Instant first_seen;  // by this process
    /// Its start by the monotonic clock: the provider's stamp, converted once, when it was first seen (I14).
    /// Without a stamp the same as `first_seen`.
    Instant began;
    std::vector<Observation> observations;  // newest of each source
    Judgement judgement;
    QuietClock clock;
    QuietClock stall;  // adds while a busy kernel does nothing
    ProbeState probes;
    std::shared_ptr<const Probe> last_probe;  // of a candidate; without its first sample
    Instant next_look;                        // of the guest
    std::optional<Meter> meter;               // while it bills
    bool ending = false;                      // not listed as billing: its end is being asked for
    std::optional<Instant> observed_at;       // the guest was asked
    std::map<Signal, std::pair<Verdict, Instant>> stored;  // what the store holds of each source
    HistoryRecorder history;                               // of every look
    bool clock_adds = false;                               // the store knows that the clock goes on adding
    std::optional<Instant> unseen_since;                   // verdict unknown without a break since
    int absent_in_complete_lists = 0;
    /// One list without it proves nothing.
    bool gone() const { return absent_in_complete_lists >= 2; }
};

struct LiveResource {
    Resource resource;  // `run` of it is stale beside `current.run`
    LiveRun current;
    std::vector<LiveRun> older;    // older runs that still bill
    const Price* price = nullptr;  // nullptr = unpriced
    std::string rule;              // name of the rule that matches; empty = none
    Mode mode = Mode::observe;     // after weakest(global, account, rule)
    Duration idle_limit{0};
    Duration min_notice{0};                  // of what wants it ended
    std::optional<WallTime> stops_at;        // expected, when nothing changes
    CauseKind stops_for = CauseKind::idle;   // what that stop would be for
    std::vector<std::string> limits;         // what else of the rule would end it, in words
    std::string why;                         // "quiet 41m of 60m, rule night"
    std::optional<Enforcement> enforcement;  // live; of the newest run, else of one before it
    std::vector<Hold> holds;                 // in force, or over by a clock that may be set back
    WallTime seen_at;                        // in a listing
    std::optional<WallTime> asked_at;        // … that was asked for then: what it shows may be as old
    bool protected_ = false;
    std::string saves_nothing;    // why a stop would save nothing (a flat price); empty = one would
    bool breaker_open = false;    // of its rule
    bool on_trial = false;        // its rule is: nothing is stopped by it yet
    bool beaten_by_hold = false;  // the rule would act, but for a hold
    std::string maintenance;      // that covers it, in words; empty = none does

    /// That of the newest run. One of a run before, which is looked at again after its stop, says nothing of it.
    const Enforcement* under_way() const {
        return enforcement && enforcement->run == current.run.id ? &*enforcement : nullptr;
    }
};

/// What costs money without running: an add-on of the newest list, or a machine that costs the same on or off.
struct LiveAddOn {
    AddOn add_on;  // between a restart and the first list only what the meter knows
    AccountName account;
    Meter meter;  // closed while it is known not to bill
    WallTime first_seen;
    std::optional<WallTime> idle_since;  // its resource is off since then: what it costs is parked
    int absent = 0;                      // from lists in a row
};

/// Runs that may have come and gone unseen.
struct LiveGap {
    GapRow row;
    bool stored = false;
    bool answered = false;
    std::vector<Run> runs = {};
};

/// A date of the provider's, and when it was here.
struct Dated {
    WallTime date;
    Instant at;
    /// What its clock says now.
    WallTime by(Instant now) const { return date + (now - at); }
};

struct LiveAccount {
    AccountName name;
    std::optional<Dated> listed;  // the newest list, by the provider's clock; of this process
    std::optional<WallTime> last_success;
    std::optional<Instant> last_attempt_mono;
    std::optional<Instant> last_success_mono;  // of this process
    std::optional<Instant> sighted;  // its newest list was asked for; also by one before it, on this boot
    std::string error;               // of the last attempt; empty when it went well
    bool key_rejected = false;
    bool complete = false;
    bool first_list = false;  // since the start: the newest is, which may be older than that
    int failures_in_a_row = 0;
    std::string identity;                 // "Ana Ruiz, team lab" once the key was checked
    std::optional<ReportedRow> reported;  // newest
    /// Our own figure for the same time; absent unless its month was watched from the first minute.
    std::optional<Money> accrued_then;
    std::vector<LiveGap> gaps;  // until the provider has answered, and that is durable
    /// When each that is not in its lists any more was in one last, by our clock; or earlier. It may come back.
    std::map<ResourceId, WallTime> gone;
};

struct BudgetState {
    Period period;
    BudgetSpend spend;
    std::vector<std::string> fired;  // keys of thresholds, in this period
};

/// Of a budget for every run: `runs`, and itself stands for the one that has cost the most.
struct LiveBudget : BudgetState {
    Lead lead;
    bool active = true;             // a fixed period has begun and not ended
    std::optional<Money> forecast;  // p50 of the period; set by who forecasts, forgotten with the period
    std::optional<Money> reported;  // by the provider for the period; likewise
    std::map<RunId, BudgetState> runs;

    /// What decides about a run; nullptr when the budget does not know it.
    const BudgetState* of(const Budget& budget, const RunId& run) const {
        if (budget.period.kind != PeriodKind::run) {
            return this;
        }
        const auto found = runs.find(run);
        return found == runs.end() ? nullptr : &found->second;
    }
};

struct Picture {
    std::map<AccountName, LiveAccount> accounts;
    std::map<ResourceId, LiveResource> resources;
    std::map<RunId, LiveAddOn> add_ons;  // by the run of their meters
    /// Closed by a poll whose transaction was not handed to the store yet: neither there nor open any more.
    std::map<AccountName, std::vector<CostRow>> unstored;
    std::map<BudgetName, LiveBudget> budgets;
    std::map<ResourceId, Hold> exemptions;  // one each, also of what is not listed now
    std::map<RuleName, RuleTrial> trials;
    std::map<RuleName, Breaker> breakers;  // open
    std::set<RuleName> flagged;            // by the false-stop meter
    std::vector<Silence> maintenance;      // in force; of no other kind

    /// That covers what is under this rule; nullptr = none.
    const Silence* maintenance_over(const Resource& resource, const RuleName& rule) const {
        for (const Silence& silence : maintenance) {
            if (covers(silence.scope, {.alert = {},
                                       .kind = {},
                                       .resource = resource.id,
                                       .resource_name = resource.name,
                                       .account = resource.account,
                                       .rule = rule,
                                       .budget = {}})) {
                return &silence;
            }
        }
        return nullptr;
    }
    /// What an account's provider says that it is. Another's counts as well until it has answered twice, since its
    /// first list may be an old one. nullopt = none was here.
    std::optional<WallTime> provider_time(const AccountName& account, Instant now) const;
    /// Did its newest poll go well, and not long ago?
    bool seen_lately(const AccountConfig& account, Instant now) const;
    /// Might what the first list says of an account's time be old? Our clock is later; either may be wrong.
    bool dated_back(const LiveAccount& account, const Now& now) const;
    /// Up to when a run with a meter bills. By the provider's clock, since ours may be wrong by hours; without a date
    /// of any it has cost what it was seen to. Where its start is our own sight of it, our clock counts as well. What
    /// a list has just shown to be over costs what it was seen to cost.
    WallTime billed_to(const AccountName& account, const LiveRun& run, const Now& now) const;
    /// Our clock, where it is right to the minute, else that of the account's provider.
    WallTime checked_time(const AccountName& account, const Now& now) const;
    /// What the calendar of budgets goes by: our clock, where it is right to the minute, else the provider's.
    WallTime calendar(const Now& now) const;
    const RuleTrial* trial_of(const RuleName& rule) const {
        const auto found = trials.find(rule);
        return found == trials.end() ? nullptr : &found->second;
    }
};

/// Its runs that have a meter, newest first: `visit(run)`.
template <class Visit>
void each_metered_run(const LiveResource& live, Visit&& visit) {
    if (live.current.meter) {
        visit(live.current);
    }
    for (const LiveRun& run : live.older) {
        if (run.meter) {
            visit(run);
        }
    }
}

/// The meters of its runs, newest run first.
template <class Visit>
void each_meter(const LiveResource& live, Visit&& visit) {
    each_metered_run(live, [&](const LiveRun& run) { visit(*run.meter); });
}

/// Everything that counts money, open or not: `visit(account, meter)` for those of runs, then of add-ons.
template <class Visit>
void each_meter(const Picture& picture, Visit&& visit) {
    for (const auto& [id, live] : picture.resources) {
        each_meter(live, [&](const Meter& meter) { visit(live.resource.account, meter); });
    }
    for (const auto& [id, live] : picture.add_ons) {
        visit(live.account, live.meter);
    }
}

}  // namespace curfew
