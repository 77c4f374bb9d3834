// The only source of randomness.
#pragma once

#include <cstdint>
#include <string>

namespace curfew {

class Entropy {
public:
    virtual ~Entropy() = default;
    virtual std::uint64_t next() = 0;
    /// Uniform in [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound) {
        // The tail that would favour small values is thrown away.
        const std::uint64_t limit = (0 - bound) % bound;
        for (;;) {
            const std::uint64_t value = next();
            if (value >= limit) {
                return value % bound;
            }
        }
    }
    /// 2 × bytes lower-case hex digits.
    std::string hex(int bytes) {
        static constexpr char digits[] = "0123456789abcdef";
        std::string text;
        for (int i = 0; i < bytes; ++i) {
            const std::uint64_t value = below(256);
            text += digits[value >> 4];
            text += digits[value & 15];
        }
        return text;
    }
};

}  // namespace curfew
