// The real Scheduler: CLOCK_BOOTTIME for instants (it goes on while the machine sleeps), the system's
// clock for wall time. Accelerated, both run `speed` times faster from a common origin, so that a
// daemon and an emulator with the same options agree; for demonstrations and tests only.
#pragma once

#include "curfew/ports/entropy.hpp"
#include "curfew/ports/scheduler.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace curfew::clock {

struct ClockOptions {
    int speed = 1;        // 1 = real time
    WallTime origin;      // virtual wall time at …
    WallTime start_real;  // … this real wall time
};

class RealScheduler final : public Scheduler {
public:
    RealScheduler(boost::asio::any_io_executor loop, ClockOptions options);
    ~RealScheduler() override;

    Now now() const override;
    std::string boot_id() const override;
    Alarm at(Instant at, std::function<void()> callback) override;
    Task<void> sleep_until(Instant at) override;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// getrandom(2).
class SystemEntropy final : public Entropy {
public:
    std::uint64_t next() override;
};

/// An IANA zone of the system's tz database as data. Errc::invalid for an unknown name.
Result<Zone> load_zone(std::string_view name);

}  // namespace curfew::clock
