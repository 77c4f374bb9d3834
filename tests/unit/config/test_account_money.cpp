// Keys of [[account]] about money: how often its add-ons are listed, and the provider's own figure.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

using namespace curfew;

namespace {

using Lines = std::vector<std::string>;

/// One good account, three lines.
const std::string account = "[[account]]\nname = \"main\"\nkey_file = \"/k\"\n";

auto parsed(const std::string& text) {
    config::Defaults defaults;
    defaults.config_dir = "/etc/curfew";
    return config::parse(account + text, "c.toml", defaults, clock::load_zone);
}

Lines faults_below(const std::string& text) {
    const auto result = parsed(text);
    Lines lines;
    if (!result) {
        std::ranges::transform(result.error(), std::back_inserter(lines),
                               [](const config::Fault& f) { return to_string(f); });
    }
    return lines;
}

}  // namespace

TEST_CASE("an account's money is listed as it says") {
    const AccountConfig plain;
    const auto quiet = parsed("");
    REQUIRE(quiet);
    const AccountConfig& a = quiet->config.accounts.at(0);
    CHECK(a.add_on_interval == plain.add_on_interval);
    CHECK(a.storage_unit == plain.storage_unit);
    CHECK(a.balance_url == plain.balance_url);
    CHECK(a.balance_key_file == plain.balance_key_file);
    const auto full = parsed(R"(add_on_interval = "1h"
storage_unit = "GiB"
balance_url = "http://127.0.0.1:8084/balance"
balance_key_file = "keys/do"
)");
    REQUIRE(full);
    const AccountConfig& b = full->config.accounts.at(0);
    CHECK(b.add_on_interval == hours{1});
    CHECK(b.storage_unit == "GiB");
    CHECK(b.balance_url == "http://127.0.0.1:8084/balance");
    CHECK(b.balance_key_file == "/etc/curfew/keys/do");
    CHECK(faults_below("storage_unit = \"TB\"\n").size() == 1);
    CHECK(faults_below("add_on_interval = \"0s\"\n").size() == 1);
}

TEST_CASE("the balance has an address and a key of its own") {
    const std::string url = "balance_url = \"https://api.example.com/balance\"\n";
    CHECK(faults_below(url + "balance_key_file = \"/d\"\n").empty());
    CHECK(faults_below(url) ==
          Lines{"c.toml:4:15: `balance_url` and `balance_key_file` go together: one of them is missing"});
    CHECK(faults_below("balance_key_file = \"/d\"\n") ==
          Lines{"c.toml:4:20: `balance_url` and `balance_key_file` go together: one of them is missing"});
    CHECK(faults_below(url + "balance_key_file = \"/k\"\n") ==
          Lines{"c.toml:5:20: `balance_key_file` must not be key_file: that key would go to another host"});
    CHECK(
        faults_below("balance_url = \"http://api.example.com\"\nbalance_key_file = \"/d\"\n") ==
        Lines{"c.toml:4:15: `balance_url` must be https: the API key would cross the network in the clear"});
}

TEST_CASE("what machines cost when they are off, and how runs are rounded") {
    const auto loaded = parsed(R"(bill_machines_off = true
billing_increment = "minute"
[[account]]
name = "b"
key_file = "credential:b"
[[flat]]
match = ["render-*", "old-box"]
per_month = "269.00"
[daemon]
add_on_prices = "/etc/curfew/add-ons.csv"
)");
    REQUIRE(loaded);
    const Config& c = loaded->config;
    CHECK(c.accounts.at(0).bill_machines_off);
    CHECK(c.accounts.at(0).billing_increment == Increment::minute);
    CHECK_FALSE(c.accounts.at(1).bill_machines_off);
    CHECK(c.accounts.at(1).billing_increment == Increment::none);
    REQUIRE(c.flat.size() == 1);
    CHECK(c.flat[0].match == std::vector<std::string>{"render-*", "old-box"});
    CHECK(c.flat[0].per_month == Money{269'000'000'000});
    CHECK(c.add_on_prices == "/etc/curfew/add-ons.csv");
    CHECK(faults_below("[[flat]]\nper_month = \"-1\"\n").size() == 2);
    CHECK(faults_below("[[flat]]\nmatch = [\"x\"]\nper_month = \"0\"\n") ==
          Lines{"c.toml:6:13: `per_month` must be more than 0"});
}
