// The judge on I6: what things cost.
#include "curfew/core/period.hpp"
#include "simulation/history.hpp"
#include "simulation/judge_model.hpp"

#include <catch2/catch.hpp>

using namespace curfew;
using namespace curfew::simulation;

TEST_CASE("I6: the ledger is what it cost") {
    History s;
    s.use();
    s.begin();
    s.pass(minutes{90});
    s.judge.run_ended(run, "user", s.at());
    SECTION("to the nano") {
        s.close({s.row(0, 60, 510'000'000), s.row(60, 90, 255'000'000)});
        CHECK(s.all().empty());
    }
    SECTION("half an hour is missing") {
        s.close({s.row(0, 60, 510'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("… and its error bar says so") {
        CostRow last = s.row(60, 61, 8'500'000);
        last.estimated = true;
        last.error_bar = minutes{29};
        s.close({s.row(0, 60, 510'000'000), last});
        CHECK(s.all().empty());
    }
    SECTION("a gap") {
        s.close({s.row(0, 60, 510'000'000), s.row(61, 90, 246'500'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("an overlap") {
        s.close({s.row(0, 60, 510'000'000), s.row(59, 60, 8'500'000), s.row(60, 90, 255'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a row of more than an hour") {
        s.close({s.row(0, 90, 765'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a row cut within the hour") {
        s.close({s.row(0, 20, 170'000'000), s.row(20, 60, 340'000'000), s.row(60, 90, 255'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a nano too much in a row") {
        s.close({s.row(0, 60, 510'000'001), s.row(60, 90, 255'000'000)});
        CHECK(s.breaks("I6"));
    }
    SECTION("a row that changed") {
        s.judge.committed({s.row(0, 60, 510'000'000)}, s.at());
        CostRow other = s.row(0, 60, 600'000'000);
        other.rate = Rate{Money{600'000'000}};
        s.judge.committed({other}, s.at());
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I6: what was given back may be counted again, and nothing else") {
    History s;
    s.use();
    s.begin();
    s.pass(hours{2});
    s.judge.run_ended(run, "user", s.at());
    const std::vector<CostRow> first{s.row(0, 60, 510'000'000), s.row(60, 120, 510'000'000)};
    s.judge.committed({first[0], first[1]}, s.at());
    std::vector<CostRow> all = first;
    const bool given_back = GENERATE(false, true);
    if (given_back) {  // a clock that was ahead
        CostRow back = s.row(90, 120, -255'000'000);
        back.source = CostSource::adjustment;
        s.judge.committed({back}, s.at());
        all.push_back(back);
    }
    s.judge.committed({s.row(90, 120, 255'000'000)}, s.at());
    all.push_back(s.row(90, 120, 255'000'000));
    s.close(all);
    CHECK(s.breaks("I6") == !given_back);
}

TEST_CASE("I6: a price that changes counts from then on") {
    History s;
    s.use();
    s.begin();
    s.pass(minutes{20});
    const auto bill = [&](std::int64_t dearer_from) {
        s.pass(minutes{40});
        s.judge.run_ended(run, "user", s.at());
        CostRow cheap = s.row(0, dearer_from, dearer_from * 8'500'000);
        CostRow dear = s.row(dearer_from, 60, (60 - dearer_from) * 17'000'000);
        dear.rate = Rate{Money{1'020'000'000}};
        s.close({cheap, dear});
    };
    SECTION("announced, and counted to the minute") {
        s.judge.price_changed(run, Money{1'020'000'000}, true, s.at());
        bill(20);
        CHECK(s.all().empty());
    }
    SECTION("announced, and counted from a minute later") {
        s.judge.price_changed(run, Money{1'020'000'000}, true, s.at());
        bill(21);
        CHECK(s.breaks("I6"));
    }
    SECTION("unannounced, and counted from the next list on") {
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.pass(minutes{2});
        s.judge.listed(account, s.at());
        s.ms -= minutes{2} / Duration{1};
        bill(22);
        CHECK(s.all().empty());
    }
    SECTION("unannounced, of a run that nobody had seen before, and counted from its start on") {
        const bool seen = GENERATE(false, true);
        const Duration until_listed = GENERATE(Duration{0}, Duration{minutes{1}});
        const Meter meter{
            .resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false};
        if (seen) {
            s.judge.committed({meter}, s.at());
        }
        s.pass(minutes{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.pass(until_listed);
        s.judge.listed(account, s.at());
        s.judge.committed({meter}, s.at());
        s.pass(minutes{39} - until_listed);
        s.judge.run_ended(run, "user", s.at());
        CostRow dear = s.row(0, 60, 1'020'000'000);
        dear.rate = Rate{Money{1'020'000'000}};
        s.close({dear});
        CHECK(s.breaks("I6") == seen);
    }
    SECTION("unannounced, after the end of a run that is seen only then, or was seen before") {
        const bool seen = GENERATE(false, true);
        const Meter meter{
            .resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false};
        s.pass(minutes{40});
        s.judge.run_ended(run, "user", s.at());
        if (seen) {
            s.judge.committed({meter}, s.at());
        }
        s.pass(minutes{5});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.pass(minutes{1});
        s.judge.committed({meter}, s.at());
        CostRow dear = s.row(0, 60, 1'020'000'000);
        dear.rate = Rate{Money{1'020'000'000}};
        s.close({dear});
        CHECK(s.breaks("I6") == seen);
    }
    SECTION("unannounced, and counted from the second list on: a crash took the first, or none did") {
        const bool crash = GENERATE(true, false);
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.pass(seconds{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.judge.listed(account, s.at());
        s.pass(seconds{10});
        if (crash) {
            s.judge.crashed(s.at());
            s.judge.booted(s.at());
        }
        s.pass(minutes{20} - seconds{11});
        s.judge.listed(account, s.at());
        s.ms -= minutes{20} / Duration{1};
        bill(40);
        CHECK(s.breaks("I6") == !crash);
    }
    SECTION(
        "unannounced, and counted from the second list of a start on: by the first clock it was undated, or "
        "not") {
        const bool ahead = GENERATE(true, false);
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.pass(seconds{1});
        s.judge.crashed(s.at());
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.pass(seconds{1});
        s.wall_ahead = ahead ? seconds{5} : Duration{0};
        s.judge.booted(s.at());
        s.use();
        s.judge.listed(account, s.at());
        s.pass(minutes{20} - seconds{2});
        s.judge.listed(account, s.at());
        s.wall_ahead = Duration{0};
        s.ms -= minutes{20} / Duration{1};
        bill(40);
        CHECK(s.breaks("I6") == !ahead);
    }
    SECTION("unannounced, and counted from the second list on: the disk took nothing of the first, or all") {
        const bool disk_full = GENERATE(true, false);
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.polled();
        s.pass(seconds{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.judge.listed(account, s.at());
        if (!disk_full) {
            s.polled();
        }
        s.pass(minutes{20} - seconds{1});
        s.judge.listed(account, s.at());
        s.polled();
        s.ms -= minutes{20} / Duration{1};
        bill(40);
        CHECK(s.breaks("I6") != disk_full);
    }
    SECTION("unannounced, and counted from the hour before on") {
        s.judge.committed(
            {Meter{.resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false}},
            s.at());
        s.pass(seconds{1});
        s.judge.price_changed(run, Money{1'020'000'000}, false, s.at());
        s.use();
        s.pass(minutes{2});
        s.judge.listed(account, s.at());
        s.ms -= minutes{2} / Duration{1};
        bill(10);
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I6: who was moved before anybody saw it may have been billed at each price of its new type") {
    History s;
    s.use();
    const bool seen = GENERATE(false, true);
    const bool changed = GENERATE(false, true);
    s.begin();
    const Meter meter{
        .resource = box, .run = run, .started = midnight, .counted_to = midnight, .open = false};
    if (seen) {
        s.judge.committed({meter}, s.at());
    }
    s.pass(minutes{40});
    s.judge.moved(run, Money{255'000'000}, s.at());
    s.pass(minutes{1});
    s.judge.listed(account, s.at());
    s.judge.committed({meter}, s.at());
    s.pass(minutes{19});
    s.judge.run_ended(run, "user", s.at());
    CostRow cheap = s.row(0, 30, 25'500'000);
    cheap.rate = Rate{Money{51'000'000}};
    CostRow rest = s.row(30, 60, changed ? 127'500'000 : 25'500'000);
    rest.rate = Rate{Money{changed ? 255'000'000 : 51'000'000}};
    rest.sku = changed ? rest.sku : "other";  // or it would be cut for no reason
    s.close({cheap, rest});
    CHECK(s.breaks("I6") == (seen || !changed));
}

TEST_CASE("I6: a run that began after its price rose unheard of costs the old one until that is heard") {
    const bool heard_before = GENERATE(false, true);
    History s;
    s.pass(-minutes{2});
    const Moment changed = s.at();
    const auto hear = [&] {
        s.use();
        s.judge.listed(account, s.at());
    };
    if (heard_before) {
        hear();
    }
    s.pass(minutes{2});
    s.begin();
    s.judge.began_at_unheard_price(run, Money{255'000'000}, changed);
    s.pass(minutes{20});
    if (!heard_before) {
        hear();
    }
    s.pass(minutes{40});
    s.judge.run_ended(run, "user", s.at());
    CostRow cheap = s.row(0, 20, 85'000'000);
    cheap.rate = Rate{Money{255'000'000}};
    s.close({cheap, s.row(20, 60, 340'000'000)});
    CHECK(s.breaks("I6") == heard_before);
}

TEST_CASE("I6: what a whole list shows is billed") {
    History s;
    s.use();
    s.polled();
    s.pass(minutes{5});
    s.begin();
    s.judge.listed(account, s.at(), {run});
    const Meter meter{.resource = box,
                      .run = run,
                      .sku = "P4000",
                      .tariff = {},
                      .started = s.at().wall,
                      .counted_to = s.at().wall,
                      .last_seen_billing = s.at().wall};
    SECTION("with the poll that showed it") {
        s.judge.committed({meter}, s.at());
        s.polled();
        CHECK(s.all().empty());
    }
    SECTION("a crash may come first") {
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
        s.polled();
        CHECK(s.all().empty());
    }
    SECTION("not at all") {
        s.polled();
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I6: an end that the provider tells is billed to the millisecond") {
    History s;
    s.use();
    s.judge.reports_ends(account);
    s.polled();
    s.begin();
    s.pass(hours{1});
    s.judge.run_ended(run, "user", s.at());
    s.pass(minutes{2});
    const auto closes = [&](bool estimated) {
        CostRow last = s.row(0, 60, 510'000'000);
        last.estimated = estimated;
        last.error_bar = estimated ? minutes{5} : minutes{0};
        s.judge.committed(
            {last,
             Meter{.resource = box, .run = run, .started = midnight, .counted_to = last.to, .open = false},
             AccountPollRow{.account = account,
                            .mono = s.at().mono,
                            .wall = s.at().wall,
                            .complete = true,
                            .error = {}}},
            s.at());
    };
    SECTION("told, and billed so") {
        s.judge.end_asked(run, true);
        closes(false);
        CHECK(s.all().empty());
    }
    SECTION("told, and estimated") {
        s.judge.end_asked(run, true);
        closes(true);
        CHECK(s.breaks("I6"));
    }
    SECTION("told to a life that wrote nothing of it, and asked again in vain") {
        s.judge.end_asked(run, true);
        s.judge.crashed(s.at());
        s.judge.booted(s.at());
        s.judge.end_asked(run, false);
        closes(true);
        CHECK(s.all().empty());
    }
    SECTION("never asked for") {
        closes(true);
        CHECK(s.breaks("I6"));
    }
}

TEST_CASE("I6: between two stamps a clock that is wrong is no excuse") {
    const bool estimated = GENERATE(true, false);
    History s;
    s.wall_ahead = hours{2};
    s.use();
    s.begin();
    s.pass(hours{1});
    s.judge.run_ended(run, "user", s.at());
    CostRow late = s.row(60, 120, 510'000'000);
    late.estimated = estimated;
    s.close({s.row(0, 60, 510'000'000), late});
    CHECK(s.breaks("I6") != estimated);
}

TEST_CASE("I6: what came and went while its account was known has rows") {
    History s;
    s.use();
    const bool known = GENERATE(false, true);
    const Duration length = GENERATE(Duration{minutes{20}}, Duration{minutes{40}}, Duration{hours{4}});
    if (known) {
        s.polled();
        s.pass(hours{2});
    }
    s.begin();
    s.pass(length);
    s.judge.run_ended(run, "user", s.at());
    s.polled();
    s.pass(hours{7});
    s.judge.ended({}, s.at());
    const bool long_enough = length > (known ? minutes{30} : hours{3});
    CHECK((s.all().find("and there is no row of it") != std::string::npos) == long_enough);
}
