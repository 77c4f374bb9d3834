// The whole application over the world in memory, for stories on virtual time.
#pragma once

#include "curfew/app/daemon.hpp"
#include "support/await.hpp"
#include "support/fakes.hpp"
#include "support/outside.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace curfew::test {

PriceBook prices();
/// One idle rule of an hour that acts, one account, one vault, one channel.
std::shared_ptr<Config> basic_config();

/// "NAME AMOUNT": a hard budget of the month. The real parser is an adapter's.
Result<Budget> parse_budget(const std::string& document, const Config& config);

/// What the daemon may have beside its channel "mail".
struct Outside {
    std::vector<std::shared_ptr<Channel>> channels;
    std::shared_ptr<Heartbeat> heartbeat;
    std::shared_ptr<DiskGauge> disks;
    std::function<Result<Parts>()> assemble = [] { return fail(Errc::invalid, "no file"); };
};

/// One life of the daemon over a world and a store that outlive it.
struct Life {
    Life(boost::asio::io_context& loop, ManualScheduler& time, Store& rows, FakeWorld& world_,
         std::shared_ptr<Config> config, std::shared_ptr<FakeChannel> channel,
         std::shared_ptr<FakeVault> vault, PriceBook prices = test::prices(), Outside outside = {},
         std::uint64_t entropy_from = 1);
    ~Life();
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
    /// What a reload may find: the rig as it is now.
    Parts parts() const;
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
