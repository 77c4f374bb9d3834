// Runs a task on virtual time until it answers, without letting time pass.
#pragma once

#include "support/manual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace curfew::test {

/// Fails the test when the task throws, or waits for more than what is ready.
template <class T>
T await(boost::asio::io_context& io, ManualScheduler& scheduler, Task<T> task) {
    std::optional<T> out;
    boost::asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& bug, T value) {
        REQUIRE_FALSE(bug);
        out = std::move(value);
    });
    for (int i = 0; i < 50 && !out; ++i) {
        scheduler.settle();
    }
    REQUIRE(out);
    return std::move(*out);
}

}  // namespace curfew::test
