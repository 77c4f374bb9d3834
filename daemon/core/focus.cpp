#include "curfew/core/focus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace curfew {

namespace {

using Wide = __int128;
using Value = std::optional<std::string>;

constexpr Wide tera = 1'000'000'000'000;  // a quantity or unit price is counted in 10^-12
constexpr std::int64_t ms_per_hour = 3'600'000;

constexpr std::array columns{
    FocusColumn{"BilledCost", FocusType::decimal, false},
    FocusColumn{"EffectiveCost", FocusType::decimal, false},
    FocusColumn{"ListCost", FocusType::decimal, false},
    FocusColumn{"ContractedCost", FocusType::decimal, false},
    FocusColumn{"BillingAccountId", FocusType::text, false},
    FocusColumn{"BillingAccountName", FocusType::text, true},
    FocusColumn{"BillingCurrency", FocusType::text, false},
    FocusColumn{"BillingPeriodStart", FocusType::time, false},
    FocusColumn{"BillingPeriodEnd", FocusType::time, false},
    FocusColumn{"ChargePeriodStart", FocusType::time, false},
    FocusColumn{"ChargePeriodEnd", FocusType::time, false},
    FocusColumn{"ChargeCategory", FocusType::text, false},
    FocusColumn{"ChargeClass", FocusType::text, true},
    FocusColumn{"ChargeDescription", FocusType::text, true},
    FocusColumn{"InvoiceIssuerName", FocusType::text, false},
    FocusColumn{"ProviderName", FocusType::text, false},
    FocusColumn{"PublisherName", FocusType::text, false},
    FocusColumn{"PricingQuantity", FocusType::decimal, true},
    FocusColumn{"PricingUnit", FocusType::text, true},
    FocusColumn{"ServiceCategory", FocusType::text, false},
    FocusColumn{"ServiceName", FocusType::text, false},
    FocusColumn{"ResourceId", FocusType::text, true},
    FocusColumn{"ResourceName", FocusType::text, true},
    FocusColumn{"ResourceType", FocusType::text, true},
    FocusColumn{"SubAccountId", FocusType::text, true},
    FocusColumn{"SubAccountName", FocusType::text, true},
    FocusColumn{"SubAccountType", FocusType::text, true},
    FocusColumn{"BillingAccountType", FocusType::text, true},
    FocusColumn{"SkuId", FocusType::text, true},
    FocusColumn{"SkuPriceId", FocusType::text, true},
    FocusColumn{"SkuMeter", FocusType::text, true},
    FocusColumn{"SkuPriceDetails", FocusType::json, true},
    FocusColumn{"ListUnitPrice", FocusType::decimal, true},
    FocusColumn{"ContractedUnitPrice", FocusType::decimal, true},
    FocusColumn{"PricingCategory", FocusType::text, true},
    FocusColumn{"ConsumedQuantity", FocusType::decimal, true},
    FocusColumn{"ConsumedUnit", FocusType::text, true},
    FocusColumn{"ChargeFrequency", FocusType::text, true},
    FocusColumn{"ServiceSubcategory", FocusType::text, true},
    FocusColumn{"Tags", FocusType::json, true},
    FocusColumn{"x_CurfewRule", FocusType::text, true},
    FocusColumn{"x_QuietSeconds", FocusType::decimal, true},
    FocusColumn{"x_Source", FocusType::text, true},
};

struct Provider {
    std::string_view id;  // as in the configuration
    std::string_view issuer;
    std::string_view name;
    std::string_view account_type;
    std::string_view notebooks;  // its product for …
    std::string_view machines;
    std::string_view storage;
};
/// Paperspace is billed by DigitalOcean since the end of 2023.
constexpr std::array providers{Provider{"paperspace", "DigitalOcean", "Paperspace", "Team",
                                        "Paperspace Gradient Notebooks", "Paperspace Core Machines",
                                        "Paperspace Storage"}};

const Provider& provider_of(std::string_view id) {
    const auto found = std::ranges::find(providers, id, &Provider::id);
    return found == providers.end() ? providers.front() : *found;
}

/// dividend / divisor, half to even; divisor > 0.
Wide divide_half_even(Wide dividend, Wide divisor) {
    Wide quotient = dividend / divisor;
    const Wide rest = dividend % divisor;
    const Wide twice = (rest < 0 ? -rest : rest) * 2;
    if (twice > divisor || (twice == divisor && quotient % 2 != 0)) {
        quotient += dividend < 0 ? -1 : 1;
    }
    return quotient;
}

/// A number counted in 10^-`places`; without its trailing zeros unless `full`.
std::string decimal(Wide value, int places, bool full = false) {
    const bool negative = value < 0;
    Wide rest = negative ? -value : value;
    std::string digits;
    do {
        digits += static_cast<char>('0' + static_cast<int>(rest % 10));
        rest /= 10;
    } while (rest != 0 || static_cast<int>(digits.size()) <= places);
    std::ranges::reverse(digits);
    std::string text = digits.substr(0, digits.size() - static_cast<std::size_t>(places));
    std::string fraction = digits.substr(digits.size() - static_cast<std::size_t>(places));
    while (!full && !fraction.empty() && fraction.back() == '0') {
        fraction.pop_back();
    }
    text += fraction.empty() ? "" : "." + fraction;
    return negative && value != 0 ? "-" + text : text;
}

std::string json_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
        } else {
            out += c;
        }
    }
    return out + "\"";
}

Value unless_empty(std::string_view text) {
    return text.empty() ? Value{} : Value{std::string{text}};
}

/// To full seconds, as FOCUS wants them.
std::string stamp(std::int64_t ms) {
    return to_string(WallTime{ms / 1000 * 1000});
}

/// The size that a storage's name ends with, "block storage 50 GB"; 0 where it names none.
std::int64_t gigabytes_of(std::string_view sku) {
    const bool tera_bytes = sku.ends_with(" TB");
    if (!tera_bytes && !sku.ends_with(" GB")) {
        return 0;
    }
    sku.remove_suffix(3);
    const std::string_view number = sku.substr(sku.find_last_of(' ') + 1);
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), size);
    const bool whole = error == std::errc{} && end == number.data() + number.size();
    return !whole || size <= 0 || size > 1'000'000 ? 0 : tera_bytes ? size * 1000 : size;
}

/// How a row is priced: quantities and the unit's price in 10^-12.
struct Pricing {
    std::string_view unit = "Hours";
    Wide quantity = 0;  // what is charged
    Wide consumed = 0;  // what was used
    std::optional<Wide> unit_price;
};

Pricing pricing_of(const CostRow& row) {
    Pricing p;
    const Duration used = row.to - row.from;
    const bool back = row.source == CostSource::adjustment && row.gross.nanos <= 0;
    p.consumed = divide_half_even(Wide{used.count()} * tera, ms_per_hour) * (back ? -1 : 1);
    p.quantity = p.consumed;
    if (!row.rate) {
        return p;
    }
    p.unit_price = Wide{row.rate->per_hour.nanos} * 1000;
    const auto plain = cost_of(*row.rate, std::max(Duration{0}, used));
    const std::int64_t charged = back ? -row.gross.nanos : row.gross.nanos;
    if (row.rate->per_hour.positive() && (!plain || plain->nanos != charged)) {
        // A monthly cap or a billing increment: the hours that are charged are not those that passed.
        p.quantity = divide_half_even(Wide{row.gross.nanos} * tera, row.rate->per_hour.nanos);
    }
    const std::int64_t size = row.meter == MeterKind::storage ? gigabytes_of(row.sku) : 0;
    if (size > 0 && *p.unit_price % size == 0) {
        p.unit = "GB-Hours";
        p.unit_price = *p.unit_price / size;
        p.quantity *= size;
        p.consumed *= size;
    }
    return p;
}

struct Service {
    std::string_view category;
    std::string_view subcategory;
    std::string_view name;
};

Service service_of(const CostRow& row, const FocusSubject& subject, const Provider& provider) {
    const bool notebook = subject.kind == ResourceKind::notebook;
    switch (row.meter) {
        case MeterKind::compute:
            return notebook ? Service{"AI and Machine Learning", "AI Platforms", provider.notebooks}
                            : Service{"Compute", "Virtual Machines", provider.machines};
        case MeterKind::storage:
            return {"Storage",
                    row.sku.starts_with("block")      ? "Block Storage"
                    : row.sku.starts_with("shared")   ? "File Storage"
                    : row.sku.starts_with("snapshot") ? "Backup Storage"
                                                      : "Other (Storage)",
                    provider.storage};
        case MeterKind::ip:
            return {"Networking", "Network Infrastructure", provider.machines};
        case MeterKind::other:
            break;
    }
    return {"Other", "Other (Other)", provider.machines};
}

std::string description_of(const CostRow& row, const FocusSubject& subject) {
    std::string text = row.sku;
    if (row.meter == MeterKind::compute) {
        text += (text.empty() ? "" : " ") + std::string{to_string(subject.kind)} + " compute";
    } else if (!subject.name.empty()) {
        text += " of " + subject.name;
    }
    if (row.source == CostSource::adjustment) {
        text += ", corrected";
    }
    if (row.estimated) {
        text += fmt::format(" (estimated, within {})", to_string(std::chrono::ceil<seconds>(row.error_bar)));
    }
    if (!row.rate && row.gross.nanos == 0) {
        text += " (unpriced)";
    }
    return text;
}

Value details_of(const CostRow& row, const FocusSubject& subject) {
    if (row.meter == MeterKind::compute && !row.sku.empty()) {
        return "{\"InstanceType\":" + json_text(row.sku) +
               (subject.gpus ? fmt::format(",\"GpuCount\":{}", *subject.gpus) : "") + "}";
    }
    const std::int64_t size = gigabytes_of(row.sku);
    return size > 0 ? Value{fmt::format("{{\"x_SizeGB\":{}}}", size)} : Value{};
}

/// Tags of this provider have no values; FOCUS writes such ones as true.
Value tags_of(const FocusSubject& subject) {
    std::string text;
    for (const std::string& tag : subject.tags) {
        text += (text.empty() ? "{" : ",") + json_text(tag) + ":true";
    }
    return text.empty() ? Value{} : Value{text + "}"};
}

}  // namespace

std::string_view to_string(FocusType type) {
    switch (type) {
        case FocusType::decimal:
            return "Decimal";
        case FocusType::text:
            return "String";
        case FocusType::time:
            return "DateTime";
        case FocusType::json:
            break;
    }
    return "JSON";
}

std::span<const FocusColumn> focus_columns() {
    return columns;
}

std::vector<std::optional<std::string>> focus_row(const CostRow& row, const FocusSubject& subject) {
    const Provider& provider = provider_of(subject.provider);
    const Service service = service_of(row, subject, provider);
    const Pricing pricing = pricing_of(row);
    const Period month = month_of(row.from, Zone{});
    const bool compute = row.meter == MeterKind::compute;
    const std::string billed = decimal(row.gross.nanos, 9);
    const std::string list = pricing.unit_price ? decimal(pricing.quantity * *pricing.unit_price, 24)
                                                : billed;
    const Value unit_price = pricing.unit_price ? Value{decimal(*pricing.unit_price, 12)} : Value{};
    // What is taken back beyond the end of its month was on that month's invoice.
    const bool correction = row.source == CostSource::adjustment && row.to > month.to;
    std::vector<Value> values{
        billed,
        billed,
        list,
        list,
        subject.account.value,
        subject.account.value,
        std::string{row.gross.currency.view()},
        stamp(month.from.ms),
        stamp(month.to.ms),
        stamp(row.from.ms),
        // A row within one second still has a length.
        stamp(std::max(row.to.ms, row.from.ms / 1000 * 1000 + 1000)),
        "Usage",
        correction ? Value{"Correction"} : Value{},
        unless_empty(description_of(row, subject)),
        std::string{provider.issuer},
        std::string{provider.name},
        std::string{provider.name},
        decimal(pricing.quantity, 12, true),
        std::string{pricing.unit},
        std::string{service.category},
        std::string{service.name},
        unless_empty(compute ? row.resource.value : row.run.value),
        unless_empty(subject.name),
        !compute                                 ? std::string{service.subcategory}
        : subject.kind == ResourceKind::notebook ? std::string{"Notebook"}
                                                 : std::string{"Machine"},
        unless_empty(subject.project),
        unless_empty(subject.project),
        subject.project.empty() ? Value{} : Value{"Project"},
        std::string{provider.account_type},
        unless_empty(row.sku),
        unit_price && !row.sku.empty() ? Value{row.sku + "/" + std::string{pricing.unit}} : Value{},
        std::string{to_string(row.meter)},
        details_of(row, subject),
        unit_price,
        unit_price,
        "Standard",
        decimal(pricing.consumed, 12, true),
        std::string{pricing.unit},
        "Usage-Based",
        std::string{service.subcategory},
        tags_of(subject),
        unless_empty(row.rule),
        subject.quiet ? Value{decimal(subject.quiet->count(), 3)} : Value{},
        std::string{to_string(row.source)},
    };
    CURFEW_ASSERT(values.size() == columns.size(), "a value for each column of FOCUS");
    return values;
}

}  // namespace curfew
