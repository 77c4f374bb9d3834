#include "render.hpp"

#include "curfew/core/money.hpp"
#include "curfew/core/time.hpp"
#include "table.hpp"

#include <algorithm>
#include <ctime>

namespace curfew::cli {

namespace {

std::string text_of(const Json& value, const std::string& otherwise = "-") {
    return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : otherwise;
}

std::string money(const Json& value, const std::string& otherwise = "unpriced") {
    if (!value.is_object() || !value.contains("amount") || !value["amount"].is_string()) {
        return otherwise;
    }
    const auto amount = parse_money(value["amount"].get<std::string>());
    return amount ? to_string(*amount) : otherwise;
}

std::optional<WallTime> time_of(const Json& value) {
    const auto t = value.is_string() ? parse_wall_time(value.get<std::string>())
                                     : Result<WallTime>{fail(Errc::invalid, "no time")};
    return t ? std::optional{*t} : std::nullopt;
}

std::string moment(const Json& value, const Style& style) {
    const auto t = time_of(value);
    if (!t) {
        return "-";
    }
    const std::time_t seconds_since = t->ms / 1000;
    std::tm parts{};
    if (style.utc) {
        ::gmtime_r(&seconds_since, &parts);
    } else {
        ::localtime_r(&seconds_since, &parts);
    }
    char text[32];
    std::strftime(text, sizeof text, "%m-%d %H:%M:%S", &parts);
    return text;
}

std::string zone_name(const Style& style) {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&now, &parts);
    return style.utc || parts.tm_zone == nullptr ? "UTC" : parts.tm_zone;
}

std::string left_until(const Json& when, const Json& answer) {
    const auto t = time_of(when);
    const auto now = time_of(answer["now"]);
    if (!t || !now) {
        return "-";
    }
    return to_string(std::max<Duration>(Duration{0}, std::chrono::floor<seconds>(*t - *now)));
}

std::string two_units(const Json& value) {
    // "5h9m20s" is more than a table needs.
    const std::string full = text_of(value);
    const auto parsed = parse_duration(full);
    if (!parsed) {
        return full;
    }
    if (*parsed >= hours{24}) {
        return to_string(std::chrono::floor<hours>(*parsed));
    }
    return to_string(*parsed >= hours{1} ? std::chrono::floor<minutes>(*parsed) : *parsed);
}

std::string footer(const Json& answer) {
    std::string out;
    const Json& stale = answer["stale_for"];
    out += stale.is_null() ? "nothing seen yet\n"
                           : "as of " + to_string(Duration{seconds{stale.get<std::int64_t>()}}) + " ago\n";
    for (const Json& d : answer["degraded"]) {
        out += coloured("! ", "bad") + safe(text_of(d["what"])) + ": " + safe(text_of(d["why"])) + "\n";
    }
    return out;
}

std::string counted(const Json& number, const std::string& what) {
    return number.dump() + " " + what + (number == 1 ? "" : "s");
}

std::string saved_text(const Json& saved) {
    return money(saved, "$0.00") + " saved by " + counted(saved["stops"], "stop") + " of Curfew (estimate)";
}

std::string state_of(const Json& item) {
    if (!item["billing"].get<bool>()) {
        return text_of(item["state"]);
    }
    if (item.contains("enforcement") && item["enforcement"].is_object()) {
        return text_of(item["enforcement"]["state"]);
    }
    if (item.contains("holds") && !item["holds"].empty()) {
        return "held";
    }
    const std::string state = text_of(item["state"]);
    return state == "running" ? text_of(item["verdict"]) : state;
}

/// "on trial until 11-30 10:00:00: would have stopped 2": what is to be said of a rule, or nothing.
std::string rule_notes(const Json& rule, const Style& style) {
    std::string out;
    const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
    if (rule["trial"].is_object()) {
        add("on trial until " + moment(rule["trial"]["until"], style) + ": would have stopped " +
            rule["trial"]["would_stop"].dump());
    }
    if (rule["breaker"].is_object()) {
        add("breaker open since " + moment(rule["breaker"]["since"], style) + " (" +
            safe(text_of(rule["breaker"]["why"])) + "); curfew rule reset " + safe(text_of(rule["name"])));
    }
    if (rule["flagged"].get<bool>()) {
        add("flagged: " + rule["false_stops_7d"].dump() + " of " + rule["stops_7d"].dump() +
            " stops in 7 days were used again within 15 min");
    }
    return out;
}

std::string size_text(std::int64_t bytes) {
    const std::int64_t tenths = bytes * 10 / (1 << 20);
    return bytes < (1 << 20) ? std::to_string((bytes + 1023) / 1024) + " KiB"
                             : std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

}  // namespace

std::string status_text(const Json& answer, const Style& style) {
    Table table(
        {"NAME", "ACCOUNT", "TYPE", "STATE", "UP", "QUIET", "$/H", "TODAY", "MONTH", "STOPS IN", "WHY"},
        {false, false, false, false, true, true, true, true, true, true, false});
    int off = 0;
    for (const Json& item : answer["items"]) {
        const bool on = item["billing"].get<bool>();
        if (!on && !style.all) {
            ++off;
            continue;
        }
        const std::string about = item["exact"].get<bool>() ? "" : "~";
        table.add({text_of(item["name"]), text_of(item["account"]), text_of(item["machine_type"]),
                   state_of(item), two_units(item["run"]["up"]), on ? two_units(item["quiet"]) : "-",
                   money(item["price"]), about + money(item["today"]), about + money(item["month"]),
                   item["stops_at"].is_null() ? "-" : left_until(item["stops_at"], answer),
                   text_of(item["why"])});
    }
    const Json& totals = answer["totals"];
    std::string out = table.empty() ? std::string{"nothing is running\n"} : table.text();
    out += "\n" + money(totals["per_hour"]) + "/h now, " + money(totals["today"]) + " today, " +
           money(totals["month"]) + " this month";
    out += totals["unpriced"] != 0 ? ", " + totals["unpriced"].dump() + " unpriced" : "";
    out += off > 0 ? "; " + std::to_string(off) + " off (curfew status -a)" : "";
    out += "\n" + saved_text(totals["saved"]) + "\n";
    for (const Json& budget : answer["budgets"]) {
        out += "budget " + safe(text_of(budget["name"])) + ": " + money(budget["spent"]) + " of " +
               money(budget["amount"]) + " in " + text_of(budget["period"]) +
               (budget["hard"].get<bool>() ? ", hard" : "") +
               (budget["complete"].get<bool>() ? "" : ", something is unpriced") + "\n";
    }
    for (const Json& rule : answer["rules"]) {
        out += "rule " + safe(text_of(rule["name"])) + ": " + rule_notes(rule, style) + "\n";
    }
    return out + footer(answer);
}

std::string explain_text(const Json& answer, const Style& style) {
    const Json& s = answer["subject"];
    std::string out = bold(safe(text_of(s["name"]))) + "  " + text_of(s["kind"]) + " " +
                      text_of(s["resource"]) + " on " + text_of(s["machine_type"]) + ", run " +
                      text_of(s["run"]["id"]) + ", " + text_of(s["state"]) + "\n";
    const bool then = answer.contains("at") && answer["at"].is_string();
    if (then) {
        out += "as it was " + moment(answer["at"], style) + " " + zone_name(style) + ", last looked at " +
               moment(answer["looked_at"], style) + "; by the rules of today\n";
    }
    out += "cost      " + money(s["price"]) + "/h, " + money(answer["run_cost"], "unknown") +
           (then ? " in this run by then\n" : " in this run so far\n");
    out += "verdict   " + coloured(text_of(s["verdict"]), text_of(s["verdict"])) + ", decided by " +
           safe(text_of(answer["decided_by"])) + " (coverage " + text_of(s["coverage"]) + ")\n";
    out += "quiet     " + text_of(answer["quiet"]) + " of " + text_of(answer["limit"]) + ", rule " +
           text_of(answer["rule"], "none") + ", mode " + text_of(answer["mode"]) +
           (answer["protected"].get<bool>() ? ", protected" : "") + "\n";
    if (answer["rule_now"].is_object()) {
        const std::string notes = rule_notes(answer["rule_now"], style);
        out += notes.empty() ? notes : "rule      " + notes + "\n";
    }
    out += "why       " + safe(text_of(answer["why"])) + "\n";
    out += "next      " + safe(text_of(answer["next"])) + "\n";
    out += "stopped by  " + safe(text_of(answer["would_stop"])) + "\n";
    out += "kept by     " + safe(text_of(answer["would_keep"])) + "\n\n";
    Table signals({"SIGNAL", "VERDICT", "STRENGTH", "AGE", "GOOD FOR", "LAST ACTIVE", "EVIDENCE"});
    for (const Json& o : answer["signals"]) {
        signals.add({text_of(o["source"]),
                     text_of(o["verdict"]) + (o["expired"].get<bool>() ? " (expired)" : ""),
                     text_of(o["strength"]), text_of(o["age"]), text_of(o["ttl"]),
                     moment(o["last_active_at"], style), text_of(o["evidence"])});
    }
    out += signals.empty() ? "no signal yet\n" : signals.text();
    for (const Json& hold : answer["holds"]) {
        out += "hold      " + text_of(hold["kind"]) +
               (hold["job"].is_null() ? "" : " for job " + safe(text_of(hold["job"]))) + " by " +
               safe(text_of(hold["by"])) + " until " + moment(hold["until"], style) +
               (hold["reason"].is_null() ? "" : ": " + safe(text_of(hold["reason"]))) + "\n";
    }
    for (const Json& budget : answer["budgets"]) {
        out += "budget    " + safe(text_of(budget["name"])) + ": " + money(budget["left"]) + " left of " +
               money(budget["amount"]) + (budget["hard"].get<bool>() ? " (hard)" : "") + "\n";
    }
    for (const Json& e : answer["enforcements"]) {
        out += "enforcement  " + text_of(e["id"]) + " " + text_of(e["state"]) + " (" + text_of(e["cause"]) +
               " " + safe(text_of(e["cause_name"])) + "): " + safe(text_of(e["reason"])) +
               (e["receipt"].is_null() ? "" : ", receipt " + text_of(e["receipt"])) + "\n";
    }
    return out + footer(answer);
}

std::string plan_text(const Json& answer, const Style& style) {
    Table table({"NAME", "TYPE", "ACT", "IN", "AT " + zone_name(style), "BY", "WARNED", "SAVES", "WHY"},
                {false, false, false, true, false, false, true, true, false});
    for (const Json& item : answer["items"]) {
        const bool acts = item["at"].is_string();
        const std::string act = text_of(item["act"]);
        table.add({text_of(item["name"]), text_of(item["machine_type"]),
                   act == "none"         ? "-"
                   : act == "would_stop" ? "would stop"
                                         : act,
                   acts ? left_until(item["at"], answer) : "-", moment(item["at"], style),
                   acts ? text_of(item["by"]) + " " + text_of(item["by_name"]) : "-",
                   item["warnings"].empty() ? "-" : "in " + left_until(item["warnings"][0], answer),
                   acts ? money(item["saves"]) : "-", text_of(item["why"])});
    }
    const Json& totals = answer["totals"];
    std::string out = table.empty() ? std::string{"nothing is running\n"} : table.text();
    out += "\nif every signal stays as it is: " + money(totals["saves"]) + " saved until " +
           moment(answer["until"], style) + " of the " + money(totals["without"]) + " that it would cost";
    out += money(totals["would_save"]) == "$0.00"
               ? ""
               : "; " + money(totals["would_save"]) + " more if the mode were enforce";
    out += totals["unpriced"] != 0 ? "; " + totals["unpriced"].dump() + " unpriced" : "";
    return out + "\n" + footer(answer);
}

std::string replay_text(const Json& answer, const Style& style) {
    Table table({"NAME", "RUN", "TYPE", "STOPPED AT " + zone_name(style), "SAVED", "BEFORE USE",
                 "ACTIVE AGAIN", "WHY"},
                {false, false, false, false, true, true, false, false});
    for (const Json& item : answer["items"]) {
        const std::string suspect = item["suspect"].is_null() ? std::string{"no"}
                                    : item["suspect"] == "soon"
                                        ? moment(item["active_again"], style) + " (soon)"
                                        : moment(item["active_again"], style);
        table.add({text_of(item["name"]), text_of(item["run"]), text_of(item["machine_type"]),
                   moment(item["at"], style), money(item["saved"]), money(item["saved_before_use"]), suspect,
                   text_of(item["why"])});
    }
    const Json& totals = answer["totals"];
    std::string out = table.empty() ? std::string{} : table.text() + "\n";
    out += "rule " + safe(text_of(answer["rule"]["name"])) + " (quiet for " +
           text_of(answer["rule"]["idle_limit"]) + ") over " + counted(totals["runs"], "recorded run") +
           " since " + moment(answer["from"], style) + ": " + counted(totals["stops"], "stop") + ", " +
           money(totals["saved"]) + " saved until the runs really ended, " +
           money(totals["saved_before_use"]) + " until they were used again\n";
    out += "suspected false stops: " + totals["suspect_soon"].dump() + " were active again within 15m, " +
           totals["suspect_later"].dump() + " at any time in the same run\n";
    out += totals["unpriced"] != 0 ? totals["unpriced"].dump() + " of the stops are unpriced\n" : "";
    out += totals["cut"].get<bool>() ? "there were more runs than one answer takes: ask for less time\n" : "";
    return out + "as if in mode enforce; nothing was changed\n";
}

std::string spend_text(const Json& answer, const std::string& by, const Style& style) {
    const bool grouped = !by.empty() && by != "resource";
    Table table(grouped ? std::vector<std::string>{by == "day"    ? "DAY"
                                                   : by == "type" ? "TYPE"
                                                                  : "ACCOUNT",
                                                   "NAME", "METER", "TIME", "COST"}
                        : std::vector<std::string>{"NAME", "TYPE", "METER", "TIME", "COST"},
                {false, false, false, true, true});
    for (const Json& row : answer["items"]) {
        const std::string cost = row["unpriced"].get<bool>()
                                     ? "unpriced"
                                     : (text_of(row["error_bar"]) != "0s" ? "~" : "") + money(row["gross"]);
        if (grouped) {
            table.add({text_of(row["group"]), text_of(row["name"]), text_of(row["meter"]),
                       text_of(row["hours"]), cost});
        } else {
            table.add({text_of(row["name"]), text_of(row["machine_type"]), text_of(row["meter"]),
                       text_of(row["hours"]), cost});
        }
    }
    std::string out = table.empty() ? std::string{"no cost in this time\n"} : table.text();
    out += "\ntotal " + money(answer["total"]) + " accrued from " + moment(answer["from"], style) + " to " +
           moment(answer["to"], style) + " " + zone_name(style);
    if (text_of(answer["error_bar"]) != "0s") {
        out += "; ~ marks estimates, in all " + text_of(answer["error_bar"]) + " of uncertain time";
    }
    return out + "\n" + saved_text(answer["saved"]) + "\n" + footer(answer);
}

std::string receipts_text(const Json& answer, const Style& style) {
    Table table({"RECEIPT", "NAME", "VERIFIED " + zone_name(style), "FILES", "SIZE", "WHERE"},
                {false, false, false, true, true, false});
    for (const Json& r : answer["items"]) {
        const std::string where = r["proofs"].empty() ? std::string{"-"} : text_of(r["proofs"][0]["locator"]);
        table.add({text_of(r["id"]), text_of(r["name"]), moment(r["verified_at"], style), r["files"].dump(),
                   size_text(r["bytes"].get<std::int64_t>()), where});
    }
    return table.empty() ? std::string{"no receipt yet\n"} : table.text();
}

std::string receipt_text(const Json& r, const Style& style) {
    std::string out = bold("receipt " + text_of(r["id"])) + " of " + safe(text_of(r["name"])) + ", run " +
                      text_of(r["run"]) + "\n";
    out += "verified  " + moment(r["verified_at"], style) + " " + zone_name(style) + ": " +
           r["files"].dump() + " files, " + size_text(r["bytes"].get<std::int64_t>()) + ", " +
           r["reused"].dump() + " taken over from the copy before\n";
    for (const Json& proof : r["proofs"]) {
        out += "vault     " + text_of(proof["vault"]) + " (" + text_of(proof["method"]) +
               ")\n          cd '" + text_of(proof["locator"]) + "/files' && sha256sum -c ../SHA256SUMS\n";
    }
    for (const Json& copy : r["html"]) {
        out += "html      " + safe(text_of(copy["notebook"])) +
               (copy["failure"].is_null() ? " -> html/" + safe(text_of(copy["html"]))
                                          : " failed: " + safe(text_of(copy["failure"]))) +
               "\n";
    }
    for (const Json& item : r["not_covered"]) {
        out += "missing   " + safe(text_of(item["what"])) + " (" + safe(text_of(item["why"])) + ")\n";
    }
    return out;
}

std::string event_line(const Json& e, const Style& style) {
    std::string out = moment(e["at"], style) + "  " + text_of(e["kind"]);
    out += std::string(out.size() < 42 ? 42 - out.size() : 1, ' ');
    out += e["run"].is_null() ? "" : safe(text_of(e["run"])) + "  ";
    return out + safe(text_of(e["text"])) +
           (text_of(e["actor"]) == "curfewd" ? "" : "  (" + safe(text_of(e["actor"])) + ")") + "\n";
}

std::string alerts_text(const Json& answer, const Style& style) {
    Table table({"ALERT", "SEVERITY", "STATE", "SINCE " + zone_name(style), "WHAT"});
    for (const Json& a : answer["items"]) {
        table.add({text_of(a["id"]), text_of(a["severity"]), text_of(a["state"]), moment(a["since"], style),
                   text_of(a["title"])});
    }
    return table.empty() ? std::string{"no alert is firing\n"} : table.text();
}

std::string doctor_text(const Json& answer) {
    std::string out;
    for (const Json& item : answer["items"]) {
        const bool good = item["good"].get<bool>();
        out += coloured(good ? "ok    " : "FOUND ", good ? "good" : "bad") + safe(text_of(item["what"])) +
               ": " + safe(text_of(item["text"])) + "\n";
    }
    return out;
}

std::string keep_text(const Json& answer, const Style& style) {
    return "kept until " + moment(answer["until"], style) + " " + zone_name(style) + "; that costs " +
           money(answer["price"], "an unknown amount, since it is unpriced") +
           ". It ends by itself; `curfew release " + text_of(answer["resource"]) + "` ends it now.\n";
}

std::string lease_text(const Json& answer, const Style& style) {
    return "leased to job " + safe(text_of(answer["job"])) + " until " + moment(answer["until"], style) +
           " " + zone_name(style) + "; that costs " +
           money(answer["price"], "an unknown amount, since it is unpriced") +
           ". The same job renews it; `curfew release " + text_of(answer["resource"]) +
           " --lease` ends it now.\n";
}

std::string exempt_text(const Json& answer, const Style& style) {
    return "no rule stops it until " + text_of(answer["until"]) + " (" + moment(answer["until"], style) +
           " " + zone_name(style) + "), in this run and the next ones; a hard budget does. `curfew release " +
           text_of(answer["resource"]) + " --exemption` ends it now.\n";
}

std::string release_text(const Json& answer) {
    std::string out;
    for (const auto& [key, word] : {std::pair{"keeps", "keep"}, std::pair{"leases", "lease"},
                                    std::pair{"exemptions", "exemption"}, std::pair{"stops", "stop"}}) {
        const std::int64_t count = answer[key].get<std::int64_t>();
        if (count > 0) {
            out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + word + (count == 1 ? "" : "s");
        }
    }
    return out.empty() ? std::string{"nothing held it\n"} : out + " ended; the rules apply again\n";
}

std::string rules_text(const Json& answer, const Style& style) {
    Table table({"RULE", "MODE", "LIMIT", "MATCHES", "RUNNING", "STOPS 7D", "FALSE 7D", "NOTE"},
                {false, false, true, true, true, true, true, false});
    for (const Json& rule : answer["items"]) {
        table.add({text_of(rule["name"]), text_of(rule["mode"]), text_of(rule["idle_limit"]),
                   rule["matches"].dump(), rule["running"].dump(), rule["stops_7d"].dump(),
                   rule["false_stops_7d"].dump(), rule_notes(rule, style)});
    }
    return (table.empty() ? std::string{"no rule is configured\n"} : table.text()) + footer(answer);
}

std::string stop_text(const Json& answer, bool dry_run) {
    std::string out = dry_run ? "would do:\n" : "";
    int number = 0;
    for (const Json& step : answer["steps"]) {
        out += "  " + std::to_string(++number) + ". " + safe(text_of(step)) + "\n";
    }
    out += "saves " + money(answer["per_hour"], "an unknown amount") + " an hour\n";
    if (!dry_run) {
        out += "under way as " + text_of(answer["enforcement"]) + "; watch it with `curfew events -f`\n";
    }
    return out;
}

}  // namespace curfew::cli
