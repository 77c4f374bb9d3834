// One poll cycle per account: list the account → ask each running guest → one pure step → one
// transaction → only then act. A partial answer makes things unknown, never absent. Failures back
// off; an account whose key is refused is hardly asked any more, and its money counts on.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/bookkeeper.hpp"
#include "curfew/app/health.hpp"
#include "curfew/app/looker.hpp"
#include "curfew/app/reconciler.hpp"
#include "curfew/app/stamps.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/treasurer.hpp"
#include "curfew/app/world.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

class Enforcer;

/// The store lets a clock that adds go on to the account's last poll. The last look lies no further before it
/// than this: a quiet run is asked every second poll.
constexpr Duration clock_carry(Duration poll_interval) {
    return poll_interval * 3 / 2;
}

class Watcher {
public:
    Watcher(World& world, AccountName account, Bookkeeper& books, Treasurer& treasurer, Looker& looker,
            Enforcer& enforcer, Alarms& alarms, Health& health);

    /// Polls until `stop`. Never throws for what the world does.
    Task<void> run();
    void stop();
    /// `whole`: a person wants to know, so every running guest is asked, also where no decision needs it.
    void poll_now(bool whole);

    /// One cycle; the pause until the next. For `run` and for tests.
    Task<Duration> cycle();

private:
    struct Ending {  // a run that does not bill any more and whose end is to be asked for
        ResourceId resource;
        RunId run;
        std::optional<WallTime> at;
        std::optional<WallTime> replaced_at = {};  // the start of the run that took its place
        bool unseen = false;                       // it also began while nobody looked
    };

    Task<void> check_key();
    Task<Duration> failed(Error error);
    Duration clock_ahead(WallTime provider) const;
    bool is_old(const Listing& listing);
    /// Mono of ours, and the provider's wall clock where it is known: its stamps are by that.
    Now provider_now() const;
    WallTime by_theirs(WallTime ours) const;
    WallTime last_sight() const;
    WallTime known_off(const LiveRun& run) const;
    void apply(const Listing& listing, Batch& batch, std::vector<Ending>& endings);
    void apply_resource(const Resource& seen, bool first_sight, Batch& batch, std::vector<Ending>& endings);
    void apply_absent(LiveResource& live, Batch& batch, std::vector<Ending>& endings);
    Task<void> find_ends(std::vector<Ending>& endings);
    Task<void> find_past_runs();
    void bill_past_runs(std::vector<Ending>& endings, Batch& batch);
    void bill_past_runs(LiveResource& live, LiveGap& gap, std::vector<Ending>& endings, Batch& batch);
    static void close_gap(const LiveGap& gap, Batch& batch);
    void note_other_run(const LiveResource& before, const Resource& seen, bool is_new, Batch& batch);
    void bill(LiveResource& live, const Resource& seen, bool unseen, Batch& batch,
              std::vector<Ending>& endings);
    void close_ended(const std::vector<Ending>& endings, Batch& batch);
    Task<void> ask_guests(Batch& batch);
    void store_look(LiveRun& run, const QuietClock& before, Batch& batch) const;
    void judge_unseen(Batch& batch);
    void judge_money(Batch& batch);
    void judge_budgets(Batch& batch);
    Task<bool> commit(Batch batch);
    void act();
    void forget_gone();
    LiveAccount& picture_of_account();
    const AccountConfig& config();
    Message message(AlertKind kind, Severity severity, std::string title) const;
    std::string burning_text() const;

    World& world_;
    AccountName account_;
    Bookkeeper& books_;
    Treasurer& treasurer_;
    Looker& looker_;
    Enforcer& enforcer_;
    Alarms& alarms_;
    Health& health_;
    Stamps stamps_;
    Reconciler reconciler_;
    Wakeup wakeup_;
    Scheduler::Alarm alarm_;
    AccountConfig config_;           // as last seen in the configuration
    WallTime asked_at_;              // when the newest list was asked for
    WallTime shown_at_;              // what it shows may be as old: a cache on the way says when it was made
    std::optional<Dated> old_list_;  // the newest that was refused, since then
    int old_in_step_ = 0;            // old ones in a row whose dates go on like time
    Batch carried_;                  // of a cycle whose transaction failed: cost rows must not be lost
    bool key_checked_ = false;
    bool whole_ = false;
    bool stopping_ = false;
};

}  // namespace curfew
