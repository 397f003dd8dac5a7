"""Measure what makes real tissue hard to segment: the numbers behind config/demo/cohort.yaml.

    python benchmarks/measure_real_crops.py DATA_FOLDER [RESULTS_FOLDER]

DATA_FOLDER holds `nuclei/` and `insitu/` (docs/demo.md names the public sources). With
RESULTS_FOLDER the same numbers of the demo's slides are printed below. All images are brought to
0.5 um a pixel; images without a pixel size are scaled so that their median nucleus is 8 um wide.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import tifffile
from scipy import ndimage
from skimage.draw import polygon
from skimage.io import imread
from skimage.measure import regionprops_table
from skimage.transform import resize

PIXEL = 0.5
NUCLEUS = 8.0
MIN_AREA_UM2 = 8.0
SAMPLE = 40

Case = tuple[npt.NDArray, npt.NDArray]


def scaled(image: npt.NDArray, labels: npt.NDArray, pixel_size: float) -> Case:
    shape = tuple(max(round(n * pixel_size / PIXEL), 1) for n in labels.shape)
    small = resize(image.astype(np.float64), shape, order=1, anti_aliasing=pixel_size < PIXEL)
    return small, resize(labels, shape, order=0, preserve_range=True, anti_aliasing=False)


def cosmx(folder: Path) -> Iterator[Case]:
    """Cells of the vendor; the blue channel is DAPI."""
    labels = tifffile.imread(folder / "CellLabels_F002.tif").astype(np.int32)
    yield scaled(imread(folder / "CellComposite_F002.jpg")[..., 2], labels, 0.18)


def mouse_brain(folder: Path, channel: str) -> Iterator[Case]:
    """Cells of the vendor: many dim ones are missing, so only marked ones count."""
    image = imread(folder / f"mini_dataset_{channel}_z0.jpg")
    labels = np.zeros(image.shape, np.int32)
    table = pd.read_csv(folder / "z0_polygons.gz")
    for i, (_, outline) in enumerate(table.groupby("poly_ID", sort=False)):
        rows = (-outline["y"].to_numpy() - 4699.967) * 9.2059
        columns = (outline["x"].to_numpy() - 6400.029) * 9.2059
        labels[polygon(rows, columns, image.shape)] = i + 1
    yield scaled(image, labels, 0.1086)


def liver(folder: Path, channel: str) -> Iterator[Case]:
    """Cells of the vendor in the tile's middle plane."""
    image = tifffile.imread(folder / f"input_images_{channel}_zstack.tif")[3]
    (sx, _, tx), (_, sy, ty), _ = np.loadtxt(folder / "micron_to_mosaic_pixel_transform.csv")
    table = pd.read_parquet(folder / "cells_cellpose.parquet")
    labels = np.zeros(image.shape, np.int32)
    shapes = shapely.from_wkb(table["Geometry"][table["ZIndex"] == 3].to_numpy())
    for i, shape in enumerate(shapes):
        for part in getattr(shape, "geoms", [shape]):
            x, y = np.asarray(part.exterior.coords)[:, :2].T
            labels[polygon(y * sy + ty, x * sx + tx, image.shape)] = i + 1
    yield scaled(image, labels, 1 / sx)


def cultures(folder: Path) -> Iterator[Case]:
    """Images of nuclei without a pixel size, scaled to a nucleus of `NUCLEUS` um."""
    paths = sorted(p for p in folder.glob("*.tif") if not p.stem.endswith("_label"))
    for path in paths[:: max(len(paths) // SAMPLE, 1)]:
        labels = tifffile.imread(path.with_name(f"{path.stem}_label.tif")).astype(np.int32)
        area = np.bincount(labels.ravel())[1:]
        area = area[area >= 30]
        image = tifffile.imread(path)
        if area.size >= 5 and image.ndim == 2:
            pixel_size = NUCLEUS / (2 * np.sqrt(np.median(area) / np.pi))
            yield scaled(image, labels, pixel_size)


def synthetic(folder: Path, channel: int) -> Iterator[Case]:
    for path in sorted(folder.glob("synthetic/*/image.ome.tif")):
        labels = tifffile.imread(path.with_name("labels.tif" if channel else "nuclei.tif"))
        yield tifffile.imread(path)[channel].astype(np.float64), labels


def measure(image: npt.NDArray, labels: npt.NDArray) -> dict[str, float]:
    """Numbers of one image; `noise` and `blur` at 0.5 um a pixel."""
    table = regionprops_table(labels, image, properties=("label", "area", "intensity_mean"))
    whole = table["area"] * PIXEL**2 >= MIN_AREA_UM2
    ids = table["label"][whole]
    area = table["area"][whole] * PIXEL**2
    ring, near = _rings(labels)
    around = ndimage.median(image, ring, ids)
    around = np.where(np.isfinite(around) & (around > 0), around, np.nanmedian(around))
    light = table["intensity_mean"][whole] - around
    seen = light > 0
    noise = _noise(image)
    return {
        "objects": float(ids.size),
        "diameter_um": float(np.median(2 * np.sqrt(area / np.pi))),
        "area_log_sd": _spread(area),
        "touching": float(np.isin(ids, near).mean()),
        "contrast": float(np.median((light / around)[seen])),
        "light_log_sd": _spread(light[seen]),
        "background_p90_p10": float(np.divide(*np.percentile(around, [90, 10]))),
        "signal_to_noise": float(np.median(light[seen]) / noise) if noise > 0 else np.nan,
        "edge_sigma_um": _edge(image, labels, float(np.median(light[seen]))),
    }


def _rings(labels: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
    """Background 1.5 to 4 um from each object, and the objects with another within 1 um."""
    away, (row, column) = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    away = away * PIXEL
    ring = np.where((away >= 1.5) & (away < 4), labels[row, column], 0)
    reach = 1 + 2 * int(0.5 / PIXEL)
    high = ndimage.maximum_filter(labels, size=reach)
    low = ndimage.minimum_filter(np.where(labels == 0, labels.max() + 1, labels), size=reach)
    meets = (labels > 0) & ((high != labels) | (low != labels))
    far = ndimage.maximum_filter(np.where(away <= 0.5, labels[row, column], 0), size=reach)
    meets |= (labels > 0) & (far != labels) & (far > 0)
    return ring, np.unique(labels[meets])


def _spread(values: npt.NDArray) -> float:
    """Robust standard deviation of the logarithm."""
    low, high = np.percentile(np.log(values), [15.87, 84.13])
    return float(high - low) / 2


def _noise(image: npt.NDArray) -> float:
    """Standard deviation of pixel noise (Immerkaer 1996), median over 32-pixel squares."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    rough = np.abs(ndimage.convolve(image, kernel))[1:-1, 1:-1]
    h, w = (n // 32 * 32 for n in rough.shape)
    if h == 0 or w == 0:
        return float(np.sqrt(np.pi / 2) / 6 * rough.mean())
    squares = rough[:h, :w].reshape(h // 32, 32, w // 32, 32).mean(axis=(1, 3))
    return float(np.sqrt(np.pi / 2) / 6 * np.median(squares))


def _edge(image: npt.NDArray, labels: npt.NDArray, light: float) -> float:
    """Width of edges, as the sigma of a Gaussian blur: from the steepest mean slope across them.

    Errors of the outlines widen it, so it bounds the blur from above.
    """
    inside = ndimage.distance_transform_edt(labels > 0) - 0.5
    outside = ndimage.distance_transform_edt(labels == 0) - 0.5
    place = np.where(labels > 0, inside, -outside)
    bins = np.arange(-6, 7)
    means = [image[(place >= b - 0.5) & (place < b + 0.5)] for b in bins]
    profile = np.array([m.mean() if m.size else np.nan for m in means])
    slope = np.nanmax(np.diff(profile)) / PIXEL
    return float(light / slope / np.sqrt(2 * np.pi))


def xenium(folder: Path) -> dict[str, float]:
    """Nuclei of the vendor without an image: sizes alone."""
    table = pd.read_parquet(folder / "nucleus_boundaries.parquet")
    groups = table.groupby("cell_id")[["vertex_x", "vertex_y"]]
    area = np.array([shapely.Polygon(g.to_numpy()).area for _, g in groups if len(g) > 3])
    area = area[area >= MIN_AREA_UM2]
    diameter = float(np.median(2 * np.sqrt(area / np.pi)))
    return {"objects": len(area), "diameter_um": diameter, "area_log_sd": _spread(area)}


def main(data: Path, results: Path | None) -> None:
    real = data / "insitu"
    cases = {
        "bbbc039 nuclei": cultures(data / "nuclei" / "bbbc039"),
        "dsb2018 nuclei": cultures(data / "nuclei" / "dsb2018"),
        "cosmx_lung DAPI": cosmx(real / "cosmx_lung"),
        "mouse_brain DAPI": mouse_brain(real / "merscope_mouse_brain", "dapi"),
        "mouse_brain polyT": mouse_brain(real / "merscope_mouse_brain", "polyT"),
        "liver_tile DAPI": liver(real / "merscope_liver_tile", "DAPI"),
        "liver_tile Cellbound1": liver(real / "merscope_liver_tile", "Cellbound1"),
    }
    if results is not None:
        cases |= {"demo DAPI, nuclei": synthetic(results, 0), "demo polyT": synthetic(results, 1)}
    rows = {
        name: pd.DataFrame([measure(*case) for case in found]).median()
        for name, found in cases.items()
    }
    rows["xenium_lung nuclei"] = pd.Series(xenium(real / "xenium_lung_crop"))
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(pd.DataFrame(rows).T.round(2).to_string())


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else None)
