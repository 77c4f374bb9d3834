// The keys of credits and of the burn alarm.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace curfew;

namespace {

const std::string account = "[[account]]\nname = \"main\"\nkey_file = \"/k\"\n";
const std::string credit = "[[credit]]\nname = \"gift\"\n";  // lines 4 and 5

auto parsed(const std::string& text) {
    return config::parse(account + text, "c.toml", {.config_dir = "/etc/curfew"}, clock::load_zone);
}

std::string faults(const std::string& text) {
    const auto result = parsed(text);
    std::string lines;
    if (!result) {
        for (const config::Fault& fault : result.error()) {
            lines += to_string(fault) + "\n";
        }
    }
    return lines;
}

}  // namespace

TEST_CASE("a credit has an amount, a beginning and an end, in the zone of the daemon") {
    const auto loaded = parsed("[daemon]\ntimezone = \"Europe/Rome\"\n" + credit +
                               "amount = \"15.00\"\nfrom = \"2026-11-01\"\nuntil = "
                               "\"2027-01-01T00:00:00Z\"\naccounts = [\"ma*\"]\n");
    REQUIRE(loaded);
    REQUIRE(loaded->config.credits.size() == 1);
    const Credit& c = loaded->config.credits[0];
    CHECK(c.name == "gift");
    CHECK(c.amount == Money{15 * nanos_per_unit});
    CHECK(to_string(c.from) == "2026-10-31T23:00:00Z");
    CHECK(to_string(c.until) == "2027-01-01T00:00:00Z");
    CHECK(c.covers(AccountName{"main"}));
    CHECK_FALSE(c.covers(AccountName{"other"}));
}

TEST_CASE("what is wrong of a credit is named with its place") {
    struct Case {
        std::string text;
        std::string place;
        std::string said;
    };
    const std::string times = "from = \"2026-11-01\"\nuntil = \"2027-01-01\"\n";
    const std::vector<Case> cases{
        {credit + times, "c.toml:4:1: ", "amount"},
        {credit + "amount = \"5.00\"\n", "c.toml:4:1: ", "from"},
        {credit + "amount = \"0.00\"\n" + times, "c.toml:6:10: ", "amount"},
        {credit + "amount = \"-5.00\"\n" + times, "c.toml:6:10: ", "amount"},
        {credit + "amount = 5.00\n" + times, "c.toml:6:10: ", "quotes"},
        {credit + "amount = \"5.00\"\nfrom = \"2026-11-31\"\nuntil = \"2027-01-01\"\n",
         "c.toml:7:8: ", "2026-11-01"},
        {credit + "amount = \"5.00\"\nfrom = \"2027-01-01\"\nuntil = \"2026-11-01\"\n",
         "c.toml:8:9: ", "later than `from`"},
        {credit + "amount = \"5.00\"\naccounts = [\"nobody\"]\n" + times,
         "c.toml:7:13: ", "no [[account]] is called that"},
        {credit + "amuont = \"5.00\"\n" + times, "c.toml:6:1: ", "amount"},
        {credit + "amount = \"5.00\"\n" + times + credit + "amount = \"5.00\"\n" + times,
         "c.toml:10:", "gift"},
        {"[money]\nburn_factor = -1\n", "c.toml:5:15: ", "burn_factor"},
        {"[money]\nburn_for = \"0s\"\n", "c.toml:5:12: ", "burn_for"},
    };
    for (const Case& c : cases) {
        INFO(c.text);
        const std::string found = faults(c.text);
        INFO(found);
        CHECK(found.find(c.place) != std::string::npos);
        CHECK(found.find(c.said) != std::string::npos);
    }
}

TEST_CASE("the burn alarm is three times the usual for half an hour, unless it is switched off") {
    const auto standard = parsed("");
    REQUIRE(standard);
    CHECK(standard->config.burn.factor_percent == 300);
    CHECK(standard->config.burn.lasting == minutes{30});
    const auto off = parsed("[money]\nburn_factor = 0\n");
    REQUIRE(off);
    CHECK(off->config.burn.factor_percent == 0);
}
