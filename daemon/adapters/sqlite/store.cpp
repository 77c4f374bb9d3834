#include "adapters/sqlite/store.hpp"

#include "adapters/sqlite/alerts.hpp"
#include "adapters/sqlite/backup.hpp"
#include "adapters/sqlite/database.hpp"
#include "adapters/sqlite/outbox.hpp"
#include "adapters/sqlite/rows.hpp"
#include "adapters/sqlite/schema.hpp"
#include "curfew/core/mutant.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

namespace curfew::sqlite {

namespace asio = boost::asio;

namespace {

constexpr std::size_t queue_max = 1024;
constexpr std::int64_t idempotency_kept_ms = 7LL * 24 * 3600 * 1000;
/// A file up to this size is checked whole whenever it is opened; a larger one in its daily copy.
constexpr std::uintmax_t checked_at_opening_max = 32U << 20;
constexpr std::chrono::minutes idle_max{10};
constexpr std::int64_t log_bytes_usual = 16 << 20;  // of the write-ahead log; it is written back at 4 MiB

/// Nothing can be reckoned from what an earlier boot wrote, and an old clock must not be stretched by new polls.
void forget_instants(Database& db) {
    if (!mutant(Mutant::quiet_over_boots)) {
        Query(db, "UPDATE quiet_clock SET last_quiet_at = NULL").run();
    }
    Query(db, "UPDATE poll SET mono = ?", instant_of_earlier_boot.ms).run();
    Query(db,
          "UPDATE enforcement SET warned_at = CASE WHEN warned_at NOT NULL THEN ?1 END,"
          " notice_at = CASE WHEN notice_at NOT NULL THEN ?1 END,"
          " next_at = CASE WHEN next_at NOT NULL THEN ?1 END,"
          " stop_called_at = CASE WHEN stop_called_at NOT NULL THEN ?1 END"
          " WHERE state NOT IN ('over', 'watching')",
          instant_of_earlier_boot.ms)
        .run();
}

/// Held for life: two daemons on one database would stop things twice.
class LockFile {
public:
    LockFile() = default;
    LockFile(LockFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    LockFile& operator=(LockFile&&) = delete;
    ~LockFile() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    static Result<LockFile> take(const std::string& path) {
        LockFile lock;
        lock.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (lock.fd_ < 0) {
            return fail(Errc::disk, std::strerror(errno), path);
        }
        if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
            char holder[32] = {};
            const ssize_t got = ::pread(lock.fd_, holder, sizeof holder - 1, 0);
            std::string who{holder, got > 0 ? static_cast<std::size_t>(got) : 0};
            while (!who.empty() && who.back() == '\n') {
                who.pop_back();
            }
            return fail(Errc::locked,
                        "another curfewd" + (who.empty() ? std::string{} : " (process " + who + ")") +
                            " holds this database",
                        path);
        }
        const std::string me = std::to_string(::getpid()) + "\n";
        if (::ftruncate(lock.fd_, 0) != 0 || ::pwrite(lock.fd_, me.data(), me.size(), 0) < 0) {
            return fail(Errc::disk, std::strerror(errno), path);
        }
        return lock;
    }

private:
    int fd_ = -1;
};

Result<void> checked(Database& db) {
    if (auto error = db.take_error()) {
        return std::unexpected(std::move(*error));
    }
    return {};
}

/// Is it ours, and not from the future? Before anything is written: another program's database stays as it is.
Result<std::int64_t> identify(Database& db) {
    db.execute("PRAGMA locking_mode = EXCLUSIVE");  // before the first look into a write-ahead log
    std::int64_t id = 0;
    std::int64_t version = 0;
    std::int64_t tables = 0;
    {
        Query q(db, "PRAGMA application_id");
        id = q.row() ? q.integer(0) : 0;
    }
    {
        Query q(db, "PRAGMA user_version");
        version = q.row() ? q.integer(0) : 0;
    }
    {
        Query q(db, "SELECT COUNT(*) FROM sqlite_schema");
        tables = q.row() ? q.integer(0) : 0;
    }
    if (auto read = checked(db); !read) {
        return std::unexpected(read.error());
    }
    if (tables > 0 && id != application_id) {
        return fail(Errc::invalid, "this is a database of another program");
    }
    if (version > schema_version) {
        return fail(Errc::invalid, "it was written by a newer Curfew (schema " + std::to_string(version) +
                                       ", this one knows " + std::to_string(schema_version) + ")");
    }
    return version;
}

Result<void> configure(Database& db, const Setup& setup) {
    db.execute("PRAGMA auto_vacuum = INCREMENTAL");
    {
        Query mode(db, "PRAGMA journal_mode = WAL");
        if (mode.row() && mode.text(0) != "wal") {
            return fail(Errc::disk, "this file system cannot hold a write-ahead log", "database");
        }
    }
    db.execute((std::string{"PRAGMA synchronous = "} + setup.synchronous).c_str());
    db.execute("PRAGMA foreign_keys = ON");
    db.execute("PRAGMA trusted_schema = OFF");
    db.execute("PRAGMA cell_size_check = ON");
    db.execute("PRAGMA cache_size = -8000");  // KiB: a month of a thousand resources, by day
    db.execute(("PRAGMA wal_autocheckpoint = " + std::to_string(setup.log_pages_max)).c_str());
    db.execute("PRAGMA journal_size_limit = 67108864");
    return checked(db);
}

/// Beside a database in which damage was met: its next opening checks all of it.
std::string suspicion_of(const std::string& path) {
    return path + ".suspect";
}

bool must_be_checked(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(suspicion_of(path), ignored) ||
           std::filesystem::file_size(path, ignored) <= checked_at_opening_max;
}

Result<void> migrate(Database& db, std::int64_t version) {
    if (version == schema_version) {
        return {};
    }
    static const std::string stamps = "PRAGMA application_id = " + std::to_string(application_id) +
                                      "; PRAGMA user_version = " + std::to_string(schema_version);
    db.execute("BEGIN IMMEDIATE");
    const auto add = [&](int since, const auto& additions) {
        for (const char* addition : additions) {
            if (version < since) {
                db.execute(addition);
            }
        }
    };
    add(1, std::array{schema_1});
    add(2, schema_2);
    add(3, schema_3);
    add(4, schema_4);
    add(5, schema_5);
    db.execute(stamps.c_str());
    db.execute("COMMIT");
    auto done = checked(db);
    if (!done) {
        sqlite3_exec(db.raw(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    return done;
}

Result<void> open_and_check(Database& db, const std::string& path, const Setup& setup) {
    if (auto opened = db.open(path, setup.vfs); !opened) {
        return opened;
    }
    const auto version = identify(db);
    if (!version) {
        return std::unexpected(version.error());
    }
    if (auto configured = configure(db, setup); !configured) {
        return configured;
    }
    if (must_be_checked(path)) {
        if (auto whole = check_whole(db); !whole) {
            return whole;
        }
        ::unlink(suspicion_of(path).c_str());
    }
    return migrate(db, *version);
}

/// What SQLite finds, in its words; the first few.
std::vector<std::string> flaws(Database& db) {
    constexpr std::size_t flaws_max = 20;
    std::vector<std::string> found;
    Query whole(db, "PRAGMA integrity_check(20)");
    while (whole.row()) {
        if (std::string flaw = whole.text(0); flaw != "ok") {
            found.push_back(std::move(flaw));
        }
    }
    Query references(db, "PRAGMA foreign_key_check");
    while (found.size() < flaws_max && references.row()) {
        found.push_back("row " + references.text(1) + " of " + references.text(0) + " refers to a row of " +
                        references.text(2) + " that is not there");
    }
    return found;
}

/// Who keeps a lock on it, e.g. somebody's sqlite3 shell; empty when nobody can be named.
std::string holder_of(const std::string& path) {
    for (const char* suffix : {"", "-shm", "-wal"}) {
        const int fd = ::open((path + suffix).c_str(), O_RDWR | O_CLOEXEC);
        struct flock wanted{};
        wanted.l_type = F_WRLCK;
        wanted.l_whence = SEEK_SET;
        const bool held = fd >= 0 && ::fcntl(fd, F_GETLK, &wanted) == 0 && wanted.l_type != F_UNLCK;
        if (fd >= 0) {
            ::close(fd);
        }
        if (held) {
            return std::to_string(wanted.l_pid);
        }
    }
    return {};
}

bool synced(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
    const bool done = fd >= 0 && ::fsync(fd) == 0;
    if (fd >= 0) {
        ::close(fd);
    }
    return done;
}

/// On disk before anything is written on top of it: a log whose base is lost in a power cut repairs nothing.
bool put_in_place(const std::string& backup, const std::string& path) {
    const std::string fresh = path + ".restoring";
    std::error_code error;
    std::filesystem::copy_file(backup, fresh, std::filesystem::copy_options::overwrite_existing, error);
    if (error || !synced(fresh, O_RDONLY)) {
        return false;
    }
    std::filesystem::rename(fresh, path, error);
    return !error && synced(std::filesystem::path(path).parent_path().string(), O_RDONLY | O_DIRECTORY);
}

/// A damaged database is moved aside, never deleted; the last backup takes its place if it is whole.
std::string set_aside(const std::string& path, const std::string& why) {
    const std::string aside = path + ".corrupt-" + std::to_string(std::time(nullptr));
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm"}) {
        std::filesystem::rename(path + suffix, aside + suffix, ignored);
    }
    std::ofstream{suspicion_of(path)} << why << "\n";  // what takes its place is checked as well
    std::string text = "the database was damaged (" + why + ") and was moved to " + aside;
    if (std::filesystem::exists(path + ".backup", ignored) && put_in_place(path + ".backup", path)) {
        return text + "; the last backup took its place, and what the provider still knows is read again";
    }
    return text + "; there was no backup, so the ledger begins anew";
}

/// On a thread of its own, which alone touches the connection; or, without one, inside each call.
class SqliteStore final : public Store {
public:
    SqliteStore(std::unique_ptr<Database> db, std::string path, LockFile lock, asio::any_io_executor loop,
                std::function<void(const std::string&)> on_fatal, const Setup& setup)
        : db_(std::move(db)), path_(std::move(path)), ledger_(*db_), backup_(*db_, path_ + ".backup"),
          lock_(std::move(lock)), loop_(std::move(loop)), on_fatal_(std::move(on_fatal)),
          around_(setup.around), own_thread_(setup.own_thread) {
        if (own_thread_) {
            thread_ = std::thread([this] { serve(); });
        }
    }
    SqliteStore(const SqliteStore&) = delete;
    SqliteStore& operator=(const SqliteStore&) = delete;
    ~SqliteStore() override { end_thread(); }

    Task<Result<StoredState>> load(std::string boot_id) override {
        return ask<StoredState>([boot_id = std::move(boot_id)](Database& db) -> Result<StoredState> {
            auto read = read_state(db);
            if (!read) {
                return read;
            }
            StoredState& state = *read;
            db.begin();
            Query(db, "INSERT OR REPLACE INTO meta VALUES ('boot_id', ?)", boot_id).run();
            Query(db, "DELETE FROM idempotency WHERE at < ?",
                  std::int64_t{std::time(nullptr)} * 1000 - idempotency_kept_ms)
                .run();
            // From now on every start finds this boot's id: what was written in earlier ones is marked.
            if (state.boot_id != boot_id) {
                forget_instants(db);
            }
            db.commit();
            return read;
        });
    }

    Task<Result<void>> commit(Batch batch) override {
        auto done = co_await ask<bool>([this, batch = std::move(batch)](Database& db) -> Result<bool> {
            db.begin();
            for (const Write& row : batch) {
                write(db, ledger_, row);
                if (mutant(Mutant::half_a_batch)) {
                    db.execute("COMMIT; BEGIN IMMEDIATE");
                }
            }
            db.commit();
            return true;
        });
        if (!done && !mutant(Mutant::failure_called_success)) {
            co_return std::unexpected(done.error());
        }
        co_return Result<void>{};
    }

    Task<Result<std::vector<SpendRow>>> spend(SpendQuery query) override {
        return ask<std::vector<SpendRow>>(
            [this, query = std::move(query)](Database&) { return ledger_.spend(query); });
    }
    Task<Result<void>> use_zone(Zone zone) override {
        auto done = co_await ask<bool>([this, zone = std::move(zone)](Database&) -> Result<bool> {
            ledger_.use_zone(zone);
            return true;
        });
        if (!done) {
            co_return std::unexpected(done.error());
        }
        co_return Result<void>{};
    }
    /// In parts, so that others get their turn.
    Task<Result<std::int64_t>> check_rollups() override {
        std::int64_t repaired = 0;
        for (std::optional<WallTime> from = WallTime{0}; from;) {
            auto checked = co_await ask<Ledger::Checked>([=, this](Database& db) -> Result<Ledger::Checked> {
                db.begin();
                Ledger::Checked part = ledger_.check_days(*from);
                db.commit();
                part.repaired += ledger_.take_repaired();
                return part;
            });
            if (!checked) {
                co_return std::unexpected(checked.error());
            }
            repaired += checked->repaired;
            from = checked->next;
        }
        co_return repaired;
    }
    Task<Result<LedgerPage>> ledger(WallTime from, WallTime to, std::string after, int limit) override {
        return ask<LedgerPage>(
            [=, this, after = std::move(after)](Database&) { return ledger_.page(from, to, after, limit); });
    }
    Task<Result<std::vector<StopTimes>>> stop_times(int limit) override {
        return ask<std::vector<StopTimes>>(
            [=](Database& db) -> Result<std::vector<StopTimes>> { return read_stop_times(db, limit); });
    }
    Task<Result<std::vector<QuarantineRow>>> quarantine(WallTime since, int limit) override {
        return ask<std::vector<QuarantineRow>>([=](Database& db) -> Result<std::vector<QuarantineRow>> {
            return read_quarantine(db, since, limit);
        });
    }
    Task<Result<std::vector<StoppedRun>>> stopped_by_us() override {
        return ask<std::vector<StoppedRun>>(
            [](Database& db) -> Result<std::vector<StoppedRun>> { return read_stopped(db); });
    }
    Task<Result<std::vector<ResourceRow>>> resources() override {
        return ask<std::vector<ResourceRow>>(
            [](Database& db) -> Result<std::vector<ResourceRow>> { return read_resources(db); });
    }
    Task<Result<std::vector<RunRow>>> runs_of(ResourceId resource, int limit) override {
        return ask<std::vector<RunRow>>(
            [=](Database& db) -> Result<std::vector<RunRow>> { return read_runs_of(db, resource, limit); });
    }
    Task<Result<std::vector<Observation>>> observations_of(RunId run) override {
        return ask<std::vector<Observation>>(
            [=](Database& db) -> Result<std::vector<Observation>> { return read_observations(db, run); });
    }
    Task<Result<std::vector<HistoryRow>>> history_of(RunId run, WallTime until) override {
        return ask<std::vector<HistoryRow>>(
            [=](Database& db) -> Result<std::vector<HistoryRow>> { return read_history(db, run, until); });
    }
    Task<Result<std::vector<PastRun>>> recorded_runs(WallTime since, int limit) override {
        return ask<std::vector<PastRun>>(
            [=](Database& db) -> Result<std::vector<PastRun>> { return read_recorded(db, since, limit); });
    }
    Task<Result<std::vector<Enforcement>>> enforcements_of(ResourceId resource, int limit) override {
        return ask<std::vector<Enforcement>>([=](Database& db) -> Result<std::vector<Enforcement>> {
            return read_enforcements_of(db, resource, limit);
        });
    }
    Task<Result<std::vector<AuditRow>>> audit(std::int64_t after_seq, int limit,
                                              std::optional<ResourceId> resource) override {
        return ask<std::vector<AuditRow>>([=](Database& db) -> Result<std::vector<AuditRow>> {
            return read_audit(db, after_seq, limit, resource);
        });
    }
    Task<Result<std::vector<Receipt>>> receipts(std::optional<ResourceId> resource, int limit) override {
        return ask<std::vector<Receipt>>([=](Database& db) { return read_receipts(db, resource, limit); });
    }
    Task<Result<std::optional<Receipt>>> receipt(ReceiptId id) override {
        return ask<std::optional<Receipt>>([=](Database& db) { return read_receipt(db, id); });
    }
    Task<Result<std::vector<Alert>>> alerts(bool with_resolved, int limit) override {
        return ask<std::vector<Alert>>([=](Database& db) -> Result<std::vector<Alert>> {
            return read_alerts(db, with_resolved, limit);
        });
    }
    Task<Result<std::optional<Alert>>> alert(AlertId id) override {
        return ask<std::optional<Alert>>([=](Database& db) { return read_alert(db, id); });
    }
    Task<Result<std::vector<AlertEvent>>> alert_events(AlertId id, int limit) override {
        return ask<std::vector<AlertEvent>>([=](Database& db) -> Result<std::vector<AlertEvent>> {
            return read_alert_events(db, id, limit);
        });
    }
    Task<Result<std::vector<Silence>>> silences(bool with_ended, int limit) override {
        return ask<std::vector<Silence>>([=](Database& db) { return read_silences(db, with_ended, limit); });
    }
    Task<Result<std::vector<Hold>>> holds(std::optional<ResourceId> resource, WallTime since) override {
        return ask<std::vector<Hold>>(
            [=](Database& db) -> Result<std::vector<Hold>> { return read_holds(db, resource, since); });
    }
    Task<Result<std::vector<RuleEvent>>> rule_events(WallTime since, int limit) override {
        return ask<std::vector<RuleEvent>>([=](Database& db) -> Result<std::vector<RuleEvent>> {
            return read_rule_events(db, since, limit);
        });
    }
    Task<Result<std::vector<OutboxRow>>> outbox(OutboxQuery query) override {
        return ask<std::vector<OutboxRow>>([=](Database& db) { return read_outbox(db, query); });
    }
    Task<Result<std::vector<ChannelStateRow>>> disabled_channels() override {
        return ask<std::vector<ChannelStateRow>>(
            [](Database& db) -> Result<std::vector<ChannelStateRow>> { return read_disabled_channels(db); });
    }
    Task<Result<OutboxLook>> outbox_look(ChannelName channel, WallTime now, WallTime horizon,
                                         int limit) override {
        return change<OutboxLook>(
            [=](Database& db) { return look_at_outbox(db, channel, now, horizon, limit); });
    }
    Task<Result<std::vector<OutboxRow>>> outbox_heap(Heap heap, bool worst_first, int limit) override {
        return ask<std::vector<OutboxRow>>(
            [=](Database& db) { return read_heap(db, heap, worst_first, limit); });
    }
    Task<Result<std::vector<KindCount>>> outbox_sums(Heap heap) override {
        return ask<std::vector<KindCount>>(
            [=](Database& db) -> Result<std::vector<KindCount>> { return sum_heap(db, heap); });
    }
    Task<Result<std::vector<OutboxRow>>> parcel_warnings(ParcelRow parcel) override {
        return ask<std::vector<OutboxRow>>([=](Database& db) { return read_warnings(db, parcel); });
    }
    Task<Result<ParcelPlaces>> parcel_places(ChannelName channel, std::string to, WallTime since,
                                             WallTime now) override {
        return ask<ParcelPlaces>(
            [=](Database& db) -> Result<ParcelPlaces> { return read_places(db, channel, to, since, now); });
    }
    Task<Result<OutboxOverdue>> outbox_overdue(WallTime now, int limit) override {
        return change<OutboxOverdue>([=](Database& db) { return find_overdue(db, now, limit); });
    }
    Task<Result<std::vector<OutboxRow>>> outbox_strays(std::vector<ChannelName> known, WallTime now,
                                                       int limit) override {
        return change<std::vector<OutboxRow>>(
            [=](Database& db) { return find_strays(db, known, now, limit); });
    }
    Task<Result<std::int64_t>> outbox_retry(std::string id, WallTime now) override {
        return change<std::int64_t>(
            [=](Database& db) -> Result<std::int64_t> { return retry_dead(db, id, now); });
    }
    Task<Result<void>> outbox_shift(Duration by) override {
        auto done = co_await change<bool>([=](Database& db) -> Result<bool> {
            shift_waits(db, by);
            return true;
        });
        if (!done) {
            co_return std::unexpected(done.error());
        }
        co_return Result<void>{};
    }
    Task<Result<std::int64_t>> outbox_prune(WallTime before, int limit) override {
        return change<std::int64_t>(
            [=](Database& db) -> Result<std::int64_t> { return prune_outbox(db, before, limit); });
    }
    Task<Result<std::optional<WallTime>>> outbox_oldest() override {
        return ask<std::optional<WallTime>>(
            [](Database& db) -> Result<std::optional<WallTime>> { return read_outbox_oldest(db); });
    }
    Task<Result<std::map<OutboxState, std::int64_t>>> outbox_counts() override {
        return ask<std::map<OutboxState, std::int64_t>>(
            [](Database& db) -> Result<std::map<OutboxState, std::int64_t>> {
                return read_outbox_counts(db);
            });
    }
    Task<Result<std::optional<IdempotencyRow>>> idempotent(std::string key) override {
        return ask<std::optional<IdempotencyRow>>(
            [=](Database& db) -> Result<std::optional<IdempotencyRow>> { return read_idempotent(db, key); });
    }
    Task<Result<StoreHealth>> health() override {
        return ask<StoreHealth>([this](Database& db) -> Result<StoreHealth> {
            StoreHealth health;
            std::error_code none;
            const std::uintmax_t log = std::filesystem::file_size(path_ + "-wal", none);
            health.log_bytes = none ? 0 : static_cast<std::int64_t>(log);
            if (health.log_bytes > log_bytes_usual) {
                // SQLite writes it back by itself and says nothing when that fails.
                Query q(db, "PRAGMA wal_checkpoint(PASSIVE)");
                const std::int64_t pages = q.row() ? q.integer(1) - q.integer(2) : 0;
                Query page(db, "PRAGMA page_size");
                health.log_bytes = page.row() ? pages * page.integer(0) : 0;
            }
            health.copy_trouble = backup_.trouble();
            if (backup_.made_at() != 0) {
                health.copied_at = WallTime{std::int64_t{backup_.made_at()} * 1000};
            }
            return health;
        });
    }
    Task<Result<std::int64_t>> verify_audit() override {
        return ask<std::int64_t>([](Database& db) { return verify_chain(db); });
    }
    Task<Result<std::vector<std::string>>> check_file() override {
        return ask<std::vector<std::string>>([this](Database& db) -> Result<std::vector<std::string>> {
            sqlite3_db_release_memory(db.raw());  // else it is what was read once that is looked at
            std::vector<std::string> found = flaws(db);
            const auto error = db.take_error();
            if (error && error->code != Errc::corrupt) {
                judge(*error);
                return std::unexpected(*error);
            }
            if (error || !found.empty()) {
                std::ofstream{suspicion_of(path_)} << (error ? error->text : found.front()) << "\n";
            }
            return error ? Result<std::vector<std::string>>{std::unexpected(*error)} : std::move(found);
        });
    }
    Task<Result<void>> close() override {
        auto done = co_await ask<bool>([](Database& db) -> Result<bool> {
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)");
            return true;
        });
        end_thread();
        if (!done) {
            co_return std::unexpected(done.error());
        }
        co_return Result<void>{};
    }

private:
    /// `ask`, in one transaction.
    template <class T>
    Task<Result<T>> change(std::function<Result<T>(Database&)> work) {
        return ask<T>([work = std::move(work)](Database& db) -> Result<T> {
            db.begin();
            Result<T> result = work(db);
            result ? db.commit() : db.roll_back();
            return result;
        });
    }

    /// Runs `work` on the database thread and resumes the caller on the loop. Whatever went wrong in it
    /// rolls the open transaction back.
    template <class T>
    Task<Result<T>> ask(std::function<Result<T>(Database&)> work) {
        struct Answer {
            explicit Answer(const asio::any_io_executor& loop)
                : ready(loop, asio::steady_timer::time_point::max()) {}
            asio::steady_timer ready;
            std::optional<Result<T>> result;
        };
        auto answer = std::make_shared<Answer>(loop_);
        const bool queued = push([this, answer, work = std::move(work)] {
            Result<T> result = poisoned_ ? Result<T>{std::unexpected(*poisoned_)} : work(*db_);
            if (auto error = db_->take_error()) {
                sqlite3_exec(db_->raw(), "ROLLBACK", nullptr, nullptr, nullptr);
                ledger_.rolled_back();
                judge(*error);
                result = std::unexpected(std::move(*error));
            }
            asio::post(loop_, [answer, result = std::move(result)]() mutable {
                answer->result = std::move(result);
                answer->ready.cancel();
            });
        });
        if (!queued) {
            co_return fail(Errc::overloaded, "the database has too much to do", "database", Retry::later());
        }
        while (!answer->result) {
            boost::system::error_code ended;
            co_await answer->ready.async_wait(asio::redirect_error(asio::use_awaitable, ended));
        }
        co_return std::move(*answer->result);
    }

    /// After a failed sync nothing that this connection says may be trusted (never try again).
    void judge(const Error& error) {
        if (error.code == Errc::disk || error.code == Errc::corrupt) {
            std::ofstream{suspicion_of(path_)} << to_string(error) << "\n";
            poisoned_ = error;
            asio::post(loop_, [report = on_fatal_, text = to_string(error)] { report(text); });
        }
    }

    bool push(std::function<void()> job) {
        if (!own_thread_) {
            if (!ending_) {
                around_ ? around_(job) : job();
            }
            return !ending_;
        }
        const std::lock_guard guard(mutex_);
        if (ending_ || jobs_.size() >= queue_max) {
            return false;
        }
        jobs_.push_back(std::move(job));
        wake_.notify_one();
        return true;
    }

    void serve() {
        std::unique_lock guard(mutex_);
        while (!ending_ || !jobs_.empty()) {
            if (!jobs_.empty()) {
                const auto job = std::move(jobs_.front());
                jobs_.pop_front();
                guard.unlock();
                job();
                guard.lock();
            } else if (!poisoned_ && backup_.due()) {
                guard.unlock();
                if (const auto done = backup_.step(); !done) {
                    judge(done.error());
                }
                guard.lock();
            } else {
                wake_.wait_for(guard, idle_max);
            }
        }
        backup_.abandon();
    }

    void end_thread() {
        {
            const std::lock_guard guard(mutex_);
            ending_ = true;
            wake_.notify_one();
        }
        if (thread_.joinable()) {
            thread_.join();
        }
        db_->close();
    }

    std::unique_ptr<Database> db_;
    std::string path_;
    Ledger ledger_;  // database thread only
    Backup backup_;  // database thread only
    LockFile lock_;
    asio::any_io_executor loop_;
    std::function<void(const std::string&)> on_fatal_;
    std::optional<Error> poisoned_;  // database thread only
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> jobs_;
    bool ending_ = false;
    const std::function<void(const std::function<void()>&)> around_;
    const bool own_thread_;
    std::thread thread_;
};

}  // namespace

Result<Opened> open(const std::string& path, asio::any_io_executor loop,
                    std::function<void(const std::string&)> on_fatal, const Setup& setup) {
    const mode_t before = ::umask(0077);
    auto lock = LockFile::take(path + ".lock");
    if (!lock) {
        ::umask(before);
        return std::unexpected(lock.error());
    }
    Opened opened;
    auto db = std::make_unique<Database>();
    auto ready = open_and_check(*db, path, setup);
    if (!ready && ready.error().code == Errc::corrupt) {
        db = std::make_unique<Database>();
        opened.recovered = set_aside(path, ready.error().text);
        ready = open_and_check(*db, path, setup);
        if (!ready && ready.error().code == Errc::corrupt) {
            db = std::make_unique<Database>();
            std::error_code ignored;
            std::filesystem::rename(path, path + ".bad-backup", ignored);
            ready = open_and_check(*db, path, setup);
        }
    }
    ::umask(before);
    if (!ready) {
        Error error = ready.error();
        error.where = path;
        db.reset();  // closing any descriptor of the file drops this process's locks on it
        if (const std::string who = error.code == Errc::locked ? holder_of(path) : std::string{};
            !who.empty()) {
            error.text += " (process " + who + ")";
        }
        return std::unexpected(std::move(error));
    }
    sqlite3_busy_timeout(db->raw(), 0);
    opened.store = std::make_unique<SqliteStore>(std::move(db), path, std::move(*lock), std::move(loop),
                                                 std::move(on_fatal), setup);
    return opened;
}

}  // namespace curfew::sqlite
