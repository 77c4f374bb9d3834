-- Rows for the tables that came with version 2; together with rows_1.sql none is empty.
INSERT INTO history_run VALUES (7, 'n9');
INSERT INTO history VALUES (1, 900, 0, 600000, 1, 1, 0, '', NULL);
INSERT INTO history VALUES (7, 700, 3, 5, 2, 0, 300, 'kernel busy', 'kernel idle');
INSERT INTO rule_trial VALUES ('night', 1, 5, NULL);
INSERT INTO rule_event VALUES (4, 'night', 'stop', 400, 'r1', 'n0', 'demo');
INSERT INTO rule_event VALUES (5, 'night', 'false_stop', 410, 'r1', 'n0', 'demo');
INSERT INTO rule_breaker VALUES ('night', '3 stops within an hour', 420, 1);
