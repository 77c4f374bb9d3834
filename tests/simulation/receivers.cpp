#include "simulation/receivers.hpp"

namespace curfew::simulation {

Task<Result<Delivered>> SimChannel::attempt(Parcel parcel, Deadline deadline) {
    Dice& dice = receiver_.dice;
    const Rates& rates = stage_.rates;
    co_await line_.pass(Duration{dice.one_in(2) ? dice.between(5, 900) : 0});
    stage_.note("deliver", parcel.message.id, parcel.message.kind == AlertKind::test ? 1 : 0);
    if (receiver_.down_until && stage_.clock.now() < *receiver_.down_until) {
        stage_.injected("receiver_down");
        co_return fail(Errc::unavailable, "connection refused", receiver_.name.value, Retry::later());
    }
    if (receiver_.gone) {
        stage_.injected("receiver_gone");
        co_return fail(Errc::forbidden, "HTTP 410", receiver_.name.value);
    }
    if (stage_.goes_wrong(dice, rates.receiver_slow, "receiver_slow")) {
        const Duration slow = dice.skewed(seconds{1}, minutes{2});
        if (line_.scheduler.mono() + slow > deadline.at) {
            co_await line_.until(deadline.at);
            co_return fail(Errc::timeout, "no answer in time", receiver_.name.value, Retry::later());
        }
        co_await line_.pass(slow);
    }
    if (stage_.goes_wrong(dice, rates.receiver_down, "receiver_5xx")) {
        co_return fail(
            Errc::unavailable, "HTTP 503", receiver_.name.value,
            dice.one_in(2) ? Retry::after(Duration{dice.between(1000, 1'200'000)}) : Retry::later());
    }
    if (stage_.goes_wrong(dice, rates.receiver_refuses, "receiver_4xx")) {
        co_return fail(Errc::invalid, "HTTP 400", receiver_.name.value);
    }
    if (stage_.goes_wrong(dice, rates.receiver_gone, "receiver_gone")) {
        receiver_.gone = true;
        co_return fail(Errc::forbidden, "HTTP 410", receiver_.name.value);
    }
    if (stage_.goes_wrong(dice, rates.lost_parcel, "lost_parcel")) {
        co_return fail(Errc::timeout, "no answer after all was sent", receiver_.name.value,
                       Retry::ambiguous());
    }
    const bool lost = stage_.goes_wrong(dice, rates.lost_ack, "lost_ack");
    stage_.tally.mark("told");
    stage_.judge.took(receiver_.name, parcel, !lost, stage_.moment());
    if (lost) {
        co_return fail(Errc::timeout, "no answer after all was sent", receiver_.name.value,
                       Retry::ambiguous());
    }
    co_return Delivered{.answer = "taken"};
}

Task<Result<Delivered>> SimChannel::deliver(Parcel parcel, Deadline deadline) {
    stage_.judge.tried(receiver_.name, parcel, stage_.moment());
    auto taken = co_await attempt(parcel, deadline);
    if (!taken) {
        stage_.judge.said_no(receiver_.name, parcel, taken.error(), stage_.moment());
    }
    co_return taken;
}

Task<Result<void>> SimHeartbeat::beat(std::string /*bad*/) {
    co_await line_.pass(Duration{0});
    if (stage_.goes_wrong(dice_, stage_.rates.receiver_down, "heartbeat_lost")) {
        co_return fail(Errc::unavailable, "HTTP 503", "heartbeat", Retry::later());
    }
    co_return Result<void>{};
}

Task<Result<Space>> SimDisks::space(std::string /*folder*/) {
    co_await line_.pass(Duration{0});
    constexpr std::int64_t gib = std::int64_t{1} << 30;
    co_return Space{.free = full_ ? 0 : 200 * gib, .total = 400 * gib, .volume = "8:1"};
}

}  // namespace curfew::simulation
