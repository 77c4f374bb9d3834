// Drives the state machine of every enforcement: each event becomes one transition, each transition
// one transaction (state, audit, intent, messages), and only then its effects happen. Events of one
// run are handled one after another (I4, I5).
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/bookkeeper.hpp"
#include "curfew/app/looker.hpp"
#include "curfew/app/packer.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/world.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace curfew {

class Enforcer {
public:
    Enforcer(World& world, Looker& looker, Packer& packer, Notifier& notifier, Alarms& alarms,
             TaskGroup& tasks, EnforcementPolicy policy);

    /// Live enforcements of the store go on from their last persisted state by reading the world.
    /// Stops of before their rule's breaker was reset by hand do not count again.
    void load(std::vector<Enforcement> stored, std::vector<IntentRow> open_intents,
              const std::vector<Breaker>& breakers, bool same_boot);

    /// What a poll cycle makes of a resource. Starts an enforcement when one is due to begin.
    void assessed(LiveResource& live, const AssessResult& result);
    /// A warning reached somebody.
    void on_delivery(const DeliveryReport& report);

    /// A person asks for a stop. One that is under way for somebody else goes on in that one's name, whatever its
    /// own cause says by then; one that was sent goes on as it is. Errors: unavailable, while the daemon shuts down.
    Result<EnforcementId> stop_by_hand(LiveResource& live, bool pack, const std::string& actor);
    /// Ends a live enforcement of this resource that has not sent its stop. True if there was one.
    bool cancel(const ResourceId& resource, const std::string& reason);
    /// Packs without stopping.
    Result<ReceiptId> pack_only(const LiveResource& live, const std::string& actor);

    /// Called with the account of a run that was confirmed off: its list is old news.
    void on_stopped(std::function<void(const AccountName&)> callback) { stopped_ = std::move(callback); }
    bool breaker_open(const std::string& rule) const {
        return world_.picture.breakers.contains(RuleName{rule});
    }
    /// By hand, once that is durable: the rule acts again, and its count begins at 0.
    void close_breaker(const RuleName& rule);
    /// After a reload: enforcements that only warned start over under the new rules.
    void rules_changed();
    /// One rule decides otherwise from now on: what only warned under it starts over.
    void rule_changed(const RuleName& rule, const std::string& reason);
    /// Stops and confirmations under way reach a persisted state; nothing new begins.
    void stop_accepting() { accepting_ = false; }
    /// No alarm begins anything any more: what is under way ends, and the rest waits for the next start.
    void rest();
    bool call_under_way() const;
    std::size_t live() const { return active_.size(); }

private:
    struct Active {
        Enforcement e;
        std::deque<EnforcementEvent> inbox;
        bool pumping = false;
        bool looking = false;              // look_fresh, fence or look_up is under way
        bool calling = false;              // the stop call is under way
        Cause looked_for;                  // for whom the look under way, or the newest, was taken
        std::optional<Instant> looked_at;  // signals were, by the last look before a stop: when that began
        bool told = false;                 // somebody was warned
        int unheard = 0;                   // the newest warning, where a silence that names it holds it back
        Scheduler::Alarm alarm;
        TaskGroup::Handle pack_task;
        std::map<std::string, std::string> open_intents;  // act → intent id
        std::optional<Receipt> receipt;                   // of PackDone, not yet durable
    };

    /// What `record` changes in memory, put back when its batch was not taken.
    struct Undo {
        std::map<std::string, std::string> open_intents;
        bool told = false;
        int unheard = 0;
        std::optional<Instant> counted;  // for the breaker of its rule
        bool opens_breaker = false;      // its batch does: nobody else's reset is undone otherwise
    };
    Undo remember(const Active& active) const;
    void not_durable(const RunId& run, Active& active, Undo undo, const Error& error);

    void post(const RunId& run, EnforcementEvent event);
    Task<void> pump(RunId run);
    Batch record(Active& active, const EnforcementEvent& event, const Transition& t);
    void record_messages(Active& active, const Transition& t, Batch& batch);
    void record_messages(Active& active, const LiveResource& live, const Transition& t, Batch& batch);
    void record_intents(Active& active, const Transition& t, Batch& batch);
    void record_outcomes(Active& active, const EnforcementEvent& event, Batch& batch);
    void act(Active& active, const std::vector<Effect>& effects);
    void arm(const RunId& run, Active& active);
    void show(const Active& active);
    void finish(const RunId& run);
    Active& of_run(const LiveResource& live);
    void assess_by_hand(Active& active);
    void count_stop(const Enforcement& e, Batch& batch);
    void record_for_rule(const Enforcement& e, const LiveResource& live, RuleEventKind kind, Batch& batch);

    void close_orphans(const std::vector<IntentRow>& open_intents);
    Task<void> make_durable(Batch batch);
    Task<void> fetch_receipt(RunId run, ReceiptId id);
    Task<void> do_look(RunId run, bool fence);
    Task<void> do_pack(RunId run);
    Task<void> do_stop(RunId run);
    Task<void> do_look_up(RunId run);
    Task<void> do_pack_only(ResourceId resource, ReceiptId receipt, std::string actor);
    Task<FreshLook> fresh_look(RunId run, bool fence);
    std::optional<std::string> overtaken(const Active& active, const LiveRun& run) const;

    LiveResource* resource_of(const Enforcement& e);
    PackOrder order_for(const LiveResource& live, ReceiptId receipt, EnforcementId enforcement,
                        std::optional<Receipt> previous) const;
    EnforcementPolicy policy_for(const Enforcement& e) const;
    bool waits_too_long(const Enforcement& e, const AssessResult& result) const;
    std::optional<Duration> pack_within(const Cause& cause, const RunId& run) const;
    AuditRow audit(const Enforcement& e, std::string kind, std::string text) const;

    static constexpr Duration pack_limit = hours{6};  // of one attempt

    World& world_;
    Looker& looker_;
    Packer& packer_;
    Notifier& notifier_;
    Alarms& alarms_;
    TaskGroup& tasks_;
    EnforcementPolicy policy_;
    std::map<RunId, Active> active_;
    std::map<std::string, std::map<RunId, Instant>> stops_by_rule_;  // of the last hour
    std::function<void(const AccountName&)> stopped_ = [](const AccountName&) {};
    bool accepting_ = true;
    bool resting_ = false;
};

}  // namespace curfew
