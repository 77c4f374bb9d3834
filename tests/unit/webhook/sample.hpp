// Messages for the tests of what is made of them.
#pragma once

#include "adapters/webhook/target.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace sample {

/// A warning with everything in it; `name` is what a guest called itself.
curfew::Parcel warning(const std::string& name = "demo");

/// The body of a letter that must be JSON.
nlohmann::json body_of(const curfew::webhook::Target& target, const curfew::Parcel& parcel);

/// Every string of a document, keys included.
std::vector<std::string> strings_in(const nlohmann::json& json);

/// All that speak JSON, with a name each.
struct Named {
    std::string name;
    std::unique_ptr<curfew::webhook::Target> target;
};
std::vector<Named> all_targets();

}  // namespace sample
