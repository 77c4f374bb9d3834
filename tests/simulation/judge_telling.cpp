// The fifth promise, no silence: what alerts must come to by themselves, what may keep them quiet, what has to be told
// of what happened, and how messages go their way (I8, I9, I10).
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <array>

namespace curfew::simulation {

namespace {

constexpr Duration settle = minutes{10};  // what is due comes within a few polls
constexpr int checks_needed = 3;          // … of which so many in a row find it missing
constexpr Duration wall_steady{20'000};   // less than that is heeded by nobody
constexpr int failures_told = 4;  // polls in a row; the third is told, with the next that can be stored
constexpr Duration dark_told = minutes{45};
constexpr int dark_looks = 4;
constexpr Duration over_within = hours{6};

bool covered(const Alert& a) {
    return !a.silenced_by.empty() || !a.inhibited_by.empty();
}

template <class Name>
bool lists(const std::vector<Name>& names, const Name& name) {
    return names.empty() || (!name.empty() && std::ranges::find(names, name) != names.end());
}

/// A failed stop and a warning have to be named.
bool own_covers(const SilenceScope& scope, const Message& m) {
    const bool named = !scope.alert.empty() || !scope.kinds.empty();
    const bool to_be_named = m.kind == AlertKind::stop_failed || m.kind == AlertKind::stop_warning;
    const bool resource = scope.resources.empty() ||
                          std::ranges::any_of(scope.resources, [&](const std::string& glob) {
                              return (!m.resource.empty() && glob == m.resource.value) ||
                                     (!m.resource_name.empty() && own_glob(glob, m.resource_name));
                          });
    return (named || !to_be_named) && resource && (scope.alert.empty() || scope.alert == m.alert) &&
           (scope.kinds.empty() || std::ranges::find(scope.kinds, m.kind) != scope.kinds.end()) &&
           lists(scope.accounts, m.account) && lists(scope.rules, m.rule) && lists(scope.budgets, m.budget);
}

bool own_repeats(AlertKind kind) {
    return kind != AlertKind::budget_threshold && kind != AlertKind::stop_warning;
}

Duration repeat_of(const Alert& a, const AlertPolicy& policy) {
    return a.severity == Severity::critical ? policy.repeat_critical : policy.repeat_warning;
}

bool says(const Message& whole, const std::string& title) {
    return whole.title.find(title) != std::string::npos ||
           std::ranges::any_of(
               whole.body, [&](const std::string& line) { return line.find(title) != std::string::npos; });
}

bool saw_nothing(const OwnLook& look) {
    const auto kernels = look.answers.find(Signal::kernels);
    return kernels != look.answers.end() && kernels->second == Verdict::unknown &&
           std::ranges::none_of(look.answers,
                                [](const auto& answer) { return answer.second == Verdict::active; });
}

}  // namespace

// ---- by when -------------------------------------------------------------------------------------------

/// When it is over by Curfew's own count: it goes by the monotonic clock from what the wall clock said at the start.
void Judge::note_silence(const Silence& silence, Moment at) {
    model_->silence_ends[silence.id] = at.mono + std::max(Duration{0}, silence.until - at.wall);
}

void Judge::note_awake(Moment at) {
    Model& m = *model_;
    m.awake_since = at.mono;
    m.overdue.clear();
    m.failing.clear();
    m.given_up_here.clear();
    m.steps.clear();
    m.tries.clear();
    for (auto& [id, truth] : m.runs) {
        truth.dark_since.reset();
        truth.dark_looks = 0;
    }
}

bool Judge::silence_over(const SilenceId& id, Instant at, Duration slack) const {
    const auto silence = model_->silences.find(id);
    const auto ends = model_->silence_ends.find(id);
    return silence == model_->silences.end() || silence->second.row.ended_at ||
           (ends != model_->silence_ends.end() && ends->second + slack < at);
}

// ---- what a transaction says ---------------------------------------------------------------------------

/// Before what it holds is noted.
void Judge::judge_rows_told(const Batch& batch, Moment at) {
    Model& m = *model_;
    const bool steady_here = m.awake_since && m.most_wall_moved(*m.awake_since, at.mono) < wall_steady;
    for (const auto* row : all_of<OutboxRow>(batch)) {
        const auto known = m.alerts.find(row->message.alert);
        // To another channel, since the first did not take it, it goes without a row of its alert.
        const bool by_itself = std::ranges::any_of(
            all_of<Alert>(batch), [&](const Alert* alert) { return alert->id == row->message.alert; });
        if (!by_itself || known == m.alerts.end() || !fires(known->second)) {
            continue;
        }
        const Alert& before = known->second;
        const bool repeat = row->message.telling == Telling::repeat;
        if (before.state == AlertState::acknowledged &&
            (repeat || row->message.telling == Telling::escalation) && own_repeats(before.kind)) {
            violated("I8", at, "alert " + before.key + " is acknowledged, and is told again");
        }
        const auto since = m.alert_at.find(before.id);
        const bool new_here = since != m.alert_at.end() && m.told_at.contains(before.id) && m.awake_since &&
                              m.told_at[before.id] > *m.awake_since;
        const Duration after = asked_at(m.row_asked, row->id, at.mono) -
                               asked_at(m.told_at, before.id, at.mono);
        if (m.config() != nullptr && repeat && own_repeats(before.kind) && !covered(before) &&
            before.told_at && steady_here && new_here && before.severity == row->message.severity &&
            after < repeat_of(before, m.config()->alerts) * 9 / 10) {
            violated("I8", at,
                     "alert " + before.key + " is told again " + words(after) + " after it was told");
        }
        for (const auto& [id, silence] : m.silences) {
            const bool before_it = silence.at + knowledge_lag * 5 < at.mono;
            if (before_it && row->message.telling != Telling::resolved &&
                row->message.telling != Telling::acknowledged &&
                own_covers(silence.row.scope, before.message) &&
                !silence_over(id, at.mono, Duration{-minutes{10}})) {
                violated("I8", at,
                         "alert " + before.key + " is told, and silence " + id.value + " covers it");
            }
        }
    }
    for (const auto* row : all_of<Alert>(batch)) {
        const auto known = m.alerts.find(row->id);
        const auto rows = all_of<OutboxRow>(batch);
        const auto tells = std::ranges::find_if(rows, [&](const OutboxRow* o) {
            return o->message.alert == row->id && o->message.telling != Telling::escalation &&
                   o->message.telling != Telling::acknowledged;
        });
        if (tells != rows.end()) {
            m.told_at[row->id] = asked_at(m.row_asked, (*tells)->id, at.mono);
        }
        m.alert_at[row->id] = at.mono;
        const bool newly_silenced = !row->silenced_by.empty() &&
                                    (known == m.alerts.end() ||
                                     known->second.silenced_by != row->silenced_by);
        if (newly_silenced) {
            const auto silence = m.silences.find(row->silenced_by);
            const bool scope = silence != m.silences.end() &&
                               own_covers(silence->second.row.scope, row->message);
            if (silence != m.silences.end() && !scope) {
                violated("I8", at,
                         "alert " + row->key + " is kept quiet by silence " + row->silenced_by.value +
                             ", which does not cover it");
            }
            const Instant then = asked_at(m.alert_asked, row->id, at.mono);
            if (silence_over(row->silenced_by, then, minutes{10}) && silence != m.silences.end() &&
                !silence->second.row.ended_at) {
                violated("I8", at,
                         "alert " + row->key + " is kept quiet by silence " + row->silenced_by.value +
                             ", which is over");
            }
        }
        const bool newly_inhibited = !row->inhibited_by.empty() &&
                                     (known == m.alerts.end() ||
                                      known->second.inhibited_by != row->inhibited_by);
        const auto by = std::ranges::find_if(m.alerts, [&](const auto& entry) {
            return entry.second.key == row->inhibited_by && fires(entry.second);
        });
        if (newly_inhibited && by != m.alerts.end()) {
            const Alert& over = by->second;
            const bool account = row->kind == AlertKind::blind && over.account == row->account &&
                                 !row->resource.empty() && over.resource.empty();
            const bool weaker = over.kind == row->kind && row->kind == AlertKind::budget_threshold &&
                                over.severity > row->severity;
            if (!account && !weaker) {
                violated("I8", at,
                         "alert " + row->key + " is kept quiet by " + over.key + ", which does not say it");
            }
        }
        // Where one receiver has taken a warning, no channel has failed.
        const auto live = m.live.find(row->run);
        const auto heard = live == m.live.end() ? m.notice_stored.end() : m.notice_stored.find(live->second);
        if (row->kind == AlertKind::undelivered && row->state == AlertState::firing &&
            (known == m.alerts.end() || !fires(known->second)) && heard != m.notice_stored.end() &&
            m.awake_since && heard->second > *m.awake_since && at.mono - heard->second > settle) {
            violated("I8", at,
                     "the warning of " + row->run.value + " is called undelivered, and was delivered " +
                         words(at.mono - heard->second) + " before");
        }
    }
}

bool Judge::rings(AlertKind kind, const std::function<bool(const Alert&)>& test) const {
    return std::ranges::any_of(model_->alerts, [&](const auto& entry) {
        const Alert& a = entry.second;
        return a.kind == kind && (fires(a) || (a.state == AlertState::pending && a.flapping)) && test(a);
    });
}

/// After what it holds is noted: what it says happened is told by it, or has been.
void Judge::judge_shouted(const Batch& batch, Moment at) {
    Model& m = *model_;
    for (const auto* row : all_of<Breaker>(batch)) {
        if (row->open && !rings(AlertKind::breaker,
                                [&](const Alert& a) { return a.key.ends_with("/" + row->rule.value); })) {
            violated("I8", at, "the breaker of " + row->rule.value + " opened, and no alert fires");
        }
    }
    for (const auto* row : all_of<AccountPollRow>(batch)) {
        const auto of_account = [&](const Alert& a) {
            return a.account == row->account && a.resource.empty();
        };
        // Polls that could not be written become durable together: the newest says how it is.
        const bool newest = std::ranges::none_of(
            all_of<AccountPollRow>(batch),
            [&](const AccountPollRow* other) { return other->account == row->account && other > row; });
        if (!newest) {
            continue;
        }
        if (row->error.empty()) {
            m.failing.erase(row->account);
            continue;
        }
        if (row->error.find("HTTP 401") != std::string::npos && !rings(AlertKind::key_rejected, of_account)) {
            violated("I8", at, "the key of " + row->account.value + " is refused, and no alert fires");
        }
        if (++m.failing[row->account] >= failures_told && !rings(AlertKind::key_rejected, of_account) &&
            !rings(AlertKind::blind, of_account)) {
            violated("I8", at,
                     std::to_string(m.failing[row->account]) + " polls of " + row->account.value +
                         " failed, and no alert fires");
        }
    }
    for (const auto* row : all_of<Enforcement>(batch)) {
        const auto of_run = [&](const Alert& a) { return a.run == row->run; };
        const auto before = m.told_of.find(row->id);
        const bool entered = before == m.told_of.end() || before->second != row->state;
        m.told_of[row->id] = row->state;
        const bool somebody = m.config() != nullptr && !m.config()->routing.channels.empty() &&
                              m.resources.contains(row->resource);
        if (!entered || !somebody) {
            continue;
        }
        if (row->state == EnforcementState::stop_failed && !rings(AlertKind::stop_failed, of_run)) {
            violated("I8", at, "the stop of " + row->run.value + " failed, and no alert fires");
        }
        if (row->state == EnforcementState::held && !rings(AlertKind::pack_failed, of_run)) {
            violated("I8", at, "the pack of " + row->run.value + " waits for a person, and no alert fires");
        }
        const bool quiet = std::ranges::any_of(m.silences, [&](const auto& entry) {
            const auto resource = m.resources.find(row->resource);
            Message about;
            about.kind = AlertKind::stopped;
            about.resource = row->resource;
            about.resource_name = resource->second.name;
            about.account = row->account;
            return own_covers(entry.second.row.scope, about);
        });
        const bool told = std::ranges::any_of(all_of<OutboxRow>(batch), [&](const OutboxRow* o) {
            return o->message.run == row->run && o->message.kind == AlertKind::stopped;
        });
        if (row->state == EnforcementState::stopped && !quiet && !told) {
            violated("I8", at, row->run.value + " is stopped, and its transaction tells nobody");
        }
    }
    for (const auto* row : all_of<ParcelRow>(batch)) {
        if (row->state == OutboxState::dead) {
            m.given_up_here.emplace(row->channel, at.mono);
        }
    }
    for (const auto* row : all_of<Alert>(batch)) {
        if (row->kind == AlertKind::dead_letter) {
            m.given_up_here.erase(row->message.channel);
        }
        if (row->kind == AlertKind::clock && row->account.empty()) {
            m.steps.clear();
        }
    }
}

// ---- what time must have brought -----------------------------------------------------------------------

void Judge::missed(std::set<std::string>& now, const std::string& what, Moment at) {
    Model& m = *model_;
    now.insert(what);
    auto& [since, checks, said] = m.overdue.try_emplace(what, at.mono, 0, false).first->second;
    if (++checks > checks_needed && at.mono - since > settle && !std::exchange(said, true)) {
        violated("I8", at, what + ", for " + words(at.mono - since));
    }
}

/// With each poll that is durable, so that only what could be written is missed.
void Judge::judge_due(Moment at) {
    Model& m = *model_;
    const Config* config = m.config();
    if (config == nullptr || !m.awake_since || at.mono - *m.awake_since < settle) {
        return;
    }
    const Instant awake = *m.awake_since;
    const AlertPolicy& policy = config->alerts;
    std::set<std::string> now;
    for (const auto& [id, a] : m.alerts) {
        if (a.state == AlertState::resolved) {
            continue;
        }
        const Duration still = at.mono - std::max(m.alert_at[id], awake);
        const std::string which = "alert " + a.key + " (" + id.value + ")";
        if (!a.silenced_by.empty() && silence_over(a.silenced_by, at.mono, Duration{0})) {
            missed(now, which + " is still kept quiet by silence " + a.silenced_by.value + ", which is over",
                   at);
        }
        // Of one that is over since this very moment the next transaction tells.
        const bool inhibited = !a.inhibited_by.empty() &&
                               std::ranges::any_of(m.alerts, [&](const auto& entry) {
                                   return entry.second.key == a.inhibited_by &&
                                          (fires(entry.second) || m.alert_at[entry.first] == at.mono);
                               });
        if (!a.inhibited_by.empty() && !inhibited) {
            missed(now, which + " is still kept quiet by " + a.inhibited_by + ", which is over", at);
        }
        if (a.flapping && still > policy.flap_calm) {
            missed(now, which + " is calm, and is still called flapping", at);
        }
        if (a.flapping || a.state != AlertState::firing || covered(a)) {
            continue;
        }
        if (own_repeats(a.kind) && a.severity != Severity::info && a.told_at &&
            still > repeat_of(a, policy)) {
            missed(now, which + " goes on, and is not told again", at);
        }
        if (a.severity == Severity::critical && a.escalated == 0 && !policy.escalation.empty() &&
            still > policy.escalation.front().after) {
            missed(now, which + " is critical and acknowledged by nobody, and is not escalated", at);
        }
    }
    for (const auto& [channel, since] : m.given_up_here) {
        if (!rings(AlertKind::dead_letter, [&](const Alert& a) { return a.message.channel == channel; })) {
            missed(now, "messages to " + channel.value + " were given up, and no alert fires", at);
        }
    }
    for (const auto& [when, by] : m.steps) {
        if (!rings(AlertKind::clock, [](const Alert& a) { return a.account.empty(); })) {
            missed(now, "the wall clock was set by " + words(by) + ", and no alert fires", at);
        }
    }
    const bool says_refused = rings(AlertKind::config, [](const Alert& a) { return a.key == "config"; });
    if (m.config_refused != says_refused) {
        missed(now,
               m.config_refused
                   ? "the configuration was refused, and no alert fires"
                   : "the newest configuration is in force, and an alert says that it was refused",
               at);
    }
    for (const auto& [run, truth] : m.runs) {
        const auto resource = m.resources.find(truth.run.resource);
        const bool saw = truth.look && !saw_nothing(*truth.look);  // the newest look, which still comes in
        const bool dark = !truth.ended && !saw && truth.dark_since && truth.dark_looks >= dark_looks &&
                          at.mono - *truth.dark_since > dark_told && resource != m.resources.end() &&
                          own_rule(*config, resource->second, truth.run.machine_type) != nullptr;
        if (dark && !rings(AlertKind::blind, [&](const Alert& a) {
                return a.run == run || (a.account == truth.run.account && a.resource.empty());
            })) {
            missed(now, "nobody could see whether " + run.value + " is at work, and no alert fires", at);
        }
    }
    judge_off_hours(now, at);
    std::erase_if(m.overdue, [&](const auto& entry) { return !now.contains(entry.first); });
}

/// How the looks at a run go: one that brings anything ends the dark.
void Judge::note_dark(RunTruth& truth, const OwnLook& look) {
    if (!saw_nothing(look)) {
        truth.dark_since.reset();
        truth.dark_looks = 0;
        return;
    }
    truth.dark_since = truth.dark_since.value_or(look.at);
    ++truth.dark_looks;
}

// ---- the way of a message ------------------------------------------------------------------------------

/// A parcel that is new, and what is put into it.
void Judge::judge_parcels(const Batch& batch, Moment at) {
    Model& m = *model_;
    for (const auto* row : all_of<ParcelRow>(batch)) {
        if (m.parcels.contains({row->channel.value, row->to, row->id.value}) || m.config() == nullptr) {
            continue;
        }
        auto& made = m.made[{row->channel.value, row->to}];
        const bool steady = m.most_wall_moved(at.mono - hours{1} - minutes{5}, at.mono) < wall_steady;
        std::erase_if(made, [&](const auto& each) { return at.mono - each > hours{1} - minutes{1}; });
        const auto channel = std::ranges::find(m.config()->channels, row->channel, &ChannelConfig::name);
        const bool capped = channel != m.config()->channels.end() && channel->kind != "pagerduty";
        const auto used = static_cast<int>(made.size());
        const bool urgent = row->message.severity == Severity::critical ||
                            row->message.kind == AlertKind::digest ||
                            row->message.kind == AlertKind::stop_warning || row->message.stops_at;
        if (capped && steady && used > m.config()->alerts.per_hour && at.mono - made.back() < minutes{4}) {
            violated("I8", at,
                     "parcel " + row->id.value + " is number " + std::to_string(used + 1) + " of " +
                         row->channel.value + " within an hour, which may have " +
                         std::to_string(m.config()->alerts.per_hour) + (urgent ? ", urgent as it is" : ""));
        }
        made.push_back(asked_at(m.parcel_asked, {row->channel.value, row->to, row->id.value}, at.mono));
    }
    for (const auto* fill : all_of<ParcelFill>(batch)) {
        const auto parcel = std::ranges::find_if(batch, [&](const Write& write) {
            const auto* row = std::get_if<ParcelRow>(&write);
            return row != nullptr && row->id == fill->parcel && row->channel == fill->channel &&
                   row->to == fill->to;
        });
        for (const std::int64_t seq : fill->rows) {
            const auto id = m.by_seq.find(seq);
            if (parcel == batch.end() || id == m.by_seq.end()) {
                continue;
            }
            const std::string& title = m.outbox.at(id->second).row.message.title;
            if (!says(std::get<ParcelRow>(*parcel).message, title)) {
                violated("I8", at,
                         "parcel " + fill->parcel.value + " carries " + id->second + " and does not say \"" +
                             title + "\"");
            }
        }
    }
    for (const auto* row : all_of<ChannelStateRow>(batch)) {
        row->disabled_at ? void(m.disabled.emplace(row->channel, at.mono))
                         : void(m.disabled.erase(row->channel));
    }
}

void Judge::tried(const ChannelName& channel, const Parcel& parcel, Moment at) {
    Model& m = *model_;
    const auto found = m.parcels.find({channel.value, parcel.to, parcel.message.id});
    if (found == m.parcels.end()) {
        return;
    }
    const auto& expires = parcel.message.expires_at;
    if (expires && at.wall > *expires + minutes{2} &&
        m.most_wall_moved(at.mono - minutes{10}, at.mono) < wall_steady) {
        violated("I8", at,
                 "parcel " + parcel.message.id + " is sent to " + channel.value + " " +
                     words(at.wall - *expires) + " past its use");
    }
    const auto disabled = m.disabled.find(channel);
    if (disabled != m.disabled.end() && at.mono - disabled->second > minutes{5}) {
        violated("I8", at,
                 "parcel " + parcel.message.id + " is sent to " + channel.value + ", which is disabled");
    }
    const auto last = m.tries.find(found->first);
    const Duration moved = last == m.tries.end() ? Duration{0} : m.most_wall_moved(last->second.at, at.mono);
    if (last != m.tries.end() && !found->second.given_up && moved < wall_steady) {
        const auto& [before, refused_for_good, wait] = last->second;
        constexpr std::array pauses{Duration{0},          Duration{seconds{5}},  Duration{seconds{30}},
                                    Duration{minutes{2}}, Duration{minutes{10}}, Duration{minutes{30}},
                                    Duration{hours{2}},   Duration{hours{6}},    Duration{hours{12}},
                                    Duration{hours{24}}};
        const auto made = static_cast<std::size_t>(std::clamp(found->second.row.attempts, 0, 9));
        const Duration least = std::max(wait, pauses[made] * 8 / 10) * 95 / 100 - seconds{1};
        if (refused_for_good) {
            violated("I8", at,
                     "parcel " + parcel.message.id + " is sent again, and " + channel.value +
                         " refused it for good");
        } else if (at.mono - before + moved < least) {  // pauses go by the wall clock
            violated("I8", at,
                     "parcel " + parcel.message.id + " is sent to " + channel.value + " again after " +
                         words(at.mono - before) + ", and not after " + words(least));
        }
    }
    m.tries.erase(found->first);
}

void Judge::said_no(const ChannelName& channel, const Parcel& parcel, const Error& error, Moment at) {
    const bool for_good = error.retry.kind == Retry::Kind::never;
    const Duration wait = error.retry.kind == Retry::Kind::after ? error.retry.delay : Duration{0};
    model_->tries[{channel.value, parcel.to, parcel.message.id}] = {at.mono, for_good, wait};
    refused(channel, for_good, at);
}

// ---- at the end ----------------------------------------------------------------------------------------

/// What no receiver took in time goes to one channel more.
void Judge::judge_failover(const End& end, Moment at) {
    Model& m = *model_;
    const Config* config = m.config();
    if (config == nullptr || config->alerts.failover.empty() || end.outbox.empty()) {
        return;
    }
    struct Known {
        Instant since;
        std::optional<Instant> taken;
        bool to_failover = false;
        bool ended = false;
    };
    std::map<std::string, Known> messages;
    for (const OutboxRow& row : end.outbox) {
        const auto durable = m.outbox.find(row.id);
        if (durable == m.outbox.end() || row.message.severity != Severity::critical) {
            continue;
        }
        const auto parcel = m.parcels.find({row.channel.value, row.to, row.parcel.value});
        Known& known = messages.try_emplace(row.message.id, Known{.since = durable->second.at}).first->second;
        known.to_failover = known.to_failover || row.channel == config->alerts.failover;
        known.ended = known.ended || row.state == OutboxState::superseded;
        if (parcel != m.parcels.end() && parcel->second.first_taken) {
            known.taken = std::min(known.taken.value_or(*parcel->second.first_taken),
                                   *parcel->second.first_taken);
        }
    }
    for (const auto& [id, known] : messages) {
        const Instant until = std::min(known.taken.value_or(at.mono), at.mono);
        const bool lived = std::ranges::none_of(m.asleep, [&](const auto& span) {
            return span.second >= known.since && span.first <= known.since + minutes{30};
        });
        if (!known.to_failover && !known.ended && lived && until - known.since > minutes{30} &&
            m.most_wall_moved(known.since - minutes{5}, known.since + minutes{30}) < wall_steady) {
            violated("I8", at,
                     "message " + id + " is critical, nobody took it for " + words(until - known.since) +
                         ", and it did not go to " + config->alerts.failover.value);
        }
    }
}

/// After a long calm nothing is left of what the world did.
void Judge::judge_alerts_left(const End& end, Moment at) {
    Model& m = *model_;
    std::map<ParcelKey, std::int64_t> carried;
    for (const OutboxRow& row : end.outbox) {
        carried[{row.channel.value, row.to, row.parcel.value}] += row.parcel.empty() ? 0 : 1;
    }
    for (const auto& [key, parcel] : m.parcels) {
        if (!end.outbox.empty() && parcel.row.state == OutboxState::delivered &&
            carried[key] != parcel.row.rows) {
            violated("I8", at,
                     "parcel " + std::get<2>(key) + " speaks of " + std::to_string(parcel.row.rows) +
                         " messages, and carries " + std::to_string(carried[key]));
        }
    }
    if (!end.alerts.empty()) {
        const std::set<AlertId> there(end.alerts.begin(), end.alerts.end());
        for (const auto& [id, alert] : m.alerts) {
            if (!there.contains(id)) {
                violated("I8", at, "alert " + alert.key + " (" + id.value + ") is lost");
            }
        }
    }
    if (!m.calm_since || at.mono - *m.calm_since < hours{24}) {
        return;
    }
    for (const auto& [id, a] : m.alerts) {
        if (a.state == AlertState::resolved || at.mono - m.alert_at[id] < over_within) {
            continue;
        }
        const bool of_account = a.kind == AlertKind::key_rejected || a.kind == AlertKind::stale ||
                                a.kind == AlertKind::cycles ||
                                (a.kind == AlertKind::blind && a.resource.empty());
        const bool own = a.kind == AlertKind::clock || a.kind == AlertKind::disk ||
                         a.kind == AlertKind::backlog;
        const bool of_a_stop = a.kind == AlertKind::stop_warning || a.kind == AlertKind::stop_failed ||
                               a.kind == AlertKind::pack_failed || a.kind == AlertKind::undelivered ||
                               (a.kind == AlertKind::blind && !a.run.empty());
        const auto truth = m.runs.find(a.run);
        const bool gone = of_a_stop && truth != m.runs.end() && truth->second.ended &&
                          at.mono - truth->second.ended->mono > over_within;
        if (of_account || own || gone) {
            violated("I9", at, "alert " + a.key + " never ends");
        }
    }
}

}  // namespace curfew::simulation
