#include "simulation/vaults.hpp"

#include <algorithm>
#include <charconv>

namespace curfew::simulation {

namespace {

std::optional<Error> trouble(Stage& stage, Dice& dice) {
    if (stage.goes_wrong(dice, stage.rates.vault_full, "vault_full")) {
        return Error{Errc::disk_full, Retry::later(), "no room is left", "vault"};
    }
    if (stage.goes_wrong(dice, stage.rates.vault_fails, "vault_fails")) {
        return Error{Errc::disk, Retry::later(), "an I/O error", "vault"};
    }
    return std::nullopt;
}

/// A hash that tells contents apart: of the bytes themselves, which are few.
Sha256 hash_of(const std::string& text) {
    Sha256 hash{};
    std::uint64_t h = 0xCBF29CE484222325;
    for (std::size_t i = 0; i < text.size() + hash.size(); ++i) {
        h = (h ^ (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U)) * 0x100000001B3;
        hash[i % hash.size()] = static_cast<std::uint8_t>(hash[i % hash.size()] + (h >> 32U));
    }
    return hash;
}

class MemoryFile final : public VaultFile {
public:
    MemoryFile(Stage& stage, VaultRoom& room, std::shared_ptr<std::string> text)
        : stage_(stage), room_(room), text_(std::move(text)) {}
    Task<Result<void>> write(std::span<const std::byte> bytes) override {
        text_->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (auto error = trouble(stage_, room_.dice)) {
            co_return std::unexpected(std::move(*error));
        }
        co_return Result<void>{};
    }
    Task<Result<Sha256>> finish() override { co_return hash_of(*text_); }
    std::int64_t bytes() const override { return static_cast<std::int64_t>(text_->size()); }

private:
    Stage& stage_;
    VaultRoom& room_;
    std::shared_ptr<std::string> text_;
};

class MemorySnapshot final : public Snapshot {
public:
    MemorySnapshot(Stage& stage, VaultRoom& room, Line line, ResourceId resource, ReceiptId receipt)
        : stage_(stage), room_(room), line_(line), resource_(std::move(resource)),
          receipt_(std::move(receipt)) {}

    Task<Result<std::optional<ManifestEntry>>> reuse(FileEntry file) override {
        for (auto it = room_.snapshots.rbegin(); it != room_.snapshots.rend(); ++it) {
            if (it->resource != resource_) {
                continue;
            }
            const auto found = std::ranges::find(it->manifest, file.path, &ManifestEntry::path);
            if (found != it->manifest.end() && found->size == file.size && found->mtime_us == file.mtime_us &&
                found->note.empty()) {
                reused_[found->local_path] = found->sha256;
                co_return std::optional{*found};
            }
            break;
        }
        co_return std::optional<ManifestEntry>{};
    }
    Task<Result<std::unique_ptr<VaultFile>>> create(std::string local_path) override {
        if (auto error = trouble(stage_, room_.dice)) {
            co_return std::unexpected(std::move(*error));
        }
        auto text = std::make_shared<std::string>();
        files_[local_path] = text;
        reused_.erase(local_path);
        std::unique_ptr<VaultFile> file = std::make_unique<MemoryFile>(stage_, room_, text);
        co_return file;
    }
    Task<Result<std::string>> read_back(std::string local_path, std::int64_t /*bytes_max*/) override {
        const auto found = files_.find(local_path);
        // A reused one is whole: it was verified when it came.
        co_return found == files_.end() ? std::string{"{}"} : *found->second;
    }
    Task<Result<void>> add_html(std::string /*local_path*/, std::string /*html*/) override {
        co_return Result<void>{};
    }
    Task<Result<void>> drop(std::string local_path) override {
        files_.erase(local_path);
        reused_.erase(local_path);
        co_return Result<void>{};
    }
    Task<Result<Receipt>> publish(Receipt receipt, std::vector<ManifestEntry> manifest) override {
        if (stage_.goes_wrong(room_.dice, stage_.rates.vault_slow, "vault_slow")) {
            co_await line_.pass(room_.dice.skewed(seconds{5}, minutes{30}));
        } else {
            co_await line_.pass(Duration{room_.dice.between(0, 2000)});
        }
        if (auto error = trouble(stage_, room_.dice)) {
            co_return std::unexpected(std::move(*error));
        }
        TrueFiles held;
        for (const ManifestEntry& entry : manifest) {
            const auto file = files_.find(entry.local_path);
            const auto reused = reused_.find(entry.local_path);
            const bool same = file != files_.end()
                                  ? hash_of(*file->second) == entry.sha256
                                  : reused != reused_.end() && reused->second == entry.sha256;
            if (!same) {
                co_return fail(Errc::disk, "a copy does not read back as written", entry.local_path);
            }
            held[entry.path] = file != files_.end() ? version_in(*file->second) : version_of(entry);
        }
        for (const auto& [path, version] : held) {
            versions_of(receipt.id)[path] = version;
        }
        receipt.verified_at = line_.scheduler.wall();
        receipt.proofs = {{room_.name, "memory/" + receipt.id.value, "read back"}};
        receipt.manifest_sha256 = std::string(64, '0');
        receipt.sums_sha256 = std::string(64, '1');
        room_.snapshots.push_back({receipt.id, resource_, std::move(manifest)});
        if (room_.snapshots.size() > snapshots_kept) {
            room_.versions.erase(room_.snapshots.front().receipt);
            room_.snapshots.pop_front();
        }
        stage_.note("published", receipt.id.value, static_cast<std::int64_t>(held.size()));
        stage_.tally.mark("pack.published");
        stage_.judge.published(receipt, held, stage_.moment());
        co_return receipt;
    }

private:
    static constexpr std::size_t snapshots_kept = 400;

    static std::uint64_t version_in(const std::string& text) {
        std::uint64_t version = 0;
        const std::size_t digits = text.find_first_of("0123456789");
        if (digits != std::string::npos) {
            std::from_chars(text.data() + digits, text.data() + text.size(), version);
        }
        return version;
    }
    std::map<std::string, std::uint64_t>& versions_of(const ReceiptId& id) { return room_.versions[id]; }
    /// Of a reused file: what the newest snapshot of the resource holds.
    std::uint64_t version_of(const ManifestEntry& entry) {
        for (auto it = room_.snapshots.rbegin(); it != room_.snapshots.rend(); ++it) {
            const auto known = room_.versions.find(it->receipt);
            if (it->resource == resource_ && known != room_.versions.end() &&
                known->second.contains(entry.path)) {
                return known->second.at(entry.path);
            }
        }
        return 0;
    }

    Stage& stage_;
    VaultRoom& room_;
    Line line_;
    ResourceId resource_;
    ReceiptId receipt_;
    std::map<std::string, std::shared_ptr<std::string>> files_;
    std::map<std::string, Sha256> reused_;
};

}  // namespace

Task<Result<std::unique_ptr<Snapshot>>> SimVault::begin(AccountName /*account*/, ResourceId resource,
                                                        RunId /*run*/, ReceiptId receipt,
                                                        std::int64_t /*bytes_expected*/) {
    co_await line_.pass(Duration{0});
    if (auto error = trouble(stage_, room_.dice)) {
        co_return std::unexpected(std::move(*error));
    }
    std::unique_ptr<Snapshot> shot = std::make_unique<MemorySnapshot>(
        stage_, room_, line_, std::move(resource), std::move(receipt));
    co_return shot;
}

Task<Result<void>> SimVault::verify(Receipt /*receipt*/) {
    co_return Result<void>{};
}

Task<Result<std::vector<ManifestEntry>>> SimVault::manifest(Receipt receipt) {
    co_await line_.pass(Duration{0});
    if (auto error = trouble(stage_, room_.dice)) {
        co_return std::unexpected(std::move(*error));
    }
    const auto found = std::ranges::find(room_.snapshots, receipt.id, &VaultRoom::Snapshot::receipt);
    if (found == room_.snapshots.end()) {
        co_return fail(Errc::not_found, "no such snapshot", receipt.id.value);
    }
    co_return found->manifest;
}

}  // namespace curfew::simulation
