// The validated configuration: a value. Parsing, defaults and messages are adapters/config's.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/core/budget.hpp"
#include "curfew/core/credit.hpp"
#include "curfew/core/forecast.hpp"
#include "curfew/core/hold.hpp"
#include "curfew/core/ids.hpp"
#include "curfew/core/ledger.hpp"
#include "curfew/core/money.hpp"
#include "curfew/core/route.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace curfew {

/// [[account]]: one key of one team at one provider.
struct AccountConfig {
    AccountName name;
    std::string provider = "paperspace";
    std::string key_file;  // 0600, or "credential:NAME" for a systemd credential
    Duration poll_interval = seconds{60};
    Duration request_timeout = seconds{30};
    Duration list_timeout = seconds{60};
    std::string v1_url = "https://api.paperspace.com/v1";
    std::string legacy_url = "https://api.paperspace.io";
    std::string guest_url = "https://{fqdn}";  // {fqdn} is the run's address
    std::string guest_connect;                 // "host:port" to dial instead of the name; "" = the name
    std::string metrics_connect;               // likewise for the metrics host
    std::string ca_file;                       // extra CA for all of the above
    std::string cpu_unit = "core";             // of the metrics' cpuPercentage: "core" or "percent"
    bool metrics = true;  // ask the provider's metrics; false = coverage is partial without a probe
    bool notebooks = true;
    bool machines = true;
    std::string mode = "enforce";                   // weakest wins
    bool bill_machines_off = false;                 // its machines cost the same while they are off
    Increment billing_increment = Increment::none;  // of runs
    Duration add_on_interval = minutes{10};
    std::string storage_unit = "GB";  // of storage above the plan: "GB" (10^9 bytes) or "GiB"
    std::string balance_url;          // of the provider's own figure; "" = it is not asked for
    std::string balance_key_file;     // as key_file; another key, for that host only
};

/// [[flat]]: machines with a price of the month, on or off. The first block that matches a name is used.
struct FlatPrice {
    std::vector<std::string> match;  // globs of names
    Money per_month;
};

/// [[vault]] of kind "folder".
struct VaultConfig {
    VaultName name;
    std::string kind = "folder";
    std::string path;
    bool required = true;
};

/// [[channel]].
struct ChannelConfig {
    ChannelName name;
    std::string kind;  // "mail", "webhook", "slack", "discord", "teams", "ntfy", "pagerduty"
    // mail
    std::string host;
    int port = 465;
    std::string security = "tls";  // "tls", "starttls", "none" (loopback only)
    std::string user;
    std::string password_file;
    std::string from;
    std::vector<std::string> to;
    std::string ca_file;  // extra CA, of any kind
    // all that go over HTTP
    std::string url;
    std::string url_file;                        // instead of `url`, where the URL is a secret
    bool allow_private = false;                  // loopback and private addresses, and plain http to them
    std::vector<std::string> private_receivers;  // … or only these: addresses and networks, "10.0.0.0/8"
    // webhook
    std::string secret_file;                        // whsec_… of Standard Webhooks
    std::string old_secret_file;                    // signed with as well, while a key is changed
    std::string format = "standard";                // "standard", "cloudevents", "template"
    std::string template_file;                      // mustache
    std::string content_type = "application/json";  // of a template's body
    // ntfy, PagerDuty
    std::string topic;
    std::string token_file;  // ntfy: access token. PagerDuty: routing key
    Duration timeout = seconds{20};
};

/// [heartbeat]: a healthchecks-style URL that hears of each good cycle, and of bad ones with the reason.
struct HeartbeatConfig {
    std::string url;       // "" = none
    std::string url_file;  // instead of `url`
    std::string ca_file;
    bool allow_private = false;
    std::vector<std::string> private_receivers;
    Duration interval = minutes{1};  // at most so often
};

/// [keep_link]: where keep links of warnings are answered.
struct KeepLinkConfig {
    std::string listen;       // "127.0.0.1:8123": loopback or private; "" = warnings carry no link
    std::string public_url;   // what a phone sees, an origin: "https://curfew.example.com"
    bool plain_http = false;  // tokens may pass unencrypted
    Duration length = hours{1};
};

/// [[ssh]]: how to look into machines. The first block that matches a machine's name is used.
struct SshConfig {
    std::vector<std::string> match;  // globs of names
    std::string user;
    std::string key_file;  // read by ssh, never by us; or "credential:NAME"
    std::string host_key;  // "ssh-ed25519 AAAA…": pinned
    std::string host;      // "" = the machine's public address
    int port = 22;
};

struct Config {
    // [daemon]
    Mode mode = Mode::observe;  // of everything
    Zone zone;                  // of tables and calendar days
    std::string state_dir;      // database
    std::string api_socket;
    std::string admin_socket;
    std::string price_file;  // shipped table; "" = built in location
    std::string price_overrides;
    std::string add_on_prices;          // the user's own
    std::string public_name;            // of this host in messages and Message-IDs
    std::vector<std::string> protect;   // globs of names that are never stopped
    Duration history = hours{24 * 90};  // how long looks are kept
    KeepPolicy keep;
    LeasePolicy lease;
    std::int64_t guest_connections_max = 4;  // per guest while somebody is connected
    std::vector<AccountConfig> accounts;
    std::vector<SshConfig> ssh;
    std::vector<FlatPrice> flat;
    std::vector<VaultConfig> vaults;
    std::vector<ChannelConfig> channels;
    std::vector<Rule> rules;
    std::vector<Budget> budgets;
    std::vector<Credit> credits;
    BurnRule burn;  // of the alarm of each account; factor 0 = none
    AlertPolicy alerts;
    Routing routing;
    HeartbeatConfig heartbeat;
    KeepLinkConfig keep_link;
};

}  // namespace curfew
