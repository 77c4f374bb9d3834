#include "curfew/core/resource.hpp"

#include <array>
#include <utility>

namespace curfew {

namespace {

constexpr std::array words{
    std::pair{RunState::pending, "pending"}, std::pair{RunState::provisioned, "provisioned"},
    std::pair{RunState::running, "running"}, std::pair{RunState::stopping, "stopping"},
    std::pair{RunState::stopped, "stopped"}, std::pair{RunState::failed, "failed"},
    std::pair{RunState::unknown, "unknown"},
};

}  // namespace

std::string_view to_string(ResourceKind kind) {
    return kind == ResourceKind::notebook ? "notebook" : "machine";
}

std::string_view to_string(RunState state) {
    for (const auto& [s, word] : words) {
        if (s == state) {
            return word;
        }
    }
    return "unknown";
}

RunState run_state_from(std::string_view word) {
    for (const auto& [state, w] : words) {
        if (word == w) {
            return state;
        }
    }
    return RunState::unknown;
}

}  // namespace curfew
