"""The checks, in the order in which they run, on the machine that boot.py boots. Each prints "ok NAME" or "FAIL NAME"."""

import argparse
import os
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import machine  # noqa: E402
from checks_package import PACKAGE_CHECKS, PURGE_CHECKS  # noqa: E402
from checks_sandbox import SANDBOX_CHECKS  # noqa: E402
from checks_service import SERVICE_CHECKS  # noqa: E402


class Stage:
    """What checks share: the emulator and where things are."""

    def __init__(self, binaries, out):
        self.binaries = pathlib.Path(binaries)
        self.package = pathlib.Path(out) / "curfew.deb"
        self.emulator = None
        self.quiet = None  # the notebook that is stopped by its rule


def journal_tail():
    print(machine.run("journalctl", "--no-pager", "-q", "-n", "14", "-o", "short-monotonic", check=False).stdout)
    print(machine.show())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("checks", nargs="*", help="only those whose names contain one of these words")
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    (out / "started").touch()
    begun = time.monotonic()
    stage = Stage(options.bin, options.out)
    passed = failed = 0
    for name, check, needed in [*PACKAGE_CHECKS, *SERVICE_CHECKS, *SANDBOX_CHECKS, *PURGE_CHECKS]:
        if options.checks and not needed and not any(word in name for word in options.checks):
            continue
        start = time.monotonic()
        try:
            note = check(stage)
        except Exception as error:  # whatever it is, the next check is to run as well
            failed += 1
            print(f"FAIL {name}: {error}")
            if not isinstance(error, machine.Failure):
                traceback.print_exc(file=sys.stdout)
            journal_tail()
        else:
            passed += 1
            print(f"ok {name}{f' ({note})' if note else ''} [{time.monotonic() - start:.1f} s]", flush=True)
    print(f"systemd: {passed} passed, {failed} failed in {time.monotonic() - begun:.0f} s", flush=True)
    (out / "status").write_text("1" if failed or not passed else "0")


if __name__ == "__main__":
    os.environ["SYSTEMD_PAGER"] = "cat"
    main()
