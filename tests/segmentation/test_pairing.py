import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tissue import random_tissue, same_partition

from vitrail.errors import VitrailError
from vitrail.segmentation.pairing import pair
from vitrail.segmentation.tidy import tidy


def image(*boxes, shape=(20, 40)):
    """Labels 1, 2, ... of boxes (y0, x0, y1, x1)."""
    labels = np.zeros(shape, np.int32)
    for label, (y0, x0, y1, x1) in enumerate(boxes, 1):
        labels[y0:y1, x0:x1] = label
    return labels


def test_a_cell_takes_its_nucleus_and_becomes_the_union():
    cells, nuclei = image((5, 5, 15, 15)), image((8, 12, 12, 18))
    found = pair(cells, nuclei)
    assert ((found.cells > 0) == ((cells > 0) | (nuclei > 0))).all()
    assert found.cells.max() == 1
    assert found.cell_of_nucleus.tolist() == [0, 1]
    assert found.source.tolist() == [1]
    assert found.nucleus_of_cell.tolist() == [1]


def test_a_nucleus_that_two_cells_claim_goes_to_the_larger_share():
    cells = image((5, 5, 15, 15), (5, 15, 15, 25))
    nuclei = image((8, 12, 12, 17))  # 3 columns in the first cell, 2 in the second
    found = pair(cells, nuclei)
    assert found.cell_of_nucleus.tolist() == [0, 1]
    assert (found.cells[nuclei > 0] == 1).all()
    assert np.count_nonzero(found.cells == 1) == 100 + 4 * 2
    assert np.count_nonzero(found.cells == 2) == 100 - 4 * 2
    assert found.nucleus_of_cell.tolist() == [1, 0]


def test_the_cell_that_loses_a_nucleus_takes_its_next_one():
    cells = image((5, 5, 15, 15), (5, 15, 15, 25))
    # The first nucleus shares 12 with cell 1 and 8 with cell 2, the second 4 with cell 2.
    nuclei = image((8, 12, 12, 17), (13, 22, 15, 24))
    found = pair(cells, nuclei)
    assert found.cell_of_nucleus.tolist() == [0, 1, 2]
    assert found.nucleus_of_cell.tolist() == [1, 2]


def test_an_equal_share_goes_to_what_comes_first():
    cells = image((5, 15, 15, 25), (5, 5, 15, 15))  # the second label lies to the left
    nuclei = image((8, 13, 12, 17))
    found = pair(cells, nuclei)
    assert found.source[found.cell_of_nucleus[1] - 1] == 2


def test_a_nucleus_without_a_cell_becomes_one():
    cells, nuclei = image((2, 2, 8, 8)), image((12, 30, 16, 34))
    found = pair(cells, nuclei)
    assert found.cells.max() == 2
    assert found.source.tolist() == [1, 0]
    assert found.nucleus_of_cell.tolist() == [0, 1]
    assert ((found.cells == 2) == (nuclei == 1)).all()


def test_it_grows_over_background_alone():
    cells, nuclei = image((8, 8, 16, 20)), image((10, 24, 14, 28))
    found = pair(cells, nuclei, expansion=5.0)
    assert (found.cells[cells > 0] == 1).all()
    row = found.cells[12]
    assert row[20:33].tolist() == [2] * 13
    assert row[33] == 0


def test_a_second_nucleus_stays_with_its_cell_or_divides_it():
    cells, nuclei = image((5, 5, 15, 25)), image((8, 7, 12, 12), (8, 18, 12, 22))
    kept = pair(cells, nuclei)
    assert kept.cells.max() == 1
    assert kept.cell_of_nucleus.tolist() == [0, 1, 1]
    assert kept.nucleus_of_cell.tolist() == [1]
    divided = pair(cells, nuclei, several="split")
    assert divided.cells.max() == 2
    assert divided.cell_of_nucleus.tolist() == [0, 1, 2]
    assert divided.source.tolist() == [1, 0]
    assert ((divided.cells > 0) == (cells > 0)).all()
    # Nuclei end at 11 and begin at 18: columns up to 14 are nearer to the first.
    assert (divided.cells[10, 5:15] == 1).all()
    assert (divided.cells[10, 15:25] == 2).all()


def test_a_cell_without_a_nucleus_stays():
    cells = image((2, 2, 8, 8), (10, 10, 18, 18))
    found = pair(cells, image((3, 3, 6, 6)))
    assert ((found.cells > 0) == (cells > 0)).all()
    assert found.nucleus_of_cell.tolist() == [1, 0]


def test_a_nucleus_cuts_off_no_island_of_its_neighbour():
    # The nucleus of the upper cell crosses the lower one, which it cuts in two.
    cells = image((0, 5, 8, 15), (8, 0, 14, 20))
    nuclei = image((2, 8, 14, 11), (9, 1, 13, 5))
    found = pair(cells, nuclei)
    lower = found.cells == found.cell_of_nucleus[2]
    assert lower[10, 2]
    assert not lower[10, 15]


def test_an_unknown_rule_is_answered_with_the_known_ones():
    with pytest.raises(VitrailError, match="wanted: one of keep, split"):
        pair(image((0, 0, 4, 4)), image((0, 0, 4, 4)), several="merge")


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["keep", "split"]), st.sampled_from([0.0, 3.0]))
def test_every_nucleus_has_a_cell_that_holds_it(seed, several, expansion):
    rng = np.random.default_rng(seed)
    cells = random_tissue((70, 80), int(rng.integers(0, 40)), seed, radius=(4, 9))
    nuclei = random_tissue((70, 80), int(rng.integers(0, 40)), seed + 1, radius=(2, 5))
    found = pair(cells, nuclei, expansion, several)
    count = int(found.cells.max())
    assert len(np.unique(found.cells[found.cells > 0])) == count == len(found.source)
    for nucleus in np.unique(nuclei[nuclei > 0]):
        assert 1 <= found.cell_of_nucleus[nucleus] <= count
    own = found.nucleus_of_cell[found.nucleus_of_cell > 0]
    assert len(np.unique(own)) == len(own)
    # Two cells never come from one.
    source = found.source[found.source > 0]
    assert len(np.unique(source)) == len(source)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_without_overlap_nothing_is_changed(seed):
    cells, nuclei = (random_tissue((60, 60), 20, seed + i) for i in range(2))
    cells[:, 30:] = 0
    nuclei[:, :32] = 0
    cells, nuclei = tidy(cells), tidy(nuclei)
    found = pair(cells, nuclei)
    assert same_partition(found.cells[:, :30], cells[:, :30])
    assert same_partition(found.cells[:, 32:], nuclei[:, 32:])
