// I6: however often and whenever one looks, the rows cover the run once and sum to its cost.
#include "curfew/core/ledger.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

using namespace curfew;

namespace {

__extension__ typedef __int128 Wide;

constexpr std::int64_t ms_per_hour = 3'600'000;

std::mt19937_64 generator() {
    return std::mt19937_64{static_cast<std::uint64_t>(Catch::rngSeed())};
}

std::int64_t below(std::mt19937_64& g, std::int64_t bound) {
    return static_cast<std::int64_t>(g() % static_cast<std::uint64_t>(bound));
}

/// A stretch at one price: the truth that the rows are compared with.
struct Stretch {
    WallTime from;
    WallTime to;
    std::int64_t per_hour;
};

/// |rows − truth| in half-nanos × ms per hour: exact, without a division.
bool within_half_a_nano_per_row(const std::vector<CostRow>& rows, const std::vector<Stretch>& truth) {
    Wide off = 0;
    for (const CostRow& row : rows) {
        off += Wide{row.gross.nanos} * ms_per_hour;
    }
    for (const Stretch& stretch : truth) {
        off -= Wide{stretch.per_hour} * (stretch.to - stretch.from).count();
    }
    const Wide bound = Wide{static_cast<std::int64_t>(rows.size())} * ms_per_hour;
    return 2 * off <= bound && -2 * off <= bound;
}

bool is_chain(const std::vector<CostRow>& rows, WallTime from, WallTime to) {
    for (const CostRow& row : rows) {
        const bool only_a_bar = row.source == CostSource::adjustment && row.estimated && row.from == row.to &&
                                row.gross == Money{};
        if (only_a_bar) {
            continue;
        }
        const bool fits = row.from == from && row.from < row.to && row.to - row.from <= hours{1} &&
                          row.from.ms / ms_per_hour == (row.to.ms - 1) / ms_per_hour;
        if (!fits) {
            return false;
        }
        from = row.to;
    }
    return from == to;
}

void append(std::vector<CostRow>& rows, std::vector<CostRow> more) {
    for (CostRow& row : more) {
        rows.push_back(std::move(row));
    }
}

Meter any_meter(std::mt19937_64& g) {
    const WallTime start{1'790'000'000'000 + below(g, 10'000'000'000)};
    return {.resource = ResourceId{"res"},
            .run = RunId{"run"},
            .sku = "A4000",
            .tariff = {.rate = Rate{Money{below(g, 1'000'000'000'000)}}, .monthly_cap = std::nullopt},
            .started = start,
            .counted_to = start,
            .last_seen_billing = start};
}

}  // namespace

TEST_CASE("any sequence of looks and price changes sums to the whole") {
    auto g = generator();
    for (int round = 0; round < 3'000; ++round) {
        Meter meter = any_meter(g);
        const WallTime start = meter.counted_to;
        std::vector<CostRow> rows;
        std::vector<Stretch> truth{{start, start, meter.tariff.rate->per_hour.nanos}};
        WallTime now = start;
        const auto looks = 1 + below(g, 60);
        for (std::int64_t i = 0; i < looks; ++i) {
            now = now + Duration{1 + below(g, ms_per_hour) * (g() % 8 == 0 ? 9 : 1)};
            append(rows, advance(meter, now));
            if (g() % 6 == 0) {
                const Rate next{Money{below(g, 1'000'000'000'000)}};
                append(rows, reprice(meter, now, "A6000", {.rate = next, .monthly_cap = std::nullopt}));
                truth.back().to = now;
                truth.push_back({now, now, next.per_hour.nanos});
            }
            REQUIRE(meter.counted_to <= now);
        }
        truth.back().to = now;
        append(rows, close(meter, now, g() % 2 == 0, minutes{1}));
        REQUIRE(is_chain(rows, start, now));
        REQUIRE(within_half_a_nano_per_row(rows, truth));
    }
}

TEST_CASE("the open part and the closed rows are the whole at every moment") {
    auto g = generator();
    for (int round = 0; round < 3'000; ++round) {
        Meter meter = any_meter(g);
        const WallTime start = meter.counted_to;
        const std::int64_t per_hour = meter.tariff.rate->per_hour.nanos;
        std::vector<CostRow> rows;
        WallTime now = start;
        for (int i = 0; i < 20; ++i) {
            now = now + Duration{below(g, 2 * ms_per_hour)};
            append(rows, advance(meter, now));
            std::vector<CostRow> shown = rows;
            CostRow open;
            open.gross = accrued_open(meter, now);
            shown.push_back(open);
            REQUIRE(within_half_a_nano_per_row(shown, {{start, now, per_hour}}));
        }
    }
}

TEST_CASE("how often one looks changes nothing") {
    auto g = generator();
    for (int round = 0; round < 2'000; ++round) {
        Meter often = any_meter(g);
        Meter once = often;
        const WallTime end = often.counted_to + Duration{below(g, 40 * ms_per_hour)};
        std::vector<CostRow> many;
        for (WallTime now = often.counted_to; now < end; now = now + Duration{1 + below(g, ms_per_hour)}) {
            append(many, advance(often, now));
        }
        append(many, close(often, end, false, Duration{0}));
        const auto few = close(once, end, false, Duration{0});
        REQUIRE(many.size() == few.size());
        for (std::size_t i = 0; i < few.size(); ++i) {
            REQUIRE(many[i].from == few[i].from);
            REQUIRE(many[i].to == few[i].to);
            REQUIRE(many[i].gross == few[i].gross);
        }
    }
}

TEST_CASE("a corrected end leaves the cost of what really ran") {
    auto g = generator();
    for (int round = 0; round < 3'000; ++round) {
        Meter meter = any_meter(g);
        const WallTime start = meter.counted_to;
        const std::int64_t per_hour = meter.tariff.rate->per_hour.nanos;
        auto rows = advance(meter, start + Duration{ms_per_hour + below(g, 30 * ms_per_hour)});
        const WallTime end = start + Duration{below(g, (meter.counted_to - start).count())};
        append(rows, close(meter, end, false, Duration{0}));
        REQUIRE(rows.back().source == CostSource::adjustment);
        REQUIRE(rows.back().gross.nanos <= 0);
        REQUIRE(within_half_a_nano_per_row(rows, {{start, end, per_hour}}));
    }
}

TEST_CASE("a meter without a price counts the same time at no cost") {
    auto g = generator();
    for (int round = 0; round < 500; ++round) {
        Meter meter = any_meter(g);
        meter.tariff.rate.reset();
        const WallTime start = meter.counted_to;
        const WallTime end = start + Duration{1 + below(g, 20 * ms_per_hour)};
        auto rows = advance(meter, end);
        append(rows, close(meter, end, false, Duration{0}));
        REQUIRE(is_chain(rows, start, end));
        for (const CostRow& row : rows) {
            REQUIRE(row.gross == Money{});
            REQUIRE_FALSE(row.rate);
        }
    }
}
