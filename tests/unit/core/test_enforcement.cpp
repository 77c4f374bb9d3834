// Every (state, event) pair of the enforcement machine, the forbidden ones too.
#include "enforcement_bench.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace curfew;
using namespace enforcement_bench;

namespace {

/// All events that can arrive, by name.
const std::vector<std::pair<std::string, EnforcementEvent>> events{
    {"assessed due", event::Assessed{quiet_and_up()}},
    {"assessed warn only", assessed([](Assessment& a) {
         a.time_is_up = false;
         a.warn_step = 1;
     })},
    {"assessed next step", assessed([](Assessment& a) {
         a.time_is_up = false;
         a.warn_step = 4;
     })},
    {"assessed active", assessed([](Assessment& a) { a.verdict = Verdict::active; })},
    {"assessed unknown", assessed([](Assessment& a) {
         a.verdict = Verdict::unknown;
         a.time_is_up = false;
     })},
    {"assessed no cause", assessed([](Assessment& a) { a.cause.reset(); })},
    {"assessed held", assessed([](Assessment& a) { a.held_by = "keep of ana"; })},
    {"assessed newer run", assessed([](Assessment& a) { a.newest = false; })},
    {"assessed gone", assessed([](Assessment& a) {
         a.gone = true;
         a.on = false;
     })},
    {"assessed off", assessed([](Assessment& a) { a.on = false; })},
    {"assessed observe", assessed([](Assessment& a) { a.mode = Mode::observe; })},
    {"assessed breaker", assessed([](Assessment& a) { a.breaker_open = true; })},
    {"warning delivered", event::WarningDelivered{1}},
    {"look good", event::Looked{good_look()}},
    {"look active", looked([](FreshLook& l) { l.verdict = Verdict::active; })},
    {"look unknown", looked([](FreshLook& l) { l.verdict = Verdict::unknown; })},
    {"look unseen", looked([](FreshLook& l) { l.same_run_on = false; })},
    {"look gone", looked([](FreshLook& l) {
         l.gone = true;
         l.same_run_on = false;
     })},
    {"look newer", looked([](FreshLook& l) { l.newest = false; })},
    {"look held", looked([](FreshLook& l) { l.held_by = "keep"; })},
    {"look asked no more", looked([](FreshLook& l) { l.asked = false; })},
    {"look files changed", looked([](FreshLook& l) { l.files_unchanged = false; })},
    {"look observe", looked([](FreshLook& l) { l.mode = Mode::observe; })},
    {"look breaker", looked([](FreshLook& l) { l.breaker_open = true; })},
    {"pack done", event::PackDone{ReceiptId{"rcp_2"}}},
    {"pack failed later", event::PackFailed{disk_full}},
    {"pack failed never", event::PackFailed{lost}},
    {"pack changing", event::PackFailed{moving}},
    {"stop accepted", event::StopAnswered{event::Answer::accepted, ""}},
    {"stop already off", event::StopAnswered{event::Answer::already_off, ""}},
    {"stop refused", event::StopAnswered{event::Answer::refused, "no"}},
    {"stop unauthorized", event::StopAnswered{event::Answer::unauthorized, "401"}},
    {"stop ambiguous", event::StopAnswered{event::Answer::ambiguous, ""}},
    {"stop not sent", event::StopAnswered{event::Answer::not_sent, "too late"}},
    {"seen on", event::Seen{event::Sighting::on}},
    {"seen off", event::Seen{event::Sighting::off}},
    {"seen unclear", event::Seen{event::Sighting::unclear}},
    {"woken", event::Woken{}},
    {"asked by hand", event::AskedByHand{"ana", std::nullopt}},
    {"asked without a pack", event::AskedByHand{"ana", Override{"ana", "no need"}}},
    {"cancelled", event::Cancelled{"called off"}},
};

/// Where each event leads; an event that is not named here must leave the state as it is.
const std::map<State, std::map<std::string, State>> table{
    {State::watching,
     {{"assessed due", State::warned},
      {"assessed warn only", State::warned},
      {"assessed next step", State::warned},
      {"assessed unknown", State::warned},
      {"assessed observe", State::warned},
      {"assessed breaker", State::warned}}},
    {State::warned,
     {{"assessed due", State::due},
      {"assessed active", State::over},
      {"assessed no cause", State::over},
      {"assessed held", State::over},
      {"assessed newer run", State::over},
      {"assessed gone", State::over},
      {"assessed off", State::over},
      {"cancelled", State::over}}},
    {State::due,
     {{"assessed active", State::over},
      {"assessed no cause", State::over},
      {"assessed held", State::over},
      {"assessed newer run", State::over},
      {"assessed gone", State::over},
      {"assessed off", State::over},
      {"assessed observe", State::over},
      {"assessed breaker", State::over},
      {"look good", State::packing},
      {"look active", State::over},
      {"look unknown", State::over},
      {"look gone", State::over},
      {"look newer", State::over},
      {"look held", State::over},
      {"look asked no more", State::over},
      {"look files changed", State::packing},
      {"look observe", State::over},
      {"look breaker", State::over},
      {"cancelled", State::over}}},
    {State::packing,
     {{"assessed active", State::over},
      {"assessed no cause", State::over},
      {"assessed held", State::over},
      {"assessed newer run", State::over},
      {"assessed gone", State::over},
      {"assessed off", State::over},
      {"assessed observe", State::over},
      {"assessed breaker", State::over},
      {"pack done", State::packed},
      {"pack failed later", State::pack_failed},
      {"pack failed never", State::held},
      {"pack changing", State::over},
      {"asked without a pack", State::packed},
      {"cancelled", State::over}}},
    {State::packed,
     {{"assessed active", State::over},
      {"assessed no cause", State::over},
      {"assessed held", State::over},
      {"assessed newer run", State::over},
      {"assessed gone", State::over},
      {"assessed off", State::over},
      {"assessed observe", State::over},
      {"assessed breaker", State::over},
      {"look good", State::stopping},
      {"look active", State::over},
      {"look unknown", State::over},
      {"look gone", State::over},
      {"look newer", State::over},
      {"look held", State::over},
      {"look asked no more", State::over},
      {"look files changed", State::over},
      {"look observe", State::over},
      {"look breaker", State::over},
      {"cancelled", State::over}}},
    {State::stopping,
     {{"stop accepted", State::confirming},
      {"stop already off", State::confirming},
      {"stop refused", State::stop_failed},
      {"stop unauthorized", State::stop_failed},
      {"stop ambiguous", State::confirming},
      {"stop not sent", State::packed}}},
    {State::confirming, {{"seen on", State::stop_failed}, {"seen unclear", State::stop_failed}}},
    {State::stopped, {{"seen on", State::stop_failed}}},
    {State::pack_failed,
     {{"assessed active", State::over},
      {"assessed no cause", State::over},
      {"assessed held", State::over},
      {"assessed newer run", State::over},
      {"assessed gone", State::over},
      {"assessed off", State::over},
      {"assessed observe", State::over},
      {"assessed breaker", State::over},
      {"woken", State::due},
      {"asked by hand", State::due},
      {"asked without a pack", State::packed},
      {"cancelled", State::over}}},
    {State::held,
     {{"assessed active", State::over},
      {"assessed no cause", State::over},
      {"assessed held", State::over},
      {"assessed newer run", State::over},
      {"assessed gone", State::over},
      {"assessed off", State::over},
      {"assessed observe", State::over},
      {"assessed breaker", State::over},
      {"asked by hand", State::due},
      {"asked without a pack", State::packed},
      {"cancelled", State::over}}},
    {State::stop_failed,
     {{"seen on", State::packed}, {"seen off", State::confirming}, {"cancelled", State::over}}},
    {State::over, {}},
};

/// What is different for a stop that does not look at activity: a maximum age, a budget, and a schedule whose
/// rule says so.
const std::map<State, std::map<std::string, State>> in_any_case{
    {State::watching, {{"assessed active", State::warned}}},
    {State::warned, {{"assessed active", State::due}}},
    {State::due,
     {{"assessed active", State::due}, {"look active", State::packing}, {"look unknown", State::packing}}},
    {State::packing, {{"assessed active", State::packing}, {"pack changing", State::pack_failed}}},
    {State::packed,
     {{"assessed active", State::packed},
      {"look active", State::stopping},
      {"look unknown", State::stopping},
      {"look files changed", State::packing}}},
    {State::pack_failed, {{"assessed active", State::pack_failed}}},
    {State::held, {{"assessed active", State::held}}},
};

struct Who {
    CauseKind kind;
    bool respects;  // activity, of its rule
    bool by_activity;
};
const std::vector<Who> causes{{CauseKind::idle, true, true},     {CauseKind::idle, false, true},
                              {CauseKind::schedule, true, true}, {CauseKind::schedule, false, false},
                              {CauseKind::age, true, false},     {CauseKind::age, false, false},
                              {CauseKind::budget, true, false}};

EnforcementEvent by_cause(EnforcementEvent event, CauseKind kind) {
    if (auto* assessed = std::get_if<event::Assessed>(&event); assessed && assessed->assessment.cause) {
        assessed->assessment.cause->kind = kind;
    }
    return event;
}

State expected_after(State state, const std::string& name, bool by_activity) {
    for (const auto* rows : {by_activity ? nullptr : &in_any_case, &table}) {
        if (rows != nullptr && rows->contains(state) && rows->at(state).contains(name)) {
            return rows->at(state).at(name);
        }
    }
    return state;
}

}  // namespace

TEST_CASE("every state and event leads where the table says") {
    REQUIRE(table.size() == 12);
    for (const Who& who : causes) {
        EnforcementPolicy rules = policy;
        rules.respect_activity = who.respects;
        for (const auto& [state, row] : table) {
            for (const auto& [name, event] : events) {
                INFO(to_string(who.kind)
                     << (who.respects ? ", " : " in any case, ") << to_string(state) << " × " << name);
                const Enforcement before = in_state(state, who.kind);
                const Transition t = step(before, by_cause(event, who.kind), t0, rules);
                CHECK(to_string(t.next.state) == to_string(expected_after(state, name, who.by_activity)));
                CHECK(t.next.run == before.run);
                const bool asked = std::holds_alternative<event::AskedByHand>(event) &&
                                   state != State::over && state != State::stopping &&
                                   state != State::confirming && state != State::stopped;
                CHECK(t.next.cause.kind == (asked ? CauseKind::manual : who.kind));
                if (state == State::over) {
                    CHECK_FALSE(t.changed);
                    CHECK(t.effects.empty());
                }
                if (has(t, Effect::call_stop)) {
                    CHECK(state == State::packed);  // from nowhere else
                }
            }
        }
    }
    for (const auto& [state, row] : table) {
        for (const auto& [name, next] : row) {
            CHECK(std::ranges::find(events, name, &std::pair<std::string, EnforcementEvent>::first) !=
                  events.end());
        }
    }
}

TEST_CASE("causes have an order of force and words that round-trip") {
    const std::vector<CauseKind> rising{CauseKind::idle, CauseKind::schedule, CauseKind::age,
                                        CauseKind::budget, CauseKind::manual};
    for (std::size_t i = 0; i < rising.size(); ++i) {
        CHECK(cause_kind_from(to_string(rising[i])) == rising[i]);
        CHECK(of_rule(rising[i]) == (i < 3));
        for (std::size_t j = 0; j < rising.size(); ++j) {
            CHECK(stronger({rising[i], "a"}, {rising[j], "b"}) == (i > j));
        }
    }
    CHECK(cause_kind_from("whim") == CauseKind::idle);  // the weakest, and it looks at activity
}

TEST_CASE(
    "before a stop has begun the causes of a rule take turns, each with a warning and a notice of its own") {
    for (const CauseKind from : {CauseKind::idle, CauseKind::schedule, CauseKind::age}) {
        for (const CauseKind to : {CauseKind::idle, CauseKind::schedule, CauseKind::age}) {
            if (from == to) {
                continue;
            }
            INFO(to_string(from) << " → " << to_string(to));
            const auto soon = [&](int step, bool up) {
                return assessed([&](Assessment& a) {
                    a.cause->kind = to;
                    a.warn_step = step;
                    a.time_is_up = up;
                    a.why = "another reason";
                });
            };
            const Enforcement e = in_state(State::warned, from);
            Transition t = step(e, soon(3, true), t0, policy);
            CHECK(t.next.state == State::warned);
            CHECK(t.next.cause.kind == to);
            CHECK(t.next.reason == "another reason");
            CHECK(t.effects == std::vector{Effect::warn});
            CHECK_FALSE(t.next.notice_at);
            // The notice counts from the delivery of the new warning.
            t = step(t.next, event::WarningDelivered{t.next.warned_step}, t0 + minutes{1}, policy);
            t = step(t.next, soon(3, true), t0 + minutes{10}, policy);
            CHECK(t.next.state == State::warned);
            t = step(t.next, soon(3, true), t0 + minutes{11}, policy);
            CHECK(t.next.state == State::due);
            t = step(e, soon(1, false), t0, policy);
            CHECK(ladder_step(t.next.warned_step) == 1);  // so that its later warnings are sent
            CHECK_FALSE(step(e, soon(0, false), t0, policy).changed);
        }
    }
}

TEST_CASE("a warning that arrives late is no notice of what another cause warned of since") {
    const auto by = [](CauseKind kind, int step) {
        return assessed([&](Assessment& a) {
            a.cause->kind = kind;
            a.warn_step = step;
            a.time_is_up = true;
        });
    };
    Enforcement e = step(in_state(State::watching), by(CauseKind::idle, 1), t0, policy).next;
    const int of_idle = e.warned_step;
    e = step(e, by(CauseKind::schedule, 1), t0, policy).next;
    const int of_schedule = e.warned_step;
    SECTION("a step of the new ladder is one of its warnings") {
        e = step(e, by(CauseKind::schedule, 2), t0, policy).next;
        CHECK(step(e, event::WarningDelivered{of_schedule}, t0, policy).next.notice_at == t0);
        CHECK(step(e, event::WarningDelivered{e.warned_step}, t0, policy).next.notice_at == t0);
    }
    SECTION("nor of the same cause when it turns back: it told of another time") {
        e = step(e, by(CauseKind::idle, 1), t0, policy).next;
        CHECK_FALSE(step(e, event::WarningDelivered{of_schedule}, t0, policy).changed);
    }
    CHECK_FALSE(step(e, event::WarningDelivered{of_idle}, t0, policy).changed);
    CHECK(step(e, event::WarningDelivered{e.warned_step}, t0, policy).next.notice_at == t0);
}

TEST_CASE("another budget than the one that was told of warns anew") {
    const auto by = [](const char* name, Mode mode) {
        return assessed([&](Assessment& a) {
            a.cause = Cause{CauseKind::budget, name};
            a.warn_step = 1;
            a.mode = mode;
            a.min_notice = minutes{10};
        });
    };
    // One that only observes is exhausted first, so that nobody was told anything.
    Enforcement e = step(in_state(State::watching), by("lab", Mode::observe), t0, policy).next;
    e = step(e, by("lab", Mode::observe), t0 + minutes{1}, policy).next;
    REQUIRE(e.state == State::warned);
    const Transition t = step(e, by("team", Mode::enforce), t0 + hours{9}, policy);
    CHECK(t.next.state == State::warned);
    CHECK(has(t, Effect::warn));
    CHECK(t.next.cause.name == "team");
    CHECK_FALSE(t.next.notice_at);
    CHECK(step(t.next, by("team", Mode::enforce), t0 + hours{9} + minutes{9}, policy).next.state ==
          State::warned);
}

TEST_CASE("once a stop has begun only its own cause counts") {
    for (const State state : {State::due, State::packing, State::packed, State::pack_failed, State::held}) {
        for (const CauseKind from : {CauseKind::idle, CauseKind::schedule, CauseKind::age}) {
            for (const CauseKind to : {CauseKind::idle, CauseKind::schedule, CauseKind::age}) {
                INFO(to_string(state) << " " << to_string(from) << " → " << to_string(to));
                const Transition t = step(in_state(state, from),
                                          by_cause(event::Assessed{quiet_and_up()}, to), t0, policy);
                CHECK(t.next.state == (from == to ? state : State::over));
                CHECK(t.next.cause.kind == from);
            }
            // A budget or a person wants it too: that is no reason to call it off.
            const auto budget = by_cause(event::Assessed{quiet_and_up()}, CauseKind::budget);
            CHECK(step(in_state(state, from), budget, t0, policy).next.state == state);
        }
    }
}

TEST_CASE("a schedule that respects activity waits for a quiet look; one that does not, does not") {
    const auto unknown = assessed([](Assessment& a) {
        a.cause->kind = CauseKind::schedule;
        a.verdict = Verdict::unknown;
    });
    EnforcementPolicy any_case = policy;
    any_case.respect_activity = false;
    const Enforcement e = in_state(State::warned, CauseKind::schedule);
    CHECK(step(e, unknown, t0, policy).next.state == State::warned);
    CHECK(step(e, unknown, t0, any_case).next.state == State::due);
}

TEST_CASE("words of the states round-trip, and those of effects and methods are their own") {
    for (const auto& [state, row] : table) {
        CHECK(enforcement_state_from(to_string(state)) == state);
    }
    CHECK_FALSE(enforcement_state_from("paused"));
    std::set<std::string_view> effects;
    for (int i = 0; i <= static_cast<int>(Effect::record_would_stop); ++i) {
        effects.insert(to_string(static_cast<Effect>(i)));
    }
    CHECK(effects.size() == static_cast<std::size_t>(Effect::record_would_stop) + 1);
    CHECK(effects.contains("call_stop"));
    CHECK(to_string(StopMethod::provider) == "provider");
    CHECK(to_string(StopMethod::guest) == "guest");
}

TEST_CASE("a stop that was not sent counts for none: everything is looked at again, and the method stays") {
    for (const int sent : {0, 1}) {
        Enforcement e = in_state(State::packed);
        e.stop_attempts = sent;
        e = step(e, event::Looked{good_look()}, t0, policy).next;
        const StopMethod method = e.method;
        CHECK(method == (sent == 0 ? StopMethod::provider : StopMethod::guest));
        Transition t = step(e, event::StopAnswered{event::Answer::not_sent, "too late"}, t0 + minutes{7},
                            policy);
        CHECK(t.next.state == State::packed);
        CHECK(t.next.stop_attempts == sent);
        CHECK(t.next.stop_sent() == (sent > 0));
        CHECK(t.next.receipt == e.receipt);
        CHECK(t.next.reason == "the stop was not sent (too late); looking again");
        CHECK(t.effects.empty());
        REQUIRE(t.next.next_at);
        CHECK(step(t.next, event::Woken{}, *t.next.next_at - Duration{1}, policy).effects.empty());
        t = step(t.next, event::Woken{}, *t.next.next_at, policy);
        CHECK(t.effects == std::vector{Effect::fence});
        CHECK(step(t.next, looked([](FreshLook& l) { l.verdict = Verdict::active; }), t0 + minutes{8}, policy)
                  .next.state == State::over);
        t = step(t.next, event::Looked{good_look()}, t0 + minutes{8}, policy);
        CHECK(has(t, Effect::call_stop));
        CHECK(t.next.method == method);
        CHECK(t.next.stop_called_at == t0 + minutes{8});
    }
}

TEST_CASE("the whole way of an idle stop") {
    Enforcement e = in_state(State::watching);
    Instant now = t0;
    const auto go = [&](const EnforcementEvent& event) {
        Transition t = step(e, event, now, policy);
        e = t.next;
        return t;
    };
    Transition t = go(assessed([](Assessment& a) {
        a.warn_step = 1;
        a.time_is_up = false;
    }));
    CHECK(has(t, Effect::warn));
    go(event::WarningDelivered{1});
    now = now + minutes{9};
    go(event::Assessed{quiet_and_up()});
    CHECK(e.state == State::warned);  // notice is 10 min
    now = now + minutes{1};
    CHECK(has(go(event::Assessed{quiet_and_up()}), Effect::look_fresh));
    CHECK(has(go(event::Looked{good_look()}), Effect::pack));
    CHECK(has(go(event::PackDone{ReceiptId{"rcp_1"}}), Effect::fence));
    CHECK(has(go(event::Looked{good_look()}), Effect::call_stop));
    CHECK(e.method == StopMethod::provider);
    CHECK(has(go(event::StopAnswered{event::Answer::accepted, ""}), Effect::look_up));
    CHECK(e.next_at == now + policy.confirm_every);
    go(event::Seen{event::Sighting::on});
    CHECK(e.state == State::confirming);  // slow teardown
    go(event::Seen{event::Sighting::off});
    CHECK(e.state == State::confirming);  // once is not enough
    t = go(event::Seen{event::Sighting::off});
    CHECK(e.state == State::stopped);
    CHECK(has(t, Effect::tell_stopped));
    now = *e.next_at;
    CHECK(has(go(event::Woken{}), Effect::look_up));
    go(event::Seen{event::Sighting::off});
    CHECK(e.state == State::stopped);
    now = *e.next_at;
    go(event::Woken{});
    go(event::Seen{event::Sighting::off});
    CHECK(e.state == State::over);
    CHECK(e.outcome == "stopped");
}

TEST_CASE("off must be seen twice in a row") {
    Enforcement e = in_state(State::confirming);
    e.stop_called_at = t0;
    e = step(e, event::Seen{event::Sighting::off}, t0, policy).next;
    e = step(e, event::Seen{event::Sighting::on}, t0, policy).next;
    CHECK(e.off_sightings == 0);
    e = step(e, event::Seen{event::Sighting::off}, t0, policy).next;
    CHECK(e.state == State::confirming);
}

TEST_CASE("no warning got through: an hour more and a critical alert, once") {
    Enforcement e = in_state(State::warned);
    e.notice_at.reset();
    e.warned_at = t0;
    Transition t = step(e, event::Assessed{quiet_and_up()}, t0 + minutes{10}, policy);
    CHECK(t.next.state == State::warned);
    CHECK(has(t, Effect::alert_undelivered));
    t = step(t.next, event::Assessed{quiet_and_up()}, t0 + minutes{11}, policy);
    CHECK_FALSE(has(t, Effect::alert_undelivered));
    t = step(t.next, event::Assessed{quiet_and_up()}, t0 + minutes{69}, policy);
    CHECK(t.next.state == State::warned);
    t = step(t.next, event::Assessed{quiet_and_up()}, t0 + minutes{70}, policy);
    CHECK(t.next.state == State::due);
}

TEST_CASE("observe and warn end at the word, said once") {
    for (const Mode mode : {Mode::observe, Mode::warn}) {
        Enforcement e = in_state(State::warned);
        const auto up = assessed([&](Assessment& a) { a.mode = mode; });
        Transition t = step(e, up, t0, policy);
        CHECK(t.next.state == State::warned);
        CHECK(has(t, Effect::record_would_stop));
        t = step(t.next, up, t0 + minutes{1}, policy);
        CHECK(t.effects.empty());
        CHECK_FALSE(t.changed);
    }
}

TEST_CASE("a mode that is weaker than configured says why") {
    const auto on_leave = assessed([](Assessment& a) {
        a.mode = Mode::warn;
        a.mode_why = "maintenance until 14:00";
    });
    const Transition warned = step(in_state(State::warned), on_leave, t0, policy);
    CHECK(warned.next.reason == "would stop now (mode warn (maintenance until 14:00)): quiet 60m of 60m");
    const Transition due = step(in_state(State::due), on_leave, t0, policy);
    CHECK(due.next.state == State::over);
    CHECK(due.next.reason == "mode is now warn (maintenance until 14:00)");
}

TEST_CASE("a run whose state has an unknown word is never stopped by a rule") {
    const auto odd = assessed([](Assessment& a) { a.state_known = false; });
    const Transition t = step(in_state(State::warned), odd, t0, policy);
    CHECK(t.next.state == State::warned);
    CHECK(has(t, Effect::record_would_stop));
}

TEST_CASE("a hard budget and a person do not look at activity, and are not held by a keep's absence") {
    for (const CauseKind kind : {CauseKind::age, CauseKind::budget, CauseKind::manual}) {
        const Enforcement e = in_state(State::packed, kind);
        const Transition t = step(e, looked([](FreshLook& l) { l.verdict = Verdict::active; }), t0, policy);
        CHECK(t.next.state == State::stopping);
        const Transition again = step(e, looked([](FreshLook& l) { l.files_unchanged = false; }), t0, policy);
        CHECK(again.next.state == State::packing);  // what changed is packed again
        CHECK_FALSE(again.next.receipt);
    }
}

TEST_CASE("a manual stop goes on in observe mode and needs no notice") {
    Enforcement e = in_state(State::watching, CauseKind::manual);
    const auto asked = assessed([](Assessment& a) {
        a.cause = Cause{CauseKind::manual, "ana"};
        a.needs_notice = false;
        a.verdict = Verdict::active;
    });
    const Transition t = step(e, asked, t0, policy);
    CHECK(t.next.state == State::due);
    CHECK(has(t, Effect::look_fresh));
}

TEST_CASE("a stop that a person began is not ended by a mode or a breaker, which are for rules") {
    for (const State state : {State::due, State::packing, State::packed, State::pack_failed, State::held}) {
        INFO(to_string(state));
        const auto asked = assessed([](Assessment& a) {
            a.cause = Cause{CauseKind::manual, "ana"};
            a.mode = Mode::observe;
            a.breaker_open = true;
        });
        CHECK(step(in_state(state, CauseKind::manual), asked, t0, policy).next.state == state);
        CHECK(step(in_state(state, CauseKind::budget), asked, t0, policy).next.state == State::over);
    }
}

TEST_CASE("a budget that asks no more does not stop by the idle rule's leave") {
    const Enforcement e = in_state(State::packed, CauseKind::budget);
    const Transition t = step(e, event::Assessed{quiet_and_up()}, t0, policy);
    CHECK(t.next.state == State::over);
}

TEST_CASE("packing is retried with back-off, then a person is needed") {
    Enforcement e = in_state(State::packing);
    Duration last{0};
    for (int attempt = 1; attempt < policy.pack_attempts_max; ++attempt) {
        e.pack_attempts = attempt;
        e.state = State::packing;
        const Transition t = step(e, event::PackFailed{disk_full}, t0, policy);
        REQUIRE(t.next.state == State::pack_failed);
        CHECK(*t.next.next_at - t0 >= last);
        last = *t.next.next_at - t0;
    }
    e.pack_attempts = policy.pack_attempts_max;
    const Transition t = step(e, event::PackFailed{disk_full}, t0, policy);
    CHECK(t.next.state == State::held);
    CHECK(has(t, Effect::alert_pack_failed));
    // Files that do not hold still may do so later, whatever the vault says of trying again.
    const Error never_still{Errc::changing, Retry::never(), "a.csv", "n1"};
    const Enforcement old = in_state(State::packing, CauseKind::age);
    CHECK(step(old, event::PackFailed{never_still}, t0, policy).next.state == State::pack_failed);
}

TEST_CASE("only a rule that says so stops without a pack, and the override names it") {
    EnforcementPolicy lenient = policy;
    lenient.override_when_pack_failed = true;
    Enforcement e = in_state(State::packing);
    e.pack_attempts = lenient.pack_attempts_max;
    const Transition t = step(e, event::PackFailed{lost}, t0, lenient);
    CHECK(t.next.state == State::packed);
    REQUIRE(t.next.override_);
    CHECK(t.next.override_->by == "rule night");
    const Transition stop = step(t.next, event::Looked{good_look()}, t0, lenient);
    CHECK(has(stop, Effect::call_stop));
}

TEST_CASE("a budget that stops now waits for a pack only so long, and the override names it") {
    EnforcementPolicy now = policy;
    now.pack_within = minutes{10};
    Transition t = step(in_state(State::due, CauseKind::budget), event::Looked{good_look()}, t0, now);
    REQUIRE(t.next.state == State::packing);
    CHECK(t.next.next_at == t0 + minutes{10});
    CHECK_FALSE(step(t.next, event::Woken{}, t0 + minutes{9}, now).changed);
    // Failures and new tries are within the same time.
    t = step(t.next, event::PackFailed{lost}, t0 + minutes{2}, now);
    REQUIRE(t.next.state == State::pack_failed);
    t = step(t.next, event::Woken{}, *t.next.next_at, now);
    REQUIRE(t.next.state == State::due);
    t = step(t.next, event::Looked{good_look()}, t0 + minutes{4}, now);
    REQUIRE(t.next.state == State::packing);
    CHECK(t.next.next_at == t0 + minutes{10});
    t = step(t.next, event::Woken{}, t0 + minutes{10}, now);
    REQUIRE(t.next.state == State::packed);
    CHECK(has(t, Effect::cancel_pack));
    CHECK(has(t, Effect::alert_pack_failed));
    REQUIRE(t.next.override_);
    CHECK(t.next.override_->by == "budget night");
    CHECK(has(step(t.next, event::Looked{good_look()}, t0 + minutes{10}, now), Effect::call_stop));
    // Nor does it wait for longer for a guest that does not say whether the copy still is whole.
    Enforcement copied = in_state(State::packed, CauseKind::budget);
    copied.pack_until = t0 + minutes{10};
    const auto hangs = looked([](FreshLook& l) { l.answered = false; });
    copied = step(copied, hangs, t0 + minutes{9}, now).next;
    CHECK_FALSE(step(copied, event::Woken{}, *copied.next_at, now).next.override_);
    t = step(step(copied, hangs, t0 + minutes{10}, now).next, event::Woken{}, t0 + minutes{11}, now);
    REQUIRE(t.next.override_);
    CHECK(t.next.override_->by == "budget night");
    CHECK(has(step(t.next, event::Looked{good_look()}, t0 + minutes{11}, now), Effect::call_stop));
    CHECK_FALSE(step(t.next, event::Woken{}, *t.next.next_at, now).next.pack_attempts > 1);
    // A vault that wants to be left alone for longer than that does not make it late.
    const Error busy{Errc::unavailable, Retry::after(hours{1}), "come back later", "vault"};
    t = step(in_state(State::packing, CauseKind::budget), event::PackFailed{busy}, t0, now);
    REQUIRE(t.next.state == State::pack_failed);
    CHECK(t.next.next_at == t0 + minutes{10});
    CHECK(step(t.next, event::Woken{}, t0 + minutes{10}, now).next.state == State::packed);
    // Due for another try since before the budget was to stop now: its time begins with that try.
    t = step(in_state(State::pack_failed, CauseKind::budget), event::Woken{}, t0, now);
    CHECK(t.next.state == State::due);
    CHECK_FALSE(t.next.override_);
    // One that is held, or is at it since before the budget was to stop now, is bound from then on.
    for (const State state : {State::held, State::packing, State::pack_failed, State::packed}) {
        Assessment a;
        a.cause = Cause{CauseKind::budget, "night"};
        a.time_is_up = true;
        a.mode = Mode::enforce;
        CHECK_FALSE(step(in_state(state, CauseKind::budget), event::Assessed{a}, t0, policy).next.pack_until);
        const Transition bound = step(in_state(state, CauseKind::budget), event::Assessed{a}, t0, now);
        CHECK(bound.next.pack_until == t0 + minutes{10});
        Enforcement late = bound.next;
        late.next_at = late.pack_until;
        CHECK(step(late, event::Woken{}, t0 + minutes{10}, now).next.override_);
        // And from then on it is not where the budget does not ask for it now any more.
        const Enforcement free = step(late, event::Woken{}, t0 + minutes{10}, policy).next;
        CHECK_FALSE(free.override_);
        CHECK((!free.next_at || *free.next_at > t0 + minutes{10}));
    }
}

TEST_CASE("after a failed stop everything is looked at again, then the other method is used") {
    Enforcement e = in_state(State::stop_failed);
    Transition t = step(e, event::Seen{event::Sighting::on}, t0, policy);
    CHECK(t.next.state == State::packed);
    CHECK(has(t, Effect::fence));
    t = step(t.next, event::Looked{good_look()}, t0, policy);
    CHECK(t.next.method == StopMethod::guest);
    CHECK(t.next.stop_attempts == 2);
    e.stop_called_at = t0 - seconds{10};  // too soon after the last call
    CHECK(step(e, event::Seen{event::Sighting::on}, t0, policy).next.state == State::stop_failed);
    e.stop_called_at.reset();  // not known when: nothing to wait for
    CHECK(step(e, event::Seen{event::Sighting::on}, t0, policy).next.state == State::packed);
}

TEST_CASE("a pack that a crash cut short is no attempt that failed: no rule overrides for it (I1)") {
    Enforcement e = in_state(State::packing);
    e.pack_attempts = 3;
    for (const bool same_boot : {true, false}) {
        const Transition t = recover(e, t0, same_boot, policy);
        CHECK(t.next.pack_attempts == 2);
        CHECK(recover(t.next, t0, same_boot, policy).next.pack_attempts == 2);
    }
    e.state = State::pack_failed;
    CHECK(recover(e, t0, true, policy).next.pack_attempts == 3);
}

TEST_CASE("a pack that succeeded and went stale is no attempt that failed either (I1)") {
    EnforcementPolicy lenient = policy;
    lenient.override_when_pack_failed = true;
    lenient.pack_attempts_max = 2;
    Enforcement e = in_state(State::packed, CauseKind::age);
    e.pack_attempts = 1;
    e.receipt = ReceiptId{"rcp_1"};
    FreshLook changed = good_look();
    changed.files_unchanged = false;
    Transition t = step(e, event::Looked{changed}, t0, lenient);
    REQUIRE(t.next.state == State::packing);
    CHECK_FALSE(t.next.receipt);  // what it says is true no more
    t = step(t.next, event::PackFailed{lost}, t0, lenient);
    REQUIRE(t.next.state == State::pack_failed);  // one failure of two
    CHECK_FALSE(t.next.override_);
    t = step(t.next, event::Woken{}, *t.next.next_at, lenient);
    t = step(t.next, event::Looked{good_look()}, t0, lenient);
    REQUIRE(t.next.state == State::packing);
    CHECK(step(t.next, event::PackFailed{lost}, t0, lenient).next.override_);
}

TEST_CASE("recovery reads the world before it acts") {
    const std::map<State, std::pair<State, std::vector<Effect>>> expected{
        {State::warned, {State::warned, {}}},
        {State::due, {State::due, {Effect::look_fresh}}},
        {State::packing, {State::due, {Effect::look_fresh}}},
        {State::packed, {State::packed, {Effect::fence}}},
        {State::stopping, {State::confirming, {Effect::look_up}}},
        {State::confirming, {State::confirming, {Effect::look_up}}},
        {State::stopped, {State::stopped, {}}},
        {State::pack_failed, {State::pack_failed, {}}},
        {State::held, {State::held, {}}},
        {State::stop_failed, {State::stop_failed, {Effect::look_up}}},
        {State::watching, {State::watching, {}}},
        {State::over, {State::over, {}}},
    };
    REQUIRE(expected.size() == table.size());
    for (const auto& [state, then] : expected) {
        for (const bool same_boot : {true, false}) {
            INFO(to_string(state));
            const Transition t = recover(in_state(state), t0, same_boot, policy);
            CHECK(to_string(t.next.state) == to_string(then.first));
            CHECK(t.effects == then.second);
            CHECK_FALSE(has(t, Effect::call_stop));
        }
    }
}

TEST_CASE("after another boot every wait begins anew") {
    const Transition t = recover(in_state(State::warned), t0, false, policy);
    CHECK(t.next.notice_at == t0);
    CHECK(t.next.warned_at == t0);
}

TEST_CASE("instants of an earlier boot begin anew also at a later start in this one") {
    Enforcement e = in_state(State::confirming);
    const Instant old = t0 + hours{100};  // that boot had run for longer
    for (const Instant was : {old, instant_of_earlier_boot}) {
        e.warned_at = e.notice_at = e.next_at = e.stop_called_at = was;
        const bool same_boot = was != old;
        const Transition t = recover(e, t0, same_boot, policy);
        CHECK(t.changed);
        for (const auto& at : {t.next.warned_at, t.next.notice_at, t.next.next_at, t.next.stop_called_at}) {
            CHECK(at == t0);
        }
    }
    e.warned_at = e.notice_at = e.next_at = e.stop_called_at = t0 - minutes{1};
    CHECK(recover(e, t0, true, policy).next.notice_at == t0 - minutes{1});
}

TEST_CASE("the breaker trips above two and above a quarter") {
    CHECK_FALSE(breaker_trips(2, 3));
    CHECK(breaker_trips(3, 3));
    CHECK_FALSE(breaker_trips(25, 100));
    CHECK(breaker_trips(26, 100));
}

TEST_CASE("events before their time do nothing") {
    Enforcement e = in_state(State::pack_failed);
    e.next_at = t0 + minutes{1};
    CHECK_FALSE(step(e, event::Woken{}, t0, policy).changed);
    e.next_at.reset();
    CHECK_FALSE(step(e, event::Woken{}, t0, policy).changed);
    // Nor does a time that was left over in a state that waits for something else.
    for (const State state : {State::watching, State::stopping, State::over}) {
        e = in_state(state);
        e.next_at = t0;
        CHECK_FALSE(step(e, event::Woken{}, t0, policy).changed);
    }
}

TEST_CASE("a look that was not answered changes nothing but the time of the next one") {
    for (const State state : {State::due, State::packed}) {
        for (const CauseKind cause :
             {CauseKind::idle, CauseKind::schedule, CauseKind::age, CauseKind::budget, CauseKind::manual}) {
            FreshLook nothing;  // everything else as it is when nobody answered
            nothing.answered = false;
            nothing.why = "the provider does not answer";
            const Transition t = step(in_state(state, cause), event::Looked{nothing}, t0, policy);
            CHECK(t.next.state == state);
            CHECK(t.effects.empty());
            CHECK(t.next.next_at == t0 + policy.look_again);
        }
    }
}

TEST_CASE("a person who gives up the pack is heard in every state that waits") {
    for (const State state : {State::due, State::packed}) {
        const Transition t = step(in_state(state, CauseKind::budget),
                                  event::AskedByHand{"ana", Override{"ana", "no need"}}, t0, policy);
        CHECK(t.next.state == state);
        REQUIRE(t.next.override_);
        CHECK(t.next.override_->by == "ana");
        CHECK(t.effects == std::vector{state == State::due ? Effect::look_fresh : Effect::fence});
    }
    const Transition packing = step(in_state(State::packing),
                                    event::AskedByHand{"ana", Override{"ana", "no need"}}, t0, policy);
    CHECK(packing.effects == std::vector{Effect::cancel_pack, Effect::fence});
}

TEST_CASE("what a person asks for goes on in that one's name, and not by the cause that it began for") {
    const Cause ana{CauseKind::manual, "ana"};
    for (const State state :
         {State::due, State::packing, State::packed, State::pack_failed, State::held, State::stop_failed}) {
        INFO(to_string(state));
        Enforcement begun = in_state(state, CauseKind::budget);
        begun.pack_until = t0 + minutes{1};
        begun.pack_attempts = 4;
        const Transition t = step(begun, event::AskedByHand{"ana", std::nullopt}, t0, policy);
        CHECK(t.next.cause == ana);
        CHECK(t.changed);
        CHECK_FALSE(t.next.pack_until);  // a person waits for the pack, as long as it takes
        CHECK_FALSE(t.next.override_);
        // Who asked first is who it is for.
        CHECK(step(t.next, event::AskedByHand{"ben", std::nullopt}, t0, policy).next.cause == ana);
        if (state == State::pack_failed || state == State::held) {
            CHECK(t.next.state == State::due);  // the failures were of another's try
            CHECK(t.next.pack_attempts == 0);
            CHECK(t.effects == std::vector{Effect::look_fresh});
        }
    }
    // At work by now, under a mode that may only warn: a person asked all the same.
    FreshLook busy = good_look();
    busy.verdict = Verdict::active;
    busy.mode = Mode::warn;
    const Enforcement packed =
        step(in_state(State::packed), event::AskedByHand{"ana", std::nullopt}, t0, policy).next;
    CHECK(step(packed, event::Looked{busy}, t0, policy).next.state == State::stopping);
    CHECK(step(in_state(State::packed), event::Looked{busy}, t0, policy).next.state == State::over);
}

TEST_CASE("who came back to a run that was warned of as idle is told of the budget before it acts") {
    Enforcement warned = in_state(State::warned);
    warned.notice_at = t0 - hours{1};
    const auto of_budget = [](Verdict verdict) {
        return assessed([&](Assessment& a) {
            a.cause = Cause{CauseKind::budget, "team"};
            a.verdict = verdict;
            a.warn_step = 1;
        });
    };
    const Transition quiet = step(warned, of_budget(Verdict::quiet), t0, policy);
    CHECK(quiet.next.state == State::due);
    const Transition active = step(warned, of_budget(Verdict::active), t0, policy);
    CHECK(active.next.state == State::warned);
    CHECK(active.next.cause == Cause{CauseKind::budget, "team"});
    CHECK_FALSE(active.next.notice_at);
    CHECK(active.effects == std::vector{Effect::warn});
    CHECK(step(active.next, of_budget(Verdict::active), t0 + seconds{60}, policy).effects.empty());  // once
}

TEST_CASE("a report of a delivery is no notice of a warning that was not decided yet") {
    const Transition early = step(in_state(State::watching), event::WarningDelivered{1}, t0, policy);
    CHECK_FALSE(early.changed);
    const Transition warned = step(early.next, assessed([](Assessment& a) { a.time_is_up = false; }),
                                   t0 + hours{1}, policy);
    REQUIRE(warned.next.state == State::warned);
    const Transition due = step(warned.next, event::Assessed{quiet_and_up()}, t0 + hours{1} + seconds{1},
                                policy);
    CHECK(due.next.state == State::warned);
}
