#include "curfew/app/looker.hpp"

#include "curfew/app/bookkeeper.hpp"
#include "curfew/app/treasurer.hpp"
#include "curfew/core/mutant.hpp"
#include "curfew/core/replay.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr Duration holds_kept = hours{24};  // after their end

Observation unknown(Signal source, const RunId& run, const Now& now, Duration ttl, std::string evidence) {
    return {.source = source,
            .run = run,
            .at = now.mono,
            .wall = now.wall,
            .verdict = Verdict::unknown,
            .last_active_at = std::nullopt,
            .strength = Strength::strong,
            .evidence = std::move(evidence),
            .ttl = ttl};
}

void note_whether_seen(LiveRun& run, Instant now) {
    if (run.judgement.verdict != Verdict::unknown) {
        run.unseen_since.reset();
    } else if (!run.unseen_since) {
        run.unseen_since = now;
    }
}

/// A look at a run is under way.
class Asking {
public:
    Asking(std::multiset<RunId>& all, const RunId& run) : all_(all), mine_(all.insert(run)) {}
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    ~Asking() { all_.erase(mine_); }

private:
    std::multiset<RunId>& all_;
    std::multiset<RunId>::iterator mine_;
};

Mode mode_of(const std::string& word) {
    if (word == "observe") {
        return Mode::observe;
    }
    return word == "warn" ? Mode::warn : Mode::enforce;
}

}  // namespace

Mode mode_in_force(const Config& config, const AccountConfig* account) {
    return weakest(config.mode, account != nullptr ? mode_of(account->mode) : Mode::observe);
}

bool protected_by_name(const Config& config, const Resource& resource) {
    return std::ranges::any_of(config.protect,
                               [&](const std::string& glob) { return glob_matches(glob, resource.name); });
}

std::optional<LookPolicy> look_policy(const World& world, const LiveResource& live) {
    const Rule* rule = rule_for(world.config->rules, live.resource);
    const AccountConfig* account = world.account(live.resource.account);
    if (rule == nullptr || account == nullptr) {
        return std::nullopt;
    }
    return LookPolicy{
        .limit = rule->idle_limit,
        .ladder = scaled_ladder(rule->ladder, rule->idle_limit),
        .poll = account->poll_interval,
        .stalled_after = rule->stalled_after,
        .probes = rule->probe.enabled,
        .nothing_else = live.resource.kind == ResourceKind::machine || live.current.judgement.lacks_probe};
}

AssessInput assess_input(const World& world, const LiveResource& live, Instant now) {
    AssessInput in;
    in.state = live.current.run.state;
    in.judgement = live.current.judgement;
    in.quiet = live.current.clock.quiet;
    in.now = world.scheduler.wall();
    in.seen_for = now - live.current.first_seen;
    in.age = mutant(Mutant::age_by_wall_clock)
                 ? world.scheduler.wall() - live.current.run.started_at.value_or(world.scheduler.wall())
                 : now - live.current.began;
    in.started_at = live.current.run.started_at;
    const auto policy = look_policy(world, live);
    in.probing = policy && policy->probes && live.current.probes.possible;
    in.probed_enough = policy && probed_enough(live.current.probes, *policy, now);
    in.rule = rule_for(world.config->rules, live.resource);
    in.on_trial = in.rule != nullptr && !mutant(Mutant::trial_skipped) &&
                  on_trial(*in.rule, world.picture.trial_of(in.rule->name));
    in.mode = mode_in_force(*world.config, world.account(live.resource.account));
    if (const Silence* maintenance = world.picture.maintenance_over(
            live.resource, in.rule != nullptr ? in.rule->name : RuleName{});
        maintenance != nullptr && !mutant(Mutant::maintenance_ignored)) {
        in.maintenance = in_words(*maintenance);
    }
    in.protected_ = protected_by_name(*world.config, live.resource) && !mutant(Mutant::protection_forgotten);
    in.saves_nothing = saves_nothing(*world.config, live.resource);
    return in;
}

Looker::Looker(World& world, const Treasurer& treasurer, std::function<bool(const std::string&)> breaker_open)
    : world_(world), treasurer_(treasurer), breaker_open_(std::move(breaker_open)) {}

Looker::Plan Looker::plan(const LiveResource& live, Depth depth) const {
    Plan plan;
    const LiveRun& run = live.current;
    const auto policy = look_policy(world_, live);
    const bool due = depth == Depth::due;
    const bool last = depth == Depth::last;
    plan.order.until_active = due;
    plan.order.brief = due;
    if (!policy) {
        return plan;
    }
    const Rule& rule = *rule_for(world_.config->rules, live.resource);
    const Instant now = world_.scheduler.mono();
    // What the quiet clock will say if this look is quiet.
    const bool adds = run.clock.last_quiet_at && now - *run.clock.last_quiet_at <= max_gap(policy->poll);
    Duration left = policy->limit - run.clock.quiet - (adds ? now - *run.clock.last_quiet_at : Duration{0});
    if (rule.schedule && rule.respect_activity) {
        const AssessResult asked = assess(assess_input(world_, live, now));
        if (asked.stops_in && asked.stops_for == CauseKind::schedule) {
            left = std::min(left, *asked.stops_in);
        }
    }
    const bool wanted = policy->probes && run.probes.possible;
    const bool far = look_after(Verdict::quiet, left, *policy, true) > policy->poll;
    plan.order.brief = due && far;
    plan.order.heartbeat = rule.probe.heartbeat;
    plan.probe = wanted && (last || probe_due(run.probes, *policy, left, false, now));
    plan.probe_if_busy = wanted && (last || probe_due(run.probes, *policy, left, true, now));
    plan.order.until_active = due && !plan.probe_if_busy;
    plan.watched = rule.probe.watched;
    plan.before = run.last_probe;
    plan.active_ttl = observation_ttl(policy->poll);
    plan.probe_ttl = probe_ttl(*policy, left, run.judgement.only_kernels);
    plan.step = steps_reached(policy->ladder, left);
    return plan;
}

Task<void> Looker::ask_guest(Guest& guest, const Run& run, const Plan& plan, Duration ttl, Look& look,
                             Deadline deadline) {
    auto answers = co_await guest.observe(plan.order, deadline);
    if (answers) {
        look.seen = std::move(*answers);
        co_return;
    }
    const Now now = world_.scheduler.now();
    look.seen.push_back(unknown(Signal::kernels, run.id, now, ttl, to_string(answers.error())));
}

Task<void> Looker::probe(Guest& guest, const Run& run, const Plan& plan, Look& look, Deadline deadline) {
    const ProbeScript script = probe_script(world_.entropy.hex(8), plan.watched);
    auto answer = co_await guest.probe(script, deadline);
    const Now now = world_.scheduler.now();
    if (!answer && answer.error().code == Errc::not_found) {
        look.probe_possible = false;
        co_return;
    }
    look.probed = true;
    auto read = answer ? parse_probe(answer->text, script) : Result<Probe>{std::unexpected(answer.error())};
    if (!read) {
        look.seen.push_back(unknown(Signal::processes, run.id, now, plan.probe_ttl, to_string(read.error())));
        co_return;
    }
    read->parent_is_ours = answer->parent_is_ours;
    read->own_bytes = answer->own_bytes;
    for (ProbeReading& reading : read_probe(*read, plan.before.get())) {
        // Quiet lasts to the next probe, whose counters tell of the time between. Work is of its moment: the
        // run is no candidate any more, and nobody would ask again.
        const Duration ttl = reading.verdict == Verdict::active ? plan.active_ttl : plan.probe_ttl;
        look.seen.push_back({.source = reading.source,
                             .run = run.id,
                             .at = now.mono,
                             .wall = now.wall,
                             .verdict = reading.verdict,
                             .last_active_at = std::nullopt,
                             .strength = reading.strength,
                             .evidence = std::move(reading.evidence),
                             .ttl = ttl});
    }
    read->first = {};  // the next one is compared with the second sample
    look.probe = std::make_shared<const Probe>(std::move(*read));
}

Task<Looker::Look> Looker::look(Resource resource, Run run, Plan plan, Deadline deadline) {
    const Asking asking(asking_, run.id);
    Look look;
    look.step = plan.step;
    const AccountConfig* account = world_.account(resource.account);
    if (account == nullptr) {
        co_return look;
    }
    const Duration ttl = observation_ttl(account->poll_interval);
    const bool metrics = account->metrics;
    const Duration window = std::max<Duration>(minutes{2}, account->poll_interval * 2);
    const std::unique_ptr<Guest> guest = world_.guests.open(resource.account, resource, run);
    if (guest) {
        co_await ask_guest(*guest, run, plan, ttl, look, deadline);
    } else if (resource.kind == ResourceKind::notebook) {
        // A partial list may not have shown its address since a restart: that is no word of what it can run, and
        // what it said before is none of now.
        look.seen.push_back(unknown(Signal::kernels, run.id, world_.scheduler.now(), ttl,
                                    "the way into it is not known (no address or token in the list)"));
    }
    const std::shared_ptr<Cloud> cloud = world_.cloud(resource.account);
    if (metrics && cloud != nullptr && resource.kind == ResourceKind::notebook) {
        auto series = co_await cloud->metrics({resource.kind, resource.id, run.id}, window, deadline);
        if (series) {
            std::ranges::move(*series, std::back_inserter(look.seen));
        } else {
            look.seen.push_back(
                unknown(Signal::metrics, run.id, world_.scheduler.now(), ttl, to_string(series.error())));
        }
    }
    const Judgement so_far = combine(look.seen, world_.scheduler.mono(), resource.kind);
    const bool wanted = so_far.verdict == Verdict::active ? so_far.only_kernels && plan.probe_if_busy
                                                          : plan.probe;
    if (guest && wanted) {
        co_await probe(*guest, run, plan, look, deadline);
    }
    co_return look;
}

void Looker::absorb(LiveResource& live, Look look) const {
    LiveRun& run = live.current;
    const Now now = world_.scheduler.now();
    const bool asked = !look.seen.empty();
    take_in(run.observations, std::move(look.seen), now.mono);
    if (asked) {
        run.observed_at = now.mono;
    }
    const auto policy = look_policy(world_, live);
    const AccountConfig* account = world_.account(live.resource.account);
    const Duration gap = max_gap(account != nullptr ? account->poll_interval : Duration{minutes{1}});
    Judgement judgement = combine(run.observations, now.mono, live.resource.kind);
    run.stall = tick(run.stall, stall_verdict(judgement), now.mono, gap);
    if (policy) {
        judgement = judge_stall(std::move(judgement), run.stall, policy->stalled_after);
    }
    run.judgement = std::move(judgement);
    const Verdict verdict = run.judgement.verdict;
    run.clock = tick(run.clock, verdict, now.mono, gap);
    run.history.looked(run.run.id, run.observations, now, gap);
    run.probes.possible = run.probes.possible && look.probe_possible;
    if (look.probed) {
        run.probes = probed(run.probes, verdict, look.probe != nullptr, look.step, now.mono);
        run.last_probe = look.probe ? std::move(look.probe) : std::move(run.last_probe);
    } else if (verdict == Verdict::active) {
        run.probes.quiet = 0;
        run.probes.first_quiet.reset();
    }
    if (policy) {
        run.next_look = now.mono + look_after(verdict, policy->limit - run.clock.quiet, *policy, true);
    } else if (account != nullptr) {
        run.next_look = now.mono + look_after(verdict, {}, {.poll = account->poll_interval}, false);
    }
    note_whether_seen(run, now.mono);
}

void Looker::absorb_nothing(LiveRun& run, const std::string& why, const AccountConfig& account) const {
    const Now now = world_.scheduler.now();
    const Duration gap = max_gap(account.poll_interval);
    run.judgement = unseen_judgement(why);
    run.clock = tick(run.clock, Verdict::unknown, now.mono, gap);
    run.stall = tick(run.stall, Verdict::unknown, now.mono, gap);
    run.history.unseen(run.run.id, why, now, gap);
    note_whether_seen(run, now.mono);
}

AssessResult Looker::assess_now(LiveResource& live, bool newest, bool gone) const {
    const Config& config = *world_.config;
    const Now now = world_.scheduler.now();
    // Not as soon as it is over: the clock that says so may be set back, and then it holds again.
    std::erase_if(live.holds, [&](const Hold& hold) {
        return hold.released_at || now.wall - hold.until > holds_kept ||
               (!hold.run.empty() && hold.run != live.current.run.id);
    });
    // An exemption is the resource's: it waits in the picture while nothing of it is listed.
    if (const auto exempt = world_.picture.exemptions.find(live.resource.id);
        exempt != world_.picture.exemptions.end() && exempt->second.in_force(now.wall) &&
        std::ranges::find(live.holds, exempt->second.id, &Hold::id) == live.holds.end()) {
        live.holds.push_back(exempt->second);
    }
    AssessInput in = assess_input(world_, live, now.mono);
    const Rule* rule = in.rule;
    live.on_trial = in.on_trial;
    in.newest = newest;
    in.gone = gone;
    in.hold = strongest_hold(live.holds, live.resource.id, live.current.run.id, now.wall);
    in.breaker_open = rule != nullptr && breaker_open_(rule->name.value);
    if (const auto exhausted = treasurer_.exhausted(config, live)) {
        in.exhausted_budget = exhausted->budget->name.value;
        in.budget_mode = exhausted->budget->mode;
        in.budget_notice = exhausted->threshold->action == ThresholdAction::stop_now
                               ? std::optional{stop_now_notice}
                               : std::nullopt;
    }
    const Enforcement* e = mutant(Mutant::of_an_older_run) && live.enforcement ? &*live.enforcement
                                                                               : live.under_way();
    if (e != nullptr) {
        if (e->cause.kind == CauseKind::manual) {
            in.manual_by = e->cause.name;
        }
        if (e->state != EnforcementState::warned) {
            in.pursued = e->cause.kind;
        }
    }
    AssessResult result = assess(in);
    live.protected_ = in.protected_;
    live.saves_nothing = in.saves_nothing;
    live.breaker_open = in.breaker_open;
    live.rule = rule != nullptr ? rule->name.value : std::string{};
    live.mode = result.mode;
    live.maintenance = in.maintenance;
    live.idle_limit = result.idle_limit;
    live.beaten_by_hold = result.beaten_by_hold && result.assessment.held_by;
    live.why = result.assessment.why + (live.on_trial ? "; the rule is on trial" : "");
    live.stops_at = result.stops_in && result.mode == Mode::enforce
                        ? std::optional{now.wall + *result.stops_in}
                        : std::nullopt;
    live.stops_for = result.stops_for;
    live.limits = result.limits;
    live.min_notice = result.assessment.min_notice;
    return result;
}

}  // namespace curfew
