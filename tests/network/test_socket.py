"""Our own sockets under clients that are slow, many, or rude, and without descriptors: who behaves is served, who does
not is cut off in time, and nothing is left behind."""

import contextlib
import os
import resource
import select
import socket
import sys
import time

from common import GET, GET_ONCE, Process, StageTest, ask_unix, connect, hold_port, read_all, run_tests, wait_for

HEAD = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: "
POST = b"POST /v1/keep HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"
REQUEST_LIMIT = 10  # seconds of the product
IDLE_LIMIT = 30
LATE = 20  # a loaded host
CONNECTS = int(os.environ.get("CURFEW_CONNECTS", "10000"))


class Slow:
    """A client that does something badly until it is cut off."""

    def __init__(self, name, path, limit, first=b"", drip=None, then=lambda s: None):
        self.name, self.limit, self.drip = name, limit, drip
        self.socket = connect(path)
        self.socket.setblocking(False)
        self.began = time.monotonic()
        self.cut = None
        if first:
            with contextlib.suppress(BlockingIOError):
                self.socket.send(first)
        then(self.socket)

    def turn(self):
        """Drips a byte; notices its end without reading an answer that it is owed."""
        if self.cut is not None:
            return
        poll = select.poll()
        poll.register(self.socket, select.POLLHUP | select.POLLERR)
        if self.drip is not None:
            try:
                self.socket.send(self.drip)
            except BlockingIOError:
                pass
            except OSError:
                self.cut = time.monotonic() - self.began
        if self.cut is None and poll.poll(0):
            self.cut = time.monotonic() - self.began


def connect_patiently(path):
    """On a busy host the queue of the socket may be full for a moment, before the daemon gets its turn."""
    end = time.monotonic() + 30
    while True:
        try:
            return connect(path)
        except (BlockingIOError, ConnectionRefusedError):
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def first_of(s):
    """What comes first: nothing if the other side only ends."""
    try:
        return s.recv(65536)
    except (ConnectionResetError, BrokenPipeError):
        return b""


class Sockets(StageTest):
    def setUp(self):
        stage = self.stage = self.open_stage(guests="standin")
        held = hold_port()
        self.addCleanup(held.close)
        self.port = held.getsockname()[1]
        stage.config(budget=f'[keep_link]\nlisten = "127.0.0.1:{self.port}"\npublic_url = "https://keep.example"\n', channels=False)
        stage.start_daemon()
        self.api = stage.folder / "api.sock"
        self.admin = stage.folder / "admin.sock"
        self.process = Process(stage.daemon.pid)
        try:
            self.process.descriptors()
        except PermissionError:
            self.skipTest("the descriptors of the daemon are shown to root only")

    def end(self):
        self.assertEqual(self.stage.stop_daemon(), 0)

    def as_somebody_else(self, path):
        """One request by another user than ours: the status of its answer, 0 for none."""
        child = os.fork()
        if child == 0:
            status = 0
            try:
                os.setgid(65534)
                os.setuid(65534)
                with connect_patiently(path) as s:
                    s.sendall(GET_ONCE)
                    status = int(read_all(s).split(b" ")[1]) // 100
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def keep_link(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as s:
            s.sendall(b"GET /k/none HTTP/1.1\r\nHost: keep.example\r\nConnection: close\r\n\r\n")
            return read_all(s)

    def quiet(self, before):
        """All descriptors are given back. What the daemon opens for a moment at each poll may be seen once."""
        wait_for("the descriptors of before", lambda: len(self.process.descriptors()) <= before, 30)

    def test_slow_clients_are_cut_and_others_are_served(self):
        os.chmod(self.api, 0o666)  # as the group may that systemd gives it
        before = len(self.process.descriptors())
        never_read = HEAD.replace(b"\r\nX-Slow: ", b"\r\n\r\n") * 4000
        slow = [
            Slow("a head that drips", self.api, REQUEST_LIMIT, HEAD, drip=b"a"),
            Slow("a head that drips from its first byte", self.api, REQUEST_LIMIT, b"", drip=b"G"),
            Slow("half a head, then silence", self.api, REQUEST_LIMIT, HEAD),
            Slow("half a head, then half closed", self.api, REQUEST_LIMIT, HEAD, then=lambda s: s.shutdown(socket.SHUT_WR)),
            Slow("a body that drips", self.admin, REQUEST_LIMIT, POST, drip=b"a"),
            Slow("half a body, then silence", self.admin, REQUEST_LIMIT, POST + b'{"resource":'),
            Slow("asks and asks and never reads", self.api, 3 * REQUEST_LIMIT, never_read, drip=never_read[:4096]),
            Slow("says nothing", self.api, IDLE_LIMIT),
            Slow("asks once, then says nothing", self.api, IDLE_LIMIT + REQUEST_LIMIT, GET),
        ]
        served = worst = 0
        next_drip = 0
        while [s for s in slow if s.cut is None and time.monotonic() - s.began < s.limit + LATE]:
            if time.monotonic() >= next_drip:
                next_drip = time.monotonic() + 0.5
                for one in slow:
                    one.turn()
            asked = time.monotonic()
            self.assertEqual(ask_unix(self.api, "/v1/version", raw=True)[0], 200)
            worst = max(worst, time.monotonic() - asked)
            served += 1
            time.sleep(0.02)
        self.assertEqual(self.as_somebody_else(self.api), 2)
        for one in slow:
            print(f"{one.name:42} {'never cut' if one.cut is None else f'cut after {one.cut:.1f} s'}, limit {one.limit} s")
            one.socket.close()
        print(f"{served} others served meanwhile, the slowest in {worst * 1000:.0f} ms")
        self.assertEqual([s.name for s in slow if s.cut is None], [])
        early = [s.name for s in slow if s.cut < s.limit * 0.9 and "half closed" not in s.name and "reads" not in s.name
                 and "asks once" not in s.name]
        self.assertEqual(early, [])
        self.assertGreater(served, 50)
        self.quiet(before)
        self.end()

    def test_rude_clients(self):
        before = len(self.process.descriptors())
        with connect(self.api) as s:  # fifty questions at once, answers in order
            s.sendall(b"".join(b"GET /v1/nothing%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(49)) + GET_ONCE)
            got = read_all(s)
        self.assertEqual(got.count(b"HTTP/1.1 404"), 49)
        self.assertEqual(got.count(b"HTTP/1.1 200"), 1)
        self.assertGreater(got.find(b"HTTP/1.1 200"), got.rfind(b"HTTP/1.1 404"))
        with connect(self.api) as s:  # asks, and half closes: it is owed an answer
            s.sendall(GET)
            s.shutdown(socket.SHUT_WR)
            self.assertIn(b"curfew.version/1", read_all(s))
        with connect(self.api) as s:  # garbage after a whole request
            s.sendall(GET + b"\x00\xff\xfe garbage\r\n\r\n")
            got = read_all(s)
        self.assertTrue(got.startswith(b"HTTP/1.1 200") and b"HTTP/1.1 400" in got, got)
        for _ in range(50):  # asks, and does not wait
            with connect(self.api) as s:
                s.sendall(GET * 20)
        crowd = []
        refused = 0
        os.chmod(self.api, 0o666)
        for i in range(1000):
            try:
                crowd.append(connect(self.api))
            except (ConnectionRefusedError, BlockingIOError):
                refused += 1
            if i % 250 == 249:
                self.assertEqual(self.as_somebody_else(self.api), 2)
        open_now = len(self.process.descriptors()) - before
        self.assertLessEqual(open_now, 40)
        for s in crowd:
            s.close()
        wait_for("room again", lambda: self.stage.curfew("version", check=False).returncode == 0, 30)
        print(f"1000 at once: {open_now} held, {refused} refused, another user served meanwhile")
        self.quiet(before)
        self.end()

    def rounds(self, count, connect_to, request):
        """Connections of five kinds by turns; returns how many were answered of those that wait for it."""
        answered = 0
        for i in range(count):
            try:
                with connect_to() as s:
                    if i % 5 == 1:
                        s.sendall(request[:20])
                    elif i % 5 == 2:
                        s.sendall(request)
                        answered += read_all(s).startswith(b"HTTP/1.1 ")
                    elif i % 5 == 3:
                        s.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
                    elif i % 5 == 4:
                        s.sendall(request)
            except OSError:
                pass
        return answered

    def many(self, name, connect_to, request):
        self.rounds(CONNECTS // 5, connect_to, request)
        wait_for("calm", lambda: not self.process.descriptors()[60:], 30)
        time.sleep(1)
        before = len(self.process.descriptors())
        memory = self.process.resident_kib()
        threads = self.process.threads()
        began = time.monotonic()
        answered = self.rounds(CONNECTS, connect_to, request)
        took = time.monotonic() - began
        self.quiet(before)
        grown = self.process.resident_kib() - memory
        print(f"{name}: {CONNECTS} connections in {took:.1f} s, {answered} of {CONNECTS // 5} answered; {before} descriptors "
              f"before and after, {grown} KiB more")
        self.assertGreater(answered, CONNECTS // 20)
        self.assertLessEqual(self.process.threads(), threads)
        if not os.environ.get("ASAN_OPTIONS") and not os.environ.get("TSAN_OPTIONS"):
            self.assertLess(grown, 4096)

    def test_ten_thousand_connections_leave_nothing(self):
        self.many("api socket", lambda: connect(self.api), GET_ONCE)
        self.many("keep links", lambda: socket.create_connection(("127.0.0.1", self.port), timeout=60),
                  b"GET /k/none HTTP/1.1\r\nHost: keep.example\r\nConnection: close\r\n\r\n")
        self.assertEqual(self.stage.curfew("status").returncode, 0)
        self.end()

    def test_without_descriptors(self):
        wait_for("a first look", lambda: self.stage.calls(), 30)
        used = self.process.descriptors()
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        # Above all that are open: one that is kept for turning callers away would be lost above the limit. What is free
        # below it goes to the first callers.
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (max(used) + 1, hard))
        cpu = self.process.cpu_seconds()
        began = time.monotonic()
        ways = [lambda: connect(self.api), lambda: connect(self.admin),
                lambda: socket.create_connection(("127.0.0.1", self.port), timeout=60)]
        with contextlib.ExitStack() as held:
            for way in ways * 3:
                # Turned away, instead of waiting for a descriptor. Who is served took one that came free since they were
                # counted (a connection of the daemon's own that ended), and keeps it.
                answer = b"served"
                for _ in range(20):
                    s = held.enter_context(way())
                    with contextlib.suppress(BrokenPipeError):
                        s.sendall(GET)
                    answer = first_of(s)
                    if not answer:
                        s.close()
                        break
                self.assertEqual(answer, b"")
        while time.monotonic() - began < 4:
            time.sleep(0.1)
        cpu = self.process.cpu_seconds() - cpu
        wall = time.monotonic() - began
        self.assertIsNone(self.stage.daemon.poll())
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        wait_for("answers again", lambda: self.stage.curfew("status", check=False).returncode == 0, 30)
        self.assertIn(b"HTTP/1.1 ", self.keep_link())
        log = self.stage.log_text()
        print(f"without descriptors: {cpu:.2f} s of CPU in {wall:.1f} s")
        self.assertLess(cpu, wall * 0.5)
        self.assertLessEqual(log.count("event=accept_failed"), 12)
        self.assertGreater(log.count("event=accept_failed"), 0)
        self.assertIn("event=accept_works", log)
        self.end()

    def test_a_lost_spare_descriptor_is_had_again(self):
        wait_for("a first look", lambda: self.stage.calls(), 30)
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        with contextlib.ExitStack() as held:
            # Nobody can be let in to be turned away: what was kept for that is given up, and cannot be had again.
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (3, hard))
            first = held.enter_context(connect(self.api))
            wait_for("it was tried", lambda: "event=accept_failed" in self.stage.log_text(), 30)
            time.sleep(1)
            used = set(self.process.descriptors())
            free = min(number for number in range(3, max(used) + 2) if number not in used)
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (free + 1, hard))
            # The one that came free is not for the first, who would keep it while all others wait.
            callers = [first] + [held.enter_context(connect(self.api)) for _ in range(2)]
            for caller in callers:
                with contextlib.suppress(BrokenPipeError):
                    caller.sendall(GET)
            for caller in callers:
                self.assertEqual(first_of(caller), b"")
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        wait_for("answers again", lambda: self.stage.curfew("status", check=False).returncode == 0, 30)
        self.end()


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("not run: the descriptors of the daemon are shown to root only, and other users are played")
        sys.exit(77)
    run_tests()
