// The verbs about money.
#pragma once

#include "talk.hpp"

namespace curfew::cli {

int spend(const Options& o);
int export_focus(const Options& o);
int budgets(const Options& o);
int set_budget(const Options& o);
int remove_budget(const Options& o);
/// Exit code 0: over; 9: not; 11: that cannot be told now.
int is_over(const Options& o);
int forecast(const Options& o);
int credit(const Options& o);
int advise(const Options& o);

}  // namespace curfew::cli
