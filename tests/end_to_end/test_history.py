"""What was recorded, asked for again: explain --at, rule test, plan; with bad questions and over a crash."""

import datetime
import json
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import StageTest, ask_unix, money, run_tests, wait_for  # noqa: E402

BUSY = "import time\nuntil = time.time() + 600\nwhile time.time() < until:\n    sum(range(1000))\n"
RULE = """\
[[rule]]
name = "candidate"
idle_limit = "{limit}"
ladder = ["2m"]
min_notice = "1m"
start_grace = "0s"
"""
BAD_RULE = """\
[[rule]]
name = "candidate"
idle_limitt = "1h"
mode = "enforc"
"""
# line, column, what is said
BAD_FAULTS = [(3, 1, "idle_limitt"), (4, 8, "enforc")]


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class History(StageTest):
    def setUp(self):
        self.stage = self.open_stage(speed=60)  # a poll a second, which is a minute there
        self.quiet = self.stage.notebook("quiet")
        self.busy = self.stage.notebook("busy", gpu=80)
        self.stage.config(idle="6h", ladder=["30m"])
        self.stage.start_daemon()
        wait_for("the first looks", lambda: [i["verdict"] for i in self.stage.answer("status")["items"]] == ["active", "quiet"], 30)
        self.began = when(self.stage.answer("status")["now"])

    def pass_minutes(self, minutes):
        until = when(self.stage.answer("status")["now"]) + datetime.timedelta(minutes=minutes)
        wait_for(f"{minutes} minutes", lambda: when(self.stage.answer("status")["now"]) >= until, 60)

    def rule(self, limit="5m", text=None):
        path = self.stage.folder / "candidate.toml"
        path.write_text(text or RULE.format(limit=limit))
        return str(path)

    def refused(self, code, words, *said):
        done = self.stage.curfew(*words, check=False)
        self.assertEqual((done.returncode, done.stdout), (code, ""), (words, done.stderr))
        for word in said:
            self.assertIn(word, done.stderr, words)

    def test_what_was_and_what_comes(self):
        stage = self.stage
        self.pass_minutes(20)
        # A shorter limit would have stopped one of them.
        test = stage.answer("rule", "test", self.rule("5m"), "--since", "1d")
        self.assertEqual(test["schema"], "curfew.replay/1")
        self.assertEqual([(i["name"], i["suspect"]) for i in test["items"]], [("quiet", None)])
        item = test["items"][0]
        stopped = when(item["at"])
        self.assertGreater(stopped, self.began + datetime.timedelta(minutes=2))
        self.assertLess(stopped, self.began + datetime.timedelta(minutes=20))
        hours = (when(test["to"]) - stopped).total_seconds() / 3600
        self.assertAlmostEqual(money(item["saved"]) / 1e9, 0.76 * hours, places=5)
        self.assertEqual((test["totals"]["runs"], test["totals"]["stops"], test["totals"]["suspect_later"]), (2, 1, 0))
        self.assertEqual(stage.answer("rule", "test", self.rule("3h"))["items"], [])
        shown = stage.curfew("rule", "test", self.rule("5m"), "--utc").stdout
        for word in ("quiet", self.quiet.id, "rule candidate", "over 2 recorded runs", "1 stop,", "nothing was changed"):
            self.assertIn(word, shown)
        self.assertEqual(stage.stop_calls(), [])
        # What comes: six hours of quiet, then the stop, and eighteen hours of money.
        plan = stage.answer("plan")
        self.assertEqual(plan["schema"], "curfew.plan/1")
        self.assertEqual([(i["name"], i["act"]) for i in plan["items"]], [("quiet", "stop"), ("busy", "none")])
        item = plan["items"][0]
        self.assertEqual((item["by"], item["by_name"], len(item["warnings"])), ("idle", "idle", 1))
        left = when(item["at"]) - when(plan["now"])
        # A weak signal (somebody asked the server lately) delays by one step of the ladder.
        limit = left + when(plan["now"]) - self.began
        self.assertLess(min(abs(limit - datetime.timedelta(hours=6, minutes=m)) for m in (0, 30)), datetime.timedelta(minutes=6))
        self.assertLess(when(item["warnings"][0]), when(item["at"]))
        self.assertAlmostEqual(money(item["saves"]) / 1e9, 0.76 * (24 - left.total_seconds() / 3600), places=2)
        self.assertEqual(money(plan["totals"]["saves"]), money(item["saves"]))
        self.assertEqual(money(plan["totals"]["without"]), 2 * 24 * 760_000_000)
        for word in ("quiet", "busy", "stop", "idle idle", "$36.48", "saved until"):
            self.assertIn(word, stage.curfew("plan").stdout)
        # It works: the stop would have been false, and then and now differ.
        before = stage.answer("status")["now"]
        self.quiet.run_in_kernel(BUSY)
        wait_for("it to be active", lambda: stage.item("quiet")["verdict"] == "active", 30)
        item = stage.answer("rule", "test", self.rule("5m"))["items"][0]
        self.assertIn(item["suspect"], ("soon", "later"))
        self.assertGreaterEqual(when(item["active_again"]), when(before))
        self.assertLess(money(item["saved_before_use"]), money(item["saved"]))
        then = stage.answer("explain", "quiet", "--at", before)
        self.assertEqual((then["schema"], then["at"], then["subject"]["verdict"]), ("curfew.explain/1", before, "quiet"))
        self.assertEqual(then["rule"], "idle")
        self.assertTrue({"kernels", "metrics"} <= {s["source"] for s in then["signals"]})
        self.assertEqual({s["verdict"] for s in then["signals"] if s["source"] in ("kernels", "metrics")}, {"quiet"})
        self.assertEqual(stage.answer("explain", "quiet")["subject"]["verdict"], "active")
        shown = stage.curfew("explain", "quiet", "--at", before, "--utc").stdout
        for word in ("as it was", "last looked at", "decided by all required signals are quiet", "GOOD FOR", "5m"):
            self.assertIn(word, shown)
        self.assertEqual(stage.answer("explain", "quiet", "--at", "1m")["subject"]["resource"], self.quiet.repo)

        # A crash takes the last ten minutes at most.
        self.pass_minutes(11)
        stage.stop_daemon(signal.SIGKILL)
        stage.start_daemon()
        self.assertEqual(stage.answer("explain", "quiet", "--at", before)["subject"]["verdict"], "quiet")
        self.assertEqual(len(stage.answer("rule", "test", self.rule("5m"))["items"]), 1)

    def test_bad_questions(self):
        stage = self.stage
        self.refused(2, ["explain", "quiet", "--at", "2199-01-01T00:00:00Z"], "lies ahead", "curfew plan")
        self.refused(3, ["explain", "quiet", "--at", "2001-01-01T00:00:00Z"], "first seen at 20")
        for bad in ("2026-11-23T10:15:00", "yesterday", "10", "30000d", "2026-11-23T10:15:00Z and more"):
            self.refused(2, ["explain", "quiet", "--at", bad], "at: ", "with its zone")
        self.refused(3, ["explain", "nobody", "--at", "1m"], "nobody")
        faulty = self.rule(text=BAD_RULE)
        done = stage.curfew("rule", "test", faulty, check=False)
        self.assertEqual((done.returncode, done.stdout), (10, ""))
        for line, column, said in BAD_FAULTS:
            self.assertIn(f"{faulty}:{line}:{column}: ", done.stderr)
            self.assertIn(said, done.stderr)
        for text, said in (("", "no [[rule]]"), (RULE.format(limit="1h") * 2, "another [[rule]]"),
                           (RULE.format(limit="1h") + RULE.format(limit="1h").replace("candidate", "two"), "one [[rule]] is tested"),
                           ("[daemon]\nmode = \"warn\"\n" + RULE.format(limit="1h"), "1:2: [daemon] has no place here"),
                           ("[[rule]\n", ":1:"), ("[rule]\nname = \"x\"\n", "[[rule]]"), (RULE.format(limit="0s"), "idle_limit")):
            self.refused(10, ["rule", "test", self.rule(text=text or "\n")], said)
        self.refused(3, ["rule", "test", str(stage.folder / "nothing.toml")], "cannot read")
        self.refused(3, ["rule", "test", str(stage.folder)], "cannot read")
        self.refused(2, ["rule", "test", self.rule(text="#" * 50_000)], "48 KiB")
        for since in ("2199-01-01T00:00:00Z", "2026-11-23T10:15:00", "soon"):
            self.refused(2, ["rule", "test", self.rule(), "--since", since], "since")
        for words in (["rule", "tst"], ["rule", "test"], ["plan", "quiet"]):
            self.assertEqual(stage.curfew(*words, check=False).returncode, 2, words)
        # It is a question, so the read socket takes it, and no other POST.
        for body, status in ((b"{}", 422), (b"[]", 400), (b"{", 400), (b'{"rule": 5, "since": {}}', 422)):
            answer = ask_unix(stage.folder / "api.sock", "/v1/rules/test", "POST", body, {"Content-Type": "application/json"}, raw=True)
            self.assertEqual(answer[0], status, answer)
            self.assertEqual(json.loads(answer[1])["schema"], "curfew.problem/1")
        for path in ("/v1/rules", "/v1/rules/test/", "/v1/plan", "/v1/keep"):
            answer = ask_unix(stage.folder / "api.sock", path, "POST", b"{}", {"Content-Type": "application/json"}, raw=True)
            self.assertEqual(answer[0], 405, path)
        self.assertEqual(stage.events("hold.placed"), [])


if __name__ == "__main__":
    run_tests()
