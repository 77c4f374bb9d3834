"""A Core machine that Curfew looks into over SSH: the emulator's machine, and a real sshd of this host for its inside."""

import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import StageTest, hold_port, run_tests, wait_for  # noqa: E402

SSHD = "/usr/sbin/sshd"


class Sshd:
    """OpenSSH's server in the foreground, with a key, a folder and a port of its own."""

    def __init__(self, folder):
        self.folder = folder / "sshd"
        self.folder.mkdir(mode=0o700)
        self.held = hold_port()
        self.port = self.held.getsockname()[1]
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)], check=True)
        shutil.copy(self.folder / "user.pub", self.folder / "authorized")
        (self.folder / "authorized").chmod(0o600)
        config = self.folder / "config"
        config.write_text(f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.folder}/host\nPidFile none\nUsePAM no\n"
                          f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nPasswordAuthentication no\n"
                          "PermitRootLogin prohibit-password\n")
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # where its privilege separation begins
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=self.log)
        wait_for("sshd to listen", self.listens)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def host_key(self):
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    def block(self, host_key=None):
        return (f'\n[[ssh]]\nmatch = ["workstation"]\nuser = "{getpass.getuser()}"\nkey_file = "{self.folder}/user"\n'
                f'host_key = "{host_key or self.host_key}"\nhost = "127.0.0.1"\nport = {self.port}\n')

    def close(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()
        self.held.close()


@unittest.skipUnless(os.path.exists(SSHD), f"{SSHD} is missing (apt-get install openssh-server)")
class OverSsh(StageTest):
    def begin(self, host_key=None):
        stage = self.open_stage(guests="standin")
        sshd = Sshd(stage.folder)
        self.addCleanup(sshd.close)
        stage.control("/machines", {"name": "workstation", "machineType": "A4000"})
        stage.config(idle="5m", ladder=["2m"], budget=sshd.block(host_key))
        stage.start_daemon()
        return stage

    def signals(self, stage):
        return {s["source"]: s for s in stage.answer("explain", "workstation")["signals"]}

    def test_its_processes_are_seen(self):
        stage = self.begin()
        burner = subprocess.Popen([sys.executable, "-c", "while True: sum(range(1000))"])
        self.addCleanup(burner.wait)
        self.addCleanup(burner.kill)
        wait_for("the machine to be seen at work", lambda: (stage.item("workstation") or {}).get("verdict") == "active", 60)
        processes = self.signals(stage)["processes"]
        self.assertEqual((processes["verdict"], processes["strength"]), ("active", "strong"))
        self.assertIn("core", processes["evidence"])
        self.assertEqual(stage.item("workstation")["coverage"], "full")
        self.assertNotIn("kernels", self.signals(stage))
        self.assertEqual([c for c in stage.calls() if c["path"].endswith("/stop")], [])

    def test_another_host_key_is_unknown_and_said(self):
        other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBkbE2HVytKYqFhLc1WcgjjRAAPzbMHxz6qSIafUgGGV"
        stage = self.begin(other)
        processes = wait_for("the refusal", lambda: stage.item("workstation") and self.signals(stage).get("processes"), 60)
        self.assertEqual(processes["verdict"], "unknown")
        self.assertIn("key", processes["evidence"])
        self.assertEqual(stage.item("workstation")["verdict"], "unknown")


if __name__ == "__main__":
    run_tests()
