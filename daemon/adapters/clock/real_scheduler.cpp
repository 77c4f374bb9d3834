#include "adapters/clock/real_scheduler.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

namespace curfew::clock {

namespace asio = boost::asio;

namespace {

// Longer sleeps are cut: a timer far in the future is woken now and then and set again.
constexpr std::chrono::milliseconds sleep_max = std::chrono::hours{1};

std::int64_t clock_us(clockid_t id) {
    timespec t{};
    ::clock_gettime(id, &t);
    return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

std::int64_t clock_ms(clockid_t id) {
    return clock_us(id) / 1000;
}

}  // namespace

/// Alarms in order of time, one Asio timer below them.
struct RealScheduler::Impl : std::enable_shared_from_this<RealScheduler::Impl> {
    struct Entry;
    using Alarms = std::multimap<Instant, Entry*>;
    /// Leaves with its alarm: a cancelled one must not stay until its time comes (I13).
    struct Entry {
        explicit Entry(std::function<void()> what) : callback(std::move(what)) {}
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        ~Entry() {
            if (const auto owner = place ? impl.lock() : nullptr) {
                owner->alarms.erase(*place);
            }
        }
        std::function<void()> callback;
        std::weak_ptr<Impl> impl;
        std::optional<Alarms::iterator> place;  // while it waits
    };

    Impl(asio::any_io_executor executor, ClockOptions o)
        : loop(std::move(executor)), options(o), timer(loop) {}

    Now now() const {
        if (options.speed == 1) {
            return {{clock_ms(CLOCK_BOOTTIME)}, {clock_ms(CLOCK_REALTIME)}};
        }
        // Of whole milliseconds the two clocks would part by seconds.
        const auto faster = [this](std::int64_t us) {
            return us / 1000 * options.speed + us % 1000 * options.speed / 1000;
        };
        const std::int64_t boot = clock_us(CLOCK_BOOTTIME);
        const std::int64_t wall = clock_us(CLOCK_REALTIME);
        return {{faster(boot)}, {options.origin.ms + faster(wall - options.start_real.ms * 1000)}};
    }

    void arm() {
        if (alarms.empty()) {
            timer.cancel();
            return;
        }
        const Duration virtual_wait = std::max(Duration{0}, alarms.begin()->first - now().mono);
        const auto real = std::chrono::milliseconds{(virtual_wait.count() + options.speed - 1) /
                                                    options.speed};
        timer.expires_after(std::min(real, sleep_max));
        timer.async_wait([self = shared_from_this()](const boost::system::error_code& e) {
            if (!e) {
                self->fire();
            }
        });
    }

    void fire() {
        const Instant at = now().mono;
        while (!alarms.empty() && alarms.begin()->first <= at) {
            Entry& entry = *alarms.begin()->second;
            entry.place.reset();
            alarms.erase(alarms.begin());
            // Moved out first: the callback may cancel or renew its own alarm.
            const auto callback = std::exchange(entry.callback, nullptr);
            if (callback) {
                callback();
            }
        }
        arm();
    }

    asio::any_io_executor loop;
    ClockOptions options;
    asio::steady_timer timer;
    Alarms alarms;
    std::string own_id = "process " + std::to_string(::getpid()) + " of " +
                         std::to_string(clock_ms(CLOCK_REALTIME));
};

RealScheduler::RealScheduler(asio::any_io_executor loop, ClockOptions options)
    : impl_(std::make_shared<Impl>(std::move(loop), options)) {
    CURFEW_ASSERT(options.speed >= 1, "time runs forward");
}

RealScheduler::~RealScheduler() {
    for (const auto& [at, entry] : std::exchange(impl_->alarms, {})) {
        entry->place.reset();
    }
    impl_->timer.cancel();
}

Now RealScheduler::now() const {
    return impl_->now();
}

std::string RealScheduler::boot_id() const {
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(file, id);
    if (id.empty()) {
        id = impl_->own_id;  // hidden by a sandbox: then no other process shares our instants
    }
    if (impl_->options.speed != 1) {
        id += "*" + std::to_string(impl_->options.speed);
    }
    return id;
}

Scheduler::Alarm RealScheduler::at(Instant at, std::function<void()> callback) {
    auto entry = std::make_shared<Impl::Entry>(std::move(callback));
    entry->impl = impl_;
    entry->place = impl_->alarms.emplace(at, entry.get());
    if (*entry->place == impl_->alarms.begin()) {
        impl_->arm();
    }
    return Alarm{std::move(entry)};
}

Task<void> RealScheduler::sleep_until(Instant until) {
    // A timer that never expires is the waiting; the alarm, or a cancelled coroutine, ends it.
    asio::steady_timer waiting(impl_->loop, asio::steady_timer::time_point::max());
    const Alarm alarm = at(until, [&waiting] { waiting.cancel(); });
    boost::system::error_code ended;
    co_await waiting.async_wait(asio::redirect_error(asio::use_awaitable, ended));
}

std::uint64_t SystemEntropy::next() {
    std::uint64_t value = 0;
    ssize_t got = -1;
    do {
        got = ::getrandom(&value, sizeof value, 0);
    } while (got < 0 && errno == EINTR);
    CURFEW_ASSERT(got == static_cast<ssize_t>(sizeof value), "the kernel gives random bytes");
    return value;
}

}  // namespace curfew::clock
