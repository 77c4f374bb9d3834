#include "simulation/clock.hpp"

#include "simulation/spent.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace curfew::simulation {

namespace asio = boost::asio;

void Clock::push(Entry entry) {
    heap_.push_back(std::move(entry));
    std::ranges::push_heap(heap_, later);
}

void Clock::at(Instant when, std::function<void()> what) {
    push({.when = std::max(when, now_),
          .tie = ties_.next(),
          .number = ++number_,
          .what = std::move(what),
          .daemons = {},
          .of_world = true});
}

void Clock::alarm(Instant when, std::weak_ptr<std::function<void()>> what) {
    if (when == instant_never) {
        return;
    }
    push({.when = std::max(when, now_),
          .tie = ties_.next(),
          .number = ++number_,
          .what = {},
          .daemons = std::move(what),
          .of_world = false});
}

void Clock::wake() {
    suspended_ = false;
    for (Entry& entry : asleep_) {
        entry.when = std::max(entry.when, now_);
        push(std::move(entry));
    }
    asleep_.clear();
}

bool Clock::step_on() {
    std::ranges::pop_heap(heap_, later);
    Entry entry = std::move(heap_.back());
    heap_.pop_back();
    if (!entry.of_world && entry.daemons.expired()) {
        return false;  // let go of: it does not even make time pass
    }
    pass_to(entry.when);
    if (entry.of_world) {
        const At world(Work::world);
        entry.what();
        return false;
    }
    if (suspended_) {
        asleep_.push_back(std::move(entry));
        return false;
    }
    if (const auto callback = entry.daemons.lock(); callback && *callback) {
        const auto call = std::exchange(*callback, nullptr);
        call();
    }
    return true;
}

Scheduler::Alarm VirtualScheduler::at(Instant at, std::function<void()> callback) {
    auto entry = std::make_shared<std::function<void()>>(std::move(callback));
    clock_.alarm(clock_.from_host(at), entry);
    return Alarm{std::move(entry)};
}

Task<void> VirtualScheduler::sleep_until(Instant until) {
    asio::steady_timer waiting(loop_, asio::steady_timer::time_point::max());
    const Alarm alarm = at(until, [&waiting] { waiting.cancel(); });
    boost::system::error_code ended;
    co_await waiting.async_wait(asio::redirect_error(asio::use_awaitable, ended));
}

}  // namespace curfew::simulation
