#include "adapters/config/telling.hpp"

#include "adapters/config/channels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace curfew::config {

namespace {

constexpr Duration escalation_unless_said = minutes{15};

AlertKind kind_of(const std::string& word) {
    return alert_kind_from(word).value_or(AlertKind::test);  // the table of keys has no others
}

Severity severity_of(const std::string& word) {
    return word == to_string(Severity::critical)  ? Severity::critical
           : word == to_string(Severity::warning) ? Severity::warning
                                                  : Severity::info;
}

bool has_wildcard(std::string_view glob) {
    return glob.find_first_of("*?") != std::string_view::npos;
}

bool matches_everything(const Route& route) {
    return route.rules.empty() && route.budgets.empty() && route.owners.empty() && route.accounts.empty() &&
           route.kinds.empty() && route.at_least == Severity::info && !route.go_on;
}

class Teller {
public:
    Teller(const Block& root, Config& config, Faults& faults)
        : root_(root), alerts_(root.only("alerts")), config_(config), faults_(faults) {}

    void read() {
        for (const ChannelConfig& channel : config_.channels) {
            if (has_receivers(channel)) {
                config_.routing.channels.push_back(channel.name);
                config_.routing.receivers.push_back({channel.name, channel.to});
            }
        }
        policy();
        escalation();
        routes();
        owners();
        unused_mail();
    }

private:
    void policy() {
        AlertPolicy& p = config_.alerts;
        p.group_wait = alerts_.duration("group_wait");
        p.group_interval = alerts_.duration("group_interval");
        p.repeat_critical = alerts_.duration("repeat_critical");
        p.repeat_warning = alerts_.duration("repeat_warning");
        p.flap_turns = static_cast<int>(alerts_.number("flap_turns"));
        p.flap_window = alerts_.duration("flap_window");
        p.flap_calm = alerts_.duration("flap_calm");
        p.per_hour = static_cast<int>(alerts_.number("per_hour"));
        const auto summary = parse_weekly_time(alerts_.text("summary"));
        p.summary = summary ? std::optional{*summary} : std::nullopt;
        p.failover_after = alerts_.duration("failover_after");
        p.failover = ChannelName{alerts_.text("failover")};
        if (!alerts_.given("failover")) {
            if (alerts_.sound("failover_after")) {
                faults_.add(alerts_.place_of("failover_after"), "`failover_after` needs `failover` as well");
            }
        } else if (told_alone(alerts_.place_of("failover"), "failover", p.failover.value) &&
                   config_.routing.channels == std::vector{p.failover}) {
            faults_.add(
                alerts_.place_of("failover"),
                fmt::format("`failover` is the only channel: there is none that `{}` could stand in for",
                            p.failover.value));
        }
        owner_channel();
    }

    void owner_channel() {
        config_.routing.owner_channel = ChannelName{alerts_.text("owner_channel")};
        if (!alerts_.sound("owner_channel")) {
            return;
        }
        const ChannelConfig* channel = known(alerts_.place_of("owner_channel"), "owner_channel",
                                             config_.routing.owner_channel.value);
        if (channel != nullptr && channel->kind != "mail") {
            faults_.add(alerts_.place_of("owner_channel"),
                        fmt::format("`owner_channel` must be a channel of kind mail, and `{}` is a {}",
                                    channel->name.value, channel->kind));
        }
    }

    void escalation() {
        const auto& blocks = root_.blocks("escalation");
        auto& steps = config_.alerts.escalation;
        for (const Block& block : blocks) {
            EscalationStep step{block.duration("after"), channels(block)};
            if (block.sound("channels") && block.list("channels").empty()) {
                faults_.add(block.place_of("channels"), "`channels` must not be empty");
            }
            if (!steps.empty() && block.sound("after") && step.after <= steps.back().after) {
                faults_.add(
                    block.place_of("after"),
                    fmt::format("escalation must rise, and {} comes after {}", curfew::to_string(step.after),
                                curfew::to_string(steps.back().after)));
            }
            steps.push_back(std::move(step));
        }
        if (blocks.empty() && !config_.routing.channels.empty()) {
            steps.push_back({escalation_unless_said, config_.routing.channels});
        }
    }

    void routes() {
        const Block* last = nullptr;
        for (const Block& block : root_.blocks("route")) {
            Route route{.rules = block.list("rules"),
                        .budgets = block.list("budgets"),
                        .owners = block.list("owners"),
                        .accounts = block.list("accounts"),
                        .kinds = {},
                        .at_least = severity_of(block.text("at_least")),
                        .channels = channels(block),
                        .go_on = block.flag("go_on")};
            std::ranges::transform(block.list("kinds"), std::back_inserter(route.kinds), kind_of);
            const bool owners_told = alerts_.given("owner_channel") || !root_.blocks("owner").empty();
            if (block.sound("channels") && block.list("channels").empty() && !owners_told) {
                faults_.add(block.place_of("channels"),
                            "`channels` must not be empty where neither owner_channel in [alerts] nor an "
                            "[[owner]] says how owners are told");
            }
            there_is(block, "rules", "rule", config_.rules, "");
            there_is(block, "budgets", "budget", config_.budgets,
                     "; one that `curfew budget set` made is named with a * in it");
            if (last != nullptr) {
                faults_.warn(block.place(), fmt::format("this [[route]] is never used: the one at {} matches "
                                                        "everything",
                                                        faults_.at(last->place())));
            } else if (matches_everything(route)) {
                last = &block;
            }
            config_.routing.routes.push_back(std::move(route));
        }
    }

    /// Each of the globs of `key` must match the name of one of `things`. One with a wildcard may wait for them.
    template <class Thing>
    void there_is(const Block& block, std::string_view key, std::string_view thing,
                  const std::vector<Thing>& things, std::string_view hint) {
        const auto globs = block.list(key);
        for (std::size_t i = 0; i < globs.size(); ++i) {
            const bool found = std::ranges::any_of(
                things, [&](const Thing& each) { return glob_matches(globs[i], each.name.value); });
            if (found || has_wildcard(globs[i])) {
                continue;
            }
            std::vector<std::string_view> names;
            for (const Thing& each : things) {
                names.push_back(each.name.value);
            }
            faults_.add(block.place_of(key, i),
                        fmt::format("`{}` names \"{}\", and no [[{}]] is called that{}", key, shown(globs[i]),
                                    thing, hint),
                        nearest(globs[i], names));
        }
    }

    void owners() {
        std::map<std::string, Place> seen;
        for (const Block& block : root_.blocks("owner")) {
            OwnerContact contact{.owner = block.text("owner"),
                                 .channel = ChannelName{block.text("channel")},
                                 .to = block.text("to")};
            const auto [first, is_new] = seen.emplace(contact.owner, block.place_of("owner"));
            if (!is_new && !contact.owner.empty()) {
                faults_.add(block.place_of("owner"),
                            fmt::format("there is another [[owner]] \"{}\" at {}", shown(contact.owner),
                                        faults_.at(first->second)));
            }
            if (block.sound("channel")) {
                owner(block, contact);
            }
            config_.routing.contacts.push_back(std::move(contact));
        }
    }

    void owner(const Block& block, const OwnerContact& contact) {
        const ChannelConfig* channel = known(block.place_of("channel"), "channel", contact.channel.value);
        if (channel == nullptr) {
            return;
        }
        if (block.sound("to") && channel->kind != "mail") {
            faults_.add(block.place_of("to"),
                        fmt::format("`to` is an address of mail, and channel `{}` is a {}",
                                    channel->name.value, channel->kind));
        } else if (!block.given("to") && !has_receivers(*channel)) {
            faults_.add(block.place(),
                        fmt::format("`to` is missing in [[owner]]: channel `{}` has no receivers of "
                                    "its own",
                                    channel->name.value));
        }
    }

    /// Mail without receivers is for owners; where there are none, they were forgotten.
    void unused_mail() {
        for (const Block& block : root_.blocks("channel")) {
            const ChannelName name{block.text("name")};
            const auto& contacts = config_.routing.contacts;
            const bool used = config_.routing.owner_channel == name ||
                              std::ranges::find(contacts, name, &OwnerContact::channel) != contacts.end();
            if (block.text("kind") == "mail" && !block.given("to") && !used) {
                faults_.add(block.place(),
                            "`to` is missing in [[channel]], and neither owner_channel in [alerts] "
                            "nor an [[owner]] uses the channel: Who gets the mail.");
            }
        }
    }

    std::vector<ChannelName> channels(const Block& block) {
        std::vector<ChannelName> names;
        const auto words = block.list("channels");
        for (std::size_t i = 0; i < words.size(); ++i) {
            const ChannelName name{words[i]};
            if (std::ranges::find(names, name) != names.end()) {
                faults_.add(block.place_of("channels", i),
                            fmt::format("`channels` names `{}` twice", name.value));
            } else {
                told_alone(block.place_of("channels", i), "channels", name.value);
                names.push_back(name);
            }
        }
        return names;
    }

    /// A channel that exists and has receivers of its own.
    bool told_alone(Place place, std::string_view key, const std::string& name) {
        const ChannelConfig* channel = known(place, key, name);
        if (channel != nullptr && !has_receivers(*channel)) {
            faults_.add(place,
                        fmt::format("`{}` names `{}`, which has no receivers of its own (`to`)", key, name));
            return false;
        }
        return channel != nullptr;
    }

    const ChannelConfig* known(Place place, std::string_view key, const std::string& name) {
        const auto found = std::ranges::find(config_.channels, ChannelName{name}, &ChannelConfig::name);
        if (found != config_.channels.end()) {
            return &*found;
        }
        if (!name.empty()) {  // else at fault itself
            std::vector<std::string_view> names;
            for (const ChannelConfig& each : config_.channels) {
                names.push_back(each.name.value);
            }
            faults_.add(place,
                        fmt::format("`{}` names \"{}\", and no [[channel]] is called that", key, shown(name)),
                        nearest(name, names));
        }
        return nullptr;
    }

    const Block& root_;
    const Block& alerts_;
    Config& config_;
    Faults& faults_;
};

}  // namespace

void tell(const Block& root, Config& config, Faults& faults) {
    Teller(root, config, faults).read();
    config.heartbeat = heartbeat_of(root.only("heartbeat"), faults);
}

}  // namespace curfew::config
