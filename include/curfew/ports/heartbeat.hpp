// Who watches the watcher: somebody outside who notices when nothing comes any more.
#pragma once

#include "curfew/ports/task.hpp"

#include <string>

namespace curfew {

class Heartbeat {
public:
    virtual ~Heartbeat() = default;
    /// Says that all is well (""), or what is not; within a time of its own. Errors never hold the address, which
    /// is a secret.
    virtual Task<Result<void>> beat(std::string bad) = 0;
};

}  // namespace curfew
