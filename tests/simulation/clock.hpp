// Virtual time: a heap of what is to happen, and three clocks that part from each other. True time never jumps;
// the daemon's monotonic clock is true time since a boot, and its wall clock is UTC plus what was set and what
// drifted.
#pragma once

#include "curfew/ports/scheduler.hpp"
#include "simulation/dice.hpp"
#include "simulation/judge.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace curfew::simulation {

class Clock {
public:
    Clock(WallTime origin, Dice ties) : origin_(origin), ties_(ties) {}

    Instant now() const { return now_; }
    WallTime utc() const { return origin_ + (now_ - Instant{}); }
    WallTime wall() const { return utc() + offset_ + drifted(); }
    Moment moment() const { return {.mono = now_, .utc = utc(), .wall = wall()}; }

    /// Of the daemon's host.
    Instant host_mono() const { return now_ - (booted_ - Instant{}); }
    Instant from_host(Instant at) const { return at == instant_never ? at : at + (booted_ - Instant{}); }
    std::string boot_id() const { return "boot-" + std::to_string(boots_); }
    /// The host starts anew: its monotonic clock begins at a minute.
    void reboot() {
        ++boots_;
        booted_ = now_ - minutes{1};
    }

    /// The wall clock is set.
    void step(Duration by) { offset_ += by; }
    /// … to what is true. By how much it was wrong.
    Duration set_right() {
        const Duration wrong = offset_ + drifted();
        offset_ = Duration{0};
        drift_since_ = now_;
        return -wrong;
    }
    void drift(std::int64_t millionths) {
        offset_ += drifted();
        drift_since_ = now_;
        drift_ = millionths;
    }

    /// Something of the world: it happens whatever becomes of the daemon.
    void at(Instant when, std::function<void()> what);
    void after(Duration d, std::function<void()> what) { at(now_ + d, std::move(what)); }
    /// An alarm of the daemon's, by true time; nothing happens once its owner let go.
    void alarm(Instant when, std::weak_ptr<std::function<void()>> what);

    /// While the host sleeps its alarms wait; they ring together when it wakes.
    void suspend() { suspended_ = true; }
    void wake();
    bool suspended() const { return suspended_; }

    std::optional<Instant> next() const {
        return heap_.empty() ? std::nullopt : std::optional{heap_.front().when};
    }
    /// Goes on to the earliest and lets it happen. True where the daemon was called.
    bool step_on();
    void pass_to(Instant t) { now_ = std::max(now_, t); }
    std::size_t waiting() const { return heap_.size(); }

private:
    struct Entry {
        Instant when;
        std::uint64_t tie;
        std::uint64_t number;
        std::function<void()> what;                    // of the world
        std::weak_ptr<std::function<void()>> daemons;  // or an alarm
        bool of_world = true;
    };
    static bool later(const Entry& a, const Entry& b) {
        return a.when != b.when ? a.when > b.when : a.tie != b.tie ? a.tie > b.tie : a.number > b.number;
    }
    void push(Entry entry);
    Duration drifted() const { return Duration{(now_ - drift_since_).count() / 1000 * drift_ / 1000}; }

    WallTime origin_;
    Dice ties_;
    Instant now_{};
    Instant booted_{-60'000};
    int boots_ = 1;
    Duration offset_{0};
    std::int64_t drift_ = 0;
    Instant drift_since_{};
    std::vector<Entry> heap_;
    std::vector<Entry> asleep_;
    std::uint64_t number_ = 0;
    bool suspended_ = false;
};

/// What one life of the daemon sees of it.
class VirtualScheduler final : public Scheduler {
public:
    VirtualScheduler(Clock& clock, boost::asio::io_context& loop) : clock_(clock), loop_(loop) {}
    Now now() const override { return {clock_.host_mono(), clock_.wall()}; }
    std::string boot_id() const override { return clock_.boot_id(); }
    Alarm at(Instant at, std::function<void()> callback) override;
    Task<void> sleep_until(Instant at) override;

private:
    Clock& clock_;
    boost::asio::io_context& loop_;
};

}  // namespace curfew::simulation
