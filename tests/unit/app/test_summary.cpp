// The week in one message: when it comes, how often, and what it says.
#include "curfew/app/summary.hpp"
#include "support/life.hpp"
#include "support/zones.hpp"

using namespace curfew;
using namespace curfew::test;

namespace {

/// Begins on a Friday; the summary is on Mondays at 9:00 in Rome.
struct WeeklyRig : Rig {
    WeeklyRig() {
        config->mode = Mode::observe;
        config->zone = rome;
        config->alerts.summary = WeeklyTime{};
        run_until("2026-11-20T12:00:00Z");
        FakeNotebook& n = world.add("demo");
        n.kernel = "busy";
    }
    void run_until(std::string_view text) { scheduler.run_for(utc(text) - scheduler.wall()); }
    int summaries() const { return static_cast<int>(told(AlertKind::summary)); }
    const Message& newest() const {
        const auto found = std::find_if(mail->delivered.rbegin(), mail->delivered.rend(),
                                        [](const Message& m) { return m.kind == AlertKind::summary; });
        REQUIRE(found != mail->delivered.rend());
        return *found;
    }
};

bool says(const Message& m, std::string_view text) {
    return m.title.find(text) != std::string::npos ||
           std::ranges::any_of(m.body, [&](const std::string& line) { return line.find(text) != line.npos; });
}

}  // namespace

TEST_CASE("the summary comes once a week, at its local time", "[alerts]") {
    WeeklyRig rig;
    rig.begin();
    rig.run_until("2026-11-23T07:59:00Z");
    CHECK(rig.summaries() == 0);
    rig.run_until("2026-11-23T08:20:00Z");
    REQUIRE(rig.summaries() == 1);
    const Message m = rig.newest();
    INFO(m.title);
    CHECK(m.severity == Severity::info);
    CHECK(says(m, "Week to 2026-11-23: $"));
    CHECK(says(m, "most by demo ($"));
    CHECK(says(m, "nothing was stopped; nothing needs you"));
    CHECK(m.do_next == "curfew spend --by resource --since 7d");
    REQUIRE(m.tables.size() == 1);
    CHECK(m.tables[0].rows.at(0).label == "demo");
    CHECK(m.tables[0].rows.at(0).thousandths == 1000);
    // 68 hours at $0.76; the hour under way is counted where it begins.
    CHECK(m.cost_so_far >= Money{51'000'000'000});
    CHECK(m.cost_so_far <= Money{52'500'000'000});
    rig.run_until("2026-11-23T20:00:00Z");
    CHECK(rig.summaries() == 1);
}

TEST_CASE("a restart repeats no summary, and a downtime brings the newest one, once", "[alerts]") {
    WeeklyRig rig;
    rig.begin();
    rig.run_until("2026-11-23T08:20:00Z");
    REQUIRE(rig.summaries() == 1);
    rig.restart(minutes{1});
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.summaries() == 1);
    rig.restart(hours{24 * 15});  // two Mondays are missed
    rig.scheduler.run_for(minutes{30});
    REQUIRE(rig.summaries() == 2);
    CHECK(says(rig.newest(), "Week to 2026-12-07"));
    rig.restart(minutes{1});
    rig.scheduler.run_for(minutes{30});
    CHECK(rig.summaries() == 2);
}

TEST_CASE("before anything was watched there is nothing to sum up", "[alerts]") {
    WeeklyRig rig;
    rig.run_until("2026-11-24T12:00:00Z");  // the Monday before is long over
    rig.begin();
    rig.scheduler.run_for(hours{5});
    CHECK(rig.summaries() == 0);
}

TEST_CASE("who moves the summary to the next day is not told twice", "[alerts]") {
    WeeklyRig rig;
    rig.begin();
    rig.run_until("2026-11-23T08:20:00Z");
    REQUIRE(rig.summaries() == 1);
    rig.config->alerts.summary = WeeklyTime{.day = 1, .minute = 540};
    rig.restart(minutes{1});
    rig.run_until("2026-11-24T12:00:00Z");
    CHECK(rig.summaries() == 1);
}

TEST_CASE("a summary is sent by nobody who is not asked for it, and lost by no failing database",
          "[alerts]") {
    WeeklyRig off;
    off.config->alerts.summary.reset();
    off.begin();
    off.run_until("2026-11-23T08:20:00Z");
    CHECK(off.summaries() == 0);

    WeeklyRig rig;
    rig.begin();
    rig.run_until("2026-11-23T07:58:00Z");
    rig.store.failing = Error{Errc::disk_full, Retry::later(), "full", "disk"};
    rig.run_until("2026-11-23T08:15:00Z");
    CHECK(rig.summaries() == 0);
    rig.store.failing.reset();
    rig.run_until("2026-11-23T08:40:00Z");
    CHECK(rig.summaries() == 1);
}

TEST_CASE("a summary says what happened, cut to what fits", "[alerts]") {
    Week week{.from = utc("2026-11-16T08:00:00Z"), .to = utc("2026-11-23T08:00:00Z"), .zone = rome};
    for (int i = 0; i < 12; ++i) {
        SpendLine line;
        line.keys = {"id" + std::to_string(i)};
        line.name = i == 0 ? "evil\r\nname" : "";
        line.compute = Money{(12 - i) * nanos_per_unit};
        line.time = hours{12 - i};
        week.total.compute += line.compute;
        week.lines.push_back(line);
    }
    week.saved = {.total = Money{40 * nanos_per_unit}, .stops = 7, .unpriced = 1};
    for (int i = 0; i < 7; ++i) {
        week.stopped.push_back("nb" + std::to_string(i));
    }
    week.held = {"demo by a keep of ana"};
    week.alerts = {"one", "two"};
    week.dead_letters = 1;
    const Message m = summary_of(week);
    CHECK(m.title ==
          "Week to 2026-11-23: $78.00 spent, most by evil??name ($12.00); about "
          "$40.00 saved by 7 stops; 2 alerts open");
    CHECK(says(m, "Open: one; two."));
    CHECK(says(m, "1 message could not be delivered"));
    CHECK(says(m, "Stopped: nb0, nb1, nb2, nb3, nb4 and 2 more."));
    CHECK(says(m, "1 stop of what has no price is not in it."));
    CHECK(says(m, "Held: demo by a keep of ana."));
    CHECK(m.do_next == "curfew alerts");
    REQUIRE(m.tables.size() == 1);
    REQUIRE(m.tables[0].rows.size() == 9);
    CHECK(m.tables[0].rows[8] == MessageTable::Row{"4 others", "$10.00, 10 hours", 128});
}
