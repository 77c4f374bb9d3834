"""Runs workloads, a few at a time, beside a curfewd that may stop them, and judges what it made of them."""

import concurrent.futures
import os
import pathlib
import re
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from stage import Failure, StageTest, ask_unix, run_tests, wait_for  # noqa: E402
from workloads import STALLS, TROUBLES, WORKLOADS, source  # noqa: E402

POLL = 5.0            # a look with a probe takes a few seconds, and looks more than three polls apart add nothing
LIMIT = 20.0          # idle_limit
LADDER = 8.0          # first warning before the stop; also what a weak signal may delay
STALLED = 30.0        # stalled_after, where the clock is STALL_SPEED times faster: 10m, the least there is
STALL_SPEED = 20
WORD = 300.0          # for so long a probe's word of work counts: observation_ttl of short polls
PROBING = 12.0        # what the probes of a stop may take in all, on a busy host
ROOM = 8              # notebooks at once
BURNERS = 3           # of these, with a core's work


def seconds_of(text):
    """Seconds of a duration as the daemon writes it: 1h 2m, 40s, 1m 5s."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0.001}
    return sum(float(n) * units[u] for n, u in re.findall(r"([\d.]+)\s*(ms|[dhms])", text))


def rule(workload, speed):
    """One rule for each, so that the breaker, which counts by rule, stays out of it. In hurried time a last look is
    too slow for a stop, so that it is only said there."""
    stalls = f'stalled_after = "{STALLED * speed:.0f}s"\n' if speed == STALL_SPEED else ""
    return (f'[[rule]]\nname = "{workload.name}"\nmode = "{"enforce" if speed == 1 else "warn"}"\n'
            f'idle_limit = "{LIMIT * speed:.0f}s"\nladder = ["{LADDER * speed:.0f}s"]\nmin_notice = "1s"\n'
            f'start_grace = "0s"\n{stalls}[rule.match]\nnames = ["{workload.name}"]\n'
            f'[rule.pack]\nsettle = "1s"\n[rule.probe]\nenabled = true\n{workload.probe}')


def named(*names):
    return [w for name in names for w in WORKLOADS + TROUBLES + STALLS if w.name == name]


def chosen(workloads):
    """CURFEW_ZOO, a list of words: only the workloads whose name holds one of them."""
    words = os.environ.get("CURFEW_ZOO", "").split()
    return [w for w in workloads if not words or any(word in w.name for word in words)]


def open_daemon(stage, animals, timeout):
    """Starts curfewd with a rule for each of them."""
    stage.config(rule='[rule.match]\nnames = ["nobody"]\n', account="metrics = false",
                 budget="\n".join(rule(w, stage.speed) for w in animals))
    config = stage.folder / "curfew.toml"
    text = re.sub(r'poll_interval = "[^"]*"', f'poll_interval = "{POLL * stage.speed:.0f}s"', config.read_text())
    timeout = min(300, timeout * stage.speed)
    config.write_text(re.sub(r'request_timeout = "[^"]*"', f'request_timeout = "{timeout}s"', text))
    stage.start_daemon()


class Watcher:
    """What the daemon says of every notebook, twice a second."""

    def __init__(self, stage):
        self.stage = stage
        self.lines = {}   # name → [(monotonic, verdict, quiet seconds)]
        self.polls = []   # [(monotonic, as_of)] of every poll that ended
        self.events = {}  # run → [(monotonic, kind)]
        self.after = 0
        self.trouble = None
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.closed.wait(0.4):
            try:
                self.look()
            except (OSError, Failure) as failure:
                if not self.closed.is_set():
                    self.trouble = failure

    def look(self):
        now = time.monotonic()
        status = ask_unix(self.stage.folder / "api.sock", "/v1/status")
        if not self.polls or self.polls[-1][1] != status["as_of"]:
            self.polls.append((now, status["as_of"]))
        for item in status["items"]:
            quiet = seconds_of(item["quiet"]) / self.stage.speed
            self.lines.setdefault(item["name"], []).append((now, item["verdict"], quiet))
        page = ask_unix(self.stage.folder / "api.sock", f"/v1/events?limit=1000&after={self.after}")
        for event in page["items"]:
            self.after = max(self.after, event["id"])
            self.events.setdefault(event["run"], []).append((now, event["kind"]))

    def line(self, name, since):
        return [row for row in list(self.lines.get(name, [])) if row[0] >= since]

    def delay(self, since):
        """Seconds by which this host may be late: the poll that saw it and two more, as long as polls really took,
        and what polls took beyond three times their interval, since the quiet clock stands still over such a gap."""
        ends = [at for at, _ in list(self.polls) if at >= since - 3 * POLL]
        took = [later - earlier for earlier, later in zip(ends, ends[1:])]
        return 3 * max([POLL, *took]) + sum(max(0.0, each - 3 * POLL) for each in took)

    def when(self, run, kinds):
        return next((at for at, kind in list(self.events.get(run, [])) if kind in kinds), None)

    def close(self):
        self.closed.set()
        self.thread.join(10)


class Sighting:
    """What came of one workload."""

    def __init__(self, workload):
        self.workload = workload
        self.faults = []
        self.verdict = "-"
        self.reached = None   # seconds until the verdict that was expected
        self.quiet = 0.0      # the most
        self.decision = "-"
        self.story = ""
        self.spans = ""       # its verdicts, and from when to when

    def row(self):
        reached = "-" if self.reached is None else f"{self.reached:.0f}"
        return (f"{self.workload.name:46} {self.workload.truth:9} {self.verdict:8} {reached:>7} {self.quiet:>6.0f}  "
                f"{self.decision}{'' if not self.faults else '   <-- ' + '; '.join(self.faults)}")


def table(sightings):
    head = f"{'workload':46} {'truth':9} {'verdict':8} {'seconds':>7} {'quiet':>6}  decision"
    return "\n".join([head, "-" * len(head)] + [s.row() for s in sightings])


class Zoo:
    def __init__(self, stage, room=ROOM, burners=BURNERS):
        self.stage = stage
        self.watcher = Watcher(stage)
        self.room = room
        self.burners = threading.Semaphore(burners)
        self.births = threading.Semaphore(2)

    def show(self, workloads):
        """Those that take longest first; at most `room` at once. Returns their sightings, in the given order."""
        order = sorted(workloads, key=lambda w: -(w.settles + 30 * w.burns + STALLED * (w.expect == "stalls")))
        with concurrent.futures.ThreadPoolExecutor(self.room) as pool:
            futures = {w.name: pool.submit(self.visit, w) for w in order}
        self.watcher.close()
        if self.watcher.trouble:
            raise self.watcher.trouble
        return [futures[w.name].result() for w in workloads]

    def visit(self, workload):
        sighting = Sighting(workload)
        if workload.burns:
            self.burners.acquire()
        try:
            self.live(workload, sighting)
        except Exception as trouble:  # the others go on; this one is reported
            sighting.faults.append(f"{type(trouble).__name__}: {trouble}")
        finally:
            if workload.burns:
                self.burners.release()
        return sighting

    def live(self, workload, sighting):
        options = {"gpu": None, **workload.options}
        with self.births:
            notebook = self.stage.notebook(workload.name, files={"home/burn.py": source("burn.py"), "work.txt": "w",
                                                                 **workload.files}, **options)
            notebook.cleanup = []
            own = self.guests_own(notebook)
            try:
                workload.start(notebook)
            except Exception:
                self.end(notebook)
                raise
        begun = time.monotonic()
        try:
            if workload.expect in ("never", "unknown"):
                self.watch_worker(workload, notebook, begun, sighting)
            else:
                self.watch_rester(workload, notebook, begun, sighting)
            if sighting.faults:
                sighting.story = f"{self.explain(workload.name)}\n    seen as {sighting.spans}"
            if not self.watcher.when(notebook.id, {"stop.called"}) and workload.expect == "never":
                self.check_traces(notebook, own, sighting)
        finally:
            self.end(notebook)

    def end(self, notebook):
        for thing in notebook.cleanup:
            thing.close()
        if notebook.refresh()["state"] == "Running":
            self.stage.control(f"/notebooks/{notebook.repo}/stop", {"wait": True})

    def watch_worker(self, workload, notebook, begun, sighting):
        """For longer than it would take an idle one to be stopped."""
        due = None
        stalls = STALLED if self.stage.speed == STALL_SPEED else 0
        while due is None and time.monotonic() < begun + stalls + LIMIT + LADDER + PROBING + 2 * POLL:
            due = self.watcher.when(notebook.id, {"enforcement.due", "would.stop", "stop.called"})
            time.sleep(0.3)
        line = self.watcher.line(workload.name, begun)
        wanted = "active" if workload.expect == "never" else "unknown"
        self.describe(line, wanted, begun, sighting)
        if due is not None:
            sighting.decision = f"due after {due - begun:.0f} s"
            sighting.faults.append("it was to be stopped")
        else:
            sighting.decision = "left alone"
        if sighting.reached is None:
            sighting.faults.append(f"it never was {wanted}")
        elif sighting.verdict != wanted:
            sighting.faults.append(f"it is not {wanted} in the end")

    def watch_rester(self, workload, notebook, begun, sighting):
        stalls = STALLED if workload.expect == "stalls" else 0
        limit = begun + workload.settles + stalls + LIMIT + LADDER
        if workload.worked and self.was_probed_at_work(workload, begun):
            limit += WORD
        due = None
        while due is None and time.monotonic() < limit + 40 + self.watcher.delay(begun):
            due = self.watcher.when(notebook.id, {"enforcement.due", "would.stop"})
            time.sleep(0.2)
        line = [row for row in self.watcher.line(workload.name, begun) if due is None or row[0] <= due]
        last = limit + self.watcher.delay(begun)
        self.describe(line, "quiet", begun, sighting)
        if due is None:
            sighting.decision = "left alone"
            sighting.faults.append("it was never due")
            return
        sighting.decision = f"due after {due - begun:.0f} s"
        if due > last:
            sighting.faults.append(f"due {due - last:.0f} s too late")
        if sighting.verdict != "quiet":
            sighting.faults.append("due while it was not quiet")
        # Something of it may have been quiet before: a stalled one counts its own limit first.
        if workload.expect == "stalls" and not any(verdict == "active" for _, verdict, _ in line):
            sighting.faults.append("it was never active")
        if due - begun < LIMIT - POLL:
            sighting.faults.append("due too early")
        if self.stage.speed != 1:
            return
        stopped = wait_for(f"{workload.name} to be stopped",
                           lambda: self.watcher.when(notebook.id, {"enforcement.stopped"}), 40)
        sighting.decision += f", stopped after {stopped - begun:.0f} s"

    def was_probed_at_work(self, workload, begun):
        """Did the first look fall into its busy moment, and a probe with it? Two polls later only that says active."""
        time.sleep(2 * POLL + PROBING)
        line = self.watcher.line(workload.name, begun)
        return bool(line) and line[-1][1] == "active"

    @staticmethod
    def describe(line, wanted, begun, sighting):
        sighting.reached = next((at - begun for at, verdict, _ in line if verdict == wanted), None)
        spans = []
        for at, verdict, _ in line:
            if not spans or spans[-1][0] != verdict:
                spans.append([verdict, at - begun, 0])
            spans[-1][2] = at - begun
        sighting.spans = ", ".join(f"{verdict} {first:.0f}-{last:.0f} s" for verdict, first, last in spans)
        if line:
            sighting.verdict = line[-1][1]
            sighting.quiet = max(quiet for _, _, quiet in line)

    def explain(self, name):
        try:
            answer = ask_unix(self.stage.folder / "api.sock", "/v1/explain/" + urllib.parse.quote(name))
        except Failure as failure:
            return str(failure)
        signals = "\n".join(f"    {s['source']:14} {s['verdict']:8} {s['strength']:7} {s['age']:>6}  {s['evidence']}"
                            for s in answer["signals"])
        return (f"{name}: {answer['why']}\n    decided by {answer['decided_by']}; quiet {answer['quiet']} of "
                f"{answer['limit']}; {answer['next']}\n{signals}")

    @staticmethod
    def guests_own(notebook):
        """Names of its terminals and kernels, asked so that nothing moves; none where it has no terminals."""
        names = set()
        for what, key in (("kernels", "id"), ("terminals", "name")):
            try:
                names |= {(what, row[key]) for row in notebook.rest("GET", f"/api/{what}?no_track_activity=1")}
            except Failure:
                pass
        return names

    def check_traces(self, notebook, before, sighting):
        """A probe that is under way may have a terminal; it is gone soon. Those of the workload stay at most two."""
        def left():
            return len(self.guests_own(notebook) - before) <= 2
        try:
            wait_for("the probe's traces to go", left, 15, 0.5)
        except Failure:
            sighting.faults.append(f"traces: {sorted(self.guests_own(notebook) - before)}")


class ZooTest(StageTest):
    maxDiff = None

    def visit(self, workloads, timeout=10, **options):
        """Fails unless every one of them is taken for what it is. Returns how many there were."""
        animals = chosen(workloads)
        if not animals:
            self.skipTest("CURFEW_ZOO names none of these")
        stage = self.open_stage(boot_ms=100, teardown_ms=500, **options)
        open_daemon(stage, animals, timeout)
        sightings = Zoo(stage).show(animals)
        print("\n" + table(sightings), flush=True)
        bad = [s for s in sightings if s.faults]
        self.assertEqual([], [s.row() for s in bad], "\n" + "\n".join(s.story for s in bad))


__all__ = ["ZooTest", "chosen", "named", "run_tests"]
