#include "adapters/sqlite/alerts.hpp"

#include "adapters/sqlite/columns.hpp"
#include "adapters/sqlite/documents.hpp"

#include <array>
#include <utility>

namespace curfew::sqlite {

namespace {

constexpr int alerts_per_prune = 200;

constexpr std::array states{AlertState::firing, AlertState::acknowledged, AlertState::resolved,
                            AlertState::pending};

Result<Alert> alert(const Query& q) {
    Alert a;
    a.id = AlertId{q.text(0)};
    a.key = q.text(1);
    a.kind = static_cast<AlertKind>(q.integer(2));
    a.severity = static_cast<Severity>(q.integer(3));
    a.state = word_to(states, q.text(4));
    a.since = {q.integer(5)};
    a.changed_at = {q.integer(6)};
    a.title = q.text(7);
    a.account = AccountName{q.text(8)};
    a.resource = ResourceId{q.text(9)};
    a.run = RunId{q.text(10)};
    auto rest = read_rest(a, q.text(11));
    if (!rest) {
        return std::unexpected(rest.error());
    }
    return a;
}

}  // namespace

void write(Database& db, const Alert& a) {
    Query(db,
          "INSERT INTO alert VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
          "severity=excluded.severity, state=excluded.state, since=excluded.since, "
          "changed_at=excluded.changed_at, title=excluded.title, document=excluded.document",
          a.id.value, a.key, static_cast<int>(a.kind), static_cast<int>(a.severity),
          std::string{to_string(a.state)}, a.since.ms, a.changed_at.ms, a.title, a.account.value,
          a.resource.value, a.run.value, rest_of(a))
        .run();
}

void write(Database& db, const AlertEvent& e) {
    Query(db, "INSERT INTO alert_event (alert, at, state, what, reason, by) VALUES (?,?,?,?,?,?)",
          e.alert.value, e.at.ms, std::string{to_string(e.state)}, e.what, e.reason, e.by)
        .run();
}

void write(Database& db, const Silence& s) {
    Query(db,
          "INSERT INTO silence VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
          "ended_at=excluded.ended_at",
          s.id.value, std::string{to_string(s.kind)}, to_document(s.scope), s.from.ms, s.until.ms, s.reason,
          s.by, ms(s.ended_at))
        .run();
}

void write(Database& db, const AlertPrune& prune) {
    std::vector<std::string> over;
    {
        Query q(
            db,
            "SELECT id FROM alert WHERE state = 'resolved' AND changed_at < ? ORDER BY changed_at LIMIT ?",
            prune.ended_before.ms, alerts_per_prune);
        while (q.row()) {
            over.push_back(q.text(0));
        }
    }
    for (const std::string& id : over) {
        Query(db, "DELETE FROM alert_event WHERE alert = ?", id).run();
        Query(db, "DELETE FROM alert WHERE id = ?", id).run();
    }
    Query(db, "DELETE FROM silence WHERE id IN (SELECT id FROM silence WHERE ended_at < ? LIMIT ?)",
          prune.ended_before.ms, alerts_per_prune)
        .run();
}

Result<std::vector<Alert>> read_alerts(Database& db, bool with_resolved, int limit) {
    Query q(
        db,
        "SELECT id, key, kind, severity, state, since, changed_at, title, account, resource, run, document "
        "FROM alert WHERE ?1 OR state <> 'resolved' ORDER BY changed_at DESC, id LIMIT ?2",
        with_resolved, limit);
    std::vector<Alert> alerts;
    while (q.row()) {
        auto read = alert(q);
        if (!read) {
            return std::unexpected(read.error());
        }
        alerts.push_back(std::move(*read));
    }
    return alerts;
}

Result<std::optional<Alert>> read_alert(Database& db, const AlertId& id) {
    Query q(
        db,
        "SELECT id, key, kind, severity, state, since, changed_at, title, account, resource, run, document "
        "FROM alert WHERE id = ?",
        id.value);
    if (!q.row()) {
        return std::optional<Alert>{};
    }
    auto read = alert(q);
    if (!read) {
        return std::unexpected(read.error());
    }
    return std::optional{std::move(*read)};
}

std::vector<AlertEvent> read_alert_events(Database& db, const AlertId& id, int limit) {
    Query q(db,
            "SELECT alert, at, state, what, reason, by FROM (SELECT * FROM alert_event WHERE alert = ? "
            "ORDER BY seq DESC LIMIT ?) ORDER BY seq",
            id.value, limit);
    std::vector<AlertEvent> events;
    while (q.row()) {
        events.push_back({.alert = AlertId{q.text(0)},
                          .at = {q.integer(1)},
                          .state = word_to(states, q.text(2)),
                          .what = q.text(3),
                          .reason = q.text(4),
                          .by = q.text(5)});
    }
    return events;
}

Result<std::vector<Silence>> read_silences(Database& db, bool with_ended, int limit) {
    Query q(db,
            "SELECT id, kind, scope, from_ms, until_ms, reason, by, ended_at FROM silence "
            "WHERE ?1 OR ended_at IS NULL ORDER BY from_ms DESC, id LIMIT ?2",
            with_ended, limit);
    std::vector<Silence> silences;
    while (q.row()) {
        auto scope = scope_from(q.text(2));
        if (!scope) {
            return std::unexpected(scope.error());
        }
        silences.push_back(
            {.id = SilenceId{q.text(0)},
             .kind = word_to(std::array{SilenceKind::silence, SilenceKind::maintenance}, q.text(1)),
             .scope = std::move(*scope),
             .from = {q.integer(3)},
             .until = {q.integer(4)},
             .reason = q.text(5),
             .by = q.text(6),
             .ended_at = wall(q.optional_integer(7))});
    }
    return silences;
}

}  // namespace curfew::sqlite
