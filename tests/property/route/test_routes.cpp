// Whatever the routes: nobody is told twice, the order is steady, and nothing critical goes nowhere.
#include "curfew/core/route.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace curfew;

namespace {

class Chance {
public:
    int below(int bound) { return static_cast<int>(generator_() % static_cast<std::uint64_t>(bound)); }
    bool often() { return below(3) != 0; }
    template <class T>
    T one_of(const std::vector<T>& all) {
        return all[static_cast<std::size_t>(below(static_cast<int>(all.size())))];
    }
    template <class T>
    std::vector<T> some_of(const std::vector<T>& all) {
        std::vector<T> some;
        std::ranges::copy_if(all, std::back_inserter(some), [&](const T&) { return below(3) == 0; });
        return some;
    }

private:
    /// The seed is printed by Catch2 and repeatable with --rng-seed.
    std::mt19937_64 generator_{static_cast<std::uint64_t>(Catch::rngSeed())};
};

std::vector<ChannelName> channels(int count) {
    std::vector<ChannelName> all;
    for (int i = 0; i < count; ++i) {
        all.emplace_back("c" + std::to_string(i));
    }
    return all;
}

const std::vector<std::string> people{"ana@example.com", "ben@example.org", "cleo", "ANA@example.com", ""};

Route random_route(Chance& chance, const Routing& routing) {
    Route route{.rules = chance.some_of<std::string>({"*", "night", "x*"}),
                .budgets = chance.some_of<std::string>({"month"}),
                .owners = chance.some_of<std::string>({"*@example.com", "*"}),
                .accounts = chance.some_of<std::string>({"main"}),
                .kinds = {},
                .at_least = static_cast<Severity>(chance.below(3)),
                .channels = chance.some_of(routing.channels),
                .go_on = chance.often()};
    if (!chance.often()) {
        route.kinds = {static_cast<AlertKind>(chance.below(static_cast<int>(AlertKind::test)))};
    }
    return route;
}

Routing random_routing(Chance& chance) {
    Routing routing;
    routing.channels = channels(1 + chance.below(4));
    for (const ChannelName& name : routing.channels) {
        routing.receivers.push_back({name, chance.some_of(people)});
    }
    for (int i = chance.below(5); i > 0; --i) {
        routing.routes.push_back(random_route(chance, routing));
    }
    for (int i = chance.below(3); i > 0; --i) {
        routing.contacts.push_back({chance.one_of(people), chance.one_of(routing.channels),
                                    chance.often() ? "" : chance.one_of(people)});
    }
    if (chance.often()) {
        routing.owner_channel = chance.one_of(routing.channels);
    }
    return routing;
}

Message random_message(Chance& chance) {
    Message m;
    m.kind = static_cast<AlertKind>(chance.below(static_cast<int>(AlertKind::test) + 1));
    m.severity = static_cast<Severity>(chance.below(3));
    m.rule = RuleName{chance.one_of<std::string>({"", "night", "day"})};
    m.budget = BudgetName{chance.one_of<std::string>({"", "month"})};
    m.account = AccountName{chance.one_of<std::string>({"", "main", "other"})};
    m.resource = ResourceId{chance.one_of<std::string>({"", "r1"})};
    m.owner = chance.one_of(people);
    return m;
}

}  // namespace

TEST_CASE("nobody is told twice, in a steady order, and somebody always is") {
    Chance chance;
    for (int round = 0; round < 20'000; ++round) {
        const Routing routing = random_routing(chance);
        const Message message = random_message(chance);
        const auto told = destinations(message, routing);
        REQUIRE_FALSE(told.empty());
        REQUIRE(std::set<Destination>(told.begin(), told.end()).size() == told.size());
        REQUIRE(told == destinations(message, routing));
        for (const Destination& d : told) {
            REQUIRE(std::ranges::find(routing.channels, d.channel) != routing.channels.end());
            REQUIRE((d.to.empty() || concerns_owner(message.kind)));
        }
    }
}

TEST_CASE(
    "what a message is titled changes nothing of who is told, and a graver one is told to no fewer routes") {
    Chance chance;
    for (int round = 0; round < 20'000; ++round) {
        Routing routing = random_routing(chance);
        std::ranges::for_each(routing.routes, [](Route& route) { route.go_on = true; });
        Message message = random_message(chance);
        message.severity = Severity::warning;
        const auto before = destinations(message, routing);
        message.title = "text\r\nof anybody";
        REQUIRE(destinations(message, routing) == before);
        const bool matched = std::ranges::any_of(routing.routes, [&](const Route& route) {
            Routing alone = routing;
            alone.routes = {route};
            alone.contacts.clear();
            alone.owner_channel = ChannelName{};
            return !route.channels.empty() && route.channels != routing.channels &&
                   destinations(message, alone).size() == route.channels.size();
        });
        if (!matched) {
            continue;  // it went to every channel because none matched; a graver one may find its route
        }
        message.severity = Severity::critical;
        const auto after = destinations(message, routing);
        for (const Destination& d : before) {
            const bool still = std::ranges::find(after, d) != after.end();
            const bool by_own = std::ranges::any_of(
                after, [&](const Destination& other) { return other.channel == d.channel; });
            REQUIRE((still || by_own));
        }
    }
}
