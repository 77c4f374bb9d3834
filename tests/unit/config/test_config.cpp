// The configuration: every fault with its place, all of them at once; the table of keys and what is
// generated from it.
#include "adapters/clock/real_scheduler.hpp"
#include "adapters/config/config.hpp"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

using namespace curfew;
using config::Defaults;
using config::Fault;

namespace {

const Defaults defaults{.state_dir = "/var/lib/curfew",
                        .api_socket = "/run/curfew/api.sock",
                        .admin_socket = "/run/curfew/admin.sock",
                        .config_dir = "/etc/curfew",
                        .price_file = "/usr/share/curfew/prices/paperspace.csv",
                        .host_name = "here.example"};

auto parsed(std::string_view text) {
    return config::parse(text, "c.toml", defaults, clock::load_zone);
}

std::vector<std::string> lines_of(const std::vector<Fault>& faults) {
    std::vector<std::string> lines;
    std::ranges::transform(faults, std::back_inserter(lines), [](const Fault& f) { return to_string(f); });
    return lines;
}

using Lines = std::vector<std::string>;

Lines faults_of(std::string_view text) {
    const auto result = parsed(text);
    return result ? Lines{} : lines_of(result.error());
}

/// Faults of a text that stands below one good account (three lines).
const std::string account = "[[account]]\nname = \"main\"\nkey_file = \"/k\"\n";
Lines faults_below(std::string_view text) {
    return faults_of(account + std::string(text));
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

std::string source_dir() {
    const char* dir = std::getenv("CURFEW_SOURCE");
    return dir != nullptr ? dir : ".";
}

/// Lines "#key = …" and "#[heading]" without their "#".
std::string uncommented(const std::string& text) {
    std::istringstream in(text);
    std::string out;
    for (std::string line; std::getline(in, line);) {
        const bool commented = line.size() > 1 && line[0] == '#' && line[1] != ' ' && line[1] != '#';
        out += (commented ? line.substr(1) : line) + "\n";
    }
    return out;
}

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/curfew-config-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
        std::filesystem::create_directory(path + "/conf.d");
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    void put(const std::string& name, const std::string& text) const {
        std::ofstream(path + "/" + name) << text;
    }
    auto load() const { return config::load(path + "/curfew.toml", defaults, clock::load_zone); }
    Lines faults() const {
        const auto result = load();
        Lines lines = result ? Lines{} : lines_of(result.error());
        for (std::string& line : lines) {
            for (std::size_t at = line.find(path); at != std::string::npos; at = line.find(path)) {
                line.replace(at, path.size() + 1, "");
            }
        }
        return lines;
    }
};

}  // namespace

TEST_CASE("the smallest configuration has the defaults of the values") {
    const auto loaded = parsed(account);
    REQUIRE(loaded);
    CHECK(loaded->warnings.empty());
    const Config& c = loaded->config;
    CHECK(c.mode == Mode::observe);
    CHECK(c.zone.name == "UTC");
    CHECK(c.state_dir == "/var/lib/curfew");
    CHECK(c.api_socket == "/run/curfew/api.sock");
    CHECK(c.admin_socket == "/run/curfew/admin.sock");
    CHECK(c.price_file == "/usr/share/curfew/prices/paperspace.csv");
    CHECK(c.price_overrides.empty());
    CHECK(c.public_name == "here.example");
    CHECK(c.protect.empty());
    CHECK(c.guest_connections_max == Config{}.guest_connections_max);
    CHECK(c.history == Config{}.history);
    CHECK(c.keep.max_at_once == KeepPolicy{}.max_at_once);
    CHECK(c.keep.max_per_period == KeepPolicy{}.max_per_period);
    REQUIRE(c.accounts.size() == 1);
    const AccountConfig& a = c.accounts.front();
    const AccountConfig plain;
    CHECK(a.name == AccountName{"main"});
    CHECK(a.key_file == "/k");
    CHECK(a.provider == plain.provider);
    CHECK(a.poll_interval == plain.poll_interval);
    CHECK(a.request_timeout == plain.request_timeout);
    CHECK(a.list_timeout == plain.list_timeout);
    CHECK(a.v1_url == plain.v1_url);
    CHECK(a.legacy_url == plain.legacy_url);
    CHECK(a.guest_url == plain.guest_url);
    CHECK(a.guest_connect == plain.guest_connect);
    CHECK(a.metrics_connect == plain.metrics_connect);
    CHECK(a.ca_file == plain.ca_file);
    CHECK(a.cpu_unit == plain.cpu_unit);
    CHECK(a.metrics == plain.metrics);
    CHECK(a.notebooks == plain.notebooks);
    CHECK(a.machines == plain.machines);
    CHECK(a.mode == plain.mode);
}

TEST_CASE("blocks without optional keys have the defaults of the values") {
    const auto loaded = parsed(account + R"(
[[vault]]
name = "v"
path = "/v"
[[channel]]
name = "m"
kind = "mail"
host = "smtp.example.com"
from = "a@example.com"
to = ["b@example.com"]
[[channel]]
name = "w"
kind = "webhook"
url = "https://example.com/?a=b"
[[rule]]
name = "r"
[[budget]]
name = "b"
amount = 10
)");
    REQUIRE(loaded);
    const Config& c = loaded->config;
    CHECK(c.vaults.at(0).required);
    CHECK(c.vaults.at(0).kind == "folder");
    CHECK(c.channels.at(0).port == ChannelConfig{}.port);
    CHECK(c.channels.at(0).security == ChannelConfig{}.security);
    CHECK(c.channels.at(1).timeout == ChannelConfig{}.timeout);
    CHECK(c.channels.at(1).allow_private == ChannelConfig{}.allow_private);
    CHECK(c.channels.at(1).url == "https://example.com/?a=b");
    const Rule& r = c.rules.at(0);
    const Rule plain;
    CHECK(r.idle_limit == plain.idle_limit);
    CHECK(r.ladder == plain.ladder);
    CHECK(r.min_notice == plain.min_notice);
    CHECK(r.start_grace == plain.start_grace);
    CHECK(r.mode == Mode::enforce);  // behind its trial
    CHECK(r.observe_first == hours{24 * 7});
    CHECK(c.lease.max_at_once == LeasePolicy{}.max_at_once);
    CHECK(r.accept_partial == plain.accept_partial);
    CHECK_FALSE(r.schedule);
    CHECK(r.respect_activity == plain.respect_activity);
    CHECK_FALSE(r.max_age);
    CHECK(r.match.names.empty());
    CHECK(r.match.kinds.empty());
    CHECK(r.pack.include == plain.pack.include);
    CHECK(r.pack.exclude == plain.pack.exclude);
    CHECK(r.pack.settle == plain.pack.settle);
    CHECK(r.pack.max_bytes == plain.pack.max_bytes);
    CHECK(r.pack.max_files == plain.pack.max_files);
    CHECK(r.pack.html == plain.pack.html);
    CHECK(r.pack.partial_ok == plain.pack.partial_ok);
    CHECK(r.pack.override_when_failed == plain.pack.override_when_failed);
    CHECK(c.budgets.at(0).amount == Money{10 * nanos_per_unit});
    CHECK(c.budgets.at(0).mode == Mode::observe);
    CHECK(c.budgets.at(0).zone.name == "UTC");
    CHECK(c.budgets.at(0).thresholds.empty());
}

TEST_CASE("every key reaches its place") {
    const auto loaded = parsed(R"(
[daemon]
mode = "enforce"
timezone = "Europe/Rome"
state_dir = "/s"
api_socket = "/a.sock"
admin_socket = "/b.sock"
price_file = "/p.csv"
price_overrides = "mine.csv"
public_name = "gpu-watch"
protect = ["prod-*"]
guest_connections_max = 7
history = "14d"
[keep]
max_at_once = "2h"
max_per_period = "1d"
[[account]]
name = "test"
provider = "paperspace"
key_file = "credential:ps"
poll_interval = "1s"
request_timeout = "2s"
list_timeout = "3s"
v1_url = "http://127.0.0.1:8080/v1/"
legacy_url = "http://localhost:8081"
guest_url = "http://{fqdn}"
guest_connect = "127.0.0.1:8082"
metrics_connect = "[::1]:8083"
ca_file = "/ca.pem"
cpu_unit = "percent"
metrics = false
notebooks = false
machines = false
mode = "warn"
[[vault]]
name = "v"
kind = "folder"
path = "/v"
required = true
[[channel]]
name = "m"
kind = "mail"
host = "127.0.0.1"
port = 2525
security = "none"
user = "u"
password_file = "/pw"
from = "a@example.com"
to = ["b@example.com", "c@example.com"]
ca_file = "/mail.pem"
[[channel]]
name = "w"
kind = "webhook"
url = "http://10.0.0.1:9/x"
secret_file = "keys/hook"
allow_private = true
timeout = "5s"
ca_file = "/hook.pem"
[[rule]]
name = "r"
idle_limit = "5s"
ladder = ["3s", "1s"]
min_notice = "0s"
start_grace = "1s"
mode = "enforce"
accept_partial = true
off_hours = ["mon-fri 20:00-08:00", "sat-sun"]
holidays = ["2026-12-25"]
timezone = "Asia/Tokyo"
respect_activity = false
max_age = "36h"
match.names = ["n*"]
match.machine_types = ["A?"]
match.accounts = ["te*"]
match.projects = ["p"]
match.owners = ["o"]
match.kinds = ["machine", "notebook"]
[rule.pack]
include = ["**/*.ipynb"]
exclude = ["x/**"]
settle = "2s"
max_bytes = 1000
max_files = 10
html = false
partial_ok = true
override_when_failed = true
[[budget]]
name = "b"
amount = "12.50"
timezone = "America/New_York"
mode = "warn"
thresholds = [ { percent = 50 }, { percent = 80, action = "warn" }, { percent = 100, action = "stop" } ]
match = { accounts = ["test"], kinds = ["machine"] }
)");
    REQUIRE(loaded);
    const Config& c = loaded->config;
    CHECK(c.mode == Mode::enforce);
    CHECK(c.zone.name == "Europe/Rome");
    CHECK(c.zone.transitions.size() > 10);
    CHECK(c.state_dir == "/s");
    CHECK(c.api_socket == "/a.sock");
    CHECK(c.admin_socket == "/b.sock");
    CHECK(c.price_file == "/p.csv");
    CHECK(c.price_overrides == "/etc/curfew/mine.csv");
    CHECK(c.public_name == "gpu-watch");
    CHECK(c.protect == std::vector<std::string>{"prod-*"});
    CHECK(c.guest_connections_max == 7);
    CHECK(c.history == hours{14 * 24});
    CHECK(c.keep.max_at_once == hours{2});
    CHECK(c.keep.max_per_period == hours{24});
    const AccountConfig& a = c.accounts.at(0);
    CHECK(a.name.value == "test");
    CHECK(a.key_file == "credential:ps");
    CHECK(a.poll_interval == seconds{1});
    CHECK(a.request_timeout == seconds{2});
    CHECK(a.list_timeout == seconds{3});
    CHECK(a.v1_url == "http://127.0.0.1:8080/v1");
    CHECK(a.legacy_url == "http://localhost:8081");
    CHECK(a.guest_url == "http://{fqdn}");
    CHECK(a.guest_connect == "127.0.0.1:8082");
    CHECK(a.metrics_connect == "[::1]:8083");
    CHECK(a.ca_file == "/ca.pem");
    CHECK(a.cpu_unit == "percent");
    CHECK_FALSE(a.metrics);
    CHECK_FALSE(a.notebooks);
    CHECK_FALSE(a.machines);
    CHECK(a.mode == "warn");
    CHECK(c.vaults.at(0).name.value == "v");
    CHECK(c.vaults.at(0).path == "/v");
    const ChannelConfig& m = c.channels.at(0);
    CHECK(m.name.value == "m");
    CHECK(m.kind == "mail");
    CHECK(m.host == "127.0.0.1");
    CHECK(m.port == 2525);
    CHECK(m.security == "none");
    CHECK(m.user == "u");
    CHECK(m.password_file == "/pw");
    CHECK(m.from == "a@example.com");
    CHECK(m.to == std::vector<std::string>{"b@example.com", "c@example.com"});
    CHECK(m.ca_file == "/mail.pem");
    const ChannelConfig& w = c.channels.at(1);
    CHECK(w.url == "http://10.0.0.1:9/x");
    CHECK(w.secret_file == "/etc/curfew/keys/hook");
    CHECK(w.allow_private);
    CHECK(w.timeout == seconds{5});
    CHECK(w.ca_file == "/hook.pem");
    const Rule& r = c.rules.at(0);
    CHECK(r.name.value == "r");
    CHECK(r.idle_limit == seconds{5});
    CHECK(r.ladder == std::vector<Duration>{seconds{3}, seconds{1}});
    CHECK(r.min_notice == seconds{0});
    CHECK(r.start_grace == seconds{1});
    CHECK(r.mode == Mode::enforce);
    CHECK(r.accept_partial);
    REQUIRE(r.schedule);
    CHECK(r.schedule->zone().name == "Asia/Tokyo");
    CHECK(r.schedule->weekly() ==
          std::vector{parse_off_hours("mon-fri 20:00-08:00").value(), parse_off_hours("sat-sun").value()});
    CHECK(r.schedule->holidays() == std::vector{Date{2026, 12, 25}});
    CHECK_FALSE(r.respect_activity);
    CHECK(r.max_age == Duration{hours{36}});
    CHECK(r.match.names == std::vector<std::string>{"n*"});
    CHECK(r.match.machine_types == std::vector<std::string>{"A?"});
    CHECK(r.match.accounts == std::vector<std::string>{"te*"});
    CHECK(r.match.projects == std::vector<std::string>{"p"});
    CHECK(r.match.owners == std::vector<std::string>{"o"});
    CHECK(r.match.kinds == std::vector<ResourceKind>{ResourceKind::machine, ResourceKind::notebook});
    CHECK(r.pack.include == std::vector<std::string>{"**/*.ipynb"});
    CHECK(r.pack.exclude == std::vector<std::string>{"x/**"});
    CHECK(r.pack.settle == seconds{2});
    CHECK(r.pack.max_bytes == 1000);
    CHECK(r.pack.max_files == 10);
    CHECK_FALSE(r.pack.html);
    CHECK(r.pack.partial_ok);
    CHECK(r.pack.override_when_failed);
    const Budget& b = c.budgets.at(0);
    CHECK(b.amount == *parse_money("12.50"));
    CHECK(b.zone.name == "America/New_York");
    CHECK(b.mode == Mode::warn);
    CHECK(b.scope.accounts == std::vector<std::string>{"test"});
    CHECK(b.scope.kinds == std::vector<ResourceKind>{ResourceKind::machine});
    REQUIRE(b.thresholds.size() == 3);
    CHECK(b.thresholds[0].percent == 50);
    CHECK(b.thresholds[0].action == ThresholdAction::notify);
    CHECK(b.thresholds[1].action == ThresholdAction::warn);
    CHECK(b.thresholds[2].action == ThresholdAction::stop);
}

TEST_CASE("faults print with their place and a suggestion") {
    CHECK(to_string(Fault{"c.toml", 3, 5, "bad", "good"}) == "c.toml:3:5: bad (did you mean `good`?)");
    CHECK(to_string(Fault{"c.toml", 3, 5, "bad", ""}) == "c.toml:3:5: bad");
    CHECK(to_string(Fault{"c.toml", 0, 0, "cannot be read", ""}) == "c.toml: cannot be read");
}

TEST_CASE("all faults come at once, in order, each with its place") {
    CHECK(faults_of(R"([daemon]
mode = "enfroce"
tiemzone = "UTC"
guest_connections_max = 65

[[account]]
  name = "a b"
  key_file = 7
  poll_interval = "20s"

[[budget]]
name = "b"
amount = 25.00
)") == Lines{
           "c.toml:2:8: `mode` must be one of observe, warn, enforce, not \"enfroce\" "
           "(did you mean `enforce`?)",
           "c.toml:3:1: unknown key `tiemzone` in [daemon] (did you mean `timezone`?)",
           "c.toml:4:25: `guest_connections_max` must be from 1 to 64, not 65",
           "c.toml:7:10: `name` must be 1 to 64 letters, digits, dots, dashes or underscores, not \"a b\"",
           "c.toml:8:14: `key_file` wants a path or credential:NAME, for example \"/etc/curfew/keys/main\"; "
           "this is a whole number",
           "c.toml:9:19: `poll_interval` must be at least 30s, unless `v1_url` is on this host",
           "c.toml:13:10: `amount` must be in quotes, so that it stays exact: \"25.00\"",
       });
}

TEST_CASE("text that is not TOML") {
    const auto faults = parsed("[daemon]\nmode = \n").error();
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].line == 2);
    CHECK(faults[0].column == 8);
    CHECK(faults[0].text.starts_with("this is not TOML: "));
    CHECK(parsed("a = \"\xff\"").error().at(0).line == 1);
    CHECK(to_string(parsed("# é\n\"é\" = 'é' # é\n é = 1").error().at(0))
              .starts_with("c.toml:3:2: this is not TOML: "));
    // Characters that the library takes for impossible.
    CHECK(parsed("é = 1").error().at(0).line == 1);
    CHECK(parsed("a = -@é").error().at(0).line == 1);
    CHECK(faults_of("\na = \"\"\"x") == Lines{"c.toml:2:5: strings of several lines are not used here"});
    CHECK(faults_of("a = '''x'''") == Lines{"c.toml:1:5: strings of several lines are not used here"});
    CHECK(faults_of("a = \"x") == Lines{"c.toml:1:5: this string does not end"});
    CHECK(faults_of("a = \"x\\\"") == Lines{"c.toml:1:5: this string does not end"});
    CHECK(parsed("\xef\xbb\xbf" + account).has_value());
    CHECK(parsed("mode = 1\nmode = 2\n").error().at(0).line == 2);
    CHECK(faults_of(std::string((1U << 20) + 1, '\n')) == Lines{"c.toml: is larger than 1 MiB"});
}

TEST_CASE("nesting without end is refused before it is built") {
    std::string deep = "a";
    for (int i = 0; i < 200'000; ++i) {
        deep += ".a";
    }
    CHECK(faults_of("\n" + deep + " = 1") == Lines{"c.toml:2:34: too many dots outside quotes in one line"});
    CHECK(faults_of("[" + deep + "]").size() == 1);
    CHECK_FALSE(parsed("a = " + std::string(100'000, '[')));
    std::string tables = "a = ";
    for (int i = 0; i < 50'000; ++i) {
        tables += "{a=";
    }
    CHECK_FALSE(parsed(tables));
    // Assertions of the library that a file can make false.
    for (const std::string text : {"[=", "[[=]]", "[ #", "[\n]", "[.a]", "[a.=]"}) {
        const auto faults = parsed(text).error();
        CHECK(faults.at(0).line > 0);
        CHECK(faults.at(0).text.starts_with("this is not TOML: "));
    }
    CHECK(faults_below(
              "[daemon]\nprotect = [\"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t\"] # 1.2.3.4.5.6.7.8.9.1.2.3."
              "4.5.6.7.8.9")
              .empty());
}

TEST_CASE("unknown tables and keys") {
    CHECK(faults_below("[deamon]\n") == Lines{"c.toml:4:2: unknown table `deamon` (did you mean `daemon`?)"});
    CHECK(faults_below("[[rules]]\n") == Lines{"c.toml:4:3: unknown table `rules` (did you mean `rule`?)"});
    CHECK(faults_of("ladder = 1\n" + account) ==
          Lines{"c.toml:1:1: unknown key `ladder`; it belongs in [[rule]]"});
    CHECK(faults_below("idle_limit = \"1h\"") ==
          Lines{"c.toml:4:1: unknown key `idle_limit` in [[account]]; it belongs in [[rule]]"});
    CHECK(faults_below("zebra_crossing = 1") ==
          Lines{"c.toml:4:1: unknown key `zebra_crossing` in [[account]]"});
    CHECK(faults_below("Poll_Intreval = 1") ==
          Lines{"c.toml:4:1: unknown key `Poll_Intreval` in [[account]] (did you mean `poll_interval`?)"});
    CHECK(faults_below("[[rule]]\nname = \"r\"\nmatch = { nmaes = [] }\n[rule.packs]\n") ==
          Lines{"c.toml:6:11: unknown key `nmaes` in [rule.match] (did you mean `names`?)",
                "c.toml:7:7: unknown key `packs` in [[rule]] (did you mean `pack`?)"});
    // A name of the file never reaches a terminal as a command to it.
    CHECK(faults_below("\"\\u001b[31m\" = 1") == Lines{"c.toml:4:1: unknown key `?[31m` in [[account]]"});
}

TEST_CASE("tables in the wrong shape") {
    CHECK(faults_of("[account]\nname = \"a\"\nkey_file = \"/k\"\ncolour = 1\n") ==
          Lines{"c.toml:1:2: there may be several of these, so write [[account]]",
                "c.toml:4:1: unknown key `colour` in [[account]]"});
    CHECK(faults_below("[[daemon]]\nmode = \"warn\"\n") ==
          Lines{"c.toml:4:3: there is only one of these, so write [daemon]"});
    CHECK(faults_of("daemon = 5\nrule = [1]\n" + account) ==
          Lines{"c.toml:1:10: [daemon] is a table; this is a whole number",
                "c.toml:2:9: [[rule]] holds tables; this is a whole number"});
    CHECK(faults_of("rule = \"x\"\n" + account) ==
          Lines{"c.toml:1:1: there may be several of these, so write [[rule]]"});
}

TEST_CASE("wrong types name what is wanted, with an example") {
    CHECK(
        faults_below("poll_interval = 60") ==
        Lines{
            "c.toml:4:17: `poll_interval` wants a duration, for example \"45m\"; a number without a unit is "
            "not one"});
    CHECK(faults_below("poll_interval = true") ==
          Lines{"c.toml:4:17: `poll_interval` wants a duration, for example \"45m\"; this is true or false"});
    CHECK(faults_below("metrics = \"yes\"") ==
          Lines{"c.toml:4:11: `metrics` wants true or false, for example true; this is a string"});
    CHECK(faults_below("cpu_unit = 1979-05-27") ==
          Lines{"c.toml:4:12: `cpu_unit` wants a word, for example \"core\"; this is a date or time"});
    CHECK(faults_below("[daemon]\nprotect = \"prod\"\nguest_connections_max = 1.5\n") ==
          Lines{"c.toml:5:11: `protect` wants a list of globs, for example [\"train-*\"]; this is a string",
                "c.toml:6:25: `guest_connections_max` wants a whole number, for example 4; this is a decimal "
                "number"});
    CHECK(
        faults_below("[daemon]\nprotect = [\"ok\", 1, {}, []]\n") ==
        Lines{
            "c.toml:5:18: `protect` wants a list of globs, for example [\"train-*\"]; this is a whole number",
            "c.toml:5:21: `protect` wants a list of globs, for example [\"train-*\"]; this is a table",
            "c.toml:5:25: `protect` wants a list of globs, for example [\"train-*\"]; this is an array"});
}

TEST_CASE("bounds and notations") {
    CHECK(faults_below("poll_interval = \"2h\"") ==
          Lines{"c.toml:4:17: `poll_interval` must be from 1s to 1h, not 2h"});
    CHECK(faults_below("poll_interval = \"60\"")
              .at(0)
              .starts_with("c.toml:4:17: `poll_interval`: not a duration"));
    CHECK(
        faults_below("cpu_unit = \"cores\"") ==
        Lines{"c.toml:4:12: `cpu_unit` must be one of core, percent, not \"cores\" (did you mean `core`?)"});
    CHECK(faults_below("provider = \"aws\"") ==
          Lines{"c.toml:4:12: `provider` must be paperspace, not \"aws\""});
    CHECK(faults_below("ca_file = \"\"") == Lines{"c.toml:4:11: `ca_file` must not be empty"});
    CHECK(faults_below("ca_file = \"a\\nb\"") ==
          Lines{"c.toml:4:11: `ca_file` must be one line without control characters"});
    CHECK(faults_below("ca_file = \"/" + std::string(5000, 'x') + "\"") ==
          Lines{"c.toml:4:11: `ca_file` is longer than 4096 bytes"});
    CHECK(faults_below("guest_connect = \"localhost\"") ==
          Lines{"c.toml:4:17: `guest_connect` must be a host and a port, for example \"127.0.0.1:8443\", not "
                "\"localhost\""});
    CHECK(faults_below("[daemon]\nprotect = [\"\"]") == Lines{"c.toml:5:12: `protect` must not be empty"});
    CHECK(
        faults_below("[daemon]\ntimezone = \"Europe/Roma\"").at(0).starts_with("c.toml:5:12: `timezone`: "));
    CHECK(faults_below("[daemon]\npublic_name = \"a b\"") ==
          Lines{"c.toml:5:15: `public_name` must be a host name or address, not \"a b\""});
    CHECK(faults_below("[daemon]\napi_socket = \"/" + std::string(107, 'x') + "\"") ==
          Lines{"c.toml:5:14: `api_socket` is longer than the 107 bytes of a Unix socket's path"});
    CHECK(faults_below("[daemon]\napi_socket = \"/a\"\nadmin_socket = \"/a\"")
              .at(0)
              .starts_with("c.toml:6:16: "));
    CHECK(faults_below("[keep]\nmax_at_once = \"13h\"\n") ==
          Lines{"c.toml:5:15: `max_at_once` must be from 1m to 12h, not 13h"});
    CHECK(faults_below(
              "[[rule]]\nname = \"r\"\nidle_limit = \"4s\"\n[rule.match]\nkinds = [\"notebooks\"]\n") ==
          Lines{"c.toml:6:14: `idle_limit` must be from 5s to 7d, not 4s",
                "c.toml:8:10: `kinds` must be one of notebook, machine, not \"notebooks\" (did you mean "
                "`notebook`?)"});
    CHECK(
        faults_below("[[rule]]\nname = \"r\"\n[rule.pack]\ninclude = [\"/notebooks/**\"]\n") ==
        Lines{"c.toml:7:12: `include` matches paths below the notebook's root, which do not begin with `/`: "
              "\"/notebooks/**\""});
}

TEST_CASE("the ladder goes down and is not empty") {
    const std::string rule = "[[rule]]\nname = \"r\"\nladder = ";
    CHECK(faults_below(rule + "[]") == Lines{"c.toml:6:10: `ladder` must not be empty"});
    CHECK(faults_below(rule + "[\"10m\", \"30m\"]") ==
          Lines{"c.toml:6:18: `ladder` must go down, and 10m does not come before 30m"});
    CHECK(faults_below(rule + "[\"10m\", \"10m\"]").size() == 1);
    CHECK(faults_below(rule + "[\"10m\", \"x\", 5]").size() == 2);
    CHECK(faults_below(rule + "[\"500ms\"]") ==
          Lines{"c.toml:6:11: `ladder` must be from 1s to 24h, not 500ms"});
}

TEST_CASE("money is exact or refused") {
    const auto amount = [](const std::string& text) {
        return faults_below("[[budget]]\nname = \"b\"\namount = " + text + "\n");
    };
    CHECK(amount("\"25.00\"").empty());
    CHECK(amount("25").empty());
    CHECK(amount("25.00") ==
          Lines{"c.toml:6:10: `amount` must be in quotes, so that it stays exact: \"25.00\""});
    CHECK(amount("0") == Lines{"c.toml:6:10: `amount` must be more than 0"});
    CHECK(amount("\"-1\"") == Lines{"c.toml:6:10: `amount` must be more than 0"});
    CHECK(amount("\"$25\"") ==
          Lines{"c.toml:6:10: `amount`: not an amount: \"$25\"; write it like \"25.00\""});
    CHECK(amount("9223372036854775807").size() == 1);
    CHECK(amount("inf").size() == 1);
}

TEST_CASE("what is missing") {
    CHECK(faults_of("") == Lines{"c.toml:1:1: there is no [[account]], so there is nothing to watch"});
    CHECK(faults_of("\n[[account]]\n").size() == 2);
    CHECK(
        faults_of("\n[[account]]\n").at(0).starts_with("c.toml:2:1: `key_file` is missing in [[account]]: "));
    CHECK(faults_of("\n[[account]]\n").at(1).starts_with("c.toml:2:1: `name` is missing in [[account]]: "));
    const auto vault = faults_below("[[vault]]\n");
    REQUIRE(vault.size() == 2);
    CHECK(vault[0].starts_with("c.toml:4:1: `name` is missing in [[vault]]: "));
    CHECK(vault[1].starts_with("c.toml:4:1: `path` is missing in [[vault]]: "));
    const auto budget = faults_below("[[budget]]\nthresholds = [{}]\n");
    REQUIRE(budget.size() == 3);
    CHECK(budget[2].starts_with("c.toml:5:15: a threshold needs one of `percent`, `amount` and `runway`"));
}

TEST_CASE("names are given once") {
    CHECK(faults_of(account + account) ==
          Lines{"c.toml:5:8: there is another [[account]] named `main` at c.toml:2:8"});
    CHECK(faults_below(
              "[[rule]]\nname = \"r\"\n[[rule]]\nname = \"r\"\n[[budget]]\nname = \"r\"\namount = 1\n") ==
          Lines{"c.toml:7:8: there is another [[rule]] named `r` at c.toml:5:8"});
    CHECK(faults_below("[[vault]]\nname = \"" + std::string(65, 'x') + "\"\npath = \"/v\"\n").size() == 1);
}

TEST_CASE("paths are whole") {
    CHECK(faults_below("[[vault]]\nname = \"v\"\npath = \"~/vault\"\n") ==
          Lines{"c.toml:6:8: `path`: `~` is not expanded here, write the whole path, for example "
                "/home/ana/curfew"});
    CHECK(faults_below("[[vault]]\nname = \"v\"\npath = \"$HOME/vault\"\n") ==
          Lines{"c.toml:6:8: `path`: `$` is not expanded here, write the whole path, for example "
                "/home/ana/curfew"});
    CHECK(faults_below("[[vault]]\nname = \"v\"\npath = \"vault\"\n") ==
          Lines{"c.toml:6:8: `path` must be an absolute path, for example \"/srv/curfew\", not \"vault\""});
    CHECK(faults_below("ca_file = \"~/ca.pem\"").size() == 1);
    const std::string relative = "[[account]]\nname = \"a\"\nkey_file = \"keys/a\"\n";
    CHECK(parsed(relative)->config.accounts[0].key_file == "/etc/curfew/keys/a");
    CHECK_FALSE(config::parse(relative, "c.toml", Defaults{}, clock::load_zone));
    CHECK(faults_of("[[account]]\nname = \"a\"\nkey_file = \"credential:../a\"\n") ==
          Lines{"c.toml:3:12: `key_file` names no credential: write credential:NAME"});
}

TEST_CASE("secrets come from files only, and are not repeated") {
    for (const std::string key : {"api_key", "password", "secret", "token", "API_KEY"}) {
        CHECK(faults_below(key + " = \"s3cr3t\"") ==
              Lines{"c.toml:4:1: `" + key +
                    "`: secrets come from files only: use key_file or balance_key_file"});
    }
    const std::string mail =
        "[[channel]]\nname = \"m\"\nkind = \"mail\"\nhost = \"h.example\"\nfrom = \"a@b.example\"\n"
        "to = [\"c@d.example\"]\n";
    CHECK(faults_below(mail + "password = \"x\"") ==
          Lines{"c.toml:10:1: `password`: secrets come from files only: use password_file"});
    CHECK(faults_below("[[channel]]\nname = \"w\"\nkind = \"webhook\"\nurl = \"https://u:p4ss@example.com\"\n"
                       "secret = \"x\"") ==
          Lines{"c.toml:7:7: `url` is not a URL that can be used: it must not hold a user name or password",
                "c.toml:8:1: `secret`: secrets come from files only: use secret_file"});
}

TEST_CASE("keys do not leave this host in the clear") {
    CHECK(faults_below("v1_url = \"http://api.example.com\"") ==
          Lines{"c.toml:4:10: `v1_url` must be https: the API key would cross the network in the clear"});
    CHECK(faults_below("legacy_url = \"http://127.0.0.1.example.com\"").size() == 1);
    CHECK(faults_below("guest_url = \"http://{fqdn}\"") ==
          Lines{"c.toml:4:13: `guest_url` must be https: the notebook's token would cross the network in the "
                "clear"});
    CHECK(faults_below("guest_url = \"http://{fqdn}\"\nguest_connect = \"[::1]:80\"").empty());
    CHECK(faults_below("guest_url = \"https://example.com\"") ==
          Lines{"c.toml:4:13: `guest_url` must hold {fqdn}, which stands for the notebook's address"});
    CHECK(faults_below("v1_url = \"ftp://example.com\"") ==
          Lines{"c.toml:4:10: `v1_url` is not a URL that can be used: it must begin with https://"});
    CHECK(faults_below("v1_url = \"https://example.com/?a=b\"") ==
          Lines{"c.toml:4:10: `v1_url` must not have a ?query"});
    for (const std::string url :
         {"https://", "https://a b", "https://2130706433", "https://0x7f.1", "https://a:0", "https://a:65536",
          "https://[::1", "https://[x]", "https://a..b", "https://-a", "https://a#b", "https://a\\\\b",
          "https:/a", "https://é.example"}) {
        CHECK(faults_below("v1_url = \"" + url + "\"").size() == 1);
    }
    CHECK(faults_below("poll_interval = \"29s\"\nv1_url = \"http://[::1]:80/v1\"").empty());
}

TEST_CASE("channels have the keys of their kind") {
    CHECK(
        faults_below(
            "[[channel]]\nname = \"m\"\nkind = \"mail\"\nhost = \"h.example\"\nfrom = \"a@b.example\"\n"
            "to = [\"c@d.example\"]\nurl = \"https://x.example\"\ntimeout = 5\n") ==
        Lines{"c.toml:10:7: `url` belongs to kind \"webhook\", \"ntfy\" or \"pagerduty\", and this is a mail",
              "c.toml:11:11: `timeout` belongs to kind \"webhook\", \"slack\", \"discord\", \"teams\", "
              "\"ntfy\" or \"pagerduty\", and this is a mail",
              "c.toml:11:11: `timeout` wants a duration, for example \"45m\"; a number without a unit is "
              "not one"});
    CHECK(faults_below("[[channel]]\nname = \"w\"\nkind = \"webhook\"\nhost = \"h.example\"\n").size() == 2);
    CHECK(
        faults_below("[[channel]]\nname = \"w\"\nkind = \"slak\"\n") ==
        Lines{"c.toml:6:8: `kind` must be one of mail, webhook, slack, discord, teams, ntfy, pagerduty, not "
              "\"slak\" (did you mean `slack`?)"});
    CHECK(faults_below("[[channel]]\nname = \"w\"\n").size() == 1);
}

TEST_CASE("mail") {
    const auto mail = [](const std::string& more) {
        return faults_below("[[channel]]\nname = \"m\"\nkind = \"mail\"\n" + more);
    };
    const std::string ends = "from = \"a@b.example\"\nto = [\"c@d.example\"]\n";
    CHECK(mail("host = \"h.example\"\n" + ends).empty());
    CHECK(mail("host = \"h.example\"\nsecurity = \"none\"\n" + ends) ==
          Lines{"c.toml:8:12: `security` \"none\" is for a mail server on this host only; use \"tls\" or "
                "\"starttls\""});
    CHECK(mail("host = \"localhost\"\nsecurity = \"none\"\n" + ends).empty());
    CHECK(mail("host = \"h.example\"\nuser = \"u\"\n" + ends) ==
          Lines{"c.toml:8:8: `user` needs `password_file` as well"});
    CHECK(mail("host = \"h.example\"\npassword_file = \"/p\"\n" + ends) ==
          Lines{"c.toml:8:17: `password_file` needs `user` as well"});
    CHECK(mail("host = \"h.example\"\nfrom = \"Ana <a@b.example>\"\nto = []\n") ==
          Lines{"c.toml:8:8: `from` must be a bare mail address such as ana@example.com, not \"Ana "
                "<a@b.example>\"",
                "c.toml:9:6: `to` must not be empty"});
    for (const std::string bad : {"a", "@b", "a@", "a@b@c", "a b@c", "a@b c", "a,b@c.example"}) {
        CHECK(mail("host = \"h.example\"\nfrom = \"" + bad + "\"\nto = [\"c@d.example\"]\n").size() == 1);
    }
    const std::string starttls = "[[channel]]\nname = \"m\"\nkind = \"mail\"\nhost = \"h.example\"\n" + ends;
    CHECK(parsed(account + starttls + "security = \"starttls\"\n")->config.channels[0].port == 587);
    CHECK(parsed(account + starttls + "security = \"starttls\"\nport = 465\n")->config.channels[0].port ==
          465);
}

TEST_CASE("webhooks go to the public Internet over https unless told otherwise") {
    const auto hook = [](const std::string& url, bool allow) {
        return faults_below("[[channel]]\nname = \"w\"\nkind = \"webhook\"\nurl = \"" + url + "\"\n" +
                            (allow ? "allow_private = true\n" : ""));
    };
    CHECK(hook("https://example.com", false).empty());
    CHECK(hook("http://example.com", false) == Lines{"c.toml:7:7: `url` must be https"});
    CHECK(hook("http://example.com", true) == Lines{"c.toml:7:7: `url` must be https"});
    for (const std::string host :
         {"127.0.0.1", "localhost", "x.localhost", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.169.254",
          "100.64.0.1", "[::1]", "[fd00::1]", "[fe80::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "[::]"}) {
        CHECK(hook("https://" + host, false) == Lines{"c.toml:7:7: `url` is a loopback or private address; "
                                                      "say allow_private = true if that is meant"});
        const bool reachable = !host.starts_with("169.254") && !host.starts_with("100.64") &&
                               host != "0.0.0.0" && host != "[::]" && host != "[fe80::1]";
        CHECK(hook("http://" + host + ":8080/x", true).empty() == reachable);
    }
    CHECK(hook("https://172.32.0.1", false).empty());
}

TEST_CASE("a rule that stops needs a vault or the word of its owner") {
    const std::string rule = "[[rule]]\nname = \"r\"\nmode = \"enforce\"\n";
    CHECK(faults_below(rule) ==
          Lines{"c.toml:6:8: a rule in mode enforce needs a [[vault]] that its work is saved in first"});
    CHECK(faults_below(rule + "pack = { override_when_failed = true }\n").empty());
    CHECK(faults_below(rule + "[[vault]]\nname = \"v\"\npath = \"/v\"\n").empty());
    CHECK(faults_below(rule + "[[vault]]\nname = \"v\"\npath = \"/v\"\nrequired = false\n") ==
          Lines{"c.toml:6:8: a rule in mode enforce needs a [[vault]] with required = true"});
}

TEST_CASE("nobody to tell is a warning") {
    const std::string text = account + "[[rule]]\nname = \"r\"\nmode = \"warn\"\n";
    const auto loaded = parsed(text);
    REQUIRE(loaded);
    REQUIRE(loaded->warnings.size() == 1);
    CHECK(loaded->warnings[0].text.starts_with("there is no [[channel]]"));
    CHECK(parsed("[daemon]\nmode = \"warn\"\n" + account)->warnings.at(0).line == 2);
    CHECK(parsed(account)->warnings.empty());
}

TEST_CASE("conf.d is merged in the order of names") {
    const Folder folder;
    folder.put("curfew.toml", "[daemon]\nmode = \"warn\"\n" + account);
    folder.put("conf.d/20.toml", "[[rule]]\nname = \"second\"\n[daemon]\nprotect = [\"x\"]\n");
    folder.put("conf.d/10.toml", "[[rule]]\nname = \"first\"\n[keep]\nmax_at_once = \"1h\"\n");
    folder.put("conf.d/30.toml~", "nonsense");
    folder.put("conf.d/.hidden.toml", "nonsense");
    const auto loaded = folder.load();
    REQUIRE(loaded);
    CHECK(loaded->config.mode == Mode::warn);
    CHECK(loaded->config.protect == std::vector<std::string>{"x"});
    CHECK(loaded->config.keep.max_at_once == hours{1});
    REQUIRE(loaded->config.rules.size() == 2);
    CHECK(loaded->config.rules[0].name.value == "first");
    CHECK(loaded->config.rules[1].name.value == "second");
}

TEST_CASE("a value that two files give names both places") {
    const Folder folder;
    folder.put("curfew.toml", "[daemon]\nmode = \"warn\"\nprotect = [\"a\"]\n" + account);
    folder.put("conf.d/10.toml", "daemon.mode = \"warn\"\n[keep]\nmax_at_once = 5\n");
    folder.put("conf.d/20.toml", "[daemon]\nprotect = [\"b\"]\n[keep]\nmax_at_once = \"1h\"\n" + account);
    CHECK(folder.faults() ==
          Lines{"conf.d/10.toml:1:8: `mode` is set twice, here and at curfew.toml:2:8",
                "conf.d/10.toml:3:15: `max_at_once` wants a duration, for example \"45m\"; a number without "
                "a unit is "
                "not one",
                "conf.d/20.toml:2:1: `protect` is set twice, here and at curfew.toml:3:11",
                "conf.d/20.toml:4:1: `max_at_once` is set twice, here and at conf.d/10.toml:3:15",
                "conf.d/20.toml:6:8: there is another [[account]] named `main` at curfew.toml:5:8"});
}

TEST_CASE("files that cannot be read") {
    const Folder folder;
    CHECK(folder.faults() == Lines{"curfew.toml: cannot be read: No such file or directory"});
    folder.put("curfew.toml", "[daemon]\nmode = \"no\"\n");
    folder.put("conf.d/10.toml", "=");
    std::filesystem::create_directory(folder.path + "/conf.d/20.toml");
    REQUIRE(::mkfifo((folder.path + "/conf.d/30.toml").c_str(), 0600) == 0);
    folder.put("conf.d/40.toml", std::string((1U << 20) + 1, '#'));
    const Lines faults = folder.faults();
    REQUIRE(faults.size() == 5);
    // What is missing may stand in the files that could not be read, so it is not complained of.
    CHECK(faults[0].starts_with("curfew.toml:2:8: "));
    CHECK(faults[1].starts_with("conf.d/10.toml:1:1: this is not TOML"));
    CHECK(faults[2] == "conf.d/20.toml: is not a regular file");
    CHECK(faults[3] == "conf.d/30.toml: is not a regular file");
    CHECK(faults[4] == "conf.d/40.toml: is larger than 1 MiB");
}

TEST_CASE("a file with a thousand faults stays readable") {
    std::string text;
    for (int i = 0; i < 3000; ++i) {
        text += "zz" + std::to_string(i) + " = 1\n";
    }
    const auto faults = parsed(text).error();
    CHECK(faults.size() == 1001);
    CHECK(faults.back().text == "2001 more faults are not shown");
}

TEST_CASE("the commented file lacks nothing but an account") {
    CHECK(faults_of(config::default_file()) ==
          Lines{"c.toml:1:1: there is no [[account]], so there is nothing to watch"});
    CHECK(parsed(config::default_file() + account).has_value());
}

TEST_CASE("every commented line of it is valid when uncommented") {
    const auto loaded = parsed(uncommented(config::default_file()));
    REQUIRE(lines_of(loaded ? std::vector<Fault>{} : loaded.error()).empty());
    REQUIRE(loaded);
    const Config& c = loaded->config;
    CHECK(loaded->warnings.empty());
    CHECK(c.accounts.size() == 1);
    CHECK(c.vaults.size() == 1);
    REQUIRE(c.channels.size() == 4);
    CHECK(c.channels[2].kind == "ntfy");
    CHECK(c.alerts.escalation.size() == 1);
    CHECK(c.routing.routes.size() == 1);
    CHECK(c.routing.contacts.size() == 1);
    CHECK(c.heartbeat.url.starts_with("https://"));
    CHECK(c.rules.size() == 1);
    CHECK(c.rules[0].match.accounts == std::vector<std::string>{"main"});
    REQUIRE(c.budgets.size() == 1);
    CHECK(c.budgets[0].thresholds.size() == 2);
    CHECK(c.budgets[0].hard());
    CHECK(c.rules[0].ladder == Rule{}.ladder);
    REQUIRE(c.rules[0].schedule);
    CHECK(c.rules[0].schedule->zone().name == "Europe/Rome");
    CHECK(c.rules[0].max_age == Duration{hours{24}});
    CHECK(c.accounts[0].v1_url == AccountConfig{}.v1_url);
}

TEST_CASE("its lines fit a screen") {
    std::istringstream in(config::default_file());
    for (std::string line; std::getline(in, line);) {
        CHECK(line.size() <= 110);
        CHECK_FALSE(line.ends_with(' '));
    }
}

TEST_CASE("the shipped file and manual page are the generated ones") {
    CHECK(read_file(source_dir() + "/config/curfew.toml") == config::default_file());
    CHECK(read_file(source_dir() + "/man/curfew.toml.5") == config::manual_page());
}

TEST_CASE("the manual page is sound roff") {
    if (std::system("command -v mandoc >/dev/null") != 0) {
        WARN("mandoc is not installed");
        return;
    }
    const Folder folder;
    folder.put("curfew.toml.5", config::manual_page());
    CHECK(std::system(("mandoc -T lint -W style " + folder.path + "/curfew.toml.5 >&2").c_str()) == 0);
}
