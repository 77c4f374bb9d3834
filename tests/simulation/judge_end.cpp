// I9 and I13: after the calm everything has come to its end.
#include "simulation/judge_model.hpp"

#include <algorithm>

namespace curfew::simulation {

namespace {

constexpr Duration intent_longest = minutes{30};
constexpr Duration stop_slack = hours{3};  // beyond limit and ladder: notice, pack, confirmation
constexpr Duration outlived_longest = hours{6};
constexpr Duration outbox_longest = hours{30};  // the last pause of its schedule, with its jitter
constexpr std::size_t tasks_usual = 24;

}  // namespace

std::string Judge::state_of(const RunId& run) const {
    const auto live = model_->live.find(run);
    if (live == model_->live.end()) {
        return {};
    }
    const Enforcement& e = model_->enforcements.at(live->second).row;
    return ", " + std::string{to_string(e.state)} + ": " + e.reason;
}

bool Judge::held(const RunTruth& truth, Moment at) const {
    return std::ranges::any_of(model_->holds, [&](const auto& entry) {
        const Hold& hold = entry.second.row;
        return hold.resource == truth.run.resource && !hold.released_at &&
               hold.until + stop_slack > at.wall && (hold.run.empty() || hold.run == truth.run.run);
    });
}

/// The rule of a run that is on, where nothing but a hold may keep it from acting; nullptr else.
const Rule* Judge::must_act(const RunTruth& truth, Moment at) const {
    const Model& m = *model_;
    const Config* config = m.config();
    const auto resource = m.resources.find(truth.run.resource);
    if (truth.ended || config == nullptr || resource == m.resources.end()) {
        return nullptr;
    }
    const ResourceRow& row = resource->second;
    const auto live = m.live.find(truth.run.run);
    const bool needs_person = live != m.live.end() &&
                              m.enforcements.at(live->second).row.state == EnforcementState::held;
    const Rule* rule = own_rule(*config, row, truth.run.machine_type);
    const bool is_protected = std::ranges::any_of(
        config->protect, [&](const std::string& glob) { return own_glob(glob, row.name); });
    Mode mode = config->mode;
    for (const AccountConfig& account : config->accounts) {
        const bool weak = account.name == truth.run.account && account.mode != "enforce";
        mode = weak ? Mode::observe : mode;
    }
    if (rule == nullptr || is_protected || mode != Mode::enforce || needs_person ||
        rule->mode != Mode::enforce) {
        return nullptr;
    }
    const auto trial = m.trials.find(rule->name);
    const Duration tried = trial == m.trials.end() ? Duration{0} : trial->second.tried;
    const bool on_trial = tried < rule->observe_first + stop_slack && rule->observe_first > Duration{0};
    const auto breaker = m.breakers.find(rule->name);
    const bool broken = breaker != m.breakers.end() && breaker->second.row.open;
    const bool maintained = std::ranges::any_of(m.silences, [&](const auto& entry) {
        return entry.second.row.kind == SilenceKind::maintenance &&
               entry.second.row.until + stop_slack > at.wall;
    });
    // A configuration that is new gives a whole ladder again.
    const Duration steady = at.mono - m.configs.back().first;
    const bool new_rule = steady < rule->idle_limit + stop_slack;
    return on_trial || broken || maintained || new_rule ? nullptr : rule;
}

/// What outlasts its age, or the beginning of its off hours, whether at work or not: asked in the calm, since who is
/// not stopped by these is so by his idleness later.
void Judge::judge_outlasting(Moment at) {
    Model& m = *model_;
    if (!m.calm_since || (m.outlasting_checked && at.mono - *m.outlasting_checked < minutes{20})) {
        return;
    }
    m.outlasting_checked = at.mono;
    for (const auto& [id, truth] : m.runs) {
        // What was in its way a moment ago leaves it a whole ladder, and the time to act.
        Instant& free = m.free_since.try_emplace(id, std::max(*m.calm_since, truth.began.mono)).first->second;
        Instant& unheld = m.unheld_since.try_emplace(id, free).first->second;
        const Rule* rule = must_act(truth, at);
        free = rule == nullptr ? at.mono : free;
        unheld = rule == nullptr || held(truth, at) ? at.mono : unheld;
        if (rule == nullptr || at.mono - *m.calm_since < stop_slack * 2 || at.mono - free < stop_slack * 2 ||
            at.mono - truth.began.mono < rule->start_grace + stop_slack || m.outlasted.contains(id)) {
            continue;
        }
        // An age outranks every hold.
        const bool too_old = rule->max_age && at.mono - truth.began.mono > *rule->max_age + stop_slack;
        const auto overdue = rule->respect_activity ? std::nullopt : own_overdue(*rule, truth, at.wall);
        const bool off_hours = overdue && *overdue > hours{1} + stop_slack &&
                               at.mono - unheld >= stop_slack * 2;
        if (too_old || off_hours) {
            m.outlasted.insert(id);
            violated("I9", at,
                     id.value + " is " +
                         (too_old ? words(at.mono - truth.began.mono) + " old"
                                  : words(*overdue) + " into its off hours") +
                         " and still on" + state_of(id));
        }
    }
}

void Judge::judge_calm(const End& end, Moment at) {
    Model& m = *model_;
    if (!end.audit) {
        violated("I5", at, "the chain of the audit is broken: " + to_string(end.audit.error()));
    } else if (*end.audit != 0 && *end.audit != m.audit_rows) {
        violated("I5", at,
                 std::to_string(m.audit_rows) + " audit rows were committed, and there are " +
                     std::to_string(*end.audit));
    }
    for (const IntentRow& row : end.open_intents) {
        const auto intent = m.intents.find(row.id);
        if (intent == m.intents.end() || at.mono - intent->second.at > intent_longest) {
            violated("I5", at,
                     "intent " + row.id + " (" + row.act + " of " + row.run.value + ") has no outcome");
        }
    }
    for (const OutboxRow& row : end.waiting) {
        const auto known = m.outbox.find(row.id);
        const Duration age = known == m.outbox.end() ? hours{1000} : at.mono - known->second.at;
        const bool calm_long = m.calm_since && at.mono - *m.calm_since > outbox_longest;
        if (calm_long && age > outbox_longest) {
            violated("I9", at,
                     "outbox row " + row.id + " (" + std::string{to_string(row.message.kind)} +
                         ") still waits after " + words(age) + ": " + row.last_error);
        }
    }
    if (end.tasks_running > tasks_usual + end.existing) {
        violated("I13", at, std::to_string(end.tasks_running) + " tasks are alive");
    }
    if (end.pictured > end.existing + 8) {
        violated("I13", at,
                 "the picture holds " + std::to_string(end.pictured) + " resources of " +
                     std::to_string(end.existing));
    }
    if (!m.calm_since) {
        return;
    }
    for (const auto& [id, durable] : m.enforcements) {
        const auto truth = m.runs.find(durable.row.run);
        if (durable.row.live() && truth != m.runs.end() && truth->second.ended &&
            at.mono - truth->second.ended->mono > outlived_longest) {
            violated("I9", at,
                     "enforcement " + id.value + " is " + std::string{to_string(durable.row.state)} +
                         ", and " + durable.row.run.value + " ended " +
                         words(at.mono - truth->second.ended->mono) + " ago");
        }
    }
    for (const auto& [id, truth] : m.runs) {
        const auto live = m.live.find(id);
        const Enforcement* e = live == m.live.end() ? nullptr : &m.enforcements.at(live->second).row;
        const Duration in_state = e == nullptr ? Duration{0} : at.mono - m.state_since.at(live->second);
        using State = EnforcementState;
        const bool under_way = e != nullptr && e->state != State::warned && e->state != State::held;
        if (!truth.ended && under_way && in_state > hours{2}) {
            violated("I9", at,
                     "enforcement of " + id.value + " hangs in " + std::string{to_string(e->state)} +
                         " for " + words(in_state) + ": " + e->reason);
        }
        const Rule* rule = must_act(truth, at);
        if (rule == nullptr || held(truth, at)) {
            continue;
        }
        const Duration since_calm = at.mono - *m.calm_since;
        // What a probe once saw counts for a rule that probes. Metrics that were asked and cannot say are no reason to
        // take anybody for quiet, also where nobody else is asked.
        const bool probed = rule->probe.enabled && truth.probed;
        const bool measurable = truth.newest.contains(Signal::metrics);
        const bool partial = truth.newest.contains(Signal::kernels) && !probed &&
                             (measurable ? newest_is(truth, Signal::metrics, Verdict::unknown)
                                         : !rule->accept_partial);
        const Duration wanted = rule->idle_limit * 2 + own_ladder_head(*rule) * 2 + rule->start_grace +
                                stop_slack;
        // A stalled kernel is told from one at work by probes.
        const bool unsure = newest_is(truth, Signal::kernels, Verdict::active) &&
                            !(rule->probe.enabled && newest_is(truth, Signal::processes, Verdict::quiet));
        if (!partial && !unsure && truth.own.quiet > wanted && since_calm > wanted) {
            violated(
                "I9", at,
                id.value + " was quiet for " + words(truth.own.quiet) + " and is still on" + state_of(id));
        }
    }
    judge_outlasting(at);
    tally_.mark("ended");
}

}  // namespace curfew::simulation
