// Many lives, several at a time. Each is lived in a process of its own: one that dies or hangs is a failure with its
// seed, and the others go on.
#pragma once

#include "curfew/core/mutant.hpp"
#include "simulation/life.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::simulation {

/// A life to be lived: a world, and the Curfew in it.
struct Order {
    std::uint64_t seed = 0;
    Mutant variant = Mutant::none;
};

/// What came of a life.
struct Lived {
    Order order;
    std::uint64_t hash = 0;
    Counts counts;
    std::int64_t cpu_ms = 0;
    std::vector<std::pair<std::string, std::string>> violations;  // invariant, text with its time
    std::string assertion;  // of the product; a wrong variant's goes on after it
    bool died = false;
};

/// The worlds of `count` seeds from `seed` on, and Curfew as it is.
std::vector<Order> from_on(std::uint64_t seed, std::size_t count);

class Crowd {
public:
    /// True: that was enough.
    using Enough = std::function<bool(const Lived&)>;

    /// Every life has `options` but its own seed, and with a wrong variant it ends at the first violation.
    /// `enough` is asked after each.
    Crowd(unsigned jobs, const LifeOptions& options, Enough enough)
        : jobs_(jobs), options_(options), enough_(std::move(enough)) {}

    /// Lives these; the i-th is worker i modulo `jobs`'s. Ends when all are lived, when it is enough, or after `most`
    /// (0: never), whatever is under way then.
    void live_all(const std::vector<Order>& orders, std::chrono::duration<double> most = {});

private:
    struct Worker;

    void start(Worker& worker);
    bool hear(Worker& worker);
    bool take(Worker& worker, const std::string& line);
    bool died(Worker& worker, std::string why);

    unsigned jobs_;
    LifeOptions options_;
    Enough enough_;
};

}  // namespace curfew::simulation
