// I7: a threshold fires when what is durably known to be spent reaches it, not before, and not much later; one that
// stops is ahead of it by what a stop takes; and in a window that rolls it is armed again.
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <limits>

namespace curfew::simulation {

namespace {

constexpr Duration between_checks = minutes{20};
constexpr int checks_needed = 3;
constexpr Duration steady_for = hours{1};
constexpr Wide late_permille = 1010;
constexpr Wide early_permille = 990;
constexpr Wide unarmed_permille = 890;  // of a threshold that is armed again below 90 %
constexpr std::int64_t hour_ms = 3'600'000;
constexpr Duration clock_right{500};

bool counted_by_us(const Threshold& threshold) {
    return (threshold.percent || threshold.amount) && threshold.basis == Basis::accrued;
}

bool counted_by_us(const Budget& budget) {
    return std::ranges::any_of(budget.thresholds, [](const Threshold& each) { return counted_by_us(each); });
}

Wide limit_of(const Budget& budget, const Threshold& threshold) {
    return threshold.percent ? Wide{budget.amount.nanos} * *threshold.percent / 100
                             : Wide{threshold.amount->nanos};
}

bool in_force(const Budget& budget, WallTime now) {
    return budget.period.kind != PeriodKind::fixed ||
           (budget.period.from <= now && now < budget.period.until);
}

/// A window that rolls has no end: stamps may be ahead of our clock.
Period of_now(const Budget& budget, WallTime now) {
    Period period = own_period(budget.period, now, budget.zone);
    if (budget.period.kind == PeriodKind::rolling) {
        period.to = now + hours{24 * 366};
    }
    return period;
}

/// Did it fire, and is not armed again?
bool stands(const Judge::Model& m, const Budget& budget, const Period& period, const std::string& key) {
    const auto found = m.fired.find({budget.name.value, period.id});
    if (found == m.fired.end()) {
        return false;
    }
    int times = 0;
    std::string newest = key;
    while (found->second.contains(newest)) {
        newest = key + " #" + std::to_string(++times + 1);
    }
    const std::string last = times == 1 ? key : key + " #" + std::to_string(times);
    return times > 0 && !found->second.contains(last + " armed");
}

/// Has it fired under another amount in this period?
bool amended(const Judge::Model& m, const BudgetName& budget, const std::string& period,
             std::string_view key) {
    key = key.substr(0, key.rfind(" #"));
    const std::size_t amount = key.rfind(" at ");
    const auto rows = m.fired.find({budget.value, period});
    return amount != std::string_view::npos && rows != m.fired.end() &&
           std::ranges::any_of(rows->second, [&](const std::string& other) {
               return other.starts_with(key.substr(0, amount + 4)) && !other.starts_with(key);
           });
}

bool seen_whole(Judge::Model& m, const Config& config) {
    return std::ranges::all_of(config.accounts,
                               [&](const AccountConfig& account) { return m.seen_whole[account.name]; });
}

/// How long it is from a poll that sees the last money to the end of what runs, at least.
Duration least_lead(const Config& config, const Threshold& threshold) {
    std::optional<Duration> poll;
    for (const AccountConfig& account : config.accounts) {
        poll = std::min(poll.value_or(account.poll_interval), account.poll_interval);
    }
    Duration notice = minutes{10};
    for (const Rule& rule : config.rules) {
        notice = std::min(notice, rule.min_notice);
    }
    return poll.value_or(Duration{0}) +
           (threshold.action == ThresholdAction::stop_now ? std::min<Duration>(notice, minutes{1}) : notice);
}

}  // namespace

/// What the budget counts now: its period, or that of each of its runs that are on.
std::vector<Period> Judge::counted_now(const Budget& budget, WallTime now) const {
    const Model& m = *model_;
    if (budget.period.kind != PeriodKind::run) {
        return {of_now(budget, now)};
    }
    std::vector<Period> runs;
    for (const auto& [key, meter] : m.meters) {
        const auto resource = m.resources.find(meter.resource);
        if (meter.open && meter.kind == MeterKind::compute && resource != m.resources.end() &&
            own_match(budget.scope, resource->second, meter.sku)) {
            runs.push_back(period_of(meter.run));
        }
    }
    return runs;
}

/// Asked after a poll that saw everything.
void Judge::judge_late(Moment at) {
    Model& m = *model_;
    const Config* config = m.config();
    if (config == nullptr || at.mono - m.configs.back().first < steady_for) {
        return;
    }
    judge_lead(*config, at);
    if (!m.thresholds_checked || at.mono - *m.thresholds_checked >= between_checks) {
        m.thresholds_checked = at.mono;
        judge_figures(*config, at);
        judge_overshoot(*config, at);
    }
}

/// Late only counts where several polls have come since.
void Judge::judge_figures(const Config& config, Moment at) {
    Model& m = *model_;
    std::map<std::string, int> late;
    std::map<std::string, int> unarmed;
    const bool whole = seen_whole(m, config);
    for (const Budget& budget : config.budgets) {
        // By hand: the file does not say what is in force.
        if (m.edited.contains(budget.name) || !counted_by_us(budget) || !in_force(budget, calendar(at))) {
            continue;
        }
        const bool rolls = budget.period.kind == PeriodKind::rolling;
        const bool priced = !rolls || std::ranges::all_of(m.ledger, [](const auto& entry) {
            return entry.second.rate.has_value();
        });
        for (const Period& period : counted_now(budget, calendar(at))) {
            const Wide spent = known_spend(budget, period, at.utc);
            for (const Threshold& threshold : budget.thresholds) {
                if (!counted_by_us(threshold)) {
                    continue;
                }
                const std::string key = threshold.key(budget.amount);
                const std::string name = budget.name.value + "/" + period.id + "/" + key;
                const Wide limit = limit_of(budget, threshold);
                const bool fired = stands(m, budget, period, key);
                const auto figures = [&] {
                    return std::to_string(static_cast<std::int64_t>(spent)) + " nano are spent of " +
                           std::to_string(static_cast<std::int64_t>(limit));
                };
                // What fired under another amount is taken for fired until all is seen.
                const bool taken = !whole && amended(m, budget.name, period.id, key);
                if (!fired && !taken && spent * 1000 >= limit * late_permille) {
                    late[name] = m.late[name] + 1;
                    if (late[name] == checks_needed) {
                        violated("I7", at,
                                 "threshold " + key + " of budget " + budget.name.value +
                                     " has not fired in " + period.id + ", and " + figures());
                    }
                }
                if (fired && rolls && whole && priced && !stops(threshold.action) &&
                    spent * 1000 < limit * unarmed_permille) {
                    unarmed[name] = m.unarmed[name] + 1;
                    if (unarmed[name] == checks_needed) {
                        violated("I7", at,
                                 "threshold " + key + " of budget " + budget.name.value +
                                     " is not armed again, and " + figures());
                    }
                }
            }
        }
    }
    m.late = std::move(late);
    m.unarmed = std::move(unarmed);
}

/// What stops is reached early: by what is burnt until a stop that begins now has taken effect.
void Judge::judge_lead(const Config& config, Moment at) {
    Model& m = *model_;
    std::map<std::string, int> late;
    const bool whole = seen_whole(m, config);
    for (const Budget& budget : config.budgets) {
        if (m.edited.contains(budget.name) || !counted_by_us(budget) || !budget.hard() ||
            !in_force(budget, calendar(at)) || m.most_wall_off(at.mono - hours{1}, at.mono) > clock_right) {
            continue;
        }
        for (const Period& period : counted_now(budget, calendar(at))) {
            const Wide spent = known_spend(budget, period, at.utc);
            const Wide burn = known_burn(budget, period);
            for (const Threshold& threshold : budget.thresholds) {
                const std::string key = threshold.key(budget.amount);
                const Duration ahead = least_lead(config, threshold) - minutes{1};
                if (!stops(threshold.action) || !counted_by_us(threshold) ||
                    spent + burn * ahead.count() / hour_ms < limit_of(budget, threshold) ||
                    stands(m, budget, period, key) || (!whole && amended(m, budget.name, period.id, key))) {
                    continue;
                }
                const std::string name = budget.name.value + "/" + period.id + "/" + key;
                late[name] = m.led_late[name] + 1;
                if (late[name] == checks_needed) {
                    violated("I7", at,
                             "threshold " + key + " of budget " + budget.name.value + " has not fired in " +
                                 period.id + ", and what is left lasts for less than a stop takes");
                }
            }
        }
    }
    m.led_late = std::move(late);
}

/// What became durable with it had ended when it fired, and nobody had heard of that: it fired while the disk took
/// nothing.
bool Judge::ends_late(const Batch& batch, const FiredThresholdRow& row, Moment at) const {
    const Instant fired = at.mono - waited(row.at, at);
    return fired < at.mono && std::ranges::any_of(
                                  batch,
                                  [&](const Write& write) {
                                      const auto* meter = std::get_if<Meter>(&write);
                                      const auto truth = meter == nullptr ? model_->runs.end()
                                                                          : model_->runs.find(meter->run);
                                      return truth != model_->runs.end() && !meter->open &&
                                             truth->second.ended && truth->second.ended->mono <= fired;
                                  });
}

/// What notifies or warns waits for the figure itself; what stops is ahead of it.
void Judge::judge_early(const FiredThresholdRow& row, const Batch& batch, Moment at) {
    Model& m = *model_;
    const Config* config = m.config();
    if (config == nullptr || m.edited.contains(row.budget) || row.key.ends_with(" armed") ||
        ends_late(batch, row, at)) {
        return;
    }
    const auto budget = std::ranges::find(config->budgets, row.budget, &Budget::name);
    if (budget == config->budgets.end()) {
        return;
    }
    const std::string fired = row.key.substr(0, row.key.rfind(" #"));
    for (const Threshold& threshold : budget->thresholds) {
        if (stops(threshold.action) || !counted_by_us(threshold) || threshold.key(budget->amount) != fired) {
            continue;
        }
        // A window that rolls has rolled on until it is durable.
        const bool rolls = budget->period.kind == PeriodKind::rolling;
        const Duration since = waited(row.at, at);
        Period period = of_now(*budget, calendar(at) - (rolls ? since : Duration{0}));
        period.id = budget->period.kind == PeriodKind::run ? row.period : period.id;
        tally_.mark("budget.fired.exactly");
        if (period.id == row.period) {
            doubt({.text = "threshold " + row.key + " of budget " + row.budget.value + " fired in " +
                           row.period,
                   .budget = *budget,
                   .period = period,
                   .at = at,
                   .least = limit_of(*budget, threshold) * early_permille / 1000,
                   .below = Wide{1} << 100});
        }
    }
}

/// What it says was spent then is what the durable rows and meters say.
void Judge::judge_figure(const FiredThresholdRow& row, const Batch& batch, Moment at) {
    Model& m = *model_;
    const Config* config = m.config();
    const std::string key = row.key.substr(0, row.key.rfind(" #"));
    const std::string name = "budget/" + row.budget.value + "/" + row.period + "/" + key;
    const Duration since = waited(row.at, at);
    const auto budget = config == nullptr ? std::vector<Budget>::const_iterator{}
                                          : std::ranges::find(config->budgets, row.budget, &Budget::name);
    if (row.key.ends_with(" armed") || config == nullptr || budget == config->budgets.end() ||
        m.edited.contains(row.budget) || m.most_wall_off(at.mono - since - hours{1}, at.mono) > clock_right) {
        return;
    }
    const auto message = std::ranges::find_if(batch, [&](const Write& write) {
        const auto* o = std::get_if<OutboxRow>(&write);
        return o != nullptr && o->message.key == name && o->message.telling == Telling::firing;
    });
    if (message == batch.end() || !std::get<OutboxRow>(*message).message.cost_so_far) {
        return;
    }
    const WallTime then = at.utc - since;
    Period period = of_now(*budget, calendar(at) - since);
    period.id = budget->period.kind == PeriodKind::run ? row.period : period.id;
    // Of what seems to have ended nobody knows yet until when it is billed.
    const bool ending = std::ranges::any_of(m.meters, [&](const auto& entry) {
        const auto truth = m.runs.find(entry.first.first);
        return entry.second.open && truth != m.runs.end() && truth->second.ended;
    });
    if (period.id != row.period || ending || ends_late(batch, row, at)) {
        return;
    }
    const Wide said = std::get<OutboxRow>(*message).message.cost_so_far->nanos;
    const Wide off = known_burn(*budget, period) / 60 + said / 500 + 10;
    // Of what could not be seen it counts no more than was seen, and says so.
    const bool more = std::ranges::any_of(std::get<OutboxRow>(*message).message.body, [](const auto& line) {
        return line.contains("so it may be more");
    });
    tally_.mark(more ? "budget.figure_in_part" : "budget.figure");
    doubt(
        {.text = name + " said that " + std::to_string(static_cast<std::int64_t>(said)) + " nano were spent",
         .budget = *budget,
         .period = period,
         .at = {.mono = at.mono - since, .utc = then, .wall = at.wall - since},
         .least = said - off,
         .below = more ? Wide{std::numeric_limits<std::int64_t>::max()} : said + off + 1});
}

/// A hard budget that was exceeded all the same is on record as such once its period is over.
void Judge::judge_overshoot(const Config& config, Moment at) {
    Model& m = *model_;
    std::set<std::pair<std::string, std::string>> current;
    for (const Budget& budget : config.budgets) {
        const bool ends = has_end(budget.period.kind) || budget.period.kind == PeriodKind::run;
        if (m.edited.contains(budget.name) || !budget.hard() || !ends ||
            budget.period.kind == PeriodKind::fixed) {
            continue;
        }
        for (const Period& period : counted_now(budget, calendar(at))) {
            const std::pair key{budget.name.value, period.id};
            current.insert(key);
            if (known_spend(budget, period, at.utc) * 1000 >= Wide{budget.amount.nanos} * late_permille) {
                m.exceeded.insert_or_assign(key, Model::Exceeded{budget, period, at.mono});
            } else {
                m.exceeded.erase(key);
            }
        }
    }
    for (auto it = m.exceeded.begin(); it != m.exceeded.end();) {
        auto& [key, over] = *it;
        // Who was not there when it ended, or by another clock, or began anew since, may not know it any more.
        const bool unsure = m.configs.back().first >= over.at ||
                            (m.awake_since && *m.awake_since >= over.at) ||
                            m.most_wall_off(over.at - hours{1}, at.mono) > clock_right;
        const auto rows = m.fired.find(key);
        const bool recorded = rows != m.fired.end() && rows->second.contains("overshoot");
        const bool still = known_spend(over.budget, over.period, over.period.to) * 1000 >=
                           Wide{over.budget.amount.nanos} * late_permille;
        const bool due = !unsure && !current.contains(key);
        const bool missed = due && still && !recorded && ++over.checks >= checks_needed;
        if (missed) {
            violated("I7", at,
                     "budget " + key.first + " was exceeded in " + key.second + ", and nothing records it");
        }
        const bool done = unsure || missed || (due && (recorded || !still));
        it = done ? m.exceeded.erase(it) : std::next(it);
    }
}

/// Missing data never resets anything: neither a poll that did not see all, nor what has no price, arms a threshold
/// that it should count for.
void Judge::judge_armed(const FiredThresholdRow& row, const Batch& batch, Moment at) {
    const Model& m = *model_;
    const Config* config = m.config();
    const auto polls = all_of<AccountPollRow>(batch);
    if (config == nullptr || polls.size() != 1 || m.edited.contains(row.budget)) {
        return;
    }
    const auto budget = std::ranges::find(config->budgets, row.budget, &Budget::name);
    if (budget == config->budgets.end()) {
        return;
    }
    const std::string name = "threshold " + row.key + " of budget " + row.budget.value + " in " + row.period;
    const auto covers = [&](const std::string& glob) { return own_glob(glob, polls.front()->account.value); };
    if ((!polls.front()->complete || !polls.front()->error.empty()) &&
        (budget->scope.accounts.empty() || std::ranges::any_of(budget->scope.accounts, covers))) {
        violated("I7", at, name + " by a poll that did not see everything");
    }
    const bool unpriced = std::ranges::any_of(m.meters, [&](const auto& entry) {
        const Meter& meter = entry.second;
        const auto resource = m.resources.find(meter.resource);
        return meter.open && !meter.tariff.rate && !meter.tariff.monthly_cap &&
               resource != m.resources.end() && own_match(budget->scope, resource->second, meter.sku);
    });
    // Under another amount it begins anew.
    if (unpriced && !row.key.ends_with(" #0 armed")) {
        violated("I7", at, name + ", and something that it counts has no price");
    }
}

/// Whoever is to hear of a threshold hears of it: its alert is in the transaction, or stands already. One that had
/// fired under another amount is no news.
void Judge::judge_told(const FiredThresholdRow& row, const Batch& batch, Moment at) {
    const Model& m = *model_;
    const std::string key = row.key.substr(0, row.key.rfind(" #"));
    if (row.key.ends_with(" armed")) {
        judge_armed(row, batch, at);
        return;
    }
    if (!key.contains(" at ")) {
        return;
    }
    const std::string name = "budget/" + row.budget.value + "/" + row.period + "/" + key;
    const bool here = std::ranges::any_of(all_of<Alert>(batch),
                                          [&](const Alert* alert) { return alert->key == name; });
    const bool before = std::ranges::any_of(
        m.alerts, [&](const auto& entry) { return entry.second.key == name && fires(entry.second); });
    if (!amended(m, row.budget, row.period, row.key) && !here && !before) {
        violated("I7", at, name + " fired, and no alert says so");
    }
}

}  // namespace curfew::simulation
