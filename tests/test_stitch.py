import json

import numpy as np
import pytest
from tissue import (
    discs,
    painted,
    random_tissue,
    same_partition,
    shards_of,
    tiling,
)

from vitrail.candidates import from_labels
from vitrail.errors import VitrailError
from vitrail.io.candidates import read_candidates, write_candidates
from vitrail.io.frame import Frame
from vitrail.io.geoparquet import read_geoparquet, write_geoparquet
from vitrail.io.labels import label_dtype, open_labels, write_labels
from vitrail.outlines import outlines
from vitrail.segment import gather
from vitrail.stitch import stitch
from vitrail.stitch.seams import seam_counts
from vitrail.stitch.tables import instance_columns, label_columns, seam_report

SHAPE = (240, 260)


def cells_of(labels, size, halo):
    tiles = tiling(labels.shape, size, halo)
    return stitch(shards_of(labels, tiles), tiles)


@pytest.mark.parametrize("size", [130, 65, 33])
def test_any_tiling_gives_the_cells_of_one_tile(size):
    truth = random_tissue(SHAPE, 300, seed=1)
    one, many = cells_of(truth, 1000, 0), cells_of(truth, size, 24)
    for kind in ("cells", "nuclei"):
        expected = painted(getattr(one, kind), SHAPE)
        assert (painted(getattr(many, kind), SHAPE) == expected).all()
    assert (one.cell_of_nucleus == many.cell_of_nucleus).all()
    assert same_partition(painted(one.cells, SHAPE), truth)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_shards_and_their_order_do_not_matter(count):
    truth = random_tissue(SHAPE, 300, seed=2)
    expected = cells_of(truth, 65, 24)
    tiles = tiling(SHAPE, 65, 24, count)
    found = stitch(shards_of(truth, tiles)[::-1], tiles)
    for kind in ("cells", "nuclei"):
        for name in ("box", "mask", "offset", "area", "sum_y", "sum_x", "score", "cut"):
            a, b = getattr(getattr(found, kind), name), getattr(getattr(expected, kind), name)
            assert a.dtype == b.dtype
            assert (a == b).all()
    assert found.account == expected.account


def test_cells_on_seams_and_corners_are_whole_and_single():
    centres = [(64, 64), (64, 20), (20, 64), (63, 100), (100, 64), (65, 130)]
    truth = discs((130, 140), centres, 8)
    found = cells_of(truth, 64, 20)
    assert len(found.cells) == len(centres)
    assert same_partition(painted(found.cells, truth.shape), truth)
    assert not found.cells.cut.any()


def test_labels_run_block_by_block():
    truth = discs((600, 600), [(300, 20), (20, 300), (20, 20), (300, 300)], 6)
    found = painted(cells_of(truth, 1000, 0).cells, truth.shape)
    assert [found[p] for p in ((20, 20), (20, 300), (300, 20), (300, 300))] == [1, 2, 3, 4]


def views(tiles, shape, by_tile):
    """Candidates from label images of the slide, one for each tile that sees something."""
    found = []
    for tile, labels in by_tile.items():
        y0, x0, y1, x1 = tiles.halo[tile]
        keep = tuple(tiles.core[tile] + [-4, -4, 4, 4])
        scores = np.ones(int(labels.max()), np.float32)
        cells = from_labels(labels[y0:y1, x0:x1], tile, (y0, x0), keep, shape, scores)
        found.append({"cells": cells, "nuclei": gather([])["nuclei"]})
    return found


@pytest.mark.parametrize("centre", range(24, 41))
def test_views_that_disagree_by_a_pixel_give_one_cell(centre):
    """The right tile sees the cell one pixel further left, whichever tile it belongs to."""
    shape = (40, 64)
    tiles = tiling(shape, 32, 20)
    truth = discs(shape, [(20, centre)], 7)
    moved = np.roll(truth, -1, axis=1)
    found = stitch(views(tiles, shape, {0: truth, 1: moved, 2: truth, 3: moved}), tiles)
    assert len(found.cells) == 1
    assert found.cells.area[0] == (truth > 0).sum()


def test_a_view_that_splits_a_cell_neither_doubles_nor_loses_it():
    shape = (40, 80)
    tiles = tiling(shape, 40, 20)
    whole = discs(shape, [(20, 40)], 9)
    split = whole.copy()
    split[20:][whole[20:] > 0] = 2
    for first, second in ((whole, split), (split, whole)):
        found = stitch(views(tiles, shape, {0: first, 1: second}), tiles)
        labels = painted(found.cells, shape)
        assert ((labels > 0) == (whole > 0)).all()
        assert found.account["cells"]["contested_px"] == 0
        assert len(found.cells) in (1, 2)


def test_a_cell_that_one_tile_alone_sees_is_kept():
    shape = (40, 80)
    tiles = tiling(shape, 40, 20)
    seen = discs(shape, [(20, 44)], 6)
    found = stitch(views(tiles, shape, {0: seen, 1: np.zeros(shape, np.int32)}), tiles)
    assert len(found.cells) == 1


def test_a_cell_larger_than_the_overlap_is_whole_and_named(tmp_path):
    truth = discs((200, 300), [(100, 150)], 80)
    truth[5:15, 5:15] = 2
    tiles = tiling(truth.shape, 50, 12)
    found = stitch(shards_of(truth, tiles), tiles)
    assert same_partition(painted(found.cells, truth.shape), truth)
    frame = Frame(0.5, (10.0, 20.0), truth.shape)
    write_labels(tmp_path / "l.zarr", truth.shape, found.cells, found.nuclei, {})
    report = seam_report(found, open_labels(tmp_path / "l.zarr"), tiles, frame, None, {})
    (named,) = report["larger_than_overlap"]
    assert named["cell"] == 1 + int(np.argmax(found.cells.area))
    assert named["x_um"] == pytest.approx(10 + 150.5 * 0.5)
    assert named["y_um"] == pytest.approx(20 + 100.5 * 0.5)
    json.dumps(report)


def overlapping():
    """Two discs in layers of their own that share pixels, the second with the higher score."""
    layers = np.stack(
        [discs((40, 60), [(20, 22)], 10), 2 * discs((40, 60), [(20, 36)], 10)]
    ).astype(np.int32)
    scores = np.array([0.2, 0.9], np.float32)
    cells = from_labels(layers, 0, (0, 0), (0, 0, 40, 60), (40, 60), scores)
    return layers, [{"cells": cells, "nuclei": gather([])["nuclei"]}]


def test_contested_pixels_go_to_the_nearest_centroid():
    layers, shards = overlapping()
    labels = painted(stitch(shards, tiling((40, 60), 60, 0), "nearest").cells, (40, 60))
    shared = (layers > 0).all(axis=0)
    x = np.indices(shared.shape)[1]
    assert shared.sum() > 50
    assert (labels[shared & (x < 29)] == 1).all()
    assert (labels[shared & (x > 29)] == 2).all()


def test_contested_pixels_go_to_the_higher_score_or_to_nobody():
    layers, shards = overlapping()
    shared = (layers > 0).all(axis=0)
    tiles = tiling((40, 60), 60, 0)
    assert (painted(stitch(shards, tiles, "score").cells, (40, 60))[shared] == 2).all()
    found = stitch(shards, tiles, "drop")
    assert (painted(found.cells, (40, 60))[shared] == 0).all()
    assert found.account["cells"]["contested_px"] == 2 * shared.sum()


def test_an_unknown_policy_is_an_error():
    _, shards = overlapping()
    with pytest.raises(
        VitrailError, match=r"^stitch\.overlap is 'x'; wanted: one of nearest, score, drop$"
    ):
        stitch(shards, tiling((40, 60), 60, 0), "x")


def test_each_nucleus_belongs_to_the_cell_that_it_overlaps_most():
    cells = np.zeros((20, 40), np.int32)
    cells[:, :20], cells[:, 20:30] = 1, 2
    nuclei = np.zeros((20, 40), np.int32)
    nuclei[5:10, 17:21] = 1  # three columns in cell 1, one in cell 2
    nuclei[12:15, 24:26] = 2
    nuclei[12:15, 33:36] = 3  # in no cell
    tiles = tiling((20, 40), 40, 0)

    def candidates(labels):
        scores = np.ones(labels.max(), np.float32)
        return from_labels(labels, 0, (0, 0), (0, 0, 20, 40), (20, 40), scores)

    found = stitch([{"cells": candidates(cells), "nuclei": candidates(nuclei)}], tiles)
    centroid_x = found.nuclei.centroid()[:, 1]
    assert dict(zip(centroid_x, found.cell_of_nucleus, strict=True)) == {18.5: 1, 24.5: 2, 34: 0}


@pytest.mark.parametrize(("labels", "dtype"), [(0, "uint16"), (65535, "uint16"), (65536, "int32")])
def test_labels_take_the_bytes_that_their_number_needs(labels, dtype):
    assert label_dtype(labels) == np.dtype(dtype)
    assert np.iinfo(dtype).max >= labels


def test_no_cell_gives_valid_empty_files(tmp_path):
    empty = np.zeros((50, 60), np.int32)
    tiles = tiling(empty.shape, 32, 8)
    found = stitch(shards_of(empty, tiles), tiles)
    frame = Frame(0.5, (0.0, 0.0), empty.shape)
    write_labels(tmp_path / "l.zarr", empty.shape, found.cells, found.nuclei, {})
    labels = open_labels(tmp_path / "l.zarr")
    assert labels.cells.shape == (50, 60)
    assert labels.cells.dtype == np.uint16
    assert not labels.cells[:].any()
    for kind in ("cells", "nuclei"):
        columns = label_columns(kind, found)
        columns |= instance_columns(getattr(found, kind), tiles, frame)
        write_geoparquet(tmp_path / kind, columns, outlines(found.cells, 0.5, (0, 0)), {})
        read, geometry = read_geoparquet(tmp_path / kind)
        assert len(geometry) == 0
        assert list(read)[-6:] == [
            "centroid_x", "centroid_y", "area_um2", "score", "seam", "source",
        ]  # fmt: skip
    report = seam_report(found, labels, tiles, frame, 0.0, {})
    assert report["cells"] == report["cut"] == 0


def test_files_agree_with_each_other(tmp_path):
    import geopandas
    import shapely

    truth = random_tissue(SHAPE, 200, seed=3)
    tiles = tiling(SHAPE, 65, 24)
    found = stitch(shards_of(truth, tiles), tiles)
    frame = Frame(0.5, (3.0, -7.0), SHAPE)
    write_labels(tmp_path / "l.zarr", SHAPE, found.cells, found.nuclei, {"stage": "stitch"})
    labels = open_labels(tmp_path / "l.zarr")
    assert (labels.cells[:] == painted(found.cells, SHAPE)).all()
    assert (labels.nuclei[:] == painted(found.nuclei, SHAPE)).all()
    geometry = outlines(found.nuclei, frame.pixel_size, frame.origin)
    columns = label_columns("nuclei", found) | instance_columns(found.nuclei, tiles, frame)
    write_geoparquet(tmp_path / "nuclei.parquet", columns, geometry, {"stage": "stitch"})
    table = geopandas.read_parquet(tmp_path / "nuclei.parquet")
    assert list(table.columns) == [
        "nucleus", "cell", "geometry", "centroid_x", "centroid_y", "area_um2", "score", "seam",
        "source",
    ]  # fmt: skip
    assert table["source"].isna().all()
    assert np.allclose(table.geometry.area, table["area_um2"])
    assert np.allclose(shapely.get_x(table.geometry.centroid), table["centroid_x"])
    assert np.allclose(shapely.get_y(table.geometry.centroid), table["centroid_y"])


def test_the_seam_flag_marks_cells_at_tile_borders():
    truth = discs((100, 100), [(50, 20), (20, 20), (80, 48), (20, 80)], 5)
    tiles = tiling(truth.shape, 50, 20)
    found = stitch(shards_of(truth, tiles), tiles)
    columns = instance_columns(found.cells, tiles, Frame(1.0, (0.0, 0.0), (100, 100)))
    flags = {tuple(p): f for p, f in zip(found.cells.centroid(), columns["seam"], strict=True)}
    assert flags == {(50, 20): True, (20, 20): False, (80, 48): True, (20, 80): False}


def test_seam_counts_find_cut_doubled_and_lost_cells():
    labels = np.zeros((100, 120), np.int32)
    labels[5:15, 50:60] = 1  # doubled: 1 and 2 face each other across column 60
    labels[5:15, 60:70] = 2
    labels[33:43, 50:60] = 3  # lost: its other half is missing
    labels[50:60, 55:65] = 4  # crosses the column, ends at the row
    tiles = tiling(labels.shape, 60, 10)
    counts = seam_counts(labels, np.bincount(labels.ravel(), minlength=5)[1:], tiles)
    assert (counts.crossing, counts.cut, counts.doubled) == (1, 4, 1)
    assert counts.lost == 2  # 3 at the column, 4 at the row below it
    mock = seam_counts(labels, np.bincount(labels.ravel(), minlength=5)[1:], tiles, mock=True)
    assert (mock.cut, mock.doubled, mock.lost) == (0, 0, 0)


def test_too_many_cut_cells_stop_the_stage_where_a_limit_is_set(tmp_path):
    truth = discs((100, 100), [(20, 50), (80, 50), (50, 20), (50, 80)], 8)
    tiles = tiling(truth.shape, 50, 0)  # no halo: every cell on a seam is cut in two
    tile_labels = truth.copy()
    tile_labels[truth > 0] += 10 * tiles.holding(*np.nonzero(truth)).astype(np.int32)
    found = stitch(shards_of(tile_labels, tiles), tiles)
    write_labels(tmp_path / "l.zarr", truth.shape, found.cells, found.nuclei, {})
    labels = open_labels(tmp_path / "l.zarr")
    frame = Frame(1.0, (0.0, 0.0), truth.shape)
    assert seam_report(found, labels, tiles, frame, None, {})["excess"] == 1.0
    with pytest.raises(VitrailError, match=r"^stitch\.max_seam_excess is 0\.05, but 100\.0 % of"):
        seam_report(found, labels, tiles, frame, 0.05, {})


def test_candidate_files_give_back_what_was_written(tmp_path):
    tiles = tiling(SHAPE, 65, 24)
    (found,) = shards_of(random_tissue(SHAPE, 50, seed=4), tiles)
    write_candidates(tmp_path / "a.npz", found)
    write_candidates(tmp_path / "b.npz", found)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = read_candidates(tmp_path / "a.npz")
    for kind in ("cells", "nuclei"):
        for name, value in vars(found[kind]).items():
            assert (getattr(read[kind], name) == value).all()


def test_missing_label_images_are_named(tmp_path):
    with pytest.raises(VitrailError, match="no label images found"):
        open_labels(tmp_path / "nothing.zarr")
