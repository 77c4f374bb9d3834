// Which resources, how long quiet, off when, how old, which warnings, which mode.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/core/schedule.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

/// Decide and record; also tell; also act. The weakest of global, rule and resource wins.
enum class Mode : std::uint8_t { observe, warn, enforce };
std::string_view to_string(Mode mode);
constexpr Mode weakest(Mode a, Mode b) {
    return a < b ? a : b;
}

/// Globs (`*`, `?`, case-sensitive); an empty list matches everything. All given lists must match; of several
/// tags one is enough.
struct Match {
    std::vector<std::string> names;
    std::vector<std::string> machine_types;
    std::vector<std::string> accounts;
    std::vector<std::string> projects;
    std::vector<std::string> owners;
    std::vector<ResourceKind> kinds;
    std::vector<std::string> providers;
    std::vector<std::string> tags;
    bool operator==(const Match&) const = default;
};
bool glob_matches(std::string_view pattern, std::string_view text);
bool matches(const Match& match, const Resource& resource);

/// What a pack of this rule covers.
struct PackPolicy {
    std::vector<std::string> include{"**"};  // globs on paths below the guest's root
    std::vector<std::string> exclude;
    Duration settle = seconds{10};  // at rest by the server's own clock
    std::int64_t max_bytes = 200LL << 30;
    std::int64_t max_files = 200'000;
    bool html = true;
    bool partial_ok = false;            // stop although something listed could not be copied
    bool override_when_failed = false;  // the rule says: stop although the pack failed for good
};

/// How a rule looks inside a guest.
struct ProbePolicy {
    bool enabled = true;               // run the probe in candidates
    std::vector<std::string> watched;  // paths whose change is work
    std::string heartbeat;             // a file that a job keeps fresh; empty = none
};

struct Rule {
    RuleName name;
    Match match;
    Duration idle_limit = hours{1};
    std::vector<Duration> ladder{minutes{30}, minutes{10}, minutes{2}};  // before the stop
    Duration min_notice = minutes{10};
    Duration start_grace = minutes{15};
    Mode mode = Mode::observe;
    Duration observe_first{0};          // on trial: watched for so long before `mode` counts
    bool accept_partial = false;        // act although only the kernel state can be seen
    Duration stalled_after = hours{6};  // a busy kernel that does nothing for so long is quiet
    ProbePolicy probe;
    std::optional<Schedule> schedule;
    bool respect_activity = true;     // the schedule leaves alone what is at work or cannot be seen
    std::optional<Duration> max_age;  // of a run, at work or not; no keep holds it
    PackPolicy pack;
};

/// Ladder for a limit: as given when the limit is at least twice its first step, else scaled so that
/// the first step is half the limit. Descending, no step below one second.
std::vector<Duration> scaled_ladder(std::span<const Duration> ladder, Duration limit);

/// How many steps of `ladder` (descending "before the stop") are reached when `left` remains.
int steps_reached(std::span<const Duration> ladder, Duration left);

/// First matching rule in order of the configuration, or nullptr.
const Rule* rule_for(std::span<const Rule> rules, const Resource& resource);

/// How far a rule's trial has come. Only time in which Curfew watched counts, added up from monotonic
/// distances: neither a jump of the wall clock (I14) nor a host that was off ends a trial early. A rule is
/// known by its name; one whose match or limits change is not new.
struct RuleTrial {
    RuleName rule;
    WallTime first_seen;  // for people
    Duration tried{0};
    std::optional<WallTime>
        ended_at;  // the owner was told; empty while it goes on, and if there never was one
    bool operator==(const RuleTrial&) const = default;
};
/// Does the rule only observe, whatever its mode says? `trial` is nullptr when it was never seen before.
bool on_trial(const Rule& rule, const RuleTrial* trial);
Duration trial_left(const Rule& rule, const RuleTrial* trial);
struct TrialStep {
    RuleTrial next;
    bool ended = false;  // by this step: tell the owner
};
/// `watched` more of watching. A trial also ends when the configuration does without it.
TrialStep advance(const Rule& rule, const RuleTrial& trial, Duration watched, WallTime now);

/// The false-stop meter: what is used again so soon after a stop by a rule should not have been stopped.
constexpr Duration false_stop_within = minutes{15};
constexpr Duration false_stop_window = hours{24} * 7;
constexpr int false_stops_max = 2;  // in the window; one more flags the rule
/// `ended` and `started` by one clock: the provider's stamps where there are any.
bool used_again_soon(WallTime ended, WallTime started);
constexpr bool flags(int false_stops) {
    return false_stops > false_stops_max;
}

/// A rule that stopped too much at once, and only warns until a person resets it.
struct Breaker {
    RuleName rule;
    std::string why;  // "3 stops within an hour"
    WallTime at;
    bool open = true;
    bool operator==(const Breaker&) const = default;
};

/// What became of something under a rule. A run that would have been stopped, or was stopped for nothing,
/// counts once.
enum class RuleEventKind : std::uint8_t { would_stop, stop, false_stop };
std::string_view to_string(RuleEventKind kind);
struct RuleEvent {
    RuleName rule;
    RuleEventKind kind = RuleEventKind::stop;
    WallTime at;
    ResourceId resource;
    RunId run;         // the one that was stopped, or would have been
    std::string name;  // of the resource
    bool operator==(const RuleEvent&) const = default;
};

}  // namespace curfew
