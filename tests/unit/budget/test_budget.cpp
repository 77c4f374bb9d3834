#include "curfew/core/budget.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace curfew;

namespace {

Money dollars(std::int64_t d) {
    return Money{d * nanos_per_unit};
}

Budget team() {
    Budget b;
    b.name = BudgetName{"team"};
    b.amount = dollars(100);
    b.thresholds = {{80, ThresholdAction::notify}, {100, ThresholdAction::stop}};
    return b;
}

const Period november{"2026-11@UTC", {0}, {1}};
const Lead none{.poll = {}, .notice = {}, .pack = {}, .stop = {}};
const Lead half_an_hour{.poll = minutes{1}, .notice = minutes{10}, .pack = minutes{13}, .stop = minutes{6}};

std::vector<std::string> hits(const Budget& b, const BudgetSpend& spend, const Lead& lead = none,
                              const std::vector<std::string>& fired = {}) {
    std::vector<std::string> keys;
    for (const ThresholdCrossing& c : crossings(b, november, spend, lead, fired)) {
        CHECK(c.period == november.id);
        keys.push_back(c.threshold.key(b.amount));
    }
    return keys;
}

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE("thresholds fire once per period, in rising order") {
    const Budget b = team();
    CHECK(b.hard());
    CHECK(hits(b, {.spent = dollars(79)}).empty());
    CHECK(hits(b, {.spent = dollars(80)}) == Keys{"80% accrued notify at 80.00"});
    CHECK(hits(b, {.spent = dollars(85)}, none, {"80% accrued notify at 80.00"}).empty());
    CHECK(hits(b, {.spent = dollars(101)}) ==
          Keys{"80% accrued notify at 80.00", "100% accrued stop at 100.00"});
}

TEST_CASE("a hard stop begins early enough for spend to end below the amount") {
    const Budget b = team();
    const Keys fired{"80% accrued notify at 80.00"};
    // $6 an hour for half an hour more is $3.
    CHECK(hits(b, {.spent = dollars(96), .burn_per_hour = dollars(6)}, half_an_hour, fired).empty());
    CHECK(hits(b, {.spent = dollars(97), .burn_per_hour = dollars(6)}, half_an_hour, fired).size() == 1);
    // Notify does not run ahead.
    CHECK(hits(b, {.spent = dollars(79), .burn_per_hour = dollars(6)}, half_an_hour).empty());
    // What is held back for storage counts as spent, for stops only.
    CHECK(hits(b, {.spent = dollars(79), .reserve = dollars(20)}).empty());
    CHECK(hits(b, {.spent = dollars(79), .reserve = dollars(21)}) == Keys{"100% accrued stop at 100.00"});
    CHECK(left_of(b, {.spent = dollars(97), .reserve = dollars(1)}) == dollars(2));
}

TEST_CASE("stop_now waits for less") {
    Budget b = team();
    b.thresholds = {{100, ThresholdAction::stop_now}};
    b.thresholds[0].pack_within = minutes{3};
    CHECK(half_an_hour.of(b.thresholds[0]) == minutes{1 + 1 + 3 + 6});
    b.thresholds[0].pack_within = hours{2};
    CHECK(half_an_hour.of(b.thresholds[0]) == minutes{1 + 1 + 13 + 6});
    CHECK(half_an_hour.of(team().thresholds[1]) == minutes{30});
    CHECK(b.hard());
}

TEST_CASE("money, runway and bases") {
    Budget b = team();
    Threshold t{.percent = std::nullopt, .action = ThresholdAction::warn};
    SECTION("money") {
        t.amount = Money{12'500'000'000};
        b.thresholds = {t};
        CHECK(hits(b, {.spent = Money{12'499'999'999}}).empty());
        CHECK(hits(b, {.spent = Money{12'500'000'000}}) == Keys{"12.50 accrued warn at 12.50"});
        CHECK(t.words() == "$12.50");
        t.amount = Money{123'456'789};
        CHECK(t.key(b.amount) == "0.123456789 accrued warn at 0.123456789");
    }
    SECTION("runway") {
        t.runway = hours{2};
        b.thresholds = {t};
        CHECK(hits(b, {.spent = dollars(90), .burn_per_hour = dollars(5)}).empty());  // just two hours
        CHECK(hits(b, {.spent = dollars(91), .burn_per_hour = dollars(5)}) ==
              Keys{"runway 2h accrued warn at 100.00"});
        CHECK(hits(b, {.spent = dollars(99)}).empty());  // nothing burns
        CHECK(hits(b, {.spent = dollars(100)}).size() == 1);
        CHECK(t.words() == "a runway of 2h");
        // Sums beyond the range of money are beyond any budget.
        const Money most{std::numeric_limits<std::int64_t>::max()};
        CHECK(hits(b, {.spent = dollars(1), .burn_per_hour = most}).size() == 1);
        b.thresholds[0].runway = Duration{1};
        CHECK(hits(b, {.spent = dollars(99), .burn_per_hour = most}).size() == 1);
        CHECK(left_of(b, {.spent = most, .reserve = most}) == dollars(100) - most);
    }
    SECTION("reported") {
        t.percent = 50;
        t.basis = Basis::reported;
        b.thresholds = {t};
        CHECK(hits(b, {.spent = dollars(99)}).empty());  // no figure reaches nothing
        CHECK(hits(b, {.spent = dollars(1), .reported = dollars(50)}) == Keys{"50% reported warn at 50.00"});
    }
    SECTION("max") {
        t.percent = 50;
        t.basis = Basis::max;
        b.thresholds = {t};
        CHECK(hits(b, {.spent = dollars(50)}).size() == 1);
        CHECK(hits(b, {.spent = dollars(50), .reported = dollars(1)}).size() == 1);
        CHECK(hits(b, {.spent = dollars(1), .reported = dollars(50)}).size() == 1);
        CHECK(hits(b, {.spent = dollars(49), .reported = dollars(49)}).empty());
    }
    SECTION("forecast") {
        t.percent = 100;
        t.basis = Basis::forecast;
        t.action = ThresholdAction::stop;
        b.thresholds = {t};
        CHECK(hits(b, {.spent = dollars(99), .burn_per_hour = dollars(50)}, half_an_hour).empty());
        CHECK(hits(b, {.spent = dollars(3), .forecast = dollars(99)}, half_an_hour).empty());
        CHECK(hits(b, {.spent = dollars(3), .forecast = dollars(100)}).size() == 1);
        CHECK(t.words() == "100 % (forecast)");
    }
}

TEST_CASE("another amount arms a threshold again only where it is not reached any more") {
    Budget b = team();
    FiredLog log;
    const auto judge = [&](Money spent, bool seen = true, bool priced = true) {
        const BudgetSpend spend{.spent = spent, .seen = seen, .priced = priced};
        settle(b, spend, none, log);
        Keys keys;
        for (const auto& c : crossings(b, november, spend, none, log.keys())) {
            keys.push_back(c.threshold.key(b.amount));
            log.fire(keys.back());
        }
        return keys;
    };
    CHECK(judge(dollars(80)) == Keys{"80% accrued notify at 80.00"});
    b.amount = dollars(101);
    CHECK(judge(dollars(85)).empty());  // still reached: it has been told
    b.amount = dollars(200);
    CHECK(judge(dollars(86)).empty());
    CHECK(judge(dollars(159)).empty());
    CHECK(judge(dollars(160)) == Keys{"80% accrued notify at 160.00"});
    b.amount = dollars(150);  // lowered: the notice is no news, but the stop is
    CHECK(judge(dollars(160)) == Keys{"100% accrued stop at 150.00"});
    CHECK(exhausting(b, log.keys()) != nullptr);
    b.amount = dollars(300);
    CHECK(judge(dollars(161), false).empty());
    CHECK(exhausting(b, log.keys()) != nullptr);  // incomplete data clears nothing
    CHECK_FALSE(log.knows(b.thresholds[1].key(b.amount)));
    CHECK(judge(dollars(161)).empty());
    CHECK(exhausting(b, log.keys()) == nullptr);  // and decides nothing either
    CHECK(judge(dollars(301)).size() == 2);
    b.amount = dollars(400);
    CHECK(
        judge(dollars(302), true, false).empty());  // what has no price counts for no amount, and never will
    CHECK(exhausting(b, log.keys()) == nullptr);
    CHECK(judge(dollars(401)).size() == 2);
}

TEST_CASE("a rolling period arms again below nine tenths, and by complete data only") {
    Budget b = team();
    b.period = {.kind = PeriodKind::rolling, .length = hours{24}};
    FiredLog log;
    const std::string stop = b.thresholds[1].key(b.amount);
    CHECK(log.fire(stop) == stop);
    CHECK(settle(b, {.spent = dollars(90)}, none, log).empty());
    CHECK(settle(b, {.spent = dollars(80), .priced = false}, none, log).empty());
    CHECK(settle(b, {.spent = dollars(80), .seen = false}, none, log).empty());
    // What burns counts: else it would be armed and fire at once, for ever.
    CHECK(settle(b, {.spent = dollars(80), .burn_per_hour = dollars(30)}, half_an_hour, log).empty());
    CHECK(settle(b, {.spent = dollars(80)}, none, log) == Keys{stop + " armed"});
    CHECK_FALSE(log.fired(stop));
    CHECK(log.fire(stop) == stop + " #2");
    CHECK(settle(b, {.spent = dollars(1)}, none, log) == Keys{stop + " #2 armed"});
    CHECK(settle(b, {.spent = dollars(1)}, none, log).empty());
    // A month does not arm again.
    b.period = {};
    log.fire(stop);
    CHECK(settle(b, {.spent = dollars(1)}, none, log).empty());
}

TEST_CASE("what fired is the same after it was stored and read, in any order") {
    FiredLog log;
    Keys rows{log.fire("a at 1.00"), log.fire("b at 1.00"), log.arm("b at 1.00"), log.fire("b at 1.00"),
              log.fire("c at 1.00"), log.arm("c at 1.00"),  log.arm("d at 1.00")};
    CHECK(rows == Keys{"a at 1.00", "b at 1.00", "b at 1.00 armed", "b at 1.00 #2", "c at 1.00",
                       "c at 1.00 armed", "d at 1.00 #0 armed"});
    std::sort(rows.begin(), rows.end());
    do {
        FiredLog again;
        for (const std::string& row : rows) {
            again.add(row);
        }
        REQUIRE(again.keys() == Keys{"a at 1.00", "b at 1.00"});
        REQUIRE(again.knows("d at 1.00"));
        REQUIRE_FALSE(again.fired("d at 1.00"));
        REQUIRE(again.fire("c at 1.00") == "c at 1.00 #2");
    } while (std::next_permutation(rows.begin(), rows.end()));
    // A database of an older version knew percents only.
    FiredLog old;
    old.add("80%");
    CHECK(old.fired_like(team().thresholds[0]));
    CHECK_FALSE(old.fired_like(team().thresholds[1]));
    Threshold other = team().thresholds[0];
    other.basis = Basis::reported;  // such a key never stood for these
    CHECK_FALSE(old.fired_like(other));
    other.percent.reset();
    other.amount = dollars(80);
    CHECK_FALSE(old.fired_like(other));
    old.add("80% armed");
    CHECK_FALSE(old.fired_like(team().thresholds[0]));
}

TEST_CASE("what fired and cannot be judged now stays as it is") {
    Budget b = team();
    b.thresholds = {{80, ThresholdAction::warn}};
    b.thresholds[0].basis = Basis::reported;
    FiredLog log;
    log.fire(b.thresholds[0].key(b.amount));
    b.amount = dollars(1000);  // no figure of the provider says that it is not reached any more
    const std::string moved = b.thresholds[0].key(b.amount);
    CHECK(settle(b, {.spent = dollars(1)}, none, log).empty());
    CHECK(std::ranges::count(log.keys(), moved) == 1);
    CHECK(settle(b, {.spent = dollars(1), .reported = dollars(900)}, none, log) == Keys{moved});
    b.period = {.kind = PeriodKind::rolling, .length = hours{24}};
    CHECK(settle(b, {.spent = dollars(1)}, none, log).empty());
    CHECK(settle(b, {.spent = dollars(1), .reported = dollars(1)}, none, log) == Keys{moved + " armed"});
}

TEST_CASE("a runway arms again where what is left lasts well beyond it") {
    Budget b = team();
    b.thresholds = {{.percent = std::nullopt, .action = ThresholdAction::warn}};
    b.thresholds[0].runway = hours{2};
    b.period = {.kind = PeriodKind::rolling, .length = hours{24}};
    FiredLog log;
    const std::string key = log.fire(b.thresholds[0].key(b.amount));
    CHECK(settle(b, {.spent = dollars(80), .burn_per_hour = dollars(5)}, none, log).empty());
    CHECK(settle(b, {.spent = dollars(79), .burn_per_hour = dollars(5)}, none, log) == Keys{key + " armed"});
}

TEST_CASE("the lead is measured where there is enough to measure") {
    const std::vector<Duration> few(4, minutes{1});
    std::vector<Duration> many;
    for (int i = 1; i <= 40; ++i) {
        many.push_back(minutes{i});
    }
    const Lead guess = lead_of(few, few, minutes{2}, minutes{10});
    CHECK(guess.whole() == minutes{2 + 10 + 10 + 6});
    const Lead known = lead_of(many, std::vector<Duration>(5, seconds{30}), minutes{2}, minutes{5});
    CHECK(known.pack == minutes{38});  // nearest rank: the 38th of 40
    CHECK(known.stop == seconds{30});
    CHECK(known.whole() == minutes{2 + 5 + 38} + seconds{30});
    const std::vector<Duration> five{minutes{9}, minutes{1}, minutes{2}, minutes{3}, minutes{4}};
    CHECK(lead_of(five, few, {}, {}).pack == minutes{9});
    CHECK(lead_of(five, few, {}, {}).stop == minutes{6});
}

TEST_CASE("a row that lies across the end of a period belongs to both, and the parts make the whole") {
    CostRow row;
    row.from = {0};
    row.to = {3'600'000};
    row.gross = Money{1'000'000'001};
    const Period first{"a", {-3'600'000}, {1'800'000}};
    const Period second{"b", {1'800'000}, {7'200'000}};
    CHECK(part_of(row, first) == Money{500'000'000});  // half to even
    CHECK(part_of(row, second) == Money{500'000'000});
    CHECK(part_of(row, {"all", {0}, {3'600'000}}) == row.gross);
    CHECK(part_of(row, {"none", {3'600'000}, {7'200'000}}) == Money{});
    const Period third{"c", {0}, {1'200'000}};
    const Period rest{"d", {1'200'000}, {3'600'000}};
    row.gross = Money{10};
    CHECK(part_of(row, third) == Money{3});
    CHECK(part_of(row, rest) == Money{7});
    row.gross = Money{-1'000'000'003};
    CHECK(part_of(row, first) == Money{-500'000'002});
}

TEST_CASE("what is left, and how long it lasts") {
    Budget b = team();
    b.thresholds = {{90, ThresholdAction::stop}, {100, ThresholdAction::stop_now}};
    CHECK(left_until_stop(b, {.spent = dollars(80), .reserve = dollars(1)}) == dollars(9));
    CHECK(lasts(dollars(9), dollars(6)) == minutes{90});
    CHECK(lasts(Money{500'000'000}, Money{760'000'000}) == Duration{2'368'421});
    CHECK(lasts(dollars(-1), dollars(6)) == Duration{0});
    CHECK_FALSE(lasts(dollars(9), Money{}));
    CHECK_FALSE(lasts(dollars(9'000'000'000), Money{1}));
    const std::vector<std::string> fired{b.thresholds[0].key(b.amount)};
    CHECK(exhausting(b, fired)->action == ThresholdAction::stop);
    const std::vector<std::string> both{fired[0], b.thresholds[1].key(b.amount)};
    CHECK(exhausting(b, both)->action == ThresholdAction::stop_now);
    // The strongest counts, and of equals the first, in whatever order they are written.
    std::swap(b.thresholds[0], b.thresholds[1]);
    CHECK(exhausting(b, both)->action == ThresholdAction::stop_now);
    b.thresholds = {{90, ThresholdAction::stop}, {95, ThresholdAction::stop}};
    const std::vector<std::string> twins{b.thresholds[0].key(b.amount), b.thresholds[1].key(b.amount)};
    CHECK(exhausting(b, twins) == &b.thresholds[0]);
    // Where nothing stops at an amount that is spent, it lasts to the whole amount.
    b.thresholds = {{50, ThresholdAction::notify}, {60, ThresholdAction::stop}, {70, ThresholdAction::stop}};
    b.thresholds[1].basis = Basis::forecast;
    b.thresholds[2].runway = hours{1};
    CHECK(left_until_stop(b, {.spent = dollars(80)}) == dollars(20));
}

TEST_CASE("quiet ones are stopped first, then the costliest") {
    std::vector<StopCandidate> c{{RunId{"cheap"}, false, {}, dollars(1)},
                                 {RunId{"dear"}, false, {}, dollars(3)},
                                 {RunId{"quiet"}, true, minutes{5}, dollars(1)},
                                 {RunId{"quieter"}, true, minutes{9}, dollars(1)}};
    sort_for_stopping(c);
    CHECK(c[0].run.value == "quieter");
    CHECK(c[1].run.value == "quiet");
    CHECK(c[2].run.value == "dear");
    CHECK(c[3].run.value == "cheap");
    // Quiet for as long: the costliest; for as much: by name, so that every run stops the same ones.
    c = {{RunId{"b"}, true, minutes{5}, dollars(1)},
         {RunId{"a"}, true, minutes{5}, dollars(1)},
         {RunId{"dear"}, true, minutes{5}, dollars(3)}};
    sort_for_stopping(c);
    CHECK(c[0].run.value == "dear");
    CHECK(c[1].run.value == "a");
    CHECK(c[2].run.value == "b");
}

TEST_CASE("words of actions") {
    CHECK(to_string(ThresholdAction::notify) == "notify");
    CHECK(to_string(ThresholdAction::warn) == "warn");
    CHECK(to_string(ThresholdAction::stop) == "stop");
    CHECK(to_string(ThresholdAction::stop_now) == "stop_now");
    Budget soft = team();
    soft.thresholds.pop_back();
    CHECK_FALSE(soft.hard());
}

TEST_CASE("a scope is a conjunction") {
    Resource r;
    r.name = "train-7";
    r.provider = "paperspace";
    r.project = "p";
    r.tags = {"team-a", "gpu"};
    CHECK(matches({.names = {"train-*"}, .projects = {"p"}, .providers = {"paper*"}, .tags = {"x", "team-?"}},
                  r));
    CHECK_FALSE(matches({.names = {"train-*"}, .projects = {"q"}}, r));
    CHECK_FALSE(matches({.providers = {"digitalocean"}}, r));
    CHECK_FALSE(matches({.tags = {"team-b"}}, r));
    r.tags.clear();
    CHECK_FALSE(matches({.tags = {"*"}}, r));
    CHECK(matches({}, r));
}
