"""The folder of a Visium HD run, through the whole stage table."""

import warnings

import anndata
import numpy as np
import pyarrow.parquet as pq
import pytest
from visium_hd_files import write_run

from vitrail import readers
from vitrail.errors import VitrailError
from vitrail.table import table

FORMATS = {"generic": {}, "visium_hd": {"reader": "visium_hd", "options": {"bin_um": 8}}}


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
    places = ", ".join(f"binned_outputs/square_{size}um" for size in ("008", "016"))
    with pytest.raises(VitrailError, match=rf"no bins of 2 um right in it \(found {places}\)"):
        run(tmp_path, tmp_path / "run", formats)
    formats["visium_hd"]["options"]["bin_um"] = "8um"
    with pytest.raises(VitrailError, match="bin_um is '8um', wanted whole micrometres such as 8"):
        run(tmp_path, tmp_path / "run", formats)


def test_the_folder_above_the_runs_says_where_the_bins_are(tmp_path):
    write_run(tmp_path / "run/outs")
    with pytest.raises(VitrailError, match=r"\(found outs/binned_outputs/square_008um\), wanted"):
        run(tmp_path, tmp_path / "run")


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
