#include "simulation/host.hpp"

#include "adapters/sqlite/store.hpp"
#include "simulation/spent.hpp"
#include "simulation/story.hpp"

#include <boost/asio/co_spawn.hpp>
#include <spdlog/spdlog.h>

#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <utility>

namespace curfew::simulation {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

/// An event loop that can be dropped with everything that waits in it, while what that refers to still lives.
class Loop : public asio::io_context {
public:
    Loop() : asio::io_context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE) {}
    void drop() { shutdown(); }
};

void in_store(const std::function<void()>& job) {
    const At store(Work::store);
    job();
}

/// A folder of this process, for the lock file and the note of a damage that the store keeps beside its database.
class Folder {
public:
    Folder() {
        std::error_code none;
        const std::string below = fs::is_directory("/dev/shm", none) ? "/dev/shm"
                                                                     : fs::temp_directory_path().string();
        path_ = below + "/curfew-simulation-XXXXXX";
        if (::mkdtemp(path_.data()) == nullptr) {
            std::perror("a folder for the simulation");
            std::abort();
        }
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

const std::string& folder() {
    static const Folder own;
    return own.path();
}

}  // namespace

/// One process of curfewd.
struct Host::Life {
    explicit Life(Host& host)
        : scheduler(host.stage_.clock, loop), line{scheduler, loop, dead},
          door(host.around_.guests, line, host.around_.worst_moment),
          tasks(loop.get_executor(), [&host](const std::string& bug) {
              host.stage_.tally.mark("bug");
              host.bug_ = bug;
          }) {}

    Loop loop;
    bool dead = false;
    VirtualScheduler scheduler;
    Line line;
    SimDoor door;
    SimSupervisor supervisor;
    std::unique_ptr<WatchedStore> store;
    TaskGroup tasks;
    std::unique_ptr<World> world;
    std::unique_ptr<Daemon> daemon;
    std::shared_ptr<const Config> seen;
    bool started = false;
};

Host::Host(Stage& stage, Surroundings around, PriceTables p, Config c)
    : config(std::move(c)), prices(std::move(p)), stage_(stage), around_(std::move(around)),
      path_(folder() + "/curfew.db"), entropy_(stage.dice.split("entropy")),
      heart_(stage.dice.split("heart")) {
    spdlog::set_level(spdlog::level::off);
}

Host::~Host() {
    if (life_) {
        dying_ = true;
        how_ = "the end";
        life_->dead = true;
        disk.freeze();
        life_->loop.drop();
        life_->daemon.reset();
        life_->store.reset();
    }
    std::error_code ignored;
    fs::remove(path_ + ".suspect", ignored);
}

Result<Parts> Host::parts() {
    stage_.judge.config_read(!config_is_bad);
    if (config_is_bad) {
        return fail(Errc::invalid, "curfew.toml:14:1: there is no such key");
    }
    Life& life = *life_;
    Parts parts;
    parts.config = std::make_shared<const Config>(config);
    auto book = PriceBook::parse_csv(prices.shipped, "prices");
    auto own = PriceBook::parse_csv(prices.own, "own prices");
    if (!book || !own) {
        return std::unexpected(book ? own.error() : book.error());
    }
    book->merge(*own);
    parts.prices = std::move(*book);
    for (const AccountConfig& account : config.accounts) {
        parts.clouds[account.name] = std::make_shared<SimCloud>(
            around_.fleet, around_.accounts.at(account.name), life.line, around_.worst_moment);
    }
    for (const ChannelConfig& channel : config.channels) {
        parts.channels.push_back(
            std::make_shared<SimChannel>(stage_, around_.receivers.at(channel.name), life.line));
    }
    for (const VaultConfig& vault : config.vaults) {
        VaultRoom& room = around_.vaults.at(vault.name);
        room.required = vault.required;
        parts.vaults.push_back(std::make_shared<SimVault>(stage_, room, life.line));
    }
    if (!config.heartbeat.url.empty()) {
        parts.heartbeat = std::make_shared<SimHeartbeat>(stage_, heart_, life.line);
    }
    parts.disks = std::make_shared<SimDisks>(disk_full_, life.line);
    return parts;
}

void Host::boot_awake() {
    if (stage_.clock.suspended()) {
        stage_.clock.after(minutes{1}, [this] { boot_awake(); });
    } else {
        boot();
    }
}

void Host::boot() {
    if (life_) {
        return;
    }
    config_is_bad = false;
    dying_ = false;
    disk.thaw();
    life_ = std::make_unique<Life>(*this);
    Life& life = *life_;
    stage_.note("boot", stage_.clock.boot_id());
    stage_.judge.booted(stage_.moment());
    auto opened = [&] {
        const At opening(Work::opening);
        return sqlite::open(path_, life.loop.get_executor(),
                            [this](const std::string&) { mark_dead("the database failed"); },
                            {.vfs = disk.name(), .own_thread = false, .around = in_store});
    }();
    if (!opened) {
        // Not where: the folder has another name in every process.
        stage_.note("not opened", opened.error().text);
        stage_.tally.mark("boot.failed");
        ++failed_boots_;
        die("the database does not open");
        return;
    }
    life.store = std::make_unique<WatchedStore>(
        std::move(opened->store), disk, stage_, life.line, deaths,
        [this](const char* how) { mark_dead(how); }, stage_.dice.split("store " + std::to_string(++lives_)));
    life.world = std::make_unique<World>(World{.loop = life.loop.get_executor(),
                                               .scheduler = life.scheduler,
                                               .entropy = entropy_,
                                               .store = *life.store,
                                               .guests = life.door,
                                               .clouds = {},
                                               .config = {},
                                               .picture = {}});
    life.world->at_point = [this](std::string_view name) {
        stage_.note("point", name);
        if (point_deaths > 0 && --point_deaths == 0) {
            mark_dead("at a point");
        }
    };
    auto made = parts();
    life.daemon = std::make_unique<Daemon>(
        *life.world, std::move(*made), life.supervisor, life.tasks, [this] { return parts(); },
        [](std::string_view text) { return text.starts_with('{') && text.ends_with('}'); }, parse_budget);
    asio::co_spawn(life.loop, life.daemon->start(),
                   [this, &life](const std::exception_ptr& bug, Result<void> started) {
                       if (bug || !started) {
                           stage_.note("not started");
                           ++failed_boots_;
                           mark_dead("it did not start");
                           return;
                       }
                       life.started = true;
                       failed_boots_ = 0;
                       life.daemon->run();
                   });
}

void Host::mark_dead(const char* how) {
    if (!life_ || life_->dead) {
        return;
    }
    life_->dead = true;
    disk.freeze();
    how_ = how;
}

void Host::die(const char* how) {
    if (!life_) {
        return;
    }
    mark_dead(how);
    stage_.note("crash", how_);
    stage_.tally.mark("crash");
    stage_.tally.mark("crash." + how_);
    stage_.judge.crashed(stage_.moment());
    crashes_ += failed_boots_ == 0 ? 1 : 0;  // what never began did not crash
    Life& life = *life_;
    dying_ = true;
    life.loop.drop();  // every coroutine, wherever it was, while what it refers to is still there
    life.seen.reset();
    life.daemon.reset();
    life.world.reset();
    if (life.store) {
        commits_ += life.store->commits();
        life.store.reset();
    }
    life_.reset();
    dying_ = false;
    stage_.clock.after(time_off(failed_boots_), [this] { boot_awake(); });
}

void Host::run_ready() {
    while (life_ && !stage_.clock.suspended()) {
        if (life_->dead || disk.frozen()) {
            die(life_->dead ? how_.c_str() : "inside a commit");
            return;
        }
        life_->loop.restart();
        if (life_->loop.poll_one() == 0) {
            return;
        }
        ++handlers_;
        if (life_->world && life_->world->config != life_->seen) {
            life_->seen = life_->world->config;
            stage_.note("config");
            stage_.judge.config_in_force(life_->seen, stage_.moment());
        }
        if (!bug_.empty()) {
            stage_.note("bug", bug_);
            bugs.push_back(std::exchange(bug_, {}));
        }
        if (handler_deaths > 0 && --handler_deaths == 0) {
            mark_dead("at any await");
        }
    }
}

bool Host::shut_down() {
    if (!life_) {
        return true;
    }
    bool ended = false;
    asio::co_spawn(life_->loop, life_->daemon->shut_down(),
                   [&ended](const std::exception_ptr&) { ended = true; });
    const Instant until = stage_.clock.now() + minutes{10};
    run_ready();
    while (life_ && !ended && stage_.clock.next() && *stage_.clock.next() <= until) {
        stage_.clock.step_on();
        run_ready();
    }
    const bool clean = ended && life_ && life_->tasks.running() == 0;
    if (life_) {
        commits_ += life_->store->commits();
        life_->dead = true;
        life_->loop.drop();
        life_->seen.reset();
        life_->daemon.reset();
        life_->world.reset();
        life_->store.reset();
        life_.reset();
    }
    return clean;
}

namespace {

/// Keeps the question, which a coroutine that it makes refers to.
Task<std::string> asked(std::shared_ptr<Host::Question> question, Daemon& daemon, World& world) {
    co_return co_await (*question)(daemon, world);
}

}  // namespace

void Host::ask(const char* what, Question question) {
    if (!life_ || !life_->started || life_->dead || stage_.clock.suspended()) {
        return;
    }
    stage_.note("ask", what);
    asio::co_spawn(life_->loop,
                   asked(std::make_shared<Question>(std::move(question)), *life_->daemon, *life_->world),
                   [this, what](const std::exception_ptr& bug, const std::string& answer) {
                       stage_.note(what, bug ? "bug" : answer);
                       stage_.tally.mark(std::string{"asked."} + what + (answer == "ok" ? "" : ".refused"));
                       if (bug) {
                           bug_ = std::string{"an exception escaped from "} + what;
                       }
                   });
}

Daemon* Host::daemon() {
    return life_ && life_->started ? life_->daemon.get() : nullptr;
}
World* Host::world() {
    return life_ ? life_->world.get() : nullptr;
}
Store* Host::store() {
    return life_ ? life_->store.get() : nullptr;
}
std::int64_t Host::commits() const {
    return commits_ + (life_ && life_->store ? life_->store->commits() : 0);
}
std::size_t Host::tasks_running() const {
    return life_ ? life_->tasks.running() : 0;
}

}  // namespace curfew::simulation
