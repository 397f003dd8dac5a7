"""Tables of images with labels: what networks are trained and segmenters are evaluated on."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError

REQUIRED = ("image", "labels", "domain", "split")
OPTIONAL = ("channels", "min_area")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    image
        Path of an image that `vitrail.readers` can read.
    labels
        Path of its label image, or empty where there is none.
    domain
        Name of the set, or of the part of a set, that it is one of.
    split
        `train`, `validation` or `test`.
    channels
        Numbers of the channels that a network sees: what is labelled, then nuclei if there are two.
    min_area
        Labelled objects of fewer pixels are debris, and left out.
    """

    image: str
    labels: str
    domain: str
    split: str
    channels: tuple[int, ...] = (0,)
    min_area: int = 0


def read_table(path: str | Path) -> list[Row]:
    """Read a table of examples: tab separated, with a header.

    Paths are relative to the table's folder.

    Raises
    ------
    VitrailError
        Where a column is missing or unknown, a value is not what it must be, a file does not
        exist, or an image is listed twice.
    """
    path = Path(path)
    if not path.exists():
        raise VitrailError(f"{path} does not exist; wanted: a table of images and labels")
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
        file.seek(0)
        header = file.readline().rstrip("\r\n").split("\t")
    unknown = [c for c in header if c not in REQUIRED + OPTIONAL]
    missing = [c for c in REQUIRED if c not in header]
    if missing or unknown:
        raise VitrailError(
            f"{path} has the columns {', '.join(header)}; wanted: {', '.join(REQUIRED)} and, if "
            f"need be, {', '.join(OPTIONAL)}"
        )
    rows = [_row(path, number, line) for number, line in enumerate(lines, start=2)]
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if row.image in seen:
            raise VitrailError(
                f"{path}: row {number} has the image of row {seen[row.image]}; wanted: each once"
            )
        seen[row.image] = number
    return rows


def write_table(path: str | Path, rows: Iterable[Row]) -> None:
    """Write a table that `read_table` reads, with paths as they are in the rows."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(REQUIRED + OPTIONAL)
        for row in rows:
            channels = ",".join(str(channel) for channel in row.channels)
            writer.writerow([row.image, row.labels, row.domain, row.split, channels, row.min_area])


def read_image(row: Row) -> npt.NDArray[Any]:
    """Channels that a network sees, (1 or 2, y, x) of the file's dtype."""
    from vitrail.readers.raster_file import open_raster

    file = open_raster(row.image, None)
    planes = np.concatenate(
        [file.read(group, 0, 0, file.shape[0]) for group in range(len(file.groups))]
    )
    if max(row.channels) >= len(planes):
        raise VitrailError(
            f"{row.image} has {len(planes)} channels; wanted: the channels "
            f"{', '.join(map(str, row.channels))} of the table, counted from 0"
        )
    return planes[list(row.channels)]


def read_labels(row: Row) -> npt.NDArray[np.int32]:
    """Labels int32 (y, x) without those of fewer than `min_area` pixels."""
    from vitrail.readers.labels import LabelSource
    from vitrail.readers.raster_file import open_raster

    source = LabelSource(open_raster(row.labels, None), None)
    labels = source.read(0, source.shape[0], 0, source.shape[1])
    if row.min_area > 1:
        _, number, area = np.unique(labels, return_inverse=True, return_counts=True)
        labels = np.where(area[number.reshape(labels.shape)] < row.min_area, 0, labels)
    return labels.astype(np.int32)


def _row(path: Path, number: int, line: dict[str, Any]) -> Row:
    def fail(column: str, wanted: str) -> VitrailError:
        return VitrailError(
            f"{path}: row {number}, column {column} is {line.get(column)!r}; wanted: {wanted}"
        )

    if None in line or None in line.values():
        raise VitrailError(f"{path}: row {number} has more or fewer values than the header")
    if line["split"] not in SPLITS:
        raise fail("split", ", ".join(SPLITS))
    if not line["domain"]:
        raise fail("domain", "a name")
    places = {}
    for column in ("image", "labels"):
        place = path.parent / line[column]
        if not line[column] and column == "labels":
            places[column] = ""
        elif place.is_file():
            places[column] = str(place)
        else:
            raise fail(column, "a file that exists")
    channels = (line.get("channels") or "0").split(",")
    if not all(c.strip().isdigit() for c in channels) or len(channels) > 2:
        raise fail("channels", "one or two channel numbers from 0, as in 1,0")
    area = line.get("min_area") or "0"
    if not area.isdigit():
        raise fail("min_area", "a number of pixels")
    numbers = tuple(int(c) for c in channels)
    return Row(places["image"], places["labels"], line["domain"], line["split"], numbers, int(area))
