"""`curfew verify` over the real daemon: all is well; a packed file that changed names its receipt; an audit row that
changed while the daemon was away names its number."""

import pathlib
import sqlite3
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
from stage import StageTest, run_tests  # noqa: E402


class VerifyTest(StageTest):
    def test_what_was_stored_is_still_what_was_stored(self):
        stage = self.open_stage(speed=20)
        notebook = stage.notebook("quiet", files={"notes.txt": "the only copy", "model.bin": {"bytes": 200_000, "seed": 3}})
        stage.config(idle="60s", ladder=["30s"], min_notice="5s", settle="1s")
        stage.start_daemon()
        stage.wait_event("enforcement.stopped", notebook.id, 120)
        receipt = stage.receipts()[0]
        good = stage.curfew("verify")
        for words in ("database: every page", "audit: ", "chain whole", "ledger: the sums", f"receipt {receipt['id']}: 2 files"):
            self.assertIn(words, good.stdout)
        self.assertNotIn("FOUND", good.stdout)
        self.assertEqual(stage.curfew("verify", receipt["id"]).stdout.count("\n"), 1)
        self.assertEqual(stage.curfew("verify", "rcp_none", check=False).returncode, 3)

        packed = pathlib.Path(receipt["proofs"][0]["locator"]) / "files" / "notes.txt"
        packed.chmod(0o600)
        packed.write_text("the only kopy")
        bad = stage.curfew("verify", check=False)
        self.assertEqual(bad.returncode, 10)
        self.assertIn(f"FOUND receipt {receipt['id']}", bad.stdout)
        self.assertIn("notes.txt", bad.stdout)
        self.assertEqual(bad.stdout.count("FOUND"), 1)
        packed.write_text("the only copy")
        self.assertEqual(stage.curfew("verify").returncode, 0)

        self.assertEqual(stage.stop_daemon(), 0)
        database = sqlite3.connect(stage.folder / "state/curfew.db")
        trigger, = database.execute("SELECT sql FROM sqlite_schema WHERE name = 'audit_is_append_only'").fetchone()
        database.execute("DROP TRIGGER audit_is_append_only")
        database.execute("UPDATE audit SET text = text || '!' WHERE seq = 3")
        database.execute(trigger)
        database.commit()
        database.close()
        stage.start_daemon()
        bad = stage.curfew("verify", check=False)
        self.assertEqual(bad.returncode, 10)
        self.assertIn("FOUND audit: the audit was changed at row 3", bad.stdout)
        self.assertEqual(bad.stdout.count("FOUND"), 1)


if __name__ == "__main__":
    run_tests()
