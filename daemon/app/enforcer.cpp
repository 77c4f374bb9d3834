#include "curfew/app/enforcer.hpp"

#include "curfew/app/messages.hpp"
#include "curfew/core/keep_link.hpp"
#include "curfew/core/mutant.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <ranges>
#include <utility>

namespace curfew {

namespace {

constexpr Duration commit_retry = seconds{5};
constexpr std::size_t inbox_max = 64;

std::string words(event::Answer answer) {
    switch (answer) {
        case event::Answer::accepted:
            return "accepted";
        case event::Answer::already_off:
            return "already off";
        case event::Answer::refused:
            return "refused";
        case event::Answer::unauthorized:
            return "unauthorized";
        case event::Answer::not_sent:
            return "not sent";
        case event::Answer::ambiguous:
            break;
    }
    return "no clear answer";
}

std::string stop_key(const RunId& run) {
    return "stop/" + run.value;
}

/// A message with the rule or budget that is behind it, which it is routed by.
Message of_cause(Message m, const Cause& cause) {
    if (of_rule(cause.kind)) {
        m.rule = RuleName{cause.name};
    } else if (cause.kind == CauseKind::budget) {
        m.budget = BudgetName{cause.name};
    }
    return m;
}

/// What is told, for a transaction of its own: a variant that is wrong.
Batch taken_out(Batch& batch) {
    Batch out;
    Batch rest;
    for (Write& row : batch) {
        (std::holds_alternative<OutboxRow>(row) ? out : rest).push_back(std::move(row));
    }
    batch = std::move(rest);
    return out;
}

std::string stop_act(const Enforcement& e) {
    return "stop:" + std::string{to_string(e.method)};
}

template <class Row>
bool has(const Batch& batch) {
    return std::ranges::any_of(batch, [](const Write& w) { return std::holds_alternative<Row>(w); });
}

bool is_assessment(const EnforcementEvent& event) {
    return std::holds_alternative<event::Assessed>(event);
}

bool of_person(const EnforcementEvent& event) {
    return std::holds_alternative<event::AskedByHand>(event) ||
           std::holds_alternative<event::Cancelled>(event);
}

/// What was said last and still waits, behind an event that may be under way, waits once however often it is said;
/// that no pack is wanted is kept of it.
bool said_already(std::deque<EnforcementEvent>& inbox, const EnforcementEvent& event) {
    auto waiting = inbox | std::views::drop(1) | std::views::reverse;
    const auto last = std::ranges::find_if(waiting, of_person);
    if (!of_person(event) || last == waiting.end() || last->index() != event.index()) {
        return false;
    }
    const auto* asked = std::get_if<event::AskedByHand>(&event);
    if (asked != nullptr && asked->without_pack) {
        std::get<event::AskedByHand>(*last).without_pack = asked->without_pack;
    }
    return true;
}

/// The breaker of the rule was reset by hand after that.
bool was_reset(const std::vector<Breaker>& breakers, const std::string& rule, WallTime since) {
    return std::ranges::any_of(
        breakers, [&](const Breaker& b) { return b.rule.value == rule && !b.open && b.at >= since; });
}

}  // namespace

Enforcer::Enforcer(World& world, Looker& looker, Packer& packer, Notifier& notifier, Alarms& alarms,
                   TaskGroup& tasks, EnforcementPolicy policy)
    : world_(world), looker_(looker), packer_(packer), notifier_(notifier), alarms_(alarms), tasks_(tasks),
      policy_(policy) {}

// ---- beginning -----------------------------------------------------------------------------------

void Enforcer::load(std::vector<Enforcement> stored, std::vector<IntentRow> open_intents,
                    const std::vector<Breaker>& breakers, bool same_boot) {
    const Now clock = world_.scheduler.now();
    const Instant now = clock.mono;
    for (Enforcement& e : stored) {
        const RunId run = e.run;
        CURFEW_ASSERT(!active_.contains(run), "I4: at most one live enforcement per run");
        if (mutant(Mutant::enforcement_forgotten)) {
            continue;
        }
        Transition t = recover(e, now, same_boot, policy_for(e));
        Active& active = active_[run];
        active.e = std::move(t.next);
        active.told = active.e.notice_at.has_value() || alarms_.firing(stop_key(run));
        for (const IntentRow& intent : open_intents) {
            if (intent.enforcement == active.e.id) {
                active.open_intents[intent.act] = intent.id;
            }
        }
        spdlog::info("event=enforcement_recovered run={} state={} reason=\"{}\"", run.value,
                     to_string(active.e.state), active.e.reason);
        show(active);
        if (active.e.receipt) {
            tasks_.spawn("receipt of " + run.value, fetch_receipt(run, *active.e.receipt));
        }
        act(active, t.effects);
        arm(run, active);
        // A restart must not let a rule stop its quarter of everything once more.
        if (of_rule(active.e.cause.kind) && active.e.stop_called_at &&
            !was_reset(breakers, active.e.cause.name, clock.wall - (now - *active.e.stop_called_at)) &&
            !mutant(Mutant::stops_not_counted_on)) {
            stops_by_rule_[active.e.cause.name].emplace(run, *active.e.stop_called_at);
        }
    }
    close_orphans(open_intents);
}

Task<void> Enforcer::fetch_receipt(RunId run, ReceiptId id) {
    auto stored = co_await world_.store.receipt(std::move(id));
    const auto found = active_.find(run);
    if (stored && *stored && found != active_.end() && !found->second.receipt) {
        found->second.receipt = std::move(**stored);
    }
}

void Enforcer::assessed(LiveResource& live, const AssessResult& result) {
    if (!accepting_) {
        return;
    }
    const RunId& run = live.current.run.id;
    for (auto& [id, active] : active_) {
        if (active.e.resource == live.resource.id && id != run) {
            Assessment ended = result.assessment;  // of a run that is not the newest any more
            ended.newest = false;
            ended.on = std::ranges::any_of(live.older, [&](const LiveRun& o) { return o.run.id == id; });
            ended.gone = !ended.on;
            post(id, event::Assessed{ended});
        }
    }
    const Assessment& a = result.assessment;
    if (const auto found = active_.find(run); found != active_.end()) {
        const Active& active = found->second;
        const bool warned = active.e.state == EnforcementState::warned;
        if (warned && active.told && !a.mode_why.empty()) {
            post(run, event::Cancelled{a.mode_why});  // those who were warned are not left waiting for a stop
        } else if (warned && !active.told && !active.e.notice_at && a.needs_notice &&
                   result.mode >= Mode::warn) {
            post(run, event::Cancelled{"it only observed so far, and nobody was warned; judged anew"});
        } else if (waits_too_long(active.e, result)) {
            post(run, event::Cancelled{"budget " + result.budget_acts->name +
                                       " is to be stopped now, without waiting for that pack"});
        } else {
            post(run, event::Assessed{a});
        }
        return;
    }
    const bool begins = a.cause && a.on && !a.held_by && (a.warn_step > 0 || a.time_is_up) &&
                        !(a.cause->kind == CauseKind::idle && a.verdict == Verdict::active);
    if (!begins) {
        return;
    }
    of_run(live).e.cause = *a.cause;
    post(run, event::Assessed{a});
}

/// The enforcement of what runs there now; a new one that watches, where there is none.
Enforcer::Active& Enforcer::of_run(const LiveResource& live) {
    Active& active = active_[live.current.run.id];
    if (active.e.id.empty()) {
        active.e.id = EnforcementId{"enf_" + world_.entropy.hex(8)};
        active.e.account = live.resource.account;
        active.e.resource = live.resource.id;
        active.e.run = live.current.run.id;
    }
    return active;
}

void Enforcer::on_delivery(const DeliveryReport& report) {
    if (report.row.state != OutboxState::delivered || report.row.warn_step == 0) {
        return;
    }
    for (auto& [run, active] : active_) {
        if (active.e.id == report.row.enforcement) {
            post(run, event::WarningDelivered{report.row.warn_step});
            return;
        }
    }
}

Result<EnforcementId> Enforcer::stop_by_hand(LiveResource& live, bool pack, const std::string& actor) {
    const RunId& run = live.current.run.id;
    if (!accepting_) {
        return fail(Errc::unavailable, "the daemon is shutting down", {}, Retry::later());
    }
    Active& active = of_run(live);
    post(run,
         event::AskedByHand{
             .by = actor,
             .without_pack = pack ? std::nullopt
                                  : std::optional{Override{.by = actor, .reason = "curfew stop --no-pack"}}});
    return active.e.id;
}

bool Enforcer::cancel(const ResourceId& resource, const std::string& reason) {
    for (auto& [run, active] : active_) {
        const EnforcementState s = active.e.state;
        const bool sent = s == EnforcementState::stopping || s == EnforcementState::confirming ||
                          s == EnforcementState::stopped || s == EnforcementState::stop_failed;
        if (active.e.resource == resource && !sent) {
            post(run, event::Cancelled{reason});
            return true;
        }
    }
    return false;
}

void Enforcer::rules_changed() {
    for (auto& [run, active] : active_) {
        if (active.e.state == EnforcementState::warned && active.e.cause.kind != CauseKind::manual) {
            post(run, event::Cancelled{"the configuration changed; judged anew under the new rules"});
        }
    }
}

void Enforcer::rule_changed(const RuleName& rule, const std::string& reason) {
    for (auto& [run, active] : active_) {
        if (active.e.state == EnforcementState::warned && of_rule(active.e.cause.kind) &&
            active.e.cause.name == rule.value) {
            post(run, event::Cancelled{reason});
        }
    }
}

void Enforcer::close_breaker(const RuleName& rule) {
    world_.picture.breakers.erase(rule);
    stops_by_rule_.erase(rule.value);
}

bool Enforcer::call_under_way() const {
    return std::ranges::any_of(active_, [](const auto& entry) { return entry.second.calling; });
}

// ---- one event after another ---------------------------------------------------------------------

void Enforcer::post(const RunId& run, EnforcementEvent event) {
    const auto found = active_.find(run);
    if (found == active_.end()) {
        return;
    }
    Active& active = found->second;
    if (is_assessment(event)) {
        // Only the newest assessment counts; a slow database must not pile up old ones. The first event may
        // be under way and is its pump's.
        const auto first = active.inbox.begin() + (active.inbox.empty() ? 0 : 1);
        active.inbox.erase(std::remove_if(first, active.inbox.end(), is_assessment), active.inbox.end());
    }
    if (said_already(active.inbox, event)) {
        return;
    }
    CURFEW_ASSERT(active.inbox.size() < inbox_max, "events of one run are bounded");
    active.inbox.push_back(std::move(event));
    if (!active.pumping) {
        active.pumping = true;
        tasks_.spawn("enforcement " + run.value, pump(run));
    }
}

Task<void> Enforcer::pump(RunId run) {
    Active& active = active_.at(run);  // stays until `finish` below, which only this pump calls
    while (!active.inbox.empty()) {
        EnforcementEvent event = active.inbox.front();
        if (auto* looked = std::get_if<event::Looked>(&event)) {
            if (active.looked_for != active.e.cause) {
                looked->look.answered = false;
                looked->look.why = "somebody else asks for it since the last one began";
            }
            // Others of the same rule may have been stopped since the look began.
            looked->look.breaker_open = of_rule(active.e.cause.kind) && breaker_open(active.e.cause.name);
            const LiveResource* live = resource_of(active.e);
            const Silence* maintenance = live != nullptr ? alarms_.maintenance_of(*live) : nullptr;
            if (maintenance != nullptr && !mutant(Mutant::maintenance_ignored)) {
                looked->look.mode = Mode::observe;
                looked->look.mode_why = in_words(*maintenance);
            }
        }
        const Now now = world_.scheduler.now();
        Transition t = step(active.e, event,
                            mutant(Mutant::notice_by_wall_clock) ? Instant{now.wall.ms} : now.mono,
                            policy_for(active.e));
        if (!t.changed && t.effects.empty()) {
            active.e = std::move(t.next);
            active.inbox.pop_front();
            if (std::holds_alternative<event::AskedByHand>(event)) {
                assess_by_hand(active);
            }
            continue;
        }
        Undo undo = remember(active);
        Batch batch;
        Alarms::Memory conditions = alarms_.remember([&] { batch = record(active, event, t); });
        if (mutant(Mutant::effect_before_commit)) {
            active.e = t.next;
            act(active, std::exchange(t.effects, {}));
        }
        if (mutant(Mutant::messages_apart)) {
            tasks_.spawn("messages of " + run.value, make_durable(taken_out(batch)));
        }
        world_.at_point("decided " + std::string{to_string(t.next.state)});
        const bool tells = has<OutboxRow>(batch);
        undo.opens_breaker = has<Breaker>(batch);
        auto durable = co_await alarms_.commit(std::move(batch), std::move(conditions));
        if (!durable) {
            not_durable(run, active, std::move(undo), durable.error());
            co_return;
        }
        if (active.e.state != t.next.state) {
            spdlog::info("event=enforcement run={} from={} to={} reason=\"{}\"", run.value,
                         to_string(active.e.state), to_string(t.next.state), t.next.reason);
        }
        active.inbox.pop_front();
        active.e = std::move(t.next);
        world_.at_point("durable " + std::string{to_string(active.e.state)});
        if (tells) {
            notifier_.wake();
        }
        show(active);
        if (std::holds_alternative<event::AskedByHand>(event)) {
            assess_by_hand(active);
        }
        act(active, t.effects);
        if (const int step = std::exchange(active.unheard, 0); step > 0) {
            post(run, event::WarningDelivered{step});
        }
        if (std::ranges::find(t.effects, Effect::tell_stopped) != t.effects.end()) {
            stopped_(active.e.account);
        }
        world_.at_point("acting " + std::string{to_string(active.e.state)});
        if (active.e.state == EnforcementState::over) {
            break;
        }
    }
    active.pumping = false;
    const EnforcementState state = active.e.state;
    if (state == EnforcementState::over || state == EnforcementState::watching) {
        finish(run);
    } else {
        arm(run, active);
    }
}

/// What was assessed before a person asked says nothing of it.
void Enforcer::assess_by_hand(Active& active) {
    std::erase_if(active.inbox, is_assessment);
    LiveResource* live = resource_of(active.e);
    const bool early = active.e.state == EnforcementState::watching ||
                       active.e.state == EnforcementState::warned;
    if (early && live != nullptr && live->current.run.id == active.e.run) {
        live->enforcement = active.e;
        active.inbox.emplace_front(event::Assessed{looker_.assess_now(*live).assessment});
    }
}

Enforcer::Undo Enforcer::remember(const Active& active) const {
    std::optional<Instant> counted;
    if (const auto rule = stops_by_rule_.find(active.e.cause.name); rule != stops_by_rule_.end()) {
        const auto stop = rule->second.find(active.e.run);
        counted = stop == rule->second.end() ? counted : std::optional{stop->second};
    }
    return {.open_intents = active.open_intents,
            .told = active.told,
            .unheard = active.unheard,
            .counted = counted,
            .opens_breaker = false};
}

/// Nothing happens that is not on disk first (I5). The event stays and is tried again; but a look is of
/// its moment, and is taken anew.
void Enforcer::not_durable(const RunId& run, Active& active, Undo undo, const Error& error) {
    spdlog::error("event=enforcement_not_durable run={} error=\"{}\"", run.value, to_string(error));
    active.open_intents = std::move(undo.open_intents);
    active.told = undo.told;
    active.unheard = undo.unheard;
    auto& stops = stops_by_rule_[active.e.cause.name];
    if (undo.counted) {
        stops[run] = *undo.counted;
    } else {
        stops.erase(run);
    }
    if (undo.opens_breaker) {
        world_.picture.breakers.erase(RuleName{active.e.cause.name});
    }
    if (auto* looked = std::get_if<event::Looked>(&active.inbox.front())) {
        looked->look.answered = false;
        looked->look.why = "the database did not take what was seen";
    }
    active.pumping = false;
    if (resting_) {
        return;
    }
    active.alarm = world_.scheduler.at(world_.scheduler.mono() + commit_retry, [this, run] {
        const auto found = active_.find(run);
        if (found != active_.end() && !found->second.pumping) {
            found->second.pumping = true;
            tasks_.spawn("enforcement " + run.value, pump(run));
        }
    });
}

void Enforcer::finish(const RunId& run) {
    const auto found = active_.find(run);
    const std::deque<EnforcementEvent> unread = std::move(found->second.inbox);
    LiveResource* live = resource_of(found->second.e);
    if (live != nullptr && live->enforcement && live->enforcement->run == run) {
        live->enforcement.reset();
    }
    active_.erase(found);
    if (live == nullptr || live->current.run.id != run) {
        return;
    }
    // A person who asked while it ended meant the run: that is another stop.
    for (const EnforcementEvent& event : unread) {
        if (std::holds_alternative<event::AskedByHand>(event)) {
            of_run(*live);
            post(run, event);
        }
    }
}

void Enforcer::rest() {
    resting_ = true;
    for (auto& [run, active] : active_) {
        active.alarm.cancel();
    }
}

void Enforcer::arm(const RunId& run, Active& active) {
    if (!active.e.next_at || resting_) {
        active.alarm.cancel();
        return;
    }
    active.alarm = world_.scheduler.at(*active.e.next_at, [this, run] {
        const auto found = active_.find(run);
        if (found != active_.end() && !found->second.looking) {  // what a look sees says when to wake again
            post(run, event::Woken{});
        }
    });
}

void Enforcer::show(const Active& active) {
    LiveResource* live = resource_of(active.e);
    if (live == nullptr) {
        return;
    }
    std::optional<Enforcement>& shown = live->enforcement;
    const bool other = shown && shown->run != active.e.run;
    if (other && (live->under_way() != nullptr || !active.e.live())) {
        return;
    }
    shown = active.e.live() ? std::optional{active.e} : std::nullopt;
}

LiveResource* Enforcer::resource_of(const Enforcement& e) {
    const auto found = world_.picture.resources.find(e.resource);
    return found == world_.picture.resources.end() ? nullptr : &found->second;
}

/// Is it at a pack for somebody who waits for that, a person perhaps, while a budget asks that does not? It begins
/// anew in that one's name.
bool Enforcer::waits_too_long(const Enforcement& e, const AssessResult& result) const {
    const std::optional<Cause>& asks = result.budget_acts;
    return e.at_pack() && asks && *asks != e.cause && pack_within(*asks, e.run).has_value();
}

/// How long the budget that is behind it waits for a pack, if it is to be stopped now.
std::optional<Duration> Enforcer::pack_within(const Cause& cause, const RunId& run) const {
    const auto budget = std::ranges::find(world_.config->budgets, BudgetName{cause.name}, &Budget::name);
    const auto live = world_.picture.budgets.find(BudgetName{cause.name});
    if (budget == world_.config->budgets.end() || live == world_.picture.budgets.end()) {
        return std::nullopt;
    }
    const BudgetState* state = live->second.of(*budget, run);
    const Threshold* threshold = state != nullptr ? exhausting(*budget, state->fired) : nullptr;
    return threshold != nullptr && threshold->action == ThresholdAction::stop_now
               ? std::optional{threshold->pack_within}
               : std::nullopt;
}

EnforcementPolicy Enforcer::policy_for(const Enforcement& e) const {
    EnforcementPolicy policy = policy_;
    if (of_rule(e.cause.kind)) {
        for (const Rule& rule : world_.config->rules) {
            if (rule.name.value == e.cause.name) {
                policy.override_when_pack_failed = rule.pack.override_when_failed;
                policy.respect_activity = rule.respect_activity;
            }
        }
    }
    if (e.cause.kind == CauseKind::budget) {
        policy.pack_within = pack_within(e.cause, e.run);
    }
    return policy;
}

// ---- what is written with a transition -----------------------------------------------------------

AuditRow Enforcer::audit(const Enforcement& e, std::string kind, std::string text) const {
    return {.seq = 0,
            .at = world_.scheduler.wall(),
            .kind = std::move(kind),
            .account = e.account,
            .resource = e.resource,
            .run = e.run,
            .actor = e.cause.kind == CauseKind::manual ? e.cause.name : "curfewd",
            .text = std::move(text)};
}

Batch Enforcer::record(Active& active, const EnforcementEvent& event, const Transition& t) {
    Batch batch;
    if (active.receipt && std::holds_alternative<event::PackDone>(event)) {
        CURFEW_ASSERT(active.receipt->verified && active.receipt->run == t.next.run, "I1");
        batch.emplace_back(*active.receipt);
    }
    batch.emplace_back(t.next);
    if (active.e.state != t.next.state || active.e.reason != t.next.reason) {
        batch.emplace_back(
            audit(t.next, "enforcement." + std::string{to_string(t.next.state)}, t.next.reason));
    }
    // That a look before a pack or a stop found no quiet is durable with what follows from it, or the clock would go
    // on after a restart (I2).
    const LiveResource* live = resource_of(active.e);
    if (live != nullptr && live->current.run.id == active.e.run && !live->current.clock.last_quiet_at) {
        batch.emplace_back(QuietRow{.run = active.e.run, .clock = live->current.clock});
    }
    record_outcomes(active, event, batch);
    record_intents(active, t, batch);
    record_messages(active, t, batch);
    return batch;
}

void Enforcer::record_outcomes(Active& active, const EnforcementEvent& event, Batch& batch) {
    if (mutant(Mutant::outcome_not_written)) {
        return;
    }
    const auto close = [&](const std::string& act, std::string outcome) {
        const auto open = active.open_intents.find(act);
        if (open != active.open_intents.end()) {
            batch.emplace_back(OutcomeRow{
                .intent = open->second, .outcome = std::move(outcome), .at = world_.scheduler.wall()});
            active.open_intents.erase(open);
        }
    };
    if (const auto* done = std::get_if<event::PackDone>(&event)) {
        close("pack", "receipt " + done->receipt.value);
    } else if (const auto* failed = std::get_if<event::PackFailed>(&event)) {
        close("pack", to_string(failed->error));
    } else if (const auto* answer = std::get_if<event::StopAnswered>(&event)) {
        close(stop_act(active.e), words(answer->answer) + (answer->text.empty() ? "" : ": " + answer->text));
    } else if (std::holds_alternative<event::Seen>(event) && active.e.state == EnforcementState::confirming) {
        close(stop_act(active.e), "unknown: the daemon restarted before the answer; looked up");
    } else if (std::holds_alternative<event::Looked>(event) && active.e.state == EnforcementState::due) {
        close("pack", "unknown: the daemon restarted in mid-pack");
    }
}

void Enforcer::record_intents(Active& active, const Transition& t, Batch& batch) {
    const auto open = [&](const std::string& act) {
        IntentRow intent{.id = "int_" + world_.entropy.hex(8),
                         .enforcement = t.next.id,
                         .run = t.next.run,
                         .act = act,
                         .at = world_.scheduler.wall()};
        active.open_intents[act] = intent.id;
        batch.emplace_back(std::move(intent));
    };
    for (const Effect effect : t.effects) {
        if (effect == Effect::pack) {
            open("pack");
        } else if (effect == Effect::call_stop) {
            open(stop_act(t.next));
            batch.emplace_back(audit(t.next, "stop.called",
                                     "stop of this very run by the " + std::string{to_string(t.next.method)} +
                                         (t.next.receipt ? ", receipt " + t.next.receipt->value
                                                         : ", without a pack: " + t.next.override_->reason)));
        }
    }
    if (t.next.state == EnforcementState::over) {
        for (const auto& [act, id] : active.open_intents) {
            batch.emplace_back(OutcomeRow{
                .intent = id, .outcome = "given up: " + t.next.reason, .at = world_.scheduler.wall()});
        }
        active.open_intents.clear();
    }
}

void Enforcer::count_stop(const Enforcement& e, Batch& batch) {
    if (!of_rule(e.cause.kind) || mutant(Mutant::breaker_not_counted)) {
        return;
    }
    const Instant now = world_.scheduler.mono();
    auto& stops = stops_by_rule_[e.cause.name];
    std::erase_if(stops, [&](const auto& entry) { return now - entry.second > hours{1}; });
    stops.insert_or_assign(e.run, now);
    int running = static_cast<int>(stops.size());
    for (const auto& [id, live] : world_.picture.resources) {
        running += bills(live.current.run.state) && !stops.contains(live.current.run.id) ? 1 : 0;
    }
    if (breaker_trips(static_cast<int>(stops.size()) + 1, running) && !breaker_open(e.cause.name)) {
        const std::string why = std::to_string(stops.size()) + " stops within an hour";
        const Breaker breaker{
            .rule = RuleName{e.cause.name}, .why = why, .at = world_.scheduler.wall(), .open = true};
        world_.picture.breakers[breaker.rule] = breaker;
        batch.emplace_back(breaker);
        batch.emplace_back(audit(e, "breaker.open", "rule " + e.cause.name + ": " + why));
        Message m;
        m.kind = AlertKind::breaker;
        m.severity = Severity::critical;
        m.title = "Rule " + e.cause.name + " made " + why + " and only warns from now on: money goes on";
        m.body = {
            "More than a quarter of what runs would have been stopped by one rule. If that is right, "
            "let it act again with the command; neither a reload nor a restart does."};
        m.do_next = "curfew rule reset " + e.cause.name;
        m.account = e.account;
        m.rule = breaker.rule;
        m.cause = "rule " + e.cause.name;
        alarms_.raise("breaker/" + e.cause.name, std::move(m), batch);
    }
}

void Enforcer::record_for_rule(const Enforcement& e, const LiveResource& live, RuleEventKind kind,
                               Batch& batch) {
    if (of_rule(e.cause.kind)) {
        batch.emplace_back(RuleEvent{.rule = RuleName{e.cause.name},
                                     .kind = kind,
                                     .at = world_.scheduler.wall(),
                                     .resource = e.resource,
                                     .run = e.run,
                                     .name = live.resource.name});
    }
}

void Enforcer::record_messages(Active& active, const Transition& t, Batch& batch) {
    const LiveResource* live = resource_of(active.e);
    const Enforcement& e = t.next;
    if (live != nullptr) {
        record_messages(active, *live, t, batch);
    }
    if (e.state == EnforcementState::over) {
        for (const char* what : {"stop/", "stop_failed/", "pack_failed/", "undelivered/"}) {
            alarms_.resolve(what + e.run.value, std::nullopt, batch);
        }
    }
}

void Enforcer::record_messages(Active& active, const LiveResource& live, const Transition& t, Batch& batch) {
    const Enforcement& e = t.next;
    const bool tells = live.mode >= Mode::warn || e.cause.kind == CauseKind::manual;
    messages::Subject subject = messages::subject_of(live, e, world_.scheduler.now(), *world_.config);
    subject.pack_within = policy_for(e).pack_within;
    const std::string failed_key = "stop_failed/" + e.run.value;
    const std::string pack_key = "pack_failed/" + e.run.value;
    for (const Effect effect : t.effects) {
        switch (effect) {
            case Effect::warn: {
                if (!tells) {
                    batch.emplace_back(audit(e, "would.warn", e.reason));
                    break;
                }
                Message warning = of_cause(messages::stop_warning(subject, world_.entropy), e.cause);
                if (subject.may_keep) {
                    warning.keep_url = unsigned_keep_url(world_.config->keep_link, warning, subject.now);
                }
                if (alarms_.warn(stop_key(e.run), std::move(warning), e.id, e.warned_step, batch)) {
                    active.told = true;
                } else {
                    active.unheard = e.warned_step;
                    batch.emplace_back(
                        audit(e, "warning.silenced", "a silence names it: it counts as given"));
                }
                break;
            }
            case Effect::tell_cancelled:
                if (alarms_.firing(stop_key(e.run))) {
                    alarms_.resolve(stop_key(e.run), of_cause(messages::stop_cancelled(subject), e.cause),
                                    batch);
                } else if (active.told) {  // by a version that gave a warning no life
                    alarms_.tell(of_cause(messages::stop_cancelled(subject), e.cause), batch);
                }
                break;
            case Effect::tell_stopped:
                alarms_.resolve(failed_key, std::nullopt, batch);
                alarms_.resolve(pack_key, std::nullopt, batch);
                alarms_.conclude(stop_key(e.run),
                                 of_cause(messages::stopped(subject, active.receipt), e.cause), batch);
                record_for_rule(e, live, RuleEventKind::stop, batch);
                break;
            case Effect::alert_pack_failed:
                alarms_.raise(pack_key, of_cause(messages::pack_failed(subject), e.cause), batch);
                break;
            case Effect::alert_stop_failed:
            case Effect::alert_unauthorized:
                alarms_.raise(failed_key, of_cause(messages::stop_failed(subject), e.cause), batch);
                break;
            case Effect::alert_undelivered:
                alarms_.raise("undelivered/" + e.run.value, of_cause(messages::undelivered(subject), e.cause),
                              batch);
                break;
            case Effect::record_would_stop:
                batch.emplace_back(audit(e, "would.stop", e.reason));
                if (live.on_trial) {
                    record_for_rule(e, live, RuleEventKind::would_stop, batch);
                }
                if (tells) {
                    alarms_.tell(of_cause(messages::would_stop(subject), e.cause), batch);
                }
                break;
            case Effect::call_stop:
                count_stop(e, batch);
                break;
            case Effect::look_fresh:
            case Effect::pack:
            case Effect::cancel_pack:
            case Effect::fence:
            case Effect::look_up:
                break;
        }
    }
}

// ---- effects -------------------------------------------------------------------------------------

void Enforcer::act(Active& active, const std::vector<Effect>& effects) {
    const RunId& run = active.e.run;
    for (const Effect effect : effects) {
        switch (effect) {
            case Effect::look_fresh:
            case Effect::fence:
                if (!std::exchange(active.looking, true)) {
                    tasks_.spawn("look " + run.value, do_look(run, effect == Effect::fence));
                }
                break;
            case Effect::look_up:
                if (!std::exchange(active.looking, true)) {
                    tasks_.spawn("look up " + run.value, do_look_up(run));
                }
                break;
            case Effect::pack:
                active.pack_task = tasks_.spawn("pack " + run.value, do_pack(run));
                break;
            case Effect::cancel_pack:
                tasks_.cancel(active.pack_task);
                break;
            case Effect::call_stop:
                CURFEW_ASSERT(!active.calling, "I4: one stop call at a time");
                active.calling = true;
                tasks_.spawn("stop " + run.value, do_stop(run));
                break;
            case Effect::warn:
            case Effect::tell_cancelled:
            case Effect::tell_stopped:
            case Effect::alert_pack_failed:
            case Effect::alert_stop_failed:
            case Effect::alert_unauthorized:
            case Effect::alert_undelivered:
            case Effect::record_would_stop:
                break;  // rows of the transition itself
        }
    }
}

}  // namespace curfew
