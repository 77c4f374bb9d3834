// An event loop for tests: runs tasks to their end on the real scheduler.
#pragma once

#include "adapters/clock/real_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace support {

class Loop {
public:
    /// A task under way; `get` runs the loop until it has ended.
    template <class T>
    class Running {
    public:
        bool ended() const { return state_->ended; }
        T get() {
            while (!state_->ended) {
                loop_->turn();
            }
            if (state_->failure) {
                std::rethrow_exception(state_->failure);
            }
            return std::move(*state_->result);
        }

    private:
        friend class Loop;
        struct State {
            std::optional<T> result;
            std::exception_ptr failure;
            bool ended = false;
        };
        Loop* loop_ = nullptr;
        std::shared_ptr<State> state_ = std::make_shared<State>();
    };

    curfew::Scheduler& scheduler() { return scheduler_; }
    boost::asio::io_context& context() { return context_; }

    template <class T>
    Running<T> start(curfew::Task<T> task) {
        Running<T> running;
        running.loop_ = this;
        boost::asio::co_spawn(context_, into(std::move(task), running.state_),
                              [state = running.state_](std::exception_ptr failure) {
                                  state->failure = std::move(failure);
                                  state->ended = true;
                              });
        return running;
    }
    template <class T>
    T run(curfew::Task<T> task) {
        return start(std::move(task)).get();
    }
    void run(curfew::Task<void> task) { run(with_value(std::move(task))); }

    void wait(curfew::Duration d) { run(scheduler_.sleep_for(d)); }
    /// Runs the loop until `done`, for at most `most`.
    template <class Done>
    bool until(Done done, curfew::Duration most = curfew::seconds{60}) {
        const curfew::Instant end = scheduler_.mono() + most;
        while (!done() && scheduler_.mono() < end) {
            wait(curfew::Duration{5});
        }
        return done();
    }

private:
    void turn() {
        if (context_.stopped()) {
            context_.restart();
        }
        if (context_.run_one() == 0) {
            throw std::logic_error("a task waits for nothing");
        }
    }
    template <class T>
    static curfew::Task<void> into(curfew::Task<T> task, std::shared_ptr<typename Running<T>::State> state) {
        state->result.emplace(co_await std::move(task));
    }
    static curfew::Task<bool> with_value(curfew::Task<void> task) {
        co_await std::move(task);
        co_return true;
    }

    boost::asio::io_context context_{1};
    curfew::clock::RealScheduler scheduler_{context_.get_executor(), {}};
};

}  // namespace support
