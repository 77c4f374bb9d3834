// Where alerts are sent.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/ports/task.hpp"

#include <string>

namespace curfew {

/// Success = the receiver took it (2xx, SMTP 250). Errors say how to go on: Retry::later or after,
/// never (a dead letter), Errc::forbidden with 410 (the channel disables itself), ambiguous (no
/// answer after everything was sent: it may arrive twice).
class Channel {
public:
    virtual ~Channel() = default;
    virtual const ChannelName& name() const = 0;
    virtual Task<Result<void>> deliver(Message message, Deadline deadline) = 0;
};

}  // namespace curfew
