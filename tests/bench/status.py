"""How long GET /v1/status takes over the Unix socket: at rest, and while a cycle over 10,000 notebooks runs."""

import socket
import time

from rig import Rig, check, median, percentile, table

NOTEBOOKS = 10_000
REQUESTS = 200


def ask(path):
    """One request on a connection of its own: milliseconds to the last byte, bytes of the body."""
    begun = time.monotonic()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(path))
        s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        parts = []
        while part := s.recv(1 << 20):
            parts.append(part)
    taken = (time.monotonic() - begun) * 1000
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    check(head.split(b"\r\n")[0].decode(), b" 200 " in head.split(b"\r\n")[0])
    return taken, len(body)


def run(binaries):
    print(f"\nstatus: GET /v1/status over the Unix socket, {REQUESTS} requests one after the other, "
          f"{NOTEBOOKS} notebooks")
    with Rig(binaries, guests="standin") as rig:
        rig.control("/standins", {"count": NOTEBOOKS, "machineType": "A4000"})
        rig.configure()
        rig.start()
        path = rig.folder / "api.sock"
        size = ask(path)[1]
        idle = [ask(path)[0] for _ in range(REQUESTS)]
        busy, cycles = [], 0
        while len(busy) < REQUESTS:
            before = rig.newest_commit()
            rig.order("/v1/poll")
            cycles += 1
            while True:
                busy.append(ask(path)[0])  # it began while the cycle ran
                if rig.newest_commit() != before:
                    break
            time.sleep(0.2)
    rows = [[name, len(times), *(f"{percentile(times, p):.1f}" for p in (50, 99)), f"{max(times):.1f}"]
            for name, times in (("idle", idle), (f"during {cycles} cycles", busy))]
    table(f"an answer has {size / 1e6:.1f} MB", ["", "requests", "p50 ms", "p99 ms", "max ms"], rows)
    print(f"status: p50 {median(busy):.1f} ms and p99 {percentile(busy, 99):.1f} ms during a cycle, "
          f"{percentile(busy, 99) / percentile(idle, 99):.1f} times the p99 at rest")
