"""Training runs: they learn, they go on where they were stopped, and they end the same."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from vitrail.errors import VitrailError
from vitrail.segmentation.network import FLOW_SCALE, build, styles
from vitrail.training.example import Example, make_example
from vitrail.training.loss import reconstruction_loss, segmentation_losses
from vitrail.training.run import train
from vitrail.training.settings import Settings, run_options
from vitrail.training.sizes import fit_sizes
from vitrail.training.trainer import PRETRAINING, TRAINING, Trainer, rate_at

LOG = logging.getLogger("test")
SETTINGS = Settings(
    width=4, depth=2, crop=32, batch=2, diameter=10.0, steps=6, warmup=1, decay=2, checkpoint=2
)


@pytest.fixture(scope="module")
def examples():
    y, x = np.indices((64, 64))
    labels = np.zeros((64, 64), np.int32)
    for number, (cy, cx) in enumerate([(12, 12), (14, 40), (40, 14), (44, 44)], start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < 36] = number
    image = (900 * (labels > 0) + 100).astype(np.uint16)
    return [make_example(image[None], labels, "a", 10.0, 10.0)]


def same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


@pytest.mark.parametrize("self_identification", [False, True])
def test_a_stopped_run_ends_with_the_same_bits(examples, tmp_path, self_identification):
    settings = replace(SETTINGS, self_identification=self_identification, pretraining=3)
    whole, history = train(examples, examples, settings, tmp_path / "a", LOG)
    stopping = Trainer.advance
    calls = []

    def stop(self, *arguments):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(1)
        return stopping(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "advance", stop)
        with pytest.raises(KeyboardInterrupt):
            train(examples, examples, settings, tmp_path / "b", LOG)
    resumed, again = train(examples, examples, settings, tmp_path / "b", LOG)
    assert same(whole, resumed)

    def losses(entries):
        return [{k: v for k, v in e.items() if k != "seconds_per_step"} for e in entries]

    assert losses(history) == losses(again)
    assert history[-1]["step"] == settings.steps


def test_a_prolonged_run_is_the_same_as_a_long_one(examples, tmp_path):
    longer = replace(SETTINGS, steps=9)
    train(examples, [], SETTINGS, tmp_path / "a", LOG)
    prolonged, history = train(examples, [], longer, tmp_path / "a", LOG)
    whole, _ = train(examples, [], longer, tmp_path / "b", LOG)
    assert same(prolonged, whole)
    assert [entry["step"] for entry in history] == [2, 4, 6, 8, 9]


def test_a_shortened_run_is_the_same_as_a_short_one(examples, tmp_path):
    shorter = replace(SETTINGS, steps=6, checkpoint=1)
    longer = replace(shorter, steps=12)
    train(examples, [], longer, tmp_path / "a", LOG)
    kept = tmp_path / "a" / "checkpoint-1-0000003-12-2.pt"
    trainer = Trainer(shorter)
    for _ in range(3):
        trainer.advance(examples, examples)
    trainer.save(kept, [])
    shortened, _ = train(examples, [], shorter, tmp_path / "a", LOG)
    whole, _ = train(examples, [], shorter, tmp_path / "b", LOG)
    assert same(shortened, whole)
    steps = sorted(p.stem for p in (tmp_path / "a").glob("checkpoint-*.pt"))
    assert steps[:2] == ["checkpoint-1-0000005-6-2", "checkpoint-1-0000006-6-2"]


def test_another_run_does_not_go_on_from_these_checkpoints(examples, tmp_path):
    train(examples, [], replace(SETTINGS, steps=4), tmp_path, LOG)
    with pytest.raises(VitrailError, match="holds checkpoints of a run with other settings"):
        train(examples, [], replace(SETTINGS, seed=2), tmp_path, LOG)


def test_few_checkpoints_are_kept(examples, tmp_path):
    train(examples, [], replace(SETTINGS, steps=20), tmp_path, LOG)
    steps = sorted(int(p.stem.split("-")[2]) for p in tmp_path.glob("checkpoint-*.pt"))
    assert steps == [18, 20]  # the rate is constant up to 18


def test_training_learns(examples, tmp_path):
    settings = replace(SETTINGS, steps=60, decay=20, checkpoint=60, precision="float32")
    _, history = train(examples, examples, settings, tmp_path, LOG)
    start = Trainer(settings).validate([])  # no batch: zeros, and no failure
    assert start == {"flow": 0, "probability": 0}
    # A network that says nothing, or the share of objects everywhere, has 0.69 and 0.60.
    assert history[-1]["validation_probability"] < 0.45


def test_self_identification_learns_to_reconstruct_and_is_dropped(examples, tmp_path):
    settings = replace(
        SETTINGS, self_identification=True, pretraining=40, steps=2, decay=0, checkpoint=20
    )
    unlabelled = Example(examples[0].image, None, examples[0].factor, "b")
    network, history = train([*examples, unlabelled], [], settings, tmp_path, LOG)
    assert [entry["phase"] for entry in history] == ["pretraining", "pretraining", "training"]
    assert history[1]["reconstruction"] < history[0]["reconstruction"]
    assert network.state_dict().keys() == build(4, 2).state_dict().keys()


def test_a_run_needs_labels_and_a_fitting_start(examples, tmp_path):
    unlabelled = [Example(examples[0].image, None, 1.0, "a")]
    with pytest.raises(VitrailError, match="no training image has a labelled object"):
        train(unlabelled, [], SETTINGS, tmp_path, LOG)
    with pytest.raises(VitrailError, match="the first weights have width 8 and depth 2; wanted: 4"):
        train(examples, [], SETTINGS, tmp_path, LOG, start=build(8, 2))


def test_a_start_is_where_it_begins(examples):
    start = build(4, 2, diameter=33.0, seed=9)
    trainer = Trainer(SETTINGS, start=start)
    key = "output.2.weight"
    assert torch.equal(trainer.network.state_dict()[key], start.state_dict()[key])
    assert float(trainer.network.diam_mean) == 10


def test_the_rate_rises_stays_and_falls():
    trainer = Trainer(replace(SETTINGS, steps=10, warmup=3, decay=4))
    rates = []
    for step in range(10):
        trainer.step = step
        rates.append(rate_at(trainer.settings, trainer))
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    trainer.phase = PRETRAINING
    assert rate_at(trainer.settings, trainer) == 1
    assert trainer.phase != TRAINING


def test_the_losses_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    output = torch.from_numpy(rng.normal(size=(2, 3, 4, 4)).astype(np.float32))
    flow = torch.from_numpy(rng.normal(size=(2, 2, 4, 4)).astype(np.float32))
    inside = torch.from_numpy((rng.random((2, 4, 4)) < 0.5).astype(np.float32))
    found = segmentation_losses(output, flow, inside)
    vertical, horizontal = (
        ((output[:, i] - FLOW_SCALE * flow[:, i]) ** 2).mean() for i in range(2)
    )
    assert float(found.flow) == pytest.approx(float(vertical + horizontal) / 2)
    p = 1 / (1 + np.exp(-output[:, 2].numpy().astype(np.float64)))
    entropy = -np.where(inside.numpy() == 1, np.log(p), np.log(1 - p)).mean()
    assert float(found.probability) == pytest.approx(entropy, rel=1e-5)
    assert float(reconstruction_loss(output, output + 2)) == pytest.approx(4)


def test_the_size_model_knows_the_scale_of_a_crop(examples):
    """Styles of a network that has learnt nothing still tell coarse from fine."""
    network = build(8, 4, seed=0).eval()
    settings = replace(SETTINGS, width=8, depth=4, crop=64)
    model = fit_sizes(network, examples, settings, crops=150, ridge=1e-3)
    assert 0.25 * 10 < model.low < 0.5 * 10
    assert 4 * 10 < model.high < 6.1 * 10
    fine, coarse = (float(model.diameter(styles(network, _pattern(size)))[0]) for size in (6, 24))
    assert fine < coarse


def _pattern(diameter):
    y, x = np.indices((64, 64))
    step = 2 * diameter
    distance = np.hypot((y % step) - diameter, (x % step) - diameter)
    image = np.zeros((1, 2, 64, 64), np.float32)
    image[0, 0] = distance < diameter / 2
    return image


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"step": 3}, "train.step is unknown; known are balance, batch"),
        ({"steps": 0}, "train.steps is 0; wanted: at least 1"),
        ({"crop": 100}, "train.crop is 100; wanted: a multiple of 8"),
        ({"scale": [2, 1]}, r"train.scale is \[2, 1\]; wanted: two factors above 0"),
        ({"kind": "tissue"}, "train.kind is 'tissue'; wanted: nuclei or cells"),
        ({"steps": 100, "decay": 80}, "train.decay is 80; wanted: at most steps - warmup = 50"),
        ({"precision": "half"}, "train.precision is 'half'; wanted: float32 or bfloat16"),
    ],
)
def test_bad_settings_are_one_sentence(given, sentence):
    with pytest.raises(VitrailError, match=sentence):
        Settings.of(given)


def test_a_section_of_the_configuration_is_divided():
    options, given = run_options(
        {"table": "t", "threads": 2, "name": "n", "start": None, "device": "cpu", "steps": 900}
    )
    assert options == {"name": "n", "start": None, "device": "cpu"}
    assert Settings.of(given).steps == 900
