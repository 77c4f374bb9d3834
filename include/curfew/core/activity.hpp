// Signals → verdict, and the quiet clock (design § 4.1). Unknown is never idle: quiet time is what was
// observed as quiet, added up, never `now - last_activity`.
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

/// Does only a probe fill this source? Then it is seen when one is run, and lasts to the next.
constexpr bool is_probed(Signal source) {
    return source == Signal::processes || source == Signal::gpu || source == Signal::disk_network ||
           source == Signal::watched_paths || source == Signal::session;
}

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

/// Two quiet looks further apart than this leave the quiet clock frozen.
constexpr Duration max_gap(Duration poll_interval) {
    return poll_interval * 3;
}

/// 3 polls, at least 5 min.
constexpr Duration observation_ttl(Duration poll_interval) {
    return poll_interval * 3 > minutes{5} ? poll_interval * 3 : Duration{minutes{5}};
}

/// What is known of a run after a look: of each source the newest. Not asked is not unknown: what a probe
/// saw lasts to the next one and is then forgotten, and a look that found work early asked nobody else.
void take_in(std::vector<Observation>& known, std::vector<Observation> seen, Instant now);

struct Judgement {
    Verdict verdict = Verdict::unknown;
    Coverage coverage = Coverage::none;
    bool weak_activity = false;  // may delay a stop by at most one warning period
    bool only_kernels = false;   // nothing but a busy kernel speaks for work
    /// … and it does nothing: it has said nothing for its ttl, the processes were seen to be quiet, and
    /// nothing that was asked is unknown.
    bool kernel_alone = false;
    bool stalled = false;  // … for so long that it counts as quiet; see `judge_stall`
    /// Unknown only because nobody could tell of processes, GPU or metrics: a probe could, and none lasts.
    bool lacks_probe = false;
    std::string step;  // what decided, in words: "kernels: kernel 3f2a busy"
};

/// Any strong `active` → active; any required signal unknown or missing → unknown; else quiet.
/// Required: the kernels of a notebook (a machine has none), and one of {processes, gpu, metrics}. GPU and
/// metrics may be unknown while one of the three is known; a probe that was tried and saw no processes is
/// unknown whatever the others say, since a guest too busy to answer it is no idle guest.
/// Where only the kernel state can be had the coverage is `partial` and the verdict is made from it
/// alone. Order of the observations does not matter; of one source the newest counts.
Judgement combine(std::span<const Observation> observations, Instant now,
                  ResourceKind kind = ResourceKind::notebook);

/// Adds up observed quiet time of one run.
struct QuietClock {
    Duration quiet{0};
    std::optional<Instant> last_quiet_at;  // of the newest of an unbroken row of quiet looks
    bool operator==(const QuietClock&) const = default;
};

/// Two consecutive quiet looks no more than `max_gap` apart add their distance; active sets 0;
/// unknown and larger gaps freeze. A look that is not newer than the last changes nothing.
QuietClock tick(QuietClock clock, Verdict verdict, Instant at, Duration max_gap);

/// So low that the whole ladder (whose first step is `ladder_head` before the limit) is given from the next look on.
QuietClock whole_ladder_ahead(QuietClock clock, Duration limit, Duration ladder_head);

/// After a restart of the daemon: goes on if the gap is within `max_gap`; otherwise the whole ladder is given again.
QuietClock resume(QuietClock clock, Instant now, bool same_boot, Duration max_gap, Duration limit,
                  Duration ladder_head);

/// A kernel that has been seen busy without any work for `stalled_after`, by a clock that `kernel_alone`
/// drives as quiet drives the quiet clock, waits for a person or is dead: it is quiet from then on.
Judgement judge_stall(Judgement judgement, const QuietClock& stall, Duration stalled_after);
/// What a judgement is for that clock: quiet while `kernel_alone`, unknown while a busy kernel could not be
/// told from one that does nothing, else active.
Verdict stall_verdict(const Judgement& judgement);

/// Probes of one run, as far as they bear on the next and on a stop.
struct ProbeState {
    bool possible = true;                // false: nothing can be run in this guest
    std::optional<Instant> last;         // attempt
    int quiet = 0;                       // in a row, nothing active in between
    std::optional<Instant> first_quiet;  // of that row
    int step = 0;                        // of the ladder at the newest attempt
    bool failed = false;                 // the newest attempt told nothing of the processes
    bool operator==(const ProbeState&) const = default;
};

/// What a rule makes of probes and looks.
struct LookPolicy {
    Duration limit{0};
    std::vector<Duration> ladder;  // scaled, descending
    Duration poll{0};
    Duration stalled_after = hours{6};
    bool probes = true;         // the rule wants them
    bool nothing_else = false;  // a machine, or what `lacks_probe`: a probe is all that can tell
};

/// An idle stop of a run that can be probed needs so many quiet probes in a row, the first of them at
/// least one whole ladder old.
constexpr int quiet_probes_needed = 3;
bool probed_enough(const ProbeState& probes, const LookPolicy& policy, Instant now);

/// Is a probe wanted at this look? Only for candidates: at the start of the ladder, at each of its steps
/// (one that failed again every fifth poll: what hangs in a guest must not pile up there),
/// and once the time is up until there are enough; and every twelfth of `stalled_after` of a run in which a
/// busy kernel is all that speaks for work (`busy`). Where there is nothing else, every second poll.
/// `left` is what the quiet clock lacks to the limit.
bool probe_due(const ProbeState& probes, const LookPolicy& policy, Duration left, bool busy, Instant now);
/// For how long the answer counts: to the next one, and three polls; at least to the next try.
Duration probe_ttl(const LookPolicy& policy, Duration left, bool busy);
/// After an attempt. `verdict` is that of the run with everything else that was seen; `whole` is false when
/// the attempt told nothing of the processes.
ProbeState probed(ProbeState probes, Verdict verdict, bool whole, int step, Instant now);

/// When a guest is asked next, counted from this look: as late as no decision comes later for it.
/// A quiet run that is far from its first warning is asked every second poll, since the quiet clock
/// spans gaps of three; one for which no rule stands every tenth.
Duration look_after(Verdict verdict, Duration left, const LookPolicy& policy, bool has_rule);

}  // namespace curfew
