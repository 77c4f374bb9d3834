#include "curfew/app/alarms.hpp"

#include "curfew/app/parcels.hpp"
#include "curfew/core/health.hpp"
#include "curfew/core/mutant.hpp"
#include "curfew/core/route.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr std::size_t pass_max = 500;  // alerts in one transaction of `run`
constexpr int steps_max = 8;           // of one alert at once
constexpr Duration commit_retry = seconds{5};
constexpr Duration prune_every = hours{1};
constexpr Duration kept = hours{24} * 90;
constexpr std::size_t silences_max = 500;
constexpr std::size_t undo_max = 64;
constexpr std::size_t named_max = 4;

bool fires(const Alert& alert) {
    return alert.state == AlertState::firing || alert.state == AlertState::acknowledged;
}

void add(std::vector<Destination>& to, const std::vector<Destination>& more) {
    for (const Destination& destination : more) {
        if (std::ranges::find(to, destination) == to.end()) {
            to.push_back(destination);
        }
    }
}

std::vector<Destination> recipients(const Message& message, const Config& config) {
    return self_paths(destinations(message, config.routing), message, config.routing.channels,
                      config.alerts.failover);
}

std::string names(const std::vector<Destination>& to) {
    std::string text;
    for (std::size_t i = 0; i < to.size() && i < named_max; ++i) {
        text += (i == 0 ? "" : ", ") + to[i].channel.value + (to[i].to.empty() ? "" : " (" + to[i].to + ")");
    }
    return text + (to.size() > named_max ? " and " + std::to_string(to.size() - named_max) + " more" : "");
}

std::string lasted(Duration d) {
    return to_string(d < minutes{1} ? Duration{std::chrono::floor<seconds>(d)}
                                    : Duration{std::chrono::floor<minutes>(d)});
}

}  // namespace

Alarms::Alarms(World& world, Notifier& notifier)
    : world_(world), notifier_(notifier), base_(world.scheduler.now()), wakeup_(world.loop) {}

void Alarms::load(std::vector<Alert> alive, std::vector<Silence> silences) {
    base_ = world_.scheduler.now();
    const WallTime now = base_.wall;
    for (Silence& silence : silences) {
        const WallTime ends = std::min(silence.until, now + silence_max);
        silences_.push_back({std::move(silence), ends});
    }
    for (Alert& alert : alive) {
        alert.since = std::min(alert.since, now);
        alert.changed_at = std::min(alert.changed_at, now);
        for (WallTime& turn : alert.turns) {
            turn = std::min(turn, now);
        }
        if (alert.told_at) {
            alert.told_at = std::min(*alert.told_at, now);
        } else if (fires(alert) && alert.silenced_by.empty() && alert.inhibited_by.empty() &&
                   !alert.flapping) {
            alert.told_at =
                alert.changed_at;  // by a version that told every channel and did not write it down
            alert.told = recipients(alert.message, *world_.config);
        }
        dirty_.insert(alert.key);
        put(std::move(alert));
    }
    silences_changed();
}

// ---- time ----------------------------------------------------------------------------------------

WallTime Alarms::steady() const {
    return base_.wall + (world_.scheduler.mono() - base_.mono);
}

/// As the wall clock of now would have stamped it.
Alert Alarms::shown(Alert alert) const {
    const Duration ahead = world_.scheduler.wall() - steady();
    alert.since = alert.since + ahead;
    alert.changed_at = alert.changed_at + ahead;
    if (alert.told_at) {
        alert.told_at = *alert.told_at + ahead;
    }
    for (WallTime& turn : alert.turns) {
        turn = turn + ahead;
    }
    return alert;
}

// ---- what is known of each -----------------------------------------------------------------------

void Alarms::index(const Alert& alert, bool in) {
    const auto note = [&](std::map<std::string, std::set<std::string>>& all, const std::string& what) {
        if (what.empty()) {
            return;
        }
        if (in) {
            all[what].insert(alert.key);
        } else if (const auto found = all.find(what); found != all.end()) {
            found->second.erase(alert.key);
            if (found->second.empty()) {
                all.erase(found);
            }
        }
    };
    note(saying_, hides(alert));
    note(hidden_, hidden_by(alert));
    if (in) {
        by_id_.insert_or_assign(alert.id, alert.key);
    } else {
        by_id_.erase(alert.id);
    }
}

/// Before it changes.
void Alarms::note(const std::string& key) {
    if (memory_ != nullptr && !memory_->contains(key)) {
        const Alert* before = alive(key);
        memory_->emplace(key, Condition{.alert = before == nullptr ? std::nullopt : std::optional{*before},
                                        .turns = turns_of(key),
                                        .version = version_of(key)});
    }
}

void Alarms::put(Alert alert) {
    const std::string key = alert.key;
    note(key);
    Entry& entry = alerts_[key];
    const std::string said = entry.version != 0 ? hides(entry.alert) : std::string{};
    if (entry.version != 0) {
        index(entry.alert, false);
    }
    if (entry.due) {
        due_.erase({*entry.due, key});
    }
    entry.alert = std::move(alert);
    entry.due = next_due(entry.alert, world_.config->alerts);
    entry.version = ++version_;
    index(entry.alert, true);
    if (entry.due) {
        due_.emplace(*entry.due, key);
    }
    recent_.erase(key);
    const std::string says = hides(entry.alert);
    for (const std::string& what : {said, says}) {
        if (const auto hidden = hidden_.find(what); said != says && hidden != hidden_.end()) {
            dirty_.insert(hidden->second.begin(), hidden->second.end());
        }
    }
    wake_by(entry.due);
}

void Alarms::drop(const std::string& key, std::vector<WallTime> turns) {
    note(key);
    const auto found = alerts_.find(key);
    if (found != alerts_.end()) {
        if (found->second.due) {
            due_.erase({*found->second.due, key});
        }
        index(found->second.alert, false);
        if (const auto hidden = hidden_.find(hides(found->second.alert)); hidden != hidden_.end()) {
            dirty_.insert(hidden->second.begin(), hidden->second.end());
        }
        alerts_.erase(found);
        ++version_;
    }
    if (turns.empty()) {
        recent_.erase(key);
    } else {
        recent_[key] = {std::move(turns), steady() + world_.config->alerts.flap_window};
    }
    wake_by(std::nullopt);
}

/// `run` sleeps until what it knew of was due.
void Alarms::wake_by(std::optional<WallTime> due) {
    if (!dirty_.empty() || (due && world_.scheduler.mono() + (*due - steady()) < armed_)) {
        wakeup_.notify();
    }
}

std::vector<const Alert*> Alarms::saying(const std::string& what) const {
    std::vector<const Alert*> all;
    if (const auto found = saying_.find(what); found != saying_.end()) {
        for (const std::string& key : found->second) {
            all.push_back(&alerts_.at(key).alert);
        }
    }
    return all;
}

/// The alert that `key` is, or would be: then in state `resolved`, with what would be laid over it.
Alert Alarms::subject(const std::string& key, const Message& message) const {
    Alert alert;
    if (const Alert* known = alive(key)) {
        alert = *known;
    } else {
        alert.id = AlertId{"alr_" + world_.entropy.hex(8)};
        alert.key = key;
        alert.state = AlertState::resolved;
        alert.severity = message.severity;
        alert.turns = turns_of(key);
    }
    alert.kind = message.kind;
    alert.title = message.title;
    alert.account = message.account;
    alert.resource = message.resource;
    alert.run = message.run;
    alert.message = message;
    alert.message.id.clear();
    alert.message.key = key;
    alert.message.alert = alert.id;
    if (alert.state == AlertState::resolved) {
        cover(alert);
    }
    return alert;
}

const Alarms::LiveSilence* Alarms::silence_of(const Message& message, SilenceKind least) const {
    const SilenceSubject subject = subject_of(message);
    const WallTime now = steady();
    const auto found = std::ranges::find_if(silences_, [&](const LiveSilence& in) {
        return in.ends > now && in.silence.kind >= least && covers(in.silence.scope, subject);
    });
    return found == silences_.end() ? nullptr : &*found;
}

void Alarms::cover(Alert& alert) const {
    const LiveSilence* silence = silence_of(alert.message, SilenceKind::silence);
    const Alert* all = inhibitor(alert, saying(hidden_by(alert)));
    alert.silenced_by = silence != nullptr ? silence->silence.id : SilenceId{};
    alert.inhibited_by = all != nullptr ? all->key : std::string{};
}

const Alert* Alarms::alive(const std::string& key) const {
    const auto found = alerts_.find(key);
    return found == alerts_.end() ? nullptr : &found->second.alert;
}

bool Alarms::firing(const std::string& key) const {
    const Alert* alert = alive(key);
    return alert != nullptr && fires(*alert);
}

std::optional<WallTime> Alarms::firing_since(const std::string& key) const {
    return firing(key) ? std::optional{alive(key)->since} : std::nullopt;
}

// ---- what is told --------------------------------------------------------------------------------

/// Whom it concerns and what it is told with, where its author does not say.
void Alarms::complete(Message& message) const {
    message.at = world_.scheduler.wall();
    if (const auto found = world_.picture.resources.find(message.resource);
        found != world_.picture.resources.end()) {
        const LiveResource& live = found->second;
        message.owner = message.owner.empty() ? live.resource.owner : message.owner;
        message.resource_name = message.resource_name.empty() ? live.resource.name : message.resource_name;
        if (message.rule.empty() && message.budget.empty()) {
            message.rule = RuleName{live.rule};
        }
    }
    message.group = group_of(message);
}

/// A channel may also be there for owners alone.
bool Alarms::routed(const ChannelName& channel) const {
    const Routing& routing = world_.config->routing;
    return std::ranges::find(routing.channels, channel) != routing.channels.end() ||
           routing.owner_channel == channel ||
           std::ranges::find(routing.contacts, channel, &OwnerContact::channel) != routing.contacts.end();
}

/// Channels that were removed from the configuration are no receivers any more.
std::vector<Destination> Alarms::receivers(const Alert& alert, const Message& message,
                                           Telling telling) const {
    std::vector<Destination> to;
    if (telling == Telling::resolved && mutant(Mutant::resolve_untold)) {
        return to;
    }
    if (telling == Telling::escalation) {
        const auto& steps = world_.config->alerts.escalation;
        const auto step = static_cast<std::size_t>(alert.escalated) - 1;
        for (const ChannelName& channel :
             step < steps.size() ? steps[step].channels : std::vector<ChannelName>{}) {
            add(to, {{.channel = channel, .to = {}}});
        }
    } else {
        if (telling != Telling::resolved && telling != Telling::acknowledged) {
            to = recipients(message, *world_.config);
        }
        add(to, alert.told);
    }
    std::erase_if(to, [&](const Destination& destination) { return !routed(destination.channel); });
    return to;
}

Message Alarms::rendered(const AlertStep& step, const Alert& before, std::optional<Message> given) const {
    const Alert& alert = step.next;
    const bool told_by_author = given.has_value();
    Message m = told_by_author ? std::move(*given) : alert.message;
    const std::string title = m.title;
    m.telling = *step.telling;
    m.state = alert.state;
    m.key = alert.key;
    m.alert = alert.id;
    m.severity = alert.severity;
    switch (m.telling) {
        case Telling::notice:
        case Telling::rise:
            break;
        case Telling::firing:
            if (alert.flapping) {
                m.title = "Comes and goes: " + title;
                m.body.push_back(alert.reason + ".");
            } else if (before.state == AlertState::firing) {
                m.body.push_back(alert.reason + ".");
            }
            break;
        case Telling::repeat:
            if (!told_by_author) {
                m.title = "Still so after " + lasted(steady() - alert.since) + ": " + title;
            }
            break;
        case Telling::escalation:
            m.title = "Nobody acknowledged it: " + title;
            m.body.push_back(alert.reason + ".");
            break;
        case Telling::acknowledged:
            m.title = "Acknowledged by " + alert.acknowledged_by + ": " + title;
            m.body = alert.note.empty() ? std::vector<std::string>{} : std::vector<std::string>{alert.note};
            m.severity = Severity::info;
            m.stops_at.reset();
            break;
        case Telling::resolved:
            if (!told_by_author) {
                m.title = std::string{over_words} + title + " (it lasted " + lasted(steady() - alert.since) +
                          ")";
                m.body.clear();
                m.do_next = "curfew alerts show " + alert.id.value;
            }
            m.severity = Severity::info;
            m.stops_at.reset();
            m.expires_at.reset();
            break;
    }
    return m;
}

void Alarms::send(Message message, const std::vector<Destination>& to, Batch& batch, const Sender& sender) {
    if (to.empty()) {
        return;
    }
    message.at = world_.scheduler.wall();
    message.id = message.id.empty() ? "msg_" + world_.entropy.hex(12) : message.id;
    const Instant now = world_.scheduler.mono();
    const auto group = groups_.find(message.group);
    const Duration wait = wait_of(message,
                                  group == groups_.end() ? std::nullopt : std::optional{group->second},
                                  world_.config->alerts, now);
    Instant& told = groups_[message.group];
    told = std::max(told, now + wait);
    for (OutboxRow& row : notifier_.rows_for(message, to)) {
        row.next_at = row.next_at + wait;
        row.enforcement = sender.enforcement;
        row.warn_step = sender.step;
        batch.emplace_back(std::move(row));
    }
}

// ---- what happens to one -------------------------------------------------------------------------

/// One row of the table with everything that follows from it. `current` is its alert with what is newly known.
AlertStep Alarms::take(const Alert& current, const AlertInput& input, std::optional<Message> message,
                       Batch& batch, const Sender& sender) {
    AlertStep step = decide(current, input, world_.config->alerts, steady());
    Alert& next = step.next;
    if (!step.event) {
        if (next.state != AlertState::resolved) {
            put(next);  // what is newly known
        }
        return step;
    }
    if (step.telling) {
        Message told = rendered(step, current, std::move(message));
        const std::vector<Destination> to = receivers(next, told, *step.telling);
        if (*step.telling != Telling::resolved && *step.telling != Telling::acknowledged) {
            add(next.told, to);
        }
        step.event->reason += to.empty() ? "; nobody is there to be told" : "; told: " + names(to);
        send(std::move(told), to, batch, sender);
    }
    step.event->at = world_.scheduler.wall();
    batch.emplace_back(shown(next));
    batch.emplace_back(*step.event);
    if (next.state == AlertState::resolved) {
        drop(next.key, next.turns);
    } else {
        put(next);
    }
    return step;
}

void Alarms::raise(const std::string& key, Message message, Batch& batch) {
    complete(message);
    if (const auto found = alerts_.find(key); found != alerts_.end() && fires(found->second.alert) &&
                                              message.severity <= found->second.alert.severity) {
        Message& last = found->second.alert.message;  // for repeats and for the end
        message.key = key;
        message.alert = found->second.alert.id;
        message.severity = found->second.alert.severity;
        message.id.clear();
        last = std::move(message);
        return;
    }
    const Severity severity = message.severity;
    take(subject(key, message), alert_input::Holds{.severity = severity}, std::move(message), batch, {});
}

bool Alarms::warn(const std::string& key, Message message, const EnforcementId& enforcement, int step,
                  Batch& batch) {
    complete(message);
    const alert_input::Holds holds{.severity = message.severity, .again = alerts_.contains(key)};
    const Alert current = subject(key, message);
    return take(current, holds, std::move(message), batch, {enforcement, step}).telling.has_value();
}

std::vector<Destination> Alarms::end(const std::string& key, std::optional<Message> message, Batch& batch) {
    const Alert* known = alive(key);
    if (known == nullptr) {
        return {};
    }
    if (message) {
        complete(*message);
    }
    const Alert current = *known;
    const AlertStep step = take(current, alert_input::Over{}, std::move(message), batch, {});
    return step.telling == Telling::resolved ? receivers(step.next, {}, Telling::resolved)
                                             : std::vector<Destination>{};
}

void Alarms::resolve(const std::string& key, std::optional<Message> message, Batch& batch) {
    end(key, std::move(message), batch);
}

void Alarms::conclude(const std::string& key, Message message, Batch& batch) {
    complete(message);
    message.key = key;
    message.id = message.id.empty() ? "msg_" + world_.entropy.hex(12) : message.id;
    std::vector<Destination> others = recipients(message, *world_.config);
    const std::vector<Destination> told = end(key, message, batch);
    std::erase_if(others, [&](const Destination& d) { return std::ranges::find(told, d) != told.end(); });
    if (silence_of(message, SilenceKind::silence) == nullptr) {
        send(std::move(message), others, batch, {});
    }
}

void Alarms::resolve_others(const std::string& prefix, const std::set<std::string>& still, Batch& batch) {
    std::vector<std::string> over;
    for (auto alert = alerts_.lower_bound(prefix); alert != alerts_.end() && alert->first.starts_with(prefix);
         ++alert) {
        if (!still.contains(alert->first)) {
            over.push_back(alert->first);
        }
    }
    for (const std::string& key : over) {
        resolve(key, std::nullopt, batch);
    }
}

void Alarms::tell(Message message, Batch& batch) {
    complete(message);
    if (const LiveSilence* silence = silence_of(message, SilenceKind::silence)) {
        batch.emplace_back(AuditRow{.seq = 0,
                                    .at = message.at,
                                    .kind = "notice.silenced",
                                    .account = message.account,
                                    .resource = message.resource,
                                    .run = message.run,
                                    .actor = "curfewd",
                                    .text = silence->silence.id.value + ": " + message.title});
        return;
    }
    const std::vector<Destination> to = recipients(message, *world_.config);
    send(std::move(message), to, batch, {});
}

Result<void> Alarms::acknowledge(const AlertId& id, std::string by, std::string note, Batch& batch) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end() || !firing(found->second)) {
        return fail(Errc::not_found, "no alert with this id is firing", id.value);
    }
    const Alert current = alerts_.at(found->second).alert;
    take(current, alert_input::Acknowledged{.by = std::move(by), .note = std::move(note)}, std::nullopt,
         batch, {});
    return {};
}

// ---- silences ------------------------------------------------------------------------------------

Result<Silence> Alarms::silence(Silence wanted, Batch& batch) {
    const WallTime now = world_.scheduler.wall();
    if (auto sound = check(wanted, now); !sound) {
        return std::unexpected(sound.error());
    }
    if (silences_.size() >= silences_max) {
        return fail(Errc::conflict, std::to_string(silences_max) + " silences are in force; end some first");
    }
    wanted.id = SilenceId{"sil_" + world_.entropy.hex(6)};
    wanted.from = now;
    wanted.ended_at.reset();
    batch.emplace_back(wanted);
    silences_.push_back({wanted, steady() + (wanted.until - now)});
    silences_before_.emplace_back(wanted.id, std::nullopt);
    silences_changed();
    return wanted;
}

Result<void> Alarms::unsilence(const SilenceId& id, const std::string& by, Batch& batch) {
    const auto found = std::ranges::find_if(silences_,
                                            [&](const LiveSilence& in) { return in.silence.id == id; });
    if (found == silences_.end()) {
        return fail(Errc::not_found, "no silence with this id is in force", id.value);
    }
    Silence ended = found->silence;
    ended.ended_at = world_.scheduler.wall();
    silences_before_.emplace_back(id, std::move(*found));
    silences_.erase(found);
    batch.emplace_back(ended);
    spdlog::info("event=unsilenced silence={} by=\"{}\"", id.value, by);
    silences_changed();
    return {};
}

void Alarms::take_back(const SilenceId& id) {
    const auto newest = std::ranges::find_if(silences_before_.rbegin(), silences_before_.rend(),
                                             [&](const auto& entry) { return entry.first == id; });
    if (newest == silences_before_.rend()) {
        return;
    }
    std::erase_if(silences_, [&](const LiveSilence& in) { return in.silence.id == id; });
    if (newest->second) {
        silences_.push_back(std::move(*newest->second));
    }
    silences_before_.erase(std::next(newest).base());
    silences_changed();
}

void Alarms::silences_changed() {
    if (silences_before_.size() > undo_max) {
        silences_before_.pop_front();
    }
    world_.picture.maintenance.clear();
    for (const LiveSilence& in : silences_) {
        if (in.silence.kind == SilenceKind::maintenance) {
            world_.picture.maintenance.push_back(in.silence);
        }
    }
    for (const auto& [key, entry] : alerts_) {
        dirty_.insert(key);
    }
    wakeup_.notify();
}

const Silence* Alarms::maintenance_of(const LiveResource& live) const {
    const Rule* rule = rule_for(world_.config->rules, live.resource);
    return world_.picture.maintenance_over(live.resource, rule != nullptr ? rule->name : RuleName{});
}

// ---- a batch that was not taken ------------------------------------------------------------------

Task<Result<void>> Alarms::commit(Batch batch, Memory memory) {
    const std::uint64_t number = await_disk(std::move(memory));
    auto done = co_await world_.store.commit(std::move(batch));
    settle(number, done.has_value());
    co_return done;
}

std::vector<WallTime> Alarms::turns_of(const std::string& key) const {
    const auto found = recent_.find(key);
    return found == recent_.end() ? std::vector<WallTime>{} : found->second.turns;
}

std::uint64_t Alarms::version_of(const std::string& key) const {
    const auto found = alerts_.find(key);
    return found == alerts_.end() ? 0 : found->second.version;
}

/// From here on until `settle`. What the batch left as it was is not its to put back.
std::uint64_t Alarms::await_disk(Memory memory) {
    const std::uint64_t number = ++commits_;
    for (auto& [key, before] : memory) {
        const std::uint64_t version = version_of(key);
        if (version != before.version || turns_of(key) != before.turns) {
            undurable_[key].push_back({number, std::move(before), version});
        }
    }
    return number;
}

void Alarms::settle(std::uint64_t commit, bool taken) {
    for (auto at = undurable_.begin(); at != undurable_.end();) {
        std::vector<Change>& changes = at->second;
        const auto change = std::ranges::find(changes, commit, &Change::commit);
        if (change != changes.end()) {
            if (!taken) {
                undo(at->first, changes, static_cast<std::size_t>(change - changes.begin()));
            }
            changes.erase(change);
        }
        at = changes.empty() ? undurable_.erase(at) : std::next(at);
    }
}

/// As it was before, unless somebody else has changed it since: then only what was told in vain is taken back,
/// and his change, should it not become durable either, goes back to before this one.
void Alarms::undo(const std::string& key, std::vector<Change>& changes, std::size_t which) {
    Condition& before = changes[which].before;
    const bool newest = which + 1 == changes.size();
    const std::uint64_t version = version_of(key);
    dirty_.insert(key);
    if (newest && version == changes[which].left) {
        if (before.alert) {
            put(std::move(*before.alert));
        } else {
            drop(key, std::move(before.turns));
        }
        return;
    }
    if (const Alert* now = alive(key); now != nullptr && (!before.alert || before.alert->id == now->id)) {
        Alert alert = *now;
        const Alert was = before.alert.value_or(Alert{});
        alert.told = was.told;
        alert.told_at = was.told_at.value_or(WallTime{});
        put(std::move(alert));
    }
    if (!newest) {
        Change& last = changes.back();
        last.left = last.left == version ? version_of(key) : last.left;
        changes[which + 1].before = std::move(before);
    }
}

void Alarms::refresh(Batch& batch) const {
    std::erase_if(batch, [&](Write& row) {
        auto* alert = std::get_if<Alert>(&row);
        if (alert == nullptr || alert->state == AlertState::resolved) {
            return false;
        }
        const auto found = by_id_.find(alert->id);
        if (found != by_id_.end()) {
            *alert = shown(alerts_.at(found->second).alert);
        }
        return found == by_id_.end();
    });
}

void Alarms::rules_changed() {
    for (const auto& [key, entry] : alerts_) {
        put(Alert{entry.alert});
    }
}

void Alarms::committed() {
    notifier_.wake();
    wakeup_.notify();
}

// ---- what time brings ----------------------------------------------------------------------------

void Alarms::end_silences(Batch& batch, std::vector<LiveSilence>& ended) {
    const WallTime now = steady();
    for (LiveSilence& in : silences_) {
        if (in.ends <= now) {
            Silence over = in.silence;
            over.ended_at = world_.scheduler.wall();
            batch.emplace_back(std::move(over));
            ended.push_back(std::move(in));
        }
    }
    if (!ended.empty()) {
        std::erase_if(silences_, [&](const LiveSilence& in) { return in.ends <= now; });
        silences_changed();
    }
}

/// What is laid on comes before what is taken off, so that nobody is told in between.
void Alarms::cover_anew(const std::string& key, Batch& batch) {
    const auto apply = [&](const AlertInput& input) {
        if (const Alert* known = alive(key)) {
            const Alert current = *known;
            take(current, input, std::nullopt, batch, {});
        }
    };
    const Alert* now = alive(key);
    if (now == nullptr) {
        return;
    }
    Alert wanted = *now;
    cover(wanted);
    const bool silence = wanted.silenced_by != now->silenced_by;
    const bool inhibition = wanted.inhibited_by != now->inhibited_by;
    if (silence && !wanted.silenced_by.empty()) {
        apply(alert_input::Silenced{wanted.silenced_by});
    }
    if (inhibition && !wanted.inhibited_by.empty()) {
        apply(alert_input::Inhibited{wanted.inhibited_by});
    }
    if (silence && wanted.silenced_by.empty()) {
        apply(alert_input::Unsilenced{});
    }
    if (inhibition && wanted.inhibited_by.empty()) {
        apply(alert_input::Uninhibited{});
    }
}

void Alarms::pass_time(const std::string& key, Batch& batch) {
    for (int i = 0; i < steps_max; ++i) {
        const auto found = alerts_.find(key);
        if (found == alerts_.end() || !found->second.due || *found->second.due > steady()) {
            return;
        }
        const Alert current = found->second.alert;
        if (!take(current, alert_input::TimePassed{}, std::nullopt, batch, {}).event) {
            break;
        }
    }
}

/// A part of what is to be done now.
void Alarms::pass(Batch& batch) {
    std::vector<std::string> covered;
    while (!dirty_.empty() && covered.size() < pass_max) {
        covered.push_back(std::move(dirty_.extract(dirty_.begin()).value()));
    }
    for (const std::string& key : covered) {
        cover_anew(key, batch);
    }
    const WallTime now = steady();
    std::vector<std::string> due;
    for (auto next = due_.begin(); next != due_.end() && next->first <= now && due.size() < pass_max;
         ++next) {
        due.push_back(next->second);
    }
    for (const std::string& key : due) {
        pass_time(key, batch);
    }
}

void Alarms::forget_old(Batch& batch) {
    const Now now = world_.scheduler.now();
    if (pruned_ && now.mono - *pruned_ < prune_every) {
        return;
    }
    pruned_ = now.mono;
    batch.emplace_back(AlertPrune{now.wall - kept});
    std::erase_if(recent_, [at = steady()](const auto& entry) { return entry.second.until < at; });
    std::erase_if(groups_, [&](const auto& entry) {
        return entry.second + world_.config->alerts.group_interval <= now.mono;
    });
}

Instant Alarms::next_wake() const {
    const Instant now = world_.scheduler.mono();
    Instant next = pruned_ ? *pruned_ + prune_every : now;
    const WallTime at = steady();
    const auto by = [&](WallTime due) { next = std::min(next, now + std::max(Duration{0}, due - at)); };
    if (!due_.empty()) {
        by(due_.begin()->first);
    }
    for (const LiveSilence& in : silences_) {
        by(in.ends);
    }
    return next;
}

Task<void> Alarms::run() {
    while (!stopping_) {
        Batch batch;
        std::vector<LiveSilence> ended;
        forget_old(batch);
        end_silences(batch, ended);
        Memory before = remember([&] { pass(batch); });
        if (!batch.empty()) {
            const auto done = co_await commit(std::move(batch), std::move(before));
            if (!done) {
                spdlog::error("event=alerts_not_durable error=\"{}\"", to_string(done.error()));
                std::ranges::move(ended, std::back_inserter(silences_));
                silences_changed();
                co_await world_.scheduler.sleep_for(commit_retry);
                continue;
            }
            notifier_.wake();
        }
        const Instant next = next_wake();
        if (stopping_ || !dirty_.empty() || next <= world_.scheduler.mono()) {
            continue;
        }
        armed_ = next;
        alarm_ = world_.scheduler.at(next, [this] { wakeup_.notify(); });
        co_await wakeup_.wait();
        armed_ = instant_never;
    }
    alarm_.cancel();
}

void Alarms::stop() {
    stopping_ = true;
    wakeup_.notify();
}

}  // namespace curfew
