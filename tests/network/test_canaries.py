"""One run of the real daemon in which every secret is a canary: through work, refusals, redirects, echoes, breaks and
restarts. Then everything that it wrote, said or sent to somebody else is searched: none may be there (I12)."""

import base64
import http.server
import json
import logging
import pathlib
import secrets
import socket
import socketserver
import threading
import urllib.parse
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from common import StageTest, ask_unix, hold_port, run_tests, wait_for

FILES = {"work.ipynb": json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "data/a.txt": "a" * 500}
ECHO = "you sent: "


def canary(kind):
    return f"CANARY-{kind}-{secrets.token_hex(12)}"


class Receiver:
    """Takes requests whole, and answers by turns: says them back as an error, sends elsewhere, breaks off, or takes them."""

    def __init__(self, elsewhere=None):
        self.requests = []
        self.calm = False
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                whole = f"{self.command} {self.path}\n{self.headers}\n".encode() + body
                receiver.requests.append(whole)
                turn = 3 if receiver.calm else len(receiver.requests) % 4
                if turn == 0:  # breaks off
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                text = ECHO.encode() + whole
                self.send_response({1: 500, 2: 302, 3: 200}[turn], "Echo " + self.path)
                if turn == 2:
                    self.send_header("Location", f"http://127.0.0.1:{elsewhere.port}{self.path}")
                self.send_header("Content-Length", str(len(text) if turn != 3 else 2))
                self.end_headers()
                self.wfile.write(text if turn != 3 else b"ok")

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class MailServer:
    """Wants a password, refuses it at times and says it back."""

    def __init__(self, user, password):
        self.content = []
        self.refusals = 1
        box = self

        def authenticate(server, session, envelope, mechanism, data):
            if box.refusals > 0:
                box.refusals -= 1
                return AuthResult(success=False, handled=False, message=f"454 4.7.0 not now for {user} with {password}")
            return AuthResult(success=data.password.decode() == password)

        class Handler:
            async def handle_DATA(self, server, session, envelope):
                box.content.append(envelope.content)
                return "250 OK"

        self.held = hold_port()
        self.port = self.held.getsockname()[1]
        self.controller = Controller(Handler(), hostname="127.0.0.1", port=self.port, authenticator=authenticate,
                                     auth_required=True, auth_require_tls=False)
        self.controller.start()

    def close(self):
        self.controller.stop()
        self.held.close()


class Relay:
    """Passes bytes on to a port of this host, and keeps what clients sent."""

    def __init__(self, port):
        self.sent = bytearray()
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with socket.create_connection(("127.0.0.1", port)) as far:
                    def back():
                        try:
                            while piece := far.recv(65536):
                                self.request.sendall(piece)
                            self.request.shutdown(socket.SHUT_WR)
                        except OSError:
                            pass
                    threading.Thread(target=back, daemon=True).start()
                    try:
                        while piece := self.request.recv(65536):
                            relay.sent += piece
                            far.sendall(piece)
                    except OSError:
                        pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def forms_of(secret):
    """As it is, and as it may be written in a JSON, an address or a header."""
    return {secret.encode(), urllib.parse.quote(secret, safe="").encode(), base64.b64encode(secret.encode()).rstrip(b"="),
            base64.b64encode(b"curfew:" + secret.encode()).rstrip(b"="), secret.encode().hex().encode()}


class Canaries(StageTest):
    def receiver(self, elsewhere=None):
        one = Receiver(elsewhere)
        self.addCleanup(one.close)
        return one

    def set_out(self):
        stage = self.stage = self.open_stage(speed=20)
        self.other = self.receiver()
        self.receivers = {name: self.receiver(self.other) for name in ("hook", "slack", "discord", "teams", "phone", "pager", "beat")}
        for name in ("v1", "legacy"):
            relay = Relay(urllib.parse.urlsplit(stage.urls[name]).port)
            self.addCleanup(relay.close)
            self.receivers[name] = relay
            stage.urls[name] = f"http://127.0.0.1:{relay.port}" + urllib.parse.urlsplit(stage.urls[name]).path
        self.canaries = {"hook": stage.hook_secret.removeprefix("whsec_"), "key": stage.urls["key"],
                         **{name: canary(name) for name in ("slack", "discord", "teams", "phone", "pager", "beat", "mail", "topic")}}
        self.mail = MailServer("curfew", self.canaries["mail"])
        self.addCleanup(self.mail.close)
        for name in ("slack", "discord", "teams", "beat"):
            stage.secret(name + "-url", f"http://127.0.0.1:{self.receivers[name].port}/services/{self.canaries[name]}")
        for name in ("phone", "pager", "mail"):
            stage.secret(name + "-token", self.canaries[name])
        held = hold_port()
        self.addCleanup(held.close)
        self.keep_port = held.getsockname()[1]
        where = stage.folder
        blocks = [f'[[channel]]\nname = "{name}"\nkind = "{name}"\nurl_file = "{where}/{name}-url"\nallow_private = true\n'
                  for name in ("slack", "discord", "teams")]
        blocks.append(f"""
[[channel]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{self.receivers['hook'].port}/hook"
secret_file = "{where}/hook"
allow_private = true

[[channel]]
name = "phone"
kind = "ntfy"
url = "http://127.0.0.1:{self.receivers['phone'].port}"
topic = "{self.canaries['topic']}"
token_file = "{where}/phone-token"
allow_private = true

[[channel]]
name = "pager"
kind = "pagerduty"
url = "http://127.0.0.1:{self.receivers['pager'].port}/v2/enqueue"
token_file = "{where}/pager-token"
allow_private = true

[[channel]]
name = "mail"
kind = "mail"
host = "127.0.0.1"
port = {self.mail.port}
security = "none"
user = "curfew"
password_file = "{where}/mail-token"
from = "curfew@stage.example"
to = ["ana@example.org"]

[heartbeat]
url_file = "{where}/beat-url"
allow_private = true
interval = "1m"

[keep_link]
listen = "127.0.0.1:{self.keep_port}"
public_url = "https://keep.example"
""")
        stage.config(idle="60s", ladder=["30s"], channels=False, budget="\n".join(blocks))
        return stage

    def fault(self, kind, count=2, **more):
        self.stage.control("/faults", {"kind": kind, "count": count, **more})

    def rough_hours(self, one):
        """The provider, the guest and all receivers say the secrets back, send elsewhere and break off."""
        stage, key = self.stage, self.canaries["key"]
        for fault in ({"kind": "status", "status": 500, "body": {"message": f"bad X-Api-Key: {key}"}, "match": {"host": "v1"}},
                      {"kind": "status", "status": 302, "location": f"http://127.0.0.1:{self.other.port}/?k={key}", "match": {"host": "v1"}},
                      {"kind": "status", "status": 403, "body": f"token {one.token} is not valid", "match": {"host": "guest"}},
                      {"kind": "status", "status": 302, "location": f"http://127.0.0.1:{self.other.port}/?token={one.token}",
                       "match": {"host": "guest"}},
                      {"kind": "status", "status": 400, "body": {"error": {"message": f"Invalid API token {key}"}}, "count": 1,
                       "match": {"host": "legacy", "path": "stopNotebook"}}):
            self.fault(**{"count": 2, **fault})
        for name in ("hook", "slack", "discord", "teams", "phone", "pager", "mail"):
            for _ in range(3):
                stage.curfew("notify", "test", name, check=False)

    def gather(self):
        """Everything it said and wrote, by place."""
        stage = self.stage
        found = {}
        for target in ("status", "explain/one", "spend", "budgets", "receipts", "events?limit=1000", "alerts?all=1", "outbox", "doctor",
                       "rules", "channels", "forecast", "version", "nothing"):
            for path in ("api.sock", "admin.sock"):
                found[f"{path} {target}"] = ask_unix(stage.folder / path, f"/v1/{target}", raw=True)[1]
        with open(f"/proc/{stage.daemon.pid}/environ", "rb") as environment:
            found["environment"] = environment.read()
        for name in ("slack", "phone", "pager"):
            done = stage.curfew("notify", "test", name, check=False)
            found[f"notify test {name}"] = (done.stdout + done.stderr).encode()
        done = stage.curfew("doctor", check=False)
        found["doctor"] = (done.stdout + done.stderr).encode()
        return found

    def look_at_arguments(self):
        """Of every process, again and again, while there is work."""
        while not self.over.wait(0.05):
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                if str(self.stage.folder).encode() in text or b"curfew" in text:
                    self.arguments.add(text)

    def test_no_secret_is_seen_anywhere(self):
        stage = self.set_out()
        one = stage.notebook("one", files=FILES)
        self.canaries["token"] = one.token
        self.arguments, self.over = set(), threading.Event()
        watcher = threading.Thread(target=self.look_at_arguments)
        stage.start_daemon()
        # A guest's own server has its token among its arguments; that is the emulator's work, not ours.
        watcher.start()
        wait_for("the first look", lambda: (stage.item("one") or {}).get("verdict") == "quiet")
        self.canaries["keep"] = (stage.folder / "state/keep_link.key").read_text().strip()
        self.rough_hours(one)
        stage.wait_event("enforcement.stopped", one.id, 120)
        stage.stop_daemon(9)  # and once without a farewell
        stage.start_daemon()
        for receiver in self.receivers.values():
            receiver.calm = True
        wait_for("a heartbeat", lambda: self.receivers["beat"].requests, 60)
        wait_for("mail", lambda: self.mail.content, 120)
        for name in ("hook", "slack", "discord", "teams", "phone", "pager", "mail"):
            wait_for(f"{name} to take it", lambda n=name: stage.curfew("notify", "test", n, check=False).returncode == 0, 60)
        around = self.gather()
        stage.secret("key", self.canaries["key"][:-1] + "x y")
        done = stage.curfew("reload", check=False)
        around["a refused reload"] = (done.stdout + done.stderr).encode()
        stage.secret("key", self.canaries["key"])
        self.assertEqual(stage.stop_daemon(), 0)
        self.over.set()
        watcher.join()
        around["log"] = stage.log_text().encode()
        around["other origin"] = b"\n".join(self.other.requests)
        around["mails"] = b"\n".join(self.mail.content)
        mine = {f"/{part}".encode() for part in ("curfewd", "curfew")}
        for number, text in enumerate(sorted(self.arguments)):
            if any(text.split(b"\0")[0].endswith(name) for name in mine):
                around[f"arguments {number}"] = text
        for folder in ("state", "vault"):
            around.update({str(p): p.read_bytes() for p in (stage.folder / folder).rglob("*") if p.is_file()})
        self.search(around)

    def search(self, around):
        own = {"token": (), "keep": ("keep_link.key",), "topic": ("phone",)}
        places = dict(around)
        for name, receiver in self.receivers.items():
            places[name] = bytes(receiver.sent) if isinstance(receiver, Relay) else b"\n".join(receiver.requests)
        self.assertEqual(self.other.requests, [])
        hits = looked = 0
        for what, secret in self.canaries.items():
            self.assertGreaterEqual(len(secret), 16, what)
            allowed = {what, *own.get(what, ())} | ({"v1", "legacy"} if what == "key" else set())
            seen_at_home = False
            for place, content in places.items():
                at_home = place in allowed or place.endswith("keep_link.key") and what == "keep"
                for form in forms_of(secret):
                    looked += 1
                    at = content.find(form)
                    seen_at_home = seen_at_home or at_home and at >= 0
                    if at >= 0 and not at_home:
                        hits += 1
                        print(f"HIT: {what} in {place}: {content[max(0, at - 150):at].decode(errors='replace')}")
            if what in ("slack", "discord", "teams", "phone", "pager", "beat", "key", "topic"):
                self.assertTrue(seen_at_home, f"{what} was never used, so nothing was shown")
        print(f"{len(self.canaries)} secrets looked for in {len(places)} places, {sum(map(len, places.values())) >> 10} KiB: {hits} hits")
        self.assertGreater(len(places), 40)
        self.assertTrue(any(p.endswith("curfew.db") for p in places))
        self.assertTrue(any(p.startswith("arguments") for p in places))
        self.assertEqual(hits, 0)


if __name__ == "__main__":
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # our server is as careless as it is meant to be
    warnings.filterwarnings("ignore", module="aiosmtpd")
    run_tests()
