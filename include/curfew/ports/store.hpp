// What survives. One connection on one database thread; every call posts there and resumes on the
// loop. All writes of one step go in one Batch = one durable transaction (synchronous=FULL): when
// `commit` succeeds, it is on disk; when it fails, nothing of it is.
#pragma once

#include "curfew/core/activity.hpp"
#include "curfew/core/alert.hpp"
#include "curfew/core/enforcement.hpp"
#include "curfew/core/history.hpp"
#include "curfew/core/hold.hpp"
#include "curfew/core/ledger.hpp"
#include "curfew/core/receipt.hpp"
#include "curfew/core/resource.hpp"
#include "curfew/core/rule.hpp"
#include "curfew/core/silence.hpp"
#include "curfew/ports/task.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace curfew {

/// A resource as last seen. Never holds the token.
struct ResourceRow {
    ResourceId id;
    AccountName account;
    ResourceKind kind = ResourceKind::notebook;
    std::string name;
    std::string project;
    std::string owner;
    WallTime first_seen;
    WallTime last_seen;
    bool gone = false;  // absent from a complete listing twice
};

struct RunRow {
    RunId id;
    ResourceId resource;
    AccountName account;
    std::string machine_type;
    RunState state = RunState::unknown;
    std::string state_text;
    std::optional<WallTime> started_at;
    std::optional<WallTime> ended_at;
    WallTime first_seen;
    WallTime last_seen;
};

/// The quiet clock of a run as of its last change of nature; while it only goes on adding, nothing is
/// written: on load it is extended to the account's last poll.
struct QuietRow {
    RunId run;
    QuietClock clock;
};

/// Once per poll and account.
struct AccountPollRow {
    AccountName account;
    Instant mono;
    WallTime wall;
    bool complete = false;
    std::string error;  // empty when it went well
};

struct AuditRow {
    std::int64_t seq = 0;  // given by the store
    WallTime at;
    std::string kind;  // "enforcement.packing", "hold.placed", "stop.called", …
    AccountName account;
    ResourceId resource;
    RunId run;
    std::string actor;  // "curfewd" or "ana (uid 1000)"
    std::string text;
};

/// I5: every outside act has an intent older than itself and an outcome after it.
struct IntentRow {
    std::string id;
    EnforcementId enforcement;
    RunId run;
    std::string act;  // "stop:provider", "pack", …
    WallTime at;
};
struct OutcomeRow {
    std::string intent;
    std::string outcome;
    WallTime at;
};

enum class OutboxState : std::uint8_t { waiting, delivered, superseded, dead };
constexpr std::string_view to_string(OutboxState state) {
    switch (state) {
        case OutboxState::waiting:
            return "waiting";
        case OutboxState::delivered:
            return "delivered";
        case OutboxState::superseded:
            return "superseded";
        case OutboxState::dead:
            break;
    }
    return "dead";
}

/// One message to one destination. What is told together is delivered in one parcel; `seq` is the order of rows
/// of one alert and destination, which is kept.
struct OutboxRow {
    std::string id;  // message id + "/" + channel, + "/" + address
    ChannelName channel;
    Message message;
    OutboxState state = OutboxState::waiting;
    int attempts = 0;
    WallTime next_at;  // not before; wall time, since it survives reboots
    std::string last_error;
    WallTime created_at;
    EnforcementId enforcement;  // a warning's; its delivery is an event of the enforcement
    int warn_step = 0;
    std::string to;        // "" = the channel's own receivers
    ParcelId parcel;       // "" = in none yet
    std::int64_t seq = 0;  // given by the store
};

/// One sending: durable before the first attempt, so that a restart sends the same under the same id.
struct ParcelRow {
    ParcelId id;
    ChannelName channel;
    std::string to;
    Message message;  // as it is rendered
    std::int64_t rows = 1;
    OutboxState state = OutboxState::waiting;
    int attempts = 0;
    WallTime next_at;
    std::string last_error;
    WallTime created_at;
    std::optional<WallTime> first_attempt_at;
    std::optional<WallTime> ended_at;
};

/// A channel that said 410 is not used again until its configuration changes or a test of it succeeds.
struct ChannelStateRow {
    ChannelName channel;
    std::optional<WallTime> disabled_at;
    std::string why;
    std::string fingerprint;  // of the configuration that it was disabled with
};

struct FiredThresholdRow {
    BudgetName budget;
    std::string period;  // id
    std::string key;     // of the threshold, with the amount that it stood for
    WallTime at;
};

/// A budget as `curfew budget set` left it: in force beside those of the configuration, or instead of the one
/// with its name. `document` is its TOML; empty = removed again.
struct BudgetEdit {
    BudgetName budget;
    std::string document;
    std::string by;
    WallTime at;
};

/// What the provider reported; kept beside our own figures, never instead of them.
struct ReportedRow {
    AccountName account;
    WallTime month;
    Money month_to_date;
    WallTime generated_at;
    WallTime fetched_at;
};

/// Something of the provider's that cannot be true (a start in the future, one that moved back): it is not
/// billed by, and kept here for people.
struct QuarantineRow {
    AccountName account;
    ResourceId resource;
    RunId run;
    std::string text;
    WallTime at;
};

/// First answer to an Idempotency-Key.
struct IdempotencyRow {
    std::string key;
    int status = 0;
    std::string body;
    WallTime at;
};

/// Drops rows of the history that began before, a few hundred at a time.
struct HistoryPrune {
    WallTime began_before;
};

using Write =
    std::variant<ResourceRow, RunRow, Meter, CostRow, Observation, QuietRow, AccountPollRow, Enforcement,
                 AuditRow, IntentRow, OutcomeRow, Hold, Alert, OutboxRow, FiredThresholdRow, Receipt,
                 IdempotencyRow, HistoryRow, HistoryPrune, RuleTrial, RuleEvent, Breaker, BudgetEdit,
                 ReportedRow, QuarantineRow, ParcelRow, ChannelStateRow, Silence, AlertEvent>;
using Batch = std::vector<Write>;

/// Everything the daemon needs to go on after a restart.
struct StoredState {
    std::string boot_id;                 // of the process that wrote the instants
    std::vector<ResourceRow> resources;  // not gone
    std::vector<RunRow> runs;            // newest of each such resource, and all that still bill
    std::vector<Meter> meters;           // open, and of add-ons those of this month
    std::vector<QuietRow> quiet_clocks;
    std::vector<AccountPollRow> polls;
    std::vector<Enforcement> enforcements;  // live
    std::vector<Hold> holds;                // not ended
    std::vector<Alert> alerts;              // pending, firing or acknowledged
    std::vector<Silence> silences;          // not ended
    std::vector<ChannelStateRow> channels;  // disabled
    std::vector<FiredThresholdRow> fired;   // of the last 400 days
    std::vector<BudgetEdit> budget_edits;   // newest of each
    std::vector<ReportedRow> reported;      // newest of each account and month, of the last 3 months
    std::vector<IntentRow> open_intents;    // without an outcome
    std::vector<RuleTrial> trials;          // of every rule ever seen
    std::vector<Breaker> breakers;          // open
};

enum class SpendBy : std::uint8_t { resource, account, project, user, type, rule, day, hour };
/// Which rows, and what keeps their sums apart. Rows count by their `from`.
struct SpendQuery {
    WallTime from;
    WallTime to;
    std::vector<SpendBy> by;
    Zone zone;  // of days
};
/// One sum. Meters and currencies are always kept apart.
struct SpendRow {
    /// One for each of `by`: a resource's id, a name of an account, project, user, type or rule, "2026-11-23",
    /// or the hour's beginning in RFC 3339 (UTC).
    std::vector<std::string> keys;
    MeterKind meter = MeterKind::compute;
    Money gross;
    Duration quantity{0};  // metered time
    Duration error_bar{0};
    Money error;  // error_bar at the rates of its rows
    bool unpriced = false;
};

/// One row of the ledger with what is known of its resource, for exports.
struct LedgerRow {
    CostRow row;
    AccountName account;
    ResourceKind kind = ResourceKind::notebook;
    std::string name;
    std::string project;
    std::string owner;
};
/// A place in the ledger, in the order of (from, line): opaque; empty = the beginning.
struct LedgerPage {
    std::vector<LedgerRow> rows;
    std::string next;  // empty = there is no more
};

/// How long one stop took, from the records of enforcements.
struct StopTimes {
    std::optional<Duration> pack;  // absent when nothing was packed
    Duration stop{0};              // from the first stop call to the confirmation
};

/// A run that Curfew stopped, for what that saved.
struct StoppedRun {
    ResourceId resource;
    RunId run;
    std::string machine_type;
    CauseKind cause = CauseKind::idle;
    std::string cause_name;
    WallTime ended_at;
    std::optional<WallTime> next_started_at;  // of the resource, by whomever
};

/// A run of the past, with what it cost an hour by its meter.
struct PastRun {
    RunRow run;
    std::optional<Rate> rate;  // absent = unpriced
};

/// How the store itself is.
struct StoreHealth {
    std::int64_t log_bytes = 0;         // at most so much is in the log only, and not yet in its place
    std::string copy_trouble;           // why the last daily copy could not be made; empty = none failed
    std::optional<WallTime> copied_at;  // of the newest copy that this process made and found whole
};

class Store {
public:
    virtual ~Store() = default;

    virtual Task<Result<StoredState>> load(std::string boot_id) = 0;
    virtual Task<Result<void>> commit(Batch batch) = 0;

    /// Sums of closed rows. Whole days of the report zone (`use_zone`) come from rollups, so that the cost of an
    /// answer does not grow with the number of rows behind it.
    virtual Task<Result<std::vector<SpendRow>>> spend(SpendQuery query) = 0;
    /// The zone in whose days rollups are kept; they are made anew when it changes.
    virtual Task<Result<void>> use_zone(Zone zone) = 0;
    /// Compares every rollup with its rows and makes those anew that differ; how many did.
    virtual Task<Result<std::int64_t>> check_rollups() = 0;
    virtual Task<Result<LedgerPage>> ledger(WallTime from, WallTime to, std::string after, int limit) = 0;
    /// Of the newest stops, newest first.
    virtual Task<Result<std::vector<StopTimes>>> stop_times(int limit) = 0;
    virtual Task<Result<std::vector<QuarantineRow>>> quarantine(WallTime since, int limit) = 0;
    virtual Task<Result<std::vector<StoppedRun>>> stopped_by_us() = 0;
    virtual Task<Result<std::vector<ResourceRow>>> resources() = 0;  // with those that are gone
    virtual Task<Result<std::vector<RunRow>>> runs_of(ResourceId resource, int limit) = 0;
    virtual Task<Result<std::vector<Observation>>> observations_of(RunId run) = 0;  // newest each
    /// What was seen of a run, up to `until`, by the beginning of the rows.
    virtual Task<Result<std::vector<HistoryRow>>> history_of(RunId run, WallTime until) = 0;
    /// Runs with a history that had not ended before `since`, oldest first.
    virtual Task<Result<std::vector<PastRun>>> recorded_runs(WallTime since, int limit) = 0;
    virtual Task<Result<std::vector<Enforcement>>> enforcements_of(ResourceId resource, int limit) = 0;
    virtual Task<Result<std::vector<AuditRow>>> audit(std::int64_t after_seq, int limit,
                                                      std::optional<ResourceId> resource) = 0;
    virtual Task<Result<std::vector<Receipt>>> receipts(std::optional<ResourceId> resource, int limit) = 0;
    virtual Task<Result<std::optional<Receipt>>> receipt(ReceiptId id) = 0;
    virtual Task<Result<std::vector<Alert>>> alerts(bool with_resolved, int limit) = 0;
    virtual Task<Result<std::optional<Alert>>> alert(AlertId id) = 0;
    /// The life of an alert, oldest first.
    virtual Task<Result<std::vector<AlertEvent>>> alert_events(AlertId id, int limit) = 0;
    virtual Task<Result<std::vector<Silence>>> silences(bool with_ended, int limit) = 0;
    virtual Task<Result<std::vector<Hold>>> holds(std::optional<ResourceId> resource, WallTime since) = 0;
    /// What became of things under rules, newest first; the store keeps the newest 20,000.
    virtual Task<Result<std::vector<RuleEvent>>> rule_events(WallTime since, int limit) = 0;
    /// Waiting rows whose time has come, oldest first.
    virtual Task<Result<std::vector<OutboxRow>>> outbox_due(WallTime now, int limit) = 0;
    virtual Task<Result<std::map<OutboxState, std::int64_t>>> outbox_counts() = 0;
    virtual Task<Result<std::optional<IdempotencyRow>>> idempotent(std::string key) = 0;

    virtual Task<Result<StoreHealth>> health() = 0;

    /// Walks the audit's hash chain: the number of rows, or Errc::corrupt naming the first bad one.
    virtual Task<Result<std::int64_t>> verify_audit() = 0;

    /// Checkpoints and closes; nothing may follow.
    virtual Task<Result<void>> close() = 0;
};

}  // namespace curfew
