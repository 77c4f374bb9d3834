#include "alert_verbs.hpp"

#include "curfew/api/wire.hpp"
#include "render_alerts.hpp"
#include "table.hpp"

namespace curfew::cli {

namespace {

using api::Exit;

int wrong(const std::string& text) {
    std::cerr << "curfew: " << text << "\n";
    return static_cast<int>(Exit::usage);
}

int read_outbox(const Options& o, const std::string& state) {
    std::string query;
    const auto add = [&](const char* key, const std::string& value) {
        if (!value.empty()) {
            query += (query.empty() ? "?" : "&") + std::string{key} + "=" + encoded(value);
        }
    };
    add("state", state);
    add("channel", o.channel);
    return read(o, "/v1/outbox" + query, [&](const Json& j) { return outbox_text(j, o.style); });
}

}  // namespace

int alerts(const Options& o) {
    return read(o, std::string{"/v1/alerts"} + (o.style.all ? "?all=1" : ""),
                [&](const Json& j) { return alerts_text(j, o.style); });
}

int show_alert(const Options& o) {
    return read(o, "/v1/alerts/" + encoded(o.noun), [&](const Json& j) { return alert_text(j, o.style); });
}

int acknowledge(const Options& o) {
    const Answer answer = change(o, "/v1/alerts/" + encoded(o.noun) + "/ack", Json{{"note", o.note}});
    return changed(o, answer, [&](const Json& j) {
        return "acknowledged " + safe(text_of(member(j, "id"))) + ": " + safe(text_of(member(j, "title"))) +
               "\n";
    });
}

int silence(const Options& o) {
    if (o.how_long.empty() == o.until.empty()) {
        return wrong("a silence has an end: --for 2h, or --until 2026-12-24T18:00:00Z");
    }
    if (o.reason.empty()) {
        return wrong("say why: --reason \"new disks\"");
    }
    Json body{{"reason", o.reason}, {"maintenance", o.maintenance}, {"everything", o.everything}};
    body[o.until.empty() ? "for" : "until"] = o.until.empty() ? o.how_long : o.until;
    for (const auto& [key, words] : {std::pair{"resources", &o.resources},
                                     {"accounts", &o.accounts},
                                     {"rules", &o.rules},
                                     {"budgets", &o.budgets},
                                     {"kinds", &o.kinds}}) {
        if (!words->empty()) {
            body[key] = *words;
        }
    }
    if (!o.alert.empty()) {
        body["alert"] = o.alert;
    }
    return changed(o, change(o, "/v1/silences", body),
                   [&](const Json& j) { return silence_text(j, o.style); });
}

int unsilence(const Options& o) {
    const Answer answer = change(o, "/v1/silences/" + encoded(o.noun) + "/end", Json::object());
    return changed(o, answer,
                   [&](const Json& j) { return "ended " + safe(text_of(member(j, "id"))) + "\n"; });
}

int silences(const Options& o) {
    return read(o, std::string{"/v1/silences"} + (o.style.all ? "?all=1" : ""),
                [&](const Json& j) { return silences_text(j, o.style); });
}

int outbox(const Options& o) {
    return read_outbox(o, o.state);
}

int dead_letters(const Options& o) {
    return read_outbox(o, "dead");
}

int retry(const Options& o) {
    if (o.noun.empty() != o.everything) {
        return wrong("say which dead letter, or --all: curfew outbox dead lists them");
    }
    return changed(o, change(o, "/v1/outbox/retry", Json{{"id", o.noun}}), [](const Json& j) {
        return counted(member(j, "retried"), "message") + " wait" + (member(j, "retried") == 1 ? "s" : "") +
               " again\n";
    });
}

int test_channel(const Options& o) {
    const Answer answer = change(o, "/v1/channels/" + encoded(o.noun) + "/test", Json{{"to", o.to}});
    return changed(o, answer, delivery_text);
}

}  // namespace curfew::cli
