#include "curfew/app/adviser.hpp"

#include <algorithm>
#include <charconv>
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

/// The percentage after "GPU " in the words of a look at the provider's series; absent where there is none.
std::optional<int> gpu_percent(std::string_view evidence) {
    const std::size_t at = evidence.find("GPU ");
    int percent = 0;
    const char* end = evidence.data() + evidence.size();
    return at != std::string_view::npos &&
                   std::from_chars(evidence.data() + at + 4, end, percent).ec == std::errc{}
               ? std::optional{percent}
               : std::nullopt;
}

enum class Gpu : std::uint8_t { unseen, idle, worked };

/// What a row says of the GPUs. The provider's series judge CPU and GPU together: where they were active, the
/// words of the first and the last look tell, and a long row leaves too many looks untold.
Gpu gpu_of(const HistoryRow& row) {
    constexpr int active_percent = 5;
    if (row.verdict == Verdict::unknown || (row.source != Signal::gpu && row.source != Signal::metrics)) {
        return Gpu::unseen;
    }
    const bool active = row.verdict == Verdict::active;
    if (row.source == Signal::gpu) {
        return active ? Gpu::worked : Gpu::idle;
    }
    const auto first = gpu_percent(row.began);
    const auto last = gpu_percent(row.last);
    if (!first || !last) {
        return Gpu::unseen;
    }
    if (*first >= active_percent || *last >= active_percent) {
        return Gpu::worked;
    }
    return active && row.to - row.from > hours{1} ? Gpu::unseen : Gpu::idle;
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
        auto looks = co_await world_.store.history_of(run.id, life.to);
        if (!looks) {
            co_return std::unexpected(looks.error());
        }
        GpuLife gpu{.resource = run.resource,
                    .name = row->second->name,
                    .machine_type = run.machine_type,
                    .rate = *past.rate,
                    .billed = life.to - life.from};
        std::vector<Stretch> seen;
        std::vector<Stretch> active;
        for (const HistoryRow& look : *looks) {
            const Stretch part{std::max(look.from, life.from), std::min(look.to, life.to)};
            if (!look.source || part.to < part.from || look.verdict == Verdict::unknown) {
                continue;
            }
            if (const Gpu found = gpu_of(look); found != Gpu::unseen) {
                seen.push_back(part);
                gpu.worked = gpu.worked || found == Gpu::worked;
            }
            if (look.verdict == Verdict::active && look.strength == Strength::strong) {
                active.push_back(part);
            }
        }
        gpu.seen = covered(std::move(seen));
        const Price* price = prices_.find(run.machine_type, life.to);
        if (price != nullptr && price->gpus > 0) {
            in.gpus.push_back(std::move(gpu));
        }
        Resource resource;
        resource.id = run.resource;
        resource.account = run.account;
        resource.kind = row->second->kind;
        resource.name = row->second->name;
        resource.project = row->second->project;
        resource.owner = row->second->owner;
        resource.run.machine_type = run.machine_type;
        const Rule* rule = rule_for(config->rules, resource);
        if (rule == nullptr || !run.ended_at) {
            continue;
        }
        IdleHabit& habit = habits[run.resource];
        habit.resource = run.resource;
        habit.name = resource.name;
        habit.rule = rule->name;
        habit.limit = rule->idle_limit;
        habit.rate = *past.rate;
        std::ranges::sort(active, {}, &Stretch::from);
        WallTime last = life.from;
        for (const Stretch& work : active) {
            if (work.from > last) {
                habit.pauses.push_back(work.from - last);
            }
            last = std::max(last, work.to);
        }
        const auto stop = by_us.find(run.id);
        if (stop != by_us.end() && stop->second->cause == CauseKind::idle &&
            stop->second->cause_name == rule->name.value) {
            habit.before_stops.push_back(life.to - last);
        } else {
            ++habit.other_ends;
        }
    }
    for (auto& [id, habit] : habits) {
        in.idle.push_back(std::move(habit));
    }
    add_parked(in, now);
    co_return in;
}

void Adviser::add_parked(AdviceInput& in, WallTime now) const {
    for (const auto& [id, live] : world_.picture.add_ons) {
        if (!live.meter.open || !live.meter.tariff.monthly_cap) {
            continue;
        }
        if (live.add_on.kind == AddOnKind::overage) {
            in.storage.push_back({.account = live.account,
                                  .bytes = live.add_on.bytes,
                                  .plan_bytes = 0,
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
