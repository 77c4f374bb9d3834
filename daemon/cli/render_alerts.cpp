#include "render_alerts.hpp"

#include "table.hpp"

namespace curfew::cli {

namespace {

/// The state, with what is laid over it.
std::string state_of(const Json& alert) {
    return text_of(member(alert, "state")) + (member(alert, "silenced_by").is_string() ? ", silenced" : "") +
           (member(alert, "inhibited_by").is_string() ? ", hidden" : "") +
           (flag(member(alert, "flapping")) ? ", flapping" : "");
}

std::string joined(const Json& list) {
    std::string text;
    for (const Json& each : list) {
        text += (text.empty() ? "" : " ") + text_of(each);
    }
    return text;
}

/// "resources train-* rules night", "everything".
std::string scope_of(const Json& silence) {
    std::string text;
    for (const char* key : {"resources", "accounts", "rules", "budgets", "kinds"}) {
        if (const std::string names = joined(member(silence, key)); !names.empty()) {
            text += (text.empty() ? "" : ", ") + std::string{key} + " " + names;
        }
    }
    if (member(silence, "alert").is_string()) {
        text += (text.empty() ? "" : ", ") + std::string{"alert "} + text_of(member(silence, "alert"));
    }
    return text.empty() ? "everything" : text;
}

std::string receiver_of(const Json& row) {
    return text_of(member(row, "channel")) +
           (member(row, "to").is_string() ? " (" + text_of(member(row, "to")) + ")" : "");
}

std::string life_of(const Json& answer, const Style& style) {
    Table table({"AT " + zone_name(style), "STATE", "WHAT", "BY", "WHY"});
    for (const Json& event : member(answer, "events")) {
        table.add({moment(member(event, "at"), style), text_of(member(event, "state")),
                   text_of(member(event, "what")), text_of(member(event, "by"), "curfewd"),
                   text_of(member(event, "reason"))});
    }
    return table.empty() ? "" : "\n" + table.text();
}

std::string deliveries_of(const Json& answer, const Style& style) {
    Table table({"CHANNEL", "MESSAGE", "STATE", "TRIES", "MADE " + zone_name(style), "ANSWER"},
                {false, false, false, true, false, false});
    for (const Json& row : member(answer, "deliveries")) {
        table.add({receiver_of(row), text_of(member(row, "telling")), text_of(member(row, "state")),
                   text_of(member(row, "attempts")), moment(member(row, "created_at"), style),
                   text_of(member(row, "last_error"))});
    }
    return table.empty() ? "\nnobody was told\n" : "\n" + table.text();
}

}  // namespace

std::string alerts_text(const Json& answer, const Style& style) {
    Table table({"ALERT", "SEVERITY", "STATE", "SINCE " + zone_name(style), "WHAT"});
    for (const Json& a : member(answer, "items")) {
        table.add({text_of(member(a, "id")), text_of(member(a, "severity")), state_of(a),
                   moment(member(a, "since"), style), text_of(member(a, "title"))});
    }
    return table.empty() ? std::string{"no alert is firing\n"} : table.text();
}

std::string alert_text(const Json& answer, const Style& style) {
    std::string out = bold(safe(text_of(member(answer, "title")))) + "\n";
    for (const Json& line : member(answer, "text")) {
        out += safe(text_of(line)) + "\n";
    }
    out += "\nalert     " + safe(text_of(member(answer, "id"))) + ", " + text_of(member(answer, "kind")) +
           ", " + text_of(member(answer, "severity")) + "\n";
    out += "state     " + state_of(answer) + ", since " + moment(member(answer, "since"), style) + " " +
           zone_name(style) + "\n";
    std::string about;
    for (const char* key : {"account", "resource_name", "resource", "run", "rule", "budget", "owner"}) {
        if (member(answer, key).is_string()) {
            const std::string word = std::string{key} == "resource_name" ? "called" : key;
            about += (about.empty() ? "" : ", ") + word + " " + safe(text_of(member(answer, key)));
        }
    }
    out += about.empty() ? "" : "about     " + about + "\n";
    std::string told;
    for (const Json& each : member(answer, "told")) {
        told += (told.empty() ? "" : ", ") + receiver_of(each);
    }
    out += "told      " + (told.empty() ? "nobody" : safe(told)) + "\n";
    if (member(answer, "acknowledged_by").is_string()) {
        out += "taken by  " + safe(text_of(member(answer, "acknowledged_by"))) +
               (member(answer, "note").is_string() ? ": " + safe(text_of(member(answer, "note"))) : "") +
               "\n";
    }
    for (const auto& [key, word] : {std::pair{"silenced_by", "silenced  by "},
                                    {"inhibited_by", "hidden    by "},
                                    {"reason", "why       "},
                                    {"do_next", "to do     "}}) {
        if (member(answer, key).is_string()) {
            out += word + safe(text_of(member(answer, key))) + "\n";
        }
    }
    return out + life_of(answer, style) + deliveries_of(answer, style) + footer(answer);
}

std::string silence_text(const Json& answer, const Style& style) {
    const bool maintenance = text_of(member(answer, "kind")) == "maintenance";
    return safe(text_of(member(answer, "id"))) + ": " +
           (maintenance ? "nobody is told of, and nothing is stopped of " : "nobody is told of ") +
           safe(scope_of(answer)) + " until " + moment(member(answer, "until"), style) + " " +
           zone_name(style) + ". It ends by itself; `curfew alerts unsilence " +
           safe(text_of(member(answer, "id"))) + "` ends it now.\n";
}

std::string silences_text(const Json& answer, const Style& style) {
    Table table({"SILENCE", "KIND", "UNTIL " + zone_name(style), "OF", "BY", "WHY"});
    for (const Json& s : member(answer, "items")) {
        table.add({text_of(member(s, "id")), text_of(member(s, "kind")),
                   flag(member(s, "in_force")) ? moment(member(s, "until"), style) : "over", scope_of(s),
                   text_of(member(s, "by")), text_of(member(s, "reason"))});
    }
    return table.empty() ? std::string{"no silence is in force\n"} : table.text();
}

std::string outbox_text(const Json& answer, const Style& style) {
    Table table({"NO", "CHANNEL", "STATE", "TRIES", "MADE " + zone_name(style), "WHAT", "ANSWER"},
                {true, false, false, true, false, false, false});
    bool dead = false;
    for (const Json& row : member(answer, "items")) {
        dead = dead || text_of(member(row, "state")) == "dead";
        table.add({text_of(member(row, "seq")), receiver_of(row), text_of(member(row, "state")),
                   text_of(member(row, "attempts")), moment(member(row, "created_at"), style),
                   text_of(member(row, "title")), text_of(member(row, "last_error"))});
    }
    std::string out = table.empty() ? std::string{"no message is there\n"} : table.text();
    const Json& counts = member(answer, "counts");
    out += "\n" + text_of(member(counts, "waiting")) + " waiting, " + text_of(member(counts, "delivered")) +
           " delivered, " + text_of(member(counts, "superseded")) + " superseded, " +
           text_of(member(counts, "dead")) + " dead" + (dead ? " (curfew outbox retry NO)" : "") + "\n";
    out += member(answer, "next").is_null() ? "" : "there are more\n";
    for (const Json& channel : member(answer, "disabled")) {
        out += coloured("! ", "bad") + "channel " + safe(text_of(member(channel, "channel"))) +
               " is not used any more: " + safe(text_of(member(channel, "why"))) + "\n";
    }
    return out;
}

std::string delivery_text(const Json& answer) {
    return "channel " + safe(receiver_of(answer)) + " took it: " + safe(text_of(member(answer, "answer"))) +
           "\n";
}

std::string alerts_line(const Json& alerts) {
    const std::int64_t firing = whole_number(member(alerts, "firing"));
    const std::int64_t critical = whole_number(member(alerts, "critical"));
    const std::int64_t dead = whole_number(member(alerts, "dead_letters"));
    std::string out;
    if (firing > 0) {
        out = counted(member(alerts, "firing"), "alert") +
              (critical > 0 ? ", " + std::to_string(critical) + " critical" : "") + " (curfew alerts)";
    }
    if (dead > 0) {
        out += (out.empty() ? "" : "; ") + std::to_string(dead) + " undelivered (curfew outbox dead)";
    }
    return out.empty() ? out : coloured("! ", critical > 0 || dead > 0 ? "bad" : "") + out + "\n";
}

}  // namespace curfew::cli
