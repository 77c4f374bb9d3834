"""The zoo's broken servers: what cannot be seen is never taken for idle."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import zoo  # noqa: E402
from workloads import TROUBLES  # noqa: E402


class Troubles(zoo.ZooTest):
    def test_broken_servers(self):
        # A look that takes as long as three polls would leave gaps in the quiet time of the others.
        self.visit(TROUBLES, timeout=3)


if __name__ == "__main__":
    zoo.run_tests()
