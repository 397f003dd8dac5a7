"""spatialdata-io reads the same folders: what both read is the same."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from ingest_files import run
from merscope_files import PIXEL_SIZE as MERSCOPE_PIXEL
from merscope_files import write_region
from planted import Planted
from xenium_files import PIXEL_SIZE as XENIUM_PIXEL
from xenium_files import write_run

from vitrail import readers

spatialdata_io = pytest.importorskip("spatialdata_io")
PLANTED = Planted()
# With outlines it wants the table of counts too.
OUTLINES = {"cells_boundaries": False, "nucleus_boundaries": False}


def ours(tmp_path, folder, name, **cells):
    formats = {"generic": {}, name: {"reader": name}}
    row = {"folder": str(folder), "format": name, **cells}
    slide = run(tmp_path, row, readers.format_settings(formats, name))
    return slide, pq.ParquetDataset(slide.transcript_parts()).read().to_pandas()


def level0(element):
    return element["scale0"]["image"] if "scale0" in element else element


@pytest.mark.parametrize("version", [(1, 4), (2, 0), (3, 0)])
def test_xenium(tmp_path, version):
    folder = write_run(tmp_path / "run", PLANTED, version)
    peer = spatialdata_io.xenium(folder, cells_table=False, aligned_images=False, **OUTLINES)
    slide, table = ours(tmp_path, folder, "xenium")
    image = level0(peer["morphology_focus"])
    assert np.array_equal(slide.read(0, 0, *slide.shape), image.values)
    if version > (2, 0):
        assert slide.channels == [str(name) for name in image.coords["c"].values]
    assert np.array_equal(slide.labels("cells")[:], level0(peer["cell_labels"]).values)
    assert np.array_equal(slide.labels("nuclei")[:], level0(peer["nucleus_labels"]).values)
    points = peer["transcripts"].compute()
    points = points.sort_values("transcript_id")
    assert np.allclose(table[["x", "y"]], points[["x", "y"]], atol=1e-6)
    assert table["gene"].tolist() == points["feature_name"].astype(str).tolist()
    assert slide.pixel_size == XENIUM_PIXEL


def test_merscope(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED)
    peer = spatialdata_io.merscope(
        folder, z_layers=1, cells_table=False, backend="dask_image", region_name="r", slide_name="s"
    )
    slide, table = ours(tmp_path, folder, "merscope", z=1)
    image = peer["s_r_z1"]["scale0"]["image"]
    order = [list(image.coords["c"].values).index(name) for name in slide.channels]
    assert np.array_equal(slide.read(0, 0, *slide.shape), image.values[order])
    # Its transform leads to pixels, ours to micrometres of the vendor's frame.
    from spatialdata.transformations import get_transformation

    matrix = get_transformation(peer["s_r_transcripts"]).to_affine_matrix(("x", "y"), ("x", "y"))
    points = peer["s_r_transcripts"].compute()
    placed = points[["x", "y"]].to_numpy() @ matrix[:2, :2].T + matrix[:2, 2]
    mine = (table[["x", "y"]].to_numpy() - slide.origin) / slide.pixel_size
    assert np.allclose(mine, placed, atol=1e-6)
    assert np.isclose(slide.pixel_size, MERSCOPE_PIXEL)
