#include "simulation/hunt.hpp"

#include "simulation/crowd.hpp"
#include "simulation/mutants.hpp"
#include "simulation/report.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

namespace curfew::simulation {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr double mutant_years = 100;
constexpr int seed_days = 4;     // of chaos, in worlds that found something
constexpr int variant_days = 2;  // … that catch a variant, where its line says nothing else

struct Caught {
    bool caught = false;
    std::string by;
    std::string text;
    std::string assertion;
    std::int64_t lived_ms = 0;  // in worlds in which Curfew as it is breaks nothing
    std::uint64_t seed = 0;
    double years() const { return simulation::years(lived_ms); }
    void take(const Lived& lived) {
        lived_ms += lived.counts.instance_ms;
        assertion = assertion.empty() ? lived.assertion : assertion;
        if (!lived.violations.empty() && !caught) {
            caught = true;
            by = lived.violations.front().first;
            text = lived.violations.front().second;
            seed = lived.order.seed;
        }
    }
};

std::vector<MutantCard> cards_of(const std::vector<std::string>& names) {
    std::vector<MutantCard> cards;
    for (const MutantCard& card : mutant_cards()) {
        if (names.empty() || std::ranges::find(names, card.name) != names.end()) {
            cards.push_back(card);
        }
    }
    return cards;
}

void print_table(const std::vector<MutantCard>& cards, const std::map<Mutant, Caught>& results,
                 bool with_text) {
    std::printf("%-27s %-9s %-10s %7s %10s  %s\n", "variant", "judge", "assert", "years", "seed",
                "what is wrong");
    for (const MutantCard& card : cards) {
        const Caught& result = results.at(card.mutant);
        std::printf("%-27s %-9s %-10.10s %7.2f %10llu  %s\n", std::string{card.name}.c_str(),
                    result.caught ? result.by.c_str() : "SURVIVED",
                    result.assertion.empty() ? "-" : result.assertion.c_str(), result.years(),
                    static_cast<unsigned long long>(result.seed), std::string{card.wrong}.c_str());
        if (with_text && result.caught) {
            std::printf("    %s\n", result.text.c_str());
        }
    }
}

/// The lines of a file of worlds, without comments. Nullopt, and said why, where there are none: a run that lives
/// nothing would pass.
std::optional<std::vector<std::string>> lines_of(const std::string& path) {
    std::vector<std::string> lines;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        if (!line.empty() && line.front() != '#') {
            lines.push_back(line);
        }
    }
    if (lines.empty()) {
        std::fprintf(stderr, "simulate: %s: no worlds in it, or not to be read\n", path.c_str());
        return std::nullopt;
    }
    return lines;
}

std::optional<std::vector<Order>> known_seeds(const std::string& path) {
    const auto lines = lines_of(path);
    if (!lines) {
        return std::nullopt;
    }
    std::vector<Order> orders;
    for (const std::string& line : *lines) {
        char* end = nullptr;
        orders.push_back({.seed = std::strtoull(line.c_str(), &end, 10)});
        if (end == line.c_str()) {
            std::fprintf(stderr, "simulate: %s: no seed: %s\n", path.c_str(), line.c_str());
            return std::nullopt;
        }
    }
    return orders;
}

/// A world that is known to catch a variant, in so many days of chaos.
struct KnownVariant {
    Order order;
    int days = variant_days;
};

std::optional<std::vector<KnownVariant>> known_variants(const std::string& path) {
    const auto lines = lines_of(path);
    if (!lines) {
        return std::nullopt;
    }
    std::vector<KnownVariant> known;
    for (const std::string& line : *lines) {
        std::istringstream words(line);
        std::string name;
        KnownVariant one;
        words >> name >> one.order.seed;
        const auto card = std::ranges::find(mutant_cards(), name, &MutantCard::name);
        if (!words || card == mutant_cards().end()) {
            std::fprintf(stderr, "simulate: %s: no variant and seed: %s\n", path.c_str(), line.c_str());
            return std::nullopt;
        }
        one.order.variant = card->mutant;
        if (int days = 0; words >> days && days > 0) {
            one.days = days;
        }
        known.push_back(one);
    }
    return known;
}

std::string line_of(std::string_view name, std::uint64_t seed, int days) {
    return std::string{name} + ' ' + std::to_string(seed) +
           (days == variant_days ? std::string{} : ' ' + std::to_string(days)) + '\n';
}

}  // namespace

/// Worlds one after another. Where Curfew as it is breaks nothing, every variant lives that no earlier one caught:
/// what is broken there is the variant's doing.
int hunt(const Hunt& plan) {
#ifndef CURFEW_MUTANTS
    (void)plan;
    std::fputs("this build has no wrong variants: configure with -DCURFEW_MUTANTS=ON (./dev simulate does)\n",
               stderr);
    return 1;
#else
    const std::vector<MutantCard> cards = cards_of(plan.names);
    if (!plan.names.empty() && cards.size() != plan.names.size()) {
        std::fputs("simulate: a name that is no variant's, or given twice; --mutants alone hunts them all\n",
                   stderr);
        return 2;
    }
    // What is not hunted now keeps its line: a file that cannot be read is not written over.
    const bool keeps_lines = !plan.found.empty() && !plan.names.empty();
    const auto before = keeps_lines ? known_variants(plan.found) : std::vector<KnownVariant>{};
    if (!before) {
        return 2;
    }
    std::map<Mutant, Caught> results;
    for (const MutantCard& card : cards) {
        results[card.mutant] = {};
    }
    const auto begun = SteadyClock::now();
    const auto hunted = [&] {
        std::vector<Mutant> left;
        for (const auto& [mutant, result] : results) {
            if (!result.caught && result.years() < mutant_years) {
                left.push_back(mutant);
            }
        }
        return left;
    };
    std::size_t clean = 0;
    std::size_t lived = 0;
    const std::size_t at_once = plan.jobs;
    for (std::size_t i = 0; i < plan.worlds && !hunted().empty(); i += at_once) {
        if (plan.seconds > 0 && SteadyClock::now() - begun > std::chrono::duration<double>{plan.seconds}) {
            break;
        }
        std::vector<std::uint64_t> worlds;
        Crowd plain(plan.jobs, plan.life, [&](const Lived& life) {
            ++lived;
            if (life.violations.empty()) {
                worlds.push_back(life.order.seed);
            }
            return false;
        });
        plain.live_all(from_on(plan.seed + i, std::min(at_once, plan.worlds - i)));
        std::ranges::sort(worlds);
        for (const std::uint64_t seed : worlds) {
            std::vector<Order> orders;
            for (const Mutant mutant : hunted()) {
                orders.push_back({.seed = seed, .variant = mutant});
            }
            Crowd wrong(plan.jobs, plan.life, [&](const Lived& life) {
                if (!plan.found.empty() && life.died) {
                    return false;  // who replays it would have to wait for it; another world may tell
                }
                Caught& result = results.at(life.order.variant);
                result.take(life);
                if (result.caught) {
                    const auto card = std::ranges::find(cards, life.order.variant, &MutantCard::mutant);
                    std::fprintf(stderr, "simulate: %s is caught by %s in world %llu\n",
                                 std::string{card->name}.c_str(), result.by.c_str(),
                                 static_cast<unsigned long long>(result.seed));
                }
                return false;
            });
            wrong.live_all(orders);
            ++clean;
            std::fprintf(stderr, "simulate: world %llu, %zu variants left\n",
                         static_cast<unsigned long long>(seed), hunted().size());
        }
    }
    std::printf("%zu of %zu worlds from seed %llu on are clean\n", clean, lived,
                static_cast<unsigned long long>(plan.seed));
    print_table(cards, results, !plan.names.empty());
    const auto caught = static_cast<int>(
        std::ranges::count_if(results, [](const auto& entry) { return entry.second.caught; }));
    std::printf("%d of %zu variants caught, each hunted for as long as the table says\n", caught,
                results.size());
    if (!plan.found.empty()) {
        const int days = static_cast<int>(plan.life.chaos / hours{24});
        std::ofstream out(plan.found);
        out << "# The wrong variants, each with a world that catches it in " << variant_days
            << " days of chaos, or as many as stand behind it:\n"
            << "# written by --mutants --search --seed " << plan.seed << " --days " << days << "\n";
        for (const MutantCard& card : mutant_cards()) {
            const auto result = results.find(card.mutant);
            const bool hunted_now = result != results.end();
            if (hunted_now && result->second.caught) {
                out << line_of(card.name, result->second.seed, days);
            }
            for (const KnownVariant& one : *before) {
                if (!hunted_now && one.order.variant == card.mutant) {
                    out << line_of(card.name, one.order.seed, one.days);
                }
            }
        }
    }
    return static_cast<std::size_t>(caught) == results.size() ? 0 : 1;
#endif
}

int hunt_known(unsigned jobs, const std::string& seeds_file, const std::string& variants_file) {
    const auto known = known_seeds(seeds_file);
    const auto variants = known_variants(variants_file);
    if (!known || !variants) {
        return 2;
    }
    int passed = 0;
    int failed = 0;
    std::map<Mutant, Caught> results;
    const auto live_these = [&](const std::vector<Order>& orders, int days) {
        Crowd crowd(jobs, LifeOptions{}.for_days(days), [&](const Lived& lived) {
            if (lived.order.variant != Mutant::none) {
                results[lived.order.variant].take(lived);
            } else if (lived.violations.empty()) {
                ++passed;
            } else {
                ++failed;
                print_bad(lived, " --days " + std::to_string(days));
            }
            return false;
        });
        crowd.live_all(orders);
    };
    live_these(*known, seed_days);
#ifdef CURFEW_MUTANTS
    std::map<int, std::vector<Order>> by_days;
    std::set<std::pair<std::uint64_t, int>> worlds;
    std::vector<MutantCard> cards;
    for (const KnownVariant& one : *variants) {
        if (worlds.insert({one.order.seed, one.days}).second) {
            by_days[one.days].push_back({.seed = one.order.seed});
        }
        by_days[one.days].push_back(one.order);
        cards.push_back(*std::ranges::find(mutant_cards(), one.order.variant, &MutantCard::mutant));
    }
    for (const auto& [days, orders] : by_days) {
        live_these(orders, days);
    }
    std::printf("worlds in which nothing may break: %zu\n", known->size() + worlds.size());
    print_table(cards, results, false);
    for (const auto& [mutant, result] : results) {
        result.caught ? ++passed : ++failed;
    }
    std::printf("variants that no world is known to catch: %zu\n", mutant_cards().size() - cards.size());
#endif
    std::printf("simulate: %d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

}  // namespace curfew::simulation
