// The only source of time and of waiting. The real one runs on the event loop and CLOCK_BOOTTIME; an
// accelerated one serves the demo, a virtual one the simulation.
#pragma once

#include "curfew/ports/task.hpp"

#include <functional>
#include <memory>

namespace curfew {

class Scheduler {
public:
    /// Cancels its callback when destroyed. Empty after it fired.
    class Alarm {
    public:
        Alarm() = default;
        explicit Alarm(std::shared_ptr<void> state) : state_(std::move(state)) {}
        void cancel() { state_.reset(); }

    private:
        std::shared_ptr<void> state_;
    };

    virtual ~Scheduler() = default;
    virtual Now now() const = 0;
    Instant mono() const { return now().mono; }
    WallTime wall() const { return now().wall; }
    Deadline in(Duration d) const { return {mono() + d}; }
    /// Stored instants of an earlier process are comparable exactly if this text is the same.
    virtual std::string boot_id() const = 0;
    /// Calls `callback` once on the loop, not before `at`, unless the alarm is cancelled first.
    [[nodiscard]] virtual Alarm at(Instant at, std::function<void()> callback) = 0;
    /// Returns when `at` has come. Honours coroutine cancellation: then returns early.
    virtual Task<void> sleep_until(Instant at) = 0;
    Task<void> sleep_for(Duration d) { return sleep_until(mono() + d); }
};

}  // namespace curfew
