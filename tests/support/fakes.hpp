// The world in memory: a store that can fail, a provider that bills nothing and says what it is told to, a
// guest with files, a vault and a channel. Every call completes through the loop, never inside its caller.
#pragma once

#include "curfew/ports/channel.hpp"
#include "curfew/ports/cloud.hpp"
#include "curfew/ports/guest.hpp"
#include "curfew/ports/store.hpp"
#include "curfew/ports/supervisor.hpp"
#include "curfew/ports/vault.hpp"
#include "support/manual_scheduler.hpp"
#include "support/probe_text.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace curfew::test {

inline Task<void> turn(boost::asio::io_context& io) {
    co_await boost::asio::post(io, boost::asio::use_awaitable);
}

class FakeStore final : public Store {
public:
    explicit FakeStore(boost::asio::io_context& io) : io_(io) {}

    std::optional<Error> failing;
    int refusals = 0;             // so many commits fail
    std::optional<Error> silent;  // what `health` answers instead
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
    std::map<std::string, IntentRow> intents;
    std::map<std::string, OutcomeRow> outcomes;
    std::map<RunId, QuietClock> clocks;
    std::map<AccountName, AccountPollRow> polls;
    std::vector<AuditRow> audits;
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

    Task<Result<StoredState>> load(std::string boot_id) override {
        co_await turn(io_);
        StoredState s;
        s.boot_id = std::exchange(boot_, boot_id);
        for (const auto& [id, row] : known) {
            s.resources.push_back(row);
        }
        for (const auto& [id, row] : runs) {
            s.runs.push_back(row);
        }
        for (const auto& [id, row] : meters) {
            if (row.open || row.tariff.monthly_cap || row.kind == MeterKind::compute) {
                s.meters.push_back(row);
            }
        }
        for (const auto& [id, e] : enforcements) {
            if (e.live()) {
                s.enforcements.push_back(e);
            }
        }
        for (const auto& [id, row] : alert_rows) {
            if (row.state != AlertState::resolved) {
                s.alerts.push_back(row);
            }
        }
        for (const auto& [id, row] : silence_rows) {
            if (!row.ended_at) {
                s.silences.push_back(row);
            }
        }
        for (const auto& [id, row] : hold_rows) {
            if (!row.released_at) {
                s.holds.push_back(row);
            }
        }
        for (const auto& [id, row] : intents) {
            if (!outcomes.contains(id)) {
                s.open_intents.push_back(row);
            }
        }
        for (const auto& [run, clock] : clocks) {
            QuietRow row{run, clock};
            // As the store does it: a row stands for a clock that goes on adding to the account's last poll.
            const auto poll = polls.find(runs.at(run).account);
            if (clock.last_quiet_at && poll != polls.end() && poll->second.mono > *clock.last_quiet_at) {
                row.clock.quiet += poll->second.mono - *clock.last_quiet_at;
                row.clock.last_quiet_at = poll->second.mono;
            }
            s.quiet_clocks.push_back(row);
        }
        for (const auto& [name, row] : polls) {
            s.polls.push_back(row);
        }
        for (const auto& [name, row] : channel_states) {
            if (row.disabled_at) {
                s.channels.push_back(row);
            }
        }
        s.fired = fired;
        s.reported = reported;
        for (const auto& [name, edit] : edits) {
            s.budget_edits.push_back(edit);
        }
        for (const auto& [name, row] : trials) {
            s.trials.push_back(row);
        }
        for (const auto& [name, row] : breakers) {
            if (row.open) {
                s.breakers.push_back(row);
            }
        }
        co_return s;
    }
    Task<Result<void>> commit(Batch batch) override {
        co_await turn(io_);
        if (failing) {
            co_return std::unexpected(*failing);
        }
        if (refusals > 0) {
            --refusals;
            co_return fail(Errc::overloaded, "the database has too much to do", "database", Retry::later());
        }
        ++commits;
        for (Write& row : batch) {
            std::visit([this](auto& value) { put(value); }, row);
        }
        co_return Result<void>{};
    }
    Task<Result<std::vector<SpendRow>>> spend(SpendQuery query) override {
        co_await turn(io_);
        std::vector<SpendRow> rows;
        for (const CostRow& c : costs) {
            if (c.from < query.from || c.from >= query.to) {
                continue;
            }
            const auto resource = known.find(c.resource);
            const ResourceRow row = resource == known.end() ? ResourceRow{} : resource->second;
            std::vector<std::string> keys;
            for (const SpendBy by : query.by) {
                const std::string day = day_of(c.from, query.zone).id;
                keys.push_back(by == SpendBy::resource  ? c.resource.value
                               : by == SpendBy::account ? row.account.value
                               : by == SpendBy::project ? row.project
                               : by == SpendBy::user    ? row.owner
                               : by == SpendBy::type    ? c.sku
                               : by == SpendBy::rule    ? c.rule
                               : by == SpendBy::day     ? day.substr(0, day.find('@'))
                                                    : to_string(WallTime{c.from.ms / 3'600'000 * 3'600'000}));
            }
            rows.push_back(
                {.keys = std::move(keys),
                 .meter = c.meter,
                 .gross = c.gross,
                 .quantity = c.source == CostSource::adjustment && !c.gross.positive() ? c.from - c.to
                                                                                       : c.to - c.from,
                 .error_bar = c.error_bar,
                 .error = c.rate ? cost_of(*c.rate, c.error_bar).value() : Money{0, c.gross.currency},
                 .unpriced = !c.rate && c.source != CostSource::adjustment});
        }
        co_return rows;
    }
    Task<Result<void>> use_zone(Zone) override { co_return Result<void>{}; }
    Task<Result<std::int64_t>> check_rollups() override { co_return std::int64_t{0}; }
    Task<Result<LedgerPage>> ledger(WallTime from, WallTime to, std::string after, int limit) override {
        co_await turn(io_);
        LedgerPage page;
        const std::size_t begin = after.empty() ? 0 : std::stoul(after);
        for (std::size_t i = begin; i < costs.size(); ++i) {
            const CostRow& c = costs[i];
            if (c.from < from || c.from >= to) {
                continue;
            }
            if (static_cast<int>(page.rows.size()) == limit) {
                page.next = std::to_string(i);
                break;
            }
            const auto resource = known.find(c.resource);
            const ResourceRow row = resource == known.end() ? ResourceRow{} : resource->second;
            page.rows.push_back({.row = c,
                                 .account = row.account,
                                 .kind = row.kind,
                                 .name = row.name,
                                 .project = row.project,
                                 .owner = row.owner});
        }
        co_return page;
    }
    Task<Result<std::vector<StopTimes>>> stop_times(int) override { co_return times_of_stops; }
    Task<Result<std::vector<QuarantineRow>>> quarantine(WallTime, int) override { co_return quarantined; }
    Task<Result<std::vector<StoppedRun>>> stopped_by_us() override {
        co_await turn(io_);
        std::vector<StoppedRun> rows;
        for (const auto& [id, e] : enforcements) {
            const auto run = runs.find(e.run);
            if (e.outcome != "stopped" || run == runs.end() || !run->second.ended_at) {
                continue;
            }
            StoppedRun row{.resource = e.resource,
                           .run = e.run,
                           .machine_type = run->second.machine_type,
                           .cause = e.cause.kind,
                           .cause_name = e.cause.name,
                           .ended_at = *run->second.ended_at,
                           .next_started_at = {}};
            for (const auto& [other, next] : runs) {
                if (next.resource == e.resource && next.started_at && *next.started_at >= row.ended_at) {
                    row.next_started_at = std::min(row.next_started_at.value_or(*next.started_at),
                                                   *next.started_at);
                }
            }
            rows.push_back(std::move(row));
        }
        co_return rows;
    }
    Task<Result<std::vector<ResourceRow>>> resources() override {
        std::vector<ResourceRow> rows;
        for (const auto& [id, row] : known) {
            rows.push_back(row);
        }
        co_return rows;
    }
    Task<Result<std::vector<RunRow>>> runs_of(ResourceId resource, int) override {
        co_await turn(io_);
        std::vector<RunRow> rows;
        for (const auto& [id, row] : runs) {
            if (row.resource == resource) {
                rows.push_back(row);
            }
        }
        std::ranges::sort(rows, [](const RunRow& a, const RunRow& b) { return a.first_seen > b.first_seen; });
        co_return rows;
    }
    Task<Result<std::vector<HistoryRow>>> history_of(RunId run, WallTime until) override {
        co_await turn(io_);
        std::vector<HistoryRow> rows;
        for (const auto& [key, row] : history) {
            if (row.run == run && row.from <= until) {
                rows.push_back(row);
            }
        }
        co_return rows;
    }
    Task<Result<std::vector<PastRun>>> recorded_runs(WallTime since, int limit) override {
        co_await turn(io_);
        std::vector<PastRun> rows;
        for (const auto& [id, row] : runs) {
            if ((!row.ended_at || *row.ended_at >= since) && static_cast<int>(rows.size()) < limit) {
                const auto meter = meters.find({id, MeterKind::compute});
                rows.push_back({row, meter == meters.end() ? std::nullopt : meter->second.tariff.rate});
            }
        }
        co_return rows;
    }
    Task<Result<std::vector<Observation>>> observations_of(RunId) override {
        co_return std::vector<Observation>{};
    }
    Task<Result<std::vector<Enforcement>>> enforcements_of(ResourceId resource, int) override {
        std::vector<Enforcement> rows;
        for (const auto& [id, e] : enforcements) {
            if (e.resource == resource) {
                rows.push_back(e);
            }
        }
        co_return rows;
    }
    Task<Result<std::vector<AuditRow>>> audit(std::int64_t, int, std::optional<ResourceId>) override {
        co_return audits;
    }
    Task<Result<std::vector<Receipt>>> receipts(std::optional<ResourceId> resource, int limit) override {
        co_await turn(io_);
        std::vector<Receipt> rows;
        for (const auto& [id, row] : receipt_rows) {
            if (!resource || row.resource == *resource) {
                rows.push_back(row);
            }
        }
        std::ranges::sort(rows,
                          [](const Receipt& a, const Receipt& b) { return a.verified_at > b.verified_at; });
        rows.resize(std::min<std::size_t>(rows.size(), static_cast<std::size_t>(limit)));
        co_return rows;
    }
    Task<Result<std::optional<Receipt>>> receipt(ReceiptId id) override {
        co_await turn(io_);
        const auto found = receipt_rows.find(id.value);
        co_return found == receipt_rows.end() ? std::nullopt : std::optional{found->second};
    }
    Task<Result<std::vector<Alert>>> alerts(bool with_resolved, int) override {
        co_await turn(io_);
        std::vector<Alert> rows;
        for (const auto& [id, row] : alert_rows) {
            if (with_resolved || row.state != AlertState::resolved) {
                rows.push_back(row);
            }
        }
        co_return rows;
    }
    Task<Result<std::optional<Alert>>> alert(AlertId id) override {
        co_await turn(io_);
        const auto found = alert_rows.find(id.value);
        co_return found == alert_rows.end() ? std::nullopt : std::optional{found->second};
    }
    Task<Result<std::vector<AlertEvent>>> alert_events(AlertId id, int) override {
        co_await turn(io_);
        std::vector<AlertEvent> rows;
        std::ranges::copy_if(event_rows, std::back_inserter(rows),
                             [&](const AlertEvent& e) { return e.alert == id; });
        co_return rows;
    }
    Task<Result<std::vector<Silence>>> silences(bool with_ended, int) override {
        co_await turn(io_);
        std::vector<Silence> rows;
        for (const auto& [id, row] : silence_rows) {
            if (with_ended || !row.ended_at) {
                rows.push_back(row);
            }
        }
        co_return rows;
    }
    Task<Result<std::vector<Hold>>> holds(std::optional<ResourceId>, WallTime) override {
        co_await turn(io_);
        std::vector<Hold> rows;
        for (const auto& [id, row] : hold_rows) {
            rows.push_back(row);
        }
        co_return rows;
    }
    Task<Result<std::vector<RuleEvent>>> rule_events(WallTime since, int) override {
        co_await turn(io_);
        std::vector<RuleEvent> rows;
        std::ranges::copy_if(rule_rows, std::back_inserter(rows),
                             [&](const RuleEvent& e) { return e.at >= since; });
        std::ranges::reverse(rows);
        co_return rows;
    }
    // The outbox, as the store does it in SQL.
    Task<Result<std::vector<OutboxRow>>> outbox(OutboxQuery query) override {
        co_await turn(io_);
        std::vector<OutboxRow> rows = outbox_where([&](const OutboxRow& row) {
            return row.seq > query.after_seq && (!query.state || row.state == *query.state) &&
                   (query.channel.empty() || row.channel == query.channel) &&
                   (query.alert.empty() || row.message.alert == query.alert);
        });
        rows.resize(std::min<std::size_t>(rows.size(), static_cast<std::size_t>(query.limit)));
        for (OutboxRow& row : rows) {
            const auto parcel = parcels.find(parcel_key(row.parcel, row.channel, row.to));
            if (row.state == OutboxState::waiting && !row.parcel.empty() && parcel != parcels.end()) {
                row.attempts = parcel->second.attempts;
                row.next_at = parcel->second.next_at;
                row.last_error = parcel->second.last_error;
            }
        }
        co_return rows;
    }
    Task<Result<OutboxLook>> outbox_look(ChannelName channel, WallTime now, WallTime horizon,
                                         int limit) override {
        co_await turn(io_);
        number_rows();
        tidy_outbox(channel, now, horizon);
        OutboxLook look;
        std::map<std::string, HeapSize> piles;
        std::map<std::pair<std::string, std::string>, HeapSize> heaps;
        for (const OutboxRow& row : outbox_where(
                 [&](const OutboxRow& r) { return r.channel == channel && ready(r) && r.next_at <= now; })) {
            add_to(piles[row.to], row);
            add_to(heaps[{row.to, row.message.group}], row);
            heaps[{row.to, row.message.group}].group = row.message.group;
        }
        for (const auto& [to, pile] : piles) {
            look.piles.push_back(pile);
        }
        for (const auto& [key, heap] : heaps) {
            look.heaps.push_back(heap);
        }
        std::ranges::sort(look.heaps, [](const HeapSize& a, const HeapSize& b) {
            return std::tuple(a.urgent == 0, a.oldest, a.newest_seq) <
                   std::tuple(b.urgent == 0, b.oldest, b.newest_seq);
        });
        look.heaps.resize(std::min<std::size_t>(look.heaps.size(), static_cast<std::size_t>(limit)));
        const auto later = [&](WallTime at) {
            if (at > now) {
                look.next = std::min(look.next.value_or(at), at);
            }
        };
        for (const auto& [id, row] : outbox_rows) {
            if (row.channel == channel && row.state == OutboxState::waiting && row.parcel.empty()) {
                later(row.next_at);
            }
        }
        for (auto [id, parcel] : parcels) {
            if (parcel.channel != channel || parcel.state != OutboxState::waiting) {
                continue;
            }
            later(parcel.next_at);
            std::int64_t own = 0;
            for (const auto& [key, row] : outbox_rows) {
                if (row.parcel == parcel.id && row.channel == channel && row.to == parcel.to) {
                    own = std::max(own, row.seq);
                }
            }
            parcel.outdone = parcel.message.kind == AlertKind::stop_warning && !parcel.message.key.empty() &&
                             parcel.rows == 1 && !parcel.uncertain &&
                             std::ranges::any_of(outbox_rows, [&](const auto& entry) {
                                 const OutboxRow& n = entry.second;
                                 return n.message.key == parcel.message.key && n.channel == channel &&
                                        n.to == parcel.to && n.state == OutboxState::waiting &&
                                        n.parcel != parcel.id && n.seq > own;
                             });
            if (parcel.outdone || parcel.next_at <= now) {
                look.parcels.push_back(parcel);
            }
        }
        std::ranges::sort(look.parcels, [](const ParcelRow& a, const ParcelRow& b) {
            return std::tuple(b.outdone, b.message.severity, a.created_at, a.id) <
                   std::tuple(a.outdone, a.message.severity, b.created_at, b.id);
        });
        co_return look;
    }
    Task<Result<std::vector<OutboxRow>>> outbox_heap(Heap heap, bool worst_first, int limit) override {
        co_await turn(io_);
        std::vector<OutboxRow> rows = outbox_where([&](const OutboxRow& r) { return in_heap(r, heap); });
        if (worst_first) {
            std::ranges::sort(rows, [](const OutboxRow& a, const OutboxRow& b) {
                return std::tuple(a.enforcement.empty(), b.message.severity, !a.message.stops_at, a.seq) <
                       std::tuple(b.enforcement.empty(), a.message.severity, !b.message.stops_at, b.seq);
            });
        }
        rows.resize(std::min<std::size_t>(rows.size(), static_cast<std::size_t>(limit)));
        co_return rows;
    }
    Task<Result<std::vector<KindCount>>> outbox_sums(Heap heap) override {
        co_await turn(io_);
        std::map<std::pair<AlertKind, Severity>, std::int64_t> sums;
        for (const auto& [id, row] : outbox_rows) {
            if (in_heap(row, heap) && row.enforcement.empty()) {
                ++sums[{row.message.kind, row.message.severity}];
            }
        }
        std::vector<KindCount> counts;
        for (const auto& [key, rows] : sums) {
            counts.push_back({.kind = key.first, .severity = key.second, .rows = rows});
        }
        co_return counts;
    }
    Task<Result<std::vector<OutboxRow>>> parcel_warnings(ParcelRow parcel) override {
        co_await turn(io_);
        co_return outbox_where([&](const OutboxRow& r) {
            return r.parcel == parcel.id && r.channel == parcel.channel && r.to == parcel.to &&
                   !r.enforcement.empty();
        });
    }
    Task<Result<ParcelPlaces>> parcel_places(ChannelName channel, std::string to, WallTime since,
                                             WallTime now) override {
        co_await turn(io_);
        ParcelPlaces places;
        for (const auto& [id, p] : parcels) {
            if (p.channel != channel || p.to != to || p.created_at <= since || p.created_at > now) {
                continue;
            }
            ++places.used;
            places.oldest = std::min(places.oldest.value_or(p.created_at), p.created_at);
            places.newest = std::max(places.newest.value_or(p.created_at), p.created_at);
        }
        co_return places;
    }
    Task<Result<OutboxOverdue>> outbox_overdue(WallTime now, int limit) override {
        co_await turn(io_);
        OutboxOverdue overdue;
        for (auto& [id, row] : outbox_rows) {
            if (!row.failover_at) {
                continue;
            }
            const bool taken = std::ranges::any_of(outbox_rows, [&](const auto& entry) {
                return entry.second.message.id == row.message.id &&
                       entry.second.state == OutboxState::delivered;
            });
            if (*row.failover_at > now) {
                overdue.next = std::min(overdue.next.value_or(*row.failover_at), *row.failover_at);
            } else if (taken || row.state == OutboxState::delivered || row.state == OutboxState::superseded) {
                row.failover_at.reset();
            } else if (static_cast<int>(overdue.rows.size()) < limit) {
                overdue.rows.push_back(row);
            }
        }
        co_return overdue;
    }
    Task<Result<std::vector<OutboxRow>>> outbox_strays(std::vector<ChannelName> channels, WallTime now,
                                                       int limit) override {
        co_await turn(io_);
        number_rows();
        const auto stray = [&](const auto& row) {
            return row.state == OutboxState::waiting &&
                   std::ranges::find(channels, row.channel) == channels.end();
        };
        for (auto& [id, row] : outbox_rows) {
            if (stray(row) && !row.parcel.empty()) {
                row.parcel = {};
                row.next_at = now;
            }
        }
        for (auto& [id, parcel] : parcels) {
            if (stray(parcel)) {
                parcel.state = OutboxState::superseded;
                parcel.ended_at = now;
            }
        }
        std::vector<OutboxRow> rows = outbox_where(stray);
        rows.resize(std::min<std::size_t>(rows.size(), static_cast<std::size_t>(limit)));
        co_return rows;
    }
    Task<Result<std::int64_t>> outbox_retry(std::string id, WallTime now) override {
        co_await turn(io_);
        const auto asked = outbox_rows.find(id);
        const OutboxRow named = asked == outbox_rows.end() ? OutboxRow{} : asked->second;
        std::int64_t rows = 0;
        for (auto& [key, row] : outbox_rows) {
            const bool with_it = !named.parcel.empty() && row.parcel == named.parcel &&
                                 row.channel == named.channel && row.to == named.to;
            if (row.state != OutboxState::dead || !(id.empty() || key == id || with_it)) {
                continue;
            }
            row.state = OutboxState::waiting;
            row.attempts = 0;
            row.next_at = now;
            row.last_error.clear();
            ++rows;
            if (const auto p = parcels.find(parcel_key(row.parcel, row.channel, row.to));
                p != parcels.end()) {
                p->second.state = OutboxState::waiting;
                p->second.attempts = 0;
                p->second.next_at = now;
                p->second.ended_at.reset();
            }
        }
        co_return rows;
    }
    Task<Result<void>> outbox_shift(Duration by) override {
        co_await turn(io_);
        for (auto& [id, row] : outbox_rows) {
            if (row.state == OutboxState::waiting || row.failover_at) {
                row.next_at = row.next_at + by;
                row.failover_at = row.failover_at ? std::optional{*row.failover_at + by} : std::nullopt;
            }
        }
        for (auto& [id, parcel] : parcels) {
            if (parcel.state == OutboxState::waiting) {
                parcel.next_at = parcel.next_at + by;
            }
        }
        co_return Result<void>{};
    }
    Task<Result<std::int64_t>> outbox_prune(WallTime before, int) override {
        co_await turn(io_);
        const auto old = [&](const auto& entry) {
            return entry.second.state != OutboxState::waiting && entry.second.created_at < before;
        };
        const auto gone = std::erase_if(outbox_rows, old) + std::erase_if(parcels, old);
        co_return static_cast<std::int64_t>(gone);
    }
    Task<Result<std::optional<WallTime>>> outbox_oldest() override {
        co_await turn(io_);
        std::optional<WallTime> oldest;
        for (const auto& [id, row] : outbox_rows) {
            if (row.state == OutboxState::waiting) {
                oldest = std::min(oldest.value_or(row.created_at), row.created_at);
            }
        }
        co_return oldest;
    }
    Task<Result<std::map<OutboxState, std::int64_t>>> outbox_counts() override {
        co_await turn(io_);
        std::map<OutboxState, std::int64_t> counts;
        for (const auto& [id, row] : outbox_rows) {
            ++counts[row.state];
        }
        co_return counts;
    }
    Task<Result<std::vector<ChannelStateRow>>> disabled_channels() override {
        co_await turn(io_);
        std::vector<ChannelStateRow> rows;
        for (const auto& [name, row] : channel_states) {
            if (row.disabled_at) {
                rows.push_back(row);
            }
        }
        co_return rows;
    }
    Task<Result<std::optional<IdempotencyRow>>> idempotent(std::string key) override {
        co_await turn(io_);
        const auto found = answers.find(key);
        co_return found == answers.end() ? std::nullopt : std::optional{found->second};
    }
    Task<Result<StoreHealth>> health() override {
        co_await turn(io_);
        if (silent) {
            co_return std::unexpected(*silent);
        }
        co_return well;
    }
    Task<Result<std::int64_t>> verify_audit() override { co_return std::int64_t{0}; }
    Task<Result<std::vector<std::string>>> check_file() override { co_return std::vector<std::string>{}; }
    Task<Result<void>> close() override { co_return Result<void>{}; }

private:
    void put(ResourceRow& r) {
        const auto before = known.find(r.id);
        r.first_seen = before == known.end() ? r.first_seen : before->second.first_seen;
        known[r.id] = r;
    }
    void put(RunRow& r) {
        const auto known_run = runs.find(r.id);
        r.first_seen = known_run == runs.end() ? r.first_seen : known_run->second.first_seen;
        runs[r.id] = r;
    }
    void put(Meter& m) { meters[{m.run, m.kind}] = m; }
    void put(CostRow& c) { costs.push_back(c); }
    void put(Observation&) {}
    void put(QuietRow& q) { clocks[q.run] = q.clock; }
    void put(AccountPollRow& p) { polls[p.account] = p; }
    void put(Enforcement& e) {
        const bool sends = e.state == EnforcementState::stopping || e.state == EnforcementState::confirming;
        CURFEW_ASSERT(!sends || e.override_ || (e.receipt && receipt_rows.contains(e.receipt->value)),
                      "I1: durable before the call");
        enforcements[e.id.value] = e;
    }
    void put(AuditRow& a) { audits.push_back(a); }
    void put(IntentRow& i) { intents[i.id] = i; }
    void put(OutcomeRow& o) { outcomes[o.intent] = o; }
    void put(Hold& h) { hold_rows[h.id.value] = h; }
    void put(Alert& a) { alert_rows[a.id.value] = a; }
    void put(OutboxRow& o) {
        if (!outbox_rows.contains(o.id)) {
            o.seq = ++seq_;
            outbox_rows[o.id] = o;
        }
    }
    static std::string parcel_key(const ParcelId& id, const ChannelName& channel, const std::string& to) {
        return id.value + "/" + channel.value + (to.empty() ? "" : "/" + to);
    }
    void put(ParcelRow& p) {
        parcels[parcel_key(p.id, p.channel, p.to)] = p;
        for (auto& [id, row] : outbox_rows) {
            if (p.state != OutboxState::waiting && row.parcel == p.id && row.channel == p.channel &&
                row.to == p.to && row.state == OutboxState::waiting) {
                row.state = p.state;
                row.attempts = p.attempts;
                row.last_error = p.last_error;
            }
        }
    }
    void put(ParcelFill& fill) {
        std::set<std::int64_t> rows(fill.rows.begin(), fill.rows.end());
        for (const auto& [id, row] : outbox_rows) {
            if (fill.rest && in_heap(row, *fill.rest) && row.enforcement.empty()) {
                rows.insert(row.seq);
            }
        }
        for (auto& [id, row] : outbox_rows) {
            if (rows.contains(row.seq) && row.state == OutboxState::waiting) {
                row.parcel = fill.parcel;
            }
        }
    }
    void put(OutboxEnd& end) {
        for (auto& [id, row] : outbox_rows) {
            if (std::ranges::find(end.rows, row.seq) != end.rows.end() && row.state == OutboxState::waiting) {
                row.state = end.state;
                row.last_error = end.why;
            }
        }
    }
    void put(OutboxBury& bury) {
        const auto end = [&](auto& row) {
            if (row.channel == bury.channel && row.state == OutboxState::waiting) {
                row.state = OutboxState::dead;
                row.last_error = bury.why;
            }
        };
        for (auto& [id, row] : outbox_rows) {
            end(row);
        }
        for (auto& [id, parcel] : parcels) {
            end(parcel);
        }
    }
    void put(FailoverDone& done) {
        for (auto& [id, row] : outbox_rows) {
            if (row.message.id == done.message) {
                row.failover_at.reset();
            }
        }
    }
    /// Tests put rows in by hand.
    void number_rows() {
        for (auto& [id, row] : outbox_rows) {
            row.seq = row.seq == 0 ? ++seq_ : row.seq;
        }
    }
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
    bool ready(const OutboxRow& o) const {
        return o.state == OutboxState::waiting && o.parcel.empty() &&
               (o.message.alert.empty() || std::ranges::none_of(outbox_rows, [&](const auto& entry) {
                    const OutboxRow& b = entry.second;
                    return b.message.alert == o.message.alert && b.channel == o.channel && b.to == o.to &&
                           b.seq < o.seq && b.state == OutboxState::waiting &&
                           (!b.parcel.empty() || b.message.group != o.message.group);
                }));
    }
    bool in_heap(const OutboxRow& r, const Heap& heap) const {
        return r.channel == heap.channel && r.to == heap.to && r.next_at <= heap.now &&
               r.seq <= heap.up_to_seq && (!heap.group || *heap.group == r.message.group) && ready(r);
    }
    static void add_to(HeapSize& heap, const OutboxRow& row) {
        heap.to = row.to;
        heap.oldest = heap.rows == 0 ? row.next_at : std::min(heap.oldest, row.next_at);
        ++heap.rows;
        heap.urgent += row.message.severity == Severity::critical || !row.enforcement.empty() ? 1 : 0;
        heap.newest_seq = std::max(heap.newest_seq, row.seq);
    }
    void tidy_outbox(const ChannelName& channel, WallTime now, WallTime horizon) {
        for (auto& [id, parcel] : parcels) {
            if (parcel.channel == channel && parcel.next_at > horizon) {
                parcel.next_at = now;
            }
        }
        const auto newer = [&](const OutboxRow& row, auto same) {
            return std::ranges::any_of(outbox_rows, [&](const auto& entry) {
                const OutboxRow& n = entry.second;
                return n.seq > row.seq && n.channel == row.channel && n.to == row.to &&
                       n.state == OutboxState::waiting && same(n);
            });
        };
        for (OutboxRow& given : outbox_where([&](const OutboxRow& r) { return r.channel == channel; })) {
            OutboxRow& row = outbox_rows[given.id];
            if (row.state != OutboxState::waiting || !row.parcel.empty()) {
                continue;
            }
            if (row.next_at > horizon) {
                row.next_at = now;
            }
            const Message& m = row.message;
            if (m.expires_at && *m.expires_at <= now) {
                row.state = OutboxState::superseded;
                row.last_error = "past its use";
            } else if (m.kind == AlertKind::stop_warning && !m.key.empty() &&
                       newer(row, [&](const OutboxRow& n) { return n.message.key == m.key; })) {
                row.state = OutboxState::superseded;
                row.last_error = "a newer message of it waits";
            } else if (!m.alert.empty() && row.next_at > now && newer(row, [&](const OutboxRow& n) {
                           return n.message.alert == m.alert && n.parcel.empty() && n.next_at <= now;
                       })) {
                row.next_at = now;
            }
        }
    }
    void put(ChannelStateRow& c) { channel_states[c.channel] = c; }
    void put(Silence& silence) { silence_rows[silence.id.value] = silence; }
    void put(AlertEvent& e) { event_rows.push_back(e); }
    void put(AlertPrune& p) {
        std::erase_if(alert_rows, [&](const auto& entry) {
            const Alert& a = entry.second;
            return a.state == AlertState::resolved && a.changed_at < p.ended_before;
        });
        std::erase_if(event_rows, [&](const AlertEvent& e) { return !alert_rows.contains(e.alert.value); });
        std::erase_if(silence_rows, [&](const auto& entry) {
            return entry.second.ended_at && *entry.second.ended_at < p.ended_before;
        });
    }
    void put(FiredThresholdRow& f) { fired.push_back(f); }
    void put(BudgetEdit& e) { edits.insert_or_assign(e.budget, e); }
    void put(ReportedRow& r) { reported.push_back(r); }
    void put(QuarantineRow& q) { quarantined.push_back(q); }
    void put(Receipt& r) { receipt_rows[r.id.value] = r; }
    void put(IdempotencyRow& row) { answers.emplace(row.key, row); }
    void put(HistoryRow& h) {
        ++history_writes;
        history[{h.run, h.from, h.source}] = h;
    }
    void put(HistoryPrune& p) {
        std::erase_if(history, [&](const auto& entry) { return entry.second.from < p.began_before; });
    }
    void put(RuleTrial& t) { trials[t.rule] = t; }
    void put(RuleEvent& e) {
        const bool counted = e.kind != RuleEventKind::stop &&
                             std::ranges::any_of(rule_rows, [&](const RuleEvent& row) {
                                 return row.kind == e.kind && row.rule == e.rule && row.run == e.run;
                             });
        if (!counted) {
            rule_rows.push_back(e);
        }
    }
    void put(Breaker& b) { breakers[b.rule] = b; }

    boost::asio::io_context& io_;
    std::string boot_;
    std::int64_t seq_ = 0;
};

/// One user's process in a guest that can be probed; cores in hundredths.
struct FakeInside {
    std::int64_t centicores = 0;
    std::int64_t ticks = 0;  // used up to `since`
    Instant since;
    bool answers = true;
    int probes = 0;

    std::int64_t ticks_at(Instant t) const { return ticks + centicores * (t - since).count() / 1000; }
    void load(std::int64_t hundredths, Instant now) {
        ticks = ticks_at(now);
        since = now;
        centicores = hundredths;
    }
};

/// What a provider measured of a machine with a GPU.
struct FakeSeries {
    int centicores = 0;
    std::optional<int> gpu_percent;  // absent: not measured
};

struct FakeNotebook {
    Resource resource;
    std::optional<FakeSeries> series;  // else an idle CPU, and no word of a GPU
    std::string kernel = "idle";
    std::optional<Duration> kernel_silent_for;  // the age of its clock, constant
    std::optional<FakeInside> inside;           // else no probe can be run
    int looks = 0;
    bool guest_hangs = false;  // takes every question and says nothing
    std::map<std::string, std::pair<std::string, std::int64_t>> files;  // path → bytes, mtime in µs
    bool guest_answers = true;
};

/// Provider and guests in one, since what one does shows in the other.
struct FakeWorld {
    std::map<ResourceId, std::vector<Run>> past_runs;
    std::optional<std::vector<AddOn>> add_ons;
    std::optional<Reported> reported;
    explicit FakeWorld(boost::asio::io_context& loop, ManualScheduler& time) : io(loop), scheduler(time) {}
    boost::asio::io_context& io;
    ManualScheduler& scheduler;
    std::map<std::string, FakeNotebook> notebooks;  // by name
    std::optional<Error> list_fails;
    std::optional<Error> reported_fails;
    bool list_hangs = false;
    std::optional<Duration> provider_ahead;  // of our clock; absent: the provider says no time
    bool list_complete = true;
    bool metrics = true;  // the provider has any
    int lists = 0;
    std::vector<RunId> stop_calls;
    std::function<StopReply(FakeNotebook&)> on_stop;  // else accepted, and off at once
    bool guest_refuses = false;                       // to shut down
    std::function<void()> on_read;                    // while a pack reads a file

    FakeNotebook& add(const std::string& name, const std::string& type = "A4000") {
        FakeNotebook& n = notebooks[name];
        n.resource.id = ResourceId{"r-" + name};
        n.resource.account = AccountName{"me"};
        n.resource.name = name;
        n.resource.run.machine_type = type;
        n.files["notes.txt"] = {"hello", 1'000'000};
        start(n);
        return n;
    }
    void start(FakeNotebook& n) {
        n.resource.run.id = RunId{"n-" + n.resource.name + "-" + std::to_string(++starts_)};
        n.resource.run.state = RunState::running;
        n.resource.run.state_text = "Running";
        n.resource.run.started_at = scheduler.wall();
        n.resource.run.ended_at.reset();
        n.resource.run.address = n.resource.name + ".example";
        n.resource.run.token = Secret{"token"};
    }
    void end(FakeNotebook& n) {
        n.resource.run.state = RunState::stopped;
        n.resource.run.state_text = "Cancelled";
        n.resource.run.ended_at = scheduler.wall();
    }

private:
    int starts_ = 0;
};

class FakeCloud final : public Cloud {
public:
    explicit FakeCloud(FakeWorld& world) : world_(world) {}
    const AccountName& account() const override { return name_; }
    Task<Result<std::string>> check_key(Deadline) override {
        co_await turn(world_.io);
        co_return std::string{"Ana, team lab"};
    }
    Task<Result<Listing>> list(Deadline) override {
        co_await turn(world_.io);
        ++world_.lists;
        while (world_.list_hangs) {
            co_await world_.scheduler.sleep_for(seconds{10});
        }
        if (world_.list_fails) {
            co_return std::unexpected(*world_.list_fails);
        }
        Listing listing;
        listing.complete = world_.list_complete;
        listing.add_ons = world_.add_ons;
        if (world_.provider_ahead) {
            listing.provider_time = world_.scheduler.wall() + *world_.provider_ahead;
        }
        for (const auto& [name, n] : world_.notebooks) {
            listing.resources.push_back(n.resource);
        }
        co_return listing;
    }
    Task<Result<RunLook>> look(RunRef ref, Deadline) override {
        co_await turn(world_.io);
        if (world_.list_fails) {
            co_return std::unexpected(*world_.list_fails);
        }
        for (const auto& [name, n] : world_.notebooks) {
            if (n.resource.id == ref.resource) {
                const bool same = n.resource.run.id == ref.run;
                co_return RunLook{.listed = same, .newest = same, .run = n.resource.run};
            }
        }
        co_return RunLook{};
    }
    Task<StopReply> stop(RunRef ref, Deadline) override {
        co_await turn(world_.io);
        world_.stop_calls.push_back(ref.run);
        for (auto& [name, n] : world_.notebooks) {
            if (n.resource.run.id == ref.run) {
                if (world_.on_stop) {
                    co_return world_.on_stop(n);
                }
                world_.end(n);
                co_return StopReply{event::Answer::accepted, {}};
            }
        }
        co_return StopReply{event::Answer::refused, "no such run"};
    }
    Task<Result<std::vector<Run>>> past_runs(ResourceKind, ResourceId resource, WallTime since,
                                             Deadline) override {
        co_await turn(world_.io);
        std::vector<Run> runs;
        const auto past = world_.past_runs.find(resource);
        if (past != world_.past_runs.end()) {
            std::ranges::copy_if(past->second, std::back_inserter(runs),
                                 [&](const Run& run) { return run.started_at && *run.started_at >= since; });
        }
        co_return runs;
    }
    Task<Result<std::optional<Reported>>> reported(Deadline) override {
        co_await turn(world_.io);
        if (world_.reported_fails) {
            co_return std::unexpected(*world_.reported_fails);
        }
        co_return world_.reported;
    }
    Task<Result<std::optional<RunEnd>>> ended_at(RunRef ref, Deadline) override {
        for (const auto& [name, n] : world_.notebooks) {
            if (n.resource.run.id == ref.run && n.resource.run.ended_at) {
                co_return RunEnd{*n.resource.run.ended_at};
            }
        }
        co_return std::optional<RunEnd>{};
    }
    Task<Result<std::vector<Observation>>> metrics(RunRef ref, Duration, Deadline) override {
        co_await turn(world_.io);
        const Now now = world_.scheduler.now();
        std::vector<Observation> seen;
        if (!world_.metrics) {
            co_return seen;
        }
        Verdict verdict = Verdict::quiet;
        std::string evidence = "0.00 cores";
        for (const auto& [name, n] : world_.notebooks) {
            if (n.resource.run.id == ref.run && n.series) {
                const int cores = n.series->centicores;
                const std::optional<int> gpu = n.series->gpu_percent;
                verdict = cores >= 20 || gpu.value_or(0) >= 5 ? Verdict::active
                          : gpu                               ? Verdict::quiet
                                                              : Verdict::unknown;
                evidence = std::to_string(cores / 100) + "." + std::to_string(100 + cores % 100).substr(1) +
                           " cores" +
                           (gpu ? ", GPU " + std::to_string(*gpu) + ".00 %" : ", the GPU was not measured");
            }
        }
        seen.push_back({.source = Signal::metrics,
                        .run = ref.run,
                        .at = now.mono,
                        .wall = now.wall,
                        .verdict = verdict,
                        .last_active_at = std::nullopt,
                        .strength = Strength::strong,
                        .evidence = evidence,
                        .ttl = minutes{5}});
        co_return seen;
    }

private:
    FakeWorld& world_;
    AccountName name_{"me"};
};

class FakeGuest final : public Guest {
public:
    FakeGuest(FakeWorld& world, std::string name) : world_(world), name_(std::move(name)) {}
    Task<Result<std::vector<Observation>>> observe(LookOrder, Deadline deadline) override {
        co_await turn(world_.io);
        if (const auto hung = world_.notebooks.find(name_);
            hung != world_.notebooks.end() && hung->second.guest_hangs) {
            co_await world_.scheduler.sleep_until(deadline.at);
            co_return fail(Errc::timeout, "no answer", name_, Retry::later());
        }
        const auto found = world_.notebooks.find(name_);
        if (found == world_.notebooks.end() || !found->second.guest_answers) {
            co_return fail(Errc::unavailable, "connection refused", name_, Retry::later());
        }
        FakeNotebook& n = found->second;
        ++n.looks;
        const Now now = world_.scheduler.now();
        const Verdict verdict = n.kernel == "busy" ? Verdict::active : Verdict::quiet;
        std::vector<Observation> seen;
        seen.push_back({.source = Signal::kernels,
                        .run = n.resource.run.id,
                        .at = now.mono,
                        .wall = now.wall,
                        .verdict = verdict,
                        .last_active_at = n.kernel_silent_for ? std::optional{now.wall - *n.kernel_silent_for}
                                                              : std::nullopt,
                        .strength = Strength::strong,
                        .evidence = "kernel " + n.kernel,
                        .ttl = minutes{5}});
        co_return seen;
    }
    Task<Result<ProbeAnswer>> probe(ProbeScript script, Deadline) override {
        co_await turn(world_.io);
        FakeNotebook& n = world_.notebooks.at(name_);
        if (!n.inside) {
            co_return fail(Errc::not_found, "no terminals here", name_);
        }
        ++n.inside->probes;
        if (!n.inside->answers) {
            co_return fail(Errc::timeout, "the shell said nothing", name_, Retry::later());
        }
        const Instant now = world_.scheduler.mono();
        const auto job = [&](Instant t) { return ProcessLine{.ticks = n.inside->ticks_at(t)}; };
        co_return ProbeAnswer{.text = probe_text(script, {.uptime = hours{1000} + (now - Instant{}),
                                                          .first = {job(now)},
                                                          .second = {job(now + seconds{3})}})};
    }
    Task<Result<Walk>> walk(WalkLimits, Deadline) override {
        co_await turn(world_.io);
        const FakeNotebook& n = world_.notebooks.at(name_);
        if (!n.guest_answers) {
            co_return fail(Errc::unavailable, "connection refused", n.resource.run.address, Retry::later());
        }
        Walk walk;
        walk.server_time = world_.scheduler.wall();
        for (const auto& [path, file] : n.files) {
            walk.files.push_back({path, static_cast<std::int64_t>(file.first.size()), file.second});
        }
        co_return walk;
    }
    Task<Result<ReadReport>> read(FileEntry file, std::int64_t, Duration, ByteSink& sink, Deadline) override {
        co_await turn(world_.io);
        if (world_.on_read) {
            world_.on_read();
        }
        const auto found = world_.notebooks.at(name_).files.find(file.path);
        if (found == world_.notebooks.at(name_).files.end()) {
            co_return fail(Errc::not_found, "gone", file.path);
        }
        const std::string bytes = found->second.first;
        auto written = co_await sink.write(std::as_bytes(std::span{bytes.data(), bytes.size()}));
        if (!written) {
            co_return std::unexpected(written.error());
        }
        co_return ReadReport{
            .before = file, .after = file, .server_time = world_.scheduler.wall(), .bytes = 0};
    }
    Task<Result<std::string>> to_html(std::string, std::string, Deadline) override {
        co_return std::string{"<html></html>"};
    }
    Task<StopReply> shut_down(Deadline) override {
        co_await turn(world_.io);
        if (world_.guest_refuses) {
            co_return StopReply{event::Answer::refused, "not now"};
        }
        world_.end(world_.notebooks.at(name_));
        co_return StopReply{event::Answer::accepted, {}};
    }
    int parallel_reads() const override { return 2; }

private:
    FakeWorld& world_;
    std::string name_;
};

class FakeDoor final : public GuestDoor {
public:
    explicit FakeDoor(FakeWorld& world) : world_(world) {}
    std::unique_ptr<Guest> open(const AccountName&, const Resource& resource, const Run& run) override {
        return run.token.empty() ? nullptr : std::make_unique<FakeGuest>(world_, resource.name);
    }

private:
    FakeWorld& world_;
};

/// Keeps the bytes; "hashes" with their length and first bytes.
class FakeVault final : public Vault {
public:
    explicit FakeVault(ManualScheduler& time) : scheduler(time) {}
    ManualScheduler& scheduler;
    std::optional<Error> failing;
    std::map<std::string, std::vector<ManifestEntry>> published;  // by receipt

    class File final : public VaultFile {
    public:
        Task<Result<void>> write(std::span<const std::byte> bytes) override {
            text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
            co_return Result<void>{};
        }
        Task<Result<Sha256>> finish() override {
            Sha256 hash{};
            for (std::size_t i = 0; i < text_.size(); ++i) {
                hash[i % hash.size()] = static_cast<std::uint8_t>(hash[i % hash.size()] * 31 +
                                                                  static_cast<unsigned char>(text_[i]));
            }
            co_return hash;
        }
        std::int64_t bytes() const override { return static_cast<std::int64_t>(text_.size()); }

    private:
        std::string text_;
    };
    class Shot final : public Snapshot {
    public:
        explicit Shot(FakeVault& vault) : vault_(vault) {}
        Task<Result<std::optional<ManifestEntry>>> reuse(FileEntry) override {
            co_return std::optional<ManifestEntry>{};
        }
        Task<Result<std::unique_ptr<VaultFile>>> create(std::string) override {
            std::unique_ptr<VaultFile> file = std::make_unique<File>();
            co_return file;
        }
        Task<Result<std::string>> read_back(std::string, std::int64_t) override { co_return std::string{}; }
        Task<Result<void>> add_html(std::string, std::string) override { co_return Result<void>{}; }
        Task<Result<void>> drop(std::string) override { co_return Result<void>{}; }
        Task<Result<Receipt>> publish(Receipt receipt, std::vector<ManifestEntry> manifest) override {
            if (vault_.failing) {
                co_return std::unexpected(*vault_.failing);
            }
            receipt.verified_at = vault_.scheduler.wall();
            receipt.proofs = {{VaultName{"home"}, "memory", "none"}};
            vault_.published[receipt.id.value] = std::move(manifest);
            co_return receipt;
        }

    private:
        FakeVault& vault_;
    };

    const VaultName& name() const override { return name_; }
    bool required() const override { return true; }
    Task<Result<std::unique_ptr<Snapshot>>> begin(AccountName, ResourceId, RunId, ReceiptId,
                                                  std::int64_t) override {
        std::unique_ptr<Snapshot> shot = std::make_unique<Shot>(*this);
        co_return shot;
    }
    Task<Result<void>> verify(Receipt) override { co_return Result<void>{}; }
    Task<Result<std::vector<ManifestEntry>>> manifest(Receipt receipt) override {
        co_return published[receipt.id.value];
    }

private:
    VaultName name_{"home"};
};

class FakeChannel final : public Channel {
public:
    FakeChannel(ManualScheduler& scheduler, std::string name)
        : scheduler_(scheduler), name_(std::move(name)) {}
    std::deque<Result<void>> answers;  // then success
    Duration takes{0};
    std::vector<Message> delivered;
    int attempts = 0;
    bool grouped = true;
    const ChannelName& name() const override { return name_; }
    bool groups() const override { return grouped; }
    Task<Result<Delivered>> deliver(Parcel parcel, Deadline) override {
        ++attempts;
        co_await scheduler_.sleep_for(takes);
        if (!answers.empty()) {
            Result<void> answer = answers.front();
            answers.pop_front();
            if (!answer) {
                co_return std::unexpected(answer.error());
            }
        }
        delivered.push_back(std::move(parcel.message));
        co_return Delivered{.answer = "taken"};
    }

private:
    ManualScheduler& scheduler_;
    ChannelName name_;
};

class FakeSupervisor final : public Supervisor {
public:
    void ready() override { ++readies; }
    void reloading() override {}
    void stopping() override {}
    void status(const std::string& line) override { said = line; }
    void alive() override { ++lives; }
    std::optional<Duration> watchdog_interval() const override { return seconds{60}; }
    std::string said;  // the newest status line
    int readies = 0;
    int lives = 0;
};

}  // namespace curfew::test
