// What Curfew says of itself: raised once, told by the right way, ended with a word.
#include "curfew/app/health_texts.hpp"
#include "support/life.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;
using Catch::Matchers::Contains;

namespace {

const Error down{Errc::unavailable, Retry::later(), "connection refused", "api.paperspace.com"};
const Error full{Errc::disk_full, Retry::later(), "the disk is full", "database"};
const Error refused{Errc::protocol, Retry::never(), "HTTP 400", "mail"};

/// Two channels, a heartbeat and disks.
struct Story : Rig {
    std::shared_ptr<FakeChannel> pager = std::make_shared<FakeChannel>(scheduler, "pager");
    std::shared_ptr<FakeHeartbeat> heart = std::make_shared<FakeHeartbeat>(scheduler);
    std::shared_ptr<FakeDisks> disks = std::make_shared<FakeDisks>();

    Story() {
        outside = {.channels = {pager}, .heartbeat = heart, .disks = disks};
        ChannelConfig second;
        second.name = ChannelName{"pager"};
        config->channels.push_back(second);
        config->routing.channels.push_back(second.name);
        config->state_dir = "/state";
    }
    void pass(Duration d) { scheduler.run_for(d); }

    std::vector<Alert> alerts(const std::string& key) const {
        std::vector<Alert> found;
        for (const auto& [id, alert] : store.alert_rows) {
            if (alert.key == key) {
                found.push_back(alert);
            }
        }
        return found;
    }
    bool standing(const std::string& key) const {
        return std::ranges::any_of(alerts(key),
                                   [](const Alert& a) { return a.state != AlertState::resolved; });
    }
    static int told(const FakeChannel& channel, AlertKind kind, AlertState state) {
        return static_cast<int>(std::ranges::count_if(
            channel.delivered, [&](const Message& m) { return m.kind == kind && m.state == state; }));
    }
    const Message& last(AlertKind kind) const {
        const auto found = std::ranges::find(mail->delivered.rbegin(), mail->delivered.rend(), kind,
                                             &Message::kind);
        REQUIRE(found != mail->delivered.rend());
        return *found;
    }
    /// Everything a person needs, in the words of the message.
    static void check_words(const Message& m) {
        INFO(m.title);
        CHECK(m.title.size() > 20);
        CHECK(!m.do_next.empty());
        CHECK(m.do_next.find('\n') == std::string::npos);
    }
    /// It came once, and it went with a word.
    void check_once(const std::string& key, AlertKind kind) {
        INFO(key);
        CHECK(alerts(key).size() == 1);
        CHECK_FALSE(standing(key));
        CHECK(told(*mail, kind, AlertState::firing) == 1);
        CHECK(told(*mail, kind, AlertState::resolved) == 1);
        check_words(last(kind));
    }
    std::vector<std::string> heard() const {
        std::vector<std::string> words;
        for (const auto& [at, bad] : heart->beats) {
            words.push_back(bad);
        }
        return words;
    }
};

}  // namespace

TEST_CASE("three failed polls are critical, by the fail-over as well, and the heartbeat hears of each") {
    Story s;
    s.config->alerts.failover = ChannelName{"pager"};
    Route route;
    route.channels = {ChannelName{"mail"}};
    s.config->routing.routes = {route};
    s.world.add("demo").kernel = "busy";
    s.begin();
    s.pass(minutes{5});
    REQUIRE(std::ranges::all_of(s.heard(), &std::string::empty));
    s.world.list_fails = down;
    while (s.world.lists < 7) {
        s.pass(seconds{10});
    }
    CHECK_FALSE(s.standing("self/cycles/me"));
    CHECK_THAT(s.heard().back(), Contains("account me") && Contains("connection refused"));
    s.pass(minutes{20});
    CHECK(s.standing("self/cycles/me"));
    const Message& m = s.last(AlertKind::cycles);
    CHECK(m.severity == Severity::critical);
    CHECK_THAT(m.title, Contains("$0.76/h") && Contains("since Mon 02:1"));
    CHECK(s.told(*s.pager, AlertKind::cycles, AlertState::firing) == 1);
    CHECK_THAT(s.heard().back(), Contains("connection refused"));

    s.restart(minutes{1});  // it is not told anew, and it does not end before a look
    s.pass(minutes{10});
    CHECK(s.standing("self/cycles/me"));
    s.world.list_fails.reset();
    s.pass(minutes{10});
    s.check_once("self/cycles/me", AlertKind::cycles);
    CHECK(s.told(*s.pager, AlertKind::cycles, AlertState::resolved) == 1);
    CHECK(s.heard().back().empty());
}

TEST_CASE("two failed polls are no alarm") {
    Story s;
    s.begin();
    s.pass(minutes{5});
    s.world.list_fails = down;
    const int before = s.world.lists;
    while (s.world.lists < before + 2) {
        s.pass(seconds{1});
    }
    s.world.list_fails.reset();
    s.pass(hours{1});
    CHECK(s.store.alert_rows.empty());
    CHECK(std::ranges::count_if(s.heard(), [](const std::string& w) { return !w.empty(); }) >= 1);
    CHECK(s.heard().back().empty());
}

TEST_CASE("a poll that never comes back, and lists that are never whole, are stale data") {
    Story s;
    s.world.add("demo").kernel = "busy";
    s.begin();
    s.pass(minutes{5});
    SECTION("hangs") {
        s.world.list_hangs = true;
    }
    SECTION("parts") {
        s.world.list_complete = false;
    }
    s.pass(minutes{13});
    CHECK_FALSE(s.standing("self/stale/me"));
    s.pass(minutes{10});
    CHECK(s.standing("self/stale/me"));
    CHECK_THAT(s.last(AlertKind::stale).title, Contains("$0.76/h"));
    CHECK_THAT(s.heard().back(), Contains("last seen whole"));
    s.pass(hours{1});
    CHECK(s.told(*s.mail, AlertKind::stale, AlertState::firing) == 1);
    s.world.list_hangs = false;
    s.world.list_complete = true;
    s.pass(minutes{5});
    s.check_once("self/stale/me", AlertKind::stale);
    CHECK(s.heard().back().empty());
}

TEST_CASE("stale data stay stale over a restart until the account was seen whole") {
    Story s;
    s.world.add("demo").kernel = "busy";
    s.begin();
    s.world.list_complete = false;
    s.pass(minutes{30});
    REQUIRE(s.standing("self/stale/me"));
    s.restart(minutes{1});
    s.pass(minutes{30});
    CHECK(s.standing("self/stale/me"));
    s.world.list_complete = true;
    s.pass(minutes{5});
    s.check_once("self/stale/me", AlertKind::stale);
}

TEST_CASE("a channel that takes nothing for long is a backlog, told by the others") {
    Story s;
    s.begin();
    for (int i = 0; i < 40; ++i) {
        s.mail->answers.emplace_back(std::unexpected(down));
    }
    s.world.list_complete = false;  // something to tell
    s.pass(minutes{25});
    CHECK_FALSE(s.standing("self/backlog/mail"));
    s.pass(minutes{35});
    CHECK(s.standing("self/backlog/mail"));
    CHECK(s.told(*s.pager, AlertKind::backlog, AlertState::firing) == 1);
    const auto told = std::ranges::find(s.pager->delivered, AlertKind::backlog, &Message::kind);
    REQUIRE(told != s.pager->delivered.end());
    CHECK_THAT(told->title, Contains("mail"));
    Story::check_words(*told);
    s.mail->answers.clear();
    s.pass(hours{3});
    CHECK_FALSE(s.standing("self/backlog/mail"));
    CHECK(s.alerts("self/backlog/mail").size() == 1);
    CHECK(s.told(*s.pager, AlertKind::backlog, AlertState::resolved) == 1);
    CHECK(s.told(*s.mail, AlertKind::backlog, AlertState::firing) == 0);
}

TEST_CASE("what a channel did not get is told by the others, never by itself") {
    Story s;
    s.begin();
    s.mail->answers = {Result<void>{std::unexpected(refused)}};
    s.world.list_complete = false;  // something to tell
    s.pass(minutes{30});
    CHECK(s.standing("self/dead_letter/mail"));
    CHECK(s.told(*s.mail, AlertKind::dead_letter, AlertState::firing) == 0);
    REQUIRE(s.told(*s.pager, AlertKind::dead_letter, AlertState::firing) == 1);
    const auto told = std::ranges::find(s.pager->delivered, AlertKind::dead_letter, &Message::kind);
    CHECK_THAT(told->title, Contains("mail") && Contains("HTTP 400"));
    Story::check_words(*told);
    s.world.list_complete = true;  // and now something that it takes
    s.pass(minutes{30});
    CHECK_FALSE(s.standing("self/dead_letter/mail"));
    CHECK(s.told(*s.pager, AlertKind::dead_letter, AlertState::resolved) == 1);
    CHECK(s.told(*s.mail, AlertKind::dead_letter, AlertState::resolved) == 0);
}

TEST_CASE("the ways of what is about a channel") {
    const ChannelName mail{"mail"};
    const ChannelName pager{"pager"};
    Message m;
    m.kind = AlertKind::dead_letter;
    m.channel = mail;
    const std::vector<ChannelName> both{mail, pager};
    const std::vector<Destination> routed{{mail, {}}, {mail, "ana@example.org"}};
    CHECK(self_paths(routed, m, both, {}) == std::vector<Destination>{{pager, {}}});
    CHECK(self_paths(routed, m, {mail}, {}).empty());
    CHECK(self_paths(routed, m, {mail}, mail).empty());
    CHECK(self_paths({{pager, {}}, {mail, {}}}, m, both, pager) == std::vector<Destination>{{pager, {}}});
    Message cycles;
    cycles.kind = AlertKind::cycles;
    CHECK(self_paths({{mail, {}}}, cycles, both, pager) == std::vector<Destination>{{mail, {}}, {pager, {}}});
    CHECK(self_paths({{mail, {}}}, cycles, both, {}) == std::vector<Destination>{{mail, {}}});
    Message other;
    other.kind = AlertKind::stale;
    CHECK(self_paths({{mail, {}}}, other, both, pager) == std::vector<Destination>{{mail, {}}});
}

TEST_CASE("a disk that fills is told when it is low, again when copies are refused, and when it is over") {
    Story s;
    s.begin();
    const auto room = [&](std::int64_t free_mib) {
        s.disks->folders.insert_or_assign("/vault",
                                          Space{.free = free_mib << 20, .total = 20LL << 30, .volume = "v"});
    };
    room(2100);
    s.pass(minutes{5});
    CHECK(s.store.alert_rows.empty());
    room(2000);
    s.pass(minutes{30});
    CHECK(s.told(*s.mail, AlertKind::disk, AlertState::firing) == 1);
    CHECK(s.last(AlertKind::disk).severity == Severity::warning);
    CHECK(s.last(AlertKind::disk).do_next == "df -h /vault");
    CHECK_THAT(s.last(AlertKind::disk).title, Contains("1.9 GiB of 20.0 GiB") && Contains("vault home"));
    CHECK(std::ranges::all_of(s.heard(), &std::string::empty));
    room(1000);
    s.pass(minutes{30});
    CHECK(s.told(*s.mail, AlertKind::disk, AlertState::firing) == 2);
    CHECK(s.last(AlertKind::disk).severity == Severity::critical);
    CHECK_THAT(s.heard().back(), Contains("nearly full"));
    room(2100);  // hardly more than the bound
    s.pass(minutes{30});
    CHECK(s.standing("self/disk//vault"));
    room(5000);
    s.pass(minutes{5});
    CHECK_FALSE(s.standing("self/disk//vault"));
    CHECK(s.alerts("self/disk//vault").size() == 1);
    CHECK(s.told(*s.mail, AlertKind::disk, AlertState::resolved) == 1);
    CHECK(s.heard().back().empty());
}

TEST_CASE("one disk is one alarm, and one that does not answer is critical") {
    Story s;
    s.begin();
    const Space little{.free = 1 << 20, .total = 20LL << 30, .volume = "v"};
    s.disks->folders = {{"/vault", little}, {"/state", little}};
    s.pass(minutes{5});
    CHECK(s.told(*s.mail, AlertKind::disk, AlertState::firing) == 1);
    CHECK_THAT(s.last(AlertKind::disk).title, Contains("/state") && Contains("/vault"));
    s.disks->folders.clear();
    s.pass(minutes{5});
    CHECK_FALSE(s.standing("self/disk//state"));
    s.disks->folders = {
        {"/vault", std::unexpected(Error{Errc::timeout, Retry::later(), "does not answer", "/vault"})}};
    s.pass(minutes{5});
    CHECK(s.standing("self/disk//vault"));
    CHECK(s.last(AlertKind::disk).severity == Severity::critical);
    s.disks->folders.clear();
    s.pass(minutes{5});
    CHECK_FALSE(s.standing("self/disk//vault"));
}

TEST_CASE("how full is full") {
    constexpr std::int64_t gib = 1LL << 30;
    const auto level = [](std::int64_t free, std::int64_t total, SpaceLevel before = SpaceLevel::good) {
        return level_of({.free = free, .total = total, .volume = {}}, before);
    };
    CHECK(level(11 * gib, 1000 * gib) == SpaceLevel::good);  // 1 % of much is enough
    CHECK(level(9 * gib, 1000 * gib) == SpaceLevel::low);
    CHECK(level(gib - 1, 1000 * gib) == SpaceLevel::critical);
    CHECK(level(gib / 10, gib) == SpaceLevel::good);
    CHECK(level(gib / 11, gib) == SpaceLevel::low);
    CHECK(level(gib / 21, gib) == SpaceLevel::critical);
    CHECK(level(gib / 10, gib, SpaceLevel::low) == SpaceLevel::low);
    CHECK(level(gib / 8, gib, SpaceLevel::low) == SpaceLevel::good);
    CHECK(level(gib / 16, gib, SpaceLevel::critical) == SpaceLevel::critical);
    CHECK(level(0, 0) == SpaceLevel::good);  // a file system without a size
}

TEST_CASE("a database that takes nothing is told without it, hourly, and by the heartbeat") {
    Story s;
    s.config->alerts.failover = ChannelName{"pager"};
    s.world.add("demo").kernel = "busy";
    s.begin();
    s.pass(minutes{5});
    s.store.failing = full;
    s.pass(minutes{5});
    REQUIRE(s.told(*s.mail, AlertKind::database, AlertState::firing) == 1);
    CHECK(s.told(*s.pager, AlertKind::database, AlertState::firing) == 1);
    CHECK(s.last(AlertKind::database).severity == Severity::critical);
    CHECK_THAT(s.last(AlertKind::database).title, Contains("$0.76/h") && Contains("since Mon 02:1"));
    CHECK(s.last(AlertKind::database).do_next == "df -h /state");
    CHECK_THAT(s.heard().back(), Contains("the disk is full"));
    s.pass(minutes{50});
    CHECK(s.told(*s.mail, AlertKind::database, AlertState::firing) == 1);
    s.pass(minutes{65});
    CHECK(s.told(*s.mail, AlertKind::database, AlertState::firing) == 2);
    s.store.failing.reset();
    s.pass(minutes{20});
    CHECK(s.told(*s.mail, AlertKind::database, AlertState::resolved) == 1);
    CHECK(s.told(*s.mail, AlertKind::database, AlertState::firing) == 2);
    CHECK(s.heard().back().empty());
    CHECK(s.store.audited("database.refused") == 1);
    CHECK_FALSE(s.standing("self/database/write"));
}

TEST_CASE("one transaction that was refused is told by the usual way") {
    Story s;
    s.begin();
    s.pass(minutes{5});
    s.store.refusals = 1;
    s.pass(minutes{4});
    CHECK(s.store.refusals == 0);
    CHECK(s.standing("self/database/write"));
    s.pass(minutes{20});
    s.check_once("self/database/write", AlertKind::database);
    CHECK(s.store.audited("database.refused") == 1);
}

TEST_CASE("a log that grows, a copy that fails, a database that was replaced") {
    Story s;
    s.begin();
    s.pass(minutes{5});
    s.store.well.log_bytes = 65LL << 20;
    s.pass(minutes{10});
    CHECK(s.standing("self/database/log"));
    s.store.well.log_bytes = 1 << 20;
    s.pass(minutes{5});
    s.check_once("self/database/log", AlertKind::database);

    s.store.well.copy_trouble = "No space left on device";
    s.pass(minutes{10});
    CHECK(s.standing("self/database/copy"));
    s.store.well.copy_trouble.clear();
    s.pass(minutes{10});
    CHECK(s.standing("self/database/copy"));  // none was made yet
    s.store.well.copied_at = s.scheduler.wall();
    s.pass(minutes{5});
    CHECK_FALSE(s.standing("self/database/copy"));

    s.store.well.copied_at.reset();
    s.life->daemon.raise(std::string{Health::replaced_key}, AlertKind::database,
                         "the database was damaged and was moved aside");
    s.pass(minutes{2});
    s.store.well.copied_at = s.scheduler.wall();  // the new one, at once
    s.pass(hours{23});
    CHECK(s.standing(std::string{Health::replaced_key}));
    s.store.well.copied_at = s.scheduler.wall();
    s.pass(minutes{15});
    CHECK_FALSE(s.standing(std::string{Health::replaced_key}));
    CHECK(s.last(AlertKind::database).severity == Severity::info);
}

TEST_CASE("checks of its own that fail three times are critical") {
    Story s;
    s.begin();
    s.pass(minutes{5});
    s.store.silent = Error{Errc::overloaded, Retry::later(), "the database has too much to do", "database"};
    s.pass(minutes{2});
    CHECK_FALSE(s.standing("self/passes"));
    CHECK_THAT(s.heard().back(), Contains("too much to do"));
    s.pass(minutes{10});
    CHECK(s.standing("self/passes"));
    s.store.silent.reset();
    s.pass(minutes{5});
    s.check_once("self/passes", AlertKind::cycles);
}

TEST_CASE("a clock that is set is told; one that runs on is not") {
    for (const Duration moved : {Duration{seconds{3}}, Duration{-hours{1}}}) {
        Story s;
        s.begin();
        s.pass(minutes{5});
        s.scheduler.step_wall(seconds{2});
        s.pass(minutes{5});
        CHECK(s.store.alert_rows.empty());
        s.scheduler.step_wall(moved);
        s.pass(minutes{30});
        CHECK(s.standing("self/clock/step"));
        CHECK_THAT(s.last(AlertKind::clock).title, Contains(moved > Duration{0} ? "forward" : "back"));
        s.pass(hours{1});
        s.check_once("self/clock/step", AlertKind::clock);
    }
}

TEST_CASE("a clock that was set while the disk took nothing is told once it does") {
    Story s;
    s.begin();
    s.pass(minutes{5});
    s.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    s.scheduler.step_wall(minutes{2});
    s.pass(hours{2});
    s.store.failing.reset();
    s.pass(minutes{5});
    s.check_once("self/clock/step", AlertKind::clock);
}

TEST_CASE("a configuration that was refused is told once the disk takes it, and so is its end") {
    Story s;
    bool faulty = true;
    s.outside.assemble = [&]() -> Result<Parts> {
        if (faulty) {
            return fail(Errc::invalid, "curfew.toml:3:1: unknown key");
        }
        return s.parts();
    };
    s.begin();
    const auto reload_on_a_full_disk = [&] {
        s.store.failing = full;
        CHECK_FALSE(s.life->await(s.life->daemon.reload("ana")));
        s.pass(hours{2});
        s.store.failing.reset();
        s.pass(minutes{5});
    };
    reload_on_a_full_disk();
    CHECK(s.standing("config"));
    CHECK(s.told(*s.mail, AlertKind::config, AlertState::firing) == 1);
    faulty = false;
    reload_on_a_full_disk();  // in force, and only its record is not written
    s.check_once("config", AlertKind::config);
}

TEST_CASE("a reload that repeats and escalates sooner counts for what fires already") {
    Story s;
    s.outside.assemble = [&]() -> Result<Parts> {
        auto sooner = std::make_shared<Config>(*s.config);
        sooner->alerts.repeat_critical = minutes{10};
        Parts parts = s.parts();
        parts.config = std::move(sooner);
        return parts;
    };
    s.begin();
    s.pass(minutes{5});
    s.world.list_fails = down;
    while (!s.standing("self/cycles/me")) {
        s.pass(minutes{1});
    }
    s.pass(minutes{5});
    REQUIRE(s.told(*s.mail, AlertKind::cycles, AlertState::firing) == 1);
    REQUIRE(s.life->await(s.life->daemon.reload("ana")));
    s.pass(minutes{17});
    CHECK(s.told(*s.mail, AlertKind::cycles, AlertState::firing) >= 2);
}

TEST_CASE("a start is with a configuration that is whole") {
    Story s;
    s.begin();
    s.pass(minutes{5});
    CHECK_FALSE(s.life->await(s.life->daemon.reload("ana")));
    s.pass(minutes{5});
    CHECK(s.standing("config"));
    s.restart(minutes{1});
    s.pass(minutes{5});
    s.check_once("config", AlertKind::config);
}

TEST_CASE("a clock far from the provider's is told, not one answer that says so") {
    Story s;
    s.begin();
    s.world.provider_ahead = seconds{59};
    s.pass(minutes{10});
    CHECK(s.store.alert_rows.empty());
    s.world.provider_ahead = -minutes{2};
    const int before = s.world.lists;
    while (s.world.lists == before) {
        s.pass(seconds{1});
    }
    s.world.provider_ahead = Duration{0};
    s.pass(minutes{10});
    CHECK(s.store.alert_rows.empty());
    s.world.provider_ahead = -minutes{2};
    s.pass(minutes{10});
    CHECK(s.standing("self/clock/skew/me"));
    CHECK_THAT(s.last(AlertKind::clock).title, Contains("1 minute 59 seconds before"));
    s.world.provider_ahead = seconds{45};  // not yet good
    s.pass(minutes{10});
    CHECK(s.standing("self/clock/skew/me"));
    s.world.provider_ahead = seconds{5};
    s.pass(minutes{10});
    s.check_once("self/clock/skew/me", AlertKind::clock);
}

TEST_CASE("a heartbeat that nobody hears delays nothing, never piles up, and is told after three") {
    Story s;
    s.heart->failing = down;
    s.heart->takes = minutes{5};
    s.begin();
    const int before = s.world.lists;
    s.pass(minutes{10});
    CHECK(s.world.lists - before >= 9);
    CHECK(s.heart->at_once_max == 1);
    CHECK(s.heart->beats.size() <= 3);
    CHECK_FALSE(s.standing("self/heartbeat"));
    s.pass(minutes{20});
    CHECK(s.standing("self/heartbeat"));
    CHECK(s.last(AlertKind::undelivered).severity == Severity::warning);
    s.restart(minutes{1});
    s.pass(minutes{4});
    CHECK(s.standing("self/heartbeat"));
    s.heart->failing.reset();
    s.heart->takes = Duration{0};
    s.pass(minutes{15});
    s.check_once("self/heartbeat", AlertKind::undelivered);
}

TEST_CASE("the provider's own figure that cannot be read is told after the third time") {
    Story s;
    s.world.reported_fails = down;
    s.begin();
    s.pass(minutes{90});
    CHECK_FALSE(s.standing("balance/me"));
    s.pass(hours{5});
    CHECK(s.standing("balance/me"));
    s.world.reported_fails.reset();
    s.pass(hours{2});
    s.check_once("balance/me", AlertKind::drift);
}
