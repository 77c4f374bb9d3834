#include "curfew/app/daemon.hpp"

#include "curfew/core/mutant.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace curfew {

namespace {

constexpr Duration stop_calls_grace = seconds{10};
constexpr Duration attempt_age_min = minutes{11};  // failing polls back off to 10 min

constexpr std::string_view config_alert = "config";
constexpr std::string_view budgets_alert = "config/budgets";

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

bool accepted(const StopOptions& options, std::string_view risk) {
    return std::ranges::find(options.accepted_risks, risk) != options.accepted_risks.end();
}

/// A wall stamp of a run by this boot's monotonic clock, carried over by the pair of clocks of the account's
/// last poll; nullopt on another boot.
std::optional<Instant> carried(const StoredState& stored, const RunRow& row, WallTime stamp, bool same_boot,
                               Instant now) {
    const auto poll = std::ranges::find(stored.polls, row.account, &AccountPollRow::account);
    if (!same_boot || poll == stored.polls.end() || poll->mono == instant_of_earlier_boot) {
        return std::nullopt;
    }
    return std::min(now, poll->mono + (stamp - poll->wall));
}

/// How long before its stop a run will be warned next; 0 once its time was up.
Duration next_warning(const StoredState& stored, const RunId& run, const std::vector<Duration>& ladder) {
    const auto e = std::ranges::find(stored.enforcements, run, &Enforcement::run);
    const bool warned = e != stored.enforcements.end() && e->state != EnforcementState::over;
    if (warned && e->state != EnforcementState::warned) {
        return Duration{0};
    }
    const auto step = static_cast<std::size_t>(warned ? ladder_step(e->warned_step) : 0);
    return step < ladder.size() ? ladder[step] : Duration{0};
}

}  // namespace

Daemon::Daemon(World& world, Parts parts, Supervisor& supervisor, TaskGroup& tasks,
               std::function<Result<Parts>()> assemble, std::function<bool(std::string_view)> whole_notebook,
               Budgets::Parse parse_budget)
    : world_(world), supervisor_(supervisor), tasks_(tasks), assemble_(std::move(assemble)),
      notifier_(world.loop, world.scheduler, world.entropy, world.store,
                delivery_of(*parts.config, parts.channels)),
      packer_(world.scheduler, std::move(parts.vaults), std::move(whole_notebook)),
      books_(world, std::move(parts.prices)), treasurer_(world.picture),
      budgets_(world, treasurer_, std::move(parse_budget)), alarms_(world, notifier_),
      health_(world, alarms_, tasks),
      looker_(world, treasurer_, [this](const std::string& rule) { return enforcer_.breaker_open(rule); }),
      enforcer_(world, looker_, packer_, notifier_, alarms_, tasks, EnforcementPolicy{}),
      holds_(world, treasurer_, looker_, enforcer_), rulebook_(world, alarms_, enforcer_),
      outlook_(world, alarms_), summary_(world, alarms_, outlook_, books_.prices()),
      watchdog_rest_(world.loop, world.scheduler) {
    world_.config = std::move(parts.config);
    world_.clouds = std::move(parts.clouds);
    health_.use(std::move(parts.channels), std::move(parts.heartbeat), std::move(parts.disks));
    enforcer_.on_stopped([this](const AccountName& account) {
        if (const auto watcher = watchers_.find(account); watcher != watchers_.end()) {
            watcher->second->poll_now(false);
        }
        tasks_.spawn("times of stops", treasurer_.measure(world_.store));
    });
    notifier_.on_report([this](const DeliveryReport& report) { enforcer_.on_delivery(report); });
    notifier_.on_given_up([this](const GivenUp& given_up) { health_.given_up(given_up); });
    notifier_.on_taken([this](const ChannelName& channel) { health_.taken(channel); });
}

// ---- start and stop ------------------------------------------------------------------------------

Task<Result<void>> Daemon::start() {
    const std::string boot = world_.scheduler.boot_id();
    auto stored = co_await world_.store.load(boot);
    if (!stored) {
        co_return std::unexpected(stored.error());
    }
    auto days = co_await world_.store.use_zone(world_.config->zone);
    if (!days) {
        co_return days;
    }
    const bool same_boot = stored->boot_id == boot;
    rulebook_.load(std::move(stored->trials), stored->breakers);
    holds_.load(stored->holds);
    auto known = co_await world_.store.resources();
    if (!known) {
        co_return std::unexpected(known.error());
    }
    books_.load(stored->meters, *known);
    budgets_.load(std::move(stored->budget_edits));
    world_.config = budgets_.over(world_.config);
    alarms_.load(std::move(stored->alerts), std::move(stored->silences));
    fill_picture(*stored, *known, same_boot);
    auto books = co_await treasurer_.load(world_.store, world_.config, world_.scheduler.now(), stored->fired);
    if (!books) {
        co_return std::unexpected(books.error());
    }
    notifier_.load(std::move(stored->channels));
    enforcer_.load(std::move(stored->enforcements), std::move(stored->open_intents), stored->breakers,
                   same_boot);
    tell_budget_faults();
    resolve(std::string{config_alert});  // what this start is with is whole
    spdlog::info("event=started accounts={} resources={} enforcements={}", world_.clouds.size(),
                 world_.picture.resources.size(), enforcer_.live());
    co_return Result<void>{};
}

void Daemon::fill_picture(const StoredState& stored, const std::vector<ResourceRow>& known, bool same_boot) {
    const Now now = world_.scheduler.now();
    for (const AccountPollRow& poll : stored.polls) {
        LiveAccount& account = world_.picture.accounts[poll.account];
        account.name = poll.account;
        account.error = poll.error;
        account.last_success = poll.wall;
        if (same_boot && poll.mono != instant_of_earlier_boot) {
            account.sighted = std::min(now.mono, poll.mono);
        }
    }
    for (const ResourceRow& row : known) {
        const auto account = world_.picture.accounts.find(row.account);
        if (row.gone && account != world_.picture.accounts.end() &&
            now.wall - row.last_seen < Bookkeeper::counted_kept) {
            account->second.gone.emplace(row.id, row.last_seen);
        }
    }
    for (const GapRow& row : stored.gaps) {
        if (!mutant(Mutant::gaps_forgotten)) {
            world_.picture.accounts[row.account].gaps.push_back({.row = row, .stored = true});
        }
    }
    for (const ReportedRow& row : stored.reported) {
        std::optional<ReportedRow>& newest = world_.picture.accounts[row.account].reported;
        newest = newest && newest->generated_at >= row.generated_at ? newest : std::optional{row};
    }
    for (const ResourceRow& row : stored.resources) {
        LiveResource& live = world_.picture.resources[row.id];
        live.resource.id = row.id;
        live.resource.account = row.account;
        const AccountConfig* account = world_.account(row.account);
        live.resource.provider = account != nullptr ? account->provider : std::string{};
        live.resource.kind = row.kind;
        live.resource.name = row.name;
        live.resource.project = row.project;
        live.resource.owner = row.owner;
        live.seen_at = row.last_seen;
    }
    for (const RunRow& row : stored.runs) {
        const auto found = world_.picture.resources.find(row.resource);
        if (found == world_.picture.resources.end()) {
            continue;
        }
        LiveResource& live = found->second;
        LiveRun run;
        // On another boot the start grace begins anew; the age cannot, and is taken from the stamps again.
        run.first_seen = carried(stored, row, row.first_seen, same_boot, now.mono).value_or(now.mono);
        const WallTime begun = row.started_at.value_or(row.first_seen);
        run.began = carried(stored, row, begun, same_boot, now.mono)
                        .value_or(now.mono - std::max(Duration{0}, now.wall - begun));
        run.run = Run{.id = row.id,
                      .state = row.state,
                      .state_text = row.state_text,
                      .machine_type = row.machine_type,
                      .started_at = row.started_at,
                      .ended_at = row.ended_at,
                      .address = {},
                      .token = {}};
        const auto meter = std::ranges::find(stored.meters, row.id, &Meter::run);
        if (meter != stored.meters.end() && meter->open) {
            run.meter = *meter;
            run.meter->counted_to = meter->counted_to -
                                    (mutant(Mutant::counted_again) ? minutes{7} : minutes{0});
        }
        const bool newer = live.current.run.id.empty() || live.current.run.started_at.value_or(WallTime{}) <
                                                              row.started_at.value_or(WallTime{});
        if (newer) {
            std::swap(live.current, run);
        }
        if (run.meter) {
            live.older.push_back(std::move(run));
        }
        live.resource.run = live.current.run;
        live.price = books_.price_of(live.resource, live.current.run, now.wall);
    }
    for (auto& [id, live] : world_.picture.resources) {
        const auto clock = std::ranges::find(stored.quiet_clocks, live.current.run.id, &QuietRow::run);
        const AccountConfig* account = world_.account(live.resource.account);
        const Rule* rule = rule_for(world_.config->rules, live.resource);
        live.current.clock_adds = clock != stored.quiet_clocks.end() && clock->clock.last_quiet_at;
        if (clock != stored.quiet_clocks.end() && account != nullptr && rule != nullptr) {
            const auto ladder = scaled_ladder(rule->ladder, rule->idle_limit);
            // Where it stood at the last look that surely was: the next one adds what lies between, if it may.
            QuietClock stood = clock->clock;
            if (stood.last_quiet_at) {
                const Duration unsure = std::min(stood.quiet, clock_carry(account->poll_interval));
                stood.quiet -= unsure;
                stood.last_quiet_at = *stood.last_quiet_at - unsure;
            }
            live.current.clock = resume(stood, now.mono, same_boot, max_gap(account->poll_interval),
                                        rule->idle_limit, ladder.empty() ? Duration{0} : ladder.front());
            // Quiet for longer than it may be before its next warning: the limit is shorter than it was, which stops
            // nothing sooner than one full ladder from now.
            const Duration next = next_warning(stored, live.current.run.id, ladder);
            QuietClock& quiet = live.current.clock;
            if (next > Duration{0} && quiet.quiet > rule->idle_limit - next) {
                quiet = whole_ladder_ahead(quiet, rule->idle_limit, ladder.front());
            }
            quiet.quiet = std::min(quiet.quiet, rule->idle_limit);
        }
        std::ranges::copy_if(stored.holds, std::back_inserter(live.holds),
                             [&](const Hold& hold) { return hold.resource == id; });
        looker_.assess_now(live);
    }
}

void Daemon::raise(std::string key, AlertKind kind, std::string title) {
    Message m;
    m.kind = kind;
    m.severity = Severity::critical;
    m.title = std::move(title);
    m.do_next = "curfew doctor";
    health_.found(std::move(key), std::move(m));
}

void Daemon::resolve(std::string key) {
    health_.mended(std::move(key));
}

/// What was set at run time may not fit a configuration that was changed since: it is not in force, and that is
/// said.
void Daemon::tell_budget_faults() {
    const std::vector<std::string>& faults = budgets_.faults();
    if (faults.empty()) {
        return health_.mended(std::string{budgets_alert});
    }
    Message m;
    m.kind = AlertKind::config;
    m.severity = Severity::critical;
    m.title = "A budget that was set is not in force: " + first_line(faults.front()) +
              (faults.size() > 1 ? " (and " + std::to_string(faults.size() - 1) + " more)" : "");
    m.body = faults;
    m.do_next = "curfew budget ls";
    health_.found(std::string{budgets_alert}, std::move(m));
}

void Daemon::start_watchers() {
    for (const auto& [name, cloud] : world_.clouds) {
        if (!watchers_.contains(name)) {
            auto& watcher = watchers_[name];
            watcher = std::make_unique<Watcher>(world_, name, books_, treasurer_, looker_, enforcer_, alarms_,
                                                health_);
            tasks_.spawn("watcher " + name.value, watcher->run());
        }
    }
}

void Daemon::run() {
    tasks_.spawn("notifier", notifier_.run());
    tasks_.spawn("alarms", alarms_.run());
    tasks_.spawn("rulebook", rulebook_.run());
    tasks_.spawn("outlook", outlook_.run());
    tasks_.spawn("health", health_.run());
    tasks_.spawn("heartbeat", health_.pulse().run());
    tasks_.spawn("summary", summary_.run());
    start_watchers();
    tell_supervisor();
    if (supervisor_.watchdog_interval()) {
        tasks_.spawn("watchdog", feed_watchdog());
    }
}

void Daemon::tell_supervisor() {
    const std::size_t count = world_.config->accounts.size();
    supervisor_.status("watching " + std::to_string(count) + (count == 1 ? " account" : " accounts"));
}

Task<void> Daemon::feed_watchdog() {
    const Duration pause = std::max<Duration>(seconds{1}, *supervisor_.watchdog_interval() / 4);
    do {
        const Instant now = world_.scheduler.mono();
        bool polled = true;
        for (const AccountConfig& account : world_.config->accounts) {
            const auto live = world_.picture.accounts.find(account.name);
            const bool known = live != world_.picture.accounts.end() && live->second.last_attempt_mono;
            const Duration allowed = std::max<Duration>(attempt_age_min,
                                                        (account.poll_interval + account.list_timeout) * 3);
            polled = polled && (!known || now - *live->second.last_attempt_mono < allowed);
        }
        auto answer = co_await world_.store.outbox_oldest();  // of the database thread
        if (polled && answer) {
            supervisor_.alive();
        }
    } while (co_await watchdog_rest_.lasts(pause));
}

Task<void> Daemon::shut_down() {
    supervisor_.stopping();
    enforcer_.stop_accepting();
    for (const auto& [name, watcher] : watchers_) {
        watcher->stop();
    }
    const Instant until = world_.scheduler.mono() + stop_calls_grace;
    while (enforcer_.call_under_way() && world_.scheduler.mono() < until) {
        co_await world_.scheduler.sleep_for(Duration{100});
    }
    notifier_.stop();
    alarms_.stop();
    rulebook_.stop();
    outlook_.stop();
    health_.stop();
    summary_.stop();
    watchdog_rest_.stop();
    enforcer_.rest();
    tasks_.cancel_all();  // packs are cancelled; they begin anew after the next start
    co_await tasks_.join();
    co_await store_open_history();
    co_await rulebook_.flush();
    auto closed = co_await world_.store.close();
    if (!closed) {
        spdlog::error("event=close_failed error=\"{}\"", to_string(closed.error()));
    }
    spdlog::info("event=stopped");
}

/// What was seen since a row was last written would else be known to within 10 min only.
Task<void> Daemon::store_open_history() {
    Batch batch;
    for (auto& [id, live] : world_.picture.resources) {
        std::ranges::move(live.current.history.finish(), std::back_inserter(batch));
    }
    if (batch.empty()) {
        co_return;
    }
    auto stored = co_await world_.store.commit(std::move(batch));
    if (!stored) {
        spdlog::error("event=history_not_stored error=\"{}\"", to_string(stored.error()));
    }
}

// ---- changes that people ask for -----------------------------------------------------------------

LiveResource* Daemon::running(const ResourceId& id) {
    const auto found = world_.picture.resources.find(id);
    const bool on = found != world_.picture.resources.end() && bills(found->second.current.run.state);
    return on ? &found->second : nullptr;
}

Task<Result<KeepAnswer>> Daemon::keep(ResourceId resource, Duration how_long, std::string reason,
                                      std::string actor) {
    return holds_.keep(std::move(resource), how_long, std::move(reason), std::move(actor));
}

Task<Result<KeepAnswer>> Daemon::lease(ResourceId resource, Duration how_long, std::string job,
                                       std::string reason, std::string actor) {
    return holds_.lease(std::move(resource), how_long, std::move(job), std::move(reason), std::move(actor));
}

Task<Result<Hold>> Daemon::exempt(ResourceId resource, HoldEnd end, std::string reason, std::string actor) {
    return holds_.exempt(std::move(resource), end, std::move(reason), std::move(actor));
}

Task<Result<Released>> Daemon::release(ResourceId resource, ReleaseOptions options, std::string actor) {
    return holds_.release(std::move(resource), std::move(options), std::move(actor));
}

Task<Result<bool>> Daemon::reset_rule(RuleName rule, std::string actor) {
    return rulebook_.reset(std::move(rule), std::move(actor));
}

std::vector<std::string> Daemon::steps_of_stop(const LiveResource& live, bool pack) const {
    std::vector<std::string> steps{"look at every signal of run " + live.current.run.id.value + " once more"};
    if (pack) {
        for (const VaultConfig& vault : world_.config->vaults) {
            steps.push_back("copy its files to vault " + vault.name.value + " (" + vault.path +
                            ") and read every copy back");
        }
    } else {
        steps.emplace_back("copy nothing: what is not saved elsewhere is lost");
    }
    steps.emplace_back("compare the files with the copy, then call the provider's stop for this very run");
    steps.emplace_back("confirm twice that it does not bill any more; look again after 10 and 60 min");
    return steps;
}

Task<Result<StopAnswer>> Daemon::stop(ResourceId resource, StopOptions options, std::string actor) {
    LiveResource* live = running(resource);
    if (live == nullptr) {
        co_return fail(Errc::not_found, "it is not running", resource.value);
    }
    if (live->protected_) {
        co_return fail(Errc::conflict,
                       live->resource.name + " is protected by the configuration (daemon.protect)");
    }
    const Verdict verdict = live->current.judgement.verdict;
    if (!options.pack && !accepted(options, "unpacked-outputs")) {
        co_return fail(Errc::conflict, "needs accepted risk: unpacked-outputs");
    }
    if (options.pack && world_.config->vaults.empty()) {
        co_return fail(Errc::conflict,
                       "no vault is configured, so nothing can be packed; needs accepted risk: "
                       "unpacked-outputs (with --no-pack)");
    }
    if (verdict != Verdict::quiet && !accepted(options, "kills-busy-kernel") && !options.dry_run) {
        co_return fail(Errc::conflict, "needs accepted risk: kills-busy-kernel (it is " +
                                           std::string{to_string(verdict)} + ": " +
                                           live->current.judgement.step + ")");
    }
    StopAnswer answer{
        .enforcement = {},
        .steps = steps_of_stop(*live, options.pack),
        .per_hour = live->price != nullptr ? std::optional{live->price->rate.per_hour} : std::nullopt};
    if (options.dry_run) {
        co_return answer;
    }
    const RunId asked_for = live->current.run.id;
    Batch batch{audit_row(world_, *live, "stop.asked", actor,
                          options.pack ? "pack, then stop" : "stop without a pack")};
    auto done = co_await world_.store.commit(std::move(batch));
    if (!done) {
        co_return std::unexpected(done.error());
    }
    live = running(resource);
    if (live == nullptr || live->current.run.id != asked_for) {
        co_return fail(Errc::not_found, "it went off meanwhile", resource.value);
    }
    auto begun = enforcer_.stop_by_hand(*live, options.pack, actor);
    if (!begun) {
        co_return std::unexpected(begun.error());
    }
    answer.enforcement = *begun;
    co_return answer;
}

Task<Result<ReceiptId>> Daemon::pack(ResourceId resource, std::string actor) {
    const LiveResource* live = running(resource);
    if (live == nullptr) {
        co_return fail(Errc::not_found, "it is not running", resource.value);
    }
    if (world_.config->vaults.empty()) {
        co_return fail(Errc::conflict, "no vault is configured: add a [[vault]]");
    }
    co_return enforcer_.pack_only(*live, actor);
}

AuditRow Daemon::audit(std::string kind, std::string actor, std::string text) const {
    return {.seq = 0,
            .at = world_.scheduler.wall(),
            .kind = std::move(kind),
            .account = {},
            .resource = {},
            .run = {},
            .actor = std::move(actor),
            .text = std::move(text)};
}

Task<Result<void>> Daemon::check_copies(Receipt receipt) {
    return packer_.check_copies(std::move(receipt));
}

Task<Result<void>> Daemon::acknowledge(AlertId alert, std::string note, std::string actor) {
    Batch batch;
    Result<void> done;
    Alarms::Memory before = alarms_.remember([&] { done = alarms_.acknowledge(alert, actor, note, batch); });
    if (!done) {
        co_return done;
    }
    batch.emplace_back(
        audit("alert.acknowledged", std::move(actor), alert.value + (note.empty() ? "" : ": " + note)));
    auto durable = co_await alarms_.commit(std::move(batch), std::move(before));
    if (durable) {
        alarms_.committed();
    }
    co_return durable;
}

Task<Result<Silence>> Daemon::silence(Silence wanted, HoldEnd end, std::string actor) {
    if (wanted.reason.empty()) {
        co_return fail(Errc::invalid, "a silence needs a reason");
    }
    wanted.by = actor;
    wanted.until = end.until ? *end.until : world_.scheduler.wall() + end.after;
    Batch batch;
    auto made = alarms_.silence(std::move(wanted), batch);
    if (!made) {
        co_return made;
    }
    batch.emplace_back(audit("silence.placed", std::move(actor), made->id.value + ", " + in_words(*made)));
    auto durable = co_await world_.store.commit(std::move(batch));
    if (!durable) {
        alarms_.take_back(made->id);
        co_return std::unexpected(durable.error());
    }
    alarms_.committed();
    poll_now();  // what it decides shows at once
    co_return made;
}

Task<Result<void>> Daemon::unsilence(SilenceId silence, std::string actor) {
    Batch batch;
    auto done = alarms_.unsilence(silence, actor, batch);
    if (!done) {
        co_return done;
    }
    batch.emplace_back(audit("silence.ended", std::move(actor), silence.value));
    auto durable = co_await world_.store.commit(std::move(batch));
    if (!durable) {
        alarms_.take_back(silence);
        co_return durable;
    }
    alarms_.committed();
    poll_now();
    co_return durable;
}

Task<Result<Delivered>> Daemon::test_channel(Destination to, std::string actor) {
    const std::string name = to.channel.value + (to.to.empty() ? "" : " (" + to.to + ")");
    auto sent = co_await notifier_.test(std::move(to));
    if (!sent && sent.error().code == Errc::not_found) {
        co_return sent;
    }
    const std::string outcome = sent ? "taken: " + sent->answer : "refused: " + to_string(sent.error());
    Batch batch{audit("channel.tested", std::move(actor), name + ", " + outcome)};
    auto durable = co_await world_.store.commit(std::move(batch));
    if (!durable && sent) {
        co_return std::unexpected(durable.error());
    }
    co_return sent;
}

Task<Result<int>> Daemon::retry_outbox(std::string id, std::string actor) {
    const std::string what = id.empty() ? "all dead letters" : id;
    auto count = co_await notifier_.retry(std::move(id));
    if (!count) {
        co_return count;
    }
    Batch batch{
        audit("outbox.retried", std::move(actor), what + ": " + std::to_string(*count) + " wait again")};
    auto durable = co_await world_.store.commit(std::move(batch));
    co_return durable ? count : std::unexpected(durable.error());
}

Task<Result<void>> Daemon::reload(std::string actor) {
    supervisor_.reloading();
    auto parts = assemble_();
    if (!parts) {
        supervisor_.status("the configuration has faults; the old one is in force");
        supervisor_.ready();
        spdlog::error("event=reload_refused actor=\"{}\" error=\"{}\"", actor, to_string(parts.error()));
        raise(std::string{config_alert}, AlertKind::config,
              "The configuration was not reloaded, the old one stays in force: " +
                  first_line(to_string(parts.error())));
        co_return std::unexpected(parts.error());
    }
    // A limit that became shorter never stops anything sooner than one full ladder from now.
    const std::shared_ptr<const Config> before = world_.config;
    for (auto& [id, live] : world_.picture.resources) {
        const Rule* old_rule = rule_for(before->rules, live.resource);
        const Rule* new_rule = rule_for(parts->config->rules, live.resource);
        if (new_rule != nullptr && (old_rule == nullptr || new_rule->idle_limit < old_rule->idle_limit)) {
            const auto ladder = scaled_ladder(new_rule->ladder, new_rule->idle_limit);
            const Duration head = ladder.empty() ? Duration{0} : ladder.front();
            QuietClock& quiet = live.current.clock;
            if (quiet.quiet > new_rule->idle_limit - head) {
                quiet = whole_ladder_ahead(quiet, new_rule->idle_limit, head);
            }
            live.current.clock_adds = false;  // the store does not know yet: the next look tells it
        }
    }
    world_.config = budgets_.over(std::move(parts->config));
    world_.clouds = std::move(parts->clouds);
    notifier_.replace(delivery_of(*world_.config, parts->channels));
    health_.use(std::move(parts->channels), std::move(parts->heartbeat), std::move(parts->disks));
    packer_.replace_vaults(std::move(parts->vaults));
    books_.replace_prices(std::move(parts->prices));
    for (auto& [id, live] : world_.picture.resources) {
        live.price = books_.price_of(live.resource, live.current.run, world_.scheduler.wall());
        live.current.next_look = {};  // other rules look at other times, and by other means
        live.current.probes.possible = true;
    }
    for (auto entry = watchers_.begin(); entry != watchers_.end();) {
        if (world_.account(entry->first) != nullptr) {
            ++entry;
            continue;
        }
        entry->second->stop();
        retired_.push_back(std::move(entry->second));
        entry = watchers_.erase(entry);
    }
    enforcer_.rules_changed();
    alarms_.rules_changed();
    rulebook_.wake();
    outlook_.wake();
    summary_.wake();
    auto days = co_await world_.store.use_zone(world_.config->zone);
    auto summed = co_await treasurer_.reload(world_.store, world_.config, world_.scheduler.now());
    tell_budget_faults();
    resolve(std::string{config_alert});
    start_watchers();
    poll_now();
    auto done = co_await world_.store.commit(
        Batch{audit("config.reloaded", std::move(actor), "configuration reloaded")});
    tell_supervisor();
    supervisor_.ready();
    spdlog::info("event=reloaded");
    co_return !days ? days : !summed ? summed : done;
}

Task<Result<Budget>> Daemon::set_budget(std::string document, std::string actor) {
    auto budget = co_await budgets_.set(std::move(document), std::move(actor));
    tell_budget_faults();
    poll_now();  // what it decides shows at once
    co_return budget;
}

Task<Result<void>> Daemon::remove_budget(BudgetName budget, std::string actor) {
    auto done = co_await budgets_.remove(std::move(budget), std::move(actor));
    tell_budget_faults();
    poll_now();
    co_return done;
}

void Daemon::poll_now() {
    for (const auto& [name, watcher] : watchers_) {
        watcher->poll_now(true);
    }
}

}  // namespace curfew
