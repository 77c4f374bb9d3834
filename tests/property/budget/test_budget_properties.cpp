// What must hold of thresholds whatever is spent, seen and edited.
#include "curfew/core/budget.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace curfew;

namespace {

constexpr int rounds = 3000;

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

Budget any_budget(Dice& dice) {
    Budget b;
    b.name = BudgetName{"b"};
    b.amount = Money{1'000'000'000 + dice.up_to(100'000'000'000)};
    const auto count = 1 + dice.up_to(5);
    for (int i = 0; i < count; ++i) {
        Threshold t;
        t.action = static_cast<ThresholdAction>(dice.up_to(3));
        t.basis = static_cast<Basis>(dice.up_to(3));
        const auto measure = dice.up_to(2);
        if (measure == 0) {
            t.percent = 1 + dice.up_to(149);
        } else if (measure == 1) {
            t.amount = Money{1 + dice.up_to(b.amount.nanos)};
        } else {
            t.runway = minutes{1 + dice.up_to(6000)};
        }
        const bool known = std::ranges::any_of(b.thresholds,
                                               [&](const Threshold& o) { return o.stem() == t.stem(); });
        if (!known) {
            b.thresholds.push_back(t);
        }
    }
    return b;
}

std::optional<Money> maybe(Dice& dice, Money most) {
    return dice.one_in(2) ? std::nullopt : std::optional{Money{dice.up_to(most.nanos)}};
}

Lead any_lead(Dice& dice) {
    return {.poll = minutes{dice.up_to(10)},
            .notice = minutes{dice.up_to(20)},
            .pack = minutes{dice.up_to(90)},
            .stop = minutes{dice.up_to(10)}};
}

const Period period{"p", {0}, {1}};

}  // namespace

TEST_CASE("a threshold fires once a period; what fired stays fired, whatever is seen later") {
    Dice dice(1);
    for (int round = 0; round < rounds; ++round) {
        Budget b = any_budget(dice);
        FiredLog log;
        FiredLog restarted;
        std::set<std::string> told;
        std::vector<std::string> before;
        const auto steps = 3 + dice.up_to(20);
        for (int i = 0; i < steps; ++i) {
            const BudgetSpend spend{.spent = Money{dice.up_to(2 * b.amount.nanos)},  // it may fall, too
                                    .burn_per_hour = Money{dice.up_to(10'000'000'000)},
                                    .seen = !dice.one_in(3),
                                    .priced = !dice.one_in(3),
                                    .reserve = Money{dice.up_to(1'000'000'000)},
                                    .reported = maybe(dice, b.amount),
                                    .forecast = maybe(dice, b.amount)};
            const Lead lead = any_lead(dice);
            std::vector<std::string> rows = settle(b, spend, lead, log);
            REQUIRE(rows.empty());  // nothing was edited, and nothing rolls
            for (const ThresholdCrossing& c : crossings(b, period, spend, lead, log.keys())) {
                const std::string key = c.threshold.key(b.amount);
                REQUIRE(told.insert(key).second);
                rows.push_back(log.fire(key));
            }
            for (const std::string& row : rows) {
                restarted.add(row);
            }
            const auto now = log.keys();
            REQUIRE(std::ranges::includes(now, before));
            REQUIRE(restarted.keys() == now);
            before = now;
        }
    }
}

TEST_CASE("spending more, knowing more and a longer lead never un-reach a threshold") {
    Dice dice(2);
    for (int round = 0; round < rounds; ++round) {
        const Budget b = any_budget(dice);
        BudgetSpend spend{.spent = Money{dice.up_to(b.amount.nanos)},
                          .burn_per_hour = Money{dice.up_to(10'000'000'000)},
                          .reserve = Money{dice.up_to(1'000'000'000)},
                          .reported = maybe(dice, b.amount),
                          .forecast = maybe(dice, b.amount)};
        Lead lead = any_lead(dice);
        std::vector<bool> before;
        for (const Threshold& t : b.thresholds) {
            before.push_back(reached(b, t, spend, lead));
        }
        const auto more = [&](Money m) { return Money{m.nanos + dice.up_to(5'000'000'000)}; };
        spend.spent = more(spend.spent);
        spend.burn_per_hour = more(spend.burn_per_hour);
        spend.reserve = more(spend.reserve);
        spend.reported = spend.reported ? more(*spend.reported) : maybe(dice, b.amount);
        spend.forecast = spend.forecast ? more(*spend.forecast) : maybe(dice, b.amount);
        spend.seen = dice.one_in(2);
        spend.priced = dice.one_in(2);
        lead.pack += minutes{dice.up_to(30)};
        for (std::size_t i = 0; i < before.size(); ++i) {
            if (before[i]) {
                REQUIRE(reached(b, b.thresholds[i], spend, lead));
            }
        }
    }
}

TEST_CASE("edits and rolling windows: armed only by data that saw all, never told twice without it") {
    Dice dice(3);
    for (int round = 0; round < rounds; ++round) {
        Budget b = any_budget(dice);
        b.period = dice.one_in(2) ? PeriodSpec{}
                                  : PeriodSpec{.kind = PeriodKind::rolling, .length = hours{24}};
        FiredLog log;
        std::map<std::string, bool> armed;  // by stem: may be told
        for (int i = 0; i < 20; ++i) {
            if (dice.one_in(4)) {
                b.amount = Money{1'000'000'000 + dice.up_to(100'000'000'000)};
            }
            const BudgetSpend spend{.spent = Money{dice.up_to(2 * b.amount.nanos)},
                                    .burn_per_hour = Money{dice.up_to(10'000'000'000)},
                                    .seen = !dice.one_in(3),
                                    .priced = !dice.one_in(3),
                                    .reported = maybe(dice, b.amount),
                                    .forecast = maybe(dice, b.amount)};
            const Lead lead = any_lead(dice);
            const auto fired = [&](const Threshold& t) { return log.fired(t.key(b.amount)); };
            for (const std::string& row : settle(b, spend, lead, log)) {
                if (row.ends_with(" armed")) {
                    REQUIRE(spend.seen);
                }
            }
            for (const Threshold& t : b.thresholds) {
                if (!fired(t) && log.knows(t.key(b.amount))) {
                    armed[t.stem()] = true;
                }
            }
            for (const ThresholdCrossing& c : crossings(b, period, spend, lead, log.keys())) {
                const std::string stem = c.threshold.stem();
                const auto before = armed.find(stem);
                REQUIRE((before == armed.end() || before->second));
                armed[stem] = false;
                log.fire(c.threshold.key(b.amount));
            }
        }
    }
}

TEST_CASE("a stop at the lead's end leaves the spend at or below the threshold") {
    Dice dice(4);
    for (int round = 0; round < rounds; ++round) {
        Budget b;
        b.amount = Money{1'000'000'000 + dice.up_to(100'000'000'000)};
        b.thresholds = {{100, dice.one_in(2) ? ThresholdAction::stop : ThresholdAction::stop_now}};
        const Lead lead = any_lead(dice);
        const Money burn{1 + dice.up_to(20'000'000'000)};
        // Spend that grows by polls: the stop takes effect a lead after the first look that reaches it, and the
        // poll within the lead is the one before which it was not reached.
        const Duration poll = std::max<Duration>(lead.poll, minutes{1});
        Lead with_poll = lead;
        with_poll.poll = poll;
        Duration t{0};
        BudgetSpend spend{.spent = Money{}, .burn_per_hour = burn};
        while (!reached(b, b.thresholds[0], spend, with_poll)) {
            t += poll;
            spend.spent = *cost_of(Rate{burn}, t);
        }
        if (t > Duration{0}) {
            const Duration end = t + with_poll.of(b.thresholds[0]) - poll;
            REQUIRE(*cost_of(Rate{burn}, end) <= Money{b.amount.nanos + 2});  // two roundings
        }
    }
}

TEST_CASE("parts of a row over any cut of time add up to the row") {
    Dice dice(5);
    for (int round = 0; round < rounds; ++round) {
        CostRow row;
        row.from = {dice.up_to(1'000'000)};
        row.to = {row.from.ms + 1 + dice.up_to(3'599'999)};
        row.gross = Money{dice.up_to(50'000'000'000) - 10'000'000'000};
        const std::int64_t cut = row.from.ms + dice.up_to(row.to.ms - row.from.ms);
        const Money sum = part_of(row, {"a", {-1}, {cut}}) + part_of(row, {"b", {cut}, {9'000'000'000}});
        REQUIRE(std::abs(sum.nanos - row.gross.nanos) <= 1);
    }
}
