// How much room there is on disks.
#pragma once

#include "curfew/core/health.hpp"
#include "curfew/ports/task.hpp"

#include <string>

namespace curfew {

class DiskGauge {
public:
    virtual ~DiskGauge() = default;
    /// Of the file system that holds `folder`, or the nearest folder above it that there is. Errc::timeout: the
    /// file system does not answer for seconds (a network that is gone).
    virtual Task<Result<Space>> space(std::string folder) = 0;
};

}  // namespace curfew
