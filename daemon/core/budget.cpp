#include "curfew/core/budget.hpp"

#include "curfew/core/mutant.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <tuple>
#include <utility>

namespace curfew {

namespace {

using Wide = __int128;

constexpr std::size_t measured_min = 5;
constexpr std::int64_t rearm_below_percent = 90;
constexpr std::int64_t nanos_max = std::numeric_limits<std::int64_t>::max();
constexpr std::string_view armed_word = " armed";

/// A sum that is judged only: beyond the range of Money it is certainly beyond any threshold.
Money capped_sum(Money a, Money b) {
    CURFEW_ASSERT(a.currency == b.currency, "I6: amounts of one currency");
    const Wide sum = Wide{a.nanos} + b.nanos;
    return {sum > nanos_max ? nanos_max : static_cast<std::int64_t>(sum), a.currency};
}

Money burnt(const BudgetSpend& spend, Duration d) {
    if (!spend.burn_per_hour.positive()) {
        return Money{0, spend.spent.currency};
    }
    const auto cost = cost_of(Rate{spend.burn_per_hour}, d);
    return cost ? *cost : Money{nanos_max, spend.spent.currency};
}

/// "80.00", "0.0123": at least two decimals, none for nothing.
std::string plain(Money amount) {
    std::string text = to_decimal(amount);
    while (text.ends_with('0') && text.size() - text.find('.') > 3) {
        text.pop_back();
    }
    return text;
}

std::optional<Money> figure(const Threshold& threshold, const BudgetSpend& spend) {
    switch (threshold.basis) {
        case Basis::accrued:
            return spend.spent;
        case Basis::reported:
            return spend.reported;
        case Basis::max:
            return std::max(spend.spent, spend.reported.value_or(spend.spent));
        case Basis::forecast:
            break;
    }
    return spend.forecast;
}

/// The figure with what a stop has to reckon with. A forecast holds that already.
std::optional<Money> judged(const Threshold& threshold, const BudgetSpend& spend, const Lead& lead) {
    auto money = figure(threshold, spend);
    if (money && stops(threshold.action) && threshold.basis != Basis::forecast) {
        money = capped_sum(capped_sum(*money, spend.reserve), burnt(spend, lead.of(threshold)));
    }
    return money;
}

/// The 95th percentile by nearest rank.
Duration percentile_95(std::span<const Duration> values) {
    std::vector<Duration> sorted(values.begin(), values.end());
    std::ranges::sort(sorted);
    return sorted[(sorted.size() * 95 + 99) / 100 - 1];
}

}  // namespace

std::string_view to_string(ThresholdAction action) {
    switch (action) {
        case ThresholdAction::notify:
            return "notify";
        case ThresholdAction::warn:
            return "warn";
        case ThresholdAction::stop:
            return "stop";
        case ThresholdAction::stop_now:
            break;
    }
    return "stop_now";
}

std::string_view to_string(Basis basis) {
    switch (basis) {
        case Basis::accrued:
            return "accrued";
        case Basis::reported:
            return "reported";
        case Basis::max:
            return "max";
        case Basis::forecast:
            break;
    }
    return "forecast";
}

// ---- thresholds ----------------------------------------------------------------------------------

std::string Threshold::words() const {
    const std::string of = basis == Basis::accrued ? "" : " (" + std::string{to_string(basis)} + ")";
    if (percent) {
        return std::to_string(*percent) + " %" + of;
    }
    return (amount ? to_string(*amount) : "a runway of " + to_string(runway.value_or(Duration{0}))) + of;
}

std::string Threshold::stem() const {
    const std::string measure = percent  ? std::to_string(*percent) + "%"
                                : amount ? plain(*amount)
                                         : "runway " + to_string(runway.value_or(Duration{0}));
    return fmt::format("{} {} {}", measure, to_string(basis), to_string(action));
}

std::string Threshold::key(Money of_budget) const {
    return stem() + " at " + plain(at(of_budget));
}

Money Threshold::at(Money of_budget) const {
    return percent ? percent_of(of_budget, *percent) : amount.value_or(of_budget);
}

bool Budget::hard() const {
    return std::ranges::any_of(thresholds, [](const Threshold& t) { return stops(t.action); });
}

Duration Lead::of(const Threshold& threshold) const {
    if (threshold.action != ThresholdAction::stop_now) {
        return whole();
    }
    return poll + std::min(notice, stop_now_notice) + std::min(pack, threshold.pack_within) + stop;
}

Lead lead_of(std::span<const Duration> packs, std::span<const Duration> stops, Duration poll,
             Duration notice) {
    Lead lead{.poll = poll, .notice = notice};
    if (packs.size() >= measured_min) {
        lead.pack = percentile_95(packs);
    }
    if (stops.size() >= measured_min) {
        lead.stop = percentile_95(stops);
    }
    return lead;
}

bool reached(const Budget& budget, const Threshold& threshold, const BudgetSpend& spend, const Lead& lead) {
    const auto money = judged(threshold, spend, lead);
    if (!money) {
        return false;
    }
    if (!threshold.runway && mutant(Mutant::threshold_late)) {
        return *money >= percent_of(threshold.at(budget.amount), 115);
    }
    if (!threshold.runway) {
        return *money >= threshold.at(budget.amount);
    }
    // What is left lasts for less than the runway: more than that would be burnt in it.
    return *money >= budget.amount || capped_sum(*money, burnt(spend, *threshold.runway)) > budget.amount;
}

std::vector<ThresholdCrossing> crossings(const Budget& budget, const Period& period, const BudgetSpend& spend,
                                         const Lead& lead, std::span<const std::string> fired) {
    std::vector<ThresholdCrossing> found;
    for (const Threshold& threshold : budget.thresholds) {
        const bool is_new = std::ranges::find(fired, threshold.key(budget.amount)) == fired.end();
        if (is_new && reached(budget, threshold, spend, lead)) {
            found.push_back({threshold, threshold.at(budget.amount), period.id});
        }
    }
    return found;
}

const Threshold* exhausting(const Budget& budget, std::span<const std::string> fired) {
    const Threshold* found = nullptr;
    for (const Threshold& threshold : budget.thresholds) {
        const bool counts = stops(threshold.action) &&
                            std::ranges::find(fired, threshold.key(budget.amount)) != fired.end();
        if (counts && (found == nullptr || found->action < threshold.action)) {
            found = &threshold;
        }
    }
    return found;
}

// ---- what is left --------------------------------------------------------------------------------

Money left_of(const Budget& budget, const BudgetSpend& spend) {
    return budget.amount - capped_sum(spend.spent, spend.reserve);
}

Money left_until_stop(const Budget& budget, const BudgetSpend& spend) {
    Money at = budget.amount;
    for (const Threshold& threshold : budget.thresholds) {
        if (stops(threshold.action) && !threshold.runway && threshold.basis != Basis::forecast) {
            at = std::min(at, threshold.at(budget.amount));
        }
    }
    return at - capped_sum(spend.spent, spend.reserve);
}

std::optional<Duration> lasts(Money left, Money burn_per_hour) {
    if (!burn_per_hour.positive()) {
        return std::nullopt;
    }
    if (!left.positive()) {
        return Duration{0};
    }
    constexpr Wide ten_years_ms = Wide{10 * 366} * 24 * 3'600'000;
    const Wide ms = Wide{left.nanos} * 3'600'000 / burn_per_hour.nanos;
    return ms < ten_years_ms ? std::optional{Duration{static_cast<std::int64_t>(ms)}} : std::nullopt;
}

Money part_of(const CostRow& row, const Period& period) {
    const WallTime from = std::max(row.from, period.from);
    const WallTime to = std::min(row.to, period.to);
    if (from >= to) {
        return Money{0, row.gross.currency};
    }
    if (from == row.from && to == row.to) {
        return row.gross;
    }
    // Half to even, on the magnitude: an adjustment takes back what it stands for.
    const Wide magnitude = row.gross.nanos < 0 ? -Wide{row.gross.nanos} : Wide{row.gross.nanos};
    const Wide divisor = (row.to - row.from).count();
    const Wide product = magnitude * (to - from).count();
    Wide nanos = product / divisor;
    const Wide twice = product % divisor * 2;
    nanos += twice > divisor || (twice == divisor && nanos % 2 != 0) ? 1 : 0;
    return {static_cast<std::int64_t>(row.gross.nanos < 0 ? -nanos : nanos), row.gross.currency};
}

// ---- what fired ----------------------------------------------------------------------------------

void FiredLog::add(std::string_view row) {
    const bool arms = row.ends_with(armed_word);
    if (arms) {
        row.remove_suffix(armed_word.size());
    }
    int times = arms ? 0 : 1;
    if (const std::size_t mark = row.rfind(" #"); mark != std::string_view::npos) {
        std::from_chars(row.data() + mark + 2, row.data() + row.size(), times);
        row = row.substr(0, mark);
    } else if (arms) {
        times = 1;
    }
    Entry& entry = entries_[std::string{row}];
    int& newest = arms ? entry.armed : entry.fired;
    newest = std::max(newest, times);
}

bool FiredLog::fired(const std::string& key) const {
    const auto found = entries_.find(key);
    return found != entries_.end() && found->second.fired > 0 && found->second.armed < found->second.fired;
}

bool FiredLog::fired_like(const Threshold& threshold) const {
    const std::string stem = threshold.stem() + " at ";
    return std::ranges::any_of(entries_, [&](const auto& entry) {
        // Before amounts stood in keys a key was "80%".
        const bool old = threshold.percent && threshold.basis == Basis::accrued &&
                         entry.first == std::to_string(*threshold.percent) + "%";
        return (old || entry.first.starts_with(stem)) && fired(entry.first);
    });
}

std::string FiredLog::fire(const std::string& key) {
    supposed_.erase(key);
    const int times = ++entries_[key].fired;
    return times == 1 ? key : key + " #" + std::to_string(times);
}

std::string FiredLog::arm(const std::string& key) {
    supposed_.erase(key);
    Entry& entry = entries_[key];
    entry.armed = entry.fired;
    const std::string mark = entry.fired == 1 ? "" : " #" + std::to_string(entry.fired);
    return key + mark + std::string{armed_word};
}

std::vector<std::string> FiredLog::keys() const {
    std::vector<std::string> keys(supposed_.begin(), supposed_.end());
    for (const auto& [key, entry] : entries_) {
        if (fired(key)) {
            keys.push_back(key);
        }
    }
    return keys;
}

namespace {

/// Does complete data show that a rolling window has come down well below the threshold?
bool well_below(const Budget& budget, const Threshold& threshold, const BudgetSpend& spend,
                const Lead& lead) {
    const auto money = judged(threshold, spend, lead);
    if (!spend.complete() || !money) {
        return false;
    }
    if (!threshold.runway) {
        return *money < percent_of(threshold.at(budget.amount), rearm_below_percent);
    }
    return capped_sum(*money, burnt(spend, *threshold.runway)) <
           percent_of(budget.amount, rearm_below_percent);
}

}  // namespace

std::vector<std::string> settle(const Budget& budget, const BudgetSpend& spend, const Lead& lead,
                                FiredLog& log) {
    std::vector<std::string> rows;
    log.forget_supposed();
    for (const Threshold& threshold : budget.thresholds) {
        const std::string key = threshold.key(budget.amount);
        if (!log.knows(key) && log.fired_like(threshold)) {
            if (!spend.seen || !judged(threshold, spend, lead)) {
                log.suppose(key);
            } else {
                rows.push_back(reached(budget, threshold, spend, lead) ? log.fire(key) : log.arm(key));
            }
        } else if (budget.period.kind == PeriodKind::rolling && log.fired(key) &&
                   well_below(budget, threshold, spend, lead)) {
            rows.push_back(log.arm(key));
        }
    }
    return rows;
}

void sort_for_stopping(std::vector<StopCandidate>& candidates) {
    std::ranges::sort(candidates, [](const StopCandidate& a, const StopCandidate& b) {
        if (a.quiet != b.quiet) {
            return a.quiet;
        }
        if (a.quiet && a.quiet_for != b.quiet_for) {
            return a.quiet_for > b.quiet_for;
        }
        return std::tuple(-a.per_hour.nanos, a.run.value) < std::tuple(-b.per_hour.nanos, b.run.value);
    });
}

}  // namespace curfew
