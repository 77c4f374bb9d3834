// Sums by day beside the rows they stand for, and the pages of the ledger.
#include "integration/store/bench.hpp"
#include "support/zones.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

using namespace curfew;
using support::Raw;
using support::StoreBench;

namespace {

constexpr std::int64_t hour = 3'600'000;
const Currency eur{{'E', 'U', 'R'}};

ResourceRow resource(int n) {
    const std::string id = "r" + std::to_string(n);
    return {.id = ResourceId{id},
            .account = AccountName{n % 2 == 0 ? "lab" : "team"},
            .kind = n % 3 == 0 ? ResourceKind::machine : ResourceKind::notebook,
            .name = "name of " + id,
            .project = "p" + std::to_string(n % 3),
            .owner = n % 4 == 0 ? "" : "ana@example.org",
            .first_seen = {1},
            .last_seen = {1},
            .gone = n == 2};
}

struct Sum {
    std::int64_t gross = 0;
    std::int64_t quantity = 0;
    std::int64_t error_bar = 0;
    std::int64_t error = 0;
    bool unpriced = false;
    auto operator<=>(const Sum&) const = default;
};
using Sums = std::map<std::tuple<std::vector<std::string>, MeterKind, Currency>, Sum>;

std::string date_text(WallTime t, const Zone& zone) {
    const Date d = local_date(t, zone);
    const std::string month = std::to_string(100 + d.month).substr(1);
    return std::to_string(d.year) + "-" + month + "-" + std::to_string(100 + d.day).substr(1);
}

std::string key_of(SpendBy by, const CostRow& c, const ResourceRow& of, const Zone& zone) {
    switch (by) {
        case SpendBy::resource:
            return c.resource.value;
        case SpendBy::account:
            return of.account.value;
        case SpendBy::project:
            return of.project;
        case SpendBy::user:
            return of.owner;
        case SpendBy::type:
            return c.sku;
        case SpendBy::rule:
            return c.rule;
        case SpendBy::day:
            return date_text(c.from, zone);
        case SpendBy::hour:
            return to_string(WallTime{c.from.ms / hour * hour});
    }
    return {};
}

/// A store beside a plain list of the rows that it should hold.
struct Twin : StoreBench {
    std::map<ResourceId, ResourceRow> known;
    std::map<std::tuple<ResourceId, RunId, MeterKind, WallTime, CostSource>, CostRow> rows;

    Twin() {
        open();
        Batch batch;
        for (int i = 0; i < 6; ++i) {
            const ResourceRow row = resource(i);
            known.emplace(row.id, row);
            batch.emplace_back(row);
        }
        REQUIRE(commit(std::move(batch)));
    }

    void add(const std::vector<CostRow>& more) {
        Batch batch;
        for (const CostRow& c : more) {
            batch.emplace_back(c);
            rows.emplace(std::tuple{c.resource, c.run, c.meter, c.from, c.source}, c);
        }
        REQUIRE(commit(std::move(batch)));
    }

    Sums by_rows(const SpendQuery& q) const {
        Sums sums;
        for (const auto& [unique, c] : rows) {
            if (c.from < q.from || c.from >= q.to) {
                continue;
            }
            const auto found = known.find(c.resource);
            const ResourceRow of = found == known.end() ? ResourceRow{} : found->second;
            std::vector<std::string> keys;
            for (const SpendBy by : q.by) {
                keys.push_back(key_of(by, c, of, q.zone));
            }
            Sum& sum = sums[{keys, c.meter, c.gross.currency}];
            const bool back = c.source == CostSource::adjustment && c.gross.nanos <= 0;
            sum.gross += c.gross.nanos;
            sum.quantity += back ? (c.from - c.to).count() : (c.to - c.from).count();
            sum.error_bar += c.error_bar.count();
            sum.error += c.rate ? cost_of(*c.rate, c.error_bar)->nanos : 0;
            sum.unpriced = sum.unpriced || (!c.rate && c.source != CostSource::adjustment);
        }
        return sums;
    }

    Sums by_store(const SpendQuery& q) {
        const auto answer = loop.run(store->spend(q));
        REQUIRE(answer);
        Sums sums;
        for (const SpendRow& r : *answer) {
            CHECK(r.error.currency == r.gross.currency);
            const bool fresh = sums.try_emplace({r.keys, r.meter, r.gross.currency},
                                                Sum{r.gross.nanos, r.quantity.count(), r.error_bar.count(),
                                                    r.error.nanos, r.unpriced})
                                   .second;
            CHECK(fresh);
        }
        return sums;
    }

    std::int64_t repaired() {
        const auto count = loop.run(store->check_rollups());
        REQUIRE(count);
        return *count;
    }
};

/// Rows of two stretches of weeks around the changes of clocks, in an order of their own.
class Random {
public:
    explicit Random(unsigned seed) : random_(seed) {}

    std::int64_t below(std::int64_t n) {
        return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n));
    }
    template <class Value>
    Value one_of(const std::vector<Value>& values) {
        return values[static_cast<std::size_t>(below(static_cast<std::int64_t>(values.size())))];
    }
    WallTime moment() {
        const WallTime begin = test::utc(
            one_of<std::string>({"2026-02-20T00:00:00Z", "2026-09-25T00:00:00Z"}));
        return begin + Duration{below(50LL * 24 * hour)};
    }

    std::vector<CostRow> costs(int count) {
        std::vector<CostRow> rows;
        for (int i = 0; i < count; ++i) {
            rows.push_back(cost());
        }
        return rows;
    }

    CostRow cost() {
        CostRow c;
        c.resource = ResourceId{"r" + std::to_string(below(7))};  // nothing is known of the last
        c.run = RunId{"n" + std::to_string(below(3))};
        c.meter = one_of<MeterKind>(
            {MeterKind::compute, MeterKind::compute, MeterKind::storage, MeterKind::ip, MeterKind::other});
        c.from = moment();
        if (below(2) == 0) {
            c.from = {c.from.ms / hour * hour};
        }
        c.to = c.from + Duration{1 + below(hour)};
        c.sku = one_of<std::string>({"A4000", "H100", "C4"});
        const Currency currency = below(5) == 0 ? eur : usd;
        c.rule = one_of<std::string>({"", "night"});
        c.gross = {below(6'000'000'000), currency};
        if (below(8) != 0) {
            c.rate = Rate{Money{1 + below(6'000'000'000), currency}};
        } else {
            c.gross.nanos = 0;
        }
        if (below(4) == 0) {
            c.estimated = true;
            c.error_bar = Duration{below(hour)};
        }
        if (below(10) == 0) {
            c.source = CostSource::adjustment;
            c.to = c.from + Duration{1 + below(100 * hour)};
            c.gross.nanos -= 3'000'000'000;
        } else if (below(10) == 0) {
            c.source = CostSource::provider;
        }
        return c;
    }

    std::vector<SpendBy> dimensions() {
        std::vector<SpendBy> by;
        for (const SpendBy one : {SpendBy::resource, SpendBy::account, SpendBy::project, SpendBy::user,
                                  SpendBy::type, SpendBy::rule, SpendBy::day, SpendBy::hour}) {
            if (below(one == SpendBy::hour ? 10 : 4) == 0) {
                by.push_back(one);
            }
        }
        std::shuffle(by.begin(), by.end(), random_);
        return by;
    }

private:
    std::mt19937_64 random_;
};

void compare(Twin& t, Random& random, const Zone& zone, int questions) {
    for (int i = 0; i < questions; ++i) {
        WallTime from = random.moment();
        WallTime to = random.moment();
        if (random.below(2) == 0) {
            from = day_of(from, zone).from;
        }
        if (random.below(2) == 0) {
            to = day_of(to, zone).from;
        }
        const Zone of_days = random.below(3) == 0 ? random.one_of<Zone>({Zone{}, test::rome}) : zone;
        const SpendQuery q{std::min(from, to), std::max(from, to), random.dimensions(), of_days};
        CAPTURE(to_string(q.from), to_string(q.to), q.by, q.zone.name, zone.name);
        REQUIRE(t.by_store(q) == t.by_rows(q));
    }
    for (const SpendBy by : {SpendBy::day, SpendBy::type}) {
        const SpendQuery all{WallTime{0}, test::utc("2199-01-01T00:00:00Z"), {by}, zone};
        REQUIRE(t.by_store(all) == t.by_rows(all));
    }
}

}  // namespace

TEST_CASE("sums of days are those of their rows, in three zones, over days of 23 and 25 hours") {
    for (const unsigned seed : {1U, 2U, 3U}) {
        CAPTURE(seed);
        Random random(seed);
        Twin t;
        const Zone& first = seed == 1 ? test::rome : seed == 2 ? test::new_york : test::lord_howe;
        REQUIRE(t.loop.run(t.store->use_zone(first)));
        for (int batch = 0; batch < 10; ++batch) {
            std::vector<CostRow> rows = random.costs(100);
            if (batch % 5 == 4) {
                // The whole batch is refused, and comes again without what was wrong in it.
                Batch refused{rows.begin(), rows.end()};
                CostRow bad = rows.front();
                bad.source = CostSource::own;
                bad.from = bad.to + Duration{1};
                refused.emplace_back(bad);
                REQUIRE_FALSE(t.commit(std::move(refused)));
            }
            t.add(rows);
            if (batch % 3 == 2) {
                t.add(rows);  // a commit that was on disk though its answer was lost
            }
        }
        compare(t, random, first, 30);
        CHECK(t.repaired() == 0);
        for (const Zone& zone : {test::new_york, test::lord_howe, test::rome}) {
            REQUIRE(t.loop.run(t.store->use_zone(zone)));
            compare(t, random, zone, 10);
            t.restart();
            compare(t, random, zone, 3);  // nobody has said yet which zone
            REQUIRE(t.loop.run(t.store->use_zone(zone)));
            t.add({random.cost(), random.cost()});
            compare(t, random, zone, 15);
            CHECK(t.repaired() == 0);
        }
        t.close();
        Raw raw(t.path);
        // Plain SQL over the rows and over the sums of days.
        for (const std::string code : {"USD", "EUR"}) {
            CHECK(
                raw.ask("SELECT SUM(gross_nanos) FROM ledger WHERE currency = '" + code + "'") ==
                raw.ask("SELECT SUM(d.gross_nanos) FROM cost_day d JOIN cost_terms t ON t.no = d.terms WHERE "
                        "t.currency = '" +
                        code + "'"));
        }
        CHECK(raw.ask("SELECT COUNT(*) FROM cost") == std::vector{std::to_string(t.rows.size())});
        CHECK(raw.ask("SELECT SUM(rows) FROM cost_day") == std::vector{std::to_string(t.rows.size())});
        CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
        CHECK(raw.ask("PRAGMA foreign_key_check").empty());
    }
}

TEST_CASE("rows that were written before anybody named a zone are in the sums of days") {
    Random random(7);
    Twin t;
    REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
    t.add({random.cost(), random.cost(), random.cost()});
    t.restart();
    t.add({random.cost(), random.cost(), random.cost()});
    REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
    compare(t, random, test::rome, 20);
    CHECK(t.repaired() == 0);
}

TEST_CASE("a zone whose rules changed gets other days under the same name") {
    Random random(8);
    Twin t;
    REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
    t.add(random.costs(200));
    t.restart();
    Zone summer_for_ever = test::rome;
    summer_for_ever.transitions.resize(3);
    REQUIRE(t.loop.run(t.store->use_zone(summer_for_ever)));
    compare(t, random, summer_for_ever, 40);
    CHECK(t.repaired() == 0);
}

TEST_CASE("whole days come from their sums; sums that were damaged are found, said and made anew") {
    const std::vector<std::string> damages{
        "UPDATE cost_day SET gross_nanos = gross_nanos + 1 WHERE day_ms = (SELECT MIN(day_ms) FROM cost_day)",
        "UPDATE cost_day SET error_nanos = error_nanos + 1 WHERE day_ms = (SELECT MIN(day_ms) FROM cost_day)",
        "UPDATE cost_day SET rows = rows - 1 WHERE day_ms = (SELECT MIN(day_ms) FROM cost_day)",
        "UPDATE cost_day SET day_ms = day_ms + 1 WHERE day_ms = (SELECT MIN(day_ms) FROM cost_day)",
        "UPDATE cost_day SET terms = 99 WHERE day_ms = (SELECT MIN(day_ms) FROM cost_day)",
        "DELETE FROM cost_day WHERE day_ms = (SELECT MIN(day_ms) FROM cost_day)",
        "INSERT INTO cost_day VALUES ((SELECT MIN(day_ms) - 86400000 FROM cost_day), 1, 1, 5, 0, 0, 0, 0, 1)",
        "INSERT INTO cost_day VALUES (9223372036854775807, 1, 1, 5, 0, 0, 0, 0, 1)",
        "INSERT INTO cost_day VALUES (-9223372036854775807, 1, 1, 5, 0, 0, 0, 0, 1)",
    };
    for (const std::string& damage : damages) {
        CAPTURE(damage);
        Random random(9);
        Twin t;
        REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
        t.add(random.costs(300));
        t.close();
        std::string counted;
        {
            Raw raw(t.path);
            REQUIRE(raw.run(damage).empty());
            counted = raw.ask("SELECT COUNT(*) || ' ' || SUM(gross_nanos) FROM cost").at(0);
        }
        t.open();
        REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
        const SpendQuery all{WallTime{0}, test::utc("2199-01-01T00:00:00Z"), {SpendBy::day}, test::rome};
        if (damage.find("gross_nanos + 1") != std::string::npos) {
            CHECK(t.by_store(all) != t.by_rows(all));  // whole days are not summed by rows
        }
        CHECK(t.repaired() == 1);
        CHECK(t.repaired() == 0);
        compare(t, random, test::rome, 10);
        t.close();
        Raw raw(t.path);
        CHECK(raw.ask("SELECT COUNT(*) || ' ' || SUM(gross_nanos) FROM cost").at(0) == counted);
    }
}

TEST_CASE("the newest days are checked when the zone is named") {
    Random random(10);
    Twin t;
    REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
    t.add(random.costs(300));
    t.close();
    {
        Raw raw(t.path);
        REQUIRE(
            raw.run("UPDATE cost_day SET gross_nanos = gross_nanos + 1 WHERE day_ms = (SELECT MAX(day_ms) "
                    "FROM cost_day)")
                .empty());
    }
    t.open();
    REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
    const SpendQuery all{WallTime{0}, test::utc("2199-01-01T00:00:00Z"), {SpendBy::day}, test::rome};
    CHECK(t.by_store(all) == t.by_rows(all));
    CHECK(t.repaired() == 1);  // told to whoever asks first
    CHECK(t.repaired() == 0);
}

TEST_CASE("numbers that were given in vain are not remembered") {
    Twin t;
    REQUIRE(t.loop.run(t.store->use_zone(test::rome)));
    Random random(11);
    CostRow lost = random.cost();
    lost.resource = ResourceId{"r1"};
    lost.run = RunId{"lost"};
    CostRow kept = lost;
    kept.resource = ResourceId{"r3"};
    kept.run = RunId{"kept"};
    kept.sku = "H200";
    CostRow bad = lost;
    bad.source = CostSource::own;
    bad.to = bad.from;
    REQUIRE_FALSE(t.commit({lost, bad}));
    t.add({kept});  // is given the numbers that `lost` had
    t.add({lost});
    compare(t, random, test::rome, 20);
    CHECK(t.repaired() == 0);
}

TEST_CASE("how far off a figure may be, in money") {
    StoreBench b;
    b.open();
    REQUIRE(b.loop.run(b.store->use_zone(Zone{})));
    const auto row = [](std::int64_t from, std::optional<Rate> rate, Duration bar) {
        return CostRow{.resource = ResourceId{"r1"},
                       .run = RunId{"n1"},
                       .from = {from},
                       .to = {from + 1000},
                       .sku = "A4000",
                       .rate = rate,
                       .gross = Money{1},
                       .estimated = true,
                       .error_bar = bar};
    };
    REQUIRE(b.commit({row(0, Rate{Money{760'000'000}}, minutes{3}),
                      row(1000, Rate{Money{1'000'000'000}}, minutes{6}), row(2000, std::nullopt, minutes{9}),
                      row(3000, Rate{Money{9'000'000'000'000'000'000}}, hours{9000})}));
    for (const SpendBy by : {SpendBy::type, SpendBy::hour}) {  // from the sums of days, and from rows
        const auto sums = b.loop.run(b.store->spend({WallTime{0}, WallTime{3000}, {by}, Zone{}}));
        REQUIRE(sums);
        REQUIRE(sums->size() == 1);
        CHECK(sums->at(0).error_bar == Duration{minutes{18}});
        CHECK(sums->at(0).error == Money{38'000'000 + 100'000'000});
        CHECK(sums->at(0).unpriced);
    }
    // Beyond what money can hold it is a million, which says enough.
    const auto absurd = b.loop.run(b.store->spend({WallTime{3000}, WallTime{4000}, {}, Zone{}}));
    REQUIRE(absurd);
    CHECK(absurd->at(0).error == Money{1'000'000LL * nanos_per_unit});
}

TEST_CASE("a sum that money cannot hold is an error, from days and from rows") {
    StoreBench b;
    b.open();
    REQUIRE(b.loop.run(b.store->use_zone(Zone{})));
    CostRow row{.resource = ResourceId{"r1"},
                .run = RunId{"n1"},
                .from = {0},
                .to = {hour},
                .sku = "A4000",
                .rate = Rate{Money{1}},
                .gross = Money{8'000'000'000'000'000'000}};
    REQUIRE(b.commit({row}));
    row.from = {24 * hour};
    row.to = {25 * hour};
    REQUIRE(b.commit({row}));
    for (const SpendBy by : {SpendBy::type, SpendBy::day, SpendBy::hour}) {
        const auto sums = b.loop.run(b.store->spend({WallTime{0}, WallTime{48 * hour}, {by}, Zone{}}));
        CHECK(sums.has_value() == (by != SpendBy::type));
        if (!sums) {
            CHECK(sums.error().code == Errc::too_large);
        }
    }
    CHECK(b.fatal.empty());
    CHECK(b.commit({}));
}

TEST_CASE("the ledger in pages, each row once, in the order of time") {
    Random random(12);
    Twin t;
    t.add(random.costs(250));
    const WallTime from = test::utc("2026-03-01T00:00:00Z");
    const WallTime to = test::utc("2026-11-01T00:00:00Z");
    std::vector<LedgerRow> read;
    std::string after;
    int pages = 0;
    do {
        const auto page = t.loop.run(t.store->ledger(from, to, after, 70));
        REQUIRE(page);
        CHECK(page->rows.size() <= 70);
        read.insert(read.end(), page->rows.begin(), page->rows.end());
        after = page->next;
        ++pages;
        if (pages == 1) {
            // What comes in before the place where a reader stands does not shift his pages.
            CostRow earlier = random.cost();
            earlier.source = CostSource::provider;
            earlier.gross.nanos = 1;
            earlier.from = from;
            earlier.to = from + Duration{1};
            REQUIRE(t.commit({earlier}));
        }
    } while (!after.empty());
    CHECK(pages >= 3);
    CHECK(std::ranges::is_sorted(read, {}, [](const LedgerRow& r) { return r.row.from; }));
    std::set<std::tuple<ResourceId, RunId, MeterKind, WallTime, CostSource>> seen;
    for (const LedgerRow& r : read) {
        const auto unique = std::tuple{r.row.resource, r.row.run, r.row.meter, r.row.from, r.row.source};
        CHECK(seen.insert(unique).second);
        REQUIRE(t.rows.contains(unique));
        const CostRow& wanted = t.rows.at(unique);
        CHECK(r.row.to == wanted.to);
        CHECK(r.row.sku == wanted.sku);
        CHECK(r.row.rate == wanted.rate);
        CHECK(r.row.gross == wanted.gross);
        CHECK(r.row.estimated == wanted.estimated);
        CHECK(r.row.error_bar == wanted.error_bar);
        CHECK(r.row.rule == wanted.rule);
        const auto of = t.known.find(r.row.resource);
        CHECK(r.account == (of == t.known.end() ? AccountName{} : of->second.account));
        CHECK(r.name == (of == t.known.end() ? "" : of->second.name));
        CHECK(r.project == (of == t.known.end() ? "" : of->second.project));
        CHECK(r.owner == (of == t.known.end() ? "" : of->second.owner));
        CHECK(r.kind == (of == t.known.end() ? ResourceKind::notebook : of->second.kind));
    }
    const auto expected = std::ranges::count_if(
        t.rows, [&](const auto& entry) { return entry.second.from >= from && entry.second.from < to; });
    CHECK(static_cast<std::int64_t>(read.size()) == expected);
    for (const std::string bad :
         {"x", "1", "1.2", "1.2.", "1.2.3.", "1.2.3.4", ".1.2", "99999999999999999999.1.1"}) {
        CAPTURE(bad);
        const auto page = t.loop.run(t.store->ledger(from, to, bad, 10));
        REQUIRE_FALSE(page);
        CHECK(page.error().code == Errc::invalid);
    }
    CHECK(t.loop.run(t.store->ledger(to, from, "", 10))->rows.empty());
    CHECK(t.loop.run(t.store->ledger(from, to, "", -5))->rows.size() == 1);
}
