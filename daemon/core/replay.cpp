#include "curfew/core/replay.hpp"

#include <algorithm>
#include <iterator>
#include <ranges>

namespace curfew {

namespace {

Observation seen_by(const HistoryRow& row, WallTime t, const std::optional<WallTime>& last_active) {
    const WallTime at = std::min(t, row.to);
    return {.source = *row.source,
            .run = row.run,
            .at = replay_instant(at),
            .wall = at,
            .verdict = row.verdict,
            .last_active_at = row.verdict == Verdict::active ? std::optional{at} : last_active,
            .strength = row.strength,
            .evidence = at == row.to ? row.last : row.began,
            .ttl = row.ttl};
}

bool strong_work(const HistoryRow& row) {
    return row.source && row.verdict == Verdict::active && row.strength == Strength::strong;
}

std::optional<WallTime> active_after(std::span<const HistoryRow> rows, WallTime t) {
    std::optional<WallTime> first;
    for (const HistoryRow& row : rows) {
        if (strong_work(row) && row.to > t) {
            const WallTime at = std::max(row.from, t);
            first = first ? std::min(*first, at) : at;
        }
    }
    return first;
}

std::optional<Money> price_of(const std::optional<Rate>& rate, Duration d) {
    const auto cost = rate ? cost_of(*rate, std::max(Duration{0}, d))
                           : Result<Money>{fail(Errc::invalid, "unpriced")};
    return cost ? std::optional{*cost} : std::nullopt;
}

/// Can this look make a rule do anything? Far from its ladder it cannot, and most looks are.
bool near_the_ladder(const AssessInput& in) {
    return in.rule != nullptr && (in.rule->schedule || in.rule->max_age || in.quiet >= in.rule->idle_limit ||
                                  steps_reached(scaled_ladder(in.rule->ladder, in.rule->idle_limit),
                                                in.rule->idle_limit - in.quiet) > 0);
}

}  // namespace

void overlay(std::vector<HistoryRow>& rows, std::vector<HistoryRow> newer) {
    for (HistoryRow& row : newer) {
        const auto same = std::ranges::find_if(
            rows, [&](const HistoryRow& r) { return r.source == row.source && r.from == row.from; });
        if (same != rows.end()) {
            *same = std::move(row);
        } else {
            rows.push_back(std::move(row));
        }
    }
}

Judgement unseen_judgement(std::string why) {
    return {.verdict = Verdict::unknown,
            .coverage = Coverage::none,
            .weak_activity = false,
            .step = std::move(why)};
}

// ---- looks ---------------------------------------------------------------------------------------

Replay::Replay(const RecordedRun& run) : run_(run) {
    const auto begins_first = [](const HistoryRow* a, const HistoryRow* b) {
        return std::pair{a->from, a->to} < std::pair{b->from, b->to};
    };
    std::vector<std::optional<Signal>> sources;
    for (const HistoryRow& row : run.rows) {
        known_.push_back(row.from);
        known_.push_back(row.to);
        if (!row.source) {
            looks_.push_back(&row);
            continue;
        }
        const auto known = std::ranges::find(sources, row.source);
        const auto index = static_cast<std::size_t>(std::distance(sources.begin(), known));
        if (known == sources.end()) {
            sources.push_back(row.source);
            tracks_.emplace_back();
        }
        tracks_[index].rows.push_back(&row);
    }
    std::ranges::sort(looks_, begins_first);
    for (Track& track : tracks_) {
        std::ranges::sort(track.rows, begins_first);
    }
    std::ranges::sort(known_);
    const auto doubles = std::ranges::unique(known_);
    known_.erase(doubles.begin(), doubles.end());
}

std::optional<WallTime> Replay::peek() const {
    if (next_known_ == known_.size()) {
        return std::nullopt;
    }
    const WallTime known = known_[next_known_];
    const bool in_a_row = begun_ && !looks_.empty() && looks_[look_]->from <= at_ &&
                          known <= looks_[look_]->to;
    // Polls do not keep time to the millisecond: what is nearer than one and a half is the next.
    return in_a_row && (known - at_) * 2 >= run_.poll_interval * 3 ? at_ + run_.poll_interval : known;
}

bool Replay::next() {
    const auto next = peek();
    if (!next) {
        return false;
    }
    at_ = *next;
    const bool known = at_ == known_[next_known_];
    next_known_ += known ? 1 : 0;
    begun_ = true;
    if (known || (good_until_ && at_ > *good_until_)) {
        judge();
    }
    clock_ = tick(clock_, judgement_.verdict, replay_instant(at_), run_.max_gap());
    return true;
}

void Replay::judge() {
    while (look_ + 1 < looks_.size() && looks_[look_ + 1]->from <= at_) {
        ++look_;
    }
    good_until_.reset();
    for (Track& track : tracks_) {
        const auto pass = [&] {
            const HistoryRow& row = *track.rows[track.at];
            if (row.verdict == Verdict::active) {
                track.last_active = std::min(at_, row.to);
            }
        };
        track.begun = track.begun || track.rows.front()->from <= at_;
        if (!track.begun) {
            continue;
        }
        pass();
        while (track.at + 1 < track.rows.size() && track.rows[track.at + 1]->from <= at_) {
            ++track.at;
            pass();
        }
        const HistoryRow& row = *track.rows[track.at];
        if (row.to <= at_ && at_ <= row.to + row.ttl) {
            good_until_ = good_until_ ? std::min(*good_until_, row.to + row.ttl) : row.to + row.ttl;
        }
    }
    judgement_ = unseen().empty() ? combine(observations(), replay_instant(at_), run_.kind)
                                  : unseen_judgement(unseen());
}

std::vector<Observation> Replay::observations() const {
    std::vector<Observation> seen;
    for (const Track& track : tracks_) {
        const HistoryRow& row = *track.rows[track.at];
        const bool lapsed = is_probed(*row.source) && at_ - row.to > row.ttl;
        if (track.begun && !lapsed) {
            seen.push_back(seen_by(*track.rows[track.at], at_, track.last_active));
        }
    }
    return seen;
}

const std::string& Replay::unseen() const {
    static const std::string nothing;
    const bool covers = begun_ && !looks_.empty() && looks_[look_]->from <= at_ && at_ <= looks_[look_]->to;
    return covers ? looks_[look_]->began : nothing;
}

// ---- a rule over looks ---------------------------------------------------------------------------

RuleWalk::Act RuleWalk::feed(const AssessInput& in, Instant at) {
    if (enforcement_.state == EnforcementState::watching && !in.exhausted_budget && !near_the_ladder(in)) {
        return Act::none;
    }
    const AssessResult result = assess(in);
    Transition t = step(enforcement_, event::Assessed{result.assessment}, at, EnforcementPolicy{});
    enforcement_ = std::move(t.next);
    why_ = enforcement_.reason;
    cause_ = enforcement_.cause;
    const auto does = [&](Effect effect) { return std::ranges::find(t.effects, effect) != t.effects.end(); };
    if (enforcement_.state == EnforcementState::over) {
        enforcement_ = Enforcement{};
        return Act::called_off;
    }
    if (enforcement_.state == EnforcementState::due) {
        return Act::due;
    }
    if (does(Effect::record_would_stop)) {
        return Act::would_stop;
    }
    if (!does(Effect::warn)) {
        return Act::none;
    }
    enforcement_ = step(enforcement_, event::WarningDelivered{enforcement_.warned_step}, at, {}).next;
    return Act::warned;
}

std::optional<Hold> hold_at(std::span<const Hold> holds, const ResourceId& resource, const RunId& run,
                            WallTime t) {
    std::vector<Hold> as_it_was(holds.begin(), holds.end());
    for (Hold& hold : as_it_was) {
        if (hold.released_at) {
            hold.until = std::min(hold.until, *hold.released_at);
            hold.released_at.reset();
        }
    }
    const Hold* found = strongest_hold(as_it_was, resource, run, t);
    return found != nullptr ? std::optional{*found} : std::nullopt;
}

namespace {

AssessInput input_of(const RecordedRun& run, const Rule* rule, Mode mode, const Judgement& judgement,
                     const QuietClock& clock, WallTime at) {
    AssessInput in;
    in.now = at;
    in.state = RunState::running;
    in.judgement = judgement;
    in.quiet = clock.quiet;
    in.seen_for = std::max(Duration{0}, at - run.first_seen);
    in.age = std::max(in.seen_for, at - run.started_at.value_or(at));
    in.started_at = run.started_at;
    in.rule = rule;
    in.mode = mode;
    // When this rule would have probed is not recorded; what was seen whenever somebody did is.
    in.probing = rule != nullptr && rule->probe.enabled;
    in.probed_enough = true;
    return in;
}

}  // namespace

RuleTest test_rule(const RecordedRun& run, const Rule& rule, WallTime since, WallTime end,
                   const std::optional<Rate>& rate) {
    Rule candidate = rule;
    candidate.mode = Mode::enforce;
    RuleTest test;
    RuleWalk walk;
    Replay looks(run);
    int warnings = 0;
    while (!test.stop && looks.next()) {
        if (looks.at() < since) {
            continue;
        }
        test.first = test.first.value_or(looks.at());
        test.last = looks.at();
        AssessInput in = input_of(run, &candidate, Mode::enforce, looks.judgement(), looks.clock(),
                                  looks.at());
        std::optional<Hold> hold;
        if (!run.holds.empty()) {
            hold = hold_at(run.holds, run.resource, run.run, looks.at());
            in.hold = hold ? &*hold : nullptr;
        }
        const bool watching = walk.enforcement().state == EnforcementState::watching;
        const RuleWalk::Act act = walk.feed(in, replay_instant(looks.at()));
        if (act == RuleWalk::Act::warned) {
            test.warned += watching ? 1 : 0;
            warnings = watching ? 1 : warnings + 1;
        } else if (act == RuleWalk::Act::due) {
            test.stop = ReplayStop{.at = looks.at(),
                                   .why = walk.why(),
                                   .warnings = warnings,
                                   .active_again = active_after(run.rows, looks.at()),
                                   .saved = {},
                                   .saved_before_use = {}};
        }
    }
    if (test.stop) {
        ReplayStop& stop = *test.stop;
        stop.saved = price_of(rate, end - stop.at);
        stop.saved_before_use = price_of(rate, std::min(end, stop.active_again.value_or(end)) - stop.at);
    }
    return test;
}

Moment moment_at(const RecordedRun& run, const Rule* rule, Mode mode, bool protected_by_name, WallTime at) {
    Moment moment;
    moment.at = at;
    Replay looks(run);
    while (looks.peek() && *looks.peek() <= at && looks.next()) {
        moment.looked_at = looks.at();
    }
    moment.observations = moment.looked_at ? looks.observations() : std::vector<Observation>{};
    moment.clock = looks.clock();
    // Between two looks what the last one said is in force, as long as it is not too old.
    const bool fresh = moment.looked_at && at - *moment.looked_at <= run.max_gap();
    moment.judgement = fresh ? looks.judgement() : combine(moment.observations, replay_instant(at));
    moment.hold = hold_at(run.holds, run.resource, run.run, at);
    AssessInput in = input_of(run, rule, mode, moment.judgement, moment.clock, at);
    in.hold = moment.hold ? &*moment.hold : nullptr;
    in.protected_ = protected_by_name;
    moment.result = assess(in);
    return moment;
}

// ---- what comes ----------------------------------------------------------------------------------

std::vector<PlannedAct> plan_ahead(const PlanInput& input, Duration ahead) {
    std::vector<PlannedAct> acts;
    AssessInput in = input.now;
    QuietClock clock = input.clock;
    RuleWalk walk(input.enforcement);
    const Duration pace = std::max<Duration>(input.poll_interval, seconds{1});
    for (Duration in_time{0}; in_time <= ahead; in_time += pace) {
        const Instant at = input.at.mono + in_time;
        const WallTime wall = input.at.wall + in_time;
        if (in_time > Duration{0}) {
            clock = tick(clock, in.judgement.verdict, at, input.poll_interval * 3);
        }
        const auto hold = input.holds.empty() ? std::nullopt
                                              : hold_at(input.holds, input.resource, input.run, wall);
        in.hold = hold ? &*hold : nullptr;
        in.quiet = clock.quiet;
        in.now = wall;
        in.seen_for = input.now.seen_for + in_time;
        in.age = input.now.age + in_time;
        in.probed_enough = true;  // they will have been run by then
        if (input.budget_in && in_time >= *input.budget_in) {
            in.exhausted_budget = input.budget;
        }
        const RuleWalk::Act act = walk.feed(in, at);
        if (act != RuleWalk::Act::none) {
            acts.push_back({act, in_time, walk.cause(), walk.why()});
        }
        if (act == RuleWalk::Act::due || act == RuleWalk::Act::would_stop) {
            break;
        }
    }
    return acts;
}

std::optional<Duration> exhausted_in(const Budget& budget, const Period& period, const BudgetSpend& spend,
                                     std::span<const std::string> fired, WallTime now, const Lead& lead,
                                     Duration ahead) {
    if (exhausting(budget, fired) != nullptr) {
        return Duration{0};
    }
    const bool ends = has_end(budget.period.kind);
    const Duration span = ends ? std::min(ahead, period.to - now) : ahead;
    for (Duration in{0}; budget.hard() && in < span; in += minutes{1}) {
        BudgetSpend then = spend;
        const auto more = cost_of(Rate{spend.burn_per_hour}, in);
        then.spent = more ? spend.spent + *more : std::max(spend.spent, budget.amount);
        for (const ThresholdCrossing& crossing : crossings(budget, period, then, lead, fired)) {
            if (stops(crossing.threshold.action)) {
                return in;
            }
        }
    }
    return std::nullopt;
}

}  // namespace curfew
