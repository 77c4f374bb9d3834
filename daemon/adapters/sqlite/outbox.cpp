#include "adapters/sqlite/outbox.hpp"

#include "adapters/sqlite/columns.hpp"
#include "adapters/sqlite/documents.hpp"

#include <array>
#include <utility>

namespace curfew::sqlite {

namespace {

constexpr std::array states{OutboxState::waiting, OutboxState::delivered, OutboxState::superseded,
                            OutboxState::dead};

}  // namespace

void write(Database& db, const OutboxRow& o) {
    Query(db,
          "INSERT INTO outbox (id, channel, receiver, alert, severity, message, state, attempts, next_at, "
          "last_error, created_at, enforcement, warn_step, parcel) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
          "ON CONFLICT (id) DO UPDATE SET state=excluded.state, attempts=excluded.attempts, "
          "next_at=excluded.next_at, last_error=excluded.last_error, parcel=excluded.parcel",
          o.id, o.channel.value, o.to, o.message.alert.value, static_cast<int>(o.message.severity),
          to_document(o.message), std::string{to_string(o.state)}, o.attempts, o.next_at.ms, o.last_error,
          o.created_at.ms, o.enforcement.value, o.warn_step, o.parcel.value)
        .run();
}

void write(Database& db, const ParcelRow& p) {
    Query(db,
          "INSERT INTO parcel VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
          "state=excluded.state, attempts=excluded.attempts, next_at=excluded.next_at, "
          "last_error=excluded.last_error, first_attempt_at=excluded.first_attempt_at, "
          "ended_at=excluded.ended_at",
          p.id.value, p.channel.value, p.to, to_document(p.message), p.rows, std::string{to_string(p.state)},
          p.attempts, p.next_at.ms, p.last_error, p.created_at.ms, ms(p.first_attempt_at), ms(p.ended_at))
        .run();
}

void write(Database& db, const ChannelStateRow& c) {
    Query(db,
          "INSERT INTO channel_state VALUES (?,?,?,?) ON CONFLICT (channel) DO UPDATE SET "
          "disabled_at=excluded.disabled_at, why=excluded.why, fingerprint=excluded.fingerprint",
          c.channel.value, ms(c.disabled_at), c.why, c.fingerprint)
        .run();
}

Result<std::vector<OutboxRow>> read_due(Database& db, WallTime now, int limit) {
    Query q(db,
            "SELECT id, channel, message, state, attempts, next_at, last_error, created_at, enforcement, "
            "warn_step, receiver, parcel, seq FROM outbox"
            " WHERE state = 'waiting' AND next_at <= ? ORDER BY created_at, seq LIMIT ?",
            now.ms, limit);
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
                        .seq = q.integer(12)});
    }
    return rows;
}

std::map<OutboxState, std::int64_t> read_outbox_counts(Database& db) {
    std::map<OutboxState, std::int64_t> counts;
    Query q(db, "SELECT state, COUNT(*) FROM outbox GROUP BY state ORDER BY state");
    while (q.row()) {
        counts[word_to(states, q.text(0))] = q.integer(1);
    }
    return counts;
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

}  // namespace curfew::sqlite
