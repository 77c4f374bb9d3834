// What the database refuses, whoever writes.
#include "integration/store/bench.hpp"

#include <string>

using namespace curfew;
using support::enforcement;
using support::Raw;
using support::StoreBench;

namespace {

Receipt receipt(const std::string& id) {
    Receipt r;
    r.id = ReceiptId{id};
    r.resource = ResourceId{"r1"};
    r.run = RunId{"n1"};
    r.verified = true;
    return r;
}

AuditRow audit(const std::string& text) {
    return {.seq = 0,
            .at = {1},
            .kind = "test",
            .account = AccountName{"lab"},
            .resource = ResourceId{"r1"},
            .run = RunId{"n1"},
            .actor = "curfewd",
            .text = text};
}

CostRow cost(std::int64_t from, std::int64_t to, std::int64_t nanos) {
    return {.resource = ResourceId{"r1"},
            .run = RunId{"n1"},
            .meter = MeterKind::compute,
            .from = {from},
            .to = {to},
            .sku = "A4000",
            .rate = Rate{Money{760'000'000}},
            .gross = Money{nanos},
            .source = CostSource::own,
            .estimated = false,
            .error_bar = Duration{0},
            .rule = {}};
}

std::int64_t rows_of(StoreBench& b) {
    const auto rows = b.loop.run(b.store->audit(0, 1000, std::nullopt));
    REQUIRE(rows);
    return static_cast<std::int64_t>(rows->size());
}

}  // namespace

TEST_CASE("no stop without a receipt or an override (I1)") {
    StoreBench b;
    b.open();
    for (const EnforcementState state : {EnforcementState::stopping, EnforcementState::confirming}) {
        Enforcement bare = enforcement("e1", "n1", state);
        const auto refused = b.commit({bare});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Errc::conflict);
        bare.receipt = ReceiptId{"nowhere"};  // a receipt that is not stored
        CHECK_FALSE(b.commit({bare}));
        bare.receipt = std::nullopt;
        bare.override_ = Override{"ana", "said so"};
        CHECK(b.commit({bare}));
        bare.state = EnforcementState::over;
        CHECK(b.commit({bare}));
    }
    Enforcement packed = enforcement("e2", "n2", EnforcementState::packed);
    packed.receipt = ReceiptId{"rc1"};
    REQUIRE(b.commit({receipt("rc1"), packed}));
    packed.state = EnforcementState::stopping;
    REQUIRE(b.commit({packed}));
    packed.receipt = std::nullopt;  // it may not be taken away again
    CHECK_FALSE(b.commit({packed}));
    CHECK(b.fatal.empty());
}

TEST_CASE("at most one live enforcement per run (I4)") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit({enforcement("e1", "n1", EnforcementState::warned)}));
    const auto second = b.commit({enforcement("e2", "n1", EnforcementState::due)});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::conflict);
    CHECK(b.commit({enforcement("e3", "n2", EnforcementState::warned)}));
    CHECK(b.commit(
        {enforcement("e1", "n1", EnforcementState::over), enforcement("e2", "n1", EnforcementState::due)}));
    CHECK_FALSE(b.commit(
        {enforcement("e1", "n1", EnforcementState::warned)}));  // the dead stay dead beside a live one
    CHECK(b.load().enforcements.size() == 2);
}

TEST_CASE("a batch is whole or nothing") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit({audit("before")}));
    REQUIRE_FALSE(b.commit({audit("lost"), cost(0, 1000, 5),
                            enforcement("e1", "n1", EnforcementState::stopping), audit("lost too")}));
    CHECK(rows_of(b) == 1);
    CHECK(b.loop.run(b.store->spend({WallTime{0}, WallTime{10'000'000}, {SpendBy::resource}, Zone{}}))
              ->empty());
    CHECK(b.load().enforcements.empty());
    REQUIRE(b.commit({audit("after")}));
    b.restart();
    CHECK(rows_of(b) == 2);
    CHECK(b.loop.run(b.store->verify_audit()) == 2);
}

TEST_CASE("a cost row that makes no sense is refused, not dropped in silence") {
    StoreBench b;
    b.open();
    for (const CostRow& bad :
         {cost(0, 3'600'001, 5), cost(1000, 1000, 5), cost(2000, 1000, 5), cost(0, 1000, -5)}) {
        const auto refused = b.commit({bad});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Errc::conflict);
    }
    CHECK(b.commit({cost(0, 3'600'000, 5)}));
    CHECK(b.commit({cost(0, 3'600'000, 5)}));  // the same again is harmless
    const auto rows = b.loop.run(
        b.store->spend({WallTime{0}, WallTime{10'000'000}, {SpendBy::resource}, Zone{}}));
    REQUIRE(rows);
    REQUIRE(rows->size() == 1);
    CHECK(rows->at(0).gross == Money{5});
}

TEST_CASE("cost rows and the audit are only ever added to") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit({cost(0, 1000, 5), audit("a"), audit("b")}));
    b.close();
    {
        Raw raw(b.path);
        for (const std::string sql :
             {"UPDATE cost SET gross_nanos = 0", "DELETE FROM cost", "UPDATE cost_terms SET rate_nanos = 0",
              "UPDATE cost_line SET run = 'x'", "UPDATE audit SET text = 'x'", "DELETE FROM audit",
              "DELETE FROM audit WHERE seq = 2"}) {
            CAPTURE(sql);
            CHECK(raw.run(sql).find("never") != std::string::npos);
        }
        CHECK_FALSE(raw.run("INSERT INTO enforcement (id, account, resource, run, cause_kind, cause_name, "
                            "state, warned_step, pack_attempts,"
                            " stop_attempts, method, off_sightings, relooks, reason, outcome)"
                            " VALUES ('x','a','r','n','idle','','stopping',0,0,0,'provider',0,0,'','')")
                        .empty());
        CHECK_FALSE(raw.run("INSERT INTO run (id, resource, account, machine_type, state, state_text, "
                            "first_seen, last_seen)"
                            " VALUES ('x','r','a','t','running','', 'no number', 1)")
                        .empty());
    }
    b.open();
    CHECK(b.loop.run(b.store->verify_audit()) == 2);
}

TEST_CASE("a changed audit is found, with its place") {
    struct Row {
        std::string tampering;
        std::string place;
    };
    const std::vector<Row> rows{
        {"UPDATE audit SET text = 'nothing happened' WHERE seq = 3", "row 3"},
        {"UPDATE audit SET at = 2 WHERE seq = 1", "row 1"},
        {"UPDATE audit SET actor = 'bob' WHERE seq = 5", "row 5"},
        {"UPDATE audit SET resource = 'r2', run = '' WHERE seq = 2", "row 2"},
        // Text moved from one column into its neighbour.
        {"UPDATE audit SET actor = 'curfewdr', text = substr(text, 2) WHERE seq = 4", "row 4"},
        {"DELETE FROM audit WHERE seq = 2", "row 2"},
        {"DELETE FROM audit WHERE seq = 1", "row 1"},
        {"INSERT INTO audit SELECT 6, at, kind, account, resource, run, actor, text, hash FROM audit WHERE "
         "seq = 5",
         "row 6"},
        {"UPDATE audit SET hash = '' WHERE seq = 5", "row 5"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.tampering);
        StoreBench b;
        b.open();
        for (int i = 1; i <= 5; ++i) {
            REQUIRE(b.commit({audit("row " + std::to_string(i))}));
        }
        CHECK(b.loop.run(b.store->verify_audit()) == 5);
        b.close();
        {
            Raw raw(b.path);
            REQUIRE(raw.run("DROP TRIGGER audit_is_append_only; DROP TRIGGER audit_is_kept").empty());
            REQUIRE(raw.run(row.tampering).empty());
        }
        b.open();
        const auto walked = b.loop.run(b.store->verify_audit());
        REQUIRE_FALSE(walked);
        CHECK(walked.error().code == Errc::corrupt);
        CHECK(walked.error().text.find(row.place) != std::string::npos);
    }
}

TEST_CASE("a quiet clock goes on to the last good poll of its boot") {
    StoreBench b;
    b.open();
    b.load("boot-1");
    const auto poll = [](std::int64_t mono, const std::string& error) {
        return AccountPollRow{
            .account = AccountName{"lab"}, .mono = {mono}, .wall = {mono}, .complete = true, .error = error};
    };
    const auto run = [](const std::string& id, const std::string& account) {
        return RunRow{.id = RunId{id},
                      .resource = ResourceId{id},
                      .account = AccountName{account},
                      .machine_type = "A4000",
                      .state = RunState::running,
                      .state_text = "Running",
                      .started_at = std::nullopt,
                      .ended_at = std::nullopt,
                      .first_seen = {1},
                      .last_seen = {1}};
    };
    const auto quiet = [](const std::string& id, std::int64_t sum, std::optional<Instant> last) {
        return QuietRow{.run = RunId{id}, .clock = {.quiet = Duration{sum}, .last_quiet_at = last}};
    };
    REQUIRE(b.commit({run("n1", "lab"), run("n2", "lab"), run("n3", "other"), quiet("n1", 50, Instant{1000}),
                      quiet("n2", 70, std::nullopt), quiet("n3", 90, Instant{1000}), poll(1000, "")}));
    REQUIRE(b.commit({poll(1500, "")}));
    REQUIRE(b.commit({poll(9000, "HTTP 500")}));  // saw nothing
    {
        const StoredState same = b.restart("boot-1");
        REQUIRE(same.quiet_clocks.size() == 3);
        CHECK(same.quiet_clocks[0].clock == QuietClock{Duration{550}, Instant{1500}});
        CHECK(same.quiet_clocks[1].clock == QuietClock{Duration{70}, std::nullopt});   // frozen
        CHECK(same.quiet_clocks[2].clock == QuietClock{Duration{90}, Instant{1000}});  // another account
    }
    CHECK(b.restart("boot-1").quiet_clocks[0].clock.quiet == Duration{550});  // the same answer again
    CHECK(b.restart("boot-2").boot_id == "boot-1");
    // Instants of the new boot never stretch a clock of the old one.
    REQUIRE(b.commit({poll(50'000, "")}));
    const StoredState other = b.restart("boot-2");
    CHECK(other.quiet_clocks[0].clock.quiet <= Duration{550});
    CHECK_FALSE(other.quiet_clocks[0].clock.last_quiet_at);
}

TEST_CASE("instants of an earlier boot are marked as such for every later start") {
    StoreBench b;
    b.open();
    b.load("boot-1");
    Enforcement e = enforcement("e1", "n1", EnforcementState::warned);
    e.warned_at = e.next_at = Instant{7000};
    e.notice_at.reset();
    e.stop_called_at = Instant{6000};
    REQUIRE(b.commit(
        {e,
         AccountPollRow{
             .account = AccountName{"lab"}, .mono = {5000}, .wall = {9000}, .complete = true, .error = {}}}));
    CHECK(b.restart("boot-1").enforcements.at(0).warned_at == Instant{7000});
    CHECK(b.restart("boot-2").boot_id == "boot-1");
    const StoredState again = b.restart("boot-2");  // a crash before anything was written
    CHECK(again.boot_id == "boot-2");
    const Enforcement& stored = again.enforcements.at(0);
    CHECK(stored.warned_at == instant_of_earlier_boot);
    CHECK(stored.next_at == instant_of_earlier_boot);
    CHECK(stored.stop_called_at == instant_of_earlier_boot);
    CHECK_FALSE(stored.notice_at);
    CHECK(again.polls.at(0).mono == instant_of_earlier_boot);
    CHECK(again.polls.at(0).wall == WallTime{9000});
    REQUIRE(b.commit({AccountPollRow{.account = AccountName{"lab"},
                                     .mono = {10},
                                     .wall = {9500},
                                     .complete = true,
                                     .error = "HTTP 500"}}));
    CHECK(b.restart("boot-2").polls.at(0).mono == instant_of_earlier_boot);  // that poll saw nothing
}

TEST_CASE("no column and no row holds a token") {
    StoreBench b;
    b.open();
    b.close();
    Raw raw(b.path);
    for (const std::string& table : raw.ask("SELECT name FROM sqlite_schema WHERE type = 'table'")) {
        for (const std::string& column : raw.ask("SELECT name FROM pragma_table_info('" + table + "')")) {
            CAPTURE(table, column);
            for (const std::string word : {"token", "secret", "password", "credential", "api_key"}) {
                CHECK(column.find(word) == std::string::npos);
            }
        }
    }
    CHECK(raw.ask("PRAGMA auto_vacuum") == std::vector<std::string>{"2"});
    CHECK(raw.ask("PRAGMA journal_mode") == std::vector<std::string>{"wal"});
    CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
}

TEST_CASE("many callers at once are all answered") {
    StoreBench b;
    b.open();
    std::vector<support::Loop::Running<Result<void>>> waiting;
    for (int i = 0; i < 100; ++i) {
        waiting.push_back(b.loop.start(b.store->commit({audit("row " + std::to_string(i))})));
    }
    for (auto& w : waiting) {
        CHECK(w.get());
    }
    CHECK(b.loop.run(b.store->verify_audit()) == 100);
}

TEST_CASE("after close nothing is taken any more") {
    StoreBench b;
    b.open();
    REQUIRE(b.loop.run(b.store->close()));
    const auto late = b.commit({audit("late")});
    REQUIRE_FALSE(late);
    CHECK_FALSE(b.loop.run(b.store->load("boot-1")));
    CHECK_FALSE(b.loop.run(b.store->close()));
    b.store.reset();
    b.open();
    CHECK(rows_of(b) == 0);
}
