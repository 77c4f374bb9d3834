"""The emulator's notebooks are what the zoo takes them for: containers, which see themselves and end whole."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import hands  # noqa: E402
import workloads  # noqa: E402
from stage import Failure, StageTest, run_tests, wait_for  # noqa: E402


def processes_with(mark):
    found = []
    for process in pathlib.Path("/proc").iterdir():
        try:
            if process.name.isdigit() and mark.encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            pass  # it has just ended
    return found


LOOK = """
import os, pathlib
own = [p for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()]
open("seen.txt", "w").write(f"{len(own)} {os.getpid()} {os.getppid()} {len(os.listdir('/dev/pts'))}")
"""


class Containers(StageTest):
    def setUp(self):
        self.stage = self.open_stage(boot_ms=100, teardown_ms=500)
        self.assertIn("isolated", self.stage.urls)

    def sleeper(self, notebook, seconds):
        """A process that has left the session of its parents, and sleeps for a time that nobody else does."""
        hands.run_cell(notebook, workloads.spawn(f"setsid sleep {seconds}"), "end")
        wait_for("it to run", lambda: processes_with(f"sleep\0{seconds}"), 10)

    def test_a_stop_ends_all(self):
        for first in (False, True):
            with self.subTest(jupyter_first=first):
                notebook = self.stage.notebook("one", jupyterFirst=first)
                mark = f"99{time.time_ns() % 10**9}"
                self.sleeper(notebook, mark)
                self.stage.control(f"/notebooks/{notebook.repo}/stop", {"wait": True})
                self.assertEqual(processes_with(mark), [])

    def test_they_die_with_the_emulator(self):
        notebook = self.stage.notebook("one")
        mark, port = f"98{time.time_ns() % 10**9}", notebook.port()
        self.sleeper(notebook, mark)
        self.stage.emulator.kill()
        wait_for("the end of all", lambda: not processes_with(mark) and not processes_with(f"--port={port}"), 10)

    def test_they_see_themselves_only(self):
        if not self.stage.urls["isolated"]:
            self.skipTest("this host gives a plain user no namespaces")
        for first in (False, True):
            with self.subTest(jupyter_first=first):
                notebook = self.stage.notebook("one", jupyterFirst=first)
                hands.run_cell(notebook, LOOK, "end")
                count, own, parent, terminals = map(int, (notebook.folder / "notebooks/seen.txt").read_text().split())
                self.assertLess(count, 6)
                self.assertEqual(parent, 1 if first else 2)
                self.assertLess(own, 100)
                self.assertEqual(terminals, 1)  # ptmx
                self.assertEqual(hands.type_in_terminal(notebook, "tty", "/dev/pts/0"), "1")

    def test_what_a_test_can_set(self):
        notebook = self.stage.notebook("one", files=workloads.gpus(7, 70), environment=["TZ=Asia/Kathmandu"],
                                       jupyterArgs=["--ServerApp.terminals_enabled=False"])
        hands.run_cell(notebook, "import subprocess, time\nopen('gpu.txt', 'w').write(subprocess.run(['nvidia-smi', "
                       "'--query-gpu=index,utilization.gpu', '--format=csv,noheader,nounits'], text=True, check=True, "
                       "capture_output=True).stdout + time.strftime('%z'))", "end")
        self.assertEqual((notebook.folder / "notebooks/gpu.txt").read_text(), "0, 7\n1, 70\n+0545")
        with self.assertRaisesRegex(Failure, "404"):
            notebook.rest("GET", "/api/terminals")
        self.stage.control(f"/notebooks/{notebook.repo}/stop", {"wait": True})
        self.stage.control(f"/notebooks/{notebook.repo}/start", {"jupyterArgs": [], "wait": True})
        notebook.refresh()
        # PATH of a login shell, too; what was in bin/ went with the container.
        self.stage.control(f"/notebooks/{notebook.repo}/files", {"files": workloads.gpus(3)})
        hands.type_in_terminal(notebook, "nvidia-smi --query-gpu=utilization.gpu --format=csv", r"3 %")

    def test_the_provider_measures_what_is_inside(self):
        notebook = self.stage.notebook("one", files={"home/burn.py": workloads.source("burn.py")})
        hands.run_cell(notebook, workloads.spawn("setsid " + workloads.BURN), "end")
        wait_for("the load in the emulator's metrics",
                 lambda: 0.1 < (notebook.refresh()["cpuCores"] or 0) < 0.8, 20)


if __name__ == "__main__":
    run_tests()
