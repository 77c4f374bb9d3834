// Signals → verdict, and the quiet clock (design § 4.1). Unknown is never idle: quiet time is what was
// observed as quiet, added up, never `now - last_activity`.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace curfew {

enum class Verdict : std::uint8_t { active, quiet, unknown };
enum class Strength : std::uint8_t { weak, strong };
enum class Coverage : std::uint8_t { full, partial, none };

/// What was looked at.
enum class Signal : std::uint8_t {
    kernels,    // execution_state of all kernels
    terminals,  // last_activity of terminals that are not ours
    server,     // the guest's server itself: last_activity, connections
    metrics,    // the provider's CPU and GPU series
    processes,  // CPU seconds per process tree, by a probe in the guest
    gpu,
    disk_network,
    watched_paths,
    session,    // input at a terminal, by SSH or in a notebook
    heartbeat,  // a file that a job or a start script keeps fresh
};

std::string_view to_string(Verdict verdict);
std::string_view to_string(Strength strength);
std::string_view to_string(Coverage coverage);
std::string_view to_string(Signal signal);
Verdict verdict_from(std::string_view word);  // unknown word = unknown

/// What one source saw of one run at one time.
struct Observation {
    Signal source = Signal::kernels;
    RunId run;
    Instant at;
    WallTime wall;
    Verdict verdict = Verdict::unknown;
    std::optional<WallTime> last_active_at;  // by our clock: the source's age taken from `wall`
    Strength strength = Strength::strong;
    std::string evidence;  // "kernel 3f2a busy", for people; at most 200 bytes, control-free
    Duration ttl{0};       // older than this it counts as unknown
};

/// 3 polls, at least 5 min.
constexpr Duration observation_ttl(Duration poll_interval) {
    return poll_interval * 3 > minutes{5} ? poll_interval * 3 : Duration{minutes{5}};
}

struct Judgement {
    Verdict verdict = Verdict::unknown;
    Coverage coverage = Coverage::none;
    bool weak_activity = false;  // may delay a stop by at most one warning period
    std::string step;            // what decided, in words: "kernels: kernel 3f2a busy"
};

/// Any strong `active` → active; any required signal unknown or missing → unknown; else quiet.
/// Required: kernels, and one of {processes, gpu, metrics}. Where only the kernel state can be had
/// the coverage is `partial` and the verdict is made from it alone. Order of the observations does
/// not matter; of one source the newest counts.
Judgement combine(std::span<const Observation> observations, Instant now);

/// Adds up observed quiet time of one run.
struct QuietClock {
    Duration quiet{0};
    std::optional<Instant> last_quiet_at;  // of the newest of an unbroken row of quiet looks
    bool operator==(const QuietClock&) const = default;
};

/// Two consecutive quiet looks no more than `max_gap` apart add their distance; active sets 0;
/// unknown and larger gaps freeze. A look that is not newer than the last changes nothing.
QuietClock tick(QuietClock clock, Verdict verdict, Instant at, Duration max_gap);

/// After a restart of the daemon: goes on if the gap is within `max_gap`; otherwise restarts so low
/// that the whole ladder (whose first step is `ladder_head` before the limit) is given again.
QuietClock resume(QuietClock clock, Instant now, bool same_boot, Duration max_gap, Duration limit,
                  Duration ladder_head);

}  // namespace curfew
