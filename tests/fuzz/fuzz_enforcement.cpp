// Any sequence of events, of reloads that change the policy, and of crashes before, after and between. The
// invariants are judged by a model that keeps its own record of what was said, not by the machine's fields.
#include "curfew/core/enforcement.hpp"
#include "fuzz/fuzzed_data.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <variant>

using namespace curfew;
using curfew::fuzz::FuzzedData;
using curfew::fuzz::must;

namespace {

Error some_error(FuzzedData& in) {
    static constexpr std::array codes{Errc::unavailable, Errc::changing, Errc::disk_full, Errc::protocol};
    const Errc code = codes[in.up_to(codes.size() - 1)];
    const Retry retry = in.flag() ? Retry::never() : Retry::after(minutes{in.up_to(90)});
    return {code, retry, "x", "y"};
}

std::optional<std::string> some_hold(FuzzedData& in) {
    return in.up_to(7) == 1 ? std::optional<std::string>{"a keep"} : std::nullopt;
}

/// A byte whose rarer bits are rarer troubles, so that most sequences get somewhere.
Assessment some_assessment(FuzzedData& in) {
    Assessment a;
    const unsigned kind = in.up_to(7);
    if (kind < 5) {
        a.cause = Cause{static_cast<CauseKind>(kind), in.flag() ? "night" : "team"};
    }
    a.warn_step = static_cast<int>(in.up_to(4));
    a.time_is_up = in.flag();
    a.verdict = in.word<Verdict>(3);
    a.held_by = some_hold(in);
    a.mode = in.flag() ? Mode::enforce : in.word<Mode>(3);
    const unsigned rare = in.byte();
    a.on = (rare & 0x07U) != 0x07U;
    a.gone = (rare & 0x38U) == 0x38U;
    a.newest = (rare & 0xC0U) != 0xC0U;
    const unsigned rarer = in.byte();
    a.state_known = (rarer & 0x07U) != 0x07U;
    a.breaker_open = (rarer & 0x38U) == 0x38U;
    a.needs_notice = !a.cause || a.cause->kind != CauseKind::manual;
    a.min_notice = minutes{in.up_to(30)};
    return a;
}

FreshLook some_look(FuzzedData& in) {
    FreshLook look;
    look.verdict = in.flag() ? Verdict::quiet : in.word<Verdict>(3);
    look.held_by = some_hold(in);
    look.mode = in.flag() ? Mode::enforce : in.word<Mode>(3);
    const unsigned rare = in.byte();
    look.answered = (rare & 0x07U) != 0x07U;
    look.asked = (rare & 0x38U) != 0x38U;
    look.same_run_on = (rare & 0xC0U) != 0xC0U;
    const unsigned rarer = in.byte();
    look.newest = (rarer & 0x07U) != 0x07U;
    look.gone = (rarer & 0x38U) == 0x38U;
    look.breaker_open = (rarer & 0xC0U) == 0xC0U;
    look.files_unchanged = in.up_to(3) != 3;
    return look;
}

/// Of the first warnings, or of those after a turn to another cause.
EnforcementEvent some_delivery(FuzzedData& in) {
    const auto number = static_cast<int>(in.up_to(4));
    return event::WarningDelivered{number < 3 ? number : (number - 2) * warning_round + 1};
}

/// The bytes of what was found keep their meaning: only the last five are of the answer that came later.
event::Answer some_answer(FuzzedData& in) {
    const unsigned byte = in.up_to(255);
    return byte >= 251 ? event::Answer::not_sent : static_cast<event::Answer>(byte % 5);
}

EnforcementEvent some_event(FuzzedData& in) {
    switch (in.up_to(9)) {
        case 0:
            return event::Assessed{some_assessment(in)};
        case 1:
            return some_delivery(in);
        case 2:
            return event::Looked{some_look(in)};
        case 3:
            return event::PackDone{ReceiptId{"rcp"}};
        case 4:
            return event::PackFailed{some_error(in)};
        case 5:
            return event::StopAnswered{some_answer(in), "text"};
        case 6:
            return event::Seen{in.word<event::Sighting>(3)};
        case 7:
            return event::Woken{};
        case 8:
            return event::AskedByHand{.by = "ana", .without_pack = Override{"ana", "reason"}};
        default:
            return event::Cancelled{"called off"};
    }
}

EnforcementPolicy some_policy(FuzzedData& in) {
    EnforcementPolicy policy;
    const unsigned bits = in.byte();
    policy.override_when_pack_failed = (bits & 1U) != 0;
    policy.respect_activity = (bits & 2U) != 0;
    policy.pack_attempts_max = 1 + static_cast<int>(bits >> 2U & 3U);
    if ((bits & 0x10U) != 0) {
        policy.pack_within = minutes{5 + (bits >> 5U)};
    }
    return policy;
}

bool has(const Transition& t, Effect effect) {
    return std::ranges::find(t.effects, effect) != t.effects.end();
}

/// What was said and done, as somebody notes it who sees only events, effects and the clock.
struct Model {
    // I1
    bool packing = false;  // asked for, and not answered or given up
    bool proven = false;   // a copy was verified, and none was asked for since
    int failures = 0;      // of packs
    bool overridden = false;
    std::optional<Instant> first_pack;
    // I4, I5
    int calls = 0;
    std::optional<Instant> called;
    bool seen_on = false;  // by a lookup after the newest call
    bool refused = false;  // the newest call was
    bool rested = false;   // what the newest call did not end was left in peace for a while
    struct Call {
        std::optional<Instant> called;
        bool seen_on = false;
        bool refused = false;
        bool rested = false;
    } before_newest;  // what was so before it, should it never leave
    // notice
    std::optional<Instant> warned;
    std::optional<Instant> delivered;
    bool warned_for_real = false;
    int turns = 0;  // from one cause to another

    void note(const EnforcementEvent& event, const Enforcement& before, const Transition& t, Instant now,
              const EnforcementPolicy& policy);
    void judge_call(const EnforcementEvent& event, const Enforcement& before, const Transition& t,
                    Instant now, const EnforcementPolicy& policy) const;
    void judge_begin(const EnforcementEvent& event, CauseKind cause, Instant now,
                     const EnforcementPolicy& policy) const;
};

bool may_go_without(const Model& m, const EnforcementPolicy& policy, Instant now) {
    const bool rule = policy.override_when_pack_failed && m.failures >= policy.pack_attempts_max;
    const bool budget = policy.pack_within && m.first_pack && now > *m.first_pack;
    return rule || budget;
}

/// I1 to I4, at the moment of the call.
void Model::judge_call(const EnforcementEvent& event, const Enforcement& before, const Transition& t,
                       Instant now, const EnforcementPolicy& policy) const {
    const auto* looked = std::get_if<event::Looked>(&event);
    must(looked != nullptr);
    const FreshLook& look = looked->look;
    must(look.answered && look.asked && !look.gone);
    must(proven || overridden);                                                       // I1
    must(overridden || look.files_unchanged);                                         // I1
    must(!by_activity(before.cause.kind, policy) || look.verdict == Verdict::quiet);  // I2
    must(!look.held_by);                                                              // I3
    must(before.cause.kind == CauseKind::manual || (look.mode == Mode::enforce && !look.breaker_open));
    must(look.newest && look.same_run_on);  // I4
    // Never again before it was looked up, found on, and left in peace for a while.
    must(calls == 0 || (seen_on && rested));
    // Durable before the call (I5).
    must(t.changed && t.next.state == EnforcementState::stopping && t.next.stop_attempts == calls + 1);
    must(t.next.stop_called_at == now);
}

/// Who is warned first was told long enough ago.
void Model::judge_begin(const EnforcementEvent& event, CauseKind cause, Instant now,
                        const EnforcementPolicy& policy) const {
    const auto* assessed = std::get_if<event::Assessed>(&event);
    must(assessed != nullptr);
    const Assessment& a = assessed->assessment;
    must(a.cause && a.time_is_up && a.state_known && !a.held_by && a.newest && a.on && !a.gone);
    must(a.mode == Mode::enforce && !a.breaker_open);
    must(!by_activity(cause, policy) || a.verdict != Verdict::active);
    if (!a.needs_notice) {
        return;
    }
    must(warned.has_value());
    must(delivered ? now - *delivered >= a.min_notice
                   : now - *warned >= a.min_notice + policy.undelivered_extra);
}

void Model::note(const EnforcementEvent& event, const Enforcement& before, const Transition& t, Instant now,
                 const EnforcementPolicy& policy) {
    if (has(t, Effect::call_stop)) {
        judge_call(event, before, t, now, policy);
        before_newest = {called, seen_on, refused, rested};
        ++calls;
        called = now;
        seen_on = refused = rested = false;
    }
    const auto* answered = std::get_if<event::StopAnswered>(&event);
    if (answered != nullptr && answered->answer == event::Answer::not_sent &&
        before.state == EnforcementState::stopping) {
        must(t.next.state == EnforcementState::packed && t.effects.empty());
        --calls;
        called = before_newest.called;
        seen_on = before_newest.seen_on;
        refused = before_newest.refused;
        rested = before_newest.rested;
    }
    if (called && before.state == EnforcementState::stop_failed && t.next.state == EnforcementState::packed) {
        must(now - *called >= policy.stop_retry_first);
        rested = true;  // a reboot makes instants meaningless, and this no less true
    }
    const bool begins = t.next.state == EnforcementState::due && (before.state == EnforcementState::warned ||
                                                                  before.state == EnforcementState::watching);
    if (begins) {
        judge_begin(event, t.next.cause.kind, now, policy);
    }
    if (std::holds_alternative<event::PackDone>(event) && packing) {
        proven = true;
        packing = false;
    } else if (std::holds_alternative<event::PackFailed>(event) && packing) {
        ++failures;
        packing = false;
        overridden = overridden ||
                     (t.next.state == EnforcementState::packed && may_go_without(*this, policy, now));
    } else if (const auto* asked = std::get_if<event::AskedByHand>(&event)) {
        static constexpr std::array sent{EnforcementState::stopping, EnforcementState::confirming,
                                         EnforcementState::stopped, EnforcementState::over};
        const bool heard = std::ranges::find(sent, before.state) == sent.end();
        must(!heard || t.next.cause.kind == CauseKind::manual);
        overridden = overridden || (heard && asked->without_pack);
    } else if (std::holds_alternative<event::Woken>(event) && may_go_without(*this, policy, now)) {
        overridden = overridden || t.next.state == EnforcementState::packed;
    } else if (const auto* seen = std::get_if<event::Seen>(&event)) {
        seen_on = seen_on || (seen->sighting == event::Sighting::on && called);
    } else if (const auto* arrived = std::get_if<event::WarningDelivered>(&event)) {
        const bool late = arrived->step / warning_round != turns;  // what was said before the turn
        delivered = delivered || !warned_for_real || late ? delivered : std::optional{now};
    }
    if (has(t, Effect::pack)) {
        packing = true;
        proven = false;
        first_pack = first_pack.value_or(now);
    }
    if (has(t, Effect::cancel_pack)) {
        packing = false;
    }
    if (has(t, Effect::warn)) {
        const CauseKind from = before.cause.kind;
        const CauseKind to = t.next.cause.kind;
        const bool of_one_rule = of_rule(from) && of_rule(to) && from != to;
        const bool of_budgets = from == CauseKind::budget && to == CauseKind::budget;
        const auto* assessed = std::get_if<event::Assessed>(&event);
        const bool came_back = by_activity(from, policy) && assessed != nullptr &&
                               assessed->assessment.verdict == Verdict::active;
        if (before.cause != t.next.cause && before.state == EnforcementState::warned &&
            (of_one_rule || of_budgets || came_back)) {
            warned.reset();  // told of another reason and another time
            delivered.reset();
            ++turns;
        }
        warned = warned.value_or(now);
        warned_for_real = true;
    }
    if (has(t, Effect::record_would_stop) && !warned) {
        warned = now;
    }
}

/// A restart reads the world: it sends nothing, packs nothing, warns nobody.
Transition restarted(const Enforcement& stored, Model& model, Instant now, bool same_boot,
                     const EnforcementPolicy& policy) {
    const Transition t = recover(stored, now, same_boot, policy);
    for (const Effect effect : t.effects) {
        must(effect == Effect::look_fresh || effect == Effect::fence || effect == Effect::look_up);
    }
    must(t.effects.size() <= 1);
    must(t.next.stop_attempts == stored.stop_attempts && t.next.run == stored.run);
    must(stored.state == EnforcementState::over || t.next.live());
    // Once more is as good as once (I10).
    const Transition again = recover(t.next, now, same_boot, policy);
    must(again.next.state == t.next.state && again.effects == t.effects);
    model.packing = false;
    if (!same_boot) {
        model.warned = model.warned ? std::optional{now} : std::nullopt;
        model.delivered = model.delivered ? std::optional{now} : std::nullopt;
        model.called = model.called ? std::optional{now} : std::nullopt;
    }
    return t;
}

}  // namespace

CURFEW_FUZZ_TARGET(enforcement) {
    FuzzedData in(data);
    Enforcement e;
    e.id = EnforcementId{"enf"};
    e.resource = ResourceId{"r"};
    e.run = RunId{"n"};
    Model model;
    EnforcementPolicy policy = some_policy(in);
    Instant now{1'000'000};
    for (int steps = 0; !in.empty() && steps < 120; ++steps) {
        now = now + Duration{in.byte() * 7'000U};
        const unsigned what = in.up_to(31);
        if (what == 31) {
            policy = some_policy(in);
            continue;
        }
        const bool crash_before = what == 30;  // of the commit: neither state nor effects
        const bool crash_after = what == 29;   // of it: the state, and whoever knows what of the effects
        const EnforcementEvent event = what == 28 ? event::AskedByHand{"ana", std::nullopt} : some_event(in);
        if (!crash_before) {
            Transition t = step(e, event, now, policy);
            must(std::ranges::count(t.effects, Effect::call_stop) <= 1);
            must(t.effects.empty() || t.changed);
            must(e.state != EnforcementState::over || !t.changed);
            must(t.next.state != EnforcementState::over || !t.next.outcome.empty());
            must(t.next.run == e.run && t.next.resource == e.resource && t.next.id == e.id);
            model.note(event, e, t, now, policy);
            must(model.calls == t.next.stop_attempts);
            e = std::move(t.next);
        }
        if ((crash_before || crash_after) && e.live()) {
            e.pack_until.reset();  // is not stored
            e = restarted(e, model, now, in.flag(), policy).next;
        }
    }
}
