"""Densities of chosen cell types in the compartments of a tumour, and across its border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.topography.classes import border_ratio, pattern, phenotype, spatial_distribution
from vitrail.topography.grid import Floats
from vitrail.topography.region import Region, region_of_cells, region_of_outlines

COMPARTMENTS = ("centre", "margin", "stroma")
MM2 = 1e-6  # square millimetres in a square micrometre


@dataclass(frozen=True)
class Topography:
    """Topography of one sample.

    Attributes
    ----------
    rows
        One mapping a target type; docs/methods.md lists the keys.
    compartment
        int8 (n,): place in `COMPARTMENTS` of each cell, -1 where there is none.
    distance
        float64 (n,): signed distance to the border in micrometres, negative inside of the tumour;
        NaN where there is no border.
    region
        Tumour, tissue and border; None where no tumour was asked for.
    """

    rows: list[dict[str, Any]]
    compartment: npt.NDArray[np.int8]
    distance: Floats
    region: Region | None


def topography(
    xy: npt.ArrayLike,
    types: Sequence[Any] | npt.NDArray[Any],
    tumour_types: Sequence[str],
    target_types: Sequence[str],
    *,
    used: npt.ArrayLike | None = None,
    outlines: Sequence[Any] | None = None,
    margin_um: float = 500.0,
    grid_um: float = 10.0,
    bandwidth_um: float = 25.0,
    min_share: float = 0.5,
    leave_out: Sequence[str] | None = None,
    min_region_um2: float = 5000.0,
    tissue_reach_um: float = 30.0,
    min_area_um2: float = 10000.0,
    bin_um: float = 20.0,
    reach_um: float = 200.0,
    excluded_ratio: float = 10.0,
    desert_density: float = 100.0,
    infiltrated_share: float = 0.25,
) -> Topography:
    """Measure where the cells of some types lie with regard to the tumour's border.

    Parameters
    ----------
    xy
        Positions (n, 2) of the cells in micrometres.
    types
        Type of each cell (n,): a text, or None where unknown.
    tumour_types
        Types whose cells make the tumour. Without any, and without outlines, nothing is measured.
    target_types
        Types that are counted (CD8 T cells, for example).
    used
        Boolean (n,): cells that count (passed quality control); None: all. The others get a
        compartment and a distance as well.
    outlines
        Shapely polygons of the tumour in micrometres, instead of the tumour cells' density.
    margin_um
        Width of the invasive margin on either side of the border.
    grid_um, bandwidth_um, min_share, min_region_um2, tissue_reach_um
        See `vitrail.topography.region_of_cells`.
    leave_out
        Types that are not counted in the share of tumour cells; None: the target types.
    min_area_um2
        A compartment of less area has no density, and a bin of the profile of less than a tenth.
    bin_um, reach_um
        Width of the profile's bins, and its ends on either side of the border.
    excluded_ratio, desert_density, infiltrated_share
        Thresholds of `phenotype` and `pattern`.
    """
    positions = np.asarray(xy, dtype=np.float64).reshape(-1, 2)
    names = np.asarray(types, dtype=object)
    kept = np.ones(len(positions), bool) if used is None else np.asarray(used, dtype=bool)
    if len(names) != len(positions) or len(kept) != len(positions):
        raise VitrailError(
            f"topography: found {len(names)} types and {len(kept)} flags, wanted "
            f"{len(positions)}, one a cell."
        )
    nowhere = np.full(len(positions), -1, np.int8)
    if not tumour_types and outlines is None:
        return Topography([], nowhere, np.full(len(positions), np.nan), None)
    both = [name for name in target_types if name in set(tumour_types)]
    if both or not target_types:
        raise VitrailError(
            "topography.target_types: found "
            + (f"the tumour's type {both[0]!r}" if both else "no type")
            + ", wanted the types to be counted in and around the tumour."
        )
    if outlines is not None:
        region = region_of_outlines(
            positions[kept], outlines, grid_um=grid_um, tissue_reach_um=tissue_reach_um
        )
    else:
        ignored = {*(target_types if leave_out is None else leave_out), None} - set(tumour_types)
        region = region_of_cells(
            positions[kept],
            np.isin(names[kept], list(tumour_types)),
            np.array([name not in ignored for name in names[kept]], bool),
            grid_um=grid_um,
            bandwidth_um=bandwidth_um,
            min_share=min_share,
            min_region_um2=min_region_um2,
            tissue_reach_um=tissue_reach_um,
        )
    distance = region.signed_distance(positions)
    inside = region.inside(positions)
    compartment = _compartments(distance, inside, margin_um)
    area = _Area(region, margin_um, bin_um, reach_um)
    rows = []
    for name in target_types:
        own = kept & (names == name)
        row = _densities(
            name, compartment[own], distance[own], int(inside[own].sum()), area, min_area_um2
        )
        row["phenotype"] = phenotype(
            row["density_centre"], row["density_margin"], excluded_ratio, desert_density
        )
        row["pattern"] = pattern(
            row["quantity"], row["distribution"], desert_density, infiltrated_share
        )
        rows.append(row | {"border_um": region.border_um, "note": _note(row, region, margin_um)})
    return Topography(rows, compartment, distance, region)


class _Area:
    """Tissue of each compartment, and of each bin of the profile, in square millimetres."""

    def __init__(self, region: Region, margin: float, width: float, reach: float) -> None:
        pixels = region.grid.centres(region.tissue)
        pixel = region.grid.step**2 * MM2
        distance = region.signed_distance(pixels)
        own = _compartments(distance, region.tumour[region.tissue], margin)
        self.compartment = np.bincount(own, minlength=len(COMPARTMENTS)) * pixel
        self.tumour = float(region.tumour[region.tissue].sum() * pixel)
        self.stroma = float(len(pixels) * pixel - self.tumour)
        steps = max(1, round(reach / width))
        self.edges = np.arange(-steps, steps + 1) * float(width)
        self.profile = self.count(distance) * pixel

    def count(self, distance: Floats) -> npt.NDArray[np.int64]:
        """Number of distances in each bin: from its lower edge to below its upper one."""
        place = np.floor((distance[np.isfinite(distance)] - self.edges[0]) / self._width)
        inside = (place >= 0) & (place < len(self.edges) - 1)
        return np.bincount(place[inside].astype(np.int64), minlength=len(self.edges) - 1)

    @property
    def _width(self) -> float:
        return float(self.edges[1] - self.edges[0])


def _compartments(
    distance: Floats, inside: npt.NDArray[np.bool_], margin: float
) -> npt.NDArray[np.int8]:
    """Compartment by distance; without a border by side alone."""
    away = ~(np.abs(distance) <= margin)
    return np.where(away, np.where(inside, 0, 2), 1).astype(np.int8)


def _densities(
    name: str,
    compartment: npt.NDArray[np.int8],
    distance: Floats,
    inner: int,
    area: _Area,
    least_um2: float,
) -> dict[str, Any]:
    """Numbers, areas and densities of one type; `inner` of its cells lie in the tumour."""
    row: dict[str, Any] = {"cell_type": name, "cells": len(compartment)}
    least = least_um2 * MM2
    counts = np.bincount(compartment, minlength=len(COMPARTMENTS))
    for code, where in enumerate(COMPARTMENTS):
        row[f"cells_{where}"] = int(counts[code])
        row[f"area_{where}_mm2"] = float(area.compartment[code])
        row[f"density_{where}"] = _density(counts[code], area.compartment[code], least)
    row["ratio"] = border_ratio(row["density_centre"], row["density_margin"])
    total = area.tumour + area.stroma
    row["quantity"] = _density(len(compartment), total, least)
    row["distribution"] = spatial_distribution(
        _density(inner, area.tumour, least), _density(len(compartment) - inner, area.stroma, least)
    )
    cells = area.count(distance)
    row["profile_from_um"] = area.edges[:-1].tolist()
    row["profile_to_um"] = area.edges[1:].tolist()
    row["profile_cells"] = cells.tolist()
    row["profile_area_mm2"] = area.profile.tolist()
    row["profile_density"] = [
        _density(n, size, least / 10) for n, size in zip(cells, area.profile, strict=True)
    ]
    return row


def _density(cells: float, area: float, least: float) -> float:
    return float(cells / area) if area > 0 and area >= least else float("nan")


def _note(row: dict[str, Any], region: Region, margin: float) -> str | None:
    """Why there is no phenotype; None where there is one."""
    if row["phenotype"] is not None:
        return None
    if not region.tissue.any():
        return "no cells"
    if not region.tumour.any():
        return "no tumour region was found"
    if not len(region.border):
        return "the tumour has no border with other tissue"
    missing = [w for w in ("centre", "margin") if not np.isfinite(row[f"density_{w}"])]
    areas = ", ".join(f"{w} {row[f'area_{w}_mm2']:.4f} mm2" for w in missing)
    return f"too little tissue with a margin of {margin:g} um on either side: {areas}"
