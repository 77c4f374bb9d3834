// The outbox and its way to the channels. A message is stored with the transition that caused it, in
// one transaction (`rows_for` only makes the rows); delivery is at least once with a stable id, and
// goes on after a restart. What cannot be delivered becomes a visible dead letter (I8).
#pragma once

#include "curfew/app/task_group.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/entropy.hpp"
#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/store.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace curfew {

/// What became of one row, told on the loop after it is durable.
struct DeliveryReport {
    OutboxRow row;  // with its new state
};

class Notifier {
public:
    Notifier(boost::asio::any_io_executor loop, Scheduler& scheduler, Entropy& entropy, Store& store,
             std::vector<std::shared_ptr<Channel>> channels);

    /// One row per destination, waiting.
    std::vector<OutboxRow> rows_for(const Message& message, const std::vector<Destination>& to) const;
    bool has_channels() const { return !channels_.empty(); }

    /// Something was committed to the outbox: look now.
    void wake();
    void on_report(std::function<void(DeliveryReport)> callback) { report_ = std::move(callback); }
    /// New channels after a reload. Rows of a channel that is gone become dead letters.
    void replace_channels(std::vector<std::shared_ptr<Channel>> channels);

    /// Delivers until `stop`; never throws. Sleeps until the next row is due.
    Task<void> run();
    /// Ends `run` soon; an attempt under way may finish.
    void stop();

private:
    Task<void> deliver_all(std::vector<OutboxRow> due);
    Task<void> deliver(OutboxRow row);
    void settle(OutboxRow& row, const Result<Delivered>& sent);

    Scheduler& scheduler_;
    Entropy& entropy_;
    Store& store_;
    std::vector<std::shared_ptr<Channel>> channels_;
    std::function<void(DeliveryReport)> report_;
    boost::asio::any_io_executor loop_;
    Wakeup wakeup_;
    Scheduler::Alarm alarm_;
    Instant next_due_ = instant_never;  // of a row that waits for its next attempt
    bool stopping_ = false;
    bool woken_ = false;
};

}  // namespace curfew
