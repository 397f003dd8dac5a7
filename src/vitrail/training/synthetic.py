"""Synthetic tissue to train on: many small fields, each with a look of its own.

The demo's generator draws the cells; here its spec is varied from field to field, and half of the
fields show membranes in place of cell bodies.

    python -m vitrail.training.synthetic SPEC FOLDER --fields 40 --seed 1000

writes `FOLDER/field000.tif` (uint16 (2, y, x): nuclei, then bodies or membranes),
`field000_nuclei.tif` and `field000_cells.tif`, and the tables `nuclei.tsv` and `cells.tsv`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vitrail.errors import VitrailError
from vitrail.synthesize import Spec, read_spec, slides
from vitrail.synthesize.image import Renderer
from vitrail.synthesize.tissue import place_cells, shape_cells

EDGE = 512  # pixels
VALIDATION_SHARE = 0.15


class Field(NamedTuple):
    """One synthetic field.

    Attributes
    ----------
    image
        uint16 (2, y, x): nuclei; bodies or membranes.
    cells, nuclei
        int32 (y, x).
    look
        `body` or `membrane`.
    """

    image: npt.NDArray[np.uint16]
    cells: npt.NDArray[np.int32]
    nuclei: npt.NDArray[np.int32]
    look: str


def make_field(spec: Spec, seed: int) -> Field:
    """Render one field of `EDGE` pixels a side, with a look that follows from the seed."""
    rng = np.random.default_rng([seed, 0])
    varied = vary(spec, rng, seed)
    renderer = None
    while renderer is None:
        slide = slides(varied)[0]
        try:
            renderer = Renderer(
                varied, slide, shape_cells(varied, slide, place_cells(varied, slide))
            )
        except VitrailError:  # too dense for its spacing
            tissue = replace(varied.tissue, density=0.85 * varied.tissue.density)
            varied = replace(varied, tissue=tissue)
    window = renderer.window((0, 0, EDGE, EDGE))
    if rng.random() < 0.5:
        return Field(window.image, window.labels, window.nuclei, "body")
    image = window.image.copy()
    image[1] = membranes(window.labels, varied, rng)
    return Field(image, window.labels, window.nuclei, "membrane")


def vary(spec: Spec, rng: np.random.Generator, seed: int) -> Spec:
    """The spec with another seed, density, cell size, brightness, sharpness and noise."""

    def times(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    size = times(0.85, 1.35)
    spacing = tuple(size * distance for distance in spec.tissue.spacing)
    tissue = replace(
        spec.tissue,
        density=max(spec.tissue.density * times(0.45, 1.15) / size**2, 300.0),
        spacing=(spacing[0] * times(0.9, 1.1), spacing[1]),
    )
    types = {
        name: replace(
            kind,
            radius=float(np.clip(kind.radius * size * times(0.9, 1.1), 1.5, 12)),
            aspect=float(np.clip(kind.aspect * times(0.9, 1.25), 1, 3)),
            nucleus=float(np.clip(kind.nucleus * times(0.75, 1.1), 0.2, 0.95)),
            dapi=kind.dapi * times(0.7, 1.4),
            body=kind.body * times(0.7, 1.4),
        )
        for name, kind in spec.types.items()
    }
    image = replace(
        spec.image,
        nucleus=spec.image.nucleus * times(0.5, 1.6),
        body=spec.image.body * times(0.5, 2.5),
        level_spread=(rng.uniform(0.15, 0.55), rng.uniform(0.15, 0.5)),
        haze=(spec.image.haze[0] * times(0.15, 1.3), spec.image.haze[1] * times(0.15, 1.3)),
        blur=times(0.35, 1.0),
        defocus=times(1.0, 1.6),
        shading=rng.uniform(0, 0.4),
        texture=(rng.uniform(0.1, 0.7), rng.uniform(0.1, 0.7)),
        ghosts=spec.image.ghosts * times(0.2, 1.5),
        gain=spec.image.gain * times(0.2, 1.5),
    )
    pixel_size = times(0.35, 0.65)
    return replace(
        spec,
        seed=seed,
        patients=1,
        slides_per_patient=1,
        shape=(EDGE, EDGE),
        pixel_size=pixel_size,
        tissue=tissue,
        types=types,
        image=image,
    )


def membranes(
    labels: npt.NDArray[np.int32], spec: Spec, rng: np.random.Generator
) -> npt.NDArray[np.uint16]:
    """A channel that shows the rims of cells, uneven along the rim, over a faint inside."""
    from scipy.ndimage import gaussian_filter
    from skimage.segmentation import find_boundaries

    image, edge = spec.image, labels.shape
    level = np.exp(0.5 * rng.standard_normal(int(labels.max()) + 1)).astype(np.float32)
    level[0] = 0
    rim = find_boundaries(labels, mode="inner")
    patches = gaussian_filter(rng.standard_normal(edge, dtype=np.float32), 4.0)
    uneven = np.exp(rng.uniform(0.2, 0.6) * patches / patches.std())
    light = 2.5 * rim * level[labels] * uneven + rng.uniform(0, 0.35) * level[labels]
    sigma = image.blur / spec.pixel_size
    seen = image.body * gaussian_filter(light.astype(np.float32), sigma)
    haze = gaussian_filter(rng.standard_normal(edge, dtype=np.float32), 60.0)
    seen += image.haze[1] / (1 + np.exp(-haze / haze.std()))
    noise = rng.standard_normal(edge, dtype=np.float32)
    grey = image.offset + seen + np.sqrt(image.gain * seen + image.read_noise**2) * noise
    return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)


def write_fields(spec: Spec, folder: Path, count: int, seed: int) -> None:
    """Write fields and their two tables; field i has the seed `seed` + i."""
    import tifffile

    from vitrail.io.examples import Row, write_table

    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, list[Row]] = {"nuclei": [], "cells": []}
    for number in range(count):
        name, field = f"field{number:03d}", make_field(spec, seed + number)
        split = "validation" if number < VALIDATION_SHARE * count else "train"
        tifffile.imwrite(
            folder / f"{name}.tif",
            field.image,
            photometric="minisblack",
            compression="zlib",
            metadata={"axes": "CYX"},
        )
        for kind, labels in (("nuclei", field.nuclei), ("cells", field.cells)):
            place = f"{name}_{kind}.tif"
            tifffile.imwrite(folder / place, labels.astype(np.uint16), compression="zlib")
            channels = (0,) if kind == "nuclei" else (1, 0)
            domain = "synthetic" if kind == "nuclei" else f"synthetic-{field.look}"
            tables[kind].append(Row(f"{name}.tif", place, domain, split, channels))
    for kind, rows in tables.items():
        write_table(folder / f"{kind}.tsv", rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write fields from the command line."""
    parser = argparse.ArgumentParser(description="Synthetic tissue to train on.")
    parser.add_argument("spec", help="a cohort's spec, as config/demo/cohort.yaml")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fields", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1000)
    given = parser.parse_args(arguments)
    write_fields(read_spec(given.spec), given.folder, given.fields, given.seed)


if __name__ == "__main__":
    main()
