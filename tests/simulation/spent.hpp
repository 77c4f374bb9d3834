// Where the CPU time of a life goes. Whoever is at work says so in one word, and a timer of the process looks what it
// says every few milliseconds: the words cost nothing that would change what is measured, and nothing of it gets into
// a trace.
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <string>
#include <utility>

namespace curfew::simulation {

enum class Work : std::sig_atomic_t {
    daemon,   // the product, and what answers it at once: provider, guests, vaults, receivers
    store,    // SQLite, and the disk below it
    opening,  // … of a database, after each death
    judge,
    world,  // users, operators, faults, the clock
};
constexpr std::array work_names{"the daemon and its partners", "the store", "the store, opened anew",
                                "the judge", "users, faults, the clock"};

/// Until it goes, the time is this one's.
class At {
public:
    explicit At(Work work);
    At(const At&) = delete;
    At& operator=(const At&) = delete;
    ~At();

private:
    std::sig_atomic_t before_;
};

/// From now on, for the rest of this process.
void watch_time();
/// CPU time by Work since the last call, in nanoseconds.
std::array<std::int64_t, work_names.size()> take_time();

}  // namespace curfew::simulation
