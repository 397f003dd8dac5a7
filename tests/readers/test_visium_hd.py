"""The folder of a Visium HD run, through the whole stage table."""

import json
import warnings

import anndata
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from vitrail import readers
from vitrail.errors import VitrailError
from vitrail.table import table

MICRONS = 0.2738
GENES = ["Actb", "Matr3", "Matr3", "Gapdh", "CD3-antibody"]
KINDS = ["Gene Expression"] * 4 + ["Antibody Capture"]
GRID = 12
FORMATS = {"generic": {}, "visium_hd": {"reader": "visium_hd", "options": {"bin_um": 8}}}


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


def run(tmp_path, folder, formats=FORMATS):
    row = {"sample": "HD", "folder": str(folder), "format": "visium_hd", "row": 2}
    row = readers.check(row, formats, "sheet.tsv")
    entry = readers.format_settings(formats, "visium_hd")
    table(row, entry, tmp_path / "counts.h5ad", provenance={"stage": "table"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return anndata.read_h5ad(tmp_path / "counts.h5ad")


@pytest.mark.parametrize("inside", ["", "binned_outputs", "binned_outputs/square_008um"])
def test_bins_are_cells(tmp_path, inside):
    names, xy, counts = write_run(tmp_path / "run")
    found = run(tmp_path, tmp_path / "run" / inside)
    assert found.obs["source"].tolist() == names
    assert np.allclose(found.obsm["spatial"], xy, rtol=1e-12)
    assert found.var_names.tolist() == ["Actb", "Matr3", "Matr3-1", "Gapdh"]
    assert np.array_equal(found.X.toarray(), counts[:, :4])
    assert (found.obs["area_um2"] == 64).all()


def test_the_files_are_inputs_of_the_stage(tmp_path):
    write_run(tmp_path / "run")
    row = {"sample": "HD", "folder": str(tmp_path / "run"), "format": "visium_hd", "row": 2}
    entry = readers.format_settings(FORMATS, "visium_hd")
    files = readers.input_files(readers.check(row, FORMATS, "sheet.tsv"), entry)
    place = f"{tmp_path}/run/binned_outputs/square_008um"
    assert files == {
        "table": [f"{place}/filtered_feature_bc_matrix.h5"],
        "folder": [
            f"{place}/spatial/tissue_positions.parquet",
            f"{place}/spatial/scalefactors_json.json",
        ],
    }


def test_another_size_of_bins(tmp_path):
    write_run(tmp_path / "run")
    names, _, _ = write_run(tmp_path / "run", bin_um=16)
    formats = {**FORMATS, "visium_hd": {"reader": "visium_hd", "options": {"bin_um": 16}}}
    found = run(tmp_path, tmp_path / "run", formats)
    assert found.obs["source"].tolist() == names
    assert (found.obs["area_um2"] == 256).all()
    formats["visium_hd"]["options"]["bin_um"] = 2
    with pytest.raises(VitrailError, match=r"no bins of 2 um \(found square_008um, square_016um\)"):
        run(tmp_path, tmp_path / "run", formats)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("filtered_feature_bc_matrix.h5", "wanted the counts of bins of visium_hd"),
        ("spatial/tissue_positions.parquet", "wanted the positions of bins of visium_hd"),
        ("spatial/scalefactors_json.json", "wanted the scale of visium_hd"),
    ],
)
def test_missing_and_truncated_files_are_one_sentence(tmp_path, name, sentence):
    write_run(tmp_path / "run")
    path = tmp_path / "run/binned_outputs/square_008um" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(VitrailError, match="truncated or still being copied"):
        run(tmp_path, tmp_path / "run")
    path.unlink()
    with pytest.raises(VitrailError, match=sentence):
        run(tmp_path, tmp_path / "run")


def test_positions_of_another_run(tmp_path):
    write_run(tmp_path / "run")
    path = tmp_path / "run/binned_outputs/square_008um/spatial/tissue_positions.parquet"
    pq.write_table(pq.read_table(path).slice(0, 50), path)
    with pytest.raises(VitrailError, match=r"has no position of bin s_008um_\d+_\d+-1 and \d+ oth"):
        run(tmp_path, tmp_path / "run")
