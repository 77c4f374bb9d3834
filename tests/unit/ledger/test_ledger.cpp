// The meter by tables. Every branch of ledger.cpp is taken here.
#include "curfew/core/ledger.hpp"
#include "support/aborts.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <numeric>
#include <string_view>

using namespace curfew;
using support::aborts;

namespace {

constexpr Rate fifty_cents{Money{500'000'000}};
constexpr Rate one_dollar{Money{1'000'000'000}};

WallTime utc(std::string_view text) {
    return parse_wall_time(text).value();
}

Tariff per_hour(std::optional<Rate> rate) {
    return {.rate = rate, .monthly_cap = std::nullopt};
}

Meter meter_from(std::string_view from, std::optional<Rate> rate = fifty_cents) {
    return {.resource = ResourceId{"res"},
            .run = RunId{"run"},
            .sku = "A4000",
            .tariff = per_hour(rate),
            .started = utc(from),
            .counted_to = utc(from),
            .last_seen_billing = utc(from)};
}

std::int64_t total(const std::vector<CostRow>& rows) {
    return std::accumulate(rows.begin(), rows.end(), std::int64_t{0},
                           [](std::int64_t sum, const CostRow& row) { return sum + row.gross.nanos; });
}

}  // namespace

TEST_CASE("full hours are closed at full UTC hours, and the rest stays open") {
    Meter meter = meter_from("2026-11-23T10:20:00Z");
    CHECK(advance(meter, utc("2026-11-23T10:59:59.999Z")).empty());

    const auto rows = advance(meter, utc("2026-11-23T12:30:00Z"));
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].from == utc("2026-11-23T10:20:00Z"));
    CHECK(rows[0].to == utc("2026-11-23T11:00:00Z"));
    CHECK(rows[0].gross == Money{333'333'333});
    CHECK(rows[1].from == utc("2026-11-23T11:00:00Z"));
    CHECK(rows[1].to == utc("2026-11-23T12:00:00Z"));
    CHECK(rows[1].gross == Money{500'000'000});
    for (const CostRow& row : rows) {
        CHECK(row.resource == ResourceId{"res"});
        CHECK(row.run == RunId{"run"});
        CHECK(row.meter == MeterKind::compute);
        CHECK(row.sku == "A4000");
        CHECK(row.rate == fifty_cents);
        CHECK(row.source == CostSource::own);
        CHECK_FALSE(row.estimated);
        CHECK(row.error_bar == Duration{0});
    }
    CHECK(meter.counted_to == utc("2026-11-23T12:00:00Z"));
    CHECK(accrued_open(meter, utc("2026-11-23T12:30:00Z")) == Money{250'000'000});
}

TEST_CASE("an hour is closed the moment it is full") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    CHECK(advance(meter, utc("2026-11-23T11:00:00Z")).size() == 1);
    CHECK(advance(meter, utc("2026-11-23T11:00:00Z")).empty());
}

TEST_CASE("a wall clock that goes back closes nothing and costs nothing") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    CHECK(advance(meter, utc("2026-11-23T08:00:00Z")).empty());
    CHECK(accrued_open(meter, utc("2026-11-23T08:00:00Z")) == Money{});
    CHECK(meter.counted_to == utc("2026-11-23T10:00:00Z"));
}

TEST_CASE("a stamp of 1970 is caught up with over several calls") {
    Meter meter = meter_from("1970-01-01T00:00:00Z");
    const WallTime now = utc("2026-11-23T10:00:00Z");
    const auto first = advance(meter, now);
    CHECK(first.size() == 9'600);
    CHECK(meter.counted_to == first.back().to);
    const auto second = advance(meter, now);
    CHECK(second.size() == 9'600);
    CHECK(second.front().from == first.back().to);
}

TEST_CASE("a price change cuts where it happens, and the past keeps its price") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    const auto rows = reprice(meter, utc("2026-11-23T11:30:00Z"), "A6000", per_hour(one_dollar));
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].to == utc("2026-11-23T11:00:00Z"));
    CHECK(rows[1].to == utc("2026-11-23T11:30:00Z"));
    CHECK(rows[1].sku == "A4000");
    CHECK(total(rows) == 750'000'000);

    const auto later = advance(meter, utc("2026-11-23T12:00:00Z"));
    REQUIRE(later.size() == 1);
    CHECK(later[0].from == utc("2026-11-23T11:30:00Z"));
    CHECK(later[0].sku == "A6000");
    CHECK(later[0].rate == one_dollar);
    CHECK(later[0].gross == Money{500'000'000});
}

TEST_CASE("a price change in the closed past holds from now on only") {
    Meter meter = meter_from("2026-11-23T12:00:00Z");
    CHECK(reprice(meter, utc("2026-11-23T11:00:00Z"), "A4000", per_hour(one_dollar)).empty());
    CHECK(meter.counted_to == utc("2026-11-23T12:00:00Z"));
    CHECK(meter.tariff.rate == one_dollar);
}

TEST_CASE("a meter closes at the provider's stamp") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    const auto rows = close(meter, utc("2026-11-23T11:06:00Z"), false, Duration{0});
    REQUIRE(rows.size() == 2);
    CHECK(rows[1].to == utc("2026-11-23T11:06:00Z"));
    CHECK(total(rows) == 550'000'000);
    CHECK_FALSE(rows[1].estimated);
    CHECK_FALSE(meter.open);
    CHECK(meter.counted_to == utc("2026-11-23T11:06:00Z"));
}

TEST_CASE("an end that is only known roughly is marked on the row that it ends") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    const auto rows = close(meter, utc("2026-11-23T11:06:00Z"), true, minutes{5});
    REQUIRE(rows.size() == 2);
    CHECK_FALSE(rows[0].estimated);
    CHECK(rows[1].estimated);
    CHECK(rows[1].error_bar == minutes{5});
}

TEST_CASE("an end before what is counted takes the difference back in one row") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    const auto before = advance(meter, utc("2026-11-23T14:00:00Z"));
    const auto rows = close(meter, utc("2026-11-23T11:30:00Z"), false, Duration{0});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].source == CostSource::adjustment);
    CHECK(rows[0].from == utc("2026-11-23T11:30:00Z"));
    CHECK(rows[0].to == utc("2026-11-23T14:00:00Z"));
    CHECK(rows[0].gross == Money{-1'250'000'000});
    CHECK(total(before) + total(rows) == 750'000'000);
}

TEST_CASE("an estimated end in the counted past marks the adjustment") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    const auto rows = close(meter, utc("2026-11-23T09:30:00Z"), true, minutes{3});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].estimated);
    CHECK(rows[0].error_bar == minutes{3});
}

TEST_CASE("an end exactly where counting stopped needs no row") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    const bool estimated = GENERATE(false, true);  // but off by nothing
    CHECK(close(meter, utc("2026-11-23T10:00:00Z"), estimated, Duration{0}).empty());
    CHECK_FALSE(meter.open);
}

TEST_CASE("an end that is only known roughly says so where counting stopped as well") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    advance(meter, utc("2026-11-23T13:00:00Z"));
    const Money before = meter.closed;
    const auto at = GENERATE(as<std::string>{}, "2026-11-23T10:04:00Z", "2026-11-23T14:00:00Z");
    meter.last_seen_billing = utc(at);
    const auto rows = close(meter, meter.counted_to, true, hours{3});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].source == CostSource::adjustment);
    CHECK(rows[0].from == std::min(utc(at), meter.counted_to));
    CHECK(rows[0].to == rows[0].from);
    CHECK(rows[0].gross == Money{});
    CHECK(rows[0].estimated);
    CHECK(rows[0].error_bar == hours{3});
    CHECK(meter.closed == before);
}

TEST_CASE("the doubt about an end lies on every row that it reaches back over, at its own rate") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    auto rows = close(meter, utc("2026-11-23T13:06:00Z"), true, hours{2} + minutes{26});
    REQUIRE(rows.size() == 4);
    spread_doubt(rows, Duration{0});
    CHECK(rows[0].estimated);
    CHECK(rows[0].error_bar == minutes{20});  // 10:40 is where it was seen last
    CHECK(rows[1].estimated);
    CHECK(rows[1].error_bar == hours{1});
    CHECK(rows[2].error_bar == hours{1});
    CHECK(rows[3].error_bar == minutes{6});

    Meter later = meter_from("2026-11-23T10:00:00Z");
    auto beyond = close(later, utc("2026-11-23T12:06:00Z"), true, minutes{40});
    spread_doubt(beyond, minutes{30});
    CHECK(beyond[0].error_bar == Duration{0});
    CHECK(beyond[1].error_bar == minutes{34});
    CHECK(beyond[2].error_bar == minutes{30});

    Meter sure = meter_from("2026-11-23T10:00:00Z");
    auto told = close(sure, utc("2026-11-23T12:06:00Z"), false, Duration{0});
    spread_doubt(told, Duration{0});
    CHECK(std::ranges::none_of(told, &CostRow::estimated));
    std::vector<CostRow> none;
    spread_doubt(none, Duration{0});
    CHECK(none.empty());
}

TEST_CASE("a closed meter is not used again") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    close(meter, utc("2026-11-23T10:30:00Z"), false, Duration{0});
    const WallTime later = utc("2026-11-23T18:00:00Z");
    CHECK(accrued_open(meter, later) == Money{});
    CHECK(aborts([&] { static_cast<void>(advance(meter, later)); }));
    CHECK(aborts([&] { static_cast<void>(reprice(meter, later, "A6000", per_hour(one_dollar))); }));
    CHECK(aborts([&] { static_cast<void>(close(meter, later, false, Duration{0})); }));
}

TEST_CASE("an amount that money cannot hold ends the process, not the books") {
    Meter meter = meter_from("2200-01-01T00:00:00Z", Rate{Money{std::numeric_limits<std::int64_t>::max()}});
    CHECK(aborts([&] { static_cast<void>(close(meter, utc("1970-01-01T00:00:00Z"), false, Duration{0})); }));
}

TEST_CASE("without a price rows are kept, cost 0 and say so by having no rate") {
    Meter meter = meter_from("2026-11-23T10:00:00Z", std::nullopt);
    const auto rows = advance(meter, utc("2026-11-23T12:00:00Z"));
    REQUIRE(rows.size() == 2);
    CHECK_FALSE(rows[0].rate);
    CHECK(total(rows) == 0);
    CHECK(accrued_open(meter, utc("2026-11-23T12:30:00Z")) == Money{});
}

TEST_CASE("free types cost 0 and have a rate") {
    Meter meter = meter_from("2026-11-23T10:00:00Z", Rate{Money{0}});
    const auto rows = advance(meter, utc("2026-11-23T11:00:00Z"));
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].rate);
    CHECK(rows[0].gross == Money{0});
}

namespace {

constexpr Money five_dollars{5'000'000'000};
constexpr Money three_dollars{3'000'000'000};

/// The disk of a machine: $5 a month, reached after 672 hours.
Meter disk_from(std::string_view from, Money cap = five_dollars) {
    Meter meter = meter_from(from);
    meter.kind = MeterKind::storage;
    meter.sku = "block storage 50 GB";
    meter.tariff = {.rate = Rate{Money{7'400'000}}, .monthly_cap = cap};
    return meter;
}

Meter flat_from(std::string_view from) {
    Meter meter = meter_from(from);
    meter.tariff = {.rate = std::nullopt, .monthly_cap = Money{269'000'000'000}};
    return meter;
}

}  // namespace

TEST_CASE("an add-on costs its cap in every month that it bills 28 days of, and no more") {
    // 28, 29, 30 and 31 days, all of them at least 672 hours.
    for (const std::string_view month : {"2027-02", "2028-02", "2026-11", "2026-12"}) {
        const std::string begin = std::string{month} + "-01T00:00:00Z";
        CAPTURE(begin);
        Meter meter = disk_from(begin);
        const WallTime end = utc_month_end(utc(begin));
        const auto rows = advance(meter, end);
        CHECK(total(rows) == five_dollars.nanos);
        CHECK(meter.closed == five_dollars);
        CHECK(meter.used_in_month == Duration{0});  // of the month that begins now
        for (const CostRow& row : rows) {
            CHECK(row.gross.nanos >= 0);
            CHECK(row.rate == Rate{Money{7'400'000}});
        }
        CHECK(burn(meter, end) == Money{7'440'476});
    }
}

TEST_CASE("a cap that is reached burns nothing until the next month begins") {
    Meter meter = disk_from("2026-12-01T00:00:00Z");
    advance(meter, utc("2026-12-29T12:00:00Z"));
    CHECK(meter.closed == five_dollars);
    CHECK(burn(meter, utc("2026-12-29T12:00:00Z")) == Money{0});
    CHECK(accrued_open(meter, utc("2026-12-31T12:00:00Z")) == Money{0});
    CHECK(burn(meter, utc("2026-12-31T23:30:00Z")) == Money{3'720'238});
    CHECK(rest_of(meter, utc("2026-12-29T12:00:00Z"), utc("2027-01-01T00:00:00Z")) == Money{0});
    CHECK(rest_of(meter, utc("2026-12-29T12:00:00Z"), utc("2027-02-01T00:00:00Z")) == five_dollars);
    CHECK(rest_of(meter, utc("2026-12-29T12:00:00Z"), utc("2027-04-01T00:00:00Z")) == Money{15'000'000'000});
}

TEST_CASE("what is left of a month of an add-on in its middle") {
    Meter meter = disk_from("2026-12-01T00:00:00Z");
    const WallTime now = utc("2026-12-15T00:00:00Z");  // 14 of the 28 days
    advance(meter, now);
    CHECK(meter.closed == Money{2'500'000'000});
    CHECK(rest_of(meter, now, utc("2027-01-01T00:00:00Z")) == Money{2'500'000'000});
    CHECK(rest_of(meter, now + hours{5}, now + hours{5}) == Money{0});
    CHECK(rest_of(meter, utc("2026-12-01T00:00:00Z"), utc("2027-01-01T00:00:00Z")) == Money{2'500'000'000});
}

TEST_CASE("an address that comes and goes fills one cap a month") {
    Meter meter = disk_from("2026-12-01T00:00:00Z", three_dollars);
    auto rows = close(meter, utc("2026-12-15T00:00:00Z"), false, Duration{0});
    CHECK(total(rows) == 1'500'000'000);
    reopen(meter, utc("2026-12-16T06:30:00Z"));
    CHECK(meter.open);
    CHECK(meter.used_in_month == hours{336});
    auto more = advance(meter, utc("2027-01-01T00:00:00Z"));
    CHECK(more.front().from == utc("2026-12-16T06:30:00Z"));
    CHECK(total(more) == 1'500'000'000);
    auto next = close(meter, utc("2027-01-02T00:00:00Z"), false, Duration{0});
    CHECK(total(next) == 107'142'857);  // a day of the new month
    reopen(meter, utc("2027-02-01T00:00:00Z"));
    CHECK(meter.used_in_month == Duration{0});
    CHECK(meter.closed == Money{3'107'142'857});
}

TEST_CASE("what bills again begins where it was counted to, at the earliest") {
    Meter meter = disk_from("2026-12-01T00:00:00Z");
    advance(meter, utc("2026-12-01T10:00:00Z"));
    close(meter, utc("2026-12-01T10:30:00Z"), false, Duration{0});
    CHECK(aborts([&] {
        Meter open = disk_from("2026-12-01T00:00:00Z");
        reopen(open, utc("2026-12-01T10:00:00Z"));
    }));
    reopen(meter, utc("2026-12-01T09:00:00Z"));
    CHECK(meter.counted_to == utc("2026-12-01T10:30:00Z"));
}

TEST_CASE("an end of an add-on in the counted past gives back what its sums say") {
    Meter meter = disk_from("2026-12-01T00:00:00Z");
    advance(meter, utc("2026-12-31T00:00:00Z"));
    CHECK(meter.closed == five_dollars);
    // 27 days: one of the 28 comes back, the other two cost nothing.
    const auto rows = close(meter, utc("2026-12-28T00:00:00Z"), false, Duration{0});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].source == CostSource::adjustment);
    CHECK(rows[0].gross == Money{-178'571'429});
    CHECK(meter.closed == Money{4'821'428'571});
    CHECK(meter.used_in_month == hours{27 * 24});
}

TEST_CASE("an end in an earlier month gives back parts of both") {
    Meter meter = disk_from("2026-11-01T00:00:00Z");
    advance(meter, utc("2026-12-08T00:00:00Z"));
    const auto rows = close(meter, utc("2026-11-15T00:00:00Z"), false, Duration{0});
    REQUIRE(rows.size() == 1);
    CHECK(meter.closed == Money{2'500'000'000});
    CHECK(meter.used_in_month == Duration{0});
}

TEST_CASE("an end that is told of at the turn of the month gives back of the month that is over") {
    Meter meter = disk_from("2026-11-01T00:00:00Z");
    advance(meter, utc("2026-12-01T00:00:00Z"));
    CHECK(meter.closed == five_dollars);
    const auto rows = close(meter, utc("2026-11-15T00:00:00Z"), false, Duration{0});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].gross == Money{-2'500'000'000});
    CHECK(meter.closed == Money{2'500'000'000});
}

TEST_CASE(
    "what goes on after an end in the counted past is a stretch of its own, and nothing comes back twice") {
    Meter meter = meter_from("2026-11-23T10:00:00Z", fifty_cents);
    advance(meter, utc("2026-11-23T12:00:00Z"));
    REQUIRE(close(meter, utc("2026-11-23T10:30:00Z"), false, Duration{0}).size() == 1);
    CHECK(meter.started == utc("2026-11-23T12:00:00Z"));
    const Money cost = meter.closed;
    meter.open = true;
    CHECK(close(meter, meter.started, false, Duration{0}).empty());
    CHECK(meter.closed == cost);
}

TEST_CASE("no more comes back than it has cost") {
    Meter meter = meter_from("2026-11-23T10:00:00Z", fifty_cents);
    advance(meter, utc("2026-11-23T12:00:00Z"));
    reprice(meter, utc("2026-11-23T12:00:00Z"), "A6000", per_hour(Rate{Money{50'000'000'000}}));
    const auto rows = close(meter, utc("2026-11-23T10:30:00Z"), false, Duration{0});
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].gross == Money{-1'000'000'000});
    CHECK(meter.closed == Money{0});
}

TEST_CASE("a flat price is spread over the month's own hours and no stop would save any of it") {
    for (const std::string_view begin :
         {"2027-02-01T00:00:00Z", "2028-02-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"}) {
        CAPTURE(begin);
        Meter meter = flat_from(begin);
        CHECK(flat(meter));
        const WallTime end = utc_month_end(utc(begin));
        const WallTime middle{(utc(begin).ms + end.ms) / 2};
        CHECK(accrued_open(meter, middle) == Money{134'500'000'000});
        CHECK(burn(meter, middle) == Money{0});
        CHECK(rest_of(meter, middle, end) == Money{134'500'000'000});
        CHECK(total(advance(meter, end)) == 269'000'000'000);
    }
    const auto rows = [] {
        Meter meter = flat_from("2026-11-01T00:00:00Z");
        return advance(meter, utc("2026-11-01T01:00:00Z"));
    }();
    CHECK(rows.at(0).rate == Rate{Money{373'611'111}});  // not unpriced
    CHECK_FALSE(flat(disk_from("2026-11-01T00:00:00Z")));
}

TEST_CASE("a disk that grows costs more from then on, towards the new cap") {
    Meter meter = disk_from("2026-12-01T00:00:00Z");
    const WallTime middle = utc("2026-12-15T00:00:00Z");
    advance(meter, middle);
    reprice(meter, middle, "block storage 100 GB",
            {.rate = std::nullopt, .monthly_cap = Money{7'000'000'000}});
    const auto rows = advance(meter, utc("2027-01-01T00:00:00Z"));
    CHECK(total(rows) == 3'500'000'000);
    CHECK(rows.front().sku == "block storage 100 GB");
    CHECK(rows.front().rate == Rate{Money{10'416'667}});
}

TEST_CASE("the end of a run is rounded up as the provider does it") {
    struct Case {
        Increment increment;
        std::string_view end;
        std::string_view billed_to;
    };
    const auto c = GENERATE(
        values<Case>({{Increment::none, "2026-11-23T10:20:30.001Z", "2026-11-23T10:20:30.001Z"},
                      {Increment::minute, "2026-11-23T10:20:30.001Z", "2026-11-23T10:21:15Z"},
                      {Increment::minute, "2026-11-23T10:21:15Z", "2026-11-23T10:21:15Z"},
                      {Increment::minute, "2026-11-23T10:21:15.001Z", "2026-11-23T10:22:15Z"},
                      {Increment::hour, "2026-11-23T09:30:16Z", "2026-11-23T10:30:15Z"},
                      {Increment::hour, "2026-11-23T12:30:15Z", "2026-11-23T12:30:15Z"},
                      {Increment::hour, "2026-11-23T12:30:15.001Z", "2026-11-23T13:30:15Z"},
                      {Increment::hour, "2026-11-23T09:30:15Z", "2026-11-23T09:30:15Z"}}));
    CAPTURE(c.end, to_string(c.increment));
    Meter meter = meter_from("2026-11-23T09:30:15Z", one_dollar);
    meter.increment = c.increment;
    Meter other = meter;
    const WallTime end = utc(c.end);
    const auto whole = cost_of(one_dollar, utc(c.billed_to) - meter.started).value();
    CHECK(accrued_open(meter, end) == whole);
    auto rows = advance(meter, end);
    const Money open = accrued_open(meter, end);
    auto last = close(meter, end, false, Duration{0});
    CHECK(meter.counted_to == std::max(utc(c.billed_to), meter.started));
    const std::int64_t all = total(rows) + total(last);
    CHECK(std::abs(all - whole.nanos) <= 3);  // half a nano a row
    CHECK(total(last) == open.nanos);
    CHECK(meter.closed.nanos == all);
    CHECK(accrued_since(other, end, end) == cost_of(one_dollar, utc(c.billed_to) - meter.started).value() -
                                                cost_of(one_dollar, end - meter.started).value());
}

TEST_CASE("the error bar of an end is that of the increments it is billed in") {
    struct Case {
        Increment increment;
        Duration ran;
        Duration bar;
        Duration stored;
    };
    const auto c = GENERATE(
        values<Case>({{Increment::none, minutes{50}, minutes{5}, minutes{5}},
                      {Increment::hour, minutes{50}, minutes{5}, minutes{0}},
                      {Increment::hour, minutes{50}, minutes{15}, minutes{60}},   // perhaps 65
                      {Increment::hour, minutes{65}, minutes{15}, minutes{60}},   // perhaps 50
                      {Increment::hour, minutes{65}, minutes{75}, minutes{130}},  // perhaps never
                      {Increment::minute, seconds{90}, seconds{10}, seconds{0}},
                      {Increment::minute, seconds{90}, seconds{40}, seconds{60}}}));
    CAPTURE(to_string(c.increment), c.ran.count(), c.bar.count());
    Meter meter = meter_from("2026-11-23T09:30:00Z", one_dollar);
    meter.increment = c.increment;
    const auto rows = close(meter, meter.started + c.ran, true, c.bar);
    REQUIRE_FALSE(rows.empty());
    CHECK(rows.back().estimated);
    CHECK(rows.back().error_bar == c.stored);
}

TEST_CASE("what of the open part lies in a period") {
    Meter meter = meter_from("2026-11-23T10:20:00Z", one_dollar);
    advance(meter, utc("2026-11-23T11:00:00Z"));
    const WallTime now = utc("2026-11-23T11:45:00Z");
    CHECK(accrued_since(meter, utc("2026-11-23T10:00:00Z"), now) == Money{750'000'000});
    CHECK(accrued_since(meter, utc("2026-11-23T11:30:00Z"), now) == Money{250'000'000});
    CHECK(accrued_since(meter, utc("2026-11-23T11:45:00Z"), now) == Money{0});
    CHECK(accrued_since(meter, utc("2026-11-23T12:00:00Z"), now) == Money{0});
    Meter disk = disk_from("2026-12-28T12:00:00Z");
    disk.used_in_month = hours{660};  // 12 h before its cap
    CHECK(accrued_since(disk, utc("2026-12-28T12:00:00Z"), utc("2027-01-01T12:00:00Z")) ==
          Money{178'571'428});  // 12 h of each month
    CHECK(accrued_since(disk, utc("2026-12-29T00:00:00Z"), utc("2026-12-31T00:00:00Z")) == Money{0});
    CHECK(accrued_since(disk, utc("2027-01-01T00:00:00Z"), utc("2027-01-01T12:00:00Z")) == Money{89'285'714});
}

TEST_CASE("burn and rest of what has a rate, none, or an end") {
    Meter meter = meter_from("2026-11-23T10:20:00Z", one_dollar);
    const WallTime now = utc("2026-11-23T10:40:00Z");
    CHECK(burn(meter, now) == Money{1'000'000'000});
    CHECK(rest_of(meter, now, now + hours{3}) == Money{3'000'000'000});
    CHECK(rest_of(meter, now, now) == Money{0});
    close(meter, now, false, Duration{0});
    CHECK(burn(meter, now) == Money{0});
    CHECK(rest_of(meter, now, now + hours{3}) == Money{0});
    CHECK(burn(meter_from("2026-11-23T10:20:00Z", std::nullopt), now) == Money{0});
    CHECK(rest_of(meter_from("2026-11-23T10:20:00Z", std::nullopt), now, now + hours{1}) == Money{0});
}

TEST_CASE("increments have words") {
    CHECK(to_string(Increment::none) == "none");
    CHECK(to_string(Increment::minute) == "minute");
    CHECK(to_string(Increment::hour) == "hour");
}

TEST_CASE("meters and sources have words") {
    CHECK(to_string(MeterKind::compute) == "compute");
    CHECK(to_string(MeterKind::storage) == "storage");
    CHECK(to_string(MeterKind::ip) == "ip");
    CHECK(to_string(MeterKind::other) == "other");
    CHECK(to_string(CostSource::own) == "own");
    CHECK(to_string(CostSource::provider) == "provider");
    CHECK(to_string(CostSource::adjustment) == "adjustment");
}
