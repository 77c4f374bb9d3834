#include "render_money.hpp"

#include "curfew/core/money.hpp"
#include "table.hpp"

#include <algorithm>

namespace curfew::cli {

namespace {

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

/// The provider's figures, each beside ours.
std::string reported_text(const Json& answer, const Style& style) {
    std::string out;
    for (const Json& item : member(answer, "reported")) {
        out += "reported by the provider for " + text_of(member(item, "month")) + ", account " +
               safe(text_of(member(item, "account"))) + ": " + money(member(item, "reported")) + " (made " +
               moment(member(item, "generated_at"), style) + ")";
        out += member(item, "accrued").is_null()
                   ? "; not compared, since the month was not watched as a whole\n"
                   : "; ours for the same time " + money(member(item, "accrued")) + ", difference " +
                         money(member(item, "difference")) + "\n";
    }
    return out;
}

std::string parked_text(const Json& answer) {
    const Json& parked = member(answer, "parked");
    if (parked.empty()) {
        return {};
    }
    Table table({"BILLED THOUGH OFF", "WHAT", "AGE", "A MONTH", "NOTE"}, {false, false, true, true, false});
    for (const Json& item : parked) {
        table.add({text_of(member(item, "name")), text_of(member(item, "what")),
                   two_units(member(item, "age")), money(member(item, "per_month")),
                   flag(member(item, "orphan")) ? "belongs to nothing" : ""});
    }
    return "\n" + table.text() + "\n";
}

std::string pace_text(const Json& budget) {
    const Json& pace = member(budget, "pace");
    return percent_of_share(member(pace, "spent")) +
           (member(pace, "elapsed").is_null() ? "" : " in " + percent_of_share(member(pace, "elapsed")));
}

}  // namespace

std::string budgets_text(const Json& answer, const Style& style) {
    Table table({"BUDGET", "PERIOD", "AMOUNT", "SPENT", "RESERVE", "LEFT", "$/H", "PACE",
                 "ENDS " + zone_name(style), "MODE", "NOTE"},
                {false, false, true, true, true, true, true, false, false, false, false});
    for (const Json& item : member(answer, "items")) {
        std::string note = flag(member(item, "hard")) ? "hard" : "";
        const auto add = [&](const std::string& text) { note += (note.empty() ? "" : ", ") + text; };
        if (!member(item, "fired").empty()) {
            add(std::to_string(member(item, "fired").size()) + " fired");
        }
        if (!flag(member(item, "complete"))) {
            add("something is unpriced or unseen");
        }
        if (!flag(member(item, "active"))) {
            add("not in its period");
        }
        table.add({text_of(member(item, "name")), text_of(member(item, "period")),
                   money(member(item, "amount")),
                   (flag(member(item, "complete")) ? "" : "~") + money(member(item, "spent")),
                   money(member(item, "reserve")), money(member(item, "left")),
                   money(member(item, "burn_per_hour")), pace_text(item),
                   moment(member(item, "ends_at"), style), text_of(member(item, "mode")), note});
    }
    return (table.empty() ? std::string{"no budget is set\n"}
                          : table.text() +
                                "\npace: share of the amount that is spent, and of the period that has "
                                "passed; ends: spent by then, at the present burn\n") +
           footer(answer);
}

std::string budget_text(const Json& answer, const Style& style) {
    std::string out;
    for (const Json& b : member(answer, "items")) {
        out += bold("budget " + safe(text_of(member(b, "name")))) + "  " + money(member(b, "amount")) +
               " for " + safe(text_of(member(b, "period"))) + ", mode " + text_of(member(b, "mode")) +
               (flag(member(b, "hard")) ? ", hard" : "") + "\n";
        out += "spent     " + std::string{flag(member(b, "complete")) ? "" : "~"} +
               money(member(b, "spent")) + ", accrued and gross; " + money(member(b, "reserve")) +
               " reserved for storage; " + money(member(b, "left")) + " left\n";
        out += flag(member(b, "complete"))
                   ? ""
                   : "          something is unpriced or unseen: it is more than that\n";
        out += member(b, "reported").is_null()
                   ? ""
                   : "reported  " + money(member(b, "reported")) + " by the provider\n";
        out += "pace      " + pace_text(b) +
               (member(member(b, "pace"), "elapsed").is_null() ? "" : " of the period") + ", " +
               money(member(b, "burn_per_hour")) + "/h now\n";
        out += "ends      " +
               (member(b, "ends_at").is_null() ? std::string{"not within its period, at the present burn"}
                                               : moment(member(b, "ends_at"), style) + " " +
                                                     zone_name(style) + ", at the present burn") +
               "\n";
        out += member(b, "forecast").is_null()
                   ? ""
                   : "forecast  " + money(member(b, "forecast")) + " (curfew forecast)\n";
        const Json& lead = member(b, "lead");
        out += "lead      a stop begins " + text_of(member(lead, "whole")) + " ahead: poll " +
               text_of(member(lead, "poll")) + ", notice " + text_of(member(lead, "notice")) + ", pack " +
               text_of(member(lead, "pack")) + ", stop " + text_of(member(lead, "stop")) + "\n";
        for (const Json& threshold : member(b, "thresholds")) {
            out += "at        " + text_of(member(threshold, "at")) + ": " +
                   text_of(member(threshold, "action")) +
                   (flag(member(threshold, "fired")) ? " (fired)" : "") + "\n";
        }
        out += member(b, "origin").is_null() ? "" : "from      " + safe(text_of(member(b, "origin"))) + "\n";
    }
    return out + footer(answer);
}

std::string forecast_text(const Json& answer, const Style& style) {
    Table table(
        {"WHAT", "UNTIL " + zone_name(style), "ACCRUED", "COMMITTED", "P10", "P50", "P90", "AMOUNT", "DAYS"},
        {false, false, true, true, true, true, true, true, true});
    std::string notes;
    std::string method;
    for (const Json& item : member(answer, "items")) {
        const std::string name = member(item, "budget").is_null() ? "all of the month"
                                                                  : text_of(member(item, "budget"));
        table.add({name, moment(member(item, "to"), style), money(member(item, "accrued")),
                   money(member(item, "committed")), money(member(item, "p10"), "?"),
                   money(member(item, "p50"), "?"), money(member(item, "p90"), "?"),
                   money(member(item, "amount"), "-"), member(item, "sample_days").dump()});
        if (member(item, "insufficient").is_string()) {
            notes += safe(name) + ": insufficient, " + safe(text_of(member(item, "insufficient"))) + "\n";
        }
        if (member(item, "p50").is_object() && member(item, "method").is_string()) {
            method = "method: " + safe(text_of(member(item, "method"))) + "\n";
        }
    }
    return table.text() + "\n" + notes + method + footer(answer);
}

std::string credit_text(const Json& answer, const Style& style) {
    Table table(
        {"CREDIT", "STATE", "AMOUNT", "USED", "LEFT", "EXPIRED", "ENDS " + zone_name(style), "ACCOUNTS"},
        {false, false, true, true, true, true, false, false});
    for (const Json& item : member(answer, "items")) {
        std::string accounts;
        for (const Json& account : member(item, "accounts")) {
            accounts += (accounts.empty() ? "" : ", ") + text_of(account);
        }
        table.add({text_of(member(item, "name")), text_of(member(item, "state")),
                   money(member(item, "amount")), money(member(item, "used")), money(member(item, "left")),
                   money(member(item, "expired")), moment(member(item, "until"), style),
                   accounts.empty() ? "all" : accounts});
    }
    std::string out = table.empty() ? std::string{"no credit is configured ([[credit]])\n"}
                                    : table.text() + "\n";
    for (const Json& account : member(answer, "accounts")) {
        out += "account " + safe(text_of(member(account, "account"))) + ": " +
               safe(text_of(member(account, "text"))) +
               (member(account, "lasts").is_null()
                    ? std::string{}
                    : "; " + two_units(member(account, "lasts")) + " at the " +
                          money(member(account, "burn_per_hour")) + "/h of now") +
               "\n";
    }
    out += "this month: " + money(member(answer, "gross")) + " gross, " + money(member(answer, "net")) +
           " net of credits\n";
    out += "prices as of " + text_of(member(member(answer, "prices"), "as_of"), "an unknown date") + "\n";
    return out + footer(answer);
}

std::string advice_text(const Json& answer, const Style& style) {
    std::string out;
    for (const Json& item : member(answer, "items")) {
        const Json& saving = member(item, "saving_30_days");
        out += bold(safe(text_of(member(item, "text")))) + "\n";
        out += nanos_of(saving) > 0 ? "  would save " + money(saving) + " in 30 days\n" : "";
        out += "  how: " + safe(text_of(member(item, "how"))) + "\n";
    }
    out += out.empty() ? "nothing to advise\n" : "\n";
    if (const Json& unjudged = member(answer, "unjudged_gpu_runs"); unjudged.is_number() && unjudged != 0) {
        out += counted(unjudged, "run") + " on a GPU: too little was seen to say whether the GPU worked\n";
    }
    return out + "from what was seen since " + moment(member(answer, "since"), style) + " " +
           zone_name(style) + ", prices as of " +
           text_of(member(member(answer, "prices"), "as_of"), "an unknown date") + "\n" + footer(answer);
}

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
    out += reported_text(answer, style);
    out += parked_text(answer);
    out += "prices as of " + text_of(member(member(answer, "prices"), "as_of"), "an unknown date") + "\n";
    return out + saved_text(member(answer, "saved")) + "\n" + footer(answer);
}

}  // namespace curfew::cli
