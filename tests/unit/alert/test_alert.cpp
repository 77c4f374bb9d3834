#include "curfew/core/alert.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

using namespace curfew;

TEST_CASE("the outbox tries ten times, each later than the one before") {
    const std::vector<Duration> schedule{seconds{0},  seconds{5}, seconds{30}, minutes{2}, minutes{10},
                                         minutes{30}, hours{2},   hours{6},    hours{12},  hours{24}};
    for (std::size_t i = 0; i < schedule.size(); ++i) {
        CAPTURE(i);
        const auto made = static_cast<int>(i);
        CHECK(retry_delay(made, 500) == schedule[i]);  // the middle of the jitter is the schedule itself
        const auto least = retry_delay(made, 0);
        const auto most = retry_delay(made, 999);
        REQUIRE((least && most));
        CHECK(*least == schedule[i] * 8 / 10);
        CHECK(*most <= schedule[i] * 12 / 10);
        CHECK(*most >= schedule[i] * 1199 / 1000);
    }
    CHECK_FALSE(retry_delay(10, 500));
    CHECK_FALSE(retry_delay(1'000'000, 0));
    CHECK_FALSE(retry_delay(-1, 0));
}

TEST_CASE("jitter never leaves its bounds and grows with its argument") {
    for (int made = 0; made < 10; ++made) {
        Duration before{-1};
        for (unsigned jitter = 0; jitter < 1000; ++jitter) {
            const Duration delay = retry_delay(made, jitter).value();
            CHECK(delay >= before);
            before = delay;
        }
    }
    CHECK(retry_delay(4, 1000) == retry_delay(4, 0));  // beyond its range it wraps
    CHECK(retry_delay(4, 4'000'000'999U) == retry_delay(4, 999));
}

TEST_CASE("every word of an alert is its own") {
    constexpr int last = static_cast<int>(AlertKind::test);
    std::set<std::string_view> kinds;
    for (int i = 0; i <= last; ++i) {
        const auto kind = static_cast<AlertKind>(i);
        kinds.insert(to_string(kind));
        CHECK(alert_kind_from(to_string(kind)) == kind);
    }
    CHECK(kinds.size() == static_cast<std::size_t>(last) + 1);
    CHECK_FALSE(alert_kind_from("stop warning"));
    CHECK_FALSE(alert_kind_from(""));
    std::set<std::string_view> tellings;
    for (int i = 0; i <= static_cast<int>(Telling::resolved); ++i) {
        tellings.insert(to_string(static_cast<Telling>(i)));
    }
    CHECK(tellings == std::set<std::string_view>{"notice", "firing", "rise", "repeat", "escalation",
                                                 "acknowledged", "resolved"});
    CHECK(to_string(AlertKind::would_stop) == "would_stop");
    CHECK(to_string(AlertKind::stop_warning) == "stop_warning");
    CHECK(to_string(Severity::info) == "info");
    CHECK(to_string(Severity::warning) == "warning");
    CHECK(to_string(Severity::critical) == "critical");
    CHECK(to_string(AlertState::pending) == "pending");
    CHECK(to_string(AlertState::firing) == "firing");
    CHECK(to_string(AlertState::acknowledged) == "acknowledged");
    CHECK(to_string(AlertState::resolved) == "resolved");
}
