#include "curfew/core/forecast.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <vector>

using namespace curfew;

namespace {

constexpr Currency eur{{'E', 'U', 'R'}};

Money cents(std::int64_t c) {
    return Money{c * nanos_per_unit / 100};
}

/// Looks a minute apart at what is usually $1.00 an hour; the line is three times that.
struct Watch {
    BurnRule rule;
    BurnWatch state;
    Instant at{1'000'000};

    BurnEvent look(std::optional<Money> per_hour, std::optional<Money> usual = cents(100)) {
        at = at + minutes{1};
        const BurnStep step = advance(
            rule, state, {.per_hour = per_hour, .usual = usual, .at = at, .max_gap = minutes{3}});
        state = step.next;
        return step.event;
    }
    /// How many looks it takes to fire; 0 = not within 100.
    int until_fired(Money per_hour) {
        for (int n = 1; n <= 100; ++n) {
            if (look(per_hour) == BurnEvent::fired) {
                return n;
            }
        }
        return 0;
    }
};

}  // namespace

TEST_CASE("usual is the median of the hours that cost anything, of which there are enough") {
    std::vector<Money> hours(23, cents(50));
    hours.insert(hours.end(), 140, Money{});
    CHECK_FALSE(usual_per_hour(hours));
    hours.push_back(cents(900));
    CHECK(usual_per_hour(hours) == cents(50));
    hours.assign(13, cents(20));
    hours.insert(hours.begin(), 12, cents(70));
    CHECK(usual_per_hour(hours) == cents(20));
    hours.push_back(cents(70));
    CHECK(usual_per_hour(hours) == cents(20));  // the lower middle of 26
    hours.push_back(cents(-5));                 // a correction is no hour
    CHECK(usual_per_hour(hours) == cents(20));
    hours.push_back(Money{1, eur});
    CHECK_FALSE(usual_per_hour(hours));
    CHECK_FALSE(usual_per_hour({}));
}

TEST_CASE("burning above the line for half an hour fires once") {
    Watch w;
    CHECK(w.until_fired(cents(300)) == 0);  // on the line is not above it
    CHECK(w.until_fired(cents(301)) == 31);
    CHECK(w.until_fired(cents(301)) == 0);
    CHECK(w.state.firing);
}

TEST_CASE("a look below begins anew") {
    Watch w;
    for (int i = 0; i < 30; ++i) {
        REQUIRE(w.look(cents(400)) == BurnEvent::none);
    }
    CHECK(w.look(cents(299)) == BurnEvent::none);
    CHECK(w.until_fired(cents(400)) == 31);
}

TEST_CASE("it clears well below the line, not at it, and can fire again") {
    Watch w;
    REQUIRE(w.until_fired(cents(400)) == 31);
    CHECK(w.look(cents(290)) == BurnEvent::none);
    CHECK(w.look(cents(270)) == BurnEvent::none);
    CHECK(w.look(cents(269)) == BurnEvent::cleared);
    CHECK_FALSE(w.state.firing);
    CHECK(w.look(cents(269)) == BurnEvent::none);
    CHECK(w.until_fired(cents(400)) == 31);
}

TEST_CASE("what is not known neither fires nor clears") {
    Watch w;
    for (int i = 0; i < 31; ++i) {
        w.look(std::nullopt);
    }
    CHECK_FALSE(w.state.firing);
    REQUIRE(w.until_fired(cents(400)) == 31);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(w.look(std::nullopt) == BurnEvent::none);
    }
    CHECK(w.state.firing);
    // Nothing is usual any more: the last line still tells when it is over.
    CHECK(w.look(cents(290), std::nullopt) == BurnEvent::none);
    CHECK(w.look(cents(10), std::nullopt) == BurnEvent::cleared);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(w.look(cents(400), std::nullopt) == BurnEvent::none);  // and nothing fires by it
    }
    CHECK(w.look(Money{400 * nanos_per_unit, eur}) == BurnEvent::none);
}

TEST_CASE("time in which nobody looked does not count") {
    Watch w;
    w.look(cents(400));
    w.at = w.at + hours{5};
    CHECK(w.look(cents(400)) == BurnEvent::none);
    CHECK(w.state.above == Duration{0});
    w.at = w.at + minutes{1};  // two minutes apart is near enough
    w.look(cents(400));
    CHECK(w.state.above == minutes{2});
}

TEST_CASE("a usual cost that rises clears it, factor and duration are the rule's") {
    Watch w;
    w.rule = {.factor_percent = 150, .lasting = minutes{5}};
    CHECK(w.until_fired(cents(151)) == 6);
    CHECK(w.look(cents(151), cents(111)) == BurnEvent::none);
    CHECK(w.look(cents(151), cents(112)) == BurnEvent::cleared);
}
