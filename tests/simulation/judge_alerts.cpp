// I8: every transition is told, at least once, and at most once more per uncertain acknowledgement.
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <utility>

namespace curfew::simulation {

namespace {

constexpr int attempts_most = 10;
constexpr Duration slow_commits = minutes{5};

/// What Curfew tells of itself when its database takes nothing goes straight to the channels.
bool without_parcel(AlertKind kind) {
    return kind == AlertKind::test || kind == AlertKind::database || kind == AlertKind::disk;
}

}  // namespace

void Judge::took(const ChannelName& channel, const Parcel& parcel, bool heard, Moment at) {
    Model& m = *model_;
    tally_.mark(heard ? "parcel.taken" : "parcel.taken_unheard");
    const auto found = m.parcels.find({channel.value, parcel.to, parcel.message.id});
    if (found == m.parcels.end()) {
        if (!without_parcel(parcel.message.kind)) {
            violated("I5", at,
                     "parcel " + parcel.message.id + " (" + std::string{to_string(parcel.message.kind)} +
                         ") reached " + channel.value + " and is not durable");
        }
        return;
    }
    DurableParcel& durable = found->second;
    ++durable.taken;
    durable.uncertain += heard ? 0 : 1;
    durable.in_flight = heard;
    durable.first_taken = durable.first_taken.value_or(at.mono);
    if (durable.taken > 1 + durable.uncertain) {
        violated("I8", at,
                 "parcel " + parcel.message.id + " reached " + channel.value + " " +
                     std::to_string(durable.taken) + " times with " + std::to_string(durable.uncertain) +
                     " uncertain acknowledgements");
    }
    for (const std::int64_t seq : durable.rows) {
        const auto id = m.by_seq.find(seq);
        const auto row = id == m.by_seq.end() ? m.outbox.end() : m.outbox.find(id->second);
        if (row == m.outbox.end() || row->second.row.warn_step == 0) {
            continue;
        }
        const EnforcementId& of = row->second.row.enforcement;
        const auto anew = m.warned_anew.find(of);
        if (anew == m.warned_anew.end() || row->second.seq > anew->second) {
            m.notice.emplace(of, at.mono);
        }
    }
}

void Judge::refused(const ChannelName& channel, bool for_good, Moment) {
    model_->refusals_told = true;
    if (for_good) {
        model_->refused_for_good.insert(channel.value);
    }
}

/// What came and went, by the log of the alerts: of one that fired and ended while the disk took nothing, only the
/// last row is left.
void Judge::count_turns(const Batch& batch, Moment at) {
    Model& m = *model_;
    std::map<AlertId, std::string> keys;
    for (const auto* row : all_of<Alert>(batch)) {
        keys.insert_or_assign(row->id, row->key);
    }
    for (const auto* event : all_of<AlertEvent>(batch)) {
        const auto known = m.alerts.find(event->alert);
        const auto key = keys.find(event->alert);
        if (known == m.alerts.end() && key == keys.end()) {
            violated("I8", at, "the log speaks of alert " + event->alert.value + ", which nobody raised");
            continue;
        }
        Model::Turns& turns = m.turns[key != keys.end() ? key->second : known->second.key];
        if (std::exchange(turns.on, fires(event->state)) != fires(event->state)) {
            turns.at.push_back(at.mono);
        }
    }
}

/// It is called flapping only after as many firings and ends within its window as the configuration says.
void Judge::judge_flapping(const Alert& row, Moment at) {
    Model& m = *model_;
    Model::Turns& turns = m.turns[row.key];
    if (!std::exchange(turns.flapping, row.flapping) && row.flapping) {
        ++turns.flapped;
        tally_.mark("alert.flapping");
        const bool earned = m.any_config(at.mono, [&](const Config& config) {
            const AlertPolicy& policy = config.alerts;
            const Instant since = at.mono - policy.flap_window - slow_commits;
            // Over a restart they are carried by the wall clock.
            const auto within = std::ranges::count_if(
                turns.at, [&](Instant turn) { return turn + m.most_wall_moved(turn, at.mono) >= since; });
            return within >= policy.flap_turns;
        });
        if (!earned) {
            violated("I8", at,
                     "alert " + row.key + " is called flapping, and came and went " +
                         std::to_string(turns.at.size()) + " times");
        }
    }
}

void Judge::judge_outbox(const End& end, Moment at) {
    Model& m = *model_;
    if (end.outbox.empty()) {
        return;  // not told
    }
    std::map<std::string, const OutboxRow*> now;
    for (const OutboxRow& row : end.outbox) {
        now[row.id] = &row;
        const auto known = m.outbox.find(row.id);
        if (known == m.outbox.end()) {
            violated("I8", at, "outbox row " + row.id + " is stored, and was never committed");
        } else if (known->second.seq != row.seq) {
            violated("judge", at,
                     "outbox row " + row.id + " has number " + std::to_string(row.seq) + ", not " +
                         std::to_string(known->second.seq));
        }
    }
    struct Told {
        std::int64_t seq;
        Instant at;
        std::string what;
        bool given_up;
    };
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<Told>> by_alert;
    for (const auto& [id, durable] : m.outbox) {
        const auto found = now.find(id);
        if (found == now.end()) {
            violated("I8", at, "outbox row " + id + " is lost");
            continue;
        }
        const OutboxRow& row = *found->second;
        tally_.mark("outbox." + std::string{to_string(row.state)});
        if (row.state == OutboxState::delivered) {
            const auto parcel = m.parcels.find({row.channel.value, row.to, row.parcel.value});
            if (parcel == m.parcels.end() || parcel->second.taken == 0) {
                violated("I8", at, "outbox row " + id + " is called delivered, and nobody took it");
            } else if (!row.message.alert.empty()) {
                by_alert[{row.channel.value, row.to, row.message.alert.value}].push_back(
                    {row.seq, *parcel->second.first_taken,
                     std::string{to_string(row.message.kind)} + " " +
                         std::string{to_string(row.message.telling)} + " in " + row.parcel.value,
                     parcel->second.given_up});
            }
        } else if (row.state == OutboxState::dead) {
            const auto parcel = m.parcels.find({row.channel.value, row.to, row.parcel.value});
            const int tries = parcel == m.parcels.end() ? 0 : parcel->second.row.attempts;
            if (m.refusals_told && tries < attempts_most && !m.refused_for_good.contains(row.channel.value)) {
                violated("I8", at,
                         "outbox row " + id + " was given up after " + std::to_string(tries) +
                             " attempts, and " + row.channel.value + " never refused for good");
            }
        } else if (row.state == OutboxState::superseded) {
            const bool past = row.message.expires_at && *row.message.expires_at <= at.wall + hours{48};
            const bool outdone = row.message.kind == AlertKind::stop_warning &&
                                 std::ranges::any_of(end.outbox, [&](const OutboxRow& other) {
                                     return other.message.key == row.message.key &&
                                            other.channel == row.channel && other.to == row.to &&
                                            other.seq > row.seq;
                                 });
            const bool removed = std::ranges::any_of(m.configs, [&](const auto& entry) {
                return std::ranges::find(entry.second->routing.channels, row.channel) ==
                       entry.second->routing.channels.end();
            });
            // A dead letter that is sent again when newer news of its alert went out already.
            const auto parcel = m.parcels.find({row.channel.value, row.to, row.parcel.value});
            const bool was_dead = (parcel != m.parcels.end() && parcel->second.given_up) ||
                                  m.refused_for_good.contains(row.channel.value);
            const bool late = was_dead && !row.message.alert.empty() &&
                              std::ranges::any_of(end.outbox, [&](const OutboxRow& other) {
                                  return other.message.alert == row.message.alert &&
                                         other.channel == row.channel && other.to == row.to &&
                                         other.seq > row.seq && !other.parcel.empty();
                              });
            if (!past && !outdone && !removed && !late) {
                violated("I8", at,
                         "outbox row " + id + " (" + std::string{to_string(row.message.kind)} +
                             ") was superseded for no reason: " + row.last_error);
            }
        }
    }
    for (auto& [key, told] : by_alert) {
        std::ranges::sort(told, {}, &Told::seq);
        for (std::size_t i = 1; i < told.size(); ++i) {
            // Both were dead letters: that the newer had arrived all the same nobody knew who had them sent again.
            const bool unheard = told[i].given_up && told[i - 1].given_up;
            if (told[i].at < told[i - 1].at && !unheard) {
                violated("I8", at,
                         "alert " + std::get<2>(key) + ": row " + std::to_string(told[i].seq) + " (" +
                             told[i].what + ") reached " + std::get<0>(key) + " before row " +
                             std::to_string(told[i - 1].seq) + " (" + told[i - 1].what + ")");
                break;
            }
        }
    }
    for (const auto& [key, channels] : m.told_firing) {
        const auto fired = m.firings.find(key);
        for (const auto& [channel, times] : channels) {
            // What comes and goes is told so once, and when it is calm again and holds what was held back is told.
            const auto turns = m.turns.find(key);
            const int flapped = turns == m.turns.end() ? 0 : turns->second.flapped;
            if (times > flapped + (fired == m.firings.end() ? 0 : fired->second)) {
                violated("I7", at,
                         "a threshold was told as new " + std::to_string(times) + " times by " + channel +
                             ", which is more often than it fired: " + key);
            }
        }
    }
}

}  // namespace curfew::simulation
