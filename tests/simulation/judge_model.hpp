// What the judge remembers of a life: the truth about runs, what became durable, and what receivers took.
// Inside the judge only.
#pragma once

#include "curfew/core/period.hpp"
#include "simulation/judge.hpp"

#include <deque>
#include <set>
#include <tuple>
#include <utility>

namespace curfew::simulation {

/// How far what Curfew knows may lag behind the truth while nothing is wrong: the fence is of the last 30 s, its
/// transaction and the call itself take their time, and whatever becomes durable in between it may not know yet.
constexpr Duration fence_window = seconds{30};
constexpr Duration act_latency = seconds{35};
constexpr Duration knowledge_lag = fence_window + act_latency;
constexpr Duration quiet_slack = minutes{1};

/// How long what was written at `written` waited for the disk, by Curfew's own clock.
inline Duration waited(WallTime written, Moment at) {
    return std::max(Duration{0}, at.wall - written);
}

/// The rows of one kind in a transaction.
template <class T>
std::vector<const T*> all_of(const Batch& batch) {
    std::vector<const T*> found;
    for (const Write& write : batch) {
        if (const auto* row = std::get_if<T>(&write)) {
            found.push_back(row);
        }
    }
    return found;
}

/// When it was handed to the disk, which may take its time, or sleep with the host; `durable` where nobody knows.
template <class Asked>
Instant asked_at(const Asked& asked, const typename Asked::key_type& of, Instant durable) {
    const auto known = asked.find(of);
    return known == asked.end() ? durable : known->second;
}

inline bool fires(AlertState state) {
    return state == AlertState::firing || state == AlertState::acknowledged;
}

inline bool fires(const Alert& alert) {
    return fires(alert.state);
}

/// Quiet time by the judge's own count, from what the sources answered.
struct OwnQuiet {
    Duration quiet{0};
    std::optional<Instant> last;  // newest of an unbroken row of quiet looks
    Duration stalled{0};          // a busy kernel beside which nothing moves
    std::optional<Instant> last_stalled;
    int probes = 0;  // quiet ones in a row
    std::optional<Instant> first_probe;
};

/// What one look brought: answers that came close together.
struct OwnLook {
    Instant begun;
    Instant at;  // newest answer
    std::map<Signal, Verdict> answers;
};

struct RunTruth {
    TrueRun run;
    Moment began;
    std::optional<Moment> ended;
    std::string ended_by;
    std::vector<std::pair<WallTime, Money>> prices;     // from when on, rising
    std::vector<std::pair<Moment, Money>> unannounced;  // by how much more
    std::vector<std::pair<Moment, Money>> moved;        // to another machine type, likewise
    std::optional<Moment> work_since;
    std::map<Signal, std::pair<Verdict, Instant>> newest;  // answer of each source
    std::optional<OwnLook> look;                           // the one that is coming in, or the newest
    std::optional<Instant> kernels_quiet;                  // heard, and no probe of a look has come since
    bool probed = false;                                   // a probe was ever answered for
    OwnQuiet own;
    /// Own count and newest look as they were when the account's last poll became durable, or the end of an
    /// enforcement since work was seen: what was seen since then dies with the process, and is no observation.
    std::optional<std::pair<OwnQuiet, std::optional<OwnLook>>> durable_own;
    bool work_seen_since = false;
    bool absent = false;  // Curfew was, for longer than a gap, and its new configuration is not read yet
    TrueFiles files;
    std::deque<std::pair<TrueFiles, Instant>> files_past;  // what lay there before, and until when
    std::vector<Instant> calls;
    std::deque<std::pair<Instant, bool>> looked_up;  // newest last: was it on?
    bool listed_on = false;
    std::optional<Instant> listed_at;   // in a list that was whole and fresh
    std::optional<Instant> dark_since;  // looks in a row that brought nothing
    int dark_looks = 0;
};

/// Is this what was heard of the source last?
inline bool newest_is(const RunTruth& truth, Signal source, Verdict verdict) {
    const auto newest = truth.newest.find(source);
    return newest != truth.newest.end() && newest->second.first == verdict;
}

struct DurableIntent {
    IntentRow row;
    Instant at;
    bool closed = false;
};

struct DurableRow {  // of the outbox
    OutboxRow row;
    Instant at;
    std::int64_t seq = 0;
};

using ParcelKey = std::tuple<std::string, std::string, std::string>;  // channel, receiver, id

struct DurableParcel {
    ParcelRow row;
    std::vector<std::int64_t> rows;
    int taken = 0;
    int uncertain = 0;
    bool in_flight = false;  // taken, and that is not durable yet
    bool given_up = false;   // was a dead letter once, which a person may have sent again
    std::optional<Instant> first_taken;
};

template <class T>
struct Durable {
    T row;
    Instant at;
};

/// What a firing said of the spend, and what is durable so far does not bear out: the list of another account may
/// be known to Curfew and not stored yet. Looked at again in the end.
struct Doubt {
    std::string text;
    Budget budget;
    Period period;
    Moment at;
    Wide least = 0;
    Wide below = 0;
    bool borne_out(Wide spent) const { return spent >= least && spent < below; }
};

struct Judge::Model {
    std::vector<Doubt> doubts;
    // ---- truth
    std::map<RunId, RunTruth> runs;
    std::map<AccountName, std::vector<Moment>> listed;
    std::vector<std::pair<Instant, Duration>>
        wall_off;  // how far Curfew's clock was off, whenever that changed
    std::deque<std::pair<Instant, std::shared_ptr<const Config>>> configs;
    std::vector<std::pair<Instant, std::optional<Instant>>> down;  // from crash to boot
    std::optional<Instant> calm_since;
    std::map<ReceiptId, std::pair<TrueFiles, Instant>> held;  // by vaults, together
    std::map<std::string, std::vector<std::pair<Instant, RunId>>> stops_by_rule;
    std::map<std::string, std::vector<std::pair<Instant, RunId>>>
        meant_by_rule;                             // to be stopped, sent or not
    std::map<std::string, Instant> breaker_asked;  // when its newest row was handed to the disk, by rule

    // ---- durable
    std::map<ResourceId, ResourceRow> resources;
    std::string boot;  // of the host, at Curfew's newest start
    std::map<EnforcementId, Durable<Enforcement>> enforcements;
    std::map<EnforcementId, std::string> written_in;  // the boot
    std::map<EnforcementId, Instant> warned_at;       // durable
    std::map<EnforcementId, Instant> state_since;
    std::map<EnforcementId, Instant> left_state;  // the one before, since when
    std::map<EnforcementId, Instant> pack_since;  // first pack, durable
    std::map<EnforcementId, Instant> pack_asked;  // … when it was decided, from which its time counts
    std::set<EnforcementId> probed_when_due;
    std::set<EnforcementId> quiet_when_due;
    std::set<EnforcementId> asked_when_due;  // by a schedule
    std::optional<Instant> outlasting_checked;
    std::map<RunId, Instant> free_since;      // in the calm: nothing but a hold has kept its rule from acting
    std::map<RunId, Instant> unheld_since;    // nor a hold
    std::set<RunId> outlasted;                // its age or its off hours, and that was said
    std::set<RunId> undelivered;              // warnings that nobody took: somebody was told
    std::set<EnforcementId> call_left;        // since it began to be stopped
    std::map<EnforcementId, Instant> notice;  // a warning was first taken by a receiver
    std::map<EnforcementId, std::int64_t>
        warned_anew;  // seq after which its warnings are of the cause in force
    std::set<EnforcementId> silenced_warnings;
    std::map<RunId, EnforcementId> live;
    std::map<ReceiptId, Durable<Receipt>> receipts;
    std::map<HoldId, Durable<Hold>> holds;
    std::map<RuleName, Durable<Breaker>> breakers;
    std::map<RuleName, RuleTrial> trials;
    std::map<SilenceId, Durable<Silence>> silences;
    std::map<std::string, DurableIntent> intents;
    std::map<AlertId, Alert> alerts;
    std::map<std::pair<std::string, std::string>, std::set<std::string>> fired;  // by budget and period
    std::map<std::string, int> firings;  // by "budget/period/threshold"
    std::optional<Instant> thresholds_checked;
    std::map<AccountName, std::vector<Instant>> polled;  // a poll that saw all became durable
    std::map<AccountName, bool> seen_whole;              // its newest poll, by what is durable
    std::map<std::string, int> unarmed;    // thresholds: checks in a row that found them fired for too long
    std::map<std::string, int> led_late;   // … polls in a row that found them reached with what a stop takes
    std::map<std::string, int> late;       // thresholds: checks in a row that found them due
    std::map<BudgetName, Instant> edited;  // at run time
    struct Exceeded {
        Budget budget;
        Period period;
        Instant at;      // when that was still the period
        int checks = 0;  // since it is over
    };
    std::map<std::pair<std::string, std::string>, Exceeded> exceeded;  // by budget and period
    std::set<std::pair<RunId, std::string>> asked_by;                  // who asked for a stop of it by hand
    struct Ask {
        Instant at;
        int polls = 0;  // whole ones of its account since
    };
    std::map<RunId, Ask> unheard;  // stops that were asked for and are not under way for that
    std::vector<AuditRow> audit;
    std::int64_t audit_rows = 0;
    std::map<std::tuple<RunId, MeterKind, std::int64_t, CostSource>, CostRow> ledger;
    std::map<std::pair<RunId, MeterKind>, Meter> meters;
    std::map<RunId, Instant> metered;              // since when
    std::map<RunId, WallTime> shown_on;            // the newest date of a lagging list that has it billing
    std::map<AccountName, std::set<RunId>> shown;  // by whole lists, since its newest poll became durable
    std::map<AccountName, Instant> watched;        // its first poll became durable
    std::set<AccountName> reporting;               // they tell when a run ended
    std::map<RunId, bool> asked_ends;              // … since the newest poll became durable; was it told?
    struct Confirming {
        Instant since;
        Instant last;      // poll
        Duration seen{0};  // while polls came
    };
    std::map<EnforcementId, Confirming> confirming;
    std::map<RunId, std::vector<std::pair<WallTime, WallTime>>> given_back;
    std::set<std::pair<RunId, std::int64_t>> counted_again;  // by where it begins: it was given back before
    std::set<std::pair<RunId, std::int64_t>> ends_a_row;     // it seemed to have ended, or had another price
    std::set<std::pair<ResourceId, RunId>> gaps;             // not closed
    std::map<RunId, std::pair<QuietRow, std::string>> quiet_rows;  // and the boot that wrote it
    std::map<std::string, DurableRow> outbox;
    std::map<std::int64_t, std::string> by_seq;
    std::int64_t seq = 0;
    std::map<ParcelKey, DurableParcel> parcels;
    std::map<ParcelKey, Instant> parcel_asked;                      // when it was handed to the disk
    std::map<std::string, std::map<std::string, int>> told_firing;  // of a budget's crossing, by channel
    std::set<std::string> refused_for_good;                         // channels that ever did
    bool refusals_told = false;

    bool crashed_since_calm = false;

    // ---- what has to be told
    bool config_refused = false;  // the newest that was read
    struct Try {
        Instant at;
        bool for_good = false;
        Duration wait{0};  // that the receiver asked for
    };
    /// What came and went under one key.
    struct Turns {
        bool on = false;
        bool flapping = false;
        int flapped = 0;  // so often it began to
        std::vector<Instant> at;
    };
    std::optional<Instant> awake_since;               // Curfew's newest start, or the host's waking
    std::vector<std::pair<Instant, Instant>> asleep;  // or not running
    std::map<AlertId, Instant> alert_at;              // its newest row
    std::map<AlertId, Instant> alert_asked;           // … was handed to the disk
    std::map<std::string, Instant> row_asked;         // … a row of the outbox was, for the first time
    std::map<std::string, Turns> turns;               // by key of an alert
    std::map<AlertId, Instant> told_at;               // when what tells of it was handed to the disk
    std::map<SilenceId, Instant> silence_ends;
    std::map<std::string, std::tuple<Instant, int, bool>> overdue;  // since when, by how many checks; accused
    std::map<AccountName, int> failing;                             // polls in a row
    std::map<ChannelName, Instant> given_up_here;                   // by this process, and not told of yet
    std::vector<std::pair<Instant, Duration>> steps;                // of the wall clock, not told of yet
    std::map<EnforcementId, EnforcementState> told_of;
    std::map<EnforcementId, Instant> notice_stored;  // a warning of the cause in force is durably delivered
    std::map<std::pair<std::string, std::string>, std::vector<Instant>> made;  // parcels of the last hour
    std::map<ChannelName, Instant> disabled;                                   // durable
    std::map<ParcelKey, Try> tries;  // of this process, that nobody took

    /// Curfew's wall clock was off by so much at most between these.
    Duration most_wall_off(Instant from, Instant to) const;
    /// … and moved by so much at most, if not by so little at a time that nobody can heed it.
    Duration most_wall_moved(Instant from, Instant to) const;
    /// So long of it the host was awake, and Curfew ran.
    Duration awake_for(Instant from, Instant to) const;
    void note_wall(const Moment& at);

    const Config* config() const { return configs.empty() ? nullptr : configs.back().second.get(); }
    /// Does any configuration that Curfew may have gone by say so?
    template <class Test>
    bool any_config(Instant now, Test&& test) const {
        for (std::size_t i = configs.size(); i-- > 0;) {
            if (test(*configs[i].second)) {
                return true;
            }
            if (now - configs[i].first > knowledge_lag) {
                break;
            }
        }
        return false;
    }
};

// ---- small second implementations ---------------------------------------------------------------------

bool own_glob(std::string_view pattern, std::string_view text);
bool own_match(const Match& match, const ResourceRow& resource, const std::string& machine_type);
const Rule* own_rule(const Config& config, const ResourceRow& resource, const std::string& machine_type);
Duration own_ladder_head(const Rule& rule);
/// rate × d, to the nano, half to even.
std::int64_t own_cost(std::int64_t nanos_per_hour, std::int64_t ms);
/// What a run costs in [from, to), in nano-units times milliseconds per hour, exactly.
Wide own_bill(const RunTruth& run, WallTime from, WallTime to);

/// The period that `t` lies in: of a day, a week, a month and a window that rolls by the judge's own calendar.
Period own_period(const PeriodSpec& spec, WallTime t, const Zone& zone);

/// Three quiet probes in a row, the first of them at least a ladder old.
bool own_probes_suffice(const RunTruth& truth, const Rule& rule, Instant now);
/// A look that is complete becomes quiet time, or the end of it.
void absorb(RunTruth& truth, const OwnLook& look, const Rule* rule, Duration gap, bool machine);
Verdict verdict_of(const OwnLook& look, const RunTruth& truth, bool machine);

/// What may be done in an account at all.
Mode own_mode(const Config& config, const AccountName& account);
inline Mode weaker(Mode a, Mode b) {
    return a < b ? a : b;
}

/// Does a schedule ask for the end of a run that began when it did?
bool own_schedule_asks(const Rule& rule, const RunTruth& truth, WallTime wall);
std::optional<Duration> own_overdue(const Rule& rule, const RunTruth& truth, WallTime wall);

std::string words(Duration d);

/// What draws the calendar of budgets: Curfew's own clock, unless it is wrong by more than a minute.
inline WallTime calendar(const Moment& at) {
    return std::chrono::abs(at.wall - at.utc) <= minutes{1} ? at.wall : at.utc;
}

}  // namespace curfew::simulation
