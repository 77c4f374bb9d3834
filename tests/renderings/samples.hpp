// One message of each kind that people get most, as the daemon makes it, about a world that never changes.
#pragma once

#include "curfew/core/alert.hpp"

#include <string>
#include <vector>

namespace curfew::renderings {

struct Sample {
    std::string name;  // of its files
    std::string heading;
    std::string when;  // it is sent
    Message message;
};

std::vector<Sample> samples();

}  // namespace curfew::renderings
