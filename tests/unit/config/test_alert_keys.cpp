// Who is told what and how often: [alerts], [[escalation]], [[route]] and [[owner]].
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;

namespace {

/// Ten lines: an account, a rule, a budget.
const std::string head = R"([[account]]
name = "main"
key_file = "/k"
[[rule]]
name = "night"
mode = "observe"
[[budget]]
name = "month"
amount = 10

)";
/// Lines 11 to 21: a webhook `team`, and mail without receivers of its own, `people`.
const std::string two_channels = R"([[channel]]
name = "team"
kind = "webhook"
url = "https://hooks.example.com"
[[channel]]
name = "people"
kind = "mail"
host = "smtp.example.com"
from = "curfew@example.com"


)";
/// Lines 22 to 24.
const std::string owners = "[[owner]]\nowner = \"ana@example.com\"\nchannel = \"team\"\n";
/// Lines 22 and 23.
const std::string by_mail = "[alerts]\nowner_channel = \"people\"\n";

auto parsed(const std::string& text) {
    return config::parse(head + text, "c.toml", {.config_dir = "/etc/curfew"}, clock::load_zone);
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

Config made(const std::string& text) {
    const auto loaded = parsed(text);
    INFO(faults(text));
    REQUIRE(loaded);
    return loaded->config;
}

using Names = std::vector<ChannelName>;
Names names(std::initializer_list<const char*> words) {
    Names all;
    for (const char* word : words) {
        all.emplace_back(word);
    }
    return all;
}

struct Case {
    std::string text;
    std::string fault;
};

/// Below two channels; lines count from 22.
void check(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        INFO(c.text);
        CHECK(faults(two_channels + c.text) == (c.fault.empty() ? "" : c.fault + "\n"));
    }
}

}  // namespace

TEST_CASE("without a word about alerts the defaults of the values hold") {
    const AlertPolicy p = made("").alerts;
    const AlertPolicy plain;
    CHECK(p.group_wait == plain.group_wait);
    CHECK(p.group_interval == plain.group_interval);
    CHECK(p.repeat_critical == plain.repeat_critical);
    CHECK(p.repeat_warning == plain.repeat_warning);
    CHECK(p.flap_turns == plain.flap_turns);
    CHECK(p.flap_window == plain.flap_window);
    CHECK(p.flap_calm == plain.flap_calm);
    CHECK(p.per_hour == plain.per_hour);
    CHECK(p.summary == plain.summary);
    CHECK(!made("[alerts]\nsummary = \"\"\n").alerts.summary);
    CHECK(p.failover.empty());
    CHECK(p.failover_after == plain.failover_after);
    CHECK(p.escalation.empty());  // there is no channel
    const Config with_channels = made(two_channels + by_mail);
    CHECK(with_channels.routing.channels == names({"team"}));  // the other is for owners
    REQUIRE(with_channels.alerts.escalation.size() == 1);
    CHECK(with_channels.alerts.escalation[0].after == minutes{15});
    CHECK(with_channels.alerts.escalation[0].channels == names({"team"}));
    CHECK(with_channels.routing.routes.empty());
    CHECK(with_channels.routing.contacts.empty());
}

TEST_CASE("every key about alerts reaches its place") {
    const Config c = made(two_channels + R"([[channel]]
name = "phone"
kind = "ntfy"
topic = "t"
[alerts]
group_wait = "0s"
group_interval = "0s"
repeat_critical = "10m"
repeat_warning = "1d"
flap_turns = 4
flap_window = "20m"
flap_calm = "10m"
per_hour = 3
summary = "fri 17:30"
failover = "phone"
failover_after = "30s"
owner_channel = "people"
[[escalation]]
after = "15m"
channels = ["phone"]
[[escalation]]
after = "30m"
channels = ["team", "phone"]
[[route]]
rules = ["night"]
budgets = ["mon*"]
owners = ["*@example.com"]
accounts = ["ma*"]
kinds = ["stopped", "summary"]
at_least = "warning"
channels = ["team"]
go_on = true
[[route]]
at_least = "critical"
channels = []
[[owner]]
owner = "ana@example.com"
channel = "people"
to = "ana@home.example"
[[owner]]
owner = "Ben B."
channel = "team"
)");
    const AlertPolicy& p = c.alerts;
    CHECK(p.group_wait == Duration{0});
    CHECK(p.group_interval == Duration{0});
    CHECK(p.repeat_critical == minutes{10});
    CHECK(p.repeat_warning == hours{24});
    CHECK(p.flap_turns == 4);
    CHECK(p.flap_window == minutes{20});
    CHECK(p.flap_calm == minutes{10});
    CHECK(p.per_hour == 3);
    CHECK(p.summary == WeeklyTime{.day = 4, .minute = 17 * 60 + 30});
    CHECK(p.failover == ChannelName{"phone"});
    CHECK(p.failover_after == seconds{30});
    REQUIRE(p.escalation.size() == 2);
    CHECK(p.escalation[0].after == minutes{15});
    CHECK(p.escalation[0].channels == names({"phone"}));
    CHECK(p.escalation[1].channels == names({"team", "phone"}));
    const Routing& r = c.routing;
    CHECK(r.owner_channel == ChannelName{"people"});
    CHECK(r.channels == names({"team", "phone"}));
    REQUIRE(r.routes.size() == 2);
    CHECK(r.routes[0].rules == std::vector<std::string>{"night"});
    CHECK(r.routes[0].budgets == std::vector<std::string>{"mon*"});
    CHECK(r.routes[0].owners == std::vector<std::string>{"*@example.com"});
    CHECK(r.routes[0].accounts == std::vector<std::string>{"ma*"});
    CHECK(r.routes[0].kinds == std::vector{AlertKind::stopped, AlertKind::summary});
    CHECK(r.routes[0].at_least == Severity::warning);
    CHECK(r.routes[0].channels == names({"team"}));
    CHECK(r.routes[0].go_on);
    CHECK(r.routes[1].at_least == Severity::critical);
    CHECK(r.routes[1].channels.empty());
    CHECK_FALSE(r.routes[1].go_on);
    REQUIRE(r.contacts.size() == 2);
    CHECK(r.contacts[0].owner == "ana@example.com");
    CHECK(r.contacts[0].channel == ChannelName{"people"});
    CHECK(r.contacts[0].to == "ana@home.example");
    CHECK(r.contacts[1].owner == "Ben B.");
    CHECK(r.contacts[1].to.empty());
}

TEST_CASE("a route may name every kind of message but those that are made for one channel") {
    for (int i = 0; i <= static_cast<int>(AlertKind::test); ++i) {
        const auto kind = static_cast<AlertKind>(i);
        const std::string word{to_string(kind)};
        INFO(word);
        const auto loaded = parsed(two_channels + by_mail + "[[route]]\nchannels = [\"team\"]\nkinds = [\"" +
                                   word + "\"]\n");
        const bool of_one_channel = kind == AlertKind::digest || kind == AlertKind::test;
        REQUIRE(loaded.has_value() != of_one_channel);
        if (loaded) {
            CHECK(loaded->config.routing.routes.at(0).kinds == std::vector{kind});
        }
    }
}

TEST_CASE("names that nothing has are named with a guess") {
    const std::string unknown = ", and no [[channel]] is called that";
    check({
        {by_mail + "[[route]]\nchannels = [\"taem\"]\n",
         "c.toml:25:13: `channels` names \"taem\"" + unknown + " (did you mean `team`?)"},
        {by_mail + "[[route]]\nchannels = [\"team\", \"team\"]\n",
         "c.toml:25:21: `channels` names `team` twice"},
        {by_mail + "[[escalation]]\nafter = \"15m\"\nchannels = [\"xyz\"]\n",
         "c.toml:26:13: `channels` names \"xyz\"" + unknown},
        {by_mail + "failover = \"teem\"\n",
         "c.toml:24:12: `failover` names \"teem\"" + unknown + " (did you mean `team`?)"},
        {"[alerts]\nowner_channel = \"peple\"\n[[owner]]\nowner = \"a\"\nchannel = \"people\"\nto = "
         "\"a@b.example\"\n",
         "c.toml:23:17: `owner_channel` names \"peple\"" + unknown + " (did you mean `people`?)"},
        {by_mail + "[[owner]]\nowner = \"a\"\nchannel = \"nobody\"\n",
         "c.toml:26:11: `channel` names \"nobody\"" + unknown},
        {by_mail + "[[route]]\nrules = [\"nihgt\"]\nchannels = [\"team\"]\n",
         "c.toml:25:10: `rules` names \"nihgt\", and no [[rule]] is called that (did you mean `night`?)"},
        {by_mail + "[[route]]\nbudgets = [\"month\", \"weekly\"]\nchannels = [\"team\"]\n",
         "c.toml:25:21: `budgets` names \"weekly\", and no [[budget]] is called that; one that `curfew "
         "budget "
         "set` made is named with a * in it"},
        {by_mail + "[[route]]\nbudgets = [\"weekly*\"]\nrules = [\"x-*\"]\nchannels = [\"team\"]\n", ""},
        {by_mail + "[[route]]\naccounts = [\"mian\"]\nchannels = [\"team\"]\n",
         "c.toml:25:13: `accounts` names \"mian\", and no [[account]] is called that (did you mean `main`?)"},
        {by_mail + "[[route]]\nkinds = [\"burn_rat\"]\nchannels = [\"team\"]\n",
         "c.toml:25:10: `kinds` must be one of stop_warning, stop_cancelled, stopped, stop_failed, "
         "pack_failed, budget_threshold, key_rejected, blind, unpriced, undelivered, breaker, disk, config, "
         "would_stop, trial_over, false_stops, bad_stamp, drift, burn_rate, credit, stale, backlog, "
         "dead_letter, database, clock, cycles, summary, not \"burn_rat\" (did you mean `burn_rate`?)"},
        {by_mail + "[[rout]]\n", "c.toml:24:3: unknown table `rout` (did you mean `route`?)"},
        {by_mail + "group_wiat = \"1s\"\n",
         "c.toml:24:1: unknown key `group_wiat` in [alerts] (did you mean `group_wait`?)"},
        {by_mail + "escalation = []\n", "c.toml:24:1: unknown key `escalation` in [alerts]"},
    });
}

TEST_CASE("bounds of the keys about alerts") {
    check({
        {by_mail + "summary = \"monday\"\n",
         "c.toml:24:11: `summary`: not a time of the week: \"monday\"; write it like \"mon 09:00\""},
        {by_mail + "summary = \"mon 24:00\"\n",
         "c.toml:24:11: `summary`: not a time of the week: \"mon 24:00\"; times go from 00:00 to 23:59"},
        {by_mail + "summary = 9\n",
         "c.toml:24:11: `summary` wants a time of the week, for example \"mon 09:00\"; this is a whole "
         "number"},
        {by_mail + "per_hour = 0\n", "c.toml:24:12: `per_hour` must be from 1 to 1000, not 0"},
        {by_mail + "per_hour = 1001\n", "c.toml:24:12: `per_hour` must be from 1 to 1000, not 1001"},
        {by_mail + "group_wait = \"61m\"\n", "c.toml:24:14: `group_wait` must be from 0s to 1h, not 1h1m"},
        {by_mail + "group_wait = 30\n",
         "c.toml:24:14: `group_wait` wants a duration, for example \"45m\"; a number without a unit is not "
         "one"},
        {by_mail + "group_interval = \"25h\"\n",
         "c.toml:24:18: `group_interval` must be from 0s to 1d, not 1d1h"},
        {by_mail + "repeat_critical = \"0s\"\n",
         "c.toml:24:19: `repeat_critical` must be from 1s to 30d, not 0s"},
        {by_mail + "repeat_warning = \"31d\"\n",
         "c.toml:24:18: `repeat_warning` must be from 1s to 30d, not 31d"},
        {by_mail + "flap_turns = 1\n", "c.toml:24:14: `flap_turns` must be from 2 to 1000, not 1"},
        {by_mail + "flap_window = \"0s\"\n", "c.toml:24:15: `flap_window` must be from 1s to 7d, not 0s"},
        {by_mail + "flap_calm = \"8d\"\n", "c.toml:24:13: `flap_calm` must be from 1s to 7d, not 8d"},
        {by_mail + "failover_after = \"25h\"\n",
         "c.toml:24:18: `failover_after` must be from 0s to 1d, not 1d1h"},
        {by_mail + "[[escalation]]\nafter = \"0s\"\nchannels = [\"team\"]\n",
         "c.toml:25:9: `after` must be from 1s to 30d, not 0s"},
        {by_mail + "[[route]]\nat_least = \"loud\"\nchannels = [\"team\"]\n",
         "c.toml:25:12: `at_least` must be one of info, warning, critical, not \"loud\""},
    });
}

TEST_CASE("what contradicts itself about alerts") {
    const std::string no_receivers = "`people`, which has no receivers of its own (`to`)";
    check({
        {"",
         "c.toml:15:1: `to` is missing in [[channel]], and neither owner_channel in [alerts] nor an "
         "[[owner]] uses the channel: Who gets the mail."},
        {"[alerts]\nowner_channel = \"team\"\n[[owner]]\nowner = \"a\"\nchannel = \"people\"\nto = "
         "\"a@b.example\"\n",
         "c.toml:23:17: `owner_channel` must be a channel of kind mail, and `team` is a webhook"},
        {by_mail + "failover = \"team\"\n",
         "c.toml:24:12: `failover` is the only channel: there is none that `team` could stand in for"},
        {by_mail + "failover = \"people\"\n", "c.toml:24:12: `failover` names " + no_receivers},
        {by_mail + "failover_after = \"1m\"\n", "c.toml:24:18: `failover_after` needs `failover` as well"},
        {by_mail + "[[route]]\nchannels = [\"people\"]\n", "c.toml:25:13: `channels` names " + no_receivers},
        {by_mail + "[[escalation]]\nafter = \"15m\"\nchannels = [\"people\"]\n",
         "c.toml:26:13: `channels` names " + no_receivers},
        {by_mail + "[[escalation]]\nafter = \"15m\"\nchannels = []\n",
         "c.toml:26:12: `channels` must not be empty"},
        {by_mail + "[[escalation]]\nafter = \"30m\"\nchannels = [\"team\"]\n[[escalation]]\nafter = "
                   "\"15m\"\nchannels = [\"team\"]\n",
         "c.toml:28:9: escalation must rise, and 15m comes after 30m"},
        {by_mail + "[[escalation]]\nafter = \"30m\"\nchannels = [\"team\"]\n[[escalation]]\nafter = "
                   "\"30m\"\nchannels = [\"team\"]\n",
         "c.toml:28:9: escalation must rise, and 30m comes after 30m"},
        {owners + "[alerts]\nowner_channel = \"people\"\n[[owner]]\nowner = \"ana@example.com\"\nchannel = "
                  "\"team\"\n",
         "c.toml:28:9: there is another [[owner]] \"ana@example.com\" at c.toml:23:9"},
        {by_mail + "[[owner]]\nowner = \"ana\"\nchannel = \"people\"\n",
         "c.toml:24:1: `to` is missing in [[owner]]: channel `people` has no receivers of its own"},
        {by_mail + "[[owner]]\nowner = \"ana\"\nchannel = \"team\"\nto = \"ana@example.com\"\n",
         "c.toml:27:6: `to` is an address of mail, and channel `team` is a webhook"},
        {by_mail + "[[owner]]\nowner = \"ana\"\nchannel = \"people\"\nto = \"Ana\"\n",
         "c.toml:27:6: `to` must be a bare mail address such as ana@example.com, not \"Ana\""},
        {by_mail + "[[owner]]\nchannel = \"team\"\n",
         "c.toml:24:1: `owner` is missing in [[owner]]: The owner, as the provider writes him, which is "
         "mostly his mail address."},
        {by_mail + "[[route]]\nkinds = [\"stopped\"]\n",
         "c.toml:24:1: `channels` is missing in [[route]]: Where it is sent. An empty list leaves it to the "
         "owner alone; what no owner is told of goes to every channel then."},
        {by_mail + "[[route]]\nchannels = []\n", ""},
    });
    CHECK(
        faults("[[channel]]\nname = \"team\"\nkind = \"webhook\"\nurl = \"https://a.example\"\n[[route]]\n"
               "channels = []\n") ==
        "c.toml:16:12: `channels` must not be empty where neither owner_channel in [alerts] nor an [[owner]] "
        "says how owners are told\n");
}

TEST_CASE("a route that is never used is a warning") {
    const auto loaded = parsed(two_channels + by_mail +
                               "[[route]]\nchannels = [\"team\"]\n[[route]]\nat_least = \"critical\"\n"
                               "channels = [\"team\"]\n");
    REQUIRE(loaded);
    REQUIRE(loaded->warnings.size() == 1);
    CHECK(to_string(loaded->warnings[0]) ==
          "c.toml:26:1: this [[route]] is never used: the one at c.toml:24:1 matches everything");
    const auto go_on = parsed(two_channels + by_mail +
                              "[[route]]\nchannels = [\"team\"]\ngo_on = true\n[[route]]\nat_least = "
                              "\"critical\"\nchannels = [\"team\"]\n");
    REQUIRE(go_on);
    CHECK(go_on->warnings.empty());
}
