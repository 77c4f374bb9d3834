// Packs one run: list → copy → verify → publish to every required vault → fence. Decides nothing
// about stopping; says exactly what it could prove and what it could not.
#pragma once

#include "curfew/ports/entropy.hpp"
#include "curfew/ports/guest.hpp"
#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/vault.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace curfew {

struct PackOrder {
    ReceiptId receipt;          // chosen by the caller, durable before anything is read
    EnforcementId enforcement;  // empty for `curfew pack`
    AccountName account;
    Resource resource;
    PackPolicy policy;
    std::optional<Receipt> previous;  // newest verified one of the resource, for the shrink check
};

class Packer {
public:
    /// `whole_notebook` tells whether bytes are a complete notebook document (JSON is an adapter's).
    Packer(Scheduler& scheduler, std::vector<std::shared_ptr<Vault>> vaults,
           std::function<bool(std::string_view)> whole_notebook);

    /// After a reload. Packs under way keep the vaults that they began with.
    void replace_vaults(std::vector<std::shared_ptr<Vault>> vaults) { vaults_ = std::move(vaults); }

    /// A verified receipt, or why not:
    ///   changing   a file or the tree did not hold still (5 rounds, or from one vault to the next): it is in use
    ///   conflict   something listed could not be copied and the policy says no to partial packs, or
    ///              the source shrank by more than half: a person is needed
    ///   disk_full, disk, unavailable, timeout, …: may be retried as the error says
    Task<Result<Receipt>> pack(std::shared_ptr<Guest> guest, PackOrder order, Deadline deadline);

    /// The fence: is the tree still what the receipt holds? false = something moved.
    Task<Result<bool>> unchanged(std::shared_ptr<Guest> guest, Receipt receipt, PackPolicy policy,
                                 Deadline deadline);

    /// Reads every copy that a receipt proves once more and compares it with its manifest. Errors: those of the vault,
    /// with its name; not_found when no vault of today holds it.
    Task<Result<void>> check_copies(Receipt receipt);

private:
    /// A tree, and what of it was copied.
    struct Held {
        Walk walk;
        std::vector<ManifestEntry> manifest;
    };
    /// `held`: what the vaults before hold, and this one then. One receipt speaks for all of them, and the fence asks
    /// any.
    Task<Result<Receipt>> pack_into(Vault& vault, std::shared_ptr<Guest> guest, const PackOrder& order,
                                    Walk first, std::int64_t bytes, WallTime begun, std::optional<Held>& held,
                                    Deadline deadline);

    Scheduler& scheduler_;
    std::vector<std::shared_ptr<Vault>> vaults_;
    std::function<bool(std::string_view)> whole_notebook_;
};

}  // namespace curfew
