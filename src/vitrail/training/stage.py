"""Stage train: a table of images and labels to a weight file with its model card."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitrail.errors import VitrailError
from vitrail.io.examples import Row
from vitrail.segmentation.network import (
    FlowNetwork,
    file_hash,
    load_weights,
    save_weights,
)
from vitrail.training.card import make_card
from vitrail.training.load import load_examples
from vitrail.training.run import train
from vitrail.training.settings import Settings
from vitrail.training.sizes import fit_sizes


def train_from_rows(
    rows: Sequence[Row],
    settings: Settings,
    weights: str | Path,
    checkpoints: str | Path,
    log: logging.Logger,
    name: str = "model",
    start: str | None = None,
    device: str = "auto",
    threads: int = 1,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train on the rows of split `train`, score on those of split `validation`.

    Parameters
    ----------
    rows
        Of a table.
    settings
        Of the run.
    weights
        Weight file that is written.
    checkpoints
        Folder from which a stopped run goes on.
    log
        Gets the progress.
    name
        Of the model.
    start
        Weight file whose weights are the first ones; None: random ones.
    device
        `cpu`, `cuda`, or `auto`: the GPU where there is one.
    threads
        Of the CPU. The last digits of the weights depend on it.
    about
        See `vitrail.training.card.make_card`.

    Returns
    -------
    The model card.
    """
    import torch

    torch.set_num_threads(threads)
    log.info("reading %d images", len(rows))
    examples = load_examples((r for r in rows if r.split == "train"), settings.diameter)
    validation = load_examples((r for r in rows if r.split == "validation"), settings.diameter)
    first = _start(start, settings)
    network, history = train(
        examples, validation, settings, checkpoints, log, _device(device), first
    )
    network = network.to("cpu")
    log.info("fitting the size model")
    size = fit_sizes(network, examples, settings)
    save_weights(weights, network, settings.kind, size, {"name": name, "steps": settings.steps})
    facts = {
        "sha256": file_hash(weights),
        "bytes": Path(weights).stat().st_size,
        "diam_mean": float(network.diam_mean),
        "diam_labels": float(network.diam_labels),
        "threads": threads,
        "start": start and file_hash(start),
    }
    scores = _validate(rows, weights, log)
    return make_card(name, settings, rows, about or {}, history, scores, facts)


def _start(path: str | None, settings: Settings) -> FlowNetwork | None:
    if path is None:
        return None
    network, facts = load_weights(path)
    if (facts.width, facts.depth) != (settings.width, settings.depth):
        raise VitrailError(
            f"{path} has width {facts.width} and depth {facts.depth}; wanted: {settings.width} and "
            f"{settings.depth}, as train.width and train.depth"
        )
    return network


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise VitrailError("train.device is 'cuda', but torch finds no GPU; wanted: auto or cpu")
    return name


def _validate(
    rows: Sequence[Row], weights: str | Path, log: logging.Logger
) -> list[dict[str, Any]]:
    """Scores of the written file on the images held out, found as any user would."""
    from vitrail.evaluate import score
    from vitrail.segmentation import load

    held_out = [row for row in rows if row.split == "validation" and row.labels]
    if not held_out:
        return []
    return score(held_out, load(str(weights)), progress=log.info)[0]
