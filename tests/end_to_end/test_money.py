"""What people are told about money: spend, budgets, forecast, credit, advice and the export, as tables, CSV and JSON; that
the sums agree with each other and with the provider's invoice; and what is said to bad questions."""

import csv
import datetime
import fcntl
import io
import json
import os
import pathlib
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import focus_checker  # noqa: E402
from stage import StageTest, ask_unix, money, run_tests, wait_for  # noqa: E402

SPEED = 600  # a second is ten minutes
CENT = 10_000_000
BUDGETS = """
[[budget]]
name = "team"
amount = "250.00"
mode = "observe"
thresholds = [{ percent = 1, action = "notify" }, { percent = 80, action = "notify" }, { percent = 100, action = "stop" }]

[[budget]]
name = "small"
amount = "0.01"
mode = "observe"
thresholds = [{ percent = 100, action = "notify" }]
[budget.match]
names = ["train"]

[[credit]]
name = "welcome"
amount = "40.00"
from = "2020-01-01"
until = "2100-01-01"

[[credit]]
name = "old"
amount = "3.00"
from = "2020-01-01"
until = "2020-02-01"
accounts = ["me"]
"""


def middle_of_month():
    """So far ahead of now (or behind) that no month ends meanwhile."""
    now = datetime.datetime.now(datetime.timezone.utc)
    begin = now.replace(day=10, hour=8, minute=17, second=0, microsecond=0)
    return int((begin - now).total_seconds() * 1000)


class MoneyTest(StageTest):
    def setUp(self):
        self.stage = self.open_stage(guests="standin", speed=SPEED, shift_ms=middle_of_month(), boot_ms=5_000, teardown_ms=5_000)

    def faces(self, schema, *words, table=(), rows=None):
        """One question in its three forms."""
        body = self.stage.answer(*words)
        self.assertEqual(body["schema"], schema)
        for member in ("as_of", "stale_for", "degraded"):
            self.assertIn(member, body)
        shown = self.stage.curfew(*words, "--utc")
        self.assertEqual(shown.stderr, "")
        for word in table:
            self.assertIn(word, shown.stdout, words)
        self.assertRegex(shown.stdout, r"as of ", words)
        lines = list(csv.reader(io.StringIO(self.stage.curfew(*words, "--format", "csv").stdout, newline=""), strict=True))
        self.assertEqual(json.loads(self.stage.curfew(*words, "--format", "json").stdout)["schema"], schema)
        self.assertEqual({len(line) for line in lines}, {len(lines[0])} if lines else set())
        self.assertEqual(max(0, len(lines) - 1), len(body["items"]) if rows is None else rows, words)
        return body, [dict(zip(lines[0], line)) for line in lines[1:]] if lines else []

    def refused(self, words, code, *said, admin=False):
        with self.subTest(words=words):
            done = self.stage.curfew(*words, check=False)
            self.assertEqual(done.returncode, code, done.stderr + done.stdout)
            self.assertEqual(done.stdout, "")
            for text in said:
                self.assertIn(text, done.stderr)


class Reports(MoneyTest):
    def test_the_money_of_some_hours(self):
        stage = self.stage
        self.hostile = "odd \u001b[31m,\u009b\u202e\"name\""
        train = stage.notebook("train", "A4000", guest="standin", gpu=None)
        odd = stage.notebook(self.hostile, "P5000", guest="standin", gpu=None)
        stage.control("/machines", {"name": "box", "machineType": "C5", "diskSize": 50, "start": False, "publicIpType": "static"})
        stage.config(mode="observe", budget=BUDGETS, idle="6h", ladder=["30m"])
        stage.start_daemon()
        wait_for("some hours", lambda: money(stage.answer("status")["totals"]["month"]) > 5 * 10**9, 60)
        wait_for("the disk and the address", lambda: len(stage.answer("spend")["parked"]) == 2, 30)
        self.the_spend_while_running()
        self.the_budgets()
        self.the_outlook()
        for notebook in (train, odd):
            stage.control(f"/notebooks/{notebook.repo}/stop", {"wait": True})
        wait_for("all to be off", lambda: not any(i["billing"] for i in stage.answer("status")["items"]), 30)
        self.the_sums(train, odd)
        self.the_export()
        self.bad_questions()

    def test_a_name_as_long_as_a_line_leaves_room_for_the_amounts(self):
        self.stage.notebook("x" * 300, "A4000", guest="standin", gpu=None)
        self.stage.config(mode="observe", idle="6h", ladder=["30m"])
        self.stage.start_daemon()
        wait_for("some money", lambda: money(self.stage.answer("spend")["totals"]["gross"]) > 0, 60)
        master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        subprocess.run([str(self.stage.binaries / "curfew"), "--socket", str(self.stage.folder / "api.sock"), "spend"],
                       stdout=terminal, stderr=terminal, check=True, timeout=60, env={"TERM": "dumb", "LC_ALL": "C.UTF-8"})
        os.close(terminal)
        row = next(line for line in os.read(master, 65536).decode().splitlines() if line.startswith("xxx"))
        os.close(master)
        self.assertRegex(row, r"^x+…  .*\$\d+\.\d\d$")
        self.assertLessEqual(len(row), 80)

    def the_spend_while_running(self):
        body, rows = self.faces("curfew.spend/1", "spend", table=("NAME", "COMPUTE", "STORAGE", "TOTAL", "train", "total ", "accrued, gross",
                                                                  "coverage: ", "prices as of 20", "saved by", "UTC", "odd ?[31m,??\"name\"",
                                                                  "BILLED THOUGH OFF", "block storage 50 GB", "$5.00", "$3.00"))
        self.assertEqual(body["figure"], "accrued")
        self.assertEqual({r["name"] for r in rows}, {"train", self.hostile, "box"})
        for parked in body["parked"]:
            self.assertEqual((parked["orphan"], parked["account"]), (False, "me"))
            self.assertRegex(parked["age"], r"^\d+[hms]")
        self.assertEqual(set(rows[0]["currency"]), set("USD"))
        self.assertRegex(body["prices"]["as_of"], r"^20\d\d-\d\d-\d\d$")
        self.assertRegex(body["coverage"]["share"], r"^[01]\.\d{3}$")
        self.assertIn("how", body["saved"])
        for item in body["items"]:
            self.assertEqual(money(item["compute"]) + money(item["storage"]), money(item["gross"]))
        days = [i["day"] for i in self.stage.answer("spend", "--by", "day,type")["items"]]
        self.assertEqual(days, sorted(days))
        self.assertTrue(all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for day in days), days)

    def the_sums(self, train, odd):
        """Whatever they are summed by, they are what the invoice says."""
        stage = self.stage
        invoice = {n.repo: sum(money(line["amount"]) for line in stage.invoice()["lines"] if line["resource"] == n.repo)
                   for n in (train, odd)}
        bills = sum(invoice.values())
        for by in ("resource", "day", "hour", "project", "user", "type", "rule", "account", "day,type", "type,resource,hour",
                   "account,project,user,rule,type,resource,day"):
            before = money(stage.invoice()["total_add_ons"])
            until = stage.answer("status")["now"]  # storage goes on meanwhile
            after = money(stage.invoice()["total_add_ons"])
            body, rows = self.faces("curfew.spend/1", "spend", "--by", by, "--until", until, table=("total ",))
            total = money(body["totals"]["gross"])
            self.assertEqual(sum(money(i["gross"]) for i in body["items"]), total, by)
            self.assertLess(abs(sum(money(r["gross"]) for r in rows) - total), CENT, by)
            self.assertGreater(money(body["totals"]["storage"]), before - CENT, by)
            self.assertLess(money(body["totals"]["storage"]), after + CENT, by)
            self.assertEqual(money(body["totals"]["compute"]) + money(body["totals"]["storage"]), total)
            self.assertLessEqual(abs(money(body["totals"]["compute"]) - bills), CENT + money(body["totals"]["error"]), by)
            self.assertEqual(body["by"], by.split(","))
        for item in [i for i in stage.answer("spend")["items"] if i["name"] != "box"]:
            self.assertLessEqual(abs(money(item["compute"]) - invoice[item["resource"]]), CENT + money(item["error"]), item)
        only = stage.answer("spend", "--name", "tr*", "--by", "type")
        self.assertEqual([i["type"] for i in only["items"]], ["A4000"])
        self.assertLessEqual(abs(money(only["totals"]["gross"]) - invoice[train.repo]), CENT + money(only["totals"]["error"]))
        self.assertEqual(stage.answer("spend", "--name", odd.repo)["items"][0]["resource"], odd.repo)
        self.assertEqual(stage.answer("spend", "--name", "nobody*")["items"], [])
        self.assertIn("no cost in this time", stage.curfew("spend", "--name", "nobody*").stdout)
        self.assertEqual(stage.curfew("spend", "--name", "nobody*", "--format", "csv").stdout, "")
        # Two halves of the time are the whole.
        middle = sorted(i["hour"] for i in stage.answer("spend", "--by", "hour")["items"])[1]
        whole, *halves = [stage.answer("spend", *words)["totals"]["gross"] for words in
                          (("--until", until), ("--until", middle), ("--since", middle, "--until", until))]
        self.assertLess(abs(sum(money(h) for h in halves) - money(whole)), CENT)
        self.assertTrue(all(money(h) > 0 for h in halves))

    def the_budgets(self):
        stage = self.stage
        body, rows = self.faces("curfew.budget/1", "budget", "ls", table=("BUDGET", "team", "small", "$250.00", "PACE", "$/H", "1 fired"))
        team = [i for i in body["items"] if i["name"] == "team"][0]
        self.assertEqual((money(team["amount"]), team["hard"], team["complete"]), (250 * 10**9, True, True))
        self.assertEqual(money(team["left"]), money(team["amount"]) - money(team["spent"]) - money(team["reserve"]))
        self.assertEqual([t["fired"] for t in team["thresholds"]], [True, False, False])
        self.assertLess(abs(money(team["burn_per_hour"]) - 760_000_000 - 780_000_000), 2 * CENT)  # and the disk
        self.assertRegex(team["pace"]["elapsed"], r"^0\.\d{3}$")
        self.assertEqual({r["name"] for r in rows}, {"team", "small"})
        self.faces("curfew.budget/1", "budget", "show", "team", table=("budget team", "pace", "ends", "lead", "80 %", "(fired)"))
        self.assertEqual(len(self.stage.answer("budget")["items"]), 2)
        # One that is set at run time is there at once, counts from the beginning of its period, and goes again.
        done = stage.curfew("budget", "set", "night", "--amount", "20.00", "--period", "week", "--match", "names=odd*", "--match",
                            "kinds=notebook", "--threshold", "50%:notify", "--threshold", "$18:warn", "--utc")
        self.assertIn("budget night", done.stdout)
        body = stage.answer("budget", "show", "night")["items"][0]
        self.assertGreater(money(body["spent"]), 10**9)
        self.assertEqual(body["definition"]["match"], {"names": ["odd*"], "kinds": ["notebook"]})
        changed = json.loads(stage.curfew("budget", "set", "night", "--amount", "$30", "--json").stdout)["items"][0]
        self.assertEqual((money(changed["amount"]), changed["definition"]["period"], len(changed["thresholds"])), (30 * 10**9, "week", 2))
        self.assertEqual(changed["definition"]["match"], body["definition"]["match"])
        stage.curfew("budget", "set", "team", "--amount", "0.02")
        self.assertEqual(len(stage.answer("budget", "show", "team")["items"][0]["thresholds"]), 3)
        self.assertEqual(stage.curfew("is-over", "team", check=False).returncode, 0)
        stage.curfew("budget", "rm", "team")
        self.assertEqual(money(stage.answer("budget", "show", "team")["items"][0]["amount"]), 250 * 10**9)
        for name, code in (("team", 9), ("small", 0), ("night", 9), ("nobody", 3)):
            self.assertEqual(stage.curfew("is-over", name, check=False).returncode, code, name)
        self.assertEqual(stage.curfew("is-over").stdout, "")
        stage.curfew("budget", "rm", "night")
        self.assertEqual(stage.curfew("budget", "show", "night", check=False).returncode, 3)
        kinds = [e["actor"] for e in stage.events() if e["kind"].startswith("budget.") and e["actor"] != "curfewd"]
        self.assertEqual(len(kinds), 5)

    def the_outlook(self):
        stage = self.stage
        body, _ = self.faces("curfew.forecast/1", "forecast", table=("P10", "P90", "all of the month", "team", "insufficient"))
        everything = body["items"][0]
        self.assertIsNone(everything["budget"])
        self.assertIsNone(everything["p50"])
        self.assertTrue(everything["insufficient"])
        self.assertGreaterEqual(money(everything["committed"]), money(everything["accrued"]))
        self.assertGreater(money(everything["accrued"]), 5 * 10**9)
        self.assertEqual([i["budget"] for i in body["items"]], [None, "team", "small"])
        body, rows = self.faces("curfew.credit/1", "credit", table=("welcome", "old", "expired", " left: ", " h on A4000", "net of credits"))
        standing = {i["name"]: i for i in body["items"]}
        self.assertEqual(standing["old"]["state"], "expired")
        self.assertEqual(money(standing["welcome"]["used"]) + money(standing["welcome"]["left"]), 40 * 10**9)
        self.assertEqual(money(body["gross"]), money(standing["welcome"]["used"]))
        self.assertEqual(money(body["net"]), 0)
        hours = {r["machine_type"]: r["hours"] for r in body["accounts"][0]["runways"]}
        self.assertEqual(hours["A4000"], money(standing["welcome"]["left"]) // 760_000_000)
        self.assertTrue([a for a in stage.answer("alerts")["items"] if a["kind"] == "credit" and "welcome" in a["title"]])
        body, _ = self.faces("curfew.advice/1", "advise", table=("does not run and still costs $8.00 a month", "would save $8.00 in 30 days", "from what was seen since"))
        self.assertEqual([(i["kind"], money(i["saving_30_days"])) for i in body["items"]], [("parked", 8 * 10**9)])

    def exported(self):
        return list(csv.DictReader(io.StringIO(self.stage.curfew("export", "--focus", "1.2").stdout, newline="")))

    def the_export(self):
        stage = self.stage
        # Nothing costs any more, and all of it is in the ledger: from here on an export is as the one before.
        stage.control(f"/machines/{stage.state()['machines'][0]['id']}/destroy", {})
        wait_for("the end of the disk and the address", lambda: not stage.answer("spend")["parked"], 30)
        wait_for("their last rows", lambda: sum(money(r["BilledCost"]) for r in self.exported()) ==
                 money(stage.answer("spend")["totals"]["gross"]), 30)
        total = money(stage.answer("spend")["totals"]["compute"])
        file = stage.folder / "focus.csv"
        done = stage.curfew("export", "--focus", "1.2", "--output", str(file))
        self.assertEqual(done.stdout, "")
        self.assertIn("the month goes on", done.stderr)
        self.assertEqual(focus_checker.check_file(file), [])
        month = stage.answer("spend")["now"][:7]
        printed = stage.curfew("export", "--focus", "1.2", "--month", month, text=False).stdout
        self.assertEqual(printed, file.read_bytes())
        rows = list(csv.DictReader(io.StringIO(printed.decode(), newline="")))
        self.assertEqual(sum(money(r["BilledCost"]) for r in rows if r["SkuMeter"] == "compute"), total)
        self.assertEqual({r["ResourceName"] for r in rows}, {"train", self.hostile, "box"})
        self.assertEqual({r["PricingUnit"] for r in rows if r["ServiceCategory"] == "Storage"}, {"GB-Hours"})
        self.assertGreater(len(rows), 6)
        # A page at a time gives the same rows, each once.
        paged, after = [], ""
        while after is not None:
            page = ask_unix(stage.folder / "api.sock", f"/v1/export/focus?version=1.2&limit=2&after={after}")
            self.assertLessEqual(len(page["items"]), 2)
            paged += page["items"]
            after = page["next"]
        self.assertEqual([[v or "" for v in row] for row in paged], [list(r.values()) for r in rows])
        self.assertEqual(stage.curfew("export", "--focus", "1.2", "--month", "2020-02").stdout.count("\n"), 1)
        self.damaged_files(file)

    def damaged_files(self, good):
        """The checker finds each of these."""
        lines = list(csv.reader(io.StringIO(good.read_bytes().decode(), newline="")))
        head = lines[0]

        def value(column, text, row=1):
            def damage(table):
                table[row][head.index(column)] = text
            return damage

        def swap(table):
            for line in table:
                line[0], line[1] = line[1], line[0]

        def without(column):
            def damage(table):
                at = head.index(column)
                for line in table:
                    del line[at]
            return damage

        def own_first(table):
            for line in table:
                line.insert(0, line.pop())

        damages = {
            "a mandatory column is missing": without("ServiceName"),
            "two columns change places": swap,
            "an own column comes first": own_first,
            "a column has another name": value("BilledCost", "billed_cost", 0),
            "a row is short": lambda table: table[1].pop(),
            "a row is there twice": lambda table: table.append(list(table[1])),
            "a mandatory value is null": value("BilledCost", ""),
            "a placeholder": value("BillingAccountName", "N/A"),
            "a plus sign": value("BilledCost", "+0.5"),
            "a decimal comma": value("BilledCost", "0,5"),
            "a local time": value("ChargePeriodStart", "2026-11-10T10:00:00+01:00"),
            "a time without its zone": value("ChargePeriodEnd", "2026-11-10T10:00:00"),
            "milliseconds": value("ChargePeriodStart", "2026-11-10T10:00:00.250Z"),
            "a charge of another month": value("BillingPeriodStart", "2020-01-01T00:00:00Z"),
            "a month that begins at noon": value("BillingPeriodStart", lines[1][head.index("BillingPeriodStart")].replace("T00", "T12")),
            "an unknown category": value("ChargeCategory", "usage"),
            "an unknown class": value("ChargeClass", "Fix"),
            "an unknown service category": value("ServiceCategory", "AI"),
            "a subcategory of another service": value("ServiceSubcategory", "Virtual Machines"),
            "an unknown unit": value("PricingUnit", "hours"),
            "quantity of six digits": value("PricingQuantity", "1.000000"),
            "a list cost that is rounded": value("ListCost", "0.1"),
            "a unit price that does not fit": value("ListUnitPrice", "0.77"),
            "a negative cost": value("EffectiveCost", "-1"),
            "another currency sign": value("BillingCurrency", "$"),
            "tags that are objects": value("Tags", '{"a":{"b":1}}'),
            "tags that are no JSON": value("Tags", "a=b"),
            "a key of price details that FOCUS has not": value("SkuPriceDetails", '{"Gpus":1}'),
            "a sub-account without its type": value("SubAccountType", ""),
            "an unknown source": value("x_Source", "guess"),
        }
        with tempfile.TemporaryDirectory() as folder:
            bad = pathlib.Path(folder) / "bad.csv"
            metadata = good.with_name(good.name + ".metadata.json")

            def check(name):
                findings = focus_checker.check_file(bad)
                self.assertTrue(findings, f"not found: {name}")

            for name, damage in damages.items():
                table = [list(line) for line in lines]
                damage(table)
                self.assertTrue(table != lines, name)
                with open(bad, "w", newline="") as out:
                    csv.writer(out, lineterminator="\r\n").writerows(table)
                shutil.copy(metadata, f"{bad}.metadata.json")
                check(name)
            shutil.copy(good, bad)
            self.assertEqual(focus_checker.check_file(bad), [])
            bad.write_bytes(good.read_bytes().replace(b"\r\n", b"\n"))
            check("lines that end with LF")
            bad.write_bytes(b"\xef\xbb\xbf" + good.read_bytes())
            check("a byte order mark")
            shutil.copy(good, bad)
            for name, change in {"another version": lambda m: m.update(FocusVersion="1.0"),
                                 "no columns": lambda m: m.update(ColumnDefinition=[]),
                                 "a wrong type": lambda m: m["ColumnDefinition"][0].update(DataType="String"),
                                 "another number of rows": lambda m: m.update(x_Rows=1)}.items():
                data = json.loads(metadata.read_text())
                change(data)
                pathlib.Path(f"{bad}.metadata.json").write_text(json.dumps(data))
                check(name)
            pathlib.Path(f"{bad}.metadata.json").unlink()
            check("no metadata")

    def bad_questions(self):
        now = self.stage.answer("spend")["now"]
        ahead = str(int(now[:4]) + 1) + now[4:]
        for words, code, *said in (
                (["spend", "--by", "moon"], 2, "moon", "project"), (["spend", "--by", "day,"], 2, "dimension"),
                (["spend", "--by", "day,day"], 2, "twice"), (["spend", "--since", "yesterday"], 2, "yesterday", "30d"),
                (["spend", "--since", ahead], 2, "lies ahead"), (["spend", "--since", "2026-02-30"], 2, "2026-02-30"),
                (["spend", "--until", "2001-01-01"], 2, "after since"), (["spend", "--until", "soon"], 2, "soon"),
                (["spend", "--format", "xml"], 2, "xml"),
                (["budget", "show", "nobody"], 3, "nobody", "team"), (["budget", "set", "new"], 2, "--amount"),
                (["budget", "set", "new", "--amount", "-5"], 2, "amount"), (["budget", "set", "new", "--amount", "much"], 2, "amount"),
                (["budget", "set", "new", "--amount", "5", "--period", "moon"], 2, "moon", "month"),
                (["budget", "set", "new", "--amount", "5", "--threshold", "half"], 2, "half", "80%:notify"),
                (["budget", "set", "new", "--amount", "5", "--threshold", "x%:stop"], 2, "whole number"),
                (["budget", "set", "new", "--amount", "5", "--match", "train"], 2, "names=train-*"),
                (["budget", "set", "new", "--amount", "5", "--match", "name=train"], 2, "name", "names"),
                (["budget", "set", "new", "--amount", "5", "--timezone", "Mars/Base"], 2, "Mars/Base"),
                (["budget", "rm", "nobody"], 3, "nobody"), (["is-over", "nobody"], 3, "nobody"),
                (["forecast", "--format", "pdf"], 2, "pdf"), (["advise", "--since", ahead], 2, "lies ahead"),
                (["advise", "--since", "ever"], 2, "ever"),
                (["export"], 2, "--focus"), (["export", "--focus", "1.3"], 2, "1.3", "1.2"),
                (["export", "--focus", "1.2", "--month", "November"], 2, "November", "2026-11"),
                (["export", "--focus", "1.2", "--month", "2026-13"], 2, "2026-13"),
                (["export", "--focus", "1.2", "--month", ahead[:7]], 2, "has not begun"),
                (["export", "--focus", "1.2", "--output", "/nonexistent/x.csv"], 1, "cannot write"),
                (["export", "--focus", "1.2", "--output", str(self.stage.folder)], 1, "no plain file"),
        ):
            self.refused(words, code, *said)
        link = self.stage.folder / "link"  # as /dev/stdout is one: it stays what it is
        link.symlink_to("/dev/full")
        self.refused(["export", "--focus", "1.2", "--output", str(link)], 1, "no plain file")
        self.assertTrue(link.is_symlink())
        for words in (["spend"], ["spend", "--format", "csv"], ["budget", "ls", "--json"], ["credit"], ["export", "--focus", "1.2"]):
            with self.subTest(full=words), open("/dev/full", "w") as full:
                done = subprocess.run([str(self.stage.binaries / "curfew"), "--socket", str(self.stage.folder / "api.sock"), *words],
                                      stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("cannot write the standard output", done.stderr)


if __name__ == "__main__":
    run_tests()
