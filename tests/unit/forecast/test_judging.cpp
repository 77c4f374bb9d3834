// The forecast against made-up accounts whose end is known, beside a naive projection. `./dev bench forecast`
// prints the same by habit; the bounds here are those of the whole.
#include "support/spending.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

TEST_CASE("the forecast errs less than a naive projection, and its range holds the truth") {
    const int history_days = GENERATE(21, 60);
    CAPTURE(history_days);
    Judged all;
    for (const Habit habit : habits) {
        for (std::uint64_t seed = judged_seeds_from; seed < judged_seeds_from + 100; ++seed) {
            const Spending account = spending_of(habit, seed, history_days, rome);
            for (const int percent : judged_at) {
                all += judge(account, percent);
            }
        }
    }
    CAPTURE(all.asked, all.inside, all.error, all.naive_error);
    CHECK(all.asked > 3'000);
    CHECK(all.error < all.naive_error);
    CHECK(all.inside * 100 >= all.asked * 60);
    CHECK(all.inside * 100 <= all.asked * 95);  // a range that holds everything says nothing
}
