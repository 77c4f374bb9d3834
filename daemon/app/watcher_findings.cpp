// What a poll finds beside stops, and tells: runs that nobody can see, what has no price, budgets that are crossed.
#include "curfew/app/messages.hpp"
#include "curfew/app/watcher.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace curfew {

namespace {

constexpr Duration blind_after = minutes{15};
constexpr Duration blind_critical_after = hours{6};

/// One crossing of one budget in one period, of which a run is one too.
std::string crossing_key(const BudgetName& budget, const std::string& period, const std::string& threshold) {
    return "budget/" + budget.value + "/" + period + "/" + threshold;
}

/// May the budget end anything in an account that it covers?
bool acts(const Config& config, const Treasurer::Finding& finding) {
    return std::ranges::any_of(config.accounts, [&](const AccountConfig& account) {
        const bool covered = finding.resource != nullptr ? finding.resource->resource.account == account.name
                                                         : covers(finding.budget->scope, account);
        return covered && weakest(finding.budget->mode, mode_in_force(config, &account)) == Mode::enforce;
    });
}

}  // namespace

void Watcher::judge_unseen(Batch& batch) {
    std::set<std::string> firing;
    for (const auto& [id, live] : world_.picture.resources) {
        const LiveRun& run = live.current;
        const Duration unseen = run.unseen_since ? world_.scheduler.mono() - *run.unseen_since : Duration{0};
        const bool blind = run.run.state == RunState::running && unseen >= blind_after && !live.rule.empty();
        const bool odd = run.run.state == RunState::unknown && run.absent_in_complete_lists == 0;
        if (live.resource.account != account_ || (!blind && !odd)) {
            continue;
        }
        const std::string name = messages::printable(live.resource.name);
        const std::string price = live.price != nullptr
                                      ? " " + to_string(live.price->rate.per_hour) + " an hour"
                                      : "";
        Message m = message(
            AlertKind::blind, unseen >= blind_critical_after ? Severity::critical : Severity::warning,
            odd ? name + " goes on billing" + price + ": it is in a state that Curfew does not know (\"" +
                      messages::printable(run.run.state_text) + "\"), so no rule stops it"
                : name + " goes on billing" + price + ": nobody could see for " + messages::in_words(unseen) +
                      " whether it is at work, so no rule stops it");
        m.body = {"Why: " + run.judgement.step + "."};
        m.do_next = "curfew explain " + id.value;
        messages::concern(m, live);
        m.run = run.run.id;
        const std::string key = (odd ? "state/" : "blind/") + account_.value + "/" + run.run.id.value;
        firing.insert(key);
        alarms_.raise(key, std::move(m), batch);
    }
    alarms_.resolve_others("blind/" + account_.value + "/", firing, batch);
    alarms_.resolve_others("state/" + account_.value + "/", firing, batch);
}

void Watcher::judge_money(Batch& batch) {
    std::set<std::string> firing;
    for (const auto& [id, live] : world_.picture.resources) {
        if (live.resource.account == account_ && live.current.meter && !live.current.meter->tariff.priced()) {
            const std::string& type = live.current.run.machine_type;
            Message m = message(AlertKind::unpriced, Severity::warning,
                                "What " + messages::printable(live.resource.name) +
                                    " costs is not counted: machine type " + messages::printable(type) +
                                    " has no price");
            m.do_next = "add a row for " + messages::printable(type) +
                        " to the file named by daemon.price_overrides";
            const std::string key = "unpriced/" + account_.value + "/" + type;
            firing.insert(key);
            alarms_.raise(key, std::move(m), batch);
        }
    }
    for (const auto& [id, live] : world_.picture.add_ons) {
        if (live.account == account_ && live.meter.open && !live.meter.tariff.priced()) {
            Message m = message(AlertKind::unpriced, Severity::warning,
                                "What " + messages::printable(live.add_on.name) + " costs is not counted: " +
                                    messages::printable(live.meter.sku) + " has no price");
            const bool machine = live.add_on.kind == AddOnKind::machine;
            m.do_next = "add a row for it to the file named by daemon." +
                        std::string{machine ? "price_overrides" : "add_on_prices"};
            const std::string key = "unpriced/" + account_.value + "/" + live.meter.sku;
            firing.insert(key);
            alarms_.raise(key, std::move(m), batch);
        }
    }
    alarms_.resolve_others("unpriced/" + account_.value + "/", firing, batch);
    judge_budgets(batch);
}

/// Before the first list of this process no more is known than was judged before, nor what day it is at the provider's.
void Watcher::judge_budgets(Batch& batch) {
    const auto& accounts = world_.picture.accounts;
    if (std::ranges::none_of(accounts,
                             [](const auto& each) { return each.second.last_success_mono.has_value(); })) {
        return;
    }
    const Config& all = *world_.config;
    const auto judged = treasurer_.judge(all, books_.take_rows(), world_.scheduler.now(), batch);
    const auto note = [&](const Message& m, std::string kind) {
        batch.emplace_back(AuditRow{.seq = 0,
                                    .at = world_.scheduler.wall(),
                                    .kind = std::move(kind),
                                    .account = m.account.empty() ? account_ : m.account,
                                    .resource = m.resource,
                                    .run = m.run,
                                    .actor = "curfewd",
                                    .text = m.title});
    };
    // What ends things first: it says what those below it would say.
    for (const bool hard : {true, false}) {
        for (const auto& finding : judged.findings) {
            if (stops(finding.crossing.threshold.action) == hard) {
                Message m = messages::budget_threshold(finding, acts(all, finding));
                m.budget = finding.budget->name;
                note(m, "budget.threshold");
                alarms_.raise(crossing_key(m.budget, finding.crossing.period,
                                           finding.crossing.threshold.key(finding.budget->amount)),
                              std::move(m), batch);
            }
        }
    }
    for (const auto& admission : judged.admissions) {
        const Resource& resource = admission.resource->resource;
        const Mode mode = weakest(admission.budget->mode,
                                  mode_in_force(all, world_.account(resource.account)));
        Message m = messages::budget_admission(
            admission, mode == Mode::enforce && !protected_by_name(all, resource), world_.scheduler.wall());
        m.budget = admission.budget->name;
        note(m, "budget.admission");
        alarms_.tell(std::move(m), batch);
    }
    std::set<std::string> crossed;
    for (const Budget& budget : all.budgets) {
        const auto live = world_.picture.budgets.find(budget.name);
        if (live == world_.picture.budgets.end()) {
            continue;
        }
        // A threshold of an amount that is not in force any more is over, and hides no other.
        const auto add = [&](const BudgetState& state) {
            for (const Threshold& threshold : budget.thresholds) {
                const std::string key = threshold.key(budget.amount);
                if (std::ranges::find(state.fired, key) != state.fired.end()) {
                    crossed.insert(crossing_key(budget.name, state.period.id, key));
                }
            }
        };
        add(live->second);
        for (const auto& [run, state] : live->second.runs) {
            add(state);
        }
    }
    alarms_.resolve_others("budget/", crossed, batch);
}

}  // namespace curfew
