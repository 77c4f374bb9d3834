#include "curfew/app/reporter.hpp"

#include "curfew/app/messages.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace curfew {

namespace {

constexpr Duration saved_per_stop_max = hours{12};
constexpr int rule_events_max = 20'000;
constexpr int alerts_max = 1000;

std::optional<Money> run_cost(const LiveResource& live, WallTime now) {
    const Run& run = live.current.run;
    if (live.price == nullptr || !run.started_at) {
        return std::nullopt;
    }
    if (live.current.meter) {
        return live.current.meter->closed + accrued_open(*live.current.meter, now);
    }
    const WallTime end = bills(run.state) ? now : run.ended_at.value_or(now);
    const auto cost = cost_of(live.price->rate, std::max(Duration{0}, end - *run.started_at));
    return cost ? std::optional{*cost} : std::nullopt;
}

void add_pace(BudgetItem& item, WallTime now) {
    const bool ends = has_end(item.budget.period.kind);
    const Period& period = item.live.period;
    item.spent_thousandths = messages::thousandths(item.live.spend.spent.nanos, item.budget.amount.nanos);
    item.elapsed_thousandths = ends ? std::min(1000, messages::thousandths((now - period.from).count(),
                                                                           (period.to - period.from).count()))
                                    : 0;
    const auto rest = item.left.positive() ? lasts(item.left, item.live.spend.burn_per_hour) : std::nullopt;
    if (rest && (!ends || now + *rest < period.to)) {
        item.ends_at = now + *rest;
    }
}

std::string name_of(const LiveResource& live) {
    return std::string{to_string(live.resource.kind)} + " " + live.resource.name;
}

DoctorFinding audit_finding(const Result<std::int64_t>& rows) {
    return {rows.has_value(), "audit",
            rows ? std::to_string(*rows) + " rows, chain whole" : rows.error().text};
}

DoctorFinding ledger_finding(const Result<std::int64_t>& repaired) {
    return {repaired == 0, "ledger",
            !repaired        ? repaired.error().text
            : *repaired == 0 ? "the sums of days are those of their rows"
                             : "the sums of " + std::to_string(*repaired) +
                                   " days were not those of their rows, and were made anew"};
}

}  // namespace

std::string what_would_stop(const Rule* rule, Mode mode, Duration limit, Duration quiet,
                            const Judgement& judgement) {
    if (rule == nullptr) {
        return "only a hard budget or `curfew stop`, since no rule matches";
    }
    if (mode != Mode::enforce) {
        return "only a hard budget or `curfew stop`: the mode is " + std::string{to_string(mode)};
    }
    const std::string rest = "being quiet for " + to_string(limit) +
                             " in all (quiet so far: " + to_string(std::chrono::floor<seconds>(quiet)) + ")";
    switch (judgement.verdict) {
        case Verdict::active:
            return "the end of its work, and then " + rest;
        case Verdict::unknown:
            return "seeing it again, and then " + rest;
        case Verdict::quiet:
            break;
    }
    return rest;
}

Freshness Reporter::freshness() const {
    Freshness f;
    f.now = world_.scheduler.wall();
    for (const AccountConfig& account : world_.config->accounts) {
        const auto live = world_.picture.accounts.find(account.name);
        const std::string what = "account " + account.name.value;
        if (live == world_.picture.accounts.end() || !live->second.last_success) {
            const std::string why = live == world_.picture.accounts.end() || live->second.error.empty()
                                        ? "not seen yet"
                                        : live->second.error;
            f.degraded.push_back({what, why, std::nullopt});
            continue;
        }
        f.as_of = f.as_of ? std::min(*f.as_of, *live->second.last_success) : live->second.last_success;
        if (!live->second.error.empty()) {
            f.degraded.push_back({what, live->second.error, live->second.last_success});
        } else if (!live->second.complete && live->second.last_success_mono) {
            f.degraded.push_back({what, "the newest list was incomplete", live->second.last_success});
        }
    }
    const Instant mono = world_.scheduler.mono();
    for (const auto& [id, live] : world_.picture.resources) {
        if (!bills(live.current.run.state)) {
            continue;
        }
        if (live.price == nullptr) {
            f.degraded.push_back(
                {name_of(live),
                 "unpriced: machine type " + live.current.run.machine_type + " is in no price table",
                 std::nullopt});
        }
        if (live.current.unseen_since && live.current.run.state == RunState::running) {
            f.degraded.push_back({name_of(live), "unknown: " + live.current.judgement.step,
                                  f.now - (mono - *live.current.unseen_since)});
        }
        if (live.current.run.state == RunState::unknown) {
            f.degraded.push_back({name_of(live),
                                  "the provider calls its state \"" + live.current.run.state_text +
                                      "\", which Curfew does not know",
                                  std::nullopt});
        }
    }
    return f;
}

Result<ResourceId> Reporter::resolve(std::string_view noun) const {
    std::vector<const LiveResource*> by_name;
    std::vector<const LiveResource*> by_prefix;
    for (const auto& [id, live] : world_.picture.resources) {
        if (id.value == noun || live.current.run.id.value == noun) {
            return id;
        }
        if (live.resource.name == noun) {
            by_name.push_back(&live);
        }
        if (live.resource.name.starts_with(noun) || id.value.starts_with(noun)) {
            by_prefix.push_back(&live);
        }
    }
    const auto& found = by_name.empty() ? by_prefix : by_name;
    if (found.size() == 1 && !noun.empty()) {
        return found.front()->resource.id;
    }
    if (found.empty() || noun.empty()) {
        std::string known;
        for (const auto& [id, live] : world_.picture.resources) {
            known += (known.empty() ? "" : ", ") + messages::printable(live.resource.name);
            if (known.size() > 200) {
                known += ", …";
                break;
            }
        }
        return fail(Errc::not_found,
                    "no resource is called so" +
                        (known.empty() ? std::string{"; none is known yet"} : "; known: " + known),
                    std::string{noun});
    }
    std::string candidates;
    for (const LiveResource* live : found) {
        candidates += (candidates.empty() ? "" : ", ") + messages::printable(live->resource.name) + " (" +
                      live->resource.id.value + ")";
    }
    return fail(Errc::invalid, "more than one resource fits: " + candidates, std::string{noun});
}

std::vector<BudgetItem> Reporter::budgets_of(const Resource* resource) const {
    std::vector<BudgetItem> items;
    for (const Budget& budget : world_.config->budgets) {
        const auto live = world_.picture.budgets.find(budget.name);
        if (live != world_.picture.budgets.end() &&
            (resource == nullptr || matches(budget.scope, *resource))) {
            BudgetItem item{budget, live->second, {}};
            if (const BudgetState* own = resource == nullptr ? nullptr
                                                             : live->second.of(budget, resource->run.id)) {
                static_cast<BudgetState&>(item.live) = *own;
            }
            item.left = left_of(budget, item.live.spend);
            add_pace(item, world_.scheduler.wall());
            items.push_back(std::move(item));
        }
    }
    return items;
}

Task<Result<Saved>> Reporter::saved(std::optional<WallTime> since) {
    auto stopped = co_await world_.store.stopped_by_us();
    if (!stopped) {
        co_return std::unexpected(stopped.error());
    }
    const WallTime now = world_.scheduler.wall();
    Saved saved;
    for (const StoppedRun& run : *stopped) {
        if (since && run.ended_at < *since) {
            continue;
        }
        ++saved.stops;
        const Price* price = prices_.find(run.machine_type, run.ended_at);
        const WallTime until = std::min(run.next_started_at.value_or(now), now);
        const Duration off = std::clamp<Duration>(until - run.ended_at, Duration{0}, saved_per_stop_max);
        const auto live = world_.picture.resources.find(run.resource);
        if (live != world_.picture.resources.end() && !live->second.saves_nothing.empty()) {
            continue;  // it costs the same on or off
        }
        if (price == nullptr) {
            ++saved.unpriced;
        } else if (const auto cost = cost_of(price->rate, off)) {
            saved.total += *cost;
        }
    }
    co_return saved;
}

RuleItem Reporter::item_of(const Rule& rule) const {
    RuleItem item;
    item.rule = rule;
    item.mode = weakest(world_.config->mode, rule.mode);
    const RuleTrial* trial = world_.picture.trial_of(rule.name);
    if (on_trial(rule, trial)) {
        item.mode = Mode::observe;
        item.trial_left = trial_left(rule, trial);
        item.trial_until = world_.scheduler.wall() + item.trial_left;
    }
    if (const auto open = world_.picture.breakers.find(rule.name); open != world_.picture.breakers.end()) {
        item.breaker = open->second;
        item.mode = weakest(item.mode, Mode::warn);
    }
    return item;
}

std::vector<RuleItem> Reporter::items_of(const std::vector<RuleEvent>& events) const {
    const std::vector<Rule>& rules = world_.config->rules;
    std::vector<RuleItem> items;
    std::map<RuleName, std::size_t> index;
    for (const Rule& rule : rules) {
        index.emplace(rule.name, items.size());
        items.push_back(item_of(rule));
    }
    for (const auto& [id, live] : world_.picture.resources) {
        if (const Rule* deciding = rule_for(rules, live.resource)) {
            RuleItem& item = items[index.at(deciding->name)];
            ++item.matches;
            item.running += bills(live.current.run.state) ? 1 : 0;
        }
    }
    const WallTime now = world_.scheduler.wall();
    for (const RuleEvent& e : events) {
        const auto found = index.find(e.rule);
        if (found != index.end()) {
            RuleItem& item = items[found->second];
            const bool recent = now - e.at <= false_stop_window;
            item.would_stop += e.kind == RuleEventKind::would_stop ? 1 : 0;
            item.stops += e.kind == RuleEventKind::stop && recent ? 1 : 0;
            item.false_stops += e.kind == RuleEventKind::false_stop && recent ? 1 : 0;
        }
    }
    for (RuleItem& item : items) {
        item.flagged = flags(item.false_stops);
    }
    return items;
}

Task<Result<RulesReport>> Reporter::rules() {
    auto events = co_await world_.store.rule_events(WallTime{0}, rule_events_max);
    if (!events) {
        co_return std::unexpected(events.error());
    }
    co_return RulesReport{.freshness = freshness(), .items = items_of(*events)};
}

namespace {

/// What stands in no row of the store yet, by resource.
using Unstored = std::map<ResourceId, Money>;
Unstored unstored(const Picture& picture, WallTime from, WallTime now) {
    Unstored sums;
    each_meter(picture, [&](const AccountName&, const Meter& meter) {
        sums[meter.resource] += accrued_since(meter, from, now);
    });
    for (const auto& [account, closed] : picture.unstored) {
        for (const CostRow& row : closed) {
            if (row.from >= from && row.from <= now) {
                sums[row.resource] += row.gross;
            }
        }
    }
    return sums;
}

}  // namespace

Task<Result<StatusReport>> Reporter::status() {
    const WallTime now = world_.scheduler.wall();
    const Zone zone = world_.config->zone;
    const Period day = day_of(now, zone);
    const Period month = month_of(now, zone);
    const Unstored of_day = unstored(world_.picture, day.from, now);
    auto today = co_await world_.store.spend({day.from, day.to, {SpendBy::resource}, zone});
    const Unstored of_month = unstored(world_.picture, month.from, now);
    auto this_month = co_await world_.store.spend({month.from, month.to, {SpendBy::resource}, zone});
    auto saving = co_await saved();
    auto alerts = co_await world_.store.alerts(false, alerts_max);
    auto outbox = co_await world_.store.outbox_counts();
    if (!today || !this_month || !saving) {
        co_return std::unexpected(!today ? today.error() : !this_month ? this_month.error() : saving.error());
    }
    if (!alerts || !outbox) {
        co_return std::unexpected(alerts ? outbox.error() : alerts.error());
    }
    std::vector<RuleItem> rules;
    const bool some_rule = !world_.picture.breakers.empty() || !world_.picture.flagged.empty() ||
                           std::ranges::any_of(world_.config->rules, [&](const Rule& rule) {
                               return on_trial(rule, world_.picture.trial_of(rule.name));
                           });
    if (some_rule) {
        auto all = co_await this->rules();
        if (!all) {
            co_return std::unexpected(all.error());
        }
        std::ranges::copy_if(all->items, std::back_inserter(rules), &RuleItem::needs_a_look);
    }
    StatusReport report;
    report.freshness = freshness();
    report.saved = *saving;
    report.rules = std::move(rules);
    for (const Alert& alert : *alerts) {
        const bool firing = alert.state == AlertState::firing;
        report.alerts_firing += firing || alert.state == AlertState::acknowledged ? 1 : 0;
        report.alerts_critical += firing && alert.severity == Severity::critical ? 1 : 0;
    }
    report.dead_letters = (*outbox)[OutboxState::dead];
    std::map<ResourceId, StatusItem> items;
    for (const auto& [id, live] : world_.picture.resources) {
        StatusItem& item = items[id];
        item.live = &live;
        item.run_cost = run_cost(live, now);
    }
    each_meter(world_.picture, [&](const AccountName&, const Meter& meter) {
        report.per_hour += burn(meter, now);
        report.unpriced += meter.open && !meter.tariff.priced() ? 1 : 0;
    });
    for (const auto& [resource, amount] : of_day) {
        report.today += amount;
        if (const auto item = items.find(resource); item != items.end()) {
            item->second.today += amount;
        }
    }
    for (const auto& [resource, amount] : of_month) {
        report.month += amount;
        if (const auto item = items.find(resource); item != items.end()) {
            item->second.month += amount;
        }
    }
    for (const SpendRow& row : *today) {
        report.today += row.gross;
        if (const auto item = items.find(ResourceId{row.keys.at(0)}); item != items.end()) {
            item->second.today += row.gross;
        }
    }
    for (const SpendRow& row : *this_month) {
        report.month += row.gross;
        if (const auto item = items.find(ResourceId{row.keys.at(0)}); item != items.end()) {
            item->second.month += row.gross;
            item->second.exact = item->second.exact && row.error_bar == Duration{0};
        }
    }
    for (const auto& [id, item] : items) {
        report.items.push_back(item);
    }
    std::ranges::sort(report.items, [](const StatusItem& a, const StatusItem& b) {
        const bool a_bills = bills(a.live->current.run.state);
        const bool b_bills = bills(b.live->current.run.state);
        return a_bills != b_bills ? a_bills
                                  : std::pair{a.live->resource.name, a.live->resource.id} <
                                        std::pair{b.live->resource.name, b.live->resource.id};
    });
    report.budgets = budgets_of(nullptr);
    co_return report;
}

void Reporter::tell_what_next(ExplainReport& report) const {
    const LiveResource& live = *report.live;
    const WallTime now = report.freshness.now;
    const auto in_words = [&](WallTime t) {
        return to_string(std::max<Duration>(Duration{0}, std::chrono::floor<seconds>(t - now)));
    };
    if (!bills(live.current.run.state)) {
        report.next = "nothing: it does not bill";
        report.would_stop = "it is off";
        report.would_keep = "it is off";
        return;
    }
    if (const Enforcement* e = live.under_way()) {
        report.next = "enforcement " + e->id.value + " is " + std::string{to_string(e->state)} + ": " +
                      e->reason;
    } else if (live.stops_at) {
        const bool work_counts = live.stops_for == CauseKind::idle ||
                                 (live.stops_for == CauseKind::schedule && report.rule != nullptr &&
                                  report.rule->respect_activity);
        report.next = "packed and stopped in " + in_words(*live.stops_at) +
                      (work_counts ? " if it stays quiet; warned before" : ", at work or not; warned before");
    } else {
        report.next = "nothing: " + live.why;
    }
    if (live.on_trial && report.rule_now && report.rule_now->trial_until) {
        report.would_stop = "only a hard budget or `curfew stop`: rule " + report.rule->name.value +
                            " is on trial until " + to_string(*report.rule_now->trial_until) +
                            " and would have made " + std::to_string(report.rule_now->would_stop) +
                            " stops so far";
    } else {
        report.would_stop = what_would_stop(report.rule, live.mode, live.idle_limit, live.current.clock.quiet,
                                            live.current.judgement);
    }
    if (report.rule != nullptr && live.mode == Mode::enforce) {
        for (const std::string& limit : live.limits) {
            report.would_stop += "; or " + limit;
        }
    }
    report.would_keep =
        "work in a kernel or on the CPU or GPU; or `curfew keep " + live.resource.id.value + " --for 2h`" +
        (live.price != nullptr ? " (" + to_string(percent_of(live.price->rate.per_hour, 200)) + ")" : "");
    if (report.rule != nullptr && report.rule->schedule && !report.rule->respect_activity) {
        report.would_keep += "; in off hours only the keep";
    }
    if (report.rule != nullptr && report.rule->max_age) {
        report.would_keep += "; neither beyond its maximum age of " + to_string(*report.rule->max_age);
    }
}

Task<Result<ExplainReport>> Reporter::explain(ResourceId resource) {
    auto history = co_await world_.store.enforcements_of(resource, 5);
    if (!history) {
        co_return std::unexpected(history.error());
    }
    const auto found = world_.picture.resources.find(resource);
    if (found == world_.picture.resources.end()) {
        co_return fail(Errc::not_found, "it is gone", resource.value);
    }
    const RunId run = found->second.current.run.id;
    auto stored = co_await world_.store.observations_of(run);
    auto events = co_await world_.store.rule_events(WallTime{0}, rule_events_max);
    const auto again = world_.picture.resources.find(resource);
    if (!events) {
        co_return std::unexpected(events.error());
    }
    if (!stored || again == world_.picture.resources.end()) {
        co_return stored ? fail(Errc::not_found, "it is gone", resource.value)
                         : std::unexpected(stored.error());
    }
    const LiveResource& live = again->second;
    ExplainReport report;
    report.freshness = freshness();
    report.live = &live;
    report.mono = world_.scheduler.mono();
    // The picture is newer than the store, which holds changes only; after a restart it is empty at first.
    report.observations = live.current.observations.empty() ? std::move(*stored) : live.current.observations;
    report.history = std::move(*history);
    report.run_cost = run_cost(live, report.freshness.now);
    report.budgets = budgets_of(&live.resource);
    report.rule = rule_for(world_.config->rules, live.resource);
    if (report.rule != nullptr) {
        const std::vector<RuleItem> items = items_of(*events);
        const auto now = std::ranges::find_if(
            items, [&](const RuleItem& item) { return item.rule.name == report.rule->name; });
        report.rule_now = now == items.end() ? std::nullopt : std::optional{*now};
    }
    tell_what_next(report);
    co_return report;
}

Task<Result<std::vector<DoctorFinding>>> Reporter::verify() {
    std::vector<DoctorFinding> findings;
    auto flaws = co_await world_.store.check_file();
    if (!flaws && flaws.error().code != Errc::corrupt) {
        co_return std::unexpected(flaws.error());
    }
    if (!flaws) {
        findings.push_back({false, "database", flaws.error().text});
        findings.push_back({false, "audit", "not looked at: the file cannot be read to its end"});
        co_return findings;  // what asks on meets the damage, which ends the process
    }
    for (std::string& flaw : *flaws) {
        findings.push_back({false, "database", std::move(flaw)});
    }
    if (flaws->empty()) {
        findings.push_back({true, "database", "every page, index and reference is whole"});
    }
    findings.push_back(audit_finding(co_await world_.store.verify_audit()));
    findings.push_back(ledger_finding(co_await world_.store.check_rollups()));
    co_return findings;
}

Task<Result<std::vector<DoctorFinding>>> Reporter::doctor() {
    std::vector<DoctorFinding> findings;
    const auto add = [&](bool good, std::string what, std::string text) {
        findings.push_back({good, std::move(what), std::move(text)});
    };
    auto chain = co_await world_.store.verify_audit();
    auto repaired = co_await world_.store.check_rollups();
    auto outbox = co_await world_.store.outbox_counts();
    auto disabled = co_await world_.store.disabled_channels();
    if (!outbox || !disabled) {
        co_return std::unexpected(outbox ? disabled.error() : outbox.error());
    }
    for (const AccountConfig& account : world_.config->accounts) {
        const auto live = world_.picture.accounts.find(account.name);
        const bool seen = live != world_.picture.accounts.end() && live->second.last_success_mono &&
                          live->second.error.empty();
        const std::string why = live == world_.picture.accounts.end() || live->second.error.empty()
                                    ? "not polled yet"
                                    : live->second.error;
        add(seen, "account " + account.name.value, seen ? "the key works: " + live->second.identity : why);
    }
    findings.push_back(audit_finding(chain));
    findings.push_back(ledger_finding(repaired));
    const std::int64_t dead = (*outbox)[OutboxState::dead];
    const std::int64_t waiting = (*outbox)[OutboxState::waiting];
    add(dead == 0 && waiting < 100, "outbox",
        std::to_string(waiting) + " waiting, " + std::to_string(dead) + " could not be delivered" +
            (dead > 0 ? ": curfew outbox dead" : ""));
    for (const ChannelStateRow& channel : *disabled) {
        add(false, "channel " + channel.channel.value,
            "it is not used any more: " + channel.why + "; curfew notify test " + channel.channel.value);
    }
    add(!world_.config->channels.empty(), "channels",
        world_.config->channels.empty() ? "no channel is configured, so nobody is warned before a stop"
                                        : std::to_string(world_.config->channels.size()) + " configured");
    add(!world_.config->vaults.empty(), "vaults",
        world_.config->vaults.empty()
            ? "no vault is configured, so nothing can be packed and nothing is stopped"
            : std::to_string(world_.config->vaults.size()) + " configured");
    add(world_.config->mode == Mode::enforce, "mode",
        "daemon.mode is " + std::string{to_string(world_.config->mode)} +
            (world_.config->mode == Mode::enforce ? "" : ": nothing is stopped by rules"));
    for (const auto& [rule, breaker] : world_.picture.breakers) {
        add(false, "rule " + rule.value,
            "its breaker is open, it only warns: " + breaker.why + "; curfew rule reset " + rule.value);
    }
    for (const RuleName& rule : world_.picture.flagged) {
        add(false, "rule " + rule.value, "too much of what it stops is used again at once: curfew rule ls");
    }
    for (const Degraded& d : freshness().degraded) {
        if (!d.what.starts_with("account ")) {
            add(false, d.what, d.why);
        }
    }
    co_return findings;
}

}  // namespace curfew
