#include "curfew/app/alarms.hpp"

#include "curfew/core/health.hpp"
#include "curfew/core/route.hpp"

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

std::vector<Destination> recipients(const Message& message, const Config& config) {
    return self_paths(destinations(message, config.routing), message, config.routing.channels,
                      config.alerts.failover);
}

}  // namespace

Alarms::Alarms(World& world, Notifier& notifier) : world_(world), notifier_(notifier) {}

void Alarms::load(std::vector<Alert> firing) {
    for (Alert& alert : firing) {
        std::string key = alert.key;
        firing_.emplace(std::move(key), std::move(alert));
    }
}

void Alarms::stamp(Message& message) const {
    message.at = world_.scheduler.wall();
    if (message.id.empty()) {
        message.id = "msg_" + world_.entropy.hex(12);
    }
}

void Alarms::tell(Message message, Batch& batch) {
    stamp(message);
    for (OutboxRow& row : notifier_.rows_for(message, recipients(message, *world_.config))) {
        batch.emplace_back(std::move(row));
    }
}

void Alarms::warn(Message message, const EnforcementId& enforcement, int step, Batch& batch) {
    stamp(message);
    for (OutboxRow& row : notifier_.rows_for(message, recipients(message, *world_.config))) {
        row.enforcement = enforcement;
        row.warn_step = step;
        batch.emplace_back(std::move(row));
    }
}

void Alarms::raise(const std::string& key, Message message, Batch& batch) {
    const auto found = firing_.find(key);
    if (found != firing_.end() && found->second.severity >= message.severity) {
        return;
    }
    stamp(message);
    Alert alert = found != firing_.end() ? found->second : Alert{};
    if (found == firing_.end()) {
        alert.id = AlertId{"alr_" + world_.entropy.hex(8)};
        alert.key = key;
        alert.since = message.at;
    }
    alert.kind = message.kind;
    alert.severity = message.severity;
    alert.state = AlertState::firing;
    alert.changed_at = message.at;
    alert.title = message.title;
    alert.account = message.account;
    alert.resource = message.resource;
    alert.run = message.run;
    message.alert = alert.id;
    message.state = AlertState::firing;
    batch.emplace_back(alert);
    firing_.insert_or_assign(key, std::move(alert));
    tell(std::move(message), batch);
}

void Alarms::resolve(const std::string& key, std::optional<Message> message, Batch& batch) {
    const auto found = firing_.find(key);
    if (found == firing_.end()) {
        return;
    }
    Alert alert = std::move(found->second);
    firing_.erase(found);
    alert.state = AlertState::resolved;
    alert.changed_at = world_.scheduler.wall();
    if (message) {
        message->alert = alert.id;
        message->state = AlertState::resolved;
        tell(std::move(*message), batch);
    }
    batch.emplace_back(std::move(alert));
}

Alarms::Memory Alarms::remember(const std::vector<std::string>& keys) const {
    Memory memory;
    for (const std::string& key : keys) {
        const auto found = firing_.find(key);
        memory.emplace_back(key, found == firing_.end() ? std::nullopt : std::optional{found->second});
    }
    return memory;
}

void Alarms::restore(Memory memory) {
    for (auto& [key, alert] : memory) {
        if (alert) {
            firing_.insert_or_assign(key, std::move(*alert));
        } else {
            firing_.erase(key);
        }
    }
}

void Alarms::resolve_others(const std::string& prefix, const std::set<std::string>& still, Batch& batch) {
    std::vector<std::string> over;
    for (auto alert = firing_.lower_bound(prefix); alert != firing_.end() && alert->first.starts_with(prefix);
         ++alert) {
        if (!still.contains(alert->first)) {
            over.push_back(alert->first);
        }
    }
    for (const std::string& key : over) {
        resolve(key, std::nullopt, batch);
    }
}

Result<void> Alarms::acknowledge(const AlertId& id, Batch& batch) {
    const auto found = std::ranges::find_if(firing_,
                                            [&](const auto& entry) { return entry.second.id == id; });
    if (found == firing_.end()) {
        return fail(Errc::not_found, "no alert with this id is firing", id.value);
    }
    found->second.state = AlertState::acknowledged;
    found->second.changed_at = world_.scheduler.wall();
    batch.emplace_back(found->second);
    return {};
}

}  // namespace curfew
