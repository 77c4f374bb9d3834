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

/// Globs (`*`, `?`, case-sensitive); an empty list matches everything. All given lists must match.
struct Match {
    std::vector<std::string> names;
    std::vector<std::string> machine_types;
    std::vector<std::string> accounts;
    std::vector<std::string> projects;
    std::vector<std::string> owners;
    std::vector<ResourceKind> kinds;
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

}  // namespace curfew
