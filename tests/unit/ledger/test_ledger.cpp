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

Meter meter_from(std::string_view from, std::optional<Rate> rate = fifty_cents) {
    return {.resource = ResourceId{"res"},
            .run = RunId{"run"},
            .machine_type = "A4000",
            .rate = rate,
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
        CHECK(row.machine_type == "A4000");
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
    const auto rows = reprice(meter, utc("2026-11-23T11:30:00Z"), "A6000", one_dollar);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].to == utc("2026-11-23T11:00:00Z"));
    CHECK(rows[1].to == utc("2026-11-23T11:30:00Z"));
    CHECK(rows[1].machine_type == "A4000");
    CHECK(total(rows) == 750'000'000);

    const auto later = advance(meter, utc("2026-11-23T12:00:00Z"));
    REQUIRE(later.size() == 1);
    CHECK(later[0].from == utc("2026-11-23T11:30:00Z"));
    CHECK(later[0].machine_type == "A6000");
    CHECK(later[0].rate == one_dollar);
    CHECK(later[0].gross == Money{500'000'000});
}

TEST_CASE("a price change in the closed past holds from now on only") {
    Meter meter = meter_from("2026-11-23T12:00:00Z");
    CHECK(reprice(meter, utc("2026-11-23T11:00:00Z"), "A4000", one_dollar).empty());
    CHECK(meter.counted_to == utc("2026-11-23T12:00:00Z"));
    CHECK(meter.rate == one_dollar);
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
    CHECK(close(meter, utc("2026-11-23T10:00:00Z"), true, minutes{5}).empty());
    CHECK_FALSE(meter.open);
}

TEST_CASE("a closed meter is not used again") {
    Meter meter = meter_from("2026-11-23T10:00:00Z");
    close(meter, utc("2026-11-23T10:30:00Z"), false, Duration{0});
    const WallTime later = utc("2026-11-23T18:00:00Z");
    CHECK(accrued_open(meter, later) == Money{});
    CHECK(aborts([&] { static_cast<void>(advance(meter, later)); }));
    CHECK(aborts([&] { static_cast<void>(reprice(meter, later, "A6000", one_dollar)); }));
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

TEST_CASE("meters and sources have words") {
    CHECK(to_string(MeterKind::compute) == "compute");
    CHECK(to_string(MeterKind::storage) == "storage");
    CHECK(to_string(MeterKind::ip) == "ip");
    CHECK(to_string(MeterKind::other) == "other");
    CHECK(to_string(CostSource::own) == "own");
    CHECK(to_string(CostSource::provider) == "provider");
    CHECK(to_string(CostSource::adjustment) == "adjustment");
}
