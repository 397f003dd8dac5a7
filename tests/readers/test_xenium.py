"""The folder of a Xenium run, through the whole stage ingest."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from ingest_files import run
from planted import Planted
from real_data import DATA, needs_data
from xenium_files import PIXEL_SIZE, STAINS, cell_name, write_run

from vitrail import readers
from vitrail.coordinates import pixel_index
from vitrail.errors import VitrailError

PLANTED = Planted(channels=("DAPI", "Boundary"))
FORMATS = {"generic": {}, "xenium": {"reader": "xenium"}}


def ingest(tmp_path, folder, entry=None, **cells):
    formats = {**FORMATS, "xenium": {"reader": "xenium", **(entry or {})}}
    entry = readers.format_settings(formats, "xenium")
    return run(tmp_path, {"folder": str(folder), "format": "xenium", **cells}, entry)


def transcripts(slide):
    return pq.ParquetDataset(slide.transcript_parts()).read().to_pandas()


def owners(slide, table, labels):
    column = pixel_index(table["x"], slide.pixel_size, slide.origin[0])
    row = pixel_index(table["y"], slide.pixel_size, slide.origin[1])
    return labels[row, column]


@pytest.mark.parametrize("version", [(1, 0), (1, 4), (2, 0), (3, 0), (4, 0)])
def test_each_layout_gives_the_planted_slide(tmp_path, version):
    folder = write_run(tmp_path / "run", PLANTED, version)
    slide = ingest(tmp_path, folder)
    assert slide.pixel_size == PIXEL_SIZE
    assert slide.shape == PLANTED.shape
    focus = PLANTED.stack.max(axis=1)
    if version < (2, 0):
        assert slide.channels == ["DAPI"]
        expected = focus[:1]
    else:
        assert slide.channels == list(STAINS)
        expected = np.stack([focus[i % 2] + i for i in range(4)])
    assert np.array_equal(slide.read(0, 0, *slide.shape), expected)
    assert np.array_equal(slide.labels("cells")[:], PLANTED.cells)
    assert np.array_equal(slide.labels("nuclei")[:], PLANTED.nuclei)
    table = transcripts(slide)
    assert np.allclose(table[["x", "y"]], PLANTED.xy * PIXEL_SIZE, atol=1e-5)
    assert table["gene"].tolist() == PLANTED.gene.tolist()
    assert np.array_equal(table["quality"], PLANTED.quality)
    assert np.array_equal(table["z"], PLANTED.z * 3.0)
    names = [str(cell_name(label, version)) if label else None for label in PLANTED.owner]
    assert table["source_cell"].tolist() == names
    # Masks, positions and the vendor's own assignment agree, transcript by transcript.
    assert (owners(slide, table, slide.labels("cells")[:]) == PLANTED.owner).mean() >= 0.999
    assert slide.label_names("cells") == [str(cell_name(n, version)) for n in PLANTED.labels]
    assert slide.label_names("nuclei") is None


def test_spatialdata_opens_it(tmp_path):
    import spatialdata

    slide = ingest(tmp_path, write_run(tmp_path / "run", PLANTED, (3, 0)))
    data = spatialdata.read_zarr(slide.path)
    names = {name for _, name, _ in data.gen_elements()}
    assert names == {"image", "cells", "nuclei", "transcripts"}
    assert np.array_equal(data["cells"]["scale0"]["image"].values, PLANTED.cells)


def test_all_that_is_read_is_recorded(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    slide = ingest(tmp_path, folder)
    names = {file["path"].removeprefix(f"{folder}/"): file["bytes"] for file in slide.info["files"]}
    assert set(names) == {
        "experiment.xenium",
        "transcripts.parquet",
        "cells.zarr.zip",
        *(f"morphology_focus/morphology_focus_{i:04}.ome.tif" for i in range(4)),
    }
    assert all((folder / name).stat().st_size == size for name, size in names.items())


@pytest.mark.parametrize("table", ["parquet", "csv"])
@pytest.mark.parametrize("version", [(1, 0), (2, 1)])
def test_outlines_instead_of_masks(tmp_path, version, table):
    folder = write_run(tmp_path / "run", PLANTED, version, table=table)
    slide = ingest(tmp_path, folder, {"cells": "outlines"})
    ids, shapes = slide.boundaries("cells")
    assert ids == [str(cell_name(label, version)) for label in PLANTED.labels]
    for label, shape in zip(PLANTED.labels, shapes, strict=True):
        y0, x0, y1, x1 = (side * PIXEL_SIZE for side in PLANTED.boxes[label - 1])
        assert np.allclose(shape.bounds, (x0, y0, x1, y1), atol=1e-4)
    nuclei, _ = slide.boundaries("nuclei")
    assert nuclei == (ids if version < (2, 0) else [str(label) for label in PLANTED.labels])


def test_two_nuclei_of_a_cell_whose_table_does_not_tell_them_apart(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0), label_id=False)
    path = folder / "nucleus_boundaries.parquet"
    table = pq.read_table(path).to_pandas()
    table["cell_id"] = table["cell_id"].where(
        table["cell_id"] != cell_name(2, (2, 0)), cell_name(1, (2, 0))
    )
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)
    slide = ingest(tmp_path, folder, {"cells": "outlines"})
    ids, shapes = slide.boundaries("nuclei")
    assert len(ids) == len(PLANTED.boxes) - 1
    both = sum((PLANTED.nuclei == label).sum() for label in (1, 2)) * PIXEL_SIZE**2
    assert np.isclose(shapes[0].area, both, rtol=1e-4)
    assert slide.info["boundaries"]["nuclei"]["repaired"] == 1


def test_planes_and_projections_come_from_the_stack(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    for z, expected in (
        (1, PLANTED.stack[0, 1]),
        ("max", PLANTED.stack[0].max(axis=0)),
        ("mean", np.floor(PLANTED.stack[0].mean(axis=0) + 0.5)),
    ):
        slide = ingest(tmp_path, folder, {"cells": "none"}, z=z)
        assert slide.channels == ["DAPI"]
        assert np.array_equal(slide.read(0, 0, *slide.shape)[0], expected)
        assert slide.info["elements"] == ["images/image", "points/transcripts"]
    old = write_run(tmp_path / "old", PLANTED, (1, 4))
    slide = ingest(tmp_path, old, z="max")
    assert f"{old}/morphology_mip.ome.tif" in {file["path"] for file in slide.info["files"]}


def test_a_run_without_the_segmentation_kit_has_one_stain(tmp_path):
    slide = ingest(tmp_path, write_run(tmp_path / "run", PLANTED, (2, 0), stains=False))
    assert slide.channels == ["DAPI"]


def test_cells_of_ones_own_stand_for_the_vendors(tmp_path):
    import tifffile

    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    mine = np.where(PLANTED.cells == 3, 1, 0).astype(np.uint16)
    tifffile.imwrite(tmp_path / "mine.tif", mine)
    slide = ingest(tmp_path, folder, labels=[str(tmp_path / "mine.tif")])
    assert np.array_equal(slide.labels("cells")[:], mine)


@needs_data
def test_the_real_crop_in_the_vendors_layout(tmp_path):
    """Transcripts that the vendor flags as over a nucleus lie in the one of their own cell."""
    source = Path(DATA) / "insitu/xenium_lung_crop"
    folder = write_run(tmp_path / "run", PLANTED, (1, 4))
    (folder / "cells.zarr.zip").unlink()
    for name in ("transcripts", "nucleus_boundaries"):
        (folder / f"{name}.parquet").write_bytes((source / f"{name}.parquet").read_bytes())
    (folder / "cell_boundaries.parquet").write_bytes(
        (source / "nucleus_boundaries.parquet").read_bytes()
    )
    slide = ingest(tmp_path, folder, {"parts": ["transcripts"]})
    table = transcripts(slide)
    over = pq.read_table(source / "transcripts.parquet")["overlaps_nucleus"].to_numpy() == 1
    ids, shapes = slide.boundaries("nuclei")
    # The vendor assigns by pixel: the centre of a transcript's pixel lies in its nucleus.
    centre = [(np.floor(table[axis] / PIXEL_SIZE) + 0.5) * PIXEL_SIZE for axis in ("x", "y")]
    point, nucleus = shapely.STRtree(shapes).query(shapely.points(*centre), predicate="intersects")
    own = table["source_cell"].to_numpy()[point] == np.array(ids)[nucleus]
    found = np.zeros(len(table), bool)
    found[point[own]] = True
    of_these = table["source_cell"].isin(ids).to_numpy()
    assert of_these.sum() == 8_619
    # Short of 99.5 %, since the outlines have 13 corners; the masks have all.
    assert (found == over)[of_these].mean() > 0.993


def test_without_an_image_the_pixel_size_is_the_runs(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    shutil.rmtree(folder / "morphology_focus")
    slide = ingest(tmp_path, folder, {"parts": ["transcripts"], "cells": "outlines"})
    assert slide.channels == []
    assert slide.pixel_size == PIXEL_SIZE


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda folder: (folder / "experiment.xenium").rename(folder / "experiment_1.xenium"),
            "has no experiment.xenium (renamed to experiment_1.xenium?), wanted the description of "
            "xenium.",
        ),
        (
            lambda folder: (folder / "transcripts.parquet").rename(folder / "tx.parquet"),
            "has no transcripts.parquet or transcripts.csv.gz or transcripts.csv (renamed to "
            "tx.parquet?), wanted the transcripts of xenium.",
        ),
        (
            lambda folder: shutil.rmtree(folder / "morphology_focus"),
            "has no morphology_focus.ome.tif or morphology_focus/morphology_focus_0000.ome.tif "
            "(renamed to morphology.ome.tif?), wanted the image of xenium.",
        ),
        (
            lambda folder: (folder / "morphology_focus/morphology_focus_0001.ome.tif").unlink(),
            "morphology_focus holds the images [0, 2, 3], wanted the one with number 1 too.",
        ),
    ],
)
def test_missing_and_renamed_files_are_one_sentence(tmp_path, change, sentence):
    folder = write_run(tmp_path / "run", PLANTED, (2, 1))
    change(folder)
    with pytest.raises(VitrailError) as caught:
        ingest(tmp_path, folder)
    assert str(caught.value).removeprefix(f"{folder}").lstrip(": ") == sentence
    row = {"sample": "A", "row": 2, "folder": str(folder), "format": "xenium"}
    with pytest.raises(VitrailError) as early:
        readers.check(row, FORMATS, "sheet.tsv")
    assert str(early.value) == f"sheet.tsv, row 2 (sample A): {caught.value}"


def test_stains_that_were_left_behind_are_named(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 1))
    for number in (1, 2, 3):
        (folder / f"morphology_focus/morphology_focus_000{number}.ome.tif").unlink()
    sentence = (
        r"focus_0000\.ome\.tif: page 1 lies in .* \(missing morphology_focus_0001\.ome\.tif, "
    )
    with pytest.raises(VitrailError, match=sentence):
        ingest(tmp_path, folder)


def test_missing_outlines_where_there_are_no_masks(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    (folder / "cells.zarr.zip").unlink()
    (folder / "cell_boundaries.parquet").unlink()
    with pytest.raises(
        VitrailError, match=r"has no cell_boundaries\.parquet or .* wanted the outl"
    ):
        ingest(tmp_path, folder)
    ingest(tmp_path, folder, {"cells": "none"})
    with pytest.raises(VitrailError, match="holds no labels of cells"):
        ingest(tmp_path, folder, {"cells": "labels"})


@pytest.mark.parametrize(
    "name",
    [
        "morphology_focus/morphology_focus_0000.ome.tif",
        "morphology_focus/morphology_focus_0002.ome.tif",
        "transcripts.parquet",
        "cells.zarr.zip",
        "experiment.xenium",
    ],
)
def test_truncated_files_are_recognised(tmp_path, name):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(VitrailError, match=r"truncated or still being copied|damaged"):
        ingest(tmp_path, folder)


def test_a_description_without_a_pixel_size(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    (folder / "experiment.xenium").write_text(json.dumps({"pixel_size": -1}))
    with pytest.raises(VitrailError, match="pixel_size is -1, wanted micrometres a pixel"):
        ingest(tmp_path, folder)


def test_masks_that_lie_elsewhere_are_refused(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    document = json.loads((folder / "experiment.xenium").read_text())
    (folder / "experiment.xenium").write_text(json.dumps({**document, "pixel_size": 0.2}))
    with pytest.raises(VitrailError, match="wanted a scale of 5 pixels a micrometre alone"):
        ingest(tmp_path, folder)


def test_masks_whose_cells_have_no_names(tmp_path):
    folder = write_run(tmp_path / "run", PLANTED, (2, 0))
    path = folder / "cells.zarr.zip"
    with zipfile.ZipFile(path) as old:
        kept = {n: old.read(n) for n in old.namelist() if not n.startswith("cell_id/")}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in kept.items():
            new.writestr(name, content)
    with pytest.raises(
        VitrailError, match=r"cells\.zarr\.zip: the names of its cells cannot be re"
    ):
        ingest(tmp_path, folder)


def test_a_folder_wants_a_format_that_reads_folders(tmp_path):
    row = {"sample": "A", "row": 2, "folder": str(tmp_path), "format": None}
    with pytest.raises(VitrailError, match="wanted a format whose reader is one of"):
        readers.check(row, FORMATS, "sheet.tsv")
    with pytest.raises(VitrailError, match="wanted its path in the column folder"):
        readers.check({**row, "folder": None, "format": "xenium"}, FORMATS, "sheet.tsv")
