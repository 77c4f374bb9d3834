"""Bad configuration, bad secrets, bad databases, bad commands, bad requests: each is answered, none does harm."""

import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import StageTest, ask_unix, run_tests, wait_for  # noqa: E402

EX_TEMPFAIL = 75
EX_CONFIG = 78

FAULTY = """\
[daemon]
moode = "observe"
timezone = "Europe/Rom"
state_dir = "{state}"
api_socket = "{folder}/none-api.sock"
admin_socket = "{folder}/none-admin.sock"

[[account]]
name = "me"
key_file = "{folder}/key"
poll_intervall = "60s"

[[rule]]
name = "idle"
mode = "enforc"
idle_limit = 30

[[channnel]]
name = "mail"
"""
# line, column, what is said, what is proposed
FAULTS = [(2, 1, "moode", "mode"), (3, 12, "Europe/Rom", "Europe/Rome"), (11, 1, "poll_intervall", "poll_interval"),
          (15, 8, "enforc", "enforce"), (16, 14, "idle_limit", "45m"), (18, 3, "channnel", "channel")]


def programs(name):
    return str(pathlib.Path(os.environ["CURFEW_BIN"]) / name)


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)


def talk(path, data, seconds=60):
    """Sends raw bytes to a Unix socket and returns everything that comes back until the other side closes."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(seconds)
        s.connect(str(path))
        received = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while chunk := s.recv(65536):
                received += chunk
        except (BrokenPipeError, ConnectionResetError):
            pass
        return received


def status_of(answer):
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else None


class Configuration(StageTest):
    def setUp(self):
        self.stage = self.open_stage(guests="standin", speed=20)

    def serve(self, config):
        return run(programs("curfewd"), "--config", str(config))

    def check_faults(self, text, path):
        for line, column, word, proposed in FAULTS:
            with self.subTest(fault=word):
                found = [row for row in text.splitlines() if row.startswith(f"{path}:{line}:{column}: ")]
                self.assertEqual(len(found), 1, text)
                self.assertIn(word, found[0])
                self.assertIn(proposed, found[0])
        self.assertIn(f"{len(FAULTS)} faults; nothing was started", text)

    def nothing_began(self, folder="none"):
        self.assertFalse((self.stage.folder / "none-api.sock").exists())
        self.assertFalse((self.stage.folder / "api.sock").exists())
        self.assertFalse((self.stage.folder / folder).exists())

    def test_all_faults_at_once(self):
        path = self.stage.folder / "faulty.toml"
        path.write_text(FAULTY.format(folder=self.stage.folder, state=self.stage.folder / "none"))
        done = self.serve(path)
        self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
        self.check_faults(done.stderr, path)
        self.nothing_began()
        checked = run(programs("curfew"), "check-config", str(path))
        self.assertEqual(checked.returncode, 10)
        self.check_faults(checked.stdout + checked.stderr, path)
        good = run(programs("curfew"), "check-config", str(self.stage.config()))
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        self.assertIn("no faults", good.stdout)
        self.assertFalse((self.stage.folder / "state").exists())

    def test_a_broken_or_missing_file(self):
        path = self.stage.folder / "broken.toml"
        for text, place in (('[daemon]\nmode = "observe\n', ":2:"), ("\x00\xff", ":1:"), ("[daemon]\nmode = 1\nmode = 2\n", ":3:")):
            with self.subTest(text=text):
                path.write_bytes(text.encode("latin-1"))
                done = self.serve(path)
                self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
                self.assertIn(f"{path}{place}", done.stderr)
        for missing in (self.stage.folder / "nowhere.toml", self.stage.folder):
            done = self.serve(missing)
            self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
            self.assertIn(str(missing), done.stderr)
            self.assertEqual(run(programs("curfew"), "check-config", str(missing)).returncode, 10)

    def test_prices_that_cannot_be_read(self):
        config = self.stage.config()
        prices = self.stage.folder / "prices.csv"
        table = config.read_text().replace("[daemon]\n", f'[daemon]\nprice_overrides = "{prices}"\n', 1)
        config.write_text(table)
        for name, text, said in (("negative", "machine_type,usd_per_hour\nA4000,-1\n", f"{prices}"),
                                 ("no table", "\x00\x01\x02", str(prices)), ("missing", None, str(prices))):
            with self.subTest(prices=name):
                prices.unlink(missing_ok=True)
                if text is not None:
                    prices.write_text(text)
                done = self.serve(config)
                self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
                self.assertIn(said, done.stderr)
                checked = run(programs("curfew"), "check-config", str(config))
                self.assertEqual(checked.returncode, 10, checked.stdout)
                self.assertIn(said, checked.stderr)
                self.assertNotIn("no faults", checked.stdout)

    def test_a_secret_in_the_configuration_is_refused_and_not_shown(self):
        path = self.stage.folder / "secret.toml"
        path.write_text('[[account]]\nname = "me"\napi_key = "canary-in-the-config"\n')
        done = self.serve(path)
        self.assertEqual(done.returncode, EX_CONFIG)
        self.assertIn(f"{path}:3:", done.stderr)
        self.assertIn("key_file", done.stderr)
        self.assertNotIn("canary-in-the-config", done.stderr + done.stdout)

    def test_secrets_that_cannot_be_used(self):
        config = self.stage.config()
        key = self.stage.folder / "key"
        good = key.read_text()
        cases = [("readable by others", lambda: key.chmod(0o644), "chmod 600"),
                 ("readable by the group", lambda: key.chmod(0o640), "chmod 600"),
                 ("missing", lambda: key.unlink(), "No such file"),
                 ("empty", lambda: self.stage.secret("key", ""), "empty"),
                 ("two lines", lambda: self.stage.secret("key", "one\ntwo"), "one line")]
        for name, damage, said in cases:
            with self.subTest(secret=name):
                key.unlink(missing_ok=True)
                self.stage.secret("key", good.strip())
                damage()
                done = self.serve(config)
                self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
                self.assertIn("account me", done.stderr)
                self.assertIn(str(key), done.stderr)
                self.assertIn(said, done.stderr)
                self.assertNotIn(good.strip(), done.stderr)
                self.nothing_began("state")

    def test_channels_that_cannot_work(self):
        stage = self.stage
        whole = stage.config().read_text()
        url = str(stage.secret("slack-url", "https://hooks.example.com/services/T0/B0/CANARY"))
        loose = stage.secret("loose", "https://hooks.example.com/services/T0/B0/CANARY")
        loose.chmod(0o644)
        odd = stage.secret("odd", "CANARY is no URL")
        hook = stage.folder / "hook.mustache"
        hook.write_text('{"text": {{title}}}')
        webhook = 'kind = "webhook"\nurl = "https://hooks.example.com/x"\n'
        cases = [("readable by others", f'kind = "slack"\nurl_file = "{loose}"', "url_file", "chmod 600"),
                 ("missing", f'kind = "teams"\nurl_file = "{url}-none"', "url_file", "No such file"),
                 ("no URL", f'kind = "discord"\nurl_file = "{odd}"', "url_file", "a URL holds no spaces"),
                 ("no key", f'{webhook}secret_file = "{odd}"', "secret_file", "whsec_"),
                 ("no old key", f'{webhook}secret_file = "{stage.folder}/hook"\nold_secret_file = "{odd}"',
                  "old_secret_file", "whsec_"),
                 ("no JSON", f'{webhook}format = "template"\ntemplate_file = "{hook}"', "hook.mustache", "JSON"),
                 ("no template", f'{webhook}format = "template"\ntemplate_file = "{hook}-none"', "template_file",
                  "cannot read"),
                 ("no token", f'kind = "pagerduty"\ntoken_file = "{url}-none"', "token_file", "No such file")]
        for name, block, key, said in cases:
            with self.subTest(channel=name):
                path = stage.folder / "channels.toml"
                path.write_text(f'{whole}\n[[channel]]\nname = "extra"\n{block}\n')
                done = self.serve(path)
                self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
                self.assertIn("channel extra", done.stderr)
                self.assertIn(key, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertNotIn("CANARY", done.stderr)
                self.nothing_began("state")

    def test_a_reload_with_faults_changes_nothing(self):
        self.stage.notebook("kept", guest="standin")
        config = self.stage.config(idle="2h")
        self.stage.start_daemon()
        wait_for("the first look", lambda: self.stage.item("kept"))
        before = self.stage.item("kept")
        good = config.read_text()
        config.write_text(good.replace('idle_limit = "2h"', 'idle_limt = "1h"').replace('name = "home"', 'nam = "home"'))
        refused = self.stage.curfew("reload", check=False)
        self.assertEqual(refused.returncode, 10, refused.stderr)
        for word, proposed in (("idle_limt", "idle_limit"), ("nam", "name")):
            self.assertRegex(refused.stderr, rf"{re.escape(str(config))}:\d+:\d+: unknown key `{word}`.*did you mean `{proposed}`")
        self.assertIn("old configuration stays in force", refused.stderr)
        refusals = self.stage.log_text().count("event=reload_refused")
        self.stage.daemon.send_signal(signal.SIGHUP)
        wait_for("the refusal of the SIGHUP", lambda: self.stage.log_text().count("event=reload_refused") > refusals, 30)
        after = self.stage.item("kept")
        for member in ("resource", "rule", "mode", "run", "verdict"):
            if member != "run":
                self.assertEqual(before[member], after[member], member)
        self.assertEqual(before["run"]["id"], after["run"]["id"])
        self.assertEqual(self.stage.answer("explain", "kept")["limit"], "2h")
        self.assertEqual([], self.stage.events("config.reloaded"))
        alert = wait_for("an alert about the faulty file", lambda: [a for a in self.stage.answer("alerts")["items"]
                                                                   if a["kind"] == "config"], 10)[0]
        self.assertIn(str(config), alert["title"])
        config.write_text(good.replace('idle_limit = "2h"', 'idle_limit = "3h"'))
        self.assertEqual(self.stage.curfew("reload").stdout, "reloaded\n")
        wait_for("the new limit", lambda: self.stage.answer("explain", "kept")["limit"] == "3h", 30)
        self.assertEqual(len(self.stage.events("config.reloaded")), 1)
        self.assertEqual([], [a for a in self.stage.answer("alerts")["items"] if a["kind"] == "config"])
        key = self.stage.folder / "key"
        key.chmod(0o644)
        self.assertEqual(self.stage.curfew("reload", check=False).returncode, 10)
        key.chmod(0o600)
        config.write_text(good.replace('idle_limit = "2h"', 'idle_limit = "4h"'))
        self.stage.daemon.send_signal(signal.SIGHUP)
        wait_for("the limit of the SIGHUP", lambda: self.stage.answer("explain", "kept")["limit"] == "4h", 30)
        self.assertEqual(self.stage.stop_daemon(), 0)

    def test_signals_that_were_blocked_before_it_began(self):
        config = self.stage.folder / "curfew.toml"
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
        try:
            self.stage.config()
            self.stage.start_daemon()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        config.write_text(config.read_text() + "# again\n")
        self.stage.daemon.send_signal(signal.SIGHUP)
        wait_for("the SIGHUP", lambda: self.stage.events("config.reloaded"), 30)
        self.assertEqual(self.stage.stop_daemon(), 0)


class Databases(StageTest):
    def setUp(self):
        self.stage = self.open_stage(guests="standin", speed=20)
        self.config = self.stage.config(idle="2h")
        self.state = self.stage.folder / "state"
        self.database = self.state / "curfew.db"

    def start_in_vain(self):
        daemon = self.stage.start_daemon(wait=False)
        return daemon.wait(60)

    def test_a_second_daemon(self):
        self.stage.start_daemon()
        first = self.stage.daemon
        other = self.stage.folder / "other.toml"
        other.write_text(self.config.read_text().replace("api.sock", "b.sock").replace("admin.sock", "c.sock"))
        for config in (self.config, other):
            done = run(programs("curfewd"), "--config", str(config))
            self.assertEqual(done.returncode, EX_TEMPFAIL, done.stderr)
            self.assertIn(f"process {first.pid}", done.stderr)
        self.assertFalse((self.stage.folder / "b.sock").exists())
        self.assertEqual(self.stage.curfew("status").returncode, 0)
        # Another state_dir, but the same sockets: nobody's socket is taken away.
        other.write_text(self.config.read_text().replace(str(self.state), str(self.stage.folder / "state2")))
        done = run(programs("curfewd"), "--config", str(other))
        self.assertEqual(done.returncode, EX_TEMPFAIL, done.stderr)
        self.assertEqual(self.stage.curfew("status").returncode, 0)

    def test_a_database_held_by_somebody_else(self):
        self.stage.start_daemon()
        self.assertEqual(self.stage.stop_daemon(), 0)
        shell = sqlite3.connect(self.database, isolation_level=None)
        shell.execute("PRAGMA locking_mode = EXCLUSIVE")
        shell.execute("BEGIN EXCLUSIVE")
        self.assertEqual(self.start_in_vain(), EX_TEMPFAIL)
        self.assertIn(str(os.getpid()), self.stage.log_text())
        shell.execute("COMMIT")
        shell.close()
        self.stage.start_daemon()

    def test_a_database_of_another_program(self):
        self.state.mkdir(mode=0o700)
        foreign = sqlite3.connect(self.database)
        foreign.execute("CREATE TABLE recipes (name TEXT)")
        foreign.execute("INSERT INTO recipes VALUES ('soup')")
        foreign.commit()
        foreign.close()
        before = self.database.read_bytes()
        self.assertEqual(self.start_in_vain(), EX_CONFIG)
        self.assertIn("another program", self.stage.log_text())
        self.assertEqual(self.database.read_bytes(), before)
        self.assertFalse((self.stage.folder / "api.sock").exists())

    def test_a_database_of_a_newer_curfew(self):
        self.stage.start_daemon()
        self.assertEqual(self.stage.stop_daemon(), 0)
        database = sqlite3.connect(self.database)
        database.execute("PRAGMA user_version = 9999")
        database.close()
        self.assertEqual(self.start_in_vain(), EX_CONFIG)
        self.assertIn("newer Curfew", self.stage.log_text())

    def test_a_damaged_database_is_moved_aside(self):
        self.stage.notebook("after", guest="standin")
        self.stage.start_daemon()
        wait_for("the first look", lambda: self.stage.item("after"))
        self.stage.curfew("keep", "after", "--for", "1h")
        self.assertEqual(self.stage.stop_daemon(), 0)
        for with_backup in (True, False):
            with self.subTest(backup=with_backup):
                whole = self.database.read_bytes()
                if not with_backup:
                    (self.state / "curfew.db.backup").unlink()
                damaged = bytearray(whole)
                damaged[4096:] = os.urandom(len(whole) - 4096)
                self.database.write_bytes(damaged)
                self.stage.start_daemon()
                aside = [p for p in self.state.iterdir() if ".corrupt-" in p.name and p.read_bytes()[:100] == bytes(damaged[:100])]
                self.assertTrue([p for p in aside if p.read_bytes() == bytes(damaged)], list(self.state.iterdir()))
                alerts = self.stage.answer("alerts")["items"]
                found = [a for a in alerts if "damaged" in a["title"] and a["severity"] == "critical"]
                self.assertEqual(len(found), 1, alerts)
                self.assertIn("corrupt-", found[0]["title"])
                self.assertIn("damaged", self.stage.curfew("alerts").stdout)
                wait_for("the account to be seen again", lambda: (self.stage.item("after") or {}).get("billing"))
                audit = [f for f in self.stage.answer_of("doctor")["items"] if f["what"] == "audit"]
                self.assertTrue(audit[0]["good"], audit)
                wait_for("the mail about it", lambda: [s for s in self.stage.mail.subjects() if "damaged" in s], 30)
                self.assertEqual(self.stage.stop_daemon(), 0)
                self.assertEqual(stat.S_IMODE(self.database.stat().st_mode), 0o600)
                for path in self.state.iterdir():
                    if ".corrupt-" in path.name:
                        path.unlink()

    def test_sums_of_days_that_are_not_those_of_their_rows(self):
        self.stage.start_daemon()
        self.assertEqual(self.stage.stop_daemon(), 0)
        database = sqlite3.connect(self.database)
        database.execute("INSERT INTO cost_day VALUES (1700000000000, 1, 1, 5000000000, 0, 0, 0, 0, 1)")
        database.commit()
        database.close()
        self.stage.start_daemon()
        for good, words in ((False, "made anew"), (True, "those of their rows")):  # found, mended, and not found again
            ledger = [f for f in self.stage.answer_of("doctor")["items"] if f["what"] == "ledger"]
            self.assertEqual(len(ledger), 1)
            self.assertEqual(ledger[0]["good"], good)
            self.assertIn(words, ledger[0]["text"])

    def test_garbage_instead_of_a_database(self):
        self.state.mkdir(mode=0o700)
        self.database.write_bytes(b"this is no database" * 1000)
        self.stage.start_daemon()
        self.assertIn("damaged", self.stage.curfew("alerts").stdout)


class Commands(StageTest):
    def test_words_that_mean_nothing(self):
        stage = self.open_stage(guests="standin", speed=20)
        for name in ("train-a", "train-b", "other"):
            stage.notebook(name, guest="standin")
        for words in (["status"], ["keep", "other", "--for", "1h"], ["stop", "other", "--yes"], ["events"], ["reload"]):
            done = stage.curfew(*words, check=False)
            self.assertEqual(done.returncode, 5, words)
            self.assertIn("no daemon answers", done.stderr)
            self.assertEqual(done.stdout, "")
        stage.config(idle="2h")
        stage.start_daemon()
        wait_for("the first look", lambda: len(stage.answer("status")["items"]) == 3)
        cases = [(["status", "--jsn"], 2, "--jsn"), (["frobnicate"], 2, "frobnicate"), ([], 2, "check-config"),
                 (["explain"], 2, "NAME"), (["spend", "--by", "moon"], 2, "moon"), (["spend", "--since", "yesterday"], 2, "yesterday"),
                 (["stop", "other", "--accept-risk", "everything"], 2, "everything"),
                 (["keep", "other"], 2, "--for 2h"), (["keep", "other", "--for", "2 parsecs"], 2, "parsecs"),
                 (["keep", "other", "--for", "30"], 2, "30"), (["keep", "other", "--until", "2001-01-01T00:00:00Z"], 2, "past"),
                 (["keep", "other", "--until", "tomorrow"], 2, "--until"),
                 (["explain", "nothing-like-it"], 3, "train-a"), (["stop", "nothing-like-it", "--yes"], 3, "train-a"),
                 (["pack", "nothing-like-it"], 3, "train-a"), (["events", "nothing-like-it"], 3, "train-a"),
                 (["receipts", "nothing-like-it"], 3, "train-a"), (["receipts", "rcp_0000000000000000"], 3, "curfew receipts"),
                 (["alerts", "ack", "alr_none"], 3, "alr_none"),
                 (["explain", "train-"], 2, "train-b"), (["keep", "train", "--for", "1h"], 2, "train-a")]
        for words, code, said in cases:
            with self.subTest(words=" ".join(words)):
                done = stage.curfew(*words, check=False)
                self.assertEqual(done.returncode, code, done.stderr + done.stdout)
                self.assertIn(said, done.stderr)
                self.assertEqual(done.stdout, "")
        for words in (["--frob"], ["--log-level"], ["extra"]):
            self.assertEqual(run(programs("curfewd"), *words).returncode, 2, words)
        self.assertEqual(stage.curfew("explain", "oth").returncode, 0)
        self.assertEqual(stage.stop_calls(), [])


class Sockets(StageTest):
    def setUp(self):
        self.stage = self.open_stage(guests="standin", speed=20)
        self.notebook = self.stage.notebook("one", guest="standin")
        self.stage.config(idle="2h")
        self.stage.start_daemon()
        self.api = self.stage.folder / "api.sock"
        self.admin = self.stage.folder / "admin.sock"
        wait_for("the first look", lambda: self.stage.item("one"))

    def problem(self, answer, status, exit_code=None):
        self.assertEqual(status_of(answer), status, answer[:300])
        body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        self.assertEqual(body["schema"], "curfew.problem/1")
        if exit_code is not None:
            self.assertEqual(body["exit"], exit_code)
        return body

    def test_who_may_do_what(self):
        for socket_path in (self.api, self.admin):
            self.assertEqual(stat.S_IMODE(socket_path.stat().st_mode), 0o600)
        body = b'{"resource":"one","for":"1h"}'
        post = b"POST /v1/keep HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n" + body
        self.problem(talk(self.api, post % (len(body), b"")), 405, 4)
        for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "FROB"):
            answer = talk(self.api, f"{method} /v1/status HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            self.assertEqual(status_of(answer), 405, method)
        self.problem(talk(self.admin, b"DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"), 405, 2)
        for header in (b"Origin: http://evil.example\r\n", b"Referer: http://evil.example/\r\n", b"Origin: null\r\n"):
            self.problem(talk(self.admin, post % (len(body), header)), 400)
            self.problem(talk(self.api, b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n"), 400)
        plain = b"POST /v1/keep HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" + body
        self.problem(talk(self.admin, plain % len(body)), 400)
        self.assertEqual(self.stage.events("hold.placed"), [])
        status, _ = ask_unix(self.admin, "/v1/status", raw=True)
        self.assertEqual(status, 200)
        status, _ = ask_unix(self.admin, "/v1/keep", "POST", body, {"Content-Type": "application/json"}, raw=True)
        self.assertEqual(status, 200)
        self.assertRegex(self.stage.events("hold.placed")[0]["actor"], r"\(uid \d+\)")

    def test_requests_that_are_none(self):
        cases = [("garbage", bytes(range(256)) * 8, 400), ("no HTTP", b"hello\r\n\r\n", 400), ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"A" * 200, 400),
                 ("header over 8 KiB", b"GET /v1/status HTTP/1.1\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n", 413),
                 ("65 header fields", b"GET /v1/status HTTP/1.1\r\n" + b"X-A: 1\r\n" * 65 + b"\r\n", 400),
                 ("target over 2 KiB", b"GET /v1/" + b"a" * 2100 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
                 ("absolute target", b"GET http://evil.example/v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 400),
                 ("GET with a body", b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400),
                 ("two lengths", b"POST /v1/keep HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
                 ("both lengths", b"POST /v1/keep HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                                  b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
                 ("chunks", b"POST /v1/keep HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", 411),
                 ("no such place", b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", 404),
                 ("a bad length", b"POST /v1/keep HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400)]
        for name, data, status in cases:
            with self.subTest(request=name):
                self.problem(talk(self.api, data), status)
        head = "POST /v1/keep HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        bodies = [("over 64 KiB", b'{"resource":"' + b"a" * 70000 + b'"}', 413), ("no JSON", b"{resource}", 400), ("a list", b"[]", 400),
                  ("deep", b"[" * 30000 + b"]" * 30000, 400), ("wrong types", b'{"resource":["one"],"for":{"a":1}}', 404),
                  ("a number as time", b'{"resource":"one","for":3600}', 400), ("no UTF-8", b'{"resource":"\xff\xfe","for":"1h"}', 400),
                  ("nothing", b"", 404)]
        for name, body, status in bodies:
            with self.subTest(body=name):
                self.problem(talk(self.admin, head.format(len(body)).encode() + body), status)
        self.assertEqual(self.stage.events("hold.placed"), [])
        self.assertEqual(talk(self.api, b""), b"")
        self.assertEqual(self.stage.curfew("status").returncode, 0)

    def test_slow_and_many_clients(self):
        slow = socket.socket(socket.AF_UNIX)
        slow.settimeout(60)
        slow.connect(str(self.api))
        cut = threading.Event()

        def drip():
            try:
                for byte in b"GET /v1/status HTTP/1.1\r\nX-Slow: " + b"a" * 4000:
                    slow.send(bytes([byte]))
                    if cut.wait(0.1):
                        return
            except OSError:
                cut.set()

        threading.Thread(target=drip, daemon=True).start()
        crowd = []
        for _ in range(15):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(60)
            s.connect(str(self.api))
            crowd.append(s)
        with socket.socket(socket.AF_UNIX) as late:  # the seventeenth of one user
            late.settimeout(60)
            late.connect(str(self.api))
            self.assertEqual(late.recv(1), b"")
        for s in crowd:
            s.close()
        wait_for("room for others again", lambda: self.stage.curfew("status", check=False).returncode == 0, 30)
        self.assertTrue(cut.wait(60), "a client that drips bytes was never cut off")
        slow.close()
        self.assertEqual(self.stage.curfew("status").returncode, 0)

    def test_curl(self):
        def curl(*words):
            return run("curl", "--silent", "--show-error", "--unix-socket", *words)

        done = curl(str(self.api), "http://localhost/v1/status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["schema"], "curfew.status/1")
        done = curl(str(self.admin), "--json", '{"resource":"one","for":"1h","reason":"by curl"}', "http://localhost/v1/keep")
        self.assertEqual(json.loads(done.stdout)["reason"], "by curl", done.stdout + done.stderr)
        done = curl(str(self.api), "-i", "http://localhost/v1/status", "http://localhost/v1/version")
        self.assertIn("Cache-Control: no-store", done.stdout)
        self.assertIn("curfew.version/1", done.stdout)


class ObserveIsTheDefault(StageTest):
    def set_out(self, **more):
        stage = self.open_stage(speed=20)
        notebook = stage.notebook("forgotten", files={"a.txt": "a"})
        path = stage.config(idle="40s", ladder=["20s"], **more)
        text = re.sub(r'(?m)^mode = .*\n', "", path.read_text())
        self.assertNotRegex(text, r"(?m)^\s*mode\s*=")
        path.write_text(text)
        # A fault that meets nothing, so that every request to a guest is recorded.
        stage.control("/faults", {"kind": "drop", "match": {"host": "guest", "path": "/no-such-path"}})
        stage.start_daemon()
        return stage, notebook

    def nothing_is_done(self, stage, notebook):
        wait_for("long after the limit", lambda: stage.state()["now_ms"] - stage.start_ms > 240_000 and
                 stage.item("forgotten")["verdict"] == "quiet", 60)
        item = stage.item("forgotten")
        self.assertTrue(item["billing"])
        self.assertEqual(item["mode"], "observe")
        self.assertIsNone(item["stops_at"])
        self.assertEqual(stage.stop_calls(), [])
        self.assertNotEqual(stage.calls(path="/api/kernels", host="guest"), [])
        self.assertEqual(stage.calls(path="/api/shutdown", host="guest"), [])
        self.assertEqual(notebook.refresh()["state"], "Running")
        self.assertEqual(stage.receipts(), [])
        self.assertEqual([s for s in stage.mail.subjects() if "forgotten" in s], [])
        self.assertEqual([k for k in stage.hook.kinds() if k != "budget_threshold"], [])
        kinds = {e["kind"] for e in stage.events()}
        self.assertFalse(kinds & {"enforcement.due", "enforcement.packing", "enforcement.stopping", "stop.called"}, kinds)
        mode = [f for f in stage.answer_of("doctor")["items"] if f["what"] == "mode"]
        self.assertFalse(mode[0]["good"])

    def test_a_rule_only_records(self):
        stage, notebook = self.set_out()
        stage.wait_event("would.stop", notebook.id)
        would = [e["kind"] for e in stage.events() if e["run"] == notebook.id and e["kind"].startswith("would.")]
        self.assertEqual(would, ["would.warn", "would.stop"])
        self.nothing_is_done(stage, notebook)
        self.assertEqual(stage.mail.messages, [])

    def test_a_budget_only_records(self):
        stage, notebook = self.set_out(budget='[[budget]]\nname = "team"\namount = "0.01"\n'
                                              'thresholds = [{ percent = 100, action = "stop" }]\n')
        stage.wait_event("would.stop", notebook.id)
        self.assertEqual(len(stage.events("budget.threshold")), 1)
        self.nothing_is_done(stage, notebook)


if __name__ == "__main__":
    run_tests()
