// What an enforcement says of its own way: that its run is off, that a rule stopped too many, for whom it is.
#include "simulation/judge_model.hpp"

#include <algorithm>

namespace curfew::simulation {

namespace {

using State = EnforcementState;

constexpr int sightings_needed = 2;
constexpr int relooks_needed = 2;
constexpr std::size_t stops_before_breaker = 2;
constexpr Duration breaker_window = hours{1} + minutes{1};
constexpr Duration heard_within = minutes{15};
constexpr int polls_within = 3;

}  // namespace

/// "Stopped" is said of what the provider called off twice in a row, and is over once it was looked at twice again.
void Judge::judge_sightings(const Enforcement& row, State before, Moment at) {
    Model& m = *model_;
    const auto truth = m.runs.find(row.run);
    if (truth == m.runs.end()) {
        return;
    }
    const Instant since = m.left_state[row.id];
    int off = 0;
    int most_off = 0;
    int later = 0;
    for (const auto& [when, on] : truth->second.looked_up) {
        later += when > since ? 1 : 0;
        if (when >= since) {
            off = on ? 0 : off + 1;
            most_off = std::max(most_off, off);
        }
    }
    // An answer that a crash swallowed was none.
    const bool died = !m.down.empty() && m.down.back().first >= since;
    if (row.state == State::stopped && before == State::confirming && !died && most_off < sightings_needed) {
        violated("I9", at,
                 row.run.value + " is called stopped, and was not seen off " +
                     std::to_string(sightings_needed) + " times in a row");
    }
    if (row.state == State::over && before == State::stopped && later < relooks_needed) {
        violated(
            "I9", at,
            row.run.value + " was looked at " + std::to_string(later) + " times since it was called stopped");
    }
}

/// A breaker opens over stops of its own rule, and not over the first.
void Judge::judge_breaker(const Breaker& row, const Batch& batch, Moment at) {
    Model& m = *model_;
    auto& meant = m.meant_by_rule[row.rule.value];
    const Instant counted = asked_at(m.breaker_asked, row.rule.value, at.mono);
    std::erase_if(meant, [&](const auto& entry) { return counted - entry.first > breaker_window; });
    std::set<RunId> runs;
    for (const auto& [when, run] : meant) {
        runs.insert(run);
    }
    for (const Write& write : batch) {
        const auto* e = std::get_if<Enforcement>(&write);
        if (e != nullptr && e->state == State::stopping && of_rule(e->cause.kind) &&
            e->cause.name == row.rule.value) {
            runs.insert(e->run);
        }
    }
    if (row.open && runs.size() < stops_before_breaker) {
        violated("I9", at,
                 "the breaker of " + row.rule.value + " opens after " + std::to_string(runs.size()) +
                     " of its stops");
    }
}

/// What a person asked for is soon under way in that one's name, whatever was under way before. A crash may have
/// swallowed the question.
void Judge::judge_asks(const Batch& batch, Moment at) {
    Model& m = *model_;
    for (const auto* row : all_of<AuditRow>(batch)) {
        if (row->kind == "stop.asked") {
            m.unheard.try_emplace(row->run, Model::Ask{.at = at.mono});
        }
    }
    for (const auto* row : all_of<Enforcement>(batch)) {
        const bool sent = row->state == State::stopping || row->state == State::confirming ||
                          row->state == State::stopped;
        if (sent || row->cause.kind == CauseKind::manual) {
            m.unheard.erase(row->run);
        }
    }
    const auto pointless = [&](const RunTruth& truth) {
        const auto name = m.resources.find(truth.run.resource);
        return truth.ended || name == m.resources.end() || m.config() == nullptr ||
               std::ranges::any_of(m.config()->protect, [&](const std::string& glob) {
                   return own_glob(glob, name->second.name);
               });
    };
    for (const auto* poll : all_of<AccountPollRow>(batch)) {
        for (auto ask = m.unheard.begin(); ask != m.unheard.end();) {
            const auto truth = m.runs.find(ask->first);
            if (truth == m.runs.end() || pointless(truth->second)) {
                ask = m.unheard.erase(ask);
                continue;
            }
            ask->second.polls += poll->complete && poll->account == truth->second.run.account ? 1 : 0;
            if (ask->second.polls > polls_within && at.mono - ask->second.at > heard_within) {
                violated("I9", at,
                         "somebody asked for a stop of " + ask->first.value + ", and it is not under way");
                ask = m.unheard.erase(ask);
                continue;
            }
            ++ask;
        }
    }
}

}  // namespace curfew::simulation
