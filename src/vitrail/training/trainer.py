"""Steps of a training run, and all of its state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitrail.segmentation.network import FlowNetwork, Reconstructor, build
from vitrail.segmentation.network.blocks import style_of
from vitrail.training.batch import Batch, draw_batch
from vitrail.training.example import Example
from vitrail.training.loss import RECONSTRUCTION_WEIGHT, reconstruction_loss, segmentation_losses
from vitrail.training.settings import Settings

PRETRAINING, TRAINING, VALIDATION = 0, 1, 2  # streams of random numbers


class Trainer:
    """A network in training.

    Every step follows from the state and the step's number, so that a run that goes on from a
    checkpoint ends with the same bits as one that was never interrupted.

    Parameters
    ----------
    settings
        Of the run.
    device
        `cpu` or `cuda`.
    start
        Network whose weights are the first ones; by default they are random.

    Attributes
    ----------
    phase
        `PRETRAINING` (of the reconstruction alone) or `TRAINING`.
    step
        Steps done in this phase.
    """

    def __init__(
        self, settings: Settings, device: str = "cpu", start: FlowNetwork | None = None
    ) -> None:
        self.settings, self.device = settings, torch.device(device)
        first = build(settings.width, settings.depth, settings.diameter, seed=settings.seed)
        if start is not None:
            first.load_state_dict(start.state_dict())
            first.diam_mean.fill_(settings.diameter)
        self.network = self._placed(first)
        self.reconstructor: nn.Module | None = None
        if settings.self_identification:
            self.reconstructor = self._placed(_reconstructor(settings))
        pretrains = settings.self_identification and settings.pretraining > 0
        self.phase, self.step = PRETRAINING if pretrains else TRAINING, 0
        self.optimizer = self._optimizer()

    def _placed(self, module: Any) -> Any:
        return module.to(self.device).to(memory_format=torch.channels_last)

    def _optimizer(self) -> torch.optim.Optimizer:
        modules = [m for m in (self.network, self.reconstructor) if m is not None]
        parameters = [p for m in modules for p in m.parameters() if p.requires_grad]
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.phase == TRAINING and self.step >= self.settings.steps

    def advance(self, labelled: Sequence[Example], every: Sequence[Example]) -> dict[str, float]:
        """Do one step; the losses by name.

        Parameters
        ----------
        labelled
            Examples with labels.
        every
            Examples with or without: what the pre-training draws from.
        """
        if self.phase == PRETRAINING and self.step >= self.settings.pretraining:
            self.phase, self.step, self.optimizer = TRAINING, 0, self._optimizer()
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * rate_at(self.settings, self)
        pretrains = self.phase == PRETRAINING
        batch = draw_batch(
            every if pretrains else labelled, self.settings, self.phase, self.step, not pretrains
        )
        self.network.train()
        losses = self._losses(batch, pretrains)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self.optimizer.step()
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def validate(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Mean losses of the segmentation over batches, with the network as it is."""
        self.network.eval()
        total = {"flow": 0.0, "probability": 0.0}
        with torch.no_grad():
            for batch in batches:
                with self._precision():
                    output, _ = self.network(self._tensor(batch.image))
                flow, inside = self._tensor(batch.flow), self._tensor(batch.inside)
                losses = segmentation_losses(output, flow, inside)._asdict()
                total = {k: total[k] + float(losses[k]) / len(batches) for k in total}
        return total

    def _losses(self, batch: Batch, pretrains: bool) -> dict[str, Tensor]:
        image = self._tensor(batch.image)
        if pretrains:
            with self._precision():
                skips = self.network.downsample(image)
            loss = reconstruction_loss(self._reconstructed(skips), image)
            return {"loss": loss, "reconstruction": loss}
        with self._precision():
            skips = self.network.downsample(image)
            output = self.network.decode(skips, style_of(skips[-1]))
        flow, probability = segmentation_losses(
            output, self._tensor(batch.flow), self._tensor(batch.inside)
        )
        losses = {"loss": flow + probability, "flow": flow, "probability": probability}
        if self.reconstructor is not None:
            again = reconstruction_loss(self._reconstructed(skips), image)
            losses |= {
                "loss": losses["loss"] + RECONSTRUCTION_WEIGHT * again,
                "reconstruction": again,
            }
        return losses

    def _reconstructed(self, skips: list[Tensor]) -> Tensor:
        assert self.reconstructor is not None
        with self._precision():
            return self.reconstructor(skips[-1])

    def _precision(self) -> Any:
        half = self.settings.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _tensor(self, array: Any) -> Tensor:
        tensor = torch.from_numpy(array).to(self.device)
        layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        return tensor.contiguous(memory_format=layout)

    def save(self, path: Path, history: list[dict[str, Any]]) -> None:
        """Write a checkpoint: complete or not at all."""
        state = {
            "phase": self.phase,
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "reconstructor": self.reconstructor and self.reconstructor.state_dict(),
            "history": history,
        }
        unfinished = path.with_name(f".unfinished-{path.name}")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def load(self, path: Path) -> list[dict[str, Any]]:
        """Go on from a checkpoint; the history up to it."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.phase, self.step = state["phase"], state["step"]
        self.network.load_state_dict(state["network"])
        if self.reconstructor is not None:
            self.reconstructor.load_state_dict(state["reconstructor"])
        self.optimizer = self._optimizer()
        self.optimizer.load_state_dict(state["optimizer"])
        history: list[dict[str, Any]] = state["history"]
        return history


def _reconstructor(settings: Settings) -> Reconstructor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        return Reconstructor(settings.width, settings.depth)


def rate_at(settings: Settings, trainer: Trainer) -> float:
    """Learning rate of the next step relative to the full one: up, constant, down to 0."""
    rise = min(1.0, (trainer.step + 1) / (settings.warmup + 1))
    if trainer.phase == PRETRAINING or settings.decay == 0:
        return rise
    return min(rise, (settings.steps - trainer.step) / (settings.decay + 1), 1.0)


def validation_batches(
    examples: Sequence[Example], settings: Settings, count: int = 4
) -> list[Batch]:
    """Batches that are the same at every validation."""
    steps = range(count if examples else 0)
    return [draw_batch(examples, settings, VALIDATION, step) for step in steps]
