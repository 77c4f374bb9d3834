#!/usr/bin/python3
"""A listener to heartbeats for one test: heartbeat_server.py FOLDER http|https CERTIFICATE

Writes what came as FOLDER/NNNN.json. The first part of the path chooses the answer: /ok /down /gone /moved /echo /hang.
Prints "port N", ends with standard input.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler

from one_port import serve

folder, scheme, certificate = sys.argv[1:4]
lock = threading.Lock()
taken = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def record(self, body):
        global taken
        with lock:
            taken += 1
            name = os.path.join(folder, f"{taken:04}.json")
        with open(name + ".new", "w", encoding="utf-8") as out:
            json.dump({"method": self.command, "path": self.path, "type": self.headers["Content-Type"],
                       "body": body.decode()}, out)
        os.rename(name + ".new", name)

    def answer(self):
        self.record(self.rfile.read(int(self.headers["Content-Length"] or 0)))
        where = self.path.split("/")[1].partition("?")[0]
        if where == "hang":
            return threading.Event().wait()
        body = f"no {self.path}".encode() if where == "echo" else b"OK"
        self.send_response({"ok": 200, "down": 503, "gone": 404, "moved": 302, "echo": 404}[where])
        if where == "moved":
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


serve(Handler, scheme, certificate)
