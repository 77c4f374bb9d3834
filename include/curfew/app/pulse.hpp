// The heartbeat to whoever watches the watcher. Never in the way of a cycle: what is to be said is kept, the newest
// wins, and one sending at a time is under way.
#pragma once

#include "curfew/app/task_group.hpp"
#include "curfew/ports/heartbeat.hpp"
#include "curfew/ports/scheduler.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>
#include <string>

namespace curfew {

class Pulse {
public:
    Pulse(boost::asio::any_io_executor loop, Scheduler& scheduler);

    /// Null = nobody listens. Another one begins anew.
    void use(std::shared_ptr<Heartbeat> heartbeat, Duration interval);
    /// A cycle ended. `bad` = what is not well, empty = all is. Sent at most once an interval; a change at once.
    void beat(std::string bad);

    bool used() const { return heartbeat_ != nullptr; }
    /// The other side took something, since `use`.
    bool heard() const { return heard_bad_.has_value(); }
    /// Sendings that failed in a row, and why.
    int failures() const { return failures_; }
    const std::string& error() const { return error_; }
    std::optional<WallTime> failing_since() const { return failing_since_; }

    Task<void> run();
    void stop();

private:
    bool due() const;
    Task<void> send();

    Scheduler& scheduler_;
    std::shared_ptr<Heartbeat> heartbeat_;
    Duration interval_{0};
    std::optional<std::string> wanted_;  // the newest word, not yet sent
    std::optional<bool> heard_bad_;      // what the other side took last
    std::optional<Instant> tried_at_;
    int failures_ = 0;
    std::string error_;
    std::optional<WallTime> failing_since_;
    Wakeup wakeup_;
    bool stopping_ = false;
};

}  // namespace curfew
