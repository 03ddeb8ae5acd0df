#!/usr/bin/env python3
"""gpu.py -- yolo12c beside PyTorch on a GPU: cell by cell in one run, one JSON.

    python3 bench/gpu.py yolo12c=./yolo12c cells=n:1,n:32,s:1,s:32,x:1,x:32 json=gpu.json
                         [device=0] [entries=boxes,detect] [peer=default|eager|max-autotune|none] [rounds=200]

A cell is SCALE:BATCH.  Both sides take u8 640x640 pictures in device memory and give decoded boxes (the entry
`boxes`); `detect`, which scales pictures and suppresses as well, has no peer.  Weights are random: what takes
time does not depend on them.  The peers compile side by side before anything is timed; then
one program at a time has the card.  yolo12c runs before and after its peer in each cell; a card that slowed down
in between shows.

SPDX-License-Identifier: Apache-2.0
"""
import json, os, subprocess, sys, tempfile

OPTIONS = dict(yolo12c="./yolo12c", cells="n:1,n:32,s:1,s:32,x:1,x:32", json="", device="0", entries="boxes,detect",
               peer="default", rounds="200", extra="")
HERE = os.path.dirname(os.path.abspath(__file__))


def nvidia_smi():
    """Card, driver and clocks as the vendor's tool tells them; {} where there is none."""
    fields = ["name", "driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "power.draw", "power.limit",
              "clocks_event_reasons.active", "temperature.gpu"]
    try:
        out = subprocess.run(["nvidia-smi", "--query-gpu=" + ",".join(fields), "--format=csv,noheader"],
                             capture_output=True, text=True, timeout=30).stdout.splitlines()
        return dict(zip(fields, [x.strip() for x in out[int(OPTIONS["device"])].split(",")]))
    except (OSError, IndexError, ValueError, subprocess.TimeoutExpired):
        return {}


def ours(scale, batch, entry, profile):
    command = OPTIONS["yolo12c"].split() + ["bench", "model=yolov12", "weights=random", "scale=" + scale,
               "batch=" + batch, "imgsz=640", "device=" + OPTIONS["device"], "entry=" + entry,
               "rounds=" + OPTIONS["rounds"], "json=true"] + OPTIONS["extra"].split()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr.strip()[-600:], "exit": done.returncode}
    r = json.loads(done.stdout)
    if not profile:
        for e in r["entries"]:
            del e["launches"]
    return r


def start_peers(cells):
    """The peers of all cells compile side by side before anything is timed; then each waits for its turn."""
    if OPTIONS["peer"] == "none":
        return {}
    peers = {}
    for cell in cells:
        log = tempfile.TemporaryFile("w+")
        peers[cell] = subprocess.Popen([sys.executable, os.path.join(HERE, "torch_peer.py"), cell, "--mode", OPTIONS["peer"],
                                        "--wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True), log
    for p, _ in peers.values():
        while (line := p.stdout.readline()) and line != "ready\n":
            pass
    return peers


def peer(peers, cell):
    if cell not in peers:
        return {}
    p, log = peers.pop(cell)
    try:
        out, _ = p.communicate("go\n")
    except BrokenPipeError:
        out = ""
    lines = [l for l in out.splitlines() if l.startswith("{")]
    log.seek(0)
    return json.loads(lines[-1]) if lines and not p.wait() else {"error": log.read().strip()[-600:] or "it failed"}


def median(r):
    return 1e3 * r["entries"][0]["median"] if "entries" in r else float("nan")


def main():
    for arg in sys.argv[1:]:
        key, _, value = arg.partition("=")
        if key not in OPTIONS:
            sys.exit(__doc__)
        OPTIONS[key] = value
    rows = []
    cells = OPTIONS["cells"].split(",")
    peers = start_peers(cells) if "boxes" in OPTIONS["entries"].split(",") else {}
    print(f"{'cell':8} {'entry':8} {'yolo12c ms':>11} {'again':>9} {'peer ms':>9} {'times':>6} {'arena MB':>9} {'peer MB':>8}")
    for cell in cells:
        scale, batch = cell.split(":")
        for entry in OPTIONS["entries"].split(","):
            row = {"cell": cell, "entry": entry, "before": nvidia_smi(), "yolo12c": ours(scale, batch, entry, True)}
            if entry == "boxes":
                row["peer"] = peer(peers, cell)
                row["again"] = ours(scale, batch, entry, False)
            row["after"] = nvidia_smi()
            rows.append(row)
            p, again = row.get("peer", {}), row.get("again", {})
            arena = row["yolo12c"].get("memory", {}).get("arena", float("nan")) / 1e6
            ms, other = median(row["yolo12c"]), p.get("ms", float("nan"))
            print(f"{cell:8} {entry:8} {ms:11.4f} {median(again):9.4f} {other:9.4f} {other / ms:6.2f} {arena:9.2f} "
                  f"{p.get('peak_mb', float('nan')):8.1f}", flush=True)
            for side in (row["yolo12c"], p):
                if "error" in side:
                    print("  " + side["error"].splitlines()[-1], flush=True)
            if OPTIONS["json"]:
                with open(OPTIONS["json"], "w") as f:
                    json.dump(rows, f, indent=1)
    sys.exit(any("error" in r["yolo12c"] for r in rows))


main()
