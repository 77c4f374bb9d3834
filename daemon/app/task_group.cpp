#include "curfew/app/task_group.hpp"

#include "curfew/core/error.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

namespace curfew {

namespace asio = boost::asio;

struct Wakeup::State {
    bool pending = false;
    std::unique_ptr<asio::any_completion_handler<void()>> waiter;
};

Wakeup::Wakeup(asio::any_io_executor loop) : loop_(std::move(loop)), state_(std::make_shared<State>()) {}

Task<void> Wakeup::wait() {
    const auto state = state_;
    if (!std::exchange(state->pending, false)) {
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
            [state](auto handler) {
                CURFEW_ASSERT(!state->waiter, "one coroutine waits for one wakeup");
                state->waiter = std::make_unique<asio::any_completion_handler<void()>>(std::move(handler));
            },
            asio::use_awaitable);
        state->pending = false;
    }
}

void Wakeup::notify() {
    state_->pending = true;
    if (state_->waiter) {
        asio::post(loop_, [waiter = std::shared_ptr(std::move(state_->waiter))] { std::move (*waiter)(); });
    }
}

Rest::Rest(asio::any_io_executor loop, Scheduler& scheduler)
    : scheduler_(scheduler), wakeup_(std::move(loop)) {}

Task<bool> Rest::lasts(Duration d) {
    if (!stopped_) {
        const Scheduler::Alarm alarm = scheduler_.at(scheduler_.mono() + d, [this] { wakeup_.notify(); });
        co_await wakeup_.wait();
    }
    co_return !stopped_;
}

void Rest::stop() {
    stopped_ = true;
    wakeup_.notify();
}

struct TaskGroup::State {
    struct Entry {
        std::string name;
        asio::cancellation_signal cancel;
    };
    std::list<std::shared_ptr<Entry>> entries;
    std::function<void(const std::string&)> on_bug;
    std::vector<Wakeup*> joiners;
};

TaskGroup::TaskGroup(asio::any_io_executor loop, std::function<void(const std::string&)> on_bug)
    : loop_(std::move(loop)), state_(std::make_shared<State>()) {
    state_->on_bug = std::move(on_bug);
}

TaskGroup::~TaskGroup() {
    CURFEW_ASSERT(state_->entries.empty(), "I13: every spawned task has been joined");
}

namespace {

std::string bug_text(const std::string& name, const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const boost::system::system_error& e) {
        return e.code() == asio::error::operation_aborted ? std::string{} : name + ": " + e.what();
    } catch (const std::exception& e) {
        return name + ": " + e.what();
    } catch (...) {
        return name + ": not a std::exception";
    }
}

}  // namespace

TaskGroup::Handle TaskGroup::spawn(std::string name, Task<void> task) {
    auto entry = std::make_shared<State::Entry>();
    entry->name = std::move(name);
    state_->entries.push_back(entry);
    asio::co_spawn(loop_, std::move(task),
                   asio::bind_cancellation_slot(entry->cancel.slot(),
                                                [state = state_, entry](const std::exception_ptr& error) {
                                                    state->entries.remove(entry);
                                                    if (error) {
                                                        const std::string text = bug_text(entry->name, error);
                                                        if (!text.empty() && state->on_bug) {
                                                            state->on_bug(text);
                                                        }
                                                    }
                                                    if (state->entries.empty()) {
                                                        for (Wakeup* joiner : state->joiners) {
                                                            joiner->notify();
                                                        }
                                                    }
                                                }));
    return entry;
}

void TaskGroup::cancel(const Handle& handle) {
    if (const auto entry = std::static_pointer_cast<State::Entry>(handle.lock())) {
        entry->cancel.emit(asio::cancellation_type::terminal);
    }
}

void TaskGroup::cancel_all() {
    const std::vector<std::shared_ptr<State::Entry>> all(state_->entries.begin(), state_->entries.end());
    for (const auto& entry : all) {
        entry->cancel.emit(asio::cancellation_type::terminal);
    }
}

std::size_t TaskGroup::running() const {
    return state_->entries.size();
}

Task<void> TaskGroup::join() {
    Wakeup ended(loop_);
    state_->joiners.push_back(&ended);
    while (!state_->entries.empty()) {
        co_await ended.wait();
    }
    std::erase(state_->joiners, &ended);
}

namespace {

struct Fan {
    std::size_t next = 0;
    std::size_t running = 0;
    std::exception_ptr error;
};

Task<void> fan_worker(std::shared_ptr<Fan> fan, std::size_t count,
                      std::shared_ptr<std::function<Task<void>(std::size_t)>> work) {
    while (fan->next < count && !fan->error) {
        const std::size_t mine = fan->next++;
        co_await (*work)(mine);
    }
}

}  // namespace

Task<void> for_each_bounded(asio::any_io_executor loop, std::size_t count, std::size_t parallel,
                            std::function<Task<void>(std::size_t)> work) {
    auto fan = std::make_shared<Fan>();
    auto shared_work = std::make_shared<std::function<Task<void>(std::size_t)>>(std::move(work));
    Wakeup done(loop);
    const std::size_t workers = std::min(count, parallel);
    for (std::size_t i = 0; i < workers; ++i) {
        ++fan->running;
        asio::co_spawn(loop, fan_worker(fan, count, shared_work),
                       [fan, &done](const std::exception_ptr& error) {
                           if (error && !fan->error) {
                               fan->error = error;
                           }
                           if (--fan->running == 0) {
                               done.notify();
                           }
                       });
    }
    // Not cancellable on purpose: the workers use what this frame owns. They end by their deadlines.
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    while (fan->running > 0) {
        co_await done.wait();
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
    if (fan->error) {
        std::rethrow_exception(fan->error);
    }
}

}  // namespace curfew
