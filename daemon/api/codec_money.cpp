// Answers about money as JSON.
#include "codec.hpp"
#include "curfew/api/wire.hpp"

#include <algorithm>
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

/// Parts of `whole` in thousandths, as text; null of nothing.
Json share_of(Duration part, Duration whole) {
    if (whole <= Duration{0}) {
        return nullptr;
    }
    const std::int64_t thousandths = std::clamp<std::int64_t>(part.count() * 1000 / whole.count(), 0, 1000);
    std::string digits = std::to_string(thousandths % 1000);
    digits.insert(0, 3 - digits.size(), '0');
    return std::to_string(thousandths / 1000) + "." + digits;
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
