"""Lets a kernel of a Jupyter server work with no tab open until a file is there: PORT TOKEN KERNEL FILE."""

import json
import sys
import uuid

import tornado.httpclient
import tornado.ioloop
import tornado.websocket


async def main(port, token, kernel, file):
    request = tornado.httpclient.HTTPRequest(f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels",
                                             headers={"Authorization": f"token {token}"})
    socket = await tornado.websocket.websocket_connect(request)
    header = {"msg_id": uuid.uuid4().hex, "username": "test", "session": uuid.uuid4().hex,
              "msg_type": "execute_request", "version": "5.3"}
    code = f"import os, time\nwhile not os.path.exists({file!r}):\n    time.sleep(0.05)"
    content = {"code": code, "silent": False, "store_history": True,
               "user_expressions": {}, "allow_stdin": False}
    await socket.write_message(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content,
                                           "channel": "shell", "buffers": []}))
    while True:
        message = json.loads(await socket.read_message())
        if message["msg_type"] == "execute_input":  # ours has begun
            break
    socket.close()


tornado.ioloop.IOLoop.current().run_sync(lambda: main(*sys.argv[1:5]))
