// Curfew's eye on itself: raises an alarm when it is not well, once per state, and ends it with a word. Looks every
// minute by a timer of its own, so that a watcher that hangs is noticed as well.
//
// When the database takes nothing, an alarm cannot be stored: then it goes straight to the channels, at most once an
// hour, and to the heartbeat.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/pulse.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/world.hpp"
#include "curfew/core/health.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/disk.hpp"
#include "curfew/ports/heartbeat.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace curfew {

/// How a poll of an account went.
struct CycleEnd {
    AccountName account;
    std::string error;   // "" = well
    bool whole = false;  // everything of the account was seen
    std::optional<Duration>
        ahead;  // of the provider's clock before ours, beyond what the request's time explains
};

class Health {
public:
    /// Of the alarm about a database that was replaced at the start; it ends with the next copy that is whole.
    static constexpr std::string_view replaced_key = "self/database/replaced";

    Health(World& world, Alarms& alarms, TaskGroup& tasks);

    /// At the start and at each reload. Without a gauge disks are not looked at.
    void use(std::vector<std::shared_ptr<Channel>> channels, std::shared_ptr<Heartbeat> heartbeat,
             std::shared_ptr<DiskGauge> disks);

    void cycle_ended(const CycleEnd& cycle);
    /// A transaction was refused.
    void not_durable(const Error& error);
    /// Of the outbox: a channel took something; it is not going to get something.
    void taken(const ChannelName& channel);
    void given_up(const GivenUp& what);
    /// A fault in what Curfew was given (its configuration, an edit, a folder), by whoever found it, until `mended`.
    /// Told with the next pass, or with the first that the database takes.
    void found(std::string key, Message fault);
    void mended(std::string key);

    /// Looks until `stop`.
    Task<void> run();
    void stop();
    /// One pass; for `run` and for tests.
    Task<void> look();
    Pulse& pulse() { return pulse_; }

private:
    struct OfAccount {
        Instant whole_at;  // newest look that was whole; at first when it began to be watched
        WallTime whole_wall;
        bool polled = false;  // by this process; before that an alarm of an older one stands
        bool seen_whole = false;
        bool parts = false;  // looks came since, but not whole
        int failed = 0;      // in a row
        std::string error;
        std::optional<Duration> ahead;
        int ahead_seen = 0;  // looks in a row that say so
        bool skewed = false;
    };
    struct OfChannel {
        std::int64_t dead = 0;  // since the alarm
        std::optional<WallTime> dead_since;
        std::optional<Instant> dead_at;
        std::optional<Instant> taken_at;
        GivenUp newest;
    };
    struct Late {
        ChannelName channel;
        Duration waits{0};
        std::string error;
    };
    using Given = std::map<std::string, std::optional<Message>>;  // by key; none: mended
    struct OfDisk {
        std::vector<std::string> folders;  // in words
        std::string path;
        Result<Space> space;
    };

    /// `read_all`: everything there is to know is of this pass.
    void judge(Batch& batch, bool read_all);
    void judge_given(const Given& given, Batch& batch);
    void judge_accounts(Batch& batch);
    void judge_clock(Batch& batch);
    void judge_channels(Batch& batch);
    void judge_disks(Batch& batch);
    void judge_database(Batch& batch);

    void raise(std::string_view key, Message message, Batch& batch);
    void end(std::string_view key, Message message, Batch& batch);
    Task<Result<void>> read();
    Task<void> ask_disks();
    Task<Result<void>> ask_outbox();
    Task<Result<void>> ask_dead();
    void passed(const Result<void>& pass);
    Task<void> tell_unwritten();
    void tell_directly(Message message);
    Task<void> send(std::shared_ptr<Channel> channel, Parcel parcel);
    OfAccount& of(const AccountName& account);
    std::string words(WallTime t) const;
    std::string since(std::string_view key);
    std::string what_is_bad() const;

    World& world_;
    Alarms& alarms_;
    TaskGroup& tasks_;
    Pulse pulse_;
    std::vector<std::shared_ptr<Channel>> channels_;
    std::shared_ptr<DiskGauge> gauge_;

    std::map<AccountName, OfAccount> accounts_;
    std::map<ChannelName, OfChannel> of_channels_;
    std::vector<OfDisk> disks_;                    // as the newest pass found them
    std::map<std::string, SpaceLevel> level_;      // by path
    std::map<std::string, WallTime> since_;        // of what is bad, by key
    std::map<std::string, std::string> critical_;  // titles of what stands, by key
    StoreHealth store_;
    std::vector<Late> late_;        // channels for which something waits too long
    std::int64_t waiting_ = 0;      // in the outbox, in all
    std::set<ChannelName> unsent_;  // channels with dead letters, at the newest look for them
    std::optional<Instant> asked_dead_;
    std::shared_ptr<const Config> asked_dead_of_;

    Given given_;  // not yet written down

    std::optional<Error> unwritten_;  // the database takes nothing
    WallTime unwritten_since_;
    std::optional<Instant> refused_at_;        // newest transaction that was not taken
    bool told_directly_ = false;               // of this time
    std::optional<Instant> told_directly_at_;  // ever

    std::optional<Duration> offset_;  // of the wall clock to the monotonic one
    std::optional<Instant> looked_since_;
    std::optional<Instant> stepped_at_;
    bool step_written_ = true;  // the alert of the newest is
    WallTime stepped_wall_;
    Duration moved_{0};

    int failed_passes_ = 0;
    std::string pass_error_;

    Rest rest_;
};

}  // namespace curfew
