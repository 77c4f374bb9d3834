#include "render_money.hpp"

#include "curfew/core/money.hpp"
#include "table.hpp"

#include <algorithm>

namespace curfew::cli {

namespace {

std::int64_t nanos_of(const Json& value) {
    const Json& amount = member(value, "amount");
    const auto money = amount.is_string() ? parse_money(amount.get<std::string>()) : Result<Money>{Money{}};
    return money ? money->nanos : 0;
}

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return text;
}

/// "~$12.34 ± $0.02", "$1.00 + unpriced": a figure that is not exact says so.
std::string gross_text(const Json& sums) {
    const std::int64_t error = nanos_of(member(sums, "error"));
    const bool estimated = text_of(member(sums, "estimated")) != "0s";
    const bool unpriced = flag(member(sums, "unpriced"));
    const Json& gross = member(sums, "gross");
    if (unpriced && nanos_of(gross) == 0) {
        return "unpriced";
    }
    return (estimated || error != 0 ? "~" : "") + money(gross) +
           (error != 0 ? " ± " + money(member(sums, "error")) : "") + (unpriced ? " + unpriced" : "");
}

std::string percent_of_share(const Json& share) {
    const auto part = share.is_string() ? parse_money(share.get<std::string>()) : Result<Money>{Money{}};
    const std::int64_t tenths = part ? part->nanos / (nanos_per_unit / 1000) : 0;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

std::string coverage_text(const Json& answer, const Style& style) {
    const Json& coverage = member(answer, "coverage");
    std::string out = "coverage: ";
    if (member(coverage, "share").is_null()) {
        out += "nothing was metered";
    } else {
        out += percent_of_share(member(coverage, "share")) + " of " + two_units(member(coverage, "metered")) +
               " watched";
        if (text_of(member(coverage, "estimated")) != "0s") {
            out += "; " + text_of(member(coverage, "estimated")) + " in gaps, billed by estimate (~)";
        }
    }
    if (const auto since = time_of(member(coverage, "watched_since"))) {
        const auto from = time_of(member(answer, "from"));
        out += from && *from < *since
                   ? "; Curfew watches since " + moment(member(coverage, "watched_since"), style) +
                         ", before that the provider's stamps tell"
                   : "";
    }
    return out + "\n";
}

}  // namespace

std::string spend_text(const Json& answer, const Style& style) {
    std::vector<std::string> head;
    std::vector<bool> right;
    for (const Json& by : member(answer, "by")) {
        head.push_back(by == "resource" ? "NAME" : upper(text_of(by)));
        right.push_back(false);
    }
    for (const char* column : {"TIME", "COMPUTE", "STORAGE", "TOTAL"}) {
        head.emplace_back(column);
        right.push_back(true);
    }
    Table table(std::move(head), std::move(right));
    for (const Json& item : member(answer, "items")) {
        std::vector<std::string> row;
        for (const Json& by : member(answer, "by")) {
            const std::string key = text_of(member(item, text_of(by)), "(none)");
            row.push_back(by == "resource" ? text_of(member(item, "name"), key) : key);
        }
        row.insert(row.end(), {two_units(member(item, "time")), money(member(item, "compute")),
                               money(member(item, "storage")), gross_text(item)});
        table.add(std::move(row));
    }
    const Json& totals = member(answer, "totals");
    std::string out = table.empty() ? std::string{"no cost in this time\n"} : table.text();
    out += "\ntotal " + gross_text(totals) + ": " + money(member(totals, "compute")) + " compute, " +
           money(member(totals, "storage")) + " storage and the like; accrued, gross, from " +
           moment(member(answer, "from"), style) + " to " + moment(member(answer, "to"), style) + " " +
           zone_name(style) + "\n";
    if (flag(member(totals, "unpriced"))) {
        out +=
            coloured("! ", "bad") +
            "something has no price and counts 0 here: give it one in the file of daemon.price_overrides\n";
    }
    out += coverage_text(answer, style);
    out += "prices as of " + text_of(member(member(answer, "prices"), "as_of"), "an unknown date") + "\n";
    return out + saved_text(member(answer, "saved")) + "\n" + footer(answer);
}

}  // namespace curfew::cli
