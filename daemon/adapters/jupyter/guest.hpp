// A notebook's own Jupyter server behind the Guest port. Everything is asked in ways that do not count as
// use (`no_track_activity=1`, /files), but for a probe (probe.hpp); nothing is written; a notebook is never
// read as a notebook, since on newer servers that can destroy it while it is being saved.
#pragma once

#include "adapters/http/client.hpp"
#include "adapters/jupyter/own.hpp"
#include "curfew/core/config.hpp"
#include "curfew/ports/guest.hpp"

#include <functional>
#include <memory>

namespace curfew::jupyter {

class JupyterDoor final : public GuestDoor {
public:
    /// `account` finds the settings of an account in force, or nullptr.
    JupyterDoor(http::Client& client, Scheduler& scheduler,
                std::function<const AccountConfig*(const AccountName&)> account,
                std::function<int()> connections_max);
    std::unique_ptr<Guest> open(const AccountName& account, const Resource& resource,
                                const Run& run) override;

private:
    http::Client& client_;
    Scheduler& scheduler_;
    std::function<const AccountConfig*(const AccountName&)> account_;
    std::function<int()> connections_max_;
    std::shared_ptr<Own> own_ = std::make_shared<Own>();
};

}  // namespace curfew::jupyter
