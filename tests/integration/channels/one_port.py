"""One port for one test: printed as "port N"; ends with standard input."""

import os
import ssl
import sys
import threading
from http.server import ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients hang up, as they are meant to


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


def serve(handler, scheme, certificate):
    server = Server(("127.0.0.1", 0), handler)
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print("port", server.server_address[1], flush=True)
    server.serve_forever()
