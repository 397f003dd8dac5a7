"""The folder of a MERSCOPE region, through the whole stage ingest."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile
from ingest_files import run
from merscope_files import CORNER, PIXEL_SIZE, cell_name, to_microns, write_region
from planted import Planted
from real_data import DATA, needs_data

from vitrail import readers
from vitrail.coordinates import pixel_index
from vitrail.errors import VitrailError

PLANTED = Planted(channels=("DAPI", "PolyT"))


def ingest(tmp_path, folder, entry=None, **cells):
    formats = {"generic": {}, "merscope": {"reader": "merscope", **(entry or {})}}
    entry = readers.format_settings(formats, "merscope")
    return run(tmp_path, {"folder": str(folder), "format": "merscope", **cells}, entry)


def transcripts(slide):
    return pq.ParquetDataset(slide.transcript_parts()).read().to_pandas()


@pytest.mark.parametrize("outlines", ["parquet", "hdf5"])
@pytest.mark.parametrize("z", [1, "max"])
def test_each_layout_gives_the_planted_slide(tmp_path, outlines, z):
    slide = ingest(tmp_path, write_region(tmp_path / "run", PLANTED, outlines=outlines), z=z)
    assert slide.channels == ["DAPI", "PolyT"]
    assert np.isclose(slide.pixel_size, PIXEL_SIZE, rtol=1e-12)
    assert np.allclose(slide.origin, CORNER)
    expected = PLANTED.stack.max(axis=1) if z == "max" else PLANTED.stack[:, 1]
    assert np.array_equal(slide.read(0, 0, *slide.shape), expected)
    table = transcripts(slide)
    # Positions stay the vendor's, in micrometres of its own frame.
    assert np.allclose(table[["x", "y"]], to_microns(PLANTED.xy), atol=1e-9)
    assert np.array_equal(table["z"], PLANTED.z)
    assert table["gene"].tolist() == PLANTED.gene.tolist()
    column = pixel_index(table["x"], slide.pixel_size, slide.origin[0])
    row = pixel_index(table["y"], slide.pixel_size, slide.origin[1])
    owner = PLANTED.cells[row, column]
    assert (owner == PLANTED.owner).all()
    names = [str(cell_name(label)) if label else None for label in owner.tolist()]
    assert table["source_cell"].tolist() == names
    ids, shapes = slide.boundaries("cells")
    assert ids == [str(cell_name(label)) for label in PLANTED.labels]
    for label, shape in zip(PLANTED.labels, shapes, strict=True):
        y0, x0, y1, x1 = PLANTED.boxes[label - 1]
        assert np.allclose(shape.bounds, to_microns([(x0, y0), (x1, y1)]).ravel())


def test_the_vendors_cells_are_the_outlines_cells(tmp_path):
    """Every transcript lies in the outline of the cell that the vendor gave it, and in no other."""
    slide = ingest(tmp_path, write_region(tmp_path / "run", PLANTED), z=0)
    table = transcripts(slide)
    ids, shapes = slide.boundaries("cells")
    found = np.full(len(table), None, dtype=object)
    point, cell = shapely.STRtree(shapes).query(
        shapely.points(table["x"], table["y"]), predicate="within"
    )
    found[point] = np.array(ids)[cell]
    assert (found == table["source_cell"].to_numpy()).all()


def test_a_plane_takes_its_own_outlines(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED)
    low, high = (ingest(tmp_path, folder, z=z).boundaries("cells")[1] for z in (0, 2))
    assert (shapely.area(high) < 0.3 * shapely.area(low)).all()


def test_only_mosaics_of_the_plane_are_read(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED)
    slide = ingest(tmp_path, folder, z="2")
    names = [Path(file["path"]).name for file in slide.info["files"]]
    assert [name for name in names if name.startswith("mosaic")] == [
        "mosaic_DAPI_z2.tif",
        "mosaic_PolyT_z2.tif",
    ]


def test_a_run_that_kept_one_plane_needs_no_z(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED, planes=[2], cell_id=False)
    slide = ingest(tmp_path, folder)
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 2])
    assert "source_cell" not in transcripts(slide)
    assert slide.info["boundaries"]["cells"]["in_file"] == len(PLANTED.boxes)
    assert ingest(tmp_path, folder, z=2).channels == ["DAPI", "PolyT"]


def test_a_stain_may_lack_the_planes_that_are_not_wanted(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED)
    for plane in (0, 2):
        (folder / f"images/mosaic_PolyT_z{plane}.tif").unlink()
    slide = ingest(tmp_path, folder, z=1)
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 1])
    with pytest.raises(VitrailError, match=r"has no images/mosaic_PolyT_z0\.tif .*wanted plane 0"):
        ingest(tmp_path, folder, z="max")


def test_an_image_of_ones_own_lies_on_the_mosaics_pixels(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED)
    mine = tmp_path / "mine.ome.tif"
    names = {"axes": "CYX", "Channel": {"Name": ["a", "b"]}}
    tifffile.imwrite(mine, PLANTED.stack[:, 1], metadata=names)
    slide = ingest(tmp_path, folder, {"boundaries": {"plane": 2}}, image=[str(mine)])
    assert slide.channels == ["a", "b"]
    assert np.allclose(slide.origin, CORNER)
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 1])
    corners = to_microns(PLANTED.outline(1, nucleus=True))
    first = slide.boundaries("cells")[1][0]
    assert np.allclose(first.bounds, [*corners.min(axis=0), *corners.max(axis=0)])


def test_images_may_lie_behind_a_link(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED)
    (folder / "images").rename(tmp_path / "other_disk")
    (folder / "images").symlink_to(tmp_path / "other_disk")
    (tmp_path / "other_disk/back").symlink_to(folder)
    slide = ingest(tmp_path, folder, z=1)
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 1])


def test_segmenting_anew_leaves_the_vendors_cells_out(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED)
    slide = ingest(tmp_path, folder, {"cells": "none"}, z=0)
    assert slide.info["elements"] == ["images/image", "points/transcripts"]


@pytest.mark.parametrize(
    ("change", "z", "sentence"),
    [
        (lambda f: None, None, "has mosaics of the planes 0, 1, 2, wanted the sheet's column z"),
        (lambda f: None, 7, "has no mosaic of plane 7, wanted one of 0, 1, 2"),
        (
            lambda f: (f / "images/mosaic_PolyT_z1.tif").unlink(),
            1,
            r"has no images/mosaic_PolyT_z1.tif \(renamed to images/mosaic_PolyT_z\d.tif\?\), "
            "wanted plane 1 of",
        ),
        (
            lambda f: (f / "images/micron_to_mosaic_pixel_transform.csv").unlink(),
            1,
            "has no images/micron_to_mosaic_pixel_transform.csv or .* wanted the transform",
        ),
        (
            lambda f: (f / "detected_transcripts.csv").rename(f / "transcripts.csv"),
            1,
            r"has no detected_transcripts.csv or .*\(renamed to transcripts.csv\?\)",
        ),
        (
            lambda f: (f / "cell_boundaries.parquet").unlink(),
            1,
            "has no cell_boundaries.parquet or cell_boundaries/feature_data_0.hdf5",
        ),
        (
            lambda f: (f / "images/micron_to_mosaic_pixel_transform.csv").write_text("9.2 0 1\n"),
            1,
            "is not three rows of three numbers",
        ),
        (
            lambda f: (f / "images/micron_to_mosaic_pixel_transform.csv").write_bytes(b"\xff\xfe9"),
            1,
            "is not three rows of three numbers",
        ),
        (
            lambda f: (f / "images/micron_to_mosaic_pixel_transform.csv").write_text(
                "0 9 1\n-9 0 1\n0 0 1\n"
            ),
            1,
            "wanted one scale for both axes and a shift, without a turn",
        ),
    ],
)
def test_missing_and_renamed_files_are_one_sentence(tmp_path, change, z, sentence):
    folder = write_region(tmp_path / "run", PLANTED)
    change(folder)
    with pytest.raises(VitrailError, match=sentence) as caught:
        ingest(tmp_path, folder, z=z)
    assert str(caught.value).startswith(str(folder))


def test_truncated_outlines_of_old_software(tmp_path):
    folder = write_region(tmp_path / "run", PLANTED, outlines="hdf5")
    path = folder / "cell_boundaries/feature_data_10.hdf5"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(VitrailError, match=r"feature_data_10\.hdf5: is not a complete file of"):
        ingest(tmp_path, folder, z=0)


@needs_data
def test_the_real_tile_gives_the_vendors_counts(tmp_path):
    """The vendor counts a plane's transcripts in that plane's outlines: 1,484 in 94 cells."""
    source = Path(DATA) / "insitu/merscope_liver_tile"
    folder = tmp_path / "run"
    (folder / "images").mkdir(parents=True)
    for name in ("micron_to_mosaic_pixel_transform.csv", "detected_transcripts.csv"):
        target = folder / ("images" if name.startswith("micron") else ".") / name
        target.write_bytes((source / name).read_bytes())
    (folder / "cell_boundaries.parquet").write_bytes(
        (source / "cells_cellpose.parquet").read_bytes()
    )
    dapi = tifffile.imread(source / "input_images_DAPI_zstack.tif")
    for plane, pixels in enumerate(dapi):
        tifffile.imwrite(folder / f"images/mosaic_DAPI_z{plane}.tif", pixels)
    slide = ingest(tmp_path, folder, z=5)
    assert np.array_equal(slide.read(0, 0, *slide.shape)[0], dapi[5])
    counted = {}
    for z in range(7):
        slide = ingest(tmp_path, folder, {"parts": ["transcripts"]}, z=z)
        table = transcripts(slide).query("z == @z")
        ids, shapes = slide.boundaries("cells")
        point, cell = shapely.STRtree(shapes).query(
            shapely.points(table["x"], table["y"]), predicate="intersects"
        )
        for gene, k in zip(table["gene"].to_numpy()[point], cell, strict=True):
            counted[ids[k], gene] = counted.get((ids[k], gene), 0) + 1
    table = pd.read_csv(source / "cell_by_gene.csv", index_col=0)
    vendor = {
        (str(cell), gene): int(n) for cell, row in table.iterrows() for gene, n in row.items() if n
    }
    assert sum(counted.values()) == 1_484
    assert counted == vendor
