// The changes a person may ask for. Implemented by the daemon; called by the local API after the peer
// was allowed. All of them are durable and audited with the actor before they return.
#pragma once

#include "curfew/core/hold.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/money.hpp"
#include "curfew/ports/task.hpp"

#include <string>
#include <vector>

namespace curfew {

struct KeepAnswer {
    Hold hold;
    KeepOffer offer;
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
    /// Ends all keeps of a resource and cancels its manual stop; how many holds ended.
    virtual Task<Result<int>> release(ResourceId resource, std::string actor) = 0;
    /// Errors: conflict with the name of the risk to accept in `text` ("needs accepted risk:
    /// kills-busy-kernel").
    virtual Task<Result<StopAnswer>> stop(ResourceId resource, StopOptions options, std::string actor) = 0;
    /// Packs without stopping; returns at once, the receipt appears in `receipts`.
    virtual Task<Result<ReceiptId>> pack(ResourceId resource, std::string actor) = 0;
    virtual Task<Result<void>> acknowledge(AlertId alert, std::string actor) = 0;
    /// Re-reads the configuration; on error the old one stays and the text lists every fault.
    virtual Task<Result<void>> reload(std::string actor) = 0;
    virtual void poll_now() = 0;
};

}  // namespace curfew
