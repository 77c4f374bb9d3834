"""A client of the emulator that knows nothing of Curfew: plain HTTP and WebSocket, and what each object must look like, as
the published clients and descriptions have it."""

import datetime
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
from fractions import Fraction

from stage import SOURCE, wait_for

HOUR_MS = 3_600_000
STATES = ("Cancel", "Cancelled", "Error", "Failed", "Pending", "Preempted", "Provisioned", "Running", "Stopped")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Emulator:
    """One process, with folders of its own; nothing of it is left afterwards."""

    def __init__(self, *arguments, guests="standin", boot_ms=150, teardown_ms=250, keys=("key-of-lab", "key-of-lab-2")):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="curfew-wire-"))
        words = [os.environ["CURFEW_BIN"] + "/curfew-emulator", "--state-dir", str(self.folder), "--guests", guests,
                 "--boot-ms", str(boot_ms), "--teardown-ms", str(teardown_ms),
                 "--prices", str(SOURCE / "config/prices/paperspace.csv"), *arguments]
        for key in keys:
            words += ["--key", key]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE)
        self.urls = json.loads(self.process.stdout.readline())
        self.key = keys[0]
        self.tls = ssl.create_default_context(cafile=self.urls["ca_file"])

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(60)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code

    def address(self, host):
        text = self.urls[host].removeprefix("http://").removesuffix("/v1")
        name, port = text.split(":")
        return name, int(port)

    def ask(self, host, method, target, body=None, headers=None):
        """`body`: bytes as they are; None sends none, and no Content-Length either."""
        connection = http.client.HTTPConnection(*self.address(host), timeout=60)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def v1(self, method, target, body=None, key="", headers=None, raw=None):
        """As the vendor's command-line client sends it."""
        head = {"Authorization": f"Bearer {key or self.key}", "content-type": "application/json",
                "x-client": "paperspace-cli", "x-client-version": "1.10.1", **(headers or {})}
        return self.ask("v1", method, "/v1" + target, raw if body is None else json.dumps(body).encode(), head)

    def legacy(self, method, target, body=None, key="", host="legacy", headers=None):
        """As the vendor's Python client sends it: JSON bodies on a GET too."""
        head = {"X-API-Key": key or self.key, "ps_client_name": "gradient-cli-sdk", "ps_client_version": "2.0.6", **(headers or {})}
        if body is not None:
            head["Content-Type"] = "application/json"
        return self.ask(host, method, target, None if body is None else json.dumps(body).encode(), head)

    def metrics(self, target, key=""):
        name, port = self.urls["metrics_connect"].split(":")
        connection = http.client.HTTPConnection(name, int(port), timeout=60)
        connection.connect()
        connection.sock = self.tls.wrap_socket(connection.sock, server_hostname="clg07azjl.paperspacegradient.com")
        connection.request("GET", target, headers={"X-API-Key": key or self.key, "Host": "clg07azjl.paperspacegradient.com"})
        answer = connection.getresponse()
        found = Answer(answer.status, answer.headers, answer.read())
        connection.close()
        return found

    def control(self, method, target, body=None):
        answer = self.ask("control", method, target, None if body is None else json.dumps(body).encode())
        if answer.status != 200:
            raise AssertionError(f"control {target}: {answer.status} {answer.body}")
        return answer.json

    def raw(self, host, text, seconds=60.0):
        """All that comes back for these bytes until the server closes or has been silent for `seconds`."""
        with socket.create_connection(self.address(host), timeout=seconds) as s:
            s.sendall(text)
            got = b""
            try:
                while piece := s.recv(65536):
                    got += piece
            except (TimeoutError, ConnectionError):
                pass
            return got

    def notebook(self, **more):
        return self.control("POST", "/notebooks", {"name": "train", "machineType": "A4000", "wait": True, **more})

    def state(self, run):
        return self.v1("GET", f"/notebooks/{run}").json["state"]

    def wait_state(self, run, wanted, seconds=15.0):
        return wait_for(f"{run} to be {wanted}", lambda: self.state(run) == wanted, seconds, 0.02)

    def machine(self, machine):
        return self.v1("GET", f"/machines/{machine}").json

    def wait_machine(self, machine, wanted):
        return wait_for(f"{machine} to be {wanted}", lambda: self.machine(machine)["state"] == wanted, 15, 0.02)


def date(value):
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value) is not None


def digits(value):
    return isinstance(value, str) and value.isdecimal()


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def maybe(check):
    return lambda value: value is None or matches(value, check)


def matches(value, check):
    if isinstance(check, type):
        return isinstance(value, check) and not (check is int and isinstance(value, bool))
    return check(value) if callable(check) else type(value) is type(check) and value == check


USER = {"id": str, "email": str, "firstName": maybe(str), "lastName": maybe(str), "publicProfileImageUrl": maybe(str)}
V1_NOTEBOOK = {"id": re.compile(r"n[a-z0-9]{9}").fullmatch, "name": str, "state": lambda s: s in STATES, "machineType": str,
               "projectId": str, "notebookRepoId": re.compile(r"r[a-z0-9]{14}").fullmatch, "fqdn": maybe(str),
               "token": maybe(re.compile(r"[0-9a-f]{32}").fullmatch), "dtCreated": date, "dtModified": date,
               "dtStarted": maybe(date), "startedByUser": dict}
LEGACY_NOTEBOOK = {
    "name": str, "handle": str, "id": int, "jobHandle": str, "jobId": int, "parentJobId": None, "jobError": maybe(str),
    "project": str, "projectHandle": str, "namespace": str, "state": str, "token": maybe(str), "container": str,
    "containerUrl": str, "baseContainer": str, "baseContainerUrl": str, "vmType": str, "cluster": str, "clusterId": str,
    "fqdn": maybe(str), "metricsURL": str, "startedByUser": str, "startedByUserId": str, "isPublic": bool,
    "isPreemptible": bool, "shutdownTimeout": maybe(int), "tags": list, "dtCreated": date, "dtModified": date,
    "dtProvisioningStarted": maybe(date), "dtProvisioningFinished": maybe(date), "dtStarted": maybe(date),
    "dtFinished": maybe(date), "dtTeardownStarted": maybe(date), "dtTeardownFinished": maybe(date), "dtDeleted": maybe(date),
    "cpuHostname": str, "cpuCount": int, "cpuModel": str, "cpuFlags": str, "cpuMem": str, "gpuName": maybe(str),
    "gpuSerial": maybe(str), "gpuDevice": maybe(str), "gpuDriver": maybe(str), "gpuCount": int, "gpuMem": maybe(str),
    "tpuType": None, "tpuName": None, "tpuGrpcUrl": None, "tpuTFVersion": None, "tpuDatasetDir": None, "tpuModelDir": None}
V1_MACHINE = {
    "id": re.compile(r"ps[a-z0-9]{8}").fullmatch, "name": str, "state": str, "os": str, "agentType": str, "machineType": str,
    "cpus": int, "ram": digits, "storageTotal": digits, "storageUsed": digits, "accelerators": list, "region": str,
    "privateIp": maybe(str), "networkId": maybe(str), "publicIp": maybe(str),
    "publicIpType": lambda t: t in ("static", "dynamic", "none"), "autoShutdownEnabled": bool, "autoShutdownTimeout": maybe(int),
    "autoShutdownForce": maybe(bool), "autoSnapshotEnabled": bool, "autoSnapshotFrequency": maybe(str),
    "autoSnapshotSaveCount": maybe(int), "updatesPending": bool, "restorePointEnabled": bool,
    "restorePointFrequency": maybe(str), "restorePointSnapshotId": maybe(str), "usageRate": number, "storageRate": number,
    "dtCreated": date, "dtModified": date, "dtDeleted": maybe(date), "reservation": maybe(dict)}
EVENT = {"id": str, "name": str, "state": lambda s: s in ("new", "in progress", "done", "error", "cancelled"), "machineId": str,
         "dtCreated": date, "dtStarted": maybe(date), "dtFinished": maybe(date), "error": maybe(str)}
LEGACY_MACHINE = {
    "id": str, "name": str, "os": str, "ram": digits, "cpus": int, "gpu": str, "storageTotal": digits, "storageUsed": digits,
    "usageRate": str, "machineType": str, "shutdownTimeoutInHours": maybe(int), "shutdownTimeoutForces": bool,
    "performAutoSnapshot": bool, "autoSnapshotFrequency": maybe(str), "autoSnapshotSaveCount": maybe(int),
    "dynamicPublicIp": bool, "agentType": str, "dtCreated": date, "dtLastRun": maybe(date), "state": str,
    "updatesPending": bool, "networkId": str, "privateIpAddress": str, "publicIpAddress": maybe(str), "region": str,
    "userId": str, "teamId": str, "scriptId": None}


class WebSocket:
    """Just enough of RFC 6455, without the key, as the Python client does."""

    def __init__(self, emulator, target):
        name, port = emulator.urls["metrics_connect"].split(":")
        raw = socket.create_connection((name, int(port)), timeout=60)
        self.sock = emulator.tls.wrap_socket(raw, server_hostname="clg07azjl.paperspacegradient.com")
        self.sock.sendall((f"GET {target} HTTP/1.1\r\nHost: clg07azjl.paperspacegradient.com\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.file = self.sock.makefile("rb")
        status = self.file.readline()
        if b" 101 " not in status:
            self.close()
            raise AssertionError(status)
        while self.file.readline().strip():
            pass

    def send(self, text):
        body = text.encode()
        size = len(body)
        head = bytes([0x81, 0x80 | size]) if size < 126 else \
            bytes([0x81, 0xFE]) + struct.pack(">H", size) if size < 65536 else bytes([0x81, 0xFF]) + struct.pack(">Q", size)
        self.sock.sendall(head + b"\0\0\0\0" + body)  # a mask of zeros changes nothing

    def receive(self):
        first, size = self.file.read(2)
        assert first == 0x81, first
        if size == 126:
            size = struct.unpack(">H", self.file.read(2))[0]
        return self.file.read(size)

    def close(self):
        self.file.close()
        self.sock.close()


def ms(text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(at.timestamp()) * 1000 + at.microsecond // 1000


def nanos(text):
    """Nano-dollars of a decimal text, exactly."""
    return int(Fraction(text) * 10**9)
