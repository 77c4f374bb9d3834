#include "storage/workload.hpp"

#include <string>
#include <utility>

namespace curfew::storage {

namespace {

constexpr std::int64_t begin_ms = 1'795'399'800'000;  // 2026-11-23T02:10:00Z
constexpr std::int64_t hour_ms = 3'600'000;

/// One run and what is written of it.
class Story {
public:
    explicit Story(int number)
        : mark_(std::to_string(number)), resource_{"r" + mark_}, run_{"n" + mark_},
          start_(begin_ms + number * 40 * hour_ms) {
        e_.id = EnforcementId{"enf_" + mark_};
        e_.account = AccountName{"lab"};
        e_.resource = resource_;
        e_.run = run_;
        e_.cause = {CauseKind::idle, "night"};
    }

    std::vector<Batch> told();

private:
    WallTime at(std::int64_t minutes) const { return {start_ + minutes * 60'000}; }
    std::string id(const std::string& kind) const { return kind + "_" + mark_; }

    AuditRow audit(const std::string& kind, std::int64_t minutes, std::size_t size = 40) const {
        return {.seq = 0,
                .at = at(minutes),
                .kind = kind,
                .account = AccountName{"lab"},
                .resource = resource_,
                .run = run_,
                .actor = "curfewd",
                .text = std::string(size, static_cast<char>('a' + minutes % 26))};
    }
    AccountPollRow poll(std::int64_t minutes) const {
        return {.account = AccountName{"lab"},
                .mono = {minutes * 60'000},
                .wall = at(minutes),
                .complete = true,
                .error = {}};
    }
    Enforcement in(EnforcementState state, const std::string& why) {
        e_.state = state;
        e_.reason = why;
        return e_;
    }
    CostRow cost(std::int64_t hour) const {
        return {.resource = resource_,
                .run = run_,
                .meter = MeterKind::compute,
                .from = {start_ + hour * hour_ms},
                .to = {start_ + (hour + 1) * hour_ms},
                .sku = "A4000",
                .rate = Rate{Money{760'000'000}},
                .gross = Money{760'000'000},
                .source = CostSource::provider,
                .estimated = hour % 2 == 0,
                .error_bar = Duration{hour % 2 == 0 ? 30'000 : 0},
                .rule = "night"};
    }
    Meter meter(std::int64_t hour, bool open) const {
        return {.resource = resource_,
                .run = run_,
                .sku = "A4000",
                .tariff = {.rate = Rate{Money{760'000'000}}, .monthly_cap = std::nullopt},
                .rule = "night",
                .started = {start_},
                .counted_to = {start_ + hour * hour_ms},
                .last_seen_billing = {start_ + hour * hour_ms},
                .closed = Money{760'000'000 * hour},
                .open = open};
    }
    Alert alert(AlertState state, std::int64_t minutes) const {
        Alert a;
        a.id = AlertId{id("alr")};
        a.key = "stop_warning/" + run_.value;
        a.kind = AlertKind::stop_warning;
        a.severity = Severity::critical;
        a.state = state;
        a.since = at(100);
        a.changed_at = at(minutes);
        a.title = "it will be stopped";
        a.account = AccountName{"lab"};
        a.resource = resource_;
        a.run = run_;
        a.message = message("msg");
        a.told = {{ChannelName{"mail"}, {}}};
        return a;
    }
    AlertEvent event(const std::string& what, std::int64_t minutes) const {
        return {.alert = AlertId{id("alr")},
                .at = at(minutes),
                .state = AlertState::firing,
                .what = what,
                .reason = "it is quiet",
                .by = {}};
    }
    Message message(const std::string& kind) const {
        Message m;
        m.id = id(kind);
        m.alert = AlertId{id("alr")};
        m.kind = AlertKind::stop_warning;
        m.severity = Severity::critical;
        m.at = at(100);
        m.title = "demo is stopped in 30 minutes";
        m.body = {"quiet for an hour"};
        m.do_next = "curfew keep demo --for 2h";
        m.account = AccountName{"lab"};
        m.resource = resource_;
        m.run = run_;
        m.key = "stop_warning/" + run_.value;
        return m;
    }
    OutboxRow outbox(const std::string& kind, const std::string& channel) const {
        OutboxRow row{.id = id(kind) + "/" + channel,
                      .channel = ChannelName{channel},
                      .message = message(kind),
                      .state = OutboxState::waiting,
                      .attempts = 0,
                      .next_at = at(100),
                      .last_error = {},
                      .created_at = at(100),
                      .enforcement = e_.id,
                      .warn_step = 1};
        row.failover_at = at(102);
        return row;
    }
    ParcelRow parcel(OutboxState state) const {
        ParcelRow row;
        row.id = ParcelId{id("prc")};
        row.channel = ChannelName{"mail"};
        row.message = message("msg");
        row.state = state;
        row.attempts = state == OutboxState::waiting ? 0 : 1;
        row.next_at = at(100);
        row.created_at = at(100);
        if (state != OutboxState::waiting) {
            row.ended_at = at(101);
        }
        return row;
    }
    Receipt receipt() const {
        Receipt r;
        r.id = ReceiptId{id("rcp")};
        r.enforcement = e_.id;
        r.account = AccountName{"lab"};
        r.resource = resource_;
        r.run = run_;
        r.resource_name = "demo";
        r.begun_at = at(130);
        r.verified_at = at(131);
        r.files = 3;
        r.bytes = 1LL << 30;
        r.manifest_sha256 = std::string(64, 'a');
        r.sums_sha256 = std::string(64, 'b');
        r.proofs = {{VaultName{"home"}, "/vault/x", "sha256 read back"}};
        r.verified = true;
        return r;
    }
    IntentRow intent(const std::string& act, std::int64_t minutes) const {
        return {.id = id("int_" + act), .enforcement = e_.id, .run = run_, .act = act, .at = at(minutes)};
    }
    OutcomeRow outcome(const std::string& act, std::int64_t minutes) const {
        return {.intent = id("int_" + act), .outcome = "done", .at = at(minutes)};
    }

    std::string mark_;
    ResourceId resource_;
    RunId run_;
    std::int64_t start_;
    Enforcement e_;
};

std::vector<Batch> Story::told() {
    std::vector<Batch> all;
    const ResourceRow resource{.id = resource_,
                               .account = AccountName{"lab"},
                               .kind = ResourceKind::notebook,
                               .name = "demo",
                               .project = "p",
                               .owner = "ana@example.org",
                               .first_seen = at(0),
                               .last_seen = at(0)};
    RunRow run{.id = run_,
               .resource = resource_,
               .account = AccountName{"lab"},
               .machine_type = "A4000",
               .state = RunState::running,
               .state_text = "Running",
               .started_at = at(0),
               .ended_at = std::nullopt,
               .first_seen = at(0),
               .last_seen = at(0)};
    const Observation seen{.source = Signal::kernels,
                           .run = run_,
                           .at = {60'000},
                           .wall = at(1),
                           .verdict = Verdict::quiet,
                           .last_active_at = std::nullopt,
                           .strength = Strength::strong,
                           .evidence = "kernel idle",
                           .ttl = minutes{5}};
    const HistoryRow history{.run = run_,
                             .source = Signal::kernels,
                             .from = at(0),
                             .to = at(60),
                             .verdict = Verdict::quiet,
                             .strength = Strength::strong,
                             .ttl = minutes{5},
                             .began = "kernel idle",
                             .last = {}};
    const RuleName night{"night"};
    const BudgetName team{"team"};

    GapRow gap{.resource = resource_,
               .after = run_,
               .account = AccountName{"lab"},
               .kind = ResourceKind::notebook,
               .before = {},
               .since = at(0)};
    all.push_back({resource, run, gap, meter(0, true), poll(0), audit("run.started", 0)});
    gap.after = RunId{id("later")};
    all.push_back({poll(1), gap, seen, QuietRow{run_, {}}, history,
                   RuleTrial{.rule = night, .first_seen = at(0), .tried = Duration{5}, .ended_at = {}}});
    gap.closed = true;
    all.push_back({cost(0), gap, meter(1, true), poll(60), audit("budget.set", 60),
                   BudgetEdit{team, "amount = \"50\"", "ana", at(60)},
                   ReportedRow{.account = AccountName{"lab"},
                               .month = at(0),
                               .month_to_date = Money{760'000'000},
                               .generated_at = at(59),
                               .fetched_at = at(60)}});
    all.push_back({Hold{.id = HoldId{id("hld")},
                        .kind = HoldKind::keep,
                        .resource = resource_,
                        .run = run_,
                        .from = at(61),
                        .until = at(90),
                        .reason = "thinking",
                        .by = "ana (uid 1000)",
                        .released_at = std::nullopt},
                   IdempotencyRow{.key = id("key"), .status = 200, .body = "{}", .at = {9'000'000'000'000}},
                   audit("hold.placed", 61)});
    e_.warned_step = 1;
    e_.warned_at = Instant{100 * 60'000};
    all.push_back({in(EnforcementState::warned, "quiet"), audit("enforcement.warned", 100),
                   alert(AlertState::firing, 100), event("fired", 100), outbox("msg", "mail"),
                   outbox("msg", "chat"), FiredThresholdRow{team, "2026-11@UTC/" + mark_, "80%", at(100)}});
    all.push_back({parcel(OutboxState::waiting), ParcelFill{.parcel = ParcelId{id("prc")},
                                                            .channel = ChannelName{"mail"},
                                                            .to = {},
                                                            .rows = {},
                                                            .rest = Heap{.channel = ChannelName{"mail"},
                                                                         .to = {},
                                                                         .group = std::nullopt,
                                                                         .now = at(101),
                                                                         .up_to_seq = 1'000'000}}});
    e_.notice_at = Instant{101 * 60'000};
    all.push_back({parcel(OutboxState::delivered), in(EnforcementState::warned, "told"),
                   FailoverDone{id("msg")}, audit("warning.delivered", 101)});
    all.push_back(
        {ChannelStateRow{
             .channel = ChannelName{"chat"}, .disabled_at = at(102), .why = "410", .fingerprint = "f"},
         OutboxBury{.channel = ChannelName{"chat"}, .why = "410", .at = at(102)}, cost(1), meter(2, true),
         audit("channel.disabled", 102, 6000)});
    all.push_back({in(EnforcementState::packing, "time is up"), intent("pack", 130),
                   audit("enforcement.packing", 130)});
    e_.receipt = ReceiptId{id("rcp")};
    all.push_back({receipt(), outcome("pack", 131), in(EnforcementState::packed, "proven"),
                   audit("enforcement.packed", 131)});
    e_.stop_attempts = 1;
    all.push_back({in(EnforcementState::stopping, "the fence holds"), intent("stop:provider", 132),
                   audit("stop.called", 132)});
    all.push_back({outcome("stop:provider", 133), in(EnforcementState::confirming, "accepted"),
                   audit("enforcement.confirming", 133)});
    run.state = RunState::stopped;
    run.state_text = "Cancelled";
    run.ended_at = at(134);
    e_.off_sightings = 2;
    all.push_back({run, cost(2), meter(3, false), in(EnforcementState::stopped, "off twice"),
                   audit("enforcement.stopped", 134),
                   RuleEvent{.rule = night,
                             .kind = RuleEventKind::stop,
                             .at = at(134),
                             .resource = resource_,
                             .run = run_,
                             .name = "demo"},
                   alert(AlertState::resolved, 134), event("resolved", 134), outbox("end", "mail")});
    e_.outcome = "stopped";
    Silence silence;
    silence.id = SilenceId{id("sil")};
    silence.from = at(140);
    silence.until = at(200);
    silence.reason = "known";
    silence.by = "ana";
    all.push_back({in(EnforcementState::over, "done"), audit("enforcement.over", 200),
                   Breaker{.rule = night, .why = "3 stops", .at = at(200), .open = true}, silence,
                   QuarantineRow{.account = AccountName{"lab"},
                                 .resource = resource_,
                                 .run = run_,
                                 .text = "a start in the future",
                                 .at = at(200)},
                   OutboxEnd{.rows = {3}, .state = OutboxState::superseded, .why = "late"},
                   HistoryPrune{at(1)}, AlertPrune{at(1)}});
    return all;
}

}  // namespace

std::vector<Batch> batches(int number) {
    return Story{number}.told();
}

}  // namespace curfew::storage
