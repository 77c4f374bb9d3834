// A few threads for hashing and disk work, so that the loop never waits for a disk.
#pragma once

#include "curfew/ports/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace curfew::vault {

class Workers {
public:
    Workers(boost::asio::any_io_executor loop, std::size_t threads)
        : loop_(std::move(loop)), pool_(threads) {}

    /// Work that was given away and is waited for later.
    template <class T>
    class Pending {
    public:
        bool valid() const { return state_ != nullptr; }
        Task<T> get() {
            const std::shared_ptr<State> state = std::exchange(state_, nullptr);
            while (!state->result) {
                boost::system::error_code ended;
                co_await state->ready.async_wait(
                    boost::asio::redirect_error(boost::asio::use_awaitable, ended));
            }
            co_return std::move(*state->result);
        }

    private:
        friend class Workers;
        struct State {
            explicit State(const boost::asio::any_io_executor& loop)
                : ready(loop, boost::asio::steady_timer::time_point::max()) {}
            boost::asio::steady_timer ready;
            std::optional<T> result;
        };
        std::shared_ptr<State> state_;
    };

    template <class T>
    Pending<T> start(std::function<T()> work) {
        Pending<T> pending;
        pending.state_ = std::make_shared<typename Pending<T>::State>(loop_);
        boost::asio::post(pool_, [loop = loop_, state = pending.state_, work = std::move(work)] {
            T result = work();
            boost::asio::post(loop, [state, result = std::move(result)]() mutable {
                state->result = std::move(result);
                state->ready.cancel();
            });
        });
        return pending;
    }
    template <class T>
    Task<T> run(std::function<T()> work) {
        Pending<T> pending = start<T>(std::move(work));
        co_return co_await pending.get();
    }
    /// Nobody waits for it.
    void forget(std::function<void()> work) { boost::asio::post(pool_, std::move(work)); }
    void join() { pool_.join(); }

private:
    boost::asio::any_io_executor loop_;
    boost::asio::thread_pool pool_;
};

}  // namespace curfew::vault
