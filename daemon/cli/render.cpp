#include "render.hpp"

#include "curfew/core/time.hpp"
#include "render_alerts.hpp"
#include "table.hpp"
#include "words.hpp"

#include <algorithm>

namespace curfew::cli {

namespace {

std::string state_of(const Json& item) {
    if (!flag(member(item, "billing"))) {
        return text_of(member(item, "state"));
    }
    if (member(item, "enforcement").is_object()) {
        return text_of(member(member(item, "enforcement"), "state"));
    }
    if (!member(item, "holds").empty()) {
        return "held";
    }
    const std::string state = text_of(member(item, "state"));
    return state == "running" ? text_of(member(item, "verdict")) : state;
}

/// "on trial until 11-30 10:00:00: would have stopped 2": what is to be said of a rule, or nothing.
std::string rule_notes(const Json& rule, const Style& style) {
    std::string out;
    const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
    if (member(rule, "trial").is_object()) {
        add("on trial until " + moment(member(member(rule, "trial"), "until"), style) +
            ": would have stopped " + member(member(rule, "trial"), "would_stop").dump());
    }
    if (member(rule, "breaker").is_object()) {
        add("breaker open since " + moment(member(member(rule, "breaker"), "since"), style) + " (" +
            safe(text_of(member(member(rule, "breaker"), "why"))) + "); curfew rule reset " +
            safe(text_of(member(rule, "name"))));
    }
    if (flag(member(rule, "flagged"))) {
        add("flagged: " + member(rule, "false_stops_7d").dump() + " of " + member(rule, "stops_7d").dump() +
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
    for (const Json& item : member(answer, "items")) {
        const bool on = flag(member(item, "billing"));
        if (!on && !style.all) {
            ++off;
            continue;
        }
        const std::string about = flag(member(item, "exact")) ? "" : "~";
        table.add({text_of(member(item, "name")), text_of(member(item, "account")),
                   text_of(member(item, "machine_type")), state_of(item),
                   two_units(member(member(item, "run"), "up")), on ? two_units(member(item, "quiet")) : "-",
                   money(member(item, "price")), about + money(member(item, "today")),
                   about + money(member(item, "month")),
                   member(item, "stops_at").is_null() ? "-" : left_until(member(item, "stops_at"), answer),
                   text_of(member(item, "why"))});
    }
    const Json& totals = member(answer, "totals");
    std::string out = table.empty() ? std::string{"nothing is running\n"} : table.text();
    out += "\n" + money(member(totals, "per_hour")) + "/h now, " + money(member(totals, "today")) +
           " today, " + money(member(totals, "month")) + " this month";
    out += member(totals, "unpriced") != 0 ? ", " + member(totals, "unpriced").dump() + " unpriced" : "";
    out += off > 0 ? "; " + std::to_string(off) + " off (curfew status -a)" : "";
    out += "\n" + saved_text(member(totals, "saved")) + "\n";
    for (const Json& budget : member(answer, "budgets")) {
        out += "budget " + safe(text_of(member(budget, "name"))) + ": " + money(member(budget, "spent")) +
               " of " + money(member(budget, "amount")) + " in " + text_of(member(budget, "period")) +
               (flag(member(budget, "hard")) ? ", hard" : "") +
               (flag(member(budget, "complete")) ? "" : ", something is unpriced") + "\n";
    }
    for (const Json& rule : member(answer, "rules")) {
        out += "rule " + safe(text_of(member(rule, "name"))) + ": " + rule_notes(rule, style) + "\n";
    }
    return out + alerts_line(member(answer, "alerts")) + footer(answer);
}

std::string explain_text(const Json& answer, const Style& style) {
    const Json& s = member(answer, "subject");
    std::string out = bold(safe(text_of(member(s, "name")))) + "  " + text_of(member(s, "kind")) + " " +
                      text_of(member(s, "resource")) + " on " + text_of(member(s, "machine_type")) +
                      ", run " + text_of(member(member(s, "run"), "id")) + ", " +
                      text_of(member(s, "state")) + "\n";
    const bool then = member(answer, "at").is_string();
    if (then) {
        out += "as it was " + moment(member(answer, "at"), style) + " " + zone_name(style) +
               ", last looked at " + moment(member(answer, "looked_at"), style) + "; by the rules of today\n";
    }
    out += "cost      " + money(member(s, "price")) + "/h, " + money(member(answer, "run_cost"), "unknown") +
           (then ? " in this run by then\n" : " in this run so far\n");
    out += "verdict   " + coloured(text_of(member(s, "verdict")), text_of(member(s, "verdict"))) +
           ", decided by " + safe(text_of(member(answer, "decided_by"))) + " (coverage " +
           text_of(member(s, "coverage")) + ")\n";
    out += "quiet     " + text_of(member(answer, "quiet")) + " of " + text_of(member(answer, "limit")) +
           ", rule " + text_of(member(answer, "rule"), "none") + ", mode " + text_of(member(answer, "mode")) +
           (flag(member(answer, "protected")) ? ", protected" : "") + "\n";
    if (member(answer, "rule_now").is_object()) {
        const std::string notes = rule_notes(member(answer, "rule_now"), style);
        out += notes.empty() ? notes : "rule      " + notes + "\n";
    }
    out += "why       " + safe(text_of(member(answer, "why"))) + "\n";
    out += "next      " + safe(text_of(member(answer, "next"))) + "\n";
    out += "stopped by  " + safe(text_of(member(answer, "would_stop"))) + "\n";
    out += "kept by     " + safe(text_of(member(answer, "would_keep"))) + "\n\n";
    Table signals({"SIGNAL", "VERDICT", "STRENGTH", "AGE", "GOOD FOR", "LAST ACTIVE", "EVIDENCE"});
    for (const Json& o : member(answer, "signals")) {
        signals.add({text_of(member(o, "source")),
                     text_of(member(o, "verdict")) + (flag(member(o, "expired")) ? " (expired)" : ""),
                     text_of(member(o, "strength")), text_of(member(o, "age")), text_of(member(o, "ttl")),
                     moment(member(o, "last_active_at"), style), text_of(member(o, "evidence"))});
    }
    out += signals.empty() ? "no signal yet\n" : signals.text();
    for (const Json& hold : member(answer, "holds")) {
        out += "hold      " + text_of(member(hold, "kind")) +
               (member(hold, "job").is_null() ? "" : " for job " + safe(text_of(member(hold, "job")))) +
               " by " + safe(text_of(member(hold, "by"))) + " until " + moment(member(hold, "until"), style) +
               (member(hold, "reason").is_null() ? "" : ": " + safe(text_of(member(hold, "reason")))) + "\n";
    }
    for (const Json& budget : member(answer, "budgets")) {
        out += "budget    " + safe(text_of(member(budget, "name"))) + ": " + money(member(budget, "left")) +
               " left of " + money(member(budget, "amount")) +
               (flag(member(budget, "hard")) ? " (hard)" : "") + "\n";
    }
    for (const Json& e : member(answer, "enforcements")) {
        out += "enforcement  " + text_of(member(e, "id")) + " " + text_of(member(e, "state")) + " (" +
               text_of(member(e, "cause")) + " " + safe(text_of(member(e, "cause_name"))) +
               "): " + safe(text_of(member(e, "reason"))) +
               (member(e, "receipt").is_null() ? "" : ", receipt " + text_of(member(e, "receipt"))) + "\n";
    }
    return out + footer(answer);
}

std::string plan_text(const Json& answer, const Style& style) {
    Table table({"NAME", "TYPE", "ACT", "IN", "AT " + zone_name(style), "BY", "WARNED", "SAVES", "WHY"},
                {false, false, false, true, false, false, true, true, false});
    for (const Json& item : member(answer, "items")) {
        const bool acts = member(item, "at").is_string();
        const std::string act = text_of(member(item, "act"));
        table.add(
            {text_of(member(item, "name")), text_of(member(item, "machine_type")),
             act == "none"         ? "-"
             : act == "would_stop" ? "would stop"
                                   : act,
             acts ? left_until(member(item, "at"), answer) : "-", moment(member(item, "at"), style),
             acts ? text_of(member(item, "by")) + " " + text_of(member(item, "by_name")) : "-",
             member(item, "warnings").empty() ? "-" : "in " + left_until(member(item, "warnings")[0], answer),
             acts ? money(member(item, "saves")) : "-", text_of(member(item, "why"))});
    }
    const Json& totals = member(answer, "totals");
    std::string out = table.empty() ? std::string{"nothing is running\n"} : table.text();
    out += "\nif every signal stays as it is: " + money(member(totals, "saves")) + " saved until " +
           moment(member(answer, "until"), style) + " of the " + money(member(totals, "without")) +
           " that it would cost";
    out += money(member(totals, "would_save")) == "$0.00"
               ? ""
               : "; " + money(member(totals, "would_save")) + " more if the mode were enforce";
    out += member(totals, "unpriced") != 0 ? "; " + member(totals, "unpriced").dump() + " unpriced" : "";
    return out + "\n" + footer(answer);
}

std::string replay_text(const Json& answer, const Style& style) {
    Table table({"NAME", "RUN", "TYPE", "STOPPED AT " + zone_name(style), "SAVED", "BEFORE USE",
                 "ACTIVE AGAIN", "WHY"},
                {false, false, false, false, true, true, false, false});
    for (const Json& item : member(answer, "items")) {
        const std::string suspect = member(item, "suspect").is_null() ? std::string{"no"}
                                    : member(item, "suspect") == "soon"
                                        ? moment(member(item, "active_again"), style) + " (soon)"
                                        : moment(member(item, "active_again"), style);
        table.add({text_of(member(item, "name")), text_of(member(item, "run")),
                   text_of(member(item, "machine_type")), moment(member(item, "at"), style),
                   money(member(item, "saved")), money(member(item, "saved_before_use")), suspect,
                   text_of(member(item, "why"))});
    }
    const Json& totals = member(answer, "totals");
    std::string out = table.empty() ? std::string{} : table.text() + "\n";
    out += "rule " + safe(text_of(member(member(answer, "rule"), "name"))) + " (quiet for " +
           text_of(member(member(answer, "rule"), "idle_limit")) + ") over " +
           counted(member(totals, "runs"), "recorded run") + " since " +
           moment(member(answer, "from"), style) + ": " + counted(member(totals, "stops"), "stop") + ", " +
           money(member(totals, "saved")) + " saved until the runs really ended, " +
           money(member(totals, "saved_before_use")) + " until they were used again\n";
    out += "suspected false stops: " + member(totals, "suspect_soon").dump() +
           " were active again within 15m, " + member(totals, "suspect_later").dump() +
           " at any time in the same run\n";
    out += member(totals, "unpriced") != 0
               ? member(totals, "unpriced").dump() + " of the stops are unpriced\n"
               : "";
    out += flag(member(totals, "cut")) ? "there were more runs than one answer takes: ask for less time\n"
                                       : "";
    return out + "as if in mode enforce; nothing was changed\n";
}

std::string receipts_text(const Json& answer, const Style& style) {
    Table table({"RECEIPT", "NAME", "VERIFIED " + zone_name(style), "FILES", "SIZE", "WHERE"},
                {false, false, false, true, true, false});
    for (const Json& r : member(answer, "items")) {
        const std::string where = member(r, "proofs").empty()
                                      ? std::string{"-"}
                                      : text_of(member(member(r, "proofs")[0], "locator"));
        table.add({text_of(member(r, "id")), text_of(member(r, "name")),
                   moment(member(r, "verified_at"), style), member(r, "files").dump(),
                   size_text(whole_number(member(r, "bytes"))), where});
    }
    return table.empty() ? std::string{"no receipt yet\n"} : table.text();
}

std::string receipt_text(const Json& r, const Style& style) {
    std::string out = bold("receipt " + text_of(member(r, "id"))) + " of " +
                      safe(text_of(member(r, "name"))) + ", run " + text_of(member(r, "run")) + "\n";
    out += "verified  " + moment(member(r, "verified_at"), style) + " " + zone_name(style) + ": " +
           member(r, "files").dump() + " files, " + size_text(whole_number(member(r, "bytes"))) + ", " +
           member(r, "reused").dump() + " taken over from the copy before\n";
    for (const Json& proof : member(r, "proofs")) {
        out += "vault     " + text_of(member(proof, "vault")) + " (" + text_of(member(proof, "method")) +
               ")\n          cd '" + text_of(member(proof, "locator")) +
               "/files' && sha256sum -c ../SHA256SUMS\n";
    }
    for (const Json& copy : member(r, "html")) {
        out += "html      " + safe(text_of(member(copy, "notebook"))) +
               (member(copy, "failure").is_null() ? " -> html/" + safe(text_of(member(copy, "html")))
                                                  : " failed: " + safe(text_of(member(copy, "failure")))) +
               "\n";
    }
    for (const Json& item : member(r, "not_covered")) {
        out += "missing   " + safe(text_of(member(item, "what"))) + " (" +
               safe(text_of(member(item, "why"))) + ")\n";
    }
    return out;
}

std::string event_line(const Json& e, const Style& style) {
    std::string out = moment(member(e, "at"), style) + "  " + text_of(member(e, "kind"));
    out += std::string(out.size() < 42 ? 42 - out.size() : 1, ' ');
    out += member(e, "run").is_null() ? "" : safe(text_of(member(e, "run"))) + "  ";
    return out + safe(text_of(member(e, "text"))) +
           (text_of(member(e, "actor")) == "curfewd" ? "" : "  (" + safe(text_of(member(e, "actor"))) + ")") +
           "\n";
}

std::string doctor_text(const Json& answer) {
    std::string out;
    for (const Json& item : member(answer, "items")) {
        const bool good = flag(member(item, "good"));
        out += coloured(good ? "ok    " : "FOUND ", good ? "good" : "bad") +
               safe(text_of(member(item, "what"))) + ": " + safe(text_of(member(item, "text"))) + "\n";
    }
    return out;
}

std::string keep_text(const Json& answer, const Style& style) {
    return "kept until " + moment(member(answer, "until"), style) + " " + zone_name(style) + "; that costs " +
           money(member(answer, "price"), "an unknown amount, since it is unpriced") +
           ". It ends by itself; `curfew release " + text_of(member(answer, "resource")) + "` ends it now.\n";
}

std::string lease_text(const Json& answer, const Style& style) {
    return "leased to job " + safe(text_of(member(answer, "job"))) + " until " +
           moment(member(answer, "until"), style) + " " + zone_name(style) + "; that costs " +
           money(member(answer, "price"), "an unknown amount, since it is unpriced") +
           ". The same job renews it; `curfew release " + text_of(member(answer, "resource")) +
           " --lease` ends it now.\n";
}

std::string exempt_text(const Json& answer, const Style& style) {
    return "no rule stops it until " + text_of(member(answer, "until")) + " (" +
           moment(member(answer, "until"), style) + " " + zone_name(style) +
           "), in this run and the next ones; a hard budget does. `curfew release " +
           text_of(member(answer, "resource")) + " --exemption` ends it now.\n";
}

std::string release_text(const Json& answer) {
    std::string out;
    for (const auto& [key, word] : {std::pair{"keeps", "keep"}, std::pair{"leases", "lease"},
                                    std::pair{"exemptions", "exemption"}, std::pair{"stops", "stop"}}) {
        const std::int64_t count = whole_number(member(answer, key));
        if (count > 0) {
            out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + word + (count == 1 ? "" : "s");
        }
    }
    return out.empty() ? std::string{"nothing held it\n"} : out + " ended; the rules apply again\n";
}

std::string rules_text(const Json& answer, const Style& style) {
    Table table({"RULE", "MODE", "LIMIT", "MATCHES", "RUNNING", "STOPS 7D", "FALSE 7D", "NOTE"},
                {false, false, true, true, true, true, true, false});
    for (const Json& rule : member(answer, "items")) {
        table.add({text_of(member(rule, "name")), text_of(member(rule, "mode")),
                   text_of(member(rule, "idle_limit")), member(rule, "matches").dump(),
                   member(rule, "running").dump(), member(rule, "stops_7d").dump(),
                   member(rule, "false_stops_7d").dump(), rule_notes(rule, style)});
    }
    return (table.empty() ? std::string{"no rule is configured\n"} : table.text()) + footer(answer);
}

std::string stop_text(const Json& answer, bool dry_run) {
    std::string out = dry_run ? "would do:\n" : "";
    int number = 0;
    for (const Json& step : member(answer, "steps")) {
        out += "  " + std::to_string(++number) + ". " + safe(text_of(step)) + "\n";
    }
    out += "saves " + money(member(answer, "per_hour"), "an unknown amount") + " an hour\n";
    if (!dry_run) {
        out += "under way as " + text_of(member(answer, "enforcement")) +
               "; watch it with `curfew events -f`\n";
    }
    return out;
}

}  // namespace curfew::cli
