-- A database as version 4 of the schema left it, with rows in every table. Never changed: it stands for those
-- that are out there.
CREATE TABLE alert (
  id TEXT PRIMARY KEY, key TEXT NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL, state TEXT NOT NULL,
  since INTEGER NOT NULL, changed_at INTEGER NOT NULL, title TEXT NOT NULL, account TEXT NOT NULL,
  resource TEXT NOT NULL, run TEXT NOT NULL, document TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
INSERT INTO "alert" VALUES('alr_0','blind/lab',7,1,'resolved',1,2,'lab is not seen','lab','r1','n0','');
INSERT INTO "alert" VALUES('alr_1','blind/lab',7,2,'firing',5,6,'lab is not seen','lab','','','{"message":{"id":"msg_c","alert":"alr_1","kind":7,"severity":2,"state":0,"at":5,"title":"lab is not seen","body":["b"],"do_next":"curfew doctor","account":"lab","resource":"","resource_name":"","run":"","cause":"","stops_at":null,"cost_so_far":null,"per_hour":null,"saved":null,"expires_at":null},"told":[{"channel":"mail","to":""}],"told_at":6,"acknowledged_by":"","note":"","escalated":0,"turns":[5],"flapping":false,"silenced_by":"","inhibited_by":"","reason":""}');
CREATE TABLE alert_event (
  seq INTEGER PRIMARY KEY, alert TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, what TEXT NOT NULL,
  reason TEXT NOT NULL, by TEXT NOT NULL) STRICT;
INSERT INTO "alert_event" VALUES(1,'alr_1',6,'firing','fired','','curfewd');
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, account TEXT NOT NULL, resource TEXT NOT NULL,
  run TEXT NOT NULL, actor TEXT NOT NULL, text TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
INSERT INTO "audit" VALUES(1,1000,'hold.placed','lab','r1','n1','ana (uid 1000)','keep until 2026-11-23T04:10:00Z','ef46f34aafa1a71ffbba1826134ceed58c7190a6f196c3d753354bba0fd6688c');
CREATE TABLE budget_edit (
  seq INTEGER PRIMARY KEY, budget TEXT NOT NULL, document TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
INSERT INTO "budget_edit" VALUES(1,'team','amount = "50"','ana',1000);
CREATE TABLE channel_state (
  channel TEXT PRIMARY KEY, disabled_at INTEGER, why TEXT NOT NULL, fingerprint TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "channel_state" VALUES('chat',102,'410','f');
CREATE TABLE cost (
  from_ms INTEGER NOT NULL, line INTEGER NOT NULL REFERENCES cost_line (no), source INTEGER NOT NULL,
  for_ms INTEGER NOT NULL, terms INTEGER NOT NULL REFERENCES cost_terms (no), gross_nanos INTEGER NOT NULL,
  estimated INTEGER NOT NULL, error_bar_ms INTEGER NOT NULL, PRIMARY KEY (from_ms, line, source),
  CHECK (source = 2 OR (source IN (0, 1) AND for_ms > 0 AND for_ms <= 3600000 AND gross_nanos >= 0)))
  STRICT, WITHOUT ROWID;
INSERT INTO "cost" VALUES(100,2,0,300,2,63333,0,0);
INSERT INTO "cost" VALUES(300,2,2,7200000,2,-1520000000,1,5);
INSERT INTO "cost" VALUES(3600000,3,0,900,1,190000,1,60000);
INSERT INTO "cost" VALUES(3600000,3,1,900,1,190001,0,0);
INSERT INTO "cost" VALUES(600,1,0,100,4,0,0,0);
INSERT INTO "cost" VALUES(600,4,0,100,3,0,0,0);
INSERT INTO "cost" VALUES(900,3,0,3599100,1,759810000,0,0);
CREATE TABLE cost_day (
  day_ms INTEGER NOT NULL, resource INTEGER NOT NULL, terms INTEGER NOT NULL, gross_nanos INTEGER NOT NULL,
  quantity_ms INTEGER NOT NULL, error_bar_ms INTEGER NOT NULL, error_nanos INTEGER NOT NULL,
  unpriced INTEGER NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (day_ms, resource, terms)) STRICT, WITHOUT ROWID;
INSERT INTO "cost_day" VALUES(0,1,1,0,100,0,0,0,1);
CREATE TABLE cost_line (
  no INTEGER PRIMARY KEY, resource INTEGER NOT NULL REFERENCES cost_resource (no), run TEXT NOT NULL,
  meter INTEGER NOT NULL, UNIQUE (resource, run, meter)) STRICT;
INSERT INTO "cost_line" VALUES(1,1,'n8',1);
INSERT INTO "cost_line" VALUES(2,2,'n0',0);
INSERT INTO "cost_line" VALUES(3,2,'n1',0);
INSERT INTO "cost_line" VALUES(4,2,'n9',0);
CREATE TABLE cost_resource (no INTEGER PRIMARY KEY, resource TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO "cost_resource" VALUES(1,'gone');
INSERT INTO "cost_resource" VALUES(2,'r1');
CREATE TABLE cost_terms (
  no INTEGER PRIMARY KEY, meter INTEGER NOT NULL, sku TEXT NOT NULL, rate_nanos INTEGER, currency TEXT NOT NULL,
  rule TEXT NOT NULL) STRICT;
INSERT INTO "cost_terms" VALUES(1,0,'A4000',760000000,'USD','');
INSERT INTO "cost_terms" VALUES(2,0,'A4000',760000000,'EUR','');
INSERT INTO "cost_terms" VALUES(3,0,'Z9',NULL,'USD','');
INSERT INTO "cost_terms" VALUES(4,1,'disk',5,'USD','');
CREATE TABLE enforcement (
  id TEXT PRIMARY KEY, account TEXT NOT NULL, resource TEXT NOT NULL, run TEXT NOT NULL, cause_kind TEXT NOT NULL,
  cause_name TEXT NOT NULL, state TEXT NOT NULL, warned_step INTEGER NOT NULL, warned_at INTEGER, notice_at INTEGER,
  pack_attempts INTEGER NOT NULL, stop_attempts INTEGER NOT NULL, method TEXT NOT NULL, next_at INTEGER,
  stop_called_at INTEGER, receipt TEXT REFERENCES receipt (id), override_by TEXT, override_reason TEXT,
  off_sightings INTEGER NOT NULL, relooks INTEGER NOT NULL, reason TEXT NOT NULL, outcome TEXT NOT NULL,
  -- I1, also for whoever writes here by other ways.
  CHECK (state NOT IN ('stopping', 'confirming') OR receipt IS NOT NULL OR override_by IS NOT NULL))
  STRICT, WITHOUT ROWID;
INSERT INTO "enforcement" VALUES('enf_0','lab','r1','n0','manual','ana','over',0,NULL,NULL,1,1,'guest',NULL,350,'rcp_1',NULL,NULL,2,2,'off twice','stopped');
CREATE TABLE fired (
  budget TEXT NOT NULL, period TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (budget, period, key)) STRICT, WITHOUT ROWID;
INSERT INTO "fired" VALUES('old','2026-10@UTC','80%',1000);
INSERT INTO "fired" VALUES('team','2026-11@UTC','100%',2000);
INSERT INTO "fired" VALUES('team','2026-11@UTC','80%',1000);
CREATE TABLE history (
  run INTEGER NOT NULL, from_ms INTEGER NOT NULL, source INTEGER NOT NULL, for_ms INTEGER NOT NULL,
  verdict INTEGER NOT NULL, strength INTEGER NOT NULL, ttl_s INTEGER NOT NULL, began TEXT NOT NULL, last TEXT,
  PRIMARY KEY (run, from_ms, source), CHECK (for_ms >= 0)) STRICT, WITHOUT ROWID;
INSERT INTO "history" VALUES(1,900,0,600000,1,1,0,'',NULL);
INSERT INTO "history" VALUES(7,700,3,5,2,0,300,'kernel busy','kernel idle');
CREATE TABLE history_run (no INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO "history_run" VALUES(1,'n1');
INSERT INTO "history_run" VALUES(7,'n9');
CREATE TABLE hold (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, resource TEXT NOT NULL, run TEXT NOT NULL, from_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, released_at INTEGER, job TEXT NOT NULL DEFAULT '', link TEXT NOT NULL DEFAULT '',
  CHECK (until_ms > from_ms)) STRICT, WITHOUT ROWID;
INSERT INTO "hold" VALUES('hld_1','lease','r1','n1',1000,7200000,'thinking','ana (uid 1000)',NULL,'train-7','lnk_1');
CREATE TABLE idempotency (key TEXT PRIMARY KEY, status INTEGER NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
INSERT INTO "idempotency" VALUES('key_1',200,'{}',9000000000000);
CREATE TABLE intent (
  id TEXT PRIMARY KEY, enforcement TEXT NOT NULL, run TEXT NOT NULL, act TEXT NOT NULL, at INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
INSERT INTO "intent" VALUES('int_1','enf_0','n0','stop:guest',350);
INSERT INTO "intent" VALUES('int_2','enf_0','n1','pack',1950);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('boot_id','boot-1');
CREATE TABLE meter (
  run TEXT NOT NULL, kind TEXT NOT NULL, resource TEXT NOT NULL, sku TEXT NOT NULL, rate_nanos INTEGER,
  cap_nanos INTEGER, currency TEXT NOT NULL, increment TEXT NOT NULL, rule TEXT NOT NULL, started INTEGER NOT NULL,
  counted_to INTEGER NOT NULL, last_seen_billing INTEGER NOT NULL, used_in_month_ms INTEGER NOT NULL,
  closed_nanos INTEGER NOT NULL, closed_currency TEXT NOT NULL, open INTEGER NOT NULL,
  PRIMARY KEY (run, kind)) STRICT, WITHOUT ROWID;
INSERT INTO "meter" VALUES('disk1','storage','r1','block storage 50 GB',NULL,5000000000,'USD','none','night',900,3600000,3600000,2700000,5580357,'USD',1);
INSERT INTO "meter" VALUES('n0','compute','r1','A4000',760000000,NULL,'EUR','none','',100,400,400,0,-1519936667,'EUR',0);
INSERT INTO "meter" VALUES('n1','compute','r1','A4000',760000000,NULL,'USD','none','',900,3600900,3601000,0,760190001,'USD',1);
INSERT INTO "meter" VALUES('n9','compute','r1','Z9',NULL,NULL,'USD','none','',700,700,2000,0,0,'USD',1);
CREATE TABLE observation (
  run TEXT NOT NULL, source TEXT NOT NULL, at INTEGER NOT NULL, wall INTEGER NOT NULL, verdict TEXT NOT NULL,
  last_active_at INTEGER, strength TEXT NOT NULL, evidence TEXT NOT NULL, ttl_ms INTEGER NOT NULL,
  PRIMARY KEY (run, source)) STRICT, WITHOUT ROWID;
INSERT INTO "observation" VALUES('n1','gpu',1900,1900,'unknown',NULL,'weak','''; --',300000);
INSERT INTO "observation" VALUES('n1','kernels',1900,1900,'quiet',1500,'strong','kernel idle',300000);
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, message_id TEXT NOT NULL, channel TEXT NOT NULL,
  receiver TEXT NOT NULL, alert TEXT NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL, topic TEXT NOT NULL,
  heap TEXT NOT NULL, message TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_at INTEGER NOT NULL,
  expires_at INTEGER, failover_at INTEGER, last_error TEXT NOT NULL, created_at INTEGER NOT NULL,
  enforcement TEXT NOT NULL, warn_step INTEGER NOT NULL, parcel TEXT NOT NULL) STRICT;
INSERT INTO "outbox" VALUES(1,'msg_b/mail','msg_b','mail','','',2,0,'','','{"id":"msg_b","alert":"","kind":2,"severity":0,"state":0,"at":5,"title":"t","body":[],"do_next":"","account":"lab","resource":"","resource_name":"","run":"","cause":"","stops_at":null,"cost_so_far":null,"per_hour":null,"saved":null,"expires_at":null}','delivered',1,10,NULL,NULL,'',10,'',0,'');
INSERT INTO "outbox" VALUES(2,'msg_a/mail','msg_a','mail','','alr_1',7,2,'','','{"id":"msg_a","alert":"alr_1","kind":7,"severity":2,"state":0,"at":5,"title":"t","body":["b"],"do_next":"","account":"lab","resource":"","resource_name":"","run":"","cause":"","stops_at":null,"cost_so_far":null,"per_hour":null,"saved":null,"expires_at":77}','waiting',2,20,77,NULL,'503',20,'enf_0',1,'');
INSERT INTO "outbox" VALUES(3,'msg_c/mail','msg_c','mail','','alr_1',7,2,'','','{"id":"msg_c","alert":"alr_1","kind":7,"severity":2,"state":0,"at":5,"title":"t","body":["b"],"do_next":"","account":"lab","resource":"","resource_name":"","run":"","cause":"","stops_at":null,"cost_so_far":null,"per_hour":null,"saved":null,"expires_at":77}','waiting',0,20,NULL,900000,'',20,'',0,'prc_1');
CREATE TABLE outcome (
  intent TEXT PRIMARY KEY REFERENCES intent (id), outcome TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "outcome" VALUES('int_1','accepted',351);
CREATE TABLE parcel (
  id TEXT NOT NULL, channel TEXT NOT NULL, receiver TEXT NOT NULL, kind INTEGER NOT NULL, severity INTEGER NOT NULL,
  topic TEXT NOT NULL, message TEXT NOT NULL, rows INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
  next_at INTEGER NOT NULL, last_error TEXT NOT NULL, created_at INTEGER NOT NULL, first_attempt_at INTEGER,
  ended_at INTEGER, uncertain INTEGER NOT NULL, PRIMARY KEY (id, channel, receiver)) STRICT, WITHOUT ROWID;
INSERT INTO "parcel" VALUES('prc_1','mail','',7,2,'','{"id":"prc_1","alert":"alr_1","kind":7,"severity":2,"state":0,"at":5,"title":"t","body":["b"],"do_next":"","account":"lab","resource":"","resource_name":"","run":"","cause":"","stops_at":null,"cost_so_far":null,"per_hour":null,"saved":null,"expires_at":77}',1,'waiting',2,20,'503',20,20,NULL,1);
CREATE TABLE poll (
  account TEXT PRIMARY KEY, mono INTEGER NOT NULL, wall INTEGER NOT NULL, complete INTEGER NOT NULL,
  error TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "poll" VALUES('lab',1900,1900,1,'');
CREATE TABLE quarantine (
  seq INTEGER PRIMARY KEY, account TEXT NOT NULL, resource TEXT NOT NULL, run TEXT NOT NULL, text TEXT NOT NULL,
  at INTEGER NOT NULL, UNIQUE (account, resource, run, text)) STRICT;
INSERT INTO "quarantine" VALUES(1,'lab','r1','n1','a start in the future',1000);
CREATE TABLE quiet_clock (run TEXT PRIMARY KEY, quiet_ms INTEGER NOT NULL, last_quiet_at INTEGER)
  STRICT, WITHOUT ROWID;
INSERT INTO "quiet_clock" VALUES('n0',5,NULL);
INSERT INTO "quiet_clock" VALUES('n1',1234,1900);
CREATE TABLE receipt (
  id TEXT PRIMARY KEY, resource TEXT NOT NULL, run TEXT NOT NULL, verified_at INTEGER NOT NULL,
  document TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "receipt" VALUES('rcp_1','r1','n0',300,'{}');
CREATE TABLE reported (
  account TEXT NOT NULL, month INTEGER NOT NULL, generated_at INTEGER NOT NULL, nanos INTEGER NOT NULL,
  currency TEXT NOT NULL, fetched_at INTEGER NOT NULL, PRIMARY KEY (account, month, generated_at))
  STRICT, WITHOUT ROWID;
INSERT INTO "reported" VALUES('lab',0,1000,760000000,'USD',1001);
CREATE TABLE resource (
  id TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, project TEXT NOT NULL,
  owner TEXT NOT NULL, first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, gone INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
INSERT INTO "resource" VALUES('r1','lab','notebook','demo','','ana@example.org',500,2000,0);
CREATE TABLE rule_breaker (
  rule TEXT PRIMARY KEY, why TEXT NOT NULL, at INTEGER NOT NULL, open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "rule_breaker" VALUES('night','3 stops within an hour',420,1);
CREATE TABLE rule_event (
  seq INTEGER PRIMARY KEY, rule TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, resource TEXT NOT NULL,
  run TEXT NOT NULL, name TEXT NOT NULL) STRICT;
INSERT INTO "rule_event" VALUES(4,'night','stop',400,'r1','n0','demo');
INSERT INTO "rule_event" VALUES(5,'night','false_stop',410,'r1','n0','demo');
CREATE TABLE rule_trial (
  rule TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, tried_ms INTEGER NOT NULL, ended_at INTEGER)
  STRICT, WITHOUT ROWID;
INSERT INTO "rule_trial" VALUES('night',1,5,NULL);
CREATE TABLE run (
  id TEXT PRIMARY KEY, resource TEXT NOT NULL, account TEXT NOT NULL, machine_type TEXT NOT NULL, state TEXT NOT NULL,
  state_text TEXT NOT NULL, started_at INTEGER, ended_at INTEGER, first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "run" VALUES('n0','r1','lab','A4000','stopped','Stopped',100,400,100,400);
INSERT INTO "run" VALUES('n1','r1','lab','A4000','running','Running',900,NULL,500,2000);
INSERT INTO "run" VALUES('n9','r1','lab','Z9','running','Running',NULL,NULL,600,2000);
CREATE TABLE silence (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, scope TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  reason TEXT NOT NULL, by TEXT NOT NULL, ended_at INTEGER, CHECK (until_ms > from_ms)) STRICT, WITHOUT ROWID;
INSERT INTO "silence" VALUES('sil_1','silence','{"resources":["demo"],"accounts":[],"rules":[],"budgets":[],"kinds":[],"alert":""}',1000,7200000,'a deadline','ana (uid 1000)',NULL);
CREATE INDEX run_by_resource ON run (resource, first_seen);
CREATE UNIQUE INDEX enforcement_live ON enforcement (run) WHERE state NOT IN ('over', 'watching');
CREATE INDEX enforcement_by_resource ON enforcement (resource);
CREATE INDEX audit_by_resource ON audit (resource, seq);
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is never deleted'); END;
CREATE INDEX hold_by_resource ON hold (resource);
CREATE UNIQUE INDEX alert_firing ON alert (key) WHERE state <> 'resolved';
CREATE INDEX receipt_by_resource ON receipt (resource, verified_at);
CREATE INDEX history_by_time ON history (from_ms);
CREATE UNIQUE INDEX rule_event_once ON rule_event (kind, rule, run) WHERE kind <> 'stop';
CREATE INDEX meter_open ON meter (open) WHERE open = 1;
CREATE INDEX meter_of_add_on ON meter (counted_to) WHERE cap_nanos IS NOT NULL;
CREATE INDEX run_newest ON run (resource, COALESCE(started_at, 0) DESC, first_seen DESC, id);
CREATE UNIQUE INDEX cost_terms_once ON cost_terms (
  sku, rule, meter, currency, rate_nanos IS NULL, COALESCE(rate_nanos, 0));
CREATE TRIGGER cost_is_append_only BEFORE UPDATE ON cost BEGIN SELECT RAISE(ABORT, 'cost rows are never changed'); END;
CREATE TRIGGER cost_is_kept BEFORE DELETE ON cost BEGIN SELECT RAISE(ABORT, 'cost rows are never deleted'); END;
CREATE TRIGGER cost_line_is_append_only BEFORE UPDATE ON cost_line
  BEGIN SELECT RAISE(ABORT, 'cost lines are never changed'); END;
CREATE TRIGGER cost_terms_is_append_only BEFORE UPDATE ON cost_terms
  BEGIN SELECT RAISE(ABORT, 'cost terms are never changed'); END;
CREATE VIEW ledger AS SELECT r.resource, l.run,
  CASE l.meter WHEN 0 THEN 'compute' WHEN 1 THEN 'storage' WHEN 2 THEN 'ip' ELSE 'other' END AS meter,
  c.from_ms, c.from_ms + c.for_ms AS to_ms, t.sku, t.rate_nanos, c.gross_nanos, t.currency,
  CASE c.source WHEN 0 THEN 'own' WHEN 1 THEN 'provider' ELSE 'adjustment' END AS source, c.estimated,
  c.error_bar_ms, t.rule
  FROM cost c JOIN cost_line l ON l.no = c.line JOIN cost_resource r ON r.no = l.resource
  JOIN cost_terms t ON t.no = c.terms;
CREATE INDEX budget_edit_newest ON budget_edit (budget, seq);
CREATE TRIGGER reported_is_append_only BEFORE UPDATE ON reported
  BEGIN SELECT RAISE(ABORT, 'what was reported is never changed'); END;
CREATE TRIGGER reported_is_kept BEFORE DELETE ON reported
  BEGIN SELECT RAISE(ABORT, 'what was reported is never deleted'); END;
CREATE INDEX intent_by_enforcement ON intent (enforcement);
CREATE INDEX audit_of_stops ON audit (run, seq) WHERE kind = 'enforcement.stopped';
CREATE INDEX alert_newest ON alert (changed_at);
CREATE INDEX alert_event_of ON alert_event (alert, seq);
CREATE TRIGGER alert_event_is_append_only BEFORE UPDATE ON alert_event
  BEGIN SELECT RAISE(ABORT, 'the life of an alert is never changed'); END;
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
CREATE VIEW outbox_ready AS SELECT o.* FROM outbox o WHERE o.state = 'waiting' AND o.parcel = '' AND
  (o.alert = '' OR NOT EXISTS (SELECT 1 FROM outbox b WHERE b.alert = o.alert AND b.alert <> ''
    AND b.channel = o.channel AND b.receiver = o.receiver AND b.seq < o.seq AND b.state = 'waiting'
    AND (b.parcel <> '' OR b.heap <> o.heap)));
CREATE UNIQUE INDEX hold_of_link ON hold (link) WHERE link <> '';
PRAGMA application_id = 1129465431;
PRAGMA user_version = 4;
