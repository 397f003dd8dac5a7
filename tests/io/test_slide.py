import json
import subprocess
import sys

import numpy as np
import pytest
import shapely

from vitrail.errors import VitrailError
from vitrail.io.boundaries import read_boundaries, write_boundaries
from vitrail.io.raster import RasterElement
from vitrail.io.slide import open_slide
from vitrail.io.spatialdata_store import new_store, shapes_element

IMAGE = np.arange(2 * 50 * 40, dtype=np.uint16).reshape(2, 50, 40)
LABELS = np.arange(50 * 40, dtype=np.int32).reshape(50, 40)
SHAPES = [
    shapely.box(1, 1, 3, 3),
    shapely.MultiPolygon([shapely.box(5, 5, 6, 6), shapely.box(8, 8, 9, 9)]),
]


@pytest.fixture
def slide(tmp_path):
    with new_store(tmp_path / "slide.zarr") as store:
        for name, data, channels in (
            ("images/image", IMAGE, ["a", "b"]),
            ("labels/cells", LABELS, None),
        ):
            element = RasterElement(
                store / name,
                data.shape,
                data.dtype,
                0.5,
                (3.0, 4.0),
                channels=channels,
                chunk=16,
                levels=2,
            )
            strips = element.strips()
            strips.write(data)
            strips.close()
        write_boundaries(shapes_element(store, "nuclei"), ["n1", "n2"], SHAPES)
    info = {
        "sample": "A",
        "pixel_size_um": 0.5,
        "origin_um": [3.0, 4.0],
        "shape": [50, 40],
        "channels": ["a", "b"],
        "elements": ["images/image", "labels/cells", "shapes/nuclei"],
    }
    (tmp_path / "slide.json").write_text(json.dumps(info))
    return open_slide(tmp_path / "slide.zarr", tmp_path / "slide.json")


def test_facts(slide):
    assert (slide.pixel_size, slide.origin, slide.shape) == (0.5, (3.0, 4.0), (50, 40))
    assert slide.channels == ["a", "b"]
    assert slide.info["sample"] == "A"
    assert slide.has("labels/cells")
    assert not slide.has("labels/nuclei")


def test_boxes_of_pixels(slide):
    assert np.array_equal(slide.read(0, 0, 50, 40), IMAGE)
    assert np.array_equal(slide.read(10, 15, 35, 33), IMAGE[:, 10:35, 15:33])
    assert slide.read(5, 5, 5, 9).shape == (2, 0, 4)
    with pytest.raises(ValueError, match="does not lie in a slide"):
        slide.read(-1, 0, 10, 10)
    with pytest.raises(ValueError, match="does not lie in a slide"):
        slide.read(0, 0, 51, 10)


def test_labels_and_boundaries(slide):
    labels = slide.labels("cells")
    assert labels.dtype == np.int32
    assert np.array_equal(labels[:], LABELS)
    ids, shapes = slide.boundaries("nuclei")
    assert ids == ["n1", "n2"]
    assert shapely.equals(shapes, SHAPES).all()
    assert slide.transcript_parts() == []


def test_what_the_slide_has_not_is_said(slide):
    with pytest.raises(VitrailError) as caught:
        slide.labels("nuclei")
    assert str(caught.value) == (
        f"{slide.path}: has no labels/nuclei (found images/image, labels/cells, shapes/nuclei)."
    )


def test_no_boundaries_are_boundaries(tmp_path):
    import geopandas

    write_boundaries(tmp_path / "b.parquet", [], [])
    assert read_boundaries(tmp_path / "b.parquet")[0] == []
    assert len(geopandas.read_parquet(tmp_path / "b.parquet")) == 0


def test_spatialdata_sees_the_same(slide):
    import spatialdata

    data = spatialdata.read_zarr(slide.path)
    assert list(data.images["image"]["scale0"].coords["c"].values) == ["a", "b"]
    assert np.array_equal(data.images["image"]["scale0"]["image"].values, IMAGE)
    assert list(data["nuclei"].index) == ["n1", "n2"]
    extent = spatialdata.get_extent(data["image"], coordinate_system="global")
    assert extent == {"x": (3.0, 23.0), "y": (4.0, 29.0)}


def test_a_slide_opens_without_spatialdata(tmp_path):
    code = (
        "import sys; import vitrail.io.slide; "
        "print([m for m in ('spatialdata', 'geopandas', 'pandas', 'dask') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
