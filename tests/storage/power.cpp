// Power cuts: what the store did is written down once, call by call; then the power goes at every place of it, many
// times over, and each time leaves another part of what was not synced. What is found afterwards must be what was
// acknowledged, and of the step under way all or nothing.
//
//   storage_power [--cuts N] [--seed N] [--synchronous FULL|NORMAL|OFF]
//
// Without --synchronous it also proves that it notices NORMAL (loses what was acknowledged) and OFF (damages).
#include "storage/books.hpp"
#include "storage/disk.hpp"
#include "storage/plain.hpp"
#include "storage/workload.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace curfew;
using namespace curfew::storage;

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "storage_power: %s\n", why.c_str());
    std::exit(1);
}

template <class T>
T must(Result<T> result, const char* what) {
    if (!result) {
        give_up(std::string{what} + ": " + to_string(result.error()));
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*result);
    }
}

// ---- what is done ----------------------------------------------------------------------------------

struct Step {
    std::string name;
    std::function<void(Books&)> act;
};

/// What the database holds after a step that was acknowledged.
struct State {
    std::string rows;
    Image file;  // with everything in its place
};

struct Story {
    std::string name;
    Files before;
    std::vector<Step> steps;
};

struct Tally {
    std::int64_t cuts = 0;
    std::int64_t by_bytes = 0;  // equal to what is known, bit for bit
    std::int64_t by_rows = 0;   // read row by row
    std::int64_t reopened = 0;  // by the store itself
    std::int64_t twice = 0;     // cut again while it came back
    std::int64_t lost = 0;      // whole, but without what was acknowledged
    std::int64_t damaged = 0;   // anything else
    std::vector<std::string> examples;
};

class Bench {
public:
    Bench(std::uint64_t seed, const char* synchronous) : seed_(seed), synchronous_(synchronous) {}

    /// About so many cuts of the story.
    void prove(const Story& story, std::int64_t cuts) { prove(story, cuts, true); }
    Files after(const Story& story);
    Files written_by(const std::string& sql);
    const Tally& tally() const { return tally_; }
    std::string path() const { return folder_.database(); }

private:
    std::vector<State> record(const Story& story, Log& log, Files* end);
    void prove(const Story& story, std::int64_t cuts, bool nested);
    State state_of(const Files& files);
    void judge(const Story& story, const std::vector<State>& states, std::size_t sure, const Files& found,
               std::uint64_t seed, bool closely, bool nested);
    std::string look_closely(const Story& story, const std::vector<State>& states, std::size_t sure,
                             const Files& found, bool reopen, bool nested, bool& only_lost);

    std::uint64_t seed_;
    const char* synchronous_;
    Folder folder_;
    Vfs vfs_{"curfew-power"};
    Tally tally_;
    std::map<std::size_t, std::vector<Image>> known_;  // other files with the rows of a state, of this story
};

State Bench::state_of(const Files& files) {
    Disk disk(files);
    vfs_.put_below(disk);
    State state;
    {
        Plain plain(vfs_, path());
        plain.recover();
        auto [rows, wrong] = plain.all();
        if (!wrong.empty()) {
            give_up("without any cut: " + wrong);
        }
        state.rows = std::move(rows);
    }
    state.file = disk.files()[path()];
    return state;
}

std::vector<State> Bench::record(const Story& story, Log& log, Files* end) {
    std::vector<State> states{state_of(story.before)};
    Disk disk(story.before);
    vfs_.put_below(disk);
    disk.record(&log);
    Books books(vfs_, path(), synchronous_);
    std::int64_t number = 0;
    for (const Step& step : story.steps) {
        vfs_.put_below(disk);
        step.act(books);
        disk.mark(++number);
        states.push_back(state_of(disk.files()));
    }
    vfs_.put_below(disk);
    if (end != nullptr) {
        *end = disk.files();
    }
    disk.record(nullptr);
    return states;
}

Files Bench::after(const Story& story) {
    Log log;
    Files end;
    record(story, log, &end);
    return end;
}

Files Bench::written_by(const std::string& sql) {
    Disk disk;
    vfs_.put_below(disk);
    {
        Plain plain(vfs_, path());
        plain.run(sql);
        if (!plain.error().empty()) {
            give_up(plain.error());
        }
    }
    return disk.files();
}

void Bench::prove(const Story& story, std::int64_t cuts, bool nested) {
    Log log;
    const std::vector<State> states = record(story, log, nullptr);
    if (nested) {
        known_.clear();
    }
    Dice dice(seed_ ^ std::hash<std::string>{}(story.name));
    PowerCut power(story.before, log);
    const auto places = static_cast<std::int64_t>(log.size());
    std::int64_t made = 0;
    std::int64_t place = 0;
    while (!power.ended()) {
        ++place;
        if (power.step()) {
            continue;
        }
        for (; made < cuts * place / places; ++made) {
            const std::uint64_t seed = dice.next();
            Dice fate(seed);
            const Files found = power.cut(fate);
            ++tally_.cuts;
            judge(story, states, static_cast<std::size_t>(power.mark()), found, seed, made % 64 == 0, nested);
        }
    }
}

void Bench::judge(const Story& story, const std::vector<State>& states, std::size_t sure, const Files& found,
                  std::uint64_t seed, bool closely, bool nested) {
    const std::size_t last = std::min(sure + 1, states.size() - 1);
    Disk disk(found);
    vfs_.put_below(disk);
    std::string wrong;
    {
        Plain plain(vfs_, path());
        plain.recover();
        wrong = plain.error();
    }
    if (wrong.empty() && !closely) {
        const Image file = disk.files()[path()];
        for (std::size_t i = sure; i <= last; ++i) {
            bool same = file == states[i].file;
            for (const Image& other : known_[i]) {
                same = same || (nested && file == other);
            }
            if (same) {
                ++tally_.by_bytes;
                return;
            }
        }
    }
    bool only_lost = false;
    wrong = look_closely(story, states, sure, found, closely || !nested, nested, only_lost);
    if (wrong.empty()) {
        return;
    }
    ++(only_lost ? tally_.lost : tally_.damaged);
    if (tally_.examples.size() < 5) {
        tally_.examples.push_back(story.name + ", cut " + std::to_string(seed) + " in \"" +
                                  story.steps[std::min(sure, story.steps.size() - 1)].name +
                                  "\": " + wrong.substr(0, 300));
    }
}

/// Row by row; and opened by the store itself where `reopen` says so, or where few files of such rows were seen.
/// Garbage in what was never synced makes nearly every file one of its kind: each is read, not each is reopened.
std::string Bench::look_closely(const Story& story, const std::vector<State>& states, std::size_t sure,
                                const Files& found, bool reopen, bool nested, bool& only_lost) {
    ++tally_.by_rows;
    const std::size_t last = std::min(sure + 1, states.size() - 1);
    std::string rows;
    Image file;
    {
        Disk disk(found);
        vfs_.put_below(disk);
        {
            Plain plain(vfs_, path());
            plain.recover();
            auto [read, wrong] = plain.all();
            if (!wrong.empty()) {
                return wrong;
            }
            rows = std::move(read);
        }
        file = disk.files()[path()];
    }
    std::size_t which = sure;
    while (which <= last && states[which].rows != rows) {
        ++which;
    }
    if (which > last) {
        for (std::size_t i = 0; i < sure; ++i) {
            if (states[i].rows == rows) {
                only_lost = true;
                return "acknowledged, and gone: it is as after step " + std::to_string(i) + " of " +
                       std::to_string(sure);
            }
        }
        return "neither what was acknowledged nor the step after it";
    }
    if (nested && known_[which].size() < 64) {
        known_[which].push_back(file);
    } else if (!reopen) {
        return {};
    }
    // And now as the daemon does it.
    ++tally_.reopened;
    Disk disk(found);
    vfs_.put_below(disk);
    Log log;
    disk.record(&log);
    {
        Books books(vfs_, path(), synchronous_);
        if (const auto opened = books.open(); !opened) {
            return "reopened: " + to_string(opened.error());
        }
        disk.record(nullptr);
        if (const auto chain = books.run(books.store().verify_audit()); !chain) {
            return "the audit: " + to_string(chain.error());
        }
        if (const auto zone = books.run(books.store().use_zone(Zone{})); !zone) {
            return "the zone: " + to_string(zone.error());
        }
        if (const auto sums = books.run(books.store().check_rollups()); !sums || *sums != 0) {
            return "the sums of " + std::to_string(sums.value_or(-1)) + " days are not those of their rows";
        }
        if (const auto more = books.run(books.store().commit(batches(90).front())); !more) {
            return "it takes nothing more: " + to_string(more.error());
        }
    }
    if (nested && tally_.reopened % 8 == 0) {
        const Story again{.name = story.name + ", coming back",
                          .before = found,
                          .steps = {{"reopen", [](Books& b) { must(b.open(), "reopening"); }}}};
        const std::int64_t before = tally_.cuts;
        prove(again, 8, false);
        tally_.twice += tally_.cuts - before;
    }
    return {};
}

// ---- the stories -----------------------------------------------------------------------------------

const Step opening{"open", [](Books& b) { must(b.open(), "opening"); }};
const Step loading{"load", [](Books& b) { must(b.run(b.store().load("boot-1")), "loading"); }};
const Step zone{"zone", [](Books& b) { must(b.run(b.store().use_zone(Zone{})), "the zone"); }};
const Step closing{"close", [](Books& b) { must(b.run(b.store().close()), "closing"); }};

void add_batches(std::vector<Step>& steps, int number) {
    for (const Batch& batch : batches(number)) {
        steps.push_back({"batch " + std::to_string(number) + "." + std::to_string(steps.size()),
                         [batch](Books& b) { must(b.run(b.store().commit(batch)), "committing"); }});
    }
}

Story life(const std::string& name, Files before, std::vector<int> numbers) {
    Story story{.name = name, .before = std::move(before), .steps = {opening, loading, zone}};
    for (const int number : numbers) {
        add_batches(story.steps, number);
    }
    story.steps.push_back(closing);
    return story;
}

/// A database of an older version, with rows in every table.
std::string older(int version) {
    const char* source = std::getenv("CURFEW_SOURCE");
    const std::string folder = std::string{source != nullptr ? source : "."} + "/tests/integration/store/";
    std::ostringstream out;
    const auto add = [&](const std::string& name) {
        std::ifstream in(folder + name);
        if (!in) {
            give_up("CURFEW_SOURCE must name the source folder");
        }
        out << in.rdbuf();
    };
    add("version_" + std::to_string(version) + ".sql");
    if (version == 1) {
        add("rows_1.sql");
    } else if (version == 2) {
        add("rows_2.sql");
    }
    return out.str();
}

Tally all_stories(std::int64_t cuts, std::uint64_t seed, const char* synchronous) {
    Bench bench(seed, synchronous);
    const Story first = life("first life", {}, {1});
    bench.prove(first, cuts * 40 / 100);
    bench.prove(life("second life", bench.after(first), {2, 3}), cuts * 30 / 100);
    for (const int version : {1, 2, 3, 4}) {
        bench.prove(life("from version " + std::to_string(version), bench.written_by(older(version)), {4}),
                    cuts * 30 / 100 / 4);
    }
    return bench.tally();
}

Tally report(std::int64_t cuts, std::uint64_t seed, const char* synchronous) {
    const auto begun = std::chrono::steady_clock::now();
    const Tally t = all_stories(cuts, seed, synchronous);
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    std::printf(
        "synchronous=%-6s %8lld cuts (%lld while coming back), %lld equal bit for bit, %lld read row by row, "
        "%lld reopened: %lld lost, %lld damaged; %.1f s\n",
        synchronous, static_cast<long long>(t.cuts), static_cast<long long>(t.twice),
        static_cast<long long>(t.by_bytes), static_cast<long long>(t.by_rows),
        static_cast<long long>(t.reopened), static_cast<long long>(t.lost), static_cast<long long>(t.damaged),
        took);
    for (const std::string& example : t.examples) {
        std::printf("  %s\n", example.c_str());
    }
    std::fflush(stdout);
    return t;
}

}  // namespace

int main(int argc, char** argv) {
    std::int64_t cuts = 50'000;
    std::uint64_t seed = 1;
    std::string only;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string option = argv[i];
        if (option == "--cuts") {
            cuts = std::strtoll(argv[i + 1], nullptr, 10);
        } else if (option == "--seed") {
            seed = std::strtoull(argv[i + 1], nullptr, 10);
        } else if (option == "--synchronous") {
            only = argv[i + 1];
        }
    }
    if (!only.empty()) {
        const Tally t = report(cuts, seed, only.c_str());
        return t.lost + t.damaged == 0 ? 0 : 1;
    }
    const Tally full = report(cuts, seed, "FULL");
    const Tally normal = report(1500, seed, "NORMAL");
    const Tally off = report(1500, seed, "OFF");
    int wrong = 0;
    const auto expect = [&](bool holds, const char* what) {
        if (!holds) {
            std::printf("FAILED: %s (--seed %llu)\n", what, static_cast<unsigned long long>(seed));
            ++wrong;
        }
    };
    expect(full.cuts >= cuts, "as many cuts as asked for");
    expect(full.lost == 0, "nothing that was acknowledged is lost");
    expect(full.damaged == 0, "no half transaction, no damage");
    expect(normal.lost > 0, "synchronous=NORMAL is noticed: it loses what was acknowledged");
    expect(off.damaged > 0, "synchronous=OFF is noticed: it damages");
    return wrong == 0 ? 0 : 1;
}
