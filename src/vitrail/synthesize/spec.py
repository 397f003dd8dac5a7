"""What a synthetic cohort is made of: the spec file, read and checked."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from vitrail.errors import VitrailError

ARRANGEMENTS = ("inside", "border")
NICHES = ("nest", "immune", "vessel", "stroma")


@dataclass(frozen=True)
class CellType:
    """One cell type: how frequent, how it looks and which genes mark it.

    Attributes
    ----------
    share
        Share of the slide's cells, exact on every slide.
    niche
        `nest` (fills the nests), `immune` (placed by the condition's arrangement), `vessel`
        (patches outside of nests) or `stroma` (what remains).
    radius
        Radius in micrometres of a circle of the free cell's area.
    spread
        Standard deviation of the logarithm of the radius.
    aspect
        Length over width.
    nucleus
        Radius of the nucleus over that of the cell.
    dapi, body
        Brightness of nucleus and cell body, relative to the image's `nucleus` and `body`.
    markers
        Marker genes.
    """

    share: float
    niche: str
    radius: float
    spread: float
    aspect: float
    nucleus: float
    markers: tuple[str, ...]
    dapi: float = 1.0
    body: float = 1.0


@dataclass(frozen=True)
class Tissue:
    """Where cells lie.

    Attributes
    ----------
    density
        Cells per square millimetre of slide.
    spacing
        Smallest distance in micrometres between cell centres in the densest and in the sparsest
        tissue.
    sparse
        Chance of a cell in the sparsest tissue relative to the densest.
    empty
        Share of the slide without tissue, roughly.
    nest_size
        Typical width of a nest in micrometres.
    nest_variation
        Standard deviation of the logarithm of `nest_size` between patients.
    border
        Width in micrometres of the rim around nests that excluded immune cells keep to.
    leak
        Weight of a place that the arrangement avoids, relative to one that it seeks.
    """

    density: float = 4600.0
    spacing: tuple[float, float] = (6.6, 13.0)
    sparse: float = 0.12
    empty: float = 0.06
    nest_size: float = 150.0
    nest_variation: float = 0.2
    border: float = 25.0
    leak: float = 0.02


@dataclass(frozen=True)
class Image:
    """How the slide is seen: grey values of a uint16 camera, lengths in micrometres.

    Attributes
    ----------
    channels
        Names of the nuclear channel and of the one that shows the cell bodies.
    nucleus, body
        Grey values of a nucleus and of a cell body of relative brightness 1.
    level_spread
        Standard deviation of the logarithm of the brightness between cells, nucleus and body.
    offset
        Grey value without light.
    haze
        Grey values of the smooth background where it is strongest, per channel.
    blur, defocus
        Standard deviation of the point spread in focus and in out-of-focus patches.
    out_of_focus
        Share of the slide that lies in out-of-focus patches.
    shading
        Relative amplitude of uneven illumination.
    texture
        Relative standard deviation of chromatin and cytoplasm before the blur, per 0.5 um.
    ghosts
        Out-of-plane nuclei per square millimetre; blurred, and no cells.
    ghost_level
        Largest brightness of such a nucleus relative to `nucleus`.
    gain
        Noise variance per grey value above the offset.
    read_noise
        Standard deviation of the noise without light.
    """

    channels: tuple[str, str] = ("DAPI", "polyT")
    nucleus: float = 3000.0
    body: float = 1500.0
    level_spread: tuple[float, float] = (0.45, 0.35)
    offset: float = 200.0
    haze: tuple[float, float] = (3600.0, 600.0)
    blur: float = 0.7
    defocus: float = 1.3
    out_of_focus: float = 0.15
    shading: float = 0.25
    texture: tuple[float, float] = (0.5, 0.5)
    ghosts: float = 600.0
    ghost_level: float = 0.35
    gain: float = 10.0
    read_noise: float = 25.0


@dataclass(frozen=True)
class Genes:
    """What is counted.

    Attributes
    ----------
    null_genes, spatial_genes, confounded_genes, control_probes
        Number of genes of each kind (markers come from the cell types).
    null_share
        Share of a cell's transcripts that are of null genes.
    transcripts_per_cell
        Mean number of transcripts planted in a cell.
    count_spread
        Standard deviation of the logarithm of a cell's number of transcripts.
    contrast
        Largest over smallest expression of a spatial gene.
    marker_contrast
        Expression of a marker gene in its own type over that in the others.
    confounding
        Exponent of cell area and of the detection field in the confounded genes.
    background
        Transcripts outside of cells, as a share of those inside, if cells filled the slide.
    controls
        Control probes' transcripts, as a share of those in cells.
    low_quality
        Share of transcripts with a quality below 20.
    """

    null_genes: int = 40
    spatial_genes: int = 16
    confounded_genes: int = 8
    control_probes: int = 8
    null_share: float = 0.4
    transcripts_per_cell: float = 47.0
    count_spread: float = 0.35
    contrast: float = 6.0
    marker_contrast: float = 14.0
    confounding: float = 1.5
    background: float = 0.06
    controls: float = 0.01
    low_quality: float = 0.05


@dataclass(frozen=True)
class Spec:
    """A cohort: conditions, patients, slides, and what each slide is made of.

    Attributes
    ----------
    seed
        Any integer from 0.
    conditions
        Name of a condition to the arrangement of its immune cells: `inside` nests or at the
        `border` outside of them.
    patients
        Patients per condition.
    slides_per_patient
        Slides per patient.
    effect
        0: all conditions alike; 1: each has its own arrangement alone.
    shape
        Height and width of a slide in pixels.
    pixel_size
        Micrometres.
    types
        Name of a cell type to its look.
    """

    seed: int
    conditions: dict[str, str]
    patients: int
    shape: tuple[int, int]
    types: dict[str, CellType]
    slides_per_patient: int = 1
    effect: float = 1.0
    pixel_size: float = 0.5
    tissue: Tissue = field(default_factory=Tissue)
    image: Image = field(default_factory=Image)
    genes: Genes = field(default_factory=Genes)


def read_spec(path: str | Path) -> Spec:
    """Read and check a spec file.

    Raises
    ------
    VitrailError
        Where the file is not valid YAML, or a key is unknown, missing, of the wrong type or out
        of its range.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        raise VitrailError(f"{path}: line {line} is not valid YAML") from None
    return parse_spec(content, str(path))


def parse_spec(content: Any, name: str = "spec") -> Spec:
    """Check a spec given as nested mappings; `name` is what errors call it."""
    spec: Spec = _build(Spec, content, name, "")
    _check(spec, name)
    return spec


def _build(kind: Any, value: Any, name: str, key: str) -> Any:
    """Turn YAML's value into what the annotation `kind` asks for."""
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, name, key)
    origin = get_origin(kind)
    if origin is dict:
        _expect(isinstance(value, Mapping) and len(value) > 0, name, key, value, "a mapping")
        inner = get_args(kind)[1]
        return {str(k): _build(inner, v, name, f"{key}.{k}") for k, v in value.items()}
    if origin is tuple:
        return _build_tuple(get_args(kind), value, name, key)
    wanted = {int: "a whole number", float: "a number", str: "a text"}[kind]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {int: number and value == int(value), float: number, str: isinstance(value, str)}
    _expect(fits[kind], name, key, value, wanted)
    return kind(value)


def _build_tuple(arguments: Sequence[Any], value: Any, name: str, key: str) -> tuple[Any, ...]:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if isinstance(arguments[1], types.EllipsisType):
        _expect(is_list, name, key, value, "a list")
        arguments = [arguments[0]] * len(value)
    wanted = f"a list of {len(arguments)} values"
    _expect(is_list and len(value) == len(arguments), name, key, value, wanted)
    pairs = zip(arguments, value, strict=True)
    return tuple(_build(kind, item, name, key) for kind, item in pairs)


def _build_dataclass(kind: Any, value: Any, name: str, key: str) -> Any:
    _expect(isinstance(value, Mapping), name, key, value, "a mapping")
    hints = get_type_hints(kind)
    prefix = f"{key}." if key else ""
    for given in value:
        if given not in hints:
            known = ", ".join(hints)
            raise VitrailError(f"{name}: key '{prefix}{given}' is unknown; known are {known}")
    for item in dataclasses.fields(kind):
        optional = (
            item.default is not dataclasses.MISSING
            or item.default_factory is not dataclasses.MISSING
        )
        if item.name not in value and not optional:
            raise VitrailError(f"{name}: key '{prefix}{item.name}' is missing")
    return kind(**{k: _build(hints[k], v, name, f"{prefix}{k}") for k, v in value.items()})


def _expect(condition: bool, name: str, key: str, found: Any, wanted: str) -> None:
    if not condition:
        raise VitrailError(f"{name}: key '{key or 'spec'}' is {found!r}; it must be {wanted}")


def _check(spec: Spec, name: str) -> None:
    def at_least(low: float, *keys: str) -> None:
        for key in keys:
            value = _look_up(spec, key)
            values = value if isinstance(value, tuple) else (value,)
            _expect(all(v >= low for v in values), name, key, value, f"at least {low:g}")

    def within(low: float, high: float, *keys: str) -> None:
        for key in keys:
            value = _look_up(spec, key)
            _expect(low <= value <= high, name, key, value, f"from {low:g} to {high:g}")

    at_least(0, "seed", "genes.null_genes", "genes.spatial_genes", "genes.confounded_genes")
    at_least(0, "genes.control_probes", "genes.count_spread", "genes.confounding")
    at_least(1, "patients", "slides_per_patient", "genes.contrast", "genes.marker_contrast")
    at_least(64, "shape")
    within(0, 1, "effect", "tissue.sparse", "tissue.leak", "image.shading", "genes.background")
    within(0, 0.9, "genes.null_share", "image.out_of_focus", "tissue.empty", "genes.low_quality")
    within(0.05, 1, "pixel_size")
    within(0, 1, "genes.controls", "image.ghost_level", "tissue.nest_variation")
    at_least(1, "tissue.density", "tissue.spacing", "tissue.nest_size", "tissue.border")
    at_least(0, "image.nucleus", "image.body", "image.level_spread", "image.offset", "image.haze")
    at_least(0, "image.texture", "image.ghosts", "image.gain", "image.read_noise")
    at_least(0.1, "image.blur", "image.defocus")
    at_least(1, "genes.transcripts_per_cell")
    _check_types(spec, name)
    for condition, arrangement in spec.conditions.items():
        key = f"conditions.{condition}"
        wanted = " or ".join(ARRANGEMENTS)
        _expect(arrangement in ARRANGEMENTS, name, key, arrangement, wanted)
    panel = spec.genes.null_genes + spec.genes.spatial_genes + spec.genes.confounded_genes
    _expect(panel + len(_markers(spec)) > 0, name, "genes", panel, "a panel of at least one gene")


def _check_types(spec: Spec, name: str) -> None:
    total = sum(t.share for t in spec.types.values())
    _expect(abs(total - 1) < 1e-6, name, "types", f"shares that sum to {total:g}", "a sum of 1")
    ranges = {"share": (0, 1), "radius": (1.5, 12), "spread": (0, 0.5), "aspect": (1, 3)}
    ranges |= {"nucleus": (0.2, 0.95), "dapi": (0, 10), "body": (0, 10)}
    for type_name, kind in spec.types.items():
        _expect(kind.niche in NICHES, name, f"types.{type_name}.niche", kind.niche, str(NICHES))
        for key, (low, high) in ranges.items():
            value = getattr(kind, key)
            where = f"types.{type_name}.{key}"
            _expect(low <= value <= high, name, where, value, f"from {low:g} to {high:g}")
    markers = _markers(spec)
    twice = sorted({gene for gene in markers if markers.count(gene) > 1})
    _expect(not twice, name, "types", f"marker genes {twice} twice", "each marker gene once")


def _markers(spec: Spec) -> list[str]:
    return [gene for kind in spec.types.values() for gene in kind.markers]


def _look_up(spec: Spec, key: str) -> Any:
    value: Any = spec
    for part in key.split("."):
        value = getattr(value, part)
    return value
