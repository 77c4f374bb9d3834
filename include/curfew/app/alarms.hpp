// Which conditions are firing. Once per state, not per poll: raising a firing alarm again does
// nothing unless its severity rises. Transition and messages go into the caller's batch, so that they
// are one transaction.
#pragma once

#include "curfew/app/notifier.hpp"
#include "curfew/app/world.hpp"

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
    void load(std::vector<Alert> firing);

    /// `key` identifies the condition. `message` is told to every channel.
    void raise(const std::string& key, Message message, Batch& batch);
    /// Ends it; with a message, those who were told are told that it is over.
    void resolve(const std::string& key, std::optional<Message> message, Batch& batch);
    /// Ends, without a word, those whose key begins so and which are not among `still`: their subject is
    /// well again, or gone.
    void resolve_others(const std::string& prefix, const std::set<std::string>& still, Batch& batch);
    /// Tells without a life of its own (stopped, cancelled, would stop).
    void tell(Message message, Batch& batch);
    /// As `tell`; the delivery of each row is an event of the enforcement.
    void warn(Message message, const EnforcementId& enforcement, int step, Batch& batch);
    /// How some conditions stand, to put them back when the batch with their change was not taken.
    using Memory = std::vector<std::pair<std::string, std::optional<Alert>>>;
    Memory remember(const std::vector<std::string>& keys) const;
    void restore(Memory memory);
    /// The batch is durable: let the outbox be looked at now.
    void committed() { notifier_.wake(); }
    bool firing(const std::string& key) const { return firing_.contains(key); }
    Result<void> acknowledge(const AlertId& id, Batch& batch);

private:
    void stamp(Message& message) const;

    World& world_;
    Notifier& notifier_;
    std::map<std::string, Alert> firing_;
};

}  // namespace curfew
