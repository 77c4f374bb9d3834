// What the rooms of app share: the ports, the configuration in force and the picture. Made by the
// daemon, handed around by reference; nothing in here decides anything.
#pragma once

#include "curfew/app/picture.hpp"
#include "curfew/core/config.hpp"
#include "curfew/ports/cloud.hpp"
#include "curfew/ports/entropy.hpp"
#include "curfew/ports/guest.hpp"
#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/store.hpp"
#include "curfew/ports/vault.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace curfew {

struct World {
    boost::asio::any_io_executor loop;
    Scheduler& scheduler;
    Entropy& entropy;
    Store& store;
    GuestDoor& guests;
    std::map<AccountName, std::shared_ptr<Cloud>> clouds;
    std::shared_ptr<const Config> config;  // swapped whole on reload
    Picture picture;
    /// Told at every numbered point of an enforcement: before and after each transaction, around each
    /// outside act. The crash tests kill the daemon there.
    std::function<void(std::string_view)> at_point = [](std::string_view) {};

    const AccountConfig* account(const AccountName& name) const {
        for (const AccountConfig& account : config->accounts) {
            if (account.name == name) {
                return &account;
            }
        }
        return nullptr;
    }
    /// Shared, so that a call under way outlives a reload.
    std::shared_ptr<Cloud> cloud(const AccountName& name) const {
        const auto found = clouds.find(name);
        return found == clouds.end() ? nullptr : found->second;
    }
};

/// What somebody did to a resource, as a row of the audit.
inline AuditRow audit_row(const World& world, const LiveResource& live, std::string kind, std::string actor,
                          std::string text) {
    return {.seq = 0,
            .at = world.scheduler.wall(),
            .kind = std::move(kind),
            .account = live.resource.account,
            .resource = live.resource.id,
            .run = live.current.run.id,
            .actor = std::move(actor),
            .text = std::move(text)};
}

}  // namespace curfew
