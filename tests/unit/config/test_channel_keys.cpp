// The keys of channels and of the heartbeat: each reaches its place, and what contradicts itself is named with
// its place. No secret is ever repeated.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace curfew;

namespace {

const std::string account = "[[account]]\nname = \"main\"\nkey_file = \"/k\"\n";

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

/// The keys stand from line 7 on.
std::string channel(const std::string& kind, const std::string& keys) {
    return "[[channel]]\nname = \"c\"\nkind = \"" + kind + "\"\n" + keys;
}

ChannelConfig made(const std::string& kind, const std::string& keys) {
    const auto loaded = parsed(channel(kind, keys));
    INFO(faults(channel(kind, keys)));
    REQUIRE(loaded);
    REQUIRE(loaded->config.channels.size() == 1);
    return loaded->config.channels[0];
}

struct Case {
    std::string text;
    std::string fault;  // the whole of it; "" = none
};

void check(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        INFO(c.text);
        CHECK(faults(c.text) == (c.fault.empty() ? "" : c.fault + "\n"));
    }
}

const std::string url = "url = \"https://hooks.example.com\"\n";

}  // namespace

TEST_CASE("channels over HTTP have the defaults of the values, and their service's address") {
    const ChannelConfig plain;
    const ChannelConfig hook = made("webhook", url);
    CHECK(hook.url == "https://hooks.example.com");
    CHECK(hook.url_file.empty());
    CHECK(hook.format == plain.format);
    CHECK(hook.content_type == plain.content_type);
    CHECK(hook.private_receivers.empty());
    CHECK(hook.timeout == plain.timeout);
    CHECK(made("ntfy", "topic = \"t\"\n").url == "https://ntfy.sh");
    CHECK(made("ntfy", "topic = \"t\"\nurl_file = \"u\"\n").url.empty());
    CHECK(made("pagerduty", "token_file = \"/t\"\n").url == "https://events.pagerduty.com/v2/enqueue");
    for (const std::string kind : {"slack", "discord", "teams"}) {
        const ChannelConfig made_one = made(kind, "url_file = \"keys/u\"\n");
        CHECK(made_one.kind == kind);
        CHECK(made_one.url.empty());
        CHECK(made_one.url_file == "/etc/curfew/keys/u");
    }
}

TEST_CASE("every key of a channel reaches its place") {
    const ChannelConfig hook = made("webhook", R"(url_file = "credential:u"
secret_file = "/s"
old_secret_file = "/o"
format = "template"
template_file = "body.mustache"
content_type = "text/plain; charset=utf-8"
private_receivers = ["10.1.2.3", "192.168.0.0/16", "fd00::/8", "::1"]
timeout = "7s"
)");
    CHECK(hook.url_file == "credential:u");
    CHECK(hook.secret_file == "/s");
    CHECK(hook.old_secret_file == "/o");
    CHECK(hook.format == "template");
    CHECK(hook.template_file == "/etc/curfew/body.mustache");
    CHECK(hook.content_type == "text/plain; charset=utf-8");
    CHECK(hook.private_receivers ==
          std::vector<std::string>{"10.1.2.3", "192.168.0.0/16", "fd00::/8", "::1"});
    CHECK(hook.timeout == seconds{7});
    CHECK(made("webhook", url + "format = \"cloudevents\"\n").format == "cloudevents");
    const ChannelConfig phone = made(
        "ntfy", "url = \"https://ntfy.example.com\"\ntopic = \"gpu-1_x\"\ntoken_file = \"/t\"\n");
    CHECK(phone.topic == "gpu-1_x");
    CHECK(phone.token_file == "/t");
    CHECK(phone.url == "https://ntfy.example.com");
}

TEST_CASE("a channel's address comes from one place, and from a file where it is a secret") {
    const std::string secret = "url = \"https://hooks.slack.com/services/T0/B0/XXXX\"\n";
    check({
        {channel("webhook", ""), "c.toml:4:1: `url` is missing, or `url_file`: where messages are posted"},
        {channel("webhook", url + "url_file = \"/u\"\n"),
         "c.toml:8:12: `url` stands at c.toml:7:7 already: a URL comes from one of the two"},
        {channel("slack", ""),
         "c.toml:4:1: `url_file` is missing: whoever knows the URL may post, so it comes from a file"},
        {channel("teams", "url = \"https://x.example\"\n"),
         "c.toml:7:7: `url` belongs to kind \"webhook\", \"ntfy\" or \"pagerduty\", and this is a teams: use "
         "`url_file`"},
        {channel("ntfy", ""),
         "c.toml:4:1: `topic` is missing in [[channel]]: The topic. On a public server whoever knows it can "
         "read along."},
        {channel("ntfy", "topic = \"a.b\"\n"),
         "c.toml:7:9: `topic` has letters, digits, dashes and underscores only, not \"a.b\""},
        {channel("pagerduty", ""), "c.toml:6:8: a pagerduty needs `token_file`"},
    });
    CHECK(faults(channel("slack", secret)).find("this is a slack: use `url_file`") != std::string::npos);
    CHECK(faults(channel("slack", secret)).find("XXXX") == std::string::npos);
}

TEST_CASE("a secret that stands where its file should is not repeated") {
    for (const std::string bad : {"whsec_c2VjcmV0c2VjcmV0c2VjcmV0", "https://hooks.slack.com/services/secret",
                                  "tk_secret", "0123456789abcdefsecret0123456789ab"}) {
        for (const std::string key : {"secret_file", "old_secret_file", "url_file"}) {
            const std::string found = faults(channel("webhook", url + key + " = \"" + bad + "\"\n"));
            INFO(found);
            CHECK(found.find("c.toml:8:") != std::string::npos);
            CHECK(found.find("looks like the secret itself") != std::string::npos);
            CHECK(found.find("secret0") == std::string::npos);
            CHECK(found.find(bad) == std::string::npos);
        }
    }
    check({
        {channel("pagerduty", "token_file = \"/t\"\nrouting_key = \"R0123\"\n"),
         "c.toml:8:1: `routing_key`: secrets come from files only: use url_file or token_file"},
        {channel("ntfy", "topic = \"t\"\ntoken = \"tk_x\"\n"),
         "c.toml:8:1: `token`: secrets come from files only: use token_file"},
        {channel("discord",
                 "url_file = \"u\"\nwebhook_url = \"https://discord.com/api/webhooks/1/secret\"\n"),
         "c.toml:8:1: `webhook_url`: secrets come from files only: use url_file"},
    });
}

TEST_CASE("keys that go together, and keys of another kind") {
    check({
        {channel("webhook", url + "old_secret_file = \"/o\"\n"),
         "c.toml:8:19: `old_secret_file` needs `secret_file` as well"},
        {channel("webhook", url + "secret_file = \"/o\"\nold_secret_file = \"/o\"\n"),
         "c.toml:9:19: `old_secret_file` is the same as `secret_file`"},
        {channel("webhook", url + "format = \"template\"\n"),
         "c.toml:8:10: `format` \"template\" needs `template_file` as well"},
        {channel("webhook", url + "template_file = \"/t\"\n"),
         "c.toml:8:17: `template_file` is for format \"template\""},
        {channel("webhook", url + "format = \"cloudevents\"\ncontent_type = \"a/b\"\n"),
         "c.toml:9:16: `content_type` is for format \"template\""},
        {channel("webhook", url + "format = \"template\"\ntemplate_file = \"/t\"\ncontent_type = \"json\"\n"),
         "c.toml:10:16: `content_type` must be a media type such as text/plain, not \"json\""},
        {channel("webhook", url + "format = \"cloud\"\n"),
         "c.toml:8:10: `format` must be one of standard, cloudevents, template, not \"cloud\""},
        {channel("webhook", url + "topic = \"t\"\n"),
         "c.toml:8:9: `topic` belongs to kind \"ntfy\", and this is a webhook"},
        {channel("slack", "url_file = \"/u\"\nsecret_file = \"/s\"\n"),
         "c.toml:8:15: `secret_file` belongs to kind \"webhook\", and this is a slack"},
        {channel("discord", "url_file = \"/u\"\ntoken_file = \"/s\"\n"),
         "c.toml:8:14: `token_file` belongs to kind \"ntfy\" or \"pagerduty\", and this is a discord"},
        {channel("teams", "url_file = \"/u\"\nurl_flie = \"/u\"\n"),
         "c.toml:8:1: unknown key `url_flie` in [[channel]] (did you mean `url_file`?)"},
        {channel("webhook", url + "timeout = \"0s\"\n"),
         "c.toml:8:11: `timeout` must be from 1s to 2m, not 0s"},
        {channel("mail", "host = \"h.example\"\nfrom = \"a@b.example\"\nto = []\n"),
         "c.toml:9:6: `to` must not be empty"},
    });
}

TEST_CASE("private receivers are listed") {
    const auto hook = [](const std::string& host, const std::string& list) {
        return channel("webhook", "url = \"" + host + "\"\nprivate_receivers = [" + list + "]\n");
    };
    const auto unusable = [](const std::string& why) {
        return "c.toml:7:7: `url` cannot be used: its address " + why;
    };
    const std::string not_listed = " is private or special; private_receivers can allow it";
    check({
        {hook("http://10.1.2.3:8080/x", "\"10.1.2.3\""), ""},
        {hook("http://10.1.2.3/x", "\"10.1.2.0/24\""), ""},
        {hook("http://[fd12::1]/x", "\"fd00::/8\""), ""},
        {hook("http://[::ffff:10.1.2.3]/x", "\"10.1.2.3\""), ""},
        {hook("http://localhost/x", "\"127.0.0.1\""), ""},
        {hook("http://10.1.3.3/x", "\"10.1.2.0/24\""), unusable("10.1.3.3" + not_listed)},
        {hook("http://[fe80::1]/x", "\"fd00::/8\", \"10.0.0.0/8\""), unusable("fe80::1" + not_listed)},
        {hook("https://169.254.169.254/x", "\"169.254.0.0/16\""),
         unusable("169.254.169.254 is one to which nothing is ever sent")},
        {hook("http://example.com/x", "\"10.0.0.0/8\""), "c.toml:7:7: `url` must be https"},
        {hook("https://example.com/x", "\"10.0.0.0/8\""), ""},
        {hook("https://example.com/x", "\"10.0.0.0/8\"") + "allow_private = true\n",
         "c.toml:8:21: `private_receivers` says nothing beside allow_private = true; leave one of them out"},
    });
    for (const std::string network : {"10.0.0", "example.com", "10.0.0.1/8", "10.0.0.0/33", "fd00::/129",
                                      "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1", "169.254.169.254"}) {
        const std::string found = faults(hook("https://example.com/x", "\"" + network + "\""));
        INFO(found);
        CHECK(found.find("c.toml:8:22: `private_receivers` holds \"" + network + "\": ") == 0);
    }
}

TEST_CASE("the heartbeat") {
    const auto none = parsed("");
    REQUIRE(none);
    CHECK(none->config.heartbeat.url.empty());
    CHECK(none->config.heartbeat.interval == HeartbeatConfig{}.interval);
    const auto loaded = parsed(
        "[heartbeat]\nurl = \"https://10.1.2.3/ping/\"\nca_file = \"ca.pem\"\n"
        "private_receivers = [\"10.1.2.3\"]\ninterval = \"30s\"\n");
    REQUIRE(loaded);
    const HeartbeatConfig& h = loaded->config.heartbeat;
    CHECK(h.url == "https://10.1.2.3/ping");
    CHECK(h.ca_file == "/etc/curfew/ca.pem");
    CHECK(h.private_receivers == std::vector<std::string>{"10.1.2.3"});
    CHECK(h.interval == seconds{30});
    const auto file = parsed("[heartbeat]\nurl_file = \"/u\"\nallow_private = true\n");
    REQUIRE(file);
    CHECK(file->config.heartbeat.url_file == "/u");
    CHECK(file->config.heartbeat.allow_private);
    check({
        {"[heartbeat]\ninterval = \"2m\"\n", "c.toml:5:12: `interval` needs `url` or `url_file` as well"},
        {"[heartbeat]\nurl = \"https://a.example\"\nurl_file = \"/u\"\n",
         "c.toml:6:12: `url` stands at c.toml:5:7 already: a URL comes from one of the two"},
        {"[heartbeat]\nurl = \"http://a.example\"\n", "c.toml:5:7: `url` must be https"},
        {"[heartbeat]\nurl = \"https://127.0.0.1\"\n",
         "c.toml:5:7: `url` is a loopback or private address; say allow_private = true if that is meant"},
        {"[heartbeat]\nurl = \"https://a.example/?x=1\"\n", "c.toml:5:7: `url` must not have a ?query"},
        {"[heartbeat]\nurl = \"https://a.example\"\ninterval = \"0s\"\n",
         "c.toml:6:12: `interval` must be from 1s to 1h, not 0s"},
        {"[heartbeat]\nurl_file = \"https://hc-ping.com/uuid\"\n",
         "c.toml:5:12: `url_file` names a file or credential:NAME, and this looks like the secret itself; "
         "put "
         "it into a file with mode 0600"},
    });
}
