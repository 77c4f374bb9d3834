#include "curfew/app/notifier.hpp"

#include "curfew/app/parcels.hpp"
#include "curfew/core/config.hpp"
#include "curfew/core/mutant.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iterator>
#include <set>
#include <utility>

namespace curfew {

namespace asio = boost::asio;

namespace {

constexpr Duration attempt_limit = seconds{45};
constexpr Duration look_again = minutes{10};  // though nobody woke us and nothing was due
constexpr Duration clock_watch = minutes{1};
constexpr Duration house_pause = minutes{1};  // though much is committed
constexpr Duration store_retry = seconds{5};
constexpr Duration retry_after_max = hours{24};
constexpr Duration longest_wait = hours{29};  // the schedule's last, with its jitter
constexpr Duration clock_step = seconds{30};  // less than that is drift, and waits are not worth it
constexpr Duration place_window = hours{1};
constexpr Duration digest_wait = minutes{5};  // so that it holds more than what came first
constexpr Duration urgent_digest_wait = minutes{5};
constexpr Duration kept = hours{24 * 90};
constexpr Duration prune_interval = hours{1};
constexpr int heaps_max = 64;
constexpr int rows_max = 40;    // of one parcel, each of which is named
constexpr int named_max = 100;  // of a digest
constexpr int overdue_max = 50;
constexpr int strays_max = 100;
constexpr int prune_max = 500;

std::optional<WallTime> earlier(std::optional<WallTime> a, std::optional<WallTime> b) {
    return !a ? b : !b ? a : std::min(*a, *b);
}

/// FNV-1a: a URL may be a secret, and this is stored.
std::string hashed(const std::string& text) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    }
    return std::to_string(hash);
}

std::string fingerprint(const ChannelConfig& c) {
    std::string text;
    const auto add = [&text](const std::string& part) { text += std::to_string(part.size()) + ":" + part; };
    for (const std::string& part :
         {c.kind, c.host, std::to_string(c.port), c.security, c.user, c.password_file, c.from, c.ca_file,
          c.url, c.url_file, c.secret_file, c.format, c.topic, c.token_file}) {
        add(part);
    }
    for (const std::string& to : c.to) {
        add(to);
    }
    return hashed(text);
}

}  // namespace

Delivery delivery_of(const Config& config, std::vector<std::shared_ptr<Channel>> channels) {
    Delivery delivery{.channels = std::move(channels),
                      .policy = config.alerts,
                      .routing = config.routing,
                      .fingerprints = {}};
    for (const ChannelConfig& channel : config.channels) {
        delivery.fingerprints[channel.name] = fingerprint(channel);
    }
    return delivery;
}

/// The way to one channel. Only its own coroutine sends and ends its parcels.
struct Notifier::Lane {
    Lane(asio::any_io_executor loop, std::shared_ptr<Channel> to)
        : name(to->name()), channel(std::move(to)), wakeup(std::move(loop)) {}
    ChannelName name;
    std::shared_ptr<Channel> channel;
    Wakeup wakeup;
    Scheduler::Alarm alarm;
    bool gone = false;    // from the configuration
    bool formed = false;  // at the last step
};

Notifier::Notifier(asio::any_io_executor loop, Scheduler& scheduler, Entropy& entropy, Store& store,
                   Delivery delivery)
    : scheduler_(scheduler), entropy_(entropy), store_(store), delivery_(std::move(delivery)), loop_(loop),
      wakeup_(loop), last_(scheduler.now()) {}

Notifier::~Notifier() = default;

void Notifier::load(std::vector<ChannelStateRow> disabled) {
    for (ChannelStateRow& row : disabled) {
        const ChannelName channel = row.channel;
        disabled_.insert_or_assign(channel, std::move(row));
    }
}

std::vector<OutboxRow> Notifier::rows_for(const Message& message, const std::vector<Destination>& to) const {
    std::vector<OutboxRow> rows;
    const WallTime now = scheduler_.wall();
    // By the clock that the other waits go by: when it was set and that is heeded, all of them move along.
    const WallTime due = last_.wall + (scheduler_.mono() - last_.mono);
    for (const Destination& destination : to) {
        OutboxRow row;
        row.id = message.id + "/" + destination.channel.value +
                 (destination.to.empty() ? std::string{} : "/" + destination.to);
        row.channel = destination.channel;
        row.to = destination.to;
        row.message = message;
        row.next_at = due;
        row.created_at = now;
        if (message.severity == Severity::critical) {
            row.failover_at = due + delivery_.policy.failover_after;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

void Notifier::replace(Delivery delivery) {
    delivery_ = std::move(delivery);
    changed_ = true;
    wake();
}

void Notifier::wake() {
    woken_ = true;
    wakeup_.notify();
    for (const auto& [name, lane] : lanes_) {
        lane->wakeup.notify();
    }
}

void Notifier::stop() {
    stopping_ = true;
    wake();
}

Task<Result<Delivered>> Notifier::test(Destination to) {
    const auto found = std::ranges::find_if(delivery_.channels,
                                            [&](const auto& c) { return c->name() == to.channel; });
    if (found == delivery_.channels.end()) {
        co_return fail(Errc::not_found, "no channel of this name", to.channel.value);
    }
    const std::shared_ptr<Channel> channel = *found;
    Message m;
    m.id = "msg_" + entropy_.hex(12);
    m.kind = AlertKind::test;
    m.state = AlertState::resolved;
    m.at = scheduler_.wall();
    m.title = "A test of channel " + to.channel.value + ": alerts of Curfew arrive here";
    m.body = {"Somebody ran `curfew notify test`. Nothing is wrong, and nothing needs to be done."};
    auto sent = co_await channel->deliver({.message = std::move(m), .to = std::move(to.to)},
                                          scheduler_.in(attempt_limit));
    if (sent && disabled_.erase(to.channel) > 0) {
        auto durable = co_await store_.commit(
            Batch{ChannelStateRow{.channel = to.channel, .disabled_at = {}, .why = {}, .fingerprint = {}}});
        if (!durable) {
            spdlog::error("event=channel_state_not_durable channel={} error=\"{}\"", to.channel.value,
                          to_string(durable.error()));
        }
        wake();
    }
    co_return sent;
}

Task<Result<int>> Notifier::retry(std::string id) {
    auto rows = co_await store_.outbox_retry(id, scheduler_.wall());
    if (!rows) {
        co_return std::unexpected(rows.error());
    }
    if (*rows == 0 && !id.empty()) {
        co_return fail(Errc::not_found,
                       "no dead letter has this id, or newer news of its alert went out since", id);
    }
    wake();
    co_return static_cast<int>(*rows);
}

// ---- the house -----------------------------------------------------------------------------------

Task<void> Notifier::run() {
    // Not cancellable on purpose: the lanes use what this owns. They end by the deadlines of their attempts.
    co_await asio::this_coro::throw_if_cancelled(false);
    last_ = scheduler_.now();
    Instant due = last_.mono;
    Instant kept_at = last_.mono;
    while (!stopping_) {
        start_lanes();
        co_await heed_clock();
        if (std::exchange(woken_, false)) {
            due = std::min(due, kept_at + house_pause);
        }
        if (std::exchange(changed_, false) || due <= scheduler_.mono()) {
            const auto next = co_await keep_house();
            const Now now = scheduler_.now();
            kept_at = now.mono;
            due = now.mono +
                  (next ? std::clamp<Duration>(*next - now.wall, Duration{0}, look_again) : look_again);
        }
        if (stopping_) {
            break;
        }
        alarm_ = scheduler_.at(std::min(due, scheduler_.mono() + clock_watch), [this] { wakeup_.notify(); });
        co_await wakeup_.wait();
    }
    alarm_.cancel();
    while (!lanes_.empty()) {
        co_await wakeup_.wait();
    }
}

void Notifier::start_lanes() {
    for (const auto& [name, lane] : lanes_) {
        lane->gone = true;
    }
    for (const std::shared_ptr<Channel>& channel : delivery_.channels) {
        LanePtr& lane = lanes_[channel->name()];
        if (lane) {
            lane->channel = channel;  // an attempt under way keeps its own
            lane->gone = false;
            continue;
        }
        lane = std::make_shared<Lane>(loop_, channel);
        asio::co_spawn(loop_, serve(lane), [this, lane = lane](const std::exception_ptr& error) {
            lanes_.erase(lane->name);
            changed_ = true;
            wake();
            if (error) {
                std::rethrow_exception(error);  // a bug: it ends the loop
            }
        });
    }
    for (const auto& [name, lane] : lanes_) {
        if (lane->gone) {
            lane->wakeup.notify();
        }
    }
}

Task<void> Notifier::heed_clock() {
    const Now now = scheduler_.now();
    const Duration step = (now.wall - last_.wall) - (now.mono - last_.mono);
    last_ = now;
    if (step < clock_step && step > -clock_step) {
        co_return;
    }
    spdlog::warn("event=outbox_clock step={}ms", step.count());
    auto done = co_await store_.outbox_shift(step);
    if (!done) {
        spdlog::error("event=outbox_not_durable error=\"{}\"", to_string(done.error()));
    }
}

Task<std::optional<WallTime>> Notifier::keep_house() {
    const WallTime soon = scheduler_.wall() + store_retry;
    Batch enabled;
    for (auto entry = disabled_.begin(); entry != disabled_.end();) {
        const auto now = delivery_.fingerprints.find(entry->first);
        const bool changed = now != delivery_.fingerprints.end() && now->second != entry->second.fingerprint;
        if (changed) {
            enabled.emplace_back(
                ChannelStateRow{.channel = entry->first, .disabled_at = {}, .why = {}, .fingerprint = {}});
        }
        entry = changed ? disabled_.erase(entry) : std::next(entry);
    }
    if (!enabled.empty()) {
        auto stored = co_await store_.commit(std::move(enabled));
        wake();
        if (!stored) {
            spdlog::error("event=channel_state_not_durable error=\"{}\"", to_string(stored.error()));
        }
    }
    auto moved = co_await readdress();
    auto next = co_await fail_over();
    if (!moved || !next) {
        spdlog::error("event=outbox_unreadable error=\"{}\"",
                      to_string(!moved ? moved.error() : next.error()));
        co_return soon;
    }
    if (next_prune_ <= scheduler_.mono()) {
        auto gone = co_await store_.outbox_prune(scheduler_.wall() - kept, prune_max);
        if (!gone || *gone == 0) {
            next_prune_ = scheduler_.mono() + prune_interval;
        }
    }
    co_return *moved ? soon : *next;
}

/// What waits for a channel that is gone goes to where its message would go now. True = there may be more.
Task<Result<bool>> Notifier::readdress() {
    if (delivery_.channels.empty()) {
        co_return false;
    }
    std::vector<ChannelName> known;
    for (const std::shared_ptr<Channel>& channel : delivery_.channels) {
        known.push_back(channel->name());
    }
    const std::size_t usable = known.size();
    for (const auto& [name, lane] : lanes_) {
        known.push_back(name);  // an attempt may be under way there still
    }
    auto strays = co_await store_.outbox_strays(known, scheduler_.wall(), strays_max);
    if (!strays) {
        co_return std::unexpected(strays.error());
    }
    Batch batch;
    const auto end = known.begin() + static_cast<std::ptrdiff_t>(usable);
    for (const OutboxRow& stray : *strays) {
        std::vector<Destination> to = destinations(stray.message, delivery_.routing);
        std::erase_if(to,
                      [&](const Destination& d) { return std::find(known.begin(), end, d.channel) == end; });
        if (to.empty()) {
            std::transform(known.begin(), end, std::back_inserter(to), [](const ChannelName& channel) {
                return Destination{.channel = channel, .to = {}};
            });
        }
        std::string names;
        for (OutboxRow& row : rows_for(stray.message, to)) {
            names += (names.empty() ? "" : ", ") + row.channel.value;
            row.created_at = stray.created_at;
            row.failover_at = stray.failover_at;
            row.enforcement = stray.enforcement;
            row.warn_step = stray.warn_step;
            batch.emplace_back(std::move(row));
        }
        batch.emplace_back(
            OutboxEnd{.rows = {stray.seq},
                      .state = OutboxState::superseded,
                      .why = "the channel is not in the configuration any more; it goes to " + names});
        spdlog::warn("event=outbox_readdressed id={} to=\"{}\"", stray.id, names);
    }
    if (batch.empty()) {
        co_return false;
    }
    auto stored = co_await store_.commit(std::move(batch));
    if (!stored) {
        co_return std::unexpected(stored.error());
    }
    wake();
    co_return true;
}

/// Critical messages that no channel took in time go to one channel more, once. When to look again.
Task<Result<std::optional<WallTime>>> Notifier::fail_over() {
    const WallTime now = scheduler_.wall();
    auto overdue = co_await store_.outbox_overdue(now, overdue_max);
    if (!overdue) {
        co_return std::unexpected(overdue.error());
    }
    if (overdue->rows.empty()) {
        co_return overdue->next;
    }
    const ChannelName& failover = delivery_.policy.failover;
    const bool usable = std::ranges::any_of(delivery_.channels,
                                            [&](const auto& c) { return c->name() == failover; });
    Batch batch;
    std::set<std::string> seen;
    for (const OutboxRow& late : overdue->rows) {
        if (!seen.insert(late.message.id).second) {
            continue;
        }
        batch.emplace_back(FailoverDone{late.message.id});
        if (!usable || (late.channel == failover && late.to.empty())) {
            continue;
        }
        for (OutboxRow& row : rows_for(late.message, {{.channel = failover, .to = {}}})) {
            row.failover_at.reset();
            row.enforcement = late.enforcement;
            row.warn_step = late.warn_step;
            batch.emplace_back(std::move(row));
        }
        if (!late.message.alert.empty()) {
            batch.emplace_back(AlertEvent{.alert = late.message.alert,
                                          .at = now,
                                          .state = late.message.state,
                                          .what = "failed over",
                                          .reason = "no channel took it within " +
                                                    to_string(delivery_.policy.failover_after) +
                                                    ": it also goes to " + failover.value,
                                          .by = {}});
        }
        spdlog::warn("event=outbox_failover id={} to={}", late.message.id, failover.value);
    }
    auto stored = co_await store_.commit(std::move(batch));
    if (!stored) {
        co_return std::unexpected(stored.error());
    }
    wake();
    co_return std::optional{now};
}

// ---- lanes ---------------------------------------------------------------------------------------

Task<void> Notifier::serve(LanePtr lane) {
    while (!stopping_ && !lane->gone) {
        const auto next = co_await step(lane);
        const Now now = scheduler_.now();
        if ((next && *next <= now.wall) || stopping_ || lane->gone) {
            continue;
        }
        const Duration pause = next ? std::min<Duration>(*next - now.wall, look_again) : look_again;
        lane->alarm = scheduler_.at(now.mono + pause, [lane = lane.get()] { lane->wakeup.notify(); });
        co_await lane->wakeup.wait();
    }
    lane->alarm.cancel();
}

/// One thing: puts rows into parcels, or sends one. When to look again.
Task<std::optional<WallTime>> Notifier::step(LanePtr lane) {
    co_await heed_clock();
    const WallTime now = scheduler_.wall();
    auto look = co_await store_.outbox_look(lane->name, now, now + longest_wait, heaps_max);
    if (!look) {
        spdlog::error("event=outbox_unreadable error=\"{}\"", to_string(look.error()));
        co_return now + store_retry;
    }
    if (const auto disabled = disabled_.find(lane->name); disabled != disabled_.end()) {
        if (!look->piles.empty() || !look->parcels.empty() || look->next) {
            co_await bury(lane->name, "the channel is disabled: " + disabled->second.why);
        }
        co_return std::nullopt;
    }
    // What comes while others are sent is told together; and it never keeps them from being sent.
    const bool urgent = std::ranges::any_of(look->piles,
                                            [](const HeapSize& pile) { return pile.urgent > 0; });
    if (!look->parcels.empty() && (!urgent || std::exchange(lane->formed, false))) {
        co_await attempt(lane, std::move(look->parcels.front()));
        co_return now;
    }
    std::optional<WallTime> again;
    lane->formed = co_await form(lane, *look, now, again);
    if (lane->formed) {
        co_return now;
    }
    if (!look->parcels.empty()) {
        co_await attempt(lane, std::move(look->parcels.front()));
        co_return now;
    }
    co_return earlier(again, look->next);
}

/// True if something was put into a parcel; else `again` may say when there is a place.
Task<bool> Notifier::form(LanePtr lane, const OutboxLook& look, WallTime now,
                          std::optional<WallTime>& again) {
    bool formed = false;
    for (const HeapSize& pile : look.piles) {
        auto places = co_await store_.parcel_places(lane->name, pile.to, now - place_window, now);
        if (!places) {
            again = earlier(again, now + store_retry);
            continue;
        }
        HeapSize left = pile;
        std::int64_t free = delivery_.policy.per_hour - places->used;
        for (const HeapSize& heap : look.heaps) {
            if (heap.to != pile.to || (free <= 1 && lane->channel->groups())) {
                continue;
            }
            if (!co_await form_group(*lane, heap, now)) {
                again = earlier(again, now + store_retry);
                break;
            }
            formed = true;
            --free;
            left.rows -= heap.rows;  // as far as this look knows
            left.urgent -= heap.urgent;
        }
        if (free > 1 || left.rows <= 0 || formed || !lane->channel->groups()) {
            continue;
        }
        // More than there are places: the newest parcel was such a one.
        const WallTime urgent_at = places->newest && free < 0 ? *places->newest + urgent_digest_wait : now;
        const WallTime at = left.urgent > 0 ? urgent_at
                            : free > 0      ? left.oldest + digest_wait
                                            : places->oldest.value_or(now) + place_window;
        if (at > now) {
            again = earlier(again, at);
        } else if (co_await form_digest(*lane, pile, now)) {
            formed = true;
        } else {
            again = earlier(again, now + store_retry);
        }
    }
    co_return formed;
}

Task<bool> Notifier::form_group(const Lane& lane, const HeapSize& heap, WallTime now) {
    const bool alone = heap.group.empty() || !lane.channel->groups();
    auto rows = co_await store_.outbox_heap(
        {.channel = lane.name, .to = heap.to, .group = heap.group, .now = now, .up_to_seq = heap.newest_seq},
        false, rows_max);
    if (!rows || rows->empty()) {
        co_return false;
    }
    if (alone) {
        const AlertId alert = rows->front().message.alert;
        const bool first_only = alert.empty() || !lane.channel->groups();
        const std::string id = rows->front().id;
        std::erase_if(*rows, [&](const OutboxRow& row) {
            return row.id != id && (first_only || row.message.alert != alert);
        });
    }
    ParcelFill fill{.parcel = {}, .channel = lane.name, .to = heap.to, .rows = {}, .rest = {}};
    for (const OutboxRow& row : *rows) {
        fill.rows.push_back(row.seq);
    }
    const auto count = static_cast<std::int64_t>(rows->size());
    co_return co_await put(lane, heap.to, together(*rows, "msg_" + entropy_.hex(12), now), count,
                           std::move(fill));
}

Task<bool> Notifier::form_digest(const Lane& lane, const HeapSize& pile, WallTime now) {
    const Heap heap{
        .channel = lane.name, .to = pile.to, .group = std::nullopt, .now = now, .up_to_seq = pile.newest_seq};
    auto named = co_await store_.outbox_heap(heap, true, named_max);
    auto sums = co_await store_.outbox_sums(heap);
    if (!named || !sums || named->empty()) {
        co_return false;
    }
    ParcelFill fill{.parcel = {}, .channel = lane.name, .to = pile.to, .rows = {}, .rest = heap};
    for (const OutboxRow& row : *named) {
        fill.rows.push_back(row.seq);
    }
    const std::int64_t count = rows_of(*named, *sums);
    if (count < static_cast<std::int64_t>(named->size())) {
        co_return false;  // another lane heeded a clock that was set, and moved what waits: it is read again
    }
    const std::string id = "msg_" + entropy_.hex(12);
    co_return co_await put(lane, pile.to,
                           count == 1 ? together(*named, id, now) : digest(*named, *sums, id, now), count,
                           std::move(fill));
}

/// Durable before the first attempt.
Task<bool> Notifier::put(const Lane& lane, const std::string& to, Message message, std::int64_t rows,
                         ParcelFill fill) {
    const WallTime now = scheduler_.wall();
    fill.parcel = ParcelId{message.id};
    ParcelRow parcel{.id = fill.parcel,
                     .channel = lane.name,
                     .to = to,
                     .message = std::move(message),
                     .rows = rows,
                     .state = OutboxState::waiting,
                     .attempts = 0,
                     .next_at = now,
                     .last_error = {},
                     .created_at = now,
                     .first_attempt_at = {},
                     .ended_at = {}};
    Batch batch;
    batch.emplace_back(std::move(parcel));
    batch.emplace_back(std::move(fill));
    auto stored = co_await store_.commit(std::move(batch));
    if (!stored) {
        spdlog::error("event=outbox_not_durable channel={} error=\"{}\"", lane.name.value,
                      to_string(stored.error()));
    }
    co_return stored.has_value();
}

Task<void> Notifier::attempt(LanePtr lane, ParcelRow parcel) {
    Batch after;
    if (parcel.outdone) {
        parcel.state = OutboxState::superseded;
        parcel.last_error = "a newer message of it waits";
    } else if (parcel.message.expires_at && scheduler_.wall() >= *parcel.message.expires_at) {
        parcel.state = OutboxState::superseded;
        parcel.last_error = "past its use";
    } else {
        const std::shared_ptr<Channel> target = lane->channel;  // outlives a reload
        ++parcel.attempts;
        parcel.first_attempt_at = parcel.first_attempt_at.value_or(scheduler_.wall());
        const Result<Delivered> sent = co_await target->deliver({.message = parcel.message, .to = parcel.to},
                                                                scheduler_.in(attempt_limit));
        co_await heed_clock();
        settle(parcel, sent, after);
        if (sent) {
            spdlog::info("event=outbox_answer id={} answer=\"{}\"", parcel.id.value, sent->answer);
        }
    }
    const bool open = parcel.state == OutboxState::waiting;
    if (!open) {
        parcel.ended_at = scheduler_.wall();
    }
    after.emplace(after.begin(), parcel);
    if (!open && mutant(Mutant::delivery_not_remembered)) {
        after.clear();
    }
    co_await make_durable(std::move(after), parcel.id.value);
    spdlog::log(open ? spdlog::level::warn : spdlog::level::info,
                "event=outbox id={} channel={} rows={} state={} attempts={} error=\"{}\"", parcel.id.value,
                parcel.channel.value, parcel.rows, to_string(parcel.state), parcel.attempts,
                parcel.last_error);
    if (parcel.state == OutboxState::delivered) {
        if (taken_) {
            taken_(parcel.channel);
        }
        co_await report(parcel);
    } else if (parcel.state == OutboxState::dead && given_up_) {
        given_up_({.channel = parcel.channel,
                   .rows = parcel.rows,
                   .why = parcel.last_error,
                   .severity = parcel.message.severity,
                   .title = parcel.message.title});
    }
}

void Notifier::settle(ParcelRow& parcel, const Result<Delivered>& sent, Batch& batch) {
    if (sent || (sent.error().ambiguous() && mutant(Mutant::delivered_on_ambiguous))) {
        parcel.state = OutboxState::delivered;
        parcel.last_error.clear();
        return;
    }
    const Error& error = sent.error();
    parcel.last_error = to_string(error);
    parcel.uncertain = parcel.uncertain || error.ambiguous();
    const auto delay = retry_delay(parcel.attempts, static_cast<unsigned>(entropy_.below(1000)));
    if ((!error.may_retry() && !error.ambiguous()) || !delay || mutant(Mutant::outbox_not_retried)) {
        parcel.state = OutboxState::dead;
        if (error.code == Errc::forbidden) {  // 410
            const auto mark = delivery_.fingerprints.find(parcel.channel);
            ChannelStateRow row{
                .channel = parcel.channel,
                .disabled_at = scheduler_.wall(),
                .why = parcel.last_error,
                .fingerprint = mark == delivery_.fingerprints.end() ? std::string{} : mark->second};
            disabled_.insert_or_assign(parcel.channel, row);
            spdlog::error("event=channel_disabled channel={} why=\"{}\"", parcel.channel.value,
                          parcel.last_error);
            batch.emplace_back(std::move(row));
        }
        return;
    }
    Duration wait = *delay;
    if (error.retry.kind == Retry::Kind::after) {
        wait = std::clamp<Duration>(error.retry.delay, wait, std::max(wait, retry_after_max));
    }
    parcel.next_at = scheduler_.wall() + wait;
}

/// What a receiver took is remembered even if the disk says no for a while; a crash in between is the
/// one uncertain acknowledgement that may send twice, with the same id (I8).
Task<void> Notifier::make_durable(Batch batch, const std::string& what) {
    for (;;) {
        auto durable = co_await store_.commit(batch);
        if (durable || stopping_) {
            break;
        }
        spdlog::error("event=outbox_not_durable id={} error=\"{}\"", what, to_string(durable.error()));
        co_await scheduler_.sleep_for(store_retry);
    }
}

Task<void> Notifier::report(const ParcelRow& parcel) {
    if (!report_) {
        co_return;
    }
    auto rows = co_await store_.parcel_warnings(parcel);
    if (!rows) {
        spdlog::error("event=outbox_unreadable error=\"{}\"", to_string(rows.error()));
        co_return;
    }
    for (OutboxRow& row : *rows) {
        report_({std::move(row)});
    }
}

Task<void> Notifier::bury(const ChannelName& channel, const std::string& why) {
    auto before = co_await store_.outbox_counts();
    co_await make_durable(Batch{OutboxBury{.channel = channel, .why = why, .at = scheduler_.wall()}},
                          channel.value);
    auto after = co_await store_.outbox_counts();
    if (before && after && given_up_) {
        given_up_({.channel = channel,
                   .rows = (*after)[OutboxState::dead] - (*before)[OutboxState::dead],
                   .why = why,
                   .severity = Severity::critical,
                   .title = {}});
    }
}

}  // namespace curfew
