"""Looking is not touching: what a person or a culler would see in a notebook does not move because Curfew looks."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import hands  # noqa: E402
import workloads  # noqa: E402
from stage import StageTest, run_tests, wait_for  # noqa: E402

POLLS = 60  # one a second: an hour's worth at the usual interval


def clocks(notebook):
    """Asked so that nothing moves by it."""
    status = notebook.rest("GET", "/api/status")
    return {"kernels": {k["id"]: (k["last_activity"], k["execution_state"], k["connections"])
                        for k in notebook.rest("GET", "/api/kernels?no_track_activity=1")},
            "terminals": {t["name"]: t["last_activity"]
                          for t in notebook.rest("GET", "/api/terminals?no_track_activity=1")},
            "server": status["last_activity"], "connections": status["connections"], "count": status["kernels"]}


class Untouched(StageTest):
    def test_polls_packs_and_probes(self):
        stage = self.open_stage(boot_ms=100, teardown_ms=500)
        watched = stage.notebook("watched", files={"work.txt": "w", "outputs/model.bin": {"bytes": 300_000, "seed": 1},
                                                   "work.ipynb": '{"cells": [], "metadata": {}, "nbformat": 4, '
                                                                 '"nbformat_minor": 5}'})
        quick = stage.notebook("quick", files={"work.txt": "w"})
        for notebook in (watched, quick):
            kernel = hands.start_kernel(notebook)
            tab = hands.OpenKernel(notebook, kernel)
            tab.run("x = 1", "end")
            if notebook is quick:
                tab.close()
            hands.type_in_terminal(notebook, workloads.FORGOTTEN, "forgotten")
        time.sleep(3)  # for what still echoes
        before = clocks(watched)
        probe = "[rule.probe]\nenabled = true\n"
        stage.config(idle="1h", ladder=["10s"], mode="enforce", account="metrics = false",
                     rule='[rule.match]\nnames = ["watched"]\n' + probe, settle="1s",
                     budget='[[rule]]\nname = "quick"\nmode = "enforce"\nidle_limit = "20s"\nladder = ["8s"]\n'
                            'min_notice = "1s"\nstart_grace = "0s"\n[rule.match]\nnames = ["quick"]\n' + probe +
                            '[rule.pack]\nsettle = "1s"\n')
        begun = time.monotonic()
        stage.start_daemon()

        def looks(notebook):
            """What was asked of a guest is written down while a fault may concern it; this one concerns none."""
            return len(stage.calls(host="guest", path="/api/kernels", run=notebook.id))

        stage.control("/faults", {"kind": "drop", "match": {"host": "guest", "path": "/no-such-path"}})
        last = None
        while looks(watched) < POLLS:
            self.assertLess(time.monotonic(), begun + 3 * POLLS, "the daemon looks too seldom")
            last = clocks(watched)
            self.assertEqual(last, before, f"after {looks(watched)} looks")
            time.sleep(2)
        self.assertEqual(stage.item("watched")["verdict"], "quiet")

        receipts = len(stage.receipts())
        stage.curfew("pack", "watched", "--wait")
        self.assertEqual(len([r for r in stage.receipts() if r["run"] == watched.id]), 1, receipts)
        self.assertEqual(clocks(watched), before, "after a pack")

        # The other one was probed and packed meanwhile, and none of it kept it awake.
        stopped = stage.wait_event("enforcement.stopped", quick.id, 90)
        due = [e for e in stage.events("enforcement.due") if e["run"] == quick.id]
        self.assertEqual(len(due), 1, stopped)
        print(f"\n{looks(watched)} looks and a pack moved nothing; the other one was stopped "
              f"{time.monotonic() - begun:.0f} s after the first look", flush=True)

    def test_a_probe_moves_no_clock_of_a_kernel_or_terminal(self):
        """A probe's terminal moves the clock of the server as a whole, as any request of a person does; those of
        kernels and terminals, which decide, stay, and nothing of the probe is left."""
        stage = self.open_stage(boot_ms=100, teardown_ms=500)
        notebook = stage.notebook("probed", files={"work.txt": "w"})
        tab = hands.OpenKernel(notebook, hands.start_kernel(notebook))
        tab.run("x = 1", "end")
        hands.type_in_terminal(notebook, workloads.FORGOTTEN, "forgotten")
        time.sleep(3)
        before = clocks(notebook)
        stage.config(idle="5s", ladder=["2s"], mode="warn", account="metrics = false",
                     rule="[rule.probe]\nenabled = true\n")
        stage.start_daemon()
        stage.wait_event("would.stop", notebook.id, 150)
        signals = {s["source"] for s in stage.answer("explain", "probed")["signals"]}
        self.assertIn("processes", signals)
        after = wait_for("the probe's terminal to go",
                         lambda: (now := clocks(notebook))["terminals"].keys() == before["terminals"].keys() and now, 15)
        for what in ("kernels", "terminals", "connections", "count"):
            self.assertEqual(after[what], before[what])


if __name__ == "__main__":
    run_tests()
