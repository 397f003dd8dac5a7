"""vitrail's network beside the cellpose package's, trained alike.

    VITRAIL_CELLPOSE_PYTHON=PYTHON python benchmarks/cellpose_training.py TABLE OUT [--steps 600]

`TABLE` is a table to train on (docs/training.md). Both networks have the same width and depth and
see the same batches: the same images, crops and augmentation in the same order, for as many steps.
The rest is each one's own: vitrail trains as `snakemake train` does; the package's network gets the
package's loss, optimizer (AdamW) and learning rate with its schedule, stretched over the steps.
Then both segment the held-out images (split `validation`) at the true median diameter, each with
its own post-processing and its flow check, and are scored by the same matching. Prints F1 at an IoU
of 0.5 and 0.75 and mean F1, the seconds that the training took (for vitrail with the making of the
batches, which the package gets ready) and those of segmenting the held-out images.
"""

import argparse
import io
import json
import logging
import os
import subprocess
import time
from pathlib import Path

import numpy as np

SHOWN = (("f1", 0.5), ("f1", 0.75), ("mean_f1", None))
PEER = """
import io, json, struct, sys, time
import numpy as np, torch
from cellpose import core, models, resnet_torch, train

asked = json.loads(sys.argv[1])
torch.set_num_threads(asked["threads"])
torch.manual_seed(asked["seed"])
forward = core._forward
def with_wide_style(net, x):
    # The package keeps 256 numbers of a style; networks of another width have another number.
    output, style = forward(net, x)
    return output, np.pad(style, ((0, 0), (0, 256 - style.shape[1])))
core._forward = with_wide_style

def arrays():
    size = struct.unpack("<q", sys.stdin.buffer.read(8))[0]
    return np.load(io.BytesIO(sys.stdin.buffer.read(size)))

steps, width, depth = asked["steps"], asked["width"], asked["depth"]
nbase = [2] + [width * 2**level for level in range(depth)]
net = resnet_torch.CPnet(nbase, 3, sz=3, mkldnn=False, diam_mean=asked["diameter"])
optimizer = torch.optim.AdamW(net.parameters(), lr=asked["rate"], weight_decay=1e-5)
net.train()
seconds = 0.0
for step in range(steps):
    batch = arrays()
    started = time.monotonic()
    # The package's schedule of 500 epochs: 10 rising, 390 constant, ten times 10 of half the rate.
    place = step / steps
    halved = int((place - 0.8) * 50) + 1 if place >= 0.8 else 0
    factor = min(1.0, place / 0.02) * 0.5**halved
    for group in optimizer.param_groups:
        group["lr"] = asked["rate"] * factor
    labels = np.concatenate([batch["inside"][:, None], batch["flow"]], axis=1)
    optimizer.zero_grad()
    loss = train._loss_fn_seg(labels, net(torch.from_numpy(batch["image"]))[0], torch.device("cpu"))
    loss.backward()
    optimizer.step()
    seconds += time.monotonic() - started
    if (step + 1) % 50 == 0:
        print(f"package: step {step + 1}, loss {loss.item():.4f}", file=sys.stderr, flush=True)
torch.save(net.state_dict(), asked["weights"])
net.eval()
model = models.CellposeModel(gpu=False, pretrained_model=False)
model.net, model.diam_mean = net, asked["diameter"]
masks, started = {}, time.monotonic()
for number in range(asked["images"]):
    entry = arrays()
    image = entry["image"]
    planes = image if len(image) == 2 else np.concatenate([image, np.zeros_like(image)])
    found = model.eval(
        planes.astype(np.float32), channels=None, channel_axis=0,
        diameter=float(entry["diameter"]), flow_threshold=0.4,
    )
    masks[str(number)] = found[0].astype(np.int32)
segmenting = time.monotonic() - started
np.savez(asked["masks"], **masks)
print(json.dumps({"training_s": seconds, "segmenting_s": segmenting}))
"""


class Replay:
    """A segmenter that has found everything before."""

    def __init__(self, masks):
        self._masks = iter(masks)

    def segment(self, image, **options):
        """What was found in the next image."""
        return next(self._masks)


def main():
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    from vitrail.io.examples import read_table
    from vitrail.training.settings import Settings

    given.out.mkdir(parents=True, exist_ok=True)
    rows = read_table(given.table)
    settings = Settings(
        seed=given.seed,
        width=given.width,
        diameter=given.diameter,
        steps=given.steps,
        warmup=min(50, given.steps // 10),
        decay=given.steps // 4,
    )
    held_out = [row for row in rows if row.split == "validation" and row.labels]
    results = {
        "vitrail": own(rows, held_out, settings, given),
        "cellpose": peer(rows, held_out, settings, given),
    }
    print_table(results)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--diameter", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=0.005, help="the package's learning rate")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def own(rows, held_out, settings, given):
    """Scores and times of vitrail; what an earlier run left is taken as it is."""
    import torch

    from vitrail.evaluate import TRUTH, score
    from vitrail.segmentation import load
    from vitrail.segmentation.network import save_weights
    from vitrail.training.load import load_examples
    from vitrail.training.run import train

    weights, facts = given.out / "vitrail.pt", given.out / "vitrail.json"
    if facts.exists():
        return json.loads(facts.read_text())
    torch.set_num_threads(given.threads)
    examples = load_examples((row for row in rows if row.split == "train"), settings.diameter)
    started = time.monotonic()
    log = logging.getLogger("vitrail")
    network, _ = train(examples, [], settings, given.out / "checkpoints", log, "cpu", None)
    trained = time.monotonic()
    save_weights(weights, network, settings.kind, None, {"name": "vitrail"})
    scores, _ = score(held_out, load(str(weights)), TRUTH, resamples=0)
    found = {
        "scores": scores,
        "training_s": trained - started,
        "segmenting_s": time.monotonic() - trained,
    }
    facts.write_text(json.dumps(found))
    return found


def peer(rows, held_out, settings, given):
    """Scores and times of the package's network."""
    from vitrail.evaluate import TRUTH, score
    from vitrail.io.examples import read_image, read_labels
    from vitrail.segmentation.metrics import median_diameter
    from vitrail.training.batch import draw_batch
    from vitrail.training.load import load_examples
    from vitrail.training.trainer import TRAINING

    examples = load_examples((row for row in rows if row.split == "train"), settings.diameter)
    labelled = [example for example in examples if example.labels is not None]
    asked = {
        "steps": settings.steps,
        "width": settings.width,
        "depth": settings.depth,
        "diameter": settings.diameter,
        "seed": settings.seed,
        "rate": given.rate,
        "threads": given.threads,
        "images": len(held_out),
        "weights": str(given.out / "cellpose.pt"),
        "masks": str(given.out / "cellpose.npz"),
    }
    python = os.environ["VITRAIL_CELLPOSE_PYTHON"]
    command = [python, "-c", PEER, json.dumps(asked)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for step in range(settings.steps):
            send(process.stdin, **draw_batch(labelled, settings, TRAINING, step)._asdict())
        for row in held_out:
            diameter = median_diameter(read_labels(row)) or 1.0
            send(process.stdin, image=read_image(row), diameter=np.float64(diameter))
        process.stdin.close()
        said = process.stdout.read()
    if process.returncode:
        raise SystemExit("the package's run failed: see above")
    with np.load(asked["masks"]) as masks:
        found = [masks[str(number)] for number in range(len(held_out))]
    scores, _ = score(held_out, Replay(found), TRUTH, resamples=0)
    return json.loads(said.splitlines()[-1]) | {"scores": scores}


def send(stream, **arrays):
    """Arrays as one message: its length and an npz."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    stream.write(len(content.getbuffer()).to_bytes(8, "little"))
    stream.write(content.getbuffer())
    stream.flush()


def print_table(results):
    print("network\tset\tf1 at 0.5\tf1 at 0.75\tmean f1\ttraining s\tsegmenting s")
    for name, found in results.items():
        values = {(r["set"], r["metric"], r["threshold"]): r["value"] for r in found["scores"]}
        for chosen in sorted({row["set"] for row in found["scores"]}):
            shown = [f"{values[chosen, *metric]:.3f}" for metric in SHOWN]
            times = [f"{found['training_s']:.0f}", f"{found['segmenting_s']:.1f}"]
            print("\t".join([name, chosen, *shown, *times]))


if __name__ == "__main__":
    main()
