"""A provider, and guests, that answer badly: what was known is kept, nothing is stopped wrongly, everybody is told."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import StageTest, money, run_tests, wait_for  # noqa: E402

MINUTE_MS = 60_000


class ProviderTest(StageTest):
    def fault(self, kind, **more):
        return self.stage.control("/faults", {"kind": kind, **more})["number"]

    def mend(self):
        for fault in self.stage.control("/faults")["faults"]:
            self.stage.control(f"/faults/{fault['number']}", method="DELETE")

    def lists(self, after=0):
        return [c for c in self.stage.calls(host="v1", path="/notebooks") if c["number"] > after]

    def last_call(self):
        calls = self.stage.calls()
        return calls[-1]["number"] if calls else 0

    def cycles(self, count, after=None):
        after = self.last_call() if after is None else after
        wait_for(f"{count} more lists", lambda: len(self.lists(after)) >= count, 60)

    def degraded(self):
        return {d["what"]: d["why"] for d in self.stage.answer("status")["degraded"]}

    def check_bill(self, resource):
        """Equal to a third of a cent; the clock goes on while they are asked, so the ledger is asked between two invoices."""
        def invoice():
            return sum(money(line["amount"]) for line in self.stage.invoice()["lines"] if line["resource"] == resource)
        before = invoice()
        ours = sum(money(r["gross"]) for r in self.stage.answer("spend")["items"] if r["resource"] == resource)
        after = invoice()
        self.assertGreater(before, 3_000_000)
        self.assertGreater(ours, before - 3_333_333, f"ledger {ours}, invoices {before} and {after}")
        self.assertLess(ours, after + 3_333_333, f"ledger {ours}, invoices {before} and {after}")


class Keys(ProviderTest):
    def check_refusal(self, stage):
        alert = wait_for("the alert", lambda: stage.answer("alerts")["items"], 30)[0]
        self.assertEqual((alert["kind"], alert["severity"], alert["account"]), ("key_rejected", "critical", "me"))
        self.assertIn("Account me", alert["title"])
        mail = wait_for("the mail", lambda: [m for m in stage.mail.messages if "Account me" in str(m["subject"])], 30)[0]
        self.assertIn(str(stage.folder / "key"), mail.get_body(("plain",)).get_content())
        hook = wait_for("the hook", lambda: [h for h in stage.hook.received if h["data"]["kind"] == "key_rejected"], 30)[0]
        self.assertEqual(hook["data"]["severity"], "critical")

    def test_a_key_nobody_knows(self):
        stage = self.stage = self.open_stage(guests="standin", speed=60)
        stage.notebook("invisible", guest="standin")
        wrong = "0123456789abcdef" * 4
        stage.secret("key", wrong)
        stage.config(idle="1h")
        stage.start_daemon()
        self.check_refusal(stage)
        calls = self.lists()
        since = stage.answer("alerts")["items"][0]["since"]
        self.assertEqual(len([c for c in calls if c["time"][:19] <= since[:19]]), 1, "told after the first cycle")
        begun = calls[0]["time_ms"]
        # In the first nine minutes it asks at the start, a poll later, and five minutes after that.
        wait_for("nine minutes", lambda: stage.state()["now_ms"] > begun + 9 * MINUTE_MS, 60)
        asked = [c for c in stage.calls() if c["host"] in ("v1", "legacy") and c["time_ms"] < begun + 9 * MINUTE_MS]
        self.assertIn(len(asked), (2, 3), asked)
        self.assertEqual(len([a for a in stage.answer("alerts")["items"] if a["kind"] == "key_rejected"]), 1)
        self.assertEqual(len([s for s in stage.mail.subjects() if "refuses its key" in s]), 1)
        self.assertIn("account me", self.degraded())
        doctor = stage.curfew("doctor", check=False)
        self.assertEqual(doctor.returncode, 10)
        self.assertIn("account me", doctor.stdout)
        self.assertNotIn(wrong, stage.log_text() + doctor.stdout)
        stage.secret("key", stage.urls["key"])
        stage.curfew("reload")
        wait_for("the account to be seen", lambda: stage.item("invisible"), 30)
        wait_for("the end of the alert", lambda: not stage.answer("alerts")["items"], 30)
        wait_for("word of it", lambda: [s for s in stage.mail.subjects() if "its key works" in s], 30)

    def test_a_key_that_is_withdrawn(self):
        stage = self.stage = self.open_stage(guests="standin", speed=20)
        made = stage.notebook("idle", guest="standin")
        stage.config(idle="10m", ladder=["5m"])
        stage.start_daemon()
        wait_for("the first look", lambda: (stage.item("idle") or {}).get("verdict") == "quiet")
        self.fault("status", status=403, body={"code": "FORBIDDEN", "message": "no"}, match={"host": "v1"})
        self.check_refusal(stage)
        item = stage.item("idle")
        self.assertTrue(item["billing"])
        self.assertEqual(item["verdict"], "unknown")
        spent = money(item["run_cost"])
        wait_for("the meter to go on", lambda: money(stage.item("idle")["run_cost"]) > spent, 30)
        self.assertEqual(stage.stop_calls(), [])
        self.assertEqual(made.refresh()["state"], "Running")


class Answers(ProviderTest):
    def setUp(self):
        self.stage = self.open_stage(guests="standin", speed=20)
        self.idle = self.stage.notebook("idle", guest="standin")
        self.other = self.stage.notebook("other", guest="standin")
        config = self.stage.config(idle="30m", ladder=["10m"])
        config.write_text(config.read_text().replace('list_timeout = "300s"', 'list_timeout = "20s"'))
        self.stage.start_daemon()
        wait_for("the first looks", lambda: [i["verdict"] for i in self.stage.answer("status")["items"]] == ["quiet"] * 2)

    def picture(self):
        return sorted((i["resource"], i["run"]["id"], i["billing"], i["name"]) for i in self.stage.answer("status")["items"])

    def kept_through(self, name, kind, why, **more):
        """The fault shows in `degraded`; the picture stays; when it is over, all is well again."""
        with self.subTest(fault=name):
            before = self.picture()
            self.fault(kind, **{"match": {"host": "v1", "path": "/notebooks"}, **more})
            shown = wait_for(f"{name} to show", lambda: self.degraded().get("account me"), 30)
            self.assertRegex(shown, why)
            self.assertLess(len(shown), 1000)
            self.assertEqual(self.picture(), before)
            self.assertEqual(self.stage.curfew("status").returncode, 0)
            self.mend()
            wait_for(f"the end of {name}", lambda: "account me" not in self.degraded(), 60)
            self.assertEqual(self.picture(), before)

    def test_a_bad_answer_changes_nothing(self):
        self.kept_through("HTML", "status", "HTTP 500", status=500, html="<html><script>alert(1)</script>\x1b[31m oops</html>")
        self.kept_through("503 without a body", "status", "HTTP 503", status=503, body="")
        self.kept_through("a redirect", "status", "redirect", status=302, location="https://login.example/")
        self.kept_through("a dropped connection", "drop", "account me")
        self.kept_through("an answer lost", "drop_after", "account me")
        self.kept_through("garbage", "garbage_json", "JSON|json|parse|syntax|end")
        self.kept_through("depth", "deep_json", "deep|nest")
        self.kept_through("hugeness", "huge_body", "large|bytes|long|MiB", bytes=64 << 20)
        self.kept_through("a cut body", "cut_body", "account me", bytes=40)
        self.kept_through("an error in a 200", "empty_2xx_error", "INTERNAL_SERVER_ERROR")
        self.kept_through("a drip", "slow_drip", "time", bytes=1, ms=300)
        self.kept_through("no answer", "hang", "time")
        self.kept_through("a list of numbers", "status", "items|JSON|list", status=200, body={"items": 7, "hasMore": False})
        self.kept_through("items without a name", "status", "incomplete", status=200,
                          body={"items": [{"id": 5}, None, {"id": {"a": 1}}, []], "hasMore": False, "nextPage": None})
        self.kept_through("cursors in a circle", "cursor_loop", "incomplete")
        self.assertEqual(self.stage.stop_calls(), [])
        self.assertEqual(self.stage.events("stop.called"), [])
        self.assertNotIn("\x1b", self.stage.log_text())
        for one in (self.idle, self.other):
            self.check_bill(one.repo)
        self.assertIsNone(self.stage.daemon.poll())

    def test_asked_to_wait(self):
        begun = self.last_call()
        self.fault("status", status=429, retry_after=60, count=1, match={"host": "v1", "path": "/notebooks"})
        wait_for("the 429", lambda: [c for c in self.lists(begun) if c["status"] == 429])
        self.assertRegex(wait_for("it to show", lambda: self.degraded().get("account me")), "429")
        after = wait_for("the next list", lambda: [c for c in self.lists(begun) if c["status"] == 200 and c["number"] >
                                                   [r for r in self.lists(begun) if r["status"] == 429][0]["number"]], 30)[0]
        refused = [c for c in self.lists(begun) if c["status"] == 429][0]
        self.assertGreaterEqual(after["time_ms"] - refused["time_ms"], 60_000)
        for odd in ("-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"):
            with self.subTest(retry_after=odd):
                begun = self.last_call()
                self.fault("status", status=429, retry_after=odd, count=1, match={"host": "v1", "path": "/notebooks"})
                self.cycles(2, begun)
                wait_for("all to be well", lambda: "account me" not in self.degraded(), 30)

    def test_a_list_that_leaves_one_out(self):
        begun = self.last_call()
        self.fault("partial_list", match={"repo": self.idle.repo, "path": "/notebooks"})
        self.cycles(6, begun)
        self.mend()
        wait_for("it to be listed", lambda: self.stage.item("idle") and self.stage.item("idle")["billing"], 30)
        self.cycles(2)
        self.assertEqual(len(self.picture()), 2)
        for one in (self.idle, self.other):
            self.check_bill(one.repo)
        self.assertEqual(self.stage.stop_calls(), [])

    def test_a_list_of_yesterday(self):
        self.fault("stale_list")
        old = self.idle.id
        self.stage.control(f"/notebooks/{self.idle.repo}/stop", {"wait": True})
        self.stage.control(f"/notebooks/{self.idle.repo}/start", {"wait": True})
        self.idle.refresh()
        self.assertNotEqual(self.idle.id, old)
        self.cycles(3)
        self.assertEqual(self.stage.item("idle")["run"]["id"], old)
        self.mend()
        wait_for("the new run", lambda: self.stage.item("idle")["run"]["id"] == self.idle.id, 30)
        self.cycles(3)
        self.check_bill(self.idle.repo)
        self.assertEqual(self.stage.stop_calls(), [])

    def test_every_run_in_the_list(self):
        for _ in range(2):
            self.stage.control(f"/notebooks/{self.idle.repo}/stop", {"wait": True})
            self.stage.control(f"/notebooks/{self.idle.repo}/start", {"wait": True})
        self.idle.refresh()
        self.fault("several_items", match={"path": "/notebooks"})
        self.cycles(3)
        wait_for("the newest run", lambda: self.stage.item("idle")["run"]["id"] == self.idle.id, 30)
        self.assertEqual(len(self.picture()), 2)
        self.assertEqual(self.stage.item("idle")["older_runs_billing"], 0)
        self.check_bill(self.idle.repo)


class Waits(ProviderTest):
    def setUp(self):
        self.stage = self.open_stage(guests="standin", speed=60)
        self.stage.notebook("idle", guest="standin")
        self.stage.config(idle="30m", ladder=["10m"])
        self.stage.start_daemon()
        wait_for("the first look", lambda: (self.stage.item("idle") or {}).get("verdict") == "quiet")

    def test_an_absurd_wait_is_cut(self):
        begun = self.last_call()
        self.fault("status", status=429, retry_after=999999999, count=1, match={"host": "v1", "path": "/notebooks"})
        wait_for("the 429", lambda: [c for c in self.lists(begun) if c["status"] == 429])
        self.cycles(2, begun)  # or this waits in vain
        times = [c["time_ms"] for c in self.lists(begun)]
        self.assertGreater(times[1] - times[0], 5 * MINUTE_MS)

    def test_trouble_is_told_and_not_a_storm(self):
        begun = self.last_call()
        self.fault("status", status=502, match={"host": "v1", "path": "/notebooks"})
        wait_for("the alert", lambda: [a for a in self.stage.answer("alerts")["items"] if a["kind"] == "blind"], 60)
        first = self.lists(begun)[0]["time_ms"]
        wait_for("eight minutes", lambda: self.stage.state()["now_ms"] > first + 8 * MINUTE_MS, 60)
        calls = [c for c in self.lists(begun) if c["time_ms"] < first + 8 * MINUTE_MS]
        self.assertLessEqual(len(calls), 12)
        self.assertEqual(self.stage.item("idle")["verdict"], "unknown")
        self.mend()
        wait_for("the end of the alert", lambda: not self.stage.answer("alerts")["items"], 60)
        wait_for("word of it", lambda: [s for s in self.stage.mail.subjects() if "can be seen again" in s], 30)
        self.assertEqual(len([s for s in self.stage.mail.subjects() if "cannot be seen" in s]), 1)


class Unknowns(ProviderTest):
    def test_a_state_nobody_knows(self):
        stage = self.stage = self.open_stage(speed=30)
        odd = stage.notebook("odd", files={"a.txt": "a"})
        stage.config(idle="60s", ladder=["30s"])
        self.fault("unknown_state", state="Hibernating", match={"repo": odd.repo, "path": "notebooks"})
        stage.start_daemon()
        wait_for("it to be seen", lambda: stage.item("odd"))
        item = stage.item("odd")
        self.assertEqual((item["state"], item["state_text"], item["billing"]), ("unknown", "Hibernating", True))
        self.assertIn("Hibernating", self.degraded()["notebook odd"])
        self.assertIn("Hibernating", stage.curfew("status").stdout)
        alert = wait_for("the alert", lambda: stage.answer("alerts")["items"], 20)
        self.assertEqual(len(alert), 1)
        self.assertIn("Hibernating", alert[0]["title"])
        wait_for("five times the limit", lambda: stage.state()["now_ms"] - stage.start_ms > 400_000, 60)
        self.assertEqual(len([s for s in stage.mail.subjects() if "Hibernating" in s]), 1)
        self.assertEqual(stage.stop_calls(), [])
        self.assertEqual(stage.receipts(), [])
        self.check_bill(odd.repo)
        self.mend()
        stage.wait_event("enforcement.stopped", odd.id, 60)
        self.assertEqual([a for a in stage.answer("alerts")["items"] if "Hibernating" in a["title"]], [])

    def test_a_machine_type_nobody_knows(self):
        stage = self.stage = self.open_stage(speed=30)
        odd = stage.notebook("odd", files={"a.txt": "a"})
        stage.config(idle="60s", ladder=["30s"])
        self.fault("unknown_type", machineType="Z9000", match={"repo": odd.repo, "path": "notebooks"})
        stage.start_daemon()
        wait_for("it to be seen", lambda: stage.item("odd"))
        item = stage.item("odd")
        self.assertEqual(item["price"]["status"], "unpriced")
        self.assertIsNone(item["price"]["amount"])
        table = stage.curfew("status").stdout
        self.assertRegex(table, r"odd .*unpriced")
        self.assertIn("1 unpriced", table)
        self.assertIn("unpriced", stage.curfew("spend").stdout)
        unpriced = [d for d in stage.answer("status")["degraded"] if d["why"].startswith("unpriced")]
        self.assertIn("Z9000", unpriced[0]["why"])
        alert = wait_for("the alert", lambda: [a for a in stage.answer("alerts")["items"] if a["kind"] == "unpriced"], 20)
        self.assertIn("Z9000", alert[0]["title"])
        wait_for("the mail", lambda: [s for s in stage.mail.subjects() if "Z9000 has no price" in s], 20)
        # Work is saved and the machine is sent home all the same: what it costs is unknown, not nothing.
        stage.wait_event("enforcement.stopped", odd.id, 90)
        self.assertEqual(stage.check_receipt(stage.receipts()[0]), 1)
        self.assertEqual(odd.refresh()["state"], "Cancelled")
        spent = [r for r in stage.answer("spend")["items"] if r["resource"] == odd.repo]
        self.assertTrue(all(r["unpriced"] for r in spent))


class Guests(ProviderTest):
    def test_a_guest_that_does_not_answer_is_not_idle(self):
        stage = self.stage = self.open_stage(speed=40)
        one = stage.notebook("one", files={"a.txt": "a"})
        stage.config(idle="2m", ladder=["1m"])
        stage.start_daemon()
        wait_for("the first look", lambda: (stage.item("one") or {}).get("verdict") == "quiet")
        troubles = [("guest_503", {}), ("drop", {"match": {"host": "guest"}}),
                    ("status", {"status": 302, "location": "/login", "match": {"host": "guest"}}),
                    ("status", {"status": 200, "html": "<html>Log in</html>", "match": {"host": "guest"}}),
                    ("status", {"status": 200, "body": "[" * 50_000, "match": {"host": "guest"}}),
                    ("status", {"status": 403, "body": "{}", "match": {"host": "guest"}})]
        for kind, more in troubles:
            with self.subTest(fault=kind, **more):
                self.fault(kind, **more)
                wait_for("it to be unknown", lambda: stage.item("one")["verdict"] == "unknown", 30)
                why = self.degraded()["notebook one"]
                self.assertIn("unknown", why)
                frozen = stage.item("one")["quiet"]
                self.cycles(3)
                self.assertEqual(stage.item("one")["quiet"], frozen)
                self.assertTrue(stage.item("one")["billing"])
                self.mend()
                wait_for("it to be seen", lambda: stage.item("one")["verdict"] == "quiet", 30)
        self.fault("guest_503")
        wait_for("unknown again", lambda: stage.item("one")["verdict"] == "unknown", 30)
        begun = stage.state()["now_ms"]
        wait_for("three times the limit", lambda: stage.state()["now_ms"] > begun + 6 * MINUTE_MS, 60)
        self.assertEqual(stage.stop_calls(), [])
        self.assertEqual(stage.receipts(), [])
        wait_for("the alert", lambda: [a for a in stage.answer("alerts")["items"] if a["kind"] == "blind"], 90)
        self.mend()
        stage.wait_event("enforcement.stopped", one.id, 90)
        self.assertEqual(stage.check_receipt(stage.receipts()[0]), 1)


if __name__ == "__main__":
    run_tests()
