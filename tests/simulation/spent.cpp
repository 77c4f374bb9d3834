#include "simulation/spent.hpp"

#include <sys/time.h>

#include <atomic>

namespace curfew::simulation {

namespace {

constexpr long sample_us = 2000;

volatile std::sig_atomic_t at_work = 0;
std::array<std::atomic<std::int64_t>, work_names.size()> samples{};

void look(int /*signal*/) {
    samples[static_cast<std::size_t>(at_work)].fetch_add(1, std::memory_order_relaxed);
}

std::int64_t cpu_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::int64_t counted_to = 0;

}  // namespace

At::At(Work work) : before_(at_work) {
    at_work = static_cast<std::sig_atomic_t>(work);
}

At::~At() {
    at_work = before_;
}

void watch_time() {
    struct sigaction action{};
    action.sa_handler = look;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGPROF, &action, nullptr);
    const itimerval every{.it_interval = {0, sample_us}, .it_value = {0, sample_us}};
    ::setitimer(ITIMER_PROF, &every, nullptr);
    counted_to = cpu_ns();
}

std::array<std::int64_t, work_names.size()> take_time() {
    // The kernel looks when it likes: the samples say how the time is parted, not how much there was.
    const std::int64_t now = cpu_ns();
    const std::int64_t spent = now - std::exchange(counted_to, now);
    std::array<std::int64_t, work_names.size()> parts{};
    std::int64_t all = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i] = samples[i].exchange(0);
        all += parts[i];
    }
    for (std::int64_t& part : parts) {
        part = all > 0 ? part * (spent / all) : 0;
    }
    return parts;
}

}  // namespace curfew::simulation
