#include "curfew/core/silence.hpp"

namespace curfew {

std::string_view to_string(SilenceKind kind) {
    switch (kind) {
        case SilenceKind::silence:
            return "silence";
        case SilenceKind::maintenance:
            break;
    }
    return "maintenance";
}

}  // namespace curfew
