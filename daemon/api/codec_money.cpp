// Answers about money as JSON.
#include "codec.hpp"
#include "curfew/api/wire.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace curfew::api {

std::string_view dimension(SpendBy by) {
    switch (by) {
        case SpendBy::resource:
            return "resource";
        case SpendBy::account:
            return "account";
        case SpendBy::project:
            return "project";
        case SpendBy::user:
            return "user";
        case SpendBy::type:
            return "type";
        case SpendBy::rule:
            return "rule";
        case SpendBy::day:
            return "day";
        case SpendBy::hour:
            break;
    }
    return "hour";
}

namespace {

std::string per_thousand(int thousandths) {
    std::string digits = std::to_string(thousandths % 1000);
    digits.insert(0, 3 - digits.size(), '0');
    return std::to_string(thousandths / 1000) + "." + digits;
}

/// Parts of `whole` in thousandths, as text; null of nothing.
Json share_of(Duration part, Duration whole) {
    if (whole <= Duration{0}) {
        return nullptr;
    }
    return per_thousand(
        static_cast<int>(std::clamp<std::int64_t>(part.count() * 1000 / whole.count(), 0, 1000)));
}

Json sums_json(const SpendLine& line) {
    return {{"compute", to_json(line.compute)}, {"storage", to_json(line.storage)},
            {"gross", to_json(line.gross())},   {"error", to_json(line.error)},
            {"time", word(line.time)},          {"estimated", word(line.error_bar)},
            {"unpriced", line.unpriced}};
}

Json coverage_json(const Watched& coverage) {
    return {{"watched_since", to_json(coverage.watched_since)},
            {"metered", word(coverage.metered)},
            {"estimated", word(coverage.estimated)},
            {"share", share_of(coverage.metered - coverage.estimated, coverage.metered)}};
}

Json texts(const std::vector<std::string>& list) {
    Json json = Json::array();
    for (const std::string& text : list) {
        json.push_back(text);
    }
    return json;
}

Json reported_json(const ReportedItem& item) {
    Json difference = nullptr;
    if (item.accrued && item.accrued->currency == item.row.month_to_date.currency) {
        difference = to_json(item.row.month_to_date - *item.accrued);
    }
    return {{"account", item.row.account.value},
            {"month", to_string(item.row.month).substr(0, 7)},
            {"reported", to_json(item.row.month_to_date)},
            {"accrued", to_json(item.accrued)},
            {"difference", difference},
            {"generated_at", to_string(item.row.generated_at)},
            {"fetched_at", to_string(item.row.fetched_at)}};
}

Json parked_json(const ParkedItem& item, WallTime now) {
    return {{"id", item.id},
            {"resource", item.resource.value},
            {"account", item.account.value},
            {"name", item.name},
            {"what", item.sku},
            {"since", to_json(item.since)},
            {"age", item.since ? Json(word(std::max(Duration{0}, now - *item.since))) : Json(nullptr)},
            {"per_month", to_json(item.per_month)},
            {"orphan", item.orphan}};
}

Json threshold_json(const Threshold& threshold, const BudgetItem& item) {
    const std::string key = threshold.key(item.budget.amount);
    const bool fired = std::ranges::find(item.live.fired, key) != item.live.fired.end();
    return {{"key", key},
            {"at", threshold.words()},
            {"action", std::string{to_string(threshold.action)}},
            {"basis", std::string{to_string(threshold.basis)}},
            {"fired", fired}};
}

/// The members of a [[budget]] block, without its name: what PUT takes back.
Json definition_json(const Budget& budget) {
    Json match = Json::object();
    const auto list = [&](const char* key, const std::vector<std::string>& globs) {
        if (!globs.empty()) {
            match[key] = texts(globs);
        }
    };
    list("names", budget.scope.names);
    list("machine_types", budget.scope.machine_types);
    list("accounts", budget.scope.accounts);
    list("projects", budget.scope.projects);
    list("owners", budget.scope.owners);
    list("providers", budget.scope.providers);
    list("tags", budget.scope.tags);
    for (const ResourceKind kind : budget.scope.kinds) {
        match["kinds"].push_back(std::string{to_string(kind)});
    }
    static constexpr std::array days{"monday", "tuesday",  "wednesday", "thursday",
                                     "friday", "saturday", "sunday"};
    const PeriodSpec& period = budget.period;
    Json json{{"amount", to_decimal(budget.amount)}, {"period", std::string{to_string(period.kind)}}};
    if (period.anchor != 1) {
        json["anchor"] = period.anchor;
    }
    if (period.week_start != 1) {
        json["week_start"] = days.at(static_cast<std::size_t>(period.week_start - 1));
    }
    if (period.kind == PeriodKind::fixed) {
        json["from"] = to_string(period.from);
        json["until"] = to_string(period.until);
    }
    if (period.kind == PeriodKind::rolling) {
        json["length"] = to_string(period.length);
    }
    json["timezone"] = budget.zone.name;
    json["mode"] = std::string{to_string(budget.mode)};
    if (has_end(period.kind)) {
        json["reserve_storage"] = budget.reserve_storage;
    }
    json["thresholds"] = Json::array();
    for (const Threshold& threshold : budget.thresholds) {
        Json step = Json::object();
        if (threshold.percent) {
            step["percent"] = *threshold.percent;
        } else if (threshold.amount) {
            step["amount"] = to_decimal(*threshold.amount);
        } else if (threshold.runway) {
            step["runway"] = to_string(*threshold.runway);
        }
        step["action"] = std::string{to_string(threshold.action)};
        step["basis"] = std::string{to_string(threshold.basis)};
        if (threshold.action == ThresholdAction::stop_now) {
            step["pack_within"] = to_string(threshold.pack_within);
        }
        json["thresholds"].push_back(std::move(step));
    }
    if (!match.empty()) {
        json["match"] = std::move(match);
    }
    return json;
}

Json standing_json(const CreditStanding& standing) {
    return {{"name", standing.credit.name},
            {"state", std::string{to_string(standing.state)}},
            {"amount", to_json(standing.credit.amount)},
            {"used", to_json(standing.used)},
            {"left", to_json(standing.left)},
            {"expired", to_json(standing.expired)},
            {"from", to_string(standing.credit.from)},
            {"until", to_string(standing.credit.until)},
            {"accounts", texts(standing.credit.accounts)}};
}

}  // namespace

Json to_json(const SpendReport& report) {
    Json json = envelope(schema::spend, report.freshness);
    json["from"] = to_string(report.ask.from);
    json["to"] = to_string(report.ask.to);
    json["by"] = Json::array();
    for (const SpendBy by : report.ask.by) {
        json["by"].push_back(std::string{dimension(by)});
    }
    json["name"] = empty_is_null(report.ask.name);
    json["figure"] = "accrued";
    json["totals"] = sums_json(report.total);
    json["coverage"] = coverage_json(report.coverage);
    json["prices"] = {{"as_of", empty_is_null(report.prices_as_of)}};
    json["reported"] = Json::array();
    for (const ReportedItem& item : report.reported) {
        json["reported"].push_back(reported_json(item));
    }
    json["parked"] = Json::array();
    for (const ParkedItem& item : report.parked) {
        json["parked"].push_back(parked_json(item, report.freshness.now));
    }
    json["saved"] = to_json(report.saved);
    Json items = Json::array();
    for (const SpendLine& line : report.lines) {
        Json item = Json::object();
        for (std::size_t i = 0; i < report.ask.by.size(); ++i) {
            item[std::string{dimension(report.ask.by[i])}] = empty_is_null(line.keys.at(i));
            if (report.ask.by[i] == SpendBy::resource) {
                item["name"] = empty_is_null(line.name);
            }
        }
        item.update(sums_json(line));
        items.push_back(std::move(item));
    }
    json["items"] = std::move(items);
    return json;
}

Json to_json(const BudgetItem& item) {
    const BudgetSpend& spend = item.live.spend;
    Json thresholds = Json::array();
    for (const Threshold& threshold : item.budget.thresholds) {
        thresholds.push_back(threshold_json(threshold, item));
    }
    return {{"name", item.budget.name.value},
            {"period", item.live.period.id},
            {"from", to_string(item.live.period.from)},
            {"to", has_end(item.budget.period.kind) ? Json(to_string(item.live.period.to)) : Json(nullptr)},
            {"amount", to_json(item.budget.amount)},
            {"spent", to_json(spend.spent)},
            {"reported", to_json(spend.reported)},
            {"reserve", to_json(spend.reserve)},
            {"left", to_json(item.left)},
            {"hard", item.budget.hard()},
            {"mode", std::string{to_string(item.budget.mode)}},
            {"active", item.live.active},
            {"burn_per_hour", to_json(spend.burn_per_hour)},
            {"complete", spend.complete()},
            {"pace",
             {{"elapsed", has_end(item.budget.period.kind) ? Json(per_thousand(item.elapsed_thousandths))
                                                           : Json(nullptr)},
              {"spent", per_thousand(item.spent_thousandths)}}},
            {"ends_at", to_json(item.ends_at)},
            {"forecast", to_json(item.live.forecast)},
            {"lead",
             {{"whole", word(item.live.lead.whole())},
              {"poll", word(item.live.lead.poll)},
              {"notice", word(item.live.lead.notice)},
              {"pack", word(item.live.lead.pack)},
              {"stop", word(item.live.lead.stop)}}},
            {"fired", texts(item.live.fired)},
            {"thresholds", std::move(thresholds)},
            {"origin", empty_is_null(item.budget.origin)},
            {"definition", definition_json(item.budget)}};
}

Json to_json(const BudgetsReport& report) {
    Json json = envelope(schema::budget, report.freshness);
    json["items"] = Json::array();
    for (const BudgetItem& item : report.items) {
        json["items"].push_back(to_json(item));
    }
    return json;
}

Json to_json(const ForecastReport& report) {
    Json json = envelope(schema::forecast, report.freshness);
    json["items"] = Json::array();
    for (const ForecastItem& item : report.items) {
        const Forecast& f = item.forecast;
        json["items"].push_back({{"budget", item.budget ? Json(item.budget->value) : Json(nullptr)},
                                 {"period", item.period.id},
                                 {"from", to_string(item.period.from)},
                                 {"to", to_string(item.period.to)},
                                 {"amount", to_json(item.amount)},
                                 {"accrued", to_json(f.accrued)},
                                 {"committed", to_json(f.committed)},
                                 {"p10", f.expected ? to_json(f.expected->p10) : Json(nullptr)},
                                 {"p50", f.expected ? to_json(f.expected->p50) : Json(nullptr)},
                                 {"p90", f.expected ? to_json(f.expected->p90) : Json(nullptr)},
                                 {"insufficient", f.expected ? Json(nullptr) : empty_is_null(f.insufficient)},
                                 {"sample_days", f.sample},
                                 {"method", empty_is_null(f.method)}});
    }
    return json;
}

Json to_json(const CreditsReport& report) {
    Json json = envelope(schema::credit, report.freshness);
    json["month"] = report.month.id;
    json["gross"] = to_json(report.report.gross);
    json["net"] = to_json(report.report.net);
    json["prices"] = {{"as_of", empty_is_null(report.prices_as_of)}};
    json["accounts"] = Json::array();
    for (const AccountRunway& of : report.accounts) {
        Json runways = Json::array();
        for (const Runway& runway : of.runway.runways) {
            runways.push_back({{"machine_type", runway.machine_type},
                               {"per_hour", to_json(runway.rate.per_hour)},
                               {"hours", runway.hours}});
        }
        json["accounts"].push_back({{"account", of.account.value},
                                    {"left", to_json(of.runway.left)},
                                    {"burn_per_hour", to_json(of.burn_per_hour)},
                                    {"lasts", of.lasts ? Json(word(*of.lasts)) : Json(nullptr)},
                                    {"text", to_string(of.runway, 6)},
                                    {"runways", std::move(runways)}});
    }
    json["items"] = Json::array();
    for (const CreditStanding& standing : report.report.credits) {
        json["items"].push_back(standing_json(standing));
    }
    return json;
}

Json to_json(const AdviceReport& report) {
    Json json = envelope(schema::advice, report.freshness);
    json["since"] = to_string(report.since);
    json["prices"] = {{"as_of", empty_is_null(report.prices_as_of)}};
    json["unjudged_gpu_runs"] = report.unjudged_gpu_runs;
    json["items"] = Json::array();
    for (const Advice& advice : report.items) {
        Json resources = Json::array();
        for (const ResourceId& id : advice.resources) {
            resources.push_back(id.value);
        }
        Json limits = Json::array();
        for (const LimitTrial& trial : advice.limits) {
            limits.push_back({{"limit", to_string(trial.limit)},
                              {"saved", to_json(trial.saved)},
                              {"interruptions", trial.interruptions}});
        }
        json["items"].push_back({{"kind", std::string{to_string(advice.kind)}},
                                 {"resources", std::move(resources)},
                                 {"account", empty_is_null(advice.account.value)},
                                 {"text", advice.text},
                                 {"how", advice.how},
                                 {"saving_30_days", to_json(advice.saving)},
                                 {"limits", std::move(limits)}});
    }
    return json;
}

Json to_json(const FocusPage& page) {
    Json columns = Json::array();
    for (const FocusColumn& column : focus_columns()) {
        columns.push_back({{"name", std::string{column.name}},
                           {"type", std::string{to_string(column.type)}},
                           {"nullable", column.nullable}});
    }
    Json rows = Json::array();
    for (const auto& values : page.rows) {
        Json row = Json::array();
        for (const auto& value : values) {
            row.push_back(value ? Json(*value) : Json(nullptr));
        }
        rows.push_back(std::move(row));
    }
    return {{"version", std::string{focus_version}},
            {"columns", std::move(columns)},
            {"unpriced", page.unpriced},
            {"estimated", page.estimated},
            {"next", empty_is_null(page.next)},
            {"items", std::move(rows)}};
}

}  // namespace curfew::api
