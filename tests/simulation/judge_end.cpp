// I9 and I13: after the calm everything has come to its end.
#include "simulation/judge_model.hpp"

#include <algorithm>

namespace curfew::simulation {

namespace {

constexpr Duration intent_longest = minutes{30};
constexpr Duration stop_slack = hours{3};       // beyond limit and ladder: grace, notice, pack, confirmation
constexpr Duration outbox_longest = hours{30};  // the last pause of its schedule, with its jitter
constexpr std::size_t tasks_usual = 24;

}  // namespace

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
    const Config* config = m.config();
    for (const auto& [id, truth] : m.runs) {
        const auto resource = m.resources.find(truth.run.resource);
        if (truth.ended || config == nullptr || resource == m.resources.end()) {
            continue;
        }
        const ResourceRow& row = resource->second;
        const auto live = m.live.find(id);
        const Enforcement* e = live == m.live.end() ? nullptr : &m.enforcements.at(live->second).row;
        const Duration in_state = e == nullptr ? Duration{0} : at.mono - m.state_since.at(live->second);
        using State = EnforcementState;
        const bool under_way = e != nullptr && e->state != State::warned && e->state != State::held;
        if (under_way && in_state > hours{2}) {
            violated("I9", at,
                     "enforcement of " + id.value + " hangs in " + std::string{to_string(e->state)} +
                         " for " + words(in_state) + ": " + e->reason);
        }
        const bool needs_person = e != nullptr && e->state == State::held;
        const Rule* rule = own_rule(*config, row, truth.run.machine_type);
        const bool is_protected = std::ranges::any_of(
            config->protect, [&](const std::string& glob) { return own_glob(glob, row.name); });
        const bool held = std::ranges::any_of(m.holds, [&](const auto& entry) {
            const Hold& hold = entry.second.row;
            return hold.resource == truth.run.resource && !hold.released_at &&
                   hold.until + stop_slack > at.wall && (hold.run.empty() || hold.run == id);
        });
        Mode mode = config->mode;
        for (const AccountConfig& account : config->accounts) {
            const bool weak = account.name == truth.run.account && account.mode != "enforce";
            mode = weak ? Mode::observe : mode;
        }
        if (rule == nullptr || is_protected || mode != Mode::enforce || needs_person ||
            rule->mode != Mode::enforce) {
            continue;
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
        if (on_trial || broken || maintained || steady < rule->idle_limit + stop_slack) {
            continue;
        }
        const Duration since_calm = at.mono - *m.calm_since;
        // An age outranks every hold.
        if (rule->max_age && at.mono - truth.began.mono > *rule->max_age + stop_slack &&
            since_calm > stop_slack * 2) {
            violated("I9", at,
                     id.value + " is " + words(at.mono - truth.began.mono) + " old and still on" +
                         (e != nullptr ? ", " + std::string{to_string(e->state)} + ": " + e->reason : ""));
        }
        if (held) {
            continue;
        }
        const bool partial = truth.newest.contains(Signal::kernels) &&
                             !truth.newest.contains(Signal::metrics) && !truth.probed &&
                             !rule->accept_partial;
        const Duration wanted = rule->idle_limit * 2 + own_ladder_head(*rule) * 2 + stop_slack;
        if (!partial && truth.own.quiet > wanted && since_calm > wanted) {
            violated("I9", at,
                     id.value + " was quiet for " + words(truth.own.quiet) + " and is still on" +
                         (e != nullptr ? ", " + std::string{to_string(e->state)} + ": " + e->reason : ""));
        }
    }
    tally_.mark("ended");
}

}  // namespace curfew::simulation
