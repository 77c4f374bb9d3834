"""Alerts as people meet them: who is told of what (routes and owners), acknowledging, silences over what fires, tests of
channels with what came back, dead letters that are sent again, a channel that leaves the configuration while messages
wait for it, and what is said to bad questions. Real SMTP and HTTP receivers, the real daemon."""

import fcntl
import os
import pathlib
import pty
import struct
import subprocess
import sys
import termios

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import StageTest, ask_unix, run_tests, wait_for  # noqa: E402

JSON = {"Content-Type": "application/json"}
SPEED = 60  # a minute is a second
AT_ONCE = """
[alerts]
group_wait = "0s"
group_interval = "0s"
"""
FAULT = "\n[alrets]\n"  # a configuration that is refused, which is an alert that tests can raise and end


class AlertTest(StageTest):
    def setUp(self):
        self.stage = self.open_stage(guests="standin", speed=SPEED, boot_ms=5_000, teardown_ms=5_000)

    def hook(self, name="team", url=None, more=""):
        return f"""
[[channel]]
name = "{name}"
kind = "webhook"
url = "{url or f'http://127.0.0.1:{self.stage.hook.port}/hook'}"
secret_file = "{self.stage.folder}/hook"
{more}
"""

    def mail(self, name="people", to="", host="127.0.0.1"):
        return f"""
[[channel]]
name = "{name}"
kind = "mail"
host = "{host}"
port = {self.stage.mail.port}
security = "{'none' if host == '127.0.0.1' else 'tls'}"
from = "curfew@stage.example"
{to}
"""

    def local(self, name="team", more=""):
        return self.hook(name, more="allow_private = true\n" + more)

    def configure(self, text, **options):
        self.stage.config(channels=False, budget=text, **{"idle": "6h", "ladder": ["30m"], "min_notice": "1m", **options})

    def append(self, text):
        path = self.stage.folder / "curfew.toml"
        path.write_text(path.read_text() + text)

    def remove(self, text):
        path = self.stage.folder / "curfew.toml"
        path.write_text(path.read_text().replace(text, ""))

    def break_config(self):
        self.append(FAULT)
        self.assertEqual(self.stage.curfew("reload", check=False).returncode, 10)
        return wait_for("the alert", lambda: [a for a in self.stage.answer("alerts")["items"] if a["kind"] == "config"], 20)[0]

    def mend_config(self):
        self.remove(FAULT)
        self.stage.curfew("reload")

    def told(self, **wanted):
        """What the webhook receiver got, with these members of `data`."""
        return [h["data"] for h in self.stage.hook.received if all(h["data"].get(k) == v for k, v in wanted.items())]

    def outbox(self, *words):
        return self.stage.answer("outbox", "ls", *words)["items"]

    def settled(self):
        """Nothing waits any more, so that what did not come will not come."""
        wait_for("an empty outbox", lambda: self.stage.answer("outbox")["counts"]["waiting"] == 0, 30)

    def refused(self, words, code, *said):
        with self.subTest(words=words):
            done = self.stage.curfew(*words, check=False)
            self.assertEqual(done.returncode, code, done.stderr + done.stdout)
            self.assertEqual(done.stdout, "")
            for text in said:
                self.assertIn(text, done.stderr)

    def on_a_terminal(self, *words, columns=80):
        master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        subprocess.run([str(self.stage.binaries / "curfew"), "--socket", str(self.stage.folder / "api.sock"), *words],
                       stdout=terminal, stderr=terminal, check=True, timeout=60, env={"TERM": "dumb", "LC_ALL": "C.UTF-8"})
        os.close(terminal)
        text = os.read(master, 65536).decode()
        os.close(master)
        return text.splitlines()


class Routes(AlertTest):
    def test_the_owner_gets_his_own_warnings_and_the_team_the_rest(self):
        self.stage = stage = self.open_stage(speed=40)
        stage.notebook("train")
        stage.config(channels=False, budget=self.local() + self.mail() + AT_ONCE + """owner_channel = "people"
[[route]]
kinds = ["stop_warning"]
channels = []
""", idle="60s", ladder=["30s"])
        stage.start_daemon()
        owner = wait_for("the owner", lambda: (stage.item("train") or {}).get("owner"), 30)
        self.assertIn("@", owner)
        stopped = wait_for("the stop", lambda: self.told(kind="stopped"), 90)
        self.assertIn("train", stopped[0]["title"])
        self.settled()
        to_owner = [m for m in stage.mail.messages if owner in str(m["to"])]
        self.assertEqual(to_owner, stage.mail.messages)  # the channel has no other receivers
        warnings = [m for m in stage.mail.messages if "stop" in str(m["subject"]).lower()]
        self.assertGreaterEqual(len(warnings), 1)
        self.assertEqual(self.told(kind="stop_warning"), [])
        rows = self.outbox()
        self.assertEqual({(r["channel"], r["to"]) for r in rows if r["kind"] == "stop_warning"}, {("people", owner)})
        self.assertEqual({(r["channel"], r["to"]) for r in rows if r["kind"] == "stopped"}, {("team", None), ("people", owner)})

    def test_the_table_of_owners_and_severities(self):
        stage = self.stage
        stage.notebook("train", guest="standin", gpu=None)
        self.configure(self.local() + self.mail(to='to = ["ops@example.org"]') + AT_ONCE + """
[[route]]
at_least = "critical"
channels = ["people"]
""")
        stage.start_daemon()
        owner = wait_for("the owner", lambda: (stage.item("train") or {}).get("owner"), 30)
        alert = self.break_config()
        self.settled()
        self.assertEqual(self.told(), [])  # critical, so mail alone
        self.assertEqual([str(m["to"]) for m in stage.mail.messages], ["ops@example.org"])
        self.assertEqual(alert["told"], [{"channel": "people", "to": None}])
        self.remove(FAULT)
        self.append(f'\n[[owner]]\nowner = "{owner.upper()}"\nchannel = "people"\nto = "at-home@example.org"\n')
        stage.curfew("reload")
        stage.curfew("stop", "train", "--yes", "--no-pack", "--accept-risk=kills-busy-kernel", "--accept-risk=unpacked-outputs")
        wait_for("the stop", lambda: self.told(kind="stopped"), 60)
        wait_for("the owner's mail", lambda: [m for m in stage.mail.messages if "at-home@example.org" in str(m["to"])], 30)
        self.settled()
        rows = [r for r in self.outbox() if r["kind"] == "stopped"]
        self.assertEqual(sorted((r["channel"], r["to"]) for r in rows if r["to"]), [("people", "at-home@example.org")])


class Life(AlertTest):
    def test_a_life_with_an_acknowledgement(self):
        stage = self.stage
        self.configure(self.local() + AT_ONCE)
        stage.start_daemon()
        self.assertEqual(stage.answer("status")["alerts"], {"firing": 0, "critical": 0, "dead_letters": 0})
        self.assertNotIn("alert", stage.curfew("status").stdout)
        alert = self.break_config()
        self.assertEqual((alert["severity"], alert["state"], alert["acknowledged_by"]), ("critical", "firing", None))
        self.assertIn("! 1 alert, 1 critical (curfew alerts)\n", stage.curfew("status").stdout)
        wait_for("the message", lambda: self.told(kind="config"), 20)
        for line in self.on_a_terminal("alerts") + self.on_a_terminal("alerts", "ls"):
            self.assertLessEqual(len(line), 80)
        self.assertIn("firing", stage.curfew("alerts").stdout)
        done = stage.answer("alerts", "ack", alert["id"][:9], "--note", "a slip, mending it")
        self.assertEqual((done["schema"], done["id"], done["state"], done["note"]),
                         ("curfew.alert/1", alert["id"], "acknowledged", "a slip, mending it"))
        self.assertIn("uid", done["acknowledged_by"])
        self.assertEqual(stage.answer("status")["alerts"], {"firing": 1, "critical": 0, "dead_letters": 0})
        self.assertEqual([e["text"] for e in stage.events("alert.acknowledged")], [alert["id"] + ": a slip, mending it"])
        self.assertEqual(stage.events("alert.acknowledged")[0]["actor"], done["acknowledged_by"])
        self.mend_config()
        wait_for("the end", lambda: not stage.answer("alerts")["items"], 20)
        self.settled()
        self.the_whole_life(alert["id"])
        self.refused(["alerts", "ack", alert["id"]], 3, alert["id"])
        self.assertEqual([a["state"] for a in stage.answer("alerts", "-a")["items"]], ["resolved"])

    def the_whole_life(self, alert):
        shown = self.stage.answer("alerts", "show", alert)
        self.assertEqual(shown["schema"], "curfew.alert/1")
        states = [e["state"] for e in shown["events"]]
        self.assertEqual(states, ["firing", "acknowledged", "resolved"])
        for event in shown["events"]:
            self.assertTrue(event["reason"])
        self.assertEqual([d["telling"] for d in shown["deliveries"]], ["firing", "acknowledged", "resolved"])
        self.assertEqual({d["state"] for d in shown["deliveries"]}, {"delivered"})
        text = self.stage.curfew("alerts", "show", alert, "--utc").stdout
        for word in (alert, "config, critical", "told      team", "taken by", "a slip, mending it", "AT UTC", "CHANNEL",
                     "acknowledged", "resolved", "as of "):
            self.assertIn(word, text)
        for line in self.on_a_terminal("alerts", "show", alert):
            if line.startswith(("AT ", "CHANNEL", "team ")):
                self.assertLessEqual(len(line), 80)

    def test_a_silence_over_a_firing_alert_and_its_end(self):
        stage = self.stage
        self.configure(self.local() + AT_ONCE)
        stage.start_daemon()
        made = stage.answer("alerts", "silence", "--kind", "config", "--for", "7d", "--reason", "I break it on purpose")
        self.assertEqual((made["schema"], made["kind"], made["kinds"], made["in_force"], made["reason"]),
                         ("curfew.silence/1", "silence", ["config"], True, "I break it on purpose"))
        alert = self.break_config()
        self.assertEqual((alert["silenced_by"], alert["told"]), (made["id"], []))
        self.assertIn("firing, silenced", stage.curfew("alerts").stdout)
        self.assertIn("kinds config", stage.curfew("alerts", "silences").stdout)
        self.settled()
        self.assertEqual(self.told(), [])
        ended = stage.answer("alerts", "unsilence", made["id"][:8])
        self.assertEqual((ended["id"], ended["in_force"]), (made["id"], False))
        wait_for("it is told now", lambda: self.told(kind="config"), 30)
        self.assertEqual(stage.answer("alerts", "silences")["items"], [])
        self.assertEqual([s["id"] for s in stage.answer("alerts", "silences", "-a")["items"]], [made["id"]])
        self.assertEqual(stage.curfew("alerts", "silences").stdout, "no silence is in force\n")
        self.refused(["alerts", "unsilence", made["id"]], 3, made["id"])
        self.mend_config()
        wait_for("the end is told", lambda: len(self.told(kind="config")) == 2, 20)
        self.assertEqual([(len(stage.events(k)), stage.events(k)[0]["actor"]) for k in ("silence.placed", "silence.ended")],
                         [(1, made["by"]), (1, made["by"])])

    def test_a_silence_ends_by_itself(self):
        stage = self.stage
        self.configure(self.local() + AT_ONCE)
        stage.start_daemon()
        stage.curfew("alerts", "silence", "--everything", "--for", "2m", "--reason", "two minutes")
        self.break_config()
        wait_for("the end of the silence", lambda: self.told(kind="config"), 30)
        self.assertEqual(stage.answer("alerts", "silences")["items"], [])

    def test_maintenance_stops_nothing(self):
        self.stage = stage = self.open_stage(speed=40)
        stage.notebook("train")
        stage.notebook("other")
        stage.config(channels=False, budget=self.local() + AT_ONCE, idle="60s", ladder=["30s"])
        stage.start_daemon()
        wait_for("both to be seen", lambda: stage.item("train") and stage.item("other"), 30)
        made = stage.answer("alerts", "silence", "--resource", "tr*", "--maintenance", "--for", "7d", "--reason", "new disks")
        self.assertEqual((made["kind"], made["resources"]), ("maintenance", ["tr*"]))
        wait_for("the other one to be stopped", lambda: self.told(kind="stopped"), 90)
        self.assertEqual(len(stage.stop_calls()), 1)
        self.assertTrue(stage.item("train")["billing"])
        self.assertIn("maintenance until", stage.item("train")["why"])
        stage.curfew("alerts", "unsilence", made["id"])
        wait_for("the end to be seen", lambda: "maintenance" not in stage.item("train")["why"], 30)

    def test_the_keys_of_alerts_are_read_anew(self):
        stage = self.stage
        self.configure(self.local() + "\n[alerts]\ngroup_wait = \"1h\"\n")
        stage.start_daemon()
        alert = self.break_config()
        row = wait_for("its message", lambda: [r for r in self.outbox() if r["alert"] == alert["id"]], 20)[0]
        self.assertEqual(row["state"], "waiting")
        self.remove(FAULT)
        path = stage.folder / "curfew.toml"
        path.write_text(path.read_text().replace('group_wait = "1h"', 'group_wait = "0s"\ngroup_interval = "0s"'))
        stage.curfew("reload")
        self.append('\n[[route]]\nchannels = ["taem"]\n')
        done = stage.curfew("reload", check=False)
        self.assertEqual(done.returncode, 10)
        self.assertIn("did you mean `team`?", done.stderr)
        wait_for("the second alert at once", lambda: self.told(kind="config"), 20)


class Delivery(AlertTest):
    def test_the_test_of_a_channel_says_what_came_back(self):
        stage = self.stage
        stage.secret("other", stage.hook_secret)
        tls = stage.urls["guest_connect_tls"]
        self.configure(self.local() + self.mail(to='to = ["ops@example.org"]') + self.mail("owners") + self.hook("untrusted", f"https://{tls}/x", "allow_private = true")
                       + self.hook("unknown", "https://receiver.invalid/x") + self.mail("nowhere", 'to = ["ops@example.org"]', host="mail.invalid")
                       + AT_ONCE + 'owner_channel = "owners"\n')
        stage.start_daemon()
        done = stage.answer("notify", "test", "team")
        self.assertEqual((done["schema"], done["channel"], done["kind"], done["to"]), ("curfew.delivery/1", "team", "webhook", None))
        self.assertIn("200", done["answer"])
        self.assertEqual(len(self.told(kind="test")), 1)
        self.assertIn("channel people took it: 250", stage.curfew("notify", "test", "people").stdout)
        self.assertIn("(ana@example.org) took it: 250", stage.curfew("notify", "test", "owners", "--to", "ana@example.org").stdout)
        self.assertEqual([str(m["to"]) for m in stage.mail.messages], ["ops@example.org", "ana@example.org"])
        self.refused(["notify", "test", "taem"], 3, "no channel of this name", "team, people")
        self.refused(["notify", "test", "owners"], 2, "no receivers of its own", "--to ADDRESS")
        self.refused(["notify", "test", "team", "--to", "ana@example.org"], 2, "only mail goes to an address")
        self.refused(["notify", "test", "people", "--to", "ana@example.org\r\nBcc: x@example.org"], 2, "no bare mail address")
        stage.hook.status = 500
        self.refused(["notify", "test", "team"], 6, "channel team did not take it", "500", "again later")
        stage.hook.status = 400
        self.refused(["notify", "test", "team"], 1, "channel team did not take it", "400", "will fail again")
        for name in ("unknown", "nowhere"):
            self.refused(["notify", "test", name], 6, f"channel {name} did not take it", "host, port or url")
        with self.subTest("a wrong certificate"):
            bad = stage.curfew("notify", "test", "untrusted", check=False)
            self.assertIn(bad.returncode, (1, 6))
            self.assertIn("certificate", bad.stderr)
            self.assertIn("ca_file", bad.stderr)
        stage.mail.refuse = "451 4.7.1 greylisted, come again"
        self.refused(["notify", "test", "people"], 6, "451", "again later")
        stage.mail.refuse = "550 5.1.1 nobody of that name"
        self.refused(["notify", "test", "people"], 1, "550")
        texts = [e["text"] for e in stage.events("channel.tested")]
        self.assertEqual(len([t for t in texts if "taken: " in t]), 3)
        self.assertGreaterEqual(len([t for t in texts if "refused: " in t]), 6)
        self.assertEqual(self.outbox(), [])  # tests go past the queue

    def test_dead_letters_are_listed_and_sent_again(self):
        stage = self.stage
        self.configure(self.local() + AT_ONCE)
        stage.start_daemon()
        stage.hook.status = 400
        alert = self.break_config()
        dead = wait_for("the dead letter", lambda: [r for r in stage.answer("outbox", "dead")["items"] if r["alert"] == alert["id"]], 30)
        self.assertEqual((dead[0]["state"], dead[0]["channel"], dead[0]["attempts"]), ("dead", "team", 1))
        self.assertIn("400", dead[0]["last_error"])
        first = self.told(kind="config")
        text = stage.curfew("outbox", "dead").stdout
        for word in ("team", "dead", "HTTP 400" if "HTTP 400" in dead[0]["last_error"] else "400", "curfew outbox retry NO"):
            self.assertIn(word, text)
        for line in self.on_a_terminal("outbox"):
            self.assertLessEqual(len(line), 80)
        self.assertIn("undelivered (curfew outbox dead)", stage.curfew("status").stdout)
        found = stage.curfew("doctor", check=False)
        self.assertEqual(found.returncode, 10)
        self.assertIn("curfew outbox dead", found.stdout)
        ids = {h["id"] for h in stage.hook.received if h["data"]["kind"] == "config"}
        stage.hook.status = 200
        self.assertIn("1 message waits again", stage.curfew("outbox", "retry", str(dead[0]["seq"])).stdout)
        wait_for("it arrives", lambda: len(self.told(kind="config")) > len(first), 30)
        self.assertEqual({h["id"] for h in stage.hook.received if h["data"]["kind"] == "config"}, ids)  # under the same id
        wait_for("it is delivered", lambda: [r for r in self.outbox("--state", "delivered") if r["id"] == dead[0]["id"]], 30)
        self.assertGreaterEqual(stage.answer("outbox", "retry", "--all")["retried"], 0)
        self.refused(["outbox", "retry", str(dead[0]["seq"])], 3, "no dead letter")
        self.assertIn("wait again", stage.events("outbox.retried")[0]["text"])

    def test_a_channel_that_leaves_while_messages_wait(self):
        stage = self.stage
        self.configure(self.local() + AT_ONCE)
        stage.start_daemon()
        stage.hook.status = 503
        alert = self.break_config()
        wait_for("a message that waits", lambda: [r for r in self.outbox("--state", "waiting") if r["attempts"] > 0], 30)
        self.remove(FAULT)
        self.remove(self.local())
        self.append(self.mail(to='to = ["ops@example.org"]'))
        stage.curfew("reload")
        wait_for("it comes by mail", lambda: len(stage.mail.messages) > 0, 60)
        self.settled()
        rows = stage.answer("alerts", "show", alert["id"])["deliveries"]
        self.assertEqual({r["state"] for r in rows if r["channel"] == "people"}, {"delivered"})
        self.assertNotIn("waiting", {r["state"] for r in rows})


class Questions(AlertTest):
    def test_bad_questions(self):
        stage = self.stage
        stage.notebook("train", guest="standin", gpu=None)
        self.configure(self.local() + AT_ONCE)
        stage.start_daemon()
        wait_for("the notebook", lambda: stage.item("train"), 30)
        quiet = ["alerts", "silence", "--for", "2h", "--reason", "x"]
        for words, code, *said in (
                (["alerts", "show", "alr_none"], 3, "no alert", "alr_none"),
                (["alerts", "show"], 2, "ID is required"),
                (["alerts", "ack", "alr_none"], 3, "alr_none"),
                (["alerts", "ack", "../../status"], 3, "no alert"),
                (["alerts", "unsilence", "sil_none"], 3, "sil_none"),
                (["alerts", "silence", "--everything", "--reason", "x"], 2, "--for 2h"),
                (["alerts", "silence", "--everything", "--for", "2h"], 2, "--reason"),
                (["alerts", "silence", "--everything", "--for", "2h", "--until", "2100-01-01", "--reason", "x"], 2, "--for 2h"),
                (["alerts", "silence", "--everything", "--for", "30", "--reason", "x"], 2, "30"),
                (["alerts", "silence", "--everything", "--for", "8d", "--reason", "x"], 2, "7d"),
                (["alerts", "silence", "--everything", "--for", "1s", "--reason", "x"], 2, "1m"),
                (["alerts", "silence", "--everything", "--until", "2020-01-01", "--reason", "x"], 2, "end"),
                (["alerts", "silence", "--everything", "--until", "soon", "--reason", "x"], 2, "soon"),
                (quiet, 2, "--everything"),
                ([*quiet, "--everything", "--rule", "idle"], 2, "not both"),
                ([*quiet, "--rule", "ilde"], 3, "no rule of this name", "ilde"),
                ([*quiet, "--account", "you"], 3, "no account of this name"),
                ([*quiet, "--budget", "none"], 3, "no budget of this name"),
                ([*quiet, "--kind", "burning"], 2, "no kind of alert"),
                ([*quiet, "--resource", "nothing"], 3, "nothing"),
                ([*quiet, "--alert", "alr_none"], 3, "alr_none"),
                ([*quiet, "--maintenance", "--kind", "blind"], 2, "maintenance is of resources"),
                (["alerts", "bury"], 2),
                (["outbox", "ls", "--state", "lost"], 2, "lost"),
                (["outbox", "retry"], 2, "--all"),
                (["outbox", "retry", "7", "--all"], 2, "--all"),
                (["outbox", "retry", "7"], 3, "no message with this number"),
                (["outbox", "retry", "msg_none/team"], 3, "msg_none/team"),
                (["notify"], 2),
                (["notify", "test"], 2, "CHANNEL is required"),
                (["notify", "test", "nobody"], 3, "nobody")):
            self.refused(words, code, *said)
        self.assertEqual(stage.answer("alerts", "silences", "-a")["items"], [])
        self.the_sockets()

    def the_sockets(self):
        read, admin = self.stage.folder / "api.sock", self.stage.folder / "admin.sock"
        for target in ("alerts/alr_1/ack", "silences", "silences/sil_1/end", "outbox/retry", "channels/team/test"):
            status, _ = ask_unix(read, f"/v1/{target}", "POST", "{}", JSON, raw=True)
            self.assertEqual(status, 405, target)  # changes are for the other socket
        for body in ("", "[]", "{", '{"for":7}', '{"everything":true,"for":"2h","reason":["x"]}',
                     '{"resources":{"a":1},"for":"2h","reason":"x"}', '{"kinds":[""],"for":"2h","reason":"x"}',
                     '{"resources":[' + ",".join(['"a*"'] * 51) + '],"for":"2h","reason":"x"}',
                     '{"everything":true,"for":"2h","reason":"' + "x" * 1001 + '"}'):
            status, text = ask_unix(admin, "/v1/silences", "POST", body, JSON, raw=True)
            self.assertEqual(status, 400, (body[:60], text))
        status, _ = ask_unix(read, "/v1/outbox?state=lost", raw=True)
        self.assertEqual(status, 400)
        key = {**JSON, "Idempotency-Key": "once"}
        body = '{"everything":true,"for":"2h","reason":"twice asked"}'
        first = ask_unix(admin, "/v1/silences", "POST", body, key)
        self.assertEqual(ask_unix(admin, "/v1/silences", "POST", body, key), first)
        self.assertEqual(len(self.stage.answer("alerts", "silences")["items"]), 1)


if __name__ == "__main__":
    run_tests()
