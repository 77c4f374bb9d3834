"""Boots a copy of this machine's root under its own systemd (PID 1 of a container) and runs inside.py there.

    /usr/bin/python3 tests/systemd/boot.py --build build/dev [CHECK...]

The copy is an overlay whose upper half is memory, in namespaces of its own: nothing of this machine changes, and all of
it is gone with this process, however that ends. Only empty cgroups can stay after a SIGKILL, for the next one. 77 and what is missing where a machine cannot do it."""

import argparse
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
SKIP = 77
BOOT_DEADLINE = 60
WHOLE_DEADLINE = 420
CAPABILITIES = "CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
PREFIX = "curfew-test-"

PAYLOAD = """[Unit]
Description=The checks
Wants=basic.target systemd-journald.service dbus.service
After=basic.target systemd-journald.service dbus.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/usr/bin/python3 /curfew/tests/inside.py --bin /curfew/bin --out /curfew/out {checks}
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=append:/curfew/out/log
StandardError=append:/curfew/out/log
"""

TARGET = """[Unit]
Description=Only the checks
Requires=basic.target
Wants=payload.service
AllowIsolate=yes
"""


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIP)


def as_root(arguments):
    """Goes on as root, where that needs no question."""
    if os.geteuid() == 0:
        return
    if shutil.which("sudo") is None or subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode != 0:
        skip("this needs root (or sudo that does not ask)")
    os.execvp("sudo", ["sudo", "-n", "/usr/bin/python3", str(HERE / "boot.py"), *arguments])


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def in_own_namespaces(arguments):
    """Runs the rest of this program where what is mounted was never mounted here, and where all processes die with the
    first, which dies with this one. Returns its exit status."""
    command = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True)
    if tried.returncode != 0:
        skip(f"no namespaces: {tried.stderr.strip()}")
    groups = own_cgroups()
    child = None
    try:
        child = subprocess.Popen([*command, "/usr/bin/python3", str(HERE / "boot.py"), "--inner", *arguments],
                                 stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        return child.wait()
    finally:
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()
        leave_cgroups(groups)


def own_cgroups():
    """Makes and enters a group below the present one in every hierarchy that systemd uses; returns the folders."""
    trees = {"name=systemd": CGROUPS / "systemd", "": CGROUPS / "unified" if (CGROUPS / "unified").is_dir() else CGROUPS}
    made = []
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in trees or not (trees[controllers] / "cgroup.procs").exists():
            continue
        parent = trees[controllers] / path.lstrip("/")
        remove_groups(parent, lambda number: not pathlib.Path(f"/proc/{number}").exists())
        folder = parent / f"{PREFIX}{os.getpid()}"
        try:
            folder.mkdir()
            (folder / "cgroup.procs").write_text(str(os.getpid()))
        except OSError as error:
            skip(f"no cgroup of its own: {error}")
        made.append((parent, folder))
    if not made:
        skip("no cgroups of systemd (neither name=systemd nor version 2)")
    return made


def remove_groups(parent, wanted):
    """Empty groups only: others cannot be removed."""
    for folder in parent.glob(PREFIX + "*"):
        if wanted(folder.name.removeprefix(PREFIX)):
            for path, _, _ in os.walk(folder, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass


def leave_cgroups(made):
    for parent, folder in made:
        (parent / "cgroup.procs").write_text(str(os.getpid()))
        for _ in range(50):
            remove_groups(parent, lambda number: number == str(os.getpid()))
            if not folder.exists():
                break
            time.sleep(0.1)
        else:
            print(f"could not remove {folder}")


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        skip(f"cannot mount {arguments[1]}: {done.stderr.strip()}")


def make_root(space, checks):
    """The overlay, with the host's services taken out of it."""
    mount("-t", "tmpfs", "tmpfs", str(space))
    for name in ("upper", "work", "root"):
        (space / name).mkdir()
    root = space / "root"
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={space}/upper,workdir={space}/work", str(root))
    (root / "etc/machine-id").write_text("")
    units = root / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for wants in [*units.glob("*.wants"), *units.glob("*.requires")]:
        shutil.rmtree(wants)
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").write_text(TARGET)
    (units / "payload.service").write_text(PAYLOAD.format(checks=" ".join(checks)))
    for name in ("bin", "tests", "out"):
        (root / "curfew" / name).mkdir(parents=True)
    return root


def make_package(build, out):
    """The package of what was built, as `./dev package` makes it of the release build, only not compressed."""
    for tool, package in (("cpack", "cmake"), ("dpkg-deb", "dpkg"), ("dpkg-shlibdeps", "dpkg-dev"), ("file", "file")):
        if shutil.which(tool) is None:
            skip(f"{tool} is missing (apt-get install {package})")
    done = subprocess.run(["cpack", "-G", "DEB", "-B", str(out), "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=none"],
                          cwd=build, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    packages = list(out.glob("*.deb"))
    if done.returncode != 0 or len(packages) != 1:
        print(done.stdout + done.stderr)
        sys.exit("FAIL cpack made no package")
    shutil.rmtree(out / "_CPack_Packages", ignore_errors=True)
    packages[0].rename(out / "curfew.deb")


def boot(root, build, out):
    """Runs the container to its end. Returns the console's text and whether it ended in time."""
    command = ["systemd-nspawn", "-D", str(root), "-b", "--register=no", "--keep-unit", "--private-network", "--quiet",
               "--console=pipe", "--system-call-filter=bpf", f"--capability={CAPABILITIES}",
               "--machine=curfew-test", f"--bind-ro={build}/bin:/curfew/bin", f"--bind-ro={HERE}:/curfew/tests",
               f"--bind={out}:/curfew/out"]
    with open(out / "console", "wb") as console:
        nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
    begun = time.monotonic()
    while nspawn.poll() is None:
        if time.monotonic() - begun > (WHOLE_DEADLINE if (out / "started").exists() else BOOT_DEADLINE):
            return False
        time.sleep(0.05)
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="the build folder, for instance build/dev")
    parser.add_argument("--instrumented", action="store_true", help="the build has sanitizers or counts coverage")
    parser.add_argument("--inner", action="store_true", help="for this program's own use")
    parser.add_argument("checks", nargs="*", help="only those whose names contain one of these words")
    options = parser.parse_args()
    if options.instrumented:
        skip("instrumented programs do not fit the unit's sandbox and memory; use the preset dev or release")
    for tool, package in (("systemd-nspawn", "systemd-container"), ("unshare", "util-linux"), ("dpkg", "dpkg")):
        if shutil.which(tool) is None:
            skip(f"{tool} is missing (apt-get install {package})")
    build = pathlib.Path(options.build).resolve()
    arguments = ["--build", str(build), *options.checks]
    if not options.inner:
        as_root(arguments)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _: sys.exit(128 + got))
        sys.exit(in_own_namespaces(arguments))
    mount("-t", "tmpfs", "tmpfs", "/run")  # nspawn keeps its notes there; this machine's own are not touched
    space = pathlib.Path("/run/curfew-test")
    out = pathlib.Path("/run/curfew-out")
    for folder in (space, out):
        folder.mkdir()
    root = make_root(space, options.checks)
    make_package(build, out)
    report(out, boot(root, build, out))


def report(out, in_time):
    console = (out / "console").read_text(errors="replace")
    if not (out / "started").exists():
        skip("a systemd as PID 1 does not come up here:\n" + console[-2000:])
    print((out / "log").read_text(errors="replace"))
    if not in_time:
        print(console[-4000:])
        sys.exit(f"FAIL it was not done in {WHOLE_DEADLINE} s")
    status = (out / "status").read_text().strip() if (out / "status").exists() else "none"
    if status != "0":
        print(console[-2000:])
        sys.exit(f"FAIL status {status}")


if __name__ == "__main__":
    main()
