-- A database as version 2 of the schema left it, with a few rows of those tables that version 3 makes anew. Never
-- changed: it stands for those that are out there.
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
CREATE TABLE history_run (no INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE history (
  run INTEGER NOT NULL, from_ms INTEGER NOT NULL, source INTEGER NOT NULL, for_ms INTEGER NOT NULL,
  verdict INTEGER NOT NULL, strength INTEGER NOT NULL, ttl_s INTEGER NOT NULL, began TEXT NOT NULL, last TEXT,
  PRIMARY KEY (run, from_ms, source), CHECK (for_ms >= 0)) STRICT, WITHOUT ROWID;
CREATE INDEX history_by_time ON history (from_ms);
ALTER TABLE hold ADD COLUMN job TEXT NOT NULL DEFAULT '';
CREATE TABLE rule_trial (
  rule TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, tried_ms INTEGER NOT NULL, ended_at INTEGER)
  STRICT, WITHOUT ROWID;
CREATE TABLE rule_event (
  seq INTEGER PRIMARY KEY, rule TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, resource TEXT NOT NULL,
  run TEXT NOT NULL, name TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX rule_event_once ON rule_event (kind, rule, run) WHERE kind <> 'stop';  -- counted once a run
CREATE TABLE rule_breaker (
  rule TEXT PRIMARY KEY, why TEXT NOT NULL, at INTEGER NOT NULL, open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('boot_id', 'boot-1');
INSERT INTO resource VALUES ('r1', 'lab', 'notebook', 'demo', '', 'ana@example.org', 500, 2000, 0);
INSERT INTO run VALUES ('n1', 'r1', 'lab', 'A4000', 'running', 'Running', 900, NULL, 500, 2000);
INSERT INTO run VALUES ('n0', 'r1', 'lab', 'A4000', 'stopped', 'Stopped', 100, 400, 100, 400);
INSERT INTO run VALUES ('n9', 'r1', 'lab', 'Z9', 'running', 'Running', NULL, NULL, 600, 2000);
INSERT INTO meter VALUES ('n1', 'r1', 'A4000', 760000000, 'USD', 3600900, 3601000, 1);
INSERT INTO meter VALUES ('n0', 'r1', 'A4000', 760000000, 'EUR', 400, 400, 0);
INSERT INTO meter VALUES ('n9', 'r1', 'Z9', NULL, 'USD', 700, 2000, 1);
INSERT INTO cost VALUES ('r1', 'n1', 'compute', 900, 3600000, 'A4000', 760000000, 759810000, 'USD', 'own', 0, 0);
INSERT INTO cost VALUES ('r1', 'n1', 'compute', 3600000, 3600900, 'A4000', 760000000, 190000, 'USD', 'own', 1, 60000);
INSERT INTO cost VALUES ('r1', 'n1', 'compute', 3600000, 3600900, 'A4000', 760000000, 190001, 'USD', 'provider', 0, 0);
INSERT INTO cost VALUES ('r1', 'n0', 'compute', 100, 400, 'A4000', 760000000, 63333, 'EUR', 'own', 0, 0);
INSERT INTO cost VALUES ('r1', 'n0', 'compute', 300, 7200300, 'A4000', 760000000, -1520000000, 'EUR', 'adjustment', 1, 5);
INSERT INTO cost VALUES ('r1', 'n9', 'compute', 600, 700, 'Z9', NULL, 0, 'USD', 'own', 0, 0);
INSERT INTO cost VALUES ('gone', 'n8', 'storage', 600, 700, 'disk', 5, 0, 'USD', 'own', 0, 0);
INSERT INTO hold VALUES ('hld_1', 'lease', 'r1', 'n1', 1000, 7200000, 'thinking', 'ana (uid 1000)', NULL, 'train-7');
INSERT INTO history_run VALUES (1, 'n1');
INSERT INTO fired VALUES ('team', '2026-11@UTC', 80, 1000);
INSERT INTO fired VALUES ('team', '2026-11@UTC', 100, 2000);
INSERT INTO audit VALUES (1, 1000, 'hold.placed', 'lab', 'r1', 'n1', 'ana (uid 1000)', 'keep until 2026-11-23T04:10:00Z', 'ef46f34aafa1a71ffbba1826134ceed58c7190a6f196c3d753354bba0fd6688c');
PRAGMA application_id = 1129465431;
PRAGMA user_version = 2;
