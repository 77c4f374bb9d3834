// Recorded rows again: what a candidate rule would have done, how a run stood at a time, what comes.
#include "curfew/core/replay.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace curfew;

namespace {

constexpr WallTime begin{1'795'399'800'000};
constexpr Rate rate{Money{600'000'000}};  // a cent a minute

HistoryRow row(std::optional<Signal> source, int from, int to, Verdict verdict,
               Strength strength = Strength::strong) {
    return {.run = RunId{"n1"},
            .source = source,
            .from = begin + minutes{from},
            .to = begin + minutes{to},
            .verdict = verdict,
            .strength = strength,
            .ttl = minutes{5},
            .began = source ? "first" : "",
            .last = source ? "last" : ""};
}

/// Looks every minute from 0 to `to`; metrics quiet throughout; kernels as told, each until the minute.
RecordedRun recorded(int to, const std::vector<std::pair<int, Verdict>>& kernels) {
    RecordedRun run;
    run.run = RunId{"n1"};
    run.resource = ResourceId{"r1"};
    run.first_seen = begin;
    run.rows = {row(std::nullopt, 0, to, Verdict::unknown), row(Signal::metrics, 0, to, Verdict::quiet)};
    int from = 0;
    for (const auto& [until, verdict] : kernels) {
        run.rows.push_back(row(Signal::kernels, from, until, verdict));
        from = until + 1;
    }
    return run;
}

Rule rule_of(Duration limit) {
    Rule rule;
    rule.name = RuleName{"candidate"};
    rule.idle_limit = limit;
    rule.start_grace = Duration{0};
    return rule;  // mode observe: a test is made as if it were enforce
}

WallTime at(int minute) {
    return begin + minutes{minute};
}

}  // namespace

TEST_CASE("a candidate stops where its limit is reached, and not before") {
    const auto run = recorded(300, {{60, Verdict::active}, {300, Verdict::quiet}});
    const RuleTest hour = test_rule(run, rule_of(hours{1}), begin, at(300), rate);
    REQUIRE(hour.stop);
    CHECK(hour.stop->at == at(121));  // first quiet look at 61
    CHECK(hour.stop->warnings == 3);
    CHECK(*hour.stop->saved == Money{179 * 10'000'000});
    CHECK_FALSE(hour.stop->active_again);
    CHECK(hour.stop->saved == hour.stop->saved_before_use);
    CHECK(hour.stop->why.find("rule candidate") != std::string::npos);
    // The last step of the shortened ladder comes with the limit: warned once more, stopped a look later.
    CHECK(test_rule(run, rule_of(minutes{20}), begin, at(300), rate).stop->at == at(82));
    CHECK_FALSE(test_rule(run, rule_of(hours{5}), begin, at(300), rate).stop);
    CHECK_FALSE(test_rule(run, rule_of(hours{1}), begin, at(300), std::nullopt).stop->saved);
}

TEST_CASE("activity after the would-be stop makes it suspect") {
    const auto soon = recorded(200, {{70, Verdict::quiet}, {80, Verdict::active}, {200, Verdict::quiet}});
    RuleTest test = test_rule(soon, rule_of(hours{1}), begin, at(200), rate);
    REQUIRE(test.stop);
    CHECK(test.stop->at == at(60));
    CHECK(test.stop->active_again == at(71));
    CHECK(test.stop->suspect_soon());
    CHECK(*test.stop->saved == Money{140 * 10'000'000});
    CHECK(*test.stop->saved_before_use == Money{11 * 10'000'000});
    test = test_rule(soon, rule_of(minutes{50}), begin, at(200), rate);
    CHECK(test.stop->active_again == at(71));
    CHECK_FALSE(test.stop->suspect_soon());  // 21 minutes later
    // Weak activity is no proof of use.
    auto weak = recorded(200, {{200, Verdict::quiet}});
    weak.rows.push_back(row(Signal::server, 65, 70, Verdict::active, Strength::weak));
    CHECK_FALSE(test_rule(weak, rule_of(hours{1}), begin, at(200), rate).stop->active_again);
}

TEST_CASE("what was unknown, unseen or not looked at is no quiet time") {
    const auto limit = rule_of(hours{1});
    auto run = recorded(200, {{29, Verdict::quiet}, {49, Verdict::unknown}, {200, Verdict::quiet}});
    CHECK(test_rule(run, limit, begin, at(200), rate).stop->at == at(81));  // 29 by then, 31 more from 50 on
    run = recorded(200, {{200, Verdict::quiet}});
    run.rows[0] = row(std::nullopt, 0, 29, Verdict::unknown);
    run.rows.push_back(row(std::nullopt, 30, 49, Verdict::unknown));
    run.rows.back().began = "the account cannot be seen";
    run.rows.push_back(row(std::nullopt, 50, 200, Verdict::unknown));
    CHECK(test_rule(run, limit, begin, at(200), rate).stop->at == at(81));
    // The daemon was off.
    auto gap = recorded(29, {{29, Verdict::quiet}});
    for (HistoryRow later : recorded(150, {{150, Verdict::quiet}}).rows) {
        later.from = at(50);
        gap.rows.push_back(later);
    }
    CHECK(test_rule(gap, limit, begin, at(200), rate).stop->at == at(81));
}

TEST_CASE("a rule acts from `since` on, with the quiet time that had gathered") {
    const auto run = recorded(600, {{600, Verdict::quiet}});
    const RuleTest test = test_rule(run, rule_of(hours{1}), at(300), at(600), rate);
    REQUIRE(test.stop);
    CHECK(test.stop->at == at(310));  // warned at once, stopped after the least notice
    CHECK(test.first == at(300));
    CHECK_FALSE(test_rule(run, rule_of(hours{1}), at(700), at(700), rate).first);
}

TEST_CASE("holds of then are kept, also those that were released") {
    auto run = recorded(600, {{600, Verdict::quiet}});
    Hold keep{.id = HoldId{"h"},
              .kind = HoldKind::keep,
              .resource = run.resource,
              .run = run.run,
              .from = at(30),
              .until = at(330),
              .reason = {},
              .by = "ana",
              .released_at = std::nullopt};
    run.holds = {keep};
    CHECK(test_rule(run, rule_of(hours{1}), begin, at(600), rate).stop->at == at(340));
    run.holds[0].released_at = at(200);
    CHECK(test_rule(run, rule_of(hours{1}), begin, at(600), rate).stop->at == at(210));
    CHECK(hold_at(run.holds, run.resource, run.run, at(100))->by == "ana");
    CHECK_FALSE(hold_at(run.holds, run.resource, run.run, at(201)));
    CHECK_FALSE(hold_at(run.holds, run.resource, RunId{"n2"}, at(100)));
}

TEST_CASE("without a second signal a candidate stops only if it accepts that") {
    auto run = recorded(300, {{300, Verdict::quiet}});
    std::erase_if(run.rows, [](const HistoryRow& r) { return r.source == Signal::metrics; });
    Rule rule = rule_of(hours{1});
    CHECK(test_rule(run, rule, begin, at(300), rate).stop->at == at(60));  // its probes would have told
    rule.probe.enabled = false;
    CHECK_FALSE(test_rule(run, rule, begin, at(300), rate).stop);
    rule.accept_partial = true;
    CHECK(test_rule(run, rule, begin, at(300), rate).stop->at == at(60));
}

TEST_CASE("a moment shows what was in force then") {
    auto run = recorded(100, {{40, Verdict::active}, {100, Verdict::quiet}});
    const Rule rule = rule_of(hours{1});
    Moment m = moment_at(run, &rule, Mode::enforce, false, at(20));
    CHECK(m.judgement.verdict == Verdict::active);
    CHECK(m.judgement.step == "kernels: first");
    CHECK(m.looked_at == at(20));
    CHECK(m.clock.quiet == Duration{0});
    m = moment_at(run, &rule, Mode::enforce, false, at(70) + seconds{30});
    CHECK(m.judgement.verdict == Verdict::quiet);
    CHECK(m.looked_at == at(70));
    CHECK(m.clock.quiet == minutes{29});  // from 41
    REQUIRE(m.observations.size() == 2);
    for (const Observation& o : m.observations) {
        CHECK(replay_instant(m.at) - o.at == seconds{30});
    }
    CHECK(m.result.mode == Mode::observe);  // the rule's
    CHECK(m.result.assessment.why == "quiet 29m of 1h, rule candidate");
    // Long after the last look nothing is known any more.
    m = moment_at(run, &rule, Mode::enforce, false, at(140));
    CHECK(m.looked_at == at(100));
    CHECK(m.judgement.verdict == Verdict::unknown);
    CHECK(replay_instant(m.at) - m.observations[0].at == minutes{40});
    CHECK(m.clock.quiet == minutes{59});
    m = moment_at(run, &rule, Mode::enforce, false, begin - seconds{1});
    CHECK_FALSE(m.looked_at);
    CHECK(m.observations.empty());
    CHECK(m.judgement.verdict == Verdict::unknown);
}

TEST_CASE("the last activity of a source is found in the rows before") {
    auto run = recorded(100, {{40, Verdict::active}, {100, Verdict::quiet}});
    const Moment m = moment_at(run, nullptr, Mode::enforce, false, at(90));
    const auto kernels = std::ranges::find(m.observations, Signal::kernels, &Observation::source);
    REQUIRE(kernels != m.observations.end());
    CHECK(kernels->last_active_at == at(40));
    CHECK(m.result.assessment.why == "no rule matches");
}

namespace {

PlanInput quiet_for(Duration quiet, const Rule& rule, Mode mode = Mode::enforce) {
    PlanInput in;
    in.at = {Instant{hours{100}.count()}, begin};
    in.now.state = RunState::running;
    in.now.judgement = {
        .verdict = Verdict::quiet, .coverage = Coverage::full, .weak_activity = false, .step = {}};
    in.now.seen_for = hours{10};
    in.now.rule = &rule;
    in.now.mode = mode;
    in.clock = {.quiet = quiet, .last_quiet_at = in.at.mono - seconds{20}};
    in.resource = ResourceId{"r1"};
    in.run = RunId{"n1"};
    return in;
}

}  // namespace

TEST_CASE("what comes: warnings at their steps, then the stop") {
    Rule rule = rule_of(hours{2});
    rule.mode = Mode::enforce;
    auto acts = plan_ahead(quiet_for(minutes{30}, rule), hours{24});
    REQUIRE(acts.size() == 4);
    for (const int i : {0, 1, 2}) {
        CHECK(acts[static_cast<std::size_t>(i)].act == RuleWalk::Act::warned);
    }
    // 20 s since the last look count at the next.
    CHECK(acts[0].in == minutes{60});
    CHECK(acts[1].in == minutes{80});
    CHECK(acts[2].in == minutes{88});
    CHECK(acts[3].act == RuleWalk::Act::due);
    CHECK(acts[3].in == minutes{90});
    CHECK(acts[3].cause == Cause{CauseKind::idle, "candidate"});
    CHECK(plan_ahead(quiet_for(minutes{30}, rule), minutes{59}).empty());
    acts = plan_ahead(quiet_for(minutes{30}, rule, Mode::warn), hours{24});
    CHECK(acts.back().act == RuleWalk::Act::would_stop);
    // Work does not end by itself.
    PlanInput busy = quiet_for(Duration{0}, rule);
    busy.now.judgement.verdict = Verdict::active;
    CHECK(plan_ahead(busy, hours{24}).empty());
    // A keep moves the stop behind its end, with a warning before.
    PlanInput kept = quiet_for(minutes{30}, rule);
    kept.holds = {{.id = HoldId{"h"},
                   .kind = HoldKind::keep,
                   .resource = kept.resource,
                   .run = kept.run,
                   .from = begin,
                   .until = begin + hours{4},
                   .reason = {},
                   .by = "ana",
                   .released_at = std::nullopt}};
    acts = plan_ahead(kept, hours{24});
    REQUIRE(acts.size() == 2);
    CHECK(acts[0].in == hours{4});
    CHECK(acts[1].in == hours{4} + minutes{10});
    // A hard budget stops what works.
    busy.budget_in = hours{3};
    busy.budget = "team";
    busy.now.budget_mode = Mode::enforce;
    acts = plan_ahead(busy, hours{24});
    REQUIRE(acts.size() == 2);
    CHECK(acts[1].act == RuleWalk::Act::due);
    CHECK(acts[1].in == hours{3} + minutes{10});
    CHECK(acts[1].cause == Cause{CauseKind::budget, "team"});
}

TEST_CASE("when a hard budget begins to stop") {
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = Money{10 * nanos_per_unit};
    budget.thresholds = {{50, ThresholdAction::notify}, {100, ThresholdAction::stop}};
    const Period month{"2026-11", begin - hours{24 * 20}, begin + hours{24 * 10}};
    BudgetSpend spend{.spent = Money{4 * nanos_per_unit}, .burn_per_hour = Money{nanos_per_unit}};
    const Lead lead{.poll = minutes{1}, .notice = minutes{10}, .pack = minutes{4}, .stop = minutes{2}};
    const std::string half = budget.thresholds[0].key(budget.amount);
    const std::string whole = budget.thresholds[1].key(budget.amount);
    const auto in = [&](std::vector<std::string> fired = {}, Duration ahead = hours{24}) {
        return exhausted_in(budget, month, spend, fired, begin, lead, ahead);
    };
    CHECK(in() == hours{6} - minutes{17});
    CHECK(in({half}) == hours{6} - minutes{17});
    CHECK(in({half, whole}) == Duration{0});
    CHECK_FALSE(in({}, hours{5}));
    spend.burn_per_hour = Money{};
    CHECK_FALSE(in());
    spend.burn_per_hour = Money{nanos_per_unit};
    CHECK_FALSE(exhausted_in(budget, {"2026-11", begin - hours{1}, begin + hours{2}}, spend, {}, begin, lead,
                             hours{24}));
    budget.thresholds.pop_back();
    CHECK_FALSE(in());
}
