"""A grid of bins as the folder of a Visium HD run."""

import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

MICRONS = 0.2738
GENES = ["Actb", "Matr3", "Matr3", "Gapdh", "CD3-antibody"]
KINDS = ["Gene Expression"] * 4 + ["Antibody Capture"]
GRID = 12


def write_run(folder, bin_um=8, seed=2):
    """A grid of bins, of which those with counts are in the matrix, in another order."""
    place = folder / f"binned_outputs/square_{bin_um:03}um"
    (place / "spatial").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(GRID**2), GRID)
    names = [f"s_{bin_um:03}um_{r:05}_{c:05}-1" for r, c in zip(row, column, strict=True)]
    x = 500.25 + (column + 0.5) * bin_um / MICRONS
    y = 900.75 + (row + 0.5) * bin_um / MICRONS
    positions = {"barcode": names, "in_tissue": np.ones(len(names), int), "array_row": row}
    positions |= {"array_col": column, "pxl_row_in_fullres": y, "pxl_col_in_fullres": x}
    pq.write_table(pa.table(positions), place / "spatial/tissue_positions.parquet")
    scale = {"microns_per_pixel": MICRONS, "bin_size_um": float(bin_um)}
    scale["spot_diameter_fullres"] = bin_um / MICRONS
    (place / "spatial/scalefactors_json.json").write_text(json.dumps(scale))
    kept = rng.permutation(len(names))[:100]
    counts = sparse.csr_matrix(rng.poisson(0.7, (len(kept), len(GENES))).astype(np.int32))
    with h5py.File(place / "filtered_feature_bc_matrix.h5", "w") as file:
        group = file.create_group("matrix")
        group["shape"] = np.array([len(GENES), len(kept)], np.int32)
        group["data"], group["indices"] = counts.data, counts.indices.astype(np.int64)
        group["indptr"] = counts.indptr.astype(np.int64)
        group["barcodes"] = np.array([names[i].encode() for i in kept])
        group["features/name"] = np.array([gene.encode() for gene in GENES])
        group["features/id"] = np.array([f"ENS{i}".encode() for i in range(len(GENES))])
        group["features/feature_type"] = np.array([kind.encode() for kind in KINDS])
    xy = np.stack([x, y], axis=1)[kept] * MICRONS
    return [names[i] for i in kept], xy, counts.toarray()
