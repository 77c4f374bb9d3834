// Databases of older versions are taken over with everything in them.
#include "adapters/sqlite/schema.hpp"
#include "integration/store/bench.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace curfew;
using support::Raw;
using support::StoreBench;

namespace {

std::string text_of(const std::string& name) {
    const char* source = std::getenv("CURFEW_SOURCE");
    std::ifstream in(std::string{source != nullptr ? source : "."} + "/tests/integration/store/" + name);
    std::ostringstream out;
    out << in.rdbuf();
    REQUIRE_FALSE(out.str().empty());
    return out.str();
}
std::string version(int number) {
    return text_of("version_" + std::to_string(number) + ".sql");
}
/// What fills the tables that `version` leaves empty.
std::string more_rows(int number) {
    return number == 1 ? text_of("rows_1.sql") : number == 2 ? text_of("rows_2.sql") : std::string{};
}

/// Every row of a table, by the columns that it had when the rows were written.
std::vector<std::string> rows_of(Raw& raw, const std::string& table, const std::string& columns) {
    return raw.ask("SELECT json_array(" + columns + ") AS row FROM \"" + table + "\" ORDER BY row");
}
std::string columns_of(Raw& raw, const std::string& table) {
    std::string all;
    for (const std::string& column :
         raw.ask("SELECT '\"' || name || '\"' FROM pragma_table_info('" + table + "')")) {
        all += (all.empty() ? "" : ", ") + column;
    }
    return all;
}

/// A table that was made anew: how its rows read before, and how they read now.
struct MadeAnew {
    std::string table;
    int before_version;
    std::string was;
    std::string is_in;
    std::string is;
};
const std::vector<MadeAnew> made_anew{
    {"meter", 3, "run, resource, machine_type, rate_nanos, currency, counted_to, last_seen_billing, open",
     "meter", "run, resource, sku, rate_nanos, currency, counted_to, last_seen_billing, open"},
    {"cost", 3,
     "resource, run, meter, from_ms, to_ms, machine_type, rate_nanos, gross_nanos, currency, source, "
     "estimated, "
     "error_bar_ms",
     "ledger",
     "resource, run, meter, from_ms, to_ms, sku, rate_nanos, gross_nanos, currency, source, estimated, "
     "error_bar_ms"},
    {"fired", 3, "budget, period, percent || '%', at", "fired", "budget, period, key, at"},
};

}  // namespace

TEST_CASE("a database of version 1 becomes one of today's, with its rows") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version(1)).empty());
    }
    b.open();
    CHECK(b.recovered.empty());
    const StoredState state = b.load();
    CHECK(state.boot_id == "boot-1");
    CHECK(state.resources.size() == 1);
    CHECK(state.runs.size() == 1);
    CHECK(state.meters.size() == 1);
    REQUIRE(state.holds.size() == 1);
    CHECK(state.holds[0].id == HoldId{"hld_1"});
    CHECK(state.holds[0].reason == "thinking");
    CHECK(state.holds[0].job.empty());
    REQUIRE(state.enforcements.size() == 1);
    CHECK(state.enforcements[0].state == EnforcementState::warned);
    CHECK(state.trials.empty());
    CHECK(state.breakers.empty());
    CHECK(b.loop.run(b.store->holds(std::nullopt, WallTime{0}))->size() == 2);
    CHECK(b.loop.run(b.store->verify_audit()) == 2);
    CHECK(b.loop.run(b.store->rule_events(WallTime{0}, 10))->empty());
    Hold lease = state.holds[0];
    lease.id = HoldId{"hld_3"};
    lease.kind = HoldKind::lease;
    lease.job = "train-7";
    const RuleTrial trial{.rule = RuleName{"night"}, .first_seen = {1}, .tried = Duration{5}, .ended_at = {}};
    REQUIRE(b.commit({lease, trial}));
    const StoredState after = b.restart();
    CHECK(after.holds.at(1).job == "train-7");
    CHECK(after.trials == std::vector{trial});
    b.close();
    Raw raw(b.path);
    CHECK(raw.ask("PRAGMA user_version") == std::vector<std::string>{std::to_string(sqlite::schema_version)});
    CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
}

TEST_CASE("every row of every table of every older version is there afterwards, and nothing else") {
    for (const int from : {1, 2, 3, 4}) {
        DYNAMIC_SECTION("version " << from) {
            StoreBench b;
            std::vector<std::pair<std::string, std::string>> now;  // table, columns
            std::vector<std::vector<std::string>> rows;
            {
                Raw raw(b.path);
                REQUIRE(raw.run(version(from) + more_rows(from)) == "");
                for (const std::string& table : raw.ask("SELECT name FROM sqlite_schema WHERE type = 'table' "
                                                        "AND name NOT LIKE 'sqlite_%'")) {
                    const auto anew = std::ranges::find_if(made_anew, [&](const MadeAnew& one) {
                        return one.table == table && from < one.before_version;
                    });
                    const bool same = anew == made_anew.end();
                    const std::string columns = same ? columns_of(raw, table) : anew->was;
                    rows.push_back(rows_of(raw, table, columns));
                    CAPTURE(table);
                    // Of later versions only what no older row was in may be empty.
                    CHECK((!rows.back().empty() ||
                           (from == 2 && version(1).find("TABLE " + table + " ") != std::string::npos)));
                    now.emplace_back(same ? table : anew->is_in, same ? columns : anew->is);
                }
            }
            b.open();
            CHECK(b.recovered.empty());
            CHECK(b.loop.run(b.store->verify_audit()) == (from == 1 ? 2 : 1));
            CHECK(b.loop.run(b.store->check_file())->empty());
            b.close();
            Raw raw(b.path);
            for (std::size_t i = 0; i < now.size(); ++i) {
                CAPTURE(now[i].first);
                CHECK(rows_of(raw, now[i].first, now[i].second) == rows[i]);
            }
            CHECK(raw.ask("PRAGMA user_version") ==
                  std::vector<std::string>{std::to_string(sqlite::schema_version)});
            CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
            CHECK(raw.ask("PRAGMA foreign_key_check").empty());
        }
    }
}

TEST_CASE("a database of version 2 keeps every row of its ledger, its meters and what fired") {
    StoreBench b;
    std::vector<std::string> rows;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version(2)).empty());
        rows = raw.ask(
            "SELECT json_array(resource, run, meter, from_ms, to_ms, machine_type, rate_nanos, gross_nanos, "
            "currency,"
            " source, estimated, error_bar_ms) FROM cost ORDER BY from_ms, resource, run, source");
        REQUIRE(rows.size() == 7);
    }
    b.open();
    CHECK(b.recovered.empty());
    const StoredState state = b.load();
    REQUIRE(state.meters.size() == 3);
    CHECK(std::ranges::count(state.meters, true, &Meter::open) == 2);  // and one that ended not long ago
    CHECK(state.meters[1].run == RunId{"n1"});
    CHECK(state.meters[1].kind == MeterKind::compute);
    CHECK(state.meters[1].tariff.rate == Rate{Money{760'000'000}});
    CHECK_FALSE(state.meters[1].tariff.monthly_cap);
    CHECK(state.meters[1].increment == Increment::none);
    CHECK(state.meters[1].started == WallTime{900});
    CHECK(state.meters[1].counted_to == WallTime{3'600'900});
    CHECK(state.meters[1].last_seen_billing == WallTime{3'601'000});
    CHECK(state.meters[1].closed == Money{759'810'000 + 190'000 + 190'001});
    CHECK_FALSE(state.meters[2].tariff.priced());
    CHECK(state.meters[2].started == WallTime{700});  // no stamp: from where it is counted
    REQUIRE(state.fired.size() == 2);
    CHECK(state.fired[0].key == "100%");
    CHECK(state.fired[1].key == "80%");
    REQUIRE(state.holds.size() == 1);
    CHECK(state.holds[0].job == "train-7");
    CHECK(b.loop.run(b.store->verify_audit()) == 1);
    // The same with sums of days and without.
    for (const bool sums : {false, true}) {
        if (sums) {
            REQUIRE(b.loop.run(b.store->use_zone(Zone{})));
        }
        const auto spend = b.loop.run(
            b.store->spend({WallTime{0}, WallTime{100'000'000}, {SpendBy::resource, SpendBy::type}, Zone{}}));
        REQUIRE(spend);
        REQUIRE(spend->size() == 4);
        CHECK(spend->at(0).keys == std::vector<std::string>{"gone", "disk"});
        CHECK(spend->at(0).meter == MeterKind::storage);
        const Currency eur{{'E', 'U', 'R'}};
        CHECK(spend->at(1).gross == Money{63'333 - 1'520'000'000, eur});
        CHECK(spend->at(1).quantity == Duration{300 - 7'200'000});
        CHECK(spend->at(2).gross == Money{759'810'000 + 190'000 + 190'001});
        CHECK(spend->at(2).error_bar == Duration{60'000});
        CHECK(spend->at(2).error == Money{12'666'667});  // a minute at $0.76 an hour
        CHECK(spend->at(3).unpriced);
    }
    // A row that was there before is still the same row.
    REQUIRE(b.commit({CostRow{.resource = ResourceId{"r1"},
                              .run = RunId{"n1"},
                              .meter = MeterKind::compute,
                              .from = {900},
                              .to = {3'600'000},
                              .sku = "A4000",
                              .rate = Rate{Money{760'000'000}},
                              .gross = Money{759'810'000},
                              .rule = "night"}}));
    b.close();
    Raw raw(b.path);
    CHECK(
        raw.ask(
            "SELECT json_array(resource, run, meter, from_ms, to_ms, sku, rate_nanos, gross_nanos, currency,"
            " source, estimated, error_bar_ms) FROM ledger ORDER BY from_ms, resource, run, source") == rows);
    CHECK(raw.ask("PRAGMA user_version") == std::vector<std::string>{std::to_string(sqlite::schema_version)});
    CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
    CHECK(raw.ask("PRAGMA foreign_key_check").empty());
}

TEST_CASE("a database of version 4 keeps who was told of what, and what waits to be told") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version(4)) == "");
    }
    b.open();
    CHECK(b.recovered.empty());
    const StoredState state = b.load();
    REQUIRE(state.alerts.size() == 1);
    CHECK(state.alerts[0].told == std::vector{Destination{ChannelName{"mail"}, {}}});
    REQUIRE(state.silences.size() == 1);
    CHECK(state.silences[0].scope.resources == std::vector<std::string>{"demo"});
    CHECK(state.channels.size() == 1);
    CHECK(state.gaps.empty());
    const auto waiting = b.loop.run(b.store->outbox(
        {.state = OutboxState::waiting, .channel = ChannelName{"mail"}, .after_seq = 0, .limit = 10}));
    REQUIRE(waiting);
    REQUIRE(waiting->size() == 2);
    CHECK(waiting->at(0).parcel.empty());
    CHECK(waiting->at(1).parcel == ParcelId{"prc_1"});
}

TEST_CASE("cost rows of version 1 are taken over as well") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version(1)).empty());
        REQUIRE(raw.run("INSERT INTO cost VALUES ('r1', 'n1', 'compute', 0, 900, 'A4000', 760000000, 190000, "
                        "'USD',"
                        " 'own', 0, 0)")
                    .empty());
    }
    b.open();
    const auto spend = b.loop.run(
        b.store->spend({WallTime{0}, WallTime{100'000'000}, {SpendBy::account}, Zone{}}));
    REQUIRE(spend);
    REQUIRE(spend->size() == 1);
    CHECK(spend->at(0).keys == std::vector<std::string>{"lab"});
    CHECK(spend->at(0).gross == Money{190'000});
    CHECK(b.load().meters.at(0).closed == Money{190'000});
}

TEST_CASE("what waited to be told goes on waiting, in its order, and its alert goes on firing") {
    const std::string message =
        R"({"id":"%","alert":"alr_1","kind":7,"severity":2,"state":0,"at":5,"title":"me is not seen","body":["b"],)"
        R"("do_next":"curfew doctor","account":"lab","resource":"","resource_name":"","run":"","cause":"",)"
        R"("stops_at":null,"cost_so_far":null,"per_hour":null,"saved":null,"expires_at":null})";
    for (const int from : {1, 2}) {
        DYNAMIC_SECTION("version " << from) {
            StoreBench b;
            {
                Raw raw(b.path);
                REQUIRE(raw.run(version(from)).empty());
                const auto row = [&](const std::string& id, const std::string& state, int at) {
                    return "INSERT INTO outbox VALUES ('" + id + "/mail','mail','" + message + "','" + state +
                           "',2," + std::to_string(at) + ",'503'," + std::to_string(at) + ",'',0);";
                };
                REQUIRE(raw.run("INSERT INTO alert VALUES ('alr_1','blind/lab',7,2,'firing',5,6,'me is not "
                                "seen','lab','','');" +
                                row("msg_a", "waiting", 20) + row("msg_b", "waiting", 10) +
                                row("msg_c", "dead", 30))
                            .empty());
            }
            b.open();
            const StoredState state = b.load();
            REQUIRE(state.alerts.size() == 1);
            CHECK(state.alerts[0].key == "blind/lab");
            CHECK(state.alerts[0].message.title == "me is not seen");
            CHECK(state.alerts[0].told.empty());
            const auto rows = b.loop.run(b.store->outbox({}));
            REQUIRE(rows);
            REQUIRE(rows->size() == 3);
            CHECK(rows->at(0).id == "msg_b/mail");  // the older one first
            CHECK(rows->at(0).attempts == 2);
            CHECK(rows->at(0).last_error == "503");
            CHECK(rows->at(1).id == "msg_a/mail");
            CHECK(rows->at(1).message.severity == Severity::critical);
            CHECK(rows->at(1).message.alert == AlertId{"alr_1"});
            CHECK(rows->at(2).state == OutboxState::dead);
        }
    }
}

TEST_CASE("a migration that fails leaves the database as it was") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version(1)).empty());
        REQUIRE(raw.run("CREATE TABLE rule_trial (in_the_way INTEGER)").empty());
    }
    CHECK_FALSE(b.try_open());
    Raw raw(b.path);
    CHECK(raw.ask("PRAGMA user_version") == std::vector<std::string>{"1"});
    CHECK(raw.ask("SELECT COUNT(*) FROM pragma_table_info('hold')") == std::vector<std::string>{"9"});
}

TEST_CASE("a ledger that cannot be taken over whole stays where it is") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version(2)).empty());
        REQUIRE(raw.run("INSERT INTO cost VALUES ('r1', 'n1', 'of no kind', 0, 900, 'A4000', 760000000, "
                        "190000, 'USD',"
                        " 'own', 0, 0)")
                    .empty());
    }
    CHECK_FALSE(b.try_open());
    Raw raw(b.path);
    CHECK(raw.ask("PRAGMA user_version") == std::vector<std::string>{"2"});
    CHECK(raw.ask("SELECT COUNT(*) FROM cost") == std::vector<std::string>{"8"});
}
