// Keeps, job leases and exemptions, and what they beat, over the life of the daemon.
#include "curfew/app/reporter.hpp"
#include "support/life.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

int held(const Rig& rig) {
    const auto& holds = rig.life->world.picture.resources.begin()->second.holds;
    return static_cast<int>(holds.size());
}

Budget hard(Money amount) {
    Budget budget;
    budget.name = BudgetName{"team"};
    budget.amount = amount;
    budget.thresholds = {{100, ThresholdAction::stop}};
    budget.mode = Mode::enforce;
    return budget;
}

}  // namespace

TEST_CASE("a job renews its lease, which replaces the one before, and holds the stop until it ends") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    auto first = rig.life->await(rig.life->daemon.lease(n.resource.id, hours{2}, "train-7", "", "ana"));
    REQUIRE(first);
    CHECK(to_string(first->offer.price) == "$1.52");
    CHECK(first->hold.run == n.resource.run.id);
    rig.scheduler.run_for(minutes{110});
    auto again = rig.life->await(
        rig.life->daemon.lease(n.resource.id, hours{2}, "train-7", "epoch 3", "ana"));
    REQUIRE(again);
    CHECK(held(rig) == 1);
    CHECK(rig.store.hold_rows.at(first->hold.id.value).released_at == again->hold.from);
    REQUIRE(rig.life->await(rig.life->daemon.lease(n.resource.id, hours{1}, "other", "", "ana")));
    CHECK(held(rig) == 2);
    rig.restart(seconds{30});  // a lease is in the store
    CHECK(held(rig) == 2);
    rig.scheduler.run_for(minutes{118});
    CHECK(rig.world.stop_calls.empty());
    const LiveResource& live = rig.life->world.picture.resources.begin()->second;
    CHECK(live.beaten_by_hold);
    CHECK(live.why.find("held by a lease for job train-7 of ana") == 0);
    CHECK(live.why.find("without it: quiet ") != std::string::npos);
    rig.scheduler.run_for(hours{1});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("a lease has limits, no quota, and ends with its run or its job") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    Daemon& daemon = rig.life->daemon;
    const auto lease = [&](Duration d, const std::string& job) {
        return rig.life->await(daemon.lease(n.resource.id, d, job, "", "ana"));
    };
    CHECK(lease(hours{13}, "j").error().code == Errc::invalid);
    CHECK(lease(hours{0}, "j").error().code == Errc::invalid);
    CHECK(lease(hours{1}, "").error().code == Errc::invalid);
    CHECK(lease(hours{1}, "a\nb").error().code == Errc::invalid);
    CHECK(lease(hours{1}, std::string(129, 'x')).error().code == Errc::invalid);
    CHECK(rig.life->await(daemon.lease(ResourceId{"nothing"}, hours{1}, "j", "", "ana")).error().code ==
          Errc::not_found);
    for (int i = 0; i < 6; ++i) {
        CHECK(lease(hours{12}, "j"));  // 72 h in all: the quota of keeps does not count them
    }
    CHECK(rig.life->await(daemon.keep(n.resource.id, hours{12}, "", "ana")));
    for (std::size_t i = 1; i < leases_max; ++i) {
        CHECK(lease(hours{1}, "j" + std::to_string(i)));
    }
    CHECK(lease(hours{1}, "one too many").error().code == Errc::conflict);
    CHECK(lease(hours{1}, "j"));  // a renewal always finds its place

    const auto released = rig.life->await(
        daemon.release(n.resource.id, {.keeps = false, .leases = true, .stop = false, .job = "j"}, "ana"));
    REQUIRE(released);
    CHECK(released->leases == 1);
    CHECK(released->keeps == 0);
    rig.world.start(n);
    rig.scheduler.run_for(minutes{2});
    CHECK(held(rig) == 0);  // of the run before
    rig.scheduler.run_for(minutes{70});
    CHECK(rig.world.stop_calls == std::vector{n.resource.run.id});
}

TEST_CASE("a lease that would break a hard budget is refused, and the budget beats an exemption") {
    Rig rig;
    rig.config->budgets = {hard(Money{3'000'000'000})};
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    Daemon& daemon = rig.life->daemon;
    const auto refused = rig.life->await(daemon.lease(n.resource.id, hours{4}, "j", "", "ana"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::conflict);
    CHECK(refused.error().text.find("budget team") != std::string::npos);
    CHECK(rig.life->await(daemon.lease(n.resource.id, hours{3}, "j", "", "ana")));
    HoldEnd month;
    month.after = hours{24 * 30};
    CHECK(rig.life->await(daemon.exempt(n.resource.id, month, "a paper", "root")));
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.size() == 1);
    const Enforcement* e = rig.enforcement_of(n.resource.run.id);
    REQUIRE(e != nullptr);
    CHECK(e->cause.kind == CauseKind::budget);
}

TEST_CASE("an exemption lasts over runs, restarts and lists that miss its resource, and ends by itself") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    HoldEnd end;
    CHECK(rig.life->await(rig.life->daemon.exempt(n.resource.id, end, "why", "root")).error().code ==
          Errc::invalid);  // no end
    end.after = hours{24 * 90} + seconds{1};
    CHECK(rig.life->await(rig.life->daemon.exempt(n.resource.id, end, "why", "root")).error().code ==
          Errc::invalid);
    end.after = hours{48};
    CHECK(rig.life->await(rig.life->daemon.exempt(n.resource.id, end, " ", "root")).error().code ==
          Errc::invalid);
    CHECK(rig.life->await(rig.life->daemon.exempt(ResourceId{"none"}, end, "x", "root")).error().code ==
          Errc::not_found);
    REQUIRE(rig.life->await(rig.life->daemon.exempt(n.resource.id, end, "x", "root")));
    auto placed = rig.life->await(rig.life->daemon.exempt(n.resource.id, end, "a paper", "root"));
    REQUIRE(placed);
    CHECK(placed->run.empty());
    CHECK(held(rig) == 1);  // it replaced the one before
    rig.scheduler.run_for(hours{5});
    rig.world.end(n);
    rig.scheduler.run_for(hours{1});
    rig.world.start(n);
    rig.scheduler.run_for(hours{10});
    rig.restart(minutes{10});
    rig.scheduler.run_for(hours{10});
    CHECK(rig.world.stop_calls.empty());
    const LiveResource& live = rig.life->world.picture.resources.begin()->second;
    CHECK(live.why.find("held by an exemption of root") == 0);
    CHECK(live.beaten_by_hold);
    const FakeNotebook away = n;
    rig.world.notebooks.clear();
    rig.scheduler.run_for(minutes{10});
    REQUIRE(rig.life->world.picture.resources.empty());
    rig.world.notebooks["demo"] = away;
    rig.scheduler.run_for(hours{5});
    CHECK(rig.world.stop_calls.empty());
    CHECK(held(rig) == 1);
    rig.scheduler.run_for(hours{48} - hours{31} - minutes{30});
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(hours{2});
    CHECK(rig.world.stop_calls.size() == 1);
}

TEST_CASE("release ends what it is told to, by default keeps and leases, and says what it ended") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    Daemon& daemon = rig.life->daemon;
    HoldEnd end;
    end.after = hours{48};
    const auto hold_all = [&] {
        REQUIRE(rig.life->await(daemon.keep(n.resource.id, hours{2}, "", "ana")));
        REQUIRE(rig.life->await(daemon.lease(n.resource.id, hours{2}, "j", "", "ana")));
        REQUIRE(rig.life->await(daemon.exempt(n.resource.id, end, "why", "root")));
    };
    const auto release = [&](ReleaseOptions options) {
        auto done = rig.life->await(daemon.release(n.resource.id, options, "ana"));
        REQUIRE(done);
        return *done;
    };
    hold_all();
    Released r = release({});
    CHECK(std::tuple{r.keeps, r.leases, r.exemptions, r.stops} == std::tuple{1, 1, 0, 0});
    CHECK(held(rig) == 1);
    hold_all();
    r = release({.keeps = true, .leases = false, .exemptions = false, .stop = false});
    CHECK(std::tuple{r.keeps, r.leases, r.exemptions} == std::tuple{1, 0, 0});
    r = release({.keeps = false, .leases = true, .exemptions = false, .stop = false});
    CHECK(std::tuple{r.keeps, r.leases, r.exemptions} == std::tuple{0, 1, 0});
    r = release({.keeps = false, .leases = false, .exemptions = true, .stop = false});
    CHECK(std::tuple{r.keeps, r.leases, r.exemptions} == std::tuple{0, 0, 1});
    CHECK(held(rig) == 0);
    CHECK(release({}).all() == 0);
    rig.scheduler.run_for(minutes{75});
    CHECK(rig.world.stop_calls.size() == 1);  // not even the exemption comes back
}

TEST_CASE("a hold that is not on disk does not count") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "db"};
    HoldEnd end;
    end.after = hours{48};
    CHECK_FALSE(rig.life->await(rig.life->daemon.lease(n.resource.id, hours{2}, "j", "", "ana")));
    CHECK_FALSE(rig.life->await(rig.life->daemon.exempt(n.resource.id, end, "why", "root")));
    rig.store.failing.reset();
    CHECK(held(rig) == 0);
    CHECK(rig.life->world.picture.exemptions.empty());
}

TEST_CASE("a wall clock that is set back lifts no hold (I14)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    REQUIRE(rig.life->await(rig.life->daemon.keep(n.resource.id, hours{4}, "", "ana")));
    HoldEnd end;
    end.after = hours{48};
    REQUIRE(rig.life->await(rig.life->daemon.exempt(n.resource.id, end, "why", "root")));
    rig.scheduler.step_wall(-minutes{10});
    rig.scheduler.run_for(minutes{2});
    CHECK(held(rig) == 2);
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.empty());
}

TEST_CASE("a wall clock that was ahead for a while ends no hold (I14)") {
    Rig rig;
    FakeNotebook& n = rig.world.add("demo");
    rig.begin();
    rig.scheduler.run_for(minutes{5});
    REQUIRE(rig.life->await(rig.life->daemon.keep(n.resource.id, hours{4}, "", "ana")));
    rig.scheduler.step_wall(hours{6});
    rig.scheduler.run_for(minutes{2});
    rig.scheduler.step_wall(-hours{6});
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.empty());
    rig.scheduler.run_for(hours{3});
    CHECK(rig.world.stop_calls.size() == 1);
}
