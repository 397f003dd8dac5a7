"""A format entry of the config as typed values; the defaults are those of ``formats.generic``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vitrail.errors import VitrailError

T = TypeVar("T")
Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Placement:
    """How positions in a file map to micrometres on the slide (see `readers.placement`)."""

    unit: str = "micrometre"
    affine: Matrix | None = None
    origin: tuple[float, float] = (0.0, 0.0)
    flip_y: bool = False
    half_pixel: bool = False


@dataclass(frozen=True)
class ImageFormat:
    """What the image files hold."""

    channels: tuple[str, ...] | None = None
    files: str | tuple[dict[str, Any], ...] = "channels"
    axes: str | None = None
    origin: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class TranscriptFormat:
    """Columns and placement of the transcript table."""

    columns: Mapping[str, str | None]
    no_cell: tuple[str, ...] = ("", "0", "-1", "UNASSIGNED")
    delimiter: str | None = None
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True)
class BoundaryFormat:
    """Columns and placement of given outlines."""

    columns: Mapping[str, str | None]
    plane: int | str | None = None
    grow_px: float = 0.0
    delimiter: str | None = None
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True)
class TableFormat:
    """Columns and unit of a table of cells."""

    columns: Mapping[str, str | None]
    obsm: str | None = "spatial"
    counts: str | None = "X"
    unit: str = "micrometre"
    delimiter: str | None = None


TRANSCRIPT_COLUMNS: Mapping[str, str | None] = {
    "x": "x",
    "y": "y",
    "gene": "gene",
    "z": None,
    "quality": None,
    "cell": None,
}
BOUNDARY_COLUMNS: Mapping[str, str | None] = {
    "cell": "cell_id",
    "x": "x",
    "y": "y",
    "geometry": None,
    "plane": None,
}
TABLE_COLUMNS: Mapping[str, str | None] = {
    "x": "x",
    "y": "y",
    "cell_type": "cell_type",
    "area": None,
    "cell": None,
}


def image_format(entry: Mapping[str, Any]) -> ImageFormat:
    """The part ``image`` of a format entry."""
    values = dict(entry.get("image") or {})
    for key in ("channels", "origin"):
        if values.get(key) is not None:
            values[key] = tuple(values[key])
    if isinstance(values.get("files"), list):
        values["files"] = tuple(values["files"])
    made = _make(ImageFormat, values, "image")
    if isinstance(made.files, str) and made.files not in ("channels", "planes"):
        raise VitrailError(
            f"image.files is '{made.files}', wanted 'channels', 'planes' or one "
            "{channel, z} for each file."
        )
    return made


def transcript_format(entry: Mapping[str, Any]) -> TranscriptFormat:
    """The part ``transcripts`` of a format entry."""
    values = dict(entry.get("transcripts") or {})
    placement = _take_placement(values, "transcripts")
    columns = _columns(values.pop("columns", None), TRANSCRIPT_COLUMNS, "transcripts")
    if values.get("no_cell") is not None:
        values["no_cell"] = tuple(str(value) for value in values["no_cell"])
    return _make(
        TranscriptFormat, {**values, "columns": columns, "placement": placement}, "transcripts"
    )


def boundary_format(entry: Mapping[str, Any], kind: str) -> BoundaryFormat:
    """How outlines of ``cells`` or ``nuclei`` are given: those of nuclei as cells, but for ..."""
    from vitrail.settings import merge

    values = dict(entry.get("boundaries") or {})
    if kind == "nuclei":
        values = merge(values, entry.get("nucleus_boundaries") or {})
    placement = _take_placement(values, "boundaries")
    columns = _columns(values.pop("columns", None), BOUNDARY_COLUMNS, "boundaries")
    return _make(
        BoundaryFormat, {**values, "columns": columns, "placement": placement}, "boundaries"
    )


def table_format(entry: Mapping[str, Any]) -> TableFormat:
    """The part ``table`` of a format entry."""
    values = dict(entry.get("table") or {})
    columns = _columns(values.pop("columns", None), TABLE_COLUMNS, "table")
    made = _make(TableFormat, {**values, "columns": columns}, "table")
    _check_unit(made.unit, "table")
    return made


def _take_placement(values: dict[str, Any], part: str) -> Placement:
    names = [item.name for item in dataclasses.fields(Placement)]
    given = {name: values.pop(name) for name in names if name in values}
    if given.get("affine") is not None:
        given["affine"] = _matrix(given["affine"], part)
    if given.get("origin") is not None:
        given["origin"] = tuple(float(value) for value in given["origin"])
    made = _make(Placement, given, part)
    _check_unit(made.unit, part)
    return made


def _check_unit(unit: str, part: str) -> None:
    if unit not in ("micrometre", "pixel"):
        raise VitrailError(f"{part}.unit is '{unit}', wanted 'micrometre' or 'pixel'.")


def _matrix(rows: Any, part: str) -> Matrix:
    try:
        values = [[float(value) for value in row] for row in rows]
        (a, b, c), (d, e, f) = values[:2]
        if len(values) == 3 and values[2] != [0.0, 0.0, 1.0]:
            raise ValueError
        if len(values) > 3 or a * e == b * d:
            raise ValueError
    except (TypeError, ValueError):
        raise VitrailError(
            f"{part}.affine is {rows!r}, wanted two rows of three numbers that can be inverted "
            "(or three rows, the last 0, 0, 1)."
        ) from None
    return (a, b, c), (d, e, f)


def _columns(
    given: Mapping[str, Any] | None, defaults: Mapping[str, str | None], part: str
) -> dict[str, str | None]:
    unknown = sorted(set(given or {}) - set(defaults))
    if unknown:
        raise VitrailError(
            f"{part}.columns has the key '{unknown[0]}', known are {', '.join(defaults)}."
        )
    return {**defaults, **(given or {})}


def _make(kind: type[T], values: dict[str, Any], part: str) -> T:
    known = [item.name for item in dataclasses.fields(kind)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise VitrailError(
            f"the format's part '{part}' has the unknown key '{unknown[0]}', known are "
            f"{', '.join(known)}."
        )
    return kind(**values)
