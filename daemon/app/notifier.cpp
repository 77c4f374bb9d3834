#include "curfew/app/notifier.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <utility>

namespace curfew {

namespace {

constexpr int batch_max = 32;
constexpr Duration attempt_limit = seconds{45};
constexpr Duration look_again = minutes{1};  // a row of an older process may become due meanwhile
constexpr Duration store_retry = seconds{5};
constexpr Duration retry_after_max = hours{24};

}  // namespace

Notifier::Notifier(boost::asio::any_io_executor loop, Scheduler& scheduler, Entropy& entropy, Store& store,
                   std::vector<std::shared_ptr<Channel>> channels)
    : scheduler_(scheduler), entropy_(entropy), store_(store), channels_(std::move(channels)), loop_(loop),
      wakeup_(loop) {}

std::vector<OutboxRow> Notifier::rows_for(const Message& message, const std::vector<Destination>& to) const {
    std::vector<OutboxRow> rows;
    const WallTime now = scheduler_.wall();
    for (const Destination& destination : to) {
        OutboxRow row;
        row.id = message.id + "/" + destination.channel.value +
                 (destination.to.empty() ? std::string{} : "/" + destination.to);
        row.channel = destination.channel;
        row.to = destination.to;
        row.message = message;
        row.next_at = now;
        row.created_at = now;
        rows.push_back(std::move(row));
    }
    return rows;
}

void Notifier::replace_channels(std::vector<std::shared_ptr<Channel>> channels) {
    channels_ = std::move(channels);
    wake();
}

void Notifier::wake() {
    woken_ = true;
    wakeup_.notify();
}

void Notifier::stop() {
    stopping_ = true;
    wakeup_.notify();
}

Task<void> Notifier::run() {
    while (!stopping_) {
        woken_ = false;
        auto due = co_await store_.outbox_due(scheduler_.wall(), batch_max);
        Duration pause = look_again;
        if (!due) {
            spdlog::error("event=outbox_unreadable error=\"{}\"", to_string(due.error()));
            pause = store_retry;
        } else if (!due->empty()) {
            co_await deliver_all(std::move(*due));
            continue;
        }
        if (woken_ || stopping_) {
            continue;
        }
        const Instant now = scheduler_.mono();
        next_due_ = next_due_ <= now ? instant_never : next_due_;
        alarm_ = scheduler_.at(std::min(now + pause, next_due_), [this] { wakeup_.notify(); });
        co_await wakeup_.wait();
    }
    alarm_.cancel();
}

Task<void> Notifier::deliver_all(std::vector<OutboxRow> due) {
    // Channels side by side, so that a slow one delays no other; rows of one channel one after another,
    // so that the messages of an alert keep their order.
    std::map<ChannelName, std::vector<OutboxRow>> by_channel;
    for (OutboxRow& row : due) {
        by_channel[row.channel].push_back(std::move(row));
    }
    std::vector<std::vector<OutboxRow>> queues;
    for (auto& [name, rows] : by_channel) {
        queues.push_back(std::move(rows));
    }
    co_await for_each_bounded(loop_, queues.size(), queues.size(), [&](std::size_t i) -> Task<void> {
        for (OutboxRow& row : queues[i]) {
            if (!stopping_) {
                co_await deliver(std::move(row));
            }
        }
    });
}

void Notifier::settle(OutboxRow& row, const Result<Delivered>& sent) {
    if (sent) {
        row.state = OutboxState::delivered;
        row.last_error.clear();
        return;
    }
    row.last_error = to_string(sent.error());
    const bool again = sent.error().may_retry() || sent.error().ambiguous();
    const auto delay = retry_delay(row.attempts, static_cast<unsigned>(entropy_.below(1000)));
    if (!again || !delay) {
        row.state = OutboxState::dead;
        return;
    }
    Duration wait = *delay;
    if (sent.error().retry.kind == Retry::Kind::after) {
        wait = std::clamp(sent.error().retry.delay, wait, std::max(wait, retry_after_max));
    }
    row.next_at = scheduler_.wall() + wait;
    next_due_ = std::min(next_due_, scheduler_.mono() + wait);
}

Task<void> Notifier::deliver(OutboxRow row) {
    const auto channel = std::ranges::find_if(channels_,
                                              [&](const auto& c) { return c->name() == row.channel; });
    if (row.message.expires_at && scheduler_.wall() >= *row.message.expires_at) {
        row.state = OutboxState::superseded;
        row.last_error = "past its use";
    } else if (channel == channels_.end()) {
        row.state = OutboxState::dead;
        row.last_error = "the channel is not in the configuration any more";
    } else {
        const std::shared_ptr<Channel> target = *channel;  // outlives a reload
        ++row.attempts;
        const Result<Delivered> sent = co_await target->deliver({.message = row.message, .to = row.to},
                                                                scheduler_.in(attempt_limit));
        settle(row, sent);
    }
    // What a receiver took is remembered even if the disk says no for a while; a crash in between is
    // the one uncertain acknowledgement that may send twice, with the same id (I8).
    for (;;) {
        auto durable = co_await store_.commit(Batch{row});
        if (durable || stopping_) {
            break;
        }
        spdlog::error("event=outbox_not_durable row={} error=\"{}\"", row.id, to_string(durable.error()));
        co_await scheduler_.sleep_for(store_retry);
    }
    if (row.state != OutboxState::waiting) {
        spdlog::info("event=outbox id={} state={} attempts={} error=\"{}\"", row.id, to_string(row.state),
                     row.attempts, row.last_error);
    } else {
        spdlog::warn("event=outbox_retry id={} attempts={} error=\"{}\"", row.id, row.attempts,
                     row.last_error);
    }
    if (report_) {
        report_(DeliveryReport{std::move(row)});
    }
}

}  // namespace curfew
