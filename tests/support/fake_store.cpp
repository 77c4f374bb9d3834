#include "support/fake_store.hpp"

#include <algorithm>
#include <iterator>
#include <ranges>

namespace curfew::test {

Task<Result<StoredState>> FakeStore::load(std::string boot_id) {
    co_await turn(io_);
    StoredState s;
    s.boot_id = std::exchange(boot_, boot_id);
    for (const auto& [id, row] : known) {
        if (!row.gone) {
            s.resources.push_back(row);
        }
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
    for (const auto& [key, row] : gaps) {
        s.gaps.push_back(row);
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
        s.breakers.push_back(row);
    }
    if (s.boot_id != boot_) {
        forget_instants();
    }
    co_return s;
}

/// What the store does with instants of an earlier boot.
void FakeStore::forget_instants() {
    for (auto& [run, clock] : clocks) {
        clock.last_quiet_at.reset();
    }
    for (auto& [name, row] : polls) {
        row.mono = instant_of_earlier_boot;
    }
    for (auto& [id, e] : enforcements) {
        for (std::optional<Instant>* at : {&e.warned_at, &e.notice_at, &e.next_at, &e.stop_called_at}) {
            *at = *at ? std::optional{instant_of_earlier_boot} : std::nullopt;
        }
    }
}

Task<Result<void>> FakeStore::commit(Batch batch) {
    co_await turn(io_);
    if (on_commit) {
        co_await on_commit(batch);
    }
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

Task<Result<std::vector<SpendRow>>> FakeStore::spend(SpendQuery query) {
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
        rows.push_back({.keys = std::move(keys),
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

Task<Result<void>> FakeStore::use_zone(Zone) {
    co_return Result<void>{};
}

Task<Result<std::int64_t>> FakeStore::check_rollups() {
    co_return std::int64_t{0};
}

Task<Result<LedgerPage>> FakeStore::ledger(WallTime from, WallTime to, std::string after, int limit) {
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

Task<Result<std::vector<StopTimes>>> FakeStore::stop_times(int) {
    co_return times_of_stops;
}

Task<Result<std::vector<QuarantineRow>>> FakeStore::quarantine(WallTime, int) {
    co_return quarantined;
}

Task<Result<std::vector<StoppedRun>>> FakeStore::stopped_by_us() {
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

Task<Result<std::vector<ResourceRow>>> FakeStore::resources() {
    std::vector<ResourceRow> rows;
    for (const auto& [id, row] : known) {
        rows.push_back(row);
    }
    co_return rows;
}

Task<Result<std::vector<RunRow>>> FakeStore::runs_of(ResourceId resource, int) {
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

Task<Result<std::vector<HistoryRow>>> FakeStore::history_of(RunId run, WallTime until) {
    co_await turn(io_);
    std::vector<HistoryRow> rows;
    for (const auto& [key, row] : history) {
        if (row.run == run && row.from <= until) {
            rows.push_back(row);
        }
    }
    co_return rows;
}

Task<Result<std::vector<PastRun>>> FakeStore::recorded_runs(WallTime since, int limit) {
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

Task<Result<std::vector<Observation>>> FakeStore::observations_of(RunId) {
    co_return std::vector<Observation>{};
}

Task<Result<std::vector<Enforcement>>> FakeStore::enforcements_of(ResourceId resource, int) {
    std::vector<Enforcement> rows;
    for (const auto& [id, e] : enforcements) {
        if (e.resource == resource) {
            rows.push_back(e);
        }
    }
    co_return rows;
}

Task<Result<std::vector<AuditRow>>> FakeStore::audit(std::int64_t, int, std::optional<ResourceId>) {
    co_return audits;
}

Task<Result<std::vector<Receipt>>> FakeStore::receipts(std::optional<ResourceId> resource, int limit) {
    co_await turn(io_);
    std::vector<Receipt> rows;
    for (const std::string& id : std::views::reverse(receipts_stored)) {
        const Receipt& row = receipt_rows.at(id);
        if (!resource || row.resource == *resource) {
            rows.push_back(row);
        }
    }
    rows.resize(std::min<std::size_t>(rows.size(), static_cast<std::size_t>(limit)));
    co_return rows;
}

Task<Result<std::optional<Receipt>>> FakeStore::receipt(ReceiptId id) {
    co_await turn(io_);
    const auto found = receipt_rows.find(id.value);
    co_return found == receipt_rows.end() ? std::nullopt : std::optional{found->second};
}

Task<Result<std::vector<Alert>>> FakeStore::alerts(bool with_resolved, int) {
    co_await turn(io_);
    std::vector<Alert> rows;
    for (const auto& [id, row] : alert_rows) {
        if (with_resolved || row.state != AlertState::resolved) {
            rows.push_back(row);
        }
    }
    co_return rows;
}

Task<Result<std::optional<Alert>>> FakeStore::alert(AlertId id) {
    co_await turn(io_);
    const auto found = alert_rows.find(id.value);
    co_return found == alert_rows.end() ? std::nullopt : std::optional{found->second};
}

Task<Result<std::vector<AlertEvent>>> FakeStore::alert_events(AlertId id, int) {
    co_await turn(io_);
    std::vector<AlertEvent> rows;
    std::ranges::copy_if(event_rows, std::back_inserter(rows),
                         [&](const AlertEvent& e) { return e.alert == id; });
    co_return rows;
}

Task<Result<std::vector<Silence>>> FakeStore::silences(bool with_ended, int) {
    co_await turn(io_);
    std::vector<Silence> rows;
    for (const auto& [id, row] : silence_rows) {
        if (with_ended || !row.ended_at) {
            rows.push_back(row);
        }
    }
    co_return rows;
}

Task<Result<std::vector<Hold>>> FakeStore::holds(std::optional<ResourceId>, WallTime) {
    co_await turn(io_);
    std::vector<Hold> rows;
    for (const auto& [id, row] : hold_rows) {
        rows.push_back(row);
    }
    co_return rows;
}

Task<Result<std::vector<RuleEvent>>> FakeStore::rule_events(WallTime since, int) {
    co_await turn(io_);
    std::vector<RuleEvent> rows;
    std::ranges::copy_if(rule_rows, std::back_inserter(rows),
                         [&](const RuleEvent& e) { return e.at >= since; });
    std::ranges::reverse(rows);
    co_return rows;
}

Task<Result<std::vector<OutboxRow>>> FakeStore::outbox(OutboxQuery query) {
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

Task<Result<OutboxLook>> FakeStore::outbox_look(ChannelName channel, WallTime now, WallTime horizon,
                                                int limit) {
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

Task<Result<std::vector<OutboxRow>>> FakeStore::outbox_heap(Heap heap, bool worst_first, int limit) {
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

Task<Result<std::vector<KindCount>>> FakeStore::outbox_sums(Heap heap) {
    co_await turn(io_);
    if (on_sums) {
        on_sums();
    }
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

Task<Result<std::vector<OutboxRow>>> FakeStore::parcel_warnings(ParcelRow parcel) {
    co_await turn(io_);
    co_return outbox_where([&](const OutboxRow& r) {
        return r.parcel == parcel.id && r.channel == parcel.channel && r.to == parcel.to &&
               !r.enforcement.empty();
    });
}

Task<Result<ParcelPlaces>> FakeStore::parcel_places(ChannelName channel, std::string to, WallTime since,
                                                    WallTime now) {
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

Task<Result<OutboxOverdue>> FakeStore::outbox_overdue(WallTime now, int limit) {
    co_await turn(io_);
    OutboxOverdue overdue;
    for (auto& [id, row] : outbox_rows) {
        if (!row.failover_at) {
            continue;
        }
        const bool taken = std::ranges::any_of(outbox_rows, [&](const auto& entry) {
            return entry.second.message.id == row.message.id && entry.second.state == OutboxState::delivered;
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

Task<Result<std::vector<OutboxRow>>> FakeStore::outbox_strays(std::vector<ChannelName> channels, WallTime now,
                                                              int limit) {
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

Task<Result<std::int64_t>> FakeStore::outbox_retry(std::string id, WallTime now) {
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
        if (const auto p = parcels.find(parcel_key(row.parcel, row.channel, row.to)); p != parcels.end()) {
            p->second.state = OutboxState::waiting;
            p->second.attempts = 0;
            p->second.next_at = now;
            p->second.ended_at.reset();
        }
    }
    co_return rows;
}

Task<Result<void>> FakeStore::outbox_shift(Duration by) {
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

Task<Result<std::int64_t>> FakeStore::outbox_prune(WallTime before, int) {
    co_await turn(io_);
    const auto old = [&](const auto& entry) {
        return entry.second.state != OutboxState::waiting && entry.second.created_at < before;
    };
    const auto gone = std::erase_if(outbox_rows, old) + std::erase_if(parcels, old);
    co_return static_cast<std::int64_t>(gone);
}

Task<Result<std::optional<WallTime>>> FakeStore::outbox_oldest() {
    co_await turn(io_);
    std::optional<WallTime> oldest;
    for (const auto& [id, row] : outbox_rows) {
        if (row.state == OutboxState::waiting) {
            oldest = std::min(oldest.value_or(row.created_at), row.created_at);
        }
    }
    co_return oldest;
}

Task<Result<std::map<OutboxState, std::int64_t>>> FakeStore::outbox_counts() {
    co_await turn(io_);
    std::map<OutboxState, std::int64_t> counts;
    for (const auto& [id, row] : outbox_rows) {
        ++counts[row.state];
    }
    co_return counts;
}

Task<Result<std::vector<ChannelStateRow>>> FakeStore::disabled_channels() {
    co_await turn(io_);
    std::vector<ChannelStateRow> rows;
    for (const auto& [name, row] : channel_states) {
        if (row.disabled_at) {
            rows.push_back(row);
        }
    }
    co_return rows;
}

Task<Result<std::optional<IdempotencyRow>>> FakeStore::idempotent(std::string key) {
    co_await turn(io_);
    const auto found = answers.find(key);
    co_return found == answers.end() ? std::nullopt : std::optional{found->second};
}

Task<Result<StoreHealth>> FakeStore::health() {
    co_await turn(io_);
    if (silent) {
        co_return std::unexpected(*silent);
    }
    co_return well;
}

Task<Result<std::int64_t>> FakeStore::verify_audit() {
    co_return std::int64_t{0};
}

Task<Result<std::vector<std::string>>> FakeStore::check_file() {
    co_return std::vector<std::string>{};
}

Task<Result<void>> FakeStore::close() {
    co_return Result<void>{};
}

void FakeStore::put(GapRow& g) {
    if (g.closed) {
        gaps.erase({g.resource, g.after});
    } else {
        gaps.emplace(std::pair{g.resource, g.after}, g);
    }
}

void FakeStore::put(ResourceRow& r) {
    const auto before = known.find(r.id);
    r.first_seen = before == known.end() ? r.first_seen : before->second.first_seen;
    known[r.id] = r;
}

void FakeStore::put(RunRow& r) {
    const auto known_run = runs.find(r.id);
    r.first_seen = known_run == runs.end() ? r.first_seen : known_run->second.first_seen;
    runs[r.id] = r;
}

void FakeStore::put(Enforcement& e) {
    const bool sends = e.state == EnforcementState::stopping || e.state == EnforcementState::confirming;
    CURFEW_ASSERT(!sends || e.override_ || (e.receipt && receipt_rows.contains(e.receipt->value)),
                  "I1: durable before the call");
    enforcements[e.id.value] = e;
}

void FakeStore::put(OutboxRow& o) {
    if (!outbox_rows.contains(o.id)) {
        o.seq = ++seq_;
        outbox_rows[o.id] = o;
    }
}

std::string FakeStore::parcel_key(const ParcelId& id, const ChannelName& channel, const std::string& to) {
    return id.value + "/" + channel.value + (to.empty() ? "" : "/" + to);
}

void FakeStore::put(ParcelRow& p) {
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

void FakeStore::put(ParcelFill& fill) {
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

void FakeStore::put(OutboxEnd& end) {
    for (auto& [id, row] : outbox_rows) {
        if (std::ranges::find(end.rows, row.seq) != end.rows.end() && row.state == OutboxState::waiting) {
            row.state = end.state;
            row.last_error = end.why;
        }
    }
}

void FakeStore::put(OutboxBury& bury) {
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

void FakeStore::put(FailoverDone& done) {
    for (auto& [id, row] : outbox_rows) {
        if (row.message.id == done.message) {
            row.failover_at.reset();
        }
    }
}

void FakeStore::number_rows() {
    for (auto& [id, row] : outbox_rows) {
        row.seq = row.seq == 0 ? ++seq_ : row.seq;
    }
}

bool FakeStore::ready(const OutboxRow& o) const {
    return o.state == OutboxState::waiting && o.parcel.empty() &&
           (o.message.alert.empty() || std::ranges::none_of(outbox_rows, [&](const auto& entry) {
                const OutboxRow& b = entry.second;
                return b.message.alert == o.message.alert && b.channel == o.channel && b.to == o.to &&
                       b.seq < o.seq && b.state == OutboxState::waiting &&
                       (!b.parcel.empty() || b.message.group != o.message.group);
            }));
}

bool FakeStore::in_heap(const OutboxRow& r, const Heap& heap) const {
    return r.channel == heap.channel && r.to == heap.to && r.next_at <= heap.now && r.seq <= heap.up_to_seq &&
           (!heap.group || *heap.group == r.message.group) && ready(r);
}

void FakeStore::add_to(HeapSize& heap, const OutboxRow& row) {
    heap.to = row.to;
    heap.oldest = heap.rows == 0 ? row.next_at : std::min(heap.oldest, row.next_at);
    ++heap.rows;
    heap.urgent += row.message.severity == Severity::critical || !row.enforcement.empty() ? 1 : 0;
    heap.newest_seq = std::max(heap.newest_seq, row.seq);
}

void FakeStore::tidy_outbox(const ChannelName& channel, WallTime now, WallTime horizon) {
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

void FakeStore::put(AlertPrune& p) {
    std::erase_if(alert_rows, [&](const auto& entry) {
        const Alert& a = entry.second;
        return a.state == AlertState::resolved && a.changed_at < p.ended_before;
    });
    std::erase_if(event_rows, [&](const AlertEvent& e) { return !alert_rows.contains(e.alert.value); });
    std::erase_if(silence_rows, [&](const auto& entry) {
        return entry.second.ended_at && *entry.second.ended_at < p.ended_before;
    });
}

void FakeStore::put(HistoryRow& h) {
    ++history_writes;
    history[{h.run, h.from, h.source}] = h;
}

void FakeStore::put(HistoryPrune& p) {
    std::erase_if(history, [&](const auto& entry) { return entry.second.from < p.began_before; });
}

void FakeStore::put(RuleEvent& e) {
    const bool counted = e.kind != RuleEventKind::stop &&
                         std::ranges::any_of(rule_rows, [&](const RuleEvent& row) {
                             return row.kind == e.kind && row.rule == e.rule && row.run == e.run;
                         });
    if (!counted) {
        rule_rows.push_back(e);
    }
}

}  // namespace curfew::test
