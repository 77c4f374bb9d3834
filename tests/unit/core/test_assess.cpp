#include "curfew/core/assess.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

using namespace curfew;

namespace {

const Rule night{.name = RuleName{"night"}, .match = {}, .idle_limit = hours{1}, .mode = Mode::enforce};

AssessInput quiet_for(Duration quiet) {
    AssessInput in;
    in.state = RunState::running;
    in.judgement = {
        .verdict = Verdict::quiet, .coverage = Coverage::full, .weak_activity = false, .step = "quiet"};
    in.quiet = quiet;
    in.seen_for = hours{5};
    in.rule = &night;
    in.mode = Mode::enforce;
    return in;
}

const Hold keep{.id = HoldId{"h"},
                .kind = HoldKind::keep,
                .resource = ResourceId{"r"},
                .run = RunId{"n"},
                .from = {0},
                .until = {1'000'000},
                .reason = {},
                .by = "ana",
                .released_at = std::nullopt};

}  // namespace

TEST_CASE("the idle rule warns along its ladder and is up at its limit") {
    CHECK_FALSE(assess(quiet_for(minutes{29})).assessment.cause);
    CHECK(assess(quiet_for(minutes{30})).assessment.warn_step == 1);
    CHECK(assess(quiet_for(minutes{50})).assessment.warn_step == 2);
    CHECK(assess(quiet_for(minutes{58})).assessment.warn_step == 3);
    CHECK_FALSE(assess(quiet_for(minutes{59})).assessment.time_is_up);
    CHECK(assess(quiet_for(minutes{60})).assessment.time_is_up);
    CHECK(assess(quiet_for(minutes{41})).stops_in == Duration{minutes{19}});
}

TEST_CASE("active and unknown are never up") {
    AssessInput in = quiet_for(hours{2});
    in.judgement.verdict = Verdict::active;
    CHECK_FALSE(assess(in).assessment.cause);
    in.judgement.verdict = Verdict::unknown;
    CHECK_FALSE(assess(in).assessment.time_is_up);
    CHECK_FALSE(assess(in).stops_in);
}

TEST_CASE("start grace, weak signals, partial coverage") {
    AssessInput in = quiet_for(hours{1});
    in.seen_for = minutes{14};
    CHECK_FALSE(assess(in).assessment.cause);
    in = quiet_for(hours{1});
    in.judgement.weak_activity = true;
    CHECK_FALSE(assess(in).assessment.time_is_up);
    CHECK(assess(in).assessment.cause);
    in.quiet = minutes{90};
    CHECK(assess(in).assessment.time_is_up);
    in = quiet_for(hours{1});
    in.judgement.coverage = Coverage::partial;
    CHECK(assess(in).mode == Mode::warn);
    Rule accepting = night;
    accepting.accept_partial = true;
    in.rule = &accepting;
    CHECK(assess(in).mode == Mode::enforce);
}

TEST_CASE(
    "what a stop would save nothing of is held, at work or not, against rules and budgets; not against a "
    "person") {
    AssessInput in = quiet_for(hours{2});
    in.saves_nothing = "flat price of $269.00 a month, on or off: a stop saves nothing";
    CHECK(assess(in).assessment.held_by == in.saves_nothing);
    CHECK_FALSE(assess(in).stops_in);
    in.exhausted_budget = "team";
    in.budget_mode = Mode::enforce;
    CHECK(assess(in).assessment.held_by == in.saves_nothing);
    in.manual_by = "ana";
    CHECK_FALSE(assess(in).assessment.held_by);
}

TEST_CASE("an exhausted budget that only warns keeps no rule from acting") {
    AssessInput in = quiet_for(hours{2});
    in.exhausted_budget = "team";
    in.budget_mode = Mode::warn;
    AssessResult r = assess(in);
    CHECK(r.assessment.cause->kind == CauseKind::idle);
    CHECK(r.mode == Mode::enforce);
    CHECK(r.assessment.time_is_up);
    // Where no rule asks, or a keep holds it, the budget says what it would do.
    in.hold = &keep;
    CHECK(assess(in).assessment.cause->kind == CauseKind::budget);
    in = quiet_for(minutes{5});
    in.exhausted_budget = "team";
    in.budget_mode = Mode::warn;
    CHECK(assess(in).assessment.cause->kind == CauseKind::budget);
    CHECK(assess(in).mode == Mode::warn);
}

TEST_CASE("order of force: manual > hard budget > keep > idle; protection holds all but a person") {
    AssessInput in = quiet_for(hours{1});
    in.hold = &keep;
    CHECK(assess(in).assessment.held_by);
    CHECK(assess(in).beaten_by_hold);
    in.exhausted_budget = "team";
    in.budget_mode = Mode::enforce;
    AssessResult r = assess(in);
    CHECK_FALSE(r.assessment.held_by);
    CHECK(r.assessment.cause->kind == CauseKind::budget);
    CHECK(r.assessment.time_is_up);
    CHECK(r.assessment.needs_notice);
    in.protected_ = true;
    CHECK(assess(in).assessment.held_by);
    in.manual_by = "ana";
    r = assess(in);
    CHECK(r.assessment.cause->kind == CauseKind::manual);
    CHECK_FALSE(r.assessment.needs_notice);
    CHECK(r.assessment.held_by == "protected by the configuration");  // since it was asked for
    CHECK(r.assessment.mode == Mode::enforce);
    in.protected_ = false;
    CHECK_FALSE(assess(in).assessment.held_by);
}

TEST_CASE("every hold says what it beats, and what is stronger says which hold does not count") {
    for (const HoldKind kind : {HoldKind::keep, HoldKind::lease, HoldKind::exemption}) {
        Hold hold = keep;
        hold.kind = kind;
        hold.job = "train-7";
        AssessInput in = quiet_for(minutes{70});
        in.hold = &hold;
        AssessResult r = assess(in);
        CAPTURE(r.assessment.why);
        CHECK(r.assessment.held_by);
        CHECK(r.beaten_by_hold);
        CHECK(r.assessment.why.find(std::string{to_string(kind)}) != std::string::npos);
        CHECK(r.assessment.why.ends_with("; without it: quiet 1h10m of 1h, rule night"));
        CHECK((r.assessment.why.find("job train-7") != std::string::npos) == (kind == HoldKind::lease));
        in.exhausted_budget = "team";
        in.budget_mode = Mode::enforce;
        r = assess(in);
        CAPTURE(r.assessment.why);
        CHECK_FALSE(r.assessment.held_by);
        CHECK(r.assessment.why.starts_with("budget team is exhausted; not held by a"));
        in.manual_by = "ana";
        CHECK(assess(in).assessment.cause->kind == CauseKind::manual);
        in = quiet_for(minutes{5});
        in.hold = &hold;
        CHECK_FALSE(assess(in).beaten_by_hold);  // nothing to beat yet
    }
}

TEST_CASE("modes: the weakest of global, account, rule, budget") {
    AssessInput in = quiet_for(hours{1});
    in.mode = Mode::observe;
    CHECK(assess(in).mode == Mode::observe);
    in.exhausted_budget = "team";
    in.budget_mode = Mode::enforce;
    CHECK(assess(in).mode == Mode::observe);
}

TEST_CASE("no rule, not running, gone, an unknown state") {
    AssessInput in = quiet_for(hours{9});
    in.rule = nullptr;
    CHECK_FALSE(assess(in).assessment.cause);
    in = quiet_for(hours{9});
    in.state = RunState::stopped;
    CHECK(assess(in).assessment.gone);
    CHECK_FALSE(assess(in).assessment.on);
    in.state = RunState::pending;
    CHECK_FALSE(assess(in).assessment.on);
    in.state = RunState::unknown;
    CHECK(assess(in).assessment.on);
    CHECK_FALSE(assess(in).assessment.state_known);
    in.gone = true;
    CHECK(assess(in).assessment.gone);
}

TEST_CASE(
    "a run that can be probed is stopped only after enough quiet probes; partial coverage waits for them") {
    AssessInput in = quiet_for(hours{1});
    in.probing = true;
    CHECK_FALSE(assess(in).assessment.time_is_up);
    CHECK(assess(in).assessment.cause);  // warned all the same
    in.probed_enough = true;
    CHECK(assess(in).assessment.time_is_up);
    in.judgement.coverage = Coverage::partial;
    CHECK(assess(in).mode == Mode::enforce);
    in.probing = false;
    CHECK(assess(in).mode == Mode::warn);
}

TEST_CASE("a stalled kernel is told of in its own words") {
    AssessInput in = quiet_for(minutes{40});
    in.judgement.stalled = true;
    CHECK(assess(in).assessment.why == "stalled and so quiet for 40m of 1h, rule night");
}

namespace {

/// Monday 2026-11-23, 19:00Z to Tuesday 07:00Z.
Rule scheduled(bool respect_activity = true) {
    Rule rule = night;
    rule.idle_limit = hours{24};
    rule.schedule = Schedule{test::rome, {parse_off_hours("daily 20:00-08:00").value()}, {}};
    rule.respect_activity = respect_activity;
    return rule;
}

AssessInput at(const Rule& rule, std::string_view now, Duration quiet = hours{1}) {
    AssessInput in = quiet_for(quiet);
    in.rule = &rule;
    in.now = test::utc(now);
    in.started_at = test::utc("2026-11-23T10:00:00Z");
    return in;
}

CauseKind kind_of(const AssessResult& r) {
    REQUIRE(r.assessment.cause);
    return r.assessment.cause->kind;
}

}  // namespace

TEST_CASE("a schedule warns along the ladder and is up when its window begins") {
    struct Row {
        std::string_view now;
        int step;
        bool up;
    };
    for (const bool respect : {true, false}) {
        const Rule rule = scheduled(respect);
        for (const Row& row :
             {Row{"2026-11-23T18:30:00Z", 1, false}, Row{"2026-11-23T18:50:00Z", 2, false},
              Row{"2026-11-23T18:58:00Z", 3, false}, Row{"2026-11-23T18:59:59.999Z", 3, false},
              Row{"2026-11-23T19:00:00Z", 3, true}, Row{"2026-11-24T06:59:59.999Z", 3, true}}) {
            INFO(row.now);
            const AssessResult r = assess(at(rule, row.now));
            CHECK(kind_of(r) == CauseKind::schedule);
            CHECK(r.assessment.cause->name == "night");
            CHECK(r.assessment.warn_step == row.step);
            CHECK(r.assessment.time_is_up == row.up);
            CHECK(r.assessment.needs_notice);
            CHECK(r.assessment.min_notice == minutes{10});
        }
        CHECK_FALSE(assess(at(rule, "2026-11-23T18:29:59Z")).assessment.cause);
        CHECK_FALSE(assess(at(rule, "2026-11-24T07:00:00Z")).assessment.cause);
    }
}

TEST_CASE("what is shown of a schedule") {
    const Rule rule = scheduled();
    AssessResult r = assess(at(rule, "2026-11-23T12:00:00Z"));
    CHECK(r.assessment.why == "quiet 1h of 1d, rule night");
    CHECK(r.stops_in == Duration{hours{7}});
    CHECK(r.stops_for == CauseKind::schedule);
    CHECK(r.limits == std::vector<std::string>{
                          "off hours from Mon 20:00 Europe/Rome, unless it is at work or cannot be seen"});
    r = assess(at(rule, "2026-11-23T18:35:00Z"));
    CHECK(r.assessment.why == "off hours in 25m (Mon 20:00 Europe/Rome), rule night");
    r = assess(at(rule, "2026-11-23T19:35:00Z"));
    CHECK(r.assessment.why == "off hours until Tue 08:00 Europe/Rome, rule night");
    CHECK(r.stops_in == Duration{0});
    AssessInput in = at(rule, "2026-11-23T19:35:00Z");
    in.judgement.verdict = Verdict::active;
    in.judgement.step = "kernels: busy";
    CHECK(assess(in).assessment.why ==
          "active: kernels: busy; off hours until Tue 08:00 Europe/Rome, once it is quiet");
    in = at(rule, "2026-11-23T19:35:00Z");
    in.started_at = test::utc("2026-11-23T19:10:00Z");
    CHECK(assess(in).assessment.why ==
          "quiet 1h of 1d, rule night; started inside the off hours, which leave it alone until Tue 08:00 "
          "Europe/Rome");
}

TEST_CASE("a schedule that respects activity does not touch what is active, unknown or just paused") {
    const Rule rule = scheduled();
    AssessInput in = at(rule, "2026-11-23T22:00:00Z");
    in.judgement.verdict = Verdict::active;
    in.quiet = Duration{0};
    CHECK_FALSE(assess(in).assessment.cause);
    CHECK_FALSE(assess(in).stops_in);
    in.judgement.verdict = Verdict::unknown;
    in.quiet = minutes{20};
    CHECK_FALSE(assess(in).assessment.time_is_up);
    CHECK_FALSE(assess(in).stops_in);
    CHECK(kind_of(assess(in)) == CauseKind::schedule);  // warned of all the same
    in.judgement.verdict = Verdict::quiet;
    in.quiet = minutes{5} - Duration{1};
    CHECK_FALSE(assess(in).assessment.cause);
    CHECK(assess(in).stops_in == Duration{1});
    in.quiet = minutes{5};
    CHECK(assess(in).assessment.time_is_up);
    Rule quick = rule;
    quick.idle_limit = minutes{2};
    in.rule = &quick;
    in.quiet = minutes{2};
    CHECK(kind_of(assess(in)) == CauseKind::schedule);
    // Start grace and weak signals delay it as they delay an idle stop.
    in = at(rule, "2026-11-23T19:05:00Z");
    in.seen_for = minutes{6};
    CHECK_FALSE(assess(in).assessment.time_is_up);
    CHECK(assess(in).assessment.warn_step == 2);
    CHECK(assess(in).stops_in == Duration{minutes{9}});
    in.seen_for = hours{5};
    in.judgement.weak_activity = true;
    CHECK_FALSE(assess(in).assessment.time_is_up);
    CHECK(assess(in).stops_in == Duration{minutes{25}});
    in.now = test::utc("2026-11-23T19:30:00Z");
    CHECK(assess(in).assessment.time_is_up);  // one warning period, no more
    in.judgement.coverage = Coverage::partial;
    CHECK(assess(in).mode == Mode::warn);
}

TEST_CASE("a schedule that does not respect activity does not look at it") {
    const Rule rule = scheduled(false);
    AssessInput in = at(rule, "2026-11-23T19:00:00Z", Duration{0});
    in.seen_for = minutes{1};
    in.judgement.coverage = Coverage::partial;
    for (const Verdict verdict : {Verdict::active, Verdict::unknown, Verdict::quiet}) {
        in.judgement.verdict = verdict;
        const AssessResult r = assess(in);
        CHECK(kind_of(r) == CauseKind::schedule);
        CHECK(r.assessment.time_is_up);
        CHECK(r.mode == Mode::enforce);
    }
}

TEST_CASE("a manual start inside off hours holds until the next boundary") {
    for (const bool respect : {true, false}) {
        const Rule rule = scheduled(respect);
        AssessInput in = at(rule, "2026-11-23T22:00:00Z");
        in.started_at = test::utc("2026-11-23T19:00:00Z");  // at the very beginning
        CHECK_FALSE(assess(in).assessment.cause);
        in.started_at = test::utc("2026-11-23T18:59:59.999Z");
        CHECK(assess(in).assessment.time_is_up);
        // Without a stamp it is taken from when it was first seen.
        in.started_at.reset();
        in.seen_for = hours{3};
        CHECK_FALSE(assess(in).assessment.cause);
        in.seen_for = hours{3} + Duration{1};
        CHECK(assess(in).assessment.time_is_up);
        // The boundary after it holds nothing any more: the next window wants it off, warnings first.
        in.started_at = test::utc("2026-11-23T20:00:00Z");
        in.now = test::utc("2026-11-24T18:30:00Z");
        CHECK(assess(in).assessment.warn_step == 1);
        in.now = test::utc("2026-11-24T19:00:00Z");
        CHECK(assess(in).assessment.time_is_up);
    }
}

TEST_CASE("a maximum age warns along the ladder and does not look at activity") {
    Rule rule = night;
    rule.idle_limit = hours{24};
    rule.max_age = hours{12};
    AssessInput in = at(rule, "2026-11-23T12:00:00Z", Duration{0});
    in.judgement.verdict = Verdict::active;
    in.judgement.coverage = Coverage::partial;
    in.age = hours{11} + minutes{29};
    AssessResult r = assess(in);
    CHECK_FALSE(r.assessment.cause);
    CHECK(r.stops_in == Duration{minutes{31}});
    CHECK(r.stops_for == CauseKind::age);
    CHECK(r.limits == std::vector<std::string>{"its age, at work or not (11h29m of at most 12h)"});
    in.age = hours{11} + minutes{30};
    CHECK(assess(in).assessment.warn_step == 1);
    in.age = hours{11} + minutes{58};
    CHECK(assess(in).assessment.warn_step == 3);
    in.age = hours{12} - Duration{1};
    CHECK_FALSE(assess(in).assessment.time_is_up);
    in.age = hours{12};
    for (const Verdict verdict : {Verdict::active, Verdict::unknown, Verdict::quiet}) {
        in.judgement.verdict = verdict;
        r = assess(in);
        CHECK(kind_of(r) == CauseKind::age);
        CHECK(r.assessment.time_is_up);
        CHECK(r.assessment.needs_notice);
        CHECK(r.mode == Mode::enforce);
        CHECK(r.assessment.why == "running for 12h of at most 12h, rule night");
    }
    in.breaker_open = true;
    CHECK(assess(in).assessment.breaker_open);  // of the rule, for this too
    rule.max_age = minutes{20};
    in.age = minutes{10};
    CHECK(assess(in).assessment.warn_step == 1);  // the ladder is scaled
}

TEST_CASE("the wall clock has no say in an age, and the stamp none in it either (I14)") {
    Rule rule = night;
    rule.max_age = hours{12};
    AssessInput in = at(rule, "2030-01-01T00:00:00Z", Duration{0});
    in.age = hours{1};
    CHECK_FALSE(assess(in).assessment.cause);
}

TEST_CASE(
    "order of force: a keep and an exemption hold schedule and idle, not an age; protection holds all") {
    for (const HoldKind kind : {HoldKind::keep, HoldKind::exemption}) {
        Hold hold = keep;
        hold.kind = kind;
        Rule rule = scheduled();
        AssessInput in = at(rule, "2026-11-23T22:00:00Z");
        in.hold = &hold;
        AssessResult r = assess(in);
        CHECK(kind_of(r) == CauseKind::schedule);  // evaluated and shown
        CHECK(r.assessment.held_by);
        CHECK(r.beaten_by_hold);
        CHECK_FALSE(r.stops_in);
        CHECK(r.assessment.why.ends_with("; without it: off hours until Tue 08:00 Europe/Rome, rule night"));
        // The age is chosen although the schedule is up and the age is not yet: only it will not be held.
        rule.max_age = hours{12};
        in.age = hours{11} + minutes{45};
        r = assess(in);
        CHECK(kind_of(r) == CauseKind::age);
        CHECK_FALSE(r.assessment.time_is_up);
        CHECK_FALSE(r.assessment.held_by);
        CHECK(r.beaten_by_hold);
        CHECK(r.stops_in == Duration{minutes{15}});
        CHECK(r.assessment.why.find("not held by a") != std::string::npos);
        in.protected_ = true;
        CHECK(assess(in).assessment.held_by == "protected by the configuration");
        CHECK_FALSE(assess(in).stops_in);
        in.protected_ = false;
        in.exhausted_budget = "team";
        in.budget_mode = Mode::enforce;
        CHECK(kind_of(assess(in)) == CauseKind::budget);
        in.manual_by = "ana";
        CHECK(kind_of(assess(in)) == CauseKind::manual);
    }
}

TEST_CASE("of several causes the one that is up counts, then the first that will be, then the stronger") {
    Rule rule = scheduled();
    rule.idle_limit = hours{1};
    rule.max_age = hours{12};
    AssessInput in = at(rule, "2026-11-23T18:40:00Z", minutes{50});
    in.age = hours{11} + minutes{55};
    CHECK(kind_of(assess(in)) == CauseKind::age);  // 5 min, idle 10, schedule 20
    in.age = hours{11} + minutes{45};
    CHECK(kind_of(assess(in)) == CauseKind::idle);
    in.quiet = minutes{35};
    in.now = test::utc("2026-11-23T18:50:00Z");
    CHECK(kind_of(assess(in)) == CauseKind::schedule);
    in.quiet = hours{1};
    CHECK(kind_of(assess(in)) == CauseKind::idle);
    in.now = test::utc("2026-11-23T19:00:00Z");
    CHECK(kind_of(assess(in)) == CauseKind::schedule);
    in.age = hours{12};
    CHECK(kind_of(assess(in)) == CauseKind::age);
    // A stop under way is judged by its own cause as long as that asks.
    for (const CauseKind kind : {CauseKind::idle, CauseKind::schedule, CauseKind::age}) {
        in.pursued = kind;
        CHECK(kind_of(assess(in)) == kind);
    }
    in.pursued = CauseKind::idle;
    in.hold = &keep;
    CHECK(kind_of(assess(in)) == CauseKind::idle);
    CHECK(assess(in).assessment.held_by);
    in.judgement.verdict = Verdict::active;
    CHECK(kind_of(assess(in)) == CauseKind::age);
}

TEST_CASE(
    "a stop that began for a rule stays the rule's, with its mode and holds, whatever budget asks besides") {
    Rule rule = scheduled();
    AssessInput in = at(rule, "2026-11-23T10:00:00Z", rule.idle_limit);
    in.exhausted_budget = "team";
    in.budget_mode = Mode::enforce;
    CHECK(kind_of(assess(in)) == CauseKind::budget);
    in.pursued = CauseKind::idle;
    CHECK(kind_of(assess(in)) == CauseKind::idle);
    CHECK(assess(in).budget_acts == Cause{CauseKind::budget, "team"});
    rule.mode = Mode::warn;
    CHECK(assess(in).mode == Mode::warn);
    in.hold = &keep;
    CHECK(assess(in).assessment.held_by);
    in.judgement.verdict = Verdict::active;
    CHECK_FALSE(assess(in).assessment.cause);
    in.pursued = CauseKind::budget;
    CHECK(kind_of(assess(in)) == CauseKind::budget);
    CHECK(assess(in).mode == Mode::enforce);
    CHECK_FALSE(assess(in).assessment.held_by);
    in.budget_mode = Mode::warn;
    CHECK_FALSE(assess(in).budget_acts);
    in.budget_mode = Mode::enforce;
    in.protected_ = true;
    CHECK_FALSE(assess(in).budget_acts);
}
