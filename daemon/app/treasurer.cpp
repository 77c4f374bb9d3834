#include "curfew/app/treasurer.hpp"

#include "curfew/core/mutant.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace curfew {

namespace {

constexpr int ledger_page = 1000;
constexpr int stops_measured = 50;
constexpr Duration admission_worth_telling = hours{1};
constexpr Duration hours_kept = hours{48};  // beyond a rolling window: the wall clock may be set back
constexpr Duration hours_ahead = hours{24 * 366};
constexpr std::string_view overshoot = "overshoot";

Money nothing(const Budget& budget) {
    return Money{0, budget.amount.currency};
}

/// Can the scope be told without knowing which resource a row is of?
bool any_resource(const Match& scope) {
    return scope.names.empty() && scope.accounts.empty() && scope.projects.empty() && scope.owners.empty() &&
           scope.kinds.empty() && scope.providers.empty() && scope.tags.empty();
}

Period period_of(const Budget& budget, WallTime now) {
    return period_at(budget.period, now, mutant(Mutant::period_of_utc) ? Zone{} : budget.zone);
}

SpendQuery query_of(const Budget& budget, const Period& period) {
    SpendQuery query{.from = period.from, .to = period.to, .by = {}, .zone = budget.zone};
    if (!any_resource(budget.scope)) {
        query.by.push_back(SpendBy::resource);
    }
    if (!budget.scope.machine_types.empty()) {
        query.by.push_back(SpendBy::type);
    }
    if (budget.period.kind == PeriodKind::rolling) {
        query.by.push_back(SpendBy::hour);
        // A clock that is behind now, or was ahead, will be set right: what lies outside by it is not lost.
        query.from = query.from - hours_kept;
        query.to = query.to + hours_ahead;
    }
    return query;
}

std::string name_of(const SpendQuery& query) {
    std::string name = std::to_string(query.from.ms) + "/" + std::to_string(query.to.ms) + "/" +
                       query.zone.name;
    for (const SpendBy by : query.by) {
        name += "/" + std::to_string(static_cast<int>(by));
    }
    return name;
}

const std::string& provider_of(const Config& config, const AccountName& name) {
    static const std::string none;
    const auto account = std::ranges::find(config.accounts, name, &AccountConfig::name);
    return account == config.accounts.end() ? none : account->provider;
}

/// Only a fixed period has a time before and after it.
bool in_force(const Budget& budget, const Period& period, WallTime now) {
    return budget.period.kind != PeriodKind::fixed || (period.from <= now && now < period.to);
}

/// Is there a period after this one?
bool another_follows(const Budget& budget) {
    return has_end(budget.period.kind) && budget.period.kind != PeriodKind::fixed;
}

/// Is what is known of a later period than that of `today`?
bool leads_back(const Budget& budget, const Period& known, WallTime today) {
    return budget.period.kind != PeriodKind::rolling && period_of(budget, today).from < known.from;
}

auto key_of(const CostRow& row) {
    return std::tuple{row.run, row.meter, row.from, row.source};
}

FiredThresholdRow fired_row(const Budget& budget, const Period& period, std::string key, WallTime now) {
    return {.budget = budget.name, .period = period.id, .key = std::move(key), .at = now};
}

}  // namespace

bool covers(const Match& scope, const AccountConfig& account) {
    Match only;
    only.accounts = scope.accounts;
    only.providers = scope.providers;
    Resource resource;
    resource.account = account.name;
    resource.provider = account.provider;
    return matches(only, resource);
}

// ---- sums from the store -------------------------------------------------------------------------

Task<Result<void>> Treasurer::load(Store& store, std::shared_ptr<const Config> config, const Now& now,
                                   const std::vector<FiredThresholdRow>& fired) {
    for (const FiredThresholdRow& row : fired) {
        if (row.key == overshoot) {
            overshot_.emplace(row.budget, row.period);
        } else if (!mutant(Mutant::threshold_fires_again)) {
            logs_[row.budget][row.period].add(row.key);
        }
    }
    for (const auto& [id, live] : picture_.resources) {
        seen_.insert(live.current.run.id);
        for (const LiveRun& older : live.older) {
            seen_.insert(older.run.id);
        }
    }
    co_await measure(store);
    co_return co_await reload(store, std::move(config), now);
}

Task<Result<void>> Treasurer::reload(Store& store, std::shared_ptr<const Config> config, const Now& now) {
    const WallTime today = picture_.calendar(now);
    std::erase_if(picture_.budgets, [&](const auto& entry) {
        return std::ranges::find(config->budgets, entry.first, &Budget::name) == config->budgets.end();
    });
    sums_.clear();
    ++loads_;
    auto rows = co_await store.resources();
    Result<void> done = rows ? Result<void>{} : std::unexpected(rows.error());
    for (const ResourceRow& row : rows ? *rows : std::vector<ResourceRow>{}) {
        Resource resource;
        resource.id = row.id;
        resource.account = row.account;
        resource.provider = provider_of(*config, row.account);
        resource.kind = row.kind;
        resource.name = row.name;
        resource.project = row.project;
        resource.owner = row.owner;
        known_.insert_or_assign(row.id, std::move(resource));
    }
    Readings readings;
    for (const Budget& budget : config->budgets) {
        if (done) {
            done = co_await sum(store, budget, today, readings);
        }
    }
    if (--loads_ == 0) {
        judged_.clear();
    }
    co_return done;
}

Task<void> Treasurer::find_sums(Store& store, std::shared_ptr<const Config> config, const Now& now) {
    const WallTime today = picture_.calendar(now);
    const bool known = std::ranges::all_of(config->budgets, [&](const Budget& budget) {
        const auto sums = sums_.find(budget.name);
        return sums != sums_.end() && sums->second.loaded && !leads_back(budget, sums->second.period, today);
    });
    if (known || loads_ > 0) {
        co_return;
    }
    auto summed = co_await reload(store, std::move(config), now);
    if (!summed) {
        spdlog::error("event=sums_not_read error=\"{}\"", to_string(summed.error()));
    }
}

Task<void> Treasurer::measure(Store& store) {
    auto times = co_await store.stop_times(stops_measured);
    if (!times) {
        co_return;  // what was known holds
    }
    packs_.clear();
    stops_.clear();
    for (const StopTimes& stop : *times) {
        if (stop.pack) {
            packs_.push_back(*stop.pack);
        }
        stops_.push_back(stop.stop);
    }
}

void Treasurer::take_unstored(Rows& rows) const {
    for (const auto& [account, closed] : picture_.unstored) {
        for (const CostRow& row : closed) {
            rows.insert_or_assign(key_of(row), row);
        }
    }
}

/// All that is closed by now and was not in the store when it was asked.
Treasurer::Rows Treasurer::not_in(const Reading& reading) const {
    Rows rows = reading.unstored;
    for (std::size_t i = reading.judged; i < judged_.size(); ++i) {
        rows.insert_or_assign(key_of(judged_[i]), judged_[i]);
    }
    return rows;
}

Task<Result<Treasurer::Reading>> Treasurer::read(Store& store, SpendQuery query, Readings& readings) {
    const std::string name = name_of(query);
    if (const auto known = readings.find(name); known != readings.end()) {
        co_return known->second;
    }
    Reading reading{.rows = {}, .unstored = {}, .judged = judged_.size()};
    take_unstored(reading.unstored);
    auto rows = co_await store.spend(std::move(query));
    take_unstored(reading.unstored);  // a transaction before the question may have failed
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    reading.rows = std::move(*rows);
    co_return readings.emplace(name, std::move(reading)).first->second;
}

/// The store counts rows by where they begin. Of those that lie across an end of the period a part belongs to
/// it: what has to be added so that only that counts. What lies behind its end is kept for the next. What was not read
/// is added by itself.
Task<Result<void>> Treasurer::edges(Store& store, const Budget& budget, const Reading& reading, Sums& sums) {
    const Period period = sums.period;
    for (const WallTime edge : {period.from, period.to}) {
        const bool end = edge == period.to && another_follows(budget);
        std::string after;
        bool last = full_hour(edge) == edge && !end;
        while (!last) {
            auto page = co_await store.ledger(full_hour(edge), end ? edge + hours_ahead : edge, after,
                                              ledger_page);
            if (!page) {
                co_return std::unexpected(page.error());
            }
            const Rows others = not_in(reading);
            for (const LedgerRow& entry : page->rows) {
                if (others.contains(key_of(entry.row))) {
                    continue;
                }
                if (entry.row.from < edge && entry.row.to > edge &&
                    matches(budget.scope, scope_of(entry.row))) {
                    const Money counted = edge == period.from ? nothing(budget) : entry.row.gross;
                    sums.closed += part_of(entry.row, period) - counted;
                }
                if (end) {
                    keep_ahead(budget, entry.row, sums);
                }
            }
            after = page->next;
            last = after.empty();
        }
    }
    co_return Result<void>{};
}

Task<Result<void>> Treasurer::sum(Store& store, const Budget& budget, WallTime today, Readings& readings) {
    const Period period = period_of(budget, today);
    Sums sums{.period = period, .closed = nothing(budget), .loaded = true};
    if (budget.period.kind != PeriodKind::run) {
        auto reading = co_await read(store, query_of(budget, period), readings);
        auto edge = reading ? co_await edges(store, budget, *reading, sums)
                            : Result<void>{std::unexpected(reading.error())};
        if (!edge) {
            co_return std::unexpected(edge.error());
        }
        for (const SpendRow& row : reading->rows) {
            std::size_t key = 0;
            Resource scope = any_resource(budget.scope) ? Resource{}
                                                        : resource_of(ResourceId{row.keys.at(key++)});
            scope.run.machine_type = budget.scope.machine_types.empty() ? std::string{} : row.keys.at(key++);
            if (!matches(budget.scope, scope)) {
                continue;
            }
            sums.unpriced = sums.unpriced || row.unpriced;
            if (budget.period.kind == PeriodKind::rolling) {
                const auto hour = parse_wall_time(row.keys.at(key));
                CURFEW_ASSERT(hour, "I6: the store names hours in RFC 3339");
                sums.hours.try_emplace(*hour, nothing(budget)).first->second += row.gross;
            } else {
                sums.closed += mutant(Mutant::spend_forgotten) ? nothing(budget) : row.gross;
            }
        }
        for (const auto& [key, row] : not_in(*reading)) {
            add(budget, row, sums);
            sums.early.insert(key);
        }
    }
    Money spent = sums.closed;
    for (const auto& [hour, money] : sums.hours) {
        spent += hour >= period.from ? money : nothing(budget);
    }
    sums_[budget.name] = std::move(sums);
    LiveBudget& live = picture_.budgets[budget.name];
    live.spend.seen = false;  // what runs is not in it until it is judged
    if (budget.period.kind != PeriodKind::run) {
        live.period = period;
        live.spend.spent = spent;
        live.fired = logs_[budget.name][period.id].keys();
    }
    co_return Result<void>{};
}

// ---- what a row or a meter belongs to ------------------------------------------------------------

Resource Treasurer::resource_of(const ResourceId& id) const {
    if (const auto live = picture_.resources.find(id); live != picture_.resources.end()) {
        return live->second.resource;
    }
    if (const auto known = known_.find(id); known != known_.end()) {
        return known->second;
    }
    Resource resource;
    resource.id = id;
    resource.name = id.value;
    return resource;
}

Resource Treasurer::scope_of(const CostRow& row) const {
    Resource scope = resource_of(row.resource);
    scope.run.machine_type = row.sku;
    return scope;
}

void Treasurer::add(const Budget& budget, const CostRow& row, Sums& sums) const {
    const bool rolling = budget.period.kind == PeriodKind::rolling;
    const bool inside = row.from < sums.period.to && row.to > sums.period.from;
    keep_ahead(budget, row, sums);
    if (budget.period.kind == PeriodKind::run || (!rolling && !inside) ||
        !matches(budget.scope, scope_of(row))) {
        return;
    }
    sums.unpriced = sums.unpriced || (!row.rate && row.source == CostSource::own);
    if (rolling) {
        sums.hours.try_emplace(full_hour(row.from), nothing(budget)).first->second += row.gross;
    } else {
        sums.closed += part_of(row, sums.period);
    }
}

void Treasurer::keep_ahead(const Budget& budget, const CostRow& row, Sums& sums) const {
    if (another_follows(budget) && row.to > sums.period.to && matches(budget.scope, scope_of(row))) {
        sums.ahead.insert_or_assign(key_of(row), row);
    }
}

std::vector<Treasurer::Metered> Treasurer::metered(const Config& config, const Now& now) const {
    std::vector<Metered> all;
    for (const auto& [id, live] : picture_.resources) {
        const Rule* rule = rule_for(config.rules, live.resource);
        each_metered_run(live, [&](const LiveRun& run) {
            Resource scope = live.resource;
            scope.run.machine_type = run.meter->sku;
            all.push_back({.scope = std::move(scope),
                           .meter = &*run.meter,
                           .live = &live,
                           .billed_to = picture_.billed_to(live.resource.account, run, now),
                           .notice = rule != nullptr ? rule->min_notice : Lead{}.notice,
                           .ending = run.ending});
        });
    }
    for (const auto& [run, add_on] : picture_.add_ons) {
        if (add_on.meter.open) {
            Resource scope = resource_of(add_on.meter.resource);
            scope.run.machine_type = add_on.meter.sku;
            all.push_back({.scope = std::move(scope), .meter = &add_on.meter, .billed_to = now.wall});
        }
    }
    return all;
}

/// Was everything that the budget covers listed, the last time that it was tried, which was lately, and is the list
/// surely new?
bool Treasurer::sees(const Config& config, const Budget& budget, const Now& now) const {
    return std::ranges::all_of(config.accounts, [&](const AccountConfig& account) {
        const auto live = picture_.accounts.find(account.name);
        return !covers(budget.scope, account) ||
               (picture_.seen_lately(account, now.mono) && live->second.complete &&
                !picture_.dated_back(live->second, now));
    });
}

/// What the provider says of the month, where that is what the budget is for: whole accounts, all of which
/// have a figure.
std::optional<Money> Treasurer::reported(const Config& config, const Budget& budget,
                                         const Period& period) const {
    Match others = budget.scope;
    others.accounts.clear();
    others.providers.clear();
    if (others != Match{} || budget.period.kind != PeriodKind::month || budget.period.anchor != 1) {
        return std::nullopt;
    }
    Money sum = nothing(budget);
    for (const AccountConfig& account : config.accounts) {
        if (!covers(budget.scope, account)) {
            continue;
        }
        const auto live = picture_.accounts.find(account.name);
        // A month of the provider's is one of UTC: its middle tells which of the budget's it is.
        if (live == picture_.accounts.end() || !live->second.reported ||
            month_of(live->second.reported->month + hours{24 * 14}, budget.zone).id != period.id) {
            return std::nullopt;
        }
        sum += live->second.reported->month_to_date;
    }
    return sum;
}

Lead Treasurer::lead_for(const Config& config, const Budget& budget,
                         const std::vector<Metered>& meters) const {
    Duration poll{0};
    for (const AccountConfig& account : config.accounts) {
        poll = std::max(poll, covers(budget.scope, account) ? account.poll_interval : Duration{0});
    }
    std::optional<Duration> notice;
    for (const Metered& m : meters) {
        if (m.live != nullptr && matches(budget.scope, m.scope)) {
            notice = std::max(notice.value_or(m.notice), m.notice);
        }
    }
    return lead_of(packs_, stops_, poll, notice.value_or(Lead{}.notice));
}

// ---- judging -------------------------------------------------------------------------------------

Treasurer::Judgement Treasurer::judge(const Config& config, const std::vector<CostRow>& rows, const Now& now,
                                      Batch& batch) {
    Judgement out;
    for (const CostRow& row : rows) {
        known_.insert_or_assign(row.resource, resource_of(row.resource));
    }
    for (const auto& [run, add_on] : picture_.add_ons) {  // what is of no machine is a resource of its own
        if (!picture_.resources.contains(add_on.meter.resource) && !known_.contains(add_on.meter.resource)) {
            Resource& own = known_[add_on.meter.resource];
            own.id = add_on.meter.resource;
            own.account = add_on.account;
            own.provider = provider_of(config, add_on.account);
            own.name = add_on.add_on.name;
        }
    }
    if (loads_ > 0) {
        judged_.insert(judged_.end(), rows.begin(), rows.end());
    }
    const auto meters = metered(config, now);
    const Times times{.today = picture_.calendar(now), .now = now};
    for (const Budget& budget : config.budgets) {
        if (budget.period.kind == PeriodKind::run) {
            judge_runs(config, budget, meters, times, batch, out);
        } else {
            judge_whole(config, budget, rows, meters, times, batch, out);
        }
    }
    admit(config, meters, out);
    return out;
}

/// The period of now. A new one begins with what is known to lie in it: stamps may be ahead of our clock. Other rows
/// that were cut in the old one stay there. No clock leads back into an old one here: its sums must be read first.
Period Treasurer::roll(const Budget& budget, Sums& sums, LiveBudget& live, const Times& times, Batch& batch) {
    const Period period = period_of(budget, times.today);
    const bool first = sums.period.id.empty();
    if (first || budget.period.kind == PeriodKind::rolling) {
        sums.period = period;
        sums.closed = nothing(budget);
        std::erase_if(sums.hours, [&](const auto& entry) { return entry.first < period.from - hours_kept; });
    } else if (period.id != sums.period.id && !leads_back(budget, sums.period, times.today)) {
        note_overshoot(budget, live, "when the period ended", times.now.wall, batch);
        const auto ahead = std::exchange(sums.ahead, {});
        sums = Sums{
            .period = period, .closed = nothing(budget), .early = std::move(sums.early), .loaded = true};
        for (const auto& [key, row] : ahead) {
            add(budget, row, sums);
        }
        live.forecast.reset();
        live.reported.reset();
    }
    return sums.period;
}

BudgetSpend Treasurer::spend_of(const Config& config, const Budget& budget, const Sums& sums,
                                const LiveBudget& live, const std::vector<Metered>& meters,
                                const Times& times) const {
    const Period& period = sums.period;
    BudgetSpend spend{.spent = sums.closed,
                      .burn_per_hour = nothing(budget),
                      .seen = sums.loaded && sees(config, budget, times.now),
                      .priced = !sums.unpriced,
                      .reserve = nothing(budget),
                      .reported = live.reported ? live.reported : reported(config, budget, period),
                      .forecast = live.forecast};
    for (const auto& [hour, money] : sums.hours) {
        spend.spent += hour >= period.from ? money : nothing(budget);
    }
    const bool ends = budget.period.kind !=
                      PeriodKind::rolling;  // what is stamped ahead was spent all the same
    for (const Metered& m : meters) {
        if (!matches(budget.scope, m.scope)) {
            continue;
        }
        const Meter& meter = *m.meter;
        spend.priced = spend.priced && meter.tariff.priced();
        spend.spent += accrued_since(meter, period.from,
                                     ends ? std::min(m.billed_to, period.to) : m.billed_to);
        spend.burn_per_hour += m.ending ? nothing(budget) : burn(meter, times.today);
        const bool stored = meter.kind == MeterKind::storage || meter.kind == MeterKind::ip;
        if (budget.reserve_storage && stored && has_end(budget.period.kind)) {
            spend.reserve += rest_of(meter, times.today, period.to);
        }
    }
    return spend;
}

void Treasurer::judge_whole(const Config& config, const Budget& budget, const std::vector<CostRow>& rows,
                            const std::vector<Metered>& meters, const Times& times, Batch& batch,
                            Judgement& out) {
    LiveBudget& live = picture_.budgets[budget.name];
    Sums& sums = sums_[budget.name];
    live.period = roll(budget, sums, live, times, batch);
    live.runs.clear();
    live.active = in_force(budget, live.period, times.today);
    for (const CostRow& row : rows) {
        if (sums.early.erase(key_of(row)) == 0) {
            add(budget, row, sums);
        }
    }
    live.spend = spend_of(config, budget, sums, live, meters, times);
    live.lead = lead_for(config, budget, meters);
    fire(budget, live, live.lead, nullptr, times, batch, out);
    const bool off = std::ranges::none_of(meters, [&](const Metered& m) {
        return m.meter->kind == MeterKind::compute && matches(budget.scope, m.scope);
    });
    if (off && sums.loaded) {
        note_overshoot(budget, live, "with everything off", times.now.wall, batch);
    } else if (!live.active) {
        note_overshoot(budget, live, "when the period ended", times.now.wall, batch);
    }
}

/// Every run by itself: what its meter has counted. Storage is of no run.
void Treasurer::judge_runs(const Config& config, const Budget& budget, const std::vector<Metered>& meters,
                           const Times& times, Batch& batch, Judgement& out) {
    LiveBudget& live = picture_.budgets[budget.name];
    std::map<RunId, BudgetState> before = std::exchange(live.runs, {});
    const bool seen = sees(config, budget, times.now);
    live.active = true;
    live.lead = lead_for(config, budget, meters);
    static_cast<BudgetState&>(live) = {.period = period_at(budget.period, times.today, budget.zone),
                                       .spend = {.spent = nothing(budget), .burn_per_hour = nothing(budget)},
                                       .fired = {}};
    live.spend.seen = seen;
    for (const Metered& m : meters) {
        if (m.meter->kind != MeterKind::compute || m.live == nullptr || !matches(budget.scope, m.scope)) {
            continue;
        }
        BudgetState& state = live.runs[m.meter->run];
        state.period = period_of(m.meter->run);
        state.spend = {.spent = m.meter->closed + accrued_open(*m.meter, m.billed_to),
                       .burn_per_hour = m.ending ? nothing(budget) : burn(*m.meter, times.today),
                       .seen = seen,
                       .priced = m.meter->tariff.priced(),
                       .reserve = nothing(budget)};
        fire(budget, state, live.lead, m.live, times, batch, out);
        if (live.period.id == "run" || state.spend.spent > live.spend.spent) {
            static_cast<BudgetState&>(live) = state;
        }
    }
    for (const auto& [run, state] : before) {
        if (!live.runs.contains(run)) {
            LiveBudget ended;
            static_cast<BudgetState&>(ended) = state;
            note_overshoot(budget, ended, "when the run ended", times.now.wall, batch);
        }
    }
}

void Treasurer::fire(const Budget& budget, BudgetState& state, const Lead& lead, const LiveResource* resource,
                     const Times& times, Batch& batch, Judgement& out) {
    FiredLog& log = logs_[budget.name][state.period.id];
    for (std::string& row : settle(budget, state.spend, lead, log)) {
        batch.emplace_back(fired_row(budget, state.period, std::move(row), times.now.wall));
    }
    const auto fired = log.keys();
    for (ThresholdCrossing& crossing : in_force(budget, state.period, times.today)
                                           ? crossings(budget, state.period, state.spend, lead, fired)
                                           : std::vector<ThresholdCrossing>{}) {
        batch.emplace_back(
            fired_row(budget, state.period, log.fire(crossing.threshold.key(budget.amount)), times.now.wall));
        out.findings.push_back({.budget = &budget,
                                .crossing = std::move(crossing),
                                .spend = state.spend,
                                .lead = lead,
                                .resource = resource});
    }
    state.fired = log.keys();
}

/// A hard budget that was exceeded all the same: once a period, for the record.
void Treasurer::note_overshoot(const Budget& budget, const LiveBudget& live, std::string_view when,
                               WallTime at, Batch& batch) {
    const Money spent = live.spend.spent;
    if (!budget.hard() || live.period.id.empty() || spent <= budget.amount ||
        !overshot_.emplace(budget.name, live.period.id).second) {
        return;
    }
    batch.emplace_back(fired_row(budget, live.period, std::string{overshoot}, at));
    batch.emplace_back(
        AuditRow{.seq = 0,
                 .at = at,
                 .kind = "budget.overshoot",
                 .account = {},
                 .resource = {},
                 .run = {},
                 .actor = "curfewd",
                 .text = "budget " + budget.name.value + " in " + live.period.id + ": " + to_string(spent) +
                         " spent of " + to_string(budget.amount) + " " + std::string{when} + ", " +
                         to_string(spent - budget.amount) + " too much" +
                         (live.spend.complete() ? "" : "; something is unpriced or could not be seen")});
}

// ---- admission -----------------------------------------------------------------------------------

/// Nobody is kept from starting anything; but who starts what a hard budget will end soon is told at once.
void Treasurer::admit(const Config& config, const std::vector<Metered>& meters, Judgement& out) {
    std::set<RunId> billing;
    for (const Metered& m : meters) {
        billing.insert(m.meter->run);
        const bool current = m.live != nullptr && m.live->current.run.id == m.meter->run;
        if (!current || !seen_.insert(m.meter->run).second) {
            continue;
        }
        std::optional<Admission> tightest;
        for (const Budget& budget : config.budgets) {
            const auto live = picture_.budgets.find(budget.name);
            const BudgetState* state = live == picture_.budgets.end() ? nullptr
                                                                      : live->second.of(budget, m.meter->run);
            if (!budget.hard() || budget.mode == Mode::observe || state == nullptr || !live->second.active ||
                !matches(budget.scope, m.scope) || exhausting(budget, state->fired) != nullptr) {
                continue;
            }
            const Money left = left_until_stop(budget, state->spend);
            const auto for_so_long = lasts(left, state->spend.burn_per_hour);
            if (for_so_long && *for_so_long < live->second.lead.whole() + admission_worth_telling &&
                (!tightest || *for_so_long < tightest->lasts)) {
                tightest = Admission{
                    .budget = &budget, .resource = m.live, .left = left, .lasts = *for_so_long};
            }
        }
        if (tightest) {
            out.admissions.push_back(*tightest);
        }
    }
    // A run that stops billing for a moment is no new one while it is in the picture.
    for (const auto& [id, live] : picture_.resources) {
        billing.insert(live.current.run.id);
    }
    std::erase_if(seen_, [&](const RunId& run) { return !billing.contains(run); });
}

// ---- what the rest asks --------------------------------------------------------------------------

std::optional<Treasurer::Exhausted> Treasurer::exhausted(const Config& config,
                                                         const LiveResource& live) const {
    std::optional<Exhausted> found;
    for (const Budget& budget : config.budgets) {
        const auto known = picture_.budgets.find(budget.name);
        if (known == picture_.budgets.end() || !known->second.active ||
            !matches(budget.scope, live.resource)) {
            continue;
        }
        const BudgetState* state = known->second.of(budget, live.current.run.id);
        const Threshold* threshold = state != nullptr ? exhausting(budget, state->fired) : nullptr;
        const auto force = [](const Exhausted& e) { return std::pair{e.budget->mode, e.threshold->action}; };
        if (threshold != nullptr && (!found || force(*found) < force({&budget, threshold}))) {
            found = Exhausted{&budget, threshold};
        }
    }
    return found;
}

std::optional<Treasurer::Left> Treasurer::left_for(const Config& config, const LiveResource& live) const {
    std::optional<Left> least;
    for (const Budget& budget : config.budgets) {
        const auto known = picture_.budgets.find(budget.name);
        const BudgetState* state = known == picture_.budgets.end()
                                       ? nullptr
                                       : known->second.of(budget, live.current.run.id);
        if (budget.hard() && state != nullptr && known->second.active &&
            matches(budget.scope, live.resource)) {
            const Money left = left_of(budget, state->spend);
            if (!least || left < least->amount) {
                least = Left{budget.name, left};
            }
        }
    }
    return least;
}

}  // namespace curfew
