"""Stage table: tables of cells in, counts.h5ad out."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from real_data import EXAMPLES, example, needs_data
from scipy import sparse
from stage_files import run_script

from vitrail.annotate.run import annotate
from vitrail.assemble import write_anndata
from vitrail.errors import VitrailError
from vitrail.readers.tables import parse_filter
from vitrail.table import table

CELLS = {
    "x": [0.0, 10.0, 20.0, 30.0],
    "y": [5.0, 15.0, 25.0, 35.0],
    "cell_type": ["T", "B", "", "T"],
    "image": ["one", "two", "one", "one"],
    "group": [1.0, 2.0, 1.0, 2.0],
    "size": [4.0, 8.0, 12.0, 16.0],
    "name": ["a", "b", "c", "d"],
}


def write(path, kind, cells=CELLS):
    frame = pd.DataFrame(cells)
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "csv.gz":
        frame.to_csv(path, index=False, compression="gzip")
    elif kind == "parquet":
        pq.write_table(pa.table(cells), path)
    elif kind == "parquet, dictionary":
        columns = pa.table(cells)
        image = columns["image"].dictionary_encode()
        pq.write_table(columns.set_column(3, "image", image), path)
    else:
        data = anndata.AnnData(
            sparse.csr_matrix((len(frame), 0)), frame.set_index("name", drop=False)
        )
        data.obsm["spatial"] = frame[["x", "y"]].to_numpy()
        data.write_h5ad(path)
    return str(path)


def run(path, folder, entry=None, **row):
    out = folder / "counts.h5ad"
    table({"sample": "A", "table": [str(path)], **row}, entry or {}, out, provenance={"stage": "t"})
    return anndata.read_h5ad(out)


KINDS = ["csv", "csv.gz", "parquet", "parquet, dictionary", "h5ad"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_formats_give_the_same_cells(tmp_path, kind):
    path = write(tmp_path / "cells", kind)
    entry = {
        "pixel_size": 0.5,
        "table": {"unit": "pixel", "columns": {"area": "size", "cell": "name"}},
    }
    data = run(path, tmp_path, entry, table_filter="image=one")
    assert data.shape == (3, 0)
    assert data.obs_names.tolist() == ["A_1", "A_2", "A_3"]
    assert data.obs["cell"].tolist() == [1, 2, 3]
    assert data.obs["cell"].dtype == np.int32
    assert data.obs["region"].tolist() == ["cells"] * 3
    assert data.obs["sample"].tolist() == ["A"] * 3
    assert data.obs["cell_type"].astype(object).fillna("none").tolist() == ["T", "none", "T"]
    assert data.obs["source"].tolist() == ["a", "c", "d"]
    assert data.obs["area_um2"].tolist() == [1.0, 3.0, 4.0]
    assert data.obsm["spatial"].tolist() == [[0.0, 2.5], [10.0, 12.5], [15.0, 17.5]]
    assert data.obsm["spatial"].dtype == np.float64
    assert json.loads(data.uns["vitrail"])["stage"] == "t"


@pytest.mark.parametrize("kind", KINDS)
def test_conditions_compare_numbers_as_numbers(tmp_path, kind):
    path = write(tmp_path / "cells", kind)
    data = run(path, tmp_path, table_filter="image=one; group=1")
    assert data.obsm["spatial"][:, 0].tolist() == [0.0, 20.0]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_filter_all_cells_are_read(tmp_path, kind):
    assert run(write(tmp_path / "cells", kind), tmp_path).n_obs == 4


def test_the_script(tmp_path):
    path = write(tmp_path / "cells.csv", "csv")
    row = {"sample": "B", "table": [path], "table_filter": None, "pixel_size": None}
    outputs = {"counts": tmp_path / "counts.h5ad"}
    run_script("table", {"table": path}, outputs, {}, sample=row, format={"reader": "generic"})
    data = anndata.read_h5ad(outputs["counts"])
    assert data.obs_names.tolist() == ["B_1", "B_2", "B_3", "B_4"]
    assert json.loads(data.uns["vitrail"])["stage"] == "table"


def test_the_raw_file_is_recorded_up_to_the_assembled_sample(tmp_path):
    path = write(tmp_path / "cells.csv", "csv")
    paths = [tmp_path / name for name in ("counts.h5ad", "annotated.h5ad", "B.h5ad")]
    row, names = {"sample": "B", "table": [path]}, {path: "store://bucket/cells.csv"}
    table(row, {}, paths[0], provenance={"stage": "table"}, names=names)
    settings = {"quality": {}, "normalization": {}, "spillover": None, "seed": 0}
    annotate(paths[0], paths[1], settings, provenance={"stage": "annotate"})
    write_anndata(paths[2], paths[1], provenance={"stage": "assemble"})
    record = json.loads(anndata.read_h5ad(paths[2]).uns["vitrail"])
    content = Path(path).read_bytes()
    assert record["inputs"]["files"] == [
        {
            "path": "store://bucket/cells.csv",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    assert record["inputs"]["cells"]["inputs"]["counts"]["stage"] == "table"


def test_the_same_table_gives_the_same_bits(tmp_path):
    path = write(tmp_path / "cells.csv", "csv")
    for name in ("a", "b"):
        table({"sample": "A", "table": path}, {}, tmp_path / name, provenance={})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# Counts of an h5ad


@pytest.fixture
def counted(tmp_path):
    counts = np.array([[0, 3], [1, 0], [0, 0]], dtype=np.float32)
    data = anndata.AnnData(sparse.csc_matrix(counts))
    data.obs_names, data.var_names = ["a", "b", "c"], ["G1", "G2"]
    data.layers["norm"] = np.array([[0, 0.5], [1, 0], [0, 0]], dtype=np.float32)
    data.obs["kind"] = pd.Categorical(["x", None, "y"])
    data.obsm["X_spatial"] = np.arange(9.0).reshape(3, 3)
    data.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def entry(**keys):
    columns = {"cell_type": "kind"}
    return {"table": {"obsm": "X_spatial", "columns": columns, **keys}}


def test_whole_counts_become_integers(counted, tmp_path):
    data = run(counted, tmp_path, entry())
    assert data.X.dtype == np.int32
    assert data.X.format == "csr"
    assert data.X.toarray().tolist() == [[0, 3], [1, 0], [0, 0]]
    assert data.var_names.tolist() == ["G1", "G2"]
    assert data.obs["source"].tolist() == ["a", "b", "c"]
    assert data.obs["cell_type"].isna().tolist() == [False, True, False]
    assert data.obsm["spatial"].tolist() == [[0, 1], [3, 4], [6, 7]]


def test_fractions_are_kept(counted, tmp_path):
    data = run(counted, tmp_path, entry(counts="norm"))
    assert data.X.dtype == np.float32
    assert data.X.toarray().tolist() == [[0, 0.5], [1, 0], [0, 0]]


def test_counts_can_be_left_out(counted, tmp_path):
    assert run(counted, tmp_path, entry(counts=None)).shape == (3, 0)


# Bad input, each with its sentence


def sentence(path, folder, form=None, **row):
    with pytest.raises(VitrailError) as caught:
        run(path, folder, form, **row)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_that_no_row_fulfils(tmp_path, kind):
    path = write(tmp_path / "cells", kind)
    assert sentence(path, tmp_path, table_filter="image=three;group=1") == (
        f"{path}: no row has image = three and group = 1 (found image: one, two; group: 1, 2)."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_on_a_column_that_is_not_there(tmp_path, kind):
    path = write(tmp_path / "cells", kind)
    found = "x, y, cell_type, image, group, size, name"
    assert sentence(path, tmp_path, table_filter="slide=one") == (
        f"{path}: has no column 'slide' (found {found}), wanted for table_filter."
    )


@pytest.mark.parametrize("kind", ["csv", "parquet", "h5ad"])
def test_a_missing_column(tmp_path, kind):
    path = write(tmp_path / "cells", kind)
    form = {"table": {"columns": {"cell_type": "phenotype"}}}
    found = "x, y, cell_type, image, group, size, name"
    assert sentence(path, tmp_path, form) == (
        f"{path}: has no column 'phenotype' (found {found}), wanted the cell_type of table.columns."
    )


@pytest.mark.parametrize("kind", ["csv", "parquet", "h5ad"])
def test_a_position_that_is_not_a_number(tmp_path, kind):
    path = write(tmp_path / "cells", kind, {**CELLS, "y": [5.0, 15.0, float("nan"), 35.0]})
    assert sentence(path, tmp_path) == (
        f"{path}: cell 2 (counted from 0) lies at x = 20, y = nan; wanted numbers (1 cells have "
        "none)."
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_position_that_is_text(tmp_path, kind):
    path = write(tmp_path / "cells", kind, {**CELLS, "y": ["5", "left", "7", "8"]})
    assert sentence(path, tmp_path) == f"{path}: column 'y' holds 'left', wanted numbers."


def test_a_filter_of_the_wrong_kind(tmp_path):
    path = write(tmp_path / "cells", "parquet")
    assert sentence(path, tmp_path, table_filter="group=first") == (
        f"{path}: table_filter asks for group = 'first', but the column holds double."
    )


def test_pixels_without_a_pixel_size(tmp_path):
    path = write(tmp_path / "cells", "csv")
    assert sentence(path, tmp_path, {"table": {"unit": "pixel"}}) == (
        "sample A: positions of the table are in pixels, wanted micrometres a pixel in the "
        "sheet's column pixel_size."
    )


def test_no_such_file(tmp_path):
    assert sentence("/nowhere/t.csv", tmp_path) == (
        "/nowhere/t.csv: does not exist, wanted a table of cells."
    )


def test_two_files(tmp_path):
    with pytest.raises(VitrailError) as caught:
        table({"sample": "A", "table": "a.csv;b.csv"}, {}, tmp_path / "c", provenance={})
    assert str(caught.value) == "sample A: column table names 2 files, wanted one."


def test_no_positions_in_obsm(counted, tmp_path):
    assert sentence(counted, tmp_path, entry(obsm="spatial")) == (
        f"{counted}: has no obsm['spatial'] (found X_spatial), wanted positions (the format's "
        "table.obsm; empty to take the columns x and y)."
    )


def test_no_such_layer(counted, tmp_path):
    assert sentence(counted, tmp_path, entry(counts="raw")) == (
        f"{counted}: has no layer 'raw' (found norm), wanted the format's table.counts."
    )


def test_counts_that_are_none(tmp_path):
    data = anndata.AnnData(np.array([[1.0, -2.0]], dtype=np.float32))
    data.obsm["spatial"] = np.zeros((1, 2))
    data.write_h5ad(tmp_path / "cells.h5ad")
    form = {"table": {"columns": {"cell_type": None}}}
    assert sentence(tmp_path / "cells.h5ad", tmp_path, form) == (
        f"{tmp_path}/cells.h5ad: X holds negative or missing values, wanted counts."
    )


@pytest.mark.parametrize("kind", ["parquet", "h5ad"])
def test_truncated_tables(tmp_path, kind):
    path = tmp_path / "cells"
    write(path, kind)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(VitrailError, match=r"is it truncated or still being copied\?$"):
        run(path, tmp_path)


@pytest.mark.parametrize("text", ["image", "=one", "image;group=1"])
def test_a_filter_that_is_none(text):
    with pytest.raises(VitrailError) as caught:
        parse_filter(text)
    assert str(caught.value) == f"table_filter is '{text}', wanted 'column=value'."


def test_a_table_without_rows_is_valid(tmp_path):
    (tmp_path / "cells.csv").write_text("x,y,cell_type\n")
    data = run(tmp_path / "cells.csv", tmp_path)
    assert data.shape == (0, 0)
    assert data.obsm["spatial"].shape == (0, 2)


# Real tables


@needs_data
def test_codex_cohort_from_its_sheet(tmp_path):
    rows = example("codex_crc")
    cells = 0
    for row, form in rows[::20]:
        table(row, form, tmp_path / "c.h5ad", provenance={})
        data = anndata.read_h5ad(tmp_path / "c.h5ad")
        raw = pd.read_parquet(row["table"][0], filters=[("imageID", "==", row["sample"])])
        assert np.array_equal(data.obsm["spatial"], raw[["x", "y"]].to_numpy() * 0.377)
        assert data.obs["cell_type"].tolist() == raw["cellType"].tolist()
        assert row["unit"] == f"patient_{raw['ID'].iloc[0]:g}"
        assert row["condition"] == f"group_{raw['Group'].iloc[0]:g}"
        cells += data.n_obs
    assert cells == sum(
        len(pd.read_parquet(r["table"][0], filters=[("imageID", "==", r["sample"])]))
        for r, _ in rows[::20]
    )
    assert len(rows) == 140
    assert len({row["unit"] for row, _ in rows}) == 35


@needs_data
def test_codex_sheet_is_what_its_script_prints():
    (row, _), *_ = example("codex_crc")
    command = [sys.executable, str(EXAMPLES / "make_codex_sheet.py"), row["table"][0]]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == (EXAMPLES / "codex_crc.tsv").read_text()


@needs_data
def test_csv_and_parquet_tables_need_neither_anndata_nor_pandas():
    (row, form), *_ = example("codex_crc")
    code = (
        "import sys, tempfile, os; from vitrail.table import table; "
        f"table({row!r}, {form!r}, os.path.join(tempfile.mkdtemp(), 'c'), provenance={{}}); "
        "print([m for m in ('anndata', 'pandas', 'zarr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@needs_data
def test_published_h5ad_of_two_ages(tmp_path):
    (row, _), *_ = example("codex_crc")
    folder = row["table"][0].rpartition("/")[0]
    columns = {"cell_type": "ClusterName", "area": "size_um2"}
    data = run(
        f"{folder}/osmfish_codeluppi.h5ad",
        tmp_path,
        {"table": {"columns": columns}},
        table_filter="Valid=1",
    )
    raw = anndata.read_h5ad(f"{folder}/osmfish_codeluppi.h5ad")
    raw = raw[raw.obs["Valid"] == 1]
    assert data.shape == (4839, 33)
    assert data.X.dtype == np.int32
    assert (data.X != raw.X).nnz == 0
    assert data.obs["cell_type"].tolist() == raw.obs["ClusterName"].tolist()
    form = {"table": {"obsm": None, "columns": {"cell_type": "cluster_name"}}}
    data = run(f"{folder}/starmap_BY3_1k.h5ad", tmp_path, form)
    raw = anndata.read_h5ad(f"{folder}/starmap_BY3_1k.h5ad")
    assert data.shape == (1549, 1020)
    assert data.X.sum() == raw.X.sum()
    assert np.array_equal(data.obsm["spatial"], raw.obs[["x", "y"]].to_numpy())
