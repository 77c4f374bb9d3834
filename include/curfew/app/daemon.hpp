// The whole: starts from what is stored, runs the watchers, answers changes, shuts down in order.
#pragma once

#include "curfew/app/alarms.hpp"
#include "curfew/app/bookkeeper.hpp"
#include "curfew/app/budgets.hpp"
#include "curfew/app/control.hpp"
#include "curfew/app/enforcer.hpp"
#include "curfew/app/health.hpp"
#include "curfew/app/holds.hpp"
#include "curfew/app/looker.hpp"
#include "curfew/app/notifier.hpp"
#include "curfew/app/outlook.hpp"
#include "curfew/app/packer.hpp"
#include "curfew/app/rulebook.hpp"
#include "curfew/app/summary.hpp"
#include "curfew/app/task_group.hpp"
#include "curfew/app/watcher.hpp"
#include "curfew/app/world.hpp"
#include "curfew/ports/supervisor.hpp"

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace curfew {

/// Everything that comes out of a configuration. Made by main, at start and at every reload.
struct Parts {
    std::shared_ptr<const Config> config;
    std::map<AccountName, std::shared_ptr<Cloud>> clouds;
    std::vector<std::shared_ptr<Channel>> channels;
    std::vector<std::shared_ptr<Vault>> vaults;
    PriceBook prices;
    std::shared_ptr<Heartbeat> heartbeat = {};  // null = none
    std::shared_ptr<DiskGauge> disks = {};      // null = nobody looks how full they are
};

class Daemon final : public Control {
public:
    /// `assemble` reads the configuration anew; its error text lists every fault.
    Daemon(World& world, Parts parts, Supervisor& supervisor, TaskGroup& tasks,
           std::function<Result<Parts>()> assemble, std::function<bool(std::string_view)> whole_notebook,
           Budgets::Parse parse_budget);

    /// Loads and recovers; nothing acts before it succeeded.
    Task<Result<void>> start();
    /// A condition that was found while starting: critical, once.
    void raise(std::string key, AlertKind kind, std::string title);
    /// One of an earlier start is over.
    void resolve(std::string key);
    /// Those in force, also after a reload.
    const PriceBook& prices() const { return books_.prices(); }
    Outlook& outlook() { return outlook_; }
    Holds& holds() { return holds_; }
    Alarms& alarms() { return alarms_; }
    /// Begins to watch.
    void run();
    /// Ends everything in order: no new acts, calls under way reach a persisted state, outbox, store.
    Task<void> shut_down();

    Task<Result<KeepAnswer>> keep(ResourceId resource, Duration how_long, std::string reason,
                                  std::string actor) override;
    Task<Result<KeepAnswer>> lease(ResourceId resource, Duration how_long, std::string job,
                                   std::string reason, std::string actor) override;
    Task<Result<Hold>> exempt(ResourceId resource, HoldEnd end, std::string reason,
                              std::string actor) override;
    Task<Result<Released>> release(ResourceId resource, ReleaseOptions options, std::string actor) override;
    Task<Result<bool>> reset_rule(RuleName rule, std::string actor) override;
    Task<Result<StopAnswer>> stop(ResourceId resource, StopOptions options, std::string actor) override;
    Task<Result<ReceiptId>> pack(ResourceId resource, std::string actor) override;
    Task<Result<void>> check_copies(Receipt receipt) override;
    Task<Result<void>> acknowledge(AlertId alert, std::string note, std::string actor) override;
    Task<Result<Silence>> silence(Silence wanted, HoldEnd end, std::string actor) override;
    Task<Result<void>> unsilence(SilenceId silence, std::string actor) override;
    Task<Result<Delivered>> test_channel(Destination to, std::string actor) override;
    Task<Result<int>> retry_outbox(std::string id, std::string actor) override;
    Task<Result<void>> reload(std::string actor) override;
    Task<Result<Budget>> set_budget(std::string document, std::string actor) override;
    Task<Result<void>> remove_budget(BudgetName budget, std::string actor) override;
    void poll_now() override;

private:
    void fill_picture(const StoredState& stored, const std::vector<ResourceRow>& known, bool same_boot);
    void start_watchers();
    void tell_supervisor();
    void tell_budget_faults();
    Task<void> feed_watchdog();
    Task<void> store_open_history();
    LiveResource* running(const ResourceId& id);
    AuditRow audit(std::string kind, std::string actor, std::string text) const;
    std::vector<std::string> steps_of_stop(const LiveResource& live, bool pack) const;

    World& world_;
    Supervisor& supervisor_;
    TaskGroup& tasks_;
    std::function<Result<Parts>()> assemble_;
    Notifier notifier_;
    Packer packer_;
    Bookkeeper books_;
    Treasurer treasurer_;
    Budgets budgets_;
    Alarms alarms_;
    Health health_;
    Looker looker_;
    Enforcer enforcer_;
    Holds holds_;
    Rulebook rulebook_;
    Outlook outlook_;
    Summary summary_;
    std::map<AccountName, std::unique_ptr<Watcher>> watchers_;
    std::vector<std::unique_ptr<Watcher>> retired_;  // of removed accounts, ending their last cycle
    Rest watchdog_rest_;
};

}  // namespace curfew
