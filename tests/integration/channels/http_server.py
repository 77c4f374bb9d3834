#!/usr/bin/python3
"""A receiver of webhooks for one test: http_server.py FOLDER http|https CERTIFICATE SECRET

Checks the signature of every request with hmac and writes what came as FOLDER/NNNN.json. The answer is
the one that FOLDER/answer describes: {status, headers, body, announced}; without that file the path
chooses it: /ok /gone /forbidden /many /down /moved /long /lost /echo. Prints "port N", ends with
standard input.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler

from one_port import serve

folder, scheme, certificate, secret = sys.argv[1:5]
key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
lock = threading.Lock()
taken = 0


def verified(headers, body):
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(right, given) for given in (headers["webhook-signature"] or "").split())


def parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def scripted():
    try:
        with open(os.path.join(folder, "answer"), encoding="utf-8") as text:
            return json.load(text)
    except FileNotFoundError:
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def record(self, body):
        global taken
        with lock:
            taken += 1
            name = os.path.join(folder, f"{taken:04}.json")
        with open(name + ".new", "w", encoding="utf-8") as out:
            json.dump(
                {
                    "path": self.path,
                    "headers": {k.lower(): v for k, v in self.headers.items()},
                    "verified": verified(self.headers, body),
                    "body": parsed(body),
                    "bytes": len(body),
                },
                out,
            )
        os.rename(name + ".new", name)

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def play(self, script):
        """`announced` is a Content-Length that the body may fall short of."""
        body = script.get("body", "").replace("PATH", self.path).encode()
        self.send_response_only(script["status"])
        for name, value in script.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(script.get("announced", len(body))))
        self.end_headers()
        self.wfile.write(body)
        if "announced" in script:
            self.close_connection = True

    def do_POST(self):
        self.record(self.rfile.read(int(self.headers["Content-Length"])))
        if (script := scripted()) is not None:
            return self.play(script)
        where = self.path.partition("?")[0]
        if where == "/lost":
            self.close_connection = True
            return
        if where == "/moved":
            return self.answer(302, Location="/ok")
        if where == "/many":
            return self.answer(429, b"slow down", Retry_After="120")
        if where == "/long":
            return self.answer(200, b"x" * 3_000_000)
        if where == "/echo":
            return self.answer(404, f"no {self.path}".encode())
        self.answer({"/ok": 204, "/gone": 410, "/forbidden": 403, "/down": 503}[where])

    def log_message(self, *_):
        pass


serve(Handler, scheme, certificate)
