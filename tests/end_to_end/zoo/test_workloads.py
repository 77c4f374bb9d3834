"""The zoo: no working notebook is ever to be stopped, every idle one is, whatever Jupyter itself says of it."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import zoo  # noqa: E402
from workloads import WORKLOADS  # noqa: E402


class Workloads(zoo.ZooTest):
    def test_notebooks(self):
        """Without the provider's metrics, so that what is seen in the notebook decides alone."""
        self.visit(WORKLOADS)


if __name__ == "__main__":
    zoo.run_tests()
