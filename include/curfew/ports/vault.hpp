// Where packed outputs go. A snapshot is built under a temporary name, proven, and renamed into place;
// one without a receipt is by definition unverified.
#pragma once

#include "curfew/core/receipt.hpp"
#include "curfew/ports/guest.hpp"
#include "curfew/ports/task.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

/// One file on its way into a snapshot. Hashes while it writes. Discarded unless finished.
class VaultFile : public ByteSink {
public:
    /// The bytes so far are closed and hashed. No byte may follow.
    virtual Task<Result<Sha256>> finish() = 0;
    virtual std::int64_t bytes() const = 0;
};

class Snapshot {
public:
    virtual ~Snapshot() = default;  // an unpublished snapshot removes its temporary files

    /// Takes a file from the newest verified snapshot of the same resource instead of reading it
    /// again: path, size, mtime equal, and then at rest. nullopt = fetch it.
    virtual Task<Result<std::optional<ManifestEntry>>> reuse(FileEntry file) = 0;

    /// Opens `local_path` below files/ for writing; replaces an earlier attempt.
    virtual Task<Result<std::unique_ptr<VaultFile>>> create(std::string local_path) = 0;

    /// Reads back a finished file of this snapshot, at most `bytes_max`.
    virtual Task<Result<std::string>> read_back(std::string local_path, std::int64_t bytes_max) = 0;

    virtual Task<Result<void>> add_html(std::string local_path, std::string html) = 0;
    /// Drops a file that is gone at the guest or must be fetched again.
    virtual Task<Result<void>> drop(std::string local_path) = 0;

    /// Syncs, reads everything back from disk and compares hashes, writes SHA256SUMS, manifest.jsonl
    /// and last receipt.json, renames into place, syncs the parent. Fills the hashes, the proof and
    /// `verified_at` of the receipt. Errc::disk when a hash differs: the disk lies.
    virtual Task<Result<Receipt>> publish(Receipt receipt, std::vector<ManifestEntry> manifest) = 0;
};

class Vault {
public:
    virtual ~Vault() = default;
    virtual const VaultName& name() const = 0;
    virtual bool required() const = 0;
    /// Errc::disk_full when `bytes_expected` and 5 % spare do not fit.
    virtual Task<Result<std::unique_ptr<Snapshot>>> begin(AccountName account, ResourceId resource, RunId run,
                                                          ReceiptId receipt, std::int64_t bytes_expected) = 0;
    /// Checks a published snapshot again: every file against its manifest.
    virtual Task<Result<void>> verify(Receipt receipt) = 0;
    /// The manifest of a published snapshot (for the fence, `curfew receipts`).
    virtual Task<Result<std::vector<ManifestEntry>>> manifest(Receipt receipt) = 0;
};

}  // namespace curfew
