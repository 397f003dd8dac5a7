import shutil

import anndata as ad
import h5py
import numpy as np
import pytest
from sample_files import write_sample
from scipy import sparse

from vitrail.assemble import write_anndata
from vitrail.cohort import concatenate, join_genes, merge_columns
from vitrail.errors import VitrailError
from vitrail.io import h5_rows
from vitrail.io.h5ad import Categorical, write_element

PROVENANCE = {"vitrail": "0", "stage": "cohort", "settings": {}}


def write(folder, name, **kwargs):
    sample = write_sample(folder / name, name, **kwargs)
    path = folder / f"{name}.h5ad"
    statistics = {k: sample.files[k] for k in ("graph", "autocorrelation")}
    write_anndata(path, sample.files["cells"], **statistics, provenance=PROVENANCE)
    return sample, path


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    made = [
        write(folder, "A", seed=1, genes=("g1", "g2", "g3")),
        write(folder, "B_1", seed=2, size=150, genes=("g3", "g4", "g1"), types=("Stroma", "New")),
        write(folder, "T", seed=3, size=100, with_slide=False),
    ]
    rows = [
        {"sample": "A", "condition": "x", "unit": "p1"},
        {"sample": "B_1", "condition": "y", "unit": "p2"},
        {"sample": "T", "condition": "y", "unit": None},
    ]
    return folder, made, rows


@pytest.fixture(scope="module", params=["inner", "outer"])
def merged(request, cohort):
    folder, made, rows = cohort
    target = folder / f"{request.param}.h5ad"
    counts = concatenate(
        target, [path for _, path in made], rows, genes=request.param, provenance=PROVENANCE
    )
    return request.param, counts, ad.read_h5ad(target)


def test_genes_are_joined_as_asked(merged):
    join, counts, adata = merged
    wanted = ["g1", "g3"] if join == "inner" else ["g1", "g2", "g3", "g4"]
    assert list(adata.var_names) == wanted
    assert counts["genes_of_any"] == 4
    assert counts["samples_with_genes"] == 2
    assert adata.uns["gene_join"] == join


def test_counts_are_those_of_the_samples(cohort, merged):
    samples = [sample for sample, _ in cohort[1]]
    _, _, adata = merged
    for sample, panel in zip(samples, (["g1", "g2", "g3"], ["g3", "g4", "g1"]), strict=False):
        part = adata[adata.obs["sample"] == sample.name]
        for gene in adata.var_names:
            found = part[:, gene].X.toarray().ravel()
            wanted = sample.counts[:, panel.index(gene)] if gene in panel else 0
            assert (found == wanted).all()
    assert adata[adata.obs["sample"] == "T"].X.nnz == 0
    assert adata.X.dtype == np.int32
    assert adata.X.has_sorted_indices


def test_layer_follows_the_genes(cohort, merged):
    _, _, adata = merged
    path = cohort[1][1][1]
    part = adata[adata.obs["sample"] == "B_1", ["g1", "g3"]].layers["lognorm"]
    before = ad.read_h5ad(path)[:, ["g1", "g3"]].layers["lognorm"]
    assert (part != before).nnz == 0


def test_layers_of_counts_are_kept_and_estimates_of_one_slide_are_not(cohort, tmp_path):
    paths = []
    for (sample, path), factor in zip(cohort[1][:2], (2, 3), strict=True):
        paths.append(tmp_path / path.name)
        shutil.copyfile(path, paths[-1])
        with h5py.File(paths[-1], "r+") as file:
            for name in ("nucleus", "cytoplasm", "ambient"):
                write_element(file["layers"], name, sparse.csr_matrix(factor * sample.counts))
    with h5py.File(paths[0], "r+") as file:
        write_element(file["layers"], "outside", sparse.csr_matrix(cohort[1][0][0].counts))
    concatenate(tmp_path / "c.h5ad", paths, cohort[2][:2], provenance=PROVENANCE)
    found = ad.read_h5ad(tmp_path / "c.h5ad")
    # "outside" is not known of the second sample, where it would read as zeros.
    assert set(found.layers) == {"lognorm", "nucleus", "cytoplasm"}
    factor = np.where(found.obs["sample"] == "A", 2, 3)[:, None]
    for name in ("nucleus", "cytoplasm"):
        assert (found.layers[name].toarray() == factor * found.X.toarray()).all()


def test_cells_keep_what_the_sheet_says(merged):
    obs = merged[2].obs
    assert obs.index.is_unique
    assert set(obs.loc[obs["sample"] == "A", "condition"]) == {"x"}
    assert obs.loc[obs["sample"] == "T", "unit"].isna().all()
    assert list(obs["cell_type"].cat.categories) == ["Tumour", "T cell", "Stroma", "New"]


def test_columns_that_a_sample_lacks_are_missing_there(merged):
    obs = merged[2].obs
    assert obs.loc[obs["sample"] == "T", "area_um2"].isna().all()
    assert obs.loc[obs["sample"] != "T", "area_um2"].gt(0).all()
    assert obs["qc_pass"].dtype == bool


def test_clusters_name_their_sample(merged):
    obs = merged[2].obs
    names = obs.loc[obs["sample"] == "B_1", "cluster"].dropna().astype(str)
    assert names.str.startswith("B_1:").all()


def test_graph_is_block_diagonal(cohort, merged):
    _, _, adata = merged
    blocks = [ad.read_h5ad(path).obsp["spatial_distances"] for _, path in cohort[1]]
    assert (adata.obsp["spatial_distances"] != sparse.block_diag(blocks).tocsr()).nnz == 0


def test_blocks_of_rows_make_no_difference(cohort, merged, monkeypatch, tmp_path):
    join, _, _ = merged
    folder, made, rows = cohort
    original = h5_rows.csr_blocks
    monkeypatch.setattr("vitrail.cohort.csr_blocks", lambda item: original(item, 7))
    paths = [path for _, path in made]
    concatenate(tmp_path / "c.h5ad", paths, rows, genes=join, provenance=PROVENANCE)
    with h5py.File(tmp_path / "c.h5ad") as small, h5py.File(folder / f"{join}.h5ad") as large:
        for name in ("X", "layers/lognorm", "obsp/spatial_distances"):
            for part in ("data", "indices", "indptr"):
                assert (small[name][part][:] == large[name][part][:]).all()


def test_same_bits_again(cohort, merged, tmp_path):
    join, _, _ = merged
    folder, made, rows = cohort
    paths = [path for _, path in made]
    concatenate(tmp_path / "c.h5ad", paths, rows, genes=join, provenance=PROVENANCE)
    assert (tmp_path / "c.h5ad").read_bytes() == (folder / f"{join}.h5ad").read_bytes()


def test_cell_in_two_samples_is_refused(cohort, tmp_path):
    _, made, rows = cohort
    path = made[0][1]
    with pytest.raises(VitrailError, match=r"A.h5ad: cell 'A_1' is in another sample too"):
        concatenate(tmp_path / "c.h5ad", [path, path], rows[:2], provenance=PROVENANCE)


def test_cohort_of_tables_has_no_genes(tmp_path):
    _, path = write(tmp_path, "T", size=100, with_slide=False)
    concatenate(tmp_path / "c.h5ad", [path], [{"sample": "T"}], provenance=PROVENANCE)
    assert ad.read_h5ad(tmp_path / "c.h5ad").shape == (16, 0)


def test_join_keeps_order_of_first_appearance():
    kept, samples = join_genes([["b", "a"], [], ["a", "c"]], "outer")
    assert (kept, list(samples)) == (["b", "a", "c"], [1, 2, 1])
    assert join_genes([["b", "a"], [], ["a", "c"]], "inner")[0] == ["a"]


def test_text_and_categories_become_one_categorical():
    text = np.array(["u", None, "v"], dtype=object)
    merged = merge_columns([text, Categorical(np.array([1, 0]), ["v", "w"]), None], [3, 2, 1])
    assert list(merged.values()) == ["u", None, "v", "w", "v", None]
