"""Files that vitrail writes are AnnData's own."""

import warnings

import h5py
import numpy as np
import pytest
from scipy import sparse

from vitrail.io.h5ad import Categorical, read_element, read_names, write_h5ad

N, M = 5, 3


def example(path, n=N, m=M):
    counts = sparse.csr_matrix(np.arange(n * m, dtype=np.int32).reshape(n, m) % 4)
    write_h5ad(
        path,
        counts,
        obs={
            "cell": np.arange(1, n + 1, dtype=np.int32),
            "sample": Categorical.constant("Å", n),
            "type": Categorical.of([None, "b", "a", "b", "a"][:n]),
            "seam": np.arange(n) % 2 == 0,
            "note": np.array([f"n{i}" for i in range(n)], dtype=object),
        },
        obs_names=[f"A_{i}" for i in range(1, n + 1)],
        var_names=[f"G{i}" for i in range(m)],
        obsm={"spatial": np.random.default_rng(0).random((n, 2)), "controls": counts[:, :1]},
        layers={"nucleus": counts},
        uns={"vitrail": '{"a": 1}', "controls": ["x", "y"], "qc": {"low": 3, "share": 0.5}},
    )
    return counts


def test_anndata_opens_it_without_a_warning(tmp_path):
    import anndata

    counts = example(tmp_path / "a.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adata = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert (counts != adata.X).nnz == 0
    assert adata.X.dtype == np.int32
    assert list(adata.obs.columns) == ["cell", "sample", "type", "seam", "note"]
    assert adata.obs["seam"].dtype == bool
    assert list(adata.obs["sample"]) == ["Å"] * N
    assert adata.obs["type"].isna().tolist() == [True, False, False, False, False]
    assert adata.obs["type"].astype(object).tolist()[1:] == ["b", "a", "b", "a"]
    assert list(adata.obs_names) == [f"A_{i}" for i in range(1, N + 1)]
    assert list(adata.var_names) == ["G0", "G1", "G2"]
    assert adata.obsm["controls"].shape == (N, 1)
    assert list(adata.uns["controls"]) == ["x", "y"]
    assert adata.uns["vitrail"] == '{"a": 1}'
    assert adata.uns["qc"]["share"] == 0.5


def test_no_cells_and_no_genes_is_a_valid_file(tmp_path):
    import anndata

    example(tmp_path / "a.h5ad", n=0, m=0)
    adata = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert adata.shape == (0, 0)
    assert adata.obsm["spatial"].shape == (0, 2)


def test_same_values_give_the_same_bits(tmp_path):
    example(tmp_path / "a.h5ad")
    example(tmp_path / "b.h5ad")
    assert (tmp_path / "a.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()


def test_large_arrays_are_compressed_and_intact(tmp_path):
    values = np.arange(300_000, dtype=np.int64).reshape(-1, 2)
    n = len(values)
    write_h5ad(tmp_path / "a.h5ad", None, {}, [str(i) for i in range(n)], [], obsm={"m": values})
    with h5py.File(tmp_path / "a.h5ad") as file:
        assert file["obsm/m"].compression == "gzip"
        assert np.array_equal(file["obsm/m"][:], values)


def test_what_anndata_writes_is_read(tmp_path):
    import anndata
    import pandas as pd

    adata = anndata.AnnData(
        sparse.csc_matrix(np.eye(3, dtype=np.float32)),
        obs=pd.DataFrame(
            {
                "kind": pd.Categorical(["a", None, "b"]),
                "count": pd.array([1, None, 3], dtype="Int64"),
                "name": ["x", "y", "z"],
            },
            index=["r0", "r1", "r2"],
        ),
    )
    adata.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad") as file:
        obs = read_element(file["obs"])
        assert list(read_names(file["obs"])) == ["r0", "r1", "r2"]
        assert obs["kind"].values().tolist() == ["a", None, "b"]
        assert np.array_equal(obs["count"], [1, np.nan, 3], equal_nan=True)
        matrix = read_element(file["X"])
    assert matrix.format == "csc"
    assert np.array_equal(matrix.toarray(), np.eye(3))


def test_shapes_that_do_not_agree_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"X has shape \(2, 2\), wanted \(3, 2\)"):
        write_h5ad(tmp_path / "a.h5ad", np.eye(2), {}, ["a", "b", "c"], ["g", "h"])
    with pytest.raises(ValueError, match="occur twice"):
        write_h5ad(tmp_path / "a.h5ad", np.eye(2), {}, ["a", "a"], ["g", "h"])
