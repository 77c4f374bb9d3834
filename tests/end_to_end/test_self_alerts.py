"""Curfew watches itself: an account that cannot be seen, a receiver that refuses, a disk that is full. Each is told
by a way that works, once, and ends with a word; whoever listens to the heartbeat hears of it as well."""

import http.server
import os
import subprocess
import threading
import unittest

from stage import StageTest, run_tests, wait_for

SPEED = 30  # a minute is two seconds


class Listener:
    """What a healthchecks-style service sees of a heartbeat."""

    def __init__(self):
        self.heard = []
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
                listener.heard.append((self.command, self.path, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/ping/CANARY"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def wait_well(self, what):
        before = len(self.heard)
        wait_for(what, lambda: ("GET", "/ping/CANARY", "") in self.heard[before:])

    def wait_bad(self, text):
        wait_for(f"/fail with {text}",
                 lambda: [h for h in self.heard if h[:2] == ("POST", "/ping/CANARY/fail") and text in h[2]])


class SelfAlerts(StageTest):
    def set_out(self, more=""):
        stage = self.open_stage(speed=SPEED, guests="standin")
        self.listener = Listener()
        self.addCleanup(self.listener.close)
        stage.config(budget=f"""
[alerts]
group_wait = "0s"
group_interval = "0s"
failover = "mail"

[heartbeat]
url = "{self.listener.url}"
allow_private = true
{more}
""")
        return stage

    def told(self, stage, kind, severity):
        return [hook for hook in stage.hook.received
                if hook["data"]["kind"] == kind and hook["data"]["severity"] == severity]

    def alerts(self, stage, kind):
        return [a for a in stage.answer("alerts")["items"] if a["kind"] == kind]

    def down(self, stage):
        return stage.control("/faults", {"kind": "status", "status": 503, "body": "", "match": {"host": "v1"}})["number"]

    def end(self, stage):
        self.assertEqual(stage.stop_daemon(), 0)
        self.assertNotIn("CANARY", stage.log_text())

    def test_three_failed_cycles(self):
        stage = self.set_out("""
[[route]]
channels = ["hook"]
""")
        stage.start_daemon()
        self.listener.wait_well("a first ping")
        fault = self.down(stage)
        self.listener.wait_bad("account me")
        alert = wait_for("three failed cycles", lambda: self.told(stage, "cycles", "critical"))[0]["data"]
        self.assertIn("has not seen account me", alert["title"])
        self.assertEqual(alert["do_next"], "curfew doctor")
        wait_for("the fail-over", lambda: [s for s in stage.mail.subjects() if "has not seen account me" in s])
        stage.control(f"/faults/{fault}", method="DELETE")
        wait_for("the end", lambda: self.told(stage, "cycles", "info"))
        self.listener.wait_well("a ping when it is over")
        self.assertEqual(self.alerts(stage, "cycles"), [])
        self.assertEqual(len(self.told(stage, "cycles", "critical")), 1)
        self.end(stage)

    def test_a_receiver_that_refuses(self):
        stage = self.set_out()
        stage.start_daemon()
        stage.hook.status = 400
        fault = self.down(stage)
        wait_for("the word about the hook", lambda: [s for s in stage.mail.subjects() if "Channel hook did not get" in s])
        self.assertTrue(self.alerts(stage, "dead_letter"))
        stage.hook.status = 200
        stage.control(f"/faults/{fault}", method="DELETE")
        wait_for("the end", lambda: [s for s in stage.mail.subjects() if "Channel hook takes messages again" in s])
        self.assertEqual(self.alerts(stage, "dead_letter"), [])
        self.assertEqual(self.told(stage, "dead_letter", "warning") + self.told(stage, "dead_letter", "critical"), [])
        self.end(stage)

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
    def test_a_full_disk(self):
        stage = self.set_out()
        state = stage.folder / "state"
        state.mkdir(mode=0o700)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "none", str(state)],
                          capture_output=True).returncode != 0:
            self.skipTest("no disk can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(state)], check=True)
        stage.start_daemon()
        self.listener.wait_well("a first ping")
        room = os.statvfs(state)
        filler = open(state / "filler", "wb", buffering=0)
        self.addCleanup(filler.close)
        filler.write(bytes(room.f_bavail * room.f_frsize - (600 << 10)))
        wait_for("the disk alarm", lambda: self.told(stage, "disk", "critical"))
        self.assertIn("nearly full", self.told(stage, "disk", "critical")[0]["data"]["title"])
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
        direct = wait_for("the word without the database", lambda: self.told(stage, "database", "critical"))[0]
        self.assertIn("cannot write its database", direct["data"]["title"])
        self.listener.wait_bad("the database takes nothing")
        filler.truncate(0)
        wait_for("the database again", lambda: self.told(stage, "database", "info"))
        wait_for("the disk again", lambda: self.told(stage, "disk", "info"))
        self.listener.wait_well("a ping when it is over")
        self.assertEqual(len(self.told(stage, "database", "critical")), 1)
        self.end(stage)


if __name__ == "__main__":
    run_tests()
