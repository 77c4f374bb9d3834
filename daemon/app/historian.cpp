#include "curfew/app/historian.hpp"

#include "curfew/app/looker.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

namespace curfew {

namespace {

constexpr int runs_of_one_max = 1000;

Resource resource_of(const ResourceRow& row, const RunRow& run) {
    Resource resource;
    resource.id = row.id;
    resource.account = row.account;
    resource.kind = row.kind;
    resource.name = row.name;
    resource.project = row.project;
    resource.owner = row.owner;
    resource.run.id = run.id;
    resource.run.machine_type = run.machine_type;
    return resource;
}

std::optional<Money> cost(const Price* price, Duration d) {
    const auto amount = price != nullptr ? cost_of(price->rate, std::max(Duration{0}, d))
                                         : Result<Money>{fail(Errc::invalid, "unpriced")};
    return amount ? std::optional{*amount} : std::nullopt;
}

std::string words_of(Duration d) {
    return to_string(std::chrono::floor<seconds>(d));
}

void tell_of_then(MomentReport& report, const Rule* rule) {
    const Moment& m = report.moment;
    if (report.off) {
        report.next = report.would_stop = report.would_keep = "it was off";
        return;
    }
    report.next = m.result.stops_in && m.result.mode == Mode::enforce
                      ? "to be packed and stopped in " + words_of(*m.result.stops_in) + " if it stayed quiet"
                      : "nothing: " + m.result.assessment.why;
    report.would_stop = what_would_stop(rule, m.result.mode, m.result.idle_limit, m.clock.quiet, m.judgement);
    report.would_keep = "work in a kernel or on the CPU or GPU; or a keep";
}

/// The newest run that had been seen by `at`.
const RunRow* run_at(const std::vector<RunRow>& runs, WallTime at) {
    const RunRow* found = nullptr;
    for (const RunRow& run : runs) {
        if (run.first_seen <= at && (found == nullptr || run.first_seen > found->first_seen)) {
            found = &run;
        }
    }
    return found;
}

}  // namespace

Task<Result<RecordedRun>> Historian::recorded(RunRow run, WallTime until, std::vector<Hold> holds) {
    auto rows = co_await world_.store.history_of(run.id, until);
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    RecordedRun recorded{.run = run.id,
                         .resource = run.resource,
                         .first_seen = run.first_seen,
                         .started_at = run.started_at,
                         .rows = std::move(*rows),
                         .holds = std::move(holds)};
    if (const AccountConfig* account = world_.account(run.account)) {
        recorded.poll_interval = account->poll_interval;
    }
    const auto live = world_.picture.resources.find(run.resource);
    if (live != world_.picture.resources.end()) {
        recorded.kind = live->second.resource.kind;
    }
    if (live != world_.picture.resources.end() && live->second.current.run.id == run.id) {
        overlay(recorded.rows, live->second.current.history.rows());
    }
    std::erase_if(recorded.rows, [&](const HistoryRow& row) { return row.from > until; });
    co_return recorded;
}

Task<Result<MomentReport>> Historian::explain_at(ResourceId resource, WallTime at) {
    if (at > world_.scheduler.wall()) {
        co_return fail(Errc::invalid, "that time lies ahead; `curfew plan` tells of what comes",
                       to_string(at));
    }
    auto runs = co_await world_.store.runs_of(resource, runs_of_one_max);
    if (!runs) {
        co_return std::unexpected(runs.error());
    }
    auto holds = co_await world_.store.holds(resource, at);
    if (!holds) {
        co_return std::unexpected(holds.error());
    }
    const RunRow* found = run_at(*runs, at);
    if (found == nullptr) {
        std::string text = "nothing is recorded of it by then";
        if (!runs->empty()) {
            text += "; it was first seen at " +
                    to_string(std::ranges::min(*runs, {}, &RunRow::first_seen).first_seen);
        }
        co_return fail(Errc::not_found, text, to_string(at));
    }
    const RunRow run = *found;
    auto rows = co_await recorded(run, at, std::move(*holds));
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    const auto live = world_.picture.resources.find(resource);
    if (live == world_.picture.resources.end()) {
        co_return fail(Errc::not_found, "it is gone", resource.value);
    }
    MomentReport report;
    report.freshness = reporter_.freshness();
    report.live = &live->second;
    report.run = run;
    report.off = run.ended_at && *run.ended_at <= at;
    if (rows->rows.empty() && !report.off) {
        co_return fail(Errc::not_found,
                       "no look is recorded of run " + run.id.value + " by then; records are kept for " +
                           to_string(world_.config->history),
                       to_string(at));
    }
    Resource then = live->second.resource;
    then.run.machine_type = run.machine_type;
    const Rule* rule = rule_for(world_.config->rules, then);
    report.rule = rule != nullptr ? rule->name.value : std::string{};
    report.moment = moment_at(*rows, rule, mode_in_force(*world_.config, world_.account(run.account)),
                              protected_by_name(*world_.config, then), at);
    if (report.off) {
        report.moment.result.assessment.why = "off since " + to_string(*run.ended_at);
        report.moment.result.stops_in.reset();
    }
    if (run.started_at && run.machine_type == live->second.current.run.machine_type) {
        report.run_cost = cost(live->second.price, std::min(at, run.ended_at.value_or(at)) - *run.started_at);
    }
    tell_of_then(report, rule);
    co_return report;
}

Task<Result<ReplayReport>> Historian::test_rule(Rule rule, WallTime since) {
    auto known = co_await world_.store.resources();
    auto runs = co_await world_.store.recorded_runs(since, runs_max + 1);
    auto holds = co_await world_.store.holds(std::nullopt, since);
    if (!known || !runs || !holds) {
        co_return std::unexpected(!known ? known.error() : !runs ? runs.error() : holds.error());
    }
    std::map<ResourceId, ResourceRow> resources;
    for (ResourceRow& row : *known) {
        resources.emplace(row.id, std::move(row));
    }
    ReplayReport report;
    report.from = since;
    report.to = world_.scheduler.wall();
    report.cut = runs->size() > static_cast<std::size_t>(runs_max);
    runs->resize(std::min<std::size_t>(runs->size(), runs_max));
    for (const PastRun& past : *runs) {
        const auto resource = resources.find(past.run.resource);
        Resource tested = resource == resources.end() ? Resource{} : resource_of(resource->second, past.run);
        if (const AccountConfig* account = world_.account(tested.account)) {
            tested.provider = account->provider;
        }
        if (resource == resources.end() || !matches(rule.match, tested)) {
            continue;
        }
        std::vector<Hold> own;
        std::ranges::copy_if(*holds, std::back_inserter(own),
                             [&](const Hold& hold) { return hold.resource == past.run.resource; });
        auto rows = co_await recorded(past.run, report.to, std::move(own));
        if (!rows) {
            co_return std::unexpected(rows.error());
        }
        RuleTest test = curfew::test_rule(*rows, rule, since, past.run.ended_at.value_or(report.to),
                                          past.rate);
        report.runs += test.first ? 1 : 0;
        report.warned += test.warned;
        if (!test.stop) {
            continue;
        }
        const ReplayStop& stop = *test.stop;
        report.saved += stop.saved.value_or(Money{});
        report.saved_before_use += stop.saved_before_use.value_or(Money{});
        report.unpriced += stop.saved ? 0 : 1;
        report.suspect_soon += stop.suspect_soon() ? 1 : 0;
        report.suspect_later += stop.active_again ? 1 : 0;
        report.items.push_back({past.run.resource, resource->second.name, past.run, std::move(test)});
    }
    std::ranges::sort(report.items, [](const ReplayItem& a, const ReplayItem& b) {
        return std::pair{a.test.stop->at, a.run.id} < std::pair{b.test.stop->at, b.run.id};
    });
    report.rule = std::move(rule);
    report.freshness = reporter_.freshness();
    co_return report;
}

PlanItem Historian::plan_of(const LiveResource& live, const Now& now) const {
    PlanItem item;
    item.live = &live;
    item.why = live.why;
    const Enforcement* e = live.under_way();
    if (e != nullptr && e->state != EnforcementState::warned) {
        const EnforcementState state = e->state;
        item.why = std::string{to_string(state)} + ": " + e->reason;
        if (state != EnforcementState::held && state != EnforcementState::stopped) {
            item.stop = PlannedAct{RuleWalk::Act::due, Duration{0}, e->cause, item.why};
        }
        return item;
    }
    PlanInput input;
    input.now = assess_input(world_, live, now.mono);
    input.now.breaker_open = live.breaker_open;
    input.now.gone = live.current.gone();
    input.clock = live.current.clock;
    input.resource = live.resource.id;
    input.run = live.current.run.id;
    input.holds = live.holds;
    input.enforcement = e != nullptr ? *e : Enforcement{};
    input.at = now;
    if (const AccountConfig* account = world_.account(live.resource.account)) {
        input.poll_interval = account->poll_interval;
    }
    for (const Budget& budget : world_.config->budgets) {
        const auto known = world_.picture.budgets.find(budget.name);
        const BudgetState* state = known == world_.picture.budgets.end()
                                       ? nullptr
                                       : known->second.of(budget, live.current.run.id);
        if (state == nullptr || !known->second.active || !matches(budget.scope, live.resource)) {
            continue;
        }
        const auto in = exhausted_in(budget, state->period, state->spend, state->fired, now.wall,
                                     known->second.lead, plan_ahead_by);
        if (in && (!input.budget_in || *in < *input.budget_in)) {
            input.budget_in = in;
            input.budget = budget.name.value;
            input.now.budget_mode = budget.mode;
        }
    }
    const Mode mode = input.now.rule != nullptr ? weakest(input.now.mode, input.now.rule->mode)
                                                : input.now.mode;
    for (PlannedAct& act : curfew::plan_ahead(input, plan_ahead_by)) {
        if (act.act == RuleWalk::Act::due || act.act == RuleWalk::Act::would_stop) {
            item.why = act.why;
            item.stop = std::move(act);
        } else if (act.act == RuleWalk::Act::warned && mode != Mode::observe) {
            item.warnings.push_back(std::move(act));
        }
    }
    return item;
}

PlanReport Historian::plan() const {
    const Now now = world_.scheduler.now();
    PlanReport report;
    report.freshness = reporter_.freshness();
    report.until = now.wall + plan_ahead_by;
    for (const auto& [id, live] : world_.picture.resources) {
        if (!bills(live.current.run.state)) {
            continue;
        }
        PlanItem item = plan_of(live, now);
        const auto whole = cost(live.price, plan_ahead_by);
        report.without += whole.value_or(Money{});
        report.unpriced += whole ? 0 : 1;
        if (item.stop) {
            item.saves = cost(live.price, plan_ahead_by - item.stop->in);
            (item.stop->act == RuleWalk::Act::due ? report.saves
                                                  : report.would_save) += item.saves.value_or(Money{});
        }
        report.items.push_back(std::move(item));
    }
    std::ranges::sort(report.items, [](const PlanItem& a, const PlanItem& b) {
        const auto key = [](const PlanItem& i) {
            return std::tuple(!i.stop, i.stop ? i.stop->in : Duration{0}, i.live->resource.name,
                              i.live->resource.id);
        };
        return key(a) < key(b);
    });
    return report;
}

}  // namespace curfew
