"""`./dev bench [NAME...]`: speed and memory of Curfew beside raw tools that do the same transfers. Prints ratios;
asserts nothing but that both sides moved the same."""

import argparse
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import forecast  # noqa: E402
import history  # noqa: E402
import ledger  # noqa: E402
import looks  # noqa: E402
import pack  # noqa: E402
import poll  # noqa: E402
import status  # noqa: E402
from rig import Failure  # noqa: E402

BENCHMARKS = {"forecast": forecast.run, "history": history.run, "ledger": ledger.run, "looks": looks.run,
              "poll": poll.run, "pack": pack.run, "status": status.run}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, type=pathlib.Path, help="folder of curfew, curfewd and curfew-emulator")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        print(f"bench: no benchmark \"{unknown[0]}\"; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; ratios compare what ran side by side")
    begun = time.monotonic()
    for name in options.names or BENCHMARKS:
        try:
            BENCHMARKS[name](options.bin.absolute())
        except Failure as failure:
            print(f"bench: {name}: {failure}", file=sys.stderr)
            return 1
    print(f"\nall took {time.monotonic() - begun:.0f} s; load {os.getloadavg()[0]:.1f} at the end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
