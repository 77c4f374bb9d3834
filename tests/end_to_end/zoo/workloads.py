"""The animals: what runs in a notebook, what the truth about it is, and what Curfew must make of it.

Truths of the Jupyter rows: jupyter-and-sync.md § 2, measured on three versions of the server. Truth is one of
`working` (somebody would lose work or time by a stop), `idle`, `doubtful` (people may differ) and `unseen` (nobody
outside can know). Expected is one of
  never   never due, and active when looked at
  due     due within the limit and two polls of the moment its quiet begins
  stalls  active first, then due: a busy kernel that does nothing for `stalled_after`
  unknown never due, since it cannot be seen
"""

import dataclasses
import http.server
import pathlib
import threading
import time
import typing

import hands

GUEST = pathlib.Path(__file__).with_name("guest")
IN_USE = 60     # seconds for which a terminal counts as in use, and a kernel as starting
BURN = "python3 ~/burn.py 0.35"


@dataclasses.dataclass
class Workload:
    name: str
    truth: str
    expect: str
    start: typing.Callable
    burns: bool = False                    # it uses a core: only a few of these at once
    settles: float = 0                     # seconds from its start until its quiet begins
    worked: bool = False                   # just before: a probe may have seen it, whose word lasts a while
    files: dict = dataclasses.field(default_factory=dict)
    options: dict = dataclasses.field(default_factory=dict)
    probe: str = ""                        # more of its [rule.probe]


WORKLOADS: list[Workload] = []
TROUBLES: list[Workload] = []  # whose server, or the way to it, is broken
STALLS: list[Workload] = []    # kernels that are called busy and may do nothing; for clocks that run faster


def workload(name, truth, expect, among=WORKLOADS, **more):
    def add(start):
        among.append(Workload(name, truth, expect, start, **more))
        return start
    return add


def source(name):
    return (GUEST / name).read_text()


def gpus(*use):
    return {"bin/nvidia-smi": source("nvidia-smi"), "home/gpus": "".join(f"{percent}\n" for percent in use)}


def cell_that_burns(share=0.35):
    return f"import os, sys\nsys.argv = ['burn', '{share}']\nexec(open(os.path.expanduser('~/burn.py')).read())\n"


def spawn(command):
    """A cell that starts a process and ends; the process lives on in a session of its own."""
    return ("import subprocess\n"
            f"job = subprocess.Popen({command!r}, shell=True, start_new_session=True, stdin=subprocess.DEVNULL, "
            "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n")


# Typed before all else: the terminal's last input reads two hours old soon after.
FORGOTTEN = ("T=$(tty); (sleep 2; touch -d '2 hours ago' \"$T\") </dev/null >/dev/null 2>&1 & disown; "
             "echo for''gotten")


# ---- working: cells

@workload("silent-cell", "working", "never", burns=True)
def _(notebook):
    hands.run_cell(notebook, cell_that_burns())


@workload("printing-cell", "working", "never")
def _(notebook):
    hands.run_cell(notebook, "import time\nwhile True:\n    print('step', flush=True)\n    time.sleep(0.5)\n")


@workload("busy-kernel-without-session", "working", "never", burns=True)
def _(notebook):
    hands.run_cell(notebook, cell_that_burns(), session=False)


@workload("thread-in-an-idle-kernel", "working", "never", burns=True)
def _(notebook):
    code = "".join("    " + line + "\n" for line in cell_that_burns().splitlines())
    hands.run_cell(notebook, f"import threading\ndef work():\n{code}threading.Thread(target=work).start()\n", "end")


# ---- working: behind an idle kernel

@workload("background-process-of-a-finished-cell", "working", "never", burns=True)
def _(notebook):
    hands.run_cell(notebook, spawn(BURN), "end")


@workload("data-loader", "working", "never", burns=True, files={"home/loader.py": source("loader.py")})
def _(notebook):
    hands.run_cell(notebook, spawn("python3 ~/loader.py"), "end")


@workload("pauses-between-epochs", "working", "never", burns=True)
def _(notebook):
    hands.run_cell(notebook, spawn("python3 ~/burn.py 0.35 5"), "end")


@workload("one-busy-core-of-many", "working", "never", burns=True, options={"machine_type": "A100-80Gx8"})
def _(notebook):
    hands.run_cell(notebook, spawn(BURN), "end")


@workload("gpu-busy-kernel-idle", "working", "never", files=gpus(87))
def _(notebook):
    hands.run_cell(notebook, "model = 1", "end")


@workload("one-gpu-of-four-works", "working", "never", files=gpus(0, 0, 64, 0))
def _(notebook):
    hands.run_cell(notebook, "model = 1", "end")


@workload("checkpoints-into-a-watched-folder", "working", "never", probe='watched = ["outputs"]\n',
          files={"outputs/log.txt": "begun\n"})
def _(notebook):
    hands.run_cell(notebook, spawn("while :; do date >>outputs/log.txt; sleep 2; done"), "end")


@workload("keeps-a-heartbeat", "working", "never", probe='heartbeat = "alive"\n', files={"alive": ""})
def _(notebook):
    hands.run_cell(notebook, spawn("while :; do touch alive; sleep 2; done"), "end")


# ---- working: terminals

@workload("silent-terminal-job", "working", "never", burns=True)
def _(notebook):
    hands.type_in_terminal(notebook, f"echo be''gun; {BURN}", "begun")


@workload("printing-terminal-job", "working", "never")
def _(notebook):
    hands.type_in_terminal(notebook, "while :; do echo step; sleep 0.5; done", "step\r\nstep")


@workload("nohup-job-of-a-closed-terminal", "working", "never", burns=True)
def _(notebook):
    name = hands.type_in_terminal(notebook, f"nohup {BURN} >/dev/null 2>&1 & sleep 1; echo be''gun", "begun")
    notebook.rest("DELETE", f"/api/terminals/{name}")


@workload("nohup-job-where-jupyter-is-the-first-process", "working", "never", burns=True,
          options={"jupyterFirst": True})
def _(notebook):
    name = hands.type_in_terminal(notebook, f"(setsid nohup {BURN} >/dev/null 2>&1 &); sleep 1; echo be''gun", "begun")
    notebook.rest("DELETE", f"/api/terminals/{name}")


class SlowServer:
    """Serves as many bytes as anybody takes, 2 MB each second."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                block = bytes(200_000)
                try:
                    while True:
                        self.wfile.write(block)
                        time.sleep(0.1)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@workload("download-in-a-terminal", "working", "never")
def _(notebook):
    notebook.cleanup.append(SlowServer())
    url = f"http://127.0.0.1:{notebook.cleanup[-1].server.server_address[1]}/weights"
    hands.type_in_terminal(notebook, f"echo be''gun; curl -s -o \"$TMPDIR/weights\" {url}", "begun")


@workload("job-where-terminals-are-disabled", "working", "never", burns=True,
          options={"jupyterArgs": ["--ServerApp.terminals_enabled=False"]})
def _(notebook):
    hands.run_cell(notebook, spawn(BURN), "end")


# ---- doubtful: a busy kernel that does nothing

def long_ago(notebook):
    """Its kernels and all that they do are real; only the list of them says that the last word was an hour ago,
    since a guest's own clock cannot be hurried and a kernel counts as silent after five minutes."""
    kernels = notebook.rest("GET", "/api/kernels?no_track_activity=1")
    hour_ago = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - 3600))
    answers(notebook, 200, [{**kernel, "last_activity": hour_ago, "execution_state": "busy"} for kernel in kernels],
            "/api/kernels")


@workload("waits-for-input", "doubtful", "stalls", STALLS)
def _(notebook):
    hands.run_cell(notebook, "input('go on? ')", "input")
    long_ago(notebook)


@workload("sleeps-in-a-cell", "doubtful", "stalls", STALLS)
def _(notebook):
    hands.run_cell(notebook, "import time\ntime.sleep(1e6)\n")
    long_ago(notebook)


@workload("killed-kernel-still-called-busy", "idle", "stalls", STALLS)
def _(notebook):
    hands.run_cell(notebook, "import os, signal, threading, time\n"
                   "threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()\ntime.sleep(1e6)\n")
    time.sleep(8)
    long_ago(notebook)


@workload("terminal-sleeps", "doubtful", "due", settles=IN_USE + 2)
def _(notebook):
    hands.type_in_terminal(notebook, FORGOTTEN + "; sleep 100000", "forgotten")


@workload("busy-for-longer-than-a-stall", "working", "never", STALLS, burns=True)
def _(notebook):
    hands.run_cell(notebook, cell_that_burns())
    long_ago(notebook)


@workload("prints-for-longer-than-a-stall", "working", "never", STALLS)
def _(notebook):
    hands.run_cell(notebook, "import time\nwhile True:\n    print('step', flush=True)\n    time.sleep(0.5)\n")


# ---- idle

@workload("never-opened-server", "idle", "due")
def _(notebook):
    pass


@workload("idle-kernel", "idle", "due")
def _(notebook):
    hands.run_cell(notebook, "x = sum(range(1000))", "end")


@workload("idle-kernel-holds-gpu-memory", "idle", "due", files=gpus(0))
def _(notebook):
    hands.run_cell(notebook, "model = 1", "end")


@workload("idle-with-four-gpus", "idle", "due", files=gpus(0, 1, 0, 3))
def _(notebook):
    hands.run_cell(notebook, "model = 1", "end")


@workload("idle-where-terminals-are-disabled", "idle", "due",
          options={"jupyterArgs": ["--ServerApp.terminals_enabled=False"]})
def _(notebook):
    hands.run_cell(notebook, "x = 1", "end")


@workload("idle-where-jupyter-is-the-first-process", "idle", "due", options={"jupyterFirst": True})
def _(notebook):
    hands.run_cell(notebook, "x = 1", "end")


@workload("kernel-that-nobody-connected-to", "idle", "due", settles=IN_USE)
def _(notebook):
    hands.start_kernel(notebook, session=False)


# Each start is work, and a probe's word of it holds for five minutes: fifteen seconds of this clock.
@workload("kernel-that-dies-at-every-start", "idle", "due", STALLS, settles=IN_USE + 40,
          files={"home/.ipython/profile_default/startup/00-die.py": "import os\nos._exit(1)\n"})
def _(notebook):
    hands.start_kernel(notebook)


@workload("interrupted-cell", "idle", "due")
def _(notebook):
    kernel = hands.run_cell(notebook, "import time\nwhile True:\n    time.sleep(0.1)\n")
    notebook.rest("POST", f"/api/kernels/{kernel}/interrupt", {})


@workload("busy-kernel-restarted", "idle", "due", worked=True)
def _(notebook):
    kernel = hands.run_cell(notebook, cell_that_burns())
    notebook.rest("POST", f"/api/kernels/{kernel}/restart", {})


@workload("finished-background-job", "idle", "due", settles=6, worked=True)
def _(notebook):
    # A look at the cell's moment brings a probe of 3 s, which is not to see the job.
    hands.run_cell(notebook, spawn("sleep 6; timeout 3 " + BURN), "end")
    time.sleep(4)


@workload("terminal-at-its-prompt", "idle", "due", settles=IN_USE + 2)
def _(notebook):
    hands.type_in_terminal(notebook, FORGOTTEN, "forgotten")


@workload("lab-page-open-and-polling", "idle", "due")
def _(notebook):
    hands.run_cell(notebook, "x = 1", "end")
    notebook.cleanup.append(hands.OpenLab(notebook))


@workload("websocket-held-open", "idle", "due")
def _(notebook):
    tab = hands.OpenKernel(notebook, hands.start_kernel(notebook))
    tab.run("x = 1", "end")
    notebook.cleanup.append(tab)


@workload("far-away-time-zone-and-language", "idle", "due",
          options={"environment": ["TZ=Pacific/Chatham", "LC_ALL=C.UTF-8", "LANGUAGE=ru"]},
          files={"outputs/old.txt": "x"}, probe='watched = ["outputs"]\n')
def _(notebook):
    hands.run_cell(notebook, "x = 1", "end")


# ---- unseen

@workload("gpu-that-does-not-answer", "unseen", "unknown",
          files={"bin/nvidia-smi": "#!/bin/sh\nexec sleep 100000\n"})
def _(notebook):
    hands.run_cell(notebook, "model = 1", "end")


@workload("shell-that-hangs-at-its-start", "unseen", "unknown", files={"home/.profile": "sleep 100000\n"})
def _(notebook):
    hands.run_cell(notebook, "x = 1", "end")


# ---- troubles

@workload("server-that-hangs", "unseen", "unknown", TROUBLES)
def _(notebook):
    hands.run_cell(notebook, "x = 1", "end")
    hands.freeze(notebook)


def answers(notebook, status, body, path="/"):
    notebook.stage.control("/faults", {"kind": "status", "status": status, "body": body, "count": -1,
                                       "content_type": "application/json",
                                       "match": {"host": "guest", "run": notebook.id, "path": path}})


def kernel_in_state(notebook, state):
    kernel = hands.start_kernel(notebook)
    answers(notebook, 200, [{"id": kernel, "name": "python3", "last_activity": "2026-01-01T00:00:00.000000Z",
                             "execution_state": state, "connections": 0}], "/api/kernels")


@workload("server-that-answers-403", "unseen", "unknown", TROUBLES)
def _(notebook):
    answers(notebook, 403, {"message": "Forbidden", "reason": None})


@workload("gateway-that-answers-503", "unseen", "unknown", TROUBLES)
def _(notebook):
    notebook.stage.control("/faults", {"kind": "guest_503", "count": -1,
                                       "match": {"host": "guest", "run": notebook.id}})


@workload("kernels-that-are-no-list", "unseen", "unknown", TROUBLES)
def _(notebook):
    answers(notebook, 200, {"kernels": []}, "/api/kernels")


@workload("kernel-in-a-state-of-tomorrow", "unseen", "unknown", TROUBLES)
def _(notebook):
    kernel_in_state(notebook, "dreaming")


@workload("kernel-restarting", "doubtful", "never", TROUBLES)
def _(notebook):
    kernel_in_state(notebook, "restarting")


@workload("dead-kernel", "idle", "due", TROUBLES)
def _(notebook):
    kernel_in_state(notebook, "dead")
