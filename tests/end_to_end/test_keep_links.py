"""Keep links over the real daemon: pressed with curl as a phone would, previewed, attacked, and killed in between.
The key file lets the test sign links of its own, by another implementation."""

import base64
import hashlib
import hmac
import json
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

from stage import Failure, StageTest, ask_unix, hold_port, run_tests, wait_for

HOST = "keep.example"


def read_database(stage, query):
    """From a copy, since the daemon holds its own alone."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            if (stage.folder / f"state/curfew.db{suffix}").exists():
                shutil.copy(stage.folder / f"state/curfew.db{suffix}", f"{folder}/copy.db{suffix}")
        database = sqlite3.connect(f"{folder}/copy.db")
        rows = database.execute(query).fetchall()
        database.close()
    return rows


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class KeepLinks(StageTest):
    def begin(self, links=True, **more):
        stage = self.stage = self.open_stage(guests="standin")
        held = hold_port()
        self.addCleanup(held.close)
        self.port = held.getsockname()[1]
        self.notebook = stage.notebook("demo")
        self.configure(links, **more)
        stage.start_daemon()
        return stage

    def configure(self, links=True, **more):
        block = f'[keep_link]\nlisten = "127.0.0.1:{self.port}"\npublic_url = "https://{HOST}"\n' if links else ""
        self.stage.config(budget=block, **{"idle": "90s", "ladder": ["80s"], **more})

    def warning(self):
        """The first warning about the notebook: its message id and its stored, unsigned URL."""
        def found():
            for (text,) in read_database(self.stage, "SELECT message FROM outbox"):
                message = json.loads(text)
                if message["kind"] == 0 and message["run"] == self.notebook.id:
                    return message
            return None
        return wait_for("a warning", found, 60)

    def sign(self, payload):
        key = (self.stage.folder / "state/keep_link.key").read_text().strip()
        return payload + "." + base64url(hmac.new(key.encode(), payload.encode(), hashlib.sha256).digest())

    def token(self, warning="msg_test", run=None, seconds=600, length_ms=60_000):
        until = int(time.time() * 1000) + seconds * 1000
        return self.sign(base64url(f"1\n{self.notebook.repo}\n{run or self.notebook.id}\n{until}\n{length_ms}\n{warning}".encode()))

    def curl(self, token, *more, method="POST", host=HOST, timeout=60):
        """As ntfy's app asks through a proxy: status and text."""
        done = subprocess.run(["curl", "-sS", "-m", str(timeout), "-X", method, "-H", f"Host: {host}", "-w", "\n%{http_code}", *more,
                               f"http://127.0.0.1:{self.port}/k/{token}"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"curl: {done.returncode} {done.stderr}")
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def raw(self, data, wait=60):
        """Bytes as they are; the status line of the answer, or "" where the connection ended without one."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as s:
            try:
                s.sendall(data)
                return s.recv(4096).decode("latin-1").split("\r\n")[0]
            except (ConnectionResetError, BrokenPipeError):
                return ""

    def holds(self):
        return read_database(self.stage, "SELECT link, until_ms - from_ms, by FROM hold WHERE link <> ''")

    def test_a_press_keeps_it_once(self):
        stage = self.begin()
        warning = self.warning()
        url = warning["keep_url"]
        self.assertTrue(url.startswith(f"https://{HOST}/k/"), url)
        payload = url.rsplit("/", 1)[1]
        self.assertEqual(self.curl(payload)[0], 404)  # what is stored opens nothing
        token = self.sign(payload)
        for _ in range(5):  # previews
            status, text = self.curl(token, "-H", "Accept: text/html", method="GET")
            self.assertEqual(status, 200)
            self.assertIn("<form method=\"post\">", text)
        self.assertEqual(self.holds(), [])
        status, text = self.curl(token)
        self.assertEqual(status, 200, text)
        self.assertIn("Kept: demo goes on until", text)
        status, text = self.curl(token)
        self.assertEqual(status, 410)
        self.assertIn("This link was used at", text)
        self.assertEqual(self.curl(token, method="GET")[0], 410)
        self.assertEqual(self.holds(), [(warning["id"], 3_600_000, "keep link")])
        placed = stage.events("hold.placed")
        self.assertEqual(len(placed), 1)
        self.assertIn("keep link sent with warning " + warning["id"], placed[0]["text"])
        self.assertEqual(placed[0]["actor"], "keep link")
        stage.wait_event("enforcement.over", self.notebook.id, 30)
        # The same after the daemon was killed.
        self.assertNotEqual(stage.stop_daemon(signal.SIGKILL), 0)
        stage.start_daemon()
        wait_for("the first poll", lambda: stage.item("demo"), 30)
        self.assertEqual(self.curl(token)[0], 410)
        self.assertEqual(len(self.holds()), 1)
        self.assertEqual(stage.stop_calls(), [])
        # The signature, without which nobody can press, is nowhere but in what was sent.
        signature = token.split(".")[1]
        answers = [json.dumps(ask_unix(stage.folder / "api.sock", f"/v1/{what}")) for what in ("status", "events?limit=1000", "alerts")]
        self.assertNotIn(signature, stage.log_text())
        self.assertTrue(all(signature not in answer for answer in answers))
        for file in (stage.folder / "state").iterdir():
            if file.is_file():
                self.assertNotIn(signature.encode(), file.read_bytes(), file)
        self.assertEqual((stage.folder / "state/keep_link.key").stat().st_mode & 0o777, 0o600)

    def test_other_runs_late_presses_and_limits(self):
        stage = self.begin(idle="10m", ladder=["5m"])
        wait_for("the first poll", lambda: stage.item("demo"), 30)
        status, text = self.curl(self.token("msg_run", run="another"))
        self.assertEqual((status, "started anew" in text), (409, True), text)
        status, text = self.curl(self.token("msg_late", seconds=-1))
        self.assertEqual((status, "expired" in text), (410, True), text)
        status, text = self.curl(self.token("msg_long", length_ms=13 * 3_600_000))
        self.assertEqual((status, "12h at a time" in text), (409, True), text)
        self.assertEqual(self.holds(), [])
        self.assertEqual(self.curl(self.token("msg_good"))[0], 200)
        stage.curfew("release", "demo")
        status, text = self.curl(self.token("msg_good"))
        self.assertEqual((status, "released early" in text), (410, True), text)

    def test_strangers(self):
        stage = self.begin(idle="10m", ladder=["5m"])
        wait_for("the first poll", lambda: stage.item("demo"), 30)
        token = self.token()
        nothing = self.curl("x")
        self.assertEqual(nothing[0], 404)
        for bad in (token[:-1], token + "A", "A" + token, token.replace(".", ""), token.split(".")[0] + "."):
            self.assertEqual(self.curl(bad), nothing)
        for path in ("/", "/v1/status", "/v1/version", "/metrics", f"/k/{token}?a=b", f"//k/{token}"):
            answer = self.raw(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            self.assertEqual(answer, "HTTP/1.1 404 Not Found", path)
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
            self.assertEqual(self.curl(token, method=method)[0], 405, method)
        for host in ("evil.example", f"127.0.0.1:{self.port}", "localhost", HOST + ".", HOST + ".evil.example"):
            self.assertEqual(self.curl(token, host=host)[0], 421, host)
        for heads in ("", f"Host: {HOST}\r\nHost: {HOST}\r\n"):
            answer = self.raw(f"POST /k/{token} HTTP/1.1\r\n{heads}Content-Length: 0\r\n\r\n".encode())
            self.assertEqual(answer.split(" ")[1], "421", heads)
        for origin in ("https://evil.example", "null", f"http://{HOST}"):
            status, text = self.curl(token, "-i", "-H", f"Origin: {origin}")
            self.assertEqual(status, 403, origin)
            self.assertNotRegex(text.lower(), "access-control")
        start = f"POST /k/{token} HTTP/1.1\r\nHost: {HOST}\r\n"
        for what, data in (("a long header", f"{start}X: {'x' * 20_000}\r\n\r\n"),
                           ("many fields", start + "".join(f"X{i}: y\r\n" for i in range(200)) + "\r\n"),
                           ("a long body", f"{start}Content-Length: 100000\r\n\r\n" + "x" * 2000),
                           ("two lengths", f"{start}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
                           ("length and chunks", f"{start}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                           ("odd chunks", f"{start}Transfer-Encoding: xchunked\r\n\r\n"),
                           ("a long target", f"POST /k/{'A' * 5000} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
                           ("no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00" * 64 + "\r\n\r\n"),
                           ("an absolute target", f"GET http://{HOST}/k/{token} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")):
            answer = self.raw(data.encode("latin-1"))
            self.assertRegex(answer, r"^$|^HTTP/1.1 4(00|11|13) ", what)
        # Those who say nothing take places of this listener alone.
        idle = [socket.create_connection(("127.0.0.1", self.port), timeout=60) for _ in range(40)]
        self.assertEqual(stage.curfew("status").returncode, 0)
        for s in idle:
            s.close()
        self.assertEqual(self.holds(), [])
        wait_for("a free place", lambda: self.answers(token), 30)
        statuses = set()
        for _ in range(200):
            statuses.add(self.raw(f"POST /k/guess HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n".encode()).split(" ")[1])
        self.assertEqual(statuses, {"404", "429"})
        self.assertEqual(self.curl(token, "-H", f"Origin: https://{HOST}")[0], 200)  # our own button, and locked out by nobody

    def answers(self, token):
        try:
            return self.curl(token, method="GET")[0] == 200
        except Failure:
            return False

    def test_kills_around_a_press_place_one_hold(self):
        stage = self.begin(idle="10m", ladder=["5m"])
        chance = random.Random(int(time.time()))
        wait_for("the first poll", lambda: stage.item("demo"), 30)
        begun = time.monotonic()
        self.curl(self.token("msg_looked_at"), method="GET")
        usual = time.monotonic() - begun
        told = 0
        for i in range(12):
            wait_for("the first poll", lambda: stage.item("demo"), 30)
            token = self.token(f"msg_{i}")
            heard = []

            def press():
                try:
                    heard.append(self.curl(token)[0])
                except Failure:
                    heard.append(None)

            presses = [threading.Thread(target=press) for _ in range(2)]
            for each in presses:
                each.start()
            time.sleep(chance.random() * 3 * usual)
            stage.stop_daemon(signal.SIGKILL)
            for each in presses:
                each.join()
            told += 200 in heard
            stage.start_daemon()
            wait_for("the first poll", lambda: stage.item("demo"), 30)
            status, text = self.curl(token)
            # Who heard 200 has it; who heard nothing may press again, and gets it or learns that he has it.
            self.assertIn(status, (410,) if 200 in heard else (200, 410), (heard, text))
            self.assertEqual([link for link, _, _ in self.holds()].count(f"msg_{i}"), 1)
        print(f"{told} of 12 presses were answered before the kill")
        self.assertEqual(len(self.holds()), 12)

    def test_no_listener_no_link(self):
        stage = self.begin(links=False)
        self.assertEqual(self.warning()["keep_url"], "")
        self.assertFalse((stage.folder / "state/keep_link.key").exists())
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def test_a_port_that_is_taken_is_told_and_stops_nothing(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            stage = self.open_stage(guests="standin")
            self.stage = stage
            self.port = taken.getsockname()[1]
            self.notebook = stage.notebook("demo")
            self.configure(idle="10m", ladder=["5m"])
            stage.start_daemon()
            titles = [a["title"] for a in stage.answer("alerts")["items"]]
            self.assertTrue(any(re.search("no keep button: .*cannot listen", t) for t in titles), titles)
        stage.stop_daemon()
        stage.start_daemon()
        wait_for("the alert to end", lambda: stage.answer("alerts")["items"] == [], 30)
        wait_for("the first poll", lambda: stage.item("demo"), 30)
        self.assertEqual(self.curl(self.token())[0], 200)

    def test_bad_blocks_are_named(self):
        stage = self.open_stage(guests="standin")
        for block, text in (('listen = "0.0.0.0:81"\npublic_url = "https://a.example"', "one loopback or private address"),
                            ('listen = "192.0.2.1:81"\npublic_url = "https://a.example"', "one loopback or private address"),
                            ('listen = "a.example:81"\npublic_url = "https://a.example"', "one loopback or private address"),
                            ('listen = "10.0.0.1:81"\npublic_url = "https://a.example"', "say plain_http"),
                            ('listen = "127.0.0.1:81"\npublic_url = "http://a.example"', "must be https"),
                            ('listen = "127.0.0.1:81"\npublic_url = "https://a.example/x"', "without a path"),
                            ('listen = "127.0.0.1:81"', "needs `public_url` as well"),
                            ('public_url = "https://a.example"', "needs `listen` as well"),
                            ('listen = "127.0.0.1:81"\npublic_url = "https://a.example"\nlength = "2h"\n[keep]\nmax_at_once = "1h"',
                             "above `max_at_once`")):
            stage.config(budget="[keep_link]\n" + block)
            done = subprocess.run([str(stage.binaries / "curfewd"), "--config", str(stage.folder / "curfew.toml"), "--check-config"],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 78, block)
            self.assertIn(text, done.stderr)
        stage.config(budget='[keep_link]\nlisten = "10.0.0.1:81"\npublic_url = "http://10.0.0.1:81"\nplain_http = true')
        done = subprocess.run([str(stage.binaries / "curfewd"), "--config", str(stage.folder / "curfew.toml"), "--check-config"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    run_tests()
