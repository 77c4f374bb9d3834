// The hunt for wrong variants of Curfew: which world catches which, found anew or known.
#pragma once

#include "simulation/life.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace curfew::simulation {

struct Hunt {
    unsigned jobs = 1;
    LifeOptions life;
    std::uint64_t seed = 1;  // of the first world
    std::size_t worlds = 40;
    double seconds = 0;              // no world is begun after these; 0: all are
    std::vector<std::string> names;  // of variants; empty: all
    std::string found;               // file for a world that catches each; empty: none is written
};

/// Prints the table. Of `found` the lines of variants that are not hunted stay. 0: each was caught; 1: not; 2: a name
/// that no variant has, or a file whose lines cannot be kept.
int hunt(const Hunt& plan);

/// Worlds of a few days, always the same ones: those that found something, and those that are known to catch a
/// wrong variant, as they are and with it. 0: all is as it should be; 1: not; 2: a file that is none.
int hunt_known(unsigned jobs, const std::string& seeds_file, const std::string& variants_file);

}  // namespace curfew::simulation
