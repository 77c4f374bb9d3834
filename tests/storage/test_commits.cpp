// The store alone, refused something at each of its calls to the disk or pieces of memory: it never says that a batch
// is stored when it is not, what it refused is wholly absent, and afterwards it takes the same batch.
#include "storage/books.hpp"
#include "storage/memory.hpp"
#include "storage/plain.hpp"
#include "storage/workload.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <memory>
#include <set>

using namespace curfew;
using namespace curfew::storage;

namespace {

Vfs& file_system() {
    static Vfs vfs = [] {
        Memory::watch();
        return Vfs{"curfew-commits"};
    }();
    return vfs;
}

std::string rows_on(const Files& files, const std::string& path) {
    Memory::pause(true);
    Disk copy(files);
    Disk& before = file_system().disk();
    file_system().put_below(copy);
    std::string rows;
    {
        Plain plain(file_system(), path);
        auto [all, wrong] = plain.all();
        rows = std::move(all);
        rows += wrong;
    }
    file_system().put_below(before);
    Memory::pause(false);
    return rows;
}

/// A database to begin from, and what it holds after each batch.
struct Undisturbed {
    Folder folder;
    std::string path = folder.database();
    Files files;
    std::vector<Batch> todo = batches(1);
    std::vector<std::string> rows;
    std::int64_t calls = 0;
    std::int64_t writes = 0;
    std::int64_t pieces = 0;

    Undisturbed() {
        Disk disk;
        file_system().put_below(disk);
        {
            Books books(file_system(), path);
            REQUIRE(books.open());
            REQUIRE(books.run(books.store().load("boot-1")));
            REQUIRE(books.run(books.store().close()));
        }
        files = disk.files();
        count(true);
        count(false);
    }
    void count(bool full) {
        Disk disk(files);
        file_system().put_below(disk);
        Books books(file_system(), path);
        disk.plan({.at = 1'000'000'000, .full = full});
        Memory::plan(0, false);
        REQUIRE(books.open());
        rows = {rows_on(disk.files(), path)};
        for (const Batch& batch : todo) {
            REQUIRE(books.run(books.store().commit(batch)));
            rows.push_back(rows_on(disk.files(), path));
        }
        (full ? writes : calls) = disk.calls();
        pieces = Memory::asked();
    }
};

struct Outcome {
    std::int64_t struck = 0;
    std::set<Errc> said;
    std::string wrong;
};

/// Mended after so many refusals that were heard of.
Outcome whole_life(const Undisturbed& from, Fault fault, std::int64_t memory, bool sticky) {
    Outcome outcome;
    Disk disk(from.files);
    file_system().put_below(disk);
    disk.plan(fault);
    Memory::plan(memory, sticky);
    auto books = std::make_unique<Books>(file_system(), from.path);
    int heard = 0;
    const auto refused = [&](const Error& error) {
        outcome.said.insert(error.code);
        if (++heard == 3 || !sticky) {
            disk.mend();
            Memory::mend();
        }
    };
    bool open = false;
    for (std::size_t i = 0; i < from.todo.size() && heard < 20;) {
        if (!open) {
            books.reset();
            books = std::make_unique<Books>(file_system(), from.path);
            const auto opened = books->open();
            open = opened.has_value();
            if (!open) {
                refused(opened.error());
                continue;
            }
        }
        const auto done = books->run(books->store().commit(from.todo[i]));
        if (!books->fatal().empty()) {
            books.reset();  // its end decides what becomes of a batch whose sync failed
            open = false;
        }
        const std::string now = rows_on(disk.files(), from.path);
        outcome.struck = disk.failed() + Memory::refused();
        if (done) {
            if (now != from.rows[++i]) {
                outcome.wrong = "said to be stored, and is not";
                return outcome;
            }
            continue;
        }
        refused(done.error());
        // After a failed sync the whole of it may be there; never a part.
        const bool there = now == from.rows[i + 1];
        if (now != from.rows[i] && !(there && done.error().code == Errc::disk)) {
            outcome.wrong = "refused with \"" + to_string(done.error()) + "\", and not as it was before";
            return outcome;
        }
        i += there ? 1 : 0;
    }
    disk.mend();
    Memory::mend();
    outcome.struck = disk.failed() + Memory::refused();
    books.reset();
    if (rows_on(disk.files(), from.path) != from.rows.back()) {
        outcome.wrong = "in the end it is not what it is without faults";
    }
    return outcome;
}

void prove(const Undisturbed& from, const char* what, std::int64_t all, std::int64_t every, bool full,
           bool memory, bool sticky) {
    Dice dice(Catch::rngSeed());
    int runs = 0;
    int heard = 0;
    std::set<Errc> said;
    for (std::int64_t at = 1 + static_cast<std::int64_t>(dice.roll(static_cast<std::uint64_t>(every)));
         at <= all; at += every) {
        const Outcome outcome = whole_life(from,
                                           memory ? Fault{} : Fault{.at = at, .sticky = sticky, .full = full},
                                           memory ? at : 0, sticky);
        ++runs;
        heard += outcome.said.empty() ? 0 : 1;
        said.insert(outcome.said.begin(), outcome.said.end());
        INFO(what << (sticky ? " from " : " at ") << at << " of " << all);
        CHECK(outcome.wrong == "");
        CHECK(outcome.struck > 0);
    }
    // Every refusal has its name.
    for (const Errc code : said) {
        CHECK((code == Errc::disk || code == Errc::disk_full || code == Errc::internal ||
               code == Errc::overloaded));
    }
    std::printf("commits: %-6s %-4s %4d of %lld places, %d heard of by an error\n", what,
                sticky ? "on" : "once", runs, static_cast<long long>(all), heard);
}

constexpr std::int64_t none = 0;

void all_of_them(std::int64_t every, std::int64_t every_piece) {
    const Undisturbed from;
    for (const bool sticky : {false, true}) {
        if (every != none) {
            prove(from, "calls", from.calls, every, false, false, sticky);
            prove(from, "full", from.writes, every, true, false, sticky);
        }
        if (every_piece != none) {
            prove(from, "memory", from.pieces, every_piece, false, true, sticky);
        }
    }
}

}  // namespace

TEST_CASE("a batch is stored or refused, whatever the disk and the memory do") {
    all_of_them(11, 197);
}

TEST_CASE("a batch is stored or refused at every call to the disk", "[.long]") {
    all_of_them(1, none);
}

TEST_CASE("a batch is stored or refused at every piece of memory", "[.long]") {
    all_of_them(none, 1);
}
