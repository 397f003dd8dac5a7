"""A whole training run: from examples to a trained network, going on where it was stopped."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from vitrail.errors import VitrailError
from vitrail.segmentation.metrics import median_diameter
from vitrail.segmentation.network import FlowNetwork
from vitrail.training.example import Example
from vitrail.training.settings import Settings
from vitrail.training.trainer import PRETRAINING, Trainer, validation_batches

# What may differ between a checkpoint and the run that goes on from it.
PROLONGING = ("steps", "decay", "checkpoint")
KEPT = 2  # checkpoints


def train(
    examples: Sequence[Example],
    validation: Sequence[Example],
    settings: Settings,
    folder: str | Path,
    log: logging.Logger,
    device: str = "cpu",
    start: FlowNetwork | None = None,
) -> tuple[FlowNetwork, list[dict[str, Any]]]:
    """Train a network.

    Parameters
    ----------
    examples
        Images with labels and, for self-identification, without.
    validation
        Labelled images that are looked at, never learnt from.
    settings
        Of the run.
    folder
        Where checkpoints are kept: a run with the same settings goes on from the last one. After a
        longer `steps` it goes on from the last one before the learning rate fell.
    log
        Gets a line with losses, speed and time left at every checkpoint.
    device
        `cpu` or `cuda`.
    start
        Network whose weights are the first ones; of the settings' width and depth.

    Returns
    -------
    The network, and the losses at each checkpoint.

    Raises
    ------
    VitrailError
        Where no example has labels with an object, or `start` has another width or depth.
    """
    labelled = [e for e in examples if e.labels is not None]
    if not any(e.labels is not None and e.labels.any() for e in labelled):
        raise VitrailError("no training image has a labelled object; wanted: at least one")
    if start is not None and (start.width, start.depth) != (settings.width, settings.depth):
        raise VitrailError(
            f"the first weights have width {start.width} and depth {start.depth}; wanted: "
            f"{settings.width} and {settings.depth}, as the run"
        )
    trainer = Trainer(settings, device, start)
    store = Checkpoints(Path(folder), settings)
    history = store.resume(trainer)
    if history:
        log.info("going on after step %d", trainer.step)
    batches = validation_batches(validation, settings)
    _steps(trainer, labelled, examples, batches, store, history, log)
    diameters = [median_diameter(e.labels) for e in labelled if e.labels is not None]
    with torch.no_grad():
        trainer.network.diam_labels.fill_(float(torch.tensor([d for d in diameters if d]).mean()))
    return trainer.network.eval(), history


def _steps(
    trainer: Trainer,
    labelled: Sequence[Example],
    examples: Sequence[Example],
    batches: list[Any],
    store: Checkpoints,
    history: list[dict[str, Any]],
    log: logging.Logger,
) -> None:
    sums: dict[str, float] = {}
    count, began = 0, time.monotonic()
    while not trainer.done:
        for name, value in trainer.advance(labelled, examples).items():
            sums[name] = sums.get(name, 0.0) + value
        count += 1
        if trainer.step % trainer.settings.checkpoint and not trainer.done:
            continue
        means = {name: value / count for name, value in sums.items()}
        speed = (time.monotonic() - began) / count
        history.append(_entry(trainer, means, batches, speed))
        store.save(trainer, history)
        log.info("%s", progress(trainer, history[-1]))
        sums, count, began = {}, 0, time.monotonic()


def _entry(
    trainer: Trainer, means: dict[str, float], batches: list[Any], speed: float
) -> dict[str, Any]:
    phase = "pretraining" if trainer.phase == PRETRAINING else "training"
    entry: dict[str, Any] = {"phase": phase, "step": trainer.step}
    entry |= {name: round(value, 5) for name, value in means.items()}
    if batches and phase == "training":
        found = trainer.validate(batches)
        entry |= {f"validation_{name}": round(value, 5) for name, value in found.items()}
    return entry | {"seconds_per_step": round(speed, 3)}


def progress(trainer: Trainer, entry: dict[str, Any]) -> str:
    """One line: where the run stands, its losses, and how long it has to go."""
    settings, left = trainer.settings, trainer.settings.steps - trainer.step
    total = settings.steps
    if trainer.phase == PRETRAINING:
        total, left = settings.pretraining, settings.pretraining - trainer.step + settings.steps
    minutes = left * entry["seconds_per_step"] / 60
    shown = {k: v for k, v in entry.items() if isinstance(v, float) and k != "seconds_per_step"}
    losses = ", ".join(f"{name} {value:.4f}" for name, value in shown.items())
    return (
        f"{entry['phase']} step {trainer.step} of {total}: {losses}; "
        f"{entry['seconds_per_step']:.2f} s a step, {minutes:.0f} min to go"
    )


class Checkpoints:
    """The checkpoints of one run: the last ones, and the last with a constant learning rate."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {k: v for k, v in asdict(settings).items() if k not in PROLONGING}
        self._key = json.dumps(wanted, sort_keys=True)
        note = folder / "settings.json"
        if note.exists() and note.read_text(encoding="utf-8") != self._key:
            raise VitrailError(
                f"{folder} holds checkpoints of a run with other settings; wanted: an empty folder "
                "or the same settings"
            )
        note.write_text(self._key, encoding="utf-8")

    def resume(self, trainer: Trainer) -> list[dict[str, Any]]:
        """Bring the trainer to the last checkpoint that fits; its history, empty without one."""
        for path in reversed(self._found()):
            made_for = tuple(int(part) for part in path.stem.split("-")[3:])
            phase, step = (int(part) for part in path.stem.split("-")[1:3])
            same = made_for == (self.settings.steps, self.settings.decay)
            last = self.settings.steps - (0 if same else self.settings.decay)
            fits = same or self._constant(step, *made_for)
            if phase == PRETRAINING or (fits and step <= last):
                return trainer.load(path)
        return []

    def save(self, trainer: Trainer, history: list[dict[str, Any]]) -> None:
        """Write a checkpoint and remove those that are no longer needed."""
        steps, decay = self.settings.steps, self.settings.decay
        name = f"checkpoint-{trainer.phase}-{trainer.step:07d}-{steps}-{decay}.pt"
        trainer.save(self.folder / name, history)
        found = self._found()
        # Those of a longer or shorter run may have higher steps: they are not this one's last.
        own = [path for path in found if path.stem.endswith(f"-{steps}-{decay}")]
        constant = [p for p in found if self._constant(*map(int, p.stem.split("-")[2:]))]
        keep = {*own[-KEPT:], *constant[-1:]}
        for path in found:
            if path not in keep:
                path.unlink()

    @staticmethod
    def _constant(step: int, steps: int, decay: int) -> bool:
        return step <= steps - decay

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoint-*.pt"))
