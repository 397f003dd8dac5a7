"""A small sample in the files that the stages leave, written by hand.

Cells are discs on a jittered grid, of two or three types, with a nucleus inside; genes follow the
type or the position; transcripts lie at random inside of their cells.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import zarr
from scipy import sparse, spatial

from vitrail.io.h5ad import Categorical, write_h5ad

PIXEL_SIZE = 0.5
ORIGIN = (100.0, 40.0)  # (x, y) micrometres
STEP = 24  # pixels between cells
TYPES = ("Tumour", "T cell", "Stroma")


@dataclass
class Sample:
    """What was planted, and where the files are."""

    name: str
    files: dict[str, Path]
    labels: np.ndarray
    nuclei: np.ndarray
    image: np.ndarray
    xy: np.ndarray
    counts: np.ndarray
    types: np.ndarray
    transcripts: dict[str, np.ndarray]


def write_sample(
    folder: Path,
    name: str = "S1",
    *,
    seed: int = 0,
    size: int = 200,
    types: tuple[str, ...] = TYPES,
    genes: tuple[str, ...] = ("GeneA", "GeneB", "GeneC"),
    clustered: bool = True,
    with_slide: bool = True,
) -> Sample:
    """Write the files of one sample under `folder`; without a slide only those of its table."""
    rng = np.random.default_rng(seed)
    labels, nuclei, centres = _draw_cells(rng, size)
    n = len(centres)
    xy = (centres[:, ::-1] + 0.5) * PIXEL_SIZE + np.array(ORIGIN)
    kind = _types(rng, xy, len(types), clustered)
    image = _image(rng, labels, nuclei)
    transcripts = _transcripts(rng, labels, nuclei, kind, len(genes))
    counts = np.zeros((n, len(genes)), dtype=np.int32)
    inside = transcripts["cell"] > 0
    np.add.at(counts, (transcripts["cell"][inside] - 1, transcripts["gene"][inside]), 1)

    folder.mkdir(parents=True, exist_ok=True)
    files = {key: folder / file for key, file in NAMES.items()}
    sample = Sample(name, files, labels, nuclei, image, xy, counts, kind, transcripts)
    _write_cells(sample, types, genes if with_slide else ())
    _write_statistics(sample, genes if with_slide else ())
    if with_slide:
        (folder / "segmentation").mkdir(exist_ok=True)
        _write_slide(sample, genes)
        _write_labels(sample)
        _write_transcripts(sample, genes)
        _write_accounts(sample, genes)
    else:
        kept = ("cells", "graph", "autocorrelation", "portraits")
        sample.files = {key: files[key] for key in kept}
    return sample


NAMES = {
    "slide": "slide.zarr",
    "info": "slide.json",
    "labels": "segmentation/labels.zarr",
    "outlines": "segmentation/cells.parquet",
    "nuclei": "segmentation/nuclei.parquet",
    "seams": "segmentation/seams.json",
    "transcripts": "transcripts.zarr",
    "account": "assignment.json",
    "cells": "annotated.h5ad",
    "graph": "graph.npz",
    "autocorrelation": "autocorrelation.parquet",
    "portraits": "portraits.npz",
}


def _draw_cells(rng, size):
    steps = np.arange(STEP // 2, size - STEP // 2 + 1, STEP)
    centres = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    centres = centres + rng.integers(-2, 3, centres.shape)
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    nuclei = np.zeros((size, size), np.int32)
    for i, (cy, cx) in enumerate(centres, start=1):
        away = np.hypot(y - cy, (x - cx) * rng.uniform(0.8, 1.0))
        labels[(away <= rng.uniform(7, 9)) & (labels == 0)] = i
        nuclei[(away <= 4) & (labels == i)] = i
    return labels, nuclei, centres


def _types(rng, xy, n_types, clustered):
    kind = rng.integers(0, n_types, len(xy))
    if clustered:
        kind = np.where(xy[:, 0] < np.median(xy[:, 0]), 0, np.maximum(kind, min(1, n_types - 1)))
    return kind


def _image(rng, labels, nuclei):
    nucleus = 400 + 3000 * (nuclei > 0)
    membrane = 300 + 1500 * (labels > 0)
    return (np.stack([nucleus, membrane]) + rng.integers(0, 200, (2, *labels.shape))).astype(
        np.uint16
    )


def _transcripts(rng, labels, nuclei, kind, n_genes):
    n = 40 * (labels.max() + 4)
    y, x = rng.uniform(0, labels.shape[0], n), rng.uniform(0, labels.shape[1], n)
    cell = labels[y.astype(int), x.astype(int)]
    nucleus = nuclei[y.astype(int), x.astype(int)]
    follows = np.append(kind, 0)[cell - 1] % n_genes
    gene = np.where(rng.random(n) < 0.7, follows, rng.integers(0, n_genes, n))
    return {
        "x": x * PIXEL_SIZE + ORIGIN[0],
        "y": y * PIXEL_SIZE + ORIGIN[1],
        "gene": gene,
        "cell": cell,
        "compartment": np.where(nucleus > 0, 0, np.where(cell > 0, 1, 2)),
    }


def _write_cells(sample, types, genes):
    n = len(sample.xy)
    counts = sparse.csr_matrix(sample.counts[:, : len(genes)])
    total = np.asarray(counts.sum(axis=1)).ravel().astype(np.int64)
    passed = total >= 5 if genes else np.ones(n, bool)
    scale = np.divide(30.0, total, out=np.zeros(n), where=total > 0)
    lognorm = sparse.csr_matrix(sparse.diags(scale) @ counts, dtype=np.float32)
    lognorm.data = np.log1p(lognorm.data)
    obs = {
        "cell": np.arange(1, n + 1, dtype=np.int32),
        "region": Categorical.constant("cells", n),
        "sample": Categorical.constant(sample.name, n),
        "qc_pass": passed,
        "qc_reason": Categorical(np.where(passed, -1, 0), ["few counts"]),
        "cell_type": Categorical(np.where(np.arange(n) == 0, -1, sample.types), list(types)),
    }
    if genes:
        obs["area_um2"] = np.bincount(sample.labels.ravel())[1:] * PIXEL_SIZE**2
        obs["total_counts"] = total
        obs["genes_detected"] = np.diff(counts.indptr)
        obs["cluster"] = Categorical(sample.types, ["0", "1", "2"])
    write_h5ad(
        sample.files["cells"],
        counts,
        obs,
        [f"{sample.name}_{i}" for i in range(1, n + 1)],
        list(genes),
        layers={"lognorm": lognorm} if genes else {},
        obsm={"spatial": sample.xy},
        uns={"vitrail": json.dumps({"vitrail": "0", "stage": "annotate", "settings": {}})},
    )


def _write_statistics(sample, genes):
    near = spatial.cKDTree(sample.xy).sparse_distance_matrix(
        spatial.cKDTree(sample.xy), 1.6 * STEP * PIXEL_SIZE, output_type="coo_matrix"
    )
    distances = sparse.csr_matrix(near)
    distances.sort_indices()
    connectivities = distances.copy()
    connectivities.data[:] = 1.0
    meta = {"kind": "radius", "radius": 1.6 * STEP * PIXEL_SIZE}
    parts = {"shape": np.array(distances.shape), "meta": np.array(json.dumps(meta))}
    for name, matrix in (("connectivities", connectivities), ("distances", distances)):
        for part in ("data", "indices", "indptr"):
            parts[f"{name}_{part}"] = getattr(matrix, part)
    np.savez_compressed(sample.files["graph"], **parts)
    np.savez_compressed(sample.files["portraits"], **{"tissue/values": np.arange(4)})
    _write_autocorrelation(sample.files["autocorrelation"], genes)


def _write_autocorrelation(path, genes):
    n = len(genes)
    columns = {
        "gene": pa.array(genes, pa.string()),
        "cells_expressing": np.full(n, 20),
        "mean": np.full(n, 1.5),
    }
    for prefix, symbol, value in (("moran_", "I", 0.1), ("geary_", "C", 0.9)):
        columns[prefix + symbol] = value + 0.1 * np.arange(n)
        for j, part in enumerate(STATISTICS):
            columns[prefix + part] = np.full(n, 0.01 * (j + 1))
    columns["reason"] = pa.array([None] * n, pa.string())
    pq.write_table(pa.table(columns), path)


STATISTICS = (
    "expected",
    "variance",
    "z",
    "p",
    "variance_normal",
    "z_normal",
    "p_normal",
    "p_permutation",
    "fdr",
    "p_alike",
)


def _write_slide(sample, genes):
    from vitrail.io.spatialdata_store import new_store, write_group

    with new_store(sample.files["slide"]) as root:
        element = root / "images" / "image"
        element.mkdir(parents=True)
        levels = [sample.image, sample.image[:, ::2, ::2]]
        for i, level in enumerate(levels):
            zarr.create_array(
                str(element / f"s{i}"), data=level, chunks=(1, 64, 64), dimension_names="cyx"
            )
        write_group(element, _image_attributes(len(levels)))
    (sample.files["slide"] / ".snakemake_timestamp").touch()
    height, width = sample.labels.shape
    info = {
        "sample": sample.name,
        "pixel_size_um": PIXEL_SIZE,
        "origin_um": list(ORIGIN),
        "shape": [height, width],
        "channels": ["DAPI", "membrane"],
        "elements": ["images/image", "points/transcripts"],
        "genes": list(genes),
        "transcripts": {
            "rows_in_file": len(sample.transcripts["x"]),
            "outside_region": 0,
            "rows": len(sample.transcripts["x"]),
        },
        "region_um": None,
        "files": [{"path": "image.tif", "bytes": 12345}],
        "provenance": {"vitrail": "0", "stage": "ingest", "settings": {}},
    }
    sample.files["info"].write_text(json.dumps(info))


def _image_attributes(levels):
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space"} for name in "yx"]
    described = [{**axis, "unit": "unit"} if axis["type"] == "space" else axis for axis in axes]
    ends = {
        "input": {"name": "cyx", "axes": described},
        "output": {"name": "global", "axes": described},
    }
    steps = [
        {"type": "scale", "scale": [1.0, PIXEL_SIZE, PIXEL_SIZE], **ends},
        {"type": "translation", "translation": [0.0, ORIGIN[1], ORIGIN[0]], **ends},
    ]
    datasets = [
        {
            "path": f"s{i}",
            "coordinateTransformations": [{"type": "scale", "scale": [1.0, 2.0**i, 2.0**i]}],
        }
        for i in range(levels)
    ]
    multiscale = {
        "datasets": datasets,
        "name": "image",
        "axes": axes,
        "coordinateTransformations": [{"type": "sequence", "transformations": steps, **ends}],
    }
    channels = [{"label": "DAPI"}, {"label": "membrane"}]
    ome = {
        "omero": {"channels": channels},
        "version": "0.5-dev-spatialdata",
        "multiscales": [multiscale],
    }
    return {"ome": ome, "spatialdata_attrs": {"version": "0.3"}}


def _write_labels(sample):
    group = zarr.open_group(str(sample.files["labels"]), mode="w", zarr_format=3)
    for name, array in (("cells", sample.labels), ("nuclei", sample.nuclei)):
        group.create_array(name, data=array, chunks=(64, 64))
        _write_outlines(sample.files["outlines" if name == "cells" else "nuclei"], array, name)
    (sample.files["labels"] / ".snakemake_timestamp").touch()


def _write_outlines(path, labels, kind):
    ids = np.arange(1, labels.max() + 1, dtype=np.int32)
    shapes = [_outline(labels == i) for i in ids]
    centroid = np.array([shape.centroid.coords[0] for shape in shapes])
    columns = {
        "cell": ids,
        "geometry": pa.array(shapely.to_wkb(shapes), pa.binary()),
        "centroid_x": centroid[:, 0],
        "centroid_y": centroid[:, 1],
        "area_um2": shapely.area(shapes),
        "score": np.full(len(ids), 0.9, np.float32),
        "seam": ids % 5 == 0,
        "source": pa.array([None] * len(ids), pa.string()),
    }
    if kind == "nuclei":
        columns = {"nucleus": ids, **columns}
    geometry = {"encoding": "WKB", "crs": None, "geometry_types": ["Polygon", "MultiPolygon"]}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    table = pa.table(columns).replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path)


def _outline(mask):
    """Union of the mask's pixels, in micrometres."""
    y, x = np.nonzero(mask)
    x0, y0 = x * PIXEL_SIZE + ORIGIN[0], y * PIXEL_SIZE + ORIGIN[1]
    return shapely.union_all(shapely.box(x0, y0, x0 + PIXEL_SIZE, y0 + PIXEL_SIZE))


def _write_transcripts(sample, genes):
    from vitrail.io.spatialdata_store import between, write_group

    element = sample.files["transcripts"]
    (element / "points.parquet").mkdir(parents=True)
    attributes = {
        "encoding-type": "ngff:points",
        "axes": ["x", "y"],
        "coordinateTransformations": [{"type": "identity", **between("x", "y")}],
        "spatialdata_attrs": {"feature_key": "gene", "version": "0.2"},
    }
    write_group(element, attributes)
    (element / ".snakemake_timestamp").touch()
    t = sample.transcripts
    n = len(t["x"])
    status = np.where(t["cell"] > 0, 0, 1)
    columns = {
        "x": t["x"],
        "y": t["y"],
        "gene": _dictionary(t["gene"], genes),
        "transcript": np.arange(n),
        "cell": t["cell"].astype(np.int32),
        "compartment": _dictionary(t["compartment"], ["nucleus", "cytoplasm", "none"]),
        "status": _dictionary(status, ["cell", "background"]),
    }
    half = n // 2
    for i, part in enumerate((slice(0, half), slice(half, n))):
        table = pa.table(columns).slice(part.start, part.stop - part.start)
        pq.write_table(table, element / "points.parquet" / f"part.{i}.parquet")


def _dictionary(codes, names):
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(list(names)))


def _write_accounts(sample, genes):
    t = sample.transcripts
    inside = t["cell"] > 0
    account = {
        "transcripts_in": len(inside),
        "genes_in_cells": int(inside.sum()),
        "controls_in_cells": 0,
        "unassigned": {"background": int((~inside).sum())},
        "controls": [],
        "by_gene": {
            gene: {
                "cell": int((inside & (t["gene"] == i)).sum()),
                "background": int((~inside & (t["gene"] == i)).sum()),
            }
            for i, gene in enumerate(genes)
        },
        "vendor_agreement": None,
    }
    sample.files["account"].write_text(json.dumps(account))
    seams = {
        "cells": len(sample.xy),
        "tiles": 4,
        "candidates": len(sample.xy) + 12,
        "matched": 12,
        "cut": 1,
        "doubled": 0,
        "lost": 0,
        "larger_than_overlap": [],
        "mock": {"cut": 1, "doubled": 0, "lost": 1},
    }
    sample.files["seams"].write_text(json.dumps(seams))
