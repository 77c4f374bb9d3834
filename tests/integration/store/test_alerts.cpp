#include "integration/store/bench.hpp"

#include <string>

using namespace curfew;
using namespace support;

namespace {

Alert alert(const std::string& id, AlertState state, std::int64_t changed_at) {
    Alert a;
    a.id = AlertId{id};
    a.key = "key/" + id;
    a.state = state;
    a.changed_at = {changed_at};
    return a;
}

}  // namespace

TEST_CASE("alerts that ended long ago go in small steps with their events; what holds stays") {
    StoreBench b;
    b.open();
    Batch batch;
    for (int i = 0; i < 250; ++i) {
        const std::string id = "old" + std::to_string(i);
        batch.emplace_back(alert(id, AlertState::resolved, i));
        batch.emplace_back(
            AlertEvent{.alert = AlertId{id}, .at = {i}, .what = "resolved", .reason = "over", .by = {}});
    }
    batch.emplace_back(alert("holds", AlertState::firing, 1));
    batch.emplace_back(alert("young", AlertState::resolved, 5000));
    batch.emplace_back(
        AlertEvent{.alert = AlertId{"holds"}, .at = {1}, .what = "fired", .reason = "so", .by = {}});
    Silence silence{.id = SilenceId{"ended"},
                    .kind = SilenceKind::silence,
                    .scope = {},
                    .from = {1},
                    .until = {10},
                    .reason = {},
                    .by = {},
                    .ended_at = WallTime{10}};
    batch.emplace_back(silence);
    silence.id = SilenceId{"in force"};
    silence.ended_at.reset();
    batch.emplace_back(silence);
    REQUIRE(b.commit(std::move(batch)));
    const auto count = [&](const std::string& what) {
        b.close();
        std::string found;
        {
            Raw raw(b.path);
            found = raw.ask("SELECT count(*) FROM " + what).front();
        }
        b.open();
        return found;
    };
    REQUIRE(b.commit({AlertPrune{{1000}}}));
    CHECK(count("alert") == "52");
    CHECK(count("alert_event") == "51");
    REQUIRE(b.commit({AlertPrune{{1000}}}));
    CHECK(count("alert") == "2");
    CHECK(count("alert_event") == "1");
    CHECK(count("silence") == "1");
    const StoredState state = b.load();
    REQUIRE(state.alerts.size() == 1);
    CHECK(state.alerts[0].id == AlertId{"holds"});
    REQUIRE(state.silences.size() == 1);
}
