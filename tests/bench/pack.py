"""Packing from a real Jupyter Server, beside curl fetching the same files over the same route to the same disk."""

import json
import pathlib
import subprocess
import tempfile
import time

from rig import REPEATS, Notebook, Rig, ask_unix, check, median, memory_kib, table, wait_for

PARALLEL = 16
SETS = {
    "1 x 1 GiB": {"big.bin": {"bytes": 1 << 30, "seed": 1}},
    "5,000 x 20 KiB": {f"data/d{i // 100:02}/f{i % 100:02}.bin": {"bytes": 20 << 10, "seed": i + 1}
                       for i in range(5000)},
}


def settle(rig):
    """Nothing is left to write. Nothing is removed before the end either: file systems look long for an inode
    that was not removed just now."""
    subprocess.run(["sync", "-f", str(rig.folder)], check=True)


def sizes_below(folder):
    found = [p.stat().st_size for p in folder.rglob("*") if p.is_file()]
    return len(found), sum(found)


def packed(rig, name):
    """A pack of everything: seconds in all, of the copying, of the proof; files and bytes."""
    for link in (rig.folder / "vault").rglob("latest"):
        link.unlink()  # nothing is taken over from the pack before
    settle(rig)
    begun, begun_wall = time.monotonic(), time.time()
    receipt = rig.order("/v1/pack", json.dumps({"resource": name}))["receipt"]
    looks = 0  # `curfew pack --wait` itself looks once a second

    def done():
        nonlocal looks
        looks += 1
        status, _ = ask_unix(rig.folder / "api.sock", f"/v1/receipts/{receipt}", raw=True)
        if status != 200 and looks % 40 == 0:
            events = rig.ask(f"/v1/events?limit=1000&resource={name}")["items"]
            failed = [e["text"] for e in events if e["kind"] == "pack.failed"]
            check(f"the pack failed: {failed}", not failed)
        return status == 200
    wait_for("the receipt", done, 120, 0.05)
    wall = time.monotonic() - begun
    snapshot = next((rig.folder / "vault").rglob("latest")).resolve()
    copied = (snapshot / "manifest.jsonl").stat().st_mtime
    proof = (snapshot / "receipt.json").stat().st_mtime - copied
    files, size = sizes_below(snapshot / "files")
    return wall, copied - begun_wall, proof, files, size


def fetched(rig, notebook, names):
    """The same by curl: seconds, seconds with a sync after it, files and bytes."""
    out = pathlib.Path(tempfile.mkdtemp(prefix="curl-", dir=rig.folder))
    settle(rig)
    lines = ["parallel", f"parallel-max = {PARALLEL}", "create-dirs", "no-progress-meter", "fail",
             f'connect-to = "::{rig.urls["guest_connect_plain"]}"', f'header = "Authorization: token {notebook.token}"']
    for name in names:
        lines += [f'url = "http://{notebook.fqdn}/files/{name}"', f'output = "{out}/{name}"']
    listing = rig.folder / "list"
    listing.write_text("\n".join(lines) + "\n")
    begun = time.monotonic()
    subprocess.run(["curl", "--disable", "-K", str(listing)], check=True, timeout=120)
    wall = time.monotonic() - begun
    settle(rig)
    synced = time.monotonic() - begun
    return wall, synced, *sizes_below(out)


def measure(binaries, files):
    with Rig(binaries, guests="real") as rig:
        notebook = Notebook(rig, rig.control("/notebooks", {"name": "bench", "machineType": "A4000", "files": files,
                                                            "start": True, "wait": True}))
        rig.configure()
        rig.start()
        time.sleep(2)  # the files are at rest by the server's clock
        ours, raw = [], []
        for _ in range(REPEATS):
            ours.append(packed(rig, "bench"))
            raw.append(fetched(rig, notebook, list(files)))
            check(f"curfewd moved {ours[-1][3:]}, curl {raw[-1][2:]}", ours[-1][3:] == raw[-1][2:])
        return ours, raw, memory_kib(rig.daemon.pid)[0]


def run(binaries):
    print(f"\npack: as `curfew pack NAME --wait`, beside curl --parallel --parallel-max {PARALLEL} -K LIST; "
          "same plain route, same disk")
    rows, words = [], []
    for title, files in SETS.items():
        ours, raw, peak = measure(binaries, files)
        count, size = ours[0][3:]
        many = count > 1

        def rate(wall):
            return f"{count / wall:,.0f} files/s" if many else f"{size / wall / 1e6:,.0f} MB/s"
        wall, copy, proof = (median([o[i] for o in ours]) for i in range(3))
        rows.append([f"curfewd, {title}", f"{wall:.2f}", f"{copy:.2f}", f"{proof:.2f}", rate(wall),
                     f"{peak / 1024:.0f}"])
        curl, synced = (median([r[i] for r in raw]) for i in range(2))
        rows.append([f"curl, {title}", f"{curl:.2f}", "", "", rate(curl), ""])
        rows.append(["curl and sync", f"{synced:.2f}", "", "", rate(synced), ""])
        whole, bare, fair = (median([r[j] / o[i] for o, r in zip(ours, raw)]) for i, j in ((0, 0), (1, 0), (0, 1)))
        words.append(f"{title}: {whole:.2f} of curl's rate (aim 0.9), {bare:.2f} without the proof, "
                     f"{fair:.2f} of curl with a sync")
    table(f"medians of {REPEATS}; copy: two walks, transfer, SHA-256; proof: sync, all read back and hashed again",
          ["", "wall s", "copy s", "proof s", "rate", "peak MiB"], rows)
    print("pack: " + "; ".join(words))
