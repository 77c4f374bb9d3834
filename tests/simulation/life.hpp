// One seed = one world = one life of the whole daemon in virtual time: chaos, then calm in which everything must
// converge. Deterministic: the same options give the same report, trace hash included, whatever the build.
#pragma once

#include "curfew/core/time.hpp"
#include "simulation/judge.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace curfew::simulation {

struct LifeOptions {
    std::uint64_t seed = 1;
    /// How long faults, people and crashes rage; zero = as the seed draws it (1 to 30 days).
    Duration chaos{0};
    /// How long everything has to converge in; zero = as the seed draws it (2 to 4 days).
    Duration calm{0};
    bool faults = true;         // false: the provider and everything else are perfect all along
    bool crashes = true;        // false: the process never dies
    bool large = false;         // a fleet of hundreds
    bool until_broken = false;  // ends with the first violation
    bool print = false;         // every event on standard error, as it is hashed

    /// Chaos of so many days, and two days of calm; 0: both as the seed draws them.
    LifeOptions& for_days(double days);
};

/// How much was lived, in one life or in many.
struct Counts {
    std::int64_t instance_ms = 0;  // running time of all runs together
    std::int64_t faults = 0;       // that were really injected
    std::int64_t crashes = 0;
    std::int64_t commits = 0;
    std::int64_t events = 0;                    // handlers of the event loop and alarms that ran
    std::map<std::string, std::int64_t> marks;  // as the Tally has them

    /// Sums; of a mark "max.…" the greater one.
    void add(const Counts& other);
};

struct LifeReport {
    std::uint64_t trace_hash = 0;
    std::vector<Violation> violations;
    Counts counts;
};

/// May be called as often as one likes, from one thread of a process.
LifeReport live(const LifeOptions& options);

}  // namespace curfew::simulation
