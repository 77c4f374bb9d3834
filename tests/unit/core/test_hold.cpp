#include "curfew/core/hold.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace curfew;

TEST_CASE("a keep has a price, limits, and does not break a hard budget") {
    const KeepPolicy policy;
    const Rate rate{Money{760'000'000}};
    const auto offer = offer_keep(hours{2}, Duration{0}, policy, rate, std::nullopt);
    REQUIRE(offer);
    CHECK(offer->price == Money{1'520'000'000});
    CHECK(offer_keep(Duration{0}, Duration{0}, policy, rate, std::nullopt).error().code == Errc::invalid);
    CHECK(offer_keep(hours{13}, Duration{0}, policy, rate, std::nullopt).error().code == Errc::invalid);
    CHECK(offer_keep(hours{12}, Duration{0}, policy, rate, std::nullopt));
    CHECK(offer_keep(hours{3}, hours{46}, policy, rate, std::nullopt).error().code == Errc::invalid);
    CHECK(offer_keep(hours{2}, hours{46}, policy, rate, std::nullopt));
    CHECK(offer_keep(hours{2}, Duration{0}, policy, rate, Money{1'520'000'000}));
    CHECK(offer_keep(hours{2}, Duration{0}, policy, rate, Money{1'519'999'999}).error().code ==
          Errc::conflict);
    CHECK(offer_keep(hours{2}, Duration{0}, policy, rate, Money{-1}).error().code == Errc::conflict);
    CHECK_FALSE(offer_keep(hours{1}, Duration{0}, policy, std::nullopt, std::nullopt)->priced);
    CHECK(offer_keep(hours{1}, Duration{0}, policy, std::nullopt, Money{1}).error().code == Errc::conflict);
}

TEST_CASE("a hold is in force from its start until its end or release") {
    Hold keep{.id = HoldId{"1"},
              .resource = ResourceId{"r"},
              .run = RunId{"n"},
              .from = {100},
              .until = {200},
              .reason = {},
              .by = "ana",
              .released_at = std::nullopt};
    CHECK_FALSE(keep.in_force({99}));
    CHECK(keep.in_force({100}));
    CHECK_FALSE(keep.in_force({200}));
    Hold longer = keep;
    longer.until = {300};
    const std::vector<Hold> both{keep, longer};
    CHECK(strongest_hold(both, ResourceId{"r"}, RunId{"n"}, {150})->until == WallTime{300});
    CHECK(strongest_hold(both, ResourceId{"r"}, RunId{"other run"}, {150}) == nullptr);
    CHECK(strongest_hold(both, ResourceId{"other"}, RunId{"n"}, {150}) == nullptr);
    keep.released_at = WallTime{120};
    CHECK_FALSE(keep.in_force({150}));
    CHECK(to_string(HoldKind::exemption) == "exemption");
    CHECK(to_string(HoldKind::lease) == "lease");
}
