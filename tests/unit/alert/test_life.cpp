#include "curfew/core/alert.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::alert_input;

namespace {

constexpr WallTime begun{1'000'000'000};

/// One alert and a clock; whoever is told is remembered as told, as its caller does it.
struct Bench {
    AlertPolicy policy;
    WallTime now = begun;
    Alert alert;
    std::optional<Telling> telling;
    std::optional<AlertEvent> event;

    explicit Bench(AlertKind kind = AlertKind::blind) {
        alert.id = AlertId{"alr_1"};
        alert.key = "blind/me/r1";
        alert.kind = kind;
        alert.account = AccountName{"me"};
        alert.resource = ResourceId{"n1"};
        alert.state = AlertState::resolved;
    }
    std::optional<Telling> give(const AlertInput& input) {
        AlertStep step = decide(alert, input, policy, now);
        telling = step.telling;
        event = step.event;
        alert = std::move(step.next);
        const bool ends = telling == Telling::resolved || telling == Telling::acknowledged;
        if (telling && !ends && alert.told.empty()) {
            alert.told.push_back({.channel = ChannelName{"mail"}, .to = {}});
        }
        return telling;
    }
    std::optional<Telling> after(Duration d) {
        now = now + d;
        return give(TimePassed{});
    }
    void expect(AlertState state, std::optional<Telling> told, const std::string& what) {
        CHECK(alert.state == state);
        CHECK(telling == told);
        REQUIRE(event);
        CHECK(event->what == what);
        CHECK(event->state == state);
        CHECK(event->at == now);
        CHECK_FALSE(event->reason.empty());
        CHECK(alert.reason == event->reason);
    }
    void expect_nothing() {
        CHECK_FALSE(telling);
        CHECK_FALSE(event);
    }
};

const Holds warning{.severity = Severity::warning};
const Holds critical{.severity = Severity::critical};

}  // namespace

TEST_CASE("a condition that holds fires and is told, once per state") {
    Bench b;
    b.give(warning);
    b.expect(AlertState::firing, Telling::firing, "fired");
    CHECK(b.alert.since == begun);
    CHECK(b.alert.told_at == begun);
    b.give(warning);
    b.expect_nothing();
    b.give(Holds{.severity = Severity::info});
    b.expect_nothing();
    CHECK(b.alert.severity == Severity::warning);  // it never gets better, it ends
}

TEST_CASE("a kind with a pending time has to hold for it before anybody is told") {
    Bench b(AlertKind::backlog);
    const Duration wait = pending_of(AlertKind::backlog);
    REQUIRE(wait > Duration{0});
    b.give(warning);
    b.expect(AlertState::pending, std::nullopt, "pending");
    CHECK(next_due(b.alert, b.policy) == begun + wait);
    b.after(wait - Duration{1});
    b.expect_nothing();
    SECTION("over before it fired") {
        b.give(Over{});
        b.expect(AlertState::resolved, std::nullopt, "resolved");
    }
    SECTION("fires by time, as bad as it became meanwhile") {
        b.give(critical);
        b.expect_nothing();
        b.after(Duration{1});
        b.expect(AlertState::firing, Telling::firing, "fired");
        CHECK(b.alert.severity == Severity::critical);
        CHECK(b.alert.since == begun);
    }
    SECTION("fires by the next look") {
        b.now = b.now + Duration{1};
        b.give(warning);
        b.expect(AlertState::firing, Telling::firing, "fired");
    }
    SECTION("is not there to be acknowledged") {
        b.give(Acknowledged{.by = "ana", .note = {}});
        b.expect_nothing();
    }
}

TEST_CASE("a rise in severity is told, and ends an acknowledgement") {
    Bench b;
    b.give(warning);
    b.give(Acknowledged{.by = "ana", .note = "on it"});
    b.expect(AlertState::acknowledged, Telling::acknowledged, "acknowledged");
    CHECK(b.event->by == "ana");
    CHECK(b.event->reason == "on it");
    CHECK(b.alert.acknowledged_by == "ana");
    b.give(warning);
    b.expect_nothing();
    b.give(critical);
    b.expect(AlertState::firing, Telling::rise, "rose");
    CHECK(b.alert.acknowledged_by.empty());
    CHECK(b.alert.note.empty());
    CHECK(b.event->reason.find("ana") != std::string::npos);
}

TEST_CASE("an acknowledgement may be said again by somebody else, without a word to the others") {
    Bench b;
    b.give(warning);
    b.give(Acknowledged{.by = "ana", .note = {}});
    b.give(Acknowledged{.by = "ben", .note = "mine now"});
    b.expect(AlertState::acknowledged, std::nullopt, "acknowledged");
    CHECK(b.alert.acknowledged_by == "ben");
}

TEST_CASE("repeats: critical every hour, warning every 12 hours, info and what is acknowledged never") {
    Bench b;
    SECTION("critical") {
        b.give(critical);
        CHECK(next_due(b.alert, b.policy) == begun + hours{1});
        b.after(hours{1} - Duration{1});
        b.expect_nothing();
        b.after(Duration{1});
        b.expect(AlertState::firing, Telling::repeat, "told again");
        CHECK(next_due(b.alert, b.policy) == begun + hours{2});
    }
    SECTION("warning") {
        b.give(warning);
        CHECK(next_due(b.alert, b.policy) == begun + hours{12});
        b.after(hours{12});
        b.expect(AlertState::firing, Telling::repeat, "told again");
    }
    SECTION("info") {
        b.give(Holds{.severity = Severity::info});
        CHECK_FALSE(next_due(b.alert, b.policy));
        b.after(hours{24 * 30});
        b.expect_nothing();
    }
    SECTION("acknowledged") {
        b.give(critical);
        b.give(Acknowledged{.by = "ana", .note = {}});
        CHECK_FALSE(next_due(b.alert, b.policy));
        b.after(hours{24});
        b.expect_nothing();
    }
}

TEST_CASE("the end is told to those who were told, and to nobody else") {
    Bench b;
    b.give(warning);
    SECTION("somebody was") {
        b.give(Over{});
        b.expect(AlertState::resolved, Telling::resolved, "resolved");
    }
    SECTION("nobody was") {
        b.alert.told.clear();
        b.give(Over{});
        b.expect(AlertState::resolved, std::nullopt, "resolved");
        CHECK(b.event->reason.find("nobody") != std::string::npos);
    }
    SECTION("also of what was acknowledged") {
        b.give(Acknowledged{.by = "ana", .note = {}});
        b.give(Over{});
        b.expect(AlertState::resolved, Telling::resolved, "resolved");
    }
    CHECK_FALSE(next_due(b.alert, b.policy));
    b.give(Over{});
    b.expect_nothing();
    b.now = b.now + hours{2};
    b.give(warning);  // a new life knows nothing of whom the old one told
    b.expect(AlertState::firing, Telling::firing, "fired");
}

TEST_CASE("a ladder of warnings tells at every step and never repeats by time") {
    Bench b(AlertKind::stop_warning);
    b.give(warning);
    CHECK_FALSE(next_due(b.alert, b.policy));
    b.now = b.now + minutes{10};
    b.give(Holds{.severity = Severity::warning, .again = true});
    b.expect(AlertState::firing, Telling::repeat, "told again");
    for (int i = 0; i < 20; ++i) {
        b.give(Over{});
        b.expect(AlertState::resolved, Telling::resolved, "resolved");
        b.give(warning);
        b.expect(AlertState::firing, Telling::firing, "fired");  // it never flaps: it is the notice of a stop
    }
}

TEST_CASE("what is critical and not acknowledged goes to more people, step by step") {
    Bench b;
    b.policy.escalation = {{.after = minutes{15}, .channels = {ChannelName{"pager"}}},
                           {.after = minutes{30}, .channels = {ChannelName{"boss"}}}};
    SECTION("in time") {
        b.give(critical);
        CHECK(next_due(b.alert, b.policy) == begun + minutes{15});
        b.after(minutes{15});
        b.expect(AlertState::firing, Telling::escalation, "escalated");
        CHECK(b.alert.escalated == 1);
        b.after(minutes{14});
        b.expect_nothing();
        b.after(minutes{1});
        b.expect(AlertState::firing, Telling::escalation, "escalated");
        CHECK(b.alert.escalated == 2);
        CHECK(next_due(b.alert, b.policy) == begun + hours{1});  // repeats are counted from the telling
    }
    SECTION("not once somebody has it") {
        b.give(critical);
        b.give(Acknowledged{.by = "ana", .note = {}});
        b.after(minutes{20});
        b.expect_nothing();
    }
    SECTION("from the rise on") {
        b.give(warning);
        b.after(hours{2});
        b.give(critical);
        b.after(minutes{14});
        b.expect_nothing();
        b.after(minutes{1});
        b.expect(AlertState::firing, Telling::escalation, "escalated");
    }
    SECTION("not a warning") {
        b.give(warning);
        b.after(hours{1});
        b.expect_nothing();
    }
    SECTION("not while nobody may be told, and not at once when that ends") {
        b.give(critical);
        b.give(Silenced{SilenceId{"sil_1"}});
        b.after(minutes{20});
        b.expect_nothing();
        b.give(Unsilenced{});
        b.expect(AlertState::firing, Telling::repeat, "unsilenced");
        b.after(minutes{14});
        b.expect_nothing();
        b.after(minutes{1});
        b.expect(AlertState::firing, Telling::escalation, "escalated");
    }
}

TEST_CASE("a silence holds back and loses nothing") {
    Bench b;
    b.alert.silenced_by = SilenceId{"sil_1"};  // there before it fires
    b.give(warning);
    b.expect(AlertState::firing, std::nullopt, "held back");
    CHECK(b.event->reason.find("sil_1") != std::string::npos);
    CHECK_FALSE(next_due(b.alert, b.policy));
    SECTION("it ends while the condition holds: told then") {
        b.give(Unsilenced{});
        b.expect(AlertState::firing, Telling::firing, "unsilenced");
        b.give(Unsilenced{});
        b.expect_nothing();
    }
    SECTION("the condition ended meanwhile: nobody is told, and why is written down") {
        b.give(Over{});
        b.expect(AlertState::resolved, std::nullopt, "resolved");
    }
    SECTION("it got worse meanwhile: told when the silence ends, as bad as it is") {
        b.give(critical);
        b.expect(AlertState::firing, std::nullopt, "held back");
        b.give(Unsilenced{});
        b.expect(AlertState::firing, Telling::firing, "unsilenced");
        CHECK(b.alert.severity == Severity::critical);
    }
    SECTION("another one takes over") {
        b.give(Silenced{SilenceId{"sil_2"}});
        b.expect(AlertState::firing, std::nullopt, "silenced");
        CHECK(b.alert.silenced_by == SilenceId{"sil_2"});
        b.give(Silenced{SilenceId{"sil_2"}});
        b.expect_nothing();
    }
}

TEST_CASE("a silence over what was told: no repeats and no end, and told again when it is over") {
    Bench b;
    b.give(critical);
    b.give(Silenced{SilenceId{"sil_1"}});
    b.expect(AlertState::firing, std::nullopt, "silenced");
    b.after(hours{5});
    b.expect_nothing();
    SECTION("ended meanwhile") {
        b.give(Over{});
        b.expect(AlertState::resolved, std::nullopt, "resolved");
        CHECK(b.event->reason.find("sil_1") != std::string::npos);
    }
    SECTION("still so") {
        b.give(Unsilenced{});
        b.expect(AlertState::firing, Telling::repeat, "unsilenced");
    }
    SECTION("acknowledged meanwhile") {
        b.give(Acknowledged{.by = "ana", .note = {}});
        b.expect(AlertState::acknowledged, std::nullopt, "acknowledged");
        b.give(Unsilenced{});
        b.expect(AlertState::acknowledged, std::nullopt, "unsilenced");
    }
}

TEST_CASE("an inhibition is laid over as a silence is, and both have to end") {
    Bench b;
    b.give(warning);
    b.give(Inhibited{"key/me"});
    b.expect(AlertState::firing, std::nullopt, "inhibited");
    b.give(Silenced{SilenceId{"sil_1"}});
    b.give(Uninhibited{});
    b.expect(AlertState::firing, std::nullopt, "held back");
    b.give(Inhibited{"stale/me"});
    b.give(Unsilenced{});
    b.expect(AlertState::firing, std::nullopt, "held back");
    SECTION("told when the last ends") {
        b.give(Uninhibited{});
        b.expect(AlertState::firing, Telling::repeat, "uninhibited");
    }
    SECTION("over meanwhile") {
        b.give(Over{});
        b.expect(AlertState::resolved, std::nullopt, "resolved");
        CHECK(b.event->reason.find("stale/me") != std::string::npos);
    }
}

TEST_CASE("what comes and goes is said once, then quiet until it is calm, then as it is") {
    Bench b;
    for (int i = 0; i < 2; ++i) {
        b.give(warning);
        b.expect(AlertState::firing, Telling::firing, "fired");
        b.now = b.now + minutes{3};
        b.give(Over{});
        b.expect(AlertState::resolved, Telling::resolved, "resolved");
        b.now = b.now + minutes{3};
    }
    b.give(warning);
    b.now = b.now + minutes{1};
    b.give(Over{});  // the sixth turn
    b.expect(AlertState::pending, Telling::firing, "flapping");
    CHECK(b.alert.flapping);
    for (int i = 0; i < 10; ++i) {
        b.now = b.now + minutes{1};
        b.give(warning);
        b.expect(AlertState::firing, std::nullopt, "held back");
        b.now = b.now + minutes{1};
        b.give(Over{});
        b.expect(AlertState::pending, std::nullopt, "held back");
        CHECK(b.alert.turns.size() <= 6);
    }
    b.give(Over{});
    b.expect_nothing();
    SECTION("calm and over") {
        b.after(minutes{30} - Duration{1});
        b.expect_nothing();
        b.after(Duration{1});
        b.expect(AlertState::resolved, Telling::resolved, "resolved");
        CHECK_FALSE(b.alert.flapping);
        CHECK(b.alert.turns.empty());
    }
    SECTION("calm and so") {
        b.give(warning);
        CHECK(next_due(b.alert, b.policy) == b.now + minutes{30});
        b.after(minutes{30});
        b.expect(AlertState::firing, Telling::firing, "calm");
    }
    SECTION("worse: told at once") {
        b.give(critical);
        b.expect(AlertState::firing, Telling::rise, "rose");
        CHECK(b.alert.flapping);
    }
    SECTION("acknowledged while it flaps: not told when it is calm") {
        b.give(warning);
        b.give(Acknowledged{.by = "ana", .note = {}});
        b.expect(AlertState::acknowledged, std::nullopt, "acknowledged");
        b.after(minutes{30});
        b.expect(AlertState::acknowledged, std::nullopt, "calm");
    }
    SECTION("silenced when it becomes calm: not told then, but when the silence ends") {
        b.give(warning);
        b.give(Silenced{SilenceId{"sil_1"}});
        b.after(minutes{30});
        b.expect(AlertState::firing, std::nullopt, "held back");
        b.give(Unsilenced{});
        b.expect(AlertState::firing, Telling::repeat, "unsilenced");
    }
}

TEST_CASE("turns that are old do not count") {
    Bench b;
    for (int i = 0; i < 20; ++i) {
        b.give(warning);
        b.expect(AlertState::firing, Telling::firing, "fired");
        b.now = b.now + minutes{13};
        b.give(Over{});
        b.expect(AlertState::resolved, Telling::resolved, "resolved");
        b.now = b.now + minutes{13};
    }
}

TEST_CASE("a policy of one turn or less never calls anything flapping") {
    Bench b;
    b.policy.flap_turns = GENERATE(0, 1, -3);
    for (int i = 0; i < 8; ++i) {
        b.give(warning);
        CHECK(b.telling == Telling::firing);
        b.give(Over{});
        CHECK(b.telling == Telling::resolved);
    }
}

TEST_CASE("a warning of a budget and of a stop is not repeated by time, and a failed stop never flaps") {
    for (const AlertKind kind : {AlertKind::budget_threshold, AlertKind::stop_warning}) {
        Bench b(kind);
        b.give(warning);
        CHECK_FALSE(next_due(b.alert, b.policy));
    }
    for (const AlertKind kind : {AlertKind::stop_failed, AlertKind::stop_warning}) {
        Bench b(kind);
        for (int i = 0; i < 10; ++i) {
            CHECK(b.give(critical) == Telling::firing);
            CHECK(b.give(Over{}) == Telling::resolved);
        }
        CHECK_FALSE(b.alert.flapping);
    }
}

TEST_CASE("a silence and an inhibition that change nothing say nothing") {
    Bench b;
    b.give(Inhibited{"account/me"});  // of what is over there is nothing to hide
    CHECK_FALSE(b.event);
    b.give(warning);
    b.give(Inhibited{"account/me"});
    CHECK(b.event);
    CHECK_FALSE(next_due(b.alert, b.policy));  // held back: no repeats
    b.give(Inhibited{"account/me"});
    b.expect_nothing();
    b.give(Uninhibited{});
    CHECK(b.event);
    b.give(Uninhibited{});
    b.expect_nothing();
}

TEST_CASE("the firing that makes it flap is told as that, and a silence that ends then says nothing") {
    Bench b;
    b.policy.flap_turns = 3;
    b.give(warning);
    b.give(Over{});
    b.give(warning);
    b.expect(AlertState::firing, Telling::firing, "flapping");
    CHECK(b.alert.flapping);
    b.give(Silenced{SilenceId{"sil_1"}});
    b.give(Unsilenced{});
    CHECK_FALSE(b.telling);  // it is told once it is calm
    CHECK(next_due(b.alert, b.policy) == begun + b.policy.flap_calm);
}

TEST_CASE("nobody hears that somebody has taken on what nobody was told of") {
    Bench b;
    b.give(Silenced{SilenceId{"sil_1"}});  // of what is over there is nothing to hold back
    b.expect_nothing();
    b.give(warning);
    b.alert.told.clear();
    CHECK_FALSE(b.give(Acknowledged{.by = "ana", .note = {}}));
    CHECK(b.alert.state == AlertState::acknowledged);
    CHECK(b.alert.acknowledged_by == "ana");
}

TEST_CASE("stored without its times, an alert goes by what it has") {
    Bench b(AlertKind::blind);
    b.give(warning);
    Alert untold = b.alert;  // nobody was told, so there is nothing to repeat
    untold.told_at.reset();
    CHECK_FALSE(next_due(untold, b.policy));
    Alert flaps = b.alert;
    flaps.flapping = true;
    flaps.turns.clear();
    CHECK(next_due(flaps, b.policy) == begun + b.policy.flap_calm);
}

TEST_CASE("what makes others superfluous") {
    const auto make = [](AlertKind kind, Severity severity, std::string key, std::string account,
                         std::string resource) {
        Alert a;
        a.kind = kind;
        a.severity = severity;
        a.key = std::move(key);
        a.account = AccountName{std::move(account)};
        a.resource = ResourceId{std::move(resource)};
        return a;
    };
    const Alert blind = make(AlertKind::blind, Severity::critical, "blind/me/r1", "me", "n1");
    const Alert rejected = make(AlertKind::key_rejected, Severity::critical, "key/me", "me", "");
    const Alert unseen = make(AlertKind::blind, Severity::warning, "blind/me", "me", "");
    const Alert stale = make(AlertKind::stale, Severity::warning, "stale/me", "me", "");
    const Alert others = make(AlertKind::key_rejected, Severity::critical, "key/you", "you", "");
    const Alert failed = make(AlertKind::stop_failed, Severity::critical, "stop_failed/r1", "me", "n1");
    const Alert hard = make(AlertKind::budget_threshold, Severity::critical,
                            "budget/team/2026-11@Europe/Rome/100% accrued stop at 10", "", "");
    const Alert soft = make(AlertKind::budget_threshold, Severity::warning,
                            "budget/team/2026-11@Europe/Rome/80% accrued warn at 8", "", "");
    const Alert next_month = make(AlertKind::budget_threshold, Severity::warning,
                                  "budget/team/2026-12@Europe/Rome/80% accrued warn at 8", "", "");
    for (const Alert* down : {&rejected, &unseen, &stale}) {
        CHECK(inhibitor(blind, {&failed, down}) == down);
        CHECK(inhibitor(failed, {down}) == nullptr);  // a failed stop is never hidden
        CHECK(inhibitor(*down, {down, &blind}) == nullptr);
    }
    CHECK(inhibitor(blind, {&others}) == nullptr);
    CHECK(inhibitor(blind, {}) == nullptr);
    CHECK(inhibitor(soft, {&hard}) == &hard);
    CHECK(inhibitor(hard, {&soft, &hard}) == nullptr);
    CHECK(inhibitor(next_month, {&hard}) == nullptr);
    CHECK(inhibitor(soft, {&soft}) == nullptr);  // only the hard one says it all
    // One blind notebook says nothing of another, and a key of no account nothing of anybody.
    const Alert other_blind = make(AlertKind::blind, Severity::critical, "blind/me/r2", "me", "n2");
    CHECK(hides(other_blind).empty());
    CHECK(hides(make(AlertKind::key_rejected, Severity::critical, "key/", "", "")).empty());
    CHECK(inhibitor(blind, {&other_blind}) == nullptr);
    Alert acknowledged = rejected;
    acknowledged.state = AlertState::acknowledged;
    CHECK(inhibitor(blind, {&acknowledged}) == &acknowledged);
    for (const AlertState state : {AlertState::pending, AlertState::resolved}) {
        Alert not_firing = rejected;
        not_firing.state = state;
        CHECK(inhibitor(blind, {&not_firing}) == nullptr);
    }
}

TEST_CASE("what is told together") {
    Message m;
    m.kind = AlertKind::blind;
    CHECK(group_of(m) == "blind");
    m.account = AccountName{"me"};
    CHECK(group_of(m) == "blind, account me");
    m.budget = BudgetName{"team"};
    CHECK(group_of(m) == "budget team, account me");
    m.rule = RuleName{"night"};
    CHECK(group_of(m) == "rule night, account me");
}

TEST_CASE("how long a message waits for others of its group") {
    const AlertPolicy policy;
    const Instant now{1'000'000};
    Message m;
    m.severity = Severity::warning;
    CHECK(wait_of(m, std::nullopt, policy, now) == seconds{30});
    CHECK(wait_of(m, now - minutes{5}, policy, now) == seconds{30});
    CHECK(wait_of(m, now + seconds{10}, policy, now) == seconds{10});  // goes with what waits
    CHECK(wait_of(m, now - minutes{4}, policy, now) == minutes{1});
    CHECK(wait_of(m, now, policy, now) == minutes{5});
    Message urgent = m;
    SECTION("critical") {
        urgent.severity = Severity::critical;
    }
    SECTION("the warning of a stop") {
        urgent.stops_at = WallTime{1};
    }
    if (urgent.severity == Severity::critical || urgent.stops_at) {
        CHECK(wait_of(urgent, now - minutes{1}, policy, now) == seconds{30});
        CHECK(wait_of(urgent, now + minutes{4}, policy, now) == seconds{30});
        CHECK(wait_of(urgent, now + seconds{10}, policy, now) == seconds{10});
    }
}
