"""How often guests are asked, and how late a quiet one is noticed, beside a poller that asks each of them
everything once a minute. Both are the real daemon on a clock that is 60 times faster, one after the other."""

import datetime
import threading

from rig import Rig, ask_unix, check, table, wait_for

SPEED = 60
MINUTES = 55
LIMIT = 40  # minutes
KINDS = ("works all the time", "does nothing", "works and pauses, 10 min each")


def configure(rig, every):
    path = rig.configure()
    text = path.read_text().replace('poll_interval = "1h"', f'poll_interval = "{every}"')
    text = text.replace('idle_limit = "12h"', f'idle_limit = "{LIMIT}m"\nstart_grace = "0s"')
    text = text.replace("[rule.pack]", "[rule.probe]\nenabled = false\n[rule.pack]")
    path.write_text(text)


class Life:
    """One run: what each notebook was asked, and when the quiet one's time was up."""

    def __init__(self, binaries, fixed):
        with Rig(binaries, guests="standin", speed=SPEED) as rig:
            rig.control("/faults", {"kind": "drop", "match": {"host": "guest", "path": "/no-such-path"}})  # records guest calls
            made = {kind: rig.control("/notebooks", {"name": kind.split(",")[0], "machineType": "A4000", "guest": "standin",
                                                     "start": True, "wait": True}) for kind in KINDS}
            self.verdict(rig, made[KINDS[0]], "busy")
            self.verdict(rig, made[KINDS[1]], "idle")
            configure(rig, "1h" if fixed else "60s")
            rig.start_daemon()
            begun = rig.state()["now_ms"]
            stop = threading.Event()
            threads = [threading.Thread(target=self.come_and_go, args=(rig, made[KINDS[2]], stop))]
            if fixed:
                threads.append(threading.Thread(target=self.poll, args=(rig, stop)))
            for thread in threads:
                thread.start()
            wait_for("the virtual time", lambda: rig.state()["now_ms"] > begun + MINUTES * 60_000, MINUTES * 60 / SPEED + 30, 0.5)
            stop.set()
            for thread in threads:
                thread.join()
            hours = (rig.state()["now_ms"] - begun) / 3_600_000
            calls = rig.calls(host="guest")
            self.asked = {kind: sum(c["run"] == n["id"] for c in calls) / hours for kind, n in made.items()}
            events = [e for e in rig.events("would.stop") if e["run"] == made[KINDS[1]]["id"]]
            check("the quiet notebook was due", events)
            check("no other was", {e["run"] for e in rig.events("would.stop")} == {made[KINDS[1]]["id"]})
            self.due = self.minutes_of(events[0]["at"], begun)

    @staticmethod
    def minutes_of(stamp, begun_ms):
        at = datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() * 1000
        return (at - begun_ms) / 60_000

    @staticmethod
    def verdict(rig, notebook, word):
        rig.control(f"/notebooks/{notebook['notebookRepoId']}/verdict", {"verdict": word})

    def come_and_go(self, rig, notebook, stop):
        busy = False
        while True:
            busy = not busy
            self.verdict(rig, notebook, "busy" if busy else "idle")
            if stop.wait(600 / SPEED):
                return

    @staticmethod
    def poll(rig, stop):
        while not stop.wait(60 / SPEED):
            ask_unix(rig.folder / "admin.sock", "/v1/poll", method="POST", body="{}",
                     headers={"Content-Type": "application/json"}, raw=True)


def run(binaries):
    print(f"\nlooks: one notebook of each kind, {MINUTES} virtual minutes at {SPEED} times the speed, polls every 60 s, idle limit "
          f"{LIMIT} min, no metrics and no probe")
    fixed, ours = Life(binaries, True), Life(binaries, False)
    rows = [[kind, f"{ours.asked[kind]:.0f}", f"{fixed.asked[kind]:.0f}", f"{ours.asked[kind] / fixed.asked[kind]:.2f}"]
            for kind in KINDS]
    table("requests to a guest, per notebook-hour", ["a notebook that", "Curfew", "fixed poller", "ratio"], rows)
    print(f"looks: the quiet one is due after {ours.due:.1f} min; with the fixed poller after {fixed.due:.1f} min")
