"""What the benchmarks share: an emulator, a curfewd with a quiet configuration, clocks and tables."""

import http.client
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from stage import SOURCE, Failure, Notebook, Stage, ask_unix, wait_for  # noqa: E402, F401

HERE = pathlib.Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
REPEATS = 3


def check(what, good):
    if not good:
        raise Failure(what)


def cpu_seconds(pid):
    """User and system time of a process, dead threads included."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_kib(pid):
    """Peak and present resident memory of a process."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmHWM:", "VmRSS:"))}
    return int(values["VmHWM"]), int(values["VmRSS"])


def median(values):
    return statistics.median(values)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def table(title, head, rows):
    """Numbers to the right, everything as wide as it must be."""
    print(f"\n{title}")
    lines = [head] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for number, line in enumerate(lines):
        cells = [cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(line)]
        print("  " + "  ".join(cells).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))
    sys.stdout.flush()


class Rig(Stage):
    """A stage whose curfewd watches and never acts, polls when it is told to, and logs little."""

    def configure(self, metrics=False, guest_plain=True):
        path = self.folder / "curfew.toml"
        guest = ('guest_url = "http://{fqdn}"\n' + f'guest_connect = "{self.urls["guest_connect_plain"]}"'
                 if guest_plain else f'guest_connect = "{self.urls["guest_connect_tls"]}"')
        path.write_text(f"""
[daemon]
mode = "observe"
state_dir = "{self.folder}/state"
api_socket = "{self.folder}/api.sock"
admin_socket = "{self.folder}/admin.sock"
price_file = "{SOURCE}/config/prices/paperspace.csv"
public_name = "bench.example"

[[account]]
name = "me"
key_file = "{self.folder}/key"
v1_url = "{self.urls['v1']}"
legacy_url = "{self.urls['legacy']}"
metrics_connect = "{self.urls['metrics_connect']}"
ca_file = "{self.urls['ca_file']}"
poll_interval = "1h"
list_timeout = "5m"
metrics = {str(metrics).lower()}
machines = false
{guest}

[[rule]]
name = "idle"
mode = "observe"
idle_limit = "12h"
accept_partial = true
[rule.pack]
settle = "1s"

[[vault]]
name = "home"
path = "{self.folder}/vault"
""")
        return path

    def start(self):
        """curfewd, after its first look at everything."""
        self.daemon = subprocess.Popen(
            [str(self.binaries / "curfewd"), "--config", str(self.folder / "curfew.toml"), "--log-level", "info"],
            stdout=self.log, stderr=self.log)
        self.processes.append(self.daemon)

        def seen():
            if self.daemon.poll() is not None:
                raise Failure(f"curfewd ended with {self.daemon.returncode}: {self.log_text()[-2000:]}")
            if not (self.folder / "admin.sock").exists():
                return False
            try:
                return self.ask("/v1/doctor")["items"] is not None and self.newest_commit() and self.quiet()
            except (OSError, http.client.HTTPException):
                return False
        wait_for("the first poll", seen, 120, 0.2)

    def ask(self, target):
        return ask_unix(self.folder / "api.sock", target)

    def order(self, target, body="{}"):
        return ask_unix(self.folder / "admin.sock", target, "POST", body, {"Content-Type": "application/json"})

    def newest_commit(self):
        """When the write-ahead log was written last: a cycle ends with one commit, and nothing else commits."""
        try:
            found = (self.folder / "state/curfew.db-wal").stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size

    def quiet(self):
        """No CPU time over 0.3 s: whatever was under way has ended."""
        before = cpu_seconds(self.daemon.pid)
        time.sleep(0.3)
        return cpu_seconds(self.daemon.pid) - before < 0.015

    def served(self):
        """Requests that the emulator has answered since its start."""
        return self.control("/calls?count=1&host=none")["total"]

    def cycle(self):
        """One poll cycle: seconds, CPU seconds of curfewd, requests."""
        self.quiet()
        requests, cpu, before = self.served(), cpu_seconds(self.daemon.pid), self.newest_commit()
        begun = time.monotonic()
        self.order("/v1/poll")
        while self.newest_commit() == before:
            time.sleep(0.002)
            check("a cycle takes longer than two minutes", time.monotonic() - begun < 120)
        self.ask("/v1/version")  # answered once the loop has dealt with what it saw
        wall = time.monotonic() - begun
        cpu = cpu_seconds(self.daemon.pid) - cpu
        return wall, cpu, self.served() - requests
