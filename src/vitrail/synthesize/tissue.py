"""The cells of a slide: where they lie, of which type they are and what shape they have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.synthesize.cohort import Slide
from vitrail.synthesize.fields import Field, random_field
from vitrail.synthesize.outlines import Outlines, shrinkage
from vitrail.synthesize.placement import throw_darts
from vitrail.synthesize.spec import Spec, Tissue
from vitrail.synthesize.streams import Purpose, stream

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int32]

# Edge in pixels of the blocks that give cells and transcripts their order.
BLOCK = 512


@dataclass(frozen=True)
class Cells:
    """The planted cells of a slide, in the order of their labels 1 .. n.

    Attributes
    ----------
    x, y
        (n,) centres in micrometres.
    type
        (n,) position in the spec's types.
    nest
        (n,) distance in micrometres to the border of the nests, about; positive inside.
    outline, nucleus
        Shapes of cell bodies and nuclei.
    dapi, body
        (n,) grey values of nucleus and body.
    """

    x: Float
    y: Float
    type: Int
    nest: Float
    outline: Outlines
    nucleus: Outlines
    dapi: Float
    body: Float


@dataclass(frozen=True)
class Sites:
    """Typed cell centres without shapes, in label order."""

    x: Float
    y: Float
    type: Int
    nest: Float


def place_cells(spec: Spec, slide: Slide) -> Sites:
    """Centres and types of a slide's cells.

    Every slide has the same number of cells and exactly the spec's share of each type, whatever
    its condition; the centres do not depend on the condition at all.

    Raises
    ------
    VitrailError
        Where the density that the spec asks for does not fit its spacing.
    """
    nests, crowding = _tissue_fields(spec, slide)
    x, y = _centres(spec, slide, nests, crowding)
    order = _label_order(x, y, spec)
    x, y = x[order], y[order]
    level = nests(x, y)
    types, threshold = _types(spec, slide, x, y, level, nests.slope(x, y))
    return Sites(x, y, types, _border_distance(level, threshold, nests.slope(x, y)))


def shape_cells(spec: Spec, slide: Slide, sites: Sites) -> Cells:
    """Give each centre the shape, nucleus and brightness of its type."""
    rng = stream(spec.seed, slide.number, Purpose.SHAPES)
    n = sites.x.size
    types = list(spec.types.values())

    def of_type(name: str) -> Float:
        return np.array([getattr(t, name) for t in types], dtype=np.float64)[sites.type]

    radius = of_type("radius") * np.exp(of_type("spread") * rng.standard_normal(n))
    aspect = np.maximum(of_type("aspect") * np.exp(0.12 * rng.standard_normal(n)), 1.0)
    angle = rng.uniform(0, np.pi, n)
    wobble = 0.07 * rng.standard_normal((2, n)).clip(-2, 2)
    free = Outlines.of(sites.x, sites.y, radius, aspect, angle, wobble)
    radius = radius * shrinkage(free)
    outline = Outlines.of(sites.x, sites.y, radius, aspect, angle, wobble)
    share = of_type("nucleus") * np.exp(0.08 * rng.standard_normal(n))
    inner = radius * np.minimum(share, 0.95)
    away, towards = 0.5 * (radius - inner) * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    nucleus = Outlines.of(
        sites.x + away * np.cos(towards) / np.sqrt(aspect),
        sites.y + away * np.sin(towards) / np.sqrt(aspect),
        inner,
        aspect**0.9,
        angle + 0.15 * rng.standard_normal(n),
        0.05 * rng.standard_normal((2, n)).clip(-2, 2),
    )
    spread = np.array(spec.image.level_spread)[:, None]
    # Mean-preserving is not wanted: the level is the median cell's.
    levels = np.exp(spread * rng.standard_normal((2, n)).clip(-2.5, 2.5))
    dapi = spec.image.nucleus * of_type("dapi") * levels[0]
    body = spec.image.body * of_type("body") * levels[1]
    return Cells(sites.x, sites.y, sites.type, sites.nest, outline, nucleus, dapi, body)


def _tissue_fields(spec: Spec, slide: Slide) -> tuple[Field, Field]:
    """Nests and crowding of one slide; how large its nests are is the patient's own."""
    patient = stream(spec.seed, slide.patient, Purpose.PATIENT)
    size = spec.tissue.nest_size * np.exp(spec.tissue.nest_variation * patient.standard_normal())
    rng = stream(spec.seed, slide.number, Purpose.FIELD, 0)
    return random_field(rng, size), random_field(rng, 1.5 * spec.tissue.nest_size)


def _centres(spec: Spec, slide: Slide, nests: Field, crowding: Field) -> tuple[Float, Float]:
    tissue = spec.tissue
    height, width = (edge * spec.pixel_size for edge in spec.shape)
    count = max(round(tissue.density * 1e-6 * height * width), 1)
    rng = stream(spec.seed, slide.number, Purpose.DARTS)

    def closeness(x: Float, y: Float) -> Float:
        raw = 1.5 * crowding(x, y) + 1.2 * nests(x, y)
        return np.asarray(1 / (1 + np.exp(-raw)))

    x, y = throw_darts(
        rng, count, (width, height), tissue.spacing, closeness, lambda c: _chance(tissue, c)
    )
    if x.size < count:
        raise VitrailError(
            f"the spec asks for {count} cells on slide {slide.name} (tissue.density "
            f"{tissue.density:g}) but only {x.size} fit at tissue.spacing {list(tissue.spacing)}; "
            "lower one of the two"
        )
    return x, y


def _chance(tissue: Tissue, closeness: Float) -> Float:
    """Chance that a dart sticks: none in empty parts, then from `sparse` up to 1."""
    # The closeness' raw value has variance 1.5^2 + 1.2^2; its lower quantile bounds the tissue.
    low = 1 / (1 + np.exp(-1.92 * _normal_quantile(tissue.empty))) if tissue.empty else 0.0
    return np.where(closeness < low, 0.0, tissue.sparse + (1 - tissue.sparse) * closeness)


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def _label_order(x: Float, y: Float, spec: Spec) -> npt.NDArray[np.int64]:
    """Block by block in row-major order, from top to bottom within a block."""
    row, column = block_of(x, y, spec.pixel_size)
    return np.lexsort((x, y, column, row))


def block_of(x: Float, y: Float, pixel_size: float) -> tuple[npt.NDArray, npt.NDArray]:
    """Row and column of the block that holds each position."""
    edge = BLOCK * pixel_size
    return (y // edge).astype(np.int64), (x // edge).astype(np.int64)


def type_counts(spec: Spec, cells: int) -> list[int]:
    """Cells of each type among `cells`: the shares by largest remainder."""
    exact = np.array([t.share for t in spec.types.values()]) * cells
    counts = np.floor(exact).astype(int)
    most = np.argsort(counts - exact, kind="stable")[: cells - counts.sum()]
    counts[most] += 1
    return [int(c) for c in counts]


def _types(
    spec: Spec, slide: Slide, x: Float, y: Float, level: Float, slope: Float
) -> tuple[Int, float]:
    """Type of each cell, and the level of the nests' border.

    Immune cells first: drawn without replacement by the arrangement's weights. Nest cells fill
    the highest levels that are left, vessel cells patches, and stroma the rest.
    """
    rng = stream(spec.seed, slide.number, Purpose.TYPES)
    counts = type_counts(spec, x.size)
    niches = [t.niche for t in spec.types.values()]
    gumbel = rng.gumbel(size=(len(counts), x.size))
    share = sum(t.share for t in spec.types.values() if t.niche == "nest")
    # The border as it would be without immune cells, the same in every condition.
    threshold = float(np.quantile(level, 1 - share)) if share < 1 else float(level.min())
    distance = _border_distance(level, threshold, slope)
    patches = random_field(rng, 0.5 * spec.tissue.nest_size)(x, y)
    score = {
        "immune": np.log(_arrangement(spec, slide, distance)),
        "nest": level / max(float(level.std()), 1e-9) * 20,
        "vessel": 2.5 * patches - 3.0 * (distance > 0),
        "stroma": np.zeros(x.size),
    }
    types = np.full(x.size, -1, dtype=np.int32)
    for niche in ("immune", "nest", "vessel", "stroma"):
        for code in (i for i, n in enumerate(niches) if n == niche):
            free = np.flatnonzero(types < 0)
            key = (score[niche] + gumbel[code])[free]
            types[free[np.argsort(-key, kind="stable")[: counts[code]]]] = code
    return types, threshold


def _arrangement(spec: Spec, slide: Slide, distance: Float) -> Float:
    """Weight of each place for an immune cell of the slide's patient."""
    leak, rim = spec.tissue.leak, spec.tissue.border
    seeks = {"inside": distance > 0, "border": (distance <= 0) & (distance > -rim)}
    weight = {name: np.where(where, 1.0, leak) for name, where in seeks.items()}
    weight = {name: w / w.sum() for name, w in weight.items()}
    common = 0.5 * (weight["inside"] + weight["border"])
    own = weight[spec.conditions[slide.condition]]
    return np.asarray((1 - spec.effect) * common + spec.effect * own)


def _border_distance(level: Float, threshold: float, slope: Float) -> Float:
    """Distance to the border of the nests to first order, positive inside."""
    return (level - threshold) / np.maximum(slope, 1e-4)
