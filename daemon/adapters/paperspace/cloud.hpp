// Paperspace behind the Cloud port: notebooks and machines are listed on v1 and notebooks are stopped on
// the legacy host, since v1 has no stop for them. Runs are named by the id that a start issues, resources
// by `notebookRepoId`; nothing is ever done to "whichever is running".
#pragma once

#include "adapters/http/client.hpp"
#include "curfew/core/config.hpp"
#include "curfew/ports/cloud.hpp"

#include <memory>

namespace curfew::paperspace {

struct Keys {
    Secret key;
    Secret balance_key;  // for `balance_url` only, and the other one never goes there (I12)
};

/// `client` and `scheduler` must outlive it.
std::shared_ptr<Cloud> make_cloud(const AccountConfig& account, Keys keys, http::Client& client,
                                  Scheduler& scheduler);

}  // namespace curfew::paperspace
