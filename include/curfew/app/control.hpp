// The changes a person may ask for. Implemented by the daemon; called by the local API after the peer
// was allowed. All of them are durable and audited with the actor before they return.
#pragma once

#include "curfew/core/budget.hpp"
#include "curfew/core/hold.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/receipt.hpp"
#include "curfew/core/silence.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/task.hpp"

#include <optional>
#include <string>
#include <vector>

namespace curfew {

struct KeepAnswer {
    Hold hold;
    KeepOffer offer;
};

/// When a hold ends: at a time, or so long after now.
struct HoldEnd {
    std::optional<WallTime> until;
    Duration after{0};
};

/// What `release` ends.
struct ReleaseOptions {
    bool keeps = true;
    bool leases = true;
    bool exemptions = false;
    bool stop = true;  // call off a stop that a person asked for
    std::string job;   // of leases, only this one's; empty = all
};
/// How many of each ended.
struct Released {
    int keeps = 0;
    int leases = 0;
    int exemptions = 0;
    int stops = 0;
    int all() const { return keeps + leases + exemptions + stops; }
};

struct StopOptions {
    bool pack = true;                         // false needs the risk "unpacked-outputs" accepted
    bool dry_run = false;                     // say what would happen
    std::vector<std::string> accepted_risks;  // kills-busy-kernel, unpacked-outputs
};

struct StopAnswer {
    EnforcementId enforcement;       // empty for a dry run
    std::vector<std::string> steps;  // what will happen, in words
    std::optional<Money> per_hour;   // saved from then on
};

class Control {
public:
    virtual ~Control() = default;
    /// Errors: not_found (no such running resource), invalid (too long), conflict (would break a
    /// hard budget; the text names it).
    virtual Task<Result<KeepAnswer>> keep(ResourceId resource, Duration how_long, std::string reason,
                                          std::string actor) = 0;
    /// A job lease: renewing the same job replaces its lease. Errors as of keep; also invalid for a job
    /// without a name, and conflict where too many jobs hold leases.
    virtual Task<Result<KeepAnswer>> lease(ResourceId resource, Duration how_long, std::string job,
                                           std::string reason, std::string actor) = 0;
    /// An operator's exemption, which survives runs; it replaces the one before. Errors: not_found,
    /// invalid (no reason, no end, more than 90 days).
    virtual Task<Result<Hold>> exempt(ResourceId resource, HoldEnd end, std::string reason,
                                      std::string actor) = 0;
    /// Ends holds of a resource, and says which.
    virtual Task<Result<Released>> release(ResourceId resource, ReleaseOptions options,
                                           std::string actor) = 0;
    /// Closes the breaker of a rule; false when it was not open. Errors: not_found (no such rule).
    virtual Task<Result<bool>> reset_rule(RuleName rule, std::string actor) = 0;
    /// Errors: conflict with the name of the risk to accept in `text` ("needs accepted risk:
    /// kills-busy-kernel").
    virtual Task<Result<StopAnswer>> stop(ResourceId resource, StopOptions options, std::string actor) = 0;
    /// Packs without stopping; returns at once, the receipt appears in `receipts`.
    virtual Task<Result<ReceiptId>> pack(ResourceId resource, std::string actor) = 0;
    /// Reads every copy of a receipt once more; changes nothing. Errors: as of `Packer::check_copies`.
    virtual Task<Result<void>> check_copies(Receipt receipt) = 0;
    /// By name, with a word: no repeats until it gets worse. Errors: not_found (nothing with this id fires).
    virtual Task<Result<void>> acknowledge(AlertId alert, std::string note, std::string actor) = 0;
    /// `wanted` without an id, times and a name. Errors: invalid (no end, one that is too far, no reason).
    virtual Task<Result<Silence>> silence(Silence wanted, HoldEnd end, std::string actor) = 0;
    /// Errors: not_found.
    virtual Task<Result<void>> unsilence(SilenceId silence, std::string actor) = 0;
    /// Sends a test message now, and says what the receiver answered; the error is what went wrong.
    virtual Task<Result<Delivered>> test_channel(Destination to, std::string actor) = 0;
    /// Dead letters wait again under the same ids: one by the id of its row, all with "". How many. Errors:
    /// not_found.
    virtual Task<Result<int>> retry_outbox(std::string id, std::string actor) = 0;
    /// Re-reads the configuration; on error the old one stays and the text lists every fault.
    virtual Task<Result<void>> reload(std::string actor) = 0;
    /// `document` is the TOML of one [[budget]] block. It is in force from now on, instead of the one with its
    /// name. Errors: invalid with every fault; conflict (too many).
    virtual Task<Result<Budget>> set_budget(std::string document, std::string actor) = 0;
    /// Takes back what `set_budget` did; what the configuration says of that name is in force again. Errors:
    /// not_found; conflict where only the configuration has it, with the place.
    virtual Task<Result<void>> remove_budget(BudgetName budget, std::string actor) = 0;
    virtual void poll_now() = 0;
};

}  // namespace curfew
