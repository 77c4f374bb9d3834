"""What the checks of inside.py do things with: systemctl, the journal, the sockets as other users, the emulator."""

import errno
import http.client
import http.server
import json
import os
import pathlib
import pwd
import socket
import subprocess
import threading
import time
import urllib.request

UNIT = "curfewd.service"
SOCKETS = ("curfewd-api.socket", "curfewd-admin.socket")
API = "/run/curfew/api.sock"
ADMIN = "/run/curfew/admin.sock"
STATE = pathlib.Path("/var/lib/curfew")
CONFIG = pathlib.Path("/etc/curfew/curfew.toml")
KEY = pathlib.Path("/etc/curfew/keys/paperspace")
DEADLINE = 60
PORT = 8099  # of the receiver of warnings


class Failure(Exception):
    """A check that did not hold."""


def that(held, what):
    if not held:
        raise Failure(what() if callable(what) else what)


def same(found, wanted, what):
    that(found == wanted, lambda: f"{what}: {found!r}, not {wanted!r}")


def wait_for(what, check, seconds=DEADLINE, every=0.05):
    until = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > until:
            raise Failure(f"waited {seconds} s in vain for: {what() if callable(what) else what}")
        time.sleep(every)


def run(*command, check=True, user=None, **more):
    if user is not None:
        entry = pwd.getpwnam(user)
        more.update(user=entry.pw_uid, group=entry.pw_gid, extra_groups=os.getgrouplist(user, entry.pw_gid))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, **more)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done


# ---- systemd

def systemctl(*arguments, check=True):
    return run("systemctl", *arguments, check=check)


def show(unit=UNIT, *names):
    names = names or ("ActiveState", "SubState", "Result", "MainPID", "NRestarts", "ExecMainStatus", "ExecMainCode",
                      "StatusText", "InvocationID")
    text = systemctl("show", unit, *(f"--property={name}" for name in names)).stdout
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def value(name, unit=UNIT):
    return show(unit, name)[name]


def main_pid():
    return int(value("MainPID"))


def is_state(active, sub=None, unit=UNIT):
    now = show(unit)
    return now["ActiveState"] == active and sub in (None, now["SubState"])


def journal(**fields):
    """Entries of our unit's own processes that have all these fields, oldest first."""
    wanted = [f"{name}={text}" for name, text in fields.items()]
    text = run("journalctl", "-o", "json", "--no-pager", "-q", f"_SYSTEMD_UNIT={UNIT}", *wanted).stdout
    return [json.loads(line) for line in text.splitlines()]


def said(text, since=0):
    """Entries of ours in the journal that contain `text`, from the `since`-th on."""
    return [e for e in journal()[since:] if text in str(e.get("MESSAGE"))]


def count_starts():
    """How often PID 1 began to start the unit."""
    text = run("journalctl", "-o", "cat", "--no-pager", "-q", f"UNIT={UNIT}", "_PID=1").stdout
    return sum(line.startswith("Starting ") for line in text.splitlines())


# ---- our sockets

class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self.path)


def ask(path, target, method="GET", body=None):
    """Status and JSON; an OSError where the socket refuses."""
    connection = UnixConnection(path)
    try:
        connection.request(method, target, None if body is None else json.dumps(body),
                           {} if body is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text.decode(errors="replace")


def read(target):
    status, answer = ask(API, target)
    same(status, 200, f"{target} ({answer})")
    return answer


def as_user(user, path, target, method="GET", body=None):
    """The status that a process of this user gets; "EACCES" and the like where it cannot connect."""
    entry = pwd.getpwnam(user)
    groups = os.getgrouplist(user, entry.pw_gid)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        said_back = "broke"
        try:
            os.setgroups(groups)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
            said_back = str(ask(path, target, method, body)[0])
        except OSError as error:
            said_back = errno.errorcode.get(error.errno, str(error))
        finally:
            os.write(theirs, said_back.encode())
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return int(text) if text.isdigit() else text


def events(kind=None):
    rows, after = [], 0
    while after is not None:
        page = read(f"/v1/events?limit=1000&after={after}")
        rows += page["items"]
        after = page["next"]
    return [r for r in rows if kind is None or r["kind"] == kind]


def doctor(what):
    return [f for f in read("/v1/doctor")["items"] if f["what"] == what]


def account_works():
    return wait_for("the account to be polled with its key",
                    lambda: [f for f in doctor("account lab") if f["good"]])


# ---- the people who are warned: without them nothing is stopped

def take_warnings():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


# ---- the provider

class Emulator:
    def __init__(self, binaries):
        self.words = pathlib.Path("/srv/emulator.json")
        self.words.write_text("")
        run("systemd-run", "--quiet", "--unit=emulator", f"--property=StandardOutput=file:{self.words}",
            str(binaries / "curfew-emulator"), "--state-dir", "/srv/emulator",
            "--prices", "/usr/share/curfew/prices/paperspace.csv", "--boot-ms", "200", "--teardown-ms", "500")
        self.urls = json.loads(wait_for("the emulator to listen", lambda: self.words.read_text().partition("\n")[0]))

    def control(self, path, body=None, method=None):
        request = urllib.request.Request(self.urls["control"] + path, None if body is None else json.dumps(body).encode(),
                                         {"Content-Type": "application/json"} if body is not None else {},
                                         method=method or ("POST" if body is not None else "GET"))
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def notebook(self, name, **more):
        made = self.control("/notebooks", {"name": name, "machineType": "A4000", "start": True, "wait": True, **more})
        self.control("/metrics", {"repo": made["notebookRepoId"], "gpu": 0})
        return made

    def stop_calls(self, run_id):
        calls = self.control("/calls?path=stopNotebook")["calls"]
        return [c for c in calls if c["run"] == run_id]

    def state_of(self, repo):
        return next(n["state"] for n in self.control("/state")["notebooks"] if n["notebookRepoId"] == repo)


def config_text(urls, more="", rule=""):
    return f"""
[daemon]
mode = "enforce"
{more}

[[account]]
name = "lab"
key_file = "credential:paperspace"
v1_url = "{urls['v1']}"
legacy_url = "{urls['legacy']}"
guest_connect = "{urls['guest_connect_tls']}"
metrics_connect = "{urls['metrics_connect']}"
ca_file = "/etc/curfew/emulator.pem"
poll_interval = "1s"

[[vault]]
name = "home"
path = "/var/lib/curfew/vault"

[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{PORT}/"
allow_private = true

[alerts]
group_wait = "0s"
group_interval = "0s"

[[rule]]
name = "idle"
mode = "enforce"
idle_limit = "5s"
ladder = ["2s"]
min_notice = "1s"
start_grace = "0s"
{rule}
[rule.probe]
enabled = false
[rule.pack]
settle = "1s"
"""
