"""The folder for Xenium Explorer holds what the sample has."""

import json
import warnings
from itertools import pairwise

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_files import ORIGIN, PIXEL_SIZE, write_sample
from stage_files import run_script
from zarr.storage import ZipStore

from vitrail.explorer.outlines import write_outlines
from vitrail.explorer.transcripts import ROW, write_transcripts
from vitrail.io.geoparquet import read_geoparquet
from vitrail.io.h5ad import read_element

PARTS = ("slide", "info", "outlines", "nuclei", "transcripts")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def folder(sample, tmp_path_factory):
    target = tmp_path_factory.mktemp("made") / "explorer"
    inputs = {part: sample.files[part] for part in PARTS} | {"cells": sample.files["cells"]}
    with warnings.catch_warnings():
        # A name that is written twice into a zip file is found by readers once.
        warnings.simplefilter("error")
        run_script("explorer", inputs, {"folder": target}, {"write": True, "corners": 25})
    return target


def opened(path):
    return zarr.open_group(ZipStore(str(path), read_only=True), mode="r", zarr_format=2)


def test_the_description_names_files_that_are_there(sample, folder):
    document = json.loads((folder / "experiment.xenium").read_text())
    assert document["pixel_size"] == PIXEL_SIZE
    assert document["num_cells"] == len(sample.xy)
    assert (folder / document["images"]["morphology_filepath"]).is_file()
    named = document["xenium_explorer_files"]
    assert {name for name in named.values() if name.endswith(".zip")} == {
        path.name for path in folder.glob("*.zip")
    }


def test_the_image_has_its_pixels_channels_and_levels(sample, folder):
    with tifffile.TiffFile(folder / "morphology.ome.tif") as file:
        series = file.series[0]
        assert np.array_equal(series.asarray(), sample.image)
        assert len(series.levels) == len(list((sample.files["slide"] / "images/image").glob("s*")))
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata


def test_outlines_are_the_cells_from_the_images_corner(sample, folder):
    group = opened(folder / "cells.zarr.zip")
    count = len(sample.xy)
    assert group.attrs["number_cells"] == count
    vertices, lengths = group["polygon_vertices"][:], group["polygon_num_vertices"][:]
    assert vertices.shape == (2, count, 50)
    assert np.array_equal(group["cell_id"][:, 0], np.arange(count))
    columns, geometry = read_geoparquet(sample.files["outlines"])
    moved = shapely.transform(geometry, lambda xy: xy - np.array(ORIGIN))
    for i, shape in enumerate(moved):
        assert 4 <= lengths[1, i] <= 25
        drawn = shapely.Polygon(vertices[1, i].reshape(25, 2)[: lengths[1, i]])
        assert drawn.intersection(shape).area > 0.85 * shape.area
        inner = shapely.Polygon(vertices[0, i].reshape(25, 2)[: lengths[0, i]])
        assert inner.intersection(shape).area > 0.9 * inner.area > 0
    summary = group["cell_summary"]
    named = dict(zip(summary.attrs["column_names"], summary[:].T, strict=True))
    assert np.allclose(named["cell_area"], shapely.area(moved))
    assert np.allclose(named["cell_centroid_x"] + ORIGIN[0], columns["centroid_x"], atol=1e-6)


def test_counts_are_the_samples(sample, folder):
    group = opened(folder / "cell_feature_matrix.zarr.zip")["cell_features"]
    with h5py.File(sample.files["cells"]) as file:
        counts = read_element(file["X"]).toarray()
    dense = np.zeros((len(sample.xy), group.attrs["number_features"]), int)
    ends = group["indptr"][:]
    for column in range(dense.shape[1]):
        part = slice(ends[column], ends[column + 1])
        dense[group["indices"][part], column] = group["data"][part]
    assert np.array_equal(dense[:, :-1], counts)
    assert np.array_equal(dense[:, -1], counts.sum(axis=1))
    assert group.attrs["feature_keys"][-1] == "Total transcripts"


def test_groups_partition_the_cells(sample, folder):
    group = opened(folder / "analysis.zarr.zip")["cell_groups"]
    assert group.attrs["grouping_names"][0] == "cell_type"
    for index, names in enumerate(group.attrs["group_names"]):
        members = group[f"{index}/indices"][:]
        assert sorted(members.tolist()) == list(range(len(sample.xy)))
        assert len(group[f"{index}/indptr"][:]) == len(names)


def levels(path):
    """Rows (x, y, gene, id) of each level, and their tiles."""
    group = opened(path)["grids"]
    for level, keys in enumerate(group.attrs["grid_keys"]):
        rows = []
        for key, count in zip(keys, group.attrs["grid_number_objects"][level], strict=True):
            tile = group[f"{level}/{key}"]
            location = tile["location"][:]
            assert len(location) == count
            edge = 250 * 2**level
            inside = np.floor(location[:, :2] / edge).astype(int) == [
                int(k) for k in key.split(",")
            ]
            assert inside.all()
            rows += zip(
                *location[:, :2].T.tolist(),
                tile["gene_identity"][:, 0].tolist(),
                tile["id"][:, 0].tolist(),
                strict=True,
            )
        yield rows


def test_transcripts_are_all_in_level_0(sample, folder):
    table = pq.read_table(sample.files["transcripts"] / "points.parquet").to_pandas()
    names = opened(folder / "transcripts.zarr.zip").attrs["gene_names"]
    (rows, *_) = levels(folder / "transcripts.zarr.zip")
    found = {number: (x, y, names[gene]) for x, y, gene, number in rows}
    xy = table[["x", "y"]].to_numpy() - np.array(ORIGIN)
    height, width = sample.labels.shape
    inside = ((xy >= 0) & (xy < np.array([width, height]) * PIXEL_SIZE)).all(axis=1)
    assert len(rows) == len(found) == inside.sum()
    for number, gene, place in zip(
        table["transcript"][inside], table["gene"][inside], xy[inside], strict=True
    ):
        x, y, name = found[number]
        assert name == gene
        assert np.allclose((x, y), place, atol=1e-3)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4000), st.integers(1, 7))
def test_levels_nest_and_end_in_one_tile(tmp_path_factory, seed, count, batches):
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, dtype=ROW)
    rows["x"], rows["y"] = rng.uniform(0, 1900, (2, count))
    rows["id"] = np.arange(count)
    folder = tmp_path_factory.mktemp("levels")
    write_transcripts(folder / "a.zip", ["A"], np.array_split(rows, batches))
    write_transcripts(folder / "b.zip", ["A"], [rows])
    assert [path.name for path in sorted(folder.iterdir())] == ["a.zip", "b.zip"]
    found = [{row[3] for row in level} for level in levels(folder / "a.zip")]
    assert found == [{row[3] for row in level} for level in levels(folder / "b.zip")]
    assert found[0] == set(range(count))
    assert all(upper <= lower for lower, upper in pairwise(found))
    assert len(opened(folder / "a.zip")["grids"].attrs["grid_keys"][-1]) <= 1
    if count > 2000:
        assert 0.18 < len(found[1]) / count < 0.32


def test_an_outline_with_many_corners_and_parts(tmp_path):
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    wavy = shapely.Polygon(
        np.stack([np.cos(angle), np.sin(angle)], axis=1) * (10 + np.sin(40 * angle))[:, None]
    )
    two = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 9, 9)])
    cells = np.array([wavy, two], dtype=object)
    nuclei = np.array([shapely.Polygon(), shapely.box(6, 6, 7, 7)], dtype=object)
    write_outlines(tmp_path / "cells.zarr.zip", cells, nuclei, 13)
    group = opened(tmp_path / "cells.zarr.zip")
    lengths = group["polygon_num_vertices"][:]
    assert lengths[0].tolist() == [0, 5]
    assert 4 <= lengths[1, 0] <= 13
    assert lengths[1, 1] == 5
    drawn = shapely.Polygon(group["polygon_vertices"][1, 0].reshape(13, 2))
    assert drawn.area > 0.75 * wavy.area
