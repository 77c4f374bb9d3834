// A daemon that is well raises no alarm about itself, however long it runs, and its heart beats all the time.
#include "support/life.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::test;

TEST_CASE("a healthy daemon says nothing of itself in thirty days, and its heart beats") {
    Rig rig;
    const auto heart = std::make_shared<FakeHeartbeat>(rig.scheduler);
    rig.outside = {.channels = {}, .heartbeat = heart, .disks = std::make_shared<FakeDisks>()};
    rig.world.add("demo").kernel = "busy";
    rig.world.provider_ahead = seconds{2};
    rig.config->accounts[0].poll_interval = minutes{2};
    rig.begin();
    for (int day = 1; day <= 30; ++day) {
        rig.scheduler.run_for(hours{24});
        if (day % 5 == 0) {
            rig.restart(seconds{30});
        }
        // Whatever the provider says within a minute, the network needs and a small step moves is no trouble.
        rig.world.provider_ahead = seconds{day * 2 - 30};
        rig.scheduler.step_wall(seconds{day % 5 - 2});
        heart->takes = seconds{day % 10};
    }
    for (const auto& [id, alert] : rig.store.alert_rows) {
        FAIL(alert.key << ": " << alert.title);
    }
    CHECK(std::ranges::all_of(rig.mail->delivered,
                              [](const Message& m) { return m.kind == AlertKind::summary; }));
    CHECK(std::ranges::all_of(heart->beats, [](const auto& beat) { return beat.second.empty(); }));
    CHECK(heart->at_once_max == 1);
    // At most one a minute, and never two minutes without one; a restart begins anew.
    REQUIRE(heart->beats.size() > 30 * 24 * 30);
    int early = 0;
    int late = 0;
    for (std::size_t i = 1; i < heart->beats.size(); ++i) {
        const Duration between = heart->beats[i].first - heart->beats[i - 1].first;
        early += between < seconds{54} ? 1 : 0;
        late += between > minutes{2} ? 1 : 0;
    }
    CHECK(early <= 6);
    CHECK(late == 0);
}
