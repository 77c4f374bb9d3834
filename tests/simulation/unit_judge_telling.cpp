// The judge itself, where something has to be told: histories that keep a silence which nobody asked for, and ones
// that do not.
#include "simulation/history.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

namespace {

Alert alert_of(AlertKind kind, const std::string& key = "blind/lab") {
    Alert a;
    a.id = AlertId{"alr_" + key};
    a.key = key;
    a.kind = kind;
    a.account = account;
    a.message.kind = kind;
    a.message.account = account;
    return a;
}

/// Since a boot, with a poll every five minutes.
void polls(History& s, Duration d) {
    for (Duration gone{0}; gone < d; gone += minutes{5}) {
        s.pass(minutes{5});
        s.polled();
    }
}

/// The disk takes it after so long.
void tells(History& s, Alert& a, Telling telling = Telling::firing, Duration waits = {}) {
    OutboxRow row = s.message(a.kind);
    row.message.alert = a.id;
    row.message.severity = a.severity;
    row.message.telling = telling;
    a.told = {{.channel = mail, .to = {}}};
    a.told_at = s.at().wall;
    s.judge.handed_over({a, row}, s.at());
    s.pass(waits);
    s.judge.committed({a, row}, s.at());
}

}  // namespace

TEST_CASE("I8: what goes on is told again, in its time") {
    History s;
    s.use();
    s.judge.booted(s.at());
    s.pass(minutes{1});
    Alert a = alert_of(AlertKind::blind);
    a.severity = Severity::critical;
    bool broken = false;
    const bool late = GENERATE(false, true);
    tells(s, a, Telling::firing, late ? minutes{40} : minutes{0});
    SECTION("it is, an hour after the disk was asked to take it") {
        polls(s, late ? minutes{20} : minutes{60});
        tells(s, a, Telling::repeat);
    }
    SECTION("it is") {
        polls(s, minutes{60});
        tells(s, a, Telling::repeat);
        polls(s, minutes{60});
    }
    SECTION("it never is") {
        polls(s, hours{2});
        broken = true;
    }
    SECTION("it is at once") {
        polls(s, minutes{10});
        tells(s, a, Telling::repeat);
        broken = true;
    }
    SECTION("somebody has seen it") {
        a.state = AlertState::acknowledged;
        s.judge.committed({a}, s.at());
        polls(s, hours{3});
        SECTION("and is left alone") {}
        SECTION("and is told again") {
            tells(s, a, Telling::repeat);
            broken = true;
        }
    }
    CHECK(s.breaks("I8") == broken);
    CHECK(s.all().empty() == !broken);
}

TEST_CASE("I8: a critical alert that nobody acknowledges is escalated") {
    History s;
    s.config.alerts.escalation = {{.after = minutes{15}, .channels = {mail}}};
    s.use();
    s.judge.booted(s.at());
    s.pass(minutes{1});
    Alert a = alert_of(AlertKind::blind);
    a.severity = Severity::critical;
    tells(s, a);
    const bool escalated = GENERATE(true, false);
    polls(s, minutes{15});
    if (escalated) {
        a.escalated = 1;
        tells(s, a, Telling::escalation);
    }
    polls(s, minutes{40});
    CHECK(s.all().empty() == escalated);
}

TEST_CASE("I8: what covers an alert is there, covers it, and ends") {
    History s;
    s.use();
    s.judge.booted(s.at());
    s.pass(minutes{1});
    Silence silence;
    silence.id = SilenceId{"sil_1"};
    silence.scope.resources = {"nb1"};
    silence.from = s.at().wall;
    silence.until = s.at().wall + hours{2};
    s.judge.committed({silence}, s.at());
    polls(s, minutes{10});
    Alert a = alert_of(AlertKind::blind);
    a.resource = box;
    a.message.resource = box;
    a.silenced_by = silence.id;
    bool broken = false;
    SECTION("of this resource") {
        s.judge.committed({a}, s.at());
        SECTION("until its end") {
            polls(s, minutes{115});
            a.silenced_by = {};
            tells(s, a);
        }
        SECTION("beyond its end") {
            polls(s, hours{3});
            broken = true;
        }
        SECTION("and it is told all the same") {
            tells(s, a);
            broken = true;
        }
    }
    SECTION("of another resource") {
        a.message.resource = ResourceId{"nb2"};
        s.judge.committed({a}, s.at());
        broken = true;
    }
    SECTION("of the resource, which does not name a failed stop") {
        a.kind = a.message.kind = AlertKind::stop_failed;
        s.judge.committed({a}, s.at());
        broken = true;
    }
    SECTION("an account that is down says it all") {
        Alert all = alert_of(AlertKind::blind);
        tells(s, all);
        a.id = AlertId{"alr_2"};
        a.key = "blind/lab/r1";
        a.silenced_by = {};
        a.inhibited_by = all.key;
        SECTION("of its own runs") {}
        SECTION("but not of a run that could not be stopped") {
            a.kind = AlertKind::stop_failed;
            broken = true;
        }
        s.judge.committed({a}, s.at());
        SECTION("as long as it is") {
            polls(s, hours{1});
        }
        SECTION("and no longer") {
            all.state = AlertState::resolved;
            tells(s, all, Telling::resolved);
            polls(s, hours{1});
            broken = true;
        }
    }
    CHECK(s.breaks("I8") == broken);
}

TEST_CASE("I8: what happens is shouted about") {
    History s;
    s.use();
    s.judge.booted(s.at());
    s.pass(minutes{1});
    const bool told = GENERATE(true, false);
    const auto shout = [&](Alert a) {
        if (told) {
            tells(s, a);
        }
    };
    const auto poll = [&](const std::string& error) {
        s.judge.committed(
            {AccountPollRow{.account = account, .mono = {}, .wall = {}, .complete = false, .error = error}},
            s.at());
        s.pass(minutes{5});
    };
    SECTION("a key that is refused") {
        shout(alert_of(AlertKind::key_rejected, "key/lab"));
        poll("provider: HTTP 401: the key is not known");
    }
    SECTION("polls that fail") {
        shout(alert_of(AlertKind::blind));
        for (int i = 0; i < 4; ++i) {
            poll("provider: connection refused");
        }
    }
    SECTION("a breaker") {
        shout(alert_of(AlertKind::breaker, "breaker/night"));
        s.judge.committed({Breaker{.rule = RuleName{"night"}, .why = "", .at = {}, .open = true}}, s.at());
    }
    SECTION("messages that are given up") {
        Alert a = alert_of(AlertKind::dead_letter, "self/dead_letter/mail");
        a.message.channel = mail;
        s.judge.committed({s.message(AlertKind::blind)}, s.at());
        ParcelRow dead = s.parcel(1, "par_1", AlertKind::blind);
        dead.state = OutboxState::dead;
        s.judge.committed({dead}, s.at());
        shout(a);
        polls(s, hours{1});
    }
    SECTION("a clock that is set") {
        polls(s, minutes{20});
        s.wall_ahead = hours{1};
        s.judge.clock_stepped(hours{1}, s.at());
        Alert a = alert_of(AlertKind::clock, "self/clock/step");
        a.account = {};
        shout(a);
        polls(s, minutes{40});
    }
    SECTION("a configuration that is refused") {
        polls(s, minutes{20});
        s.judge.config_read(false);
        shout(alert_of(AlertKind::config, "config"));
        polls(s, minutes{40});
    }
    SECTION("a run that nobody can see") {
        s.begin();
        Alert a = alert_of(AlertKind::blind, "blind/lab/r1");
        a.run = run;
        a.resource = box;
        for (int i = 0; i < 20; ++i) {
            s.judge.answered(run, Signal::kernels, Verdict::unknown, s.at());
            if (i == 4) {
                shout(a);
            }
            polls(s, minutes{5});
        }
    }
    CHECK(s.breaks("I8") == !told);
}

TEST_CASE("I8: a configuration that is in force is not called refused") {
    History s;
    s.use();
    s.judge.booted(s.at());
    polls(s, minutes{20});
    s.judge.config_read(false);
    Alert a = alert_of(AlertKind::config, "config");
    tells(s, a);
    polls(s, minutes{10});
    s.judge.config_read(true);
    s.use();
    const bool ends = GENERATE(true, false);
    if (ends) {
        a.state = AlertState::resolved;
        tells(s, a, Telling::resolved);
    }
    polls(s, minutes{30});
    CHECK(s.breaks("I8") == !ends);
}

TEST_CASE("I8: a parcel goes when it may, and says what it carries") {
    History s;
    s.use();
    s.judge.booted(s.at());
    OutboxRow row = s.message(AlertKind::blind);
    row.message.title = "Account lab cannot be seen";
    s.judge.committed({row}, s.at());
    ParcelRow parcel;
    parcel.id = ParcelId{"par_1"};
    parcel.channel = mail;
    parcel.message = row.message;
    parcel.message.id = "par_1";
    bool broken = false;
    const auto form = [&] {
        s.judge.committed(
            {parcel, ParcelFill{.parcel = parcel.id, .channel = mail, .to = {}, .rows = {1}, .rest = {}}},
            s.at());
    };
    const auto send = [&](const Error& error) {
        s.judge.tried(mail, {.message = parcel.message, .to = {}}, s.at());
        s.judge.said_no(mail, {.message = parcel.message, .to = {}}, error, s.at());
        ++parcel.attempts;
        s.judge.committed({parcel}, s.at());
    };
    const auto again = [&] { s.judge.tried(mail, {.message = parcel.message, .to = {}}, s.at()); };
    SECTION("something else") {
        parcel.message.title = "All is well";
        form();
        broken = true;
    }
    SECTION("after a refusal") {
        form();
        send({Errc::unavailable, Retry::after(minutes{20}), "HTTP 503", "mail"});
        broken = GENERATE(true, false);
        s.pass(broken ? minutes{5} : minutes{20});
        again();
    }
    SECTION("in the time of its schedule") {
        form();
        send({Errc::unavailable, Retry::later(), "HTTP 503", "mail"});
        broken = GENERATE(true, false);
        s.pass(broken ? Duration{seconds{1}} : Duration{seconds{6}});
        again();
    }
    SECTION("after a refusal for good") {
        form();
        send({Errc::invalid, Retry::never(), "HTTP 400", "mail"});
        s.pass(hours{1});
        again();
        broken = true;
    }
    SECTION("to a channel that is disabled") {
        form();
        broken = GENERATE(true, false);
        s.judge.committed(
            {ChannelStateRow{.channel = mail, .disabled_at = s.at().wall, .why = "410", .fingerprint = {}}},
            s.at());
        if (!broken) {
            s.judge.committed(
                {ChannelStateRow{.channel = mail, .disabled_at = {}, .why = {}, .fingerprint = {}}}, s.at());
        }
        s.pass(hours{1});
        again();
    }
    SECTION("past its use") {
        parcel.message.expires_at = s.at().wall + hours{1};
        form();
        broken = GENERATE(true, false);
        s.pass(broken ? hours{2} : minutes{50});
        again();
    }
    SECTION("more in an hour than may be") {
        s.config.alerts.per_hour = 5;
        s.use();
        broken = GENERATE(true, false);
        s.config.channels.push_back({});
        s.config.channels.back().name = mail;
        s.use();
        for (int i = 0; i < 8; ++i) {
            parcel.id = ParcelId{"par_" + std::to_string(i)};
            s.judge.committed({parcel}, s.at());
            s.pass(broken ? minutes{1} : minutes{6});
        }
    }
    CHECK(s.breaks("I8") == broken);
}

TEST_CASE("I8: what is critical and taken by nobody goes to one channel more") {
    History s;
    s.config.alerts.failover = ChannelName{"pager"};
    s.use();
    s.judge.booted(s.at());
    s.pass(minutes{1});
    OutboxRow row = s.message(AlertKind::blind);
    row.message.severity = Severity::critical;
    s.judge.committed({row}, s.at());
    row.seq = 1;
    Judge::End end;
    end.outbox = {row};
    const bool went = GENERATE(true, false);
    if (went) {
        OutboxRow more = row;
        more.id = row.message.id + "/pager";
        more.channel = s.config.alerts.failover;
        s.pass(minutes{2});
        s.judge.committed({more}, s.at());
        more.seq = 2;
        end.outbox.push_back(more);
    }
    s.pass(hours{1});
    s.judge.ended(end, s.at());
    CHECK(s.breaks("I8") == !went);
}

TEST_CASE("I9: an alert ends when what it is about does, and none is lost") {
    History s;
    s.use();
    s.judge.booted(s.at());
    Alert a = alert_of(AlertKind::key_rejected, "key/lab");
    tells(s, a);
    s.judge.calm(s.at());
    bool broken = false;
    Judge::End end;
    end.alerts = {a.id};
    SECTION("it does") {
        a.state = AlertState::resolved;
        tells(s, a, Telling::resolved);
    }
    SECTION("it never does") {
        broken = true;
    }
    s.pass(hours{40});
    s.judge.ended(end, s.at());
    CHECK(s.breaks("I9") == broken);
    end.alerts = {AlertId{"alr_9"}};
    s.judge.ended(end, s.at());
    CHECK(s.breaks("I8"));
}

TEST_CASE("I10: holds, silences, disabled channels and alerts are read as they were written") {
    History s;
    s.use();
    s.begin();
    Hold hold{.id = HoldId{"hld_1"},
              .kind = HoldKind::keep,
              .resource = box,
              .run = run,
              .from = s.at().wall,
              .until = s.at().wall + hours{2},
              .reason = {},
              .by = {},
              .released_at = {}};
    Silence silence;
    silence.id = SilenceId{"sil_1"};
    silence.until = s.at().wall + hours{2};
    ChannelStateRow gone{.channel = mail, .disabled_at = s.at().wall, .why = "410", .fingerprint = {}};
    Alert a = alert_of(AlertKind::blind);
    a.state = AlertState::acknowledged;
    a.acknowledged_by = "ana";
    s.judge.committed({hold, silence, gone, a}, s.at());
    StoredState state;
    state.holds = {hold};
    state.silences = {silence};
    state.channels = {gone};
    state.alerts = {a};
    bool broken = true;
    SECTION("so") {
        broken = false;
    }
    SECTION("a hold with another end") {
        state.holds.front().until = hold.until + hours{1};
    }
    SECTION("a silence is forgotten") {
        state.silences.clear();
    }
    SECTION("a silence that is over") {
        silence.ended_at = s.at().wall;
        s.judge.committed({silence}, s.at());
    }
    SECTION("a channel that is used again") {
        state.channels.clear();
    }
    SECTION("an alert that nobody has seen") {
        state.alerts.front().acknowledged_by.clear();
    }
    s.judge.loaded(state, "boot", s.at());
    CHECK(s.breaks("I10") == broken);
}
