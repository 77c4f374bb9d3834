// Where alerts are sent.
#pragma once

#include "curfew/core/alert.hpp"
#include "curfew/ports/task.hpp"

#include <string>

namespace curfew {

/// One sending. Its id is `message.id`: the same at every attempt, so that a receiver can tell that
/// something comes twice.
struct Parcel {
    Message message;
    std::string to;  // "" = the channel's own receivers
};

/// What a receiver said when it took something, in a line: "250 2.0.0 Ok: queued as 4F1", "HTTP 204".
struct Delivered {
    std::string answer;
};

/// Success = the receiver took it (2xx, SMTP 250). Errors say how to go on: Retry::later or after,
/// never (a dead letter), Errc::forbidden with 410 (the channel disables itself), ambiguous (no
/// answer after everything was sent: it may arrive twice).
class Channel {
public:
    virtual ~Channel() = default;
    virtual const ChannelName& name() const = 0;
    /// Whether several alerts may come in one parcel. False where each is an incident of its own, known by the
    /// key of its alert: then each goes alone, and there is no cap by the hour.
    virtual bool groups() const { return true; }
    virtual Task<Result<Delivered>> deliver(Parcel parcel, Deadline deadline) = 0;
};

}  // namespace curfew
