// What many lives came to, for people to read.
#pragma once

#include "simulation/crowd.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace curfew::simulation {

struct Sum {
    std::int64_t lives = 0;
    Counts counts;
    std::int64_t cpu_ms = 0;
    std::vector<Lived> bad;

    void add(const Lived& lived);
};

double years(std::int64_t instance_ms);

/// What is broken in this life, and the command that shows it again: `how` is what belongs to it beside the seed.
void print_bad(const Lived& lived, const std::string& how);
/// `seconds`: that it took.
void print_sum(const Sum& sum, double seconds);
void print_marks(const Counts& counts);

}  // namespace curfew::simulation
