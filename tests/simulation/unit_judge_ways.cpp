// The judge itself, about the ways of an enforcement and about off hours: histories that break an invariant, and ones
// that do not.
#include "simulation/history.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

namespace {

bool says(const History& s, const std::string& text) {
    return s.all().find(text) != std::string::npos;
}

/// Confirmed at the end of its way, by what the provider answered.
void confirm(History& s, const std::vector<bool>& on) {
    s.whole();
    s.judge.run_ended(run, "stop", s.at());
    s.store(EnforcementState::confirming);
    for (const bool each : on) {
        s.pass(seconds{15});
        s.judge.looked_up(run, each, s.at());
    }
    s.e.off_sightings = 2;
    OutboxRow end = s.message(AlertKind::stopped);
    end.message.run = run;
    s.store(EnforcementState::stopped, {end});
}

Alert alert_of(AlertKind kind) {
    Alert alert;
    alert.id = AlertId{"alr_1"};
    alert.key = "of/r1";
    alert.kind = kind;
    alert.run = run;
    alert.silenced_by = SilenceId{"sil_1"};  // who is told is not what this is about
    return alert;
}

}  // namespace

TEST_CASE("I9: stopped is what was seen off twice in a row, and looked at twice more") {
    History s;
    SECTION("off, on, off") {
        confirm(s, {false, true, false});
        CHECK(says(s, "not seen off 2 times in a row"));
    }
    SECTION("off before a restart's own way was durable") {
        s.whole();
        s.judge.run_ended(run, "stop", s.at());
        s.pass(seconds{1});
        s.judge.crashed(s.at());
        s.pass(seconds{2});
        s.judge.booted(s.at());
        s.judge.looked_up(run, false, s.at());
        s.pass(seconds{4});
        s.e.off_sightings = 1;
        s.store(EnforcementState::confirming);
        s.pass(seconds{1});
        s.judge.looked_up(run, false, s.at());
        s.e.off_sightings = 2;
        OutboxRow end = s.message(AlertKind::stopped);
        end.message.run = run;
        s.store(EnforcementState::stopped, {end});
        CHECK_FALSE(says(s, "in a row"));
    }
    SECTION("on, off, off") {
        confirm(s, {true, false, false});
        CHECK(s.all().empty());
    }
    SECTION("what a crash may have swallowed") {
        s.whole();
        s.judge.run_ended(run, "stop", s.at());
        s.store(EnforcementState::confirming);
        s.judge.looked_up(run, false, s.at());
        s.judge.crashed(s.at());
        s.judge.looked_up(run, true, s.at());
        s.judge.looked_up(run, false, s.at());
        s.e.off_sightings = 2;
        s.store(EnforcementState::stopped);
        CHECK_FALSE(says(s, "in a row"));
    }
    SECTION("over after one more look") {
        confirm(s, {false, false});
        s.pass(minutes{10});
        s.judge.looked_up(run, false, s.at());
        s.e.outcome = "stopped";
        s.store(EnforcementState::over);
        CHECK(says(s, "was looked at 1 times since"));
    }
    SECTION("over after two") {
        confirm(s, {false, false});
        for (const Duration wait : {minutes{10}, minutes{50}}) {
            s.pass(wait);
            s.judge.looked_up(run, false, s.at());
        }
        s.e.outcome = "stopped";
        s.store(EnforcementState::over);
        CHECK(s.all().empty());
    }
}

TEST_CASE("I8: an alert says what failed and waits for a person, or bills on") {
    History s;
    const bool told = GENERATE(true, false);
    const auto with = [&](AlertKind kind) { return told ? Batch{alert_of(kind)} : Batch{}; };
    SECTION("a pack") {
        s.until_warned();
        s.quiet_for(minutes{31});
        s.store(EnforcementState::due);
        s.store(EnforcementState::packing);
        s.store(EnforcementState::held, with(AlertKind::pack_failed));
        CHECK(says(s, "and no alert fires") != told);
    }
    SECTION("a stop") {
        s.whole();
        s.store(EnforcementState::stop_failed, with(AlertKind::stop_failed));
        CHECK(says(s, "and no alert fires") != told);
    }
}

TEST_CASE("I8: that nobody took a warning is told") {
    History s;
    const bool told = GENERATE(true, false);
    s.use();
    s.begin();
    s.quiet_for(minutes{30});
    s.e.warned_step = 1;
    s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1)});
    s.quiet_for(minutes{12});
    if (told) {
        s.judge.committed({alert_of(AlertKind::undelivered)}, s.at());
    }
    s.quiet_for(hours{1});
    s.pack();
    s.stop();
    CHECK(says(s, "nobody took its warning, and no alert says so") != told);
}

TEST_CASE("I9: a breaker opens over stops of its own rule") {
    History s;
    s.whole();
    const Breaker breaker{.rule = RuleName{"night"}, .why = {}, .at = {}, .open = true};
    SECTION("over the first") {
        s.judge.committed({breaker}, s.at());
        CHECK(says(s, "opens after 1 of its stops"));
    }
    SECTION("with the second, in one transaction") {
        Enforcement other = s.e;
        other.id = EnforcementId{"enf_2"};
        other.run = RunId{"r2"};
        s.judge.committed({other, breaker}, s.at());
        CHECK_FALSE(says(s, "of its stops"));
    }
    SECTION("an hour later") {
        s.pass(hours{2});
        s.judge.committed({breaker}, s.at());
        CHECK(says(s, "opens after 0 of its stops"));
    }
    SECTION("with the second within an hour, on a disk that takes its time") {
        const bool late = GENERATE(false, true);
        s.pass(minutes{late ? 62 : 59});
        Enforcement other = s.e;
        other.id = EnforcementId{"enf_2"};
        other.run = RunId{"r2"};
        s.judge.handed_over({other, breaker}, s.at());
        s.pass(minutes{3});
        s.judge.committed({other, breaker}, s.at());
        CHECK(says(s, "opens after 1 of its stops") == late);
    }
    SECTION("an hour later, with one of which a boot took the time for its own") {
        s.e.stop_called_at = s.at().mono;
        s.store(EnforcementState::confirming);
        s.pass(hours{2});
        StoredState state;
        state.enforcements = {s.e};
        s.judge.loaded(state, "boot-2", s.at());
        s.judge.committed({breaker}, s.at());
        CHECK(says(s, "opens after 1 of its stops"));
    }
}

TEST_CASE("I9: no enforcement outlives its run by hours") {
    History s;
    s.until_warned();
    s.judge.run_ended(run, "user", s.at());
    s.judge.calm(s.at());
    SECTION("an hour") {
        s.pass(hours{1});
        s.close({});
        CHECK_FALSE(says(s, "enforcement enf_1 is warned"));
    }
    SECTION("a day") {
        s.pass(hours{24});
        s.close({});
        CHECK(says(s, "enforcement enf_1 is warned"));
    }
}

TEST_CASE("I3: what is seen by its kernels alone is warned of at most") {
    History s;
    const bool accepts = GENERATE(true, false);
    s.config.rules.front().accept_partial = accepts;
    s.config.rules.front().probe.enabled = false;
    s.use();
    s.begin();
    for (int i = 0; i < 61; ++i) {
        s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
        if (i == 30) {
            s.warn();
        }
        s.pass(minutes{1});
    }
    s.judge.answered(run, Signal::kernels, Verdict::quiet, s.at());
    s.pack();
    s.stop();
    CHECK(says(s, "by its kernels alone") != accepts);
}

TEST_CASE("I1: what shrank by more than half since the pack before is no reason to stop") {
    History s;
    const std::int64_t now = GENERATE(11, 9);
    s.use();
    s.begin();
    Receipt before;
    before.id = ReceiptId{"rcp_0"};
    before.resource = box;
    before.verified = true;
    before.files = 20;
    s.judge.committed({before}, s.at());
    s.quiet_for(minutes{30});
    s.warn();
    s.quiet_for(minutes{31});
    s.pack(files, {}, now);
    s.stop();
    CHECK(says(s, "in the receipt before") == (now < 10));
}

TEST_CASE("I3, I9: off hours by a calendar of the judge's own") {
    // Midnight in `history.hpp` is a full hour of 2026-09-21, a Monday.
    History s;
    const std::int64_t day = midnight.ms / 86'400'000;
    REQUIRE(((day + 3) % 7) == 0);
    const int begun = static_cast<int>((midnight.ms / 60'000) % 1440);
    Rule& rule = s.config.rules.front();
    rule.respect_activity = false;
    const auto off = [&](int from_minute, int to_minute, std::uint8_t days) {
        rule.schedule = Schedule{
            Zone{},
            {OffHours{.days = days, .from_minute = from_minute % 1440, .to_minute = to_minute % 1440}},
            {}};
    };
    s.e.cause = {CauseKind::schedule, "night"};
    SECTION("in them") {
        off(begun + 30, begun + 300, 1);
        s.whole();
        CHECK(s.all().empty());
    }
    SECTION("on another day") {
        off(begun + 30, begun + 300, 1U << 3U);
        s.whole();
        CHECK(says(s, "outside of the off hours"));
    }
    SECTION("after them") {
        off(begun + 10, begun + 20, 1);
        s.whole();
        CHECK(says(s, "outside of the off hours"));
    }
    SECTION("begun inside them") {
        off(begun - 60, begun + 300, 1);
        s.whole();
        CHECK(says(s, "began inside them"));
    }
    SECTION("by a clock of Rome, two hours ahead") {
        rule.schedule = Schedule{
            Zone{"Europe/Rome", hours{2}, {}},
            {OffHours{.days = 1, .from_minute = (begun + 150) % 1440, .to_minute = (begun + 400) % 1440}},
            {}};
        s.whole();
        CHECK(s.all().empty());
    }
    SECTION("long into them and still on") {
        off(begun + 360, begun + 359, 1);
        s.use();
        s.begin();
        s.judge.calm(s.at());
        s.pass(hours{8});
        s.polled();
        CHECK_FALSE(s.breaks("I9"));
        s.pass(hours{4});
        bool broken = true;
        SECTION("in the way of nothing") {}
        SECTION("held") {
            Hold hold;
            hold.id = HoldId{"hld_1"};
            hold.resource = box;
            hold.from = s.at().wall;
            hold.until = s.at().wall + hours{10};
            s.judge.committed({hold}, s.at());
            broken = false;
        }
        s.polled();
        CHECK(says(s, "into its off hours") == broken);
    }
}

TEST_CASE("I8: who is on in his off hours is under an enforcement") {
    History s;
    const int begun = static_cast<int>((midnight.ms / 60'000) % 1440);
    Rule& rule = s.config.rules.front();
    rule.respect_activity = false;
    // They begin in five hours and last over the midnight after them.
    OffHours off{.days = 0x7F, .from_minute = (begun + 300) % 1440, .to_minute = (begun + 900) % 1440};
    bool broken = true;
    bool keeps = false;
    bool asked = false;
    SECTION("nobody asks for it") {}
    SECTION("it is at work, which they respect") {
        rule.respect_activity = true;
        broken = false;
    }
    SECTION("they are over") {
        off.to_minute = (begun + 301) % 1440;
        broken = false;
    }
    SECTION("it is protected") {
        s.config.protect = {"nb*"};
        broken = false;
    }
    SECTION("it is held") {
        keeps = true;
        broken = false;
    }
    SECTION("it was warned of") {
        asked = true;
        broken = false;
    }
    rule.schedule = Schedule{Zone{}, {off}, {}};
    s.use();
    s.begin();
    s.judge.booted(s.at());
    s.pass(minutes{301});
    if (keeps) {
        Hold hold;
        hold.id = HoldId{"hld_1"};
        hold.resource = box;
        hold.from = s.at().wall;
        hold.until = s.at().wall + hours{10};
        s.judge.committed({hold}, s.at());
    }
    if (asked) {
        s.e.cause = {CauseKind::schedule, "night"};
        s.warn();
    }
    for (int i = 0; i < 12; ++i) {
        s.pass(minutes{5});
        s.judge.listed(account, s.at(), {run});
        s.polled();
    }
    CHECK(says(s, "in its off hours, and no stop of it is under way") == broken);
}

TEST_CASE("I9: what a person asked for is soon under way in that one's name") {
    History s;
    s.until_warned();
    s.quiet_for(minutes{31});
    s.store(EnforcementState::due);
    s.judge.committed({AuditRow{.kind = "stop.asked", .run = run, .actor = "ana"}}, s.at());
    const std::string what = GENERATE("nothing", "the rule", "the person", "the end", "a crash",
                                      "protection");
    if (what == "the rule") {
        s.store(EnforcementState::packing);
    } else if (what == "the person") {
        s.e.cause = {CauseKind::manual, "ana"};
        s.store(EnforcementState::due);
    } else if (what == "the end") {
        s.judge.run_ended(run, "user", s.at());
    } else if (what == "a crash") {
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
    } else if (what == "protection") {
        s.config.protect = {"*"};
        s.use();
    }
    for (int i = 0; i < 4; ++i) {
        s.pass(minutes{5});
        s.polled();
    }
    CHECK(says(s, "somebody asked for a stop") == (what == "nothing" || what == "the rule"));
}
