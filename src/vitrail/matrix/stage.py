"""Stage matrix: assigned transcripts, labels and image to counts, shapes and intensities."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitrail.assign.lookup import Frame
from vitrail.io.cell_table import CellTable, read_cell_table, read_nucleus_owner
from vitrail.io.h5ad import CellMatrix, write_h5ad
from vitrail.io.labels import open_labels
from vitrail.io.points import part_paths
from vitrail.io.slide import IMAGE, Slide, open_slide
from vitrail.matrix import build
from vitrail.matrix.background import Background
from vitrail.matrix.measure import measure
from vitrail.provenance import to_json

# Gives the matrix without counts, from the names of genes and controls where there are any.
Described = Callable[..., CellMatrix]


def matrix(
    target: str | Path,
    *,
    slide: str | Path,
    info: str | Path,
    labels: str | Path,
    cells: str | Path,
    nuclei: str | Path,
    transcripts: str | Path | None = None,
    account: str | Path | None = None,
    settings: Mapping[str, Any],
    provenance: Mapping[str, Any],
    threads: int | None = None,
) -> tuple[int, int]:
    """Write ``counts.h5ad`` of a segmented sample.

    Parameters
    ----------
    target
        File to be made.
    slide, info
        slide.zarr and slide.json of stage ingest.
    labels, cells, nuclei
        labels.zarr, cells.parquet and nuclei.parquet of stage stitch.
    transcripts, account
        transcripts.zarr and assignment.json of stage assign, both or none.
    settings
        The stage's section of the config.
    provenance
        Record to be stored.
    threads
        Their number; None for all that the process may use.

    Returns
    -------
    Number of cells and of columns.

    Raises
    ------
    AssertionError
        If the matrix does not hold what the account says.
    """
    source, images = open_slide(slide, info), open_labels(labels)
    table, owner = read_cell_table(cells), read_nucleus_owner(nuclei)
    background = Background(source.shape, source.pixel_size)
    image = source.image if source.has(IMAGE) else None
    shapes, intensities = measure(
        images.cells, images.nuclei, owner, len(table), image, watch=background.watch
    )
    measured: dict[str, Any] = (
        {} if image is None else {"channels": source.channels, "intensities": intensities}
    )
    held = build.count_nuclei(owner, len(table))
    columns = build.cell_columns(source.info["sample"], table, shapes, held, source.pixel_size)

    def described(**panel: Any) -> CellMatrix:
        made = build.build(source.info["sample"], table, columns, **measured, **panel)
        made.uns["vitrail"] = to_json(provenance)
        return made

    if transcripts is None or account is None:
        made = described()
        write_h5ad(target, **vars(made))
        return made.shape
    known = json.loads(Path(account).read_text(encoding="utf-8"))
    counted = _Counted(source, images.cells, background, table, known, settings)
    return counted.write(target, transcripts, described, threads)


class _Counted:
    """A sample with transcripts: what their counting needs."""

    def __init__(
        self,
        slide: Slide,
        labels: Any,
        background: Background,
        cells: CellTable,
        account: Mapping[str, Any],
        settings: Mapping[str, Any],
    ) -> None:
        from vitrail.matrix.counts import panel

        self._slide, self._labels, self._background = slide, labels, background
        self._account, self._settings = account, settings
        self._genes, self._controls = panel(slide.info["genes"], account["controls"])
        self._shape = (len(cells), len(self._genes) + len(self._controls))

    def write(
        self,
        target: str | Path,
        transcripts: str | Path,
        described: Described,
        threads: int | None,
    ) -> tuple[int, int]:
        """Count the transcripts and write them beside what `described` gives for their panel."""
        from vitrail.io.h5ad_counts import write_counts
        from vitrail.io.scratch import scratch
        from vitrail.io.transcripts import units
        from vitrail.matrix.counts import Sums, collect

        genes, controls, shape = self._genes, self._controls, self._shape
        with scratch(target) as folder:
            extras = self._extras(folder / "outside")
            seen = extras.watch(units(part_paths(transcripts), extras.columns))
            counted = collect(seen, genes, controls, shape[0], folder, threads)
            made = described(genes=genes, controls=controls)
            extras.describe(made, self._account)
            write_h5ad(target, **vars(made))
            sums = Sums(shape[1])
            blocks = sums.watch(counted.blocks(threads))
            layers = extras.layers(np.asarray(made.obs["area_um2"]), threads)
            write_counts(target, blocks, shape, len(genes), threads, layers)
        sums.check(genes, self._account)
        return made.shape

    def _extras(self, spill: Path) -> Any:
        from vitrail.matrix.layers import Extras, Layers

        return Extras(
            Layers.of(self._settings),
            self._background,
            self._labels,
            Frame(self._slide.pixel_size, self._slide.origin),
            self._genes,
            self._shape,
            spill,
        )
