"""The zoo with clocks that differ, and a day in a minute."""

import concurrent.futures
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hands  # noqa: E402
import workloads  # noqa: E402
import zoo  # noqa: E402
from stage import StageTest, ask_unix, run_tests, wait_for  # noqa: E402
from workloads import STALLS  # noqa: E402

HOUR_MS = 3_600_000


class Clocks(zoo.ZooTest):
    """The provider's clock and the daemon's differ from those in the notebooks."""

    def test_an_hour_ahead_and_an_hour_behind(self):
        ahead = zoo.named("silent-terminal-job", "gpu-busy-kernel-idle", "idle-kernel",
                          "far-away-time-zone-and-language")
        behind = zoo.named("printing-cell", "one-gpu-of-four-works", "idle-kernel", "websocket-held-open")
        with concurrent.futures.ThreadPoolExecutor(2) as both:
            visits = [both.submit(self.visit, ahead, shift_ms=HOUR_MS),
                      both.submit(self.visit, behind, shift_ms=-HOUR_MS)]
        for visit in visits:
            visit.result()


class Stalls(zoo.ZooTest):
    def test_busy_kernels_that_do_nothing(self):
        """`stalled_after` is 10 minutes at the least, so that the clock runs faster; a guest's own does not."""
        self.visit(STALLS, speed=zoo.STALL_SPEED)


class Day(StageTest):
    def test_a_cell_that_is_busy_for_a_day(self):
        """24 hours at 1,200 times the speed. A guest cannot be hurried, so that a probe takes hours here; what is
        busy is left alone all the same, also beyond `stalled_after`."""
        stage = self.open_stage(speed=1200)
        notebook = stage.notebook("trains-for-a-day", files={"home/burn.py": workloads.source("burn.py")})
        hands.run_cell(notebook, workloads.cell_that_burns(0.3))
        stage.config(idle="2h", ladder=["1h"], min_notice="10m",
                     rule='stalled_after = "6h"\n[rule.probe]\nenabled = true\n')
        stage.start_daemon()
        wait_for("it to be seen at work", lambda: (stage.item("trains-for-a-day") or {}).get("verdict") == "active", 30)
        begun = stage.state()["now_ms"]
        seen = {}
        while stage.state()["now_ms"] < begun + 24 * HOUR_MS:
            item = stage.item("trains-for-a-day")
            seen[item["verdict"]] = seen.get(item["verdict"], 0) + 1
            self.assertEqual(notebook.refresh()["state"], "Running")
            time.sleep(0.5)
        print(f"\n24 h of one busy cell: looks by verdict {seen}", flush=True)
        kinds = {e["kind"] for e in stage.events() if e["run"] == notebook.id}
        self.assertEqual(kinds & {"enforcement.due", "would.stop", "stop.called"}, set())
        self.assertEqual(stage.stop_calls(), [])
        self.assertNotIn("quiet", seen)
        self.assertEqual(notebook.kernel_states(), ["busy"])
        answer = ask_unix(stage.folder / "api.sock", "/v1/explain/trains-for-a-day")
        self.assertIn(answer["verdict"] if "verdict" in answer else "active", ("active", "unknown"))


if __name__ == "__main__":
    run_tests()
