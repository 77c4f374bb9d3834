#include "adapters/sqlite/outbox.hpp"

#include "adapters/sqlite/columns.hpp"
#include "adapters/sqlite/documents.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace curfew::sqlite {

namespace {

constexpr std::array states{OutboxState::waiting, OutboxState::delivered, OutboxState::superseded,
                            OutboxState::dead};

/// The columns: id, channel, message, state, attempts, next_at, last_error, created_at, enforcement, warn_step,
/// receiver, parcel, seq, failover_at.
Result<std::vector<OutboxRow>> outbox_rows(Query& q) {
    std::vector<OutboxRow> rows;
    while (q.row()) {
        auto message = message_from(q.text(2));
        if (!message) {
            return std::unexpected(message.error());
        }
        rows.push_back({.id = q.text(0),
                        .channel = ChannelName{q.text(1)},
                        .message = std::move(*message),
                        .state = word_to(states, q.text(3)),
                        .attempts = static_cast<int>(q.integer(4)),
                        .next_at = {q.integer(5)},
                        .last_error = q.text(6),
                        .created_at = {q.integer(7)},
                        .enforcement = EnforcementId{q.text(8)},
                        .warn_step = static_cast<int>(q.integer(9)),
                        .to = q.text(10),
                        .parcel = ParcelId{q.text(11)},
                        .seq = q.integer(12),
                        .failover_at = wall(q.optional_integer(13))});
    }
    return rows;
}

std::string names_of(const std::vector<ChannelName>& channels) {
    nlohmann::json names = nlohmann::json::array();
    for (const ChannelName& channel : channels) {
        names.push_back(channel.value);
    }
    return names.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Of what waits in no parcel: how much each statement of `tidy` could be about. One walk, where each of them would be
/// one, at every step of every lane.
struct FreeRows {
    std::int64_t all = 0;
    std::int64_t too_long = 0;  // wait beyond the horizon
    std::int64_t past_use = 0;
    std::int64_t warnings = 0;
    std::int64_t early = 0;  // of an alert, and not due
    std::int64_t due = 0;
};

FreeRows free_rows(Database& db, const ChannelName& channel, WallTime now, WallTime horizon) {
    Query q(db,
            "SELECT COUNT(*), SUM(next_at > ?3), SUM(expires_at <= ?2), SUM(kind = ?4 AND topic <> ''), "
            "SUM(next_at > ?2 AND alert <> ''), SUM(next_at <= ?2) FROM outbox INDEXED BY outbox_free "
            "WHERE channel = ?1 AND state = 'waiting' AND parcel = ''",
            channel.value, now.ms, horizon.ms, static_cast<int>(AlertKind::stop_warning));
    if (!q.row()) {
        return {};
    }
    return {.all = q.integer(0),
            .too_long = q.integer(1),
            .past_use = q.integer(2),
            .warnings = q.integer(3),
            .early = q.integer(4),
            .due = q.integer(5)};
}

/// What needs no sending any more, and waits that no clock would have made.
void tidy(Database& db, const ChannelName& channel, const FreeRows& free, WallTime now, WallTime horizon) {
    Query(db, "UPDATE parcel SET next_at = ?2 WHERE channel = ?1 AND state = 'waiting' AND next_at > ?3",
          channel.value, now.ms, horizon.ms)
        .run();
    if (free.too_long > 0) {
        Query(db,
              "UPDATE outbox SET next_at = ?2 WHERE channel = ?1 AND state = 'waiting' AND parcel = '' "
              "AND next_at > ?3",
              channel.value, now.ms, horizon.ms)
            .run();
    }
    if (free.past_use > 0) {
        Query(db,
              "UPDATE outbox SET state = 'superseded', last_error = 'past its use' WHERE channel = ?1 "
              "AND state = 'waiting' AND parcel = '' AND expires_at <= ?2",
              channel.value, now.ms)
            .run();
    }
    if (free.warnings > 0) {
        Query(db,
              "UPDATE outbox SET state = 'superseded', last_error = 'a newer message of it waits' "
              "WHERE channel = ?1 AND state = 'waiting' AND parcel = '' AND kind = ?2 AND topic <> '' "
              "AND EXISTS (SELECT 1 FROM outbox n WHERE n.topic = outbox.topic AND n.topic <> '' "
              "AND n.channel = outbox.channel AND n.receiver = outbox.receiver AND n.seq > outbox.seq "
              "AND n.state = 'waiting')",
              channel.value, static_cast<int>(AlertKind::stop_warning))
            .run();
    }
    // An older one of the same alert goes first, so that it does not hold up the newer one.
    if (free.early > 0 && free.due + free.too_long > 0) {
        Query(db,
              "UPDATE outbox SET next_at = ?2 WHERE channel = ?1 AND state = 'waiting' AND parcel = '' "
              "AND next_at > ?2 AND alert <> '' AND EXISTS (SELECT 1 FROM outbox n "
              "WHERE n.alert = outbox.alert AND n.channel = outbox.channel AND n.receiver = outbox.receiver "
              "AND n.seq > outbox.seq AND n.state = 'waiting' AND n.parcel = '' AND n.next_at <= ?2)",
              channel.value, now.ms)
            .run();
    }
}

HeapSize heap_size(const Query& q) {
    return {.to = q.text(0),
            .group = q.text(1),
            .rows = q.integer(2),
            .urgent = q.integer(3),
            .oldest = {q.integer(4)},
            .newest_seq = q.integer(5)};
}

}  // namespace

void write(Database& db, const OutboxRow& o) {
    Query(
        db,
        "INSERT INTO outbox (id, message_id, channel, receiver, alert, kind, severity, topic, heap, message, "
        "state, attempts, next_at, expires_at, failover_at, last_error, created_at, enforcement, warn_step, "
        "parcel) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING",
        o.id, o.message.id, o.channel.value, o.to, o.message.alert.value, static_cast<int>(o.message.kind),
        static_cast<int>(o.message.severity), o.message.key, o.message.group, to_document(o.message),
        std::string{to_string(o.state)}, o.attempts, o.next_at.ms, ms(o.message.expires_at),
        ms(o.failover_at), o.last_error, o.created_at.ms, o.enforcement.value, o.warn_step, o.parcel.value)
        .run();
}

void write(Database& db, const ParcelRow& p) {
    const std::string state{to_string(p.state)};
    Query(db,
          "INSERT INTO parcel VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id, channel, receiver) "
          "DO UPDATE SET state=excluded.state, attempts=excluded.attempts, next_at=excluded.next_at, "
          "last_error=excluded.last_error, first_attempt_at=excluded.first_attempt_at, "
          "ended_at=excluded.ended_at, uncertain=excluded.uncertain",
          p.id.value, p.channel.value, p.to, static_cast<int>(p.message.kind),
          static_cast<int>(p.message.severity), p.message.key, to_document(p.message), p.rows, state,
          p.attempts, p.next_at.ms, p.last_error, p.created_at.ms, ms(p.first_attempt_at), ms(p.ended_at),
          p.uncertain)
        .run();
    if (p.state != OutboxState::waiting) {
        Query(db,
              "UPDATE outbox SET state = ?4, attempts = ?5, last_error = ?6 WHERE parcel = ?1 "
              "AND channel = ?2 AND receiver = ?3 AND state = 'waiting' AND parcel <> ''",
              p.id.value, p.channel.value, p.to, state, p.attempts, p.last_error)
            .run();
    }
}

void write(Database& db, const ChannelStateRow& c) {
    Query(db,
          "INSERT INTO channel_state VALUES (?,?,?,?) ON CONFLICT (channel) DO UPDATE SET "
          "disabled_at=excluded.disabled_at, why=excluded.why, fingerprint=excluded.fingerprint",
          c.channel.value, ms(c.disabled_at), c.why, c.fingerprint)
        .run();
}

void write(Database& db, const ParcelFill& fill) {
    // First those not named: each that is named would hold up the newer ones of its alert.
    if (fill.rest) {
        Query(db,
              "UPDATE outbox SET parcel = ?1 WHERE seq IN (SELECT seq FROM outbox_ready WHERE channel = ?2 "
              "AND receiver = ?3 AND next_at <= ?4 AND seq <= ?5 AND enforcement = '')",
              fill.parcel.value, fill.channel.value, fill.to, fill.rest->now.ms, fill.rest->up_to_seq)
            .run();
    }
    for (const std::int64_t seq : fill.rows) {
        Query(db, "UPDATE outbox SET parcel = ?1 WHERE seq = ?2 AND state = 'waiting'", fill.parcel.value,
              seq)
            .run();
    }
}

void write(Database& db, const OutboxEnd& end) {
    for (const std::int64_t seq : end.rows) {
        Query(db,
              "UPDATE outbox SET state = ?1, last_error = ?2 WHERE seq = ?3 AND state = 'waiting' "
              "AND parcel = ''",
              std::string{to_string(end.state)}, end.why, seq)
            .run();
    }
}

void write(Database& db, const OutboxBury& bury) {
    Query(db, "UPDATE outbox SET state = 'dead', last_error = ?2 WHERE channel = ?1 AND state = 'waiting'",
          bury.channel.value, bury.why)
        .run();
    Query(db,
          "UPDATE parcel INDEXED BY parcel_open SET state = 'dead', last_error = ?2, ended_at = ?3 "
          "WHERE channel = ?1 AND state = 'waiting'",
          bury.channel.value, bury.why, bury.at.ms)
        .run();
}

void write(Database& db, const FailoverDone& done) {
    Query(db, "UPDATE outbox SET failover_at = NULL WHERE message_id = ?", done.message).run();
}

Result<std::vector<OutboxRow>> read_outbox(Database& db, const OutboxQuery& query) {
    // What waits in a parcel is tried when the parcel is.
    static const std::string rows =
        "SELECT o.id, o.channel, o.message, o.state, COALESCE(p.attempts, o.attempts), "
        "COALESCE(p.next_at, o.next_at), COALESCE(p.last_error, o.last_error), o.created_at, "
        "o.enforcement, o.warn_step, o.receiver, o.parcel, o.seq, o.failover_at FROM outbox o "
        "LEFT JOIN parcel p ON o.state = 'waiting' AND o.parcel <> '' AND p.id = o.parcel "
        "AND p.channel = o.channel AND p.receiver = o.receiver ";
    if (query.state == OutboxState::waiting && !query.channel.empty() && query.alert.empty()) {
        // As below, with what waits for other channels left out.
        static const std::string of_channel =
            rows +
            "WHERE o.seq IN (SELECT seq FROM outbox INDEXED BY outbox_waiting WHERE channel = ?1 "
            "AND state = 'waiting' AND seq > ?2 ORDER BY seq LIMIT ?3) ORDER BY o.seq";
        Query q(db, of_channel.c_str(), query.channel.value, query.after_seq, query.limit);
        return outbox_rows(q);
    }
    if (query.state && query.state != OutboxState::delivered && query.alert.empty()) {
        // Few among many that were delivered: not by a walk through all that is kept.
        static const std::string of_state =
            rows +
            "WHERE o.seq IN (SELECT seq FROM outbox INDEXED BY outbox_by_state WHERE state = ?1 AND seq > ?2 "
            "AND (?3 = '' OR channel = ?3) ORDER BY seq LIMIT ?4) ORDER BY o.seq";
        Query q(db, of_state.c_str(), std::string{to_string(*query.state)}, query.after_seq,
                query.channel.value, query.limit);
        return outbox_rows(q);
    }
    static const std::string any =
        rows +
        "WHERE o.seq > ?1 AND (?2 = '' OR o.state = ?2) AND (?3 = '' OR o.channel = ?3) "
        "AND (?4 = '' OR o.alert = ?4) ORDER BY o.seq LIMIT ?5";
    Query q(db, any.c_str(), query.after_seq,
            query.state ? std::string{to_string(*query.state)} : std::string{}, query.channel.value,
            query.alert.value, query.limit);
    return outbox_rows(q);
}

std::map<OutboxState, std::int64_t> read_outbox_counts(Database& db) {
    std::map<OutboxState, std::int64_t> counts;
    Query q(db, "SELECT state, COUNT(*) FROM outbox GROUP BY state ORDER BY state");
    while (q.row()) {
        counts[word_to(states, q.text(0))] = q.integer(1);
    }
    return counts;
}

std::optional<WallTime> read_outbox_oldest(Database& db) {
    Query q(db, "SELECT MIN(created_at) FROM outbox WHERE state = 'waiting'");
    return q.row() ? wall(q.optional_integer(0)) : std::nullopt;
}

std::vector<ChannelStateRow> read_disabled_channels(Database& db) {
    Query q(db,
            "SELECT channel, disabled_at, why, fingerprint FROM channel_state WHERE disabled_at IS NOT NULL");
    std::vector<ChannelStateRow> rows;
    while (q.row()) {
        rows.push_back({.channel = ChannelName{q.text(0)},
                        .disabled_at = wall(q.optional_integer(1)),
                        .why = q.text(2),
                        .fingerprint = q.text(3)});
    }
    return rows;
}

// ---- what the notifier asks ----------------------------------------------------------------------

Result<OutboxLook> look_at_outbox(Database& db, const ChannelName& channel, WallTime now, WallTime horizon,
                                  int limit) {
    const FreeRows free = free_rows(db, channel, now, horizon);
    tidy(db, channel, free, now, horizon);
    OutboxLook look;
    if (free.all > 0) {
        Query q(
            db,
            "SELECT receiver, '', COUNT(*), SUM(severity = 2 OR enforcement <> ''), MIN(next_at), MAX(seq) "
            "FROM outbox_ready WHERE channel = ? AND next_at <= ? GROUP BY receiver",
            channel.value, now.ms);
        while (q.row()) {
            look.piles.push_back(heap_size(q));
        }
    }
    if (!look.piles.empty()) {
        Query q(db,
                "SELECT receiver, heap, COUNT(*), SUM(severity = 2 OR enforcement <> '') AS urgent, "
                "MIN(next_at) AS oldest, MAX(seq) FROM outbox_ready WHERE channel = ? AND next_at <= ? "
                "GROUP BY receiver, heap ORDER BY urgent = 0, oldest, MIN(seq) LIMIT ?",
                channel.value, now.ms, limit);
        while (q.row()) {
            look.heaps.push_back(heap_size(q));
        }
    }
    {
        // The index is named: without statistics SQLite takes another, and walks every parcel that is kept.
        // Dead letters of one alert that are sent again wait for each other: an older parcel goes first.
        // What is not due and cannot be outdone is left out first: it need not be compared with the others.
        Query q(
            db,
            "SELECT * FROM (SELECT id, receiver, message, rows, attempts, next_at, last_error, created_at, "
            "first_attempt_at, uncertain, severity, kind = ?4 AND topic <> '' AND rows = 1 "
            "AND uncertain = 0 AND EXISTS (SELECT 1 FROM outbox n WHERE n.topic = parcel.topic "
            "AND n.topic <> '' AND n.channel = parcel.channel AND n.receiver = parcel.receiver AND n.state = "
            "'waiting' "
            "AND n.parcel <> parcel.id AND n.seq > (SELECT MAX(m.seq) FROM outbox m "
            "WHERE m.parcel = parcel.id AND m.parcel <> '' AND m.channel = parcel.channel "
            "AND m.receiver = parcel.receiver)) AS outdone FROM parcel INDEXED BY parcel_open "
            "WHERE channel = ?1 AND state = 'waiting' AND (next_at <= ?2 OR (kind = ?4 AND topic <> '' "
            "AND rows = 1 AND uncertain = 0)) AND NOT EXISTS (SELECT 1 FROM outbox m "
            "JOIN outbox b ON b.alert = m.alert AND b.alert <> '' AND b.state = 'waiting' "
            "AND b.channel = m.channel AND b.receiver = m.receiver AND b.seq < m.seq AND b.parcel <> '' "
            "JOIN parcel p ON p.id = b.parcel AND p.channel = b.channel AND p.receiver = b.receiver "
            "AND (p.created_at, p.id) < (parcel.created_at, parcel.id) "
            "WHERE m.parcel = parcel.id AND m.parcel <> '' AND m.channel = parcel.channel "
            "AND m.receiver = parcel.receiver)) WHERE outdone OR next_at <= ?2 "
            "ORDER BY outdone DESC, severity DESC, created_at, id LIMIT ?3",
            channel.value, now.ms, limit, static_cast<int>(AlertKind::stop_warning));
        while (q.row()) {
            auto message = message_from(q.text(2));
            if (!message) {
                return std::unexpected(message.error());
            }
            look.parcels.push_back({.id = ParcelId{q.text(0)},
                                    .channel = channel,
                                    .to = q.text(1),
                                    .message = std::move(*message),
                                    .rows = q.integer(3),
                                    .state = OutboxState::waiting,
                                    .attempts = static_cast<int>(q.integer(4)),
                                    .next_at = {q.integer(5)},
                                    .last_error = q.text(6),
                                    .created_at = {q.integer(7)},
                                    .first_attempt_at = wall(q.optional_integer(8)),
                                    .ended_at = {},
                                    .uncertain = q.integer(9) != 0,
                                    .outdone = q.integer(11) != 0});
        }
    }
    Query q(db,
            "SELECT MIN(at) FROM (SELECT MIN(next_at) AS at FROM outbox WHERE channel = ?1 "
            "AND state = 'waiting' AND parcel = '' AND next_at > ?2 UNION ALL "
            "SELECT MIN(expires_at) FROM outbox WHERE channel = ?1 "
            "AND state = 'waiting' AND parcel = '' AND expires_at > ?2 UNION ALL "
            "SELECT MIN(next_at) FROM parcel WHERE channel = ?1 AND state = 'waiting' AND next_at > ?2)",
            channel.value, now.ms);
    look.next = q.row() ? wall(q.optional_integer(0)) : std::nullopt;
    return look;
}

Result<std::vector<OutboxRow>> read_heap(Database& db, const Heap& heap, bool worst_first, int limit) {
    Query q(db,
            "SELECT id, channel, message, state, attempts, next_at, last_error, created_at, enforcement, "
            "warn_step, receiver, parcel, seq, failover_at FROM outbox_ready WHERE channel = ?1 "
            "AND receiver = ?2 AND next_at <= ?3 AND seq <= ?4 AND (?5 IS NULL OR heap = ?5) "
            "ORDER BY ?6 AND enforcement = '', CASE WHEN ?6 THEN -severity ELSE 0 END, "
            "?6 AND json_extract(message, '$.stops_at') IS NULL, seq LIMIT ?7",
            heap.channel.value, heap.to, heap.now.ms, heap.up_to_seq, heap.group, worst_first, limit);
    return outbox_rows(q);
}

std::vector<KindCount> sum_heap(Database& db, const Heap& heap) {
    Query q(db,
            "SELECT kind, severity, COUNT(*) FROM outbox_ready WHERE channel = ?1 AND receiver = ?2 "
            "AND next_at <= ?3 AND seq <= ?4 AND enforcement = '' GROUP BY kind, severity "
            "ORDER BY severity DESC, 3 DESC, kind",
            heap.channel.value, heap.to, heap.now.ms, heap.up_to_seq);
    std::vector<KindCount> counts;
    while (q.row()) {
        counts.push_back({.kind = static_cast<AlertKind>(q.integer(0)),
                          .severity = static_cast<Severity>(q.integer(1)),
                          .rows = q.integer(2)});
    }
    return counts;
}

Result<std::vector<OutboxRow>> read_warnings(Database& db, const ParcelRow& parcel) {
    Query q(db,
            "SELECT id, channel, message, state, attempts, next_at, last_error, created_at, enforcement, "
            "warn_step, receiver, parcel, seq, failover_at FROM outbox WHERE parcel = ? AND parcel <> '' "
            "AND channel = ? AND receiver = ? AND enforcement <> '' ORDER BY seq",
            parcel.id.value, parcel.channel.value, parcel.to);
    return outbox_rows(q);
}

ParcelPlaces read_places(Database& db, const ChannelName& channel, const std::string& to, WallTime since,
                         WallTime now) {
    Query q(db,
            "SELECT COUNT(*), MIN(created_at), MAX(created_at) FROM parcel "
            "WHERE channel = ?1 AND receiver = ?2 AND created_at > ?3 AND created_at <= ?4",
            channel.value, to, since.ms, now.ms);
    if (!q.row()) {
        return {};
    }
    return {
        .used = q.integer(0), .oldest = wall(q.optional_integer(1)), .newest = wall(q.optional_integer(2))};
}

Result<OutboxOverdue> find_overdue(Database& db, WallTime now, int limit) {
    Query(db,
          "UPDATE outbox SET failover_at = NULL WHERE failover_at <= ?1 AND (state IN ('delivered', "
          "'superseded') OR EXISTS (SELECT 1 FROM outbox d WHERE d.message_id = outbox.message_id "
          "AND d.state = 'delivered'))",
          now.ms)
        .run();
    OutboxOverdue overdue;
    {
        Query q(db,
                "SELECT id, channel, message, state, attempts, next_at, last_error, created_at, enforcement, "
                "warn_step, receiver, parcel, seq, failover_at FROM outbox WHERE failover_at <= ? "
                "ORDER BY failover_at, seq LIMIT ?",
                now.ms, limit);
        auto rows = outbox_rows(q);
        if (!rows) {
            return std::unexpected(rows.error());
        }
        overdue.rows = std::move(*rows);
    }
    Query q(db, "SELECT MIN(failover_at) FROM outbox WHERE failover_at > ?", now.ms);
    overdue.next = q.row() ? wall(q.optional_integer(0)) : std::nullopt;
    return overdue;
}

Result<std::vector<OutboxRow>> find_strays(Database& db, const std::vector<ChannelName>& known, WallTime now,
                                           int limit) {
    const std::string names = names_of(known);
    Query(db,
          "UPDATE outbox SET parcel = '', next_at = ?2 WHERE state = 'waiting' AND parcel <> '' "
          "AND channel NOT IN (SELECT value FROM json_each(?1))",
          names, now.ms)
        .run();
    Query(db,
          "UPDATE parcel SET state = 'superseded', ended_at = ?2, "
          "last_error = 'the channel is not in the configuration any more' WHERE state = 'waiting' "
          "AND channel NOT IN (SELECT value FROM json_each(?1))",
          names, now.ms)
        .run();
    Query q(db,
            "SELECT id, channel, message, state, attempts, next_at, last_error, created_at, enforcement, "
            "warn_step, receiver, parcel, seq, failover_at FROM outbox WHERE state = 'waiting' "
            "AND channel NOT IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?",
            names, limit);
    return outbox_rows(q);
}

std::int64_t retry_dead(Database& db, const std::string& id, WallTime now) {
    struct {
        std::string parcel, channel, receiver;
    } with;  // what is in its parcel goes with it
    {
        Query q(db, "SELECT parcel, channel, receiver FROM outbox WHERE id = ? AND state = 'dead'", id);
        if (q.row()) {
            with = {.parcel = q.text(0), .channel = q.text(1), .receiver = q.text(2)};
        }
    }
    // Told after newer news it would be taken for the newest, and where alerts are incidents open one that never ends.
    Query(db,
          "WITH told AS MATERIALIZED (SELECT alert, channel, receiver, MAX(seq) AS seq FROM outbox "
          "WHERE alert <> '' AND (state = 'delivered' OR (state = 'waiting' AND parcel <> '')) "
          "GROUP BY alert, channel, receiver) "
          "UPDATE outbox SET state = 'superseded', last_error = 'newer news of its alert went out since' "
          "WHERE state = 'dead' AND (?1 = '' OR id = ?1 OR (parcel <> '' AND parcel = ?2 AND channel = ?3 "
          "AND receiver = ?4)) AND EXISTS (SELECT 1 FROM told t WHERE t.alert = outbox.alert "
          "AND t.channel = outbox.channel AND t.receiver = outbox.receiver AND t.seq > outbox.seq)",
          id, with.parcel, with.channel, with.receiver)
        .run();
    Query(db,
          "UPDATE outbox SET state = 'waiting', attempts = 0, next_at = ?5, last_error = '' "
          "WHERE state = 'dead' AND (?1 = '' OR id = ?1 OR (parcel <> '' AND parcel = ?2 AND channel = ?3 "
          "AND receiver = ?4))",
          id, with.parcel, with.channel, with.receiver, now.ms)
        .run();
    const std::int64_t rows = db.changes();
    Query(db,
          "UPDATE parcel SET state = 'waiting', attempts = 0, next_at = ?, last_error = '', ended_at = NULL "
          "WHERE state = 'dead' AND (id, channel, receiver) IN (SELECT parcel, channel, receiver FROM outbox "
          "WHERE state = 'waiting' AND parcel <> '')",
          now.ms)
        .run();
    return rows;
}

void shift_waits(Database& db, Duration by) {
    Query(db,
          "UPDATE outbox SET next_at = next_at + ?1, failover_at = failover_at + ?1 "
          "WHERE state = 'waiting' OR failover_at IS NOT NULL",
          by.count())
        .run();
    Query(db, "UPDATE parcel SET next_at = next_at + ?1 WHERE state = 'waiting'", by.count()).run();
}

std::int64_t prune_outbox(Database& db, WallTime before, int limit) {
    Query(
        db,
        "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE state IN ('delivered', 'superseded', "
        "'dead') AND created_at < ? LIMIT ?)",
        before.ms, limit)
        .run();
    const std::int64_t rows = db.changes();
    Query(db,
          "DELETE FROM parcel WHERE (id, channel, receiver) IN (SELECT id, channel, receiver FROM parcel "
          "WHERE state <> 'waiting' AND created_at < ? LIMIT ?)",
          before.ms, limit)
        .run();
    return rows + db.changes();
}

}  // namespace curfew::sqlite
