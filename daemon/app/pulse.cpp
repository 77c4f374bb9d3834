#include "curfew/app/pulse.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace curfew {

namespace {

constexpr Duration after_failure = seconds{10};

}  // namespace

Pulse::Pulse(boost::asio::any_io_executor loop, Scheduler& scheduler)
    : scheduler_(scheduler), wakeup_(std::move(loop)) {}

void Pulse::use(std::shared_ptr<Heartbeat> heartbeat, Duration interval) {
    heartbeat_ = std::move(heartbeat);
    interval_ = interval;
    heard_bad_.reset();
    tried_at_.reset();
    failures_ = 0;
    error_.clear();
    failing_since_.reset();
}

void Pulse::beat(std::string bad) {
    wanted_ = std::move(bad);
    if (due()) {
        wakeup_.notify();
    }
}

bool Pulse::due() const {
    if (heartbeat_ == nullptr || !wanted_) {
        return false;
    }
    if (!tried_at_) {
        return true;
    }
    const Duration since = scheduler_.mono() - *tried_at_;
    const bool change = heard_bad_ != !wanted_->empty();
    // Cycles come 5 % early as well as late: the full interval would leave out every second one.
    return since >= interval_ * 9 / 10 || (change && (failures_ == 0 || since >= after_failure));
}

void Pulse::stop() {
    stopping_ = true;
    wakeup_.notify();
}

Task<void> Pulse::run() {
    while (!stopping_) {
        co_await wakeup_.wait();
        while (!stopping_ && due()) {
            co_await send();
        }
    }
}

Task<void> Pulse::send() {
    const std::shared_ptr<Heartbeat> target = heartbeat_;  // outlives a reload
    const std::string bad = *std::exchange(wanted_, std::nullopt);
    tried_at_ = scheduler_.mono();
    const Result<void> heard = co_await target->beat(bad);
    if (target != heartbeat_) {
        co_return;
    }
    if (heard) {
        if (failures_ > 0) {
            spdlog::info("event=heartbeat_again failures={}", failures_);
        }
        heard_bad_ = !bad.empty();
        failures_ = 0;
        error_.clear();
        failing_since_.reset();
        co_return;
    }
    const std::string text = to_string(heard.error());
    if (failures_ == 0 || error_ != text) {
        spdlog::warn("event=heartbeat_failed error=\"{}\"", text);
    }
    ++failures_;
    error_ = text;
    failing_since_ = failing_since_.value_or(scheduler_.wall());
}

}  // namespace curfew
