// What must hold of an alert's life whatever happens to it.
#include "curfew/core/alert.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace curfew;
using namespace curfew::alert_input;

namespace {

constexpr int rounds = 400;
constexpr int steps = 120;

class Dice {
public:
    explicit Dice(unsigned seed) : engine_(seed) {}
    std::int64_t up_to(std::int64_t most) {
        return static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(most + 1));
    }
    bool one_in(std::int64_t n) { return up_to(n - 1) == 0; }

private:
    std::mt19937_64 engine_;
};

constexpr std::array kinds{AlertKind::blind, AlertKind::stop_failed, AlertKind::stop_warning,
                           AlertKind::backlog, AlertKind::budget_threshold};

AlertPolicy any_policy(Dice& dice) {
    AlertPolicy policy;
    policy.flap_turns = static_cast<int>(dice.up_to(7));
    policy.flap_window = minutes{1 + dice.up_to(120)};
    policy.flap_calm = minutes{1 + dice.up_to(60)};
    policy.repeat_critical = minutes{1 + dice.up_to(120)};
    policy.repeat_warning = minutes{1 + dice.up_to(1200)};
    for (std::int64_t i = dice.up_to(3); i > 0; --i) {
        policy.escalation.push_back({.after = minutes{5 * (4 - i)}, .channels = {ChannelName{"pager"}}});
    }
    return policy;
}

AlertInput any_input(Dice& dice) {
    const auto severity = static_cast<Severity>(dice.up_to(2));
    switch (dice.up_to(11)) {
        case 0:
        case 1:
        case 2:
            return Holds{.severity = severity, .again = dice.one_in(5)};
        case 3:
        case 4:
            return Over{};
        case 5:
            return Acknowledged{.by = "ana", .note = "n"};
        case 6:
            return Silenced{SilenceId{"sil_" + std::to_string(dice.up_to(1))}};
        case 7:
            return Unsilenced{};
        case 8:
            return Inhibited{"key/me"};
        case 9:
            return Uninhibited{};
        default:
            return TimePassed{};
    }
}

Alert any_alert(Dice& dice, int number) {
    Alert a;
    a.id = AlertId{"alr_" + std::to_string(number)};
    a.key = "key/" + std::to_string(number);
    a.kind = kinds[static_cast<std::size_t>(dice.up_to(kinds.size() - 1))];
    a.state = AlertState::resolved;
    return a;
}

bool covered(const Alert& a) {
    return !a.silenced_by.empty() || !a.inhibited_by.empty();
}

/// As its caller does it: who hears of it is remembered.
AlertStep take(Alert& alert, const AlertInput& input, const AlertPolicy& policy, WallTime now) {
    AlertStep step = decide(alert, input, policy, now);
    if (step.telling && *step.telling != Telling::resolved && *step.telling != Telling::acknowledged &&
        step.next.told.empty()) {
        step.next.told.push_back({.channel = ChannelName{"mail"}, .to = {}});
    }
    alert = step.next;
    return step;
}

}  // namespace

TEST_CASE("whatever happens, who is told is told the truth") {
    for (unsigned seed = 0; seed < rounds; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        const AlertPolicy policy = any_policy(dice);
        Alert alert = any_alert(dice, 1);
        WallTime now{1'000'000'000};
        bool told = false;              // in this life
        std::optional<Severity> known;  // by those who were told
        for (int i = 0; i < steps; ++i) {
            CAPTURE(i);
            now = now + minutes{dice.up_to(dice.one_in(10) ? 2000 : 20)};
            const AlertInput input = any_input(dice);
            const Alert before = alert;
            const AlertStep step = take(alert, input, policy, now);
            if (before.state == AlertState::resolved) {
                told = false;
                known.reset();
            }
            // An event says what happened wherever something did, and nothing is told without one.
            REQUIRE((step.event.has_value() || !step.telling));
            if (step.event) {
                REQUIRE_FALSE(step.event->reason.empty());
                REQUIRE(step.event->alert == alert.id);
                REQUIRE(step.event->state == alert.state);
            }
            if (step.telling) {
                REQUIRE_FALSE(covered(alert));  // never while silenced or inhibited
                REQUIRE((*step.telling != Telling::resolved || told));
                REQUIRE((*step.telling != Telling::acknowledged || told));
                told = true;
                known = alert.severity;
            }
            const auto* holds = std::get_if<Holds>(&input);
            const bool alive = before.state == AlertState::firing || before.state == AlertState::acknowledged;
            if (holds != nullptr && alive && holds->severity > before.severity) {
                REQUIRE(alert.state == AlertState::firing);  // also what was acknowledged
                REQUIRE((step.telling == Telling::rise || covered(alert)));
            }
            if (alert.state == AlertState::firing && !covered(alert) && !alert.flapping) {
                REQUIRE(told);  // nothing is held back for ever
                REQUIRE(known == alert.severity);
            }
            REQUIRE(alert.turns.size() <= static_cast<std::size_t>(std::max(1, policy.flap_turns)));
            REQUIRE(alert.escalated <= static_cast<int>(policy.escalation.size()));
            REQUIRE((alert.state != AlertState::resolved || !next_due(alert, policy)));
        }
    }
}

TEST_CASE("every state comes to its end when the condition does") {
    for (unsigned seed = 0; seed < rounds; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        const AlertPolicy policy = any_policy(dice);
        Alert alert = any_alert(dice, 1);
        WallTime now{1'000'000'000};
        for (std::int64_t i = dice.up_to(steps); i > 0; --i) {
            now = now + minutes{dice.up_to(20)};
            take(alert, any_input(dice), policy, now);
        }
        const bool was_alive = alert.state != AlertState::resolved;
        const bool owed = was_alive && !alert.told.empty() && !covered(alert);
        bool resolved = take(alert, Over{}, policy, now).telling == Telling::resolved;
        for (int i = 0; i < 3 && alert.state != AlertState::resolved; ++i) {
            const auto due = next_due(alert, policy);
            REQUIRE(due);
            now = std::max(now, *due);
            const AlertStep step = take(alert, TimePassed{}, policy, now);
            resolved = resolved || step.telling == Telling::resolved;
        }
        REQUIRE(alert.state == AlertState::resolved);
        REQUIRE((!owed || resolved));  // those who were told hear of it
    }
}

TEST_CASE("time changes something exactly when it is due") {
    for (unsigned seed = 0; seed < rounds; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        const AlertPolicy policy = any_policy(dice);
        Alert alert = any_alert(dice, 1);
        WallTime now{1'000'000'000};
        for (int i = 0; i < steps; ++i) {
            now = now + minutes{dice.up_to(20)};
            const auto due = next_due(alert, policy);
            if (!due || *due > now) {
                REQUIRE_FALSE(decide(alert, TimePassed{}, policy, now).event);
                if (due) {
                    REQUIRE_FALSE(decide(alert, TimePassed{}, policy, *due - Duration{1}).event);
                }
            } else {
                REQUIRE(take(alert, TimePassed{}, policy, now).event);
            }
            take(alert, any_input(dice), policy, now);
        }
    }
}

TEST_CASE("only durations count: the same life at another time is the same life") {
    for (unsigned seed = 0; seed < rounds; ++seed) {
        CAPTURE(seed);
        const auto live = [&](WallTime now) {
            Dice dice(seed);
            const AlertPolicy policy = any_policy(dice);
            Alert alert = any_alert(dice, 1);
            std::vector<std::pair<std::string, std::optional<Telling>>> told;
            for (int i = 0; i < steps; ++i) {
                now = now + minutes{dice.up_to(20)};
                const AlertStep step = take(alert, any_input(dice), policy, now);
                told.emplace_back(step.event ? step.event->what : std::string{}, step.telling);
            }
            return told;
        };
        REQUIRE(live(WallTime{1'000'000'000}) == live(WallTime{1'795'399'800'123}));
    }
}

TEST_CASE("alerts of different keys do not know of each other: their order changes nothing") {
    for (unsigned seed = 0; seed < rounds / 4; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        const AlertPolicy policy = any_policy(dice);
        struct Happening {
            int alert;
            AlertInput input;
        };
        // In each minute every alert has its own happenings; across alerts they may come in any order.
        std::vector<std::vector<Happening>> days;
        std::map<int, Alert> alerts;
        for (int number = 0; number < 5; ++number) {
            alerts.emplace(number, any_alert(dice, number));
        }
        for (int i = 0; i < steps; ++i) {
            auto& day = days.emplace_back();
            for (int number = 0; number < 5; ++number) {
                if (dice.one_in(2)) {
                    day.push_back({number, any_input(dice)});
                }
            }
        }
        const auto run = [&](unsigned order) {
            std::mt19937_64 shuffle(order);
            std::map<int, Alert> all = alerts;
            std::map<int, std::vector<std::string>> told;
            WallTime now{1'000'000'000};
            for (std::vector<Happening> day : days) {
                now = now + minutes{7};
                std::ranges::shuffle(day, shuffle);
                for (const Happening& h : day) {
                    const AlertStep step = take(all.at(h.alert), h.input, policy, now);
                    told[h.alert].push_back((step.event ? step.event->what : "") + "/" +
                                            std::string{step.telling ? to_string(*step.telling) : ""});
                }
            }
            return told;
        };
        REQUIRE(run(1) == run(2));
    }
}

TEST_CASE("a message waits at least not at all and at most as long as its group says") {
    for (unsigned seed = 0; seed < rounds * 10; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        AlertPolicy policy;
        policy.group_wait = seconds{dice.up_to(120)};
        policy.group_interval = seconds{dice.up_to(1200)};
        const Instant now{10'000'000};
        Message m;
        m.severity = static_cast<Severity>(dice.up_to(2));
        m.stops_at = dice.one_in(3) ? std::optional{WallTime{1}} : std::nullopt;
        std::optional<Instant> told;
        if (!dice.one_in(4)) {
            told = now + seconds{dice.up_to(2400) - 1200};
        }
        const Duration wait = wait_of(m, told, policy, now);
        REQUIRE(wait >= Duration{0});
        REQUIRE(wait <=
                std::max({policy.group_wait, policy.group_interval, told ? *told - now : Duration{0}}));
        if (m.severity == Severity::critical || m.stops_at) {
            REQUIRE(wait <= policy.group_wait);
        }
    }
}
