"""The package: what it puts where, an upgrade under a running daemon, and what is left after its end."""

import contextlib
import grp
import pathlib
import pwd
import shutil
import stat
import threading

from machine import (ADMIN, API, CONFIG, KEY, SOCKETS, STATE, UNIT, Emulator, account_works, ask, config_text, doctor, events,
                     main_pid, read, run, same, show, systemctl, take_warnings, that)

DROP_IN = pathlib.Path("/etc/systemd/system/curfewd.service.d/checks.conf")


def mode_of(path):
    info = pathlib.Path(path).stat()
    return f"{stat.S_IMODE(info.st_mode):o} {pwd.getpwuid(info.st_uid).pw_name} {grp.getgrgid(info.st_gid).gr_name}"


def install(package):
    """What other packages do when a file changes (the index of manual pages) is not ours, and slow."""
    run("dpkg", "--no-triggers", "-i", str(package))


def installs(stage):
    """Users, groups and folders are there; nothing runs and nothing is enabled."""
    install(stage.package)
    same(pwd.getpwnam("curfew").pw_shell, "/usr/sbin/nologin", "the user's shell")
    grp.getgrnam("curfew-admin")
    for path, wanted in {STATE: "700 curfew curfew", STATE / "vault": "700 curfew curfew", "/run/curfew": "755 root root",
                         KEY.parent: "700 curfew curfew", "/etc/curfew/conf.d": "755 root root"}.items():
        same(mode_of(path), wanted, path)
    for unit in (UNIT, *SOCKETS):
        same(show(unit)["ActiveState"], "inactive", unit)
        same(systemctl("is-enabled", unit, check=False).stdout.strip(), "disabled", unit)


def as_shipped(_):
    """What the unit says is what systemd made of it."""
    wanted = {"Type": "notify", "NotifyAccess": "main", "Restart": "on-failure", "RestartUSec": "5s",
              "RestartPreventExitStatus": "75 78", "StartLimitIntervalUSec": "0", "User": "curfew", "TimeoutStopUSec": "45s",
              "NoNewPrivileges": "yes", "ProtectSystem": "strict", "StateDirectoryMode": "0700", "LimitCORE": "0",
              "MemoryMax": str(256 << 20), "TasksMax": "32"}
    same(show(UNIT, *wanted), wanted, "the unit")


def set_up(stage):
    """The README's way, with shorter times; the key is a credential."""
    for user, group in (("reader", "curfew"), ("chief", "curfew-admin"), ("both", "curfew")):
        run("useradd", "--system", "--groups", group, user)
    run("usermod", "--append", "--groups", "curfew-admin", "both")
    take_warnings()
    stage.emulator = Emulator(stage.binaries)
    stage.quiet = stage.emulator.notebook("quiet", files={"work.txt": "the work"}, wait=False)
    shutil.copy(stage.emulator.urls["ca_file"], "/etc/curfew/emulator.pem")
    pathlib.Path("/etc/curfew/emulator.pem").chmod(0o644)
    KEY.touch(mode=0o600)
    KEY.write_text(stage.emulator.urls["key"] + "\n")
    CONFIG.write_text(config_text(stage.emulator.urls))
    DROP_IN.parent.mkdir()
    DROP_IN.write_text(f"[Service]\nLoadCredential=paperspace:{KEY}\nWatchdogSec=6\nRestartSec=500ms\n")
    systemctl("daemon-reload")
    systemctl("enable", UNIT, *SOCKETS)
    done = run("curfew", "check-config", str(CONFIG), check=False)
    same(done.returncode, 0, done.stdout + done.stderr)


@contextlib.contextmanager
def asked_all_the_time():
    """The answers (or errors) that somebody gets who asks again and again meanwhile."""
    answers, ended = [], threading.Event()

    def ask_on():
        while not ended.is_set():
            try:
                answers.append(ask(API, "/v1/version")[0])
            except OSError as error:
                answers.append(str(error))
            ended.wait(0.02)

    asker = threading.Thread(target=ask_on)
    asker.start()
    try:
        yield answers
    finally:
        ended.set()
        asker.join()


def newer(stage):
    """The same package as a newer version."""
    tree = pathlib.Path("/srv/newer")
    run("dpkg-deb", "-R", str(stage.package), str(tree))
    control = tree / "DEBIAN/control"
    text = control.read_text()
    old = next(line for line in text.splitlines() if line.startswith("Version: "))
    control.write_text(text.replace(old, old + "+next"))
    run("dpkg-deb", "-Znone", "-b", str(tree), "/srv/newer.deb")
    return "/srv/newer.deb", old.removeprefix("Version: ")


def upgrade(stage):
    """A newer package under a running daemon: a new process, the same database, sockets that never stopped answering."""
    account_works()
    package, old = newer(stage)
    before = events()
    pid = main_pid()
    kept = CONFIG.read_text()
    with asked_all_the_time() as answers:
        install(package)
    that(len(answers) > 3 and set(answers) == {200}, lambda: f"answers during the upgrade: {answers}")
    same(run("dpkg-query", "-W", "-f", "${Version}", "curfew").stdout, old + "+next", "the version")
    for unit in (UNIT, *SOCKETS):
        same(show(unit)["ActiveState"], "active", unit)
    that(main_pid() != pid, "the old process still runs")
    same(ask(API, "/v1/status")[0], 200, "the read socket")
    same(ask(ADMIN, "/v1/poll", "POST", {})[0], 200, "the admin socket")
    same(events()[:len(before)], before, "the audit from before")
    same([f["good"] for f in doctor("audit")], [True], "the audit's chain")
    same(CONFIG.read_text(), kept, "the configuration")
    account_works()


def purge(_):
    """Removal ends the service; purge takes the configuration, and leaves ledger and vault."""
    was = (STATE / "curfew.db").stat().st_ino
    run("dpkg", "--no-triggers", "-r", "curfew")
    for unit in (UNIT, *SOCKETS):
        same(show(unit)["ActiveState"], "inactive", unit)
    that(not pathlib.Path(API).exists() and not pathlib.Path(ADMIN).exists(), "a socket is left")
    links = list(pathlib.Path("/etc/systemd/system").glob("*.wants/curfewd*"))
    same(links, [], "links of enabled units")
    that(CONFIG.exists(), "the configuration went with the package")
    done = run("dpkg", "--no-triggers", "-P", "curfew")
    that("/var/lib/curfew" in done.stdout, "nobody is told that the state is kept")
    that(not CONFIG.exists() and not pathlib.Path("/run/curfew").exists(), "something is left")
    that(KEY.exists(), "the key, which is not the package's, is gone")
    same((STATE / "curfew.db").stat().st_ino, was, "the database")
    that((STATE / "vault").is_dir(), "the vault is gone")


PACKAGE_CHECKS = [("package installs and starts nothing", installs, True), ("unit as shipped", as_shipped, False),
                  ("set up", set_up, True)]
PURGE_CHECKS = [("upgrade under a running daemon", upgrade, False), ("remove and purge keep the state", purge, False)]
