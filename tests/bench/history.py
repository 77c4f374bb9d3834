"""What the history takes on the disk, beside a row for every look; and how long a replay of it takes."""

import subprocess

from rig import check, table

NOTEBOOKS, DAYS = 100, 3


def run(binaries):
    print(f"\nhistory: {DAYS} days of {NOTEBOOKS} notebooks that run all day, six sources looked at every minute, through the"
          " recorder and the real store")
    done = subprocess.run([str(binaries / "curfew-bench-history"), str(NOTEBOOKS), str(DAYS)], capture_output=True, text=True)
    check(f"curfew-bench-history: {done.stderr}", done.returncode == 0)
    rows = []
    for line in done.stdout.splitlines():
        kind, _, _, size, stored, writes, looks, seconds, replayed = line.split("\t")
        rows.append([{"steady": "three stretches", "cells": "... of cells that end"}[kind], size, stored, writes, looks,
                     f"{float(seconds) * 1000:.0f}", f"{int(replayed) / float(seconds) / 1e6:.1f}"])
    table("a notebook-day", ["", "bytes", "rows", "writes", "rows if each look were one", "replay of all, ms", "M looks/s"], rows)
    print(f"history: {rows[0][1]} bytes per notebook-day with three steady work stretches, {rows[1][1]} when cells come and go")
