// Virtual time for tests: nothing happens until `run_for` says so, and then everything in order.
#pragma once

#include "curfew/ports/entropy.hpp"
#include "curfew/ports/scheduler.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace curfew::test {

class ManualScheduler final : public Scheduler {
public:
    explicit ManualScheduler(boost::asio::io_context& io) : io_(io) {}

    /// Alarms of one instant all ring before anybody acts on one.
    bool together = false;

    Now now() const override { return now_; }
    std::string boot_id() const override { return boot; }
    Alarm at(Instant at, std::function<void()> callback) override {
        auto entry = std::make_shared<std::function<void()>>(std::move(callback));
        alarms_.emplace(at, entry);
        return Alarm{entry};
    }
    Task<void> sleep_until(Instant until) override {
        boost::asio::steady_timer waiting(io_, boost::asio::steady_timer::time_point::max());
        const Alarm alarm = at(until, [&waiting] { waiting.cancel(); });
        boost::system::error_code ended;
        co_await waiting.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ended));
    }

    /// Everything that is ready, without letting time pass.
    void settle() {
        io_.restart();
        io_.poll();
    }
    void run_for(Duration d) {
        const Instant until = now_.mono + d;
        settle();
        while (!alarms_.empty() && alarms_.begin()->first <= until) {
            const auto [at, weak] = *alarms_.begin();
            alarms_.erase(alarms_.begin());
            pass_to(std::max(at, now_.mono));
            if (const auto callback = weak.lock(); callback && *callback) {
                const auto call = std::exchange(*callback, nullptr);
                call();
            }
            if (!together || alarms_.empty() || alarms_.begin()->first != at) {
                settle();
            }
        }
        pass_to(until);
        settle();
    }
    /// The wall clock is set; the monotonic one knows nothing of it.
    void step_wall(Duration d) { now_.wall = now_.wall + d; }

    std::string boot = "boot-1";

private:
    void pass_to(Instant t) {
        now_.wall = now_.wall + (t - now_.mono);
        now_.mono = t;
    }

    boost::asio::io_context& io_;
    Now now_{{1'000'000'000}, {1'795'399'800'000}};  // 2026-11-23T02:10:00Z
    std::multimap<Instant, std::weak_ptr<std::function<void()>>> alarms_;
};

/// A counter through a mixer: the same numbers in every run from the same beginning. A life over the rows of an
/// earlier one needs another, or it gives ids twice.
class CountingEntropy final : public Entropy {
public:
    explicit CountingEntropy(std::uint64_t from = 1) : state_(from) {}
    std::uint64_t next() override {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EB;
        return z ^ (z >> 31U);
    }

private:
    std::uint64_t state_;
};

}  // namespace curfew::test
