"""The curfew command: every verb as a table and as JSON, exit codes, refusals; and where secrets are not."""

import datetime
import json
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import StageTest, ask_unix, money, run_tests, wait_for  # noqa: E402

BUSY = "import time\nuntil = time.time() + 600\nwhile time.time() < until:\n    sum(range(1000))\n"
NOTEBOOK = json.dumps({"cells": [{"cell_type": "markdown", "id": "a1", "metadata": {}, "source": "# Hello"}], "metadata": {},
                       "nbformat": 4, "nbformat_minor": 5})
FILES = {"notes.ipynb": NOTEBOOK, "data.csv": "a,b\n1,2\n", "odd \u001b[31m name.txt": "x"}
STAMP = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$")


class Verbs(StageTest):
    def setUp(self):
        self.stage = self.open_stage(speed=20)

    def set_out(self, **more):
        stage = self.stage
        self.quiet = stage.notebook("quiet", files=FILES)
        self.busy = stage.notebook("busy", files={"b.txt": "b"}, gpu=80)
        stage.config(idle="6h", ladder=["30m"], **more)
        stage.start_daemon()
        wait_for("the first looks", lambda: [i["verdict"] for i in stage.answer("status")["items"]] == ["active", "quiet"], 30)

    def read(self, schema, *words, table=(), exit_code=0):
        """Both faces of one verb: the JSON with its schema, the table with these words in it."""
        done = self.stage.curfew(*words, "--json", check=False)
        self.assertEqual((done.returncode, done.stderr), (exit_code, ""), words)
        body = json.loads(done.stdout)
        self.assertEqual(body["schema"], schema)
        shown = self.stage.curfew(*words, "--utc", check=False)
        self.assertEqual((shown.returncode, shown.stderr), (exit_code, ""), words)
        for word in table:
            self.assertIn(word, shown.stdout, words)
        self.assertNotIn("\x1b", shown.stdout)
        return body

    def envelope(self, body):
        self.assertRegex(body["as_of"], STAMP)
        self.assertRegex(body["now"], STAMP)
        self.assertIsInstance(body["stale_for"], int)
        self.assertEqual(body["degraded"], [])

    def test_questions(self):
        stage = self.stage
        self.set_out()
        body = self.read("curfew.status/1", "status", table=("NAME", "STOPS IN", "quiet", "busy", "A4000", "$0.76", "as of ", "/h now"))
        self.envelope(body)
        item = [i for i in body["items"] if i["name"] == "quiet"][0]
        for member in ("resource", "name", "provider", "account", "kind", "machine_type", "state", "billing", "run", "verdict", "quiet",
                       "coverage", "price", "today", "month", "stops_at", "mode", "holds", "why"):
            self.assertIn(member, item)
        self.assertEqual(item["price"], {"amount": "0.760000000", "currency": "USD", "per": "hour", "as_of": item["price"]["as_of"],
                                         "status": "priced"})
        self.assertEqual(body["totals"]["per_hour"], {"amount": "1.520000000", "currency": "USD"})
        self.assertEqual((item["resource"], item["run"]["id"]), (self.quiet.repo, self.quiet.id))
        self.assertRegex(item["run"]["started"], STAMP)
        self.assertEqual(stage.curfew("ps").returncode, 0)
        for noun in ("quiet", "qui", self.quiet.repo, self.quiet.id):
            body = self.read("curfew.explain/1", "explain", noun,
                             table=(self.quiet.repo, self.quiet.id, "kernels", "metrics", "rule idle", "6h", "curfew keep"))
            self.assertEqual(body["subject"]["resource"], self.quiet.repo)
        self.envelope(body)
        self.assertIn(body["limit"], ("6h", "6h30m"))  # a weak signal delays by one step of the ladder
        self.assertTrue({"kernels", "metrics"} <= {s["source"] for s in body["signals"]})
        for signal in body["signals"]:
            self.assertIn(signal["verdict"], ("active", "quiet", "unknown"))
            self.assertRegex(signal["at"], STAMP)
        for by, group in (("resource", self.quiet.repo), ("day", body["now"][:10]), ("type", "A4000"), ("account", "me")):
            spend = self.read("curfew.spend/1", "spend", "--by", by, table=("total $", "UTC", "quiet" if by == "resource" else group))
            self.assertIn(group, {r[by] for r in spend["items"]})
            self.assertEqual(sum(money(r["gross"]) for r in spend["items"]), money(spend["totals"]["gross"]))
        self.assertEqual(self.read("curfew.spend/1", "spend", "--since", "2001-01-01T00:00:00Z")["from"], "2001-01-01T00:00:00Z")
        self.read("curfew.spend/1", "spend", "--since", "30d")
        body = self.read("curfew.events/1", "events", table=())
        self.assertIsNone(body["next"])
        self.assertEqual(self.read("curfew.alerts/1", "alerts", table=("no alert is firing",))["items"], [])
        self.assertEqual(self.read("curfew.receipts/1", "receipts", table=("no receipt yet",))["items"], [])
        body = self.read("curfew.doctor/1", "doctor", table=("account me", "the key works", "audit", "outbox", "channels", "vaults", "mode"))
        self.assertTrue(all(f["good"] for f in body["items"]), body)
        body = self.read("curfew.verify/1", "verify", table=("database: every page", "audit: ", "chain whole", "ledger: "))
        self.assertTrue(all(f["good"] for f in body["items"]), body)
        self.read("curfew.version/1", "version", table=("curfew 0.",))
        self.assertEqual(stage.curfew("--version").stdout, stage.curfew("version").stdout)
        self.assertEqual(stage.curfew("check-config", str(stage.folder / "curfew.toml")).returncode, 0)
        # Times are in the reader's zone, with the zone's name, unless --utc is given.
        self.assertIn("JST", stage.curfew("spend", env={"TZ": "Asia/Tokyo"}).stdout)
        self.assertNotIn("JST", stage.curfew("spend", "--utc", env={"TZ": "Asia/Tokyo"}).stdout)
        # Something is found: exit 10.
        (stage.folder / "curfew.toml").write_text((stage.folder / "curfew.toml").read_text().replace('mode = "enforce"', 'mode = "warn"', 1))
        stage.curfew("reload")
        body = self.read("curfew.doctor/1", "doctor", table=("FOUND", "daemon.mode is warn"), exit_code=10)
        self.assertEqual([f["what"] for f in body["items"] if not f["good"]], ["mode"])
        # What is off shows only with -a.
        stage.control(f"/notebooks/{self.busy.repo}/stop", {"wait": True})
        wait_for("it to be off", lambda: not stage.item("busy")["billing"], 30)
        self.assertNotIn("busy", stage.curfew("status").stdout)
        self.assertIn("1 off", stage.curfew("status").stdout)
        self.assertIn("busy", stage.curfew("status", "-a").stdout)

    def test_keep_and_release(self):
        stage = self.stage
        self.set_out(budget='[[budget]]\nname = "small"\namount = "10.00"\nmode = "enforce"\n'
                            'thresholds = [{ percent = 100, action = "stop" }]\n[budget.match]\nnames = ["busy"]\n')
        done = stage.curfew("keep", "quiet", "--for", "2h", "--reason", "reading", "--utc")
        self.assertRegex(done.stdout, r"kept until \d\d-\d\d \d\d:\d\d:\d\d UTC; that costs \$1\.52\.")
        self.assertIn("curfew release", done.stdout)
        body = json.loads(stage.curfew("keep", "quiet", "--for", "1h30m", "--json").stdout)
        self.assertEqual((body["schema"], body["kind"], money(body["price"])), ("curfew.hold/1", "keep", 1_140_000_000))
        self.assertRegex(body["by"], r"\(uid \d+\)")
        for words, code, said in ((["--for", "13h"], 2, "12h"), (["--for", "12h1s"], 2, "12h"), (["--for", "0s"], 2, "above zero"),
                                  (["--for", "-1h"], 2, "1h")):
            with self.subTest(words=words):
                refused = stage.curfew("keep", "quiet", *words, check=False)
                self.assertEqual(refused.returncode, code, refused.stderr)
                self.assertIn(said, refused.stderr)
        stage.curfew("keep", "busy", "--for", "12h")  # $9.12 of $10
        refused = stage.curfew("keep", "busy", "--until", "2100-01-01T00:00:00Z", check=False)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        config = stage.folder / "curfew.toml"
        config.write_text(config.read_text().replace('"10.00"', '"9.00"'))
        stage.curfew("reload")
        refused = stage.curfew("keep", "busy", "--for", "12h", check=False)
        self.assertEqual(refused.returncode, 8, refused.stderr)
        self.assertIn("$9.12", refused.stderr)
        self.assertIn("small", refused.stderr)
        self.assertEqual(len(stage.events("hold.placed")), 3)
        held = self.read("curfew.status/1", "status", table=("held",))
        self.assertEqual([len(i["holds"]) for i in held["items"]], [1, 2])
        self.assertIn("reading", stage.curfew("explain", "quiet").stdout)
        self.assertEqual(json.loads(stage.curfew("release", "quiet", "--json").stdout)["released"], 2)
        self.assertIn("nothing held it", stage.curfew("release", "quiet").stdout)
        self.assertEqual(stage.item("quiet")["holds"], [])
        self.assertEqual(stage.stop_calls(), [])

    def test_leases_and_exemptions(self):
        stage = self.stage
        self.set_out(budget='[[budget]]\nname = "small"\namount = "5.00"\nmode = "enforce"\n'
                            'thresholds = [{ percent = 100, action = "stop" }]\n[budget.match]\nnames = ["busy"]\n')
        done = stage.curfew("lease", "quiet", "--for", "2h", "--job", "train-7", "--utc")
        self.assertRegex(done.stdout, r"leased to job train-7 until \d\d-\d\d \d\d:\d\d:\d\d UTC; that costs \$1\.52\.")
        body = json.loads(stage.curfew("lease", "quiet", "--for", "3h", "--job", "train-7", "--json").stdout)
        self.assertEqual((body["schema"], body["kind"], body["job"], money(body["price"])), ("curfew.hold/1", "lease", "train-7", 2_280_000_000))
        self.assertEqual([h["id"] for h in stage.item("quiet")["holds"]], [body["id"]])  # the renewal replaced it
        for words, code, said in ((["lease", "quiet", "--for", "13h", "--job", "a"], 2, "12h"), (["lease", "quiet", "--for", "2h"], 2, "--job"),
                                  (["lease", "quiet", "--job", "a"], 2, "--for"), (["lease", "quiet", "--for", "0s", "--job", "a"], 2, "above zero"),
                                  (["lease", "busy", "--for", "8h", "--job", "a"], 8, "small"), (["lease", "none", "--for", "2h", "--job", "a"], 3, "none"),
                                  (["exempt", "quiet", "--for", "91d", "--reason", "x"], 2, "90 days"), (["exempt", "quiet", "--for", "30d"], 2, "--reason"),
                                  (["exempt", "quiet", "--for", "30d", "--reason", " "], 2, "reason"), (["exempt", "quiet", "--reason", "x"], 2, "--until"),
                                  (["exempt", "quiet", "--until", "2001-01-01", "--reason", "x"], 2, "future"),
                                  (["exempt", "quiet", "--until", "2001-02-30", "--reason", "x"], 2, "2001-02-30"),
                                  (["exempt", "quiet", "--until", "soon", "--reason", "x"], 2, "soon"),
                                  (["exempt", "none", "--for", "30d", "--reason", "x"], 3, "none")):
            with self.subTest(words=words):
                refused = stage.curfew(*words, check=False)
                self.assertEqual(refused.returncode, code, refused.stderr)
                self.assertIn(said, refused.stderr)
        day = (datetime.datetime.fromisoformat(body["from"]) + datetime.timedelta(days=20)).date().isoformat()
        body = json.loads(stage.curfew("exempt", "quiet", "--until", day, "--reason", "a paper", "--json").stdout)
        self.assertEqual((body["schema"], body["kind"], body["until"], body["run"], body["reason"]),
                         ("curfew.hold/1", "exemption", f"{day}T00:00:00Z", None, "a paper"))
        self.assertIn("no rule stops it until", stage.curfew("exempt", "quiet", "--for", "30d", "--reason", "a longer paper").stdout)
        held = self.read("curfew.status/1", "status", table=("held", "an exemption of"))
        self.assertEqual(sorted(h["kind"] for i in held["items"] if i["name"] == "quiet" for h in i["holds"]), ["exemption", "lease"])
        shown = self.read("curfew.explain/1", "explain", "quiet", table=("lease for job train-7", "a longer paper", "without it: "))
        self.assertEqual(len(shown["holds"]), 2)
        # A key gives the first answer again here as well.
        admin, headers = stage.folder / "admin.sock", {"Content-Type": "application/json", "Idempotency-Key": "k9"}
        again = [ask_unix(admin, "/v1/lease", "POST", json.dumps({"resource": "busy", "for": "1h", "job": "b"}), headers, raw=True) for _ in range(2)]
        self.assertEqual(again[0], again[1])
        self.assertEqual(len([e for e in stage.events("hold.placed") if e["run"] == self.busy.id]), 1)
        released = json.loads(stage.curfew("release", "quiet", "--json").stdout)
        self.assertEqual({k: released[k] for k in ("schema", "released", "keeps", "leases", "exemptions", "stops")},
                         {"schema": "curfew.release/1", "released": 1, "keeps": 0, "leases": 1, "exemptions": 0, "stops": 0})
        self.assertIn("nothing held it", stage.curfew("release", "quiet", "--lease").stdout)
        # The exemption is the resource's: it survives a restart of the daemon and of the notebook.
        self.assertEqual(stage.stop_daemon(), 0)
        stage.start_daemon()
        stage.control(f"/notebooks/{self.quiet.repo}/stop", {"wait": True})
        stage.control(f"/notebooks/{self.quiet.repo}/start", {"wait": True})
        self.quiet.refresh()
        wait_for("the next run", lambda: stage.item("quiet")["run"]["id"] == self.quiet.id, 30)
        self.assertEqual([h["kind"] for h in stage.item("quiet")["holds"]], ["exemption"])
        self.assertIn("1 exemption ended", stage.curfew("release", "quiet", "--exemption").stdout)
        self.assertEqual(stage.item("quiet")["holds"], [])
        self.assertIn("1 lease ended", stage.curfew("release", "busy", "--job", "b").stdout)
        self.assertEqual(stage.stop_calls(), [])

    def test_rules(self):
        stage = self.stage
        self.set_out(rule='observe_first = "2d"')
        body = self.read("curfew.rule/1", "rule", "ls", table=("RULE", "FALSE 7D", "idle", "observe", "on trial until", "would have stopped 0"))
        self.envelope(body)
        rule = body["items"][0]
        self.assertEqual({k: rule[k] for k in ("name", "mode", "mode_configured", "breaker", "matches", "running", "stops_7d", "false_stops_7d", "flagged")},
                         {"name": "idle", "mode": "observe", "mode_configured": "enforce", "breaker": None, "matches": 2, "running": 2,
                          "stops_7d": 0, "false_stops_7d": 0, "flagged": False})
        self.assertRegex(rule["trial"]["until"], STAMP)
        self.assertEqual(rule["trial"]["would_stop"], 0)
        self.assertTrue(stage.item("quiet")["on_trial"])
        self.assertIn("rule idle: on trial until", stage.curfew("status").stdout)
        self.assertIn("on trial", stage.curfew("explain", "quiet").stdout)
        self.assertIn("is not open", stage.curfew("rule", "reset", "idle").stdout)
        body = json.loads(stage.curfew("rule", "reset", "idle", "--json").stdout)
        self.assertEqual(body, {"schema": "curfew.rule-reset/1", "rule": "idle", "reset": False})
        self.assertEqual(stage.curfew("rule", "reset", "none", check=False).returncode, 3)
        self.assertEqual(stage.curfew("rule", "reset", check=False).returncode, 2)
        config = stage.folder / "curfew.toml"
        config.write_text(config.read_text().replace('observe_first = "2d"', ""))
        stage.curfew("reload")
        rule = self.read("curfew.rule/1", "rule", "ls", table=("enforce",))["items"][0]
        self.assertEqual((rule["mode"], rule["trial"]), ("enforce", None))

    def test_stop(self):
        stage = self.stage
        self.set_out()
        refused = [(["stop", "quiet"], "--yes"), (["stop", "quiet", "--json"], "--yes"),
                   (["stop", "busy", "--yes"], "--accept-risk=kills-busy-kernel"),
                   (["stop", "quiet", "--yes", "--no-pack"], "--accept-risk=unpacked-outputs"),
                   (["stop", "busy", "--yes", "--no-pack", "--accept-risk", "unpacked-outputs"], "--accept-risk=kills-busy-kernel")]
        for words, flag in refused:
            with self.subTest(words=words):
                done = stage.curfew(*words, check=False)
                self.assertEqual(done.returncode, 8, done.stderr)
                self.assertIn(flag, done.stderr)
                self.assertEqual(done.stdout, "")
        dry = stage.curfew("stop", "quiet", "--dry-run")
        for word in ("would do:", "1. ", "vault home", "confirm", "saves $0.76 an hour"):
            self.assertIn(word, dry.stdout)
        body = json.loads(stage.curfew("stop", "quiet", "--dry-run", "--json").stdout)
        self.assertEqual((body["schema"], body["enforcement"]), ("curfew.enforcement/1", None))
        self.assertEqual(stage.events(), [])
        self.assertEqual(stage.stop_calls(), [])
        done = stage.curfew("stop", "quiet", "--yes")
        self.assertRegex(done.stdout, r"under way as enf_[0-9a-f]+")
        again = json.loads(stage.curfew("stop", "quiet", "--yes", "--json").stdout)
        self.assertIn(again["enforcement"], done.stdout)
        stage.wait_event("enforcement.stopped", self.quiet.id, 60)
        self.assertEqual([c["run"] for c in stage.stop_calls()], [self.quiet.id])
        receipt = self.read("curfew.receipts/1", "receipts", "quiet", table=("RECEIPT", "quiet", "3"))["items"][0]
        self.assertEqual(stage.check_receipt(receipt), len(FILES))
        one = self.read("curfew.receipt/1", "receipts", receipt["id"], table=("verified", "sha256sum -c", "html", "notes.ipynb"))
        self.assertEqual({k: v for k, v in one.items() if k in receipt}, receipt)
        asked = [e for e in stage.events("stop.asked")]
        self.assertTrue(asked)
        self.assertRegex(asked[0]["actor"], r"\(uid \d+\)")
        events = self.read("curfew.events/1", "events", "quiet", table=("stop.asked", "enforcement.packing", "stop.called", "enforcement.stopped"))
        self.assertEqual([e["id"] for e in events["items"]], sorted(e["id"] for e in events["items"]))
        wait_for("it to be off", lambda: not stage.item("quiet")["billing"], 30)
        off = stage.curfew("stop", "quiet", "--yes", check=False)
        self.assertEqual(off.returncode, 3, off.stderr)
        stage.curfew("stop", "busy", "--yes", "--no-pack", "--accept-risk", "kills-busy-kernel", "--accept-risk", "unpacked-outputs")
        stage.wait_event("enforcement.stopped", self.busy.id, 60)
        self.assertEqual([r for r in stage.receipts() if r["name"] == "busy"], [])
        called = [e for e in stage.events("stop.called") if e["run"] == self.busy.id]
        self.assertIn("without a pack: curfew stop --no-pack", called[0]["text"])

    def test_protected(self):
        stage = self.stage
        self.set_out(more='protect = ["qui*"]')
        done = stage.curfew("stop", "quiet", "--yes", check=False)
        self.assertEqual(done.returncode, 8)
        self.assertIn("protected", done.stderr)
        self.assertIn("protected", stage.curfew("explain", "quiet").stdout)
        self.assertEqual(stage.stop_calls(), [])

    def test_pack(self):
        stage = self.stage
        self.set_out()
        done = stage.curfew("pack", "quiet", "--wait")
        self.assertIn("3 files", done.stdout)
        receipt = stage.receipts()[0]
        self.assertEqual(stage.check_receipt(receipt), 3)
        begun = json.loads(stage.curfew("pack", "busy", "--json").stdout)
        wait_for("the receipt", lambda: begun["receipt"] in [r["id"] for r in stage.receipts()], 60)
        waited = json.loads(stage.curfew("pack", "quiet", "--wait", "--json").stdout)
        self.assertEqual((waited["schema"], waited["reused"]), ("curfew.receipt/1", 3))
        self.assertEqual(stage.stop_calls(), [])
        self.assertEqual({n["state"] for n in stage.state()["notebooks"]}, {"Running"})
        # A pack that cannot succeed says so.
        shutil.rmtree(stage.folder / "vault")
        (stage.folder / "vault").write_text("in the way")
        failed = stage.curfew("pack", "quiet", "--wait", check=False)
        self.assertEqual(failed.returncode, 1, failed.stdout)
        self.assertIn("vault", failed.stderr)
        self.assertEqual(len(stage.receipts()), 3)

    def test_the_same_key_gives_the_first_answer(self):
        stage = self.stage
        self.set_out()
        admin = stage.folder / "admin.sock"

        def post(target, body, key):
            return ask_unix(admin, target, "POST", json.dumps(body), {"Content-Type": "application/json", "Idempotency-Key": key}, raw=True)

        body = {"resource": "quiet", "for": "1h"}
        first = post("/v1/keep", body, "k1")
        self.assertEqual(first[0], 200)
        self.assertEqual(post("/v1/keep", body, "k1"), first)
        self.assertEqual(len(stage.events("hold.placed")), 1)
        second = post("/v1/keep", body, "k2")
        self.assertNotEqual(json.loads(second[1])["id"], json.loads(first[1])["id"])
        packed = post("/v1/pack", {"resource": "quiet"}, "k1")  # another place, another key
        self.assertIn("receipt", json.loads(packed[1]))
        self.assertEqual(post("/v1/pack", {"resource": "quiet"}, "k1"), packed)
        wait_for("the receipt", lambda: stage.receipts(), 60)
        self.assertEqual(len(stage.events("pack.asked")), 1)
        # Also after a restart; and what was refused is not remembered.
        self.assertEqual(stage.stop_daemon(), 0)
        stage.start_daemon()
        wait_for("the first look", lambda: (stage.item("quiet") or {}).get("verdict") == "quiet", 30)
        self.assertEqual(post("/v1/keep", body, "k1"), first)
        self.assertEqual(len(stage.events("hold.placed")), 2)
        self.assertEqual(post("/v1/keep", {"resource": "quiet", "for": "13h"}, "k3")[0], 400)
        self.assertEqual(post("/v1/keep", body, "k3")[0], 200)


class Secrets(StageTest):
    def test_secrets_appear_nowhere(self):
        stage = self.open_stage(speed=20)
        one = stage.notebook("one", files=FILES)
        key = stage.urls["key"]
        canaries = {"key": key, "hook": stage.hook_secret, "hook, bare": stage.hook_secret.removeprefix("whsec_"), "token": one.token}
        stage.config(idle="60s", ladder=["30s"])
        stage.start_daemon()
        wait_for("the first look", lambda: (stage.item("one") or {}).get("verdict") == "quiet")

        def fault(kind, count=2, **more):
            stage.control("/faults", {"kind": kind, "count": count, **more})

        # A provider, and a guest, that say our secrets back to us.
        fault("status", status=500, count=10, body={"message": f"bad header Authorization: Bearer {key}"}, match={"host": "v1"})
        wait_for("the provider's words", lambda: "HTTP 500" in json.dumps(stage.answer("status")["degraded"]), 30)
        wait_for("it to be over", lambda: "HTTP 500" not in json.dumps(stage.answer("status")["degraded"]), 60)
        fault("empty_2xx_error", match={"host": "v1"})
        fault("status", status=403, body=f"token {one.token} is not valid", match={"host": "guest"})
        fault("status", status=400, body={"error": {"message": f"Invalid API token {key}"}}, count=1, match={"host": "legacy", "path": "stopNotebook"})
        fault("status", status=302, location=f"/login?token={one.token}", match={"host": "guest"})
        process = pathlib.Path(f"/proc/{stage.daemon.pid}")
        around = {"cmdline": (process / "cmdline").read_bytes(), "environ": (process / "environ").read_bytes()}
        stage.wait_event("enforcement.stopped", one.id, 90)
        stage.control(f"/notebooks/{one.repo}/start", {"wait": True})
        one.refresh()
        canaries["token of the next run"] = one.token
        wait_for("the next run", lambda: stage.item("one")["run"]["id"] == one.id, 30)
        receipt = stage.receipts()[0]["id"]
        for target in ("status", "explain/one", "spend", "spend?by=day", "receipts", f"receipts/{receipt}", "events?limit=1000",
                       "alerts?all=1", "doctor", "verify", f"verify/{receipt}", "version", "nothing"):
            around[target] = ask_unix(stage.folder / "api.sock", f"/v1/{target}", raw=True)[1]
        stage.secret("key", key[:-1] + "x y")
        around["a refused reload"] = stage.curfew("reload", check=False).stderr.encode()
        stage.secret("key", key)
        self.assertEqual(stage.stop_daemon(), 0)
        around["log"] = stage.log_text().encode()
        around.update({f"mail {m['subject']}": m.as_bytes() for m in stage.mail.messages})
        around.update({f"mail text {m['subject']}": m.get_body(("plain",)).get_content().encode() for m in stage.mail.messages})
        around["hooks"] = json.dumps(stage.hook.received).encode()
        state = list((stage.folder / "state").rglob("*")) + list((stage.folder / "vault").rglob("*"))
        around.update({str(p): p.read_bytes() for p in state if p.is_file()})
        self.assertTrue({stage.folder / "state" / "curfew.db"} <= set(state))
        self.assertGreater(len(around["log"]), 1000)
        self.assertTrue(stage.mail.messages)
        for what, secret in canaries.items():
            self.assertGreaterEqual(len(secret), 16, what)
            for place, content in around.items():
                with self.subTest(secret=what, place=place):
                    at = content.find(secret.encode())
                    self.assertEqual(at, -1, content[max(0, at - 200):at].decode(errors="replace"))


if __name__ == "__main__":
    run_tests()
