"""Tries what a plain user can do and the daemon must not be able to. Prints what came of each as JSON."""

import ctypes
import errno
import json
import mmap
import os
import pathlib
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
PERSONALITY_LINUX32 = 8
CLONE_NEWUSER = 0x10000000
PTRACE_TRACEME = 0
METADATA = ("169.254.169.254", 9)


def call(function, *arguments):
    if function(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def in_child(act):
    """What changes the process happens in a child; its errno comes back."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        raise OSError(abs(status), os.strerror(abs(status)))


def write_to(folder):
    path = pathlib.Path(folder) / f"probe-{os.getpid()}"
    path.write_text("x")
    path.unlink()


def set_user_id():
    path = pathlib.Path("/var/lib/curfew/probe-suid")
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def executable_memory():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def see_others():
    if not any(p.isdigit() and int(p) == 1 for p in os.listdir("/proc")):
        raise OSError(errno.ENOENT, "PID 1 is hidden")


def run_a_program():
    os.execv("/bin/true", ["true"])


TRIES = {
    "write to /var/tmp of everybody and be seen there": lambda: os.stat("/var/tmp/probe-mark"),
    "write below /usr/local/share/probe": lambda: write_to("/usr/local/share/probe"),
    "write below /etc/probe": lambda: write_to("/etc/probe"),
    "look into /home": lambda: os.listdir("/home/probe"),
    "see other users' processes": see_others,
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    "make a user namespace": lambda: in_child(lambda: call(libc.unshare, CLONE_NEWUSER)),
    "change its personality": lambda: in_child(lambda: call(libc.personality, PERSONALITY_LINUX32)),
    "have memory that is written and run": executable_memory,
    "make a set-user-id file": set_user_id,
    "lower its priority": lambda: in_child(lambda: os.nice(1)),
    "be traced": lambda: in_child(lambda: call(libc.ptrace, PTRACE_TRACEME, 0, 0, 0)),
    "run another program": lambda: in_child(run_a_program),
    "send to the metadata address": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", METADATA),
    "may write its state": lambda: write_to("/var/lib/curfew"),
    "may write a file in /tmp": lambda: write_to("/tmp"),
    "may open a TCP socket": lambda: socket.socket(socket.AF_INET).close(),
    "may read the boot's id": lambda: pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(),
}

found = {}
for what, act in TRIES.items():
    try:
        act()
        found[what] = "worked"
    except OSError as error:
        found[what] = errno.errorcode.get(error.errno, str(error))
json.dump(found, sys.stdout)
