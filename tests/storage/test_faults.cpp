// One whole enforcement, from the first warning to its end, of the real application over the real store; and at the
// n-th call of SQLite to the disk, or for the n-th piece of memory, it is told no: once, or for half an hour.
//
// A plain run takes a sample of the places, spread over all of them, another one with each seed; the hidden tests
// "[long]" take every one, or with CURFEW_PART=K/N the K-th of N parts.
#include "adapters/sqlite/store.hpp"
#include "storage/disk.hpp"
#include "storage/memory.hpp"
#include "support/folder.hpp"
#include "support/life.hpp"

#include <spdlog/spdlog.h>
#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>

using namespace curfew;
using namespace curfew::test;
using storage::Disk;
using storage::Fault;
using storage::Memory;

namespace {

/// The file system and SQLite's memory outlive every connection.
storage::Vfs& file_system() {
    static storage::Vfs vfs = [] {
        Memory::watch();
        return storage::Vfs{"curfew-faults"};
    }();
    return vfs;
}

/// The world, the disk, and one life of the daemon after the other.
struct Machine {
    boost::asio::io_context io;
    ManualScheduler scheduler{io};
    FakeWorld world{io, scheduler};
    std::shared_ptr<FakeChannel> mail = std::make_shared<FakeChannel>(scheduler, "mail");
    std::shared_ptr<FakeVault> vault = std::make_shared<FakeVault>(scheduler);
    support::Folder folder{"faults"};
    std::string path = folder.path + "/curfew.db";
    Disk disk;
    std::unique_ptr<Store> store;
    std::unique_ptr<Life> life;
    std::vector<std::string> fatal;  // of all lives
    int lives = 0;
    int failed_starts = 0;
    RunId run;
    std::vector<std::string> wrong;

    Machine() {
        file_system().put_below(disk);
        FakeNotebook& n = world.add("demo");
        run = n.resource.run.id;
        world.on_stop = [this](FakeNotebook& notebook) {
            judge_stop(notebook);
            world.end(notebook);
            return StopReply{event::Answer::accepted, {}};
        };
    }
    ~Machine() { end(); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    std::shared_ptr<Config> config() const {
        auto config = basic_config();
        config->accounts.front().poll_interval = minutes{2};
        return config;
    }
    bool begin() {
        auto opened = sqlite::open(path, io.get_executor(),
                                   [this](const std::string& text) { fatal.push_back(text); },
                                   {.vfs = file_system().name(), .own_thread = false, .log_pages_max = 60});
        if (!opened) {
            ++failed_starts;
            return false;
        }
        if (!opened->recovered.empty()) {
            wrong.push_back("taken for damaged: " + opened->recovered);
        }
        store = std::move(opened->store);
        seen_fatal = fatal.size();
        life = std::make_unique<Life>(io, scheduler, *store, world, config(), mail, vault, prices(),
                                      Outside{}, static_cast<std::uint64_t>(++lives));
        if (!life->started) {
            ++failed_starts;
            end();
            return false;
        }
        return true;
    }
    void end() {
        life.reset();
        store.reset();
    }
    /// As systemd does it: what ended is started again. True: it lives.
    bool keep_alive() {
        if (life != nullptr && fatal.size() > seen_fatal) {
            end();
        }
        return life != nullptr || begin();
    }
    void run_for(Duration d) {
        for (Duration done{0}; done < d; done += seconds{30}) {
            keep_alive();
            scheduler.run_for(seconds{30});
        }
    }

    /// "" when there is none. Not through the store: by another way into the same bytes.
    std::string ask(const std::string& sql) {
        Memory::pause(true);
        Disk copy(disk.files());
        file_system().put_below(copy);
        std::string out;
        sqlite3* db = nullptr;
        sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, file_system().name());
        sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", nullptr, nullptr, nullptr);
        sqlite3_stmt* statement = nullptr;
        sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr);
        while (statement != nullptr && sqlite3_step(statement) == SQLITE_ROW) {
            const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
            out += (out.empty() ? "" : ",") + std::string{text != nullptr ? text : "NULL"};
        }
        sqlite3_finalize(statement);
        sqlite3_close(db);
        file_system().put_below(disk);
        Memory::pause(false);
        return out;
    }
    void expect(bool holds, const std::string& what) {
        if (!holds) {
            wrong.push_back(what);
        }
    }
    /// Before it is obeyed: I1, I4 and I5 by what is on the disk.
    void judge_stop(const FakeNotebook& n) {
        expect(n.resource.run.state == RunState::running, "a stop of what is off");
        const std::string intents = ask("SELECT COUNT(*) FROM intent WHERE act LIKE 'stop%' AND run = '" +
                                        run.value + "' AND id NOT IN (SELECT intent FROM outcome)");
        expect(intents == "1", "a stop with " + intents + " open intents on disk");
        expect(ask("SELECT COUNT(*) FROM enforcement e JOIN receipt r ON r.id = e.receipt AND r.run = e.run"
                   " WHERE e.state = 'stopping'") == "1",
               "a stop without its receipt on disk");
    }
    bool off() const { return world.notebooks.at("demo").resource.run.state == RunState::stopped; }
    /// What may never be said while it is not so.
    void judge_words() {
        if (off()) {
            return;
        }
        for (const Message& message : mail->delivered) {
            expect(message.kind != AlertKind::stopped, "told that it is stopped, which it is not");
        }
        expect(ask("SELECT COUNT(*) FROM enforcement WHERE state = 'stopped' OR outcome = 'stopped'") == "0",
               "written down as stopped, which it is not");
    }
    bool told(AlertKind kind) const {
        return std::ranges::any_of(mail->delivered, [&](const Message& m) { return m.kind == kind; });
    }
    /// A good while after the last refusal.
    void judge_end() {
        expect(off(), "it is not off");
        expect(world.stop_calls.size() == 1, std::to_string(world.stop_calls.size()) + " stop calls");
        expect(told(AlertKind::stop_warning), "nobody was warned");
        expect(told(AlertKind::stopped), "nobody was told of the end");
        end();
        // One that was under way before a long absence may be called off: then the ladder is given anew.
        expect(ask("SELECT COUNT(*) FILTER (WHERE outcome = 'stopped') || ' of ' || COUNT(*) FILTER (WHERE "
                   "state "
                   "<> 'over' OR outcome NOT IN ('stopped', 'cancelled')) FROM enforcement") == "1 of 0",
               "it ended as " +
                   ask("SELECT group_concat(state || '/' || outcome || '/' || reason) FROM enforcement"));
        expect(ask("SELECT COUNT(*) FROM intent WHERE id NOT IN (SELECT intent FROM outcome)") == "0",
               "intents without an outcome");
        expect(ask("SELECT COUNT(*) FROM outbox WHERE state IN ('waiting', 'dead')") == "0",
               "untold messages");
        expect(ask("PRAGMA integrity_check") == "ok", "the database is damaged");
        // Every hour is in the ledger, once.
        const auto& of = world.notebooks.at("demo").resource.run;
        const WallTime ended_at = of.ended_at.value_or(*of.started_at);
        expect(ask("SELECT SUM(for_ms) FROM cost") == std::to_string((ended_at - *of.started_at).count()),
               "the ledger has " + ask("SELECT SUM(for_ms) FROM cost") + " ms");
        if (begin()) {
            const auto chain = life->await(store->verify_audit());
            expect(chain.has_value(), chain ? "" : to_string(chain.error()));
            expect(life->await(store->check_rollups()) == 0, "sums of days are not those of their rows");
        } else {
            expect(false, "it does not start any more");
        }
    }
    std::size_t seen_fatal = 0;
};

/// What refuses.
struct Plan {
    Fault disk;
    std::int64_t memory = 0;
    bool sticky = false;
};

struct Report {
    std::int64_t calls = 0;   // in the time that refusals may fall into
    std::int64_t pieces = 0;  // of memory
    std::int64_t struck = 0;
    std::size_t fatal = 0;
    bool alert = false;
    bool refused_start = false;
    std::string first;
    std::vector<std::string> wrong;
};

constexpr Duration until_it_begins = minutes{29};  // the first warning comes with the thirtieth
constexpr Duration the_whole_of_it = minutes{98};
constexpr Duration sticky_for = minutes{30};
constexpr Duration calm = hours{3};

Report whole_enforcement(const Plan& plan) {
    spdlog::set_level(spdlog::level::off);
    Machine m;
    REQUIRE(m.begin());
    m.run_for(until_it_begins);
    m.disk.plan(plan.disk);
    Memory::plan(plan.memory, plan.sticky);
    std::optional<Duration> left;
    const auto struck = [&] { return m.disk.failed() + Memory::refused(); };
    for (Duration done{0}; left ? *left > Duration{0} : done < the_whole_of_it; done += seconds{30}) {
        m.run_for(seconds{30});
        if (done.count() % 120'000 == 0) {
            m.judge_words();
        }
        if (plan.sticky && struck() > 0) {
            left = left ? *left - seconds{30} : sticky_for;
        }
    }
    m.disk.mend();
    Memory::mend();
    Report report{.calls = m.disk.calls(), .pieces = Memory::asked(), .struck = struck()};
    for (Duration done{0}; done < calm; done += minutes{10}) {
        m.run_for(minutes{10});
        m.judge_words();
    }
    report.fatal = m.fatal.size();
    report.alert = m.told(AlertKind::database) || m.told(AlertKind::disk);
    report.refused_start = m.failed_starts > 0;
    report.first = m.disk.failed() > 0 ? std::string{storage::to_string(m.disk.first_failed())} : "memory";
    m.judge_end();
    report.wrong = std::move(m.wrong);
    return report;
}

struct Part {
    std::int64_t number = 1;
    std::int64_t of = 1;
};

/// What CURFEW_PART asks for: without it all.
Part part() {
    Part part;
    if (const char* text = std::getenv("CURFEW_PART")) {
        long long number = 0;
        long long of = 0;
        char end = 0;
        const int read = std::sscanf(text, "%lld/%lld%c", &number, &of, &end);
        INFO("CURFEW_PART is K/N with K from 1 to N, not \"" << text << '"');
        REQUIRE((read == 2 && number >= 1 && number <= of));
        part = {.number = number, .of = of};
    }
    return part;
}

/// Every place of our part, or so many of all, beginning anywhere.
std::vector<std::int64_t> places(std::int64_t all, std::int64_t wanted) {
    std::vector<std::int64_t> chosen;
    if (wanted == 0 || wanted >= all) {
        const Part ours = part();
        for (std::int64_t i = ours.number; i <= all; i += ours.of) {
            chosen.push_back(i);
        }
        return chosen;
    }
    storage::Dice dice(Catch::rngSeed());
    for (std::int64_t i = 0; i < wanted; ++i) {
        const std::int64_t from = all * i / wanted;
        const std::int64_t to = all * (i + 1) / wanted;
        chosen.push_back(1 + from +
                         static_cast<std::int64_t>(dice.roll(static_cast<std::uint64_t>(to - from))));
    }
    return chosen;
}

enum class What : std::uint8_t { call, full, memory };

Plan plan_of(What what, std::int64_t at, bool sticky) {
    Plan plan;
    plan.sticky = sticky;
    if (what == What::memory) {
        plan.memory = at;
    } else {
        plan.disk = {.at = at, .sticky = sticky, .full = what == What::full};
    }
    return plan;
}

/// At so many places (0 = every one).
void prove(What what, bool sticky, std::int64_t wanted) {
    // A plan that never strikes counts what would count.
    const Report undisturbed = whole_enforcement(plan_of(what, 1'000'000'000, sticky));
    REQUIRE(undisturbed.wrong.empty());
    const std::int64_t all = what == What::memory ? undisturbed.pieces : undisturbed.calls;
    REQUIRE(all > 100);
    int runs = 0;
    int unstruck = 0;
    int fatal = 0;
    int alerts = 0;
    std::map<std::string, int> silent;  // it went on, and nobody was told
    for (const std::int64_t at : places(all, wanted)) {
        const Report report = whole_enforcement(plan_of(what, at, sticky));
        ++runs;
        unstruck += report.struck == 0 ? 1 : 0;
        fatal += report.fatal > 0 ? 1 : 0;
        alerts += report.alert ? 1 : 0;
        const bool heard = report.fatal > 0 || report.refused_start || report.alert;
        if (report.struck > 0 && !heard) {
            ++silent[report.first];
        }
        INFO("refused from " << at << " of " << all << (sticky ? " on" : "") << ", first " << report.first
                             << ", " << report.struck << " times");
        for (const std::string& wrong : report.wrong) {
            UNSCOPED_INFO(wrong);
        }
        CHECK(report.wrong.empty());
        // Half an hour without a disk or memory is heard of.
        CHECK((!sticky || report.struck == 0 || heard));
    }
    std::string quiet;
    for (const auto& [call, count] : silent) {
        quiet += " " + call + " " + std::to_string(count);
    }
    std::printf(
        "%-6s %-6s %4d of %lld places: %d ended the process, %d told by an alert, %d not reached; put up "
        "with in silence:%s\n",
        what == What::memory ? "memory"
        : what == What::full ? "full"
                             : "calls",
        sticky ? "on" : "once", runs, static_cast<long long>(all), fatal, alerts, unstruck,
        quiet.empty() ? " none" : quiet.c_str());
    std::fflush(stdout);
}

}  // namespace

TEST_CASE("a call to the disk that fails once, or for half an hour") {
    prove(What::call, false, 40);
    prove(What::call, true, 25);
}

TEST_CASE("a disk that is full for one write, or for half an hour") {
    prove(What::full, false, 15);
    prove(What::full, true, 15);
}

TEST_CASE("a piece of memory that SQLite does not get, or none for half an hour") {
    prove(What::memory, false, 35);
    prove(What::memory, true, 20);
}

TEST_CASE("every call to the disk once", "[.long]") {
    prove(What::call, false, 0);
}

TEST_CASE("every call to the disk from there on", "[.long]") {
    prove(What::call, true, 0);
}

TEST_CASE("every write to a disk that is full", "[.long]") {
    prove(What::full, false, 0);
    prove(What::full, true, 0);
}

TEST_CASE("every piece of memory", "[.long]") {
    prove(What::memory, false, 0);
    prove(What::memory, true, 0);
}
