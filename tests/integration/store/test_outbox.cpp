// The outbox in SQL: what goes together, what waits behind what, what ends, what is kept.
#include "integration/store/bench.hpp"

#include <algorithm>
#include <string>

using namespace curfew;
using support::StoreBench;

namespace {

constexpr WallTime horizon{1'000'000'000};
const ChannelName mail{"mail"};

OutboxRow row(const std::string& id, const std::string& alert = "", const std::string& group = "") {
    OutboxRow r;
    r.id = id + "/mail";
    r.channel = mail;
    r.message.id = id;
    r.message.alert = AlertId{alert};
    r.message.kind = AlertKind::blind;
    r.message.severity = Severity::warning;
    r.message.group = group;
    r.message.title = id;
    r.next_at = {100};
    r.created_at = {50};
    return r;
}

ParcelRow parcel(const std::string& id, std::int64_t at = 100) {
    ParcelRow p;
    p.id = ParcelId{id};
    p.channel = mail;
    p.message.id = id;
    p.message.title = "parcel " + id;
    p.next_at = {at};
    p.created_at = {at};
    return p;
}

struct Outbox : StoreBench {
    Outbox() { open(); }
    OutboxLook look(std::int64_t now = 200) {
        auto l = loop.run(store->outbox_look(mail, WallTime{now}, horizon, 10));
        REQUIRE(l);
        return *l;
    }
    std::vector<OutboxRow> all() {
        auto rows = loop.run(store->outbox({}));
        REQUIRE(rows);
        return *rows;
    }
    OutboxRow named(const std::string& id) {
        for (const OutboxRow& r : all()) {
            if (r.message.id == id) {
                return r;
            }
        }
        FAIL("no row of " << id);
        return {};
    }
    std::vector<std::string> ids(const Result<std::vector<OutboxRow>>& rows) {
        REQUIRE(rows);
        std::vector<std::string> out;
        for (const OutboxRow& r : *rows) {
            out.push_back(r.message.id);
        }
        return out;
    }
    std::vector<std::string> heap(const std::string& group, std::int64_t now = 200) {
        return ids(loop.run(store->outbox_heap(
            {.channel = mail, .to = "", .group = group, .now = {now}, .up_to_seq = 1'000'000}, false, 100)));
    }
    void fill(const std::string& id, std::vector<std::int64_t> rows) {
        ParcelRow p = parcel(id);
        p.rows = static_cast<std::int64_t>(rows.size());
        REQUIRE(commit({p, ParcelFill{.parcel = p.id, .channel = mail, .to = "", .rows = rows, .rest = {}}}));
    }
};

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Outbox, "a row and a parcel come back as they were") {
    OutboxRow r = row("a", "alr_1", "rule night");
    r.to = "ana@example.org";
    r.enforcement = EnforcementId{"enf_1"};
    r.warn_step = 2;
    r.failover_at = WallTime{700};
    r.message.key = "stop/demo";
    ParcelRow p = parcel("a");
    p.to = r.to;
    p.attempts = 3;
    p.last_error = "503";
    p.first_attempt_at = WallTime{90};
    p.uncertain = true;
    p.rows = 1;
    REQUIRE(commit({r}));
    const OutboxRow back = named("a");
    CHECK(back.id == r.id);
    CHECK(back.to == r.to);
    CHECK(back.enforcement == r.enforcement);
    CHECK(back.warn_step == 2);
    CHECK(back.failover_at == r.failover_at);
    CHECK(back.message.key == "stop/demo");
    CHECK(back.seq == 1);
    // Written once: the same id again changes nothing.
    r.message.title = "other";
    REQUIRE(commit({r}));
    CHECK(named("a").message.title == "a");
    REQUIRE(
        commit({p, ParcelFill{.parcel = p.id, .channel = mail, .to = r.to, .rows = {back.seq}, .rest = {}}}));
    restart();
    const OutboxLook l = look();
    CHECK(l.piles.empty());
    REQUIRE(l.parcels.size() == 1);
    CHECK(l.parcels[0].id == p.id);
    CHECK(l.parcels[0].to == p.to);
    CHECK(l.parcels[0].attempts == 3);
    CHECK(l.parcels[0].last_error == "503");
    CHECK(l.parcels[0].first_attempt_at == p.first_attempt_at);
    CHECK(l.parcels[0].uncertain);
    CHECK(l.parcels[0].message.title == "parcel a");
    // A waiting row shows how its parcel fares.
    CHECK(named("a").attempts == 3);
    CHECK(named("a").last_error == "503");
    CHECK(named("a").parcel == p.id);
    auto warnings = loop.run(store->parcel_warnings(p));
    CHECK(ids(warnings) == Ids{"a"});
}

TEST_CASE_METHOD(Outbox,
                 "rows are counted by receiver and group, urgent ones first, and said when they are due") {
    OutboxRow late = row("late", "", "g1");
    late.next_at = {300};
    OutboxRow bad = row("bad", "", "g2");
    bad.message.severity = Severity::critical;
    OutboxRow ana = row("ana", "", "g1");
    ana.to = "ana@example.org";
    ana.id = "ana/mail/ana@example.org";
    OutboxRow other = row("other");
    other.channel = ChannelName{"hook"};
    REQUIRE(commit({row("1", "", "g1"), row("2", "", "g1"), late, bad, ana, other}));
    const OutboxLook l = look();
    REQUIRE(l.piles.size() == 2);
    CHECK(l.piles[0].to.empty());
    CHECK(l.piles[0].rows == 3);
    CHECK(l.piles[0].urgent == 1);
    CHECK(l.piles[0].oldest == WallTime{100});
    REQUIRE(l.heaps.size() == 3);
    CHECK(l.heaps[0].group == "g2");
    CHECK(l.next == WallTime{300});
    CHECK(look(99).piles.empty());
    CHECK(look(99).next == WallTime{100});
    CHECK(heap("g1") == Ids{"1", "2"});
    CHECK(heap("g1", 300) == Ids{"1", "2", "late"});
}

TEST_CASE_METHOD(Outbox,
                 "a row waits behind an open parcel with an older row of its alert, and others do not") {
    REQUIRE(
        commit({row("1", "alr_1", "g"), row("2", "alr_1", "g"), row("3", "alr_2", "g"), row("4", "", "g")}));
    fill("p", {1});
    look();
    CHECK(heap("g") == Ids{"3", "4"});
    ParcelRow done = parcel("p");
    done.state = OutboxState::delivered;
    done.ended_at = WallTime{150};
    REQUIRE(commit({done}));
    CHECK(named("1").state == OutboxState::delivered);
    CHECK(heap("g") == Ids{"2", "3", "4"});
}

TEST_CASE_METHOD(Outbox, "an older row of an alert becomes due with a newer one, and goes first") {
    OutboxRow first = row("1", "alr_1", "g");
    first.next_at = {900};
    REQUIRE(commit({first, row("2", "alr_1", "g")}));
    look();
    CHECK(heap("g") == Ids{"1", "2"});
}

TEST_CASE_METHOD(Outbox,
                 "past its use, or outdone by a newer message of its key: superseded with the reason") {
    OutboxRow old = row("old");
    old.message.expires_at = WallTime{150};
    OutboxRow w1 = row("w1", "", "g");
    w1.message.kind = AlertKind::stop_warning;
    w1.message.key = "stop/demo";
    OutboxRow w2 = w1;
    w2.id = "w2/mail";
    w2.message.id = "w2";
    OutboxRow elsewhere = w1;
    elsewhere.id = "w1/hook";
    elsewhere.channel = ChannelName{"hook"};
    REQUIRE(commit({old, w1, elsewhere, w2}));
    look();
    CHECK(named("old").state == OutboxState::superseded);
    CHECK(named("old").last_error == "past its use");
    CHECK(heap("g") == Ids{"w2"});
    const auto rows = all();
    CHECK(rows[1].last_error == "a newer message of it waits");
    CHECK(rows[2].state == OutboxState::waiting);  // of another destination

    // In a parcel it gives way too, unless it may have arrived.
    ParcelRow tried = parcel("p", 5000);
    tried.message = w2.message;
    REQUIRE(
        commit({tried, ParcelFill{.parcel = tried.id, .channel = mail, .to = "", .rows = {4}, .rest = {}}}));
    CHECK(look().parcels.empty());
    OutboxRow w3 = w1;
    w3.id = "w3/mail";
    w3.message.id = "w3";
    REQUIRE(commit({w3}));
    REQUIRE(look().parcels.size() == 1);
    CHECK(look().parcels[0].outdone);
    tried.uncertain = true;
    REQUIRE(commit({tried}));
    CHECK(look().parcels.empty());
}

TEST_CASE_METHOD(Outbox,
                 "a digest takes what waits for no enforcement, names warnings, and leaves what came later") {
    Batch batch;
    for (int i = 0; i < 30; ++i) {
        OutboxRow r = row("r" + std::to_string(i), "alr_" + std::to_string(i / 2),
                          "g" + std::to_string(i / 2));
        r.message.severity = i == 7 ? Severity::critical : Severity::info;
        batch.emplace_back(r);
    }
    for (int i = 0; i < 3; ++i) {
        OutboxRow w = row("w" + std::to_string(i), "", "g");
        w.enforcement = EnforcementId{"enf"};
        batch.emplace_back(w);
    }
    REQUIRE(commit(batch));
    const std::int64_t newest = look().piles.at(0).newest_seq;
    REQUIRE(commit({row("later")}));
    const Heap pile{.channel = mail, .to = "", .group = {}, .now = {200}, .up_to_seq = newest};
    auto rows = loop.run(store->outbox_heap(pile, true, 3));
    CHECK(ids(rows) == Ids{"w0", "w1", "w2"});
    rows = loop.run(store->outbox_heap(pile, true, 4));
    CHECK(ids(rows) == Ids{"w0", "w1", "w2", "r7"});
    auto sums = loop.run(store->outbox_sums(pile));
    REQUIRE(sums);
    REQUIRE(sums->size() == 2);
    CHECK(sums->at(0).severity == Severity::critical);
    CHECK(sums->at(0).rows == 1);
    CHECK(sums->at(1).rows == 29);
    ParcelRow p = parcel("digest");
    p.message.kind = AlertKind::digest;
    p.rows = 32;
    REQUIRE(
        commit({p, ParcelFill{.parcel = p.id, .channel = mail, .to = "", .rows = {31, 32}, .rest = pile}}));
    CHECK(std::ranges::count(all(), p.id, &OutboxRow::parcel) == 32);
    CHECK(look().piles.at(0).rows == 2);  // the unnamed warning, and what came later
    const auto places = loop.run(store->parcel_places(mail, "", WallTime{50}, WallTime{200}));
    REQUIRE(places);
    CHECK(places->used == 1);
    CHECK(places->newest == WallTime{100});
    CHECK(places->oldest == WallTime{100});
    CHECK(loop.run(store->parcel_places(mail, "", WallTime{100}, WallTime{200}))->used == 0);
    CHECK(loop.run(store->parcel_places(mail, "ana", WallTime{50}, WallTime{200}))->used == 0);
    p.state = OutboxState::delivered;
    REQUIRE(commit({p}));
    CHECK(loop.run(store->outbox_counts())->at(OutboxState::delivered) == 32);
}

TEST_CASE_METHOD(Outbox, "dead letters wait again under their ids, with those of their parcel") {
    REQUIRE(commit({row("1"), row("2"), row("3"), row("4")}));
    fill("p", {1, 2});
    ParcelRow dead = parcel("p");
    dead.state = OutboxState::dead;
    dead.attempts = 10;
    dead.last_error = "503";
    REQUIRE(commit({dead, OutboxEnd{.rows = {3}, .state = OutboxState::dead, .why = "x"}}));
    CHECK(named("1").attempts == 10);
    OutboxQuery query;
    query.state = OutboxState::dead;
    auto listed = loop.run(store->outbox(query));
    CHECK(ids(listed) == Ids{"1", "2", "3"});
    query.after_seq = 1;
    query.limit = 1;
    listed = loop.run(store->outbox(query));
    CHECK(ids(listed) == Ids{"2"});
    CHECK(loop.run(store->outbox_retry("4/mail", WallTime{500})) == 0);
    CHECK(loop.run(store->outbox_retry("2/mail", WallTime{500})) == 2);
    CHECK(named("1").state == OutboxState::waiting);
    CHECK(named("3").state == OutboxState::dead);
    const OutboxLook l = look(500);
    REQUIRE(l.parcels.size() == 1);
    CHECK(l.parcels[0].id == ParcelId{"p"});
    CHECK(l.parcels[0].attempts == 0);
    CHECK(loop.run(store->outbox_retry("", WallTime{500})) == 1);
}

TEST_CASE_METHOD(Outbox, "a dead letter is not sent after newer news of its alert") {
    const auto end = [&](const std::string& id, OutboxState state) {
        ParcelRow ended = parcel(id);
        ended.state = state;
        REQUIRE(commit({ended}));
    };
    REQUIRE(commit({row("1", "alr_1", "g"), row("other", "alr_2", "g")}));
    fill("p", {1, 2});
    end("p", OutboxState::dead);
    REQUIRE(commit({row("2", "alr_1", "g")}));
    fill("q", {3});
    SECTION("it arrived") {
        end("q", OutboxState::delivered);
    }
    SECTION("it is on its way") {}
    CHECK(loop.run(store->outbox_retry("1/mail", WallTime{500})) == 1);
    CHECK(named("1").state == OutboxState::superseded);
    CHECK(named("1").last_error == "newer news of its alert went out since");
    CHECK(named("other").state == OutboxState::waiting);
    const OutboxLook l = look(500);
    CHECK(std::ranges::count(l.parcels, ParcelId{"p"}, &ParcelRow::id) == 1);
    CHECK(loop.run(store->outbox_retry("1/mail", WallTime{500})) == 0);
}

TEST_CASE_METHOD(Outbox, "dead letters of one alert go again one after the other") {
    REQUIRE(commit({row("1", "alr_1")}));
    fill("p", {1});
    ParcelRow first = parcel("p");
    first.state = OutboxState::dead;
    REQUIRE(commit({first, row("2", "alr_1")}));
    ParcelRow second = parcel("q", 150);
    REQUIRE(commit(
        {second, ParcelFill{.parcel = second.id, .channel = mail, .to = "", .rows = {2}, .rest = {}}}));
    second.state = OutboxState::dead;
    REQUIRE(commit({second}));
    CHECK(loop.run(store->outbox_retry("", WallTime{500})) == 2);
    OutboxLook l = look(500);
    REQUIRE(l.parcels.size() == 1);
    CHECK(l.parcels[0].id == ParcelId{"p"});
    first.state = OutboxState::waiting;
    first.next_at = {900};  // it failed again: the other does not overtake it
    REQUIRE(commit({first}));
    CHECK(look(600).parcels.empty());
    first.state = OutboxState::delivered;
    REQUIRE(commit({first}));
    l = look(700);
    REQUIRE(l.parcels.size() == 1);
    CHECK(l.parcels[0].id == ParcelId{"q"});
}

TEST_CASE_METHOD(Outbox, "a channel that is buried takes its rows and parcels with it") {
    OutboxRow other = row("other");
    other.channel = ChannelName{"hook"};
    REQUIRE(commit({row("1"), row("2"), other}));
    fill("p", {1});
    REQUIRE(commit({OutboxBury{.channel = mail, .why = "HTTP 410", .at = {300}}}));
    CHECK(named("1").state == OutboxState::dead);
    CHECK(named("2").last_error == "HTTP 410");
    CHECK(named("other").state == OutboxState::waiting);
    CHECK(look().parcels.empty());
    REQUIRE(commit({ChannelStateRow{
        .channel = mail, .disabled_at = WallTime{300}, .why = "HTTP 410", .fingerprint = "7"}}));
    const StoredState state = restart();
    REQUIRE(state.channels.size() == 1);
    CHECK(state.channels[0].fingerprint == "7");
}

TEST_CASE_METHOD(Outbox, "strays are undone from their parcels, the known ones are left alone") {
    OutboxRow hook = row("h");
    hook.id = "h/hook";
    hook.channel = ChannelName{"hook"};
    REQUIRE(commit({row("1"), row("2"), hook}));
    fill("p", {1});
    auto strays = loop.run(store->outbox_strays({ChannelName{"hook"}}, WallTime{700}, 10));
    CHECK(ids(strays) == Ids{"1", "2"});
    CHECK(strays->at(0).parcel.empty());
    CHECK(look(800).parcels.empty());
    CHECK(ids(loop.run(store->outbox_strays({ChannelName{"hook"}, mail}, WallTime{700}, 10))).empty());
}

TEST_CASE_METHOD(Outbox, "overdue is what no channel took") {
    const auto critical = [](const std::string& id, const std::string& channel) {
        OutboxRow r = row(id);
        r.id = id + "/" + channel;
        r.channel = ChannelName{channel};
        r.failover_at = WallTime{220};
        return r;
    };
    OutboxRow later = critical("later", "mail");
    later.failover_at = WallTime{900};
    REQUIRE(commit({critical("taken", "mail"), critical("taken", "hook"), critical("lost", "mail"),
                    critical("dead", "mail"), later,
                    OutboxEnd{.rows = {1}, .state = OutboxState::delivered, .why = ""},
                    OutboxEnd{.rows = {4}, .state = OutboxState::dead, .why = "400"}}));
    auto overdue = loop.run(store->outbox_overdue(WallTime{200}, 10));
    CHECK(overdue->rows.empty());
    CHECK(overdue->next == WallTime{220});
    overdue = loop.run(store->outbox_overdue(WallTime{220}, 10));
    CHECK(ids(overdue->rows) == Ids{"lost", "dead"});
    CHECK(overdue->next == WallTime{900});
    REQUIRE(commit({FailoverDone{"lost"}, FailoverDone{"dead"}}));
    CHECK(loop.run(store->outbox_overdue(WallTime{220}, 10))->rows.empty());
}

TEST_CASE_METHOD(
    Outbox, "waits keep their length when the clock is set, and end when no clock would have made them") {
    OutboxRow r = row("1");
    r.failover_at = WallTime{400};
    REQUIRE(commit({r, row("2")}));
    fill("p", {2});
    REQUIRE(loop.run(store->outbox_shift(Duration{1000})));
    CHECK(named("1").next_at == WallTime{1100});
    CHECK(named("1").failover_at == WallTime{1400});
    CHECK(named("2").next_at == WallTime{1100});
    CHECK(look(1099).piles.empty());
    CHECK(look(1100).piles.size() == 1);
    auto l = loop.run(store->outbox_look(mail, WallTime{10}, WallTime{500}, 10));
    CHECK(l->piles.size() == 1);
    CHECK(l->parcels.size() == 1);
}

TEST_CASE_METHOD(Outbox, "what ended is pruned in pieces; what waits stays") {
    Batch batch;
    OutboxEnd end{.rows = {}, .state = OutboxState::dead, .why = "x"};
    for (int i = 1; i <= 5; ++i) {
        batch.emplace_back(row("r" + std::to_string(i)));
        if (i < 4) {
            end.rows.push_back(i);
        }
    }
    batch.emplace_back(end);
    REQUIRE(commit(batch));
    ParcelRow done = parcel("p", 60);
    done.state = OutboxState::delivered;
    REQUIRE(commit({done, parcel("open", 60)}));
    CHECK(loop.run(store->outbox_prune(WallTime{50}, 2)) == 0);
    CHECK(loop.run(store->outbox_prune(WallTime{61}, 2)) == 3);
    CHECK(loop.run(store->outbox_prune(WallTime{61}, 2)) == 1);
    CHECK(loop.run(store->outbox_prune(WallTime{61}, 2)) == 0);
    CHECK(all().size() == 2);
    CHECK(look().parcels.size() == 1);
    CHECK(loop.run(store->outbox_oldest()).value() == WallTime{50});
}
