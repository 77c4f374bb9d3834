"""Looking is not touching: what a person or a culler would see in a notebook does not move because Curfew looks."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hands  # noqa: E402
import workloads  # noqa: E402
from stage import StageTest, run_tests, wait_for  # noqa: E402

POLLS = 70  # one a second: more than an hour's worth at the usual interval
PROBE = "[rule.probe]\nenabled = true\n"
FILES = {"work.txt": "w", "outputs/model.bin": {"bytes": 300_000, "seed": 1},
         "work.ipynb": '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'}


def rule(name, mode):
    return (f'[[rule]]\nname = "{name}"\nmode = "{mode}"\nidle_limit = "20s"\nladder = ["8s"]\nmin_notice = "1s"\n'
            f'start_grace = "0s"\n[rule.match]\nnames = ["{name}"]\n{PROBE}[rule.pack]\nsettle = "1s"\n')


def clocks(notebook):
    """Asked so that nothing moves by it."""
    status = notebook.rest("GET", "/api/status")
    return {"kernels": {k["id"]: (k["last_activity"], k["execution_state"], k["connections"])
                        for k in notebook.rest("GET", "/api/kernels?no_track_activity=1")},
            "terminals": {t["name"]: t["last_activity"]
                          for t in notebook.rest("GET", "/api/terminals?no_track_activity=1")},
            "server": status["last_activity"], "connections": status["connections"], "count": status["kernels"]}


def settled(notebook):
    """Its clocks once they have stood still for three seconds: what came before may still echo."""
    last = clocks(notebook)

    def still():
        nonlocal last
        time.sleep(3)
        before, last = last, clocks(notebook)
        return last == before

    wait_for("the clocks to stand still", still)
    return last


class Untouched(StageTest):
    def test_polls_packs_and_probes(self):
        stage = self.open_stage(boot_ms=100, teardown_ms=500)
        watched, probed, quick = (stage.notebook(name, files=FILES) for name in ("watched", "probed", "quick"))
        tabs = []  # stay open, each a connection
        for notebook in (watched, probed, quick):
            tabs.append(hands.OpenKernel(notebook, hands.start_kernel(notebook)))
            tabs[-1].run("x = 1", "end")
            hands.type_in_terminal(notebook, workloads.FORGOTTEN, "forgotten")
        before = {n: settled(n) for n in (watched, probed)}
        self.assertEqual(before[watched]["connections"], 1)
        stage.config(idle="1h", ladder=["10s"], account="metrics = false",
                     rule='[rule.match]\nnames = ["watched"]\n' + PROBE,
                     budget=rule("quick", "enforce") + rule("probed", "warn"))
        # What is asked of a guest is written down while a fault may concern it; this one concerns none.
        stage.control("/faults", {"kind": "drop", "match": {"host": "guest", "path": "/no-such-path"}})
        begun = time.monotonic()
        stage.start_daemon()
        with self.subTest("polls"):
            while (looks := self.looks(watched)) < POLLS:
                self.assertLess(time.monotonic(), begun + 12 * POLLS, "the daemon looks too seldom")
                self.assertEqual(clocks(watched), before[watched], f"after {looks} looks")
                time.sleep(2)
            self.assertEqual(stage.item("watched")["verdict"], "quiet")
        with self.subTest("a pack"):
            stage.curfew("pack", "watched", "--wait")
            self.assertEqual([r["files"] for r in stage.receipts() if r["run"] == watched.id], [len(FILES)])
            self.assertEqual(clocks(watched), before[watched])
        with self.subTest("a probe"):
            stage.wait_event("would.stop", probed.id, 60)
            signals = {s["source"]: s["verdict"] for s in stage.answer("explain", "probed")["signals"]}
            self.assertEqual(signals["processes"], "quiet")
            # Its terminal moves the clock of the server as a whole, as anything but a marked GET does. The clocks
            # that decide stay, and the terminal goes.
            wait_for("the probe's terminal to go", lambda: len(clocks(probed)["terminals"]) == 1, 15)
            after = clocks(probed)
            for what in ("kernels", "terminals", "connections", "count"):
                self.assertEqual(after[what], before[probed][what], what)
        with self.subTest("none of it keeps a notebook awake"):
            stage.wait_event("enforcement.stopped", quick.id, 60)
            print(f"\n{self.looks(watched)} looks and a pack moved nothing; the quiet one was stopped, at most "
                  f"{time.monotonic() - begun:.0f} s after the first look", flush=True)

    def looks(self, notebook):
        return len(self.stages[0].calls(host="guest", path="/api/kernels", run=notebook.id))


if __name__ == "__main__":
    run_tests()
