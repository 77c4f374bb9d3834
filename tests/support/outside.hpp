// Who listens to the heartbeat, and how full the disks are, in memory.
#pragma once

#include "curfew/ports/disk.hpp"
#include "curfew/ports/heartbeat.hpp"
#include "support/manual_scheduler.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::test {

class FakeHeartbeat final : public Heartbeat {
public:
    explicit FakeHeartbeat(ManualScheduler& scheduler) : scheduler_(scheduler) {}
    std::optional<Error> failing;
    Duration takes{0};
    std::vector<std::pair<Instant, std::string>> beats;  // when each was sent, "" = all is well
    int at_once_max = 0;

    Task<Result<void>> beat(std::string bad) override {
        beats.emplace_back(scheduler_.mono(), std::move(bad));
        at_once_max = std::max(at_once_max, ++at_once_);
        co_await scheduler_.sleep_for(takes);
        --at_once_;
        if (failing) {
            co_return std::unexpected(*failing);
        }
        co_return Result<void>{};
    }

private:
    ManualScheduler& scheduler_;
    int at_once_ = 0;
};

class FakeDisks final : public DiskGauge {
public:
    std::map<std::string, Result<Space>> folders;  // others have room enough
    Task<Result<Space>> space(std::string folder) override {
        const auto found = folders.find(folder);
        co_return found != folders.end()
            ? found->second
            : Result<Space>{Space{.free = 500LL << 30, .total = 1000LL << 30, .volume = folder}};
    }
};

}  // namespace curfew::test
