"""Stage stitch: the candidates of all shards to label images, outlines and the seams' account."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitrail.io.candidates import read_candidates
from vitrail.io.frame import Frame, read_frame
from vitrail.io.geoparquet import write_geoparquet
from vitrail.io.labels import open_labels, write_labels
from vitrail.io.tiles import read_tiles
from vitrail.outlines import outlines
from vitrail.stitch import Stitched, stitch
from vitrail.stitch.tables import instance_columns, label_columns, seam_report
from vitrail.tile import Tiles

KINDS = ("cells", "nuclei")


def stitch_slide(
    targets: Mapping[str, str | Path],
    *,
    info: str | Path,
    tiles: str | Path,
    candidates: Sequence[str | Path],
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> tuple[int, int]:
    """Write labels.zarr, cells.parquet, nuclei.parquet and seams.json of a sample.

    Parameters
    ----------
    targets
        What is to be made: `labels`, `cells`, `nuclei`, `seams`.
    info, tiles
        slide.json of stage ingest, tiles.parquet of stage tile.
    candidates
        What stage segment found, a file a shard.
    settings
        The stage's section of the config.
    provenance
        Record of this stage.

    Returns
    -------
    Numbers of cells and nuclei.
    """
    frame, plan = read_frame(info), read_tiles(tiles)
    stitched = stitch([read_candidates(path) for path in candidates], plan, settings["overlap"])
    write_labels(targets["labels"], frame.shape, stitched.cells, stitched.nuclei, provenance)
    for kind in KINDS:
        _write_instances(targets[kind], kind, stitched, plan, frame, provenance)
    labels = open_labels(targets["labels"])
    report = seam_report(stitched, labels, plan, frame, settings["max_seam_excess"], provenance)
    with open(targets["seams"], "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1, sort_keys=True)
    return len(stitched.cells), len(stitched.nuclei)


def _write_instances(
    target: str | Path,
    kind: str,
    stitched: Stitched,
    tiles: Tiles,
    frame: Frame,
    provenance: Mapping[str, Any],
) -> None:
    """Table of the cells or the nuclei with their outlines."""
    instances = getattr(stitched, kind)
    columns = label_columns(kind, stitched) | instance_columns(instances, tiles, frame)
    geometry = outlines(instances, frame.pixel_size, frame.origin)
    write_geoparquet(target, columns, geometry, provenance)
