// What all parts of one simulated world share: time, chance, faults, the judge, and the trace of all that happens.
#pragma once

#include "simulation/clock.hpp"
#include "simulation/dice.hpp"
#include "simulation/judge.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace curfew::simulation {

/// Everything that happens, as one number. Only times, words, ids and results go in, never an address.
class Trace {
public:
    explicit Trace(bool print) : print_(print) {}
    void note(Instant at, std::string_view what, std::string_view of = {}, std::int64_t number = 0);
    std::uint64_t hash() const { return hash_; }
    std::int64_t notes() const { return notes_; }

private:
    void take(std::uint64_t value) {
        hash_ = (hash_ ^ value) * 0x9E3779B97F4A7C15;
        hash_ ^= hash_ >> 29U;
    }
    void take(std::string_view text);

    std::uint64_t hash_ = 0x243F6A8885A308D3;
    std::int64_t notes_ = 0;
    bool print_;
};

/// How often each thing goes wrong, in millionths of the times that it could; drawn per seed.
struct Rates {
    // a request to the provider
    std::int64_t lost_request = 0;
    std::int64_t lost_reply = 0;
    std::int64_t latency = 0;  // up to the deadline and beyond
    std::int64_t refused = 0;  // 4xx
    std::int64_t broken = 0;   // 5xx
    std::int64_t garbage = 0;
    // its lists
    std::int64_t partial = 0;
    std::int64_t stale = 0;
    std::int64_t doubled = 0;
    std::int64_t odd_state = 0;
    std::int64_t absent = 0;
    // its stops
    std::int64_t stop_ignored = 0;  // accepted, and it bills on
    std::int64_t slow_teardown = 0;
    std::int64_t stop_lost = 0;  // the answer to a stop, or the stop itself
    std::int64_t stop_refused = 0;
    std::int64_t lags = 0;    // what ended a moment ago is shown as if it were on
    std::int64_t untold = 0;  // … what nobody saw is not told of when it is asked about, and who asked dies
    std::int64_t denied = 0;  // what is being torn down is not shown for once
    // guests
    std::int64_t guest_hangs = 0;
    std::int64_t guest_refuses = 0;
    std::int64_t guest_late = 0;
    std::int64_t probe_fails = 0;
    std::int64_t no_metrics = 0;
    std::int64_t read_fails = 0;
    std::int64_t unreadable = 0;        // a file, for good
    std::int64_t changes_underway = 0;  // of files, while they are packed
    std::int64_t restart_underway = 0;  // by their user, while Curfew packs, looks or stops
    std::int64_t work_underway = 0;
    // vaults
    std::int64_t vault_full = 0;
    std::int64_t vault_fails = 0;
    std::int64_t vault_slow = 0;
    // receivers
    std::int64_t receiver_slow = 0;
    std::int64_t receiver_down = 0;
    std::int64_t receiver_refuses = 0;  // 4xx: a dead letter
    std::int64_t receiver_gone = 0;     // 410
    std::int64_t lost_ack = 0;
    std::int64_t lost_parcel = 0;  // on its way, and the sender cannot tell
    // the host
    std::int64_t slow_commit = 0;
    // of transitions of enforcements: something comes just then
    std::int64_t untimely = 0;
};

struct Stage {
    Stage(std::uint64_t seed, bool print)
        : dice(Dice{seed}), clock(beginning(dice.split("origin")), dice.split("ties")), trace(print),
          judge(tally) {}

    /// A minute of 2026: every clock change and every end of a month is in somebody's life.
    static WallTime beginning(Dice dice) {
        return {1'767'225'600'000 + dice.between(0, 300 * 24 * 60) * 60'000};
    }

    Dice dice;  // split it; never draw from it
    Clock clock;
    Trace trace;
    Tally tally;
    Judge judge;
    Rates rates;
    bool faults_on = false;
    /// Told of every transaction right after the judge, inside of the write that made it durable.
    std::function<void(const Batch&)> durable;
    /// Told of every transaction that is asked for: for so long the disk takes it, beside its other troubles.
    std::function<Duration(const Batch&)> asked;
    std::int64_t faults = 0;

    Moment moment() const { return clock.moment(); }
    void note(std::string_view what, std::string_view of = {}, std::int64_t number = 0) {
        trace.note(clock.now(), what, of, number);
    }
    /// Does this go wrong now? It is counted then.
    bool goes_wrong(Dice& chance, std::int64_t ppm, const char* name) {
        if (!faults_on || !chance.chance(ppm)) {
            return false;
        }
        injected(name);
        return true;
    }
    void injected(const char* name) {
        ++faults;
        const std::string mark = std::string{"fault."} + name;
        tally.mark(mark);
        note(mark);
    }
};

/// Between one life of the daemon and the world. Once the process dies, nobody who waits here goes on.
struct Line {
    VirtualScheduler& scheduler;
    boost::asio::io_context& loop;
    const bool& dead;

    /// Lets go of the caller until `d` later.
    Task<void> pass(Duration d) const;
    Task<void> until(Instant host_mono) const;
    Task<void> for_ever() const;
};

}  // namespace curfew::simulation
