// Sole owner of spawned work. An exception that escapes a task is a bug: it is reported to
// `on_bug` (orderly exit) and never swallowed. `join` returns when every task has ended (I13).
#pragma once

#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace curfew {

class TaskGroup {
public:
    using Handle = std::weak_ptr<void>;

    TaskGroup(boost::asio::any_io_executor loop, std::function<void(const std::string&)> on_bug);
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    ~TaskGroup();  // asserts that nothing runs any more

    /// Starts `task` on the loop.
    Handle spawn(std::string name, Task<void> task);
    /// Asks one task, or all, to end soon. On the loop thread only. Harmless for an ended task.
    void cancel(const Handle& handle);
    void cancel_all();
    std::size_t running() const;
    Task<void> join();

    boost::asio::any_io_executor loop() const { return loop_; }

private:
    struct State;
    boost::asio::any_io_executor loop_;
    std::shared_ptr<State> state_;
};

/// A flag that one coroutine waits for. `notify` before `wait` is not lost. Loop thread only.
class Wakeup {
public:
    explicit Wakeup(boost::asio::any_io_executor loop);
    Task<void> wait();
    void notify();

private:
    struct State;
    boost::asio::any_io_executor loop_;
    std::shared_ptr<State> state_;
};

/// What a loop rests by that looks, waits and looks again: `do { look } while (co_await rest.lasts(d));`. Loop
/// thread only.
class Rest {
public:
    Rest(boost::asio::any_io_executor loop, Scheduler& scheduler);
    /// For `d`, until `wake` or until `stop`, whichever comes first. False: it is time to end.
    Task<bool> lasts(Duration d);
    /// A `wake` before the rest begins is not lost.
    void wake() { wakeup_.notify(); }
    void stop();
    bool stopped() const { return stopped_; }

private:
    Scheduler& scheduler_;
    Wakeup wakeup_;
    bool stopped_ = false;
};

/// Runs `work(0) … work(count - 1)`, at most `parallel` at a time, and returns when all are done.
Task<void> for_each_bounded(boost::asio::any_io_executor loop, std::size_t count, std::size_t parallel,
                            std::function<Task<void>(std::size_t)> work);

}  // namespace curfew
