#include "curfew/core/assess.hpp"

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
    CHECK_FALSE(r.assessment.held_by);
    CHECK(r.assessment.mode == Mode::enforce);
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
