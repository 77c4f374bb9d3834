// The life of every alert. What happens to a condition goes through the table of core/alert; transition,
// event and messages go into the caller's batch, so that they are one transaction. What time alone brings
// (repeats, escalation, the end of a silence) is `run`'s.
#pragma once

#include "curfew/app/notifier.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/world.hpp"
#include "curfew/core/error.hpp"
#include "curfew/core/silence.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace curfew {

class Alarms {
public:
    Alarms(World& world, Notifier& notifier);
    /// Times of a clock that was ahead are taken for now.
    void load(std::vector<Alert> alive, std::vector<Silence> silences);

    /// The condition `key` ("stop_failed/n8k2…") holds. Told once per state, not per poll: again only when its
    /// severity rises.
    void raise(const std::string& key, Message message, Batch& batch);
    /// It holds no more. Those who were told are told so, with a message made from theirs where none is given.
    void resolve(const std::string& key, std::optional<Message> message, Batch& batch);
    /// As `resolve`; and those hear of it whom its own route names, also if nobody was warned.
    void conclude(const std::string& key, Message message, Batch& batch);
    /// Ends those whose key begins so and which are not among `still`: their subject is well again, or gone.
    void resolve_others(const std::string& prefix, const std::set<std::string>& still, Batch& batch);
    /// Tells without a life of its own (would stop, a summary).
    void tell(Message message, Batch& batch);
    /// Raises `key`, and tells again at every step; the delivery of each row is an event of the enforcement.
    /// False when a silence that names it holds it back: then nobody is going to be told.
    bool warn(const std::string& key, Message message, const EnforcementId& enforcement, int step,
              Batch& batch);

    /// By name, with a word. Ends repeats until it gets worse; those who were told hear of it. Errors: not_found
    /// (nothing with this id fires).
    Result<void> acknowledge(const AlertId& id, std::string by, std::string note, Batch& batch);
    /// Given an id, and in force from now on; `run` works it into the alerts. Errors: as of `check`; conflict
    /// (too many).
    Result<Silence> silence(Silence wanted, Batch& batch);
    /// Errors: not_found.
    Result<void> unsilence(const SilenceId& id, const std::string& by, Batch& batch);
    /// The batch of `silence` or `unsilence` was not taken: as it was before.
    void take_back(const SilenceId& id);
    /// That covers it now; nullptr = none. Valid until the next change.
    const Silence* maintenance_of(const LiveResource& live) const;

    /// How a condition stood before a batch changed it.
    struct Condition {
        std::optional<Alert> alert;
        std::vector<WallTime> turns;  // of its lives before
        std::uint64_t version = 0;
    };
    using Memory = std::map<std::string, Condition>;  // by key
    /// Runs `change`, which raises and ends, and waits for nothing; gives how what it changed stood before.
    template <std::invocable Change>
    [[nodiscard]] Memory remember(Change&& change) {
        CURFEW_ASSERT(memory_ == nullptr, "I8: one change after the other");
        Memory memory;
        const Remembering until_its_end{memory_, memory};
        std::forward<Change>(change)();
        return memory;
    }
    /// Commits a batch together with what it changed. Where the store does not take it, these conditions are as
    /// before; what others made of one meanwhile stays, and who was told of it in vain is told again.
    Task<Result<void>> commit(Batch batch, Memory memory);
    /// The alert of a condition: pending, firing or acknowledged; nullptr = none. Valid until the next change.
    const Alert* alive(const std::string& key) const;
    /// Brings the alerts of a batch that waited to be written up to what became of them meanwhile.
    void refresh(Batch& batch) const;
    /// The configuration is another: repeats and escalations come when it wants them.
    void rules_changed();
    /// The batch is durable: let the outbox be looked at now, and what time brings next.
    void committed();
    /// Is it firing, acknowledged or not?
    bool firing(const std::string& key) const;
    /// When it began; absent when it is not firing.
    std::optional<WallTime> firing_since(const std::string& key) const;

    /// What time brings, until `stop`; sleeps until the next is due. Never throws.
    Task<void> run();
    void stop();

private:
    struct Entry {
        Alert alert;
        std::optional<WallTime> due;
        std::uint64_t version = 0;  // of its last change
    };
    struct Recent {  // turns of a key that does not fire now
        std::vector<WallTime> turns;
        WallTime until;
    };
    struct LiveSilence {
        Silence silence;
        WallTime ends;  // by the steady clock
    };
    struct Sender {  // of a warning
        EnforcementId enforcement;
        int step = 0;
    };
    struct Change {                // until it is durable
        std::uint64_t commit = 0;  // that it is part of
        Condition before;
        std::uint64_t left = 0;  // the version that it made
    };

    struct Remembering {
        Memory*& slot;
        Remembering(Memory*& of, Memory& memory) : slot(of) { slot = &memory; }
        ~Remembering() { slot = nullptr; }
        Remembering(const Remembering&) = delete;
        Remembering& operator=(const Remembering&) = delete;
    };

    WallTime steady() const;
    Alert shown(Alert alert) const;
    void complete(Message& message) const;
    Alert subject(const std::string& key, const Message& message) const;
    void put(Alert alert);
    void drop(const std::string& key, std::vector<WallTime> turns);
    void index(const Alert& alert, bool in);
    void wake_by(std::optional<WallTime> due);
    std::vector<const Alert*> saying(const std::string& what) const;
    const LiveSilence* silence_of(const Message& message, SilenceKind least) const;
    void cover(Alert& alert) const;
    bool routed(const ChannelName& channel) const;
    std::vector<Destination> receivers(const Alert& alert, const Message& message, Telling telling) const;
    Message rendered(const AlertStep& step, const Alert& before, std::optional<Message> given) const;
    AlertStep take(const Alert& current, const AlertInput& input, std::optional<Message> message,
                   Batch& batch, const Sender& sender);
    std::vector<Destination> end(const std::string& key, std::optional<Message> message, Batch& batch);
    void send(Message message, const std::vector<Destination>& to, Batch& batch, const Sender& sender);
    void end_silences(Batch& batch, std::vector<LiveSilence>& ended);
    void cover_anew(const std::string& key, Batch& batch);
    void pass_time(const std::string& key, Batch& batch);
    void pass(Batch& batch);
    void note(const std::string& key);
    std::vector<WallTime> turns_of(const std::string& key) const;
    std::uint64_t version_of(const std::string& key) const;
    std::uint64_t await_disk(Memory memory);
    void settle(std::uint64_t commit, bool taken);
    void undo(const std::string& key, std::vector<Change>& changes, std::size_t which);
    void forget_old(Batch& batch);
    Instant next_wake() const;
    void silences_changed();

    World& world_;
    Notifier& notifier_;
    Now base_;  // the steady clock shows the wall time of then, carried on by the monotonic clock
    std::map<std::string, Entry> alerts_;  // pending, firing and acknowledged, by key
    std::map<AlertId, std::string> by_id_;
    std::set<std::pair<WallTime, std::string>> due_;
    std::map<std::string, std::set<std::string>> saying_;  // keys of what fires, by what it hides
    std::map<std::string, std::set<std::string>> hidden_;  // keys, by what would hide them
    std::map<std::string, Recent> recent_;
    Memory* memory_ = nullptr;                              // of the change under way
    std::map<std::string, std::vector<Change>> undurable_;  // by key, oldest first
    std::uint64_t commits_ = 0;
    std::map<std::string, Instant> groups_;  // when each was told last, or will be
    std::vector<LiveSilence> silences_;
    std::deque<std::pair<SilenceId, std::optional<LiveSilence>>> silences_before_;
    std::set<std::string> dirty_;  // whose silence or inhibition may have changed
    std::uint64_t version_ = 0;
    std::optional<Instant> pruned_;
    Wakeup wakeup_;
    Scheduler::Alarm alarm_;
    Instant armed_ = instant_never;
    bool stopping_ = false;
};

}  // namespace curfew
