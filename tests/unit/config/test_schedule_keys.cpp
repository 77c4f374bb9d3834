// The keys of a rule that make its schedule and its maximum age.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

using namespace curfew;

namespace {

using Lines = std::vector<std::string>;

const std::string account = "[[account]]\nname = \"main\"\nkey_file = \"/k\"\n";

auto parsed(const std::string& text) {
    return config::parse(text, "c.toml", {.config_dir = "/etc/curfew"}, clock::load_zone);
}

/// Faults of a text that stands below one good account (three lines).
Lines faults_below(const std::string& text) {
    const auto result = parsed(account + text);
    Lines lines;
    if (!result) {
        std::ranges::transform(result.error(), std::back_inserter(lines),
                               [](const config::Fault& fault) { return to_string(fault); });
    }
    return lines;
}

}  // namespace

TEST_CASE("off hours, holidays and ages") {
    const auto rule = [](const std::string& text) {
        return faults_below("[[rule]]\nname = \"r\"\n" + text + "\n");
    };
    const auto schedule = [](const std::string& text) {
        const auto loaded = parsed("[daemon]\ntimezone = \"Europe/Rome\"\n" + account +
                                   "[[rule]]\nname = \"r\"\n" + text + "\n");
        REQUIRE(loaded);
        return loaded->config.rules.at(0).schedule;
    };
    CHECK(schedule("off_hours = [\"daily 20:00-08:00\"]")->zone().name == "Europe/Rome");
    CHECK(schedule("holidays = [\"2026-12-25\"]\ntimezone = \"UTC\"")->zone().name == "UTC");
    CHECK_FALSE(schedule("off_hours = []\nholidays = []"));
    CHECK(rule("off_hours = [\"daily 20:00-08:00\", \"sun-fry\", \"daily 20-8\", 5]") ==
          Lines{"c.toml:6:35: `off_hours`: not off hours: \"sun-fry\"; \"fry\" is no day: days are mon, tue, "
                "wed, thu, fri, sat, sun and daily",
                "c.toml:6:46: `off_hours`: not off hours: \"daily 20-8\"; \"20\" is no beginning: beginnings "
                "go from 00:00 to 23:59",
                "c.toml:6:60: `off_hours` wants a list of off hours, for example [\"mon-fri 20:00-08:00\", "
                "\"sat-sun\"]; this is a whole number"});
    CHECK(rule("off_hours = \"sat-sun\"") ==
          Lines{"c.toml:6:13: `off_hours` wants a list of off hours, for example [\"mon-fri 20:00-08:00\", "
                "\"sat-sun\"]; this is a string"});
    CHECK(rule("off_hours = [\"daily\"]") ==
          Lines{"c.toml:6:13: `off_hours` leave no minute of the week in which anything may run"});
    std::string many = "off_hours = [";
    for (int i = 0; i < 51; ++i) {
        many += "\"sat\",";
    }
    CHECK(rule(many + "]") == Lines{"c.toml:6:13: `off_hours` has more than 50 entries"});
    CHECK(
        rule("holidays = [\"2026-02-29\", 2026-12-25]") ==
        Lines{
            "c.toml:6:13: `holidays`: not a date: \"2026-02-29\"; write it like 2026-12-25",
            "c.toml:6:27: `holidays` wants a list of dates in quotes, for example [\"2026-12-25\"]; this is "
            "a date or time"});
    CHECK(rule("off_hours = [\"sat\"]\ntimezone = \"Europe/Roma\"")
              .at(0)
              .starts_with("c.toml:7:12: `timezone`: "));
    CHECK(rule("timezone = \"UTC\"\nrespect_activity = true") ==
          Lines{"c.toml:6:12: `timezone` needs `off_hours` or `holidays` as well",
                "c.toml:7:20: `respect_activity` needs `off_hours` or `holidays` as well"});
    // A schedule that is at fault itself is no missing one.
    CHECK(rule("off_hours = [\"x\"]\ntimezone = \"UTC\"").size() == 1);
    CHECK(rule("max_age = \"9s\"") == Lines{"c.toml:6:11: `max_age` must be from 10s to 366d, not 9s"});
    CHECK(rule("max_age = \"367d\"").size() == 1);
    CHECK(rule("max_age = 24").at(0).starts_with("c.toml:6:11: `max_age` wants a duration"));
}
