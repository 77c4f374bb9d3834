#include "curfew/core/forecast.hpp"

#include "curfew/core/money_sum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <utility>

namespace curfew {

namespace {

using Wide = __int128;

constexpr WallTime end_of_2200{7'289'654'400'000};
constexpr Duration period_max = hours{24} * 3660;
// A rack of the dearest type is $50; with this bound no product below leaves 128 bits.
constexpr std::int64_t per_hour_max = 1'000'000 * nanos_per_unit;
constexpr std::int64_t ms_per_hour = 3'600'000;
constexpr std::int64_t week = 7;

constexpr std::int64_t growth_one = 1000;  // growth in thousandths
constexpr std::int64_t growth_min = 500;
constexpr std::int64_t growth_max = 2000;
constexpr std::int64_t growth_weeks = 4;

constexpr int change_days_min = 4;
constexpr int change_days_max = 28;

/// Runs with an unknown end go on for age × (2k + 1) / (19 - 2k), k = 0 … 9: the middles of the ten tenths of
/// the law by which a thing of age a lasts for another t with the probability a / (a + t).
constexpr int lengths = 10;

/// Nanos per local day, as far as known.
using Days = std::map<std::int64_t, Wide>;

bool weekend(std::int64_t day) {
    return (day + 3) % week >= 5;  // 1970-01-01 was a Thursday
}

/// What is left of one local day within the period.
struct Slice {
    std::int64_t day = 0;
    std::int64_t from = 0;  // ms after now
    std::int64_t to = 0;
    std::int64_t day_ms = 0;  // 23, 24 or 25 hours
};

Result<void> check(const ForecastInput& in) {
    const auto bad = [&](std::string text) { return fail(Errc::invalid, std::move(text), in.period.id); };
    const auto calendar = [](WallTime t) { return t >= WallTime{0} && t <= end_of_2200; };
    if (!calendar(in.period.from) || !calendar(in.period.to) || !calendar(in.now)) {
        return bad("a time outside 1970–2200");
    }
    if (in.period.to <= in.period.from || in.period.to - std::min(in.now, in.period.from) > period_max) {
        return bad("a period ends after it begins, and within ten years");
    }
    bool one_currency = true;
    const auto look_at = [&](Money amount) {
        one_currency = one_currency && (amount.nanos == 0 || amount.currency == in.accrued.currency);
    };
    const auto fine = [&](Money per_hour) {
        look_at(per_hour);
        return per_hour.nanos >= 0 && per_hour.nanos <= per_hour_max;
    };
    if (!fine(in.fixed_per_hour) ||
        !std::ranges::all_of(in.running, fine, [](const RunningCost& r) { return r.per_hour; })) {
        return bad("a cost per hour is between 0 and a million");
    }
    for (const DaySpend& day : in.history) {
        look_at(day.spent);
    }
    if (!one_currency) {
        return bad("a forecast adds amounts of one currency only");
    }
    return {};
}

std::int64_t day_number(WallTime t, const Zone& zone) {
    return days_from_civil(local_date(day_of(t, zone).from, zone));
}

std::vector<Slice> rest_of(const ForecastInput& in) {
    std::vector<Slice> slices;
    for (WallTime t = std::max(in.now, in.period.from); t < in.period.to;) {
        const Period day = day_of(t, in.zone);
        CURFEW_ASSERT(day.from <= t && t < day.to, "every instant is in exactly one day");
        const WallTime to = std::min(day.to, in.period.to);
        slices.push_back({.day = days_from_civil(local_date(day.from, in.zone)),
                          .from = (t - in.now).count(),
                          .to = (to - in.now).count(),
                          .day_ms = (day.to - day.from).count()});
        t = to;
    }
    return slices;
}

Days known_days(const ForecastInput& in, std::int64_t today) {
    Days days;
    for (const DaySpend& row : in.history) {
        const std::int64_t day = days_from_civil(row.day);
        if (day < today && day >= today - forecast_days_max) {
            days[day] += row.spent.nanos;
        }
    }
    for (auto& [day, nanos] : days) {
        nanos = std::max<Wide>(nanos, 0);  // corrections may outweigh a day
    }
    return days;
}

/// Days that are not known cost what the others of their kind did, on average.
Days filled(const Days& known, std::int64_t first, std::int64_t today) {
    std::array<Wide, 2> sum{};
    std::array<std::int64_t, 2> count{};
    for (const auto& [day, nanos] : known) {
        sum.at(weekend(day) ? 1 : 0) += nanos;
        ++count.at(weekend(day) ? 1 : 0);
    }
    Days days = known;
    for (std::int64_t day = first; day < today; ++day) {
        const std::size_t kind = weekend(day) ? 1 : 0;
        days.try_emplace(day, count.at(kind) > 0 ? sum.at(kind) / count.at(kind)
                                                 : (sum[0] + sum[1]) / (count[0] + count[1]));
    }
    return days;
}

/// Does `nanos` lie beyond three quarters of the days of its kind before `start`? Absent: they were all alike
/// and it is too, so the day says nothing.
std::optional<bool> beyond(const Days& known, std::int64_t start, std::int64_t day, Wide nanos, bool above) {
    std::int64_t all = 0;
    std::int64_t equal = 0;
    std::int64_t against = 0;
    for (auto at = known.begin(); at != known.end() && at->first < start; ++at) {
        if (weekend(at->first) == weekend(day)) {
            ++all;
            equal += at->second == nanos ? 1 : 0;
            against += (above ? at->second >= nanos : at->second <= nanos) ? 1 : 0;
        }
    }
    if (all > 0 && equal == all) {
        return std::nullopt;
    }
    return against * 4 < all;
}

/// The first day from which on all are unlike those before; of several the earliest.
std::optional<std::int64_t> changed_since(const Days& known, std::int64_t today) {
    std::optional<std::int64_t> since;
    const std::int64_t oldest = known.begin()->first;
    for (std::int64_t start = today - change_days_min;
         start >= today - change_days_max && start - oldest >= forecast_days_min; --start) {
        for (const bool above : {false, true}) {
            int telling = 0;
            const bool all = std::all_of(known.lower_bound(start), known.end(), [&](const auto& row) {
                const auto is = beyond(known, start, row.first, row.second, above);
                telling += is.value_or(false) ? 1 : 0;
                return is.value_or(true);
            });
            if (all && telling >= change_days_min) {
                since = start;
            }
        }
    }
    return since;
}

/// One way in which the rest of the period may repeat the past: nanos per slice.
struct Path {
    std::vector<Wide> slices;
    std::int64_t weight = 1;
};

Wide share(Wide nanos_a_day, const Slice& slice) {
    return nanos_a_day * (slice.to - slice.from) / slice.day_ms;
}

std::vector<Wide> sums_of_weeks(const Days& days, std::int64_t today, std::int64_t weeks) {
    std::vector<Wide> sums;
    for (std::int64_t w = 0; w < weeks; ++w) {
        Wide sum = 0;
        for (std::int64_t day = today - week * (w + 1); day < today - week * w; ++day) {
            sum += days.at(day);
        }
        sums.push_back(sum);
    }
    return sums;
}

std::vector<std::int64_t> growths(std::span<const Wide> sums) {
    std::vector<std::int64_t> found;
    for (std::size_t w = 0; w + 1 < sums.size(); ++w) {
        const auto before = sums.subspan(w + 1, std::min<std::size_t>(growth_weeks, sums.size() - w - 1));
        Wide sum = 0;
        for (const Wide nanos : before) {
            sum += nanos;
        }
        const Wide growth = sum == 0 ? growth_one
                                     : sums[w] * growth_one * static_cast<std::int64_t>(before.size()) / sum;
        found.push_back(static_cast<std::int64_t>(std::clamp<Wide>(growth, growth_min, growth_max)));
    }
    return found;
}

/// Every path as it is and, with as much weight in all, grown.
std::vector<Path> with_growth(const std::vector<Path>& plain, std::span<const std::int64_t> growths) {
    std::vector<Path> paths;
    for (const Path& path : plain) {
        for (const std::int64_t growth : growths) {
            Path grown{.slices = path.slices, .weight = path.weight};
            for (Wide& nanos : grown.slices) {
                nanos = nanos * growth / growth_one;
            }
            paths.push_back(std::move(grown));
        }
        paths.push_back(path);
        paths.back().weight *= std::max<std::int64_t>(1, static_cast<std::int64_t>(growths.size()));
    }
    return paths;
}

/// Each week again and again.
std::vector<Path> weekly_paths(const Days& days, std::int64_t weeks, std::int64_t today,
                               std::span<const Slice> rest) {
    std::vector<Path> paths;
    for (std::int64_t w = 0; w < weeks; ++w) {
        Path path;
        for (const Slice& slice : rest) {
            path.slices.push_back(share(days.at(today + (slice.day - today) % week - week * (w + 1)), slice));
        }
        paths.push_back(std::move(path));
    }
    return paths;
}

/// The days since a change again and again, begun at each of them; a day is repeated by one of its kind where
/// there is one.
std::vector<Path> changed_paths(const Days& known, std::int64_t since, std::span<const Slice> rest) {
    std::array<std::vector<Wide>, 2> kinds;
    std::vector<Wide> all;
    for (auto at = known.lower_bound(since); at != known.end(); ++at) {
        kinds.at(weekend(at->first) ? 1 : 0).push_back(at->second);
        all.push_back(at->second);
    }
    std::vector<Path> paths;
    for (std::size_t begin = 0; begin < all.size(); ++begin) {
        Path path;
        std::array<std::size_t, 2> next{begin, begin};
        for (const Slice& slice : rest) {
            const std::size_t kind = weekend(slice.day) ? 1 : 0;
            const std::vector<Wide>& from = kinds.at(kind).empty() ? all : kinds.at(kind);
            path.slices.push_back(share(from[next.at(kind)++ % from.size()], slice));
        }
        paths.push_back(std::move(path));
    }
    return paths;
}

std::int64_t weight_of(std::span<const Path> paths) {
    std::int64_t sum = 0;
    for (const Path& path : paths) {
        sum += path.weight;
    }
    return sum;
}

/// `since` with three quarters of the weight.
std::vector<Path> mixed(std::vector<Path> weekly, std::vector<Path> since) {
    const std::int64_t of_weekly = weight_of(weekly);
    const std::int64_t of_since = weight_of(since);
    for (Path& path : weekly) {
        path.weight *= of_since;
    }
    for (Path& path : since) {
        path.weight *= of_weekly * 3;
        weekly.push_back(std::move(path));
    }
    return weekly;
}

/// What something that runs for `left` ms from now costs in a slice.
Wide cost_in(const Slice& slice, Money per_hour, Wide left) {
    const Wide ms = std::min<Wide>(left, slice.to) - slice.from;
    return ms > 0 ? ms * per_hour.nanos / ms_per_hour : 0;
}

/// Per length and slice: what certainly runs, and what has no known end.
std::vector<std::vector<Wide>> running_costs(std::span<const RunningCost> running,
                                             std::span<const Slice> rest) {
    const bool open = std::ranges::any_of(running,
                                          [](const RunningCost& r) { return !r.ends_in.has_value(); });
    std::vector<std::vector<Wide>> costs(open ? lengths : 1, std::vector<Wide>(rest.size()));
    for (std::size_t k = 0; k < costs.size(); ++k) {
        const auto step = static_cast<std::int64_t>(2 * k);
        for (const RunningCost& r : running) {
            const Wide age = std::clamp<Wide>(r.age.count(), 0, period_max.count());
            const Wide left = r.ends_in ? Wide{r.ends_in->count()}
                                        : age * (step + 1) / (2 * lengths - 1 - step);
            for (std::size_t i = 0; i < rest.size() && rest[i].from < left; ++i) {
                costs[k][i] += cost_in(rest[i], r.per_hour, left);
            }
        }
    }
    return costs;
}

struct Outcome {
    Wide nanos = 0;
    std::int64_t weight = 1;
};

/// What the rest may cost besides what is fixed, from low to high.
std::vector<Outcome> outcomes(std::span<const Path> paths, std::span<const std::vector<Wide>> running) {
    std::vector<Outcome> all;
    for (const Path& path : paths) {
        for (const std::vector<Wide>& runs : running) {
            Outcome outcome{.nanos = 0, .weight = path.weight};
            for (std::size_t i = 0; i < runs.size(); ++i) {
                outcome.nanos += std::max(path.slices[i], runs[i]);
            }
            all.push_back(outcome);
        }
    }
    std::ranges::sort(all, {}, &Outcome::nanos);
    return all;
}

Wide quantile(std::span<const Outcome> rising, std::int64_t percent) {
    Wide all = 0;
    for (const Outcome& outcome : rising) {
        all += outcome.weight;
    }
    Wide sum = 0;
    for (const Outcome& outcome : rising) {
        sum += outcome.weight;
        if (sum * 100 >= all * percent) {
            return outcome.nanos;
        }
    }
    return 0;
}

Result<Money> committed(const ForecastInput& in) {
    MoneySum sum{in.accrued.currency};
    sum.add(in.accrued);
    if (in.now < in.period.to) {
        const WallTime begin = std::max(in.now, in.period.from);
        sum.add(Rate{in.fixed_per_hour}, in.period.to - begin);
        for (const RunningCost& r : in.running) {
            const Duration left = std::clamp(r.ends_in.value_or(Duration{0}), begin - in.now,
                                             in.period.to - in.now);
            sum.add(Rate{r.per_hour}, left - (begin - in.now));
        }
    }
    return sum.total();
}

/// Every way in which the rest may repeat what is known.
std::vector<Path> paths_of(const Days& known, std::optional<std::int64_t> since, std::int64_t today,
                           std::span<const Slice> rest) {
    const std::int64_t weeks = (today - known.begin()->first + week - 1) / week;
    const Days days = filled(known, today - week * weeks, today);
    std::vector<Path> paths = weekly_paths(days, weeks, today, rest);
    if (since) {
        paths = mixed(std::move(paths), changed_paths(known, *since, rest));
    }
    return with_growth(paths, growths(sums_of_weeks(days, today, weeks)));
}

/// What is certain, with the tenth, the middle and the ninetieth of what may come on top.
Result<ForecastRange> range_of(const ForecastInput& in, Money committed, std::span<const Outcome> rising) {
    MoneySum sum{in.accrued.currency};
    sum.add(in.accrued);
    sum.add(Rate{in.fixed_per_hour}, in.period.to - std::max(in.now, in.period.from));
    const auto sure = sum.total();
    if (!sure) {
        return std::unexpected(sure.error());
    }
    const auto at = [&](std::int64_t percent) {
        return std::max<Wide>({0, committed.nanos, sure->nanos + quantile(rising, percent)});
    };
    if (at(90) > std::numeric_limits<std::int64_t>::max()) {
        return fail(Errc::too_large, "a forecast beyond 9.2 billion", in.period.id);
    }
    const auto money = [&](Wide nanos) {
        return Money{static_cast<std::int64_t>(nanos), in.accrued.currency};
    };
    return ForecastRange{money(at(10)), money(at(50)), money(at(90))};
}

std::string method_of(const ForecastInput& in, std::span<const Slice> rest, int sample,
                      std::optional<std::int64_t> since, std::int64_t today) {
    const auto open = std::ranges::count_if(in.running, [](const auto& r) { return !r.ends_in.has_value(); });
    std::string text = fmt::format(
        "accrued, what costs on, and the last {} whole days week by week over the "
        "{} days that are left, half of it with the growth seen between weeks",
        sample, rest.size());
    if (since) {
        text += fmt::format("; the last {} days are unlike those before and count three quarters",
                            today - *since);
    }
    if (!in.running.empty()) {
        text += "; at least what runs now";
    }
    if (open > 0) {
        text += fmt::format(", {} of it with an unknown end, by how long it has run", open);
    }
    return text;
}

}  // namespace

Result<Forecast> forecast(const ForecastInput& in) {
    if (auto good = check(in); !good) {
        return std::unexpected(good.error());
    }
    const auto certain = committed(in);
    if (!certain) {
        return std::unexpected(certain.error());
    }
    Forecast made{
        .accrued = in.accrued, .committed = *certain, .expected = {}, .insufficient = {}, .method = {}};
    if (in.now >= in.period.to) {
        const Money all{std::max<std::int64_t>(in.accrued.nanos, 0), in.accrued.currency};
        made.expected = ForecastRange{all, all, all};
        made.method = "the period is over";
        return made;
    }
    const std::int64_t today = day_number(in.now, in.zone);
    const Days known = known_days(in, today);
    made.sample = static_cast<int>(known.size());
    if (made.sample < forecast_days_min) {
        made.insufficient = fmt::format("{} whole day{} of history in the last {}; at least {} are needed",
                                        made.sample, made.sample == 1 ? "" : "s", forecast_days_max,
                                        forecast_days_min);
        return made;
    }
    const std::vector<Slice> rest = rest_of(in);
    const auto since = changed_since(known, today);
    const std::vector<Path> paths = paths_of(known, since, today, rest);
    const auto range = range_of(in, *certain, outcomes(paths, running_costs(in.running, rest)));
    if (!range) {
        return std::unexpected(range.error());
    }
    made.expected = *range;
    made.method = method_of(in, rest, made.sample, since, today);
    return made;
}

std::optional<Money> usual_per_hour(std::span<const Money> hourly) {
    std::vector<std::int64_t> nanos;
    Currency currency;
    for (const Money amount : hourly) {
        if (!amount.positive()) {
            continue;
        }
        if (!nanos.empty() && currency != amount.currency) {
            return std::nullopt;
        }
        currency = amount.currency;
        nanos.push_back(amount.nanos);
    }
    if (nanos.size() < usual_hours_min) {
        return std::nullopt;
    }
    const auto middle = nanos.begin() + static_cast<std::ptrdiff_t>((nanos.size() - 1) / 2);
    std::ranges::nth_element(nanos, middle);
    return Money{*middle, currency};
}

BurnStep advance(const BurnRule& rule, const BurnWatch& watch, const BurnLook& look) {
    BurnStep step{.next = watch};
    BurnWatch& next = step.next;
    if (look.usual) {
        next.line = percent_of(*look.usual, rule.factor_percent);
    }
    if (!look.per_hour || !next.line || look.per_hour->currency != next.line->currency) {
        return step;
    }
    const bool over = *look.per_hour > *next.line;
    if (over && watch.over && watch.seen && look.at > *watch.seen && look.at - *watch.seen <= look.max_gap) {
        next.above += look.at - *watch.seen;
    } else if (!over) {
        next.above = Duration{0};
    }
    next.over = over;
    next.seen = look.at;
    if (!watch.firing && over && look.usual && next.above >= rule.lasting) {
        next.firing = true;
        step.event = BurnEvent::fired;
    } else if (watch.firing && *look.per_hour < percent_of(*next.line, 90)) {
        next.firing = false;
        step.event = BurnEvent::cleared;
    }
    return step;
}

}  // namespace curfew
