// The whole application over the world in memory, for stories on virtual time.
#pragma once

#include "curfew/app/daemon.hpp"
#include "support/await.hpp"
#include "support/fakes.hpp"
#include "support/outside.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::test {

inline PriceBook prices() {
    return *PriceBook::parse_csv(
        "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\nA4000,0.76,1,A4000,16,2025-11-14,\n",
        "test");
}

inline std::shared_ptr<Config> basic_config() {
    auto config = std::make_shared<Config>();
    config->mode = Mode::enforce;
    AccountConfig account;
    account.name = AccountName{"me"};
    config->accounts = {account};
    config->vaults = {{.name = VaultName{"home"}, .kind = "folder", .path = "/vault", .required = true}};
    ChannelConfig channel;
    channel.name = ChannelName{"mail"};
    config->channels = {channel};
    config->routing.channels = {channel.name};
    // Told at once and once, so that stories can count; what grouping and repeats do is shown where they are tested.
    config->alerts.group_wait = Duration{0};
    config->alerts.group_interval = Duration{0};
    config->alerts.repeat_critical = hours{24 * 365};
    config->alerts.repeat_warning = hours{24 * 365};
    Rule rule;
    rule.name = RuleName{"idle"};
    rule.mode = Mode::enforce;
    rule.idle_limit = hours{1};
    config->rules = {rule};
    config->alerts.summary.reset();  // its own stories have it
    return config;
}

/// "NAME AMOUNT": a hard budget of the month. The real parser is an adapter's.
inline Result<Budget> parse_budget(const std::string& document, const Config& config) {
    const auto space = document.find(' ');
    const auto amount = space == std::string::npos ? Result<Money>{fail(Errc::invalid, "no amount")}
                                                   : parse_money(document.substr(space + 1));
    if (!amount) {
        return std::unexpected(amount.error());
    }
    Budget budget;
    budget.name = BudgetName{document.substr(0, space)};
    budget.amount = *amount;
    budget.zone = config.zone;
    budget.thresholds = {{50, ThresholdAction::notify}, {100, ThresholdAction::stop}};
    budget.mode = Mode::enforce;
    return budget;
}

/// What the daemon may have beside its channel "mail".
struct Outside {
    std::vector<std::shared_ptr<Channel>> channels;
    std::shared_ptr<Heartbeat> heartbeat;
    std::shared_ptr<DiskGauge> disks;
    std::function<Result<Parts>()> assemble = [] { return fail(Errc::invalid, "no file"); };
};

inline std::vector<std::shared_ptr<Channel>> with(std::vector<std::shared_ptr<Channel>> channels,
                                                  std::shared_ptr<Channel> first) {
    channels.insert(channels.begin(), std::move(first));
    return channels;
}

/// One life of the daemon over a world and a store that outlive it.
struct Life {
    Life(boost::asio::io_context& loop, ManualScheduler& time, Store& rows, FakeWorld& world_,
         std::shared_ptr<Config> config, std::shared_ptr<FakeChannel> channel,
         std::shared_ptr<FakeVault> vault, PriceBook prices = test::prices(), Outside outside = {},
         std::uint64_t entropy_from = 1)
        : io(loop), scheduler(time), entropy(entropy_from), door(world_),
          cloud(std::make_shared<FakeCloud>(world_)),
          tasks(loop.get_executor(), [](const std::string& bug) { FAIL(bug); }),
          world{.loop = loop.get_executor(),
                .scheduler = time,
                .entropy = entropy,
                .store = rows,
                .guests = door,
                .clouds = {},
                .config = {},
                .picture = {}},
          daemon(
              world,
              Parts{.config = config,
                    .clouds = {{AccountName{"me"}, cloud}},
                    .channels = with(std::move(outside.channels), std::move(channel)),
                    .vaults = {vault},
                    .prices = std::move(prices),
                    .heartbeat = outside.heartbeat,
                    .disks = outside.disks},
              supervisor, tasks, outside.assemble, [](std::string_view) { return true; }, parse_budget) {
        started = await(daemon.start()).has_value();
        if (started) {
            daemon.run();
        }
        scheduler.settle();
    }
    ~Life() {
        bool ended = false;
        boost::asio::co_spawn(io, daemon.shut_down(), [&](const std::exception_ptr&) { ended = true; });
        for (int i = 0; i < 100 && !ended; ++i) {
            scheduler.run_for(seconds{1});
        }
        CHECK(ended);
        CHECK(tasks.running() == 0);  // I13
    }
    template <class T>
    T await(Task<T> task) {
        return test::await(io, scheduler, std::move(task));
    }

    boost::asio::io_context& io;
    ManualScheduler& scheduler;
    CountingEntropy entropy;
    FakeDoor door;
    std::shared_ptr<FakeCloud> cloud;
    FakeSupervisor supervisor;
    TaskGroup tasks;
    World world;
    Daemon daemon;
    bool started = false;  // the real one's process ends when it could not be
};

struct Rig {
    boost::asio::io_context io;
    ManualScheduler scheduler{io};
    FakeStore store{io};
    FakeWorld world{io, scheduler};
    std::shared_ptr<Config> config = basic_config();
    PriceBook prices = test::prices();
    std::shared_ptr<FakeChannel> mail = std::make_shared<FakeChannel>(scheduler, "mail");
    std::shared_ptr<FakeVault> vault = std::make_shared<FakeVault>(scheduler);
    Outside outside;
    std::unique_ptr<Life> life;

    void begin() {
        life = std::make_unique<Life>(io, scheduler, store, world, config, mail, vault, prices, outside);
    }
    /// An ordered end and a new start, `off` later.
    void restart(Duration off) {
        life.reset();
        scheduler.run_for(off);
        begin();
    }
    /// What was delivered, alone or together with others.
    std::vector<AlertKind> told() const {
        std::vector<AlertKind> kinds;
        for (const auto& [id, row] : store.outbox_rows) {
            if (row.state == OutboxState::delivered) {
                kinds.push_back(row.message.kind);
            }
        }
        return kinds;
    }
    int told(AlertKind kind) const {
        const auto kinds = told();
        return static_cast<int>(std::ranges::count(kinds, kind));
    }
    const Enforcement* enforcement_of(const RunId& run) const {
        for (const auto& [id, e] : store.enforcements) {
            if (e.run == run) {
                return &e;
            }
        }
        return nullptr;
    }
    void check_intents() const {
        for (const auto& [id, intent] : store.intents) {
            CHECK(store.outcomes.contains(id));  // I5
        }
    }
};

}  // namespace curfew::test
