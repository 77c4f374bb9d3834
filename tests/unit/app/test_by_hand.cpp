// Stops that a person asked for: what they need, and that they are of the run that was asked about.
#include "support/life.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <variant>

using namespace curfew;
using namespace curfew::test;

TEST_CASE("a manual stop goes at once and a keep does not hold it") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    REQUIRE(rig.life->await(rig.life->daemon.keep(n.resource.id, hours{2}, "", "ana")));
    StopOptions options;
    const auto begun = rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana"));
    REQUIRE(begun);
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.store.receipt_rows.size() == 1);
}

TEST_CASE("what is protected while a stop by hand is under way is not stopped") {
    const bool restarted = GENERATE(false, true);
    Rig rig;
    rig.outside.assemble = [&]() -> Result<Parts> { return rig.parts(); };
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    n.guest_answers = false;  // so that it cannot be packed yet
    REQUIRE(rig.life->await(rig.life->daemon.stop(n.resource.id, {}, "ana")));
    rig.config = std::make_shared<Config>(*rig.config);
    rig.config->protect = {"dem*"};
    if (restarted) {
        rig.restart(seconds{5});
    } else {
        REQUIRE(rig.life->await(rig.life->daemon.reload("ana")));
    }
    n.guest_answers = true;
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.empty());
    REQUIRE(rig.enforcement_of(n.resource.run.id) != nullptr);
    CHECK(rig.enforcement_of(n.resource.run.id)->state == EnforcementState::over);
}

TEST_CASE(
    "a stop that is under way goes on in the name of who asks for it, whatever its own cause says by then") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.vault->failing = Error{Errc::unavailable, Retry::later(), "the disk is away", "home"};
    rig.begin();
    while (rig.enforcement_of(n.resource.run.id) == nullptr ||
           !rig.enforcement_of(n.resource.run.id)->at_pack()) {
        rig.scheduler.run_for(minutes{1});
    }
    CHECK(rig.enforcement_of(n.resource.run.id)->cause.kind == CauseKind::idle);
    REQUIRE(rig.life->await(rig.life->daemon.stop(n.resource.id, {}, "ana")));
    n.kernel = "busy";
    SECTION("as it is") {
        rig.scheduler.run_for(minutes{5});
    }
    SECTION("over a restart, with a rule that may only warn since") {
        rig.config->rules.front().mode = Mode::warn;
        rig.restart(seconds{5});
    }
    rig.vault->failing.reset();
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.store.receipt_rows.size() == 1);
    CHECK(rig.enforcement_of(n.resource.run.id)->cause == Cause{CauseKind::manual, "ana"});
    rig.check_intents();
}

TEST_CASE(
    "who asks for a stop a hundred times at once, and calls it off as often, is heard as the last word "
    "says") {
    const bool called_off = GENERATE(false, true);
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    n.guest_answers = false;  // so that it cannot be packed yet
    rig.store.on_commit = [&](const Batch& batch) -> Task<void> {
        if (std::ranges::any_of(batch,
                                [](const Write& row) { return std::holds_alternative<Enforcement>(row); })) {
            co_await rig.scheduler.sleep_for(seconds{20});
        }
    };
    int answers = 0;
    StopOptions options;
    options.accepted_risks = {"kills-busy-kernel", "unpacked-outputs"};
    const auto ask = [&](bool pack) {
        options.pack = pack;
        boost::asio::co_spawn(
            rig.io, rig.life->daemon.stop(n.resource.id, options, "ana"),
            [&](const std::exception_ptr&, const Result<StopAnswer>& given) { answers += given ? 1 : 0; });
    };
    for (int i = 0; i < 100; ++i) {
        ask(i != 50);
    }
    rig.scheduler.run_for(seconds{10});
    CHECK(answers == 100);
    if (called_off) {
        for (int i = 0; i < 100; ++i) {
            boost::asio::co_spawn(rig.io, rig.life->daemon.release(n.resource.id, {}, "ana"),
                                  boost::asio::detached);
        }
    }
    rig.scheduler.run_for(minutes{5});
    CHECK(rig.world.stop_calls.size() == (called_off ? 0 : 1));  // without a pack, as one of them said
}

TEST_CASE("who asks for a stop while another ends is heard") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    std::optional<Result<StopAnswer>> answer;
    rig.store.on_commit = [&](const Batch& batch) -> Task<void> {
        const bool ends = std::ranges::any_of(batch, [](const Write& row) {
            const auto* e = std::get_if<Enforcement>(&row);
            return e != nullptr && e->state == EnforcementState::over;
        });
        if (ends && !answer) {
            StopOptions options;
            options.accepted_risks = {"kills-busy-kernel"};
            boost::asio::co_spawn(
                rig.io, rig.life->daemon.stop(n.resource.id, options, "ana"),
                [&](const std::exception_ptr&, Result<StopAnswer> given) { answer = given; });
            co_await rig.scheduler.sleep_for(seconds{5});
        }
    };
    while (rig.enforcement_of(n.resource.run.id) == nullptr) {
        rig.scheduler.run_for(minutes{1});
    }
    n.kernel = "busy";  // which ends what had only warned
    rig.scheduler.run_for(minutes{5});
    REQUIRE(answer);
    REQUIRE(*answer);
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(std::ranges::count_if(rig.store.enforcements, [](const auto& entry) {
              return entry.second.stop_attempts > 0 && entry.second.cause == Cause{CauseKind::manual, "ana"};
          }) == 1);
}

namespace {

/// A notebook that was stopped by hand a few minutes ago, and is still to be looked at again.
struct StoppedByHand : Rig {
    StoppedByHand() {
        begin();
        scheduler.run_for(minutes{5});
        REQUIRE(life->await(life->daemon.stop(n.resource.id, {}, "ana")));
        scheduler.run_for(minutes{5});
        REQUIRE(world.stop_calls.size() == 1);
    }
    FakeNotebook& n = world.add("demo");
};

}  // namespace

TEST_CASE("who starts again what was stopped by hand is not stopped again, over a restart either") {
    StoppedByHand rig;
    FakeNotebook& n = rig.n;
    SECTION("while it is still looked at whether it is off") {
        rig.world.start(n);
        rig.scheduler.run_for(minutes{20});
        CHECK(rig.world.stop_calls.size() == 1);
    }
    SECTION("where that was seen after a restart only") {
        rig.life.reset();
        rig.world.start(n);
        rig.restart(Duration{0});
        rig.scheduler.run_for(minutes{20});
        CHECK(rig.world.stop_calls.size() == 1);
    }
    CHECK_FALSE(rig.enforcement_of(n.resource.run.id));
}

TEST_CASE("the last look at a run that was stopped does not hide what is under way for the one after it") {
    StoppedByHand rig;
    FakeNotebook& n = rig.n;
    const RunId stopped = n.resource.run.id;
    rig.world.start(n);
    const auto under_way = [&] { return rig.life->world.picture.resources.at(n.resource.id).under_way(); };
    rig.scheduler.run_for(minutes{1});
    CHECK(under_way() == nullptr);
    rig.scheduler.run_for(minutes{45});
    for (int i = 0; i < 900 && rig.enforcement_of(stopped)->live(); ++i) {
        rig.scheduler.run_for(seconds{1});
    }
    REQUIRE_FALSE(rig.enforcement_of(stopped)->live());
    REQUIRE(under_way() != nullptr);
    CHECK(under_way()->state == EnforcementState::warned);
    CHECK(under_way()->run == n.resource.run.id);
}

TEST_CASE("a stop by hand ends no other run than the one that was asked about") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    // While it is written down who asked, it is started anew, and a poll sees that.
    rig.store.on_commit = [&](const Batch& batch) -> Task<void> {
        const bool asked = std::ranges::any_of(batch, [](const Write& row) {
            const auto* audit = std::get_if<AuditRow>(&row);
            return audit != nullptr && audit->kind == "stop.asked";
        });
        if (asked) {
            rig.world.start(n);
            co_await rig.scheduler.sleep_for(minutes{3});
        }
    };
    std::optional<Result<StopAnswer>> answer;
    boost::asio::co_spawn(rig.io, rig.life->daemon.stop(n.resource.id, {}, "ana"),
                          [&](const std::exception_ptr&, Result<StopAnswer> given) { answer = given; });
    rig.scheduler.run_for(minutes{10});
    REQUIRE(answer);
    REQUIRE_FALSE(*answer);
    CHECK(answer->error().code == Errc::not_found);
    CHECK(rig.world.stop_calls.empty());
}

TEST_CASE("a manual stop of a busy one needs the risk by name; without a pack another") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    n.kernel = "busy";
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    StopOptions options;
    auto refused = rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find("kills-busy-kernel") != std::string::npos);
    options.accepted_risks = {"kills-busy-kernel"};
    options.pack = false;
    refused = rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find("unpacked-outputs") != std::string::npos);
    options.accepted_risks.push_back("unpacked-outputs");
    REQUIRE(rig.life->await(rig.life->daemon.stop(n.resource.id, options, "ana")));
    rig.scheduler.run_for(minutes{2});
    CHECK(rig.world.stop_calls.size() == 1);
    CHECK(rig.store.receipt_rows.empty());
    CHECK(rig.enforcement_of(n.resource.run.id)->override_->by == "ana");
}
