#include "simulation/life.hpp"

#include "simulation/host.hpp"
#include "simulation/people.hpp"
#include "simulation/spent.hpp"
#include "simulation/story.hpp"
#include "simulation/trouble.hpp"

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
    LifeReport report() const;
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
    std::unique_ptr<Trouble> trouble_;
    std::int64_t events_ = 0;
};

Simulation::Simulation(const LifeOptions& options)
    : options_(options), stage_(options.seed, options.print),
      story_(draw_story(stage_.dice, stage_.clock.utc(), options.faults, options.crashes, options.large)),
      chance_(stage_.dice.split("beginning")), fleet_(stage_),
      guests_{.fleet = fleet_,
              .dice = stage_.dice.split("guests"),
              .unreadable = stage_.dice.split("unreadable"),
              .poll_of = {}} {
    stage_.rates = story_.rates_of_faults;
    stage_.faults_on = options.faults;
    fleet_.rates = story_.rates;
    fleet_.moves = story_.moves;
    for (const AccountConfig& account : story_.config.accounts) {
        const Story::AccountTraits& traits = story_.accounts.at(account.name);
        if (traits.reports_ends) {
            stage_.judge.reports_ends(account.name);
        }
        accounts_.emplace(account.name,
                          SimAccount{.name = account.name,
                                     .dice = stage_.dice.split("account " + account.name.value),
                                     .poll = account.poll_interval,
                                     .reports_ends = traits.reports_ends,
                                     .reports_money = traits.reports_money,
                                     .lists_prices = traits.lists_prices,
                                     .metrics = account.metrics,
                                     .down_until = {},
                                     .key_refused_until = {},
                                     .earlier = {},
                                     .denials = stage_.dice.split("denials " + account.name.value),
                                     .denied = {},
                                     .lags = stage_.dice.split("lags " + account.name.value),
                                     .untold = stage_.dice.split("untold " + account.name.value)});
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
    const Surroundings around{
        .fleet = fleet_,
        .accounts = accounts_,
        .guests = guests_,
        .vaults = vaults_,
        .receivers = receivers_,
        .worst_moment = [this](const ResourceId& resource) { people_->worst_moment(resource); }};
    host_ = std::make_unique<Host>(stage_, around, story_.prices(), story_.config);
    host_->time_off = [this](std::int64_t failed_boots) {
        if (failed_boots > 0) {  // a supervisor waits longer each time
            return Duration{
                std::min<Duration>(minutes{5}, seconds{5} * (1 << std::min<std::int64_t>(failed_boots, 6)))};
        }
        return trouble_->time_off();
    };
    people_ = std::make_unique<People>(stage_, fleet_, *host_, story_);
    trouble_ = std::make_unique<Trouble>(stage_, around, *host_, *people_, story_);
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
        if (options_.until_broken && !stage_.judge.violations().empty()) {
            return;
        }
    }
    stage_.clock.pass_to(end);
}

void Simulation::begin_calm() {
    trouble_->calm();
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
    auto alerts = co_await store.alerts(true, 100'000);
    for (const Alert& alert : alerts ? *alerts : std::vector<Alert>{}) {
        end.alerts.push_back(alert.id);
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
    trouble_->begin();
    const Duration chaos = options_.chaos > Duration{0} ? options_.chaos : story_.chaos;
    const Duration calm = options_.calm > Duration{0} ? options_.calm : story_.calm;
    pass_until(stage_.clock.now() + chaos);
    if (options_.until_broken && !stage_.judge.violations().empty()) {
        return report();
    }
    begin_calm();
    pass_until(stage_.clock.now() + calm);
    const Judge::End end = read_end();
    {
        const At judge(Work::judge);
        stage_.judge.ended(end, stage_.moment());
    }

    for (const CostRow& row : end.ledger) {
        stage_.note("ledger", row.run.value, row.gross.nanos);
        stage_.note("ledger.from", row.estimated ? "estimated" : "exact", row.from.ms);
        stage_.note("ledger.to", row.sku, row.to.ms);
    }
    stage_.note("end", {}, end.audit.value_or(-1));
    if (!host_->shut_down()) {
        stage_.tally.mark("not.shut.down");
    }
    LifeReport all = report();
    for (const std::string& bug : host_->bugs) {
        all.violations.push_back({.invariant = "crash", .at = stage_.moment(), .text = bug});
    }
    return all;
}

LifeReport Simulation::report() const {
    return {.trace_hash = stage_.trace.hash(),
            .violations = stage_.judge.violations(),
            .counts = {.instance_ms = fleet_.instance_ms(),
                       .faults = stage_.faults,
                       .crashes = host_->crashes(),
                       .commits = host_->commits(),
                       .events = events_ + host_->handlers(),
                       .marks = stage_.tally.marks}};
}

}  // namespace

void Counts::add(const Counts& other) {
    instance_ms += other.instance_ms;
    faults += other.faults;
    crashes += other.crashes;
    commits += other.commits;
    events += other.events;
    for (const auto& [name, count] : other.marks) {
        std::int64_t& all = marks[name];
        all = name.starts_with("max.") ? std::max(all, count) : all + count;
    }
}

LifeOptions& LifeOptions::for_days(double days) {
    chaos = std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::ratio<86400>>{days});
    calm = days > 0 ? Duration{hours{48}} : Duration{0};
    return *this;
}

LifeReport live(const LifeOptions& options) {
    return std::make_unique<Simulation>(options)->run();
}

}  // namespace curfew::simulation
