import numpy as np
import pytest
import shapely
from scipy.spatial.distance import cdist
from tissue import painted, random_tissue, same_partition, tiling

from vitrail import segmentation
from vitrail.errors import VitrailError
from vitrail.outlines import outlines
from vitrail.segment import segment
from vitrail.segmentation import score
from vitrail.segmentation.image import ArraySlide
from vitrail.stitch import stitch
from vitrail.tile import divide

PIXEL = 0.5


class GivenSlide:
    """A slide without an image but with given labels or outlines."""

    channels = ()

    def __init__(self, shape, labels=None, shapes=None, pixel_size=PIXEL, origin=(0.0, 0.0)):
        self.shape, self.pixel_size, self.origin = shape, pixel_size, origin
        self._labels, self._shapes = labels or {}, shapes or {}

    def has(self, element):
        form, _, kind = element.partition("/")
        return kind in {"labels": self._labels, "shapes": self._shapes}.get(form, {})

    def labels(self, kind):
        return self._labels[kind]

    def boundaries(self, kind):
        return self._shapes[kind]


def stitched(slide, size=64, settings=None, shards=1, overlap="nearest"):
    tiles = tiling(slide.shape, size, 16, shards)
    found = [segment(slide, tiles, None, shard, settings or {}) for shard in range(shards)]
    return stitch(found, tiles, overlap)


def noisy_tissue(shape=(400, 420), seed=0, cytoplasm=True):
    """Nuclei of 7 um in cells of 10 um on uneven ground, and the truth: image, cells, nuclei."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    cells, nuclei = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    label = 0
    for gy in range(14, shape[0] - 10, 24):
        for gx in range(14, shape[1] - 10, 24):
            cy, cx = gy + rng.uniform(-4, 4), gx + rng.uniform(-4, 4)
            label += 1
            square = (y - cy) ** 2 + (x - cx) ** 2
            cells[(square < 100) & (cells == 0)] = label
            nuclei[square < 49] = label
    ground = 200 + 300 * (x / shape[1])
    planes = [ground + 900 * (nuclei > 0), ground + 500 * (cells > 0)]
    image = np.stack([rng.poisson(plane) for plane in planes]).astype(np.uint16)
    return image if cytoplasm else image[:1], cells, nuclei


def slide_of(image, names=("DAPI", "polyT")):
    slide = ArraySlide(image, PIXEL)
    slide.channels = list(names[: len(image)])
    return slide


def segmented(slide, settings, **tile):
    shards = tile.get("shards", 1)
    tiles, normalization = divide(slide, **tile)
    found = [segment(slide, tiles, normalization, shard, settings) for shard in range(shards)]
    return stitch(found, tiles)


WATERSHED = {"segmenter": "watershed"}


def test_watershed_finds_the_planted_cells():
    image, cells, nuclei = noisy_tissue()
    found = segmented(slide_of(image), WATERSHED)
    agreement = score([cells], [painted(found.cells, cells.shape)], (0.5, 0.7))
    assert agreement.f1[0] > 0.97
    assert agreement.sq > 0.8
    assert score([nuclei], [painted(found.nuclei, cells.shape)], (0.7,)).f1[0] > 0.97


def test_watershed_gives_the_same_cells_for_any_tiles_and_shards():
    image, *_ = noisy_tissue(seed=1)
    one = segmented(slide_of(image), WATERSHED)
    for size, shards in ((208, 1), (112, 3), (64, 8)):
        many = segmented(slide_of(image), WATERSHED, size_px=size, shards=shards)
        for kind in ("cells", "nuclei"):
            a, b = getattr(many, kind), getattr(one, kind)
            assert (painted(a, slide_of(image).shape) == painted(b, slide_of(image).shape)).all()
            assert (a.score == b.score).all()
        assert (many.cell_of_nucleus == one.cell_of_nucleus).all()


@pytest.mark.parametrize("extent", ["cytoplasm", "membrane", "expansion"])
def test_every_cell_holds_its_nucleus_whatever_makes_it_grow(extent):
    image, *_ = noisy_tissue(seed=2)
    channels = {"nucleus": 0, "cytoplasm": 1, "membrane": 1}
    settings = WATERSHED | {"channels": channels, "watershed": {"extent": extent}}
    found = segmented(slide_of(image), settings)
    cells, nuclei = (painted(k, image.shape[1:]) for k in (found.cells, found.nuclei))
    assert len(found.cells) == len(found.nuclei)
    assert (found.cell_of_nucleus[nuclei[nuclei > 0] - 1] == cells[nuclei > 0]).all()


def test_expansion_grows_by_its_distance():
    image, *_ = noisy_tissue(seed=3, cytoplasm=False)
    sizes = []
    for expansion in (0.0, 1.0, 2.0):
        settings = WATERSHED | {"watershed": {"expansion_um": expansion}}
        sizes.append(np.median(segmented(slide_of(image), settings).cells.area))
    radius = np.sqrt(np.array(sizes) / np.pi) * PIXEL
    assert radius[1] - radius[0] == pytest.approx(1, abs=0.15)
    assert radius[2] - radius[0] == pytest.approx(2, abs=0.2)


def test_an_image_without_cells_gives_none():
    for image in (np.zeros((1, 200, 200), np.uint8), np.full((1, 200, 200), 900, np.uint16)):
        found = segmented(slide_of(image), WATERSHED, size_px=64)
        assert len(found.cells) == len(found.nuclei) == 0


def test_a_halo_that_is_too_narrow_is_named():
    image, *_ = noisy_tissue()
    with pytest.raises(
        VitrailError,
        match=r"^tile\.halo_um gives a halo of 8 um, but a cell found by 'watershed' depends on "
        r"\d+\.\d um around it; raise tile\.halo_um to that$",
    ):
        segmented(slide_of(image), WATERSHED, size_px=128, halo_um=8)


def test_a_sample_without_image_and_cells_is_an_error():
    slide = GivenSlide((50, 50))
    with pytest.raises(VitrailError, match="neither an image nor given cells or nuclei"):
        segment(slide, tiling((50, 50), 50, 0), None, 0, WATERSHED)


def test_an_empty_shard_has_no_candidates():
    image, *_ = noisy_tissue()
    tiles, normalization = divide(slide_of(image), shards=5)
    found = segment(slide_of(image), tiles, normalization, 4, WATERSHED)
    assert len(found["cells"]) == len(found["nuclei"]) == 0


# Given cells.


@pytest.mark.parametrize("size", [1000, 64, 17])
def test_given_labels_come_out_as_they_are(size):
    truth = random_tissue((150, 170), 90, seed=6).astype(np.uint32)
    truth[20:130, 60:64] = 4_000_000_000  # far larger than a tile, and a large number
    nuclei = np.where(random_tissue((150, 170), 40, seed=7) > 0, truth, 0)
    slide = GivenSlide(truth.shape, labels={"cells": truth, "nuclei": nuclei})
    found = stitched(slide, size, shards=3)
    labels = painted(found.cells, truth.shape)
    assert same_partition(labels, truth)
    assert same_partition(painted(found.nuclei, truth.shape), nuclei)
    assert not found.cells.cut.any()
    ids = found.cells.source_id[labels[labels > 0] - 1]
    assert (ids == truth[truth > 0].astype(str)).all()


@pytest.mark.parametrize("size", [1000, 40])
def test_given_outlines_come_out_as_they_are(size):
    truth = random_tissue((120, 140), 60, seed=8)
    exact = stitched(GivenSlide(truth.shape, labels={"cells": truth}), 1000).cells
    geometry = outlines(exact, 0.2, (50.0, -3.0))
    names = [f"cell-{i}" for i in range(len(geometry))]
    slide = GivenSlide(
        truth.shape, shapes={"cells": (names, geometry)}, pixel_size=0.2, origin=(50.0, -3.0)
    )
    found = stitched(slide, size, shards=2).cells
    assert (painted(found, truth.shape) == painted(exact, truth.shape)).all()
    assert found.source_id.tolist() == names


def test_outlines_that_overlap_share_no_pixel():
    discs = [shapely.Point(20, 20).buffer(10), shapely.Point(32, 20).buffer(10)]
    slide = GivenSlide((40, 60), shapes={"cells": (["a", "b"], np.array(discs))}, pixel_size=1.0)
    whole = stitched(slide, 1000)
    labels = painted(whole.cells, (40, 60))
    assert labels[20, 25] == 1
    assert labels[20, 27] == 2
    assert (painted(stitched(slide, 16).cells, (40, 60)) == labels).all()
    dropped = painted(stitched(slide, 16, overlap="drop").cells, (40, 60))
    assert dropped[20, 25] == dropped[20, 27] == 0


@pytest.mark.parametrize("size", [1000, 32])
def test_cells_grow_from_given_nuclei_without_entering_a_neighbour(size):
    nuclei = np.zeros((60, 100), np.int32)
    nuclei[25:35, 20:30] = 7
    nuclei[25:35, 34:44] = 3
    nuclei[25:35, 80:90] = 5
    slide = GivenSlide(nuclei.shape, labels={"nuclei": nuclei})
    found = stitched(slide, size, {"given": {"expansion_um": 4.0}})
    cells = painted(found.cells, nuclei.shape)
    assert len(found.cells) == 3
    middle = cells[30]
    assert (middle[12:32] == middle[25]).all()
    assert (middle[32:52] == middle[40]).all()
    assert middle[11] == middle[52] == 0
    assert np.count_nonzero(middle == middle[85]) == 8 + 10 + 8
    ids = found.cells.source_id[middle[[25, 40, 85]] - 1]
    assert ids.tolist() == ["7", "3", "5"]


@pytest.mark.parametrize("size", [1000, 48, 32])
def test_expansion_gives_each_pixel_to_the_nearest_nucleus_whatever_the_tiles(size):
    nuclei = random_tissue((90, 110), 25, seed=4)
    radius = 3.7 / GivenSlide(nuclei.shape).pixel_size
    inside = np.argwhere(nuclei > 0)
    distance = cdist(np.argwhere(np.ones_like(nuclei)), inside)
    labels = nuclei[tuple(inside.T)]
    nearest = distance.min(axis=1)
    # Of equally near nuclei, the one with the lower number.
    at_least = np.isclose(distance, nearest[:, None])
    lowest = np.where(at_least, labels, labels.max() + 1).min(axis=1)
    expected = np.where(nearest <= radius, lowest, 0).reshape(nuclei.shape)
    slide = GivenSlide(nuclei.shape, labels={"nuclei": nuclei})
    found = stitched(slide, size, {"given": {"expansion_um": 3.7}})
    given = np.array([0, *found.cells.source_id.astype(int)])
    assert np.array_equal(given[painted(found.cells, nuclei.shape)], expected)
    assert 0 < (expected == 0).mean() < 0.5


def test_without_expansion_the_nuclei_are_the_cells():
    nuclei = random_tissue((80, 80), 30, seed=9)
    found = stitched(
        GivenSlide(nuclei.shape, labels={"nuclei": nuclei}), 32, {"given": {"expansion_um": 0}}
    )
    assert same_partition(painted(found.cells, nuclei.shape), nuclei)
    assert (found.cell_of_nucleus == np.arange(1, len(found.nuclei) + 1)).all()


def test_given_labels_of_another_shape_are_an_error():
    slide = GivenSlide((50, 50), labels={"cells": np.zeros((50, 40), np.int32)})
    with pytest.raises(
        VitrailError, match=r"^labels/cells has the shape \(50, 40\), the slide \(50, 50\)"
    ):
        stitched(slide)


def test_the_public_call_segments_an_image():
    image, cells, _ = noisy_tissue(seed=4)
    segmenter = segmentation.load("watershed")
    labels = segmenter.segment(image, pixel_size=PIXEL, channels={"nucleus": 0, "cytoplasm": 1})
    assert labels.dtype == np.int32
    assert score([cells], [labels], (0.5,)).f1[0] > 0.97
    same = segmenter.segment(image[0], diameter=14)
    assert same.shape == cells.shape
    assert abs(int(same.max()) - int(cells.max())) < 5


def test_the_public_call_wants_a_scale():
    with pytest.raises(VitrailError, match=r"^pixel_size is None and diameter None; wanted"):
        segmentation.load("watershed").segment(np.zeros((10, 10)))
