#include "curfew/core/hold.hpp"

#include <catch2/catch.hpp>

#include <optional>
#include <string>
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

TEST_CASE("a lease has a price and a limit, but no quota") {
    const LeasePolicy policy;
    const Rate rate{Money{760'000'000}};
    struct Row {
        Duration asked;
        std::optional<Money> left;
        std::optional<Errc> refused;
    };
    for (const Row& row :
         {Row{hours{2}, std::nullopt, std::nullopt}, Row{hours{12}, std::nullopt, std::nullopt},
          Row{hours{12} + seconds{1}, std::nullopt, Errc::invalid},
          Row{Duration{0}, std::nullopt, Errc::invalid}, Row{hours{-1}, std::nullopt, Errc::invalid},
          Row{hours{2}, Money{1'520'000'000}, std::nullopt},
          Row{hours{2}, Money{1'519'999'999}, Errc::conflict}, Row{hours{2}, Money{-1}, Errc::conflict}}) {
        CAPTURE(row.asked.count());
        const auto offer = offer_lease(row.asked, policy, rate, row.left);
        REQUIRE(offer.has_value() == !row.refused);
        CHECK((offer || offer.error().code == *row.refused));
    }
    CHECK(offer_lease(hours{2}, policy, rate, std::nullopt)->price == Money{1'520'000'000});
    CHECK_FALSE(offer_lease(hours{1}, policy, std::nullopt, std::nullopt)->priced);
    CHECK(offer_lease(hours{1}, policy, std::nullopt, Money{1}).error().code == Errc::conflict);
    CHECK(offer_lease(hours{2}, {.max_at_once = hours{1}}, rate, std::nullopt).error().code == Errc::invalid);
    CHECK(check_job("train-7 of ana"));
    CHECK(check_job(std::string(128, 'x')));
    for (const std::string& bad :
         {std::string{}, std::string(129, 'x'), std::string{"a\nb"}, std::string{"\x7F"}}) {
        CHECK(check_job(bad).error().code == Errc::invalid);
    }
}

TEST_CASE("an exemption ends within 90 days and has a reason") {
    CHECK(check_exemption(hours{24 * 90}, "a paper"));
    CHECK(check_exemption(seconds{1}, "x"));
    CHECK(check_exemption(hours{24 * 90} + Duration{1}, "a paper").error().code == Errc::invalid);
    CHECK(check_exemption(Duration{0}, "a paper").error().code == Errc::invalid);
    CHECK(check_exemption(hours{24}, "").error().code == Errc::invalid);
    CHECK(check_exemption(hours{24}, " \t\n").error().code == Errc::invalid);
}

TEST_CASE("an exemption comes before keeps and leases, then what ends last") {
    const auto hold = [](HoldKind kind, std::int64_t until, const std::string& run) {
        return Hold{.id = HoldId{"h"},
                    .kind = kind,
                    .resource = ResourceId{"r"},
                    .run = RunId{run},
                    .from = {0},
                    .until = {until},
                    .reason = {},
                    .by = "ana",
                    .released_at = std::nullopt};
    };
    struct Row {
        std::vector<Hold> holds;
        std::optional<HoldKind> strongest;
    };
    const Hold keep = hold(HoldKind::keep, 900, "n");
    const Hold lease = hold(HoldKind::lease, 800, "n");
    const Hold exemption = hold(HoldKind::exemption, 200, "");
    const Hold ended = hold(HoldKind::exemption, 100, "");
    const Hold of_other = hold(HoldKind::keep, 950, "before");
    for (const Row& row :
         {Row{{}, std::nullopt}, Row{{keep, lease}, HoldKind::keep}, Row{{lease, keep}, HoldKind::keep},
          Row{{keep, exemption, lease}, HoldKind::exemption}, Row{{exemption, keep}, HoldKind::exemption},
          Row{{ended, lease}, HoldKind::lease}, Row{{of_other, ended}, std::nullopt},
          Row{{of_other, exemption}, HoldKind::exemption}}) {
        const Hold* strongest = strongest_hold(row.holds, ResourceId{"r"}, RunId{"n"}, {150});
        REQUIRE((strongest != nullptr) == row.strongest.has_value());
        CHECK((strongest == nullptr || strongest->kind == *row.strongest));
    }
}

TEST_CASE("a hold is in force until its end or release, also when the clock is set back before its start") {
    Hold keep{.id = HoldId{"1"},
              .resource = ResourceId{"r"},
              .run = RunId{"n"},
              .from = {100},
              .until = {200},
              .reason = {},
              .by = "ana",
              .released_at = std::nullopt};
    CHECK(keep.in_force({99}));
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
