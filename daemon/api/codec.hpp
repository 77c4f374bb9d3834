// Answers as JSON. A field that is unknown is null, never left out and never 0; money is a decimal string.
#pragma once

#include "curfew/app/control.hpp"
#include "curfew/app/historian.hpp"
#include "curfew/app/money_reporter.hpp"
#include "curfew/app/reporter.hpp"

#include <nlohmann/json.hpp>

namespace curfew::api {

using Json = nlohmann::ordered_json;

/// A duration in words, without parts of a second.
std::string word(Duration d);
Json empty_is_null(const std::string& text);
/// As --by names it.
std::string_view dimension(SpendBy by);

Json to_json(Money money);
Json to_json(const std::optional<Money>& money);
Json to_json(const std::optional<WallTime>& time);
Json to_json(const StatusReport& report);
Json to_json(const ExplainReport& report);
Json to_json(const MomentReport& report);
Json to_json(const ReplayReport& report);
Json to_json(const PlanReport& report);
Json to_json(const RulesReport& report);
Json to_json(const Saved& saved);
Json to_json(const SpendReport& report);
Json to_json(const BudgetItem& item);
Json to_json(const BudgetsReport& report);
Json to_json(const ForecastReport& report);
Json to_json(const CreditsReport& report);
Json to_json(const AdviceReport& report);
Json to_json(const FocusPage& page);
Json to_json(const Receipt& receipt);
Json to_json(const AuditRow& row);
Json to_json(const Alert& alert);
Json to_json(const AlertEvent& event);
Json to_json(const OutboxRow& row);
Json to_json(const Silence& silence, WallTime now);
Json to_json(const Hold& hold);
Json to_json(const Enforcement& e);
Json to_json(const KeepAnswer& answer);
Json to_json(const StopAnswer& answer);
/// schema, as_of, stale_for, degraded.
Json envelope(std::string_view schema, const Freshness& freshness);

}  // namespace curfew::api
