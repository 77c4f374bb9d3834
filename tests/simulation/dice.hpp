// Chance of a simulation: the same numbers on every machine and at every optimisation, from integers alone.
#pragma once

#include "curfew/core/time.hpp"
#include "curfew/ports/entropy.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace curfew::simulation {

/// A counter through a mixer (splitmix64). Streams that are split off do not disturb each other.
class Dice final : public Entropy {
public:
    explicit Dice(std::uint64_t seed = 1) : state_(seed) {}
    /// A stream of its own: `what` tells it from the others of the same seed.
    Dice split(std::string_view what) const {
        std::uint64_t h = state_ ^ 0xCBF29CE484222325;
        for (const char c : what) {
            h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
        }
        return Dice{mixed(h)};
    }
    std::uint64_t next() override { return mixed(state_ += 0x9E3779B97F4A7C15); }

    bool one_in(std::uint64_t n) { return n > 0 && below(n) == 0; }
    /// In millionths.
    bool chance(std::int64_t ppm) { return ppm > 0 && static_cast<std::int64_t>(below(1'000'000)) < ppm; }
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
    }
    Duration between(Duration low, Duration high) { return Duration{between(low.count(), high.count())}; }
    /// Mostly near `low`: an octave first, then a place in it.
    Duration skewed(Duration low, Duration high) {
        std::int64_t octaves = 0;
        while ((low.count() << (octaves + 1)) < high.count()) {
            ++octaves;
        }
        const std::int64_t from = low.count() << between(0, octaves);
        return Duration{between(from, std::min(high.count(), from * 2))};
    }
    template <class T>
    const T& pick(const std::vector<T>& all) {
        return all[static_cast<std::size_t>(below(all.size()))];
    }

private:
    static std::uint64_t mixed(std::uint64_t z) {
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EB;
        return z ^ (z >> 31U);
    }
    std::uint64_t state_;
};

}  // namespace curfew::simulation
