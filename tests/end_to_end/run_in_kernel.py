"""Sends the code on stdin to a kernel of a Jupyter Server and leaves it running: PORT TOKEN KERNEL."""

import json
import sys
import uuid

import tornado.gen
import tornado.httpclient
import tornado.ioloop
import tornado.websocket


async def state_becomes(port, token, kernel, wanted):
    """The server hears of a kernel's first states only once it listens: used too early it reads `starting` for ever."""
    client = tornado.httpclient.AsyncHTTPClient()
    for _ in range(300):
        answer = await client.fetch(f"http://127.0.0.1:{port}/api/kernels/{kernel}?no_track_activity=1",
                                    headers={"Authorization": f"token {token}"})
        if json.loads(answer.body)["execution_state"] == wanted:
            return
        await tornado.gen.sleep(0.1)
    raise SystemExit(f"the kernel never became {wanted}")


async def main(port, token, kernel, code):
    request = tornado.httpclient.HTTPRequest(f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels",
                                             headers={"Authorization": f"token {token}"})
    socket = await tornado.websocket.websocket_connect(request)
    await state_becomes(port, token, kernel, "idle")
    header = {"msg_id": uuid.uuid4().hex, "username": "demo", "session": uuid.uuid4().hex, "msg_type": "execute_request",
              "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    await socket.write_message(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content,
                                           "channel": "shell", "buffers": []}))
    while True:  # until the kernel has begun
        message = json.loads(await socket.read_message())
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "busy":
            break
    await state_becomes(port, token, kernel, "busy")
    socket.close()


tornado.ioloop.IOLoop.current().run_sync(lambda: main(*sys.argv[1:4], sys.stdin.read()))
