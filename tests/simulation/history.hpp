// Histories that a Curfew could have had, told to the judge alone. For the tests of the judge.
#pragma once

#include "simulation/judge.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace curfew::simulation {

inline const RunId run{"r1"};
inline const ResourceId box{"nb1"};
inline const AccountName account{"lab"};
inline const ChannelName mail{"mail"};
inline const TrueFiles files{{"a.txt", 1}, {"b.txt", 2}};
constexpr WallTime midnight{1'790'000'000'000 / 3'600'000 * 3'600'000};

/// A short history that a good Curfew could have had: a notebook goes quiet, is warned of, packed and stopped.
struct History {
    Tally tally;
    Judge judge{tally};
    std::int64_t ms = 0;
    Duration wall_ahead{0};
    Config config = plain();

    static Config plain() {
        Config c;
        c.mode = Mode::enforce;
        AccountConfig lab;
        lab.name = account;
        c.accounts.push_back(lab);
        VaultConfig vault;
        vault.name = VaultName{"folder"};
        c.vaults.push_back(vault);
        Rule rule;
        rule.name = RuleName{"night"};
        rule.mode = Mode::enforce;
        c.rules.push_back(rule);
        c.routing.channels = {mail};
        return c;
    }

    Moment at() const {
        return {.mono = {ms}, .utc = midnight + Duration{ms}, .wall = midnight + Duration{ms} + wall_ahead};
    }
    void pass(Duration d) { ms += d.count(); }
    bool breaks(const std::string& invariant) const {
        return std::ranges::any_of(judge.violations(),
                                   [&](const Violation& v) { return v.invariant == invariant; });
    }
    std::string all() const {
        std::string text;
        for (const Violation& v : judge.violations()) {
            text += v.invariant + ": " + v.text + "\n";
        }
        return text;
    }

    void use() { judge.config_in_force(std::make_shared<const Config>(config), at()); }
    void begin(const RunId& id = run, const ResourceId& where = box) {
        judge.committed({ResourceRow{.id = where, .account = account, .name = where.value}}, at());
        judge.run_began({.account = account,
                         .resource = where,
                         .run = id,
                         .machine_type = "P4000",
                         .per_hour = Money{510'000'000}},
                        at());
        judge.files_changed(id, files, at());
    }
    void look(const RunId& id = run, Verdict kernels = Verdict::quiet, Verdict processes = Verdict::quiet) {
        judge.answered(id, Signal::kernels, kernels, at());
        judge.answered(id, Signal::metrics, Verdict::quiet, at());
        judge.answered(id, Signal::processes, processes, at());
    }
    void polled() {
        judge.committed(
            {AccountPollRow{
                .account = account, .mono = at().mono, .wall = at().wall, .complete = true, .error = {}}},
            at());
    }
    /// A threshold fires, and its alert says so, though it is silenced.
    void fires(const BudgetName& budget, const std::string& period, const std::string& key,
               bool alarms = true) {
        Batch batch{FiredThresholdRow{.budget = budget, .period = period, .key = key, .at = at().wall}};
        if (alarms && !key.ends_with(" armed")) {
            Alert alert;
            alert.key = "budget/" + budget.value + "/" + period + "/" + key.substr(0, key.rfind(" #"));
            alert.id = AlertId{"al " + alert.key};
            alert.silenced_by = SilenceId{"sil_1"};
            batch.emplace_back(alert);
        }
        judge.committed(batch, at());
    }
    /// A look a minute.
    void quiet_for(Duration d, const RunId& id = run) {
        for (Duration gone{0}; gone < d; gone += minutes{1}) {
            look(id);
            pass(minutes{1});
        }
        look(id);
    }

    Enforcement e{.id = EnforcementId{"enf_1"},
                  .account = account,
                  .resource = box,
                  .run = run,
                  .cause = {CauseKind::idle, "night"}};
    int messages = 0;

    void store(EnforcementState state, Batch more = {}) {
        e.state = state;
        more.emplace_back(e);
        judge.committed(more, at());
    }
    OutboxRow message(AlertKind kind, int step = 0) {
        OutboxRow row;
        row.id = "msg_" + std::to_string(++messages) + "/mail";
        row.channel = mail;
        row.message.id = "msg_" + std::to_string(messages);
        row.message.kind = kind;
        row.enforcement = e.id;
        row.warn_step = step;
        return row;
    }
    ParcelRow parcel(std::int64_t seq, const std::string& id, AlertKind kind = AlertKind::stop_warning) {
        ParcelRow row;
        row.id = ParcelId{id};
        row.channel = mail;
        row.message.id = id;
        row.message.kind = kind;
        judge.committed(
            {row, ParcelFill{.parcel = row.id, .channel = mail, .to = {}, .rows = {seq}, .rest = {}}}, at());
        return row;
    }
    void take(const ParcelRow& row, bool heard = true) {
        judge.took(mail, {.message = row.message, .to = {}}, heard, at());
    }
    void delivered(ParcelRow row) {
        row.state = OutboxState::delivered;
        row.attempts = 1;
        judge.committed({row}, at());
    }

    void warn() {
        e.warned_step = 1;
        store(EnforcementState::warned, {message(AlertKind::stop_warning, 1)});
        const ParcelRow row = parcel(messages, "par_1");
        take(row);
        delivered(row);
    }
    void pack(const TrueFiles& held = files, std::vector<NotCovered> not_covered = {},
              std::int64_t count = 2) {
        store(EnforcementState::due);
        ++e.pack_attempts;
        store(EnforcementState::packing,
              {IntentRow{.id = "int_p", .enforcement = e.id, .run = run, .act = "pack", .at = {}}});
        Receipt receipt;
        receipt.id = ReceiptId{"rcp_1"};
        receipt.enforcement = e.id;
        receipt.resource = box;
        receipt.run = run;
        receipt.files = count;
        receipt.verified = true;
        receipt.not_covered = std::move(not_covered);
        receipt.proofs = {{.vault = VaultName{"folder"}, .locator = {}, .method = {}}};
        judge.published(receipt, held, at());
        e.receipt = receipt.id;
        store(EnforcementState::packed,
              {receipt, OutcomeRow{.intent = "int_p", .outcome = "receipt", .at = {}}});
    }
    void intend() {
        ++e.stop_attempts;
        store(EnforcementState::stopping,
              {IntentRow{.id = "int_s", .enforcement = e.id, .run = run, .act = "stop:provider", .at = {}}});
    }
    void send() { judge.stop_sent(StopMethod::provider, run, at()); }
    void arrive() { judge.stop_called(StopMethod::provider, run, run, true, at()); }
    void call() {
        send();
        arrive();
    }
    /// Watched from its beginning, quiet, and warned of after half an hour.
    void until_warned() {
        use();
        begin();
        quiet_for(minutes{30});
        warn();
    }
    /// … and packed, once the hour of the rule is over.
    void until_packed() {
        until_warned();
        quiet_for(minutes{31});
        pack();
    }
    void stop() {
        intend();
        call();
    }
    void whole(Duration quiet = hours{1}) {
        use();
        begin();
        quiet_for(quiet - minutes{30});
        warn();
        quiet_for(minutes{30});
        pack();
        stop();
    }
    CostRow row(std::int64_t from_min, std::int64_t to_min, std::int64_t nanos) const {
        CostRow cost;
        cost.resource = box;
        cost.run = run;
        cost.from = midnight + minutes{from_min};
        cost.to = midnight + minutes{to_min};
        cost.sku = "P4000";
        cost.rate = Rate{Money{510'000'000}};
        cost.gross = Money{nanos};
        return cost;
    }
    void close(const std::vector<CostRow>& rows) {
        for (const CostRow& cost : rows) {
            judge.committed({cost}, at());
        }
        Judge::End end;
        end.ledger = rows;
        judge.ended(end, at());
    }
};

}  // namespace curfew::simulation
