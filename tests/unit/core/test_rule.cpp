#include "curfew/core/rule.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;

TEST_CASE("globs") {
    CHECK(glob_matches("*", ""));
    CHECK(glob_matches("train-*", "train-7"));
    CHECK_FALSE(glob_matches("train-*", "Train-7"));
    CHECK(glob_matches("a?c", "abc"));
    CHECK_FALSE(glob_matches("a?c", "ac"));
    CHECK(glob_matches("*a*b*", "xxaxxbxx"));
    CHECK_FALSE(glob_matches("", "x"));
    CHECK(glob_matches("", ""));
    // A pattern that makes a naive matcher exponential.
    std::string evil;
    for (int i = 0; i < 40; ++i) {
        evil += "*a";
    }
    CHECK_FALSE(glob_matches(evil + "b", std::string(4000, 'a')));
}

TEST_CASE("all given lists must match; the first rule wins") {
    Resource r;
    r.name = "train";
    r.account = AccountName{"me"};
    r.run.machine_type = "A4000";
    Rule types{.name = RuleName{"types"}, .match = {.machine_types = {"P*"}}};
    Rule all{.name = RuleName{"all"}};
    const std::vector<Rule> rules{types, all};
    CHECK(rule_for(rules, r)->name.value == "all");
    r.run.machine_type = "P4000";
    CHECK(rule_for(rules, r)->name.value == "types");
    CHECK(rule_for(std::vector<Rule>{}, r) == nullptr);
    CHECK_FALSE(matches({.names = {"train"}, .accounts = {"other"}}, r));
    CHECK_FALSE(matches({.kinds = {ResourceKind::machine}}, r));
    CHECK(matches({.kinds = {ResourceKind::machine, ResourceKind::notebook}}, r));
}

TEST_CASE("ladders are scaled when the limit is short") {
    const std::vector<Duration> ladder{minutes{30}, minutes{10}, minutes{2}};
    CHECK(scaled_ladder(ladder, hours{1}) == ladder);
    CHECK(scaled_ladder(ladder, minutes{20}) ==
          std::vector<Duration>{minutes{10}, seconds{200}, seconds{40}});
    CHECK(scaled_ladder(ladder, seconds{4}) == std::vector<Duration>{seconds{2}, seconds{1}});
    CHECK(scaled_ladder({}, hours{1}).empty());
    CHECK(scaled_ladder(ladder, Duration{0}).empty());
    CHECK(steps_reached(ladder, hours{1}) == 0);
    CHECK(steps_reached(ladder, minutes{30}) == 1);
    CHECK(steps_reached(ladder, minutes{3}) == 2);
    CHECK(steps_reached(ladder, Duration{-1}) == 3);
}

TEST_CASE("the weakest mode wins") {
    CHECK(weakest(Mode::observe, Mode::enforce) == Mode::observe);
    CHECK(weakest(Mode::warn, Mode::enforce) == Mode::warn);
    CHECK(to_string(Mode::warn) == "warn");
    CHECK(to_string(Mode::observe) == "observe");
    CHECK(to_string(Mode::enforce) == "enforce");
}

TEST_CASE("a trial is time watched: it never ends early, and goes on when it is made longer") {
    Rule rule{.name = RuleName{"r"}, .observe_first = hours{10}};
    CHECK(on_trial(rule, nullptr));
    CHECK(trial_left(rule, nullptr) == Duration{hours{10}});
    RuleTrial trial{.rule = rule.name, .first_seen = {1}, .ended_at = std::nullopt};
    TrialStep step = advance(rule, trial, hours{9}, {5});
    CHECK_FALSE(step.ended);
    CHECK(on_trial(rule, &step.next));
    CHECK(step.next.tried == Duration{hours{9}});
    CHECK(advance(rule, step.next, hours{-5}, {5}).next.tried == Duration{hours{9}});
    step = advance(rule, step.next, hours{9}, {7});
    CHECK(step.ended);
    CHECK(step.next.ended_at == WallTime{7});
    CHECK(step.next.tried == Duration{hours{10}});
    CHECK_FALSE(on_trial(rule, &step.next));
    CHECK_FALSE(advance(rule, step.next, hours{9}, {8}).ended);  // once
    CHECK(advance(rule, step.next, hours{9}, {8}).next == step.next);
    rule.observe_first = hours{12};
    CHECK(on_trial(rule, &step.next));
    step = advance(rule, step.next, hours{1}, {9});
    CHECK_FALSE(step.ended);
    CHECK_FALSE(step.next.ended_at);
    rule.observe_first = hours{0};  // the configuration does without it now
    step = advance(rule, step.next, hours{1}, {10});
    CHECK(step.ended);
    CHECK_FALSE(on_trial(rule, &step.next));
    // A rule that never was on trial has none to end.
    step = advance(rule, trial, hours{1}, {5});
    CHECK_FALSE(step.ended);
    CHECK(step.next == trial);
}

TEST_CASE("used again soon, and how often flags a rule") {
    CHECK(used_again_soon({1'000'000}, {1'000'000 + 15 * 60'000}));
    CHECK_FALSE(used_again_soon({1'000'000}, {1'000'001 + 15 * 60'000}));
    CHECK(used_again_soon({1'000'000}, {900'000}));  // begun while it was being stopped
    CHECK_FALSE(flags(2));
    CHECK(flags(3));
    CHECK(to_string(RuleEventKind::would_stop) == "would_stop");
    CHECK(to_string(RuleEventKind::stop) == "stop");
    CHECK(to_string(RuleEventKind::false_stop) == "false_stop");
}
