"""A data loader: four workers, none of which uses much, and a parent that waits for them."""

import multiprocessing
import pathlib
import runpy
import sys


def worker():
    sys.argv = ["burn.py", "0.1"]
    runpy.run_path(str(pathlib.Path(__file__).with_name("burn.py")))


if __name__ == "__main__":
    workers = [multiprocessing.Process(target=worker) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
