// [[budget]]: periods, thresholds, and what contradicts itself; and one block alone, as people set it.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace curfew;

namespace {

using Lines = std::vector<std::string>;

const std::string account = "[[account]]\nname = \"main\"\nkey_file = \"/k\"\n";

auto parsed(const std::string& text) {
    return config::parse(account + text, "c.toml", {.config_dir = "/etc/curfew"}, clock::load_zone);
}

Lines lines_of(const std::vector<config::Fault>& faults) {
    Lines lines;
    std::ranges::transform(faults, std::back_inserter(lines),
                           [](const config::Fault& fault) { return to_string(fault); });
    return lines;
}

Lines faults_of(const std::string& text) {
    const auto result = parsed(text);
    return result ? Lines{} : lines_of(result.error());
}

const std::string head = "[[budget]]\nname = \"b\"\namount = \"10\"\n";

/// Below three lines of an account and three of a budget.
Lines faults(const std::string& text) {
    return faults_of(head + text + "\n");
}

Budget budget(const std::string& text) {
    const auto result = parsed(head + text + "\n");
    REQUIRE(lines_of(result ? std::vector<config::Fault>{} : result.error()) == Lines{});
    return result->config.budgets.at(0);
}

}  // namespace

TEST_CASE("periods of the file") {
    CHECK(budget("").period == PeriodSpec{});
    CHECK(budget("period = \"quarter\"\nanchor = 31").period ==
          PeriodSpec{.kind = PeriodKind::quarter, .anchor = 31});
    CHECK(budget("period = \"week\"\nweek_start = \"sunday\"").period ==
          PeriodSpec{.kind = PeriodKind::week, .week_start = 7});
    CHECK(budget("period = \"rolling\"\nlength = \"7d\"").period ==
          PeriodSpec{.kind = PeriodKind::rolling, .length = hours{168}});
    const Budget fixed = budget(
        "period = \"fixed\"\nfrom = \"2026-11-01\"\nuntil = \"2026-12-15T12:00:00+01:00\"\n"
        "timezone = \"Europe/Rome\"");
    CHECK(to_string(fixed.period.from) == "2026-10-31T23:00:00Z");
    CHECK(to_string(fixed.period.until) == "2026-12-15T11:00:00Z");
    CHECK(fixed.origin == "c.toml:4:1");
    for (const std::string kind : {"hour", "day", "year", "run", "total"}) {
        CHECK(to_string(budget("period = \"" + kind + "\"").period.kind) == kind);
    }
}

TEST_CASE("periods that cannot be") {
    CHECK(faults("period = \"monthly\"") ==
          Lines{"c.toml:7:10: `period` must be one of hour, day, week, month, quarter, year, fixed, rolling, "
                "run, total, not \"monthly\" (did you mean `month`?)"});
    CHECK(faults("anchor = 0") == Lines{"c.toml:7:10: `anchor` must be from 1 to 31, not 0"});
    CHECK(faults("anchor = 32") == Lines{"c.toml:7:10: `anchor` must be from 1 to 31, not 32"});
    CHECK(faults("period = \"day\"\nanchor = 2") ==
          Lines{"c.toml:8:10: `anchor` is for period month, quarter and year, and this is \"day\""});
    CHECK(faults("week_start = \"sunday\"") ==
          Lines{"c.toml:7:14: `week_start` is for period week, and this is \"month\""});
    CHECK(faults("period = \"rolling\"") == Lines{"c.toml:7:10: period \"rolling\" needs `length` as well"});
    CHECK(faults("period = \"rolling\"\nlength = \"90m\"") ==
          Lines{"c.toml:8:10: `length` must be whole hours"});
    CHECK(faults("length = \"2h\"") ==
          Lines{"c.toml:7:10: `length` is for period rolling, and this is \"month\""});
    CHECK(faults("period = \"fixed\"\nfrom = \"2026-11-01\"") ==
          Lines{"c.toml:7:10: period \"fixed\" needs `until` as well"});
    CHECK(faults("period = \"fixed\"\nfrom = \"2026-11-01\"\nuntil = \"2026-11-01\"") ==
          Lines{"c.toml:9:9: `until` must be later than `from`"});
    CHECK(faults("period = \"fixed\"\nfrom = \"2026-02-29\"\nuntil = \"2026-11-01\"").size() == 1);
    CHECK(faults("period = \"fixed\"\nfrom = 2026-11-01\nuntil = \"2026-12-01\"").size() == 1);
    CHECK(faults("timezone = \"Europe/Rom\"").at(0).starts_with("c.toml:7:12: `timezone`: "));
    CHECK(faults("currency = \"EUR\"") ==
          Lines{"c.toml:7:12: `currency` is EUR, and the prices are in USD: a budget is not converted"});
    CHECK(faults("period = \"run\"\nreserve_storage = true") ==
          Lines{"c.toml:8:19: period \"run\" has no end until which storage could be reserved"});
    CHECK(faults_of("[[budget]]\nname = \"b\"\namount = \"0\"\n") ==
          Lines{"c.toml:6:10: `amount` must be more than 0"});
    CHECK(faults_of("[[budget]]\nname = \"b\"\namount = \"-5\"\n") ==
          Lines{"c.toml:6:10: `amount` must be more than 0"});
}

TEST_CASE("thresholds of the file") {
    const Budget b = budget(R"(pack_within = "5m"
thresholds = [ { percent = 50 }, { amount = "8.00", action = "warn" }, { runway = "2h", action = "warn" },
  { percent = 90, basis = "forecast" }, { percent = 95, action = "stop" },
  { percent = 100, action = "stop_now" },
  { percent = 120, basis = "max", action = "stop_now", pack_within = "1m" } ])");
    REQUIRE(b.thresholds.size() == 7);
    CHECK(b.thresholds[1].amount == Money{8 * nanos_per_unit});
    CHECK(b.thresholds[2].runway == Duration{hours{2}});
    CHECK(b.thresholds[3].basis == Basis::forecast);
    CHECK(b.thresholds[5].action == ThresholdAction::stop_now);
    CHECK(b.thresholds[5].pack_within == minutes{5});
    CHECK(b.thresholds[6].pack_within == minutes{1});
    CHECK(b.reserve_storage);  // it is hard
    CHECK_FALSE(budget("").reserve_storage);
    CHECK(budget("reserve_storage = true").reserve_storage);
    CHECK_FALSE(
        budget("reserve_storage = false\nthresholds = [{percent = 100, action = \"stop\"}]").reserve_storage);
    CHECK_FALSE(
        budget("period = \"run\"\nthresholds = [{percent = 100, action = \"stop\"}]").reserve_storage);
}

TEST_CASE("thresholds that cannot be") {
    const auto steps = [](const std::string& text) { return faults("thresholds = [" + text + "]"); };
    CHECK(steps("{action = \"stop\"}") ==
          Lines{"c.toml:7:15: a threshold needs one of `percent`, `amount` and `runway`"});
    CHECK(steps("{percent = 5, amount = \"3\"}") ==
          Lines{"c.toml:7:15: a threshold has one measure, and this one has percent and amount"});
    CHECK(steps("{percent = 80, action = \"stop\"}, {percent = 90, action = \"warn\"}") ==
          Lines{"c.toml:7:72: a warn at 90 % comes too late: at 80 % there is a stop already"});
    CHECK(steps("{percent = 80, action = \"stop_now\"}, {percent = 90, action = \"stop\"}") ==
          Lines{"c.toml:7:76: a stop at 90 % comes too late: at 80 % there is a stop_now already"});
    CHECK(steps("{percent = 80, action = \"stop\"}, {percent = 120, action = \"notify\"}").empty());
    CHECK(steps("{percent = 80, action = \"stop\"}, {percent = 90, action = \"warn\", basis = \"reported\"}")
              .empty());
    CHECK(steps("{percent = 80}, {amount = \"8\"}") ==
          Lines{"c.toml:7:41: there are two thresholds at $8.00"});
    CHECK(steps("{percent = 80}, {amount = \"7.99\"}") ==
          Lines{"c.toml:7:41: thresholds must rise, and $7.99 comes after 80 %"});
    CHECK(steps("{runway = \"2h\"}, {runway = \"4h\"}") ==
          Lines{"c.toml:7:42: thresholds must rise, and a runway of 4h comes after a runway of 2h"});
    CHECK(steps("{runway = \"2h\", basis = \"forecast\"}") ==
          Lines{"c.toml:7:39: a runway is judged by what is spent, not by a forecast"});
    CHECK(steps("{percent = 5, pack_within = \"5m\"}") ==
          Lines{"c.toml:7:43: `pack_within` is for action stop_now"});
    CHECK(steps("{percent = 1001}").size() == 1);
    CHECK(steps("{amount = \"0\"}") == Lines{"c.toml:7:25: `amount` must be more than 0"});
    CHECK(faults("period = \"total\"\nthresholds = [{percent = 5, basis = \"forecast\"}]") ==
          Lines{"c.toml:8:37: period \"total\" has no end to forecast"});
    CHECK(faults("period = \"run\"\nthresholds = [{percent = 5, basis = \"max\"}]") ==
          Lines{"c.toml:8:37: no provider reports what a single run costs"});
}

TEST_CASE("two hard budgets for the same things do not differ in their amount") {
    const auto two = [](const std::string& first, const std::string& second) {
        return faults_of("[[budget]]\nname = \"a\"\namount = \"5\"\n" + first +
                         "\n[[budget]]\nname = \"b\"\namount = \"6\"\n" + second + "\n");
    };
    const std::string hard = "thresholds = [{percent = 100, action = \"stop\"}]";
    const std::string names = "match = { names = [\"x\", \"y\"] }\n";
    CHECK(two(hard, hard) ==
          Lines{"c.toml:10:10: budget `b` contradicts `a` (c.toml:4:1): both stop the same things in "
                "the same period, at $6.00 and at $5.00"});
    CHECK(two(names + hard, "match = { names = [\"y\", \"x\"] }\n" + hard).size() == 1);
    CHECK(two(names + hard, hard).empty());
    CHECK(two(hard, "").empty());
    CHECK(two(hard, "period = \"day\"\n" + hard).empty());
    CHECK(two(hard, "timezone = \"Europe/Rome\"\n" + hard).empty());
}

TEST_CASE("one block alone is read against the configuration in force") {
    const auto base = parsed("[daemon]\ntimezone = \"Europe/Rome\"\n" + head +
                             "thresholds = [{percent = 100, action = \"stop\"}]\n");
    REQUIRE(base);
    const auto alone = [&](const std::string& text) {
        return config::parse_budget(text, "budget", base->config, clock::load_zone);
    };
    const auto good = alone("[[budget]]\nname = \"x\"\namount = \"3\"\nmatch = { accounts = [\"main\"] }\n");
    REQUIRE(good);
    CHECK(good->zone.name == "Europe/Rome");
    CHECK(lines_of(
              alone("[[budget]]\nname = \"x\"\namount = \"3\"\nmatch = { accounts = [\"mian\"] }\n").error())
              .at(0)
              .starts_with("budget:4:23: `accounts` names \"mian\""));
    CHECK(lines_of(alone("[[budget]]\nname = \"x\"\namount = \"3\"\nthresholds = [{percent = 100, action = "
                         "\"stop\"}]\n")
                       .error())
              .at(0)
              .starts_with("budget:3:10: budget `x` contradicts `b` (c.toml:"));
    CHECK(lines_of(alone("").error()) == Lines{"budget:1:1: there is no [[budget]] in it"});
    CHECK(
        lines_of(alone("[[budget]]\nname = \"x\"\namount = \"3\"\n[[budget]]\nname = \"y\"\namount = \"3\"\n")
                     .error()) == Lines{"budget:4:1: one [[budget]] is set at a time"});
    CHECK(lines_of(alone("[daemon]\n[[budget]]\nname = \"x\"\namount = \"3\"\n").error()) ==
          Lines{"budget:1:2: [daemon] has no place here: a budget is set alone"});
    CHECK_FALSE(alone("[[budget]]\nname = \"x\"\namount = 3.0\n"));
    CHECK_FALSE(alone("not toml"));
}

TEST_CASE("accounts of rules and budgets exist") {
    CHECK(faults_of("[[rule]]\nname = \"r\"\n[rule.match]\naccounts = [\"main\", \"mian\"]\n") ==
          Lines{"c.toml:7:21: `accounts` names \"mian\", and no [[account]] is called that (did you mean "
                "`main`?)"});
    CHECK(faults_of("[[budget]]\nname = \"b\"\namount = 1\nmatch = { accounts = [\"x*\"] }\n").size() == 1);
    CHECK(faults_of("[[budget]]\nname = \"b\"\namount = 1\nmatch = { accounts = [\"m*\"] }\n").empty());
}

TEST_CASE("thresholds rise") {
    const auto steps = [](const std::string& text) {
        return faults_of("[[budget]]\nname = \"b\"\namount = 1\nthresholds = [" + text + "]\n");
    };
    CHECK(steps("{percent = 1}, {percent = 1000, action = \"stop\"}").empty());
    CHECK(steps("{percent = 80}, {percent = 80}") == Lines{"c.toml:7:42: there are two thresholds at 80 %"});
    CHECK(steps("{percent = 80}, {percent = 50}") ==
          Lines{"c.toml:7:42: thresholds must rise, and 50 % comes after 80 %"});
    CHECK(steps("{percent = 0}") == Lines{"c.toml:7:26: `percent` must be from 1 to 1000, not 0"});
    CHECK(steps("{percent = 5, action = \"stopp\"}") ==
          Lines{"c.toml:7:38: `action` must be one of notify, warn, stop, stop_now, not \"stopp\" (did you "
                "mean `stop`?)"});
}
