"""`./dev demo`: Curfew at work on three emulated notebooks, each with a real Jupyter Server behind it.

One trains all the time, one sits idle from the start, one finishes its training and goes quiet. The clock runs
20 times faster. Ends with an error if anything that it claims does not hold; leaves nothing behind."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import Failure, Stage, money, wait_for  # noqa: E402

SPEED = 20
ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

TRAINING = """
import json, os, time, random
steps = {steps}
random.seed(1)
os.makedirs("outputs", exist_ok=True)
loss, weights, step = 4.0, [random.random() for _ in range(4000)], 0
until = time.time() + {seconds}
with open("outputs/results.csv", "w") as results:
    results.write("step,loss\\n")
    while time.time() < until:
        for _ in range(40):
            weights = [w - 0.001 * (w - 0.5) for w in weights]
        step += 1
        loss *= 0.995
        results.write(f"{{step}},{{loss:.4f}}\\n")
with open("outputs/model.bin", "wb") as model:
    for w in weights * 40:
        model.write(int(w * 2**31).to_bytes(4, "little"))
"""

NOTEBOOK = {
    "cells": [{"cell_type": "markdown", "id": "a1", "metadata": {}, "source": "# Diffusion, run 7"},
              {"cell_type": "code", "id": "a2", "metadata": {}, "execution_count": 1, "source": "train(model, data)",
               "outputs": [{"output_type": "stream", "name": "stdout", "text": "epoch 12: loss 0.4137\n"}]}],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4, "nbformat_minor": 5,
}


class Show:
    def __init__(self):
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.begun = time.monotonic()

    def step(self, text):
        mark = f"[{time.monotonic() - self.begun:5.1f} s]"
        print(f"\n\x1b[1m{mark} {text}\x1b[0m" if self.colour else f"\n{mark} {text}", flush=True)

    def block(self, text):
        print(textwrap.indent(text.rstrip("\n"), "    "), flush=True)

    def run(self, stage, *arguments, check=True):
        self.block("$ curfew " + " ".join(arguments))
        done = stage.curfew(*arguments, check=check)
        self.block(done.stdout + done.stderr)
        return done


def shown_mail(message):
    text = message.get_body(("plain",)).get_content().strip()
    return f"From: {message['from']}\nTo: {message['to']}\nSubject: {message['subject']}\n\n{text}"


def tree(folder, depth=6):
    lines = []

    def walk(path, level):
        for child in sorted(path.iterdir()):
            name = child.name + (" -> " + os.readlink(child) if child.is_symlink() else "/" if child.is_dir() else "")
            size = f"  {child.stat().st_size} bytes" if child.is_file() and not child.is_symlink() else ""
            lines.append("  " * level + name + size)
            if child.is_dir() and not child.is_symlink() and level < depth:
                walk(child, level + 1)

    walk(folder, 0)
    return "\n".join(lines)


def check(what, good):
    if not good:
        raise Failure(what)
    print(f"    ok  {what}", flush=True)


def set_the_scene(stage, show):
    show.step("Three notebooks on A4000 machines ($0.76/h) start, each a real Jupyter Server")
    files = {"notes.ipynb": json.dumps(NOTEBOOK)}
    trainer = stage.notebook("trains-all-day", files={"train.ipynb": json.dumps(NOTEBOOK)}, gpu=88)
    idle = stage.notebook("forgotten", files={**files, "data/labels.csv": "id,label\n1,cat\n2,dog\n"})
    finisher = stage.notebook("finishes-soon", files={"train.ipynb": json.dumps(NOTEBOOK)}, gpu=91)
    trainer.run_in_kernel(TRAINING.format(steps=0, seconds=600))
    finisher.run_in_kernel(TRAINING.format(steps=0, seconds=14))
    show.block(f"trains-all-day and finishes-soon run a real loop in a real kernel; forgotten does nothing.\n"
               f"The clock runs {SPEED} times faster than yours.")
    return trainer, idle, finisher


def act(stage, show, trainer, idle, finisher):
    show.step("curfewd starts: quiet for 8 minutes (virtual; 4 more after a recent request) means warn, pack, prove, stop")
    stage.config(idle="8m", ladder=["4m"], min_notice="1m", settle="2s", start_grace="1m",
                 budget='[[budget]]\nname = "team"\namount = "50.00"\nmode = "enforce"\n'
                        'thresholds = [{ percent = 80, action = "notify" }, { percent = 100, action = "stop" }]\n')
    stage.start_daemon()
    wait_for("the first looks", lambda: (stage.item("trains-all-day") or {}).get("verdict") == "active", 30)
    show.run(stage, "status")

    show.step("Somebody keeps `finishes-soon` for a while: the price is stated")
    show.run(stage, "keep", "finishes-soon", "--for", "2h", "--reason", "looking at the curves")
    show.step("Why is `trains-all-day` left alone?")
    show.run(stage, "explain", "trains-all-day")

    show.step("`forgotten` is quiet; its owner is warned first")
    warning = wait_for("the warning by mail", lambda: [m for m in stage.mail.messages if "forgotten" in str(m["subject"])], 60)[0]
    show.block("the mail, as the SMTP server received it:")
    show.block(textwrap.indent(shown_mail(warning), "| "))
    hook = wait_for("the warning by webhook", lambda: [h for h in stage.hook.received if h["data"]["resource_name"] == "forgotten"], 30)[0]
    show.block("the webhook, its signature verified by the receiver:")
    show.block(textwrap.indent(json.dumps({k: hook["data"][k] for k in ("kind", "title", "do_next", "stops_at", "cost_so_far")}, indent=1), "| "))

    show.step("Packed, proven, stopped, confirmed")
    stage.wait_event("enforcement.stopped", idle.id, 90)
    show.run(stage, "events", "forgotten")

    show.step("`finishes-soon` has finished its training and goes quiet; its keep is released")
    wait_for("the end of the training", lambda: finisher.kernel_states() == ["idle"], 60)
    finisher.gpu(0)
    show.run(stage, "release", "finishes-soon")
    stage.wait_event("enforcement.stopped", finisher.id, 120)
    show.run(stage, "status", "-a")


def judge(stage, show, trainer, idle, finisher):
    show.step("What was saved, checked without Curfew by sha256sum -c")
    receipts = {r["name"]: r for r in stage.receipts()}
    for name in ("forgotten", "finishes-soon"):
        count = stage.check_receipt(receipts[name])
        check(f"{name}: {count} files, sha256sum -c accepts every one", count == receipts[name]["files"] and count > 0)
    names = {p.name for p in pathlib.Path(receipts["finishes-soon"]["proofs"][0]["locator"]).rglob("*") if p.is_file()}
    check("the notebook, its HTML copy, the model and the results are there",
          {"train.ipynb", "train.ipynb.html", "model.bin", "results.csv"} <= names)
    show.block(tree(stage.folder / "vault"))

    show.step("The money: our ledger beside the emulator's own invoice")
    wait_for("the last run's end in the ledger", lambda: not stage.item("finishes-soon")["billing"], 20)
    invoice = stage.invoice()
    spend = stage.answer("spend")
    ours = {row["resource"]: money(row["gross"]) for row in spend["items"]}
    theirs = {}
    for line in invoice["lines"]:
        theirs[line["resource"]] = theirs.get(line["resource"], 0) + money(line["amount"])
    for notebook, name in ((idle, "forgotten"), (finisher, "finishes-soon"), (trainer, "trains-all-day")):
        show.block(f"{name:15} ledger ${ours[notebook.repo] / 1e9:.6f}   invoice ${theirs[notebook.repo] / 1e9:.6f}")
    for notebook, name in ((idle, "forgotten"), (finisher, "finishes-soon")):
        check(f"{name}: equal to the cent", abs(ours[notebook.repo] - theirs[notebook.repo]) < 5_000_000)
    check("in all: equal to the cent", abs(money(spend["totals"]["gross"]) - money(invoice["total"])) < 10_000_000)

    show.step("And in the end")
    show.run(stage, "spend")
    state = {n["notebookRepoId"]: n["state"] for n in stage.state()["notebooks"]}
    check("the working notebook was left alone", state[trainer.repo] == "Running" and trainer.kernel_states() == ["busy"])
    check("the two quiet ones are stopped", state[idle.repo] == state[finisher.repo] == "Cancelled")
    calls = stage.stop_calls()
    check("exactly one stop call each, none to the working one",
          sorted(c["run"] for c in calls) == sorted([idle.id, finisher.id]))
    check("every webhook's signature was right", not stage.hook.bad)


def stay(stage, show):
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    show.step("It goes on running until you press Ctrl-C. Try:")
    curfew = stage.binaries / "curfew"
    show.block(f"export CURFEW_SOCKET={stage.folder}/api.sock CURFEW_ADMIN_SOCKET={stage.folder}/admin.sock\n"
               f"{curfew} status\n{curfew} explain trains-all-day\n{curfew} stop trains-all-day\n{curfew} events -f\n"
               f"curl --unix-socket {stage.folder}/api.sock http://localhost/v1/status")
    signal.sigwait(ENDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, help="folder of the programs")
    parser.add_argument("--stay", action="store_true", help="leave it up for playing")
    options = parser.parse_args()
    if shutil.which("sha256sum") is None:
        sys.exit("sha256sum is missing")
    for each in ENDS - {signal.SIGINT}:
        if signal.getsignal(each) == signal.SIG_DFL:  # not under nohup
            signal.signal(each, lambda number, _: sys.exit(128 + number))  # what was started is ended with it
    show = Show()
    with Stage(options.bin, speed=SPEED, boot_ms=10_000, teardown_ms=15_000) as stage:
        try:
            scene = set_the_scene(stage, show)
            act(stage, show, *scene)
            judge(stage, show, *scene)
            if options.stay:
                stay(stage, show)
            code = stage.stop_daemon()
            check("curfewd ended in order", code == 0)
        except (Failure, subprocess.SubprocessError) as failure:
            print(f"\nthe demo failed: {failure}\n\nthe end of curfewd's log:\n{stage.log_text()[-6000:]}", file=sys.stderr)
            return 1
    show.step("Done; nothing is left running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
