"""A poll cycle over running notebooks, beside wrk fetching the same URLs from the same emulator."""

import json
import subprocess
import urllib.parse
import urllib.request

from rig import HERE, REPEATS, Rig, check, cpu_seconds, median, memory_kib, table

SIZES = (1_000, 10_000)
CONNECTIONS = 64
PROBES = ("/api/kernels?no_track_activity=1", "/api/terminals?no_track_activity=1", "/api/status")


def pages_of(rig):
    """The targets of all list pages, one after the other as their cursors name them."""
    targets, after = [], None
    while True:
        target = "/v1/notebooks?orderBy=dtCreated&order=desc&limit=100"
        if after:
            target += "&after=" + urllib.parse.quote(after, safe="")
        targets.append(target)
        request = urllib.request.Request(rig.urls["v1"].removesuffix("/v1") + target,
                                         headers={"Authorization": f"Bearer {rig.urls['key']}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            page = json.load(answer)
        after = page["nextPage"]
        if not page["hasMore"]:
            return targets


def write_list(path, lines):
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    return path


def wrk(address, requests, connections):
    """Fetches every URL of the list once: seconds, CPU seconds of wrk, requests, bytes of the bodies."""
    process = subprocess.Popen(["wrk", "-t1", f"-c{connections}", "-d300s", "--timeout", "60s",
                                "-s", str(HERE / "raw_load.lua"), f"http://{address}/", "--", str(requests)],
                               stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.startswith("raw "):
                _, answered, refused, size, seconds = line.split()
                check(f"wrk was refused {refused} times", refused == "0")
                return float(seconds), cpu_seconds(process.pid), int(answered), int(size)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    check("wrk ended without a word", False)


def measure(binaries, count):
    """Requests of a cycle, what each side took, and curfewd's memory."""
    with Rig(binaries, guests="standin") as rig:
        made = rig.control("/standins", {"count": count, "machineType": "A4000"})["notebooks"]
        v1 = rig.urls["v1"].removeprefix("http://").split("/")[0]
        pages = pages_of(rig)
        lists = write_list(rig.folder / "lists", [(p, v1, "Authorization", f"Bearer {rig.urls['key']}") for p in pages])
        probes = write_list(rig.folder / "probes", [(path, n["fqdn"], "Authorization", f"token {n['token']}")
                                                    for n in made for path in PROBES])
        expected = len(pages) + len(made) * len(PROBES)
        rig.configure()
        rig.start()
        ours, raw = [], []
        for _ in range(REPEATS):
            wall, cpu, requests = rig.cycle()
            check(f"a cycle made {requests} requests, not {expected}", requests == expected)
            ours.append((wall, cpu))
            first = wrk(v1, lists, 1)  # every page is named by the one before
            second = wrk(rig.urls["guest_connect_plain"], probes, CONNECTIONS)
            check("wrk made other requests", first[2] + second[2] == expected)
            raw.append((first[0] + second[0], first[1] + second[1], first[3] + second[3]))
        memory = memory_kib(rig.daemon.pid)
    print(f"  {count} notebooks: {len(pages)} pages and {len(made) * len(PROBES)} probes, "
          f"{raw[0][2] / 1e6:.1f} MB of bodies")
    return expected, ours, raw, memory


def run(binaries):
    print("\npoll: a cycle over running stand-in notebooks (machines and metrics off; per notebook GET "
          + ", ".join(p.split("?")[0] for p in PROBES) + ")")
    print(f"  beside: wrk -t1 -c1 for the pages, wrk -t1 -c{CONNECTIONS} for the probes, keep-alive, -s raw_load.lua")
    rows, memory, ratios = [], {}, {}
    for count in SIZES:
        requests, ours, raw, memory[count] = measure(binaries, count)
        ratios[count] = median([r[0] / o[0] for o, r in zip(ours, raw)])
        used = [f"{m / 1024:.0f}" for m in memory[count]]
        for name, sides, used in (("curfewd", ours, used), ("wrk", raw, ["", ""])):
            wall, cpu = (median([s[i] for s in sides]) for i in (0, 1))
            rows.append([f"{name}, {count}", requests, f"{wall:.3f}", f"{cpu:.2f}", f"{requests / wall:,.0f}",
                         f"{requests / max(cpu, 0.01):,.0f}", *used])
    table(f"medians of {REPEATS}",
          ["", "requests", "wall s", "CPU s", "requests/s", "per CPU s", "peak MiB", "at rest MiB"], rows)
    small, large = SIZES
    peak, rest = ((memory[large][i] - memory[small][i]) / (large - small) for i in (0, 1))
    print(f"poll: {ratios[large]:.2f} of the raw rate at {large} notebooks ({ratios[small]:.2f} at {small}; aim 0.5); "
          f"a notebook takes {peak:.1f} KiB at the peak and {rest:.1f} KiB at rest (aim < 4)")
