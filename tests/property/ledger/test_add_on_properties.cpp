// I6 for what is capped: however it is looked at, taken away and given back, its rows are what the emulator's
// judge charges, to the nano. The judge shares no code with the ledger.
#include "curfew/core/ledger.hpp"
#include "emulator/billing.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr std::int64_t ms_per_hour = 3'600'000;

std::mt19937_64 generator() {
    return std::mt19937_64{static_cast<std::uint64_t>(Catch::rngSeed())};
}

std::int64_t below(std::mt19937_64& g, std::int64_t bound) {
    return static_cast<std::int64_t>(g() % static_cast<std::uint64_t>(bound));
}

/// What the judge charges for stretches that follow one another.
emulator::Nanos judged(std::int64_t cap, const std::vector<std::pair<WallTime, WallTime>>& stretches) {
    const emulator::AddOn add_on{"", cap, 0};
    std::map<emulator::Millis, emulator::Millis> used;
    emulator::Nanos total = 0;
    for (const auto& [begin, end] : stretches) {
        for (emulator::Millis from = begin.ms; from < end.ms;) {
            const emulator::Month month = emulator::month_of(from);
            const emulator::Millis to = std::min(end.ms, month.to);
            emulator::Millis& in_month = used[month.from];
            total += add_on_charge(add_on, in_month + to - from) - add_on_charge(add_on, in_month);
            in_month += to - from;
            from = to;
        }
    }
    return total;
}

std::int64_t sum(const std::vector<CostRow>& rows) {
    std::int64_t total = 0;
    for (const CostRow& row : rows) {
        REQUIRE(row.gross.nanos >= 0);
        REQUIRE(row.from < row.to);
        total += row.gross.nanos;
    }
    return total;
}

Meter any_add_on(std::mt19937_64& g) {
    // From 2027 to the end of 2028, with its 29 February.
    const WallTime start{1'798'761'600'000 + below(g, 700LL * 24 * ms_per_hour)};
    return {.resource = ResourceId{"machine"},
            .run = RunId{"disk/machine"},
            .kind = MeterKind::storage,
            .sku = "block storage 50 GB",
            .tariff = {.rate = std::nullopt, .monthly_cap = Money{below(g, 5'200'000'000'000)}},
            .started = start,
            .counted_to = start,
            .last_seen_billing = start};
}

}  // namespace

TEST_CASE("an add-on that comes and goes costs what the judge says, to the nano, whenever one looks") {
    auto g = generator();
    for (int round = 0; round < 150; ++round) {
        Meter meter = any_add_on(g);
        const std::int64_t cap = meter.tariff.monthly_cap->nanos;
        std::vector<std::pair<WallTime, WallTime>> stretches;
        std::int64_t total = 0;
        WallTime now = meter.counted_to;
        const std::int64_t times = 1 + below(g, 6);
        for (std::int64_t i = 0; i < times; ++i) {
            if (!meter.open) {
                now = now + Duration{below(g, 20 * 24 * ms_per_hour)};
                reopen(meter, now);
            }
            const WallTime begin = now;
            const std::int64_t looks = 1 + below(g, 5);
            for (std::int64_t look = 0; look < looks; ++look) {
                now = now + Duration{1 + below(g, 10 * 24 * ms_per_hour)};
                total += sum(advance(meter, now));
                stretches.emplace_back(begin, now);
                REQUIRE(total + accrued_open(meter, now).nanos == judged(cap, stretches));
                stretches.pop_back();
            }
            total += sum(close(meter, now, g() % 2 == 0, minutes{1}));
            stretches.emplace_back(begin, now);
            REQUIRE(total == judged(cap, stretches));
            REQUIRE(meter.closed.nanos == total);
        }
    }
}

TEST_CASE("any split of the time of an add-on sums to the whole, to the nano") {
    auto g = generator();
    for (int round = 0; round < 150; ++round) {
        Meter meter = any_add_on(g);
        const WallTime start = meter.counted_to;
        const WallTime end = start + Duration{1 + below(g, 120 * 24 * ms_per_hour)};
        const std::int64_t whole = rest_of(meter, start, end).nanos;
        REQUIRE(whole == judged(meter.tariff.monthly_cap->nanos, {{start, end}}));
        std::int64_t parts = 0;
        for (WallTime from = start; from < end;) {
            const WallTime to = std::min(end, from + Duration{1 + below(g, 30 * 24 * ms_per_hour)});
            parts += rest_of(meter, from, to).nanos;
            REQUIRE(accrued_since(meter, from, end).nanos == rest_of(meter, from, end).nanos);
            from = to;
        }
        REQUIRE(parts == whole);
        std::int64_t rows = 0;
        for (WallTime now = start; now < end; now = now + Duration{1 + below(g, 9 * ms_per_hour)}) {
            rows += sum(reprice(meter, now, meter.sku, meter.tariff));  // cuts anywhere
        }
        REQUIRE(rows + sum(close(meter, end, false, Duration{0})) == whole);
    }
}

TEST_CASE("a corrected end of an add-on leaves what the judge charges up to it") {
    auto g = generator();
    for (int round = 0; round < 150; ++round) {
        Meter meter = any_add_on(g);
        const WallTime start = meter.counted_to;
        std::int64_t total = sum(
            advance(meter, start + Duration{ms_per_hour + below(g, 90 * 24 * ms_per_hour)}));
        const WallTime end = start + Duration{below(g, (meter.counted_to - start).count())};
        const auto rows = close(meter, end, false, Duration{0});
        REQUIRE(rows.size() == 1);
        REQUIRE(rows[0].source == CostSource::adjustment);
        REQUIRE(rows[0].gross.nanos <= 0);
        total += rows[0].gross.nanos;
        REQUIRE(total == judged(meter.tariff.monthly_cap->nanos, {{start, end}}));
        REQUIRE(meter.closed.nanos == total);
    }
}

TEST_CASE("a run with a rate costs what the judge says, to half a nano a row, whatever the increment") {
    auto g = generator();
    for (int round = 0; round < 1'000; ++round) {
        Meter meter = any_add_on(g);
        meter.kind = MeterKind::compute;
        meter.tariff = {.rate = Rate{Money{below(g, 50'000'000'000)}}, .monthly_cap = std::nullopt};
        const std::int64_t step = round % 3 == 0 ? 1 : round % 3 == 1 ? 60'000 : ms_per_hour;
        meter.increment = round % 3 == 0   ? Increment::none
                          : round % 3 == 1 ? Increment::minute
                                           : Increment::hour;
        const WallTime start = meter.counted_to;
        const std::int64_t ran = 1 + below(g, 100 * ms_per_hour);
        const emulator::Nanos judge = emulator::charge(meter.tariff.rate->per_hour.nanos,
                                                       (ran + step - 1) / step * step);
        auto rows = advance(meter, start + Duration{ran});
        std::int64_t total = sum(rows);
        const std::int64_t shown = total + accrued_open(meter, start + Duration{ran}).nanos;
        auto last = close(meter, start + Duration{ran}, false, Duration{0});
        total += sum(last);
        const auto count = static_cast<std::int64_t>(rows.size() + last.size());
        REQUIRE(2 * std::abs(total - judge) <= count + 1);
        REQUIRE(2 * std::abs(shown - judge) <= count + 1);
        REQUIRE(meter.closed.nanos == total);
    }
}

TEST_CASE("a clock change moves what a day costs, and loses nothing") {
    for (const Zone& zone : {rome, new_york, lord_howe}) {
        for (const Zone::Transition& change : zone.transitions) {
            CAPTURE(zone.name, to_string(change.at));
            Meter meter{.resource = ResourceId{"r"},
                        .run = RunId{"r"},
                        .sku = "A4000",
                        .tariff = {.rate = Rate{Money{760'000'000}}, .monthly_cap = std::nullopt},
                        .started = change.at - hours{60},
                        .counted_to = change.at - hours{60},
                        .last_seen_billing = change.at - hours{60}};
            const auto rows = advance(meter, change.at + hours{60});
            REQUIRE(rows.size() >= 119);
            std::map<WallTime, Duration> by_day;
            std::int64_t total = 0;
            for (const CostRow& row : rows) {
                by_day[day_of(row.from, zone).from] += row.to - row.from;
                total += row.gross.nanos;
            }
            CHECK(total == cost_of(*meter.tariff.rate, meter.counted_to - meter.started)->nanos);
            const Period day = day_of(change.at, zone);
            // A row counts by its beginning, so a day that begins at half an hour gets whole rows.
            CHECK(std::chrono::abs(by_day[day.from] - (day.to - day.from)) <= minutes{30});
        }
    }
}

TEST_CASE("months of UTC follow each other without a hole, and the judge agrees") {
    for (WallTime t{0}; t.ms < 7'258'118'400'000; t = t + hours{7 * 24 + 5}) {
        const emulator::Month month = emulator::month_of(t.ms);
        REQUIRE(utc_month_begin(t).ms == month.from);
        REQUIRE(utc_month_end(t).ms == month.to);
        REQUIRE(utc_month_begin(utc_month_end(t)) == utc_month_end(t));
        REQUIRE(utc_month_end(utc_month_end(t) - Duration{1}) == utc_month_end(t));
    }
}
