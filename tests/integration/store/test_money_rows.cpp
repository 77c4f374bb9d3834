// What the store keeps of meters, budgets and the provider's own figures, over a restart.
#include "integration/store/bench.hpp"

#include <string>

using namespace curfew;
using support::enforcement;
using support::Raw;
using support::StoreBench;

namespace {

const std::string nasty = "'; DROP TABLE run; -- \"\\\n\t\x01 \xF0\x9F\x98\x80";

Receipt receipt(const std::string& id) {
    Receipt r;
    r.id = ReceiptId{id};
    r.resource = ResourceId{"r1"};
    r.run = RunId{"n1"};
    r.verified = true;
    return r;
}

}  // namespace

TEST_CASE("an unpriced meter and one in another currency") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit(
        {Meter{.resource = ResourceId{"r1"},
               .run = RunId{"a"},
               .sku = "Z9",
               .tariff = {.rate = std::nullopt, .monthly_cap = std::nullopt},
               .counted_to = {1},
               .last_seen_billing = {2},
               .open = true},
         Meter{.resource = ResourceId{"r1"},
               .run = RunId{"b"},
               .sku = "A4000",
               .tariff = {.rate = Rate{Money{5, Currency{{'E', 'U', 'R'}}}}, .monthly_cap = std::nullopt},
               .counted_to = {1},
               .last_seen_billing = {2},
               .open = true}}));
    const StoredState state = b.restart();
    REQUIRE(state.meters.size() == 2);
    CHECK_FALSE(state.meters[0].tariff.rate);
    CHECK(state.meters[1].tariff.rate == Rate{Money{5, Currency{{'E', 'U', 'R'}}}});
}

TEST_CASE("meters of one run, with all that they remember; closed add-ons for a month") {
    StoreBench b;
    b.open();
    const Currency eur{{'E', 'U', 'R'}};
    const std::int64_t day = 24LL * 3600 * 1000;
    const Meter compute{.resource = ResourceId{"r1"},
                        .run = RunId{"n1"},
                        .kind = MeterKind::compute,
                        .sku = "A4000",
                        .tariff = {.rate = Rate{Money{760'000'000, eur}}, .monthly_cap = std::nullopt},
                        .increment = Increment::hour,
                        .rule = nasty,
                        .started = {100},
                        .counted_to = {100 * day},
                        .last_seen_billing = {300},
                        .used_in_month = Duration{0},
                        .closed = Money{12'345, eur},
                        .open = true};
    Meter disk = compute;
    disk.kind = MeterKind::storage;
    disk.sku = "block storage 50 GB";
    disk.tariff = {.rate = Rate{Money{7'440'476}}, .monthly_cap = Money{5'000'000'000}};
    disk.increment = Increment::minute;
    disk.used_in_month = hours{600};
    disk.closed = Money{4'464'285'714};
    disk.open = false;
    Meter flat = disk;
    flat.kind = MeterKind::other;
    flat.tariff = {.rate = std::nullopt, .monthly_cap = Money{5, eur}};
    flat.increment = Increment::none;
    flat.closed = Money{0, eur};
    flat.open = true;
    Meter long_over = disk;
    long_over.kind = MeterKind::ip;
    long_over.counted_to = {67 * day};
    REQUIRE(b.commit({compute, disk, flat, long_over}));
    StoredState state = b.restart();
    REQUIRE(state.meters.size() == 3);
    const auto same = [](const Meter& a, const Meter& m) {
        CHECK(a.resource == m.resource);
        CHECK(a.run == m.run);
        CHECK(a.kind == m.kind);
        CHECK(a.sku == m.sku);
        CHECK(a.tariff == m.tariff);
        CHECK(a.increment == m.increment);
        CHECK(a.rule == m.rule);
        CHECK(a.started == m.started);
        CHECK(a.counted_to == m.counted_to);
        CHECK(a.last_seen_billing == m.last_seen_billing);
        CHECK(a.used_in_month == m.used_in_month);
        CHECK(a.closed == m.closed);
        CHECK(a.open == m.open);
    };
    same(state.meters[0], compute);
    same(state.meters[1], flat);
    same(state.meters[2], disk);
    long_over.counted_to = {69 * day};  // 31 days before the newest
    REQUIRE(b.commit({long_over}));
    CHECK(b.restart().meters.size() == 4);
    // A tariff that is not known any more takes nothing from what was counted.
    Meter unpriced = compute;
    unpriced.tariff = {};
    REQUIRE(b.commit({unpriced}));
    state = b.restart();
    same(state.meters[0], unpriced);
}

TEST_CASE("edits of budgets: the newest of each, removals as well") {
    StoreBench b;
    b.open();
    const auto edit = [](const std::string& name, const std::string& document, std::int64_t at) {
        return BudgetEdit{
            .budget = BudgetName{name}, .document = document, .by = "ana (uid 1000)", .at = {at}};
    };
    REQUIRE(b.commit({edit("team", "first", 300), edit("lab", nasty, 100)}));
    REQUIRE(b.commit({edit("team", "second", 200)}));  // by order, not by clock
    REQUIRE(b.commit({edit("gone", "x", 1), edit("gone", "", 2)}));
    const StoredState state = b.restart();
    REQUIRE(state.budget_edits.size() == 3);
    CHECK(state.budget_edits[0].budget == BudgetName{"gone"});
    CHECK(state.budget_edits[0].document.empty());
    CHECK(state.budget_edits[1].document == nasty);
    CHECK(state.budget_edits[1].by == "ana (uid 1000)");
    CHECK(state.budget_edits[1].at == WallTime{100});
    CHECK(state.budget_edits[2].document == "second");
}

TEST_CASE("what the provider reported: kept whole, the newest of each month is loaded") {
    StoreBench b;
    b.open();
    const std::int64_t day = 24LL * 3600 * 1000;
    const auto row = [&](const std::string& account, std::int64_t month, std::int64_t nanos,
                         std::int64_t at) {
        return ReportedRow{.account = AccountName{account},
                           .month = {month * day},
                           .month_to_date = Money{nanos, Currency{{'E', 'U', 'R'}}},
                           .generated_at = {at},
                           .fetched_at = {at + 5}};
    };
    REQUIRE(b.commit({row("lab", 0, 1, 10), row("lab", 31, 2, 20), row("lab", 92, 30, 40),
                      row("lab", 92, 3, 30), row("team", 92, 4, 30)}));
    REQUIRE(b.commit({row("lab", 92, 999, 40)}));  // what was fetched again changes nothing
    const StoredState state = b.restart();
    REQUIRE(state.reported.size() == 4);
    CHECK(state.reported[0].month_to_date.nanos == 1);
    CHECK(state.reported[2].month == WallTime{92 * day});
    CHECK(state.reported[2].month_to_date == Money{30, Currency{{'E', 'U', 'R'}}});
    CHECK(state.reported[2].generated_at == WallTime{40});
    CHECK(state.reported[2].fetched_at == WallTime{45});
    CHECK(state.reported[3].account == AccountName{"team"});
    REQUIRE(b.commit({row("lab", 123, 5, 50)}));
    CHECK(b.restart().reported.size() == 4);  // the oldest is more than three months before the newest
    b.close();
    Raw raw(b.path);
    CHECK(raw.ask("SELECT COUNT(*) FROM reported") == std::vector<std::string>{"6"});
    CHECK(raw.run("DELETE FROM reported").find("never") != std::string::npos);
    CHECK(raw.run("UPDATE reported SET nanos = 0").find("never") != std::string::npos);
}

TEST_CASE("what could not be true is kept for people, once") {
    StoreBench b;
    b.open();
    const auto row = [](const std::string& run, std::int64_t at) {
        return QuarantineRow{.account = AccountName{"lab"},
                             .resource = ResourceId{"r1"},
                             .run = RunId{run},
                             .text = nasty,
                             .at = {at}};
    };
    REQUIRE(b.commit({row("n1", 100), row("n2", 200)}));
    REQUIRE(b.commit({row("n1", 300)}));  // the provider says it at every poll
    b.restart();
    const auto rows = b.loop.run(b.store->quarantine(WallTime{0}, 10));
    REQUIRE(rows);
    REQUIRE(rows->size() == 2);
    CHECK(rows->at(0).run == RunId{"n2"});  // newest first
    CHECK(rows->at(1).at == WallTime{100});
    CHECK(rows->at(1).text == nasty);
    CHECK(rows->at(1).account == AccountName{"lab"});
    CHECK(rows->at(1).resource == ResourceId{"r1"});
    CHECK(b.loop.run(b.store->quarantine(WallTime{101}, 10))->size() == 1);
    CHECK(b.loop.run(b.store->quarantine(WallTime{0}, 1))->size() == 1);
}

TEST_CASE("how long stops took: confirmed ones, newest first") {
    StoreBench b;
    b.open();
    int intents = 0;
    const auto act = [&](const std::string& of, const std::string& run, const std::string& what,
                         std::int64_t from, std::int64_t to, const std::string& outcome) {
        const std::string id = "i" + std::to_string(++intents);
        REQUIRE(b.commit(
            {IntentRow{
                 .id = id, .enforcement = EnforcementId{of}, .run = RunId{run}, .act = what, .at = {from}},
             OutcomeRow{.intent = id, .outcome = outcome, .at = {to}}}));
    };
    const auto says = [&](const std::string& run, const std::string& kind, std::int64_t at) {
        REQUIRE(b.commit({AuditRow{.seq = 0,
                                   .at = {at},
                                   .kind = kind,
                                   .account = AccountName{"lab"},
                                   .resource = ResourceId{"r1"},
                                   .run = RunId{run},
                                   .actor = "curfewd",
                                   .text = {}}}));
    };
    const auto ends = [&](const std::string& id, const std::string& run, const std::string& outcome,
                          const std::string& receipt_id) {
        Enforcement e = enforcement(id, run, EnforcementState::over);
        e.outcome = outcome;
        e.override_ = Override{"ana", "said so"};
        if (!receipt_id.empty()) {
            REQUIRE(b.commit({receipt(receipt_id)}));
            e.receipt = ReceiptId{receipt_id};
        }
        REQUIRE(b.commit({e}));
    };
    // Packed at the second try, stopped at the first.
    ends("e1", "n1", "stopped", "rc1");
    act("e1", "n1", "pack", 1000, 1100, "disk: full");
    act("e1", "n1", "pack", 2000, 2500, "receipt rc1");
    act("e1", "n1", "stop:provider", 3000, 3010, "accepted");
    says("n1", "enforcement.confirming", 3010);
    says("n1", "enforcement.stopped", 3700);
    says("n1", "enforcement.stopped", 9000);  // still so at a later look
    // Nothing was packed; taken for stopped too early, and called again.
    ends("e2", "n2", "stopped", "");
    act("e2", "n2", "stop:provider", 10'000, 10'010, "refused");
    says("n2", "enforcement.stopped", 10'100);
    act("e2", "n2", "stop:guest", 20'000, 20'010, "accepted");
    says("n2", "enforcement.stopped", 20'500);
    // None of these was confirmed.
    ends("e3", "n3", "cancelled", "");
    act("e3", "n3", "stop:provider", 30'000, 30'010, "accepted");
    ends("e4", "n4", "stopped", "");
    act("e4", "n4", "stop:provider", 40'000, 40'010, "accepted");
    says("n4", "enforcement.stop_failed", 40'500);
    // Of an enforcement before, of the same run.
    ends("e0", "n1", "cancelled", "");
    act("e0", "n1", "pack", 100, 900, "receipt rc1");
    b.restart();
    const auto times = b.loop.run(b.store->stop_times(10));
    REQUIRE(times);
    REQUIRE(times->size() == 2);
    CHECK_FALSE(times->at(0).pack);
    CHECK(times->at(0).stop == Duration{10'500});
    CHECK(times->at(1).pack == Duration{500});
    CHECK(times->at(1).stop == Duration{700});
    CHECK(b.loop.run(b.store->stop_times(1))->size() == 1);
}

TEST_CASE("thresholds that fired, once per period, for 400 days") {
    StoreBench b;
    b.open();
    const std::int64_t day = 24LL * 3600 * 1000;
    const auto fired = [](const std::string& period, const std::string& key, std::int64_t at) {
        return FiredThresholdRow{.budget = BudgetName{"team"}, .period = period, .key = key, .at = {at}};
    };
    REQUIRE(b.commit({fired("2026-11@UTC", "80%", 500 * day), fired("2026-11@UTC", "80%", 501 * day),
                      fired("2026-11@UTC", "$100.00", 502 * day), fired("2026-09@UTC", "100%", 102 * day),
                      fired("2026-10@UTC", "100%", 103 * day)}));
    const StoredState state = b.restart();
    REQUIRE(state.fired.size() == 3);
    CHECK(state.fired[0].period == "2026-10@UTC");
    CHECK(state.fired[1].key == "$100.00");
    CHECK(state.fired[1].period == "2026-11@UTC");
    CHECK(state.fired[2].key == "80%");
    CHECK(state.fired[2].at == WallTime{500 * day});
}
