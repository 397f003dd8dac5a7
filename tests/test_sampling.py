import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrail.normalization import BLOCK, TissueMap
from vitrail.sampling import COUNT, sample_boxes, side_px


def tissue_of(shape, filled=True):
    blocks = [-(-length // BLOCK) for length in shape]
    return TissueMap(np.full(blocks, filled))


def test_windows_lie_on_tissue_and_far_apart():
    shape = (1600, 1600)
    tissue = tissue_of(shape, False)
    tissue.blocks[:30, :30] = True  # two corners, 480 pixels each
    tissue.blocks[-30:, -30:] = True
    boxes = sample_boxes(tissue, shape, 160)
    assert len(boxes) == COUNT
    assert (tissue.share(boxes) >= 0.5).all()
    assert boxes[0].tolist() == [0, 0, 160, 160]
    assert boxes[1].tolist() == [1440, 1440, 1600, 1600]


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 900), st.booleans())
def test_windows_are_whole_apart_and_inside_of_the_slide(height, width, side, filled):
    boxes = sample_boxes(tissue_of((height, width), filled), (height, width), side)
    assert 1 <= len(boxes) <= COUNT
    assert len(np.unique(boxes, axis=0)) == len(boxes)
    y0, x0, y1, x1 = boxes.T
    assert (y0 >= 0).all()
    assert (x0 >= 0).all()
    assert (y1 <= height).all()
    assert (x1 <= width).all()
    whole = -(-side // BLOCK) * BLOCK
    assert (y1 - y0 == min(whole, height)).all()
    assert (x1 - x0 == min(whole, width)).all()


def test_the_edge_follows_the_pixel_size_within_bounds():
    assert side_px(0.5) == 256
    assert side_px(0.001) == 2048
    assert side_px(10.0) == 64
