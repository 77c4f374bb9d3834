"""Days of the real daemon in an accelerated clock: notebooks come, are kept, packed and stopped, the provider fails, the
configuration is read anew, questions are asked. What it holds after one part of that is what it holds after the next of
the same length (I13). The long form: CURFEW_GROWTH=SECONDS of real time for each part."""

import contextlib
import os
import time
import urllib.error

from common import Process, StageTest, ask_unix, run_tests, wait_for

SPEED = 200  # an hour in 18 seconds
PART = int(os.environ.get("CURFEW_GROWTH", "11"))
GROWTH_KIB = 6 << 10
NOTEBOOKS = 4


class Growth(StageTest):
    def part(self, number):
        """The same work in every part."""
        stage = self.stage
        until = time.monotonic() + PART
        turn = 0
        while time.monotonic() < until:
            for repo in self.repos:
                with contextlib.suppress(urllib.error.HTTPError):  # it runs already
                    stage.control(f"/notebooks/{repo}/start", {})
            name = f"n{turn % 2}"  # the others are stopped, and started again
            stage.curfew("keep", name, "--for", "1h", check=False)
            stage.curfew("notify", "test", "hook", check=False)
            stage.curfew("release", name, check=False)
            for target in ("status", f"explain/{name}", "spend", "events?limit=200", "alerts?all=1", "doctor", "nothing"):
                ask_unix(stage.folder / "api.sock", f"/v1/{target}", raw=True)
            stage.curfew("rule", "reset", "idle", check=False)  # the breaker is not what is looked at
            if turn % 6 == 0:
                stage.control("/faults", {"kind": "status", "count": 1, "status": 500, "body": {"message": "no"}, "match": {"host": "v1"}})
            if turn % 20 == 10:
                self.assertEqual(stage.curfew("reload").returncode, 0)
            turn += 1
            time.sleep(0.5)
        return turn

    def figures(self):
        """At rest: the least of some looks, since a poll opens and closes things. Connections that are kept for the next
        request are counted apart: they end within a minute of rest, and there may be 16 to
        each of the provider's doors and notebooks."""
        looks = []
        for _ in range(10):
            kept = self.process.connections()
            looks.append((len(self.process.descriptors()) - kept, self.process.threads(), self.process.resident_kib(), kept))
            time.sleep(0.1)
        return [min(column) for column in zip(*looks)]

    def test_what_it_holds_after_days_is_what_it_held(self):
        stage = self.stage = self.open_stage(speed=SPEED, boot_ms=1000, teardown_ms=1000)
        self.repos = [stage.notebook(f"n{i}", files={"a.txt": "a" * 1000}).repo for i in range(NOTEBOOKS)]
        stage.config(idle="15m", ladder=["5m"], min_notice="1m")
        stage.start_daemon()
        self.process = Process(stage.daemon.pid)
        try:
            self.process.descriptors()
        except PermissionError:
            self.skipTest("the descriptors of the daemon are shown to root only")
        wait_for("a first look", lambda: stage.item("n0"))
        held, turns, began = [], [], time.monotonic()
        for number in range(3):  # the first one fills caches
            turns.append(self.part(number))
            held.append(self.figures())
            descriptors, threads, resident, kept = held[-1]
            print(f"after part {number + 1}: {descriptors} descriptors, {threads} threads, {resident} KiB resident, "
                  f"{kept} connections kept; {turns[-1]} turns")
        hours = (time.monotonic() - began) * SPEED / 3600
        stops = len(stage.events("enforcement.stopped"))
        print(f"{hours:.0f} hours of the daemon's clock, {stops} stops, {len(stage.calls())} calls of the provider")
        self.assertGreater(stops, 0)
        self.assertLessEqual(held[2][0], held[1][0])
        self.assertLessEqual(held[2][3], 8 * 16)
        self.assertLessEqual(held[2][1], held[1][1])
        if not os.environ.get("ASAN_OPTIONS") and not os.environ.get("TSAN_OPTIONS"):
            self.assertLess(held[2][2] - held[1][2], GROWTH_KIB)
        self.assertEqual(stage.stop_daemon(), 0)


if __name__ == "__main__":
    run_tests()
