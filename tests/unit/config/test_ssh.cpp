// [[ssh]]: which machines are looked into, and that nothing of it is taken for anything else by ssh.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <vector>

using namespace curfew;

namespace {

using Lines = std::vector<std::string>;

const std::string ed25519 =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkbE2HVytKYqFhLc1WcgjjRAAPzbMHxz6qSIafUgGGV";
const std::string rsa =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQDGErxRy9Vyl5Qs+7Mv1Y5rFYzxR+gLWGSLcsz2aw6fX+dutko/f4ekB7tCtP"
    "jiT3FEnqLsT+ZOKq9l4NmOwKvcmf3DZBZaQ/a5w17fEn5g/VbJVUNwKpVs2LUgnIDJ5XmS3MFR2zZHvXV/TdhqgKW9"
    "9ksd9Vh1EwJ3aa+N6183r1vrpqBTEG+yxh0//Q2yS/ZRCB3CvDkLq5bAmhSAOclwrpUYjXz+EBnuprZ8mqPdATs/+u"
    "wabIjUqm6/C65qan+8COdk92iUpLogMFWy4yrwGvVDCw6Lk8ymfkMKWMgAuHixT7CEuywXDNOYQlkIxhxYISx+iH2C"
    "lM4sSaYAYsCsX0IVzc5H5zgtp9OAF+/We8A8VhSYCY2XzDAiObVOkVYC6EisTCqzmEH7jnDW0RJMe5AMsci7PoXpoK"
    "mih8DqlIDtnSU2xOt1azniW8XrmLWEweDnzzUvcGMd5AQB7Pq06yAYj7zUjGULfxZjueiSizzfhoz79hvDmKH0iL/u"
    "JlM=";

/// One good account, three lines.
const std::string account = "[[account]]\nname = \"main\"\nkey_file = \"/k\"\n";

auto parsed(const std::string& text) {
    config::Defaults defaults;
    defaults.config_dir = "/etc/curfew";
    return config::parse(text, "c.toml", defaults, clock::load_zone);
}

/// Faults of a text that stands below the account.
Lines faults_below(const std::string& text) {
    const auto result = parsed(account + text);
    Lines lines;
    if (!result) {
        std::ranges::transform(result.error(), std::back_inserter(lines),
                               [](const config::Fault& f) { return to_string(f); });
    }
    return lines;
}

}  // namespace

TEST_CASE("machines are looked into over ssh, with a pinned host key") {
    const std::string block = "[[ssh]]\nmatch = [\"train-*\"]\nuser = \"ana\"\nkey_file = \"keys/box\"\n";
    const std::string key = "host_key = \"" + ed25519 + " root@box\"\n";
    const auto loaded = parsed(account + block + key);
    REQUIRE(loaded);
    REQUIRE(loaded->config.ssh.size() == 1);
    const SshConfig& first = loaded->config.ssh[0];
    CHECK(first.match == std::vector<std::string>{"train-*"});
    CHECK(first.user == "ana");
    CHECK(first.key_file == "/etc/curfew/keys/box");
    CHECK(first.host_key == ed25519);  // without its comment
    CHECK(first.host.empty());
    CHECK(first.port == 22);
    const auto all = parsed(account + block + "host_key = \"" + rsa +
                            "\"\nhost = \"10.1.2.3\"\nport = 2222\n");
    REQUIRE(all);
    CHECK(all->config.ssh[0].host == "10.1.2.3");
    CHECK(all->config.ssh[0].port == 2222);
    CHECK(all->config.ssh[0].host_key == rsa);

    const Lines missing = faults_below("[[ssh]]\nmatch = []\n");
    REQUIRE(missing.size() == 4);
    CHECK(missing[0].starts_with("c.toml:4:1: `host_key` is missing in [[ssh]]: "));
    CHECK(missing[1].starts_with("c.toml:4:1: `key_file` is missing in [[ssh]]: "));
    CHECK(missing[2].starts_with("c.toml:4:1: `user` is missing in [[ssh]]: "));
    CHECK(missing[3] == "c.toml:5:9: `match` must not be empty");
    CHECK(faults_below(block + key + block + key) ==
          Lines{"c.toml:10:10: \"train-*\" is matched by the block at c.toml:4:1 already"});
}

TEST_CASE("nothing of a machine's block can become another argument of ssh") {
    const auto faults_with = [](const std::string& name, const std::string& value) {
        const std::map<std::string, std::string> good{
            {"user", "ana"}, {"key_file", "/k"}, {"host_key", ed25519}, {"host", "10.1.2.3"}};
        std::string text = "[[ssh]]\nmatch = [\"a\"]\n" + name + " = '" + value + "'\n";
        for (const auto& [key, other] : good) {
            text += key == name ? "" : key + " = \"" + other + "\"\n";
        }
        return faults_below(text);
    };
    for (const std::string user :
         {"-oProxyCommand=id", "-l", "a b", "a@b", "$(id)", "a;id", "é", "%h", ".x", "a/b"}) {
        CAPTURE(user);
        const Lines faults = faults_with("user", user);
        REQUIRE(faults.size() == 1);
        CHECK(faults[0].starts_with("c.toml:6:8: `user` must be 1 to 32 letters, "));
    }
    for (const std::string host :
         {"-oProxyCommand=id", "a b", "a@b", "ssh://a", "[::1]", "a:22", "$(id)", "%h", "a;id", "../a"}) {
        CAPTURE(host);
        const Lines faults = faults_with("host", host);
        REQUIRE(faults.size() == 1);
        CHECK(faults[0].starts_with("c.toml:6:8: `host` must be a host name or address, "));
    }
    for (const std::string file : {"/keys/%h", "/keys/${HOME}"}) {
        CHECK(faults_with("key_file", file) ==
              Lines{"c.toml:6:12: `key_file` must not hold % or $, which ssh would expand"});
    }
    const std::string body = ed25519.substr(ed25519.find(' ') + 1);
    CHECK(faults_with("host_key", "box " + ed25519) ==
          Lines{"c.toml:6:12: `host_key`: leave out the host's name in front of the key"});
    for (const std::string& key : {"ssh-dss " + body, "@cert-authority " + body, body, std::string{"x"}}) {
        CAPTURE(key);
        REQUIRE(faults_with("host_key", key).size() == 1);
        CHECK(faults_with("host_key", key)[0].starts_with(
            "c.toml:6:12: `host_key`: it must be one line that "));
    }
    for (const std::string& key :
         {"ssh-ed25519 " + body.substr(0, 64), "ssh-ed25519 " + body.substr(0, 67), "ssh-rsa " + body,
          "ssh-ed25519 " + rsa.substr(8), std::string{"ssh-ed25519"}, "ssh-ed25519 " + body + "!!!!",
          "ssh-ed25519 *" + body.substr(1)}) {
        CAPTURE(key);
        REQUIRE(faults_with("host_key", key).size() == 1);
        CHECK(faults_with("host_key", key)[0].ends_with("copy the whole line, it may have been cut"));
    }
}
