"""Does self-identification need fewer labels? Plain against self-identified networks, honestly.

    python benchmarks/self_identification.py NUCLEI OUT [--steps 1000] [--seeds 1 2 3]

`NUCLEI` holds the folders `bbbc039` and `dsb2018`. For 10, 25, 50 and 100 labelled images of the
first set and each seed, both variants are trained with equal steps of the segmentation;
self-identification also sees the images of both sets without their labels. Both are tested on
held-out images of BBBC039 and on an unseen domain: DSB2018 without its culture images. The true
median diameter is given, so that the networks are compared and not their size models.

Every run leaves its weights and scores in `OUT`; a stopped benchmark goes on from its last
checkpoint. At the end (or with `--report`) the table is printed: mean and spread of F1 and object
accuracy over the seeds, by number of images, variant, test set and IoU threshold; `--figure FILE`
draws both by threshold, and F1 by number of images (needs matplotlib).
"""

import argparse
import json
import logging
import statistics
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np

VARIANTS = {"plain": False, "self-identification": True}
TESTED = 20  # held-out images of BBBC039
UNSEEN = 100  # images of the unseen domain that are tested
# Image sizes of DSB2018 that show cultures of the kind that BBBC039 does.
CULTURES = ("520x696", "360x360", "512x640", "1040x1388")
DOMAINS = {"bbbc039": "BBBC039, held out", "dsb2018": "DSB2018, an unseen domain"}
COLOURS = ("#0072b2", "#d55e00")
SHOWN = (("f1", 0.5), ("f1", 0.75), ("f1", 0.9), ("accuracy", 0.5), ("mean_f1", None))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nuclei", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[10, 25, 50, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--pretraining", type=int, default=500)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--crop", type=int, default=224, help="edge of a crop in pixels")
    parser.add_argument("--tested", type=int, default=UNSEEN, help="images of the unseen domain")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="only print what has been found")
    parser.add_argument("--figure", type=Path, help="file to draw the curves to")
    return parser.parse_args()


def main():
    given = arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    runs = list(product(given.images, given.seeds, VARIANTS))
    if not given.report:
        for count, seed, variant in runs:
            run(given, count, seed, variant)
    values = found_values(given.out, runs)
    print_table(values)
    if given.figure:
        draw(values, given.figure)


def folder_of(out, count, seed, variant):
    return out / f"{variant}-{count}-{seed}"


def sets(nuclei, count, seed, tested):
    """Rows to train on (with and without labels) and to test on, for one seed."""
    from vitrail.training.sets import nuclei_rows

    seen, other = (
        nuclei_rows(nuclei / "bbbc039", "bbbc039", 1),
        nuclei_rows(nuclei / "dsb2018", "dsb2018", 1),
    )
    unseen = [row for row in other if row.domain.partition("-")[2] not in CULTURES]
    train = [row for row in seen if row.split == "train"]
    test = [replace(row, split="test") for row in seen if row.split == "validation"][:TESTED]
    order = np.random.default_rng([seed, 7]).permutation(len(train))
    labelled = [train[i] for i in order[:count]]
    free = [replace(train[i], labels="") for i in order[count:]]
    # The same unseen images are tested whatever the seed; none of them is trained on.
    place = np.random.default_rng(7).permutation(len(unseen))
    test += [replace(unseen[i], split="test") for i in place[:tested]]
    free += [replace(unseen[i], labels="") for i in place[tested:]]
    return labelled, free, test


def run(given, count, seed, variant):
    import torch

    from vitrail.evaluate import TRUTH, score
    from vitrail.segmentation import load
    from vitrail.segmentation.network import save_weights
    from vitrail.training.load import load_examples
    from vitrail.training.run import train
    from vitrail.training.settings import Settings

    log = logging.getLogger(f"{variant}, {count} images, seed {seed}")
    folder = folder_of(given.out, count, seed, variant)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "scores.json").exists():
        return
    log.info("%s", folder)
    labelled, free, test = sets(given.nuclei, count, seed, given.tested)
    settings = Settings(
        seed=seed,
        width=given.width,
        crop=given.crop,
        steps=given.steps,
        warmup=min(50, given.steps // 10),
        decay=given.steps // 4,
        pretraining=given.pretraining,
        self_identification=VARIANTS[variant],
    )
    torch.set_num_threads(given.threads)
    rows = labelled + (free if VARIANTS[variant] else [])
    examples = load_examples(rows, settings.diameter)
    network, curve = train(examples, [], settings, folder / "checkpoints", log, given.device)
    weights = folder / "weights.pt"
    save_weights(weights, network.to("cpu"), settings.kind)
    found, _ = score(test, load(str(weights)), TRUTH, resamples=0, progress=log.info)
    content = {"scores": found, "curve": curve, "images": count, "seed": seed}
    (folder / "scores.json").write_text(json.dumps(content, indent=1) + "\n")


def found_values(out, runs):
    """Values over the seeds by test set, metric, threshold, number of images and variant."""
    values = {}
    for count, seed, variant in runs:
        path = folder_of(out, count, seed, variant) / "scores.json"
        if not path.exists():
            continue
        for row in json.loads(path.read_text())["scores"]:
            if row["set"] != "all":
                key = (row["set"], row["metric"], row["threshold"], count, variant)
                values.setdefault(key, []).append(row["value"])
    return values


def print_table(values):
    """Mean and standard deviation over the seeds."""
    print("set\tmetric\tthreshold\timages\tvariant\tseeds\tmean\tsd")
    for key, found in sorted(values.items(), key=str):
        name, metric, threshold, count, variant = key
        if (metric, threshold) not in SHOWN:
            continue
        spread = f"{statistics.stdev(found):.4f}" if len(found) > 1 else ""
        level = "" if threshold is None else threshold
        line = [name, metric, level, count, variant, len(found), f"{np.mean(found):.4f}", spread]
        print("\t".join(map(str, line)))


def draw(values, path):
    """Curves of the mean over the seeds, bands of one standard deviation."""
    from matplotlib import pyplot as plt

    counts = sorted({key[3] for key in values})
    figure, rows = plt.subplots(2, 3, figsize=(11, 6.4), layout="constrained")
    for axes, (name, title) in zip(rows, DOMAINS.items(), strict=True):
        for variant, colour in zip(VARIANTS, COLOURS, strict=True):
            for axis, metric in zip(axes, ("f1", "accuracy"), strict=False):
                for count, style in ((counts[0], "--"), (counts[-1], "-")):
                    levels = sorted(
                        key[2]
                        for key in values
                        if (key[0], *key[3:]) == (name, count, variant) and key[1] == metric
                    )
                    found = [values[name, metric, level, count, variant] for level in levels]
                    _curve(axis, levels, found, colour, style, f"{variant}, {count} images")
                axis.set_xlabel("IoU threshold")
                axis.set_ylabel({"f1": "F1", "accuracy": "object accuracy"}[metric])
            found = [values[name, "f1", 0.5, count, variant] for count in counts]
            _curve(axes[2], counts, found, colour, "-", variant)
        axes[2].set_xlabel("labelled images")
        axes[2].set_ylabel("F1 at IoU 0.5")
        axes[0].set_title(title, loc="left")
    for axis in (rows[0, 0], rows[0, 2]):
        axis.legend(frameon=False, fontsize=8, loc="lower left")
    figure.savefig(path)


def _curve(axis, places, found, colour, style, label):
    mean = np.array([np.mean(values) for values in found])
    spread = np.array([np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in found])
    axis.plot(places, mean, style, color=colour, label=label, marker="." if len(mean) < 5 else None)
    axis.fill_between(places, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)


if __name__ == "__main__":
    main()
