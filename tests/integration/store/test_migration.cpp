// Databases of older versions are taken over with everything in them.
#include "integration/store/bench.hpp"

#include <cstdlib>
#include <sstream>
#include <string>

using namespace curfew;
using support::Raw;
using support::StoreBench;

namespace {

std::string version_1() {
    const char* source = std::getenv("CURFEW_SOURCE");
    std::ifstream in(std::string{source != nullptr ? source : "."} +
                     "/tests/integration/store/version_1.sql");
    std::ostringstream out;
    out << in.rdbuf();
    REQUIRE_FALSE(out.str().empty());
    return out.str();
}

}  // namespace

TEST_CASE("a database of version 1 becomes one of version 2, with its rows") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version_1()).empty());
    }
    b.open();
    CHECK(b.recovered.empty());
    const StoredState state = b.load();
    CHECK(state.boot_id == "boot-1");
    CHECK(state.resources.size() == 1);
    CHECK(state.runs.size() == 1);
    CHECK(state.meters.size() == 1);
    REQUIRE(state.holds.size() == 1);
    CHECK(state.holds[0].id == HoldId{"hld_1"});
    CHECK(state.holds[0].reason == "thinking");
    CHECK(state.holds[0].job.empty());
    REQUIRE(state.enforcements.size() == 1);
    CHECK(state.enforcements[0].state == EnforcementState::warned);
    CHECK(state.trials.empty());
    CHECK(state.breakers.empty());
    CHECK(b.loop.run(b.store->holds(std::nullopt, WallTime{0}))->size() == 2);
    CHECK(b.loop.run(b.store->verify_audit()) == 2);
    CHECK(b.loop.run(b.store->rule_events(WallTime{0}, 10))->empty());
    Hold lease = state.holds[0];
    lease.id = HoldId{"hld_3"};
    lease.kind = HoldKind::lease;
    lease.job = "train-7";
    const RuleTrial trial{.rule = RuleName{"night"}, .first_seen = {1}, .tried = Duration{5}, .ended_at = {}};
    REQUIRE(b.commit({lease, trial}));
    const StoredState after = b.restart();
    CHECK(after.holds.at(1).job == "train-7");
    CHECK(after.trials == std::vector{trial});
    b.close();
    Raw raw(b.path);
    CHECK(raw.ask("PRAGMA user_version") == std::vector<std::string>{"2"});
    CHECK(raw.ask("PRAGMA integrity_check") == std::vector<std::string>{"ok"});
}

TEST_CASE("a migration that fails leaves the database as it was") {
    StoreBench b;
    {
        Raw raw(b.path);
        REQUIRE(raw.run(version_1()).empty());
        REQUIRE(raw.run("CREATE TABLE rule_trial (in_the_way INTEGER)").empty());
    }
    CHECK_FALSE(b.try_open());
    Raw raw(b.path);
    CHECK(raw.ask("PRAGMA user_version") == std::vector<std::string>{"1"});
    CHECK(raw.ask("SELECT COUNT(*) FROM pragma_table_info('hold')") == std::vector<std::string>{"9"});
}
