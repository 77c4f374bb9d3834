#include "curfew/core/add_on.hpp"

namespace curfew {

std::string_view to_string(AddOnKind kind) {
    switch (kind) {
        case AddOnKind::block_storage:
            return "block storage";
        case AddOnKind::public_ip:
            return "public IP";
        case AddOnKind::snapshot:
            return "snapshot";
        case AddOnKind::shared_drive:
            return "shared drive";
        case AddOnKind::template_image:
            return "template";
        case AddOnKind::private_network:
            return "private network";
        case AddOnKind::overage:
            return "storage above the plan";
        case AddOnKind::machine:
            break;
    }
    return "machine";
}

}  // namespace curfew
