// The judge itself: for each invariant a history that breaks it, and one that does not.
#include "simulation/history.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

TEST_CASE("a stop as it should be breaks nothing") {
    History s;
    s.whole();
    CHECK(s.all().empty());
}

TEST_CASE("I1: what the vault holds is what there is") {
    History s;
    SECTION("a file is missing in the pack") {
        s.until_warned();
        s.quiet_for(minutes{30});
        s.pack({{"a.txt", 1}});
        s.stop();
        CHECK(s.breaks("I1"));
    }
    SECTION("a file changed long after the pack") {
        s.until_warned();
        s.quiet_for(minutes{30});
        s.pack();
        s.judge.files_changed(run, {{"a.txt", 9}}, s.at());
        s.quiet_for(minutes{5});
        s.stop();
        CHECK(s.breaks("I1"));
    }
    SECTION("a file changed in the very moment of the call") {
        s.until_warned();
        s.quiet_for(minutes{30});
        s.pack();
        s.intend();
        s.judge.files_changed(run, {{"a.txt", 9}}, s.at());
        s.call();
        CHECK(s.all().empty());
    }
    SECTION("a file changes, is packed as it is then, and changes again right before the call") {
        s.until_warned();
        s.quiet_for(minutes{31});
        const TrueFiles packed{{"a.txt", 8}};
        s.judge.files_changed(run, packed, s.at());
        s.pass(seconds{12});
        s.look();
        s.pack(packed);
        s.intend();
        s.judge.files_changed(run, {{"a.txt", 9}}, s.at());
        s.call();
        CHECK(s.all().empty());
    }
    SECTION("files that change all the time, packed as they were minutes ago") {
        s.until_warned();
        s.quiet_for(minutes{28});
        for (std::uint64_t version = 10; version < 16; ++version) {
            s.judge.files_changed(run, {{"a.txt", version}}, s.at());
            s.pass(seconds{30});
        }
        s.look();
        s.pack(files);  // what lay there before the first of these changes
        s.stop();
        CHECK(s.breaks("I1"));
    }
    SECTION("a file that the receipt says could not be copied") {
        s.config.rules.front().pack.partial_ok = true;
        const auto story = [&](const TrueFiles& held) {
            s.until_warned();
            s.quiet_for(minutes{30});
            s.pack(held, {{.what = "b.txt", .why = "permission denied", .listed = true}});
            s.stop();
        };
        SECTION("and the rule does without") {
            story({{"a.txt", 1}});
            CHECK(s.all().empty());
        }
        SECTION("and the rule does not") {
            s.config.rules.front().pack.partial_ok = false;
            story({{"a.txt", 1}});
            CHECK(s.breaks("I1"));
        }
        SECTION("and one of which it says nothing") {
            story({});
            CHECK(s.breaks("I1"));
        }
    }
    SECTION("neither receipt nor override") {
        s.until_warned();
        s.quiet_for(minutes{30});
        s.store(EnforcementState::due);
        s.store(EnforcementState::packed);
        s.stop();
        CHECK(s.breaks("I1"));
    }
    SECTION("an override by somebody who asked for nothing") {
        s.until_warned();
        s.quiet_for(minutes{30});
        s.store(EnforcementState::due);
        s.e.override_ = Override{.by = "ana", .reason = "no pack"};
        s.store(EnforcementState::packed);
        s.stop();
        CHECK(s.breaks("I1"));
    }
    SECTION("an override by a person who asked") {
        s.use();
        s.begin();
        s.quiet_for(minutes{10});
        s.judge.committed({AuditRow{.kind = "stop.asked", .run = run, .actor = "ana"}}, s.at());
        s.e.cause = {CauseKind::manual, "ana"};
        s.e.override_ = Override{.by = "ana", .reason = "no pack"};
        s.store(EnforcementState::due);
        s.store(EnforcementState::packed);
        s.stop();
        CHECK(s.all().empty());
    }
    SECTION("an override by a budget that stops now, once its pack has had its time") {
        Budget budget;
        budget.name = BudgetName{"team"};
        Threshold now{100, ThresholdAction::stop_now};
        now.pack_within = minutes{10};
        budget.thresholds = {now};
        s.config.budgets = {budget};
        s.e.cause = {CauseKind::budget, "team"};
        s.until_warned();
        s.store(EnforcementState::due);
        s.e.state = EnforcementState::packing;
        s.judge.handed_over({s.e}, s.at());
        s.pass(minutes{2});  // the disk takes its time, of which the pack gets none
        s.store(EnforcementState::packing);
        const bool too_early = GENERATE(false, true);
        s.pass(too_early ? minutes{6} : minutes{8});
        s.e.override_ = Override{.by = "budget team", .reason = "no whole pack"};
        s.store(EnforcementState::packed);
        s.stop();
        CHECK(s.breaks("I1") == too_early);
    }
}

TEST_CASE("I3: nothing is stopped while held, protected, without the mode, or over the breaker") {
    History s;
    SECTION("a keep") {
        s.until_warned();
        Hold hold;
        hold.id = HoldId{"h1"};
        hold.resource = box;
        hold.run = run;
        hold.by = "ana";
        hold.from = s.at().wall;
        hold.until = hold.from + hours{9};
        SECTION("that was over before the wall clock was set back") {
            hold.until = hold.from + minutes{20};
            s.judge.committed({hold}, s.at());
            s.quiet_for(minutes{21});
            s.wall_ahead = -hours{3};
            s.quiet_for(minutes{10});
            s.pack();
            s.stop();
            CHECK(s.all().empty());
        }
        SECTION("that was not over when the wall clock was set back") {
            hold.until = hold.from + minutes{40};
            s.judge.committed({hold}, s.at());
            s.quiet_for(minutes{21});
            s.wall_ahead = -hours{3};
            s.quiet_for(minutes{10});
            s.pack();
            s.stop();
            CHECK(s.breaks("I3"));
        }
        s.judge.committed({hold}, s.at());
        s.quiet_for(minutes{31});
        SECTION(
            "in force, where a hard budget that pays for it has none left: that would be a stop of its own") {
            Budget budget;
            budget.name = BudgetName{"team"};
            budget.amount = Money{1'000'000'000};
            budget.period = {.kind = PeriodKind::total};
            budget.thresholds = {{.percent = 100, .action = ThresholdAction::stop}};
            budget.mode = Mode::enforce;
            s.config.budgets = {budget};
            s.use();
            s.judge.committed({FiredThresholdRow{.budget = budget.name,
                                                 .period = "total",
                                                 .key = budget.thresholds[0].key(budget.amount),
                                                 .at = s.at().wall}},
                              s.at());
            s.pack();
            s.stop();
            CHECK(s.breaks("I3"));
        }
        SECTION("in force") {
            s.pack();
            s.stop();
            CHECK(s.breaks("I3"));
        }
        SECTION("released") {
            hold.released_at = s.at().wall;
            s.judge.committed({hold}, s.at());
            s.pack();
            s.stop();
            CHECK(s.all().empty());
        }
    }
    SECTION("protected") {
        s.config.protect = {"nb*"};
        s.whole();
        CHECK(s.breaks("I3"));
    }
    SECTION("mode warn") {
        s.config.rules.front().mode = Mode::warn;
        s.whole();
        CHECK(s.breaks("I3"));
    }
    SECTION("an account that observes") {
        s.config.accounts.front().mode = "observe";
        s.whole();
        CHECK(s.breaks("I3"));
    }
    SECTION("on trial") {
        s.config.rules.front().observe_first = hours{24};
        s.whole();
        CHECK(s.breaks("I3"));
    }
    SECTION("maintenance") {
        s.use();
        s.begin();
        Silence silence;
        silence.id = SilenceId{"s1"};
        silence.kind = SilenceKind::maintenance;
        silence.until = midnight + hours{9};
        s.judge.committed({silence}, s.at());
        s.quiet_for(minutes{30});
        s.warn();
        s.quiet_for(minutes{31});
        s.pack();
        s.stop();
        CHECK(s.breaks("I3"));
    }
    SECTION("an open breaker") {
        s.use();
        s.begin();
        s.judge.committed({Breaker{.rule = RuleName{"night"}, .why = "3 stops", .at = {}, .open = true}},
                          s.at());
        s.quiet_for(minutes{30});
        s.warn();
        s.quiet_for(minutes{31});
        s.pack();
        s.stop();
        CHECK(s.breaks("I3"));
    }
}

TEST_CASE("I3: three stops by one rule within an hour are too many for three runs") {
    History s;
    s.use();
    const std::vector<RunId> runs{RunId{"r1"}, RunId{"r2"}, RunId{"r3"}};
    for (const RunId& each : runs) {
        s.begin(each, ResourceId{"nb-" + each.value});
    }
    for (std::size_t i = 0; i < runs.size(); ++i) {
        s.e = Enforcement{.id = EnforcementId{"enf_" + runs[i].value},
                          .account = account,
                          .resource = ResourceId{"nb-" + runs[i].value},
                          .run = runs[i],
                          .cause = {CauseKind::idle, "night"}};
        s.intend();
        s.judge.stop_sent(StopMethod::provider, runs[i], s.at());
        s.judge.stop_called(StopMethod::provider, runs[i], runs[i], true, s.at());
        const bool many = std::ranges::any_of(s.judge.violations(), [](const Violation& v) {
            return v.invariant == "I3" && v.text.contains("within an hour");
        });
        CHECK(many == (i == 2));
    }
}

TEST_CASE("I4: one enforcement of a run, no other run, no two calls in a minute") {
    History s;
    s.whole();
    REQUIRE(s.all().empty());
    SECTION("another run is reached") {
        s.pass(minutes{5});
        s.judge.stop_sent(StopMethod::provider, run, s.at());
        s.judge.stop_called(StopMethod::provider, run, RunId{"r2"}, true, s.at());
        CHECK(s.breaks("I4"));
    }
    SECTION("again after 10 s") {
        s.pass(seconds{10});
        s.call();
        CHECK(s.breaks("I4"));
    }
    SECTION("a second enforcement") {
        s.e.id = EnforcementId{"enf_2"};
        s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1)});
        CHECK(s.breaks("I4"));
    }
}

TEST_CASE("I5: an act has an older intent and an outcome") {
    History s;
    SECTION("a call without an intent") {
        s.until_packed();
        ++s.e.stop_attempts;
        s.store(EnforcementState::stopping);
        s.call();
        CHECK(s.breaks("I5"));
    }
    SECTION("a call before its state is durable") {
        s.until_packed();
        s.call();
        CHECK(s.breaks("I5"));
    }
    SECTION("what waits for a person goes on for one who asked, and for nobody else") {
        const bool asked = GENERATE(true, false);
        s.until_warned();
        s.quiet_for(minutes{31});
        s.store(EnforcementState::due);
        s.store(EnforcementState::packing);
        s.store(EnforcementState::held);
        if (asked) {
            s.e.cause = {CauseKind::manual, "ana"};
        }
        s.store(EnforcementState::due);
        CHECK((s.all().find("went from held to due") == std::string::npos) == asked);
    }
    SECTION("an intent that is left open") {
        s.whole();
        s.pass(hours{1});
        Judge::End end;
        end.open_intents = {
            IntentRow{.id = "int_s", .enforcement = s.e.id, .run = run, .act = "stop:provider", .at = {}}};
        s.judge.ended(end, s.at());
        CHECK(s.breaks("I5"));
    }
    SECTION("a call that did not leave") {
        const auto take_back = [&](int attempts) {
            s.e.stop_attempts = attempts;
            s.store(EnforcementState::packed,
                    {OutcomeRow{.intent = "int_s", .outcome = "not sent", .at = {}}});
        };
        s.until_packed();
        s.intend();
        s.pass(minutes{10});
        SECTION("is no call: it is looked at again, and sent then") {
            take_back(0);
            s.look();
            s.store(EnforcementState::stopping,
                    {IntentRow{
                        .id = "int_t", .enforcement = s.e.id, .run = run, .act = "stop:provider", .at = {}}});
            s.call();
            CHECK(s.all().empty());
        }
        SECTION("counts all the same") {
            take_back(1);
            CHECK(s.breaks("I5"));
        }
        SECTION("had left") {
            s.look();
            s.call();
            take_back(0);
            CHECK(s.breaks("I5"));
        }
    }
    SECTION("two outcomes") {
        s.whole();
        s.judge.committed({OutcomeRow{.intent = "int_p", .outcome = "again", .at = {}}}, s.at());
        CHECK(s.breaks("I5"));
    }
    SECTION("a broken chain, or one that lost rows") {
        s.whole();
        Judge::End end;
        end.audit = 3;
        s.judge.ended(end, s.at());
        CHECK(s.breaks("I5"));
    }
}

TEST_CASE("I8: what happens is told, once more at most for each lost acknowledgement") {
    History s;
    s.use();
    s.begin();
    s.e.warned_step = 1;
    SECTION("a warning in another transaction") {
        s.store(EnforcementState::warned);
        CHECK(s.breaks("I8"));
    }
    SECTION("twice without a reason") {
        s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1)});
        const ParcelRow row = s.parcel(1, "par_1");
        s.take(row);
        s.take(row);
        CHECK(s.breaks("I8"));
    }
    SECTION("twice after a lost acknowledgement, and once more after a crash") {
        s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1)});
        const ParcelRow row = s.parcel(1, "par_1");
        s.take(row, false);
        s.take(row);
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
        s.take(row);
        CHECK(s.all().empty());
    }
    SECTION("called delivered, and nobody took it") {
        s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1)});
        s.delivered(s.parcel(1, "par_1"));
        CHECK(s.breaks("I8"));
    }
    SECTION("sent without being durable") {
        ParcelRow row;
        row.message.id = "par_9";
        s.take(row);
        CHECK(s.breaks("I5"));
    }
    SECTION("an alert that fires and tells nobody") {
        Alert alert;
        alert.id = AlertId{"alr_1"};
        alert.key = "blind/lab";
        s.judge.committed({alert}, s.at());
        CHECK(s.breaks("I8"));
    }
    SECTION("an end that is told to nobody who knew") {
        Alert alert;
        alert.id = AlertId{"alr_1"};
        alert.key = "blind/lab";
        alert.told = {{.channel = mail, .to = {}}};
        OutboxRow row = s.message(AlertKind::blind);
        row.message.alert = alert.id;
        s.judge.committed({alert, row}, s.at());
        REQUIRE(s.all().empty());
        alert.state = AlertState::resolved;
        s.judge.committed({alert}, s.at());
        CHECK(s.breaks("I8"));
    }
    SECTION("given up after one attempt") {
        OutboxRow row = s.message(AlertKind::blind);
        s.judge.committed({row}, s.at());
        ParcelRow parcel = s.parcel(1, "par_1", AlertKind::blind);
        s.judge.refused(mail, false, s.at());
        parcel.state = OutboxState::dead;
        parcel.attempts = 1;
        s.judge.committed({parcel}, s.at());
        row.state = OutboxState::dead;
        row.parcel = parcel.id;
        row.seq = 1;
        Judge::End end;
        end.outbox = {row};
        s.judge.ended(end, s.at());
        CHECK(s.breaks("I8"));
    }
    SECTION("a dead letter gives way to newer news of its alert, one that waits does not") {
        OutboxRow old = s.message(AlertKind::blind);
        OutboxRow newer = s.message(AlertKind::blind);
        old.message.alert = newer.message.alert = AlertId{"alr_1"};
        s.judge.committed({old, newer}, s.at());
        ParcelRow dead = s.parcel(1, "par_1", AlertKind::blind);
        const bool given_up = GENERATE(true, false);
        const bool told = GENERATE(true, false);
        if (given_up) {
            dead.state = OutboxState::dead;
            dead.attempts = 10;
            s.judge.committed({dead}, s.at());
        }
        if (told) {
            const ParcelRow other = s.parcel(2, "par_2", AlertKind::blind);
            s.take(other);
            s.delivered(other);
            newer.parcel = other.id;
            newer.state = OutboxState::delivered;
        }
        old.state = OutboxState::superseded;
        old.parcel = dead.id;
        old.seq = 1;
        newer.seq = 2;
        Judge::End end;
        end.outbox = {old, newer};
        s.judge.ended(end, s.at());
        CHECK(s.breaks("I8") == !(given_up && told));
    }
    SECTION("news of an alert come in their order, but for dead letters of which one had arrived unheard") {
        OutboxRow old = s.message(AlertKind::blind);
        OutboxRow newer = s.message(AlertKind::blind);
        old.message.alert = newer.message.alert = AlertId{"alr_1"};
        s.judge.committed({old, newer}, s.at());
        const auto dies = [&](ParcelRow parcel) {
            parcel.state = OutboxState::dead;
            parcel.attempts = 10;
            s.judge.committed({parcel}, s.at());
        };
        const ParcelRow first = s.parcel(1, "par_1", AlertKind::blind);
        dies(first);
        const ParcelRow second = s.parcel(2, "par_2", AlertKind::blind);
        const bool heard = GENERATE(true, false);
        s.take(second, heard);
        if (!heard) {
            dies(second);
        }
        s.pass(minutes{1});
        s.take(first);
        s.delivered(first);
        s.delivered(second);
        old.state = newer.state = OutboxState::delivered;
        old.parcel = first.id;
        newer.parcel = second.id;
        old.seq = 1;
        newer.seq = 2;
        Judge::End end;
        end.outbox = {old, newer};
        s.judge.ended(end, s.at());
        CHECK((s.all().find("before row") != std::string::npos) == heard);
    }
    SECTION("a row that is there already leaves a number out") {
        OutboxRow first = s.message(AlertKind::blind);
        OutboxRow second = s.message(AlertKind::blind);
        s.judge.committed({first}, s.at());
        s.judge.committed({first}, s.at());  // a fail-over to a channel that has it
        s.judge.committed({second}, s.at());
        first.seq = 1;
        SECTION("as it does") {
            second.seq = 3;
        }
        SECTION("another one is not accounted for") {
            second.seq = 4;
        }
        Judge::End end;
        end.outbox = {first, second};
        s.judge.ended(end, s.at());
        CHECK(s.breaks("judge") == (second.seq != 3));
    }
    SECTION("a stop without a delivered warning") {
        s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1)});
        s.quiet_for(hours{1});
        s.pack();
        s.stop();
        CHECK(s.breaks("I8"));
    }
    SECTION("a warning of another cause that arrives late is no notice") {
        s.e.cause.kind = CauseKind::schedule;
        s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, 1)});
        const ParcelRow late = s.parcel(1, "par_1");
        s.quiet_for(minutes{30});
        s.e.cause.kind = CauseKind::idle;
        s.e.warned_step = warning_round + 1;
        s.store(EnforcementState::warned, {s.message(AlertKind::stop_warning, warning_round + 1)});
        const ParcelRow of_now = s.parcel(2, "par_2");
        const bool told = GENERATE(true, false);
        s.take(late);
        if (told) {
            s.take(of_now);
        }
        s.quiet_for(minutes{31});
        s.pack();
        s.stop();
        CHECK(s.breaks("I8") == !told);
    }
    SECTION("a stop a minute after the warning") {
        s.quiet_for(hours{1});
        s.warn();
        s.pass(minutes{1});
        s.look();
        s.pack();
        s.stop();
        CHECK(s.breaks("I8"));
    }
}

TEST_CASE("I9: in the calm all comes to its end") {
    History s;
    s.use();
    s.begin();
    s.judge.calm(s.at());
    SECTION("an idle run that nobody stops") {
        s.quiet_for(hours{9});
        s.close({s.row(0, 60, 510'000'000)});
        CHECK(s.breaks("I9"));
    }
    SECTION("one that somebody keeps") {
        Hold hold;
        hold.id = HoldId{"h1"};
        hold.resource = box;
        hold.by = "ana";
        hold.until = midnight + hours{24};
        s.judge.committed({hold}, s.at());
        const bool too_old = GENERATE(false, true);
        if (too_old) {  // an age outranks it
            s.config.rules.front().max_age = hours{4};
            s.use();
        }
        s.quiet_for(hours{9});
        s.close({s.row(0, 60, 510'000'000)});
        CHECK(s.breaks("I9") == too_old);
    }
    SECTION("an enforcement that hangs") {
        s.store(EnforcementState::due);
        s.pass(hours{3});
        s.close({});
        CHECK(s.breaks("I9"));
    }
    SECTION("an enforcement that is written again and again, and hangs") {
        s.store(EnforcementState::due);
        for (int i = 0; i < 18; ++i) {
            s.pass(minutes{10});
            s.store(EnforcementState::due);
        }
        s.close({});
        CHECK(s.breaks("I9"));
    }
    SECTION("one that goes on all the time") {
        s.store(EnforcementState::due);
        for (int i = 0; i < 9; ++i) {
            s.pass(minutes{10});
            s.store(EnforcementState::packing);
            s.pass(minutes{10});
            s.store(EnforcementState::due);
        }
        s.close({});
        CHECK_FALSE(s.breaks("I9"));
    }
    SECTION("called stopped, and it bills") {
        s.e.off_sightings = 2;
        s.store(EnforcementState::stopped);
        CHECK(s.breaks("I9"));
    }
    SECTION("called stopped after one sighting") {
        s.judge.run_ended(run, "stop", s.at());
        s.e.off_sightings = 1;
        s.store(EnforcementState::stopped);
        CHECK(s.breaks("I9"));
    }
    SECTION("a message that waits for ever") {
        OutboxRow row = s.message(AlertKind::blind);
        s.judge.committed({row}, s.at());
        s.pass(hours{60});
        Judge::End end;
        end.waiting = {row};
        s.judge.ended(end, s.at());
        CHECK(s.breaks("I9"));
    }
}

TEST_CASE("I10: a new life reads what was durable") {
    History s;
    s.use();
    s.judge.loaded({}, "boot-1", s.at());
    s.begin();
    s.e.notice_at = Instant{7000};
    s.e.warned_step = 1;
    s.store(EnforcementState::warned,
            {s.message(AlertKind::stop_warning, 1),
             IntentRow{.id = "int_1", .enforcement = s.e.id, .run = run, .act = "pack", .at = {}}});
    StoredState state;
    state.boot_id = "boot-1";
    state.enforcements = {s.e};
    state.open_intents = {
        IntentRow{.id = "int_1", .enforcement = s.e.id, .run = run, .act = "pack", .at = {}}};
    SECTION("all of it") {
        s.judge.loaded(state, "boot-1", s.at());
        CHECK(s.all().empty());
    }
    SECTION("all of it, and its instants are marked where the host was started anew, and nowhere else") {
        const bool rebooted = GENERATE(false, true);
        const bool marked = GENERATE(false, true);
        if (rebooted) {
            s.judge.loaded(state, "boot-2", s.at());  // its first start there: the id tells
            CHECK(s.all().empty());
            state.boot_id = "boot-2";
        }
        state.enforcements.front().notice_at = marked ? instant_of_earlier_boot : Instant{7000};
        s.judge.loaded(state, state.boot_id, s.at());
        CHECK(s.breaks("I10") == (rebooted != marked));
    }
    SECTION("an enforcement is forgotten") {
        state.enforcements.clear();
        s.judge.loaded(state, "boot-1", s.at());
        CHECK(s.breaks("I10"));
    }
    SECTION("a gap is forgotten") {
        s.judge.committed(
            {GapRow{.resource = box, .after = run, .account = account, .before = {}, .since = {}}}, s.at());
        s.judge.loaded(state, "boot-1", s.at());
        CHECK(s.breaks("I10"));
    }
    SECTION("an enforcement is in another state") {
        state.enforcements.front().state = EnforcementState::due;
        s.judge.loaded(state, "boot-1", s.at());
        CHECK(s.breaks("I10"));
    }
    SECTION("an intent is forgotten") {
        state.open_intents.clear();
        s.judge.loaded(state, "boot-1", s.at());
        CHECK(s.breaks("I10"));
    }
}

TEST_CASE("I10: a quiet clock goes on where it was written, in its own boot only") {
    History s;
    s.use();
    StoredState state;
    state.boot_id = "boot-1";
    s.judge.loaded(state, "boot-1", s.at());
    s.begin();
    const QuietRow row{.run = run, .clock = {.quiet = minutes{10}, .last_quiet_at = s.at().mono}};
    s.judge.committed({row}, s.at());
    const auto load = [&](Duration more, bool stands, const std::string& boot) {
        QuietRow loaded = row;
        loaded.clock.quiet += more;
        loaded.clock.last_quiet_at = stands ? std::nullopt : std::optional{*row.clock.last_quiet_at + more};
        state.quiet_clocks = {loaded};
        s.judge.loaded(state, boot, s.at());
        return s.breaks("I10");
    };
    SECTION("it adds up to a later poll") {
        CHECK_FALSE(load(minutes{5}, false, "boot-1"));
    }
    SECTION("more than since it was written") {
        state.quiet_clocks = {row};
        state.quiet_clocks.front().clock.quiet += minutes{5};
        s.judge.loaded(state, "boot-1", s.at());
        CHECK(s.breaks("I10"));
    }
    SECTION("less than was written") {
        CHECK(load(-minutes{5}, false, "boot-1"));
    }
    SECTION("it is forgotten, and its run is not") {
        const bool known = GENERATE(false, true);
        if (known) {
            state.runs = {RunRow{.id = run, .resource = box, .account = account}};
        }
        s.judge.loaded(state, "boot-1", s.at());
        CHECK(s.breaks("I10") == known);
    }
    SECTION("in another boot it goes on while the state names the one before, and stands from then on") {
        CHECK_FALSE(load(minutes{5}, false, "boot-2"));
        state.boot_id = "boot-2";
        const bool stands = GENERATE(false, true);
        CHECK(load(Duration{0}, stands, "boot-2") != stands);
    }
    SECTION("one that stood goes on") {
        s.judge.committed(
            {QuietRow{.run = run, .clock = {.quiet = minutes{10}, .last_quiet_at = std::nullopt}}}, s.at());
        CHECK(load(Duration{0}, false, "boot-1"));
    }
}

TEST_CASE("I13: tasks and the picture stay bounded") {
    History s;
    s.use();
    Judge::End end;
    end.tasks_running = 10;
    s.judge.ended(end, s.at());
    CHECK(s.all().empty());
    end.tasks_running = 400;
    s.judge.ended(end, s.at());
    CHECK(s.breaks("I13"));
}

TEST_CASE("I14: an age is an age, whatever the wall clock shows") {
    History s;
    s.config.rules.front().max_age = hours{4};
    s.e.cause = {CauseKind::age, "night"};
    SECTION("too young") {
        s.whole(hours{2});
        CHECK(s.breaks("I14"));
    }
    SECTION("old enough") {
        s.whole(hours{4});
        CHECK_FALSE(s.breaks("I14"));
    }
}

TEST_CASE("I9: a stop is confirmed, or has failed, within minutes in which its account can be seen") {
    History s;
    s.whole();
    s.store(EnforcementState::confirming);
    const auto polls = [&](int times) {
        for (int i = 0; i < times; ++i) {
            s.pass(minutes{10});
            s.polled();
        }
    };
    SECTION("it has failed") {
        s.store(EnforcementState::stop_failed);
        polls(12);
        CHECK_FALSE(s.breaks("I9"));
    }
    SECTION("nobody could see the account, or the daemon was not there") {
        s.pass(hours{9});
        polls(2);
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
        polls(3);
        CHECK_FALSE(s.breaks("I9"));
    }
    SECTION("hours later") {
        polls(6);
        CHECK(s.breaks("I9"));
    }
    SECTION("nothing could be written meanwhile, and all polls became durable at once") {
        for (int i = 0; i < 3; ++i) {
            s.pass(seconds{1});
            s.polled();
        }
        s.pass(hours{1});
        AccountPollRow poll{
            .account = account, .mono = s.at().mono, .wall = s.at().wall, .complete = true, .error = {}};
        s.judge.committed({poll, poll, poll, poll, poll, poll}, s.at());
        CHECK_FALSE(s.breaks("I9"));
        SECTION("it goes on for long after that") {
            polls(3);
            CHECK(s.breaks("I9"));
        }
    }
}
