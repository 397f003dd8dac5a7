"""Stage explorer: a finished sample becomes a folder that Xenium Explorer opens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import shapely

from vitrail.explorer.counts import write_counts, write_groups
from vitrail.explorer.image import write_image
from vitrail.explorer.outlines import write_outlines
from vitrail.explorer.transcripts import ROW, write_transcripts
from vitrail.io import parquet
from vitrail.io.geoparquet import read_geoparquet
from vitrail.io.h5ad import read_columns, read_element, read_names
from vitrail.io.points import part_paths
from vitrail.io.slide import Slide, open_slide

# Groupings of cells that the viewer colours by, where a sample has them.
GROUPINGS = ("cell_type", "cluster", "qc_reason")
# The viewer hides transcripts below its own threshold of 20; those without a quality are shown.
SHOWN_QUALITY = 40.0


def explorer(
    folder: str | Path,
    *,
    sample: str,
    slide: str | Path,
    info: str | Path,
    outlines: str | Path,
    nuclei: str | Path,
    cells: str | Path,
    transcripts: str | Path | None = None,
    corners: int = 25,
    threads: int = 1,
) -> dict[str, int]:
    """Write the folder of a sample.

    Parameters
    ----------
    folder
        Folder to be made.
    sample
        Name of the sample.
    slide, info, outlines, nuclei, transcripts
        Outputs of ingest, stitch and assign.
    cells
        The sample's AnnData.
    corners
        Corners that a drawn outline may have.
    threads
        Threads that encode the image.

    Returns
    -------
    Number of `cells` and of `transcripts` written.
    """
    root = Path(folder)
    root.mkdir(parents=True)
    source = open_slide(slide, info)
    labels, counts, genes, groups = _read_cells(cells)
    shapes = _shapes(outlines, "cell", source)
    owned = _shapes(nuclei, "cell", source)
    pick = [shapes.get(label, shapely.Polygon()) for label in labels.tolist()]
    inner = [owned.get(label, shapely.Polygon()) for label in labels.tolist()]
    write_outlines(root / "cells.zarr.zip", _objects(pick), _objects(inner), corners)
    write_counts(root / "cell_feature_matrix.zarr.zip", counts, genes)
    write_groups(root / "analysis.zarr.zip", groups)
    written = 0
    if transcripts is not None:
        names = list(source.info["genes"])
        batches = _rows(Path(transcripts), names, source)
        written = write_transcripts(root / "transcripts.zarr.zip", names, batches)
    if source.has("images/image"):
        image = source.path / "images" / "image"
        path = root / "morphology.ome.tif"
        write_image(path, image, source.channels, source.pixel_size, threads)
    document = _experiment(sample, source.pixel_size, len(labels), written)
    (root / "experiment.xenium").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return {"cells": len(labels), "transcripts": written}


def _read_cells(path: str | Path) -> tuple[npt.NDArray[Any], Any, list[str], dict[str, Any]]:
    """Labels, counts (cells, genes), names of genes, groupings."""
    with h5py.File(path) as file:
        obs = read_columns(file["obs"])
        genes = [str(name) for name in read_names(file["var"])]
        counts = read_element(file["X"])
    groups = {}
    for name in GROUPINGS:
        if name in obs:
            values = obs[name].values() if hasattr(obs[name], "codes") else obs[name]
            groups[name] = [None if value is None else str(value) for value in values]
    if counts.dtype.kind == "f":  # intensities are no counts
        counts, genes = counts[:, :0], []
    return np.asarray(obs["cell"]), counts, genes, groups


def _shapes(path: str | Path, key: str, slide: Slide) -> dict[int, shapely.Geometry]:
    """Outline of each label, micrometres from the image's corner; parts of one label united."""
    columns, geometry = read_geoparquet(path)
    moved = shapely.transform(geometry, lambda xy: xy - np.asarray(slide.origin))
    found: dict[int, shapely.Geometry] = {}
    for label, shape in zip(np.asarray(columns[key]).tolist(), moved, strict=True):
        found[label] = shapely.union(found[label], shape) if label in found else shape
    return found


def _objects(shapes: list[shapely.Geometry]) -> npt.NDArray[np.object_]:
    out = np.empty(len(shapes), dtype=object)
    out[:] = shapes
    return out


def _rows(transcripts: Path, genes: list[str], slide: Slide) -> Iterator[npt.NDArray[Any]]:
    """Transcripts with a position in the image, part by part."""
    place = {name: code for code, name in enumerate(genes)}
    height, width = slide.shape
    extent = np.array([width, height]) * slide.pixel_size
    for path in part_paths(transcripts):
        table = parquet.read(path).unify_dictionaries().combine_chunks()
        if not table.num_rows:
            continue
        xy = np.stack([table[axis].to_numpy() for axis in ("x", "y")], axis=1) - slide.origin
        inside = ((xy >= 0) & (xy < extent)).all(axis=1)
        gene = table["gene"].chunk(0)
        codes = np.array([place[name] for name in gene.dictionary.to_pylist()], dtype=np.uint16)
        rows = np.zeros(int(inside.sum()), dtype=ROW)
        rows["x"], rows["y"] = xy[inside].T
        rows["gene"] = codes[gene.indices.to_numpy()][inside]
        rows["id"] = table["transcript"].to_numpy()[inside]
        rows["quality"] = SHOWN_QUALITY
        for column in ("z", "quality"):
            if column in table.column_names:
                rows[column] = np.nan_to_num(table[column].to_numpy()[inside])
        yield rows


def _experiment(sample: str, pixel_size: float, cells: int, transcripts: int) -> dict[str, Any]:
    unknown = dict.fromkeys(
        (
            "experiment_uuid",
            "panel_tissue_type",
            "run_start_time",
            "preservation_method",
            "cassette_name",
            "cassette_uuid",
            "slide_id",
            "panel_design_id",
            "panel_name",
            "panel_organism",
            "instrument_sn",
            "instrument_sw_version",
            "roi_uuid",
            "well_uuid",
            "calibration_uuid",
        ),
        "N/A",
    )
    return {
        "major_version": 2,
        "minor_version": 0,
        "run_name": sample,
        "region_name": sample,
        **unknown,
        "num_cells": cells,
        "num_transcripts": transcripts,
        "transcripts_per_cell": 0,
        "transcripts_per_100um": 0,
        "panel_num_targets_predesigned": 0,
        "panel_num_targets_custom": 0,
        "pixel_size": pixel_size,
        "z_step_size": 3.0,
        # The viewer chooses how it reads the archives by this.
        "analysis_sw_version": "xenium-1.3.0.5",
        "images": {
            "morphology_filepath": "morphology.ome.tif",
            "morphology_mip_filepath": "morphology.ome.tif",
            "morphology_focus_filepath": "morphology.ome.tif",
        },
        "xenium_explorer_files": {
            "transcripts_zarr_filepath": "transcripts.zarr.zip",
            "cells_zarr_filepath": "cells.zarr.zip",
            "cell_features_zarr_filepath": "cell_feature_matrix.zarr.zip",
            "analysis_zarr_filepath": "analysis.zarr.zip",
            "analysis_summary_filepath": "analysis_summary.html",
        },
    }
