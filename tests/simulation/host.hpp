// The machine that the daemon runs on. It starts the real daemon over the simulated world, kills it at any moment
// without a word, and starts it again from what its disk holds.
#pragma once

#include "curfew/app/daemon.hpp"
#include "simulation/guests.hpp"
#include "simulation/provider.hpp"
#include "simulation/receivers.hpp"
#include "simulation/vaults.hpp"
#include "simulation/watched_store.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace curfew::simulation {

/// What lies outside of the machine and outlives it.
struct Surroundings {
    Fleet& fleet;
    std::map<AccountName, SimAccount>& accounts;
    SimGuests& guests;
    std::map<VaultName, VaultRoom>& vaults;
    std::map<ChannelName, Receiver>& receivers;
    WorstMoment worst_moment;
};

class Host {
public:
    Host(Stage& stage, Surroundings around, PriceTables prices, Config config);
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    ~Host();

    Config config;               // what the file says; read at every start and reload
    bool config_is_bad = false;  // a reload would be refused
    PriceTables prices;          // read with it
    Disk disk;
    CommitDeaths deaths;
    std::int64_t point_deaths = 0;    // dies at the n-th point of enforcements from now; 0 = not
    std::vector<std::string> bugs;    // exceptions that escaped
    std::int64_t handler_deaths = 0;  // … after the n-th handler of the event loop

    void full_disk(bool is) {
        disk.full(is);
        disk_full_ = is;
    }
    void boot();
    bool up() const { return life_ != nullptr; }
    /// The process is gone, in the middle of whatever it did. It comes back by itself after a while.
    void die(const char* how);
    /// Runs everything that is ready. The process may die in it.
    void run_ready();
    /// Ends the daemon in order, as systemd would. False where it does not end.
    bool shut_down();

    /// Asks the daemon something, if it is up; the answer's name goes into the trace.
    using Question = std::function<Task<std::string>(Daemon&, World&)>;
    void ask(const char* what, Question question);
    Daemon* daemon();
    World* world();
    Store* store();

    std::int64_t crashes() const { return crashes_; }
    std::int64_t commits() const;
    std::int64_t handlers() const { return handlers_; }
    std::size_t tasks_running() const;
    /// Off for as long as it takes a supervisor, or a person, to start it again.
    std::function<Duration(std::int64_t failed_boots)> time_off = [](std::int64_t) {
        return Duration{seconds{2}};
    };

private:
    struct Life;
    Result<Parts> parts();
    /// Nothing begins while the host sleeps.
    void boot_awake();
    void mark_dead(const char* how);

    Stage& stage_;
    Surroundings around_;
    std::string path_;
    Dice entropy_;
    Dice heart_;
    std::unique_ptr<Life> life_;
    bool dying_ = false;
    std::string how_;
    std::int64_t lives_ = 0;
    std::int64_t crashes_ = 0;
    std::int64_t commits_ = 0;
    std::int64_t handlers_ = 0;
    std::int64_t failed_boots_ = 0;  // in a row
    std::string bug_;
    bool disk_full_ = false;
};

}  // namespace curfew::simulation
