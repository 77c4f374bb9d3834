// A row of the ledger in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification, May 2025), as texts.
// The mandatory columns come first, then those that we can fill, then our own with the prefix x_.
// Quantities have twelve digits after the point. ListCost is the exact product of the two factors as they are
// printed; BilledCost is the amount of the ledger. The two differ by less than a nano-dollar.
#pragma once

#include "curfew/core/ledger.hpp"
#include "curfew/core/resource.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace curfew {

constexpr std::string_view focus_version = "1.2";

enum class FocusType : std::uint8_t { decimal, text, time, json };
/// As FOCUS calls it in metadata: "Decimal", "String", "DateTime", "JSON".
std::string_view to_string(FocusType type);

struct FocusColumn {
    std::string_view name;
    FocusType type = FocusType::text;
    bool nullable = false;
};
/// In the order of the values of `focus_row`.
std::span<const FocusColumn> focus_columns();

/// What is known of a row's resource, beside the row.
struct FocusSubject {
    AccountName account;
    std::string provider = "paperspace";  // of the account
    ResourceKind kind = ResourceKind::notebook;
    std::string name;
    std::string project;
    std::vector<std::string> tags;
    std::optional<int> gpus;        // of the machine type, by the price table
    std::optional<Duration> quiet;  // seen quiet time within the row; absent = not known
};

/// One value for each column; an absent one is null. A row without a price has cost 0, no unit price, and says
/// "unpriced" in its description.
std::vector<std::optional<std::string>> focus_row(const CostRow& row, const FocusSubject& subject);

}  // namespace curfew
