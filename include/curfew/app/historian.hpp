// Answers from what was recorded, and from what is known to come: how a run stood at a time, what a
// candidate rule would have done, what happens within the next day. Like the reporter it never waits for
// a cloud.
#pragma once

#include "curfew/app/reporter.hpp"
#include "curfew/core/replay.hpp"

#include <optional>
#include <string>
#include <vector>

namespace curfew {

struct MomentReport {
    Freshness freshness;
    const LiveResource* live = nullptr;  // as it is now; valid until the loop runs on
    RunRow run;                          // that was the newest then
    bool off = false;                    // it had ended by then
    Moment moment;
    std::string rule;  // of today's configuration; empty = none
    std::optional<Money> run_cost;
    std::string next;
    std::string would_stop;
    std::string would_keep;
};

struct ReplayItem {
    ResourceId resource;
    std::string name;
    RunRow run;
    RuleTest test;
};
struct ReplayReport {
    Freshness freshness;
    WallTime from;
    WallTime to;
    Rule rule;
    std::vector<ReplayItem> items;  // those that it would have stopped, oldest stop first
    std::int64_t runs = 0;          // that match and were looked at in this time
    std::int64_t warned = 0;
    Money saved;             // until the runs really ended
    Money saved_before_use;  // until they were used again, or ended
    std::int64_t suspect_soon = 0;
    std::int64_t suspect_later = 0;  // with those that are soon
    std::int64_t unpriced = 0;
    bool cut = false;  // there were more runs than one answer takes
};

struct PlanItem {
    const LiveResource* live = nullptr;  // valid until the loop runs on
    std::vector<PlannedAct> warnings;    // that people will get
    std::optional<PlannedAct> stop;      // or what would be a stop, but for the mode
    std::optional<Money> saves;          // from the stop until the end of the plan; absent = unpriced
    std::string why;
};
struct PlanReport {
    Freshness freshness;
    WallTime until;
    std::vector<PlanItem> items;  // what bills; those with a stop first, soonest first
    Money saves;                  // by stops
    Money would_save;             // by what the mode forbids
    Money without;                // what all of it costs until then if nothing is stopped
    std::int64_t unpriced = 0;
};

class Historian {
public:
    static constexpr Duration plan_ahead_by = hours{24};
    static constexpr int runs_max = 20'000;

    Historian(World& world, const Reporter& reporter) : world_(world), reporter_(reporter) {}

    /// Errors: invalid (the time lies ahead), not_found (before the first record; the text names it).
    Task<Result<MomentReport>> explain_at(ResourceId resource, WallTime at);
    Task<Result<ReplayReport>> test_rule(Rule rule, WallTime since);
    PlanReport plan() const;

private:
    Task<Result<RecordedRun>> recorded(RunRow run, WallTime until, std::vector<Hold> holds);
    PlanItem plan_of(const LiveResource& live, const Now& now) const;

    World& world_;
    const Reporter& reporter_;
};

}  // namespace curfew
