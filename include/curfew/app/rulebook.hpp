// What becomes of rules over time: the trial that a new one begins with, the meter of its false stops, and
// the reset of its breaker. Everything is in the store; this room looks once a minute.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/enforcer.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/world.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace curfew {

class Rulebook {
public:
    Rulebook(World& world, Alarms& alarms, Enforcer& enforcer);

    void load(std::vector<RuleTrial> trials, const std::vector<Breaker>& breakers);
    /// Looks until `stop`. A failing store loses nothing but watched time, which makes a trial longer.
    Task<void> run();
    void stop();
    /// The configuration changed: look now.
    void wake() { wakeup_.notify(); }
    /// Before the store closes: how far trials have come.
    Task<void> flush();

    /// By hand: the rule of an open breaker acts again. False when it was not open.
    Task<Result<bool>> reset(RuleName rule, std::string actor);

private:
    Task<void> go_on_with_trials();
    Task<void> measure_false_stops();
    /// The run that took the place of a stopped one, if that was too soon; nullopt while nothing did.
    struct Next {
        bool soon = false;
        RunId run;
        Duration gap{0};
    };
    Task<std::optional<Next>> next_run(RuleEvent stop);
    void judge_flags(const std::map<RuleName, int>& counts, Batch& batch);
    /// No stop sooner than one full warning ladder from now.
    void give_full_ladder(const RuleName& rule, Batch& batch);
    Task<Message> trial_message(Rule rule);

    World& world_;
    Alarms& alarms_;
    Enforcer& enforcer_;
    Wakeup wakeup_;
    Scheduler::Alarm alarm_;
    std::optional<Instant> looked_at_;
    std::map<RuleName, Duration> stored_;  // how far the store knows each trial to be
    std::set<RunId> judged_;               // stopped runs whose next run was looked at
    bool stopping_ = false;
};

}  // namespace curfew
