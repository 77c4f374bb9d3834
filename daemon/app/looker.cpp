#include "curfew/app/looker.hpp"

#include "curfew/app/bookkeeper.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

Mode mode_of(const std::string& word) {
    if (word == "observe") {
        return Mode::observe;
    }
    return word == "warn" ? Mode::warn : Mode::enforce;
}

}  // namespace

Looker::Looker(World& world, const Bookkeeper& books, std::function<bool(const std::string&)> breaker_open)
    : world_(world), books_(books), breaker_open_(std::move(breaker_open)) {}

Task<std::vector<Observation>> Looker::observe(Resource resource, Run run, Deadline deadline) {
    std::vector<Observation> seen;
    const AccountConfig* account = world_.account(resource.account);
    if (account == nullptr) {
        co_return seen;
    }
    const auto unknown = [&](Signal source, std::string evidence) {
        const Now now = world_.scheduler.now();
        seen.push_back({.source = source,
                        .run = run.id,
                        .at = now.mono,
                        .wall = now.wall,
                        .verdict = Verdict::unknown,
                        .last_active_at = std::nullopt,
                        .strength = Strength::strong,
                        .evidence = std::move(evidence),
                        .ttl = observation_ttl(account->poll_interval)});
    };
    if (auto guest = world_.guests.open(resource.account, resource, run)) {
        auto answers = co_await guest->observe({}, deadline);
        if (answers) {
            seen = std::move(*answers);
        } else {
            unknown(Signal::kernels, to_string(answers.error()));
        }
    }
    const std::shared_ptr<Cloud> cloud = world_.cloud(resource.account);
    if (account->metrics && cloud != nullptr && resource.kind == ResourceKind::notebook) {
        const Duration window = std::max<Duration>(minutes{2}, account->poll_interval * 2);
        auto series = co_await cloud->metrics({resource.kind, resource.id, run.id}, window, deadline);
        if (series) {
            std::ranges::move(*series, std::back_inserter(seen));
        } else {
            unknown(Signal::metrics, to_string(series.error()));
        }
    }
    co_return seen;
}

void Looker::absorb(LiveRun& run, std::vector<Observation> seen, const AccountConfig& account) const {
    const Now now = world_.scheduler.now();
    for (Observation& o : seen) {
        std::erase_if(run.observations, [&](const Observation& old) { return old.source == o.source; });
        run.observations.push_back(std::move(o));
    }
    if (!seen.empty()) {
        run.observed_at = now.mono;
    }
    run.judgement = combine(run.observations, now.mono);
    run.clock = tick(run.clock, run.judgement.verdict, now.mono, max_gap(account));
    if (run.judgement.verdict != Verdict::unknown) {
        run.unseen_since.reset();
    } else if (!run.unseen_since) {
        run.unseen_since = now.mono;
    }
}

AssessResult Looker::assess_now(LiveResource& live, bool newest, bool gone) const {
    const Config& config = *world_.config;
    const Now now = world_.scheduler.now();
    const Rule* rule = rule_for(config.rules, live.resource);
    const AccountConfig* account = world_.account(live.resource.account);
    std::erase_if(live.holds, [&](const Hold& hold) {
        return !hold.in_force(now.wall) || (!hold.run.empty() && hold.run != live.current.run.id);
    });
    // An exemption is the resource's: it waits in the picture while nothing of it is listed.
    if (const auto exempt = world_.picture.exemptions.find(live.resource.id);
        exempt != world_.picture.exemptions.end() && exempt->second.in_force(now.wall) &&
        std::ranges::find(live.holds, exempt->second.id, &Hold::id) == live.holds.end()) {
        live.holds.push_back(exempt->second);
    }
    live.on_trial = rule != nullptr && on_trial(*rule, world_.picture.trial_of(rule->name));
    std::optional<Rule> tried;
    if (live.on_trial) {
        tried = *rule;
        tried->mode = Mode::observe;
    }

    AssessInput in{
        .state = live.current.run.state,
        .newest = newest,
        .gone = gone,
        .judgement = live.current.judgement,
        .quiet = live.current.clock.quiet,
        .seen_for = now.mono - live.current.first_seen,
        .rule = tried ? &*tried : rule,
        .mode = weakest(config.mode, account != nullptr ? mode_of(account->mode) : Mode::observe),
        .hold = strongest_hold(live.holds, live.resource.id, live.current.run.id, now.wall),
        .protected_ = std::ranges::any_of(
            config.protect, [&](const std::string& glob) { return glob_matches(glob, live.resource.name); }),
        .breaker_open = rule != nullptr && breaker_open_(rule->name.value),
        .exhausted_budget = std::nullopt,
        .budget_mode = Mode::observe,
        .manual_by = std::nullopt};
    if (const Budget* budget = books_.exhausted(config, live.resource)) {
        in.exhausted_budget = budget->name.value;
        in.budget_mode = budget->mode;
    }
    if (live.enforcement && live.enforcement->cause.kind == CauseKind::manual) {
        in.manual_by = live.enforcement->cause.name;
    }
    AssessResult result = assess(in);
    live.protected_ = in.protected_;
    live.rule = rule != nullptr ? rule->name.value : std::string{};
    live.mode = result.mode;
    live.idle_limit = result.idle_limit;
    live.beaten_by_hold = result.beaten_by_hold && result.assessment.held_by;
    live.why = result.assessment.why + (live.on_trial ? "; the rule is on trial" : "");
    live.stops_at = result.stops_in && result.mode == Mode::enforce
                        ? std::optional{now.wall + *result.stops_in}
                        : std::nullopt;
    return result;
}

}  // namespace curfew
