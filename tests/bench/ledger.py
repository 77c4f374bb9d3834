"""The ledger at three ages, beside the same questions in plain SQL on its rows and beside the table it was before."""

import subprocess

from rig import check, table

HOURS = (100, 1_000, 10_000)  # of 1,000 resources


def number(text, bytes_each):
    if text == "-":
        return "-"
    value = float(text)
    return f"{value:.1f}" if bytes_each else f"{value * 1000:,.1f}" if value < 10 else f"{value * 1000:,.0f}"


def run(binaries):
    print("\nledger: 1,000 resources in rows of an hour, each started once a day; rows laid down by SQL in bulk, hour after hour,"
          " the sums of days made from them by the store")
    done = subprocess.run([str(binaries / "curfew-bench-ledger"), *map(str, HOURS)], capture_output=True, text=True)
    check(f"curfew-bench-ledger: {done.stderr}", done.returncode == 0)
    figures = {}
    for line in done.stdout.splitlines():
        rows, what, ours, plain = line.split("\t")
        figures.setdefault(what, {})[int(rows)] = (ours, plain)
    head = [""] + [f"{hours * 1000:,} rows" for hours in HOURS] + ["plain: " + f"{hours * 1000:,}" for hours in HOURS] + ["ratio"]
    for title, is_bytes in (("ms (plain: SQL on the rows)", False), ("bytes a row (plain: the table of version 2)", True)):
        lines = []
        for what, by_rows in figures.items():
            if what.startswith("bytes") != is_bytes:
                continue
            cells = [by_rows[hours * 1000] for hours in HOURS]
            both = [float(plain) / float(ours) for ours, plain in cells if plain != "-"]
            lines.append([what] + [number(ours, is_bytes) for ours, _ in cells] + [number(plain, is_bytes) for _, plain in cells]
                         + [f"{both[-1]:.1f}" if both else "-"])
        table(title, head, lines)
    month = figures["month to date of 20 budgets"]
    oldest, younger = HOURS[-1] * 1000, HOURS[-2] * 1000
    print(f"ledger: month to date of 20 budgets in {number(month[oldest][0], False)} ms at {oldest:,} rows,"
          f" {number(month[younger][0], False)} ms at {younger:,}; the ratio is that of the last column that has both")
