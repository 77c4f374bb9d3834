"""The zoo: no working notebook is ever to be stopped, every idle one is, whatever Jupyter itself says of it."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import zoo  # noqa: E402
from stage import StageTest, run_tests  # noqa: E402
from workloads import TROUBLES, WORKLOADS  # noqa: E402


def chosen(workloads):
    """CURFEW_ZOO, a list of words: only the workloads whose name holds one of them."""
    words = os.environ.get("CURFEW_ZOO", "").split()
    return [w for w in workloads if not words or any(word in w.name for word in words)]


class ZooTest(StageTest):
    def visit(self, animals, account="metrics = false", timeout=10, **options):
        if not animals:
            self.skipTest("CURFEW_ZOO names none of these")
        stage = self.open_stage(boot_ms=100, teardown_ms=500, **options)
        zoo.open_daemon(stage, animals, account, timeout)
        sightings = zoo.Zoo(stage).show(animals)
        print("\n" + zoo.table(sightings), flush=True)
        bad = [s for s in sightings if s.faults]
        self.assertEqual([], [s.row() for s in bad], "\n" + "\n".join(s.story for s in bad))


class Workloads(ZooTest):
    """Mostly without the provider's metrics, so that what is seen in the notebook decides alone."""

    def test_notebooks(self):
        self.visit(chosen(WORKLOADS))

    def test_broken_servers(self):
        # A look that takes as long as three polls would leave gaps in the quiet time of the others.
        self.visit(chosen(TROUBLES), timeout=3)


if __name__ == "__main__":
    run_tests()
