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
    Instant mono;  // when the list was asked for …
    WallTime
        wall;  // … as the clock stood when the poll had ended; of a poll that failed the store keeps neither
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
/// of one alert and destination, which is kept. Written once: a row whose id is known is ignored, and what becomes
/// of it is written by ParcelFill, ParcelRow, OutboxEnd and OutboxBury.
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
    std::string to;                       // "" = the channel's own receivers
    ParcelId parcel;                      // "" = in none yet
    std::int64_t seq = 0;                 // given by the store
    std::optional<WallTime> failover_at;  // a critical one: still not taken then, it goes to one channel more
};

/// One sending to one destination: durable before the first attempt, so that a restart sends the same under the
/// same id. The same id may go to several destinations. When it ends, the rows in it end with it.
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
    bool uncertain = false;  // an attempt's acknowledgement was lost: it may have arrived
    bool outdone =
        false;  // read only: a warning, and a newer message of its key waits for the same destination
};

/// Free rows of one destination: those in no parcel whose time has come and which stand behind no older row of
/// their alert that must go first.
struct Heap {
    ChannelName channel;
    std::string to;
    std::optional<std::string> group;  // nullopt = of every group
    WallTime now;
    std::int64_t up_to_seq = 0;  // rows that came later are left out
};

/// Puts rows into a parcel: those named, and with `rest` also all of the heap that wait for no enforcement.
struct ParcelFill {
    ParcelId parcel;
    ChannelName channel;
    std::string to;
    std::vector<std::int64_t> rows;  // seq
    std::optional<Heap> rest;
};
/// Ends free rows.
struct OutboxEnd {
    std::vector<std::int64_t> rows;  // seq
    OutboxState state = OutboxState::superseded;
    std::string why;
};
/// Everything that waits for a channel becomes a dead letter.
struct OutboxBury {
    ChannelName channel;
    std::string why;
    WallTime at;
};
/// A message needs no channel more.
struct FailoverDone {
    std::string message;  // id
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

/// Between two sights of a resource runs may have come and gone, of which the provider has not told yet: it is asked
/// until it has. Written where it does not answer at once, and `closed` with what its answer brings.
struct GapRow {
    ResourceId resource;
    RunId after;  // the run of the second sight
    AccountName account;
    ResourceKind kind = ResourceKind::notebook;
    RunId before;    // of the first, "" if there was none
    WallTime since;  // its start, or the first sight
    bool closed = false;
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

/// Drops what of alerts ended before: resolved ones, their events, ended silences; a few hundred at a time.
struct AlertPrune {
    WallTime ended_before;
};

using Write =
    std::variant<ResourceRow, RunRow, Meter, CostRow, Observation, QuietRow, AccountPollRow, Enforcement,
                 AuditRow, IntentRow, OutcomeRow, Hold, Alert, OutboxRow, FiredThresholdRow, Receipt,
                 IdempotencyRow, HistoryRow, HistoryPrune, RuleTrial, RuleEvent, Breaker, BudgetEdit,
                 ReportedRow, QuarantineRow, ParcelRow, ChannelStateRow, Silence, AlertEvent, AlertPrune,
                 ParcelFill, OutboxEnd, OutboxBury, FailoverDone, GapRow>;
using Batch = std::vector<Write>;

/// Everything the daemon needs to go on after a restart.
struct StoredState {
    std::string boot_id;  // of the start before; what is of still earlier ones is marked as such
    std::vector<ResourceRow> resources;  // not gone
    std::vector<RunRow> runs;            // newest of each such resource, and all that still bill
    std::vector<Meter> meters;           // open, and of add-ons those of this month
    std::vector<QuietRow> quiet_clocks;
    std::vector<AccountPollRow> polls;
    std::vector<GapRow> gaps;               // not closed
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
    std::vector<Breaker> breakers;          // open, or reset by hand
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

/// Which rows of the outbox; oldest first.
struct OutboxQuery {
    std::optional<OutboxState> state;
    ChannelName channel;  // "" = of all
    AlertId alert;        // "" = of all, and of none
    std::int64_t after_seq = 0;
    int limit = 100;
};

/// How much of a heap there is.
struct HeapSize {
    std::string to;
    std::string group;
    std::int64_t rows = 0;
    std::int64_t urgent = 0;  // critical, or a warning that an enforcement waits for
    WallTime oldest;          // next_at
    std::int64_t newest_seq = 0;
};
/// What the lane of one channel needs to know for its next step.
struct OutboxLook {
    std::vector<HeapSize> heaps;     // by receiver and group, urgent ones first; the first few
    std::vector<HeapSize> piles;     // by receiver, whole
    std::vector<ParcelRow> parcels;  // open, and due or outdone; worst first, the first few
    std::optional<WallTime> next;    // when more becomes due
};
struct KindCount {
    AlertKind kind = AlertKind::blind;
    Severity severity = Severity::info;
    std::int64_t rows = 0;
};
/// The parcels that a destination got of late.
struct ParcelPlaces {
    std::int64_t used = 0;
    std::optional<WallTime> oldest;
    std::optional<WallTime> newest;
};
/// Critical messages that none of their channels took in time; and when there may be more.
struct OutboxOverdue {
    std::vector<OutboxRow> rows;
    std::optional<WallTime> next;
};

class Store {
public:
    virtual ~Store() = default;

    /// `boot_id`: of this boot. Where the start before was of another, the stored instants are marked in the same
    /// transaction (`instant_of_earlier_boot`): what is not written anew is of an earlier boot for good.
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
    /// Newest first: as they were stored, whatever the clock said.
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
    virtual Task<Result<std::vector<OutboxRow>>> outbox(OutboxQuery query) = 0;
    /// Supersedes first, with the reason, what of the channel needs no sending any more: free rows past their use,
    /// and older stop warnings of a key of which a newer row waits. Waits that end after `horizon` end now: no wait
    /// is that long, so the clock was set.
    virtual Task<Result<OutboxLook>> outbox_look(ChannelName channel, WallTime now, WallTime horizon,
                                                 int limit) = 0;
    /// The first rows of a heap: warnings of enforcements first, then the worst, then the oldest; or all by age.
    virtual Task<Result<std::vector<OutboxRow>>> outbox_heap(Heap heap, bool worst_first, int limit) = 0;
    /// What of a heap waits for no enforcement.
    virtual Task<Result<std::vector<KindCount>>> outbox_sums(Heap heap) = 0;
    /// Rows of a parcel for which an enforcement waits.
    virtual Task<Result<std::vector<OutboxRow>>> parcel_warnings(ParcelRow parcel) = 0;
    /// Of those made after `since` and not after `now`.
    virtual Task<Result<ParcelPlaces>> parcel_places(ChannelName channel, std::string to, WallTime since,
                                                     WallTime now) = 0;
    virtual Task<Result<OutboxOverdue>> outbox_overdue(WallTime now, int limit) = 0;
    /// Free waiting rows of channels that are not among `known`, oldest first; their open parcels are undone first.
    virtual Task<Result<std::vector<OutboxRow>>> outbox_strays(std::vector<ChannelName> known, WallTime now,
                                                               int limit) = 0;
    /// Dead letters wait again, under the same ids: that with this id and those in its parcel, or all ("").
    virtual Task<Result<std::int64_t>> outbox_retry(std::string id, WallTime now) = 0;
    /// The wall clock was set by so much: waits keep their length.
    virtual Task<Result<void>> outbox_shift(Duration by) = 0;
    /// Drops rows and parcels that ended, made before this, at most `limit` of each; how many went.
    virtual Task<Result<std::int64_t>> outbox_prune(WallTime before, int limit) = 0;
    /// When the oldest waiting row was made.
    virtual Task<Result<std::optional<WallTime>>> outbox_oldest() = 0;
    virtual Task<Result<std::map<OutboxState, std::int64_t>>> outbox_counts() = 0;
    virtual Task<Result<std::vector<ChannelStateRow>>> disabled_channels() = 0;
    virtual Task<Result<std::optional<IdempotencyRow>>> idempotent(std::string key) = 0;

    virtual Task<Result<StoreHealth>> health() = 0;

    /// Walks the audit's hash chain: the number of rows, or Errc::corrupt naming the first bad one.
    virtual Task<Result<std::int64_t>> verify_audit() = 0;
    /// What is wrong with the file, as it lies on the disk: pages, indices, rows that refer to none. Empty = nothing.
    /// Errc::corrupt when it cannot be read to its end. Damage that is found here is also looked for at the next
    /// opening, which sets such a file aside.
    virtual Task<Result<std::vector<std::string>>> check_file() = 0;

    /// Checkpoints and closes; nothing may follow.
    virtual Task<Result<void>> close() = 0;
};

}  // namespace curfew
