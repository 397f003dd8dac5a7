"""Transcripts for the viewer, ``transcripts.zarr.zip``: a grid of tiles a level of detail.

Level 0 holds all transcripts in tiles of 250 um; each further level a quarter of the one before in
tiles of twice the edge, until one tile holds all. Which transcripts a level keeps depends on their
numbers alone. Rows wait in one file a row of tiles, so that memory follows a row of tiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vitrail.explorer.archive import Archive

TILE_UM = 250.0
MAX_LEVELS = 15
NOTHING = 65535
ROW = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("gene", "<u2"), ("quality", "<f4"), ("id", "<u8")]
)
Rows = npt.NDArray[Any]


class Bands:
    """Rows of one level, each in the file of its row of tiles."""

    def __init__(self, folder: Path, level: int) -> None:
        self.tile = TILE_UM * 2**level
        self._folder = folder
        self._level = level
        self._files: dict[int, BinaryIO] = {}

    def add(self, rows: Rows) -> None:
        """Add rows in any order."""
        band = np.maximum(rows["y"] // self.tile, 0).astype(np.int64)
        order = np.argsort(band, kind="stable")
        rows, band = rows[order], band[order]
        for part in np.split(rows, np.flatnonzero(np.diff(band)) + 1):
            if len(part):
                self._file(int(max(part["y"][0] // self.tile, 0))).write(part.tobytes())

    def __iter__(self) -> Iterator[tuple[int, Rows]]:
        """Rows of each band from the top, in the order in which they came."""
        for band in sorted(self._files):
            file = self._files[band]
            file.close()
            path = Path(file.name)
            yield band, np.fromfile(path, dtype=ROW)
            path.unlink()

    def _file(self, band: int) -> BinaryIO:
        if band not in self._files:
            self._files[band] = open(self._folder / f"{self._level}-{band}", "wb")  # noqa: SIM115
        return self._files[band]


def write_transcripts(path: Path, genes: list[str], batches: Iterable[Rows]) -> int:
    """Write the transcripts of a sample.

    Parameters
    ----------
    path
        File to be made.
    genes
        Names that the rows' codes stand for.
    batches
        Rows (dtype `ROW`), x and y in micrometres from the image's corner.

    Returns
    -------
    Number of transcripts.
    """
    with TemporaryDirectory(dir=path.parent) as folder:
        level0 = Bands(Path(folder), 0)
        count = 0
        for rows in batches:
            level0.add(rows)
            count += len(rows)
        with Archive(path) as archive:
            archive.group("", _attributes(genes, count))
            _write_levels(archive, level0, Path(folder))
    return count


def _write_levels(archive: Archive, bands: Bands, folder: Path) -> None:
    """Tiles of all levels, then the group that names them."""
    grids: dict[str, Any] = {
        "grid_key_names": ["grid_x_loc", "grid_y_loc"],
        "grid_zip": False,
        "grid_size": [TILE_UM],
        "grid_array_shapes": [],
        "grid_number_objects": [],
        "grid_keys": [],
    }
    for level in range(MAX_LEVELS):
        archive.group(f"grids/{level}")
        upper = Bands(folder, level + 1)
        keys, numbers = [], []
        for band, rows in bands:
            for column, tile in _tiles(rows, bands.tile):
                key = f"{column},{band}"
                _write_tile(archive, f"grids/{level}/{key}", tile)
                keys.append(key)
                numbers.append(len(tile))
            upper.add(rows[_kept(rows["id"], level)])
        grids["grid_keys"].append(keys)
        grids["grid_number_objects"].append(numbers)
        grids["grid_array_shapes"].append([{} for _ in keys])
        if len(keys) <= 1:
            break
        bands = upper
    grids["number_levels"] = len(grids["grid_keys"])
    archive.group("grids", grids)


def _tiles(rows: Rows, edge: float) -> Iterator[tuple[int, Rows]]:
    column = np.maximum(rows["x"] // edge, 0).astype(np.int64)
    order = np.argsort(column, kind="stable")
    rows, column = rows[order], column[order]
    bounds = [*np.flatnonzero(np.diff(column, prepend=-1)).tolist(), len(rows)]
    for start, end in pairwise(bounds):
        yield int(column[start]), rows[start:end]


def _kept(ids: npt.NDArray[np.uint64], level: int) -> npt.NDArray[np.bool_]:
    """A quarter of the rows that are left at a level, chosen by the bits of a mixed number."""
    mixed = (ids + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(62 - 2 * level)) & np.uint64(3)) == 0


def _write_tile(archive: Archive, place: str, rows: Rows) -> None:
    archive.group(place)
    count = len(rows)
    numbers = np.stack([rows["id"] & np.uint64(0xFFFFFFFF), np.full(count, NOTHING)], axis=1)
    location = np.stack([rows["x"], rows["y"], rows["z"]], axis=1)
    words = np.stack([rows["gene"], np.full(count, NOTHING)], axis=1)
    arrays: Mapping[str, tuple[Any, Any]] = {
        "valid": (np.ones((count, 1)), np.uint8),
        "status": (np.zeros((count, 1)), np.uint8),
        "location": (location, np.float32),
        "gene_identity": (rows["gene"][:, None], np.uint16),
        "quality_score": (rows["quality"][:, None], np.float32),
        "codeword_identity": (words, np.uint16),
        "uuid": (numbers, np.uint32),
        "id": (numbers, np.uint32),
    }
    for name, (values, dtype) in arrays.items():
        archive.array(f"{place}/{name}", values, dtype, chunks=(count, 1))


def _attributes(genes: list[str], count: int) -> dict[str, Any]:
    return {
        "major_version": 4,
        "minor_version": 1,
        "name": "RnaDataset",
        "dataset_uuid": "vitrail",
        "data_format": 0,
        "spatial_units": "micron",
        "coordinate_space": "refined-final_global_micron",
        "number_rnas": count,
        "number_genes": len(genes),
        "gene_names": genes,
        "gene_index_map": {name: index for index, name in enumerate(genes)},
        "codeword_count": len(genes),
        "codeword_gene_mapping": list(range(len(genes))),
        "codeword_gene_names": genes,
    }
