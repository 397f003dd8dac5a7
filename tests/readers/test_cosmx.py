"""The folder of a CosMx slide, through the whole stage ingest."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from cosmx_files import PIXEL_SIZE, mosaic_labels, write_slide
from ingest_files import run
from planted import Planted
from pyarrow import csv
from real_data import DATA, needs_data

from vitrail import readers
from vitrail.coordinates import pixel_index
from vitrail.errors import VitrailError

PLANTED = Planted(channels=("DNA", "Membrane"), controls=("NegPrb3", "SystemControl12"))
LABELS = mosaic_labels(PLANTED)


def ingest(tmp_path, folder, entry=None, **cells):
    formats = {"generic": {}, "cosmx": {"reader": "cosmx", **(entry or {})}}
    entry = readers.format_settings(formats, "cosmx")
    return run(tmp_path, {"folder": str(folder), "format": "cosmx", **cells}, entry)


def transcripts(slide):
    return pq.ParquetDataset(slide.transcript_parts()).read().to_pandas()


def one(folder, pattern):
    (path,) = folder.rglob(pattern)
    return path


def edit(path, change):
    rows = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(change(rows).encode()))


def found_labels(slide, table):
    column = pixel_index(table["x"], slide.pixel_size, slide.origin[0])
    row = pixel_index(table["y"], slide.pixel_size, slide.origin[1])
    return slide.labels("cells")[:][row, column]


@pytest.mark.parametrize("unit", ["both", "mm"])
def test_the_new_export_gives_the_planted_slide(tmp_path, unit):
    folder = write_slide(tmp_path / "run", PLANTED, unit=unit)
    slide = ingest(tmp_path, folder, pixel_size=None if unit == "both" else PIXEL_SIZE)
    assert np.isclose(slide.pixel_size, PIXEL_SIZE, rtol=1e-9)
    assert slide.channels == ["DNA", "Membrane"]
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 0])
    assert np.array_equal(slide.labels("cells")[:], LABELS)
    table = transcripts(slide)
    assert np.allclose(table[["x", "y"]], PLANTED.xy * slide.pixel_size, atol=1e-9)
    assert table["gene"].tolist() == PLANTED.gene.tolist()
    assert np.array_equal(table["z"], PLANTED.z)
    vendor = table["source_cell"].fillna("0").astype(int)
    assert (found_labels(slide, table) == vendor).all()
    assert (vendor > 0).sum() == (PLANTED.owner > 0).sum()


def test_the_old_export_gives_the_planted_slide(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED, new=False)
    entry = {"image": {"channels": ["membrane", "none", "DAPI"]}}
    slide = ingest(tmp_path, folder, entry, pixel_size=0.18)
    assert slide.channels == ["membrane", "none", "DAPI"]
    dapi = slide.read(0, 0, *slide.shape)[2]
    assert np.array_equal(dapi, (PLANTED.stack[0, 0] // 32).astype(np.uint8))
    assert np.array_equal(slide.labels("cells")[:], LABELS)
    table = transcripts(slide)
    assert np.allclose(table[["x", "y"]], PLANTED.xy * 0.18, atol=1e-9)
    vendor = table["source_cell"].fillna("0").astype(int)
    assert (found_labels(slide, table) == vendor).all()


def test_an_export_whose_y_runs_downwards(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED, flipped=False)
    slide = ingest(tmp_path, folder, {"transcripts": {"flip_y": False}})
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 0])
    table = transcripts(slide)
    vendor = table["source_cell"].fillna("0").astype(int)
    assert (found_labels(slide, table) == vendor).all()


def test_outlines_lie_on_the_labels(tmp_path):
    slide = ingest(tmp_path, write_slide(tmp_path / "run", PLANTED), {"cells": "outlines"})
    ids, shapes = slide.boundaries("cells")
    assert len(ids) > 4
    for name, shape in zip(ids, shapes, strict=True):
        rows, columns = np.nonzero(int(name) == LABELS)
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.allclose(shape.bounds, np.array(box) * slide.pixel_size)


def test_the_pixel_size_is_in_the_runs_summary(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED, unit="px")
    with pytest.raises(VitrailError, match="the pixel size is not known"):
        ingest(tmp_path, folder)
    (folder / "RunSummary").mkdir()
    summary = "Image Rows: 95\nImPixel_nm: 120.280945\n"
    (folder / "RunSummary/Run_0_ExptConfig.txt").write_text(summary)
    assert ingest(tmp_path, folder).pixel_size == 0.120280945


def test_positions_in_millimetres_want_a_pixel_size(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED, unit="mm")
    with pytest.raises(VitrailError, match="positions of fields are in millimetres and the pixel"):
        ingest(tmp_path, folder)


def test_fields_that_were_planned_and_not_taken_have_no_position(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED)
    path = one(folder, "*positions_file.csv.gz")
    edit(path, lambda rows: rows + "77,NA,NA,NA,NA\nNA,NA,NA,NA,NA\n")
    slide = ingest(tmp_path, folder)
    assert np.isclose(slide.pixel_size, PIXEL_SIZE, rtol=1e-9)
    assert np.array_equal(slide.labels("cells")[:], LABELS)
    edit(path, lambda rows: rows.replace("\n12,", "\n78,") + "12,NA,NA,NA,NA\n")
    with pytest.raises(VitrailError, match=r"_F00012\.tif: field of view 12 has no position in"):
        ingest(tmp_path, folder)


def test_a_region_across_the_seam(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED)
    box = np.array([100, 70, 180, 130])
    slide = ingest(tmp_path, folder, region=(box * PIXEL_SIZE).tolist())
    x0, y0, x1, y1 = box
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 0, y0:y1, x0:x1])
    assert np.array_equal(slide.labels("cells")[:], LABELS[y0:y1, x0:x1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda f: one(f, "*_tx_file.csv.gz").rename(f / "flatFiles/S1/S1_tx.csv.gz"),
            r"has no SLIDE_tx_file.csv or SLIDE_tx_file.csv.gz \(renamed to "
            r"flatFiles/S1/S1_tx.csv.gz\?\), wanted the transcripts of cosmx",
        ),
        (
            lambda f: one(f, "*positions_file.csv.gz").unlink(),
            r"has no SLIDE_fov_positions_file.csv or .*wanted the positions of the fields",
        ),
        (
            lambda f: [path.unlink() for path in f.rglob("*.TIF")],
            r"has no CellStatsDir/Morphology2D/RUN_F00001.TIF or .*wanted the images of cosmx",
        ),
        (
            lambda f: [path.unlink() for path in f.rglob("*_F00012.*")],
            r"has rows of field of view 12, of which there is no image",
        ),
        (
            lambda f: one(f, "*C902_F00002.TIF").rename(f / "CellStatsDir/Morphology2D/a_F77.TIF"),
            r"a_F77.TIF: field of view 77 has no position in the position file, which",
        ),
        (
            lambda f: edit(one(f, "*_tx_file.csv.gz"), lambda rows: rows.replace("\n1,", "\n1.5,")),
            r"_tx_file\.csv\.gz: column 'fov' holds '1\.5', wanted whole numbers",
        ),
    ],
)
def test_missing_and_renamed_files_are_one_sentence(tmp_path, change, sentence):
    folder = write_slide(tmp_path / "run", PLANTED)
    change(folder)
    with pytest.raises(VitrailError, match=sentence) as caught:
        ingest(tmp_path, folder)
    assert str(caught.value).startswith(str(folder))


def test_two_slides_in_a_folder_are_refused(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED)
    write_slide(folder / "other", PLANTED, new=False)
    with pytest.raises(VitrailError, match="wanted one slide a folder"):
        ingest(tmp_path, folder)


def test_an_image_of_ones_own_stands_for_the_fields(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED)
    mine = tmp_path / "stitched.ome.tif"
    names = {"axes": "CYX", "Channel": {"Name": ["a", "b"]}}
    tifffile.imwrite(mine, PLANTED.stack[:, 1], metadata=names)
    slide = ingest(tmp_path, folder, image=[str(mine)])
    assert slide.channels == ["a", "b"]
    assert np.array_equal(slide.read(0, 0, *slide.shape), PLANTED.stack[:, 1])
    table = transcripts(slide)
    assert np.allclose(table[["x", "y"]], PLANTED.xy * slide.pixel_size, atol=1e-9)
    with pytest.raises(VitrailError, match="neither images nor label images of its fields are"):
        ingest(tmp_path, folder, {"cells": "outlines"}, image=[str(mine)])


def test_a_field_of_another_size(tmp_path):
    folder = write_slide(tmp_path / "run", PLANTED)
    tifffile.imwrite(one(folder, "CellLabels_F00012.tif"), np.zeros((95, 100), np.uint16))
    with pytest.raises(VitrailError, match="has 95 x 100 pixels of uint16 in 1 channels, wanted"):
        ingest(tmp_path, folder)


@needs_data
def test_the_real_crop_in_the_vendors_layout(tmp_path):
    source = Path(DATA) / "insitu/cosmx_lung"
    folder = tmp_path / "run"
    for name in ("CellComposite/CellComposite_F002.jpg", "CellLabels/CellLabels_F002.tif"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes((source / Path(name).name).read_bytes())
    name = "Lung12_fov_positions_file.csv"
    (folder / name).write_bytes((source / name).read_bytes())
    # The crop begins at (4800, 3000) of its field: here the crop is the field.
    table = csv.read_csv(source / "Lung12_tx_file.csv").to_pandas()
    table["x_local_px"] -= 4800
    table["y_local_px"] -= 3000
    csv.write_csv(pa.Table.from_pandas(table), folder / "Lung12_tx_file.csv")
    slide = ingest(tmp_path, folder, pixel_size=0.18)
    placed = transcripts(slide)
    assert len(placed) == 12_542
    column = pixel_index(placed["x"], slide.pixel_size, slide.origin[0])
    row = pixel_index(placed["y"], slide.pixel_size, slide.origin[1])
    inside = (row >= 0) & (column >= 0) & (row < slide.shape[0]) & (column < slide.shape[1])
    found = np.zeros(len(placed), int)
    found[inside] = slide.labels("cells")[:][row[inside], column[inside]]
    vendor = placed["source_cell"].fillna("0").astype(int)
    assert (found == vendor).mean() >= 0.999
