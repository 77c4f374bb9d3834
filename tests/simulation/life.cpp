#include "simulation/life.hpp"

#include "simulation/host.hpp"
#include "simulation/people.hpp"
#include "simulation/spent.hpp"
#include "simulation/story.hpp"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace curfew::simulation {

namespace {

/// One world with one host in it.
class Simulation {
public:
    explicit Simulation(const LifeOptions& options);
    LifeReport run();

private:
    using Happening = void (Simulation::*)();
    void now_and_then(Duration every, Happening what);
    void crash();
    void reboot();
    void suspend();
    void set_clock();
    void disk_trouble();
    void outage();
    void refuse_key();
    void receiver_trouble();
    void reload();
    void vanish();
    void pass_until(Instant end);
    void begin_calm();
    void settle_accounts();
    Judge::End read_end();

    LifeOptions options_;
    Stage stage_;
    Story story_;
    Dice chance_;
    Fleet fleet_;
    std::map<AccountName, SimAccount> accounts_;
    SimGuests guests_;
    std::map<VaultName, VaultRoom> vaults_;
    std::map<ChannelName, Receiver> receivers_;
    std::unique_ptr<People> people_;
    std::unique_ptr<Host> host_;
    std::int64_t events_ = 0;
    bool calm_ = false;
};

Simulation::Simulation(const LifeOptions& options)
    : options_(options), stage_(options.seed, options.print),
      story_(draw_story(stage_.dice, options.faults, options.crashes, options.large)),
      chance_(stage_.dice.split("chance")), fleet_(stage_),
      guests_{.fleet = fleet_, .dice = stage_.dice.split("guests"), .poll_of = {}} {
    stage_.rates = story_.rates_of_faults;
    stage_.faults_on = options.faults;
    fleet_.rates = story_.rates;
    for (const AccountConfig& account : story_.config.accounts) {
        const Story::AccountTraits& traits = story_.accounts.at(account.name);
        accounts_.emplace(account.name, SimAccount{.name = account.name,
                                                   .dice = stage_.dice.split("account " + account.name.value),
                                                   .poll = account.poll_interval,
                                                   .reports_ends = traits.reports_ends,
                                                   .reports_money = traits.reports_money,
                                                   .metrics = account.metrics,
                                                   .down_until = {},
                                                   .key_refused_until = {},
                                                   .earlier = {}});
    }
    guests_.poll_of = [this](const AccountName& name) { return accounts_.at(name).poll; };
    for (const char* vault : {"home", "away"}) {
        vaults_.emplace(VaultName{vault}, VaultRoom{.name = VaultName{vault},
                                                    .required = true,
                                                    .dice = stage_.dice.split(std::string{"vault "} + vault),
                                                    .snapshots = {},
                                                    .versions = {}});
    }
    for (const ChannelConfig& channel : story_.config.channels) {
        receivers_.emplace(channel.name, Receiver{.name = channel.name,
                                                  .groups = channel.kind != "pagerduty",
                                                  .dice = stage_.dice.split("channel " + channel.name.value),
                                                  .down_until = {}});
    }
    for (SimResource& resource : story_.resources) {
        SimResource& r = fleet_.add(std::move(resource));
        for (std::int64_t i = chance_.between(0, 9); i > 0; --i) {
            r.files["start" + std::to_string(i) + ".txt"] = {.version = static_cast<std::uint64_t>(i),
                                                             .size = 20,
                                                             .changed = stage_.clock.utc() - hours{i}};
        }
    }
    host_ = std::make_unique<Host>(
        stage_,
        Surroundings{.fleet = fleet_,
                     .accounts = accounts_,
                     .guests = guests_,
                     .vaults = vaults_,
                     .receivers = receivers_,
                     .worst_moment = [this](const ResourceId& resource) { people_->worst_moment(resource); }},
        story_.prices, story_.config);
    host_->time_off = [this](std::int64_t failed_boots) {
        if (failed_boots > 0) {  // a supervisor waits longer each time
            return Duration{
                std::min<Duration>(minutes{5}, seconds{5} * (1 << std::min<std::int64_t>(failed_boots, 6)))};
        }
        return calm_               ? Duration{seconds{2}}
               : chance_.one_in(4) ? chance_.skewed(seconds{2}, hours{10})
                                   : Duration{seconds{2}};
    };
    people_ = std::make_unique<People>(stage_, fleet_, *host_, story_);
}

void Simulation::now_and_then(Duration every, Happening what) {
    if (every <= Duration{0}) {
        return;
    }
    stage_.clock.after(chance_.between(every / 4, every * 2), [this, every, what] {
        if (!calm_) {
            (this->*what)();
            now_and_then(every, what);
        }
    });
}

void Simulation::crash() {
    switch (chance_.below(8)) {
        case 0:
            host_->die("at rest");
            break;
        case 1:
        case 2:
            host_->point_deaths = chance_.between(1, 12);
            break;
        case 3:
            host_->deaths.before = chance_.between(1, 12);
            break;
        case 4:
            host_->deaths.after = chance_.between(1, 12);
            break;
        case 5:
            host_->deaths.inside = chance_.between(1, 6);
            host_->deaths.writes_inside = chance_.between(0, 9);
            break;
        default:
            host_->handler_deaths = chance_.between(1, 400);
            break;
    }
}

void Simulation::reboot() {
    host_->die("the host lost power");
    stage_.clock.reboot();
    stage_.tally.mark("reboot");
}

void Simulation::suspend() {
    if (stage_.clock.suspended()) {
        return;
    }
    const Duration length = chance_.skewed(minutes{1}, hours{20});
    stage_.injected("suspend");
    stage_.judge.suspended(length, stage_.moment());
    stage_.clock.suspend();
    stage_.clock.after(length, [this] {
        stage_.clock.wake();
        stage_.note("woke");
    });
}

void Simulation::set_clock() {
    Duration by{0};
    if (chance_.one_in(3)) {
        by = stage_.clock.set_right();
    } else {
        by = chance_.skewed(seconds{1}, hours{3}) * (chance_.one_in(2) ? 1 : -1);
        stage_.clock.step(by);
    }
    stage_.clock.drift(chance_.one_in(2) ? chance_.between(-40, 40) : 0);
    stage_.injected("clock_set");
    stage_.note("clock", {}, by.count());
    stage_.judge.clock_stepped(by, stage_.moment());
}

void Simulation::disk_trouble() {
    switch (chance_.below(3)) {
        case 0:
            stage_.injected("disk_full");
            host_->full_disk(true);
            stage_.clock.after(chance_.skewed(minutes{1}, hours{6}), [this] { host_->full_disk(false); });
            break;
        case 1:
            stage_.injected("disk_write_error");
            host_->disk.fail_next_write();
            break;
        default:
            stage_.injected("disk_sync_error");
            host_->disk.fail_next_sync();
            break;
    }
}

void Simulation::outage() {
    auto account = accounts_.begin();
    std::advance(account, static_cast<std::ptrdiff_t>(chance_.below(accounts_.size())));
    account->second.down_until = stage_.clock.now() + chance_.skewed(minutes{2}, hours{12});
}

void Simulation::refuse_key() {
    auto account = accounts_.begin();
    std::advance(account, static_cast<std::ptrdiff_t>(chance_.below(accounts_.size())));
    account->second.key_refused_until = stage_.clock.now() + chance_.skewed(minutes{5}, hours{12});
}

void Simulation::receiver_trouble() {
    auto receiver = receivers_.begin();
    std::advance(receiver, static_cast<std::ptrdiff_t>(chance_.below(receivers_.size())));
    receiver->second.down_until = stage_.clock.now() + chance_.skewed(minutes{2}, hours{30});
}

void Simulation::reload() {
    const bool bad = chance_.one_in(6);
    if (bad) {
        stage_.injected("bad_config");
    } else {
        change_config(host_->config, chance_);
        for (const AccountConfig& account : host_->config.accounts) {
            accounts_.at(account.name).poll = account.poll_interval;
        }
    }
    host_->config_is_bad = bad;
    host_->ask("reload", [](Daemon& daemon, World&) -> Task<std::string> {
        auto done = co_await daemon.reload("curfewd (SIGHUP)");
        co_return done ? "ok" : "refused";
    });
}

void Simulation::vanish() {
    auto it = fleet_.resources.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(chance_.below(fleet_.resources.size())));
    SimResource& r = *it->second;
    if (r.on() || !r.listed) {
        return;  // what bills is listed; only what is off goes away
    }
    stage_.injected("vanished");
    r.listed = false;
    const ResourceId id = r.id;
    stage_.clock.after(chance_.skewed(minutes{10}, hours{40}),
                       [this, id] { fleet_.find(id)->listed = true; });
}

void Simulation::pass_until(Instant end) {
    for (;;) {
        host_->run_ready();
        const auto next = stage_.clock.next();
        if (!next || *next > end) {
            break;
        }
        stage_.clock.step_on();
        ++events_;
    }
    stage_.clock.pass_to(end);
}

void Simulation::begin_calm() {
    calm_ = true;
    stage_.faults_on = false;
    stage_.rates = Rates{};
    host_->full_disk(false);
    host_->point_deaths = 0;
    host_->handler_deaths = 0;
    host_->deaths = {};
    if (stage_.clock.suspended()) {
        stage_.clock.wake();
    }
    for (auto& [name, account] : accounts_) {
        account.down_until.reset();
        account.key_refused_until.reset();
    }
    for (auto& [name, receiver] : receivers_) {
        receiver.down_until.reset();
        receiver.gone = false;
    }
    for (auto& [id, r] : fleet_.resources) {
        r->listed = true;
    }
    stage_.clock.drift(0);
    const Duration by = stage_.clock.set_right();
    if (by != Duration{0}) {
        stage_.judge.clock_stepped(by, stage_.moment());
    }
    host_->config_is_bad = false;
    host_->boot();
    stage_.note("calm");
    stage_.judge.calm(stage_.moment());
    people_->calm();
}

/// Reads what is stored in the end.
Task<void> read_all(Store& store, Judge::End& end, bool& done) {
    std::string after;
    do {
        auto page = co_await store.ledger(WallTime{0}, WallTime{4'102'444'800'000}, after, 1000);
        if (!page) {
            break;
        }
        for (LedgerRow& row : page->rows) {
            end.ledger.push_back(std::move(row.row));
        }
        after = page->next;
    } while (!after.empty());
    std::int64_t seq = 0;
    for (;;) {
        auto rows = co_await store.outbox(
            {.state = {}, .channel = {}, .alert = {}, .after_seq = seq, .limit = 1000});
        if (!rows || rows->empty()) {
            break;
        }
        for (OutboxRow& row : *rows) {
            seq = std::max(seq, row.seq);
            if (row.state == OutboxState::waiting) {
                end.waiting.push_back(row);
            }
            end.outbox.push_back(std::move(row));
        }
    }
    auto state = co_await store.load("the end");
    if (state) {
        end.open_intents = std::move(state->open_intents);
    }
    end.audit = co_await store.verify_audit();
    done = true;
}

Judge::End Simulation::read_end() {
    Judge::End end;
    end.tasks_running = host_->tasks_running();
    for (const auto& [id, r] : fleet_.resources) {
        end.existing += r->runs.empty() ? 0U : 1U;
    }
    if (World* world = host_->world()) {
        end.pictured = world->picture.resources.size();
    }
    bool done = false;
    host_->ask("the end", [&](Daemon&, World& world) -> Task<std::string> {
        co_await read_all(world.store, end, done);
        co_return "ok";
    });
    for (int i = 0; i < 100 && !done; ++i) {
        host_->run_ready();
    }
    return end;
}

LifeReport Simulation::run() {
    people_->begin();
    host_->boot();
    now_and_then(story_.crash_every, &Simulation::crash);
    now_and_then(story_.reboot_every, &Simulation::reboot);
    now_and_then(story_.suspend_every, &Simulation::suspend);
    now_and_then(story_.clock_every, &Simulation::set_clock);
    now_and_then(story_.disk_every, &Simulation::disk_trouble);
    now_and_then(story_.outage_every, &Simulation::outage);
    now_and_then(story_.key_every, &Simulation::refuse_key);
    now_and_then(story_.receiver_every, &Simulation::receiver_trouble);
    now_and_then(story_.reload_every, &Simulation::reload);
    now_and_then(story_.vanish_every, &Simulation::vanish);
    const Duration chaos = options_.chaos > Duration{0} ? options_.chaos : story_.chaos;
    const Duration calm = options_.calm > Duration{0} ? options_.calm : story_.calm;
    pass_until(stage_.clock.now() + chaos);
    begin_calm();
    pass_until(stage_.clock.now() + calm);
    const Judge::End end = read_end();
    {
        const At judge(Work::judge);
        stage_.judge.ended(end, stage_.moment());
    }

    LifeReport report;
    report.instance_ms = fleet_.instance_ms();
    for (const CostRow& row : end.ledger) {
        stage_.note("ledger", row.run.value, row.gross.nanos);
        stage_.note("ledger.from", row.estimated ? "estimated" : "exact", row.from.ms);
        stage_.note("ledger.to", row.sku, row.to.ms);
    }
    stage_.note("end", {}, end.audit.value_or(-1));
    if (!host_->shut_down()) {
        stage_.tally.mark("not.shut.down");
    }
    report.violations = stage_.judge.violations();
    for (const std::string& bug : host_->bugs) {
        report.violations.push_back({.invariant = "crash", .at = stage_.moment(), .text = bug});
    }
    report.trace_hash = stage_.trace.hash();
    report.tally = stage_.tally;
    report.faults = stage_.faults;
    report.crashes = host_->crashes();
    report.commits = host_->commits();
    report.events = events_ + host_->handlers();
    return report;
}

}  // namespace

LifeReport live(const LifeOptions& options) {
    return std::make_unique<Simulation>(options)->run();
}

}  // namespace curfew::simulation
