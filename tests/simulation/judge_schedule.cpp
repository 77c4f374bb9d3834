// Off hours, by a calendar of the judge's own: what a schedule stops it may stop, and what it should stop is stopped.
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <array>

namespace curfew::simulation {

namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t day_minutes = 1440;
constexpr std::int64_t week_minutes = 7 * day_minutes;
constexpr Duration around_a_change = hours{3};
constexpr Duration step = minutes{5};
constexpr Duration window_longest = hours{24 * 8};
constexpr Duration listed_lately = minutes{15};

/// By a clock that shows `offset` more than UTC. Day 0 was a Thursday; weeks begin on Mondays.
bool off_by(const Schedule& schedule, WallTime t, Duration offset) {
    const std::int64_t local = (t.ms + offset.count()) / minute_ms + 3 * day_minutes;
    const std::int64_t now = local % week_minutes;
    return std::ranges::any_of(schedule.weekly(), [&](const OffHours& hours) {
        std::int64_t length = hours.to_minute - hours.from_minute;
        length += length <= 0 ? day_minutes : 0;
        for (std::int64_t day = 0; day < 7; ++day) {
            const std::int64_t begins = day * day_minutes + hours.from_minute;
            if (((hours.days >> static_cast<unsigned>(day)) & 1U) != 0 &&
                (now - begins + week_minutes) % week_minutes < length) {
                return true;
            }
        }
        return false;
    });
}

std::array<bool, 3> readings(const Schedule& schedule, WallTime t) {
    const Zone& zone = schedule.zone();
    return {off_by(schedule, t, zone.offset_at(t)), off_by(schedule, t, zone.offset_at(t - around_a_change)),
            off_by(schedule, t, zone.offset_at(t + around_a_change))};
}

bool any(const std::array<bool, 3>& said) {
    return std::ranges::find(said, true) != said.end();
}

bool all(const std::array<bool, 3>& said) {
    return std::ranges::find(said, false) == said.end();
}

/// Where the hours around `t` that are off for certain began.
WallTime off_since(const Schedule& schedule, WallTime t) {
    WallTime from = t;
    while (t - from < window_longest && all(readings(schedule, from - step))) {
        from = from - step;
    }
    return from;
}

}  // namespace

/// Around a change of the clocks, and for as long as it takes to act, the kinder reading counts.
bool own_schedule_asks(const Rule& rule, const RunTruth& truth, WallTime wall) {
    if (!rule.schedule) {
        return false;
    }
    if (!rule.schedule->holidays().empty()) {
        return true;
    }
    const bool off = any(readings(*rule.schedule, wall)) ||
                     any(readings(*rule.schedule, wall - knowledge_lag));
    const bool inside = all(readings(*rule.schedule, wall)) &&
                        truth.began.utc > off_since(*rule.schedule, wall);
    return off && !inside;
}

/// Since when a schedule wants it off, for certain.
std::optional<Duration> own_overdue(const Rule& rule, const RunTruth& truth, WallTime wall) {
    if (!rule.schedule || !rule.schedule->holidays().empty() || !all(readings(*rule.schedule, wall))) {
        return std::nullopt;
    }
    const WallTime from = off_since(*rule.schedule, wall);
    const Zone& zone = rule.schedule->zone();
    const bool steady = zone.offset_at(from - around_a_change) == zone.offset_at(from + around_a_change);
    const bool there = truth.began.utc + (steady ? step * 2 : around_a_change) < from;
    return there ? std::optional{wall - from} : std::nullopt;
}

/// Who is on in his off hours, at work or not, is under an enforcement, whatever that may do. Asked with each poll that
/// is durable, of what the newest list showed.
void Judge::judge_off_hours(std::set<std::string>& now, Moment at) {
    Model& m = *model_;
    const Config& config = *m.config();
    const bool maintained = std::ranges::any_of(m.silences, [](const auto& entry) {
        return entry.second.row.kind == SilenceKind::maintenance && !entry.second.row.ended_at;
    });
    if (maintained || at.mono - m.configs.back().first < hours{1} ||
        m.most_wall_moved(at.mono - hours{1}, at.mono) > minutes{1}) {
        return;
    }
    for (const auto& [id, truth] : m.runs) {
        const auto resource = m.resources.find(truth.run.resource);
        if (truth.ended || resource == m.resources.end() || m.live.contains(id) || held(truth, at) ||
            !truth.listed_at || at.mono - *truth.listed_at > listed_lately) {
            continue;
        }
        const ResourceRow& row = resource->second;
        const Rule* rule = own_rule(config, row, truth.run.machine_type);
        const bool is_protected = std::ranges::any_of(
            config.protect, [&](const std::string& glob) { return own_glob(glob, row.name); });
        const bool newest = std::ranges::none_of(m.runs, [&](const auto& other) {
            return other.second.run.resource == truth.run.resource &&
                   other.second.began.mono > truth.began.mono;
        });
        if (rule == nullptr || rule->respect_activity || is_protected || !newest) {
            continue;
        }
        if (const auto overdue = own_overdue(*rule, truth, at.wall); overdue && *overdue > minutes{20}) {
            missed(now, id.value + " is in its off hours, and no stop of it is under way", at);
        }
    }
}

}  // namespace curfew::simulation
