#include "adapters/config/budgets.hpp"

#include "adapters/config/build.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace curfew::config {

namespace {

constexpr Duration hour = hours{1};

template <class T, std::size_t n>
T word_of(const std::string& word, const std::array<T, n>& values) {
    const auto found = std::ranges::find(values, word, [](T value) { return to_string(value); });
    return found == values.end() ? values.front() : *found;
}

ThresholdAction action_of(const std::string& word) {
    return word_of(word, std::array{ThresholdAction::notify, ThresholdAction::warn, ThresholdAction::stop,
                                    ThresholdAction::stop_now});
}

Basis basis_of(const std::string& word) {
    return word_of(word, std::array{Basis::accrued, Basis::reported, Basis::max, Basis::forecast});
}

int weekday_of(std::string_view word) {
    constexpr std::array<std::string_view, 7> days{"monday", "tuesday",  "wednesday", "thursday",
                                                   "friday", "saturday", "sunday"};
    const auto found = std::ranges::find(days, word);
    return found == days.end() ? 1 : static_cast<int>(found - days.begin()) + 1;
}

Match sorted(Match match) {
    for (auto* list : {&match.names, &match.machine_types, &match.accounts, &match.projects, &match.owners,
                       &match.providers, &match.tags}) {
        std::ranges::sort(*list);
    }
    std::ranges::sort(match.kinds);
    return match;
}

class Reader {
public:
    Reader(const Block& block, const ZoneLoader& zones, Faults& faults)
        : block_(block), zones_(zones), faults_(faults) {}

    Budget read(const Zone& standard) {
        Budget budget;
        budget.name = BudgetName{block_.text("name")};
        budget.amount = block_.get<Money>("amount");
        budget.zone = block_.given("timezone") ? zone() : standard;
        budget.period = period(budget.zone);
        budget.scope = match_of(block_.only("match"));
        budget.mode = mode_of(block_.text("mode"));
        budget.origin = faults_.at(block_.place());
        for (const Block& step : block_.blocks("thresholds")) {
            if (const auto threshold = read_threshold(step, budget)) {
                budget.thresholds.push_back(*threshold);
            }
        }
        budget.reserve_storage = reserve(budget);
        if (block_.text("currency") != budget.amount.currency.view()) {
            faults_.add(block_.place_of("currency"),
                        fmt::format("`currency` is {}, and the prices are in {}: a budget is not converted",
                                    shown(block_.text("currency")), budget.amount.currency.view()));
        }
        return budget;
    }

private:
    Zone zone() {
        const std::string name = block_.text("timezone");
        auto loaded = name.empty() ? Result<Zone>{Zone{}} : zones_(name);
        if (!loaded) {
            faults_.add(block_.place_of("timezone"),
                        fmt::format("`timezone`: {}", shown(loaded.error().text, 200)));
            return {};
        }
        return std::move(*loaded);
    }

    // ---- the period --------------------------------------------------------------------------

    PeriodSpec period(const Zone& zone) {
        PeriodSpec spec;
        spec.kind = period_kind_from(block_.text("period")).value_or(PeriodKind::month);
        spec.anchor = static_cast<int>(block_.number("anchor"));
        spec.week_start = weekday_of(block_.text("week_start"));
        const bool months = spec.kind == PeriodKind::month || spec.kind == PeriodKind::quarter ||
                            spec.kind == PeriodKind::year;
        only_with("anchor", months, "month, quarter and year");
        only_with("week_start", spec.kind == PeriodKind::week, "week");
        for (const std::string_view key : {"from", "until"}) {
            only_with(key, spec.kind == PeriodKind::fixed, "fixed");
            needed("fixed", key);
        }
        only_with("length", spec.kind == PeriodKind::rolling, "rolling");
        needed("rolling", "length");
        if (spec.kind == PeriodKind::fixed) {
            const auto from = moment_of(block_, "from", zone, faults_);
            const auto until = moment_of(block_, "until", zone, faults_);
            if (from && until && *from >= *until) {
                faults_.add(block_.place_of("until"), "`until` must be later than `from`");
            }
            spec.from = from.value_or(WallTime{});
            spec.until = until.value_or(WallTime{});
        }
        if (spec.kind == PeriodKind::rolling) {
            spec.length = block_.duration("length");
            if (spec.length % hour != Duration{0}) {
                faults_.add(block_.place_of("length"), "`length` must be whole hours");
            }
        }
        return spec;
    }

    void only_with(std::string_view key, bool fits, std::string_view kinds) {
        if (block_.given(key) && !fits) {
            faults_.add(block_.place_of(key), fmt::format("`{}` is for period {}, and this is \"{}\"", key,
                                                          kinds, block_.text("period")));
        }
    }

    void needed(std::string_view kind, std::string_view key) {
        if (block_.text("period") == kind && !block_.given(key)) {
            faults_.add(block_.place_of("period"),
                        fmt::format("period \"{}\" needs `{}` as well", kind, key));
        }
    }

    bool reserve(const Budget& budget) {
        const bool ends = has_end(budget.period.kind);
        if (!block_.given("reserve_storage")) {
            return ends && budget.hard();
        }
        if (block_.flag("reserve_storage") && !ends) {
            faults_.add(block_.place_of("reserve_storage"),
                        fmt::format("period \"{}\" has no end until which storage could be reserved",
                                    to_string(budget.period.kind)));
        }
        return ends && block_.flag("reserve_storage");
    }

    // ---- thresholds --------------------------------------------------------------------------

    std::optional<Threshold> read_threshold(const Block& step, const Budget& budget) {
        std::vector<std::string_view> measures;
        for (const std::string_view key : {"percent", "amount", "runway"}) {
            if (step.given(key)) {
                measures.push_back(key);
            }
        }
        if (measures.size() != 1) {
            faults_.add(step.place(), measures.empty()
                                          ? "a threshold needs one of `percent`, `amount` and `runway`"
                                          : fmt::format("a threshold has one measure, and this one has {}",
                                                        fmt::join(measures, " and ")));
            return std::nullopt;
        }
        Threshold threshold{.percent = std::nullopt, .action = action_of(step.text("action"))};
        threshold.basis = basis_of(step.text("basis"));
        if (const auto percent = step.number("percent"); percent != 0) {
            threshold.percent = percent;
        }
        if (const auto amount = step.get<Money>("amount"); amount.positive()) {
            threshold.amount = amount;
        }
        if (const auto runway = step.duration("runway"); runway > Duration{0}) {
            threshold.runway = runway;
        }
        if (!threshold.percent && !threshold.amount && !threshold.runway) {
            return std::nullopt;  // the measure is at fault itself
        }
        threshold.pack_within = step.given("pack_within") ? step.duration("pack_within")
                                                          : block_.duration("pack_within");
        if (step.given("pack_within") && threshold.action != ThresholdAction::stop_now) {
            faults_.add(step.place_of("pack_within"), "`pack_within` is for action stop_now");
        }
        check_basis(step, threshold, budget);
        return after_others(step, measures.front(), threshold, budget) ? std::optional{threshold}
                                                                       : std::nullopt;
    }

    void check_basis(const Block& step, const Threshold& threshold, const Budget& budget) {
        const PeriodKind kind = budget.period.kind;
        const bool reported = threshold.basis == Basis::reported || threshold.basis == Basis::max;
        if (threshold.basis == Basis::forecast && threshold.runway) {
            faults_.add(step.place_of("basis"), "a runway is judged by what is spent, not by a forecast");
        } else if (threshold.basis == Basis::forecast && !has_end(kind)) {
            faults_.add(step.place_of("basis"),
                        fmt::format("period \"{}\" has no end to forecast", to_string(kind)));
        } else if (reported && kind == PeriodKind::run) {
            faults_.add(step.place_of("basis"), "no provider reports what a single run costs");
        }
    }

    /// Thresholds of one basis and kind of measure rise, and so does what they do.
    bool after_others(const Block& step, std::string_view measure, const Threshold& next,
                      const Budget& budget) {
        const Threshold* before = nullptr;
        for (const Threshold& t : budget.thresholds) {
            if (t.basis == next.basis && t.runway.has_value() == next.runway.has_value()) {
                before = &t;
            }
        }
        if (before == nullptr || (!budget.amount.positive() && before->percent != next.percent &&
                                  (before->amount || next.amount))) {
            return true;
        }
        const Money at = next.at(budget.amount);
        const bool same = next.runway ? *next.runway == *before->runway : at == before->at(budget.amount);
        const bool falls = next.runway                       ? *next.runway > *before->runway
                           : next.percent && before->percent ? *next.percent < *before->percent
                                                             : at < before->at(budget.amount);
        if (same || falls) {
            faults_.add(step.place_of(measure),
                        same ? fmt::format("there are two thresholds at {}", next.words())
                             : fmt::format("thresholds must rise, and {} comes after {}", next.words(),
                                           before->words()));
            return false;
        }
        const bool too_late = stops(before->action) && next.action != ThresholdAction::notify &&
                              next.action < before->action;
        if (too_late) {
            faults_.add(
                step.place_of("action"),
                fmt::format("a {} at {} comes too late: at {} there is a {} already", to_string(next.action),
                            next.words(), before->words(), to_string(before->action)));
        }
        return !too_late;
    }

    const Block& block_;
    const ZoneLoader& zones_;
    Faults& faults_;
};

}  // namespace

Budget budget_of(const Block& block, const Zone& zone, const std::vector<Budget>& earlier,
                 const ZoneLoader& zones, Faults& faults) {
    Budget budget = Reader(block, zones, faults).read(zone);
    for (const Budget& other : earlier) {
        const bool same = sorted(other.scope) == sorted(budget.scope) && other.period == budget.period &&
                          other.zone.name == budget.zone.name && other.name != budget.name;
        if (same && other.hard() && budget.hard() && other.amount != budget.amount &&
            budget.amount.positive() && other.amount.positive()) {
            faults.add(block.place_of("amount"),
                       fmt::format("budget `{}` contradicts `{}` ({}): both stop the same things in the same "
                                   "period, at {} and at {}",
                                   budget.name.value, other.name.value, other.origin,
                                   curfew::to_string(budget.amount), curfew::to_string(other.amount)));
        }
    }
    return budget;
}

}  // namespace curfew::config
