"""A month of a team: fifty notebooks and some machines, used, restarted and given other types; prices that change; a
daemon that is restarted, killed and down for hours, and an API that fails. At its end Curfew's figure of the month is the
invoice to the cent, or as far from it as Curfew says it may be."""

import datetime
import pathlib
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import SOURCE, StageTest, money, run_tests, wait_for  # noqa: E402

SPEED = 14_400  # four hours a second
HOUR = 3_600_000
DAY = 24 * HOUR
LONGEST_GAP = 11 * HOUR  # in which nobody sees anything, unless this host is slow
CENT = 10_000_000


def ms(text):
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp()) * 1000


def iso(at):
    return datetime.datetime.fromtimestamp(at // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


BEGIN = ms("2026-10-31T20:00:00")
NOVEMBER, DECEMBER = ms("2026-11-01T00:00:00"), ms("2026-12-01T00:00:00")


class Month(StageTest):
    def setUp(self):
        self.dice = random.Random(20261101)
        self.stage = self.open_stage(speed=SPEED, guests="standin", boot_ms=1000, teardown_ms=90_000,
                                     shift_ms=BEGIN - int(time.time() * 1000))
        self.overrides = self.stage.folder / "prices.csv"
        self.rows = []
        self.begun = {}  # repo: when its newest run began, and how many lists had been asked for
        self.acts = {"starts": 0, "ends": 0, "machines": 0, "daemon down": 0}

    # ---- time

    def now(self):
        return self.stage.origin_ms + (time.time() * 1000 - self.stage.start_ms) * SPEED

    def sleep_until(self, at):
        time.sleep(max(0, at - self.now()) / 1000 / SPEED)

    # ---- the daemon

    def write_prices(self):
        self.overrides.write_text("machine_type,usd_per_hour,gpus,gpu,vram_gb_per_gpu,as_of,note\n" +
                                  "".join(f"{kind},{rate},,,,{iso(at)},\n" for kind, rate, at in self.rows))

    def configure(self):
        self.write_prices()
        urls, folder = self.stage.urls, self.stage.folder
        (folder / "curfew.toml").write_text(f"""
[daemon]
mode = "observe"
state_dir = "{folder}/state"
api_socket = "{folder}/api.sock"
admin_socket = "{folder}/admin.sock"
price_file = "{SOURCE}/config/prices/paperspace.csv"
price_overrides = "{self.overrides}"
public_name = "stage.example"

[[account]]
name = "me"
key_file = "{folder}/key"
v1_url = "{urls['v1']}"
legacy_url = "{urls['legacy']}"
guest_connect = "{urls['guest_connect_tls']}"
metrics_connect = "{urls['metrics_connect']}"
ca_file = "{urls['ca_file']}"
poll_interval = "1h"
add_on_interval = "1h"
metrics = false
""")

    def start(self):
        self.stage.start_daemon("--clock-real-limits")

    def down(self, how):
        self.stage.stop_daemon(how)
        self.acts["daemon down"] += 1

    # ---- the team

    def control(self, path, body=None):
        return self.stage.control(path, body if body is not None else {})

    def hire(self):
        types = ["A4000", "C5", "RTX5000", "P4000", "A100-80G", "Free-A4000", "A4000x2", "C7"]
        self.notebooks = [self.control("/notebooks", {"name": f"book-{i}", "machineType": types[i % len(types)], "guest": "standin",
                                                      "start": i % 3 == 0})["notebookRepoId"] for i in range(50)]
        self.machines = [self.control("/machines", {"name": f"box-{i}", "machineType": kind, "diskSize": disk, "publicIpType": ip,
                                                    "start": i % 2 == 0})["id"]
                         for i, (kind, disk, ip) in enumerate([("C5", 50, "static"), ("A4000", 100, "dynamic"), ("P4000", 250, "none"),
                                                               ("C7", 50, "dynamic"), ("A4000", 500, "static"), ("C3", 50, "none")])]
        box = self.machines[0]
        self.owner = {self.control("/add-ons", {"kind": kind, "machine": box, "sizeGb": 50})["id"]: box for kind in ("snapshot", "template")}
        self.control("/add-ons", {"kind": "shared-drive", "sizeGb": 250})
        self.control("/add-ons", {"kind": "network"})
        self.lost = [self.control("/add-ons", {"kind": "ip"})["id"] for _ in range(2)]

    def lists(self):
        return self.stage.control("/calls?count=1&host=v1&path=/v1/notebooks")["count"]

    def use_notebook(self):
        """Starts or ends one. No two starts within one gap: v1 shows one run of a notebook, so that one which began
        and ended unseen, and had a successor, cannot be known to anybody."""
        repo = self.dice.choice(self.notebooks)
        begun, lists = self.begun.get(repo, (0, -2))
        again = self.now() - begun > LONGEST_GAP and self.lists() >= lists + 2
        run = next(n for n in self.stage.state()["notebooks"] if n["notebookRepoId"] == repo)
        if run["state"] == "Running":
            self.control(f"/notebooks/{repo}/end", {"state": self.dice.choice(["Cancelled", "Cancelled", "Stopped", "Failed"]),
                                                    "wait": self.dice.random() < 0.2})
            self.acts["ends"] += 1
            if self.dice.random() > 0.1 or not again:
                return
            wait_for("its end", lambda: next(n for n in self.stage.state()["notebooks"] if n["notebookRepoId"] == repo)["dtFinished"], 5, 0.01)
        elif run["state"] not in ("Cancelled", "Stopped", "Failed") or not again:
            return
        body = {} if self.dice.random() < 0.7 else {"machineType": self.dice.choice(["A4000", "C7", "RTX5000", "P5000"])}
        self.control(f"/notebooks/{repo}/start", body)
        self.begun[repo] = self.now(), self.lists()
        self.acts["starts"] += 1

    def use_machine(self, number=None):
        box = self.machines[self.dice.randrange(len(self.machines)) if number is None else number]
        state = next(m for m in self.stage.state()["machines"] if m["id"] == box)["state"]
        if state == "off" and number is None and self.dice.random() < 0.15:
            self.control(f"/machines/{box}/upgrade", {"machineType": self.dice.choice(["C5", "A4000", "P4000"])})
        self.control(f"/machines/{box}/" + ("start" if state == "off" else "stop"))
        self.acts["machines"] += 1

    def ordinary(self, until):
        """What a team does all day, until then."""
        at = self.now()
        while True:
            at += self.dice.randrange(HOUR // 4, 2 * HOUR)
            if at >= until:
                break
            self.sleep_until(at)
            if self.dice.random() < 0.85:
                self.use_notebook()
            else:
                self.use_machine()
        self.sleep_until(until)

    def reprice(self, kind, rate, at):
        """Known to both before it holds."""
        self.rows.append((kind, rate, at))
        self.write_prices()
        self.stage.curfew("reload")
        self.control("/price", {"machineType": kind, "usdPerHour": rate, "at": iso(at)})

    def figures(self):
        spend = self.stage.answer("spend", "--since", iso(NOVEMBER), "--until", iso(DECEMBER))
        return spend["totals"], self.stage.control("/invoice?month=2026-11")

    def test_month(self):
        stage = self.stage
        self.hire()
        self.configure()
        self.start()
        day = lambda n, hour=0: NOVEMBER + (n - 1) * DAY + hour * HOUR  # noqa: E731
        free = 16_106_127_360

        self.ordinary(day(3))
        self.control("/settings", {"utilization": {"totalUsage": str(free + 5_000_000_000)}})
        self.ordinary(day(5, 9))
        self.down(signal.SIGTERM)
        self.ordinary(day(5, 14))  # the team does not wait
        self.start()
        self.ordinary(day(7))
        self.reprice("A4000", "0.82", day(8, 12) + 1_234_000)
        self.ordinary(day(10, 20))
        self.down(signal.SIGKILL)
        self.sleep_until(self.now() + HOUR)
        for _ in range(6):  # three runs that nobody saw, of a machine whose events tell
            self.use_machine(2)
            self.sleep_until(self.now() + HOUR)
        self.start()
        self.ordinary(day(12, 5))
        self.control(f"/add-ons/{self.lost[0]}/remove")
        self.ordinary(day(14))
        self.control("/settings", {"utilization": {"totalUsage": str(free + 8_000_000_000)}})
        self.ordinary(day(15, 6))
        outage = self.control("/faults", {"kind": "status", "status": 503, "match": {"path": "/"}})["number"]
        self.ordinary(day(15, 13))
        stage.control(f"/faults/{outage}", method="DELETE")
        self.ordinary(day(18))
        self.reprice("P4000", "0.49", day(19, 3) + 77_000)
        self.ordinary(day(21, 2))
        self.down(signal.SIGKILL)
        self.start()
        self.ordinary(day(23))
        self.control(f"/machines/{self.machines[4]}/destroy")
        del self.machines[4]
        self.ordinary(day(26, 22))
        self.down(signal.SIGTERM)
        self.ordinary(day(27, 8))
        self.start()
        self.ordinary(DECEMBER)
        for repo in self.notebooks:  # so that every end is known
            self.control(f"/notebooks/{repo}/end")
        self.sleep_until(DECEMBER + 12 * HOUR)

        totals, invoice = self.figures()
        ours, theirs, error = money(totals["gross"]), money(invoice["total"]), money(totals["error"])
        compute, bill = money(totals["compute"]), money(invoice["total_compute"])
        print(f"\nNovember: {self.acts}, {len(invoice['lines'])} lines on the invoice\n"
              f"  Curfew     ${ours / 1e9:.6f}  (running ${compute / 1e9:.6f}, the rest ${(ours - compute) / 1e9:.6f})\n"
              f"  invoice    ${theirs / 1e9:.6f}  (running ${bill / 1e9:.6f}, the rest ${(theirs - bill) / 1e9:.6f})\n"
              f"  difference ${(ours - theirs) / 1e9:.6f}, Curfew says it may be off by ${error / 1e9:.6f}"
              f" ({totals['estimated']} of {totals['time']})", flush=True)
        self.assertFalse(totals["unpriced"])
        self.assertFalse(invoice["unpriced"])
        self.assertGreater(theirs, 1000 * 10**9)
        self.assertLessEqual(abs(ours - theirs), max(CENT, error))
        self.assertLess(error, theirs // 100, "an error bar that says something")
        self.check_each(invoice)

    def ledger(self, resource):
        """Sums of a resource's rows, run by run, from a copy of the database."""
        with tempfile.TemporaryDirectory() as folder:
            for suffix in ("", "-wal"):
                if (self.stage.folder / f"state/curfew.db{suffix}").exists():
                    shutil.copy(self.stage.folder / f"state/curfew.db{suffix}", f"{folder}/copy.db{suffix}")
            database = sqlite3.connect(f"{folder}/copy.db")
            rows = database.execute(
                "SELECT run, sku, MIN(from_ms), MAX(to_ms), SUM(gross_nanos), MAX(estimated), SUM(error_bar_ms) FROM ledger"
                " WHERE resource LIKE '%' || ? GROUP BY run, sku ORDER BY MIN(from_ms)", (resource,)).fetchall()
            database.close()
        return rows

    def check_each(self, invoice):
        """Each notebook, machine and add-on by itself: errors of two must not make up for each other."""
        answer = self.stage.answer("spend", "--by", "resource", "--since", iso(NOVEMBER), "--until", iso(DECEMBER))
        rows = {}  # ours, the error of it, theirs
        for item in answer["items"]:
            row = rows.setdefault(item["resource"].rpartition("/")[2], [0, 0, 0])
            row[0] += money(item["gross"])
            row[1] += money(item["error"])
        for line in invoice["lines"]:
            rows.setdefault(self.owner.get(line["resource"], line["resource"]), [0, 0, 0])[2] += money(line["amount"])
        exact = sum(error == 0 and abs(ours - theirs) <= CENT for ours, error, theirs in rows.values())
        print(f"  {len(rows)} resources, {exact} of them to the cent without an error bar; the furthest off:", flush=True)
        for name, (ours, error, theirs) in sorted(rows.items(), key=lambda row: -abs(row[1][0] - row[1][2]))[:5]:
            print(f"    {name:16} Curfew ${ours / 1e9:.6f}, invoice ${theirs / 1e9:.6f}, may be off by ${error / 1e9:.6f}", flush=True)
        for name, (ours, error, theirs) in rows.items():
            if abs(ours - theirs) > max(CENT, error):
                bill = [line for line in invoice["lines"] if self.owner.get(line["resource"], line["resource"]) == name]
                self.fail(f"{name}: Curfew {ours}, invoice {theirs}, error {error}\n" +
                          "\n".join(f"{x['run']} {x['machineType']} {x['from']} {x['to']} {x['amount']}" for x in bill) + "\n" +
                          "\n".join(f"{run} {sku} {iso(begin)} {iso(end)} {gross} {estimated} {bar}"
                                    for run, sku, begin, end, gross, estimated, bar in self.ledger(name)))
        self.assertGreater(exact, len(rows) // 4)


if __name__ == "__main__":
    run_tests()
