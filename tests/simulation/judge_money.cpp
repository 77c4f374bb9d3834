// I6 and I7: what things cost, by the judge's own arithmetic on the truth.
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <limits>

namespace curfew::simulation {

namespace {

constexpr Duration written_soon = minutes{5};
constexpr Duration clock_told{500};  // off by less, a clock is taken for right
constexpr Duration clock_off_longest = hours{13};
constexpr std::int64_t hour_ms = 3'600'000;

std::string dollars(Wide nanos) {
    const auto value = static_cast<std::int64_t>(nanos);
    return std::to_string(value) + " nano";
}

Money highest_price(const RunTruth& truth) {
    Money most{};
    for (const auto& [from, price] : truth.prices) {
        most = most < price ? price : most;
    }
    return most;
}

/// The first list of a start at a clock that was off: of what it was given at that start, Curfew cannot tell whether it
/// held when the list was made.
bool undated(const Judge::Model& m, const std::vector<Moment>& lists, const Moment& list) {
    Instant start{};
    for (const auto& [from, to] : m.down) {
        start = to && *to <= list.mono ? *to : start;
    }
    const auto first = std::ranges::lower_bound(lists, start, {}, &Moment::mono);
    return first != lists.end() && first->mono == list.mono &&
           std::chrono::abs(list.wall - list.utc) > clock_told;
}

/// When Curfew has seen a list since; a `dated` one, if the time of what it was given counts.
Instant listed_after(const Judge::Model& m, const AccountName& account, Instant since, const Moment& at,
                     bool dated = false) {
    const auto lists = m.listed.find(account);
    if (lists == m.listed.end()) {
        return since + minutes{1};
    }
    auto next = std::ranges::lower_bound(lists->second, since, {}, &Moment::mono);
    // Of a cycle that a crash cut short nothing is left, nor of one that the disk did not take.
    const auto polled = m.polled.find(account);
    const auto lost = [&](const Moment& list) {
        const bool cut = std::ranges::any_of(m.down, [&](const auto& down) {
            return down.first >= list.mono && down.first - list.mono <= minutes{2};
        });
        if (cut || polled == m.polled.end()) {
            return cut;
        }
        const auto written = std::ranges::lower_bound(polled->second, list.mono);
        return written == polled->second.end() || *written - list.mono > written_soon;
    };
    while (next != lists->second.end() && (lost(*next) || (dated && undated(m, lists->second, *next)))) {
        ++next;
    }
    return (next == lists->second.end() ? at.mono : next->mono) + minutes{1};
}

/// When Curfew could know of a price that nobody announced: once it has read its configuration again, and then seen a
/// list.
Instant aware_at(const Judge::Model& m, const AccountName& account, const Moment& since, const Moment& at) {
    Instant known = at.mono;
    for (const auto& [when, config] : m.configs) {
        if (when >= since.mono) {
            known = when;
            break;
        }
    }
    return listed_after(m, account, known, at, true);
}

}  // namespace

void Judge::judge_ledger(const End& end, Moment at) {
    Model& m = *model_;
    std::map<RunId, std::vector<CostRow>> by_run;
    std::size_t rows = 0;
    for (const CostRow& row : end.ledger) {
        ++rows;
        const auto known = m.ledger.find({row.run, row.meter, row.from.ms, row.source});
        if (known == m.ledger.end()) {
            violated("I6", at, "a row of " + row.run.value + " is in the ledger, and was never committed");
        } else if (known->second.to != row.to || !(known->second.gross == row.gross)) {
            violated("I6", at, "a row of " + row.run.value + " was changed in the ledger");
        }
        if (row.meter == MeterKind::compute) {
            by_run[row.run].push_back(row);
        }
    }
    if (rows != m.ledger.size()) {
        violated("I6", at,
                 std::to_string(m.ledger.size()) + " rows were committed, and the ledger has " +
                     std::to_string(rows));
    }
    for (auto& [run, list] : by_run) {
        const auto found = m.runs.find(run);
        if (found == m.runs.end()) {
            violated("I6", at, "rows of " + run.value + ", which never ran");
            continue;
        }
        const RunTruth& truth = found->second;
        std::ranges::sort(list, [](const CostRow& a, const CostRow& b) {
            return std::pair{a.source == CostSource::adjustment, a.from} <
                   std::pair{b.source == CostSource::adjustment, b.from};
        });
        Wide sum = 0;      // nano
        Wide allowed = 0;  // nano × ms per hour
        const CostRow* before = nullptr;
        bool unpriced = false;
        bool estimated = false;
        std::int64_t dearest_of_all = highest_price(truth).nanos;
        for (const CostRow& row : list) {
            const std::int64_t length = (row.to - row.from).count();
            sum += row.gross.nanos;
            unpriced = unpriced || !row.rate;
            estimated = estimated || row.estimated;
            const std::int64_t dearest = std::max(highest_price(truth).nanos,
                                                  row.rate ? row.rate->per_hour.nanos : 0);
            dearest_of_all = std::max(dearest_of_all, dearest);
            allowed += hour_ms;  // half a nano a row, and half of ours
            if (row.estimated) {
                allowed += Wide{dearest} * row.error_bar.count();
            }
            if (row.source == CostSource::adjustment) {
                // Given back at the price in force; where that changed meanwhile it is as far off as the prices are.
                const bool changed = std::ranges::any_of(list, [&](const CostRow& other) {
                    return other.from < row.to && row.from < other.to && other.rate != row.rate;
                });
                allowed += truth.prices.size() > 1 || changed ? Wide{dearest_of_all} * length : Wide{0};
                if (row.gross.nanos > 0) {
                    violated("I6", at, "an adjustment of " + run.value + " takes more money");
                }
                continue;
            }
            if (length <= 0 || length > hour_ms) {
                violated("I6", at, "a row of " + run.value + " is " + std::to_string(length) + " ms long");
            }
            if (row.gross.nanos != (row.rate ? own_cost(row.rate->per_hour.nanos, length) : 0)) {
                violated("I6", at, "a row of " + run.value + " is not its rate times its time");
            }
            const std::int64_t first_hour = row.from.ms / hour_ms;
            const std::int64_t last_hour = (row.to.ms - 1) / hour_ms;
            if (first_hour != last_hour) {
                violated("I6", at, "a row of " + run.value + " crosses a full hour");
            }
            if (m.counted_again.contains({run, row.from.ms})) {
                continue;
            }
            if (before != nullptr && before->to > row.from) {
                violated("I6", at, "rows of " + run.value + " overlap");
            }
            if (before != nullptr && before->to < row.from) {
                violated("I6", at,
                         "rows of " + run.value + " leave out " +
                             std::to_string((row.from - before->to).count()) + " ms");
            }
            // Rounded once: a row ends with an hour, with a price, or with the run.
            if (before != nullptr && before->to == row.from && before->to.ms % hour_ms != 0 &&
                before->rate == row.rate && before->sku == row.sku &&
                !m.ends_a_row.contains({run, row.from.ms})) {
                violated("I6", at, "a row of " + run.value + " was cut within its hour for no reason");
            }
            before = &row;
        }
        const auto metered = m.metered.find(run);
        // `known`: what it was billed at is one of its own prices.
        const auto unheard = [&](const Moment& when, Money more, Instant aware, bool known) {
            // Who was not seen before it changed is billed at the new one from its start: no list tells of the old one.
            const bool unseen = metered == m.metered.end() || metered->second >= when.mono;
            const Instant last = truth.ended ? std::min(truth.ended->mono, when.mono) : when.mono;
            Duration off = unseen ? std::max(last - truth.began.mono, Duration{0}) : Duration{0};
            if (last == when.mono) {
                off = std::max(off, aware - std::max(when.mono, truth.began.mono));
            }
            // Where the price of the old one changed as well, it may have been further from the new one before.
            const Wide by = more.nanos < 0 ? -more.nanos : more.nanos;
            allowed += (unseen && !known ? std::max<Wide>(by, dearest_of_all) : by) * off.count();
        };
        for (const auto& [when, more] : truth.unannounced) {
            unheard(when, more, aware_at(m, truth.run.account, when, at), truth.prices.size() <= 2);
        }
        // What the new machine cost before the move is no price of the run.
        for (const auto& [when, more] : truth.moved) {
            unheard(when, more, listed_after(m, truth.run.account, when.mono, at), false);
        }
        // Billed for as long as lists said so; where the end is told later, too much is given back.
        const auto shown = m.shown_on.find(run);
        if (estimated && truth.ended && shown != m.shown_on.end() && shown->second > truth.ended->utc) {
            allowed += Wide{dearest_of_all} * (shown->second - truth.ended->utc).count();
        }
        // What stamps do not bound is of our own clock: where that was off, so is it, and `clock` is told. A run that
        // began and ended by them, at one price, costs what it costs.
        const bool by_stamps = !estimated && truth.prices.size() == 1 && truth.unannounced.empty();
        const Duration clock = m.most_wall_off(truth.began.mono - hours{1},
                                               truth.ended ? truth.ended->mono + hours{1} : at.mono);
        if (clock > clock_told && !by_stamps) {
            allowed += Wide{highest_price(truth).nanos} * clock.count() * 2;
        }
        // The open rest of a run that is on, up to the newest row, is what can be compared.
        const auto meter = m.meters.find({run, MeterKind::compute});
        const bool open = meter != m.meters.end() && meter->second.open;
        const WallTime until = open ? meter->second.counted_to : truth.ended ? truth.ended->utc : at.utc;
        const Wide bill = own_bill(truth, truth.began.utc, until);
        const Wide difference = sum * hour_ms - bill;
        const Wide off = difference < 0 ? -difference : difference;
        if (!open && !truth.ended) {
            // Taken for ended while it goes on: only if it was so just now.
            if (at.mono - truth.began.mono > hours{2}) {
                violated("I6", at, run.value + " bills, and its meter is closed");
            }
            continue;
        }
        if (open && truth.ended && at.mono - truth.ended->mono > hours{2}) {
            violated("I6", at,
                     run.value + " ended " + words(at.mono - truth.ended->mono) + " ago, and its meter runs");
        }
        if (off > allowed && !unpriced) {
            violated("I6", at,
                     run.value + " costs " + dollars(bill / hour_ms) + " and the ledger says " +
                         dollars(sum) + "; its error bars allow " + dollars(allowed / hour_ms));
        }
        tally_.mark(allowed > Wide{hour_ms} * static_cast<std::int64_t>(list.size()) ? "ledger.estimated"
                                                                                     : "ledger.exact");
    }
    // No money leaks: what ran for long has rows, and also what came and went while its account was known.
    for (const auto& [run, truth] : m.runs) {
        const Moment until = truth.ended.value_or(at);
        const auto watched = m.watched.find(truth.run.account);
        const bool known = watched != m.watched.end() && truth.began.mono - watched->second > hours{1};
        if (until.mono - truth.began.mono > (known ? minutes{30} : hours{3}) &&
            at.mono - truth.began.mono > hours{6} && !by_run.contains(run) &&
            highest_price(truth).positive()) {
            violated("I6", at,
                     run.value + " ran for " + words(until.mono - truth.began.mono) +
                         ", and there is no row of it");
        }
    }
    judge_budgets(at);
    judge_doubts();
}

/// What a whole list showed is on the books once the poll is durable, whether it is on or came and went. Of what was
/// there before anybody watched only what runs is.
void Judge::judge_shown(const AccountName& account, Moment at) {
    Model& m = *model_;
    const Instant watched = m.watched.emplace(account, at.mono).first->second;
    for (const RunId& run : std::exchange(m.shown[account], {})) {
        const auto truth = m.runs.find(run);
        if (truth != m.runs.end() && truth->second.began.mono > watched && !m.metered.contains(run)) {
            violated("I6", at, run.value + " was listed, and nobody bills it");
        }
    }
}

/// What the provider tells of an end is what is billed; only where it does not is an end an estimate. Asked of what a
/// single poll closed: one that could not be written may have known less.
void Judge::judge_closing(const AccountName& account, const Batch& batch, Moment at) {
    Model& m = *model_;
    const auto polls = std::ranges::count_if(
        batch, [](const Write& write) { return std::holds_alternative<AccountPollRow>(write); });
    for (const Write& write : batch) {
        const auto* meter = std::get_if<Meter>(&write);
        const auto truth = meter == nullptr ? m.runs.end() : m.runs.find(meter->run);
        if (truth == m.runs.end() || meter->open || meter->kind != MeterKind::compute || polls != 1) {
            continue;
        }
        const bool estimated = std::ranges::any_of(batch, [&](const Write& other) {
            const auto* row = std::get_if<CostRow>(&other);
            return row != nullptr && row->run == meter->run && row->estimated && row->to == meter->counted_to;
        });
        const auto asked = m.asked_ends.find(meter->run);
        if (estimated && asked != m.asked_ends.end() && asked->second) {
            violated("I6", at, "the provider told when " + meter->run.value + " ended, and it is estimated");
        } else if (estimated && asked == m.asked_ends.end() && m.reporting.contains(account)) {
            violated("I6", at, "the end of " + meter->run.value + " is estimated, and nobody asked for it");
        }
        tally_.mark(estimated ? "end.estimated" : "end.told");
    }
    std::erase_if(m.asked_ends, [&](const auto& entry) {
        const auto truth = m.runs.find(entry.first);
        return truth != m.runs.end() && truth->second.run.account == account;
    });
}

// ---- I7 ------------------------------------------------------------------------------------------------

namespace {

const Threshold* hard_of(const Budget& budget) {
    const Threshold* hard = nullptr;
    for (const Threshold& threshold : budget.thresholds) {
        hard = stops(threshold.action) ? &threshold : hard;
    }
    return hard;
}

/// Nano of "448.901448534".
std::int64_t nanos_of(std::string_view text) {
    std::int64_t nanos = 0;
    int decimals = -1;
    for (const char c : text) {
        if (c == '.') {
            decimals = 0;
        } else {
            nanos = nanos * 10 + (c - '0');
            decimals += decimals < 0 ? 0 : 1;
        }
    }
    for (int i = std::max(decimals, 0); i < 9; ++i) {
        nanos *= 10;
    }
    return nanos;
}

/// The budget of this configuration that ends things in time: only our own meter's figure is known in time, and a
/// window that rolls is left as it was entered.
const Budget* judged(const Config& config, const BudgetName& name) {
    const auto found = std::ranges::find(config.budgets, name, &Budget::name);
    const bool acts = config.mode == Mode::enforce &&
                      std::ranges::all_of(config.accounts, [](const AccountConfig& account) {
                          return account.mode == "enforce";
                      });
    if (found == config.budgets.end() || !acts || found->mode != Mode::enforce ||
        found->period.kind == PeriodKind::rolling || found->period.kind == PeriodKind::fixed) {
        return nullptr;
    }
    const Threshold* hard = hard_of(*found);
    return hard != nullptr && hard->basis == Basis::accrued && hard->percent ? &*found : nullptr;
}

bool same(const Budget& a, const Budget& b) {
    return a.amount == b.amount && a.thresholds == b.thresholds && a.scope == b.scope &&
           a.period == b.period && a.zone.name == b.zone.name;
}

}  // namespace

namespace {

/// The machine type that a run had then, by what is durable by now; `sku` where nothing tells.
std::string type_of(const Judge::Model& m, const RunId& run, WallTime then, const std::string& sku) {
    const auto meter = m.meters.find({run, MeterKind::compute});
    if (meter != m.meters.end() && meter->second.counted_to <= then) {
        return meter->second.sku;
    }
    const CostRow* newest = nullptr;
    for (auto it = m.ledger.lower_bound({run, MeterKind::compute, 0, CostSource::own});
         it != m.ledger.end() && it->second.run == run && it->second.meter == MeterKind::compute; ++it) {
        if (it->second.from <= then && (newest == nullptr || it->second.from > newest->from)) {
            newest = &it->second;
        }
    }
    return newest != nullptr ? newest->sku : meter != m.meters.end() ? meter->second.sku : sku;
}

bool counts(const Judge::Model& m, const Budget& budget, const Period& period, const ResourceId& id,
            const RunId& run, const std::string& sku, WallTime now) {
    const auto resource = m.resources.find(id);
    if (resource == m.resources.end()) {
        return false;
    }
    if (budget.period.kind != PeriodKind::run) {
        return own_match(budget.scope, resource->second, sku);
    }
    // All of a run counts, also what it cost on another machine type.
    return period.id == "run:" + run.value &&
           own_match(budget.scope, resource->second, type_of(m, run, now, sku));
}

}  // namespace

/// What an hour costs of what is on, by the durable meters.
Wide Judge::known_burn(const Budget& budget, const Period& period) const {
    Wide sum = 0;
    for (const auto& [key, meter] : model_->meters) {
        if (meter.open && meter.tariff.rate &&
            counts(*model_, budget, period, meter.resource, meter.run, meter.sku, meter.counted_to)) {
            sum += meter.tariff.rate->per_hour.nanos;
        }
    }
    return sum;
}

/// What the durable rows and meters say that a budget's scope has cost in a period: of a rolling one the rows are
/// counted whole, by the hour in which they begin.
Wide Judge::known_spend(const Budget& budget, const Period& period, WallTime now) const {
    const Model& m = *model_;
    const auto covers = [&](const ResourceId& id, const RunId& run, const std::string& sku) {
        return counts(m, budget, period, id, run, sku, now);
    };
    const auto part = [&](WallTime from, WallTime to) {
        return std::max<std::int64_t>(0, (std::min(to, period.to) - std::max(from, period.from)).count());
    };
    Wide sum = 0;
    for (const auto& [key, row] : m.ledger) {
        if (covers(row.resource, row.run, row.sku) && row.to > row.from) {
            sum += Wide{row.gross.nanos} * part(row.from, row.to) / (row.to - row.from).count();
        }
    }
    for (const auto& [key, meter] : m.meters) {
        if (meter.open && meter.tariff.rate && covers(meter.resource, meter.run, meter.sku)) {
            sum += Wide{meter.tariff.rate->per_hour.nanos} * part(meter.counted_to, now) / hour_ms;
        }
    }
    return sum;
}

/// Once in a period, unless it was armed again in between: under another amount, or in a window that rolls once what
/// is known to be spent has come down to less than 90 %.
void Judge::judge_fired(const FiredThresholdRow& row, Moment at) {
    Model& m = *model_;
    tally_.mark("budget.fired");
    constexpr std::string_view armed_word = " armed";
    std::string key = row.key;
    const bool arms = key.ends_with(armed_word);
    key.resize(key.size() - (arms ? armed_word.size() : 0));
    int times = 1;
    if (const std::size_t mark = key.rfind(" #"); mark != std::string::npos) {
        times = std::stoi(key.substr(mark + 2));
        key.resize(mark);
    }
    const std::string name = "budget/" + row.budget.value + "/" + row.period + "/" + key;
    auto& rows = m.fired[{row.budget.value, row.period}];
    const auto armed_after = [&](int firing) {
        return key + (firing == 1 ? "" : " #" + std::to_string(firing)) + std::string{armed_word};
    };
    if (!rows.insert(row.key).second) {
        violated("I7", at,
                 "threshold " + row.key + " of budget " + row.budget.value + " fired twice in " + row.period);
    } else if (!arms) {
        ++m.firings[name];
        if (times > 1 && !rows.contains(armed_after(times - 1))) {
            violated("I7", at, name + " fired again, and was not armed");
        }
        return;
    }
    const Config* config = m.config();
    const std::size_t amount = key.rfind(" at ");
    if (!arms || config == nullptr || amount == std::string::npos) {
        return;
    }
    const auto budget = std::ranges::find(config->budgets, row.budget, &Budget::name);
    if (budget == config->budgets.end()) {
        return;
    }
    const bool rolls = budget->period.kind == PeriodKind::rolling;
    if (times > 0 && !rolls) {
        violated("I7", at, name + " was armed again, and its period does not roll");
        return;
    }
    tally_.mark("budget.armed");
    if (!key.contains(" accrued ") && !key.contains(" max ")) {
        return;
    }
    Period period = own_period(budget->period, calendar(at), budget->zone);
    period.id = row.period;
    const Wide bound = Wide{nanos_of(std::string_view{key}.substr(amount + 4))};
    doubt({.text = name + " was armed again",
           .budget = *budget,
           .period = period,
           .at = at,
           .least = std::numeric_limits<std::int64_t>::min(),
           .below = bound * (rolls && times > 0 ? 90 : 100) / 100});
}

void Judge::doubt(const Doubt& said) {
    if (!said.borne_out(known_spend(said.budget, said.period, said.at.utc))) {
        model_->doubts.push_back(said);
    }
}

void Judge::judge_doubts() {
    const Model& m = *model_;
    for (const Doubt& said : m.doubts) {
        // What was known of another account and not stored yet died with the process, and may be learnt otherwise.
        const bool others = m.config() != nullptr && m.config()->accounts.size() > 1;
        const bool died = std::ranges::any_of(m.down, [&](const auto& down) {
            return down.first >= said.at.mono && down.first - said.at.mono <= minutes{2};
        });
        if (others && died) {
            continue;
        }
        // What was known then had happened by one of the two clocks: a stamp may lie ahead of ours.
        Period until = said.period;
        until.to = std::min(until.to, std::max(said.at.wall, said.at.utc));
        const Wide spent = known_spend(said.budget, until, said.at.utc);
        if (!said.borne_out(spent)) {
            violated("I7", said.at, said.text + ", and " + dollars(spent) + " were spent");
        }
    }
}

/// Every budget for as long as it stood unchanged.
void Judge::judge_budgets(Moment at) {
    Model& m = *model_;
    std::set<BudgetName> names;
    for (const auto& [since, config] : m.configs) {
        for (const Budget& budget : config->budgets) {
            names.insert(budget.name);
        }
    }
    for (const BudgetName& name : names) {
        for (std::size_t i = 0; i < m.configs.size();) {
            const Budget* budget = judged(*m.configs[i].second, name);
            std::size_t next = i + 1;
            while (budget != nullptr && next < m.configs.size()) {
                const Budget* after = judged(*m.configs[next].second, name);
                if (after == nullptr || !same(*budget, *after)) {
                    break;
                }
                ++next;
            }
            if (budget != nullptr) {
                const auto edit = m.edited.find(name);  // from then on it is what a person set
                const Instant end = std::min(next < m.configs.size() ? m.configs[next].first : at.mono,
                                             edit == m.edited.end() ? at.mono : edit->second);
                const auto utc = [&](Instant t) { return at.utc - (at.mono - t); };
                if (m.configs[i].first < end) {
                    judge_budget(*budget, utc(m.configs[i].first), utc(end), at);
                }
            }
            i = next;
        }
    }
}

/// The true spend of every period against the bound: from the moment at which the limit is passed every run of the
/// scope may go on for a poll, a decision, the notice, the pack and the stop, and for as long as somebody who has to
/// be asked, or the daemon itself, was not there.
void Judge::judge_budget(const Budget& budget, WallTime from, WallTime to, Moment at) {
    Model& m = *model_;
    std::set<RunId> unpriced;  // what is not known is not counted, and is shown as such
    for (const auto& [key, row] : m.ledger) {
        if (!row.rate) {
            unpriced.insert(row.run);
        }
    }
    std::vector<const RunTruth*> runs;
    WallTime first = to;
    for (const auto& [id, truth] : m.runs) {
        const auto resource = m.resources.find(truth.run.resource);
        // What people keep out of its reach is not its overshoot.
        const bool out_of_reach =
            resource == m.resources.end() ||
            std::ranges::any_of(m.configs,
                                [&](const auto& entry) {
                                    return std::ranges::any_of(
                                        entry.second->protect, [&](const std::string& glob) {
                                            return own_glob(glob, resource->second.name);
                                        });
                                }) ||
            std::ranges::any_of(m.silences, [&](const auto& entry) {
                const SilenceScope& scope = entry.second.row.scope;
                return entry.second.row.kind == SilenceKind::maintenance &&
                       (scope.resources.empty() ||
                        std::ranges::find(scope.resources, resource->first.value) != scope.resources.end());
            });
        if (!unpriced.contains(id) && !out_of_reach &&
            own_match(budget.scope, resource->second, truth.run.machine_type)) {
            runs.push_back(&truth);
            first = std::min(first, truth.began.utc);
        }
    }
    if (budget.period.kind == PeriodKind::run) {
        for (const RunTruth* truth : runs) {
            const Period life{.id = "run " + truth->run.run.value, .from = truth->began.utc, .to = to};
            judge_period(budget, life, {truth}, from, to, at);
        }
        return;
    }
    for (Period period = own_period(budget.period, std::max(first, from), budget.zone); period.from < to;
         period = own_period(budget.period, period.to, budget.zone)) {
        judge_period(budget, period, runs, from, to, at);
        if (period.to >= to || period.to <= period.from) {
            break;
        }
    }
}

/// What the runs that have ended cost beyond what stands in the ledger, within their error bars: no budget knows of it.
Wide Judge::uncounted(const Period& period, const std::vector<const RunTruth*>& runs) const {
    Wide sum = 0;
    std::set<RunId> ended;
    for (const RunTruth* truth : runs) {
        if (truth->ended) {
            ended.insert(truth->run.run);
            sum += own_bill(*truth, std::max(period.from, truth->began.utc),
                            std::min(period.to, truth->ended->utc));
        }
    }
    for (const auto& [key, row] : model_->ledger) {
        const WallTime from = std::max(row.from, period.from);
        const WallTime to = std::min(row.to, period.to);
        if (ended.contains(row.run) && from < to) {
            sum -= Wide{row.gross.nanos} * hour_ms * (to - from).count() / (row.to - row.from).count();
        }
    }
    return std::max<Wide>(0, sum);
}

void Judge::judge_period(const Budget& budget, const Period& period, const std::vector<const RunTruth*>& runs,
                         WallTime from, WallTime to, Moment at) {
    const Threshold& hard = *hard_of(budget);
    const Wide limit = Wide{budget.amount.nanos} * *hard.percent / 100 * hour_ms + uncounted(period, runs);
    const auto spent = [&](WallTime until) {
        Wide sum = 0;
        for (const RunTruth* truth : runs) {
            sum += own_bill(*truth, std::max(period.from, truth->began.utc),
                            std::min(until, truth->ended ? truth->ended->utc : until));
        }
        return sum;
    };
    // The calendar is read by Curfew's own clock: where that is off, so are the edges of a period.
    const auto off_at = [&](WallTime edge) {
        const Instant then = at.mono - (at.utc - edge);
        return model_->most_wall_off(then - clock_off_longest, then + clock_off_longest);
    };
    from = period.from >= from ? period.from + off_at(period.from) : from;
    to = period.to <= to ? period.to - off_at(period.to) : to;
    if (from >= to || spent(to) <= limit) {
        return;
    }
    tally_.mark("budget.exceeded");
    WallTime low = from;
    WallTime crossed = spent(from) > limit ? from : to;
    while (crossed - low > seconds{1} && crossed != from) {
        const WallTime middle{low.ms + (crossed.ms - low.ms) / 2};
        (spent(middle) > limit ? crossed : low) = middle;
    }
    Wide allowed = 0;
    for (const RunTruth* truth : runs) {
        allowed += allowance(budget, hard, *truth, crossed, to);
    }
    const Wide over = spent(to) - std::max(limit, spent(from));
    const auto ratio = allowed > 0 ? static_cast<std::int64_t>(over * 1000 / allowed) : 0;
    std::int64_t& worst = tally_.marks["max.I7_permille"];
    worst = std::max(worst, ratio);
    if (over > allowed) {
        violated("I7", at,
                 "budget " + budget.name.value + " was exceeded in " + period.id + " by " +
                     dollars(over / hour_ms) + " from " + to_string(crossed) + " to " + to_string(to) +
                     ", and the bound is " + dollars(allowed / hour_ms));
    }
}

/// How long an enforcement was at its pack, which a person may be needed for, between these.
Duration Judge::packed_in(const EnforcementId& id, Instant from, Instant until) const {
    const Model& m = *model_;
    const auto packed = m.pack_since.find(id);
    if (packed == m.pack_since.end()) {
        return Duration{0};
    }
    const Instant end = m.enforcements.at(id).row.live() ? until : std::min(until, m.state_since.at(id));
    return std::max(Duration{0}, end - std::max(from, packed->second));
}

Wide Judge::allowance(const Budget& budget, const Threshold& hard, const RunTruth& truth, WallTime crossed,
                      WallTime to) const {
    const Model& m = *model_;
    const WallTime begun = std::max(crossed, truth.began.utc);
    const WallTime ended = std::min(to, truth.ended ? truth.ended->utc : to);
    if (begun >= ended) {
        return 0;
    }
    const Moment& base = truth.began;  // of true time both clocks go alike
    const auto mono = [&](WallTime t) { return base.mono + (t - base.utc); };
    const Instant from = mono(begun);
    const Instant until = mono(ended);
    Duration poll = minutes{1};
    for (const AccountConfig& account : m.config()->accounts) {
        poll = std::max(poll, account.poll_interval);
    }
    // Poll with its jitter and its deadline; the decision, whose looks may each go unanswered for 2 min and are taken
    // again after 30 s; notice, pack, stop and its confirmation.
    Duration may = poll * 2 + minutes{15} + minutes{10} + hard.pack_within + minutes{6};
    // Not there: between two good lists of the account that are further apart than polls are, or whose news the disk
    // did not take: nothing is stopped before that is written.
    const auto polled = m.polled.find(truth.run.account);
    const auto durable_soon = [&](Instant list) {
        if (polled == m.polled.end()) {
            return false;
        }
        const auto next = std::ranges::lower_bound(polled->second, list);
        return next != polled->second.end() && *next - list <= written_soon;
    };
    const auto lists = m.listed.find(truth.run.account);
    Instant last = from;
    Duration blind{0};
    const auto note = [&](Instant next) {
        if (next - last > poll * 2) {
            blind += next - last;
        }
        last = next;
    };
    if (lists != m.listed.end()) {
        for (const Moment& each : lists->second) {
            if (each.mono > from && each.mono < until && durable_soon(each.mono)) {
                note(each.mono);
            }
        }
    }
    note(until);
    may += blind;
    // A crash ends looks and packs that were under way: each takes that much again.
    for (const auto& [crash, boot] : m.down) {
        if (crash >= from && crash < until) {
            may += minutes{11} + hard.pack_within + (boot.value_or(until) - crash);
        }
    }
    // A warning that no channel takes, a pack of a plain stop, and a stop that is refused or lost take their time.
    for (const auto& [id, durable] : m.enforcements) {
        if (durable.row.run != truth.run.run) {
            continue;
        }
        if (durable.row.cause.kind != CauseKind::budget || durable.row.cause.name != budget.name.value) {
            // In the name of another budget or a rule it is packed all the same: a plain stop has nothing to add.
            may += hard.action != ThresholdAction::stop_now ? packed_in(id, from, until) : Duration{0};
            continue;
        }
        const auto warned = m.warned_at.find(id);
        const auto notice = m.notice.find(id);
        if (warned != m.warned_at.end()) {
            const Instant heard = notice != m.notice.end() ? notice->second
                                                           : warned->second + hours{1} + minutes{10};
            may += std::max(Duration{0}, std::min(heard, until) - std::max(from, warned->second));
        }
        if (hard.action != ThresholdAction::stop_now) {
            may += packed_in(id, from, until);
        }
    }
    if (!truth.calls.empty()) {
        may += std::max(Duration{0}, until - std::max(from, truth.calls.front()));
    }
    const WallTime end = std::min(ended, begun + may);
    return own_bill(truth, begun, end) + Wide{highest_price(truth).nanos} * (begun + may - end).count();
}

}  // namespace curfew::simulation
