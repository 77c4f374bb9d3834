#include "curfew/core/advice.hpp"

#include "curfew/core/money_sum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

namespace curfew {

namespace {

using Wide = __int128;

constexpr Duration day = hours{24};
constexpr Duration month = day * 30;

/// At the pace of the window for 30 days; absent when that is beyond the range of Money.
std::optional<Money> in_a_month(Money in_window, Duration window) {
    const Wide nanos = Wide{in_window.nanos} * month.count() / window.count();
    if (nanos > std::numeric_limits<std::int64_t>::max() || nanos < 0) {
        return std::nullopt;
    }
    return Money{static_cast<std::int64_t>(nanos), in_window.currency};
}

/// "41d", "14h20m", "22m": no finer than anybody cares.
std::string about(Duration d) {
    const Duration step = d >= day * 2 ? day : d >= minutes{1} ? Duration{minutes{1}} : Duration{seconds{1}};
    return to_string(d - d % step);
}

std::string counted(std::size_t n, std::string_view word) {
    return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s");
}

// ---- a GPU that did nothing ------------------------------------------------------------------------

bool judged(const GpuLife& life) {
    return life.billed >= gpu_life_min && life.seen <= life.billed &&
           Wide{life.seen.count()} * 100 >= Wide{life.billed.count()} * gpu_seen_percent;
}

/// The lives of one resource on one type.
struct GpuLives {
    const GpuLife* first = nullptr;
    std::size_t all = 0;
    std::size_t idle = 0;
    Wide seen = 0;  // ms, of the idle ones
    Wide billed = 0;
    MoneySum cost;
    MoneySum on_cpu;
};

void add(GpuLives& lives, const GpuLife& life, const std::optional<Rate>& cpu) {
    if (lives.all++ == 0) {
        lives = {.first = &life,
                 .all = 1,
                 .cost = MoneySum{life.rate.per_hour.currency},
                 .on_cpu = MoneySum{life.rate.per_hour.currency}};
    }
    if (!judged(life) || life.worked) {
        return;
    }
    ++lives.idle;
    lives.seen += life.seen.count();
    lives.billed += life.billed.count();
    lives.cost.add(life.rate, life.seen);
    if (cpu) {
        lives.on_cpu.add(*cpu, life.seen);
    }
}

std::optional<Advice> advice_of(const GpuLives& lives, const AdviceInput& in) {
    const auto cost = lives.cost.total();
    const auto on_cpu = lives.on_cpu.total();
    constexpr Wide ms_max = std::numeric_limits<std::int64_t>::max();
    if (lives.idle == 0 || lives.billed > ms_max || !cost || !on_cpu || *cost <= *on_cpu) {
        return std::nullopt;
    }
    const GpuLife& life = *lives.first;
    const Money less = *cost - *on_cpu;
    const auto saving = in_a_month(in.cpu_rate ? less : Money{0, cost->currency}, in.window);
    if (!saving) {
        return std::nullopt;
    }
    const Duration seen{static_cast<std::int64_t>(lives.seen)};
    Advice advice{.kind = AdviceKind::gpu_without_work,
                  .resources = {life.resource},
                  .account = {},
                  .text = {},
                  .how = {},
                  .saving = *saving,
                  .limits = {}};
    advice.text = fmt::format("{} ran {} on {} without GPU work ({} of {}): {}", life.name, about(seen),
                              life.machine_type, lives.idle, counted(lives.all, "run"), to_string(*cost));
    if (in.cpu_rate) {
        advice.text += fmt::format("; the same hours on {} would have cost {}, {} less", in.cpu_type,
                                   to_string(*on_cpu), to_string(less));
    }
    advice.how = in.cpu_rate ? "" : fmt::format("{} has no price here to compare with; ", in.cpu_type);
    advice.how += fmt::format(
        "runs of at least {} whose GPUs were watched for {} % of their time or more and never "
        "worked; the {} that were seen of {} billed, in {}",
        to_string(gpu_life_min), gpu_seen_percent, about(seen),
        about(Duration{static_cast<std::int64_t>(lives.billed)}), about(in.window));
    return advice;
}

void advise_gpus(const AdviceInput& in, std::vector<Advice>& out) {
    std::map<std::tuple<ResourceId, std::string>, GpuLives> grouped;
    for (const GpuLife& life : in.gpus) {
        add(grouped[{life.resource, life.machine_type}], life, in.cpu_rate);
    }
    for (const auto& [key, lives] : grouped) {
        if (auto advice = advice_of(lives, in)) {
            out.push_back(std::move(*advice));
        }
    }
}

// ---- an idle limit that is longer than it need be --------------------------------------------------

std::optional<LimitTrial> try_limit(const IdleHabit& habit, Duration limit) {
    MoneySum saved{habit.rate.per_hour.currency};
    for (const Duration quiet : habit.before_stops) {
        saved.add(habit.rate, std::clamp(quiet, limit, habit.limit) - limit);
    }
    const auto total = saved.total();
    if (!total) {
        return std::nullopt;
    }
    const auto interrupted = std::ranges::count_if(habit.pauses, [&](Duration d) { return d >= limit; });
    return LimitTrial{.limit = limit, .saved = *total, .interruptions = static_cast<int>(interrupted)};
}

std::vector<LimitTrial> try_limits(const IdleHabit& habit) {
    std::vector<LimitTrial> tried;
    for (const int quarters : std::array{3, 2, 1}) {
        const Duration limit = habit.limit / 4 * quarters;
        if (limit >= idle_limit_min) {
            if (auto trial = try_limit(habit, limit)) {
                tried.push_back(*trial);
            }
        }
    }
    return tried;
}

/// "45m: $2.10, 0 interruptions; …"
std::string in_words(const std::vector<LimitTrial>& tried) {
    std::string text;
    for (const LimitTrial& trial : tried) {
        text += fmt::format("{}{}: {}, {}", text.empty() ? "" : "; ", to_string(trial.limit),
                            to_string(trial.saved),
                            counted(static_cast<std::size_t>(trial.interruptions), "interruption"));
    }
    return text;
}

std::optional<Advice> advice_of(const IdleHabit& habit, Duration window) {
    if (habit.other_ends != 0 || habit.before_stops.size() < idle_stops_min) {
        return std::nullopt;
    }
    std::vector<LimitTrial> tried = try_limits(habit);
    // From long to short, so the last that interrupts nothing saves the most.
    const auto best = std::ranges::find(tried.rbegin(), tried.rend(), 0, &LimitTrial::interruptions);
    if (best == tried.rend() || !best->saved.positive()) {
        return std::nullopt;
    }
    const auto saving = in_a_month(best->saved, window);
    if (!saving) {
        return std::nullopt;
    }
    const std::string longest = habit.pauses.empty()
                                    ? ""
                                    : fmt::format(", the longest {}", about(std::ranges::max(habit.pauses)));
    Advice advice{.kind = AdviceKind::shorter_limit,
                  .resources = {habit.resource},
                  .account = {},
                  .text = {},
                  .how = {},
                  .saving = *saving,
                  .limits = {}};
    advice.text = fmt::format(
        "{} always idles before rule {} stops it: with a limit of {} instead of {} it would "
        "have cost {} less in {}, with 0 interruptions ({}, {}{})",
        habit.name, habit.rule.value, to_string(best->limit), to_string(habit.limit), to_string(best->saved),
        about(window), counted(habit.before_stops.size(), "stop"), counted(habit.pauses.size(), "pause"),
        longest);
    advice.how =
        "quiet time billed before each stop beyond the shorter limit; a pause as long as that would have "
        "been an interruption. Tried: " +
        in_words(tried);
    advice.limits = std::move(tried);
    return advice;
}

// ---- what costs though nothing runs ----------------------------------------------------------------

/// In the unit of the price.
std::string gigabytes(std::int64_t bytes) {
    const std::int64_t tenths = bytes / 100'000'000;
    return fmt::format("{}.{} GB", tenths / 10, tenths % 10);
}

std::optional<Advice> advice_of(const StorageUse& use) {
    if (use.over_bytes <= 0 || !use.per_month.positive()) {
        return std::nullopt;
    }
    return Advice{.kind = AdviceKind::storage_over_plan,
                  .resources = {},
                  .account = use.account,
                  .text = fmt::format("account {} stores {} more than its plan holds: {} a month",
                                      use.account.value, gigabytes(use.over_bytes), to_string(use.per_month)),
                  .how = "the price of each GB above the plan; deleting is left to you",
                  .saving = use.per_month,
                  .limits = {}};
}

std::optional<Advice> advice_of(const std::vector<const Parked*>& things) {
    MoneySum sum{things.front()->per_month.currency};
    std::string what;
    Duration age{0};
    for (const Parked* thing : things) {
        sum.add(thing->per_month);
        what += (what.empty() ? "" : ", ") + thing->what;
        age = std::max(age, thing->age);
    }
    const auto per_month = sum.total();
    if (!per_month || !per_month->positive()) {
        return std::nullopt;
    }
    const Parked& first = *things.front();
    const std::string cost = fmt::format("{} a month, for {} now", to_string(*per_month), about(age));
    return Advice{
        .kind = first.orphan ? AdviceKind::orphan : AdviceKind::parked,
        .resources = {first.resource},
        .account = {},
        .text = first.orphan ? fmt::format("{} ({}) belongs to nothing that is there and costs {}",
                                           first.name, what, cost)
                             : fmt::format("{} does not run and still costs {} ({})", first.name, cost, what),
        .how = "the price of what is billed whether it runs or not; deleting is left to you",
        .saving = *per_month,
        .limits = {}};
}

void advise_parked(const AdviceInput& in, std::vector<Advice>& out) {
    std::map<std::tuple<ResourceId, bool>, std::vector<const Parked*>> grouped;
    for (const Parked& thing : in.parked) {
        grouped[{thing.resource, thing.orphan}].push_back(&thing);
    }
    for (const auto& [key, things] : grouped) {
        if (auto advice = advice_of(things)) {
            out.push_back(std::move(*advice));
        }
    }
}

}  // namespace

std::string_view to_string(AdviceKind kind) {
    switch (kind) {
        case AdviceKind::gpu_without_work:
            return "gpu_without_work";
        case AdviceKind::shorter_limit:
            return "shorter_limit";
        case AdviceKind::storage_over_plan:
            return "storage_over_plan";
        case AdviceKind::parked:
            return "parked";
        case AdviceKind::orphan:
            break;
    }
    return "orphan";
}

int unjudged_gpu_lives(const AdviceInput& in) {
    return static_cast<int>(std::ranges::count_if(in.gpus, [](const GpuLife& life) {
        return life.billed >= gpu_life_min && !life.worked && !judged(life);
    }));
}

Result<std::vector<Advice>> advise(const AdviceInput& in) {
    if (in.window <= Duration{0}) {
        return fail(Errc::invalid, "advice needs a window of time to look at");
    }
    std::vector<Advice> out;
    advise_gpus(in, out);
    for (const IdleHabit& habit : in.idle) {
        if (auto advice = advice_of(habit, in.window)) {
            out.push_back(std::move(*advice));
        }
    }
    for (const StorageUse& use : in.storage) {
        if (auto advice = advice_of(use)) {
            out.push_back(std::move(*advice));
        }
    }
    advise_parked(in, out);
    std::ranges::sort(out, [](const Advice& a, const Advice& b) {
        return std::tuple(-a.saving.nanos, a.text) < std::tuple(-b.saving.nanos, b.text);
    });
    return out;
}

}  // namespace curfew
