// I6 and I7: what things cost, by the judge's own arithmetic on the truth.
#include "curfew/core/period.hpp"
#include "simulation/judge_model.hpp"

#include <algorithm>

namespace curfew::simulation {

namespace {

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
        for (const CostRow& row : list) {
            const std::int64_t length = (row.to - row.from).count();
            sum += row.gross.nanos;
            unpriced = unpriced || !row.rate;
            const Money most = highest_price(truth);
            const std::int64_t dearest = std::max(most.nanos, row.rate ? row.rate->per_hour.nanos : 0);
            allowed += hour_ms;  // half a nano a row, and half of ours
            if (row.estimated) {
                allowed += Wide{dearest} * row.error_bar.count();
            }
            if (row.source == CostSource::adjustment) {
                // Given back at the price in force; where that changed meanwhile it is as far off as the prices are.
                allowed += truth.prices.size() > 1 ? Wide{dearest} * length : Wide{0};
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
                before->rate == row.rate && before->sku == row.sku) {
                violated("I6", at, "a row of " + run.value + " was cut within its hour for no reason");
            }
            before = &row;
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
    // No money leaks: what ran for long has rows.
    for (const auto& [run, truth] : m.runs) {
        const Moment until = truth.ended.value_or(at);
        if (until.mono - truth.began.mono > hours{3} && at.mono - truth.began.mono > hours{6} &&
            !by_run.contains(run) && highest_price(truth).positive()) {
            violated("I6", at,
                     run.value + " ran for " + words(until.mono - truth.began.mono) +
                         ", and there is no row of it");
        }
    }

    // ---- I7
    const Config* config = m.config();
    if (config == nullptr || config->mode != Mode::enforce) {
        return;
    }
    for (const Budget& budget : config->budgets) {
        const Threshold* hard = nullptr;
        for (const Threshold& threshold : budget.thresholds) {
            hard = stops(threshold.action) ? &threshold : hard;
        }
        // One that has stood unchanged all along; only our own meter's thresholds end in time, and of a run each.
        const bool steady = std::ranges::all_of(m.configs, [&](const auto& entry) {
            return std::ranges::any_of(entry.second->budgets,
                                       [&](const Budget& each) {
                                           return each.name == budget.name && each.amount == budget.amount &&
                                                  each.mode == budget.mode &&
                                                  each.thresholds == budget.thresholds &&
                                                  each.scope == budget.scope;
                                       }) &&
                   entry.second->mode == Mode::enforce;
        });
        const bool accounts_act = std::ranges::all_of(config->accounts, [](const AccountConfig& account) {
            return account.mode != "observe" && account.mode != "warn";
        });
        if (hard == nullptr || !steady || !accounts_act || budget.mode != Mode::enforce ||
            hard->basis != Basis::accrued || !hard->percent || budget.period.kind == PeriodKind::run ||
            budget.period.kind == PeriodKind::rolling) {
            continue;
        }
        judge_budget(budget, *hard, at);
    }
}

/// The true spend of every period against the bound: from the moment at which the limit is passed every run of the
/// scope may go on for a poll, a decision, the notice, the pack and the stop, and for as long as somebody who has to
/// be asked, or the daemon itself, was not there.
void Judge::judge_budget(const Budget& budget, const Threshold& hard, Moment at) {
    Model& m = *model_;
    std::vector<const RunTruth*> runs;
    WallTime first = at.utc;
    for (const auto& [id, truth] : m.runs) {
        const auto resource = m.resources.find(truth.run.resource);
        if (resource != m.resources.end() &&
            own_match(budget.scope, resource->second, truth.run.machine_type)) {
            runs.push_back(&truth);
            first = std::min(first, truth.began.utc);
        }
    }
    const Wide limit = Wide{budget.amount.nanos} * *hard.percent / 100 * hour_ms;
    // The calendar is not what is judged here; it has tests of its own.
    for (Period period = period_at(budget.period, first, budget.zone); period.from < at.utc;
         period = period_at(budget.period, period.to, budget.zone)) {
        const WallTime to = std::min(period.to, at.utc);
        const auto spent = [&](WallTime until) {
            Wide sum = 0;
            for (const RunTruth* truth : runs) {
                sum += own_bill(*truth, std::max(period.from, truth->began.utc),
                                std::min(until, truth->ended ? truth->ended->utc : until));
            }
            return sum;
        };
        const Wide whole = spent(to);
        if (whole > limit) {
            tally_.mark("budget.exceeded");
            WallTime low = period.from;
            WallTime high = to;
            while (high - low > seconds{1}) {
                const WallTime middle{low.ms + (high.ms - low.ms) / 2};
                (spent(middle) > limit ? high : low) = middle;
            }
            Wide allowed = 0;
            for (const RunTruth* truth : runs) {
                allowed += allowance(budget, hard, *truth, high, to);
            }
            const Wide over = whole - limit;
            const auto ratio = allowed > 0 ? static_cast<std::int64_t>(over * 1000 / allowed) : 1'000'000;
            std::int64_t& worst = tally_.marks["max.I7_permille"];
            worst = std::max(worst, ratio);
            if (ratio > 1000) {
                violated("I7", at,
                         "budget " + budget.name.value + " was exceeded in " + period.id + " by " +
                             dollars(over / hour_ms) + ", and the bound is " + dollars(allowed / hour_ms));
            }
        }
        if (period.to >= at.utc || period.to <= period.from) {
            break;
        }
    }
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
    // Poll with its jitter and its deadline, decision and its looks, notice, pack, stop and its confirmation.
    Duration may = poll * 2 + minutes{5} + minutes{10} + hard.pack_within + minutes{6};
    // Not there: between two good lists of the account that are further apart than polls are.
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
            if (each.mono > from && each.mono < until) {
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
        if (durable.row.run != truth.run.run || durable.row.cause.kind != CauseKind::budget ||
            durable.row.cause.name != budget.name.value) {
            continue;
        }
        const auto warned = m.warned_at.find(id);
        const auto notice = m.notice.find(id);
        if (warned != m.warned_at.end()) {
            const Instant heard = notice != m.notice.end() ? notice->second
                                                           : warned->second + hours{1} + minutes{10};
            may += std::max(Duration{0}, std::min(heard, until) - std::max(from, warned->second));
        }
        const auto packed = m.pack_since.find(id);
        if (hard.action != ThresholdAction::stop_now && packed != m.pack_since.end()) {
            may += std::max(Duration{0}, until - std::max(from, packed->second));
        }
    }
    if (!truth.calls.empty()) {
        may += std::max(Duration{0}, until - std::max(from, truth.calls.front()));
    }
    const WallTime end = std::min(ended, begun + may);
    return own_bill(truth, begun, end) + Wide{highest_price(truth).nanos} * (begun + may - end).count();
}

}  // namespace curfew::simulation
