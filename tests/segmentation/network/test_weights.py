"""Weight files, and that the network is Cellpose's."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vitrail.errors import VitrailError
from vitrail.segmentation import weights
from vitrail.segmentation.network import (
    SizeModel,
    build,
    file_hash,
    load_weights,
    model_card,
    predict,
    save_weights,
)

LAYOUT = Path(__file__).with_name("cellpose_layout.tsv")


def cellpose_shapes():
    lines = LAYOUT.read_text().splitlines()[1:]
    pairs = (line.split("\t") for line in lines)
    return {key: tuple(int(n) for n in shape.split()) for key, shape in pairs}


def randomised(network, seed=0):
    """The network with batch norms that are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    return network.eval()


def image(seed=1, shape=(2, 2, 32, 48)):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_layout_is_cellposes():
    state = build(32, 4).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == cellpose_shapes()


def test_a_file_of_cellpose_loads(tmp_path):
    generator = torch.Generator().manual_seed(3)
    state = {
        key: torch.rand(shape, generator=generator) if shape else torch.tensor(7)
        for key, shape in cellpose_shapes().items()
    }
    torch.save(state, tmp_path / "cyto3")
    network, facts = load_weights(tmp_path / "cyto3")
    assert (facts.width, facts.depth, facts.kind, facts.size) == (32, 4, "", None)
    assert facts.diam_mean == float(state["diam_mean"])
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert not network.training


@pytest.mark.parametrize(("name", "diameter"), [("cyto", 30), ("nucleitorch_0", 17)])
def test_a_file_without_diameters_has_cellposes(tmp_path, name, diameter):
    state = build(4, 2, diameter=1).state_dict()
    torch.save({k: v for k, v in state.items() if "diam" not in k}, tmp_path / name)
    assert load_weights(tmp_path / name)[1].diam_mean == diameter


def test_outputs_are_cellposes(tmp_path):
    resnet = pytest.importorskip("cellpose.resnet_torch", reason="needs the package cellpose")
    torch.manual_seed(0)
    theirs = randomised(resnet.CPnet([2, 8, 16, 32], 3, 3))
    theirs.save_model(str(tmp_path / "theirs"))
    ours, _ = load_weights(tmp_path / "theirs")
    with torch.no_grad():
        output, style, _ = theirs(torch.from_numpy(image()))
    found = predict(ours, image())
    for place, plane in enumerate((5 * found.flow_y, 5 * found.flow_x, found.logit)):
        np.testing.assert_allclose(plane, output[:, place].numpy(), atol=1e-5)
    np.testing.assert_allclose(found.style, style.numpy(), atol=1e-6)


def test_what_is_saved_comes_back_in_half_precision(tmp_path):
    network = randomised(build(4, 3, diameter=20, seed=5))
    size = SizeModel(np.arange(16.0), np.linspace(-1, 1, 16), 3.25, 6.0, 70.0)
    path = tmp_path / "nuclei.pt"
    save_weights(path, network, "nuclei", size, {"steps": 12, "sets": ["a", "b"]})
    again, facts = load_weights(path)
    assert (facts.width, facts.depth, facts.kind, facts.diam_mean) == (4, 3, "nuclei", 20)
    assert facts.notes == {"steps": 12, "sets": ["a", "b"]}
    assert facts.sha256 == file_hash(path)
    for key, value in network.state_dict().items():
        wanted = value.half().float() if value.is_floating_point() else value
        assert torch.equal(again.state_dict()[key], wanted), key
    style = np.random.default_rng(0).random((3, 16))
    np.testing.assert_array_equal(facts.size.diameter(style), size.diameter(style))


def test_a_model_card_lies_beside_the_file(tmp_path):
    assert model_card(tmp_path / "x.pt") is None
    (tmp_path / "x.json").write_text('{"name": "x"}')
    assert model_card(tmp_path / "x.pt") == {"name": "x"}


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def test_a_flipped_byte_is_named_with_both_hashes_of_the_card(tmp_path):
    path = tmp_path / "nuclei.pt"
    save_weights(path, randomised(build(4, 3, diameter=20, seed=5)), "nuclei")
    was = file_hash(path)
    path.with_suffix(".json").write_text(json.dumps({"file": {"sha256": was}}))
    load_weights(path)
    flip(path, path.stat().st_size // 2)
    with pytest.raises(VitrailError) as caught:
        load_weights(path)
    assert str(caught.value) == (
        f"{path} hashes to {file_hash(path)}, but its model card nuclei.json says {was}; "
        "wanted: the file as it was made"
    )


@pytest.mark.parametrize("part", np.linspace(0.05, 0.9, 7))
def test_a_flipped_byte_is_named_without_a_card(tmp_path, part):
    """In the weights themselves, where nothing but their checksum tells."""
    path = tmp_path / "nuclei.pt"
    save_weights(path, randomised(build(4, 3, diameter=20, seed=5)), "nuclei")
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if "/data/" in m.filename]
    member = members[int(part * len(members))]
    # Behind the member's own header, whose extra field torch fills so that the data are aligned.
    content = path.read_bytes()
    names = struct.unpack_from("<HH", content, member.header_offset + 26)
    flip(path, member.header_offset + 30 + sum(names) + member.file_size // 2)
    with pytest.raises(VitrailError, match="is damaged: its member") as caught:
        load_weights(path)
    assert member.filename in str(caught.value)
    assert file_hash(path) in str(caught.value)


def test_a_flipped_byte_anywhere_is_named_or_changes_nothing(tmp_path):
    """Headers of an archive hold what nobody reads, as the date of a member; all else is seen."""
    path = tmp_path / "nuclei.pt"
    save_weights(path, randomised(build(2, 2, diameter=20, seed=5)), "nuclei")
    state = load_weights(path)[0].state_dict()
    places = np.random.default_rng(4).integers(0, path.stat().st_size, 150)
    sentences = []
    for place in places:
        flip(path, int(place))
        assert weights.is_torchscript(path) is False
        try:
            found = load_weights(path)[0].state_dict()
            assert all(torch.equal(state[key], found[key]) for key in state)
        except VitrailError as error:
            sentences.append(str(error))
        flip(path, int(place))
    assert len(sentences) > len(places) / 2
    assert all(sentence.startswith(str(path)) for sentence in sentences)


@pytest.mark.parametrize("kind", ["nuclei", "cells"])
def test_shipped_weights_are_those_of_their_model_card(kind):
    path = weights.find(kind)
    assert path.with_suffix(".json").is_file()
    weights.check_whole(path)


def test_unknown_kind_is_an_error(tmp_path):
    with pytest.raises(VitrailError, match=r"^kind is 'tissue'; wanted: nuclei or cells"):
        save_weights(tmp_path / "x.pt", build(2, 1), "tissue")


class Harmful:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist; wanted: a weight file"),
        ([1, 2], "holds a list; wanted: a state dict"),
        ({"W2": torch.zeros(1)}, "has no 'downsample"),
        (Harmful(), "cannot be read as weights"),
    ],
)
def test_other_files_are_refused_and_never_executed(tmp_path, capsys, content, sentence):
    path = tmp_path / "file.pt"
    if content is not None:
        torch.save(content, path)
    with pytest.raises(VitrailError) as error:
        load_weights(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)
    assert "executed" not in capsys.readouterr().out


def changed(key, value):
    state = build(2, 2).state_dict()
    if value is None:
        del state[key]
    else:
        state[key] = value
    return state


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (changed("upsample.up.res_up_0.proj.1.bias", None), "1 layers are missing and 0 unknown"),
        (changed("extra", torch.zeros(1)), "0 layers are missing and 1 unknown (first: 'extra')"),
        (changed("output.2.bias", torch.zeros(4)), "'output.2.bias' has shape (4,); wanted: (3,)"),
        (changed("output.2.weight", torch.zeros(1, 2, 1, 1)), "2 input channels and 1 outputs"),
    ],
)
def test_a_network_of_another_layout_is_refused(tmp_path, state, sentence):
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(VitrailError) as error:
        load_weights(tmp_path / "x.pt")
    assert sentence in str(error.value)
