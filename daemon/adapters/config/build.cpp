#include "adapters/config/build.hpp"

#include "adapters/config/addresses.hpp"
#include "adapters/config/budgets.hpp"
#include "adapters/config/channels.hpp"
#include "adapters/config/credits.hpp"
#include "adapters/config/keep_links.hpp"
#include "adapters/config/telling.hpp"
#include "curfew/core/probe.hpp"
#include "curfew/core/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace curfew::config {

namespace {

constexpr Duration poll_interval_min = seconds{30};
constexpr Duration trial_of_new_rule = hours{24} * 7;

ResourceKind kind_of(const std::string& word) {
    return word == to_string(ResourceKind::machine) ? ResourceKind::machine : ResourceKind::notebook;
}

}  // namespace

Mode mode_of(const std::string& word) {
    constexpr std::array modes{Mode::observe, Mode::warn, Mode::enforce};
    const auto found = std::ranges::find(modes, word, [](Mode mode) { return to_string(mode); });
    return found == modes.end() ? Mode::observe : *found;
}

Match match_of(const Block& block) {
    Match match{.names = block.list("names"),
                .machine_types = block.list("machine_types"),
                .accounts = block.list("accounts"),
                .projects = block.list("projects"),
                .owners = block.list("owners"),
                .kinds = {},
                .providers = block.list("providers"),
                .tags = block.list("tags")};
    std::ranges::transform(block.list("kinds"), std::back_inserter(match.kinds), kind_of);
    return match;
}

namespace {

Increment increment_of(const std::string& word) {
    constexpr std::array increments{Increment::none, Increment::minute, Increment::hour};
    const auto found = std::ranges::find(increments, word, [](Increment i) { return to_string(i); });
    return found == increments.end() ? Increment::none : *found;
}

AccountConfig account_of(const Block& block) {
    return {.name = AccountName{block.text("name")},
            .provider = block.text("provider"),
            .key_file = block.text("key_file"),
            .poll_interval = block.duration("poll_interval"),
            .request_timeout = block.duration("request_timeout"),
            .list_timeout = block.duration("list_timeout"),
            .v1_url = block.text("v1_url"),
            .legacy_url = block.text("legacy_url"),
            .guest_url = block.text("guest_url"),
            .guest_connect = block.text("guest_connect"),
            .metrics_connect = block.text("metrics_connect"),
            .ca_file = block.text("ca_file"),
            .cpu_unit = block.text("cpu_unit"),
            .metrics = block.flag("metrics"),
            .notebooks = block.flag("notebooks"),
            .machines = block.flag("machines"),
            .mode = block.text("mode"),
            .bill_machines_off = block.flag("bill_machines_off"),
            .billing_increment = increment_of(block.text("billing_increment")),
            .add_on_interval = block.duration("add_on_interval"),
            .storage_unit = block.text("storage_unit"),
            .balance_url = block.text("balance_url"),
            .balance_key_file = block.text("balance_key_file")};
}

FlatPrice flat_of(const Block& block) {
    return {.match = block.list("match"), .per_month = block.get<Money>("per_month")};
}

SshConfig ssh_of(const Block& block) {
    return {.match = block.list("match"),
            .user = block.text("user"),
            .key_file = block.text("key_file"),
            .host_key = block.text("host_key"),
            .host = block.text("host"),
            .port = static_cast<int>(block.number("port"))};
}

VaultConfig vault_of(const Block& block) {
    return {.name = VaultName{block.text("name")},
            .kind = block.text("kind"),
            .path = block.text("path"),
            .required = block.flag("required")};
}

PackPolicy pack_of(const Block& block) {
    return {.include = block.list("include"),
            .exclude = block.list("exclude"),
            .settle = block.duration("settle"),
            .max_bytes = block.number("max_bytes"),
            .max_files = block.number("max_files"),
            .html = block.flag("html"),
            .partial_ok = block.flag("partial_ok"),
            .override_when_failed = block.flag("override_when_failed")};
}

ProbePolicy probe_of(const Block& block) {
    return {.enabled = block.flag("enabled"),
            .watched = block.list("watched"),
            .heartbeat = block.text("heartbeat")};
}

/// All but the schedule, which needs its zone.
Rule rule_of(const Block& block) {
    return {.name = RuleName{block.text("name")},
            .match = match_of(block.only("match")),
            .idle_limit = block.duration("idle_limit"),
            .ladder = block.get<std::vector<Duration>>("ladder"),
            .min_notice = block.duration("min_notice"),
            .start_grace = block.duration("start_grace"),
            .mode = block.given("mode") ? mode_of(block.text("mode")) : Mode::enforce,
            .observe_first = block.given("observe_first") ? block.duration("observe_first")
                             : block.given("mode")        ? Duration{0}
                                                          : trial_of_new_rule,
            .accept_partial = block.flag("accept_partial"),
            .stalled_after = block.duration("stalled_after"),
            .probe = probe_of(block.only("probe")),
            .schedule = std::nullopt,
            .respect_activity = block.flag("respect_activity"),
            .max_age = block.given("max_age") && block.duration("max_age") > Duration{0}
                           ? std::optional{block.duration("max_age")}
                           : std::nullopt,
            .pack = pack_of(block.only("pack"))};
}

/// `match` is whatever has the key `accounts`.
void accounts_exist(const Block& match, const std::vector<std::string>& names, Faults& faults) {
    const auto globs = match.list("accounts");
    for (std::size_t i = 0; i < globs.size(); ++i) {
        const std::string& glob = globs[i];
        if (std::ranges::none_of(names, [&](const auto& name) { return glob_matches(glob, name); })) {
            const std::vector<std::string_view> candidates(names.begin(), names.end());
            faults.add(match.place_of("accounts", i),
                       fmt::format("`accounts` names \"{}\", and no [[account]] is called that", shown(glob)),
                       nearest(glob, candidates));
        }
    }
}

class Builder {
public:
    Builder(const Defaults& defaults, const ZoneLoader& zones, Faults& faults)
        : defaults_(defaults), zones_(zones), faults_(faults) {}

    Config build(const Block& root) {
        Config config;
        daemon(root.only("daemon"), config);
        config.keep = {.max_at_once = root.only("keep").duration("max_at_once"),
                       .max_per_period = root.only("keep").duration("max_per_period")};
        config.keep_link = keep_link_of(root.only("keep_link"), config.keep, faults_);
        config.lease = {.max_at_once = root.only("lease").duration("max_at_once")};
        accounts(root, config);
        machines(root, config);
        std::ranges::transform(root.blocks("flat"), std::back_inserter(config.flat), flat_of);
        std::ranges::transform(root.blocks("vault"), std::back_inserter(config.vaults), vault_of);
        config.channels = channels_of(root.blocks("channel"), faults_);
        rules(root, config);
        budgets(root, config);
        for (const Block& block : root.blocks("credit")) {
            known_accounts(block, root);
        }
        config.credits = credits_of(root.blocks("credit"), config.zone, faults_);
        config.burn = {.factor_percent = root.only("money").number("burn_factor") * 100,
                       .lasting = root.only("money").duration("burn_for")};
        for (const Block& block : root.blocks("route")) {
            known_accounts(block, root);
        }
        tell(root, config, faults_);
        unheard(root, config);
        return config;
    }

private:
    void daemon(const Block& block, Config& config) {
        const auto or_else = [&](std::string_view key, const std::string& standard) {
            return block.given(key) || standard.empty() ? block.text(key) : standard;
        };
        config.mode = mode_of(block.text("mode"));
        config.zone = zone(block, "timezone");
        config.state_dir = or_else("state_dir", defaults_.state_dir);
        config.api_socket = or_else("api_socket", defaults_.api_socket);
        config.admin_socket = or_else("admin_socket", defaults_.admin_socket);
        config.price_file = or_else("price_file", defaults_.price_file);
        config.price_overrides = block.text("price_overrides");
        config.add_on_prices = block.text("add_on_prices");
        config.public_name = or_else("public_name", defaults_.host_name);
        config.protect = block.list("protect");
        config.history = block.duration("history");
        config.guest_connections_max = block.number("guest_connections_max");
        if (config.api_socket == config.admin_socket) {
            faults_.add(block.place_of("admin_socket"),
                        "`admin_socket` is the same as `api_socket`, which everybody of its group may ask");
        }
    }

    Zone zone(const Block& block, std::string_view key) {
        auto loaded = zones_(block.text(key));
        if (!loaded) {
            faults_.add(block.place_of(key), fmt::format("`{}`: {}", key, shown(loaded.error().text, 200)));
            return {};
        }
        return std::move(*loaded);
    }

    void accounts(const Block& root, Config& config) {
        const auto& blocks = root.blocks("account");
        if (blocks.empty()) {
            faults_.add(root.place(), "there is no [[account]], so there is nothing to watch");
        }
        for (const Block& block : blocks) {
            account_urls(block);
            config.accounts.push_back(account_of(block));
        }
    }

    void account_urls(const Block& block) {
        const auto v1 = split_url(block.text("v1_url"));
        const bool here = v1 && is_loopback(v1->host);
        for (const std::string_view key : {"v1_url", "legacy_url", "balance_url"}) {
            const auto url = split_url(block.text(key));
            if (url && url->scheme == "http" && !is_loopback(url->host)) {
                faults_.add(
                    block.place_of(key),
                    fmt::format("`{}` must be https: the API key would cross the network in the clear", key));
            }
        }
        const std::string balance_key = block.text("balance_key_file");
        if (block.text("balance_url").empty() != balance_key.empty()) {
            faults_.add(block.place_of(balance_key.empty() ? "balance_url" : "balance_key_file"),
                        "`balance_url` and `balance_key_file` go together: one of them is missing");
        } else if (!balance_key.empty() && balance_key == block.text("key_file")) {
            faults_.add(block.place_of("balance_key_file"),
                        "`balance_key_file` must not be key_file: that key would go to another host");
        }
        const bool gateway_here = is_loopback(connect_host(block));
        if (block.text("guest_url").starts_with("http://") && !here && !gateway_here) {
            faults_.add(
                block.place_of("guest_url"),
                "`guest_url` must be https: the notebook's token would cross the network in the clear");
        }
        if (block.duration("poll_interval") < poll_interval_min && !here) {
            faults_.add(block.place_of("poll_interval"),
                        fmt::format("`poll_interval` must be at least {}, unless `v1_url` is on this host",
                                    curfew::to_string(poll_interval_min)));
        }
    }

    void machines(const Block& root, Config& config) {
        for (const Block& block : root.blocks("ssh")) {
            const std::string file = block.text("key_file");
            if (file.find_first_of("%$") != std::string::npos) {
                faults_.add(block.place_of("key_file"),
                            "`key_file` must not hold % or $, which ssh would expand");
            }
            const auto globs = block.list("match");
            for (std::size_t i = 0; i < globs.size(); ++i) {
                if (const auto before = first_with(globs[i], root, block)) {
                    faults_.add(block.place_of("match", i),
                                fmt::format("\"{}\" is matched by the block at {} already", shown(globs[i]),
                                            faults_.at(*before)));
                }
            }
            config.ssh.push_back(ssh_of(block));
        }
    }

    /// Where an earlier [[ssh]] block has the same glob, so that this one would never be used.
    static std::optional<Place> first_with(const std::string& glob, const Block& root, const Block& until) {
        for (const Block& block : root.blocks("ssh")) {
            if (&block == &until) {
                break;
            }
            const auto globs = block.list("match");
            if (std::ranges::find(globs, glob) != globs.end()) {
                return block.place();
            }
        }
        return std::nullopt;
    }

    static std::string connect_host(const Block& block) {
        return host_of_endpoint(block.text("guest_connect"));
    }

    void rules(const Block& root, Config& config) {
        const bool saved = std::ranges::any_of(config.vaults, &VaultConfig::required);
        for (const Block& block : root.blocks("rule")) {
            known_accounts(block.only("match"), root);
            Rule rule = rule_of(block);
            if (rule.probe.watched.size() > watched_max) {
                faults_.add(block.only("probe").place_of("watched"),
                            fmt::format("`watched` holds {} paths; {} are the most",
                                        rule.probe.watched.size(), watched_max));
            }
            rule.schedule = schedule(block, config.zone);
            if (!block.given("mode")) {
                without_mode(block, saved, rule);
            } else if (rule.mode == Mode::enforce && !saved && !rule.pack.override_when_failed) {
                faults_.add(block.place_of("mode"),
                            config.vaults.empty()
                                ? "a rule in mode enforce needs a [[vault]] that its work is saved in first"
                                : "a rule in mode enforce needs a [[vault]] with required = true");
            }
            config.rules.push_back(std::move(rule));
        }
    }

    std::optional<Schedule> schedule(const Block& block, const Zone& standard) {
        Zone own = block.given("timezone") ? given_zone(block) : standard;
        if (!block.given("off_hours") && !block.given("holidays")) {
            for (const std::string_view key : {"timezone", "respect_activity"}) {
                if (block.given(key)) {
                    faults_.add(block.place_of(key),
                                fmt::format("`{}` needs `off_hours` or `holidays` as well", key));
                }
            }
            return std::nullopt;
        }
        auto weekly = block.get<std::vector<OffHours>>("off_hours");
        auto holidays = block.get<std::vector<Date>>("holidays");
        if (weekly.empty() && holidays.empty()) {
            return std::nullopt;
        }
        Schedule made(std::move(own), std::move(weekly), std::move(holidays));
        if (made.covers_week()) {
            faults_.add(block.place_of("off_hours"),
                        "`off_hours` leave no minute of the week in which anything may run");
        }
        return made;
    }

    /// A rule acts after its trial without being told to, but never without a trial, and not where its work
    /// could not be saved.
    void without_mode(const Block& block, bool saved, Rule& rule) {
        if (rule.observe_first == Duration{0}) {
            faults_.add(block.place_of("observe_first"),
                        "a rule without a trial acts at once, so say its `mode` as well");
        }
        if (!saved && !rule.pack.override_when_failed) {
            rule.mode = Mode::observe;
            faults_.warn(block.place(), fmt::format("rule `{}` only observes, since no required [[vault]] is "
                                                    "there to save the work in first",
                                                    rule.name.value));
        }
    }

    void budgets(const Block& root, Config& config) {
        for (const Block& block : root.blocks("budget")) {
            known_accounts(block.only("match"), root);
            Budget budget = budget_of(block, config.zone, config.budgets, zones_, faults_);
            if (budget.hard() && budget.mode == Mode::enforce && config.vaults.empty()) {
                const bool now = std::ranges::any_of(budget.thresholds, [](const Threshold& t) {
                    return t.action == ThresholdAction::stop_now;
                });
                faults_.warn(
                    block.place_of("mode"),
                    fmt::format("budget `{}` {}, since no [[vault]] is there to save the work in first",
                                budget.name.value, now ? "loses work" : "can stop nothing"));
            }
            config.budgets.push_back(std::move(budget));
        }
    }

    Zone given_zone(const Block& block) {
        return block.text("timezone").empty() ? Zone{} : zone(block, "timezone");
    }

    void known_accounts(const Block& match, const Block& root) {
        std::vector<std::string> names;
        std::ranges::transform(root.blocks("account"), std::back_inserter(names),
                               [](const Block& account) { return account.text("name"); });
        if (std::ranges::none_of(names, &std::string::empty)) {  // else a name is at fault itself
            accounts_exist(match, names, faults_);
        }
    }

    void unheard(const Block& root, const Config& config) {
        const auto tells = [](const auto& each) { return each.mode != Mode::observe; };
        const bool above_observe = config.mode != Mode::observe || std::ranges::any_of(config.rules, tells) ||
                                   std::ranges::any_of(config.budgets, tells);
        if (config.channels.empty() && above_observe) {
            faults_.warn(
                root.only("daemon").place_of("mode"),
                "there is no [[channel]], so nobody will be warned and nothing is stopped without a warning");
        }
    }

    const Defaults& defaults_;
    const ZoneLoader& zones_;
    Faults& faults_;
};

}  // namespace

std::optional<WallTime> moment_of(const Block& block, std::string_view key, const Zone& zone,
                                  Faults& faults) {
    constexpr std::int64_t day_ms = 86'400'000;
    const std::string text = block.text(key);
    if (text.empty()) {
        return std::nullopt;  // missing, or at fault itself
    }
    if (const auto date = parse_date(text)) {
        return zone.from_local(days_from_civil(*date) * day_ms);
    }
    const auto time = parse_wall_time(text);
    if (!time) {
        faults.add(block.place_of(key),
                   fmt::format("`{}`: {}; write a date like 2026-11-01, or a time with its zone", key,
                               shown(time.error().text, 200)));
        return std::nullopt;
    }
    return *time;
}

Rule build_rule(const Block& root, Faults& faults) {
    const auto& blocks = root.blocks("rule");
    if (blocks.empty()) {
        faults.add(root.place(), "there is no [[rule]] to be tested");
        return {};
    }
    if (blocks.size() > 1) {
        faults.add(blocks[1].place(), "one [[rule]] is tested at a time");
    }
    return rule_of(blocks.front());
}

Budget build_budget(const Block& root, const Config& config, const ZoneLoader& zones, Faults& faults) {
    const auto& blocks = root.blocks("budget");
    if (blocks.empty()) {
        faults.add(root.place(), "there is no [[budget]] in it");
        return {};
    }
    if (blocks.size() > 1) {
        faults.add(blocks[1].place(), "one [[budget]] is set at a time");
    }
    std::vector<std::string> names;
    std::ranges::transform(config.accounts, std::back_inserter(names),
                           [](const AccountConfig& account) { return account.name.value; });
    accounts_exist(blocks.front().only("match"), names, faults);
    return budget_of(blocks.front(), config.zone, config.budgets, zones, faults);
}

Config build(const Block& root, const Defaults& defaults, const ZoneLoader& zones, Faults& faults) {
    return Builder(defaults, zones, faults).build(root);
}

}  // namespace curfew::config
