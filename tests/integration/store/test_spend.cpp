// Sums of the ledger.
#include "adapters/clock/real_scheduler.hpp"
#include "integration/store/bench.hpp"

#include <map>
#include <string>

using namespace curfew;
using support::StoreBench;

namespace {

constexpr std::int64_t hour = 3'600'000;

struct Row {
    std::string resource;
    std::string run;
    std::string type;
    std::string from;
    std::int64_t length = hour;
    std::int64_t nanos = 0;
    bool priced = true;
    Duration error_bar{0};
    CostSource source = CostSource::own;
    MeterKind meter = MeterKind::compute;
    std::string rule = {};
};

CostRow cost(const Row& r) {
    const WallTime from = parse_wall_time(r.from).value();
    return {.resource = ResourceId{r.resource},
            .run = RunId{r.run},
            .meter = r.meter,
            .from = from,
            .to = from + Duration{r.length},
            .sku = r.type,
            .rate = r.priced ? std::optional{Rate{Money{r.nanos}}} : std::nullopt,
            .gross = Money{r.nanos},
            .source = r.source,
            .estimated = r.error_bar > Duration{0},
            .error_bar = r.error_bar,
            .rule = r.rule};
}

ResourceRow resource(const std::string& id, const std::string& account) {
    return {.id = ResourceId{id},
            .account = AccountName{account},
            .kind = ResourceKind::notebook,
            .name = "name of " + id,
            .project = {},
            .owner = {},
            .first_seen = {1},
            .last_seen = {1},
            .gone = false};
}

struct Ledger : StoreBench {
    Ledger() {
        open();
        REQUIRE(commit({resource("r1", "lab"), resource("r2", "team")}));
        REQUIRE(loop.run(store->use_zone(Zone{})));
    }
    void add(const std::vector<Row>& rows) {
        Batch batch;
        for (const Row& row : rows) {
            batch.emplace_back(cost(row));
        }
        REQUIRE(commit(std::move(batch)));
    }
    std::vector<SpendRow> ask(const std::string& from, const std::string& to, std::vector<SpendBy> by,
                              const Zone& zone = {}) {
        auto rows = loop.run(store->spend({.from = parse_wall_time(from).value(),
                                           .to = parse_wall_time(to).value(),
                                           .by = std::move(by),
                                           .zone = zone}));
        REQUIRE(rows);
        return std::move(*rows);
    }
};

}  // namespace

TEST_CASE("spend by resource, with type, hours and error bar") {
    Ledger l;
    l.add({{"r1", "n1", "A4000", "2026-11-23T10:00:00Z", hour, 760'000'000},
           {"r1", "n1", "A4000", "2026-11-23T11:00:00Z", hour / 2, 380'000'000, true, minutes{3}},
           {"r1", "n2", "A4000", "2026-11-23T13:00:00Z", hour, 760'000'000, true, minutes{4}},
           {"r1", "n2", "H100", "2026-11-23T14:00:00Z", hour, 5'950'000'000},
           {"r2", "n3", "Z9", "2026-11-23T14:00:00Z", hour, 0, false},
           {"old", "n0", "C4", "2026-11-23T10:00:00Z", hour, 40'000'000}});
    const auto rows = l.ask("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z",
                            {SpendBy::resource, SpendBy::type});
    REQUIRE(rows.size() == 4);
    CHECK(rows[0].keys == std::vector<std::string>{"old", "C4"});
    CHECK(rows[1].keys == std::vector<std::string>{"r1", "A4000"});
    CHECK(rows[1].meter == MeterKind::compute);
    CHECK(rows[1].gross == Money{1'900'000'000});
    CHECK(rows[1].quantity == Duration{hour * 5 / 2});
    CHECK(rows[1].error_bar == Duration{minutes{7}});
    CHECK_FALSE(rows[1].unpriced);
    CHECK(rows[2].keys[1] == "H100");
    CHECK(rows[2].gross == Money{5'950'000'000});
    CHECK(rows[3].unpriced);
    CHECK(rows[3].gross == Money{0});
    CHECK(rows[3].quantity == Duration{hour});
}

TEST_CASE("a period is half-open and goes by the beginning of a row") {
    Ledger l;
    l.add({{"r1", "n1", "A4000", "2026-11-22T23:00:00Z", hour, 1},
           {"r1", "n1", "A4000", "2026-11-23T00:00:00Z", hour, 10},
           {"r1", "n1", "A4000", "2026-11-23T23:00:00Z", hour, 100},
           {"r1", "n1", "A4000", "2026-11-24T00:00:00Z", hour, 1000}});
    const auto rows = l.ask("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", {SpendBy::resource});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].gross == Money{110});
    CHECK(l.ask("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z", {SpendBy::resource}).empty());
}

TEST_CASE("spend by day, cut where the zone says") {
    Ledger l;
    const Zone rome = clock::load_zone("Europe/Rome").value();
    l.add({{"r1", "n1", "A4000", "2026-11-22T22:00:00Z", hour, 1},   // 23:00 in Rome
           {"r1", "n1", "A4000", "2026-11-22T23:00:00Z", hour, 10},  // midnight in Rome
           {"r1", "n1", "A4000", "2026-11-23T22:00:00Z", hour, 100},
           {"r1", "n1", "A4000", "2026-11-23T23:00:00Z", hour, 1000}});
    const auto by_day = [&](const Zone& zone) {
        std::map<std::string, std::int64_t> days;
        for (const SpendRow& row :
             l.ask("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", {SpendBy::day}, zone)) {
            days[row.keys[0]] += row.gross.nanos;
        }
        return days;
    };
    CHECK(by_day(Zone{}) == std::map<std::string, std::int64_t>{{"2026-11-22", 11}, {"2026-11-23", 1100}});
    CHECK(by_day(rome) ==
          std::map<std::string, std::int64_t>{{"2026-11-22", 1}, {"2026-11-23", 110}, {"2026-11-24", 1000}});
}

TEST_CASE("days of 23 and 25 hours hold all of their rows") {
    Ledger l;
    const Zone rome = clock::load_zone("Europe/Rome").value();
    std::vector<Row> rows;
    for (const std::string day : {"2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"}) {
        for (int h = 0; h < 24; ++h) {
            rows.push_back({"r1", "n1", "A4000",
                            day + "T" + (h < 10 ? "0" : "") + std::to_string(h) + ":00:00Z", hour, 1});
        }
    }
    l.add(rows);
    std::map<std::string, Duration> days;
    for (const SpendRow& row : l.ask("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", {SpendBy::day}, rome)) {
        days[row.keys[0]] += row.quantity;
    }
    for (const SpendRow& row : l.ask("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", {SpendBy::day}, rome)) {
        days[row.keys[0]] += row.quantity;
    }
    CHECK(days == std::map<std::string, Duration>{{"2026-03-29", hours{23}}, {"2026-10-25", hours{25}}});
}

TEST_CASE("spend by type and by account keeps the meters apart") {
    Ledger l;
    l.add({{"r1", "n1", "A4000", "2026-11-23T10:00:00Z", hour, 1},
           {"r2", "n3", "A4000", "2026-11-23T10:00:00Z", hour, 10},
           {"r2", "n3", "H100", "2026-11-23T11:00:00Z", hour, 100},
           {"r2", "n3", "disk", "2026-11-23T11:00:00Z", hour, 1000, true, Duration{0}, CostSource::own,
            MeterKind::storage}});
    std::map<std::string, std::int64_t> types;
    for (const SpendRow& row : l.ask("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", {SpendBy::type})) {
        types[row.keys[0]] += row.gross.nanos;
        CHECK(row.meter == (row.keys[0] == "disk" ? MeterKind::storage : MeterKind::compute));
    }
    CHECK(types == std::map<std::string, std::int64_t>{{"A4000", 11}, {"H100", 100}, {"disk", 1000}});
    std::map<std::string, std::int64_t> accounts;
    for (const SpendRow& row : l.ask("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", {SpendBy::account})) {
        accounts[row.keys[0]] += row.gross.nanos;
    }
    CHECK(accounts == std::map<std::string, std::int64_t>{{"lab", 1}, {"team", 1110}});
}

TEST_CASE("spend by project, user, rule and hour, and by two at once") {
    Ledger l;
    ResourceRow mine = resource("r3", "lab");
    mine.project = "vision";
    mine.owner = "ana@example.org";
    ResourceRow yours = resource("r4", "lab");
    yours.project = "vision";
    yours.owner = "bob@example.org";
    REQUIRE(l.commit({mine, yours}));
    Row night{"r3", "n1", "A4000", "2026-11-23T10:00:00Z", hour, 1};
    night.rule = "night";
    Row later = night;
    later.from = "2026-11-23T11:30:00Z";
    later.length = hour / 2;
    later.nanos = 10;
    l.add({night,
           later,
           {"r4", "n2", "A4000", "2026-11-23T11:00:00Z", hour, 100},
           {"r1", "n3", "A4000", "2026-11-23T11:00:00Z", hour, 1000}});
    const auto by = [&](std::vector<SpendBy> dimensions) {
        std::map<std::vector<std::string>, std::int64_t> sums;
        for (const SpendRow& row :
             l.ask("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", std::move(dimensions))) {
            sums[row.keys] += row.gross.nanos;
        }
        return sums;
    };
    using Sums = std::map<std::vector<std::string>, std::int64_t>;
    CHECK(by({SpendBy::project}) == Sums{{{""}, 1000}, {{"vision"}, 111}});
    CHECK(by({SpendBy::user}) == Sums{{{""}, 1000}, {{"ana@example.org"}, 11}, {{"bob@example.org"}, 100}});
    CHECK(by({SpendBy::rule}) == Sums{{{""}, 1100}, {{"night"}, 11}});
    CHECK(by({SpendBy::hour}) == Sums{{{"2026-11-23T10:00:00Z"}, 1}, {{"2026-11-23T11:00:00Z"}, 1110}});
    CHECK(by({SpendBy::day, SpendBy::rule}) ==
          Sums{{{"2026-11-23", ""}, 1100}, {{"2026-11-23", "night"}, 11}});
    CHECK(by({}) == Sums{{{}, 1111}});
}

TEST_CASE("an adjustment takes back money and time") {
    Ledger l;
    l.add({{"r1", "n1", "A4000", "2026-11-23T10:00:00Z", hour, 760'000'000},
           {"r1", "n1", "A4000", "2026-11-23T10:30:00Z", hour / 2, -380'000'000, true, Duration{0},
            CostSource::adjustment}});
    const auto rows = l.ask("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", {SpendBy::resource});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].gross == Money{380'000'000});
    CHECK(rows[0].quantity == Duration{hour / 2});
    // One that adds money adds its time.
    l.add({{"r1", "n1", "A4000", "2026-11-23T11:00:00Z", 2 * hour, 1'520'000'000, true, Duration{0},
            CostSource::adjustment}});
    const auto more = l.ask("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", {SpendBy::resource});
    REQUIRE(more.size() == 1);
    CHECK(more[0].quantity == Duration{hour * 5 / 2});
}

TEST_CASE("the same row again counts once, over a restart as well") {
    Ledger l;
    const Row row{"r1", "n1", "A4000", "2026-11-23T10:00:00Z", hour, 5};
    l.add({row, row});
    l.restart();
    l.add({row});
    Row of_provider = row;
    of_provider.source = CostSource::provider;
    l.add({of_provider});  // another source is another row
    const auto rows = l.ask("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", {SpendBy::resource});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].gross == Money{10});
}
