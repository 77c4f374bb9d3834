// The verbs about money.
#pragma once

#include "talk.hpp"

namespace curfew::cli {

int spend(const Options& o);
int export_focus(const Options& o);

}  // namespace curfew::cli
