"""Masks from flows beside the cellpose package (3.1), on dense tissue with noise on the flows.

Prints one line for each size, kind of flows and flow check: median seconds of vitrail and of the
package, their ratio, how well the masks agree (cells, share of cells without a partner at an
intersection over union of 0.5, mean IoU of the partners) and how much each process grew beyond its
inputs at its peak (Linux). The package runs in its own interpreter; without one, vitrail is
measured alone.

Usage: python benchmarks/masks_from_flows.py [--sizes 1024] [--alone 4096] [--repeats 3]
       [--peer PYTHON, or the environment variable VITRAIL_CELLPOSE_PYTHON]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PITCH = 24  # pixels between the centres of cells
SCALE = 5  # the package takes the outputs of its networks
KINDS = {"exact": (0.0, 0.0), "white": (0.0, 0.1), "smooth": (1.0, 0.2)}  # blur, noise


def tissue(side, seed=0):
    """Cells of a jittered grid: each pixel is of the nearest centre, with thin gaps between."""
    from scipy.spatial import cKDTree

    random = np.random.default_rng(seed)
    steps = np.arange(-1, side // PITCH + 2) * PITCH
    centres = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    tree = cKDTree(centres + random.uniform(0, 0.7 * PITCH, centres.shape))
    labels = np.empty((side, side), np.int32)
    for y in range(side):
        distance, cell = tree.query(np.stack([np.full(side, y), np.arange(side)], 1), 2)
        gap = (distance[:, 1] - distance[:, 0] < 1.5) | (distance[:, 0] > 0.62 * PITCH)
        labels[y] = np.where(gap, 0, cell[:, 0] + 1)
    return labels


def outputs(labels, blur, noise, seed=1):
    """Flow_y, flow_x and logit, float32 (3, y, x): targets blurred and with noise."""
    from scipy.ndimage import gaussian_filter

    from vitrail.segmentation.flow.targets import flow_targets

    random = np.random.default_rng(seed)
    images = np.concatenate([flow_targets(labels), np.where(labels > 0, 3, -3)[None]])
    images = images.astype(np.float32)
    for image, share in zip(images, (noise, noise, 5 * noise), strict=True):
        spots = random.standard_normal(labels.shape, np.float32)
        if blur:
            image[:] = gaussian_filter(image, blur)
            spots = gaussian_filter(spots, 1.5 * blur)
            spots /= spots.std()
        image += share * spots
    return images


def vitrail_masks(images, check):
    from vitrail.segmentation import masks_from_flows

    return masks_from_flows(*images, logits=True, flow_check=0.4 if check else None)


def peer_masks(images, check):
    import torch
    from cellpose import dynamics

    torch.set_num_threads(os.cpu_count())
    found = dynamics.resize_and_compute_masks(
        SCALE * images[:2], images[2], flow_threshold=0.4 if check else 0.0, max_size_fraction=1.0
    )
    return found.astype(np.int32)


def measure(name, path, check, repeats):
    """Run one side in this process; labels go beside the input."""
    compute = {"vitrail": vitrail_masks, "cellpose": peer_masks}[name]
    images = np.load(path)
    compute(np.ascontiguousarray(images[:, :200, :200]), check)
    before = forget_peak()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        labels = compute(images, check)
        seconds.append(time.perf_counter() - start)
    grown = peak_kilobytes() - before
    np.save(path.with_name(f"{name}.npy"), labels)
    return {"seconds": statistics.median(seconds), "megabytes": grown / 1024}


def forget_peak():
    """Make the kernel forget the process' peak memory; returns what it holds now, in kB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kilobytes()


def peak_kilobytes():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def in_a_process(python, name, path, check, repeats):
    command = [python, __file__, "--one", name, str(path), str(int(check))]
    environment = dict(os.environ)
    if name == "cellpose":
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [*command, "--repeats", str(repeats)], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        sys.exit(f"{name} failed: {(done.stderr.strip().splitlines() or ['killed'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def line(path, labels, kind, check, peer, repeats):
    """Measure both sides in turn and print how they compare."""
    own = in_a_process(sys.executable, "vitrail", path, check, repeats)
    found = np.load(path.with_name("vitrail.npy"))
    text = f"{labels.shape[0]:>6} {kind:<7} {'yes' if check else 'no':<5} {own['seconds']:>10.3f}"
    text += f" {own['megabytes']:>10.0f} {found.max():>9,}"
    if peer:
        from vitrail.segmentation import match

        other = in_a_process(peer, "cellpose", path, check, repeats)
        matched = match(np.load(path.with_name("cellpose.npy")), found)
        apart = matched.false_positives + matched.false_negatives
        share = apart / max(matched.truth_count + matched.predicted_count, 1)
        text += f" {other['seconds']:>11.3f} {other['megabytes']:>11.0f} {matched.truth_count:>9,}"
        text += f" {other['seconds'] / own['seconds']:>7.1f} {share:>10.5f}"
        text += f" {matched.iou.mean():>9.6f}"
    print(text, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1024])
    parser.add_argument("--alone", type=int, nargs="*", default=[4096])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer", default=os.environ.get("VITRAIL_CELLPOSE_PYTHON"))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, path, check = given.one
        print(json.dumps(measure(name, Path(path), check == "1", given.repeats)))
        return
    head = ("side", "flows", "check", "vitrail s", "vitrail MB", "cells")
    tail = ("cellpose s", "cellpose MB", "cells", "ratio", "unmatched", "mean IoU")
    print(("{:>6} {:<7} {:<5}" + " {:>10}" * 2 + " {:>9}").format(*head), end="")
    print((" {:>11} {:>11} {:>9} {:>7} {:>10} {:>9}").format(*tail))
    for side in [*given.sizes, *given.alone]:
        labels = tissue(side)
        for kind in given.kinds:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "images.npy"
                np.save(path, outputs(labels, *KINDS[kind]))
                for check in (True, False):
                    peer = given.peer if side in given.sizes else None
                    line(path, labels, kind, check, peer, given.repeats)


if __name__ == "__main__":
    main()
