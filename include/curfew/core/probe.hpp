// The in-guest probe: a small read-only shell script, what it prints, and what two of its answers say of
// the time between them. It needs nothing but /proc and a POSIX shell. It reads cumulative counters, so
// that two probes minutes apart tell all that happened between them; it counts neither itself nor the
// server that it came through.
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/error.hpp"
#include "curfew/core/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

constexpr std::size_t probe_output_max = std::size_t{2} << 20;
constexpr std::size_t watched_max = 32;

/// What a guest has to run: `sh -c text` prints lines, the last of which holds `end`. Neither `text` as
/// a terminal echoes it, nor anything else, holds `end`.
struct ProbeScript {
    std::string text;
    std::string end;
    std::vector<std::string> watched = {};  // what it numbers
};

/// `nonce` is 16 hexadecimal digits, new for every probe. `watched` are paths in the guest, relative to
/// the shell's folder or absolute, at most 32; control characters in them are refused by the configuration.
ProbeScript probe_script(std::string_view nonce, const std::vector<std::string>& watched);

/// One process at one moment. Times in clock ticks.
struct ProbeProcess {
    std::int64_t pid = 0;
    std::int64_t parent = 0;
    std::int64_t group = 0;
    std::int64_t terminal = 0;                  // device number, 0 = none
    std::int64_t foreground = 0;                // process group that owns the terminal
    std::int64_t started = 0;                   // since boot; with `pid` it names the process
    std::int64_t ticks = 0;                     // user + system, of itself
    std::int64_t child_ticks = 0;               // of the children that it has reaped
    std::optional<std::int64_t> disk_bytes;     // read from and written to disks
    std::optional<std::int64_t> written_bytes;  // by any write, pipes and terminals included
    std::string name;
};

struct ProbeSample {
    Duration uptime{0};
    std::vector<ProbeProcess> processes;
};

struct ProbeGpu {
    std::string index;
    std::vector<std::int64_t> utilisation;  // percent, one a sample; empty = the driver does not say
    std::int64_t memory_mib = 0;
    std::int64_t power_watts = 0;
    bool mig = false;
};

/// Everything one probe printed.
struct Probe {
    ProbeSample first;  // both within seconds
    ProbeSample second;
    std::int64_t ticks_per_second = 100;
    std::int64_t self = 0;  // process id of the script
    bool parent_is_ours = false;
    std::int64_t own_bytes = 0;                 // see ProbeAnswer
    bool all_visible = true;                    // false: other users' processes are hidden from us
    std::optional<std::int64_t> network_bytes;  // of all interfaces but loopback
    std::vector<ProbeGpu> gpus;
    std::string gpu_trouble;                     // a GPU is there, and nothing can be said of it: why
    std::map<std::int64_t, Duration> input_ago;  // terminal device → since somebody typed there
    std::map<std::string, std::string> watched;  // path → checksum of names, sizes and times
};

/// Errc::protocol with the reason for anything that is not whole, or makes no sense.
Result<Probe> parse_probe(std::string_view text, const ProbeScript& script);

/// One signal of a probe.
struct ProbeReading {
    Signal source = Signal::processes;
    Verdict verdict = Verdict::unknown;
    Strength strength = Strength::strong;
    std::string evidence;
};

/// What `now` says, with the help of `before` where it is a probe of the same run. Sources: processes
/// always (trees of them, and the foreground jobs of terminals); gpu where there is one; session;
/// disk_network and watched paths only with `before`. A counter that runs backwards is unknown, never quiet.
std::vector<ProbeReading> read_probe(const Probe& now, const Probe* before);

}  // namespace curfew
