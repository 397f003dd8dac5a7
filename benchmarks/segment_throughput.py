"""Whole slides from disk to disk, beside the cellpose package with the same networks.

A generated slide of each size goes through the workflow up to its tiles; then the command
`snakemake stitch` is timed (stages prepare, segment and stitch, with Snakemake's own start), with
two shards on two cores. The cellpose package segments the same image in the interpreter that
VITRAIL_CELLPOSE_PYTHON names: image file to label file, imports included, its flow check on, at the
diameters that vitrail's size model found, once for each network. Prints seconds, megapixels a
second and the highest resident memory of a process; and how well either agrees with the planted
nuclei and cells.

Usage: python benchmarks/segment_throughput.py [--sizes 4096] [--segmenter flows|nuclei|watershed]
       [--nuclei FILE] [--cells FILE] [--folder DIR] [--no-peer]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = "P1"
PEER = """
import json, resource, sys, time
started = time.monotonic()
import numpy as np, tifffile, torch
from cellpose import core, models, resnet_torch
torch.set_num_threads(int(sys.argv[4]))
forward = core._forward
def with_wide_style(net, x):
    # The package keeps 256 numbers of a style; networks of another width have another number.
    output, style = forward(net, x)
    return output, np.pad(style, ((0, 0), (0, 256 - style.shape[1])))
core._forward = with_wide_style
image = tifffile.imread(sys.argv[1])
masks = {}
for kind, run in json.loads(sys.argv[2]).items():
    width, depth = run["width"], run["depth"]
    model = models.CellposeModel(gpu=False, pretrained_model=False)
    nbase = [2] + [width * 2**level for level in range(depth)]
    mean = run["diam_mean"]
    model.net = resnet_torch.CPnet(nbase, 3, sz=3, mkldnn=model.mkldnn, diam_mean=mean)
    model.net.load_model(run["weights"], device=model.device)
    model.net.eval()
    model.diam_mean = mean
    planes = image[run["planes"]]
    if len(planes) == 1:
        planes = np.stack([planes[0], np.zeros_like(planes[0])])
    masks[kind] = model.eval(
        planes, channels=None, channel_axis=0, diameter=run["diameter"], flow_threshold=0.4,
    )[0].astype(np.int32)
np.savez(sys.argv[3], **masks)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.monotonic() - started, "peak_mb": round(peak)}))
"""


def main():
    arguments = read_arguments()
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure(Path(folder), size, arguments)


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[4096])
    parser.add_argument("--segmenter", default="flows")
    parser.add_argument("--nuclei", default="nuclei")
    parser.add_argument("--cells", default="cells")
    parser.add_argument("--folder", default=None)
    parser.add_argument("--no-peer", action="store_true")
    return parser.parse_args()


def measure(folder, size, arguments):
    configure(folder, size, arguments)
    snakemake(folder, "tile")
    started = time.monotonic()
    snakemake(folder, "stitch")
    seconds = time.monotonic() - started
    megapixels = size * size / 1e6
    stages = usage(folder)
    report("vitrail", megapixels, seconds, max(stage["peak_mb"] for stage in stages.values()))
    for name, stage in sorted(stages.items()):
        print(f"    {name}: {stage['wall_s']:.1f} s, {stage['peak_mb']} MB")
    agreement(folder, *own_labels(folder))
    peer = os.environ.get("VITRAIL_CELLPOSE_PYTHON")
    if arguments.no_peer or not peer or arguments.segmenter == "watershed":
        return
    found = run_peer(folder, peer, arguments)
    report("cellpose", megapixels, found["seconds"], found["peak_mb"])
    masks = np.load(folder / "peer.npz")
    agreement(folder, masks["nuclei"], masks.get("cells"))
    print(f"    vitrail is {found['seconds'] / seconds:.1f} times as fast", flush=True)


def configure(folder, size, arguments):
    """A working directory with one generated slide in its sheet."""
    spec = yaml.safe_load((ROOT / "config/demo/cohort.yaml").read_text())
    spec |= {"shape": [size, size], "patients": 1}
    for name in ("workflow", "scripts", "src", "envs", "resources"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    (folder / "config/demo").mkdir(parents=True)
    (folder / "config/config.yaml").write_text((ROOT / "config/config.yaml").read_text())
    (folder / "config/demo/cohort.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    header, row = "sample\tcondition\tunit\tformat\timage", f"{SAMPLE}\ta\tu\tsynthetic\t"
    image = f"results/synthetic/{SAMPLE}/image.ome.tif"
    (folder / "config/samples.tsv").write_text(f"{header}\n{row}{image}\n")
    options = {"nuclei": {"nuclei_weights": arguments.nuclei}}
    options["flows"] = options["nuclei"] | {"cell_weights": arguments.cells}
    section = {"segmenter": arguments.segmenter} | {
        name: value for name, value in options.items() if name == arguments.segmenter
    }
    config = {"samples": "config/samples.tsv", "tile": {"shards": 2}, "segment": section}
    (folder / "run.yaml").write_text(yaml.safe_dump(config))


def snakemake(folder, target):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "run.yaml"]
    result = subprocess.run([*command, "--", target], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(result.stdout[-3000:] + result.stderr[-3000:])


def usage(folder):
    """What the stages themselves wrote down, by log."""
    found = {}
    for log in (folder / "results/logs" / SAMPLE).glob("*.log"):
        line = re.search(r"usage (\{.*\})", log.read_text())
        if line and log.stem.startswith(("prepare", "segment", "stitch")):
            found[log.stem] = json.loads(line[1])
    return found


def own_labels(folder):
    import zarr

    labels = zarr.open_group(str(folder / "results" / SAMPLE / "segmentation/labels.zarr"))
    return labels["nuclei"][:], labels["cells"][:]


def agreement(folder, nuclei, cells):
    """F1 at IoU 0.5 against what was planted."""
    import tifffile

    from vitrail.segmentation import score

    planted = folder / "results/synthetic" / SAMPLE
    for kind, labels, file in (("nuclei", nuclei, "nuclei.tif"), ("cells", cells, "labels.tif")):
        if labels is not None:
            truth = tifffile.imread(planted / file).astype(np.int32)
            f1 = score([truth], [np.asarray(labels)], (0.5,)).f1[0]
            print(f"    {kind}: {int(labels.max())} found, F1 {f1:.3f} at IoU 0.5")


def run_peer(folder, python, arguments):
    """Both networks in the layout of the package, run by it."""
    import torch

    from vitrail.segmentation import weights
    from vitrail.segmentation.network import load_weights

    prepared = json.loads((folder / "results" / SAMPLE / "prepared.json").read_text())
    runs = {}
    for kind, name in (("nuclei", arguments.nuclei), ("cells", arguments.cells)):
        if kind not in prepared["values"]["flows"]:
            continue
        network, facts = load_weights(weights.require(name, kind))
        path = folder / f"peer_{kind}"
        torch.save(network.state_dict(), path)
        runs[kind] = {
            "weights": str(path),
            "width": facts.width,
            "depth": facts.depth,
            "diam_mean": facts.diam_mean,
            "diameter": prepared["values"]["flows"][kind]["diameter_px"],
            "planes": [0] if kind == "nuclei" else [1, 0],
        }
    image = folder / "results/synthetic" / SAMPLE / "image.ome.tif"
    files = [str(image), json.dumps(runs), str(folder / "peer.npz"), "2"]
    result = subprocess.run([python, "-c", PEER, *files], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(result.stderr[-3000:])
    return json.loads(result.stdout.splitlines()[-1])


def report(name, megapixels, seconds, peak):
    print(
        f"{name}: {megapixels:.1f} Mpx in {seconds:.1f} s, {megapixels / seconds:.2f} Mpx/s, "
        f"{seconds / megapixels:.2f} s/Mpx, {peak} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
