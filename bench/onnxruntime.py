#!/usr/bin/env python3
"""onnxruntime.py -- yolo12c beside ONNX Runtime, on this machine, one after the other.

    bench/onnxruntime.py weights=best.pt onnx=best.onnx [model=yolov12] [scale=n]
                         [imgsz=640] [batch=1] [threads=1,2] [rounds=10] [yolo12c=./yolo12c]

Both run the network alone (entry `forward`, input f32[batch,3,h,w], output0).  They take
turns in short rounds, so that a machine that slows down slows both; medians and minima of
all runs are told.  Outputs on the same input are compared as well: a fast wrong answer is
no result.  Needs the packages onnxruntime and numpy; nothing else of yolo12c does.

SPDX-License-Identifier: Apache-2.0
"""
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.pop(0)         # this folder: the package is called as this file is

RUNS = 5        # of each side in a round


def options(argv):
    known = dict(weights=None, onnx=None, model="yolov12", scale=None, imgsz="640", batch="1",
                 threads="1,2", rounds="10", yolo12c="./yolo12c")
    for arg in argv:
        key, equals, value = arg.partition("=")
        if not equals or key not in known:
            sys.exit(__doc__)
        known[key] = value
    if not known["weights"] or not known["onnx"]:
        sys.exit(__doc__)
    return known


def command(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(args)}: exit code {done.returncode}")
    return done.stdout


def session(path, threads):
    import onnxruntime as ort

    opt = ort.SessionOptions()
    opt.intra_op_num_threads = threads
    opt.inter_op_num_threads = 1
    # threads of an idle session must not take the processor from the other side
    opt.add_session_config_entry("session.force_spinning_stop", "1")
    return ort.InferenceSession(path, opt, providers=["CPUExecutionProvider"])


def ort_times(s, image):
    name = s.get_inputs()[0].name
    s.run(None, {name: image})
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        s.run(None, {name: image})
        times.append(time.perf_counter() - start)
    return times


def our_times(y12, engine, threads):
    """yolo12c tells the median and the least of its rounds; one process is one round here."""
    out = json.loads(command(y12, "bench", f"model={engine}", "entry=forward", f"threads={threads}", f"rounds={RUNS}", "json=true"))
    return out["settings"][0]


def difference(y12, engine, s, image, folder):
    import numpy as np

    np.save(folder / "image.npy", image)
    command(y12, "run", engine, "entry=forward", f"input={folder}/image.npy", f"output={folder}/ours.npy")
    ours, theirs = np.load(folder / "ours.npy"), s.run(None, {s.get_inputs()[0].name: image})[0]
    if ours.shape != theirs.shape:
        sys.exit(f"outputs differ in shape: {ours.shape}, {theirs.shape}")
    return float(np.abs(ours[:, :4] - theirs[:, :4]).max()), float(np.abs(ours[:, 4:] - theirs[:, 4:]).max())


def main():
    o = options(sys.argv[1:])
    import numpy as np
    import onnxruntime as ort

    sides = [int(x) for x in o["imgsz"].split(",")]
    shape = (int(o["batch"]), 3, sides[0], sides[-1])
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    spec = [f"{k}={o[k]}" for k in ("model", "weights", "scale", "imgsz", "batch") if o[k]]
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        engine = str(folder / "net.y12e")
        command(o["yolo12c"], "compile", *spec, "entry=forward", f"out={engine}", "quiet=true")
        print(f"{o['model']} {o['weights']} {list(shape)}; onnxruntime {ort.__version__}\n")
        print(f"{'threads':>8} {'':24} {'median ms':>10} {'least ms':>10}")
        for threads in (int(t) for t in o["threads"].split(",")):
            s = session(o["onnx"], threads)
            if threads == int(o["threads"].split(",")[0]):
                box, score = difference(o["yolo12c"], engine, s, image, folder)
            theirs, ours = [], []
            for _ in range(int(o["rounds"])):
                theirs += ort_times(s, image)
                ours.append(our_times(o["yolo12c"], engine, threads))
            a, b = statistics.median(x["median"] for x in ours), statistics.median(theirs)
            print(f"{threads:8} {'yolo12c':24} {1e3 * a:10.2f} {1e3 * min(x['least'] for x in ours):10.2f}")
            print(f"{threads:8} {'onnxruntime':24} {1e3 * b:10.2f} {1e3 * min(theirs):10.2f}   {b / a:.2f} times as long")
        print(f"\nlargest difference: boxes {box:.3g} px, scores {score:.3g}")


main()
