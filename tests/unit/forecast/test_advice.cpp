#include "curfew/core/advice.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>
#include <vector>

using namespace curfew;

namespace {

constexpr std::int64_t nanos_max = std::numeric_limits<std::int64_t>::max();

Money cents(std::int64_t c) {
    return Money{c * nanos_per_unit / 100};
}
AdviceInput thirty_days() {
    return {.window = hours{24} * 30,
            .gpus = {},
            .cpu_type = "C5",
            .cpu_rate = Rate{cents(8)},
            .idle = {},
            .storage = {},
            .parked = {}};
}
GpuLife life(Duration billed, Duration seen, bool worked = false) {
    return {.resource = ResourceId{"r1"},
            .name = "train",
            .machine_type = "A4000",
            .rate = Rate{cents(76)},
            .billed = billed,
            .seen = seen,
            .worked = worked};
}
IdleHabit habit() {
    return {.resource = ResourceId{"r1"},
            .name = "train",
            .rule = RuleName{"night"},
            .limit = hours{1},
            .rate = Rate{cents(120)},
            .before_stops = {minutes{62}, minutes{60}, minutes{61}, minutes{60}},
            .pauses = {minutes{10}, minutes{22}},
            .other_ends = 0};
}
std::vector<Advice> advised(const AdviceInput& in) {
    auto all = advise(in);
    REQUIRE(all);
    return *all;
}

}  // namespace

TEST_CASE("a GPU that did nothing all its life is shown with the price of a CPU") {
    AdviceInput in = thirty_days();
    in.gpus = {life(hours{10}, hours{10}), life(hours{4}, hours{4}), life(hours{2}, hours{2}, true)};
    const auto all = advised(in);
    REQUIRE(all.size() == 1);
    CHECK(all[0].kind == AdviceKind::gpu_without_work);
    CHECK(all[0].resources == std::vector{ResourceId{"r1"}});
    CHECK(all[0].text ==
          "train ran 14h on A4000 without GPU work (2 of 3 runs): $10.64; the same hours on C5 would have "
          "cost $1.12, $9.52 less");
    CHECK(all[0].saving == cents(952));
    in.window = hours{24} * 10;
    CHECK(advised(in)[0].saving == cents(952 * 3));
}

TEST_CASE("a GPU that nobody watched is not called idle") {
    struct Row {
        Duration billed;
        Duration seen;
        bool worked;
        bool said;
    };
    const Row row = GENERATE(values<Row>({
        {hours{10}, hours{0}, false, false},
        {hours{10}, minutes{539}, false, false},  // below nine tenths
        {hours{10}, hours{9}, false, true},
        {hours{10}, hours{10}, true, false},
        {minutes{59}, minutes{59}, false, false},  // too short to say
        {hours{1}, hours{1}, false, true},
        {hours{1}, hours{2}, false, false},  // facts that contradict each other
        {hours{-3}, hours{-4}, false, false},
    }));
    AdviceInput in = thirty_days();
    in.gpus = {life(row.billed, row.seen, row.worked)};
    CHECK(advised(in).size() == (row.said ? 1 : 0));
    CHECK(unjudged_gpu_lives(in) == (row.said || row.worked || row.billed < hours{1} ? 0 : 1));
}

TEST_CASE("only the hours that were seen are counted, and no CPU price is made up") {
    AdviceInput in = thirty_days();
    in.gpus = {life(hours{10}, hours{9})};
    CHECK(advised(in)[0].saving == cents(9 * 68));
    in.cpu_rate.reset();
    const auto all = advised(in);
    REQUIRE(all.size() == 1);
    CHECK(all[0].text == "train ran 9h on A4000 without GPU work (1 of 1 run): $6.84");
    CHECK(all[0].how.starts_with("C5 has no price here to compare with"));
    CHECK(all[0].saving == Money{});
    in.cpu_rate = Rate{cents(90)};  // dearer than the GPU
    CHECK(advised(in).empty());
    in.cpu_rate = Rate{cents(8)};
    in.gpus[0].rate = Rate{};  // free
    CHECK(advised(in).empty());
}

TEST_CASE(
    "the shortest limit that interrupts nothing is advised, and what the others would have done is said") {
    AdviceInput in = thirty_days();
    in.idle = {habit()};
    const auto all = advised(in);
    REQUIRE(all.size() == 1);
    CHECK(all[0].kind == AdviceKind::shorter_limit);
    // Half an hour less before each of four stops, at $1.20 an hour.
    CHECK(all[0].text ==
          "train always idles before rule night stops it: with a limit of 30m instead of 1h it would have "
          "cost $2.40 less in 30d, with 0 interruptions (4 stops, 2 pauses, the longest 22m)");
    CHECK(all[0].saving == cents(240));
    REQUIRE(all[0].limits.size() == 3);
    CHECK(all[0].limits[0].limit == minutes{45});
    CHECK(all[0].limits[0].saved == cents(120));
    CHECK(all[0].limits[2].limit == minutes{15});
    CHECK(all[0].limits[2].saved == cents(360));
    CHECK(all[0].limits[2].interruptions == 1);
    CHECK(all[0].how.find("15m: $3.60, 1 interruption") != std::string::npos);
}

TEST_CASE("a limit that would have interrupted work, or of which little is known, is not advised") {
    AdviceInput in = thirty_days();
    in.idle = {habit()};
    in.idle[0].pauses.push_back(minutes{45});  // as long as the longest that is tried
    CHECK(advised(in).empty());
    in.idle = {habit()};
    in.idle[0].other_ends = 1;  // not always
    CHECK(advised(in).empty());
    in.idle = {habit()};
    in.idle[0].before_stops.resize(2);
    CHECK(advised(in).empty());
    in.idle = {habit()};
    in.idle[0].rate = {};
    CHECK(advised(in).empty());
    in.idle = {habit()};
    in.idle[0].limit = minutes{6};  // three quarters of it are below five minutes
    in.idle[0].pauses.clear();
    CHECK(advised(in).empty());
    in.idle[0].limit = minutes{8};
    REQUIRE(advised(in).size() == 1);
    CHECK(advised(in)[0].limits.size() == 1);
}

TEST_CASE("storage over the plan, what is parked and what belongs to nothing") {
    AdviceInput in = thirty_days();
    in.storage = {{AccountName{"me"}, 12'000'000'000, cents(348)},
                  {AccountName{"ok"}, 0, cents(348)},
                  {AccountName{"free"}, 12'000'000'000, {}}};
    in.parked = {{ResourceId{"m1"}, "box", "disk of 100 GB", cents(700), hours{24} * 41 + hours{3}, false},
                 {ResourceId{"m1"}, "box", "static address", cents(300), hours{24} * 2, false},
                 {ResourceId{"ip9"}, "192.0.2.9", "address", cents(300), hours{30}, true},
                 {ResourceId{"m2"}, "nothing", "disk", {}, hours{30}, false}};
    const auto all = advised(in);
    REQUIRE(all.size() == 3);  // the largest first
    CHECK(all[0].text ==
          "box does not run and still costs $10.00 a month, for 41d now (disk of 100 GB, static address)");
    CHECK(all[0].kind == AdviceKind::parked);
    CHECK(all[1].text == "account me stores 12.0 GB more than its plan holds: $3.48 a month");
    CHECK(all[1].account == AccountName{"me"});
    CHECK(all[2].kind == AdviceKind::orphan);
    CHECK(all[2].text ==
          "192.0.2.9 (address) belongs to nothing that is there and costs $3.00 a month, for 1d6h now");
}

TEST_CASE("absurd facts are left out, not crashed on") {
    AdviceInput in = thirty_days();
    in.gpus = {life(Duration::max(), Duration::max()), life(Duration::max(), Duration::max()),
               life(Duration::min(), Duration::max())};
    in.gpus[0].rate = Rate{Money{nanos_max}};
    in.idle = {habit(), habit()};
    in.idle[0].rate = Rate{Money{nanos_max}};
    in.idle[0].before_stops = {Duration::max(), Duration::min(), hours{1}};
    in.idle[1].limit = Duration::max();
    in.idle[1].before_stops = {Duration::max(), Duration::max(), Duration::max()};
    in.storage = {{AccountName{"me"}, std::numeric_limits<std::int64_t>::max(), Money{nanos_max}},
                  {AccountName{"me"}, std::numeric_limits<std::int64_t>::min(), Money{nanos_max}}};
    in.parked = {{ResourceId{"m1"}, "box", "disk", Money{nanos_max}, Duration::max(), false},
                 {ResourceId{"m1"}, "box", "disk", Money{nanos_max}, Duration::min(), false},
                 {ResourceId{"m2"}, "box", "disk", Money{1}, hours{1}, false},
                 {ResourceId{"m2"}, "box", "disk", Money{1, Currency{{'E', 'U', 'R'}}}, hours{1}, false}};
    for (const Advice& advice : advised(in)) {
        CHECK(advice.saving >= Money{});
    }
    in.window = Duration{0};
    CHECK(advise(in).error().code == Errc::invalid);
}
