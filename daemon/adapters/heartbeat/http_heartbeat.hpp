// A heartbeat in the manner of healthchecks: GET on an address that is a secret while all is well, POST on its
// /fail with the reason when it is not. The rules of a webhook: https, no redirects, checked addresses.
#pragma once

#include "adapters/http/client.hpp"
#include "curfew/core/config.hpp"
#include "curfew/core/secret.hpp"
#include "curfew/ports/heartbeat.hpp"
#include "curfew/ports/scheduler.hpp"

#include <memory>

namespace curfew::heartbeat {

/// `url` is of `config.url` or of the file it names. Errc::invalid or unsafe when it cannot be one, without its
/// text. `client` and `scheduler` must outlive it.
Result<std::shared_ptr<Heartbeat>> make_heartbeat(const HeartbeatConfig& config, const Secret& url,
                                                  Duration timeout, http::Client& client,
                                                  Scheduler& scheduler);

}  // namespace curfew::heartbeat
