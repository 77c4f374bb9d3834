// What runs inside a resource: a Jupyter server. Reading only; Curfew never writes to, renames or
// deletes anything at a guest.
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/probe.hpp"
#include "curfew/core/receipt.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/ports/cloud.hpp"
#include "curfew/ports/task.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace curfew {

/// Where a download goes. `write` may suspend (bounded buffering); bytes are copied before it
/// returns.
class ByteSink {
public:
    virtual ~ByteSink() = default;
    virtual Task<Result<void>> write(std::span<const std::byte> bytes) = 0;
};

struct WalkLimits {
    std::int64_t entries_max = 200'000;
    int depth_max = 32;
};

/// What `read` saw of the file it read.
struct ReadReport {
    FileEntry before;      // model read right before the download
    FileEntry after;       // and what was really read: a link's target differs from the link
    WallTime server_time;  // the server's clock at `before`
    std::int64_t bytes = 0;
};

/// How far one look at a guest goes.
struct LookOrder {
    std::string heartbeat;      // path of a file below the guest's root; empty = none is kept
    bool until_active = false;  // whoever is at work need not be asked anything more
    bool brief = false;         // leave out what is weak: no decision is near
    bool operator==(const LookOrder&) const = default;
};

/// What the probe printed, as it came: the frame and the noise of a shell around it included.
struct ProbeAnswer {
    std::string text;             // at most `probe_output_max` bytes
    bool parent_is_ours = false;  // the script's parent process was started for it as well (a kernel)
    std::int64_t own_bytes = 0;   // exchanged between Curfew and this guest since the daemon started
};

class Guest {
public:
    virtual ~Guest() = default;

    /// Asks kernels, terminals and the server, with calls that do not count as activity. Always
    /// yields one observation per source that was asked (verdict unknown where it failed); an error
    /// only when nothing could be asked at all.
    virtual Task<Result<std::vector<Observation>>> observe(LookOrder order, Deadline deadline) = 0;

    /// Runs a read-only script in a shell of our own, never in the user's: through a terminal, or a
    /// kernel where terminals are switched off. Ends and removes what it opened, also when it fails.
    /// Errors: not_found when nothing can be run in this guest (Retry::never), too_large when it
    /// prints more than `probe_output_max`, timeout, and those of the transport.
    virtual Task<Result<ProbeAnswer>> probe(ProbeScript script, Deadline deadline) = 0;

    /// Lists the tree below the guest's root. Hostile names never appear in `files`; they are in
    /// `not_covered`.
    virtual Task<Result<Walk>> walk(WalkLimits limits, Deadline deadline) = 0;

    /// Streams the raw bytes of a file from `offset` on. Errc::changing when it was not at rest for `settle` by
    /// the server's own clock, or moved while it was read; Retry::never when `file` must be listed anew.
    virtual Task<Result<ReadReport>> read(FileEntry file, std::int64_t offset, Duration settle,
                                          ByteSink& sink, Deadline deadline) = 0;

    /// HTML of a notebook whose verified bytes we hold; asks the server's nbconvert with our copy.
    virtual Task<Result<std::string>> to_html(std::string name, std::string notebook_json,
                                              Deadline deadline) = 0;

    /// The third way of stopping: ends the server, and with it the run. Needs the run's own token.
    virtual Task<StopReply> shut_down(Deadline deadline) = 0;

    /// How many reads may run at once now (the server is also the user's page).
    virtual int parallel_reads() const = 0;
};

/// Makes guests. One per adapter kind; `run` must carry address and token.
class GuestDoor {
public:
    virtual ~GuestDoor() = default;
    /// nullptr when this run has no guest to ask (no address, or nobody said how to get into it).
    virtual std::unique_ptr<Guest> open(const AccountName& account, const Resource& resource,
                                        const Run& run) = 0;
};

}  // namespace curfew
