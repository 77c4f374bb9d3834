// Bits that turn over by themselves: `curfew verify` finds every one in the rows of the audit, and elsewhere what the
// database can tell. A plain run flips one bit of each byte, another one with each seed; "[long]" flips all.
#include "storage/books.hpp"
#include "storage/plain.hpp"
#include "storage/workload.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <sstream>

using namespace curfew;
using namespace curfew::storage;

namespace {

Vfs& file_system() {
    static Vfs vfs{"curfew-flips"};
    return vfs;
}

/// A closed database with a good many rows, and where those of the audit lie.
struct Written {
    Folder folder;
    std::string path = folder.database();
    Files files;
    std::string rows;                 // everything that is in it
    std::vector<std::int64_t> audit;  // offsets of bytes of its rows

    Written() {
        Disk disk;
        file_system().put_below(disk);
        {
            Books books(file_system(), path);
            REQUIRE(books.open());
            REQUIRE(books.run(books.store().load("boot-1")));
            REQUIRE(books.run(books.store().use_zone(Zone{})));
            for (const Batch& batch : batches(1)) {
                REQUIRE(books.run(books.store().commit(batch)));
            }
            REQUIRE(books.run(books.store().close()));
        }
        files = disk.files();
        rows = content();
        find_rows();
    }
    std::string content() {
        Plain plain(file_system(), path);
        return plain.all().first + plain.error();
    }
    void find_rows();
};

/// SQLite's variable length integer.
std::uint64_t varint(const std::string& page, std::size_t& at) {
    std::uint64_t value = 0;
    for (int i = 0; i < 9; ++i) {
        const auto byte = static_cast<unsigned char>(page[at++]);
        value = i == 8 ? value << 8U | byte : value << 7U | (byte & 0x7FU);
        if ((byte & 0x80U) == 0) {
            break;
        }
    }
    return value;
}

std::size_t word(const std::string& page, std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(page[at]) << 8U |
                                    static_cast<unsigned char>(page[at + 1]));
}

void Written::find_rows() {
    constexpr std::uint64_t usable = 4096;
    std::istringstream pages([&] {
        Plain plain(file_system(), path);
        return plain.ask("SELECT pageno, pagetype FROM dbstat WHERE name = 'audit'");
    }());
    for (std::string line; std::getline(pages, line);) {
        const std::size_t number = line.find(':', line.find(':') + 1) + 1;
        const std::int64_t base = (std::stoll(line.substr(number)) - 1) * Image::page_size;
        std::string page(Image::page_size, '\0');
        files.at(path).read(base, page.data(), Image::page_size);
        if (line.find("overflow") != std::string::npos) {
            for (std::int64_t i = 0; i < Image::page_size; ++i) {
                if (i < 4 || page[static_cast<std::size_t>(i)] != '\0') {  // zeros lie behind the row's end
                    audit.push_back(base + i);
                }
            }
        } else if (line.find("leaf") != std::string::npos) {
            for (std::size_t cell = 0; cell < word(page, 3); ++cell) {
                const std::size_t from = word(page, 8 + 2 * cell);
                std::size_t at = from;
                const std::uint64_t size = varint(page, at);
                varint(page, at);
                const std::uint64_t least = (usable - 12) * 32 / 255 - 23;
                const std::uint64_t rest = least + (size - least) % (usable - 4);
                const std::uint64_t local = size <= usable - 35 ? size : rest <= usable - 35 ? rest : least;
                const std::size_t to = at + local + (local < size ? 4 : 0);
                for (std::size_t i = from; i < to; ++i) {
                    audit.push_back(base + static_cast<std::int64_t>(i));
                }
            }
        }
    }
}

/// What `curfew verify` asks of the store. "" = nothing is wrong.
std::string verify(Books& books) {
    const auto file = books.run(books.store().check_file());
    if (!file) {
        return file.error().text;
    }
    if (!file->empty()) {
        return file->front();
    }
    const auto chain = books.run(books.store().verify_audit());
    if (!chain) {
        return chain.error().text;
    }
    const auto sums = books.run(books.store().check_rollups());
    return !sums ? sums.error().text : *sums != 0 ? "sums of days were made anew" : "";
}

struct Found {
    int tried = 0;
    int named = 0;  // by the number of its row, or its table
    int missed = 0;
    /// No value of any row is another. SQLite keeps one byte in a row for its number and never reads it: NULL and 0 are
    /// the same there.
    int harmless = 0;
    int rows = 0;
};

std::string rows_on(const Disk& disk, const std::string& path) {
    Disk copy(disk.files());
    Disk& before = file_system().disk();
    file_system().put_below(copy);
    std::string rows;
    {
        Plain plain(file_system(), path);
        rows = plain.ask("SELECT * FROM audit") + plain.error();
    }
    file_system().put_below(before);
    return rows;
}

/// One bit of a daemon's database after the other, while it has it open.
Found in_the_audit(bool every_bit) {
    Written written;
    Dice dice(Catch::rngSeed());
    Disk disk(written.files);
    file_system().put_below(disk);
    auto books = std::make_unique<Books>(file_system(), written.path);
    REQUIRE(books->open());
    Found found;
    const std::string rows = rows_on(disk, written.path);
    found.rows = static_cast<int>(std::ranges::count(rows, '\n'));
    for (const std::int64_t byte : written.audit) {
        const auto chosen = static_cast<std::int64_t>(dice.roll(8));
        for (std::int64_t bit = every_bit ? 0 : chosen; bit <= (every_bit ? 7 : chosen); ++bit) {
            disk.flip(written.path, byte * 8 + bit);
            const std::string wrong = verify(*books);
            ++found.tried;
            found.named += wrong.find("row ") != std::string::npos || wrong.find("page") != std::string::npos
                               ? 1
                               : 0;
            if (wrong.empty()) {
                const bool as_it_was = rows_on(disk, written.path) == rows;
                ++(as_it_was ? found.harmless : found.missed);
                if (!as_it_was) {
                    std::printf("missed: byte %lld, bit %lld\n", static_cast<long long>(byte),
                                static_cast<long long>(bit));
                }
            }
            disk.flip(written.path, byte * 8 + bit);
            if (!books->fatal().empty()) {  // the process ends when somebody else meets it
                books = std::make_unique<Books>(file_system(), written.path);
                REQUIRE(books->open());
            }
        }
    }
    return found;
}

void prove(bool every_bit) {
    const Found found = in_the_audit(every_bit);
    std::printf(
        "audit: %d bits flipped, %d found, %d of them by row or page, %d changed no value, %d missed\n",
        found.tried, found.tried - found.missed - found.harmless, found.named, found.harmless, found.missed);
    CHECK(found.tried > 5000);
    CHECK(found.missed == 0);
    CHECK(found.harmless <= found.rows);
}

}  // namespace

TEST_CASE("an undamaged database is found to be so") {
    Written written;
    Disk disk(written.files);
    file_system().put_below(disk);
    Books books(file_system(), written.path);
    REQUIRE(books.open());
    CHECK(verify(books).empty());
}

TEST_CASE("a bit of each byte of the audit's rows") {
    prove(false);
}

TEST_CASE("every bit of the audit's rows", "[.long]") {
    prove(true);
}

TEST_CASE("a bit anywhere in the file, while no daemon runs, is found or does no harm, or lies in a value") {
    Written written;
    Dice dice(Catch::rngSeed());
    const std::int64_t bits = written.files.at(written.path).size() * 8;
    int refused = 0;
    int found = 0;
    int harmless = 0;
    int in_a_value = 0;
    constexpr int tries = 800;
    for (int i = 0; i < tries; ++i) {
        Disk disk(written.files);
        file_system().put_below(disk);
        const auto bit = static_cast<std::int64_t>(dice.roll(static_cast<std::uint64_t>(bits)));
        disk.flip(written.path, bit);
        Disk as_flipped(disk.files());
        std::string wrong;
        {
            Books books(file_system(), written.path);
            if (!books.open() || !books.run(books.store().use_zone(Zone{}))) {
                ++refused;
                continue;
            }
            wrong = verify(books);
        }
        file_system().put_below(as_flipped);
        const bool same = written.content() == written.rows;
        ++(!wrong.empty() ? found : same ? harmless : in_a_value);
    }
    std::printf(
        "anywhere: %d bits flipped, %d refused at the start, %d found, %d harmless, %d in values that "
        "nothing "
        "else speaks of\n",
        tries, refused, found, harmless, in_a_value);
    CHECK(refused + found + harmless + in_a_value == tries);
    CHECK(in_a_value < tries / 4);
}
