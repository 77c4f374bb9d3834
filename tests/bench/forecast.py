"""How far forecasts lie from what a month then cost, beside a naive projection (spent / elapsed x period)."""

import collections
import subprocess

from rig import check, table

ACCOUNTS = 200
FIELDS = ("asked", "error", "naive", "inside", "below", "seconds")


def percent(part, whole):
    return f"{100 * part / whole:.1f} %"


def row_of(name, sums):
    return [name, percent(sums["error"], sums["asked"]), percent(sums["naive"], sums["asked"]),
            f"{sums['error'] / sums['naive']:.2f}", "naive" if sums["naive"] < sums["error"] else "forecast",
            percent(sums["inside"], sums["asked"]), percent(sums["below"], sums["asked"])]


def run(binaries):
    print(f"\nforecast: {ACCOUNTS} made-up accounts of each habit, a month each, asked when 20, 40, 60 and 80 % of it are over")
    done = subprocess.run([str(binaries / "curfew-bench-forecast"), str(ACCOUNTS)], capture_output=True, text=True)
    check(f"curfew-bench-forecast: {done.stderr}", done.returncode == 0)
    groups = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
    for line in done.stdout.splitlines():
        history, habit, moment, *values = line.split("\t")
        counted = dict(zip(FIELDS, map(float, values)))
        for name in (habit, f"at {moment} %", "all"):
            groups[history][name].update(counted)
    head = ["mean error of", "p50", "naive", "ratio", "nearer", "truth in p10..p90", "below p10"]
    for history, rows in groups.items():
        ordered = [n for n in rows if not n.startswith("at ") and n != "all"] + [n for n in rows if n.startswith("at ")] + ["all"]
        table(f"with {history} days of history before the month", head, [row_of(name, rows[name]) for name in ordered])
    for history, rows in groups.items():
        everything = rows["all"]
        check("every account was asked and answered", everything["asked"] > 0)
        print(f"forecast: {history} days of history: p50 is off by {percent(everything['error'], everything['asked'])}, a naive "
              f"projection by {percent(everything['naive'], everything['asked'])}; the range holds "
              f"{percent(everything['inside'], everything['asked'])}; {1e6 * everything['seconds'] / everything['asked']:.0f} us each")
