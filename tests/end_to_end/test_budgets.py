"""A hard budget over the real daemon and the emulator's invoice: warned, packed, stopped, at or below the limit; and one set at run time."""

import unittest

from stage import StageTest, money, run_tests, wait_for

BUSY = "import time\nend = time.time() + 600\nwhile time.time() < end: pass\n"


class Budgets(StageTest):
    def test_a_hard_budget_ends_at_or_below_its_amount(self):
        stage = self.open_stage(speed=20)
        works = stage.notebook("works", files={"a.txt": "a"}, gpu=90)
        quiet = stage.notebook("quiet", files={"b.txt": "b"})
        works.run_in_kernel(BUSY)
        # Two A4000 at $0.76 an hour: the stop begins 17 minutes, $0.43, before the amount.
        stage.config(idle="6h", ladder=["30m"], min_notice="30s", budget="""
[[budget]]
name = "team"
amount = "0.55"
mode = "enforce"
thresholds = [{ amount = "0.01" }, { percent = 100, action = "stop" }]
""")
        stage.start_daemon()
        for one in (quiet, works):
            stage.wait_event("enforcement.stopped", one.id, 120)
        at = {(e["run"], e["kind"]): e["id"] for e in reversed(stage.events())}  # the first of each kind
        self.assertLess(at[quiet.id, "enforcement.warned"], at[works.id, "enforcement.warned"])
        for one in (quiet, works):
            self.assertLess(at[one.id, "enforcement.warned"], at[one.id, "enforcement.packed"])
            self.assertLess(at[one.id, "enforcement.packed"], at[one.id, "stop.called"])
            self.assertEqual(len([c for c in stage.stop_calls() if c["run"] == one.id]), 1)
        fired = stage.answer("status")["budgets"][0]["fired"]
        self.assertEqual(sorted(fired), ["0.01 accrued notify at 0.01", "100% accrued stop at 0.55"])
        wait_for("all to be off", lambda: not any(i["billing"] for i in stage.answer("status")["items"]), 30)
        theirs = sum(money(line["amount"]) for line in stage.invoice()["lines"] if line["kind"] == "compute")
        self.assertGreater(theirs, money("0.05"))
        over = stage.events("budget.overshoot")
        if theirs > money("0.55"):  # a host too busy to be on time: then that is on record
            self.assertEqual(len(over), 1)
            self.assertIn("too much", over[0]["text"])
        else:
            self.assertEqual(over, [])
        told = [str(m["subject"]) for m in stage.mail.messages]
        self.assertEqual(len([t for t in told if "100 % reached" in t]), 1)
        # What fired is not told again by the next life of the daemon.
        self.assertEqual(stage.stop_daemon(), 0)
        stage.start_daemon()
        wait_for("the first poll", lambda: stage.answer("status")["budgets"][0]["complete"], 30)
        self.assertEqual(stage.answer("status")["budgets"][0]["fired"], fired)
        self.assertEqual(len(stage.events("budget.threshold")), 2)

    def test_bad_budgets_are_named_with_their_place(self):
        stage = self.open_stage(guests="standin")
        path = stage.config(budget="""
[[budget]]
name = "a"
amount = "-1"
anchor = 32
currency = "EUR"
timezone = "Mars/Olympus"
thresholds = [{ action = "stop" }, { percent = 5, runway = "2h" }]
""")
        line = path.read_text().split("\n").index("[[budget]]") + 1
        daemon = stage.start_daemon(wait=False)
        self.assertEqual(daemon.wait(60), 78)
        log = stage.log_text()
        for below, text in ((2, "`amount` must be more than 0"), (3, "`anchor` must be from 1 to 31, not 32"),
                            (4, "`currency` is EUR, and the prices are in USD"), (5, "`timezone`: "),
                            (6, "a threshold needs one of"), (6, "a threshold has one measure")):
            self.assertTrue(any(f"curfew.toml:{line + below}:" in said and text in said for said in log.split("\n")), (text, log))


if __name__ == "__main__":
    run_tests()
