// One attempt to end one run: a pure state machine. Every arrow is persisted with its intended effect
// before the effect happens; every effect is idempotent and fenced by the run id; after a crash the
// enforcement starts again from its last persisted state by reading the world (`recover`).
//
//   watching → warned → due → packing → packed → stopping → confirming → stopped → over
//      any state before stopping: activity, hold, new run, mode change → over, with the reason
//      packing → pack_failed → packing … | held | (rule allows, budget's time is up) packed by override
//      pack_failed, held → due, where a person asks for it
//      stopping, confirming → stop_failed → packed (looked at again, next method) → stopping
//      stopping → packed, where the last look was overtaken before the call could leave
//
// Invariants asserted here in release builds as well: I1, I2, I3, I4.
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace curfew {

enum class EnforcementState : std::uint8_t {
    watching,  // nothing begun; never stored
    warned,    // told of what is to come
    due,       // time is up; fresh signals are being read
    packing,
    packed,       // verified; the fence is being read
    stopping,     // the stop call is under way, or was when we crashed
    confirming,   // waiting for a state that is known not to bill, twice
    stopped,      // confirmed; looked at again after 10 and 60 min
    pack_failed,  // will be tried again at `next_at`
    held,         // a person is needed: packing failed for good
    stop_failed,  // still billing; another try at `next_at`
    over,         // ended; see `outcome`
};
std::string_view to_string(EnforcementState state);
std::optional<EnforcementState> enforcement_state_from(std::string_view word);

/// In rising order of force.
enum class CauseKind : std::uint8_t { idle, schedule, age, budget, manual };
std::string_view to_string(CauseKind kind);
/// From the stored word; an unknown word is the weakest, idle.
CauseKind cause_kind_from(std::string_view word);
/// Of a rule: its name is a rule's, and the rule's breaker counts it.
constexpr bool of_rule(CauseKind kind) {
    return kind < CauseKind::budget;
}
struct Cause {
    CauseKind kind = CauseKind::idle;
    std::string name;  // of the rule or budget, or who asked
    bool operator==(const Cause&) const = default;
};
/// manual > budget > age > schedule > idle.
bool stronger(const Cause& a, const Cause& b);

enum class StopMethod : std::uint8_t { provider, guest };
std::string_view to_string(StopMethod method);

/// Why there may be a stop without a receipt (I1): names the rule, person or budget.
struct Override {
    std::string by;
    std::string reason;
};

/// A warning's number is its step of the ladder, 1-based, and so much more with each turn to another cause, whose
/// ladder begins anew: a late delivery is no notice of what was warned of since.
constexpr int warning_round = 100;
constexpr int ladder_step(int warned_step) {
    return warned_step % warning_round;
}

struct Enforcement {
    EnforcementId id;
    AccountName account;
    ResourceId resource;
    RunId run;
    Cause cause;
    EnforcementState state = EnforcementState::watching;
    int warned_step = 0;               // number of the newest warning
    std::optional<Instant> warned_at;  // the first warning was decided
    std::optional<Instant> notice_at;  // the first warning was delivered
    int pack_attempts = 0;
    int stop_attempts = 0;
    StopMethod method = StopMethod::provider;
    std::optional<Instant> next_at;         // when this state wants to be woken
    std::optional<Instant> stop_called_at;  // of the newest call, sent or not
    std::optional<Instant> pack_until;      // then it goes on without a whole pack; after a restart anew
    std::optional<ReceiptId> receipt;       // verified, of this run
    std::optional<Override> override_;
    int off_sightings = 0;
    int relooks = 0;
    std::string reason;   // of the newest transition
    std::string outcome;  // once over: stopped, cancelled, …

    bool live() const { return state != EnforcementState::watching && state != EnforcementState::over; }
    /// Is a pack on its way, or waited for: the next try, or a person?
    bool at_pack() const {
        return state == EnforcementState::packing || state == EnforcementState::pack_failed ||
               state == EnforcementState::held;
    }
    /// Has anything been sent that could end the run?
    bool stop_sent() const { return stop_attempts > 0; }
};

/// How one poll cycle sees the run of an enforcement, with every rule already applied.
struct Assessment {
    std::optional<Cause> cause;  // the strongest that wants it ended (or warned), if any
    int warn_step = 0;           // of the ladder, 1-based; 0 = not yet
    bool time_is_up = false;     // limit reached (quiet time, off hours, age, budget notice, manual)
    Verdict verdict = Verdict::unknown;
    bool on = true;                      // this very run is listed in a state that bills
    bool gone = false;                   // known not to bill, or absent from a complete list
    bool state_known = true;             // false: the provider's word for its state is unknown to us
    bool newest = true;                  // no newer run of the resource exists
    std::optional<std::string> held_by;  // hold, protection: in words
    bool breaker_open = false;
    Mode mode = Mode::observe;
    std::string mode_why;  // where it is weaker than what is configured: "maintenance until …"
    Duration min_notice = minutes{10};
    bool needs_notice = true;  // false for manual stops
    std::string why;           // "quiet 41m of 60m, rule night"
};

/// A fresh look right before packing or stopping.
struct FreshLook {
    bool answered = true;  // false: somebody who had to be asked did not answer; look again later
    Verdict verdict = Verdict::unknown;
    bool asked = true;         // the cause that it is for still asks
    bool same_run_on = false;  // the provider lists this run in a known billing state
    bool newest = true;
    bool gone = false;
    bool files_unchanged = true;  // against the receipt's manifest; true before packing
    std::optional<std::string> held_by;
    Mode mode = Mode::observe;
    std::string mode_why;
    bool breaker_open = false;
    std::string why;
};

namespace event {
struct Assessed {
    Assessment assessment;
};
struct WarningDelivered {
    int step = 0;  // the warning's number
};  // at least one channel took it
struct Looked {
    FreshLook look;
};  // answers Effect::look_fresh and Effect::fence
struct PackDone {
    ReceiptId receipt;
};
struct PackFailed {
    Error error;
};
enum class Answer : std::uint8_t {
    accepted,
    already_off,
    refused,
    unauthorized,
    ambiguous,
    not_sent,  // the call never left: the last look did not speak for that moment any more
};
struct StopAnswered {
    Answer answer = Answer::ambiguous;
    std::string text;
};
enum class Sighting : std::uint8_t { on, off, unclear };
struct Seen {
    Sighting sighting = Sighting::unclear;
};  // of this run, in a listing
struct Woken {};  // `next_at` has come
struct AskedByHand {
    std::string by;
    std::optional<Override> without_pack;
};  // a person asks for the stop: it goes on in that one's name. Before it has begun an assessment follows
struct Cancelled {
    std::string reason;
};  // by a person (`curfew release` of a stop), or removal
}  // namespace event

using EnforcementEvent =
    std::variant<event::Assessed, event::WarningDelivered, event::Looked, event::PackDone, event::PackFailed,
                 event::StopAnswered, event::Seen, event::Woken, event::AskedByHand, event::Cancelled>;

/// What the enforcer has to do, after the transition is durable.
enum class Effect : std::uint8_t {
    warn,            // send warning `warned_step`
    tell_cancelled,  // to those who were warned
    look_fresh,      // read signals now → Looked
    pack,            // → PackDone | PackFailed
    cancel_pack,
    fence,      // look at everything once more, within 30 s of the call → Looked
    call_stop,  // by `method` → StopAnswered
    look_up,    // read this run's state → Seen
    tell_stopped,
    alert_pack_failed,
    alert_stop_failed,   // still billing, with the money lost so far
    alert_unauthorized,  // critical at once
    alert_undelivered,   // every channel failed; critical
    record_would_stop,   // observe and warn: what would have happened
};
std::string_view to_string(Effect effect);

struct EnforcementPolicy {
    Duration undelivered_extra = hours{1};  // more notice when every channel failed
    int pack_attempts_max = 5;
    Duration pack_retry_first = minutes{1};
    Duration pack_retry_max = minutes{30};
    bool override_when_pack_failed = false;
    bool respect_activity = true;  // of the rule whose schedule asks
    /// Of a budget that stops now: how long packing may take, failures and new tries together.
    std::optional<Duration> pack_within;
    Duration confirm_every = seconds{5};
    Duration look_again = seconds{30};    // after a look that was not answered
    Duration confirm_limit = minutes{6};  // slow teardown takes up to 5 min
    Duration stop_retry_first = Duration{seconds{150}};
    Duration stop_retry_max = minutes{10};
    Duration first_relook = minutes{10};
    Duration second_relook = minutes{60};
};

/// Does a stop for this cause end where work is seen or nothing can be seen (I2)? The idle rule's and,
/// unless the rule says otherwise, the schedule's does; an age, a hard budget and a person do not ask.
constexpr bool by_activity(CauseKind kind, const EnforcementPolicy& policy) {
    return kind == CauseKind::idle || (kind == CauseKind::schedule && policy.respect_activity);
}

struct Transition {
    Enforcement next;
    std::vector<Effect> effects;
    bool changed = false;  // something to persist
};

/// One step. An event that means nothing in this state changes nothing (late answers of a cancelled
/// pack, a second delivery report). Never throws; breaks of I1 to I4 abort.
Transition step(const Enforcement& current, const EnforcementEvent& event, Instant now,
                const EnforcementPolicy& policy);

/// After a restart: which effects resume the stored state. A stop that may have been sent is looked
/// up, never resent. `same_boot` false, or stored as of an earlier boot: instants mean nothing, such waits begin anew.
Transition recover(const Enforcement& stored, Instant now, bool same_boot, const EnforcementPolicy& policy);

/// More than max(2, 25 %) of the running resources stopped by one rule within an hour.
bool breaker_trips(int stopped_by_rule_last_hour, int running);

}  // namespace curfew
