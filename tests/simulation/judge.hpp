// Who judges a simulated life of Curfew: a second, independent model of what must hold (I1 to I14). It hears
// from the simulated world what really happened, and from the store what became durable. It never asks the code
// under test for its opinion.
#pragma once

#include "curfew/core/config.hpp"
#include "curfew/ports/channel.hpp"
#include "curfew/ports/cloud.hpp"
#include "curfew/ports/store.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace curfew::simulation {

/// True time: `mono` never jumps and counts suspended hours as well, `utc` is the provider's. `wall` is what
/// Curfew's own wall clock shows, with its drift and its steps: only what people set by it (the end of a hold, an
/// off hour) may depend on it.
struct Moment {
    Instant mono;
    WallTime utc;
    WallTime wall = {};
};

/// One run as the provider bills it.
struct TrueRun {
    AccountName account;
    ResourceId resource;
    RunId run;
    std::string machine_type;
    Money per_hour;
};

/// The content of a guest or of a pack: path and what a change changes.
using TrueFiles = std::map<std::string, std::uint64_t>;

struct Doubt;

struct Violation {
    std::string invariant;  // "I1" … "I14", or "crash", "assert" where the product itself gave up
    Moment at;
    std::string text;
};

/// What happened in a life, for the report. Rare branches that were never reached prove nothing.
struct Tally {
    std::map<std::string, std::int64_t> marks;  // "stop.accepted", "fault.lost_reply", "crash", …
    void mark(const std::string& name, std::int64_t by = 1) { marks[name] += by; }
};

struct RunTruth;
struct OwnLook;
__extension__ typedef __int128 Wide;

class Judge {
public:
    struct Model;

    explicit Judge(Tally& tally);
    ~Judge();
    Judge(const Judge&) = delete;
    Judge& operator=(const Judge&) = delete;

    // ---- from the world: true facts, at the moment at which they become true --------------------------
    void run_began(const TrueRun& run, Moment at);
    /// Billing ended. `by`: "user", "provider", "stop" (a call of Curfew's).
    void run_ended(const RunId& run, const std::string& by, Moment at);
    /// The price of a running run is another from now on; the past stays.
    /// `announced`: it was in the table of prices before. Else Curfew learns of it from a list, or by a reload.
    void price_changed(const RunId& run, Money per_hour, bool announced, Moment at);
    /// The run goes on on another machine type, which the next list shows.
    void moved(const RunId& run, Money per_hour, Moment at);
    /// The run began after its type had become dearer by `more` at `changed`, which nobody announced.
    void began_at_unheard_price(const RunId& run, Money more, Moment changed);
    /// Real work in the run, that any honest look must see.
    void work_began(const RunId& run, Moment at);
    void work_ended(const RunId& run, Moment at);
    /// What a source really answered to Curfew, or that it could not be seen (unknown).
    void answered(const RunId& run, Signal source, Verdict verdict, Moment at);
    void files_changed(const RunId& run, const TrueFiles& files, Moment at);
    /// A list reached Curfew whole, unspoilt and fresh. `shown`: the runs in it, on or off.
    void listed(const AccountName& account, Moment at, const std::vector<RunId>& shown = {});
    /// A list that lags behind its date says that this run bills.
    void shown_on(const RunId& run, WallTime date);
    /// The provider tells when runs of it ended, whoever asks.
    void reports_ends(const AccountName& account);
    /// Curfew asked when a run ended. `told`: an answer, or a list that is as good as one, said it.
    void end_asked(const RunId& run, bool told);
    /// A call that ends a run leaves; nobody can take it back from here on, however long it is on its way.
    void stop_sent(StopMethod method, const RunId& meant, Moment at);
    /// It arrived. `meant`: the run that the call names; `reached`: the one that it would
    /// end now, if any; `ended`: it did.
    void stop_called(StopMethod method, const RunId& meant, const std::optional<RunId>& reached, bool ended,
                     Moment at);
    /// The provider answered whether this very run is on, after a stop or before one.
    void looked_up(const RunId& run, bool on, Moment at);
    /// A vault holds this now. `held`: what really lies there, fsynced.
    void published(const Receipt& receipt, const TrueFiles& held, Moment at);
    /// A receiver took a parcel; `heard`: Curfew got to know it (false: an uncertain acknowledgement).
    void took(const ChannelName& channel, const Parcel& parcel, bool heard, Moment at);
    /// A receiver said no. `for_good`: in words that mean never (a 4xx, 410).
    void refused(const ChannelName& channel, bool for_good, Moment at);
    /// A parcel is on its way; and what came back, where nobody took it.
    void tried(const ChannelName& channel, const Parcel& parcel, Moment at);
    void said_no(const ChannelName& channel, const Parcel& parcel, const Error& error, Moment at);
    void config_in_force(std::shared_ptr<const Config> config, Moment at);
    /// From its file, at a start or a reload: `whole` or with a fault, so that the old one stays in force.
    void config_read(bool whole);
    void clock_stepped(Duration by, Moment at);
    void suspended(Duration length, Moment at);
    void crashed(Moment at);
    void booted(Moment at);
    /// Faults are off from now on: everything must converge.
    void calm(Moment at);

    // ---- from the store ------------------------------------------------------------------------------
    /// Curfew hands a transaction over, which may take its time, or fail.
    void handed_over(const Batch& batch, Moment at);
    /// A commit is durable, whether or not Curfew hears of it.
    void committed(const Batch& batch, Moment at);
    /// What a new life of the daemon read; `boot`: of the host.
    void loaded(const StoredState& state, const std::string& boot, Moment at);

    // ---- at the end ----------------------------------------------------------------------------------
    struct End {
        std::vector<CostRow> ledger;
        std::vector<OutboxRow> waiting;
        std::vector<IntentRow> open_intents;
        Result<std::int64_t> audit = std::int64_t{0};  // rows verified
        std::size_t tasks_running = 0;                 // before the shutdown
        std::vector<OutboxRow> outbox = {};            // all rows, whatever became of them
        std::size_t pictured = 0;                      // resources that Curfew has in its picture
        std::size_t existing = 0;                      // … and that there are
        std::vector<AlertId> alerts = {};              // all that are kept
    };
    void ended(const End& end, Moment at);

    const std::vector<Violation>& violations() const { return violations_; }

private:
    void finish_look(RunTruth& truth);
    void judge_call(StopMethod method, const RunId& run, Moment at);
    void judge_pack(const Receipt& receipt, const TrueFiles& held, Moment at);
    void judge_ledger(const End& end, Moment at);
    void judge_fired(const FiredThresholdRow& row, Moment at);
    void judge_shown(const AccountName& account, Moment at);
    void judge_confirming(const AccountName& account, Moment at);
    void judge_sightings(const Enforcement& row, EnforcementState before, Moment at);
    void judge_breaker(const Breaker& row, const Batch& batch, Moment at);
    void judge_asks(const Batch& batch, Moment at);
    void judge_late(Moment at);
    void judge_figures(const Config& config, Moment at);
    void judge_lead(const Config& config, Moment at);
    void judge_told(const FiredThresholdRow& row, const Batch& batch, Moment at);
    void judge_armed(const FiredThresholdRow& row, const Batch& batch, Moment at);
    void judge_figure(const FiredThresholdRow& row, const Batch& batch, Moment at);
    void judge_overshoot(const Config& config, Moment at);
    void judge_closing(const AccountName& account, const Batch& batch, Moment at);
    std::vector<Period> counted_now(const Budget& budget, WallTime now) const;
    void judge_early(const FiredThresholdRow& row, const Batch& batch, Moment at);
    bool ends_late(const Batch& batch, const FiredThresholdRow& row, Moment at) const;
    void doubt(const Doubt& said);
    void judge_doubts();
    Wide known_spend(const Budget& budget, const Period& period, WallTime now) const;
    Wide known_burn(const Budget& budget, const Period& period) const;
    void judge_budgets(Moment at);
    void judge_budget(const Budget& budget, WallTime from, WallTime to, Moment at);
    Wide uncounted(const Period& period, const std::vector<const RunTruth*>& runs) const;
    void judge_period(const Budget& budget, const Period& period, const std::vector<const RunTruth*>& runs,
                      WallTime from, WallTime to, Moment at);
    Duration packed_in(const EnforcementId& id, Instant from, Instant until) const;
    Wide allowance(const Budget& budget, const Threshold& hard, const RunTruth& truth, WallTime crossed,
                   WallTime to) const;
    void judge_clocks(const StoredState& state, Moment at);
    void judge_outbox(const End& end, Moment at);
    void note_silence(const Silence& silence, Moment at);
    void note_awake(Moment at);
    void note_dark(RunTruth& truth, const OwnLook& look);
    bool silence_over(const SilenceId& id, Instant at, Duration slack) const;
    bool rings(AlertKind kind, const std::function<bool(const Alert&)>& test) const;
    void missed(std::set<std::string>& now, const std::string& what, Moment at);
    void judge_rows_told(const Batch& batch, Moment at);
    void count_turns(const Batch& batch, Moment at);
    void judge_flapping(const Alert& row, Moment at);
    void judge_shouted(const Batch& batch, Moment at);
    void judge_due(Moment at);
    void judge_off_hours(std::set<std::string>& now, Moment at);
    bool may_stop(const Config& config, const Message& message) const;
    void judge_words(const Batch& batch, Moment at);
    void judge_parcels(const Batch& batch, Moment at);
    void judge_failover(const End& end, Moment at);
    void judge_alerts_left(const End& end, Moment at);
    void judge_told_loaded(const StoredState& state, Moment at);
    void judge_calm(const End& end, Moment at);
    void judge_outlasting(Moment at);
    const Rule* must_act(const RunTruth& truth, Moment at) const;
    bool held(const RunTruth& truth, Moment at) const;
    std::string state_of(const RunId& run) const;
    void violated(std::string invariant, Moment at, std::string text);

    Tally& tally_;
    std::vector<Violation> violations_;
    std::unique_ptr<Model> model_;
};

}  // namespace curfew::simulation
