#include "curfew/app/adviser.hpp"

#include "curfew/core/metrics.hpp"
#include "curfew/core/replay.hpp"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

namespace curfew {

namespace {

constexpr int runs_max = 2000;
/// As much memory as the machines with one GPU have.
constexpr const char* cpu_to_compare = "C7";

struct Stretch {
    WallTime from;
    WallTime to;
};

/// Did the GPUs work, of all that a row tells; absent where they were not seen. Rows of the provider's series begin
/// anew where that changes, so the first words stand for all.
std::optional<bool> gpu_at_work(const HistoryRow& row) {
    if (row.verdict == Verdict::unknown || (row.source != Signal::gpu && row.source != Signal::metrics)) {
        return std::nullopt;
    }
    return row.source == Signal::gpu ? std::optional{row.verdict == Verdict::active} : gpu_worked(row.began);
}

/// A look counts until the next one of its source, whatever that says, but never across a gap.
void reach_to_the_next(std::vector<HistoryRow>& rows, Duration max_gap) {
    std::ranges::sort(rows, [](const HistoryRow& a, const HistoryRow& b) {
        return std::tuple(a.source, a.from) < std::tuple(b.source, b.from);
    });
    for (std::size_t i = 1; i < rows.size(); ++i) {
        const HistoryRow& next = rows[i];
        HistoryRow& row = rows[i - 1];
        if (next.source == row.source && next.from > row.to && next.from - row.to <= max_gap) {
            row.to = next.from;
        }
    }
}

/// Time that is in any of them.
Duration covered(std::vector<Stretch> stretches) {
    std::ranges::sort(stretches, {}, &Stretch::from);
    Duration sum{0};
    std::optional<WallTime> until;
    for (const Stretch& s : stretches) {
        const WallTime from = until ? std::max(*until, s.from) : s.from;
        if (s.to > from) {
            sum += s.to - from;
        }
        until = until ? std::max(*until, s.to) : s.to;
    }
    return sum;
}

/// The part of a row within a life.
Stretch within(const HistoryRow& row, const Stretch& life) {
    return {std::max(row.from, life.from), std::min(row.to, life.to)};
}

void watch_gpus(GpuLife& gpu, const std::vector<HistoryRow>& rows, const Stretch& life) {
    std::vector<Stretch> seen;
    for (const HistoryRow& row : rows) {
        const Stretch part = within(row, life);
        if (const auto worked = gpu_at_work(row); worked && part.to >= part.from) {
            seen.push_back(part);
            gpu.worked = gpu.worked || *worked;
        }
    }
    gpu.seen = covered(std::move(seen));
}

/// Adds the pauses between work to a habit; gives the end of the last work, or the beginning of the life.
WallTime add_pauses(IdleHabit& habit, const std::vector<HistoryRow>& rows, const Stretch& life) {
    std::vector<Stretch> work;
    for (const HistoryRow& row : rows) {
        const Stretch part = within(row, life);
        if (row.source && row.verdict == Verdict::active && row.strength == Strength::strong &&
            part.to >= part.from) {
            work.push_back(part);
        }
    }
    std::ranges::sort(work, {}, &Stretch::from);
    WallTime last = life.from;
    for (const Stretch& part : work) {
        // A shorter one is no longer than looks are apart, and below every limit that is advised.
        if (part.from - last >= idle_limit_min) {
            habit.pauses.push_back(part.from - last);
        }
        last = std::max(last, part.to);
    }
    return last;
}

Resource resource_of(const World& world, const ResourceRow& row, const RunRow& run) {
    Resource resource;
    resource.id = row.id;
    resource.account = row.account;
    resource.kind = row.kind;
    resource.name = row.name;
    resource.project = row.project;
    resource.owner = row.owner;
    resource.run.machine_type = run.machine_type;
    if (const auto live = world.picture.resources.find(row.id); live != world.picture.resources.end()) {
        resource.tags = live->second.resource.tags;
    }
    return resource;
}

bool ended_by(const StoppedRun* stop, const Rule& rule) {
    return stop != nullptr && stop->cause == CauseKind::idle && stop->cause_name == rule.name.value;
}

}  // namespace

Task<Result<AdviceInput>> Adviser::facts(WallTime since) {
    const std::shared_ptr<const Config> config = world_.config;
    const WallTime now = world_.scheduler.wall();
    auto runs = co_await world_.store.recorded_runs(since, runs_max);
    auto known = co_await world_.store.resources();
    auto stopped = co_await world_.store.stopped_by_us();
    if (!runs || !known || !stopped) {
        co_return std::unexpected(!runs ? runs.error() : !known ? known.error() : stopped.error());
    }
    std::map<ResourceId, const ResourceRow*> rows;
    for (const ResourceRow& row : *known) {
        rows.emplace(row.id, &row);
    }
    std::map<RunId, const StoppedRun*> by_us;
    for (const StoppedRun& run : *stopped) {
        by_us.emplace(run.run, &run);
    }
    AdviceInput in;
    in.window = std::max<Duration>(now - since, seconds{1});
    in.cpu_type = cpu_to_compare;
    if (const Price* cpu = prices_.find(in.cpu_type, now)) {
        in.cpu_rate = cpu->rate;
    }
    std::map<ResourceId, IdleHabit> habits;
    for (const PastRun& past : *runs) {
        const RunRow& run = past.run;
        const auto row = rows.find(run.resource);
        if (row == rows.end() || !past.rate || !run.started_at) {
            continue;
        }
        const WallTime ended = run.ended_at.value_or(is_off(run.state) ? run.last_seen : now);
        const Stretch life{std::max(*run.started_at, since), std::min(ended, now)};
        if (life.to <= life.from) {
            continue;
        }
        auto looks = co_await looks_at(run, life.to);
        if (!looks) {
            co_return std::unexpected(looks.error());
        }
        const Resource resource = resource_of(world_, *row->second, run);
        const Rule* rule = rule_for(config->rules, resource);
        if (rule != nullptr && run.ended_at) {
            IdleHabit& habit = habits[run.resource];
            habit.resource = run.resource;
            habit.name = resource.name;
            habit.rule = rule->name;
            habit.limit = rule->idle_limit;
            habit.rate = *past.rate;
            const WallTime last = add_pauses(habit, *looks, life);
            const auto stop = by_us.find(run.id);
            if (ended_by(stop == by_us.end() ? nullptr : stop->second, *rule)) {
                habit.before_stops.push_back(life.to - last);
            } else {
                ++habit.other_ends;
            }
        }
        const Price* price = prices_.find(run.machine_type, life.to);
        if (price != nullptr && price->gpus > 0) {
            const AccountConfig* account = world_.account(run.account);
            reach_to_the_next(*looks, max_gap(account != nullptr ? account->poll_interval : minutes{1}));
            GpuLife gpu{.resource = run.resource,
                        .name = resource.name,
                        .machine_type = run.machine_type,
                        .rate = *past.rate,
                        .billed = life.to - life.from};
            watch_gpus(gpu, *looks, life);
            in.gpus.push_back(std::move(gpu));
        }
    }
    for (auto& [id, habit] : habits) {
        in.idle.push_back(std::move(habit));
    }
    add_parked(in, now);
    co_return in;
}

Task<Result<std::vector<HistoryRow>>> Adviser::looks_at(RunRow run, WallTime until) {
    auto rows = co_await world_.store.history_of(run.id, until);
    const auto live = world_.picture.resources.find(run.resource);
    if (rows && live != world_.picture.resources.end() && live->second.current.run.id == run.id) {
        overlay(*rows, live->second.current.history.rows());
    }
    co_return rows;
}

void Adviser::add_parked(AdviceInput& in, WallTime now) const {
    for (const auto& [id, live] : world_.picture.add_ons) {
        if (!live.meter.open || !live.meter.tariff.monthly_cap) {
            continue;
        }
        if (live.add_on.kind == AddOnKind::overage) {
            in.storage.push_back({.account = live.account,
                                  .over_bytes = live.add_on.bytes,
                                  .per_month = *live.meter.tariff.monthly_cap});
        } else if (live.add_on.orphan || live.idle_since) {
            const WallTime since = live.idle_since.value_or(live.add_on.since.value_or(live.first_seen));
            in.parked.push_back({.resource = live.add_on.resource,
                                 .name = live.add_on.name,
                                 .what = live.meter.sku,
                                 .per_month = *live.meter.tariff.monthly_cap,
                                 .age = std::max(Duration{0}, now - since),
                                 .orphan = live.add_on.orphan});
        }
    }
}

}  // namespace curfew
