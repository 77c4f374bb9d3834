// The fourth promise, no surprise: a message says what Curfew may do, why it does not, and what it will.
#include "simulation/judge_model.hpp"

#include <algorithm>

namespace curfew::simulation {

namespace {

bool says(const Message& message, const std::string& text) {
    return message.title.find(text) != std::string::npos ||
           std::ranges::any_of(message.body,
                               [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

/// That something is stopped, now or at a time that it names.
bool announces_stop(const Message& message) {
    return message.stops_at ||
           (message.kind == AlertKind::budget_threshold && says(message, "packed and stopped")) ||
           (message.kind == AlertKind::stop_warning && says(message, "will be packed and stopped"));
}

}  // namespace

/// May what stands behind the message stop anything that it is about?
bool Judge::may_stop(const Config& config, const Message& message) const {
    Mode behind = Mode::enforce;
    const std::vector<std::string>* accounts = nullptr;
    if (!message.budget.empty() && !model_->edited.contains(message.budget)) {  // set by hand, it always acts
        const auto budget = std::ranges::find(config.budgets, message.budget, &Budget::name);
        if (budget == config.budgets.end()) {
            return false;
        }
        behind = budget->mode;
        accounts = &budget->scope.accounts;
    } else if (message.budget.empty() && !message.rule.empty()) {
        const auto rule = std::ranges::find(config.rules, message.rule, &Rule::name);
        if (rule == config.rules.end()) {
            return false;
        }
        behind = rule->mode;
    }
    return std::ranges::any_of(config.accounts, [&](const AccountConfig& account) {
        const bool of_it = !message.account.empty()
                               ? account.name == message.account
                               : accounts == nullptr || accounts->empty() ||
                                     std::ranges::any_of(*accounts, [&](const auto& glob) {
                                         return own_glob(glob, account.name.value);
                                     });
        return of_it && weaker(own_mode(config, account.name), behind) == Mode::enforce;
    });
}

void Judge::judge_words(const Batch& batch, Moment at) {
    Model& m = *model_;
    for (const auto* row : all_of<OutboxRow>(batch)) {
        const Message& message = row->message;
        const bool fresh = message.telling == Telling::notice || message.telling == Telling::firing ||
                           message.telling == Telling::rise;
        if (!fresh || !announces_stop(message) || m.config() == nullptr) {
            continue;
        }
        // It was written by the configuration of its time, and may be durable much later.
        const Instant written = at.mono - waited(message.at, at) - knowledge_lag;
        bool may = false;
        for (std::size_t i = m.configs.size(); i-- > 0 && !may;) {
            may = may_stop(*m.configs[i].second, message);
            if (m.configs[i].first < written) {
                break;
            }
        }
        if (!may) {
            violated("I8", at, "\"" + message.title + "\" is told, and no mode in force lets it be done");
        }
    }
    for (const auto* row : all_of<AuditRow>(batch)) {
        if (row->kind != "budget.admission") {
            continue;
        }
        tally_.mark("budget.admission");
        const bool somebody = m.config() != nullptr && !m.config()->routing.channels.empty();
        const bool told = std::ranges::any_of(batch, [&](const Write& write) {
            const auto* message = std::get_if<OutboxRow>(&write);
            const auto* silenced = std::get_if<AuditRow>(&write);
            return (message != nullptr && message->message.kind == AlertKind::budget_threshold &&
                    message->message.run == row->run) ||
                   (silenced != nullptr && silenced->kind == "notice.silenced" && silenced->run == row->run);
        });
        if (somebody && !told) {
            violated("I8", at,
                     row->run.value +
                         " was started on what is left of a budget, and its transaction tells nobody");
        }
    }
    for (const auto* row : all_of<Enforcement>(batch)) {
        if (row->state != EnforcementState::over || row->outcome != "cancelled") {
            continue;
        }
        for (const auto* told : all_of<OutboxRow>(batch)) {
            const Message& message = told->message;
            if (message.key == "stop/" + row->run.value && message.telling == Telling::resolved &&
                !says(message, row->reason)) {
                violated("I8", at,
                         "the stop of " + row->run.value + " is called off (" + row->reason +
                             "), and those who were warned are told \"" + message.title + "\"");
            }
        }
    }
}

}  // namespace curfew::simulation
