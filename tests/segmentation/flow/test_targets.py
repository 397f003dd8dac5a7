import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vitrail.errors import VitrailError
from vitrail.segmentation.flow.targets import flow_targets


def reference(labels):
    """Heat over the whole padded image, one label at a time, in plain numpy."""
    flow = np.zeros((2, *labels.shape))
    for label in np.unique(labels[labels > 0]):
        inside = np.pad(labels == label, 1)
        y, x = np.nonzero(inside)
        n = len(y)
        distance = (n * y - y.sum()) ** 2 + (n * x - x.sum()) ** 2
        nearest = np.argmin(distance)
        rounds = 2 * (np.ptp(y) + np.ptp(x) + 2 + 4)
        heat = np.zeros(inside.shape)
        for _ in range(rounds):
            heat[y[nearest], x[nearest]] += 1
            around = sum(heat[y + dy, x + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1))
            heat[y, x] = around / 9
        gradient = np.stack([heat[y + 1, x] - heat[y - 1, x], heat[y, x + 1] - heat[y, x - 1]])
        length = np.sqrt((gradient**2).sum(axis=0))
        # Rounding decides the direction where the true gradient is 0: those pixels are left open.
        unclear = length < 1e-9 * heat[y, x]
        unit = gradient / np.where(length > 0, length, 1)
        unit[:, unclear] = np.nan
        flow[:, y - 1, x - 1] = unit
    return flow


def disc(shape, y, x, radius):
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(
        np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 4)
    )
)
def test_flows_are_those_of_a_plain_computation(labels):
    found, expected = flow_targets(labels), reference(labels)
    clear = ~np.isnan(expected)
    assert np.allclose(found[clear], expected[clear], atol=1e-6)


def test_flows_of_a_disc_point_at_its_centre():
    labels = disc((41, 41), 20, 20, 15).astype(np.int32)
    flow = flow_targets(labels)
    y, x = np.nonzero(labels)
    away = np.hypot(20 - y, 20 - x)
    cosine = (flow[0, y, x] * (20 - y) + flow[1, y, x] * (20 - x))[away > 0] / away[away > 0]
    assert (flow[:, 20, 20] == 0).all()
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 15


def test_flows_have_unit_length_inside_and_none_outside():
    labels = np.zeros((60, 60), np.int32)
    labels[disc(labels.shape, 20, 20, 12)] = 3
    labels[disc(labels.shape, 42, 37, 13)] = 9
    length = np.sqrt((flow_targets(labels) ** 2).sum(axis=0))
    assert (length[labels == 0] == 0).all()
    centres = np.isclose(length, 0) & (labels > 0)
    assert {tuple(p) for p in np.argwhere(centres)} <= {(20, 20), (42, 37)}
    assert np.allclose(length[(labels > 0) & ~centres], 1, atol=1e-6)


def test_flows_of_a_c_shape_lead_round_its_bend_to_the_pixel_nearest_to_the_mean():
    labels = np.zeros((30, 40), np.int32)
    labels[5:26, 5:11] = 1
    labels[5:10, 5:30] = 1
    labels[21:26, 5:30] = 1
    y, x = np.nonzero(labels)
    assert (y.mean(), labels[15, round(x.mean())]) == (15, 0)
    flow = flow_targets(labels)
    assert (flow[1, 7, 13:30] < -0.9).all()
    assert (flow[1, 23, 13:30] < -0.9).all()
    assert (flow[0, 10:15, 5:11] > 0).all()
    assert (flow[0, 16:21, 5:11] < 0).all()
    # The source is the last pixel of the bridge in the row of the mean.
    assert (flow[1, 15, 5:10] > 0.9).all()


def test_touching_cells_do_not_see_each_other():
    both = np.zeros((20, 40), np.int32)
    both[2:18, 3:20] = 1
    both[2:18, 20:37] = 2
    alone = flow_targets(np.where(both == 2, 2, 0))
    assert (flow_targets(both)[:, both == 2] == alone[:, both == 2]).all()


def test_a_part_apart_from_the_centre_has_no_flow():
    labels = np.zeros((20, 20), np.int32)
    labels[2:12, 2:12] = 1
    labels[16:18, 16:18] = 1
    flow = flow_targets(labels)
    assert (flow[:, 16:18, 16:18] == 0).all()
    assert np.count_nonzero(flow[:, 2:12, 2:12]) > 100


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (1, 1), (7, 9)])
def test_no_cell_has_no_flow(shape):
    flow = flow_targets(np.zeros(shape, np.int32))
    assert flow.shape == (2, *shape)
    assert flow.dtype == np.float32
    assert not flow.any()


def test_one_pixel_cells_have_no_flow():
    labels = np.arange(35, dtype=np.int32).reshape(5, 7)
    assert not flow_targets(labels).any()


def test_flows_move_with_the_cell_and_its_label_does_not_matter():
    labels = np.random.default_rng(0).integers(0, 3, (15, 17)).astype(np.int32)
    moved = np.pad(labels, ((31, 2), (7, 0)))
    renamed = np.where(labels > 0, labels * 1_000_003, 0)
    assert (flow_targets(moved)[:, 31:-2, 7:] == flow_targets(labels)).all()
    assert (flow_targets(renamed) == flow_targets(labels)).all()


def test_flows_do_not_depend_on_threads():
    labels = np.zeros((200, 200), np.int32)
    for i, (y, x) in enumerate(np.ndindex(16, 16)):
        labels[12 * y : 12 * y + 11, 12 * x : 12 * x + 9 + i % 3] = i + 1
    one = flow_targets(labels, threads=1)
    assert all((flow_targets(labels, threads=t) == one).all() for t in (2, 3, 8))


@pytest.mark.parametrize(
    "labels", [np.zeros((3, 4, 5), int), np.zeros((3, 4)), np.full((3, 4), -1)], ids=str
)
def test_what_is_no_label_image_is_refused(labels):
    with pytest.raises(VitrailError, match="wanted: an image"):
        flow_targets(labels)
