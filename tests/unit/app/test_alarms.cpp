// The life of alerts over a store: what is told to whom, what a restart, a silence and a full disk change of it.
#include "support/life.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace curfew;
using namespace curfew::test;

namespace {

using Told = std::vector<std::pair<std::string, Telling>>;  // title, why

/// Alarms alone; what they tell is read from the outbox, which nobody empties.
struct Bench {
    boost::asio::io_context io;
    ManualScheduler scheduler{io};
    FakeStore store{io};
    FakeWorld outside{io, scheduler};
    FakeDoor door{outside};
    CountingEntropy entropy;
    std::shared_ptr<Config> config = basic_config();
    World world{.loop = io.get_executor(),
                .scheduler = scheduler,
                .entropy = entropy,
                .store = store,
                .guests = door,
                .clouds = {},
                .config = {},
                .picture = {}};
    TaskGroup tasks{io.get_executor(), [](const std::string& bug) { FAIL(bug); }};
    std::unique_ptr<Notifier> notifier;
    std::unique_ptr<Alarms> alarms;

    Bench() {
        config->alerts = AlertPolicy{};
        world.config = config;
        begin();
    }
    ~Bench() { end(); }

    template <class T>
    T await(Task<T> task) {
        return test::await(io, scheduler, std::move(task));
    }
    void begin() {
        notifier = std::make_unique<Notifier>(io.get_executor(), scheduler, entropy, store, Delivery{});
        alarms = std::make_unique<Alarms>(world, *notifier);
        auto stored = await(store.load("boot"));
        alarms->load(std::move(stored->alerts), std::move(stored->silences));
        tasks.spawn("alarms", alarms->run());
        scheduler.settle();
    }
    void end() {
        alarms->stop();
        scheduler.settle();
        tasks.cancel_all();
        scheduler.settle();
        CHECK(tasks.running() == 0);
        alarms.reset();
    }
    void restart(Duration off) {
        end();
        scheduler.run_for(off);
        begin();
    }
    bool commit(Batch batch) {
        const bool done = await(store.commit(std::move(batch))).has_value();
        alarms->committed();
        scheduler.settle();
        return done;
    }
    static Message message(AlertKind kind, Severity severity, const std::string& title) {
        Message m;
        m.kind = kind;
        m.severity = severity;
        m.title = title;
        m.account = AccountName{"me"};
        return m;
    }
    void raise(const std::string& key, AlertKind kind, Severity severity, const ResourceId& resource = {}) {
        Batch batch;
        Message m = message(kind, severity, key);
        m.resource = resource;
        alarms->raise(key, std::move(m), batch);
        commit(std::move(batch));
    }
    void resolve(const std::string& key) {
        Batch batch;
        alarms->resolve(key, std::nullopt, batch);
        commit(std::move(batch));
    }
    Alert alive(const std::string& key) const {
        const Alert* alert = alarms->alive(key);
        REQUIRE(alert != nullptr);
        return *alert;
    }
    /// Changes alerts in a transaction of its own as soon as the next one waits for the disk; gives how it ends.
    std::shared_ptr<std::optional<Result<void>>> meanwhile(std::function<void(Batch&)> change) {
        auto ends = std::make_shared<std::optional<Result<void>>>();
        store.on_commit = [this, ends, change = std::move(change), begun = false](const Batch&) mutable {
            if (!std::exchange(begun, true)) {
                Batch batch;
                Alarms::Memory before = alarms->remember([&] { change(batch); });
                tasks.spawn("another", end_in(ends, std::move(batch), std::move(before)));
            }
            return nothing();
        };
        return ends;
    }
    static Task<void> nothing() { co_return; }
    Task<void> end_in(std::shared_ptr<std::optional<Result<void>>> ends, Batch batch, Alarms::Memory before) {
        *ends = co_await alarms->commit(std::move(batch), std::move(before));
    }
    std::optional<Silence> silence(SilenceScope scope, Duration how_long) {
        Silence wanted;
        wanted.scope = std::move(scope);
        wanted.until = scheduler.wall() + how_long;
        wanted.by = "ana";
        Batch batch;
        auto made = alarms->silence(std::move(wanted), batch);
        commit(std::move(batch));
        return made ? std::optional{*made} : std::nullopt;
    }
    std::vector<OutboxRow> rows() const {
        std::vector<OutboxRow> all;
        for (const auto& [id, row] : store.outbox_rows) {
            all.push_back(row);
        }
        std::ranges::sort(all, {}, [](const OutboxRow& row) { return std::pair{row.created_at, row.seq}; });
        return all;
    }
    /// Everything since the last call.
    Told told() {
        Told all;
        for (const OutboxRow& row : rows()) {
            all.emplace_back(row.message.title, row.message.telling);
        }
        store.outbox_rows.clear();
        return all;
    }
    const Alert& stored(const std::string& key) const {
        const auto found = std::ranges::find_if(store.alert_rows,
                                                [&](const auto& entry) { return entry.second.key == key; });
        REQUIRE(found != store.alert_rows.end());
        return found->second;
    }
    std::string last_event() const {
        REQUIRE_FALSE(store.event_rows.empty());
        return store.event_rows.back().what + ": " + store.event_rows.back().reason;
    }
    AlertId id_of(const std::string& key) const { return stored(key).id; }
};

Error full() {
    return {Errc::disk_full, Retry::later(), "full", "db"};
}

}  // namespace

TEST_CASE("an end without words of its own says what is over and how long it lasted") {
    Bench b;
    b.raise("unpriced/me/X", AlertKind::unpriced, Severity::warning);
    CHECK(b.told() == Told{{"unpriced/me/X", Telling::firing}});
    b.scheduler.run_for(hours{3} + minutes{7});
    b.resolve("unpriced/me/X");
    CHECK(b.told() == Told{{"Over: unpriced/me/X (it lasted 3h7m)", Telling::resolved}});
    CHECK(b.stored("unpriced/me/X").state == AlertState::resolved);
    CHECK(b.last_event() == "resolved: over; told: mail");
    b.resolve("unpriced/me/X");
    CHECK(b.told().empty());
}

TEST_CASE("what the enforcer and others say themselves is said as they say it") {
    Bench b;
    b.raise("key/me", AlertKind::key_rejected, Severity::critical);
    b.told();
    Batch batch;
    b.alarms->resolve("key/me",
                      Bench::message(AlertKind::key_rejected, Severity::info, "the key works again"), batch);
    b.commit(std::move(batch));
    CHECK(b.told() == Told{{"the key works again", Telling::resolved}});
}

TEST_CASE("a restart in any state changes nothing but timing") {
    Bench b;
    SECTION("pending: it fires when its time has come") {
        b.raise("backlog", AlertKind::backlog, Severity::warning);
        CHECK(b.told().empty());
        CHECK(b.stored("backlog").state == AlertState::pending);
        b.restart(seconds{10});
        b.scheduler.run_for(seconds{51});
        CHECK(b.told() == Told{{"backlog", Telling::firing}});
    }
    SECTION("firing: those who were told before are told of the end, and repeats go on") {
        b.raise("disk", AlertKind::disk, Severity::critical);
        b.told();
        b.restart(minutes{30});
        b.scheduler.run_for(minutes{29});
        CHECK(b.told().empty());
        b.scheduler.run_for(minutes{2});
        CHECK(b.told() == Told{{"Still so after 1h: disk", Telling::repeat}});
        b.resolve("disk");
        CHECK(b.told() == Told{{"Over: disk (it lasted 1h1m)", Telling::resolved}});
    }
    SECTION("acknowledged: no repeats, and the end is told") {
        b.raise("disk", AlertKind::disk, Severity::critical);
        Batch batch;
        REQUIRE(b.alarms->acknowledge(b.id_of("disk"), "ana", "ordered a new one", batch));
        b.commit(std::move(batch));
        CHECK(b.told().back() == std::pair{std::string{"Acknowledged by ana: disk"}, Telling::acknowledged});
        b.restart(minutes{5});
        CHECK(b.stored("disk").state == AlertState::acknowledged);
        CHECK(b.stored("disk").note == "ordered a new one");
        b.scheduler.run_for(hours{24});
        CHECK(b.told().empty());
        b.raise("disk", AlertKind::disk, Severity::critical);
        CHECK(b.told().empty());
        b.resolve("disk");
        CHECK(b.told().size() == 1);
    }
    SECTION("silenced: told when the silence ends") {
        REQUIRE(b.silence({}, hours{1}));
        b.raise("disk", AlertKind::disk, Severity::critical);
        CHECK(b.told().empty());
        b.restart(minutes{30});
        b.scheduler.run_for(minutes{29});
        CHECK(b.told().empty());
        b.scheduler.run_for(minutes{2});
        CHECK(b.told() == Told{{"disk", Telling::firing}});
    }
    SECTION("flapping: its state is told when it is calm") {
        for (int i = 0; i < 3; ++i) {
            b.raise("disk", AlertKind::disk, Severity::warning);
            b.scheduler.run_for(minutes{2});
            b.resolve("disk");
            b.scheduler.run_for(minutes{2});
        }
        CHECK(b.stored("disk").flapping);
        CHECK(b.told().back() == std::pair{std::string{"Comes and goes: disk"}, Telling::firing});
        b.raise("disk", AlertKind::disk, Severity::warning);
        b.resolve("disk");
        CHECK(b.told().empty());
        b.restart(minutes{10});
        b.scheduler.run_for(minutes{19});
        CHECK(b.told().empty());
        b.scheduler.run_for(minutes{2});
        CHECK(b.told().back().second == Telling::resolved);
        CHECK_FALSE(b.alarms->firing("disk"));
    }
}

TEST_CASE("a clock that was ahead when something was stored holds nothing up") {
    Bench b;
    b.raise("disk", AlertKind::disk, Severity::critical);
    REQUIRE(b.silence({.resources = {"demo"}}, hours{2}));
    b.told();
    b.scheduler.step_wall(-hours{24 * 30});
    b.restart(Duration{0});
    b.scheduler.run_for(hours{1});
    CHECK(b.told().size() == 1);  // from now on, not in a month
    b.scheduler.run_for(hours{24 * 7});
    CHECK(std::ranges::all_of(b.store.silence_rows,
                              [](const auto& entry) { return entry.second.ended_at.has_value(); }));
}

TEST_CASE("a repeat that was not written is told again, also where another step took it for told meanwhile") {
    Bench b;
    b.raise("disk", AlertKind::disk, Severity::critical);
    b.told();
    const auto acknowledged = b.meanwhile(
        [&](Batch& batch) { REQUIRE(b.alarms->acknowledge(b.alive("disk").id, "ana", {}, batch)); });
    b.store.refusals = 2;
    b.scheduler.run_for(hours{1} + seconds{1});
    REQUIRE(*acknowledged);
    CHECK_FALSE(**acknowledged);  // its own transaction failed as well
    b.scheduler.run_for(minutes{1});
    CHECK(b.told() == Told{{"Still so after 1h: disk", Telling::repeat}});
    b.scheduler.run_for(minutes{30});
    CHECK(b.told().empty());
}

TEST_CASE("a jump of the wall clock changes no repeat, no escalation and no silence (I14)") {
    const Duration jump = GENERATE(Duration{hours{48}}, Duration{-hours{48}});
    Bench b;
    b.config->alerts.escalation = {{.after = minutes{15}, .channels = {ChannelName{"mail"}}}};
    b.raise("disk", AlertKind::disk, Severity::critical);
    REQUIRE(b.silence({.accounts = {AccountName{"you"}}}, minutes{30}));
    b.told();
    b.scheduler.step_wall(jump);
    b.alarms->committed();
    b.scheduler.run_for(minutes{14});
    CHECK(b.told().empty());
    b.scheduler.run_for(minutes{2});
    CHECK(b.told() == Told{{"Nobody acknowledged it: disk", Telling::escalation}});
    CHECK_FALSE(b.store.silence_rows.begin()->second.ended_at);
    b.scheduler.run_for(minutes{15});
    CHECK(b.store.silence_rows.begin()->second.ended_at);
    b.scheduler.run_for(minutes{28});
    CHECK(b.told().empty());
    b.scheduler.run_for(minutes{2});
    CHECK(b.told() == Told{{"Still so after 1h: disk", Telling::repeat}});
    // As the clock shows it now.
    CHECK(b.stored("disk").since == b.scheduler.wall() - (hours{1} + minutes{1}));
}

TEST_CASE("what time brings is told once, also when the disk is full at that moment") {
    Bench b;
    b.raise("disk", AlertKind::disk, Severity::critical);
    b.told();
    b.store.failing = full();
    b.scheduler.run_for(hours{3});
    CHECK(b.told().empty());
    CHECK(b.stored("disk").told_at < b.scheduler.wall() - hours{2});
    b.store.failing.reset();
    b.scheduler.run_for(minutes{1});
    CHECK(b.told() == Told{{"Still so after 3h: disk", Telling::repeat}});
    b.scheduler.run_for(minutes{58});
    CHECK(b.told().empty());
}

TEST_CASE("the end of a silence that cannot be written comes later, and still tells") {
    Bench b;
    REQUIRE(b.silence({}, minutes{10}));
    b.raise("disk", AlertKind::disk, Severity::critical);
    b.store.failing = full();
    b.scheduler.run_for(minutes{30});
    CHECK(b.told().empty());
    CHECK(b.stored("disk").state == AlertState::firing);
    CHECK_FALSE(b.stored("disk").silenced_by.empty());
    b.store.failing.reset();
    b.scheduler.run_for(minutes{1});
    CHECK(b.told() == Told{{"disk", Telling::firing}});
    CHECK(b.stored("disk").silenced_by.empty());
    CHECK(b.store.silence_rows.begin()->second.ended_at);
}

TEST_CASE("a silence covers nothing after its end, also where the host slept over it") {
    Bench b;
    REQUIRE(b.silence({}, minutes{10}));
    b.alarms->stop();  // as asleep: nobody ends it
    b.scheduler.run_for(minutes{30});
    b.raise("disk", AlertKind::disk, Severity::critical);
    CHECK(b.told() == Told{{"disk", Telling::firing}});
    CHECK(b.stored("disk").silenced_by.empty());
}

TEST_CASE("what others make of an alert while a batch with it fails stays; its own change goes") {
    Bench b;
    b.raise("disk", AlertKind::disk, Severity::warning);
    b.told();
    Batch batch;
    const auto acknowledged = b.meanwhile([&](Batch& another) {
        REQUIRE(b.alarms->acknowledge(b.alive("disk").id, "ana", {}, another));
        REQUIRE(b.alarms->acknowledge(b.alive("clock").id, "ana", {}, another));
    });
    auto before = b.alarms->remember([&] {
        b.alarms->raise("disk", Bench::message(AlertKind::disk, Severity::critical, "disk"), batch);
        b.alarms->raise("clock", Bench::message(AlertKind::clock, Severity::warning, "clock"), batch);
    });
    b.store.refusals = GENERATE(1, 2);
    const bool taken = b.store.refusals == 1;
    CHECK_FALSE(b.await(b.alarms->commit(std::move(batch), std::move(before))));
    b.scheduler.settle();
    REQUIRE(*acknowledged);
    REQUIRE((*acknowledged)->has_value() == taken);
    b.told();
    b.scheduler.run_for(hours{3});
    if (taken) {
        CHECK(b.alive("disk").state == AlertState::acknowledged);
        CHECK(b.stored("disk").state == AlertState::acknowledged);
        CHECK(b.alive("clock").state == AlertState::acknowledged);
        CHECK(b.stored("clock").state == AlertState::acknowledged);
        CHECK(b.told().empty());
    } else {
        CHECK(b.alive("disk").state == AlertState::firing);
        CHECK(b.alive("disk").severity == Severity::warning);
        CHECK(b.stored("disk").state == AlertState::firing);
        CHECK_FALSE(b.alarms->firing("clock"));
    }
}

TEST_CASE("an alert whose batch was not taken is as it was") {
    Bench b;
    Batch batch;
    auto before = b.alarms->remember(
        [&] { b.alarms->raise("disk", Bench::message(AlertKind::disk, Severity::critical, "disk"), batch); });
    CHECK(b.alarms->firing("disk"));
    b.store.failing = full();
    CHECK_FALSE(b.await(b.alarms->commit(std::move(batch), std::move(before))));
    CHECK_FALSE(b.alarms->firing("disk"));
    b.store.failing.reset();
    b.raise("disk", AlertKind::disk, Severity::critical);
    CHECK(b.told() == Told{{"disk", Telling::firing}});
}

TEST_CASE("a carried batch is brought up to what became of its alerts") {
    Bench b;
    Batch carried;
    b.alarms->raise("one", Bench::message(AlertKind::disk, Severity::critical, "one"), carried);
    b.alarms->raise("two", Bench::message(AlertKind::disk, Severity::critical, "two"), carried);
    Batch batch;
    b.alarms->resolve("one", std::nullopt, batch);
    b.commit(std::move(batch));
    const auto id = std::get<Alert>(*std::ranges::find_if(carried, [](const Write& w) {
                        const auto* alert = std::get_if<Alert>(&w);
                        return alert != nullptr && alert->key == "two";
                    })).id;
    Batch ack;
    REQUIRE(b.alarms->acknowledge(id, "ana", {}, ack));
    b.commit(std::move(ack));
    b.alarms->refresh(carried);
    b.commit(std::move(carried));
    CHECK(b.stored("one").state == AlertState::resolved);  // not risen from the dead
    CHECK(b.stored("two").state == AlertState::acknowledged);
}

TEST_CASE("what is acknowledged while a poll waits for its guest stays so, of rows the disk had not taken") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    Budget team;
    team.name = BudgetName{"team"};
    team.amount = Money{nanos_per_unit};
    team.thresholds = {{50, ThresholdAction::notify}};
    rig.config->budgets = {team};
    rig.begin();
    rig.scheduler.run_for(minutes{30});
    rig.store.refusals = 1'000'000;
    rig.scheduler.run_for(minutes{15});
    const std::string key = "budget/team/2026-11@UTC/50% accrued notify at 0.50";
    REQUIRE(rig.life->daemon.alarms().alive(key) != nullptr);
    const AlertId id = rig.life->daemon.alarms().alive(key)->id;
    REQUIRE_FALSE(rig.store.alert_rows.contains(id.value));
    rig.store.refusals = 0;
    n.guest_hangs = true;
    const int lists = rig.world.lists;
    while (rig.world.lists == lists) {
        rig.scheduler.run_for(seconds{1});
    }
    REQUIRE(rig.life->await(rig.life->daemon.acknowledge(id, {}, "ana")));
    REQUIRE(rig.store.alert_rows.at(id.value).state == AlertState::acknowledged);
    const auto polls = rig.store.polls.at(AccountName{"me"}).mono;
    rig.scheduler.run_for(minutes{1});
    REQUIRE(rig.store.polls.at(AccountName{"me"}).mono > polls);
    CHECK(rig.store.alert_rows.at(id.value).state == AlertState::acknowledged);
}

TEST_CASE("a silence over a firing alert") {
    Bench b;
    b.raise("disk", AlertKind::disk, Severity::critical);
    b.raise("you", AlertKind::breaker, Severity::critical);
    b.told();
    const auto silence = b.silence({.kinds = {AlertKind::disk}}, hours{5});
    REQUIRE(silence);
    CHECK(b.stored("disk").silenced_by == silence->id);
    CHECK(b.stored("you").silenced_by.empty());
    b.scheduler.run_for(hours{1});
    CHECK(b.told() == Told{{"Still so after 1h: you", Telling::repeat}});
    SECTION("that ends by hand") {
        Batch batch;
        REQUIRE(b.alarms->unsilence(silence->id, "ben", batch));
        b.commit(std::move(batch));
        CHECK(b.told() == Told{{"Still so after 1h: disk", Telling::repeat}});
        CHECK(b.store.silence_rows.at(silence->id.value).ended_at == b.scheduler.wall());
        Batch again;
        CHECK_FALSE(b.alarms->unsilence(silence->id, "ben", again));
    }
    SECTION("whose end was not written") {
        Batch batch;
        REQUIRE(b.alarms->unsilence(silence->id, "ben", batch));
        b.alarms->take_back(silence->id);
        b.scheduler.run_for(minutes{1});
        CHECK(b.told().empty());
        CHECK(b.stored("disk").silenced_by == silence->id);
    }
    SECTION("whose beginning was not written") {
        b.alarms->take_back(silence->id);
        b.scheduler.settle();
        CHECK(b.told() == Told{{"Still so after 1h: disk", Telling::repeat}});
    }
    SECTION("the condition ends under it") {
        b.resolve("disk");
        CHECK(b.told().empty());
        CHECK(b.last_event().find(silence->id.value) != std::string::npos);
    }
    SECTION("another covers it too") {
        REQUIRE(b.silence({}, hours{6}));
        Batch batch;
        REQUIRE(b.alarms->unsilence(silence->id, "ben", batch));
        b.commit(std::move(batch));
        CHECK(b.told().empty());
    }
}

TEST_CASE("a silence needs an end, and a notice that it covers is written down") {
    Bench b;
    CHECK_FALSE(b.silence({}, Duration{0}));
    CHECK_FALSE(b.silence({}, hours{24 * 8}));
    REQUIRE(b.silence({}, hours{1}));
    Batch batch;
    b.alarms->tell(Bench::message(AlertKind::would_stop, Severity::info, "would have"), batch);
    b.commit(std::move(batch));
    CHECK(b.told().empty());
    REQUIRE_FALSE(b.store.audits.empty());
    CHECK(b.store.audits.back().kind == "notice.silenced");
}

TEST_CASE("an account that is down hides its notebooks, and what is still so is told when it is back") {
    Bench b;
    b.raise("key/me", AlertKind::key_rejected, Severity::critical);
    b.told();
    b.raise("blind/me/1", AlertKind::blind, Severity::warning, ResourceId{"n1"});
    b.raise("blind/me/2", AlertKind::blind, Severity::warning, ResourceId{"n2"});
    b.raise("stop_failed/3", AlertKind::stop_failed, Severity::critical, ResourceId{"n3"});
    CHECK(b.told() == Told{{"stop_failed/3", Telling::firing}});  // never hidden
    CHECK(b.stored("blind/me/1").inhibited_by == "key/me");
    Batch batch;
    b.alarms->resolve("key/me", std::nullopt, batch);
    b.alarms->resolve("blind/me/1", std::nullopt, batch);  // in the same cycle
    b.commit(std::move(batch));
    const Told told = b.told();
    REQUIRE(told.size() == 2);
    CHECK(std::ranges::count(told, std::pair{std::string{"blind/me/2"}, Telling::firing}) == 1);
}

TEST_CASE("what fired before the account went down is quiet while it is") {
    Bench b;
    b.raise("blind/me/1", AlertKind::blind, Severity::critical, ResourceId{"n1"});
    b.raise("stale/me", AlertKind::stale, Severity::warning);
    b.told();
    b.scheduler.run_for(hours{5});
    CHECK(b.told().empty());
    CHECK(b.stored("blind/me/1").inhibited_by == "stale/me");
    b.resolve("stale/me");
    CHECK(b.told().size() == 2);  // its end, and what is still so
}

TEST_CASE("what is critical and unacknowledged goes to the channels of each step") {
    Bench b;
    b.config->routing.channels = {ChannelName{"mail"}, ChannelName{"pager"}};
    b.config->routing.routes = {{.rules = {},
                                 .budgets = {},
                                 .owners = {},
                                 .accounts = {},
                                 .kinds = {},
                                 .at_least = Severity::info,
                                 .channels = {ChannelName{"mail"}},
                                 .go_on = false}};
    b.config->alerts.escalation = {
        {.after = minutes{15}, .channels = {ChannelName{"pager"}, ChannelName{"gone"}}}};
    b.raise("disk", AlertKind::disk, Severity::critical);
    b.store.outbox_rows.clear();
    b.scheduler.run_for(minutes{16});
    REQUIRE(b.rows().size() == 1);
    CHECK(b.rows()[0].channel == ChannelName{"pager"});
    CHECK(b.rows()[0].message.telling == Telling::escalation);
    b.store.outbox_rows.clear();
    b.resolve("disk");
    std::vector<std::string> heard;
    for (const OutboxRow& row : b.rows()) {
        heard.push_back(row.channel.value);
    }
    std::ranges::sort(heard);
    CHECK(std::ranges::find(heard, "pager") != heard.end());
    CHECK(std::ranges::find(heard, "mail") != heard.end());
}

TEST_CASE("a channel that was removed is told nothing any more") {
    Bench b;
    b.raise("disk", AlertKind::disk, Severity::critical);
    b.told();
    b.config->routing.channels = {ChannelName{"other"}};
    b.resolve("disk");
    CHECK(b.told().empty());
    CHECK(b.last_event() == "resolved: over; nobody is there to be told");
}

TEST_CASE("messages wait for others of their group; what is critical or tells of a stop does not wait long") {
    Bench b;
    const auto wait_of_last = [&] {
        REQUIRE(b.rows().size() == 1);
        const Duration wait = b.rows()[0].next_at - b.scheduler.wall();
        b.store.outbox_rows.clear();
        return wait;
    };
    b.raise("unpriced/me/X", AlertKind::unpriced, Severity::warning);
    CHECK(wait_of_last() == seconds{30});
    b.scheduler.run_for(seconds{20});
    b.raise("unpriced/me/Y", AlertKind::unpriced, Severity::warning);
    CHECK(wait_of_last() == seconds{10});  // together with the first
    b.scheduler.run_for(minutes{2});
    b.raise("unpriced/me/Z", AlertKind::unpriced, Severity::warning);
    CHECK(wait_of_last() == minutes{5} + seconds{10} - minutes{2});
    b.raise("unpriced/me/W", AlertKind::unpriced, Severity::critical);
    CHECK(wait_of_last() == seconds{30});
    b.raise("drift/me", AlertKind::drift, Severity::warning);  // another group
    CHECK(wait_of_last() == seconds{30});
}

TEST_CASE("every step of a warning tells, and its end is told to those who were warned and nobody else") {
    Bench b;
    const auto warn = [&](int step) {
        Batch batch;
        Message m = Bench::message(AlertKind::stop_warning, Severity::warning, "will be stopped");
        m.stops_at = b.scheduler.wall() + minutes{30};
        CHECK(b.alarms->warn("stop/r1", std::move(m), EnforcementId{"enf_1"}, step, batch));
        b.commit(std::move(batch));
    };
    warn(1);
    b.scheduler.run_for(minutes{10});
    warn(2);
    const auto rows = b.rows();
    REQUIRE(rows.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        CHECK(rows[i].enforcement == EnforcementId{"enf_1"});
        CHECK(rows[i].warn_step == static_cast<int>(i) + 1);
        CHECK(rows[i].message.title == "will be stopped");
    }
    CHECK(rows[0].message.id != rows[1].message.id);
    CHECK(rows[0].message.alert == rows[1].message.alert);
    b.told();
    b.config->routing.channels.emplace_back("late");  // was never warned
    SECTION("cancelled") {
        Batch batch;
        b.alarms->resolve("stop/r1", Bench::message(AlertKind::stop_cancelled, Severity::info, "will not"),
                          batch);
        b.commit(std::move(batch));
        REQUIRE(b.rows().size() == 1);
        CHECK(b.rows()[0].channel == ChannelName{"mail"});
        CHECK(b.rows()[0].message.title == "will not");
        CHECK(b.rows()[0].warn_step == 0);
    }
    SECTION("stopped: news also for those whom its own route names") {
        Batch batch;
        b.alarms->conclude("stop/r1", Bench::message(AlertKind::stopped, Severity::info, "is stopped"),
                           batch);
        b.commit(std::move(batch));
        std::map<std::string, Telling> heard;
        for (const OutboxRow& row : b.rows()) {
            heard.emplace(row.channel.value, row.message.telling);
        }
        CHECK(heard ==
              std::map<std::string, Telling>{{"mail", Telling::resolved}, {"late", Telling::notice}});
    }
    CHECK_FALSE(b.alarms->firing("stop/r1"));
}

TEST_CASE("a warning is silenced only by what names it, and then says so") {
    Bench b;
    const auto warn = [&] {
        Batch batch;
        const bool told = b.alarms->warn("stop/r1",
                                         Bench::message(AlertKind::stop_warning, Severity::warning, "w"),
                                         EnforcementId{"enf_1"}, 1, batch);
        b.commit(std::move(batch));
        return told;
    };
    REQUIRE(b.silence({}, hours{1}));
    CHECK(warn());
    REQUIRE(b.silence({.kinds = {AlertKind::stop_warning}}, hours{1}));
    CHECK_FALSE(warn());
}

TEST_CASE("twenty thousand firing alerts: each is told, repeated, silenced and ended") {
    Bench b;
    constexpr int many = 20'000;
    const auto key = [](int i) { return "blind/me/" + std::to_string(i); };
    const auto each = [&](auto&& act) {
        Batch batch;
        for (int i = 0; i < many; ++i) {
            act(i, batch);
        }
        b.commit(std::move(batch));
    };
    const auto raise_all = [&](int i, Batch& batch) {
        Message m = Bench::message(AlertKind::blind, Severity::critical, key(i));
        m.resource = ResourceId{"n" + std::to_string(i)};
        b.alarms->raise(key(i), std::move(m), batch);
    };
    each(raise_all);
    CHECK(b.told().size() == many);
    const int before = b.store.commits;
    for (int poll = 0; poll < 5; ++poll) {
        each(raise_all);  // nothing new
    }
    CHECK(b.told().empty());
    CHECK(b.store.commits == before + 5);
    b.scheduler.run_for(hours{1});
    CHECK(b.told().size() == many);
    b.raise("key/me", AlertKind::key_rejected, Severity::critical);
    CHECK(b.stored(key(7)).inhibited_by == "key/me");
    REQUIRE(b.silence({.kinds = {AlertKind::blind}}, minutes{10}));
    b.resolve("key/me");
    b.told();
    b.scheduler.run_for(minutes{11});
    CHECK(b.told().size() == many);
    Batch batch;
    b.alarms->resolve_others("blind/", {}, batch);
    b.commit(std::move(batch));
    CHECK(b.told().size() == many);
    CHECK(std::ranges::all_of(b.store.alert_rows,
                              [](const auto& entry) { return entry.second.state == AlertState::resolved; }));
}

TEST_CASE("what is over for 90 days is forgotten, what still holds is not") {
    Bench b;
    b.raise("old", AlertKind::disk, Severity::info);
    b.resolve("old");
    b.raise("holds", AlertKind::disk, Severity::info);
    REQUIRE(b.silence({}, hours{1}));
    b.scheduler.run_for(hours{24 * 89});
    CHECK(b.store.alert_rows.size() == 2);
    CHECK(b.store.silence_rows.size() == 1);
    b.scheduler.run_for(hours{24 * 2});
    CHECK(b.store.alert_rows.size() == 1);
    CHECK(b.stored("holds").state == AlertState::firing);
    CHECK(b.store.silence_rows.empty());
    CHECK(std::ranges::all_of(b.store.event_rows,
                              [&](const AlertEvent& e) { return e.alert == b.id_of("holds"); }));
}

// ---- maintenance ---------------------------------------------------------------------------------

namespace {

Silence maintenance(const Rig& rig, Duration how_long) {
    Silence s;
    s.kind = SilenceKind::maintenance;
    s.scope.resources = {"demo"};
    s.until = rig.scheduler.wall() + how_long;
    s.by = "ana";
    s.reason = "new disks";
    return s;
}

}  // namespace

TEST_CASE(
    "maintenance stops a stop: who was warned is told, and when it ends the stop comes with all its "
    "warnings") {
    Rig rig;
    rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{50});
    REQUIRE(rig.told(AlertKind::stop_warning) > 0);
    Batch batch;
    REQUIRE(rig.life->daemon.alarms().silence(maintenance(rig, hours{3}), batch));
    REQUIRE(rig.life->await(rig.store.commit(std::move(batch))));
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.told(AlertKind::stop_cancelled) == 1);
    CHECK(rig.mail->delivered.back().title.find("maintenance until") != std::string::npos);
    const LiveResource& live = rig.life->world.picture.resources.at(ResourceId{"r-demo"});
    CHECK(live.maintenance.find("new disks") != std::string::npos);
    CHECK(live.mode == Mode::observe);
    CHECK(rig.life->daemon.alarms().maintenance_of(live) != nullptr);
    const int warned = rig.told(AlertKind::stop_warning);
    rig.scheduler.run_for(hours{2} + minutes{50});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::stop_warning) == warned);
    rig.scheduler.run_for(minutes{15});
    CHECK(rig.told(AlertKind::stop_warning) > warned);
    CHECK(rig.world.stop_calls.empty());  // the notice is given in full
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls.size() == 1);
    rig.check_intents();
}

TEST_CASE("maintenance that ends while the daemon is off: nobody is stopped without a warning") {
    Rig rig;
    rig.world.add("demo");
    Silence stored = maintenance(rig, hours{3});
    stored.id = SilenceId{"sil_1"};
    stored.from = rig.scheduler.wall();
    rig.store.silence_rows[stored.id.value] = stored;
    rig.begin();
    rig.scheduler.run_for(hours{2} + minutes{58});
    CHECK(rig.told().empty());
    rig.restart(minutes{5});
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.told(AlertKind::stop_warning) == 1);
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("maintenance that begins while files are packed calls the stop off (I3)") {
    Rig rig;
    rig.world.add("demo");
    bool began = false;
    rig.world.on_read = [&] {
        if (!std::exchange(began, true)) {
            Batch batch;
            REQUIRE(rig.life->daemon.alarms().silence(maintenance(rig, hours{1}), batch));
        }
    };
    rig.begin();
    rig.scheduler.run_for(minutes{90});
    CHECK(began);
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() == 1);
    rig.check_intents();
}

TEST_CASE("a person may stop what is in maintenance; a restart keeps it") {
    Rig rig;
    rig.world.add("demo");
    Silence stored = maintenance(rig, hours{24});
    stored.id = SilenceId{"sil_1"};
    stored.from = rig.scheduler.wall();
    rig.store.silence_rows[stored.id.value] = stored;
    rig.begin();
    rig.scheduler.run_for(hours{5});
    CHECK(rig.world.stop_calls.empty());
    rig.restart(minutes{1});
    rig.scheduler.run_for(hours{5});
    CHECK(rig.world.stop_calls.empty());
    REQUIRE(rig.life->await(rig.life->daemon.stop(ResourceId{"r-demo"}, {}, "ana")));
    rig.scheduler.run_for(minutes{10});
    CHECK(rig.world.stop_calls.size() == 1);
}
