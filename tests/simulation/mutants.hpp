// The wrong variants by name, and what is wrong with each.
#pragma once

#include "curfew/core/mutant.hpp"

#include <span>
#include <string_view>

namespace curfew::simulation {

struct MutantCard {
    Mutant mutant = Mutant::none;
    std::string_view name;
    std::string_view wrong;
};
std::span<const MutantCard> mutant_cards();

}  // namespace curfew::simulation
