// What became durable, and whether a new life reads exactly that: I4, I5, I10, and what a batch must hold together.
#include "simulation/judge_model.hpp"

#include <algorithm>
#include <type_traits>

namespace curfew::simulation {

namespace {

using State = EnforcementState;

constexpr int sightings_needed = 2;

/// The arrows of the design, read off its drawing; anything before `stopping` may end, and what is stored again
/// in its state is no arrow.
bool may_follow(State from, const Enforcement& row) {
    const State to = row.state;
    if (from == to) {
        return true;
    }
    switch (from) {
        case State::watching:
            return to == State::warned || to == State::due;
        case State::warned:
            return to == State::due || to == State::over;
        case State::due:
            return to == State::packing || to == State::packed || to == State::over;
        case State::packing:
            return to == State::packed || to == State::pack_failed || to == State::held || to == State::due ||
                   to == State::over;
        case State::packed:
            return to == State::stopping || to == State::packing || to == State::over;
        case State::stopping:
            return to == State::confirming || to == State::stop_failed || to == State::packed;
        case State::confirming:
            return to == State::stopped || to == State::stop_failed;
        case State::stopped:
            return to == State::over || to == State::stop_failed;
        case State::pack_failed:
            return to == State::due || to == State::packed || to == State::over;
        case State::held:
            return to == State::packed || to == State::over ||
                   (to == State::due && row.cause.kind == CauseKind::manual);
        case State::stop_failed:
            return to == State::packed || to == State::confirming || to == State::over;
        case State::over:
            return false;
    }
    return false;
}

bool tells(const Batch& batch, auto&& test) {
    return std::ranges::any_of(all_of<OutboxRow>(batch), [&](const OutboxRow* row) { return test(*row); });
}

}  // namespace

void Judge::handed_over(const Batch& batch, Moment at) {
    Model& m = *model_;
    for (const auto* row : all_of<Enforcement>(batch)) {
        if (row->state == EnforcementState::packing && !m.pack_since.contains(row->id)) {
            m.pack_asked[row->id] = at.mono;
        }
    }
    for (const auto* row : all_of<Alert>(batch)) {
        m.alert_asked[row->id] = at.mono;
    }
    for (const auto* row : all_of<OutboxRow>(batch)) {
        m.row_asked.emplace(row->id, at.mono);
    }
    for (const auto* row : all_of<ParcelRow>(batch)) {
        m.parcel_asked[{row->channel.value, row->to, row->id.value}] = at.mono;
    }
    for (const auto* row : all_of<Breaker>(batch)) {
        m.breaker_asked[row->rule.value] = at.mono;
    }
}

void Judge::committed(const Batch& batch, Moment at) {
    Model& m = *model_;
    m.note_wall(at);
    const std::int64_t told_before = m.seq;
    const bool somebody = m.config() != nullptr && !m.config()->routing.channels.empty();

    const auto polls = all_of<AccountPollRow>(batch);
    for (const auto* row : all_of<ResourceRow>(batch)) {
        m.resources[row->id] = *row;
        if (row->gone && polls.size() == 1 && !polls.front()->complete) {
            violated("I6", at, row->id.value + " is called gone by a poll that did not see everything");
        }
    }
    for (const auto* row : all_of<AuditRow>(batch)) {
        ++m.audit_rows;
        if (row->kind == "stop.asked") {
            m.asked_by.emplace(row->run, row->actor);
        }
    }
    for (const auto* row : all_of<Receipt>(batch)) {
        m.receipts.insert_or_assign(row->id, Durable<Receipt>{*row, at.mono});
        if (row->verified && !m.held.contains(row->id)) {
            violated("I1", at, "receipt " + row->id.value + " is stored, and no vault holds it");
        }
    }
    for (const auto* row : all_of<Hold>(batch)) {
        const auto known = m.holds.find(row->id);
        m.holds.insert_or_assign(row->id,
                                 Durable<Hold>{*row, known == m.holds.end() ? at.mono : known->second.at});
    }
    for (const auto* row : all_of<Breaker>(batch)) {
        judge_breaker(*row, batch, at);
        m.breakers.insert_or_assign(row->rule, Durable<Breaker>{*row, at.mono});
        tally_.mark(row->open ? "breaker.open" : "breaker.reset");
        if (!row->open) {
            m.stops_by_rule.erase(row->rule.value);
            m.meant_by_rule.erase(row->rule.value);
        }
    }
    for (const auto* row : all_of<RuleTrial>(batch)) {
        m.trials[row->rule] = *row;
    }
    for (const auto* row : all_of<Silence>(batch)) {
        const auto known = m.silences.find(row->id);
        if (known == m.silences.end()) {
            note_silence(*row, at);
        }
        m.silences.insert_or_assign(
            row->id, Durable<Silence>{*row, known == m.silences.end() ? at.mono : known->second.at});
    }
    for (const auto* row : all_of<BudgetEdit>(batch)) {
        m.edited.emplace(row->budget, at.mono);
    }
    const auto keep_own = [](RunTruth& truth) {
        truth.durable_own.emplace(truth.own, truth.look);
        truth.work_seen_since = false;
    };
    for (const auto* row : polls) {
        for (auto& [id, truth] : m.runs) {
            if (truth.run.account == row->account && !truth.ended) {
                keep_own(truth);
            }
        }
    }
    // What ended it is no less known than that it ended.
    for (const auto* row : all_of<Enforcement>(batch)) {
        const auto truth = m.runs.find(row->run);
        if (truth != m.runs.end() && row->state == EnforcementState::over && truth->second.work_seen_since) {
            keep_own(truth->second);
        }
    }
    for (const auto* row : all_of<GapRow>(batch)) {
        const std::pair gap{row->resource, row->after};
        row->closed ? void(m.gaps.erase(gap)) : void(m.gaps.insert(gap));
    }
    for (const auto* row : all_of<QuietRow>(batch)) {
        m.quiet_rows[row->run] = {*row, m.boot};
    }
    for (const auto* row : all_of<Meter>(batch)) {
        const auto before = m.meters.find({row->run, row->kind});
        const bool other = before != m.meters.end() &&
                           (before->second.sku != row->sku || before->second.tariff != row->tariff);
        if (!row->open || other) {
            m.ends_a_row.emplace(row->run, row->counted_to.ms);
        }
        m.meters[{row->run, row->kind}] = *row;
        m.metered.emplace(row->run, at.mono);
    }
    for (const auto* row : all_of<CostRow>(batch)) {
        auto& given_back = m.given_back[row->run];
        if (row->source == CostSource::adjustment) {
            given_back.emplace_back(row->from, row->to);
        } else if (std::ranges::any_of(given_back, [&](const auto& stretch) {
                       return row->from >= stretch.first && row->from < stretch.second;
                   })) {
            m.counted_again.emplace(row->run, row->from.ms);
        }
        const auto key = std::tuple{row->run, row->meter, row->from.ms, row->source};
        const auto [known, is_new] = m.ledger.emplace(key, *row);
        const CostRow& old = known->second;
        if (!is_new && (old.to != row->to || !(old.gross == row->gross) || old.rate != row->rate)) {
            violated("I6", at,
                     "a row of " + row->run.value + " from " + std::to_string(row->from.ms) +
                         " is written a second time, and differs");
        }
    }
    for (const auto* row : all_of<FiredThresholdRow>(batch)) {
        judge_fired(*row, at);
        judge_early(*row, batch, at);
    }
    // Polls whose transactions failed become durable with the first that does not, and are one: until then nothing
    // else could be written either.
    std::set<AccountName> polled;
    for (const auto* row : polls) {
        if (row->complete) {
            m.polled[row->account].push_back(at.mono);
        }
        m.seen_whole[row->account] = row->complete && row->error.empty();
        judge_closing(row->account, batch, at);
        if (row->complete) {
            polled.insert(row->account);
        }
    }
    for (const AccountName& account : polled) {
        judge_shown(account, at);
        judge_confirming(account, at);
    }
    if (!polled.empty()) {
        judge_late(at);
        judge_outlasting(at);
    }

    // ---- intents and outcomes
    for (const auto* row : all_of<IntentRow>(batch)) {
        m.intents.emplace(row->id, DurableIntent{*row, at.mono});
    }
    for (const auto* row : all_of<OutcomeRow>(batch)) {
        const auto intent = m.intents.find(row->intent);
        if (intent == m.intents.end()) {
            violated("I5", at, "an outcome of the unknown intent " + row->intent);
        } else if (std::exchange(intent->second.closed, true)) {
            violated("I5", at, "a second outcome of intent " + row->intent);
        }
    }

    judge_rows_told(batch, at);
    // ---- outbox: rows in order, then what is put together
    for (const auto* row : all_of<OutboxRow>(batch)) {
        const std::int64_t seq = ++m.seq;  // one that is there already uses a number up all the same
        if (m.outbox.contains(row->id)) {
            continue;
        }
        m.outbox.emplace(row->id, DurableRow{*row, at.mono, seq});
        m.by_seq.emplace(seq, row->id);
        if (row->message.kind == AlertKind::budget_threshold && row->message.telling == Telling::firing) {
            ++m.told_firing[row->message.key][row->id.substr(row->id.find('/') + 1)];
        }
    }
    judge_parcels(batch, at);
    for (const auto* row : all_of<ParcelRow>(batch)) {
        DurableParcel& parcel = m.parcels[{row->channel.value, row->to, row->id.value}];
        parcel.row = *row;
        parcel.given_up = parcel.given_up || row->state == OutboxState::dead;
        if (row->state != OutboxState::waiting || row->attempts > 0) {
            parcel.in_flight = false;
        }
        if (row->state == OutboxState::delivered && parcel.taken == 0) {
            violated("I8", at,
                     "parcel " + row->id.value + " of " + row->channel.value +
                         " is called delivered, and nobody took it");
        }
        for (const std::int64_t seq :
             row->state == OutboxState::delivered ? parcel.rows : std::vector<std::int64_t>{}) {
            const auto id = m.by_seq.find(seq);
            const auto told = id == m.by_seq.end() ? m.outbox.end() : m.outbox.find(id->second);
            if (told != m.outbox.end() && told->second.row.warn_step > 0) {
                const EnforcementId& of = told->second.row.enforcement;
                const auto anew = m.warned_anew.find(of);
                if (anew == m.warned_anew.end() || seq > anew->second) {
                    m.notice_stored.emplace(of, at.mono);
                }
            }
        }
        if (row->attempts > 10) {
            violated("I8", at,
                     "parcel " + row->id.value + " was tried " + std::to_string(row->attempts) + " times");
        }
    }
    for (const auto* fill : all_of<ParcelFill>(batch)) {
        DurableParcel& parcel = m.parcels[{fill->channel.value, fill->to, fill->parcel.value}];
        parcel.rows.insert(parcel.rows.end(), fill->rows.begin(), fill->rows.end());
    }

    // ---- alerts: a transition that concerns somebody is told in its own transaction
    count_turns(batch, at);
    for (const auto* row : all_of<Alert>(batch)) {
        const auto known = m.alerts.find(row->id);
        const bool fired_before = known != m.alerts.end() && fires(known->second);
        const bool covered = !row->silenced_by.empty() || !row->inhibited_by.empty() || row->flapping;
        const bool told = tells(batch, [&](const OutboxRow& o) { return o.message.alert == row->id; });
        const bool begins = row->state == AlertState::firing && !fired_before;
        const bool rises = fired_before && row->state == AlertState::firing &&
                           row->severity > known->second.severity;
        const bool says_told = row->told_at && known != m.alerts.end() && known->second.told_at &&
                               *row->told_at - *known->second.told_at > minutes{1} &&
                               row->state == AlertState::firing;
        const bool was_told = known != m.alerts.end() &&
                              std::ranges::any_of(known->second.told, [&](const auto& to) {
                                  return m.config() != nullptr &&
                                         std::ranges::find(m.config()->routing.channels, to.channel) !=
                                             m.config()->routing.channels.end();
                              });
        const bool ends = row->state == AlertState::resolved && known != m.alerts.end() &&
                          known->second.state != AlertState::resolved && was_told && !covered &&
                          !known->second.flapping;
        // What is about a channel is told by the others, if there are any.
        const bool about_channel = !row->message.channel.empty();
        if (somebody && !about_channel && !covered && !told && (begins || rises || says_told || ends)) {
            violated("I8", at,
                     "alert " + row->key +
                         (ends     ? " ended"
                          : begins ? " fired"
                                   : " was told again") +
                         ", and its transaction tells nobody");
        }
        if (ends && told) {
            for (const Destination& to : known->second.told) {
                const bool routed = m.config() != nullptr &&
                                    std::ranges::find(m.config()->routing.channels, to.channel) !=
                                        m.config()->routing.channels.end();
                const bool heard = tells(batch, [&](const OutboxRow& o) {
                    return o.message.alert == row->id && o.channel == to.channel && o.to == to.to;
                });
                if (routed && !heard) {
                    violated("I8", at,
                             "alert " + row->key + " ended, and " + to.channel.value +
                                 ", who knew of it, is not told");
                }
            }
        }
        judge_flapping(*row, at);
        m.alerts.insert_or_assign(row->id, *row);
        if (row->kind == AlertKind::undelivered) {
            m.undelivered.insert(row->run);
        }
        tally_.mark("alert." + std::string{to_string(row->kind)} + "." + std::string{to_string(row->state)});
    }

    for (const auto* row : all_of<FiredThresholdRow>(batch)) {
        judge_told(*row, batch, at);
        judge_figure(*row, batch, at);
    }
    judge_words(batch, at);
    judge_asks(batch, at);

    // ---- enforcements
    for (const auto* row : all_of<Enforcement>(batch)) {
        const auto known = m.enforcements.find(row->id);
        const State before = known == m.enforcements.end() ? State::watching : known->second.row.state;
        if (!may_follow(before, *row)) {
            violated("I5", at,
                     "enforcement " + row->id.value + " went from " + std::string{to_string(before)} +
                         " to " + std::string{to_string(row->state)});
        }
        if (before == State::stopping && row->state == State::packed) {
            if (m.call_left.contains(row->id)) {
                violated("I5", at,
                         "the stop call of " + row->run.value + " is called not sent, and had left");
            }
            if (row->stop_attempts + 1 != known->second.row.stop_attempts) {
                violated("I5", at, "a stop call of " + row->run.value + " counts, and was never sent");
            }
            tally_.mark("stop.not_sent");
        } else if (before != State::stopping && row->state == State::stopping) {
            m.call_left.erase(row->id);
        }
        if (before != row->state) {
            // What a restart makes of it holds from then on, and is durable with what is seen first.
            const std::optional<Instant> boot = m.down.empty() ? std::nullopt : m.down.back().second;
            const bool cut_short = (before == State::packing && row->state == State::due) ||
                                   (before == State::stopping && row->state == State::confirming);
            const bool restarted = boot && cut_short && known->second.at < *boot;
            m.left_state[row->id] = std::exchange(m.state_since[row->id], restarted ? *boot : at.mono);
            tally_.mark("enforcement." + std::string{to_string(row->state)});
        }
        if (row->state == State::warned && !m.warned_at.contains(row->id)) {
            m.warned_at[row->id] = at.mono;
        }
        // Another cause warns anew, and what was heard of the first says nothing of the second.
        const Cause cause_before = known == m.enforcements.end() ? row->cause : known->second.row.cause;
        if (row->state == State::warned && row->cause != cause_before) {
            const bool other_rule = row->cause.kind != cause_before.kind && of_rule(row->cause.kind) &&
                                    of_rule(cause_before.kind);
            const bool other_budget = row->cause.kind == CauseKind::budget &&
                                      cause_before.kind == CauseKind::budget;
            if (other_rule || other_budget) {
                m.warned_at[row->id] = at.mono;
                m.notice.erase(row->id);
            }
            m.notice_stored.erase(row->id);
            m.warned_anew[row->id] = told_before;
        }
        const bool warns_now = row->state == State::warned &&
                               row->warned_step >
                                   (known == m.enforcements.end() ? 0 : known->second.row.warned_step);
        const bool silent = std::ranges::any_of(all_of<AuditRow>(batch), [](const AuditRow* audit) {
            return audit->kind == "warning.silenced" || audit->kind == "would.warn";
        });
        if (silent) {
            m.silenced_warnings.insert(row->id);
        }
        if (warns_now && somebody && !silent && m.resources.contains(row->resource) &&
            !tells(batch, [&](const OutboxRow& o) { return o.enforcement == row->id && o.warn_step > 0; })) {
            violated("I8", at, "enforcement " + row->id.value + " warns, and its transaction tells nobody");
        }
        const bool now_due = row->state == State::due &&
                             (before == State::warned || before == State::watching);
        // The look before a pack may bring the probe that was wanting.
        if (now_due || (row->state == State::packing && before == State::due)) {
            const auto truth = m.runs.find(row->run);
            const auto resource = m.resources.find(row->resource);
            const Rule* rule = m.config() != nullptr && resource != m.resources.end() && truth != m.runs.end()
                                   ? own_rule(*m.config(), resource->second, truth->second.run.machine_type)
                                   : nullptr;
            if (rule != nullptr) {
                finish_look(truth->second);
                if (own_probes_suffice(truth->second, *rule, at.mono)) {
                    m.probed_when_due.insert(row->id);
                }
                if (now_due && truth->second.own.quiet + quiet_slack >= rule->idle_limit) {
                    m.quiet_when_due.insert(row->id);
                }
                if (now_due && own_schedule_asks(*rule, truth->second, at.wall)) {
                    m.asked_when_due.insert(row->id);
                }
            }
        }
        if (row->state == State::stopping && before != State::stopping && of_rule(row->cause.kind)) {
            m.meant_by_rule[row->cause.name].emplace_back(at.mono, row->run);
        }
        if (row->state == State::packing && !m.pack_since.contains(row->id)) {
            m.pack_since[row->id] = at.mono;
            m.pack_asked.emplace(row->id, at.mono);
        }
        if (before != row->state) {
            judge_sightings(*row, before, at);
        }
        if (row->state == State::stopped && before != State::stopped) {
            const auto truth = m.runs.find(row->run);
            if (row->off_sightings < sightings_needed) {
                violated("I9", at,
                         row->run.value + " is called stopped after " + std::to_string(row->off_sightings) +
                             " sighting");
            }
            if (truth != m.runs.end() && !truth->second.ended) {
                violated("I9", at, row->run.value + " is called stopped, and bills");
            }
        }
        if (row->state == State::over && row->outcome == "stopped" && before != State::stopped) {
            violated("I9", at, row->run.value + " is over as stopped without having been seen so");
        }
        const auto live = m.live.find(row->run);
        const bool ends = !row->live();
        if (live != m.live.end() && live->second != row->id && !ends) {
            violated("I4", at,
                     "two live enforcements of " + row->run.value + ": " + live->second.value + " and " +
                         row->id.value);
        }
        if (ends && live != m.live.end() && live->second == row->id) {
            m.live.erase(live);
        } else if (!ends) {
            m.live[row->run] = row->id;
        }
        m.enforcements.insert_or_assign(row->id, Durable<Enforcement>{*row, at.mono});
        m.written_in[row->id] = m.boot;
    }
    judge_shouted(batch, at);
    if (!polled.empty()) {
        judge_due(at);
    }
}

// ---- I10 -----------------------------------------------------------------------------------------------

namespace {

std::string same_enforcement(const Enforcement& a, const Enforcement& b) {
    const auto differs = [](const std::string& what) { return what + " differs"; };
    if (a.state != b.state) {
        return differs("state");
    }
    if (a.run != b.run || a.resource != b.resource || a.account != b.account) {
        return differs("run");
    }
    if (!(a.cause == b.cause)) {
        return differs("cause");
    }
    if (a.receipt != b.receipt) {
        return differs("receipt");
    }
    if (a.override_.has_value() != b.override_.has_value()) {
        return differs("override");
    }
    if (a.warned_step != b.warned_step || a.warned_at != b.warned_at || a.notice_at != b.notice_at) {
        return differs("warning");
    }
    if (a.stop_attempts != b.stop_attempts || a.stop_called_at != b.stop_called_at || a.method != b.method) {
        return differs("stop");
    }
    if (a.pack_attempts != b.pack_attempts || a.off_sightings != b.off_sightings || a.relooks != b.relooks ||
        a.next_at != b.next_at) {
        return differs("count");
    }
    return {};
}

/// The row as a later boot reads it.
Enforcement of_earlier_boot(Enforcement e) {
    for (std::optional<Instant>* instant : {&e.warned_at, &e.notice_at, &e.next_at, &e.stop_called_at}) {
        *instant = *instant ? std::optional{instant_of_earlier_boot} : std::nullopt;
    }
    return e;
}

}  // namespace

/// A quiet clock stands where it was written, or at a later poll up to which it went on adding; of an earlier boot
/// nothing is added to it.
void Judge::judge_clocks(const StoredState& state, Moment at) {
    Model& m = *model_;
    for (const auto& [run, stored] : m.quiet_rows) {
        const auto& [row, boot] = stored;
        const auto found = std::ranges::find(state.quiet_clocks, run, &QuietRow::run);
        if (found == state.quiet_clocks.end()) {
            // Written with an enforcement, before the poll that saw the run: the run is as unknown.
            if (std::ranges::find(state.runs, run, &RunRow::id) != state.runs.end()) {
                violated("I10", at, "the quiet clock of " + run.value + " was not loaded");
            }
            continue;
        }
        const QuietClock& clock = found->clock;
        const Duration more = clock.quiet - row.clock.quiet;
        const bool added = clock.last_quiet_at && row.clock.last_quiet_at;
        const bool goes_on = added && more == *clock.last_quiet_at - *row.clock.last_quiet_at;
        const bool stands = more == Duration{0} && !clock.last_quiet_at;
        const bool earlier = boot != m.boot;
        const bool told = state.boot_id != m.boot;  // the instants are of the boot that the state names
        const bool right = !earlier ? (row.clock.last_quiet_at ? goes_on : stands)
                           : told   ? goes_on || stands
                                    : stands;
        if (!right || more < Duration{0}) {
            violated("I10", at,
                     "the quiet clock of " + run.value + " was loaded with " + words(more) +
                         " more than it was stored with");
        }
    }
}

/// What people asked for, and what is to be told: exactly that.
void Judge::judge_told_loaded(const StoredState& state, Moment at) {
    Model& m = *model_;
    for (const Hold& hold : state.holds) {
        const auto known = m.holds.find(hold.id);
        if (known == m.holds.end() || known->second.row.until != hold.until ||
            known->second.row.run != hold.run || known->second.row.kind != hold.kind ||
            known->second.row.resource != hold.resource || known->second.row.released_at) {
            violated("I10", at, "hold " + hold.id.value + " was loaded otherwise than stored");
        }
    }
    for (const auto& [id, silence] : m.silences) {
        const auto found = std::ranges::find(state.silences, id, &Silence::id);
        const bool there = found != state.silences.end();
        if (there == silence.row.ended_at.has_value() ||
            (there && (found->until != silence.row.until || found->kind != silence.row.kind ||
                       found->scope.resources != silence.row.scope.resources))) {
            violated("I10", at, "silence " + id.value + " was loaded otherwise than stored");
        }
    }
    std::set<ChannelName> disabled;
    for (const ChannelStateRow& row : state.channels) {
        disabled.insert(row.channel);
    }
    for (const auto& [channel, since] : m.disabled) {
        if (!disabled.contains(channel)) {
            violated("I10", at, "channel " + channel.value + " is disabled, and was not loaded as such");
        }
    }
    for (const Alert& a : state.alerts) {
        const auto known = m.alerts.find(a.id);
        if (known == m.alerts.end()) {
            continue;
        }
        const Alert& k = known->second;
        if (a.severity != k.severity || a.silenced_by != k.silenced_by || a.inhibited_by != k.inhibited_by ||
            a.flapping != k.flapping || a.escalated != k.escalated || a.told_at != k.told_at ||
            a.acknowledged_by != k.acknowledged_by || a.since != k.since || a.changed_at != k.changed_at ||
            a.turns != k.turns || a.told != k.told || a.message.title != k.message.title) {
            violated("I10", at, "alert " + a.key + " was loaded otherwise than stored");
        }
    }
}

void Judge::loaded(const StoredState& state, const std::string& boot, Moment at) {
    Model& m = *model_;
    m.boot = boot;
    std::set<EnforcementId> seen;
    for (const Enforcement& e : state.enforcements) {
        seen.insert(e.id);
        const auto known = m.enforcements.find(e.id);
        if (known == m.enforcements.end()) {
            violated("I10", at, "enforcement " + e.id.value + " was loaded, and never stored");
            continue;
        }
        // Its instants are of the boot that wrote them; at the first start in another one the id says so.
        const bool earlier = m.written_in[e.id] != boot;
        const Enforcement marked = of_earlier_boot(known->second.row);
        std::string what = same_enforcement(earlier && state.boot_id == boot ? marked : known->second.row, e);
        if (!what.empty() && earlier) {
            what = same_enforcement(marked, e);
        }
        if (!what.empty()) {
            violated("I10", at, "enforcement " + e.id.value + " was loaded otherwise than stored: " + what);
        }
    }
    // Over a boot nobody knows how long ago a stop was called: it counts as of now. One that was called again after a
    // reset of its rule counts, and whether it was after it is only known by the wall clock.
    for (const Enforcement& e : state.enforcements) {
        const auto breaker = m.breakers.find(RuleName{e.cause.name});
        const bool reset = breaker != m.breakers.end() && !breaker->second.row.open;
        const bool counts = m.written_in[e.id] != boot ||
                            (reset && (e.stop_called_at > breaker->second.at ||
                                       m.most_wall_moved(breaker->second.at, at.mono) > Duration{0}));
        if (e.stop_called_at && of_rule(e.cause.kind) && counts) {
            m.meant_by_rule[e.cause.name].emplace_back(at.mono, e.run);
        }
    }
    for (const auto& [run, id] : m.live) {
        if (!seen.contains(id)) {
            violated("I10", at, "live enforcement " + id.value + " of " + run.value + " was not loaded");
        }
    }
    std::set<std::string> open;
    for (const IntentRow& row : state.open_intents) {
        open.insert(row.id);
        const auto known = m.intents.find(row.id);
        if (known == m.intents.end() || known->second.closed) {
            violated("I10", at, "intent " + row.id + " was loaded as open, and is not");
        }
    }
    for (const auto& [id, intent] : m.intents) {
        if (!intent.closed && !open.contains(id)) {
            violated("I10", at, "open intent " + id + " was not loaded");
        }
    }
    std::set<HoldId> holds;
    for (const Hold& hold : state.holds) {
        holds.insert(hold.id);
    }
    for (const auto& [id, hold] : m.holds) {
        if (hold.row.in_force(at.wall + minutes{1}) && !holds.contains(id) &&
            m.resources.contains(hold.row.resource)) {
            violated("I10", at, "hold " + id.value + " was not loaded");
        }
    }
    for (const auto& [rule, breaker] : m.breakers) {
        const bool loaded_open = std::ranges::any_of(
            state.breakers, [&](const Breaker& b) { return b.rule == rule && b.open; });
        if (breaker.row.open != loaded_open) {
            violated("I10", at, "the breaker of " + rule.value + " was loaded otherwise than stored");
        }
    }
    for (const auto& [id, alert] : m.alerts) {
        const auto found = std::ranges::find(state.alerts, id, &Alert::id);
        const bool alive = alert.state != AlertState::resolved;
        if (alive != (found != state.alerts.end())) {
            violated("I10", at, "alert " + alert.key + " was loaded otherwise than stored");
        } else if (alive && (found->state != alert.state || found->told.size() != alert.told.size())) {
            violated("I10", at, "alert " + alert.key + " was loaded in another state");
        }
    }
    for (const Meter& meter : state.meters) {
        const auto known = m.meters.find({meter.run, meter.kind});
        if (known == m.meters.end() || known->second.counted_to != meter.counted_to ||
            known->second.open != meter.open) {
            violated("I10", at, "the meter of " + meter.run.value + " was loaded otherwise than stored");
        }
    }
    for (const auto& [key, meter] : m.meters) {
        const bool found = std::ranges::any_of(state.meters, [&](const Meter& each) {
            return each.run == key.first && each.kind == key.second;
        });
        if (meter.open && !found) {
            violated("I10", at, "the open meter of " + key.first.value + " was not loaded");
        }
    }
    for (const auto& [key, rows] : m.fired) {
        for (const std::string& each : rows) {
            const bool found = std::ranges::any_of(state.fired, [&](const FiredThresholdRow& row) {
                return row.budget.value == key.first && row.period == key.second && row.key == each;
            });
            if (!found) {
                violated("I10", at, "the fired threshold " + each + " of " + key.first + " was not loaded");
            }
        }
    }
    judge_clocks(state, at);
    std::set<std::pair<ResourceId, RunId>> gaps;
    for (const GapRow& row : state.gaps) {
        gaps.emplace(row.resource, row.after);
    }
    if (gaps != m.gaps) {
        violated("I10", at,
                 std::to_string(m.gaps.size()) + " gaps are open, and others, " +
                     std::to_string(gaps.size()) + ", were loaded");
    }
    judge_told_loaded(state, at);
    for (const auto& [rule, trial] : m.trials) {
        const auto found = std::ranges::find(state.trials, rule, &RuleTrial::rule);
        if (found == state.trials.end() || !(*found == trial)) {
            violated("I10", at, "the trial of " + rule.value + " was loaded otherwise than stored");
        }
    }
    tally_.mark("loaded");
}

}  // namespace curfew::simulation
