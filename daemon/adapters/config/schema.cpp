#include "adapters/config/schema.hpp"

#include "adapters/config/alert_keys.hpp"
#include "adapters/config/keep_link_keys.hpp"
#include "adapters/config/money_keys.hpp"

#include <algorithm>

namespace curfew::config {

namespace {

constexpr Key daemon_keys[] = {
    {.name = "mode",
     .type = Type::word,
     .standard = R"("observe")",
     .words = modes,
     .help = "How far Curfew may go at all. observe decides and records, warn also tells people, enforce "
             "also packs and stops. The weakest of this, the account's and the rule's mode wins."},
    {.name = "timezone",
     .type = Type::zone,
     .standard = R"("UTC")",
     .help = "IANA time zone of tables, messages and calendar days; budgets use it unless they name their "
             "own."},
    {.name = "state_dir",
     .type = Type::folder,
     .standard = R"("/var/lib/curfew")",
     .help = "Folder of the database. For a plain user the default is $XDG_STATE_HOME/curfew."},
    {.name = "api_socket",
     .type = Type::socket,
     .standard = R"("/run/curfew/api.sock")",
     .help = "Unix socket that answers questions. For a plain user the default is below "
             "$XDG_RUNTIME_DIR/curfew."},
    {.name = "admin_socket",
     .type = Type::socket,
     .standard = R"("/run/curfew/admin.sock")",
     .help = "Unix socket that also takes changes: keep, lease, exempt, release, stop, pack, reload. For a "
             "plain user the "
             "default is below $XDG_RUNTIME_DIR/curfew."},
    {.name = "price_file",
     .type = Type::file,
     .standard = R"("/usr/share/curfew/prices/paperspace.csv")",
     .help = "The price table that comes with Curfew."},
    {.name = "price_overrides",
     .type = Type::file,
     .unset = "none",
     .sample = R"("/etc/curfew/prices.csv")",
     .help =
         "Your own prices, in the same format; they win over the shipped table and over what the provider "
         "lists. Several rows of one type with different as_of (a date, or a time as 2026-12-01T06:30:00Z) "
         "are its price over time. A machine type without a price is shown as unpriced, never as free."},
    {.name = "add_on_prices",
     .type = Type::file,
     .unset = "none",
     .sample = R"("/etc/curfew/add-ons.csv")",
     .help = "Your own prices of disks, addresses, snapshots, shared drives, templates, networks and of "
             "storage above the plan, in the format of paperspace-add-ons.csv beside the shipped table; they "
             "win over it."},
    {.name = "public_name",
     .type = Type::host,
     .unset = "the name of this host",
     .sample = R"("curfew.example.com")",
     .help = "How this host is called in messages and in the Message-ID of mail."},
    {.name = "protect",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["production-*"])",
     .help = "Names of notebooks and machines that are never stopped, whatever a rule or budget says."},
    {.name = "history",
     .type = Type::duration,
     .standard = R"("90d")",
     .low = "1d",
     .high = "3650d",
     .help = "How long it is kept what every look at a notebook or machine saw, as one row per stretch in "
             "which nothing changed: for explain --at and rule test."},
    {.name = "guest_connections_max",
     .type = Type::integer,
     .standard = "4",
     .low = "1",
     .high = "64",
     .help = "Connections that packing may open to one notebook while somebody is connected to it."},
};

constexpr Key keep_keys[] = {
    {.name = "max_at_once",
     .type = Type::duration,
     .standard = R"("12h")",
     .low = "1m",
     .high = "12h",
     .help = "The longest keep that one command may ask for."},
    {.name = "max_per_period",
     .type = Type::duration,
     .standard = R"("48h")",
     .low = "1m",
     .high = "48h",
     .help = "The most that keeps of one notebook or machine may add up to in a calendar month."},
};

constexpr Key lease_keys[] = {
    {.name = "max_at_once",
     .type = Type::duration,
     .standard = R"("12h")",
     .low = "1m",
     .high = "12h",
     .help = "The longest lease that a job may ask for at once; while it runs it renews it."},
};

constexpr Key account_keys[] = {
    {.name = "name",
     .type = Type::name,
     .required = true,
     .sample = R"("main")",
     .help = "Your name for the account; rules, budgets and tables use it."},
    {.name = "provider",
     .type = Type::word,
     .standard = R"("paperspace")",
     .words = "paperspace",
     .help = "Who rents out the machines."},
    {.name = "key_file",
     .type = Type::secret,
     .required = true,
     .sample = R"("credential:paperspace")",
     .help = "Where the API key is: a file with mode 0600 and the key as its only line, or credential:NAME "
             "for a systemd credential. The key itself never stands in this file."},
    {.name = "poll_interval",
     .type = Type::duration,
     .standard = R"("60s")",
     .low = "1s",
     .high = "1h",
     .help = "How often the account is listed. Less than 30s is refused unless v1_url is on this host."},
    {.name = "request_timeout",
     .type = Type::duration,
     .standard = R"("30s")",
     .low = "1s",
     .high = "5m",
     .help = "The longest wait for one answer."},
    {.name = "list_timeout",
     .type = Type::duration,
     .standard = R"("60s")",
     .low = "1s",
     .high = "30m",
     .help = "The longest wait for all pages of one listing. What did not come in time is unknown, never "
             "absent."},
    {.name = "v1_url",
     .type = Type::url,
     .standard = R"("https://api.paperspace.com/v1")",
     .help = "The provider's API. Plain http is accepted on this host only."},
    {.name = "legacy_url",
     .type = Type::url,
     .standard = R"("https://api.paperspace.io")",
     .help = "The provider's older API, which stops notebooks. Plain http is accepted on this host only."},
    {.name = "guest_url",
     .type = Type::guest_url,
     .standard = R"("https://{fqdn}")",
     .help = "Where a notebook's own Jupyter server is; {fqdn} stands for the address that the provider "
             "reports."},
    {.name = "guest_connect",
     .type = Type::endpoint,
     .unset = "the host of guest_url",
     .sample = R"("127.0.0.1:8443")",
     .help = "A host and port to dial instead, for a gateway or an emulator. Over plain http it must route "
             "every request by its Host."},
    {.name = "metrics_connect",
     .type = Type::endpoint,
     .unset = "the host of the metrics service",
     .sample = R"("127.0.0.1:8443")",
     .help = "Likewise for the provider's metrics."},
    {.name = "ca_file",
     .type = Type::file,
     .unset = "the system's authorities only",
     .sample = R"("/etc/curfew/ca.pem")",
     .help = "Certificates of one more authority to trust for this account."},
    {.name = "cpu_unit",
     .type = Type::word,
     .standard = R"("core")",
     .words = "core|percent",
     .help = "What 100 means in the provider's CPU metric: one core, or the whole machine."},
    {.name = "metrics",
     .type = Type::boolean,
     .standard = "true",
     .help = "Ask the provider's metrics. Without them only the kernels of a notebook can be seen, and a "
             "rule stops at warn unless it has accept_partial."},
    {.name = "notebooks",
     .type = Type::boolean,
     .standard = "true",
     .help = "Watch the account's notebooks."},
    {.name = "machines",
     .type = Type::boolean,
     .standard = "true",
     .help = "Watch the account's Core machines."},
    {.name = "mode",
     .type = Type::word,
     .standard = R"("enforce")",
     .words = modes,
     .help = "How far Curfew may go in this account; see mode in [daemon]."},
    {.name = "add_on_interval",
     .type = Type::duration,
     .standard = R"("10m")",
     .low = "1s",
     .high = "1d",
     .help = "How often at most the lists of what costs without running are asked for: disks, addresses, "
             "snapshots, shared drives, templates, networks, storage above the plan."},
    {.name = "storage_unit",
     .type = Type::word,
     .standard = R"("GB")",
     .words = "GB|GiB",
     .help = "What the price of storage above the plan counts: GB of 10^9 bytes or GiB of 2^30. The provider "
             "does not say."},
    {.name = "balance_url",
     .type = Type::url,
     .unset = "the provider's own figure is not asked for",
     .sample = R"("https://api.digitalocean.com/v2/customers/my/balance")",
     .help = "Where the provider tells what the month has cost so far, to compare it with our own figure."},
    {.name = "balance_key_file",
     .type = Type::secret,
     .unset = "nothing",
     .sample = R"("credential:digitalocean")",
     .help =
         "Where the key for balance_url is, as with key_file. It is another key, and is sent to that host "
         "only."},
    {.name = "bill_machines_off",
     .type = Type::boolean,
     .standard = "false",
     .help = "The provider charges machines by the hour until they are deleted, also while they are off. A "
             "stop then saves nothing, so none is stopped by a rule or budget."},
    {.name = "billing_increment",
     .type = Type::word,
     .standard = R"("none")",
     .words = "none|minute|hour",
     .help = "How the provider charges the last part of a run: as it is, or rounded up to a full minute or "
             "hour since its start."},
};

constexpr Key flat_keys[] = {
    {.name = "match",
     .type = Type::globs,
     .required = true,
     .sample = R"(["render-*"])",
     .help = "Names of machines. A machine uses the first block that matches."},
    {.name = "per_month",
     .type = Type::money,
     .required = true,
     .sample = R"("269.00")",
     .help =
         "US dollars in a calendar month (UTC), in quotes, spread evenly over it. A stop saves nothing, so "
         "these machines are stopped by no rule or budget."},
};

constexpr Key ssh_keys[] = {
    {.name = "match",
     .type = Type::globs,
     .required = true,
     .sample = R"(["train-box"])",
     .help = "Names of machines. A machine uses the first block that matches; one that none matches is "
             "watched and billed, and nobody looks into it."},
    {.name = "user",
     .type = Type::login,
     .required = true,
     .sample = R"("paperspace")",
     .help = "Whom to log in as. It must see the processes of everybody, as every user can unless /proc is "
             "mounted with hidepid; what it cannot see is unknown, never idle."},
    {.name = "key_file",
     .type = Type::secret,
     .required = true,
     .sample = R"("/etc/curfew/keys/train-box")",
     .help = "Where the private key is, without a passphrase: a file with mode 0600 or credential:NAME. Only "
             "ssh reads it. On the machine, write \"restrict\" before its public half in authorized_keys."},
    {.name = "host_key",
     .type = Type::host_key,
     .required = true,
     .sample = R"("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkbE2HVytKYqFhLc1WcgjjRAAPzbMHxz6qSIafUgGGV")",
     .help =
         "The machine's public host key, as it stands in /etc/ssh/ssh_host_ed25519_key.pub there. Nothing "
         "is sent to a machine that shows another one. One created anew has a new key."},
    {.name = "host",
     .type = Type::host,
     .unset = "the machine's public address",
     .sample = R"("10.1.2.3")",
     .help = "Where to reach it."},
    {.name = "port",
     .type = Type::integer,
     .standard = "22",
     .low = "1",
     .high = "65535",
     .help = "Its ssh port."},
};

constexpr Key vault_keys[] = {
    {.name = "name",
     .type = Type::name,
     .required = true,
     .sample = R"("home")",
     .help = "Your name for the vault."},
    {.name = "kind",
     .type = Type::word,
     .standard = R"("folder")",
     .words = "folder",
     .help = "A folder of this host; one mounted from elsewhere will do."},
    {.name = "path",
     .type = Type::folder,
     .required = true,
     .sample = R"("/srv/curfew")",
     .help = "The folder. curfewd needs the right to write there."},
    {.name = "required",
     .type = Type::boolean,
     .standard = "true",
     .help = "Nothing is stopped before its copy in this vault is verified. With false a failure is only "
             "reported."},
};

constexpr Key rule_keys[] = {
    {.name = "name",
     .type = Type::name,
     .required = true,
     .sample = R"("idle")",
     .help = "Your name for the rule; every message and receipt shows it."},
    {.name = "idle_limit",
     .type = Type::duration,
     .standard = R"("1h")",
     .low = "5s",
     .high = "7d",
     .help = "How long something must be seen quiet before it is stopped. Time in which it could not be "
             "seen does not count. 1m and more is for real work; less is for trying things out."},
    {.name = "ladder",
     .type = Type::durations,
     .standard = R"(["30m", "10m", "2m"])",
     .low = "1s",
     .high = "24h",
     .help = "When warnings are sent, as time before the stop, longest first. Scaled down for a short "
             "idle_limit."},
    {.name = "min_notice",
     .type = Type::duration,
     .standard = R"("10m")",
     .low = "0s",
     .high = "24h",
     .help = "At least one warning must have been delivered this long before the stop."},
    {.name = "start_grace",
     .type = Type::duration,
     .standard = R"("15m")",
     .low = "0s",
     .high = "24h",
     .help = "How long after its start nothing is taken for idle."},
    {.name = "mode",
     .type = Type::word,
     .unset = "\"enforce\" after observe_first; \"observe\" while there is no required [[vault]]",
     .words = modes,
     .sample = R"("enforce")",
     .help = "How far this rule goes; see mode in [daemon]. Written down, it holds from the first moment."},
    {.name = "observe_first",
     .type = Type::duration,
     .unset = "\"7d\" where mode is not written, else \"0s\"",
     .low = "0s",
     .high = "90d",
     .sample = R"("7d")",
     .help = "The trial of a new rule: for so long it only observes, whatever its mode. Only time in which "
             "curfewd watched counts. A rule is new when its name is; changing what it matches or its limits "
             "makes no new trial. `curfew rule ls` shows what it would have stopped, and the end of the "
             "trial is told. \"0s\" needs a written mode."},
    {.name = "accept_partial",
     .type = Type::boolean,
     .standard = "false",
     .help = "Act although nothing but the state of the kernels can be seen."},
    {.name = "stalled_after",
     .type = Type::duration,
     .standard = R"("6h")",
     .low = "10m",
     .high = "7d",
     .help = "A kernel that is called busy, while nothing uses CPU, GPU, disk or network for this long, is "
             "waiting for input or dead: from then on it counts as quiet, and idle_limit begins."},
    {.name = "off_hours",
     .type = Type::off_hours,
     .standard = "[]",
     .sample = R"(["daily 20:00-08:00", "sat-sun"])",
     .help = "When nothing should run: days and local times, whole days where the times are left out, into "
             "the next morning where the end comes before the beginning. People are warned along the ladder "
             "before they begin. What somebody starts inside them is left alone until they end. A keep holds "
             "them off."},
    {.name = "holidays",
     .type = Type::dates,
     .standard = "[]",
     .sample = R"(["2026-12-25", "2027-01-01"])",
     .help = "Dates that are off for the whole local day as well."},
    {.name = "timezone",
     .type = Type::zone,
     .unset = "the timezone of [daemon]",
     .sample = R"("Europe/Rome")",
     .help =
         "IANA time zone of off_hours and holidays. A local time that a clock change leaves out counts as "
         "the first one after the gap, one that comes twice as its first."},
    {.name = "respect_activity",
     .type = Type::boolean,
     .standard = "true",
     .help = "In off hours nothing is stopped that is at work or cannot be seen; what is quiet then or "
             "becomes quiet later is. With false it is stopped in any case, after the warnings."},
    {.name = "max_age",
     .type = Type::duration,
     .unset = "none",
     .low = "10s",
     .high = "366d",
     .sample = R"("24h")",
     .help = "How long after its start a run is stopped, at work or not, after the warnings. No keep puts "
             "that off."},
};

constexpr Key probe_keys[] = {
    {.name = "enabled",
     .type = Type::boolean,
     .standard = "true",
     .help = "Look at processes, GPUs, disk and network with a small read-only script in a terminal (or a "
             "kernel) of Curfew's own: when warnings begin, at each of them, and before the stop."},
    {.name = "watched",
     .type = Type::guest_paths,
     .standard = "[]",
     .sample = R"(["outputs", "/storage/checkpoints"])",
     .help = "Folders and files whose change is work; relative to the notebook's root, or absolute. At most "
             "32; what is in them should be listed in seconds."},
    {.name = "heartbeat",
     .type = Type::guest_path,
     .unset = "none",
     .sample = R"("heartbeat.txt")",
     .help = "A file below the notebook's root that a job or a start script keeps fresh: while its last "
             "change is less than 10 minutes ago it is work. A duration as its text makes this longer, up "
             "to 1h."},
};

constexpr Key match_keys[] = {
    {.name = "names",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["train-*"])",
     .help = "Names of notebooks and machines."},
    {.name = "machine_types",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["A100*", "H100*"])",
     .help = "Machine types as the provider writes them."},
    {.name = "accounts",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["main"])",
     .help = "Names of accounts of this file."},
    {.name = "projects",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["*"])",
     .help = "Projects, as the provider names them."},
    {.name = "owners",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["*@example.com"])",
     .help = "Mail addresses of those who started it, where the provider tells."},
    {.name = "kinds",
     .type = Type::words,
     .standard = "[]",
     .words = "notebook|machine",
     .sample = R"(["notebook"])",
     .help = "Which kinds of thing."},
    {.name = "providers",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["paperspace"])",
     .help = "Providers of the accounts."},
    {.name = "tags",
     .type = Type::globs,
     .standard = "[]",
     .sample = R"(["team-a"])",
     .help = "Tags at the provider, where it has any; one that matches is enough."},
};

constexpr Key pack_keys[] = {
    {.name = "include",
     .type = Type::path_globs,
     .standard = R"(["**"])",
     .help = "Files to copy, as paths below the notebook's root."},
    {.name = "exclude",
     .type = Type::path_globs,
     .standard = "[]",
     .sample = R"(["**/.cache/**", "**/__pycache__/**"])",
     .help = "Files to leave out of these."},
    {.name = "settle",
     .type = Type::duration,
     .standard = R"("10s")",
     .low = "1s",
     .high = "10m",
     .help = "A file is read only when it has not changed for this long, by the notebook's own clock."},
    {.name = "max_bytes",
     .type = Type::integer,
     .standard = "214748364800",
     .low = "1",
     .high = "1125899906842624",
     .help = "A pack larger than this fails, and with it the stop."},
    {.name = "max_files",
     .type = Type::integer,
     .standard = "200000",
     .low = "1",
     .high = "10000000",
     .help = "A pack of more files than this fails, and with it the stop."},
    {.name = "html",
     .type = Type::boolean,
     .standard = "true",
     .help = "Keep an HTML copy beside each notebook file. One that fails never blocks a stop."},
    {.name = "partial_ok",
     .type = Type::boolean,
     .standard = "false",
     .help = "Stop although something that was listed could not be copied."},
    {.name = "override_when_failed",
     .type = Type::boolean,
     .standard = "false",
     .help = "Stop although packing failed for good. Work may be lost: this is the one way to ask for it."},
};

constexpr Section table[] = {
    {.path = ""},
    {.path = "daemon", .keys = daemon_keys, .help = "The daemon as a whole."},
    {.path = "keep",
     .keys = keep_keys,
     .help = "Bounds of `curfew keep`, which holds off a stop for a while."},
    {.path = "keep_link",
     .keys = keep_link_keys,
     .help =
         "A button in warnings that go to ntfy: pressed on a phone it keeps what the warning is about, once. "
         "This is the only thing of Curfew that listens beyond its Unix sockets."},
    {.path = "lease",
     .keys = lease_keys,
     .help = "Bounds of `curfew lease`, by which a job holds off a stop while it runs."},
    {.path = "account",
     .many = true,
     .count_max = 64,
     .keys = account_keys,
     .help = "One key of one team at one provider. At least one is needed."},
    {.path = "flat",
     .many = true,
     .count_max = 500,
     .keys = flat_keys,
     .help = "Core machines with a flat monthly price: they cost the same on or off."},
    {.path = "ssh",
     .many = true,
     .count_max = 500,
     .keys = ssh_keys,
     .help = "How to look into Core machines: a read-only script, run by the OpenSSH client."},
    {.path = "vault",
     .many = true,
     .count_max = 16,
     .keys = vault_keys,
     .help = "Where packed work is kept."},
    {.path = "channel",
     .many = true,
     .blocks = 4,
     .count_max = 32,
     .keys = channel_keys,
     .help = "Where warnings and alerts are sent: one block for each of them."},
    {.path = "alerts",
     .keys = alert_keys,
     .help = "How often people are told, and what is done when nobody takes it."},
    {.path = "escalation",
     .many = true,
     .count_max = 10,
     .keys = escalation_keys,
     .help = "Who else is told of a critical alert that nobody acknowledged (`curfew alerts ack`), in rising "
             "order of the time. Without a block: all channels after 15 minutes."},
    {.path = "route",
     .many = true,
     .count_max = 200,
     .keys = route_keys,
     .help = "Which messages go to which channels. The first route that matches is used, and those after it "
             "where it says go_on; what none matches goes to every channel. All lists that are given must "
             "match; in globs * stands for any text and ? for one character."},
    {.path = "owner",
     .many = true,
     .count_max = 1000,
     .keys = owner_keys,
     .help =
         "Where somebody is told of what is his: warnings of stops, stops, and what went wrong with them. "
         "The channels of the routes are told as well."},
    {.path = "heartbeat",
     .keys = heartbeat_keys,
     .help = "Who watches the watcher: a URL (as healthchecks has them) that hears of every good cycle, and "
             "at URL/fail of a bad one with the reason. It gives the alarm when it hears nothing."},
    {.path = "rule",
     .many = true,
     .count_max = 500,
     .keys = rule_keys,
     .help = "What is idle, what is off when and how old it may get, and what is done about it. The first "
             "rule that matches decides."},
    {.path = "rule.match",
     .keys = match_keys,
     .help = "What the rule is for. In globs * stands for any text and ? for one character; what is left "
             "out matches everything, and all lists that are given must match."},
    {.path = "rule.probe", .keys = probe_keys, .help = "How it is looked into."},
    {.path = "rule.pack", .keys = pack_keys, .help = "What is saved before the stop."},
    {.path = "budget",
     .many = true,
     .count_max = 500,
     .keys = budget_keys,
     .help = "An amount for a scope and a period. All budgets that match apply; the tightest decides."},
    {.path = "budget.match", .keys = match_keys, .help = "What the budget is for; as in [rule.match]."},
    {.path = "budget.thresholds",
     .many = true,
     .blocks = 2,
     .count_max = 20,
     .keys = threshold_keys,
     .help = "What happens on the way; each fires once a period. A budget with a stop is hard: no keep may "
             "break it."},
    {.path = "credit",
     .many = true,
     .count_max = 100,
     .keys = credit_keys,
     .help =
         "What a provider gave: a promotional amount with an end. Budgets count gross, without it; `curfew "
         "credit` shows what is left, and for how long that lasts. The one that ends first pays first."},
    {.path = "money", .keys = money_keys, .help = "When money burns unusually fast."},
};

struct TypeText {
    Type type;
    std::string_view wanted;
    std::string_view example;
};
constexpr TypeText type_texts[] = {
    {Type::boolean, "true or false", "true"},
    {Type::integer, "a whole number", "4"},
    {Type::duration, "a duration", R"("45m")"},
    {Type::money, "an amount in quotes", R"("25.00")"},
    {Type::word, "a word", {}},
    {Type::name, "a name", R"("main")"},
    {Type::names, "a list of names", R"(["mail"])"},
    {Type::text, "a text", R"("curfew")"},
    {Type::zone, "a time zone", R"("Europe/Rome")"},
    {Type::moment, "a date or a time in quotes", R"("2026-11-01")"},
    {Type::folder, "an absolute path", R"("/srv/curfew")"},
    {Type::socket, "an absolute path", R"("/run/curfew/api.sock")"},
    {Type::file, "a path", R"("/etc/curfew/ca.pem")"},
    {Type::secret, "a path or credential:NAME", R"("/etc/curfew/keys/main")"},
    {Type::login, "a user name", R"("paperspace")"},
    {Type::host_key, "a public key", R"("ssh-ed25519 AAAA…")"},
    {Type::host, "a host name", R"("smtp.example.com")"},
    {Type::endpoint, "a host and port", R"("127.0.0.1:8443")"},
    {Type::url, "a URL", R"("https://example.com/path")"},
    {Type::weekly, "a time of the week", R"("mon 09:00")"},
    {Type::network, "an address or a network", R"("10.0.0.0/8")"},
    {Type::media, "a media type", R"("application/json")"},
    {Type::guest_url, "a URL with {fqdn} in it", R"("https://{fqdn}")"},
    {Type::address, "a mail address", R"("ana@example.com")"},
    {Type::globs, "a list of globs", R"(["train-*"])"},
    {Type::path_globs, "a list of globs", R"(["**/*.ipynb"])"},
    {Type::guest_path, "a path", R"("heartbeat.txt")"},
    {Type::guest_paths, "a list of paths", R"(["outputs"])"},
    {Type::words, "a list of words", {}},
    {Type::durations, "a list of durations", R"(["30m", "10m"])"},
    {Type::addresses, "a list of mail addresses", R"(["ana@example.com"])"},
    {Type::networks, "a list of addresses and networks", R"(["10.1.2.3", "fd00::/8"])"},
    {Type::off_hours, "a list of off hours", R"(["mon-fri 20:00-08:00", "sat-sun"])"},
    {Type::dates, "a list of dates in quotes", R"(["2026-12-25"])"},
};

const TypeText& text_of(Type type) {
    return *std::ranges::find(type_texts, type, &TypeText::type);
}

}  // namespace

std::string_view wanted(Type type) {
    return text_of(type).wanted;
}

std::string_view example_of(Type type) {
    return text_of(type).example;
}

const Key* Section::find(std::string_view key) const {
    const auto found = std::ranges::find(keys, key, &Key::name);
    return found == keys.end() ? nullptr : &*found;
}

std::string_view Section::name() const {
    const std::size_t dot = path.rfind('.');
    return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string Section::bracketed() const {
    if (path.empty()) {
        return "the top of the file";
    }
    return (many ? "[[" : "[") + std::string(path) + (many ? "]]" : "]");
}

std::span<const Section> sections() {
    return table;
}

const Section* find_section(std::string_view path) {
    const auto found = std::ranges::find(table, path, &Section::path);
    return found == std::end(table) ? nullptr : &*found;
}

std::vector<const Section*> children_of(const Section& parent) {
    std::vector<const Section*> children;
    for (const Section& section : table) {
        const std::size_t dot = section.path.rfind('.');
        const std::string_view above = dot == std::string_view::npos ? "" : section.path.substr(0, dot);
        if (!section.path.empty() && above == parent.path) {
            children.push_back(&section);
        }
    }
    return children;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(separator), text.size());
        parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

std::string in_words(const std::vector<std::string_view>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        text += i == 0 ? "" : i + 1 == words.size() ? " or " : ", ";
        text += "\"" + std::string(words[i]) + "\"";
    }
    return text;
}

bool Key::fits(std::string_view kind) const {
    const auto kinds = split(only, '|');
    return kinds.empty() || std::ranges::find(kinds, kind) != kinds.end();
}

std::string_view sample_for(const Key& key, int block) {
    if (key.sample.empty()) {
        return key.standard;
    }
    const auto lines = split(key.sample, '\n');
    return lines[std::min(static_cast<std::size_t>(block), lines.size() - 1)];
}

}  // namespace curfew::config
