"""What the tests of the real daemon at a bad network share: its stage, and what the kernel says of the process."""

import os
import pathlib
import re
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from stage import Failure, Stage, StageTest, ask_unix, hold_port, run_tests, wait_for  # noqa: E402,F401 (for the tests)


class Process:
    """Figures of /proc. A process that may not be dumped shows its descriptors to root only."""

    def __init__(self, pid):
        self.pid = pid
        self.folder = pathlib.Path(f"/proc/{pid}")

    def descriptors(self):
        return sorted(int(p.name) for p in (self.folder / "fd").iterdir())

    def connections(self):
        """TCP connections that it holds, also those that the other side has ended."""
        made = set()
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] in ("01", "08"):  # established, close wait
                made.add(f"socket:[{fields[9]}]")
        count = 0
        for number in self.descriptors():
            try:
                count += os.readlink(self.folder / "fd" / str(number)) in made
            except OSError:
                pass
        return count

    def status(self, name):
        return int(re.search(rf"^{name}:\s+(\d+)", (self.folder / "status").read_text(), re.M).group(1))

    def resident_kib(self):
        return self.status("VmRSS")

    def threads(self):
        return self.status("Threads")

    def cpu_seconds(self):
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(path, timeout=60):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    try:
        s.connect(str(path))
    except OSError:
        s.close()
        raise
    return s


def read_all(s):
    """Until the other side ends; what came before a reset counts."""
    got = b""
    try:
        while piece := s.recv(65536):
            got += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    return got


GET = b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"
GET_ONCE = b"GET /v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
