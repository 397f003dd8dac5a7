import numpy as np
import pytest
from PIL import Image
from tissue import discs

from vitrail.errors import VitrailError
from vitrail.preview import NUCLEUS_OUTLINE, OUTLINE, preview, write_png
from vitrail.segmentation.image import ArraySlide

SHAPE = (300, 400)


class Bare(ArraySlide):
    def has(self, element):
        return False


def slide(kind=ArraySlide):
    image = np.random.default_rng(0).integers(0, 1000, (2, *SHAPE)).astype(np.uint16)
    made = kind(image, 0.5)
    made.channels = ["DAPI", "polyT"]
    return made


def labels():
    return discs(SHAPE, [(100, 100), (102, 125), (250, 300)], 12), discs(SHAPE, [(100, 100)], 6)


@pytest.mark.parametrize("kind", [ArraySlide, Bare])
def test_cells_are_outlined_with_and_without_an_image(kind):
    cells, nuclei = labels()
    picture = preview(slide(kind), cells, nuclei, region_um=(0, 0, 200, 150), size_px=400)
    assert picture.shape == (300, 400, 3)
    outlined = (picture == OUTLINE).all(axis=2)
    assert outlined[100, 88]
    assert not outlined[100, 100]
    assert (cells[outlined] > 0).all()
    assert (picture[100, 94] == NUCLEUS_OUTLINE).all()


def test_the_densest_place_is_shown():
    cells, nuclei = labels()
    picture = preview(slide(), cells, nuclei, side_um=40, size_px=160)
    assert picture.shape == (160, 160, 3)
    assert (picture == OUTLINE).all(axis=2).any()


def test_a_large_region_is_thinned_out():
    picture = preview(slide(), *labels(), region_um=(0, 0, 200, 150), size_px=100)
    assert picture.shape == (75, 100, 3)


def test_a_slide_without_cells_has_a_picture():
    nothing = np.zeros(SHAPE, np.int32)
    assert preview(slide(), nothing, nothing).shape == (900, 900, 3)


def test_a_region_outside_of_the_slide_is_an_error():
    with pytest.raises(VitrailError, match=r"^preview\.region_um is \[900, 0, 950, 50\], which"):
        preview(slide(), *labels(), region_um=(900, 0, 950, 50))


def test_the_picture_is_written(tmp_path):
    picture = preview(slide(), *labels(), side_um=40, size_px=160)
    write_png(str(tmp_path / "p.png"), picture)
    assert (np.asarray(Image.open(tmp_path / "p.png")) == picture).all()
