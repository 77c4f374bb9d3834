"""The life of the service: start, watchdog, kills, reloads, faults of configuration and credentials, a full disk, the end."""

import os
import pathlib
import signal
import sqlite3
import subprocess

from machine import (API, CONFIG, KEY, SOCKETS, STATE, UNIT, account_works, ask, config_text, count_starts, doctor, events,
                     is_state, journal, main_pid, read, run, said, same, show, systemctl, that, value, wait_for)

BAD = "\n[[rule]]\nname = \"idle\"\nidle_limt = \"5s\"\n"  # the name twice, and a key that is none


def is_new(pid):
    return wait_for("another process to be up", lambda: main_pid() not in (0, pid) and is_state("active", "running") and main_pid())


def activation(_):
    """The sockets alone are there, and the first question starts the daemon and is answered."""
    systemctl("start", *SOCKETS)
    same(show()["ActiveState"], "inactive", UNIT)
    done = run("curfew", "status", user="reader")
    that("lab" in done.stdout or done.stdout, done.stdout)
    same(show()["ActiveState"], "active", UNIT)
    account_works()


def readiness(_):
    """While the database is somebody else's the start is under way, and what is asked meanwhile waits and is answered."""
    systemctl("stop", UNIT)
    holder = sqlite3.connect(STATE / "curfew.db", isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    start = subprocess.Popen(["systemctl", "start", UNIT])

    def waits_for_database():
        folder = pathlib.Path(f"/proc/{main_pid()}/fd")
        try:
            return any(os.readlink(fd).endswith("/curfew.db") for fd in folder.iterdir())
        except OSError:
            return False

    wait_for("the daemon to open the database", waits_for_database)
    question = subprocess.Popen(["curfew", "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    same(show()["ActiveState"], "activating", "before READY")
    same((start.poll(), question.poll()), (None, None), "what waits")
    holder.close()
    same(start.wait(60), 0, "systemctl start")
    same(show()["ActiveState"], "active", "after READY")
    same(question.wait(60), 0, "the question asked before")
    that(said("event=ready"), "the journal does not say that it is ready")


def two_daemons(_):
    """A second service on the same database is refused, names the first, and is not tried again."""
    text = pathlib.Path(run("systemctl", "show", UNIT, "-P", "FragmentPath").stdout.strip()).read_text()
    second = pathlib.Path("/run/systemd/system/second.service")
    second.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("Sockets=", "Wants=", "After="))) +
                      f"\n[Service]\nLoadCredential=paperspace:{KEY}\n")
    systemctl("daemon-reload")
    pid = main_pid()
    that(systemctl("start", "second.service", check=False).returncode != 0, "a second daemon started")
    now = show("second.service")
    same((now["ActiveState"], now["ExecMainStatus"], now["NRestarts"]), ("failed", "75", "0"), "the second")
    text = run("journalctl", "-o", "cat", "-q", "_SYSTEMD_UNIT=second.service").stdout
    that(str(pid) in text, "it does not say who holds the database: " + text)
    same((main_pid(), ask(API, "/v1/status")[0]), (pid, 200), "the first")
    second.unlink()
    systemctl("daemon-reload")
    systemctl("reset-failed", check=False)


def watchdog(_):
    """A daemon that hangs is ended and started again, with all that it knew."""
    before, pid = events(), main_pid()
    restarts = int(value("NRestarts"))
    os.kill(pid, signal.SIGSTOP)
    is_new(pid)
    same(int(value("NRestarts")), restarts + 1, "restarts")
    text = run("journalctl", "-o", "cat", "-q", f"UNIT={UNIT}", "_PID=1").stdout
    that("Watchdog timeout" in text and "'watchdog'" in text, text[-500:])
    same(events()[:len(before)], before, "the audit from before")


def of_quiet(stage, kind=None):
    return [e for e in events(kind) if e["run"] == stage.quiet["id"]]


def enforcement_goes_on(stage):
    """Killed between warning and stop: the next process packs it, and calls its stop."""
    wait_for("the enforcement to begin", lambda: [e for e in of_quiet(stage) if e["kind"].startswith("enforcement.")])
    pid, began = main_pid(), len(of_quiet(stage))
    at = of_quiet(stage)[-1]["kind"]
    os.kill(pid, signal.SIGKILL)
    is_new(pid)
    that(len(of_quiet(stage)) >= began, "what was recorded before the kill is gone")
    wait_for("the stop call", lambda: of_quiet(stage, "stop.called"))
    receipts = [r for r in read("/v1/receipts")["items"] if r["run"] == stage.quiet["id"]]
    same([r["files"] for r in receipts], [1], "files in receipts")
    return f"killed after {at}"


def enforcement_ended(stage):
    """The restarts since, while the stop was to be confirmed, changed nothing: one call, one end."""
    wait_for("the stop to be confirmed", lambda: of_quiet(stage, "enforcement.stopped"))
    same(len(stage.emulator.stop_calls(stage.quiet["id"])), 1, "stop calls")
    that(stage.emulator.state_of(stage.quiet["notebookRepoId"]) != "Running", "the notebook runs")
    same(len(of_quiet(stage, "enforcement.stopped")), 1, "ends of the enforcement")
    same([f["good"] for f in doctor("audit")], [True], "the audit's chain")


def config_alerts():
    return [a for a in read("/v1/alerts")["items"] if a["kind"] == "config"]


def rule_names():
    return {r["name"] for r in read("/v1/rules")["items"]}


def reloads(stage):
    """A faulty file changes nothing and is told in three places; a good one is in force, and they are clean again."""
    pid, good = main_pid(), value("StatusText")
    that("watching 1 account" in good, good)
    CONFIG.write_text(config_text(stage.emulator.urls) + BAD)
    checked = run("curfew", "check-config", str(CONFIG), check=False)
    same(checked.returncode, 10, "check-config")
    that("idle_limt" in checked.stderr + checked.stdout, checked.stderr)
    systemctl("reload", UNIT)
    wait_for("the status line to tell", lambda: "faults" in value("StatusText"))
    wait_for("the alert", config_alerts)
    wait_for("the state to be as before", lambda: is_state("active", "running"))
    same((main_pid(), rule_names()), (pid, {"idle"}), "process and rules in force")
    by_hand = run("curfew", "reload", check=False)
    same(by_hand.returncode, 10, "curfew reload")
    that("idle_limt" in by_hand.stderr + by_hand.stdout, "the fault is not shown")

    CONFIG.write_text(config_text(stage.emulator.urls) + '\n[[rule]]\nname = "other"\n[rule.match]\nnames = ["nobody"]\n')
    systemctl("reload", UNIT)
    wait_for("the new rule", lambda: rule_names() == {"idle", "other"})
    wait_for(lambda: f"the status line to be as before ({value('StatusText')})", lambda: value("StatusText") == good, 10)
    same((main_pid(), config_alerts()), (pid, []), "process and alerts")

    # The other way to ask for it leaves the same words.
    CONFIG.write_text(config_text(stage.emulator.urls) + BAD)
    same(run("curfew", "reload", check=False).returncode, 10, "curfew reload")
    wait_for("the status line to tell of a reload by hand", lambda: "faults" in value("StatusText"), 10)
    CONFIG.write_text(config_text(stage.emulator.urls))
    run("curfew", "reload")
    same((rule_names(), config_alerts()), ({"idle"}, []), "rules and alerts")
    wait_for("the status line to be as before", lambda: value("StatusText") == good, 10)


def bad_configuration(stage):
    """Exit 78, for good, with every fault in the journal; who asks is answered and starts it once more, not for ever."""
    CONFIG.write_text(config_text(stage.emulator.urls) + BAD)
    restarts = value("NRestarts")
    that(systemctl("restart", UNIT, check=False).returncode != 0, "it started")
    now = show()
    same((now["ActiveState"], now["SubState"], now["ExecMainStatus"]), ("failed", "failed", "78"), UNIT)
    same(value("NRestarts"), "0", f"restarts (before: {restarts})")
    that(said("idle_limt"), "the journal does not name the fault")
    for socket in SOCKETS:
        same(show(socket)["SubState"], "listening", socket)
    before = count_starts()
    for _ in range(5):
        asked = run("curfew", "status", check=False)
        same(asked.returncode, 5, "curfew status without a daemon")
        that("journalctl -u curfewd" in asked.stderr, asked.stderr)
        wait_for("the end of that start", lambda: is_state("failed"))
    that(count_starts() - before <= 5, lambda: f"{count_starts() - before} starts for 5 questions")
    CONFIG.write_text(config_text(stage.emulator.urls))
    same(run("curfew", "status").returncode, 0, "once the file is mended")
    same(show()["ActiveState"], "active", UNIT)


def missing_credential(_):
    """Status 243, tried again at the unit's pace, and up by itself once the file is there; a question waits for that."""
    aside = KEY.with_suffix(".aside")
    KEY.rename(aside)
    that(systemctl("restart", UNIT, check=False).returncode != 0, "it started")
    same(value("ExecMainStatus"), "243", "the status")
    before, restarts = count_starts(), int(value("NRestarts"))
    question = subprocess.Popen(["curfew", "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("more tries", lambda: int(value("NRestarts")) >= restarts + 3)
    that(count_starts() - before <= int(value("NRestarts")) - restarts + 2,
         lambda: f"{count_starts() - before} starts while NRestarts went from {restarts} to {value('NRestarts')}")
    same(question.poll(), None, "the question that waits")
    aside.rename(KEY)
    wait_for("the service to come up by itself", lambda: is_state("active", "running"))
    same(question.wait(60), 0, "the question that waited")
    account_works()


def rotated_credential(_):
    """systemd hands a credential over at the start: a reload keeps the key in force, a restart takes the new one."""
    key = KEY.read_text()
    KEY.write_text("revoked-" + key)
    run("curfew", "reload")
    run("curfew", "reload")
    account_works()
    systemctl("restart", UNIT)
    wait_for("the wrong key to be refused", lambda: [f for f in doctor("account lab") if not f["good"] and "401" in f["text"]])
    KEY.write_text(key)
    systemctl("restart", UNIT)
    account_works()
    for entry in journal():
        that(key.strip() not in str(entry.get("MESSAGE")), "the key is in the journal")


def rotated_file(stage):
    """A key in a file of the daemon's own is taken at a reload."""
    own = KEY.with_name("own")
    right = KEY.read_text()
    own.touch(mode=0o600)
    own.write_text(right)
    run("chown", "curfew:curfew", str(own))
    text = config_text(stage.emulator.urls).replace("credential:paperspace", str(own))
    CONFIG.write_text(text)
    run("curfew", "reload")
    account_works()
    own.write_text("revoked\n")
    run("curfew", "reload")
    wait_for("the wrong key to be refused", lambda: [f for f in doctor("account lab") if not f["good"] and "401" in f["text"]])
    own.write_text(right)
    run("curfew", "reload")
    account_works()
    own.chmod(0o644)
    refused = run("curfew", "reload", check=False)
    that(refused.returncode == 10 and "chmod 600" in refused.stderr + refused.stdout, refused.stderr + refused.stdout)
    CONFIG.write_text(config_text(stage.emulator.urls))
    run("curfew", "reload")
    own.unlink()


def full_state_folder(_):
    """Nothing can be written: it answers, says so, damages nothing, and goes on by itself once there is room."""
    systemctl("stop", UNIT)
    run("mount", "-t", "tmpfs", "-o", "size=6m,mode=0700,uid=curfew,gid=curfew", "tmpfs", str(STATE))
    filler = STATE / "filler"
    try:
        systemctl("start", UNIT)
        account_works()
        kept = events()
        with open(filler, "wb", buffering=0) as file:
            for size in (1 << 16, 4096):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    pass

        def degraded():
            return [d for d in read("/v1/status")["degraded"] if "full" in d["why"]]

        wait_for("status to say that the disk is full", degraded)
        pid = main_pid()
        that(any(int(e["PRIORITY"]) <= 3 for e in said("disk is full")), "the journal has no error of it")
        that(ask("/run/curfew/admin.sock", "/v1/reload", "POST", {})[0] != 200, "a change was taken that is not on disk")
        same(main_pid(), pid, "the process")
        # Nothing can be started there either; that is said, and tried again until it works.
        before = len(journal())
        that(systemctl("restart", UNIT, check=False).returncode != 0, "it started on a full disk")
        that([e for e in said("the disk is full", before) if int(e["PRIORITY"]) == 2], "the journal does not say why")
        wait_for("more tries", lambda: int(value("NRestarts")) >= 2)
        filler.unlink()
        wait_for("the service to come up by itself", lambda: is_state("active", "running"))
        wait_for("what is seen to be written again", lambda: not degraded() and account_works())
        run("curfew", "reload")
        same(events()[:len(kept)], kept, "the audit from before")
        same([f["good"] for f in doctor("audit") + doctor("ledger")], [True, True], "audit and ledger")
        systemctl("stop", UNIT)
        database = sqlite3.connect(STATE / "curfew.db")
        same(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "integrity_check")
        database.close()
    finally:
        systemctl("stop", UNIT)
        run("umount", str(STATE))
        systemctl("start", UNIT)


def ends_in_order(stage):
    """SIGTERM with a stop call under way: STOPPING, the call's answer is stored, exit 0, not started again."""
    made = stage.emulator.notebook("late", guest="standin")
    stage.emulator.control("/faults", {"kind": "delay", "ms": 2500, "match": {"path": "stopNotebook"}, "count": 1})
    wait_for("the notebook to be seen running",
             lambda: [i for i in read("/v1/status")["items"] if i["name"] == "late" and i["state"] == "running"])
    run("curfew", "stop", "late", "--yes", "--no-pack", "--accept-risk", "unpacked-outputs", "--accept-risk", "kills-busy-kernel")
    wait_for("the stop call", lambda: stage.emulator.stop_calls(made["id"]))
    os.kill(main_pid(), signal.SIGTERM)  # not by systemd, which would know by itself
    wait_for("STOPPING to reach systemd", lambda: is_state("deactivating"), 5, 0.01)
    wait_for("the end", lambda: is_state("inactive", "dead"))
    now = show()
    same((now["Result"], now["ExecMainStatus"], now["ExecMainCode"]), ("success", "0", "1"), "the end")
    that(said("event=stopped"), "the journal does not say so")
    that(not (STATE / "curfew.db-wal").exists(), "the write-ahead log was not written back")
    systemctl("start", UNIT)
    same(len(stage.emulator.stop_calls(made["id"])), 1, "stop calls")
    called = [e["kind"] for e in events() if e["run"] == made["id"] and e["kind"].startswith("stop.")]
    same(called.count("stop.called"), 1, f"rows of the call among {called}")
    wait_for("the stop to be confirmed", lambda: [e for e in events("enforcement.stopped") if e["run"] == made["id"]])
    same(len(stage.emulator.stop_calls(made["id"])), 1, "stop calls after all")
    systemctl("stop", UNIT)
    same((value("Result"), value("ExecMainStatus")), ("success", "0"), "a stop by systemd")
    systemctl("start", UNIT)


def journal_priorities(_):
    """The journal knows news from errors: `journalctl -p err` shows what is wrong and nothing else."""
    for text, wanted in (("event=ready", 6), ("event=stopped", 6), ("event=reload_refused", 3), ("idle_limt", 3)):
        found = said(text)
        that(found, f"nothing says {text}")
        same({int(e["PRIORITY"]) for e in found}, {wanted}, text)
    for entry in journal():
        that(not str(entry["MESSAGE"]).startswith("<"), f"a raw priority: {entry['MESSAGE']}")


SERVICE_CHECKS = [
    ("socket activation", activation, True),
    ("an enforcement goes on after SIGKILL", enforcement_goes_on, False),
    ("ready only when it is ready", readiness, False),
    ("two daemons", two_daemons, False),
    ("watchdog", watchdog, False),
    ("the enforcement after SIGKILL ends once", enforcement_ended, False),
    ("reload, bad and good", reloads, False),
    ("bad configuration at start", bad_configuration, False),
    ("missing credential", missing_credential, False),
    ("rotated credential", rotated_credential, False),
    ("rotated key file", rotated_file, False),
    ("full state folder", full_state_folder, False),
    ("ends in order", ends_in_order, False),
    ("journal priorities", journal_priorities, False),
]
