// The mode of a rule and its trial; one rule by itself.
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
    const config::Defaults defaults{.state_dir = "/s",
                                    .api_socket = "/run/a",
                                    .admin_socket = "/run/b",
                                    .config_dir = "/etc/curfew",
                                    .price_file = "/p.csv",
                                    .host_name = "here.example"};
    return config::parse(text, "c.toml", defaults, clock::load_zone);
}

Lines lines_of(const std::vector<config::Fault>& faults) {
    Lines lines;
    std::ranges::transform(faults, std::back_inserter(lines),
                           [](const config::Fault& f) { return to_string(f); });
    return lines;
}

Lines faults_below(const std::string& text) {
    const auto result = parsed(account + text);
    return result ? Lines{} : lines_of(result.error());
}

}  // namespace

TEST_CASE("a new rule is on trial unless its mode is written; it never acts at once by default") {
    const std::string vault = "[[vault]]\nname = \"v\"\npath = \"/v\"\n";
    struct Row {
        std::string keys;
        Mode mode;
        Duration observe_first;
    };
    for (const Row& row :
         {Row{"", Mode::enforce, hours{24 * 7}}, Row{"observe_first = \"2d\"\n", Mode::enforce, hours{48}},
          Row{"mode = \"enforce\"\n", Mode::enforce, Duration{0}},
          Row{"mode = \"warn\"\n", Mode::warn, Duration{0}},
          Row{"mode = \"observe\"\n", Mode::observe, Duration{0}},
          Row{"mode = \"enforce\"\nobserve_first = \"3d\"\n", Mode::enforce, hours{72}}}) {
        CAPTURE(row.keys);
        const auto loaded = parsed(account + vault + "[[rule]]\nname = \"r\"\n" + row.keys);
        REQUIRE(loaded);
        CHECK(loaded->config.rules.at(0).mode == row.mode);
        CHECK(loaded->config.rules.at(0).observe_first == row.observe_first);
    }
    CHECK(faults_below(vault + "[[rule]]\nname = \"r\"\nobserve_first = \"0s\"\n") ==
          Lines{"c.toml:9:17: a rule without a trial acts at once, so say its `mode` as well"});
    CHECK_FALSE(faults_below("[[rule]]\nname = \"r\"\nobserve_first = \"91d\"\n").empty());
    // Where its work could not be saved it goes on observing.
    const auto bare = parsed(account + "[[rule]]\nname = \"r\"\n");
    REQUIRE(bare);
    CHECK(bare->config.rules.at(0).mode == Mode::observe);
    CHECK(
        lines_of(bare->warnings) ==
        Lines{"c.toml:4:1: rule `r` only observes, since no required [[vault]] is there to save the work in "
              "first"});
}

TEST_CASE("one rule alone can be read, with every fault in its place") {
    const auto faults = [](std::string_view text) {
        const auto rule = config::parse_rule(text, "r.toml");
        return rule ? Lines{} : lines_of(rule.error());
    };
    const auto rule = config::parse_rule(
        "[[rule]]\nname = \"night\"\nidle_limit = \"20m\"\nmode = \"enforce\"\n[rule.match]\naccounts = "
        "[\"x\"]\n",
        "r.toml");
    REQUIRE(rule);
    CHECK(rule->name == RuleName{"night"});
    CHECK(rule->idle_limit == minutes{20});
    CHECK(rule->mode == Mode::enforce);  // without a vault, since nothing is stopped by it
    CHECK(rule->match.accounts == std::vector<std::string>{"x"});
    CHECK(rule->ladder == Rule{}.ladder);
    CHECK(faults("") == Lines{"r.toml:1:1: there is no [[rule]] to be tested"});
    CHECK(faults("[[rule]]\nname = \"a\"\n[[rule]]\nname = \"b\"\n") ==
          Lines{"r.toml:3:1: one [[rule]] is tested at a time"});
    CHECK(faults(account + "[[rule]]\nname = \"a\"\n").size() == 1);
    CHECK(faults("[daemon]\n[[rule]]\nname = \"a\"\n").size() == 1);
    CHECK(faults("[[rule]]\nidle_limit = \"x\"\nnmae = \"a\"\n").size() == 3);  // and no name
    CHECK(faults("[[rule]]\nidle_limit = 5\n[keep]\n").size() >= 2);
    CHECK_FALSE(faults("[[rule]").empty());
    CHECK(faults("zz = 1\n").size() == 1);
}
