#!/usr/bin/python3
"""What the tests of a coverage build ran: lines and branches per room, and the files of core that may miss none.

A branch is one outcome of one condition in the source. Not counted: what stands in a macro (CURFEW_ASSERT, whose
failing arm ends the process), what the compiler folds to a constant, and the arm "none of these" of a switch over an
enumeration, which has no source: all values are named, and the compiler warns of one that is not.
"""
import argparse
import json
import os
import re
import subprocess
import sys
from collections import defaultdict

WHOLE = ["activity", "alert", "budget", "enforcement", "ledger", "money"]  # of core: every branch
LINES, BRANCHES = 90, 80  # of all, in percent


class File:
    """Lines and branches of one source file, over all programs and all instances of a template."""

    def __init__(self, path):
        self.lines = {}  # number -> was it run
        self.branches = {}  # (line, column, line, column) -> [times true, times false]
        with open(path, encoding="utf-8") as source:
            self.text = source.read().split("\n")

    def add_lines(self, segments):
        """As llvm-cov marks them: [line, column, count, has count, starts a region, is a gap]."""
        by_line = defaultdict(list)
        for segment in segments:
            by_line[segment[0]].append(segment)
        wrapped = None
        for number in range(segments[0][0], segments[-1][0] + 1) if segments else ():
            here = by_line.get(number, [])
            starts = [s for s in here if s[3] and s[4] and not s[5]]
            skipped = bool(here) and not here[0][3] and here[0][4]
            if not skipped and (starts or (wrapped and wrapped[3])):
                count = max([s[2] for s in starts] + ([wrapped[2]] if wrapped and wrapped[3] else []))
                self.lines[number] = self.lines.get(number, False) or count > 0
            if here:
                wrapped = here[-1]

    def add_branch(self, where, true, false):
        if self.is_switch(where):
            return
        both = self.branches.setdefault(where, [0, 0])
        both[0] += true
        both[1] += false

    def is_switch(self, where):
        """Is it the arm without a source of a switch over an enumeration?"""
        if not re.search(r"\bswitch \($", self.text[where[0] - 1][: where[1] - 1]):
            return False
        label = re.search(r"\bcase ([^:]|::)+:", "\n".join(self.text[where[2] - 1 : where[2] + 3]))
        return bool(label) and "::" in label.group(0)


def load(objects, profile):
    command = ["llvm-cov-19", "export", f"--instr-profile={profile}", "--ignore-filename-regex=^/usr/", objects[0]]
    command += [f"--object={name}" for name in objects[1:]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    # Inline functions that one program does not use and another does are "mismatched" to it.
    said = re.sub(rb"warning: \d+ functions have mismatched data\n", b"", done.stderr)
    sys.stderr.buffer.write(said)
    if done.returncode:
        sys.exit(f"coverage: llvm-cov failed with {done.returncode}")
    return json.loads(done.stdout)["data"][0]


def collect(data, root):
    """{path below the root: File} of the product."""
    files = {}

    def file(name):
        # A header is named by the include root of its layer, which is a symbolic link.
        path = os.path.relpath(os.path.realpath(name), root)
        if not re.match(r"(daemon|include/curfew)/", path):
            return None
        if path not in files:
            files[path] = File(os.path.join(root, path))
        return files[path]

    for entry in data["files"]:
        found = file(entry["filename"])
        if found:
            found.add_lines(entry["segments"])
    for function in data["functions"]:
        found = file(function["filenames"][0])
        for branch in function["branches"] if found else ():
            if branch[6] == 0:  # not within a macro
                found.add_branch(tuple(branch[:4]), branch[4], branch[5])
    return files


def room(path):
    parts = re.sub(r"^(daemon|include/curfew)/", "", path).split("/")
    if len(parts) == 1:
        return "main"
    return "/".join(parts[:2]) if parts[0] == "adapters" and len(parts) > 2 else parts[0]


def counts(files):
    lines = [run for f in files for run in f.lines.values()]
    arms = [times > 0 for f in files for both in f.branches.values() for times in both]
    return len(lines), sum(lines), len(arms), sum(arms)


def share(hit, total):
    return 100 * hit / total if total else 100.0


def row(name, sums):
    lines, lines_hit, arms, arms_hit = sums
    print(f"{name:<22} {lines:7} {share(lines_hit, lines):7.1f} % {arms:9} {share(arms_hit, arms):7.1f} %")


def missing(path, file):
    found = [(where, arm, file.text[where[0] - 1][where[1] - 1 : where[3] - 1 if where[2] == where[0] else None])
             for where, both in file.branches.items() for arm, times in zip(("true", "false"), both) if not times]
    for where, arm, text in sorted(found):
        print(f"{path}:{where[0]}:{where[1]}: never {arm}: {text}")


def lines_not_run(path, file):
    run = sorted(number for number, hit in file.lines.items() if not hit)
    while run:
        last = 1
        while last < len(run) and run[last] == run[0] + last:
            last += 1
        to = f"-{run[last - 1]}" if last > 1 else ""
        print(f"{path}:{run[0]}{to}: never run: {file.text[run[0] - 1].strip()}")
        run = run[last:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True, help="of the tree")
    parser.add_argument("--profile", required=True, help="made by llvm-profdata merge")
    parser.add_argument("--core", action="store_true", help="only the files of core that may miss no branch")
    parser.add_argument("--missing", action="append", default=[], metavar="PATH",
                        help="also list what no test ran in files whose path begins so: daemon/core/ledger")
    parser.add_argument("objects", nargs="+", help="programs that ran")
    options = parser.parse_args()
    files = collect(load(options.objects, options.profile), os.path.realpath(options.root))

    print(f"{'room':<22} {'lines':>7} {'covered':>9} {'branches':>9} {'covered':>9}")
    failed = []
    rooms = defaultdict(list)
    for path, file in files.items():
        rooms[room(path)].append(file)
    if not options.core:
        for name in sorted(rooms):
            row(name, counts(rooms[name]))
        everything = counts(files.values())
        row("all", everything)
        if share(everything[1], everything[0]) < LINES:
            failed.append(f"less than {LINES} % of the lines")
        if share(everything[3], everything[2]) < BRANCHES:
            failed.append(f"less than {BRANCHES} % of the branches")
    for name in WHOLE:
        paths = [path for path in (f"include/curfew/core/{name}.hpp", f"daemon/core/{name}.cpp") if path in files]
        sums = counts([files[path] for path in paths])
        row(f"core/{name}", sums)
        if not sums[2] or sums[3] < sums[2]:
            failed.append(f"not every branch of core/{name}")
            for path in paths:
                missing(path, files[path])
    for path in sorted(files):
        if any(path.startswith(begin) for begin in options.missing):
            lines_not_run(path, files[path])
            missing(path, files[path])
    if failed:
        print("coverage: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
