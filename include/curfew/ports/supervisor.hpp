// The service manager.
#pragma once

#include "curfew/core/time.hpp"

#include <optional>
#include <string>

namespace curfew {

class Supervisor {
public:
    virtual ~Supervisor() = default;
    virtual void ready() = 0;
    virtual void reloading() = 0;
    virtual void stopping() = 0;
    virtual void status(const std::string& line) = 0;
    virtual void alive() = 0;  // feeds the watchdog
    virtual std::optional<Duration> watchdog_interval() const = 0;
};

}  // namespace curfew
