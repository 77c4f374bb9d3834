"""kill -9 at every numbered point of an enforcement, then a restart: the same final state, no second stop for a
run that is off, no stop for a newer run, no file missing from the receipt.

A first enforcement without a crash tells how many points there are; then each point has its own stage.

With --random N it is killed at N moments instead that nobody chose, a few in each stage, also while it starts."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from stage import Failure, Stage, money, wait_for  # noqa: E402

SPEED = 20
KILLS_A_STAGE = 4
FILES = {"notes.ipynb": json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}),
         "outputs/model.bin": {"bytes": 300_000, "seed": 7}, "outputs/results.csv": "step,loss\n1,0.5\n",
         "odd name [1]%.txt": "x"}


def make_stage(binaries):
    stage = Stage(binaries, speed=SPEED, boot_ms=2000, teardown_ms=4000)
    notebook = stage.notebook("quiet", files=FILES)
    stage.config(idle="60s", ladder=["30s"], min_notice="5s", settle="1s", channels=True)
    return stage, notebook


def final_state(stage, notebook):
    """Waits for the end and checks everything that must hold whatever happened in between."""
    stage.wait_event("enforcement.stopped", notebook.id, 120)
    wait_for("the end in the ledger", lambda: stage.item("quiet") and not stage.item("quiet")["billing"], 30)
    state = {n["notebookRepoId"]: n["state"] for n in stage.state()["notebooks"]}
    if state[notebook.repo] not in ("Cancelled", "Stopped"):  # the provider's stop, or through the guest
        raise Failure(f"the notebook is {state[notebook.repo]}")
    calls = stage.stop_calls()
    if any(call["run"] != notebook.id for call in calls):
        raise Failure(f"a stop of another run: {calls}")
    worked = [call for call in calls if call["status"] and call["status"] < 300]
    if len(worked) > 1:
        raise Failure(f"stopped more than once: {calls}")
    receipts = stage.receipts()
    live = [r for r in receipts if r["run"] == notebook.id]
    if not live:
        raise Failure("no receipt of the run")
    for receipt in live:
        if stage.check_receipt(receipt) != len(FILES):
            raise Failure(f"{receipt['files']} files in the receipt, not {len(FILES)}")
    explained = stage.answer("explain", "quiet")["enforcements"]
    ended = [e for e in explained if e["run"] == notebook.id and e["state"] == "stopped"]
    if len(ended) != 1 or ended[0]["receipt"] not in [r["id"] for r in live]:
        raise Failure(f"the enforcement did not end with a receipt: {explained}")
    temporary = list((stage.folder / "vault").rglob(".tmp-*"))
    if temporary:
        raise Failure(f"left over in the vault: {temporary}")
    invoice = [line for line in stage.invoice()["lines"] if line["run"] == notebook.id]
    ours = [row for row in stage.answer("spend")["items"] if row["resource"] == notebook.repo]
    if abs(sum(money(r["gross"]) for r in ours) - sum(money(line["amount"]) for line in invoice)) >= 5_000_000:
        raise Failure(f"ledger {ours} and invoice {invoice} differ")
    doctor = stage.answer_of("doctor")
    audit = [f for f in doctor["items"] if f["what"] == "audit"]
    if not audit[0]["good"]:
        raise Failure(f"the audit: {audit}")
    open_intents = stage.open_intents()
    if open_intents:
        raise Failure(f"intents without an outcome: {open_intents}")


def points_of(log):
    return [(int(n), name) for n, name in re.findall(r'event=point number=(\d+) name="([^"]*)"', log)]


def whole_run(binaries):
    stage, notebook = make_stage(binaries)
    with stage:
        begun = time.monotonic()
        stage.start_daemon()
        stage.wait_event("enforcement.stopped", notebook.id, 120)
        took = time.monotonic() - begun
        final_state(stage, notebook)
        found = points_of(stage.log_text())
    return found, took


def crash_at(binaries, number, name):
    stage, notebook = make_stage(binaries)
    with stage:
        try:
            stage.start_daemon("--crash-at", str(number))
            code = stage.daemon.wait(120)
            if code != -signal.SIGKILL:
                raise Failure(f"it ended with {code} instead of being killed")
            stage.start_daemon()
            final_state(stage, notebook)
            if stage.stop_daemon() != 0:
                raise Failure("the restarted daemon did not end in order")
        except (Failure, OSError, ValueError, KeyError) as failure:
            return f"point {number} ({name}): {failure}\n{stage.log_text()[-3000:]}"
    return None


def killed_at_random(binaries, seed, kills, took):
    dice = random.Random(seed)
    stage, notebook = make_stage(binaries)
    moments = []
    with stage:
        try:
            for _ in range(kills):
                stage.start_daemon(wait=False)
                moments.append(dice.uniform(0, took))
                try:
                    raise Failure(f"it ended by itself with {stage.daemon.wait(moments[-1])}")
                except subprocess.TimeoutExpired:
                    stage.daemon.kill()
                    stage.daemon.wait()
            stage.start_daemon()
            final_state(stage, notebook)
            if stage.stop_daemon() != 0:
                raise Failure("the restarted daemon did not end in order")
        except (Failure, OSError, ValueError, KeyError) as failure:
            return f"seed {seed} (after {[f'{m:.2f}s' for m in moments]}): {failure}\n{stage.log_text()[-3000:]}"
    return None


def at_random(options):
    _, took = whole_run(options.bin)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    stages = max(1, (options.random + KILLS_A_STAGE - 1) // KILLS_A_STAGE)
    failures = []
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        for failure in pool.map(lambda i: killed_at_random(options.bin, seed + i, KILLS_A_STAGE, took), range(stages)):
            if failure:
                print(f"FAILED {failure}", flush=True)
                failures.append(failure)
    print(f"{stages * KILLS_A_STAGE} kills at random moments, seed {seed}: {stages - len(failures)} of {stages} stages end in "
          "the same final state")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=os.environ.get("CURFEW_BIN"))
    parser.add_argument("--at", type=int, help="only this point")
    parser.add_argument("--random", type=int, metavar="N", help="N kills at random moments")
    parser.add_argument("--seed", type=int, help="of those moments")
    parser.add_argument("--parallel", type=int, default=3)
    options = parser.parse_args()
    if options.random:
        return at_random(options)
    points, _ = whole_run(options.bin)
    wanted = ["decided warned", "durable packing", "pack ended", "durable stopping", "calling stop", "stop answered",
              "durable confirming", "decided stopped"]
    missing = [name for name in wanted if name not in [n for _, n in points]]
    if missing:
        print(f"the enforcement without a crash never came to {missing}")
        return 1
    failures = []
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        jobs = {pool.submit(crash_at, options.bin, number, name): (number, name) for number, name in points
                if options.at in (None, number)}
        for job in concurrent.futures.as_completed(jobs):
            number, name = jobs[job]
            failure = job.result()
            print(f"{'FAILED' if failure else 'ok    '} killed at point {number:2} ({name})", flush=True)
            if failure:
                failures.append(failure)
    print("\n".join(failures))
    print(f"{len(jobs) - len(failures)} of {len(jobs)} points end in the same final state")
    return 1 if failures or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
