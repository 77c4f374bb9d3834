"""The zoo: no working notebook is ever to be stopped, every idle one is, whatever Jupyter itself says of it."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import zoo  # noqa: E402
from stage import StageTest, run_tests  # noqa: E402
from workloads import WORKLOADS  # noqa: E402


def chosen():
    """CURFEW_ZOO, a list of words: only the workloads whose name holds one of them."""
    words = os.environ.get("CURFEW_ZOO", "").split()
    return [w for w in WORKLOADS if not words or any(word in w.name for word in words)]


class Workloads(StageTest):
    def test_only_what_the_guest_itself_shows(self):
        """The provider's metrics are off, so that what is seen in the notebook decides alone."""
        stage = self.open_stage(boot_ms=100, teardown_ms=500)
        animals = chosen()
        stage.config(rule='[rule.match]\nnames = ["nobody"]\n', account="metrics = false",
                     budget="\n".join(zoo.rule(w) for w in animals))
        config = stage.folder / "curfew.toml"
        config.write_text(config.read_text().replace('poll_interval = "1s"', f'poll_interval = "{zoo.POLL:.0f}s"'))
        stage.start_daemon()
        sightings = zoo.Zoo(stage).show(animals)
        print("\n" + zoo.table(sightings), flush=True)
        bad = [s for s in sightings if s.faults]
        self.assertEqual([], [s.row() for s in bad], "\n" + "\n".join(s.story for s in bad))


if __name__ == "__main__":
    run_tests()
