// The tables of the database, version by version. A file of an older version is brought up at start.
#pragma once

#include <array>

namespace curfew::sqlite {

constexpr int application_id = 0x43524657;  // "CRFW"
constexpr int schema_version = 5;

constexpr const char* schema_1 = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE resource (
  id TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, project TEXT NOT NULL,
  owner TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, gone INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE run (
  id TEXT PRIMARY KEY, resource TEXT NOT NULL, account TEXT NOT NULL, machine_type TEXT NOT NULL, state TEXT NOT NULL,
  state_text TEXT NOT NULL, started_at INTEGER, ended_at INTEGER, first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX run_by_resource ON run (resource, first_seen);
CREATE TABLE meter (
  run TEXT PRIMARY KEY, resource TEXT NOT NULL, machine_type TEXT NOT NULL, rate_nanos INTEGER, currency TEXT NOT NULL,
  counted_to INTEGER NOT NULL, last_seen_billing INTEGER NOT NULL, open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX meter_open ON meter (open) WHERE open = 1;
CREATE TABLE cost (
  resource TEXT NOT NULL, run TEXT NOT NULL, meter TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
  machine_type TEXT NOT NULL, rate_nanos INTEGER, gross_nanos INTEGER NOT NULL, currency TEXT NOT NULL,
  source TEXT NOT NULL, estimated INTEGER NOT NULL, error_bar_ms INTEGER NOT NULL,
  UNIQUE (resource, run, meter, from_ms, source),
  CHECK (source = 'adjustment' OR (to_ms > from_ms AND to_ms - from_ms <= 3600000 AND gross_nanos >= 0))) STRICT;
CREATE INDEX cost_by_time ON cost (from_ms);
CREATE TRIGGER cost_is_append_only BEFORE UPDATE ON cost BEGIN SELECT RAISE(ABORT, 'cost rows are never changed'); END;
CREATE TRIGGER cost_is_kept BEFORE DELETE ON cost BEGIN SELECT RAISE(ABORT, 'cost rows are never deleted'); END;
CREATE TABLE observation (
  run TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL, wall INTEGER NOT NULL, verdict TEXT NOT NULL,
  last_active_at INTEGER, strength TEXT NOT NULL, evidence TEXT NOT NULL, ttl_ms INTEGER NOT NULL,
  PRIMARY KEY (run, source)) STRICT, WITHOUT ROWID;
CREATE TABLE quiet_clock (run TEXT PRIMARY KEY, quiet_ms INTEGER NOT NULL, last_quiet_at INTEGER)
  STRICT, WITHOUT ROWID;
CREATE TABLE poll (
  account TEXT PRIMARY KEY, mono INTEGER NOT NULL, wall INTEGER NOT NULL, complete INTEGER NOT NULL,
  error TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE enforcement (
  id TEXT PRIMARY KEY, account TEXT NOT NULL, resource TEXT NOT NULL, run TEXT NOT NULL, cause_kind TEXT NOT NULL,
  cause_name TEXT NOT NULL, state TEXT NOT NULL, warned_step INTEGER NOT NULL, warned_at INTEGER, notice_at INTEGER,
  pack_attempts INTEGER NOT NULL, stop_attempts INTEGER NOT NULL, method TEXT NOT NULL, next_at INTEGER,
  stop_called_at INTEGER, receipt TEXT REFERENCES receipt (id), override_by TEXT, override_reason TEXT,
  off_sightings INTEGER NOT NULL, relooks INTEGER NOT NULL, reason TEXT NOT NULL, outcome TEXT NOT NULL,
  -- I1, also for whoever writes here by other ways.
  CHECK (state NOT IN ('stopping', 'confirming') OR receipt IS NOT NULL OR override_by IS NOT NULL))
  STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX enforcement_live ON enforcement (run) WHERE state NOT IN ('over', 'watching');  -- I4
CREATE INDEX enforcement_by_resource ON enforcement (resource);
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL, resource TEXT NOT NULL,
  run TEXT NOT NULL, actor TEXT NOT NULL, text TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE INDEX audit_by_resource ON audit (resource, seq);
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never deleted'); END;
CREATE TABLE intent (
  id TEXT PRIMARY KEY, enforcement TEXT NOT NULL, run TEXT NOT NULL, act TEXT NOT NULL, at INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE outcome (
  intent TEXT PRIMARY KEY REFERENCES intent (id), outcome TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, resource TEXT NOT NULL, run TEXT NOT NULL, from_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, released_at INTEGER,
  CHECK (until_ms > from_ms)) STRICT, WITHOUT ROWID;
CREATE INDEX hold_by_resource ON hold (resource);
CREATE TABLE alert (
  id TEXT PRIMARY KEY, key TEXT NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL, state TEXT NOT NULL,
  since INTEGER NOT NULL, changed_at INTEGER NOT NULL, title TEXT NOT NULL, account TEXT NOT NULL,
  resource TEXT NOT NULL, run TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alert_firing ON alert (key) WHERE state <> 'resolved';
CREATE TABLE outbox (
  id TEXT PRIMARY KEY, channel TEXT NOT NULL, message TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  next_at INTEGER NOT NULL, last_error TEXT NOT NULL, created_at INTEGER NOT NULL, enforcement TEXT NOT NULL,
  warn_step INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_waiting ON outbox (created_at) WHERE state = 'waiting';
CREATE TABLE fired (
  budget TEXT NOT NULL, period TEXT NOT NULL, percent INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (budget, period, percent)) STRICT, WITHOUT ROWID;
CREATE TABLE receipt (
  id TEXT PRIMARY KEY, resource TEXT NOT NULL, run TEXT NOT NULL, verified_at INTEGER NOT NULL,
  document TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_by_resource ON receipt (resource, verified_at);
CREATE TABLE idempotency (key TEXT PRIMARY KEY, status INTEGER NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
)sql";

// ---- version 2: one text for each thing that was added -------------------------------------------

// Runs have numbers here, and a row holds lengths and codes instead of times and words, since there are
// many: a source that is absent is the look itself (code 0), `last` is NULL where it equals `began`.
constexpr const char* history_2 = R"sql(
CREATE TABLE history_run (no INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE history (
  run INTEGER NOT NULL, from_ms INTEGER NOT NULL, source INTEGER NOT NULL, for_ms INTEGER NOT NULL,
  verdict INTEGER NOT NULL, strength INTEGER NOT NULL, ttl_s INTEGER NOT NULL, began TEXT NOT NULL, last TEXT,
  PRIMARY KEY (run, from_ms, source), CHECK (for_ms >= 0)) STRICT, WITHOUT ROWID;
CREATE INDEX history_by_time ON history (from_ms);
)sql";
constexpr const char* leases_2 = "ALTER TABLE hold ADD COLUMN job TEXT NOT NULL DEFAULT '';";
constexpr const char* rules_2 = R"sql(
CREATE TABLE rule_trial (
  rule TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, tried_ms INTEGER NOT NULL, ended_at INTEGER)
  STRICT, WITHOUT ROWID;
CREATE TABLE rule_event (
  seq INTEGER PRIMARY KEY, rule TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, resource TEXT NOT NULL,
  run TEXT NOT NULL, name TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX rule_event_once ON rule_event (kind, rule, run) WHERE kind <> 'stop';  -- counted once a run
CREATE TABLE rule_breaker (
  rule TEXT PRIMARY KEY, why TEXT NOT NULL, at INTEGER NOT NULL, open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
)sql";
constexpr std::array schema_2{history_2, leases_2, rules_2};

// ---- version 3: the money ------------------------------------------------------------------------

// Of many meters a run, and with what add-ons need.
constexpr const char* meters_3 = R"sql(
ALTER TABLE meter RENAME TO meter_2;
DROP INDEX meter_open;
CREATE TABLE meter (
  run TEXT NOT NULL, kind TEXT NOT NULL, resource TEXT NOT NULL, sku TEXT NOT NULL, rate_nanos INTEGER,
  cap_nanos INTEGER, currency TEXT NOT NULL, increment TEXT NOT NULL, rule TEXT NOT NULL, started INTEGER NOT NULL,
  counted_to INTEGER NOT NULL, last_seen_billing INTEGER NOT NULL, used_in_month_ms INTEGER NOT NULL,
  closed_nanos INTEGER NOT NULL, closed_currency TEXT NOT NULL, open INTEGER NOT NULL,
  PRIMARY KEY (run, kind)) STRICT, WITHOUT ROWID;
INSERT INTO meter SELECT m.run, 'compute', m.resource, m.machine_type, m.rate_nanos, NULL, m.currency, 'none', '',
  COALESCE((SELECT started_at FROM run r WHERE r.id = m.run), m.counted_to), m.counted_to, m.last_seen_billing, 0,
  (SELECT COALESCE(SUM(c.gross_nanos), 0) FROM cost c WHERE c.resource = m.resource AND c.run = m.run), m.currency,
  m.open FROM meter_2 m;
DROP TABLE meter_2;
CREATE INDEX meter_open ON meter (open) WHERE open = 1;
CREATE INDEX meter_of_add_on ON meter (counted_to) WHERE cap_nanos IS NOT NULL;
CREATE INDEX run_newest ON run (resource, COALESCE(started_at, 0) DESC, first_seen DESC, id);
)sql";

// Rows are many, so that they hold numbers for what repeats, and lie in the order of time: a month is one
// stretch of the file, and there is no index beside. meter: 0 compute, 1 storage, 2 ip, 3 other; source: 0 own,
// 1 provider, 2 adjustment. cost_day holds sums of whole days of one zone (meta `cost_days` says which); it can
// be made anew from the rows at any time, and they never from it.
constexpr const char* ledger_3 = R"sql(
ALTER TABLE cost RENAME TO cost_2;
DROP INDEX cost_by_time;
CREATE TABLE cost_resource (no INTEGER PRIMARY KEY, resource TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE cost_line (
  no INTEGER PRIMARY KEY, resource INTEGER NOT NULL REFERENCES cost_resource (no), run TEXT NOT NULL,
  meter INTEGER NOT NULL, UNIQUE (resource, run, meter)) STRICT;
CREATE TABLE cost_terms (
  no INTEGER PRIMARY KEY, meter INTEGER NOT NULL, sku TEXT NOT NULL, rate_nanos INTEGER, currency TEXT NOT NULL,
  rule TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX cost_terms_once ON cost_terms (
  sku, rule, meter, currency, rate_nanos IS NULL, COALESCE(rate_nanos, 0));
CREATE TABLE cost (
  from_ms INTEGER NOT NULL, line INTEGER NOT NULL REFERENCES cost_line (no), source INTEGER NOT NULL,
  for_ms INTEGER NOT NULL, terms INTEGER NOT NULL REFERENCES cost_terms (no), gross_nanos INTEGER NOT NULL,
  estimated INTEGER NOT NULL, error_bar_ms INTEGER NOT NULL, PRIMARY KEY (from_ms, line, source),
  CHECK (source = 2 OR (source IN (0, 1) AND for_ms > 0 AND for_ms <= 3600000 AND gross_nanos >= 0)))
  STRICT, WITHOUT ROWID;
CREATE TABLE cost_day (
  day_ms INTEGER NOT NULL, resource INTEGER NOT NULL, terms INTEGER NOT NULL, gross_nanos INTEGER NOT NULL,
  quantity_ms INTEGER NOT NULL, error_bar_ms INTEGER NOT NULL, error_nanos INTEGER NOT NULL,
  unpriced INTEGER NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (day_ms, resource, terms)) STRICT, WITHOUT ROWID;

CREATE TEMP TABLE meter_no (word TEXT PRIMARY KEY, no INTEGER NOT NULL);
INSERT INTO meter_no VALUES ('compute', 0), ('storage', 1), ('ip', 2), ('other', 3);
INSERT INTO cost_resource (resource) SELECT DISTINCT resource FROM cost_2 ORDER BY resource;
INSERT INTO cost_line (resource, run, meter) SELECT DISTINCT r.no, c.run, m.no
  FROM cost_2 c JOIN cost_resource r ON r.resource = c.resource JOIN meter_no m ON m.word = c.meter;
INSERT INTO cost_terms (meter, sku, rate_nanos, currency, rule) SELECT DISTINCT m.no, machine_type, rate_nanos,
  currency, '' FROM cost_2 c JOIN meter_no m ON m.word = c.meter;
INSERT INTO cost SELECT c.from_ms, l.no, CASE c.source WHEN 'own' THEN 0 WHEN 'provider' THEN 1 ELSE 2 END,
  c.to_ms - c.from_ms, t.no, c.gross_nanos, c.estimated, c.error_bar_ms
  FROM cost_2 c JOIN cost_resource r ON r.resource = c.resource JOIN meter_no m ON m.word = c.meter
  JOIN cost_line l ON l.resource = r.no AND l.run = c.run AND l.meter = m.no
  JOIN cost_terms t ON t.sku = c.machine_type AND t.rule = '' AND t.meter = m.no AND t.currency = c.currency
    AND t.rate_nanos IS c.rate_nanos
  ORDER BY c.from_ms, l.no;
CREATE TEMP TABLE moved (all_of_it INTEGER CHECK (all_of_it = 1));
INSERT INTO moved SELECT (SELECT COUNT(*) FROM cost) = (SELECT COUNT(*) FROM cost_2);
DROP TABLE temp.moved;
DROP TABLE temp.meter_no;
DROP TABLE cost_2;

CREATE TRIGGER cost_is_append_only BEFORE UPDATE ON cost BEGIN SELECT RAISE(ABORT, 'cost rows are never changed'); END;
CREATE TRIGGER cost_is_kept BEFORE DELETE ON cost BEGIN SELECT RAISE(ABORT, 'cost rows are never deleted'); END;
CREATE TRIGGER cost_line_is_append_only BEFORE UPDATE ON cost_line
  BEGIN SELECT RAISE(ABORT, 'cost lines are never changed'); END;
CREATE TRIGGER cost_terms_is_append_only BEFORE UPDATE ON cost_terms
  BEGIN SELECT RAISE(ABORT, 'cost terms are never changed'); END;
-- For people with a shell: the rows in words.
CREATE VIEW ledger AS SELECT r.resource, l.run,
  CASE l.meter WHEN 0 THEN 'compute' WHEN 1 THEN 'storage' WHEN 2 THEN 'ip' ELSE 'other' END AS meter,
  c.from_ms, c.from_ms + c.for_ms AS to_ms, t.sku, t.rate_nanos, c.gross_nanos, t.currency,
  CASE c.source WHEN 0 THEN 'own' WHEN 1 THEN 'provider' ELSE 'adjustment' END AS source, c.estimated,
  c.error_bar_ms, t.rule
  FROM cost c JOIN cost_line l ON l.no = c.line JOIN cost_resource r ON r.no = l.resource
  JOIN cost_terms t ON t.no = c.terms;
)sql";
constexpr const char* budgets_3 = R"sql(
ALTER TABLE fired RENAME TO fired_2;
CREATE TABLE fired (
  budget TEXT NOT NULL, period TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (budget, period, key)) STRICT, WITHOUT ROWID;
INSERT INTO fired SELECT budget, period, percent || '%', at FROM fired_2;
DROP TABLE fired_2;
CREATE TABLE budget_edit (
  seq INTEGER PRIMARY KEY, budget TEXT NOT NULL, document TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX budget_edit_newest ON budget_edit (budget, seq);
CREATE TABLE reported (
  account TEXT NOT NULL, month INTEGER NOT NULL, generated_at INTEGER NOT NULL, nanos INTEGER NOT NULL,
  currency TEXT NOT NULL, fetched_at INTEGER NOT NULL, PRIMARY KEY (account, month, generated_at))
  STRICT, WITHOUT ROWID;
CREATE TRIGGER reported_is_append_only BEFORE UPDATE ON reported
  BEGIN SELECT RAISE(ABORT, 'what was reported is never changed'); END;
CREATE TRIGGER reported_is_kept BEFORE DELETE ON reported
  BEGIN SELECT RAISE(ABORT, 'what was reported is never deleted'); END;
CREATE TABLE quarantine (
  seq INTEGER PRIMARY KEY, account TEXT NOT NULL, resource TEXT NOT NULL, run TEXT NOT NULL, text TEXT NOT NULL,
  at INTEGER NOT NULL, UNIQUE (account, resource, run, text)) STRICT;
)sql";
// How long stops took is read from these.
constexpr const char* stop_times_3 = R"sql(
CREATE INDEX intent_by_enforcement ON intent (enforcement);
CREATE INDEX audit_of_stops ON audit (run, seq) WHERE kind = 'enforcement.stopped';
)sql";
constexpr std::array schema_3{meters_3, ledger_3, budgets_3, stop_times_3};

// ---- version 4: alerts with a life, parcels ------------------------------------------------------

// `document` holds what is not asked for by column.
constexpr const char* alerts_4 = R"sql(
ALTER TABLE alert ADD COLUMN document TEXT NOT NULL DEFAULT '';
CREATE INDEX alert_newest ON alert (changed_at);
CREATE TABLE alert_event (
  seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, what TEXT NOT NULL,
  reason TEXT NOT NULL, by TEXT NOT NULL) STRICT;
CREATE INDEX alert_event_of ON alert_event (alert, seq);
CREATE TRIGGER alert_event_is_append_only BEFORE UPDATE ON alert_event
  BEGIN SELECT RAISE(ABORT, 'the life of an alert is never changed'); END;
CREATE TABLE silence (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, scope TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  reason TEXT NOT NULL, by TEXT NOT NULL, ended_at INTEGER, CHECK (until_ms > from_ms)) STRICT, WITHOUT ROWID;
)sql";
constexpr const char* outbox_4 = R"sql(
ALTER TABLE outbox RENAME TO outbox_3;
DROP INDEX outbox_waiting;
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, message_id TEXT NOT NULL, channel TEXT NOT NULL,
  receiver TEXT NOT NULL, alert TEXT NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL, topic TEXT NOT NULL,
  heap TEXT NOT NULL, message TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL,
  expires_at INTEGER, failover_at INTEGER, last_error TEXT NOT NULL, created_at INTEGER NOT NULL,
  enforcement TEXT NOT NULL, warn_step INTEGER NOT NULL, parcel TEXT NOT NULL) STRICT;
CREATE TABLE parcel (
  id TEXT NOT NULL, channel TEXT NOT NULL, receiver TEXT NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL,
  topic TEXT NOT NULL, message TEXT NOT NULL, rows INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  next_at INTEGER NOT NULL, last_error TEXT NOT NULL, created_at INTEGER NOT NULL, first_attempt_at INTEGER,
  ended_at INTEGER, uncertain INTEGER NOT NULL, PRIMARY KEY (id, channel, receiver)) STRICT, WITHOUT ROWID;
INSERT INTO outbox (id, message_id, channel, receiver, alert, kind, severity, topic, heap, message, state, attempts,
  next_at, expires_at, failover_at, last_error, created_at, enforcement, warn_step, parcel)
  SELECT id, COALESCE(json_extract(message, '$.id'), id), channel, '', COALESCE(json_extract(message, '$.alert'), ''),
  COALESCE(json_extract(message, '$.kind'), 0), COALESCE(json_extract(message, '$.severity'), 1), '', '', message,
  state, attempts, next_at, json_extract(message, '$.expires_at'), NULL, last_error, created_at, enforcement,
  warn_step, '' FROM outbox_3 ORDER BY created_at, id;
DROP TABLE outbox_3;
CREATE INDEX outbox_free ON outbox (channel, receiver, next_at) WHERE state = 'waiting' AND parcel = '';
CREATE INDEX outbox_order ON outbox (alert, channel, receiver, seq) WHERE state = 'waiting' AND alert <> '';
CREATE INDEX outbox_topic ON outbox (topic, channel, receiver, seq) WHERE state = 'waiting' AND topic <> '';
CREATE INDEX outbox_of_parcel ON outbox (parcel) WHERE parcel <> '';
CREATE INDEX outbox_of_message ON outbox (message_id);
CREATE INDEX outbox_overdue ON outbox (failover_at) WHERE failover_at IS NOT NULL;
CREATE INDEX outbox_by_state ON outbox (state, created_at);
CREATE INDEX parcel_open ON parcel (channel, next_at) WHERE state = 'waiting';
CREATE INDEX parcel_places ON parcel (channel, receiver, created_at);
CREATE INDEX parcel_by_age ON parcel (created_at) WHERE state <> 'waiting';
-- Free rows that stand behind no older row of their alert which must go first.
CREATE VIEW outbox_ready AS SELECT o.* FROM outbox o WHERE o.state = 'waiting' AND o.parcel = '' AND
  (o.alert = '' OR NOT EXISTS (SELECT 1 FROM outbox b WHERE b.alert = o.alert AND b.alert <> ''
    AND b.channel = o.channel AND b.receiver = o.receiver AND b.seq < o.seq AND b.state = 'waiting'
    AND (b.parcel <> '' OR b.heap <> o.heap)));
CREATE TABLE channel_state (
  channel TEXT PRIMARY KEY, disabled_at INTEGER, why TEXT NOT NULL, fingerprint TEXT NOT NULL) STRICT, WITHOUT ROWID;
)sql";
// A keep link places one hold.
constexpr const char* keep_links_4 = R"sql(
ALTER TABLE hold ADD COLUMN link TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX hold_of_link ON hold (link) WHERE link <> '';
)sql";
constexpr std::array schema_4{alerts_4, outbox_4, keep_links_4};

// ---- version 5: what has still to be asked for, what waits --------------------------------------

constexpr const char* gaps_5 = R"sql(
CREATE TABLE gap (
  resource TEXT NOT NULL, after_run TEXT NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL, before_run TEXT NOT NULL,
  since INTEGER NOT NULL, PRIMARY KEY (resource, after_run)) STRICT, WITHOUT ROWID;
)sql";
// The oldest of a channel is asked for once a minute.
constexpr const char* outbox_5 =
    "CREATE INDEX outbox_waiting ON outbox (channel, seq) WHERE state = 'waiting';";
constexpr std::array schema_5{gaps_5, outbox_5};

}  // namespace curfew::sqlite
