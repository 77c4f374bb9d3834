// Prices as data: what holds when, whose word wins, and what a fault is called.
#include "curfew/core/price_book.hpp"
#include "support/zones.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace curfew;
using test::utc;

namespace {

constexpr std::string_view head = "machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n";
constexpr std::string_view add_on_head = "kind,gb,usd_per_month,usd_per_hour,as_of,note\n";

PriceBook book(std::string_view rows) {
    return PriceBook::parse_csv(std::string{head} + std::string{rows}, "prices.csv").value();
}

std::string fault(std::string_view text) {
    const auto read = PriceBook::parse_csv(text, "prices.csv");
    return read ? "" : to_string(read.error());
}

std::string add_on_fault(std::string_view rows) {
    PriceBook prices;
    const auto read = prices.read_add_ons(std::string{add_on_head} + std::string{rows}, "add-ons.csv");
    return read ? "" : to_string(read.error());
}

std::int64_t rate(const PriceBook& prices, std::string_view type, std::string_view at) {
    const Price* price = prices.find(type, utc(at));
    return price == nullptr ? -1 : price->rate.per_hour.nanos;
}

std::string shipped(const std::string& name) {
    std::ifstream file(std::string{std::getenv("CURFEW_SOURCE")} + "/config/prices/" + name);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

PriceBook shipped_book() {
    auto prices = PriceBook::parse_csv(shipped("paperspace.csv"), "paperspace.csv").value();
    REQUIRE(prices.read_add_ons(shipped("paperspace-add-ons.csv"), "paperspace-add-ons.csv"));
    return prices;
}

constexpr std::int64_t gb = std::int64_t{1} << 30;
const WallTime now = utc("2026-11-23T10:00:00Z");

}  // namespace

TEST_CASE("rows of one type with different dates are its price over time") {
    const PriceBook prices = book(
        "A4000,0.90,1,A4000,16,2026-12-01T06:30:00Z,\n"
        "A4000,0.76,1,A4000,16,2025-11-14,\n"
        "A4000,0.70,1,A4000,16,2024,\n");
    CHECK(rate(prices, "A4000", "2020-01-01T00:00:00Z") == 700'000'000);  // before all: the oldest
    CHECK(rate(prices, "A4000", "2025-11-13T23:59:59.999Z") == 700'000'000);
    CHECK(rate(prices, "A4000", "2025-11-14T00:00:00Z") == 760'000'000);
    CHECK(rate(prices, "A4000", "2026-12-01T06:29:59.999Z") == 760'000'000);
    CHECK(rate(prices, "A4000", "2026-12-01T06:30:00Z") == 900'000'000);
    CHECK(prices.rows().at("A4000").rate.per_hour.nanos == 900'000'000);
    CHECK(prices.changes("A4000", utc("2025-11-14T00:00:00Z"), utc("2026-12-01T06:30:00Z")) ==
          std::vector{utc("2026-12-01T06:30:00Z")});
    CHECK(prices.changes("A4000", WallTime{}, utc("2026-12-01T06:29:00Z")) ==
          std::vector{utc("2024-01-01T00:00:00Z"), utc("2025-11-14T00:00:00Z")});
    CHECK(prices.changes("A5000", WallTime{}, now).empty());
}

TEST_CASE("the user's rows win from their date on; before it the shipped table holds") {
    PriceBook prices = book("A4000,0.76,1,A4000,16,2025-11-14,\nC3,0.018,0,,0,2025-11-14,\n");
    prices.merge(book("A4000,0.50,1,A4000,16,2026-06-01,ours\nNew,2,1,X,1,2026-06-01,\nC3,0.01,0,,0,,\n"));
    CHECK(rate(prices, "A4000", "2026-05-31T23:00:00Z") == 760'000'000);
    CHECK_FALSE(prices.find("A4000", utc("2026-05-31T23:00:00Z"))->override_of_user);
    CHECK(rate(prices, "A4000", "2026-06-01T00:00:00Z") == 500'000'000);
    CHECK(prices.find("A4000", now)->override_of_user);
    CHECK(prices.find("A4000", now)->note == "ours");
    // A row of the user's is older than none: it wins although the shipped one is dated later.
    CHECK(rate(prices, "C3", "2026-06-01T00:00:00Z") == 10'000'000);
    // What only the user knows holds before its date as well: a price is better than none.
    CHECK(rate(prices, "New", "2026-01-01T00:00:00Z") == 2'000'000'000);
    CHECK(prices.rows().at("A4000").rate.per_hour.nanos == 500'000'000);
}

TEST_CASE("free types cost 0, several GPUs have their own row, and what is unknown has no price") {
    const PriceBook prices = shipped_book();
    CHECK(rate(prices, "Free-A4000", "2026-11-23T10:00:00Z") == 0);
    CHECK(rate(prices, "Free-Never-Heard-Of", "2026-11-23T10:00:00Z") == 0);
    CHECK(prices.find("Never-Heard-Of", now) == nullptr);
    CHECK(rate(prices, "A4000x2", "2026-11-23T10:00:00Z") == 1'520'000'000);
    CHECK(rate(prices, "A100-80Gx8", "2026-11-23T10:00:00Z") ==
          8 * rate(prices, "A100-80G", "2026-11-23T10:00:00Z"));
    CHECK(prices.find("A100-80Gx8", now)->gpus == 8);
}

TEST_CASE("the smallest step that holds an add-on is its price; what lies between unknown steps has none") {
    const PriceBook prices = shipped_book();
    struct Case {
        AddOnKind kind;
        std::int64_t bytes;
        std::string_view sku;
        std::int64_t cap;  // -1 = unpriced
    };
    for (const Case& c : std::vector<Case>{
             {AddOnKind::block_storage, 1, "block storage 50 GB", 5'000'000'000},
             {AddOnKind::block_storage, 50 * gb, "block storage 50 GB", 5'000'000'000},
             {AddOnKind::block_storage, 50 * gb + 1, "block storage 100 GB", 7'000'000'000},
             {AddOnKind::block_storage, 300 * gb, "block storage 500 GB", 25'000'000'000},
             {AddOnKind::block_storage, 1000 * gb, "block storage 1024 GB", 55'000'000'000},
             {AddOnKind::block_storage, 2000 * gb, "block storage 2048 GB", 120'000'000'000},
             {AddOnKind::block_storage, 4000 * gb, "block storage 4000 GB", -1},
             {AddOnKind::public_ip, 0, "public IP", 3'000'000'000},
             {AddOnKind::snapshot, 20 * gb, "snapshot 50 GB", 1'000'000'000},
             {AddOnKind::snapshot, 51 * gb, "snapshot 51 GB", -1},
             {AddOnKind::snapshot, 2000 * gb, "snapshot 2048 GB", 8'000'000'000},
             {AddOnKind::shared_drive, 250 * gb, "shared drive 250 GB", 16'000'000'000},
             {AddOnKind::shared_drive, 500 * gb, "shared drive 500 GB", -1},
             {AddOnKind::shared_drive, 80'000 * gb, "shared drive 81920 GB", 5'200'000'000'000},
             {AddOnKind::template_image, 50 * gb, "template 50 GB", 3'500'000'000},
             {AddOnKind::private_network, 0, "private network", 1'000'000'000},
             {AddOnKind::overage, 10'000'000'000, "storage above the plan", 2'900'000'000},
             {AddOnKind::overage, 500'000'000, "storage above the plan", 145'000'000},
             {AddOnKind::overage, 0, "storage above the plan", 0},
             {AddOnKind::overage, -1, "storage above the plan", -1},
             {AddOnKind::overage, std::numeric_limits<std::int64_t>::max(), "storage above the plan", -1},
             {AddOnKind::block_storage, std::numeric_limits<std::int64_t>::max(),
              "block storage 8589934592 GB", -1}}) {
        CAPTURE(c.sku, c.bytes);
        const AddOnPrice price = prices.find(c.kind, c.bytes, now);
        CHECK(price.sku == c.sku);
        CHECK(price.tariff.priced() == (c.cap >= 0));
        CHECK((price.tariff.monthly_cap ? price.tariff.monthly_cap->nanos : -1) == c.cap);
    }
    CHECK(prices.find(AddOnKind::public_ip, 0, now).tariff.rate == Rate{Money{4'500'000}});
    CHECK(prices.find(AddOnKind::public_ip, 0, now).as_of == "2025-11-14");
    CHECK_FALSE(PriceBook{}.find(AddOnKind::public_ip, 0, now).tariff.priced());
}

TEST_CASE("every printed rate of an add-on is its cap over 672 hours") {
    const PriceBook prices = shipped_book();
    for (const auto& [kind, size] :
         std::vector<std::pair<AddOnKind, std::int64_t>>{{AddOnKind::block_storage, 50},
                                                         {AddOnKind::block_storage, 100},
                                                         {AddOnKind::block_storage, 250},
                                                         {AddOnKind::block_storage, 500},
                                                         {AddOnKind::block_storage, 1000},
                                                         {AddOnKind::block_storage, 2000},
                                                         {AddOnKind::snapshot, 50},
                                                         {AddOnKind::snapshot, 2000},
                                                         {AddOnKind::shared_drive, 250},
                                                         {AddOnKind::shared_drive, 2000},
                                                         {AddOnKind::shared_drive, 80'000},
                                                         {AddOnKind::template_image, 50},
                                                         {AddOnKind::template_image, 2000},
                                                         {AddOnKind::public_ip, 0},
                                                         {AddOnKind::private_network, 0}}) {
        const AddOnPrice price = prices.find(kind, size * gb, now);
        CAPTURE(price.sku);
        REQUIRE(price.tariff.rate);
        const std::int64_t off = price.tariff.monthly_cap->nanos - price.tariff.rate->per_hour.nanos * 672;
        CHECK(std::abs(off) <= 672 * 50'000);  // printed with four digits
    }
}

TEST_CASE("the user's add-on prices win step by step, from their date on") {
    PriceBook prices = shipped_book();
    PriceBook own;
    REQUIRE(own.read_add_ons(std::string{add_on_head} + "public_ip,,2.00,,2026-06-01,\n"
                                                        "snapshot,500,3.00,,,\noverage,,0.25,,,\n",
                             "own.csv"));
    prices.merge(own);
    CHECK(prices.find(AddOnKind::public_ip, 0, utc("2026-05-31T00:00:00Z")).tariff.monthly_cap ==
          Money{3'000'000'000});
    CHECK(prices.find(AddOnKind::public_ip, 0, now).tariff.monthly_cap == Money{2'000'000'000});
    CHECK(prices.find(AddOnKind::public_ip, 0, now).override_of_user);
    CHECK(prices.changes(AddOnKind::public_ip, utc("2026-01-01T00:00:00Z"), now) ==
          std::vector{utc("2026-06-01T00:00:00Z")});
    CHECK(prices.find(AddOnKind::snapshot, 200 * gb, now).tariff.monthly_cap == Money{3'000'000'000});
    CHECK_FALSE(prices.find(AddOnKind::snapshot, 600 * gb, now).tariff.priced());
    CHECK(prices.find(AddOnKind::overage, 4'000'000'000, now).tariff.monthly_cap == Money{1'000'000'000});
}

TEST_CASE("faults of a price file name the file and the line") {
    const std::string h{head};
    CHECK(fault("") == "prices.csv: no header");
    CHECK(fault("a,b\n") == "prices.csv:1: expected the header \"" + h.substr(0, h.size() - 1) + "\"");
    CHECK(fault("# x\n" + h + ",1,,,,,\n") == "prices.csv:3: a row without a machine type");
    CHECK(fault(h + "\"A4000\",1,,,,,\n") ==
          "prices.csv:2: this format has no quotes: write the row without them");
    CHECK(fault(h + "A,1,,,,,\"a note, with quotes\"\n").empty());
    CHECK(fault(h + "A,x,,,,,\n") == "prices.csv:2: not an amount: \"x\"");
    CHECK(fault(h + "A,-1,,,,,\n") == "prices.csv:2: a price must be between 0 and 1000 $/h");
    CHECK(fault(h + "A,1000.01,,,,,\n") == "prices.csv:2: a price must be between 0 and 1000 $/h");
    CHECK(fault(h + "A,1,65,,,,\n") == "prices.csv:2: the number of GPUs is not a number from 0 to 64");
    CHECK(fault(h + "A,1,1,,,yesterday,\n") ==
          "prices.csv:2: as_of must be a date, a year or a time with its zone, not \"yesterday\"");
    CHECK(fault(h + "A,1,1,,,2026-02-29,\n") ==
          "prices.csv:2: as_of must be a date, a year or a time with its zone, not \"2026-02-29\"");
    CHECK(fault(h + "A,1,1,,,2026-02-28T10:00:00,\n") ==
          "prices.csv:2: as_of must be a date, a year or a time with its zone, not \"2026-02-28T10:00:00\"");
    CHECK(fault(h + "A,1,1,,,2026,\nA,2,1,,,2026-01-01,\n") ==
          "prices.csv:3: this machine type has a row already");
    CHECK(fault(h + "A,1,1,,,2026,\r\n\nA,2,1,,,2026-01-02,a, note, with commas\n").empty());
}

TEST_CASE("faults of a file of add-on prices name the file and the line") {
    CHECK(add_on_fault("disk,50,1,,,\n") == "add-ons.csv:2: no kind of add-on: \"disk\"");
    CHECK(add_on_fault("\"snapshot\",50,1,,,\n") ==
          "add-ons.csv:2: this format has no quotes: write the row without them");
    CHECK(add_on_fault("snapshot,,1,,,\n") == "add-ons.csv:2: gb is not a number from 1 to 1000000");
    CHECK(add_on_fault("snapshot,0,1,,,\n") == "add-ons.csv:2: gb is not a number from 1 to 1000000");
    CHECK(add_on_fault("public_ip,5,1,,,\n") ==
          "add-ons.csv:2: the price of public_ip is of any size: gb must be empty");
    CHECK(add_on_fault("snapshot,5,-1,,,\n") ==
          "add-ons.csv:2: a price must be between 0 and 100000 $/month");
    CHECK(add_on_fault("snapshot,5,1,2000,,\n") == "add-ons.csv:2: a price must be between 0 and 1000 $/h");
    CHECK(add_on_fault("overage,,101,,,\n") == "add-ons.csv:2: a price must be between 0 and 100 $/month");
    CHECK(add_on_fault("snapshot,5,1,,never,\n") ==
          "add-ons.csv:2: as_of must be a date, a year or a time with its zone, not \"never\"");
    CHECK(add_on_fault("snapshot,5,1,,,\nsnapshot,5,2,,,\n") == "add-ons.csv:3: this size has a row already");
    CHECK(add_on_fault("snapshot,5,1,,2025,\nsnapshot,5,2,,2026,\n").empty());
    PriceBook prices;
    const auto read = prices.read_add_ons(head, "add-ons.csv");
    REQUIRE_FALSE(read);
    CHECK(to_string(read.error()) ==
          "add-ons.csv:1: expected the header \"kind,gb,usd_per_month,usd_per_hour,as_of,note\"");
}
