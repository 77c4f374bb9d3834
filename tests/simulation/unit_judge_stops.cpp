// The judge itself, where a rule says who is asked before a stop: histories that break an invariant, and ones that
// do not.
#include "simulation/history.hpp"

#include <catch2/catch.hpp>

#include <optional>

using namespace curfew;
using namespace curfew::simulation;

namespace {

/// No probe, and metrics only where there are any.
void kernels_quiet_for(History& s, Duration d, std::optional<Verdict> metrics) {
    for (Duration gone{0}; gone < d; gone += minutes{1}) {
        s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
        if (metrics) {
            s.judge.answered(run, Signal::metrics, *metrics, s.at());
        }
        s.pass(minutes{1});
    }
}

}  // namespace

TEST_CASE("I2: work that only a source could see which the rule leaves out") {
    History s;
    Rule& rule = s.config.rules.front();
    rule.accept_partial = true;
    rule.probe.enabled = false;
    bool broken = true;
    std::optional<Verdict> metrics;
    SECTION("it goes by the kernels alone") {
        broken = false;
    }
    SECTION("metrics that nobody has are no source") {
        metrics = Verdict::unknown;
        broken = false;
    }
    SECTION("metrics would have seen it") {
        metrics = Verdict::quiet;
    }
    SECTION("it goes by probes as well") {
        rule.probe.enabled = true;
    }
    SECTION("it does not go by the kernels alone") {
        rule.accept_partial = false;
    }
    s.use();
    s.begin();
    kernels_quiet_for(s, minutes{30}, metrics);
    s.judge.work_began(run, s.at());
    s.warn();
    kernels_quiet_for(s, minutes{30}, metrics);
    s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
    s.pack();
    s.stop();
    CHECK((s.all().find("I2: r1 (idle night) has been at work") != std::string::npos) == broken);
}

TEST_CASE("I9: who is quiet ends in the calm, unless only half of him can be heard") {
    History s;
    Rule& rule = s.config.rules.front();
    rule.accept_partial = false;
    rule.probe.enabled = GENERATE(true, false);
    s.use();
    s.begin();
    s.judge.answered(run, Signal::processes, Verdict::quiet, s.at());
    s.judge.calm(s.at());
    kernels_quiet_for(s, hours{12}, std::nullopt);
    s.judge.ended({}, s.at());
    CHECK((s.all().find("and is still on") != std::string::npos) == rule.probe.enabled);
}

TEST_CASE(
    "I9: whom metrics cannot measure is not known to be quiet, whatever a probe saw before probes were left "
    "out") {
    History s;
    Rule& rule = s.config.rules.front();
    rule.accept_partial = GENERATE(true, false);
    rule.probe.enabled = false;
    const Verdict metrics = GENERATE(Verdict::unknown, Verdict::quiet);
    s.use();
    s.begin();
    s.judge.answered(run, Signal::processes, Verdict::quiet, s.at());
    s.judge.calm(s.at());
    kernels_quiet_for(s, hours{12}, metrics);
    s.judge.ended({}, s.at());
    CHECK(s.all().contains("and is still on") == (metrics == Verdict::quiet));
}

TEST_CASE("I9: a stop is confirmed, or called failed, while somebody looks") {
    History s;
    s.whole();
    s.store(EnforcementState::confirming);
    const bool slept = GENERATE(false, true);
    if (slept) {
        s.judge.suspended(hours{17}, s.at());
        s.pass(hours{17});
    }
    for (int i = 0; i < 5; ++i) {
        s.pass(slept ? seconds{10} : minutes{10});
        s.polled();
    }
    CHECK((s.all().find("is not confirmed after") != std::string::npos) == !slept);
}

TEST_CASE("I3: a budget stops what it pays for") {
    History s;
    const bool theirs = GENERATE(false, true);
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.scope.names = {theirs ? "*" : "of-others"};
    s.config.budgets = {budget};
    s.e.cause = {CauseKind::budget, "team"};
    s.use();
    s.begin();
    s.quiet_for(minutes{30});
    s.warn();
    s.pack();
    s.stop();
    CHECK((s.all().find("a budget that does not pay for it") != std::string::npos) == !theirs);
}

TEST_CASE("I2: where probes are to be had, one is taken right before a stop") {
    History s;
    bool broken = false;
    s.config.rules.front().probe.enabled = GENERATE(true, false);
    s.use();
    s.begin();
    s.quiet_for(minutes{30});
    s.warn();
    s.quiet_for(minutes{31});
    s.pack();
    SECTION("it is") {}
    SECTION("only others are asked") {
        s.pass(minutes{2});
        s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
        s.judge.answered(run, Signal::metrics, Verdict::quiet, s.at());
        broken = s.config.rules.front().probe.enabled;
    }
    s.stop();
    CHECK((s.all().find("was not probed right before its stop") != std::string::npos) == broken);
}

TEST_CASE(
    "I2: who did not answer in time was asked before who answers in that moment, and tells nothing newer") {
    History s;
    s.use();
    s.begin();
    s.quiet_for(minutes{30});
    s.warn();
    s.quiet_for(minutes{31});
    s.pack();
    s.pass(minutes{2});
    s.look();
    const Duration later = GENERATE(Duration{0}, Duration{seconds{1}});
    s.pass(later);
    s.judge.answered(run, Signal::kernels, Verdict::unknown, s.at());
    s.judge.answered(run, Signal::processes, Verdict::quiet, s.at());
    s.stop();
    CHECK(s.all().contains("was unknown") == (later > Duration{0}));
}

TEST_CASE("I2: after a long absence the ladder is given again, whatever was due before") {
    History s;
    const Duration away = GENERATE(Duration{minutes{2}}, Duration{hours{1}});
    s.until_warned();
    s.quiet_for(minutes{31});
    s.store(EnforcementState::due);
    s.polled();
    s.judge.crashed(s.at());
    s.pass(away);
    s.judge.booted(s.at());
    s.use();
    s.look();
    s.pack();
    s.stop();
    CHECK((s.all().find("was quiet for") != std::string::npos) == (away == hours{1}));
}

TEST_CASE("I8: another budget than the one that was told of warns anew") {
    History s;
    const bool heard = GENERATE(true, false);
    for (const char* name : {"team", "lab"}) {
        Budget budget;
        budget.name = BudgetName{name};
        s.config.budgets.push_back(budget);
    }
    s.e.cause = {CauseKind::budget, "team"};
    s.use();
    s.begin();
    s.warn();
    s.pass(minutes{5});
    s.e.cause.name = "lab";
    s.e.warned_step += 1000;
    s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1001)});
    const ParcelRow row = s.parcel(s.messages, "par_2");
    if (heard) {
        s.take(row);
    }
    s.pass(minutes{12});
    s.pack();
    s.stop();
    CHECK((s.all().find("is stopped without notice") != std::string::npos) != heard);
}
