#include "curfew/app/stamps.hpp"

#include "curfew/app/messages.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr Duration ahead_max = minutes{5};
constexpr Duration back_max = seconds{1};  // the provider's two APIs round differently

const Run* known_run(const LiveResource* known, const RunId& id) {
    if (known == nullptr) {
        return nullptr;
    }
    if (known->current.run.id == id) {
        return &known->current.run;
    }
    const auto older = std::ranges::find_if(known->older, [&](const LiveRun& o) { return o.run.id == id; });
    return older == known->older.end() ? nullptr : &older->run;
}

std::string key_of(const AccountName& account, const RunId& run) {
    return "stamp/" + account.value + "/" + run.value;
}

}  // namespace

Stamps::Stamps(World& world, Alarms& alarms, AccountName account)
    : world_(world), alarms_(alarms), account_(std::move(account)) {}

/// Of our clock and the provider's the later one: a clock of ours that was set back makes no lie of a stamp.
bool Stamps::ahead(WallTime stamp) const {
    const WallTime ours = world_.scheduler.wall();
    return stamp > std::max(ours, provider_time_.value_or(ours)) + ahead_max;
}

void Stamps::refuse(const Resource& resource, const RunId& run, const std::string& what,
                    const std::string& text, Batch& batch) {
    if (!bad_[run].insert(what).second) {
        return;  // told already
    }
    spdlog::warn("event=bad_stamp account={} run={} text=\"{}\"", account_.value, run.value, text);
    batch.emplace_back(QuarantineRow{.account = account_,
                                     .resource = resource.id,
                                     .run = run,
                                     .text = text,
                                     .at = world_.scheduler.wall()});
    Message m;
    m.kind = AlertKind::bad_stamp;
    m.severity = Severity::warning;
    const std::string name = messages::printable(resource.name);
    m.title = "What " + name + " costs is an estimate: the provider reports a time of it that cannot be true";
    m.body = {text + ". It is not billed by; what Curfew saw itself counts."};
    m.do_next = "curfew explain " + resource.id.value;
    m.account = account_;
    m.resource = resource.id;
    m.resource_name = name;
    m.owner = resource.owner;
    m.run = run;
    alarms_.raise(key_of(account_, run), std::move(m), batch);
}

void Stamps::check(Run& run, const Run* before, const Resource& resource, Batch& batch) {
    const std::optional<WallTime> start_before = before != nullptr ? before->started_at : std::nullopt;
    const auto bad = bad_.find(run.id);
    if (run.started_at && run.started_at != start_before) {
        if (ahead(*run.started_at)) {
            refuse(resource, run.id, "start",
                   "it begins at " + to_string(*run.started_at) + ", which is to come", batch);
            run.started_at = start_before;
        } else if (start_before && *run.started_at < *start_before - back_max) {
            refuse(
                resource, run.id, "start",
                "its start moved back from " + to_string(*start_before) + " to " + to_string(*run.started_at),
                batch);
            run.started_at = start_before;
        } else if (bad != bad_.end() && bad->second.contains("start")) {
            run.started_at = start_before;  // once it was wrong it is not believed later either
        }
    }
    run.ended_at = checked_end(run, resource, run.ended_at, batch);
}

std::optional<WallTime> Stamps::checked_end(const Run& run, const Resource& resource,
                                            std::optional<WallTime> end, Batch& batch) {
    if (end && run.started_at && *end < *run.started_at) {
        refuse(resource, run.id, "end",
               "it ends at " + to_string(*end) + ", before its start at " + to_string(*run.started_at),
               batch);
        return std::nullopt;
    }
    if (end && ahead(*end)) {
        refuse(resource, run.id, "end", "it ends at " + to_string(*end) + ", which is to come", batch);
        return std::nullopt;
    }
    return end;
}

Resource Stamps::checked(Resource seen, const LiveResource* known, std::optional<WallTime> provider_time,
                         Batch& batch) {
    provider_time_ = provider_time;
    listed_.insert(seen.run.id);
    check(seen.run, known_run(known, seen.run.id), seen, batch);
    for (Run& other : seen.other_runs) {
        listed_.insert(other.id);
        check(other, known_run(known, other.id), seen, batch);
    }
    return seen;
}

Run Stamps::checked(Run run, const Resource& resource, Batch& batch) {
    check(run, nullptr, resource, batch);
    return run;
}

std::vector<AddOn> Stamps::checked(std::vector<AddOn> seen, Batch& batch) {
    for (AddOn& add_on : seen) {
        Resource named;
        named.id = add_on.resource;
        named.name = add_on.name;
        const RunId id{add_on.id};
        listed_.insert(id);
        add_ons_.insert(id);
        if (add_on.since && ahead(*add_on.since)) {
            refuse(named, id, "start", "it begins at " + to_string(*add_on.since) + ", which is to come",
                   batch);
            add_on.since.reset();
        }
        if (add_on.until && ahead(*add_on.until)) {
            refuse(named, id, "end", "it ends at " + to_string(*add_on.until) + ", which is to come", batch);
            add_on.until.reset();
        }
        if (add_on.until && add_on.since && *add_on.until < *add_on.since) {
            refuse(named, id, "end",
                   "it ends at " + to_string(*add_on.until) + ", before its start at " +
                       to_string(*add_on.since),
                   batch);
            add_on.until.reset();
        }
    }
    return seen;
}

void Stamps::settle(bool with_add_ons, Batch& batch) {
    std::erase_if(bad_, [&](const auto& entry) {
        const bool asked = with_add_ons || !add_ons_.contains(entry.first);
        return asked && !listed_.contains(entry.first);
    });
    std::set<std::string> firing;
    for (const auto& [run, what] : bad_) {
        firing.insert(key_of(account_, run));
    }
    alarms_.resolve_others("stamp/" + account_.value + "/", firing, batch);
    std::erase_if(add_ons_, [&](const RunId& id) { return !bad_.contains(id); });
    listed_.clear();
}

}  // namespace curfew
