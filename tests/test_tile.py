import numpy as np
import pytest
from tissue import tiling

from vitrail.errors import VitrailError
from vitrail.io.tiles import read_normalization, read_tiles, write_normalization, write_tiles
from vitrail.normalization import measure
from vitrail.segmentation.image import ArraySlide
from vitrail.tile import balance, divide, grid, halo_width


def test_cores_partition_the_slide_and_start_on_the_stride():
    core, halo = grid((1000, 700), 250, 30, 16)
    seen = np.zeros((1000, 700), int)
    for y0, x0, y1, x1 in core:
        seen[y0:y1, x0:x1] += 1
    assert (seen == 1).all()
    assert (core[:, :2] % 16 == 0).all()
    assert (halo[:, :2] % 16 == 0).all()


def test_halos_grow_cores_and_end_at_the_slide():
    core, halo = grid((1000, 700), 256, 30, 16)
    assert (halo[0] == [0, 0, 288, 288]).all()
    inner = (core[:, 0] == 256) & (core[:, 1] == 256)
    assert (halo[inner] == [224, 224, 544, 544]).all()
    assert halo[:, 2].max() == 1000
    assert halo[:, 3].max() == 700


def test_a_pixel_is_held_by_the_core_around_it():
    tiles = tiling((100, 90), 32, 8)
    y, x = np.indices((100, 90))
    held = tiles.holding(y.ravel(), x.ravel()).reshape(100, 90)
    for i, (y0, x0, y1, x1) in enumerate(tiles.core):
        assert (held[y0:y1, x0:x1] == i).all()


def test_shards_are_balanced_by_tissue():
    core, halo = grid((1600, 1600), 100, 0, 1)
    tissue = np.where(core[:, 0] < 400, 1.0, 0.0).astype(np.float32)
    shard = balance(tissue, halo, 4)
    work = np.bincount(shard, tissue, minlength=4)
    assert work.max() - work.min() <= 2
    assert (np.diff(shard) >= 0).all()


def test_more_shards_than_tiles_leave_some_empty():
    core, halo = grid((100, 100), 64, 0, 1)
    shard = balance(np.ones(len(core), np.float32), halo, 9)
    assert len(np.unique(shard)) == 4
    assert shard.max() < 9


def test_no_shard_is_an_error():
    slide = ArraySlide(np.zeros((1, 10, 10), np.uint8), 1.0)
    with pytest.raises(VitrailError, match=r"^tile\.shards is 0; wanted: 1 or more$"):
        divide(slide, shards=0)


def test_a_slide_without_an_image_is_all_tissue():
    class Bare(ArraySlide):
        def has(self, element):
            return False

    tiles, normalization = divide(Bare(np.zeros((1, 300, 200)), 0.5), size_px=128, halo_um=10)
    assert (tiles.tissue == 1).all()
    assert len(tiles) == 6
    assert normalization.channels == ()


def test_the_number_of_shards_changes_the_shards_alone():
    image = np.random.default_rng(0).integers(0, 4000, (2, 500, 600)).astype(np.uint16)
    one, values_one = divide(ArraySlide(image, 0.5), size_px=128, shards=1)
    many, values_many = divide(ArraySlide(image, 0.5), size_px=128, shards=7)
    assert (one.core == many.core).all()
    assert (one.tissue == many.tissue).all()
    assert values_one.segmenter == values_many.segmenter
    assert (values_one.high == values_many.high).all()


def spotted(shape=(1500, 1300), dtype=np.uint16):
    """Spots of 1000 on 100 in the left half, nothing but 100 in the right one."""
    image = np.full((1, *shape), 100, dtype)
    image[0, 4::20, 4 : shape[1] // 2 : 20] = 1000
    for dy in range(8):
        for dx in range(8):
            image[0, 4 + dy :: 20, 4 + dx : shape[1] // 2 : 20] = 1000
    return image


def test_percentiles_are_those_of_the_tissue():
    image = np.random.default_rng(1).gamma(2.0, 300.0, (1, 1500, 1300)).astype(np.uint16)
    normalization, tissue = measure(ArraySlide(image, 0.5))
    assert tissue.blocks.all()
    low, high = np.percentile(image, [1, 99])
    assert abs(normalization.low[0] - low) <= 1
    assert abs(normalization.high[0] - high) <= 1


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_empty_glass_is_no_tissue_and_the_threshold_lies_between_the_classes(dtype):
    image = spotted(dtype=dtype)
    normalization, tissue = measure(ArraySlide(image, 0.5))
    assert tissue.blocks[:, :38].all()
    assert not tissue.blocks[:, 46:].any()
    scale = normalization.high[0] - normalization.low[0]
    otsu = normalization.low[0] + normalization.segmenter["otsu"][0] * scale
    assert 100 < otsu < 1000


def test_normalised_percentiles_are_0_and_1():
    image = spotted()
    normalization, _ = measure(ArraySlide(image, 0.5))
    scaled = normalization.apply(image)
    assert scaled.dtype == np.float32
    assert scaled.min() == pytest.approx(0, abs=0.01)
    assert scaled.max() == pytest.approx(1, abs=0.01)


def test_a_constant_channel_has_no_tissue_and_becomes_0():
    normalization, tissue = measure(ArraySlide(np.full((1, 100, 100), 7, np.uint8), 0.5))
    assert not tissue.blocks.any()
    assert (normalization.apply(np.full((1, 5, 5), 7, np.uint8)) == 0).all()


def test_values_that_are_not_finite_do_not_count():
    image = spotted(dtype=np.float32)
    image[0, ::97, ::89] = np.nan
    normalization, _ = measure(ArraySlide(image, 0.5))
    assert np.isfinite(normalization.low).all()
    assert np.isfinite(normalization.apply(image)).all()


def test_files_give_back_what_was_written(tmp_path):
    tiles, normalization = divide(ArraySlide(spotted(), 0.5), size_px=512, halo_um=20, shards=3)
    write_tiles(tmp_path / "tiles.parquet", tiles, {"stage": "tile"})
    write_normalization(tmp_path / "n.json", normalization, {"stage": "tile"})
    read = read_tiles(tmp_path / "tiles.parquet")
    for name in ("core", "halo", "tissue", "shard"):
        assert (getattr(read, name) == getattr(tiles, name)).all()
        assert getattr(read, name).dtype == getattr(tiles, name).dtype
    values = read_normalization(tmp_path / "n.json")
    assert values.segmenter == normalization.segmenter
    assert (values.low == normalization.low).all()


def test_the_halo_is_read_back_from_the_boxes():
    assert halo_width(tiling((100, 100), 40, 7)) == 7
    assert halo_width(tiling((100, 100), 200, 7)) is None
