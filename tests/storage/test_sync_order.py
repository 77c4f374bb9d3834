"""What is renamed into its place was synced before, and the rename after it: read from the system calls that the real
programs make. A power cut between any two of them then leaves the old or the new, never a part.

A snapshot that is published to a vault, and a copy that takes the place of a damaged database."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CALLS = "write,pwrite64,pwritev,writev,ftruncate,copy_file_range,sendfile,fsync,fdatasync,syncfs,rename,renameat,renameat2,linkat"
CASES = [("integration_vault", "a snapshot is published whole and checks without us", r"/\.tmp-[^/]+$", 1),
         ("integration_store", "a damaged database is moved aside and the backup takes its place", r"\.restoring$", 4)]
WRITES = re.compile(r"(?:write|pwrite64|pwritev|writev|ftruncate)\(\d+<([^>]+)>")
COPIES = re.compile(r"(?:copy_file_range|sendfile)\((.*)\)")
SYNCS = re.compile(r"(?:fsync|fdatasync)\(\d+<([^>]+)>\) += 0")
RENAMES = re.compile(r'rename(?:at2?)?\((?:AT_FDCWD[^,]*, )?"([^"]+)", (?:AT_FDCWD[^,]*, )?"([^"]+)"[^)]*\) += 0')


def calls_of(program, case, folder):
    log = folder / "calls"
    done = subprocess.run(["strace", "-f", "-y", "-s", "0", "-qq", "-e", "signal=none", "-e", f"trace={CALLS}",
                           "-o", str(log), str(program), case], cwd=folder, capture_output=True, text=True)
    # -s 0 shortens no path. Lines of threads that were interrupted are put together again.
    lines = []
    halves = {}
    for line in log.read_text(errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            halves[thread] = call.removesuffix("<unfinished ...>")
            continue
        again = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
        lines.append(halves.pop(thread, "") + again.group(1) if again else call)
    return done, lines


def faults_of(lines, wanted):
    """Of every rename of what is `wanted`: what below it was not synced since it was written, and whether the folder
    was synced after it."""
    unsynced = set()
    faults = []
    awaited = {}  # folder -> the rename that it must keep
    seen = 0
    for line in lines:
        if written := WRITES.search(line):
            unsynced.add(written.group(1))
        elif copied := COPIES.search(line):
            unsynced.add(re.findall(r"<([^>]+)>", copied.group(1))[-1 if line.startswith("copy") else 0])
        elif line.startswith("syncfs("):
            unsynced.clear()
        elif synced := SYNCS.search(line):
            unsynced.discard(synced.group(1))
            awaited.pop(synced.group(1), None)
        elif renamed := RENAMES.search(line):
            was, now = renamed.groups()
            if re.search(wanted, was):
                seen += 1
                late = [path for path in unsynced if path == was or path.startswith(was + "/")]
                if late:
                    faults.append(f"renamed before it was synced: {sorted(late)}")
                awaited[str(pathlib.Path(now).parent)] = now
    faults += [f"the folder was not synced after the rename to {now}" for now in awaited.values()]
    return seen, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default=os.environ.get("CURFEW_BIN"))
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("skipped: strace is not here")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, cwd=folder)
    if probe.returncode != 0:
        print(f"skipped: strace may not trace here: {probe.stderr.strip()}")
        return 77
    bad = 0
    for program, case, wanted, at_least in CASES:
        with tempfile.TemporaryDirectory() as folder:
            done, lines = calls_of(pathlib.Path(options.bin).resolve() / program, case, pathlib.Path(folder))
        seen, faults = faults_of(lines, wanted)
        if done.returncode != 0:
            faults.append(f"the program failed: {done.stdout[-2000:]}")
        if seen < at_least:
            faults.append(f"{seen} renames instead of {at_least}")
        # A check that cannot fail proves nothing: without the syncs it must.
        blind = [line for line in lines if not line.startswith(("fsync", "fdatasync", "syncfs"))]
        if not faults_of(blind, wanted)[1]:
            faults.append("the check would not notice a missing sync")
        print(f"{'FAILED' if faults else 'ok    '} {program}: {seen} renames, {len(lines)} calls: {faults or case}")
        bad += len(faults)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
