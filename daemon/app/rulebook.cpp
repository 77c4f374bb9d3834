#include "curfew/app/rulebook.hpp"

#include "curfew/app/messages.hpp"
#include "curfew/core/mutant.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace curfew {

namespace {

constexpr Duration look_every = minutes{1};
constexpr Duration watched_step_max = minutes{2};  // of one look: a host that slept did not watch
constexpr Duration store_every = minutes{10};      // of watched time
constexpr int events_max = 5000;
constexpr int runs_max = 20;
constexpr std::size_t names_told = 8;

AuditRow audit_of(WallTime at, std::string kind, std::string actor, std::string text) {
    return {.seq = 0,
            .at = at,
            .kind = std::move(kind),
            .account = {},
            .resource = {},
            .run = {},
            .actor = std::move(actor),
            .text = std::move(text)};
}

std::string flag_key(const RuleName& rule) {
    return "false_stops/" + rule.value;
}

WallTime start_of(const RunRow& run) {
    return run.started_at.value_or(run.first_seen);
}

}  // namespace

Rulebook::Rulebook(World& world, Alarms& alarms, Enforcer& enforcer)
    : world_(world), alarms_(alarms), enforcer_(enforcer), wakeup_(world.loop) {}

void Rulebook::load(std::vector<RuleTrial> trials, const std::vector<Breaker>& breakers) {
    for (RuleTrial& trial : trials) {
        stored_[trial.rule] = trial.tried;
        RuleName name = trial.rule;
        world_.picture.trials.insert_or_assign(std::move(name), std::move(trial));
    }
    for (const Breaker& breaker : breakers) {
        if (breaker.open && !mutant(Mutant::breaker_forgotten)) {
            world_.picture.breakers.insert_or_assign(breaker.rule, breaker);
        }
    }
}

void Rulebook::stop() {
    stopping_ = true;
    wakeup_.notify();
}

Task<void> Rulebook::run() {
    while (!stopping_) {
        co_await go_on_with_trials();
        co_await measure_false_stops();
        if (stopping_) {
            break;
        }
        alarm_ = world_.scheduler.at(world_.scheduler.mono() + look_every, [this] { wakeup_.notify(); });
        co_await wakeup_.wait();
    }
    alarm_.cancel();
}

// ---- trials --------------------------------------------------------------------------------------

void Rulebook::give_full_ladder(const RuleName& rule, Batch& batch) {
    for (auto& [id, live] : world_.picture.resources) {
        const Rule* deciding = rule_for(world_.config->rules, live.resource);
        if (deciding == nullptr || deciding->name != rule) {
            continue;
        }
        const auto ladder = scaled_ladder(deciding->ladder, deciding->idle_limit);
        const Duration most = deciding->idle_limit - (ladder.empty() ? Duration{0} : ladder.front());
        if (live.current.clock.quiet > most) {
            live.current.clock.quiet = most;
            batch.emplace_back(QuietRow{.run = live.current.run.id, .clock = live.current.clock});
        }
    }
}

Task<Message> Rulebook::trial_message(Rule rule) {
    auto events = co_await world_.store.rule_events(WallTime{0}, events_max);
    std::size_t count = 0;
    std::string names;
    for (const RuleEvent& e : events ? *events : std::vector<RuleEvent>{}) {
        if (e.rule != rule.name || e.kind != RuleEventKind::would_stop) {
            continue;
        }
        if (count++ < names_told) {
            names += (names.empty() ? "" : ", ") + messages::printable(e.name) + " (" +
                     messages::at_words(e.at, world_.config->zone) + ")";
        }
    }
    const Mode mode = weakest(world_.config->mode, rule.mode);
    Message m;
    m.kind = AlertKind::trial_over;
    m.severity = Severity::info;
    m.rule = rule.name;
    m.cause = "rule " + rule.name.value;
    m.rule = rule.name;
    const std::string stops = events ? std::to_string(count) : "an unknown number of";
    m.title = "The trial of rule " + rule.name.value + " is over: it would have made " + stops +
              (count == 1 ? " stop; " : " stops; ") +
              (mode == Mode::enforce ? "from now on it stops"
                                     : "its mode is " + std::string{to_string(mode)} + " from now on");
    if (count > 0) {
        m.body.push_back("It would have stopped: " + names +
                         (count > names_told ? " and " + std::to_string(count - names_told) + " more" : "") +
                         ".");
    }
    m.body.emplace_back(
        "Whatever is quiet now is warned along the whole ladder first. A longer observe_first "
        "puts the rule back on trial; mode = \"observe\" keeps it from acting for good.");
    m.do_next = "curfew rule ls";
    co_return m;
}

Task<void> Rulebook::go_on_with_trials() {
    const Now now = world_.scheduler.now();
    const Duration watched = looked_at_ ? std::min<Duration>(now.mono - *looked_at_, watched_step_max)
                                        : Duration{0};
    looked_at_ = now.mono;
    const std::shared_ptr<const Config> config = world_.config;  // a reload may come meanwhile
    Batch batch;
    std::vector<RuleTrial> steps;
    std::vector<RuleName> ended;
    for (const Rule& rule : config->rules) {
        const RuleTrial* known = world_.picture.trial_of(rule.name);
        const RuleTrial before = known != nullptr
                                     ? *known
                                     : RuleTrial{.rule = rule.name, .first_seen = now.wall, .ended_at = {}};
        const TrialStep step = advance(rule, before, watched, now.wall);
        steps.push_back(step.next);
        if (known == nullptr || step.ended || step.next.tried - stored_[rule.name] >= store_every) {
            batch.emplace_back(step.next);
        }
        if (step.ended) {
            Message m = co_await trial_message(rule);
            batch.emplace_back(audit_of(now.wall, "rule.trial_over", "curfewd", m.title));
            alarms_.tell(std::move(m), batch);
            give_full_ladder(rule.name, batch);
            ended.push_back(rule.name);
        }
    }
    if (!batch.empty()) {
        const Batch written = batch;
        auto done = co_await world_.store.commit(std::move(batch));
        if (!done) {
            spdlog::error("event=trial_not_durable error=\"{}\"", to_string(done.error()));
            co_return;  // as if this time had not been watched
        }
        for (const Write& row : written) {
            if (const auto* trial = std::get_if<RuleTrial>(&row)) {
                stored_[trial->rule] = trial->tried;
            }
        }
    }
    for (RuleTrial& step : steps) {
        RuleName name = step.rule;
        world_.picture.trials.insert_or_assign(std::move(name), std::move(step));
    }
    for (const RuleName& rule : ended) {
        enforcer_.rule_changed(rule, "the rule's trial is over; judged anew, with the whole ladder");
    }
    if (!ended.empty()) {
        alarms_.committed();
    }
}

Task<void> Rulebook::flush() {
    Batch batch;
    for (const auto& [name, trial] : world_.picture.trials) {
        if (stored_[name] != trial.tried) {
            batch.emplace_back(trial);
        }
    }
    if (!batch.empty()) {
        auto done = co_await world_.store.commit(std::move(batch));
        if (!done) {
            spdlog::error("event=trial_not_durable error=\"{}\"", to_string(done.error()));
        }
    }
}

// ---- the false-stop meter ------------------------------------------------------------------------

Task<std::optional<Rulebook::Next>> Rulebook::next_run(RuleEvent stop) {
    const auto live = world_.picture.resources.find(stop.resource);
    if (live == world_.picture.resources.end() || live->second.current.run.id == stop.run) {
        co_return std::nullopt;
    }
    auto runs = co_await world_.store.runs_of(stop.resource, runs_max);
    if (!runs) {
        co_return std::nullopt;  // asked again at the next look
    }
    const auto old = std::ranges::find(*runs, stop.run, &RunRow::id);
    if (old == runs->end()) {
        co_return Next{};
    }
    const RunRow* next = nullptr;
    for (const RunRow& run : *runs) {
        if (run.id != old->id && start_of(run) > start_of(*old) &&
            (next == nullptr || start_of(run) < start_of(*next))) {
            next = &run;
        }
    }
    if (next == nullptr) {
        co_return std::nullopt;
    }
    // The provider's own stamps, where there are any: a jump of our clock means nothing to them.
    const WallTime end = old->ended_at.value_or(stop.at);
    co_return Next{
        .soon = used_again_soon(end, start_of(*next)), .run = next->id, .gap = start_of(*next) - end};
}

Task<void> Rulebook::measure_false_stops() {
    const WallTime now = world_.scheduler.wall();
    auto events = co_await world_.store.rule_events(now - false_stop_window, events_max);
    if (!events) {
        co_return;
    }
    std::set<RunId> stops;
    std::set<RunId> judged;
    std::map<RuleName, int> counts;
    for (const RuleEvent& e : *events) {
        if (e.kind == RuleEventKind::stop) {
            stops.insert(e.run);
        } else if (e.kind == RuleEventKind::false_stop) {
            judged.insert(e.run);
            ++counts[e.rule];
        }
    }
    std::erase_if(judged_, [&](const RunId& run) { return !stops.contains(run); });
    Batch batch;
    for (const RuleEvent& e : *events) {
        if (e.kind != RuleEventKind::stop || judged_.contains(e.run) || !judged.insert(e.run).second) {
            continue;
        }
        const auto next = co_await next_run(e);
        if (!next) {
            continue;
        }
        if (!next->soon) {
            judged_.insert(e.run);
            continue;
        }
        RuleEvent found = e;
        found.kind = RuleEventKind::false_stop;
        found.at = now;
        batch.emplace_back(found);
        AuditRow row = audit_of(
            now, "suspected.false_stop", "curfewd",
            "rule " + e.rule.value + ": stopped, and used again as " + next->run.value + " " +
                to_string(std::max<Duration>(Duration{0}, std::chrono::floor<seconds>(next->gap))) +
                " later");
        row.resource = e.resource;
        row.run = e.run;
        batch.emplace_back(std::move(row));
        ++counts[e.rule];
    }
    Alarms::Memory memory = alarms_.remember([&] { judge_flags(counts, batch); });
    if (batch.empty()) {
        co_return;
    }
    auto done = co_await alarms_.commit(std::move(batch), std::move(memory));
    if (!done) {
        spdlog::error("event=false_stop_not_durable error=\"{}\"", to_string(done.error()));
        co_return;  // found again at the next look
    }
    alarms_.committed();
}

void Rulebook::judge_flags(const std::map<RuleName, int>& counts, Batch& batch) {
    std::set<std::string> firing;
    world_.picture.flagged.clear();
    for (const Rule& rule : world_.config->rules) {
        const auto count = counts.find(rule.name);
        if (count == counts.end() || !flags(count->second)) {
            continue;
        }
        world_.picture.flagged.insert(rule.name);
        firing.insert(flag_key(rule.name));
        Message m;
        m.kind = AlertKind::false_stops;
        m.severity = Severity::warning;
        m.rule = rule.name;
        m.cause = "rule " + rule.name.value;
        m.title = "Rule " + rule.name.value +
                  " seems to stop what is needed: " + std::to_string(count->second) +
                  " of its stops in 7 days were used again within 15 minutes";
        m.body = {"It goes on acting. Its idle_limit may be too short, or it matches what it should not."};
        m.do_next = "curfew rule ls";
        alarms_.raise(flag_key(rule.name), std::move(m), batch);
    }
    alarms_.resolve_others("false_stops/", firing, batch);
}

// ---- the breaker ---------------------------------------------------------------------------------

Task<Result<bool>> Rulebook::reset(RuleName rule, std::string actor) {
    if (!world_.picture.breakers.contains(rule)) {
        const bool known = std::ranges::find(world_.config->rules, rule, &Rule::name) !=
                           world_.config->rules.end();
        co_return known ? Result<bool>{false} : fail(Errc::not_found, "no rule is called so", rule.value);
    }
    const WallTime now = world_.scheduler.wall();
    Breaker closed = world_.picture.breakers.at(rule);
    closed.open = false;
    closed.at = now;
    Batch batch{closed, audit_of(now, "breaker.reset", actor, "rule " + rule.value + " acts again")};
    Message m;
    m.kind = AlertKind::breaker;
    m.severity = Severity::info;
    m.rule = rule;
    m.cause = "rule " + rule.value;
    m.title = "Rule " + rule.value + " acts again: its breaker was reset by " + actor;
    m.do_next = "curfew rule ls";
    Alarms::Memory memory = alarms_.remember(
        [&] { alarms_.resolve("breaker/" + rule.value, std::move(m), batch); });
    auto done = co_await alarms_.commit(std::move(batch), std::move(memory));
    if (!done) {
        co_return std::unexpected(done.error());
    }
    alarms_.committed();
    enforcer_.close_breaker(rule);
    co_return true;
}

}  // namespace curfew
