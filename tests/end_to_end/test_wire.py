"""The emulator's wire, as a client that knows nothing of Curfew sees it: both APIs over plain HTTP, field by field; the
life of notebooks and machines; the invoice, computed again here."""

import base64
import csv
import http.client
import json
import pathlib
import re
import signal
import socket
import sys
import threading
import time
import unittest
import urllib.parse
from fractions import Fraction

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import SOURCE, run_tests, wait_for  # noqa: E402
from wire import (EVENT, HOUR_MS, LEGACY_MACHINE, LEGACY_NOTEBOOK, STATES, USER, V1_MACHINE, V1_NOTEBOOK, Answer,  # noqa: E402
                  Emulator, WebSocket, date, digits, matches, maybe, ms, nanos)


class WireTest(unittest.TestCase):
    def open(self, *arguments, **options):
        emulator = Emulator(*arguments, **options)
        self.addCleanup(emulator.close)
        return emulator

    def check_shape(self, value, shape):
        self.assertIsInstance(value, dict)
        self.assertEqual(set(value), set(shape), "exactly these members")
        for name, check in shape.items():
            self.assertTrue(matches(value[name], check), f"{name}: {value[name]!r}")

    def check_v1_error(self, answer, status, code, message=None, issues=False):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/json; charset=utf-8")
        body = answer.json
        self.assertEqual(set(body), {"code", "message", "issues"} if issues else {"code", "message"}, body)
        self.assertEqual(body["code"], code)
        self.assertIsInstance(body["message"], str)
        if message:
            self.assertEqual(body["message"], message)
        if issues:
            self.assertTrue(body["issues"])
            for issue in body["issues"]:
                self.check_shape(issue, {"message": str})

    def check_legacy_error(self, answer, status):
        self.assertEqual(answer.status, status, answer.body)
        self.check_shape(answer.json, {"error": dict})
        self.check_shape(answer.json["error"], {"name": "ApplicationError", "status": status, "message": str})

    def check_flat_error(self, answer, status):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.json, {"status": status, "message": "Invalid API token"})


class SharedTest(WireTest):
    """One emulator for all tests of the class; each makes what it needs."""

    @classmethod
    def setUpClass(cls):
        cls.e = Emulator()

    @classmethod
    def tearDownClass(cls):
        code = cls.e.close()
        assert code == 0, f"the emulator ended with {code}"


class CurrentApi(SharedTest):
    def test_session_and_health(self):
        e = self.e
        health = e.ask("v1", "GET", "/v1/health")
        self.assertEqual((health.status, health.body), (200, b'"HEALTHY"'))
        good = e.v1("GET", "/auth/session")
        self.assertEqual(good.status, 200)
        self.check_shape(good.json, {"user": dict, "team": dict})
        self.check_shape(good.json["team"], {"id": str, "namespace": "lab", "isPrivate": bool, "maxMachines": int, "analyticsId": int})
        user = good.json["user"]
        self.check_shape(user, {
            "id": str, "email": str, "firstName": str, "lastName": str, "dtCreated": date, "dtConfirmed": date,
            "isPhoneVerified": bool, "isPasswordAuthEnabled": bool, "isQrCodeBasedMfaEnabled": bool,
            "isQrCodeBasedMfaConfirmed": bool, "analyticsId": int, "preferences": None, "metadata": dict, "teamMemberships": list})
        self.check_shape(user["metadata"], {"tags": None, "coreSurvey": None, "gradientSurvey": None, "graphcoreTermsAccepted": bool})
        self.check_shape(user["teamMemberships"][0], {"isAdmin": bool, "isOwner": bool, "team": dict})
        self.check_shape(user["teamMemberships"][0]["team"], {
            "id": good.json["team"]["id"], "name": str, "namespace": "lab", "isUserTeam": bool, "dtCreated": date,
            "publicProfileImageUrl": None})
        self.assertEqual(e.v1("GET", "/auth/session", key="key-of-lab-2").json["team"]["namespace"], "lab2")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic " + e.key}, {"Authorization": e.key},
                        {"X-API-Key": e.key}, {"Authorization": "Bearer "}):
            bad = e.ask("v1", "GET", "/v1/auth/session", headers=headers)
            self.assertEqual((bad.status, bad.body), (200, b"null"), headers)
            self.assertEqual(bad.headers["Content-Type"], "application/json; charset=utf-8")
        self.assertEqual(e.ask("v1", "GET", "/v1/auth/session", headers={"authorization": "bearer " + e.key}).json, good.json)

    def test_errors(self):
        e = self.e
        for method, target in (("GET", "/notebooks"), ("GET", "/machines"), ("GET", "/storage-providers/utilization"),
                               ("POST", "/notebooks"), ("PATCH", "/machines/psq1w2e3r4/stop")):
            self.check_v1_error(e.v1(method, target, {} if method != "GET" else None, key="wrong"), 401, "UNAUTHORIZED")
        self.check_v1_error(e.v1("GET", "/notebooks/nnobody000"), 404, "NOT_FOUND", "Notebook not found.")
        self.check_v1_error(e.v1("GET", "/machines/psnobody00"), 404, "NOT_FOUND")
        self.check_v1_error(e.v1("GET", "/machine-events/evtnobody"), 404, "NOT_FOUND")
        made = e.notebook()
        # What v1 does not have, with and without a key, by id and by repo id.
        for target in (f"/notebooks/{made['id']}", f"/notebooks/{made['notebookRepoId']}"):
            for key in (e.key, "wrong"):
                for method, more in (("POST", "/stop"), ("POST", "/start"), ("DELETE", ""), ("GET", "/logs"), ("GET", "/metrics"),
                                     ("PATCH", "/stop"), ("PUT", "")):
                    answer = e.v1(method, target + more, {} if method in ("POST", "PATCH", "PUT") else None, key=key)
                    self.check_v1_error(answer, 404, "NOT_FOUND")
        self.check_v1_error(e.v1("GET", f"/notebooks/{made['notebookRepoId']}"), 404, "NOT_FOUND")
        self.assertEqual(e.state(made["id"]), "Running")
        for target in ("/v1/nothing", "/v1", "/", "/v2/notebooks", "/notebooks"):
            self.check_v1_error(e.ask("v1", "GET", target, headers={"Authorization": "Bearer " + e.key}), 404, "NOT_FOUND")
        # Another team's things do not exist.
        self.check_v1_error(e.v1("GET", f"/notebooks/{made['id']}", key="key-of-lab-2"), 404, "NOT_FOUND")

    def test_json_bodies(self):
        e = self.e
        machine = e.control("POST", "/machines", {"name": "bodies", "machineType": "C5"})["id"]
        e.wait_machine(machine, "ready")
        for content_type in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
            for method, target in (("PATCH", f"/machines/{machine}/stop"), ("POST", "/notebooks"), ("PUT", f"/machines/{machine}")):
                for length in (None, b""):
                    answer = e.v1(method, target, raw=length, headers={"content-type": content_type})
                    self.assertEqual(answer.status, 400)
                    self.check_shape(answer.json, {
                        "statusCode": 400, "code": "FST_ERR_CTP_EMPTY_JSON_BODY", "error": "Bad Request",
                        "message": "Body cannot be empty when content-type is set to 'application/json'"})
        self.assertEqual(e.machine(machine)["state"], "ready")
        for raw in (b"{", b'{"name":}', b"\xff\xfe", b"nul", b'{"a":1}x', b"[" * 100_000, b'{"a":' * 90_000):
            self.check_v1_error(e.v1("POST", "/notebooks", raw=raw), 400, "PARSE_ERROR")
        for raw in (b"[]", b'"x"', b"null", b"7", b"{}"):
            self.check_v1_error(e.v1("POST", "/notebooks", raw=raw), 400, "BAD_REQUEST", issues=True)
        self.assertEqual(e.ask("v1", "GET", "/v1/notebooks", b"{", {"Authorization": "Bearer " + e.key,
                                                                    "Content-Type": "application/json"}).status, 200)
        # No content type at all is fine, and so is {}; the client's DELETE has the type and no body, nor a length.
        self.assertEqual(e.ask("v1", "PATCH", f"/v1/machines/{machine}/stop", headers={"Authorization": "Bearer " + e.key}).status, 200)
        e.wait_machine(machine, "off")
        self.assertEqual(e.v1("PATCH", f"/machines/{machine}/start", {}).status, 200)
        self.assertEqual(e.v1("DELETE", f"/machines/{machine}", raw=b"").status, 400)
        self.assertEqual(e.v1("DELETE", f"/machines/{machine}").status, 200)

    def test_create_and_live(self):
        e = self.e
        project = e.v1("GET", "/projects").json["items"][0]
        self.check_shape(project, {"id": str, "name": str, "dtCreated": date, "dtDeleted": None, "repoName": None,
                                   "repoNodeId": None, "repoUrl": None})
        self.assertEqual(e.v1("GET", f"/projects/{project['id']}").json, project)
        good = {"name": "made", "projectId": project["id"], "machineType": "A4000", "isPublic": False, "shutdownTimeout": 6}
        for name in good:
            self.check_v1_error(e.v1("POST", "/notebooks", {k: v for k, v in good.items() if k != name}), 400, "BAD_REQUEST", issues=True)
        for wrong in ({"isPublic": "no"}, {"shutdownTimeout": "6"}, {"shutdownTimeout": -1}, {"shutdownTimeout": 1e300},
                      {"shutdownTimeout": 169}, {"shutdownTimeout": 0}, {"name": 7}):
            self.check_v1_error(e.v1("POST", "/notebooks", {**good, **wrong}), 400, "BAD_REQUEST", issues=True)
        self.assertEqual(e.v1("POST", "/notebooks", {**good, "machineType": "Z9000"}).status, 400)
        e.control("POST", "/availability", {"machineType": "P6000", "available": False})
        self.check_v1_error(e.v1("POST", "/notebooks", {**good, "machineType": "P6000"}), 429, "TOO_MANY_REQUESTS")
        made = e.v1("POST", "/notebooks", {**good, "shouldRunOnCreate": None, "container": "paperspace/nb-pytorch:22.02-py3"})
        self.assertEqual(made.status, 200)
        self.check_shape(made.json, V1_NOTEBOOK)
        self.check_shape(made.json["startedByUser"], USER)
        self.assertEqual((made.json["state"], made.json["dtStarted"]), ("Pending", None))
        self.assertEqual(made.json["fqdn"], made.json["id"] + ".clg07azjl.paperspacegradient.com")
        seen = ["Pending"]
        while seen[-1] != "Running":
            state = e.state(made.json["id"])
            seen += [state] if state != seen[-1] else []
        self.assertEqual(seen, ["Pending", "Provisioned", "Running"])
        item = e.v1("GET", f"/notebooks/{made.json['id']}").json
        self.check_shape(item, V1_NOTEBOOK)
        self.assertTrue(date(item["dtStarted"]))
        quiet = e.v1("POST", "/notebooks", {**good, "name": "quiet", "shouldRunOnCreate": False}).json
        self.check_shape(quiet, V1_NOTEBOOK)
        self.assertEqual((quiet["state"], quiet["token"], quiet["fqdn"], quiet["dtStarted"]), ("Stopped", None, None, None))
        self.check_legacy_error(e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": quiet["id"]}), 409)

    def test_projects_of_notebooks(self):
        e = self.e
        made = e.notebook(name="linked")
        listed = lambda project: [i["id"] for i in e.v1("GET", f"/projects/{project}/notebooks?limit=120").json["items"]]  # noqa: E731
        moved = e.v1("POST", f"/projects/pother00001/notebooks/{made['id']}", {})
        self.assertEqual(moved.status, 200)
        self.check_shape(moved.json, V1_NOTEBOOK)
        self.assertEqual(moved.json["projectId"], "pother00001")
        self.assertEqual(listed("pother00001"), [made["id"]])
        self.check_v1_error(e.v1("DELETE", f"/projects/pother00001/notebooks/{made['id']}"), 404, "NOT_FOUND")  # plural: no such route
        out = e.v1("DELETE", f"/projects/pother00001/notebook/{made['id']}")
        self.assertEqual(out.status, 200)
        self.check_shape(out.json, V1_NOTEBOOK)
        self.assertEqual(listed("pother00001"), [])
        self.assertEqual(e.state(made["id"]), "Running")  # it is not deleted

    def test_account(self):
        e = self.e
        self.assertEqual(e.v1("GET", "/billing/account-standing").json,
                         {"hasPaymentMethod": True, "isAdminLocked": False, "isInGoodStanding": True, "messages": []})
        names = ("totalFreeStorage", "remainingFreeStorage", "totalUsage", "modelUsage", "datasetUsage", "sharedStorageUsage",
                 "notebookWorkspaceUsage")
        used = e.v1("GET", "/storage-providers/utilization").json
        self.check_shape(used, dict.fromkeys(names, digits))
        self.assertEqual(int(used["totalUsage"]), sum(int(used[n]) for n in names[3:]))
        e.control("POST", "/availability", {"machineType": "P5000", "available": False})
        for region in ("ny2", "East%20Coast%20(NY2)", "East+Coast+%28NY2%29"):
            for machine_type, available in (("A4000", True), ("P5000", False), ("Z9000", False)):
                answer = e.v1("GET", f"/machine-availability?machineType={machine_type}&region={region}")
                self.assertEqual((answer.status, answer.json), (200, {"available": available}))
        self.check_v1_error(e.v1("GET", "/machine-availability?machineType=A4000"), 400, "BAD_REQUEST", issues=True)
        self.assertEqual(len(e.v1("GET", "/machine-availability").json["issues"]), 2)


class Pages(WireTest):
    def test_lists(self):
        e = self.open()
        empty = e.v1("GET", "/notebooks").json
        self.assertEqual(empty, {"hasMore": False, "items": [], "nextPage": None})
        made = [e.notebook(name=name, guest="standin")["id"] for name in ("delta", "alpha", "echo", "bravo", "charlie")]
        e.control("POST", f"/notebooks/{made[1]}/stop", {"wait": True})

        def walk(query, target="/notebooks", of="id"):
            found, after, pages = [], "", 0
            while True:
                page = e.v1("GET", f"{target}?{query}{after}").json
                self.check_shape(page, {"hasMore": bool, "items": list, "nextPage": maybe(str)})
                self.assertEqual(page["hasMore"], page["nextPage"] is not None)
                found += [i[of] for i in page["items"]]
                pages += 1
                self.assertLess(pages, 20)
                if not page["hasMore"]:
                    return found, pages
                after = "&after=" + urllib.parse.quote(page["nextPage"], safe="")

        self.assertEqual(walk("limit=2"), (made[::-1], 3))
        self.assertEqual(walk("limit=2&order=asc"), (made, 3))
        self.assertEqual(walk("limit=1&order=desc&orderBy=dtCreated"), (made[::-1], 5))
        self.assertEqual(walk("limit=2&order=asc&orderBy=name", of="name"), (["alpha", "bravo", "charlie", "delta", "echo"], 3))
        self.assertEqual(walk("limit=120"), (made[::-1], 1))
        self.assertEqual(walk("limit=5"), (made[::-1], 1))
        self.assertEqual(walk("name=echo"), ([made[2]], 1))
        self.assertEqual(walk("state=Running")[0], [made[i] for i in (4, 3, 2, 0)])
        self.assertEqual(walk("state=Cancelled")[0], [made[1]])
        for state in STATES:
            self.assertEqual(e.v1("GET", f"/notebooks?state={state}").status, 200)
        for query in ("limit=0", "limit=121", "limit=-1", "limit=x", "limit=", "limit=1.5", "order=up", "orderBy=state", "orderBy=color",
                      "state=Stopping", "state=running", "after=%00"):
            self.check_v1_error(e.v1("GET", "/notebooks?" + query), 400, "BAD_REQUEST", issues=True)
        self.assertEqual(e.v1("GET", "/notebooks", key="key-of-lab-2").json["items"], [])
        e.control("POST", "/settings", {"next_page": "absent"})
        self.assertEqual(set(e.v1("GET", "/notebooks").json), {"hasMore", "items"})
        self.assertEqual(set(e.v1("GET", "/notebooks?limit=1").json), {"hasMore", "items", "nextPage"})
        e.control("POST", "/settings", {"next_page": "null"})

        machines = [e.control("POST", "/machines", {"name": f"box-{i}", "machineType": "C5", "publicIpType": "static",
                                                    "region": "ny2" if i else "ams1"})["id"] for i in range(5)]
        self.assertEqual(walk("limit=2", "/machines"), (machines[::-1], 3))
        self.assertEqual(walk("limit=2&orderBy=name&order=asc", "/machines")[0], machines)
        self.assertEqual(e.v1("GET", "/machines?orderBy=state").status, 200)
        for region in ("ams1", "Europe%20(AMS1)"):
            self.assertEqual(walk("region=" + region, "/machines")[0], [machines[0]])
        self.assertEqual(walk("name=box-3", "/machines")[0], [machines[3]])
        self.assertEqual(walk("machineType=A4000", "/machines")[0], [])
        addresses, pages = walk("limit=2", "/public-ips", of="ip")
        self.assertEqual((len(set(addresses)), pages), (5, 3))
        for ip in e.v1("GET", "/public-ips").json["items"]:
            self.check_shape(ip, {"ip": str, "region": str, "dtCreated": date, "assignedMachineId": str})
            self.assertEqual(e.machine(ip["assignedMachineId"])["publicIp"], ip["ip"])
        events, pages = walk("limit=2&order=asc", "/machine-events", of="machineId")
        self.assertEqual((events, pages), (machines, 3))
        self.check_v1_error(e.v1("GET", "/machine-events?orderBy=name"), 400, "BAD_REQUEST", issues=True)
        for name in ("snapshots", "shared-drives", "custom-templates", "private-networks"):
            self.assertEqual(e.v1("GET", "/" + name).json, {"hasMore": False, "items": [], "nextPage": None})
            self.assertEqual(e.v1("GET", f"/{name}?limit=121").status, 400)
        template = e.v1("GET", "/os-templates?orderBy=name&limit=1").json["items"][0]
        self.check_shape(template, {"id": str, "name": str, "agentType": str, "operatingSystemLabel": str, "defaultSizeGb": maybe(int),
                                    "availableMachineTypes": list, "dtCreated": date})
        self.check_shape(template["availableMachineTypes"][0], {"machineTypeLabel": str, "isAvailable": bool})


class Machines(SharedTest):
    def make(self, **more):
        body = {"name": "train-box", "machineType": "A4000", "templateId": "tkni3aa4", "diskSize": 50, "region": "ny2", **more}
        return self.e.v1("POST", "/machines", body)

    def test_current(self):
        e = self.e
        for name in ("name", "machineType", "templateId", "diskSize", "region"):
            self.check_v1_error(self.make(**{name: None}), 400, "BAD_REQUEST", issues=True)
        for wrong in ({"region": "mars1"}, {"diskSize": -5}, {"diskSize": 0}, {"diskSize": 10**30}, {"publicIpType": "golden"},
                      {"autoShutdownTimeout": 1e300}, {"autoShutdownTimeout": -1}):
            self.check_v1_error(self.make(**wrong), 400, "BAD_REQUEST", issues=True)
        made = self.make(publicIpType="static", autoShutdownEnabled=True, autoShutdownTimeout=6, autoShutdownForce=True)
        self.assertEqual(made.status, 200)
        self.check_shape(made.json, {"event": dict, "data": dict})
        self.check_shape(made.json["data"], V1_MACHINE)
        self.check_shape(made.json["event"], {**EVENT, "name": "create", "state": "in progress", "dtFinished": None, "error": None})
        box = made.json["data"]
        self.assertEqual((box["region"], box["state"]), ("East Coast (NY2)", "provisioning"))
        self.assertEqual((box["autoShutdownEnabled"], box["autoShutdownTimeout"], box["autoShutdownForce"]), (True, 6, True))
        self.assertEqual((box["ram"], box["storageTotal"], box["cpus"]), ("48318382080", "53687091200", 8))
        self.assertEqual(box["accelerators"], [{"name": "NVIDIA RTX A4000", "memory": "17179869184", "count": 1}])
        self.assertIn(b'"usageRate":0.76,', made.body)
        self.assertIn(b'"storageRate":0.0074,', made.body)
        e.wait_machine(box["id"], "ready")
        listed = [m for m in e.v1("GET", "/machines").json["items"] if m["id"] == box["id"]]
        self.assertEqual(listed, [e.machine(box["id"])])
        self.check_shape(listed[0], V1_MACHINE)
        for region, long in (("ca1", "West Coast (CA1)"), ("ams1", "Europe (AMS1)")):
            self.assertEqual(self.make(region=region, startOnCreate=False).json["data"]["region"], long)

        done = e.v1("GET", f"/machine-events/{made.json['event']['id']}").json
        self.check_shape(done, {**EVENT, "state": "done", "dtFinished": date, "error": None})
        stop = e.v1("PATCH", f"/machines/{box['id']}/stop", {})
        self.assertEqual(stop.status, 200)
        self.check_shape(stop.json, {"event": dict, "data": dict})
        self.check_shape(stop.json["event"], {**EVENT, "name": "stop", "state": "in progress", "machineId": box["id"]})
        self.assertEqual(stop.json["data"]["state"], "stopping")
        self.check_v1_error(e.v1("PATCH", f"/machines/{box['id']}/stop", {}), 409, "CONFLICT")
        e.wait_machine(box["id"], "off")
        self.check_v1_error(e.v1("PATCH", f"/machines/{box['id']}/stop", {}), 409, "CONFLICT")
        self.check_v1_error(e.v1("PATCH", f"/machines/{box['id']}/restart", {}), 409, "CONFLICT")
        e.control("POST", "/settings", {"event_end": "error"})
        start = e.v1("PATCH", f"/machines/{box['id']}/start", {}).json
        self.assertEqual((start["event"]["name"], start["data"]["state"]), ("start", "starting"))
        e.wait_machine(box["id"], "ready")
        odd = e.v1("GET", f"/machine-events/{start['event']['id']}").json
        self.check_shape(odd, {**EVENT, "state": "error", "error": None, "dtFinished": date})
        e.control("POST", "/settings", {"event_end": "done"})
        restart = e.v1("PATCH", f"/machines/{box['id']}/restart", {}).json
        self.assertEqual((restart["event"]["name"], restart["data"]["state"]), ("restart", "restarting"))
        e.wait_machine(box["id"], "ready")
        log = e.v1("GET", f"/machine-events?machineId={box['id']}").json["items"]
        self.assertEqual([i["name"] for i in log], ["restart", "start", "stop", "create"])

        # A stop that says yes but does nothing leaves an event that can be asked about.
        e.control("POST", "/faults", {"kind": "stop_ignored", "count": 1})
        lie = e.v1("PATCH", f"/machines/{box['id']}/stop", {}).json
        wait_for("its end", lambda: e.v1("GET", f"/machine-events/{lie['event']['id']}").json.get("state") == "cancelled", 10, 0.05)
        self.assertEqual(e.machine(box["id"])["state"], "ready")

        renamed = e.v1("PUT", f"/machines/{box['id']}", {"name": "other", "autoShutdownEnabled": False})
        self.assertEqual(renamed.status, 200)
        self.check_shape(renamed.json, {"data": dict})
        self.assertEqual(renamed.json["data"]["name"], "other")
        self.assertTrue(renamed.json["data"]["autoShutdownEnabled"])  # the API cannot switch it on a machine that exists
        self.assertEqual(e.v1("GET", f"/machines/{box['id']}/accessors").json, {"hasMore": False, "items": [], "nextPage": None})
        gone = e.v1("DELETE", f"/machines/{box['id']}")
        self.assertEqual(gone.status, 200)
        self.check_shape(gone.json, {"event": dict, "data": dict})
        self.check_shape(gone.json["data"], {**V1_MACHINE, "dtDeleted": date})
        self.check_v1_error(e.v1("GET", f"/machines/{box['id']}"), 404, "NOT_FOUND")
        self.check_v1_error(e.v1("DELETE", f"/machines/{box['id']}"), 404, "NOT_FOUND")

    def test_older(self):
        e = self.e
        good = {"region": "East Coast (NY2)", "machineType": "C5", "size": 50, "billingType": "hourly", "machineName": "made",
                "templateId": "tkni3aa4", "assignPublicIp": True}
        made = e.legacy("POST", "/machines/createSingleMachinePublic/", good)
        self.assertEqual(made.status, 200)
        self.check_shape(made.json, {**LEGACY_MACHINE, "name": "made", "state": "provisioning", "dynamicPublicIp": False, "gpu": "None"})
        self.assertEqual(e.machine(made.json["id"])["publicIpType"], "static")
        for name in set(good) - {"assignPublicIp"}:
            self.check_legacy_error(e.legacy("POST", "/machines/createSingleMachinePublic/", {**good, name: None}), 400)
        box = self.make(region="ca1", publicIpType="dynamic").json["data"]["id"]
        e.wait_machine(box, "ready")
        one = e.legacy("GET", f"/machines/getMachinePublic/?machineId={box}")
        self.assertEqual(one.status, 200)
        self.check_shape(one.json, {**LEGACY_MACHINE, "events": list, "usageRate": "A4000 Hourly", "region": "West Coast (CA1)",
                                    "dynamicPublicIp": True, "gpu": "NVIDIA RTX A4000"})
        self.check_shape(one.json["events"][0], {"name": "create", "state": "done", "errorMsg": "", "handle": str, "dtModified": date,
                                                 "dtFinished": date, "dtCreated": date})
        rows = e.legacy("GET", "/machines/getMachines/").json
        self.check_shape([m for m in rows if m["id"] == box][0], LEGACY_MACHINE)
        named = e.legacy("GET", "/machines/getMachines/", {"params": {"machineId": box}}).json
        self.assertEqual([m["id"] for m in named], [box])
        self.assertEqual(e.legacy("GET", "/machines/getMachines/", {"params": {"region": "nowhere"}}).json, [])
        self.assertEqual(len(e.legacy("GET", "/machines/getMachines?limit=1").json), 1)
        self.assertEqual([m["id"] for m in e.legacy("GET", f"/machines/getMachines?machineId={box}&cpus=8").json], [box])
        self.assertEqual(e.legacy("GET", "/machines/getMachines?cpus=7").json, [])
        self.assertEqual(e.legacy("GET", "/machines/getMachines?skip=1000").json, [])
        self.assertEqual(e.legacy("GET", "/machines/getAvailability/?region=ny2&machineType=A4000").json, {"available": True})
        for verb, state in (("restart", "ready"), ("stop", "off"), ("start", "ready")):
            answer = e.legacy("POST", f"/machines/{box}/{verb}/")
            self.assertEqual((answer.status, answer.body), (204, b""))
            self.assertNotIn("Content-Length", answer.headers)
            wait_for(verb, lambda s=state: e.legacy("GET", f"/machines/getMachinePublic?machineId={box}").json["state"] == s, 10, 0.02)
        self.check_legacy_error(e.legacy("POST", f"/machines/{box}/start"), 409)
        self.check_legacy_error(e.legacy("POST", "/machines/psnobody00/stop"), 404)
        month = time.strftime("%Y-%m", time.gmtime())
        used = e.legacy("GET", f"/machines/getUtilization/?machineId={box}&billingMonth={month}").json
        self.check_shape(used, {"machineId": box, "utilization": dict, "storageUtilization": dict})
        self.check_shape(used["utilization"], {"machineId": box, "secondsUsed": float, "hourlyRate": "0.76", "billingMonth": month})
        self.check_shape(used["storageUtilization"], {"machineId": box, "secondsUsed": float, "monthlyRate": "5.00", "billingMonth": month})
        self.assertGreater(used["utilization"]["secondsUsed"], 0)
        types = e.legacy("GET", "/vmTypes/getVmTypesByClusters?includePublicClusters=true").json
        for rows in types.values():
            self.assertEqual(rows[0]["clusters"][0]["id"], "clg07azjl")  # the client reads these two of every row
            self.assertIs(rows[0]["isAvailable"], True)
            a4000 = [r["vmType"] for r in rows if r["vmType"]["label"] == "A4000"][0]
            self.assertEqual((a4000["kind"], a4000["cpus"], a4000["ram"], a4000["gpuCount"]), ("gpu", 8, "48318382080", 1))
            self.check_shape(a4000["gpuModel"], {"label": str, "model": str, "memInBytes": "17179869184"})
            self.assertEqual(a4000["defaultUsageRates"][0]["usageRate"]["rateHourly"], "0.76")
        renamed = e.legacy("POST", f"/machines/{box}/updateMachinePublic/", {"machineName": "renamed", "shutdownTimeoutInHours": 8})
        self.assertEqual(renamed.status, 204)
        self.assertEqual(e.machine(box)["autoShutdownTimeout"], 8)
        self.assertEqual(e.legacy("POST", f"/machines/{box}/destroyMachine/").status, 204)
        self.check_v1_error(e.v1("GET", f"/machines/{box}"), 404, "NOT_FOUND")


class OlderApi(SharedTest):
    def start_body(self, run, **more):
        return {"notebookId": run, "machineType": "A4000", **more}

    def get(self, run):
        return self.e.legacy("GET", "/notebooks/getNotebook", {"notebookId": run})

    def test_keys(self):
        e = self.e
        for name in ("X-API-Key", "x-api-key", "X-Api-Key"):
            answer = e.ask("legacy", "GET", "/teams/namespace", headers={name: e.key})
            self.assertEqual((answer.status, answer.body), (200, b'"lab"'))
        for key in ("wrong", None):
            headers = {"X-API-Key": key} if key else {}
            self.check_flat_error(e.ask("legacy", "GET", "/notebooks/getNotebooks?filter=%7B%7D", headers=headers), 400)
            self.check_flat_error(e.ask("legacy", "POST", "/notebooks/v2/stopNotebook", b'{"notebookId":"x"}', headers), 400)
            self.check_flat_error(e.ask("legacy", "GET", "/machines/getMachines", headers=headers), 403)
            self.check_flat_error(e.ask("logs", "GET", "/jobs/logs?jobId=x", headers=headers), 403)
        self.check_flat_error(e.metrics("/metrics/api/v1/list?handle=x", key="wrong"), 403)

    def test_object_and_life(self):
        e = self.e
        project = e.v1("GET", "/projects").json["items"][0]["id"]
        made = e.legacy("POST", "/notebooks/v2/createNotebook", {
            "machineType": "A4000", "container": "paperspace/nb-pytorch:22.02-py3", "projectId": project, "name": "legacy",
            "clusterId": "clg07azjl", "shutdownTimeout": "6", "isPublic": False, "isPreemptible": False, "tags": ["x"],
            "environment": {"A": "b"}, "command": base64.b64encode(b"jupyter lab").decode()})
        self.assertEqual(made.status, 200)
        self.check_shape(made.json, {**LEGACY_NOTEBOOK, "state": "Pending", "shutdownTimeout": 6, "tags": ["x"], "dtStarted": None})
        first = made.json
        e.wait_state(first["handle"], "Running")
        got = self.get(first["handle"])
        self.assertEqual(got.status, 200)
        self.check_shape(got.json, {**LEGACY_NOTEBOOK, "state": "Running", "namespace": "lab", "clusterId": "clg07azjl",
                                    "metricsURL": "clg07azjl.paperspacegradient.com", "startedByUser": "Ana Ruiz",
                                    "dtStarted": date, "dtProvisioningStarted": date, "dtProvisioningFinished": date,
                                    "dtFinished": None, "dtTeardownStarted": None, "cpuMem": "47185920 kB", "gpuName": str})
        item = e.v1("GET", f"/notebooks/{first['handle']}").json
        for v1, legacy in (("id", "handle"), ("token", "token"), ("fqdn", "fqdn"), ("machineType", "vmType"), ("dtStarted", "dtStarted"),
                           ("projectId", "projectHandle"), ("state", "state"), ("name", "name")):
            self.assertEqual(item[v1], got.json[legacy])

        e.control("POST", "/settings", {"hold": True})
        stop = e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": first["handle"]})
        self.assertEqual((stop.status, stop.body, stop.headers["Content-Length"]), (200, b"", "0"))
        going = self.get(first["handle"]).json
        self.assertEqual((going["state"], going["dtFinished"], going["dtTeardownFinished"]), ("Running", None, None))
        self.assertTrue(date(going["dtTeardownStarted"]))
        for verb, more in (("start", {"machineType": "A4000"}), ("delete", {})):
            self.check_legacy_error(e.legacy("POST", f"/notebooks/v2/{verb}Notebook", {"notebookId": first["handle"], **more}), 409)
        e.control("POST", "/settings", {"hold": False})
        e.wait_state(first["handle"], "Cancelled")
        over = self.get(first["handle"]).json
        self.check_shape(over, {**LEGACY_NOTEBOOK, "dtFinished": date, "dtTeardownFinished": date})
        self.check_legacy_error(e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": first["handle"]}), 409)

        self.check_legacy_error(e.legacy("POST", "/notebooks/v2/startNotebook", {"notebookId": first["handle"]}), 400)
        again = e.legacy("POST", "/notebooks/v2/startNotebook", self.start_body(first["handle"], notebookName="renamed"))
        self.assertEqual(again.status, 200)
        second = again.json
        self.check_shape(second, {**LEGACY_NOTEBOOK, "state": "Pending", "name": "renamed", "shutdownTimeout": 12,
                                  "token": str, "fqdn": second["handle"] + ".clg07azjl.paperspacegradient.com"})
        for name in ("handle", "token", "fqdn", "jobHandle", "jobId"):
            self.assertNotEqual(first[name], second[name], name)
        self.assertEqual(first["id"], second["id"])
        now = e.v1("GET", f"/notebooks/{second['handle']}").json
        self.assertEqual(now["notebookRepoId"], item["notebookRepoId"])
        # The old id is stale everywhere.
        self.check_v1_error(e.v1("GET", f"/notebooks/{first['handle']}"), 404, "NOT_FOUND")
        self.check_v1_error(e.v1("POST", f"/projects/{project}/notebooks/{first['handle']}", {}), 404, "NOT_FOUND")
        self.check_legacy_error(self.get(first["handle"]), 404)
        for verb in ("stop", "delete", "fork"):
            self.check_legacy_error(e.legacy("POST", f"/notebooks/v2/{verb}Notebook", {"notebookId": first["handle"]}), 404)
        self.check_legacy_error(e.legacy("PUT", "/entityTags/updateTags", {"entity": "notebook", "entityId": first["handle"], "tags": []}), 404)
        for missing in ({}, {"notebookId": "nnobody000"}, {"notebookId": 7}, {"notebookId": item["notebookRepoId"]}):
            self.check_legacy_error(e.legacy("POST", "/notebooks/v2/stopNotebook", missing), 404)
        self.check_legacy_error(e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": second["handle"]}, key="key-of-lab-2"), 404)

        e.control("POST", "/settings", {"stop_reply": "true"})
        e.wait_state(second["handle"], "Running")
        yes = e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": second["handle"]})
        e.control("POST", "/settings", {"stop_reply": "empty"})
        self.assertEqual((yes.status, yes.body), (200, b"true"))
        e.wait_state(second["handle"], "Cancelled")
        fork = e.legacy("POST", "/notebooks/v2/forkNotebook", {"notebookId": second["handle"], "projectId": "pfork000001"})
        self.assertEqual(fork.status, 200)
        self.check_shape(fork.json, {**LEGACY_NOTEBOOK, "state": "Stopped", "token": None, "projectHandle": "pfork000001"})
        gone = e.legacy("POST", "/notebooks/v2/deleteNotebook", {"notebookId": second["handle"]})
        self.assertEqual((gone.status, gone.body), (204, b""))
        self.check_legacy_error(self.get(second["handle"]), 404)
        self.check_v1_error(e.v1("GET", f"/notebooks/{second['handle']}"), 404, "NOT_FOUND")
        self.assertNotIn(second["handle"], [i["id"] for i in e.v1("GET", "/notebooks?limit=120").json["items"]])

    def test_refusals(self):
        e = self.e
        good = {"machineType": "A4000", "container": "c", "projectId": "p1", "name": "refused"}
        make = lambda **more: e.legacy("POST", "/notebooks/v2/createNotebook", {**good, **more})  # noqa: E731
        self.check_legacy_error(make(command="jupyter lab --plain text"), 500)
        for name in ("machineType", "projectId"):
            self.check_legacy_error(make(**{name: None}), 400)
        for timeout in ("x", "", -1, 0, 169, "nan", "inf", "-inf", 1e308, [], {}, True):
            self.check_legacy_error(make(shutdownTimeout=timeout), 400)
        for timeout, shown in ((1, 1), ("168", 168), (None, None)):
            answer = make(shutdownTimeout=timeout)
            self.assertEqual((answer.status, answer.json["shutdownTimeout"]), (200, shown))
        self.assertEqual(make().json["shutdownTimeout"], 12)
        free = make(machineType="Free-A4000").json
        self.assertEqual(free["shutdownTimeout"], 6)  # never more on a free machine
        e.control("POST", "/availability", {"machineType": "H100", "available": False})
        self.check_legacy_error(make(machineType="H100"), 429)
        self.check_legacy_error(make(machineType="Z9000"), 400)
        rest = e.notebook(start=False)
        self.check_legacy_error(e.legacy("POST", "/notebooks/v2/startNotebook", self.start_body(rest["id"], machineType="H100")), 429)
        for raw in (b"{", b"[]", b"7", b"null", b"[" * 60_000):
            answer = e.ask("legacy", "POST", "/notebooks/v2/stopNotebook", raw, {"X-API-Key": e.key, "Content-Type": "application/json"})
            self.assertEqual(answer.status, 400)
        for method, target in (("GET", "/nothing"), ("PUT", "/notebooks/v2/stopNotebook"), ("GET", "/notebooks/v2/stopNotebook"),
                               ("POST", "/notebooks/getNotebook"), ("POST", "/notebooks/stopNotebook"), ("GET", "/")):
            self.check_legacy_error(e.legacy(method, target, {"notebookId": rest["id"]}), 404)
        self.check_legacy_error(e.legacy("GET", "/anything", host="services"), 404)

    def test_list(self):
        e = self.e
        key = "key-of-lab-2"
        made = [e.control("POST", "/notebooks", {"name": f"list-{i}", "machineType": t, "wait": True, "team": "lab2", "tags": tags,
                                                 "start": start})["id"]
                for i, (t, tags, start) in enumerate((("A4000", ["a"], True), ("Free-A4000", ["b"], True), ("C5", ["a", "b"], False)))]

        def ask(filter_, more=""):
            answer = e.legacy("GET", "/notebooks/getNotebooks?filter=" + urllib.parse.quote(json.dumps(filter_)) + more, key=key)
            self.assertEqual(answer.status, 200, answer.body)
            self.check_shape(answer.json, {"notebookList": list, "total": int, "runningTotal": int, "freeTierRunningTotal": int,
                                           "displayTotal": int, "availableMachines": list})
            return answer.json
        client = lambda **more: {"filter": {"limit": 20, "offset": 0, "where": {"dtDeleted": None}, "order": "jobId desc", **more}}  # noqa: E731
        whole = ask(client())
        by_job = sorted(whole["notebookList"], key=lambda n: -n["jobId"])
        self.assertEqual([n["handle"] for n in whole["notebookList"]], [n["handle"] for n in by_job])
        self.assertEqual({n["handle"] for n in by_job}, set(made))
        self.assertEqual((whole["total"], whole["runningTotal"], whole["freeTierRunningTotal"]), (3, 2, 1))
        for one in whole["notebookList"]:
            self.check_shape(one, LEGACY_NOTEBOOK)
        self.assertEqual(len(ask({})["notebookList"]), 3)
        self.assertEqual(len(ask(client(limit=None, offset=None))["notebookList"]), 3)
        self.assertEqual(len(ask(client(limit=1))["notebookList"]), 1)
        self.assertEqual(ask(client(limit=1))["total"], 3)
        self.assertEqual([n["handle"] for n in ask(client(limit=1, offset=1))["notebookList"]], [by_job[1]["handle"]])
        self.assertEqual(len(ask(client(limit=2**64 - 1, offset=1))["notebookList"]), 2)
        self.assertEqual({n["handle"] for n in ask(client(), "&tagFilter[0]=a")["notebookList"]}, {made[0], made[2]})
        self.assertEqual(len(ask(client(), "&tagFilter%5B0%5D=a&tagFilter%5B1%5D=b")["notebookList"]), 3)
        self.assertEqual([n["handle"] for n in ask(client(where={"state": "Stopped"}))["notebookList"]], [made[2]])
        machine = whole["availableMachines"][0]
        self.check_shape(machine, {"vmTypeId": int, "clusterId": int, "isAvailable": bool, "isPreemptible": bool, "showDisabled": bool,
                                   "numActiveNodes": digits, "numAvailableNodes": digits, "id": str, "cluster": dict, "vmType": dict})
        for text in ("%7B", "7", "%5B%5D", "%5B" * 9000, "%7B%22where%22:" * 900):
            answer = e.legacy("GET", "/notebooks/getNotebooks?filter=" + text, key=key)
            self.assertEqual(answer.status, 400)
        self.assertEqual(e.legacy("GET", "/notebooks/getNotebooks", key=key).status, 200)

    def test_tags_logs_artifacts(self):
        e = self.e
        run = e.notebook(tags=["old"])["id"]
        put = e.legacy("PUT", "/entityTags/updateTags", {"entity": "notebook", "entityId": run, "tags": ["x", "y"]})
        self.assertEqual(put.status, 200)
        got = e.legacy("GET", f"/entityTags/getTags?entity=notebook&entityIds={run}").json
        self.assertEqual({run: [row["tag"]["name"] for row in got[run]]}, {run: ["x", "y"]})
        self.assertEqual([row["tag"]["name"] for row in put.json], ["x", "y"])
        self.assertEqual(self.get(run).json["tags"], ["x", "y"])
        job = self.get(run).json["jobHandle"]
        page = f"/jobs/logs?jobId={job}&notebookId={run}&line="
        rows = e.legacy("GET", page + "1&limit=20", host="logs").json
        self.check_shape(rows[0], {"jobId": run, "line": 1, "timestamp": date, "message": str, "instanceName": {"String": run, "Valid": True},
                                   "uuid": {"String": "", "Valid": True}, "instanceCount": {"Int64": 0, "Valid": False}})
        self.assertTrue(rows[0]["message"].endswith("\n"))
        self.assertNotIn("PSEOF", [r["message"] for r in rows])
        e.control("POST", f"/notebooks/{run}/stop", {"wait": True})
        rows = e.legacy("GET", page + "1&limit=20", host="logs").json
        self.assertEqual(rows[-1]["message"], "PSEOF")
        self.assertEqual([r["line"] for r in rows], list(range(1, len(rows) + 1)))
        self.assertEqual(e.legacy("GET", page + f"{len(rows) + 1}&limit=20", host="logs").json, [])
        self.assertEqual(e.legacy("GET", f"/jobs/logs?jobId={job}&line=1&limit=1", host="logs").json, rows[:1])
        self.assertEqual(e.legacy("GET", f"/notebooks/artifactsList?notebookId={run}&size=True&links=True").json, [])


class MetricsHost(SharedTest):
    def test_range_and_list(self):
        e = self.e
        made = e.notebook(name="measured")
        run, repo = made["id"], made["notebookRepoId"]
        e.control("POST", "/metrics", {"repo": repo, "gpu": 37, "charts": {"gpuTemp": None}})
        begun = e.v1("GET", f"/notebooks/{run}").json["dtStarted"][:19] + "Z"
        query = f"start={begun}&interval=1s&objecttype=notebook&handle={run}"
        names = e.metrics(f"/metrics/api/v1/list?{query}").json
        self.assertEqual(names, {"handle": run, "object_type": "notebook", "chart_names": ["cpuPercentage", "memoryUsage", "gpuUtilization"]})
        time.sleep(1.1)
        got = e.metrics(f"/metrics/api/v1/range?charts=cpuPercentage,memoryUsage,gpuUtilization,gpuTemp&{query}")
        self.assertEqual(got.status, 200)
        self.check_shape(got.json, {"handle": run, "object_type": "notebook", "charts": dict})
        charts = got.json["charts"]
        self.assertEqual(set(charts), {"cpuPercentage", "memoryUsage", "gpuUtilization", "gpuTemp"})
        self.assertIsNone(charts["gpuTemp"])
        for name in ("cpuPercentage", "memoryUsage", "gpuUtilization"):
            self.assertEqual(set(charts[name]), {run})
            for point in charts[name][run]:
                self.check_shape(point, {"time_stamp": int, "value": re.compile(r"\d+(\.\d+)?").fullmatch})
            self.assertLess(abs(charts[name][run][-1]["time_stamp"] - time.time()), 10)
        self.assertEqual(charts["gpuUtilization"][run][-1]["value"], "37")
        for odd in ("interval=0s", "interval=9223372036854775807h", "interval=x", "start=9999-99-99T00:00:00Z", "start="):
            answer = e.metrics(f"/metrics/api/v1/range?charts=cpuPercentage&{odd}&{query}")
            self.assertIn(answer.status, (200, 400), odd)
        self.assertEqual(e.metrics(f"/metrics/api/v1/range?charts=x&start=2020-01-01T00:00:00Z&interval=1s&handle={run}").status, 400)
        self.assertEqual(e.metrics("/metrics/api/v1/range?charts=x&handle=nobody&start=" + begun).status, 404)

    def test_stream(self):
        e = self.e
        made = e.notebook(name="streamed")
        e.control("POST", "/metrics", {"repo": made["notebookRepoId"], "gpu": 37})
        socket_ = WebSocket(e, "/metrics/api/v1/stream")
        socket_.send(json.dumps({"chart_names": ["gpuUtilization", "gpuTemp"], "handles": [made["id"]], "object_type": "notebook",
                                 "poll_interval": "100ms"}))
        frames = [json.loads(socket_.receive()) for _ in range(4)]
        socket_.close()
        for frame in frames:
            self.check_shape(frame, {"handle": made["id"], "object_type": "notebook", "chart_name": str, "pod_metrics": maybe(dict)})
        self.assertEqual([f["chart_name"] for f in frames], ["gpuUtilization", "gpuTemp"] * 2)
        self.check_shape(frames[0]["pod_metrics"][made["id"]], {"time_stamp": int, "value": "37"})
        self.assertIsNone(frames[1]["pod_metrics"])
        for words in ("{", "[]", '{"chart_names":7,"handles":7}', '{"chart_names":["x"],"handles":["x"],"object_type":7,"poll_interval":7}',
                      "[" * 100_000):
            other = WebSocket(e, "/metrics/api/v1/stream")
            other.send(words)
            other.close()
        self.assertEqual(e.metrics("/metrics/api/v1/stream").status, 404)
        self.assertRaises(AssertionError, WebSocket, e, "/somewhere/else")


class Timers(WireTest):
    def test_limits(self):
        """Twelve hours in seven seconds; the longer of two waits decides how long this takes."""
        e = self.open("--speed", "6000")
        project = {"container": "c", "projectId": "p1"}
        made = {}
        for name, body in {"default": {"machineType": "A4000"}, "two hours": {"machineType": "A4000", "shutdownTimeout": "2"},
                           "none": {"machineType": "A4000", "shutdownTimeout": None}, "free busy": {"machineType": "Free-A4000"},
                           "free idle": {"machineType": "Free-A4000"}}.items():
            made[name] = e.legacy("POST", "/notebooks/v2/createNotebook", {**project, **body, "name": name}).json["handle"]
        for run in made.values():
            wait_for("a start", lambda r=run: e.state(r) != "Pending", 20, 0.005)
        e.control("POST", f"/notebooks/{made['free busy']}/verdict", {"verdict": "busy"})
        get = lambda name: e.legacy("GET", "/notebooks/getNotebook", {"notebookId": made[name]}).json  # noqa: E731
        wait_for("the longest", lambda: get("default")["state"] == "Stopped", 20, 0.05)
        # However late: none of another limit, the next of which is seconds away.
        for name, hours, less in (("default", 12, 1000), ("two hours", 2, 12), ("free busy", 6, 12), ("free idle", 1, 6)):
            one = get(name)
            self.assertEqual(one["state"], "Stopped", name)
            lasted = ms(one["dtTeardownStarted"]) - ms(one["dtStarted"])
            self.assertGreaterEqual(lasted, hours * HOUR_MS)
            self.assertLess(lasted, less * HOUR_MS, name)
        self.assertEqual(get("none")["state"], "Running")
        box = e.v1("POST", "/machines", {"name": "b", "machineType": "C5", "templateId": "t", "diskSize": 50, "region": "ny2",
                                         "autoShutdownEnabled": True, "autoShutdownTimeout": 2}).json["data"]["id"]
        e.wait_machine(box, "off")
        names = [i["name"] for i in e.v1("GET", f"/machine-events?machineId={box}").json["items"]]
        self.assertEqual(names, ["stop", "create"])


def half_even(amount):
    return round(amount)  # Python rounds a Fraction half to even


class Money(WireTest):
    def rate(self, machine_type):
        with open(SOURCE / "config/prices/paperspace.csv", newline="") as file:
            for row in csv.DictReader(line for line in file if not line.startswith("#")):
                if row["machine_type"] == machine_type:
                    return Fraction(row["usd_per_hour"])
        raise AssertionError(machine_type)

    def compute(self, rate, begin, end):
        return half_even(rate * 10**9 * (ms(end) - ms(begin)) / HOUR_MS)

    def capped(self, cap, begin_ms, end_ms):
        return min(cap * 10**9, half_even(Fraction(cap * 10**9 * (end_ms - begin_ms), 672 * HOUR_MS)))

    def check_sums(self, bill):
        amounts = [nanos(line["amount"]) for line in bill["lines"]]
        self.assertEqual(nanos(bill["total"]), sum(amounts))
        self.assertEqual(nanos(bill["total_closed"]), sum(nanos(x["amount"]) for x in bill["lines"] if not x["open"]))
        self.assertEqual(nanos(bill["total_compute"]), sum(nanos(x["amount"]) for x in bill["lines"] if x["kind"] == "compute"))
        self.assertEqual(nanos(bill["total_add_ons"]) + nanos(bill["total_compute"]), nanos(bill["total"]))
        for line in bill["lines"]:
            self.assertRegex(line["amount"], r"^\d+\.\d{9}$")

    def test_notebook(self):
        e = self.open("--speed", "3600", "--origin", "1795399800123")
        made = e.notebook(machineType="RTX5000")
        repo = made["notebookRepoId"]
        time.sleep(0.3)
        e.control("POST", "/price", {"machineType": "RTX5000", "usdPerHour": "0.987654321"})
        time.sleep(0.3)
        stopped = e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": made["id"]})
        self.assertEqual(stopped.status, 200)
        e.wait_state(made["id"], "Cancelled")
        one = e.legacy("GET", "/notebooks/getNotebook", {"notebookId": made["id"]}).json
        bill = e.control("GET", "/invoice")
        self.check_sums(bill)
        lines = [line for line in bill["lines"] if line["resource"] == repo]
        self.assertEqual(len(lines), 2)
        self.assertEqual([line["rate"] for line in lines], ["0.82", "0.987654321"])
        self.assertEqual((lines[0]["from"], lines[1]["to"], lines[0]["to"]), (one["dtStarted"], one["dtFinished"], lines[1]["from"]))
        self.assertGreater(ms(lines[0]["to"]) - ms(lines[0]["from"]), HOUR_MS // 4)
        self.assertEqual(nanos(lines[0]["amount"]), self.compute(self.rate("RTX5000"), lines[0]["from"], lines[0]["to"]))
        self.assertEqual(nanos(lines[1]["amount"]), self.compute(Fraction("0.987654321"), lines[1]["from"], lines[1]["to"]))
        # Free is nothing, and what has no price is said to have none; a second run is a line of its own.
        free = e.notebook(machineType="Free-A4000")
        again = e.legacy("POST", "/notebooks/v2/startNotebook", {"notebookId": made["id"], "machineType": "C10"}).json
        e.wait_state(again["handle"], "Running")
        self.assertFalse(bill["unpriced"])
        e.notebook(machineType="Z9000")
        bill = e.control("GET", "/invoice")
        self.check_sums(bill)
        rows = {line["run"]: line for line in bill["lines"]}
        self.assertEqual((rows[free["id"]]["rate"], rows[free["id"]]["amount"]), ("0.00", "0.000000000"))
        self.assertEqual((rows[again["handle"]]["resource"], rows[again["handle"]]["open"]), (repo, True))
        self.assertEqual(nanos(rows[again["handle"]]["amount"]), self.compute(Fraction("1.60"), rows[again["handle"]]["from"], bill["at"]))
        self.assertTrue(bill["unpriced"])

    def test_every_price(self):
        """One second is enough to tell all the rates apart, to the nano-dollar."""
        e = self.open(boot_ms=0)
        with open(SOURCE / "config/prices/paperspace.csv", newline="") as file:
            rates = {row["machine_type"]: row["usd_per_hour"] for row in csv.DictReader(x for x in file if not x.startswith("#"))}
        self.assertEqual(len(rates), 61)
        runs = {e.notebook(machineType=name, guest="standin")["id"]: name for name in rates}
        bill = e.control("GET", "/invoice")
        self.check_sums(bill)
        self.assertEqual(len(bill["lines"]), len(rates))
        for line in bill["lines"]:
            rate = Fraction(rates[runs[line["run"]]])
            self.assertEqual(Fraction(line["rate"]), rate)
            self.assertEqual(nanos(line["amount"]), self.compute(rate, line["from"], line["to"]))

    def test_machine(self):
        # From 20 November 2026 on; ten days and more in two seconds, so over the turn of the month.
        e = self.open("--speed", "400000", "--origin", "1795132800000")
        begun = ms("2026-11-20T00:00:00.000Z")
        made = e.v1("POST", "/machines", {"name": "b", "machineType": "P4000", "templateId": "t", "diskSize": 60, "region": "ny2",
                                          "publicIpType": "static"}).json["data"]
        dynamic = e.v1("POST", "/machines", {"name": "d", "machineType": "C5", "templateId": "t", "diskSize": 50, "region": "ny2",
                                             "publicIpType": "dynamic"}).json["data"]["id"]
        box = made["id"]
        self.assertEqual(made["storageRate"], 0.0104)
        e.wait_machine(box, "ready")
        stop = e.v1("PATCH", f"/machines/{box}/stop", {}).json["event"]["id"]
        e.wait_machine(box, "off")
        e.wait_machine(dynamic, "ready")
        e.v1("PATCH", f"/machines/{dynamic}/stop", {})
        e.wait_machine(dynamic, "off")
        stopped = e.v1("GET", f"/machine-events/{stop}").json
        wait_for("December's 29th", lambda: e.control("GET", "/now")["now"] > "2026-12-29T06", 30, 0.05)
        bill = e.control("GET", "/invoice")
        self.check_sums(bill)
        created = e.v1("GET", f"/machine-events?machineId={box}&order=asc").json["items"][0]
        self.assertGreaterEqual(ms(created["dtStarted"]), begun)
        lines = [line for line in bill["lines"] if line["resource"] == box]
        compute = [line for line in lines if line["kind"] == "compute"]
        self.assertEqual([(line["from"], line["to"], line["rate"]) for line in compute],
                         [(created["dtStarted"], stopped["dtFinished"], "0.51")])
        self.assertEqual(nanos(compute[0]["amount"]), self.compute(self.rate("P4000"), compute[0]["from"], compute[0]["to"]))
        turn, january = ms("2026-12-01T00:00:00.000Z"), ms("2027-01-01T00:00:00.000Z")  # the latter half a second ahead
        for name, cap in (("block storage 100 GB", 7), ("public IP", 3)):
            months = [line for line in lines if line["machineType"] == name]
            self.assertGreaterEqual(len(months), 2, name)
            self.assertEqual((ms(months[0]["from"]), ms(months[0]["to"]), ms(months[1]["to"])),
                             (ms(made["dtCreated"]), turn, min(ms(bill["at"]), january)))
            self.assertEqual(nanos(months[0]["amount"]), self.capped(cap, ms(made["dtCreated"]), turn))
            self.assertEqual(nanos(months[1]["amount"]), cap * 10**9)  # 28 days are over: the cap
        # A dynamic address costs while the machine is on, a released one nothing.
        on = [line for line in bill["lines"] if line["resource"] == dynamic and line["kind"] == "compute"][0]
        address = [line for line in bill["lines"] if line["resource"] == dynamic and line["machineType"] == "public IP"]
        self.assertEqual([(line["from"], line["to"]) for line in address], [(on["from"], on["to"])])
        self.assertEqual(nanos(address[0]["amount"]), self.capped(3, ms(on["from"]), ms(on["to"])))
        e.v1("DELETE", f"/machines/{box}")
        after = [line for line in e.control("GET", "/invoice")["lines"] if line["resource"] == box]
        self.assertFalse(any(line["open"] for line in after))


class AddOns(WireTest):
    """What costs without running: its lists on v1, and its lines on the invoice."""
    LISTS = {"snapshot": ("/snapshots", {"id": str, "name": str, "machineId": str, "isAutoSnapshot": bool}),
             "shared-drive": ("/shared-drives", {"id": str, "name": str, "size": int, "region": str, "networkId": str, "mountPoint": str,
                                                 "username": str, "password": str, "dtCreated": date, "dtDeleted": maybe(date)}),
             "template": ("/custom-templates", {"id": str, "name": str, "agentType": str, "operatingSystemLabel": str,
                                                "defaultSizeGb": int, "parentMachineId": str, "region": str,
                                                "availableMachineTypes": list, "dtCreated": date, "dtDeleted": maybe(date)}),
             "network": ("/private-networks", {"id": str, "name": str, "network": str, "netmask": str, "region": str,
                                               "dtCreated": date, "dtDeleted": maybe(date)})}

    def capped(self, cap, begin_ms, end_ms, before_ms=0):
        """Cap and result in nano-dollars, over what was used of the month before."""
        def reached(used):
            return min(cap, half_even(Fraction(cap * used, 672 * HOUR_MS)))
        return reached(before_ms + end_ms - begin_ms) - reached(before_ms)

    def lines(self, e, run, query=""):
        return [line for line in e.control("GET", "/invoice" + query)["lines"] if line["run"] == run]

    def test_lists(self):
        e = self.open()
        box = e.control("POST", "/machines", {"name": "box", "publicIpType": "static"})["id"]
        for kind, (path, shape) in self.LISTS.items():
            self.assertEqual(e.v1("GET", path).json, {"hasMore": False, "items": [], "nextPage": None})
            made = [e.control("POST", "/add-ons", {"kind": kind, "name": f"{kind}-{i}", "machine": box, "sizeGb": 60})["id"] for i in range(3)]
            self.assertEqual(len(set(made)), 3)
            page = e.v1("GET", path + "?limit=2").json
            self.assertEqual([i["id"] for i in page["items"]], made[:0:-1])
            rest = e.v1("GET", f"{path}?limit=2&after={urllib.parse.quote(page['nextPage'])}").json
            self.assertEqual([i["id"] for i in rest["items"]], made[:1])
            for item in page["items"] + rest["items"]:
                self.check_shape(item, shape)
            self.assertEqual(e.v1("GET", f"{path}/{made[0]}").json, rest["items"][0])
            self.check_v1_error(e.v1("GET", f"{path}/nobody"), 404, "NOT_FOUND")
            self.assertEqual(e.v1("GET", path, key="key-of-lab-2").json["items"], [])
            self.check_v1_error(e.v1("GET", path, key="no"), 401, "UNAUTHORIZED")
            e.control("POST", f"/add-ons/{made[0]}/set", {"name": "another", "surplus": 7})
            self.assertEqual(e.v1("GET", f"{path}/{made[0]}").json["surplus"], 7)
            e.control("POST", f"/add-ons/{made[0]}/remove", {})
            self.assertEqual([i["id"] for i in e.v1("GET", path).json["items"]], made[:0:-1])
        self.assertEqual(e.v1("GET", "/shared-drives").json["items"][0]["size"], 60 << 30)
        self.assertEqual(e.v1("GET", "/custom-templates").json["items"][0]["defaultSizeGb"], 60)
        lost = e.control("POST", "/add-ons", {"kind": "ip", "region": "ams1"})["id"]
        ips = e.v1("GET", "/public-ips").json["items"]
        self.check_shape(ips[0], {"ip": lost, "region": "Europe (AMS1)", "dtCreated": date})
        self.check_shape(ips[1], {"ip": e.machine(box)["publicIp"], "region": str, "dtCreated": date, "assignedMachineId": box})
        for wrong in ({"kind": "castle"}, {}, {"kind": "ip", "sizeGb": "large"}):
            self.assertEqual(e.ask("control", "POST", "/add-ons", json.dumps(wrong).encode()).status, 400, wrong)

    def test_invoice(self):
        """From 20 November 2026 on, over the turn of the month and past the cap of December."""
        e = self.open("--speed", "400000", "--origin", "1795132800000")
        caps = {("ip", 0): 3.0, ("network", 0): 1.0, ("snapshot", 50): 1.0, ("snapshot", 51): 8.0, ("shared-drive", 250): 16.0,
                ("shared-drive", 251): 130.0, ("shared-drive", 2049): 5200.0, ("template", 50): 3.5, ("template", 60): 42.0}
        made = {e.control("POST", "/add-ons", {"kind": kind, "sizeGb": size})["id"]: int(cap * 10**9) for (kind, size), cap in caps.items()}
        wait_for("December's 29th", lambda: e.control("GET", "/now")["now"] > "2026-12-29T06", 30, 0.05)
        turn, january = ms("2026-12-01T00:00:00.000Z"), ms("2027-01-01T00:00:00.000Z")  # the latter half a second ahead
        bill = e.control("GET", "/invoice")
        for run, cap in made.items():
            first, second = [line for line in bill["lines"] if line["run"] == run][:2]
            self.assertEqual((ms(first["to"]), ms(second["from"]), first["open"], second["open"]),
                             (turn, turn, False, ms(bill["at"]) < january))
            self.assertEqual(nanos(first["amount"]), self.capped(cap, ms(first["from"]), turn))
            self.assertEqual(nanos(second["amount"]), cap)
            self.assertEqual(self.lines(e, run, "?month=2026-11"), [first])
            self.assertEqual([line["amount"] for line in self.lines(e, run, "?month=2026-12")], [second["amount"]])
            self.assertEqual(self.lines(e, run, "?month=2026-10"), [])
        for run in made:
            e.control("POST", f"/add-ons/{run}/remove", {})
        self.assertFalse(any(line["open"] for run in made for line in self.lines(e, run)))

    def test_months(self):
        """A run over the turn of a month: the two halves are its whole."""
        e = self.open("--speed", "400000", "--origin", "1795132800000")
        run = e.control("POST", "/standins", {"machineType": "A4000"})["notebooks"][0]["id"]
        wait_for("December", lambda: e.control("GET", "/now")["now"] > "2026-12-02", 30, 0.05)
        e.control("POST", f"/notebooks/{run}/end", {"wait": True})
        whole, = self.lines(e, run)
        november, = self.lines(e, run, "?month=2026-11")
        december, = self.lines(e, run, "?month=2026-12")
        self.assertEqual((november["from"], november["to"], december["from"], december["to"]),
                         (whole["from"], "2026-12-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z", whole["to"]))
        self.assertLessEqual(abs(nanos(november["amount"]) + nanos(december["amount"]) - nanos(whole["amount"])), 1)

    def test_overage(self):
        e = self.open("--speed", "100000", "--origin", "1793491200000")  # the first of November 2026
        self.assertEqual(self.lines(e, "overage"), [])
        free = int(e.v1("GET", "/storage-providers/utilization").json["totalFreeStorage"])
        for above in (20_000_000_000, 50_000_000_001, 0, 7_000_000_000):
            e.control("POST", "/settings", {"utilization": {"totalUsage": str(free + above)}})
            self.assertEqual(e.v1("GET", "/storage-providers/utilization").json["totalUsage"], str(free + above))
            time.sleep(0.3)
        self.assertNotEqual(e.v1("GET", "/storage-providers/utilization", key="key-of-lab-2").json["totalUsage"], str(free + 7_000_000_000))
        used = 0
        lines = self.lines(e, "overage")
        self.assertEqual({line["resource"] for line in lines}, {"lab"})
        caps = [half_even(Fraction(29, 100) * above) for above in (20_000_000_000, 50_000_000_001, 7_000_000_000)]
        self.assertEqual(len(lines), 3)
        for line, cap in zip(lines, caps):
            begin, end = ms(line["from"]), ms(line["to"])
            self.assertEqual(nanos(line["amount"]), self.capped(cap, begin, end, used))
            used += end - begin
        self.assertEqual([line["open"] for line in lines], [False, False, True])
        e.control("POST", "/settings", {"storage_unit": "GiB"})
        self.assertLess(nanos(self.lines(e, "overage")[0]["amount"]), nanos(lines[0]["amount"]))

    def test_balance(self):
        e = self.open("--speed", "100000", "--origin", "1793491200000")  # the first of November 2026
        run = e.control("POST", "/standins", {"machineType": "A100-80G"})["notebooks"][0]["id"]
        time.sleep(0.2)
        e.control("POST", f"/notebooks/{run}/end", {"wait": True})

        def ask(key="", target="/v2/customers/my/balance"):
            return e.ask("balance", "GET", target, headers={"Authorization": f"Bearer {key or e.urls['balance_key']}"})

        for answer, status, word in ((ask(e.key), 401, "unauthorized"), (ask(target="/v2/droplets"), 404, "not_found")):
            self.assertEqual(answer.status, status)
            self.check_shape(answer.json, {"id": word, "message": str})
        answer = ask()
        self.assertEqual(answer.status, 200)
        cents = re.compile(r"-?\d+\.\d\d").fullmatch
        self.check_shape(answer.json, {"month_to_date_balance": cents, "account_balance": cents, "month_to_date_usage": cents,
                                       "generated_at": re.compile(r"2026-11-\d\dT\d\d:\d\d:\d\dZ").fullmatch})
        bill = e.control("GET", "/invoice?month=2026-11")["total"]
        self.assertEqual(int(Fraction(answer.json["month_to_date_usage"]) * 100), half_even(Fraction(bill) * 100))
        e.control("POST", "/settings", {"balance_drift": "-1.50"})
        self.assertEqual(Fraction(ask().json["month_to_date_usage"]), Fraction(answer.json["month_to_date_usage"]) - Fraction("1.50"))
        e.control("POST", "/settings", {"balance_drift": "0", "balance_delay_ms": 20 * 24 * HOUR_MS})
        self.assertEqual(ask().json["month_to_date_usage"], "0.00")
        e.control("POST", "/faults", {"kind": "status", "status": 500, "match": {"host": "balance"}})
        self.check_shape(ask().json, {"id": "server_error", "message": str})


class Faults(SharedTest):
    def fault(self, kind, **more):
        self.e.control("DELETE", "/faults")
        self.e.control("POST", "/faults", {"kind": kind, "match": {"host": "v1"}, **more})
        self.addCleanup(self.e.control, "DELETE", "/faults")

    def test_answers(self):
        e = self.e
        first, second = e.notebook(name="one")["id"], e.notebook(name="two")["id"]
        listed = lambda query="": e.v1("GET", "/notebooks" + query)  # noqa: E731
        ids = lambda: [i["id"] for i in listed().json["items"]]  # noqa: E731
        self.fault("status", status=429, retry_after=7)
        self.check_v1_error(listed(), 429, "TOO_MANY_REQUESTS")
        self.assertEqual(listed().headers["Retry-After"], "7")
        for status, code in ((400, "BAD_REQUEST"), (401, "UNAUTHORIZED"), (403, "FORBIDDEN"), (404, "NOT_FOUND"), (405, "METHOD_NOT_SUPPORTED"),
                             (408, "TIMEOUT"), (409, "CONFLICT"), (412, "PRECONDITION_FAILED"), (413, "PAYLOAD_TOO_LARGE"),
                             (429, "TOO_MANY_REQUESTS"), (499, "CLIENT_CLOSED_REQUEST"), (500, "INTERNAL_SERVER_ERROR")):
            self.fault("status", status=status)
            self.check_v1_error(listed(), status, code)
            self.assertNotIn("Retry-After", listed().headers)
        self.fault("status", status=503, html=None)
        self.assertIn("text/html", listed().headers["Content-Type"])
        self.fault("status", status=502, match={"host": "legacy"})
        self.check_legacy_error(e.legacy("GET", "/notebooks/getNotebooks"), 502)
        self.fault("null_session")
        self.assertEqual(e.v1("GET", "/auth/session").body, b"null")
        self.fault("empty_2xx_error")
        self.assertEqual((listed().status, set(listed().json)), (200, {"code", "message"}))
        self.fault("drop")
        self.assertRaises(OSError, listed)
        self.fault("cut_body")
        self.assertRaises(http.client.IncompleteRead, listed)
        self.fault("garbage_json")
        self.assertRaises(ValueError, lambda: listed().json)
        self.fault("slow_drip", bytes=400, ms=20)
        begun = time.monotonic()
        self.assertEqual(len(listed().json["items"]), 2)
        self.assertGreater(time.monotonic() - begun, 0.03)
        self.fault("hang")
        self.assertEqual(e.raw("v1", f"GET /v1/notebooks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {e.key}\r\n\r\n".encode(), 0.3), b"")
        self.fault("partial_list", keep=1)
        self.assertEqual(ids(), [second])
        self.fault("stale_list")
        third = e.notebook(name="three")["id"]
        self.assertEqual(ids(), [second, first])
        self.fault("unknown_state", state="Hibernating")
        self.assertEqual({i["state"] for i in listed().json["items"]}, {"Hibernating"})
        self.fault("unknown_type", machineType="Z9000")
        self.assertEqual({i["machineType"] for i in listed().json["items"]}, {"Z9000"})
        self.fault("cursor_loop")
        page = listed().json
        self.assertTrue(page["hasMore"])
        again = listed("?after=" + urllib.parse.quote(page["nextPage"], safe="")).json
        self.assertEqual((again["nextPage"], again["hasMore"]), (page["nextPage"], True))
        self.fault("stop_ignored", match={}, count=1)
        self.assertEqual(e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": third}).status, 200)
        time.sleep(0.5)
        self.assertEqual(e.state(third), "Running")
        self.fault("stop_hangs", match={}, acts=True)
        body = json.dumps({"notebookId": third})
        self.assertEqual(e.raw("legacy", f"POST /notebooks/v2/stopNotebook HTTP/1.1\r\nHost: x\r\nX-API-Key: {e.key}\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body}".encode(), 0.3), b"")
        e.wait_state(third, "Cancelled")
        again = e.legacy("POST", "/notebooks/v2/startNotebook", {"notebookId": third, "machineType": "A4000"}).json["handle"]
        self.fault("several_items")
        self.assertEqual(ids()[:2], [again, third])

    def test_bad_faults_are_refused(self):
        for body in ({}, {"kind": "nonsense"}, {"kind": 7}, {"kind": "status", "match": 7}):
            answer = self.e.ask("control", "POST", "/faults", json.dumps(body).encode())
            self.assertEqual(answer.status, 400, body)


class Rough(SharedTest):
    """Whatever comes, there is an answer or an end of the connection, and the next client is served."""

    def alive(self):
        self.assertEqual(self.e.ask("v1", "GET", "/v1/health").status, 200)
        self.assertIsNone(self.e.process.poll())

    def until(self, s, word=None):
        """What comes until this word is there, or until the end."""
        got = b""
        while (word is None or word not in got) and (piece := s.recv(65536)):
            got += piece
        return got

    def test_no_http(self):
        for host in ("v1", "legacy", "logs", "services", "control"):
            for text in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
                         b"GET / HTTP/1.1\r\nHost x\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                         b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                         b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"GET /\0 HTTP/1.1\r\n\r\n",
                         b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"):
                got = self.e.raw(host, text)
                self.assertTrue(got.startswith(b"HTTP/1.1 400 Bad Request\r\n"), (host, text[:60], got[:80]))
                self.assertIn(b"\r\nConnection: close\r\n", got)
        self.alive()

    def test_both_lengths(self):
        """Length and chunks in one request: nobody may see a second request in it."""
        smuggled = (b"POST /v1/notebooks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"0\r\n\r\nGET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        got = self.e.raw("v1", smuggled, 1)
        self.assertNotIn(b"HEALTHY", got)
        self.alive()

    def test_large(self):
        e = self.e
        self.check_v1_error(e.v1("POST", "/notebooks", raw=b'"' + b"x" * (2 << 20) + b'"'), 413, "PAYLOAD_TOO_LARGE")
        self.check_legacy_error(e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": "x" * (2 << 20)}), 413)
        got = e.raw("v1", b"GET /v1/health HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 431 "), got[:60])
        deep = b'{"kind":"drop","match":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        self.assertEqual(e.ask("control", "POST", "/faults", deep).status, 400)
        self.assertEqual(e.ask("v1", "GET", "/v1/notebooks?name=" + "a" * 40_000, headers={"Authorization": "Bearer " + e.key}).status, 200)
        self.alive()

    def test_expect(self):
        body = b'{"notebookId":"x"}'
        with socket.create_connection(self.e.address("legacy"), timeout=60) as s:
            s.sendall(f"POST /notebooks/v2/stopNotebook HTTP/1.1\r\nHost: x\r\nX-API-Key: {self.e.key}\r\nExpect: 100-continue\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n".encode())
            self.assertEqual(s.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            s.sendall(body)
            self.assertIn(b"HTTP/1.1 404 Not Found\r\n", self.until(s, b"Not Found\r\n"))

    def test_pipelines(self):
        one = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
        got = self.e.raw("v1", one * 20 + b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertEqual(got.count(b"HTTP/1.1 200 OK\r\n"), 21)
        self.assertEqual(got.count(b"\r\nDate: "), 21)
        got = self.e.raw("v1", b"GET /v1/health HTTP/1.0\r\n\r\n" + one)
        self.assertEqual(got.count(b"HTTP/1.1 200 OK\r\n"), 1)
        # A head in pieces is a head, and a HEAD has no body.
        with socket.create_connection(self.e.address("v1"), timeout=60) as s:
            for byte in one:
                s.sendall(bytes([byte]))
            self.assertIn(b"HEALTHY", self.until(s, b"HEALTHY"))
            s.sendall(one.replace(b"GET", b"HEAD") + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            self.assertEqual(self.until(s).count(b"HEALTHY"), 1)

    def test_half_requests_and_crowds(self):
        held = []
        for _ in range(200):
            s = socket.create_connection(self.e.address("v1"), timeout=60)
            s.sendall(b"POST /v1/notebooks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            held.append(s)
        self.alive()
        for s in held:
            s.close()
        self.alive()

    def test_concurrent_verbs(self):
        """Many clients start and stop the same notebook: each start that is granted gives ids of its own, nothing overlaps."""
        e = self.e
        made = e.notebook(name="contended")
        repo = made["notebookRepoId"]
        granted, seen, begun = [], set(), time.monotonic()

        def client():
            while time.monotonic() < begun + 3 or (len(granted) < 2 and time.monotonic() < begun + 60):
                run = [n for n in e.v1("GET", "/notebooks?limit=120").json["items"] if n["notebookRepoId"] == repo][0]["id"]
                start = e.legacy("POST", "/notebooks/v2/startNotebook", {"notebookId": run, "machineType": "A4000"})
                stop = e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": run})
                seen.update((("start", start.status), ("stop", stop.status)))
                if start.status == 200:
                    granted.append(start.json)
        threads = [threading.Thread(target=client) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertLessEqual(seen, {("start", 200), ("start", 404), ("start", 409), ("stop", 200), ("stop", 404), ("stop", 409)})
        self.assertGreater(len(granted), 1)
        for name in ("handle", "token", "fqdn"):
            self.assertEqual(len({g[name] for g in granted}), len(granted))
        truth = [n for n in e.control("GET", "/state")["notebooks"] if n["notebookRepoId"] == repo][0]
        spans = sorted((ms(r["dtStarted"]), ms(r["dtFinished"] or "9999-01-01T00:00:00Z")) for r in truth["runs"] if r["dtStarted"])
        for (_, end), (begin, _) in zip(spans, spans[1:]):
            self.assertLessEqual(end, begin)
        self.alive()


class RealGuests(WireTest):
    def guest(self, e, run, target):
        name, port = e.urls["guest_connect_tls"].split(":")
        connection = http.client.HTTPConnection(name, int(port), timeout=60)
        connection.connect()
        connection.sock = e.tls.wrap_socket(connection.sock, server_hostname=run["fqdn"])
        connection.request("GET", target, headers={"Host": run["fqdn"], "Authorization": "token " + run["token"]})
        answer = connection.getresponse()
        found = Answer(answer.status, answer.headers, answer.read())
        connection.close()
        return found

    def family(self, e):
        """The processes that live in this emulator's folder."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and str(e.folder / "guests").encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
        return found

    def test_a_notebook(self):
        e = self.open(guests="real")
        made = e.notebook(files={"kept.txt": "1", "storage/kept.bin": {"bytes": 1000, "seed": 7}, "tmp/lost.txt": "2"})
        folder = pathlib.Path(made["folder"])
        status = self.guest(e, made, "/api/status")
        self.assertEqual(status.status, 200)
        self.assertEqual(set(status.json), {"connections", "kernels", "last_activity", "started"})
        self.assertEqual([c["name"] for c in self.guest(e, made, "/api/contents/").json["content"]], ["kept.txt"])
        self.assertEqual(self.guest(e, {**made, "token": "0" * 32}, "/api/kernels").status, 403)
        self.assertTrue(self.family(e))
        rows = e.legacy("GET", f"/notebooks/artifactsList?notebookId={made['id']}&size=True&links=True").json
        self.assertEqual([(r["file"], r["size"]) for r in rows], [("kept.txt", 1)])
        self.assertTrue(rows[0]["url"].startswith("https://"))
        self.assertEqual(e.legacy("GET", f"/notebooks/artifactsList?notebookId={made['id']}&files=nothing*").json, [])
        self.assertEqual(e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": made["id"]}).status, 200)
        e.wait_state(made["id"], "Cancelled", 30)
        self.assertEqual(self.family(e), [])
        self.assertEqual(self.guest(e, made, "/api/status").status, 503)
        self.assertEqual(sorted(p.name for p in folder.iterdir()), ["notebooks", "storage"])
        self.assertEqual((folder / "notebooks/kept.txt").read_text(), "1")
        job = e.legacy("GET", "/notebooks/getNotebook", {"notebookId": made["id"]}).json["jobHandle"]
        rows = e.legacy("GET", f"/jobs/logs?jobId={job}&notebookId={made['id']}&line=1&limit=10000", host="logs").json
        self.assertIn("Jupyter Server", "".join(r["message"] for r in rows))
        self.assertEqual(rows[-1]["message"], "PSEOF")
        # The emulator dies by force while a notebook runs: nothing is left.
        again = e.legacy("POST", "/notebooks/v2/startNotebook", {"notebookId": made["id"], "machineType": "A4000"}).json
        e.wait_state(again["handle"], "Running", 60)
        self.assertNotEqual(self.family(e), [])
        e.process.send_signal(signal.SIGKILL)
        e.process.wait(60)
        wait_for("the end of all", lambda: not self.family(e), 20)

    def test_haste(self):
        """Stopped while they boot, started again at once, and the emulator told to end in the middle of it."""
        e = self.open(guests="real", teardown_ms=50)
        made = [e.notebook(name=f"hasty-{i}", wait=False) for i in range(3)]
        for one in made[:2]:
            self.assertEqual(e.legacy("POST", "/notebooks/v2/stopNotebook", {"notebookId": one["id"]}).status, 200)
            e.wait_state(one["id"], "Cancelled", 30)
            self.assertEqual(sorted(p.name for p in pathlib.Path(one["folder"]).iterdir()), ["notebooks", "storage"])
        again = e.legacy("POST", "/notebooks/v2/startNotebook", {"notebookId": made[0]["id"], "machineType": "A4000"}).json
        self.assertEqual(again["state"], "Pending")
        self.assertEqual(e.legacy("POST", "/notebooks/v2/deleteNotebook", {"notebookId": made[1]["id"]}).status, 204)
        self.assertFalse(pathlib.Path(made[1]["folder"]).exists())
        bill = e.control("GET", "/invoice")
        self.assertNotIn(made[1]["id"], [line["run"] for line in bill["lines"]])  # it never ran
        e.process.terminate()
        self.assertEqual(e.process.wait(60), 0)
        self.assertEqual(self.family(e), [])


if __name__ == "__main__":
    run_tests()
