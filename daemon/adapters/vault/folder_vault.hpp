// A vault that is a local or mounted folder:
//   <path>/<account>/<resource>/snapshots/2026-11-23T031500Z-7f3a9c…/
//       files/ html/ SHA256SUMS manifest.jsonl receipt.json
//   <path>/<account>/<resource>/latest -> snapshots/…
// A snapshot is built as snapshots/.tmp-<receipt>, synced, read back from the disk and compared, and renamed
// into place; receipt.json is its last file. `cd files && sha256sum -c ../SHA256SUMS` checks it without us.
#pragma once

#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/vault.hpp"

#include <memory>
#include <string>

namespace curfew::vault {

class Workers;

class FolderVault final : public Vault {
public:
    FolderVault(VaultName name, std::string path, bool required, Scheduler& scheduler,
                std::shared_ptr<Workers> workers);

    const VaultName& name() const override { return name_; }
    bool required() const override { return required_; }
    Task<Result<std::unique_ptr<Snapshot>>> begin(AccountName account, ResourceId resource, RunId run,
                                                  ReceiptId receipt, std::int64_t bytes_expected) override;
    Task<Result<void>> verify(Receipt receipt) override;
    Task<Result<std::vector<ManifestEntry>>> manifest(Receipt receipt) override;

private:
    std::string folder_of(const AccountName& account, const ResourceId& resource) const;

    VaultName name_;
    std::string path_;
    bool required_;
    Scheduler& scheduler_;
    std::shared_ptr<Workers> workers_;
};

}  // namespace curfew::vault
