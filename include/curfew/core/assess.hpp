// One pure step from what is known of a run to what should happen to it: every rule, hold and budget
// applied in the order of force (manual stop > hard budget > exemption > keep and lease > idle).
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/enforcement.hpp"
#include "curfew/core/hold.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/core/rule.hpp"

#include <optional>
#include <string>

namespace curfew {

struct AssessInput {
    RunState state = RunState::unknown;
    bool newest = true;
    bool gone = false;  // absent from complete listings
    Judgement judgement;
    Duration quiet{0};           // of the quiet clock
    Duration seen_for{0};        // monotonic, since this run was first seen
    const Rule* rule = nullptr;  // that matches, if any
    Mode mode = Mode::observe;   // weakest of global and account; the rule's comes on top
    const Hold* hold = nullptr;  // in force
    bool protected_ = false;
    bool breaker_open = false;                    // of the rule
    std::optional<std::string> exhausted_budget;  // hard, matches, its stop threshold has fired
    Mode budget_mode = Mode::observe;
    std::optional<std::string> manual_by;  // a person asked for a stop
};

struct AssessResult {
    Assessment assessment;
    Mode mode = Mode::observe;         // effective
    Duration idle_limit{0};            // effective, with a weak signal's delay
    std::optional<Duration> stops_in;  // if it stays quiet and nothing holds
    bool beaten_by_hold = false;       // the rule would act; shown all the same
};

AssessResult assess(const AssessInput& in);

}  // namespace curfew
