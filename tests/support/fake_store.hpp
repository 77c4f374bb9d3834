// A store in memory that can fail. Every call completes through the loop, never inside its caller.
#pragma once

#include "curfew/ports/store.hpp"
#include "support/turn.hpp"

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace curfew::test {

class FakeStore final : public Store {
public:
    explicit FakeStore(boost::asio::io_context& io) : io_(io) {}

    std::optional<Error> failing;
    int refusals = 0;                                   // so many commits fail
    std::function<void()> on_sums;                      // what another lane does before the sums are read
    std::function<Task<void>(const Batch&)> on_commit;  // what comes before the rows are there
    std::optional<Error> silent;                        // what `health` answers instead
    StoreHealth well;
    int commits = 0;
    std::map<RunId, RunRow> runs;
    std::map<ResourceId, ResourceRow> known;
    std::map<std::pair<RunId, MeterKind>, Meter> meters;
    std::vector<CostRow> costs;
    std::map<std::string, Enforcement> enforcements;
    std::map<std::string, OutboxRow> outbox_rows;
    std::map<std::string, ParcelRow> parcels;
    std::map<ChannelName, ChannelStateRow> channel_states;
    std::map<std::string, Silence> silence_rows;
    std::vector<AlertEvent> event_rows;
    std::map<std::string, Alert> alert_rows;
    std::map<std::string, Hold> hold_rows;
    std::map<std::string, Receipt> receipt_rows;
    std::vector<std::string> receipts_stored;  // their names, oldest first
    std::map<std::string, IntentRow> intents;
    std::map<std::string, OutcomeRow> outcomes;
    std::map<RunId, QuietClock> clocks;
    std::map<AccountName, AccountPollRow> polls;
    std::map<std::pair<ResourceId, RunId>, GapRow> gaps;
    std::vector<AuditRow> audits;
    /// So many of a kind.
    int audited(std::string_view kind) const {
        return static_cast<int>(std::ranges::count(audits, kind, &AuditRow::kind));
    }
    std::vector<FiredThresholdRow> fired;
    std::map<BudgetName, BudgetEdit> edits;
    std::vector<ReportedRow> reported;
    std::vector<QuarantineRow> quarantined;
    std::vector<StopTimes> times_of_stops;
    std::map<std::tuple<RunId, WallTime, std::optional<Signal>>, HistoryRow> history;
    int history_writes = 0;
    std::map<RuleName, RuleTrial> trials;
    std::map<RuleName, Breaker> breakers;
    std::vector<RuleEvent> rule_rows;
    std::map<std::string, IdempotencyRow> answers;

    Task<Result<StoredState>> load(std::string boot_id) override;
    Task<Result<void>> commit(Batch batch) override;
    Task<Result<std::vector<SpendRow>>> spend(SpendQuery query) override;
    Task<Result<void>> use_zone(Zone) override;
    Task<Result<std::int64_t>> check_rollups() override;
    Task<Result<LedgerPage>> ledger(WallTime from, WallTime to, std::string after, int limit) override;
    Task<Result<std::vector<StopTimes>>> stop_times(int) override;
    Task<Result<std::vector<QuarantineRow>>> quarantine(WallTime, int) override;
    Task<Result<std::vector<StoppedRun>>> stopped_by_us() override;
    Task<Result<std::vector<ResourceRow>>> resources() override;
    Task<Result<std::vector<RunRow>>> runs_of(ResourceId resource, int) override;
    Task<Result<std::vector<HistoryRow>>> history_of(RunId run, WallTime until) override;
    Task<Result<std::vector<PastRun>>> recorded_runs(WallTime since, int limit) override;
    Task<Result<std::vector<Observation>>> observations_of(RunId) override;
    Task<Result<std::vector<Enforcement>>> enforcements_of(ResourceId resource, int) override;
    Task<Result<std::vector<AuditRow>>> audit(std::int64_t, int, std::optional<ResourceId>) override;
    Task<Result<std::vector<Receipt>>> receipts(std::optional<ResourceId> resource, int limit) override;
    Task<Result<std::optional<Receipt>>> receipt(ReceiptId id) override;
    Task<Result<std::vector<Alert>>> alerts(bool with_resolved, int) override;
    Task<Result<std::optional<Alert>>> alert(AlertId id) override;
    Task<Result<std::vector<AlertEvent>>> alert_events(AlertId id, int) override;
    Task<Result<std::vector<Silence>>> silences(bool with_ended, int) override;
    Task<Result<std::vector<Hold>>> holds(std::optional<ResourceId>, WallTime) override;
    Task<Result<std::vector<RuleEvent>>> rule_events(WallTime since, int) override;
    // The outbox, as the store does it in SQL.
    Task<Result<std::vector<OutboxRow>>> outbox(OutboxQuery query) override;
    Task<Result<OutboxLook>> outbox_look(ChannelName channel, WallTime now, WallTime horizon,
                                         int limit) override;
    Task<Result<std::vector<OutboxRow>>> outbox_heap(Heap heap, bool worst_first, int limit) override;
    Task<Result<std::vector<KindCount>>> outbox_sums(Heap heap) override;
    Task<Result<std::vector<OutboxRow>>> parcel_warnings(ParcelRow parcel) override;
    Task<Result<ParcelPlaces>> parcel_places(ChannelName channel, std::string to, WallTime since,
                                             WallTime now) override;
    Task<Result<OutboxOverdue>> outbox_overdue(WallTime now, int limit) override;
    Task<Result<std::vector<OutboxRow>>> outbox_strays(std::vector<ChannelName> channels, WallTime now,
                                                       int limit) override;
    Task<Result<std::int64_t>> outbox_retry(std::string id, WallTime now) override;
    Task<Result<void>> outbox_shift(Duration by) override;
    Task<Result<std::int64_t>> outbox_prune(WallTime before, int) override;
    Task<Result<std::optional<WallTime>>> outbox_oldest() override;
    Task<Result<std::map<OutboxState, std::int64_t>>> outbox_counts() override;
    Task<Result<std::vector<ChannelStateRow>>> disabled_channels() override;
    Task<Result<std::optional<IdempotencyRow>>> idempotent(std::string key) override;
    Task<Result<StoreHealth>> health() override;
    Task<Result<std::int64_t>> verify_audit() override;
    Task<Result<std::vector<std::string>>> check_file() override;
    Task<Result<void>> close() override;

private:
    void put(ResourceRow& r);
    void put(RunRow& r);
    void put(Meter& m) { meters[{m.run, m.kind}] = m; }
    void put(CostRow& c) { costs.push_back(c); }
    void put(Observation&) {}
    void put(QuietRow& q) { clocks[q.run] = q.clock; }
    void forget_instants();
    void put(AccountPollRow& p) { polls[p.account] = p; }
    void put(GapRow& g);
    void put(Enforcement& e);
    void put(AuditRow& a) { audits.push_back(a); }
    void put(IntentRow& i) { intents[i.id] = i; }
    void put(OutcomeRow& o) { outcomes[o.intent] = o; }
    void put(Hold& h) { hold_rows[h.id.value] = h; }
    void put(Alert& a) { alert_rows[a.id.value] = a; }
    void put(OutboxRow& o);
    static std::string parcel_key(const ParcelId& id, const ChannelName& channel, const std::string& to);
    void put(ParcelRow& p);
    void put(ParcelFill& fill);
    void put(OutboxEnd& end);
    void put(OutboxBury& bury);
    void put(FailoverDone& done);
    /// Tests put rows in by hand.
    void number_rows();
    template <class Wanted>
    std::vector<OutboxRow> outbox_where(Wanted wanted) {
        std::vector<OutboxRow> rows;
        for (const auto& [id, row] : outbox_rows) {
            if (wanted(row)) {
                rows.push_back(row);
            }
        }
        std::ranges::sort(rows, {}, &OutboxRow::seq);
        return rows;
    }
    bool ready(const OutboxRow& o) const;
    bool in_heap(const OutboxRow& r, const Heap& heap) const;
    static void add_to(HeapSize& heap, const OutboxRow& row);
    void tidy_outbox(const ChannelName& channel, WallTime now, WallTime horizon);
    void put(ChannelStateRow& c) { channel_states[c.channel] = c; }
    void put(Silence& silence) { silence_rows[silence.id.value] = silence; }
    void put(AlertEvent& e) { event_rows.push_back(e); }
    void put(AlertPrune& p);
    void put(FiredThresholdRow& f) { fired.push_back(f); }
    void put(BudgetEdit& e) { edits.insert_or_assign(e.budget, e); }
    void put(ReportedRow& r) { reported.push_back(r); }
    void put(QuarantineRow& q) { quarantined.push_back(q); }
    void put(Receipt& r) {
        if (receipt_rows.emplace(r.id.value, r).second) {
            receipts_stored.push_back(r.id.value);
        }
    }
    void put(IdempotencyRow& row) { answers.emplace(row.key, row); }
    void put(HistoryRow& h);
    void put(HistoryPrune& p);
    void put(RuleTrial& t) { trials[t.rule] = t; }
    void put(RuleEvent& e);
    void put(Breaker& b) { breakers[b.rule] = b; }

    boost::asio::io_context& io_;
    std::string boot_;
    std::int64_t seq_ = 0;
};

}  // namespace curfew::test
