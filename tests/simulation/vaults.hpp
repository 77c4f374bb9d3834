// A vault in memory. What is published stays; what is not is gone with the process that made it.
#pragma once

#include "curfew/ports/vault.hpp"
#include "simulation/stage.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace curfew::simulation {

/// Outlives every life of the daemon.
struct VaultRoom {
    VaultName name;
    bool required = true;
    Dice dice;
    struct Snapshot {
        ReceiptId receipt;
        ResourceId resource;
        std::vector<ManifestEntry> manifest;
    };
    std::deque<Snapshot> snapshots;                                      // newest last; the oldest go
    std::map<ReceiptId, std::map<std::string, std::uint64_t>> versions;  // what the snapshots really hold
};

class SimVault final : public Vault {
public:
    SimVault(Stage& stage, VaultRoom& room, Line line) : stage_(stage), room_(room), line_(line) {}
    const VaultName& name() const override { return room_.name; }
    bool required() const override { return room_.required; }
    Task<Result<std::unique_ptr<Snapshot>>> begin(AccountName account, ResourceId resource, RunId run,
                                                  ReceiptId receipt, std::int64_t bytes_expected) override;
    Task<Result<void>> verify(Receipt receipt) override;
    Task<Result<std::vector<ManifestEntry>>> manifest(Receipt receipt) override;

private:
    Stage& stage_;
    VaultRoom& room_;
    Line line_;
};

}  // namespace curfew::simulation
