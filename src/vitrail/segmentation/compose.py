"""The planes that a segmenter sees: channels by role, merged, mixed and filtered.

Every step is either of one pixel or of a bounded neighbourhood, with numbers that are measured once
a slide, so that planes do not depend on tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.normalization import otsu_bin
from vitrail.segmentation.channels import ROLES, roles

Image = npt.NDArray[np.float32]

MERGES = ("max", "mean", "sum")
LEVELS = 256  # steps of the table that equalises a histogram
PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class Recipe:
    """A plane that is made from several channels: weights and how they are merged."""

    name: str
    weight: Mapping[int, float]
    merge: str


@dataclass(frozen=True)
class Plan:
    """What is made of a slide's channels.

    Attributes
    ----------
    roles
        Index of the plane in each role; planes are the slide's channels, then those of `recipes`.
    recipes
        Planes to make.
    gaussian_um, gamma, equalise
        What is done to the planes that have a role.
    """

    roles: Mapping[str, int]
    recipes: tuple[Recipe, ...] = ()
    gaussian_um: float = 0.0
    gamma: float = 1.0
    equalise: bool = False

    @property
    def trivial(self) -> bool:
        """Whether the planes are the channels as they are."""
        return not (self.recipes or self.gaussian_um or self.gamma != 1 or self.equalise)

    def mix(self, image: Image, pixel_size: float) -> Image:
        """Planes (p, y, x) of normalised channels (c, y, x), before they are rescaled."""
        made = [_mixed(image, recipe) for recipe in self.recipes]
        planes = np.concatenate([image, np.stack(made)]) if made else image.copy()
        if self.gaussian_um:
            from vitrail.segmentation.filters import gaussian

            for plane in set(self.roles.values()):
                planes[plane] = gaussian(planes[plane], self.gaussian_um / pixel_size)
        return planes

    def adjust(self, planes: Image, values: Mapping[str, Any]) -> Image:
        """Rescale mixed planes by the slide's values, and adjust their histograms; in place."""
        low, high = np.array(values["low"]), np.array(values["high"])
        for plane in range(len(planes)):
            scale = 1.0 / (high[plane] - low[plane]) if high[plane] > low[plane] else 0.0
            planes[plane] = (planes[plane] - low[plane]) * scale
        for plane in set(self.roles.values()):
            if self.equalise:
                levels = np.array(values["levels"][str(plane)])
                planes[plane] = np.interp(planes[plane], levels, np.linspace(0, 1, len(levels)))
            if self.gamma != 1:
                planes[plane] = np.maximum(planes[plane], 0) ** np.float32(self.gamma)
        return planes

    def measure(self, samples: Sequence[Image], pixel_size: float) -> dict[str, Any]:
        """Slide-wide values for `adjust`, from normalised channels of the slide's sample.

        Returns
        -------
        `low`, `high` (1st and 99th percentile of each plane), `levels` (what becomes equally
        frequent values from 0 to 1, for each plane with a role) and `otsu`, a threshold a plane.
        """
        mixed = [self.mix(image, pixel_size).reshape(-1, *image.shape[1:]) for image in samples]
        flat = np.concatenate([planes.reshape(len(planes), -1) for planes in mixed], axis=1)
        low, high = np.percentile(flat, PERCENTILES, axis=1)
        if not self.gaussian_um:
            # The slide's channels are normalised already, over all of its tissue.
            own = len(flat) - len(self.recipes)
            low[:own], high[:own] = 0.0, 1.0
        values: dict[str, Any] = {"low": low.tolist(), "high": high.tolist()}
        values["levels"] = self._levels(flat, low, high)
        adjusted = self.adjust(flat[:, None].astype(np.float32), values)
        values["otsu"] = [_threshold(plane) for plane in adjusted]
        return values

    def _levels(self, flat: Image, low: Any, high: Any) -> dict[str, list[float]]:
        """Quantiles of each plane with a role, where histograms are equalised."""
        levels = {}
        if self.equalise:
            share = np.linspace(0, 100, LEVELS + 1)
            for plane in sorted(set(self.roles.values())):
                scale = max(high[plane] - low[plane], 1e-12)
                values = np.percentile((flat[plane] - low[plane]) / scale, share)
                levels[str(plane)] = values.tolist()
        return levels


def _threshold(plane: Image) -> float:
    """Otsu's threshold of normalised values between 0 and 1."""
    counts, edges = np.histogram(np.clip(plane, 0, 1), 1024, (0.0, 1.0))
    return float(min(otsu_bin(counts) / 1024 + edges[1] / 2, 1.0))


def _mixed(image: Image, recipe: Recipe) -> Image:
    parts = [np.float32(weight) * image[channel] for channel, weight in recipe.weight.items()]
    if recipe.merge == "max":
        return np.maximum.reduce(parts)
    total = np.add.reduce(parts)
    return total / np.float32(len(parts)) if recipe.merge == "mean" else total


def plan(channels: Sequence[str], settings: Mapping[str, Any]) -> Plan:
    """What the settings ask to be made of a slide's channels.

    Parameters
    ----------
    channels
        Names of the slide's channels.
    settings
        Section `segment` of the configuration: `channels` (a role may have several, which are
        merged), `merge`, and `preprocess` (`composite`, `gaussian_um`, `gamma`, `equalise`).
    """
    options = dict(settings.get("preprocess") or {})
    merge = settings.get("merge", "max")
    if merge not in MERGES:
        raise VitrailError(f"segment.merge is '{merge}'; wanted: one of {', '.join(MERGES)}")
    recipes = [
        Recipe(str(name), _ratios(channels, str(name), ratios), "sum")
        for name, ratios in (options.get("composite") or {}).items()
    ]
    names = [str(channel) for channel in channels] + [recipe.name for recipe in recipes]
    wanted = dict(settings.get("channels") or {})
    merged = {}
    for role in ROLES:
        if isinstance(wanted.get(role), (list, tuple)):
            merged[role] = [_index(names, role, name) for name in wanted.pop(role)]
            wanted[role] = None
    chosen = _roles(names, wanted, merged)
    for role, members in merged.items():
        if len(members) == 1:
            chosen[role] = members[0]
            continue
        chosen[role] = len(channels) + len(recipes)
        recipes.append(_merge_of(role, members, merge, recipes, len(channels)))
    return Plan(
        chosen,
        tuple(recipes),
        float(options.get("gaussian_um", 0.0)),
        float(options.get("gamma", 1.0)),
        bool(options.get("equalise", False)),
    )


def _roles(
    names: Sequence[str], wanted: Mapping[str, Any], merged: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    if "nucleus" not in merged:
        return roles(names, wanted)
    # Any channel stands in while the others are looked up; the merged one replaces it.
    return roles(names, {**wanted, "nucleus": 0})


def _index(names: Sequence[str], role: str, name: Any) -> int:
    return roles(names, {"nucleus": 0, "cytoplasm": None, "membrane": None, role: name})[role]


def _ratios(channels: Sequence[str], name: str, ratios: Mapping[str, float]) -> dict[int, float]:
    unknown = [channel for channel in ratios if channel not in channels]
    if unknown or not ratios:
        raise VitrailError(
            f"segment.preprocess.composite.{name} mixes '{unknown[0] if unknown else ''}', but the "
            f"slide has the channels {', '.join(map(str, channels))}"
        )
    return {list(channels).index(channel): float(ratio) for channel, ratio in ratios.items()}


def _merge_of(
    role: str, members: Sequence[int], merge: str, recipes: Sequence[Recipe], own: int
) -> Recipe:
    """Recipe that merges channels; composites among them are not merged further."""
    if any(member >= own for member in members):
        names = ", ".join(recipe.name for recipe in recipes)
        raise VitrailError(
            f"segment.channels.{role} merges a composite ({names}); wanted: channels of the slide, "
            "or one composite that mixes them all"
        )
    return Recipe(f"merged {role}", dict.fromkeys(members, 1.0), merge)
