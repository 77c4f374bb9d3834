// The real store, seen through: the judge hears of every transaction at the moment at which it would survive the
// process, and the process can die right before, in the middle of, and right after one.
#pragma once

#include "curfew/ports/store.hpp"
#include "simulation/disk.hpp"
#include "simulation/stage.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace curfew::simulation {

/// Where in a transaction the process is to die: counts down once for each; 0 = not.
struct CommitDeaths {
    std::int64_t before = 0;
    std::int64_t inside = 0;
    std::int64_t writes_inside = 0;
    std::int64_t after = 0;
};

class WatchedStore final : public Store {
public:
    WatchedStore(std::unique_ptr<Store> inner, Disk& disk, Stage& stage, Line line, CommitDeaths& deaths,
                 std::function<void(const char*)> die, Dice dice);
    ~WatchedStore() override;
    WatchedStore(const WatchedStore&) = delete;
    WatchedStore& operator=(const WatchedStore&) = delete;

    std::int64_t commits() const { return commits_; }

    Task<Result<StoredState>> load(std::string boot_id) override;
    Task<Result<void>> commit(Batch batch) override;
    Task<Result<std::vector<SpendRow>>> spend(SpendQuery query) override {
        return in_turn(inner_->spend(std::move(query)));
    }
    Task<Result<void>> use_zone(Zone zone) override { return in_turn(inner_->use_zone(std::move(zone))); }
    Task<Result<std::int64_t>> check_rollups() override { return in_turn(inner_->check_rollups()); }
    Task<Result<LedgerPage>> ledger(WallTime from, WallTime to, std::string after, int limit) override {
        return in_turn(inner_->ledger(from, to, std::move(after), limit));
    }
    Task<Result<std::vector<StopTimes>>> stop_times(int limit) override {
        return in_turn(inner_->stop_times(limit));
    }
    Task<Result<std::vector<QuarantineRow>>> quarantine(WallTime since, int limit) override {
        return in_turn(inner_->quarantine(since, limit));
    }
    Task<Result<std::vector<StoppedRun>>> stopped_by_us() override {
        return in_turn(inner_->stopped_by_us());
    }
    Task<Result<std::vector<ResourceRow>>> resources() override { return in_turn(inner_->resources()); }
    Task<Result<std::vector<RunRow>>> runs_of(ResourceId resource, int limit) override {
        return in_turn(inner_->runs_of(std::move(resource), limit));
    }
    Task<Result<std::vector<Observation>>> observations_of(RunId run) override {
        return in_turn(inner_->observations_of(std::move(run)));
    }
    Task<Result<std::vector<HistoryRow>>> history_of(RunId run, WallTime until) override {
        return in_turn(inner_->history_of(std::move(run), until));
    }
    Task<Result<std::vector<PastRun>>> recorded_runs(WallTime since, int limit) override {
        return in_turn(inner_->recorded_runs(since, limit));
    }
    Task<Result<std::vector<Enforcement>>> enforcements_of(ResourceId resource, int limit) override {
        return in_turn(inner_->enforcements_of(std::move(resource), limit));
    }
    Task<Result<std::vector<AuditRow>>> audit(std::int64_t after_seq, int limit,
                                              std::optional<ResourceId> resource) override {
        return in_turn(inner_->audit(after_seq, limit, std::move(resource)));
    }
    Task<Result<std::vector<Receipt>>> receipts(std::optional<ResourceId> resource, int limit) override {
        return in_turn(inner_->receipts(std::move(resource), limit));
    }
    Task<Result<std::optional<Receipt>>> receipt(ReceiptId id) override {
        return in_turn(inner_->receipt(std::move(id)));
    }
    Task<Result<std::vector<Alert>>> alerts(bool with_resolved, int limit) override {
        return in_turn(inner_->alerts(with_resolved, limit));
    }
    Task<Result<std::optional<Alert>>> alert(AlertId id) override {
        return in_turn(inner_->alert(std::move(id)));
    }
    Task<Result<std::vector<AlertEvent>>> alert_events(AlertId id, int limit) override {
        return in_turn(inner_->alert_events(std::move(id), limit));
    }
    Task<Result<std::vector<Silence>>> silences(bool with_ended, int limit) override {
        return in_turn(inner_->silences(with_ended, limit));
    }
    Task<Result<std::vector<Hold>>> holds(std::optional<ResourceId> resource, WallTime since) override {
        return in_turn(inner_->holds(std::move(resource), since));
    }
    Task<Result<std::vector<RuleEvent>>> rule_events(WallTime since, int limit) override {
        return in_turn(inner_->rule_events(since, limit));
    }
    Task<Result<std::vector<OutboxRow>>> outbox(OutboxQuery query) override {
        return in_turn(inner_->outbox(std::move(query)));
    }
    Task<Result<OutboxLook>> outbox_look(ChannelName channel, WallTime now, WallTime horizon,
                                         int limit) override {
        return in_turn(inner_->outbox_look(std::move(channel), now, horizon, limit));
    }
    Task<Result<std::vector<OutboxRow>>> outbox_heap(Heap heap, bool worst_first, int limit) override {
        return in_turn(inner_->outbox_heap(std::move(heap), worst_first, limit));
    }
    Task<Result<std::vector<KindCount>>> outbox_sums(Heap heap) override {
        return in_turn(inner_->outbox_sums(std::move(heap)));
    }
    Task<Result<std::vector<OutboxRow>>> parcel_warnings(ParcelRow parcel) override {
        return in_turn(inner_->parcel_warnings(std::move(parcel)));
    }
    Task<Result<ParcelPlaces>> parcel_places(ChannelName channel, std::string to, WallTime since,
                                             WallTime now) override {
        return in_turn(inner_->parcel_places(std::move(channel), std::move(to), since, now));
    }
    Task<Result<OutboxOverdue>> outbox_overdue(WallTime now, int limit) override {
        return in_turn(inner_->outbox_overdue(now, limit));
    }
    Task<Result<std::vector<OutboxRow>>> outbox_strays(std::vector<ChannelName> known, WallTime now,
                                                       int limit) override {
        return in_turn(inner_->outbox_strays(std::move(known), now, limit));
    }
    Task<Result<std::int64_t>> outbox_retry(std::string id, WallTime now) override {
        return in_turn(inner_->outbox_retry(std::move(id), now));
    }
    Task<Result<void>> outbox_shift(Duration by) override { return in_turn(inner_->outbox_shift(by)); }
    Task<Result<std::int64_t>> outbox_prune(WallTime before, int limit) override {
        return in_turn(inner_->outbox_prune(before, limit));
    }
    Task<Result<std::optional<WallTime>>> outbox_oldest() override {
        return in_turn(inner_->outbox_oldest());
    }
    Task<Result<std::map<OutboxState, std::int64_t>>> outbox_counts() override {
        return in_turn(inner_->outbox_counts());
    }
    Task<Result<std::vector<ChannelStateRow>>> disabled_channels() override {
        return in_turn(inner_->disabled_channels());
    }
    Task<Result<std::optional<IdempotencyRow>>> idempotent(std::string key) override {
        return in_turn(inner_->idempotent(std::move(key)));
    }
    Task<Result<StoreHealth>> health() override { return in_turn(inner_->health()); }
    Task<Result<std::int64_t>> verify_audit() override { return in_turn(inner_->verify_audit()); }
    Task<Result<std::vector<std::string>>> check_file() override { return in_turn(inner_->check_file()); }
    Task<Result<void>> close() override { return in_turn(inner_->close()); }

private:
    /// The store does one thing after another; now and then one takes its time, and all others wait.
    Task<void> turn(const Batch* batch);
    template <class T>
    Task<T> in_turn(Task<T> work) {
        co_await turn(nullptr);
        batch_.reset();  // what this writes is no batch
        co_return co_await std::move(work);
    }

    std::unique_ptr<Store> inner_;
    Disk& disk_;
    Stage& stage_;
    Line line_;
    CommitDeaths& deaths_;
    std::function<void(const char*)> die_;
    std::shared_ptr<const Batch> batch_;  // in the store's hands
    std::int64_t commits_ = 0;
    Dice dice_;
    Instant free_at_{};  // of the host
    int waiting_ = 0;
};

}  // namespace curfew::simulation
