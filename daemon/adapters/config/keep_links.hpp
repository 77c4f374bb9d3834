// [keep_link] to where keep links are answered.
#pragma once

#include "adapters/config/check.hpp"
#include "curfew/core/config.hpp"

namespace curfew::config {

KeepLinkConfig keep_link_of(const Block& block, const KeepPolicy& keep, Faults& faults);

}  // namespace curfew::config
