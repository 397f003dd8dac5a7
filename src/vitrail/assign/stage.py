"""Stage assign: raw transcripts and labels to transcripts with their cells, and the account."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitrail.assign.given import given_lookup
from vitrail.assign.lookup import CellLookup, Frame, Lookup
from vitrail.assign.stream import Rules, assign
from vitrail.io.cell_table import (
    CellTable,
    read_cell_table,
    read_nucleus_owner,
    read_nucleus_table,
)
from vitrail.io.label_chunks import LabelChunks
from vitrail.io.labels import open_labels
from vitrail.io.points import begin_parts
from vitrail.io.slide import Slide, open_slide
from vitrail.io.transcripts import assigned_schema, units
from vitrail.progress import Follow, silent


def assign_slide(
    target: str | Path,
    *,
    slide: str | Path,
    info: str | Path,
    labels: str | Path,
    cells: str | Path,
    nuclei: str | Path,
    settings: Mapping[str, Any],
    threads: int | None = None,
    follow: Follow[Any] = silent,
) -> dict[str, Any]:
    """Write ``transcripts.zarr`` of a segmented sample.

    Parameters
    ----------
    target
        Store to be made.
    slide, info
        slide.zarr and slide.json of stage ingest.
    labels, cells, nuclei
        labels.zarr, cells.parquet and nuclei.parquet of stage stitch.
    settings
        The stage's section of the config.
    threads
        Their number; None for all that the process may use.
    follow
        Follows the parts of the transcripts, see `vitrail.progress`.

    Returns
    -------
    The account as assignment.json holds it, without provenance.
    """
    source = open_slide(slide, info)
    parts = source.transcript_parts()
    rules = Rules(**settings)
    table = read_cell_table(cells)
    lookup, cells_from = _lookup(source, labels, table, nuclei, rules)
    account = assign(
        follow(units(parts), "parts of the transcripts"),
        source.info["genes"],
        lookup,
        Frame(source.pixel_size, source.origin),
        begin_parts(target, assigned_schema(parts), instance_key="cell"),
        rules=rules,
        transcripts_in=source.info["transcripts"]["rows"],
        sources=table.source,
        threads=threads,
    )
    return account | {"cells_from": cells_from}


def _lookup(
    slide: Slide, labels: str | Path, cells: CellTable, nuclei: str | Path, rules: Rules
) -> tuple[Lookup, str]:
    """Look-up in the sample's own outlines where it has them, else in the label images."""
    images = open_labels(labels)
    inner = LabelChunks(images.nuclei)
    if rules.boundaries == "exact" and slide.has("shapes/cells"):
        owners = read_nucleus_table(nuclei)
        return given_lookup(slide, cells, owners, inner, rules.overlap), "outlines"
    return CellLookup(LabelChunks(images.cells), inner, read_nucleus_owner(nuclei)), "labels"
