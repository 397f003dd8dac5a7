import numpy as np
import pytest

from vitrail.training.augment import photograph, random_view
from vitrail.training.batch import domain_weights, draw_batch
from vitrail.training.example import Example, make_example, resize
from vitrail.training.settings import Settings
from vitrail.training.warp import warp_image, warp_labels

SETTINGS = Settings(crop=64, batch=3, diameter=12.0)


def blobs(seed=0, shape=(120, 150)):
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for number in range(1, 25):
        cy, cx, r = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(4, 8)
        labels[((y - cy) ** 2 + (x - cx) ** 2 < r * r) & (labels == 0)] = number
    return labels


@pytest.fixture(scope="module")
def examples():
    found = []
    for seed, domain in ((0, "a"), (1, "a"), (2, "b")):
        labels = blobs(seed)
        image = 500 * (labels > 0) + np.random.default_rng(seed).normal(100, 9, labels.shape)
        found.append(make_example(image[None].astype(np.uint16), labels, domain, 12.0, 12.0))
    return found


def test_the_identity_gives_the_image_and_renumbered_labels():
    labels = blobs()
    matrix = np.array([[1.0, 0, 0], [0, 1, 0]])
    image = np.random.default_rng(0).random((2, *labels.shape), dtype=np.float32)
    np.testing.assert_array_equal(warp_image(image, matrix, *labels.shape), image)
    found = warp_labels(labels, matrix, *labels.shape)
    np.testing.assert_array_equal(found > 0, labels > 0)
    for value in range(1, found.max() + 1):
        assert len(np.unique(labels[found == value])) == 1


def test_a_quarter_turn_and_a_mirrored_border():
    image = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    turn = np.array([[0.0, 1, 0], [-1, 0, 3]])  # output (i, j) shows (j, 3 - i)
    np.testing.assert_array_equal(warp_image(image, turn, 4, 3)[0], np.rot90(image[0]))
    shift = np.array([[1.0, 0, -2], [0, 1, 0]])
    found = warp_image(image, shift, 7, 4)[0]
    np.testing.assert_array_equal(found, image[0][[1, 0, 0, 1, 2, 2, 1]])


def test_bilinear_samples_of_a_plane_are_exact_inside():
    y, x = np.indices((40, 50), dtype=np.float32)
    matrix = np.array([[0.7, 0.2, 5.3], [-0.3, 0.9, 12.1]])
    found = warp_image((2 * y - 3 * x)[None], matrix, 20, 25)[0]
    i, j = np.indices((20, 25))
    wanted = 2 * (0.7 * i + 0.2 * j + 5.3) - 3 * (-0.3 * i + 0.9 * j + 12.1)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_pieces_of_one_object_become_objects():
    labels = np.zeros((4, 9), np.int32)
    labels[1] = 5
    labels[:, 4] = 0
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert warp_labels(labels, identity, 4, 9).max() == 2


def test_resizing_keeps_the_mean_and_the_extent():
    image = np.zeros((1, 60, 90), np.float32)
    image[:, 20:40, 30:60] = 1
    for factor in (0.5, 2.0):
        found = resize(image, factor)
        assert found.shape == (1, 60 * factor, 90 * factor)
        assert found.mean() == pytest.approx(image.mean(), rel=0.02)
        rows = np.flatnonzero(found[0].max(axis=1) > 0.5)
        assert rows[[0, -1]].tolist() == [20 * factor, 40 * factor - 1]


def test_views_have_the_asked_size_and_stay_in_the_image():
    rng = np.random.default_rng(0)
    for _ in range(200):
        matrix = random_view(rng, (300, 400), 0.8, (0.5, 2.0), 64)
        area = abs(np.linalg.det(matrix[:, :2]))  # source pixels a crop pixel
        assert 1 / (0.8 * 2) ** 2 <= area <= 1 / (0.8 * 0.5) ** 2
        centre = matrix @ [31.5, 31.5, 1]
        assert ((centre >= 0) & (centre <= (300, 400))).all()


def test_a_batch_follows_from_seed_purpose_and_step(examples):
    first, again = (draw_batch(examples, SETTINGS, 1, 5) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    for other in (draw_batch(examples, SETTINGS, 1, 6), draw_batch(examples, SETTINGS, 2, 5)):
        assert (other.image != first.image).any()


def test_targets_are_unit_vectors_inside_and_nothing_outside(examples):
    batch = draw_batch(examples, SETTINGS, 1, 0)
    assert batch.image.dtype == batch.flow.dtype == batch.inside.dtype == np.float32
    inside = batch.inside == 1
    length = np.hypot(batch.flow[:, 0], batch.flow[:, 1])
    assert not length[~inside].any()
    assert (length[inside] < 1 + 1e-5).all()
    assert (np.abs(length[inside] - 1) < 1e-5).mean() > 0.95  # a centre may stand still
    assert inside.any()
    # Bright where objects are: image and targets show the same place.
    for image, mask in zip(batch.image[:, 0], inside, strict=True):
        if 0.02 < mask.mean() < 0.98:
            assert image[mask].mean() > image[~mask].mean()
    assert not batch.image[:, 1].any()


def test_without_targets_labels_are_not_needed(examples):
    unlabelled = [Example(e.image, None, e.factor, e.domain) for e in examples]
    batch = draw_batch(unlabelled, SETTINGS, 0, 0, targets=False)
    assert batch.image.any()
    assert not batch.flow.any()


@pytest.mark.parametrize(("balance", "b"), [(0.0, 1 / 2), (1.0, 1 / 3)])
def test_domains_are_balanced(examples, balance, b):
    weight = domain_weights(examples, balance)
    assert weight.sum() == pytest.approx(1)
    assert weight[2] == pytest.approx(b)
    assert weight[0] == weight[1]


def test_photographs_are_finite_and_leave_empty_channels_empty():
    image = np.zeros((2, 48, 48), np.float32)
    image[0] = np.random.default_rng(0).normal(0.3, 0.4, (48, 48))
    before = image.copy()
    for seed in range(50):
        found = photograph(np.random.default_rng(seed), image)
        assert np.isfinite(found).all()
        assert found[0].std() > 0
        assert not found[1].any()
    np.testing.assert_array_equal(image, before)


def test_some_crops_lose_their_nuclei_and_only_those():
    image = np.random.default_rng(0).random((2, 32, 32), dtype=np.float32)
    lost = [not photograph(np.random.default_rng(seed), image)[1].any() for seed in range(300)]
    assert 0.05 < np.mean(lost) < 0.16
