"""A sample's two files as scanpy, spatialdata and napari-spatialdata open them.

napari itself needs a display; what its plug-in does with an element before it draws is done here.
"""

import warnings

import numpy as np
import pytest
import spatialdata as sd
import zarr
from sample_files import ORIGIN, PIXEL_SIZE, write_sample
from test_assemble import assemble

GLOBAL = "global"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def files(sample, tmp_path_factory):
    return assemble(sample, tmp_path_factory.mktemp("made"))[:2]


@pytest.fixture(scope="module")
def sdata(files):
    return sd.read_zarr(files[1])


def affine_of(element):
    """How napari-spatialdata places a layer: (y, x) of the element to (y, x) of the system."""
    found = sd.transformations.get_transformation(element, get_all=True)[GLOBAL]
    return found.to_affine_matrix(input_axes=("y", "x"), output_axes=("y", "x"))


def test_scanpy_opens_the_table_without_a_warning(files):
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adata = sc.read_h5ad(files[0])
        copied = adata[adata.obs["qc_pass"]].copy()
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique
    assert copied.n_obs == adata.obs["qc_pass"].sum()
    assert adata.obsm["spatial"].shape == (adata.n_obs, 2)


def test_the_table_annotates_the_outlines_and_nothing_else(sdata):
    table = sdata.tables["table"]
    sd.models.TableModel().validate(table)
    region, region_key, instance_key = sd.models.get_table_keys(table)
    assert (region, region_key, instance_key) == ("cells", "region", "cell")
    annotators = {
        name: sd.get_element_annotators(sdata, name) for _, name, _ in sdata.gen_elements()
    }
    assert {name for name, tables in annotators.items() if tables} - {"table"} == {"cells"}
    assert set(table.obs[region_key]) == {"cells"}
    assert table.obs[region_key].dtype == "category"
    assert np.issubdtype(table.obs[instance_key].dtype, np.integer)
    assert sdata.shapes["cells"].index.dtype == table.obs[instance_key].dtype


@pytest.mark.parametrize("how", ["left", "inner"])
def test_outlines_and_rows_join_one_to_one(sample, sdata, how):
    joined, table = sd.join_spatialelement_table(
        sdata=sdata,
        spatial_element_names="cells",
        table_name="table",
        how=how,
        match_rows="left",
    )
    assert len(joined["cells"]) == table.n_obs == len(sample.xy)
    assert joined["cells"].index.tolist() == table.obs["cell"].tolist()


def test_layers_lie_on_each_other_in_micrometres(sdata):
    pixels = np.array([[PIXEL_SIZE, 0, ORIGIN[1]], [0, PIXEL_SIZE, ORIGIN[0]], [0, 0, 1]])
    for name in ("image", "cell_labels", "nucleus_labels"):
        assert np.allclose(affine_of(sdata[name]), pixels), name
    for name in ("cells", "nuclei", "transcripts"):
        assert np.array_equal(affine_of(sdata[name]), np.eye(3)), name


def test_outlines_can_be_drawn(sdata):
    """The plug-in draws the exterior of the largest part of each outline, by the table's index."""
    for name in ("cells", "nuclei"):
        frame = sdata.shapes[name]
        assert set(frame.geometry.geom_type) <= {"Polygon", "MultiPolygon"}
        assert frame.geometry.is_valid.all()
        assert frame.index.is_unique
        largest = frame.explode(index_parts=False)
        assert (largest.geometry.exterior.is_ring).all()


def test_channels_have_their_names_and_labels_their_cells(sample, sdata):
    assert sd.models.get_channel_names(sdata["image"]) == ["DAPI", "membrane"]
    labels = sdata["cell_labels"]
    assert labels.dims == ("y", "x")
    present = np.unique(np.asarray(labels))
    assert set(present[present > 0]) == set(sdata.tables["table"].obs["cell"])


def test_labels_and_matrices_are_compressed(files):
    root = zarr.open_group(str(files[1]), mode="r")
    for name in ("cell_labels", "nucleus_labels"):
        array = root[f"labels/{name}/s0"]
        assert array.metadata.codecs[-1].to_dict()["name"] == "zstd"
        assert array.nbytes_stored() < array.nbytes / 4
