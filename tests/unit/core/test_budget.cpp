#include "curfew/core/budget.hpp"

#include <catch2/catch.hpp>

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

}  // namespace

TEST_CASE("thresholds fire once per period, in rising order") {
    const Budget b = team();
    CHECK(b.hard());
    CHECK(crossings(b, november, {.spent = dollars(79), .burn_per_hour = {}}, {}, {}).empty());
    auto hit = crossings(b, november, {.spent = dollars(80), .burn_per_hour = {}}, {}, {});
    REQUIRE(hit.size() == 1);
    CHECK(hit[0].at == dollars(80));
    CHECK(hit[0].period == "2026-11@UTC");
    const std::vector<std::int64_t> fired{80};
    CHECK(crossings(b, november, {.spent = dollars(85), .burn_per_hour = {}}, {}, fired).empty());
    hit = crossings(b, november, {.spent = dollars(101), .burn_per_hour = {}}, {}, {});
    REQUIRE(hit.size() == 2);
    CHECK(hit[1].threshold.action == ThresholdAction::stop);
}

TEST_CASE("a hard stop begins early enough for spend to end below the amount") {
    const Budget b = team();
    const std::vector<std::int64_t> fired{80};
    // $6 an hour for half an hour more is $3.
    CHECK(crossings(b, november, {.spent = dollars(96), .burn_per_hour = dollars(6)}, minutes{30}, fired)
              .empty());
    CHECK(crossings(b, november, {.spent = dollars(97), .burn_per_hour = dollars(6)}, minutes{30}, fired)
              .size() == 1);
    // Notify does not run ahead.
    CHECK(
        crossings(b, november, {.spent = dollars(79), .burn_per_hour = dollars(6)}, minutes{30}, {}).empty());
    CHECK(left_of(b, {.spent = dollars(97), .burn_per_hour = {}}) == dollars(3));
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
}

TEST_CASE("words of actions") {
    CHECK(to_string(ThresholdAction::notify) == "notify");
    CHECK(to_string(ThresholdAction::warn) == "warn");
    CHECK(to_string(ThresholdAction::stop) == "stop");
    Budget soft = team();
    soft.thresholds.pop_back();
    CHECK_FALSE(soft.hard());
}
