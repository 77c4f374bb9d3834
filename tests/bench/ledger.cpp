// The ledger at three ages: rows of 1,000 resources are laid down by SQL in bulk, hour after hour, as polls would
// have left them; the store makes its sums of days from them, and is then asked what the daemon and people ask.
// Beside it the same questions in plain SQL on the rows.
#include "adapters/sqlite/store.hpp"
#include "integration/http/loop.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace curfew;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t resources = 1000;
constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t run_hours = 24;  // everything is started once a day
constexpr int budgets = 20;
constexpr int polls = 5;
constexpr int repeats = 3;
/// The newest row's hour ends here: 2026-11-20, so that the month is as long at every age of at least 20 days.
constexpr WallTime now{1'795'132'800'000};
constexpr std::array<std::pair<const char*, std::int64_t>, 6> types{{{"C4", 40'000'000},
                                                                     {"P4000", 510'000'000},
                                                                     {"RTX4000", 560'000'000},
                                                                     {"A4000", 760'000'000},
                                                                     {"A6000", 1'890'000'000},
                                                                     {"H100", 5'950'000'000}}};

[[noreturn]] void give_up(const std::string& text) {
    std::fprintf(stderr, "bench: %s\n", text.c_str());
    std::exit(1);
}

double seconds_of(const std::function<void()>& work) {
    const auto begun = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

double median_of(const std::function<void()>& work) {
    std::array<double, repeats> took{};
    for (double& one : took) {
        one = seconds_of(work);
    }
    std::ranges::sort(took);
    return took[repeats / 2];
}

void say(std::int64_t hours, const char* what, std::optional<double> ours, std::optional<double> plain) {
    const auto text = [](const std::optional<double>& v) {
        return v ? std::to_string(*v) : std::string{"-"};
    };
    std::printf("%lld\t%s\t%s\t%s\n", static_cast<long long>(hours * resources), what, text(ours).c_str(),
                text(plain).c_str());
    std::fflush(stdout);
}

/// A plain connection.
class Sql {
public:
    explicit Sql(const std::string& path) {
        if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) {
            give_up(path);
        }
    }
    Sql(const Sql&) = delete;
    Sql& operator=(const Sql&) = delete;
    ~Sql() { sqlite3_close(db_); }

    /// The sum of the last column of all rows.
    std::int64_t run(const std::string& sql, std::initializer_list<std::int64_t> values = {}) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
            give_up(sql + ": " + sqlite3_errmsg(db_));
        }
        int index = 0;
        for (const std::int64_t value : values) {
            sqlite3_bind_int64(statement, ++index, value);
        }
        std::int64_t sum = 0;
        int code = SQLITE_ROW;
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
            sum += sqlite3_column_int64(statement, sqlite3_column_count(statement) - 1);
        }
        if (code != SQLITE_DONE) {
            give_up(sql + ": " + sqlite3_errmsg(db_));
        }
        sqlite3_finalize(statement);
        return sum;
    }

private:
    sqlite3* db_ = nullptr;
};

class Books {
public:
    void open(const std::string& path) {
        auto opened = sqlite::open(path, loop_.context().get_executor(),
                                   [](const std::string& text) { give_up(text); });
        if (!opened) {
            give_up(to_string(opened.error()));
        }
        store_ = std::move(opened->store);
    }
    void load() { (void)good(loop_.run(store_->load("boot"))); }
    void use_zone() { check(loop_.run(store_->use_zone(Zone{}))); }
    std::int64_t check_rollups() { return good(loop_.run(store_->check_rollups())); }
    void commit(Batch batch) { check(loop_.run(store_->commit(std::move(batch)))); }
    std::vector<SpendRow> spend(WallTime from, WallTime to, std::vector<SpendBy> by) {
        return good(loop_.run(store_->spend({from, to, std::move(by), Zone{}})));
    }
    void close() {
        check(loop_.run(store_->close()));
        store_.reset();
    }

private:
    static void check(const Result<void>& result) {
        if (!result) {
            give_up(to_string(result.error()));
        }
    }
    template <class T>
    static T good(Result<T> result) {
        if (!result) {
            give_up(to_string(result.error()));
        }
        return std::move(*result);
    }

    support::Loop loop_;
    std::unique_ptr<Store> store_;
};

std::string name_of(std::int64_t resource) {
    return "r" + std::to_string(100'000'000'000'000 + resource * 7919);  // as long as the provider's
}
std::string run_of(std::int64_t resource, std::int64_t day) {
    return "n" + std::to_string(100'000'000 + day * resources + resource);
}

std::int64_t total_of(const std::vector<SpendRow>& rows) {
    std::int64_t sum = 0;
    for (const SpendRow& row : rows) {
        sum += row.gross.nanos;
    }
    return sum;
}

void make_resources(Books& books, WallTime first) {
    Batch batch;
    for (std::int64_t r = 1; r <= resources; ++r) {
        batch.emplace_back(ResourceRow{.id = ResourceId{name_of(r)},
                                       .account = AccountName{"me"},
                                       .kind = ResourceKind::notebook,
                                       .name = "notebook " + std::to_string(r),
                                       .project = "p" + std::to_string(r % 7),
                                       .owner = "user" + std::to_string(r % 30) + "@example.org",
                                       .first_seen = first,
                                       .last_seen = now,
                                       .gone = false});
    }
    books.commit(std::move(batch));
}

/// Runs, meters and rows of `hours` hours up to `now`.
void lay_down(const std::string& path, std::int64_t hours) {
    Sql sql(path);
    const std::int64_t days = (hours + run_hours - 1) / run_hours;
    const std::int64_t first = now.ms - hours * hour_ms;
    sql.run("PRAGMA synchronous = OFF");
    sql.run("PRAGMA cache_size = -200000");
    sql.run("BEGIN");
    std::string words;
    for (const auto& [name, rate] : types) {
        words += std::string{words.empty() ? "" : ", "} + "(0, '" + name + "', " + std::to_string(rate) +
                 ", 'USD', 'night')";
    }
    sql.run("INSERT INTO cost_terms (meter, sku, rate_nanos, currency, rule) VALUES " + words);
    sql.run("INSERT INTO cost_resource SELECT ROW_NUMBER() OVER (ORDER BY id), id FROM resource");
    sql.run(
        "INSERT INTO cost_line WITH RECURSIVE d(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM d WHERE i + 1 < "
        "?1)"
        " SELECT d.i * ?2 + r.no, r.no, 'n' || (100000000 + d.i * ?2 + r.no), 0 FROM d CROSS JOIN "
        "cost_resource r",
        {days, resources});
    sql.run(
        "INSERT INTO run SELECT l.run, r.resource, 'me', t.sku, 'stopped', 'Stopped', ?1 + (l.no - 1) / ?2 * "
        "?3,"
        " ?1 + ((l.no - 1) / ?2 + 1) * ?3, 0, 0 FROM cost_line l JOIN cost_resource r ON r.no = l.resource"
        " JOIN cost_terms t ON t.no = 1 + r.no % 6",
        {first, resources, run_hours * hour_ms});
    sql.run(
        "INSERT INTO meter SELECT u.id, 'compute', u.resource, u.machine_type, 1, NULL, 'USD', 'none', "
        "'night',"
        " u.started_at, u.ended_at, u.ended_at, 0, 0, 'USD', 0 FROM run u");
    sql.run("COMMIT");
    for (std::int64_t from = 0; from < hours; from += 1000) {
        sql.run(
            "INSERT INTO cost WITH RECURSIVE h(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM h WHERE i + 1 < "
            "?2)"
            " SELECT ?3 + h.i * 3600000, h.i / ?4 * ?5 + r.no, 0, 3600000, t.no, t.rate_nanos, 0, 0"
            " FROM h CROSS JOIN cost_resource r JOIN cost_terms t ON t.no = 1 + r.no % 6",
            {from, std::min(hours, from + 1000), first, run_hours, resources});
    }
    sql.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/// The table that version 2 had, with as many rows. Its indexes are made at the end, which is kinder to it than
/// life was.
double plain_bytes(const std::string& path, const std::string& of) {
    Sql sql(path);
    sql.run("PRAGMA synchronous = OFF");
    sql.run("ATTACH '" + of + "' AS ours");
    sql.run(
        "CREATE TABLE plain (resource TEXT NOT NULL, run TEXT NOT NULL, meter TEXT NOT NULL, from_ms INTEGER "
        "NOT "
        "NULL, to_ms INTEGER NOT NULL, machine_type TEXT NOT NULL, rate_nanos INTEGER, gross_nanos INTEGER "
        "NOT "
        "NULL, currency TEXT NOT NULL, source TEXT NOT NULL, estimated INTEGER NOT NULL, error_bar_ms "
        "INTEGER NOT "
        "NULL)");
    sql.run(
        "INSERT INTO plain SELECT resource, run, meter, from_ms, to_ms, sku, rate_nanos, gross_nanos, "
        "currency, "
        "source, estimated, error_bar_ms FROM ours.ledger");
    sql.run("DETACH ours");
    sql.run("CREATE UNIQUE INDEX plain_once ON plain (resource, run, meter, from_ms, source)");
    sql.run("CREATE INDEX plain_by_time ON plain (from_ms)");
    return static_cast<double>(fs::file_size(path));
}

Batch poll_of(std::int64_t hours, std::int64_t poll) {
    const WallTime from = now + Duration{poll * hour_ms};
    const std::int64_t day = (hours + poll) / run_hours;
    Batch batch;
    for (std::int64_t r = 1; r <= resources; ++r) {
        const auto& [sku, nanos] = types[static_cast<std::size_t>(r % 6)];
        const Tariff tariff{.rate = Rate{Money{nanos}}, .monthly_cap = std::nullopt};
        batch.emplace_back(CostRow{.resource = ResourceId{name_of(r)},
                                   .run = RunId{run_of(r, day)},
                                   .from = from,
                                   .to = from + Duration{hour_ms},
                                   .sku = sku,
                                   .rate = tariff.rate,
                                   .gross = Money{nanos},
                                   .rule = "night"});
        batch.emplace_back(Meter{.resource = ResourceId{name_of(r)},
                                 .run = RunId{run_of(r, day)},
                                 .sku = sku,
                                 .tariff = tariff,
                                 .rule = "night",
                                 .started = from,
                                 .counted_to = from + Duration{hour_ms},
                                 .last_seen_billing = from + Duration{hour_ms},
                                 .open = true});
    }
    batch.emplace_back(AccountPollRow{
        .account = AccountName{"me"}, .mono = {poll}, .wall = from, .complete = true, .error = {}});
    return batch;
}

void measure(const std::string& folder, std::int64_t hours, bool with_plain) {
    const std::string path = folder + "/curfew.db";
    const WallTime month = month_of(now, Zone{}).from;
    const WallTime year = now - Duration{365 * 24 * hour_ms};
    std::ofstream{path + ".backup"};  // a daily copy in the background is not what is measured
    const double laid = seconds_of([&] {
        Books books;
        books.open(path);
        make_resources(books, now - Duration{hours * hour_ms});
        books.close();
        lay_down(path, hours);
    });
    say(hours, "laying the rows down", laid, std::nullopt);
    std::optional<double> plain_size;
    if (with_plain) {
        plain_size = plain_bytes(folder + "/plain.db", path) / static_cast<double>(hours * resources);
        fs::remove(folder + "/plain.db");
    }
    {
        Sql sql(path);
        const auto of = [&](const std::string& tables) {
            return static_cast<double>(sql.run("SELECT SUM(pgsize) FROM dbstat WHERE " + tables)) /
                   static_cast<double>(hours * resources);
        };
        say(hours, "bytes a row", of("name = 'cost'"), plain_size);
    }
    Books books;
    books.open(path);
    say(hours, "all sums of days made anew", seconds_of([&] { books.use_zone(); }), std::nullopt);
    books.close();
    {
        Sql sql(path);
        say(hours, "bytes a row, with lines and sums of days",
            static_cast<double>(
                sql.run("SELECT SUM(pgsize) FROM dbstat WHERE name LIKE '%cost_%' OR name = 'cost'")) /
                static_cast<double>(hours * resources),
            plain_size);
    }
    std::vector<double> took;
    for (int i = 0; i < repeats; ++i) {
        took.push_back(seconds_of([&] {
            books.open(path);
            books.load();
            books.use_zone();
        }));
        books.close();
    }
    std::ranges::sort(took);
    std::optional<double> raw_open;
    {
        raw_open = median_of([&] { Sql(path).run("SELECT COUNT(*) FROM resource"); });
    }
    say(hours, "opening the database", took[repeats / 2], raw_open);

    books.open(path);
    books.load();
    books.use_zone();
    std::int64_t of_month = 0;
    std::int64_t of_year = 0;
    const double ours_month = median_of([&] {
        for (int i = 0; i < budgets; ++i) {
            of_month = total_of(books.spend(month, now, {SpendBy::resource, SpendBy::type}));
        }
    });
    const double ours_year = median_of([&] { of_year = total_of(books.spend(year, now, {SpendBy::day})); });
    const double ours_check = seconds_of([&] {
        if (books.check_rollups() != 0) {
            give_up("the sums of days are not those of their rows");
        }
    });
    std::vector<double> of_polls;
    for (std::int64_t poll = 0; poll < polls; ++poll) {
        Batch batch = poll_of(hours, poll);
        of_polls.push_back(seconds_of([&] { books.commit(std::move(batch)); }));
    }
    std::ranges::sort(of_polls);
    books.close();

    Sql sql(path);
    sql.run("PRAGMA locking_mode = EXCLUSIVE");
    sql.run("PRAGMA synchronous = FULL");
    std::int64_t plain_of_month = 0;
    std::int64_t plain_of_year = 0;
    const double plain_month = median_of([&] {
        for (int i = 0; i < budgets; ++i) {
            plain_of_month = sql.run(
                "SELECT resource, sku, currency, SUM(gross_nanos) FROM ledger WHERE from_ms >= ? AND from_ms "
                "< ? "
                "GROUP BY resource, sku, currency",
                {month.ms, now.ms});
        }
    });
    const double plain_year = median_of([&] {
        plain_of_year = sql.run(
            "SELECT from_ms / 86400000, currency, SUM(gross_nanos) FROM ledger WHERE from_ms >= ? AND "
            "from_ms < ? "
            "GROUP BY 1, 2",
            {year.ms, now.ms});
    });
    if (of_month != plain_of_month || of_year != plain_of_year) {
        give_up("the two sides do not say the same");
    }
    std::vector<double> of_inserts;
    for (std::int64_t poll = 0; poll < polls; ++poll) {
        of_inserts.push_back(seconds_of([&] {
            sql.run("BEGIN IMMEDIATE");
            sql.run(
                "INSERT INTO cost SELECT from_ms + ?1, line, source, for_ms, terms, gross_nanos, estimated, "
                "error_bar_ms FROM cost WHERE from_ms = ?2",
                {(polls + poll) * hour_ms, now.ms});
            sql.run("COMMIT");
        }));
    }
    std::ranges::sort(of_inserts);
    say(hours, "month to date of 20 budgets", ours_month, plain_month);
    say(hours, "spend by day of a year", ours_year, plain_year);
    say(hours, "a poll that closes 1,000 hours", of_polls[polls / 2], of_inserts[polls / 2]);
    say(hours, "every day checked against its rows", ours_check, std::nullopt);
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::int64_t> ages;
    for (int i = 1; i < argc; ++i) {
        ages.push_back(std::atoll(argv[i]));
    }
    if (ages.empty() || std::ranges::any_of(ages, [](std::int64_t hours) { return hours < 1; })) {
        std::fprintf(stderr, "usage: curfew-bench-ledger HOURS...\n");
        return 2;
    }
    for (const std::int64_t hours : ages) {
        std::string folder = (fs::temp_directory_path() / "curfew-bench-XXXXXX").string();
        if (::mkdtemp(folder.data()) == nullptr) {
            std::perror("bench");
            return 1;
        }
        measure(folder, hours, hours <= 1000);
        std::error_code ignored;
        if (std::getenv("CURFEW_BENCH_KEEP") == nullptr) {
            fs::remove_all(folder, ignored);
        } else {
            std::fprintf(stderr, "kept: %s\n", folder.c_str());
        }
    }
    return 0;
}
