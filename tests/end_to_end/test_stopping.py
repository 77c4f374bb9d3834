"""Stops that go wrong, people who come back in time, budgets, machines: who is stopped, when, how often, and who is told."""

import calendar
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import NO_PROBE, StageTest, money, run_tests, wait_for  # noqa: E402

MINUTE_MS = 60_000
BUSY = "import time\nuntil = time.time() + 600\nwhile time.time() < until:\n    sum(range(1000))\n"


def rules(names, idle, ladder, min_notice):
    """A rule for each, so that the breaker, which counts by rule, stays out of it."""
    return "\n".join(f'[[rule]]\nname = "rule-{n}"\nmode = "enforce"\nidle_limit = "{idle}"\nladder = ["{ladder}"]\n'
                     f'min_notice = "{min_notice}"\nstart_grace = "0s"\n[rule.match]\nnames = ["{n}"]\n'
                     f'{NO_PROBE}[rule.pack]\nsettle = "1s"\n' for n in names)


class StoppingTest(StageTest):
    def fault(self, kind, **more):
        return self.stage.control("/faults", {"kind": kind, **more})["number"]

    def mend(self, number=None):
        for fault in self.stage.control("/faults")["faults"]:
            if number in (None, fault["number"]):
                self.stage.control(f"/faults/{fault['number']}", method="DELETE")

    def kinds(self, run):
        return [e["kind"] for e in self.stage.events() if e["run"] == run]

    def enforcements(self, name, run=None):
        return [e for e in self.stage.answer("explain", name)["enforcements"] if run in (None, e["run"])]

    def wait_state(self, name, run, state, seconds=60):
        wait_for(f"{name} to be seen", lambda: self.stage.item(name), 30)
        wait_for(f"{name} to be {state}", lambda: [e for e in self.enforcements(name, run) if e["state"] == state], seconds, 0.05)

    def restart(self, notebook):
        """What a user does who comes back: stop (if it runs), then start."""
        if notebook.refresh()["state"] == "Running":
            self.stage.control(f"/notebooks/{notebook.repo}/stop", {"wait": True})
        old = notebook.id
        self.stage.control(f"/notebooks/{notebook.repo}/start", {"wait": True})
        notebook.refresh()
        self.assertNotEqual(notebook.id, old)
        return old

    def watch_guests(self):
        """Every request to a guest is recorded only while a fault may concern guests; this one concerns none."""
        self.fault("drop", match={"host": "guest", "path": "/no-such-path"})

    def shutdowns(self, run=None):
        calls = self.stage.calls(host="guest", path="/api/shutdown")
        return [c for c in calls if run in (None, c["run"])]

    def mails(self, *words):
        """Of each mail that says so, alone or together with other news, the line; the end of an alert is not the alert."""
        def line(mail):
            lines = mail.get_body(("plain",)).get_content().splitlines()
            return next((s for s in lines if all(w in s for w in words) and "Over: " not in s), None)
        return [said for said in map(line, list(self.stage.mail.messages)) if said]



class Trouble(StoppingTest):
    def test_stops_that_do_not_work(self):
        stage = self.stage = self.open_stage(speed=30)
        names = ["ignored", "silent", "hangs-but-acts", "answer-lost", "unauthorized", "broken"]
        made = {n: stage.notebook(n, files={"work.txt": n}) for n in names}
        stage.config(idle="2m", ladder=["1m"], min_notice="10s", rule='[rule.match]\nnames = ["nobody"]\n',
                     budget=rules(names, "2m", "1m", "10s"))
        config = stage.folder / "curfew.toml"
        config.write_text(config.read_text().replace('request_timeout = "300s"', 'request_timeout = "60s"'))
        how = {"ignored": ("stop_ignored", {}), "silent": ("stop_hangs", {}), "hangs-but-acts": ("stop_hangs", {"acts": True}),
               "answer-lost": ("drop_after", {}), "unauthorized": ("status", {"status": 401, "body": {"message": "Unauthorized"}}),
               "broken": ("status", {"status": 500, "html": "<html>oops</html>"})}
        self.watch_guests()
        for name, (kind, more) in how.items():
            self.fault(kind, match={"run": made[name].id, "path": "stopNotebook"}, **more)
        stage.start_daemon()
        for name in names:
            stage.wait_event("enforcement.stopped", made[name].id, 120)
        wait_for("the ledger", lambda: not any(i["billing"] for i in stage.answer("status")["items"]), 30)
        for name, notebook in made.items():
            with self.subTest(stop=name):
                sent = [c for c in stage.stop_calls() if c["run"] == notebook.id]
                by_guest = self.shutdowns(notebook.id)
                acts = name in ("hangs-but-acts", "answer-lost")
                # What was off is never sent another stop; what was on is ended by its own server, after a second look.
                self.assertEqual(len(sent), 1, sent)
                self.assertEqual(len(by_guest), 0 if acts else 1, by_guest)
                kinds = self.kinds(notebook.id)
                # What something overtook between its record and the call never left, and is looked at again.
                overtaken = [e for e in stage.events("enforcement.packed") if e["run"] == notebook.id and
                             "the stop was not sent" in e["text"]]
                self.assertEqual(kinds.count("stop.called") - len(overtaken), 1 if acts else 2)
                self.assertEqual("enforcement.stop_failed" in kinds, not acts, kinds)
                self.assertIn(notebook.refresh()["state"], ("Cancelled", "Stopped", "Error", "Failed"))
                ended = self.enforcements(name, notebook.id)
                self.assertEqual(len(ended), 1)
                self.assertEqual(ended[0]["method"], "provider" if acts else "guest")
                self.assertEqual(stage.check_receipt([r for r in stage.receipts() if r["run"] == notebook.id][0]), 1)
                told = [h["data"] for h in stage.hook.received if h["data"].get("resource_name") == name and
                        h["data"]["kind"] == "stop_failed" and h["data"]["state"] == "firing"]
                self.assertEqual(len(told), 0 if acts else 1)
                if told:
                    self.assertEqual(told[0]["severity"], "critical")
                    self.assertEqual(len(self.mails(name, "IS STILL BILLING", "$")), 1)
                self.assertEqual(len(self.mails(name, "is stopped")), 1)
        events = {name: {e["kind"]: e["at"] for e in stage.events() if e["run"] == n.id} for name, n in made.items()}
        self.assertLess(events["unauthorized"]["enforcement.stop_failed"], events["ignored"]["enforcement.stop_failed"],
                        "a refused key is told at once, not after the wait for a slow teardown")
        self.assertEqual([a for a in stage.answer("alerts")["items"] if a["kind"] == "stop_failed"], [])
        self.assertEqual(len([a for a in stage.answer_of("alerts?all=1")["items"] if a["kind"] == "stop_failed"]), 4)
        self.assertEqual(stage.hook.bad, [])


class Returns(StoppingTest):
    def judge(self, notebook):
        """The new run may be judged in its own right, but no stop reaches it without its own warning."""
        stops = [c for c in self.stage.stop_calls() if c["run"] == notebook.id] + self.shutdowns(notebook.id)
        self.assertEqual(stops, [])
        self.assertEqual([e for e in self.stage.events("stop.called") if e["run"] == notebook.id], [])
        self.assertEqual(notebook.refresh()["state"], "Running")

    def test_started_anew_while_it_was_packed(self):
        stage = self.stage = self.open_stage(speed=40)
        one = stage.notebook("one", files={"a.txt": "a", "big.bin": {"bytes": 3_000_000, "seed": 3}})
        stage.config(idle="60s", ladder=["30s"])
        self.watch_guests()
        self.fault("hang", match={"host": "guest", "path": "big.bin"})
        stage.start_daemon()
        self.wait_state("one", one.id, "packing")
        wait_for("the download to hang", lambda: stage.calls(host="guest", path="big.bin"), 30)
        old = self.restart(one)
        one.run_in_kernel(BUSY)
        wait_for("the end of the old enforcement", lambda: [e for e in self.enforcements("one", old) if e["state"] == "over"], 60)
        self.mend()
        wait_for("the new run to be seen at work", lambda: stage.item("one")["verdict"] == "active" and
                 stage.item("one")["run"]["id"] == one.id, 30)
        self.judge(one)
        self.assertNotIn("stop.called", self.kinds(old))
        self.assertEqual(stage.stop_calls(), [])
        self.assertEqual([r for r in stage.receipts() if r["run"] == old], [])
        wait_for("those who were warned to be told", lambda: self.mails("one", "will not be stopped"), 30)

    def packed(self):
        """A notebook that stays packed, since each last look takes longer than a look may take."""
        stage = self.stage = self.open_stage(speed=40)
        one = stage.notebook("one", files={"a.txt": "a"})
        stage.config(idle="60s", ladder=["30s"])
        self.watch_guests()
        slow = self.fault("delay", ms=1000, match={"host": "v1", "path": "/notebooks"})
        stage.start_daemon()
        self.wait_state("one", one.id, "packed", 90)
        self.assertEqual(stage.stop_calls(), [])
        return stage, one, slow

    def test_started_anew_between_the_pack_and_the_stop(self):
        stage, one, slow = self.packed()
        old = self.restart(one)
        one.run_in_kernel(BUSY)
        self.mend(slow)
        wait_for("the end of the old enforcement", lambda: [e for e in self.enforcements("one", old) if e["state"] == "over"], 60)
        wait_for("the new run", lambda: stage.item("one")["run"]["id"] == one.id, 30)
        self.judge(one)
        self.assertEqual(stage.stop_calls(), [])

    def test_started_anew_while_the_list_is_stale(self):
        stage, one, slow = self.packed()
        self.fault("stale_list")
        old = self.restart(one)
        self.mend(slow)
        begun = stage.state()["now_ms"]
        wait_for("three minutes", lambda: stage.state()["now_ms"] > begun + 3 * MINUTE_MS, 30)
        self.assertEqual(stage.item("one")["run"]["id"], old)
        self.assertEqual({c["run"] for c in stage.stop_calls()} - {old}, set())
        self.judge(one)
        one.run_in_kernel(BUSY)
        self.mend()
        wait_for("the new run", lambda: stage.item("one")["run"]["id"] == one.id, 30)
        wait_for("the end of the old enforcements", lambda: all(e["state"] in ("over", "stopped") for e in self.enforcements("one", old)), 60)
        self.judge(one)

    def test_files_that_change_after_the_pack(self):
        stage, one, slow = self.packed()
        (one.folder / "notebooks" / "a.txt").write_text("changed")
        walks = len(stage.calls(host="guest", path="api/contents"))
        wait_for("a last look that began after the change",
                 lambda: len(stage.calls(host="guest", path="api/contents")) > walks, 30)
        self.mend(slow)
        wait_for("the end of the enforcement", lambda: [e for e in self.enforcements("one", one.id) if e["state"] == "over"], 60)
        over = [e for e in self.enforcements("one", one.id) if e["state"] == "over"][0]
        self.assertIn("files changed", over["reason"])
        self.assertEqual(stage.stop_calls(), [])

    def test_started_anew_while_the_stop_is_confirmed(self):
        stage = self.stage = self.open_stage(speed=40)
        one = stage.notebook("one", files={"a.txt": "a"})
        stage.config(idle="60s", ladder=["30s"])
        self.watch_guests()
        self.fault("stop_ignored", match={"run": one.id})
        stage.start_daemon()
        self.wait_state("one", one.id, "confirming", 90)
        old = self.restart(one)
        one.run_in_kernel(BUSY)
        wait_for("the end of the old enforcement", lambda: [e for e in self.enforcements("one", old) if e["state"] in ("over", "stopped")], 90)
        wait_for("the new run", lambda: stage.item("one")["run"]["id"] == one.id, 30)
        self.judge(one)
        self.assertEqual([c["run"] for c in stage.stop_calls()], [old])


class Warned(StoppingTest):
    def test_use_and_keep_call_it_off(self):
        stage = self.stage = self.open_stage(speed=20)
        names = ["metrics", "kernel", "kept", "left"]
        made = {n: stage.notebook(n, files={"a.txt": "a"}) for n in names}
        stage.config(rule='[rule.match]\nnames = ["nobody"]\n', budget=rules(names, "16m", "13m", "10s"))
        stage.start_daemon()
        for name in names:
            wait_for(f"the warning about {name}", lambda name=name: self.mails(name, "will be packed and stopped"), 60)
        warning = [m for m in stage.mail.messages if "kept" in str(m["subject"])][0].get_body(("plain",)).get_content()
        self.assertIn(f"curfew keep {made['kept'].repo} --for 2h", warning)
        self.assertIn("$0.76 an hour", warning)
        made["metrics"].gpu(95)
        made["kernel"].run_in_kernel(BUSY)
        kept = stage.answer("keep", made["kept"].repo, "--for", "2h", "--reason", "still reading")
        self.assertEqual(money(kept["price"]), 1_520_000_000)
        for name in ("metrics", "kernel", "kept"):
            wait_for(f"word that {name} stays", lambda name=name: self.mails(name, "will not be stopped"), 60)
        self.assertIn("held by a keep", self.mails("kept", "will not be stopped")[0])
        stage.wait_event("enforcement.stopped", made["left"].id, 90)
        self.assertEqual([c["run"] for c in stage.stop_calls()], [made["left"].id])
        self.assertEqual(self.mails("left", "will not be stopped"), [])
        hooks = {(h["data"]["resource_name"], h["data"]["kind"]) for h in stage.hook.received}
        self.assertIn(("kept", "stop_cancelled"), hooks)
        for name in ("metrics", "kernel", "kept"):
            self.assertEqual(made[name].refresh()["state"], "Running")
            over = self.enforcements(name, made[name].id)
            self.assertEqual([e["outcome"] for e in over], ["cancelled"])
        held = stage.item("kept")
        self.assertEqual(held["holds"][0]["reason"], "still reading")
        # Released, it is judged again, warned again, and stopped.
        self.assertIn("1 keep ended", stage.curfew("release", "kept").stdout)
        wait_for("a second warning", lambda: len(self.mails("kept", "will be packed and stopped")) == 2, 60)
        stage.wait_event("enforcement.stopped", made["kept"].id, 90)

    def test_nobody_can_be_told(self):
        stage = self.stage = self.open_stage(speed=200)
        one = stage.notebook("one", files={"a.txt": "a"})
        stage.mail.refuse = "550 no such user"
        stage.hook.status = 400
        stage.config(idle="2m", ladder=["1m"], min_notice="10s")
        stage.start_daemon()
        wait_for("the alert", lambda: [a for a in stage.answer("alerts")["items"] if a["kind"] == "undelivered"], 60)
        self.assertEqual(stage.stop_calls(), [])
        begun = stage.events("enforcement.warned")[0]["at"]
        stage.wait_event("enforcement.stopped", one.id, 90)
        due = stage.events("enforcement.due")[0]["at"]
        # An hour more than the notice, by the audit's own stamps.
        self.assertGreaterEqual(self.seconds(due) - self.seconds(begun), 3600)
        outbox = [f for f in stage.answer_of("doctor")["items"] if f["what"] == "outbox"][0]
        self.assertFalse(outbox["good"])

    @staticmethod
    def seconds(stamp):
        return calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


FIRED = ["100% accrued stop at 0.50", "2% accrued notify at 0.01"]


class Budgets(StoppingTest):
    def test_a_hard_budget(self):
        stage = self.stage = self.open_stage(speed=20)
        quiet = stage.notebook("quiet", files={"a.txt": "a"})
        busy = stage.notebook("busy", files={"b.txt": "b"}, gpu=90)
        outside = stage.notebook("outside", machine_type="P4000", files={"c.txt": "c"})
        busy.run_in_kernel(BUSY)
        stage.config(idle="6h", ladder=["30m"], min_notice="30s", budget="""
[[budget]]
name = "team"
amount = "0.50"
mode = "enforce"
thresholds = [{ percent = 2, action = "notify" }, { percent = 100, action = "stop" }]
[budget.match]
machine_types = ["A4000"]
""")
        stage.start_daemon()
        wait_for("the notice", lambda: self.mails("Budget team", "2 % reached"), 60)
        refused = stage.curfew("keep", "quiet", "--for", "2h", check=False)
        self.assertEqual(refused.returncode, 8, refused.stderr)
        stage.wait_event("enforcement.stopped", quiet.id, 120)
        stage.wait_event("enforcement.stopped", busy.id, 120)
        events = stage.events()
        at = {(e["run"], e["kind"]): e["id"] for e in reversed(events)}  # the first of each kind
        self.assertLess(at[quiet.id, "enforcement.warned"], at[busy.id, "enforcement.warned"])
        self.assertLess(at[quiet.id, "enforcement.due"], at[busy.id, "enforcement.due"])
        for one in (quiet, busy):
            self.assertLess(at[one.id, "enforcement.warned"], at[one.id, "stop.called"])
            self.assertEqual(len([c for c in stage.stop_calls() if c["run"] == one.id]), 1)
            self.assertEqual(stage.check_receipt([r for r in stage.receipts() if r["run"] == one.id][0]), 1)
            name = one.refresh()["name"]
            # Beside this warning one may have been told at its start that the budget ends soon.
            self.assertEqual(len(self.mails(f"{name} (", ") will be packed and stopped")), 1)
            self.assertEqual(self.enforcements(name)[0]["cause"], "budget")
        self.assertEqual(outside.refresh()["state"], "Running")
        wait_for("the ledger", lambda: [i["name"] for i in stage.answer("status")["items"] if i["billing"]] == ["outside"], 30)
        budget = stage.answer("status")["budgets"][0]
        if money(budget["spent"]) > money(budget["amount"]):  # a host too busy to be on time: then that is on record
            self.assertEqual(len(stage.events("budget.overshoot")), 1)
        self.assertEqual(sorted(budget["fired"]), FIRED)
        self.assertEqual(len(self.mails("Budget team", "2 % reached")), 1)
        self.assertEqual(len(self.mails("Budget team", "100 % reached")), 1)
        self.assertEqual(len(stage.events("budget.threshold")), 2)
        # A restart forgets nothing of this.
        self.assertEqual(stage.stop_daemon(), 0)
        stage.start_daemon()
        wait_for("the first look", lambda: (stage.item("outside") or {}).get("verdict") == "quiet", 30)
        self.assertEqual(sorted(stage.answer("status")["budgets"][0]["fired"]), FIRED)
        self.assertEqual(len(stage.events("budget.threshold")), 2)
        # What is started in spite of it is warned, and stopped.
        old = self.restart(quiet)
        stage.wait_event("enforcement.stopped", quiet.id, 120)
        self.assertEqual(len([c for c in stage.stop_calls() if c["run"] == quiet.id]), 1)
        self.assertEqual(len([c for c in stage.stop_calls() if c["run"] == old]), 1)


class Machines(StoppingTest):
    def test_a_machine_is_never_idle_and_stops_by_hand(self):
        stage = self.stage = self.open_stage(guests="standin", speed=20)
        made = stage.control("/machines", {"name": "workstation", "machineType": "A4000"})
        stage.config(idle="60s", ladder=["30s"])
        stage.start_daemon()
        wait_for("it to run", lambda: (stage.item("workstation") or {}).get("state") == "running", 30)
        item = stage.item("workstation")
        self.assertEqual((item["kind"], item["verdict"], item["quiet"]), ("machine", "unknown", "0s"))
        begun = stage.state()["now_ms"]
        wait_for("five times the limit", lambda: stage.state()["now_ms"] > begun + 5 * MINUTE_MS, 60)
        self.assertEqual(self.machine()["state"], "ready")
        self.assertEqual(self.stops(), [])
        self.assertEqual(stage.events("enforcement.warned"), [])
        for words, risk in ((["--yes"], "kills-busy-kernel"), (["--yes", "--no-pack"], "unpacked-outputs")):
            refused = stage.curfew("stop", "workstation", *words, check=False)
            self.assertEqual(refused.returncode, 8)
            self.assertIn(f"--accept-risk={risk}", refused.stderr)
        self.assertEqual(self.stops(), [])
        stage.curfew("stop", "workstation", "--yes", "--no-pack", "--accept-risk", "unpacked-outputs", "--accept-risk", "kills-busy-kernel")
        run = item["run"]["id"]
        stage.wait_event("enforcement.stopped", run, 60)
        self.assertEqual(self.machine()["state"], "off")
        stops = self.stops()
        self.assertEqual([(c["method"], c["host"], c["path"]) for c in stops], [("PATCH", "v1", f"/v1/machines/{made['id']}/stop")])
        wait_for("the ledger", lambda: not stage.item("workstation")["billing"], 30)
        ours = sum(money(r["compute"]) for r in stage.answer("spend")["items"])
        theirs = sum(money(line["amount"]) for line in stage.invoice()["lines"] if line["kind"] == "compute")
        self.assertLess(abs(ours - theirs), 1_000_000)
        stopped = wait_for("the mail", lambda: self.mails("workstation", "is stopped without a pack"), 30)
        self.assertEqual(len(stopped), 1)
        stage.control(f"/machines/{made['id']}/start", {})
        wait_for("the next run", lambda: (stage.item("workstation") or {})["billing"], 30)
        self.assertNotEqual(stage.item("workstation")["run"]["id"], run)
        self.assertEqual(len(self.stops()), 1)

    def machine(self):
        return self.stage.state()["machines"][0]

    def stops(self):
        return [c for c in self.stage.calls() if c["method"] in ("PATCH", "POST") and c["path"].endswith("/stop")]


if __name__ == "__main__":
    run_tests()
