"""Sends the code on stdin to a kernel of a Jupyter Server and leaves it running: PORT TOKEN KERNEL."""

import asyncio
import json
import sys
import uuid

import tornado.gen
import tornado.httpclient
import tornado.ioloop
import tornado.websocket


def message(kind, content):
    header = {"msg_id": uuid.uuid4().hex, "username": "demo", "session": uuid.uuid4().hex, "msg_type": kind, "version": "5.3"}
    return json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell",
                       "buffers": []})


async def connect(port, token, path):
    request = tornado.httpclient.HTTPRequest(f"ws://127.0.0.1:{port}{path}", headers={"Authorization": f"token {token}"},
                                             request_timeout=120, connect_timeout=120)
    return await tornado.websocket.websocket_connect(request)


async def state_becomes(port, token, kernel, wanted, nudge=None):
    """Polls the kernel's state as the server knows it, and calls `nudge`, if there is one, before each try."""
    client = tornado.httpclient.AsyncHTTPClient()
    for _ in range(300):
        if nudge is not None:
            await nudge()
        answer = await client.fetch(f"http://127.0.0.1:{port}/api/kernels/{kernel}?no_track_activity=1",
                                    headers={"Authorization": f"token {token}"}, request_timeout=120,
                                    connect_timeout=120)
        if json.loads(answer.body)["execution_state"] == wanted:
            return
        await tornado.gen.sleep(0.1)
    raise SystemExit(f"the kernel never became {wanted}")


async def open_kernel(port, token, kernel):
    """The websocket of a kernel that is idle, and hears what the kernel publishes."""
    socket = await connect(port, token, f"/api/kernels/{kernel}/channels")

    # Until a socket's own subscription is through, the server keeps or drops what the kernel publishes, and the
    # answers to a cell that was sent so early are never heard. So the kernel is asked until it is heard here.
    async def ask():
        await socket.write_message(message("kernel_info_request", {}))

    async def hear():
        while json.loads(await socket.read_message())["channel"] != "iopub":
            pass

    for _ in range(120):
        await ask()
        try:
            await asyncio.wait_for(hear(), 1)
            break
        except TimeoutError:
            pass
    else:
        raise SystemExit(f"nothing that kernel {kernel} publishes is heard")

    # The server's own subscription, from which it knows a kernel's state, is another one, and misses as much.
    await state_becomes(port, token, kernel, "idle", ask)
    return socket


async def main(port, token, kernel, code):
    socket = await open_kernel(port, token, kernel)
    execute = message("execute_request", {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                                          "allow_stdin": False})
    await socket.write_message(execute)
    request = json.loads(execute)["header"]["msg_id"]
    while True:  # until the kernel has begun with this very request
        heard = json.loads(await socket.read_message())
        if (heard["msg_type"] == "status" and heard["content"]["execution_state"] == "busy"
                and heard["parent_header"].get("msg_id") == request):
            break
    await state_becomes(port, token, kernel, "busy")
    socket.close()


if __name__ == "__main__":
    tornado.ioloop.IOLoop.current().run_sync(lambda: main(*sys.argv[1:4], sys.stdin.read()))
