#include "curfew/core/credit.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <string>
#include <vector>

using namespace curfew;
using namespace curfew::test;

namespace {

constexpr Currency eur{{'E', 'U', 'R'}};
constexpr std::int64_t nanos_max = std::numeric_limits<std::int64_t>::max();
const AccountName me{"me"};
const AccountName team{"team-a"};
const WallTime begin = utc("2026-11-01T00:00:00Z");

Money cents(std::int64_t c) {
    return Money{c * nanos_per_unit / 100};
}
WallTime day(int n) {
    return begin + hours{24} * (n - 1);
}
Credit credit(std::string name, std::int64_t c, int until, std::vector<std::string> accounts = {}) {
    return {.name = std::move(name),
            .amount = cents(c),
            .accounts = std::move(accounts),
            .from = begin,
            .until = day(until)};
}
CreditReport applied(const std::vector<Credit>& credits, std::vector<Charge> charges, WallTime now) {
    auto report = apply_credits(credits, std::move(charges), now, begin, day(31));
    REQUIRE(report);
    return *report;
}
PriceBook prices() {
    return PriceBook::parse_csv(
               "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n"
               "C3,0.018,0,,0,2025-11-14,\nC3,0.5,0,,0,2027-01-01,from then on\nP4000,0.51,1,Quadro "
               "P4000,8,2025-11-14,\n"
               "A4000,0.76,1,RTX A4000,16,2025-11-14,\nH100x8,47.60,8,H100,80,2025-11-14,\n"
               "Free-GPU,0,1,M4000,8,2025-11-14,\n",
               "prices")
        .value();
}

}  // namespace

TEST_CASE("the credit that ends first pays first") {
    const auto report = applied({credit("late", 1000, 30), credit("soon", 500, 10)},
                                {{me, day(2), cents(300)}, {me, day(3), cents(400)}}, day(4));
    REQUIRE(report.credits.size() == 2);
    CHECK(report.credits[0].credit.name == "soon");
    CHECK(report.credits[0].used == cents(500));
    CHECK(report.credits[0].left == cents(0));
    CHECK(report.credits[0].state == CreditState::used_up);
    CHECK(report.credits[1].used == cents(200));
    CHECK(report.credits[1].left == cents(800));
    CHECK(report.credits[1].state == CreditState::usable);
    CHECK(report.gross == cents(700));
    CHECK(report.net == cents(0));
}

TEST_CASE("a credit pays nothing before, at or after its ends, and what is left expires") {
    Credit c = credit("promo", 1500, 10);
    c.from = day(5);
    const std::vector<Charge> charges{{me, day(5) - Duration{1}, cents(100)},
                                      {me, day(5), cents(200)},
                                      {me, day(10) - Duration{1}, cents(300)},
                                      {me, day(10), cents(400)}};
    auto report = applied({c}, charges, day(20));
    CHECK(report.credits[0].used == cents(500));
    CHECK(report.credits[0].left == cents(0));
    CHECK(report.credits[0].expired == cents(1000));
    CHECK(report.credits[0].state == CreditState::expired);
    CHECK(report.gross == cents(1000));
    CHECK(report.net == cents(500));

    report = applied({c}, charges, day(4));  // what is charged later is not charged yet
    CHECK(report.credits[0].state == CreditState::pending);
    CHECK(report.credits[0].left == cents(1500));
    CHECK(report.gross == cents(0));
}

TEST_CASE("globs say whose charges a credit covers") {
    const auto report = applied(
        {credit("team", 1000, 30, {"team-*"}), credit("other", 1000, 29, {"x", "y?"})},
        {{me, day(2), cents(100)}, {team, day(2), cents(300)}}, day(3));
    CHECK(report.credits[0].used == cents(0));
    CHECK(report.credits[1].used == cents(300));
    CHECK(report.net == cents(100));
}

TEST_CASE("net and gross are those of the interval, used is that of all time") {
    const auto report = apply_credits(
        std::vector{credit("promo", 500, 30)},
        {{me, day(2), cents(400)}, {me, day(12), cents(400)}, {me, day(22), cents(50)}}, day(25), day(11),
        day(21));
    REQUIRE(report);
    CHECK(report->credits[0].used == cents(500));
    CHECK(report->gross == cents(400));
    CHECK(report->net == cents(300));
}

TEST_CASE("the order of the charges as handed in decides nothing, and corrections fill no credit") {
    const std::vector<Charge> a{
        {me, day(2), cents(400)}, {me, day(3), cents(-100)}, {team, day(3), cents(200)}};
    const std::vector<Charge> b{a[2], a[1], a[0]};
    for (const auto& charges : {a, b}) {
        const auto report = applied({credit("promo", 500, 30)}, charges, day(25));
        CHECK(report.credits[0].used == cents(500));
        CHECK(report.gross == cents(500));
        CHECK(report.net == cents(0));  // 600 charged, 500 paid, 100 given back
    }
}

TEST_CASE("without credits net is gross") {
    const auto report = applied({}, {{me, day(2), Money{7, eur}}}, day(25));
    CHECK(report.gross == Money{7, eur});
    CHECK(report.net == Money{7, eur});
    CHECK(applied({}, {}, day(2)).net == Money{});
}

TEST_CASE("wrong credits and sums are refused by name") {
    const auto refused = [](std::vector<Credit> credits, std::vector<Charge> charges = {}) {
        const auto report = apply_credits(credits, std::move(charges), day(3), begin, day(31));
        REQUIRE_FALSE(report);
        return report.error();
    };
    CHECK(refused({credit("", 1, 2)}).code == Errc::invalid);
    CHECK(refused({credit("a", 0, 2)}).where == "a");
    CHECK(refused({credit("a", -5, 2)}).code == Errc::invalid);
    CHECK(refused({credit("a", 5, 1)}).text == "a credit ends after it begins");
    CHECK(refused({credit("a", 5, 2), credit("a", 6, 2)}).text == "there is another credit of this name");
    CHECK(refused({credit("a", 5, 2)}, {{me, day(2), Money{1, eur}}}).code == Errc::invalid);
    CHECK(refused({}, {{me, day(2), Money{nanos_max}}, {me, day(2), Money{nanos_max}}}).code ==
          Errc::too_large);
}

TEST_CASE("the runway is whole hours on every type that can still be paid, what runs first") {
    const auto report = applied({credit("promo", 612, 31)}, {}, day(2));
    const std::vector<std::string> recent{"P4000", "A4000"};
    CreditRunway found = runway(report, me, day(2), prices(), recent);
    REQUIRE(found.runways.size() == 3);  // not the H100s, not what is free
    CHECK(to_string(found, 3) == "$6.12 left: 12 h on P4000, 8 h on A4000, 340 h on C3");
    CHECK(to_string(found, 1) == "$6.12 left: 12 h on P4000");
    found = runway(report, me, day(2), prices(), {});
    CHECK(to_string(found, 9) == "$6.12 left: 8 h on A4000, 12 h on P4000, 340 h on C3");
}

TEST_CASE("no credit pays beyond its end") {
    // 500 h on C3 each; the first ends in two days, the second in four.
    const auto report = applied({credit("a", 900, 4), credit("b", 900, 6)}, {}, day(2));
    const auto found = runway(report, me, day(2), prices(), std::vector<std::string>{"C3"});
    CHECK(found.left == cents(1800));
    CHECK(found.runways[0].hours == 96);
    CHECK(found.runways[1].machine_type == "A4000");
    CHECK(found.runways[1].hours == 23);  // 18.00 / 0.76
}

TEST_CASE("only what is usable on the account makes a runway") {
    Credit later = credit("later", 5000, 30);
    later.from = day(20);
    const auto report = applied({credit("team", 1000, 30, {"team-*"}), later, credit("old", 700, 2)}, {},
                                day(3));
    CHECK(to_string(runway(report, me, day(3), prices(), {}), 3) == "no credit left");
    CHECK(runway(report, team, day(3), prices(), {}).left == cents(1000));
    const auto little = applied({credit("promo", 1, 30)}, {}, day(2));
    CHECK(to_string(runway(little, me, day(2), prices(), {}), 3) ==
          "$0.01 left: less than an hour on any type");
    const auto much = applied(
        {{.name = "a", .amount = Money{nanos_max}, .accounts = {}, .from = begin, .until = day(30)},
         {.name = "b", .amount = Money{nanos_max}, .accounts = {}, .from = begin, .until = day(31)}},
        {}, day(2));
    CHECK(runway(much, me, day(2), prices(), {}).runways[0].hours == 29 * 24);
}
