#include "adapters/vault/folder_vault.hpp"

#include "adapters/vault/folder.hpp"
#include "adapters/vault/manifest.hpp"
#include "adapters/vault/workers.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace curfew::vault {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::int64_t text_bytes_max = 1LL << 30;  // of a manifest
constexpr std::int64_t spare_bytes_max = 1LL << 30;

/// Below the folder that it is meant for: every component is a name.
Result<void> check_local(std::string_view path) {
    for (std::size_t from = 0; from <= path.size();) {
        const std::size_t slash = std::min(path.find('/', from), path.size());
        if (auto sound = check_name(path.substr(from, slash - from)); !sound) {
            return fail(Errc::unsafe, "the path leads elsewhere", std::string{path});
        }
        from = slash + 1;
    }
    return {};
}

/// Collects up to a buffer, then a worker hashes and writes it while the next one fills.
class BufferedFile final : public VaultFile {
public:
    BufferedFile(std::shared_ptr<Workers> workers, Descriptor file, std::string path)
        : workers_(std::move(workers)), state_(std::make_shared<State>()) {
        state_->file = std::move(file);
        state_->path = std::move(path);
    }

    Task<Result<void>> write(std::span<const std::byte> bytes) override {
        while (!bytes.empty()) {
            const std::size_t room = std::min(buffer_bytes - buffer_.size(), bytes.size());
            buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(room));
            bytes = bytes.subspan(room);
            count_ += static_cast<std::int64_t>(room);
            if (buffer_.size() == buffer_bytes) {
                auto done = co_await wait();
                if (!done) {
                    co_return done;
                }
                flush(false);
            }
        }
        co_return Result<void>{};
    }

    Task<Result<Sha256>> finish() override {
        auto done = co_await wait();
        if (!done) {
            co_return std::unexpected(done.error());
        }
        flush(true);
        done = co_await wait();
        if (!done) {
            co_return std::unexpected(done.error());
        }
        co_return state_->sha256;
    }

    std::int64_t bytes() const override { return count_; }

private:
    struct State {
        std::string path;
        Descriptor file;
        Hasher hasher;
        Sha256 sha256{};
        std::optional<Error> failure;  // the first one; nothing is written after it
    };

    static Result<void> store(State& state, const std::vector<std::byte>& bytes, bool last) {
        if (state.failure) {
            return std::unexpected(*state.failure);
        }
        state.hasher.add(bytes);
        if (auto written = write_all(state.file, bytes, state.path); !written) {
            state.failure = written.error();
            state.file = Descriptor{};  // now, so that a full disk has room again once the file is dropped
            return written;
        }
        if (last) {
            state.sha256 = state.hasher.finish();
            state.file = Descriptor{};
        }
        return {};
    }

    void flush(bool last) {
        pending_ = workers_->start<Result<void>>([state = state_, bytes = std::exchange(buffer_, {}), last] {
            return store(*state, bytes, last);
        });
        buffer_.reserve(last ? 0 : buffer_bytes);
    }
    Task<Result<void>> wait() {
        if (!pending_.valid()) {
            co_return Result<void>{};
        }
        co_return co_await pending_.get();
    }

    std::shared_ptr<Workers> workers_;
    std::shared_ptr<State> state_;
    std::vector<std::byte> buffer_;
    std::int64_t count_ = 0;
    Workers::Pending<Result<void>> pending_;
};

struct Previous {
    std::string folder;  // of the snapshot
    std::map<std::string, ManifestEntry> entries;
};

class FolderSnapshot final : public Snapshot {
public:
    FolderSnapshot(VaultName vault, std::string resource_folder, std::string temporary, Descriptor lock,
                   std::shared_ptr<Descriptor> folder, Previous previous, Scheduler& scheduler,
                   std::shared_ptr<Workers> workers)
        : vault_(std::move(vault)), resource_folder_(std::move(resource_folder)),
          temporary_(std::move(temporary)), lock_(std::move(lock)), folder_(std::move(folder)),
          previous_(std::move(previous)), scheduler_(scheduler), workers_(std::move(workers)) {}
    FolderSnapshot(const FolderSnapshot&) = delete;
    FolderSnapshot& operator=(const FolderSnapshot&) = delete;
    ~FolderSnapshot() override {
        if (!published_) {
            workers_->forget([path = temporary_, lock = std::make_shared<Descriptor>(std::move(lock_))] {
                std::error_code ignored;
                fs::remove_all(path, ignored);
            });
        }
    }

    Task<Result<std::optional<ManifestEntry>>> reuse(FileEntry file) override {
        const auto found = previous_.entries.find(file.path);
        if (found == previous_.entries.end() || found->second.size != file.size ||
            found->second.mtime_us != file.mtime_us || !found->second.note.empty()) {
            co_return std::optional<ManifestEntry>{};
        }
        const ManifestEntry entry = found->second;
        const std::string from = previous_.folder + "/files/" + entry.local_path;
        const std::string to = "files/" + entry.local_path;
        const bool linked = co_await workers_->run<bool>(
            [folder = folder_, path = temporary_, from, to, size = entry.size] {
                struct stat info{};
                return ::lstat(from.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_size == size &&
                       make_parents(*folder, to).has_value() &&
                       ::link(from.c_str(), (path + "/" + to).c_str()) == 0;
            });
        co_return linked ? std::optional{entry} : std::nullopt;
    }

    Task<Result<std::unique_ptr<VaultFile>>> create(std::string local_path) override {
        if (auto sound = check_local(local_path); !sound) {
            co_return std::unexpected(sound.error());
        }
        // A file of its own for every attempt: what an abandoned one still writes must not reach this one, and
        // a reused file is a link to an older snapshot.
        auto opened = co_await workers_->run<Result<std::shared_ptr<Descriptor>>>(
            [folder = folder_, path = "files/" + local_path]() -> Result<std::shared_ptr<Descriptor>> {
                if (auto removed = remove_below(*folder, path); !removed) {
                    return std::unexpected(removed.error());
                }
                auto file = open_below(*folder, path, O_WRONLY | O_CREAT | O_EXCL, true);
                if (!file) {
                    return std::unexpected(file.error());
                }
                return std::make_shared<Descriptor>(std::move(*file));
            });
        if (!opened) {
            co_return std::unexpected(opened.error());
        }
        std::unique_ptr<VaultFile> file = std::make_unique<BufferedFile>(workers_, std::move(**opened),
                                                                         "files/" + local_path);
        co_return file;
    }

    Task<Result<std::string>> read_back(std::string local_path, std::int64_t bytes_max) override {
        return workers_->run<Result<std::string>>(
            [folder = folder_, local_path, bytes_max]() -> Result<std::string> {
                if (auto sound = check_local(local_path); !sound) {
                    return std::unexpected(sound.error());
                }
                const std::string path = "files/" + local_path;
                auto file = open_below(*folder, path, O_RDONLY, false);
                if (!file) {
                    return std::unexpected(file.error());
                }
                return read_all(*file, bytes_max, path);
            });
    }

    Task<Result<void>> add_html(std::string local_path, std::string html) override {
        return workers_->run<Result<void>>([folder = folder_, local_path, html = std::move(html)] {
            auto sound = check_local(local_path);
            return sound ? put(*folder, "html/" + local_path, html) : sound;
        });
    }

    Task<Result<void>> drop(std::string local_path) override {
        if (auto sound = check_local(local_path); !sound) {
            co_return sound;
        }
        co_return remove_below(*folder_, "files/" + local_path);
    }

    Task<Result<Receipt>> publish(Receipt receipt, std::vector<ManifestEntry> manifest) override;

private:
    Task<Result<void>> prove(const std::vector<ManifestEntry>& manifest);

    VaultName vault_;
    std::string resource_folder_;
    std::string temporary_;
    Descriptor lock_;
    std::shared_ptr<Descriptor> folder_;
    Previous previous_;
    Scheduler& scheduler_;
    std::shared_ptr<Workers> workers_;
    bool published_ = false;
};

Result<void> compare(const Descriptor& folder, const ManifestEntry& entry) {
    auto hashed = hash_file(folder, "files/" + entry.local_path);
    if (!hashed) {
        return std::unexpected(hashed.error());
    }
    if (hashed->sha256 != entry.sha256 || hashed->bytes != entry.size) {
        return fail(Errc::disk, "the copy does not read back as it was written: the disk lies",
                    entry.local_path);
    }
    return {};
}

/// Every file as the disk gives it back, on two threads.
Task<Result<void>> FolderSnapshot::prove(const std::vector<ManifestEntry>& manifest) {
    const auto shared = std::make_shared<const std::vector<ManifestEntry>>(manifest);
    const auto half = [&](std::size_t start) {
        return workers_->start<Result<void>>([shared, folder = folder_, start]() -> Result<void> {
            for (std::size_t i = start; i < shared->size(); i += 2) {
                if (auto same = compare(*folder, (*shared)[i]); !same) {
                    return same;
                }
            }
            return {};
        });
    };
    auto even = half(0);
    auto odd = half(1);
    const Result<void> first = co_await even.get();
    const Result<void> second = co_await odd.get();
    co_return !first ? first : second;
}

Result<void> sync_folder(const std::string& path) {
    const Descriptor folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!folder || ::fsync(folder.get()) != 0) {
        return std::unexpected(disk_error("cannot sync the folder", path));
    }
    return {};
}

/// Files whose names are of no use any more: what an abandoned attempt left below files/.
Result<void> remove_strangers(const std::string& temporary, const std::vector<ManifestEntry>& manifest) {
    std::map<std::string, bool> known;
    for (const ManifestEntry& e : manifest) {
        known[e.local_path] = true;
    }
    std::error_code error;
    const fs::path root = fs::path(temporary) / "files";
    std::vector<fs::path> strangers;
    for (auto entry = fs::recursive_directory_iterator(root, error);
         !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        const bool folder = entry->is_directory() && !entry->is_symlink();
        if (!folder && !known.contains(entry->path().lexically_relative(root).string())) {
            strangers.push_back(entry->path());
        }
    }
    for (const fs::path& path : strangers) {
        fs::remove(path, error);
    }
    return {};
}

Result<void> sync_all(const Descriptor& folder, const std::string& path) {
    // One sync of the whole file system instead of one per file; it reports what could not be written.
    if (::syncfs(folder.get()) != 0) {
        return std::unexpected(disk_error("cannot sync", path));
    }
    return {};
}

Result<void> seal(const std::string& temporary, const std::string& resource_folder, const std::string& name) {
    const std::string target = resource_folder + "/snapshots/" + name;
    if (auto synced = sync_folder(temporary); !synced) {
        return synced;
    }
    if (::rename(temporary.c_str(), target.c_str()) != 0) {
        return std::unexpected(disk_error("cannot rename the snapshot into place", target));
    }
    if (auto synced = sync_folder(resource_folder + "/snapshots"); !synced) {
        return synced;
    }
    const std::string link = resource_folder + "/.latest-new";
    ::unlink(link.c_str());
    const std::string latest = resource_folder + "/latest";
    if (::symlink(("snapshots/" + name).c_str(), link.c_str()) != 0 ||
        ::rename(link.c_str(), latest.c_str()) != 0) {
        return std::unexpected(disk_error("cannot move the link to the latest snapshot", latest));
    }
    return sync_folder(resource_folder);
}

Task<Result<Receipt>> FolderSnapshot::publish(Receipt receipt, std::vector<ManifestEntry> manifest) {
    std::ranges::sort(manifest, {}, &ManifestEntry::path);
    std::string sums;
    for (const ManifestEntry& entry : manifest) {
        sums += sha256sums_line(entry.sha256, entry.local_path);
    }
    const std::string listing = manifest_text(manifest);
    auto written = co_await workers_->run<Result<void>>(
        [folder = folder_, path = temporary_, manifest, sums, listing]() -> Result<void> {
            for (const char* part : {"files/.", "html/."}) {
                if (auto made = make_parents(*folder, part); !made) {
                    return made;
                }
            }
            if (auto cleaned = remove_strangers(path, manifest); !cleaned) {
                return cleaned;
            }
            if (auto done = put(*folder, "SHA256SUMS", sums); !done) {
                return done;
            }
            if (auto done = put(*folder, "manifest.jsonl", listing); !done) {
                return done;
            }
            return sync_all(*folder, path);
        });
    if (!written) {
        co_return std::unexpected(written.error());
    }
    auto proven = co_await prove(manifest);
    if (!proven) {
        // A copy taken over from the last snapshot has rotted there: every later attempt would take it over
        // again, so nothing is taken from that snapshot any more.
        const auto bad = std::ranges::find(manifest, proven.error().where, &ManifestEntry::local_path);
        if (bad != manifest.end() && bad->how == "reused") {
            ::unlink((resource_folder_ + "/latest").c_str());
        }
        co_return std::unexpected(proven.error());
    }
    receipt.sums_sha256 = to_hex(sha256_of(sums));
    receipt.manifest_sha256 = to_hex(sha256_of(listing));
    receipt.verified_at = scheduler_.wall();
    const std::string name = snapshot_name(receipt);
    receipt.proofs = {
        {.vault = vault_, .locator = resource_folder_ + "/snapshots/" + name, .method = "sha256 read back"}};
    auto sealed = co_await workers_->run<Result<void>>([folder = folder_, path = temporary_,
                                                        target = resource_folder_, name,
                                                        text = receipt_text(receipt)]() -> Result<void> {
        if (auto done = put(*folder, "receipt.json", text); !done) {
            return done;
        }
        return seal(path, target, name);
    });
    if (!sealed) {
        co_return std::unexpected(sealed.error());
    }
    published_ = true;
    co_return receipt;
}

/// The newest published snapshot, if it is of the same run: then equal stamps mean an equal file.
Previous previous_of(const std::string& resource_folder, const RunId& run) {
    Previous previous;
    std::error_code error;
    const fs::path latest = fs::canonical(resource_folder + "/latest", error);
    if (error) {
        return previous;
    }
    auto folder = open_folder(latest.string(), false);
    if (!folder) {
        return previous;
    }
    const auto text_of = [&](const char* name) {
        auto file = open_below(*folder, name, O_RDONLY, false);
        auto text = file ? read_all(*file, text_bytes_max, name) : Result<std::string>{std::string{}};
        return text ? std::move(*text) : std::string{};
    };
    if (run_of_receipt(text_of("receipt.json")) != run.value) {
        return previous;
    }
    auto entries = parse_manifest(text_of("manifest.jsonl"), latest.string());
    if (entries) {
        previous.folder = latest.string();
        for (ManifestEntry& entry : *entries) {
            std::string path = entry.path;
            previous.entries.emplace(std::move(path), std::move(entry));
        }
    }
    return previous;
}

/// What a killed daemon left half-built. A pack under way holds a lock on its own.
void remove_abandoned(const std::string& snapshots) {
    std::error_code error;
    std::vector<fs::path> abandoned;
    for (const auto& entry : fs::directory_iterator(snapshots, error)) {
        if (entry.path().filename().string().starts_with(".tmp-")) {
            const Descriptor folder{
                ::open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
            if (folder && ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0) {
                abandoned.push_back(entry.path());
            }
        }
    }
    for (const fs::path& path : abandoned) {
        fs::remove_all(path, error);
    }
}

Result<void> check_space(const Descriptor& folder, std::int64_t expected, const std::string& path) {
    struct statvfs info{};
    if (::fstatvfs(folder.get(), &info) != 0) {
        return std::unexpected(disk_error("cannot ask for free space", path));
    }
    const auto block = static_cast<std::int64_t>(info.f_frsize);
    const std::int64_t free = static_cast<std::int64_t>(info.f_bavail) * block;
    const std::int64_t spare = std::min(static_cast<std::int64_t>(info.f_blocks) * block / 20,
                                        spare_bytes_max);
    if (free < expected + spare) {
        return fail(Errc::disk_full,
                    "the vault has " + std::to_string(free >> 20) + " MiB free; the copy needs " +
                        std::to_string(expected >> 20) + " MiB and " + std::to_string(spare >> 20) +
                        " MiB are kept spare",
                    path, Retry::later());
    }
    return {};
}

struct Begun {
    std::string temporary;
    Descriptor lock;
    Descriptor folder;
    Previous previous;
};

Result<std::shared_ptr<Begun>> begin_in(const std::string& resource_folder, const RunId& run,
                                        const ReceiptId& receipt, std::int64_t expected) {
    const std::string snapshots = resource_folder + "/snapshots";
    auto folder = open_folder(snapshots, true);
    if (!folder) {
        return std::unexpected(folder.error());
    }
    remove_abandoned(snapshots);
    if (auto space = check_space(*folder, expected, snapshots); !space) {
        return std::unexpected(space.error());
    }
    auto begun = std::make_shared<Begun>();
    begun->temporary = snapshots + "/.tmp-" + local_path_for(receipt.value);
    auto own = open_folder(begun->temporary, true);
    auto lock = open_folder(begun->temporary, false);
    if (!own || !lock) {
        return std::unexpected(own ? lock.error() : own.error());
    }
    if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) {
        return fail(Errc::conflict, "this very pack is under way already", begun->temporary);
    }
    begun->lock = std::move(*lock);
    begun->folder = std::move(*own);
    begun->previous = previous_of(resource_folder, run);
    return begun;
}

}  // namespace

FolderVault::FolderVault(VaultName name, std::string path, bool required, Scheduler& scheduler,
                         std::shared_ptr<Workers> workers)
    : name_(std::move(name)), path_(std::move(path)), required_(required), scheduler_(scheduler),
      workers_(std::move(workers)) {}

std::string FolderVault::folder_of(const AccountName& account, const ResourceId& resource) const {
    // Ids come from strangers: one component each, whatever they hold.
    std::string id = resource.value;
    std::ranges::replace(id, '/', '_');
    std::string local = local_path_for(id);
    if (local.empty() || local == "." || local == "..") {
        local = "%" + local;
    }
    return path_ + "/" + account.value + "/" + local;
}

Task<Result<std::unique_ptr<Snapshot>>> FolderVault::begin(AccountName account, ResourceId resource,
                                                           RunId run, ReceiptId receipt,
                                                           std::int64_t bytes_expected) {
    const std::string folder = folder_of(account, resource);
    auto begun = co_await workers_->run<Result<std::shared_ptr<Begun>>>(
        [=] { return begin_in(folder, run, receipt, bytes_expected); });
    if (!begun) {
        co_return std::unexpected(begun.error());
    }
    Begun& b = **begun;
    std::unique_ptr<Snapshot> snapshot = std::make_unique<FolderSnapshot>(
        name_, folder, b.temporary, std::move(b.lock), std::make_shared<Descriptor>(std::move(b.folder)),
        std::move(b.previous), scheduler_, workers_);
    co_return snapshot;
}

Task<Result<std::vector<ManifestEntry>>> FolderVault::manifest(Receipt receipt) {
    const std::string path = folder_of(receipt.account, receipt.resource) + "/snapshots/" +
                             snapshot_name(receipt);
    return workers_->run<Result<std::vector<ManifestEntry>>>(
        [path, receipt]() -> Result<std::vector<ManifestEntry>> {
            auto folder = open_folder(path, false);
            if (!folder) {
                return std::unexpected(folder.error());
            }
            auto file = open_below(*folder, "manifest.jsonl", O_RDONLY, false);
            auto text = file ? read_all(*file, text_bytes_max, path)
                             : Result<std::string>{std::unexpected(file.error())};
            if (!text) {
                return std::unexpected(text.error());
            }
            if (to_hex(sha256_of(*text)) != receipt.manifest_sha256) {
                return fail(Errc::corrupt, "the manifest is not the one of the receipt", path);
            }
            return parse_manifest(*text, path);
        });
}

Task<Result<void>> FolderVault::verify(Receipt receipt) {
    auto entries = co_await manifest(receipt);
    if (!entries) {
        co_return std::unexpected(entries.error());
    }
    const std::string path = folder_of(receipt.account, receipt.resource) + "/snapshots/" +
                             snapshot_name(receipt);
    co_return co_await workers_->run<Result<void>>([path, entries = std::move(*entries)]() -> Result<void> {
        auto folder = open_folder(path, false);
        if (!folder) {
            return std::unexpected(folder.error());
        }
        for (const ManifestEntry& entry : entries) {
            if (auto same = compare(*folder, entry); !same) {
                return same;
            }
        }
        return {};
    });
}

}  // namespace curfew::vault
