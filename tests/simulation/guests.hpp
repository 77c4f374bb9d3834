// What runs inside a notebook: a server with kernels, a shell and files, honest about all three.
#pragma once

#include "curfew/ports/guest.hpp"
#include "simulation/fleet.hpp"
#include "simulation/provider.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>

namespace curfew::simulation {

/// Faults and chance of all guests; outlives every life of the daemon.
struct SimGuests {
    Fleet& fleet;
    Dice dice;
    Dice unreadable;
    std::function<Duration(const AccountName&)> poll_of;
};

class SimDoor final : public GuestDoor {
public:
    SimDoor(SimGuests& guests, Line line, WorstMoment worst_moment)
        : guests_(guests), line_(line), worst_moment_(std::move(worst_moment)) {}
    std::unique_ptr<Guest> open(const AccountName& account, const Resource& resource,
                                const Run& run) override;

private:
    SimGuests& guests_;
    Line line_;
    WorstMoment worst_moment_;
};

}  // namespace curfew::simulation
