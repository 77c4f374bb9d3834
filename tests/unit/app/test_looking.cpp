// When guests are asked and probed, and what that decides: the whole application on virtual time.
#include "support/life.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

namespace {

FakeNotebook& add_probed(Rig& rig, const std::string& name = "demo") {
    FakeNotebook& n = rig.world.add(name);
    n.inside.emplace();
    rig.world.metrics = false;  // only what is seen inside tells more than the kernels
    return n;
}

}  // namespace

TEST_CASE("without metrics a quiet notebook is stopped on the word of its probes, run when warnings begin") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    const RunId run = n.resource.run.id;
    rig.begin();
    rig.scheduler.run_for(minutes{29});
    CHECK(n.inside->probes == 0);  // no candidate yet
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.told(AlertKind::stop_warning) == 3);
    CHECK(n.inside->probes == 3);  // the start of the ladder, and its steps
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(minutes{6});
    CHECK(rig.world.stop_calls == std::vector{run});
    CHECK(n.inside->probes <= 7);  // and right before the pack and the stop
    rig.check_intents();
}

TEST_CASE("a background job below an idle kernel is never due, and nobody is warned of it") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    n.inside->load(30, rig.scheduler.mono());
    rig.begin();
    rig.scheduler.run_for(hours{12});
    CHECK(rig.told(AlertKind::stop_warning) == 0);
    CHECK(rig.world.stop_calls.empty());
    const int probes = n.inside->probes;
    CHECK(probes > 10);
    CHECK(probes < 30);
}

TEST_CASE("work that begins after the first warning takes it back, however short it was") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    rig.begin();
    rig.scheduler.run_for(minutes{40});
    REQUIRE(rig.told(AlertKind::stop_warning) == 1);
    n.inside->load(100, rig.scheduler.mono());
    rig.scheduler.run_for(minutes{5});
    n.inside->load(0, rig.scheduler.mono());  // over before the next probe: its counters tell
    rig.scheduler.run_for(minutes{10});
    CHECK(rig.told(AlertKind::stop_cancelled) == 1);
    rig.scheduler.run_for(minutes{40});
    CHECK(rig.world.stop_calls.empty());  // a whole limit from there
}

TEST_CASE("a blip that a probe caught costs one idle limit and a few minutes, not a ladder more") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    rig.begin();
    rig.scheduler.run_for(minutes{29});
    n.inside->load(100, rig.scheduler.mono());
    rig.scheduler.run_for(minutes{2});
    n.inside->load(0, rig.scheduler.mono());
    CHECK(n.inside->probes == 1);
    rig.scheduler.run_for(minutes{63});  // at 1:34: five minutes after the probe at 0:30 the clock began anew
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(minutes{6});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("a probe that fails is unknown: nothing is stopped, and it is told") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    n.inside->answers = false;
    rig.begin();
    rig.scheduler.run_for(hours{5});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::blind) == 1);
    n.inside->answers = true;
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("provider metrics do not stand in for a probe that fails: a guest too busy to answer is not idle") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    rig.world.metrics = true;
    n.inside->answers = false;
    rig.begin();
    rig.scheduler.run_for(hours{24});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::blind) == 2);  // warning, and critical after 6 h
    CHECK(n.inside->probes < 24 * 13);
}

TEST_CASE(
    "a notebook that the provider does not measure is looked into, and stopped when it has gone quiet") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    n.inside.emplace();
    n.series = FakeSeries{.centicores = 0, .gpu_percent = std::nullopt};  // no word of the GPU, ever
    SECTION("from its start on") {
        rig.begin();
        rig.scheduler.run_for(minutes{20});
        CHECK(n.inside->probes == 1);  // it lasts to the start of the ladder
        rig.scheduler.run_for(minutes{55});
    }
    SECTION("after work that a probe saw") {
        n.inside->load(100, rig.scheduler.mono());
        rig.begin();
        rig.scheduler.run_for(hours{3});
        CHECK(rig.told() == std::vector<AlertKind>{});
        n.inside->load(0, rig.scheduler.mono());
        rig.scheduler.run_for(hours{1} + minutes{30});
    }
    CHECK(rig.world.stop_calls.size() == 1);
    rig.check_intents();
}

TEST_CASE("what the provider does not measure and nobody can look into stays unknown, and that is told") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    n.series = FakeSeries{.centicores = 0, .gpu_percent = std::nullopt};
    SECTION("nothing can be run in it") {}
    SECTION("it does not answer a probe, which is not tried at every look") {
        n.inside.emplace();
        n.inside->answers = false;
    }
    rig.begin();
    rig.scheduler.run_for(hours{5});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::blind) == 1);
    CHECK((!n.inside || n.inside->probes <= 5 * 13));
}

TEST_CASE("where nothing can be run, kernels alone bring a rule no further than a warning") {
    Rig rig;
    rig.world.add("demo");
    rig.world.metrics = false;
    rig.begin();
    rig.scheduler.run_for(hours{6});
    CHECK(rig.world.stop_calls.empty());
    CHECK(rig.told(AlertKind::would_stop) == 1);
}

TEST_CASE("a kernel that is busy for ever without any work is quiet after its own limit") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    n.kernel = "busy";
    n.kernel_silent_for = hours{1};
    rig.begin();
    rig.scheduler.run_for(hours{6});
    CHECK(rig.told().empty());
    CHECK(n.inside->probes >= 11);
    CHECK(n.inside->probes <= 14);
    rig.scheduler.run_for(hours{1} + minutes{40});
    CHECK(rig.world.stop_calls.size() == 1);
    REQUIRE(rig.told(AlertKind::stop_warning) > 0);
    const auto warning = std::ranges::find(rig.mail->delivered, AlertKind::stop_warning, &Message::kind);
    CHECK(warning->body.front().find("stalled") != std::string::npos);
}

TEST_CASE("a busy kernel that works, prints or cannot be looked into is never stalled") {
    const auto stopped = [](auto&& prepare) {
        Rig rig;
        FakeNotebook& n = add_probed(rig);
        n.kernel = "busy";
        n.kernel_silent_for = hours{1};
        prepare(rig, n);
        rig.begin();
        rig.scheduler.run_for(hours{48});
        return rig.world.stop_calls.size() + static_cast<std::size_t>(rig.told(AlertKind::stop_warning));
    };
    CHECK(stopped([](Rig& rig, FakeNotebook& n) { n.inside->load(25, rig.scheduler.mono()); }) == 0);
    CHECK(stopped([](Rig&, FakeNotebook& n) { n.kernel_silent_for = seconds{20}; }) == 0);
    CHECK(stopped([](Rig&, FakeNotebook& n) { n.inside->answers = false; }) == 0);
    CHECK(stopped([](Rig&, FakeNotebook& n) { n.inside.reset(); }) == 0);
}

TEST_CASE("a guest is asked less often than it is listed, at the same time of its stop") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    rig.begin();
    rig.scheduler.run_for(minutes{20});
    const int looks = n.looks;
    CHECK(looks >= 9);
    CHECK(looks <= 12);
    CHECK(rig.world.lists >= 19);
    rig.scheduler.run_for(minutes{41});
    CHECK(rig.world.stop_calls.size() <= 1);
    rig.scheduler.run_for(minutes{3});
    CHECK(rig.world.stop_calls.size() == 1);  // the limit, and two polls
}

TEST_CASE("a restart of the daemon forgets its probes, and gives the whole ladder again") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    rig.begin();
    rig.scheduler.run_for(minutes{58});
    REQUIRE(rig.told(AlertKind::stop_warning) >= 2);
    rig.restart(seconds{30});
    rig.scheduler.run_for(minutes{20});
    CHECK(rig.world.stop_calls.empty());  // the first quiet probe is not a ladder old
    rig.scheduler.run_for(minutes{20});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(n.inside->probes > 4);
}

TEST_CASE(
    "a notebook that the first list after a restart leaves out is probed as before, once it is listed") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    rig.world.metrics = true;  // without probes the rule would act on their word
    rig.begin();
    rig.scheduler.run_for(minutes{58});
    REQUIRE(rig.told(AlertKind::stop_warning) >= 2);
    const int probes = n.inside->probes;
    auto left_out = rig.world.notebooks.extract("demo");
    rig.world.list_complete = false;
    rig.restart(seconds{30});
    rig.scheduler.run_for(seconds{30});
    rig.world.list_complete = true;
    rig.world.notebooks.insert(std::move(left_out));
    rig.scheduler.run_for(minutes{20});
    CHECK(n.inside->probes > probes);
    CHECK(rig.world.stop_calls.empty());  // the first quiet probe is not a ladder old
    rig.scheduler.run_for(minutes{20});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("while nobody knows the way into a notebook, what it said before is no quiet time") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    rig.begin();
    rig.scheduler.run_for(minutes{20});
    const LiveRun& run = rig.life->world.picture.resources.at(n.resource.id).current;
    const Secret token = std::exchange(n.resource.run.token, Secret{});
    rig.life->daemon.poll_now();
    rig.scheduler.run_for(seconds{1});
    CHECK(run.judgement.verdict == Verdict::unknown);
    const Duration quiet = run.clock.quiet;
    rig.scheduler.run_for(minutes{3});
    CHECK(run.clock.quiet == quiet);
    n.resource.run.token = token;
    rig.scheduler.run_for(minutes{3});
    CHECK(run.judgement.verdict == Verdict::quiet);
    CHECK(n.inside->probes == 0);
    rig.scheduler.run_for(minutes{25});
    CHECK(n.inside->probes > 0);
}

TEST_CASE(
    "a notebook that cannot be asked right before its stop is not stopped on what it said at the last poll") {
    Rig rig;
    FakeNotebook& n = add_probed(rig);
    const Secret token = n.resource.run.token;
    rig.world.on_read = [&] { n.resource.run.token = Secret{}; };  // it is just being shut down by its user
    rig.begin();
    rig.scheduler.run_for(minutes{70});
    REQUIRE(n.resource.run.token.empty());
    CHECK(rig.world.stop_calls.empty());
    rig.world.on_read = {};
    n.resource.run.token = token;
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE(
    "work that the last look before a stop saw is still known when the daemon dies before its next poll") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.world.on_read = [&] { n.kernel = "busy"; };  // while it is packed
    rig.begin();
    rig.scheduler.run_for(minutes{59});
    for (int i = 0; i < 900 && rig.told(AlertKind::stop_cancelled) == 0; ++i) {
        rig.scheduler.run_for(seconds{1});
    }
    REQUIRE(rig.told(AlertKind::stop_cancelled) == 1);
    REQUIRE(rig.world.stop_calls.empty());
    rig.world.on_read = {};
    n.kernel = "idle";
    rig.restart(seconds{1});
    rig.scheduler.run_for(minutes{55});
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(minutes{20});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("a guest that takes questions and never answers holds up no stop that does not ask it") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    n.guest_hangs = true;
    auto asked = rig.life->await(rig.life->daemon.stop(
        n.resource.id,
        {.pack = false, .dry_run = false, .accepted_risks = {"unpacked-outputs", "kills-busy-kernel"}},
        "ana"));
    REQUIRE(asked);
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.world.stop_calls == std::vector{n.resource.run.id});
}
