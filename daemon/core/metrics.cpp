#include "curfew/core/metrics.hpp"

#include <charconv>
#include <system_error>

namespace curfew {

std::optional<bool> gpu_worked(std::string_view evidence) {
    constexpr std::string_view word = "GPU ";
    constexpr int active_percent = 5;
    const std::size_t at = evidence.find(word);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view number = evidence.substr(at + word.size());
    int percent = 0;
    if (std::from_chars(number.data(), number.data() + number.size(), percent).ec != std::errc{}) {
        return std::nullopt;
    }
    return percent >= active_percent;
}

}  // namespace curfew
