// What costs money without running: disks, addresses, snapshots, shared drives, storage above the plan.
// Their price is a monthly cap that is reached after 672 hours (paperspace-api § 5.3).
#pragma once

#include "curfew/core/ids.hpp"
#include "curfew/core/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace curfew {

enum class AddOnKind : std::uint8_t {
    block_storage,  // the disk of a machine
    public_ip,      // static ones until released, dynamic ones while their machine is on
    snapshot,
    shared_drive,
    template_image,  // a custom template
    private_network,
    overage,  // of the team's storage above its plan
    machine,  // one that costs the same on or off; never in a listing
};
std::string_view to_string(AddOnKind kind);

/// One add-on as one listing showed it.
struct AddOn {
    std::string id;  // unique, also among accounts, and for good: "disk/psq1w2e3r4", "ip/203.0.113.9"
    AddOnKind kind = AddOnKind::block_storage;
    ResourceId resource;     // what it belongs to; its own id when it belongs to nothing or to the team
    std::string name;        // for people: "disk of train-box"
    std::int64_t bytes = 0;  // 0 where size is no matter
    bool billing = true;     // false: known not to bill now (a dynamic address of a machine that is off)
    bool orphan = false;     // belongs to nothing: nobody would miss it but the bill
    std::optional<WallTime> since;  // the provider's stamp of its creation, or of the start of this stretch
    std::optional<WallTime> until;  // … of its end, where `billing` is false
};

}  // namespace curfew
