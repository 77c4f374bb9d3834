"""The real daemon with a name server of the test's own that hangs, fails, answers and hangs again, in a network of its
own: what needs no name goes on, the sockets answer, and the end does not wait for it."""

import concurrent.futures
import http.server
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

if os.environ.get("CURFEW_OWN_NETWORK") != "yes":
    folder = tempfile.mkdtemp(prefix="curfew-names-")
    resolv = pathlib.Path(folder, "resolv.conf")
    # As patient as a resolver can be: a lookup that hangs does so for minutes.
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
    enter = f"ip link set lo up && mount --make-rprivate / && mount --bind {resolv} \"$(readlink -f /etc/resolv.conf)\""
    if subprocess.run(["unshare", "-n", "-m", "sh", "-c", enter], capture_output=True).returncode != 0:
        print("not run: a network namespace with a resolver of its own needs root")
        sys.exit(77)
    done = subprocess.run(["unshare", "-n", "-m", "sh", "-c", enter + ' && exec "$@"', "sh", sys.executable, *sys.argv],
                          env={**os.environ, "CURFEW_OWN_NETWORK": "yes"})
    resolv.unlink()
    os.rmdir(folder)
    sys.exit(done.returncode)

from common import Process, StageTest, ask_unix, run_tests, wait_for  # noqa: E402


class NameServer:
    """Answers for *.curfew.test with 127.0.0.1, fails, or says nothing."""

    def __init__(self):
        self.mode = "hang"
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, who = self.socket.recvfrom(4096)
            except OSError:
                return
            end = query.index(b"\0", 12)
            name, at = [], 12
            while at < end:
                name.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            self.asked.append(".".join(name))
            if self.mode == "hang":
                continue
            question = query[12:end + 5]
            wants_v4 = question[-4:-2] == b"\0\1"
            good = self.mode == "answer"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if good and wants_v4 else b""
            flags = b"\x81\x80" if good else b"\x81\x82"
            counts = b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
            self.socket.sendto(query[:2] + flags + counts + question + answer, who)

    def close(self):
        self.socket.close()


class Hook:
    """A receiver with a certificate for its name."""

    def __init__(self, folder):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        f"{folder}/hook.key", "-out", f"{folder}/hook.pem", "-subj", "/CN=hook", "-addext",
                        "subjectAltName=DNS:hook.curfew.test", "-days", "2"], check=True, capture_output=True)
        self.posts = 0
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                hook.posts += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/hook.pem", f"{folder}/hook.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Names(StageTest):
    def test_a_name_server_that_says_nothing(self):
        names = NameServer()
        self.addCleanup(names.close)
        stage = self.open_stage(guests="standin")
        hook = Hook(stage.folder)
        self.addCleanup(hook.close)
        stage.config(channels=False, budget=f"""
[[account]]
name = "far"
key_file = "{stage.folder}/key"
v1_url = "https://v1.curfew.test"
legacy_url = "https://legacy.curfew.test"

[[channel]]
name = "hook"
kind = "webhook"
url = "https://hook.curfew.test:{hook.port}/hook"
ca_file = "{stage.folder}/hook.pem"
secret_file = "{stage.folder}/hook"
allow_private = true

[[channel]]
name = "mail"
kind = "mail"
host = "mail.curfew.test"
from = "curfew@stage.example"
to = ["ana@example.org"]
""")
        stage.start_daemon()
        wait_for("a question about v1", lambda: "v1.curfew.test" in names.asked, 30)
        posts = concurrent.futures.ThreadPoolExecutor()
        self.addCleanup(posts.shutdown)
        hooked, mailed = (posts.submit(stage.curfew, "notify", "test", name, check=False) for name in ("hook", "mail"))
        wait_for("all names", lambda: {"hook.curfew.test", "mail.curfew.test", "v1.curfew.test"} <= set(names.asked), 60)
        looks = len(stage.calls())
        took = []
        for _ in range(200):
            began = time.monotonic()
            self.assertEqual(ask_unix(stage.folder / "api.sock", "/v1/status", raw=True)[0], 200)
            took.append(time.monotonic() - began)
        took.sort()
        print(f"status while names hang: median {took[100] * 1000:.0f} ms, p99 {took[197] * 1000:.0f} ms; "
              f"{Process(stage.daemon.pid).threads()} threads")
        wait_for("the other account to be looked at on and on", lambda: len(stage.calls()) > looks + 5, 60)
        self.assertEqual(mailed.result().returncode, 6, mailed.result().stderr)
        self.assertEqual(hooked.result().returncode, 6, hooked.result().stderr)
        self.assertIn("finding the host took too long", hooked.result().stderr)
        self.assertLessEqual(Process(stage.daemon.pid).threads(), 24)

        # The lookups under way began while nobody answered, and hang for minutes yet: another daemon asks anew.
        began = time.monotonic()
        self.assertEqual(stage.stop_daemon(), 0)
        ended = time.monotonic() - began
        print(f"ended in {ended:.1f} s while lookups hang")
        self.assertLess(ended, 60)

        names.mode = "fail"
        stage.start_daemon()
        said = stage.curfew("notify", "test", "hook", check=False)
        self.assertEqual(said.returncode, 6, said.stderr)
        self.assertIn("cannot find the host", said.stderr)
        names.mode = "answer"
        wait_for("the hook by its name", lambda: stage.curfew("notify", "test", "hook", check=False).returncode == 0, 60)
        self.assertEqual(hook.posts, 1)
        names.mode = "hang"
        self.assertEqual(stage.curfew("notify", "test", "hook", check=False).returncode, 0)  # it is known
        self.assertEqual(stage.stop_daemon(), 0)


if __name__ == "__main__":
    run_tests()
