"""The real slides of config/examples, by their sheets alone."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
import yaml
from pyarrow import csv
from real_data import EXAMPLES, example, needs_data

from vitrail.coordinates import pixel_index
from vitrail.ingest import ingest
from vitrail.io.slide import open_slide


def slides(name, folder):
    made = {}
    for row, entry in example(name):
        paths = folder / f"{row['sample']}.zarr", folder / f"{row['sample']}.json"
        ingest(row, entry, {}, *paths, provenance={})
        made[row["sample"]] = open_slide(*paths)
    return made


def transcripts(slide):
    return pq.ParquetDataset(slide.transcript_parts()).read().to_pandas()


def pixels(slide, table):
    column = pixel_index(table["x"], slide.pixel_size, slide.origin[0])
    row = pixel_index(table["y"], slide.pixel_size, slide.origin[1])
    inside = (row >= 0) & (column >= 0) & (row < slide.shape[0]) & (column < slide.shape[1])
    return row, column, inside


@needs_data
def test_cosmx_transcripts_lie_in_the_vendors_cells(tmp_path):
    slide = slides("cosmx_lung", tmp_path)["cosmx_lung"]
    table = transcripts(slide)
    row, column, inside = pixels(slide, table)
    found = np.zeros(len(table), int)
    found[inside] = slide.labels("cells")[:][row[inside], column[inside]]
    vendor = table["source_cell"].fillna("0").astype(int)
    assert len(table) == 12_542
    assert (found == vendor).mean() >= 0.999
    assert slide.channels == ["red", "green", "DAPI"]
    assert len(np.unique(slide.labels("cells")[:])) == 68


@needs_data
def test_merscope_planes_are_the_files_of_their_plane(tmp_path):
    import imagecodecs

    made = slides("merscope_mouse_brain", tmp_path)
    for plane in (0, 1):
        slide = made[f"brain_z{plane}"]
        assert slide.channels == ["DAPI", "polyT"]
        assert slide.shape == (4143, 4603)
        (row, _), *_ = example("merscope_mouse_brain")
        for channel, path in enumerate(row["image"][plane::2]):
            expected = imagecodecs.imread(path)
            assert np.array_equal(slide.read(0, 0, *slide.shape)[channel], expected)
    table = transcripts(made["brain_z0"])
    row, column, inside = pixels(made["brain_z0"], table)
    assert len(table) == 80_343
    assert inside.all()
    # Transcripts of a plane lie where its poly-T is bright: upside down they would not.
    image = made["brain_z0"].read(0, 0, *made["brain_z0"].shape)[1]
    here = (table["z"] == 0).to_numpy()
    under = image[row[here], column[here]].mean()
    assert under > 1.8 * image.mean()
    assert under > 1.4 * image[::-1][row[here], column[here]].mean()


@needs_data
def test_merscope_outlines_lie_on_nuclei(tmp_path):
    (row, entry), *_ = example("merscope_mouse_brain")
    folder = row["image"][0].rpartition("/")[0]
    paths = tmp_path / "a.zarr", tmp_path / "a.json"
    ingest({**row, "boundaries": [f"{folder}/z0_polygons.gz"]}, entry, {}, *paths, provenance={})
    slide = open_slide(*paths)
    assert slide.info["boundaries"]["cells"]["in_file"] == 498
    centre = shapely.get_coordinates(shapely.centroid(slide.boundaries("cells")[1]))
    column = pixel_index(centre[:, 0], slide.pixel_size, slide.origin[0])
    line = pixel_index(centre[:, 1], slide.pixel_size, slide.origin[1])
    inside = (line >= 0) & (column >= 0) & (line < slide.shape[0]) & (column < slide.shape[1])
    dapi = slide.read(0, 0, *slide.shape)[0]
    assert dapi[line[inside], column[inside]].mean() > 2.5 * dapi.mean()


@needs_data
def test_merscope_tile_of_three_stacks(tmp_path):
    slide = slides("merscope_liver_tile", tmp_path)["liver"]
    assert slide.channels == ["DAPI", "Cellbound1", "Cellbound2"]
    assert slide.shape == (512, 512)
    table = transcripts(slide)
    assert len(table) == 5_936
    assert pixels(slide, table)[2].sum() == 3_334
    assert slide.info["boundaries"]["cells"]["kept"] == 10
    assert len(slide.info["genes"]) == 274
    # Outlines and transcripts meet as they do in the vendor's own micrometres.
    (row, _), *_ = example("merscope_liver_tile")
    raw = pq.read_table(row["boundaries"][0]).to_pandas().query("ZIndex == 3")
    positions = csv.read_csv(row["transcripts"][0]).select(["global_x", "global_y"]).to_pandas()
    pairs = [
        shapely.STRtree(outlines).query(shapely.points(*xy), predicate="intersects").tolist()
        for outlines, xy in (
            (slide.boundaries("cells")[1], (table["x"], table["y"])),
            (shapely.from_wkb(raw["Geometry"]), (positions["global_x"], positions["global_y"])),
        )
    ]
    assert len(pairs[0][0]) == 1_484
    assert sorted(zip(*pairs[0], strict=True)) == sorted(zip(*pairs[1], strict=True))


@needs_data
def test_xenium_without_an_image(tmp_path):
    slide = slides("xenium_lung_crop", tmp_path)["xenium_lung"]
    table = transcripts(slide)
    assert len(table) == 10_000
    assert len(slide.info["genes"]) == 370
    assert slide.info["elements"] == ["points/transcripts", "shapes/nuclei"]
    assert pixels(slide, table)[2].all()
    steps = np.array(slide.origin) / 0.2125
    assert np.allclose(steps, np.round(steps), atol=1e-9)
    # What lies in an outline, the vendor flags as over a nucleus, and of the outline's own cell.
    ids, shapes = slide.boundaries("nuclei")
    assert len(ids) == 135
    source = example("xenium_lung_crop")[0][0]["transcripts"][0]
    over = pq.read_table(source)["overlaps_nucleus"].to_numpy() == 1
    point, nucleus = shapely.STRtree(shapes).query(
        shapely.points(table["x"], table["y"]), predicate="intersects"
    )
    inside = np.zeros(len(table), bool)
    inside[point] = True
    # Of some cells beyond the crop there is no outline.
    outlined = np.isin(table["source_cell"].to_numpy(), np.array(ids))
    assert (inside == over)[outlined].mean() > 0.99
    own = table["source_cell"].to_numpy()[point] == np.array(ids)[nucleus]
    assert own[over[point]].mean() > 0.998


@pytest.mark.parametrize(
    "name",
    ["cosmx_lung", "merscope_mouse_brain", "merscope_liver_tile", "xenium_lung_crop", "codex_crc"],
)
def test_examples_name_their_own_sheet_and_formats(name):
    config = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    assert config["samples"] == f"config/examples/{name}.tsv"
    header, *lines = (EXAMPLES / f"{name}.tsv").read_text().splitlines()
    column = header.split("\t").index("format")
    assert {line.split("\t")[column] for line in lines} == set(config["formats"])
    assert json.dumps(config)
