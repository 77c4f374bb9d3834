#include "curfew/app/task_group.hpp"

#include "curfew/core/error.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <list>
#include <utility>
#include <vector>

namespace curfew {

namespace asio = boost::asio;

/// The loop owns who waits, so that a coroutine ends with the loop that it would have gone on in.
struct Wakeup::State {
    explicit State(const asio::any_io_executor& loop) : timer(loop, asio::steady_timer::time_point::max()) {}
    bool pending = false;
    bool waited_for = false;
    asio::steady_timer timer;
};

Wakeup::Wakeup(asio::any_io_executor loop) : loop_(std::move(loop)), state_(std::make_shared<State>(loop_)) {}

Task<void> Wakeup::wait() {
    const auto state = state_;
    CURFEW_ASSERT(!state->waited_for, "one coroutine waits for one wakeup");
    state->waited_for = true;
    while (!std::exchange(state->pending, false)) {
        boost::system::error_code ended;
        // Without a slot: only `notify` ends it, no cancellation.
        co_await state->timer.async_wait(asio::bind_cancellation_slot(
            asio::cancellation_slot{}, asio::redirect_error(asio::use_awaitable, ended)));
    }
    state->waited_for = false;
}

void Wakeup::notify() {
    state_->pending = true;
    state_->timer.cancel();
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
    // Also a task whose loop goes away under it has ended.
    struct Membership {
        Membership(std::shared_ptr<State> of, std::shared_ptr<State::Entry> who)
            : state(std::move(of)), entry(std::move(who)) {
            state->entries.push_back(entry);
        }
        Membership(const Membership&) = delete;
        Membership& operator=(const Membership&) = delete;
        ~Membership() { state->entries.remove(entry); }
        std::shared_ptr<State> state;
        std::shared_ptr<State::Entry> entry;
    };
    auto entry = std::make_shared<State::Entry>();
    entry->name = std::move(name);
    auto ended =
        [member = std::make_shared<Membership>(state_, entry)](const std::exception_ptr& error) mutable {
            const std::shared_ptr<State> state = member->state;
            const std::string who = member->entry->name;
            member.reset();
            if (error) {
                const std::string text = bug_text(who, error);
                if (!text.empty() && state->on_bug) {
                    state->on_bug(text);
                }
            }
            if (state->entries.empty()) {
                for (Wakeup* joiner : state->joiners) {
                    joiner->notify();
                }
            }
        };
    asio::co_spawn(loop_, std::move(task),
                   asio::bind_cancellation_slot(entry->cancel.slot(), std::move(ended)));
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
