// Everything that is written is read back, over a restart.
#include "integration/store/bench.hpp"

#include <string>

using namespace curfew;
using support::enforcement;
using support::StoreBench;

namespace {

// Quotes, line ends, NUL-free controls, emoji and bad UTF-8 must survive in texts.
const std::string nasty = "'; DROP TABLE run; -- \"\\\n\t\x01 \xF0\x9F\x98\x80";

ResourceRow resource(const std::string& id) {
    return {.id = ResourceId{id},
            .account = AccountName{"lab"},
            .kind = ResourceKind::notebook,
            .name = "name of " + id,
            .project = "p",
            .owner = "ana@example.org",
            .first_seen = {1000},
            .last_seen = {2000},
            .gone = false};
}

RunRow run_row(const std::string& id, const std::string& of, std::optional<WallTime> started) {
    return {.id = RunId{id},
            .resource = ResourceId{of},
            .account = AccountName{"lab"},
            .machine_type = "A4000",
            .state = RunState::running,
            .state_text = "Running",
            .started_at = started,
            .ended_at = std::nullopt,
            .first_seen = {1000},
            .last_seen = {2000}};
}

Receipt receipt(const std::string& id) {
    Receipt r;
    r.id = ReceiptId{id};
    r.enforcement = EnforcementId{"e1"};
    r.account = AccountName{"lab"};
    r.resource = ResourceId{"r1"};
    r.run = RunId{"n1"};
    r.resource_name = nasty;
    r.begun_at = {5000};
    r.verified_at = {6000};
    r.files = 3;
    r.bytes = 1LL << 40;
    r.reused = 1;
    r.manifest_sha256 = std::string(64, 'a');
    r.sums_sha256 = std::string(64, 'b');
    r.html = {{"a.ipynb", "a.html", ""}, {"b.ipynb", "", "nbconvert failed"}};
    r.not_covered = {{"kernel memory", "cannot be copied", false}, {"x", "gone", true}};
    r.proofs = {{VaultName{"local"}, "/vault/x", "sha256 read back"}};
    r.verified = true;
    return r;
}

Message message() {
    Message m;
    m.id = "msg-1";
    m.alert = AlertId{"a1"};
    m.kind = AlertKind::budget_threshold;
    m.severity = Severity::critical;
    m.state = AlertState::acknowledged;
    m.at = {7000};
    m.title = nasty;
    m.body = {"one", "", "three\nlines"};
    m.do_next = "curfew keep demo --for 2h";
    m.tables = {{nasty, {{"team", "$45.00 of $50.00", 900}, {nasty, "", std::nullopt}}}, {"none", {}}};
    m.account = AccountName{"lab"};
    m.resource = ResourceId{"r1"};
    m.resource_name = "demo";
    m.run = RunId{"n1"};
    m.cause = "budget team";
    m.stops_at = WallTime{8000};
    m.cost_so_far = Money{12'340'000'001};
    m.per_hour = Money{760'000'000, Currency{{'E', 'U', 'R'}}};
    m.saved = std::nullopt;
    m.expires_at = WallTime{9000};
    return m;
}

OutboxRow outbox(const std::string& id, std::int64_t next_at, std::int64_t created_at) {
    return {.id = id,
            .channel = ChannelName{"mail"},
            .message = message(),
            .state = OutboxState::waiting,
            .attempts = 0,
            .next_at = {next_at},
            .last_error = {},
            .created_at = {created_at},
            .enforcement = EnforcementId{"e1"},
            .warn_step = 2};
}

}  // namespace

TEST_CASE("an empty store is empty, private, and says which boot wrote last") {
    StoreBench b;
    b.open();
    CHECK(b.recovered.empty());
    const StoredState first = b.load("boot-1");
    CHECK(first.boot_id.empty());
    CHECK(first.resources.empty());
    CHECK(b.load("boot-2").boot_id == "boot-1");
    CHECK(b.restart("boot-3").boot_id == "boot-2");
    b.wait_for_backup();
    for (const std::string& file : {b.path, b.path + ".lock", b.path + ".backup"}) {
        CAPTURE(file);
        CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::mask) ==
              (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    }
}

TEST_CASE("resources, and those that are gone") {
    StoreBench b;
    b.open();
    ResourceRow machine = resource("m1");
    machine.kind = ResourceKind::machine;
    machine.name = nasty;
    machine.owner = "";
    ResourceRow gone = resource("r9");
    gone.gone = true;
    REQUIRE(b.commit({resource("r1"), machine, gone}));
    ResourceRow renamed = resource("r1");
    renamed.name = "renamed";
    renamed.first_seen = {9999};  // the first sight stays the first
    renamed.last_seen = {3000};
    REQUIRE(b.commit({renamed}));
    const StoredState state = b.restart();
    REQUIRE(state.resources.size() == 2);
    CHECK(state.resources[0].id == ResourceId{"m1"});
    CHECK(state.resources[0].kind == ResourceKind::machine);
    CHECK(state.resources[0].name == nasty);
    CHECK(state.resources[1].name == "renamed");
    CHECK(state.resources[1].first_seen == WallTime{1000});
    CHECK(state.resources[1].last_seen == WallTime{3000});
    CHECK(state.resources[1].project == "p");
    CHECK(state.resources[1].owner == "ana@example.org");
    CHECK(state.resources[1].account == AccountName{"lab"});
    const auto all = b.loop.run(b.store->resources());
    REQUIRE(all);
    CHECK(all->size() == 3);
    CHECK(all->back().gone);
}

TEST_CASE("runs: the newest of a resource, and those that still cost") {
    StoreBench b;
    b.open();
    RunRow odd = run_row("n3", "r1", WallTime{3000});
    odd.state = RunState::unknown;
    odd.state_text = "Hibernating";
    odd.ended_at = WallTime{3500};
    RunRow pending = run_row("p1", "r2", std::nullopt);
    pending.state = RunState::pending;
    REQUIRE(b.commit({resource("r1"), resource("r2"), run_row("n1", "r1", WallTime{1000}),
                      run_row("n2", "r1", WallTime{2000}), odd, pending,
                      Meter{.resource = ResourceId{"r1"},
                            .run = RunId{"n1"},
                            .sku = "A4000",
                            .tariff = {.rate = Rate{Money{760'000'000}}, .monthly_cap = std::nullopt},
                            .counted_to = {1100},
                            .last_seen_billing = {1200},
                            .open = true},
                      Meter{.resource = ResourceId{"r1"},
                            .run = RunId{"n2"},
                            .sku = "Z9",
                            .tariff = {.rate = std::nullopt, .monthly_cap = std::nullopt},
                            .counted_to = {1100},
                            .last_seen_billing = {1200},
                            .open = false}}));
    const StoredState state = b.restart();
    REQUIRE(state.runs.size() == 3);
    CHECK(state.runs[0].id == RunId{"n1"});
    CHECK(state.runs[1].id == RunId{"n3"});
    CHECK(state.runs[1].state == RunState::unknown);
    CHECK(state.runs[1].state_text == "Hibernating");
    CHECK(state.runs[1].started_at == WallTime{3000});
    CHECK(state.runs[1].ended_at == WallTime{3500});
    CHECK(state.runs[2].id == RunId{"p1"});
    CHECK(state.runs[2].state == RunState::pending);
    CHECK_FALSE(state.runs[2].started_at);
    REQUIRE(state.meters.size() == 2);  // and the one that ended not long ago
    CHECK(state.meters[0].run == RunId{"n1"});
    CHECK(state.meters[0].tariff.rate == Rate{Money{760'000'000}});
    CHECK(state.meters[0].counted_to == WallTime{1100});
    CHECK(state.meters[0].last_seen_billing == WallTime{1200});
    CHECK(state.meters[0].sku == "A4000");
    const auto of = b.loop.run(b.store->runs_of(ResourceId{"r1"}, 2));
    REQUIRE(of);
    CHECK(of->size() == 2);
}

TEST_CASE("observations, the newest of each source") {
    StoreBench b;
    b.open();
    Observation o{.source = Signal::kernels,
                  .run = RunId{"n1"},
                  .at = {100},
                  .wall = {1100},
                  .verdict = Verdict::active,
                  .last_active_at = WallTime{1099},
                  .strength = Strength::strong,
                  .evidence = nasty,
                  .ttl = minutes{5}};
    Batch batch{o};
    for (const Signal source :
         {Signal::terminals, Signal::server, Signal::metrics, Signal::processes, Signal::gpu,
          Signal::disk_network, Signal::watched_paths, Signal::session, Signal::heartbeat}) {
        o.source = source;
        o.verdict = Verdict::unknown;
        o.strength = Strength::weak;
        o.last_active_at = std::nullopt;
        batch.emplace_back(o);
    }
    o.source = Signal::kernels;
    o.at = {200};
    o.verdict = Verdict::quiet;
    batch.emplace_back(o);
    REQUIRE(b.commit(batch));
    b.restart();
    const auto seen = b.loop.run(b.store->observations_of(RunId{"n1"}));
    REQUIRE(seen);
    CHECK(seen->size() == 10);
    int kernels = 0;
    for (const Observation& one : *seen) {
        if (one.source == Signal::kernels) {
            ++kernels;
            CHECK(one.at == Instant{200});
            CHECK(one.verdict == Verdict::quiet);
        } else {
            CHECK(one.at == Instant{100});
            CHECK(one.verdict == Verdict::unknown);
        }
        CHECK(one.wall == WallTime{1100});
        CHECK(one.strength == Strength::weak);
        CHECK(one.evidence == nasty);
        CHECK(one.ttl == Duration{minutes{5}});
    }
    CHECK(kernels == 1);
    CHECK(b.loop.run(b.store->observations_of(RunId{"other"}))->empty());
}

TEST_CASE("the last good poll of an account") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit({AccountPollRow{
        .account = AccountName{"lab"}, .mono = {100}, .wall = {1100}, .complete = true, .error = {}}}));
    REQUIRE(b.commit({AccountPollRow{.account = AccountName{"lab"},
                                     .mono = {200},
                                     .wall = {1200},
                                     .complete = false,
                                     .error = "HTTP 500"}}));
    const StoredState state = b.restart();
    REQUIRE(state.polls.size() == 1);
    CHECK(state.polls[0].mono == Instant{100});  // when it was last seen, not when it was last asked
    CHECK(state.polls[0].wall == WallTime{1100});
    CHECK_FALSE(state.polls[0].complete);
    CHECK(state.polls[0].error == "HTTP 500");
}

TEST_CASE("gaps of which the provider has not told, until they are closed") {
    StoreBench b;
    b.open();
    const GapRow first{.resource = ResourceId{"r1"},
                       .after = RunId{"n3"},
                       .account = AccountName{"lab"},
                       .kind = ResourceKind::machine,
                       .before = RunId{"n1"},
                       .since = {1000}};
    GapRow second = first;
    second.after = RunId{"n5"};
    second.kind = ResourceKind::notebook;
    second.before = {};
    second.since = {2000};
    REQUIRE(b.commit({second, first, first}));
    const std::vector<GapRow> gaps = b.restart().gaps;
    REQUIRE(gaps.size() == 2);
    CHECK(gaps[0].resource == first.resource);
    CHECK(gaps[0].after == first.after);
    CHECK(gaps[0].account == first.account);
    CHECK(gaps[0].kind == first.kind);
    CHECK(gaps[0].before == first.before);
    CHECK(gaps[0].since == first.since);
    CHECK(gaps[1].after == second.after);
    CHECK(gaps[1].kind == second.kind);
    CHECK(gaps[1].before.empty());
    second.closed = true;
    REQUIRE(b.commit({second}));
    CHECK(b.restart("boot-2").gaps.size() == 1);
}

TEST_CASE("enforcements with every member") {
    StoreBench b;
    b.open();
    Enforcement e = enforcement("e1", "n1", EnforcementState::confirming);
    e.warned_step = 3;
    e.warned_at = Instant{10};
    e.notice_at = Instant{20};
    e.pack_attempts = 2;
    e.stop_attempts = 1;
    e.method = StopMethod::guest;
    e.next_at = Instant{30};
    e.stop_called_at = Instant{40};
    e.receipt = ReceiptId{"rc1"};
    e.override_ = Override{"rule night", "the pack failed for good"};
    e.off_sightings = 1;
    e.relooks = 1;
    e.reason = nasty;
    Enforcement over = enforcement("e0", "n0", EnforcementState::over);
    over.outcome = "cancelled";
    over.cause = {CauseKind::manual, "ana (uid 1000)"};
    REQUIRE(b.commit({receipt("rc1"), e, over}));
    const StoredState state = b.restart();
    REQUIRE(state.enforcements.size() == 1);
    const Enforcement& read = state.enforcements[0];
    CHECK(read.id == e.id);
    CHECK(read.account == e.account);
    CHECK(read.resource == e.resource);
    CHECK(read.run == e.run);
    CHECK(read.cause == e.cause);
    CHECK(read.state == e.state);
    CHECK(read.warned_step == 3);
    CHECK(read.warned_at == e.warned_at);
    CHECK(read.notice_at == e.notice_at);
    CHECK(read.pack_attempts == 2);
    CHECK(read.stop_attempts == 1);
    CHECK(read.method == StopMethod::guest);
    CHECK(read.next_at == e.next_at);
    CHECK(read.stop_called_at == e.stop_called_at);
    CHECK(read.receipt == e.receipt);
    REQUIRE(read.override_);
    CHECK(read.override_->by == "rule night");
    CHECK(read.override_->reason == "the pack failed for good");
    CHECK(read.off_sightings == 1);
    CHECK(read.relooks == 1);
    CHECK(read.reason == nasty);
    CHECK(read.outcome.empty());
    const auto of = b.loop.run(b.store->enforcements_of(ResourceId{"r1"}, 10));
    REQUIRE(of);
    REQUIRE(of->size() == 2);
    CHECK(of->at(0).id == EnforcementId{"e1"});  // live ones first
    CHECK(of->at(1).outcome == "cancelled");
    CHECK(of->at(1).cause.kind == CauseKind::manual);
    CHECK_FALSE(of->at(1).warned_at);
    CHECK_FALSE(of->at(1).receipt);
    CHECK_FALSE(of->at(1).override_);
    CHECK(b.loop.run(b.store->enforcements_of(ResourceId{"r1"}, 1))->size() == 1);
}

TEST_CASE("every state of an enforcement is kept") {
    StoreBench b;
    b.open();
    for (int i = 0; i <= static_cast<int>(EnforcementState::over); ++i) {
        const auto state = static_cast<EnforcementState>(i);
        CAPTURE(to_string(state));
        Enforcement e = enforcement("e" + std::to_string(i), "run" + std::to_string(i), state);
        e.resource = ResourceId{"of " + std::to_string(i)};
        e.override_ = Override{"ana", "said so"};
        REQUIRE(b.commit({e}));
        const auto read = b.loop.run(b.store->enforcements_of(e.resource, 1));
        REQUIRE(read);
        REQUIRE(read->size() == 1);
        CHECK(read->at(0).state == state);
    }
    CHECK(b.load().enforcements.size() == 10);  // neither watching nor over
}

TEST_CASE("intents without an outcome are open") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit(
        {IntentRow{.id = "i2",
                   .enforcement = EnforcementId{"e1"},
                   .run = RunId{"n1"},
                   .act = "stop:provider",
                   .at = {20}},
         IntentRow{
             .id = "i1", .enforcement = EnforcementId{"e1"}, .run = RunId{"n1"}, .act = "pack", .at = {10}},
         IntentRow{
             .id = "i3", .enforcement = EnforcementId{"e2"}, .run = RunId{"n2"}, .act = "pack", .at = {30}},
         OutcomeRow{.intent = "i1", .outcome = "verified", .at = {15}}}));
    const StoredState state = b.restart();
    REQUIRE(state.open_intents.size() == 2);
    CHECK(state.open_intents[0].id == "i2");
    CHECK(state.open_intents[0].act == "stop:provider");
    CHECK(state.open_intents[0].run == RunId{"n1"});
    CHECK(state.open_intents[0].enforcement == EnforcementId{"e1"});
    CHECK(state.open_intents[0].at == WallTime{20});
    CHECK(state.open_intents[1].id == "i3");
    REQUIRE(
        b.commit({OutcomeRow{.intent = "i1", .outcome = "another", .at = {99}}}));  // the first outcome stays
    CHECK_FALSE(b.commit({OutcomeRow{.intent = "never begun", .outcome = "x", .at = {1}}}));
}

TEST_CASE("holds") {
    StoreBench b;
    b.open();
    Hold keep{.id = HoldId{"h1"},
              .kind = HoldKind::keep,
              .resource = ResourceId{"r1"},
              .run = RunId{"n1"},
              .from = {100},
              .until = {200},
              .reason = nasty,
              .by = "ana (uid 1000)",
              .released_at = std::nullopt};
    Hold exemption = keep;
    exemption.id = HoldId{"h2"};
    exemption.kind = HoldKind::exemption;
    exemption.run = RunId{};
    exemption.until = {900};
    Hold lease = keep;
    lease.id = HoldId{"h3"};
    lease.kind = HoldKind::lease;
    lease.resource = ResourceId{"r2"};
    lease.job = nasty;
    REQUIRE(b.commit({keep, exemption, lease}));
    keep.released_at = WallTime{150};
    REQUIRE(b.commit({keep}));
    const StoredState state = b.restart();
    REQUIRE(state.holds.size() == 2);
    CHECK(state.holds[0].id == HoldId{"h2"});
    CHECK(state.holds[0].kind == HoldKind::exemption);
    CHECK(state.holds[0].run.empty());
    CHECK(state.holds[0].until == WallTime{900});
    CHECK(state.holds[0].job.empty());
    CHECK(state.holds[1].kind == HoldKind::lease);
    CHECK(state.holds[1].job == nasty);
    CHECK(state.holds[1].reason == nasty);
    CHECK(state.holds[1].by == "ana (uid 1000)");
    const auto of = b.loop.run(b.store->holds(ResourceId{"r1"}, WallTime{150}));
    REQUIRE(of);
    REQUIRE(of->size() == 2);
    CHECK(of->at(0).released_at == WallTime{150});
    CHECK(b.loop.run(b.store->holds(ResourceId{"r1"}, WallTime{151}))->size() == 1);
    CHECK(b.loop.run(b.store->holds(std::nullopt, WallTime{0}))->size() == 3);
}

TEST_CASE("a keep link places one hold, also over restarts; of what would place another nothing is written") {
    StoreBench b;
    b.open();
    Hold first{.id = HoldId{"h1"},
               .kind = HoldKind::keep,
               .resource = ResourceId{"r1"},
               .run = RunId{"n1"},
               .from = {100},
               .until = {200},
               .reason = {},
               .by = "keep link",
               .released_at = std::nullopt};
    first.link = "msg_1";
    REQUIRE(b.commit({first}));
    first.released_at = WallTime{150};  // ended early, it is spent all the same
    REQUIRE(b.commit({first}));
    b.restart();
    Hold second = first;
    second.id = HoldId{"h2"};
    second.released_at.reset();
    Hold other = second;
    other.id = HoldId{"h3"};
    other.link = "msg_2";
    const auto refused = b.commit({other, second});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::conflict);
    CHECK(b.loop.run(b.store->holds(std::nullopt, WallTime{0}))->size() == 1);
    REQUIRE(b.commit({other}));
    second.link.clear();  // holds without a link are as many as people want
    REQUIRE(b.commit({second}));
    const auto all = b.loop.run(b.store->holds(std::nullopt, WallTime{0}));
    REQUIRE(all);
    CHECK(all->size() == 3);
    CHECK(all->at(0).link == "msg_1");
}

TEST_CASE("alerts, with and without those that are over") {
    StoreBench b;
    b.open();
    Alert a{.id = AlertId{"a1"},
            .key = "blind/lab",
            .kind = AlertKind::blind,
            .severity = Severity::warning,
            .state = AlertState::firing,
            .since = {100},
            .changed_at = {100},
            .title = nasty,
            .account = AccountName{"lab"},
            .resource = ResourceId{},
            .run = RunId{}};
    REQUIRE(b.commit({a}));
    a.severity = Severity::critical;
    a.state = AlertState::acknowledged;
    a.changed_at = {200};
    REQUIRE(b.commit({a}));
    {
        const StoredState state = b.restart();
        REQUIRE(state.alerts.size() == 1);
        CHECK(state.alerts[0].key == "blind/lab");
        CHECK(state.alerts[0].kind == AlertKind::blind);
        CHECK(state.alerts[0].severity == Severity::critical);
        CHECK(state.alerts[0].state == AlertState::acknowledged);
        CHECK(state.alerts[0].since == WallTime{100});
        CHECK(state.alerts[0].changed_at == WallTime{200});
        CHECK(state.alerts[0].title == nasty);
    }
    Alert twin = a;
    twin.id = AlertId{"a2"};
    CHECK_FALSE(b.commit({twin}));  // one life at a time per condition
    a.state = AlertState::resolved;
    REQUIRE(b.commit({a, twin}));
    CHECK(b.load().alerts.size() == 1);
    CHECK(b.loop.run(b.store->alerts(false, 10))->size() == 1);
    CHECK(b.loop.run(b.store->alerts(true, 10))->size() == 2);
    CHECK(b.loop.run(b.store->alerts(true, 1))->size() == 1);
}

TEST_CASE("messages wait in the outbox, in the order of their coming") {
    StoreBench b;
    b.open();
    REQUIRE(b.commit({outbox("late", 900, 10), outbox("second", 100, 30), outbox("first", 200, 20)}));
    b.restart();
    auto due = b.loop.run(b.store->outbox({}));
    REQUIRE(due);
    REQUIRE(due->size() == 3);
    CHECK(due->at(0).id == "late");
    CHECK(due->at(1).id == "second");
    const OutboxRow& row = due->at(2);
    CHECK(row.channel == ChannelName{"mail"});
    CHECK(row.created_at == WallTime{20});
    CHECK(row.next_at == WallTime{200});
    CHECK(row.enforcement == EnforcementId{"e1"});
    CHECK(row.warn_step == 2);
    const Message m = message();
    CHECK(row.message.id == m.id);
    CHECK(row.message.alert == m.alert);
    CHECK(row.message.kind == m.kind);
    CHECK(row.message.severity == m.severity);
    CHECK(row.message.state == m.state);
    CHECK(row.message.at == m.at);
    CHECK(row.message.title == m.title);
    CHECK(row.message.body == m.body);
    CHECK(row.message.tables == m.tables);
    CHECK(row.message.do_next == m.do_next);
    CHECK(row.message.account == m.account);
    CHECK(row.message.resource == m.resource);
    CHECK(row.message.resource_name == m.resource_name);
    CHECK(row.message.run == m.run);
    CHECK(row.message.cause == m.cause);
    CHECK(row.message.stops_at == m.stops_at);
    CHECK(row.message.cost_so_far == m.cost_so_far);
    CHECK(row.message.per_hour == m.per_hour);
    CHECK_FALSE(row.message.saved);
    CHECK(row.message.expires_at == m.expires_at);
}

TEST_CASE("of two receipts the one stored later is the newer, also after the clock was set back") {
    StoreBench b;
    b.open();
    Receipt ahead = receipt("rc9");
    ahead.verified_at = {18'000'000};
    Receipt later = receipt("rc5");
    later.verified_at = {7000};
    Receipt last = receipt("rc7");
    last.verified_at = {7001};
    REQUIRE(b.commit({ahead}));
    REQUIRE(b.commit({later}));
    REQUIRE(b.commit({last}));
    REQUIRE(b.commit({ahead}));  // no newer for being stored again
    b.restart();
    const auto rows = b.loop.run(b.store->receipts(last.resource, 2));
    REQUIRE(rows);
    REQUIRE(rows->size() == 2);
    CHECK(rows->at(0).id == ReceiptId{"rc7"});
    CHECK(rows->at(0).verified_at == last.verified_at);
    CHECK(rows->at(1).id == ReceiptId{"rc5"});
}

TEST_CASE("receipts as they were") {
    StoreBench b;
    b.open();
    Receipt newer = receipt("rc2");
    newer.verified_at = {7000};
    newer.resource = ResourceId{"r2"};
    REQUIRE(b.commit({receipt("rc1"), newer}));
    Receipt again = receipt("rc1");
    again.files = 999;
    REQUIRE(b.commit({again}));  // a receipt is never changed
    b.restart();
    const auto all = b.loop.run(b.store->receipts(std::nullopt, 10));
    REQUIRE(all);
    REQUIRE(all->size() == 2);
    CHECK(all->at(0).id == ReceiptId{"rc2"});
    CHECK(b.loop.run(b.store->receipts(ResourceId{"r1"}, 10))->size() == 1);
    CHECK(b.loop.run(b.store->receipts(std::nullopt, 1))->size() == 1);
    const auto one = b.loop.run(b.store->receipt(ReceiptId{"rc1"}));
    REQUIRE(one);
    REQUIRE(*one);
    const Receipt& r = **one;
    const Receipt wanted = receipt("rc1");
    CHECK(r.enforcement == wanted.enforcement);
    CHECK(r.account == wanted.account);
    CHECK(r.run == wanted.run);
    CHECK(r.resource_name == wanted.resource_name);
    CHECK(r.begun_at == wanted.begun_at);
    CHECK(r.verified_at == wanted.verified_at);
    CHECK(r.files == 3);
    CHECK(r.bytes == wanted.bytes);
    CHECK(r.reused == 1);
    CHECK(r.manifest_sha256 == wanted.manifest_sha256);
    CHECK(r.sums_sha256 == wanted.sums_sha256);
    REQUIRE(r.html.size() == 2);
    CHECK(r.html[0].local_path == "a.html");
    CHECK(r.html[1].failure == "nbconvert failed");
    REQUIRE(r.not_covered.size() == 2);
    CHECK(r.not_covered[1].listed);
    REQUIRE(r.proofs.size() == 1);
    CHECK(r.proofs[0].locator == "/vault/x");
    CHECK(r.verified);
    CHECK(r.partial());
    const auto none = b.loop.run(b.store->receipt(ReceiptId{"absent"}));
    REQUIRE(none);
    CHECK_FALSE(*none);
}

TEST_CASE("the first answer to an idempotency key stays") {
    StoreBench b;
    b.open();
    const WallTime now = b.loop.scheduler().wall();
    REQUIRE(b.commit({IdempotencyRow{.key = "k", .status = 201, .body = nasty, .at = now}}));
    REQUIRE(b.commit({IdempotencyRow{.key = "k", .status = 500, .body = "other", .at = now}}));
    REQUIRE(b.commit({IdempotencyRow{.key = "old", .status = 200, .body = "", .at = now - hours{8 * 24}}}));
    b.restart();
    const auto row = b.loop.run(b.store->idempotent("k"));
    REQUIRE(row);
    REQUIRE(*row);
    CHECK((*row)->status == 201);
    CHECK((*row)->body == nasty);
    CHECK((*row)->at == now);
    CHECK_FALSE(*b.loop.run(b.store->idempotent("absent")));
    CHECK_FALSE(*b.loop.run(b.store->idempotent("old")));  // kept for a week
}

TEST_CASE("the audit, in order and by resource") {
    StoreBench b;
    b.open();
    for (int i = 1; i <= 5; ++i) {
        REQUIRE(b.commit({AuditRow{.seq = 77,
                                   .at = {i * 10},
                                   .kind = "hold.placed",
                                   .account = AccountName{"lab"},
                                   .resource = ResourceId{i % 2 == 0 ? "even" : "odd"},
                                   .run = RunId{"n1"},
                                   .actor = "ana (uid 1000)",
                                   .text = nasty}}));
    }
    b.restart();
    const auto all = b.loop.run(b.store->audit(0, 10, std::nullopt));
    REQUIRE(all);
    REQUIRE(all->size() == 5);
    CHECK(all->at(0).seq == 1);  // given by the store
    CHECK(all->at(4).seq == 5);
    CHECK(all->at(4).at == WallTime{50});
    CHECK(all->at(0).kind == "hold.placed");
    CHECK(all->at(0).actor == "ana (uid 1000)");
    CHECK(all->at(0).text == nasty);
    CHECK(b.loop.run(b.store->audit(3, 10, std::nullopt))->size() == 2);
    CHECK(b.loop.run(b.store->audit(0, 3, std::nullopt))->size() == 3);
    CHECK(b.loop.run(b.store->audit(0, 10, ResourceId{"even"}))->size() == 2);
    CHECK(b.loop.run(b.store->verify_audit()) == 5);
}

TEST_CASE("runs that Curfew stopped, and when they were started again") {
    StoreBench b;
    b.open();
    RunRow stopped = run_row("n1", "r1", WallTime{1000});
    stopped.state = RunState::stopped;
    stopped.ended_at = WallTime{2000};
    Enforcement e = enforcement("e1", "n1", EnforcementState::over);
    e.outcome = "stopped";
    e.cause = {CauseKind::idle, "night"};
    Enforcement cancelled = enforcement("e2", "n2", EnforcementState::over);
    cancelled.outcome = "cancelled";
    REQUIRE(b.commit({resource("r1"), stopped, run_row("n2", "r1", WallTime{5000}),
                      run_row("n3", "r1", WallTime{9000}), e, cancelled}));
    const auto rows = b.loop.run(b.store->stopped_by_us());
    REQUIRE(rows);
    REQUIRE(rows->size() == 1);
    CHECK(rows->at(0).run == RunId{"n1"});
    CHECK(rows->at(0).cause == CauseKind::idle);
    CHECK(rows->at(0).cause_name == "night");
    CHECK(rows->at(0).ended_at == WallTime{2000});
    CHECK(rows->at(0).next_started_at == WallTime{5000});
}

TEST_CASE("every cause of a stop is read back") {
    StoreBench b;
    b.open();
    const std::vector<CauseKind> kinds{CauseKind::idle, CauseKind::schedule, CauseKind::age,
                                       CauseKind::budget, CauseKind::manual};
    for (const CauseKind kind : kinds) {
        const std::string word{to_string(kind)};
        RunRow run = run_row("n-" + word, "r-" + word, WallTime{1000});
        run.state = RunState::stopped;
        run.ended_at = WallTime{2000};
        Enforcement e = enforcement("e-" + word, "n-" + word, EnforcementState::over);
        e.resource = ResourceId{"r-" + word};
        e.outcome = "stopped";
        e.cause = {kind, "night"};
        REQUIRE(b.commit({resource("r-" + word), run, e}));
        const auto rows = b.loop.run(b.store->enforcements_of(e.resource, 5));
        REQUIRE(rows);
        REQUIRE(rows->size() == 1);
        CHECK(rows->front().cause == e.cause);
    }
    const auto stopped = b.loop.run(b.store->stopped_by_us());
    REQUIRE(stopped);
    for (const CauseKind kind : kinds) {
        CHECK(std::ranges::count(*stopped, kind, &StoppedRun::cause) == 1);
    }
}

TEST_CASE("trials of rules, and breakers that are open or were reset") {
    StoreBench b;
    b.open();
    RuleTrial trial{
        .rule = RuleName{"night"}, .first_seen = {100}, .tried = minutes{5}, .ended_at = std::nullopt};
    Breaker breaker{.rule = RuleName{nasty}, .why = nasty, .at = {7}, .open = true};
    REQUIRE(
        b.commit({trial, breaker, RuleTrial{.rule = RuleName{"other"}, .first_seen = {1}, .ended_at = {}}}));
    trial.tried = minutes{50};
    trial.ended_at = WallTime{900};
    RuleTrial seen_again = trial;
    seen_again.first_seen = {5000};  // the first sight stays
    REQUIRE(b.commit({seen_again}));
    StoredState state = b.restart();
    REQUIRE(state.trials.size() == 2);
    CHECK(state.trials[0] == trial);
    CHECK(state.trials[1].tried == Duration{0});
    CHECK_FALSE(state.trials[1].ended_at);
    CHECK(state.breakers == std::vector{breaker});
    breaker.open = false;
    REQUIRE(b.commit({breaker}));
    CHECK(b.restart().breakers == std::vector{breaker});
}

TEST_CASE("what became of things under rules: newest first, a false stop once, and not without end") {
    StoreBench b;
    b.open();
    const auto event = [](RuleEventKind kind, std::int64_t at, const std::string& run) {
        return RuleEvent{.rule = RuleName{"night"},
                         .kind = kind,
                         .at = {at},
                         .resource = ResourceId{"r1"},
                         .run = RunId{run},
                         .name = nasty};
    };
    const RuleEvent would = event(RuleEventKind::would_stop, 50, "n1");
    const RuleEvent stop = event(RuleEventKind::stop, 100, "n1");
    const RuleEvent again = event(RuleEventKind::false_stop, 200, "n1");
    REQUIRE(b.commit({would, stop, again, event(RuleEventKind::false_stop, 300, "n1"),
                      event(RuleEventKind::would_stop, 300, "n1")}));
    b.restart();
    const auto all = b.loop.run(b.store->rule_events(WallTime{0}, 100));
    REQUIRE(all);
    CHECK(*all == std::vector{again, stop, would});
    CHECK(b.loop.run(b.store->rule_events(WallTime{100}, 100))->size() == 2);
    CHECK(b.loop.run(b.store->rule_events(WallTime{0}, 1)) == std::vector{again});
    Batch many;
    for (int i = 0; i < 20'010; ++i) {
        many.emplace_back(event(RuleEventKind::stop, 1000 + i, "m" + std::to_string(i)));
    }
    REQUIRE(b.commit(std::move(many)));
    CHECK(b.loop.run(b.store->rule_events(WallTime{0}, 100'000))->size() == 20'000);
}
