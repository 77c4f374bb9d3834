"""Who may use which socket, and what the sandbox really keeps from the daemon."""

import fcntl
import json
import pathlib
import socket
import struct

from machine import (ADMIN, API, CONFIG, UNIT, as_user, events, main_pid, run, same, show, systemctl, that)

SIOCSIFADDR = 0x8916

# (user, socket): what reading and what changing gives.
SOCKET_TABLE = {
    ("root", API): (200, 405), ("root", ADMIN): (200, 200),
    ("reader", API): (200, 405), ("reader", ADMIN): ("EACCES", "EACCES"),
    ("chief", API): ("EACCES", "EACCES"), ("chief", ADMIN): (200, 200),
    ("both", API): (200, 405), ("both", ADMIN): (200, 200),
    ("curfew", API): (200, 405), ("curfew", ADMIN): ("EACCES", "EACCES"),
    ("nobody", API): ("EACCES", "EACCES"), ("nobody", ADMIN): ("EACCES", "EACCES"),
}
READ_ROUTES = ("status", "plan", "spend", "budgets", "forecast", "credit", "advice", "receipts", "events", "alerts", "silences",
               "outbox", "rules", "doctor", "version")
CHANGE_ROUTES = ("reload", "poll", "keep", "lease", "exempt", "release", "stop", "pack", "silences", "outbox/retry",
                 "rules/idle/reset", "alerts/1/ack")


def socket_matrix(_):
    """Six kinds of users, two sockets, every route: who may not change things cannot, whatever the route."""
    tried = 0
    for (user, path), (reading, changing) in SOCKET_TABLE.items():
        where = f"{user} on {pathlib.Path(path).name}"
        for route in READ_ROUTES:
            same(as_user(user, path, f"/v1/{route}"), reading, f"{where}, GET {route}")
            tried += 1
        routes = ("poll",) if changing == 200 else CHANGE_ROUTES  # what may be changed is not, but for this
        for route in routes:
            same(as_user(user, path, f"/v1/{route}", "POST", {}), changing, f"{where}, POST {route}")
            tried += 1
        if changing != 200:
            same(as_user(user, path, "/v1/budgets/x", "DELETE"), changing, f"{where}, DELETE")
            tried += 1
    for user, wanted in (("reader", 0), ("nobody", 4), ("chief", 4)):
        same(run("curfew", "status", user=user, check=False).returncode, wanted, f"curfew status of {user}")
    same(run("curfew", "reload", user="reader", check=False).returncode, 4, "curfew reload of reader")
    before = len(events("config.reloaded"))
    run("curfew", "reload", user="chief")
    actors = [e["actor"] for e in events("config.reloaded")[before:]]
    that(len(actors) == 1 and actors[0].startswith("chief (uid "), f"who the audit says it was: {actors}")
    return f"{tried} requests"


def process(_):
    """What the kernel says of the running process."""
    pid = main_pid()
    found = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    same({name: found[name].strip() for name in ("NoNewPrivs", "Seccomp", "CapEff", "CapBnd", "CapAmb")},
         {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0" * 16, "CapBnd": "0" * 16, "CapAmb": "0" * 16}, "/proc/PID/status")
    uid = run("id", "-u", "curfew").stdout.strip()
    same(found["Uid"].split(), [uid] * 4, "users")
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    same(core.split()[4:6], ["0", "0"], "limit of core files")
    environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes() + pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    that(pathlib.Path("/etc/curfew/keys/paperspace").read_bytes().strip() not in environment, "the key is in the environment")


def give_loopback(address):
    """One more address for this container's own loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFADDR, struct.pack("16sH2s4s8x", b"lo:1", socket.AF_INET, b"", socket.inet_aton(address)))


def probe(_):
    """The unit's own sandbox around a program that tries what it must not: all of it works outside, none inside."""
    unit = pathlib.Path(run("systemctl", "show", UNIT, "-P", "FragmentPath").stdout.strip()).read_text()
    lines = []
    for line in unit.splitlines():
        if line.startswith(("ExecStart=", "ExecReload=", "Sockets=", "Wants=", "After=", "Restart", "Type=", "Watchdog",
                            "NotifyAccess=", "MemoryMax=", "MemoryHigh=")):
            continue
        lines.append(line.replace("ExecPaths=", "ExecPaths=/usr/bin/python3 ") if line.startswith("ExecPaths=") else line)
    sandboxed = "\n".join(lines).replace("[Service]", "[Service]\nType=oneshot\nStandardOutput=truncate:/srv/inside.json\n"
                                         "ExecStart=/usr/bin/python3 /curfew/tests/probe.py", 1)
    free = ("[Service]\nType=oneshot\nUser=curfew\nStandardOutput=truncate:/srv/outside.json\n"
            "ExecStart=/usr/bin/python3 /curfew/tests/probe.py\n")
    for folder in ("/etc/probe", "/usr/local/share/probe", "/home/probe"):
        pathlib.Path(folder).mkdir(parents=True)
        run("chown", "curfew:curfew", folder)
    pathlib.Path("/var/tmp/probe-mark").touch()
    give_loopback("169.254.169.254")
    results = {}
    for name, text in (("inside", sandboxed), ("outside", free)):
        pathlib.Path(f"/run/systemd/system/probe-{name}.service").write_text(text)
        systemctl("daemon-reload")
        systemctl("start", f"probe-{name}.service")
        results[name] = json.loads(pathlib.Path(f"/srv/{name}.json").read_text())
    text = run("journalctl", "-o", "cat", "-q", "UNIT=probe-inside.service").stdout
    note = ""
    if "not support BPF/cgroup firewalling" in text:  # of the kernel of this machine
        del results["inside"]["send to the metadata address"]
        note = ", no IP filter on this machine"
    done = 0
    for what, inside in results["inside"].items():
        outside = results["outside"][what]
        if what.startswith("may "):
            same(inside, "worked", what)
            continue
        that(inside != "worked", f"inside the sandbox it can {what}")
        same(outside, "worked", f"the control: {what}")
        done += 1
    return f"{done} things barred{note}"


SANDBOX_CHECKS = [("sockets by user and route", socket_matrix, False), ("the process as the kernel sees it", process, False),
                  ("the sandbox tried out", probe, False)]
