// Many messages as one.
#include "curfew/app/parcels.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using Catch::Matchers::Contains;

namespace {

OutboxRow row(const std::string& id, AlertKind kind, Severity severity, const std::string& name) {
    OutboxRow r;
    r.id = id + "/mail";
    r.message.id = id;
    r.message.alert = AlertId{"alr_" + id};
    r.message.kind = kind;
    r.message.severity = severity;
    r.message.resource = ResourceId{name};
    r.message.resource_name = name;
    r.message.title = name + " says " + std::string{to_string(kind)};
    r.message.group = "rule night/me";
    r.message.cause = "rule night";
    r.message.key = "key/" + id;
    return r;
}

OutboxRow warning(const std::string& name, std::int64_t stops_at) {
    OutboxRow r = row("w_" + name, AlertKind::stop_warning, Severity::warning, name);
    r.message.title = name + " (A4000, $0.76/h) will be stopped";
    r.message.do_next = "curfew keep " + name + " --for 2h";
    r.message.stops_at = WallTime{stops_at};
    r.message.per_hour = Money{760'000'000};
    r.message.expires_at = WallTime{stops_at};
    r.enforcement = EnforcementId{"enf_" + name};
    return r;
}

}  // namespace

TEST_CASE("one row is its message, with its id") {
    const OutboxRow one = warning("demo", 100);
    const Message m = together({one}, "msg_other", WallTime{5});
    CHECK(m.id == "w_demo");
    CHECK(m.title == one.message.title);
    CHECK(m.stops_at == WallTime{100});
}

TEST_CASE("the news of a stop is not hidden by the end of the alert that it could not be stopped") {
    OutboxRow over = row("failed", AlertKind::stop_failed, Severity::info, "demo");
    over.message.run = RunId{"n1"};
    over.message.telling = Telling::resolved;
    over.message.state = AlertState::resolved;
    over.message.title = "Over: demo IS STILL BILLING (it lasted 2m)";
    OutboxRow stopped = row("stop", AlertKind::stopped, Severity::info, "demo");
    stopped.message.run = RunId{"n1"};
    stopped.message.telling = Telling::resolved;
    stopped.message.state = AlertState::resolved;
    stopped.message.title = "demo is stopped: $0.76 saved every hour from now";
    stopped.message.body = {"Saved and read back: 1 file."};
    stopped.message.do_next = "curfew receipts rcp_1";
    for (const auto& rows : {std::vector{over, stopped}, std::vector{stopped, over}}) {
        const Message m = together(rows, "msg_1", WallTime{5});
        CHECK(m.id == "msg_1");
        CHECK(m.title == stopped.message.title);
        CHECK(m.do_next == "curfew receipts rcp_1");
        CHECK(m.kind == AlertKind::stopped);
        CHECK(m.body == std::vector<std::string>{"Saved and read back: 1 file.",
                                                 "Over: demo IS STILL BILLING (it lasted 2m)."});
    }
    OutboxRow other = over;  // of another run: its end is news
    other.message.run = RunId{"n2"};
    const Message both = together({other, stopped}, "msg_1", WallTime{5});
    CHECK_THAT(both.title, Contains("2 alerts"));
    CHECK_THAT(both.body.at(0), Catch::Matchers::StartsWith("Over: demo IS"));
}

TEST_CASE("the end of an alert does not expire with the warning that it is told with") {
    OutboxRow over = row("blind", AlertKind::blind, Severity::info, "demo");
    over.message.run = RunId{"n1"};
    over.message.telling = Telling::resolved;
    over.message.state = AlertState::resolved;
    over.message.title = "Over: demo cannot be seen (it lasted 20m)";
    OutboxRow stop = warning("demo", 100);
    stop.message.run = RunId{"n1"};
    const Message m = together({over, stop}, "msg_other", WallTime{5});
    CHECK(m.kind == AlertKind::stop_warning);
    CHECK(m.title == stop.message.title);
    CHECK_THAT(m.body.back(), Contains("demo cannot be seen"));
    CHECK_FALSE(m.expires_at);
}

TEST_CASE("several warnings say in the title how many, which, and what they cost together") {
    const Message m = together({warning("a", 300), warning("b", 100), warning("c", 200)}, "msg_1",
                               WallTime{5});
    CHECK(m.id == "msg_1");
    CHECK(m.at == WallTime{5});
    CHECK(m.kind == AlertKind::stop_warning);
    CHECK_THAT(m.title, Contains("3 notebooks will be stopped: a, b, c"));
    CHECK_THAT(m.title, Contains(to_string(Money{2'280'000'000})));
    CHECK(m.stops_at == WallTime{100});
    CHECK(m.expires_at == WallTime{300});
    CHECK(m.cause == "rule night");
    CHECK(m.resource.empty());
    REQUIRE(m.body.size() == 3);
    for (const auto& [line, name] : {std::pair{0, "a"}, std::pair{1, "b"}, std::pair{2, "c"}}) {
        const std::string& text = m.body[static_cast<std::size_t>(line)];
        CHECK_THAT(text, Contains(std::string{name} + " (A4000, $0.76/h) will be stopped"));
        CHECK_THAT(text, Contains("curfew keep " + std::string{name} + " --for 2h"));
    }
    const Message five = together(
        {warning("a", 1), warning("b", 1), warning("c", 1), warning("d", 1), warning("e", 1)}, "msg_1",
        WallTime{5});
    CHECK_THAT(five.title, Contains("5 notebooks will be stopped: a, b, c and 2 more"));
}

TEST_CASE("alerts of several kinds: the worst is in the title, all are in the body") {
    const Message m = together({row("1", AlertKind::blind, Severity::warning, "a"),
                                row("2", AlertKind::stop_failed, Severity::critical, "b")},
                               "msg_1", WallTime{5});
    CHECK(m.title == "2 alerts of rule night: b says stop_failed, and 1 more");
    CHECK(m.severity == Severity::critical);
    CHECK(m.kind == AlertKind::stop_failed);
    CHECK(m.key == "rule night/me");
    CHECK(m.body == std::vector<std::string>{"a says blind", "b says stop_failed"});
    CHECK_FALSE(m.expires_at);
}

TEST_CASE("an alert that began and ended in one parcel says so") {
    OutboxRow fired = row("1", AlertKind::blind, Severity::warning, "a");
    OutboxRow ended = fired;
    ended.id = "2/mail";
    ended.message.id = "2";
    ended.message.state = AlertState::resolved;
    ended.message.title = "a is seen again";
    const Message m = together({fired, ended}, "msg_1", WallTime{5});
    CHECK(m.title == "Began and ended: a is seen again");
    CHECK(m.state == AlertState::resolved);
    CHECK(m.alert == fired.message.alert);
    CHECK(m.key == fired.message.key);
    CHECK(m.body == std::vector<std::string>{"a says blind", "Began and ended: a is seen again"});
    const Message two = together({fired, row("9", AlertKind::blind, Severity::warning, "z"), ended}, "msg_1",
                                 WallTime{5});
    CHECK(two.state == AlertState::firing);
    CHECK(two.title == "2 alerts of rule night: a says blind, and 1 more");
    CHECK(two.body.at(2) == "Began and ended: a is seen again");
}

TEST_CASE("sums are left out where they would lie") {
    OutboxRow euro = warning("b", 100);
    euro.message.per_hour = Money{1, Currency{{'E', 'U', 'R'}}};
    CHECK_FALSE(together({warning("a", 1), euro}, "m", WallTime{5}).per_hour);
    OutboxRow unknown = warning("b", 100);
    unknown.message.per_hour.reset();
    CHECK_FALSE(together({warning("a", 1), unknown}, "m", WallTime{5}).per_hour);
    OutboxRow huge = warning("b", 100);
    huge.message.per_hour = Money{std::numeric_limits<std::int64_t>::max()};
    CHECK_FALSE(together({warning("a", 1), huge}, "m", WallTime{5}).per_hour);
    // A notebook that is named twice costs once.
    OutboxRow again = warning("a", 50);
    again.id = "again/mail";
    CHECK(together({warning("a", 1), again}, "m", WallTime{5}).per_hour == Money{760'000'000});
}

TEST_CASE("a digest names some, counts the rest, and the counts add up") {
    const std::vector<OutboxRow> named{warning("w", 100),
                                       row("1", AlertKind::stop_failed, Severity::critical, "b"),
                                       row("2", AlertKind::blind, Severity::warning, "c")};
    const std::vector<KindCount> sums{{AlertKind::stop_failed, Severity::critical, 1},
                                      {AlertKind::blind, Severity::warning, 40},
                                      {AlertKind::unpriced, Severity::info, 7}};
    const Message m = digest(named, sums, "msg_1", WallTime{5});
    CHECK(rows_of(named, sums) == 49);
    CHECK(m.kind == AlertKind::digest);
    CHECK(m.severity == Severity::critical);
    CHECK(m.title == "49 messages in one (1 critical, 41 warning, 7 info): b says stop_failed");
    CHECK(m.stops_at == WallTime{100});
    REQUIRE(m.body.size() == 4);
    CHECK_THAT(m.body[0], Contains("w (A4000, $0.76/h) will be stopped") && Contains("curfew keep w"));
    CHECK(m.body[3] == "And without their names: 39 × blind (warning), 7 × unpriced (info).");
    CHECK(m.do_next == "curfew alerts");
}
