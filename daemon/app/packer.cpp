#include "curfew/app/packer.hpp"

#include "curfew/app/task_group.hpp"

#include <boost/asio/this_coro.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace curfew {

namespace {

constexpr int rounds_max = 5;                            // of the whole tree
constexpr int file_attempts_max = 6;                     // of one file that moves or whose transfer breaks
constexpr std::int64_t notebook_bytes_max = 64LL << 20;  // above, no parse and no HTML
constexpr Duration read_pause = seconds{2};
constexpr std::string_view invalid_note = "invalid notebook on the server";
// Its time is not that of what it leads to, so it is read anew by every pack: noted files are never reused.
constexpr std::string_view link_note = "a link: later changes of what it leads to cannot be seen";

bool is_notebook(std::string_view path) {
    return path.ends_with(".ipynb");
}

std::string lower(std::string_view text) {
    std::string out{text};
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

std::string printable_path(std::string_view path) {
    std::string out;
    for (const char c : path.substr(0, 200)) {
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
    return out;
}

/// Counts what passes on to a file of the vault, so that a broken transfer can go on where it ended.
class CountingSink final : public ByteSink {
public:
    explicit CountingSink(ByteSink& below) : below_(below) {}
    Task<Result<void>> write(std::span<const std::byte> bytes) override {
        auto written = co_await below_.write(bytes);
        if (written) {
            count_ += static_cast<std::int64_t>(bytes.size());
        }
        co_return written;
    }
    std::int64_t count() const { return count_; }

private:
    ByteSink& below_;
    std::int64_t count_ = 0;
};

/// One pack into one vault.
class Job {
public:
    Job(Scheduler& scheduler, std::shared_ptr<Guest> guest, const PackOrder& order, Snapshot& snapshot,
        const std::function<bool(std::string_view)>& whole_notebook, Deadline deadline)
        : scheduler_(scheduler), guest_(std::move(guest)), order_(order), snapshot_(snapshot),
          whole_notebook_(whole_notebook), deadline_(deadline) {}

    Task<Result<void>> copy(Walk first);
    Task<void> make_html();
    Receipt receipt(WallTime begun) const;
    std::vector<ManifestEntry> manifest() const;
    const Walk& latest() const { return latest_; }

private:
    Task<Result<void>> fetch_all(const std::vector<FileEntry>& files);
    Task<Result<void>> fetch(FileEntry file);
    Task<Result<ManifestEntry>> fetch_once(const FileEntry& file, const std::string& local, int attempt);
    Task<Result<void>> check_notebook(ManifestEntry& entry, bool last_attempt);
    Task<Result<std::vector<FileEntry>>> differences(const Walk& before);
    std::string choose_local(const std::string& path);
    std::vector<FileEntry> wanted(const std::vector<FileEntry>& files);
    void not_covered(std::string what, std::string why, bool listed);
    void forget(const std::string& path);

    Scheduler& scheduler_;
    std::shared_ptr<Guest> guest_;
    const PackOrder& order_;
    Snapshot& snapshot_;
    const std::function<bool(std::string_view)>& whole_notebook_;
    Deadline deadline_;
    std::map<std::string, ManifestEntry> entries_;  // by guest path
    std::map<std::string, std::string> local_of_;   // guest path → local path
    std::set<std::string> folded_;                  // local paths in lower case
    std::map<std::string, NotCovered> not_covered_;
    std::map<std::string, NotCovered> walk_not_covered_;  // of the newest walk
    std::set<std::string> outdated_;                      // not copied: no longer what the newest walk lists
    std::vector<HtmlCopy> html_;
    Walk latest_;
};

void Job::not_covered(std::string what, std::string why, bool listed) {
    not_covered_.insert_or_assign(what, NotCovered{what, std::move(why), listed});
}

void Job::forget(const std::string& path) {
    entries_.erase(path);
    const auto local = local_of_.find(path);
    if (local != local_of_.end()) {
        folded_.erase(lower(local->second));
        local_of_.erase(local);
    }
}

std::string Job::choose_local(const std::string& path) {
    if (const auto known = local_of_.find(path); known != local_of_.end()) {
        return known->second;
    }
    const std::string plain = local_path_for(path);
    std::string local = plain;
    for (int i = 2; folded_.contains(lower(local)); ++i) {
        local = plain + "%~" + std::to_string(i);  // names that differ in case only
    }
    folded_.insert(lower(local));
    local_of_[path] = local;
    return local;
}

std::vector<FileEntry> Job::wanted(const std::vector<FileEntry>& files) {
    std::vector<FileEntry> out;
    for (const FileEntry& file : files) {
        if (is_packed(order_.policy, file.path)) {
            out.push_back(file);
        } else {
            not_covered(file.path, "excluded by the rule", false);
        }
    }
    return out;
}

/// A torn notebook looks stable (the server truncates it first and serialises later), so its bytes must
/// be a whole document. One that never becomes whole is kept as it is, and said so.
Task<Result<void>> Job::check_notebook(ManifestEntry& entry, bool last_attempt) {
    if (!is_notebook(entry.path) || entry.size > notebook_bytes_max) {
        co_return Result<void>{};
    }
    auto text = co_await snapshot_.read_back(entry.local_path, notebook_bytes_max);
    if (!text) {
        co_return std::unexpected(text.error());
    }
    // No JSON has a zero byte, blocks of a file that were never written have.
    if (text->find('\0') == std::string::npos && whole_notebook_(*text)) {
        co_return Result<void>{};
    }
    if (!last_attempt) {
        co_return fail(Errc::changing, "the notebook is not a whole document (a save under way?)",
                       printable_path(entry.path), Retry::later());
    }
    entry.note = invalid_note;
    co_return Result<void>{};
}

Task<Result<ManifestEntry>> Job::fetch_once(const FileEntry& file, const std::string& local, int attempt) {
    const bool last = attempt == file_attempts_max;
    if (attempt == 1) {
        auto reused = co_await snapshot_.reuse(file);
        if (!reused) {
            co_return std::unexpected(reused.error());
        }
        if (*reused && (*reused)->local_path == local) {  // names that differ in case may have moved it
            ManifestEntry entry = std::move(**reused);
            entry.path = file.path;
            entry.how = "reused";
            co_return entry;
        }
    }
    auto target = co_await snapshot_.create(local);
    if (!target) {
        co_return std::unexpected(target.error());
    }
    CountingSink sink(**target);
    std::string how = "files";
    std::int64_t offset = 0;
    for (;;) {
        auto read = co_await guest_->read(file, offset, order_.policy.settle, sink, deadline_);
        if (read) {
            auto hash = co_await (*target)->finish();
            if (!hash) {
                co_return std::unexpected(hash.error());
            }
            // What was read may differ from the listing: a link's size and time are its own.
            ManifestEntry entry{.path = file.path,
                                .local_path = local,
                                .size = sink.count(),
                                .mtime_us = file.mtime_us,
                                .sha256 = *hash,
                                .read_at = scheduler_.wall(),
                                .attempts = attempt,
                                .how = how,
                                .note = std::string{read->after == file ? std::string_view{} : link_note}};
            auto whole = co_await check_notebook(entry, last);
            if (!whole) {
                co_return std::unexpected(whole.error());
            }
            co_return entry;
        }
        const bool broke = read.error().code == Errc::unavailable || read.error().code == Errc::protocol;
        if (!broke || sink.count() == offset || sink.count() >= file.size) {
            co_return std::unexpected(read.error());
        }
        offset = sink.count();  // what came is hashed already; ask for the rest
        how = "resume";
    }
}

Task<Result<void>> Job::fetch(FileEntry file) {
    const std::string local = choose_local(file.path);
    for (int attempt = 1;; ++attempt) {
        auto entry = co_await fetch_once(file, local, attempt);
        if (entry) {
            entries_.insert_or_assign(file.path, std::move(*entry));
            not_covered_.erase(file.path);
            co_return Result<void>{};
        }
        const Error& error = entry.error();
        const bool local_trouble = error.code == Errc::disk || error.code == Errc::disk_full;
        const bool gone = error.code == Errc::not_found;
        if (local_trouble || error.code == Errc::cancelled || error.code == Errc::unauthorized ||
            error.code == Errc::timeout || scheduler_.mono() >= deadline_.at) {
            co_return std::unexpected(error);
        }
        if (error.code == Errc::changing && !error.may_retry()) {
            // Its listing is too old, so trying again cannot help. A copy of an earlier round is overwritten.
            entries_.erase(file.path);
            outdated_.insert(file.path);
            co_return Result<void>{};
        }
        if (gone || error.code == Errc::unsafe || error.code == Errc::forbidden ||
            (attempt == file_attempts_max && error.code != Errc::changing)) {
            // Listed, and cannot be had: say so. The second walk tells whether it still is listed.
            forget(file.path);
            not_covered(file.path, error.text, true);
            (void)co_await snapshot_.drop(local);
            co_return Result<void>{};
        }
        if (attempt == file_attempts_max) {
            co_return std::unexpected(error);
        }
        const Duration wait = error.code == Errc::changing
                                  ? std::max<Duration>(order_.policy.settle, seconds{1})
                                  : read_pause * attempt;
        co_await scheduler_.sleep_for(error.retry.kind == Retry::Kind::after ? error.retry.delay : wait);
    }
}

Task<Result<void>> Job::fetch_all(const std::vector<FileEntry>& files) {
    std::optional<Error> failure;
    std::size_t next = 0;
    const auto parallel = static_cast<std::size_t>(std::max(1, guest_->parallel_reads()));
    const auto loop = co_await boost::asio::this_coro::executor;
    co_await for_each_bounded(loop, std::min(parallel, files.size()), parallel,
                              [&](std::size_t) -> Task<void> {
                                  while (next < files.size() && !failure) {
                                      const FileEntry& file = files[next++];
                                      auto done = co_await fetch(file);
                                      if (!done && !failure) {
                                          failure = done.error();
                                      }
                                  }
                              });
    if (failure) {
        co_return std::unexpected(*failure);
    }
    co_return Result<void>{};
}

Task<Result<std::vector<FileEntry>>> Job::differences(const Walk& before) {
    auto walk = co_await guest_->walk({.entries_max = order_.policy.max_files, .depth_max = 32}, deadline_);
    if (!walk) {
        co_return std::unexpected(walk.error());
    }
    walk_not_covered_.clear();
    for (const NotCovered& item : walk->not_covered) {
        walk_not_covered_.insert_or_assign(item.what, item);
    }
    const WalkDifference moved = difference(before, *walk);
    for (const std::string& path : moved.gone) {
        const auto local = local_of_.find(path);
        if (local != local_of_.end()) {
            auto dropped = co_await snapshot_.drop(local->second);
            if (!dropped) {
                co_return std::unexpected(dropped.error());
            }
        }
        forget(path);
        not_covered_.erase(path);
    }
    std::vector<FileEntry> again = moved.changed;
    // It may be listed as before again, but there is no copy of it.
    std::ranges::copy_if(walk->files, std::back_inserter(again), [&](const FileEntry& file) {
        return outdated_.contains(file.path) &&
               !std::ranges::binary_search(moved.changed, file.path, {}, &FileEntry::path);
    });
    outdated_.clear();
    latest_ = std::move(*walk);
    co_return wanted(again);
}

Task<Result<void>> Job::copy(Walk first) {
    for (const NotCovered& item : first.not_covered) {
        walk_not_covered_.insert_or_assign(item.what, item);
    }
    latest_ = std::move(first);
    std::vector<FileEntry> files = wanted(latest_.files);
    for (int round = 1;; ++round) {
        auto fetched = co_await fetch_all(files);
        if (!fetched) {
            co_return fetched;
        }
        const Walk before = latest_;
        auto changed = co_await differences(before);
        if (!changed) {
            co_return std::unexpected(changed.error());
        }
        const bool still = changed->empty() && difference(before, latest_).empty();
        if (still) {
            co_return Result<void>{};
        }
        if (round == rounds_max) {
            co_return fail(Errc::changing,
                           "the files did not hold still over " + std::to_string(rounds_max) +
                               " rounds, so something is at work",
                           changed->empty() ? std::string{} : printable_path(changed->front().path),
                           Retry::later());
        }
        files = std::move(*changed);
    }
}

Task<void> Job::make_html() {
    if (!order_.policy.html) {
        co_return;
    }
    for (const auto& [path, entry] : entries_) {
        if (!is_notebook(path) || entry.note == invalid_note) {
            continue;
        }
        HtmlCopy copy{.notebook_path = path, .local_path = {}, .failure = {}};
        if (entry.size > notebook_bytes_max) {
            copy.failure = "larger than 64 MiB";
            html_.push_back(std::move(copy));
            continue;
        }
        auto text = co_await snapshot_.read_back(entry.local_path, notebook_bytes_max);
        if (text) {
            const std::size_t slash = path.rfind('/');
            auto html = co_await guest_->to_html(path.substr(slash == std::string::npos ? 0 : slash + 1),
                                                 std::move(*text),
                                                 deadline_.earlier(scheduler_.mono() + minutes{1}));
            if (html) {
                const std::string local = entry.local_path + ".html";
                auto added = co_await snapshot_.add_html(local, std::move(*html));
                if (added) {
                    copy.local_path = local;
                } else {
                    copy.failure = to_string(added.error());
                }
            } else {
                copy.failure = to_string(html.error());
            }
        } else {
            copy.failure = to_string(text.error());
        }
        html_.push_back(std::move(copy));
    }
}

Receipt Job::receipt(WallTime begun) const {
    Receipt r;
    r.id = order_.receipt;
    r.enforcement = order_.enforcement;
    r.account = order_.account;
    r.resource = order_.resource.id;
    r.run = order_.resource.run.id;
    r.resource_name = order_.resource.name;
    r.begun_at = begun;
    for (const auto& [path, entry] : entries_) {
        ++r.files;
        r.bytes += entry.size;
        r.reused += entry.how == "reused" ? 1 : 0;
    }
    r.html = html_;
    for (const auto& [what, item] : walk_not_covered_) {
        r.not_covered.push_back(item);
    }
    for (const auto& [what, item] : not_covered_) {
        r.not_covered.push_back(item);
    }
    r.not_covered.push_back(
        {"hidden files (names that begin with a dot)", "the server does not list them", false});
    r.not_covered.push_back({"kernel memory and unsaved tabs", "they are not files", false});
    return r;
}

std::vector<ManifestEntry> Job::manifest() const {
    std::vector<ManifestEntry> out;
    for (const auto& [path, entry] : entries_) {
        out.push_back(entry);
    }
    return out;
}

struct Sum {
    std::int64_t files = 0;
    std::int64_t bytes = 0;
};

Sum sum_of(const Walk& walk, const PackPolicy& policy) {
    Sum sum;
    for (const FileEntry& file : walk.files) {
        if (is_packed(policy, file.path)) {
            ++sum.files;
            sum.bytes += file.size;
        }
    }
    return sum;
}

bool same_copies(const std::vector<ManifestEntry>& a, const std::vector<ManifestEntry>& b) {
    return std::ranges::equal(a, b, [](const ManifestEntry& x, const ManifestEntry& y) {
        return x.path == y.path && x.size == y.size && x.sha256 == y.sha256;
    });
}

/// Reasons why a person is needed before anything is copied.
Result<void> check_bounds(const Sum& sum, const PackOrder& order) {
    if (sum.files > order.policy.max_files || sum.bytes > order.policy.max_bytes) {
        return fail(Errc::conflict, "there is more to copy (" + std::to_string(sum.files) + " files, " +
                                        std::to_string(sum.bytes >> 20) +
                                        " MiB) than the rule's pack.max_files or pack.max_bytes allow");
    }
    if (order.previous &&
        shrank_suspiciously(order.previous->files, order.previous->bytes, sum.files, sum.bytes)) {
        return fail(Errc::conflict, "the files shrank by more than half since receipt " +
                                        order.previous->id.value + " (" +
                                        std::to_string(order.previous->files) + " files then, " +
                                        std::to_string(sum.files) + " now): look before it is stopped");
    }
    return {};
}

}  // namespace

Packer::Packer(Scheduler& scheduler, std::vector<std::shared_ptr<Vault>> vaults,
               std::function<bool(std::string_view)> whole_notebook)
    : scheduler_(scheduler), vaults_(std::move(vaults)), whole_notebook_(std::move(whole_notebook)) {}

Task<Result<Receipt>> Packer::pack(std::shared_ptr<Guest> guest, PackOrder order, Deadline deadline) {
    const std::vector<std::shared_ptr<Vault>> vaults = vaults_;
    if (vaults.empty()) {
        co_return fail(Errc::conflict, "no vault is configured: add a [[vault]]");
    }
    const WallTime begun = scheduler_.wall();
    std::optional<Receipt> whole;
    std::optional<Held> held;
    for (const auto& vault : vaults) {
        auto walk = co_await guest->walk({.entries_max = order.policy.max_files, .depth_max = 32}, deadline);
        if (!walk) {
            co_return std::unexpected(walk.error());
        }
        const Sum sum = sum_of(*walk, order.policy);
        if (auto allowed = check_bounds(sum, order); !allowed) {
            co_return std::unexpected(allowed.error());
        }
        auto one = co_await pack_into(*vault, guest, order, std::move(*walk), sum.bytes, begun, held,
                                      deadline);
        if (!one && vault->required()) {
            co_return std::unexpected(one.error());
        }
        if (!one) {
            spdlog::warn("event=optional_vault_failed vault={} error=\"{}\"", vault->name().value,
                         to_string(one.error()));
            continue;
        }
        if (!whole) {
            whole = std::move(*one);
        } else {
            std::ranges::move(one->proofs, std::back_inserter(whole->proofs));
            whole->verified_at = one->verified_at;
        }
    }
    if (!whole) {
        co_return fail(Errc::unavailable, "no vault took the copy", {}, Retry::later());
    }
    whole->verified = true;
    co_return std::move(*whole);
}

Task<Result<Receipt>> Packer::pack_into(Vault& vault, std::shared_ptr<Guest> guest, const PackOrder& order,
                                        Walk first, std::int64_t bytes, WallTime begun,
                                        std::optional<Held>& held, Deadline deadline) {
    auto snapshot = co_await vault.begin(order.account, order.resource.id, order.resource.run.id,
                                         order.receipt, bytes);
    if (!snapshot) {
        co_return std::unexpected(snapshot.error());
    }
    const Sum before = sum_of(first, order.policy);
    Job job(scheduler_, guest, order, **snapshot, whole_notebook_, deadline);
    auto copied = co_await job.copy(std::move(first));
    if (!copied) {
        co_return std::unexpected(copied.error());
    }
    const Sum now = sum_of(job.latest(), order.policy);
    if (auto allowed = check_bounds(now, order); !allowed) {
        co_return std::unexpected(allowed.error());
    }
    if (shrank_suspiciously(before.files, before.bytes, now.files, now.bytes)) {
        co_return fail(Errc::changing,
                       "more than half of the files went away while they were copied (" +
                           std::to_string(before.files) + " files, then " + std::to_string(now.files) + ")",
                       {}, Retry::later());
    }
    Receipt receipt = job.receipt(begun);
    if (receipt.partial() && !order.policy.partial_ok) {
        const auto missing = std::ranges::find_if(receipt.not_covered, &NotCovered::listed);
        co_return fail(
            Errc::conflict,
            "a listed file cannot be copied (" + missing->why + "); pack.partial_ok = true would allow it",
            printable_path(missing->what));
    }
    if (held && !difference(held->walk, job.latest()).empty()) {
        co_return fail(Errc::changing, "the files changed since they were copied for another vault", {},
                       Retry::later());
    }
    // A file that can be read now and then is missing in one of them, and the receipt would not say so.
    if (held && !same_copies(held->manifest, job.manifest())) {
        co_return fail(Errc::unavailable, "what could be copied is not what another vault holds", {},
                       Retry::later());
    }
    co_await job.make_html();
    auto published = co_await (*snapshot)->publish(job.receipt(begun), job.manifest());
    if (published) {
        held = Held{.walk = job.latest(), .manifest = job.manifest()};
    }
    co_return published;
}

Task<Result<void>> Packer::check_copies(Receipt receipt) {
    for (const VaultProof& proof : receipt.proofs) {
        const auto vault = std::ranges::find_if(
            vaults_, [&](const std::shared_ptr<Vault>& one) { return one->name() == proof.vault; });
        if (vault == vaults_.end()) {
            co_return fail(Errc::not_found, "vault " + proof.vault.value + " is not configured any more",
                           proof.locator);
        }
        const std::shared_ptr<Vault> asked = *vault;  // a reload may replace them
        auto same = co_await asked->verify(receipt);
        if (!same) {
            Error error = same.error();
            error.text = "vault " + proof.vault.value + ": " + error.text;
            co_return std::unexpected(std::move(error));
        }
    }
    co_return Result<void>{};
}

Task<Result<bool>> Packer::unchanged(std::shared_ptr<Guest> guest, Receipt receipt, PackPolicy policy,
                                     Deadline deadline) {
    if (vaults_.empty()) {
        co_return fail(Errc::conflict, "no vault is configured");
    }
    std::optional<std::vector<ManifestEntry>> manifest;
    Error last{Errc::not_found, Retry::never(), "no vault of the receipt is configured", receipt.id.value};
    for (const auto& vault : vaults_) {
        const bool holds = std::ranges::any_of(receipt.proofs,
                                               [&](const VaultProof& p) { return p.vault == vault->name(); });
        if (!holds) {
            continue;
        }
        auto read = co_await vault->manifest(receipt);
        if (read) {
            manifest = std::move(*read);
            break;
        }
        last = read.error();
    }
    if (!manifest) {
        co_return std::unexpected(last);
    }
    auto walk = co_await guest->walk({.entries_max = policy.max_files, .depth_max = 32}, deadline);
    if (!walk) {
        co_return std::unexpected(walk.error());
    }
    std::map<std::string, const ManifestEntry*> packed;
    for (const ManifestEntry& entry : *manifest) {
        packed.emplace(entry.path, &entry);
    }
    const auto is_known = [&](const std::string& what) {
        return std::ranges::any_of(receipt.not_covered,
                                   [&](const NotCovered& item) { return item.what == what; });
    };
    // What cannot be covered is work as well.
    if (!std::ranges::all_of(walk->not_covered,
                             [&](const NotCovered& item) { return !item.listed || is_known(item.what); })) {
        co_return false;
    }
    std::size_t seen = 0;
    for (const FileEntry& file : walk->files) {
        if (!is_packed(policy, file.path)) {
            continue;
        }
        const auto found = packed.find(file.path);
        if (found == packed.end()) {
            if (!is_known(file.path)) {
                co_return false;
            }
            continue;
        }
        ++seen;
        // Sizes of links are not those of their targets, so the time decides there.
        if (found->second->mtime_us != file.mtime_us) {
            co_return false;
        }
    }
    co_return seen == packed.size();
}

}  // namespace curfew
