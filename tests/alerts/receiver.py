"""A receiver of webhooks over TLS that misbehaves by script.

Every connection takes the next word of the script, then `ok`. What it read whole is in `seen`, in order: the
webhook-id, the tokens of the rows ("<…>" in titles and lines), and whether it was taken. A request whose answer
was withheld counts as taken: nobody can know.
"""

import contextlib
import re
import socket
import ssl
import struct
import threading
import time

STATUS = {"ok": 204, "429": 429, "503": 503, "408": 408, "425": 425, "400": 400, "410": 410, "redirect": 302, "slow": 204}


class Receiver:
    def __init__(self, certificate, other_certificate):
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.script = []
        self.seen = []
        self.faults = 0
        self.choose = None  # the word for what the script does not cover
        self.contexts = [self.context(c) for c in (certificate, other_certificate)]
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"https://localhost:{self.listener.getsockname()[1]}/alerts"
        threading.Thread(target=self.accept, daemon=True).start()

    @staticmethod
    def context(certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        return context

    def begin(self, script):
        with self.lock:
            self.script, self.seen, self.faults = list(script), [], 0

    def word(self):
        with self.lock:
            word = self.script.pop(0) if self.script else self.choose() if self.choose else "ok"
            self.faults += word != "ok"
            return word

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection, self.word()), daemon=True).start()

    def serve(self, connection, word):
        with contextlib.suppress(OSError, ValueError, ssl.SSLError):
            connection.settimeout(20)
            if word == "drop":  # in the middle of the handshake
                connection.recv(16)
                return connection.close()
            with self.contexts[word == "tls"].wrap_socket(connection, server_side=True) as stream:
                if word == "cut":  # before the request is whole
                    stream.recv(1)
                    return self.reset(stream)
                self.exchange(stream, word)
        connection.close()

    def exchange(self, stream, word):
        text = b""
        while b"\r\n\r\n" not in text:
            more = stream.recv(65536)
            if not more:
                return
            text += more
        head, _, body = text.partition(b"\r\n\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        while len(body) < int(headers["content-length"]):
            more = stream.recv(65536)
            if not more:
                return
            body += more
        name, _, argument = word.partition(":")
        withheld = name in ("reset", "close", "hang")
        tokens = set(re.findall(r"<([\w-]+)>", body.decode()))
        with self.changed:
            self.seen.append((headers["webhook-id"], tokens, withheld or STATUS[name] < 300))
            self.changed.notify_all()
        if name == "reset":
            self.reset(stream)
        elif name == "hang":
            stream.recv(1)  # until the other side has had enough
        elif not withheld:
            extra = f"Retry-After: {argument}\r\n" if argument else ""
            extra += "Location: /elsewhere\r\n" if name == "redirect" else ""
            answer = f"HTTP/1.1 {STATUS[name]} said\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n"
            for piece in [answer] if name != "slow" else answer:
                stream.sendall(piece.encode())
                if name == "slow":
                    time.sleep(0.01)

    @staticmethod
    def reset(stream):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.close()

    def taken(self):
        """(ids in the order of their coming, the place of each token's first coming, ids of each token)"""
        with self.lock:
            ids, first, of_token = [], {}, {}
            for place, (parcel, tokens, taken) in enumerate(self.seen):
                if taken:
                    ids.append(parcel)
                    for token in tokens:
                        first.setdefault(token, place)
                        of_token.setdefault(token, set()).add(parcel)
            return ids, first, of_token

    def wait_for(self, count, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: len(self.seen) >= count, seconds)
