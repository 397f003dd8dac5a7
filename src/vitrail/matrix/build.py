"""The sample's cells as one annotated matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from vitrail.io.cell_table import CellTable
from vitrail.io.h5ad import Categorical, CellMatrix
from vitrail.matrix.intensities import Intensities
from vitrail.matrix.morphology import Morphology


def cell_columns(
    sample: str,
    table: CellTable,
    shapes: Morphology,
    nucleus_counts: npt.NDArray[np.int32],
    pixel_size: float,
) -> dict[str, Any]:
    """Columns of `obs` that every segmented sample has: lengths in micrometres, areas in um2."""
    n = len(table)
    return {
        "cell": np.arange(1, n + 1, dtype=np.int32),
        "region": Categorical.constant("cells", n),
        "sample": Categorical.constant(sample, n),
        "area_um2": shapes.area * pixel_size**2,
        "perimeter_um": shapes.perimeter * pixel_size,
        "circularity": shapes.circularity,
        "eccentricity": shapes.eccentricity,
        "solidity": shapes.solidity,
        "nucleus_area_um2": shapes.nucleus_area * pixel_size**2,
        "nucleus_share": shapes.nucleus_share,
        "nuclei": nucleus_counts,
        "seam": table.seam,
        "score": table.score,
    }


def intensity_columns(channels: Sequence[str], intensities: Intensities) -> dict[str, Any]:
    """Columns ``mean_<channel>``, ``max_``, ``min_``, ``std_``; a slash becomes an underscore.

    A slash in a column's name would be a folder in the file.
    """
    return {
        f"{name}_{channel.replace('/', '_')}": getattr(intensities, name)[:, k]
        for k, channel in enumerate(channels)
        for name in ("mean", "max", "min", "std")
    }


def count_nuclei(owner: npt.NDArray[np.int32], n_cells: int) -> npt.NDArray[np.int32]:
    """Number of nuclei of each cell 1..n, from the cell of each nucleus (index 0 unused)."""
    return np.bincount(owner[1:], minlength=n_cells + 1)[1:].astype(np.int32)


def build(
    sample: str,
    table: CellTable,
    columns: dict[str, Any],
    *,
    channels: Sequence[str] = (),
    intensities: Intensities | None = None,
    genes: Sequence[str] | None = None,
    controls: Sequence[str] = (),
) -> CellMatrix:
    """Put a sample's matrix together.

    Parameters
    ----------
    sample
        Name of the sample.
    table
        The segmentation's cells.
    columns
        As `cell_columns` gives them.
    channels, intensities
        The image's, where there is one.
    genes, controls
        Names in the transcripts' panel, where there are transcripts: X is left out and written by
        `vitrail.io.h5ad_counts.write_counts`. Without them X is the mean intensity in each
        channel, float32; without an image as well X has no columns.
    """
    obs = dict(columns)
    if intensities is not None:
        obs |= intensity_columns(channels, intensities)
    matrix = CellMatrix(
        X=None,
        obs=obs,
        obs_names=[f"{sample}_{cell}" for cell in range(1, len(table) + 1)],
        var_names=[],
        obsm={"spatial": table.centroid},
    )
    if genes is not None:
        matrix.var_names = list(genes)
        matrix.uns["controls"] = list(controls)
    elif intensities is not None:
        matrix.X, matrix.var_names = intensities.mean, list(channels)
    else:
        matrix.X = sparse.csr_matrix((len(table), 0), dtype=np.int32)
    return matrix
