// How far forecasts lie from the truth: made-up accounts of every habit, asked at four moments of a month, with a
// naive projection beside it. Prints one line per habit, moment and length of history.
#include "support/spending.hpp"
#include "support/zones.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace curfew;
using namespace curfew::test;

int main(int argc, char** argv) {
    const int accounts = argc > 1 ? std::atoi(argv[1]) : 200;
    if (accounts < 1) {
        std::fprintf(stderr, "usage: curfew-bench-forecast [ACCOUNTS]\n");
        return 2;
    }
    for (const int history_days : {10, 21, 60}) {
        for (const Habit habit : habits) {
            for (const int percent : judged_at) {
                Judged sum;
                std::chrono::duration<double> took{0};
                for (int i = 0; i < accounts; ++i) {
                    const Spending account = spending_of(
                        habit, judged_seeds_from + static_cast<std::uint64_t>(i), history_days, rome);
                    const auto begun = std::chrono::steady_clock::now();
                    sum += judge(account, percent);
                    took += std::chrono::steady_clock::now() - begun;
                }
                std::printf("%d\t%s\t%d\t%lld\t%.6f\t%.6f\t%lld\t%lld\t%.6f\n", history_days,
                            std::string{to_string(habit)}.c_str(), percent, static_cast<long long>(sum.asked),
                            sum.error, sum.naive_error, static_cast<long long>(sum.inside),
                            static_cast<long long>(sum.below), took.count());
            }
        }
    }
    return 0;
}
