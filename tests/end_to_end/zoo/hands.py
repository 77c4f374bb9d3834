"""What a person's hands do in a notebook: cells, terminals, open pages. All of it over the same requests and
websockets as JupyterLab makes, each socket in one event loop of its own thread."""

import asyncio
import atexit
import json
import os
import pathlib
import re
import signal
import sys
import threading
import time
import urllib.request


sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from run_in_kernel import connect, message, open_kernel, state_becomes  # noqa: E402
from stage import Failure  # noqa: E402

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()


@atexit.register
def _end():
    async def cancel():
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
    asyncio.run_coroutine_threadsafe(cancel(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)


def do(coroutine, seconds=60):
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result(seconds)
    except TimeoutError:
        future.cancel()  # nobody waits for it any more, and it would go on reading what is meant for the next
        raise


async def _close(socket):
    """Reads on until the other end has closed it, too."""
    socket.close()
    try:
        async with asyncio.timeout(5):
            while await socket.read_message() is not None:
                pass
    except TimeoutError:
        pass


def start_kernel(notebook, session=True):
    """As JupyterLab does it, or, without a session, as a script does."""
    if not session:
        return notebook.rest("POST", "/api/kernels", {"name": "python3"})["id"]
    return notebook.rest("POST", "/api/sessions", {"path": "work.ipynb", "name": "work.ipynb", "type": "notebook",
                                                   "kernel": {"name": "python3"}})["kernel"]["id"]


class OpenKernel:
    """The websocket of one kernel, as an open tab holds it."""

    def __init__(self, notebook, kernel):
        self.notebook, self.kernel = notebook, kernel
        self.socket = do(open_kernel(notebook.port(), notebook.token, kernel), 130)

    def run(self, code, until):
        """`until`: busy (it has begun), end, or input (it waits for a person)."""
        tries = 3 if until == "input" else 1
        for left in reversed(range(tries)):
            try:
                return do(self._run(code, until), 60 if left == 0 else 20)
            except TimeoutError:
                if left == 0:
                    raise
            # Where the server was not connected to the kernel's stdin yet, its question reached nobody, and never will.
            self.notebook.rest("POST", f"/api/kernels/{self.kernel}/interrupt")

    async def _run(self, code, until):
        execute = message("execute_request", {"code": code, "silent": False, "store_history": True,
                                              "user_expressions": {}, "allow_stdin": until == "input"})
        await self.socket.write_message(execute)
        request = json.loads(execute)["header"]["msg_id"]
        while True:
            heard = json.loads(await self.socket.read_message())
            if heard["parent_header"].get("msg_id") != request:
                continue
            kind, content = heard["msg_type"], heard["content"]
            if kind == "error":
                raise Failure("the cell failed: " + "\n".join(content["traceback"]))
            state = content.get("execution_state") if kind == "status" else None
            if ((until == "busy" and state == "busy") or (until == "end" and state == "idle")
                    or (until == "input" and kind == "input_request")):
                break

        await state_becomes(self.notebook.port(), self.notebook.token, self.kernel,
                            "idle" if until == "end" else "busy")

    def close(self):
        do(_close(self.socket))


def run_cell(notebook, code, until="busy", session=True):
    """Opens a tab, runs one cell, closes the tab. Returns the kernel's id."""
    kernel = start_kernel(notebook, session)
    tab = OpenKernel(notebook, kernel)
    tab.run(code, until)
    tab.close()
    return kernel


def type_in_terminal(notebook, line, expect="$", name=None):
    """Opens a terminal's tab, types one line, waits until the terminal shows `expect`, closes the tab."""
    name = name or notebook.rest("POST", "/api/terminals", {})["name"]
    do(_type(notebook, name, line, expect))
    return name


async def _type(notebook, name, line, expect):
    socket = await connect(notebook.port(), notebook.token, f"/terminals/websocket/{name}")
    shown = ""

    async def wait(pattern):
        nonlocal shown
        while not re.search(pattern, shown):
            kind, *rest = json.loads(await socket.read_message())
            if kind == "stdout":
                shown += rest[0]

    await socket.write_message(json.dumps(["set_size", 40, 200]))
    await wait(r"[$#] $")
    shown = ""
    await socket.write_message(json.dumps(["stdin", line + "\r"]))
    await wait(expect)
    await _close(socket)


class OpenLab:
    """A visible JupyterLab page: it asks for kernels, sessions and terminals again and again."""

    def __init__(self, notebook, every=2.0):
        self.closed = threading.Event()
        port, token = notebook.port(), notebook.token

        def poll():
            while not self.closed.wait(every):
                for what in ("kernels", "sessions", "terminals"):
                    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{what}?{time.time_ns()}",
                                                     headers={"Authorization": f"token {token}"})
                    try:
                        urllib.request.urlopen(request, timeout=10).read()
                    except OSError:
                        return  # its server is gone

        threading.Thread(target=poll, daemon=True).start()

    def close(self):
        self.closed.set()


def freeze(notebook):
    """Its server stops in its tracks: the port is open, and nobody answers. Its end kills it all the same."""
    wanted = f"--port={notebook.port()}".encode()
    for process in pathlib.Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in words and b"jupyter_server" in words and b"--keep-guest" not in words:
            os.kill(int(process.name), signal.SIGSTOP)
            return
    raise Failure("no server to freeze")
