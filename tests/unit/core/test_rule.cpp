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
