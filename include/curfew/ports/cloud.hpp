// A provider account. Adapters translate; nothing is decided here. All calls take an absolute
// deadline and return errors as values; a lost answer is Retry::ambiguous.
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/enforcement.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/ports/task.hpp"

#include <optional>
#include <string>
#include <vector>

namespace curfew {

/// Names one run and everything an adapter needs to reach it; never "whichever is running".
struct RunRef {
    ResourceKind kind = ResourceKind::notebook;
    ResourceId resource;
    RunId run;
};

struct StopReply {
    event::Answer answer = event::Answer::ambiguous;
    std::string text;  // the provider's words, redacted
};

/// How one run looks right now.
struct RunLook {
    bool listed = false;  // false: absent from a complete answer
    bool newest = true;   // false: a newer run of the same resource is listed
    Run run;
};

struct RunEnd {
    WallTime at;
};

/// What the provider itself says that a calendar month (UTC) has cost so far.
struct Reported {
    WallTime month;  // its beginning
    Money month_to_date;
    WallTime generated_at;  // by the provider: often yesterday
};

class Cloud {
public:
    virtual ~Cloud() = default;
    virtual const AccountName& account() const = 0;

    /// Is the key good, and whose is it? Errc::unauthorized when not.
    virtual Task<Result<std::string>> check_key(Deadline deadline) = 0;

    /// Every resource of the account with its runs, all pages. An incomplete listing is a success
    /// with `complete == false` as long as one page came.
    virtual Task<Result<Listing>> list(Deadline deadline) = 0;

    /// One run, freshly read by resolving its resource (never by a stale id alone).
    virtual Task<Result<RunLook>> look(RunRef ref, Deadline deadline) = 0;

    /// Ends exactly this run. Never resent by the adapter.
    virtual Task<StopReply> stop(RunRef ref, Deadline deadline) = 0;

    /// When an ended run stopped billing, by the provider's own stamp; nullopt where it says nothing.
    virtual Task<Result<std::optional<RunEnd>>> ended_at(RunRef ref, Deadline deadline) = 0;

    /// Runs of a resource that began at or after `since` and are over, oldest first, with both stamps where the
    /// provider has them: to count what came and went while nobody looked.
    virtual Task<Result<std::vector<Run>>> past_runs(ResourceKind kind, ResourceId resource, WallTime since,
                                                     Deadline deadline) = 0;

    /// The provider's own figure; nullopt where the account has none.
    virtual Task<Result<std::optional<Reported>>> reported(Deadline deadline) = 0;

    /// The provider's own metrics of a running run over `window` up to now, as observations
    /// (Signal::metrics). Missing or null series give verdict unknown; an account whose provider has
    /// no metrics gives an empty list.
    virtual Task<Result<std::vector<Observation>>> metrics(RunRef ref, Duration window,
                                                           Deadline deadline) = 0;
};

}  // namespace curfew
