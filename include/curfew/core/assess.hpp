// One pure step from what is known of a run to what should happen to it: every rule, hold and budget
// applied in the order of force (manual stop > hard budget > maximum age > exemption > keep and lease >
// schedule > idle).
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/enforcement.hpp"
#include "curfew/core/hold.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/core/rule.hpp"

#include <optional>
#include <string>
#include <vector>

namespace curfew {

struct AssessInput {
    WallTime now;  // for the calendar of schedules; everything else is monotonic (I14)
    RunState state = RunState::unknown;
    bool newest = true;
    bool gone = false;  // absent from complete listings
    Judgement judgement;
    Duration quiet{0};                   // of the quiet clock
    Duration seen_for{0};                // monotonic, since this run was first seen
    Duration age{0};                     // monotonic, since its start
    std::optional<WallTime> started_at;  // the provider's stamp
    bool probing = false;                // a probe can be run in it, and the rule wants it
    bool probed_enough = false;          // by quiet probes, for a stop that looks at activity
    const Rule* rule = nullptr;          // that matches, if any
    bool on_trial = false;               // the rule is: it only observes, whatever its mode
    Mode mode = Mode::observe;           // weakest of global and account; the rule's comes on top
    std::string maintenance;             // that covers it: everything but a person's stop only observes
    const Hold* hold = nullptr;          // in force
    bool protected_ = false;
    std::string saves_nothing;                    // why a stop would save nothing; empty = one would
    bool breaker_open = false;                    // of the rule
    std::optional<std::string> exhausted_budget;  // hard, matches, its stop threshold has fired
    Mode budget_mode = Mode::observe;
    std::optional<Duration> budget_notice;  // where it may be shorter than the rule's
    std::optional<std::string> manual_by;   // a person asked for a stop
    /// The cause of an enforcement that is past its warnings: as long as it asks, it is the one that is
    /// judged, whatever else asks too. A budget that asks besides a rule begins in its own name later.
    std::optional<CauseKind> pursued;
};

struct AssessResult {
    Assessment assessment;
    Mode mode = Mode::observe;              // effective
    Duration idle_limit{0};                 // effective, with a weak signal's delay
    std::optional<Duration> stops_in;       // if it stays as it is and nothing holds
    CauseKind stops_for = CauseKind::idle;  // what that stop would be for
    bool beaten_by_hold = false;            // the rule would act; shown all the same
    /// The hard budget that asks for a stop and may act, whoever the stop that is under way is for.
    std::optional<Cause> budget_acts;
    /// What else of the rule would end it, in words: "off hours from Mon 20:00 Europe/Rome".
    std::vector<std::string> limits;
};

/// A schedule that respects activity takes a run for quiet once it has been seen quiet for this long (or
/// for the idle limit, if that is shorter): the pause between two cells is not the end of the work.
constexpr Duration schedule_quiet = minutes{5};

AssessResult assess(const AssessInput& in);

}  // namespace curfew
