"""A stage for end-to-end tests and the demo: the emulator with real Jupyter Servers, a real SMTP server, a
webhook receiver, and curfewd with its own folder. Everything lives in one temporary folder and ends with it."""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import socketserver
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller

SOURCE = pathlib.Path(__file__).resolve().parents[2]


# A probe takes seconds of real time. A faster clock makes minutes of them, too old for any last look.
NO_PROBE = "[rule.probe]\nenabled = false\n"


# A host that is busy with other things is slow; no test asserts a time, so that waiting longer costs nothing but
# the time until a real failure is reported.
PATIENCE = 3


class Failure(Exception):
    """A check of the stage that did not hold."""


def wait_for(what, check, seconds=60.0, every=0.1):
    """Calls `check` until it returns something true, and returns that. `seconds` are those of an idle host."""
    seconds *= PATIENCE
    until = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > until:
            raise Failure(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(every)


class MailBox:
    """A real SMTP server (aiosmtpd) that keeps what it took."""

    def __init__(self):
        self.messages = []
        self.refuse = None
        box = self

        class Handler:
            async def handle_DATA(self, server, session, envelope):
                if box.refuse:
                    return box.refuse
                box.messages.append(message_from_bytes(envelope.content, policy=policy.default))
                return "250 OK"

        self.held = hold_port()
        self.port = self.held.getsockname()[1]
        self.controller = Controller(Handler(), hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def subjects(self):
        return [str(m["subject"]) for m in self.messages]

    def close(self):
        self.controller.stop()
        self.held.close()


class WebhookReceiver:
    """Takes webhooks and checks their Standard Webhooks signature."""

    def __init__(self, secret):
        self.received = []
        self.bad = []
        self.status = 200
        receiver = self
        key = base64.b64decode(secret.removeprefix("whsec_"))

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
                wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
                good = wanted in self.headers["webhook-signature"].split(" ")
                (receiver.received if good else receiver.bad).append(
                    {"id": self.headers["webhook-id"], **json.loads(body)})
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def kinds(self):
        return [hook["data"]["kind"] for hook in self.received]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def hold_port():
    """A socket whose port is nobody else's until it is closed; servers that set SO_REUSEADDR can listen there."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def ask_json(url, body=None, method=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method or ("POST" if body is not None else "GET"),
                                     headers={"Content-Type": "application/json", **(headers or {})} if data else (headers or {}))
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


class Notebook:
    """One emulated notebook and the Jupyter Server behind it."""

    def __init__(self, stage, made):
        self.stage = stage
        self.repo = made["notebookRepoId"]
        self.update(made)

    def update(self, made):
        self.id = made["id"]
        self.token = made["token"]
        self.fqdn = made["fqdn"]
        self.folder = pathlib.Path(made["folder"]) if made["folder"] else None  # a stand-in has none

    def refresh(self):
        for n in self.stage.state()["notebooks"]:
            if n["notebookRepoId"] == self.repo:
                self.update(n)
                return n
        raise Failure(f"{self.repo} is gone")

    def gpu(self, percent):
        self.stage.control("/metrics", {"repo": self.repo, "gpu": percent})

    def port(self):
        return self.refresh()["jupyter_port"]

    def rest(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=60)
        connection.request(method, path, body=None if body is None else json.dumps(body),
                           headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 400:
            raise Failure(f"{method} {path}: {answer.status} {text[:200]}")
        return json.loads(text) if text else None

    def run_in_kernel(self, code):
        """Starts a kernel and runs `code` in it, without waiting for its end. Returns the kernel's id."""
        kernel = self.rest("POST", "/api/kernels", {"name": "python3"})["id"]
        helper = pathlib.Path(__file__).with_name("run_in_kernel.py")
        subprocess.run(["/usr/bin/python3", str(helper), str(self.port()), self.token, kernel],
                       input=code.encode(), check=True, timeout=180, env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
        return kernel

    def kernel_states(self):
        return [k["execution_state"] for k in self.rest("GET", "/api/kernels?no_track_activity=1")]


class Stage:
    """`speed` times faster than real time; with 1 the clocks are the real ones. The provider's and the daemon's are
    `shift_ms` ahead of those in the notebooks."""

    def __init__(self, binaries, speed=1, guests="real", keep=False, boot_ms=1000, teardown_ms=2000, shift_ms=0):
        self.binaries = pathlib.Path(binaries)
        self.speed = speed
        self.keep_folder = keep
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="curfew-stage-"))
        self.folder.chmod(0o755)
        self.start_ms = int(time.time() * 1000)
        self.origin_ms = self.start_ms + shift_ms
        self.processes = []
        self.daemon = None
        self.log = open(self.folder / "curfewd.log", "ab")
        self.mail = MailBox()
        self.hook_secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        self.hook = WebhookReceiver(self.hook_secret)
        arguments = [str(self.binaries / "curfew-emulator"), "--state-dir", str(self.folder / "emulator"),
                     "--prices", str(SOURCE / "config/prices/paperspace.csv"), "--guests", guests,
                     "--boot-ms", str(boot_ms), "--teardown-ms", str(teardown_ms), *self.clock("--speed", "--origin", "--start-real")]
        with open(self.folder / "emulator.log", "ab") as log:
            self.emulator = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log)
        self.processes.append(self.emulator)
        line = self.emulator.stdout.readline()
        if not line:
            raise Failure("the emulator did not start: " + (self.folder / "emulator.log").read_text())
        self.urls = json.loads(line)
        self.secret("key", self.urls["key"])
        self.secret("hook", self.hook_secret)

    def clock(self, speed, origin, start):
        if self.speed == 1 and self.origin_ms == self.start_ms:
            return []
        return [speed, str(self.speed), origin, str(self.origin_ms), start, str(self.start_ms)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.emulator.stdout.close()
        self.mail.close()
        self.hook.close()
        self.last_words = self.log_text()[-6000:]
        self.log.close()
        if not self.keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the emulator

    def control(self, path, body=None, method=None):
        return ask_json(self.urls["control"] + path, body, method)

    def state(self):
        return self.control("/state")

    def invoice(self):
        return self.control("/invoice")

    def calls(self, **query):
        return self.control("/calls?" + urllib.parse.urlencode(query))["calls"]

    def stop_calls(self):
        return self.calls(path="stopNotebook")

    def notebook(self, name, machine_type="A4000", files=None, gpu=0, **more):
        made = self.control("/notebooks", {"name": name, "machineType": machine_type, "files": files or {}, "start": True,
                                           "wait": True, **more})
        notebook = Notebook(self, made)
        if gpu is not None and machine_type != "C5":
            notebook.gpu(gpu)
        return notebook

    # ---- curfewd

    def secret(self, name, text):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text + "\n")
        return path

    def v(self, real_seconds):
        """Real seconds as a duration of the configuration, within its bounds."""
        return f"{min(300, max(1, int(real_seconds * self.speed)))}s"

    def config(self, rule="", budget="", account="", mode="enforce", channels=True, vault=True, more="", idle="6s", ladder=None,
               min_notice="1s", settle="1s", start_grace="0s", key="key"):
        ladder = ladder if ladder is not None else ["3s"]
        words = [f"""
[daemon]
mode = "{mode}"
state_dir = "{self.folder}/state"
api_socket = "{self.folder}/api.sock"
admin_socket = "{self.folder}/admin.sock"
price_file = "{SOURCE}/config/prices/paperspace.csv"
public_name = "stage.example"
{more}

[[account]]
name = "me"
key_file = "{self.folder}/{key}"
v1_url = "{self.urls['v1']}"
legacy_url = "{self.urls['legacy']}"
guest_connect = "{self.urls['guest_connect_tls']}"
metrics_connect = "{self.urls['metrics_connect']}"
ca_file = "{self.urls['ca_file']}"
poll_interval = "{self.v(1)}"
request_timeout = "{self.v(20)}"
list_timeout = "{self.v(30)}"
{account}

[[rule]]
name = "idle"
mode = "{mode}"
idle_limit = "{idle}"
ladder = {json.dumps(ladder)}
min_notice = "{min_notice}"
start_grace = "{start_grace}"
{rule}
{"" if "[rule.probe]" in rule or self.speed == 1 else NO_PROBE}
[rule.pack]
settle = "{settle}"
"""]
        if vault:
            words.append(f'[[vault]]\nname = "home"\npath = "{self.folder}/vault"\n')
        if channels:
            words.append(f"""
[[channel]]
name = "mail"
kind = "mail"
host = "127.0.0.1"
port = {self.mail.port}
security = "none"
from = "curfew@stage.example"
to = ["ana@example.org"]

[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{self.hook.port}/hook"
secret_file = "{self.folder}/hook"
allow_private = true
""")
        if "[alerts]" not in budget:
            words.append('[alerts]\ngroup_wait = "0s"\ngroup_interval = "0s"\nper_hour = 1000\n')
        words.append(budget)
        path = self.folder / "curfew.toml"
        path.write_text("\n".join(words))
        return path

    def start_daemon(self, *more, wait=True):
        (self.folder / "ready").unlink(missing_ok=True)
        arguments = [str(self.binaries / "curfewd"), "--config", str(self.folder / "curfew.toml"), "--log-level", "debug",
                     *self.clock("--clock-speed", "--clock-origin", "--clock-start"), *more]
        # A Ctrl-C is for whoever runs it, who then ends the daemon.
        self.daemon = subprocess.Popen(arguments, stdout=self.log, stderr=self.log, process_group=0,
                                       env={**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")})
        self.processes.append(self.daemon)
        if wait:
            def answers():
                if self.daemon.poll() is not None:
                    raise Failure(f"curfewd ended with {self.daemon.returncode}: {self.log_text()[-2000:]}")
                return self.curfew("version", check=False).returncode == 0 and self.curfew("status", "--json", check=False).returncode == 0
            wait_for("curfewd to answer", answers, 30)
        return self.daemon

    def stop_daemon(self, how=signal.SIGTERM):
        self.daemon.send_signal(how)
        return self.daemon.wait(120)

    def log_text(self):
        self.log.flush()
        return (self.folder / "curfewd.log").read_text(errors="replace")

    def curfew(self, *arguments, check=True, text=True, env=None):
        done = subprocess.run([str(self.binaries / "curfew"), "--socket", f"{self.folder}/api.sock", "--admin-socket",
                               f"{self.folder}/admin.sock", *arguments], capture_output=True, text=text, timeout=120,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        if check and done.returncode != 0:
            raise Failure(f"curfew {' '.join(arguments)}: exit {done.returncode}: {done.stderr}{done.stdout}")
        return done

    def answer(self, *arguments):
        return json.loads(self.curfew(*arguments, "--json").stdout)

    def answer_of(self, what):
        """Like `answer`, straight from the socket: also for commands whose exit code tells of findings."""
        return ask_unix(self.folder / "api.sock", f"/v1/{what}")

    def open_intents(self):
        """Read from a copy of the database, since the daemon holds its own alone."""
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-wal"):
                if (self.folder / f"state/curfew.db{suffix}").exists():
                    shutil.copy(self.folder / f"state/curfew.db{suffix}", f"{folder}/copy.db{suffix}")
            database = sqlite3.connect(f"{folder}/copy.db")
            rows = database.execute("SELECT i.act, i.run FROM intent i LEFT JOIN outcome o ON o.intent = i.id"
                                    " WHERE o.intent IS NULL").fetchall()
            database.close()
        return rows

    def item(self, name):
        for item in self.answer("status")["items"]:
            if item["name"] == name:
                return item
        return None

    def events(self, kind=None):
        rows = []
        after = 0
        while True:
            page = ask_unix(self.folder / "api.sock", f"/v1/events?limit=1000&after={after}")
            rows += page["items"]
            if page["next"] is None:
                break
            after = page["next"]
        return [r for r in rows if kind is None or r["kind"] == kind]

    def wait_event(self, kind, run=None, seconds=60):
        return wait_for(f"event {kind} of {run}",
                        lambda: [e for e in self.events(kind) if run is None or e["run"] == run], seconds)[0]

    def receipts(self):
        return self.answer("receipts")["items"]

    def check_receipt(self, receipt):
        """sha256sum -c accepts the copy; returns the number of files."""
        files = pathlib.Path(receipt["proofs"][0]["locator"]) / "files"
        if receipt["files"] == 0:
            return 0
        done = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "../SHA256SUMS"], cwd=files, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"sha256sum -c: {done.stdout}{done.stderr}")
        return receipt["files"]


def ask_unix(path, target, method="GET", body=None, headers=None, raw=False):
    """One request over a Unix socket, as curl --unix-socket would make it."""
    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(60)
            self.sock.connect(str(path))

    connection = Connection("localhost")
    connection.request(method, target, body=body, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if raw:
        return answer.status, text
    if answer.status != 200:
        raise Failure(f"{target}: {answer.status} {text[:300]}")
    return json.loads(text)


def money(value):
    """Nano-units of {"amount": "12.340000000"} or of such a text."""
    text = value["amount"] if isinstance(value, dict) else value
    whole, _, fraction = text.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * 10**9 + int((fraction + "0" * 9)[:9]))


def tls_context(ca_file):
    return ssl.create_default_context(cafile=ca_file)


class StageTest(unittest.TestCase):
    """A test that may open stages; when it fails, the end of each daemon's log is shown."""

    def open_stage(self, **options):
        stage = Stage(os.environ["CURFEW_BIN"], **options)
        self.addCleanup(stage.close)
        self.stages.append(stage)
        return stage

    def run(self, result=None):
        self.stages = []
        bad = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > bad:
            for stage in self.stages:
                print(f"the end of curfewd's log in {self.id()}:\n{stage.last_words}", file=sys.stderr)
        return result


def run_tests():
    """The main program of a test file: --bin DIR or CURFEW_BIN, then what unittest takes."""
    if "--bin" in sys.argv:
        at = sys.argv.index("--bin")
        os.environ["CURFEW_BIN"] = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    if not os.environ.get("CURFEW_BIN"):
        sys.exit("say where the programs are: --bin DIR, or CURFEW_BIN")
    os.environ["CURFEW_BIN"] = os.path.abspath(os.environ["CURFEW_BIN"])
    unittest.main(verbosity=2)
