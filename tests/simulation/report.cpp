#include "simulation/report.hpp"

#include <algorithm>
#include <cstdio>

namespace curfew::simulation {

namespace {

/// What every simulation of some size must have come by; what never happened proves nothing.
const std::vector<std::string>& wanted_marks() {
    static const std::vector<std::string> marks{"enforcement.warned",
                                                "enforcement.due",
                                                "enforcement.packing",
                                                "enforcement.packed",
                                                "enforcement.stopping",
                                                "enforcement.confirming",
                                                "enforcement.stopped",
                                                "enforcement.pack_failed",
                                                "enforcement.held",
                                                "enforcement.stop_failed",
                                                "enforcement.over",
                                                "stop.call.provider",
                                                "stop.call.guest",
                                                "stop.not_sent",
                                                "stop.cause.idle",
                                                "stop.cause.schedule",
                                                "stop.cause.age",
                                                "stop.cause.budget",
                                                "stop.cause.manual",
                                                "stop.with_receipt",
                                                "stop.with_override",
                                                "breaker.open",
                                                "breaker.reset",
                                                "budget.fired",
                                                "budget.exceeded",
                                                "clock.step",
                                                "suspend",
                                                "config",
                                                "crash",
                                                "ledger.exact",
                                                "ledger.estimated",
                                                "parcel.taken",
                                                "parcel.taken_unheard",
                                                "outbox.delivered",
                                                "outbox.dead",
                                                "outbox.superseded",
                                                "run.ended_by_user",
                                                "run.ended_by_stop",
                                                "alert.stop_warning.firing",
                                                "alert.stop_failed.firing",
                                                "alert.pack_failed.firing",
                                                "alert.blind.firing",
                                                "alert.key_rejected.firing",
                                                "alert.unpriced.firing",
                                                "alert.undelivered.firing"};
    return marks;
}

}  // namespace

void Sum::add(const Lived& lived) {
    ++lives;
    counts.add(lived.counts);
    cpu_ms += lived.cpu_ms;
    if (!lived.violations.empty()) {
        bad.push_back(lived);
    }
}

double years(std::int64_t instance_ms) {
    constexpr double ms_per_year = 365.25 * 24 * 3'600'000;
    return static_cast<double>(instance_ms) / ms_per_year;
}

void print_bad(const Lived& lived, const std::string& how) {
    std::printf("\nseed %llu breaks what must hold:\n", static_cast<unsigned long long>(lived.order.seed));
    for (const auto& [invariant, text] : lived.violations) {
        std::printf("  %-5s %s\n", invariant.c_str(), text.c_str());
    }
    if (!lived.assertion.empty()) {
        std::printf("  assert %s\n", lived.assertion.c_str());
    }
    std::printf("  again: ./dev simulate --seed %llu --years 0%s\n",
                static_cast<unsigned long long>(lived.order.seed), how.c_str());
}

void print_sum(const Sum& sum, double seconds) {
    const double all = years(sum.counts.instance_ms);
    std::printf(
        "%lld worlds, %.1f instance-years, %lld faults, %lld crashes, %lld commits, %lld events in %.1f s "
        "(%.1f s of CPU)\n",
        static_cast<long long>(sum.lives), all, static_cast<long long>(sum.counts.faults),
        static_cast<long long>(sum.counts.crashes), static_cast<long long>(sum.counts.commits),
        static_cast<long long>(sum.counts.events), seconds, static_cast<double>(sum.cpu_ms) / 1000);
    const double cpu = std::max(0.001, static_cast<double>(sum.cpu_ms) / 1000);
    std::printf(
        "a second of CPU: %.3f instance-years, %.0f faults, %.1f crashes, %.0f commits, %.0f events; an "
        "instance-year: %.1f s of CPU\n",
        all / cpu, static_cast<double>(sum.counts.faults) / cpu,
        static_cast<double>(sum.counts.crashes) / cpu, static_cast<double>(sum.counts.commits) / cpu,
        static_cast<double>(sum.counts.events) / cpu, all > 0 ? cpu / all : 0.0);
    std::printf("where the time went:\n");
    for (const auto& [name, count] : sum.counts.marks) {
        if (name.starts_with("time.")) {
            const double part = static_cast<double>(count) / 1e9;
            std::printf("  %-28s %8.1f s %5.1f %%\n", name.substr(5).c_str(), part, part * 100 / cpu);
        }
    }
    std::int64_t stops = 0;
    for (const auto& [name, count] : sum.counts.marks) {
        stops += name.starts_with("stop.call.") ? count : 0;
    }
    const auto worst = sum.counts.marks.find("max.I7_permille");
    std::printf("stops called: %lld; worst overshoot of a hard budget: %.3f of its bound\n",
                static_cast<long long>(stops),
                worst == sum.counts.marks.end() ? 0.0 : static_cast<double>(worst->second) / 1000);
    std::string never;
    for (const std::string& mark : wanted_marks()) {
        never += sum.counts.marks.contains(mark) ? "" : " " + mark;
    }
    std::printf("never reached:%s\n", never.empty() ? " nothing" : never.c_str());
}

void print_marks(const Counts& counts) {
    for (const auto& [name, count] : counts.marks) {
        if (!name.starts_with("time.")) {
            std::printf("  %10lld %s\n", static_cast<long long>(count), name.c_str());
        }
    }
}

}  // namespace curfew::simulation
