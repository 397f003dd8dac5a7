"""The genes of a cohort and how strongly each cell expresses them.

A cell's number of transcripts is drawn without regard to type, size or place, and null genes have
the same share of it in every cell: given the total, a null gene's count is binomial with one
chance for all cells. Its values, raw or normalised by the total and transformed, are therefore
exchangeable over the cells, and every permutation test of pattern holds its level. All other
genes share the rest of the total between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vitrail.synthesize.cohort import Slide
from vitrail.synthesize.fields import Field, random_field
from vitrail.synthesize.spec import Spec
from vitrail.synthesize.streams import Purpose, stream
from vitrail.synthesize.tissue import Sites

Float = npt.NDArray[np.float64]

# Sizes in micrometres of the patterns of spatial genes, and of the detection field.
PATTERNS = {"gradient": 350.0, "regions": 120.0, "patches": 55.0, "stripes": 70.0}
DETECTION_SIZE = 160.0
CONFOUNDERS = ("area", "detection", "type")


@dataclass(frozen=True)
class Panel:
    """Genes and control probes of a cohort.

    Attributes
    ----------
    genes
        Names of all genes; control probes apart.
    kind
        `null`, `spatial`, `confounded` or `marker`, one a gene.
    driver
        What drives each gene: a pattern, a confounder, the cell type it marks, or "".
    share
        (g,) share of a mean cell's transcripts, before patterns.
    nuclear
        (g,) share of a gene's transcripts that lie in the nucleus.
    controls
        Names of the control probes.
    """

    genes: list[str]
    kind: list[str]
    driver: list[str]
    share: Float
    nuclear: Float
    controls: list[str]

    @cached_property
    def null(self) -> npt.NDArray[np.bool_]:
        """(g,) which genes are null."""
        return np.array([k == "null" for k in self.kind], dtype=bool)


def make_panel(spec: Spec) -> Panel:
    """The cohort's panel: names say nothing about kinds, except for marker genes."""
    rng = stream(spec.seed, 0, Purpose.PANEL)
    wanted = spec.genes
    kinds = ["null"] * wanted.null_genes + ["spatial"] * wanted.spatial_genes
    kinds += ["confounded"] * wanted.confounded_genes
    drivers = [""] * wanted.null_genes
    drivers += [list(PATTERNS)[i % len(PATTERNS)] for i in range(wanted.spatial_genes)]
    drivers += [CONFOUNDERS[i % len(CONFOUNDERS)] for i in range(wanted.confounded_genes)]
    order = rng.permutation(len(kinds))
    names = [f"GENE{i + 1:03d}" for i in range(len(kinds))]
    kind, driver = [kinds[i] for i in order], [drivers[i] for i in order]
    for name, cell_type in spec.types.items():
        names += cell_type.markers
        kind += ["marker"] * len(cell_type.markers)
        driver += [name] * len(cell_type.markers)
    weight = np.exp(0.6 * rng.standard_normal(len(names)).clip(-2, 2))
    share = _shares(weight, np.array([k == "null" for k in kind], dtype=bool), wanted.null_share)
    nuclear = rng.uniform(0.2, 0.7, len(names))
    controls = [f"NegControlProbe_{i + 1:04d}" for i in range(wanted.control_probes)]
    return Panel(names, kind, driver, share, nuclear, controls)


def _shares(weight: Float, null: npt.NDArray[np.bool_], null_share: float) -> Float:
    """Shares that sum to 1, null genes to `null_share` where there are others."""
    if null.all() or not null.any():
        return weight / weight.sum()
    total = np.where(null, weight[null].sum(), weight[~null].sum())
    return weight / total * np.where(null, null_share, 1 - null_share)


def expression(
    spec: Spec, slide: Slide, panel: Panel, sites: Sites, size: Float
) -> npt.NDArray[np.float64]:
    """Share of each gene in each cell's transcripts.

    Parameters
    ----------
    spec, slide, panel
        The slide.
    sites
        Its n cells.
    size
        (n,) their areas over the slide's median area.

    Returns
    -------
    (n, g) float64, rows sum to 1; columns of null genes are constant.
    """
    factors = np.ones((sites.x.size, len(panel.genes)))
    detection = random_field(_field_stream(spec, slide, 2), DETECTION_SIZE)(sites.x, sites.y)
    for g, (kind, driver) in enumerate(zip(panel.kind, panel.driver, strict=True)):
        if kind == "marker":
            own = sites.type == list(spec.types).index(driver)
            factors[:, g] = np.where(own, spec.genes.marker_contrast, 1.0)
        elif kind == "spatial":
            factors[:, g] = spec.genes.contrast ** _pattern(spec, slide, g, driver, sites)
        elif kind == "confounded":
            level = {
                "area": np.log(np.maximum(size, 1e-3)),
                "detection": 0.5 * detection,
                "type": _type_levels(spec, g)[sites.type],
            }[driver]
            factors[:, g] = np.exp(spec.genes.confounding * level)
    expected = panel.share * factors
    others = ~panel.null
    if others.any():
        rest = 1 - panel.share[panel.null].sum()
        expected[:, others] *= rest / expected[:, others].sum(axis=1, keepdims=True)
    return expected


def relative_size(area: Float) -> Float:
    """Areas over their median."""
    return area / max(float(np.median(area)), 1e-9)


def _field_stream(spec: Spec, slide: Slide, *key: int) -> np.random.Generator:
    return stream(spec.seed, slide.number, Purpose.FIELD, *key)


def _pattern(spec: Spec, slide: Slide, gene: int, driver: str, sites: Sites) -> Float:
    """Strength of a spatial gene's pattern at each cell, 0 to 1."""
    rng = _field_stream(spec, slide, 3, gene)
    field = random_field(rng, PATTERNS[driver])
    if driver == "stripes":
        one = Field(field.kx[:1], field.ky[:1], field.phase[:1])
        return np.asarray(0.5 + one(sites.x, sites.y) / np.sqrt(8))
    return np.asarray(1 / (1 + np.exp(-3 * field(sites.x, sites.y))))


def _type_levels(spec: Spec, gene: int) -> Float:
    """Log level of a gene in each cell type, the same on all slides."""
    rng = stream(spec.seed, 0, Purpose.PANEL, gene)
    return np.linspace(-0.5, 0.5, len(spec.types))[rng.permutation(len(spec.types))]


def draw_counts(
    spec: Spec, slide: Slide, panel: Panel, shares: Float, block: tuple[int, int]
) -> npt.NDArray[np.int64]:
    """Planted counts of one block's cells.

    Parameters
    ----------
    spec, slide, panel
        The slide.
    shares
        (m, g) rows of `expression` for the block's cells, in label order.
    block
        Row and column of the block.

    Returns
    -------
    (m, g) int64.
    """
    rng = stream(spec.seed, slide.number, Purpose.COUNTS, *block)
    spread = spec.genes.count_spread
    middle = np.log(spec.genes.transcripts_per_cell) - spread**2 / 2
    totals = np.exp(middle + spread * rng.standard_normal(len(shares)))
    totals = np.maximum(np.rint(totals), 1).astype(np.int64)
    # Rounding may lift the sum of a row above 1 by an ulp, which the sampler refuses.
    return rng.multinomial(totals, shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0))
