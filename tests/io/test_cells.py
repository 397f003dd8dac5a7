"""Reading cells without anndata."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from vitrail.errors import VitrailError
from vitrail.io.cells import read_cells, read_lognorm
from vitrail.io.h5ad import Categorical, write_h5ad


@pytest.fixture
def annotated(tmp_path):
    path = tmp_path / "annotated.h5ad"
    X = sparse.csr_matrix(np.array([[1, 0], [0, 2], [3, 0]], dtype=np.int32))
    write_h5ad(
        path,
        X,
        {
            "cell": np.array([1, 2, 3], dtype=np.int32),
            "sample": Categorical.constant("A", 3),
            "qc_pass": np.array([True, False, True]),
            "cell_type": Categorical(np.array([0, -1, 1]), ["z", "b"]),
        },
        ["A_1", "A_2", "A_3"],
        ["g", "h"],
        obsm={"spatial": np.array([[0.0, 1], [2, 3], [4, 5]])},
        layers={"lognorm": X.astype(np.float32)},
    )
    return path


def test_cells_are_read(annotated):
    cells = read_cells(annotated)
    assert len(cells) == 3
    assert cells.xy.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert cells.qc_pass.tolist() == [True, False, True]
    assert cells.cell_type.names == ("b", "z")
    assert cells.cell_type.codes.tolist() == [1, -1, 0]
    assert (cells.sample, list(cells.names)) == ("A", ["A_1", "A_2", "A_3"])
    assert cells.cell.tolist() == [1, 2, 3]


def test_layers_are_read(annotated):
    matrix, genes = read_lognorm(annotated)
    assert matrix.toarray().tolist() == [[1, 0], [0, 2], [3, 0]]
    assert list(genes) == ["g", "h"]
    assert read_lognorm(annotated, "X")[0].dtype == np.int32
    with pytest.raises(VitrailError, match="has no layer 'raw', wanted one of X, lognorm"):
        read_lognorm(annotated, "raw")


def test_anndata_is_not_imported(annotated):
    code = (
        "import sys; from vitrail.io.cells import read_cells; read_cells(sys.argv[1]);"
        "assert not {'anndata', 'pandas', 'scanpy', 'scipy.sparse'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(annotated)], check=True)


def test_a_file_of_another_stage_is_named(tmp_path):
    write_h5ad(tmp_path / "x.h5ad", None, {}, [], [])
    with pytest.raises(VitrailError, match="has no obsm/spatial, wanted a file of the stage"):
        read_cells(tmp_path / "x.h5ad")
