"""Readers ``phenocycler`` and ``imc``: an image of many stains, without transcripts.

Names of stains are the image's own (OME, QPTIFF or ImageJ metadata), else those of the list beside
it. Names that occur again, as those of empty cycles do, are numbered.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vitrail.errors import VitrailError
from vitrail.readers import paths
from vitrail.readers.delimited import column_names, read_batches
from vitrail.readers.format import image_format
from vitrail.readers.generic import GenericSource
from vitrail.readers.image import ImageSource, image_of
from vitrail.readers.raster_file import open_raster
from vitrail.readers.tiff import TiffRaster

# Columns of a table of stains: its name, and whether its channel was kept.
NAME_COLUMNS = ("name", "marker_name", "marker")
KEPT_COLUMN = "keep"
KEPT = ("1", "1.0", "True", "true", "TRUE")
# What stands for a name that a panel leaves empty: the metal.
CHANNEL_COLUMN = "channel"


class StainsSource(GenericSource):
    """An image of many stains (contract: `registry.SlideSource`)."""

    def __init__(self, row: Mapping[str, Any], entry: Mapping[str, Any], threads: int = 1) -> None:
        self.listed = paths(row["described_by"])
        super().__init__(row, entry, threads)

    def open_image(self, files: list[str]) -> ImageSource:
        """The image, its channels named."""
        form = image_format(self.entry)
        several = len(files) == 1 and TiffRaster.unnamed_pages(files[0])
        rasters = [
            open_raster(path, form.axes or ("CYX" if several else None), self.threads)
            for path in files
        ]
        if form.channels is None and len(rasters) == 1:
            raster = rasters[0]
            names = raster.names
            if names is None and self.listed:
                names = read_names(self.listed[0])
                if len(names) != sum(raster.groups):
                    raise VitrailError(
                        f"{self.listed[0]}: names {len(names)} stains, wanted "
                        f"{sum(raster.groups)} as {files[0]} has."
                    )
            raster.names = None if names is None else numbered(names)
        return image_of(rasters, form, self.z)


def read_names(path: str) -> list[str]:
    """Names of stains: one a line, or a table's column of names where it says which were kept."""
    if not path.endswith(".csv"):
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            value = error.object[error.start]
            raise VitrailError(
                f"{path}: is not text in UTF-8 (byte {error.start} is {value}), "
                "wanted the names of the stains in that encoding."
            ) from None
        return [line.strip() for line in lines if line.strip()]
    found = column_names(path)
    name = next((column for column in NAME_COLUMNS if column in found), None)
    if name is None:
        raise VitrailError(
            f"{path}: has no column {' or '.join(NAME_COLUMNS)} (found {', '.join(found)}), wanted "
            "the names of the stains."
        )
    columns = [name, *(other for other in (KEPT_COLUMN, CHANNEL_COLUMN) if other in found)]
    wanted = dict.fromkeys(columns, pa.string())
    empty = pa.schema(list(wanted.items())).empty_table()
    table = pa.concat_tables([empty, *read_batches(path, wanted)])
    if KEPT_COLUMN in found:
        table = table.filter(pc.is_in(table[KEPT_COLUMN], value_set=pa.array(KEPT)))
    names = table[name].to_pylist()
    if CHANNEL_COLUMN in found:
        metals = table[CHANNEL_COLUMN].to_pylist()
        names = [own or metal for own, metal in zip(names, metals, strict=True)]
    unnamed = next((k for k, own in enumerate(names) if not own), None)
    if unnamed is not None:
        raise VitrailError(
            f"{path}: column '{name}' is empty for channel {unnamed} of those kept (counted from "
            "0), wanted the name of its stain."
        )
    return names


def numbered(names: list[str]) -> list[str]:
    """Names, each once: the second DAPI becomes ``DAPI_2``.

    >>> numbered(["DAPI", "CD3", "DAPI", "DAPI_2"])
    ['DAPI', 'CD3', 'DAPI_3', 'DAPI_2']
    """
    seen: set[str] = set()
    result = []
    for name in names:
        count, chosen = 1, name
        while chosen in seen or (count > 1 and chosen in names):
            count += 1
            chosen = f"{name}_{count}"
        seen.add(chosen)
        result.append(chosen)
    return result
