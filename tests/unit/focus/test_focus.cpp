// A ledger row in the columns of FOCUS 1.2: names and order, each value, and how the columns balance.
#include "curfew/core/focus.hpp"
#include "curfew/core/price_book.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

using namespace curfew;

namespace {

WallTime utc(std::string_view text) {
    return parse_wall_time(text).value();
}

CostRow row_of(std::string_view sku, std::int64_t nanos_per_hour, Duration length) {
    const Rate rate{Money{nanos_per_hour}};
    return {.resource = ResourceId{"r7abc"},
            .run = RunId{"n1abc"},
            .from = utc("2026-11-23T10:00:00Z"),
            .to = utc("2026-11-23T10:00:00Z") + length,
            .sku = std::string{sku},
            .rate = rate,
            .gross = cost_of(rate, length).value(),
            .rule = "night"};
}

FocusSubject notebook() {
    return {.account = AccountName{"me"},
            .name = "diffusion",
            .project = "p1",
            .tags = {},
            .gpus = 1,
            .quiet = {}};
}

using Named = std::map<std::string, std::optional<std::string>, std::less<>>;
Named named(const CostRow& row, const FocusSubject& subject) {
    const auto values = focus_row(row, subject);
    REQUIRE(values.size() == focus_columns().size());
    Named out;
    for (std::size_t i = 0; i < values.size(); ++i) {
        out.emplace(std::string{focus_columns()[i].name}, values[i]);
    }
    return out;
}

/// A printed number as an integer of 10^-24.
__int128 exact(const std::string& text) {
    const bool negative = text.starts_with('-');
    __int128 value = 0;
    int places = -1;
    for (const char c : text.substr(negative ? 1 : 0)) {
        if (c == '.') {
            places = 0;
            continue;
        }
        value = value * 10 + (c - '0');
        places += places >= 0 ? 1 : 0;
    }
    for (places = std::max(places, 0); places < 24; ++places) {
        value *= 10;
    }
    return negative ? -value : value;
}

/// As `exact`, of a factor: 10^-12.
__int128 factor(const std::string& text) {
    return exact(text) / 1'000'000'000'000;
}

}  // namespace

TEST_CASE("every column of FOCUS comes before ours, and no name twice") {
    const auto columns = focus_columns();
    bool ours = false;
    std::map<std::string_view, int> seen;
    for (const FocusColumn& column : columns) {
        const bool own = column.name.starts_with("x_");
        CHECK((own || !ours));
        ours = own;
        CHECK(++seen[column.name] == 1);
    }
    CHECK(ours);
    CHECK(columns.front().name == "BilledCost");
    CHECK(columns[20].name == "ServiceName");
}

TEST_CASE("an hour of a notebook") {
    const Named row = named(row_of("A4000", 760'000'000, hours{1}), notebook());
    const Named wanted{
        {"BilledCost", "0.76"},
        {"EffectiveCost", "0.76"},
        {"ListCost", "0.76"},
        {"ContractedCost", "0.76"},
        {"BillingAccountId", "me"},
        {"BillingAccountName", "me"},
        {"BillingCurrency", "USD"},
        {"BillingPeriodStart", "2026-11-01T00:00:00Z"},
        {"BillingPeriodEnd", "2026-12-01T00:00:00Z"},
        {"ChargePeriodStart", "2026-11-23T10:00:00Z"},
        {"ChargePeriodEnd", "2026-11-23T11:00:00Z"},
        {"ChargeCategory", "Usage"},
        {"ChargeClass", std::nullopt},
        {"ChargeDescription", "A4000 notebook compute"},
        {"InvoiceIssuerName", "DigitalOcean"},
        {"ProviderName", "Paperspace"},
        {"PublisherName", "Paperspace"},
        {"PricingQuantity", "1.000000000000"},
        {"PricingUnit", "Hours"},
        {"ServiceCategory", "AI and Machine Learning"},
        {"ServiceName", "Paperspace Gradient Notebooks"},
        {"ResourceId", "r7abc"},
        {"ResourceName", "diffusion"},
        {"ResourceType", "Notebook"},
        {"SubAccountId", "p1"},
        {"SubAccountName", "p1"},
        {"SubAccountType", "Project"},
        {"BillingAccountType", "Team"},
        {"SkuId", "A4000"},
        {"SkuPriceId", "A4000/Hours"},
        {"SkuMeter", "compute"},
        {"SkuPriceDetails", R"({"InstanceType":"A4000","GpuCount":1})"},
        {"ListUnitPrice", "0.76"},
        {"ContractedUnitPrice", "0.76"},
        {"PricingCategory", "Standard"},
        {"ConsumedQuantity", "1.000000000000"},
        {"ConsumedUnit", "Hours"},
        {"ChargeFrequency", "Usage-Based"},
        {"ServiceSubcategory", "AI Platforms"},
        {"Tags", std::nullopt},
        {"x_CurfewRule", "night"},
        {"x_QuietSeconds", std::nullopt},
        {"x_Source", "own"},
    };
    for (const auto& [name, value] : wanted) {
        INFO(name);
        CHECK(row.at(name) == value);
    }
    CHECK(row.size() == wanted.size());
}

TEST_CASE("parts of an hour: quantities of twelve digits, half to even, and times of full seconds") {
    const Named third = named(row_of("P4000", 510'000'000, minutes{20}), notebook());
    CHECK(third.at("PricingQuantity") == "0.333333333333");
    CHECK(third.at("ListCost") == "0.16999999999983");
    CHECK(third.at("BilledCost") == "0.17");
    CostRow odd = row_of("P4000", 510'000'000, Duration{1});
    odd.from = odd.from + Duration{250};
    odd.to = odd.from + Duration{1};
    const Named tiny = named(odd, notebook());
    CHECK(tiny.at("ChargePeriodStart") == "2026-11-23T10:00:00Z");
    CHECK(tiny.at("ChargePeriodEnd") == "2026-11-23T10:00:01Z");
    CHECK(tiny.at("PricingQuantity") == "0.000000277778");
}

TEST_CASE("machines, projects, tags and quiet time") {
    FocusSubject machine = notebook();
    machine.kind = ResourceKind::machine;
    machine.project.clear();
    machine.tags = {"team a", "say \"x\"\n"};
    machine.gpus.reset();
    machine.quiet = seconds{90};
    CostRow row = row_of("C5", 80'000'000, hours{1});
    row.rule.clear();
    const Named values = named(row, machine);
    CHECK(values.at("ServiceCategory") == "Compute");
    CHECK(values.at("ServiceSubcategory") == "Virtual Machines");
    CHECK(values.at("ResourceType") == "Machine");
    CHECK(values.at("SubAccountId") == std::nullopt);
    CHECK(values.at("SubAccountType") == std::nullopt);
    CHECK(values.at("Tags") == R"({"team a":true,"say \"x\"\u000a":true})");
    CHECK(values.at("x_QuietSeconds") == "90");
    CHECK(values.at("x_CurfewRule") == std::nullopt);
    CHECK(values.at("SkuPriceDetails") == R"({"InstanceType":"C5"})");
}

TEST_CASE("what has no price is said to have none") {
    CostRow row = row_of("X9", 0, hours{1});
    row.rate.reset();
    const Named values = named(row, notebook());
    CHECK(values.at("BilledCost") == "0");
    CHECK(values.at("ListUnitPrice") == std::nullopt);
    CHECK(values.at("ContractedUnitPrice") == std::nullopt);
    CHECK(values.at("SkuPriceId") == std::nullopt);
    CHECK(values.at("PricingQuantity") == "1.000000000000");
    CHECK(values.at("ChargeDescription") == "X9 notebook compute (unpriced)");
    // Free is a price.
    CHECK(named(row_of("Free-A4000", 0, hours{1}), notebook()).at("ListUnitPrice") == "0");
}

TEST_CASE("estimates and corrections say so") {
    CostRow row = row_of("A4000", 760'000'000, minutes{30});
    row.estimated = true;
    row.error_bar = Duration{61'500};
    CHECK(named(row, notebook()).at("ChargeDescription") ==
          "A4000 notebook compute (estimated, within 1m2s)");
    row.estimated = false;
    row.source = CostSource::adjustment;
    row.gross = Money{0} - row.gross;
    const Named back = named(row, notebook());
    CHECK(back.at("BilledCost") == "-0.38");
    CHECK(back.at("ListCost") == "-0.38");
    CHECK(back.at("PricingQuantity") == "-0.500000000000");
    CHECK(back.at("x_Source") == "adjustment");
    CHECK(back.at("ChargeCategory") == "Usage");
    CHECK(back.at("ChargeClass") == std::nullopt);  // of an open month
    row.from = utc("2026-10-31T23:00:00Z");
    row.to = utc("2026-11-01T01:00:00Z");
    CHECK(named(row, notebook()).at("ChargeClass") == "Correction");
}

TEST_CASE("storage is priced by size and hours, and what a cap saves is no quantity") {
    CostRow row = row_of("block storage 50 GB", 7'400'000, hours{1});
    row.meter = MeterKind::storage;
    row.run = RunId{"disk/psq1"};
    row.gross = Money{7'440'476};  // $5 / 672
    const Named disk = named(row, notebook());
    CHECK(disk.at("ServiceCategory") == "Storage");
    CHECK(disk.at("ServiceSubcategory") == "Block Storage");
    CHECK(disk.at("PricingUnit") == "GB-Hours");
    CHECK(disk.at("ListUnitPrice") == "0.000148");
    CHECK(disk.at("ConsumedQuantity") == "50.000000000000");
    CHECK(disk.at("BilledCost") == "0.007440476");
    CHECK(disk.at("ResourceId") == "disk/psq1");
    CHECK(disk.at("SkuPriceDetails") == R"({"x_SizeGB":50})");
    CHECK(exact(*disk.at("ListCost")) / 1'000'000'000'000'000 == 7'440'476);
    row.gross = Money{0};  // the cap is reached
    const Named free = named(row, notebook());
    CHECK(free.at("ListCost") == "0");
    CHECK(free.at("PricingQuantity") == "0.000000000000");
    CHECK(free.at("ChargeDescription") == "block storage 50 GB of diffusion");
    row.sku = "block storage 7 GB";  // no exact price of a GB: by the hour as a whole
    CHECK(named(row, notebook()).at("PricingUnit") == "Hours");
    row.sku = "public address";
    row.meter = MeterKind::ip;
    CHECK(named(row, notebook()).at("ServiceCategory") == "Networking");
}

TEST_CASE("quantity x unit price is the list cost, to the last digit, and within a nano of what is billed") {
    std::ifstream file(std::string{std::getenv("CURFEW_SOURCE")} + "/config/prices/paperspace.csv");
    std::stringstream text;
    text << file.rdbuf();
    const PriceBook book = PriceBook::parse_csv(text.str(), "prices").value();
    REQUIRE(book.rows().size() > 50);
    std::mt19937_64 random(20261123);
    for (const auto& [type, price] : book.rows()) {
        for (int i = 0; i < 200; ++i) {
            const Duration length{1 + static_cast<std::int64_t>(random() % 3'600'000)};
            CostRow row = row_of(type, price.rate.per_hour.nanos, length);
            if (i % 4 == 0) {  // billed by the full hour
                row.gross = price.rate.per_hour;
            }
            const Named values = named(row, notebook());
            INFO(type << " " << length.count());
            const auto quantity = factor(*values.at("PricingQuantity"));
            const auto list = exact(*values.at("ListCost"));
            CHECK((quantity * factor(*values.at("ListUnitPrice")) == list));
            const auto apart = list - exact(*values.at("BilledCost"));
            CHECK((apart < 1'000'000'000'000'000 && apart > -1'000'000'000'000'000));
        }
    }
}
