import numpy as np
import pytest

from vitrail.errors import VitrailError
from vitrail.readers.format import Placement, transcript_format
from vitrail.readers.placement import Frame, apply, to_global

FRAME = Frame(pixel_size=0.5, origin=(100.0, 200.0), height=80)


def place(x, y, frame=FRAME, **keys):
    matrix = to_global(Placement(**keys), frame, "t.csv")
    gx, gy = apply(matrix, np.array([x], dtype=np.float64), np.array([y], dtype=np.float64))
    return gx[0], gy[0]


def test_micrometres_pass_through_with_their_bits():
    assert place(0.1, 1 / 3) == (0.1, 1 / 3)


def test_pixels_become_micrometres_from_the_images_corner():
    assert place(4.0, 10.0, unit="pixel") == (102.0, 205.0)


def test_whole_numbers_that_are_centres_move_by_half_a_pixel():
    assert place(4.0, 10.0, unit="pixel", half_pixel=True) == (102.25, 205.25)
    assert place(4.0, 10.0, half_pixel=True) == (4.25, 10.25)


def test_origin_is_taken_off_before_y_is_flipped():
    assert place(13.0, 25.0, unit="pixel", origin=(10, 20), flip_y=True) == (101.5, 237.5)


def test_y_is_flipped_about_the_middle_of_the_image_in_either_unit():
    # The image covers y from 200 to 240 um.
    assert place(0.0, 210.0, flip_y=True)[1] == 230.0
    assert place(0.0, 20.0, unit="pixel", flip_y=True)[1] == 230.0


def test_affine_comes_first():
    turned = ((0.0, 2.0, 1.0), (1.0, 0.0, -3.0))
    assert place(10.0, 20.0, affine=turned) == (41.0, 7.0)
    assert place(10.0, 20.0, affine=turned, origin=(1, 7)) == (40.0, 0.0)


def test_positions_that_are_not_finite_do_not_spread():
    x, y = place(np.inf, 3.0, unit="pixel")
    assert np.isinf(x)
    assert y == 201.5


def test_a_flip_needs_something_to_flip_about():
    with pytest.raises(VitrailError) as caught:
        place(1.0, 1.0, frame=Frame(1.0), flip_y=True)
    assert str(caught.value) == (
        "t.csv: flip_y is set, but the sample has no image or labels whose middle y could be "
        "mirrored about; state an affine instead."
    )


def test_three_rows_of_an_affine_end_in_0_0_1():
    rows = [[1, 0, 2], [0, 1, 3], [0, 0, 1]]
    form = transcript_format({"transcripts": {"affine": rows}})
    assert form.placement.affine == ((1, 0, 2), (0, 1, 3))


@pytest.mark.parametrize(
    "rows", [[[1, 0, 0], [2, 0, 0]], [[1, 0], [0, 1]], [[1, 0, 0], [0, 1, 0], [0, 0, 2]], 3]
)
def test_an_affine_that_is_none_is_refused(rows):
    with pytest.raises(VitrailError, match=r"^transcripts\.affine is .*, wanted two rows of three"):
        transcript_format({"transcripts": {"affine": rows}})


def test_an_unknown_unit_is_refused():
    with pytest.raises(VitrailError) as caught:
        transcript_format({"transcripts": {"unit": "inch"}})
    assert str(caught.value) == "transcripts.unit is 'inch', wanted 'micrometre' or 'pixel'."
