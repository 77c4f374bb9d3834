// The outbox and its way to the channels. A message is stored with the transition that caused it, in
// one transaction (`rows_for` only makes the rows); delivery is at least once with a stable id, and
// goes on after a restart. What cannot be delivered becomes a visible dead letter (I8).
//
// Each channel has a lane of its own, so that a slow one delays no other. A lane puts what is due for
// one destination and group into a parcel, durably, and sends parcels one after another, the worst
// first. A destination (a channel, and on it one receiver) gets at most `per_hour` parcels an hour; the
// last place is kept for a digest of the rest. Waits are stored as wall times, since they survive
// reboots; when the wall clock is set they are moved along (I14).
#pragma once

#include "curfew/app/task_group.hpp"
#include "curfew/core/route.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/entropy.hpp"
#include "curfew/ports/scheduler.hpp"
#include "curfew/ports/store.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

struct Config;

/// What the configuration says of delivery.
struct Delivery {
    std::vector<std::shared_ptr<Channel>> channels;
    AlertPolicy policy;
    Routing routing;
    std::map<ChannelName, std::string> fingerprints;  // another one = another configuration of the channel
};
Delivery delivery_of(const Config& config, std::vector<std::shared_ptr<Channel>> channels);

/// A receiver took a warning that an enforcement waits for; told on the loop after it is durable.
struct DeliveryReport {
    OutboxRow row;  // with its new state
};
/// Messages were given up.
struct GivenUp {
    ChannelName channel;
    std::int64_t rows = 0;
    std::string why;
    Severity severity = Severity::warning;
    std::string title;  // of the message; "" = of several
};

class Notifier {
public:
    Notifier(boost::asio::any_io_executor loop, Scheduler& scheduler, Entropy& entropy, Store& store,
             Delivery delivery);
    ~Notifier();
    /// Channels that said 410, as stored.
    void load(std::vector<ChannelStateRow> disabled);

    /// One row per destination, waiting.
    std::vector<OutboxRow> rows_for(const Message& message, const std::vector<Destination>& to) const;
    bool has_channels() const { return !delivery_.channels.empty(); }

    /// Something was committed to the outbox: look now.
    void wake();
    void on_report(std::function<void(DeliveryReport)> callback) { report_ = std::move(callback); }
    void on_given_up(std::function<void(GivenUp)> callback) { given_up_ = std::move(callback); }
    /// A receiver took something.
    void on_taken(std::function<void(const ChannelName&)> callback) { taken_ = std::move(callback); }
    /// After a reload. What waits for a channel that is gone is addressed anew; with no channel at all, it waits.
    void replace(Delivery delivery);

    /// Sends a message of kind test now, past the queue, and says what the receiver answered. Success
    /// brings a channel back that said 410. Errc::not_found without such a channel.
    Task<Result<Delivered>> test(Destination to);
    /// Sends dead letters again, under the same ids: the row with this id, with those it was sent together
    /// with, or all (""). How many rows; Errc::not_found when a row with this id is no dead letter.
    Task<Result<int>> retry(std::string id);

    /// Delivers until `stop`; never throws.
    Task<void> run();
    /// Ends `run` soon; an attempt under way may finish.
    void stop();

private:
    struct Lane;
    using LanePtr = std::shared_ptr<Lane>;

    void start_lanes();
    Task<void> serve(LanePtr lane);
    Task<std::optional<WallTime>> step(LanePtr lane);
    Task<bool> form(LanePtr lane, const OutboxLook& look, WallTime now, std::optional<WallTime>& again);
    Task<bool> form_group(const Lane& lane, const HeapSize& heap, WallTime now);
    Task<bool> form_digest(const Lane& lane, const HeapSize& pile, WallTime now);
    Task<bool> put(const Lane& lane, const std::string& to, Message message, std::int64_t rows,
                   ParcelFill fill);
    Task<void> attempt(LanePtr lane, ParcelRow parcel);
    void settle(ParcelRow& parcel, const Result<Delivered>& sent, Batch& batch);
    Task<void> make_durable(Batch batch, const std::string& what);
    Task<void> report(const ParcelRow& parcel);
    Task<void> bury(const ChannelName& channel, const std::string& why);

    Task<void> heed_clock();
    Task<std::optional<WallTime>> keep_house();
    Task<Result<std::optional<WallTime>>> fail_over();
    Task<Result<bool>> readdress();

    Scheduler& scheduler_;
    Entropy& entropy_;
    Store& store_;
    Delivery delivery_;
    std::map<ChannelName, ChannelStateRow> disabled_;
    std::map<ChannelName, LanePtr> lanes_;
    std::function<void(DeliveryReport)> report_;
    std::function<void(GivenUp)> given_up_;
    std::function<void(const ChannelName&)> taken_;
    boost::asio::any_io_executor loop_;
    Wakeup wakeup_;
    Scheduler::Alarm alarm_;
    Now last_;
    Instant next_prune_;
    bool woken_ = false;    // something may have been committed since the house was last kept
    bool changed_ = false;  // which channels there are
    bool stopping_ = false;
};

}  // namespace curfew
